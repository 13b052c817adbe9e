//! The HTTP client to subgraphs.
//!
//! Each subgraph has a pool of connections, limits and a breaker of its own; all of it on the io runtime.
//! Threads that resolve get a future that only waits for a message. In reading order: `attempts` carries a
//! fetch to its end, `exchange` does one request, `body` reads an answer, `connect` makes connections;
//! `retry` and `breaker` decide, and know neither clock nor network. `upload` sends files along.

mod attempts;
mod body;
mod breaker;
mod connect;
mod dial;
mod download;
mod exchange;
mod options;
mod retry;
mod stream;
mod upload;

pub use dial::{Dial, DialError, Dialed};
pub use download::{Download, DownloadError, DownloadOptions, download_all};
pub use options::{
    BreakerOptions, RetryOptions, SubgraphEndpoint, SubgraphOptions, SubscriptionEndpoint,
    SubscriptionProtocol, Traffic, WebSocketSubprotocol,
};
pub use retry::reconnect_wait;
pub use stream::{StreamTarget, Streams};

use crate::{
    graphql::Uploads,
    plan::{OperationKind, SubgraphId},
    resolve::{BoxFuture, FetchAnswer, FetchError, FetchRequest, Subgraphs},
};
use attempts::{Subgraph, Subscribing};
use connect::{Connector, TlsConfigs};
use exchange::Http;
use http::Uri;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};
use tokio::{runtime::Handle, sync::oneshot, task::AbortHandle};
use tokio_rustls::rustls::ClientConfig;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SubgraphClientError {
    /// As in what was composed with event graphs, which have none.
    #[error(
        "subgraph {name} has no address: if it is an event graph, name its file in `supergraph.event_graphs`, and its \
         brokers under `events.providers`"
    )]
    NoUrl { name: String },
    #[error("subgraph {name}: '{url}' is not an http or https address")]
    Url { name: String, url: String },
    #[error("subgraph {name}: '{url}' is no address for subscriptions")]
    SubscriptionUrl { name: String, url: String },
    #[error("subgraph {name}: {reason}")]
    Tls { name: String, reason: String },
}

/// What is wrong with subgraphs' addresses and TLS. Reads the files that the options name, and connects nothing.
pub fn check(
    endpoints: &[SubgraphEndpoint],
    subscriptions: &BTreeMap<String, SubscriptionEndpoint>,
) -> Vec<SubgraphClientError> {
    let mut tls = TlsConfigs::default();
    let mut open = |it: &SubgraphEndpoint| open(it, endpoints.len(), &mut tls).err();
    let mut errors: Vec<_> = endpoints.iter().filter_map(&mut open).collect();
    for (name, it) in subscriptions {
        if let Some(url) = it.url.as_ref().filter(|it| !is_address(it, &["http", "https", "ws", "wss"])) {
            let (name, url) = (name.clone(), url.clone());
            errors.push(SubgraphClientError::SubscriptionUrl { name, url });
        }
    }
    errors
}

/// Sends requests to subgraphs. Clones share connections, breakers and counts.
#[derive(Clone)]
pub struct SubgraphClient {
    handle: Handle,
    /// By [`SubgraphId`].
    subgraphs: Arc<[Arc<Subgraph>]>,
}

/// A subgraph at one moment, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubgraphStatus {
    pub name: Arc<str>,
    /// Open or half open.
    pub is_breaker_open: bool,
    /// Attempts after the first of their fetch.
    pub retries: u64,
    /// Attempts that the breaker turned away.
    pub rejected: u64,
}

impl SubgraphClient {
    /// A client for these subgraphs, in the order of their [`SubgraphId`]s.
    pub fn new(handle: &Handle, endpoints: &[SubgraphEndpoint]) -> Result<Self, SubgraphClientError> {
        Self { handle: handle.clone(), subgraphs: Arc::default() }.with_endpoints(endpoints)
    }

    /// The same for another list of subgraphs (after a reload). One that is as it was keeps its
    /// connections, its breaker and its counts.
    pub fn with_endpoints(&self, endpoints: &[SubgraphEndpoint]) -> Result<Self, SubgraphClientError> {
        let mut tls = TlsConfigs::default();
        let subgraph =
            |endpoint: &SubgraphEndpoint| match self.subgraphs.iter().find(|it| it.endpoint == *endpoint) {
                Some(known) => Ok(known.clone()),
                None => Ok(Arc::new(open(endpoint, endpoints.len(), &mut tls)?)),
            };
        let subgraphs = endpoints.iter().map(subgraph).collect::<Result<_, SubgraphClientError>>()?;
        Ok(Self { subgraphs, handle: self.handle.clone() })
    }

    /// Opens a WebSocket to a subgraph. Dropping what comes back gives it up.
    pub fn dial(&self, dial: Dial, done: impl FnOnce(Result<Dialed, DialError>) + Send + 'static) -> Dialing {
        let SubgraphId(number) = dial.subgraph;
        let subgraph = self.subgraphs.get(usize::from(number)).cloned();
        let task = self.handle.spawn(async move {
            done(match subgraph {
                Some(subgraph) => dial::dial(dial, &subgraph).await,
                None => Err(DialError::Unreachable(format!("subgraph {number} is not known"))),
            });
        });
        Dialing(task.abort_handle())
    }

    /// All subgraphs as they are now.
    pub fn status(&self) -> Vec<SubgraphStatus> {
        let status = |it: &Arc<Subgraph>| SubgraphStatus {
            name: it.endpoint.name.clone(),
            is_breaker_open: it.is_breaker_open(),
            retries: it.retries.load(Relaxed),
            rejected: it.rejected.load(Relaxed),
        };
        self.subgraphs.iter().map(status).collect()
    }
}

impl Subgraphs for SubgraphClient {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<Result<FetchAnswer, FetchError>> {
        self.start(request, None)
    }

    fn fetch_with_files(
        &self,
        request: FetchRequest,
        files: Arc<Uploads>,
    ) -> BoxFuture<Result<FetchAnswer, FetchError>> {
        self.start(request, Some(files))
    }
}

impl SubgraphClient {
    /// Dropping the future aborts the request, unless it is a mutation's: that runs to its end, or to where its
    /// files break off.
    fn start(
        &self,
        request: FetchRequest,
        files: Option<Arc<Uploads>>,
    ) -> BoxFuture<Result<FetchAnswer, FetchError>> {
        let SubgraphId(number) = request.subgraph;
        let Some(subgraph) = self.subgraphs.get(usize::from(number)).cloned() else {
            let error = FetchError::Unreachable(format!("subgraph {number} is not known"));
            return Box::pin(std::future::ready(Err(error)));
        };
        let is_mutation = request.kind == OperationKind::Mutation;
        let (done, answer) = oneshot::channel();
        let task = self.handle.spawn(async move {
            // Nobody waits any more: the answer of a mutation that ran on.
            let _ = done.send(subgraph.fetch(request, files).await);
        });
        Box::pin(Fetch { answer, task: (!is_mutation).then(|| task.abort_handle()) })
    }
}

/// A WebSocket that is being opened, for as long as this lives.
#[derive(Debug)]
pub struct Dialing(AbortHandle);

impl Drop for Dialing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for an answer; dropped early, it aborts the request.
struct Fetch {
    answer: oneshot::Receiver<Result<FetchAnswer, FetchError>>,
    task: Option<AbortHandle>,
}

impl Future for Fetch {
    type Output = Result<FetchAnswer, FetchError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map(|it| it.unwrap_or(Err(FetchError::Stopping)))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// One of `count` subgraphs, with a pool of its own.
fn open(
    endpoint: &SubgraphEndpoint,
    count: usize,
    tls: &mut TlsConfigs,
) -> Result<Subgraph, SubgraphClientError> {
    let (name, options) = (|| endpoint.name.to_string(), &endpoint.options);
    if endpoint.url.is_empty() {
        return Err(SubgraphClientError::NoUrl { name: name() });
    }
    let uri = parse(&endpoint.url)
        .ok_or_else(|| SubgraphClientError::Url { name: name(), url: endpoint.url.clone() })?;
    let tls = tls.get(&options.tls).map_err(|reason| SubgraphClientError::Tls { name: name(), reason })?;
    let share = options.idle_connections_total_max / count.max(1);
    let http = pool(options, tls.http, options.idle_connections_max.min(share));
    // Connections of event streams are used once.
    let streams = pool(options, tls.http1.clone(), 0);
    Ok(Subgraph::new(endpoint.clone(), uri, http, Subscribing { streams, tls: tls.http1 }))
}

/// A client for downloads, with the system's certificate authorities.
fn http(options: &SubgraphOptions) -> Result<Http, String> {
    let tls = TlsConfigs::default().get(&options.tls)?;
    Ok(pool(options, tls.http, options.idle_connections_max))
}

fn pool(options: &SubgraphOptions, tls: Arc<ClientConfig>, idle_connections_max: usize) -> Http {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(options.idle_timeout)
        .pool_max_idle_per_host(idle_connections_max)
        .build(Connector::new(options, tls))
}

fn parse(url: &str) -> Option<Uri> {
    is_address(url, &["http", "https"]).then(|| url.parse().ok()).flatten()
}

fn is_address(url: &str, schemes: &[&str]) -> bool {
    let uri = url.parse::<Uri>();
    uri.is_ok_and(|it| it.host().is_some() && it.scheme_str().is_some_and(|it| schemes.contains(&it)))
}
