//! Deadlines of connections: `connection_init`, pings, closing.
//!
//! Each connection has one entry in the wheel that counts, the one at its `due`; traffic never touches the
//! wheel. An entry that comes out earlier than `due` is left over from a deadline that was moved.

use super::{
    Reactor,
    connections::{ConnectionKey, Phase},
    writing::Closing,
};
use crate::net::websocket;
use std::time::Duration;

/// Looks at a connection are never further apart, which keeps every entry within the wheel.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(300);
/// Connections looked at in one turn: many that came in one tick fall due in one, too.
const LOOKS_PER_TURN: usize = 4096;
/// When to look again at a client whose messages the reactor was too busy to read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Pings that may stay unanswered.
const PINGS_UNANSWERED_MAX: u8 = 2;

impl Reactor {
    /// Asks for a look at a connection's deadlines after `wait`.
    pub(super) fn schedule(&mut self, key: ConnectionKey, wait: Duration) {
        let due = self.now + wait.min(LOOK_AT_LEAST_EVERY);
        self.connections[key].due = due;
        self.wheel.insert(due, self.connections.timer_key(key));
    }

    pub(super) fn fire_timers(&mut self) {
        let mut expired = std::mem::take(&mut self.expired);
        self.wheel.expire(self.now, &mut expired);
        let left = expired.len().saturating_sub(LOOKS_PER_TURN);
        for timer in expired.drain(left..) {
            if let Some(key) = self.connections.resolve(timer)
                && self.connections[key].due <= self.now
            {
                self.look_at(key);
            }
        }
        self.expired = expired;
    }

    /// The client is known now: from here on silence is what ends it.
    pub(super) fn expect_life(&mut self, key: ConnectionKey) {
        self.connections[key].active = self.now;
        // The entry for `connection_init` comes out first and finds that it was moved, or is the right one.
        self.schedule(key, self.silence_allowed(0).unwrap_or(LOOK_AT_LEAST_EVERY));
    }

    fn look_at(&mut self, key: ConnectionKey) {
        match self.connections[key].phase {
            Phase::Open if self.connections[key].session.is_acknowledged() => self.look_for_life(key),
            // It may have sent `connection_init` long ago.
            Phase::Open if self.is_paused() => self.schedule(key, LOOK_AGAIN),
            Phase::Open => self.look_for_init(key),
            // It had its time, to take what was left or to hang up.
            Phase::Closing | Phase::Closed | Phase::Answering => self.bury(key),
            Phase::Dead => {}
        }
    }

    fn look_for_init(&mut self, key: ConnectionKey) {
        let waited = self.now.saturating_duration_since(self.connections[key].active);
        let left = self.options.connection_init_timeout.saturating_sub(waited);
        if !left.is_zero() {
            return self.schedule(key, left);
        }
        if let Some(close) = self.connections[key].session.init_timed_out() {
            self.close(key, Closing::of(close));
        }
    }

    fn look_for_life(&mut self, key: ConnectionKey) {
        let connection = &self.connections[key];
        if connection.readable {
            // It lives; the one who is late is the reactor.
            return self.schedule(key, LOOK_AGAIN);
        }
        let silence = self.now.saturating_duration_since(connection.active);
        let unanswered = connection.pings_unanswered;
        let Some(allowed) = self.silence_allowed(unanswered) else {
            return self.schedule(key, LOOK_AT_LEAST_EVERY);
        };
        if silence < allowed {
            return self.schedule(key, allowed - silence);
        }
        if unanswered >= PINGS_UNANSWERED_MAX {
            self.stats.ping_timeouts.increment();
            return self.bury(key);
        }
        self.ping(key);
        let next = self.silence_allowed(unanswered + 1).unwrap_or(LOOK_AT_LEAST_EVERY);
        self.schedule(key, next.saturating_sub(silence));
    }

    /// Silence after which the next thing is due, given the pings that were not answered.
    fn silence_allowed(&self, unanswered: u8) -> Option<Duration> {
        let interval = self.options.ping_interval;
        (!interval.is_zero()).then(|| interval.saturating_mul(u32::from(unanswered) + 1))
    }

    fn ping(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        connection.pings_unanswered += 1;
        // Behind a backlog it would only add to it: the client answers by taking bytes.
        if connection.queue.refused {
            return;
        }
        let mut frame = Vec::with_capacity(2);
        websocket::write_ping(b"", &mut frame);
        self.stats.pings_sent.increment();
        self.push_raw(key, frame.into());
    }
}
