//! `POST /admin/publish/{subject}?provider=ID`: puts an event into a memory provider.

use super::{
    reply::{Reply, json_error, text},
    state::{PublishError, State},
};
use crate::graphql::{self, BadPart, json::Document, percent_decoded};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{Request, StatusCode, body::Incoming, header::CONTENT_TYPE};
use std::{borrow::Cow, time::Duration};

/// Bytes of an event.
const EVENT_BYTES_MAX: usize = 1024 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers `202` with the event's position once the provider has it.
pub(super) async fn answer(state: &dyn State, subject: String, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let (subject, provider) = match (percent_decoded(&subject), provider(head.uri.query())) {
        (Ok(subject), Ok(provider)) => (subject, provider),
        (Err(bad), _) => return json_error(StatusCode::BAD_REQUEST, &format!("The subject {bad}.")),
        (_, Err(bad)) => return json_error(StatusCode::BAD_REQUEST, &format!("The provider {bad}.")),
    };
    if let Some(reason) = refused_subject(&subject) {
        return json_error(StatusCode::BAD_REQUEST, reason);
    }
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !is_json(content_type) {
        return json_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send `Content-Type: application/json`.");
    }
    let payload = match read(body).await {
        Ok(payload) => payload,
        Err(reply) => return reply,
    };
    if let Err(error) = graphql::Request::parse_json(payload.clone(), &mut Document::new()) {
        return json_error(StatusCode::BAD_REQUEST, &error.message);
    }
    match state.publish(&provider, &subject, payload).await {
        Ok(published) => {
            let body = format!("{{\"position\":{}}}\n", published.position);
            text(StatusCode::ACCEPTED, "application/json; charset=utf-8", body)
        }
        Err(PublishError::UnknownProvider) => {
            let message = format!("There is no memory provider `{provider}`.");
            json_error(StatusCode::NOT_FOUND, &message)
        }
        Err(PublishError::BadSubject(reason)) => json_error(StatusCode::BAD_REQUEST, &reason),
        Err(PublishError::Unavailable) => {
            json_error(StatusCode::SERVICE_UNAVAILABLE, "The provider takes no messages now; try again.")
        }
    }
}

async fn read(body: Incoming) -> Result<Bytes, Reply> {
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, EVENT_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(json_error(StatusCode::PAYLOAD_TOO_LARGE, "An event has at most 1 MiB."))
        }
        Ok(Err(_)) => Err(json_error(StatusCode::BAD_REQUEST, "The body broke off.")),
        Err(_) => Err(json_error(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.")),
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"))
}

/// The `provider` parameter; `default` when it is absent.
fn provider(query: Option<&str>) -> Result<Cow<'_, str>, BadPart> {
    let mut parameters = query.unwrap_or_default().split('&').filter_map(|it| it.split_once('='));
    match parameters.find(|(name, _)| *name == "provider") {
        Some((_, value)) => percent_decoded(value),
        None => Ok("default".into()),
    }
}

/// What is wrong with a subject, which must name one place and match nothing else.
fn refused_subject(subject: &str) -> Option<&'static str> {
    if subject.is_empty() || subject.split('.').any(str::is_empty) {
        return Some("A subject has no empty parts.");
    }
    if subject.contains(['*', '>']) {
        return Some("Events are published to one subject: `*` and `>` are for those who listen.");
    }
    let is_bad = |c: char| c.is_whitespace() || c.is_control();
    subject.contains(is_bad).then_some("A subject has no blanks or control characters.")
}
