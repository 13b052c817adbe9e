//! Keep-alive messages to clients of the legacy dialect, whose library hangs up when they stay away.
//!
//! They show that the router lives; whether the client does is for pings to find out, see
//! [`super::timers`]. All have the same interval, so those that wait stand in a queue and not in the wheel,
//! and connections of the other dialect hold nothing for them.

use super::{
    Reactor,
    connections::{ConnectionKey, Phase},
    reading::message,
};
use crate::{
    net::timer::{TICK_DEFAULT, TimerKey},
    protocol::{Dialect, graphql_ws::write_keep_alive},
};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Messages in one turn.
const KEEP_ALIVES_PER_TURN: usize = 4096;

/// Who gets a message next, and when. A connection that ends leaves its entry behind until it comes out, so
/// there are never more than were open at some time within the last interval.
#[derive(Default)]
pub(super) struct KeepAlives {
    waiting: VecDeque<(Instant, TimerKey)>,
}

impl KeepAlives {
    fn push(&mut self, due: Instant, connection: TimerKey) {
        self.waiting.push_back((due, connection));
    }

    fn pop_due(&mut self, now: Instant) -> Option<TimerKey> {
        let (_, connection) = self.waiting.pop_front_if(|it| it.0 <= now)?;
        Some(connection)
    }

    /// How long nothing has to be sent. Messages may be a tick late, as in the wheel: clients that came one
    /// by one do not cost a turn each.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Duration> {
        let (due, _) = self.waiting.front()?;
        Some((*due + TICK_DEFAULT).saturating_duration_since(now))
    }
}

impl Reactor {
    /// Sends a client that was just acknowledged its first message, if it is to get any at all: from then on
    /// it counts on them.
    pub(super) fn begin_keep_alive(&mut self, key: ConnectionKey) {
        let dialect = self.connections[key].session.dialect();
        if dialect == Dialect::GraphqlWs && !self.options.legacy_keep_alive_interval.is_zero() {
            self.keep_one_alive(key);
        }
    }

    /// Sends what is due.
    pub(super) fn keep_alive(&mut self) {
        for _ in 0..KEEP_ALIVES_PER_TURN {
            let Some(timer) = self.keep_alives.pop_due(self.now) else { break };
            if let Some(key) = self.connections.resolve(timer)
                && self.connections[key].phase == Phase::Open
            {
                self.keep_one_alive(key);
            }
        }
    }

    /// Also behind a backlog, unlike a ping: what the client waits for is this message and no other.
    fn keep_one_alive(&mut self, key: ConnectionKey) {
        let due = self.now + self.options.legacy_keep_alive_interval;
        self.keep_alives.push(due, self.connections.timer_key(key));
        self.push_raw(key, message(write_keep_alive));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::clock;

    const INTERVAL: Duration = Duration::from_secs(20);

    #[test]
    fn they_come_out_in_order_and_not_before_their_time() {
        let (start, mut waiting) = (clock::now(), KeepAlives::default());
        assert_eq!(waiting.next_wake(start), None, "nobody waits");
        for number in 0..3 {
            let moment = start + Duration::from_secs(number);
            waiting.push(moment + INTERVAL, TimerKey(number));
        }
        assert_eq!(waiting.next_wake(start), Some(INTERVAL + TICK_DEFAULT));
        assert_eq!(waiting.pop_due(start + INTERVAL - Duration::from_millis(1)), None);
        let later = start + INTERVAL + Duration::from_secs(1);
        assert_eq!(waiting.pop_due(later), Some(TimerKey(0)));
        assert_eq!(waiting.pop_due(later), Some(TimerKey(1)));
        assert_eq!(waiting.pop_due(later), None);
        assert_eq!(waiting.next_wake(start + INTERVAL * 2), Some(Duration::ZERO), "who is late is next");
    }
}
