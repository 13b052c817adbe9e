//! Leaves on their way out: checked against their type, copied as they were written.

use crate::{
    graphql::json::{Document, Kind, NodeId},
    plan::Leaf,
};

/// Appends a leaf that is not null; `false`, and nothing appended, when it is no value of its type
/// (GraphQL specification, section 3.5, "result coercion").
pub(super) fn write(document: &Document, node: NodeId, leaf: &Leaf, out: &mut Vec<u8>) -> bool {
    let kind = document.kind(node);
    let fits = match leaf {
        Leaf::Int => return write_int(document, node, out),
        Leaf::Id if kind == Kind::Number => return write_id(document, node, out),
        Leaf::Float => document.as_number(node).is_some_and(is_finite),
        Leaf::String | Leaf::Id => kind == Kind::String,
        Leaf::Boolean => kind == Kind::Bool,
        Leaf::Enum(names) => document.as_str(node).is_some_and(|it| names.contains(&it)),
        Leaf::Custom => true,
    };
    if fits {
        document.write(node, out);
    }
    fits
}

/// Whether a number is one to whoever reads it as 64 bits; only digits by the hundred or an exponent can make
/// it too large.
fn is_finite(text: &str) -> bool {
    (text.len() < 300 && !text.contains(['e', 'E'])) || text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whole numbers of 32 bits; `1.0` counts and is written as `1`.
fn write_int(document: &Document, node: NodeId, out: &mut Vec<u8>) -> bool {
    let Some(text) = document.as_number(node) else { return false };
    if text.parse::<i32>().is_ok() && text != "-0" {
        out.extend_from_slice(text.as_bytes());
        return true;
    }
    let in_range = |it: &f64| it.fract() == 0.0 && *it >= f64::from(i32::MIN) && *it <= f64::from(i32::MAX);
    match text.parse::<f64>().ok().filter(in_range) {
        Some(whole) => {
            out.extend_from_slice((whole as i32).to_string().as_bytes());
            true
        }
        None => false,
    }
}

/// A whole number of any size, as a string.
fn write_id(document: &Document, node: NodeId, out: &mut Vec<u8>) -> bool {
    let is_whole = |it: &&str| it.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let Some(text) = document.as_number(node).filter(is_whole) else { return false };
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    true
}
