//! Handing reports over from a thread that may wait: what does not fit stays where it is.

use crate::sources::{FeedSink, Report, Ticket};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

/// Between two looks whether the wait is still wanted.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Hands a report over, however long the queue is full; `false` when the provider was stopped meanwhile.
pub(super) fn deliver(
    sink: &Arc<dyn FeedSink>,
    stopping: &AtomicBool,
    ticket: Ticket,
    report: Report,
) -> bool {
    let mut report = report;
    while let Err(refused) = sink.try_send(ticket, report) {
        report = refused;
        if !wait_for_room(sink, stopping) {
            return false;
        }
    }
    true
}

fn wait_for_room(sink: &Arc<dyn FeedSink>, stopping: &AtomicBool) -> bool {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut room = sink.room();
    while room.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        if stopping.load(Relaxed) {
            return false;
        }
        thread::park_timeout(LOOK_INTERVAL);
    }
    !stopping.load(Relaxed)
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
