//! Spells out what the dialects' messages have in common.
//!
//! A result that many subscriptions share is kept once, as its payload: what differs per subscription goes
//! before it, and its length is known from the id's length.

const OPEN: &str = r#"{"id":""#;

/// What follows the payload of a message.
pub(super) const CLOSE: &str = "}";

/// Where the id's bytes begin in a message about an operation.
pub(super) const fn id_offset() -> usize {
    OPEN.len()
}

/// The length of a whole message about an operation. `kind` is what stands between id and payload:
/// `","type":"…","payload":`.
pub(super) const fn len(id_len: usize, kind: &str, payload_len: usize) -> usize {
    OPEN.len() + id_len + kind.len() + payload_len + CLOSE.len()
}

/// Appends what goes before the payload.
pub(super) fn write_prefix(id: &str, kind: &str, out: &mut Vec<u8>) {
    put(out, &[OPEN, id, kind]);
}

/// Appends a message about an operation.
pub(super) fn write(id: &str, kind: &str, payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(len(id.len(), kind, payload.len()));
    write_prefix(id, kind, out);
    out.extend_from_slice(payload);
    out.extend_from_slice(CLOSE.as_bytes());
}

/// Appends a `complete` message.
pub(super) fn write_complete(id: &str, out: &mut Vec<u8>) {
    put(out, &[OPEN, id, r#"","type":"complete"}"#]);
}

/// Appends a message of the connection itself; `payload` is a JSON object.
pub(super) fn write_bare(kind: &str, payload: Option<&str>, out: &mut Vec<u8>) {
    match payload {
        Some(payload) => put(out, &[r#"{"type":""#, kind, r#"","payload":"#, payload, CLOSE]),
        None => put(out, &[r#"{"type":""#, kind, r#""}"#]),
    }
}

pub(super) fn put(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}
