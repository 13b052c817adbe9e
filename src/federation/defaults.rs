//! Values in SDL, as defaults and as arguments of required fields: whether two are the same, and whether one fits a
//! type.

use super::{
    checks::is_required,
    declared::{Graph, Kind},
};
use federation_composition::graphql_core::{InputValueDefinition, Type, Value, print};

/// Whether two values mean the same: numbers however they are spelt, objects in whichever order.
pub(super) fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::List(one), Value::List(other)) => {
            one.values.len() == other.values.len()
                && one.values.iter().zip(&other.values).all(|(one, other)| same_value(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.fields.len() == other.fields.len()
                && one.fields.iter().all(|field| {
                    let same = other.fields.iter().find(|it| it.name.value == field.name.value);
                    same.is_some_and(|it| same_value(&field.value, &it.value))
                })
        }
        (Value::String(one), Value::String(other)) => one.value == other.value,
        _ => match (number(one), number(other)) {
            (Some(one), Some(other)) => one.total_cmp(&other).is_eq(),
            _ => one == other,
        },
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(it) => it.value.parse().ok(),
        Value::Float(it) => it.value.parse().ok(),
        _ => None,
    }
}

/// Why a value is none of a type.
pub(super) fn wrong_value(graph: &Graph<'_>, value: &Value, ty: &Type) -> Option<String> {
    match (ty, value) {
        (Type::NonNull(_), Value::Null(_)) => Some("null is given".to_owned()),
        (Type::NonNull(it), _) => wrong_value(graph, value, &it.ty),
        (_, Value::Variable(_)) => Some("a variable is given".to_owned()),
        (_, Value::Null(_)) => None,
        (Type::List(it), Value::List(list)) => {
            list.values.iter().find_map(|value| wrong_value(graph, value, &it.ty))
        }
        (Type::List(it), _) => wrong_value(graph, value, &it.ty),
        (Type::Named(it), _) => {
            let fits = fits(graph, value, &it.name.value);
            (!fits).then(|| format!("{} is given", print(value)))
        }
    }
}

fn fits(graph: &Graph<'_>, value: &Value, name: &str) -> bool {
    let Some(ty) = graph.types.get(name) else {
        return match name {
            "Int" => matches!(value, Value::Int(_)),
            "Float" => matches!(value, Value::Int(_) | Value::Float(_)),
            "String" => matches!(value, Value::String(_)),
            "Boolean" => matches!(value, Value::Boolean(_)),
            "ID" => matches!(value, Value::String(_) | Value::Int(_)),
            _ => true,
        };
    };
    match (ty.kind, value) {
        (Kind::Enum, Value::Enum(it)) => ty.values().any(|value| value.name.value == it.value),
        (Kind::Enum, _) => false,
        (Kind::Input, Value::Object(object)) => {
            let given = |input: &InputValueDefinition| {
                object.fields.iter().find(|it| it.name.value == input.name.value)
            };
            let is_known = |name: &str| ty.inputs().any(|it| it.name.value == name);
            object.fields.iter().all(|it| is_known(&it.name.value))
                && ty.inputs().all(|input| match given(input) {
                    Some(it) => wrong_value(graph, &it.value, &input.ty).is_none(),
                    None => !is_required(input),
                })
        }
        (Kind::Input, _) => false,
        _ => true,
    }
}
