//! Names that begin with two underscores: those of introspection, and those that only look like them. The rules of
//! validation pass over such fields and types wherever they stand, so what GraphQL has to say about them is said here
//! (specification, sections 2.10 and 4).

use super::errors::VALIDATION_FAILED;
use crate::graphql::Error;
use graphql_tools::parser::Pos;
use graphql_tools::static_graphql::{
    query::{
        self, Definition, Field, OperationDefinition, Selection, SelectionSet, TypeCondition,
        VariableDefinition,
    },
    schema,
};
use std::collections::HashMap;

/// The types of introspection (specification, section 4.2).
const TYPES: [&str; 8] = [
    "__Schema",
    "__Type",
    "__TypeKind",
    "__Field",
    "__InputValue",
    "__EnumValue",
    "__Directive",
    "__DirectiveLocation",
];

/// Where a selection set stands, as far as these names are concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On the query's root, where introspection begins.
    Root,
    /// On a type of introspection.
    Introspection,
    /// On any other type.
    Graph,
}

/// The condition of each fragment, by its name.
type Conditions<'a> = HashMap<&'a str, &'a str>;

/// Refuses what is no field or type after all, and what is not where it belongs.
pub(super) fn check(schema: &schema::Document, document: &query::Document) -> Result<(), Error> {
    let query = schema.query_type_name().map_or("Query", String::as_str);
    let conditions: Conditions<'_> = document.definitions.iter().filter_map(condition).collect();
    for definition in &document.definitions {
        variables(definition).iter().try_for_each(check_variable)?;
        let (set, place) = root(definition, query);
        check_set(set, place, &conditions)?;
    }
    Ok(())
}

fn check_set(set: &SelectionSet, place: Place, conditions: &Conditions<'_>) -> Result<(), Error> {
    let mut sets = vec![(set, place)];
    while let Some((set, place)) = sets.pop() {
        for item in &set.items {
            match item {
                Selection::Field(field) => {
                    refuse(field_fault(field, place), field.position)?;
                    sets.push((&field.selection_set, below(field, place)));
                }
                Selection::InlineFragment(it) => {
                    if let Some(TypeCondition::On(name)) = &it.type_condition {
                        refuse(condition_fault("Fragment", name, place), it.position)?;
                    }
                    sets.push((&it.selection_set, place));
                }
                Selection::FragmentSpread(it) => {
                    if let Some(name) = conditions.get(it.fragment_name.as_str()) {
                        let fragment = format!("Fragment \"{}\"", it.fragment_name);
                        refuse(condition_fault(&fragment, name, place), it.position)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn refuse(fault: Option<String>, position: Pos) -> Result<(), Error> {
    match fault {
        Some(why) => Err(Error::new(why).with_code(VALIDATION_FAILED).at(position.line, position.column)),
        None => Ok(()),
    }
}

fn root<'a>(definition: &'a Definition, query: &str) -> (&'a SelectionSet, Place) {
    match definition {
        Definition::Operation(OperationDefinition::SelectionSet(set)) => (set, Place::Root),
        Definition::Operation(OperationDefinition::Query(it)) => (&it.selection_set, Place::Root),
        Definition::Operation(OperationDefinition::Mutation(it)) => (&it.selection_set, Place::Graph),
        Definition::Operation(OperationDefinition::Subscription(it)) => (&it.selection_set, Place::Graph),
        Definition::Fragment(it) => {
            let TypeCondition::On(name) = &it.type_condition;
            let place = match name.as_str() {
                name if name == query => Place::Root,
                name if TYPES.contains(&name) => Place::Introspection,
                _ => Place::Graph,
            };
            (&it.selection_set, place)
        }
    }
}

fn below(field: &Field, place: Place) -> Place {
    match (place, field.name.as_str()) {
        (Place::Root, "__schema" | "__type") | (Place::Introspection, _) => Place::Introspection,
        _ => Place::Graph,
    }
}

fn variables(definition: &Definition) -> &[VariableDefinition] {
    match definition {
        Definition::Operation(OperationDefinition::Query(it)) => &it.variable_definitions,
        Definition::Operation(OperationDefinition::Mutation(it)) => &it.variable_definitions,
        Definition::Operation(OperationDefinition::Subscription(it)) => &it.variable_definitions,
        Definition::Operation(OperationDefinition::SelectionSet(_)) | Definition::Fragment(_) => &[],
    }
}

fn condition(definition: &Definition) -> Option<(&str, &str)> {
    let Definition::Fragment(it) = definition else { return None };
    let TypeCondition::On(name) = &it.type_condition;
    Some((&it.name, name))
}

/// No type of introspection is of use to a variable: no argument takes one.
fn check_variable(variable: &VariableDefinition) -> Result<(), Error> {
    let ty = variable.var_type.inner_type();
    let fault = ty.starts_with("__").then(|| match TYPES.contains(&ty) {
        true => {
            format!("Variable \"${}\" cannot be non-input type \"{}\".", variable.name, variable.var_type)
        }
        false => format!("Unknown type \"{ty}\"."),
    });
    refuse(fault, variable.position)
}

fn condition_fault(fragment: &str, ty: &str, place: Place) -> Option<String> {
    let introspects = TYPES.contains(&ty);
    if ty.starts_with("__") && !introspects {
        return Some(format!("Unknown type \"{ty}\"."));
    }
    (introspects != (place == Place::Introspection)).then(|| {
        format!("{fragment} cannot be spread here as objects of this place can never be of type \"{ty}\".")
    })
}

fn field_fault(field: &Field, place: Place) -> Option<String> {
    let name = &field.name;
    match name.as_str() {
        "__typename" if !field.arguments.is_empty() => Some(format!("Field \"{name}\" takes no arguments.")),
        "__typename" if !field.selection_set.items.is_empty() => Some(format!(
            "Field \"{name}\" must not have a selection since type \"String!\" has no subfields."
        )),
        "__schema" | "__type" if place != Place::Root => {
            Some(format!("Cannot query field \"{name}\" here: it is one of the query's root."))
        }
        "__schema" | "__type" if field.selection_set.items.is_empty() => {
            Some(format!("Field \"{name}\" must have a selection of subfields."))
        }
        "__typename" | "__schema" | "__type" => None,
        _ => name.starts_with("__").then(|| format!("Cannot query field \"{name}\".")),
    }
}
