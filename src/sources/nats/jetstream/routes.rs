//! Who gets which message of a stream: a reader's table of feeds. No connection, no clock.
//!
//! One reader serves all feeds of a stream, so each has a place of its own beside the reader's: what lies before it
//! was there before the feed, or was handed over already, and is not for it, however often it is read.

use super::{StreamFeed, tree::Tree};
use crate::sources::Ticket;
use smallvec::SmallVec;
use std::{collections::BTreeMap, sync::Arc};

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Routes {
    feeds: BTreeMap<Ticket, Feed>,
    tree: Tree,
}

pub(super) struct Feed {
    pub(super) asked: StreamFeed,
    /// The newest message that is not for it any more; `None` before it has started.
    pub(super) place: Option<u64>,
    /// Whoever listens was told that the broker is away.
    pub(super) is_interrupted: bool,
}

impl Routes {
    pub(super) fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }

    pub(super) fn add(&mut self, ticket: Ticket, asked: StreamFeed) {
        asked.subjects.iter().for_each(|it| self.tree.insert(it, ticket));
        self.feeds.insert(ticket, Feed { asked, place: None, is_interrupted: false });
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Feed> {
        let feed = self.feeds.remove(&ticket)?;
        feed.asked.subjects.iter().for_each(|it| self.tree.remove(it, ticket));
        Some(feed)
    }

    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Feed> {
        self.feeds.get_mut(&ticket)
    }

    pub(super) fn get(&self, ticket: Ticket) -> Option<&Feed> {
        self.feeds.get(&ticket)
    }

    /// What all feeds together listen to; subjects may repeat.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &Arc<str>> {
        self.feeds.values().flat_map(|it| it.asked.subjects.iter())
    }

    /// Feeds that have not started.
    pub(super) fn waiting(&self) -> Vec<Ticket> {
        self.feeds.iter().filter(|(_, it)| it.place.is_none()).map(|(it, _)| *it).collect()
    }

    pub(super) fn started(&self) -> Vec<Ticket> {
        self.feeds.iter().filter(|(_, it)| it.place.is_some()).map(|(it, _)| *it).collect()
    }

    /// The numbers of messages begin anew.
    pub(super) fn restart(&mut self) {
        self.feeds.values_mut().filter(|it| it.place.is_some()).for_each(|it| it.place = Some(0));
    }

    /// Who is to get a message, in the order of tickets, each once.
    pub(super) fn find(&self, subject: &str, sequence: u64) -> SmallVec<[Ticket; 8]> {
        let mut found = SmallVec::new();
        self.tree.find(subject, &mut found);
        found.sort_unstable();
        found.dedup();
        found.retain(|it| {
            self.feeds.get(it).and_then(|feed| feed.place).is_some_and(|place| place < sequence)
        });
        found
    }

    /// A feed has got a message.
    pub(super) fn passed(&mut self, ticket: Ticket, sequence: u64) {
        if let Some(feed) = self.feeds.get_mut(&ticket) {
            feed.place = Some(sequence);
        }
    }
}
