//! Turns the JSON a client sent as variables into [`Variables`] (GraphQL specification, 6.1.2 and the
//! "Input Coercion" parts of section 3).
//!
//! Scalars are copied as they were written, so large numbers and custom scalars stay byte for byte.
//! What changes: single values where lists are declared become lists, integers where an ID is declared
//! become strings, whole numbers written as `1.0` or `1e3` become plain integers, and defaults are put
//! in. Messages have the wording of the reference implementation, which clients already show; they
//! never suggest names, because introspection may be off.

mod inspect;
mod leaf;
#[cfg(test)]
mod tests;

use super::{
    Error, InputDefinition, InputField, InputType, InputTypes, Uploads, VariableDefinition, Variables,
    json::{DEPTH_MAX, Document, Kind, NodeId, write_string},
};
use bytes::Bytes;
use inspect::{cut, inspect};
use leaf::write_leaf;
use std::{collections::HashMap, fmt::Write as _, ops::Range};

/// The code of errors in variables.
pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";

/// Errors after which the rest of the variables is not looked at.
const ERRORS_MAX: usize = 50;
/// Defaults put in for one request. Only input types whose defaults contain themselves come near.
const DEFAULTS_MAX: usize = 10_000;
/// Defaults within defaults, each of which costs a good deal of stack.
const DEFAULTS_NESTED_MAX: usize = 128;
/// Levels of input objects, lists and defaults within them: as many as values can have.
const LEVELS_MAX: usize = DEPTH_MAX;

/// Coerces `given`, a JSON object, to the declared types. Members without a declaration are ignored.
///
/// All errors that can be told are told, each with the location of its variable's definition.
pub fn coerce_variables(
    definitions: &[VariableDefinition],
    types: &InputTypes,
    given: &Bytes,
) -> Result<Variables, Vec<Error>> {
    coerce_variables_with_files(definitions, types, given, None)
}

/// The same for a request with files: a file's ticket is no text, so it stands for custom scalars alone.
pub fn coerce_variables_with_files(
    definitions: &[VariableDefinition],
    types: &InputTypes,
    given: &Bytes,
    files: Option<&Uploads>,
) -> Result<Variables, Vec<Error>> {
    let mut document = Document::new();
    let root = document
        .parse(given.clone())
        .map_err(|error| vec![bad_input(format!("The variables are not valid JSON: {error}."))])?;
    if document.kind(root) != Kind::Object {
        let message = "Variables must be provided as an Object where each property is a variable value.";
        return Err(vec![bad_input(message)]);
    }
    let members = Members::of(&document, root, definitions.len());
    let mut coercion =
        Coercion { types, files, errors: Vec::new(), defaults_left: DEFAULTS_MAX, defaults_around: 0 };
    let mut variables = Variables::new();
    for definition in definitions {
        let value = members.get(&definition.name);
        if let Some(json) = coercion.variable(definition, &document, value) {
            variables.set(definition.name.clone(), json);
        }
        if coercion.is_full() {
            let message = "Too many errors processing variables, error limit reached. Execution aborted.";
            coercion.errors.push(bad_input(message));
            break;
        }
    }
    if coercion.errors.is_empty() { Ok(variables) } else { Err(coercion.errors) }
}

/// What a client gave, by name; of twins the last one. Many variables among many members would be endless work
/// if each were looked for by itself.
enum Members<'d> {
    Few(&'d Document, NodeId),
    Many(HashMap<&'d str, NodeId>),
}

impl<'d> Members<'d> {
    /// Variables up to which an index costs more than it saves.
    const FEW: usize = 16;

    fn of(document: &'d Document, root: NodeId, variables: usize) -> Self {
        if variables <= Self::FEW {
            Self::Few(document, root)
        } else {
            Self::Many(document.entries(root).collect())
        }
    }

    fn get(&self, name: &str) -> Option<NodeId> {
        match self {
            Self::Few(document, root) => document.get(*root, name),
            Self::Many(members) => members.get(name).copied(),
        }
    }
}

struct Coercion<'a> {
    types: &'a InputTypes,
    files: Option<&'a Uploads>,
    errors: Vec<Error>,
    defaults_left: usize,
    /// Defaults within which the coercion is.
    defaults_around: usize,
}

/// A value on its way: whose variable it belongs to and where within it.
struct Place<'a> {
    variable: &'a VariableDefinition,
    path: Vec<Step<'a>>,
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Coercion<'a> {
    /// The variable's JSON text; `None` when it is absent or was refused.
    fn variable(
        &mut self,
        variable: &'a VariableDefinition,
        document: &'a Document,
        value: Option<NodeId>,
    ) -> Option<Bytes> {
        let mut out = Vec::new();
        let errors_before = self.errors.len();
        let mut place = Place { variable, path: Vec::new() };
        match (value, &variable.default) {
            (Some(value), _) if is_non_null(&variable.ty) && document.is_null(value) => {
                let (name, ty) = (&variable.name, spelling(&variable.ty));
                self.report(
                    variable,
                    format!("Variable \"${name}\" of non-null type \"{ty}\" must not be null."),
                );
            }
            (Some(value), _) => self.value(document, value, &variable.ty, &mut place, &mut out),
            (None, Some(default)) => self.default(default, &variable.ty, &mut place, &mut out),
            (None, None) if is_non_null(&variable.ty) => {
                let (name, ty) = (&variable.name, spelling(&variable.ty));
                self.report(
                    variable,
                    format!("Variable \"${name}\" of required type \"{ty}\" was not provided."),
                );
            }
            (None, None) => return None,
        }
        (self.errors.len() == errors_before).then(|| out.into())
    }

    /// Appends a value as the type wants it. What was appended counts only if no error was reported.
    fn value<'d>(
        &mut self,
        document: &'d Document,
        value: NodeId,
        ty: &InputType,
        place: &mut Place<'d>,
        out: &mut Vec<u8>,
    ) where
        'a: 'd,
    {
        if place.path.len() > LEVELS_MAX {
            return self.invalid(place, document, value, "The value is nested too deeply.");
        }
        match ty {
            InputType::NonNull(_) if document.is_null(value) => {
                let message = format!("Expected non-nullable type \"{}\" not to be null.", spelling(ty));
                self.invalid(place, document, value, &message);
            }
            InputType::NonNull(inner) => self.value(document, value, inner, place, out),
            _ if document.is_null(value) => out.extend_from_slice(b"null"),
            InputType::List(item) => self.list(document, value, item, place, out),
            InputType::Named(name) => match self.types.get_key_value(name) {
                Some((name, InputDefinition::Object { fields, one_of })) => {
                    let ty = ObjectType { name, fields, one_of: *one_of };
                    self.object(document, value, &ty, place, out);
                }
                Some((_, leaf)) if *leaf != InputDefinition::Custom && self.is_file(document, value) => {
                    self.invalid(place, document, value, &format!("{name} cannot represent a file."));
                }
                Some((_, leaf)) => {
                    if let Err(message) = write_leaf(document, value, name, leaf, out) {
                        self.invalid(place, document, value, &message);
                    }
                }
                None => self.invalid(place, document, value, &format!("Unknown type \"{name}\".")),
            },
        }
    }

    fn list<'d>(
        &mut self,
        document: &'d Document,
        value: NodeId,
        item_type: &InputType,
        place: &mut Place<'d>,
        out: &mut Vec<u8>,
    ) where
        'a: 'd,
    {
        out.push(b'[');
        if document.kind(value) == Kind::Array {
            for (index, item) in document.children(value).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                place.path.push(Step::Index(index));
                self.value(document, item, item_type, place, out);
                place.path.pop();
                if self.is_full() {
                    return;
                }
            }
        } else {
            self.value(document, value, item_type, place, out);
        }
        out.push(b']');
    }

    fn object<'d>(
        &mut self,
        document: &'d Document,
        value: NodeId,
        ty: &ObjectType<'a>,
        place: &mut Place<'d>,
        out: &mut Vec<u8>,
    ) where
        'a: 'd,
    {
        if document.kind(value) != Kind::Object {
            let message = format!("Expected type \"{}\" to be an object.", ty.name);
            return self.invalid(place, document, value, &message);
        }
        let given = given_fields(document, value, ty);
        out.push(b'{');
        let start = out.len();
        let mut members = Vec::with_capacity(given.len());
        // In the order of the declaration, as the reference implementation has errors; members stay in the client's.
        for (field, member) in ty.fields.iter().zip(&given) {
            let begin = out.len();
            match member {
                Some((_, member)) => {
                    write_name(&field.name, start, out);
                    place.path.push(Step::Key(document.key(*member)));
                    self.value(document, *member, &field.ty, place, out);
                    place.path.pop();
                }
                None => self.absent_field(document, value, field, place, start, out),
            }
            if self.is_full() {
                return;
            }
            members.push((member.map_or(usize::MAX, |(rank, _)| rank), begin..out.len()));
        }
        in_order(&mut members, start, out);
        self.refuse_unknown(document, value, ty, place);
        if ty.one_of && !self.is_full() {
            self.check_one_of(document, value, ty, &given, place);
        }
        out.push(b'}');
    }

    /// Refuses members that the type does not have.
    fn refuse_unknown<'d>(
        &mut self,
        document: &'d Document,
        value: NodeId,
        ty: &ObjectType<'a>,
        place: &Place<'d>,
    ) {
        for (key, _) in document.entries(value) {
            if !self.is_full() && !ty.fields.iter().any(|it| *it.name == *key) {
                let message = format!("Field \"{}\" is not defined by type \"{}\".", cut(key), ty.name);
                self.invalid(place, document, value, &message);
            }
        }
    }

    fn check_one_of<'d>(
        &mut self,
        document: &'d Document,
        value: NodeId,
        ty: &ObjectType<'a>,
        given: &[Option<(usize, NodeId)>],
        place: &mut Place<'d>,
    ) {
        let mut members = given.iter().flatten().map(|(_, member)| member);
        let (first, second) = (members.next(), members.next());
        if first.is_none() || second.is_some() {
            let message = format!("Exactly one key must be specified for OneOf type \"{}\".", ty.name);
            self.invalid(place, document, value, &message);
        }
        if let Some(member) = first.filter(|it| document.is_null(**it))
            && !self.is_full()
        {
            let key = document.key(*member);
            place.path.push(Step::Key(key));
            self.invalid(place, document, *member, &format!("Field \"{key}\" must be non-null."));
            place.path.pop();
        }
    }

    /// Puts in the default of a field that was not given; a required one without default is an error.
    fn absent_field<'d>(
        &mut self,
        document: &'d Document,
        value: NodeId,
        field: &'a InputField,
        place: &mut Place<'d>,
        start: usize,
        out: &mut Vec<u8>,
    ) where
        'a: 'd,
    {
        if let Some(default) = &field.default {
            write_name(&field.name, start, out);
            place.path.push(Step::Key(&field.name));
            self.default(default, &field.ty, place, out);
            place.path.pop();
        } else if is_non_null(&field.ty) {
            let (name, ty) = (&field.name, spelling(&field.ty));
            let message = format!("Field \"{name}\" of required type \"{ty}\" was not provided.");
            self.invalid(place, document, value, &message);
        }
    }

    /// Appends a declared default, coerced like any other value: its own fields may have defaults too.
    fn default(&mut self, default: &Bytes, ty: &InputType, place: &mut Place<'_>, out: &mut Vec<u8>) {
        let mut document = Document::new();
        let parsed = document.parse(default.clone());
        self.defaults_left = self.defaults_left.saturating_sub(1);
        match parsed {
            Ok(value) if self.defaults_left > 0 && self.defaults_around < DEFAULTS_NESTED_MAX => {
                // A place of its own: its steps point into this default's document.
                let mut inner = Place { variable: place.variable, path: Vec::new() };
                inner.path.extend(place.path.iter().map(Step::reborrow));
                self.defaults_around += 1;
                self.value(&document, value, ty, &mut inner, out);
                self.defaults_around -= 1;
            }
            Ok(value) => self.invalid(place, &document, value, "Too many defaults within defaults."),
            Err(error) => {
                self.report(place.variable, format!("A declared default is not valid JSON: {error}."))
            }
        }
    }

    fn invalid(&mut self, place: &Place<'_>, document: &Document, value: NodeId, message: &str) {
        let name = &place.variable.name;
        let mut text = format!("Variable \"${name}\" got invalid value ");
        inspect(document, value, 0, &mut text);
        if !place.path.is_empty() {
            _ = write!(text, " at \"{name}");
            for step in &place.path {
                _ = match step {
                    Step::Key(key) => write!(text, ".{key}"),
                    Step::Index(index) => write!(text, "[{index}]"),
                };
            }
            text.push('"');
        }
        _ = write!(text, "; {message}");
        self.report(place.variable, text);
    }

    fn is_file(&self, document: &Document, value: NodeId) -> bool {
        let Some(files) = self.files else { return false };
        document.as_str(value).is_some_and(|it| files.index_of(&it).is_some())
    }

    fn report(&mut self, variable: &VariableDefinition, message: String) {
        let mut error = bad_input(self.files.map_or(message.clone(), |it| it.hide(&message)));
        error.locations.push(variable.location);
        self.errors.push(error);
    }

    fn is_full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX
    }
}

impl Step<'_> {
    fn reborrow(&self) -> Step<'_> {
        match self {
            Self::Key(key) => Step::Key(key),
            Self::Index(index) => Step::Index(*index),
        }
    }
}

/// Puts the members of an object, which were written one after the other, into the order of their ranks.
fn in_order(members: &mut [(usize, Range<usize>)], start: usize, out: &mut Vec<u8>) {
    if members.is_sorted_by_key(|(rank, _)| *rank) {
        return;
    }
    members.sort_by_key(|(rank, _)| *rank);
    let written = out.split_off(start);
    for (_, range) in members {
        let member = &written[range.start - start..range.end - start];
        let member = member.strip_prefix(b",").unwrap_or(member);
        if !member.is_empty() {
            if out.len() > start {
                out.push(b',');
            }
            out.extend_from_slice(member);
        }
    }
}

/// For each declared field the member that gives it, the last of twins, and its place among all members.
fn given_fields(document: &Document, value: NodeId, ty: &ObjectType<'_>) -> Vec<Option<(usize, NodeId)>> {
    let mut given = vec![None; ty.fields.len()];
    for (rank, (key, member)) in document.entries(value).enumerate() {
        if let Some(index) = ty.fields.iter().position(|it| *it.name == *key) {
            given[index] = Some((rank, member));
        }
    }
    given
}

struct ObjectType<'a> {
    name: &'a str,
    fields: &'a [InputField],
    one_of: bool,
}

fn write_name(name: &str, start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
    write_string(name, out);
    out.push(b':');
}

fn is_non_null(ty: &InputType) -> bool {
    matches!(ty, InputType::NonNull(_))
}

/// A type as GraphQL writes it.
fn spelling(ty: &InputType) -> String {
    match ty {
        InputType::NonNull(inner) => format!("{}!", spelling(inner)),
        InputType::List(inner) => format!("[{}]", spelling(inner)),
        InputType::Named(name) => name.to_string(),
    }
}

fn bad_input(message: impl Into<String>) -> Error {
    Error::new(message).with_code(BAD_USER_INPUT)
}
