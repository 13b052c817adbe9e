//! CPU time and memory of another process, and who runs on which core.

use std::{fs, process::Command, thread, time::Duration};

/// One core for the server, another for the client, where the machine allows it.
#[derive(Clone, Copy, Debug)]
pub struct Pinning {
    on: bool,
}

impl Pinning {
    /// Moves this process to the client's core; servers are started on theirs.
    pub fn choose() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let own = std::process::id().to_string();
        let pinned = || Command::new("taskset").args(["-a", "-cp", "1", &own]).output();
        Self { on: cores >= 2 && pinned().is_ok_and(|it| it.status.success()) }
    }

    pub fn is_on(self) -> bool {
        self.on
    }

    /// The command that a server is started under.
    pub fn server(self) -> &'static [&'static str] {
        if self.on { &["taskset", "-c", "0"] } else { &[] }
    }
}

/// Nanoseconds that the threads of a process have run; threads that ended do not count.
pub fn cpu_ns(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let run = |path: std::path::PathBuf| -> Option<u64> {
        fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(|task| run(task.ok()?.path())).sum()
}

/// Nanoseconds that the calling thread has run.
pub fn own_thread_ns() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split(' ').next().and_then(|it| it.parse().ok()).expect("a number")
}

/// Bytes of anonymous memory that are resident.
pub fn rss_anon(pid: u32) -> u64 {
    status_bytes(pid, "RssAnon:")
}

/// The most bytes that were ever resident.
pub fn rss_peak(pid: u32) -> u64 {
    status_bytes(pid, "VmHWM:")
}

fn status_bytes(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|it| it.strip_prefix(name)).expect("Linux 4.5 or later");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

/// Waits until memory has stopped changing, five seconds at most, and returns it.
pub fn settled_rss_anon(pid: u32) -> u64 {
    let (mut last, mut steady) = (rss_anon(pid), 0);
    for _ in 0..50 {
        thread::park_timeout(Duration::from_millis(100));
        let now = rss_anon(pid);
        steady = if now == last { steady + 1 } else { 0 };
        last = now;
        if steady == 5 {
            break;
        }
    }
    last
}
