//! Conversations, one behaviour each: see [`crate::protocol::transcript`].

use super::*;
use crate::protocol::{Dialect, ID_BYTES_MAX, Reaction, Session, transcript};

#[track_caller]
fn check(transcript: &str) {
    transcript::check(Dialect::GraphqlWs, transcript);
}

/// [`check`] after `connection_init` and its answer.
#[track_caller]
fn check_connected(transcript: &str) {
    check(&format!(
        "client > {{\"type\":\"connection_init\",\"payload\":{{}}}}
        (initialise {{}})
        accept
        server < {{\"type\":\"connection_ack\"}}
        keep alive
        server < {{\"type\":\"ka\"}}
        {transcript}"
    ));
}

#[test]
fn the_ack_is_followed_by_keep_alives() {
    check(
        r#"client > {"type":"connection_init","payload":{"token": "t"}}
        (initialise {"token": "t"})
        accept
        server < {"type":"connection_ack"}
        keep alive
        server < {"type":"ka"}
        keep alive
        server < {"type":"ka"}"#,
    );
}

#[test]
fn init_may_come_without_a_payload() {
    for init in [r#"{"type":"connection_init"}"#, r#"{"type":"connection_init","payload":null}"#] {
        check(&format!("client > {init}\n(initialise -)"));
    }
}

#[test]
fn a_refused_client_learns_why() {
    check(
        r#"client > {"type":"connection_init","payload":{}}
        (initialise {})
        refuse
        server < {"type":"connection_error","payload":{"message":"Forbidden"}}
        close 4403 Forbidden"#,
    );
}

#[test]
fn an_init_of_the_wrong_shape_is_refused() {
    check(
        r#"client > {"type":"connection_init","payload":"token"}
        server < {"type":"connection_error","payload":{"message":"Invalid message received: expected 'payload' as an object"}}
        close 4400 Invalid message received: expected 'payload' as an object"#,
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
fn a_second_init_is_one_too_many() {
    check_connected(
        r#"client > {"type":"connection_init","payload":{}}
        close 4429 Too many initialisation requests"#,
    );
}

#[test]
fn starting_before_the_ack_is_unauthorized() {
    check(
        r#"client > {"type":"start","id":"1","payload":{"query":"{a}"}}
        close 4401 Unauthorized"#,
    );
    check(
        r#"client > {"type":"connection_init"}
        (initialise -)
        client > {"type":"start","id":"1","payload":{"query":"{a}"}}
        close 4401 Unauthorized"#,
    );
}

#[test]
fn data_follows_a_start_in_order_until_complete() {
    check_connected(
        r#"client > {"id":"1","type":"start","payload":{"variables":{"n":1.0},"extensions":{},"operationName":"A","query":"subscription A { a }"}}
        (subscribe 1 subscription A { a } | A | {"n":1.0} | {})
        result 1 {"data":{"a":1}}
        server < {"id":"1","type":"data","payload":{"data":{"a":1}}}
        result 1 {"data":{"a":2}}
        server < {"id":"1","type":"data","payload":{"data":{"a":2}}}
        done 1
        server < {"id":"1","type":"complete"}"#,
    );
}

/// All errors are there, in one object that is the first of them.
#[test]
fn what_cannot_be_begun_is_an_error_and_frees_its_id() {
    check_connected(
        r#"client > {"id":"1","type":"start","payload":{"query":"{"}}
        (subscribe 1 { | - | - | -)
        errors 1 [{"message":"no","extensions":{"code":"X"}},{"message":"nor that"}]
        server < {"id":"1","type":"error","payload":{"message":"no","extensions":{"code":"X"},"errors":[{"message":"no","extensions":{"code":"X"}},{"message":"nor that"}]}}
        client > {"id":"1","type":"start","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)"#,
    );
}

#[test]
fn what_fails_after_it_had_begun_is_data_and_complete() {
    check_connected(
        r#"client > {"id":"1","type":"start","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)
        result 1 {"data":{"a":1}}
        server < {"id":"1","type":"data","payload":{"data":{"a":1}}}
        fails 1 [{"message":"no"}]
        server < {"id":"1","type":"data","payload":{"errors":[{"message":"no"}],"data":null}}
        server < {"id":"1","type":"complete"}
        client > {"id":"1","type":"start","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)"#,
    );
}

#[test]
fn a_live_id_cannot_be_used_again() {
    check_connected(
        r#"client > {"id":"1","type":"start","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)
        client > {"id":"2","type":"start","payload":{"query":"{a}"}}
        (subscribe 2 {a} | - | - | -)
        client > {"id":"1","type":"start","payload":{"query":"{a}"}}
        close 4409 Subscriber for 1 already exists"#,
    );
}

#[test]
fn stop_is_answered_with_complete_and_frees_the_id() {
    check_connected(
        r#"client > {"id":"1","type":"start","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)
        client > {"id":"1","type":"stop"}
        (unsubscribe 1)
        server < {"id":"1","type":"complete"}
        client > {"id":"1","type":"start","payload":{"query":"{a}"}}
        (subscribe 1 {a} | - | - | -)"#,
    );
}

/// The npm client sends `stop` for whatever it gets an answer to and does not know.
#[test]
fn stop_for_an_unknown_id_is_ignored() {
    check_connected(r#"client > {"id":"9","type":"stop"}"#);
    check(r#"client > {"id":"9","type":"stop"}"#);
}

#[test]
fn terminate_closes_normally_at_any_time() {
    check_connected(
        r#"client > {"type":"connection_terminate","payload":null}
        close 1000 Normal closure"#,
    );
    check(
        r#"client > {"type":"connection_terminate"}
        close 1000 Normal closure"#,
    );
}

/// Also those of the other dialect, of the router, of times long gone, and what the npm client says when its
/// own `connectionParams` fail.
#[test]
fn unknown_types_are_bad_requests() {
    for kind in [
        "subscribe",
        "complete",
        "ping",
        "pong",
        "ka",
        "connection_ack",
        "connection_error",
        "data",
        "error",
        "init",
        "subscription_start",
        "",
    ] {
        check_connected(&format!(
            r#"client > {{"type":"{kind}","id":"1","payload":{{}}}}
            close 4400 Invalid message type"#
        ));
    }
}

#[test]
fn wrong_shapes_are_bad_requests_that_say_what_was_expected() {
    for (message, expected) in [
        (r#"{"id":"1"}"#, "'type' as a string"),
        (r#"{"type":"stop"}"#, "'id' as a non-empty string"),
        (r#"{"type":"stop","id":1}"#, "'id' as a non-empty string"),
        (r#"{"type":"start","id":1,"payload":{"query":"{a}"}}"#, "'id' as a non-empty string"),
        (r#"{"type":"start","id":"","payload":{"query":"{a}"}}"#, "'id' as a non-empty string"),
        (r#"{"type":"start","id":"1"}"#, "'payload' as an object"),
    ] {
        check_connected(&format!(
            "client > {message}\nclose 4400 Invalid message received: expected {expected}"
        ));
    }
    for text in ["hello", "[]", "{", r#"{"type":"stop","type":"start"}"#] {
        check(&format!("client > {text}\nclose 4400 Invalid message received"));
    }
}

#[test]
fn an_operation_that_is_none_costs_itself_alone() {
    let start = |payload| format!(r#"{{"type":"start","id":"1","payload":{payload}}}"#);
    for (payload, expected) in [
        ("{}", "'query' as a string"),
        (r#"{"query":7}"#, "'query' as a string"),
        (r#"{"query":"","variables":[]}"#, "'variables' as an object"),
        (r#"{"query":"","operationName":{}}"#, "'operationName' as a string"),
        (r#"{"query":"","extensions":1}"#, "'extensions' as an object"),
    ] {
        check_connected(&format!(
            "client > {}
            (decline 1 Invalid message received: expected {expected})
            client > {}
            (subscribe 1 {{a}} | - | - | -)",
            start(payload),
            start(r#"{"query":"{a}"}"#),
        ));
    }
    check(&format!("client > {}\nclose 4401 Unauthorized", start("{}")));
    check_connected(&format!(
        r#"client > {}
        (subscribe 1 {{a}} | - | - | -)
        client > {}
        close 4409 Subscriber for 1 already exists"#,
        start(r#"{"query":"{a}"}"#),
        start("{}"),
    ));
}

#[test]
fn ids_may_be_long_and_one_that_is_too_long_costs_its_operation() {
    let id = "i".repeat(ID_BYTES_MAX);
    check_connected(&format!(
        r#"client > {{"id":"{id}","type":"start","payload":{{"query":"{{a}}"}}}}
        (subscribe {id} {{a}} | - | - | -)
        client > {{"id":"{id}i","type":"start","payload":{{"query":"{{a}}"}}}}
        (decline {id}i The operation's id is longer than the limit of 1024 bytes.)
        client > {{"id":"{id}i","type":"stop"}}"#
    ));
}

#[test]
fn reasons_are_escaped() {
    let mut out = Vec::new();
    write_connection_error("say \"please\"", &mut out);
    assert_eq!(out, br#"{"type":"connection_error","payload":{"message":"say \"please\""}}"#);
}

#[test]
fn the_length_of_a_data_message_is_known_beforehand() {
    for (id, payload) in [("1", "{}"), ("7f3c-é", r#"{"data":null}"#)] {
        let mut out = Vec::new();
        write_data(id, payload.as_bytes(), &mut out);
        assert_eq!(out.len(), data_len(id.len(), payload.len()));
    }
}

#[test]
fn dialects_go_by_their_subprotocols() {
    for name in Dialect::SUBPROTOCOLS {
        assert!(Dialect::of_subprotocol(name).is_some(), "{name}");
    }
    assert_eq!(Dialect::of_subprotocol("graphql-ws"), Some(Dialect::GraphqlWs));
    assert_eq!(Dialect::of_subprotocol("graphql-transport-ws"), Some(Dialect::GraphqlTransportWs));
    assert_eq!(Dialect::of_subprotocol("GRAPHQL-WS"), None);
}

/// Words in random order: operations start on acknowledged connections alone, and nothing panics.
#[test]
fn noise_never_panics() {
    const MESSAGES: &[&str] = &[
        r#"{"type":"connection_init"}"#,
        r#"{"type":"connection_init","payload":[]}"#,
        r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
        r#"{"type":"stop","id":"1"}"#,
        r#"{"type":"connection_terminate"}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"#,
    ];
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut session = Session::new(Dialect::GraphqlWs);
        for _ in 0..random.usize(1..6) {
            let text = MESSAGES[random.usize(..MESSAGES.len())];
            match session.receive(text, |_| random.bool()) {
                Reaction::Subscribe { .. } => assert!(session.is_acknowledged(), "seed {seed}: {text}"),
                Reaction::Initialise { .. } if random.bool() => session.acknowledge(),
                Reaction::Pong { .. } => panic!("seed {seed}: this dialect has no ping"),
                _ => {}
            }
        }
    }
}
