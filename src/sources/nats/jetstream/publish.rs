//! Which subjects a stream takes messages from: what is published to those is confirmed by the stream.

use super::super::session::Session;
use crate::sources::{causes, nats::refusals::Line};
use async_nats::{RequestErrorKind, jetstream::context::PublishErrorKind};
use bytes::Bytes;
use serde::Deserialize;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
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
        if let Some((is_caught, until)) = self.known().get(subject).copied()
            && Instant::now() < until
        {
            return Ok(is_caught);
        }
        let is_caught = ask(session, subject).await?;
        let mut known = self.known();
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
                self.known().remove(subject);
            }
            causes(&error)
        })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Arc<str>, (bool, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a stream says when it has stored a message.
async fn confirms(session: &Session, stream: &str) -> Result<bool, String> {
    let to = format!("{INFO}.{stream}");
    let refusal = session.refusals().watch(vec![Line::Publish(to.as_str().into())]);
    let answer = tokio::select! {
        biased;
        // Streams that do not are rare.
        () = refusal.refused() => return Ok(true),
        answer = session.client.request(to.clone(), Bytes::new()) => answer,
    };
    let answer = answer.map_err(|error| format!("no answer to whether a stream confirms: {error}"))?;
    let info: Info = serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())?;
    Ok(!info.config.no_ack)
}

async fn ask(session: &Session, subject: &str) -> Result<bool, String> {
    let question = serde_json::json!({ "subject": subject }).to_string();
    // Whoever may not ask has no streams.
    let refusal = session.refusals().watch(vec![Line::Publish(NAMES.into())]);
    let answer = tokio::select! {
        biased;
        () = refusal.refused() => return Ok(false),
        answer = session.client.request(NAMES, question.into()) => answer,
    };
    let answer = match answer {
        Ok(answer) => answer,
        // A server without JetStream.
        Err(error) if error.kind() == RequestErrorKind::NoResponders => return Ok(false),
        Err(error) => return Err(format!("no answer to whether a stream takes it: {error}")),
    };
    let names: Names = serde_json::from_slice(&answer.payload).map_err(|error| error.to_string())?;
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
