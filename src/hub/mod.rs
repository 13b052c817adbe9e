//! The hub decides who gets which event, in which order; it does nothing else.
//!
//! A sans-I/O core: [`Input`] goes in with the time, [`Output`] comes out. It deduplicates feeds into
//! triggers and subscriptions into groups, matches events to groups, keeps results in the order of the
//! events while several are being resolved, and answers for every bound on the way. It knows no socket,
//! no connection, no broker and no clock; members of a group are counts, the audience itself lives in
//! the sink that delivers.

mod counters;
mod deciding;
mod decoder;
mod groups;
mod matching;
mod notice;
mod options;
mod queue;
mod release;
mod rule;
mod slab;
#[cfg(test)]
mod tests;
mod timers;
mod triggers;
mod views;

use crate::{
    graphql,
    plan::{Event, Feed, GroupSpec, Position, Receipt},
};
use bytes::Bytes;
use std::sync::Arc;

pub use counters::{Counters, Unwanted};
pub use deciding::Hub;
pub use options::{Options, OutagePolicy};
pub use views::{GroupView, TriggerState, TriggerView};

/// A feed someone listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TriggerId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// Subscriptions whose responses are byte for byte the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// One event being resolved for one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
    pub group: GroupId,
    /// Counts the group's jobs from 0.
    pub sequence: u64,
}

/// Who hands results to subscribers: each sink keeps the audiences of its own members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sink {
    /// WebSockets.
    Reactor,
    /// HTTP streams.
    Io,
}

impl Sink {
    /// Every sink, in the order in which outputs name them.
    pub const ALL: [Self; 2] = [Self::Reactor, Self::Io];

    const fn index(self) -> usize {
        match self {
            Self::Reactor => 0,
            Self::Io => 1,
        }
    }
}

/// A subscription as its sink knows it; opaque to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    pub sink: Sink,
    pub token: u64,
}

/// Everything that can happen to the hub.
#[derive(Debug)]
pub enum Input {
    /// A subscription asks to join its group. Answered by [`Output::Joined`].
    Join { member: Member, spec: Arc<GroupSpec> },
    /// A member that had joined is gone. Sinks send it after they saw the member's
    /// [`Output::Joined`], never before, and once; whoever goes earlier is let go when the answer comes.
    Leave { group: GroupId, sink: Sink },
    /// The source confirmed that it listens.
    TriggerLive { trigger: TriggerId },
    /// The broker remembers what was read for this trigger: it is stopped as soon as nobody listens.
    TriggerRemembered { trigger: TriggerId },
    /// The source cannot start, or gave up for good, and has forgotten the trigger: no
    /// [`Output::StopTrigger`] follows. Updates that came before still go out first.
    TriggerFailed { trigger: TriggerId, errors: graphql::Errors },
    /// The source says that no more events will come, and has forgotten the trigger: no
    /// [`Output::StopTrigger`] follows. Updates that came before still go out first.
    TriggerEnded { trigger: TriggerId },
    /// The source lost its broker and is trying to get it back.
    TriggerInterrupted { trigger: TriggerId },
    /// The source has its broker back; what happened in between is lost.
    TriggerRestored { trigger: TriggerId },
    /// An event, as the broker sent it.
    Received { trigger: TriggerId, position: Position, payload: Bytes },
    /// The same, with what the broker says beside it: JSON as [`Event::labels`](crate::plan::Event) has it.
    Labelled { trigger: TriggerId, position: Position, payload: Bytes, labels: Bytes },
    /// The same, of an event that the broker keeps until its receipt is settled. Of one that is dropped on the way, because
    /// all for whom it was have left, the hub says nothing.
    Kept { trigger: TriggerId, position: Position, payload: Bytes, receipt: Receipt },
    /// The source had to drop events before they reached the hub.
    Lost { trigger: TriggerId, events: u64 },
    /// The source was away and is back; nobody knows what it missed.
    Gap { trigger: TriggerId },
    /// A job is done: the response, a whole GraphQL result as JSON.
    Resolved { job: JobId, response: Bytes },
    /// The sink worked off deliveries. Never gives a sink more than [`Options::credits`].
    Credit { sink: Sink, deliveries: u32 },
}

/// Everything the hub asks for.
#[derive(Debug)]
pub enum Output {
    /// Listen to a feed. Answered by [`Input::TriggerLive`] or [`Input::TriggerFailed`].
    StartTrigger { trigger: TriggerId, feed: Arc<Feed> },
    /// Nobody listens any more; what still arrives for the trigger is ignored.
    StopTrigger { trigger: TriggerId, feed: Arc<Feed> },
    /// Answered by [`Input::Resolved`], always, exactly once.
    Resolve { job: JobId, spec: Arc<GroupSpec>, event: Arc<Event> },
    /// The member gets every delivery to the group from here on.
    Joined { member: Member, group: GroupId },
    /// One response for all of the group's members at this sink. Costs one credit. Whoever hands it to the first of them
    /// settles the receipt, if there is one.
    Deliver { sink: Sink, group: GroupId, response: Bytes, receipt: Option<Receipt> },
    /// The group is over for all its members at this sink: its id means nothing any more, and no
    /// [`Input::Leave`] is due.
    End { sink: Sink, group: GroupId, reason: EndReason },
}

/// Why a group is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The feed ended; everything before was delivered.
    Complete,
    /// Terminal; at least one.
    Errors(graphql::Errors),
}
