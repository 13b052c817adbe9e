//! What of a record is the event: its value, unpacked, and what stands beside it. No client, no thread.

use crate::{graphql::json::write_string, sources::options::KafkaPayload};
use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A byte of zero and four of a schema's id.
const CONFLUENT_PREFIX: usize = 5;

/// What a record comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unpacked<'a> {
    Event(&'a [u8]),
    /// It tells of no state: something was deleted.
    Nothing,
    /// It is not packed as it should be.
    Broken(&'static str),
}

/// Takes the event out of a value. Whether it is JSON, and an object, is seen where it is decoded.
pub(super) fn unpack(format: KafkaPayload, value: &[u8]) -> Unpacked<'_> {
    match format {
        KafkaPayload::Json => Unpacked::Event(value),
        KafkaPayload::Debezium => debezium(value),
        KafkaPayload::ConfluentJson => confluent(value),
    }
}

fn confluent(value: &[u8]) -> Unpacked<'_> {
    let Some((prefix, json)) = value.split_at_checked(CONFLUENT_PREFIX) else {
        return Unpacked::Broken("it is shorter than the prefix of Confluent's serialisers");
    };
    let is_object = json.iter().find(|it| !it.is_ascii_whitespace()) == Some(&b'{');
    match (prefix[0], is_object) {
        (0, true) => Unpacked::Event(json),
        (0, false) => {
            Unpacked::Broken("it is no JSON behind Confluent's prefix; Avro and Protobuf are not read")
        }
        _ => Unpacked::Broken("it does not begin with the prefix of Confluent's serialisers"),
    }
}

/// A change, or, with its schema, what holds one.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    op: Option<&'a RawValue>,
    #[serde(borrow)]
    after: Option<&'a RawValue>,
}

fn debezium(value: &[u8]) -> Unpacked<'_> {
    const BROKEN: Unpacked<'_> = Unpacked::Broken("it is no envelope of Debezium's in JSON");
    let Ok(mut envelope) = serde_json::from_slice::<Envelope<'_>>(value) else { return BROKEN };
    if let (Some(inner), None) = (envelope.payload, envelope.op) {
        let Ok(inner) = serde_json::from_str(inner.get()) else { return BROKEN };
        envelope = inner;
    }
    match (envelope.after, envelope.op) {
        (Some(row), _) if row.get().starts_with('{') => Unpacked::Event(row.get().as_bytes()),
        (None, Some(_)) => Unpacked::Nothing,
        _ => BROKEN,
    }
}

/// A record's key and headers, as [`Report::Labelled`](crate::sources::Report) has them.
pub(super) fn labels(record: &BorrowedMessage<'_>) -> Bytes {
    let mut headers: Vec<(&str, Option<&[u8]>)> = Vec::new();
    if let Some(all) = record.headers() {
        headers.extend(all.iter().map(|it| (it.key, it.value)));
    }
    write_labels(record.key(), headers)
}

fn write_labels(key: Option<&[u8]>, mut headers: Vec<(&str, Option<&[u8]>)>) -> Bytes {
    let mut out = vec![b'{'];
    // What is no text is left out, so that nothing is decided by it.
    if write_value("$key", key, &mut out) {
        out.push(b',');
    }
    write_string("$headers", &mut out);
    out.extend(b":{");
    // Stable: values of one name stay in their order.
    headers.sort_by_key(|(name, _)| *name);
    for (index, same) in headers.chunk_by(|a, b| a.0 == b.0).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(same[0].0, &mut out);
        out.extend(b":[");
        let mut is_first = true;
        for text in same.iter().filter_map(|(_, value)| text(*value)) {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            write_text(text, &mut out);
        }
        out.push(b']');
    }
    out.extend(b"}}");
    out.into()
}

fn write_value(name: &str, value: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    let Some(text) = text(value) else { return false };
    write_string(name, out);
    out.push(b':');
    write_text(text, out);
    true
}

/// `None` for what is there and no text.
fn text(value: Option<&[u8]>) -> Option<Option<&str>> {
    value.map(|it| std::str::from_utf8(it).ok()).map_or(Some(None), |it| it.map(Some))
}

fn write_text(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) => write_string(text, out),
        None => out.extend(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Unpacked::*, *};

    #[test]
    fn the_row_after_a_change_is_the_event() {
        let check = |value: &'static str, expected: Unpacked<'_>| {
            assert_eq!(unpack(KafkaPayload::Debezium, value.as_bytes()), expected, "{value}");
        };
        let row = || Event(br#"{"id": 1, "payload": null}"#);
        check(r#"{"before": null, "after": {"id": 1, "payload": null}, "op": "c"}"#, row());
        check(r#"{"schema": {}, "payload": {"after": {"id": 1, "payload": null}, "op": "r"}}"#, row());
        check(r#"{"before": {"id": 1}, "after": null, "op": "d"}"#, Nothing);
        check(r#"{"schema": {}, "payload": {"before": {"id": 1}, "op": "d"}}"#, Nothing);
        for broken in
            ["", "1", "nonsense", "{}", r#"{"id": 1}"#, r#"{"after": 1, "op": "c"}"#, r#"{"payload": 1}"#]
        {
            assert!(matches!(unpack(KafkaPayload::Debezium, broken.as_bytes()), Broken(_)), "{broken}");
        }
    }

    #[test]
    fn confluents_prefix_is_taken_off_json_alone() {
        let read = |value| unpack(KafkaPayload::ConfluentJson, value);
        assert_eq!(read(b"\0\0\0\0\x07{\"id\": 1}"), Event(b"{\"id\": 1}"));
        for broken in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x07", b"{\"id\": 1}", b"\0\0\0\0\x07\x02\x0aabc"] {
            assert!(matches!(read(broken), Broken(_)), "{broken:?}");
        }
        assert_eq!(unpack(KafkaPayload::Json, b"\0"), Event(b"\0"), "taken as it is");
    }

    #[test]
    fn labels_are_texts_or_nothing() {
        let text = |it: &'static str| Some(it.as_bytes());
        let labels = write_labels(text("k\""), vec![("b", text("2")), ("a", text("1")), ("b", None)]);
        assert_eq!(labels, r#"{"$key":"k\"","$headers":{"a":["1"],"b":["2",null]}}"#);
        assert_eq!(write_labels(None, vec![]), r#"{"$key":null,"$headers":{}}"#);
        let labels = write_labels(Some(b"\xff"), vec![("a", Some(b"\xff")), ("a", text("1"))]);
        assert_eq!(labels, r#"{"$headers":{"a":["1"]}}"#);
    }
}
