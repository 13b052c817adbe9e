//! What a durable feed has in hand: a message from its delivery to its acknowledgement.
//!
//! Whatever ends in between, a panic, a stop or a connection, the message is neither lost nor handed over twice.

use super::{
    doubt::Doubt,
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
use std::{collections::VecDeque, sync::Arc};

/// Acknowledgements that are remembered: what a server leaves unacknowledged before it sends no more, unless the stream has
/// it otherwise.
const ACKNOWLEDGED_MAX: usize = 1000;
/// Messages that are held back at most: more than a server sends without an acknowledgement, but it does not count those
/// that are trimmed meanwhile.
const HELD_MAX: usize = 4096;

/// See the module's documentation.
pub(super) struct Hand {
    provider: Arc<Shared>,
    ticket: Ticket,
    sequence: Sequence<Message>,
    current: Option<Current>,
    /// Where acknowledgements went that may have been lost with a connection.
    acknowledged: VecDeque<Subject>,
    /// The newest message that the hub was given.
    handed_over: u64,
    pub(super) doubt: Doubt,
}

/// A message on its way to the sink, and from there to its acknowledgement.
struct Current {
    sequence: u64,
    message: Message,
    /// The sink has it, or it is no event.
    is_taken: bool,
}

impl Hand {
    pub(super) fn new(provider: Arc<Shared>, ticket: Ticket) -> Self {
        Self {
            provider,
            ticket,
            sequence: Sequence::new(),
            current: None,
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

    /// How many messages wait for one that is missing.
    pub(super) fn held(&self) -> usize {
        self.sequence.held()
    }

    pub(super) fn is_full(&self) -> bool {
        self.held() >= HELD_MAX
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
            Turn::Again(message) => self.acknowledge(&message).await,
        }
        true
    }

    /// Hands over what was held back, if nothing is missing any more.
    pub(super) async fn settle(&mut self, delivered: &Delivered, read_to: u64) {
        self.sequence.settle(delivered);
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
        let is_for_nobody = is_mark(&message);
        let counters = &self.provider.counters;
        Counters::add(if is_for_nobody { &counters.skipped } else { &counters.received }, 1);
        self.current = Some(Current { sequence, message, is_taken: is_for_nobody });
        self.finish().await;
    }

    /// Does what is left to do with the message in hand: all of it, or what was not reached before.
    pub(super) async fn finish(&mut self) {
        let Some(Current { sequence, message, is_taken }) = &self.current else { return };
        if !*is_taken {
            let (position, payload) = (Position::single(*sequence), message.payload.clone());
            if deliver(&self.provider.sink, self.ticket, Report::Event { position, payload }).await {
                self.doubt.be_late();
            }
        }
        if let Some(it) = &mut self.current {
            it.is_taken = true;
            let message = it.message.clone();
            self.acknowledge(&message).await;
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

    /// Has the server keep for the next reader what nobody took here, and what was still under way.
    pub(super) async fn give_back(mut self, under_way: Vec<Message>) {
        let mut left = Vec::new();
        match self.current.take() {
            Some(Current { message, is_taken: true, .. }) => self.acknowledge(&message).await,
            Some(Current { message, .. }) => left.push(message),
            None => {}
        }
        left.extend(self.sequence.clear());
        left.extend(under_way);
        for message in left {
            let _ = message.ack_with(AckKind::Nak(None)).await;
        }
    }
}
