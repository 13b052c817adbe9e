//! Spells out the server's messages. Ids come in as [`crate::protocol::OperationId::as_str`] gives them,
//! payloads as JSON text.
//!
//! Ids of equal length leave everything of a shared result but the id's own bytes equal, at
//! [`next_id_offset`].

use crate::protocol::outgoing::{self, CLOSE, write_bare};

const NEXT: &str = r#"","type":"next","payload":"#;
const ERROR: &str = r#"","type":"error","payload":"#;

/// What follows the payload of a `next` message.
pub const NEXT_SUFFIX: &[u8] = CLOSE.as_bytes();

/// The length of a whole `next` message, for the frame header that goes before it.
pub const fn next_len(id_len: usize, payload_len: usize) -> usize {
    outgoing::len(id_len, NEXT, payload_len)
}

/// Where the id's bytes begin in a `next` message.
pub const fn next_id_offset() -> usize {
    outgoing::id_offset()
}

/// Appends what goes before the payload of a `next` message.
pub fn write_next_prefix(id: &str, out: &mut Vec<u8>) {
    outgoing::write_prefix(id, NEXT, out);
}

/// Appends a `next` message; `payload` is an execution result.
pub fn write_next(id: &str, payload: &[u8], out: &mut Vec<u8>) {
    outgoing::write(id, NEXT, payload, out);
}

/// Appends an `error` message; `errors` is a list of at least one GraphQL error. It ends the operation:
/// no `complete` follows.
pub fn write_error(id: &str, errors: &[u8], out: &mut Vec<u8>) {
    outgoing::write(id, ERROR, errors, out);
}

/// Appends a `complete` message.
pub fn write_complete(id: &str, out: &mut Vec<u8>) {
    outgoing::write_complete(id, out);
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
