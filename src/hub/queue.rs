//! One group's ordered queue: everything its members are due, in the order of the events.
//!
//! Results may come in any order; they leave in the queue's. What has no result yet holds up all that
//! comes after it, so joins, notices and the end keep their exact place among events. The queue knows
//! neither credits nor members' counts: when to take the front is `release`'s decision.

use super::{Counters, EndReason, Member, Options, notice::Notice};
use crate::plan::{Event, Receipt};
use bytes::Bytes;
use std::{collections::VecDeque, sync::Arc};

pub(super) enum Entry {
    /// In the backlog: not yet asked for.
    Waiting {
        event: Arc<Event>,
        bytes: usize,
    },
    /// Asked for.
    InFlight,
    Done(Bytes),
    /// Told instead of a result. [`Notice::Invalid`] stands for an event and counts in the backlog.
    Notice(Notice),
    Join(Member),
    End(EndReason),
}

/// See the file's head.
#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// The number of the entry in front; entries are numbered as they come.
    first: u64,
    /// Jobs without an answer: sequence and entry number, both rising. At most the window.
    jobs: VecDeque<(u64, u64)>,
    next_sequence: u64,
    /// Of entries that are waiting, in flight or done. In a box of their own, because few feeds have any and there are very
    /// many queues.
    receipts: Option<Box<Receipts>>,
    /// No entry with a smaller number waits to be asked for.
    asked_to: u64,
    /// Entries that are in flight or done.
    open: usize,
    backlog: Backlog,
    joins: usize,
}

/// Entry numbers, rising, each with the receipt of its event.
#[derive(Default)]
struct Receipts(VecDeque<(u64, Receipt)>);

/// What waits to be asked for.
#[derive(Clone, Copy, Default)]
struct Backlog {
    waiting: usize,
    /// Unreadable events, which need no result but wait all the same.
    invalid: usize,
    bytes: usize,
}

impl Queue {
    /// Results asked for and not yet released.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    pub(super) fn backlog_events(&self) -> usize {
        self.backlog.waiting + self.backlog.invalid
    }

    pub(super) fn backlog_bytes(&self) -> usize {
        self.backlog.bytes
    }

    /// Members that wait for their place.
    pub(super) fn joins(&self) -> usize {
        self.joins
    }

    pub(super) fn push_join(&mut self, member: Member) {
        self.joins += 1;
        self.entries.push_back(Entry::Join(member));
    }

    pub(super) fn push_end(&mut self, reason: EndReason) {
        self.entries.push_back(Entry::End(reason));
    }

    /// Adds an event of so many bytes; makes room for it first where the backlog is full.
    pub(super) fn push_event(
        &mut self,
        event: Arc<Event>,
        bytes: usize,
        receipt: Option<&Receipt>,
        options: &Options,
        counters: &mut Counters,
    ) {
        self.make_room(bytes, options, counters);
        self.backlog.waiting += 1;
        self.backlog.bytes += bytes;
        counters.backlog_events += 1;
        counters.backlog_bytes += bytes as u64;
        if let Some(receipt) = receipt {
            let number = self.first + self.entries.len() as u64;
            self.receipts.get_or_insert_default().0.push_back((number, receipt.clone()));
        }
        self.entries.push_back(Entry::Waiting { event, bytes });
    }

    /// Adds a notice in place of an event that cannot be read.
    pub(super) fn push_invalid(&mut self, options: &Options, counters: &mut Counters) {
        self.make_room(0, options, counters);
        self.backlog.invalid += 1;
        counters.backlog_events += 1;
        self.entries.push_back(Entry::Notice(Notice::Invalid));
    }

    /// Adds a notice that stands for no event of its own. One that was just given is not repeated, so
    /// the number of notices is bounded by what lies between them.
    pub(super) fn push_notice(&mut self, notice: Notice) {
        for entry in self.entries.iter_mut().rev().take(3) {
            match (entry, notice) {
                (Entry::Notice(Notice::Lost(count)), Notice::Lost(more)) => {
                    *count = count.saturating_add(more);
                    return;
                }
                (Entry::Notice(Notice::Unavailable), Notice::Unavailable)
                | (Entry::Notice(Notice::Gap), Notice::Gap) => return,
                (Entry::Notice(Notice::Lost(_) | Notice::Gap | Notice::Unavailable), _) => {}
                _ => break,
            }
        }
        self.entries.push_back(Entry::Notice(notice));
    }

    /// The next event to be asked for, with its job's sequence number.
    pub(super) fn start(&mut self, counters: &mut Counters) -> Option<(u64, Arc<Event>)> {
        if self.backlog.waiting == 0 {
            return None;
        }
        let from = self.asked_to.max(self.first);
        for (number, entry) in (from..).zip(self.entries.range_mut(to_index(from - self.first)..)) {
            if !matches!(entry, Entry::Waiting { .. }) {
                continue;
            }
            let Entry::Waiting { event, bytes } = std::mem::replace(entry, Entry::InFlight) else {
                unreachable!("just matched");
            };
            self.asked_to = number + 1;
            self.backlog.waiting -= 1;
            self.backlog.bytes -= bytes;
            counters.backlog_events -= 1;
            counters.backlog_bytes -= bytes as u64;
            return Some((self.open_job(number, counters), event));
        }
        None
    }

    fn open_job(&mut self, number: u64, counters: &mut Counters) -> u64 {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.jobs.push_back((sequence, number));
        self.open += 1;
        counters.in_flight += 1;
        sequence
    }

    /// Puts a result into its event's place. `false` when no such job is in flight.
    pub(super) fn finish(&mut self, sequence: u64, response: Bytes) -> bool {
        let Ok(at) = self.jobs.binary_search_by_key(&sequence, |(it, _)| *it) else { return false };
        // Mostly the first.
        let Some((_, number)) = self.jobs.remove(at) else { return false };
        self.entries[to_index(number - self.first)] = Entry::Done(response);
        true
    }

    /// What is due next, whether or not it is ready.
    pub(super) fn front(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Takes the front, which must be ready, with the receipt of its event.
    pub(super) fn pop(&mut self, counters: &mut Counters) -> Option<(Entry, Option<Receipt>)> {
        let entry = self.entries.pop_front()?;
        let receipts = self.receipts.as_mut();
        let receipt = receipts.and_then(|it| it.0.pop_front_if(|(number, _)| *number == self.first));
        self.first += 1;
        match &entry {
            Entry::Waiting { .. } | Entry::InFlight => unreachable!("nobody takes what is not ready"),
            Entry::Done(_) => {
                self.open -= 1;
                counters.in_flight -= 1;
            }
            Entry::Notice(Notice::Invalid) => {
                self.backlog.invalid -= 1;
                counters.backlog_events -= 1;
            }
            Entry::Join(_) => self.joins -= 1,
            Entry::Notice(_) | Entry::End(_) => {}
        }
        Some((entry, receipt.map(|(_, receipt)| receipt)))
    }

    /// Takes what is left out of the counters: the group is gone.
    pub(super) fn discard(self, counters: &mut Counters) {
        counters.in_flight -= self.open as u64;
        counters.backlog_events -= self.backlog_events() as u64;
        counters.backlog_bytes -= self.backlog.bytes as u64;
        counters.members -= self.joins as u64;
    }

    /// Drops the whole backlog when one more event would not fit: whoever is that far behind is helped
    /// most by what is newest.
    fn make_room(&mut self, bytes: usize, options: &Options, counters: &mut Counters) {
        let fits = self.backlog_events() < options.group_backlog_events.max(1)
            && self.backlog.bytes.saturating_add(bytes) <= options.group_backlog_bytes;
        if fits || self.backlog_events() == 0 {
            return;
        }
        let before = self.backlog_events();
        counters.backlog_bytes -= self.backlog.bytes as u64;
        (self.backlog.waiting, self.backlog.bytes) = (0, 0);
        self.replace_waiting();
        let dropped = (before - self.backlog_events()) as u64;
        counters.backlog_overflows += 1;
        counters.backlog_events_dropped += dropped;
        counters.backlog_events -= dropped;
    }

    /// Those who are told of a loss do not get the event again.
    fn settle_receipts_from(&mut self, number: u64) {
        let Some(Receipts(receipts)) = self.receipts.as_deref_mut() else { return };
        let lost = receipts.partition_point(|(it, _)| *it < number);
        receipts.drain(lost..).for_each(|(_, receipt)| receipt.settle());
    }

    /// Turns what waits behind the last job into notices. Joins keep their place, so everyone is told of
    /// exactly those events that were lost since they joined. Entries up to that job keep their numbers.
    fn replace_waiting(&mut self) {
        let keep = to_index(self.asked_to.saturating_sub(self.first));
        self.settle_receipts_from(self.asked_to.max(self.first));
        for entry in self.entries.split_off(keep) {
            match entry {
                Entry::Waiting { .. } => self.push_notice(Notice::Lost(1)),
                Entry::Notice(Notice::Invalid) => {
                    self.backlog.invalid -= 1;
                    self.push_notice(Notice::Lost(1));
                }
                Entry::Notice(notice) => self.push_notice(notice),
                other => self.entries.push_back(other),
            }
        }
    }
}

/// An offset into entries that are held in memory.
fn to_index(offset: u64) -> usize {
    usize::try_from(offset).expect("fewer entries than memory has bytes")
}
