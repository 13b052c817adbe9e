//! Deadlines of links: acknowledgement, pings, writing, idling, coming back.
//!
//! Each link has one entry in the wheel that counts, the one at its `due`; an entry that comes out earlier
//! is left over from a deadline that was moved.

use super::{LinkId, Upstreams, endings::Loss, link::State};
use crate::net::websocket;
use std::time::{Duration, Instant};

/// Looks at a link are never further apart, which keeps every entry within the wheel.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(300);
/// Links looked at in one turn.
const LOOKS_PER_TURN: usize = 1024;

/// What a link's deadlines come to at one moment.
enum Verdict {
    LookAgain(Instant),
    Lose(Loss),
    Ping,
    Retire,
    Dial,
}

impl Upstreams {
    pub(in crate::server::reactor) fn fire_timers(&mut self, now: Instant) {
        let mut expired = std::mem::take(&mut self.expired);
        self.wheel.expire(now, &mut expired);
        let left = expired.len().saturating_sub(LOOKS_PER_TURN);
        for timer in expired.drain(left..) {
            let id = LinkId { index: timer.0 as u32, generation: (timer.0 >> 32) as u32 };
            if self.is_known(id) && self.links[id.index as usize].due <= now {
                self.look_at(now, id);
            }
        }
        self.expired = expired;
    }

    /// Does what is due for a link, and asks for the next look.
    pub(super) fn look_at(&mut self, now: Instant, id: LinkId) {
        if !self.is_known(id) {
            return;
        }
        match self.judge(now, id) {
            Verdict::LookAgain(at) => self.schedule(now, id, at),
            Verdict::Lose(loss) => self.lose(now, id, &loss),
            Verdict::Retire => self.retire(id),
            Verdict::Dial => self.dial(id),
            Verdict::Ping => {
                self.ping(now, id);
                self.look_at(now, id);
            }
        }
    }

    fn schedule(&mut self, now: Instant, id: LinkId, at: Instant) {
        let due = at.min(now + LOOK_AT_LEAST_EVERY);
        self.links[id.index as usize].due = due;
        self.wheel.insert(due, id.timer());
    }

    fn judge(&self, now: Instant, id: LinkId) -> Verdict {
        let (options, link) = (&self.around.options, &self.links[id.index as usize]);
        // Nobody comes back to a connection that was for one.
        let kept = if link.key.is_for_one { Duration::ZERO } else { options.idle_timeout };
        let idle = link.feeds.is_empty().then(|| link.idle_since + kept);
        if idle.is_some_and(|it| it <= now) {
            return Verdict::Retire;
        }
        let up = match &link.state {
            // The dialler keeps the time.
            State::Dialling { .. } => return Verdict::LookAgain(idle.unwrap_or(now + LOOK_AT_LEAST_EVERY)),
            State::Waiting(until) if *until <= now => return Verdict::Dial,
            State::Waiting(until) => return Verdict::LookAgain(*until),
            State::Up(up) => up,
        };
        let ack = (!up.session.is_acknowledged()).then(|| up.opened + options.ack_timeout);
        let writing = up.blocked.map(|since| since + options.write_timeout);
        let pong = up.pinged.map(|since| since + options.ping_timeout);
        let ping = (up.pinged.is_none() && ack.is_none()).then(|| up.heard + options.ping_interval);
        let is_due = |at: Option<Instant>| at.is_some_and(|it| it <= now);
        if is_due(writing) {
            Verdict::Lose(Loss::BROKEN)
        } else if (is_due(ack) || is_due(pong)) && !up.readable {
            // A link with unread input is not silent: the one who is late is the reactor.
            Verdict::Lose(Loss::BROKEN)
        } else if is_due(ping) {
            Verdict::Ping
        } else {
            let next = [idle, ack, writing, pong, ping].into_iter().flatten().filter(|it| *it > now).min();
            Verdict::LookAgain(next.unwrap_or(now + Duration::from_secs(1)))
        }
    }

    /// Asks for a sign of life, in the subprotocol's way or in WebSocket's own.
    fn ping(&mut self, now: Instant, id: LinkId) {
        let mask = self.mask();
        let Some(up) = self.links[id.index as usize].up() else { return };
        up.pinged = Some(now);
        let (mut message, mut frame) = (Vec::new(), Vec::new());
        if up.session.write_ping(&mut message) {
            websocket::client::write_text(&message, mask, &mut frame);
        } else {
            websocket::client::write_ping(b"", mask, &mut frame);
        }
        self.push(now, id, &frame);
    }
}
