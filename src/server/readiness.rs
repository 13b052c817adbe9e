//! Whether the router should get traffic.

use crate::sources::Sources;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Told by health checks. Whether the router lives is another question, which brokers have no say in: starting it again
/// brings none of them back.
pub(super) struct Readiness {
    /// The graph is loaded, the listeners are open, and nobody has asked it to stop.
    serving: AtomicBool,
    /// Providers it is not ready without, by id.
    required: Vec<String>,
    sources: Arc<Sources>,
}

impl Readiness {
    /// Not ready before [`Readiness::begin`].
    pub(super) fn new(required: Vec<String>, sources: Arc<Sources>) -> Self {
        Self { serving: AtomicBool::new(false), required, sources }
    }

    pub(super) fn begin(&self) {
        self.serving.store(true, Ordering::Release);
    }

    pub(super) fn end(&self) {
        self.serving.store(false, Ordering::Release);
    }

    pub(super) fn is_ready(&self) -> bool {
        self.serving.load(Ordering::Acquire) && self.required.iter().all(|id| self.sources.is_up(id))
    }
}
