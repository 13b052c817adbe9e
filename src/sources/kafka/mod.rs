//! Kafka: one client that reads for all feeds of a provider, one that asks, and one that publishes.
//!
//! The client library (`rdkafka`, which is librdkafka) reconnects and retries by itself; what it needs is to
//! be told what to read from where, and to have its errors looked at. No consumer group is joined and no
//! offset is committed: every router sees every event. Kafka keeps what was published, so an outage loses
//! nothing: a feed reads on from its position and says nothing of it. What is said is that a feed cannot start
//! yet, and that records are gone which it was due.
//!
//! Threads per provider: `juga-kafka-N` reads, `juga-kafkaq-N` asks, `juga-kafkap-N` publishes, and those of
//! the library, whose number follows from the number of brokers. None of them from feeds or topics.

mod anchors;
mod client;
mod connect;
mod gauges;
mod handover;
mod health;
mod payload;
mod place;
mod publisher;
mod questions;
mod reader;
mod routes;
#[cfg(test)]
mod tests;

use super::{
    Counters, FeedSink, ProviderStatus, Source, Ticket,
    options::{KafkaOptions, StartError},
};
use crate::{
    graphql,
    plan::{EventFeed, Labels, Position, ProviderId},
    resolve::{BoxFuture, BrokerError},
};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use gauges::Gauges;
use health::{Context, Health};
use place::Topics;
use publisher::Publisher;
use questions::{Ask, Questions};
use reader::{Command, Reader};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::timeout;

/// How long the end of a provider waits for its threads: they may be in the middle of a question.
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// A Kafka provider, its threads and its feeds; gone when dropped.
pub(super) struct KafkaProvider {
    shared: Arc<Shared>,
    /// Unbounded, and yet bounded: a start and a stop per feed.
    asks: Sender<Ask>,
    commands: Sender<Command>,
    publisher: Arc<Publisher>,
    /// Closed when both threads have ended.
    ended: Receiver<()>,
}

/// What the provider's threads share.
struct Shared {
    id: ProviderId,
    /// Which of the Kafka providers it is, for the names of threads.
    number: usize,
    options: KafkaOptions,
    health: Arc<Health>,
    gauges: Arc<Gauges>,
    sink: Arc<dyn FeedSink>,
    /// Feeds that were started and not stopped.
    feeds: Mutex<HashSet<Ticket>>,
    stopping: AtomicBool,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    fn context(&self, is_judge: bool) -> Context {
        Context { health: self.health.clone(), is_judge }
    }

    fn runs(&self, ticket: Ticket) -> bool {
        self.feeds().contains(&ticket)
    }

    fn forget(&self, ticket: Ticket) {
        self.feeds().remove(&ticket);
    }

    fn feeds(&self) -> MutexGuard<'_, HashSet<Ticket>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with a provider's options, whether or not a broker is there.
pub(super) fn check(options: &KafkaOptions) -> Result<(), String> {
    connect::check(options)
}

impl KafkaProvider {
    /// Starts its threads; whether the cluster is there is no matter, also where others are strict.
    ///
    /// # Errors
    /// The options are of no use, whatever the cluster says.
    pub(super) fn start(
        number: usize,
        options: KafkaOptions,
        sink: Arc<dyn FeedSink>,
    ) -> Result<Self, StartError> {
        let id = options.id.clone();
        Self::try_start(number, options, sink).map_err(|reason| StartError::Invalid {
            kind: "kafka",
            id,
            reason,
        })
    }

    fn try_start(number: usize, options: KafkaOptions, sink: Arc<dyn FeedSink>) -> Result<Self, String> {
        let (reading, asking) = (connect::reader(&options)?, connect::asker(&options)?);
        // Made with the first message; wrong options are told now.
        connect::publisher(&options)?;
        let id = options.id.clone();
        let shared = Arc::new(Shared {
            health: Arc::new(Health::new(id.clone())),
            gauges: Arc::default(),
            feeds: Mutex::default(),
            stopping: AtomicBool::new(false),
            id,
            number,
            options,
            sink,
        });
        let (asks, asked) = unbounded();
        let (commands, commanded) = unbounded();
        let (ending, ended) = bounded(0);
        let words = |error: rdkafka::error::KafkaError| error.to_string();
        let reader = Reader::new(shared.clone(), reading, commanded, asks.clone()).map_err(words)?;
        let questions = Questions::new(shared.clone(), &asking, asked, commands.clone()).map_err(words)?;
        spawn(format!("juga-kafka-{number}"), ending.clone(), || reader.run())?;
        spawn(format!("juga-kafkaq-{number}"), ending, || questions.run())?;
        Ok(Self { shared, asks, commands, publisher: Arc::default(), ended })
    }
}

/// `ending` is closed when all threads that hold it have ended.
fn spawn(name: String, ending: Sender<()>, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let work = move || {
        work();
        drop(ending);
    };
    std::thread::Builder::new().name(name).spawn(work).map(|_| ()).map_err(|error| error.to_string())
}

impl Source for KafkaProvider {
    fn start(&self, ticket: Ticket, feed: &EventFeed, from: Option<&Position>) -> Result<(), graphql::Error> {
        let topics = Topics::of(feed)?;
        self.shared.feeds().insert(ticket);
        // Fails only when the provider is being stopped, and nobody is left to be told.
        let _ = self.asks.send(Ask::Start { ticket, topics, from: from.cloned() });
        Ok(())
    }

    fn stop(&self, ticket: Ticket) {
        self.shared.forget(ticket);
        let _ = self.commands.send(Command::Stop(ticket));
    }

    fn publish(&self, to: Arc<str>, payload: Bytes) -> BoxFuture<Result<(), String>> {
        self.publish_labelled(to, payload, Labels::default())
    }

    fn publish_labelled(
        &self,
        to: Arc<str>,
        payload: Bytes,
        labels: Labels,
    ) -> BoxFuture<Result<(), String>> {
        let (shared, publisher) = (self.shared.clone(), self.publisher.clone());
        Box::pin(async move {
            let limit = shared.options.request_timeout;
            let outcome = timeout(limit, publisher.publish(&shared, &to, &payload, &labels)).await;
            let outcome = outcome.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")));
            let counters = &shared.health.counters;
            Counters::add(if outcome.is_ok() { &counters.published } else { &counters.failed }, 1);
            outcome
        })
    }

    fn request(&self, to: Arc<str>, _: Bytes) -> BoxFuture<Result<Bytes, BrokerError>> {
        let error = BrokerError::Failed(format!("nobody answers requests to '{to}'"));
        Box::pin(std::future::ready(Err(error)))
    }

    fn is_up(&self) -> bool {
        self.shared.health.counters.is_up()
    }

    fn status(&self) -> ProviderStatus {
        let lag = self.shared.gauges.lag();
        ProviderStatus { lag, ..self.shared.health.counters.status("kafka", &self.shared.id) }
    }
}

impl Drop for KafkaProvider {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Relaxed);
        // Wakes both. They close their clients, which must be over before the process is.
        let _ = self.commands.send(Command::Wake);
        let _ = self.asks.send(Ask::Ranges);
        let _ = self.ended.recv_timeout(STOP_PATIENCE);
    }
}
