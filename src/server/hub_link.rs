//! The ways into the hub: its queues, and what everybody else has of them.
//!
//! Results of jobs, asks of sinks and reports of sources have a queue each, so that none can hold up another.

use super::{
    inbox::{Bell, BellPull, bell},
    stats::HubQueues,
};
use crate::{
    hub::{Input, JobId},
    plan::Event,
    sources::{FeedSink, Report, Ticket},
};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use smallvec::SmallVec;
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

/// Asks that sinks may have waiting; a sink whose ask does not fit keeps it and reads no more sockets.
const ASKS_MAX: usize = 65_536;
/// Events and news of feeds that may be waiting; a source whose report does not fit waits.
const REPORTS_MAX: usize = 16_384;
/// People who may be waiting to see the hub's state.
const QUESTIONS_MAX: usize = 4;

/// Where the hub's state goes, as JSON.
pub(super) type Question = oneshot::Sender<Bytes>;

/// What became of a job.
pub(super) struct Done {
    pub(super) job: JobId,
    pub(super) response: Bytes,
    pub(super) event: Arc<Event>,
}

/// What came together.
pub(super) type Results = SmallVec<[Done; 1]>;

/// Everybody's end of the hub.
#[derive(Clone)]
pub(super) struct HubLink {
    /// As many results as jobs in flight can wait: each owns a place in its group's window.
    results: Sender<Results>,
    asks: Sender<Input>,
    reports: Sender<(Ticket, Report)>,
    /// Told whenever the hub has taken reports.
    room: Arc<Notify>,
    questions: Sender<Question>,
    bell: Bell,
    stopping: Arc<AtomicBool>,
}

impl HubLink {
    /// A sink's join, leave or credit. Comes back when the hub has too many waiting.
    pub(super) fn ask(&self, input: Input) -> Result<(), Input> {
        match self.asks.try_send(input) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(TrySendError::Full(input)) => Err(input),
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    /// The hub's state for people, as JSON; nothing when too many ask at once or the hub has stopped.
    pub(super) fn describe(&self) -> Option<oneshot::Receiver<Bytes>> {
        let (answer, answered) = oneshot::channel();
        self.questions.try_send(answer).ok()?;
        self.bell.ring();
        Some(answered)
    }

    pub(super) fn resolved(&self, results: Results) {
        let _ = self.results.send(results);
        self.bell.ring();
    }

    /// Ends the thread after its turn.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.bell.ring();
    }
}

impl FeedSink for HubLink {
    fn try_send(&self, ticket: Ticket, report: Report) -> Result<(), Report> {
        match self.reports.try_send((ticket, report)) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(TrySendError::Full((_, report))) => Err(report),
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (reports, room) = (self.reports.clone(), self.room.clone());
        Box::pin(async move {
            let mut told = pin!(room.notified());
            // Listening before looking, so that room made in between is not missed.
            told.as_mut().enable();
            if reports.is_full() {
                told.await;
            }
        })
    }
}

/// The thread's end of [`HubLink`].
pub(super) struct HubInbox {
    link: HubLink,
    pub(super) results: Receiver<Results>,
    pub(super) asks: Receiver<Input>,
    pub(super) reports: Receiver<(Ticket, Report)>,
    pub(super) questions: Receiver<Question>,
    pull: BellPull,
}

impl HubInbox {
    /// Waits until something comes in, or for `timeout`.
    pub(super) fn wait(&self, timeout: Option<Duration>) {
        self.pull.wait(timeout);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.link.stopping.load(Ordering::Acquire)
    }

    /// To be called when reports were taken.
    pub(super) fn tell_of_room(&self) {
        self.link.room.notify_waiters();
    }

    pub(super) fn waiting(&self) -> HubQueues {
        HubQueues { results: self.results.len(), asks: self.asks.len(), reports: self.reports.len() }
    }
}

/// The queues of the hub: made first, because everybody needs the link and the hub needs everybody.
pub(super) fn queues() -> (HubLink, HubInbox) {
    let (results, results_taken) = unbounded();
    let (asks, asks_taken) = bounded(ASKS_MAX);
    let (reports, reports_taken) = bounded(REPORTS_MAX);
    let (questions, questions_taken) = bounded(QUESTIONS_MAX);
    let (bell, pull) = bell();
    let (room, stopping) = (Arc::default(), Arc::default());
    let link = HubLink { results, asks, reports, room, questions, bell, stopping };
    let inbox = HubInbox {
        link: link.clone(),
        results: results_taken,
        asks: asks_taken,
        reports: reports_taken,
        questions: questions_taken,
        pull,
    };
    (link, inbox)
}
