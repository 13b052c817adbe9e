//! Audiences: which subscriptions get the frames of a group.
//!
//! Members are chained through the subscriptions themselves, so a membership costs two indices and
//! joining, leaving and walking never allocate. A walk may stop half-way and go on in a later turn while
//! members come and go: newcomers are put in front of it, and a leaver hands the walk to its neighbour.

use super::subscriptions::{SubscriptionKey, Subscriptions};
use crate::hub::GroupId;

/// All audiences of the reactor, by the hub's group ids.
#[derive(Default)]
pub(super) struct Audiences {
    slots: Vec<Audience>,
}

#[derive(Clone, Copy, Default)]
struct Audience {
    generation: u32,
    head: Option<SubscriptionKey>,
    /// Where a walk in progress goes on.
    cursor: Option<SubscriptionKey>,
    members: u32,
}

impl Audiences {
    /// Adds a member. It sees no frame of a walk that has begun.
    pub(super) fn join(&mut self, group: GroupId, key: SubscriptionKey, subscriptions: &mut Subscriptions) {
        let audience = self.slot(group);
        let head = audience.head.replace(key);
        audience.members += 1;
        if let Some(head) = head {
            subscriptions[head].audience.previous = Some(key);
        }
        let subscription = &mut subscriptions[key];
        subscription.audience.previous = None;
        subscription.audience.next = head;
    }

    /// Takes a member out.
    pub(super) fn leave(&mut self, group: GroupId, key: SubscriptionKey, subscriptions: &mut Subscriptions) {
        let Some(audience) = self.get_mut(group) else { return };
        let links = std::mem::take(&mut subscriptions[key].audience);
        if audience.cursor == Some(key) {
            audience.cursor = links.next;
        }
        match links.previous {
            Some(previous) => subscriptions[previous].audience.next = links.next,
            None => audience.head = links.next,
        }
        if let Some(next) = links.next {
            subscriptions[next].audience.previous = links.previous;
        }
        audience.members -= 1;
    }

    /// Begins a walk over all members of now.
    pub(super) fn begin(&mut self, group: GroupId) {
        if let Some(audience) = self.get_mut(group) {
            audience.cursor = audience.head;
        }
    }

    /// The next member of the walk.
    pub(super) fn step(&mut self, group: GroupId, subscriptions: &Subscriptions) -> Option<SubscriptionKey> {
        let audience = self.get_mut(group)?;
        let at = audience.cursor?;
        audience.cursor = subscriptions[at].audience.next;
        Some(at)
    }

    fn get_mut(&mut self, group: GroupId) -> Option<&mut Audience> {
        self.slots.get_mut(group.index as usize).filter(|it| it.generation == group.generation)
    }

    /// The slot of a group; one that an earlier group left behind is begun anew.
    fn slot(&mut self, group: GroupId) -> &mut Audience {
        let index = group.index as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, Audience::default());
        }
        let slot = &mut self.slots[index];
        if slot.generation != group.generation {
            debug_assert_eq!(slot.members, 0, "the hub ended the group before its index was used again");
            *slot = Audience { generation: group.generation, ..Audience::default() };
        }
        slot
    }
}

#[cfg(test)]
mod tests;
