//! What the executor asks of a subgraph's schema: fields, arguments, possible types, input coercion.

use graphql_parser::{
    query,
    schema::{Definition, Document, InputValue, Type, TypeDefinition, parse_schema},
};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

pub type TypeRef = Type<'static, String>;

/// A schema as the subgraph serves it: the SDL plus `_service` and `_entities`.
pub struct Schema {
    sdl: String,
    fields: HashMap<String, HashMap<String, FieldDefinition>>,
    inputs: HashMap<String, Vec<Argument>>,
    members: HashMap<String, Vec<String>>,
}

pub struct FieldDefinition {
    pub ty: TypeRef,
    pub arguments: Vec<Argument>,
}

pub struct Argument {
    name: String,
    ty: TypeRef,
    default: Option<Value>,
}

impl Schema {
    /// # Panics
    /// If the SDL does not parse: it is a fixture of ours.
    pub fn parse(sdl: &str) -> Self {
        let text = format!("{}\n{FEDERATION}", without_link(sdl));
        let document = parse_schema::<String>(&text).expect("a subgraph's SDL").into_static();
        let mut schema = Self {
            sdl: sdl.to_owned(),
            fields: HashMap::new(),
            inputs: HashMap::new(),
            members: HashMap::new(),
        };
        schema.read(document);
        schema.add_federation_fields();
        schema
    }

    /// The SDL as it was given.
    pub fn sdl(&self) -> &str {
        &self.sdl
    }

    pub fn field(&self, type_name: &str, field: &str) -> Option<&FieldDefinition> {
        self.fields.get(type_name)?.get(field)
    }

    pub fn is_composite(&self, name: &str) -> bool {
        self.fields.contains_key(name) || self.members.contains_key(name)
    }

    /// Whether an object of type `object` is a `condition`.
    pub fn is_a(&self, object: &str, condition: &str) -> bool {
        object == condition
            || self.members.get(condition).is_some_and(|it| it.iter().any(|member| member == object))
    }

    /// Brings a JSON value into the shape of an input type, defaults filled in.
    pub fn coerce(&self, value: Value, ty: &TypeRef) -> Result<Value, String> {
        match (ty, value) {
            (Type::NonNullType(_), Value::Null) => {
                Err(format!("Expected a value of type \"{ty}\", got null."))
            }
            (Type::NonNullType(inner), value) => self.coerce(value, inner),
            (_, Value::Null) => Ok(Value::Null),
            (Type::ListType(inner), Value::Array(items)) => {
                items.into_iter().map(|it| self.coerce(it, inner)).collect::<Result<_, _>>().map(Value::Array)
            }
            (Type::ListType(inner), one) => Ok(Value::Array(vec![self.coerce(one, inner)?])),
            (Type::NamedType(name), Value::Object(object)) if self.inputs.contains_key(name) => {
                self.arguments(&self.inputs[name], object).map(Value::Object)
            }
            (Type::NamedType(name), value) => leaf(name, value),
        }
    }

    /// Coerces the arguments given to a field, or the fields given to an input object.
    pub fn arguments(
        &self,
        known: &[Argument],
        mut given: Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        let mut coerced = Map::new();
        for Argument { name, ty, default } in known {
            match given.shift_remove(name).or_else(|| default.clone()) {
                Some(value) => drop(coerced.insert(name.clone(), self.coerce(value, ty)?)),
                None if matches!(ty, Type::NonNullType(_)) => {
                    return Err(format!("Argument \"{name}\" of type \"{ty}\" is required."));
                }
                None => {}
            }
        }
        match given.keys().next() {
            Some(unknown) => Err(format!("Unknown argument \"{unknown}\".")),
            None => Ok(coerced),
        }
    }

    fn read(&mut self, document: Document<'static, String>) {
        for definition in document.definitions {
            let Definition::TypeDefinition(definition) = definition else { continue };
            match definition {
                TypeDefinition::Object(it) => {
                    if it.directives.iter().any(|it| it.name == "key") {
                        self.members.entry("_Entity".to_owned()).or_default().push(it.name.clone());
                    }
                    for interface in it.implements_interfaces {
                        self.members.entry(interface).or_default().push(it.name.clone());
                    }
                    self.fields.insert(it.name, fields(it.fields));
                }
                TypeDefinition::Interface(it) => drop(self.fields.insert(it.name, fields(it.fields))),
                TypeDefinition::Union(it) => self.members.entry(it.name).or_default().extend(it.types),
                TypeDefinition::InputObject(it) => drop(self.inputs.insert(it.name, arguments(it.fields))),
                TypeDefinition::Scalar(_) | TypeDefinition::Enum(_) => {}
            }
        }
    }

    fn add_federation_fields(&mut self) {
        let added = self.fields.remove("_Federation").expect("FEDERATION declares it");
        self.fields.entry("Query".to_owned()).or_default().extend(added);
    }
}

const FEDERATION: &str = "
    scalar _Any
    type _Service { sdl: String! }
    type _Federation { _service: _Service! _entities(representations: [_Any!]!): [_Entity]! }";

/// The schema extension that links federation is for composers; this parser does not know the form.
fn without_link(sdl: &str) -> &str {
    match sdl.strip_prefix("extend schema") {
        Some(rest) => rest.split_once("\n\n").map_or("", |(_, types)| types),
        None => sdl,
    }
}

fn fields(fields: Vec<graphql_parser::schema::Field<'static, String>>) -> HashMap<String, FieldDefinition> {
    fields
        .into_iter()
        .map(|it| (it.name, FieldDefinition { ty: it.field_type, arguments: arguments(it.arguments) }))
        .collect()
}

fn arguments(values: Vec<InputValue<'static, String>>) -> Vec<Argument> {
    values
        .into_iter()
        .map(|it| Argument {
            name: it.name,
            ty: it.value_type,
            default: it.default_value.and_then(|value| json_value(&value, &Map::new())),
        })
        .collect()
}

fn leaf(name: &str, value: Value) -> Result<Value, String> {
    let fits = match name {
        "Int" => value.as_i64().is_some_and(|it| i32::try_from(it).is_ok()),
        "Float" => value.is_number(),
        "String" => value.is_string(),
        "Boolean" => value.is_boolean(),
        "ID" if value.is_i64() => return Ok(json!(value.to_string())),
        "ID" => value.is_string(),
        _ => true,
    };
    if fits { Ok(value) } else { Err(format!("{name} cannot represent {value}.")) }
}

/// A literal as JSON; `None` for a variable that was not given.
pub fn json_value(value: &query::Value<'static, String>, variables: &Map<String, Value>) -> Option<Value> {
    Some(match value {
        query::Value::Variable(name) => variables.get(name)?.clone(),
        query::Value::Int(number) => json!(number.as_i64()),
        query::Value::Float(number) => json!(number),
        query::Value::String(text) => json!(text),
        query::Value::Boolean(it) => json!(it),
        query::Value::Null => Value::Null,
        query::Value::Enum(name) => json!(name),
        query::Value::List(items) => {
            items.iter().map(|it| json_value(it, variables).unwrap_or(Value::Null)).collect()
        }
        query::Value::Object(fields) => fields
            .iter()
            .filter_map(|(name, it)| Some((name.clone(), json_value(it, variables)?)))
            .collect::<Map<_, _>>()
            .into(),
    })
}
