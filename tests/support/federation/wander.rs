//! Operations at random over a schema: whatever a client might write, valid as far as that can be seen from
//! one selection at a time. Equal seeds give equal operations.

use crate::support::subgraph::schema::{Argument, FieldDefinition, Schema, TypeRef};
use fastrand::Rng;
use graphql_parser::schema::Type;
use serde_json::{Map, Value, json};
use std::{collections::HashMap, fmt::Write};

/// Levels of selections.
const DEPTH: usize = 5;
/// Selections in one set, most of the time.
const WIDTH: usize = 4;
/// Selections in one operation.
const SIZE: usize = 40;

/// Writes one operation.
pub struct Wanderer<'a> {
    schema: &'a Schema,
    /// What to ask for where a text or an id is needed.
    texts: &'a [String],
    rng: Rng,
    conditions: Map<String, Value>,
    left: usize,
}

impl<'a> Wanderer<'a> {
    pub fn new(schema: &'a Schema, texts: &'a [String], seed: u64) -> Self {
        Self { schema, texts, rng: Rng::with_seed(seed), conditions: Map::new(), left: SIZE }
    }

    /// The operation and its variables.
    pub fn query(mut self) -> (String, Value) {
        let set = self.set("Query", DEPTH);
        let mut definitions = String::new();
        for name in self.conditions.keys() {
            let _ = write!(definitions, "${name}: Boolean! ");
        }
        let head = if definitions.is_empty() { String::new() } else { format!("query ({definitions}) ") };
        (head + &set, Value::Object(self.conditions))
    }

    fn set(&mut self, type_name: &str, depth: usize) -> String {
        let (mut items, mut names): (Vec<String>, HashMap<String, String>) = Default::default();
        for _ in 0..self.rng.usize(1..=WIDTH) {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            let item = match self.rng.u8(0..10) {
                0..7 => self.field(type_name, depth, &mut names),
                7 => Some(self.named("__typename".to_owned(), "__typename", type_name, &mut names)),
                _ => self.fragment(type_name, depth),
            };
            items.extend(item.map(|it| it.replacen("{if}", &self.condition(), 1)));
        }
        if items.is_empty() {
            items.push("__typename".to_owned());
        }
        format!("{{ {} }}", items.join(" "))
    }

    /// A field with the place for its condition.
    fn field(&mut self, owner: &str, depth: usize, names: &mut HashMap<String, String>) -> Option<String> {
        let fields = self.schema.fields_of(owner);
        let (name, definition) = *self.pick(&fields)?;
        let below = named(&definition.ty);
        let is_composite = self.schema.is_composite(below);
        if is_composite && depth == 0 {
            return None;
        }
        let call = format!("{name}{}", self.arguments(definition)?);
        let mut text = self.named(call, name, owner, names);
        if is_composite {
            text = format!("{text} {}", self.set(below, depth - 1));
        }
        Some(text)
    }

    /// A call under some name: its own, another field's, or a new one where that is taken.
    fn named(&mut self, call: String, own: &str, owner: &str, names: &mut HashMap<String, String>) -> String {
        let fields = self.schema.fields_of(owner);
        let wanted = match self.rng.u8(0..10) {
            0..3 => self.pick(&fields).map_or(own, |(name, _)| *name),
            _ => own,
        };
        let is_free = names.get(wanted).is_none_or(|it| *it == call);
        let name = if is_free { wanted.to_owned() } else { format!("n{}", self.left) };
        let text = if name == own { format!("{call}{{if}}") } else { format!("{name}: {call}{{if}}") };
        names.insert(name, call);
        text
    }

    fn fragment(&mut self, type_name: &str, depth: usize) -> Option<String> {
        let others = self.schema.related(type_name);
        let on = self.pick(&others).copied().unwrap_or(type_name);
        (depth > 0).then(|| format!("... on {on}{{if}} {}", self.set(on, depth)))
    }

    fn condition(&mut self) -> String {
        if self.rng.u8(0..8) > 0 {
            return String::new();
        }
        let name = format!("c{}", self.conditions.len());
        self.conditions.insert(name.clone(), json!(self.rng.bool()));
        format!(" @{}(if: ${name})", self.rng.choice(["skip", "include"]).expect("two"))
    }

    /// `None` if one is needed of which no value is known.
    fn arguments(&mut self, definition: &FieldDefinition) -> Option<String> {
        let mut given = Vec::new();
        for Argument { name, ty, .. } in &definition.arguments {
            let is_needed = matches!(ty, Type::NonNullType(_));
            if is_needed || self.rng.bool() {
                match self.value(ty, 2) {
                    Some(value) => given.push(format!("{name}: {value}")),
                    None if is_needed => return None,
                    None => {}
                }
            }
        }
        Some(if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) })
    }

    fn value(&mut self, ty: &TypeRef, depth: usize) -> Option<String> {
        match ty {
            Type::NonNullType(inner) => self.value(inner, depth),
            Type::ListType(inner) => Some(format!("[{}]", self.value(inner, depth)?)),
            Type::NamedType(name) => match name.as_str() {
                "Int" => Some(self.rng.i32(0..5).to_string()),
                "Float" => Some(format!("{}.5", self.rng.i32(0..5))),
                "Boolean" => Some(self.rng.bool().to_string()),
                "String" | "ID" => {
                    let texts = self.texts;
                    self.pick(texts).map(|it| json!(it).to_string())
                }
                _ => self.object(name, depth),
            },
        }
    }

    fn object(&mut self, name: &str, depth: usize) -> Option<String> {
        let schema = self.schema;
        let mut fields = Vec::new();
        for Argument { name, ty, .. } in schema.input(name)? {
            let is_needed = matches!(ty, Type::NonNullType(_));
            if is_needed || (depth > 0 && self.rng.bool()) {
                fields.push(format!("{name}: {}", self.value(ty, depth.checked_sub(1)?)?));
            }
        }
        Some(format!("{{{}}}", fields.join(", ")))
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> Option<&'t T> {
        self.rng.choice(from)
    }
}

fn named(ty: &TypeRef) -> &str {
    match ty {
        Type::NamedType(name) => name,
        Type::ListType(inner) | Type::NonNullType(inner) => named(inner),
    }
}
