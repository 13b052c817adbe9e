//! The canned data of a suite, `data.json`: one world, of which every subgraph tells its part.
//!
//! ```json
//! { "objects": { "ada": { "__typename": "User", "id": "1", "team": "@red" }, … },
//!   "Query": { "me": "@ada" },
//!   "Mutation": { … },
//!   "differences": { "billing": { "ada": { "name": "what billing says" }, "bob": null } } }
//! ```
//!
//! `@name` stands for an object. A subgraph's differences hold for that subgraph alone: another value, or no
//! such object. Values that depend on something are objects with one `$` member:
//!
//! | value | gives |
//! |---|---|
//! | `{"$text": "…"}` | a text, in which `{$name}` is an argument and `{field}` or `{owner { name }}` are fields of the same object |
//! | `{"$find": {"User": {"id": "$id"}}}` | the first object of that type with these members; `$id` is an argument; what is null or absent does not count |
//! | `{"$all": {"User": {…}}}` | all of them |
//! | `{"$argument": "name"}` | an argument as it came |
//! | `{"$new": {…}}` | an object of values; a member `$is` names the object that has the others |
//! | `{"$count": "name"}` | the next number of a counter that all subgraphs share |
//! | `{"$peek": "name"}` | its latest number |
//! | `{"$error": "message"}` | that error |

use super::field_set::{self, Member};
use crate::support::subgraph::{Call, Resolved, schema::Schema};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// How fields of an object are read, for values that depend on them.
pub type Read<'a> = &'a dyn Fn(&str, &str, &Call<'_>) -> Resolved;

/// The data as one subgraph tells them, or as they are. Cheap to clone.
#[derive(Clone)]
pub struct World {
    data: Arc<Value>,
    types: Arc<Schema>,
    teller: Option<String>,
    counters: Arc<Mutex<HashMap<String, i64>>>,
}

impl World {
    pub fn new(data: Value, types: Arc<Schema>) -> Self {
        Self { data: data.into(), types, teller: None, counters: Arc::default() }
    }

    /// The world as a subgraph tells it. The counters stay shared.
    pub fn told_by(&self, subgraph: &str) -> Self {
        Self { teller: Some(subgraph.to_owned()), ..self.clone() }
    }

    /// Counters begin anew.
    pub fn reset(&self) {
        self.counters().clear();
    }

    /// Whether an object type is, or belongs to, a type of this name, in whichever subgraph.
    pub fn is_a(&self, object_type: &str, name: &str) -> bool {
        self.types.is_a(object_type, name)
    }

    /// The value of a field as `data.json` has it: of a root type, of an object, or within a value.
    pub fn raw(&self, type_name: &str, field: &str, parent: &Value) -> Value {
        let of_object = || self.member(parent.get("$is")?.as_str()?, field);
        let found =
            if parent.is_null() { self.root(type_name, field) } else { parent.get(field).or_else(of_object) };
        found.cloned().unwrap_or_default()
    }

    /// All objects that this subgraph has, as values.
    pub fn objects(&self) -> impl Iterator<Item = Value> {
        let names = self.data["objects"].as_object().into_iter().flat_map(|it| it.keys());
        names.filter(|it| !self.difference(it).is_some_and(Value::is_null)).map(|it| self.object(it))
    }

    /// All texts among the members of objects, sorted.
    pub fn texts(&self) -> Vec<String> {
        let objects = self.data["objects"].as_object().into_iter().flat_map(|it| it.values());
        let members = objects.filter_map(Value::as_object).flat_map(|it| it.values());
        let texts = members.filter_map(Value::as_str).filter(|it| !it.starts_with('@'));
        let texts: BTreeSet<String> = texts.map(str::to_owned).collect();
        texts.into_iter().collect()
    }

    fn object(&self, name: &str) -> Value {
        let type_name =
            self.member(name, "__typename").unwrap_or_else(|| panic!("there is no object {name}"));
        json!({ "__typename": type_name, "$is": name })
    }

    fn difference(&self, object: &str) -> Option<&Value> {
        self.data["differences"].get(self.teller.as_deref()?)?.get(object)
    }

    fn member(&self, object: &str, field: &str) -> Option<&Value> {
        let difference = self.difference(object).and_then(|it| it.get(field));
        difference.or_else(|| self.data["objects"].get(object)?.get(field))
    }

    fn root(&self, type_name: &str, field: &str) -> Option<&Value> {
        let difference = self.difference(type_name).and_then(|it| it.get(field));
        difference.or_else(|| self.data.get(type_name)?.get(field))
    }

    /// What a value of `data.json` comes to in a field of an object of type `type_name`.
    pub fn evaluate(&self, raw: &Value, type_name: &str, call: &Call<'_>, read: Read<'_>) -> Resolved {
        match raw {
            Value::String(text) => {
                Ok(text.strip_prefix('@').map_or_else(|| raw.clone(), |it| self.object(it)))
            }
            Value::Array(items) => items.iter().map(|it| self.evaluate(it, type_name, call, read)).collect(),
            Value::Object(members) => match members.iter().next() {
                Some((name, what)) if name.starts_with('$') && name != "$is" => {
                    self.depending(name, what, type_name, call, read)
                }
                _ => Ok(raw.clone()),
            },
            _ => Ok(raw.clone()),
        }
    }

    fn depending(
        &self,
        name: &str,
        what: &Value,
        type_name: &str,
        call: &Call<'_>,
        read: Read<'_>,
    ) -> Resolved {
        let text = || what.as_str().unwrap_or_else(|| panic!("{name} needs a text, not {what}"));
        match name {
            "$text" => self.text(text(), type_name, call, read).map(Value::String),
            "$find" => Ok(self.matching(what, call).next().unwrap_or_default()),
            "$all" => Ok(self.matching(what, call).collect()),
            "$argument" => Ok(call.arguments.get(text()).cloned().unwrap_or_default()),
            "$new" => self.new_object(what, type_name, call, read),
            "$count" => {
                let mut counters = self.counters();
                let number = counters.entry(text().to_owned()).or_default();
                *number += 1;
                Ok(json!(*number))
            }
            "$peek" => Ok(json!(self.counters().get(text()).copied().unwrap_or_default())),
            "$error" => Err(text().to_owned()),
            _ => panic!("{name} is no value of data.json"),
        }
    }

    fn new_object(&self, members: &Value, type_name: &str, call: &Call<'_>, read: Read<'_>) -> Resolved {
        let members = members.as_object().expect("$new has members").iter();
        let values = members.map(|(name, it)| Ok((name.clone(), self.evaluate(it, type_name, call, read)?)));
        Ok(Value::Object(values.collect::<Result<_, String>>()?))
    }

    fn matching<'a>(&'a self, what: &'a Value, call: &'a Call<'_>) -> impl Iterator<Item = Value> + 'a {
        let (type_name, wanted) = what.as_object().and_then(|it| it.iter().next()).expect("a type's name");
        let wanted = wanted.as_object().expect("members to look for").iter();
        let wanted: Vec<(&String, Value)> =
            wanted.map(|(name, it)| (name, argument_or_constant(it, call))).collect();
        self.objects().filter(move |object| {
            let own = object["__typename"].as_str().unwrap_or_default();
            self.is_a(own, type_name)
                && wanted.iter().all(|(name, wanted)| fits(&self.raw(own, name, object), wanted))
        })
    }

    fn text(
        &self,
        template: &str,
        type_name: &str,
        call: &Call<'_>,
        read: Read<'_>,
    ) -> Result<String, String> {
        let (mut text, mut rest) = (String::new(), template);
        while let Some(start) = rest.find('{') {
            text.push_str(&rest[..start]);
            let end = start + matching_brace(&rest[start..]);
            let value = self.placeholder(&rest[start + 1..end], type_name, call, read)?;
            text.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            rest = &rest[end + 1..];
        }
        Ok(text + rest)
    }

    fn placeholder(&self, inside: &str, type_name: &str, call: &Call<'_>, read: Read<'_>) -> Resolved {
        match inside.strip_prefix('$') {
            Some(argument) => Ok(call.arguments.get(argument).cloned().unwrap_or_else(|| json!("absent"))),
            None => self.select(call.parent, type_name, &field_set::parse(inside), read),
        }
    }

    /// Fields of an object (or of each in a list): the value of the only one, or an object of several.
    fn select(&self, object: &Value, type_name: &str, members: &[Member], read: Read<'_>) -> Resolved {
        if object.is_null() || members.is_empty() {
            return Ok(object.clone());
        }
        if let Value::Array(items) = object {
            return items.iter().map(|it| self.select(it, type_name, members, read)).collect();
        }
        let type_name = object["__typename"].as_str().unwrap_or(type_name);
        let mut selected = Map::new();
        for it in members.iter().filter(|it| it.on.as_ref().is_none_or(|on| self.is_a(type_name, on))) {
            let call = Call { parent: object, arguments: &it.arguments };
            let value = read(type_name, &it.name, &call)?;
            selected.insert(it.name.clone(), self.select(&value, "", &it.of, read)?);
        }
        match members {
            [only] => Ok(selected.remove(&only.name).unwrap_or_default()),
            _ => Ok(Value::Object(selected)),
        }
    }

    fn counters(&self) -> std::sync::MutexGuard<'_, HashMap<String, i64>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn argument_or_constant(value: &Value, call: &Call<'_>) -> Value {
    match value.as_str().and_then(|it| it.strip_prefix('$')) {
        Some(argument) => call.arguments.get(argument).cloned().unwrap_or_default(),
        None => value.clone(),
    }
}

/// Whether a member is what is wanted, or among the values that are.
fn fits(value: &Value, wanted: &Value) -> bool {
    wanted.is_null() || value == wanted || wanted.as_array().is_some_and(|it| it.contains(value))
}

fn matching_brace(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    panic!("{text} has no closing brace")
}
