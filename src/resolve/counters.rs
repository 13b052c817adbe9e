//! What execution counts. Gauges go up and down, everything else only grows.

use crate::plan::SubgraphId;
use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// What an [`super::Executor`] did so far.
#[derive(Debug)]
pub struct Counters {
    /// Plans carried out, each event of each group being one.
    pub executions: AtomicU64,
    /// Responses written.
    pub serialisations: AtomicU64,
    /// Requests sent to subgraphs.
    pub fetches: AtomicU64,
    /// Fetches that waited for the answer to an equal request instead of sending one.
    pub fetches_shared: AtomicU64,
    /// Entity representations in what was sent.
    pub representations: AtomicU64,
    /// Fetches that gave no usable answer. (An answer that holds GraphQL errors is usable.)
    pub fetch_errors: AtomicU64,
    /// Events that were refused for their `__typename`.
    pub events_invalid: AtomicU64,
    /// Messages that a broker did not confirm.
    pub publish_errors: AtomicU64,
    /// GraphQL errors left out of responses that had too many.
    pub errors_dropped: AtomicU64,
    /// Executions that ended in a panic.
    pub panics: AtomicU64,
    /// Gauge: working buffers kept for reuse.
    pub buffers: AtomicUsize,
    /// By [`crate::plan::SubgraphId`].
    pub subgraphs: Box<[SubgraphCounters]>,
}

/// What goes to one subgraph.
#[derive(Debug)]
pub struct SubgraphCounters {
    pub name: Arc<str>,
    /// Gauge: requests in flight.
    pub in_flight: AtomicUsize,
    /// Gauge: fetches that wait for a permit.
    pub waiting: AtomicUsize,
}

impl Counters {
    pub(super) fn new(subgraphs: Vec<Arc<str>>) -> Self {
        let of = |name| SubgraphCounters { name, in_flight: 0.into(), waiting: 0.into() };
        Self {
            executions: 0.into(),
            serialisations: 0.into(),
            fetches: 0.into(),
            fetches_shared: 0.into(),
            representations: 0.into(),
            fetch_errors: 0.into(),
            events_invalid: 0.into(),
            publish_errors: 0.into(),
            errors_dropped: 0.into(),
            panics: 0.into(),
            buffers: 0.into(),
            subgraphs: subgraphs.into_iter().map(of).collect(),
        }
    }

    /// A subgraph's name.
    pub(super) fn name(&self, id: SubgraphId) -> &str {
        self.subgraphs.get(usize::from(id.0)).map_or("", |it| &it.name)
    }

    /// Fetches that wait for a permit, over all subgraphs.
    pub fn waiting(&self) -> usize {
        self.subgraphs.iter().map(|it| it.waiting.load(Relaxed)).sum()
    }
}

pub(super) fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Relaxed);
}

/// Counts in a gauge for as long as it lives.
pub(super) struct Gauged<'a>(&'a AtomicUsize);

impl<'a> Gauged<'a> {
    pub(super) fn new(gauge: &'a AtomicUsize) -> Self {
        gauge.fetch_add(1, Relaxed);
        Self(gauge)
    }
}

impl Drop for Gauged<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
