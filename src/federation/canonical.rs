//! Canonical keys, and the operation that the planner gets to see.
//!
//! The planner never meets a client's alias or condition. Operations that differ in those alone share a
//! plan; and several of its defects, which concern just those, cannot show.

use super::{
    selection::{Field, Selection},
    types::{Types, named},
    values::variables_in,
};
use crate::{
    language::{
        ast::{self, Argument, ObjectField, Value},
        print_value,
    },
    plan::OperationKind,
};
use graphql_tools::{
    parser::Pos,
    static_graphql::query::{
        self, Definition, Document, InlineFragment, OperationDefinition, SelectionSet, TypeCondition,
        VariableDefinition,
    },
};
use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// What the planner's operation needs to know of the schema.
pub(super) struct Context<'a> {
    pub(super) types: &'a Types,
    /// Interfaces that some subgraph serves as an object: asking for their `__typename` costs a fetch.
    pub(super) interface_objects: &'a HashSet<String>,
    pub(super) root_type: &'a str,
    /// The operation subscribes to a field that a broker serves.
    pub(super) is_event: bool,
    /// Arguments by the key of the field that has them. Of two that say the same in different orders the first counts, so
    /// that the planner sees one field.
    pub(super) arguments: RefCell<HashMap<Arc<str>, Vec<Argument>>>,
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
    variables: &[ast::VariableDefinition],
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
fn used_variables(fields: &[&Field], variables: &[ast::VariableDefinition]) -> Vec<VariableDefinition> {
    fn add(field: &Field, names: &mut BTreeSet<Arc<str>>) {
        if field.unreachable {
            return;
        }
        field.arguments.iter().for_each(|it| variables_in(&it.value, names));
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
    let used = variables.iter().filter(|it| names.contains(it.variable.name.as_str()));
    let mut used: Vec<_> = used.map(planner_variable).collect();
    used.sort_by(|a, b| a.name.cmp(&b.name));
    used
}

fn planner_variable(it: &ast::VariableDefinition) -> VariableDefinition {
    VariableDefinition {
        position: Pos::default(),
        name: it.variable.name.to_string(),
        var_type: planner_type(&it.ty),
        default_value: it.default_value.as_ref().map(planner_value),
    }
}

fn planner_type(ty: &ast::Type) -> query::Type {
    match ty {
        ast::Type::Named(name) => query::Type::NamedType(name.to_string()),
        ast::Type::List(inner, _) => query::Type::ListType(Box::new(planner_type(inner))),
        ast::Type::NonNull(inner) => query::Type::NonNullType(Box::new(planner_type(inner))),
    }
}

fn planner_value(value: &Value) -> query::Value {
    match value {
        Value::Variable(it) => query::Value::Variable(it.name.to_string()),
        Value::Int(it) | Value::Float(it) => planner_number(&it.text),
        Value::String(it) => query::Value::String(it.value.to_string()),
        Value::Boolean(it, _) => query::Value::Boolean(*it),
        Value::Null(_) => query::Value::Null,
        Value::Enum(it) => query::Value::Enum(it.to_string()),
        Value::List(items, _) => query::Value::List(items.iter().map(planner_value).collect()),
        // The planner sorts members, which may mean something to a custom scalar. A text passes as it is; variables
        // are for it to see.
        Value::Object(members, _) if !has_variable(value) && !members.is_empty() => {
            query::Value::Enum(print_value(value))
        }
        Value::Object(members, _) => {
            let member = |it: &ObjectField| (it.name.to_string(), planner_value(&it.value));
            query::Value::Object(members.iter().map(member).collect())
        }
    }
}

fn has_variable(value: &Value) -> bool {
    match value {
        Value::Variable(_) => true,
        Value::List(items, _) => items.iter().any(has_variable),
        Value::Object(members, _) => members.iter().any(|it| has_variable(&it.value)),
        _ => false,
    }
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
            alias: (*key != *source.name).then(|| key.to_owned()),
            arguments: self.arguments(source),
            selection_set: set(items),
            ..plain_field(&source.name)
        })
    }

    fn arguments(&self, source: &Field) -> Vec<(String, query::Value)> {
        if source.arguments.is_empty() {
            return Vec::new();
        }
        let mut known = self.arguments.borrow_mut();
        let arguments = known.entry(source.key.clone()).or_insert_with(|| source.arguments.clone());
        arguments.iter().map(planner_argument).collect()
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
                Selection::On { condition, selections } if **condition == *owner => {
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
                type_condition: Some(TypeCondition::On(condition.to_string())),
                directives: Vec::new(),
                selection_set: set(self.selections_on(condition, selections)),
            }),
        }
    }
}

/// A number that the planner could not write down again as it was goes as a name: those it writes as they are.
fn planner_number(text: &str) -> query::Value {
    match text.parse::<i32>() {
        Ok(number) if number.to_string() == text => query::Value::Int(number.into()),
        _ => query::Value::Enum(text.to_owned()),
    }
}

fn planner_argument(it: &Argument) -> (String, query::Value) {
    (it.name.to_string(), planner_value(&it.value))
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
