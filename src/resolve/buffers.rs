//! Working buffers that go from job to job, so that the steady state allocates little.

use super::{Options, counters::Counters};
use crate::graphql::json::Document;
use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed};

/// What one job works in.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) document: Document,
    /// Where `data` is written before it becomes a response.
    pub(super) out: Vec<u8>,
}

impl Scratch {
    /// Forgets what was worked on and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.document.clear();
        self.out.clear();
    }
}

/// Free buffers, the most recently used first: it is the likeliest to lie in a cache. More than
/// `buffers_max`, and those that one big answer made bigger than `buffer_bytes_max`, are freed.
pub(super) struct Buffers {
    free: Mutex<Vec<Scratch>>,
    buffers_max: usize,
    buffer_bytes_max: usize,
    counters: Arc<Counters>,
}

impl Buffers {
    pub(super) fn new(options: &Options, counters: Arc<Counters>) -> Self {
        Self {
            free: Mutex::default(),
            buffers_max: options.buffers_max,
            buffer_bytes_max: options.buffer_bytes_max,
            counters,
        }
    }

    pub(super) fn take(&self) -> Scratch {
        let taken = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if taken.is_some() {
            self.counters.buffers.fetch_sub(1, Relaxed);
        }
        taken.unwrap_or_default()
    }

    pub(super) fn give_back(&self, mut scratch: Scratch) {
        if scratch.document.capacity() + scratch.out.capacity() > self.buffer_bytes_max {
            return;
        }
        scratch.clear();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.buffers_max {
            free.push(scratch);
            self.counters.buffers.fetch_add(1, Relaxed);
        }
    }
}
