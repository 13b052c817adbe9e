//! The edge towards brokers and subgraphs: the only home of their clients.
//!
//! A feed is started and stopped by its [`Ticket`]; what happens to it goes to the [`FeedSink`], in order.
//! Everything asynchronous runs on the io runtime whose handle is given at the start, and nothing here
//! blocks its caller, whatever thread that is. What events mean, who listens and what becomes of an outage
//! is the hub's to say.

mod check;
mod counters;
mod feeds;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;
mod nats;
mod options;
mod outbox;
#[cfg(test)]
#[path = "../../tests/support/polls.rs"]
mod polls;
mod redis;
mod sink;
mod source;
mod subject;
mod tls;

pub mod subgraph;

pub use check::{check, missing};
pub use counters::{LogStatus, PartitionLag, ProviderStatus};
pub use memory::PublishError;
pub use options::{
    ClientTls, FeedBacklog, KafkaAuthentication, KafkaIsolation, KafkaOptions, KafkaPayload, MemoryOptions,
    NatsAuthentication, NatsOptions, NatsTls, Options, RedisOptions, ScramMechanism, StartError,
};
pub use sink::{FeedSink, Report, Ticket};
pub use subject::{SubjectError, check_literal as check_literal_subject};

use self::redis::RedisProvider;
use crate::{
    graphql,
    plan::{EventFeed, Position, ProviderId, ProviderKind},
    resolve::{BoxFuture, BrokerError, BrokerMessage, Brokers},
};
use bytes::Bytes;
use counters::Counters;
use feeds::Feeds;
use memory::MemoryProvider;
use nats::NatsProvider;
use options::kind_name;
use sink::unavailable;
use source::Source;
use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::oneshot};

/// How long a stop waits for brokers.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(2);

/// All providers and the feeds that run on them. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    inner: Arc<Inner>,
}

/// How directives name a provider.
type ProviderKey = (ProviderKind, ProviderId);

struct Inner {
    handle: Handle,
    providers: BTreeMap<ProviderKey, Arc<dyn Source>>,
    /// Those of them that people publish to by hand.
    memory: BTreeMap<ProviderId, MemoryProvider>,
    unavailable: Vec<ProviderKey>,
    skip_unavailable_providers: bool,
    feeds: Arc<Feeds>,
}

impl Sources {
    /// Connects all providers, in bounded time.
    pub async fn connect(
        handle: &Handle,
        options: Options,
        sink: Arc<dyn FeedSink>,
    ) -> Result<Self, StartError> {
        let lenient = options.skip_unavailable_providers;
        if let (false, Some((kind, id))) = (lenient, options.unavailable.first()) {
            return Err(StartError::Unavailable { kind: kind_name(*kind), id: id.clone() });
        }
        check_ids(&options)?;
        let feeds = Arc::new(Feeds::new(sink));
        let mut memory = BTreeMap::new();
        for it in &options.memory {
            memory.insert(it.id.clone(), MemoryProvider::spawn(handle, it, feeds.clone()));
        }
        let mut providers = BTreeMap::<ProviderKey, Arc<dyn Source>>::new();
        for (id, provider) in &memory {
            providers.insert((ProviderKind::Nats, id.clone()), Arc::new(provider.clone()));
        }
        start_kafka(options.kafka, &feeds, &mut providers)?;
        let nats = options.nats.into_iter().map(|it| {
            let key = (ProviderKind::Nats, it.id.clone());
            (key, handle.spawn(NatsProvider::connect(handle.clone(), it, lenient, feeds.clone())))
        });
        let redis = options.redis.into_iter().map(|it| {
            let key = (ProviderKind::Redis, it.id.clone());
            (key, handle.spawn(RedisProvider::connect(it, lenient, feeds.clone())))
        });
        // All of them at once: each may take its time.
        let (nats, redis): (Vec<_>, Vec<_>) = (nats.collect(), redis.collect());
        for (key, connecting) in nats {
            let provider = connecting.await.map_err(|_| StartError::Stopping)??;
            providers.insert(key, Arc::new(provider));
        }
        for (key, connecting) in redis {
            let provider = connecting.await.map_err(|_| StartError::Stopping)??;
            providers.insert(key, Arc::new(provider));
        }
        let inner = Inner {
            handle: handle.clone(),
            providers,
            memory,
            unavailable: options.unavailable,
            skip_unavailable_providers: lenient,
            feeds,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Looks at the providers that a schema names. Strict: the first that cannot be had is the error.
    /// Lenient: all of them come back; their feeds will fail.
    pub fn check(&self, used: &[(ProviderKind, ProviderId)]) -> Result<Vec<StartError>, StartError> {
        let mut missing = used.iter().filter_map(|(kind, id)| self.find(*kind, id).err());
        if self.inner.skip_unavailable_providers {
            Ok(missing.collect())
        } else {
            missing.next().map_or(Ok(Vec::new()), Err)
        }
    }

    /// Starts a feed. Whatever comes of it is reported to the sink, also that it cannot start.
    pub fn start(&self, ticket: Ticket, feed: &EventFeed) {
        self.start_from(ticket, feed, None);
    }

    /// Starts a feed behind a position, where the broker can replay; from now on where it cannot.
    pub fn start_behind(&self, ticket: Ticket, feed: &EventFeed, position: &Position) {
        self.start_from(ticket, feed, Some(position));
    }

    fn start_from(&self, ticket: Ticket, feed: &EventFeed, from: Option<&Position>) {
        let found = self.find(feed.kind, &feed.provider);
        let (key, source) = ((feed.kind, feed.provider.clone()), found.as_ref().ok().copied().cloned());
        if !self.inner.feeds.begin(ticket, key, source) {
            return;
        }
        let started = match found {
            Err(missing) => Err(unavailable(format!("The event source is not available: {missing}."))),
            Ok(source) => source.start(ticket, feed, from),
        };
        if let Err(error) = started {
            self.fail(ticket, error);
        }
    }

    /// Stops a feed; reports that are on their way may still arrive.
    pub fn stop(&self, ticket: Ticket) {
        self.inner.feeds.stop(ticket);
    }

    /// Whether a provider is connected. Where several kinds have one of that id, all of them have to be.
    pub fn is_up(&self, id: &str) -> bool {
        let providers = &self.inner.providers;
        let mut named = providers.iter().filter(|((_, it), _)| **it == *id).peekable();
        let is_missing = self.inner.unavailable.iter().any(|(_, it)| **it == *id);
        !is_missing && named.peek().is_some() && named.all(|(_, source)| source.is_up())
    }

    /// All providers as they are now, those that cannot be had included.
    pub fn status(&self) -> Vec<ProviderStatus> {
        let feeds = self.inner.feeds.by_provider();
        let here = self.inner.providers.iter().map(|(key, source)| {
            let feeds = feeds.get(key).copied().unwrap_or(0);
            ProviderStatus { feeds, ..source.status() }
        });
        let missing = &self.inner.unavailable;
        here.chain(missing.iter().map(|(kind, id)| Counters::default().status(kind_name(*kind), id)))
            .collect()
    }

    /// Publishes to a memory provider; done when every listener's event is in the hub's queue.
    pub fn publish_memory(
        &self,
        provider: &str,
        subject: &str,
        payload: Bytes,
    ) -> BoxFuture<Result<Position, PublishError>> {
        let Some(memory) = self.inner.memory.get(provider) else {
            let error = PublishError::Undefined(provider.to_owned());
            return Box::pin(std::future::ready(Err(error)));
        };
        let (memory, subject) = (memory.clone(), subject.to_owned());
        self.answer(async move { memory.publish(&subject, payload).await }, Err(PublishError::Stopping))
    }

    /// Stops all feeds; none starts any more. Done when the brokers were told, or would not listen in time.
    pub async fn shutdown(&self) {
        self.inner.feeds.shutdown();
        let goodbyes = self.inner.providers.values().map(|it| it.shutdown());
        let _ = tokio::time::timeout(GOODBYE_PATIENCE, futures_util::future::join_all(goodbyes)).await;
    }

    fn find(&self, kind: ProviderKind, id: &ProviderId) -> Result<&Arc<dyn Source>, StartError> {
        let key = (kind, id.clone());
        if let Some(found) = self.inner.providers.get(&key) {
            return Ok(found);
        }
        let (name, id) = (kind_name(kind), id.clone());
        Err(match self.inner.unavailable.contains(&key) {
            true => StartError::Unavailable { kind: name, id },
            false => StartError::Undefined { kind: name, id },
        })
    }

    fn fail(&self, ticket: Ticket, error: graphql::Error) {
        let sink: Arc<dyn FeedSink> = self.inner.feeds.clone();
        self.inner.handle.spawn(async move {
            sink::deliver(&sink, ticket, Report::Failed([error].into())).await;
        });
    }

    /// Runs work to its end on the io runtime; the caller only waits for the answer.
    fn answer<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        stopping: T,
    ) -> BoxFuture<T> {
        let (done, answer) = oneshot::channel();
        self.inner.handle.spawn(async move {
            // Nobody waits any more: the work was done all the same.
            let _ = done.send(work.await);
        });
        Box::pin(async move { answer.await.unwrap_or(stopping) })
    }

    /// Has a message's provider do something with it.
    fn ask<T: Send + 'static, E: Into<BrokerError> + 'static>(
        &self,
        message: BrokerMessage,
        ask: impl FnOnce(&dyn Source, BrokerMessage) -> BoxFuture<Result<T, E>>,
    ) -> BoxFuture<Result<T, BrokerError>> {
        match self.find(message.kind, &message.provider) {
            Ok(source) => {
                let work = ask(&**source, message);
                let stopping = Err(BrokerError::Failed("the router is stopping".to_owned()));
                self.answer(async move { work.await.map_err(Into::into) }, stopping)
            }
            Err(missing) => Box::pin(std::future::ready(Err(BrokerError::Failed(missing.to_string())))),
        }
    }
}

impl Brokers for Sources {
    fn publish(&self, message: BrokerMessage) -> BoxFuture<Result<(), BrokerError>> {
        self.ask(message, |source, it| source.publish_labelled(it.destination, it.payload, it.labels))
    }

    fn request(&self, message: BrokerMessage) -> BoxFuture<Result<Bytes, BrokerError>> {
        self.ask(message, |source, it| source.request(it.destination, it.payload))
    }
}

/// What is wrong with a Kafka provider's options.
#[cfg(feature = "kafka")]
fn kafka_check(options: &KafkaOptions) -> Result<(), String> {
    kafka::check(options)
}

/// What this build can never serve is no outage.
#[cfg(not(feature = "kafka"))]
fn kafka_check(_: &KafkaOptions) -> Result<(), String> {
    Err("this build has no client for it: build with the cargo feature `kafka`".to_owned())
}

#[cfg(feature = "kafka")]
fn start_kafka(
    kafka: Vec<KafkaOptions>,
    feeds: &Arc<Feeds>,
    providers: &mut BTreeMap<ProviderKey, Arc<dyn Source>>,
) -> Result<(), StartError> {
    for (number, it) in kafka.into_iter().enumerate() {
        let key = (ProviderKind::Kafka, it.id.clone());
        providers.insert(key, Arc::new(kafka::KafkaProvider::start(number, it, feeds.clone())?));
    }
    Ok(())
}

#[cfg(not(feature = "kafka"))]
fn start_kafka(
    kafka: Vec<KafkaOptions>,
    _: &Arc<Feeds>,
    _: &mut BTreeMap<ProviderKey, Arc<dyn Source>>,
) -> Result<(), StartError> {
    let wrong = kafka.into_iter().find_map(|it| Some((kafka_check(&it).err()?, it.id)));
    wrong.map_or(Ok(()), |(reason, id)| Err(StartError::Invalid { kind: "kafka", id, reason }))
}

/// Memory and NATS providers answer to the same directives, so they share their ids.
fn check_ids(options: &Options) -> Result<(), StartError> {
    let nats = options.nats.iter().map(|it| ("nats", &it.id));
    let memory = options.memory.iter().map(|it| ("memory", &it.id));
    let mut seen = std::collections::HashSet::new();
    for (kind, id) in memory.chain(nats) {
        if !seen.insert(id) {
            let reason = "another nats or memory provider has the same ID".to_owned();
            return Err(StartError::Invalid { kind, id: id.clone(), reason });
        }
    }
    Ok(())
}

/// An error with everything that led to it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Many libraries repeat the cause in the error's own text.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
