//! A subgraph that goes strictly by its SDL: it tells its own fields alone, of `@external` ones those that
//! it provides at that place, finds entities by its own keys, and knows of required fields what the
//! representation says.

use super::{
    field_set::{self, Member},
    world::World,
};
use crate::support::subgraph::{
    Call, Data, Resolved,
    schema::{TypeNode, document, json_value, types},
};
use graphql_parser::schema::Directive;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// A subgraph's part of the world.
pub struct Served {
    name: String,
    world: World,
    /// Fields by type.
    fields: HashMap<String, HashSet<String>>,
    /// Keys by which entities are resolved, by type.
    keys: HashMap<String, Vec<Vec<Member>>>,
    external: HashSet<(String, String)>,
    provides: HashMap<(String, String), Value>,
    interface_objects: Vec<String>,
}

impl Served {
    pub fn new(name: &str, sdl: &str, world: &World) -> Self {
        let mut served = Self {
            name: name.to_owned(),
            world: world.told_by(name),
            fields: HashMap::new(),
            keys: HashMap::new(),
            external: HashSet::new(),
            provides: HashMap::new(),
            interface_objects: Vec::new(),
        };
        let links_federation = sdl.contains("specs.apollo.dev/federation/v2");
        for node in types(document(sdl)) {
            served.read(&node, !links_federation || node.is_extension || node.has("extends"));
        }
        served
    }

    /// `keys_stay`: in graphs of Federation 1 and in extensions, `@external` on a key says where the type
    /// comes from, not that the key is unknown.
    fn read(&mut self, node: &TypeNode, keys_stay: bool) {
        let keys: Vec<_> = node.directives.iter().filter(|it| it.name == "key").collect();
        let resolvable = keys.iter().filter(|it| argument(it, "resolvable") != Some(json!(false)));
        let resolvable = resolvable.map(|it| fields_of(it));
        self.keys.entry(node.name.clone()).or_default().extend(resolvable);
        let of_keys: HashSet<String> = keys.iter().flat_map(|it| fields_of(it)).map(|it| it.name).collect();
        for field in &node.fields {
            let at = (node.name.clone(), field.name.clone());
            self.fields.entry(at.0.clone()).or_default().insert(at.1.clone());
            if let Some(provides) = field.directives.iter().find(|it| it.name == "provides") {
                self.provides.insert(at.clone(), field_set::to_json(&fields_of(provides)));
            }
            let external = node.has("external") || field.directives.iter().any(|it| it.name == "external");
            if external && !(keys_stay && of_keys.contains(&field.name)) {
                self.external.insert(at);
            }
        }
        if node.is_interface_object() {
            self.interface_objects.push(node.name.clone());
        }
    }

    /// The fields that this parent's provider promised, below a field of it; `None` where it did not.
    fn provided<'v>(&self, type_name: &str, field: &str, parent: &'v Value) -> Option<&'v Value> {
        parent.get("$provided")?.as_object()?.iter().find_map(|(name, below)| {
            let (on, name) = name.split_once('.').map_or((None, &**name), |(on, name)| (Some(on), name));
            (name == field && on.is_none_or(|on| self.world.is_a(type_name, on))).then_some(below)
        })
    }

    /// A field for a value that depends on it: as the representation has it, where it was sent; what is
    /// external must have been.
    fn required(&self, type_name: &str, field: &str, call: &Call<'_>) -> Resolved {
        let sent = call.parent.get("$sent").and_then(|it| it.get(field));
        match sent {
            Some(sent) => Ok(marked_as_sent(sent)),
            None if self.external.contains(&(type_name.to_owned(), field.to_owned())) => {
                Err(format!("{} needs {type_name}.{field}, which was not sent.", self.name))
            }
            None => self.field(type_name, field, call),
        }
    }

    /// Gives objects the name that their type has here, and what is provided of them.
    fn dress(&self, value: Value, provided: &Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(|it| self.dress(it, provided)).collect(),
            Value::Object(mut object) => {
                if let Some(name) = object.get("__typename").and_then(Value::as_str) {
                    let name = self.name_here(name).to_owned();
                    object.insert("__typename".to_owned(), json!(name));
                }
                if !provided.is_null() {
                    object.insert("$provided".to_owned(), provided.clone());
                }
                Value::Object(object)
            }
            other => other,
        }
    }

    fn name_here<'n>(&'n self, object_type: &'n str) -> &'n str {
        let stands_in = || self.interface_objects.iter().find(|it| self.world.is_a(object_type, it));
        if self.fields.contains_key(object_type) {
            return object_type;
        }
        stands_in().map_or(object_type, |it| it)
    }

    /// Whether an object has what a key's fields in a representation say.
    fn agrees(&self, object: &Value, type_name: &str, key: &[Member], sent: &Value) -> bool {
        key.iter().all(|it| {
            let call = Call { parent: object, arguments: &Map::new() };
            let Ok(own) = self.field(type_name, &it.name, &call) else { return false };
            match (&own, &sent[&it.name]) {
                (Value::Array(own), Value::Array(sent)) => {
                    own.len() == sent.len()
                        && own.iter().zip(sent).all(|(own, sent)| self.agrees_below(own, it, sent))
                }
                (own, sent) => self.agrees_below(own, it, sent),
            }
        })
    }

    fn agrees_below(&self, own: &Value, key: &Member, sent: &Value) -> bool {
        match key.of.as_slice() {
            [] => own == sent,
            below => {
                sent.is_object() && self.agrees(own, own["__typename"].as_str().unwrap_or(""), below, sent)
            }
        }
    }

    fn check_members(&self, type_name: &str, representation: &Map<String, Value>) -> Result<(), String> {
        let known = self.fields.get(type_name).ok_or(format!("{} has no {type_name}.", self.name))?;
        match representation.keys().find(|it| *it != "__typename" && !known.contains(*it)) {
            Some(unknown) => Err(format!("{} has no {type_name}.{unknown}.", self.name)),
            None => Ok(()),
        }
    }
}

impl Data for Served {
    fn field(&self, type_name: &str, field: &str, call: &Call<'_>) -> Resolved {
        let at = (type_name.to_owned(), field.to_owned());
        let provided = self.provided(type_name, field, call.parent);
        if provided.is_none() && self.external.contains(&at) {
            return Err(format!("{type_name}.{field} is external to {}.", self.name));
        }
        let raw = self.world.raw(type_name, field, call.parent);
        let read = |type_name: &str, field: &str, call: &Call<'_>| self.required(type_name, field, call);
        let value = self.world.evaluate(&raw, type_name, call, &read)?;
        Ok(self.dress(value, self.provides.get(&at).or(provided).unwrap_or(&Value::Null)))
    }

    fn entity(&self, representation: &Map<String, Value>) -> Resolved {
        let type_name = representation.get("__typename").and_then(Value::as_str).unwrap_or_default();
        self.check_members(type_name, representation)?;
        let sent = Value::Object(representation.clone());
        let keys = self.keys.get(type_name).into_iter().flatten();
        let keys: Vec<_> = keys.filter(|it| is_there(it, &sent)).collect();
        if keys.is_empty() {
            return Err(format!("{} resolves no {type_name} by {sent}.", self.name));
        }
        let found = self.world.objects().map(|it| self.dress(it, &Value::Null)).find(|object| {
            let own = object["__typename"].as_str().unwrap_or_default();
            (own == type_name || self.world.is_a(own, type_name))
                && keys.iter().all(|it| self.agrees(object, own, it, &sent))
        });
        Ok(found.map_or(Value::Null, |mut it| {
            it["$sent"] = sent;
            it
        }))
    }
}

/// A part of a representation, whose objects say in turn what was sent of them.
fn marked_as_sent(sent: &Value) -> Value {
    match sent {
        Value::Array(items) => items.iter().map(marked_as_sent).collect(),
        Value::Object(members) => {
            let mut object = members.clone();
            object.insert("$sent".to_owned(), sent.clone());
            Value::Object(object)
        }
        leaf => leaf.clone(),
    }
}

/// Whether a representation has all fields of a key.
fn is_there(key: &[Member], sent: &Value) -> bool {
    key.iter().all(|it| match sent.get(&it.name) {
        None => false,
        Some(Value::Array(items)) => items.iter().all(|item| is_there(&it.of, item)),
        Some(value) => it.of.is_empty() || is_there(&it.of, value),
    })
}

fn argument(directive: &Directive<'static, String>, name: &str) -> Option<Value> {
    let (_, value) = directive.arguments.iter().find(|(it, _)| it == name)?;
    json_value(value, &Map::new())
}

fn fields_of(directive: &Directive<'static, String>) -> Vec<Member> {
    match argument(directive, "fields") {
        Some(Value::String(text)) => field_set::parse(&text),
        other => panic!("@{} has fields {other:?}", directive.name),
    }
}
