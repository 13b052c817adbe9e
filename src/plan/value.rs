//! Input values: what an argument holds before and after variables are put in.

use crate::graphql::{Variables, json::write_string};
use bytes::Bytes;
use std::sync::Arc;

/// An argument's value as the operation spells it, variables not yet put in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InputValue {
    /// A JSON text without variables (enum values as strings).
    Json(Bytes),
    Variable(Arc<str>),
    List(Vec<Self>),
    Object(Vec<(Arc<str>, Self)>),
}

impl InputValue {
    /// Appends the value as JSON with variables put in. `false`, and nothing written, when the value is
    /// a variable that is absent: the argument then counts as not given.
    ///
    /// Inside a list an absent variable is `null`; inside an object its member is left out.
    pub fn write(&self, variables: &Variables, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Json(json) => out.extend_from_slice(json),
            Self::Variable(name) => match variables.get(name) {
                Some(json) => out.extend_from_slice(json),
                None => return false,
            },
            Self::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    if !item.write(variables, out) {
                        out.extend_from_slice(b"null");
                    }
                }
                out.push(b']');
            }
            Self::Object(members) => write_members(members, variables, out),
        }
        true
    }
}

/// Appends named values as a JSON object in their order, absent ones left out.
pub(super) fn write_members(members: &[(Arc<str>, InputValue)], variables: &Variables, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    for (name, value) in members {
        let before = out.len();
        if before > start {
            out.push(b',');
        }
        write_string(name, out);
        out.push(b':');
        if !value.write(variables, out) {
            out.truncate(before);
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_variables_vanish_from_objects_and_are_null_in_lists() {
        let mut variables = Variables::new();
        variables.set("a".into(), Bytes::from_static(b"9007199254740993"));
        let value = InputValue::Object(vec![
            ("gone".into(), InputValue::Variable("b".into())),
            ("x".into(), InputValue::Variable("a".into())),
            (
                "y".into(),
                InputValue::List(vec![InputValue::Variable("b".into()), InputValue::Json("1".into())]),
            ),
        ]);
        let mut out = Vec::new();
        assert!(value.write(&variables, &mut out));
        assert_eq!(out, br#"{"x":9007199254740993,"y":[null,1]}"#);
        assert!(!InputValue::Variable("b".into()).write(&variables, &mut out));
    }
}
