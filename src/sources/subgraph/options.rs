//! What can be set about the traffic to subgraphs.

use crate::sources::ClientTls;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// All subgraphs' options.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// For subgraphs that have none of their own.
    pub all: SubgraphOptions,
    /// By name of the subgraph; each complete.
    pub subgraphs: BTreeMap<String, SubgraphOptions>,
    /// Addresses that replace the graph's, by name of the subgraph.
    pub urls: BTreeMap<String, String>,
}

/// The traffic to one subgraph.
#[derive(Clone, Debug, PartialEq)]
pub struct SubgraphOptions {
    /// From the request to the last byte of the answer, with all attempts, and the waits between them.
    pub timeout: Duration,
    /// Until TCP stands, name look-up included.
    pub dial_timeout: Duration,
    /// From there until TLS stands.
    pub tls_handshake_timeout: Duration,
    /// From the start of an attempt to the head of its answer, connecting included. `None`: as long as
    /// `timeout` lets it.
    pub response_header_timeout: Option<Duration>,
    /// Larger answers are refused; of packed ones, the unpacked size counts.
    pub response_bytes_max: usize,
    /// Requests in flight at a time; further ones wait, within `timeout`.
    pub requests_max: usize,
    /// Idle connections kept; more are closed after use.
    pub idle_connections_max: usize,
    /// Idle connections to all subgraphs together, of which this one may keep its equal share.
    pub idle_connections_total_max: usize,
    /// Idle connections are closed after this time. `None`: never by us.
    pub idle_timeout: Option<Duration>,
    /// Time between TCP's probes of a silent connection. `None`: no probes.
    pub keep_alive_probe_interval: Option<Duration>,
    /// `None`: one attempt and no more.
    pub retry: Option<RetryOptions>,
    pub breaker: Option<BreakerOptions>,
    pub tls: ClientTls,
}

impl Default for SubgraphOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            dial_timeout: Duration::from_secs(30),
            tls_handshake_timeout: Duration::from_secs(10),
            response_header_timeout: None,
            response_bytes_max: 32 << 20,
            requests_max: 100,
            idle_connections_max: 20,
            idle_connections_total_max: 1024,
            idle_timeout: Some(Duration::from_secs(90)),
            keep_alive_probe_interval: Some(Duration::from_secs(30)),
            retry: Some(RetryOptions::default()),
            breaker: None,
            tls: ClientTls::default(),
        }
    }
}

/// When a query is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryOptions {
    /// Attempts after the first.
    pub attempts_max: u32,
    /// Upper bound of the first wait; it doubles with each further one.
    pub interval: Duration,
    /// Upper bound of every wait, also of one that a subgraph asks for.
    pub wait_max: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self { attempts_max: 5, interval: Duration::from_secs(3), wait_max: Duration::from_secs(10) }
    }
}

/// When a subgraph is left alone for a while. Zeroes count as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Share of failures at which the breaker opens.
    pub error_threshold_percentage: u32,
    /// Attempts within the window before the share is looked at.
    pub request_threshold: u64,
    /// The window.
    pub rolling_duration: Duration,
    /// Parts of the window; what is older than it leaves in such parts.
    pub buckets: usize,
    /// How long an open breaker turns everything away.
    pub sleep_window: Duration,
    /// After that, attempts let through at a time to see how things are.
    pub half_open_attempts: u32,
    /// So many of them must succeed, and none fail, for the breaker to close.
    pub required_successful: u32,
    /// An attempt that takes longer is given up and has failed.
    pub execution_timeout: Duration,
    /// Attempts in flight at a time; one more is turned away. `None`: no bound.
    pub concurrent_max: Option<usize>,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            error_threshold_percentage: 50,
            request_threshold: 20,
            rolling_duration: Duration::from_secs(10),
            buckets: 10,
            sleep_window: Duration::from_secs(5),
            half_open_attempts: 1,
            required_successful: 1,
            execution_timeout: Duration::from_secs(60),
            concurrent_max: None,
        }
    }
}

/// Where a subgraph listens, and how it is treated.
#[derive(Clone, Debug, PartialEq)]
pub struct SubgraphEndpoint {
    pub name: Arc<str>,
    pub url: String,
    pub options: SubgraphOptions,
}

impl Traffic {
    /// A subgraph of the graph with what was set about it.
    pub fn endpoint(&self, name: Arc<str>, url: &str) -> SubgraphEndpoint {
        let url = self.urls.get(&*name).map_or(url, String::as_str).to_owned();
        let options = self.subgraphs.get(&*name).unwrap_or(&self.all).clone();
        SubgraphEndpoint { name, url, options }
    }

    /// Names that something was set about.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.subgraphs.keys().chain(self.urls.keys()).map(String::as_str)
    }
}

/// How a subgraph serves subscriptions of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionEndpoint {
    /// `None`: where its queries go.
    pub url: Option<String>,
    pub protocol: SubscriptionProtocol,
    pub subprotocol: WebSocketSubprotocol,
    /// When the subgraph is lost, its subscriptions wait for it to come back and are told that they may have
    /// missed something, instead of ending with an error.
    pub reconnect: bool,
}

/// How subscriptions travel between router and subgraph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubscriptionProtocol {
    #[default]
    WebSocket,
    /// Server-Sent Events, asked for by GET.
    Sse,
    /// Server-Sent Events, asked for by POST.
    SsePost,
}

/// The dialect on a WebSocket to a subgraph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebSocketSubprotocol {
    /// What the subgraph chooses of the two.
    #[default]
    Auto,
    /// The old one, of subscriptions-transport-ws.
    GraphqlWs,
    GraphqlTransportWs,
}
