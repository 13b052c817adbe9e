//! Serves one connection: HTTP/1.1, or HTTP/2 for clients that agree on it over TLS or, without TLS, begin with it
//! ("prior knowledge").
//!
//! Only HTTP/1.1 can be upgraded to a WebSocket: HTTP/2's way (extended CONNECT) is not advertised, because a
//! stream of it is no socket that could be given away.

use super::{front::State, proxies::Peer, proxy_protocol, replies, routes, tls, write_timeout};
use futures_util::FutureExt;
use hyper::{
    Request, StatusCode, Version,
    body::Incoming,
    header::{HOST, HeaderValue},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
};

/// How long a connection without any request so far is kept once it is told to end.
const FIRST_HEAD_AT_END: Duration = Duration::from_millis(500);
/// Requests of one HTTP/2 connection at a time.
const STREAMS_MAX: u32 = 100;
/// Bytes of bodies that an HTTP/2 client may send before anybody reads them, per connection: about what the
/// kernel holds for one of HTTP/1.1.
const WINDOW_BYTES: u32 = 256 * 1024;
/// How an HTTP/2 client begins; no request of HTTP/1.1 begins so.
const PREFACE_START: &[u8] = b"PRI ";

/// Counts an open connection for as long as it lives.
struct Open(Arc<State>);

impl Open {
    fn new(state: &Arc<State>) -> Self {
        state.counters.connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(state))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a request until its answer has been made, however that ends.
pub(super) struct InFlight {
    state: Arc<State>,
    activity: Arc<Activity>,
}

impl InFlight {
    fn new(state: Arc<State>, activity: Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.in_flight.fetch_add(1, Ordering::Relaxed);
        state.counters.count(&state.counters.requests);
        state.counters.count(&state.counters.requests_in_flight);
        Self { state, activity }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.state.counters.requests_in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one connection has done so far.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    in_flight: AtomicU64,
}

impl Activity {
    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed) > 0
    }

    fn begun_if_idle(&self) -> Option<u64> {
        (self.in_flight.load(Ordering::Relaxed) == 0).then(|| self.begun.load(Ordering::Relaxed))
    }
}

/// Serves a connection: to its end, to its upgrade, or, once `stopping`, to the end of its requests.
pub(super) async fn serve(
    state: Arc<State>,
    mut socket: TcpStream,
    peer: SocketAddr,
    stopping: watch::Receiver<()>,
) {
    let _open = Open::new(&state);
    _ = socket.set_nodelay(true);
    write_timeout::begin(&socket, state.options.write_timeout);
    let source = tokio::select! {
        source = source(&state, &mut socket, peer) => source,
        () = moment_at_stop(stopping.clone()) => None,
    };
    let Some(address) = source else { return };
    let config = state.tls.as_ref().map(|it| Arc::clone(&it.borrow()));
    let peer = Peer { address, is_secure: config.is_some() };
    match config {
        Some(config) => serve_tls(state, config, socket, peer, stopping).await,
        None => serve_plain(state, socket, peer, stopping).await,
    }
}

/// Where a connection comes from, by what the proxy in front says if there must be one; `None` when it says nothing
/// that could be believed.
pub(super) async fn source(state: &State, socket: &mut TcpStream, peer: SocketAddr) -> Option<IpAddr> {
    let proxies = &state.options.proxies;
    if !proxies.protocol {
        return Some(peer.ip());
    }
    if proxies.trusts(peer.ip()) {
        let header = tokio::time::timeout(state.options.head_read_timeout, proxy_protocol::read(socket));
        if let Ok(Ok(said)) = header.await {
            return Some(said.unwrap_or(peer.ip()));
        }
    }
    state.counters.count(&state.counters.proxy_headers_refused);
    None
}

async fn serve_tls(
    state: Arc<State>,
    config: Arc<ServerConfig>,
    socket: TcpStream,
    peer: Peer,
    stopping: watch::Receiver<()>,
) {
    let accepted = tokio::select! {
        accepted = tls::accept(&state, config, socket) => accepted,
        () = moment_at_stop(stopping.clone()) => None,
    };
    match accepted {
        Some(stream) if tls::is_http2(&stream) => serve_http2(state, stream, peer, stopping).await,
        Some(stream) => serve_http1(state, stream, peer, stopping).await,
        None => {}
    }
}

/// Done a moment after the front was told to stop.
async fn moment_at_stop(mut stopping: watch::Receiver<()>) {
    _ = stopping.changed().await;
    tokio::time::sleep(FIRST_HEAD_AT_END).await;
}

async fn serve_plain(state: Arc<State>, socket: TcpStream, peer: Peer, stopping: watch::Receiver<()>) {
    match first_bytes(&socket, state.options.head_read_timeout, stopping.clone()).await {
        First::Nothing => {}
        First::Http1 => serve_http1(state, socket, peer, stopping).await,
        First::Http2 => serve_http2(state, socket, peer, stopping).await,
    }
}

enum First {
    /// The client left, or says nothing.
    Nothing,
    Http1,
    Http2,
}

/// Looks at how the client begins, without taking it. Clients send the 24 bytes that HTTP/2 begins with in one
/// piece; one who would not is taken for HTTP/1.1 and refused there.
async fn first_bytes(socket: &TcpStream, timeout: Duration, mut stopping: watch::Receiver<()>) -> First {
    let mut start = [0; PREFACE_START.len()];
    tokio::select! {
        peeked = tokio::time::timeout(timeout, socket.peek(&mut start)) => match peeked {
            Ok(Ok(length)) if length > 0 => {
                if start == PREFACE_START { First::Http2 } else { First::Http1 }
            }
            _ => First::Nothing,
        },
        // The rest is the same as for others that are told to stop.
        _ = stopping.changed() => First::Http1,
    }
}

async fn answer(
    state: Arc<State>,
    activity: Arc<Activity>,
    peer: Peer,
    mut request: Request<Incoming>,
) -> Result<routes::Reply, Infallible> {
    let in_flight = InFlight::new(Arc::clone(&state), activity);
    name_host(&mut request);
    let caller = state.options.proxies.identify(peer, request.headers_mut());
    // What outlives a panic is shared state behind atomics and locks that are held for one step each.
    let answering = AssertUnwindSafe(routes::answer(&state, caller, request)).catch_unwind();
    let reply = answering.await.unwrap_or_else(|_| {
        tracing::error!("answering a request panicked");
        state.counters.answered.count(StatusCode::INTERNAL_SERVER_ERROR);
        replies::of_panic()
    });
    Ok(reply.map(|body| body.holding(in_flight)))
}

/// HTTP/2 has the host in another place; whoever asks for it later need not know.
fn name_host(request: &mut Request<Incoming>) {
    if request.version() != Version::HTTP_2 || request.headers().contains_key(HOST) {
        return;
    }
    let authority = request.uri().authority().and_then(|it| HeaderValue::from_str(it.as_str()).ok());
    if let Some(host) = authority {
        request.headers_mut().insert(HOST, host);
    }
}

/// What HTTP is spoken over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

async fn serve_http1(state: Arc<State>, stream: impl Stream, peer: Peer, mut stopping: watch::Receiver<()>) {
    let activity = Arc::<Activity>::default();
    let service = {
        let (state, activity) = (Arc::clone(&state), Arc::clone(&activity));
        // In a box: a connection would keep room for it as long as it stands, which for a stream is long.
        service_fn(move |request| Box::pin(answer(Arc::clone(&state), Arc::clone(&activity), peer, request)))
    };
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(state.options.head_read_timeout)
            .max_buf_size(state.options.head_bytes_max.max(8192))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    // How a connection breaks off is the client's affair; requests are counted where they are answered.
    tokio::select! {
        _ = &mut connection => {}
        _ = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            // A connection that never had a request does not count as idle, and browsers keep such spares:
            // they get a moment for a request that is on its way, not the whole time for a head.
            let moment = tokio::time::timeout(FIRST_HEAD_AT_END, connection.as_mut()).await;
            if moment.is_err() && activity.has_begun() {
                _ = connection.await;
            }
        }
    }
}

async fn serve_http2(state: Arc<State>, stream: impl Stream, peer: Peer, mut stopping: watch::Receiver<()>) {
    let activity = Arc::<Activity>::default();
    let service = {
        let (state, activity) = (Arc::clone(&state), Arc::clone(&activity));
        service_fn(move |request| answer(Arc::clone(&state), Arc::clone(&activity), peer, request))
    };
    let timeout = state.options.head_read_timeout;
    let head_bytes_max = u32::try_from(state.options.head_bytes_max).unwrap_or(u32::MAX);
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(head_bytes_max)
            .initial_connection_window_size(WINDOW_BYTES)
            .initial_stream_window_size(WINDOW_BYTES)
            // Whoever does not even answer pings is gone.
            .keep_alive_interval(Some(timeout))
            .keep_alive_timeout(timeout)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        _ = &mut connection => return,
        _ = stopping.changed() => {}
        () = idle(&activity, timeout) => {
            // Answers may still be on their way out, so this is a request to go, not the end.
            connection.as_mut().graceful_shutdown();
            if !activity.has_begun() {
                // It may never have got as far as HTTP/2, and does not end by itself then.
                _ = tokio::time::timeout(FIRST_HEAD_AT_END, connection).await;
                return;
            }
            tokio::select! {
                _ = &mut connection => return,
                _ = stopping.changed() => {}
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    let moment = tokio::time::timeout(FIRST_HEAD_AT_END, connection.as_mut()).await;
    if moment.is_err() && activity.has_begun() {
        _ = connection.await;
    }
}

/// Done when a connection has had no request for this long, as one of HTTP/1.1 ends by itself.
async fn idle(activity: &Activity, timeout: Duration) {
    let mut before = None;
    loop {
        let now = activity.begun_if_idle();
        if now.is_some() && now == before {
            return;
        }
        before = now;
        tokio::time::sleep(timeout).await;
    }
}
