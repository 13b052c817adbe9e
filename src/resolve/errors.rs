//! The errors of one response, bounded.

use crate::graphql::{Error, PathSegment};
use std::collections::HashMap;

/// Errors that one response carries at most: a list of a million broken items must not become a million
/// errors. Those left out are counted.
pub(super) const ERRORS_MAX: usize = 1000;

/// Code of an answer or event that contradicts the schema.
pub(super) const INVALID_GRAPHQL: &str = "INVALID_GRAPHQL";

#[derive(Debug, Default)]
pub(super) struct Errors {
    pub(super) list: Vec<Error>,
    pub(super) dropped: usize,
}

impl Errors {
    pub(super) fn push(&mut self, error: Error) {
        if self.is_full() {
            self.dropped += 1;
        } else {
            self.list.push(error);
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.dropped += other.dropped;
        if self.list.is_empty() {
            self.list = other.list;
        } else {
            other.list.into_iter().for_each(|it| self.push(it));
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= ERRORS_MAX
    }
}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self { list: vec![error], dropped: 0 }
    }
}

/// Places in the response whose nulls subgraphs have already given a reason for.
#[derive(Default)]
pub(super) struct Explained {
    here: bool,
    below: HashMap<PathSegment, Self>,
}

impl Explained {
    pub(super) fn by(errors: &[Error]) -> Self {
        let mut root = Self::default();
        for error in errors {
            let mut at = &mut root;
            for segment in &error.path {
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
