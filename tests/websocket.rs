//! GraphQL over WebSocket on the real wire: operations, ids, limits, and every way a connection ends.

mod support;

use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    time::Duration,
};
use support::{
    http::http_head,
    live::{count, listen, wait_until_idle, wait_until_live},
    stage::{Stage, watch, watch_widely},
    subgraph::Behaviour,
    wait::wait_until,
    ws::{Client, Said, TRANSPORT_WS},
};
use tungstenite::{Bytes, Error, Message};

const PATIENCE: Duration = Duration::from_secs(20);

/// Upgraded, and nothing said yet.
fn stranger(stage: &Stage) -> Client {
    Client::upgrade(&stage.router.websocket_url(), &[TRANSPORT_WS], &[])
}

#[track_caller]
fn expect_error(client: &mut Client, id: &str) -> Value {
    let message = client.message();
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
    assert!(message["payload"][0]["message"].is_string(), "a list of errors: {message}");
    message["payload"].clone()
}

#[track_caller]
fn expect_complete(client: &mut Client, id: &str) {
    assert_eq!(client.message(), json!({ "type": "complete", "id": id }));
}

/// C-WS-2.
#[test]
fn c_ws_2_query() {
    let stage = Stage::start();
    let mut client = stage.client();
    client.subscribe("q", "{ employee(id: 3) { details { forename } seniority } }");
    let expected = json!({ "data": { "employee": { "details": { "forename": "Kadri" }, "seniority": 8 } } });
    assert_eq!(client.next("q"), expected);
    expect_complete(&mut client, "q");
}

/// Mutations, operation names, variables, and errors of execution: all as `next` and `complete`.
#[test]
fn queries_and_mutations_answer_with_next_and_complete() {
    let stage = Stage::start();
    let mut client = stage.client();
    let query = "query A { employee(id: 1) { id } } query B($id: Int!) { employee(id: $id) { id } }";
    client.subscribe_with(
        "1",
        json!({ "query": query, "operationName": "B", "variables": { "id": 4 }, "extensions": {} }),
    );
    assert_eq!(client.next("1"), json!({ "data": { "employee": { "id": 4 } } }));
    expect_complete(&mut client, "1");

    client.subscribe(
        "1",
        r#"mutation { addNote(employeeID: 4, text: "Hi") { id notes details { forename } } }"#,
    );
    let expected = json!({ "id": 4, "notes": "Hi", "details": { "forename": "Jaan" } });
    assert_eq!(client.next("1"), json!({ "data": { "addNote": expected } }));
    expect_complete(&mut client, "1");

    stage.demo.products.behave(Behaviour::Status(503));
    client.subscribe("1", "{ employee(id: 4) { id notes } }");
    let told = client.next("1");
    assert_eq!(told["data"], json!({ "employee": { "id": 4, "notes": null } }), "{told}");
    assert_eq!(told["errors"][0]["extensions"]["code"], "DOWNSTREAM_SERVICE_ERROR", "{told}");
    expect_complete(&mut client, "1");
}

/// C-WS-25: and nothing after an `error`; the id is free again.
#[test]
fn c_ws_25_error() {
    let stage = Stage::start();
    let mut client = stage.client();
    client.subscribe("1", "subscription { does_not_exist { id } }");
    let errors = expect_error(&mut client, "1");
    assert!(
        errors[0]["message"].as_str().is_some_and(
            |it| it.starts_with("Cannot query field \"does_not_exist\" on type \"Subscription\".")
        ),
        "{errors}"
    );
    for payload in [
        json!({ "query": "{" }),
        json!({ "query": "{ employee(id: $n) { id } }" }),
        json!({ "query": "query ($n: Int!) { employee(id: $n) { id } }" }),
        json!({ "query": "query ($n: Int!) { employee(id: $n) { id } }", "variables": { "n": "x" } }),
        json!({ "query": "query A { employees { id } } query B { employees { id } }" }),
        json!({ "query": "query A { employees { id } }", "operationName": "C" }),
        json!({ "query": "subscription { employeeUpdated(employeeID: 1) { id } othersUpdated { id } }" }),
        json!({ "query": "" }),
    ] {
        client.subscribe_with("1", payload);
        expect_error(&mut client, "1");
    }
    client.subscribe("1", "{ employee(id: 1) { id } }");
    assert_eq!(client.next("1")["data"]["employee"]["id"], 1);
    expect_complete(&mut client, "1");
}

/// C-WS-38.
#[test]
fn c_ws_38_different_subscriptions_on_one_connection() {
    let stage = Stage::start();
    let mut client = stage.client();
    client.subscribe("emp", &watch(1));
    client.subscribe("cat", "subscription { catalogueChanged { __typename ... on Product { name } } }");
    client.subscribe("who", "subscription { othersUpdated { details { surname } } }");
    wait_until_live(&stage.router, 3);
    for _ in 0..3 {
        stage.router.publish("catalogue", &json!({ "__typename": "Product", "id": "p1", "tag": "new" }));
        assert_eq!(client.next("cat")["data"]["catalogueChanged"]["name"], "Kettle");
        stage.router.publish("employees.updated", &json!({ "id": 2 }));
        assert_eq!(client.next("who")["data"]["othersUpdated"]["details"]["surname"], "Saar");
        stage.tell(1);
        assert_eq!(client.next("emp")["data"]["employeeUpdated"]["id"], 1);
    }
}

/// A client that reads nothing is closed with 1013, and nobody else waits for it.
#[test]
fn close_1013_for_a_client_that_does_not_read() {
    const EVENTS: usize = 320;
    // A frame that others get too counts by its entry, not by its bytes.
    let stage = Stage::start_with("websocket: { outbound_queue: 1KB }");
    let query = watch_widely(3);
    let (mut stalled, mut reading) = (stage.client(), stage.client());
    listen(&stage.router, &mut stalled, "1", &query, 1);
    listen(&stage.router, &mut reading, "1", &query, 2);
    for _ in 0..EVENTS {
        stage.tell(3);
        assert_eq!(reading.next("1")["data"]["employeeUpdated"]["d189"]["forename"], "Kadri");
    }
    wait_until_live(&stage.router, 1);
    assert!(stage.router.metrics().sum("router_engine_overflow_total") > 0.0);
    closes(&mut stalled, 1013);
}

/// PS-24: `complete` stops only its own, and its id is silent from then on.
#[test]
fn ps_24_a_hundred_subscriptions_on_one_connection() {
    let stage = Stage::start();
    let mut client = stage.client();
    for number in 0..100 {
        client.subscribe(&format!("s{number}"), &watch(number % 10));
    }
    wait_until_live(&stage.router, 100);
    let told = |client: &mut Client, count: usize| {
        let mut ids: Vec<String> =
            (0..count).map(|_| client.message()["id"].as_str().expect("an id").to_owned()).collect();
        ids.sort();
        ids
    };
    stage.tell(3);
    let mut ten: Vec<String> = (0..10).map(|it| format!("s{}", it * 10 + 3)).collect();
    ten.sort();
    assert_eq!(told(&mut client, 10), ten);

    client.complete("s33");
    client.complete("s3");
    client.complete("never there");
    wait_until_live(&stage.router, 98);
    stage.tell(3);
    stage.tell(4);
    let ids = told(&mut client, 18);
    assert!(ids.iter().all(|it| it != "s33" && it != "s3"), "{ids:?}");
    assert_eq!(ids.iter().filter(|it| it.ends_with('3')).count(), 8);

    // The id is free, and speaks for its new operation only.
    listen(&stage.router, &mut client, "s33", &watch(77), 99);
    stage.tell(3);
    assert!(!told(&mut client, 8).contains(&"s33".to_owned()));
    stage.tell(77);
    assert_eq!(client.next("s33")["data"]["employeeUpdated"]["id"], 77);

    drop(client);
    wait_until_idle(&stage.router);
}

/// Answers come in the order in which they are ready.
#[test]
fn operations_overtake_each_other() {
    let stage = Stage::start();
    let mut client = stage.client();
    stage.demo.products.behave(Behaviour::Hang);
    client.subscribe("slow", "{ products { name } }");
    client.subscribe("fast", "{ employee(id: 1) { id } }");
    assert_eq!(client.next("fast")["data"]["employee"]["id"], 1);
    expect_complete(&mut client, "fast");
    stage.demo.products.behave(Behaviour::Answer);
    assert_eq!(client.next("slow")["data"]["products"][0]["name"], "Kettle");
    expect_complete(&mut client, "slow");
}

/// A query that is given up sends nothing any more, and its id can be used at once.
#[test]
fn a_query_can_be_given_up() {
    let stage = Stage::start();
    let mut client = stage.client();
    stage.demo.products.behave(Behaviour::Hang);
    client.subscribe("1", "{ products { name } }");
    client.complete("1");
    client.subscribe("1", "{ employee(id: 1) { id } }");
    assert_eq!(client.next("1"), json!({ "data": { "employee": { "id": 1 } } }));
    expect_complete(&mut client, "1");
    stage.demo.products.behave(Behaviour::Answer);
    client.subscribe("2", "{ employee(id: 2) { id } }");
    assert_eq!(client.next("2"), json!({ "data": { "employee": { "id": 2 } } }));
}

/// Introspection, also of the subscription type, over a WebSocket.
#[test]
fn introspection_over_a_websocket() {
    let stage = Stage::start();
    let mut client = stage.client();
    client.subscribe(
        "1",
        "{ __schema { subscriptionType { name } } __type(name: \"Employee\") { name kind } }",
    );
    let expected = json!({ "__schema": { "subscriptionType": { "name": "Subscription" } }, "__type": { "name": "Employee", "kind": "OBJECT" } });
    assert_eq!(client.next("1"), json!({ "data": expected }));
}

#[test]
fn pings_of_both_layers_come_back_with_their_payload() {
    let stage = Stage::start();
    // Before `connection_init` too.
    let mut client = stranger(&stage);
    client.send(&json!({ "type": "ping", "payload": { "a": [1, "ü"] } }));
    assert_eq!(client.message(), json!({ "type": "pong", "payload": { "a": [1, "ü"] } }));
    client.send(&json!({ "type": "ping" }));
    assert_eq!(client.message(), json!({ "type": "pong" }));
    client.send(&json!({ "type": "pong", "payload": {} }));
    client.send_frame(Message::Ping(Bytes::from_static(b"12345")));
    assert_eq!(client.hear(PATIENCE), Some(Said::Pong(b"12345".to_vec())));
    client.send_frame(Message::Pong(Bytes::from_static(b"unasked")));
    client.send(&json!({ "type": "connection_init" }));
    assert_eq!(client.message(), json!({ "type": "connection_ack" }));
}

/// The router pings who is silent, and drops who does not answer.
#[test]
fn silent_clients_are_pinged_and_then_dropped() {
    let stage = Stage::start_with("websocket: { ping_interval: 150ms }");
    let mut lively = stage.client();
    let deaf = stage.client();
    for _ in 0..3 {
        assert_eq!(lively.hear(PATIENCE), Some(Said::Ping(Vec::new())), "and the client library answers");
    }
    wait_until("the deaf one is gone", PATIENCE, || {
        let mut probe = deaf.stream();
        probe.set_nonblocking(true).expect("a socket");
        let mut bytes = [0; 64];
        let is_gone = probe.read(&mut bytes).is_ok_and(|it| it == 0);
        // Pings that lie in the buffer are read and not answered.
        is_gone || {
            lively.hear(Duration::from_millis(1));
            false
        }
    });
    lively.send(&json!({ "type": "ping" }));
    assert_eq!(lively.message(), json!({ "type": "pong" }));
}

#[track_caller]
fn closes(client: &mut Client, code: u16) -> String {
    let (got, reason) = client.closed();
    assert_eq!(got, code, "{reason}");
    reason
}

#[test]
fn close_4400_for_messages_that_are_none() {
    let stage = Stage::start();
    for text in [
        "",
        "nonsense",
        "[]",
        "7",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"nonsense"}"#,
        r#"{"type":"start","id":"1"}"#,
        r#"{"type":"subscribe"}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
        r#"{"type":"subscribe","id":7,"payload":{"query":"{a}"}}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":7}}"#,
        r#"{"type":"complete"}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
        r#"{"type":"ping","payload":7}"#,
        r#"{"type":"ping"} {"type":"ping"}"#,
    ] {
        let mut client = stage.client();
        client.send_frame(Message::text(text));
        let reason = closes(&mut client, 4400);
        assert!(!reason.is_empty(), "{text}");
    }
    let mut client = stage.client();
    client.send(&json!({ "type": "nonsense" }));
    assert_eq!(closes(&mut client, 4400), "Invalid message type");
}

#[test]
fn close_4401_for_operations_before_the_ack() {
    let stage = Stage::start();
    let mut client = stranger(&stage);
    client.subscribe("1", "{ employee(id: 1) { id } }");
    assert_eq!(closes(&mut client, 4401), "Unauthorized");
}

#[test]
fn close_4406_without_a_subprotocol_of_ours() {
    let stage = Stage::start();
    for offered in [&[][..], &["mqtt"], &["GRAPHQL-TRANSPORT-WS"], &["mqtt", "soap"]] {
        match Client::try_upgrade(&stage.router.websocket_url(), offered, &[]) {
            Ok(mut client) => {
                assert_eq!(closes(&mut client, 4406), "Subprotocol not acceptable", "{offered:?}")
            }
            // The client's own library may refuse an answer without a subprotocol; the wire says 101 then.
            Err(Error::Protocol(_)) if !offered.is_empty() => {}
            Err(error) => panic!("{offered:?}: {error}"),
        }
    }
    let mut client = Client::upgrade(&stage.router.websocket_url(), &["mqtt", TRANSPORT_WS], &[]);
    client.send(&json!({ "type": "connection_init" }));
    assert_eq!(client.message()["type"], "connection_ack");
}

#[test]
fn close_4408_when_connection_init_does_not_come() {
    let stage = Stage::start_with("websocket: { connection_init_timeout: 200ms }");
    let mut lively = stage.client();
    let mut client = stranger(&stage);
    client.send(&json!({ "type": "ping" }));
    assert_eq!(client.message()["type"], "pong", "is no init");
    assert_eq!(closes(&mut client, 4408), "Connection initialisation timeout");
    lively.send(&json!({ "type": "ping" }));
    assert_eq!(lively.message()["type"], "pong", "whoever came in stays in");
}

#[test]
fn close_4409_for_an_id_that_is_live() {
    let stage = Stage::start();
    let mut client = stage.client();
    listen(&stage.router, &mut client, "one", &watch(1), 1);
    client.subscribe("one", &watch(2));
    assert_eq!(closes(&mut client, 4409), "Subscriber for one already exists");
    wait_until_idle(&stage.router);
}

#[test]
fn close_4429_for_a_second_init() {
    let stage = Stage::start();
    let mut client = stage.client();
    client.send(&json!({ "type": "connection_init" }));
    assert_eq!(closes(&mut client, 4429), "Too many initialisation requests");
}

#[test]
fn close_1009_for_a_message_that_is_too_big() {
    let stage = Stage::start_with("websocket: { max_message_size: 1KiB }");
    let mut client = stage.client();
    client.subscribe("1", &format!("{{ employee(id: 1) {{ id }} }} #{}", "x".repeat(800)));
    assert_eq!(client.next("1")["data"]["employee"]["id"], 1);
    expect_complete(&mut client, "1");
    client.send_frame(Message::text(" ".repeat(1025)));
    closes(&mut client, 1009);
}

/// Frames as no client library sends them.
/// RFC 6455, section 4.2: what is no handshake is refused with what would make it one.
#[test]
fn handshakes_that_are_none_are_refused() {
    let stage = Stage::start();
    let shake = |method: &str, lines: &[(&str, &str)]| {
        let right = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Protocol", TRANSPORT_WS),
        ];
        let kept = right.into_iter().filter(|it| !lines.iter().any(|other| other.0 == it.0));
        let headers: Vec<_> = kept.chain(lines.iter().copied().filter(|it| !it.1.is_empty())).collect();
        http_head(method, stage.router.graphql_url(), &headers)
    };
    let right = shake("GET", &[]);
    assert_eq!((right.status, right.header("sec-websocket-accept")), (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    // Case and lists, as HTTP has them.
    let odd = [("Connection", "keep-alive, upgrade"), ("Upgrade", "h2c, WebSocket")];
    assert_eq!(shake("GET", &odd).status, 101);
    for (method, line, status, says) in [
        ("GET", ("Sec-WebSocket-Version", "8"), 426, ("sec-websocket-version", "13")),
        ("GET", ("Sec-WebSocket-Version", ""), 426, ("sec-websocket-version", "13")),
        ("GET", ("Sec-WebSocket-Key", ""), 400, ("", "")),
        ("GET", ("Sec-WebSocket-Key", "c2hvcnQ="), 400, ("", "")),
        ("GET", ("Connection", "close"), 400, ("", "")),
        ("POST", ("X-Nothing", "1"), 405, ("allow", "GET")),
    ] {
        let refused = shake(method, &[line]);
        assert_eq!(refused.status, status, "{method} {line:?}: {refused:?}");
        assert_eq!(refused.header(says.0), says.1, "{method} {line:?}: {refused:?}");
    }
}

#[test]
fn messages_may_be_as_large_as_configured() {
    let stage = Stage::start_with("websocket: { max_message_size: 4MiB }");
    let mut client = stage.client();
    let padding = "ä".repeat(1024 * 1024);
    for id in ["1", "2"] {
        let query = "{ employee(id: 1) { id } }";
        client.subscribe_with(id, json!({ "query": query, "extensions": { "padding": padding } }));
        assert_eq!(client.next(id), json!({ "data": { "employee": { "id": 1 } } }));
        expect_complete(&mut client, id);
    }
}

fn raw(client: &mut Client, frame: &[u8]) {
    client.stream().write_all(frame).expect("the socket takes it");
}

#[test]
fn close_1002_for_broken_framing() {
    let stage = Stage::start();
    let cases: [(&str, &[u8]); 5] = [
        ("not masked", b"\x81\x02{}"),
        ("reserved bit", b"\xc1\x82\0\0\0\0{}"),
        ("unknown opcode", b"\x83\x80\0\0\0\0"),
        ("continuation of nothing", b"\x80\x80\0\0\0\0"),
        ("fragmented ping", b"\x09\x80\0\0\0\0"),
    ];
    for (what, frame) in cases {
        let mut client = stage.client();
        raw(&mut client, frame);
        let (code, reason) = client.closed();
        assert_eq!(code, 1002, "{what}: {reason}");
    }
}

#[test]
fn close_1007_for_text_that_is_not_utf_8() {
    let stage = Stage::start();
    let mut client = stage.client();
    raw(&mut client, b"\x81\x82\0\0\0\0\xff\xfe");
    closes(&mut client, 1007);
}

#[test]
fn close_1003_for_binary_messages() {
    let stage = Stage::start();
    let mut client = stage.client();
    client.send_frame(Message::binary(b"{}".to_vec()));
    closes(&mut client, 1003);
}

/// A message in pieces, byte by byte, with a ping in between, is a message.
#[test]
fn fragments_are_put_together() {
    let stage = Stage::start();
    let mut client = stranger(&stage);
    for byte in b"\x01\x8a\0\0\0\0{\"type\":\"c\x89\x81\0\0\0\0!\x80\x90\0\0\0\0onnection_init\"}" {
        raw(&mut client, &[*byte]);
    }
    assert_eq!(client.hear(PATIENCE), Some(Said::Pong(b"!".to_vec())));
    assert_eq!(client.message(), json!({ "type": "connection_ack" }));
}

/// The client's close is answered with its code, and its subscriptions are over.
#[test]
fn the_clients_close_is_answered() {
    let stage = Stage::start();
    let mut client = stage.client();
    listen(&stage.router, &mut client, "1", &watch(1), 1);
    raw(&mut client, b"\x88\x84\0\0\0\0\x03\xe8ok");
    closes(&mut client, 1000);
    wait_until_idle(&stage.router);
}

/// One subscription too many is an error of its own; ending one makes room.
#[test]
fn subscriptions_per_connection_are_limited() {
    let stage = Stage::start_with("limits: { subscriptions_per_connection: 2 }");
    let (mut client, mut other) = (stage.client(), stage.client());
    listen(&stage.router, &mut client, "1", &watch(1), 1);
    listen(&stage.router, &mut client, "2", &watch(2), 2);
    client.subscribe("3", &watch(3));
    assert_eq!(expect_error(&mut client, "3")[0]["extensions"]["code"], "SUBSCRIPTION_LIMIT_EXCEEDED");
    listen(&stage.router, &mut other, "1", &watch(1), 3);
    client.complete("1");
    wait_until_live(&stage.router, 2);
    listen(&stage.router, &mut client, "3", &watch(3), 3);
    stage.tell(3);
    assert_eq!(client.next("3")["data"]["employeeUpdated"]["id"], 3);
}

/// One connection too many is refused; others do not notice, and there is room when one leaves.
#[test]
fn connections_are_limited() {
    let stage = Stage::start_with("limits: { connections: 2 }");
    let (mut first, second) = (stage.client(), stage.client());
    match Client::try_upgrade(&stage.router.websocket_url(), &[TRANSPORT_WS], &[]) {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 503),
        Ok(mut client) => drop(closes(&mut client, 1013)),
        Err(error) => panic!("{error}"),
    }
    first.send(&json!({ "type": "ping" }));
    assert_eq!(first.message(), json!({ "type": "pong" }));
    drop(second);
    wait_until("there is room", PATIENCE, || {
        match Client::try_upgrade(&stage.router.websocket_url(), &[TRANSPORT_WS], &[]) {
            Ok(mut client) => {
                client.send(&json!({ "type": "connection_init" }));
                matches!(client.hear(PATIENCE), Some(Said::Message(_)))
            }
            Err(_) => false,
        }
    });
}

#[test]
fn complete_is_echoed_where_asked_for() {
    let stage = Stage::start_with("websocket: { echo_complete: true }");
    let mut client = stage.client();
    listen(&stage.router, &mut client, "1", &watch(1), 1);
    client.complete("1");
    expect_complete(&mut client, "1");
    // An operation that ended by itself has said so already.
    client.subscribe("2", "{ employee(id: 1) { id } }");
    assert_eq!(client.next("2")["data"]["employee"]["id"], 1);
    expect_complete(&mut client, "2");
    client.complete("2");
    client.send(&json!({ "type": "ping" }));
    assert_eq!(client.message(), json!({ "type": "pong" }), "nothing for an id that is not live");
}

#[test]
fn complete_is_not_echoed_by_default() {
    let stage = Stage::start();
    let mut client = stage.client();
    listen(&stage.router, &mut client, "1", &watch(1), 1);
    client.complete("1");
    client.send(&json!({ "type": "ping" }));
    assert_eq!(client.message(), json!({ "type": "pong" }));
}

/// Ids of any kind come back as they were.
#[test]
fn ids_come_back_as_they_were() {
    let stage = Stage::start();
    let mut client = stage.client();
    for id in ["ü \"\\ \n", "0", " ", "\u{1F600}", "a".repeat(200).as_str(), "__proto__"] {
        client.subscribe(id, "{ employee(id: 1) { id } }");
        assert_eq!(client.next(id)["data"]["employee"]["id"], 1);
        expect_complete(&mut client, id);
    }
}

#[cfg(target_os = "linux")]
fn thread_names(pid: u32) -> Vec<String> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("/proc");
    threads.filter_map(|it| std::fs::read_to_string(it.ok()?.path().join("comm")).ok()).collect()
}

/// WG-02: threads follow from the configuration, not from clients.
#[cfg(target_os = "linux")]
#[test]
fn wg_02_clients_cost_no_threads() {
    let stage = Stage::start();
    // Those for lookups of names and for profiles are bounded too, but come and go with what there is to do; one that
    // has just begun still has the name of the thread that started it.
    let lasts = |name: &&String| !["juga-lookup", "juga-profile"].contains(&name.trim());
    let threads = || thread_names(stage.router.pid()).iter().filter(lasts).count();
    let _warm = stage.client();
    let before = threads();
    let mut clients: Vec<Client> = (0..200).map(|_| stage.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.subscribe("1", &watch(number as i64));
    }
    wait_until_live(&stage.router, 200);
    assert_eq!(count(&stage.router, "triggers"), 200);
    assert!(threads() <= before, "{:?}", thread_names(stage.router.pid()));
}

/// Ids may be long; an operation that cannot be taken in, for its id or for what it asks, costs nobody but itself.
#[test]
fn what_is_wrong_with_one_operation_does_not_end_the_others() {
    let stage = Stage::start();
    let mut client = stage.client();
    let long = "é".repeat(512);
    client.subscribe(&long, "{ employee(id: 1) { id } }");
    assert_eq!(client.next(&long), json!({ "data": { "employee": { "id": 1 } } }));
    expect_complete(&mut client, &long);

    client.subscribe("1", &watch(1));
    wait_until_live(&stage.router, 1);
    let too_long = "i".repeat(1025);
    client.subscribe(&too_long, "{ employee(id: 1) { id } }");
    let told = expect_error(&mut client, &too_long);
    assert_eq!(told[0]["extensions"]["code"], "BAD_REQUEST", "{told}");
    client.complete(&too_long);
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": "0".repeat(64) } });
    client.subscribe_with("2", json!({ "extensions": extensions }));
    let told = expect_error(&mut client, "2");
    assert_eq!(told[0]["message"], "PersistedQueryNotSupported", "{told}");
    assert_eq!(told[0]["extensions"]["code"], "PERSISTED_QUERY_NOT_SUPPORTED", "{told}");
    client.subscribe_with("2", json!({ "query": " " }));
    expect_error(&mut client, "2");
    client.subscribe("2", "{ employee(id: 1) { id } }");
    assert_eq!(client.next("2")["errors"], Value::Null, "its id is free");
    expect_complete(&mut client, "2");
    assert_eq!(count(&stage.router, "members"), 1, "the other one goes on");
}

/// Whoever is turned away or hung up on is counted, by cause.
#[test]
fn every_refusal_is_counted() {
    let stage = Stage::start_with("limits: { connections: 1, subscriptions_per_connection: 1 }");
    let refused = |cause: &str| {
        stage.router.metrics().get(&format!("router_connections_refused_total{{cause=\"{cause}\"}}"))
    };
    let mut client = stage.client();
    wait_until("the connection counts", PATIENCE, || {
        stage.router.metrics().sum("router_engine_connections") == 1.0
    });
    for round in 1..=3 {
        let full = Client::try_upgrade(&stage.router.websocket_url(), &[TRANSPORT_WS], &[]);
        assert!(matches!(full, Err(Error::Http(answer)) if answer.status() == 503));
        assert_eq!(refused("full"), f64::from(round));
    }
    client.subscribe("1", &watch(1));
    client.subscribe("2", "{ employee(id: 1) { id } }");
    expect_error(&mut client, "2");
    let rejected = stage.router.metrics().get("router_subscriptions_rejected_total{reason=\"limit\"}");
    assert_eq!(rejected, 1.0);
    client.send(&json!({ "type": "nonsense" }));
    assert_eq!(client.closed().0, 4400);
    assert_eq!(stage.router.metrics().get("router_connections_closed_total{code=\"4400\"}"), 1.0);
    drop(client);
    wait_until("there is room again", PATIENCE, || {
        stage.router.metrics().sum("router_engine_connections") == 0.0
    });
    let head = "GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let address = stage.router.graphql_url().trim_start_matches("http://").trim_end_matches("/graphql");
    let mut socket = std::net::TcpStream::connect(address).expect("the router listens");
    socket.write_all(head.as_bytes()).expect("sent");
    _ = socket.read(&mut [0; 1024]).expect("an answer");
    assert_eq!(refused("handshake"), 1.0);
    let mut stranger = Client::upgrade(&stage.router.websocket_url(), &[], &[]);
    assert_eq!(stranger.closed().0, 4406);
    assert_eq!(refused("subprotocol"), 1.0);
}
