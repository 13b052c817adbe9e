//! Doing something to many, a few at a time, so that clients do not all come back at once.

use std::time::{Duration, Instant};

/// What is to be done to each of these, spread evenly over some time.
#[derive(Debug)]
pub(super) struct Spread<T> {
    began: Instant,
    length: Duration,
    items: Vec<T>,
    done: usize,
}

impl<T: Copy> Spread<T> {
    pub(super) fn new(now: Instant, length: Duration, items: Vec<T>) -> Self {
        Self { began: now, length, items, done: 0 }
    }

    /// Those whose turn has come since the last time.
    pub(super) fn due(&mut self, now: Instant) -> Vec<T> {
        let passed = now.saturating_duration_since(self.began).as_secs_f64();
        let share = if self.length.is_zero() { 1.0 } else { passed / self.length.as_secs_f64() };
        let due = (self.items.len() as f64 * share).ceil() as usize;
        let due = due.clamp(self.done, self.items.len());
        let since = std::mem::replace(&mut self.done, due);
        self.items[since..due].to_vec()
    }

    pub(super) fn is_over(&self) -> bool {
        self.done == self.items.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::clock;

    #[test]
    fn everybody_gets_their_turn_once_and_in_time() {
        let start = clock::now();
        let mut spread = Spread::new(start, Duration::from_secs(10), (0..100).collect());
        assert_eq!(spread.due(start), Vec::<i32>::new());
        assert_eq!(spread.due(start + Duration::from_secs(1)), (0..10).collect::<Vec<_>>());
        assert_eq!(spread.due(start + Duration::from_secs(1)), Vec::<i32>::new());
        assert!(!spread.is_over());
        assert_eq!(spread.due(start + Duration::from_secs(60)), (10..100).collect::<Vec<_>>());
        assert!(spread.is_over());
    }

    #[test]
    fn without_a_time_everybody_is_due_at_once() {
        let start = clock::now();
        assert_eq!(Spread::new(start, Duration::ZERO, vec![1, 2]).due(start), [1, 2]);
    }
}
