//! Names for places in a feed: its topics, and how a partition of one of them becomes a part of a position.
//!
//! A part is the topic's index in the feed's sorted topics, in the upper 12 bits, and the partition, in the
//! lower 20. Both stay what they are for as long as the feed's destinations do, so that positions may leave
//! the process. Kafka itself takes no more than some 200,000 partitions per cluster.

use crate::{
    graphql,
    plan::{EventFeed, StreamOptions},
    sources::unavailable,
};
use std::sync::Arc;

const PARTITION_BITS: u32 = 20;
/// Topics of one feed.
pub(super) const TOPICS_MAX: usize = 1 << (32 - PARTITION_BITS);
/// Partitions of one topic; later ones have no name, and a feed on such a topic is refused.
pub(super) const PARTITIONS_MAX: usize = 1 << PARTITION_BITS;
/// Kafka's own bound.
const TOPIC_BYTES_MAX: usize = 249;

/// The topics of a feed: sorted, each once. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topics {
    names: Arc<[Arc<str>]>,
    /// The feed asks for keys and headers.
    pub(super) wants_labels: bool,
}

impl Topics {
    /// # Errors
    /// A destination is no topic, or there are too many.
    pub(super) fn of(feed: &EventFeed) -> Result<Self, graphql::Error> {
        let mut topics = feed.destinations.to_vec();
        topics.sort_unstable();
        topics.dedup();
        if let Some(bad) = topics.iter().find(|it| !is_topic(it)) {
            return Err(unavailable(format!("'{bad}' is not a valid topic.")));
        }
        if topics.len() > TOPICS_MAX {
            return Err(unavailable(format!("A feed has at most {TOPICS_MAX} topics.")));
        }
        let wants_labels = matches!(feed.stream, Some(StreamOptions::LabelledKafka));
        Ok(Self { names: topics.into(), wants_labels })
    }

    /// In the order of their indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.names.iter()
    }
}

/// Whether Kafka takes it for the name of a topic. Nothing in such a name is a pattern.
pub(super) fn is_topic(name: &str) -> bool {
    let is_legal = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-');
    (1..=TOPIC_BYTES_MAX).contains(&name.len()) && !matches!(name, "." | "..") && name.bytes().all(is_legal)
}

/// The part that stands for a partition.
///
/// # Panics
/// Beyond [`TOPICS_MAX`] and [`PARTITIONS_MAX`], which are checked where topics come in.
pub(super) fn part(topic: usize, partition: usize) -> u32 {
    assert!(topic < TOPICS_MAX && partition < PARTITIONS_MAX, "{topic}/{partition} has no part");
    (topic as u32) << PARTITION_BITS | partition as u32
}

/// As the library counts partitions.
pub(super) fn partition_number(partition: usize) -> i32 {
    i32::try_from(partition).expect("bounded by `PARTITIONS_MAX`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ProviderKind;

    fn topics(names: &[&str]) -> Result<Topics, graphql::Error> {
        let destinations = names.iter().map(|it| (*it).into()).collect();
        let (kind, provider) = (ProviderKind::Kafka, "default".into());
        Topics::of(&EventFeed { kind, provider, destinations, stream: None })
    }

    #[test]
    fn topics_are_sorted_and_each_there_once() {
        let names: Vec<String> =
            topics(&["b", "a", "b"]).expect("topics").iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn what_kafka_would_refuse_is_refused_first() {
        let long = "x".repeat(TOPIC_BYTES_MAX + 1);
        for bad in ["", ".", "..", "a b", "a*", "a/b", "ä", "a\n", &long] {
            assert!(topics(&[bad]).is_err(), "{bad}");
        }
        assert!(topics(&["a.b_c-1"]).is_ok());
        let many: Vec<String> = (0..=TOPICS_MAX).map(|it| format!("t{it}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(topics(&many).is_err());
        assert!(topics(&many[1..]).is_ok());
    }

    #[test]
    fn parts_keep_topic_and_partition_apart() {
        assert_eq!(part(0, 0), 0);
        assert_eq!(part(0, 7), 7);
        assert_eq!(part(1, 0), 1 << 20);
        assert_eq!(part(TOPICS_MAX - 1, PARTITIONS_MAX - 1), u32::MAX);
    }
}
