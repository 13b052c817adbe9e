//! What the admin port reaches: the numbers behind `/metrics`, the hub's own word for `/debug/state`, and
//! publishing into memory providers.

use super::{
    hub_link::HubLink,
    liveness::Liveness,
    readiness::Readiness,
    stats::{Count, EngineStats, FrontStats, HubNumbers, HubStats, ReactorStats, StreamStats, TlsStats},
};
use crate::{
    admin::{
        self, BoxFuture, Labelled, Lag, Loop, Provider, PublishError, Published, Queue, Snapshot, Subgraph,
        Unavailable,
    },
    http,
    hub::Unwanted,
    plan::ProviderKind,
    resolve::{Executor, Pool},
    sources::{
        self, Sources,
        subgraph::{SubgraphClient, SubgraphStatus},
    },
    telemetry::logging,
};
use bytes::Bytes;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The numbers of all threads.
#[derive(Clone, Default)]
pub(super) struct Stats {
    pub(super) engine: Arc<EngineStats>,
    pub(super) front: Arc<FrontStats>,
    pub(super) hub: Arc<HubStats>,
    pub(super) reactor: Arc<ReactorStats>,
    pub(super) streams: Arc<StreamStats>,
    pub(super) tls: Arc<TlsStats>,
    pub(super) liveness: Liveness,
}

/// What the admin port reaches.
pub(super) struct State {
    pub(super) stats: Stats,
    pub(super) hub: HubLink,
    pub(super) executor: Executor,
    pub(super) pool: Arc<Pool>,
    pub(super) sources: Arc<Sources>,
    pub(super) subgraphs: SubgraphClient,
    pub(super) resolvers_max: usize,
    pub(super) readiness: Arc<Readiness>,
    pub(super) http: Arc<http::Counters>,
}

impl admin::State for State {
    fn is_live(&self) -> bool {
        self.stats.liveness.is_live()
    }

    fn is_ready(&self) -> bool {
        self.readiness.is_ready()
    }

    fn metrics(&self) -> Snapshot {
        let mut snapshot = Snapshot { resolvers_max: self.resolvers_max as u64, ..Snapshot::default() };
        self.add_front(&mut snapshot);
        self.add_engine(&mut snapshot);
        self.add_refusals(&mut snapshot);
        self.add_reactor(&mut snapshot);
        self.add_streams(&mut snapshot);
        self.add_hub(&mut snapshot);
        self.add_execution(&mut snapshot);
        snapshot.log_lines_dropped = logging::dropped_lines();
        snapshot.subgraphs = self.subgraphs.status().into_iter().map(subgraph).collect();
        snapshot
    }

    fn debug_state(&self) -> BoxFuture<Result<Bytes, Unavailable>> {
        let asked = self.hub.describe();
        Box::pin(async move { asked.ok_or(Unavailable)?.await.map_err(|_| Unavailable) })
    }

    fn publish(
        &self,
        provider: &str,
        subject: &str,
        payload: Bytes,
    ) -> BoxFuture<Result<Published, PublishError>> {
        let published = self.sources.publish_memory(provider, subject, payload);
        Box::pin(async move {
            let position = published.await.map_err(publish_error)?;
            Ok(Published { position: position.offset(0).unwrap_or_default() })
        })
    }
}

impl State {
    fn add_front(&self, snapshot: &mut Snapshot) {
        let front = &self.stats.front;
        // In this order, so that a request which ends meanwhile is not missing from those begun.
        let ended = front.requests_ended.get();
        snapshot.http_requests_in_flight = front.requests_begun.get() - ended;
        snapshot.http_requests = self.http.answered.read();
        let (reloads, failed) = (self.stats.tls.reloads.get(), self.stats.tls.reloads_failed.get());
        snapshot.tls_reloads.push(Labelled { label: "ok", value: reloads });
        snapshot.tls_reloads.push(Labelled { label: "failed", value: failed });
        snapshot.subscriptions_rejected.push(labelled("overload", &front.streams_refused));
        snapshot.tls_handshakes_failed = self.http.tls_handshakes_failed.load(Ordering::Relaxed);
    }

    fn add_engine(&self, snapshot: &mut Snapshot) {
        let engine = &self.stats.engine;
        snapshot.plan_cache.push(labelled("hits", &engine.plan_cache_hits));
        snapshot.plan_cache.push(labelled("misses", &engine.plan_cache_misses));
    }

    /// By cause: whom the front turned away, and the reactor, to whom some come too late or in vain.
    fn add_refusals(&self, snapshot: &mut Snapshot) {
        let (http, reactor) = (&self.http, &self.stats.reactor);
        let front = |count: &AtomicU64| count.load(Ordering::Relaxed);
        snapshot.connections_refused.extend(
            [
                ("full", front(&http.connections_refused) + reactor.connections_refused.get()),
                ("accept_error", front(&http.accept_errors)),
                ("proxy_protocol", front(&http.proxy_headers_refused)),
                ("tls", front(&http.tls_handshakes_failed)),
                ("head", front(&http.heads_refused)),
                ("handshake", front(&http.upgrades_refused)),
                ("subprotocol", reactor.subprotocols_refused.get()),
                ("stopping", reactor.refused_at_stop.get()),
                ("system", reactor.registrations_failed.get()),
            ]
            .map(|(label, value)| Labelled { label, value }),
        );
    }

    fn add_reactor(&self, snapshot: &mut Snapshot) {
        let reactor = &self.stats.reactor;
        snapshot.connections = reactor.connections.get();
        snapshot.subscriptions = reactor.subscriptions.get();
        snapshot.upstream_connections = reactor.upstream_connections.get();
        snapshot.upstream_subscriptions = reactor.upstream_subscriptions.get();
        snapshot.outbound_bytes = reactor.outbound_bytes.get();
        snapshot.messages_sent = reactor.messages_sent.get();
        snapshot.subscriptions_rejected.push(labelled("limit", &reactor.subscriptions_refused));
        snapshot.connections_closed = reactor.closed.read();
        snapshot.connections_timed_out = reactor.ping_timeouts.get();
        snapshot.overflow.push(Labelled { label: "disconnect", value: reactor.slow_consumers.get() });
        snapshot.queues.push(queue("reactor_mail", reactor.mail_waiting.get(), 0, 0));
        snapshot.queues.push(queue("outbox", reactor.outbox_entries.get(), 0, reactor.slow_consumers.get()));
        snapshot.loops.push(Loop { name: "reactor", turns: reactor.turns.clone() });
    }

    fn add_streams(&self, snapshot: &mut Snapshot) {
        let streams = &self.stats.streams;
        snapshot.http_streams = streams.streams.get();
        snapshot.subscriptions += snapshot.http_streams;
        snapshot.messages_sent += streams.messages_sent.get();
        snapshot.overflow.push(Labelled { label: "cut_off", value: streams.slow_consumers.get() });
        snapshot.queues.push(queue("stream_mail", streams.mail_waiting.get(), 0, 0));
    }

    fn add_hub(&self, snapshot: &mut Snapshot) {
        let HubNumbers { counters: hub, unwanted, queues } = self.stats.hub.read();
        let statuses = self.sources.status().into_iter();
        snapshot.providers = statuses.map(|it| provider(it, &unwanted)).collect();
        snapshot.triggers = hub.triggers;
        snapshot.groups = hub.groups;
        snapshot.triggers_started = hub.triggers_started;
        snapshot.events_decoded = hub.events_received;
        snapshot.resolves = hub.resolves;
        snapshot.deliveries = hub.delivers;
        snapshot.events_unreadable = hub.events_invalid;
        snapshot.events_filtered = hub.events_filtered;
        snapshot.events_undecided = hub.events_undecided;
        snapshot.events_lost = hub.events_lost + hub.backlog_events_dropped;
        snapshot.subscriptions_started = hub.joins;
        snapshot.overflow.push(Labelled { label: "events_lost", value: hub.backlog_overflows });
        snapshot.queues.push(queue("hub_results", queues.results as u64, 0, 0));
        snapshot.queues.push(queue("hub_asks", queues.asks as u64, 0, self.stats.reactor.reads_paused.get()));
        snapshot.queues.push(queue("hub_reports", queues.reports as u64, 0, 0));
        snapshot.queues.push(queue("group_backlogs", hub.backlog_events, 0, hub.backlog_overflows));
        snapshot.loops.push(Loop { name: "hub", turns: self.stats.hub.turns.clone() });
    }

    fn add_execution(&self, snapshot: &mut Snapshot) {
        let counters = self.executor.counters();
        snapshot.events_refused += counters.events_invalid.load(Ordering::Relaxed);
        snapshot.serialisations = counters.serialisations.load(Ordering::Relaxed);
        snapshot.fetches = counters.fetches.load(Ordering::Relaxed);
        snapshot.fetches_shared = counters.fetches_shared.load(Ordering::Relaxed);
        snapshot.representations = counters.representations.load(Ordering::Relaxed);
        // Events, queries and mutations alike.
        snapshot.resolvers_in_flight = self.pool.counters().resolve_tasks.load(Ordering::Relaxed) as u64;
        snapshot.prepare_threads_replaced =
            self.pool.counters().prepare_threads_replaced.load(Ordering::Relaxed);
        let refused = self.pool.counters().prepare_refused.load(Ordering::Relaxed);
        snapshot.queues.push(queue("prepare", self.pool.prepare_queued() as u64, 0, refused));
        snapshot.queues.push(queue("fetch_permits", counters.waiting() as u64, 0, 0));
    }
}

fn labelled(label: &'static str, count: &Count) -> Labelled {
    Labelled { label, value: count.get() }
}

fn queue(name: &'static str, depth: u64, capacity: u64, full: u64) -> Queue {
    Queue { name, depth, capacity, full }
}

fn provider(status: sources::ProviderStatus, unwanted: &[Unwanted]) -> Provider {
    let kind = match status.kind {
        "kafka" => ProviderKind::Kafka,
        "redis" => ProviderKind::Redis,
        // A memory provider answers to NATS's directives.
        _ => ProviderKind::Nats,
    };
    let filtered = unwanted.iter().find(|it| it.kind == kind && *it.provider == *status.id);
    Provider {
        kind: status.kind,
        id: status.id.into(),
        is_up: status.up,
        received: status.received,
        published: status.published,
        failed: status.failed,
        skipped: status.skipped,
        errors: status.errors,
        lag: status.lag.into_iter().map(lag).collect(),
        filtered: filtered.map_or(0, |it| it.events),
    }
}

fn lag(it: sources::PartitionLag) -> Lag {
    Lag { topic: it.topic, partition: it.partition, events: it.events }
}

fn subgraph(status: SubgraphStatus) -> Subgraph {
    Subgraph {
        name: status.name,
        is_breaker_open: status.is_breaker_open,
        retries: status.retries,
        rejected: status.rejected,
    }
}

fn publish_error(error: sources::PublishError) -> PublishError {
    match error {
        sources::PublishError::Undefined(_) => PublishError::UnknownProvider,
        sources::PublishError::Stopping => PublishError::Unavailable,
        other => PublishError::BadSubject(other.to_string()),
    }
}
