//! A broker within the router: subjects with the wildcards of NATS, a bounded log, no loss.
//!
//! One task owns everything and works off its commands in order, so a publish reaches every listener in
//! the order of its sequence, and waits while the hub's queue is full.

mod log;

use super::{
    Counters, FeedSink, MemoryOptions, ProviderStatus, Report, Source, Ticket, sink,
    subject::{self, SubjectError, SubjectSet},
};
use crate::{
    graphql,
    plan::{EventFeed, Position, ProviderId},
    resolve::{BoxFuture, BrokerError},
};
use bytes::Bytes;
use log::Log;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
};

/// Publishes that wait for their turn; more wait in their callers.
const PUBLISHES_WAITING_MAX: usize = 1024;

/// Why nothing was published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    #[error("memory provider with ID {0} is not defined")]
    Undefined(String),
    #[error("'{subject}' is not a subject to publish to: {error}")]
    Subject { subject: String, error: SubjectError },
    #[error("the router is stopping")]
    Stopping,
}

/// A memory provider; its task runs until the last handle is dropped.
#[derive(Clone)]
pub(super) struct MemoryProvider {
    pub(super) id: ProviderId,
    /// Unbounded, and yet bounded: a start and a stop per feed, and permits for publishes.
    commands: mpsc::UnboundedSender<Command>,
    permits: Arc<Semaphore>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    counters: Counters,
    /// Written after each publish, read by [`MemoryProvider::status`].
    log: Mutex<super::LogStatus>,
}

enum Command {
    Start {
        ticket: Ticket,
        subjects: SubjectSet,
    },
    Stop {
        ticket: Ticket,
    },
    Publish {
        subject: Arc<str>,
        payload: Bytes,
        done: oneshot::Sender<Position>,
        _permit: OwnedSemaphorePermit,
    },
}

impl MemoryProvider {
    pub(super) fn spawn(handle: &Handle, options: &MemoryOptions, sink: Arc<dyn FeedSink>) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        shared.counters.up.store(true, Relaxed);
        let broker = Broker {
            log: Log::new(options.ring_events, options.ring_bytes),
            listeners: Listeners::default(),
            shared: shared.clone(),
            sink,
        };
        handle.spawn(broker.run(inbox));
        let permits = Arc::new(Semaphore::new(PUBLISHES_WAITING_MAX));
        Self { id: options.id.clone(), commands, permits, shared }
    }

    /// Done when every listener's sink has taken the event.
    pub(super) async fn publish(&self, to: &str, payload: Bytes) -> Result<Position, PublishError> {
        subject::check_literal(to)
            .map_err(|error| PublishError::Subject { subject: to.to_owned(), error })?;
        let stopping = |_| PublishError::Stopping;
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| PublishError::Stopping)?;
        let (done, answer) = oneshot::channel();
        // A copy: a payload may be a few bytes of a large read buffer, and the log and slow groups would
        // keep the whole of it while they count the few.
        let payload = Bytes::copy_from_slice(&payload);
        let command = Command::Publish { subject: to.into(), payload, done, _permit: permit };
        self.commands.send(command).map_err(|_| PublishError::Stopping)?;
        answer.await.map_err(stopping)
    }
}

impl Source for MemoryProvider {
    fn start(&self, ticket: Ticket, feed: &EventFeed, _: Option<&Position>) -> Result<(), graphql::Error> {
        let subjects = SubjectSet::of(feed)?;
        // Fails only when the runtime is gone, and nobody is left to be told.
        let _ = self.commands.send(Command::Start { ticket, subjects });
        Ok(())
    }

    fn stop(&self, ticket: Ticket) {
        let _ = self.commands.send(Command::Stop { ticket });
    }

    fn publish(&self, to: Arc<str>, payload: Bytes) -> BoxFuture<Result<(), String>> {
        let provider = self.clone();
        Box::pin(async move {
            Self::publish(&provider, &to, payload).await.map(|_| ()).map_err(|error| error.to_string())
        })
    }

    fn request(&self, to: Arc<str>, _: Bytes) -> BoxFuture<Result<Bytes, BrokerError>> {
        let error = BrokerError::Failed(format!("nobody answers requests to '{to}'"));
        Box::pin(std::future::ready(Err(error)))
    }

    fn is_up(&self) -> bool {
        self.shared.counters.is_up()
    }

    fn status(&self) -> ProviderStatus {
        let log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ProviderStatus { log: Some(log), ..self.shared.counters.status("memory", &self.id) }
    }
}

/// The state of the task.
struct Broker {
    log: Log,
    listeners: Listeners,
    shared: Arc<Shared>,
    sink: Arc<dyn FeedSink>,
}

impl Broker {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let mut hit = Vec::new();
        while let Some(command) = inbox.recv().await {
            match command {
                Command::Start { ticket, subjects } => {
                    self.listeners.add(ticket, subjects);
                    sink::deliver(&self.sink, ticket, Report::Live).await;
                }
                Command::Stop { ticket } => self.listeners.remove(ticket),
                Command::Publish { subject, payload, done, _permit } => {
                    let position = self.publish(subject, payload, &mut hit).await;
                    // A caller that went away published all the same.
                    let _ = done.send(position);
                }
            }
        }
    }

    async fn publish(&mut self, subject: Arc<str>, payload: Bytes, hit: &mut Vec<Ticket>) -> Position {
        let position = Position::single(self.log.append(subject.clone(), payload.clone()));
        *self.shared.log.lock().unwrap_or_else(PoisonError::into_inner) = self.log.status();
        Counters::add(&self.shared.counters.published, 1);
        self.listeners.find(&subject, hit);
        Counters::add(&self.shared.counters.received, hit.len() as u64);
        for ticket in hit.drain(..) {
            let event = Report::Event { position: position.clone(), payload: payload.clone() };
            sink::deliver(&self.sink, ticket, event).await;
        }
        position
    }
}

/// Who listens to what: literal subjects by look-up, the few with wildcards one by one.
#[derive(Default)]
struct Listeners {
    subjects: HashMap<Ticket, SubjectSet>,
    literal: HashMap<Arc<str>, Vec<Ticket>>,
    wildcard: Vec<(Arc<str>, Ticket)>,
}

impl Listeners {
    fn add(&mut self, ticket: Ticket, subjects: SubjectSet) {
        for subject in subjects.iter() {
            if subject::has_wildcards(subject) {
                self.wildcard.push((subject.clone(), ticket));
            } else {
                self.literal.entry(subject.clone()).or_default().push(ticket);
            }
        }
        self.subjects.insert(ticket, subjects);
    }

    fn remove(&mut self, ticket: Ticket) {
        let Some(subjects) = self.subjects.remove(&ticket) else { return };
        for subject in subjects.iter() {
            if let Some(tickets) = self.literal.get_mut(subject) {
                tickets.retain(|it| *it != ticket);
                if tickets.is_empty() {
                    self.literal.remove(subject);
                }
            }
        }
        self.wildcard.retain(|(_, it)| *it != ticket);
    }

    /// Fills `hit` with everyone who listens to a subject, each once, in the order of tickets.
    fn find(&self, subject: &str, hit: &mut Vec<Ticket>) {
        hit.clear();
        hit.extend(self.literal.get(subject).into_iter().flatten());
        let matching = self.wildcard.iter().filter(|(pattern, _)| subject::matches(pattern, subject));
        hit.extend(matching.map(|(_, ticket)| *ticket));
        hit.sort_unstable();
        hit.dedup();
    }
}
