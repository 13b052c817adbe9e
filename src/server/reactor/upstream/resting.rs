//! Connections that broke and are not made again at once: a subgraph that cannot keep one would be asked for the
//! next as fast as clients come back.

use super::LinkKey;
use crate::sources::subgraph::reconnect_wait;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Keys that are remembered; others are dialled at once.
const KEYS_MAX: usize = 1024;
/// How long after its rest a key is remembered.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Waits grow no further than after so many: somebody waits for the connection.
const DOUBLINGS_MAX: u32 = 3;

/// How long a subgraph is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) until: Instant,
    /// Connections in a row that came to nothing.
    pub(super) attempts: u32,
}

/// All keys whose last connection broke.
#[derive(Debug, Default)]
pub(super) struct Resting(HashMap<LinkKey, Rest>);

impl Resting {
    /// Notes a connection that broke, the last of `attempts`; `chance` lies in `0.0..=1.0`.
    pub(super) fn add(&mut self, now: Instant, key: LinkKey, attempts: u32, chance: f64) {
        let wait = reconnect_wait(attempts.saturating_sub(1).min(DOUBLINGS_MAX), chance);
        if self.0.len() >= KEYS_MAX {
            self.0.retain(|_, it| it.until + REMEMBERED > now);
        }
        if self.0.len() < KEYS_MAX {
            self.0.insert(key, Rest { until: now + wait, attempts });
        }
    }

    /// What is known of a key that is about to be dialled.
    pub(super) fn take(&mut self, now: Instant, key: &LinkKey) -> Option<Rest> {
        self.0.remove(key).filter(|it| it.until + REMEMBERED > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::SubgraphId, server::clock};

    fn key(number: u16) -> LinkKey {
        LinkKey { subgraph: SubgraphId(number), headers: None, init_payload: None, is_for_one: false }
    }

    #[test]
    fn rests_grow_up_to_a_bound_and_are_forgotten() {
        let (now, mut resting) = (clock::now(), Resting::default());
        let mut wait = |attempts| {
            resting.add(now, key(1), attempts, 1.0);
            resting.take(now, &key(1)).expect("it rests").until - now
        };
        let waits = [1, 2, 4, 5, 1000].map(|it| wait(it).as_millis());
        assert_eq!(waits, [500, 1000, 4000, 4000, 4000]);
        resting.add(now, key(1), 1, 1.0);
        assert_eq!(resting.take(now + Duration::from_secs(60), &key(1)), None);
        assert_eq!(resting.take(now, &key(1)), None, "it was taken");
    }

    #[test]
    fn no_more_keys_are_remembered_than_there_is_room_for() {
        let (now, mut resting) = (clock::now(), Resting::default());
        (0..2000).for_each(|it| resting.add(now, key(it), 1, 1.0));
        assert_eq!(resting.0.len(), KEYS_MAX);
        resting.add(now + Duration::from_secs(60), key(2000), 1, 1.0);
        assert_eq!(resting.0.len(), 1, "the others are forgotten by then");
    }
}
