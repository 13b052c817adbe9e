//! What a durable feed has in hand: messages from their delivery to their acknowledgement.
//!
//! Whatever ends in between, a panic, a stop or a connection, a message is neither lost nor handed over twice. The hub gets
//! each with a receipt (`receipts`); one that reached nobody comes again.

use super::{
    doubt::Doubt,
    receipts::{Fate, Known, Receipts, Word},
    sequence::{Delivered, Sequence, Turn},
};
use crate::{
    plan::Position,
    sources::{
        Counters, Report, Ticket,
        nats::{Shared, marks::is_mark},
        sink::deliver,
    },
};
use async_nats::{
    Client, Subject,
    jetstream::{AckKind, Message},
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::time::timeout;

/// Acknowledgements that are remembered: what a server leaves unacknowledged before it sends no more, unless the stream has
/// it otherwise.
const ACKNOWLEDGED_MAX: usize = 1000;
/// Messages that are held back at most: more than a server sends without an acknowledgement, but it does not count those
/// that are trimmed meanwhile.
const HELD_MAX: usize = 4096;
/// How long a feed that was stopped waits for words about what the hub had.
const WORDS_WITHIN: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub(super) struct Hand {
    provider: Arc<Shared>,
    ticket: Ticket,
    sequence: Sequence<Message>,
    current: Option<Current>,
    /// What the hub has.
    receipts: Receipts<Message>,
    /// Where acknowledgements went that may have been lost with a connection.
    acknowledged: VecDeque<Subject>,
    /// The newest message that the hub was given.
    handed_over: u64,
    pub(super) doubt: Doubt,
}

/// A message on its way to the sink.
struct Current {
    sequence: u64,
    message: Message,
}

impl Hand {
    pub(super) fn new(provider: Arc<Shared>, ticket: Ticket) -> Self {
        Self {
            provider,
            ticket,
            sequence: Sequence::new(),
            current: None,
            receipts: Receipts::new(),
            acknowledged: VecDeque::new(),
            handed_over: 0,
            doubt: Doubt::default(),
        }
    }

    /// The newest message whose turn has come.
    pub(super) fn last(&self) -> u64 {
        self.sequence.last()
    }

    /// Whether nothing that was delivered is missing.
    pub(super) fn is_settled(&self) -> bool {
        self.sequence.is_settled()
    }

    /// How many messages are here and not acknowledged.
    pub(super) fn held(&self) -> usize {
        self.sequence.held() + self.receipts.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.held() >= HELD_MAX
    }

    /// The oldest message that may have to be read again, where the server has forgotten what was read.
    pub(super) fn first_open(&self) -> u64 {
        self.receipts.first().unwrap_or(u64::MAX).min(self.last() + 1)
    }

    /// Deliveries may have been lost.
    pub(super) fn disturb(&mut self) {
        self.sequence.disturb();
    }

    /// Everything that is not acknowledged comes again.
    pub(super) fn let_go(&mut self) {
        self.sequence.clear().for_each(drop);
    }

    /// The stream begins anew.
    pub(super) fn restart(&mut self) {
        self.sequence.restart_at(0);
        self.receipts.clear().for_each(drop);
        self.acknowledged.clear();
        (self.handed_over, self.doubt) = (0, Doubt::default());
    }

    /// Takes a message, behind what was read up to `read_to`. `false`: it has no place in the stream.
    pub(super) async fn receive(&mut self, message: Message, read_to: u64) -> bool {
        let Ok(info) = message.info() else { return false };
        let (sequence, delivery) = (info.stream_sequence, info.consumer_sequence);
        match self.sequence.take(sequence, delivery, message) {
            Turn::Now(message) => self.hand_over(sequence, message, read_to).await,
            Turn::Later => {}
            Turn::Again(message) => match self.receipts.again(sequence, message) {
                Known::Settled(message) => self.acknowledge(&message).await,
                // The server is not to send it every few seconds.
                Known::Underway(message) => drop(message.ack_with(AckKind::Progress).await),
                Known::GivenBack(message) => {
                    self.current = Some(Current { sequence, message });
                    self.finish().await;
                }
            },
        }
        true
    }

    /// The next word about a message that the hub has; cancel safe.
    pub(super) async fn next_word(&mut self) -> Option<Word> {
        self.receipts.next_word().await
    }

    /// Acknowledges or gives back the message of a word.
    pub(super) async fn hear(&mut self, word: Word) {
        match self.receipts.hear(word) {
            Some(Fate::Acknowledge(message)) => self.acknowledge(&message).await,
            Some(Fate::GiveBack(message)) => drop(message.ack_with(AckKind::Nak(None)).await),
            None => {}
        }
    }

    /// Hands over what was held back, if nothing is missing any more.
    pub(super) async fn settle(&mut self, delivered: &Delivered, read_to: u64) {
        let (first, last) = (delivered.first, delivered.sequence);
        let open = self.receipts.count(first, last);
        let unacknowledged = delivered.unacknowledged.saturating_sub(open);
        self.sequence.settle(&Delivered { unacknowledged, ..*delivered });
        while let Some((sequence, message)) = self.sequence.next() {
            self.hand_over(sequence, message, read_to).await;
        }
    }

    /// What is missing will not come: goes on after so many deliveries.
    pub(super) fn go_on(&mut self, deliveries: u64) {
        self.sequence.go_on(deliveries);
    }

    async fn hand_over(&mut self, sequence: u64, message: Message, read_to: u64) {
        let pending = message.info().map_or(0, |it| it.pending);
        self.doubt.read(self.handed_over.max(read_to), sequence, pending);
        self.handed_over = sequence;
        let counters = &self.provider.counters;
        if is_mark(&message) {
            Counters::add(&counters.skipped, 1);
            return self.acknowledge(&message).await;
        }
        Counters::add(&counters.received, 1);
        self.current = Some(Current { sequence, message });
        self.finish().await;
    }

    /// Hands over the message in hand, if there is one: also after something ended on the way.
    pub(super) async fn finish(&mut self) {
        let Some(Current { sequence, message }) = &self.current else { return };
        let (sequence, message) = (*sequence, message.clone());
        let (position, payload) = (Position::single(sequence), message.payload.clone());
        let receipt = self.receipts.write(sequence, message);
        let report = Report::Kept { position, payload, receipt };
        if deliver(&self.provider.sink, self.ticket, report).await {
            self.doubt.be_late();
        }
        self.current = None;
    }

    async fn acknowledge(&mut self, message: &Message) {
        // What is lost with the connection is said again.
        let _ = message.ack().await;
        if let Some(to) = &message.reply {
            self.acknowledged.push_back(to.clone());
            if self.acknowledged.len() > ACKNOWLEDGED_MAX {
                self.acknowledged.pop_front();
            }
        }
    }

    /// What was handed over must not come again because word of it was lost.
    pub(super) async fn acknowledge_again(&self, client: &Client) {
        for to in &self.acknowledged {
            let _ = client.publish(to.clone(), AckKind::Ack.into()).await;
        }
    }

    /// Has the server keep for the next reader what nobody took here, and what was still under way. The hub has stopped the
    /// feed: words about what it had are here or come at once, but for what it is busy with.
    pub(super) async fn give_back(mut self, under_way: Vec<Message>) {
        let left = self.current.take().map(|it| it.message).into_iter();
        let left: Vec<_> = left.chain(self.sequence.clear()).chain(under_way).collect();
        let _ = timeout(WORDS_WITHIN, self.hear_all()).await;
        while let Some(word) = self.receipts.take_word() {
            self.hear(word).await;
        }
        for message in left.into_iter().chain(self.receipts.clear()) {
            let _ = message.ack_with(AckKind::Nak(None)).await;
        }
    }

    /// Done when the hub has nothing any more.
    async fn hear_all(&mut self) {
        while self.receipts.are_underway()
            && let Some(word) = self.next_word().await
        {
            self.hear(word).await;
        }
    }
}
