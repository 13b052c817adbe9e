//! The edge towards brokers and subgraphs: the only home of their clients.
//!
//! A feed is started and stopped by its [`Ticket`]; what happens to it goes to the [`FeedSink`], in order.
//! Everything asynchronous runs on the io runtime whose handle is given at the start, and nothing here
//! blocks its caller, whatever thread that is. What events mean, who listens and what becomes of an outage
//! is the hub's to say.

mod counters;
mod memory;
mod nats;
mod options;
mod sink;
mod subject;
mod tls;

pub mod subgraph;

pub use counters::{LogStatus, ProviderStatus};
pub use memory::PublishError;
pub use options::{ClientTls, MemoryOptions, NatsAuthentication, NatsOptions, NatsTls, Options, StartError};
pub use sink::{FeedSink, Report, Ticket};
pub use subject::{SubjectError, check_literal as check_literal_subject};

use crate::{
    graphql,
    plan::{EventFeed, Position, ProviderId, ProviderKind},
    resolve::{BoxFuture, BrokerError, BrokerMessage, Brokers},
};
use bytes::Bytes;
use counters::Counters;
use memory::MemoryProvider;
use nats::NatsProvider;
use options::kind_name;
use sink::unavailable;
use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use subject::SubjectSet;
use tokio::{runtime::Handle, sync::oneshot, task::AbortHandle};

/// All providers and the feeds that run on them. Cheap to clone.
#[derive(Clone)]
pub struct Sources {
    inner: Arc<Inner>,
}

struct Inner {
    handle: Handle,
    /// Providers that the NATS directives can name.
    providers: BTreeMap<ProviderId, Provider>,
    unavailable: Vec<(ProviderKind, ProviderId)>,
    skip_unavailable_providers: bool,
    sink: Arc<dyn FeedSink>,
    running: Arc<Mutex<Running>>,
}

enum Provider {
    Memory(MemoryProvider),
    Nats(NatsProvider),
}

#[derive(Default)]
struct Running {
    feeds: HashMap<Ticket, RunningFeed>,
    /// How many of them each provider has: kept, because counting would hold up whoever starts a feed.
    by_provider: HashMap<ProviderId, usize>,
    is_stopping: bool,
}

struct RunningFeed {
    provider: ProviderId,
    /// The task of a feed that has one.
    task: Option<AbortHandle>,
}

impl Running {
    fn insert(&mut self, ticket: Ticket, feed: RunningFeed) {
        *self.by_provider.entry(feed.provider.clone()).or_default() += 1;
        self.feeds.insert(ticket, feed);
    }

    fn remove(&mut self, ticket: Ticket) -> Option<RunningFeed> {
        let feed = self.feeds.remove(&ticket)?;
        if let Some(count) = self.by_provider.get_mut(&feed.provider) {
            *count -= 1;
        }
        Some(feed)
    }
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
        let mut providers = BTreeMap::new();
        for memory in &options.memory {
            let provider = MemoryProvider::spawn(handle, memory, sink.clone());
            providers.insert(memory.id.clone(), Provider::Memory(provider));
        }
        let connecting: Vec<_> = options
            .nats
            .into_iter()
            .map(|it| handle.spawn(NatsProvider::connect(it, lenient, sink.clone())))
            .collect();
        for task in connecting {
            let provider = task.await.map_err(|_| StartError::Stopping)??;
            providers.insert(provider.id().clone(), Provider::Nats(provider));
        }
        let inner = Inner {
            handle: handle.clone(),
            providers,
            unavailable: options.unavailable,
            skip_unavailable_providers: lenient,
            sink,
            running: Arc::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Looks at the providers that a schema names. Strict: the first that cannot be had is the error.
    /// Lenient: all of them come back, to be logged; their feeds will fail.
    pub fn check(&self, used: &[(ProviderKind, ProviderId)]) -> Result<Vec<StartError>, StartError> {
        let mut missing = used.iter().filter_map(|(kind, id)| self.missing(*kind, id));
        if self.inner.skip_unavailable_providers {
            Ok(missing.collect())
        } else {
            missing.next().map_or(Ok(Vec::new()), Err)
        }
    }

    /// Starts a feed. Whatever comes of it is reported to the sink, also that it cannot start.
    pub fn start(&self, ticket: Ticket, feed: &EventFeed) {
        let mut running = self.running();
        if running.is_stopping {
            return;
        }
        let task = match self.prepare(feed) {
            Ok((Provider::Memory(memory), subjects)) => {
                memory.start(ticket, subjects);
                None
            }
            Ok((Provider::Nats(nats), subjects)) => {
                let ended = self.forget(ticket);
                Some(nats.start(&self.inner.handle, ticket, subjects, ended))
            }
            Err(error) => Some(self.fail(ticket, error)),
        };
        running.insert(ticket, RunningFeed { provider: feed.provider.clone(), task });
    }

    /// Stops a feed; reports that are on their way may still arrive.
    pub fn stop(&self, ticket: Ticket) {
        let Some(feed) = self.running().remove(ticket) else { return };
        match (feed.task, self.inner.providers.get(&feed.provider)) {
            (Some(task), _) => task.abort(),
            (None, Some(Provider::Memory(memory))) => memory.stop(ticket),
            (None, _) => {}
        }
    }

    /// All providers as they are now, those that cannot be had included.
    pub fn status(&self) -> Vec<ProviderStatus> {
        let feeds = self.running().by_provider.clone();
        let count = |id: &ProviderId| feeds.get(id).copied().unwrap_or(0);
        let here = self.inner.providers.iter().map(|(id, provider)| match provider {
            Provider::Memory(memory) => memory.status(count(id)),
            Provider::Nats(nats) => nats.status(count(id)),
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
        let Some(Provider::Memory(memory)) = self.inner.providers.get(provider) else {
            let error = PublishError::Undefined(provider.to_owned());
            return Box::pin(std::future::ready(Err(error)));
        };
        let (memory, subject) = (memory.clone(), subject.to_owned());
        self.answer(async move { memory.publish(&subject, payload).await }, Err(PublishError::Stopping))
    }

    /// Stops all feeds; none starts any more.
    pub fn shutdown(&self) {
        let feeds: Vec<Ticket> = {
            let mut running = self.running();
            running.is_stopping = true;
            running.feeds.keys().copied().collect()
        };
        feeds.into_iter().for_each(|it| self.stop(it));
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missing(&self, kind: ProviderKind, id: &ProviderId) -> Option<StartError> {
        let (name, id) = (kind_name(kind), id.clone());
        if kind == ProviderKind::Nats && self.inner.providers.contains_key(&id) {
            return None;
        }
        let is_known = self.inner.unavailable.iter().any(|it| *it == (kind, id.clone()));
        Some(match is_known {
            true => StartError::Unavailable { kind: name, id },
            false => StartError::Undefined { kind: name, id },
        })
    }

    /// The provider of a feed, and its subjects once more checked.
    fn prepare(&self, feed: &EventFeed) -> Result<(&Provider, SubjectSet), graphql::Error> {
        if let Some(missing) = self.missing(feed.kind, &feed.provider) {
            return Err(unavailable(format!("The event source is not available: {missing}.")));
        }
        if feed.stream.is_some() {
            return Err(unavailable("JetStream feeds are not available in this version."));
        }
        let provider = &self.inner.providers[&feed.provider];
        let subjects = SubjectSet::new(&feed.destinations).map_err(|(subject, error)| {
            unavailable(format!("'{}' is not a valid subject: {error}.", subject.escape_debug()))
        })?;
        Ok((provider, subjects))
    }

    fn fail(&self, ticket: Ticket, error: graphql::Error) -> AbortHandle {
        let (sink, ended) = (self.inner.sink.clone(), self.forget(ticket));
        let task = self.inner.handle.spawn(async move {
            sink::deliver(&sink, ticket, Report::Failed([error].into())).await;
            ended();
        });
        task.abort_handle()
    }

    /// What a feed's task does last.
    fn forget(&self, ticket: Ticket) -> impl FnOnce() + Send + 'static {
        let running = self.inner.running.clone();
        move || {
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(ticket);
        }
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

    fn provider(&self, message: &BrokerMessage) -> Result<&Provider, BrokerError> {
        match self.missing(message.kind, &message.provider) {
            Some(missing) => Err(BrokerError(missing.to_string())),
            None => Ok(&self.inner.providers[&message.provider]),
        }
    }
}

impl Brokers for Sources {
    fn publish(&self, message: BrokerMessage) -> BoxFuture<Result<(), BrokerError>> {
        let stopping = Err(BrokerError("the router is stopping".to_owned()));
        match self.provider(&message) {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok(Provider::Memory(memory)) => {
                let memory = memory.clone();
                let work = async move {
                    let published = memory.publish(&message.destination, message.payload).await;
                    published.map(|_| ()).map_err(|error| BrokerError(error.to_string()))
                };
                self.answer(work, stopping)
            }
            Ok(Provider::Nats(nats)) => {
                let work = nats.publish(message.destination, message.payload);
                self.answer(async move { work.await.map_err(BrokerError) }, stopping)
            }
        }
    }

    fn request(&self, message: BrokerMessage) -> BoxFuture<Result<Bytes, BrokerError>> {
        match self.provider(&message) {
            Err(error) => Box::pin(std::future::ready(Err(error))),
            Ok(Provider::Memory(_)) => {
                let nobody = format!("nobody answers requests to '{}'", message.destination);
                Box::pin(std::future::ready(Err(BrokerError(nobody))))
            }
            Ok(Provider::Nats(nats)) => {
                let work = nats.request(message.destination, message.payload);
                let stopping = Err(BrokerError("the router is stopping".to_owned()));
                self.answer(async move { work.await.map_err(BrokerError) }, stopping)
            }
        }
    }
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
