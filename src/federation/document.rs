//! An operation's text, read, bounded, validated; not yet planned.

use super::{
    errors::{INTROSPECTION_DISABLED, LIMIT_EXCEEDED, PARSE_FAILED, RESOLUTION_FAILED, VALIDATION_FAILED},
    limits::{self, Limits},
    values::{input_type, json_of, variables_in},
};
use crate::{
    graphql::{Error, Location, VariableDefinition},
    language::{
        self, Bounds, ErrorKind, Lines, Place, Schema, ValidationOptions,
        ast::{
            self, Definition, Directive, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
            Type, Value,
        },
    },
    plan::OperationKind,
};
use std::{
    cell::OnceCell,
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// One operation of a valid document.
#[derive(Debug)]
pub struct Document {
    pub(super) operation: Operation,
    pub(super) fragments: Fragments,
    variable_definitions: Vec<VariableDefinition>,
    specializing: Vec<Arc<str>>,
    /// The conditions that may turn out to be null, by the place of their variable.
    pub(super) nullable_conditions: HashMap<Place, Location>,
    /// The first field that asks about the schema, and where it stands.
    introspection: Option<(Arc<str>, Location)>,
    /// Bounds what planning may look at.
    pub(super) selections_max: usize,
}

/// Named fragments of a document.
pub(super) type Fragments = HashMap<Arc<str>, FragmentDefinition>;

/// An operation, whichever kind.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: OperationKind,
    pub(super) name: Option<Arc<str>>,
    pub(super) selection_set: SelectionSet,
    pub(super) variables: Vec<ast::VariableDefinition>,
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
        let (name, location) = self.introspection.as_ref()?;
        let message = format!("`{name}` is not available: introspection is turned off.");
        Some(Error::new(message).with_code(INTROSPECTION_DISABLED).at(location.line, location.column))
    }
}

/// A document of nothing but mistakes is not worth a longer answer.
const ERRORS_MAX: usize = 100;
/// Characters of a message about a document. Some repeat values whole, those within them by themselves too.
const MESSAGE_CHARS_MAX: usize = 1_500;

/// Reads a document and chooses the operation. `suggestions`: messages may name what was perhaps meant.
pub(super) fn read(
    schema: &Schema,
    text: &str,
    operation_name: Option<&str>,
    limits: &Limits,
    suggestions: bool,
) -> Result<Document, Vec<Error>> {
    limits::check_text(text, limits).map_err(|it| vec![it])?;
    let text = Text { text, lines: OnceCell::new() };
    let bounds = Bounds { tokens_max: limits.tokens, nesting_max: limits::NESTING_MAX };
    let document = language::parse(text.text, &bounds).map_err(|it| vec![text.error(&it)])?;
    limits::check(&document, limits).map_err(|it| vec![it])?;
    let options = ValidationOptions { errors_max: ERRORS_MAX, suggestions, ..ValidationOptions::default() };
    let errors = language::validate(schema, &document, &options);
    if !errors.is_empty() {
        return Err(errors.iter().map(|it| text.error(it)).collect());
    }
    let (operations, fragments) = take_apart(document);
    let chosen = choose(operations, operation_name).map_err(|it| vec![it])?;
    operation(schema, chosen, fragments, &text, limits).map_err(|it| vec![it])
}

fn operation(
    schema: &Schema,
    chosen: OperationDefinition,
    fragments: Fragments,
    text: &Text<'_>,
    limits: &Limits,
) -> Result<Document, Error> {
    if schema.root(chosen.kind).is_none() {
        let message = format!("Schema is not configured to execute {} operation.", chosen.kind.keyword());
        return Err(text.refusal(message, chosen.place));
    }
    let operation = Operation {
        kind: kind_of(chosen.kind),
        name: chosen.name.map(|it| it.text),
        selection_set: chosen.selection_set,
        variables: chosen.variables,
    };
    check_variable_names(&operation, text)?;
    if operation.kind == OperationKind::Subscription {
        check_subscription_root(&operation, &fragments, text)?;
    }
    let found = Findings::of(&operation, &fragments);
    let locate = |(name, place): (Arc<str>, Place)| (name, text.location(place));
    Ok(Document {
        variable_definitions: operation.variables.iter().map(|it| variable_definition(it, text)).collect(),
        specializing: found.specializing.into_iter().collect(),
        nullable_conditions: found
            .nullable_conditions
            .into_iter()
            .map(|it| (it, text.location(it)))
            .collect(),
        introspection: found.introspection.map(locate),
        operation,
        fragments,
        selections_max: limits.selections,
    })
}

/// A document's text, and its lines once somebody asks for them.
struct Text<'t> {
    text: &'t str,
    lines: OnceCell<Lines>,
}

impl Text<'_> {
    fn location(&self, place: Place) -> Location {
        let language::Location { line, column } =
            self.lines.get_or_init(|| Lines::of(self.text)).locate(place);
        Location { line, column }
    }

    fn error(&self, error: &language::Error) -> Error {
        let code = match error.kind {
            ErrorKind::Syntax => PARSE_FAILED,
            ErrorKind::Limit => LIMIT_EXCEEDED,
            ErrorKind::Validation => VALIDATION_FAILED,
        };
        let end = error.message.char_indices().nth(MESSAGE_CHARS_MAX);
        let end = end.map_or(error.message.len(), |(end, _)| end);
        let locations = error.places.iter().map(|it| self.location(*it));
        let error = Error::new(&error.message[..end]).with_code(code);
        locations.fold(error, |it, place| it.at(place.line, place.column))
    }

    /// The error of a rule of our own.
    fn refusal(&self, message: impl Into<String>, place: Place) -> Error {
        let location = self.location(place);
        Error::new(message).with_code(VALIDATION_FAILED).at(location.line, location.column)
    }
}

fn take_apart(document: ast::Document) -> (Vec<OperationDefinition>, Fragments) {
    let (mut operations, mut fragments) = (Vec::new(), Fragments::new());
    for definition in document.definitions {
        match definition {
            Definition::Operation(it) => operations.push(it),
            Definition::Fragment(it) => drop(fragments.insert(it.name.text.clone(), it)),
            // Validation refuses them.
            Definition::TypeSystem(_) => {}
        }
    }
    (operations, fragments)
}

fn choose(
    mut operations: Vec<OperationDefinition>,
    name: Option<&str>,
) -> Result<OperationDefinition, Error> {
    let failed = |message: String| Error::new(message).with_code(RESOLUTION_FAILED);
    match name {
        Some(name) => operations
            .into_iter()
            .find(|it| it.name.as_ref().is_some_and(|it| *it.text == *name))
            .ok_or_else(|| failed(format!("Unknown operation named \"{name}\"."))),
        None if operations.len() > 1 => {
            Err(failed("Must provide operation name if query contains multiple operations.".into()))
        }
        None => operations.pop().ok_or_else(|| failed("Must provide an operation.".into())),
    }
}

fn kind_of(kind: ast::OperationKind) -> OperationKind {
    match kind {
        ast::OperationKind::Query => OperationKind::Query,
        ast::OperationKind::Mutation => OperationKind::Mutation,
        ast::OperationKind::Subscription => OperationKind::Subscription,
    }
}

/// The root field of a subscription stands there whatever variables say: without it there would be no source. (GraphQL
/// specification, September 2025, section 5.2.4.1; that it is one field is a rule of validation.)
fn check_subscription_root(
    operation: &Operation,
    fragments: &Fragments,
    text: &Text<'_>,
) -> Result<(), Error> {
    let (mut sets, mut seen) = (vec![&operation.selection_set], HashSet::new());
    while let Some(set) = sets.pop() {
        for item in &set.items {
            let (directives, place) = match item {
                Selection::Field(it) => (&it.directives, it.place()),
                Selection::InlineFragment(it) => {
                    sets.push(&it.selection_set);
                    (&it.directives, it.place)
                }
                Selection::FragmentSpread(it) => {
                    if seen.insert(&it.name.text) {
                        sets.extend(fragments.get(&it.name.text).map(|it| &it.selection_set));
                    }
                    (&it.directives, it.place)
                }
            };
            if directives.iter().any(is_condition) {
                let message = "`@skip` and `@include` are not allowed on the root field of a subscription.";
                return Err(text.refusal(message, place));
            }
        }
    }
    Ok(())
}

/// Requests to subgraphs have variables of their own beside the client's.
fn check_variable_names(operation: &Operation, text: &Text<'_>) -> Result<(), Error> {
    let reserved = |it: &&ast::VariableDefinition| {
        let name = it.variable.name.as_str();
        name == "representations" || name.starts_with("__")
    };
    match operation.variables.iter().find(reserved) {
        None => Ok(()),
        Some(it) => {
            let message = format!("The variable name \"${}\" is reserved; choose another.", it.variable.name);
            Err(text.refusal(message, it.place))
        }
    }
}

fn variable_definition(definition: &ast::VariableDefinition, text: &Text<'_>) -> VariableDefinition {
    VariableDefinition {
        name: definition.variable.name.text.clone(),
        ty: input_type(&definition.ty),
        default: definition.default_value.as_ref().and_then(json_of),
        location: text.location(definition.place),
    }
}

fn is_condition(directive: &Directive) -> bool {
    matches!(directive.name.as_str(), "skip" | "include")
}

/// What stands somewhere in an operation. Each fragment is looked at once.
#[derive(Default)]
struct Findings {
    /// See [`Document::specializing`].
    specializing: BTreeSet<Arc<str>>,
    nullable_conditions: Vec<Place>,
    introspection: Option<(Arc<str>, Place)>,
}

impl Findings {
    fn of(operation: &Operation, fragments: &Fragments) -> Self {
        let is_nullable = |it: &&ast::VariableDefinition| !matches!(it.ty, Type::NonNull(_));
        let nullable = operation.variables.iter().filter(is_nullable);
        let nullable: HashSet<&str> = nullable.map(|it| it.variable.name.as_str()).collect();
        let (mut found, mut seen) = (Self::default(), HashSet::new());
        let mut sets = vec![(&operation.selection_set, false)];
        while let Some((set, introspecting)) = sets.pop() {
            for item in &set.items {
                let directives = match item {
                    Selection::Field(it) => {
                        let asks = matches!(it.name.as_str(), "__schema" | "__type");
                        if asks {
                            found.introspection.get_or_insert_with(|| (it.name.text.clone(), it.place()));
                        }
                        let introspecting = introspecting || asks;
                        if introspecting {
                            let values = it.arguments.iter().map(|it| &it.value);
                            values.for_each(|it| variables_in(it, &mut found.specializing));
                        }
                        sets.extend(it.selection_set.as_ref().map(|it| (it, introspecting)));
                        &it.directives
                    }
                    Selection::InlineFragment(it) => {
                        sets.push((&it.selection_set, introspecting));
                        &it.directives
                    }
                    Selection::FragmentSpread(it) => {
                        if let Some(fragment) = fragments.get(&it.name.text)
                            && seen.insert((&it.name.text, introspecting))
                        {
                            sets.push((&fragment.selection_set, introspecting));
                        }
                        &it.directives
                    }
                };
                directives.iter().filter(|it| is_condition(it)).for_each(|it| found.condition(it, &nullable));
            }
        }
        found
    }

    fn condition(&mut self, directive: &Directive, nullable: &HashSet<&str>) {
        for argument in &directive.arguments {
            variables_in(&argument.value, &mut self.specializing);
            if let Value::Variable(it) = &argument.value
                && nullable.contains(it.name.as_str())
            {
                self.nullable_conditions.push(it.place);
            }
        }
    }
}
