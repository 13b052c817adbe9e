//! Values as operations and SDL spell them, turned into JSON.

use crate::{
    graphql::{InputDefinition, InputField, InputType, InputTypes, json::write_string},
    language::ast::{ObjectField, Type, Value},
    plan::InputValue,
};
use bytes::Bytes;
use std::{collections::BTreeSet, sync::Arc};

/// A type as `graphql` spells it.
pub(super) fn input_type(ty: &Type) -> InputType {
    match ty {
        Type::Named(name) => InputType::Named(name.text.clone()),
        Type::List(inner, _) => InputType::List(Box::new(input_type(inner))),
        Type::NonNull(inner) => InputType::NonNull(Box::new(input_type(inner))),
    }
}

/// A value without variables as JSON; `None` when it has one. Enum values become strings; numbers keep their digits.
pub(super) fn json_of(value: &Value) -> Option<Bytes> {
    let mut out = Vec::new();
    write_json(value, &mut out).then(|| out.into())
}

fn write_json(value: &Value, out: &mut Vec<u8>) -> bool {
    match value {
        Value::Variable(_) => return false,
        Value::Null(_) => out.extend_from_slice(b"null"),
        Value::Boolean(it, _) => out.extend_from_slice(if *it { b"true" } else { b"false" }),
        // What GraphQL writes as a number is one in JSON.
        Value::Int(it) | Value::Float(it) => out.extend_from_slice(it.text.as_bytes()),
        Value::String(it) => write_string(&it.value, out),
        Value::Enum(it) => write_string(&it.text, out),
        Value::List(items, _) => {
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
        Value::Object(members, _) => {
            out.push(b'{');
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(&member.name.text, out);
                out.push(b':');
                if !write_json(&member.value, out) {
                    return false;
                }
            }
            out.push(b'}');
        }
    }
    true
}

/// Names of the variables in a value.
pub(super) fn variables_in(value: &Value, out: &mut BTreeSet<Arc<str>>) {
    match value {
        Value::Variable(it) => {
            out.insert(it.name.text.clone());
        }
        Value::List(items, _) => items.iter().for_each(|it| variables_in(it, out)),
        Value::Object(members, _) => members.iter().for_each(|it| variables_in(&it.value, out)),
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
    value: &Value,
    ty: &InputType,
    types: &InputTypes,
    defaults: Defaults,
) -> InputValue {
    match (value, ty) {
        (_, InputType::NonNull(inner)) => input_value(value, inner, types, defaults),
        (Value::Variable(it), _) => InputValue::Variable(it.name.text.clone()),
        (Value::Null(_), _) => InputValue::Json(Bytes::from_static(b"null")),
        (Value::List(items, _), InputType::List(inner)) => {
            closed(InputValue::List(items.iter().map(|it| input_value(it, inner, types, defaults)).collect()))
        }
        (_, InputType::List(inner)) => {
            closed(InputValue::List(vec![input_value(value, inner, types, defaults)]))
        }
        (Value::Object(members, _), InputType::Named(name)) => match types.get(name) {
            Some(InputDefinition::Object { fields, .. }) => {
                closed(InputValue::Object(object(members, fields, types, defaults)))
            }
            _ => untyped(value),
        },
        (_, InputType::Named(_)) => untyped(value),
    }
}

fn object(
    members: &[ObjectField],
    fields: &[InputField],
    types: &InputTypes,
    defaults: Defaults,
) -> Vec<(Arc<str>, InputValue)> {
    let mut values = Vec::with_capacity(members.len());
    for ObjectField { name, value } in members {
        let value = match fields.iter().find(|it| it.name == name.text) {
            Some(field) => input_value(value, &field.ty, types, defaults),
            None => untyped(value),
        };
        values.push((name.text.clone(), value));
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
fn untyped(value: &Value) -> InputValue {
    match (json_of(value), value) {
        (Some(json), _) => InputValue::Json(json),
        (None, Value::List(items, _)) => InputValue::List(items.iter().map(untyped).collect()),
        (None, Value::Object(members, _)) => {
            let member = |it: &ObjectField| (it.name.text.clone(), untyped(&it.value));
            InputValue::Object(members.iter().map(member).collect())
        }
        (None, Value::Variable(it)) => InputValue::Variable(it.name.text.clone()),
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
