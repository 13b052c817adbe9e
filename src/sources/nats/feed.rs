//! One running feed: its subscriptions, and what it has for the hub.

use super::{
    marks::is_mark,
    ready::{Bell, Ready},
};
use crate::{
    plan::Position,
    sources::{
        FeedBacklog, FeedSink, Report, Ticket,
        outbox::{Outbox, Pushed},
        subject::SubjectSet,
    },
};
use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use smallvec::SmallVec;
use std::{
    sync::Arc,
    task::{Context, Poll},
};

/// Events of one subject that are taken before others have their turn.
const EVENTS_A_TURN: usize = 64;

/// The client library's ends of a feed's subscriptions: one per subject, in their order.
pub(super) type Taps = SmallVec<[Subscriber; 1]>;

pub(super) struct Feed {
    ticket: Ticket,
    pub(super) subjects: SubjectSet,
    outbox: Outbox,
    bell: Arc<Bell>,
    taps: Taps,
    /// The server has confirmed its subscriptions, and the library repeats them.
    pub(super) is_started: bool,
    is_live: bool,
    is_interrupted: bool,
    /// It failed; it is here until the hub has been told.
    is_over: bool,
    /// Events so far: the position of the last one.
    position: u64,
}

/// What came of a look at a feed's subscriptions.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) received: u64,
    pub(super) dropped: u64,
    pub(super) skipped: u64,
    /// There was room until now.
    pub(super) begins_to_lose: bool,
    /// One of them will bring no more.
    pub(super) is_closed: bool,
}

/// What the hub took of a feed's reports.
pub(super) enum Told {
    All,
    /// All, and it is over.
    Last,
    /// The hub has no room.
    Blocked,
    /// As before: it waits for room already.
    StillBlocked,
}

impl Feed {
    pub(super) fn new(
        ticket: Ticket,
        subjects: SubjectSet,
        backlog: FeedBacklog,
        ready: &Arc<Ready>,
    ) -> Self {
        Self {
            ticket,
            subjects,
            outbox: Outbox::new(backlog),
            bell: Bell::new(ticket, ready),
            taps: Taps::new(),
            is_started: false,
            is_live: false,
            is_interrupted: false,
            is_over: false,
            position: 0,
        }
    }

    /// The server has all of its subscriptions; the connection may be lost again already.
    pub(super) fn start(&mut self, taps: Taps, is_up: bool) {
        (self.taps, self.is_started) = (taps, true);
        // Something may have come already.
        self.bell.ring();
        self.follow(is_up, 0);
    }

    /// Its subscriptions are gone, or to be given up.
    pub(super) fn disconnect(&mut self) {
        self.taps.clear();
        self.is_started = false;
        self.interrupt();
    }

    /// Takes what has come, in turns between the subjects, and asks for another look when there is more.
    pub(super) fn hear(&mut self) -> Heard {
        let mut heard = Heard::default();
        let waker = self.bell.answer();
        let mut context = Context::from_waker(&waker);
        for _ in 0..EVENTS_A_TURN {
            let mut is_quiet = true;
            for index in 0..self.taps.len() {
                match self.taps[index].poll_next_unpin(&mut context) {
                    Poll::Ready(Some(message)) => {
                        is_quiet = false;
                        self.receive(index, message, &mut heard);
                    }
                    Poll::Ready(None) => heard.is_closed = true,
                    Poll::Pending => {}
                }
            }
            if heard.is_closed || is_quiet {
                return heard;
            }
        }
        self.bell.ring();
        heard
    }

    fn receive(&mut self, index: usize, message: Message, heard: &mut Heard) {
        if self.is_over || !self.subjects.is_first(index, &message.subject) {
            return;
        }
        if is_mark(&message) {
            heard.skipped += 1;
            return;
        }
        heard.received += 1;
        self.position += 1;
        let pushed = self.outbox.push_event(Position::single(self.position), message.payload);
        if let Pushed::Dropped { is_first } = pushed {
            heard.dropped += 1;
            heard.begins_to_lose |= is_first;
        }
    }

    /// Follows the connection.
    pub(super) fn follow(&mut self, is_up: bool, lost: u64) {
        if lost > 0 && self.is_live {
            // The library does not say whose: a false alarm is better than silence.
            self.outbox.push_lost(lost);
        }
        if !is_up {
            self.interrupt();
        } else if self.is_started {
            self.restore();
        }
    }

    pub(super) fn interrupt(&mut self) {
        if !self.is_over && !std::mem::replace(&mut self.is_interrupted, true) {
            self.outbox.push(Report::Interrupted);
        }
    }

    fn restore(&mut self) {
        if self.is_over {
            return;
        }
        if !std::mem::replace(&mut self.is_live, true) {
            self.outbox.push(Report::Live);
        }
        if std::mem::replace(&mut self.is_interrupted, false) {
            self.outbox.push(Report::Restored);
        }
    }

    /// For good.
    pub(super) fn fail(&mut self, report: Report) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.taps.clear();
            self.outbox.push(report);
        }
    }

    /// Hands over what it has, unless it waits for room already.
    pub(super) fn flush(&mut self, sink: &dyn FeedSink) -> Told {
        if self.outbox.is_blocked() {
            return Told::StillBlocked;
        }
        self.outbox.flush(sink, self.ticket);
        match (self.outbox.is_blocked(), self.is_over) {
            (true, _) => Told::Blocked,
            (false, true) => Told::Last,
            (false, false) => Told::All,
        }
    }

    /// Done when there may be room.
    pub(super) async fn unblocked(&mut self) {
        self.outbox.unblocked().await;
    }
}
