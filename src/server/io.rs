//! The io thread: one tokio runtime for everything that is not a WebSocket.

use std::{future::Future, io, thread::JoinHandle};
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
        let thread = std::thread::Builder::new().name("juga-io".into()).spawn(move || {
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

    /// Waits for something that the io thread drives. Not to be called from that thread.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.handle.block_on(future)
    }

    /// Ends the thread; tasks that are left are dropped.
    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
