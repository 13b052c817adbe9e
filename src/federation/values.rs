//! Values as operations and SDL spell them, turned into JSON.

use crate::{
    graphql::{InputDefinition, InputField, InputType, InputTypes, json::write_string},
    plan::InputValue,
};
use bytes::Bytes;
use graphql_tools::static_graphql::{query, schema};
use std::{collections::BTreeSet, sync::Arc};

/// A type as `graphql` spells it.
pub(super) fn input_type(ty: &schema::Type) -> InputType {
    match ty {
        schema::Type::NamedType(name) => InputType::Named(name.as_str().into()),
        schema::Type::ListType(inner) => InputType::List(Box::new(input_type(inner))),
        schema::Type::NonNullType(inner) => InputType::NonNull(Box::new(input_type(inner))),
    }
}

/// A value without variables as JSON; `None` when it has one. Enum values become strings.
pub(super) fn json_of(value: &query::Value) -> Option<Bytes> {
    let mut out = Vec::new();
    write_json(value, &mut out).then(|| out.into())
}

fn write_json(value: &query::Value, out: &mut Vec<u8>) -> bool {
    match value {
        query::Value::Variable(_) => return false,
        query::Value::Null => out.extend_from_slice(b"null"),
        query::Value::Boolean(it) => out.extend_from_slice(if *it { b"true" } else { b"false" }),
        query::Value::Int(it) => {
            out.extend_from_slice(it.as_i64().unwrap_or_default().to_string().as_bytes());
        }
        // `{:?}` writes the shortest digits that read back as the same number.
        query::Value::Float(it) => out.extend_from_slice(format!("{it:?}").as_bytes()),
        query::Value::String(it) | query::Value::Enum(it) => write_string(it, out),
        query::Value::List(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                if !write_json(item, out) {
                    return false;
                }
            }
            out.push(b']');
        }
        query::Value::Object(members) => {
            out.push(b'{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                if !write_json(value, out) {
                    return false;
                }
            }
            out.push(b'}');
        }
    }
    true
}

/// Names of the variables in a value.
pub(super) fn variables_in(value: &query::Value, out: &mut BTreeSet<Arc<str>>) {
    match value {
        query::Value::Variable(name) => {
            out.insert(name.as_str().into());
        }
        query::Value::List(items) => items.iter().for_each(|it| variables_in(it, out)),
        query::Value::Object(members) => members.iter().for_each(|(_, it)| variables_in(it, out)),
        _ => {}
    }
}

/// Whether absent members of input objects get the schema's defaults.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Defaults {
    PutIn,
    LeaveOut,
}

/// A literal with the variables still open, coerced to its type: a single value where a list is asked
/// for becomes a list of one (GraphQL specification, section 3.11).
pub(super) fn input_value(
    value: &query::Value,
    ty: &InputType,
    types: &InputTypes,
    defaults: Defaults,
) -> InputValue {
    match (value, ty) {
        (_, InputType::NonNull(inner)) => input_value(value, inner, types, defaults),
        (query::Value::Variable(name), _) => InputValue::Variable(name.as_str().into()),
        (query::Value::Null, _) => InputValue::Json(Bytes::from_static(b"null")),
        (query::Value::List(items), InputType::List(inner)) => {
            closed(InputValue::List(items.iter().map(|it| input_value(it, inner, types, defaults)).collect()))
        }
        (_, InputType::List(inner)) => {
            closed(InputValue::List(vec![input_value(value, inner, types, defaults)]))
        }
        (query::Value::Object(members), InputType::Named(name)) => match types.get(name) {
            Some(InputDefinition::Object { fields, .. }) => {
                closed(InputValue::Object(object(members, fields, types, defaults)))
            }
            _ => untyped(value),
        },
        (_, InputType::Named(_)) => untyped(value),
    }
}

fn object(
    members: &[(String, query::Value)],
    fields: &[InputField],
    types: &InputTypes,
    defaults: Defaults,
) -> Vec<(Arc<str>, InputValue)> {
    let mut values = Vec::with_capacity(members.len());
    for (name, value) in members {
        let value = match fields.iter().find(|it| *it.name == **name) {
            Some(field) => input_value(value, &field.ty, types, defaults),
            None => untyped(value),
        };
        values.push((name.as_str().into(), value));
    }
    if defaults == Defaults::PutIn {
        add_defaults(fields, &mut values);
    }
    values
}

/// Adds the defaults of what is not there.
pub(super) fn add_defaults(fields: &[InputField], values: &mut Vec<(Arc<str>, InputValue)>) {
    for field in fields {
        let Some(default) = &field.default else { continue };
        if !values.iter().any(|(name, _)| *name == field.name) {
            values.push((field.name.clone(), InputValue::Json(default.clone())));
        }
    }
}

/// A value of a custom scalar, of which the schema knows nothing.
fn untyped(value: &query::Value) -> InputValue {
    match (json_of(value), value) {
        (Some(json), _) => InputValue::Json(json),
        (None, query::Value::List(items)) => InputValue::List(items.iter().map(untyped).collect()),
        (None, query::Value::Object(members)) => {
            InputValue::Object(members.iter().map(|(name, it)| (name.as_str().into(), untyped(it))).collect())
        }
        (None, query::Value::Variable(name)) => InputValue::Variable(name.as_str().into()),
        (None, _) => InputValue::Json(Bytes::from_static(b"null")),
    }
}

/// Writes a list or object without variables out once and for all.
fn closed(value: InputValue) -> InputValue {
    if has_variable(&value) {
        return value;
    }
    let mut json = Vec::new();
    value.write(&crate::graphql::Variables::new(), &mut json);
    InputValue::Json(json.into())
}

fn has_variable(value: &InputValue) -> bool {
    match value {
        InputValue::Json(_) => false,
        InputValue::Variable(_) => true,
        InputValue::List(items) => items.iter().any(has_variable),
        InputValue::Object(members) => members.iter().any(|(_, it)| has_variable(it)),
    }
}

/// Names of the variables in an input value.
pub(super) fn variables_of(value: &InputValue, out: &mut BTreeSet<Arc<str>>) {
    match value {
        InputValue::Json(_) => {}
        InputValue::Variable(name) => {
            out.insert(name.clone());
        }
        InputValue::List(items) => items.iter().for_each(|it| variables_of(it, out)),
        InputValue::Object(members) => members.iter().for_each(|(_, it)| variables_of(it, out)),
    }
}
