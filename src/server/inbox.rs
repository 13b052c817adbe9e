//! Cross-thread mail: queues with a bell.
//!
//! Each queue states its bound. [`Mail`] wakes the reactor out of `poll`; [`Bell`] wakes a thread that
//! waits for one of several queues.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Everybody's end of a mailbox whose owner sleeps in `mio::Poll`.
///
/// Unbounded by itself: what each sender may have under way is bounded at its source (one message for each
/// subscription that is starting, the hub's credits, the connection limit).
pub(super) struct Mail<T> {
    queue: Sender<T>,
    waker: Arc<mio::Waker>,
    rung: Arc<AtomicBool>,
}

impl<T> Clone for Mail<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), waker: self.waker.clone(), rung: self.rung.clone() }
    }
}

/// The owner's end.
pub(super) struct Mailbox<T> {
    queue: Receiver<T>,
    rung: Arc<AtomicBool>,
}

pub(super) fn mailbox<T>(waker: Arc<mio::Waker>) -> (Mail<T>, Mailbox<T>) {
    let (sender, receiver) = unbounded();
    let rung = Arc::new(AtomicBool::new(false));
    (Mail { queue: sender, waker, rung: rung.clone() }, Mailbox { queue: receiver, rung })
}

impl<T> Mail<T> {
    /// Puts mail in and wakes the owner. Mail to an owner that has stopped is dropped.
    pub(super) fn send(&self, mail: T) {
        let _ = self.queue.send(mail);
        // One wake-up for all mail until the owner looks: a wake-up is a system call.
        if !self.rung.swap(true, Ordering::AcqRel) {
            let _ = self.waker.wake();
        }
    }
}

impl<T> Mailbox<T> {
    /// To be called before the mail is read: mail that comes later rings again.
    pub(super) fn answer_bell(&self) {
        // Not a mere store: whoever found the bell rung, and so did not wake, has put mail in that is seen
        // from here on.
        self.rung.swap(false, Ordering::AcqRel);
    }

    pub(super) fn take(&self) -> Option<T> {
        self.queue.try_recv().ok()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

/// What has gathered, with room made for as much again; `None` when that is nothing.
pub(super) fn take_all<T>(gathered: &mut Vec<T>) -> Option<Vec<T>> {
    let room = gathered.len();
    (room > 0).then(|| std::mem::replace(gathered, Vec::with_capacity(room)))
}

/// Wakes a thread that waits for several queues at once.
#[derive(Clone)]
pub(super) struct Bell(Sender<()>);

/// The waiting thread's end of a [`Bell`].
pub(super) struct BellPull(Receiver<()>);

pub(super) fn bell() -> (Bell, BellPull) {
    let (sender, receiver) = bounded(1);
    (Bell(sender), BellPull(receiver))
}

impl Bell {
    pub(super) fn ring(&self) {
        // Full means that it has been rung already.
        let _ = self.0.try_send(());
    }
}

impl BellPull {
    /// Waits until somebody rings, or for `timeout`.
    pub(super) fn wait(&self, timeout: Option<Duration>) {
        match timeout {
            Some(timeout) => match self.0.recv_timeout(timeout) {
                Ok(()) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            },
            None => {
                let _ = self.0.recv();
            }
        }
    }
}
