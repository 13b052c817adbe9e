//! Rules of directives (GraphQL specification, section 5.7).

use super::{Rules, Step};
use crate::language::ast::{Directive, Place};
use std::collections::HashMap;

impl<'a> Rules<'a> {
    /// Directives Are Defined, and Directives Are in Valid Locations.
    pub(super) fn known_directives(&mut self, it: &'a Directive, location: &'static str) -> Step {
        let message = match self.schema.directives().get(it.name.as_str()) {
            None => format!("Unknown directive \"@{}\".", it.name),
            Some(known) if !known.locations.iter().any(|it| **it == *location) => {
                format!("Directive \"@{}\" may not be used on {location}.", it.name)
            }
            Some(_) => return Ok(()),
        };
        self.report(message, vec![it.place])
    }

    /// Directives Are Unique per Location.
    pub(super) fn unique_directives(&mut self, directives: &'a [Directive]) -> Step {
        if directives.len() < 2 {
            return Ok(());
        }
        let mut first: HashMap<&str, Place> = HashMap::new();
        for it in directives {
            let definition = self.schema.directives().get(it.name.as_str());
            if definition.is_none_or(|it| it.is_repeatable) {
                continue;
            }
            let place = *first.entry(it.name.as_str()).or_insert(it.place);
            if place != it.place {
                let message =
                    format!("The directive \"@{}\" can only be used once at this location.", it.name);
                self.report(message, vec![place, it.place])?;
            }
        }
        Ok(())
    }
}
