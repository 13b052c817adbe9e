//! JSON as slices: a document is a flat table of nodes that point into the bytes they came from.
//!
//! Events and subgraph answers are parsed into one [`Document`], merged by relinking nodes and written
//! out by copying slices, so no string, number or key is ever decoded on the way from a broker to a
//! client. A document is reused: [`Document::clear`] keeps its tables, so the steady state allocates
//! nothing. What the values *mean* (types, nullability) is left to whoever reads them.
//!
//! Follows RFC 8259. Where names repeat within an object the last one counts, as in JavaScript.

mod parse;
mod strings;

#[cfg(test)]
mod tests;

pub use strings::{json_string, write_string};

use bytes::Bytes;
use parse::Parser;
use std::{borrow::Cow, fmt};
use strings::unescape;

/// A node of one [`Document`]. Only meaningful for the document that gave it out, until `clear`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(u32);

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// Why bytes are not JSON, and where (byte offset).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct ParseError {
    pub offset: usize,
    pub reason: &'static str,
}

/// Nesting beyond which [`Document::parse`] refuses: deep enough for every real payload, shallow enough
/// that walking it recursively fits any thread's stack ([`STACK_BYTES`]).
pub const DEPTH_MAX: usize = 1000;

/// What [`ParseError::reason`] says of deeper nesting.
pub const TOO_DEEP: &str = "nested deeper than 1000 levels";

/// Stack of threads that read or walk JSON. Unoptimised builds take most: up to 4 KiB for a level.
pub const STACK_BYTES: usize = 8 * 1024 * 1024;

const NONE: u32 = u32::MAX;
/// The buffer of text made here rather than parsed.
const OWN: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slice {
    buffer: u32,
    start: u32,
    end: u32,
}

const EMPTY: Slice = Slice { buffer: OWN, start: 0, end: 0 };

#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    /// The name within the parent object, unescaped.
    key: Slice,
    /// A scalar as it was written, quotes included.
    text: Slice,
    first: u32,
    last: u32,
    next: u32,
}

/// A set of JSON values and the bytes they point into.
#[derive(Default)]
pub struct Document {
    buffers: Vec<Bytes>,
    own: Vec<u8>,
    nodes: Vec<Node>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("nodes", &self.nodes.len())
            .field("buffers", &self.buffers.len())
            .finish()
    }
}

impl Clone for Document {
    fn clone(&self) -> Self {
        Self { buffers: self.buffers.clone(), own: self.own.clone(), nodes: self.nodes.clone() }
    }

    /// Copies the tables into the capacity at hand and shares the buffers: ids of `source` mean the same
    /// here.
    fn clone_from(&mut self, source: &Self) {
        self.buffers.clone_from(&source.buffers);
        self.own.clone_from(&source.own);
        self.nodes.clone_from(&source.nodes);
    }
}

impl Document {
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that the tables occupy, used or not; what they point into is not counted.
    pub fn capacity(&self) -> usize {
        self.own.capacity()
            + self.nodes.capacity() * size_of::<Node>()
            + self.buffers.capacity() * size_of::<Bytes>()
    }

    /// Forgets every value and buffer and keeps the capacity.
    pub fn clear(&mut self) {
        self.buffers.clear();
        self.own.clear();
        self.nodes.clear();
    }

    /// Adds the one JSON value that `bytes` holds. Nothing is kept of bytes that do not parse.
    pub fn parse(&mut self, bytes: Bytes) -> Result<NodeId, ParseError> {
        if bytes.len() >= NONE as usize {
            return Err(ParseError { offset: 0, reason: "document larger than 4 GiB" });
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| ParseError { offset: error.valid_up_to(), reason: "invalid UTF-8" })?;
        let nodes = self.nodes.len();
        let own = self.own.len();
        let buffer = u32::try_from(self.buffers.len()).expect("fewer than 2^32 buffers");
        let mut parser =
            Parser { text: text.as_bytes(), at: 0, buffer, nodes: &mut self.nodes, own: &mut self.own };
        match parser.document() {
            Ok(root) => {
                self.buffers.push(bytes);
                Ok(root)
            }
            Err(error) => {
                self.nodes.truncate(nodes);
                self.own.truncate(own);
                Err(error)
            }
        }
    }

    pub fn kind(&self, id: NodeId) -> Kind {
        self.node(id).kind
    }

    pub fn is_null(&self, id: NodeId) -> bool {
        self.kind(id) == Kind::Null
    }

    /// A scalar as it was written (strings with their quotes); `None` for arrays and objects, which
    /// [`Document::write`] spells out.
    pub fn raw(&self, id: NodeId) -> Option<&[u8]> {
        let node = self.node(id);
        (!matches!(node.kind, Kind::Array | Kind::Object)).then(|| self.slice(node.text))
    }

    /// A string's value, unescaped.
    pub fn as_str(&self, id: NodeId) -> Option<Cow<'_, str>> {
        let node = self.node(id);
        if node.kind != Kind::String {
            return None;
        }
        let raw = self.slice(node.text);
        let inner = std::str::from_utf8(&raw[1..raw.len() - 1]).expect("parsed as UTF-8");
        Some(if inner.contains('\\') { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) })
    }

    /// A number as it was written.
    pub fn as_number(&self, id: NodeId) -> Option<&str> {
        let node = self.node(id);
        (node.kind == Kind::Number)
            .then(|| std::str::from_utf8(self.slice(node.text)).expect("numbers are ASCII"))
    }

    pub fn as_bool(&self, id: NodeId) -> Option<bool> {
        let node = self.node(id);
        (node.kind == Kind::Bool).then(|| self.slice(node.text) == b"true")
    }

    /// The items of an array or the values of an object, in order; nothing for a scalar.
    pub fn children(&self, id: NodeId) -> Children<'_> {
        Children { document: self, next: self.node(id).first }
    }

    /// Names and values of an object, in order.
    pub fn entries(&self, id: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
        self.children(id).map(|child| (self.key(child), child))
    }

    /// The name of a node within its object.
    pub fn key(&self, id: NodeId) -> &str {
        std::str::from_utf8(self.slice(self.node(id).key)).expect("keys are UTF-8")
    }

    pub fn len(&self, id: NodeId) -> usize {
        self.children(id).count()
    }

    /// Whether a container has no items.
    pub fn is_empty(&self, id: NodeId) -> bool {
        self.node(id).first == NONE
    }

    /// A member of an object by name; `None` when it is absent or `id` is no object.
    pub fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        if self.kind(id) != Kind::Object {
            return None;
        }
        self.children(id).filter(|child| self.slice(self.node(*child).key) == key.as_bytes()).last()
    }

    /// Follows names downwards from `id`.
    pub fn get_path<'k>(&self, id: NodeId, path: impl IntoIterator<Item = &'k str>) -> Option<NodeId> {
        path.into_iter().try_fold(id, |at, key| self.get(at, key))
    }

    /// Appends the value as compact JSON: scalars as they were written, blanks between them left out.
    pub fn write(&self, id: NodeId, out: &mut Vec<u8>) {
        let node = self.node(id);
        let (open, close) = match node.kind {
            Kind::Object => (b'{', b'}'),
            Kind::Array => (b'[', b']'),
            _ => return out.extend_from_slice(self.slice(node.text)),
        };
        out.push(open);
        for (index, child) in self.children(id).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            if node.kind == Kind::Object {
                write_string(self.key(child), out);
                out.push(b':');
            }
            self.write(child, out);
        }
        out.push(close);
    }

    /// A new `null`.
    pub fn new_null(&mut self) -> NodeId {
        self.new_text(Kind::Null, b"null")
    }

    /// A new `true` or `false`.
    pub fn new_bool(&mut self, value: bool) -> NodeId {
        self.new_text(Kind::Bool, if value { b"true" } else { b"false" })
    }

    /// A new, empty object.
    pub fn new_object(&mut self) -> NodeId {
        self.push(Node { kind: Kind::Object, ..LEAF })
    }

    /// A new, empty array.
    pub fn new_array(&mut self) -> NodeId {
        self.push(Node { kind: Kind::Array, ..LEAF })
    }

    /// A new string.
    pub fn new_string(&mut self, value: &str) -> NodeId {
        let start = self.own.len();
        write_string(value, &mut self.own);
        let text = own_slice(start, self.own.len());
        self.push(Node { kind: Kind::String, text, ..LEAF })
    }

    fn new_text(&mut self, kind: Kind, text: &[u8]) -> NodeId {
        let text = self.keep(text);
        self.push(Node { kind, text, ..LEAF })
    }

    /// Puts a node into an object under `key`, in place of whatever had that name.
    ///
    /// A node belongs to one parent: hand in one that is fresh, or a [`Document::copy`].
    pub fn insert(&mut self, object: NodeId, key: &str, value: NodeId) {
        debug_assert_eq!(self.kind(object), Kind::Object);
        self.remove(object, key);
        let key = self.keep(key.as_bytes());
        self.node_mut(value).key = key;
        self.link_last(object, value);
    }

    /// Puts a node at the end of an array. See [`Document::insert`] on parents.
    pub fn append(&mut self, array: NodeId, value: NodeId) {
        debug_assert_eq!(self.kind(array), Kind::Array);
        self.link_last(array, value);
    }

    /// Takes a member out of an object; the node can be inserted elsewhere.
    pub fn remove(&mut self, object: NodeId, key: &str) -> Option<NodeId> {
        let found = self.get(object, key)?;
        let before = self.children(object).take_while(|child| *child != found).last();
        let after = self.node(found).next;
        match before {
            Some(before) => self.node_mut(before).next = after,
            None => self.node_mut(object).first = after,
        }
        if after == NONE {
            self.node_mut(object).last = before.map_or(NONE, |it| it.0);
        }
        self.node_mut(found).next = NONE;
        Some(found)
    }

    /// Makes `target` hold what `source` holds. The two share children afterwards: give up `source`.
    pub fn replace(&mut self, target: NodeId, source: NodeId) {
        let Node { kind, text, first, last, .. } = *self.node(source);
        let node = self.node_mut(target);
        (node.kind, node.text, node.first, node.last) = (kind, text, first, last);
    }

    /// A deep copy, without a parent.
    pub fn copy(&mut self, id: NodeId) -> NodeId {
        let node = *self.node(id);
        let copy = self.push(Node { first: NONE, last: NONE, next: NONE, key: EMPTY, ..node });
        let mut child = node.first;
        while child != NONE {
            let Node { key, next, .. } = self.nodes[child as usize];
            let child_copy = self.copy(NodeId(child));
            self.node_mut(child_copy).key = key;
            self.link_last(copy, child_copy);
            child = next;
        }
        copy
    }

    /// Deep merge of `source` into `target`: `null` changes nothing, objects merge by name, lists by
    /// position, anything else replaces. Gives up `source`.
    pub fn merge(&mut self, target: NodeId, source: NodeId) {
        match (self.kind(target), self.kind(source)) {
            (_, Kind::Null) => {}
            (Kind::Object, Kind::Object) => {
                let mut child = self.node(source).first;
                while child != NONE {
                    let next = self.nodes[child as usize].next;
                    self.merge_member(target, NodeId(child));
                    child = next;
                }
            }
            (Kind::Array, Kind::Array) => {
                let (mut to, mut from) = (self.node(target).first, self.node(source).first);
                while to != NONE && from != NONE {
                    let next = (self.nodes[to as usize].next, self.nodes[from as usize].next);
                    self.merge(NodeId(to), NodeId(from));
                    (to, from) = next;
                }
            }
            _ => self.replace(target, source),
        }
    }

    fn merge_member(&mut self, object: NodeId, member: NodeId) {
        let key = self.node(member).key;
        // The last twin, as in `get`: merging into another one would be lost.
        let twin =
            self.children(object).filter(|it| self.slice(self.node(*it).key) == self.slice(key)).last();
        match twin {
            Some(twin) => self.merge(twin, member),
            None => {
                self.node_mut(member).next = NONE;
                self.link_last(object, member);
            }
        }
    }

    fn link_last(&mut self, parent: NodeId, child: NodeId) {
        let last = self.node(parent).last;
        match last {
            NONE => self.node_mut(parent).first = child.0,
            last => self.nodes[last as usize].next = child.0,
        }
        self.node_mut(parent).last = child.0;
    }

    fn keep(&mut self, text: &[u8]) -> Slice {
        let start = self.own.len();
        self.own.extend_from_slice(text);
        own_slice(start, self.own.len())
    }

    fn push(&mut self, node: Node) -> NodeId {
        push(&mut self.nodes, node)
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    fn slice(&self, slice: Slice) -> &[u8] {
        let buffer =
            if slice.buffer == OWN { &self.own[..] } else { &self.buffers[slice.buffer as usize][..] };
        &buffer[slice.start as usize..slice.end as usize]
    }
}

/// The children of a node, in order.
pub struct Children<'a> {
    document: &'a Document,
    next: u32,
}

impl Iterator for Children<'_> {
    type Item = NodeId;

    fn next(&mut self) -> Option<NodeId> {
        if self.next == NONE {
            return None;
        }
        let id = NodeId(self.next);
        self.next = self.document.node(id).next;
        Some(id)
    }
}

const LEAF: Node = Node { kind: Kind::Null, key: EMPTY, text: EMPTY, first: NONE, last: NONE, next: NONE };

fn push(nodes: &mut Vec<Node>, node: Node) -> NodeId {
    let id = u32::try_from(nodes.len()).expect("fewer than 2^32 nodes");
    nodes.push(node);
    NodeId(id)
}

fn own_slice(start: usize, end: usize) -> Slice {
    Slice { buffer: OWN, start: start as u32, end: end as u32 }
}
