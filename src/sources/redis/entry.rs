//! Entries of Redis streams: their ids as places in a feed, and what a server says of a stream.

use bytes::Bytes;
use redis::Value;
use std::fmt;

/// The id of an entry: milliseconds and a number among those of one millisecond. Ordered as the stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryId {
    milliseconds: u64,
    number: u64,
}

impl EntryId {
    /// Before every entry.
    pub(super) const ZERO: Self = Self { milliseconds: 0, number: 0 };
    /// Of 64 bits the upper 44 are the milliseconds (until the year 2527) and the lower 20 the number (a million
    /// entries in one millisecond), so that offsets are ordered as ids are. Servers make such ids; who makes their own
    /// may go beyond.
    const NUMBER_BITS: u32 = 20;

    /// The offset that stands for it; `None` when the id is beyond what one can hold.
    pub(super) fn offset(self) -> Option<u64> {
        let fits =
            self.number >> Self::NUMBER_BITS == 0 && self.milliseconds >> (64 - Self::NUMBER_BITS) == 0;
        fits.then_some(self.milliseconds << Self::NUMBER_BITS | self.number)
    }

    pub(super) fn at(offset: u64) -> Self {
        let number = offset & ((1 << Self::NUMBER_BITS) - 1);
        Self { milliseconds: offset >> Self::NUMBER_BITS, number }
    }

    fn read(value: &Value) -> Option<Self> {
        let (milliseconds, number) = text(value)?.split_once('-')?;
        Some(Self { milliseconds: milliseconds.parse().ok()?, number: number.parse().ok()? })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.number)
    }
}

/// An entry: its id, and its fields and values in turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: EntryId,
    fields: Vec<(Bytes, Bytes)>,
}

impl Entry {
    pub(super) fn field(&self, name: &str) -> Option<&Bytes> {
        self.fields.iter().find(|(field, _)| field == name.as_bytes()).map(|(_, value)| value)
    }

    /// It was there, and there is nothing left of it: every entry has a field.
    pub(super) fn is_deleted(&self) -> bool {
        self.fields.is_empty()
    }

    fn read(value: Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let mut parts = parts.into_iter();
        let id = EntryId::read(&parts.next()?)?;
        // Deleted while it was read: nothing in it.
        let Some(Value::Array(texts)) = parts.next() else { return Some(Self { id, fields: Vec::new() }) };
        let mut texts = texts.into_iter().map(bytes);
        let mut fields = Vec::with_capacity(texts.len() / 2);
        while let (Some(Some(name)), Some(Some(value))) = (texts.next(), texts.next()) {
            fields.push((name, value));
        }
        Some(Self { id, fields })
    }
}

/// What `XREAD` brought: streams and their new entries. `None` is no answer that makes sense.
pub(super) fn read_entries(answer: Value) -> Option<Vec<(String, Vec<Entry>)>> {
    let streams = match answer {
        Value::Nil => return Some(Vec::new()),
        Value::Map(streams) => streams,
        _ => return None,
    };
    let stream = |(name, entries): (Value, Value)| {
        let Value::Array(entries) = entries else { return None };
        let entries = entries.into_iter().map(Entry::read).collect::<Option<Vec<_>>>()?;
        Some((text(&name)?.to_owned(), entries))
    };
    streams.into_iter().map(stream).collect()
}

/// A stream at one moment, by `XINFO STREAM`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamInfo {
    length: u64,
    /// Entries ever added, as far as the server keeps count (version 7).
    added: Option<u64>,
    first: Option<EntryId>,
    /// The newest id ever given.
    pub(super) last: EntryId,
}

impl StreamInfo {
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let Value::Map(facts) = answer else { return None };
        let fact = |name: &str| facts.iter().find(|(key, _)| text(key) == Some(name)).map(|(_, value)| value);
        let count = |name: &str| match fact(name) {
            Some(Value::Int(it)) => u64::try_from(*it).ok(),
            _ => None,
        };
        let first = match fact("first-entry") {
            Some(Value::Array(entry)) => entry.first().and_then(EntryId::read),
            _ => None,
        };
        let last = EntryId::read(fact("last-generated-id")?)?;
        Some(Self { length: count("length")?, added: count("entries-added"), first, last })
    }

    /// Whether the stream is another one than the one in which somebody was at this place: deleted, or made anew.
    pub(super) fn is_other(self, place: EntryId) -> bool {
        self.last < place
    }

    /// Whether entries behind this place may have been trimmed. In doubt they have: the server does not say which
    /// entries it once had.
    pub(super) fn may_have_lost(self, place: EntryId) -> bool {
        // A stream that has lost nothing still has what somebody was at: without it, it was made anew.
        let is_made_anew = place > EntryId::ZERO && self.first.is_some_and(|first| first > place);
        let nothing_was_removed = self.added == Some(self.length) && !is_made_anew;
        let nothing_is_behind = self.last == place || nothing_was_removed;
        self.is_other(place) || !nothing_is_behind && self.first.is_none_or(|first| first > place)
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(it) => std::str::from_utf8(it).ok(),
        Value::SimpleString(it) => Some(it),
        _ => None,
    }
}

/// A string as the server sends it, whatever it holds.
pub(super) fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(it) => Some(it.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn id(text: &str) -> EntryId {
        EntryId::read(&word(text)).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn offsets_keep_the_order_of_ids() {
        let ids =
            ["0-0", "0-1", "1-0", "1-1048575", "2-0", "1764080000000-7", "17592186044415-1048575"].map(id);
        let offsets: Vec<u64> = ids.iter().map(|it| it.offset().expect("it fits")).collect();
        assert!(offsets.is_sorted_by(|a, b| a < b), "{offsets:?}");
        assert_eq!(offsets.iter().map(|it| EntryId::at(*it)).collect::<Vec<_>>(), ids);
        assert_eq!((offsets[0], offsets[6]), (0, u64::MAX));
        for beyond in ["17592186044416-0", "1-1048576", "18446744073709551615-18446744073709551615"] {
            assert_eq!(id(beyond).offset(), None, "{beyond}");
            assert_eq!(id(beyond).to_string(), beyond);
        }
        for bad in ["", "1", "-", "1-", "a-1", "1-18446744073709551616"] {
            assert_eq!(EntryId::read(&word(bad)), None, "{bad}");
        }
    }

    #[test]
    fn entries_are_read_with_their_fields() {
        let entry = |id: &str, texts: &[&str]| {
            Value::Array(vec![word(id), Value::Array(texts.iter().map(|it| word(it)).collect())])
        };
        let entries = Value::Array(vec![
            entry("1-0", &["a", "1", "payload", "{}"]),
            Value::Array(vec![word("1-1"), Value::Nil]),
        ]);
        let read = read_entries(Value::Map(vec![(word("s"), entries)])).expect("an answer");
        assert_eq!(read[0].0, "s");
        assert_eq!(read[0].1[0].field("payload").map(|it| &it[..]), Some(&b"{}"[..]));
        assert_eq!((read[0].1[1].id, read[0].1[1].field("payload")), (id("1-1"), None));
        assert_eq!(read[0].1.iter().map(Entry::is_deleted).collect::<Vec<_>>(), [false, true]);
        assert_eq!(read_entries(Value::Nil), Some(Vec::new()));
        assert_eq!(read_entries(Value::Int(1)), None);
    }

    #[test]
    fn what_was_trimmed_is_noticed() {
        let info = |length, added, first: &str, last: &str| StreamInfo {
            length,
            added,
            first: (!first.is_empty()).then(|| id(first)),
            last: id(last),
        };
        for (info, place, expected) in [
            (info(3, Some(3), "1-0", "3-0"), "0-0", false),
            (info(2, Some(3), "2-0", "3-0"), "2-0", false),
            (info(2, Some(3), "2-0", "3-0"), "1-0", true),
            (info(2, None, "2-0", "3-0"), "0-0", true),
            (info(0, Some(3), "", "3-0"), "3-0", false),
            (info(0, Some(3), "", "3-0"), "2-0", true),
            (info(1, Some(1), "1-0", "1-0"), "3-0", true),
            (info(1, None, "1-0", "1-0"), "3-0", true),
            (info(0, None, "", "0-0"), "3-0", true),
            (info(0, None, "", "0-0"), "0-0", false),
            (info(3, Some(3), "1-0", "3-0"), "2-0", false),
            (info(2, Some(2), "5-0", "6-0"), "3-0", true),
            (info(2, Some(2), "5-0", "6-0"), "0-0", false),
        ] {
            assert_eq!(info.may_have_lost(id(place)), expected, "{info:?} {place}");
        }
    }
}
