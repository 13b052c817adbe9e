//! From what a broker sent to an event, in memory of events that are done with: a steady stream of them allocates
//! nothing for what was read.

use crate::{
    graphql::json::{Document, Kind},
    plan::{Event, Position},
};
use bytes::Bytes;

/// So many documents are kept: more than are on their way in a busy moment would lie idle in all others.
const SPARE_MAX: usize = 1024;
/// Tables beyond which a document is not kept: few events are that large.
const SPARE_BYTES_MAX: usize = 8 * 1024;

/// See the file's head.
#[derive(Default)]
pub(super) struct Decoder {
    /// Empty, the most recently used last: it is the likeliest to lie in a cache.
    spare: Vec<Document>,
}

impl Decoder {
    /// `None` when the payload is no JSON object.
    pub(super) fn decode(
        &mut self,
        position: Position,
        payload: Bytes,
        labels: Option<Bytes>,
    ) -> Option<Event> {
        let mut document = self.spare.pop().unwrap_or_default();
        let root = document.parse(payload).ok().filter(|it| document.kind(*it) == Kind::Object);
        let Some(root) = root else {
            self.reuse(document);
            return None;
        };
        let labels = labels.and_then(|it| document.parse(it).ok());
        Some(Event { position, document, root, labels })
    }

    /// Keeps the memory of a document that nobody looks at any more.
    pub(super) fn reuse(&mut self, mut document: Document) {
        if self.spare.len() < SPARE_MAX && document.capacity() <= SPARE_BYTES_MAX {
            document.clear();
            self.spare.push(document);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(decoder: &mut Decoder, payload: &str) -> Option<Event> {
        decoder.decode(Position::single(7), Bytes::copy_from_slice(payload.as_bytes()), None)
    }

    #[test]
    fn memory_of_events_that_are_done_with_is_used_again() {
        let mut decoder = Decoder::default();
        let first = decode(&mut decoder, r#"{"id":1,"name":"a"}"#).expect("an object");
        let capacity = first.document.capacity();
        decoder.reuse(first.document);
        assert!(decode(&mut decoder, "[1]").is_none());
        assert!(decode(&mut decoder, "{").is_none());
        let second = decode(&mut decoder, r#"{"id":2}"#).expect("an object");
        assert_eq!(second.document.capacity(), capacity);
        assert_eq!(second.document.entries(second.root).count(), 1, "nothing is left of the first");
        assert!(decoder.spare.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut decoder = Decoder::default();
        let large = format!(r#"{{"all":[{}0]}}"#, "0,".repeat(1000));
        let large = decode(&mut decoder, &large).expect("an object");
        decoder.reuse(large.document);
        assert!(decoder.spare.is_empty(), "it is too large to be kept");
        let many: Vec<_> = (0..=SPARE_MAX).filter_map(|_| decode(&mut decoder, "{}")).collect();
        many.into_iter().for_each(|it| decoder.reuse(it.document));
        assert_eq!(decoder.spare.len(), SPARE_MAX);
    }
}
