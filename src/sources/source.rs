//! What every kind of broker is to the rest of the sources.

use super::{ProviderStatus, Ticket};
use crate::{
    graphql,
    plan::{EventFeed, Labels, Position},
    resolve::{BoxFuture, BrokerError},
};
use bytes::Bytes;
use std::sync::Arc;

/// A provider: one broker or cluster, however many feeds run on it.
///
/// An adapter supervises itself: whatever goes wrong is tried again, counted, and logged with the names of
/// provider and feed; its connections and tasks do not grow with its feeds. Dropped, it ends all of them.
/// Nothing here may block: callers are the hub and the io thread.
pub(super) trait Source: Send + Sync {
    /// Starts a feed: from behind `from` where the broker can replay, from now on without. Whatever comes of it
    /// is reported to the sink.
    ///
    /// # Errors
    /// It cannot start, and that is known without asking the broker. Nothing is reported.
    fn start(&self, ticket: Ticket, feed: &EventFeed, from: Option<&Position>) -> Result<(), graphql::Error>;

    /// Stops a feed; reports that are on their way may still arrive. Feeds that failed or ended are known to be
    /// over: they are not stopped.
    fn stop(&self, ticket: Ticket);

    /// Done when the broker has the message, and knows it; an error otherwise, though it may have it all the same.
    fn publish(&self, to: Arc<str>, payload: Bytes) -> BoxFuture<Result<(), String>>;

    /// The same for a message with a key or headers. Where the broker knows neither, there are none.
    fn publish_labelled(
        &self,
        to: Arc<str>,
        payload: Bytes,
        _labels: Labels,
    ) -> BoxFuture<Result<(), String>> {
        self.publish(to, payload)
    }

    /// The payload of the first reply.
    fn request(&self, to: Arc<str>, payload: Bytes) -> BoxFuture<Result<Bytes, BrokerError>>;

    /// All feeds were stopped, and the router is about to go: what it has left behind at the broker is taken away, as
    /// far as that works.
    fn shutdown(&self) -> BoxFuture<()> {
        Box::pin(std::future::ready(()))
    }

    /// Whether it is connected, and its subscriptions confirmed. Costs nothing: anybody may ask, often.
    fn is_up(&self) -> bool;

    /// Everything but the number of feeds.
    fn status(&self) -> ProviderStatus;
}
