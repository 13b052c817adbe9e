//! Canonical keys, and the operation that the planner gets to see.
//!
//! The planner never meets a client's alias or condition. Operations that differ in those alone share a
//! plan; and several of its defects, which concern just those, cannot show.

use super::{
    selection::{Field, Selection},
    types::{Types, named},
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
    collections::{BTreeMap, BTreeSet, HashSet},
    hash::{DefaultHasher, Hasher},
    sync::Arc,
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

/// What the planner's operation needs to know of the schema.
pub(super) struct Context<'a> {
    pub(super) types: &'a Types,
    /// Interfaces that some subgraph serves as an object: asking for their `__typename` costs a fetch.
    pub(super) interface_objects: &'a HashSet<String>,
    pub(super) root_type: &'a str,
    /// The operation subscribes to a field that a broker serves.
    pub(super) is_event: bool,
}

/// The operation for the planner: these root fields, anonymous, under canonical keys. Root fields of a
/// mutation keep the client's keys, because two equal ones must both run. A field that a broker serves goes
/// without its arguments: they choose the feed and the rule, which tell subscriptions apart by themselves,
/// so it does not matter here how the client has spelt them.
///
/// Wherever a value can be of several types, `__typename` is asked for.
pub(super) fn planner_document(
    context: &Context<'_>,
    kind: OperationKind,
    fields: &[&Field],
    variables: &[VariableDefinition],
) -> Document {
    let (without_arguments, borrowed): (Vec<Field>, Vec<&Field>);
    let fields = if context.is_event {
        without_arguments =
            fields.iter().map(|it| Field { arguments: Vec::new(), ..(*it).clone() }).collect();
        borrowed = without_arguments.iter().collect();
        &borrowed[..]
    } else {
        fields
    };
    let selections = fields.iter().map(|it| context.field(context.root_type, it, it.root_key(kind)));
    let selection_set = set(selections.collect());
    let (position, name, directives) = (Pos::default(), None, Vec::new());
    let variable_definitions = used_variables(fields, variables);
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

/// Definitions of the variables that are left when conditions are decided, by name.
fn used_variables(fields: &[&Field], variables: &[VariableDefinition]) -> Vec<VariableDefinition> {
    fn add(field: &Field, names: &mut BTreeSet<Arc<str>>) {
        if field.unreachable {
            return;
        }
        field.arguments.iter().for_each(|(_, value)| variables_in(value, names));
        field.selections.iter().for_each(|it| add_selection(it, names));
    }
    fn add_selection(selection: &Selection, names: &mut BTreeSet<Arc<str>>) {
        match selection {
            Selection::Field(it) => add(it, names),
            Selection::On { selections, .. } => selections.iter().for_each(|it| add_selection(it, names)),
        }
    }
    let mut names = BTreeSet::new();
    fields.iter().for_each(|it| add(it, &mut names));
    let mut used: Vec<_> = variables.iter().filter(|it| names.contains(it.name.as_str())).cloned().collect();
    used.sort_by(|a, b| a.name.cmp(&b.name));
    used
}

/// A selection set in an order of its own: the client's shows in the projection alone.
fn set(mut items: Vec<query::Selection>) -> SelectionSet {
    items.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
    SelectionSet { span: (Pos::default(), Pos::default()), items }
}

fn sort_key(selection: &query::Selection) -> (bool, &str) {
    match selection {
        query::Selection::Field(it) => (false, it.alias.as_ref().unwrap_or(&it.name)),
        query::Selection::InlineFragment(it) => match &it.type_condition {
            Some(TypeCondition::On(condition)) => (true, condition),
            None => (true, ""),
        },
        query::Selection::FragmentSpread(it) => (true, &it.fragment_name),
    }
}

impl Context<'_> {
    fn field(&self, owner: &str, source: &Field, key: &str) -> query::Selection {
        let returns = self.types.field(owner, &source.name).map_or("", |it| named(&it.ty));
        let mut items = self.selections(returns, &source.selections);
        if source.is_composite && (items.is_empty() || self.needs_type_name(returns)) {
            items.insert(0, query::Selection::Field(plain_field("__typename")));
        }
        query::Selection::Field(query::Field {
            alias: (key != source.name).then(|| key.to_owned()),
            arguments: source.arguments.clone(),
            selection_set: set(items),
            ..plain_field(&source.name)
        })
    }

    fn needs_type_name(&self, name: &str) -> bool {
        self.types.composite(name).is_some_and(|it| it.is_abstract) && !self.interface_objects.contains(name)
    }

    /// A fragment on the very type that is selected from says nothing: its fields stand for themselves, so
    /// that an operation is the same with and without it.
    fn selections(&self, owner: &str, sources: &[Selection]) -> Vec<query::Selection> {
        let mut items = Vec::with_capacity(sources.len());
        for source in sources {
            match source {
                Selection::On { condition, selections } if condition == owner => {
                    items.extend(self.selections(owner, selections));
                }
                Selection::Field(it) if it.unreachable => {}
                _ => items.push(self.selection(owner, source)),
            }
        }
        items
    }

    /// What a fragment selects, and be it the type's name alone: a selection is never empty.
    fn selections_on(&self, condition: &str, sources: &[Selection]) -> Vec<query::Selection> {
        let mut items = self.selections(condition, sources);
        if items.is_empty() {
            items.push(query::Selection::Field(plain_field("__typename")));
        }
        items
    }

    fn selection(&self, owner: &str, source: &Selection) -> query::Selection {
        match source {
            Selection::Field(it) => self.field(owner, it, &it.key),
            Selection::On { condition, selections } => query::Selection::InlineFragment(InlineFragment {
                position: Pos::default(),
                type_condition: Some(TypeCondition::On(condition.clone())),
                directives: Vec::new(),
                selection_set: set(self.selections_on(condition, selections)),
            }),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(arguments: &str) -> String {
        let text = format!("{{ f{arguments} }}");
        let document = graphql_tools::parser::parse_query::<String>(&text).expect(arguments).into_static();
        let Some(Definition::Operation(OperationDefinition::SelectionSet(set))) =
            document.definitions.first()
        else {
            panic!("{arguments}")
        };
        let query::Selection::Field(field) = &set.items[0] else { panic!("{arguments}") };
        canonical_key(&field.name, &field.arguments)
    }

    #[test]
    fn keys_know_values_and_not_their_order() {
        assert_eq!(key(""), "f");
        assert_eq!(key("(a: 1, b: {x: 1, y: [2]})"), key("(b: {y: [2], x: 1}, a: 1)"));
        let different = [
            "(a: 1)",
            "(a: \"1\")",
            "(a: 1.0)",
            "(a: $x)",
            "(a: x)",
            "(a: \"x\")",
            "(a: [1])",
            "(a: [[1]])",
            "(a: {b: 1})",
            "(a: null)",
            "(a: true)",
            "(b: 1)",
            "(a: [1, 2])",
            "(a: [12])",
            "(a: [\"1\", \"2\"])",
        ];
        let keys: BTreeSet<String> = different.iter().map(|it| key(it)).collect();
        assert_eq!(keys.len(), different.len());
    }
}
