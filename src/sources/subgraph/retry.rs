//! Whether and when a query that failed is sent again.
//!
//! Knows no clock and no chance: both are given to it.

use super::options::RetryOptions;
use crate::resolve::FetchError;
use std::time::Duration;

/// An attempt that brought no usable answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) error: FetchError,
    /// How long the subgraph asks us to stay away (`Retry-After`).
    pub(super) retry_after: Option<Duration>,
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self { error, retry_after: None }
    }
}

/// The longest first wait where nothing says "later".
const SOON: Duration = Duration::from_millis(100);
/// The longest wait then.
const SOON_MAX: Duration = Duration::from_secs(1);

/// The attempts of one fetch.
#[derive(Debug)]
pub(super) struct Retry<'a> {
    /// `None`: there is no second attempt.
    options: Option<&'a RetryOptions>,
    /// Attempts after the first, so far.
    retries: u32,
}

impl<'a> Retry<'a> {
    pub(super) fn new(options: Option<&'a RetryOptions>) -> Self {
        Self { options, retries: 0 }
    }

    /// Whether one attempt has failed so far.
    pub(super) fn is_first(&self) -> bool {
        self.retries == 1
    }

    /// How long to wait before the next attempt; `None` when this failure is final. `left` is the time
    /// until the fetch as a whole ends, `chance` lies in `0.0..1.0`.
    pub(super) fn after(&mut self, failure: &Failure, left: Duration, chance: f64) -> Option<Duration> {
        let options = self.options.filter(|it| self.retries < it.attempts_max && may_pass(&failure.error))?;
        let wait = match failure.retry_after {
            Some(asked) => asked.min(options.wait_max),
            None => backoff(options, self.retries, says_later(&failure.error)).mul_f64(chance),
        };
        // No attempt could follow: whoever waits learns of the failure now.
        if wait >= left {
            return None;
        }
        self.retries += 1;
        Some(wait)
    }
}

/// The longest wait, before chance makes it shorter. Full jitter: clients that failed together come back
/// spread over all of it.
///
/// A subgraph that says "later" gets the time that the configuration has for it. Where nothing says so (nobody is
/// there, a proxy finds nobody), whoever asked waits for no other reason than that another attempt may do: soon,
/// and not for long.
fn backoff(options: &RetryOptions, retries: u32, later: bool) -> Duration {
    let (first, max) = match later {
        true => (options.interval, options.wait_max),
        false => (options.interval.min(SOON), options.wait_max.min(SOON_MAX)),
    };
    first.saturating_mul(2u32.saturating_pow(retries)).min(max)
}

/// Whether a failure asks for patience, though it does not say for how much.
fn says_later(error: &FetchError) -> bool {
    matches!(error, FetchError::Status(429 | 503))
}

/// Whether the same query may well be answered the next time.
fn may_pass(error: &FetchError) -> bool {
    match error {
        FetchError::Unreachable(_) | FetchError::Timeout(_) => true,
        FetchError::Status(status) => matches!(status, 429 | 500 | 502 | 503 | 504),
        FetchError::Malformed(_) | FetchError::Rejected(_) | FetchError::Files(_) | FetchError::Stopping => {
            false
        }
    }
}

/// How long to wait before a lost subscription is asked for again, after so many attempts in a row that
/// came to nothing. Between half of a wait that doubles and all of it, by `chance` in `0.0..=1.0`, so that
/// not all come back at once.
pub fn reconnect_wait(attempts: u32, chance: f64) -> Duration {
    const FIRST: Duration = Duration::from_millis(500);
    const MAX: Duration = Duration::from_secs(30);
    let wait = FIRST.saturating_mul(2u32.saturating_pow(attempts)).min(MAX);
    wait / 2 + wait.mul_f64(chance) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGES: Duration = Duration::from_secs(1000);

    fn options() -> RetryOptions {
        RetryOptions { attempts_max: 5, interval: seconds(3), wait_max: seconds(10) }
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn status(status: u16, retry_after: Option<u64>) -> Failure {
        Failure { error: FetchError::Status(status), retry_after: retry_after.map(seconds) }
    }

    /// The waits until it gives up.
    fn waits(options: &RetryOptions, failure: &Failure, left: Duration, chance: f64) -> Vec<u64> {
        let mut retry = Retry::new(Some(options));
        std::iter::from_fn(|| retry.after(failure, left, chance)).map(|it| it.as_millis() as u64).collect()
    }

    #[test]
    fn waits_double_up_to_their_bound_and_chance_takes_any_part_of_them() {
        let failure = status(503, None);
        assert_eq!(waits(&options(), &failure, AGES, 0.0), [0; 5]);
        assert_eq!(waits(&options(), &failure, AGES, 0.5), [1500, 3000, 5000, 5000, 5000]);
        let many = RetryOptions { attempts_max: 100, ..options() };
        let last = waits(&many, &failure, AGES, 0.999).pop();
        assert_eq!(last, Some(9990), "no overflow however many there are");
    }

    #[test]
    fn nobody_waits_long_where_nothing_says_later() {
        let soon = [50, 100, 200, 400, 500];
        for error in [
            FetchError::Unreachable("refused".into()),
            FetchError::Timeout(AGES),
            FetchError::Status(500),
            FetchError::Status(502),
            FetchError::Status(504),
        ] {
            assert_eq!(waits(&options(), &error.clone().into(), AGES, 0.5), soon, "{error}");
        }
        for status in [429, 503] {
            assert_eq!(waits(&options(), &FetchError::Status(status).into(), AGES, 0.5)[0], 1500, "{status}");
        }
        let sooner = RetryOptions { interval: Duration::from_millis(10), ..options() };
        let refused = FetchError::Unreachable("refused".into()).into();
        assert_eq!(
            waits(&sooner, &refused, AGES, 0.5),
            [5, 10, 20, 40, 80],
            "the configuration's bounds hold"
        );
    }

    #[test]
    fn a_wish_of_the_subgraphs_is_granted_up_to_the_bound() {
        assert_eq!(waits(&options(), &status(429, Some(2)), AGES, 0.5), [2000; 5]);
        assert_eq!(waits(&options(), &status(429, Some(3600)), AGES, 0.5), [10_000; 5]);
    }

    #[test]
    fn nobody_waits_for_an_attempt_that_would_come_too_late() {
        assert_eq!(waits(&options(), &status(503, None), seconds(4), 0.5), [1500, 3000]);
        assert_eq!(waits(&options(), &status(503, Some(4)), seconds(4), 0.5), [0u64; 0]);
        assert_eq!(waits(&options(), &status(503, None), Duration::ZERO, 0.0), [0u64; 0]);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let tries = |error| waits(&options(), &Failure::from(error), AGES, 0.0).len();
        for passing in [429, 500, 502, 503, 504] {
            assert_eq!(tries(FetchError::Status(passing)), 5, "{passing}");
        }
        for lasting in [400, 401, 404, 422, 501] {
            assert_eq!(tries(FetchError::Status(lasting)), 0, "{lasting}");
        }
        assert_eq!(tries(FetchError::Unreachable(String::new())), 5);
        assert_eq!(tries(FetchError::Timeout(AGES)), 5);
        assert_eq!(tries(FetchError::Malformed(String::new())), 0);
        assert_eq!(tries(FetchError::Rejected("circuit breaker open")), 0);
        assert_eq!(tries(FetchError::Stopping), 0);
    }

    #[test]
    fn without_options_there_is_one_attempt() {
        assert_eq!(Retry::new(None).after(&status(503, None), AGES, 0.0), None);
    }

    #[test]
    fn a_lost_subscription_is_asked_for_ever_more_rarely() {
        let waits = [0, 1, 2, 5, 6, 40]
            .map(|it| [reconnect_wait(it, 0.0), reconnect_wait(it, 1.0)].map(|it| it.as_millis()));
        assert_eq!(
            waits,
            [[250, 500], [500, 1000], [1000, 2000], [8000, 16000], [15000, 30000], [15000, 30000]]
        );
    }
}
