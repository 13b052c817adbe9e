//! Messages that the hub has and nobody acknowledged yet.
//!
//! A message is acknowledged once its receipt is settled: a subscriber has the event, or nobody who listens wants it. One
//! whose receipts are gone without a word reached nobody. The server is asked to keep it: it comes again, to whoever
//! reads then.

use crate::plan::{Acknowledge, Receipt};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::sync::mpsc;

/// See the module's documentation. `M` is a message. Holds no more than the server leaves unacknowledged.
pub(super) struct Receipts<M> {
    /// By stream sequence.
    open: BTreeMap<u64, Open<M>>,
    next_number: u64,
    /// At most one word for each receipt.
    words: mpsc::UnboundedReceiver<Word>,
    speaks: mpsc::UnboundedSender<Word>,
}

struct Open<M> {
    /// Of the receipt that is out: words of an earlier stream or delivery do not count.
    number: u64,
    message: M,
    /// The receipt is gone without a word.
    is_given_back: bool,
}

/// What became of a receipt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    sequence: u64,
    number: u64,
    is_settled: bool,
}

/// What is to be done with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate<M> {
    Acknowledge(M),
    GiveBack(M),
}

/// What a message that comes again is to the receipts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known<M> {
    /// It was acknowledged.
    Settled(M),
    /// The hub still has it.
    Underway(M),
    /// It reached nobody the last time.
    GivenBack(M),
}

impl<M: Clone> Receipts<M> {
    pub(super) fn new() -> Self {
        let (speaks, words) = mpsc::unbounded_channel();
        Self { open: BTreeMap::new(), next_number: 0, words, speaks }
    }

    /// A receipt for a message that the hub is about to get.
    pub(super) fn write(&mut self, sequence: u64, message: M) -> Receipt {
        let number = self.next_number;
        self.next_number += 1;
        self.open.insert(sequence, Open { number, message, is_given_back: false });
        let word = Word { sequence, number, is_settled: false };
        Receipt::new(Written { word, is_settled: AtomicBool::new(false), speaks: self.speaks.clone() })
    }

    /// The next word; cancel safe.
    pub(super) async fn next_word(&mut self) -> Option<Word> {
        self.words.recv().await
    }

    /// Words that came already.
    pub(super) fn take_word(&mut self) -> Option<Word> {
        self.words.try_recv().ok()
    }

    /// What is to be done after a word, if anything.
    pub(super) fn hear(&mut self, word: Word) -> Option<Fate<M>> {
        let open = self.open.get_mut(&word.sequence).filter(|it| it.number == word.number)?;
        if word.is_settled {
            return self.open.remove(&word.sequence).map(|it| Fate::Acknowledge(it.message));
        }
        open.is_given_back = true;
        Some(Fate::GiveBack(open.message.clone()))
    }

    /// A message that was handed over before came again.
    pub(super) fn again(&mut self, sequence: u64, message: M) -> Known<M> {
        match self.open.get_mut(&sequence) {
            None => Known::Settled(message),
            Some(it) if it.is_given_back => Known::GivenBack(message),
            Some(it) => {
                // The newer delivery is the one to acknowledge.
                it.message = message.clone();
                Known::Underway(message)
            }
        }
    }

    /// The oldest message that may have to be read again.
    pub(super) fn first(&self) -> Option<u64> {
        self.open.keys().next().copied()
    }

    /// How many messages from `first` to `last` the server counts as unacknowledged on account of these.
    pub(super) fn count(&self, first: u64, last: u64) -> usize {
        if first > last { 0 } else { self.open.range(first..=last).count() }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether the hub still has a message.
    pub(super) fn are_underway(&self) -> bool {
        self.open.values().any(|it| !it.is_given_back)
    }

    /// Forgets all, and gives back the messages that no word came for.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = M> + use<M> {
        let open = std::mem::take(&mut self.open).into_values();
        open.filter(|it| !it.is_given_back).map(|it| it.message)
    }
}

/// The receipt's own end.
struct Written {
    word: Word,
    is_settled: AtomicBool,
    speaks: mpsc::UnboundedSender<Word>,
}

impl Written {
    fn speak(&self, is_settled: bool) {
        // Whoever reads no more gives everything back by itself.
        let _ = self.speaks.send(Word { is_settled, ..self.word });
    }
}

impl Acknowledge for Written {
    fn settle(&self) {
        if !self.is_settled.swap(true, Ordering::Relaxed) {
            self.speak(true);
        }
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if !*self.is_settled.get_mut() {
            self.speak(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(receipts: &mut Receipts<&'static str>) -> Option<Fate<&'static str>> {
        let word = receipts.take_word()?;
        receipts.hear(word)
    }

    #[test]
    fn what_is_settled_is_acknowledged_once() {
        let mut receipts = Receipts::new();
        let receipt = receipts.write(7, "seven");
        receipt.clone().settle();
        receipt.settle();
        drop(receipt);
        assert_eq!(next(&mut receipts), Some(Fate::Acknowledge("seven")));
        assert_eq!(next(&mut receipts), None);
        assert_eq!(receipts.again(7, "seven"), Known::Settled("seven"));
    }

    #[test]
    fn what_reached_nobody_is_given_back_and_comes_again() {
        let mut receipts = Receipts::new();
        let receipt = receipts.write(7, "seven");
        let other = receipt.clone();
        drop(receipt);
        assert_eq!(next(&mut receipts), None, "somebody may still get it");
        assert_eq!(receipts.again(7, "seven, again"), Known::Underway("seven, again"));
        drop(other);
        assert_eq!(next(&mut receipts), Some(Fate::GiveBack("seven, again")));
        assert!(!receipts.are_underway());
        assert_eq!(receipts.again(7, "seven, once more"), Known::GivenBack("seven, once more"));
        receipts.write(7, "seven, once more").settle();
        assert_eq!(next(&mut receipts), Some(Fate::Acknowledge("seven, once more")));
    }

    #[test]
    fn words_of_another_stream_do_not_count() {
        let mut receipts = Receipts::new();
        let old = receipts.write(1, "old");
        assert_eq!(receipts.clear().collect::<Vec<_>>(), ["old"]);
        let _new = receipts.write(1, "new");
        old.settle();
        assert_eq!(next(&mut receipts), None);
        assert_eq!((receipts.first(), receipts.count(0, 1), receipts.count(2, 1)), (Some(1), 1, 0));
    }
}
