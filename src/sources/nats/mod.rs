//! NATS: one connection per provider. A subscription per subject of a trigger, publish and request here;
//! streams in [`jetstream`].
//!
//! What the client library (`async-nats`) promises is taken with care: it buffers while it is away, its
//! flush only writes to the socket, it drops messages of slow readers without a count. So the router
//! publishes only while connected, proves each line by a round trip, and keeps its own queues.

mod connect;
mod credentials;
mod desk;
mod feed;
mod jetstream;
mod marks;
mod ready;
mod refusals;
mod reply;
mod session;
mod starting;

use super::{
    Counters, FeedSink, ProviderStatus, Source, Ticket, causes,
    options::{NatsOptions, StartError},
    subject::{self, SubjectSet},
};
use crate::{
    graphql,
    plan::{EventFeed, Position, ProviderId, StreamOptions},
    resolve::{BoxFuture, BrokerError},
};
use async_nats::{Message, RequestErrorKind, ServerAddr};
use bytes::Bytes;
use desk::{Ask, Desk};
use jetstream::{Catchers, JetStream};
use refusals::Line;
use session::Session;
use std::{
    future::Future,
    sync::{Arc, PoisonError, RwLock, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle, time::timeout};

/// How long a start waits for a server that neither answers nor refuses.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// The same where the router starts without it anyway.
const LENIENT_START_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two looks at a connection that reports nothing.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A NATS provider, its supervisor and its feeds; gone when dropped.
pub(super) struct NatsProvider {
    shared: Arc<Shared>,
    supervisor: JoinHandle<()>,
    /// The feeds that hear what passes by.
    desk: JoinHandle<()>,
    /// To the desk. Unbounded, because whoever starts feeds may not wait: there are as many of them as the hub
    /// has triggers.
    asks: mpsc::UnboundedSender<Ask>,
    /// Those that read streams.
    jetstream: JetStream,
}

/// What the provider's tasks share.
struct Shared {
    id: ProviderId,
    options: NatsOptions,
    servers: Vec<ServerAddr>,
    session: RwLock<Arc<Session>>,
    counters: Counters,
    sink: Arc<dyn FeedSink>,
    catchers: Catchers,
}

/// What is wrong with a provider's options, whether or not a server is there.
pub(super) fn check(options: &NatsOptions) -> Result<(), String> {
    connect::servers(&options.url)?;
    connect::connect_options(options).map(drop)
}

impl NatsProvider {
    /// Connects. Strict: fails in bounded time when the server is away. Lenient: goes on trying.
    pub(super) async fn connect(
        handle: Handle,
        options: NatsOptions,
        lenient: bool,
        sink: Arc<dyn FeedSink>,
    ) -> Result<Self, StartError> {
        let id = options.id.clone();
        let invalid = |reason| StartError::Invalid { kind: "nats", id: id.clone(), reason };
        let unreachable = |cause| StartError::Unreachable { kind: "nats", id: id.clone(), cause };
        let servers = connect::servers(&options.url).map_err(invalid)?;
        let connecting = Session::connect(
            connect::connect_options(&options).map_err(invalid)?,
            &servers,
            options.request_timeout,
            lenient,
            &options.id,
        );
        let session = timeout(START_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {START_TIMEOUT:?}")))
            .map_err(unreachable)?;
        let session = RwLock::new(Arc::new(session));
        let counters = Counters::default();
        let catchers = Catchers::default();
        let shared = Arc::new(Shared { id: id.clone(), options, servers, session, counters, sink, catchers });
        let supervisor = tokio::spawn(shared.clone().supervise());
        let (asks, asked) = mpsc::unbounded_channel();
        let desk = handle.spawn(Desk::new(shared.clone(), asked).run());
        let jetstream = JetStream::new(handle, shared.clone());
        let provider = Self { shared, supervisor, desk, asks, jetstream };
        let patience = if lenient { LENIENT_START_TIMEOUT } else { START_TIMEOUT };
        match provider.wait_until_up(patience).await {
            true => Ok(provider),
            // What is wrong is in the log already.
            false if lenient => Ok(provider),
            false => Err(unreachable("it does not answer".to_owned())),
        }
    }

    /// Done when the connection is up, or an attempt failed, or patience ran out.
    async fn wait_until_up(&self, patience: Duration) -> bool {
        let session = self.shared.session();
        let mut link = session.watch();
        let settled = link.wait_for(|it| it.is_up() || it.failing);
        let _ = timeout(patience, settled).await;
        session.watch().borrow().is_up()
    }
}

impl Source for NatsProvider {
    fn start(&self, ticket: Ticket, feed: &EventFeed, from: Option<&Position>) -> Result<(), graphql::Error> {
        let subjects = SubjectSet::of(feed)?;
        if let Some(StreamOptions::JetStream(options)) = &feed.stream {
            self.jetstream.start(ticket, subjects, options, from);
        } else {
            // The desk is there as long as the provider is.
            let _ = self.asks.send(Ask::Start(ticket, subjects));
        }
        Ok(())
    }

    fn stop(&self, ticket: Ticket) {
        // Whoever does not know it has nothing to do.
        let _ = self.asks.send(Ask::Stop(ticket));
        self.jetstream.stop(ticket);
    }

    fn publish(&self, to: Arc<str>, payload: Bytes) -> BoxFuture<Result<(), String>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let outcome = shared.bounded(shared.publish(to, payload)).await;
            if outcome.is_ok() {
                Counters::add(&shared.counters.published, 1);
            }
            outcome
        })
    }

    fn request(&self, to: Arc<str>, payload: Bytes) -> BoxFuture<Result<Bytes, BrokerError>> {
        let shared = self.shared.clone();
        Box::pin(async move { shared.bounded(shared.request(to, payload)).await })
    }

    fn shutdown(&self) -> BoxFuture<()> {
        self.jetstream.shutdown()
    }

    fn is_up(&self) -> bool {
        self.shared.counters.is_up()
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus { lag: self.jetstream.lag(), ..self.shared.counters.status("nats", &self.shared.id) }
    }
}

impl Drop for NatsProvider {
    fn drop(&mut self) {
        self.supervisor.abort();
        self.desk.abort();
    }
}

impl Shared {
    fn session(&self) -> Arc<Session> {
        self.session.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the link of the current session true, and makes a new session when the library gave up.
    async fn supervise(self: Arc<Self>) {
        loop {
            self.look_after(&self.session()).await;
            self.counters.up.store(false, Relaxed);
            tracing::error!(provider = &*self.id, "the NATS client stopped, starting another");
            Counters::add(&self.counters.restarts, 1);
            let session = self.new_session().await;
            *self.session.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(session);
        }
    }

    /// Ends when the session is closed.
    async fn look_after(&self, session: &Session) {
        let (mut connects, mut lost, mut was_connected) = (0, 0, false);
        loop {
            let link = session.observe();
            self.counters.up.store(link.is_up(), Relaxed);
            if link.closed {
                return;
            }
            if was_connected && (!link.connected || link.connects > connects) {
                tracing::warn!(provider = &*self.id, "the connection to NATS was lost");
            }
            Counters::add(&self.counters.dropped, link.lost - lost);
            if connects > 0 {
                Counters::add(&self.counters.reconnects, link.connects - connects);
            }
            (connects, lost, was_connected) = (link.connects, link.lost, link.connected);
            if link.connected && link.confirmed != link.connects && self.confirm(session).await {
                continue;
            }
            let _ = timeout(LOOK_INTERVAL, session.changed()).await;
        }
    }

    /// Proves that the server took the subscriptions of this connect. Whether the link changed by it.
    async fn confirm(&self, session: &Session) -> bool {
        let connects = session.connects();
        let confirming = session.confirm();
        tokio::pin!(confirming);
        let outcome = loop {
            tokio::select! {
                outcome = &mut confirming => break outcome,
                () = session.changed() => {
                    session.observe();
                }
            }
        };
        match outcome {
            Ok(()) if session.connects() == connects => {
                session.confirmed(connects);
                tracing::info!(provider = &*self.id, connects, "connected to NATS");
                true
            }
            Err(session::Unconfirmed::Closed) => {
                session.close();
                true
            }
            _ => false,
        }
    }

    async fn new_session(&self) -> Session {
        loop {
            let options = connect::connect_options(&self.options);
            let connected = match options {
                Ok(options) => {
                    let timeout = self.options.request_timeout;
                    Session::connect(options, &self.servers, timeout, true, &self.id).await
                }
                Err(error) => Err(error),
            };
            match connected {
                Ok(session) => return session,
                Err(error) => tracing::error!(provider = &*self.id, error, "no new NATS client"),
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Counts failures and bounds the time.
    async fn bounded<T, E: From<String>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let limit = self.options.request_timeout;
        let outcome = match timeout(limit, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no answer within {limit:?}").into()),
        };
        if outcome.is_err() {
            Counters::add(&self.counters.failed, 1);
        }
        outcome
    }

    async fn publish(&self, to: Arc<str>, payload: Bytes) -> Result<(), String> {
        let session = self.ready(&to)?;
        let refusal = session.refusals().watch(vec![Line::Publish(to.clone())]);
        tokio::select! {
            biased;
            () = refusal.refused() => Err("the server does not permit it".to_owned()),
            outcome = self.catchers.publish(&session, &to, payload, &self.id) => outcome,
        }
    }

    async fn request(&self, to: Arc<str>, payload: Bytes) -> Result<Bytes, BrokerError> {
        let reply = self.reply(to, payload).await?;
        match reply::service_error(&reply) {
            Some(error) => Err(error),
            None => Ok(reply.payload),
        }
    }

    async fn reply(&self, to: Arc<str>, payload: Bytes) -> Result<Message, String> {
        let session = self.ready(&to)?;
        let refusal = session.refusals().watch(vec![Line::Publish(to.clone())]);
        let connects = session.connects();
        let mut link = session.watch();
        // An inbox of its own: the library's shared one remembers requests that were never answered.
        let request = async_nats::Request::new().payload(payload).inbox(session.client.new_inbox());
        tokio::select! {
            biased;
            () = refusal.refused() => Err("the server does not permit it".to_owned()),
            _ = link.wait_for(|it| it.closed || it.connects > connects || (it.connects == connects && !it.connected)) =>
                Err("the connection was lost".to_owned()),
            reply = session.client.send_request(to.to_string(), request) => match reply {
                Ok(message) => Ok(message),
                Err(error) => Err(match error.kind() {
                    RequestErrorKind::NoResponders => format!("nobody answers requests to '{to}'"),
                    RequestErrorKind::TimedOut => format!("no answer within {:?}", self.options.request_timeout),
                    _ => causes(&error),
                }),
            },
        }
    }

    /// The session, if a message to this subject may be sent now.
    fn ready(&self, to: &str) -> Result<Arc<Session>, String> {
        subject::check_literal(to).map_err(|error| format!("'{to}' is not a subject: {error}"))?;
        let session = self.session();
        if session.is_connected() { Ok(session) } else { Err("not connected".to_owned()) }
    }
}

#[cfg(test)]
mod tests;
