//! Redis: pub/sub on one connection per provider, and publishing on another.
//!
//! What the client library (`redis`) promises is taken with care: its channels for messages are unbounded,
//! and a connection that stays silent is alive to it. So the router keeps its own queues, connects again by
//! itself, and asks a silent server whether it lives.

mod address;
mod channel;
mod connect;
mod intake;
mod publisher;
mod routes;
mod subscriber;

use super::{
    Counters, FeedSink, ProviderStatus, Source, Ticket,
    options::{RedisOptions, StartError},
};
use crate::{
    graphql,
    plan::{EventFeed, Position, ProviderId},
    resolve::BoxFuture,
};
use bytes::Bytes;
use channel::NameSet;
use connect::{Connection, Connector, reconnect_delay};
use publisher::Publisher;
use redis::AsyncConnectionConfig;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use subscriber::{Ask, Subscriber};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

/// How long a start waits for a server that neither answers nor refuses.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// The same where the router starts without it anyway.
const LENIENT_START_TIMEOUT: Duration = Duration::from_secs(3);

/// A Redis provider, its connections and its feeds; gone when dropped.
pub(super) struct RedisProvider {
    shared: Arc<Shared>,
    /// To the subscriber. Unbounded, because whoever starts feeds may not wait: there are as many of them as
    /// the hub has triggers.
    asks: mpsc::UnboundedSender<Ask>,
    publisher: Arc<Publisher>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the provider's tasks share.
struct Shared {
    id: ProviderId,
    connector: Connector,
    counters: Counters,
    sink: Arc<dyn FeedSink>,
    lines: [watch::Sender<LineState>; Line::ALL.len()],
}

/// The connections that a provider always has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Subscriber,
    Publisher,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum LineState {
    #[default]
    Connecting,
    Up,
    /// The last attempt to connect failed, for this reason.
    Failing(String),
}

impl Line {
    const ALL: [Self; 2] = [Self::Subscriber, Self::Publisher];
}

impl RedisProvider {
    /// Connects. Strict: fails in bounded time when the server is away. Lenient: goes on trying.
    pub(super) async fn connect(
        options: RedisOptions,
        lenient: bool,
        sink: Arc<dyn FeedSink>,
    ) -> Result<Self, StartError> {
        let id = options.id.clone();
        let invalid = |reason| StartError::Invalid { kind: "redis", id: id.clone(), reason };
        let connector = Connector::new(&options).map_err(invalid)?;
        let (counters, lines) = (Counters::default(), Default::default());
        let shared = Arc::new(Shared { id: id.clone(), connector, counters, sink, lines });
        let (asks, asked) = mpsc::unbounded_channel();
        let publisher = Arc::new(Publisher::new(shared.clone()));
        let tasks = vec![
            tokio::spawn(Subscriber::new(shared.clone(), asked).run()),
            tokio::spawn(publisher.clone().run()),
        ];
        let provider = Self { shared, asks, publisher, tasks };
        let patience = if lenient { LENIENT_START_TIMEOUT } else { START_TIMEOUT };
        match provider.settled(patience).await {
            // What is wrong is in the log already.
            Err(cause) if !lenient => Err(StartError::Unreachable { kind: "redis", id, cause }),
            _ => Ok(provider),
        }
    }

    /// Waits until every connection is there, or an attempt failed, or patience ran out.
    async fn settled(&self, patience: Duration) -> Result<(), String> {
        let all = async {
            for line in &self.shared.lines {
                let mut state = line.subscribe();
                let settled = state.wait_for(|it| *it != LineState::Connecting).await;
                if let Ok(LineState::Failing(cause)) = settled.as_deref() {
                    return Err(cause.clone());
                }
            }
            Ok(())
        };
        timeout(patience, all).await.unwrap_or_else(|_| Err(format!("no answer within {patience:?}")))
    }
}

impl Source for RedisProvider {
    fn start(&self, ticket: Ticket, feed: &EventFeed, _: Option<&Position>) -> Result<(), graphql::Error> {
        // It is there as long as the provider is.
        let _ = self.asks.send(Ask::Start(ticket, NameSet::of(feed)));
        Ok(())
    }

    fn stop(&self, ticket: Ticket) {
        let _ = self.asks.send(Ask::Stop(ticket));
    }

    fn publish(&self, to: Arc<str>, payload: Bytes) -> BoxFuture<Result<(), String>> {
        let publisher = self.publisher.clone();
        Box::pin(async move { publisher.publish(&to, &payload).await })
    }

    fn request(&self, _: Arc<str>, _: Bytes) -> BoxFuture<Result<Bytes, String>> {
        Box::pin(std::future::ready(Err("Redis answers no requests".to_owned())))
    }

    fn status(&self) -> ProviderStatus {
        self.shared.counters.status("redis", &self.shared.id)
    }
}

impl Drop for RedisProvider {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    /// Connects, however often it takes.
    async fn connect(&self, line: Line, config: &AsyncConnectionConfig) -> Connection {
        for attempt in 0.. {
            match self.connector.connect(config).await {
                Ok(connection) => return connection,
                Err(error) => self.failing(line, error),
            }
            tokio::time::sleep(reconnect_delay(attempt)).await;
        }
        unreachable!("there is always another attempt")
    }

    /// An attempt failed. Told once per outage: the next ones come every two seconds.
    fn failing(&self, line: Line, error: String) {
        let before = self.set(line, LineState::Failing(error.clone()));
        if !matches!(before, LineState::Failing(_)) {
            tracing::warn!(provider = &*self.id, ?line, error, "could not connect to Redis, trying on");
        }
    }

    /// A connection serves everything that it should.
    fn up(&self, line: Line) {
        if self.set(line, LineState::Up) != LineState::Up {
            tracing::info!(provider = &*self.id, ?line, "connected to Redis");
        }
    }

    /// A connection that was there is gone.
    fn lost(&self, line: Line, reason: &str) {
        Counters::add(&self.counters.reconnects, 1);
        self.set(line, LineState::Connecting);
        tracing::warn!(provider = &*self.id, ?line, reason, "the connection to Redis was lost");
    }

    /// Sets a line's state and returns the one before; the provider is up when all of them are.
    fn set(&self, line: Line, state: LineState) -> LineState {
        let before = self.lines[line as usize].send_replace(state);
        let all = self.lines.iter().all(|it| *it.borrow() == LineState::Up);
        self.counters.up.store(all, Relaxed);
        before
    }

    fn received(&self, events: u64) {
        Counters::add(&self.counters.received, events);
    }
}
