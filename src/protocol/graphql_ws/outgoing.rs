//! Spells out the server's messages where they are not those of the other dialect. Ids come in as
//! [`crate::protocol::OperationId::as_str`] gives them, payloads as JSON text.

use crate::{
    graphql::json::write_string,
    protocol::outgoing::{self, CLOSE, put, write_bare, write_prefix},
};
use serde_json::value::RawValue;

const DATA: &str = r#"","type":"data","payload":"#;
const ERROR: &str = r#"","type":"error","payload":"#;

/// The length of a whole `data` message, for the frame header that goes before it.
pub const fn data_len(id_len: usize, payload_len: usize) -> usize {
    outgoing::len(id_len, DATA, payload_len)
}

/// Appends a `data` message; `payload` is an execution result.
pub fn write_data(id: &str, payload: &[u8], out: &mut Vec<u8>) {
    outgoing::write(id, DATA, payload, out);
}

/// Appends an `error` message: the operation cannot be begun. `errors` is a list of at least one GraphQL
/// error. No `complete` follows: the npm client has forgotten the operation by then.
///
/// The protocol has one error as the payload, and clients with types of their own rely on an object. All of
/// them are its member `errors`, which is where the npm client looks first.
pub fn write_error(id: &str, errors: &[u8], out: &mut Vec<u8>) {
    write_prefix(id, ERROR, out);
    match first_open(errors) {
        Some(first) => put(out, &[first, ","]),
        None => put(out, &["{"]),
    }
    put(out, &[r#""errors":"#]);
    out.extend_from_slice(errors);
    put(out, &[CLOSE, CLOSE]);
}

/// Appends the `data` message of an operation that had begun and fails: a `complete` has to follow.
/// `errors` is a list of at least one GraphQL error.
pub fn write_failure(id: &str, errors: &[u8], out: &mut Vec<u8>) {
    write_prefix(id, DATA, out);
    put(out, &[r#"{"errors":"#]);
    out.extend_from_slice(errors);
    put(out, &[r#","data":null}"#, CLOSE]);
}

/// Appends a `connection_error` message: the client may not connect, and why.
pub fn write_connection_error(reason: &str, out: &mut Vec<u8>) {
    put(out, &[r#"{"type":"connection_error","payload":{"message":"#]);
    write_string(reason, out);
    put(out, &[CLOSE, CLOSE]);
}

/// Appends a `ka` message. From the first one on, the client closes the connection when they stay away for
/// its `timeout`; the first follows `connection_ack`.
pub fn write_keep_alive(out: &mut Vec<u8>) {
    write_bare("ka", None, out);
}

/// The first object of a list, without its last brace; `None` if it has no members.
fn first_open(errors: &[u8]) -> Option<&str> {
    let errors: Vec<&RawValue> = serde_json::from_slice(errors).ok()?;
    let open = errors.first()?.get().strip_suffix('}')?;
    (open.len() > 1).then_some(open)
}
