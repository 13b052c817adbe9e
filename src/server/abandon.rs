//! Queries end with whoever asked for them.

use futures_util::future::{AbortHandle, Abortable};
use std::future::Future;

/// Gives up the work of a query when dropped; what subgraphs were asked for it is taken back.
#[derive(Debug)]
pub(super) struct Abandon(Option<AbortHandle>);

impl Abandon {
    /// Lets the work go on.
    pub(super) fn cancel(mut self) {
        self.0 = None;
    }
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if let Some(work) = &self.0 {
            work.abort();
        }
    }
}

/// Ties a query's work to the life of an [`Abandon`]. Abandoned, it ends at once, wherever it waits.
pub(super) fn tied<T>(work: impl Future<Output = T>) -> (impl Future<Output = Option<T>>, Abandon) {
    let (handle, registration) = AbortHandle::new_pair();
    let work = Abortable::new(work, registration);
    (async move { work.await.ok() }, Abandon(Some(handle)))
}
