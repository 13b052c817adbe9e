//! Holds the router to its promise that no input is endless work.
//!
//! Measured in CPU time of the thread: wall time tells more about the machine's other work.

use std::{fs, time::Duration};

/// Calls something that must not take more CPU time than this.
///
/// # Panics
/// When it does; that is the finding.
pub fn bounded<T>(what: &str, most: Duration, work: impl FnOnce() -> T) -> T {
    let before = cpu_time();
    let outcome = work();
    let taken = cpu_time().saturating_sub(before);
    assert!(taken <= most, "{what} took {taken:?} of CPU time");
    outcome
}

/// How long this thread has run; nothing where the kernel does not tell.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0))
}
