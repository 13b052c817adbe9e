//! What a provider counts, and how it is shown.

use super::Position;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

/// Counters of one provider, written by its tasks and read by whoever shows metrics.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) up: AtomicBool,
    /// Events that reached this process, dropped ones included.
    pub(super) received: AtomicU64,
    /// Events dropped because the hub's queue and the feed's own were full.
    pub(super) dropped: AtomicU64,
    pub(super) published: AtomicU64,
    /// Publishes and requests that the broker did not confirm or answer.
    pub(super) failed: AtomicU64,
    pub(super) reconnects: AtomicU64,
    /// Tasks that ended without being told to and were started again.
    pub(super) restarts: AtomicU64,
    /// Messages that are no events: without a value (Kafka's tombstones), or marks of the broker's (`nats/marks`).
    pub(super) skipped: AtomicU64,
    /// Errors of a client library that goes on by itself.
    pub(super) errors: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Relaxed)
    }

    pub(super) fn status(&self, kind: &'static str, id: &str) -> ProviderStatus {
        ProviderStatus {
            kind,
            id: id.to_owned(),
            up: self.is_up(),
            feeds: 0,
            received: self.received.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            published: self.published.load(Relaxed),
            failed: self.failed.load(Relaxed),
            reconnects: self.reconnects.load(Relaxed),
            restarts: self.restarts.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            errors: self.errors.load(Relaxed),
            lag: Vec::new(),
            log: None,
        }
    }
}

/// A provider at one moment, for metrics and `/debug/state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderStatus {
    /// `nats`, `memory`, `kafka` or `redis`.
    pub kind: &'static str,
    pub id: String,
    /// Connected, and its subscriptions confirmed.
    pub up: bool,
    /// Feeds started and not stopped.
    pub feeds: usize,
    /// Events that reached the router, dropped ones included; per feed, so an event counts once for each.
    pub received: u64,
    /// Events dropped because queues were full.
    pub dropped: u64,
    pub published: u64,
    /// Publishes and requests that the broker did not confirm or answer.
    pub failed: u64,
    pub reconnects: u64,
    /// Tasks that ended without being told to and were started again.
    pub restarts: u64,
    /// Messages that are no events: without a value, or marks of the broker's.
    pub skipped: u64,
    /// Errors of the client library after which it went on by itself.
    pub errors: u64,
    /// How far the router is behind, where a broker knows; of topics that are being read.
    pub lag: Vec<PartitionLag>,
    /// The replay log of a memory provider.
    pub log: Option<LogStatus>,
}

/// How far the reader of a partition is behind its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    pub topic: Arc<str>,
    pub partition: usize,
    pub events: u64,
}

/// What a memory provider remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogStatus {
    pub events: usize,
    pub bytes: usize,
    /// The oldest event still in the log.
    pub first: Option<Position>,
    /// The newest event ever published.
    pub last: Option<Position>,
}
