//! Events that come to nothing because of what they are, in the log: which feed, and how many. Whoever
//! publishes nonsense does so often, so a feed is named once in a while and the others are counted.

use crate::{
    hub::{Hub, TriggerId},
    plan::Feed,
    resolve::Executor,
};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// A kind of refusal is in the log no more often.
const PAUSE: Duration = Duration::from_secs(1);

/// What the hub and the executor refused, and what was said of it.
#[derive(Default)]
pub(super) struct Refused {
    unreadable: Kind,
    /// What groups were told of as an error: an event counts once for each.
    unresolvable: Kind,
}

#[derive(Default)]
struct Kind {
    /// The hub's counter when it was looked at last.
    seen: u64,
    /// Not told yet.
    untold: u64,
    told_at: Option<Instant>,
}

impl Refused {
    /// To be called after each event of this trigger.
    pub(super) fn look(&mut self, now: Instant, hub: &Hub, trigger: TriggerId) {
        if let Some(events) = self.unreadable.news(now, hub.counters().events_invalid) {
            let feed = feed(hub, trigger);
            tracing::warn!(feed, events, "refused events that are no JSON object");
        }
    }

    /// To be called now and then, at best after results.
    pub(super) fn look_at_results(&mut self, now: Instant, executor: &Executor) {
        let counted = executor.counters().events_invalid.load(Ordering::Relaxed);
        if let Some(events) = self.unresolvable.news(now, counted)
            && let Some(last) = executor.last_refused()
        {
            tracing::warn!(feed = &*last.field, message = last.message, events, "event refused");
        }
    }
}

impl Kind {
    /// How many to tell of, if it is time.
    fn news(&mut self, now: Instant, counted: u64) -> Option<u64> {
        self.untold += counted - self.seen;
        self.seen = counted;
        if self.untold == 0 || self.told_at.is_some_and(|it| now.saturating_duration_since(it) < PAUSE) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

/// The feed in words. Looks through all triggers: there is little to tell, and seldom.
fn feed(hub: &Hub, trigger: TriggerId) -> String {
    let found = hub.triggers().find(|it| it.id == trigger);
    match found.map(|it| it.feed) {
        Some(Feed::Events(it)) => format!("{}: {}", it.provider, it.destinations.join(", ")),
        Some(Feed::Upstream(it)) => it.document.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::clock;

    #[test]
    fn a_flood_is_told_once_in_a_while_and_nothing_is_left_out() {
        let (start, mut kind) = (clock::now(), Kind::default());
        assert_eq!(kind.news(start, 0), None);
        assert_eq!(kind.news(start, 1), Some(1), "the first at once");
        assert_eq!(kind.news(start + PAUSE / 2, 500), None);
        assert_eq!(kind.news(start + PAUSE, 700), Some(699));
        assert_eq!(kind.news(start + PAUSE * 5, 700), None);
        assert_eq!(kind.news(start + PAUSE * 5, 701), Some(1));
    }
}
