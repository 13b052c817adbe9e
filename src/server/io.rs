//! The io thread: one tokio runtime for everything that is not a WebSocket.

use crate::graphql::json::STACK_BYTES;
use std::{future::Future, io, sync::mpsc, thread::JoinHandle};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// The runtime's thread, which drives it until [`Io::stop`].
pub(super) struct Io {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Io {
    pub(super) fn start() -> io::Result<Self> {
        // Name look-ups block. They get one thread, started now and kept for good, so that the number of
        // threads never changes.
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .thread_keep_alive(std::time::Duration::MAX)
            .thread_name("juga-lookup")
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread =
            std::thread::Builder::new().name("juga-io".into()).stack_size(STACK_BYTES).spawn(move || {
                runtime.block_on(async {
                    let _ = tokio::task::spawn_blocking(|| {}).await;
                    let _ = stopped.await;
                });
                // A look-up under way is not waited for.
                runtime.shutdown_background();
            })?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Has the io thread do something and waits for it; `None` when it panicked or the thread has ended.
    ///
    /// Not to be called from that thread. Any other may, also one that drives a runtime of its own, as a
    /// test may that drops a server.
    pub(super) fn wait_for<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, result) = mpsc::channel();
        self.handle.spawn(async move {
            let _ = done.send(work.await);
        });
        result.recv().ok()
    }

    /// Ends the thread; tasks that are left are dropped.
    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
