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
        json::{Document, Kind, NodeId, json_string},
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

/// What a subgraph says as it ends a subscription (a list of errors, one, or a response with errors, as JSON), for its
/// subscribers.
pub fn terminal_errors(policy: &ErrorPropagation, service: &str, json: Bytes) -> graphql::Errors {
    match policy.mode {
        ErrorMode::Hidden => hidden().into(),
        _ => {
            let told = errors_of(policy, service, json, None);
            told.unwrap_or_else(|| own_error(policy, service, LOST).into())
        }
    }
}

/// What a subgraph says of a subscription that it does not begin, if the body of its answer has errors.
pub fn refusal_errors(
    policy: &ErrorPropagation,
    service: &str,
    body: Bytes,
    status: StatusCode,
) -> Option<graphql::Errors> {
    match policy.mode {
        ErrorMode::Hidden => None,
        _ => errors_of(policy, service, body, Some(status).filter(|it| !it.is_success())),
    }
}

fn errors_of(
    policy: &ErrorPropagation,
    service: &str,
    json: Bytes,
    status: Option<StatusCode>,
) -> Option<graphql::Errors> {
    let mut document = Document::new();
    let root = document.parse(json).ok()?;
    let root = document.get(root, "errors").unwrap_or(root);
    let given: Vec<NodeId> = match document.kind(root) {
        Kind::Array => document.children(root).collect(),
        Kind::Object => vec![root],
        Kind::String => return document.as_str(root).map(|it| own_error(policy, service, &it).into()),
        _ => Vec::new(),
    };
    let teller = Teller { service, policy, document: &document };
    let told: Vec<_> = given.into_iter().take(ERRORS_MAX).map(|it| teller.template(it, status)).collect();
    (!told.is_empty()).then(|| told.into())
}

/// Why a subscription at a subgraph is over, other than by the subgraph's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamLoss {
    /// The connection broke, never stood, or was not used as agreed.
    Broken,
    /// The subgraph closed it.
    Closed { code: Option<u16>, reason: String },
    /// It answered the request for it with this status.
    Refused(StatusCode),
    /// It sent a message of more bytes than these.
    TooLong { bytes_max: usize },
}

impl UpstreamLoss {
    /// What subscribers are told, in the words that clients of Cosmo know.
    pub fn errors(&self, policy: &ErrorPropagation, service: &str) -> graphql::Errors {
        match self {
            Self::Refused(_) if policy.mode == ErrorMode::Hidden => {
                graphql::Error::new("Subscription Upgrade request failed").into()
            }
            _ if policy.mode == ErrorMode::Hidden => hidden().into(),
            Self::Refused(status) => {
                let message = format!("Subscription Upgrade request failed for Subgraph '{service}'.");
                let error = own_error(policy, service, &message);
                error.with_extension("statusCode", status.as_u16().to_string().into()).into()
            }
            Self::Broken => own_error(policy, service, LOST).into(),
            Self::TooLong { bytes_max } => {
                let bound = format!("larger than the limit of {bytes_max} bytes");
                own_error(policy, service, &format!("A message of Subgraph '{service}' is {bound}.")).into()
            }
            Self::Closed { code, reason } => {
                let mut error = own_error(policy, service, LOST);
                if let Some(code) = code {
                    error = error.with_extension("closeCode", code.to_string().into());
                }
                if !reason.is_empty() {
                    error = error.with_extension("closeReason", json_string(reason));
                }
                error.into()
            }
        }
    }
}

const LOST: &str = "upstream service error";

fn own_error(policy: &ErrorPropagation, service: &str, message: &str) -> graphql::Error {
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
