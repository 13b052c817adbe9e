//! The circuit breaker: a subgraph that fails too often is left alone for a while.
//!
//! *Closed*, everything passes and failures are counted over a rolling window. *Open*, everything is turned
//! away. Once it has been open for its sleep window it is *half open*: a few attempts show whether the
//! subgraph is well. Knows no clock: it is told the time.

use super::options::BreakerOptions;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Breaker {
    options: BreakerOptions,
    state: State,
    window: Window,
    in_flight: usize,
    /// Grows with every change of state: an attempt from before it has no say after it.
    generation: u64,
}

#[derive(Debug)]
enum State {
    Closed,
    Open {
        until: Instant,
    },
    HalfOpen {
        /// Under way.
        trials: u32,
        succeeded: u32,
    },
}

/// Why an attempt is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Open,
    /// As many attempts as may be are under way.
    Full,
}

/// An attempt that was let through; to be handed back to [`Breaker::report`].
#[must_use]
#[derive(Debug)]
pub(super) struct Pass {
    generation: u64,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Succeeded,
    Failed,
    /// Given up by us, which says nothing about the subgraph.
    Abandoned,
}

impl Breaker {
    pub(super) fn new(options: BreakerOptions) -> Self {
        let window = Window::new(options.rolling_duration, options.buckets);
        Self { options, state: State::Closed, window, in_flight: 0, generation: 0 }
    }

    /// Whether there is trouble: open or half open.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    /// Why an attempt would be turned away now.
    pub(super) fn refusal(&self, now: Instant) -> Option<Refusal> {
        let is_shut = match self.state {
            State::Closed => false,
            State::Open { until } => now < until,
            State::HalfOpen { trials, .. } => trials >= self.options.half_open_attempts.max(1),
        };
        if is_shut {
            return Some(Refusal::Open);
        }
        let is_full = self.options.concurrent_max.is_some_and(|max| self.in_flight >= max.max(1));
        is_full.then_some(Refusal::Full)
    }

    /// Lets an attempt through, or not.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Pass, Refusal> {
        if let Some(refusal) = self.refusal(now) {
            return Err(refusal);
        }
        if matches!(self.state, State::Open { .. }) {
            self.enter(State::HalfOpen { trials: 0, succeeded: 0 });
        }
        if let State::HalfOpen { trials, .. } = &mut self.state {
            *trials += 1;
        }
        self.in_flight += 1;
        Ok(Pass { generation: self.generation })
    }

    /// Hears what became of an attempt.
    pub(super) fn report(&mut self, pass: Pass, verdict: Verdict, now: Instant) {
        self.in_flight -= 1;
        if pass.generation != self.generation {
            return;
        }
        match &mut self.state {
            State::Closed => self.count(verdict, now),
            State::HalfOpen { trials, succeeded } => {
                *trials -= 1;
                *succeeded += u32::from(verdict == Verdict::Succeeded);
                let is_well = *succeeded >= self.options.required_successful.max(1);
                match verdict {
                    Verdict::Failed => self.open(now),
                    _ if is_well => self.enter(State::Closed),
                    _ => {}
                }
            }
            State::Open { .. } => {}
        }
    }

    fn count(&mut self, verdict: Verdict, now: Instant) {
        match verdict {
            Verdict::Succeeded => self.window.bucket(now).succeeded += 1,
            Verdict::Failed => self.window.bucket(now).failed += 1,
            Verdict::Abandoned => return,
        }
        let (failed, all) = self.window.sums();
        let share = u64::from(self.options.error_threshold_percentage);
        if failed > 0 && all >= self.options.request_threshold && failed * 100 >= all * share {
            self.open(now);
        }
    }

    fn open(&mut self, now: Instant) {
        self.enter(State::Open { until: now + self.options.sleep_window });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
        self.window.clear();
    }
}

/// Outcomes of the last while, in buckets of equal length.
#[derive(Debug)]
struct Window {
    /// A ring.
    buckets: Box<[Bucket]>,
    newest: usize,
    /// When the newest bucket began; `None` before the first outcome.
    began: Option<Instant>,
    bucket_time: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    succeeded: u64,
    failed: u64,
}

impl Window {
    fn new(whole: Duration, buckets: usize) -> Self {
        let count = buckets.max(1);
        let bucket_time = whole / u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            buckets: vec![Bucket::default(); count].into(),
            newest: 0,
            began: None,
            bucket_time: bucket_time.max(Duration::from_millis(1)),
        }
    }

    /// The bucket of this moment; those that have left the window are emptied.
    fn bucket(&mut self, now: Instant) -> &mut Bucket {
        let began = *self.began.get_or_insert(now);
        let past = now.saturating_duration_since(began);
        let steps = past.as_nanos() / self.bucket_time.as_nanos();
        for _ in 0..steps.min(self.buckets.len() as u128) {
            self.newest = (self.newest + 1) % self.buckets.len();
            self.buckets[self.newest] = Bucket::default();
        }
        if steps > 0 {
            let into_bucket = (past.as_nanos() % self.bucket_time.as_nanos()) as u64;
            self.began = Some(now - Duration::from_nanos(into_bucket));
        }
        &mut self.buckets[self.newest]
    }

    /// Failures and outcomes in all. Right after [`Window::bucket`].
    fn sums(&self) -> (u64, u64) {
        let failed = self.buckets.iter().map(|it| it.failed).sum();
        (failed, failed + self.buckets.iter().map(|it| it.succeeded).sum::<u64>())
    }

    fn clear(&mut self) {
        self.buckets.fill(Bucket::default());
        self.began = None;
    }
}

#[cfg(test)]
mod tests;
