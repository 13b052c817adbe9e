//! Subscriptions that a subgraph serves: from client to subgraph and back, every word of the subgraph's side
//! being said by the test.
#![expect(clippy::disallowed_methods, reason = "how soon a connection is made again is on the real clock")]

#[path = "support/certificates.rs"]
mod certificates;
mod support;

use certificates::Certificates;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::{
    Demo, fixture,
    http_stream::{EVENTS, HttpStream, MULTIPART},
    live::{count, wait_until_idle},
    router::Router,
    tls,
    upstream::Upstream,
    wait::wait_until,
    ws::{Client, LEGACY_WS, PATIENCE, TRANSPORT_WS},
};

/// Both dialects: the client speaks the one that the subgraph speaks.
const BOTH: [&str; 2] = [TRANSPORT_WS, LEGACY_WS];

/// A router in front of the demo and of a subgraph `clock`, whose subscriptions are the test's.
struct Stage {
    upstream: Upstream,
    router: Router,
    demo: Demo,
}

impl Stage {
    fn start() -> Self {
        Self::with("", "")
    }

    /// With more YAML: top-level keys, and keys of the subgraph's override.
    fn with(more: &str, overriding: &str) -> Self {
        Self::over("ws", more, overriding)
    }

    fn over(scheme: &str, more: &str, overriding: &str) -> Self {
        Self::at(Upstream::start(), scheme, more, overriding)
    }

    fn at(upstream: Upstream, scheme: &str, more: &str, overriding: &str) -> Self {
        let demo = Demo::start();
        let clock = format!(
            "    - {{ name: clock, routing_url: \"http://{}/graphql\", schema: {{ file: \"{}\" }} }}\n  event_graphs",
            upstream.address(),
            fixture("upstream/clock.graphql").display(),
        );
        let more = format!(
            "overrides:\n  subgraphs:\n    clock: {{ subscription_url: \"{}\", {overriding} }}\n{more}",
            upstream.url(scheme)
        );
        let config = demo.config(&more).replace("  event_graphs", &clock);
        Self { upstream, router: Router::start(&config), demo }
    }

    fn client(&self) -> Client {
        self.client_of(TRANSPORT_WS)
    }

    fn client_of(&self, dialect: &str) -> Client {
        self.client_with(dialect, &[], &Value::Null)
    }

    /// A client that upgrades with these headers and initialises with this payload.
    fn client_with(&self, dialect: &str, headers: &[(&str, &str)], payload: &Value) -> Client {
        let mut client = Client::upgrade(&self.router.websocket_url(), &[dialect], headers);
        let mut init = json!({ "type": "connection_init" });
        if !payload.is_null() {
            init["payload"] = payload.clone();
        }
        client.send(&init);
        assert_eq!(client.message(), json!({ "type": "connection_ack" }));
        client
    }

    fn links(&self) -> f64 {
        self.router.metrics().sum("router_engine_upstream_connections")
    }
}

fn tick(number: u64) -> Value {
    json!({ "data": { "tick": number } })
}

fn complete(id: &str) -> Value {
    json!({ "id": id, "type": "complete" })
}

/// The one error that ends a subscription: an `error`, or in the legacy dialect a result with errors, and
/// `complete`.
#[track_caller]
fn terminal(client: &mut Client, id: &str) -> Value {
    if client.is_legacy() {
        let told = client.next(id);
        assert_eq!(client.message(), complete(id));
        return told["errors"][0].clone();
    }
    let message = client.message();
    assert_eq!((&message["id"], &message["type"]), (&json!(id), &json!("error")), "{message}");
    message["payload"][0].clone()
}

/// Nothing has come that was not expected, and the connection works.
#[track_caller]
fn is_open(client: &mut Client) {
    client.subscribe("q", "{ employees { id } }");
    assert_eq!(client.next("q")["errors"], Value::Null);
    assert_eq!(client.message(), complete("q"));
}

const LOST: &str = "upstream service error";

/// C-WS-11, and "subscribe round trip, upstream id remapped".
#[test]
fn a_subscription_goes_to_the_subgraph_and_its_responses_come_back() {
    for protocol in BOTH {
        let stage = Stage::start();
        let mut client = stage.client_of(protocol);
        client.subscribe("mine", "subscription Clock { tick }");
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        assert_eq!(peer.path(), "/subscriptions");
        let (id, payload) = peer.subscription();
        assert_ne!(id, "mine");
        assert_eq!(payload, json!({ "query": "subscription{tick}" }));
        for number in 0..20 {
            peer.next(&id, &tick(number));
        }
        for number in 0..20 {
            assert_eq!(client.next("mine"), tick(number), "in order");
        }
        client.complete("mine");
        peer.goodbye(&id);
        wait_until_idle(&stage.router);
    }
}

/// The rest of the graph completes what the subgraph sends, once for everybody.
#[test]
fn responses_are_completed_by_other_subgraphs() {
    let stage = Stage::start();
    let mut clients = [stage.client(), stage.client()];
    for client in &mut clients {
        client.subscribe("1", "subscription { hired(from: 7) { id details { forename } notes } }");
    }
    let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    let (id, payload) = peer.subscription();
    assert_eq!(payload["query"], "subscription{hired(from: 7){__typename id}}");
    wait_until("both are in one group", PATIENCE, || count(&stage.router, "members") == 2);
    assert_eq!((count(&stage.router, "triggers"), count(&stage.router, "groups")), (1, 1));
    peer.next(&id, &json!({ "data": { "hired": { "__typename": "Employee", "id": 1 } } }));
    for client in &mut clients {
        let message = client.message();
        assert_eq!(message["payload"]["errors"], Value::Null, "{message}");
        assert_eq!(message["payload"]["data"]["hired"]["id"], 1);
        assert!(message["payload"]["data"]["hired"]["details"]["forename"].is_string(), "{message}");
    }
    assert_eq!((stage.demo.employees.request_count(), stage.demo.products.request_count()), (1, 1));
}

/// "Variables + operationName": the chosen operation goes up alone, without its name.
#[test]
fn variables_and_the_chosen_operation_go_up() {
    let stage = Stage::start();
    let mut client = stage.client();
    let query = "subscription A { tick } subscription B($t: String!) { reminded(topic: $t) { text } }";
    let variables = json!({ "t": "tea \"time\"" });
    client.subscribe_with("1", json!({ "query": query, "operationName": "B", "variables": variables }));
    let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    let (id, payload) = peer.subscription();
    let expected = json!({
        "query": "subscription($t:String!){reminded(topic: $t){text}}",
        "variables": { "t": "tea \"time\"" },
    });
    assert_eq!(payload, expected);
    let response = json!({ "data": { "reminded": { "text": "now" } } });
    peer.next(&id, &response);
    assert_eq!(client.next("1"), response);
}

/// "Multiple next before complete", and C-WS-60: when the subgraph is done, so is the subscription.
#[test]
fn the_subgraphs_complete_ends_the_subscription_behind_its_last_response() {
    for protocol in BOTH {
        let stage = Stage::start();
        let mut client = stage.client_of(protocol);
        client.subscribe("1", "subscription { tick }");
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        let (id, _) = peer.subscription();
        (0..3).for_each(|it| peer.next(&id, &tick(it)));
        peer.complete(&id);
        for number in 0..3 {
            assert_eq!(client.next("1"), tick(number));
        }
        assert_eq!(client.message(), complete("1"));
        wait_until_idle(&stage.router);
    }
}

/// "Server error terminates op, no complete after error".
#[test]
fn the_subgraphs_error_ends_the_subscription_and_nothing_follows() {
    for protocol in BOTH {
        let stage = Stage::start();
        let mut client = stage.client_of(protocol);
        client.subscribe("1", "subscription { tick }");
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        let (id, _) = peer.subscription();
        let error = json!({ "message": "no clock", "extensions": { "code": "NO_CLOCK", "trace": [1] } });
        peer.error(&id, &if protocol == LEGACY_WS { error } else { json!([error]) });
        let told = terminal(&mut client, "1");
        let extensions = json!({ "code": "NO_CLOCK", "serviceName": "clock" });
        assert_eq!(told, json!({ "message": "no clock", "extensions": extensions }));
        wait_until_idle(&stage.router);
        is_open(&mut client);
    }
}

/// "Server error in data{errors}": a response with errors is a response, and C-WS-23.
#[test]
fn errors_within_a_response_reach_the_client_with_its_own_paths() {
    for protocol in BOTH {
        let stage = Stage::start();
        let mut client = stage.client_of(protocol);
        client.subscribe("1", "subscription { now: tick }");
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        let (id, _) = peer.subscription();
        let errors = json!([{ "message": "this is an error", "path": ["tick"] }]);
        peer.next(&id, &json!({ "errors": errors, "data": { "tick": null } }));
        peer.next(&id, &tick(1));
        let told = client.next("1");
        let error = &told["errors"][0];
        assert_eq!(
            (&error["message"], &error["path"]),
            (&json!("this is an error"), &json!(["now"])),
            "{told}"
        );
        assert_eq!(told["data"], json!({ "now": null }));
        assert_eq!(client.next("1"), json!({ "data": { "now": 1 } }), "it lives on");
    }
}

/// C-WS-24, unexposed.
#[test]
fn errors_within_a_response_can_be_hidden() {
    let stage = Stage::with("subgraph_error_propagation: { enabled: false }\n", "");
    let mut client = stage.client();
    client.subscribe("1", "subscription { tick }");
    let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    let (id, _) = peer.subscription();
    peer.next(&id, &json!({ "errors": [{ "message": "this is an error" }], "data": { "tick": null } }));
    let hidden = json!({ "errors": [{ "message": "Unable to subscribe" }], "data": { "tick": null } });
    assert_eq!(client.next("1"), hidden);
}

/// "Id reuse after complete, same upstream connection", and "client complete stops upstream".
#[test]
fn an_id_can_be_used_again_and_the_connection_is_kept() {
    for protocol in BOTH {
        let stage = Stage::start();
        let mut client = stage.client_of(protocol);
        client.subscribe("1", "subscription { tick }");
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        let (first, _) = peer.subscription();
        client.complete("1");
        peer.goodbye(&first);
        if client.is_legacy() {
            assert_eq!(client.message(), complete("1"), "stop is answered");
        }
        client.subscribe("1", "subscription { tick }");
        let (second, _) = peer.subscription();
        assert_ne!(first, second);
        peer.next(&first, &tick(1));
        peer.next(&second, &tick(2));
        assert_eq!(client.next("1"), tick(2), "what the first one still gets is nobody's");
        assert!(stage.upstream.is_quiet(), "no further connection");
    }
}

/// "Multiple concurrent subscriptions", "one error does not affect another", C-WS-38, C-WS-57, and
/// "subscriptions share one upstream connection".
#[test]
fn several_subscriptions_share_a_connection_and_do_not_disturb_each_other() {
    for protocol in BOTH {
        let stage = Stage::start();
        let mut client = stage.client_of(protocol);
        let mut other = stage.client_of(protocol);
        client.subscribe("a", "subscription { tick }");
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        let (a, _) = peer.subscription();
        client.subscribe("b", "subscription { reminded(topic: \"b\") { text } }");
        let (b, _) = peer.subscription();
        other.subscribe("c", "subscription { reminded(topic: \"c\") { text } }");
        let (c, _) = peer.subscription();
        let note = |text: &str| json!({ "data": { "reminded": { "text": text } } });
        peer.next(&c, &note("c"));
        peer.next(&a, &tick(1));
        peer.next(&b, &note("b"));
        let mut got =
            [client.message(), client.message()].map(|it| (it["id"].clone(), it["payload"].clone()));
        got.sort_by_key(|(id, _)| id.to_string());
        assert_eq!(got, [(json!("a"), tick(1)), (json!("b"), note("b"))]);
        assert_eq!(other.next("c"), note("c"));

        let error = json!({ "message": "b is over" });
        peer.error(&b, &if protocol == LEGACY_WS { error } else { json!([error]) });
        assert_eq!(terminal(&mut client, "b")["message"], "b is over");
        peer.next(&a, &tick(2));
        assert_eq!(client.next("a"), tick(2));
        assert!(stage.upstream.is_quiet(), "no further connection");
        assert_eq!(stage.links(), 1.0);
    }
}

/// "Backend TCP drop" and "backend close frame", C-WS-59: each subscription gets an error, the clients'
/// connections stay open.
#[test]
fn a_subgraph_that_goes_away_ends_its_subscriptions_and_nothing_else() {
    for protocol in BOTH {
        for how in ["drop", "close"] {
            let stage = Stage::start();
            let mut clients = [stage.client_of(protocol), stage.client_of(protocol)];
            for (client, topic) in clients.iter_mut().zip(["a", "b"]) {
                client.subscribe("1", &format!("subscription {{ reminded(topic: \"{topic}\") {{ text }} }}"));
            }
            let mut peer = stage.upstream.welcome(protocol, &Value::Null);
            peer.subscription();
            peer.subscription();
            match how {
                "drop" => drop(peer),
                _ => peer.close(1011, "broken clock"),
            }
            for client in &mut clients {
                let error = terminal(client, "1");
                assert_eq!(
                    (&error["message"], &error["extensions"]["code"]),
                    (&json!(LOST), &json!("DOWNSTREAM_SERVICE_ERROR"))
                );
                if how == "close" {
                    let told = (&error["extensions"]["closeCode"], &error["extensions"]["closeReason"]);
                    assert_eq!(told, (&json!(1011), &json!("broken clock")));
                }
                is_open(client);
            }
            wait_until_idle(&stage.router);

            clients[0].subscribe("2", "subscription { tick }");
            let mut peer = stage.upstream.welcome(protocol, &Value::Null);
            let (id, _) = peer.subscription();
            peer.next(&id, &tick(1));
            assert_eq!(clients[0].next("2"), tick(1), "it is dialled anew");
        }
    }
}

/// "Client TCP drop" and "client close frame clean the backend subscription".
#[test]
fn a_client_that_goes_away_is_taken_off_the_subgraph() {
    for protocol in BOTH {
        for how in ["drop", "close"] {
            let stage = Stage::start();
            let (mut leaving, mut staying) = (stage.client_of(protocol), stage.client_of(protocol));
            leaving.subscribe("1", "subscription { tick }");
            let mut peer = stage.upstream.welcome(protocol, &Value::Null);
            let (left, _) = peer.subscription();
            staying.subscribe("1", "subscription { reminded(topic: \"x\") { text } }");
            let (kept, _) = peer.subscription();
            if how == "close" {
                leaving.send_frame(tungstenite::Message::Close(None));
            }
            drop(leaving);
            peer.goodbye(&left);
            let note = json!({ "data": { "reminded": { "text": "still here" } } });
            peer.next(&kept, &note);
            assert_eq!(staying.next("1"), note);
        }
    }
}

/// "Backend never acks -> error at ack timeout".
#[test]
fn a_subgraph_that_never_acknowledges_is_given_up() {
    for protocol in BOTH {
        let stage = Stage::with("engine: { websocket_client_ack_timeout: 300ms }\n", "");
        let mut client = stage.client_of(protocol);
        client.subscribe("1", "subscription { tick }");
        let mut peer = stage.upstream.upgrade(protocol);
        assert_eq!(peer.hear(), json!({ "type": "connection_init" }));
        assert_eq!(terminal(&mut client, "1")["message"], LOST);
        wait_until("the connection is dropped", PATIENCE, || peer.frame().is_none());
        wait_until_idle(&stage.router);
    }
}

/// "Allow-listed headers forwarded on dial", "non-allow-listed headers filtered", C-WS-14, C-WS-41.
#[test]
fn headers_reach_the_subgraph_by_rule() {
    for protocol in BOTH {
        let rules = r#"{ op: propagate, named: Authorization }, { op: propagate, matching: "^X-Custom-" }"#;
        let stage = Stage::with(&format!("headers: {{ all: {{ request: [{rules}] }} }}\n"), "");
        let headers = [("Authorization", "me"), ("X-Custom-A", "1"), ("X-Other", "2"), ("Cookie", "a=b")];
        let mut client = Client::upgrade(&stage.router.websocket_url(), &[protocol], &headers);
        client.send(&json!({ "type": "connection_init" }));
        client.message();
        client.subscribe("1", "subscription { tick }");
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        assert_eq!((peer.header("authorization"), peer.header("x-custom-a")), ("me", "1"));
        assert_eq!((peer.header("x-other"), peer.header("cookie")), ("", ""));
        let (_, payload) = peer.subscription();
        assert_eq!(payload["extensions"], json!({ "upgradeHeaders": { "Authorization": "me" } }));
        for (name, of_client) in [("sec-websocket-protocol", TRANSPORT_WS), ("sec-websocket-key", "")] {
            assert_ne!(peer.header(name), of_client, "{name} is the router's own");
        }
    }
}

/// C-WS-17: empty allow lists let everything through.
#[test]
fn empty_allow_lists_let_everything_through() {
    let stage = Stage::with(
        "websocket: { forward_upgrade_headers: { allow_list: [] }, forward_upgrade_query_params: { allow_list: [] } }\n",
        "",
    );
    let url = format!("{}?token=t&tenant=7", stage.router.websocket_url());
    let mut client = Client::upgrade(&url, &[TRANSPORT_WS], &[("X-Any", "1"), ("Authorization", "me")]);
    client.send(&json!({ "type": "connection_init" }));
    client.message();
    client.subscribe("1", "subscription { tick }");
    let (_, payload) = stage.upstream.welcome(TRANSPORT_WS, &Value::Null).subscription();
    let expected = json!({
        "upgradeHeaders": { "X-Any": "1", "Authorization": "me" },
        "upgradeQueryParams": { "token": "t", "tenant": "7" },
    });
    assert_eq!(payload["extensions"], expected);
}

/// "Init payload forwarded", C-WS-36; C-WS-37 with extensions of the request.
#[test]
fn the_init_payload_reaches_the_subgraph() {
    for protocol in BOTH {
        let stage = Stage::start();
        let init = json!({ "token": "t", "nested": { "a": [1] } });
        let mut client = stage.client_with(protocol, &[], &init);
        client
            .subscribe_with("1", json!({ "query": "subscription { tick }", "extensions": { "own": true } }));
        let mut peer = stage.upstream.welcome(protocol, &init);
        let (_, payload) = peer.subscription();
        assert_eq!(payload["extensions"], json!({ "own": true, "initialPayload": init }));
    }
}

/// "Different init payloads -> separate connections", C-WS-39; C-WS-15 and 16: what is forwarded decides.
#[test]
fn clients_share_a_connection_and_a_trigger_only_where_all_that_is_forwarded_is_equal() {
    let stage = Stage::with("headers: { all: { request: [{ op: propagate, named: Authorization }] } }\n", "");
    let mut seen = Vec::new();
    let mut clients = Vec::new();
    let mut peers = Vec::new();
    for (header, payload) in [("a", "x"), ("b", "x"), ("a", "y")] {
        let payload = json!({ "token": payload });
        let mut client = stage.client_with(TRANSPORT_WS, &[("Authorization", header)], &payload);
        client.subscribe("1", "subscription { tick }");
        let mut peer = stage.upstream.welcome(TRANSPORT_WS, &payload);
        peer.subscription();
        seen.push((peer.header("authorization").to_owned(), payload));
        clients.push(client);
        peers.push(peer);
    }
    assert_eq!(seen.iter().map(|(it, _)| it.as_str()).collect::<Vec<_>>(), ["a", "b", "a"]);
    let mut equal = stage.client_with(TRANSPORT_WS, &[("Authorization", "a")], &json!({ "token": "x" }));
    equal.subscribe("1", "subscription { tick }");
    wait_until("it has joined", PATIENCE, || count(&stage.router, "members") == 4);
    assert_eq!((count(&stage.router, "triggers"), stage.links()), (3, 3.0));
    assert!(stage.upstream.is_quiet(), "no further connection");
    peers[0].next("1", &tick(1));
    assert_eq!((clients[0].next("1"), equal.next("1")), (tick(1), tick(1)));
}

/// C-WS-21 and 61: the refusal of the upgrade is told with its status; C-WS-22: or not.
#[test]
fn a_refused_upgrade_is_told_with_its_status() {
    for status in [401, 418] {
        let stage = Stage::start();
        let mut client = stage.client();
        client.subscribe("1", "subscription { tick }");
        stage.upstream.refuse(status);
        let error = terminal(&mut client, "1");
        assert_eq!(error["message"], "Subscription Upgrade request failed for Subgraph 'clock'.");
        assert_eq!(error["extensions"]["statusCode"], status);
        wait_until_idle(&stage.router);
    }
    let stage = Stage::with("subgraph_error_propagation: { enabled: false }\n", "");
    let mut client = stage.client();
    client.subscribe("1", "subscription { tick }");
    stage.upstream.refuse(418);
    assert_eq!(terminal(&mut client, "1"), json!({ "message": "Subscription Upgrade request failed" }));
}

/// C-HTTP-3 and its like for multipart: whatever a subgraph does ends up in the client's own format.
#[test]
fn streams_over_http_share_a_subgraphs_subscription_and_its_fate() {
    let stage = Stage::start();
    let query = "subscription { tick }";
    let mut socket = stage.client();
    socket.subscribe("1", query);
    let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    let (id, _) = peer.subscription();
    let mut events = HttpStream::post(stage.router.graphql_url(), EVENTS, query);
    let mut parts = HttpStream::post(stage.router.graphql_url(), MULTIPART, query);
    wait_until("three subscribers of one subscription", PATIENCE, || {
        count(&stage.router, "members") == 3 && count(&stage.router, "triggers") == 1
    });
    peer.next(&id, &tick(1));
    assert_eq!(socket.next("1"), tick(1));
    assert_eq!((events.result(), parts.result()), (tick(1), tick(1)));
    peer.say(&json!({ "id": id, "type": "complete" }));
    assert_eq!(socket.message(), json!({ "id": "1", "type": "complete" }));
    events.complete();
    parts.complete();

    let message = "Subscription Upgrade request failed for Subgraph 'clock'.";
    drop(peer);
    wait_until("the router has seen the connection end", PATIENCE, || stage.links() == 0.0);
    let mut events = HttpStream::post(stage.router.graphql_url(), EVENTS, "subscription { refused: tick }");
    stage.upstream.refuse(403);
    let error = &events.result()["errors"][0];
    assert_eq!((&error["message"], &error["extensions"]["statusCode"]), (&json!(message), &json!(403)));
    events.complete();
    let mut parts = HttpStream::post(stage.router.graphql_url(), MULTIPART, "subscription { refused: tick }");
    stage.upstream.refuse(403);
    let part = parts.part();
    assert_eq!((&part["payload"], &part["errors"][0]["message"]), (&Value::Null, &json!(message)));
    parts.complete();
    wait_until_idle(&stage.router);
}

/// C-WS-58: the newer subprotocol's own ping; the older one has none, so WebSocket's is used.
#[test]
fn a_silent_subgraph_is_pinged_and_one_that_does_not_answer_is_given_up() {
    let keys = "engine: { websocket_client_ping_interval: 100ms, websocket_client_ping_timeout: 500ms }\n";
    let stage = Stage::with(keys, "");
    let mut client = stage.client();
    client.subscribe("1", "subscription { tick }");
    let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    let (id, _) = peer.subscription();
    for _ in 0..3 {
        assert_eq!(peer.hear(), json!({ "type": "ping" }));
        peer.say(&json!({ "type": "pong" }));
    }
    peer.say(&json!({ "type": "ping", "payload": { "a": 1 } }));
    wait_until("a pong with the ping's payload", PATIENCE, || {
        let heard = peer.hear();
        if heard == json!({ "type": "ping" }) {
            peer.say(&json!({ "type": "pong" }));
        }
        heard == json!({ "type": "pong", "payload": { "a": 1 } })
    });
    peer.next(&id, &tick(1));
    assert_eq!(client.next("1"), tick(1));
    assert_eq!(terminal(&mut client, "1")["message"], LOST, "from here on nothing is answered");

    let stage = Stage::with(keys, "");
    let mut client = stage.client();
    client.subscribe("1", "subscription { tick }");
    let mut peer = stage.upstream.welcome(LEGACY_WS, &Value::Null);
    peer.subscription();
    wait_until("a ping of WebSocket's own", PATIENCE, || {
        matches!(peer.frame(), Some(tungstenite::Message::Ping(_)))
    });
}

/// C-WS-12 and 13: clients that come and go leave nothing behind.
#[test]
fn reconnecting_clients_leave_nothing_behind() {
    let stage = Stage::with("engine: { websocket_client_idle_timeout: 200ms }\n", "");
    let mut first = stage.client();
    first.subscribe("1", "subscription { tick }");
    let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    let (id, _) = peer.subscription();
    drop(first);
    peer.goodbye(&id);
    for round in 0..20 {
        let mut client = stage.client();
        client.subscribe("1", "subscription { tick }");
        let (id, _) = peer.subscription();
        peer.next(&id, &tick(round));
        assert_eq!(client.next("1"), tick(round));
        drop(client);
        peer.goodbye(&id);
    }
    wait_until_idle(&stage.router);
    wait_until("the idle connection is closed", PATIENCE, || stage.links() == 0.0);
    assert!(matches!(peer.frame(), Some(tungstenite::Message::Close(_))));
}

/// What a subgraph says that is no response is told, and the subscription lives on; what breaks the
/// subprotocol ends the connection.
#[test]
fn nonsense_is_told_or_ends_the_connection() {
    let stage = Stage::start();
    let mut client = stage.client();
    client.subscribe("1", "subscription { tick }");
    let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    let (id, _) = peer.subscription();
    peer.next(&id, &json!({ "neither": "data nor errors" }));
    let told = client.message();
    assert_eq!(told["payload"]["errors"][0]["message"], "Invalid message received", "{told}");
    peer.next(&id, &tick(1));
    assert_eq!(client.next("1"), tick(1));
    peer.say(&json!({ "type": "hello" }));
    assert_eq!(terminal(&mut client, "1")["message"], LOST);
    let Some(tungstenite::Message::Close(Some(frame))) = peer.frame() else { panic!("a close frame") };
    assert_eq!(u16::from(frame.code), 4400);
}

/// Where a subgraph opts in, its subscriptions outlive its absence, and are told of the gap.
#[test]
fn a_subscription_can_wait_for_its_subgraph() {
    for protocol in BOTH {
        let stage = Stage::with("", "subscription_reconnect: true");
        let mut client = stage.client_of(protocol);
        client.subscribe("1", "subscription { tick }");
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        let (id, _) = peer.subscription();
        peer.next(&id, &tick(1));
        assert_eq!(client.next("1"), tick(1));
        drop(peer);
        stage.upstream.refuse(503);
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        let (id, payload) = peer.subscription();
        assert_eq!(payload["query"], "subscription{tick}");
        let gap = client.next("1");
        assert_eq!(gap["errors"][0]["extensions"]["code"], "EVENTS_LOST", "{gap}");
        peer.next(&id, &tick(2));
        assert_eq!(client.next("1"), tick(2));
    }
}

/// What one client sends is never charged to the connection that others share.
#[test]
fn a_subscription_too_large_to_be_sent_is_refused_alone() {
    let stage = Stage::start();
    let mut client = stage.client();
    client.subscribe("1", "subscription { tick }");
    let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    let (id, _) = peer.subscription();
    let asking = |bytes: usize| {
        let query = "subscription ($t: String!) { reminded(topic: $t) { text } }";
        let body = json!({ "query": query, "variables": { "t": "x".repeat(bytes) } }).to_string();
        HttpStream::open("POST", stage.router.graphql_url(), EVENTS, &body)
    };
    for bytes in [4_500_000, 4 << 20] {
        let told = asking(bytes).result();
        assert_eq!(told["errors"][0]["extensions"]["code"], "PAYLOAD_TOO_LARGE", "{told}");
    }
    let mut large = asking(4_000_000);
    let mut apart = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    let (other, payload) = apart.subscription();
    assert_eq!(payload["variables"]["t"].as_str().map(str::len), Some(4_000_000));
    apart.next(&other, &json!({ "data": { "reminded": { "text": "now" } } }));
    peer.next(&id, &tick(1));
    assert_eq!(large.result()["data"]["reminded"]["text"], "now");
    assert_eq!(client.next("1"), tick(1));
}

/// A subgraph may refuse messages that the router takes, and closes the whole connection over one.
#[test]
fn a_large_subscription_has_a_connection_of_its_own() {
    for (protocol, reconnect) in [(TRANSPORT_WS, ""), (LEGACY_WS, "subscription_reconnect: true")] {
        let stage = Stage::with("", reconnect);
        let (mut client, mut other) = (stage.client_of(protocol), stage.client_of(protocol));
        client.subscribe("1", "subscription { tick }");
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        let (id, _) = peer.subscription();
        let query = "subscription ($t: String!) { reminded(topic: $t) { text } }";
        let asking = |bytes: usize| json!({ "query": query, "variables": { "t": "x".repeat(bytes) } });
        other.subscribe_with("large", asking(20_001));
        let mut strict = stage.upstream.welcome(protocol, &Value::Null);
        let (_, payload) = strict.subscription();
        assert!(payload.to_string().len() > 20_000);
        strict.close(1009, "message too big");
        let error = terminal(&mut other, "large");
        assert_eq!(error["extensions"]["closeCode"], 1009, "{error}");

        // Those that are taken stay apart as well, and take their connection along.
        other.subscribe_with("a", asking(17_000));
        let mut first = stage.upstream.welcome(protocol, &Value::Null);
        let (a, _) = first.subscription();
        other.subscribe_with("b", asking(17_001));
        let mut second = stage.upstream.welcome(protocol, &Value::Null);
        let (b, _) = second.subscription();
        let note = |text: &str| json!({ "data": { "reminded": { "text": text } } });
        second.next(&b, &note("b"));
        assert_eq!(other.next("b"), note("b"));
        first.next(&a, &note("a"));
        assert_eq!(other.next("a"), note("a"));
        assert_eq!(stage.links(), 3.0);
        other.complete("a");
        wait_until("the connection is closed at once", Duration::from_secs(5), || first.frame().is_none());
        assert_eq!(stage.links(), 2.0);

        // One that is not large goes with the others.
        client.subscribe_with("small", asking(15_000));
        peer.subscription();
        peer.next(&id, &tick(1));
        assert_eq!(client.next("1"), tick(1));
    }
}

/// A message that is too long is charged to the subscription that it is for.
#[test]
fn a_response_too_large_for_the_router_ends_its_subscription_alone() {
    for protocol in BOTH {
        for reconnect in ["", "subscription_reconnect: true"] {
            let stage = Stage::with("engine: { websocket_client_read_limit: 64KB }\n", reconnect);
            let (mut client, mut other) = (stage.client_of(protocol), stage.client_of(protocol));
            client.subscribe("1", "subscription { tick }");
            let mut peer = stage.upstream.welcome(protocol, &Value::Null);
            let (id, _) = peer.subscription();
            other.subscribe("2", "subscription { reminded(topic: \"x\") { text } }");
            let (large, _) = peer.subscription();
            let note = |bytes: usize| json!({ "data": { "reminded": { "text": "x".repeat(bytes) } } });
            peer.next(&large, &note(60_000));
            assert_eq!(other.next("2"), note(60_000));
            peer.next(&large, &note(20_000_000));
            let error = terminal(&mut other, "2");
            let words = "A message of Subgraph 'clock' is larger than the limit of 64000 bytes.";
            assert_eq!(error["message"], words, "{error}");
            peer.goodbye(&large);
            peer.next(&large, &note(20_000_000));
            peer.next(&id, &tick(1));
            assert_eq!(client.next("1"), tick(1), "what follows the message is read");
            is_open(&mut other);
            assert!(stage.upstream.is_quiet(), "no further connection");

            // One that names no subscription is everybody's.
            peer.say(&json!({ "type": "next", "payload": note(70_000), "id": id }));
            if reconnect.is_empty() {
                assert_eq!(terminal(&mut client, "1")["message"], LOST);
            }
            let Some(tungstenite::Message::Close(Some(frame))) = peer.frame() else {
                panic!("a close frame")
            };
            assert_eq!(u16::from(frame.code), 1009);
        }
    }
}

#[test]
fn an_event_too_large_for_the_router_ends_its_stream() {
    for reconnect in ["", ", subscription_reconnect: true"] {
        let more = "engine: { websocket_client_read_limit: 64KB }\n";
        let stage = Stage::over("http", more, &format!("subscription_protocol: sse_post{reconnect}"));
        let mut client = stage.client();
        client.subscribe("1", "subscription { tick }");
        let mut stream = stage.upstream.stream();
        stream.next(&tick(1));
        assert_eq!(client.next("1"), tick(1));
        stream.next(&json!({ "data": { "tick": 2 }, "extensions": { "long": "x".repeat(70_000) } }));
        let error = terminal(&mut client, "1");
        let words = "A message of Subgraph 'clock' is larger than the limit of 64000 bytes.";
        assert_eq!(error["message"], words, "{error}");
    }
}

/// However many subscriptions are asked for at a time, they go out as the subgraph takes them: when it acknowledges,
/// and when it comes back.
#[test]
fn a_burst_of_subscriptions_does_not_break_the_connection() {
    const SUBSCRIPTIONS: u64 = 900;
    let stage = Stage::with("", "subscription_reconnect: true");
    let (mut client, mut other) = (stage.client(), stage.client());
    let query = "subscription ($t: String!) { reminded(topic: $t) { text } }";
    // Together they are far beyond what sockets and buffers hold.
    let topic = |number: u64| format!("{number:16000}");
    for number in 0..SUBSCRIPTIONS {
        let variables = json!({ "t": topic(number) });
        client.subscribe_with(&number.to_string(), json!({ "query": query, "variables": variables }));
    }
    for _ in 0..2 {
        let mut socket = stage.upstream.upgrade(TRANSPORT_WS);
        assert_eq!(socket.hear(), json!({ "type": "connection_init" }));
        wait_until("all wait for the subgraph", PATIENCE, || {
            count(&stage.router, "triggers") == SUBSCRIPTIONS
        });
        socket.say(&json!({ "type": "connection_ack" }));
        // While it reads nothing, the router goes on, and nothing is lost. What the router says after it has answered
        // another client was said in a later turn.
        let mut unread = 0;
        wait_until("the sockets take no more", PATIENCE, || {
            is_open(&mut other);
            std::mem::replace(&mut unread, socket.unread()) == unread
        });
        for number in 0..SUBSCRIPTIONS {
            let (_, payload) = socket.subscription();
            assert_eq!(payload["variables"]["t"], topic(number).as_str());
        }
    }
}

/// However often clients come back, a subgraph whose connections break gets the next one a little later.
#[test]
fn a_connection_that_breaks_is_not_made_again_at_once() {
    let stage = Stage::start();
    let mut client = stage.client();
    client.subscribe("1", "subscription { tick }");
    drop(stage.upstream.welcome(TRANSPORT_WS, &Value::Null));
    assert_eq!(terminal(&mut client, "1")["message"], LOST);
    // Waits are at least half of 0.5 s and of 1 s.
    for (id, wait) in [("2", 250_u64), ("3", 500)] {
        let began = Instant::now();
        client.subscribe(id, "subscription { tick }");
        let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
        assert!(began.elapsed() >= Duration::from_millis(wait - 50), "{:?}", began.elapsed());
        peer.subscription();
        drop(peer);
        assert_eq!(terminal(&mut client, id)["message"], LOST);
    }
}

/// C-WS-62, with 1012 instead of 1001: clients come back elsewhere.
#[test]
fn a_router_that_stops_says_goodbye_to_both_sides() {
    let mut stage = Stage::with("shutdown_delay: 0s\ngrace_period: 5s\n", "");
    let mut client = stage.client();
    client.subscribe("1", "subscription { tick }");
    let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    peer.subscription();
    stage.router.signal("TERM");
    assert_eq!(client.closed().0, 1012);
    drop(client);
    wait_until("the subgraph sees the end", PATIENCE, || peer.frame().is_none());
    assert!(stage.router.wait(PATIENCE).is_some_and(|it| it.success()));
}

/// A subgraph that shows its certificate, wants one of this authority, and speaks HTTP/2 too.
fn over_tls(certificates: &Certificates, clients: &str) -> Upstream {
    speaking(certificates, clients, &["h2", "http/1.1"])
}

fn speaking(certificates: &Certificates, clients: &str, protocols: &[&str]) -> Upstream {
    let file = |name: &str| certificates.file(name);
    let shown = (file("server.pem"), file("server.key"));
    let config = tls::server((&shown.0, &shown.1), protocols, Some(&file(clients)));
    Upstream::start_with(Some(config))
}

/// What HTTPS to the subgraph is told: whom to trust, and what to show.
fn trusting(certificates: &Certificates, authority: &str) -> String {
    let file = |name: &str| certificates.text(name);
    let (authority, certificate, key) = (file(authority), file("client.pem"), file("client.key"));
    format!(
        "tls: {{ client: {{ subgraphs: {{ clock: {{ ca_file: \"{authority}\", cert_file: \"{certificate}\", \
         key_file: \"{key}\" }} }} }} }}\n"
    )
}

/// By `wss`, with the TLS options of the subgraph; an `https` address means the same.
#[test]
fn a_subscription_over_wss() {
    let certificates = Certificates::make();
    for (scheme, protocol) in [("wss", TRANSPORT_WS), ("wss", LEGACY_WS), ("https", TRANSPORT_WS)] {
        let upstream = over_tls(&certificates, "ca.pem");
        let stage = Stage::at(upstream, scheme, &trusting(&certificates, "ca.pem"), "");
        let mut client = stage.client_of(protocol);
        client.subscribe("1", "subscription { tick }");
        let mut peer = stage.upstream.welcome(protocol, &Value::Null);
        assert_eq!(peer.protocol(), Some(&b"http/1.1"[..]), "what can be upgraded");
        let (id, _) = peer.subscription();
        let kind = if protocol == LEGACY_WS { "data" } else { "next" };
        let next = |number: u64| json!({ "id": id, "type": kind, "payload": tick(number) });
        // Several in one record: the poller sees the first alone.
        for number in (0..30).step_by(3) {
            peer.say_at_once(&[next(number), next(number + 1), next(number + 2)]);
            for number in number..number + 3 {
                assert_eq!(client.next("1"), tick(number));
            }
        }
        // In more records than TLS reads at a time.
        let long = "x".repeat(100_000);
        peer.next(&id, &json!({ "data": { "tick": 7 }, "extensions": { "long": long } }));
        assert_eq!(client.next("1")["data"], json!({ "tick": 7 }));
        client.complete("1");
        if client.is_legacy() {
            assert_eq!(client.message(), complete("1"));
        }
        peer.goodbye(&id);
        wait_until_idle(&stage.router);
        client.subscribe("2", "subscription { tick }");
        peer.subscription();
        drop(peer);
        assert_eq!(terminal(&mut client, "2")["message"], LOST);
    }
}

#[test]
fn wss_to_a_subgraph_needs_trust_on_both_sides() {
    let certificates = Certificates::make();
    for (trusted, clients) in [("other.pem", "ca.pem"), ("ca.pem", "other.pem")] {
        let upstream = over_tls(&certificates, clients);
        let stage = Stage::at(upstream, "wss", &trusting(&certificates, trusted), "");
        let mut client = stage.client();
        client.subscribe("1", "subscription { tick }");
        assert!(stage.upstream.accept_stream().is_err(), "{trusted} {clients}");
        assert_eq!(terminal(&mut client, "1")["message"], LOST);
        let told = stage.router.logged("no WebSocket to a subgraph");
        assert!(told.to_lowercase().contains("certificate") || told.contains("alert"), "{told}");
        is_open(&mut client);
    }
}

/// Subscriptions go over HTTP/1.1: whoever runs a subgraph that speaks HTTP/2 alone reads that in the log.
#[test]
fn a_subgraph_that_speaks_http_2_alone_is_told_from_one_that_is_away() {
    let certificates = Certificates::make();
    for (scheme, overriding, words) in [
        ("wss", "", "no WebSocket to a subgraph"),
        ("https", "subscription_protocol: sse_post", "a subgraph does not answer"),
    ] {
        let upstream = speaking(&certificates, "ca.pem", &["h2"]);
        let stage = Stage::at(upstream, scheme, &trusting(&certificates, "ca.pem"), overriding);
        let mut client = stage.client();
        client.subscribe("1", "subscription { tick }");
        assert!(stage.upstream.accept_stream().is_err(), "{scheme}");
        assert_eq!(terminal(&mut client, "1")["message"], LOST);
        let told = stage.router.logged(words);
        assert!(told.contains("the subgraph speaks no HTTP/1.1"), "{told}");
    }
}

/// C-WS-19 and 20: by Server-Sent Events, asked for by POST or by GET.
#[test]
fn subscriptions_by_server_sent_events() {
    for (by, protocol) in [("POST", "sse_post"), ("GET", "sse")] {
        let stage = Stage::over(
            "http",
            "headers: { all: { request: [{ op: propagate, named: Authorization }] } }\n",
            &format!("subscription_protocol: {protocol}"),
        );
        let mut client =
            stage.client_with(TRANSPORT_WS, &[("Authorization", "me")], &json!({ "token": "t" }));
        let query = "subscription($t: String!) { reminded(topic: $t) { text } }";
        client.subscribe_with("1", json!({ "query": query, "variables": { "t": "tea" } }));
        let mut stream = stage.upstream.stream();
        let head = stream.head.join("\n").to_lowercase();
        assert!(head.starts_with(&format!("{} /subscriptions", by.to_lowercase())), "{head}");
        assert!(head.contains("accept: text/event-stream") && head.contains("authorization: me"), "{head}");
        if by == "POST" {
            let body: Value = serde_json::from_str(&stream.body).expect("JSON");
            assert_eq!(body["query"], "subscription($t:String!){reminded(topic: $t){text}}");
            assert_eq!(body["variables"], json!({ "t": "tea" }));
            assert_eq!(body["extensions"]["initialPayload"], json!({ "token": "t" }));
        } else {
            assert!(
                head.contains("query=subscription%28%24t") && head.contains("variables=%7b%22t%22"),
                "{head}"
            );
        }
        let note = |text: &str| json!({ "data": { "reminded": { "text": text } } });
        stream.write(": heartbeat\n\n");
        for text in ["a", "b"] {
            stream.next(&note(text));
            assert_eq!(client.next("1"), note(text));
        }
        stream.complete();
        assert_eq!(client.message(), complete("1"));
        wait_until_idle(&stage.router);
    }
}

/// A subgraph says at the start of a subscription what is the case. Whoever comes back hears that too, however soon the
/// last has left.
#[test]
fn who_comes_back_hears_the_subgraphs_first_response() {
    let query = "subscription { tick }";
    let stage = Stage::start();
    let mut client = stage.client();
    client.subscribe("1", query);
    let mut peer = stage.upstream.welcome(TRANSPORT_WS, &Value::Null);
    let (id, _) = peer.subscription();
    peer.next(&id, &tick(1));
    assert_eq!(client.next("1"), tick(1));
    drop(client);
    wait_until("nobody is subscribed", PATIENCE, || count(&stage.router, "members") == 0);
    let mut client = stage.client();
    client.subscribe("1", query);
    peer.goodbye(&id);
    let (id, _) = peer.subscription();
    peer.next(&id, &tick(2));
    assert_eq!(client.next("1"), tick(2));

    let stage = Stage::over("http", "", "subscription_protocol: sse_post");
    for number in [1, 2] {
        let mut client = stage.client();
        client.subscribe("1", query);
        let mut stream = stage.upstream.stream();
        stream.next(&tick(number));
        assert_eq!(client.next("1"), tick(number));
        drop(client);
        wait_until("nobody is subscribed", PATIENCE, || count(&stage.router, "members") == 0);
    }
}

#[test]
fn event_streams_end_with_a_reason_or_with_their_client() {
    let stage = Stage::over("http", "", "subscription_protocol: sse_post");
    let mut client = stage.client();
    client.subscribe("refused", "subscription { tick }");
    stage.upstream.refuse(403);
    let error = terminal(&mut client, "refused");
    assert_eq!(error["extensions"]["statusCode"], 403, "{error}");

    client.subscribe("lost", "subscription { tick }");
    let mut stream = stage.upstream.stream();
    stream.next(&tick(1));
    assert_eq!(client.next("lost"), tick(1));
    drop(stream);
    assert_eq!(terminal(&mut client, "lost")["message"], LOST);

    client.subscribe("left", "subscription { tick }");
    let mut stream = stage.upstream.stream();
    stream.next(&tick(2));
    assert_eq!(client.next("left"), tick(2));
    client.complete("left");
    stream.wait_for_end();
    wait_until_idle(&stage.router);
}

/// The words of a subgraph that does not begin a subscription, or ends it by an event of its own, reach the client.
#[test]
fn what_a_subgraph_says_of_a_refusal_is_told() {
    let told = r#"{"errors":[{"message":"token expired","extensions":{"code":"UNAUTHENTICATED"}}]}"#;
    for (scheme, overriding) in [("http", "subscription_protocol: sse_post"), ("ws", "")] {
        let stage = Stage::over(scheme, "", overriding);
        for (status, content_type) in [(401, "application/json"), (403, "application/graphql-response+json")]
        {
            let mut client = stage.client();
            client.subscribe("1", "subscription { tick }");
            stage.upstream.answer(status, content_type, told);
            let error = terminal(&mut client, "1");
            assert_eq!(error["message"], "token expired", "{scheme}: {error}");
            assert_eq!(error["extensions"]["code"], "UNAUTHENTICATED", "{scheme}: {error}");
            assert_eq!(error["extensions"]["statusCode"], status, "{scheme}: {error}");
        }
        let mut client = stage.client();
        client.subscribe("1", "subscription { tick }");
        stage.upstream.answer(502, "text/html", "<p>no</p>");
        let error = terminal(&mut client, "1");
        let words = "Subscription Upgrade request failed for Subgraph 'clock'.";
        assert_eq!((&error["message"], &error["extensions"]["statusCode"]), (&json!(words), &json!(502)));
    }
    let stage = Stage::over("http", "", "subscription_protocol: sse_post");
    let mut client = stage.client();
    client.subscribe("1", "subscription { tick }");
    stage.upstream.answer(200, "application/json", told);
    assert_eq!(terminal(&mut client, "1")["message"], "token expired");

    client.subscribe("2", "subscription { tick }");
    let mut stream = stage.upstream.stream();
    stream.next(&tick(1));
    assert_eq!(client.next("2"), tick(1));
    stream.write(&format!("event: error\ndata: {told}\n\n"));
    assert_eq!(terminal(&mut client, "2")["message"], "token expired");
    wait_until_idle(&stage.router);
}

/// Credentials before the host of a URL are told as such, and the host is named without them.
#[test]
fn credentials_in_a_subscription_url_are_told() {
    const BASIC: &str = "Basic dXNAZXI6cDp3";
    let upstream = || Upstream::start().with_credentials("us%40er:p%3Aw@");
    let stage = Stage::at(upstream(), "ws", "", "");
    let mut client = stage.client();
    client.subscribe("1", "subscription { tick }");
    let peer = stage.upstream.upgrade(TRANSPORT_WS);
    let host = stage.upstream.address().to_string();
    assert_eq!((peer.header("authorization"), peer.header("host")), (BASIC, &*host));

    for protocol in ["sse", "sse_post"] {
        let stage = Stage::at(upstream(), "http", "", &format!("subscription_protocol: {protocol}"));
        let mut client = stage.client();
        client.subscribe("1", "subscription { tick }");
        let host = stage.upstream.address().to_string();
        let head = stage.upstream.stream().head.join("\n");
        assert!(head.contains(BASIC) && head.contains(&host) && !head.contains('@'), "{head}");
    }
}
