//! Sources on an io runtime of their own, with a queue in the hub's place.

#![allow(dead_code, reason = "each test file uses its own part")]

use super::io::{IoThread, PATIENCE};
use juga::{
    plan::{EventFeed, Labels, Position, ProviderKind},
    resolve::BrokerMessage,
    sources::{FeedSink, Options, ProviderStatus, Report, Sources, StartError, Ticket},
};
use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};
use tokio::sync::Notify;

/// The io thread, the sources on it, and everything they reported.
pub(crate) struct Rig {
    pub(crate) io: IoThread,
    sources: Sources,
    pub(crate) sink: Arc<Queue>,
}

impl Rig {
    pub(crate) fn start(options: Options) -> Self {
        Self::start_with_room(options, 100_000)
    }

    /// With a hub that queues so many reports.
    pub(crate) fn start_with_room(options: Options, room: usize) -> Self {
        Self::try_start(options, room).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn try_start(options: Options, room: usize) -> Result<Self, StartError> {
        let io = IoThread::start();
        let sink = Arc::new(Queue { room, ..Queue::default() });
        let (handle, to_sink) = (io.handle.clone(), sink.clone());
        let sources = io.wait(async move { Sources::connect(&handle, options, to_sink).await })?;
        Ok(Self { io, sources, sink })
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Waits for an answer as a thread of the pool does.
    pub(crate) fn wait<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        self.io.wait(future)
    }

    /// Starts a feed and waits until it is live.
    pub(crate) fn listen(&self, ticket: u64, feed: &EventFeed) {
        self.sources.start(Ticket(ticket), feed);
        assert_eq!(self.next(ticket), Report::Live);
    }

    /// The next report of a feed.
    pub(crate) fn next(&self, ticket: u64) -> Report {
        self.sink.next(Ticket(ticket))
    }

    pub(crate) fn status(&self, id: &str) -> ProviderStatus {
        self.sources.status().into_iter().find(|it| it.id == id).expect("a provider")
    }
}

/// A bounded queue, read report by report.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) room: usize,
    waiting: Mutex<Waiting>,
    came: Condvar,
    left: Arc<Notify>,
}

#[derive(Default)]
struct Waiting {
    count: usize,
    reports: HashMap<Ticket, VecDeque<Report>>,
}

impl Queue {
    fn next(&self, ticket: Ticket) -> Report {
        self.next_within(ticket, PATIENCE).unwrap_or_else(|| panic!("no report of {ticket:?}"))
    }

    /// The next report of a feed, if it comes in time.
    pub(crate) fn next_within(&self, ticket: Ticket, patience: Duration) -> Option<Report> {
        let waiting = self.waiting.lock().expect("not poisoned");
        let is_empty = |it: &mut Waiting| it.reports.get(&ticket).is_none_or(|reports| reports.is_empty());
        let (mut waiting, _) =
            self.came.wait_timeout_while(waiting, patience, is_empty).expect("not poisoned");
        let report = waiting.reports.get_mut(&ticket).and_then(VecDeque::pop_front)?;
        waiting.count -= 1;
        drop(waiting);
        self.left.notify_waiters();
        Some(report)
    }

    /// Reports taken and not yet read.
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().expect("not poisoned").count
    }
}

/// Somebody has what the broker keeps: the tests look at events, however they came.
fn taken(report: Report) -> Report {
    match report {
        Report::Kept { position, payload, receipt } => {
            receipt.settle();
            Report::Event { position, payload }
        }
        other => other,
    }
}

impl FeedSink for Queue {
    fn try_send(&self, ticket: Ticket, report: Report) -> Result<(), Report> {
        let mut waiting = self.waiting.lock().expect("not poisoned");
        if waiting.count >= self.room {
            return Err(report);
        }
        waiting.count += 1;
        waiting.reports.entry(ticket).or_default().push_back(taken(report));
        self.came.notify_all();
        Ok(())
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        // Told of everything that leaves from here on, so nothing is missed between this and the look.
        let notified = self.left.clone().notified_owned();
        let is_full = self.len() >= self.room;
        Box::pin(async move {
            if is_full {
                notified.await;
            }
        })
    }
}

pub(crate) fn feed(provider: &str, subjects: &[&str]) -> EventFeed {
    EventFeed {
        kind: ProviderKind::Nats,
        provider: provider.into(),
        destinations: subjects.iter().map(|it| (*it).into()).collect(),
        stream: None,
    }
}

pub(crate) fn event(offset: u64, payload: &str) -> Report {
    Report::Event { position: Position::single(offset), payload: payload.to_owned().into() }
}

pub(crate) fn nats_message(provider: &str, to: &str, payload: &str) -> BrokerMessage {
    BrokerMessage {
        kind: ProviderKind::Nats,
        provider: provider.into(),
        destination: to.into(),
        payload: payload.to_owned().into(),
        labels: Labels::default(),
    }
}
