//! What sources report, and to whom.

use crate::{
    graphql,
    plan::{Position, Receipt},
};
use bytes::Bytes;
use std::{future::Future, pin::Pin, sync::Arc};

/// A running feed, as whoever started it calls it; opaque to the sources. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something that happened to a feed.
///
/// `Live` comes once, before the first event. Each `Interrupted` is followed by `Restored`, unless
/// `Failed`, `Ended` or a stop comes first; a feed whose broker is away at the start is interrupted before
/// it is live. Nothing follows `Failed` or `Ended`.
///
/// A live feed whose broker keeps its events reads on from its position after an outage. It is late, and
/// nothing is lost, so it says nothing; where events are gone from the broker meanwhile, that is a `Gap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The broker confirmed that it sends this feed's events.
    Live,
    /// The broker remembers what was read for this feed, though the feed does not ask for it: the next who reads goes on
    /// from there. Comes before the first event.
    Remembered,
    Event {
        position: Position,
        payload: Bytes,
    },
    /// The same, from a feed that asks for what the broker says beside the payload. `labels` is a JSON object:
    /// `{"$key": "k", "$headers": {"name": ["value"]}}`, with `null` for a key that is not there and without what
    /// is no text.
    Labelled {
        position: Position,
        payload: Bytes,
        labels: Bytes,
    },
    /// The same, of an event that the broker keeps until it is acknowledged.
    Kept {
        position: Position,
        payload: Bytes,
        receipt: Receipt,
    },
    /// The feed cannot start, or was taken away for good.
    Failed(graphql::Errors),
    /// The source says that no more events will come.
    Ended,
    /// The broker is gone; the source is trying to get it back.
    Interrupted,
    /// The broker is back; what happened in between is lost.
    Restored,
    /// So many events had to be dropped at this point.
    Lost(u64),
    /// Events may have been missed at this point.
    Gap,
}

/// Where reports go: a bounded queue.
///
/// Reports of one ticket are handed over one after the other, in their order.
pub trait FeedSink: Send + Sync + 'static {
    /// Takes a report, or gives it back when the queue is full. Must not block.
    fn try_send(&self, ticket: Ticket, report: Report) -> Result<(), Report>;

    /// Done when there may be room again: at once if there is room by the time it is first polled (so that
    /// none is missed between `try_send` and here). May be done too early, never too late.
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Hands a report over, however long the queue is full; whether it was.
pub(super) async fn deliver(sink: &Arc<dyn FeedSink>, ticket: Ticket, report: Report) -> bool {
    let (mut report, mut was_full) = (report, false);
    while let Err(refused) = sink.try_send(ticket, report) {
        (report, was_full) = (refused, true);
        sink.room().await;
    }
    was_full
}

/// The error of a feed that cannot be had.
pub(super) fn unavailable(message: impl Into<String>) -> graphql::Error {
    graphql::Error::new(message).with_code("FEED_UNAVAILABLE")
}
