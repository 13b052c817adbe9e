//! The client that reads, and what it was told to read.
//!
//! Taking a partition from a client is dangerous: the library stops it in its own time, tells nobody when that is
//! done, and ends the process (`rdkafka_assignment.c`, `partition_stopped`) when the partition was given again
//! and taken once more meanwhile. Closing a client takes all it has. So a client is given each partition once,
//! and keeps it: what is not wanted is paused, what is wanted from elsewhere is sought there, and where that is
//! not enough (`reader`) another client comes in its place.

use super::{health::Context, place::partition_number, routes::Assignment};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
    message::BorrowedMessage,
};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// How long the library may take to seek; it asks nobody for that.
const SEEK_TIMEOUT: Duration = Duration::from_secs(1);
/// So many paused partitions are kept in any case.
const IDLE_MAX: usize = 1_000;

/// See the module's documentation.
pub(super) struct Client {
    consumer: BaseConsumer<Context>,
    /// All it was given, by topic and partition.
    given: HashMap<Arc<str>, Vec<Given>>,
    reading: usize,
    idle: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Not,
    Read,
    Paused,
}

impl Client {
    pub(super) fn new(config: &ClientConfig, context: Context) -> KafkaResult<Self> {
        let consumer = config.create_with_context(context)?;
        Ok(Self { consumer, given: HashMap::new(), reading: 0, idle: 0 })
    }

    pub(super) fn poll(&self, patience: Duration) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        // The library reads the clock before it waits, and would for each record that is there already.
        self.consumer.poll(Duration::ZERO).or_else(|| self.consumer.poll(patience))
    }

    /// What comes next in each partition of which something was read, where that is known: behind records that are
    /// never handed out (ends of transactions, and what was in those that were aborted).
    pub(super) fn positions(&self) -> Vec<(String, usize, u64)> {
        let Ok(all) = self.consumer.position() else { return Vec::new() };
        let known = all.elements().into_iter().filter_map(|it| match it.offset() {
            Offset::Offset(next) => {
                let (partition, next) = (it.partition().try_into().ok()?, next.try_into().ok()?);
                Some((it.topic().to_owned(), partition, next))
            }
            _ => None,
        });
        known.collect()
    }

    /// Reads from there; of partitions that are being read, what is queued in the library is given up.
    ///
    /// # Errors
    /// Where the client reads now is not known.
    pub(super) fn read(&mut self, assignments: &[Assignment]) -> KafkaResult<()> {
        let (new, known): (Vec<&Assignment>, Vec<&Assignment>) =
            assignments.iter().partition(|it| self.given(&it.topic, it.partition) == Given::Not);
        let paused = known.iter().filter(|it| self.given(&it.topic, it.partition) == Given::Paused);
        let paused = list(paused.copied());
        if paused.count() > 0 {
            self.consumer.resume(&paused)?;
        }
        if !known.is_empty() {
            // After resuming, which goes back to where it was paused.
            let sought = self.consumer.seek_partitions(list(known), SEEK_TIMEOUT)?;
            sought.elements().iter().try_for_each(|it| it.error())?;
        }
        if !new.is_empty() {
            self.consumer.incremental_assign(&list(new))?;
        }
        for it in assignments {
            self.mark(&it.topic, it.partition, Given::Read);
        }
        Ok(())
    }

    /// Reads these topics no more.
    ///
    /// # Errors
    /// Whether it still does is not known.
    pub(super) fn pause(&mut self, topics: &[Arc<str>]) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for topic in topics {
            let partitions = self.given.get_mut(topic).map(Vec::as_mut_slice).unwrap_or_default();
            for (partition, given) in partitions.iter_mut().enumerate() {
                if *given == Given::Read {
                    list.add_partition(topic, partition_number(partition));
                    *given = Given::Paused;
                    self.reading -= 1;
                    self.idle += 1;
                }
            }
        }
        if list.count() > 0 {
            self.consumer.pause(&list)?;
        }
        Ok(())
    }

    /// Whether it drags along so much that another one is better.
    pub(super) fn is_cluttered(&self) -> bool {
        self.idle > IDLE_MAX.max(self.reading)
    }

    fn given(&self, topic: &Arc<str>, partition: usize) -> Given {
        self.given.get(topic).and_then(|it| it.get(partition)).copied().unwrap_or(Given::Not)
    }

    fn mark(&mut self, topic: &Arc<str>, partition: usize, now: Given) {
        let partitions = self.given.entry(topic.clone()).or_default();
        if partition >= partitions.len() {
            partitions.resize(partition + 1, Given::Not);
        }
        match std::mem::replace(&mut partitions[partition], now) {
            Given::Not => self.reading += 1,
            Given::Paused => {
                self.reading += 1;
                self.idle -= 1;
            }
            Given::Read => {}
        }
    }
}

fn list<'a>(assignments: impl IntoIterator<Item = &'a Assignment>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for it in assignments {
        let offset = match it.offset {
            0 => Offset::Beginning,
            offset => Offset::Offset(offset.cast_signed()),
        };
        // Fails for negative offsets alone.
        let _ = list.add_partition_offset(&it.topic, partition_number(it.partition), offset);
    }
    list
}
