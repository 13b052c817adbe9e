//! Shows values in messages: shortened, because an error must not echo megabytes.

use crate::graphql::json::{Document, Kind, NodeId, write_string};
use std::fmt::Write as _;

/// Appends a value for people: two levels deep, ten items long, strings cut.
pub(super) fn inspect(document: &Document, value: NodeId, level: usize, out: &mut String) {
    const LEVELS: usize = 2;
    const ITEMS_MAX: usize = 10;
    let is_object = match document.kind(value) {
        Kind::String => {
            let mut text = Vec::new();
            write_string(cut(&document.as_str(value).expect("a string")), &mut text);
            return out.push_str(&String::from_utf8_lossy(&text));
        }
        Kind::Object => true,
        Kind::Array => false,
        _ => return out.push_str(cut(&String::from_utf8_lossy(document.raw(value).expect("a scalar")))),
    };
    if document.is_empty(value) {
        return out.push_str(if is_object { "{}" } else { "[]" });
    }
    if level >= LEVELS {
        return out.push_str(if is_object { "[Object]" } else { "[Array]" });
    }
    out.push_str(if is_object { "{ " } else { "[" });
    for (index, child) in document.children(value).take(ITEMS_MAX).enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        if is_object {
            _ = write!(out, "{}: ", cut(document.key(child)));
        }
        inspect(document, child, level + 1, out);
    }
    match document.len(value).saturating_sub(ITEMS_MAX) {
        0 => {}
        1 => out.push_str(", ... 1 more item"),
        more => _ = write!(out, ", ... {more} more items"),
    }
    out.push_str(if is_object { " }" } else { "]" });
}

/// At most 100 characters.
pub(super) fn cut(text: &str) -> &str {
    const CHARS_MAX: usize = 100;
    text.char_indices().nth(CHARS_MAX).map_or(text, |(end, _)| &text[..end])
}
