//! Which path gets which answer.

use super::{cors::Verdict, endpoint, front::State, negotiation, upgrade};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use std::{net::SocketAddr, sync::Arc};

/// Every response fits one buffer.
pub(super) type Reply = Response<Full<Bytes>>;

/// Answers one request.
pub(super) async fn answer(state: &Arc<State>, peer: SocketAddr, request: Request<Incoming>) -> Reply {
    let path = request.uri().path();
    if let Some(health) = health(path, request.uri().query()) {
        return health_reply(state, health);
    }
    if is_page(state, request.method(), path, request.headers()) {
        return page_reply(state);
    }
    if path != state.options.graphql_path {
        return text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "Not found.\n");
    }
    let rules = state.options.cors.as_ref();
    match rules.map(|it| it.judge(request.method(), request.headers())) {
        Some(Verdict::Answered(reply)) => *reply,
        Some(Verdict::Go(granted)) => with_headers(graphql(state, peer, request).await, granted),
        None => graphql(state, peer, request).await,
    }
}

async fn graphql(state: &Arc<State>, peer: SocketAddr, request: Request<Incoming>) -> Reply {
    if upgrade::is_wanted(request.method(), request.headers()) {
        return upgrade::answer(state, peer, request);
    }
    endpoint::answer(state, peer, request).await
}

fn with_headers(mut reply: Reply, more: HeaderMap) -> Reply {
    for (name, value) in &more {
        reply.headers_mut().append(name, value.clone());
    }
    reply
}

/// A response with a body that is known in full.
pub(super) fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
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
