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

/// Calls something that must not need more memory than this beyond what was ever needed before.
///
/// # Panics
/// When it does.
pub fn lean<T>(what: &str, most_bytes: usize, work: impl FnOnce() -> T) -> T {
    let before = memory_peak_bytes();
    let outcome = work();
    let grown = memory_peak_bytes().saturating_sub(before);
    assert!(grown <= most_bytes, "{what} took {} MiB", grown >> 20);
    outcome
}

/// The most memory that this process has had; nothing where the kernel does not tell.
fn memory_peak_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kib = line.and_then(|it| it.trim().split(' ').next()?.parse::<usize>().ok());
    kib.unwrap_or(0) << 10
}
