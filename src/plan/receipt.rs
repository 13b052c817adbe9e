//! What ties a broker's acknowledgement to a subscriber.

use std::{fmt, sync::Arc};

/// Somebody who waits to hear that an event is taken care of. Hears nothing more once it is dropped: an event whose
/// last receipt is gone without a word reached nobody.
pub trait Acknowledge: Send + Sync {
    /// The event reached a subscriber, or none there is wants it, or its loss was told. May be said more than once.
    fn settle(&self);
}

/// Travels with an event whose broker keeps it until it is acknowledged, as far as the queue of the first subscriber's
/// connection. Whoever drops the event on the way has nothing to do: the broker keeps it for the next reader.
#[derive(Clone)]
pub struct Receipt(Arc<dyn Acknowledge>);

impl Receipt {
    pub fn new(to: impl Acknowledge + 'static) -> Self {
        Self(Arc::new(to))
    }

    /// The event is taken care of: see [`Acknowledge::settle`].
    pub fn settle(&self) {
        self.0.settle();
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}

impl PartialEq for Receipt {
    /// Whether both are of the same event.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Receipt {}
