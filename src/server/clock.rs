//! The one place that reads the clock. Everything else is told what time it is.
#![expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]

use std::time::{Duration, Instant};

pub(super) fn now() -> Instant {
    Instant::now()
}

/// A stretch of time that a phase of work may take.
pub(super) struct Slice {
    until: Instant,
    asks: u32,
}

impl Slice {
    /// Asks between two looks at the clock.
    const ASKS_PER_LOOK: u32 = 8;

    pub(super) fn new(length: Duration) -> Self {
        Self { until: now() + length, asks: 0 }
    }

    /// To be asked between pieces of work.
    pub(super) fn is_over(&mut self) -> bool {
        self.asks += 1;
        self.asks.is_multiple_of(Self::ASKS_PER_LOOK) && now() >= self.until
    }
}
