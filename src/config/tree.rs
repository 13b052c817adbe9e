//! A configuration file as a tree in which every node knows where it stands.
//!
//! Knows YAML and nothing of keys or types. Duplicate keys, tags, merge keys and second documents are
//! findings here; anchors and aliases are put in place.

use super::finding::{Findings, Origin, Place};
use serde_saphyr::granit_parser::{Event, Options as ParserOptions, Parser, ScalarStyle, ScanError, Span};
use std::collections::HashMap;

/// Nodes that a file may unfold to: aliases of aliases must not fill the memory.
const NODES_MAX: usize = 100_000;
/// Sections and lists within each other; whoever walks the tree does it by recursion.
const DEPTH_MAX: usize = 64;

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// `quoted` tells an empty text from nothing.
    Scalar {
        text: String,
        quoted: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Could not be expanded; the finding is there already.
    Broken,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    pub(crate) node: Node,
}

impl Node {
    pub(crate) fn scalar(text: impl Into<String>, origin: Origin) -> Self {
        Self { origin, value: Value::Scalar { text: text.into(), quoted: true } }
    }

    pub(crate) fn list_of_scalars(items: &[&str], origin: &Origin) -> Self {
        let items = items.iter().map(|it| Self::scalar(*it, origin.clone())).collect();
        Self { origin: origin.clone(), value: Value::List(items) }
    }

    pub(crate) fn empty_map() -> Self {
        Self { origin: Origin::Fallback, value: Value::Map(Vec::new()) }
    }

    /// Whether the key is there but has no value: `key:`, `~` or `null`.
    pub(crate) fn is_nothing(&self) -> bool {
        match &self.value {
            Value::Scalar { text, quoted } => {
                !quoted && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|it| it.name == name),
            _ => None,
        }
    }

    pub(crate) fn entry_mut(&mut self, name: &str) -> Option<&mut Entry> {
        match &mut self.value {
            Value::Map(entries) => entries.iter_mut().find(|it| it.name == name),
            _ => None,
        }
    }

    /// Takes a key out of a section.
    pub(crate) fn take(&mut self, name: &str) -> Option<Entry> {
        let Value::Map(entries) = &mut self.value else { return None };
        let index = entries.iter().position(|it| it.name == name)?;
        Some(entries.remove(index))
    }

    /// Whether both hold the same, wherever they stand.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Scalar { text, .. }, Value::Scalar { text: theirs, .. }) => text == theirs,
            (Value::List(ours), Value::List(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(it, other)| it.is_same(other))
            }
            _ => false,
        }
    }

    /// The node at a path of plain keys, to be changed.
    pub(crate) fn at_mut(&mut self, path: &str) -> Option<&mut Self> {
        path.split('.').try_fold(self, |node, name| node.entry_mut(name).map(|it| &mut it.node))
    }

    /// The node at a path such as `events.providers.nats[1].url`.
    pub(crate) fn at(&self, path: &str) -> Option<&Self> {
        self.follow(path).1
    }

    /// Where a path points to, or else the nearest of its parents that is there.
    pub(crate) fn nearest_origin(&self, path: &str) -> Origin {
        self.follow(path).0
    }

    fn follow(&self, path: &str) -> (Origin, Option<&Self>) {
        let (mut node, mut origin) = (self, self.origin.clone());
        for step in path.split(['.', '[']).filter(|it| !it.is_empty()) {
            let next = match step.strip_suffix(']').map(str::parse::<usize>) {
                Some(index) => node.item(index.unwrap_or(usize::MAX)).map(|it| (it, it.origin.clone())),
                None => node.entry(step).map(|it| (&it.node, it.place())),
            };
            match next {
                Some((next, place)) => (node, origin) = (next, place),
                None => return (origin, None),
            }
        }
        (origin, Some(node))
    }

    fn item(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Value::List(items) => items.get(index),
            _ => None,
        }
    }

    /// What it is, for a message that expected something else.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            _ if self.is_nothing() => "nothing".to_owned(),
            Value::Scalar { text, .. } => format!("`{text}`"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a section".to_owned(),
            Value::Broken => "nothing that can be read".to_owned(),
        }
    }

    /// Levels below it.
    fn height(&self) -> usize {
        match &self.value {
            Value::Scalar { .. } | Value::Broken => 0,
            Value::List(items) => items.iter().map(|it| 1 + it.height()).max().unwrap_or(0),
            Value::Map(entries) => entries.iter().map(|it| 1 + it.node.height()).max().unwrap_or(0),
        }
    }

    /// Values in it, itself included; a key counts as one.
    fn count(&self) -> usize {
        1 + match &self.value {
            Value::Scalar { .. } | Value::Broken => 0,
            Value::List(items) => items.iter().map(Self::count).sum(),
            Value::Map(entries) => entries.iter().map(|it| 1 + it.node.count()).sum(),
        }
    }
}

impl Entry {
    /// A scalar stands where its value is; a section or list where its key is.
    fn place(&self) -> Origin {
        match &self.node.value {
            Value::Scalar { .. } if !self.node.is_nothing() => self.node.origin.clone(),
            _ if matches!(self.node.origin, Origin::File(_)) => self.origin.clone(),
            _ => self.node.origin.clone(),
        }
    }
}

/// Reads one document, the file with this number. An empty file is an empty map. `None` when it is no YAML; the
/// finding says why.
pub(crate) fn parse(text: &str, file: usize, findings: &mut Findings) -> Option<Node> {
    let mut options = ParserOptions::default();
    // Comments as events are buffered, and bounded: a long stretch of them would be no YAML.
    options.set_emit_comments(false);
    let events = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder { events, file, anchors: HashMap::new(), nodes: 0, depth: 0, findings };
    match builder.document() {
        Ok(node) => Some(node),
        Err(Stop::Syntax(error)) => {
            let marker = error.marker();
            let origin =
                Origin::File(Place { file, line: marker.line(), column: marker.col() + 1, width: 1 });
            let unquoted =
                text.lines().nth(origin.line().saturating_sub(1)).is_some_and(|it| it.contains("${"));
            let finding = findings.add(origin, "", format!("this is not valid YAML: {}", error.info()));
            if unquoted {
                finding.help("within `{ }` and `[ ]`, `${…}` needs quotes");
            }
            None
        }
        Err(Stop::Refused) => None,
    }
}

/// Why reading cannot go on.
enum Stop {
    Syntax(ScanError),
    /// A finding says why.
    Refused,
}

struct Builder<'t, 'f> {
    events: Parser<'t, serde_saphyr::granit_parser::StrInput<'t>>,
    file: usize,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    depth: usize,
    findings: &'f mut Findings,
}

impl<'t> Builder<'t, '_> {
    fn document(&mut self) -> Result<Node, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    let origin = self.start_of(&span);
                    self.findings.add(origin, "", "a configuration is one YAML document");
                    return Err(Stop::Refused);
                }
                event => root = Some(self.node(event, &span)?),
            }
        }
        Ok(match root {
            Some(node) if !node.is_nothing() => node,
            _ => Node { origin: Origin::File(Place::start_of(self.file)), value: Value::Map(Vec::new()) },
        })
    }

    /// The next event that is no comment.
    fn next(&mut self) -> Result<(Event<'t>, Span), Stop> {
        loop {
            match self.events.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(next)) => return Ok(next),
                Some(Err(error)) => return Err(Stop::Syntax(error)),
                None => return Ok((Event::StreamEnd, Span::default())),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: &Span) -> Result<Node, Stop> {
        self.nodes += 1;
        self.depth += 1;
        self.check_size(span)?;
        if let Some(tag) = event.tag().filter(|it| !it.is_yaml_core_schema()) {
            let origin = span.tag_span().map_or_else(|| self.start_of(span), |it| self.whole(&it));
            self.findings.add(origin, "", format!("tags such as `{}` mean nothing here", tag.original()));
        }
        let anchor = event.anchor_id();
        let node = match event {
            Event::Scalar(text, style, ..) => Node {
                origin: self.whole(span),
                value: Value::Scalar { text: text.into_owned(), quoted: style != ScalarStyle::Plain },
            },
            Event::SequenceStart(..) => {
                Node { origin: self.start_of(span), value: Value::List(self.items()?) }
            }
            Event::MappingStart(..) => {
                Node { origin: self.start_of(span), value: Value::Map(self.entries()?) }
            }
            Event::Alias(id) => self.alias(id, span)?,
            _ => return self.refuse(span, "a value was expected here"),
        };
        self.depth -= 1;
        if let Some(id) = anchor {
            self.anchors.insert(id, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<Node, Stop> {
        let Some(node) = self.anchors.get(&id).cloned() else {
            return self.refuse(span, "this alias stands within its own anchor");
        };
        self.nodes += node.count();
        self.depth += node.height();
        self.check_size(span)?;
        self.depth -= node.height();
        Ok(node)
    }

    fn items(&mut self) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, &span)?),
            }
        }
    }

    fn entries(&mut self) -> Result<Vec<Entry>, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let key = self.node(event, &span)?;
            let (event, value_span) = self.next()?;
            let node = self.node(event, &value_span)?;
            let Value::Scalar { text: name, .. } = key.value else {
                self.findings.add(key.origin, "", "a key must be a name");
                continue;
            };
            match entries.iter().find(|it| it.name == name) {
                Some(first) => {
                    let message = format!("the key `{name}` is given twice");
                    let line = first.origin.line();
                    self.findings.add(key.origin, "", message).help(format!("first given in line {line}"));
                }
                None if name == "<<" => {
                    self.findings.add(key.origin, "", "merge keys (`<<`) are not supported");
                }
                None => entries.push(Entry { name, origin: key.origin, node }),
            }
        }
    }

    fn check_size(&mut self, span: &Span) -> Result<(), Stop> {
        if self.nodes > NODES_MAX {
            return self.refuse(span, &format!("the file unfolds to more than {NODES_MAX} values"));
        }
        if self.depth > DEPTH_MAX {
            return self.refuse(span, &format!("values nest deeper than {DEPTH_MAX} levels"));
        }
        Ok(())
    }

    fn refuse<T>(&mut self, span: &Span, message: &str) -> Result<T, Stop> {
        let origin = self.start_of(span);
        self.findings.add(origin, "", message);
        Err(Stop::Refused)
    }

    fn start_of(&self, span: &Span) -> Origin {
        self.place(span, 1)
    }

    /// The span, as far as it lies in one line.
    fn whole(&self, span: &Span) -> Origin {
        let one_line = span.start.line() == span.end.line();
        let width = if one_line { span.end.col().saturating_sub(span.start.col()).max(1) } else { 1 };
        self.place(span, width)
    }

    fn place(&self, span: &Span, width: usize) -> Origin {
        let (file, line, column) = (self.file, span.start.line(), span.start.col() + 1);
        Origin::File(Place { file, line, column, width })
    }
}
