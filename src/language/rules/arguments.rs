//! Rules of arguments (GraphQL specification, section 5.4).

use super::{Rules, Step, repeated, traversal::Site};
use crate::language::ast::{Argument, Directive, Field};

impl<'a> Rules<'a> {
    /// Argument Names, on fields.
    pub(super) fn known_field_argument(&mut self, it: &'a Argument, site: Site<'a>) -> Step {
        let Some((field, parent)) = site.field.zip(site.parent) else { return Ok(()) };
        if field.arguments.get(it.name.as_str()).is_some() {
            return Ok(());
        }
        let names = field.arguments.iter().map(|it| it.name.as_ref());
        let suggestion = self.suggest("", it.name.as_str(), names);
        let owner = self.schema.name(parent);
        let message =
            format!("Unknown argument \"{}\" on field \"{owner}.{}\".{suggestion}", it.name, field.name);
        self.report(message, vec![it.name.place])
    }

    /// Argument Names, on directives.
    pub(super) fn known_directive_arguments(&mut self, it: &'a Directive) -> Step {
        let Some(definition) = self.schema.directives().get(it.name.as_str()) else { return Ok(()) };
        for argument in &it.arguments {
            let name = &argument.name;
            if definition.arguments.get(name.as_str()).is_some() {
                continue;
            }
            let names = definition.arguments.iter().map(|it| it.name.as_ref());
            let suggestion = self.suggest("", name.as_str(), names);
            let message = format!("Unknown argument \"{name}\" on directive \"@{}\".{suggestion}", it.name);
            self.report(message, vec![name.place])?;
        }
        Ok(())
    }

    /// Argument Uniqueness.
    pub(super) fn unique_argument_names(&mut self, arguments: &'a [Argument]) -> Step {
        if arguments.len() < 2 {
            return Ok(());
        }
        for (name, places) in repeated(arguments.iter().map(|it| &it.name)) {
            self.report(format!("There can be only one argument named \"{name}\"."), places)?;
        }
        Ok(())
    }

    /// Required Arguments, on fields.
    pub(super) fn required_field_arguments(&mut self, it: &'a Field, site: Site<'a>) -> Step {
        let Some(field) = site.field else { return Ok(()) };
        for definition in field.arguments.iter().filter(|it| it.is_required()) {
            if is_given(&it.arguments, &definition.name) {
                continue;
            }
            let message = format!(
                "Field \"{}\" argument \"{}\" of type \"{}\" is required, but it was not provided.",
                field.name,
                definition.name,
                self.schema.show(&definition.ty)
            );
            self.report(message, vec![it.place()])?;
        }
        Ok(())
    }

    /// Required Arguments, on directives.
    pub(super) fn required_directive_arguments(&mut self, it: &'a Directive) -> Step {
        let Some(directive) = self.schema.directives().get(it.name.as_str()) else { return Ok(()) };
        for definition in directive.arguments.iter().filter(|it| it.is_required()) {
            if is_given(&it.arguments, &definition.name) {
                continue;
            }
            let message = format!(
                "Directive \"@{}\" argument \"{}\" of type \"{}\" is required, but it was not provided.",
                it.name,
                definition.name,
                self.schema.show(&definition.ty)
            );
            self.report(message, vec![it.place])?;
        }
        Ok(())
    }
}

fn is_given(arguments: &[Argument], name: &str) -> bool {
    arguments.iter().any(|it| it.name.as_str() == name)
}
