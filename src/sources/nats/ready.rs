//! Which of very many feeds have something to hear, without a task for each.

use crate::sources::Ticket;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::AcqRel},
    },
    task::{Wake, Waker},
};
use tokio::sync::Notify;

/// Feeds that wait for a look, in the order in which something came. Each at most once.
#[derive(Default)]
pub(super) struct Ready {
    queue: Mutex<VecDeque<Ticket>>,
    came: Notify,
}

/// What one feed's channels ring when something comes.
pub(super) struct Bell {
    ticket: Ticket,
    is_rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Ready {
    /// The next feed to look at.
    pub(super) async fn next(&self) -> Ticket {
        loop {
            // A channel that tokio lets nobody read until other tasks have had their turn rings all the same.
            tokio::task::consume_budget().await;
            if let Some(ticket) = self.queue().pop_front() {
                return ticket;
            }
            // Keeps the news of what came since the look.
            self.came.notified().await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Ticket>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    pub(super) fn new(ticket: Ticket, ready: &Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { ticket, is_rung: AtomicBool::new(false), ready: ready.clone() })
    }

    /// Asks for a look.
    pub(super) fn ring(&self) {
        if !self.is_rung.swap(true, AcqRel) {
            self.ready.queue().push_back(self.ticket);
            self.ready.came.notify_one();
        }
    }

    /// For a look: whatever comes from here on rings again.
    pub(super) fn answer(self: &Arc<Self>) -> Waker {
        self.is_rung.swap(false, AcqRel);
        Waker::from(self.clone())
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn who_rings_is_looked_at_once_and_in_order() {
        let ready = Arc::new(Ready::default());
        let bells = [1, 2].map(|it| Bell::new(Ticket(it), &ready));
        let next = || ready.next().now_or_never();
        assert_eq!(next(), None);
        bells[1].ring();
        bells[0].ring();
        bells[1].ring();
        assert_eq!([next(), next(), next()], [Some(Ticket(2)), Some(Ticket(1)), None]);
        bells[0].ring();
        assert_eq!(next(), None, "nobody has looked yet, who would");
        let waker = bells[0].answer();
        waker.wake_by_ref();
        waker.wake();
        assert_eq!([next(), next()], [Some(Ticket(1)), None]);
    }
}
