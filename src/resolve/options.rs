//! What can be set about execution.

use std::{num::NonZero, thread};

/// How what a subgraph says went wrong reaches the client (`subgraph_error_propagation`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPropagation {
    pub mode: ErrorMode,
    /// Paths become the client's; otherwise they are left out.
    pub rewrite_paths: bool,
    pub omit_locations: bool,
    pub omit_extensions: bool,
    /// The subgraph's HTTP status as `extensions.statusCode`.
    pub propagate_status_codes: bool,
    /// The subgraph's name as `extensions.serviceName`.
    pub attach_service_name: bool,
    /// `extensions.code` where the subgraph gives none; empty: none.
    pub default_code: String,
    /// Members of `extensions` that pass; `None`: all.
    pub allowed_extensions: Option<Vec<String>>,
    /// Members of an error that GraphQL does not know and that pass.
    pub allowed_fields: Vec<String>,
}

/// See [`ErrorPropagation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorMode {
    /// Clients learn that a fetch failed, and nothing else.
    Hidden,
    /// One error that names the subgraph, with the subgraph's own in `extensions.errors`.
    Wrapped,
    /// Each of the subgraph's errors by itself.
    PassThrough,
}

impl Default for ErrorPropagation {
    fn default() -> Self {
        Self {
            mode: ErrorMode::Wrapped,
            rewrite_paths: true,
            omit_locations: true,
            omit_extensions: false,
            propagate_status_codes: false,
            attach_service_name: true,
            default_code: "DOWNSTREAM_SERVICE_ERROR".to_owned(),
            allowed_extensions: Some(vec!["code".to_owned()]),
            allowed_fields: Vec::new(),
        }
    }
}

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
    /// How errors of subgraphs reach clients.
    pub errors: ErrorPropagation,
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
            errors: ErrorPropagation::default(),
            buffers_max: 256,
            buffer_bytes_max: 256 * 1024,
        }
    }
}
