//! Answers about the schema as clients see it (GraphQL specification, section 4).

use super::{
    errors::LIMIT_EXCEEDED,
    selection::{Field, Selection},
};
use crate::{
    graphql::{Error, Variables, json::write_string},
    language::{
        ast::{OperationKind, Value},
        print_value,
        schema::{
            DirectiveDefinition, EnumValueDefinition, FieldDefinition, InputValueDefinition, Schema, Type,
            TypeDefinition, TypeId, TypeKind,
        },
    },
};
use bytes::Bytes;

/// Introspection refers back to itself, so a small operation can ask for much: this is where it ends.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Answers introspection fields at the root: a JSON object under canonical keys. `None` without any.
pub(super) fn answer(
    schema: &Schema,
    fields: &[&Field],
    variables: &Variables,
) -> Result<Option<Bytes>, Error> {
    if fields.is_empty() {
        return Ok(None);
    }
    let mut writer = Writer { schema, variables, out: Vec::new() };
    writer.object(Node::Root, grouped(fields.iter().copied()))?;
    Ok(Some(writer.out.into()))
}

/// Something that introspection can look at.
#[derive(Clone, Copy)]
enum Node<'a> {
    Root,
    Schema,
    Type(&'a Type),
    Field(&'a FieldDefinition),
    Input(&'a InputValueDefinition),
    EnumValue(&'a EnumValueDefinition),
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
    schema: &'a Schema,
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
        if *field.name == *"__typename" {
            return Answer::Text(introspection_type(node).to_owned());
        }
        match node {
            Node::Root => self.of_root(field),
            Node::Schema => self.of_schema(&field.name),
            Node::Type(it) => self.of_type(it, field),
            Node::Field(it) => self.of_field(it, field),
            Node::Input(it) => of_input(it, &field.name),
            Node::EnumValue(it) => of_enum_value(it, &field.name),
            Node::Directive(it) => self.of_directive(it, field),
        }
    }

    fn of_root(&self, field: &Field) -> Answer<'a> {
        match &*field.name {
            "__schema" => Answer::Object(Node::Schema),
            _ => self.text_argument(field, "name").map_or(Answer::Null, |it| self.named(&it)),
        }
    }

    fn of_schema(&self, name: &str) -> Answer<'a> {
        let root = |kind| self.schema.root(kind).map_or(Answer::Null, |it| self.of_id(it));
        match name {
            "description" => Answer::text(self.schema.description.as_deref()),
            "types" => self.list(self.schema.types().map(|(id, _)| id)),
            "queryType" => root(OperationKind::Query),
            "mutationType" => root(OperationKind::Mutation),
            "subscriptionType" => root(OperationKind::Subscription),
            "directives" => Answer::List(self.schema.directives().iter().map(Node::Directive).collect()),
            _ => Answer::Null,
        }
    }

    fn of_type(&self, ty: &'a Type, field: &Field) -> Answer<'a> {
        match (ty, &*field.name) {
            (Type::Named(id), _) => self.of_named(*id, field),
            (Type::List(_), "kind") => Answer::Text("LIST".to_owned()),
            (Type::NonNull(_), "kind") => Answer::Text("NON_NULL".to_owned()),
            (Type::List(inner) | Type::NonNull(inner), "ofType") => Answer::Object(Node::Type(inner)),
            _ => Answer::Null,
        }
    }

    fn of_named(&self, id: TypeId, field: &Field) -> Answer<'a> {
        let definition = self.schema.definition(id);
        let deprecated = self.include_deprecated(field);
        match (&*field.name, &definition.kind) {
            ("kind", _) => Answer::Text(kind(definition).to_owned()),
            ("name", _) => Answer::Text(definition.name.to_string()),
            ("description", _) => Answer::text(definition.description.as_deref()),
            ("specifiedByURL", TypeKind::Scalar { specified_by }) => Answer::text(specified_by.as_deref()),
            ("fields", TypeKind::Object { fields, .. } | TypeKind::Interface { fields, .. }) => {
                let wanted = fields.iter().filter(|it| deprecated || it.deprecation_reason.is_none());
                Answer::List(wanted.map(Node::Field).collect())
            }
            ("interfaces", TypeKind::Object { interfaces, .. } | TypeKind::Interface { interfaces, .. }) => {
                self.list(interfaces.iter().copied())
            }
            ("possibleTypes", TypeKind::Interface { .. } | TypeKind::Union { .. }) => {
                self.list(self.schema.possible_types(id).iter().copied())
            }
            ("enumValues", TypeKind::Enum { values }) => {
                let wanted = values.iter().filter(|it| deprecated || it.deprecation_reason.is_none());
                Answer::List(wanted.map(Node::EnumValue).collect())
            }
            ("inputFields", TypeKind::InputObject { fields, .. }) => inputs(fields, deprecated),
            ("isOneOf", TypeKind::InputObject { is_one_of, .. }) => Answer::Boolean(*is_one_of),
            _ => Answer::Null,
        }
    }

    fn of_field(&self, it: &'a FieldDefinition, field: &Field) -> Answer<'a> {
        match &*field.name {
            "name" => Answer::Text(it.name.to_string()),
            "description" => Answer::text(it.description.as_deref()),
            "args" => inputs(&it.arguments, self.include_deprecated(field)),
            "type" => Answer::Object(Node::Type(&it.ty)),
            other => deprecation(it.deprecation_reason.as_deref(), other),
        }
    }

    fn of_directive(&self, it: &'a DirectiveDefinition, field: &Field) -> Answer<'a> {
        match &*field.name {
            "name" => Answer::Text(it.name.to_string()),
            "description" => Answer::text(it.description.as_deref()),
            "locations" => Answer::Texts(it.locations.iter().map(|it| it.to_string()).collect()),
            "args" => inputs(&it.arguments, self.include_deprecated(field)),
            "isRepeatable" => Answer::Boolean(it.is_repeatable),
            // No definition of a directive can be deprecated yet.
            "isDeprecated" => Answer::Boolean(false),
            _ => Answer::Null,
        }
    }

    fn of_id(&self, id: TypeId) -> Answer<'a> {
        Answer::Object(Node::Type(self.schema.reference(id)))
    }

    fn named(&self, name: &str) -> Answer<'a> {
        self.schema.id(name).map_or(Answer::Null, |it| self.of_id(it))
    }

    fn list(&self, ids: impl Iterator<Item = TypeId>) -> Answer<'a> {
        Answer::List(ids.map(|it| Node::Type(self.schema.reference(it))).collect())
    }

    fn include_deprecated(&self, field: &Field) -> bool {
        match argument(field, "includeDeprecated") {
            Some(Value::Boolean(it, _)) => *it,
            Some(Value::Variable(it)) => self.variables.is_true(it.name.as_str()),
            _ => false,
        }
    }

    fn text_argument(&self, field: &Field, name: &str) -> Option<String> {
        match argument(field, name)? {
            Value::String(it) => Some(it.value.to_string()),
            Value::Variable(it) => serde_json::from_slice(self.variables.get(it.name.as_str())?).ok(),
            _ => None,
        }
    }
}

fn argument<'f>(field: &'f Field, name: &str) -> Option<&'f Value> {
    field.arguments.iter().find(|it| it.name.as_str() == name).map(|it| &it.value)
}

fn introspection_type(node: Node<'_>) -> &'static str {
    match node {
        Node::Root => "Query",
        Node::Schema => "__Schema",
        Node::Type(_) => "__Type",
        Node::Field(_) => "__Field",
        Node::Input(_) => "__InputValue",
        Node::EnumValue(_) => "__EnumValue",
        Node::Directive(_) => "__Directive",
    }
}

fn kind(definition: &TypeDefinition) -> &'static str {
    match definition.kind {
        TypeKind::Scalar { .. } => "SCALAR",
        TypeKind::Object { .. } => "OBJECT",
        TypeKind::Interface { .. } => "INTERFACE",
        TypeKind::Union { .. } => "UNION",
        TypeKind::Enum { .. } => "ENUM",
        TypeKind::InputObject { .. } => "INPUT_OBJECT",
    }
}

fn of_input<'a>(it: &'a InputValueDefinition, name: &str) -> Answer<'a> {
    match name {
        "name" => Answer::Text(it.name.to_string()),
        "description" => Answer::text(it.description.as_deref()),
        "type" => Answer::Object(Node::Type(&it.ty)),
        "defaultValue" => Answer::text(it.default_value.as_ref().map(print_value).as_deref()),
        other => deprecation(it.deprecation_reason.as_deref(), other),
    }
}

fn of_enum_value<'a>(it: &EnumValueDefinition, name: &str) -> Answer<'a> {
    match name {
        "name" => Answer::Text(it.name.to_string()),
        "description" => Answer::text(it.description.as_deref()),
        other => deprecation(it.deprecation_reason.as_deref(), other),
    }
}

fn inputs(inputs: &[InputValueDefinition], deprecated: bool) -> Answer<'_> {
    let wanted = inputs.iter().filter(|it| deprecated || it.deprecation_reason.is_none());
    Answer::List(wanted.map(Node::Input).collect())
}

fn deprecation<'a>(reason: Option<&str>, name: &str) -> Answer<'a> {
    match name {
        "isDeprecated" => Answer::Boolean(reason.is_some()),
        "deprecationReason" => Answer::text(reason),
        _ => Answer::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::public_schema::public_schema;
    use federation_composition::graphql_core::parse;
    use std::sync::Arc;

    /// Validation bounds how often questions go round; this is what holds should it miss one.
    #[test]
    fn an_answer_that_goes_round_in_circles_ends() {
        let sdl = "interface I { id: ID } type Query implements I { id: ID } type A implements I { id: ID }";
        let schema = public_schema(&parse(sdl).expect("SDL")).expect("a schema");
        let below =
            |name: &str, inner: Field| Field { selections: vec![Selection::Field(inner)], ..plain(name) };
        let around =
            (0..30).fold(plain("name"), |inner, _| below("possibleTypes", below("interfaces", inner)));
        let root = below("__schema", below("types", around));
        let refused = answer(&schema, &[&root], &Variables::new()).expect_err("large");
        assert_eq!(refused.code, Some(LIMIT_EXCEEDED));
    }

    fn plain(name: &str) -> Field {
        let name: Arc<str> = name.into();
        Field {
            response_key: name.clone(),
            key: name.clone(),
            name,
            arguments: Vec::new(),
            selections: Vec::new(),
            is_composite: false,
            unreachable: false,
        }
    }
}
