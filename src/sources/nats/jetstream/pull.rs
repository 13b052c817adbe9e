//! Asking a consumer for messages, and knowing what is on its way.
//!
//! The client library's own stream of messages cannot be told to stop asking, so whoever stops would lose what is under
//! way, until the server sends it again. This one can: [`Pull::drain`].

use super::{
    super::{
        causes,
        refusals::{Line, RefusalWatch},
        session::Session,
    },
    BATCH,
    stream::Trouble,
};
use async_nats::{
    Client, StatusCode, Subscriber,
    jetstream::{Context, Message},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long a request for messages waits at the server, and how often the server says that it does.
const EXPIRY: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How many beats may be missing. The beats are counted in looks, see [`Pull::is_silent`].
const SILENT_LOOKS_MAX: u32 = 7;
/// How long a connection that is to be drained may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);
const NOT_PERMITTED: &str = "the server does not permit it to be read";

/// A consumer that is asked for messages as they are taken.
pub(super) struct Pull {
    client: Client,
    context: Context,
    subscriber: Subscriber,
    /// Whether the server has refused to be asked, or to answer there.
    refusal: RefusalWatch,
    ask_at: Arc<str>,
    inbox: Arc<str>,
    question: Bytes,
    /// Messages that were asked for and have not come.
    due: usize,
    /// Looks since something came.
    silent: u32,
}

impl Pull {
    /// Asks, and makes sure that the server lets us.
    pub(super) async fn start(session: &Session, stream: &str, consumer: &str) -> Result<Self, Trouble> {
        let client = session.client.clone();
        let inbox: Arc<str> = client.new_inbox().into();
        let ask_at: Arc<str> = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}").into();
        let lines = vec![Line::Publish(ask_at.clone()), Line::Subscribe(inbox.clone())];
        let refusal = session.refusals().watch(lines);
        let subscribing = client.subscribe(inbox.to_string());
        let subscriber = subscribing.await.map_err(|error| Trouble::Away(causes(&error)))?;
        let question = serde_json::json!({
            "batch": BATCH / 2,
            "expires": EXPIRY.as_nanos() as u64,
            "idle_heartbeat": HEARTBEAT.as_nanos() as u64,
        });
        let context = session.jetstream.clone();
        let question = question.to_string().into();
        let mut pull =
            Self { client, context, subscriber, refusal, ask_at, inbox, question, due: 0, silent: 0 };
        pull.ask().await.map_err(Trouble::Away)?;
        session.confirm().await.map_err(|error| Trouble::Away(error.to_string()))?;
        match pull.refusal.refused().now_or_never() {
            Some(()) => Err(Trouble::Refused(NOT_PERMITTED.to_owned())),
            None => Ok(pull),
        }
    }

    async fn ask(&mut self) -> Result<(), String> {
        while self.due <= BATCH / 2 {
            let asking = self.client.publish_with_reply(
                self.ask_at.to_string(),
                self.inbox.to_string(),
                self.question.clone(),
            );
            asking.await.map_err(|error| causes(&error))?;
            self.due += BATCH / 2;
        }
        Ok(())
    }

    /// The next message. May be dropped at any time: nothing is lost by that.
    ///
    /// # Errors
    /// The consumer cannot be read any more.
    pub(super) async fn next(&mut self) -> Result<Message, String> {
        loop {
            self.ask().await?;
            let message = tokio::select! {
                biased;
                message = self.subscriber.next() => message.ok_or("the client library stopped reading")?,
                () = self.refusal.refused() => return Err(NOT_PERMITTED.to_owned()),
            };
            self.silent = 0;
            match message.status {
                None | Some(StatusCode::OK) => {
                    self.due = self.due.saturating_sub(1);
                    return Ok(Message { message, context: self.context.clone() });
                }
                Some(StatusCode::IDLE_HEARTBEAT) => {}
                Some(status) => self.due = self.due.saturating_sub(unserved(status, &message)?),
            }
        }
    }

    /// Asked once a look: whether nothing has come for so long that nothing will.
    pub(super) fn is_silent(&mut self) -> bool {
        self.silent += 1;
        self.silent > SILENT_LOOKS_MAX
    }

    /// Asks for no more, and returns everything that was under way.
    pub(super) async fn drain(mut self) -> Vec<Message> {
        let mut left = Vec::new();
        let draining = async {
            if self.subscriber.drain().await.is_err() {
                return;
            }
            while let Some(message) = self.subscriber.next().await {
                if message.status.is_none_or(|it| it == StatusCode::OK) {
                    left.push(Message { message, context: self.context.clone() });
                }
            }
        };
        // Where the server is away there is nothing under way.
        let _ = timeout(DRAIN_PATIENCE, draining).await;
        left
    }
}

/// A request is over before it was served: how many of its messages will not come.
fn unserved(status: StatusCode, message: &async_nats::Message) -> Result<usize, String> {
    let pending = message.headers.as_ref().and_then(|it| it.get("Nats-Pending-Messages"));
    match (status, pending.and_then(|it| it.as_str().parse().ok())) {
        (StatusCode::TIMEOUT | StatusCode::REQUEST_TERMINATED, Some(pending)) => Ok(pending),
        _ => {
            let reason = message.description.as_deref().unwrap_or("without a reason");
            Err(format!("the server gave up the request: {status} {reason}"))
        }
    }
}
