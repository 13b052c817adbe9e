//! Accepts connections, up to a number, until it is told to stop.

use super::{
    access::RequestIds,
    batch::Batching,
    body::Budget,
    caching::CachePolicy,
    coding,
    connection::{serve, source},
    cors::Cors,
    gateway::Gateway,
    listen, page,
    proxies::Proxies,
    statuses::Statuses,
    tls::{self, TlsConfigs},
    upload::FileUpload,
};
use bytes::Bytes;
use hyper::StatusCode;
use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// What the front can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `host:port`; names are looked up once, at the start.
    pub listen_addr: String,
    pub graphql_path: String,
    /// Bytes of a POST body, unfolded; beyond, `413`.
    pub max_request_body_size: usize,
    /// Takes compressed bodies; without it they get `415`.
    pub decompression_enabled: bool,
    /// Bytes from which on answers are compressed for clients that take it; `usize::MAX` for never.
    pub compression_bytes_min: usize,
    /// Bytes of all bodies that are being read at one time; beyond, `503`.
    pub request_bodies_bytes_max: usize,
    /// Serves the page at `/`.
    pub page_enabled: bool,
    pub websocket_enabled: bool,
    /// Who may say on whose behalf a request comes.
    pub proxies: Proxies,
    /// Rules for pages of other origins; without them browsers let such pages do next to nothing.
    pub cors: Option<Cors>,
    /// Answers batches of requests; without it they get `400`.
    pub batching: Option<Batching>,
    /// Takes requests with files; without it they get `415`.
    pub file_upload: Option<FileUpload>,
    /// Says `Cache-Control` for answers.
    pub cache_policy: Option<CachePolicy>,
    /// Logs a line per operation, with the target `access`.
    pub access_log: bool,
    /// Leaves clients' addresses out of it.
    pub access_log_anonymous: bool,
    /// HTTP connections at a time; handed over WebSockets do not count. Beyond, `503` and close.
    pub http_connections_max: usize,
    /// Bytes of a request's head; beyond, `431`. At least 8192.
    pub head_bytes_max: usize,
    /// From the first byte, or from the end of the previous answer, to the end of the head.
    pub head_read_timeout: Duration,
    /// From the end of the head to the end of the body; beyond, `408`.
    pub body_read_timeout: Duration,
    /// How long a client may take nothing of what waits for it. Zero: as long as the system waits.
    pub write_timeout: Duration,
    /// Time for requests in flight to finish once the front is told to stop.
    pub stop_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen_addr: "localhost:3002".into(),
            graphql_path: "/graphql".into(),
            max_request_body_size: 5_000_000,
            decompression_enabled: true,
            compression_bytes_min: 4096,
            request_bodies_bytes_max: 256 * 1024 * 1024,
            page_enabled: false,
            websocket_enabled: true,
            proxies: Proxies::default(),
            cors: Some(Cors::default()),
            batching: None,
            file_upload: Some(FileUpload::default()),
            cache_policy: None,
            access_log: true,
            access_log_anonymous: false,
            http_connections_max: 10_000,
            head_bytes_max: 64 * 1024,
            head_read_timeout: Duration::from_secs(10),
            body_read_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(30),
        }
    }
}

/// What the front has seen since the start; `connections` and `requests_in_flight` are of the moment.
#[derive(Debug, Default)]
pub struct Counters {
    pub connections: AtomicU64,
    pub requests: AtomicU64,
    pub requests_in_flight: AtomicU64,
    /// Requests that were answered, those for health and the page aside.
    pub answered: Statuses,
    /// Requests refused because all bodies together were too large.
    pub bodies_refused: AtomicU64,
    /// Connections beyond `http_connections_max`, and WebSockets beyond what the gateway accepts.
    pub connections_refused: AtomicU64,
    /// Failed `accept` calls, most often for want of file descriptors.
    pub accept_errors: AtomicU64,
    /// Connections without a header of the PROXY protocol that could be believed, where there must be one.
    pub proxy_headers_refused: AtomicU64,
    /// Handshakes of TLS that came to nothing, plain requests where TLS is spoken included.
    pub tls_handshakes_failed: AtomicU64,
    /// Requests that do not say whom they are for, or more than their head may have.
    pub heads_refused: AtomicU64,
    /// WebSockets handed over.
    pub upgrades: AtomicU64,
    /// Handshakes that were wrong, of pages of foreign origins, or for WebSockets where there are none.
    pub upgrades_refused: AtomicU64,
    /// Clients that left during the handshake.
    pub upgrades_failed: AtomicU64,
}

impl Counters {
    pub(super) fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The listening front.
pub struct Front {
    listener: TcpListener,
    state: Arc<State>,
}

/// What every connection shares.
pub(super) struct State {
    pub(super) options: Options,
    pub(super) gateway: Arc<dyn Gateway>,
    /// With it, TLS is spoken and nothing else.
    pub(super) tls: Option<TlsConfigs>,
    pub(super) counters: Arc<Counters>,
    pub(super) page: Option<Bytes>,
    pub(super) bodies: Budget,
    pub(super) request_ids: RequestIds,
    /// Turns at compressing answers.
    pub(super) encoders: Semaphore,
}

impl Front {
    /// Listens; connections wait in the kernel until [`Front::run`]. Blocks while it looks a name up.
    pub fn bind(
        options: Options,
        gateway: Arc<dyn Gateway>,
        tls: Option<TlsConfigs>,
    ) -> io::Result<(Self, SocketAddr)> {
        let listener = listen::listen(&options.listen_addr)?;
        let address = listener.local_addr()?;
        let page = options.page_enabled.then(|| page::render(&options.graphql_path));
        let bodies = Budget::new(options.request_bodies_bytes_max);
        let (counters, request_ids) = (Arc::default(), RequestIds::default());
        let encoders = Semaphore::new(coding::ENCODERS_MAX);
        let state = State { options, gateway, tls, counters, page, bodies, request_ids, encoders };
        Ok((Self { listener, state: Arc::new(state) }, address))
    }

    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.state.counters)
    }

    /// Serves until `stop` is done, then closes the listener and lets requests in flight finish within
    /// `stop_timeout`. Needs a tokio runtime with I/O and time.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let (stopping, stopping_seen) = watch::channel(());
        let mut crowd = Crowd { state: self.state, served: JoinSet::new(), refused: JoinSet::new() };
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => match accepted {
                    Ok((socket, peer)) => crowd.admit(socket, peer, &stopping_seen),
                    Err(_) => crowd.pause_after_error().await,
                },
                Some(_) = crowd.served.join_next() => {}
                Some(_) = crowd.refused.join_next() => {}
            }
        }
        drop(listener);
        stopping.send_replace(());
        crowd.finish().await;
        Ok(())
    }
}

/// All HTTP connections of the moment.
struct Crowd {
    state: Arc<State>,
    served: JoinSet<()>,
    /// Connections beyond the limit that are being told so.
    refused: JoinSet<()>,
}

impl Crowd {
    /// Connections that are told `503` at a time; beyond, they are closed without a word.
    const REFUSED_MAX: usize = 256;
    const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
    /// Accepting fails for want of descriptors: those come back only when something closes.
    const ERROR_PAUSE: Duration = Duration::from_millis(50);

    fn admit(&mut self, socket: TcpStream, peer: SocketAddr, stopping: &watch::Receiver<()>) {
        while self.served.try_join_next().is_some() {}
        if self.served.len() < self.state.options.http_connections_max {
            let serve = serve(Arc::clone(&self.state), socket, peer, stopping.clone());
            self.served.spawn(serve);
            return;
        }
        self.state.counters.count(&self.state.counters.connections_refused);
        if self.refused.len() < Self::REFUSED_MAX {
            let refuse = refuse_for_now(Arc::clone(&self.state), socket, peer);
            self.refused.spawn(async { _ = tokio::time::timeout(Self::REFUSAL_TIMEOUT, refuse).await });
        }
    }

    async fn pause_after_error(&self) {
        self.state.counters.count(&self.state.counters.accept_errors);
        tokio::time::sleep(Self::ERROR_PAUSE).await;
    }

    async fn finish(mut self) {
        let all = async { while self.served.join_next().await.is_some() {} };
        // Whoever is not done by then is cut off as the set is dropped.
        _ = tokio::time::timeout(self.state.options.stop_timeout, all).await;
    }
}

/// Tells a client that there are too many.
async fn refuse_for_now(state: Arc<State>, mut socket: TcpStream, peer: SocketAddr) -> io::Result<()> {
    const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\
                             Content-Length: 0\r\n\r\n";
    if source(&state, &mut socket, peer).await.is_none() {
        return Ok(());
    }
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let Some(configs) = &state.tls else { return refuse(&state, socket, status, REFUSAL).await };
    let config = Arc::clone(&configs.borrow());
    match tls::accept_to_refuse(&state, &config, socket).await {
        Some(stream) => refuse(&state, stream, status, REFUSAL).await,
        None => Ok(()),
    }
}

/// Says this and nothing else to a client. Reads first: closing with bytes unread would reset the connection
/// before the client has the answer.
pub(super) async fn refuse(
    state: &State,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    status: StatusCode,
    reply: &[u8],
) -> io::Result<()> {
    let mut head = [0; 4096];
    if stream.read(&mut head).await? > 0 {
        state.counters.answered.count(status);
        stream.write_all(reply).await?;
        stream.shutdown().await?;
    }
    Ok(())
}
