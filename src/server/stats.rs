//! What the threads count, for `/metrics` and `/debug/state`.
//!
//! Each thread writes its own numbers, relaxed; a reader may see one number a moment before another.

use crate::{
    admin::Histogram,
    hub::{Counters, Hub},
};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
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

/// The reactor's numbers.
#[derive(Default)]
pub(super) struct ReactorStats {
    /// Open WebSockets.
    pub(super) connections: Count,
    /// Operations in flight on them.
    pub(super) subscriptions: Count,
    pub(super) connections_accepted: Count,
    pub(super) connections_refused: Count,
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
    pub(super) mail_waiting: Count,
    turns: Histogram,
    turn_max_nanoseconds: AtomicU64,
}

impl ReactorStats {
    pub(super) fn turn(&self, took: Duration) {
        self.turns.record(took);
        self.turn_max_nanoseconds.fetch_max(took.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(super) fn turns(&self) -> &Histogram {
        &self.turns
    }

    pub(super) fn turn_max(&self) -> Duration {
        Duration::from_nanos(self.turn_max_nanoseconds.load(Ordering::Relaxed))
    }
}

/// Inputs that wait for the hub.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HubQueues {
    pub(super) results: usize,
    pub(super) asks: usize,
    pub(super) reports: usize,
}

/// The hub's numbers, as of its last turn.
#[derive(Default)]
pub(super) struct HubStats {
    counters: Mutex<(Counters, HubQueues)>,
    turns: Histogram,
    turn_max_nanoseconds: AtomicU64,
}

impl HubStats {
    /// Puts the numbers where they can be read. `false`: somebody is reading; the hub does not wait, try
    /// again soon.
    pub(super) fn publish(&self, hub: &Hub, queues: HubQueues) -> bool {
        let Ok(mut published) = self.counters.try_lock() else { return false };
        published.0.clone_from(hub.counters());
        published.1 = queues;
        true
    }

    pub(super) fn read(&self) -> (Counters, HubQueues) {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn turn(&self, took: Duration) {
        self.turns.record(took);
        self.turn_max_nanoseconds.fetch_max(took.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(super) fn turns(&self) -> &Histogram {
        &self.turns
    }

    pub(super) fn turn_max(&self) -> Duration {
        Duration::from_nanos(self.turn_max_nanoseconds.load(Ordering::Relaxed))
    }
}
