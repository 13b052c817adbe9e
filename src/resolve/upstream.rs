//! Events that are a subgraph's responses to a subscription it serves.

use super::{
    ErrorMode, ErrorPropagation, FetchError,
    answer::{Answer, Scene, Whereabouts},
    errors::Errors,
    rewrite,
};
use crate::{
    graphql::{
        self,
        json::{Document, NodeId},
    },
    plan::{Operation, UpstreamFeedField},
};
use http::StatusCode;

/// Reads one response: where the operation's data begin, and what the subgraph had to complain about.
/// `Err` when it is no response.
pub(super) fn take_in(
    document: &mut Document,
    response: NodeId,
    feed: &UpstreamFeedField,
    operation: &Operation,
    service: &str,
    policy: &ErrorPropagation,
) -> Result<(NodeId, Errors), graphql::Error> {
    let answer = Answer::of(document, response, StatusCode::OK).map_err(|error| invalid(&error))?;
    let root = match answer.data {
        Some(data) => {
            rewrite::apply(document, data, &feed.output_rewrites);
            data
        }
        None => document.new_object(),
    };
    let mut errors = Errors::default();
    if answer.has_errors() {
        if policy.mode == ErrorMode::Hidden {
            errors.push(graphql::Error::new("Unable to subscribe"));
        } else {
            // There is nothing to wrap: no request of the router's has failed.
            let policy = ErrorPropagation { mode: ErrorMode::PassThrough, ..policy.clone() };
            let scene = Scene { service, policy: &policy, projection: &operation.projection, document, root };
            let mut whereabouts = Whereabouts::of_roots([Vec::new()]);
            whereabouts.renamed_by(&feed.output_rewrites);
            scene.convert(&answer, &whereabouts, &mut errors);
        }
    }
    Ok((root, errors))
}

/// Word for word what clients of Cosmo know.
fn invalid(error: &FetchError) -> graphql::Error {
    tracing::warn!(%error, "a subgraph sent something that is no response");
    graphql::Error::new("Invalid message received")
}
