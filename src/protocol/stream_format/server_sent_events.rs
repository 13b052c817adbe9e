//! Server-Sent Events: events `next` and `complete`, heartbeats as comments.
//!
//! A line of data ends at CR, LF or both (HTML standard, section 9.2.5). JSON has such only between its
//! tokens, where a blank says the same: a response is one line, because urql reads no more of an event.

pub(super) const MEDIA_TYPE: &str = "text/event-stream";
pub(super) const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// How long browsers wait before they come back once the body has ended, in milliseconds (HTML standard,
/// section 9.2.3).
const OPENING: &[u8] = b"retry: 3000\n\n";

pub(super) fn write_opening(out: &mut Vec<u8>) {
    out.extend_from_slice(OPENING);
}

pub(super) fn write_next(response: &[u8], out: &mut Vec<u8>) {
    out.reserve(response.len() + 32);
    out.extend_from_slice(b"event: next\ndata: ");
    let start = out.len();
    out.extend_from_slice(response);
    for byte in out[start..].iter_mut().filter(|it| matches!(it, b'\n' | b'\r')) {
        *byte = b' ';
    }
    out.extend_from_slice(b"\n\n");
}

pub(super) fn write_complete(out: &mut Vec<u8>) {
    // With no line of data at all, browsers would not hand the event out.
    out.extend_from_slice(b"event: complete\ndata: \n\n");
}

pub(super) fn write_heartbeat(out: &mut Vec<u8>) {
    out.extend_from_slice(b":heartbeat\n\n");
}
