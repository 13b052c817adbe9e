//! Canonical keys: under which name a field's value lies in the data, whatever clients call it.

use crate::language::ast::{Argument, Value};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hasher},
    sync::Arc,
};

/// A field's name, or its name and a hash of its arguments, whatever their order.
///
/// The hash is the same in every process of one build, so plans can be compared between them.
pub(super) fn canonical_key(name: &Arc<str>, arguments: &[Argument]) -> Arc<str> {
    if arguments.is_empty() {
        return name.clone();
    }
    let mut hasher = DefaultHasher::new();
    hash_members(arguments.iter().map(|it| (it.name.as_str(), &it.value)), &mut hasher);
    format!("{name}_{:016x}", hasher.finish()).into()
}

fn hash_members<'v>(members: impl Iterator<Item = (&'v str, &'v Value)>, hasher: &mut DefaultHasher) {
    let sorted: BTreeMap<&str, &Value> = members.collect();
    for (name, value) in sorted {
        hash_text('k', name, hasher);
        hash_value(value, hasher);
    }
    hasher.write_u8(b'}');
}

/// Every value starts with a letter for its kind and texts carry their length, so that different values
/// never feed the same bytes.
fn hash_value(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Variable(it) => hash_text('$', &it.name.text, hasher),
        Value::Int(it) => hash_text('i', &it.text, hasher),
        Value::Float(it) => hash_text('f', &it.text, hasher),
        Value::String(it) => hash_text('s', &it.value, hasher),
        Value::Boolean(it, _) => hash_text('b', if *it { "true" } else { "false" }, hasher),
        Value::Null(_) => hash_text('n', "", hasher),
        Value::Enum(it) => hash_text('e', &it.text, hasher),
        Value::List(items, _) => {
            hasher.write_u8(b'[');
            items.iter().for_each(|it| hash_value(it, hasher));
            hasher.write_u8(b']');
        }
        Value::Object(members, _) => {
            hasher.write_u8(b'{');
            hash_members(members.iter().map(|it| (it.name.as_str(), &it.value)), hasher);
        }
    }
}

fn hash_text(kind: char, text: &str, hasher: &mut DefaultHasher) {
    hasher.write_u8(kind as u8);
    hasher.write_usize(text.len());
    hasher.write(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{self, Bounds, ast::Selection};
    use std::collections::BTreeSet;

    fn key(arguments: &str) -> String {
        let document = language::parse(&format!("{{ f{arguments} }}"), &Bounds::default()).expect(arguments);
        let operation = document.operations().next().expect("an operation");
        let Selection::Field(field) = &operation.selection_set.items[0] else { panic!("a field") };
        canonical_key(&field.name.text, &field.arguments).to_string()
    }

    #[test]
    fn keys_know_values_and_not_their_order() {
        assert_eq!(key(""), "f");
        assert_eq!(key("(a: 1, b: {x: 1, y: [2]})"), key("(b: {y: [2], x: 1}, a: 1)"));
        let different = [
            "(a: 1)",
            "(a: \"1\")",
            "(a: 1.0)",
            "(a: $x)",
            "(a: x)",
            "(a: \"x\")",
            "(a: [1])",
            "(a: [[1]])",
            "(a: {b: 1})",
            "(a: null)",
            "(a: true)",
            "(b: 1)",
            "(a: [1, 2])",
            "(a: [12])",
            "(a: [\"1\", \"2\"])",
        ];
        let keys: BTreeSet<String> = different.iter().map(|it| key(it)).collect();
        assert_eq!(keys.len(), different.len());
    }
}
