//! What the threads count, for `/metrics` and `/debug/state`.
//!
//! Each thread writes its own numbers, relaxed; a reader may see one number a moment before another.

use crate::{
    admin::Histogram,
    hub::{Counters, Hub, Unwanted},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// A number that one or more threads write and anybody reads.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn increment(&self) {
        self.add(1);
    }

    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The engine's numbers.
#[derive(Debug, Default)]
pub(super) struct EngineStats {
    pub(super) plan_cache_hits: Count,
    pub(super) plan_cache_misses: Count,
}

/// The HTTP front's numbers.
#[derive(Debug, Default)]
pub(super) struct FrontStats {
    pub(super) requests_begun: Count,
    pub(super) requests_ended: Count,
    /// Streams that were not begun: too much was going on.
    pub(super) streams_refused: Count,
}

/// What became of certificates that changed.
#[derive(Debug, Default)]
pub(super) struct TlsStats {
    pub(super) reloads: Count,
    pub(super) reloads_failed: Count,
}

/// A request that counts as under way until this is dropped: answered, or left by its client.
pub(super) struct UnderWay(Arc<FrontStats>);

impl UnderWay {
    pub(super) fn begin(stats: &Arc<FrontStats>) -> Self {
        stats.requests_begun.increment();
        Self(stats.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.requests_ended.increment();
    }
}

/// The reactor's numbers.
#[derive(Default)]
pub(super) struct ReactorStats {
    /// Open WebSockets.
    pub(super) connections: Count,
    /// Operations in flight on them.
    pub(super) subscriptions: Count,
    /// WebSockets to subgraphs, and the subscriptions on them.
    pub(super) upstream_connections: Count,
    pub(super) upstream_subscriptions: Count,
    pub(super) connections_accepted: Count,
    /// Beyond as many as there may be.
    pub(super) connections_refused: Count,
    /// Those that offered no subprotocol of ours.
    pub(super) subprotocols_refused: Count,
    /// Those that came while the router was stopping.
    pub(super) refused_at_stop: Count,
    /// Those that the poller did not take.
    pub(super) registrations_failed: Count,
    /// Connections that were closed from our side.
    pub(super) closed: Closed,
    /// Operations beyond as many as a connection may have.
    pub(super) subscriptions_refused: Count,
    pub(super) messages_sent: Count,
    pub(super) bytes_sent: Count,
    pub(super) sends: Count,
    pub(super) messages_received: Count,
    pub(super) slow_consumers: Count,
    pub(super) pings_sent: Count,
    pub(super) ping_timeouts: Count,
    /// Turns in which no socket was read because the hub or the prepare lane was full.
    pub(super) reads_paused: Count,
    /// Messages that wait to be written.
    pub(super) outbox_entries: Count,
    /// Bytes of frames that wait for sockets which refused bytes.
    pub(super) outbound_bytes: Count,
    /// Messages, of which one may hold much of the hub's mail, and what is left of the one that was opened.
    pub(super) mail_waiting: Count,
    /// How long turns took, waiting not counted.
    pub(super) turns: Arc<Histogram>,
}

/// Connections by the close code that they were sent. Bounded: only the router's own codes are counted.
#[derive(Debug, Default)]
pub(super) struct Closed(Mutex<BTreeMap<u16, u64>>);

impl Closed {
    /// Never waits long: a reader copies a handful of numbers.
    pub(super) fn count(&self, code: u16) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    pub(super) fn read(&self) -> Vec<(u16, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(code, it)| (*code, *it)).collect()
    }
}

/// The numbers of subscriptions over HTTP.
#[derive(Debug, Default)]
pub(super) struct StreamStats {
    pub(super) streams: Count,
    pub(super) messages_sent: Count,
    pub(super) heartbeats_sent: Count,
    pub(super) slow_consumers: Count,
    pub(super) mail_waiting: Count,
}

/// Messages that wait for the hub; one may hold several results.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HubQueues {
    pub(super) results: usize,
    pub(super) asks: usize,
    pub(super) reports: usize,
}

/// What the hub counted.
#[derive(Clone, Debug, Default)]
pub(super) struct HubNumbers {
    pub(super) counters: Counters,
    pub(super) unwanted: Vec<Unwanted>,
    pub(super) queues: HubQueues,
}

/// The hub's numbers, as of its last turn.
#[derive(Default)]
pub(super) struct HubStats {
    published: Mutex<HubNumbers>,
    /// How long turns took, waiting not counted.
    pub(super) turns: Arc<Histogram>,
}

impl HubStats {
    /// Puts the numbers where they can be read. `false`: somebody is reading; the hub does not wait, try
    /// again soon.
    pub(super) fn publish(&self, hub: &Hub, queues: HubQueues) -> bool {
        let Ok(mut published) = self.published.try_lock() else { return false };
        published.counters.clone_from(hub.counters());
        // Keeps what it has allocated.
        hub.unwanted().clone_into(&mut published.unwanted);
        published.queues = queues;
        true
    }

    pub(super) fn read(&self) -> HubNumbers {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
