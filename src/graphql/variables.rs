//! Variables of an operation: their declared types, and their values after coercion.
//!
//! Values are kept as the JSON text they came as, so large numbers and custom scalars stay byte for byte.
//! Turning what a client sent into [`Variables`] is `coercion`'s work.

use super::Location;
use bytes::Bytes;
use std::{collections::HashMap, sync::Arc};

/// An operation's variables after coercion, each as the JSON text it was given as (or its default).
///
/// Absent variables without a default are not in here; an explicit `null` is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Variables {
    entries: Vec<(Arc<str>, Bytes)>,
}

impl Variables {
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable to a JSON text.
    pub fn set(&mut self, name: Arc<str>, json: Bytes) {
        match self.entries.iter_mut().find(|(it, _)| *it == name) {
            Some((_, value)) => *value = json,
            None => self.entries.push((name, json)),
        }
    }

    /// A variable's JSON text.
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        self.entries.iter().find(|(it, _)| &**it == name).map(|(_, value)| value)
    }

    /// Whether a Boolean variable is set and true.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|it| &it[..] == b"true")
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }
}

/// A type as a variable or an input field declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputType {
    NonNull(Box<Self>),
    List(Box<Self>),
    Named(Arc<str>),
}

/// `$name: Type = default` of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableDefinition {
    pub name: Arc<str>,
    pub ty: InputType,
    /// A JSON text.
    pub default: Option<Bytes>,
    pub location: Location,
}

/// What values a named input type takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputDefinition {
    Int,
    Float,
    String,
    Boolean,
    Id,
    /// Any JSON value.
    Custom,
    Enum(Vec<Arc<str>>),
    Object {
        fields: Vec<InputField>,
        /// `@oneOf`: exactly one field, not null.
        one_of: bool,
    },
}

/// A field of an input object type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputField {
    pub name: Arc<str>,
    pub ty: InputType,
    /// A JSON text.
    pub default: Option<Bytes>,
}

/// Every input type of a schema, by name (the built-in scalars too).
pub type InputTypes = HashMap<Arc<str>, InputDefinition>;
