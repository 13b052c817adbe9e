//! What a durable consumer delivers, put back into the stream's order. No clock, no connection.
//!
//! A server delivers in order, but what is lost on the way comes again only after a while, behind messages that
//! came meanwhile. Deliveries are numbered, so a loss shows: then everything is held back until nothing that was
//! delivered is missing any more, and goes on in the order of the stream.

use std::collections::BTreeMap;

/// See the module's documentation. `M` is a message.
#[derive(Debug)]
pub(super) struct Sequence<M> {
    /// The stream sequence of the newest message handed over, 0 before the first.
    last: u64,
    /// The number of the next delivery; `None` while deliveries may be missing.
    next_delivery: Option<u64>,
    /// What came while something was missing, by stream sequence. Bounded by what the server leaves unacknowledged.
    held: BTreeMap<u64, M>,
}

/// What the server says of a consumer's deliveries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivered {
    /// How many there were.
    pub(super) count: u64,
    /// The newest message that was delivered.
    pub(super) sequence: u64,
    /// Messages that wait to be acknowledged.
    pub(super) unacknowledged: usize,
    /// The oldest message that the stream still has.
    pub(super) first: u64,
}

/// What is to be done with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn<M> {
    /// It is next.
    Now(M),
    /// It is kept until its turn.
    Later,
    /// It was handed over before.
    Again(M),
}

impl<M> Sequence<M> {
    pub(super) fn new() -> Self {
        Self { last: 0, next_delivery: None, held: BTreeMap::new() }
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The stream begins anew.
    pub(super) fn restart_at(&mut self, last: u64) {
        self.last = last;
        self.held.clear();
        self.next_delivery = None;
    }

    /// Whether messages are held back.
    pub(super) fn is_settled(&self) -> bool {
        self.next_delivery.is_some()
    }

    /// Deliveries may have been lost.
    pub(super) fn disturb(&mut self) {
        self.next_delivery = None;
    }

    /// A message came, with its sequence in the stream and its number among the consumer's deliveries.
    pub(super) fn take(&mut self, sequence: u64, delivery: u64, message: M) -> Turn<M> {
        if self.next_delivery.is_some_and(|next| next != delivery) {
            self.disturb();
        }
        self.next_delivery = self.next_delivery.map(|_| delivery + 1);
        if sequence <= self.last {
            Turn::Again(message)
        } else if self.is_settled() {
            self.last = sequence;
            Turn::Now(message)
        } else {
            self.held.insert(sequence, message);
            Turn::Later
        }
    }

    /// How many messages are held back.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// If nothing that was delivered is missing here, what is held is what [`Sequence::next`] gives.
    pub(super) fn settle(&mut self, delivered: &Delivered) {
        // A server that was killed forgets what it had sent, and sends it again.
        self.held.retain(|sequence, _| *sequence <= delivered.sequence);
        // What is gone from the stream is acknowledged by nobody, and is held all the same.
        if self.held.range(delivered.first..).count() == delivered.unacknowledged {
            self.next_delivery.get_or_insert(delivered.count + 1);
        }
    }

    /// Goes on after that delivery without what is missing.
    pub(super) fn go_on(&mut self, delivered: u64) {
        self.next_delivery.get_or_insert(delivered + 1);
    }

    /// The next message that was held back, once nothing is missing. To be asked until there is none before another
    /// message is taken.
    pub(super) fn next(&mut self) -> Option<(u64, M)> {
        let next = self.is_settled().then(|| self.held.pop_first()).flatten();
        self.last = next.as_ref().map_or(self.last, |(sequence, _)| *sequence);
        next
    }

    /// Gives back everything that is held.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = M> + use<M> {
        std::mem::take(&mut self.held).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A settled sequence whose next delivery is 1.
    fn settled() -> Sequence<u64> {
        let mut sequence = Sequence::new();
        assert!(settle(&mut sequence, 0, 0).is_empty() && sequence.is_settled());
        sequence
    }

    fn settle(sequence: &mut Sequence<u64>, unacknowledged: usize, count: u64) -> Vec<(u64, u64)> {
        settle_at(sequence, &Delivered { count, sequence: u64::MAX, unacknowledged, first: 0 })
    }

    fn settle_at(sequence: &mut Sequence<u64>, delivered: &Delivered) -> Vec<(u64, u64)> {
        sequence.settle(delivered);
        std::iter::from_fn(|| sequence.next()).collect()
    }

    #[test]
    fn what_comes_in_order_goes_on_at_once() {
        let mut sequence = settled();
        assert_eq!(sequence.take(10, 1, 10), Turn::Now(10));
        assert_eq!(sequence.take(12, 2, 12), Turn::Now(12), "a filter leaves holes in the stream");
        assert_eq!(sequence.take(10, 3, 10), Turn::Again(10), "its acknowledgement was lost");
        assert_eq!(sequence.take(13, 4, 13), Turn::Now(13));
    }

    #[test]
    fn a_missing_delivery_holds_back_what_came_after_it() {
        let mut sequence = settled();
        assert_eq!(sequence.take(10, 1, 10), Turn::Now(10));
        assert_eq!(sequence.take(12, 3, 12), Turn::Later);
        assert!(!sequence.is_settled());
        assert!(settle(&mut sequence, 2, 3).is_empty(), "one of the two is missing");
        assert_eq!(sequence.take(13, 4, 13), Turn::Later);
        assert_eq!(sequence.take(11, 5, 11), Turn::Later);
        assert_eq!(sequence.take(12, 6, 12), Turn::Later, "came twice, is held once");
        assert_eq!(settle(&mut sequence, 3, 6), [(11, 11), (12, 12), (13, 13)]);
        assert_eq!(sequence.take(14, 7, 14), Turn::Now(14));
    }

    #[test]
    fn what_was_delivered_before_us_comes_first() {
        let mut sequence = Sequence::new();
        assert_eq!(sequence.take(5, 9, 5), Turn::Later);
        assert!(settle(&mut sequence, 2, 9).is_empty(), "another message is out, and will come");
        assert_eq!(sequence.take(3, 10, 3), Turn::Later);
        assert_eq!(settle(&mut sequence, 2, 10), [(3, 3), (5, 5)]);
    }

    #[test]
    fn what_is_gone_from_the_stream_is_not_waited_for() {
        let mut sequence = Sequence::new();
        for delivery in 2..=4 {
            assert_eq!(sequence.take(delivery, delivery, delivery), Turn::Later);
        }
        let mut delivered = Delivered { count: 4, sequence: 4, unacknowledged: 2, first: 1 };
        assert!(
            settle_at(&mut sequence, &delivered).is_empty(),
            "one of those that are held is gone, or two are"
        );
        delivered.first = 3;
        assert_eq!(settle_at(&mut sequence, &delivered), [(2, 2), (3, 3), (4, 4)], "it is here all the same");
    }

    #[test]
    fn what_a_server_has_forgotten_comes_again() {
        let mut sequence = settled();
        assert_eq!(sequence.take(1, 1, 1), Turn::Now(1));
        assert_eq!(sequence.take(3, 3, 3), Turn::Later);
        assert_eq!(sequence.take(4, 4, 4), Turn::Later);
        // It was killed, and remembers the first delivery.
        assert!(
            settle_at(&mut sequence, &Delivered { count: 1, sequence: 1, ..Delivered::default() }).is_empty()
        );
        assert_eq!(sequence.take(2, 2, 2), Turn::Now(2));
        assert_eq!(sequence.take(3, 3, 3), Turn::Now(3));
        assert_eq!(sequence.take(4, 4, 4), Turn::Now(4));
    }

    #[test]
    fn a_stream_that_begins_anew_is_read_anew() {
        let mut sequence = settled();
        assert_eq!(sequence.take(10, 1, 10), Turn::Now(10));
        sequence.restart_at(0);
        assert!(settle(&mut sequence, 0, 0).is_empty());
        assert_eq!(sequence.take(1, 1, 1), Turn::Now(1));
        assert_eq!(sequence.clear().count(), 0);
    }
}
