//! Triggers: their life with the source, and what each event means for their groups.

use super::{
    EndReason, GroupId, Hub, Output, TriggerId, TriggerState, groups::Group, matching::Matcher,
    notice::Notice, options::OutagePolicy, rule::Verdict, timers::Timer,
};
use crate::{
    graphql,
    plan::{Event, FeedKey, Position, Receipt},
};
use bytes::Bytes;
use smallvec::SmallVec;
use std::{sync::Arc, time::Instant};

/// A feed someone listens to.
pub(super) struct Trigger {
    pub(super) feed: FeedKey,
    /// Where its provider counts events that nobody wanted.
    pub(super) unwanted: Option<usize>,
    pub(super) state: TriggerState,
    /// Kept for a while without groups, in case someone comes back.
    pub(super) may_linger: bool,
    /// In no particular order, but the same one for the same inputs.
    pub(super) groups: Vec<GroupId>,
    /// The same groups, as events find them.
    pub(super) matcher: Matcher,
    /// Of the newest event in each part.
    pub(super) position: Position,
    /// Set while nobody listens.
    pub(super) lingers_until: Option<Instant>,
    /// Set while the feed is away and nobody was told.
    pub(super) grace_until: Option<Instant>,
    /// The feed is away, and whoever was there when the grace time ran out was told.
    pub(super) outage_told: bool,
}

/// An event as a source reports it.
pub(super) struct Arrived {
    pub(super) position: Position,
    pub(super) payload: Bytes,
    pub(super) labels: Option<Bytes>,
    pub(super) receipt: Option<Receipt>,
}

impl Hub {
    /// The trigger of a feed, started if need be.
    pub(super) fn listen(&mut self, feed: &FeedKey) -> TriggerId {
        let Some(id) = self.triggers_by_feed.get(feed).copied() else { return self.start_trigger(feed) };
        let trigger = self.triggers.get_mut(id).expect("listed triggers are there");
        if let Some(at) = trigger.lingers_until.take() {
            self.timers.cancel(at, id, Timer::Linger);
        }
        id
    }

    fn start_trigger(&mut self, feed: &FeedKey) -> TriggerId {
        let id = self.triggers.insert(Trigger {
            feed: feed.clone(),
            unwanted: self.unwanted.place(&feed.feed),
            state: TriggerState::Starting,
            may_linger: feed.feed.may_linger() && !self.options.trigger_linger.is_zero(),
            groups: Vec::new(),
            matcher: Matcher::default(),
            position: Position::default(),
            lingers_until: None,
            grace_until: None,
            outage_told: false,
        });
        self.triggers_by_feed.insert(feed.clone(), id);
        self.counters.triggers += 1;
        self.counters.triggers_started += 1;
        self.output.push_back(Output::StartTrigger { trigger: id, feed: feed.feed.clone() });
        id
    }

    /// The trigger's last group is gone.
    pub(super) fn linger(&mut self, now: Instant, id: TriggerId) {
        let Some(trigger) = self.triggers.get_mut(id) else { return };
        if !trigger.may_linger {
            return self.stop_trigger(id);
        }
        let until = now + self.options.trigger_linger;
        trigger.lingers_until = Some(until);
        self.timers.set(until, id, Timer::Linger);
    }

    /// The broker remembers what is read for the trigger, so nothing is to be read for nobody.
    pub(super) fn trigger_remembered(&mut self, id: TriggerId) {
        let Some(trigger) = self.known_trigger(id) else { return };
        trigger.may_linger = false;
        if trigger.groups.is_empty() {
            self.stop_trigger(id);
        }
    }

    pub(super) fn linger_over(&mut self, id: TriggerId) {
        if let Some(trigger) = self.triggers.get_mut(id) {
            trigger.lingers_until = None;
            self.stop_trigger(id);
        }
    }

    fn stop_trigger(&mut self, id: TriggerId) {
        if let Some(stopped) = self.forget_trigger(id) {
            self.counters.triggers_stopped += 1;
            self.output.push_back(Output::StopTrigger { trigger: id, feed: stopped.feed.feed });
        }
    }

    /// Takes a trigger out of every list. Its groups are the caller's to end.
    fn forget_trigger(&mut self, id: TriggerId) -> Option<Trigger> {
        let trigger = self.triggers.remove(id)?;
        self.triggers_by_feed.remove(&trigger.feed);
        self.counters.triggers -= 1;
        for (at, timer) in [(trigger.lingers_until, Timer::Linger), (trigger.grace_until, Timer::Grace)] {
            if let Some(at) = at {
                self.timers.cancel(at, id, timer);
            }
        }
        Some(trigger)
    }

    /// Ends groups, each after what it is still due. Who joins from here on gets a new group.
    fn end_groups(&mut self, now: Instant, groups: &[GroupId], reason: &EndReason) {
        for id in groups {
            let group = self.groups.get_mut(*id).expect("listed groups are there");
            group.trigger = None;
            self.groups_by_key.remove(&group.spec.key);
            group.queue.push_end(reason.clone());
            self.advance(now, *id);
        }
    }

    /// The source listens, for the first time or again.
    pub(super) fn trigger_live(&mut self, now: Instant, id: TriggerId) {
        let Some(trigger) = self.known_trigger(id) else { return };
        trigger.state = TriggerState::Live;
        if let Some(at) = trigger.grace_until.take() {
            self.timers.cancel(at, id, Timer::Grace);
            self.counters.outages_silent += 1;
        } else if std::mem::take(&mut trigger.outage_told) {
            // Those who came late missed events as well.
            self.tell_each(now, id, Notice::Unavailable, |it| std::mem::take(&mut it.owed_outage));
        }
    }

    pub(super) fn trigger_failed(&mut self, now: Instant, id: TriggerId, errors: graphql::Errors) {
        if self.known_trigger(id).is_none() {
            return;
        }
        self.counters.triggers_failed += 1;
        if let Some(trigger) = self.forget_trigger(id) {
            self.end_groups(now, &trigger.groups, &EndReason::Errors(errors));
        }
    }

    pub(super) fn trigger_ended(&mut self, now: Instant, id: TriggerId) {
        if self.known_trigger(id).is_none() {
            return;
        }
        self.counters.triggers_ended += 1;
        if let Some(trigger) = self.forget_trigger(id) {
            self.end_groups(now, &trigger.groups, &EndReason::Complete);
        }
    }

    pub(super) fn trigger_interrupted(&mut self, now: Instant, id: TriggerId) {
        let grace = self.options.outage_grace;
        let Some(trigger) = self.known_trigger(id) else { return };
        if trigger.state == TriggerState::Interrupted {
            return;
        }
        let until = now + grace;
        trigger.state = TriggerState::Interrupted;
        trigger.grace_until = Some(until);
        self.counters.outages += 1;
        self.timers.set(until, id, Timer::Grace);
    }

    pub(super) fn grace_over(&mut self, now: Instant, id: TriggerId) {
        let Some(trigger) = self.triggers.get_mut(id) else { return };
        trigger.grace_until = None;
        match self.options.outage_then {
            OutagePolicy::Notify => {
                trigger.outage_told = true;
                self.tell_each(now, id, Notice::Unavailable, |it| {
                    it.owed_outage = false;
                    true
                });
            }
            OutagePolicy::End => {
                let groups = std::mem::take(&mut trigger.groups);
                self.stop_trigger(id);
                self.end_groups(now, &groups, &EndReason::Errors([Notice::Unavailable.error()].into()));
            }
        }
    }

    pub(super) fn lost(&mut self, now: Instant, id: TriggerId, events: u64) {
        if self.known_trigger(id).is_none() || events == 0 {
            return;
        }
        self.counters.events_lost = self.counters.events_lost.saturating_add(events);
        self.tell_each(now, id, Notice::Lost(events), |_| true);
    }

    pub(super) fn gap(&mut self, now: Instant, id: TriggerId) {
        if self.known_trigger(id).is_some() {
            self.tell_each(now, id, Notice::Gap, |_| true);
        }
    }

    /// Puts a notice into the queues of a trigger's groups.
    fn tell_each(&mut self, now: Instant, id: TriggerId, notice: Notice, which: impl Fn(&mut Group) -> bool) {
        for id in self.groups_of(id) {
            let group = self.groups.get_mut(id).expect("listed groups are there");
            if which(group) {
                group.queue.push_notice(notice);
                self.advance(now, id);
            }
        }
    }

    pub(super) fn received(
        &mut self,
        now: Instant,
        id: TriggerId,
        Arrived { position, payload, labels, receipt }: Arrived,
    ) {
        let Some(trigger) = self.known_trigger(id) else { return };
        trigger.position.advance(&position);
        self.counters.events_received += 1;
        let bytes = payload.len() + labels.as_ref().map_or(0, Bytes::len);
        match self.decoder.decode(position, payload, labels) {
            Some(event) => self.distribute(now, id, &Arc::new(event), bytes, receipt.as_ref()),
            None => {
                receipt.iter().for_each(Receipt::settle);
                self.refuse(now, id);
            }
        }
    }

    fn distribute(
        &mut self,
        now: Instant,
        id: TriggerId,
        event: &Arc<Event>,
        bytes: usize,
        receipt: Option<&Receipt>,
    ) {
        let hits = self.matching(id, event);
        if hits.is_empty() {
            // Nobody who listens wants it.
            receipt.into_iter().for_each(Receipt::settle);
        }
        for id in hits {
            let group = self.groups.get_mut(id).expect("listed groups are there");
            group.queue.push_event(event.clone(), bytes, receipt, &self.options, &mut self.counters);
            self.advance(now, id);
        }
    }

    /// The groups of a trigger that an event is for: the one place where that is decided.
    fn matching(&mut self, id: TriggerId, event: &Event) -> SmallVec<[GroupId; 4]> {
        let Some(trigger) = self.triggers.get(id) else { return SmallVec::new() };
        let mut hits = SmallVec::from_slice(trigger.matcher.everything());
        let (unwanted, before) = (trigger.unwanted, self.counters.events_undecided);
        let found = trigger.matcher.find(event);
        self.counters.count_verdict(found.others, found.others_count as u64);
        for id in trigger.matcher.asked().iter().copied().chain(found.candidates) {
            let group = self.groups.get(id).expect("listed groups are there");
            let verdict = group.condition.as_ref().map_or(Verdict::Yes, |it| it.verdict(event));
            self.counters.count_verdict(verdict, 1);
            if verdict == Verdict::Yes {
                hits.push(id);
            }
        }
        // What could not be decided may have been wanted.
        if hits.is_empty() && self.counters.events_undecided == before {
            self.unwanted.count(unwanted);
        }
        hits
    }

    /// Nobody can read the event: groups that take every event are told, those with a rule are not,
    /// because nobody knows whether it was for them.
    fn refuse(&mut self, now: Instant, id: TriggerId) {
        self.counters.events_invalid += 1;
        let told = self.triggers.get(id).map(|it| it.matcher.everything().to_vec());
        for id in told.unwrap_or_default() {
            let group = self.groups.get_mut(id).expect("listed groups are there");
            group.queue.push_invalid(&self.options, &mut self.counters);
            self.advance(now, id);
        }
    }

    /// A copy of the list, because advancing a group needs all of the hub.
    fn groups_of(&self, id: TriggerId) -> Vec<GroupId> {
        self.triggers.get(id).map(|it| it.groups.clone()).unwrap_or_default()
    }

    /// A trigger that a source speaks of; `None`, and counted, when it is gone.
    fn known_trigger(&mut self, id: TriggerId) -> Option<&mut Trigger> {
        let found = self.triggers.get_mut(id);
        self.counters.inputs_stale += u64::from(found.is_none());
        found
    }
}
