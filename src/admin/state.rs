//! What the admin listener asks of the rest of the router.

use super::Histogram;
use bytes::Bytes;
use std::{future::Future, pin::Pin, sync::Arc};

/// A future that any thread may drive.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Tells how the router is doing. Called on the admin thread; must not block for long.
pub trait State: Send + Sync + 'static {
    /// Whether the process works at all; a restart is the cure otherwise.
    fn is_live(&self) -> bool;

    /// Whether load balancers should send clients here.
    fn is_ready(&self) -> bool;

    /// The numbers of this moment, for one scrape.
    fn metrics(&self) -> Snapshot;

    /// Triggers, groups, subscribers and so on as a JSON text, for people. The admin listener waits for
    /// it for a few seconds only.
    fn debug_state(&self) -> BoxFuture<Result<Bytes, Unavailable>>;

    /// Publishes a JSON text into a memory provider. `subject` has no wildcards.
    fn publish(
        &self,
        provider: &str,
        subject: &str,
        payload: Bytes,
    ) -> BoxFuture<Result<Published, PublishError>>;
}

/// The router cannot say now: it is starting, stopping or overloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// A message that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its place in the provider's log.
    pub position: u64,
}

/// Why a message was not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishError {
    /// No memory provider has this id.
    UnknownProvider,
    /// The subject is not one; says why.
    BadSubject(String),
    /// The provider takes no messages now.
    Unavailable,
}

/// The numbers behind `/metrics`. Names and meanings of the metrics are given where they are encoded;
/// lists that stay empty are left out of the answer.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    // How much there is now.
    pub connections: u64,
    pub subscriptions: u64,
    pub http_streams: u64,
    pub upstream_connections: u64,
    pub upstream_subscriptions: u64,
    pub triggers: u64,
    pub groups: u64,
    pub shapes: u64,
    pub http_requests_in_flight: u64,
    pub resolvers_in_flight: u64,
    pub resolvers_max: u64,
    pub catch_up_subscriptions: u64,
    /// Bytes waiting for sockets that refused more.
    pub outbound_bytes: u64,
    pub supergraph_age_seconds: f64,

    // How much there was since the start.
    pub messages_sent: u64,
    pub triggers_started: u64,
    /// Events decoded: once each, however many groups want them.
    pub events_decoded: u64,
    pub resolves: u64,
    pub serialisations: u64,
    /// Responses handed to audiences: once for each group, however many members it has.
    pub deliveries: u64,
    pub fetches: u64,
    pub fetches_shared: u64,
    /// Representations over all entity fetches; divided by the fetches, the mean batch.
    pub representations: u64,
    pub results_unchanged: u64,
    /// Events that are no JSON object.
    pub events_unreadable: u64,
    /// Times that an event was of no type that a group's field returns.
    pub events_refused: u64,
    /// Times that a group's filter said no.
    pub events_filtered: u64,
    /// Times that a group's filter could not be decided.
    pub events_undecided: u64,
    pub events_lost: u64,
    /// Threads that were started in place of such as came to no end of preparing an operation.
    pub prepare_threads_replaced: u64,
    /// Lines of the log that nobody has got.
    pub log_lines_dropped: u64,
    /// Requests over HTTP by the status of their answer.
    pub http_requests: Vec<(u16, u64)>,
    /// Handshakes of clients that came to nothing.
    pub tls_handshakes_failed: u64,
    /// By outcome, `hits` or `misses`: whether an operation's plan was there already.
    pub plan_cache: Vec<Labelled>,
    /// By cause: `full`, `accept_error`, `proxy_protocol`, `tls`, `head`, `handshake`, `subprotocol`, `stopping`,
    /// `system`.
    pub connections_refused: Vec<Labelled>,
    /// WebSockets that the router closed, by the code in the close frame.
    pub connections_closed: Vec<(u16, u64)>,
    /// Connections whose client answered no ping.
    pub connections_timed_out: u64,
    /// By policy: `conflate`, `drop_oldest`, `disconnect`, `replay`, `events_lost`.
    pub overflow: Vec<Labelled>,
    pub subscriptions_started: u64,
    /// By reason: `completed`, `client_disconnect`, `error`, `drain`, `slow_consumer` and so on.
    pub subscriptions_ended: Vec<Labelled>,
    /// By reason: `limit`, `invalid`, `overload` and so on.
    pub subscriptions_rejected: Vec<Labelled>,
    /// By result: `ok`, `failed`.
    pub supergraph_reloads: Vec<Labelled>,
    /// The same for certificates that clients are shown.
    pub tls_reloads: Vec<Labelled>,

    pub providers: Vec<Provider>,
    pub subgraphs: Vec<Subgraph>,
    pub queues: Vec<Queue>,
    pub loops: Vec<Loop>,
}

/// A number and the value of the one label its metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labelled {
    pub label: &'static str,
    pub value: u64,
}

/// A provider of events.
#[derive(Clone, Debug)]
pub struct Provider {
    /// `nats`, `kafka`, `redis` or `memory`.
    pub kind: &'static str,
    pub id: Arc<str>,
    pub is_up: bool,
    pub received: u64,
    pub published: u64,
    /// Publishes and requests that the broker did not confirm or answer.
    pub failed: u64,
    /// Messages that are no events.
    pub skipped: u64,
    /// Errors after which the client went on by itself.
    pub errors: u64,
    /// By topic and partition, where the broker knows.
    pub lag: Vec<Lag>,
    /// Events that no subscription wanted, by their filters; once for each feed.
    pub filtered: u64,
}

/// How far the router is behind in one partition.
#[derive(Clone, Debug)]
pub struct Lag {
    pub topic: Arc<str>,
    pub partition: usize,
    pub events: u64,
}

/// A subgraph, as the router reaches it.
#[derive(Clone, Debug)]
pub struct Subgraph {
    pub name: Arc<str>,
    /// Whether its circuit breaker turns requests away; half open counts as open.
    pub is_breaker_open: bool,
    /// Attempts after the first of their request.
    pub retries: u64,
    /// Attempts that the breaker turned away.
    pub rejected: u64,
}

/// A queue between two threads.
#[derive(Clone, Debug)]
pub struct Queue {
    /// For instance `hub_input`.
    pub name: &'static str,
    pub depth: u64,
    pub capacity: u64,
    /// How often it was full and its policy applied.
    pub full: u64,
}

/// A thread that turns: how long its turns took.
#[derive(Clone, Debug)]
pub struct Loop {
    /// `reactor` or `hub`.
    pub name: &'static str,
    pub turns: Arc<Histogram>,
}
