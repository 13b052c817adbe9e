//! Brokers that are missing, late, or gone for a while: what starts, what is said, and what comes back.

#![expect(clippy::disallowed_methods, reason = "deadlines of the broker's tests are on the real clock")]

#[path = "support/nats.rs"]
mod nats;
mod support;

use nats::NatsServer;
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    process::{Command, Output},
    thread,
    time::Duration,
};
use support::{
    Demo, example, fixture,
    live::{listen, wait_until_live},
    router::{Router, write_config},
    wait::wait_until,
    ws::{Client, Said},
};

const PATIENCE: Duration = Duration::from_secs(20);
const LENIENT: &str = "skip_unavailable_providers: true";
const STRICT: &str = "skip_unavailable_providers: false";
const UNAVAILABLE: &str = "The feed of this subscription is unavailable.";
const WATCH_3: &str = "subscription { employeeUpdated(employeeID: 3) { id details { forename } } }";

/// Ends by itself: a router that cannot start.
fn refused(config: &str) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_juga"))
        .args(["serve", "-c"])
        .arg(write_config(config))
        .output()
        .expect("the router's binary starts");
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

fn one_nats(url: &str) -> String {
    format!(
        r#"{{ nats: [{{ id: default, url: "{url}", request_timeout: 300ms }}], memory: [{{ id: my-nats }}] }}"#
    )
}

/// An address where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("nats://{}", listener.local_addr().expect("an address"))
}

fn provider_is_up(router: &Router) -> bool {
    router.metrics().get(r#"router_streams_provider_up{wg_provider_type="nats",wg_provider_id="default"}"#)
        == 1.0
}

fn employee(id: i64) -> Vec<u8> {
    format!(r#"{{"__typename":"Employee","id":{id}}}"#).into_bytes()
}

/// A request that somebody at the broker answers.
fn asks_through(router: &Router, nats: &NatsServer) {
    let mut responder = nats.client();
    responder.subscribe("getEmployee.5");
    let answered = thread::spawn(move || {
        let (_, reply, _) = responder.next_message();
        responder.publish(&reply.expect("a reply subject"), &employee(5));
        responder.flush();
    });
    let (_, answer) = router.post(&json!({ "query": "{ employeeFromEvent(id: 5) { id startYear } }" }));
    assert_eq!(answer, json!({ "data": { "employeeFromEvent": { "id": 5, "startYear": 2019 } } }));
    answered.join().expect("a request");
}

/// C-CFG-2.
#[test]
fn c_cfg_2_a_provider_that_is_not_configured_stops_a_strict_start() {
    let demo = Demo::start();
    let (code, log) = refused(&demo.config_with("{ memory: [{ id: my-nats }] }", STRICT, ""));
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("provider with ID default is not defined"), "{log}");
    assert!(log.contains("nats provider"), "{log}");
}

/// C-CFG-1 and C-CFG-3: the same for the other kinds.
#[test]
fn c_cfg_1_3_providers_of_kafka_and_redis_stop_a_strict_start() {
    let demo = Demo::start();
    let config = demo.config_with("{ memory: [{ id: default }, { id: my-nats }] }", STRICT, "");
    let redis_only = fixture("redis_events.graphql").display().to_string();
    let all = [fixture("demo/events.graphql"), fixture("more_events.graphql")];
    let [first, second] = all.map(|it| it.display().to_string());
    for (config, missing) in [
        (config.clone(), "kafka provider with ID my-kafka"),
        (
            config.replace(&format!("\"{first}\", \"{second}\""), &format!("\"{redis_only}\"")),
            "redis provider with ID my-redis",
        ),
    ] {
        let (code, log) = refused(&config);
        assert_eq!(code, Some(78), "{log}");
        assert!(log.contains(&format!("{missing} is not defined")), "{log}");
    }
}

/// C-NSK-1: an undefined provider leaves the rest of the graph alone.
#[test]
fn c_nsk_1_lenient_start_without_a_provider() {
    let demo = Demo::start();
    let router = Router::start(&demo.config_with("{ memory: [{ id: my-nats }] }", LENIENT, ""));
    let log = router.log().join("\n");
    assert!(log.contains("nats provider with ID default is not defined"), "{log}");
    let (_, answer) = router.post(&json!({ "query": "{ employee(id: 3) { startYear seniority } }" }));
    assert_eq!(answer, json!({ "data": { "employee": { "startYear": 2018, "seniority": 8 } } }));

    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("1", WATCH_3);
    let message = client.message();
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{message}");
    let words = "The event source is not available: nats provider with ID default is not defined.";
    let error = json!([{ "message": words, "extensions": { "code": "FEED_UNAVAILABLE" } }]);
    assert_eq!(message["payload"], error);
    let query = "mutation { updateEmployee(id: 3, update: {}) { success } }";
    let (_, answer) = router.post(&json!({ "query": query }));
    assert_eq!(answer, json!({ "data": { "updateEmployee": { "success": false } } }));
    let (_, answer) = router.post(&json!({ "query": "{ employeeFromEvent(id: 5) { id } }" }));
    assert_eq!(answer["data"], Value::Null, "{answer}");
    assert!(answer["errors"][0]["message"].is_string(), "{answer}");

    listen(&router, &mut client, "2", "subscription { employeeUpdatedMyNats(id: 3) { id } }", 1);
}

/// C-NSK-2 and C-NSK-3: the router starts without the broker, and everything works once it is there.
#[test]
fn c_nsk_2_3_lenient_start_before_the_broker() {
    let (demo, mut nats) = (Demo::start(), NatsServer::start());
    nats.kill();
    let router = Router::start(&demo.config_with(&one_nats(&nats.url()), LENIENT, ""));
    let log = router.log().join("\n");
    assert!(log.to_lowercase().contains("could not connect"), "{log}");
    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("1", WATCH_3);
    let (_, answer) = router.post(&json!({ "query": "{ employeeFromEvent(id: 5) { id } }" }));
    assert!(answer["errors"][0]["message"].is_string(), "{answer}");

    nats.restart();
    wait_until_live(&router, 1);
    nats.client().publish("employeeUpdated.3", &employee(3));
    let expected = json!({ "data": { "employeeUpdated": { "id": 3, "details": { "forename": "Kadri" } } } });
    assert_eq!(client.next("1"), expected);
    asks_through(&router, &nats);
}

/// C-NSK-4. The graph names this provider alone: one that nobody configured would stop the start before.
#[test]
fn c_nsk_4_a_strict_start_needs_the_broker() {
    let demo = Demo::start();
    let all = [fixture("demo/events.graphql"), fixture("more_events.graphql")];
    let [first, second] = all.map(|it| it.display().to_string());
    let alone = example::folder("nats").join("events.graphql").display().to_string();
    let config = demo.config_with(&one_nats(&nowhere()), STRICT, "");
    let (code, log) =
        refused(&config.replace(&format!("\"{first}\", \"{second}\""), &format!("\"{alone}\"")));
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("default"), "{log}");
}

/// The broker dies under a subscription: others do not notice, its subscribers are told once, and events
/// come again when it is back.
#[test]
fn a_lost_broker_is_told_once_and_comes_back() {
    let (demo, mut nats) = (Demo::start(), NatsServer::start());
    let events = format!("{LENIENT}\n  outage: {{ grace: 200ms }}");
    let providers = one_nats(&nats.url());
    let router = Router::start(&demo.config_with(&providers, &events, ""));
    let (mut hit, mut spared) =
        (Client::connect(&router.websocket_url()), Client::connect(&router.websocket_url()));
    listen(&router, &mut hit, "1", WATCH_3, 1);
    listen(&router, &mut hit, "2", "subscription { othersUpdated { id } }", 2);
    listen(&router, &mut spared, "1", "subscription { employeeUpdatedMyNats(id: 3) { id } }", 3);

    nats.kill();
    for _ in 0..2 {
        let told = hit.message();
        assert_eq!(told["type"], "next", "{told}");
        let error = json!({ "message": UNAVAILABLE, "extensions": { "code": "FEED_UNAVAILABLE" } });
        assert_eq!(told["payload"], json!({ "errors": [error], "data": null }));
    }
    spared.send(&json!({ "type": "ping" }));
    assert_eq!(spared.message(), json!({ "type": "pong" }));
    let url = format!("{}/admin/publish/employeeUpdatedMyNats.3?provider=my-nats", router.admin_url());
    let answer = support::http::http("POST", &url, &[("Content-Type", "application/json")], r#"{"id":3}"#);
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(spared.next("1"), json!({ "data": { "employeeUpdatedMyNats": { "id": 3 } } }));
    assert!(!provider_is_up(&router));

    nats.restart();
    wait_until("the provider is up", PATIENCE, || provider_is_up(&router));
    wait_until_live(&router, 3);
    nats.client().publish("employeeUpdated.3", &employee(3));
    assert_eq!(hit.next("1")["data"]["employeeUpdated"]["id"], 3, "and nothing was said in between");
    asks_through(&router, &nats);
}

/// A short loss is silent.
#[test]
fn a_broker_that_is_back_within_the_grace_time_is_not_missed() {
    let (demo, mut nats) = (Demo::start(), NatsServer::start());
    let router = Router::start(&demo.config_with(&one_nats(&nats.url()), LENIENT, ""));
    let mut client = Client::connect(&router.websocket_url());
    listen(&router, &mut client, "1", WATCH_3, 1);
    nats.kill();
    wait_until("the loss is seen", PATIENCE, || router.state()["triggers"][0]["state"] != "live");
    nats.restart();
    wait_until_live(&router, 1);
    nats.client().publish("employeeUpdated.3", &employee(3));
    assert_eq!(client.next("1")["data"]["employeeUpdated"]["id"], 3);
}

/// `then: end`: the subscription ends with the error, and the id is free.
#[test]
fn an_outage_ends_subscriptions_where_configured_so() {
    let (demo, mut nats) = (Demo::start(), NatsServer::start());
    let events = format!("{LENIENT}\n  outage: {{ grace: 100ms, then: end }}");
    let router = Router::start(&demo.config_with(&one_nats(&nats.url()), &events, ""));
    let mut client = Client::connect(&router.websocket_url());
    listen(&router, &mut client, "1", WATCH_3, 1);
    nats.kill();
    let told = client.message();
    assert_eq!((&told["type"], &told["id"]), (&json!("error"), &json!("1")), "{told}");
    let error = json!([{ "message": UNAVAILABLE, "extensions": { "code": "FEED_UNAVAILABLE" } }]);
    assert_eq!(told["payload"], error);
    client.subscribe("1", "{ employee(id: 3) { id } }");
    assert_eq!(client.next("1")["data"]["employee"]["id"], 3);
}

/// Publishing and asking during an outage: an answer in time, and nothing is sent later by surprise.
#[test]
fn publish_and_request_during_an_outage() {
    let (demo, mut nats) = (Demo::start(), NatsServer::start());
    let router = Router::start(&demo.config_with(&one_nats(&nats.url()), LENIENT, ""));
    wait_until("the provider is up", PATIENCE, || provider_is_up(&router));
    nats.kill();
    wait_until("the loss is seen", PATIENCE, || !provider_is_up(&router));
    let publish = json!({ "query": "mutation { updateEmployee(id: 3, update: {}) { success } }" });
    let (status, answer) = router.post(&publish);
    assert_eq!((status, answer), (200, json!({ "data": { "updateEmployee": { "success": false } } })));
    let (status, answer) = router.post(&json!({ "query": "{ employeeFromEvent(id: 5) { id } }" }));
    assert_eq!((status, &answer["data"]), (200, &Value::Null), "{answer}");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "DOWNSTREAM_SERVICE_ERROR", "{answer}");
    let words = "Failed to fetch from Subgraph 'events', Reason: not connected.";
    assert_eq!(answer["errors"][0]["message"], words);
    router.logged("publish failed");

    nats.restart();
    let mut broker = nats.client();
    broker.subscribe("employeeUpdated.>");
    wait_until("publishing works again", PATIENCE, || {
        router.post(&publish).1["data"]["updateEmployee"]["success"] == true
    });
    assert_eq!(broker.next_message().0, "employeeUpdated.3");
    broker.publish("employeeUpdated.end", b"");
    assert_eq!(broker.next_message().0, "employeeUpdated.end", "only what was confirmed has been sent");
}

/// A broker that answers nothing any more, its connection still open.
#[test]
fn a_frozen_broker_does_not_hold_publishers_or_clients() {
    let (demo, nats) = (Demo::start(), NatsServer::start());
    let router = Router::start(&demo.config_with(&one_nats(&nats.url()), LENIENT, ""));
    let mut client = Client::connect(&router.websocket_url());
    listen(&router, &mut client, "1", WATCH_3, 1);
    nats.pause();
    let (_, answer) = router.post(&json!({ "query": "{ employeeFromEvent(id: 5) { id } }" }));
    assert_eq!(answer["data"], Value::Null, "{answer}");
    let publish = json!({ "query": "mutation { updateEmployee(id: 4, update: {}) { success } }" });
    let (_, answer) = router.post(&publish);
    assert_eq!(answer, json!({ "data": { "updateEmployee": { "success": false } } }), "nobody confirmed it");
    client.send(&json!({ "type": "ping" }));
    assert_eq!(client.hear(PATIENCE), Some(Said::Message(json!({ "type": "pong" }))));
    nats.resume();
    nats.client().publish("employeeUpdated.3", &employee(3));
    assert_eq!(client.next("1")["data"]["employeeUpdated"]["id"], 3);
}

/// Something listens at the broker's address that never speaks, or speaks nonsense: the start takes bounded
/// time, the rest is served, and so is the end.
#[test]
fn a_start_with_a_broker_that_is_none_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = format!("nats://{}", listener.local_addr().expect("an address"));
    let babbling = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nonsense = format!("nats://{}", babbling.local_addr().expect("an address"));
    thread::spawn(move || {
        use std::io::Write;
        for socket in babbling.incoming().take(1000).flatten() {
            // The router may hang up first.
            let _ = (&socket).write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let demo = Demo::start();
    for url in [silent, nonsense] {
        let start = std::time::Instant::now();
        let mut router = Router::start(&demo.config_with(&one_nats(&url), LENIENT, "shutdown_delay: 0s"));
        assert!(start.elapsed() < Duration::from_secs(8), "{url}: took {:?}", start.elapsed());
        let mut client = Client::connect(&router.websocket_url());
        client.subscribe("1", WATCH_3);
        client.subscribe("2", "{ employee(id: 3) { id } }");
        assert_eq!(client.next("2")["data"]["employee"]["id"], 3);
        let (_, answer) =
            router.post(&json!({ "query": "mutation { updateEmployee(id: 3, update: {}) { success } }" }));
        assert_eq!(answer["data"]["updateEmployee"]["success"], false);
        drop(client);
        router.signal("TERM");
        assert_eq!(router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
        assert!(start.elapsed() < Duration::from_secs(10), "{url}: took {:?}", start.elapsed());
    }
    drop(listener);
}
