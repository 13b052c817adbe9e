//! The schema as clients see it, and its answers about itself (GraphQL specification, section 4).

use super::{
    errors::LIMIT_EXCEEDED,
    selection::{Field, Selection},
    types::{Types, type_definitions},
};
use crate::graphql::{Error, Variables, json::write_string};
use bytes::Bytes;
use graphql_tools::static_graphql::schema::{
    self, Definition, Directive, DirectiveDefinition, Document, EnumValue, InputValue, TypeDefinition, Value,
};
use std::collections::{HashMap, HashSet};

/// Introspection refers back to itself, so a small operation can ask for much: this is where it ends.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The consumer schema without what supergraphs hold for routers alone, and with the specification's
/// directives as the specification has them.
pub(super) fn public_schema(document: &Document) -> Document {
    let mut seen = HashSet::new();
    let mut definitions = Vec::with_capacity(document.definitions.len());
    for definition in &document.definitions {
        let (name, directive) = match definition {
            Definition::TypeDefinition(it) => (type_name(it), false),
            Definition::DirectiveDefinition(it) => (it.name.as_str(), true),
            other => {
                definitions.push(other.clone());
                continue;
            }
        };
        let replaced = directive && SPECIFIED.contains(&name);
        if !replaced && !is_internal(name, directive) && seen.insert((name, directive)) {
            definitions.push(definition.clone());
        }
    }
    drop_names_of_the_hidden(&mut definitions);
    add_locations(&mut definitions);
    let specified = graphql_tools::parser::parse_schema::<String>(SPECIFIED_SDL).expect("our own SDL parses");
    definitions.extend(specified.into_static().definitions);
    Document { definitions }
}

const SPECIFIED: &[&str] = &["skip", "include", "deprecated", "specifiedBy", "oneOf"];

const SPECIFIED_SDL: &str = r#"
"Leaves the field or fragment out when `if` is true."
directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
"Leaves the field or fragment out unless `if` is true."
directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
"Marks what should no longer be used."
directive @deprecated(reason: String! = "No longer supported")
  on FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE
"Says where a scalar's format is specified."
directive @specifiedBy(url: String!) on SCALAR
"Says that exactly one field of the input object must be given, and not be null."
directive @oneOf on INPUT_OBJECT
"#;

fn is_internal(name: &str, directive: bool) -> bool {
    const PREFIXES: &[&str] = &["join__", "link__", "core__", "federation__", "context__", "policy__"];
    const DIRECTIVES: &[&str] = &[
        "link",
        "core",
        "tag",
        "inaccessible",
        "authenticated",
        "requiresScopes",
        "policy",
        "cost",
        "listSize",
        "context",
        "fromContext",
    ];
    PREFIXES.iter().any(|it| name.starts_with(it)) || (directive && DIRECTIVES.contains(&name))
}

/// Hidden types are gone by now, but unions and objects still name them.
fn drop_names_of_the_hidden(definitions: &mut [Definition<'static, String>]) {
    let types = |it: &Definition<'static, String>| match it {
        Definition::TypeDefinition(it) => Some(type_name(it).to_owned()),
        _ => None,
    };
    let shown: HashSet<String> = definitions.iter().filter_map(types).collect();
    for definition in definitions {
        let Definition::TypeDefinition(definition) = definition else { continue };
        let names = match definition {
            TypeDefinition::Union(it) => &mut it.types,
            TypeDefinition::Object(it) => &mut it.implements_interfaces,
            TypeDefinition::Interface(it) => &mut it.implements_interfaces,
            _ => continue,
        };
        names.retain(|it| shown.contains(it));
    }
}

/// Directives can stand on variable definitions since 2021; the planner's introspection types are older.
fn add_locations(definitions: &mut [Definition<'static, String>]) {
    for definition in definitions {
        if let Definition::TypeDefinition(TypeDefinition::Enum(it)) = definition
            && it.name == "__DirectiveLocation"
            && !it.values.iter().any(|it| it.name == "VARIABLE_DEFINITION")
        {
            it.values.push(EnumValue::new("VARIABLE_DEFINITION".into()));
        }
    }
}

fn type_name(definition: &TypeDefinition) -> &str {
    match definition {
        TypeDefinition::Scalar(it) => &it.name,
        TypeDefinition::Object(it) => &it.name,
        TypeDefinition::Interface(it) => &it.name,
        TypeDefinition::Union(it) => &it.name,
        TypeDefinition::Enum(it) => &it.name,
        TypeDefinition::InputObject(it) => &it.name,
    }
}

/// Answers introspection fields at the root: a JSON object under canonical keys. `None` without any.
pub(super) fn answer(
    document: &Document,
    types: &Types,
    fields: &[&Field],
    variables: &Variables,
) -> Result<Option<Bytes>, Error> {
    if fields.is_empty() {
        return Ok(None);
    }
    let by_name = type_definitions(document).map(|it| (type_name(it), it)).collect();
    let mut writer = Writer { document, types, by_name, variables, out: Vec::new() };
    writer.object(Node::Root, grouped(fields.iter().copied()))?;
    Ok(Some(writer.out.into()))
}

/// Something that introspection can look at.
#[derive(Clone, Copy)]
enum Node<'a> {
    Root,
    Schema,
    Named(&'a TypeDefinition),
    /// A list or non-null type.
    Wrapped(&'a schema::Type),
    Field(&'a schema::Field),
    Input(&'a InputValue),
    EnumValue(&'a EnumValue),
    Directive(&'a DirectiveDefinition),
}

enum Answer<'a> {
    Null,
    Text(String),
    Boolean(bool),
    Object(Node<'a>),
    List(Vec<Node<'a>>),
    Texts(Vec<String>),
}

impl<'a> Answer<'a> {
    fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Null, |it| Self::Text(it.to_owned()))
    }
}

struct Writer<'a> {
    document: &'a Document,
    types: &'a Types,
    by_name: HashMap<&'a str, &'a TypeDefinition>,
    variables: &'a Variables,
    out: Vec<u8>,
}

/// Fields by canonical key, in order. Fields with equal keys merge.
type Groups<'f> = Vec<(&'f str, Vec<&'f Field>)>;

fn grouped<'f>(fields: impl Iterator<Item = &'f Field>) -> Groups<'f> {
    let mut groups = Groups::new();
    for field in fields {
        match groups.iter_mut().find(|(key, _)| **key == *field.key) {
            Some((_, twins)) => twins.push(field),
            None => groups.push((&field.key, vec![field])),
        }
    }
    groups
}

/// The fields below merged fields. Introspection types are objects, so every fragment applies.
fn below<'f>(fields: &[&'f Field]) -> Groups<'f> {
    fn add<'f>(selections: &'f [Selection], out: &mut Vec<&'f Field>) {
        for selection in selections {
            match selection {
                Selection::Field(it) => out.push(it),
                Selection::On { selections, .. } => add(selections, out),
            }
        }
    }
    let mut all = Vec::new();
    fields.iter().for_each(|it| add(&it.selections, &mut all));
    grouped(all.into_iter())
}

impl<'a> Writer<'a> {
    fn object(&mut self, node: Node<'a>, groups: Groups<'_>) -> Result<(), Error> {
        if self.out.len() > ANSWER_BYTES_MAX {
            let message =
                format!("The answer to this introspection is larger than {ANSWER_BYTES_MAX} bytes.");
            return Err(Error::new(message).with_code(LIMIT_EXCEEDED));
        }
        self.out.push(b'{');
        for (index, (key, fields)) in groups.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write_string(key, &mut self.out);
            self.out.push(b':');
            let answer = self.answer(node, fields[0]);
            self.write(answer, &fields)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn write(&mut self, answer: Answer<'a>, fields: &[&Field]) -> Result<(), Error> {
        match answer {
            Answer::Null => self.out.extend_from_slice(b"null"),
            Answer::Text(text) => write_string(&text, &mut self.out),
            Answer::Boolean(it) => self.out.extend_from_slice(if it { b"true" } else { b"false" }),
            Answer::Object(node) => self.object(node, below(fields))?,
            Answer::List(nodes) => {
                self.out.push(b'[');
                for (index, node) in nodes.into_iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.object(node, below(fields))?;
                }
                self.out.push(b']');
            }
            Answer::Texts(texts) => {
                self.out.push(b'[');
                for (index, text) in texts.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    write_string(text, &mut self.out);
                }
                self.out.push(b']');
            }
        }
        Ok(())
    }

    fn answer(&self, node: Node<'a>, field: &Field) -> Answer<'a> {
        if field.name == "__typename" {
            return Answer::Text(introspection_type(node).to_owned());
        }
        match node {
            Node::Root => self.of_root(field),
            Node::Schema => self.of_schema(&field.name),
            Node::Named(it) => self.of_type(it, field),
            Node::Wrapped(it) => self.of_wrapped(it, &field.name),
            Node::Field(it) => self.of_field(it, field),
            Node::Input(it) => self.of_input(it, &field.name),
            Node::EnumValue(it) => of_enum_value(it, &field.name),
            Node::Directive(it) => self.of_directive(it, field),
        }
    }

    fn of_root(&self, field: &Field) -> Answer<'a> {
        match field.name.as_str() {
            "__schema" => Answer::Object(Node::Schema),
            _ => self.text_argument(field, "name").map_or(Answer::Null, |it| self.named(&it)),
        }
    }

    fn of_schema(&self, name: &str) -> Answer<'a> {
        let root = |name: Option<&String>| name.map_or(Answer::Null, |it| self.named(it));
        match name {
            "types" => Answer::List(type_definitions(self.document).map(Node::Named).collect()),
            "queryType" => root(self.document.query_type_name()),
            "mutationType" => root(self.document.mutation_type_name()),
            "subscriptionType" => root(self.document.subscription_type_name()),
            "directives" => Answer::List(
                self.document
                    .definitions
                    .iter()
                    .filter_map(|it| match it {
                        Definition::DirectiveDefinition(it) => Some(Node::Directive(it)),
                        _ => None,
                    })
                    .collect(),
            ),
            _ => Answer::Null,
        }
    }

    fn of_type(&self, definition: &'a TypeDefinition, field: &Field) -> Answer<'a> {
        let deprecated = self.include_deprecated(field);
        match (field.name.as_str(), definition) {
            ("kind", _) => Answer::Text(kind(definition).to_owned()),
            ("name", _) => Answer::Text(type_name(definition).to_owned()),
            ("description", _) => Answer::text(description(definition)),
            ("specifiedByURL", TypeDefinition::Scalar(it)) => specified_by(&it.directives),
            ("fields", TypeDefinition::Object(it)) => fields(&it.fields, deprecated),
            ("fields", TypeDefinition::Interface(it)) => fields(&it.fields, deprecated),
            ("interfaces", TypeDefinition::Object(it)) => self.named_list(&it.implements_interfaces),
            ("interfaces", TypeDefinition::Interface(it)) => self.named_list(&it.implements_interfaces),
            ("possibleTypes", TypeDefinition::Interface(_) | TypeDefinition::Union(_)) => {
                let possible = self.types.possible(type_name(definition));
                self.named_list(possible.iter())
            }
            ("enumValues", TypeDefinition::Enum(it)) => {
                let wanted = it.values.iter().filter(|it| deprecated || !is_deprecated(&it.directives));
                Answer::List(wanted.map(Node::EnumValue).collect())
            }
            ("inputFields", TypeDefinition::InputObject(it)) => inputs(&it.fields, deprecated),
            ("isOneOf", TypeDefinition::InputObject(it)) => {
                Answer::Boolean(it.directives.iter().any(|it| it.name == "oneOf"))
            }
            _ => Answer::Null,
        }
    }

    fn of_wrapped(&self, ty: &'a schema::Type, name: &str) -> Answer<'a> {
        let (kind, inner) = match ty {
            schema::Type::ListType(inner) => ("LIST", inner),
            schema::Type::NonNullType(inner) => ("NON_NULL", inner),
            schema::Type::NamedType(_) => return Answer::Null,
        };
        match name {
            "kind" => Answer::Text(kind.to_owned()),
            "ofType" => self.type_ref(inner),
            _ => Answer::Null,
        }
    }

    fn of_field(&self, it: &'a schema::Field, field: &Field) -> Answer<'a> {
        match field.name.as_str() {
            "name" => Answer::Text(it.name.clone()),
            "description" => Answer::text(it.description.as_deref()),
            "args" => inputs(&it.arguments, self.include_deprecated(field)),
            "type" => self.type_ref(&it.field_type),
            other => deprecation(&it.directives, other),
        }
    }

    fn of_input(&self, it: &'a InputValue, name: &str) -> Answer<'a> {
        match name {
            "name" => Answer::Text(it.name.clone()),
            "description" => Answer::text(it.description.as_deref()),
            "type" => self.type_ref(&it.value_type),
            "defaultValue" => Answer::text(it.default_value.as_ref().map(ToString::to_string).as_deref()),
            other => deprecation(&it.directives, other),
        }
    }

    fn of_directive(&self, it: &'a DirectiveDefinition, field: &Field) -> Answer<'a> {
        match field.name.as_str() {
            "name" => Answer::Text(it.name.clone()),
            "description" => Answer::text(it.description.as_deref()),
            "locations" => Answer::Texts(it.locations.iter().map(|it| it.as_str().to_owned()).collect()),
            "args" => inputs(&it.arguments, self.include_deprecated(field)),
            "isRepeatable" => Answer::Boolean(it.repeatable),
            _ => Answer::Null,
        }
    }

    fn type_ref(&self, ty: &'a schema::Type) -> Answer<'a> {
        match ty {
            schema::Type::NamedType(name) => self.named(name),
            wrapped => Answer::Object(Node::Wrapped(wrapped)),
        }
    }

    fn named(&self, name: &str) -> Answer<'a> {
        self.by_name.get(name).map_or(Answer::Null, |it| Answer::Object(Node::Named(it)))
    }

    fn named_list<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> Answer<'a> {
        let found = names.into_iter().filter_map(|it| self.by_name.get(it.as_ref()).copied());
        Answer::List(found.map(Node::Named).collect())
    }

    fn include_deprecated(&self, field: &Field) -> bool {
        match argument(&field.arguments, "includeDeprecated") {
            Some(Value::Boolean(it)) => *it,
            Some(Value::Variable(name)) => self.variables.is_true(name),
            _ => false,
        }
    }

    fn text_argument(&self, field: &Field, name: &str) -> Option<String> {
        match argument(&field.arguments, name)? {
            Value::String(it) => Some(it.clone()),
            Value::Variable(name) => serde_json::from_slice(self.variables.get(name)?).ok(),
            _ => None,
        }
    }
}

fn argument<'v>(arguments: &'v [(String, Value)], name: &str) -> Option<&'v Value> {
    arguments.iter().find(|(it, _)| it == name).map(|(_, value)| value)
}

fn introspection_type(node: Node<'_>) -> &'static str {
    match node {
        Node::Root => "Query",
        Node::Schema => "__Schema",
        Node::Named(_) | Node::Wrapped(_) => "__Type",
        Node::Field(_) => "__Field",
        Node::Input(_) => "__InputValue",
        Node::EnumValue(_) => "__EnumValue",
        Node::Directive(_) => "__Directive",
    }
}

fn kind(definition: &TypeDefinition) -> &'static str {
    match definition {
        TypeDefinition::Scalar(_) => "SCALAR",
        TypeDefinition::Object(_) => "OBJECT",
        TypeDefinition::Interface(_) => "INTERFACE",
        TypeDefinition::Union(_) => "UNION",
        TypeDefinition::Enum(_) => "ENUM",
        TypeDefinition::InputObject(_) => "INPUT_OBJECT",
    }
}

fn description(definition: &TypeDefinition) -> Option<&str> {
    match definition {
        TypeDefinition::Scalar(it) => it.description.as_deref(),
        TypeDefinition::Object(it) => it.description.as_deref(),
        TypeDefinition::Interface(it) => it.description.as_deref(),
        TypeDefinition::Union(it) => it.description.as_deref(),
        TypeDefinition::Enum(it) => it.description.as_deref(),
        TypeDefinition::InputObject(it) => it.description.as_deref(),
    }
}

/// The root's `__schema` and `__type` are no fields of the query type.
fn fields(fields: &[schema::Field], deprecated: bool) -> Answer<'_> {
    let visible = fields.iter().filter(|it| !it.name.starts_with("__"));
    let wanted = visible.filter(|it| deprecated || !is_deprecated(&it.directives));
    Answer::List(wanted.map(Node::Field).collect())
}

fn inputs(inputs: &[InputValue], deprecated: bool) -> Answer<'_> {
    let wanted = inputs.iter().filter(|it| deprecated || !is_deprecated(&it.directives));
    Answer::List(wanted.map(Node::Input).collect())
}

fn of_enum_value<'a>(it: &EnumValue, name: &str) -> Answer<'a> {
    match name {
        "name" => Answer::Text(it.name.clone()),
        "description" => Answer::text(it.description.as_deref()),
        other => deprecation(&it.directives, other),
    }
}

fn is_deprecated(directives: &[Directive]) -> bool {
    directives.iter().any(|it| it.name == "deprecated")
}

fn deprecation<'a>(directives: &[Directive], name: &str) -> Answer<'a> {
    let deprecated = directives.iter().find(|it| it.name == "deprecated");
    match (name, deprecated) {
        ("isDeprecated", it) => Answer::Boolean(it.is_some()),
        ("deprecationReason", Some(it)) => match argument(&it.arguments, "reason") {
            Some(Value::String(reason)) => Answer::Text(reason.clone()),
            _ => Answer::Text("No longer supported".into()),
        },
        _ => Answer::Null,
    }
}

fn specified_by<'a>(directives: &[Directive]) -> Answer<'a> {
    let url =
        directives.iter().find(|it| it.name == "specifiedBy").and_then(|it| argument(&it.arguments, "url"));
    match url {
        Some(Value::String(url)) => Answer::Text(url.clone()),
        _ => Answer::Null,
    }
}
