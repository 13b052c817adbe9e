//! The hub's state as an operator sees it (`/debug/state`).

use super::{GroupId, Hub, Sink, TriggerId};
use crate::plan::{Feed, GroupSpec, Position};
use std::sync::Arc;

/// Where a trigger is in its life with the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerState {
    /// The source was asked to listen and has not confirmed.
    Starting,
    Live,
    /// The source lost its broker.
    Interrupted,
}

/// A trigger as it is now.
#[derive(Clone, Copy, Debug)]
pub struct TriggerView<'a> {
    pub id: TriggerId,
    pub feed: &'a Feed,
    pub state: TriggerState,
    /// Nobody listens; it is kept for a while in case someone comes back.
    pub lingering: bool,
    pub groups: usize,
    /// Over all groups; members whose answer waits for its place included.
    pub members: u64,
    /// Of the newest event in each part; empty before the first.
    pub position: &'a Position,
}

/// A group as it is now.
#[derive(Clone, Debug)]
pub struct GroupView<'a> {
    pub id: GroupId,
    /// `None` when the trigger is gone and the group ends after its last results.
    pub trigger: Option<TriggerId>,
    pub spec: &'a Arc<GroupSpec>,
    /// Members that have joined, by sink.
    pub members: [(Sink, u32); Sink::ALL.len()],
    /// Members whose answer waits for its place among results.
    pub joining: usize,
    /// Results asked for and not yet released.
    pub in_flight: usize,
    pub backlog_events: usize,
    /// Bytes of payload.
    pub backlog_bytes: usize,
    /// Results are ready, but a sink has no credit.
    pub waits_for_credit: bool,
}

impl Hub {
    /// Every trigger, in the order of its slot.
    pub fn triggers(&self) -> impl Iterator<Item = TriggerView<'_>> {
        self.triggers.iter().map(|(id, trigger)| TriggerView {
            id,
            feed: &trigger.feed.feed,
            state: trigger.state,
            lingering: trigger.lingers_until.is_some(),
            groups: trigger.groups.len(),
            members: trigger.groups.iter().map(|it| self.members_of(*it)).sum(),
            position: &trigger.position,
        })
    }

    /// Every group, in the order of its slot.
    pub fn groups(&self) -> impl Iterator<Item = GroupView<'_>> {
        self.groups.iter().map(|(id, group)| GroupView {
            id,
            trigger: group.trigger,
            spec: &group.spec,
            members: Sink::ALL.map(|sink| (sink, group.joined[sink.index()])),
            joining: group.queue.joins(),
            in_flight: group.queue.open(),
            backlog_events: group.queue.backlog_events(),
            backlog_bytes: group.queue.backlog_bytes(),
            waits_for_credit: group.tickets.iter().any(Option::is_some),
        })
    }

    fn members_of(&self, id: GroupId) -> u64 {
        self.groups.get(id).map_or(0, |group| {
            let joined: u64 = group.joined.iter().map(|it| u64::from(*it)).sum();
            joined + group.queue.joins() as u64
        })
    }
}
