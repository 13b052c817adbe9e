//! Strings with arguments in them, and what an argument's value may hold where it reaches a broker.
//!
//! Values are checked before anything is rendered: none can become a wildcard, add a token or break a
//! subject.

use super::{InputValue, ProviderKind, value::write_members};
use crate::graphql::{
    Variables,
    json::{Document, Kind, NodeId},
};
use std::sync::Arc;

/// A string with arguments in it: `employeeUpdated.{{ args.id }}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub parts: Vec<TemplatePart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    Text(Arc<str>),
    /// `{{ args.a.b }}`: the path below the arguments.
    Argument(Vec<Arc<str>>),
}

/// Why a request cannot subscribe, publish or ask: shown to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("Argument \"{argument}\" is needed to choose the event's destination, but is absent or null.")]
    Missing { argument: String },
    #[error("Argument \"{argument}\" is needed for the message's key or headers, but is absent or null.")]
    Unlabelled { argument: String },
    #[error("Argument \"{argument}\" cannot be part of an event's destination: {reason}.")]
    Unsafe { argument: String, reason: &'static str },
    #[error("Argument \"{argument}\" must be a single value here.")]
    List { argument: String },
}

impl Template {
    /// Reads `{{ args.x.y }}` out of a string. Anything else in braces stays text.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let (mut rest, mut plain) = (text, String::new());
        while let Some(open) = rest.find("{{") {
            let (before, braces) = rest.split_at(open);
            plain.push_str(before);
            match parse_braces(braces) {
                Some((path, len)) => {
                    flush(&mut plain, &mut parts);
                    parts.push(TemplatePart::Argument(path));
                    rest = &braces[len..];
                }
                None => {
                    plain.push_str("{{");
                    rest = &braces[2..];
                }
            }
        }
        plain.push_str(rest);
        flush(&mut plain, &mut parts);
        Self { parts }
    }

    /// Paths of the arguments in it, in order.
    pub fn arguments(&self) -> impl Iterator<Item = &[Arc<str>]> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Text(_) => None,
            TemplatePart::Argument(path) => Some(&path[..]),
        })
    }

    pub(super) fn first_argument(&self) -> String {
        self.arguments().next().map(|it| it.join(".")).unwrap_or_default()
    }

    /// Every string that the template stands for: one, or one for each item of list arguments.
    pub(super) fn render(&self, arguments: &Arguments, safety: Safety) -> Result<Vec<String>, RenderError> {
        let mut rendered = vec![String::new()];
        let mut within_brackets = false;
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => {
                    within_brackets |= text.contains('[');
                    rendered.iter_mut().for_each(|it| it.push_str(text));
                }
                TemplatePart::Argument(path) => {
                    let values = arguments.texts(path)?;
                    for value in &values {
                        safety
                            .check(value)
                            .map_err(|reason| RenderError::Unsafe { argument: path.join("."), reason })?;
                    }
                    let values: Vec<_> =
                        values.into_iter().map(|it| safety.escape(it, within_brackets)).collect();
                    rendered = product(&rendered, &values);
                }
            }
        }
        Ok(rendered)
    }
}

fn flush(plain: &mut String, parts: &mut Vec<TemplatePart>) {
    if !plain.is_empty() {
        parts.push(TemplatePart::Text(std::mem::take(plain).into()));
    }
}

/// `{{ args.a.b }}` at the start of `text`: the path and the length of it all.
fn parse_braces(text: &str) -> Option<(Vec<Arc<str>>, usize)> {
    let close = text.find("}}")?;
    let path = text[2..close].trim().strip_prefix("args.")?;
    let names: Vec<Arc<str>> = path.split('.').map(Arc::from).collect();
    let is_name =
        |it: &Arc<str>| !it.is_empty() && it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    names.iter().all(is_name).then_some((names, close + 2))
}

fn product(prefixes: &[String], values: &[String]) -> Vec<String> {
    prefixes.iter().flat_map(|prefix| values.iter().map(move |value| format!("{prefix}{value}"))).collect()
}

/// What a value may not hold in a destination of one kind of broker.
#[derive(Clone, Copy)]
pub(super) enum Safety {
    /// NATS subjects: tokens between dots, `*` and `>` are wildcards.
    Subject,
    /// Kafka topics: letters, digits, `.`, `_`, `-`.
    Topic,
    /// Redis channels to listen to: globs, in which values are escaped.
    Pattern,
    /// Redis channels to publish to, and keys of streams: taken as they are.
    Name,
    /// A rule's constant, which reaches no broker.
    Anything,
}

impl Safety {
    /// Of a destination to listen to.
    pub(super) fn of_feed(kind: ProviderKind) -> Self {
        match kind {
            ProviderKind::Redis => Self::Pattern,
            other => Self::of_call(other),
        }
    }

    /// Of the one destination of a message.
    pub(super) fn of_call(kind: ProviderKind) -> Self {
        match kind {
            ProviderKind::Nats => Self::Subject,
            ProviderKind::Kafka => Self::Topic,
            ProviderKind::Redis => Self::Name,
        }
    }

    fn check(self, value: &str) -> Result<(), &'static str> {
        if matches!(self, Self::Anything) {
            return Ok(());
        }
        if value.is_empty() {
            return Err("it is empty");
        }
        if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("it contains a blank or control character");
        }
        match self {
            Self::Subject if value.contains(['*', '>']) => Err("it contains a wildcard"),
            Self::Subject if value.contains('.') => Err("it contains the separator '.'"),
            Self::Topic if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) => {
                Err("it contains a character that topic names cannot have")
            }
            _ => Ok(()),
        }
    }

    /// A value as it stands in the destination. Redis has an escape character, so that every value can be meant
    /// literally; `^` and `-` have a meaning within brackets alone, but mean themselves when escaped anywhere.
    fn escape(self, value: String, within_brackets: bool) -> String {
        let is_special = |c: char| "*?[]\\".contains(c) || within_brackets && "^-".contains(c);
        if !matches!(self, Self::Pattern) || !value.contains(is_special) {
            return value;
        }
        let mut escaped = String::with_capacity(value.len() + 8);
        for c in value.chars() {
            if is_special(c) {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        escaped
    }
}

/// The arguments of one request as one JSON object.
pub(super) struct Arguments {
    document: Document,
    root: NodeId,
}

impl Arguments {
    pub(super) fn new(arguments: &[(Arc<str>, InputValue)], variables: &Variables) -> Self {
        let mut json = Vec::new();
        write_members(arguments, variables, &mut json);
        let mut document = Document::new();
        let root = document.parse(json.into()).expect("made of JSON texts");
        Self { document, root }
    }

    /// The scalar at a path as text; of a list, each item's.
    fn texts(&self, path: &[Arc<str>]) -> Result<Vec<String>, RenderError> {
        let missing = || RenderError::Missing { argument: path.join(".") };
        let found = self.document.get_path(self.root, path.iter().map(|it| &**it)).ok_or_else(missing)?;
        match self.document.kind(found) {
            Kind::Null => Err(missing()),
            Kind::Array => {
                self.document.children(found).map(|it| self.text(it).ok_or_else(missing)).collect()
            }
            _ => Ok(vec![self.text(found).ok_or_else(|| RenderError::Unsafe {
                argument: path.join("."),
                reason: "it is an object",
            })?]),
        }
    }

    fn text(&self, id: NodeId) -> Option<String> {
        match self.document.kind(id) {
            Kind::String => self.document.as_str(id).map(|it| it.into_owned()),
            Kind::Number => self.document.as_number(id).map(str::to_owned),
            Kind::Bool => self.document.as_bool(id).map(|it| it.to_string()),
            Kind::Null | Kind::Array | Kind::Object => None,
        }
    }
}
