//! One connection to a NATS server: its state, what it proves about lines sent, and who watches it.
//!
//! The truth about the connection is the library's state and its count of connects; its events only say
//! when to look, because the library drops events when they come too fast.

use super::super::causes;
use super::refusals::{Line, Refusals};
use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    connection::State,
    jetstream::{self, Context},
};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{Mutex, Notify, watch};

/// The state of a connection, as feeds see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) connected: bool,
    /// How often a connection was made, this one included.
    pub(super) connects: u64,
    /// The connect up to which the server is known to have taken all subscriptions.
    pub(super) confirmed: u64,
    /// Messages that the library dropped, of whichever subscription.
    pub(super) lost: u64,
    /// An attempt to connect has failed since the connection was last there.
    pub(super) failing: bool,
    /// The client library gave up; another session takes over.
    pub(super) closed: bool,
}

impl Link {
    pub(super) fn is_up(&self) -> bool {
        self.connected && self.confirmed == self.connects && !self.closed
    }
}

/// Why the server did not confirm what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unconfirmed {
    #[error("not connected")]
    NotConnected,
    #[error("the connection was lost")]
    ConnectionLost,
    #[error("no answer in time")]
    Timeout,
    #[error("the client library stopped")]
    Closed,
}

/// What the library's callback and the session share.
#[derive(Debug, Default)]
struct Signals {
    changed: Notify,
    lost: AtomicU64,
    /// Attempts to connect that failed since the last that succeeded.
    failed_attempts: AtomicU64,
    refusals: Arc<Refusals>,
}

/// See the module's documentation.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) jetstream: Context,
    signals: Arc<Signals>,
    link: watch::Sender<Link>,
    timeout: Duration,
    /// Requests for confirmation so far.
    asked: AtomicU64,
    /// Held by whoever makes the round trip for all that wait.
    turn: Mutex<Answered>,
}

struct Answered {
    /// Requests up to this number have their answer.
    asked: u64,
    outcome: Result<(), Unconfirmed>,
}

impl Session {
    /// Connects. With `retry` it comes back at once and goes on trying for ever.
    pub(super) async fn connect(
        options: ConnectOptions,
        servers: &[ServerAddr],
        timeout: Duration,
        retry: bool,
        id: &Arc<str>,
    ) -> Result<Self, String> {
        let signals = Arc::new(Signals::default());
        let (to_signal, id) = (signals.clone(), id.clone());
        let options = options.event_callback(move |event| {
            to_signal.note(&event, &id);
            std::future::ready(())
        });
        let options = if retry { options.retry_on_initial_connect() } else { options };
        let client = options.connect(servers).await.map_err(|error| causes(&error))?;
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(timeout);
        Ok(Self {
            client,
            jetstream,
            signals,
            link: watch::Sender::default(),
            timeout,
            asked: AtomicU64::new(0),
            turn: Mutex::new(Answered { asked: 0, outcome: Ok(()) }),
        })
    }

    pub(super) fn watch(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    pub(super) fn refusals(&self) -> &Arc<Refusals> {
        &self.signals.refusals
    }

    /// Whether lines sent now go out now.
    pub(super) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected && !self.link.borrow().closed
    }

    /// How often the connection was made; a line sent before a change of it may be lost.
    pub(super) fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Relaxed)
    }

    /// As if the library had dropped a message.
    #[cfg(test)]
    pub(super) fn drop_a_message(&self, id: &str) {
        self.signals.note(&Event::SlowConsumer(1), id);
    }

    /// Something may have happened to the connection.
    pub(super) async fn changed(&self) {
        self.signals.changed.notified().await;
    }

    /// Brings the link up to date with the library and returns it.
    pub(super) fn observe(&self) -> Link {
        let now = Link {
            connected: self.client.connection_state() == State::Connected,
            connects: self.connects(),
            lost: self.signals.lost.load(Relaxed),
            failing: self.signals.failed_attempts.load(Relaxed) > 0,
            ..*self.link.borrow()
        };
        self.link.send_if_modified(|link| std::mem::replace(link, now) != now);
        now
    }

    /// Everything sent in this connect has reached the server.
    pub(super) fn confirmed(&self, connects: u64) {
        self.link.send_modify(|link| link.confirmed = connects);
    }

    /// The library's own task is gone: nothing will ever come again.
    pub(super) fn close(&self) {
        self.link.send_modify(|link| link.closed = true);
        self.signals.changed.notify_one();
    }

    /// Done when everything sent before the call has reached the server.
    ///
    /// One round trip answers everyone who asked before it began: thousands of feeds that start together
    /// share a few.
    pub(super) async fn confirm(&self) -> Result<(), Unconfirmed> {
        let mine = self.asked.fetch_add(1, Relaxed) + 1;
        let mut turn = self.turn.lock().await;
        if turn.asked >= mine {
            return turn.outcome;
        }
        let covers = self.asked.load(Relaxed);
        let outcome = self.round_trip().await;
        *turn = Answered { asked: covers, outcome };
        outcome
    }

    /// Sends a message to ourselves. The server works off a connection's lines in order, so its return
    /// proves all lines before it.
    async fn round_trip(&self) -> Result<(), Unconfirmed> {
        if !self.is_connected() {
            return Err(Unconfirmed::NotConnected);
        }
        let connects = self.connects();
        let outcome = tokio::time::timeout(self.timeout, self.echo(connects)).await;
        outcome.unwrap_or(Err(Unconfirmed::Timeout))
    }

    async fn echo(&self, connects: u64) -> Result<(), Unconfirmed> {
        let inbox: Arc<str> = self.client.new_inbox().into();
        // A user who may not use inboxes gets an error that names ours: just as good an answer. So is that there
        // are as many subscriptions as may be: ours would have been another one.
        let refusal = self.refusals().watch(vec![
            Line::Subscribe(inbox.clone()),
            Line::Publish(inbox.clone()),
            Line::Starting,
        ]);
        let mut link = self.watch();
        let mut echo = self.client.subscribe(inbox.to_string()).await.map_err(|_| Unconfirmed::Closed)?;
        self.client.publish(inbox.to_string(), Bytes::new()).await.map_err(|_| Unconfirmed::Closed)?;
        tokio::select! {
            biased;
            _ = link.wait_for(|it| it.closed || it.connects > connects || (it.connects == connects && !it.connected)) =>
                Err(Unconfirmed::ConnectionLost),
            message = echo.next() => message.map(|_| ()).ok_or(Unconfirmed::Closed),
            () = refusal.refused() => Ok(()),
        }
    }
}

impl Signals {
    fn note(&self, event: &Event, id: &str) {
        match event {
            Event::SlowConsumer(_) => {
                self.lost.fetch_add(1, Relaxed);
            }
            Event::ServerError(error) => {
                if !self.refusals.report(&error.to_string()) {
                    tracing::warn!(provider = id, %error, "the NATS server reported an error");
                }
            }
            Event::ClientError(error) => {
                // Once per outage; the next ones come every two seconds.
                if self.failed_attempts.fetch_add(1, Relaxed) == 0 {
                    tracing::warn!(provider = id, %error, "could not connect to NATS, trying on");
                }
            }
            Event::Connected => self.failed_attempts.store(0, Relaxed),
            _ => tracing::debug!(provider = id, %event, "NATS connection"),
        }
        self.changed.notify_one();
    }
}
