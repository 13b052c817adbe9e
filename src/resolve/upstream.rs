//! Events that are a subgraph's responses to a subscription it serves.

use super::{
    ErrorMode, ErrorPropagation, FetchError,
    answer::{Answer, Scene, Teller, Whereabouts},
    errors::{ERRORS_MAX, Errors},
    rewrite,
};
use crate::{
    graphql::{
        self,
        json::{Document, Kind, NodeId},
    },
    plan::{Operation, UpstreamFeedField},
};
use bytes::Bytes;
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
            errors.push(hidden());
        } else {
            // There is nothing to wrap: no request of the router's has failed.
            let policy = ErrorPropagation { mode: ErrorMode::PassThrough, ..policy.clone() };
            let teller = Teller { service, policy: &policy, document };
            let scene = Scene { teller, projection: &operation.projection, root };
            let mut whereabouts = Whereabouts::of_roots([Vec::new()]);
            whereabouts.renamed_by(&feed.output_rewrites);
            scene.convert(&answer, &whereabouts, &mut errors);
        }
    }
    Ok((root, errors))
}

/// What a subgraph says as it ends a subscription (a list of errors, or one, as JSON), for its subscribers.
pub fn terminal_errors(policy: &ErrorPropagation, service: &str, json: Bytes) -> graphql::Errors {
    let mut document = Document::new();
    let root = document.parse(json).ok();
    let given: Vec<NodeId> = match root.map(|it| document.kind(it)) {
        Some(Kind::Array) => root.into_iter().flat_map(|it| document.children(it)).collect(),
        Some(Kind::Object) => root.into_iter().collect(),
        _ => Vec::new(),
    };
    let teller = Teller { service, policy, document: &document };
    let told: Vec<_> = given.into_iter().take(ERRORS_MAX).map(|it| teller.template(it, None)).collect();
    match policy.mode {
        ErrorMode::Hidden => hidden().into(),
        _ if told.is_empty() => upstream_error(policy, service, "upstream service error").into(),
        _ => told.into(),
    }
}

/// An error of the router's own about a subscription at a subgraph.
pub fn upstream_error(policy: &ErrorPropagation, service: &str, message: &str) -> graphql::Error {
    let teller = Teller { service, policy, document: &Document::new() };
    teller.with_service(teller.with_code(graphql::Error::new(message)))
}

fn hidden() -> graphql::Error {
    graphql::Error::new("Unable to subscribe")
}

/// Word for word what clients of Cosmo know.
fn invalid(error: &FetchError) -> graphql::Error {
    tracing::warn!(%error, "a subgraph sent something that is no response");
    graphql::Error::new("Invalid message received")
}
