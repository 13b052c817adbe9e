//! What an operator can set about the hub.

use crate::plan::GroupSpec;
use std::time::Duration;

/// Bounds and times of the hub. `config` fills it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Results of one group that may be on their way at once: asked for and not yet released. Later
    /// events wait in the group's backlog. At least 1 counts.
    pub window: usize,
    /// The same for groups for which nothing is fetched: their results cost processor time alone, and are cheapest many
    /// at a time.
    pub local_window: usize,
    /// Events that may wait in one group's backlog. Past it, or past `group_backlog_bytes`, everything
    /// that waits is dropped, the group is told how much (`EVENTS_LOST`), and the newest event is kept.
    pub group_backlog_events: usize,
    /// Bytes of payload that may wait in one group's backlog. The newest event is kept even when it is
    /// larger alone.
    pub group_backlog_bytes: usize,
    /// How long a trigger without groups is kept, in case someone comes back. Zero: not at all. Holds
    /// only where nothing is used up or missed by it, see [`Feed::may_linger`](crate::plan::Feed::may_linger).
    pub trigger_linger: Duration,
    /// How long a feed may be away before its subscribers are told.
    pub outage_grace: Duration,
    /// What subscribers see when a feed is away for longer.
    pub outage_then: OutagePolicy,
    /// Deliveries that may be on their way to each sink. Without credit results wait in their groups,
    /// which in turn take no more than their window.
    pub credits: u32,
}

/// What becomes of subscriptions whose feed is away for longer than the grace time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutagePolicy {
    /// One response with `FEED_UNAVAILABLE`; the subscription lives and events flow again afterwards.
    #[default]
    Notify,
    /// A terminal error with `FEED_UNAVAILABLE`.
    End,
}

impl Options {
    /// How many results of such a group may be on their way.
    pub(super) fn window_of(&self, spec: &GroupSpec) -> usize {
        let window = if spec.is_local() { self.local_window } else { self.window };
        window.max(1)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: 16,
            local_window: 256,
            group_backlog_events: 65_536,
            group_backlog_bytes: 16_000_000,
            trigger_linger: Duration::from_secs(5),
            outage_grace: Duration::from_secs(5),
            outage_then: OutagePolicy::Notify,
            credits: 4096,
        }
    }
}
