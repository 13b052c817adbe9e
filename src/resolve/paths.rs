//! Finding places: the objects that a plan's path leads to, and where in the response they will be.

use crate::{
    graphql::{
        self,
        json::{Document, Kind, NodeId},
    },
    plan::{Field, FieldSource, PathSegment, Projection, SelectionSet, TypeNames, ValueType},
};
use smallvec::SmallVec;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// A place in the data: canonical keys and list positions.
pub(super) type Path = Vec<graphql::PathSegment>;

/// Collects the objects that `path` leads to, in document order.
pub(super) fn targets(document: &Document, root: NodeId, path: &[PathSegment], out: &mut Vec<NodeId>) {
    let mut walk =
        Walk { document, check_types: true, at: SmallVec::new(), visit: |node, _: &[_]| out.push(node) };
    walk.go(root, path);
}

/// The paths of those objects among `wanted` that `path` leads to.
pub(super) fn locate(
    document: &Document,
    root: NodeId,
    path: &[PathSegment],
    wanted: &HashSet<NodeId>,
    out: &mut HashMap<NodeId, Path>,
) {
    let visit = |node, at: &[Crumb<'_>]| {
        if wanted.contains(&node) {
            out.insert(node, at.iter().map(|it| it.to_segment()).collect());
        }
    };
    // Types were checked when the objects were found, and merging may have changed them since.
    Walk { document, check_types: false, at: SmallVec::new(), visit }.go(root, path);
}

/// Whether an object may count as one of these types: one that does not say what it is does.
pub(super) fn may_be(document: &Document, object: NodeId, types: &TypeNames) -> bool {
    match document.get(object, "__typename").and_then(|it| document.as_str(it)) {
        Some(name) => types.contains(&name),
        None => true,
    }
}

#[derive(Clone, Copy)]
enum Crumb<'p> {
    Key(&'p Arc<str>),
    Index(usize),
}

impl Crumb<'_> {
    fn to_segment(self) -> graphql::PathSegment {
        match self {
            Self::Key(key) => graphql::PathSegment::Key(key.clone()),
            Self::Index(index) => graphql::PathSegment::Index(index),
        }
    }
}

struct Walk<'a, F> {
    document: &'a Document,
    check_types: bool,
    at: SmallVec<[Crumb<'a>; 8]>,
    visit: F,
}

impl<'a, F: FnMut(NodeId, &[Crumb<'a>])> Walk<'a, F> {
    fn go(&mut self, node: NodeId, path: &'a [PathSegment]) {
        match self.document.kind(node) {
            Kind::Array => self.go_through_list(node, path),
            Kind::Object => self.go_into_object(node, path),
            _ => {}
        }
    }

    fn go_through_list(&mut self, list: NodeId, path: &'a [PathSegment]) {
        let rest = match path {
            [PathSegment::List, rest @ ..] => rest,
            _ => path,
        };
        for (index, item) in self.document.children(list).enumerate() {
            self.at.push(Crumb::Index(index));
            self.go(item, rest);
            self.at.pop();
        }
    }

    fn go_into_object(&mut self, object: NodeId, path: &'a [PathSegment]) {
        match path {
            [] => (self.visit)(object, &self.at),
            [PathSegment::Key(key), rest @ ..] => {
                if let Some(value) = self.document.get(object, key) {
                    self.at.push(Crumb::Key(key));
                    self.go(value, rest);
                    self.at.pop();
                }
            }
            [PathSegment::Types(types), rest @ ..] => {
                if !self.check_types || may_be(self.document, object, types) {
                    self.go(object, rest);
                }
            }
            [PathSegment::List, ..] => {}
        }
    }
}

/// The longest path that all paths begin with.
pub(super) fn common_prefix<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Path {
    let mut paths = paths.into_iter();
    let mut prefix = paths.next().cloned().unwrap_or_default();
    for path in paths {
        let same = prefix.iter().zip(path).take_while(|(a, b)| a == b).count();
        prefix.truncate(same);
    }
    prefix
}

/// Where a place in the data comes out in the response: canonical keys become the client's. The first of
/// [`client_paths`].
pub(super) fn client_path(
    projection: &Projection,
    document: &Document,
    root: NodeId,
    path: &[graphql::PathSegment],
) -> Path {
    client_paths(projection, document, root, path, 1).pop().unwrap_or_default()
}

/// Every place of the response that shows a place in the data, under each of its names, `max` at most: there is at least
/// one. A name that shows what is around it alone counts where that is null. Where nothing shows it, the place
/// ends with what the client sees of the way.
pub(super) fn client_paths(
    projection: &Projection,
    document: &Document,
    root: NodeId,
    path: &[graphql::PathSegment],
    max: usize,
) -> Vec<Path> {
    let mut search = Search { document, max, at: Path::new(), found: Vec::new(), longest: Path::new() };
    search.go(Shape::Object(&projection.root), Some(root), path);
    if search.found.is_empty() { vec![search.longest] } else { search.found }
}

/// Follows a path in the data through all that shows it.
struct Search<'a> {
    document: &'a Document,
    max: usize,
    /// The way so far, as the client sees it.
    at: Path,
    found: Vec<Path>,
    longest: Path,
}

impl Search<'_> {
    fn go(&mut self, shape: Shape<'_>, node: Option<NodeId>, path: &[graphql::PathSegment]) {
        if self.found.len() >= self.max {
            return;
        }
        let document = self.document;
        match (path, shape) {
            ([], _) => self.found.push(self.at.clone()),
            ([graphql::PathSegment::Key(key), rest @ ..], Shape::Object(selection)) => {
                let below = node.and_then(|it| document.get(it, key));
                let mut is_shown = false;
                for (field, value) in fields_of(selection, key, node, document) {
                    is_shown = true;
                    self.at.push(graphql::PathSegment::Key(field.key.clone()));
                    self.go(Shape::of(value), below, rest);
                    self.at.pop();
                }
                if !is_shown {
                    self.end(node);
                }
            }
            ([segment @ graphql::PathSegment::Index(index), rest @ ..], Shape::List(item)) => {
                let below = node.and_then(|it| document.children(it).nth(*index));
                self.at.push(segment.clone());
                self.go(Shape::of(item), below, rest);
                self.at.pop();
            }
            _ => self.end(node),
        }
    }

    /// The client sees no more of the path here.
    fn end(&mut self, node: Option<NodeId>) {
        if !self.at.is_empty() && node.is_none_or(|it| self.document.is_null(it)) {
            self.found.push(self.at.clone());
        } else if self.at.len() > self.longest.len() {
            self.longest = self.at.clone();
        }
    }
}

/// What a path can go on with.
#[derive(Clone, Copy)]
enum Shape<'p> {
    Object(&'p SelectionSet),
    List(&'p ValueType),
    Leaf,
}

impl<'p> Shape<'p> {
    fn of(value: &'p ValueType) -> Self {
        match value {
            ValueType::NonNull(inner) => Self::of(inner),
            ValueType::List(item) => Self::List(item),
            ValueType::Object { selection, .. } => Self::Object(selection),
            ValueType::Leaf(_) => Self::Leaf,
        }
    }
}

/// The fields that show what lies under a canonical key of this object.
fn fields_of<'p>(
    selection: &'p SelectionSet,
    key: &str,
    object: Option<NodeId>,
    document: &Document,
) -> impl Iterator<Item = (&'p Field, &'p ValueType)> {
    selection.fields.iter().filter_map(move |field| match &field.source {
        FieldSource::Data { source, value, .. } if **source == *key => {
            let shown = match (&field.types, object) {
                (Some(types), Some(object)) => may_be(document, object, types),
                _ => true,
            };
            shown.then_some((field, value))
        }
        _ => None,
    })
}
