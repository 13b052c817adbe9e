//! From an address to a connection: name look-up and TCP, then TLS, each within a time of its own.

use super::options::SubgraphOptions;
use crate::sources::{ClientTls, tls};
use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, AlertDescription, ClientConfig, pki_types::ServerName},
};
use tower_service::Service;

/// Makes connections for the HTTP client's pool.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector,
    tls: TlsConnector,
    dial_timeout: Duration,
    tls_handshake_timeout: Duration,
}

impl Connector {
    pub(super) fn new(options: &SubgraphOptions, tls: Arc<ClientConfig>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(options.keep_alive_probe_interval);
        tcp.set_keepalive_interval(options.keep_alive_probe_interval);
        // Divides the time among the addresses of a name; the look-up is bounded below.
        tcp.set_connect_timeout(Some(options.dial_timeout));
        Self {
            tcp,
            tls: tls.into(),
            dial_timeout: options.dial_timeout,
            tls_handshake_timeout: options.tls_handshake_timeout,
        }
    }
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (tls, limits) = (self.tls.clone(), (self.dial_timeout, self.tls_handshake_timeout));
        let dialling = self.tcp.call(uri.clone());
        Box::pin(async move {
            let tcp = timeout(limits.0, dialling).await.map_err(|_| too_slow("connection", limits.0))??;
            if uri.scheme_str() != Some("https") {
                return Ok(Stream::Http(tcp));
            }
            let handshake = tls.connect(server_name(&uri)?, TokioIo::new(tcp));
            let stream = timeout(limits.1, handshake).await;
            let stream = stream.map_err(|_| too_slow("TLS handshake", limits.1))?;
            Ok(stream.map_err(explained)?.into())
        })
    }
}

fn too_slow(what: &str, limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no {what} within {limit:?}"))
}

/// An error of a TLS handshake in words that help: the alert alone names no protocol.
pub(super) fn explained(error: io::Error) -> io::Error {
    let told = error.get_ref().and_then(|it| it.downcast_ref());
    match told {
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => io::Error::new(
            error.kind(),
            "the subgraph speaks no HTTP/1.1, which WebSockets and event streams go over",
        ),
        _ => error,
    }
}

/// The name a certificate must be for.
pub(super) fn server_name(uri: &Uri) -> Result<ServerName<'static>, BoxError> {
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    Ok(ServerName::try_from(host.to_owned())?)
}

/// TLS towards a subgraph, by what is spoken over it.
#[derive(Clone)]
pub(super) struct Tls {
    /// HTTP/2 where the subgraph speaks it.
    pub(super) http: Arc<ClientConfig>,
    /// For subscriptions: only HTTP/1.1 can be upgraded, and there an event stream has its connection to itself.
    pub(super) http1: Arc<ClientConfig>,
}

impl Tls {
    fn new(config: ClientConfig) -> Self {
        let speaking = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
            Arc::new(config)
        };
        Self { http: speaking(&[b"h2", b"http/1.1"]), http1: speaking(&[b"http/1.1"]) }
    }
}

/// TLS configurations that are made once for all subgraphs that share them: reading the system's
/// authorities takes a while.
#[derive(Default)]
pub(super) struct TlsConfigs(Vec<(ClientTls, Tls)>);

impl TlsConfigs {
    pub(super) fn get(&mut self, tls: &ClientTls) -> Result<Tls, String> {
        if let Some((_, made)) = self.0.iter().find(|(it, _)| it == tls) {
            return Ok(made.clone());
        }
        let made = Tls::new(make(tls)?);
        self.0.push((tls.clone(), made.clone()));
        Ok(made)
    }
}

/// A machine without authorities of its own can still reach subgraphs by `http`.
fn make(tls: &ClientTls) -> Result<ClientConfig, String> {
    match tls::client_config(tls) {
        Err(error) if *tls == ClientTls::default() => {
            tracing::warn!(%error, "no certificate authorities found: subgraphs cannot be reached by https");
            Ok(tls::trusting_nobody())
        }
        made => made,
    }
}
