//! Which path gets which answer.

use super::{
    access::REQUEST_ID,
    coding,
    cors::Verdict,
    endpoint,
    front::State,
    host, negotiation,
    proxies::Caller,
    replies::{add_headers, closing},
    reply_body::ReplyBody,
    upgrade,
};
use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use std::{net::IpAddr, sync::Arc};

pub(super) type Reply = Response<ReplyBody>;

/// Answers one request, compressed if that is wanted.
pub(super) async fn answer(state: &Arc<State>, caller: Caller, request: Request<Incoming>) -> Reply {
    let coding = negotiation::response_coding(request.headers());
    let reply = route(state, &caller, request).await;
    coding::compress(reply, coding, state.options.compression_bytes_min, &state.encoders).await
}

async fn route(state: &Arc<State>, caller: &Caller, request: Request<Incoming>) -> Reply {
    if let Some(refused) = refused_head(state, &request) {
        return counted(state, refused);
    }
    let path = request.uri().path();
    if let Some(health) = health(path, request.uri().query()) {
        return health_reply(state, health);
    }
    if is_page(state, request.method(), path, request.headers()) {
        return page_reply(state);
    }
    let reply = if path == state.options.graphql_path {
        at_graphql_path(state, caller, request).await
    } else {
        text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "Not found.\n")
    };
    counted(state, reply)
}

fn counted(state: &State, reply: Reply) -> Reply {
    state.counters.answered.count(reply.status());
    reply
}

fn refused_head(state: &State, request: &Request<Incoming>) -> Option<Reply> {
    let reply = if head_bytes(request) > state.options.head_bytes_max {
        head_too_large()
    } else if !host::is_named(request) {
        host_missing()
    } else {
        return None;
    };
    state.counters.count(&state.counters.heads_refused);
    Some(reply)
}

async fn at_graphql_path(state: &Arc<State>, caller: &Caller, request: Request<Incoming>) -> Reply {
    let id = state.request_ids.of(request.headers());
    let rules = state.options.cors.as_ref();
    let mut reply = match rules.map(|it| it.judge(request.method(), request.headers(), caller)) {
        Some(Verdict::Answered(reply)) => {
            if upgrade::is_wanted(request.method(), request.headers()) {
                state.counters.count(&state.counters.upgrades_refused);
            }
            *reply
        }
        Some(Verdict::Go(granted)) => {
            with_headers(graphql(state, caller.address, &id, request).await, granted)
        }
        None => graphql(state, caller.address, &id, request).await,
    };
    reply.headers_mut().insert(REQUEST_ID, id);
    reply
}

/// A request's head as it was on the wire, give or take blanks. The HTTP library's own bound is that of its
/// buffer, which grows in steps.
fn head_bytes(request: &Request<Incoming>) -> usize {
    let uri = request.uri().path_and_query().map_or(1, |it| it.as_str().len());
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.method().as_str().len() + uri + " HTTP/1.1\r\n \r\n".len() + fields.sum::<usize>()
}

fn head_too_large() -> Reply {
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    closing(text(status, "text/plain; charset=utf-8", "The request's head is too large.\n"))
}

fn host_missing() -> Reply {
    let message = "The request needs one `Host` header, with a name and perhaps a port.\n";
    closing(text(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", message))
}

async fn graphql(state: &Arc<State>, client: IpAddr, id: &HeaderValue, request: Request<Incoming>) -> Reply {
    if upgrade::is_wanted(request.method(), request.headers()) {
        return upgrade::answer(state, client, request);
    }
    endpoint::answer(state, client, id, request).await
}

fn with_headers(mut reply: Reply, more: HeaderMap) -> Reply {
    add_headers(&mut reply, &more);
    reply
}

/// A response with a body that is known in full.
pub(super) fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into().into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Live,
    Ready,
}

/// Also takes the spellings of other routers, so that existing probes need no change: a query of `ready`
/// and the path `/readiness`.
fn health(path: &str, query: Option<&str>) -> Option<Health> {
    match path {
        "/health" if query == Some("ready") => Some(Health::Ready),
        "/health" | "/health/live" => Some(Health::Live),
        "/health/ready" | "/readiness" => Some(Health::Ready),
        _ => None,
    }
}

fn health_reply(state: &State, health: Health) -> Reply {
    let is_up = match health {
        Health::Live => state.gateway.is_live(),
        Health::Ready => state.gateway.is_ready(),
    };
    let (status, body) = if is_up {
        (StatusCode::OK, "{\"status\":\"UP\"}")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "{\"status\":\"DOWN\"}")
    };
    let mut reply = text(status, "application/json; charset=utf-8", body);
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// The page is at `/`. Where that is the GraphQL path too, browsers are told apart by what they accept.
fn is_page(state: &State, method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let is_ours = path != state.options.graphql_path || negotiation::names_html(headers);
    state.page.is_some() && is_read && path == "/" && is_ours
}

fn page_reply(state: &State) -> Reply {
    let page = state.page.clone().unwrap_or_default();
    let mut reply = text(StatusCode::OK, "text/html; charset=utf-8", page);
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("content-security-policy", HeaderValue::from_static(super::page::POLICY));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    reply
}

/// A `405` that says what would do.
pub(super) fn method_not_allowed(mut reply: Reply, allow: &'static str) -> Reply {
    *reply.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}
