//! All feeds of a provider: one task that starts them and moves events on as fast as they come.
//!
//! It never waits for the hub or for the server: it drains the library's channels, which drop without
//! counting, into the feeds' outboxes, which count. It survives lost connections and its own panics.
//! A task for each feed would cost as much memory as the library's channel does.

use super::{
    Shared,
    feed::{Feed, Told},
    ready::Ready,
    session::{Link, Unconfirmed},
    starting::{Batch, Outcome},
};
use crate::sources::{Counters, Report, Ticket, sink::unavailable, subject::SubjectSet};
use futures_util::FutureExt;
use smallvec::SmallVec;
use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

/// Before a broken desk serves again.
const RESTART_DELAY: Duration = Duration::from_millis(50);

/// What the provider asks of its desk.
pub(super) enum Ask {
    Start(Ticket, SubjectSet),
    Stop(Ticket),
}

pub(super) struct Desk {
    provider: Arc<Shared>,
    asks: mpsc::UnboundedReceiver<Ask>,
    feeds: HashMap<Ticket, Box<Feed>>,
    /// Who listens to which subject: the server's refusals name subjects.
    listeners: HashMap<Arc<str>, SmallVec<[Ticket; 1]>>,
    /// Feeds that are not subscribed and not about to be.
    new: VecDeque<Ticket>,
    ready: Arc<Ready>,
    /// Feeds whose outbox waits for room, each once.
    blocked: VecDeque<Ticket>,
    /// So many of them start one by one: together the server would not have them all.
    alone: usize,
    /// As it was when the feeds were last told.
    link: Link,
    /// Refusals without a name before the connection was last lost.
    unnamed: u64,
}

/// A batch on its way.
type Starting = Pin<Box<dyn Future<Output = (Batch, Outcome)> + Send>>;

impl Desk {
    pub(super) fn new(provider: Arc<Shared>, asks: mpsc::UnboundedReceiver<Ask>) -> Self {
        Self {
            provider,
            asks,
            feeds: HashMap::new(),
            listeners: HashMap::new(),
            new: VecDeque::new(),
            ready: Arc::default(),
            blocked: VecDeque::new(),
            alone: 0,
            link: Link::default(),
            unnamed: 0,
        }
    }

    /// Serves for ever. To stop it, and all feeds, abort it.
    pub(super) async fn run(mut self) {
        loop {
            if AssertUnwindSafe(self.serve_one_session()).catch_unwind().await.is_err() {
                Counters::add(&self.provider.counters.restarts, 1);
                tracing::error!(provider = &*self.provider.id, "the task of the feeds panicked");
            }
            self.disconnected();
            tokio::time::sleep(RESTART_DELAY).await;
        }
    }

    /// Ends when the client library gives up.
    async fn serve_one_session(&mut self) {
        let session = self.provider.session();
        let mut link = session.watch();
        let mut refused = session.refusals().subscriptions();
        let mut starting: Option<Starting> = None;
        (self.link, self.unnamed) = (Link::default(), 0);
        loop {
            let now = *link.borrow_and_update();
            if now.closed {
                return;
            }
            self.follow(now, session.refusals().unnamed());
            if starting.is_none() && now.is_up() {
                starting = self.next_batch().map(|it| Box::pin(it.go(session.clone())) as Starting);
            }
            tokio::select! {
                biased;
                Some(subject) = refused.recv() => self.refused(&subject),
                _ = link.changed() => {}
                (batch, outcome) = pending_or(&mut starting) => {
                    starting = None;
                    if !self.started(batch, outcome) {
                        session.close();
                        return;
                    }
                }
                Some(ask) = self.asks.recv() => self.obey(ask),
                () = unblocked(&self.blocked, &mut self.feeds) => self.flush_next(),
                ticket = self.ready.next() => if !self.hear(ticket) {
                    session.close();
                    return;
                },
            }
        }
    }

    fn obey(&mut self, ask: Ask) {
        match ask {
            Ask::Start(ticket, subjects) => self.start(ticket, subjects),
            Ask::Stop(ticket) => self.forget(ticket),
        }
    }

    fn start(&mut self, ticket: Ticket, subjects: SubjectSet) {
        for subject in subjects.iter() {
            self.listeners.entry(subject.clone()).or_default().push(ticket);
        }
        let mut feed = Box::new(Feed::new(ticket, subjects, self.provider.options.feed_backlog, &self.ready));
        if !self.link.is_up() {
            feed.interrupt();
        }
        self.feeds.insert(ticket, feed);
        self.new.push_back(ticket);
        self.flush(ticket);
    }

    /// Its subscriptions end with it.
    fn forget(&mut self, ticket: Ticket) {
        let Some(feed) = self.feeds.remove(&ticket) else { return };
        for subject in feed.subjects.iter() {
            let Some(listeners) = self.listeners.get_mut(subject) else { continue };
            listeners.retain(|it| *it != ticket);
            if listeners.is_empty() {
                self.listeners.remove(subject);
            }
        }
    }

    fn next_batch(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        while !(batch.is_full() || self.alone > 0 && batch.len() == 1)
            && let Some(ticket) = self.new.pop_front()
        {
            if let Some(feed) = self.feeds.get(&ticket).filter(|it| !it.is_started) {
                batch.add(ticket, feed.subjects.clone());
            }
        }
        self.alone = self.alone.saturating_sub(1);
        (batch.len() > 0).then_some(batch)
    }

    /// Tells feeds what came of their start. `false` when the client library is gone.
    fn started(&mut self, batch: Batch, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Confirmed => batch.take().for_each(|(ticket, taps)| match taps {
                Ok(taps) => {
                    let is_up = self.link.is_up();
                    self.with(ticket, |it| it.start(taps, is_up));
                }
                Err(subject) => {
                    self.fail(ticket, &format!("'{subject}' is not a valid subject."));
                }
            }),
            Outcome::Refused if batch.len() > 1 => {
                self.alone += batch.len();
                let tickets: Vec<Ticket> = batch.take().map(|(ticket, _)| ticket).collect();
                tickets.into_iter().rev().for_each(|it| self.new.push_front(it));
            }
            Outcome::Refused => {
                tracing::warn!(provider = &*self.provider.id, "the NATS server takes no more subscriptions");
                // The others that would not fit together with it do not fit now either.
                let others = self.new.len().min(std::mem::take(&mut self.alone));
                let others: Vec<Ticket> = self.new.drain(..others).collect();
                let tickets = batch.take().map(|(ticket, _)| ticket).chain(others);
                tickets.for_each(|it| self.fail(it, REFUSED));
            }
            Outcome::Unconfirmed(why) => {
                for (ticket, _) in batch.take() {
                    self.with(ticket, Feed::interrupt);
                    self.new.push_back(ticket);
                }
                return why != Unconfirmed::Closed;
            }
        }
        true
    }

    fn refused(&mut self, subject: &str) {
        let Some(listeners) = self.listeners.get(subject).cloned() else { return };
        tracing::warn!(provider = &*self.provider.id, subject, "the NATS server refused a subscription");
        listeners.into_iter().for_each(|it| self.fail(it, REFUSED));
    }

    fn fail(&mut self, ticket: Ticket, why: &str) {
        let report = Report::Failed([unavailable(why.to_owned())].into());
        self.with(ticket, |it| it.fail(report));
    }

    /// Tells feeds what happened to the connection.
    fn follow(&mut self, now: Link, unnamed: u64) {
        let before = std::mem::replace(&mut self.link, now);
        if now == before {
            return;
        }
        if before.is_up() {
            self.unnamed = unnamed;
        } else if now.is_up() && unnamed > self.unnamed {
            // When the library repeated them the server did not take all, and nobody knows which.
            self.disconnected();
        }
        let lost = now.lost - before.lost;
        let tickets: Vec<Ticket> = self.feeds.keys().copied().collect();
        tickets.into_iter().for_each(|it| self.with(it, |it| it.follow(now.is_up(), lost)));
    }

    /// All subscriptions are gone, or not what they should be: every feed starts anew.
    fn disconnected(&mut self) {
        let tickets: Vec<Ticket> = self.feeds.keys().copied().collect();
        (self.new, self.alone) = (tickets.iter().copied().collect(), 0);
        tickets.into_iter().for_each(|it| self.with(it, Feed::disconnect));
    }

    /// Takes what has come for a feed. `false` when the client library is gone.
    fn hear(&mut self, ticket: Ticket) -> bool {
        let Some(feed) = self.feeds.get_mut(&ticket) else { return true };
        let heard = feed.hear();
        if heard.begins_to_lose {
            let (provider, subjects) = (&*self.provider.id, &feed.subjects);
            tracing::warn!(provider, ?subjects, "events are dropped: as many wait as may");
        }
        Counters::add(&self.provider.counters.received, heard.received);
        Counters::add(&self.provider.counters.dropped, heard.dropped);
        Counters::add(&self.provider.counters.skipped, heard.skipped);
        self.flush(ticket);
        !heard.is_closed
    }

    fn with(&mut self, ticket: Ticket, change: impl FnOnce(&mut Feed)) {
        if let Some(feed) = self.feeds.get_mut(&ticket) {
            change(feed);
            self.flush(ticket);
        }
    }

    fn flush(&mut self, ticket: Ticket) {
        let Some(feed) = self.feeds.get_mut(&ticket) else { return };
        match feed.flush(&*self.provider.sink) {
            Told::All | Told::StillBlocked => {}
            Told::Blocked => self.blocked.push_back(ticket),
            Told::Last => self.forget(ticket),
        }
    }

    fn flush_next(&mut self) {
        if let Some(ticket) = self.blocked.pop_front() {
            self.flush(ticket);
        }
    }
}

const REFUSED: &str = "The broker refused the subscription.";

/// Never done while there is nothing under way.
async fn pending_or<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Done when there may be room for the feed that has waited longest, or when it is gone.
async fn unblocked(blocked: &VecDeque<Ticket>, feeds: &mut HashMap<Ticket, Box<Feed>>) {
    let Some(ticket) = blocked.front() else { return std::future::pending().await };
    if let Some(feed) = feeds.get_mut(ticket) {
        feed.unblocked().await;
    }
}
