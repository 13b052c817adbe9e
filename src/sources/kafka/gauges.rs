//! How far each partition is read, and how far it goes: written by the two threads, read by metrics.

use crate::sources::PartitionLag;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// One partition that is being read.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    /// The offset that is read next.
    next: AtomicU64,
    /// Where the partition ended when the broker was last asked.
    end: AtomicU64,
}

impl Gauge {
    pub(super) fn position(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// Also backwards.
    pub(super) fn advance(&self, next: u64) {
        self.next.store(next, Relaxed);
    }

    pub(super) fn ends(&self, end: u64) {
        self.end.store(end, Relaxed);
    }

    fn lag(&self) -> u64 {
        self.end.load(Relaxed).saturating_sub(self.position())
    }
}

/// All topics that are being read, or waited for, by partition.
#[derive(Debug, Default)]
pub(super) struct Gauges(Mutex<BTreeMap<Arc<str>, Vec<Arc<Gauge>>>>);

impl Gauges {
    pub(super) fn set(&self, topic: &Arc<str>, partitions: &[Arc<Gauge>]) {
        self.all().insert(topic.clone(), partitions.to_vec());
    }

    pub(super) fn remove(&self, topic: &Arc<str>) {
        self.all().remove(topic);
    }

    pub(super) fn topics(&self) -> Vec<Arc<str>> {
        self.all().keys().cloned().collect()
    }

    pub(super) fn of(&self, topic: &Arc<str>) -> Vec<Arc<Gauge>> {
        self.all().get(topic).cloned().unwrap_or_default()
    }

    pub(super) fn lag(&self) -> Vec<PartitionLag> {
        let all = self.all();
        let by_topic = all.iter().flat_map(|(topic, partitions)| {
            partitions.iter().enumerate().map(|(partition, it)| PartitionLag {
                topic: topic.clone(),
                partition,
                events: it.lag(),
            })
        });
        by_topic.collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Vec<Arc<Gauge>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
