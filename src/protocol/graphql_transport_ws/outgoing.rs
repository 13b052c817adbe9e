//! Spells out the server's messages. Ids come in as [`super::OperationId::as_str`] gives them, payloads
//! as JSON text.
//!
//! A result that many subscriptions share is written once: what differs per subscription is the prefix,
//! and its length is known from the id's length. Ids of equal length leave everything but the id's own
//! bytes equal, at [`next_id_offset`].

const NEXT_OPEN: &str = r#"{"id":""#;
const NEXT_TYPE: &str = r#"","type":"next","payload":"#;

/// What follows the payload of a `next` message.
pub const NEXT_SUFFIX: &[u8] = b"}";

/// The length of a whole `next` message, for the frame header that goes before it.
pub const fn next_len(id_len: usize, payload_len: usize) -> usize {
    NEXT_OPEN.len() + id_len + NEXT_TYPE.len() + payload_len + NEXT_SUFFIX.len()
}

/// Where the id's bytes begin in a `next` message.
pub const fn next_id_offset() -> usize {
    NEXT_OPEN.len()
}

/// Appends what goes before the payload of a `next` message.
pub fn write_next_prefix(id: &str, out: &mut Vec<u8>) {
    put(out, &[NEXT_OPEN, id, NEXT_TYPE]);
}

/// Appends a `next` message; `payload` is an execution result.
pub fn write_next(id: &str, payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(next_len(id.len(), payload.len()));
    write_next_prefix(id, out);
    out.extend_from_slice(payload);
    out.extend_from_slice(NEXT_SUFFIX);
}

/// Appends an `error` message; `errors` is a list of at least one GraphQL error. It ends the operation:
/// no `complete` follows.
pub fn write_error(id: &str, errors: &[u8], out: &mut Vec<u8>) {
    put(out, &[NEXT_OPEN, id, r#"","type":"error","payload":"#]);
    out.extend_from_slice(errors);
    out.push(b'}');
}

/// Appends a `complete` message.
pub fn write_complete(id: &str, out: &mut Vec<u8>) {
    put(out, &[NEXT_OPEN, id, r#"","type":"complete"}"#]);
}

/// Appends a `connection_ack` message; `payload` is a JSON object.
pub fn write_ack(payload: Option<&str>, out: &mut Vec<u8>) {
    write_bare("connection_ack", payload, out);
}

/// Appends a `ping` message; `payload` is a JSON object.
pub fn write_ping(payload: Option<&str>, out: &mut Vec<u8>) {
    write_bare("ping", payload, out);
}

/// Appends a `pong` message; `payload` is a JSON object.
pub fn write_pong(payload: Option<&str>, out: &mut Vec<u8>) {
    write_bare("pong", payload, out);
}

fn write_bare(kind: &str, payload: Option<&str>, out: &mut Vec<u8>) {
    match payload {
        Some(payload) => put(out, &[r#"{"type":""#, kind, r#"","payload":"#, payload, "}"]),
        None => put(out, &[r#"{"type":""#, kind, r#""}"#]),
    }
}

fn put(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}
