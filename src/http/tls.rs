//! TLS with clients: the handshake, and a word for those who speak plainly where TLS is spoken.
//!
//! Which certificate is shown, and which clients have to show theirs, was settled before. The configuration is
//! looked up for each handshake, so whoever swaps it reaches everybody who comes later and nobody who is there.

use super::front::{State, refuse};
use hyper::StatusCode;
use rustls::ServerConfig;
use std::sync::Arc;
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// What holds for the next handshake. Its ALPN protocols are [`PROTOCOLS`].
pub type TlsConfigs = watch::Receiver<Arc<ServerConfig>>;

/// What is spoken over TLS, as ALPN names it, the preferred one first.
pub const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The first byte of a record that begins a handshake; no request of HTTP begins so.
const HANDSHAKE: u8 = 0x16;
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
                       Connection: close\r\nContent-Length: 35\r\n\r\nThis port speaks TLS: use `https`.\n";

/// Shakes hands with a client; `None` when that came to nothing.
pub(super) async fn accept(
    state: &State,
    config: Arc<ServerConfig>,
    socket: TcpStream,
) -> Option<TlsStream<TcpStream>> {
    let limit = state.options.head_read_timeout;
    let mut first = [0];
    match timeout(limit, socket.peek(&mut first)).await {
        Ok(Ok(1..)) => {}
        // The client left or says nothing, such as a probe whether the port is open.
        _ => return None,
    }
    if first[0] == HANDSHAKE {
        let accepted = timeout(limit, TlsAcceptor::from(config).accept(socket)).await;
        if let Ok(Ok(stream)) = accepted {
            return Some(stream);
        }
    } else {
        _ = timeout(limit, refuse(state, socket, StatusCode::BAD_REQUEST, PLAIN)).await;
    }
    state.counters.count(&state.counters.tls_handshakes_failed);
    None
}

/// The same for a client that will be told something in HTTP/1.1, whatever it would rather speak.
pub(super) async fn accept_to_refuse(
    state: &State,
    config: &ServerConfig,
    socket: TcpStream,
) -> Option<TlsStream<TcpStream>> {
    let [_, http1] = PROTOCOLS;
    let mut config = config.clone();
    config.alpn_protocols = vec![http1.to_vec()];
    accept(state, Arc::new(config), socket).await
}

/// Whether client and router agreed on HTTP/2.
pub(super) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    let [http2, _] = PROTOCOLS;
    stream.get_ref().1.alpn_protocol() == Some(http2)
}
