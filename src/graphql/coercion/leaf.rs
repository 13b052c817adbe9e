//! Input coercion of scalars and enum values.

use super::inspect::{cut, inspect};
use crate::graphql::{
    InputDefinition,
    json::{Document, Kind, NodeId, write_string},
};

/// Appends a scalar or enum value; `Err` is what the type has against it.
pub(super) fn write_leaf(
    document: &Document,
    value: NodeId,
    name: &str,
    definition: &InputDefinition,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let refuse = |prefix: &str| {
        let mut message = prefix.to_owned();
        inspect(document, value, 0, &mut message);
        message
    };
    let kind = document.kind(value);
    match definition {
        InputDefinition::Int => return write_int(document, value, out),
        InputDefinition::Id => return write_id(document, value, out),
        InputDefinition::Float if !document.as_number(value).is_some_and(is_finite) => {
            return Err(refuse("Float cannot represent non numeric value: "));
        }
        InputDefinition::String if kind != Kind::String => {
            return Err(refuse("String cannot represent a non string value: "));
        }
        InputDefinition::Boolean if kind != Kind::Bool => {
            return Err(refuse("Boolean cannot represent a non boolean value: "));
        }
        InputDefinition::Enum(values) => match document.as_str(value) {
            None => {
                return Err(refuse(&format!("Enum \"{name}\" cannot represent non-string value: ")) + ".");
            }
            Some(text) if !values.iter().any(|it| **it == *text) => {
                return Err(format!("Value \"{}\" does not exist in \"{name}\" enum.", cut(&text)));
            }
            Some(_) => {}
        },
        _ => {}
    }
    document.write(value, out);
    Ok(())
}

fn write_int(document: &Document, value: NodeId, out: &mut Vec<u8>) -> Result<(), String> {
    let mut message = String::new();
    let whole = document.as_number(value).and_then(whole_number);
    match whole {
        Some(whole) if whole.parse::<i32>().is_ok() => {
            out.extend_from_slice(whole.as_bytes());
            return Ok(());
        }
        Some(_) => message.push_str("Int cannot represent non 32-bit signed integer value: "),
        None => message.push_str("Int cannot represent non-integer value: "),
    }
    inspect(document, value, 0, &mut message);
    Err(message)
}

fn write_id(document: &Document, value: NodeId, out: &mut Vec<u8>) -> Result<(), String> {
    if document.kind(value) == Kind::String {
        document.write(value, out);
        return Ok(());
    }
    if let Some(whole) = document.as_number(value).and_then(whole_number) {
        write_string(&whole, out);
        return Ok(());
    }
    let mut message = String::from("ID cannot represent value: ");
    inspect(document, value, 0, &mut message);
    Err(message)
}

/// The digits of a number without a fraction: as written, or worked out of forms like `1.0` and `1e3`
/// while those are exact. Zero has no sign: many parsers take `-0` for a float.
fn whole_number(text: &str) -> Option<String> {
    const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
    if text == "-0" {
        return Some("0".to_owned());
    }
    if !text.contains(['.', 'e', 'E']) {
        return Some(text.to_owned());
    }
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then(|| format!("{:.0}", number + 0.0))
}

fn is_finite(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}
