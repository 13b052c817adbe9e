//! Responses that the hub makes itself: what a group is told when there is no result to give.

use crate::graphql::{self, write_errors};
use bytes::Bytes;

/// A response without data that takes its place among a group's results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// An event that nobody can read.
    Invalid,
    /// So many events are gone.
    Lost(u64),
    /// Events may have been missed.
    Gap,
    /// The feed is away for longer than the grace time.
    Unavailable,
}

impl Notice {
    /// A whole GraphQL response.
    pub(super) fn response(self) -> Bytes {
        let mut out = b"{\"errors\":".to_vec();
        write_errors(&[self.error()], &mut out);
        out.extend_from_slice(b",\"data\":null}");
        out.into()
    }

    pub(super) fn error(self) -> graphql::Error {
        match self {
            // Word for word what clients of Cosmo know.
            Self::Invalid => graphql::Error::new("Invalid message received"),
            Self::Lost(count) => graphql::Error::new("Events were lost before they could be delivered.")
                .with_code("EVENTS_LOST")
                .with_extension("count", count.to_string().into()),
            Self::Gap => graphql::Error::new("Events may have been missed while their source was away.")
                .with_code("EVENTS_LOST"),
            Self::Unavailable => graphql::Error::new("The feed of this subscription is unavailable.")
                .with_code("FEED_UNAVAILABLE"),
        }
    }
}
