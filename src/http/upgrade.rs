//! Hands WebSockets over: answers the handshake, then gives the socket away, with TLS where it is spoken.

use super::{
    front::State,
    gateway::Upgraded,
    negotiation::Media,
    replies::{refusal, unavailable},
    reply_body::ReplyBody,
    routes::{Reply, text},
    write_timeout,
};
use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
    http::request::Parts,
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use rustls::ServerConnection;
use std::{net::IpAddr, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Whether a request asks for a WebSocket. Whether it asks correctly is the handshake's to say: of another method
/// too, if the request can mean nothing else.
pub(super) fn is_wanted(method: &Method, headers: &HeaderMap) -> bool {
    let values = headers.get_all(UPGRADE).iter().filter_map(|it| it.to_str().ok());
    let mut tokens = values.flat_map(|it| it.split(','));
    let names_it = tokens.any(|it| it.trim().eq_ignore_ascii_case("websocket"));
    names_it && (method == Method::GET || headers.contains_key(SEC_WEBSOCKET_KEY))
}

/// Answers an opening handshake and, when it holds, hands the socket over once the answer is written.
pub(super) fn answer(state: &Arc<State>, client: IpAddr, mut request: Request<Incoming>) -> Reply {
    if !state.options.websocket_enabled {
        state.counters.count(&state.counters.upgrades_refused);
        let message = "WebSockets are turned off here.";
        return refusal(StatusCode::BAD_REQUEST, Media::Json, message, "WEBSOCKET_DISABLED");
    }
    if !state.gateway.accepts_connections() {
        state.counters.count(&state.counters.connections_refused);
        let message = "The router has as many connections as it may have; try again.";
        let code = "CONNECTION_LIMIT_EXCEEDED";
        return unavailable(refusal(StatusCode::SERVICE_UNAVAILABLE, Media::Json, message, code));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let (head, _) = request.into_parts();
    match state.gateway.handshake(&head) {
        Ok(reply) => {
            let protocol = reply.headers().get(SEC_WEBSOCKET_PROTOCOL);
            let protocol = protocol.and_then(|it| it.to_str().ok()).map(str::to_owned);
            tokio::spawn(hand_over(Arc::clone(state), upgrade, head, protocol, client));
            reply.map(|()| ReplyBody::default())
        }
        Err(reply) => {
            state.counters.count(&state.counters.upgrades_refused);
            let (head, body) = reply.into_parts();
            let mut reply = text(head.status, "text/plain; charset=utf-8", body);
            reply.headers_mut().extend(head.headers);
            reply
        }
    }
}

/// Waits until the answer is written, which ends the HTTP connection, and gives the socket away.
async fn hand_over(
    state: Arc<State>,
    upgrade: OnUpgrade,
    head: Parts,
    protocol: Option<String>,
    client: IpAddr,
) {
    let Some(Socket { socket, tls, read }) = socket(upgrade).await else {
        // The client left before it had its answer.
        return state.counters.count(&state.counters.upgrades_failed);
    };
    write_timeout::end(&socket);
    state.counters.count(&state.counters.upgrades);
    state.gateway.adopt(Upgraded { socket, tls, read, protocol, head, client });
}

/// What was under HTTP.
struct Socket {
    socket: std::net::TcpStream,
    tls: Option<ServerConnection>,
    read: Bytes,
}

async fn socket(upgrade: OnUpgrade) -> Option<Socket> {
    let upgraded = match upgrade.await.ok()?.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            let socket = parts.io.into_inner().into_std().ok()?;
            return Some(Socket { socket, tls: None, read: parts.read_buf });
        }
        Err(upgraded) => upgraded,
    };
    let parts = upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>().ok()?;
    let (socket, tls) = parts.io.into_inner().into_inner();
    Some(Socket { socket: socket.into_std().ok()?, tls: Some(tls), read: parts.read_buf })
}
