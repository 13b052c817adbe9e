//! One running feed: its subscriptions, and a task that moves events on as fast as they come.
//!
//! The task never waits for the hub: it drains the library's channels, which drop without counting, into
//! an [`Outbox`], which counts. It survives lost connections and its own panics.

use super::{
    Shared,
    refusals::{Line, RefusalWatch},
    session::{Link, Session, Unconfirmed},
};
use crate::{
    graphql,
    plan::Position,
    sources::{Counters, Report, Ticket, outbox::Outbox, sink::unavailable, subject::SubjectSet},
};
use async_nats::{Message, SubscribeErrorKind};
use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{self, SelectAll},
};
use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Before a broken feed subscribes again.
const RESTART_DELAY: Duration = Duration::from_millis(50);

pub(super) struct Feed {
    provider: Arc<Shared>,
    ticket: Ticket,
    subjects: SubjectSet,
    outbox: Outbox,
    is_live: bool,
    is_interrupted: bool,
    /// Events so far: the position of the last one.
    position: u64,
    /// Of the link's losses, those told already.
    lost: u64,
}

/// Why listening ended.
enum Ending {
    /// For good.
    Failed(graphql::Error),
    /// The client library's connection is gone; another one will be made.
    Closed,
}

/// Messages of all subjects, each with its subject's index; `None` when one will bring no more.
type Messages = SelectAll<Pin<Box<dyn Stream<Item = (usize, Option<Message>)> + Send>>>;

impl Feed {
    pub(super) fn new(provider: Arc<Shared>, ticket: Ticket, subjects: SubjectSet) -> Self {
        Self {
            provider,
            ticket,
            subjects,
            outbox: Outbox::new(),
            is_live: false,
            is_interrupted: false,
            position: 0,
            lost: 0,
        }
    }

    /// Listens until the feed fails for good. To stop it, drop it.
    pub(super) async fn run(mut self) {
        loop {
            match AssertUnwindSafe(self.listen()).catch_unwind().await {
                Ok(Ending::Failed(error)) => {
                    self.outbox.push(Report::Failed([error].into()));
                    return self.drain().await;
                }
                Ok(Ending::Closed) => {}
                Err(_) => tracing::error!(provider = &*self.provider.id, "a feed's task panicked"),
            }
            Counters::add(&self.provider.counters.restarts, 1);
            self.interrupt();
            self.drain().await;
            tokio::time::sleep(RESTART_DELAY).await;
        }
    }

    async fn listen(&mut self) -> Ending {
        let session = self.provider.session();
        let mut link = session.watch();
        let started = self.start(&session, &mut link).await;
        let (mut messages, refusal) = match started {
            Ok(it) => it,
            Err(ending) => return ending,
        };
        loop {
            self.outbox.flush(&*self.provider.sink, self.ticket);
            tokio::select! {
                biased;
                () = refusal.refused() => return Ending::Failed(self.refused()),
                _ = link.changed() => {
                    let now = *link.borrow_and_update();
                    if now.closed {
                        return Ending::Closed;
                    }
                    self.follow(now);
                }
                () = self.outbox.unblocked(), if self.outbox.is_blocked() => {}
                // A feed without subjects (an empty list as argument) listens to nothing.
                message = messages.next(), if !messages.is_empty() => match message {
                    Some((index, Some(message))) => self.receive(index, message),
                    Some((_, None)) | None => {
                        session.close();
                        return Ending::Closed;
                    }
                },
            }
        }
    }

    /// Subscribes, and waits for the server to confirm it; as long as it takes.
    async fn start(
        &mut self,
        session: &Session,
        link: &mut watch::Receiver<Link>,
    ) -> Result<(Messages, RefusalWatch), Ending> {
        self.wait_until_up(link).await?;
        let mut lines: Vec<Line> = self.subjects.iter().cloned().map(Line::Subscribe).collect();
        lines.push(Line::Starting);
        let starting = session.refusals().watch(lines);
        let subjects = self.subjects.clone();
        let messages = subscribe(&subjects, session).await?;
        loop {
            let outcome = tokio::select! {
                biased;
                () = starting.refused() => return Err(Ending::Failed(self.refused())),
                outcome = session.confirm() => outcome,
            };
            match outcome {
                Ok(()) => break,
                Err(Unconfirmed::Closed) => {
                    session.close();
                    return Err(Ending::Closed);
                }
                // The library subscribes again when it is connected again.
                Err(_) => {
                    self.interrupt();
                    self.drain().await;
                    tokio::time::sleep(RESTART_DELAY).await;
                    self.wait_until_up(link).await?;
                }
            }
        }
        self.lost = link.borrow_and_update().lost;
        self.restore();
        let refusal = session.refusals().watch(self.subjects.iter().cloned().map(Line::Subscribe).collect());
        Ok((messages, refusal))
    }

    async fn wait_until_up(&mut self, link: &mut watch::Receiver<Link>) -> Result<(), Ending> {
        if !link.borrow().is_up() {
            self.interrupt();
            self.drain().await;
        }
        match link.wait_for(|it| it.closed || it.is_up()).await {
            Ok(now) if !now.closed => Ok(()),
            _ => Err(Ending::Closed),
        }
    }

    fn receive(&mut self, index: usize, message: Message) {
        if !self.subjects.is_first(index, &message.subject) {
            return;
        }
        Counters::add(&self.provider.counters.received, 1);
        self.position += 1;
        if !self.outbox.push_event(Position::single(self.position), message.payload) {
            Counters::add(&self.provider.counters.dropped, 1);
        }
    }

    /// Tells what happened to the connection.
    fn follow(&mut self, now: Link) {
        if now.lost > self.lost {
            // The library does not say whose: a false alarm is better than silence.
            self.outbox.push_lost(now.lost - self.lost);
            self.lost = now.lost;
        }
        if now.is_up() {
            self.restore();
        } else {
            self.interrupt();
        }
    }

    fn interrupt(&mut self) {
        if !std::mem::replace(&mut self.is_interrupted, true) {
            self.outbox.push(Report::Interrupted);
        }
    }

    fn restore(&mut self) {
        if !std::mem::replace(&mut self.is_live, true) {
            self.outbox.push(Report::Live);
        }
        if std::mem::replace(&mut self.is_interrupted, false) {
            self.outbox.push(Report::Restored);
        }
    }

    async fn drain(&mut self) {
        self.outbox.drain(&*self.provider.sink, self.ticket).await;
    }

    fn refused(&self) -> graphql::Error {
        tracing::warn!(provider = &*self.provider.id, subjects = ?self.subjects, "the NATS server refused a subscription");
        unavailable("The broker refused the subscription.")
    }
}

async fn subscribe(subjects: &SubjectSet, session: &Session) -> Result<Messages, Ending> {
    let mut messages = SelectAll::new();
    for (index, subject) in subjects.iter().enumerate() {
        let subscriber = match session.client.subscribe(subject.to_string()).await {
            Ok(subscriber) => subscriber,
            Err(error) if error.kind() == SubscribeErrorKind::Other => {
                session.close();
                return Err(Ending::Closed);
            }
            Err(_) => {
                return Err(Ending::Failed(unavailable(format!("'{subject}' is not a valid subject."))));
            }
        };
        let ending = stream::once(std::future::ready((index, None)));
        let events = subscriber.map(move |message| (index, Some(message)));
        messages.push(events.chain(ending).boxed());
    }
    Ok(messages)
}
