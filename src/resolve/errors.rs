//! The errors of one response, bounded.

use crate::graphql::{Error, PathSegment};
use std::collections::HashMap;

/// Errors that one response carries at most: a list of a million broken items must not become a million
/// errors. Those left out are counted.
pub(super) const ERRORS_MAX: usize = 1000;

/// Code of an answer or event that contradicts the schema.
pub(super) const INVALID_GRAPHQL: &str = "INVALID_GRAPHQL";

/// Code of a field whose subgraph could not be told what it needs to know.
pub(super) const REQUIRED_FIELD_MISSING: &str = "REQUIRED_FIELD_MISSING";

#[derive(Debug, Default)]
pub(super) struct Errors {
    pub(super) list: Vec<Error>,
    /// Places whose nulls need no further error.
    explained: Vec<Vec<PathSegment>>,
    pub(super) dropped: usize,
}

impl Errors {
    pub(super) fn push(&mut self, error: Error) {
        if self.is_full() {
            self.dropped += 1;
        } else {
            self.explained.push(error.path.clone());
            self.list.push(error);
        }
    }

    /// Adds an error that speaks for others, which have their own places.
    pub(super) fn push_for(&mut self, error: Error, others: Self) {
        self.dropped += others.dropped;
        if self.is_full() {
            self.dropped += 1;
        } else {
            self.explained.extend(others.explained);
            self.list.push(error);
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        let room = ERRORS_MAX - self.list.len();
        self.dropped += other.dropped + other.list.len().saturating_sub(room);
        self.list.extend(other.list.into_iter().take(room));
        self.explained.extend(other.explained);
    }

    /// Places in the response whose nulls have a reason already.
    pub(super) fn explained(&self) -> Explained {
        Explained::by(&self.explained)
    }

    /// How many more errors there may be.
    pub(super) fn room(&self) -> usize {
        ERRORS_MAX.saturating_sub(self.list.len())
    }

    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= ERRORS_MAX
    }
}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self { explained: vec![error.path.clone()], list: vec![error], dropped: 0 }
    }
}

/// Places in the response whose nulls subgraphs have already given a reason for.
#[derive(Default)]
pub(super) struct Explained {
    here: bool,
    below: HashMap<PathSegment, Self>,
}

impl Explained {
    fn by(places: &[Vec<PathSegment>]) -> Self {
        let mut root = Self::default();
        for place in places {
            let mut at = &mut root;
            for segment in place {
                at = at.below.entry(segment.clone()).or_default();
            }
            at.here = true;
        }
        root
    }

    /// Whether an error lies at the path, above it (all of that fetch failed) or below it (the null has
    /// moved up within the subgraph).
    pub(super) fn contains(&self, path: &[PathSegment]) -> bool {
        let mut at = self;
        for segment in path {
            if at.here {
                return true;
            }
            match at.below.get(segment) {
                Some(next) => at = next,
                None => return false,
            }
        }
        at.here || !at.below.is_empty()
    }
}
