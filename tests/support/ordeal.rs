//! One feed behind a line that breaks again and again: what must hold of every adapter.

#![allow(dead_code, reason = "each test file uses its own part")]

use super::{
    faults::{Damage, FaultyLine},
    sources::Rig,
};
use juga::{
    plan::EventFeed,
    sources::{Report, Ticket},
};
use std::time::{Duration, Instant};

/// How long the router may take to notice a fault, or to be over it.
const PATIENCE: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(20);

/// A feed, its provider's line, and the broker behind it.
pub(crate) struct Ordeal<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) line: &'a FaultyLine,
    /// The provider's id.
    pub(crate) provider: &'a str,
    pub(crate) feed: EventFeed,
    /// Publishes a payload that the feed is to bring, past the line.
    pub(crate) publish: &'a mut dyn FnMut(&str),
    /// How many subscriptions or connections the broker has because of feeds.
    pub(crate) listening: &'a dyn Fn() -> usize,
    /// The feed reads on where it was: an outage loses nothing and is told or not.
    pub(crate) replays: bool,
    /// Bytes may be damaged too, beside cuts and silence.
    pub(crate) garbles: bool,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Cut,
    /// Gone, until the provider says that it is down.
    Gone,
    /// Silent, until the provider says that it is down; then what was held back comes.
    Stalled,
    /// The same, and then the connections are cut.
    StalledAndCut,
    /// Silent for a moment.
    Hiccup,
    Garbled(Damage),
}

const FAULTS: [Fault; 8] = [
    Fault::Cut,
    Fault::Gone,
    Fault::Stalled,
    Fault::StalledAndCut,
    Fault::Hiccup,
    Fault::Garbled(Damage::Flipped),
    Fault::Garbled(Damage::Inserted),
    Fault::Garbled(Damage::Missing),
];

/// What a feed has reported so far, checked as it comes.
#[derive(Debug, Default)]
struct Story {
    is_live: bool,
    is_interrupted: bool,
    /// Numbers of events, in their order.
    numbers: Vec<u64>,
    /// Events whose payload was damaged on its way.
    unreadable: usize,
}

impl Story {
    #[track_caller]
    fn add(&mut self, report: Report) {
        match report {
            Report::Live => assert!(!std::mem::replace(&mut self.is_live, true), "live twice: {self:?}"),
            Report::Interrupted => {
                assert!(!std::mem::replace(&mut self.is_interrupted, true), "interrupted twice: {self:?}");
            }
            Report::Restored => {
                assert!(std::mem::take(&mut self.is_interrupted), "restored for no reason: {self:?}");
            }
            Report::Event { payload, .. }
            | Report::Labelled { payload, .. }
            | Report::Kept { payload, .. } => {
                assert!(self.is_live, "an event before it is live: {self:?}");
                match std::str::from_utf8(&payload).ok().and_then(|it| it.parse().ok()) {
                    Some(number) => {
                        let last = self.numbers.last().copied().unwrap_or(0);
                        assert!(number > last, "{number} behind {last}");
                        self.numbers.push(number);
                    }
                    None => self.unreadable += 1,
                }
            }
            Report::Remembered | Report::Lost(_) | Report::Gap => {}
            Report::Failed(_) | Report::Ended => panic!("it ended: {report:?}"),
        }
    }
}

impl Ordeal<'_> {
    /// Every fault, in an order that follows from the seed, and that often. Says what came of it.
    pub(crate) fn survive(mut self, seed: u64, times: usize) -> String {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut faults = FAULTS.repeat(times);
        faults.retain(|it| self.garbles || !matches!(it, Fault::Garbled(_)));
        random.shuffle(&mut faults);
        let (mut story, mut published) = (Story::default(), 0);
        self.rig.sources().start(Ticket(1), &self.feed);
        self.flows(&mut story, &mut published, &"the start");
        for fault in faults {
            self.tell(&mut published);
            self.befall(fault, &mut story, &mut published);
            self.flows(&mut story, &mut published, &fault);
            self.until(&mut story, &format!("it is up after {fault:?}"), |it| it.is_up());
        }
        if self.replays {
            let missing = published as usize - story.numbers.len();
            assert!(missing <= story.unreadable, "{missing} missing: {story:?}");
        }
        assert_eq!(self.status().restarts, 0, "nothing panicked and nothing gave up");
        self.ends(Ticket(1), &mut story);

        let (mut another, mut anew) = (Story::default(), published);
        self.rig.sources().start(Ticket(2), &self.feed);
        self.flows_to(Ticket(2), &mut another, &mut anew, &"a new start");
        self.ends(Ticket(2), &mut another);
        format!("seed {seed}: {} of {published} events, {} damaged", story.numbers.len(), story.unreadable)
    }

    fn befall(&mut self, fault: Fault, story: &mut Story, published: &mut u64) {
        match fault {
            Fault::Cut => self.line.cut(),
            Fault::Gone => {
                self.line.close();
                self.until(story, "it is down", |it| !it.is_up());
                self.tell(published);
                self.line.open();
            }
            Fault::Stalled | Fault::StalledAndCut => {
                self.line.stall();
                self.tell(published);
                self.until(story, "silence is noticed", |it| !it.is_up());
                if matches!(fault, Fault::StalledAndCut) {
                    self.line.cut();
                }
                self.line.open();
            }
            Fault::Hiccup => {
                self.line.stall();
                self.tell(published);
                self.hear(Ticket(1), story, SOON);
                self.line.open();
            }
            Fault::Garbled(damage) => {
                self.line.garble(damage);
                (0..3).for_each(|_| self.tell(published));
            }
        }
    }

    fn tell(&mut self, published: &mut u64) {
        *published += 1;
        (self.publish)(&published.to_string());
    }

    fn flows(&mut self, story: &mut Story, published: &mut u64, after: &dyn std::fmt::Debug) {
        self.flows_to(Ticket(1), story, published, after);
    }

    /// Publishes until an event that is published from here on has come, and nothing is out of order.
    #[track_caller]
    fn flows_to(
        &mut self,
        ticket: Ticket,
        story: &mut Story,
        published: &mut u64,
        after: &dyn std::fmt::Debug,
    ) {
        let (begin, from, damaged) = (Instant::now(), *published, story.unreadable);
        loop {
            self.hear(ticket, story, SOON);
            let last = story.numbers.last().copied().unwrap_or(0);
            let came = if self.replays { last == *published } else { last > from };
            if came && *published > from && !story.is_interrupted {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "nothing comes after {after:?}: {story:?}");
            // What is kept need not be said again, unless it came damaged.
            let said = *published - from;
            if !self.replays || (story.is_live && said <= (story.unreadable - damaged) as u64) {
                self.tell(published);
            }
        }
    }

    fn hear(&self, ticket: Ticket, story: &mut Story, patience: Duration) {
        while let Some(report) = self.rig.sink.next_within(ticket, patience) {
            story.add(report);
        }
    }

    #[track_caller]
    fn until(&self, story: &mut Story, what: &str, holds: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !holds(self) {
            self.hear(Ticket(1), story, SOON);
            assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}: {story:?}");
        }
    }

    fn ends(&self, ticket: Ticket, story: &mut Story) {
        self.rig.sources().stop(ticket);
        let begin = Instant::now();
        while (self.listening)() > 0 {
            assert!(begin.elapsed() < PATIENCE, "a subscription is left behind");
            self.hear(ticket, story, SOON);
        }
        assert_eq!(self.status().feeds, 0);
    }

    fn is_up(&self) -> bool {
        self.status().up
    }

    fn status(&self) -> juga::sources::ProviderStatus {
        self.rig.status(self.provider)
    }
}
