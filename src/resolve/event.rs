//! What an event must be like before it can stand in the data.

use super::errors::INVALID_GRAPHQL;
use crate::{
    graphql::{
        self,
        json::{Document, Kind, NodeId},
    },
    plan::{EventFeedField, TypeNames},
};

/// Puts an event into the data under its field's key; the root of the data.
pub(super) fn put_under_key(
    document: &mut Document,
    event: NodeId,
    feed: &EventFeedField,
) -> Result<NodeId, graphql::Error> {
    if let Some(name) = check(document, event, feed)? {
        add_typename(document, event, name);
    }
    let root = document.new_object();
    document.insert(root, &feed.key, event);
    Ok(root)
}

/// The type that an event has without saying so, if it may stand in the data at all.
pub(super) fn check<'a>(
    document: &Document,
    event: NodeId,
    feed: &'a EventFeedField,
) -> Result<Option<&'a str>, graphql::Error> {
    if document.kind(event) != Kind::Object {
        return Err(graphql::Error::new("Invalid message received"));
    }
    untold_typename(document, event, &feed.possible, feed.is_abstract, &feed.graph)
}

/// Sees to it that an object from a broker says which type it has, and has one that it may have.
///
/// A missing `__typename` is filled in where there is only one it can be.
pub(super) fn check_typename(
    document: &mut Document,
    object: NodeId,
    possible: &TypeNames,
    is_abstract: bool,
    graph: &str,
) -> Result<(), graphql::Error> {
    if let Some(name) = untold_typename(document, object, possible, is_abstract, graph)? {
        add_typename(document, object, name);
    }
    Ok(())
}

fn add_typename(document: &mut Document, object: NodeId, name: &str) {
    let name = document.new_string(name);
    document.insert(object, "__typename", name);
}

/// The `__typename` that an object leaves out because there is only one it can be; `None` when it has a right one.
fn untold_typename<'a>(
    document: &Document,
    object: NodeId,
    possible: &'a TypeNames,
    is_abstract: bool,
    graph: &str,
) -> Result<Option<&'a str>, graphql::Error> {
    let given = document.get(object, "__typename").filter(|it| !document.is_null(*it));
    let shown = match given {
        None => match possible.only() {
            Some(name) if !is_abstract => return Ok(Some(name)),
            _ => String::new(),
        },
        Some(given) => match document.as_str(given) {
            Some(name) if possible.contains(&name) => return Ok(None),
            Some(name) => name.into_owned(),
            None => String::from_utf8_lossy(document.raw(given).unwrap_or_default()).into_owned(),
        },
    };
    let message = format!("Subgraph '{graph}' returned invalid value '{shown}' for __typename field.");
    Err(graphql::Error::new(message).with_code(INVALID_GRAPHQL))
}
