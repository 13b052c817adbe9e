//! A client's operation for one request: fragments inlined, conditions decided, canonical keys given.
//!
//! From this tree come both the operation that the planner sees and the projection of the response.

use super::{
    canonical::canonical_key,
    types::{Types, named},
};
use crate::{
    graphql::Variables,
    plan::{OperationKind, TypeNames},
};
use graphql_tools::static_graphql::query::{self, TypeCondition, Value};
use std::{collections::HashMap, sync::Arc};

/// A field or an inlined fragment with a type condition.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    Field(Field),
    On { condition: String, selections: Vec<Self> },
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// The client's response key: alias or name.
    pub(super) response_key: Arc<str>,
    /// Where the value lies in the data.
    pub(super) key: Arc<str>,
    /// In the client's order.
    pub(super) arguments: Vec<(String, Value)>,
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

/// Named fragments of a document.
pub(super) type Fragments = HashMap<String, query::FragmentDefinition>;

/// Inlines a selection set. The document's guards have bounded what this can grow to.
pub(super) fn inline(
    set: &query::SelectionSet,
    fragments: &Fragments,
    variables: &Variables,
) -> Vec<Selection> {
    Inliner { fragments, variables }.set(set)
}

struct Inliner<'a> {
    fragments: &'a Fragments,
    variables: &'a Variables,
}

impl Inliner<'_> {
    fn set(&self, set: &query::SelectionSet) -> Vec<Selection> {
        let mut out = Vec::with_capacity(set.items.len());
        for item in &set.items {
            match item {
                query::Selection::Field(it) if self.wanted(&it.directives) => {
                    out.push(Selection::Field(self.field(it)));
                }
                query::Selection::InlineFragment(it) if self.wanted(&it.directives) => {
                    let selections = self.set(&it.selection_set);
                    match &it.type_condition {
                        Some(TypeCondition::On(condition)) => push_on(condition, selections, &mut out),
                        None => out.extend(selections),
                    }
                }
                query::Selection::FragmentSpread(it) if self.wanted(&it.directives) => {
                    if let Some(fragment) = self.fragments.get(&it.fragment_name) {
                        let TypeCondition::On(condition) = &fragment.type_condition;
                        push_on(condition, self.set(&fragment.selection_set), &mut out);
                    }
                }
                _ => {}
            }
        }
        out
    }

    fn field(&self, field: &query::Field) -> Field {
        let key: Arc<str> = canonical_key(&field.name, &field.arguments).into();
        Field {
            response_key: field.alias.as_deref().unwrap_or(&field.name).into(),
            key,
            arguments: field.arguments.clone(),
            selections: self.set(&field.selection_set),
            is_composite: !field.selection_set.items.is_empty(),
            name: field.name.clone(),
            unreachable: false,
        }
    }

    /// Decides `@skip` and `@include`.
    fn wanted(&self, directives: &[query::Directive]) -> bool {
        directives.iter().all(|it| match it.name.as_str() {
            "skip" => !self.is_true(it),
            "include" => self.is_true(it),
            _ => true,
        })
    }

    fn is_true(&self, directive: &query::Directive) -> bool {
        match directive.arguments.iter().find(|(name, _)| name == "if") {
            Some((_, Value::Boolean(it))) => *it,
            Some((_, Value::Variable(name))) => self.variables.is_true(name),
            _ => false,
        }
    }
}

fn push_on(condition: &str, selections: Vec<Selection>, out: &mut Vec<Selection>) {
    if !selections.is_empty() {
        out.push(Selection::On { condition: condition.to_owned(), selections });
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
