//! The table of subscriptions (and of queries and mutations in flight) of all connections.

use super::connections::ConnectionKey;
use crate::hub::GroupId;
use slab::Slab;
use std::ops::{Index, IndexMut};

/// A subscription, by slot; whoever moves into the slot later has another generation, see [`Subscriptions::token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SubscriptionKey(std::num::NonZeroU32);

impl SubscriptionKey {
    fn new(index: usize) -> Self {
        let index = u32::try_from(index + 1).expect("fewer than 2^32 subscriptions");
        Self(std::num::NonZeroU32::new(index).expect("not zero"))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Neighbours in a list of subscriptions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    pub(super) previous: Option<SubscriptionKey>,
    pub(super) next: Option<SubscriptionKey>,
}

/// How far a subscription has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its operation is being prepared, or the hub was asked to let it join.
    Starting,
    /// In the audience of a group.
    Joined(GroupId),
    /// Its last message waits to be written.
    Ending,
}

/// One operation of one connection.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) connection: ConnectionKey,
    generation: u32,
    pub(super) stage: Stage,
    /// The client's id in JSON, escaped and without quotes, as it is written into every message.
    pub(super) id: Box<str>,
    /// Neighbours in the audience of its group.
    pub(super) audience: Links,
    /// Neighbours on its connection.
    pub(super) siblings: Links,
}

/// All operations in flight.
#[derive(Default)]
pub(super) struct Subscriptions {
    slots: Slab<Subscription>,
    generation: u32,
}

impl Subscriptions {
    /// Adds an operation and chains it before `head`, the connection's first one.
    pub(super) fn insert(
        &mut self,
        connection: ConnectionKey,
        id: Box<str>,
        head: Option<SubscriptionKey>,
    ) -> SubscriptionKey {
        self.generation = self.generation.wrapping_add(1);
        let siblings = Links { previous: None, next: head };
        let (generation, stage) = (self.generation, Stage::Starting);
        let subscription =
            Subscription { connection, generation, stage, id, audience: Links::default(), siblings };
        let key = SubscriptionKey::new(self.slots.insert(subscription));
        if let Some(head) = head {
            self[head].siblings.previous = Some(key);
        }
        key
    }

    /// Removes an operation from the table and from its siblings; its connection's first one afterwards is
    /// the caller's to note when this was it.
    pub(super) fn remove(&mut self, key: SubscriptionKey) -> Subscription {
        let removed = self.slots.remove(key.index());
        if let Some(previous) = removed.siblings.previous {
            self[previous].siblings.next = removed.siblings.next;
        }
        if let Some(next) = removed.siblings.next {
            self[next].siblings.previous = removed.siblings.previous;
        }
        removed
    }

    /// What identifies the subscription outside the reactor, also after its slot was given away.
    pub(super) fn token(&self, key: SubscriptionKey) -> u64 {
        u64::from(self[key].generation) << 32 | key.index() as u64
    }

    /// The subscription of a token, if it is still there.
    pub(super) fn resolve(&self, token: u64) -> Option<SubscriptionKey> {
        let (generation, index) = ((token >> 32) as u32, token as u32 as usize);
        let subscription = self.slots.get(index)?;
        (subscription.generation == generation).then(|| SubscriptionKey::new(index))
    }

    /// The operations of a connection, newest first.
    pub(super) fn siblings(&self, head: Option<SubscriptionKey>) -> impl Iterator<Item = SubscriptionKey> {
        std::iter::successors(head, |key| self[*key].siblings.next)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

impl Index<SubscriptionKey> for Subscriptions {
    type Output = Subscription;

    fn index(&self, key: SubscriptionKey) -> &Subscription {
        &self.slots[key.index()]
    }
}

impl IndexMut<SubscriptionKey> for Subscriptions {
    fn index_mut(&mut self, key: SubscriptionKey) -> &mut Subscription {
        &mut self.slots[key.index()]
    }
}

#[cfg(test)]
mod tests;
