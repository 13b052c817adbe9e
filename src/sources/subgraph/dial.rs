//! WebSockets to subgraphs: connects, shakes hands, and gives the bare socket away.

use crate::{net::websocket::client::Opening, plan::HeaderList, sources::causes};
use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{HOST, USER_AGENT},
};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};

/// Where to, and what to say.
#[derive(Clone, Debug)]
pub struct Dial {
    /// `ws`.
    pub uri: Uri,
    /// Beyond those of the handshake.
    pub headers: Option<HeaderList>,
    /// Subprotocols on offer, the preferred one first.
    pub protocols: &'static [&'static str],
    /// From the look-up of the name to the end of the handshake.
    pub timeout: Duration,
}

/// A socket that speaks WebSocket from its next byte on.
#[derive(Debug)]
pub struct Dialed {
    /// Non-blocking, with `TCP_NODELAY`.
    pub socket: std::net::TcpStream,
    /// What the subgraph sent behind its answer.
    pub read: Bytes,
    /// Of those on offer.
    pub protocol: &'static str,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The subgraph answered, and did not switch protocols.
    #[error("the upgrade was refused with status {0}")]
    Refused(StatusCode),
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no connection within {0:?}")]
    Timeout(Duration),
}

/// Opens a WebSocket. To be called on the io runtime.
pub(super) async fn dial(dial: Dial) -> Result<Dialed, DialError> {
    let limit = dial.timeout;
    timeout(limit, open(dial)).await.unwrap_or(Err(DialError::Timeout(limit)))
}

async fn open(dial: Dial) -> Result<Dialed, DialError> {
    if dial.uri.scheme_str() != Some("ws") {
        return Err(DialError::Unreachable("TLS to a subgraph's WebSocket is not available yet".to_owned()));
    }
    let lost = |error: &dyn std::error::Error| DialError::Unreachable(causes(error));
    let host = dial.uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let address = (host, dial.uri.port_u16().unwrap_or(80));
    let socket = TcpStream::connect(address).await.map_err(|error| lost(&error))?;
    socket.set_nodelay(true).map_err(|error| lost(&error))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
    let (mut sender, connection) = handshake.map_err(|error| lost(&error))?;
    // It ends by itself: with the upgrade, or when `sender` is dropped.
    tokio::spawn(connection.with_upgrades());
    let opening = Opening::new(dial.protocols);
    let mut answer = sender.send_request(request(&dial, &opening)).await.map_err(|error| lost(&error))?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(DialError::Refused(answer.status()));
    }
    let protocol = opening
        .check(answer.status(), answer.headers())
        .map_err(|reason| DialError::Unreachable(reason.to_owned()))?;
    let upgraded = hyper::upgrade::on(&mut answer).await.map_err(|error| lost(&error))?;
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().expect("the socket that was put in");
    let socket = parts.io.into_inner().into_std().map_err(|error| lost(&error))?;
    Ok(Dialed { socket, read: parts.read_buf, protocol })
}

fn request(dial: &Dial, opening: &Opening) -> Request<Empty<Bytes>> {
    let target = dial.uri.path_and_query().map_or("/", |it| it.as_str());
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = target.parse().expect("a part of a URI is one");
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("juga/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in dial.headers.iter().flat_map(|it| it.iter()) {
        headers.append(name, value.clone());
    }
    headers.extend(opening.headers());
    let host = dial.uri.authority().map_or("", |it| it.as_str());
    headers.insert(HOST, HeaderValue::from_str(host).expect("an authority is a header value"));
    request
}
