//! Who gets which record: the reader's table of topics, feeds and positions. No client, no thread.
//!
//! One reader serves all feeds, so each feed has a position of its own beside the reader's: what lies before
//! it was there before the feed, or was handed over already, and is not for it, however often it is read.

use super::{
    gauges::{Gauge, Gauges},
    place::{self, Topics},
};
use crate::{plan::Position, sources::Ticket};
use foldhash::fast::RandomState;
use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    sync::Arc,
};

/// Where a feed begins in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// From now on: here was the end when the broker was asked. What the reader has passed since then came
    /// before the feed was live.
    End(u64),
    /// At this offset, though others have read on.
    At(u64),
}

/// A partition that is to be read from an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) topic: Arc<str>,
    pub(super) partition: usize,
    /// 0 stands for the earliest that is there.
    pub(super) offset: u64,
}

/// A feed that a record is for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) ticket: Ticket,
    pub(super) position: Position,
    pub(super) wants_labels: bool,
    /// There is none behind it.
    pub(super) is_last: bool,
}

/// See the module's documentation.
pub(super) struct Routes {
    topics: BTreeMap<Arc<str>, Topic>,
    /// Looked up for each record and feed.
    feeds: HashMap<Ticket, Feed, RandomState>,
    gauges: Arc<Gauges>,
}

#[derive(Default)]
struct Topic {
    /// The reader's positions, by partition.
    partitions: Vec<Arc<Gauge>>,
    listeners: BTreeMap<Ticket, Listener>,
}

struct Listener {
    /// The topic's index in the feed.
    topic: usize,
    /// The offset that is due next, by partition. Shorter than the topic when partitions came later.
    next: Vec<u64>,
}

impl Listener {
    /// The offset due next; partitions that came later are read from their beginning.
    fn next(&mut self, partition: usize) -> &mut u64 {
        if partition >= self.next.len() {
            self.next.resize(partition + 1, 0);
        }
        &mut self.next[partition]
    }
}

struct Feed {
    topics: Topics,
    /// Where the feed began, in every part: goes out with its first event, so that whoever adds up positions
    /// knows all of them, also of partitions in which nothing happens.
    beginning: Option<Position>,
}

impl Feed {
    fn position(&mut self, part: u32, offset: u64) -> Position {
        let mut position = self.beginning.take().unwrap_or_default();
        position.set(part, offset);
        position
    }
}

impl Routes {
    pub(super) fn new(gauges: Arc<Gauges>) -> Self {
        Self { topics: BTreeMap::new(), feeds: HashMap::default(), gauges }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }

    /// Adds a feed that begins at `starts`, by topic and partition. What is to be read for it, from where.
    pub(super) fn add(&mut self, ticket: Ticket, topics: &Topics, starts: &[Vec<Start>]) -> Vec<Assignment> {
        let (mut assignments, mut beginning) = (Vec::new(), Position::default());
        for (index, (name, starts)) in topics.iter().zip(starts).enumerate() {
            let has_others = self.topics.contains_key(name);
            let topic = self.topics.entry(name.clone()).or_default();
            let mut next = Vec::with_capacity(starts.len());
            for (partition, start) in starts.iter().enumerate() {
                let read = topic.partitions.get(partition);
                let (due, read_from) = begin(read, *start, has_others);
                if let Some(offset) = read_from {
                    assignments.push(Assignment { topic: name.clone(), partition, offset });
                    set(&mut topic.partitions, partition, offset);
                }
                next.push(due);
                if due > 0 {
                    beginning.0.push((place::part(index, partition), due - 1));
                }
            }
            self.gauges.set(name, &topic.partitions);
            topic.listeners.insert(ticket, Listener { topic: index, next });
        }
        self.feeds.insert(ticket, Feed { topics: topics.clone(), beginning: Some(beginning) });
        assignments
    }

    /// Forgets a feed. The topics that need not be read any more.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Vec<Arc<str>> {
        let Some(feed) = self.feeds.remove(&ticket) else { return Vec::new() };
        let mut idle = Vec::new();
        for name in feed.topics.iter() {
            let Entry::Occupied(mut topic) = self.topics.entry(name.clone()) else { continue };
            topic.get_mut().listeners.remove(&ticket);
            if topic.get().listeners.is_empty() {
                topic.remove();
                idle.push(name.clone());
                self.gauges.remove(name);
            }
        }
        idle
    }

    /// A topic has so many partitions: new ones are to be read from their beginning.
    pub(super) fn grow(&mut self, name: &Arc<str>, partitions: usize) -> Vec<Assignment> {
        let Some(topic) = self.topics.get_mut(name) else { return Vec::new() };
        let known = topic.partitions.len();
        let added = known..partitions.max(known);
        let assignments: Vec<Assignment> =
            added.map(|partition| Assignment { topic: name.clone(), partition, offset: 0 }).collect();
        if !assignments.is_empty() {
            topic.partitions.resize_with(partitions, Arc::default);
            self.gauges.set(name, &topic.partitions);
        }
        assignments
    }

    /// What the reader is due to read is gone, and `offset` is the earliest that is there: it is to be read from
    /// there, if it is one that is read at all. And whose events may be missing by that.
    pub(super) fn reset(&mut self, name: &Arc<str>, partition: usize, offset: u64) -> (bool, Vec<Ticket>) {
        let found = self.topics.get_mut(name).filter(|it| partition < it.partitions.len());
        let Some(topic) = found else { return (false, Vec::new()) };
        let gone = topic.partitions[partition].position();
        topic.partitions[partition].advance(offset);
        let mut missing = Vec::new();
        for (ticket, listener) in &mut topic.listeners {
            let next = listener.next(partition);
            // Whoever is further on than what was lost has lost nothing, unless the partition begins anew.
            if *next < offset || gone > offset {
                *next = offset;
                missing.push(*ticket);
            }
        }
        (true, missing)
    }

    /// Everything that is to be read, from where it goes on.
    pub(super) fn assignments(&self) -> Vec<Assignment> {
        let all = self.topics.iter().flat_map(|(name, topic)| {
            topic.partitions.iter().enumerate().map(|(partition, it)| Assignment {
                topic: name.clone(),
                partition,
                offset: it.position(),
            })
        });
        all.collect()
    }

    /// A record was read. `give` is called for each feed that it is for, in the order of tickets; the record counts as
    /// passed to a feed when it returns, so that a panic in it loses nothing.
    pub(super) fn route(&mut self, name: &str, partition: usize, offset: u64, mut give: impl FnMut(Due)) {
        let Some(topic) = self.topics.get_mut(name) else { return };
        let Some(read) = topic.partitions.get(partition) else { return };
        let due = topic.listeners.iter_mut().filter_map(|(ticket, listener)| {
            let part = place::part(listener.topic, partition);
            let next = listener.next(partition);
            (*next <= offset).then_some((*ticket, part, next))
        });
        let mut due = due.peekable();
        while let Some((ticket, part, next)) = due.next() {
            let feed = self.feeds.get_mut(&ticket).expect("whoever listens is listed");
            let (position, wants_labels) = (feed.position(part, offset), feed.topics.wants_labels);
            give(Due { ticket, position, wants_labels, is_last: due.peek().is_none() });
            *next = offset + 1;
        }
        read.advance(offset + 1);
    }

    /// Everything before `next` was read or is for nobody.
    pub(super) fn catch_up(&mut self, name: &str, partition: usize, next: u64) {
        let read = self.topics.get(name).and_then(|it| it.partitions.get(partition));
        if let Some(read) = read.filter(|it| it.position() < next) {
            read.advance(next);
        }
    }

    /// A record without a value was read: it is for nobody.
    pub(super) fn pass(&mut self, name: &str, partition: usize, offset: u64) {
        let read = self.topics.get(name).and_then(|it| it.partitions.get(partition));
        if let Some(read) = read {
            read.advance(offset + 1);
        }
    }
}

/// What is due to a feed first, and where the partition has to be read from, unless it is being read there.
fn begin(read: Option<&Arc<Gauge>>, start: Start, has_others: bool) -> (u64, Option<u64>) {
    match (read.map(|it| it.position()), start) {
        (Some(position), Start::End(end)) => (end.max(position), None),
        (Some(position), Start::At(at)) => (at, (at < position).then_some(at)),
        // A partition nobody knew: for those who listen already it is new, and read whole.
        (None, Start::End(at) | Start::At(at)) => (at, Some(if has_others { 0 } else { at })),
    }
}

fn set(partitions: &mut Vec<Arc<Gauge>>, partition: usize, offset: u64) {
    if partition >= partitions.len() {
        partitions.resize_with(partition + 1, Arc::default);
    }
    partitions[partition].advance(offset);
}

#[cfg(test)]
mod tests;
