//! Waiting with a deadline: tests ask again and again, they never sleep and hope.
#![expect(clippy::disallowed_methods, reason = "deadlines are on the real clock")]

use std::{
    thread,
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_millis(5);

/// Asks until there is an answer or the time is up; asks at least once.
pub fn wait_for<T>(timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + timeout;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::park_timeout(PAUSE);
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// If it does not hold in time; `what` tells the reader what did not happen.
#[track_caller]
pub fn wait_until(what: &str, timeout: Duration, mut condition: impl FnMut() -> bool) {
    let held = wait_for(timeout, || condition().then_some(()));
    assert!(held.is_some(), "not within {timeout:?}: {what}");
}
