//! Turns the JSON a client sent as variables into [`Variables`] (GraphQL specification, 6.1.2 and the
//! "Input Coercion" parts of section 3).
//!
//! Scalars are copied as they were written, so large numbers and custom scalars stay byte for byte.
//! What changes: single values where lists are declared become lists, integers where an ID is declared
//! become strings, whole numbers written as `1.0` or `1e3` become plain integers, and defaults are put
//! in. Messages have the wording of the reference implementation, which clients already show; they
//! never suggest names, because introspection may be off.

use super::{
    Error, InputDefinition, InputField, InputType, InputTypes, VariableDefinition, Variables,
    json::{Document, Kind, NodeId, write_string},
};
use bytes::Bytes;
use std::fmt::Write as _;

/// The code of errors in variables.
pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";

/// Errors after which the rest of the variables is not looked at.
const ERRORS_MAX: usize = 50;
/// Defaults put in for one request. Only input types whose defaults contain themselves come near.
const DEFAULTS_MAX: usize = 10_000;
/// Levels of input objects, lists and defaults within them.
const LEVELS_MAX: usize = 256;

/// Coerces `given`, a JSON object, to the declared types. Members without a declaration are ignored.
///
/// All errors that can be told are told, each with the location of its variable's definition.
pub fn coerce_variables(
    definitions: &[VariableDefinition],
    types: &InputTypes,
    given: &Bytes,
) -> Result<Variables, Vec<Error>> {
    let mut document = Document::new();
    let root = document
        .parse(given.clone())
        .map_err(|error| vec![bad_input(format!("The variables are not valid JSON: {error}."))])?;
    if document.kind(root) != Kind::Object {
        let message = "Variables must be provided as an Object where each property is a variable value.";
        return Err(vec![bad_input(message)]);
    }
    let mut coercion = Coercion { types, errors: Vec::new(), defaults_left: DEFAULTS_MAX };
    let mut variables = Variables::new();
    for definition in definitions {
        let value = document.get(root, &definition.name);
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

struct Coercion<'a> {
    types: &'a InputTypes,
    errors: Vec<Error>,
    defaults_left: usize,
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
        let Some(given) = self.given_fields(document, value, ty, place) else { return };
        if ty.one_of && !self.is_one_of(document, value, ty, &given, place) {
            return;
        }
        out.push(b'{');
        let start = out.len();
        for (key, member) in document.entries(value) {
            let Some(index) = given.iter().position(|it| *it == Some(member)) else { continue };
            let field = &ty.fields[index];
            write_name(&field.name, start, out);
            place.path.push(Step::Key(key));
            self.value(document, member, &field.ty, place, out);
            place.path.pop();
            if self.is_full() {
                return;
            }
        }
        self.absent_fields(document, value, ty, &given, place, start, out);
        out.push(b'}');
    }

    /// For each declared field the member that gives it (the last of twins). `None` when there are
    /// members that the type does not have.
    fn given_fields<'d>(
        &mut self,
        document: &'d Document,
        value: NodeId,
        ty: &ObjectType<'a>,
        place: &mut Place<'d>,
    ) -> Option<Vec<Option<NodeId>>> {
        let mut given = vec![None; ty.fields.len()];
        let errors_before = self.errors.len();
        for (key, member) in document.entries(value) {
            match ty.fields.iter().position(|it| *it.name == *key) {
                Some(index) => given[index] = Some(member),
                None => {
                    let message = format!("Field \"{}\" is not defined by type \"{}\".", cut(key), ty.name);
                    self.invalid(place, document, value, &message);
                    if self.is_full() {
                        return None;
                    }
                }
            }
        }
        (self.errors.len() == errors_before).then_some(given)
    }

    fn is_one_of<'d>(
        &mut self,
        document: &'d Document,
        value: NodeId,
        ty: &ObjectType<'a>,
        given: &[Option<NodeId>],
        place: &mut Place<'d>,
    ) -> bool {
        let mut members = given.iter().flatten();
        let (Some(member), None) = (members.next(), members.next()) else {
            let message = format!("Exactly one key must be specified for OneOf type \"{}\".", ty.name);
            self.invalid(place, document, value, &message);
            return false;
        };
        if !document.is_null(*member) {
            return true;
        }
        let key = document.key(*member);
        place.path.push(Step::Key(key));
        self.invalid(place, document, *member, &format!("Field \"{key}\" must be non-null."));
        place.path.pop();
        false
    }

    /// Puts in the defaults of fields that were not given; a required one without default is an error.
    #[expect(clippy::too_many_arguments, reason = "one step of `object`, split off to be read on its own")]
    fn absent_fields<'d>(
        &mut self,
        document: &'d Document,
        value: NodeId,
        ty: &ObjectType<'a>,
        given: &[Option<NodeId>],
        place: &mut Place<'d>,
        start: usize,
        out: &mut Vec<u8>,
    ) where
        'a: 'd,
    {
        let absent = ty.fields.iter().zip(given).filter(|(_, member)| member.is_none());
        for (field, _) in absent {
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
            if self.is_full() {
                return;
            }
        }
    }

    /// Appends a declared default, coerced like any other value: its own fields may have defaults too.
    fn default(&mut self, default: &Bytes, ty: &InputType, place: &mut Place<'_>, out: &mut Vec<u8>) {
        let mut document = Document::new();
        let parsed = document.parse(default.clone());
        self.defaults_left = self.defaults_left.saturating_sub(1);
        match parsed {
            Ok(value) if self.defaults_left > 0 => {
                // A place of its own: its steps point into this default's document.
                let mut inner = Place { variable: place.variable, path: Vec::new() };
                inner.path.extend(place.path.iter().map(Step::reborrow));
                self.value(&document, value, ty, &mut inner, out);
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

    fn report(&mut self, variable: &VariableDefinition, message: String) {
        let mut error = bad_input(message);
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

/// Appends a scalar or enum value; `Err` is what the type has against it.
fn write_leaf(
    document: &Document,
    value: NodeId,
    name: &str,
    definition: &InputDefinition,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let refuse = |prefix: &str| {
        let mut message = prefix.to_owned();
        inspect(document, value, 0, &mut message);
        message
    };
    let kind = document.kind(value);
    match definition {
        InputDefinition::Int => return write_int(document, value, out),
        InputDefinition::Id => return write_id(document, value, out),
        InputDefinition::Float if !document.as_number(value).is_some_and(is_finite) => {
            return Err(refuse("Float cannot represent non numeric value: "));
        }
        InputDefinition::String if kind != Kind::String => {
            return Err(refuse("String cannot represent a non string value: "));
        }
        InputDefinition::Boolean if kind != Kind::Bool => {
            return Err(refuse("Boolean cannot represent a non boolean value: "));
        }
        InputDefinition::Enum(values) => match document.as_str(value) {
            None => {
                return Err(refuse(&format!("Enum \"{name}\" cannot represent non-string value: ")) + ".");
            }
            Some(text) if !values.iter().any(|it| **it == *text) => {
                return Err(format!("Value \"{}\" does not exist in \"{name}\" enum.", cut(&text)));
            }
            Some(_) => {}
        },
        _ => {}
    }
    document.write(value, out);
    Ok(())
}

fn write_int(document: &Document, value: NodeId, out: &mut Vec<u8>) -> Result<(), String> {
    let mut message = String::new();
    let whole = document.as_number(value).and_then(whole_number);
    match whole {
        Some(whole) if whole.parse::<i32>().is_ok() => {
            out.extend_from_slice(whole.as_bytes());
            return Ok(());
        }
        Some(_) => message.push_str("Int cannot represent non 32-bit signed integer value: "),
        None => message.push_str("Int cannot represent non-integer value: "),
    }
    inspect(document, value, 0, &mut message);
    Err(message)
}

fn write_id(document: &Document, value: NodeId, out: &mut Vec<u8>) -> Result<(), String> {
    if document.kind(value) == Kind::String {
        document.write(value, out);
        return Ok(());
    }
    if let Some(whole) = document.as_number(value).and_then(whole_number) {
        write_string(&whole, out);
        return Ok(());
    }
    let mut message = String::from("ID cannot represent value: ");
    inspect(document, value, 0, &mut message);
    Err(message)
}

/// The digits of a number without a fraction: as written, or worked out of forms like `1.0` and `1e3`
/// while those are exact.
fn whole_number(text: &str) -> Option<String> {
    const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
    if !text.contains(['.', 'e', 'E']) {
        return Some(text.to_owned());
    }
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then(|| format!("{number:.0}"))
}

fn is_finite(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
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

/// Appends a value for people: two levels deep, ten items long, strings cut.
fn inspect(document: &Document, value: NodeId, level: usize, out: &mut String) {
    const LEVELS: usize = 2;
    const ITEMS_MAX: usize = 10;
    let is_object = match document.kind(value) {
        Kind::String => {
            let mut text = Vec::new();
            write_string(cut(&document.as_str(value).expect("a string")), &mut text);
            return out.push_str(&String::from_utf8_lossy(&text));
        }
        Kind::Object => true,
        Kind::Array => false,
        _ => return out.push_str(cut(&String::from_utf8_lossy(document.raw(value).expect("a scalar")))),
    };
    if document.is_empty(value) {
        return out.push_str(if is_object { "{}" } else { "[]" });
    }
    if level >= LEVELS {
        return out.push_str(if is_object { "[Object]" } else { "[Array]" });
    }
    out.push_str(if is_object { "{ " } else { "[" });
    for (index, child) in document.children(value).take(ITEMS_MAX).enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        if is_object {
            _ = write!(out, "{}: ", cut(document.key(child)));
        }
        inspect(document, child, level + 1, out);
    }
    match document.len(value).saturating_sub(ITEMS_MAX) {
        0 => {}
        1 => out.push_str(", ... 1 more item"),
        more => _ = write!(out, ", ... {more} more items"),
    }
    out.push_str(if is_object { " }" } else { "]" });
}

/// At most 100 characters: an error must not echo megabytes.
fn cut(text: &str) -> &str {
    const CHARS_MAX: usize = 100;
    text.char_indices().nth(CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}

fn bad_input(message: impl Into<String>) -> Error {
    Error::new(message).with_code(BAD_USER_INPUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::Location;
    use std::sync::Arc;

    /// `[Int!]!` from its spelling.
    fn ty(text: &str) -> InputType {
        if let Some(inner) = text.strip_suffix('!') {
            return InputType::NonNull(Box::new(ty(inner)));
        }
        match text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            Some(inner) => InputType::List(Box::new(ty(inner))),
            None => InputType::Named(text.into()),
        }
    }

    fn object(fields: &[(&str, &str, Option<&'static str>)], one_of: bool) -> InputDefinition {
        let field = |(name, of, default): &(&str, &str, Option<&'static str>)| InputField {
            name: (*name).into(),
            ty: ty(of),
            default: default.map(|it| Bytes::from_static(it.as_bytes())),
        };
        InputDefinition::Object { fields: fields.iter().map(field).collect(), one_of }
    }

    fn types() -> InputTypes {
        let point =
            object(&[("x", "Int!", None), ("y", "Int", Some("7")), ("tags", "[String!]", None)], false);
        let nested = object(&[("p", "Point", Some("{\"x\":1}")), ("q", "Nested", None)], false);
        let endless = object(&[("again", "Endless", Some("{}")), ("more", "Endless", Some("{}"))], false);
        [
            ("Int", InputDefinition::Int),
            ("Float", InputDefinition::Float),
            ("String", InputDefinition::String),
            ("Boolean", InputDefinition::Boolean),
            ("ID", InputDefinition::Id),
            ("JSON", InputDefinition::Custom),
            ("Color", InputDefinition::Enum(vec!["RED".into(), "GREEN".into()])),
            ("Point", point),
            ("Nested", nested),
            ("Endless", endless),
            ("By", object(&[("id", "ID", None), ("name", "String", None)], true)),
        ]
        .into_iter()
        .map(|(name, definition)| (Arc::from(name), definition))
        .collect()
    }

    fn definition(name: &str, of: &str, default: Option<&'static str>) -> VariableDefinition {
        VariableDefinition {
            name: name.into(),
            ty: ty(of),
            default: default.map(|it| Bytes::from_static(it.as_bytes())),
            location: Location { line: 1, column: 9 },
        }
    }

    /// The value of `$v: TYPE = default` after coercion; `None` when it is absent.
    fn coerce(of: &str, default: Option<&'static str>, given: &str) -> Result<Option<String>, Vec<Error>> {
        let given = Bytes::copy_from_slice(given.as_bytes());
        let variables = coerce_variables(&[definition("v", of, default)], &types(), &given)?;
        Ok(variables.get("v").map(|it| String::from_utf8(it.to_vec()).expect("UTF-8")))
    }

    fn refusal(of: &str, value: &str) -> Vec<String> {
        let errors = coerce(of, None, &format!("{{\"v\":{value}}}")).expect_err(value);
        errors.into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn values_that_fit_are_taken_as_they_are_written() {
        for (of, value, wanted) in [
            ("Int", "-2147483648", "-2147483648"),
            ("Int", "1e3", "1000"),
            ("Int", "-4.0", "-4"),
            ("Int", "null", "null"),
            ("Float", "1.50e-7", "1.50e-7"),
            ("Float", "123456789012345678901234567890", "123456789012345678901234567890"),
            ("String", r#""\u00e9\/""#, r#""\u00e9\/""#),
            ("Boolean", "true", "true"),
            ("ID", r#""a""#, r#""a""#),
            ("ID", "9007199254740993", r#""9007199254740993""#),
            ("ID", "7.0", r#""7""#),
            ("Color", r#""RED""#, r#""RED""#),
            (
                "JSON",
                r#"{"a":[1.0,{"b":null}],"c":9007199254740993}"#,
                r#"{"a":[1.0,{"b":null}],"c":9007199254740993}"#,
            ),
            ("[Int]", "5", "[5]"),
            ("[Int]", "null", "null"),
            ("[[Int]]", "[1,[2,null],null]", "[[1],[2,null],null]"),
            ("[Int!]!", "[]", "[]"),
            ("[ID]", "[1,\"b\"]", "[\"1\",\"b\"]"),
            ("Point", r#"{"tags":"a","x":1}"#, r#"{"tags":["a"],"x":1,"y":7}"#),
            ("Point", r#"{"y":null,"x":1}"#, r#"{"y":null,"x":1}"#),
            ("Point", r#"{"x":"no","x":2,"y":3}"#, r#"{"x":2,"y":3}"#),
            ("Nested", "{}", r#"{"p":{"x":1,"y":7}}"#),
            ("Nested", r#"{"q":{"p":null}}"#, r#"{"q":{"p":null},"p":{"x":1,"y":7}}"#),
            ("By", r#"{"id":3}"#, r#"{"id":"3"}"#),
        ] {
            let given = format!("{{\"other\":0,\"v\":{value}}}");
            assert_eq!(coerce(of, None, &given), Ok(Some(wanted.into())), "{of}: {value}");
        }
    }

    #[test]
    fn absent_is_not_null() {
        assert_eq!(coerce("Int", None, "{}"), Ok(None));
        assert_eq!(coerce("Int", Some("4"), "{}"), Ok(Some("4".into())));
        assert_eq!(coerce("Int!", Some("4"), "{}"), Ok(Some("4".into())));
        assert_eq!(coerce("Int", Some("4"), r#"{"v":null}"#), Ok(Some("null".into())));
        assert_eq!(coerce("[Point]", Some(r#"{"x":1}"#), "{}"), Ok(Some(r#"[{"x":1,"y":7}]"#.into())));
    }

    #[test]
    fn values_that_do_not_fit_are_refused_in_known_words() {
        for (of, value, message) in [
            (
                "Int",
                r#""a""#,
                r#"Variable "$v" got invalid value "a"; Int cannot represent non-integer value: "a""#,
            ),
            (
                "Int",
                "1.5",
                r#"Variable "$v" got invalid value 1.5; Int cannot represent non-integer value: 1.5"#,
            ),
            (
                "Int",
                "2147483648",
                r#"Variable "$v" got invalid value 2147483648; Int cannot represent non 32-bit signed integer value: 2147483648"#,
            ),
            (
                "Int",
                "1e400",
                r#"Variable "$v" got invalid value 1e400; Int cannot represent non-integer value: 1e400"#,
            ),
            (
                "Float",
                "1e400",
                r#"Variable "$v" got invalid value 1e400; Float cannot represent non numeric value: 1e400"#,
            ),
            (
                "String",
                "1",
                r#"Variable "$v" got invalid value 1; String cannot represent a non string value: 1"#,
            ),
            (
                "Boolean",
                "0",
                r#"Variable "$v" got invalid value 0; Boolean cannot represent a non boolean value: 0"#,
            ),
            ("ID", "1.5", r#"Variable "$v" got invalid value 1.5; ID cannot represent value: 1.5"#),
            ("ID", "[]", r#"Variable "$v" got invalid value []; ID cannot represent value: []"#),
            (
                "Color",
                r#""BLUE""#,
                r#"Variable "$v" got invalid value "BLUE"; Value "BLUE" does not exist in "Color" enum."#,
            ),
            (
                "Color",
                "3",
                r#"Variable "$v" got invalid value 3; Enum "Color" cannot represent non-string value: 3."#,
            ),
            ("Int!", "null", r#"Variable "$v" of non-null type "Int!" must not be null."#),
            (
                "[[Int!]]",
                "[[1,null]]",
                r#"Variable "$v" got invalid value null at "v[0][1]"; Expected non-nullable type "Int!" not to be null."#,
            ),
            (
                "Point",
                "[1]",
                r#"Variable "$v" got invalid value [1]; Expected type "Point" to be an object."#,
            ),
            (
                "Point",
                "{}",
                r#"Variable "$v" got invalid value {}; Field "x" of required type "Int!" was not provided."#,
            ),
            (
                "Nested",
                r#"{"q":{"p":{"x":"a","tags":{"t":[[[]]]}}}}"#,
                r#"Variable "$v" got invalid value "a" at "v.q.p.x"; Int cannot represent non-integer value: "a""#,
            ),
            (
                "Point",
                r#"{"x":1,"z":{"a":{"b":{"c":1}}}}"#,
                r#"Variable "$v" got invalid value { x: 1, z: { a: [Object] } }; Field "z" is not defined by type "Point"."#,
            ),
            (
                "By",
                r#"{"id":1,"name":"x"}"#,
                r#"Variable "$v" got invalid value { id: 1, name: "x" }; Exactly one key must be specified for OneOf type "By"."#,
            ),
            (
                "By",
                "{}",
                r#"Variable "$v" got invalid value {}; Exactly one key must be specified for OneOf type "By"."#,
            ),
            (
                "By",
                r#"{"id":null}"#,
                r#"Variable "$v" got invalid value null at "v.id"; Field "id" must be non-null."#,
            ),
            ("Nope", "1", r#"Variable "$v" got invalid value 1; Unknown type "Nope"."#),
        ] {
            assert_eq!(refusal(of, value)[0], message, "{of}: {value}");
        }
    }

    #[test]
    fn errors_carry_code_and_place_and_all_are_told() {
        let definitions = [definition("a", "Int!", None), definition("b", "Color", None)];
        let given = Bytes::from_static(br#"{"b":"X"}"#);
        let errors = coerce_variables(&definitions, &types(), &given).expect_err("two errors");
        assert_eq!(errors.len(), 2);
        assert_eq!(errors[0].message, r#"Variable "$a" of required type "Int!" was not provided."#);
        for error in errors {
            assert_eq!(error.code, Some(BAD_USER_INPUT));
            assert_eq!(error.locations, [Location { line: 1, column: 9 }]);
        }
        for given in ["[]", "{", "7"] {
            assert!(coerce("Int", None, given).is_err_and(|it| it.len() == 1), "{given}");
        }
    }

    #[test]
    fn errors_defaults_and_echoes_are_bounded() {
        let many = refusal("[Int]", &format!("[{}\"a\"]", "\"a\",".repeat(10_000)));
        assert_eq!(many.len(), ERRORS_MAX + 1);
        assert!(many[ERRORS_MAX].starts_with("Too many errors"));
        let unknown: String = (0..1000).map(|it| format!("\"f{it}\":1,")).collect();
        assert_eq!(refusal("Point", &format!("{{{unknown}\"x\":1}}")).len(), ERRORS_MAX + 1);
        assert!(refusal("Endless", "{}").len() <= ERRORS_MAX + 1);
        let long = refusal("Int", &format!("\"{}\"", "õ".repeat(100_000)));
        assert!(long[0].len() < 600, "{}", long[0].len());
        assert!(long[0].contains("Int cannot represent"));
    }
}
