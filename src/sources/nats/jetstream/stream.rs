//! What the server says of a stream, and what that means for whoever reads it.

use async_nats::{
    datetime::DateTime,
    jetstream::{
        Context, Error, ErrorCode,
        context::{GetStreamError, GetStreamErrorKind},
        stream::{Config, ConsumerError, ConsumerErrorKind, RetentionPolicy},
    },
};
use std::sync::Arc;

/// A stream at one moment.
#[derive(Clone, Debug)]
pub(super) struct Look {
    created: DateTime,
    /// The oldest message that is there; one behind the last if there is none.
    pub(super) first: u64,
    first_time: DateTime,
    /// The newest message that ever was.
    pub(super) last: u64,
    last_time: DateTime,
    /// What was acknowledged is deleted (work queues, and streams by interest).
    pub(super) deletes_what_is_acknowledged: bool,
    /// Where it takes messages from; empty where it has others, too: those of other streams, or renamed ones.
    pub(super) subjects: Vec<Arc<str>>,
}

/// How far a stream was read, and which stream that was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    created: DateTime,
    /// Everything up to here was read.
    pub(super) last: u64,
    /// When the latest message up to here was stored, as far as known: clocks of servers are set back, too.
    time: DateTime,
}

/// What became of a stream since a mark was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on behind the mark.
    Same,
    /// Messages behind the mark are gone; the oldest that is there is this.
    Trimmed(u64),
    /// It is another one: the old one was deleted, or the server forgot what it held in memory.
    Other,
}

/// Why a stream cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no such stream.
    Missing,
    /// The server will not have it, and says why.
    Refused(String),
    /// No answer; another try may have one.
    Away(String),
}

impl Look {
    pub(super) async fn at(context: &Context, stream: &str) -> Result<Self, Trouble> {
        let info = context.get_stream(stream).await.map_err(|error| Trouble::from(&error))?;
        let info = info.cached_info();
        Ok(Self {
            created: info.created,
            first: info.state.first_sequence,
            first_time: info.state.first_timestamp,
            last: info.state.last_sequence,
            last_time: info.state.last_timestamp,
            deletes_what_is_acknowledged: info.config.retention != RetentionPolicy::Limits,
            subjects: match has_others(&info.config) {
                true => Vec::new(),
                false => info.config.subjects.iter().map(|it| it.as_str().into()).collect(),
            },
        })
    }

    /// A mark behind everything that there is.
    pub(super) fn end(&self) -> Mark {
        self.behind(self.last)
    }

    /// A mark before everything that there is.
    pub(super) fn beginning(&self) -> Mark {
        Mark { created: self.created, last: 0, time: self.first_time }
    }

    /// A mark behind a message of this stream that somebody knows.
    pub(super) fn behind(&self, last: u64) -> Mark {
        Mark { created: self.created, last, time: self.last_time.max(self.first_time) }
    }

    pub(super) fn fate_of(&self, mark: &Mark) -> Fate {
        // A stream in memory keeps its name and birthday when its server starts anew, and counts from 1: then the
        // oldest message has a number that was read before, and is younger than what was read.
        let counts_anew = self.last < mark.last
            || (self.first <= mark.last && self.first_time > mark.time && self.last > 0);
        if self.created != mark.created || counts_anew {
            Fate::Other
        } else if self.first > mark.last + 1 {
            Fate::Trimmed(self.first)
        } else {
            Fate::Same
        }
    }
}

impl Mark {
    /// A message behind the mark was read.
    pub(super) fn advance(&mut self, last: u64, time: DateTime) {
        (self.last, self.time) = (last, time.max(self.time));
    }
}

/// Whether there may be messages of subjects that the stream does not take itself.
fn has_others(config: &Config) -> bool {
    let sources = config.sources.as_ref().is_some_and(|it| !it.is_empty());
    sources || config.mirror.is_some() || config.subject_transform.is_some()
}

impl Trouble {
    fn of(error: &Error) -> Self {
        match error.error_code() {
            ErrorCode::STREAM_NOT_FOUND => Self::Missing,
            // The cluster is looking for a leader, or the server is still starting.
            _ if error.code() == 503 => Self::Away(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl From<&GetStreamError> for Trouble {
    fn from(error: &GetStreamError) -> Self {
        match error.kind() {
            GetStreamErrorKind::JetStream(error) => Self::of(&error),
            GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => {
                Self::Refused(error.to_string())
            }
            GetStreamErrorKind::Request => Self::Away(crate::sources::causes(error)),
        }
    }
}

impl From<&ConsumerError> for Trouble {
    fn from(error: &ConsumerError) -> Self {
        match error.kind() {
            ConsumerErrorKind::JetStream(error) => Self::of(&error),
            ConsumerErrorKind::InvalidConsumerType | ConsumerErrorKind::InvalidName => {
                Self::Refused(error.to_string())
            }
            _ => Self::Away(crate::sources::causes(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn look(first: u64, last: u64, first_second: u64) -> Look {
        let at = |second| DateTime::UNIX_EPOCH + Duration::from_secs(second);
        Look {
            created: at(1),
            first,
            first_time: at(first_second),
            last,
            last_time: at(100),
            deletes_what_is_acknowledged: false,
            subjects: Vec::new(),
        }
    }

    #[test]
    fn a_mark_tells_what_became_of_a_stream() {
        let mark = look(1, 10, 2).end();
        assert_eq!(look(1, 10, 2).fate_of(&mark), Fate::Same);
        assert_eq!(look(11, 10, 2).fate_of(&mark), Fate::Same, "all is gone, and all was read");
        assert_eq!(look(11, 30, 101).fate_of(&mark), Fate::Same);
        assert_eq!(look(12, 30, 101).fate_of(&mark), Fate::Trimmed(12));
        assert_eq!(look(1, 9, 2).fate_of(&mark), Fate::Other, "it counts anew");
        assert_eq!(look(1, 30, 101).fate_of(&mark), Fate::Other, "it has counted past the mark already");
        let other = Look { created: DateTime::UNIX_EPOCH, ..look(1, 10, 2) };
        assert_eq!(other.fate_of(&mark), Fate::Other);
    }

    #[test]
    fn an_empty_stream_is_what_it_was() {
        // The time of a message that is not there is the year 1.
        let empty = Look { first_time: DateTime::UNIX_EPOCH, ..look(0, 0, 0) };
        assert_eq!(empty.fate_of(&empty.end()), Fate::Same);
        assert_eq!(look(1, 3, 50).fate_of(&empty.end()), Fate::Same);
        assert_eq!(look(3, 3, 50).fate_of(&empty.end()), Fate::Trimmed(3));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_other_stream() {
        // The newest messages are older than the oldest.
        let back = Look { last_time: DateTime::UNIX_EPOCH + Duration::from_secs(5), ..look(1, 3, 50) };
        assert_eq!(back.fate_of(&back.end()), Fate::Same);
        assert_eq!(back.fate_of(&back.behind(2)), Fate::Same);
        let mut read = back.beginning();
        for (sequence, second) in [(1, 50), (2, 4), (3, 5)] {
            read.advance(sequence, DateTime::UNIX_EPOCH + Duration::from_secs(second));
            assert_eq!(back.fate_of(&read), Fate::Same);
        }
    }
}
