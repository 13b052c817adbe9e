//! Writes the response: the data that was asked for, in the client's order and under its names, copied
//! from the document as slices.
//!
//! A null where none may be takes its parent with it (GraphQL specification, section 6.4.4): what the
//! parent had written is cut off again. One error tells of it, unless a subgraph's error already does.

use super::{
    errors::{Errors, Explained, INVALID_GRAPHQL, REQUIRED_FIELD_MISSING},
    lacking::Lacking,
    leaf,
};
use crate::{
    graphql::{
        self, PathSegment,
        json::{Document, Kind, NodeId, write_string},
    },
    plan::{FieldSource, Leaf, Projection, SelectionSet, TypeNames, ValueType},
};
use std::sync::Arc;

/// Everything that is known when the response is written.
#[derive(Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) document: &'a Document,
    pub(super) root: Root<'a>,
    pub(super) lacking: &'a Lacking,
}

/// What the data is made of.
#[derive(Clone, Copy)]
pub(super) enum Root<'a> {
    Object(NodeId),
    /// It would be an object of one member, and is not made for that alone.
    Member {
        key: &'a str,
        value: NodeId,
        /// The type of the value, where it leaves out its own.
        typename: Option<&'a str>,
    },
}

/// Appends `data` and adds what is wrong with it to `errors`, which so far are those of subgraphs.
pub(super) fn write_data(
    projection: &Projection,
    Data { document, root, lacking }: Data<'_>,
    errors: &mut Errors,
    out: &mut Vec<u8>,
) {
    let explained = errors.explained();
    let untold = match root {
        Root::Member { value, typename, .. } => typename.map(|it| (value, it)),
        Root::Object(_) => None,
    };
    let root_type = &projection.root_type;
    let mut writer = Writer { document, lacking, untold, root_type, explained, errors, out };
    let written = writer.object(&projection.root, &projection.root_type, root, None);
    if written != Outcome::Written {
        out.extend_from_slice(b"null");
    }
}

/// The field is in the schema, and no plan leads to it.
const UNREACHABLE: &str = "UNREACHABLE_FIELD";

/// What became of a value. Unless written, nothing was appended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Written,
    /// There is no value.
    Null,
    /// There is none that can be shown, and an error says so.
    Failed,
}

/// A place in the response, linked upwards so that walking down allocates nothing.
struct Place<'p> {
    parent: Option<&'p Self>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Key(&'p Arc<str>),
    Index(usize),
}

struct Writer<'a> {
    document: &'a Document,
    lacking: &'a Lacking,
    /// An object that leaves out its type, and which it is.
    untold: Option<(NodeId, &'a str)>,
    root_type: &'a str,
    explained: Explained,
    errors: &'a mut Errors,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn object(
        &mut self,
        selection: &SelectionSet,
        typename: &str,
        object: Root<'_>,
        place: Option<&Place<'_>>,
    ) -> Outcome {
        let start = self.out.len();
        self.out.push(b'{');
        for field in &selection.fields {
            if field.types.as_ref().is_some_and(|it| !it.contains(typename)) {
                continue;
            }
            if self.out.len() > start + 1 {
                self.out.push(b',');
            }
            write_name(&field.key, self.out);
            match &field.source {
                FieldSource::Typename => write_string(typename, self.out),
                FieldSource::Unreachable { nullable } => {
                    let at = Place { parent: place, step: Step::Key(&field.key) };
                    self.unreachable(&at);
                    if !nullable {
                        self.out.truncate(start);
                        return Outcome::Failed;
                    }
                    self.out.extend_from_slice(b"null");
                }
                FieldSource::Data { source, value, .. } => {
                    let at = Place { parent: place, step: Step::Key(&field.key) };
                    let node = match object {
                        Root::Object(object) => self.document.get(object, source),
                        Root::Member { key, value, .. } => (**source == *key).then_some(value),
                    };
                    let lacks = match (node, object) {
                        (None, Root::Object(object)) => self.lacks(object, source, &at),
                        _ => false,
                    };
                    if !self.field(value, node, lacks, &at) {
                        self.out.truncate(start);
                        return Outcome::Failed;
                    }
                }
            }
        }
        self.out.push(b'}');
        Outcome::Written
    }

    /// As [`Self::member`], for a field; one that is lacking has its error already.
    fn field(&mut self, ty: &ValueType, node: Option<NodeId>, lacks: bool, place: &Place<'_>) -> bool {
        match ty {
            ValueType::NonNull(_) if lacks => false,
            _ => self.member(ty, node, place),
        }
    }

    /// Reports a field that could not be asked for, unless an error explains it.
    fn lacks(&mut self, object: NodeId, source: &str, place: &Place<'_>) -> bool {
        let lacking = self.lacking;
        let Some(reason) = lacking.reason(object, source) else { return false };
        if !self.errors.is_full() && self.explained.contains(&place.path()) {
            return false;
        }
        self.report(place, |field| {
            graphql::Error::new(format!("Cannot resolve field '{field}': {reason}."))
                .with_code(REQUIRED_FIELD_MISSING)
        });
        true
    }

    /// Appends a field's or item's value, `null` if need be; `false` when null cannot stand there.
    fn member(&mut self, ty: &ValueType, node: Option<NodeId>, place: &Place<'_>) -> bool {
        let written = self.value(ty, node, place) == Outcome::Written;
        if !written && !matches!(ty, ValueType::NonNull(_)) {
            self.out.extend_from_slice(b"null");
            return true;
        }
        written
    }

    fn value(&mut self, ty: &ValueType, node: Option<NodeId>, place: &Place<'_>) -> Outcome {
        if let ValueType::NonNull(inner) = ty {
            let outcome = self.value(inner, node, place);
            return if outcome == Outcome::Null { self.null_where_none_may_be(place) } else { outcome };
        }
        let Some(node) = node.filter(|it| !self.document.is_null(*it)) else { return Outcome::Null };
        match ty {
            ValueType::NonNull(_) => unreachable!("handled above"),
            ValueType::List(item) => self.list(item, node, place),
            ValueType::Leaf(leaf) => self.leaf(leaf, node, place),
            ValueType::Object { name, possible, selection } => {
                self.composite(name, possible, selection, node, place)
            }
        }
    }

    fn list(&mut self, item: &ValueType, node: NodeId, place: &Place<'_>) -> Outcome {
        if self.document.kind(node) != Kind::Array {
            return self.invalid(place, "a list");
        }
        let start = self.out.len();
        self.out.push(b'[');
        for (index, child) in self.document.children(node).enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let at = Place { parent: Some(place), step: Step::Index(index) };
            if !self.member(item, Some(child), &at) {
                self.out.truncate(start);
                return Outcome::Failed;
            }
        }
        self.out.push(b']');
        Outcome::Written
    }

    fn leaf(&mut self, leaf: &Leaf, node: NodeId, place: &Place<'_>) -> Outcome {
        if leaf::write(self.document, node, leaf, self.out) {
            return Outcome::Written;
        }
        self.invalid(
            place,
            match leaf {
                Leaf::Int => "an Int",
                Leaf::Float => "a Float",
                Leaf::String => "a String",
                Leaf::Boolean => "a Boolean",
                Leaf::Id => "an ID",
                Leaf::Enum(_) => "a value of its enum",
                Leaf::Custom => "a value of its type",
            },
        )
    }

    fn composite(
        &mut self,
        name: &str,
        possible: &TypeNames,
        selection: &SelectionSet,
        node: NodeId,
        place: &Place<'_>,
    ) -> Outcome {
        if self.document.kind(node) != Kind::Object {
            return self.invalid(place, "an object");
        }
        if let Some(only) = possible.only().filter(|it| ***it == *name) {
            return self.object(selection, only, Root::Object(node), Some(place));
        }
        let given = self.document.get(node, "__typename").and_then(|it| self.document.as_str(it));
        let untold = self.untold.filter(|(it, _)| *it == node).map(|(_, name)| name);
        match given.as_deref().or(untold).or(possible.only().map(|it| &**it)) {
            // An interface object may answer with the interface's name.
            Some(typename) if possible.contains(typename) || typename == name => {
                self.object(selection, typename, Root::Object(node), Some(place))
            }
            None if selection.fields.iter().all(|it| it.types.is_none() && !is_typename(&it.source)) => {
                self.object(selection, name, Root::Object(node), Some(place))
            }
            _ => self.invalid(place, "an object of a type that it may have"),
        }
    }

    fn null_where_none_may_be(&mut self, place: &Place<'_>) -> Outcome {
        if !self.errors.is_full() && self.explained.contains(&place.path()) {
            return Outcome::Failed;
        }
        self.report(place, |field| {
            graphql::Error::new(format!("Cannot return null for non-nullable field '{field}'."))
        })
    }

    fn unreachable(&mut self, place: &Place<'_>) {
        self.report(place, |field| {
            graphql::Error::new(format!(
                "Field '{field}' cannot be reached: no subgraph that has it can be asked for it here."
            ))
            .with_code(UNREACHABLE)
        });
    }

    fn invalid(&mut self, place: &Place<'_>, expected: &str) -> Outcome {
        self.report(place, |field| {
            graphql::Error::new(format!("Value of field '{field}' is not {expected}."))
                .with_code(INVALID_GRAPHQL)
        })
    }

    fn report(&mut self, place: &Place<'_>, error: impl FnOnce(&str) -> graphql::Error) -> Outcome {
        if self.errors.is_full() {
            self.errors.dropped += 1;
            return Outcome::Failed;
        }
        let path = place.path();
        let mut field = self.root_type.to_owned();
        for segment in &path {
            if let PathSegment::Key(key) = segment {
                field.push('.');
                field.push_str(key);
            }
        }
        self.errors.push(error(&field).with_path(path));
        Outcome::Failed
    }
}

/// Appends the key of a member. Names of GraphQL hold nothing that JSON would escape.
fn write_name(name: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn is_typename(source: &FieldSource) -> bool {
    matches!(source, FieldSource::Typename)
}

impl Place<'_> {
    fn path(&self) -> Vec<PathSegment> {
        let mut path = self.parent.map_or_else(Vec::new, Place::path);
        path.push(match self.step {
            Step::Key(key) => PathSegment::Key(key.clone()),
            Step::Index(index) => PathSegment::Index(index),
        });
        path
    }
}
