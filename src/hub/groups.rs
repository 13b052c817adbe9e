//! Groups and their members: join, leave, and what becomes of a group that nobody is in.

use super::{
    GroupId, Hub, Member, Output, Sink, TriggerId, matching::Listing, queue::Queue, rule::Condition,
};
use crate::plan::GroupSpec;
use std::{sync::Arc, time::Instant};

/// Subscriptions that get the same bytes.
pub(super) struct Group {
    pub(super) spec: Arc<GroupSpec>,
    pub(super) condition: Option<Condition>,
    /// `None` once the trigger is gone: the queue is worked off, then the group ends.
    pub(super) trigger: Option<TriggerId>,
    /// Where the trigger's list has it.
    pub(super) place: usize,
    /// Where events find it.
    pub(super) listing: Listing,
    /// Members that were told [`Output::Joined`], by sink.
    pub(super) joined: [u32; Sink::ALL.len()],
    pub(super) queue: Queue,
    /// Tickets among the groups that wait for a sink's credit.
    pub(super) tickets: [Option<u64>; Sink::ALL.len()],
    /// Somebody joined after the others were told that the feed is away.
    pub(super) owed_outage: bool,
}

impl Group {
    /// Sinks that get what the group is due now.
    pub(super) fn sinks(&self) -> impl Iterator<Item = Sink> + use<> {
        let joined = self.joined;
        Sink::ALL.into_iter().filter(move |sink| joined[sink.index()] > 0)
    }

    fn is_deserted(&self) -> bool {
        self.queue.joins() == 0 && self.sinks().next().is_none()
    }
}

impl Hub {
    pub(super) fn join(&mut self, now: Instant, member: Member, spec: Arc<GroupSpec>) {
        self.counters.joins += 1;
        self.counters.members += 1;
        let id = match self.groups_by_key.get(&spec.key) {
            Some(id) => *id,
            None => self.make_group(spec),
        };
        let group = self.groups.get_mut(id).expect("listed groups are there");
        let trigger = group.trigger.and_then(|it| self.triggers.get(it));
        group.owed_outage |= trigger.is_some_and(|it| it.outage_told);
        group.queue.push_join(member);
        self.advance(now, id);
    }

    fn make_group(&mut self, spec: Arc<GroupSpec>) -> GroupId {
        let trigger = self.listen(&spec.feed);
        let place = self.triggers.get(trigger).expect("just found").groups.len();
        let id = self.groups.insert(Group {
            condition: spec.rule.as_ref().map(Condition::compile),
            spec: spec.clone(),
            trigger: Some(trigger),
            place,
            listing: Listing::Indexed,
            joined: Default::default(),
            queue: Queue::default(),
            tickets: Default::default(),
            owed_outage: false,
        });
        let (group, trigger) = (self.groups.get_mut(id), self.triggers.get_mut(trigger));
        let (group, trigger) = (group.expect("just made"), trigger.expect("just found"));
        trigger.groups.push(id);
        group.listing = trigger.matcher.insert(id, group.condition.as_ref());
        self.groups_by_key.insert(spec.key.clone(), id);
        self.counters.groups += 1;
        id
    }

    pub(super) fn leave(&mut self, now: Instant, id: GroupId, sink: Sink) {
        let Some(group) = self.groups.get_mut(id) else {
            self.counters.inputs_stale += 1;
            return;
        };
        let joined = &mut group.joined[sink.index()];
        if *joined == 0 {
            self.counters.inputs_stale += 1;
            return;
        }
        *joined -= 1;
        if *joined == 0
            && let Some(ticket) = group.tickets[sink.index()].take()
        {
            self.creditless[sink.index()].groups.remove(&ticket);
        }
        self.counters.leaves += 1;
        self.counters.members -= 1;
        if group.is_deserted() {
            self.drop_group(now, id);
        } else {
            // Results may have waited for the credit of a sink where nobody is any more.
            self.advance(now, id);
        }
    }

    /// Forgets a group. Results still on their way find nobody.
    pub(super) fn drop_group(&mut self, now: Instant, id: GroupId) {
        let Some(group) = self.groups.remove(id) else { return };
        self.counters.groups -= 1;
        self.counters.members -= group.joined.iter().map(|it| u64::from(*it)).sum::<u64>();
        if let Some(trigger) = group.trigger {
            self.groups_by_key.remove(&group.spec.key);
            self.take_from_trigger(now, trigger, id, &group);
        }
        group.queue.discard(&mut self.counters);
        for (sink, ticket) in group.tickets.into_iter().enumerate() {
            if let Some(ticket) = ticket {
                self.creditless[sink].groups.remove(&ticket);
            }
        }
    }

    /// Takes a group out of its trigger's lists; a list's last group moves to its place.
    fn take_from_trigger(&mut self, now: Instant, id: TriggerId, gone: GroupId, group: &Group) {
        let trigger = self.triggers.get_mut(id).expect("groups outlive no trigger they name");
        trigger.groups.swap_remove(group.place);
        if let Some(moved) = trigger.groups.get(group.place) {
            self.groups.get_mut(*moved).expect("listed groups are there").place = group.place;
        }
        if let Some(moved) = trigger.matcher.remove(gone, group.condition.as_ref(), group.listing) {
            self.groups.get_mut(moved).expect("listed groups are there").listing = group.listing;
        }
        if trigger.groups.is_empty() {
            self.linger(now, id);
        }
    }

    pub(super) fn joined(&mut self, id: GroupId, member: Member) {
        let Some(group) = self.groups.get_mut(id) else { return };
        group.joined[member.sink.index()] += 1;
        self.output.push_back(Output::Joined { member, group: id });
    }
}
