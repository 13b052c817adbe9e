//! The legacy subprotocol `graphql-ws` on the real wire: every message, every violation, and groups that
//! clients of both dialects share. What both have in common beneath (frames, limits) is in `websocket.rs`.

mod support;

use serde_json::{Value, json};
use std::{io::Write, time::Duration};
use support::{
    live::{count, listen, wait_until_idle, wait_until_live},
    stage::{Stage, watch},
    subgraph::Behaviour,
    wait::wait_until,
    ws::{Client, LEGACY_WS, Said, TRANSPORT_WS},
};
use tungstenite::Message;

const PATIENCE: Duration = Duration::from_secs(20);

fn legacy(stage: &Stage) -> Client {
    Client::connect_legacy(&stage.router.websocket_url())
}

/// Upgraded, and nothing said yet.
fn stranger(stage: &Stage) -> Client {
    Client::upgrade(&stage.router.websocket_url(), &[LEGACY_WS], &[])
}

/// The payload of an `error`: one error, and all of them.
#[track_caller]
fn expect_error(client: &mut Client, id: &str) -> Value {
    let message = client.message();
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
    let payload = &message["payload"];
    assert!(payload["message"].is_string(), "{message}");
    assert_eq!(payload["message"], payload["errors"][0]["message"], "{message}");
    payload.clone()
}

#[track_caller]
fn expect_complete(client: &mut Client, id: &str) {
    assert_eq!(client.message(), json!({ "type": "complete", "id": id }));
}

/// The next message, keep-alives too.
#[track_caller]
fn expect_said(client: &mut Client, message: Value) {
    assert_eq!(client.hear(PATIENCE), Some(Said::Message(message)));
}

#[track_caller]
fn closes(client: &mut Client, code: u16) -> String {
    let (got, reason) = client.closed();
    assert_eq!(got, code, "{reason}");
    reason
}

/// `connection_init`, `connection_ack`, `ka`, `start`, `data`, `stop`, `complete`, as they stand on the wire.
#[test]
fn a_subscription_from_beginning_to_end() {
    let stage = Stage::start();
    let mut client = stranger(&stage);
    client.send(&json!({ "type": "connection_init", "payload": {} }));
    expect_said(&mut client, json!({ "type": "connection_ack" }));
    expect_said(&mut client, json!({ "type": "ka" }));
    let query = "subscription ($id: Int!) { employeeUpdated(employeeID: $id) { id details { forename } } }";
    let payload =
        json!({ "query": query, "variables": { "id": 3 }, "operationName": null, "extensions": {} });
    client.send(&json!({ "id": "1", "type": "start", "payload": payload }));
    wait_until_live(&stage.router, 1);
    for (id, name) in [(3, "Kadri"), (1, "Anu"), (2, "Mart"), (3, "Kadri")] {
        let event = json!({ "__typename": "Employee", "id": id });
        assert_eq!(stage.router.publish("employeeUpdated.3", &event), 202);
        let data = json!({ "employeeUpdated": { "id": id, "details": { "forename": name } } });
        assert_eq!(client.message(), json!({ "id": "1", "type": "data", "payload": { "data": data } }));
    }
    client.send(&json!({ "id": "1", "type": "stop" }));
    assert_eq!(client.message(), json!({ "id": "1", "type": "complete" }));
    wait_until_idle(&stage.router);
}

/// The npm client does not wait for the ack.
#[test]
fn a_start_may_come_right_behind_the_init() {
    let stage = Stage::start();
    let mut client = stranger(&stage);
    client.send(&json!({ "type": "connection_init", "payload": {} }));
    client.subscribe("1", "{ employee(id: 1) { id } }");
    expect_said(&mut client, json!({ "type": "connection_ack" }));
    expect_said(&mut client, json!({ "type": "ka" }));
    assert_eq!(client.next("1"), json!({ "data": { "employee": { "id": 1 } } }));
    expect_complete(&mut client, "1");
}

/// Errors of execution are part of the data.
#[test]
fn queries_and_mutations_answer_with_data_and_complete() {
    let stage = Stage::start();
    let mut client = legacy(&stage);
    client.subscribe("q", "{ employee(id: 3) { details { forename } seniority } }");
    let expected = json!({ "data": { "employee": { "details": { "forename": "Kadri" }, "seniority": 8 } } });
    assert_eq!(client.next("q"), expected);
    expect_complete(&mut client, "q");
    client.subscribe("q", r#"mutation { addNote(employeeID: 4, text: "Hi") { id notes } }"#);
    assert_eq!(client.next("q"), json!({ "data": { "addNote": { "id": 4, "notes": "Hi" } } }));
    expect_complete(&mut client, "q");
    stage.demo.products.behave(Behaviour::Status(503));
    client.subscribe("q", "{ employee(id: 4) { id notes } }");
    let told = client.next("q");
    assert_eq!(told["data"], json!({ "employee": { "id": 4, "notes": null } }), "{told}");
    assert_eq!(told["errors"][0]["extensions"]["code"], "DOWNSTREAM_SERVICE_ERROR", "{told}");
    expect_complete(&mut client, "q");
}

/// Nothing follows an `error`, and the id is free again.
#[test]
fn what_cannot_be_prepared_is_an_error() {
    let stage = Stage::start_with("limits: { subscriptions_per_connection: 2 }");
    let mut client = legacy(&stage);
    for payload in [
        json!({ "query": "subscription { does_not_exist { id } }" }),
        json!({ "query": "{" }),
        json!({ "query": "{ employee(id: $n) { id } }" }),
        json!({ "query": "query ($n: Int!) { employee(id: $n) { id } }", "variables": { "n": "x" } }),
        json!({ "query": "query A { employees { id } }", "operationName": "C" }),
        json!({ "query": "" }),
    ] {
        client.subscribe_with("1", payload);
        expect_error(&mut client, "1");
    }
    client.subscribe("1", "{ nothing never }");
    let errors = expect_error(&mut client, "1")["errors"].clone();
    assert_eq!(errors.as_array().map(Vec::len), Some(2), "{errors}");
    // One error does not affect another operation, nor does one operation too many.
    listen(&stage.router, &mut client, "1", &watch(1), 1);
    listen(&stage.router, &mut client, "2", &watch(2), 2);
    client.subscribe("3", &watch(3));
    assert_eq!(expect_error(&mut client, "3")["extensions"]["code"], "SUBSCRIPTION_LIMIT_EXCEEDED");
    stage.tell(1);
    assert_eq!(client.next("1")["data"]["employeeUpdated"]["id"], 1);
}

/// A feed that is not there, for both dialects: the operation was fine, and is over.
#[test]
fn what_fails_later_is_data_with_errors_and_complete() {
    let stage = Stage::start();
    let (mut client, mut modern) = (legacy(&stage), stage.client());
    let query = "subscription { employeeUpdatedMyNats(id: 3) { id } }";
    let before = stage.router.metrics().sum("router_engine_messages_sent_total");
    for _ in 0..2 {
        client.subscribe("1", query);
        let told = client.next("1");
        assert_eq!(told["data"], Value::Null, "{told}");
        assert_eq!(told["errors"][0]["extensions"]["code"], "FEED_UNAVAILABLE", "{told}");
        expect_complete(&mut client, "1");
    }
    modern.subscribe("1", query);
    let told = modern.message();
    assert_eq!((&told["type"], &told["id"]), (&json!("error"), &json!("1")), "{told}");
    assert_eq!(told["payload"][0]["extensions"]["code"], "FEED_UNAVAILABLE", "{told}");
    wait_until("five messages are counted", PATIENCE, || {
        stage.router.metrics().sum("router_engine_messages_sent_total") - before == 5.0
    });
}

/// One event costs one resolve for a group whose members speak different dialects.
#[test]
fn a_group_is_shared_by_both_dialects() {
    let stage = Stage::start();
    let query = "subscription { employeeUpdated(employeeID: 3) { id details { forename } } }";
    let (mut old, mut new) = (legacy(&stage), stage.client());
    let (mut older, mut newer) = (legacy(&stage), stage.client());
    for (number, client) in [&mut old, &mut new, &mut older, &mut newer].into_iter().enumerate() {
        let id = "i".repeat(number + 1);
        listen(&stage.router, client, &id, query, number as u64 + 1);
    }
    assert_eq!(count(&stage.router, "groups"), 1);
    for round in 1..=3 {
        stage.tell(3);
        let expected =
            json!({ "data": { "employeeUpdated": { "id": 3, "details": { "forename": "Kadri" } } } });
        let data = |id: &str| json!({ "id": id, "type": "data", "payload": expected });
        let next = |id: &str| json!({ "id": id, "type": "next", "payload": expected });
        assert_eq!(old.message(), data("i"));
        assert_eq!(new.message(), next("ii"));
        assert_eq!(older.message(), data("iii"));
        assert_eq!(newer.message(), next("iiii"));
        assert_eq!(stage.demo.employees.request_count(), round, "one fetch per event");
    }
    old.complete("i");
    expect_complete(&mut old, "i");
    new.complete("ii");
    wait_until_live(&stage.router, 2);
    stage.tell(3);
    assert_eq!(older.message()["type"], "data");
    assert_eq!(newer.message()["type"], "next");
}

#[test]
fn several_subscriptions_on_one_connection() {
    let stage = Stage::start();
    let mut client = legacy(&stage);
    client.subscribe("emp", &watch(1));
    client.subscribe("cat", "subscription { catalogueChanged { __typename ... on Product { name } } }");
    wait_until_live(&stage.router, 2);
    for _ in 0..3 {
        stage.router.publish("catalogue", &json!({ "__typename": "Product", "id": "p1", "tag": "new" }));
        assert_eq!(client.next("cat")["data"]["catalogueChanged"]["name"], "Kettle");
        stage.tell(1);
        assert_eq!(client.next("emp")["data"]["employeeUpdated"]["id"], 1);
    }
    client.complete("cat");
    expect_complete(&mut client, "cat");
    stage.tell(1);
    assert_eq!(client.next("emp")["data"]["employeeUpdated"]["id"], 1);
}

/// `stop` is answered once, and from then on the id is somebody else's.
#[test]
fn ids_can_be_used_again() {
    let stage = Stage::start();
    let mut client = legacy(&stage);
    client.complete("never there");
    for id in 1..4 {
        listen(&stage.router, &mut client, "1", &watch(id), 1);
        stage.tell(id);
        assert_eq!(client.next("1")["data"]["employeeUpdated"]["id"], id);
        client.complete("1");
        expect_complete(&mut client, "1");
        client.complete("1");
        wait_until_idle(&stage.router);
    }
    // A query that is given up says nothing but that.
    stage.demo.products.behave(Behaviour::Hang);
    client.subscribe("1", "{ products { name } }");
    client.complete("1");
    expect_complete(&mut client, "1");
    client.subscribe("1", "{ employee(id: 1) { id } }");
    assert_eq!(client.next("1"), json!({ "data": { "employee": { "id": 1 } } }));
    expect_complete(&mut client, "1");
}

/// The first right after the ack, then one after the other; nobody else gets any.
#[test]
fn keep_alives_come_at_their_interval() {
    let stage = Stage::start_with("websocket: { legacy_keep_alive_interval: 150ms }");
    let mut modern = stage.client();
    let mut client = legacy(&stage);
    for _ in 0..3 {
        expect_said(&mut client, json!({ "type": "ka" }));
    }
    modern.send(&json!({ "type": "ping" }));
    expect_said(&mut modern, json!({ "type": "pong" }));
    // They come between the data.
    listen(&stage.router, &mut client, "1", &watch(1), 1);
    stage.tell(1);
    assert_eq!(client.next("1")["data"]["employeeUpdated"]["id"], 1);
    expect_said(&mut client, json!({ "type": "ka" }));
}

/// Not even the first: with it, the client would begin to wait for the second.
#[test]
fn keep_alives_can_be_turned_off() {
    let stage = Stage::start_with("websocket: { legacy_keep_alive_interval: 0s }");
    let mut client = stranger(&stage);
    client.send(&json!({ "type": "connection_init", "payload": {} }));
    client.subscribe("1", "{ employee(id: 1) { id } }");
    expect_said(&mut client, json!({ "type": "connection_ack" }));
    let payload = json!({ "data": { "employee": { "id": 1 } } });
    expect_said(&mut client, json!({ "id": "1", "type": "data", "payload": payload }));
    expect_said(&mut client, json!({ "id": "1", "type": "complete" }));
}

/// Whether the client lives is asked by WebSocket pings, as of anybody.
#[test]
fn silent_clients_are_pinged() {
    let stage = Stage::start_with("websocket: { ping_interval: 150ms }");
    let mut client = legacy(&stage);
    for _ in 0..3 {
        assert_eq!(client.hear(PATIENCE), Some(Said::Ping(Vec::new())), "and the client library answers");
    }
}

/// In the client's order of preference.
#[test]
fn the_subprotocol_is_negotiated() {
    let stage = Stage::start();
    for (offered, start) in [
        (&[LEGACY_WS, TRANSPORT_WS][..], "start"),
        (&[TRANSPORT_WS, LEGACY_WS], "subscribe"),
        (&["mqtt", LEGACY_WS], "start"),
        (&["soap", TRANSPORT_WS], "subscribe"),
    ] {
        let mut client = Client::upgrade(&stage.router.websocket_url(), offered, &[]);
        client.send(&json!({ "type": "connection_init" }));
        assert_eq!(client.message()["type"], "connection_ack", "{offered:?}");
        let payload = json!({ "query": "{ employee(id: 1) { id } }" });
        client.send(&json!({ "type": start, "id": "1", "payload": payload }));
        assert_eq!(client.next("1")["data"]["employee"]["id"], 1, "{offered:?}");
    }
}

#[test]
fn the_init_payload_is_forwarded() {
    let stage = Stage::start();
    let mut client = stranger(&stage);
    client.send(&json!({ "type": "connection_init", "payload": { "token": "t" } }));
    assert_eq!(client.message(), json!({ "type": "connection_ack" }));
    client.subscribe("1", "{ employee(id: 1) { startYear } }");
    assert!(client.next("1")["data"]["employee"]["startYear"].is_number());
    let extensions = &stage.demo.employees.requests()[0].body["extensions"];
    assert_eq!(*extensions, json!({ "initialPayload": { "token": "t" } }));
}

#[test]
fn terminate_closes_normally_and_cleans_up() {
    let stage = Stage::start();
    let mut client = legacy(&stage);
    listen(&stage.router, &mut client, "1", &watch(1), 1);
    listen(&stage.router, &mut client, "2", &watch(2), 2);
    client.send(&json!({ "type": "connection_terminate", "payload": null }));
    assert_eq!(closes(&mut client, 1000), "Normal closure");
    wait_until_idle(&stage.router);
}

/// By a close frame, and by nothing at all.
#[test]
fn clients_that_leave_are_cleaned_up_after() {
    let stage = Stage::start();
    let (mut polite, mut rude) = (legacy(&stage), legacy(&stage));
    listen(&stage.router, &mut polite, "1", &watch(1), 1);
    listen(&stage.router, &mut rude, "1", &watch(1), 2);
    polite.send_frame(Message::Close(None));
    wait_until_live(&stage.router, 1);
    drop(rude);
    wait_until_idle(&stage.router);
}

/// The one refusal that clients of this dialect get to read: they see no close codes.
#[test]
fn a_bad_init_is_answered_with_connection_error() {
    let stage = Stage::start();
    let mut client = stranger(&stage);
    client.send(&json!({ "type": "connection_init", "payload": ["token"] }));
    let message = client.message();
    assert_eq!(message["type"], "connection_error");
    assert_eq!(message["payload"]["message"], closes(&mut client, 4400));
}

#[test]
fn close_4400_for_messages_that_are_none() {
    let stage = Stage::start();
    for text in [
        "nonsense",
        "[]",
        "{}",
        r#"{"type":"nonsense"}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{a}"}}"#,
        r#"{"type":"complete","id":"1"}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"connection_error","payload":{}}"#,
        r#"{"type":"start","id":7,"payload":{"query":"{a}"}}"#,
        r#"{"type":"start","id":"1"}"#,
        r#"{"type":"stop"}"#,
    ] {
        let mut client = legacy(&stage);
        client.send_frame(Message::text(text));
        assert!(!closes(&mut client, 4400).is_empty(), "{text}");
    }
    let mut client = legacy(&stage);
    client.send(&json!({ "type": "subscription_start", "id": "1" }));
    assert_eq!(closes(&mut client, 4400), "Invalid message type");
}

#[test]
fn close_4401_for_operations_before_the_init() {
    let stage = Stage::start();
    let mut client = stranger(&stage);
    client.subscribe("1", "{ employee(id: 1) { id } }");
    assert_eq!(closes(&mut client, 4401), "Unauthorized");
}

#[test]
fn close_4408_when_connection_init_does_not_come() {
    let stage = Stage::start_with("websocket: { connection_init_timeout: 200ms }");
    let mut client = stranger(&stage);
    assert_eq!(closes(&mut client, 4408), "Connection initialisation timeout");
}

#[test]
fn close_4409_for_an_id_that_is_live() {
    let stage = Stage::start();
    let mut client = legacy(&stage);
    listen(&stage.router, &mut client, "one", &watch(1), 1);
    client.subscribe("one", &watch(2));
    assert_eq!(closes(&mut client, 4409), "Subscriber for one already exists");
    wait_until_idle(&stage.router);
}

#[test]
fn close_4429_for_a_second_init() {
    let stage = Stage::start();
    let mut client = legacy(&stage);
    client.send(&json!({ "type": "connection_init", "payload": {} }));
    assert_eq!(closes(&mut client, 4429), "Too many initialisation requests");
}

/// A client of either dialect that reads nothing is closed, and the others of its group do not notice.
#[test]
fn close_1013_for_a_client_that_does_not_read() {
    const EVENTS: usize = 320;
    let stage = Stage::start_with("websocket: { outbound_queue: 1KB }");
    let fields: String = (0..190)
        .map(|it| format!("d{it}: details {{ forename surname location {{ city country }} }} "))
        .collect();
    let query = format!("subscription {{ employeeUpdated(employeeID: 3) {{ id {fields} }} }}");
    let (mut stalled, mut reading, mut modern) = (legacy(&stage), legacy(&stage), stage.client());
    listen(&stage.router, &mut stalled, "1", &query, 1);
    listen(&stage.router, &mut reading, "1", &query, 2);
    listen(&stage.router, &mut modern, "1", &query, 3);
    for _ in 0..EVENTS {
        stage.tell(3);
        assert_eq!(reading.next("1")["data"]["employeeUpdated"]["d189"]["forename"], "Kadri");
        assert_eq!(modern.next("1")["data"]["employeeUpdated"]["d189"]["forename"], "Kadri");
    }
    wait_until_live(&stage.router, 2);
    assert!(stage.router.metrics().sum("router_engine_overflow_total") > 0.0);
    assert_eq!(closes(&mut stalled, 1013), "slow consumer");
}

#[cfg(unix)]
#[test]
fn close_1012_when_the_router_stops() {
    let mut stage = Stage::start_with("shutdown_delay: 0s");
    let mut client = legacy(&stage);
    listen(&stage.router, &mut client, "1", &watch(1), 1);
    stage.router.signal("TERM");
    closes(&mut client, 1012);
    assert_eq!(stage.router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
}

/// A client that sends byte by byte, and its close is answered with its code.
#[test]
fn the_clients_close_is_answered() {
    let stage = Stage::start();
    let mut client = legacy(&stage);
    for byte in b"\x88\x84\0\0\0\0\x03\xe8ok" {
        client.stream().write_all(&[*byte]).expect("the socket takes it");
    }
    closes(&mut client, 1000);
}

/// The protocol has an `error` for an operation that cannot be begun; nothing else ends for it.
#[test]
fn what_is_wrong_with_one_operation_does_not_end_the_others() {
    let stage = Stage::start();
    let mut client = legacy(&stage);
    for (id, payload) in [
        ("a".repeat(1025), json!({ "query": "{ employee(id: 1) { id } }" })),
        ("b".into(), json!({})),
        ("c".into(), json!({ "query": 7 })),
        ("d".into(), json!({ "query": "{ employee(id: 1) { id } }", "variables": [] })),
    ] {
        client.subscribe_with(&id, payload);
        let message = client.message();
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
    }
    client.subscribe("a", "{ employee(id: 1) { id } }");
    assert_eq!(client.next("a")["data"]["employee"]["id"], 1);
}
