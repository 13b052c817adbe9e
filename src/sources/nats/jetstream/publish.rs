//! Which subjects a stream takes messages from: what is published to those is confirmed by the stream.

use super::{super::session::Session, lock};
use crate::sources::{causes, nats::refusals::Line};
use async_nats::{RequestError, RequestErrorKind, jetstream::context::PublishErrorKind};
use bytes::Bytes;
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// How long an answer is believed. A stream that is made meanwhile is published to without its confirmation.
const BELIEVED_FOR: Duration = Duration::from_secs(10);
/// Answers that are remembered; when there are more, all are asked for again.
const REMEMBERED_MAX: usize = 4096;
/// Where the server is asked for names of streams.
const NAMES: &str = "$JS.API.STREAM.NAMES";
/// Where it is asked about one of them.
const INFO: &str = "$JS.API.STREAM.INFO";

/// Subjects, and whether a stream confirms what is published to them.
#[derive(Default)]
pub(in crate::sources::nats) struct Catchers {
    known: Mutex<HashMap<Arc<str>, (bool, Instant)>>,
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
    /// Whether a stream takes messages of this subject and confirms them.
    ///
    /// # Errors
    /// Nobody knows.
    pub(in crate::sources::nats) async fn has(
        &self,
        session: &Session,
        subject: &Arc<str>,
    ) -> Result<bool, String> {
        if let Some((is_caught, until)) = lock(&self.known).get(subject).copied()
            && Instant::now() < until
        {
            return Ok(is_caught);
        }
        let is_caught = ask(session, subject).await?;
        let mut known = lock(&self.known);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(subject.clone(), (is_caught, Instant::now() + BELIEVED_FOR));
        Ok(is_caught)
    }

    /// Publishes, and waits until the stream has stored the message.
    pub(in crate::sources::nats) async fn publish(
        &self,
        session: &Session,
        subject: &Arc<str>,
        payload: Bytes,
    ) -> Result<(), String> {
        let stored = session.jetstream.publish(subject.to_string(), payload).await;
        let stored = match stored {
            Ok(stored) => stored.await,
            Err(error) => Err(error),
        };
        stored.map(|_| ()).map_err(|error| {
            if error.kind() == PublishErrorKind::StreamNotFound {
                lock(&self.known).remove(subject);
            }
            causes(&error)
        })
    }
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
