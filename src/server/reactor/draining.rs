//! Closing everybody, a few at a time, so that clients do not all come back at once.

use super::{Reactor, writing};
use crate::net::timer::TimerKey;
use std::time::{Duration, Instant};

/// Connections that are being closed, spread over some time.
pub(super) struct Drain {
    began: Instant,
    spread: Duration,
    /// Everybody who was there when it began; who comes later is turned away at once.
    connections: Vec<TimerKey>,
    closed: usize,
}

impl Drain {
    /// How many are to be closed by now.
    fn due(&self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.began).as_secs_f64();
        let share = if self.spread.is_zero() { 1.0 } else { passed / self.spread.as_secs_f64() };
        let due = (self.connections.len() as f64 * share).ceil() as usize;
        due.clamp(self.closed, self.connections.len())
    }
}

impl Reactor {
    pub(super) fn begin_drain(&mut self, spread: Duration) {
        let connections = self.connections.keys().map(|key| self.connections.timer_key(key)).collect();
        self.drain = Some(Drain { began: self.now, spread, connections, closed: 0 });
    }

    /// Closes as many connections as their share of the time has passed.
    pub(super) fn drain_some(&mut self) {
        let Some(mut drain) = self.drain.take() else { return };
        let due = drain.due(self.now);
        for timer in &drain.connections[drain.closed..due] {
            if let Some(key) = self.connections.resolve(*timer) {
                self.close(key, writing::service_restart());
            }
        }
        drain.closed = due;
        self.drain = Some(drain);
    }
}
