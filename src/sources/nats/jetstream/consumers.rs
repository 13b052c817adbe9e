//! Durable consumers that this router has made, for it to delete them when it stops.

use super::lock;
use async_nats::jetstream::Context;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// Consumers without a reader that are remembered at most; beyond it those are forgotten that the server has deleted
/// meanwhile.
const IDLE_MAX: usize = 1024;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Consumers(Mutex<ByName>);

/// By stream and name: when the server will have deleted it. Those that are read have no end.
type ByName = BTreeMap<(Arc<str>, Arc<str>), Option<Instant>>;

impl Consumers {
    pub(super) fn read(&self, stream: Arc<str>, name: Arc<str>) {
        let mut all = lock(&self.0);
        if all.len() >= IDLE_MAX {
            let now = Instant::now();
            all.retain(|_, end| end.is_none_or(|it| it > now));
        }
        all.insert((stream, name), None);
    }

    /// Nobody reads it; the server deletes it by itself after that time, or never.
    pub(super) fn left(&self, stream: Arc<str>, name: Arc<str>, deleted_after: Option<Duration>) {
        if let Some(after) = deleted_after {
            lock(&self.0).insert((stream, name), Some(Instant::now() + after));
        }
    }

    /// Deletes all of them, as far as the server lets us.
    pub(super) async fn delete(&self, context: &Context) {
        let all = std::mem::take(&mut *lock(&self.0));
        for (stream, name) in all.into_keys() {
            match context.delete_consumer_from_stream(&*name, &*stream).await {
                Ok(_) => tracing::debug!(stream = &*stream, consumer = &*name, "deleted a durable consumer"),
                Err(error) => {
                    tracing::warn!(stream = &*stream, consumer = &*name, %error, "could not delete a durable consumer")
                }
            }
        }
    }
}
