//! What the executor asks of a subgraph's schema: fields, arguments, possible types, input coercion.

use graphql_parser::{
    query,
    schema::{
        Definition, Directive, Document, Field, InputValue, Type, TypeDefinition, TypeExtension, parse_schema,
    },
};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet, hash_map::Entry};

pub type TypeRef = Type<'static, String>;

/// A schema as the subgraph serves it, the SDL plus `_service` and `_entities`; or that of several
/// subgraphs together.
#[derive(Default)]
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
    pub name: String,
    pub ty: TypeRef,
    default: Option<Value>,
}

impl Schema {
    /// # Panics
    /// If the SDL does not parse: it is a fixture of ours.
    pub fn parse(sdl: &str) -> Self {
        let mut schema = Self { sdl: sdl.to_owned(), ..Self::default() };
        schema.members.insert("_Entity".to_owned(), Vec::new());
        let types = types(document(&format!("{sdl}\n{FEDERATION}")));
        schema.read_members(&types);
        types.into_iter().for_each(|it| schema.read(it));
        schema.add_federation_fields();
        schema
    }

    /// The schema that clients of all these subgraphs see, for those who know what is inaccessible: types
    /// with the fields of all, nullable where one of them says so; of arguments and inputs what all have.
    ///
    /// # Panics
    /// If an SDL does not parse.
    pub fn merged<'a>(sdls: impl IntoIterator<Item = &'a str>) -> Self {
        let all: Vec<TypeNode> = sdls.into_iter().flat_map(|it| types(document(it))).collect();
        let mut schema = Self::default();
        schema.read_members(&all);
        let (of_interfaces, others) = all.into_iter().partition::<Vec<_>, _>(TypeNode::is_interface_object);
        others.into_iter().for_each(|it| schema.read(it));
        for it in of_interfaces {
            let TypeNode { name, fields, .. } = it;
            for owner in schema.members.get(&name).cloned().unwrap_or_default().into_iter().chain([name]) {
                schema.add_fields(owner, fields.clone());
            }
        }
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

    /// The fields of a type, by name.
    pub fn fields_of(&self, type_name: &str) -> Vec<(&str, &FieldDefinition)> {
        let fields = self.fields.get(type_name).into_iter().flatten();
        let mut fields: Vec<_> = fields.map(|(name, it)| (name.as_str(), it)).collect();
        fields.sort_unstable_by_key(|(name, _)| *name);
        fields
    }

    /// The types that belong to this one, and those that it belongs to, by name.
    pub fn related(&self, type_name: &str) -> Vec<&str> {
        let below = self.members.get(type_name).into_iter().flatten().map(String::as_str);
        let has = |members: &[String]| members.iter().any(|it| it == type_name);
        let above = self.members.iter().filter(|(name, members)| *name != "_Entity" && has(members));
        let mut related: Vec<&str> = below.chain(above.map(|(name, _)| name.as_str())).collect();
        related.sort_unstable();
        related
    }

    /// The fields of an input type.
    pub fn input(&self, name: &str) -> Option<&[Argument]> {
        self.inputs.get(name).map(Vec::as_slice)
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

    /// Who belongs to which union and interface; to be known before fields are merged.
    fn read_members(&mut self, types: &[TypeNode]) {
        for it in types.iter().filter(|it| !it.is_interface_object()) {
            let unions = it.members.iter().map(|member| (it.name.clone(), member.clone()));
            let interfaces = it.implements.iter().filter(|_| it.is_object);
            let interfaces = interfaces.map(|interface| (interface.clone(), it.name.clone()));
            let entity = (it.is_object && it.has("key")).then(|| ("_Entity".to_owned(), it.name.clone()));
            for (group, member) in unions.chain(interfaces).chain(entity) {
                let members = self.members.entry(group).or_default();
                if !members.contains(&member) {
                    members.push(member);
                }
            }
        }
    }

    fn read(&mut self, node: TypeNode) {
        if node.is_input {
            let fields = arguments(node.inputs);
            match self.inputs.entry(node.name) {
                Entry::Vacant(it) => drop(it.insert(fields)),
                Entry::Occupied(mut it) => intersect(it.get_mut(), fields),
            }
        } else if node.is_composite {
            self.add_fields(node.name, node.fields);
        }
    }

    fn add_fields(&mut self, owner: String, added: Vec<Field<'static, String>>) {
        let known = self.fields.entry(owner).or_default();
        for it in added {
            let field = FieldDefinition { ty: it.field_type, arguments: arguments(it.arguments) };
            match known.entry(it.name) {
                Entry::Vacant(it) => drop(it.insert(field)),
                Entry::Occupied(mut it) => {
                    let known = it.get_mut();
                    known.ty = wider(&known.ty, &field.ty, &self.members);
                    intersect(&mut known.arguments, field.arguments);
                }
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

/// Reads an SDL without the schema extension that links federation: that is for composers, and this
/// parser does not know the form.
///
/// # Panics
/// If the SDL does not parse.
pub fn document(sdl: &str) -> Document<'static, String> {
    let types = match sdl.strip_prefix("extend schema") {
        Some(rest) => rest.split_once("\n\n").map_or("", |(_, types)| types),
        None => sdl,
    };
    parse_schema::<String>(types).unwrap_or_else(|error| panic!("{error}:\n{sdl}")).into_static()
}

/// A definition or an extension of a type, whichever kind.
#[derive(Default)]
pub struct TypeNode {
    pub name: String,
    pub is_extension: bool,
    pub is_object: bool,
    is_composite: bool,
    is_input: bool,
    pub directives: Vec<Directive<'static, String>>,
    pub fields: Vec<Field<'static, String>>,
    inputs: Vec<InputValue<'static, String>>,
    implements: Vec<String>,
    members: Vec<String>,
}

impl TypeNode {
    pub fn has(&self, directive: &str) -> bool {
        self.directives.iter().any(|it| it.name == directive)
    }

    pub fn is_interface_object(&self) -> bool {
        self.has("interfaceObject")
    }
}

/// The types of a document. Root types have the names that supergraphs give them.
pub fn types(document: Document<'static, String>) -> Vec<TypeNode> {
    let (mut types, mut roots) = (Vec::new(), Vec::new());
    for definition in document.definitions {
        match definition {
            Definition::TypeDefinition(it) => types.push(defined(it)),
            Definition::TypeExtension(it) => types.push(extended(it)),
            Definition::SchemaDefinition(it) => roots.extend(
                [(it.query, "Query"), (it.mutation, "Mutation")].map(|(own, name)| (own, name.to_owned())),
            ),
            Definition::DirectiveDefinition(_) => {}
        }
    }
    for it in &mut types {
        if let Some((_, name)) = roots.iter().find(|(own, _)| own.as_ref() == Some(&it.name)) {
            it.name.clone_from(name);
        }
    }
    types
}

fn defined(definition: TypeDefinition<'static, String>) -> TypeNode {
    let node = TypeNode::default();
    match definition {
        TypeDefinition::Object(it) => TypeNode {
            name: it.name,
            is_object: true,
            is_composite: true,
            directives: it.directives,
            fields: it.fields,
            implements: it.implements_interfaces,
            ..node
        },
        TypeDefinition::Interface(it) => TypeNode {
            name: it.name,
            is_composite: true,
            directives: it.directives,
            fields: it.fields,
            implements: it.implements_interfaces,
            ..node
        },
        TypeDefinition::Union(it) => TypeNode { name: it.name, members: it.types, ..node },
        TypeDefinition::InputObject(it) => {
            TypeNode { name: it.name, is_input: true, inputs: it.fields, ..node }
        }
        TypeDefinition::Scalar(it) => TypeNode { name: it.name, ..node },
        TypeDefinition::Enum(it) => TypeNode { name: it.name, ..node },
    }
}

fn extended(extension: TypeExtension<'static, String>) -> TypeNode {
    let node = TypeNode { is_extension: true, ..TypeNode::default() };
    match extension {
        TypeExtension::Object(it) => TypeNode {
            name: it.name,
            is_object: true,
            is_composite: true,
            directives: it.directives,
            fields: it.fields,
            implements: it.implements_interfaces,
            ..node
        },
        TypeExtension::Interface(it) => TypeNode {
            name: it.name,
            is_composite: true,
            directives: it.directives,
            fields: it.fields,
            implements: it.implements_interfaces,
            ..node
        },
        TypeExtension::Union(it) => TypeNode { name: it.name, members: it.types, ..node },
        TypeExtension::InputObject(it) => {
            TypeNode { name: it.name, is_input: true, inputs: it.fields, ..node }
        }
        TypeExtension::Scalar(it) => TypeNode { name: it.name, ..node },
        TypeExtension::Enum(it) => TypeNode { name: it.name, ..node },
    }
}

/// The type of a field that two subgraphs have: nullable if one of them is, the abstract one of two names.
fn wider(a: &TypeRef, b: &TypeRef, members: &HashMap<String, Vec<String>>) -> TypeRef {
    match (a, b) {
        (Type::NonNullType(a), Type::NonNullType(b)) => Type::NonNullType(Box::new(wider(a, b, members))),
        (Type::NonNullType(a), b) | (b, Type::NonNullType(a)) => wider(a, b, members),
        (Type::ListType(a), Type::ListType(b)) => Type::ListType(Box::new(wider(a, b, members))),
        (Type::NamedType(a), Type::NamedType(b)) if members.contains_key(b) && a != b => {
            Type::NamedType(b.clone())
        }
        _ => a.clone(),
    }
}

/// Leaves of arguments (or input fields) those that both sides have, required if one side says so.
fn intersect(known: &mut Vec<Argument>, others: Vec<Argument>) {
    let names: HashSet<&str> = others.iter().map(|it| it.name.as_str()).collect();
    known.retain(|it| names.contains(it.name.as_str()));
    for it in others {
        let Some(own) = known.iter_mut().find(|own| own.name == it.name) else { continue };
        own.default = own.default.take().or(it.default);
        if matches!(it.ty, Type::NonNullType(_)) {
            own.ty = it.ty;
        }
    }
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
