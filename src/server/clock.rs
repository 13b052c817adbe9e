//! The one place that reads the clock. Everything else is told what time it is.
#![expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]

use std::time::Instant;

pub(super) fn now() -> Instant {
    Instant::now()
}
