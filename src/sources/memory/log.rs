//! The replay log of a memory provider: the newest events, bounded in number and bytes.

use crate::{plan::Position, sources::LogStatus};
use bytes::Bytes;
use std::{collections::VecDeque, sync::Arc};

/// A published event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) sequence: u64,
    pub(super) subject: Arc<str>,
    pub(super) payload: Bytes,
}

impl Logged {
    fn cost(&self) -> usize {
        self.payload.len() + self.subject.len()
    }
}

/// Sequences count from 1, without gaps. The oldest events fall out.
#[derive(Debug)]
pub(super) struct Log {
    events: VecDeque<Logged>,
    bytes: usize,
    events_max: usize,
    bytes_max: usize,
    last: u64,
}

impl Log {
    pub(super) fn new(events_max: usize, bytes_max: usize) -> Self {
        Self { events: VecDeque::new(), bytes: 0, events_max, bytes_max, last: 0 }
    }

    /// Gives an event its sequence and remembers it as long as there is room.
    pub(super) fn append(&mut self, subject: Arc<str>, payload: Bytes) -> u64 {
        self.last += 1;
        let event = Logged { sequence: self.last, subject, payload };
        self.bytes += event.cost();
        self.events.push_back(event);
        while self.events.len() > self.events_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.cost();
        }
        self.last
    }

    pub(super) fn status(&self) -> LogStatus {
        LogStatus {
            events: self.events.len(),
            bytes: self.bytes,
            first: self.events.front().map(|it| Position::single(it.sequence)),
            last: (self.last > 0).then(|| Position::single(self.last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_events_fall_out() {
        let mut log = Log::new(3, 1000);
        for n in 1..=5 {
            assert_eq!(log.append("s".into(), Bytes::from(vec![b'x'; 9])), n);
        }
        let sequences: Vec<u64> = log.events.iter().map(|it| it.sequence).collect();
        assert_eq!(sequences, [3, 4, 5]);
        let expected = LogStatus {
            events: 3,
            bytes: 30,
            first: Some(Position::single(3)),
            last: Some(Position::single(5)),
        };
        assert_eq!(log.status(), expected);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut log = Log::new(100, 25);
        for _ in 0..4 {
            log.append("s".into(), Bytes::from_static(b"123456789"));
        }
        assert_eq!((log.status().events, log.status().bytes), (2, 20));
        assert_eq!(log.append("s".into(), Bytes::from(vec![0; 100])), 5, "too large to keep, but published");
        assert_eq!((log.status().events, log.status().bytes), (0, 0));
        assert_eq!(log.status().last, Some(Position::single(5)));
    }
}
