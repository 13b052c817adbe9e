//! A client's operation for one request: fragments inlined, conditions decided, canonical keys given.
//!
//! From this tree come both the operation that the planner sees and the projection of the response.

use super::{
    document::{Document, Fragments},
    keys::canonical_key,
    types::{Types, named},
};
use crate::{
    graphql::{BAD_USER_INPUT, Error, Location, Variables},
    language::{
        Place,
        ast::{self, Argument, Directive, SelectionSet, Value},
    },
    plan::{OperationKind, TypeNames},
};
use std::{collections::HashMap, sync::Arc};

/// A field or an inlined fragment with a type condition.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    Field(Field),
    On { condition: Arc<str>, selections: Vec<Self> },
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: Arc<str>,
    /// The client's response key: alias or name.
    pub(super) response_key: Arc<str>,
    /// Where the value lies in the data.
    pub(super) key: Arc<str>,
    /// In the client's order.
    pub(super) arguments: Vec<Argument>,
    pub(super) selections: Vec<Selection>,
    /// Whether the client wrote a selection set, even if nothing is left of it.
    pub(super) is_composite: bool,
    /// No plan leads to it, so it is not planned and answers null.
    pub(super) unreachable: bool,
}

impl Field {
    /// The key under which a root field is planned: those of a mutation keep the client's, because two equal ones
    /// must both run.
    pub(super) fn root_key(&self, kind: OperationKind) -> &Arc<str> {
        match kind {
            OperationKind::Mutation => &self.response_key,
            OperationKind::Query | OperationKind::Subscription => &self.key,
        }
    }
}

/// Inlines the selection set of an operation. The document's guards have bounded what this can grow to.
///
/// # Errors
/// A condition turns out to be null.
pub(super) fn inline(document: &Document, variables: &Variables) -> Result<Vec<Selection>, Error> {
    let (fragments, nullable_conditions) = (&document.fragments, &document.nullable_conditions);
    Inliner { fragments, nullable_conditions, variables }.set(&document.operation.selection_set)
}

struct Inliner<'a> {
    fragments: &'a Fragments,
    nullable_conditions: &'a HashMap<Place, Location>,
    variables: &'a Variables,
}

impl Inliner<'_> {
    fn set(&self, set: &SelectionSet) -> Result<Vec<Selection>, Error> {
        let mut out = Vec::with_capacity(set.items.len());
        for item in &set.items {
            match item {
                ast::Selection::Field(it) => {
                    if self.wanted(&it.directives)? {
                        out.push(Selection::Field(self.field(it)?));
                    }
                }
                ast::Selection::InlineFragment(it) => {
                    if self.wanted(&it.directives)? {
                        let selections = self.set(&it.selection_set)?;
                        match &it.type_condition {
                            Some(condition) => push_on(&condition.text, selections, &mut out),
                            None => out.extend(selections),
                        }
                    }
                }
                ast::Selection::FragmentSpread(it) => {
                    if self.wanted(&it.directives)?
                        && let Some(fragment) = self.fragments.get(&it.name.text)
                    {
                        let selections = self.set(&fragment.selection_set)?;
                        push_on(&fragment.type_condition.text, selections, &mut out);
                    }
                }
            }
        }
        Ok(out)
    }

    fn field(&self, field: &ast::Field) -> Result<Field, Error> {
        let selections = field.selection_set.as_ref().map(|it| self.set(it)).transpose()?;
        Ok(Field {
            response_key: field.response_name().text.clone(),
            key: canonical_key(&field.name.text, &field.arguments),
            arguments: field.arguments.clone(),
            is_composite: selections.is_some(),
            selections: selections.unwrap_or_default(),
            name: field.name.text.clone(),
            unreachable: false,
        })
    }

    /// Decides `@skip` and `@include`.
    fn wanted(&self, directives: &[Directive]) -> Result<bool, Error> {
        for it in directives {
            let is_wanted = match it.name.as_str() {
                "skip" => !self.is_true(it)?,
                "include" => self.is_true(it)?,
                _ => true,
            };
            if !is_wanted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_true(&self, directive: &Directive) -> Result<bool, Error> {
        match directive.arguments.iter().find(|it| it.name.as_str() == "if").map(|it| &it.value) {
            Some(Value::Boolean(it, _)) => Ok(*it),
            Some(Value::Variable(it)) => {
                let value = self.variables.get(it.name.as_str());
                match self.nullable_conditions.get(&it.place) {
                    Some(location) if value.is_none_or(|it| **it == *b"null") => {
                        Err(null_condition(*location))
                    }
                    _ => Ok(value.is_some_and(|it| **it == *b"true")),
                }
            }
            _ => Ok(false),
        }
    }
}

/// A variable may be null in such a place where it has a default (GraphQL specification, section 5.8.5); then it is for
/// carrying the operation out to see it.
fn null_condition(location: Location) -> Error {
    Error::new("Argument \"if\" of non-null type \"Boolean!\" must not be null.")
        .with_code(BAD_USER_INPUT)
        .at(location.line, location.column)
}

fn push_on(condition: &Arc<str>, selections: Vec<Selection>, out: &mut Vec<Selection>) {
    if !selections.is_empty() {
        out.push(Selection::On { condition: condition.clone(), selections });
    }
}

/// The fields of a root selection, where every fragment applies, merged by response key: equal keys
/// stand for one field (validation has seen to it that they can).
pub(super) fn root_fields(selections: Vec<Selection>) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    collect(selections, &mut fields);
    fields
}

/// Takes out fragments that fit no object at their place, such as one on a type within one on another. The planner
/// finds no way to nothing.
pub(super) fn keep_fitting(types: &Types, root_type: &str, fields: &mut [Field]) {
    fields.iter_mut().for_each(|it| keep_fitting_below(types, root_type, it));
}

fn keep_fitting_below(types: &Types, owner: &str, field: &mut Field) {
    let returns = types.field(owner, &field.name).map(|it| named(&it.ty));
    let Some(returns) = returns.filter(|it| types.composite(it).is_some()) else { return };
    keep_fitting_in(types, returns, &types.possible(returns), &mut field.selections);
}

fn keep_fitting_in(types: &Types, owner: &str, objects: &TypeNames, selections: &mut Vec<Selection>) {
    selections.retain_mut(|it| match it {
        Selection::Field(it) => {
            keep_fitting_below(types, owner, it);
            true
        }
        Selection::On { condition, selections } => {
            let objects = objects.and(&types.possible(condition));
            if !objects.is_empty() {
                keep_fitting_in(types, condition, &objects, selections);
            }
            !objects.is_empty() && !selections.is_empty()
        }
    });
}

fn collect(selections: Vec<Selection>, fields: &mut Vec<Field>) {
    for selection in selections {
        match selection {
            Selection::On { selections, .. } => collect(selections, fields),
            Selection::Field(field) => {
                match fields.iter_mut().find(|it| it.response_key == field.response_key) {
                    Some(twin) => twin.selections.extend(field.selections),
                    None => fields.push(field),
                }
            }
        }
    }
}
