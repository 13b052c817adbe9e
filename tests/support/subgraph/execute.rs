//! Executes GraphQL documents against resolvers, by the specification: merged selections, aliases,
//! fragments, variables, `@skip` and `@include`, null propagation, errors with paths, `_entities`.

use super::schema::{FieldDefinition, Schema, TypeRef, json_value};
use graphql_parser::{
    query::{
        Definition, Directive, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
        TypeCondition, VariableDefinition, parse_query,
    },
    schema::Type,
};
use serde_json::{Map, Value, json};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// What a field is asked with.
pub struct Call<'a> {
    /// The object the field belongs to; `null` for root fields.
    pub parent: &'a Value,
    pub arguments: &'a Map<String, Value>,
}

/// The value of a field (objects carry `__typename` where the type is abstract), or an error's message.
pub type Resolved = Result<Value, String>;

/// Resolves the fields that have no resolver of their own, and all entities: for graphs whose data are
/// described as a whole.
pub trait Data: Send + Sync {
    fn field(&self, type_name: &str, field: &str, call: &Call<'_>) -> Resolved;
    fn entity(&self, representation: &Map<String, Value>) -> Resolved;
}

type Resolver = Box<dyn Fn(&Call<'_>) -> Resolved + Send + Sync>;
type EntityResolver = Box<dyn Fn(&Map<String, Value>) -> Resolved + Send + Sync>;

/// A schema with its resolvers. A field without one is asked of the data, or else read from its parent by
/// name.
pub struct Graph {
    schema: Schema,
    data: Option<Box<dyn Data>>,
    fields: HashMap<(&'static str, &'static str), Resolver>,
    entities: HashMap<&'static str, EntityResolver>,
    entity_errors: Mutex<Vec<(Value, String)>>,
}

impl Graph {
    pub fn new(sdl: &str) -> Self {
        Self::of(Schema::parse(sdl), None)
    }

    /// A graph all of whose values come from `data`.
    pub fn over(schema: Schema, data: impl Data + 'static) -> Self {
        Self::of(schema, Some(Box::new(data)))
    }

    fn of(schema: Schema, data: Option<Box<dyn Data>>) -> Self {
        Self {
            schema,
            data,
            fields: HashMap::new(),
            entities: HashMap::new(),
            entity_errors: Mutex::default(),
        }
    }

    #[must_use]
    pub fn field(
        mut self,
        type_name: &'static str,
        field: &'static str,
        resolver: impl Fn(&Call<'_>) -> Resolved + Send + Sync + 'static,
    ) -> Self {
        assert!(self.schema.field(type_name, field).is_some(), "{type_name}.{field} is not in the schema");
        self.fields.insert((type_name, field), Box::new(resolver));
        self
    }

    /// How a representation becomes the object whose fields are asked for.
    #[must_use]
    pub fn entity(
        mut self,
        type_name: &'static str,
        resolver: impl Fn(&Map<String, Value>) -> Resolved + Send + Sync + 'static,
    ) -> Self {
        self.entities.insert(type_name, Box::new(resolver));
        self
    }

    /// From now on, entities whose representation has all members of `like` answer with an error.
    pub fn fail_entities(&self, like: Value, message: &str) {
        self.entity_errors().push((like, message.to_owned()));
    }

    /// Takes all of [`Graph::fail_entities`] back.
    pub fn heal_entities(&self) {
        self.entity_errors().clear();
    }

    /// Answers one request body (`query`, `variables`, `operationName`) with a response body.
    pub fn answer(&self, request: &Value) -> Value {
        match self.try_answer(request) {
            Ok(response) => response,
            Err(message) => json!({ "errors": [{ "message": message }] }),
        }
    }

    fn try_answer(&self, request: &Value) -> Resolved {
        let text = request["query"].as_str().ok_or("No query in the request.")?;
        let document = parse_query::<String>(text).map_err(|it| it.to_string())?.into_static();
        let (mut fragments, mut operations) = (HashMap::new(), Vec::new());
        for definition in &document.definitions {
            match definition {
                Definition::Fragment(it) => drop(fragments.insert(it.name.as_str(), it)),
                Definition::Operation(it) => operations.push(Operation::of(it)?),
            }
        }
        let operation = chosen(&operations, request["operationName"].as_str())?;
        let variables = self.variables(operation.variables, &request["variables"])?;
        let mut execution = Execution { graph: self, fragments, variables, errors: Vec::new() };
        execution.validate(operation.root, operation.selections, 0)?;
        let data = execution
            .object(operation.root, &Value::Null, &[operation.selections], &mut Vec::new())
            .unwrap_or(Value::Null);
        let mut response = json!({ "data": data });
        if !execution.errors.is_empty() {
            response["errors"] = Value::Array(execution.errors);
        }
        Ok(response)
    }

    fn variables(
        &self,
        known: &[VariableDefinition<'static, String>],
        given: &Value,
    ) -> Result<Map<String, Value>, String> {
        let mut variables = Map::new();
        for it in known {
            let default = || it.default_value.as_ref().and_then(|value| json_value(value, &Map::new()));
            match given.get(&it.name).cloned().or_else(default) {
                Some(value) => {
                    let value = self.schema.coerce(value, &it.var_type);
                    variables.insert(
                        it.name.clone(),
                        value.map_err(|why| format!("Variable \"${}\": {why}", it.name))?,
                    );
                }
                None if matches!(it.var_type, Type::NonNullType(_)) => {
                    return Err(format!("Variable \"${}\" is required.", it.name));
                }
                None => {}
            }
        }
        Ok(variables)
    }

    fn resolve(&self, type_name: &str, field: &str, call: &Call<'_>) -> Resolved {
        match self.fields.iter().find(|((owner, name), _)| *owner == type_name && *name == field) {
            Some((_, resolver)) => resolver(call),
            None if field == "_service" => Ok(json!({ "sdl": self.schema.sdl() })),
            None => match &self.data {
                Some(data) => data.field(type_name, field, call),
                None => Ok(call.parent.get(field).cloned().unwrap_or(Value::Null)),
            },
        }
    }

    fn resolve_entity(&self, representation: &Value) -> Resolved {
        if let Some((_, message)) =
            self.entity_errors().iter().find(|(like, _)| has_all(representation, like))
        {
            return Err(message.clone());
        }
        let members = representation.as_object().ok_or("A representation must be an object.")?;
        if let Some(data) = &self.data {
            return data.entity(members);
        }
        let type_name = members.get("__typename").and_then(Value::as_str).ok_or("No __typename.")?;
        let resolver = self.entities.get(type_name).ok_or(format!("\"{type_name}\" is no entity here."))?;
        let mut entity = resolver(members)?;
        if let Value::Object(entity) = &mut entity {
            entity.insert("__typename".to_owned(), json!(type_name));
        }
        Ok(entity)
    }

    fn entity_errors(&self) -> std::sync::MutexGuard<'_, Vec<(Value, String)>> {
        self.entity_errors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_all(representation: &Value, like: &Value) -> bool {
    like.as_object().is_some_and(|it| it.iter().all(|(name, value)| representation.get(name) == Some(value)))
}

struct Operation<'a> {
    name: Option<&'a str>,
    root: &'static str,
    variables: &'a [VariableDefinition<'static, String>],
    selections: &'a SelectionSet<'static, String>,
}

impl<'a> Operation<'a> {
    fn of(definition: &'a OperationDefinition<'static, String>) -> Result<Self, String> {
        Ok(match definition {
            OperationDefinition::SelectionSet(it) => {
                Self { name: None, root: "Query", variables: &[], selections: it }
            }
            OperationDefinition::Query(it) => Self {
                name: it.name.as_deref(),
                root: "Query",
                variables: &it.variable_definitions,
                selections: &it.selection_set,
            },
            OperationDefinition::Mutation(it) => Self {
                name: it.name.as_deref(),
                root: "Mutation",
                variables: &it.variable_definitions,
                selections: &it.selection_set,
            },
            OperationDefinition::Subscription(_) => {
                return Err("Subscriptions are not served here.".to_owned());
            }
        })
    }
}

fn chosen<'a, 'b>(operations: &'b [Operation<'a>], name: Option<&str>) -> Result<&'b Operation<'a>, String> {
    match (operations, name) {
        ([only], None) => Ok(only),
        (_, None) => Err("Must provide an operation name.".to_owned()),
        (_, Some(name)) => {
            operations.iter().find(|it| it.name == Some(name)).ok_or(format!("Unknown operation \"{name}\"."))
        }
    }
}

/// A null that the field's own type cannot hold: it belongs to the parent.
struct Nulled;

const SELECTION_DEPTH_MAX: usize = 100;

struct Execution<'a> {
    graph: &'a Graph,
    fragments: HashMap<&'a str, &'a FragmentDefinition<'static, String>>,
    variables: Map<String, Value>,
    errors: Vec<Value>,
}

type Fields<'a> = Vec<(&'a str, Vec<&'a Field<'static, String>>)>;

impl<'a> Execution<'a> {
    /// Every selected field exists and gets arguments it knows: a caller's mistake fails the request.
    fn validate(
        &self,
        type_name: &str,
        set: &SelectionSet<'static, String>,
        depth: usize,
    ) -> Result<(), String> {
        if depth > SELECTION_DEPTH_MAX {
            return Err("The selection is nested too deeply.".to_owned());
        }
        for selection in &set.items {
            match selection {
                Selection::Field(field) => self.validate_field(type_name, field, depth)?,
                Selection::InlineFragment(it) => {
                    let on = it.type_condition.as_ref().map_or(type_name, condition);
                    self.validate(on, &it.selection_set, depth + 1)?;
                }
                Selection::FragmentSpread(it) => {
                    let fragment = self.fragments.get(it.fragment_name.as_str());
                    let fragment = fragment.ok_or(format!("Unknown fragment \"{}\".", it.fragment_name))?;
                    self.validate(condition(&fragment.type_condition), &fragment.selection_set, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn validate_field(
        &self,
        type_name: &str,
        field: &Field<'static, String>,
        depth: usize,
    ) -> Result<(), String> {
        if field.name == "__typename" {
            return Ok(());
        }
        let definition = self.graph.schema.field(type_name, &field.name);
        let definition =
            definition.ok_or(format!("Cannot query field \"{}\" on type \"{type_name}\".", field.name))?;
        self.arguments(definition, field)?;
        let name = named(&definition.ty);
        match (self.graph.schema.is_composite(name), field.selection_set.items.is_empty()) {
            (true, true) => Err(format!("Field \"{}\" needs a selection of subfields.", field.name)),
            (false, false) => Err(format!("Field \"{}\" has no subfields.", field.name)),
            _ => self.validate(name, &field.selection_set, depth + 1),
        }
    }

    fn object(
        &mut self,
        type_name: &str,
        parent: &Value,
        sets: &[&'a SelectionSet<'static, String>],
        path: &mut Vec<Value>,
    ) -> Result<Value, Nulled> {
        let mut fields = Fields::new();
        for set in sets {
            self.collect(type_name, set, &mut fields);
        }
        let mut object = Map::new();
        for (key, nodes) in fields {
            path.push(json!(key));
            let value = self.field(type_name, parent, &nodes, path);
            path.pop();
            object.insert(key.to_owned(), value?);
        }
        Ok(Value::Object(object))
    }

    fn collect(&self, type_name: &str, set: &'a SelectionSet<'static, String>, fields: &mut Fields<'a>) {
        for selection in &set.items {
            match selection {
                Selection::Field(field) if self.included(&field.directives) => {
                    let key = field.alias.as_deref().unwrap_or(&field.name);
                    match fields.iter_mut().find(|(it, _)| *it == key) {
                        Some((_, nodes)) => nodes.push(field),
                        None => fields.push((key, vec![field])),
                    }
                }
                Selection::InlineFragment(it) if self.included(&it.directives) => {
                    let on = it.type_condition.as_ref().map_or(type_name, condition);
                    if self.graph.schema.is_a(type_name, on) {
                        self.collect(type_name, &it.selection_set, fields);
                    }
                }
                Selection::FragmentSpread(it) if self.included(&it.directives) => {
                    let fragment = self.fragments[it.fragment_name.as_str()];
                    if self.graph.schema.is_a(type_name, condition(&fragment.type_condition)) {
                        self.collect(type_name, &fragment.selection_set, fields);
                    }
                }
                _ => {}
            }
        }
    }

    fn included(&self, directives: &[Directive<'static, String>]) -> bool {
        directives.iter().all(|directive| {
            let given = directive.arguments.iter().find(|(name, _)| name == "if");
            let given = given.and_then(|(_, value)| json_value(value, &self.variables)?.as_bool());
            match directive.name.as_str() {
                "skip" => given != Some(true),
                "include" => given != Some(false),
                _ => true,
            }
        })
    }

    fn field(
        &mut self,
        type_name: &str,
        parent: &Value,
        nodes: &[&'a Field<'static, String>],
        path: &mut Vec<Value>,
    ) -> Result<Value, Nulled> {
        let (graph, node) = (self.graph, nodes[0]);
        if node.name == "__typename" {
            return Ok(json!(type_name));
        }
        let definition = graph.schema.field(type_name, &node.name).expect("validated");
        let resolved = self.arguments(definition, node).and_then(|arguments| match node.name.as_str() {
            "_entities" => Ok(self.entities(&arguments["representations"], path)),
            name => graph.resolve(type_name, name, &Call { parent, arguments: &arguments }),
        });
        let value = resolved.unwrap_or_else(|message| {
            self.report(&message, path);
            Value::Null
        });
        self.complete(&definition.ty, value, nodes, path)
    }

    fn entities(&mut self, representations: &Value, path: &mut Vec<Value>) -> Value {
        let mut entities = Vec::new();
        for (index, representation) in representations.as_array().into_iter().flatten().enumerate() {
            path.push(json!(index));
            entities.push(self.graph.resolve_entity(representation).unwrap_or_else(|message| {
                self.report(&message, path);
                Value::Null
            }));
            path.pop();
        }
        Value::Array(entities)
    }

    fn complete(
        &mut self,
        ty: &TypeRef,
        value: Value,
        nodes: &[&'a Field<'static, String>],
        path: &mut Vec<Value>,
    ) -> Result<Value, Nulled> {
        match ty {
            Type::NonNullType(inner) => match self.complete(inner, value, nodes, path)? {
                Value::Null => Err(self.nulled(nodes[0], path)),
                value => Ok(value),
            },
            _ if value.is_null() => Ok(Value::Null),
            Type::ListType(inner) => Ok(self.list(inner, value, nodes, path).unwrap_or(Value::Null)),
            Type::NamedType(name) if self.graph.schema.is_composite(name) => {
                let own = value.get("__typename").and_then(Value::as_str).unwrap_or(name).to_owned();
                let sets: Vec<_> = nodes.iter().map(|it| &it.selection_set).collect();
                Ok(self.object(&own, &value, &sets, path).unwrap_or(Value::Null))
            }
            Type::NamedType(_) => Ok(value),
        }
    }

    fn list(
        &mut self,
        inner: &TypeRef,
        value: Value,
        nodes: &[&'a Field<'static, String>],
        path: &mut Vec<Value>,
    ) -> Result<Value, Nulled> {
        let Value::Array(items) = value else {
            self.report("A list was expected.", path);
            return Ok(Value::Null);
        };
        let mut completed = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            path.push(json!(index));
            let item = self.complete(inner, item, nodes, path);
            path.pop();
            completed.push(item?);
        }
        Ok(Value::Array(completed))
    }

    /// Reports a null that must not be, unless the error behind it was reported already.
    fn nulled(&mut self, node: &Field<'static, String>, path: &[Value]) -> Nulled {
        let known = |it: &Value| it["path"].as_array().is_some_and(|it| it.starts_with(path));
        if !self.errors.iter().any(known) {
            self.report(&format!("Cannot return null for non-nullable field \"{}\".", node.name), path);
        }
        Nulled
    }

    fn report(&mut self, message: &str, path: &[Value]) {
        self.errors.push(json!({ "message": message, "path": path }));
    }

    fn arguments(
        &self,
        definition: &FieldDefinition,
        node: &Field<'static, String>,
    ) -> Result<Map<String, Value>, String> {
        let given = node
            .arguments
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), json_value(value, &self.variables)?)))
            .collect();
        self.graph.schema.arguments(&definition.arguments, given)
    }
}

fn condition<'a>(condition: &'a TypeCondition<'static, String>) -> &'a str {
    let TypeCondition::On(name) = condition;
    name
}

fn named(ty: &TypeRef) -> &str {
    match ty {
        Type::NamedType(name) => name,
        Type::ListType(inner) | Type::NonNullType(inner) => named(inner),
    }
}
