//! An operation's text, read, bounded, validated; not yet planned.

use super::{
    errors::{INTROSPECTION_DISABLED, LIMIT_EXCEEDED, PARSE_FAILED, RESOLUTION_FAILED, VALIDATION_FAILED},
    limits::{self, Limits},
    meta,
    selection::Fragments,
    values::{input_type, json_of, variables_in},
};
use crate::{
    graphql::{Error, Location, VariableDefinition},
    plan::OperationKind,
};
use graphql_tools::{
    parser::{Pos, parse_query_with_token_limit},
    static_graphql::{
        query::{self, Definition, OperationDefinition, Selection, SelectionSet},
        schema,
    },
    validation::validate::{ValidationPlan, validate},
};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

/// One operation of a valid document.
#[derive(Debug)]
pub struct Document {
    pub(super) operation: Operation,
    pub(super) fragments: Fragments,
    variable_definitions: Vec<VariableDefinition>,
    specializing: Vec<Arc<str>>,
    /// Bounds what planning may look at.
    pub(super) selections_max: usize,
}

/// An operation, whichever kind.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: OperationKind,
    pub(super) name: Option<Arc<str>>,
    pub(super) selection_set: SelectionSet,
    pub(super) variables: Vec<query::VariableDefinition>,
    /// Directives on the operation itself.
    pub(super) directives: usize,
}

impl Document {
    pub fn kind(&self) -> OperationKind {
        self.operation.kind
    }

    /// The operation's own name.
    pub fn name(&self) -> Option<&Arc<str>> {
        self.operation.name.as_ref()
    }

    pub fn variable_definitions(&self) -> &[VariableDefinition] {
        &self.variable_definitions
    }

    /// Variables whose values shape the plan: those in `@skip` and `@include`, and in arguments of
    /// introspection fields. A plan may be reused for equal values of these. Sorted.
    pub fn specializing(&self) -> &[Arc<str>] {
        &self.specializing
    }

    /// The refusal of an operation that asks about the schema (`__schema`, `__type`), for routers that
    /// keep it to themselves; `None` for any other operation.
    pub fn introspection_refusal(&self) -> Option<Error> {
        let (mut sets, mut seen) = (vec![&self.operation.selection_set], HashSet::new());
        while let Some(set) = sets.pop() {
            for item in &set.items {
                match item {
                    Selection::Field(it) if it.name == "__schema" || it.name == "__type" => {
                        let message = format!("`{}` is not available: introspection is turned off.", it.name);
                        let refusal = Error::new(message).with_code(INTROSPECTION_DISABLED);
                        return Some(refusal.at(it.position.line, it.position.column));
                    }
                    Selection::Field(_) => {}
                    Selection::InlineFragment(it) => sets.push(&it.selection_set),
                    Selection::FragmentSpread(it) if seen.insert(&it.fragment_name) => {
                        sets.extend(self.fragments.get(&it.fragment_name).map(|it| &it.selection_set));
                    }
                    Selection::FragmentSpread(_) => {}
                }
            }
        }
        None
    }
}

/// A document of nothing but mistakes is not worth a longer answer.
const ERRORS_MAX: usize = 100;
/// Characters of a message of the validation crate. It repeats values whole, those within them by themselves too.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// Reads a document and chooses the operation.
pub(super) fn read(
    schema: &schema::Document,
    rules: &ValidationPlan,
    text: &str,
    operation_name: Option<&str>,
    limits: &Limits,
) -> Result<Document, Vec<Error>> {
    limits::check_text(text, limits).map_err(|it| vec![it])?;
    let document = parse(text, limits).map_err(|it| vec![it])?;
    let (operations, fragments) = take_apart(&document);
    limits::check(&operations, &fragments, limits).map_err(|it| vec![it])?;
    meta::check(schema, &document).map_err(|it| vec![it])?;
    let errors = validate(schema, &document, rules);
    if !errors.is_empty() {
        return Err(errors.into_iter().take(ERRORS_MAX).map(validation_error).collect());
    }
    let operation = choose(operations, operation_name).map_err(|it| vec![it])?;
    check_variable_names(&operation).map_err(|it| vec![it])?;
    if operation.kind == OperationKind::Subscription {
        check_subscription_root(&operation, &fragments).map_err(|it| vec![it])?;
    }
    Ok(Document {
        variable_definitions: operation.variables.iter().map(variable_definition).collect(),
        specializing: specializing(&operation, &fragments),
        operation,
        fragments,
        selections_max: limits.selections,
    })
}

fn parse(text: &str, limits: &Limits) -> Result<query::Document, Error> {
    let parsed = parse_query_with_token_limit::<String>(text, limits.tokens.saturating_add(1));
    parsed.map(|it| it.into_static()).map_err(|error| {
        let position = error.0.position;
        let message = error.to_string();
        if message.contains("Recursion limit exceeded") {
            return Error::new("The operation is nested more deeply than the parser can follow.")
                .with_code(LIMIT_EXCEEDED)
                .at(position.line, position.column);
        }
        let reasons: Vec<&str> = message.lines().skip(1).map(str::trim).filter(|it| !it.is_empty()).collect();
        let error = Error::new(format!("Syntax Error: {}.", reasons.join(", "))).with_code(PARSE_FAILED);
        match position.line {
            0 => error,
            line => error.at(line, position.column),
        }
    })
}

/// The line and column of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    (line, before.chars().rev().take_while(|it| *it != '\n').count() + 1)
}

fn take_apart(document: &query::Document) -> (Vec<Operation>, Fragments) {
    let (mut operations, mut fragments) = (Vec::new(), Fragments::new());
    for definition in &document.definitions {
        match definition {
            Definition::Operation(it) => operations.push(operation(it)),
            Definition::Fragment(it) => {
                fragments.insert(it.name.clone(), it.clone());
            }
        }
    }
    (operations, fragments)
}

fn operation(definition: &OperationDefinition) -> Operation {
    let (kind, name, set, variables, directives) = match definition {
        OperationDefinition::SelectionSet(set) => (OperationKind::Query, None, set, &[][..], &[][..]),
        OperationDefinition::Query(it) => {
            let (variables, directives) = (&it.variable_definitions[..], &it.directives[..]);
            (OperationKind::Query, it.name.as_ref(), &it.selection_set, variables, directives)
        }
        OperationDefinition::Mutation(it) => {
            let (variables, directives) = (&it.variable_definitions[..], &it.directives[..]);
            (OperationKind::Mutation, it.name.as_ref(), &it.selection_set, variables, directives)
        }
        OperationDefinition::Subscription(it) => {
            let (variables, directives) = (&it.variable_definitions[..], &it.directives[..]);
            (OperationKind::Subscription, it.name.as_ref(), &it.selection_set, variables, directives)
        }
    };
    Operation {
        kind,
        name: name.map(|it| it.as_str().into()),
        selection_set: set.clone(),
        variables: variables.to_vec(),
        directives: directives.len(),
    }
}

fn validation_error(error: graphql_tools::validation::utils::ValidationError) -> Error {
    let places = error.locations.iter();
    let end = error.message.char_indices().nth(MESSAGE_CHARS_MAX).map_or(error.message.len(), |(end, _)| end);
    let with_code = Error::new(&error.message[..end]).with_code(VALIDATION_FAILED);
    places.fold(with_code, |it, place| it.at(place.line, place.column))
}

fn choose(mut operations: Vec<Operation>, name: Option<&str>) -> Result<Operation, Error> {
    let failed = |message: String| Error::new(message).with_code(RESOLUTION_FAILED);
    match name {
        Some(name) => operations
            .into_iter()
            .find(|it| it.name.as_deref() == Some(name))
            .ok_or_else(|| failed(format!("Unknown operation named \"{name}\"."))),
        None if operations.len() > 1 => {
            Err(failed("Must provide operation name if query contains multiple operations.".into()))
        }
        None => operations.pop().ok_or_else(|| failed("Must provide an operation.".into())),
    }
}

/// A subscription has one root field, of the schema and without conditions: anything else could leave it
/// without a source. (GraphQL specification, section 5.2.3.1; validation looks at less.)
fn check_subscription_root(operation: &Operation, fragments: &Fragments) -> Result<(), Error> {
    let mut sets = vec![&operation.selection_set];
    while let Some(set) = sets.pop() {
        for item in &set.items {
            let (directives, position) = match item {
                Selection::Field(it) if it.name.starts_with("__") => {
                    let message = format!("`{}` is not allowed at the root of a subscription.", it.name);
                    return Err(root_error(&message, it.position));
                }
                Selection::Field(it) => (&it.directives, it.position),
                Selection::InlineFragment(it) => {
                    sets.push(&it.selection_set);
                    (&it.directives, it.position)
                }
                Selection::FragmentSpread(it) => {
                    sets.extend(fragments.get(&it.fragment_name).map(|it| &it.selection_set));
                    (&it.directives, it.position)
                }
            };
            if directives.iter().any(|it| it.name == "skip" || it.name == "include") {
                let message = "`@skip` and `@include` are not allowed on the root field of a subscription.";
                return Err(root_error(message, position));
            }
        }
    }
    Ok(())
}

/// Requests to subgraphs have variables of their own beside the client's.
fn check_variable_names(operation: &Operation) -> Result<(), Error> {
    let reserved =
        |it: &&query::VariableDefinition| it.name == "representations" || it.name.starts_with("__");
    match operation.variables.iter().find(reserved) {
        None => Ok(()),
        Some(it) => {
            let message = format!("The variable name \"${}\" is reserved; choose another.", it.name);
            Err(root_error(&message, it.position))
        }
    }
}

fn root_error(message: &str, position: Pos) -> Error {
    Error::new(message).with_code(VALIDATION_FAILED).at(position.line, position.column)
}

fn variable_definition(definition: &query::VariableDefinition) -> VariableDefinition {
    VariableDefinition {
        name: definition.name.as_str().into(),
        ty: input_type(&definition.var_type),
        default: definition.default_value.as_ref().and_then(json_of),
        location: Location { line: definition.position.line, column: definition.position.column },
    }
}

/// See [`Document::specializing`]. Looks at each fragment once.
fn specializing(operation: &Operation, fragments: &Fragments) -> Vec<Arc<str>> {
    let (mut found, mut seen) = (BTreeSet::new(), HashSet::new());
    let mut sets = vec![(&operation.selection_set, false)];
    while let Some((set, introspecting)) = sets.pop() {
        for item in &set.items {
            let directives = match item {
                Selection::Field(it) => {
                    let introspecting = introspecting || it.name == "__schema" || it.name == "__type";
                    if introspecting {
                        it.arguments.iter().for_each(|(_, value)| variables_in(value, &mut found));
                    }
                    sets.push((&it.selection_set, introspecting));
                    &it.directives
                }
                Selection::InlineFragment(it) => {
                    sets.push((&it.selection_set, introspecting));
                    &it.directives
                }
                Selection::FragmentSpread(it) => {
                    if let Some(fragment) = fragments.get(&it.fragment_name)
                        && seen.insert((&it.fragment_name, introspecting))
                    {
                        sets.push((&fragment.selection_set, introspecting));
                    }
                    &it.directives
                }
            };
            for directive in directives.iter().filter(|it| it.name == "skip" || it.name == "include") {
                directive.arguments.iter().for_each(|(_, value)| variables_in(value, &mut found));
            }
        }
    }
    found.into_iter().collect()
}
