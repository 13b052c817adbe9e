//! Whether two values are written the same (GraphQL specification, section 5.3.2): of one kind, numbers digit by
//! digit, lists item by item, objects by their members in whatever order.

use super::ast::{ObjectField, StringValue, Value};

/// Compares all of two values. Adds to `work` what it looked at beyond the values themselves: one for each value
/// within them, and for each 64 bytes of text.
pub(super) fn same(one: &Value, other: &Value, work: &mut usize) -> bool {
    match (one, other) {
        (Value::Variable(one), Value::Variable(other)) => one.name.text == other.name.text,
        (Value::Int(one), Value::Int(other)) | (Value::Float(one), Value::Float(other)) => {
            same_texts(&one.text, &other.text, work)
        }
        (Value::String(one), Value::String(other)) => same_strings(one, other, work),
        (Value::Boolean(one, _), Value::Boolean(other, _)) => one == other,
        (Value::Null(_), Value::Null(_)) => true,
        (Value::Enum(one), Value::Enum(other)) => one.text == other.text,
        (Value::List(one, _), Value::List(other, _)) => {
            *work += one.len();
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other, work))
        }
        (Value::Object(one, _), Value::Object(other, _)) => same_objects(one, other, work),
        _ => false,
    }
}

fn same_texts(one: &str, other: &str, work: &mut usize) -> bool {
    *work += one.len() / 64;
    one == other
}

/// Strings and block strings are different, as the reference implementation has it.
fn same_strings(one: &StringValue, other: &StringValue, work: &mut usize) -> bool {
    one.block == other.block && same_texts(&one.value, &other.value, work)
}

fn same_objects(one: &[ObjectField], other: &[ObjectField], work: &mut usize) -> bool {
    *work += one.len();
    if one.len() != other.len() {
        return false;
    }
    let in_order = |(one, other): (&ObjectField, &ObjectField)| one.name.text == other.name.text;
    if one.iter().zip(other).all(in_order) {
        return one.iter().zip(other).all(|(one, other)| same(&one.value, &other.value, work));
    }
    // Members of one name, which other rules refuse, stay in their order.
    let (one, other) = (by_name(one), by_name(other));
    let mut pairs = one.into_iter().zip(other);
    pairs.all(|(one, other)| one.name.text == other.name.text && same(&one.value, &other.value, work))
}

fn by_name(members: &[ObjectField]) -> Vec<&ObjectField> {
    let mut sorted: Vec<&ObjectField> = members.iter().collect();
    sorted.sort_by(|one, other| one.name.text.cmp(&other.name.text));
    sorted
}
