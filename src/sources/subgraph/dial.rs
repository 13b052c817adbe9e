//! WebSockets to subgraphs: connects, shakes hands, and gives the socket away, with TLS where it is spoken.

use super::{
    attempts::Subgraph,
    body::{Encoding, collect},
    connect::{explained, server_name},
    exchange::introduce,
};
use crate::{
    net::{credentials::Credentials, websocket::client::Opening},
    plan::{HeaderList, SubgraphId},
    sources::causes,
};
use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{HOST, USER_AGENT},
};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::{error::Error, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::ClientConnection};

/// What is read of a subgraph's reason for not switching protocols.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

/// Where to, and what to say.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Whose TLS options hold.
    pub subgraph: SubgraphId,
    /// `ws` or `wss`.
    pub uri: Uri,
    /// Beyond those of the handshake.
    pub headers: Option<HeaderList>,
    /// Subprotocols on offer, the preferred one first.
    pub protocols: &'static [&'static str],
    /// From the look-up of the name to the end of the handshakes.
    pub timeout: Duration,
}

/// A socket that speaks WebSocket from its next byte on.
#[derive(Debug)]
pub struct Dialed {
    /// Non-blocking, with `TCP_NODELAY`.
    pub socket: std::net::TcpStream,
    /// The TLS session on it, which may hold bytes of both directions.
    pub tls: Option<Box<ClientConnection>>,
    /// What the subgraph sent behind its answer.
    pub read: Bytes,
    /// Of those on offer.
    pub protocol: &'static str,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The subgraph answered, and did not switch protocols.
    #[error("the upgrade was refused with status {status}")]
    Refused { status: StatusCode, body: Bytes },
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no connection within {0:?}")]
    Timeout(Duration),
}

/// Opens a WebSocket. To be called on the io runtime.
pub(super) async fn dial(dial: Dial, subgraph: &Subgraph) -> Result<Dialed, DialError> {
    let limit = dial.timeout;
    timeout(limit, open(&dial, subgraph)).await.unwrap_or(Err(DialError::Timeout(limit)))
}

async fn open(dial: &Dial, subgraph: &Subgraph) -> Result<Dialed, DialError> {
    match dial.uri.scheme_str() {
        Some("ws") => {
            let upgraded = upgrade(dial, connect(dial, 80).await?).await?;
            let Upgraded { stream, read, protocol } = upgraded;
            Ok(Dialed { socket: stream.into_std().map_err(unreachable)?, tls: None, read, protocol })
        }
        Some("wss") => {
            let stream = shake_hands(dial, subgraph, connect(dial, 443).await?).await?;
            let Upgraded { stream, read, protocol } = upgrade(dial, stream).await?;
            let (socket, tls) = stream.into_inner();
            Ok(Dialed {
                socket: socket.into_std().map_err(unreachable)?,
                tls: Some(Box::new(tls)),
                read,
                protocol,
            })
        }
        _ => Err(DialError::Unreachable("the address is neither `ws` nor `wss`".to_owned())),
    }
}

async fn connect(dial: &Dial, default_port: u16) -> Result<TcpStream, DialError> {
    let host = dial.uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let address = (host, dial.uri.port_u16().unwrap_or(default_port));
    let socket = TcpStream::connect(address).await.map_err(unreachable)?;
    socket.set_nodelay(true).map_err(unreachable)?;
    Ok(socket)
}

async fn shake_hands(
    dial: &Dial,
    subgraph: &Subgraph,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>, DialError> {
    let limit = subgraph.endpoint.options.tls_handshake_timeout;
    let name = server_name(&dial.uri).map_err(|error| DialError::Unreachable(error.to_string()))?;
    let connecting = TlsConnector::from(subgraph.subscribing.tls.clone()).connect(name, socket);
    let stream = timeout(limit, connecting).await.map_err(|_| DialError::Timeout(limit))?;
    stream.map_err(|it| unreachable(explained(it)))
}

/// A stream that has left HTTP behind.
struct Upgraded<S> {
    stream: S,
    read: Bytes,
    protocol: &'static str,
}

async fn upgrade<S>(dial: &Dial, stream: S) -> Result<Upgraded<S>, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    // It ends by itself: with the upgrade, or when `sender` is dropped.
    tokio::spawn(connection.with_upgrades());
    let opening = Opening::new(dial.protocols);
    let mut answer = sender.send_request(request(dial, &opening)).await.map_err(unreachable)?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let (status, plain) = (answer.status(), Encoding::Plain);
        let body = collect(answer.into_body(), plain, REFUSAL_BYTES_MAX).await.unwrap_or_default();
        return Err(DialError::Refused { status, body });
    }
    let protocol = opening
        .check(answer.status(), answer.headers())
        .map_err(|reason| DialError::Unreachable(reason.to_owned()))?;
    let upgraded = hyper::upgrade::on(&mut answer).await.map_err(unreachable)?;
    let parts = upgraded.downcast::<TokioIo<S>>().expect("the stream that was put in");
    Ok(Upgraded { stream: parts.io.into_inner(), read: parts.read_buf, protocol })
}

fn unreachable(error: impl Error + 'static) -> DialError {
    DialError::Unreachable(causes(&error))
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
    let (uri, credentials) = Credentials::split(&dial.uri);
    introduce(headers, credentials.map(|it| it.basic()).as_ref());
    let host = uri.authority().map_or("", |it| it.as_str());
    headers.insert(HOST, HeaderValue::from_str(host).expect("an authority is a header value"));
    request
}
