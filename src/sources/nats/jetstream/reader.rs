//! The shared reader of a stream: one consumer for all feeds that read it by position.
//!
//! The consumer is the server's for as long as it is read, and asks for the subjects of all feeds. It is made anew,
//! behind the reader's position, whenever feeds need other subjects, the connection was lost or a delivery is missing:
//! nothing is lost by that, and nothing comes twice. While the hub's queue is full nothing is asked for. After an
//! outage reading goes on where it was, so nothing is told of it, unless messages are gone from the stream meanwhile.

use super::{
    Inner, LOOK_INTERVAL, Retry, StreamFeed, Told,
    doubt::Doubt,
    filters::{self, Filters},
    listeners::Listeners,
    lock,
    pull::Pull,
    stream::{Fate, Look, Mark, Trouble},
};
use crate::sources::{
    Counters, Ticket,
    nats::session::{Link, Session},
};
use async_nats::jetstream::{
    Context, Message,
    consumer::{AckPolicy, Consumer, DeliverPolicy, pull},
};
use futures_util::FutureExt;
use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

/// How long the server keeps a consumer that nobody reads any more.
const ABANDONED_AFTER: Duration = Duration::from_secs(30);

/// What is asked of a reader.
pub(super) enum Ask {
    Start(Ticket, StreamFeed),
    Stop(Ticket),
}

pub(super) struct Reader {
    owner: Arc<Inner>,
    stream: Arc<str>,
    asks: mpsc::UnboundedReceiver<Ask>,
    listeners: Listeners,
    /// How far the stream was read; `None` before the first look.
    mark: Option<Mark>,
    doubt: Doubt,
    /// Whether it was said that the stream is read by acknowledging.
    is_announced: bool,
    retry: Retry,
}

/// A consumer that is being read.
struct Reading {
    name: String,
    messages: Pull,
    filters: Filters,
    /// The number of the next delivery.
    next: u64,
    /// How many messages wait at the server.
    lag: Arc<AtomicU64>,
    /// Feeds have stopped since: it may bring what nobody listens to.
    is_too_wide: bool,
}

/// Why a consumer is not read any more.
enum Ending {
    /// Nobody listens.
    Idle,
    /// Another consumer is needed: other subjects, or an earlier place.
    Changed,
    /// A delivery is missing.
    Skipped,
    /// The stream is not there.
    Missing,
    Lost(String),
}

impl From<Trouble> for Ending {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Missing => Self::Missing,
            Trouble::Refused(reason) | Trouble::Away(reason) => Self::Lost(reason),
        }
    }
}

impl Reader {
    pub(super) fn new(owner: Arc<Inner>, stream: Arc<str>, asks: mpsc::UnboundedReceiver<Ask>) -> Self {
        let listeners = Listeners::new(owner.provider.clone(), stream.clone());
        Self {
            owner,
            stream,
            asks,
            listeners,
            mark: None,
            doubt: Doubt::default(),
            is_announced: false,
            retry: Retry::default(),
        }
    }

    /// Reads for ever, and has a consumer while there are feeds. To stop it, abort it.
    pub(super) async fn run(mut self) {
        loop {
            let ending = AssertUnwindSafe(self.serve_one_connection()).catch_unwind().await;
            lock(&self.owner.lag).remove(&self.stream);
            match ending {
                Ok(Ending::Missing) => {
                    // There is nothing to read on from.
                    self.listeners.interrupt(self.listeners.routes.started()).await;
                    self.wait("there is no such stream").await;
                }
                Ok(Ending::Lost(reason)) => self.wait(&reason).await,
                Ok(_) => {}
                Err(_) => {
                    Counters::add(&self.owner.provider.counters.restarts, 1);
                    self.wait("its reader panicked").await;
                }
            }
        }
    }

    /// Whoever has not started is told to wait; the others will read on as if nothing had been.
    async fn wait(&mut self, reason: &str) {
        self.listeners.interrupt(self.listeners.routes.waiting()).await;
        if self.retry.is_first() {
            tracing::warn!(
                provider = &*self.owner.provider.id,
                stream = &*self.stream,
                reason,
                "a JetStream stream cannot be read, trying on"
            );
        }
        self.retry.wait().await;
    }

    async fn serve_one_connection(&mut self) -> Ending {
        while self.listeners.routes.is_empty() {
            match self.asks.recv().await {
                Some(ask) => self.obey(ask),
                None => std::future::pending().await,
            }
        }
        let session = self.owner.provider.session();
        let mut link = session.watch();
        if self.wait_until_up(&mut link).await.is_err() {
            return Ending::Changed;
        }
        let connects = link.borrow_and_update().connects;
        let is_lost = move |it: &Link| !it.is_up() || it.connects != connects;
        loop {
            let ending = match self.consume(&session).await {
                Ok(mut reading) => {
                    let ending = self.read(&session.jetstream, &mut reading, &mut link, is_lost).await;
                    self.give_up(&session.jetstream, reading).await;
                    ending
                }
                Err(ending) => ending,
            };
            match ending {
                Ending::Changed | Ending::Skipped => {}
                _ => return ending,
            }
        }
    }

    /// The error: there will be another session.
    async fn wait_until_up(&mut self, link: &mut watch::Receiver<Link>) -> Result<(), ()> {
        loop {
            let now = *link.borrow_and_update();
            if now.closed {
                self.retry.wait().await;
                return Err(());
            }
            if now.is_up() {
                return Ok(());
            }
            if now.failing || now.connects > 0 {
                self.listeners.interrupt(self.listeners.routes.waiting()).await;
            }
            tokio::select! {
                biased;
                changed = link.changed() => changed.map_err(|_| ())?,
                Some(ask) = self.asks.recv() => self.obey(ask),
            }
        }
    }

    fn obey(&mut self, ask: Ask) {
        match ask {
            Ask::Start(ticket, asked) => self.listeners.routes.add(ticket, asked),
            Ask::Stop(ticket) => {
                if self.listeners.routes.remove(ticket).is_none() {
                    // It may have been handed on in the meantime.
                    self.owner.stop_durable(ticket);
                }
            }
        }
    }

    fn obey_all(&mut self) {
        while let Ok(ask) = self.asks.try_recv() {
            self.obey(ask);
        }
    }

    /// Looks at the stream, starts what is new, and has the server make a consumer for all.
    async fn consume(&mut self, session: &Session) -> Result<Reading, Ending> {
        self.obey_all();
        let context = &session.jetstream;
        let look = match Look::at(context, &self.stream).await {
            Ok(look) => look,
            Err(trouble) => return Err(self.failed(trouble).await),
        };
        if look.deletes_what_is_acknowledged {
            self.hand_on();
        }
        self.listeners.fail_foreign(&look).await;
        if self.listeners.routes.is_empty() {
            return Err(Ending::Idle);
        }
        if self.listeners.routes.started().is_empty() {
            // Nobody wants what came while nobody listened.
            self.mark = None;
        }
        self.listeners.restore().await;
        self.compare(&look).await;
        let waiting = self.listeners.routes.waiting();
        let start = self.listeners.start(self.mark.as_ref(), &look);
        let filters = Filters::of(self.listeners.routes.subjects(), &look.subjects);
        let consumer = match self.create(context, &filters, start).await {
            Ok(consumer) => consumer,
            Err(trouble) => return Err(self.failed(trouble).await),
        };
        let name = consumer.cached_info().name.clone();
        let messages = match Pull::start(session, &self.stream, &name).await {
            Ok(messages) => messages,
            Err(trouble) => return Err(self.failed(trouble).await),
        };
        let mut mark = self.mark.unwrap_or_else(|| look.end());
        mark.last = start;
        self.mark = Some(mark);
        self.listeners.begin(&waiting, &look).await;
        self.retry = Retry::default();
        let lag = Arc::<AtomicU64>::default();
        lock(&self.owner.lag).insert(self.stream.clone(), lag.clone());
        Ok(Reading { name, messages, filters, next: 1, lag, is_too_wide: false })
    }

    async fn failed(&mut self, trouble: Trouble) -> Ending {
        self.listeners.fail_waiting(&trouble).await;
        trouble.into()
    }

    async fn create(
        &self,
        context: &Context,
        filters: &Filters,
        start: u64,
    ) -> Result<Consumer<pull::Config>, Trouble> {
        let mut config = pull::Config {
            description: Some("juga".to_owned()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: start + 1 },
            ack_policy: AckPolicy::None,
            inactive_threshold: ABANDONED_AFTER,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        filters::bring(&mut config, filters.to_vec());
        let created = context.create_consumer_on_stream(config, &*self.stream).await;
        created.map_err(|error| Trouble::from(&error))
    }

    /// Feeds of a stream that deletes what was acknowledged are read as such streams have to be.
    fn hand_on(&mut self) {
        if !std::mem::replace(&mut self.is_announced, true) {
            tracing::info!(
                provider = &*self.owner.provider.id,
                stream = &*self.stream,
                "the stream deletes what was acknowledged: its feeds read by durable consumers and cannot be resumed"
            );
        }
        for ticket in [self.listeners.routes.waiting(), self.listeners.routes.started()].concat() {
            if let Some(feed) = self.listeners.routes.remove(ticket) {
                let told = Told { is_live: feed.place.is_some(), is_interrupted: feed.is_interrupted };
                self.owner.start_durable(ticket, feed.asked, told);
            }
        }
    }

    /// Tells of what was lost since the stream was last read, if something was.
    async fn compare(&mut self, look: &Look) {
        let Some(mark) = &self.mark else { return };
        match look.fate_of(mark) {
            Fate::Same => return,
            Fate::Trimmed(first) => self.mark = Some(look.behind(first - 1)),
            Fate::Other => {
                self.mark = Some(look.beginning());
                self.listeners.routes.restart();
                self.doubt = Doubt::default();
            }
        }
        self.listeners.tell_gap(self.listeners.routes.started()).await;
    }

    async fn read(
        &mut self,
        context: &Context,
        reading: &mut Reading,
        link: &mut watch::Receiver<Link>,
        is_lost: impl Fn(&Link) -> bool,
    ) -> Ending {
        let mut looks = interval_at(Instant::now() + LOOK_INTERVAL, LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = link.changed() => {
                    if is_lost(&link.borrow_and_update()) {
                        return Ending::Lost("the connection was lost".to_owned());
                    }
                }
                Some(ask) = self.asks.recv() => {
                    self.obey(ask);
                    self.obey_all();
                    if let Err(ending) = self.join(context, reading).await {
                        return ending;
                    }
                }
                _ = looks.tick() => {
                    if let Err(ending) = self.look(context, reading).await {
                        return ending;
                    }
                }
                message = reading.messages.next() => match message {
                    Ok(message) => {
                        if let Err(ending) = self.receive(reading, &message).await {
                            return ending;
                        }
                    }
                    Err(reason) => return Ending::Lost(reason),
                },
            }
        }
    }

    /// Starts what is new with the consumer that there is, where that brings all of it.
    async fn join(&mut self, context: &Context, reading: &mut Reading) -> Result<(), Ending> {
        reading.is_too_wide = true;
        if self.listeners.routes.is_empty() {
            return Err(Ending::Idle);
        }
        let waiting = self.listeners.routes.waiting();
        if waiting.is_empty() {
            return Ok(());
        }
        let is_brought = |ticket: &Ticket| {
            let feed = self.listeners.routes.get(*ticket);
            feed.is_none_or(|it| {
                it.asked.from.is_none()
                    && it.asked.subjects.iter().all(|subject| reading.filters.covers(subject))
            })
        };
        if !waiting.iter().all(is_brought) {
            return Err(Ending::Changed);
        }
        let look = Look::at(context, &self.stream).await?;
        let is_same = self.mark.is_none_or(|it| look.fate_of(&it) != Fate::Other);
        if !is_same {
            return Err(Ending::Changed);
        }
        self.listeners.begin(&waiting, &look).await;
        Ok(())
    }

    async fn receive(&mut self, reading: &mut Reading, message: &Message) -> Result<(), Ending> {
        let Ok(info) = message.info() else {
            return Err(Ending::Lost("a message without a place in the stream".to_owned()));
        };
        if info.consumer_sequence != reading.next {
            return Err(Ending::Skipped);
        }
        reading.next += 1;
        reading.lag.store(info.pending, Relaxed);
        let (sequence, time) = (info.stream_sequence, info.published);
        if let Some(mark) = &self.mark {
            self.doubt.read(mark.last, sequence, info.pending);
        }
        if self.listeners.hand_over(sequence, message).await {
            self.doubt.be_late();
        }
        if let Some(mark) = &mut self.mark {
            mark.advance(sequence, time);
        }
        Ok(())
    }

    /// Looks how far reading is behind, and whether the stream is still what it was.
    async fn look(&mut self, context: &Context, reading: &mut Reading) -> Result<(), Ending> {
        if reading.messages.is_silent() {
            return Err(Ending::Lost("the server is silent".to_owned()));
        }
        let look = Look::at(context, &self.stream).await?;
        let info = context.get_consumer_from_stream::<pull::Config, _, _>(&reading.name, &*self.stream).await;
        let info = info.map_err(|error| Ending::from(Trouble::from(&error)))?;
        let info = info.cached_info();
        reading.lag.store(info.num_pending, Relaxed);
        let Some(mark) = self.mark else { return Ok(()) };
        let has_all = info.num_pending == 0 && info.delivered.consumer_sequence < reading.next;
        if look.fate_of(&mark) == Fate::Other {
            return Err(Ending::Changed);
        }
        // Nothing of what the feeds listen to is left: what lies between is not for them.
        if has_all && look.last > mark.last {
            self.mark = Some(look.end());
        }
        if self.doubt.look(look.first, has_all) {
            self.listeners.tell_gap(self.listeners.routes.started()).await;
        }
        let is_too_wide = std::mem::take(&mut reading.is_too_wide)
            && reading.filters != Filters::of(self.listeners.routes.subjects(), &look.subjects);
        if is_too_wide { Err(Ending::Changed) } else { Ok(()) }
    }

    /// The server need not keep the consumer.
    async fn give_up(&self, context: &Context, reading: Reading) {
        drop(reading.messages);
        // If it cannot be told, it finds out by itself.
        let deleting = context.delete_consumer_from_stream(&*reading.name, &*self.stream);
        let _ = timeout(LOOK_INTERVAL, deleting).await;
    }
}
