//! Canonical keys, and the operation that the planner gets to see.
//!
//! The planner never meets a client's alias or condition. Operations that differ in those alone share a
//! plan; and several of its defects, which concern just those, cannot show.

use super::{
    selection::{Field, Selection},
    values::variables_in,
};
use crate::plan::OperationKind;
use graphql_tools::{
    parser::Pos,
    static_graphql::query::{
        self, Definition, Document, InlineFragment, OperationDefinition, SelectionSet, TypeCondition, Value,
        VariableDefinition,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hasher},
};

/// A field's name, or its name and a hash of its arguments, whatever their order.
///
/// The hash is the same in every process of one build, so plans can be compared between them.
pub(super) fn canonical_key(name: &str, arguments: &[(String, Value)]) -> String {
    if arguments.is_empty() {
        return name.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    hash_members(arguments, &mut hasher);
    format!("{name}_{:016x}", hasher.finish())
}

fn hash_members(members: &[(String, Value)], hasher: &mut DefaultHasher) {
    let sorted: BTreeMap<&str, &Value> = members.iter().map(|(name, value)| (name.as_str(), value)).collect();
    for (name, value) in sorted {
        hash_text('k', name, hasher);
        hash_value(value, hasher);
    }
    hasher.write_u8(b'}');
}

/// Every value starts with a letter for its kind and texts carry their length, so that different values
/// never feed the same bytes.
fn hash_value(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Variable(name) => hash_text('$', name, hasher),
        Value::Int(it) => hash_text('i', &it.as_i64().unwrap_or_default().to_string(), hasher),
        Value::Float(it) => hash_text('f', &format!("{it:?}"), hasher),
        Value::String(it) => hash_text('s', it, hasher),
        Value::Boolean(it) => hash_text('b', if *it { "true" } else { "false" }, hasher),
        Value::Null => hash_text('n', "", hasher),
        Value::Enum(it) => hash_text('e', it, hasher),
        Value::List(items) => {
            hasher.write_u8(b'[');
            items.iter().for_each(|it| hash_value(it, hasher));
            hasher.write_u8(b']');
        }
        Value::Object(members) => {
            hasher.write_u8(b'{');
            hash_members(members, hasher);
        }
    }
}

fn hash_text(kind: char, text: &str, hasher: &mut DefaultHasher) {
    hasher.write_u8(kind as u8);
    hasher.write_usize(text.len());
    hasher.write(text.as_bytes());
}

/// The operation for the planner: these root fields, anonymous, under canonical keys. Root fields of a
/// mutation keep the client's keys, because two equal ones must both run. A subscription's root field goes
/// without its arguments: they choose the feed and the rule, which tell subscriptions apart by themselves,
/// so it does not matter here how the client has spelt them.
pub(super) fn planner_document(
    kind: OperationKind,
    fields: &[Field],
    variables: &[VariableDefinition],
) -> Document {
    let selection_set = set(fields
        .iter()
        .map(|it| match kind {
            OperationKind::Query => field(it, &it.key, &it.arguments),
            OperationKind::Mutation => field(it, &it.response_key, &it.arguments),
            OperationKind::Subscription => field(it, &it.key, &[]),
        })
        .collect());
    let (position, name, directives) = (Pos::default(), None, Vec::new());
    let variable_definitions = used(variables, &selection_set);
    let operation = match kind {
        OperationKind::Query => OperationDefinition::Query(query::Query {
            position,
            name,
            variable_definitions,
            directives,
            selection_set,
        }),
        OperationKind::Mutation => OperationDefinition::Mutation(query::Mutation {
            position,
            name,
            variable_definitions,
            directives,
            selection_set,
        }),
        OperationKind::Subscription => OperationDefinition::Subscription(query::Subscription {
            position,
            name,
            variable_definitions,
            directives,
            selection_set,
        }),
    };
    Document { definitions: vec![Definition::Operation(operation)] }
}

/// The definitions of those variables that a selection set uses: others were in conditions, which are
/// decided, or in a subscription's root field.
fn used(variables: &[VariableDefinition], selection_set: &SelectionSet) -> Vec<VariableDefinition> {
    let (mut found, mut sets) = (BTreeSet::new(), vec![selection_set]);
    while let Some(set) = sets.pop() {
        for item in &set.items {
            match item {
                query::Selection::Field(it) => {
                    it.arguments.iter().for_each(|(_, value)| variables_in(value, &mut found));
                    sets.push(&it.selection_set);
                }
                query::Selection::InlineFragment(it) => sets.push(&it.selection_set),
                query::Selection::FragmentSpread(_) => {}
            }
        }
    }
    variables.iter().filter(|it| found.contains(it.name.as_str())).cloned().collect()
}

fn set(items: Vec<query::Selection>) -> SelectionSet {
    SelectionSet { span: (Pos::default(), Pos::default()), items }
}

fn field(source: &Field, key: &str, arguments: &[(String, Value)]) -> query::Selection {
    let mut items: Vec<_> = source.selections.iter().map(selection).collect();
    if items.is_empty() && source.is_composite {
        items.push(query::Selection::Field(plain_field("__typename")));
    }
    query::Selection::Field(query::Field {
        alias: (key != source.name).then(|| key.to_owned()),
        arguments: arguments.to_vec(),
        selection_set: set(items),
        ..plain_field(&source.name)
    })
}

fn plain_field(name: &str) -> query::Field {
    query::Field {
        position: Pos::default(),
        alias: None,
        name: name.to_owned(),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: set(Vec::new()),
    }
}

fn selection(source: &Selection) -> query::Selection {
    match source {
        Selection::Field(it) => field(it, &it.key, &it.arguments),
        Selection::On { condition, selections } => query::Selection::InlineFragment(InlineFragment {
            position: Pos::default(),
            type_condition: Some(TypeCondition::On(condition.clone())),
            directives: Vec::new(),
            selection_set: set(selections.iter().map(selection).collect()),
        }),
    }
}
