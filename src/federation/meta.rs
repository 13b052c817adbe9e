//! Fields and types whose names begin with two underscores. The rules of validation pass over them wherever they
//! stand, so what GraphQL has to say about them is said here (specification, sections 2.10 and 4).

use super::{
    errors::VALIDATION_FAILED,
    types::{named, type_definitions},
};
use crate::graphql::Error;
use graphql_tools::{
    parser::Pos,
    static_graphql::{
        query::{
            self, Definition, Field, OperationDefinition, Selection, SelectionSet, TypeCondition,
            VariableDefinition,
        },
        schema,
    },
};

/// A selection set, and whether it is one of the query's root.
type Set<'a> = (&'a SelectionSet, bool);

/// Refuses what is no field after all, and what is not where it belongs.
pub(super) fn check(schema: &schema::Document, document: &query::Document) -> Result<(), Error> {
    let query = schema.query_type_name().map_or("Query", String::as_str);
    for definition in &document.definitions {
        if let Definition::Fragment(it) = definition {
            check_condition(schema, &it.type_condition, it.position)?;
        }
        for it in variables(definition) {
            check_type(schema, named(&it.var_type), it.position)?;
        }
    }
    let mut sets: Vec<Set<'_>> = document.definitions.iter().map(|it| root(it, query)).collect();
    while let Some((set, at_root)) = sets.pop() {
        for item in &set.items {
            match item {
                Selection::Field(field) => {
                    check_field(field, at_root)?;
                    sets.push((&field.selection_set, false));
                }
                Selection::InlineFragment(it) => {
                    if let Some(condition) = &it.type_condition {
                        check_condition(schema, condition, it.position)?;
                    }
                    sets.push((&it.selection_set, at_root));
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }
    Ok(())
}

fn check_field(field: &Field, at_root: bool) -> Result<(), Error> {
    fault(field, at_root).map_or(Ok(()), |why| Err(refusal(&why, field.position)))
}

fn check_condition(
    schema: &schema::Document,
    TypeCondition::On(name): &TypeCondition,
    position: Pos,
) -> Result<(), Error> {
    check_type(schema, name, position)
}

fn check_type(schema: &schema::Document, name: &str, position: Pos) -> Result<(), Error> {
    if !name.starts_with("__") || type_definitions(schema).any(|it| it.name() == name) {
        return Ok(());
    }
    Err(refusal(&format!("Unknown type \"{name}\"."), position))
}

fn refusal(why: &str, position: Pos) -> Error {
    Error::new(why).with_code(VALIDATION_FAILED).at(position.line, position.column)
}

fn variables(definition: &Definition) -> &[VariableDefinition] {
    match definition {
        Definition::Operation(OperationDefinition::Query(it)) => &it.variable_definitions,
        Definition::Operation(OperationDefinition::Mutation(it)) => &it.variable_definitions,
        Definition::Operation(OperationDefinition::Subscription(it)) => &it.variable_definitions,
        _ => &[],
    }
}

fn root<'a>(definition: &'a Definition, query: &str) -> Set<'a> {
    match definition {
        Definition::Operation(OperationDefinition::SelectionSet(set)) => (set, true),
        Definition::Operation(OperationDefinition::Query(it)) => (&it.selection_set, true),
        Definition::Operation(OperationDefinition::Mutation(it)) => (&it.selection_set, false),
        Definition::Operation(OperationDefinition::Subscription(it)) => (&it.selection_set, false),
        Definition::Fragment(it) => {
            let TypeCondition::On(name) = &it.type_condition;
            (&it.selection_set, name == query)
        }
    }
}

fn fault(field: &Field, at_root: bool) -> Option<String> {
    let name = &field.name;
    match name.as_str() {
        "__typename" if !field.arguments.is_empty() => Some(format!("Field \"{name}\" takes no arguments.")),
        "__typename" if !field.selection_set.items.is_empty() => Some(format!(
            "Field \"{name}\" must not have a selection since type \"String!\" has no subfields."
        )),
        "__schema" | "__type" if !at_root => {
            Some(format!("Cannot query field \"{name}\" here: it is one of the query's root."))
        }
        "__schema" | "__type" if field.selection_set.items.is_empty() => {
            Some(format!("Field \"{name}\" must have a selection of subfields."))
        }
        "__typename" | "__schema" | "__type" => None,
        _ => name.starts_with("__").then(|| format!("Cannot query field \"{name}\".")),
    }
}
