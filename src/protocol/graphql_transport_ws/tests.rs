//! Conversations, one behaviour each: see [`crate::protocol::transcript`].

use super::*;
use crate::protocol::{Close, Dialect, ID_BYTES_MAX, Reaction, Session, transcript};

#[track_caller]
fn check(transcript: &str) {
    transcript::check(Dialect::GraphqlTransportWs, transcript);
}

/// [`check`] after `connection_init` and its answer.
#[track_caller]
fn check_connected(transcript: &str) {
    check(&format!(
        "client > {{\"type\":\"connection_init\"}}
        (initialise -)
        accept
        server < {{\"type\":\"connection_ack\"}}
        {transcript}"
    ));
}

fn session() -> Session {
    Session::new(Dialect::GraphqlTransportWs)
}

#[test]
fn a_session_is_two_bytes() {
    assert_eq!(size_of::<Session>(), 2);
}

#[test]
fn init_is_acknowledged() {
    check(
        r#"client > {"type":"connection_init"}
        (initialise -)
        accept
        server < {"type":"connection_ack"}"#,
    );
}

#[test]
fn init_and_ack_may_carry_payloads() {
    check(
        r#"client > { "payload" : {"token": "t",  "n": 1.0} , "type" : "connection_init" }
        (initialise {"token": "t",  "n": 1.0})
        accept {"until":7}
        server < {"type":"connection_ack","payload":{"until":7}}"#,
    );
    check(
        r#"client > {"type":"connection_init","payload":null}
        (initialise -)"#,
    );
}

#[test]
fn a_refused_client_is_forbidden() {
    check(
        r#"client > {"type":"connection_init"}
        (initialise -)
        refuse
        close 4403 Forbidden"#,
    );
}

#[test]
fn a_client_that_never_initialises_times_out() {
    check(
        "init timeout
        close 4408 Connection initialisation timeout",
    );
}

#[test]
fn time_spent_deciding_is_not_the_clients() {
    check(
        r#"client > {"type":"connection_init"}
        (initialise -)
        init timeout
        accept
        server < {"type":"connection_ack"}
        init timeout"#,
    );
}

#[test]
fn a_second_init_is_one_too_many() {
    check_connected(
        r#"client > {"type":"connection_init"}
        close 4429 Too many initialisation requests"#,
    );
}

#[test]
fn a_second_init_is_one_too_many_while_the_first_is_pending() {
    check(
        r#"client > {"type":"connection_init"}
        (initialise -)
        client > {"type":"connection_init"}
        close 4429 Too many initialisation requests"#,
    );
}

#[test]
fn subscribing_before_the_ack_is_unauthorized() {
    check(
        r#"client > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        close 4401 Unauthorized"#,
    );
    check(
        r#"client > {"type":"connection_init"}
        (initialise -)
        client > {"type":"subscribe","id":"1","payload":{"query":"{a}"}}
        close 4401 Unauthorized"#,
    );
}

#[test]
fn results_follow_a_subscribe_in_order_until_complete() {
    check_connected(
        r#"client > {"id":"1","type":"subscribe","payload":{"query":"subscription { a }"}}
        (subscribe 1 subscription { a } | - | - | -)
        result 1 {"data":{"a":1}}
        server < {"id":"1","type":"next","payload":{"data":{"a":1}}}
        result 1 {"data":{"a":2}}
        server < {"id":"1","type":"next","payload":{"data":{"a":2}}}
        done 1
        server < {"id":"1","type":"complete"}"#,
    );
}

#[test]
fn requests_come_with_name_variables_and_extensions_as_written() {
    check_connected(
        r#"client > {"type":"subscribe","id":"1","payload":{"query":"subscription A(\u0024b: \"x\") { a }","operationName":"A","variables":{"b": 9007199254740993},"extensions":{"e":[1.0]},"other":0}}
        (subscribe 1 subscription A($b: "x") { a } | A | {"b": 9007199254740993} | {"e":[1.0]})"#,
    );
}

#[test]
fn null_members_count_as_absent() {
    check_connected(
        r#"client > {"type":"subscribe","id":"1","payload":{"query":"{a}","operationName":null,"variables":null,"extensions":null}}
        (subscribe 1 {a} | - | - | -)"#,
    );
}

#[test]
fn extensions_may_stand_for_the_query() {
    check_connected(
        r#"client > {"type":"subscribe","id":"1","payload":{"extensions":{"persistedQuery":{}}}}
        (subscribe 1 - | - | - | {"persistedQuery":{}})"#,
    );
}

#[test]
fn the_raw_payload_is_a_slice_of_the_message() {
    let text = r#"{"type":"subscribe","id":"1","payload": {"query" : "{a}"} }"#;
    let mut session = session();
    assert!(matches!(
        session.receive(r#"{"type":"connection_init"}"#, |_| false),
        Reaction::Initialise { .. }
    ));
    session.acknowledge();
    let Reaction::Subscribe { operation, .. } = session.receive(text, |_| false) else {
        panic!("expected a subscribe");
    };
    assert_eq!(operation.raw, r#"{"query" : "{a}"}"#);
    assert!(text.as_bytes().as_ptr_range().contains(&operation.raw.as_ptr()));
}

#[test]
fn an_error_ends_an_operation_and_frees_its_id() {
    check_connected(
        r#"client > {"id":"1","type":"subscribe","payload":{"query":"{"}}
        (subscribe 1 { | - | - | -)
        errors 1 [{"message":"no"}]
        server < {"id":"1","type":"error","payload":[{"message":"no"}]}
        client > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)"#,
    );
}

#[test]
fn a_failure_of_an_operation_that_had_begun_is_an_error_too() {
    check_connected(
        r#"client > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)
        result 1 {"data":{"a":1}}
        server < {"id":"1","type":"next","payload":{"data":{"a":1}}}
        fails 1 [{"message":"no"}]
        server < {"id":"1","type":"error","payload":[{"message":"no"}]}
        client > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)"#,
    );
}

#[test]
fn a_live_id_cannot_be_used_again() {
    check_connected(
        r#"client > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)
        client > {"id":"2","type":"subscribe","payload":{"query":"{a}"}}
        (subscribe 2 {a} | - | - | -)
        client > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        close 4409 Subscriber for 1 already exists"#,
    );
}

#[test]
fn a_completed_id_can_be_used_again_and_complete_is_not_echoed() {
    check_connected(
        r#"client > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)
        client > {"id":"1","type":"complete"}
        (unsubscribe 1)
        client > {"id":"1","type":"subscribe","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)"#,
    );
}

#[test]
fn complete_for_an_unknown_id_is_ignored() {
    check_connected(r#"client > {"id":"9","type":"complete"}"#);
    check(r#"client > {"id":"9","type":"complete"}"#);
}

#[test]
fn ids_are_the_same_however_they_are_escaped() {
    check_connected(
        r#"client > {"id":"\u0061\"\/\n\u001f😀\ud83d\ude00","type":"subscribe","payload":{"query":"{a}"}}
        (subscribe a\"/\n\u001f😀😀 {a} | - | - | -)
        done a\"/\n\u001f😀😀
        server < {"id":"a\"/\n\u001f😀😀","type":"complete"}
        client > {"id":"x","type":"subscribe","payload":{"query":"{a}"}}
        (subscribe x {a} | - | - | -)
        client > {"id":"\u0078","type":"subscribe","payload":{"query":"{a}"}}
        close 4409 Subscriber for x already exists"#,
    );
}

#[test]
fn long_ids_do_not_make_long_close_reasons() {
    let id = "i".repeat(ID_BYTES_MAX);
    check_connected(&format!(
        r#"client > {{"id":"{id}","type":"subscribe","payload":{{"query":"q"}}}}
        (subscribe {id} q | - | - | -)
        client > {{"id":"{id}","type":"subscribe","payload":{{"query":"q"}}}}
        close 4409 Subscriber already exists"#
    ));
}

/// No protocol bounds ids: the operation is refused, not the connection.
#[test]
fn an_id_that_is_too_long_costs_its_operation_alone() {
    let id = "i".repeat(ID_BYTES_MAX + 1);
    check_connected(&format!(
        r#"client > {{"id":"{id}","type":"subscribe","payload":{{"query":"q"}}}}
        (decline {id} The operation's id is longer than the limit of 1024 bytes.)
        client > {{"id":"{id}","type":"complete"}}
        client > {{"id":"1","type":"subscribe","payload":{{"query":"q"}}}}
        (subscribe 1 q | - | - | -)"#
    ));
    check(&format!(
        r#"client > {{"id":"{id}","type":"subscribe","payload":{{"query":"q"}}}}
        close 4401 Unauthorized"#
    ));
    // It is as long as the client means it, whatever escapes it needs.
    let escaped = "\\n".repeat(ID_BYTES_MAX);
    check_connected(&format!(
        r#"client > {{"id":"{escaped}","type":"subscribe","payload":{{"query":"q"}}}}
        (subscribe {escaped} q | - | - | -)"#
    ));
}

#[test]
fn a_ping_is_answered_at_any_time() {
    check(
        r#"client > {"type":"ping"}
        server < {"type":"pong"}"#,
    );
    check_connected(
        r#"client > {"type":"ping","payload":null}
        server < {"type":"pong"}"#,
    );
}

#[test]
fn a_pong_carries_the_pings_payload_verbatim() {
    check_connected(
        r#"client > {"type":"ping","payload":{ "a" : [1.50, "\u00e9"] }}
        server < {"type":"pong","payload":{ "a" : [1.50, "\u00e9"] }}"#,
    );
}

#[test]
fn a_pong_is_ignored() {
    check(r#"client > {"type":"pong","payload":{"unasked":true}}"#);
}

#[test]
fn unknown_types_are_bad_requests() {
    for kind in ["start", "stop", "connection_terminate", "connection_ack", "next", "error", ""] {
        check_connected(&format!(
            r#"client > {{"type":"{kind}","id":"1","payload":{{}}}}
            close 4400 Invalid message type"#
        ));
    }
}

#[test]
fn what_is_not_a_json_object_is_a_bad_request() {
    for text in ["hello", "", "[]", r#"["subscribe","1",{"query":"{a}"}]"#, "{", r#"{"type":"ping"} x"#] {
        check(&format!("client > {text}\nclose 4400 Invalid message received"));
    }
}

#[test]
fn members_that_come_twice_are_a_bad_request() {
    check(
        r#"client > {"type":"ping","type":"pong"}
        close 4400 Invalid message received"#,
    );
}

#[test]
fn wrong_types_are_bad_requests_that_say_what_was_expected() {
    for (message, expected) in [
        (r#"{"id":"1"}"#, "'type' as a string"),
        (r#"{"type":1}"#, "'type' as a string"),
        (r#"{"type":"ping","payload":[]}"#, "'payload' as an object"),
        (r#"{"type":"pong","payload":1}"#, "'payload' as an object"),
        (r#"{"type":"connection_init","payload":"x"}"#, "'payload' as an object"),
        (r#"{"type":"complete"}"#, "'id' as a non-empty string"),
        (r#"{"type":"complete","id":1}"#, "'id' as a non-empty string"),
        (r#"{"type":"complete","id":""}"#, "'id' as a non-empty string"),
        (r#"{"type":"complete","id":"\ud800"}"#, "'id' as a non-empty string"),
        (r#"{"type":"subscribe","payload":{"query":"{a}"}}"#, "'id' as a non-empty string"),
        (r#"{"type":"subscribe","id":"1"}"#, "'payload' as an object"),
        (r#"{"type":"subscribe","id":"1","payload":[]}"#, "'payload' as an object"),
        (r#"{"type":"subscribe","id":"1","payload":{}}"#, "'query' as a string"),
        (r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#, "'query' as a string"),
        (
            r#"{"type":"subscribe","id":"1","payload":{"query":"","variables":[]}}"#,
            "'variables' as an object",
        ),
        (
            r#"{"type":"subscribe","id":"1","payload":{"query":"","extensions":0}}"#,
            "'extensions' as an object",
        ),
        (
            r#"{"type":"subscribe","id":"1","payload":{"query":"","operationName":{}}}"#,
            "'operationName' as a string",
        ),
    ] {
        check_connected(&format!(
            "client > {message}\nclose 4400 Invalid message received: expected {expected}"
        ));
    }
}

#[test]
fn deep_nesting_needs_no_stack() {
    let deep = "[".repeat(200_000);
    assert!(matches!(
        session().receive(&format!(r#"{{"type":"ping","x":{deep}"#), |_| false),
        Reaction::Close(_)
    ));
    let closed = format!(r#"{{"type":"ping","payload":{{"x":{deep}{}}}}}"#, "]".repeat(200_000));
    assert!(matches!(session().receive(&closed, |_| false), Reaction::Pong { payload: Some(_) }));
}

#[test]
fn a_client_without_our_subprotocol_is_told_so() {
    let close = Close::subprotocol_not_acceptable();
    assert_eq!((close.code.get(), &*close.reason), (4406, "Subprotocol not acceptable"));
}

#[test]
fn the_length_of_a_next_message_and_the_place_of_its_id_are_known_beforehand() {
    for (id, payload) in [("1", "{}"), ("7f3c-é", r#"{"data":null}"#)] {
        let mut out = Vec::new();
        write_next(id, payload.as_bytes(), &mut out);
        assert_eq!(out.len(), next_len(id.len(), payload.len()));
        assert!(out[next_id_offset()..].starts_with(id.as_bytes()));
        let mut pieces = Vec::new();
        write_next_prefix(id, &mut pieces);
        pieces.extend_from_slice(payload.as_bytes());
        pieces.extend_from_slice(NEXT_SUFFIX);
        assert_eq!(pieces, out);
    }
    let mut ping = Vec::new();
    write_ping(None, &mut ping);
    assert_eq!(ping, br#"{"type":"ping"}"#);
}

/// Pieces of messages in random order: whatever comes, the session answers and goes by its own rules.
#[test]
fn noise_never_panics() {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"type\":",
        "\"id\":",
        "\"payload\":",
        "\"subscribe\"",
        "\"ping\"",
        "\"connection_init\"",
        "\"complete\"",
        "\"1\"",
        "\"\\u00",
        "\"\\\"",
        "null",
        "1",
        " ",
        "\"",
        "é",
        "{\"query\":\"{a}\"}",
        "{\"type\":\"connection_init\"}",
    ];
    for seed in 0..5_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut session = session();
        for _ in 0..random.usize(1..4) {
            let text: String =
                (0..random.usize(0..14)).map(|_| PIECES[random.usize(..PIECES.len())]).collect();
            match session.receive(&text, |_| random.bool()) {
                Reaction::Subscribe { .. } => assert!(session.is_acknowledged(), "seed {seed}: {text}"),
                Reaction::Initialise { .. } if random.bool() => session.acknowledge(),
                _ => {}
            }
        }
    }
}
