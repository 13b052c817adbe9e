//! The io thread of a router, for a test: one tokio runtime on one thread.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::{future::Future, thread::JoinHandle, time::Duration};
use tokio::{runtime::Handle, sync::oneshot};

/// How long anything on this machine may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct IoThread {
    pub(crate) handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl IoThread {
    pub(crate) fn start() -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(1)
                .build()
                .expect("runtime");
            tell.send(runtime.handle().clone()).expect("test");
            let _ = runtime.block_on(stopped);
        });
        let handle = told.recv().expect("io thread");
        Self { handle, stop: Some(stop), thread: Some(thread) }
    }

    /// Waits for a future that runs on the io thread.
    pub(crate) fn wait<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let (tell, told) = std::sync::mpsc::channel();
        self.handle.spawn(async move {
            let _ = tell.send(future.await);
        });
        told.recv_timeout(PATIENCE).expect("an answer in time")
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
