//! The GraphQL endpoint: GraphQL over HTTP by POST and GET.
//!
//! Status codes follow the media type: with `application/graphql-response+json` a request that cannot be
//! executed is a 400, with `application/json` a 200 as older clients expect. What is no GraphQL request
//! at all (broken JSON, no query) is a 400 with both.

use super::{
    body::{self, BodyError},
    front::State,
    gateway::{Answer, Context, Method as GraphqlMethod},
    negotiation::{self, Media},
    routes::{Reply, method_not_allowed, text},
};
use crate::graphql::{Error, Request as GraphqlRequest, json::Document, request_error_response};
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{CONNECTION, HeaderValue, RETRY_AFTER, VARY},
};
use std::{net::SocketAddr, sync::Arc};

/// Answers a request to the GraphQL path that does not ask for a WebSocket.
pub(super) async fn answer(state: &State, peer: SocketAddr, request: Request<Incoming>) -> Reply {
    let method = match *request.method() {
        Method::GET => GraphqlMethod::Get,
        Method::POST => GraphqlMethod::Post,
        _ => {
            let reply = refusal(StatusCode::METHOD_NOT_ALLOWED, Media::Json, "Use GET or POST.", METHOD);
            return method_not_allowed(reply, "GET, POST");
        }
    };
    let Some(media) = negotiation::response_media(request.headers()) else {
        return refusal(StatusCode::NOT_ACCEPTABLE, Media::Json, NOT_ACCEPTABLE, "NOT_ACCEPTABLE");
    };
    let (head, body) = request.into_parts();
    let parsed = match method {
        GraphqlMethod::Get => parse_query(head.uri.query()),
        GraphqlMethod::Post => match parse_body(state, media, &head.headers, body).await {
            Ok(parsed) => parsed,
            Err(refusal) => return *refusal,
        },
    };
    match parsed {
        Ok(parsed) => {
            let context = Context { method, headers: Arc::new(head.headers), peer };
            let answer = state.gateway.execute(parsed, context).await;
            reply(answer, method, media)
        }
        Err(error) => error_reply(StatusCode::BAD_REQUEST, media, error),
    }
}

const METHOD: &str = "METHOD_NOT_ALLOWED";
const NOT_ACCEPTABLE: &str =
    "This endpoint answers with application/graphql-response+json or application/json.";
const UNSUPPORTED: &str = "The body must be JSON in UTF-8: send `Content-Type: application/json`.";
const BUSY: &str = "The router cannot take this request now; try again.";
const NEEDS_STREAMING: &str = "A subscription needs a connection that stays open: use a WebSocket on this \
                               path with the subprotocol graphql-transport-ws or graphql-ws.";

fn parse_query(query: Option<&str>) -> Result<GraphqlRequest, Error> {
    GraphqlRequest::from_query(query.unwrap_or_default(), &mut Document::new())
}

/// The request in a body; `Err` when there is no body to look at.
async fn parse_body(
    state: &State,
    media: Media,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Result<GraphqlRequest, Error>, Box<Reply>> {
    if !negotiation::has_json_body(headers) {
        let code = "UNSUPPORTED_MEDIA_TYPE";
        return Err(Box::new(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, media, UNSUPPORTED, code)));
    }
    let (bytes_max, timeout) = (state.options.max_request_body_size, state.options.body_read_timeout);
    match body::read(body, bytes_max, &state.bodies, timeout).await {
        Ok(body) => Ok(GraphqlRequest::parse(body.bytes.clone(), &mut Document::new())),
        Err(error) => Err(Box::new(body_refusal(state, error, media))),
    }
}

fn reply(answer: Answer, method: GraphqlMethod, media: Media) -> Reply {
    match answer {
        Answer::Executed { body, headers } => {
            let mut reply = vary(text(StatusCode::OK, media.content_type(), body));
            reply.headers_mut().extend(headers);
            reply
        }
        Answer::RequestError(body) => {
            let status = match media {
                Media::GraphqlResponse => StatusCode::BAD_REQUEST,
                Media::Json => StatusCode::OK,
            };
            vary(text(status, media.content_type(), body))
        }
        Answer::Unavailable => {
            unavailable(refusal(StatusCode::SERVICE_UNAVAILABLE, media, BUSY, "SERVICE_UNAVAILABLE"))
        }
        Answer::NeedsPost => {
            let message = "Mutations need POST: a GET must not change anything.";
            method_not_allowed(refusal(StatusCode::METHOD_NOT_ALLOWED, media, message, METHOD), "POST")
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

fn body_refusal(state: &State, error: BodyError, media: Media) -> Reply {
    let (status, message, code) = match error {
        BodyError::NoRoom => {
            state.counters.count(&state.counters.bodies_refused);
            (StatusCode::SERVICE_UNAVAILABLE, BUSY.into(), "SERVICE_UNAVAILABLE")
        }
        BodyError::TooLarge => {
            let bytes_max = state.options.max_request_body_size;
            let message = format!("The body is larger than the limit of {bytes_max} bytes.");
            (StatusCode::PAYLOAD_TOO_LARGE, message, "PAYLOAD_TOO_LARGE")
        }
        BodyError::TooSlow => {
            (StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.".into(), "REQUEST_TIMEOUT")
        }
        BodyError::Broken => {
            (StatusCode::BAD_REQUEST, "The body broke off.".into(), crate::graphql::BAD_REQUEST)
        }
    };
    let mut reply = refusal(status, media, &message, code);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        reply = unavailable(reply);
    }
    // What is left of the body is not worth reading.
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    reply
}

/// A response with one error and a status of its own.
pub(super) fn refusal(status: StatusCode, media: Media, message: &str, code: &'static str) -> Reply {
    error_reply(status, media, Error::new(message).with_code(code))
}

/// A `503` that says when to come again.
pub(super) fn unavailable(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    reply
}

fn error_reply(status: StatusCode, media: Media, error: Error) -> Reply {
    vary(text(status, media.content_type(), request_error_response(&[error])))
}

/// Caches must keep the two media types apart.
fn vary(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    reply
}
