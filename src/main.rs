//! The `juga` binary: arguments in, exit code out.

use std::process::ExitCode;

/// Profiles of the heap (`/debug/pprof/heap`) need jemalloc; it also gives memory back after bursts.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    juga::cli::run(std::env::args_os())
}
