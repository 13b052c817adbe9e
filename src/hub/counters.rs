//! What the hub counts, for metrics and tests.

use super::rule::Verdict;
use crate::plan::{Feed, ProviderId, ProviderKind};

/// Plain numbers; those under "now" go up and down, all others only up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Members that asked to join.
    pub joins: u64,
    /// Members that left.
    pub leaves: u64,
    /// Feeds that a source was asked to listen to.
    pub triggers_started: u64,
    /// Triggers that were stopped because nobody listened, or by the outage policy.
    pub triggers_stopped: u64,
    /// Triggers whose source could not start or gave up.
    pub triggers_failed: u64,
    /// Triggers whose source said that nothing more will come.
    pub triggers_ended: u64,
    /// Events that came in for a trigger that is there.
    pub events_received: u64,
    /// Events that are no JSON object.
    pub events_invalid: u64,
    /// Times that a group's rule said no to an event.
    pub events_filtered: u64,
    /// Times that a group's rule could not be decided, so that the event was not delivered.
    pub events_undecided: u64,
    /// Events that sources dropped before they reached the hub.
    pub events_lost: u64,
    /// Times that a group's backlog ran over.
    pub backlog_overflows: u64,
    /// Events dropped from backlogs, counted once for each group.
    pub backlog_events_dropped: u64,
    /// Results asked for.
    pub resolves: u64,
    /// Results that came for a group that is gone, or twice.
    pub results_stale: u64,
    /// Other inputs about a trigger, group or member that is gone.
    pub inputs_stale: u64,
    /// Responses handed to sinks: one for a group and sink, however many members it has.
    pub delivers: u64,
    /// Times that a group had to wait because a sink had no credit.
    pub credit_waits: u64,
    /// Outages of feeds.
    pub outages: u64,
    /// Outages that were over within the grace time, so that nobody was told.
    pub outages_silent: u64,
    /// Triggers, now.
    pub triggers: u64,
    /// Groups, now (those that only wait for their last results to go out included).
    pub groups: u64,
    /// Members, now (those whose answer still waits for its place included).
    pub members: u64,
    /// Results asked for and not yet released, now. Results of groups that are gone do not count.
    pub in_flight: u64,
    /// Events that wait in backlogs, now, counted once for each group.
    pub backlog_events: u64,
    /// Bytes of payload that wait in backlogs, now, counted once for each group.
    pub backlog_bytes: u64,
}

/// Events of a provider that no group's rule let through, once for each trigger that had them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwanted {
    pub kind: ProviderKind,
    pub provider: ProviderId,
    pub events: u64,
}

/// By provider: there are few.
#[derive(Default)]
pub(super) struct AllUnwanted(pub(super) Vec<Unwanted>);

impl AllUnwanted {
    /// Where a feed's provider counts; `None` for feeds of subgraphs.
    pub(super) fn place(&mut self, feed: &Feed) -> Option<usize> {
        let Feed::Events(feed) = feed else { return None };
        let known = self.0.iter().position(|it| it.kind == feed.kind && it.provider == feed.provider);
        Some(known.unwrap_or_else(|| {
            self.0.push(Unwanted { kind: feed.kind, provider: feed.provider.clone(), events: 0 });
            self.0.len() - 1
        }))
    }

    pub(super) fn count(&mut self, place: Option<usize>) {
        if let Some(it) = place.and_then(|it| self.0.get_mut(it)) {
            it.events += 1;
        }
    }
}

impl Counters {
    /// Counts what so many rules say to an event.
    pub(super) fn count_verdict(&mut self, verdict: Verdict, rules: u64) {
        match verdict {
            Verdict::No => self.events_filtered += rules,
            Verdict::Undecided => self.events_undecided += rules,
            Verdict::Yes => {}
        }
    }
}
