//! Counting up to a number that somebody waits for.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
    mpsc::{Receiver, SyncSender, sync_channel},
};

/// Events counted, plus one once there is somebody who counts.
pub struct Goal {
    counted: AtomicU64,
    wanted: AtomicU64,
    tell: SyncSender<()>,
}

const NOBODY: u64 = u64::MAX;

impl Goal {
    /// A goal, and where it is told once each that one was reached.
    pub fn new() -> (Arc<Self>, Receiver<()>) {
        let (tell, reached) = sync_channel(1);
        (Arc::new(Self { counted: AtomicU64::new(0), wanted: AtomicU64::new(NOBODY), tell }), reached)
    }

    /// Wants to be told when so many events have come.
    pub fn set(&self, events: u64) {
        self.wanted.store(events + 1, SeqCst);
        self.look(self.counted.load(SeqCst));
    }

    /// From here on there are events.
    pub fn begin(&self) {
        self.count();
    }

    pub fn count(&self) {
        self.look(self.counted.fetch_add(1, SeqCst) + 1);
    }

    fn look(&self, counted: u64) {
        let wanted = self.wanted.load(SeqCst);
        if counted >= wanted && self.wanted.compare_exchange(wanted, NOBODY, SeqCst, SeqCst).is_ok() {
            // There is room: whoever waits takes one before asking for the next.
            let _ = self.tell.try_send(());
        }
    }
}
