//! `multipart/mixed; subscriptionSpec=1.0`: a part for each result, with the response as its `payload`.
//!
//! Clients take a part for whole once they see the boundary behind it, so that goes out with the part. The
//! line break behind the boundary is held back and begins what comes next, because the last boundary has
//! `--` in its place (RFC 2046, section 5.1.1).

pub(super) const MEDIA_TYPE: &str = "multipart/mixed";
pub(super) const CONTENT_TYPE: &str = "multipart/mixed; subscriptionSpec=1.0; boundary=graphql";

const BOUNDARY: &[u8] = b"\r\n--graphql";
const HEAD: &[u8] = b"\r\nContent-Type: application/json\r\n\r\n";

pub(super) fn write_opening(out: &mut Vec<u8>) {
    out.extend_from_slice(BOUNDARY);
}

pub(super) fn write_payload(response: &[u8], out: &mut Vec<u8>) {
    write_part(&[b"{\"payload\":", response, b"}"], out);
}

/// What concerns the stream and not a result: the payload is null, and the end follows.
pub(super) fn write_transport_errors(errors: &[u8], out: &mut Vec<u8>) {
    write_part(&[b"{\"payload\":null,\"errors\":", errors, b"}"], out);
}

pub(super) fn write_heartbeat(out: &mut Vec<u8>) {
    write_part(&[b"{}"], out);
}

pub(super) fn write_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"--\r\n");
}

fn write_part(body: &[&[u8]], out: &mut Vec<u8>) {
    let body_len: usize = body.iter().map(|it| it.len()).sum();
    out.reserve(HEAD.len() + body_len + BOUNDARY.len());
    out.extend_from_slice(HEAD);
    for piece in body {
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(BOUNDARY);
}
