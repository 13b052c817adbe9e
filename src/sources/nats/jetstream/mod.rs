//! JetStream: streams that keep their messages, read in one of two ways.
//!
//! A feed with `@feed__deliver` is read by position: one [`reader`] for all such feeds of a stream, which leaves
//! nothing behind on the server. Without it, a feed is what Cosmo makes of it: a durable consumer of its own
//! ([`durable`]), which remembers on the server what was read. A stream that deletes what was acknowledged can be read
//! in the second way only.

mod consumers;
mod doubt;
mod durable;
mod filters;
mod hand;
mod listeners;
mod publish;
mod pull;
mod reader;
mod receipts;
mod routes;
mod sequence;
mod stream;
mod tree;

use super::{Shared, connect};
use crate::{
    plan::{JetStreamOptions, Position},
    resolve::BoxFuture,
    sources::{PartitionLag, Ticket, subject::SubjectSet},
};
use consumers::Consumers;
use durable::Durable;
pub(super) use publish::Catchers;
use reader::Reader;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::JoinSet,
};

/// Messages that are asked for at once. Also bounds what waits in the router while the hub's queue is full.
const BATCH: usize = 256;
/// Between two looks at a stream that is read or waited for.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A feed as a stream's reader or a durable consumer takes it.
#[derive(Clone, Debug)]
struct StreamFeed {
    subjects: SubjectSet,
    options: JetStreamOptions,
    /// Behind which message to start; from now on without.
    from: Option<u64>,
}

/// What the listener of a feed was told already.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    is_live: bool,
    is_interrupted: bool,
}

/// Attempts at something that does not work, farther and farther apart.
#[derive(Debug, Default)]
struct Retry(usize);

impl Retry {
    /// Whether nothing has failed yet: the first failure of an outage is worth a line in the log.
    fn is_first(&self) -> bool {
        self.0 == 0
    }

    async fn wait(&mut self) {
        self.0 += 1;
        tokio::time::sleep(connect::reconnect_delay(self.0)).await;
    }
}

/// All JetStream feeds of a provider.
pub(super) struct JetStream {
    inner: Arc<Inner>,
}

/// What readers share with whoever starts them.
struct Inner {
    handle: Handle,
    provider: Arc<Shared>,
    /// One for each stream that was ever asked for: their number is that of the streams that event graphs name.
    readers: Mutex<HashMap<Arc<str>, mpsc::UnboundedSender<reader::Ask>>>,
    durables: Mutex<HashMap<Ticket, watch::Sender<bool>>>,
    tasks: Mutex<Tasks>,
    consumers: Consumers,
    /// How far each stream's reader is behind.
    lag: Mutex<HashMap<Arc<str>, Arc<AtomicU64>>>,
}

#[derive(Default)]
struct Tasks {
    readers: JoinSet<()>,
    durables: JoinSet<()>,
}

impl JetStream {
    pub(super) fn new(handle: Handle, provider: Arc<Shared>) -> Self {
        let inner = Inner {
            handle,
            provider,
            readers: Mutex::default(),
            durables: Mutex::default(),
            tasks: Mutex::default(),
            consumers: Consumers::default(),
            lag: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(super) fn start(
        &self,
        ticket: Ticket,
        subjects: SubjectSet,
        options: &JetStreamOptions,
        from: Option<&Position>,
    ) {
        let from = from.and_then(|it| it.offset(0));
        let feed = StreamFeed { subjects, options: options.clone(), from };
        match options.is_ordered {
            true => self.inner.read(ticket, feed),
            false => self.inner.start_durable(ticket, feed, Told::default()),
        }
    }

    pub(super) fn stop(&self, ticket: Ticket) {
        if !self.inner.stop_durable(ticket) {
            for reader in lock(&self.inner.readers).values() {
                // Who does not know it has nothing to do.
                let _ = reader.send(reader::Ask::Stop(ticket));
            }
        }
    }

    /// Deletes durable consumers, if that is wanted. Their feeds were stopped.
    pub(super) fn shutdown(&self) -> BoxFuture<()> {
        let inner = self.inner.clone();
        Box::pin(async move {
            // They give back first what they have in hand.
            let mut durables = std::mem::take(&mut lock(&inner.tasks).durables);
            while durables.join_next().await.is_some() {}
            if inner.provider.options.delete_durable_consumers_on_shutdown {
                inner.consumers.delete(&inner.provider.session().jetstream).await;
            }
        })
    }

    /// How far the shared readers are behind; a stream has one part.
    pub(super) fn lag(&self) -> Vec<PartitionLag> {
        let lag = lock(&self.inner.lag);
        lag.iter()
            .map(|(it, events)| PartitionLag {
                topic: it.clone(),
                partition: 0,
                events: events.load(Relaxed),
            })
            .collect()
    }
}

impl Drop for JetStream {
    fn drop(&mut self) {
        // They hold what they share with it.
        let mut tasks = lock(&self.inner.tasks);
        tasks.readers.abort_all();
        tasks.durables.abort_all();
    }
}

impl Inner {
    /// Hands a feed to its stream's reader.
    fn read(self: &Arc<Self>, ticket: Ticket, feed: StreamFeed) {
        let mut readers = lock(&self.readers);
        let reader = readers.entry(feed.options.stream.clone()).or_insert_with_key(|stream| {
            let (asks, asked) = mpsc::unbounded_channel();
            let reader = Reader::new(self.clone(), stream.clone(), asked);
            lock(&self.tasks).readers.spawn_on(reader.run(), &self.handle);
            asks
        });
        // Its task ends with the provider.
        let _ = reader.send(reader::Ask::Start(ticket, feed));
    }

    fn start_durable(self: &Arc<Self>, ticket: Ticket, feed: StreamFeed, told: Told) {
        let (stop, stopped) = watch::channel(false);
        lock(&self.durables).insert(ticket, stop);
        let (inner, durable) =
            (self.clone(), Durable::new(self.provider.clone(), ticket, feed, told, stopped));
        let (stream, name, deleted_after) = durable.consumer_at_the_server();
        self.consumers.read(stream.clone(), name.clone());
        let task = async move {
            durable.run().await;
            inner.consumers.left(stream, name, deleted_after);
            lock(&inner.durables).remove(&ticket);
        };
        let mut tasks = lock(&self.tasks);
        while tasks.durables.try_join_next().is_some() {}
        tasks.durables.spawn_on(task, &self.handle);
    }

    /// Whether there was such a feed. It gives back what it has in hand before it ends.
    fn stop_durable(&self, ticket: Ticket) -> bool {
        let stop = lock(&self.durables).remove(&ticket);
        stop.map(|it| it.send_replace(true)).is_some()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
