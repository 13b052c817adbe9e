//! Sources on an io runtime of their own, with a queue in the hub's place.

use super::nats::PATIENCE;
use juga::{
    plan::{Feed, Position, ProviderKind},
    resolve::BrokerMessage,
    sources::{FeedSink, Options, ProviderStatus, Report, Sources, StartError, Ticket},
};
use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
};
use tokio::sync::{Notify, oneshot};

/// The io thread, the sources on it, and everything they reported.
pub struct Rig {
    pub handle: tokio::runtime::Handle,
    sources: Option<Sources>,
    pub sink: Arc<Queue>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Rig {
    pub fn start(options: Options) -> Self {
        Self::start_with_room(options, 100_000)
    }

    /// With a hub that queues so many reports.
    pub fn start_with_room(options: Options, room: usize) -> Self {
        Self::try_start(options, room).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn try_start(options: Options, room: usize) -> Result<Self, StartError> {
        let (stop, stopped) = oneshot::channel();
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
        let sink = Arc::new(Queue { room, ..Queue::default() });
        let (for_sources, to_sink) = (handle.clone(), sink.clone());
        let mut rig = Self { handle, sources: None, sink, stop: Some(stop), thread: Some(thread) };
        let sources = rig.wait(async move { Sources::connect(&for_sources, options, to_sink).await })?;
        rig.sources = Some(sources);
        Ok(rig)
    }

    pub fn sources(&self) -> &Sources {
        self.sources.as_ref().expect("started")
    }

    /// Waits for a future as a thread of the pool does.
    pub fn wait<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> T {
        let (tell, told) = std::sync::mpsc::channel();
        self.handle.spawn(async move {
            let _ = tell.send(future.await);
        });
        told.recv_timeout(PATIENCE).expect("an answer in time")
    }

    /// Starts a feed and waits until it is live.
    pub fn listen(&self, ticket: u64, feed: &Feed) {
        self.sources().start(Ticket(ticket), feed);
        assert_eq!(self.next(ticket), Report::Live);
    }

    /// The next report of a feed.
    pub fn next(&self, ticket: u64) -> Report {
        self.sink.next(Ticket(ticket))
    }

    pub fn status(&self, id: &str) -> ProviderStatus {
        self.sources().status().into_iter().find(|it| it.id == id).expect("a provider")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(sources) = self.sources.take() {
            sources.shutdown();
        }
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A bounded queue, read report by report.
#[derive(Default)]
pub struct Queue {
    pub room: usize,
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
        let waiting = self.waiting.lock().expect("not poisoned");
        let is_empty = |it: &mut Waiting| it.reports.get(&ticket).is_none_or(|reports| reports.is_empty());
        let (mut waiting, timeout) =
            self.came.wait_timeout_while(waiting, PATIENCE, is_empty).expect("not poisoned");
        assert!(!timeout.timed_out(), "no report of {ticket:?}");
        waiting.count -= 1;
        let report = waiting.reports.get_mut(&ticket).and_then(VecDeque::pop_front).expect("a report");
        drop(waiting);
        self.left.notify_waiters();
        report
    }

    /// Reports taken and not yet read.
    pub fn len(&self) -> usize {
        self.waiting.lock().expect("not poisoned").count
    }
}

/// The queue behind an `Arc` cannot borrow from itself in `room`, so it looks again after a moment's
/// notice and lets the source try: too early is allowed.
impl FeedSink for Queue {
    fn try_send(&self, ticket: Ticket, report: Report) -> Result<(), Report> {
        let mut waiting = self.waiting.lock().expect("not poisoned");
        if waiting.count >= self.room {
            return Err(report);
        }
        waiting.count += 1;
        waiting.reports.entry(ticket).or_default().push_back(report);
        self.came.notify_all();
        Ok(())
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let left = self.left.clone();
        let full = self.len() >= self.room;
        let notified = left.clone().notified_owned();
        Box::pin(async move {
            if full {
                // Registered before the look above would be better still; a lost notice costs a moment.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(5), notified).await;
            }
        })
    }
}

pub fn feed(provider: &str, subjects: &[&str]) -> Feed {
    Feed {
        kind: ProviderKind::Nats,
        provider: provider.into(),
        destinations: subjects.iter().map(|it| (*it).into()).collect(),
        stream: None,
    }
}

pub fn event(offset: u64, payload: &str) -> Report {
    Report::Event { position: Position::single(offset), payload: payload.to_owned().into() }
}

pub fn nats_message(provider: &str, to: &str, payload: &str) -> BrokerMessage {
    BrokerMessage {
        kind: ProviderKind::Nats,
        provider: provider.into(),
        destination: to.into(),
        payload: payload.to_owned().into(),
    }
}
