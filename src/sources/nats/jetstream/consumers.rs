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

/// By stream and name.
type ByName = BTreeMap<(Arc<str>, Arc<str>), Known>;

#[derive(Default)]
struct Known {
    /// Who stops is there for a while beside who starts.
    readers: usize,
    /// When the server will have deleted it, if nobody reads it.
    end: Option<Instant>,
}

impl Known {
    fn is_over(&self, now: Instant) -> bool {
        self.readers == 0 && self.end.is_some_and(|it| it <= now)
    }
}

impl Consumers {
    pub(super) fn read(&self, stream: Arc<str>, name: Arc<str>) {
        let mut all = lock(&self.0);
        if all.len() >= IDLE_MAX {
            let now = Instant::now();
            all.retain(|_, it| !it.is_over(now));
        }
        all.entry((stream, name)).or_default().readers += 1;
    }

    /// Nobody reads it; the server deletes it by itself after that time, or never.
    pub(super) fn left(&self, stream: Arc<str>, name: Arc<str>, deleted_after: Option<Duration>) {
        if let Some(known) = lock(&self.0).get_mut(&(stream, name)) {
            known.readers = known.readers.saturating_sub(1);
            known.end = deleted_after.map(|it| Instant::now() + it);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(all: &Consumers, name: &str) {
        all.read("S".into(), name.into());
    }

    fn left(all: &Consumers, name: &str) {
        all.left("S".into(), name.into(), Some(Duration::ZERO));
    }

    fn is_known(all: &Consumers, name: &str) -> bool {
        lock(&all.0).contains_key(&(Arc::from("S"), Arc::from(name)))
    }

    #[test]
    fn what_is_read_again_is_not_left_by_who_read_it_before() {
        let all = Consumers::default();
        read(&all, "a");
        read(&all, "a");
        left(&all, "a");
        read(&all, "b");
        left(&all, "b");
        (0..IDLE_MAX).for_each(|n| read(&all, &format!("{n}")));
        assert!(is_known(&all, "a"), "it is read still");
        assert!(!is_known(&all, "b"), "the server has deleted it");
    }
}
