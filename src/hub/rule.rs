//! Rules against events: three-valued, because a field that is missing decides nothing.
//!
//! A rule is compiled once per group: constants are decoded here, fields of events as they are looked
//! at. Constants of the schema compare by JSON type and value, constants from arguments by text.

use crate::{
    graphql::json::{Document, Kind, NodeId},
    plan::{Event, Rule, RuleConstant},
};
use std::sync::Arc;

/// What a rule says about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    No,
    /// A field that the answer depends on is missing, or is no scalar. Also under `NOT`.
    Undecided,
    Yes,
}

/// A rule with its constants decoded.
#[derive(Debug)]
pub(super) enum Condition {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    In { path: Arc<[Arc<str>]>, constants: Vec<Constant> },
}

/// A field, and values of which it must have one.
pub(super) struct Anchor<'a> {
    pub(super) path: &'a Arc<[Arc<str>]>,
    pub(super) constants: &'a [Constant],
}

#[derive(Debug)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Number(Box<str>),
    String(Box<str>),
    /// Equals whatever is spelled like it: a string's value, a number or Boolean as written.
    Text(Arc<str>),
}

impl Condition {
    pub(super) fn compile(rule: &Rule) -> Self {
        let all = |rules: &[Rule]| rules.iter().map(Self::compile).collect();
        match rule {
            Rule::And(rules) => Self::And(all(rules)),
            Rule::Or(rules) => Self::Or(all(rules)),
            Rule::Not(rule) => Self::Not(Box::new(Self::compile(rule))),
            Rule::In { path, values } => Self::In {
                path: path.clone(),
                constants: values.iter().filter_map(Constant::compile).collect(),
            },
        }
    }

    /// Fields of which an event must have one of these values to satisfy this: it is enough to look at events that
    /// have one for any of the anchors. `None` when there are no such fields.
    pub(super) fn anchors(&self) -> Option<Vec<Anchor<'_>>> {
        match self {
            Self::In { path, constants } => Some(vec![Anchor { path, constants }]),
            // All have to hold, so any one will do: the one that the fewest values satisfy.
            Self::And(all) => {
                let anchored = all.iter().filter_map(Self::anchors);
                anchored.min_by_key(|it| it.iter().map(|it| it.constants.len()).sum::<usize>())
            }
            Self::Or(any) => {
                let anchored: Option<Vec<_>> = any.iter().map(Self::anchors).collect();
                anchored.map(|it| it.into_iter().flatten().collect())
            }
            Self::Not(_) => None,
        }
    }

    pub(super) fn verdict(&self, event: &Event) -> Verdict {
        match self {
            Self::And(all) => all.iter().map(|it| it.verdict(event)).min().unwrap_or(Verdict::Yes),
            Self::Or(any) => any.iter().map(|it| it.verdict(event)).max().unwrap_or(Verdict::No),
            Self::Not(it) => match it.verdict(event) {
                Verdict::No => Verdict::Yes,
                Verdict::Undecided => Verdict::Undecided,
                Verdict::Yes => Verdict::No,
            },
            Self::In { path, constants } => match event.start_of(path) {
                Some(start) => contains(&event.document, start, path, constants),
                None => Verdict::Undecided,
            },
        }
    }
}

impl PartialOrd for Verdict {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// No < undecided < yes: `AND` is the least of its parts, `OR` the greatest.
impl Ord for Verdict {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (*self as u8).cmp(&(*other as u8))
    }
}

/// Whether the field at `path` equals a constant. Of a list, on the way or at the end, any item may.
fn contains(document: &Document, at: NodeId, path: &[Arc<str>], constants: &[Constant]) -> Verdict {
    match (document.kind(at), path) {
        (Kind::Array, _) => document
            .children(at)
            .map(|item| contains(document, item, path, constants))
            .max()
            .unwrap_or(Verdict::No),
        (Kind::Object, [name, rest @ ..]) => match document.get(at, name) {
            Some(member) => contains(document, member, rest, constants),
            None => Verdict::Undecided,
        },
        (Kind::Object, []) | (_, [_, ..]) => Verdict::Undecided,
        (_, []) if constants.iter().any(|it| it.equals(document, at)) => Verdict::Yes,
        (_, []) => Verdict::No,
    }
}

impl Constant {
    /// `None` for what is no scalar: it equals no field.
    fn compile(constant: &RuleConstant) -> Option<Self> {
        let json = match constant {
            RuleConstant::Text(text) => return Some(Self::Text(text.clone())),
            RuleConstant::Json(json) => json,
        };
        let mut document = Document::new();
        let root = document.parse(json.clone()).ok()?;
        match document.kind(root) {
            Kind::Null => Some(Self::Null),
            Kind::Bool => document.as_bool(root).map(Self::Bool),
            Kind::Number => document.as_number(root).map(|it| Self::Number(it.into())),
            Kind::String => document.as_str(root).map(|it| Self::String(it.into())),
            Kind::Array | Kind::Object => None,
        }
    }

    fn equals(&self, document: &Document, id: NodeId) -> bool {
        match self {
            Self::Null => document.is_null(id),
            Self::Bool(value) => document.as_bool(id) == Some(*value),
            Self::Number(value) => document.as_number(id).is_some_and(|it| same_number(it, value)),
            Self::String(value) => document.as_str(id).is_some_and(|it| *it == **value),
            Self::Text(text) => match document.kind(id) {
                Kind::String => document.as_str(id).is_some_and(|it| *it == **text),
                Kind::Number | Kind::Bool => document.raw(id) == Some(text.as_bytes()),
                Kind::Null | Kind::Array | Kind::Object => false,
            },
        }
    }
}

/// Whether two JSON numbers have the same value, however they are written: `1`, `1.0` and `10e-1` do.
/// Exact for any number of digits, so 9007199254740992 and 9007199254740993 differ.
fn same_number(a: &str, b: &str) -> bool {
    a == b || normal(a) == normal(b)
}

/// Of most numbers, without an allocation.
type Digits = smallvec::SmallVec<[u8; 24]>;

/// Sign, digits without zeros at either end, and the power of ten of the last digit. Zero has no digits
/// and no sign.
pub(super) fn normal(number: &str) -> (bool, Digits, i64) {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits: Digits = whole.bytes().chain(fraction.bytes()).skip_while(|it| *it == b'0').collect();
    let zeros = digits.iter().rev().take_while(|it| **it == b'0').count();
    digits.truncate(digits.len() - zeros);
    if digits.is_empty() {
        return (false, digits, 0);
    }
    let power = exponent_value(exponent).saturating_add(zeros as i64).saturating_sub(fraction.len() as i64);
    (negative, digits, power)
}

/// An exponent; absurd ones saturate.
fn exponent_value(text: &str) -> i64 {
    text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::{Verdict::*, *};
    use crate::plan::Position;
    use bytes::Bytes;

    const EVENT: &[u8] = br#"{"id":7,"name":"a\"\u00e4","ok":true,"none":null,"price":1.50,"tags":["x",3],
        "empty":[],"big":9007199254740993,"by":{"team":{"id":"t1"}},"lines":[{"sku":1},{"sku":2},{}]}"#;

    fn within(path: &str, values: &[RuleConstant]) -> Rule {
        Rule::In { path: path.split('.').map(Arc::from).collect(), values: values.to_vec() }
    }

    fn json(text: &'static str) -> RuleConstant {
        RuleConstant::Json(Bytes::from_static(text.as_bytes()))
    }

    fn text(text: &str) -> RuleConstant {
        RuleConstant::Text(text.into())
    }

    fn check(expected: Verdict, rule: &Rule) {
        let mut document = Document::new();
        let root = document.parse(Bytes::from_static(EVENT)).expect("JSON");
        let event = Event { position: Position::single(1), document, root, labels: None };
        assert_eq!(Condition::compile(rule).verdict(&event), expected, "{rule:?}");
    }

    #[test]
    fn constants_of_the_schema_compare_by_type_and_value() {
        for (expected, path, constant) in [
            (Yes, "id", "7"),
            (Yes, "id", "7.0"),
            (Yes, "id", "70e-1"),
            (No, "id", "\"7\""),
            (No, "id", "-7"),
            (Yes, "name", "\"a\\u0022ä\""),
            (Yes, "ok", "true"),
            (No, "ok", "\"true\""),
            (Yes, "none", "null"),
            (No, "none", "0"),
            (Yes, "price", "1.5"),
            (No, "price", "15"),
            (Yes, "big", "9007199254740993"),
            (No, "big", "9007199254740992"),
            (Yes, "by.team.id", "\"t1\""),
            (No, "id", "[7]"),
        ] {
            check(expected, &within(path, &[json(constant)]));
        }
    }

    #[test]
    fn constants_from_arguments_compare_by_text() {
        for (expected, path, constant) in [
            (Yes, "id", "7"),
            (No, "id", "7.0"),
            (Yes, "name", "a\"ä"),
            (Yes, "ok", "true"),
            (No, "none", "null"),
            (Yes, "price", "1.50"),
            (Yes, "tags", "3"),
        ] {
            check(expected, &within(path, &[text(constant)]));
        }
    }

    #[test]
    fn any_constant_and_any_item_of_a_list_will_do() {
        check(Yes, &within("id", &[json("\"x\""), json("7")]));
        check(Yes, &within("tags", &[json("3")]));
        check(No, &within("tags", &[json("\"3\"")]));
        check(No, &within("empty", &[json("null")]));
        check(Yes, &within("lines.sku", &[json("2")]));
        check(Undecided, &within("lines.sku", &[json("9")]));
        check(No, &within("id", &[]));
    }

    #[test]
    fn labels_are_no_fields() {
        let mut document = Document::new();
        let root = document.parse(Bytes::from_static(br#"{"$key":"field"}"#)).expect("JSON");
        let labels = br#"{"$key":"k","$headers":{"a":["x","y"],"none":[null]}}"#;
        let labels = document.parse(Bytes::from_static(labels)).ok();
        let mut event = Event { position: Position::single(1), document, root, labels };
        let verdict = |event: &Event, path: &[&str], constant| {
            let path = path.iter().copied().map(Arc::from).collect();
            Condition::compile(&Rule::In { path, values: vec![constant] }).verdict(event)
        };
        assert_eq!(verdict(&event, &["$key"], json("\"k\"")), Yes);
        assert_eq!(verdict(&event, &["$key"], text("k")), Yes);
        assert_eq!(verdict(&event, &["$key"], json("\"field\"")), No);
        assert_eq!(verdict(&event, &["$headers", "a"], text("y")), Yes);
        assert_eq!(verdict(&event, &["$headers", "none"], json("null")), Yes);
        assert_eq!(verdict(&event, &["$headers", "b"], text("y")), Undecided);
        event.labels = None;
        assert_eq!(verdict(&event, &["$key"], json("\"field\"")), Undecided);
    }

    #[test]
    fn what_is_missing_stays_undecided_until_something_else_decides() {
        let (missing, yes) = (within("gone", &[json("1")]), within("id", &[json("7")]));
        let not = |it: &Rule| Rule::Not(Box::new(it.clone()));
        let no = not(&yes);
        check(Undecided, &missing);
        check(Undecided, &within("by", &[json("1")]));
        check(Undecided, &within("id.deeper", &[json("1")]));
        check(Undecided, &not(&missing));
        check(Undecided, &Rule::And(vec![yes.clone(), missing.clone()]));
        check(No, &Rule::And(vec![no.clone(), missing.clone()]));
        check(Yes, &Rule::Or(vec![missing.clone(), yes.clone()]));
        check(Undecided, &Rule::Or(vec![missing, no.clone()]));
        check(No, &not(&yes));
        check(Yes, &not(&no));
    }

    #[test]
    fn numbers_have_one_value_however_written() {
        for (a, b) in [("1", "1.0"), ("-0", "0.00e9"), ("120", "1.2E+2"), ("0.001", "1e-3"), ("10", "1e1")] {
            assert!(same_number(a, b), "{a} and {b}");
        }
        for (a, b) in [("1", "-1"), ("1", "10"), ("1e400", "1e401"), ("0.1", "0.10000000000000001")] {
            assert!(!same_number(a, b), "{a} and {b}");
        }
    }
}
