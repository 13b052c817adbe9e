//! The feeds that read streams: who reads which one, how far each has come, and what is handed to the hub.
//!
//! Where the streams are, and how they are read, is for `reader` and what it reads from.

use super::{
    Shared,
    entry::{Entry, EntryId, StreamInfo},
};
use crate::{
    plan::Position,
    sources::{
        Counters, Report, Ticket,
        sink::{deliver, unavailable},
    },
};
use smallvec::SmallVec;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What the provider asks of its reader.
pub(super) enum Ask {
    Start(Ticket, StreamFeed),
    Stop(Ticket),
}

/// Streams to read, and what of their entries.
pub(super) struct StreamFeed {
    /// Sorted: a stream's index is its part in positions.
    pub(super) streams: Vec<Arc<str>>,
    /// The field of an entry that holds the event.
    pub(super) field: Arc<str>,
    /// Behind which place to start; from now on without.
    pub(super) from: Option<Position>,
}

/// Where to read each stream from.
pub(super) type Places = BTreeMap<Arc<str>, EntryId>;

/// What was read of each stream.
pub(super) type Read = Vec<(String, Vec<Entry>)>;

pub(super) struct Feeds {
    shared: Arc<Shared>,
    feeds: BTreeMap<Ticket, Feed>,
    /// Who reads which stream, and as which part.
    streams: BTreeMap<Arc<str>, SmallVec<[(Ticket, usize); 1]>>,
}

struct Feed {
    asked: StreamFeed,
    /// In each stream, the newest entry that was handed over; empty before it has started.
    places: Vec<EntryId>,
    /// Parts whose entries may have been trimmed before they were read.
    doubts: BTreeSet<usize>,
    is_interrupted: bool,
}

impl Feed {
    fn doubt_all(&mut self) {
        self.doubts = (0..self.asked.streams.len()).collect();
    }
}

impl Feeds {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, feeds: BTreeMap::new(), streams: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }

    pub(super) fn obey(&mut self, ask: Ask) {
        match ask {
            Ask::Start(ticket, asked) => {
                for (part, stream) in asked.streams.iter().enumerate() {
                    self.streams.entry(stream.clone()).or_default().push((ticket, part));
                }
                let feed = Feed { asked, places: Vec::new(), doubts: BTreeSet::new(), is_interrupted: false };
                self.feeds.insert(ticket, feed);
            }
            Ask::Stop(ticket) => {
                self.forget(ticket);
            }
        }
    }

    /// Whether there was such a feed.
    fn forget(&mut self, ticket: Ticket) -> bool {
        let Some(feed) = self.feeds.remove(&ticket) else { return false };
        for stream in &feed.asked.streams {
            let Some(listeners) = self.streams.get_mut(stream) else { continue };
            listeners.retain(|(it, _)| *it != ticket);
            if listeners.is_empty() {
                self.streams.remove(stream);
            }
        }
        true
    }

    /// Every stream that a feed has to do with.
    pub(super) fn streams(&self) -> impl Iterator<Item = &Arc<str>> {
        self.streams.keys()
    }

    /// Behind the place of whoever is farthest behind.
    pub(super) fn places(&self) -> Places {
        let place = |(ticket, part): &(Ticket, usize)| self.feeds.get(ticket)?.places.get(*part).copied();
        let farthest = self.streams.iter().filter_map(|(stream, listeners)| {
            Some((stream.clone(), listeners.iter().filter_map(place).min()?))
        });
        farthest.collect()
    }

    /// Feeds that have not started.
    pub(super) fn new_ones(&self) -> Vec<Ticket> {
        self.feeds.iter().filter(|(_, it)| it.places.is_empty()).map(|(it, _)| *it).collect()
    }

    /// The streams of a feed, and where in each it asked to start.
    pub(super) fn wishes(&self, ticket: Ticket) -> Vec<(Arc<str>, Option<EntryId>)> {
        let Some(feed) = self.feeds.get(&ticket) else { return Vec::new() };
        let from = |part| feed.asked.from.as_ref()?.offset(part).map(EntryId::at);
        (0..).zip(&feed.asked.streams).map(|(part, stream)| (stream.clone(), from(part))).collect()
    }

    /// From here on the feed misses nothing.
    pub(super) async fn start(&mut self, ticket: Ticket, places: Vec<EntryId>) {
        let Some(feed) = self.feeds.get_mut(&ticket) else { return };
        feed.places = places;
        feed.doubts.clear();
        if feed.asked.from.is_some() {
            feed.doubt_all();
        }
        let was_interrupted = std::mem::take(&mut feed.is_interrupted);
        self.tell(ticket, Report::Live).await;
        if was_interrupted {
            self.tell(ticket, Report::Restored).await;
        }
    }

    /// Nobody knows how long any stream was away.
    pub(super) fn doubt_all(&mut self) {
        self.feeds.values_mut().for_each(Feed::doubt_all);
    }

    /// Nobody knows what became of a stream.
    pub(super) fn doubt(&mut self, stream: &str) {
        for (ticket, part) in self.listeners(stream) {
            if let Some(feed) = self.feeds.get_mut(&ticket) {
                feed.doubts.insert(part);
            }
        }
    }

    /// Streams that a feed which has started is in doubt about.
    pub(super) fn doubtful(&self) -> BTreeSet<Arc<str>> {
        let started = self.feeds.values().filter(|it| !it.places.is_empty());
        started.flat_map(|it| it.doubts.iter().map(|part| it.asked.streams[*part].clone())).collect()
    }

    /// Tells feeds that are in doubt about these streams whether entries were trimmed before they were read.
    pub(super) async fn look_for_gaps(&mut self, known: &BTreeMap<Arc<str>, Option<StreamInfo>>) {
        let mut gaps = Vec::new();
        for (ticket, feed) in self.feeds.iter_mut().filter(|(_, it)| !it.places.is_empty()) {
            let mut is_gap = false;
            for part in std::mem::take(&mut feed.doubts) {
                let Some(info) = known.get(&feed.asked.streams[part]) else {
                    feed.doubts.insert(part);
                    continue;
                };
                let Some(info) = info else { continue };
                is_gap |= info.may_have_lost(feed.places[part]);
                if info.is_other(feed.places[part]) {
                    feed.places[part] = EntryId::ZERO;
                }
            }
            if is_gap {
                gaps.push((*ticket, feed.asked.streams.clone()));
            }
        }
        for (ticket, streams) in gaps {
            tracing::warn!(
                provider = &*self.shared.id,
                ?streams,
                "entries of Redis streams were gone before they were read"
            );
            self.tell(ticket, Report::Gap).await;
        }
    }

    /// Gives each entry to the feeds that have not had it, waiting for the hub as long as it takes. `full`: as
    /// many entries as a read brings of one stream.
    pub(super) async fn hand_over(&mut self, read: Read, full: usize) {
        let mut failed = BTreeSet::new();
        for (stream, entries) in read {
            // There may be more where these came from, and it may be trimmed before it is read.
            let is_behind = entries.len() >= full;
            for (ticket, part) in self.listeners(&stream) {
                for entry in &entries {
                    if !self.hand_one(ticket, part, entry).await {
                        failed.insert((ticket, stream.clone()));
                        break;
                    }
                }
                if let Some(feed) = self.feeds.get_mut(&ticket).filter(|_| is_behind) {
                    feed.doubts.insert(part);
                }
            }
        }
        for (ticket, stream) in failed {
            self.fail(ticket, &stream, "an entry's id is beyond what a position can hold").await;
        }
    }

    fn listeners(&self, stream: &str) -> SmallVec<[(Ticket, usize); 1]> {
        self.streams.get(stream).cloned().unwrap_or_default()
    }

    /// `false`: no position can hold its place.
    async fn hand_one(&mut self, ticket: Ticket, part: usize, entry: &Entry) -> bool {
        let is_new = |it: &&mut Feed| it.places.get(part).is_some_and(|place| *place < entry.id);
        let Some(feed) = self.feeds.get_mut(&ticket).filter(is_new) else {
            return true;
        };
        if entry.id.offset().is_none() {
            return false;
        }
        feed.places[part] = entry.id;
        if entry.is_deleted() {
            Counters::add(&self.shared.counters.skipped, 1);
            return true;
        }
        // An entry without the field cannot be read, and the hub says so to whom it concerns.
        let payload = entry.field(&feed.asked.field).cloned().unwrap_or_default();
        let position = position(&feed.places);
        self.shared.received(1);
        self.tell(ticket, Report::Event { position, payload }).await;
        true
    }

    /// Fails all feeds of a stream that the server will not let us read.
    pub(super) async fn fail_all(&mut self, stream: &str, problem: &str) {
        for (ticket, _) in self.listeners(stream) {
            self.fail(ticket, stream, problem).await;
        }
    }

    pub(super) async fn fail(&mut self, ticket: Ticket, stream: &str, problem: &str) {
        if self.forget(ticket) {
            tracing::warn!(provider = &*self.shared.id, stream, problem, "a Redis stream cannot be read");
            let error = unavailable("The broker's stream cannot be read.");
            self.tell(ticket, Report::Failed([error].into())).await;
        }
    }

    /// Tells feeds that have no place yet that the broker is away; the others read on as if nothing had been.
    pub(super) async fn interrupt_new(&mut self) {
        for ticket in self.new_ones() {
            self.interrupt(ticket).await;
        }
    }

    pub(super) async fn interrupt(&mut self, ticket: Ticket) {
        let Some(feed) = self.feeds.get_mut(&ticket).filter(|it| !it.is_interrupted) else { return };
        feed.is_interrupted = true;
        self.tell(ticket, Report::Interrupted).await;
    }

    async fn tell(&self, ticket: Ticket, report: Report) {
        deliver(&self.shared.sink, ticket, report).await;
    }
}

/// The places of a feed in all of its streams. They fit: others are not kept.
fn position(places: &[EntryId]) -> Position {
    Position((0..).zip(places).map(|(part, it)| (part, it.offset().unwrap_or(u64::MAX))).collect())
}
