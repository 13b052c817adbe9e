//! What an event must be like before it can stand in the data.

use super::errors::INVALID_GRAPHQL;
use crate::{
    graphql::{
        self,
        json::{Document, NodeId},
    },
    plan::TypeNames,
};

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
