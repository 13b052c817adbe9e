//! Whether a topic is still the one that was read. No client, no thread.
//!
//! The client library does not tell topics' ids, and offsets say nothing: a topic that was deleted, made anew and filled
//! past the old position looks as if it had gone on. So each partition gets an anchor, a time and an offset: once, no
//! record before that offset was as new as that time. In the same log that holds for ever, because records are only
//! added behind. Where it does not hold any more, the partition is another one.

use std::{collections::BTreeMap, sync::Arc};

/// Milliseconds that a time may be put ahead of our clock: producers' clocks differ.
const AHEAD: [i64; 4] = [0, 10_000, 600_000, 36_000_000];

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Anchors(BTreeMap<Arc<str>, Vec<Anchor>>);

/// A partition's.
#[derive(Clone, Copy, Debug, Default)]
struct Anchor {
    /// Tries that found newer records.
    tries: usize,
    /// What holds of the partition: nothing before the offset is as new as the time.
    fact: Option<(i64, u64)>,
    /// What is being asked about.
    asked: Option<(i64, u64)>,
}

impl Anchors {
    /// What to ask about a topic's partitions: the first record that is as new as this, by partition. `ends` are known of
    /// before the question, and `now` is the time in milliseconds.
    pub(super) fn questions(&mut self, topic: &Arc<str>, ends: &[u64], now: i64) -> Vec<(usize, i64)> {
        let anchors = self.0.entry(topic.clone()).or_default();
        anchors.resize(ends.len(), Anchor::default());
        let ask = |(partition, (anchor, end)): (usize, (&mut Anchor, &u64))| {
            let ahead = AHEAD[anchor.tries.min(AHEAD.len() - 1)];
            anchor.asked = anchor.fact.or((*end > 0).then_some((now + ahead, *end)));
            anchor.asked.map(|(time, _)| (partition, time))
        };
        anchors.iter_mut().zip(ends).enumerate().filter_map(ask).collect()
    }

    /// Takes the answer: the offset of the first record that is as new, if there is one. Whether the partition is another
    /// one than before.
    pub(super) fn answer(&mut self, topic: &str, partition: usize, first: Option<u64>) -> bool {
        let anchor = self.0.get_mut(topic).and_then(|it| it.get_mut(partition));
        let Some(anchor) = anchor else { return false };
        let Some((time, offset)) = anchor.asked.take() else { return false };
        let holds = first.is_none_or(|it| it >= offset);
        match (holds, anchor.fact) {
            (true, _) => anchor.fact = Some((time, offset)),
            (false, Some(_)) => return true,
            (false, None) => anchor.tries += 1,
        }
        false
    }

    /// Whether something was asked about the topic before.
    pub(super) fn knows(&self, topic: &str) -> bool {
        self.0.contains_key(topic)
    }

    /// The topic begins anew, as far as anybody knows.
    pub(super) fn forget(&mut self, topic: &str) {
        self.0.remove(topic);
    }

    /// Only these are of any concern still.
    pub(super) fn keep(&mut self, topics: &[Arc<str>]) {
        self.0.retain(|it, _| topics.binary_search(it).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Story {
        anchors: Anchors,
        now: i64,
    }

    impl Story {
        fn new() -> Self {
            Self { anchors: Anchors::default(), now: 1_000 }
        }

        /// Looks at a log of records with these times: whether it is another one.
        fn look(&mut self, times: &[i64]) -> bool {
            let topic: Arc<str> = "t".into();
            self.now += 1_000;
            let asked = self.anchors.questions(&topic, &[times.len() as u64], self.now);
            let mut answers = asked.into_iter().map(|(partition, time)| {
                let first = times.iter().position(|it| *it >= time).map(|it| it as u64);
                self.anchors.answer(&topic, partition, first)
            });
            answers.next().unwrap_or(false)
        }
    }

    #[test]
    fn a_log_that_goes_on_is_the_same_and_one_that_was_made_anew_is_not() {
        let mut story = Story::new();
        assert!(!story.look(&[]));
        assert!(!story.look(&[1_500, 1_400]), "times need not rise");
        assert!(!story.look(&[1_500, 1_400, 3_100, 2_000]));
        assert!(story.look(&[4_100, 4_200, 4_300, 4_400, 4_500]), "filled past where it was");
        story.anchors.forget("t");
        assert!(!story.look(&[4_100, 4_200, 4_300, 4_400, 4_500]));
        assert!(!story.look(&[4_100, 4_200, 4_300, 4_400, 4_500, 9_000]));
    }

    #[test]
    fn clocks_of_producers_may_be_ahead() {
        let mut story = Story::new();
        let ahead = [9_000, 9_100];
        assert!(!story.look(&ahead) && !story.look(&ahead), "the second finds a time beyond it");
        assert!(story.look(&[50_000, 50_001, 50_002]));
    }

    #[test]
    fn what_is_trimmed_or_has_no_times_tells_nothing() {
        let mut story = Story::new();
        assert!(!story.look(&[1_000, 1_100, 1_200]));
        // No record is as new as anything: they have no times, or all are gone.
        assert!(!story.look(&[-1, -1, -1, -1, -1]));
    }

    #[test]
    fn who_is_not_read_any_more_is_forgotten() {
        let mut anchors = Anchors::default();
        for topic in ["a", "b"] {
            anchors.questions(&topic.into(), &[1], 0);
        }
        anchors.keep(&["b".into()]);
        assert_eq!(anchors.0.keys().map(|it| &**it).collect::<Vec<_>>(), ["b"]);
    }
}
