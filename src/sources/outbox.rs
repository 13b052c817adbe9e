//! What one feed has for the hub while the hub's queue is full.

use crate::{
    plan::Position,
    sources::{FeedSink, Report, Ticket, options::FeedBacklog},
};
use bytes::Bytes;
use std::{collections::VecDeque, future::Future, pin::Pin};

/// Reports in their order. Bounded: events by number and bytes, losses and interruptions by melting
/// together with their like.
pub(super) struct Outbox {
    limits: FeedBacklog,
    reports: VecDeque<Report>,
    events: usize,
    bytes: usize,
    /// Something was dropped since it was last empty.
    is_losing: bool,
    room: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Queued,
    /// There is no room for it. The first one since the queue was empty is worth a line in the log.
    Dropped {
        is_first: bool,
    },
}

impl Outbox {
    pub(super) fn new(limits: FeedBacklog) -> Self {
        Self { limits, reports: VecDeque::new(), events: 0, bytes: 0, is_losing: false, room: None }
    }

    /// Queues an event, or drops it and has that told.
    pub(super) fn push_event(&mut self, position: Position, payload: Bytes) -> Pushed {
        if self.events >= self.limits.events || self.bytes + payload.len() > self.limits.bytes {
            self.push_lost(1);
            return Pushed::Dropped { is_first: !std::mem::replace(&mut self.is_losing, true) };
        }
        self.events += 1;
        self.bytes += payload.len();
        self.reports.push_back(Report::Event { position, payload });
        Pushed::Queued
    }

    pub(super) fn push_lost(&mut self, events: u64) {
        match self.reports.back_mut() {
            Some(Report::Lost(before)) => *before += events,
            _ => self.reports.push_back(Report::Lost(events)),
        }
    }

    /// Queues any other report.
    pub(super) fn push(&mut self, report: Report) {
        let goes_on = report == Report::Interrupted && self.reports.back() == Some(&Report::Restored);
        if goes_on {
            self.reports.pop_back();
        } else {
            self.reports.push_back(report);
        }
    }

    /// Hands over as much as the sink takes.
    pub(super) fn flush(&mut self, sink: &dyn FeedSink, ticket: Ticket) {
        while self.room.is_none() {
            let Some(report) = self.reports.pop_front() else {
                self.is_losing = false;
                return;
            };
            let size = match &report {
                Report::Event { payload, .. } => Some(payload.len()),
                _ => None,
            };
            match sink.try_send(ticket, report) {
                Ok(()) => {
                    self.events -= usize::from(size.is_some());
                    self.bytes -= size.unwrap_or(0);
                }
                Err(refused) => {
                    self.reports.push_front(refused);
                    self.room = Some(sink.room());
                }
            }
        }
    }

    /// Whether reports wait for room.
    pub(super) fn is_blocked(&self) -> bool {
        self.room.is_some()
    }

    /// Done when [`Outbox::flush`] should be tried again; at once if nothing is in its way.
    pub(super) async fn unblocked(&mut self) {
        if let Some(room) = &mut self.room {
            room.await;
            self.room = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Takes as many reports as it has room for.
    #[derive(Default)]
    struct Narrow(Mutex<(usize, Vec<Report>)>);

    impl Narrow {
        fn with_room(room: usize) -> Self {
            Self(Mutex::new((room, Vec::new())))
        }
        fn taken(&self) -> Vec<Report> {
            std::mem::take(&mut self.0.lock().expect("not poisoned").1)
        }
    }

    impl FeedSink for Narrow {
        fn try_send(&self, _: Ticket, report: Report) -> Result<(), Report> {
            let mut inner = self.0.lock().expect("not poisoned");
            if inner.0 == 0 {
                return Err(report);
            }
            inner.0 -= 1;
            inner.1.push(report);
            Ok(())
        }
        fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::ready(()))
        }
    }

    fn event(n: u64) -> Report {
        Report::Event { position: Position::single(n), payload: Bytes::from_static(b"{}") }
    }

    fn push(outbox: &mut Outbox, n: u64) -> bool {
        outbox.push_event(Position::single(n), Bytes::from_static(b"{}")) == Pushed::Queued
    }

    #[test]
    fn what_does_not_fit_is_dropped_counted_and_told_at_its_place() {
        let mut outbox = Outbox::new(FeedBacklog::default());
        let total = FeedBacklog::EVENTS as u64 + 3;
        let kept = (1..=total).filter(|n| push(&mut outbox, *n)).count();
        assert_eq!(kept, FeedBacklog::EVENTS);

        let sink = Narrow::with_room(1);
        outbox.flush(&sink, Ticket(1));
        assert!(outbox.is_blocked());
        assert_eq!(sink.taken(), [event(1)]);
        assert!(push(&mut outbox, total + 1), "one went out, so one fits");

        let wide = Narrow::with_room(usize::MAX);
        futures_util::FutureExt::now_or_never(outbox.unblocked()).expect("room is ready");
        outbox.flush(&wide, Ticket(1));
        let taken = wide.taken();
        assert_eq!(taken.len(), FeedBacklog::EVENTS - 1 + 2);
        assert_eq!(taken[taken.len() - 2..], [Report::Lost(3), event(total + 1)]);
        assert_eq!((outbox.events, outbox.bytes), (0, 0));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut outbox = Outbox::new(FeedBacklog::default());
        let mut put = |bytes: usize| outbox.push_event(Position::single(1), Bytes::from(vec![0; bytes]));
        assert_eq!(put(FeedBacklog::BYTES - 1), Pushed::Queued);
        assert_eq!(put(2), Pushed::Dropped { is_first: true });
        assert_eq!(put(1), Pushed::Queued);
        assert_eq!(put(1), Pushed::Dropped { is_first: false });
        outbox.flush(&Narrow::with_room(9), Ticket(1));
        let large = Bytes::from(vec![0; FeedBacklog::BYTES + 1]);
        assert_eq!(outbox.push_event(Position::single(1), large), Pushed::Dropped { is_first: true });
    }

    #[test]
    fn a_flapping_broker_does_not_fill_the_queue() {
        let mut outbox = Outbox::new(FeedBacklog::default());
        for _ in 0..100 {
            outbox.push(Report::Interrupted);
            outbox.push(Report::Restored);
        }
        let sink = Narrow::with_room(9);
        outbox.flush(&sink, Ticket(1));
        assert_eq!(sink.taken(), [Report::Interrupted, Report::Restored]);
    }
}
