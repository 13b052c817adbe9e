//! The hub's few timers: at most one of each kind per trigger.

use super::TriggerId;
use std::{collections::BTreeSet, time::Instant};

/// What a trigger may be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Nobody came back.
    Linger,
    /// The feed is away for too long.
    Grace,
}

/// Timers in the order in which they are due; ties in the order of the triggers.
#[derive(Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, TriggerId, Timer)>,
}

impl Timers {
    pub(super) fn set(&mut self, at: Instant, trigger: TriggerId, timer: Timer) {
        self.due.insert((at, trigger, timer));
    }

    pub(super) fn cancel(&mut self, at: Instant, trigger: TriggerId, timer: Timer) {
        self.due.remove(&(at, trigger, timer));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, ..)| *at)
    }

    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(TriggerId, Timer)> {
        let (at, ..) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first().map(|(_, trigger, timer)| (trigger, timer))
    }
}
