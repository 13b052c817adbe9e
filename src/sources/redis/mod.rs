//! Redis: pub/sub on one connection per provider, publishing on another, streams on a third while somebody reads one
//! (of a cluster: on one for each node that has some, and one more).
//!
//! What the client library (`redis`) promises is taken with care: its channels for messages are unbounded,
//! and a connection that stays silent is alive to it. So the router keeps its own queues, connects again by
//! itself, and asks a silent server whether it lives.

mod address;
mod blocking;
mod channel;
mod cluster;
mod connect;
mod entry;
mod feeds;
mod intake;
mod publisher;
mod reader;
mod role;
mod routes;
mod slots;
mod subscriber;

use super::{
    Counters, FeedSink, ProviderStatus, Source, Ticket,
    options::{FeedBacklog, RedisOptions, StartError},
};
use crate::{
    graphql,
    plan::{EventFeed, Position, ProviderId, StreamOptions},
    resolve::{BoxFuture, BrokerError},
};
use bytes::Bytes;
use channel::NameSet;
use connect::{Connection, Connector, NoConnection, reconnect_delay};
use feeds::StreamFeed;
use publisher::Publisher;
use reader::Reader;
use redis::AsyncConnectionConfig;
use role::Purpose;
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use subscriber::Subscriber;
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
    asks: mpsc::UnboundedSender<subscriber::Ask>,
    /// To the reader of streams; the same holds.
    reads: mpsc::UnboundedSender<feeds::Ask>,
    publisher: Arc<Publisher>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the provider's tasks share.
struct Shared {
    id: ProviderId,
    connector: Connector,
    feed_backlog: FeedBacklog,
    counters: Counters,
    sink: Arc<dyn FeedSink>,
    lines: [watch::Sender<LineState>; Line::ALL.len()],
}

/// The connections of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Subscriber,
    Publisher,
    /// There while somebody reads streams.
    Reader,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum LineState {
    #[default]
    Connecting,
    Up,
    /// Not needed.
    Idle,
    /// Events come; to publish, a master is looked for.
    ReplicasOnly,
    /// The last attempt to connect failed, for this reason.
    Failing(String),
}

impl Line {
    const ALL: [Self; 3] = [Self::Subscriber, Self::Publisher, Self::Reader];

    fn purpose(self) -> Purpose {
        match self {
            Self::Publisher => Purpose::Publish,
            Self::Subscriber | Self::Reader => Purpose::Listen,
        }
    }
}

/// What is wrong with a provider's options, whether or not a server is there.
pub(super) fn check(options: &RedisOptions) -> Result<(), String> {
    Connector::new(options).map(drop)
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
        let (counters, lines, feed_backlog) = (Counters::default(), Default::default(), options.feed_backlog);
        let shared = Arc::new(Shared { id: id.clone(), connector, feed_backlog, counters, sink, lines });
        shared.idle(Line::Reader);
        let is_cluster = options.cluster_enabled;
        let (asks, asked) = mpsc::unbounded_channel();
        let (reads, to_read) = mpsc::unbounded_channel();
        let publisher = Arc::new(Publisher::new(shared.clone()));
        let tasks = vec![
            tokio::spawn(Subscriber::new(shared.clone(), asked).run()),
            tokio::spawn(publisher.clone().run()),
            tokio::spawn(Reader::new(shared.clone(), publisher.clone(), is_cluster, to_read).run()),
        ];
        let provider = Self { shared, asks, reads, publisher, tasks };
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
    fn start(&self, ticket: Ticket, feed: &EventFeed, from: Option<&Position>) -> Result<(), graphql::Error> {
        // Whoever takes these is there as long as the provider is.
        match &feed.stream {
            Some(StreamOptions::Redis { field }) => {
                let (streams, field) = (feed.destinations.clone(), field.clone());
                let asked = StreamFeed { streams, field, from: from.cloned() };
                let _ = self.reads.send(feeds::Ask::Start(ticket, asked));
            }
            _ => {
                let _ = self.asks.send(subscriber::Ask::Start(ticket, NameSet::of(feed)));
            }
        }
        Ok(())
    }

    fn stop(&self, ticket: Ticket) {
        // Who does not know it has nothing to do.
        let _ = self.asks.send(subscriber::Ask::Stop(ticket));
        let _ = self.reads.send(feeds::Ask::Stop(ticket));
    }

    fn publish(&self, to: Arc<str>, payload: Bytes) -> BoxFuture<Result<(), String>> {
        let publisher = self.publisher.clone();
        Box::pin(async move { publisher.publish(&to, &payload).await })
    }

    fn request(&self, _: Arc<str>, _: Bytes) -> BoxFuture<Result<Bytes, BrokerError>> {
        let error = BrokerError::Failed("Redis answers no requests".to_owned());
        Box::pin(std::future::ready(Err(error)))
    }

    fn is_up(&self) -> bool {
        self.shared.counters.is_up()
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
            match self.connector.connect(config, line.purpose()).await {
                Ok(connection) => return connection,
                Err(NoConnection { reason, is_for_lack_of_a_master: true }) => {
                    self.replicas_only(line, reason)
                }
                Err(NoConnection { reason, .. }) => self.failing(line, reason),
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

    /// An attempt failed because there is no master. Whoever only listens need not care.
    fn replicas_only(&self, line: Line, reason: String) {
        if self.set(line, LineState::ReplicasOnly) != LineState::ReplicasOnly {
            tracing::warn!(
                provider = &*self.id,
                ?line,
                reason,
                "nothing can be published to Redis, trying on"
            );
        }
    }

    /// A connection serves everything that it should.
    fn up(&self, line: Line) {
        if self.set(line, LineState::Up) != LineState::Up {
            tracing::info!(provider = &*self.id, ?line, "connected to Redis");
        }
    }

    /// A connection that was there is gone. Done when another may be made: a server that takes connections and
    /// hangs up must not be hammered.
    async fn lost(&self, line: Line, reason: &str) {
        Counters::add(&self.counters.reconnects, 1);
        self.set(line, LineState::Connecting);
        tracing::warn!(provider = &*self.id, ?line, reason, "the connection to Redis was lost");
        tokio::time::sleep(reconnect_delay(1)).await;
    }

    /// A connection is not needed.
    fn idle(&self, line: Line) {
        self.set(line, LineState::Idle);
    }

    fn is_failing(&self, line: Line) -> bool {
        matches!(*self.lines[line as usize].borrow(), LineState::Failing(_))
    }

    /// Sets a line's state and returns the one before; the provider is up when all of them are.
    fn set(&self, line: Line, state: LineState) -> LineState {
        let before = self.lines[line as usize].send_replace(state);
        let all = self
            .lines
            .iter()
            .all(|it| !matches!(*it.borrow(), LineState::Connecting | LineState::Failing(_)));
        self.counters.up.store(all, Relaxed);
        before
    }

    fn received(&self, events: u64) {
        Counters::add(&self.counters.received, events);
    }
}

#[cfg(test)]
mod tests;
