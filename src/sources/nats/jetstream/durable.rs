//! A feed with a durable consumer of its own: the server remembers what was read.
//!
//! That is how Cosmo reads a stream, under the same consumer's name, so whoever changes over reads on where they were. The
//! first time everything that the stream has is read. What reached a subscriber is acknowledged; what was lost on the
//! way comes again and is put back in its place ([`Hand`]). Several routers have a consumer each.

use super::{
    LOOK_INTERVAL, Retry, StreamFeed, Told, filters,
    hand::Hand,
    pull::Pull,
    sequence::Delivered,
    stream::{Fate, Look, Mark, Trouble},
};
use crate::{
    graphql,
    sources::{
        Counters, Report, Ticket, causes,
        nats::{Shared, session::Link},
        sink::{deliver, unavailable},
    },
};
use async_nats::jetstream::{
    Context, ErrorCode, Message,
    consumer::{AckPolicy, Consumer, DeliverPolicy, Info, pull},
    stream::ConsumerErrorKind,
};
use futures_util::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

/// After which time the server sends again what was not acknowledged. Also how late an event is that was on its way
/// when the connection was lost.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(5);
/// A feed asks only every so many looks: it is one of many.
const LOOKS_PER_QUESTION: u32 = 5;
/// Between two questions whether everything that was sent is here.
const SETTLE_INTERVAL: Duration = Duration::from_millis(50);
/// How long messages wait for one that is missing, which comes again several times meanwhile, unless somebody else
/// reads the same consumer and gets it.
const SETTLE_PATIENCE: Duration = Duration::from_secs(15);

pub(super) struct Durable {
    provider: Arc<Shared>,
    ticket: Ticket,
    feed: StreamFeed,
    /// The consumer's.
    name: Arc<str>,
    told: Told,
    stopped: watch::Receiver<bool>,
    retry: Retry,
    messages: Option<Pull>,
    hand: Hand,
    mark: Option<Mark>,
    /// The server knows that everything up to here was read, by whomever.
    floor: u64,
    looks: u32,
    /// Since when messages wait for one that is missing.
    unsettled: Option<Instant>,
}

/// Why reading ended.
enum Ending {
    Failed(graphql::Error),
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

impl Durable {
    pub(super) fn new(
        provider: Arc<Shared>,
        ticket: Ticket,
        feed: StreamFeed,
        told: Told,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let name = consumer_name(&feed, &provider.options.instance);
        let hand = Hand::new(provider.clone(), ticket);
        Self {
            provider,
            ticket,
            feed,
            name,
            told,
            stopped,
            retry: Retry::default(),
            messages: None,
            hand,
            mark: None,
            floor: 0,
            looks: 0,
            unsettled: None,
        }
    }

    /// The stream, the consumer's name, and after which time without readers the server deletes it.
    pub(super) fn consumer_at_the_server(&self) -> (Arc<str>, Arc<str>, Option<Duration>) {
        let threshold = self.inactive_threshold();
        (self.feed.options.stream.clone(), self.name.clone(), (!threshold.is_zero()).then_some(threshold))
    }

    /// Zero: it is never deleted.
    fn inactive_threshold(&self) -> Duration {
        Duration::from_secs(self.feed.options.consumer_inactive_threshold.try_into().unwrap_or(0))
    }

    /// Reads until it is stopped or fails.
    pub(super) async fn run(mut self) {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            biased;
            // It is stopped, or its provider is gone.
            _ = stopped.wait_for(|it| *it) => {}
            () = self.supervise() => {}
        }
        self.give_back().await;
    }

    async fn supervise(&mut self) {
        if self.feed.options.is_ordered {
            // The event graph asks for reading by position, which this stream does not allow.
            self.tell(Report::Remembered).await;
        }
        loop {
            match AssertUnwindSafe(self.read()).catch_unwind().await {
                Ok(Ending::Failed(error)) => return self.tell(Report::Failed([error].into())).await,
                Ok(Ending::Missing) => {
                    // There is nothing to read on from.
                    self.interrupt().await;
                    self.wait("there is no such stream").await;
                }
                Ok(Ending::Lost(reason)) => self.wait(&reason).await,
                Err(_) => {
                    Counters::add(&self.provider.counters.restarts, 1);
                    self.wait("its reader panicked").await;
                }
            }
        }
    }

    /// A feed that has not started is told to wait; any other will read on as if nothing had been.
    async fn wait(&mut self, reason: &str) {
        self.messages = None;
        self.hand.disturb();
        if !self.told.is_live {
            self.interrupt().await;
        }
        if self.retry.is_first() {
            let (provider, stream, consumer) = (&*self.provider.id, &*self.feed.options.stream, &*self.name);
            tracing::warn!(
                provider,
                stream,
                consumer,
                reason,
                "a JetStream consumer cannot be read, trying on"
            );
        }
        self.retry.wait().await;
    }

    async fn read(&mut self) -> Ending {
        self.hand.finish().await;
        match self.start().await {
            Ok((context, mut consumer, mut link)) => {
                self.retry = Retry::default();
                self.follow(&context, &mut consumer, &mut link).await
            }
            Err(ending) => ending,
        }
    }

    /// Waits for the connection, has the consumer made, and begins to ask for messages.
    async fn start(&mut self) -> Result<(Context, Consumer<pull::Config>, watch::Receiver<Link>), Ending> {
        let session = self.provider.session();
        let mut link = session.watch();
        if !link.borrow().is_up() && !self.told.is_live {
            self.interrupt().await;
        }
        match link.wait_for(|it| it.closed || it.is_up()).await {
            Ok(now) if !now.closed => {}
            _ => return Err(Ending::Lost("the client stopped".to_owned())),
        }
        let context = session.jetstream.clone();
        let consumer = match self.consumer(&context).await {
            Ok(consumer) => consumer,
            Err(trouble) => return Err(self.ending_of(trouble)),
        };
        self.hand.acknowledge_again(&session.client).await;
        let messages = Pull::start(&session, &self.feed.options.stream, &self.name).await;
        match messages {
            Ok(messages) => self.messages = Some(messages),
            Err(trouble) => return Err(self.ending_of(trouble)),
        }
        self.restore().await;
        Ok((context, consumer, link))
    }

    /// The consumer as it should be, in whatever state the server has it.
    async fn consumer(&mut self, context: &Context) -> Result<Consumer<pull::Config>, Trouble> {
        let stream = self.feed.options.stream.clone();
        let look = Look::at(context, &stream).await?;
        self.compare(&look).await;
        let found = context.get_consumer_from_stream::<pull::Config, _, _>(&*self.name, &*stream).await;
        let mut config = self.config();
        match found {
            // Where it began cannot be changed, and need not be.
            Ok(found) => {
                config.deliver_policy = found.cached_info().config.deliver_policy;
                self.note(found.cached_info());
            }
            Err(error) if is_missing(&error.kind()) => {
                let first = self.hand.first_open().max(self.floor + 1);
                if first > 1 && !look.deletes_what_is_acknowledged {
                    config.deliver_policy = DeliverPolicy::ByStartSequence { start_sequence: first };
                }
                // All of it comes again.
                self.hand.let_go();
            }
            Err(error) => return Err(Trouble::from(&error)),
        }
        let made = context.create_consumer_on_stream(config, &*stream).await;
        made.map_err(|error| Trouble::from(&error))
    }

    fn config(&self) -> pull::Config {
        let mut config = pull::Config {
            durable_name: Some(self.name.to_string()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACKNOWLEDGE_WITHIN,
            inactive_threshold: self.inactive_threshold(),
            ..pull::Config::default()
        };
        filters::bring(&mut config, self.feed.subjects.iter().map(|it| it.to_string()).collect());
        config
    }

    /// Tells of what was lost since the stream was last read, if something was.
    async fn compare(&mut self, look: &Look) {
        let Some(mark) = self.mark else { return };
        match look.fate_of(&mark) {
            // An acknowledging consumer remembers more than the mark does: what is not for it may have gone.
            Fate::Same | Fate::Trimmed(_) if look.deletes_what_is_acknowledged => return,
            Fate::Same => return,
            Fate::Trimmed(first) => self.mark = Some(look.behind(first - 1)),
            Fate::Other => {
                self.mark = Some(look.beginning());
                self.floor = 0;
                self.hand.restart();
            }
        }
        self.tell_gap().await;
    }

    async fn tell_gap(&self) {
        let (provider, stream) = (&*self.provider.id, &*self.feed.options.stream);
        tracing::warn!(provider, stream, "messages of a JetStream stream were gone before they were read");
        self.tell(Report::Gap).await;
    }

    /// A feed that never started does not wait for a stream that may never be.
    fn ending_of(&self, trouble: Trouble) -> Ending {
        match trouble {
            Trouble::Missing | Trouble::Refused(_) if !self.told.is_live => {
                let (provider, stream) = (&*self.provider.id, &*self.feed.options.stream);
                tracing::warn!(provider, stream, ?trouble, "a feed cannot read its JetStream stream");
                Ending::Failed(unavailable(format!(
                    "EDFS error: failed to create or update consumer for stream \"{stream}\""
                )))
            }
            trouble => trouble.into(),
        }
    }

    async fn follow(
        &mut self,
        context: &Context,
        consumer: &mut Consumer<pull::Config>,
        link: &mut watch::Receiver<Link>,
    ) -> Ending {
        let connects = link.borrow_and_update().connects;
        let (mut settling, mut looks) = (interval(SETTLE_INTERVAL), interval(LOOK_INTERVAL));
        // While the hub is full nobody looks.
        settling.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_look = Instant::now();
        self.unsettled = None;
        loop {
            let Some(messages) = &mut self.messages else { return Ending::Lost("it is not read".to_owned()) };
            let outcome = tokio::select! {
                biased;
                _ = link.changed() => {
                    let now = *link.borrow_and_update();
                    if !now.is_up() || now.connects != connects {
                        return Ending::Lost("the connection was lost".to_owned());
                    }
                    Ok(())
                }
                _ = settling.tick(), if !self.hand.is_settled() => self.settle(context, consumer).await,
                Some(word) = self.hand.next_word() => {
                    self.hand.hear(word).await;
                    Ok(())
                }
                _ = looks.tick() => {
                    let was_held_up = std::mem::replace(&mut last_look, Instant::now()).elapsed() > 2 * LOOK_INTERVAL;
                    self.look(context, consumer, was_held_up).await
                }
                message = messages.next(), if !self.hand.is_full() => match message {
                    Ok(message) => self.receive(message).await,
                    Err(reason) => Err(Ending::Lost(reason)),
                },
            };
            if let Err(ending) = outcome {
                return ending;
            }
        }
    }

    async fn receive(&mut self, message: Message) -> Result<(), Ending> {
        match self.hand.receive(message, self.read_to()).await {
            true => Ok(()),
            false => Err(Ending::Lost("a message without a place in the stream".to_owned())),
        }
    }

    /// Up to where nothing is left that the feed listens to, as far as is known.
    fn read_to(&self) -> u64 {
        self.mark.map_or(0, |it| it.last)
    }

    /// Goes on when everything that the server has sent is here.
    async fn settle(
        &mut self,
        context: &Context,
        consumer: &mut Consumer<pull::Config>,
    ) -> Result<(), Ending> {
        let info = consumer.info().await.map_err(|error| Ending::Lost(causes(&error)))?;
        self.note(info);
        let mut delivered = Delivered {
            count: info.delivered.consumer_sequence,
            sequence: info.delivered.stream_sequence,
            unacknowledged: info.num_ack_pending,
            first: 0,
        };
        if delivered.unacknowledged < self.hand.held() {
            delivered.first = Look::at(context, &self.feed.options.stream).await?.first;
        }
        let read_to = self.read_to();
        self.hand.settle(&delivered, read_to).await;
        if self.has_waited_in_vain() {
            self.hand.go_on(delivered.count);
            self.tell_gap().await;
            self.hand.settle(&delivered, read_to).await;
        }
        Ok(())
    }

    /// Whether what is missing will not come any more.
    fn has_waited_in_vain(&mut self) -> bool {
        if self.hand.is_settled() {
            self.unsettled = None;
            return false;
        }
        if self.unsettled.get_or_insert_with(Instant::now).elapsed() < SETTLE_PATIENCE {
            return false;
        }
        self.unsettled = None;
        let (stream, consumer) = (&*self.feed.options.stream, &*self.name);
        tracing::warn!(
            stream,
            consumer,
            "messages of a JetStream consumer go elsewhere: does somebody else read it?"
        );
        true
    }

    /// Notes how far the stream was read, and whether it is still the same.
    async fn look(
        &mut self,
        context: &Context,
        consumer: &mut Consumer<pull::Config>,
        was_held_up: bool,
    ) -> Result<(), Ending> {
        if self.messages.as_mut().is_some_and(Pull::is_silent) {
            return Err(Ending::Lost("the server is silent".to_owned()));
        }
        self.looks += 1;
        if self.looks % LOOKS_PER_QUESTION != 1 && !was_held_up && !self.hand.doubt.is_any() {
            return Ok(());
        }
        let look = Look::at(context, &self.feed.options.stream).await?;
        if self.mark.is_some_and(|it| look.fate_of(&it) == Fate::Other) {
            return Err(Ending::Lost("the stream began anew".to_owned()));
        }
        let info = consumer.info().await.map_err(|error| Ending::Lost(causes(&error)))?;
        self.note(info);
        // Nothing of what the feed listens to is left: what else there is need not be there when it is looked for again.
        let has_all = self.hand.is_settled() && info.num_pending == 0 && info.num_ack_pending == 0;
        self.mark = Some(if has_all { look.end() } else { look.behind(self.hand.last()) });
        let is_trimmed = self.hand.doubt.look(look.first, has_all);
        if is_trimmed {
            self.tell_gap().await;
        }
        Ok(())
    }

    fn note(&mut self, info: &Info) {
        self.floor = self.floor.max(info.ack_floor.stream_sequence);
    }

    async fn interrupt(&mut self) {
        if !std::mem::replace(&mut self.told.is_interrupted, true) {
            self.tell(Report::Interrupted).await;
        }
    }

    async fn restore(&mut self) {
        if !std::mem::replace(&mut self.told.is_live, true) {
            self.tell(Report::Live).await;
        }
        if std::mem::take(&mut self.told.is_interrupted) {
            self.tell(Report::Restored).await;
        }
    }

    async fn give_back(mut self) {
        // Before anything is given back: it would be sent here again.
        let under_way = match self.messages.take() {
            Some(messages) => messages.drain().await,
            None => Vec::new(),
        };
        self.hand.give_back(under_way).await;
    }

    async fn tell(&self, report: Report) {
        deliver(&self.provider.sink, self.ticket, report).await;
    }
}

/// `<consumerName>-<XXH64 of the instance and the subjects>`, as Cosmo has it: another router, another consumer.
fn consumer_name(feed: &StreamFeed, instance: &str) -> Arc<str> {
    let mut hash = xxhash_rust::xxh64::Xxh64::new(0);
    hash.update(instance.as_bytes());
    feed.subjects.iter().for_each(|it| hash.update(it.as_bytes()));
    format!("{}-{:x}", feed.options.consumer, hash.digest()).into()
}

fn is_missing(kind: &ConsumerErrorKind) -> bool {
    matches!(kind, ConsumerErrorKind::JetStream(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND)
}
