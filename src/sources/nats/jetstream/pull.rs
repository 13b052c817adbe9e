//! Asking a consumer for messages, and knowing what is on its way.
//!
//! The client library's own stream of messages cannot be told to stop asking, so whoever stops would lose what is under
//! way, until the server sends it again. This one can: [`Pull::drain`].

use super::{
    super::{causes, session::Session},
    BATCH,
};
use async_nats::{
    Client, StatusCode, Subscriber,
    jetstream::{Context, Message},
};
use bytes::Bytes;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::timeout;

/// How long a request for messages waits at the server, and how often the server says that it does.
const EXPIRY: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How many beats may be missing. The beats are counted in looks, see [`Pull::is_silent`].
const SILENT_LOOKS_MAX: u32 = 7;
/// How long a connection that is to be drained may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(1);

/// A consumer that is asked for messages as they are taken.
pub(super) struct Pull {
    client: Client,
    context: Context,
    subscriber: Subscriber,
    ask_at: String,
    inbox: String,
    question: Bytes,
    /// Messages that were asked for and have not come.
    due: usize,
    /// Looks since something came.
    silent: u32,
}

impl Pull {
    pub(super) async fn start(session: &Session, stream: &str, consumer: &str) -> Result<Self, String> {
        let client = session.client.clone();
        let inbox = client.new_inbox();
        let subscriber = client.subscribe(inbox.clone()).await.map_err(|error| causes(&error))?;
        let question = serde_json::json!({
            "batch": BATCH / 2,
            "expires": EXPIRY.as_nanos() as u64,
            "idle_heartbeat": HEARTBEAT.as_nanos() as u64,
        });
        Ok(Self {
            client,
            context: session.jetstream.clone(),
            subscriber,
            ask_at: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"),
            inbox,
            question: question.to_string().into(),
            due: 0,
            silent: 0,
        })
    }

    /// The next message. May be dropped at any time: nothing is lost by that.
    ///
    /// # Errors
    /// The consumer cannot be read any more.
    pub(super) async fn next(&mut self) -> Result<Message, String> {
        loop {
            while self.due <= BATCH / 2 {
                let asking = self.client.publish_with_reply(
                    self.ask_at.clone(),
                    self.inbox.clone(),
                    self.question.clone(),
                );
                asking.await.map_err(|error| causes(&error))?;
                self.due += BATCH / 2;
            }
            let message = self.subscriber.next().await.ok_or("the client library stopped reading")?;
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
