//! What the kernel says about this process (Linux only; elsewhere the `process_*` metrics are missing), and
//! its allocator.

use std::fs;
use tikv_jemalloc_ctl::{epoch, stats};

pub(super) struct Usage {
    pub(super) cpu_seconds: f64,
    pub(super) open_fds: u64,
    pub(super) max_fds: u64,
    pub(super) resident_bytes: u64,
    pub(super) virtual_bytes: u64,
    pub(super) threads: u64,
    pub(super) start_seconds: u64,
}

/// Ticks per second in `/proc`; the kernel fixes it for programs on every architecture we build for.
const TICKS: f64 = 100.0;

/// `None` where there is no `/proc`.
pub(super) fn usage() -> Option<Usage> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    // The second field is the program's name in parentheses and may hold anything, blanks too.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    let kilobytes = |name: &str| Some(number_after(&status, name)? * 1024);
    Some(Usage {
        cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS,
        open_fds: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        max_fds: number_after(&limits, "Max open files")?,
        resident_bytes: kilobytes("VmRSS:")?,
        virtual_bytes: kilobytes("VmSize:")?,
        threads: number_after(&status, "Threads:")?,
        start_seconds: number_after(&system, "btime")? + (ticks(22)? / TICKS) as u64,
    })
}

/// Bytes that the program has asked for and not given back, as jemalloc counts: what threads keep at hand
/// for their next requests included, what waits to go back to the system not.
pub(super) fn allocated_bytes() -> Option<u64> {
    // Its numbers are those of the last time somebody asked it to count.
    epoch::advance().ok()?;
    stats::allocated::read().ok().map(|it| it as u64)
}

/// The first number behind `name` at a line's start.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|it| it.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
