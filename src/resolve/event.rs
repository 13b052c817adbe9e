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
    if document.kind(event) != Kind::Object {
        return Err(graphql::Error::new("Invalid message received"));
    }
    check_typename(document, event, &feed.possible, feed.is_abstract, &feed.graph)?;
    let root = document.new_object();
    document.insert(root, &feed.key, event);
    Ok(root)
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
    let given = document.get(object, "__typename").filter(|it| !document.is_null(*it));
    let shown = match given {
        None => match possible.only() {
            Some(name) if !is_abstract => {
                let name = document.new_string(name);
                document.insert(object, "__typename", name);
                return Ok(());
            }
            _ => String::new(),
        },
        Some(given) => match document.as_str(given) {
            Some(name) if possible.contains(&name) => return Ok(()),
            Some(name) => name.into_owned(),
            None => String::from_utf8_lossy(document.raw(given).unwrap_or_default()).into_owned(),
        },
    };
    let message = format!("Subgraph '{graph}' returned invalid value '{shown}' for __typename field.");
    Err(graphql::Error::new(message).with_code(INVALID_GRAPHQL))
}
