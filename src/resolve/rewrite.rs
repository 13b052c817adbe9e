//! Changes to data on its way into and out of subgraphs.

use super::paths::may_be;
use crate::{
    graphql::json::{Document, Kind, NodeId},
    plan::{Rewrite, RewriteSegment},
};

/// Applies the rewrites, in order, to a value.
pub(super) fn apply(document: &mut Document, node: NodeId, rewrites: &[Rewrite]) {
    for rewrite in rewrites {
        match rewrite {
            Rewrite::RenameKey { path, to } => {
                if let Some((RewriteSegment::Key(from), head)) = path.split_last() {
                    for object in ends(document, node, head) {
                        rename(document, object, from, to);
                    }
                }
            }
            Rewrite::SetString { path, value } => {
                for end in ends(document, node, path) {
                    let string = document.new_string(value);
                    document.replace(end, string);
                }
            }
        }
    }
}

fn rename(document: &mut Document, object: NodeId, from: &str, to: &str) {
    if let Some(value) = document.remove(object, from) {
        document.insert(object, to, value);
    }
}

/// What lies at the end of a path. A list of scalars is a value of its own.
fn ends(document: &Document, node: NodeId, path: &[RewriteSegment]) -> Vec<NodeId> {
    let mut found = Vec::new();
    collect(document, node, path, &mut found);
    found
}

fn collect(document: &Document, node: NodeId, path: &[RewriteSegment], found: &mut Vec<NodeId>) {
    let is_list_of_objects =
        || !path.is_empty() || document.children(node).any(|it| document.kind(it) == Kind::Object);
    if document.kind(node) == Kind::Array && is_list_of_objects() {
        return document.children(node).for_each(|item| collect(document, item, path, found));
    }
    match path {
        [] => found.push(node),
        [RewriteSegment::Key(key), rest @ ..] => {
            if let Some(value) = document.get(node, key) {
                collect(document, value, rest, found);
            }
        }
        [RewriteSegment::Types(types), rest @ ..] => {
            if may_be(document, node, types) {
                collect(document, node, rest, found);
            }
        }
    }
}
