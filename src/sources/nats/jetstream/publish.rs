//! Which subjects a stream takes messages from: what is published to those is confirmed by the stream.
//!
//! While JetStream cannot say (its cluster has no leader, or does not answer), plain subjects go on: what is known of a
//! subject holds, and a message to an unknown one asks whatever stream takes it to say so.

use super::{super::session::Session, lock};
use crate::sources::{causes, nats::refusals::Line};
use async_nats::{
    RequestError, RequestErrorKind, StatusCode, Subscriber, jetstream::context::PublishErrorKind,
};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// How long an answer is believed. A stream that is made meanwhile is published to without its confirmation.
const BELIEVED_FOR: Duration = Duration::from_secs(10);
/// Answers that are remembered; when there are more, all are asked for again.
const REMEMBERED_MAX: usize = 4096;
/// How long an answer may take, so that there is time left to publish without it.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// How long JetStream is not asked again once it could not say.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long a stream that nobody knows of may take to confirm, once the server has the message.
const CONFIRMATION_PATIENCE: Duration = Duration::from_millis(500);
/// Where the server is asked for names of streams.
const NAMES: &str = "$JS.API.STREAM.NAMES";
/// Where it is asked about one of them.
const INFO: &str = "$JS.API.STREAM.INFO";

/// Subjects, and whether a stream confirms what is published to them.
#[derive(Default)]
pub(in crate::sources::nats) struct Catchers {
    /// Kept when they are not believed any more: they hold while there is no other answer.
    known: Mutex<HashMap<Arc<str>, (bool, Instant)>>,
    /// JetStream could not say; it is asked again from here on.
    silent_until: Mutex<Option<Instant>>,
}

/// Who takes what is published to a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Catcher {
    /// A stream that confirms.
    Stream,
    /// Whoever listens.
    Listeners,
    Unknown,
}

/// What a stream says of a message (`io.nats.jetstream.api.v1.pub_ack_response`).
#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    stream: Option<String>,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    error: Option<StreamError>,
}

#[derive(Deserialize)]
struct StreamError {
    /// What makes it one of JetStream's.
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// The server's answer, as far as it matters (`io.nats.jetstream.api.v1.stream_names_response`).
#[derive(Deserialize)]
struct Names {
    #[serde(default)]
    streams: Option<Vec<String>>,
    #[serde(default)]
    error: Option<NamesError>,
}

/// The same of one stream (`io.nats.jetstream.api.v1.stream_info_response`).
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    config: InfoConfig,
}

#[derive(Default, Deserialize)]
struct InfoConfig {
    #[serde(default)]
    no_ack: bool,
}

#[derive(Deserialize)]
struct NamesError {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    description: String,
}

impl Catchers {
    /// Publishes. Done when whoever takes messages of this subject has it: a stream that confirms, or else the server.
    pub(in crate::sources::nats) async fn publish(
        &self,
        session: &Session,
        subject: &Arc<str>,
        payload: Bytes,
        provider: &str,
    ) -> Result<(), String> {
        match self.find(session, subject, provider).await {
            Catcher::Stream => self.store(session, subject, payload).await,
            Catcher::Listeners => {
                let connects = session.connects();
                let publishing = session.client.publish(subject.to_string(), payload);
                publishing.await.map_err(|error| causes(&error))?;
                confirm(session, connects).await
            }
            Catcher::Unknown => publish_to_anybody(session, subject, payload).await,
        }
    }

    async fn find(&self, session: &Session, subject: &Arc<str>, provider: &str) -> Catcher {
        let known = lock(&self.known).get(subject).copied();
        let now = Instant::now();
        let is_believed = known.is_some_and(|(_, until)| now < until);
        let is_silent = lock(&self.silent_until).is_some_and(|it| now < it);
        let answer = match known {
            Some((is_caught, _)) if is_believed => Some(is_caught),
            _ if is_silent => None,
            _ => self.ask(session, subject, provider).await,
        };
        match answer.or(known.map(|(is_caught, _)| is_caught)) {
            Some(true) => Catcher::Stream,
            Some(false) => Catcher::Listeners,
            None => Catcher::Unknown,
        }
    }

    /// Asks JetStream, and remembers the answer; `None`: it cannot say.
    async fn ask(&self, session: &Session, subject: &Arc<str>, provider: &str) -> Option<bool> {
        let asking = timeout(ANSWER_PATIENCE, ask(session, subject)).await;
        match asking.unwrap_or_else(|_| Err(format!("no answer within {ANSWER_PATIENCE:?}"))) {
            Ok(is_caught) => {
                *lock(&self.silent_until) = None;
                let mut known = lock(&self.known);
                if known.len() >= REMEMBERED_MAX {
                    known.clear();
                }
                known.insert(subject.clone(), (is_caught, Instant::now() + BELIEVED_FOR));
                Some(is_caught)
            }
            Err(reason) => {
                let again = Instant::now() + ASKED_AGAIN_AFTER;
                if lock(&self.silent_until).replace(again).is_none() {
                    tracing::warn!(
                        provider,
                        %subject,
                        reason,
                        "JetStream does not say which subjects its streams take: others are published to all the same"
                    );
                }
                None
            }
        }
    }

    /// Publishes, and waits until the stream has stored the message.
    async fn store(&self, session: &Session, subject: &Arc<str>, payload: Bytes) -> Result<(), String> {
        let stored = session.jetstream.publish(subject.to_string(), payload).await;
        let stored = match stored {
            Ok(stored) => stored.await,
            Err(error) => Err(error),
        };
        stored.map(|_| ()).map_err(|error| {
            // Asked about again; until there is an answer it is a stream's all the same.
            if error.kind() == PublishErrorKind::StreamNotFound
                && let Some((_, until)) = lock(&self.known).get_mut(subject)
            {
                *until = Instant::now();
            }
            causes(&error)
        })
    }
}

/// Publishes to a subject of which nobody knows whether a stream takes it: the server's word is enough, unless a stream
/// says something.
async fn publish_to_anybody(session: &Session, subject: &str, payload: Bytes) -> Result<(), String> {
    let (client, inbox, connects) = (&session.client, session.client.new_inbox(), session.connects());
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| causes(&error))?;
    let publishing = client.publish_with_reply(subject.to_owned(), inbox, payload);
    publishing.await.map_err(|error| causes(&error))?;
    confirm(session, connects).await?;
    timeout(CONFIRMATION_PATIENCE, word_of_a_stream(&mut answers)).await.unwrap_or(Ok(()))
}

/// Done when the server has what was published since that many connects.
async fn confirm(session: &Session, connects: u64) -> Result<(), String> {
    session.confirm().await.map_err(|error| error.to_string())?;
    // Written to the old connection, confirmed by the new one: nobody knows.
    if session.connects() == connects { Ok(()) } else { Err("the connection was lost".to_owned()) }
}

/// What a stream says of a message. Listeners may answer as well; that is nothing to us.
async fn word_of_a_stream(answers: &mut Subscriber) -> Result<(), String> {
    while let Some(answer) = answers.next().await {
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            return Ok(());
        }
        match serde_json::from_slice(&answer.payload) {
            Ok(Acknowledgement { error: Some(StreamError { err_code, description }), .. }) => {
                return Err(format!("{description} (code {err_code})"));
            }
            Ok(Acknowledgement { stream: Some(_), seq: Some(_), .. }) => return Ok(()),
            _ => {}
        }
    }
    Err("the client stopped".to_owned())
}

/// Whether a stream takes messages of this subject, and says when it has stored them.
async fn ask(session: &Session, subject: &str) -> Result<bool, String> {
    let question = serde_json::json!({ "subject": subject }).to_string();
    let answer = match question_at(session, NAMES, question.into()).await {
        // Whoever may not ask has no streams.
        None => return Ok(false),
        Some(Ok(answer)) => answer,
        // A server without JetStream.
        Some(Err(error)) if error.kind() == RequestErrorKind::NoResponders => return Ok(false),
        Some(Err(error)) => return Err(format!("no answer to whether a stream takes it: {error}")),
    };
    let names: Names = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    match names.error {
        // The cluster is looking for a leader; any other error is that of an account without JetStream.
        Some(error) if error.code == 503 && !error.description.contains("not enabled") => {
            Err(format!("whether a stream takes it is not known: {}", error.description))
        }
        Some(_) => Ok(false),
        None => match names.streams.unwrap_or_default().first() {
            Some(stream) => confirms(session, stream).await,
            None => Ok(false),
        },
    }
}

/// Whether a stream says when it has stored a message.
async fn confirms(session: &Session, stream: &str) -> Result<bool, String> {
    // Streams that do not are rare.
    let Some(answer) = question_at(session, &format!("{INFO}.{stream}"), Bytes::new()).await else {
        return Ok(true);
    };
    let answer = answer.map_err(|error| format!("no answer to whether a stream confirms: {error}"))?;
    let info: Info = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    Ok(!info.config.no_ack)
}

/// Asks the server; `None`: it does not permit the question.
async fn question_at(session: &Session, at: &str, question: Bytes) -> Option<Result<Bytes, RequestError>> {
    let refusal = session.refusals().watch(vec![Line::Publish(at.into())]);
    tokio::select! {
        biased;
        () = refusal.refused() => None,
        answer = session.client.request(at.to_owned(), question) => Some(answer.map(|it| it.payload)),
    }
}
