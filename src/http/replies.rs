//! Answers of the GraphQL endpoint, from outcome to status line: which status, which headers, which body.
//!
//! Status codes follow the media type: with `application/graphql-response+json` a request that cannot be
//! executed is a 400, with `application/json` a 200 as older clients expect. What is no GraphQL request
//! at all (broken JSON, no query) is a 400 with both. In a stream everything that became of an operation is a
//! result on a 200: browsers show nothing else of it to the page.

use super::{
    body::BodyError,
    front::State,
    gateway::{Answer, Method as GraphqlMethod},
    negotiation::{Form, Media},
    reply_body::ReplyBody,
    routes::{Reply, method_not_allowed, text},
};
use crate::{
    graphql::{
        BAD_REQUEST, Error, PERSISTED_QUERY_NOT_SUPPORTED, null_data_response, request_error_response,
    },
    protocol::StreamFormat,
};
use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, VARY},
};

/// The code of what a method cannot do.
pub(super) const METHOD: &str = "METHOD_NOT_ALLOWED";
const UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";
const BUSY: &str = "The router cannot take this request now; try again.";
const NEEDS_POST: &str = "Mutations need POST: a GET must not change anything.";
const NEEDS_STREAMING: &str = "A subscription has more than one result: accept text/event-stream or \
                               multipart/mixed, or use a WebSocket on this path with the subprotocol \
                               graphql-transport-ws or graphql-ws.";

/// The answer to one operation.
pub(super) fn of_answer(answer: Answer, method: GraphqlMethod, form: Form) -> Reply {
    let media = form.media();
    match answer {
        Answer::Executed { body, headers } => {
            let mut reply = match form.stream_of_one() {
                Some(format) => of_one_result(format, &body),
                None => of_body(StatusCode::OK, media, body),
            };
            add_headers(&mut reply, &headers);
            reply
        }
        Answer::Stream { format, updates } => streamed(format, ReplyBody::streamed(updates)),
        Answer::RequestError(body) if let Some(format) = form.stream_of_one() => of_one_result(format, &body),
        Answer::RequestError(body) => {
            let status = match media {
                Media::GraphqlResponse => StatusCode::BAD_REQUEST,
                Media::Json => StatusCode::OK,
            };
            of_body(status, media, body)
        }
        Answer::Unavailable => {
            unavailable(refusal(StatusCode::SERVICE_UNAVAILABLE, media, BUSY, UNAVAILABLE))
        }
        Answer::NeedsPost => {
            method_not_allowed(refusal(StatusCode::METHOD_NOT_ALLOWED, media, NEEDS_POST, METHOD), "POST")
        }
        // By GET it is the method that does not fit this kind of operation, by POST the media type.
        Answer::NeedsStreaming if method == GraphqlMethod::Get => method_not_allowed(
            refusal(StatusCode::METHOD_NOT_ALLOWED, media, NEEDS_STREAMING, METHOD),
            "POST",
        ),
        Answer::NeedsStreaming => {
            refusal(StatusCode::NOT_ACCEPTABLE, media, NEEDS_STREAMING, "SUBSCRIPTION_NEEDS_STREAMING")
        }
    }
}

/// The body of an answer that shares its response with others. Headers for its client are dropped: those of
/// several answers have no common meaning.
pub(super) fn entry_of_answer(answer: Answer, subscription_error: impl FnOnce() -> Error) -> Bytes {
    let error = match answer {
        Answer::Executed { body, .. } | Answer::RequestError(body) => return body,
        Answer::Unavailable => Error::new(BUSY).with_code(UNAVAILABLE),
        Answer::NeedsPost => Error::new(NEEDS_POST).with_code(METHOD),
        Answer::NeedsStreaming | Answer::Stream { .. } => subscription_error(),
    };
    request_error_response(&[error])
}

/// The answer to a body that could not be had.
pub(super) fn of_body_error(state: &State, error: BodyError, media: Media) -> Reply {
    let (status, message, code) = match error {
        BodyError::NoRoom => {
            state.counters.count(&state.counters.bodies_refused);
            (StatusCode::SERVICE_UNAVAILABLE, BUSY.into(), UNAVAILABLE)
        }
        BodyError::TooLarge => {
            let bytes_max = state.options.max_request_body_size;
            let message = format!("The body is larger than the limit of {bytes_max} bytes.");
            (StatusCode::PAYLOAD_TOO_LARGE, message, "PAYLOAD_TOO_LARGE")
        }
        BodyError::TooSlow => {
            (StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.".into(), "REQUEST_TIMEOUT")
        }
        BodyError::Broken => (StatusCode::BAD_REQUEST, "The body broke off.".into(), BAD_REQUEST),
        BodyError::NotInItsCoding => {
            let message = "The body is not in the coding that `Content-Encoding` says.";
            (StatusCode::BAD_REQUEST, message.into(), BAD_REQUEST)
        }
    };
    let mut reply = refusal(status, media, &message, code);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        reply = unavailable(reply);
    }
    closing(reply)
}

/// The last answer on its connection: what is left of the body is not worth reading.
pub(super) fn closing(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// A response with one error and a status of its own.
pub(super) fn refusal(status: StatusCode, media: Media, message: &str, code: &'static str) -> Reply {
    of_error(status, media, Error::new(message).with_code(code))
}

/// The answer to a request that the router itself failed.
pub(super) fn of_panic() -> Reply {
    let body = null_data_response(&[Error::internal()]);
    closing(of_body(StatusCode::INTERNAL_SERVER_ERROR, Media::Json, body))
}

/// A `503` that says when to come again.
pub(super) fn unavailable(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

/// The answer to a body or a query string that is no request.
pub(super) fn of_no_request(form: Form, error: Error) -> Reply {
    if error.code != Some(PERSISTED_QUERY_NOT_SUPPORTED) {
        return of_error(StatusCode::BAD_REQUEST, form.media(), error);
    }
    // Nothing is wrong: the client asks whether it may do without the text. Caches must not remember.
    let body = request_error_response(&[error]);
    let mut reply = match form.stream_of_one() {
        Some(format) => of_one_result(format, &body),
        None => of_body(StatusCode::OK, form.media(), body),
    };
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

pub(super) fn of_error(status: StatusCode, media: Media, error: Error) -> Reply {
    of_body(status, media, request_error_response(&[error]))
}

/// Adds headers to a reply that has some of its own: those stand, except that `Vary` becomes the list of all.
pub(super) fn add_headers(reply: &mut Reply, more: &HeaderMap) {
    let headers = reply.headers_mut();
    let adds = |headers: &HeaderMap, name: &HeaderName| name == VARY || !headers.contains_key(name);
    let names: Vec<_> = more.keys().filter(|it| adds(headers, it)).collect();
    for name in names {
        for value in more.get_all(name) {
            let is_there = name == VARY && headers.get_all(name).iter().any(|it| it == value);
            if !is_there {
                headers.append(name, value.clone());
            }
        }
    }
}

/// A stream of one result, known in full.
fn of_one_result(format: StreamFormat, response: &[u8]) -> Reply {
    let mut body = Vec::new();
    format.write_opening(&mut body);
    format.write_result(response, &mut body);
    format.write_complete(&mut body);
    streamed(format, Bytes::from(body).into())
}

/// Caches and proxies have to let every piece through at once.
fn streamed(format: StreamFormat, body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    reply
}

/// Caches must keep the two media types apart.
pub(super) fn of_body(status: StatusCode, media: Media, body: Bytes) -> Reply {
    let mut reply = text(status, media.content_type(), body);
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    reply
}
