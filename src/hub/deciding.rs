//! The hub itself: its state, and which input is whose work.

use super::{
    Counters, GroupId, Input, Options, Output, Sink, TriggerId, Unwanted,
    counters::AllUnwanted,
    decoder::Decoder,
    groups::Group,
    slab::Slab,
    timers::{Timer, Timers},
    triggers::{Arrived, Trigger},
};
use crate::plan::{Event, FeedKey, GroupKey};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Instant,
};

/// Decides who gets which event, in which order. See the module's head.
///
/// Whoever drives it hands in inputs with [`Hub::handle`], empties [`Hub::poll_output`] after each one
/// (what one input causes is bounded by its trigger's groups and members), and calls
/// [`Hub::fire_timers`] when [`Hub::next_deadline`] has come. Equal inputs at equal times give equal
/// outputs, in the same order.
pub struct Hub {
    pub(super) options: Options,
    pub(super) triggers: Slab<TriggerId, Trigger>,
    pub(super) groups: Slab<GroupId, Group>,
    // Maps are only ever looked up in, never walked: their order is chance.
    pub(super) triggers_by_feed: HashMap<FeedKey, TriggerId>,
    pub(super) groups_by_key: HashMap<GroupKey, GroupId>,
    pub(super) timers: Timers,
    pub(super) credits: [u32; Sink::ALL.len()],
    pub(super) creditless: [Creditless; Sink::ALL.len()],
    pub(super) output: VecDeque<Output>,
    pub(super) counters: Counters,
    pub(super) unwanted: AllUnwanted,
    pub(super) decoder: Decoder,
}

/// Groups that wait for one sink's credit, first come first served. Each is in here at most once.
#[derive(Default)]
pub(super) struct Creditless {
    pub(super) next_ticket: u64,
    pub(super) groups: BTreeMap<u64, GroupId>,
}

impl Hub {
    pub fn new(options: Options) -> Self {
        Self {
            credits: [options.credits; Sink::ALL.len()],
            options,
            triggers: Slab::new(),
            groups: Slab::new(),
            triggers_by_feed: HashMap::new(),
            groups_by_key: HashMap::new(),
            timers: Timers::default(),
            creditless: Default::default(),
            output: VecDeque::new(),
            counters: Counters::default(),
            unwanted: AllUnwanted::default(),
            decoder: Decoder::default(),
        }
    }

    /// Takes in what happened. Inputs about triggers, groups and jobs that are gone change nothing but
    /// a counter.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Join { member, spec } => self.join(now, member, spec),
            Input::Leave { group, sink } => self.leave(now, group, sink),
            Input::TriggerLive { trigger } => self.trigger_live(now, trigger),
            Input::TriggerRemembered { trigger } => self.trigger_remembered(trigger),
            Input::TriggerFailed { trigger, errors } => self.trigger_failed(now, trigger, errors),
            Input::TriggerEnded { trigger } => self.trigger_ended(now, trigger),
            Input::TriggerInterrupted { trigger } => self.trigger_interrupted(now, trigger),
            Input::TriggerRestored { trigger } => self.trigger_live(now, trigger),
            Input::Received { trigger, position, payload } => {
                self.received(now, trigger, Arrived { position, payload, labels: None, receipt: None });
            }
            Input::Labelled { trigger, position, payload, labels } => {
                let labels = Some(labels);
                self.received(now, trigger, Arrived { position, payload, labels, receipt: None });
            }
            Input::Kept { trigger, position, payload, receipt } => {
                let receipt = Some(receipt);
                self.received(now, trigger, Arrived { position, payload, labels: None, receipt });
            }
            Input::Lost { trigger, events } => self.lost(now, trigger, events),
            Input::Gap { trigger } => self.gap(now, trigger),
            Input::Resolved { job, response } => self.resolved(now, job, response),
            Input::Credit { sink, deliveries } => self.credit(now, sink, deliveries),
        }
    }

    /// The next thing to be done, in order; `None` when nothing is left.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// Takes back an event that [`Output::Resolve`] gave out, so that one to come is decoded into its memory. Whoever keeps
    /// it instead does no harm.
    pub fn give_back(&mut self, event: Arc<Event>) {
        // Others may be at work on it still: the last one brings it.
        if let Some(event) = Arc::into_inner(event) {
            self.decoder.reuse(event.document);
        }
    }

    /// When [`Hub::fire_timers`] is next due. Calling it late does no harm.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Carries out what is due by `now`.
    pub fn fire_timers(&mut self, now: Instant) {
        while let Some((trigger, timer)) = self.timers.pop_due(now) {
            match timer {
                Timer::Linger => self.linger_over(trigger),
                Timer::Grace => self.grace_over(now, trigger),
            }
        }
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// By provider, as far as somebody listened to one.
    pub fn unwanted(&self) -> &[Unwanted] {
        &self.unwanted.0
    }

    /// Whether nothing is left to do, now or later: no trigger, no group, no output.
    pub fn is_idle(&self) -> bool {
        self.counters.triggers == 0 && self.counters.groups == 0 && self.output.is_empty()
    }
}
