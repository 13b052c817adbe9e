//! Transcripts of bodies, byte for byte.

use super::*;
use StreamFormat::{Multipart, ServerSentEvents};

fn body(format: StreamFormat, write: impl FnOnce(StreamFormat, &mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    format.write_opening(&mut out);
    write(format, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

const ERRORS: &[u8] = br#"[{"message":"no"}]"#;

#[test]
fn events_are_named_and_the_end_has_an_empty_line_of_data() {
    let body = body(ServerSentEvents, |it, out| {
        it.write_result(br#"{"data":{"a":1}}"#, out);
        it.write_heartbeat(out);
        it.write_result(br#"{"data":{"a":2}}"#, out);
        it.write_complete(out);
    });
    assert_eq!(
        body,
        "retry: 3000\n\n\
         event: next\ndata: {\"data\":{\"a\":1}}\n\n\
         :heartbeat\n\n\
         event: next\ndata: {\"data\":{\"a\":2}}\n\n\
         event: complete\ndata: \n\n"
    );
}

/// A custom scalar comes through as the publisher wrote it, but for line breaks between its tokens.
#[test]
fn a_response_is_one_line_of_data() {
    let body = body(ServerSentEvents, |it, out| it.write_result(b"{\"a\":\n1,\r\n\"b\":\r2}", out));
    assert_eq!(body, "retry: 3000\n\nevent: next\ndata: {\"a\": 1,  \"b\": 2}\n\n");
}

#[test]
fn every_part_is_whole_at_once_and_the_last_boundary_ends_the_body() {
    let mut whole = Vec::new();
    let body = body(Multipart, |it, out| {
        let mut look = |out: &[u8]| whole.push(out.ends_with(b"\r\n--graphql"));
        it.write_result(br#"{"data":{"a":1}}"#, out);
        look(out);
        it.write_heartbeat(out);
        look(out);
        it.write_result(br#"{"errors":[{"message":"no"}]}"#, out);
        look(out);
        it.write_complete(out);
    });
    assert_eq!(whole, [true; 3], "the boundary follows its part");
    assert_eq!(
        body,
        "\r\n--graphql\r\nContent-Type: application/json\r\n\r\n{\"payload\":{\"data\":{\"a\":1}}}\
         \r\n--graphql\r\nContent-Type: application/json\r\n\r\n{}\
         \r\n--graphql\r\nContent-Type: application/json\r\n\r\n{\"payload\":{\"errors\":[{\"message\":\"no\"}]}}\
         \r\n--graphql--\r\n"
    );
}

#[test]
fn a_failure_is_the_last_word() {
    assert_eq!(
        body(ServerSentEvents, |it, out| it.write_failure(ERRORS, out)),
        "retry: 3000\n\nevent: next\ndata: {\"errors\":[{\"message\":\"no\"}]}\n\nevent: complete\ndata: \n\n"
    );
    assert_eq!(
        body(Multipart, |it, out| it.write_failure(ERRORS, out)),
        "\r\n--graphql\r\nContent-Type: application/json\r\n\r\n\
         {\"payload\":null,\"errors\":[{\"message\":\"no\"}]}\r\n--graphql--\r\n"
    );
}

/// Who is told `complete` does not come back.
#[test]
fn an_interruption_is_no_completion() {
    assert_eq!(body(ServerSentEvents, |it, out| it.write_interruption(out)), "retry: 3000\n\n");
    let multipart = body(Multipart, |it, out| it.write_interruption(out));
    assert!(multipart.contains("{\"payload\":null,\"errors\":[{\"message\""), "{multipart}");
    assert!(multipart.ends_with("\r\n--graphql--\r\n"), "{multipart}");
}
