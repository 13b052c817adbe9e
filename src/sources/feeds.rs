//! Which feeds run, and on which provider.

use super::{FeedSink, ProviderKey, Report, Ticket, source::Source};
use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// All running feeds. Stands between the providers and the sink: a feed whose last report has passed is over.
pub(super) struct Feeds {
    running: Mutex<Running>,
    sink: Arc<dyn FeedSink>,
}

#[derive(Default)]
struct Running {
    feeds: HashMap<Ticket, Feed>,
    /// How many of them each provider has: kept, because counting would hold up whoever starts a feed.
    by_provider: HashMap<ProviderKey, usize>,
    is_stopping: bool,
}

struct Feed {
    provider: ProviderKey,
    /// `None`: there is no such provider, and the feed is failing.
    source: Option<Arc<dyn Source>>,
}

impl Running {
    fn insert(&mut self, ticket: Ticket, feed: Feed) {
        *self.by_provider.entry(feed.provider.clone()).or_default() += 1;
        self.feeds.insert(ticket, feed);
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Feed> {
        let feed = self.feeds.remove(&ticket)?;
        if let Some(count) = self.by_provider.get_mut(&feed.provider) {
            *count -= 1;
        }
        Some(feed)
    }
}

impl Feeds {
    pub(super) fn new(sink: Arc<dyn FeedSink>) -> Self {
        Self { running: Mutex::default(), sink }
    }

    /// Notes a feed that is about to start; `false` when none may any more.
    pub(super) fn begin(
        &self,
        ticket: Ticket,
        provider: ProviderKey,
        source: Option<Arc<dyn Source>>,
    ) -> bool {
        let mut running = self.running();
        if !running.is_stopping {
            running.insert(ticket, Feed { provider, source });
        }
        !running.is_stopping
    }

    /// Stops a feed, unless it is over.
    pub(super) fn stop(&self, ticket: Ticket) {
        let stopped = self.running().remove(ticket);
        if let Some(source) = stopped.and_then(|it| it.source) {
            source.stop(ticket);
        }
    }

    /// Stops all of them; none starts any more.
    pub(super) fn shutdown(&self) {
        let feeds: Vec<Ticket> = {
            let mut running = self.running();
            running.is_stopping = true;
            running.feeds.keys().copied().collect()
        };
        feeds.into_iter().for_each(|it| self.stop(it));
    }

    /// How many feeds run on each provider.
    pub(super) fn by_provider(&self) -> HashMap<ProviderKey, usize> {
        self.running().by_provider.clone()
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FeedSink for Feeds {
    fn try_send(&self, ticket: Ticket, report: Report) -> Result<(), Report> {
        let is_last = matches!(report, Report::Failed(_) | Report::Ended);
        self.sink.try_send(ticket, report)?;
        if is_last {
            self.running().remove(ticket);
        }
        Ok(())
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.sink.room()
    }
}
