//! What can be set about execution.

use std::{num::NonZero, thread};

/// Threads and bounds of execution. Zeroes count as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads that carry out operations and events. Default: one per core.
    pub resolver_threads: usize,
    /// Threads that prepare operations (parse, validate, plan). Default: 1.
    pub prepare_threads: usize,
    /// Preparations that may wait for a thread; past it [`super::Pool::prepare`] refuses. Default: 1024.
    pub prepare_queue: usize,
    /// Requests in flight to one subgraph; further fetches wait for their turn, first come first served.
    /// Default: 1024.
    pub max_concurrent_resolvers: usize,
    /// Whether equal queries to a subgraph that are in flight at once are sent as one. Default: true.
    pub share_queries_in_flight: bool,
    /// Working buffers kept for reuse; past it they are freed. Default: 256.
    pub buffers_max: usize,
    /// Bytes up to which a working buffer is kept rather than freed. Default: 256 KiB.
    pub buffer_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            resolver_threads: thread::available_parallelism().map_or(1, NonZero::get),
            prepare_threads: 1,
            prepare_queue: 1024,
            max_concurrent_resolvers: 1024,
            share_queries_in_flight: true,
            buffers_max: 256,
            buffer_bytes_max: 256 * 1024,
        }
    }
}
