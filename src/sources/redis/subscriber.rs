//! Pub/sub: all feeds of a provider on one connection.
//!
//! One task sorts the messages and never waits for the hub: what the hub does not take waits in the outbox of
//! its feed, which counts what it drops. It survives lost connections and its own panics.

use super::{
    Line, Shared,
    channel::{Name, NameSet},
    connect::Connection,
    intake::{Intake, Message, Waiting},
    routes::{Routes, Step, Stepped},
};
use crate::{
    plan::Position,
    sources::{
        Counters, Report, Ticket, causes,
        outbox::{Outbox, Pushed},
        sink::unavailable,
    },
};
use futures_util::FutureExt;
use redis::{AsyncConnectionConfig, PushInfo, RedisError};
use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
};
use tokio::sync::mpsc;

/// What the provider asks of its subscriber.
pub(super) enum Ask {
    Start(Ticket, NameSet),
    Stop(Ticket),
}

pub(super) struct Subscriber {
    shared: Arc<Shared>,
    asks: mpsc::UnboundedReceiver<Ask>,
    desk: Desk,
}

/// The feeds, and what is on its way to the hub.
struct Desk {
    shared: Arc<Shared>,
    feeds: HashMap<Ticket, Feed>,
    routes: Routes,
    /// Feeds whose outbox waits for room, each once.
    blocked: VecDeque<Ticket>,
    is_connected: bool,
}

struct Feed {
    names: NameSet,
    outbox: Outbox,
    /// Names that the server has not confirmed.
    missing: usize,
    is_live: bool,
    is_interrupted: bool,
    /// It failed; it is here until the hub has been told.
    is_over: bool,
    /// Events so far: the position of the last one.
    position: u64,
}

/// A step under way.
type Stepping = Pin<Box<dyn Future<Output = Result<Stepped, RedisError>> + Send>>;

impl Subscriber {
    pub(super) fn new(shared: Arc<Shared>, asks: mpsc::UnboundedReceiver<Ask>) -> Self {
        let desk = Desk {
            shared: shared.clone(),
            feeds: HashMap::new(),
            routes: Routes::default(),
            blocked: VecDeque::new(),
            is_connected: false,
        };
        Self { shared, asks, desk }
    }

    /// Listens for ever. To stop it, abort it.
    pub(super) async fn run(mut self) {
        loop {
            let served = AssertUnwindSafe(self.serve_one_connection()).catch_unwind().await;
            let reason = served.unwrap_or_else(|_| {
                Counters::add(&self.shared.counters.restarts, 1);
                "the subscriber's task panicked".to_owned()
            });
            self.desk.disconnected();
            self.shared.lost(Line::Subscriber, &reason).await;
        }
    }

    /// Connects, however long it takes, and serves the feeds until the connection is lost: for which reason.
    async fn serve_one_connection(&mut self) -> String {
        let intake = Arc::new(Intake::default());
        let connection = self.connect(&intake).await;
        self.serve(connection, &intake).await
    }

    async fn connect(&mut self, intake: &Arc<Intake>) -> Connection {
        let to_intake = intake.clone();
        let push = move |info: PushInfo| {
            to_intake.take_in(info);
            Ok::<(), std::convert::Infallible>(())
        };
        // Who listens for the connection's end also notices that an answer does not come.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_push_sender(push);
        let shared = self.shared.clone();
        let connecting = shared.connect(Line::Subscriber, &config);
        tokio::pin!(connecting);
        loop {
            tokio::select! {
                connection = &mut connecting => return connection,
                Some(ask) = self.asks.recv() => self.desk.obey(ask),
                () = self.desk.unblocked() => self.desk.flush_next(),
            }
        }
    }

    async fn serve(&mut self, connection: Connection, intake: &Intake) -> String {
        let (commands, mut watch) = connection.split();
        let shared = self.shared.clone();
        let lost = watch.lost(&shared.connector);
        tokio::pin!(lost);
        let mut stepping: Option<Stepping> = None;
        self.desk.is_connected = true;
        loop {
            if stepping.is_none() {
                stepping = self.desk.routes.next_step().map(|it| begin(it, commands.clone()));
                if stepping.is_none() {
                    self.shared.up(Line::Subscriber);
                }
            }
            tokio::select! {
                biased;
                // Confirmations before messages: a feed is live before its first event.
                stepped = pending_or(&mut stepping) => {
                    stepping = None;
                    match stepped {
                        Ok(stepped) => self.desk.stepped(stepped),
                        Err(error) => return causes(&error),
                    }
                }
                Some(ask) = self.asks.recv() => self.desk.obey(ask),
                reason = &mut lost => return reason,
                () = self.desk.unblocked() => self.desk.flush_next(),
                waiting = intake.next() => self.desk.sort(waiting),
            }
        }
    }
}

fn begin(step: Step, commands: redis::aio::MultiplexedConnection) -> Stepping {
    Box::pin(step.carry_out(commands))
}

/// Never done while there is nothing under way.
async fn pending_or<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

impl Desk {
    fn obey(&mut self, ask: Ask) {
        match ask {
            Ask::Start(ticket, names) => self.start(ticket, names),
            Ask::Stop(ticket) => self.stop(ticket),
        }
    }

    fn start(&mut self, ticket: Ticket, names: NameSet) {
        let confirmed = names.iter().filter(|it| self.routes.add(it, ticket)).count();
        let feed = Feed {
            missing: names.len() - confirmed,
            names,
            outbox: Outbox::new(self.shared.feed_backlog),
            is_live: false,
            is_interrupted: false,
            is_over: false,
            position: 0,
        };
        self.feeds.insert(ticket, feed);
        match self.is_connected {
            true => self.restore_if_complete(ticket),
            false => self.interrupt(ticket),
        }
    }

    fn stop(&mut self, ticket: Ticket) {
        let Some(feed) = self.feeds.remove(&ticket) else { return };
        feed.names.iter().for_each(|it| self.routes.remove(it, ticket));
        if feed.outbox.is_blocked() {
            self.blocked.retain(|it| *it != ticket);
        }
    }

    fn stepped(&mut self, stepped: Stepped) {
        for name in stepped.confirmed {
            for ticket in self.routes.confirm(&name) {
                let Some(feed) = self.feeds.get_mut(&ticket) else { continue };
                feed.missing = feed.missing.saturating_sub(1);
                self.restore_if_complete(ticket);
            }
        }
        for (name, reason) in stepped.refused {
            let (provider, text) = (&*self.shared.id, &*name.text);
            tracing::warn!(provider, channel = text, reason, "the Redis server refused a subscription");
            for ticket in self.routes.refuse(&name) {
                self.fail(ticket, &name);
            }
        }
    }

    fn fail(&mut self, ticket: Ticket, refused: &Name) {
        let Some(feed) = self.feeds.get_mut(&ticket) else { return };
        let others = feed.names.iter().filter(|it| *it != refused);
        others.for_each(|it| self.routes.remove(it, ticket));
        feed.is_over = true;
        let error = unavailable("The broker refused the subscription.");
        self.tell(ticket, Report::Failed([error].into()));
    }

    /// The connection is gone: so are all subscriptions.
    fn disconnected(&mut self) {
        self.is_connected = false;
        self.routes.forget_server();
        let tickets: Vec<Ticket> = self.feeds.keys().copied().collect();
        for ticket in tickets {
            if let Some(feed) = self.feeds.get_mut(&ticket) {
                feed.missing = feed.names.len();
            }
            self.interrupt(ticket);
        }
    }

    fn sort(&mut self, waiting: Waiting) {
        for message in waiting.messages {
            self.route(&message);
        }
        for ((kind, name), events) in waiting.lost {
            for ticket in self.routes.listeners(kind, &name).to_vec() {
                self.shared.received(events);
                self.lose(ticket, events);
            }
        }
    }

    /// Gives a message to everyone who listens to the name it came by.
    fn route(&mut self, message: &Message) {
        let count = self.routes.listeners(message.kind, &message.name).len();
        // By index: giving it to one may change nothing in the routes, but needs all of the desk.
        for index in 0..count {
            let Some(ticket) = self.routes.listeners(message.kind, &message.name).get(index).copied() else {
                return;
            };
            self.receive(ticket, message);
        }
    }

    fn receive(&mut self, ticket: Ticket, message: &Message) {
        let Some(feed) = self.feeds.get_mut(&ticket) else { return };
        let is_copy = !feed.names.is_first(message.kind, &message.name, &message.channel);
        if is_copy || feed.missing > 0 || feed.is_over {
            return;
        }
        self.shared.received(1);
        feed.position += 1;
        let pushed = feed.outbox.push_event(Position::single(feed.position), message.payload.clone());
        if let Pushed::Dropped { is_first } = pushed {
            Counters::add(&self.shared.counters.dropped, 1);
            if is_first {
                let (provider, names) = (&*self.shared.id, &feed.names);
                tracing::warn!(provider, ?names, "events are dropped: as many wait as may");
            }
        }
        self.flush(ticket);
    }

    fn lose(&mut self, ticket: Ticket, events: u64) {
        let Some(feed) = self.feeds.get_mut(&ticket) else { return };
        Counters::add(&self.shared.counters.dropped, events);
        feed.outbox.push_lost(events);
        self.flush(ticket);
    }

    fn interrupt(&mut self, ticket: Ticket) {
        let Some(feed) = self.feeds.get_mut(&ticket).filter(|it| !it.is_over) else { return };
        if !std::mem::replace(&mut feed.is_interrupted, true) {
            self.tell(ticket, Report::Interrupted);
        }
    }

    /// Tells that a feed runs, once the server has all of its names.
    fn restore_if_complete(&mut self, ticket: Ticket) {
        let Some(feed) = self.feeds.get_mut(&ticket).filter(|it| it.missing == 0 && !it.is_over) else {
            return;
        };
        let is_new = !std::mem::replace(&mut feed.is_live, true);
        let was_interrupted = std::mem::replace(&mut feed.is_interrupted, false);
        if is_new {
            self.tell(ticket, Report::Live);
        }
        if was_interrupted {
            self.tell(ticket, Report::Restored);
        }
    }

    fn tell(&mut self, ticket: Ticket, report: Report) {
        if let Some(feed) = self.feeds.get_mut(&ticket) {
            feed.outbox.push(report);
            self.flush(ticket);
        }
    }

    /// Hands over what a feed has, unless it waits for room already.
    fn flush(&mut self, ticket: Ticket) {
        let Some(feed) = self.feeds.get_mut(&ticket).filter(|it| !it.outbox.is_blocked()) else { return };
        feed.outbox.flush(&*self.shared.sink, ticket);
        if feed.outbox.is_blocked() {
            self.blocked.push_back(ticket);
        } else if feed.is_over {
            self.feeds.remove(&ticket);
        }
    }

    /// Done when there may be room for the feed that has waited longest.
    async fn unblocked(&mut self) {
        match self.blocked.front().and_then(|it| self.feeds.get_mut(it)) {
            Some(feed) => feed.outbox.unblocked().await,
            None => std::future::pending().await,
        }
    }

    fn flush_next(&mut self) {
        if let Some(ticket) = self.blocked.pop_front() {
            self.flush(ticket);
        }
    }
}
