//! Rules of operations as a whole (GraphQL specification, sections 5.1 and 5.2).

use super::{Aborted, Rules, Step};
use crate::language::ast::{
    Definition, Directive, Field, Name, OperationDefinition, OperationKind, Selection, SelectionSet, Value,
};
use std::collections::{HashMap, HashSet};

/// Names seen so far.
#[derive(Default)]
pub(super) struct State<'a> {
    names: HashMap<&'a str, &'a Name>,
}

impl<'a> Rules<'a> {
    /// Executable Definitions.
    pub(super) fn executable_definitions(&mut self) -> Step {
        for definition in &self.context.document.definitions {
            let Definition::TypeSystem(it) = definition else { continue };
            let name = it.name.as_ref().map_or_else(|| "schema".to_owned(), |it| format!("\"{it}\""));
            self.report(format!("The {name} definition is not executable."), vec![it.place])?;
        }
        Ok(())
    }

    /// Operation Name Uniqueness.
    pub(super) fn unique_operation_names(&mut self, it: &'a OperationDefinition) -> Step {
        let Some(name) = &it.name else { return Ok(()) };
        let first = *self.operations.names.entry(name.as_str()).or_insert(name);
        if std::ptr::eq(first, name) {
            return Ok(());
        }
        let message = format!("There can be only one operation named \"{name}\".");
        self.report(message, vec![first.place, name.place])
    }

    /// Lone Anonymous Operation.
    pub(super) fn lone_anonymous_operation(&mut self, it: &'a OperationDefinition) -> Step {
        if it.name.is_some() || self.context.document.operations().nth(1).is_none() {
            return Ok(());
        }
        let message = "This anonymous operation must be the only defined operation.";
        self.report(message.to_owned(), vec![it.place])
    }

    /// Single Root Field.
    pub(super) fn single_field_subscriptions(&mut self, it: &'a OperationDefinition) -> Step {
        let root = self.schema.root(OperationKind::Subscription);
        if it.kind != OperationKind::Subscription || root.is_none() {
            return Ok(());
        }
        let groups = self.root_fields(&it.selection_set)?;
        let who = match &it.name {
            Some(name) => format!("Subscription \"{name}\""),
            None => "Anonymous Subscription".to_owned(),
        };
        if groups.len() > 1 {
            let places = groups[1..].iter().flatten().map(|it| it.place()).collect();
            self.report(format!("{who} must select only one top level field."), places)?;
        }
        for group in groups {
            if group[0].name.as_str().starts_with("__") {
                let message = format!("{who} must not select an introspection top level field.");
                self.report(message, group.iter().map(|it| it.place()).collect())?;
            }
        }
        Ok(())
    }

    /// The fields of a subscription's root by response name, through all fragments that fit. What a variable decides
    /// counts as selected.
    fn root_fields(&mut self, set: &'a SelectionSet) -> Result<Vec<Vec<&'a Field>>, Aborted> {
        let (mut groups, mut index) = (Vec::<Vec<&Field>>::new(), HashMap::new());
        let mut spread = HashSet::new();
        let mut rest = vec![set.items.iter()];
        while let Some(items) = rest.last_mut() {
            let Some(item) = items.next() else {
                rest.pop();
                continue;
            };
            self.spend(1)?;
            match item {
                it if !is_selected(it.directives()) => {}
                Selection::Field(it) => {
                    let at = *index.entry(it.response_name().as_str()).or_insert(groups.len());
                    match groups.get_mut(at) {
                        Some(group) => group.push(it),
                        None => groups.push(vec![it]),
                    }
                }
                it => rest.extend(self.root_fragment(it, &mut spread).map(|it| it.items.iter())),
            }
        }
        Ok(groups)
    }

    /// The selections of a fragment that fits a subscription's root; of each named one the first time alone.
    fn root_fragment(
        &self,
        selection: &'a Selection,
        spread: &mut HashSet<&'a str>,
    ) -> Option<&'a SelectionSet> {
        let (condition, set) = match selection {
            Selection::Field(_) => return None,
            Selection::InlineFragment(it) => (it.type_condition.as_ref(), &it.selection_set),
            Selection::FragmentSpread(it) => {
                let is_new = spread.insert(it.name.as_str());
                let fragment = self.context.fragment(it.name.as_str()).filter(|_| is_new)?;
                (Some(&fragment.type_condition), &fragment.selection_set)
            }
        };
        condition.is_none_or(|it| self.is_of_root(it)).then_some(set)
    }

    fn is_of_root(&self, condition: &Name) -> bool {
        let root = self.schema.root(OperationKind::Subscription);
        let condition = self.schema.id(condition.as_str());
        condition.zip(root).is_some_and(|(it, root)| it == root || self.schema.is_subtype(root, it))
    }
}

/// Whether `@skip` and `@include` leave a selection in.
fn is_selected(directives: &[Directive]) -> bool {
    literal(directives, "skip") != Some(true) && literal(directives, "include") != Some(false)
}

fn literal(directives: &[Directive], name: &str) -> Option<bool> {
    let directive = directives.iter().find(|it| it.name.as_str() == name)?;
    match directive.arguments.iter().rev().find(|it| it.name.as_str() == "if")?.value {
        Value::Boolean(it, _) => Some(it),
        _ => None,
    }
}
