//! One request and its answer, and what counts as one.

use super::{
    body::{Encoding, collect},
    connect::Connector,
    options::SubgraphOptions,
    retry::Failure,
    upload::{self, FormBody},
};
use crate::{
    graphql::{
        FileBroken, Uploads,
        json::{Document, Kind},
    },
    resolve::{FetchAnswer, FetchError, FetchRequest},
    sources::causes,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT},
};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

pub(super) type Http = Client<Connector, RequestBody>;
/// Known in full, or a form with files as they arrive.
pub(super) type RequestBody = Either<Full<Bytes>, FormBody>;

const USER_AGENT_VALUE: HeaderValue = HeaderValue::from_static(concat!("juga/", env!("CARGO_PKG_VERSION")));
const ACCEPT_VALUE: HeaderValue =
    HeaderValue::from_static("application/graphql-response+json, application/json");
const ACCEPT_ENCODING_VALUE: HeaderValue = HeaderValue::from_static("gzip");
const CONTENT_TYPE_VALUE: HeaderValue = HeaderValue::from_static("application/json");

/// What is logged of an error that is no GraphQL response.
const SAID_BYTES_MAX: usize = 256;

/// What goes out; may go out several times. Files that its variables have tickets for travel with it, as an
/// extension.
pub(super) fn request(uri: &Uri, fetch: FetchRequest, files: Option<Arc<Uploads>>) -> Request<Bytes> {
    let mut request = Request::new(fetch.body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, CONTENT_TYPE_VALUE);
    headers.insert(ACCEPT, ACCEPT_VALUE);
    headers.insert(ACCEPT_ENCODING, ACCEPT_ENCODING_VALUE);
    headers.insert(USER_AGENT, USER_AGENT_VALUE);
    let forwarded = fetch.headers.as_deref().unwrap_or_default();
    if forwarded.iter().any(|(name, _)| name == USER_AGENT) {
        headers.remove(USER_AGENT);
    }
    for (name, value) in forwarded {
        headers.append(name, value.clone());
    }
    // What a rule says of one of them stands.
    for (name, value) in fetch.trace.as_deref().unwrap_or_default() {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if let Some(files) = files {
        request.extensions_mut().insert(files);
    }
    request
}

/// Says who we are, where nobody else's word is passed on.
pub(super) fn introduce(headers: &mut HeaderMap, authorization: Option<&HeaderValue>) {
    if let Some(authorization) = authorization {
        headers.entry(AUTHORIZATION).or_insert_with(|| authorization.clone());
    }
}

/// The request as it goes over the wire.
fn with_body(mut request: Request<Bytes>) -> Result<Request<RequestBody>, FetchError> {
    match request.extensions_mut().remove::<Arc<Uploads>>() {
        None => Ok(request.map(|it| Either::Left(Full::new(it)))),
        Some(files) => upload::attach(request, &files),
    }
}

/// Sends it once. Bounded in bytes, and in time as far as the head of the answer goes.
pub(super) async fn exchange(
    http: &Http,
    options: &SubgraphOptions,
    request: Request<Bytes>,
) -> Result<FetchAnswer, Failure> {
    let response = head(http, options.response_header_timeout, with_body(request)?).await?;
    let (status, is_json, encoding) =
        (response.status(), is_json(&response), Encoding::of(response.headers()));
    let (head, body) = response.into_parts();
    let fail = |error| Failure { error, retry_after: retry_after(&head.headers) };
    if !is_json {
        return Err(fail(match status.is_success() {
            true => FetchError::Malformed("content-type is not JSON".to_owned()),
            false => FetchError::Status(status.as_u16()),
        }));
    }
    let body = collect(body, encoding.map_err(fail)?, options.response_bytes_max).await.map_err(fail)?;
    let body = judge(status, body).map_err(fail)?;
    Ok(FetchAnswer { body, headers: Arc::new(head.headers), status })
}

async fn head(
    http: &Http,
    limit: Option<Duration>,
    request: Request<RequestBody>,
) -> Result<Response<Incoming>, FetchError> {
    let answering = http.request(request);
    let answered = match limit {
        Some(limit) => timeout(limit, answering).await.map_err(|_| FetchError::Timeout(limit))?,
        None => answering.await,
    };
    answered.map_err(|error| match is_by_file(&error) {
        true => FetchError::Files("one of them did not arrive in full"),
        false => FetchError::Unreachable(causes(&error)),
    })
}

/// Whether a request broke off because a client's file did.
fn is_by_file(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |it| it.source()).any(|it| it.is::<FileBroken>())
}

/// Seconds alone: a date would need the time of day.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A body counts as an answer if it may be one: an object; of an error status, with `data` or `errors`.
fn judge(status: StatusCode, body: Bytes) -> Result<Bytes, FetchError> {
    if status.is_success() {
        let first = body.iter().find(|it| !it.is_ascii_whitespace());
        return if first == Some(&b'{') {
            Ok(body)
        } else {
            Err(FetchError::Malformed("the body is not a JSON object".to_owned()))
        };
    }
    if is_graphql(&body) {
        return Ok(body);
    }
    let said = String::from_utf8_lossy(&body[..body.len().min(SAID_BYTES_MAX)]);
    tracing::warn!(status = status.as_u16(), %said, "a subgraph answers with an error that is no response");
    Err(FetchError::Status(status.as_u16()))
}

fn is_graphql(body: &Bytes) -> bool {
    let mut document = Document::new();
    let Ok(root) = document.parse(body.clone()) else { return false };
    let has = |key, kind| document.get(root, key).is_some_and(|it| document.kind(it) == kind);
    has("errors", Kind::Array) || has("data", Kind::Object)
}

/// `application/json`, anything `+json`, or nothing said.
fn is_json<B>(response: &Response<B>) -> bool {
    let Some(value) = response.headers().get(CONTENT_TYPE) else { return true };
    let Ok(value) = value.to_str() else { return false };
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || media.ends_with("+json")
}
