//! The demo's event graph against real Redis servers: what goes over the broker's wire, and what clients see of
//! it, over each transport.

#![expect(clippy::disallowed_methods, reason = "deadlines of the broker's tests are on the real clock")]

#[path = "support/redis.rs"]
mod redis;
mod support;

use redis::{RedisCluster, RedisServer, is_missing};
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    process::{Command, Output},
    time::Duration,
};
use support::{
    Demo, fixture,
    http::percent_encoded,
    http_stream::{EVENTS, HttpStream, MULTIPART},
    live::{count, listen, wait_until_idle, wait_until_live},
    router::{Router, write_config},
    wait::wait_until,
    ws::Client,
};

const PATIENCE: Duration = Duration::from_secs(20);
const LENIENT: &str = "skip_unavailable_providers: true";
const STRICT: &str = "skip_unavailable_providers: false";
const WATCH_3: &str = "subscription { employeeUpdatedMyRedis(id: 3) { id details { forename } } }";
const CHANNEL_3: &str = "employeeUpdatedMyRedis.3";
const UPDATES: &str = "subscription { employeeUpdates { id } }";
const UPDATES_CHANNEL: &str = "employeeUpdatedMyRedis";
const BLOCKED: &str = "security: { block_subscriptions: { enabled: true } }";

/// A router between the demo's subgraphs and one Redis server.
struct Stage {
    router: Router,
    redis: RedisServer,
    demo: Demo,
}

impl Stage {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With more top-level keys.
    fn start_with(more: &str) -> Self {
        let (demo, redis) = (Demo::start(), RedisServer::start());
        let router = Router::start(&config(&demo, &my_redis(&redis.impatient_url()), LENIENT, more));
        Self { router, redis, demo }
    }

    fn client(&self) -> Client {
        Client::connect(&self.router.websocket_url())
    }

    #[track_caller]
    fn listen(&self, client: &mut Client, id: &str, query: &str, members: u64) {
        listen(&self.router, client, id, query, members);
    }

    fn publish(&self, events: &[(&str, Value)]) {
        self.redis.client().publish_all(events.iter().map(|(channel, event)| (*channel, event.to_string())));
    }

    #[track_caller]
    fn answer(&self, request: &Value) -> Value {
        let (status, answer) = self.router.post(request);
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

/// The demo with one more event graph, about Redis.
fn config(demo: &Demo, redis: &str, events: &str, more: &str) -> String {
    let providers = format!("{{ memory: [{{ id: default }}, {{ id: my-nats }}], redis: [{redis}] }}");
    let graph = format!("event_graphs: [\"{}\", ", fixture("redis_events.graphql").display());
    demo.config_with(&providers, events, more).replace("event_graphs: [", &graph)
}

fn my_redis(url: &str) -> String {
    format!("{{ id: my-redis, urls: [\"{url}\"] }}")
}

fn employee(id: i64) -> Value {
    json!({ "__typename": "Employee", "id": id })
}

fn provider_is_up(router: &Router) -> bool {
    router.metrics().get(r#"router_streams_provider_up{wg_provider_type="redis",wg_provider_id="my-redis"}"#)
        == 1.0
}

/// Ends by itself: a router that cannot start.
fn refused(config: &str) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_juga"))
        .args(["serve", "-c"])
        .arg(write_config(config))
        .output()
        .expect("the router's binary starts");
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// C-RED-1.
#[test]
fn c_red_1_subscribe() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    assert_eq!(stage.redis.channels(), Vec::<String>::new(), "nobody listens, so neither does the router");
    let mut client = stage.client();
    let query = "subscription { employeeUpdatedMyRedis(id: 3) {
        id details { forename location { city } } seniority products { name } } }";
    stage.listen(&mut client, "1", query, 1);
    assert_eq!((stage.redis.channels(), stage.redis.patterns()), (vec![CHANNEL_3.to_owned()], 0));
    stage.publish(&[("employeeUpdatedMyRedis.4", employee(4)), (CHANNEL_3, employee(3))]);
    assert_eq!(
        client.next("1"),
        json!({ "data": { "employeeUpdatedMyRedis": {
            "id": 3,
            "details": { "forename": "Kadri", "location": { "city": "Tallinn" } },
            "seniority": 8,
            "products": [{ "name": "Anvil" }],
        } } })
    );
    client.complete("1");
    wait_until_idle(&stage.router);
    wait_until("the router stops listening", PATIENCE, || stage.redis.channels().is_empty());
}

/// C-RED-2: what cannot be read, what lacks its key and what a subgraph cannot tell are errors of one event.
#[test]
fn c_red_2_errors_do_not_end_the_subscription() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "1", WATCH_3, 1);
    let mut broker = stage.redis.client();
    broker.publish(CHANNEL_3, "");
    assert_eq!(
        client.next("1"),
        json!({ "errors": [{ "message": "Invalid message received" }], "data": null })
    );
    broker.publish(CHANNEL_3, r#"{"__typename":"Employee"}"#);
    let told = client.next("1");
    assert_eq!((&told["data"], told["errors"][0]["message"].is_string()), (&Value::Null, true), "{told}");
    broker.publish(CHANNEL_3, r#"{"__typename":"Robot","id":3}"#);
    let told = client.next("1");
    assert_eq!(told["errors"][0]["extensions"]["code"], "INVALID_GRAPHQL", "{told}");
    broker.publish(CHANNEL_3, &employee(3).to_string());
    assert_eq!(client.next("1")["data"]["employeeUpdatedMyRedis"]["details"]["forename"], "Kadri");
}

/// C-RED-3: over each transport, and one subscription at the broker.
#[test]
fn c_red_3_every_subscriber_gets_the_event() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    let mut clients: Vec<Client> = (0..3).map(|_| stage.client()).collect();
    for client in &mut clients {
        client.subscribe("1", UPDATES);
    }
    let mut streams = [EVENTS, MULTIPART].map(|it| HttpStream::post(stage.router.graphql_url(), it, UPDATES));
    wait_until_live(&stage.router, 5);
    assert_eq!((count(&stage.router, "triggers"), count(&stage.router, "groups")), (1, 1));
    assert_eq!(
        stage.redis.client().publish(UPDATES_CHANNEL, &employee(7).to_string()),
        1,
        "one at the broker"
    );
    let expected = json!({ "data": { "employeeUpdates": { "id": 7 } } });
    for client in &mut clients {
        assert_eq!(client.next("1"), expected);
    }
    for stream in &mut streams {
        assert_eq!(stream.result(), expected);
    }
}

/// C-RED-4.
#[test]
fn c_red_4_several_channels_feed_one_field() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "1", "subscription { eitherChannel(id: 7) { id role { title } } }", 1);
    assert_eq!(stage.redis.channels(), ["one.7", "two.7"]);
    for channel in ["two.7", "one.7"] {
        stage.publish(&[(channel, employee(7))]);
        let expected = json!({ "id": 7, "role": { "title": ["Engineer", "Lead"] } });
        assert_eq!(client.next("1")["data"]["eitherChannel"], expected, "{channel}");
    }
    assert_eq!(count(&stage.router, "triggers"), 1);
}

/// C-RED-5: Cosmo's switch for its poller is known and changes nothing.
#[test]
fn c_red_5_without_net_poll() {
    if is_missing() {
        return;
    }
    let stage = Stage::start_with("engine: { enable_net_poll: false }");
    let mut client = stage.client();
    stage.listen(&mut client, "1", UPDATES, 1);
    stage.publish(&[(UPDATES_CHANNEL, employee(3))]);
    assert_eq!(client.next("1"), json!({ "data": { "employeeUpdates": { "id": 3 } } }));
}

/// C-RED-6 and C-RED-8: event by event.
#[test]
fn c_red_6_8_multipart_and_server_sent_events() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    for accept in [MULTIPART, EVENTS] {
        let mut stream = HttpStream::post(stage.router.graphql_url(), accept, WATCH_3);
        wait_until_live(&stage.router, 1);
        for _ in 0..2 {
            stage.publish(&[(CHANNEL_3, employee(3))]);
            let expected = json!({ "id": 3, "details": { "forename": "Kadri" } });
            assert_eq!(stream.result()["data"]["employeeUpdatedMyRedis"], expected, "{accept}");
        }
        drop(stream);
        wait_until_idle(&stage.router);
    }
}

/// C-RED-7 and C-RED-9.
#[test]
fn c_red_7_9_blocked_multipart_and_server_sent_events() {
    if is_missing() {
        return;
    }
    let stage = Stage::start_with(BLOCKED);
    for accept in [MULTIPART, EVENTS] {
        let mut stream = HttpStream::post(stage.router.graphql_url(), accept, WATCH_3);
        let message = &stream.result()["errors"][0]["message"];
        assert_eq!(*message, json!("operation type 'subscription' is blocked"), "{accept}");
        stream.complete();
    }
    assert_eq!(stage.redis.channels(), Vec::<String>::new());
}

/// C-RED-10.
#[test]
fn c_red_10_a_filter_by_a_list() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    let (mut some, mut none) = (stage.client(), stage.client());
    let query = "subscription ($ids: [ID!]!) { listedUpdated(ids: $ids) { id details { forename } } }";
    some.subscribe_with("1", json!({ "query": query, "variables": { "ids": ["1", 5] } }));
    none.subscribe_with("1", json!({ "query": query, "variables": { "ids": [] } }));
    wait_until_live(&stage.router, 2);
    assert_eq!(stage.redis.channels(), [UPDATES_CHANNEL]);
    stage.publish(&[1, 2, 3, 4, 5].map(|id| (UPDATES_CHANNEL, employee(id))));
    let names =
        [some.next("1"), some.next("1")].map(|it| it["data"]["listedUpdated"]["details"]["forename"].clone());
    assert_eq!(names, [json!("Anu"), json!("Liis")]);
    assert_eq!(stage.demo.employees.request_count(), 2, "what is filtered is never fetched");
}

/// C-RED-11.
#[test]
fn c_red_11_mutate() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    for (field, channel) in [("announceMyRedis", UPDATES_CHANNEL), ("updateEmployeeMyRedis", CHANNEL_3)] {
        let mut broker = stage.redis.client();
        broker.subscribe(channel);
        let query = format!("mutation {{ it: {field}(update: {{ name: \"Kadri\" }}, id: 3) {{ success }} }}");
        assert_eq!(
            stage.answer(&json!({ "query": query })),
            json!({ "data": { "it": { "success": true } } })
        );
        let (_, payload) = broker.next_message();
        assert_eq!(
            String::from_utf8_lossy(&payload),
            r#"{"update":{"name":"Kadri"},"id":3}"#,
            "the operation's order"
        );
    }
}

/// C-RED-12.
#[test]
fn c_red_12_mutate_typename() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    let query = "mutation { announceMyRedis(id: 3, update: {}) { __typename success } }";
    assert_eq!(
        stage.answer(&json!({ "query": query })),
        json!({ "data": { "announceMyRedis": { "__typename": "edfs__PublishResult", "success": true } } })
    );
}

/// C-RED-13.
#[test]
fn c_red_13_server_sent_events_by_the_url() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    let url = format!("{}?query={}&wg_sse", stage.router.graphql_url(), percent_encoded(UPDATES));
    let mut stream = HttpStream::open("GET", &url, "*/*", "");
    wait_until_live(&stage.router, 1);
    stage.publish(&[(UPDATES_CHANNEL, employee(3))]);
    assert_eq!(stream.result(), json!({ "data": { "employeeUpdates": { "id": 3 } } }));
}

/// C-RED-14: fields without a filter are told, fields with one are not; both live on.
#[test]
fn c_red_14_invalid_json() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    let (mut plain, mut filtered) = (stage.client(), stage.client());
    stage.listen(&mut plain, "1", UPDATES, 1);
    stage.listen(&mut filtered, "1", "subscription { listedUpdated(ids: [2]) { id } }", 2);
    let mut broker = stage.redis.client();
    for payload in ["", "no JSON", r#"{"id":2"#, "[]", "\u{0}"] {
        broker.publish(UPDATES_CHANNEL, payload);
        let expected = json!({ "errors": [{ "message": "Invalid message received" }], "data": null });
        assert_eq!(plain.next("1"), expected, "{payload:?}");
    }
    stage.publish(&[(UPDATES_CHANNEL, employee(2))]);
    assert_eq!(plain.next("1"), json!({ "data": { "employeeUpdates": { "id": 2 } } }));
    assert_eq!(filtered.next("1"), json!({ "data": { "listedUpdated": { "id": 2 } } }));
}

/// C-RED-15 and C-RED-16.
#[test]
fn c_red_15_16_a_cluster() {
    if is_missing() {
        return;
    }
    let (demo, cluster) = (Demo::start(), RedisCluster::start());
    let urls = cluster.urls().iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ");
    let provider = format!("{{ id: my-redis, urls: [{urls}], cluster_enabled: true }}");
    let router = Router::start(&config(&demo, &provider, LENIENT, ""));
    let mut client = Client::connect(&router.websocket_url());
    listen(&router, &mut client, "1", WATCH_3, 1);
    for node in &cluster.nodes {
        node.client().publish(CHANNEL_3, &employee(3).to_string());
        let expected = json!({ "id": 3, "details": { "forename": "Kadri" } });
        assert_eq!(client.next("1")["data"]["employeeUpdatedMyRedis"], expected);
    }
    let mut listeners: Vec<_> = cluster.nodes.iter().map(RedisServer::client).collect();
    listeners.iter_mut().for_each(|it| it.subscribe(UPDATES_CHANNEL));
    let query = "mutation { announceMyRedis(id: 3, update: {}) { success } }";
    let (_, answer) = router.post(&json!({ "query": query }));
    assert_eq!(answer, json!({ "data": { "announceMyRedis": { "success": true } } }));
    for listener in &mut listeners {
        assert_eq!(listener.next_message().1, br#"{"id":3,"update":{}}"#);
    }
}

/// C-RSK-1: an undefined provider leaves the rest of the graph alone.
#[test]
fn c_rsk_1_lenient_start_without_a_provider() {
    let demo = Demo::start();
    let router = Router::start(&config(&demo, "", LENIENT, ""));
    let log = router.log().join("\n");
    assert!(log.contains("redis provider with ID my-redis is not defined"), "{log}");
    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("1", WATCH_3);
    let message = client.message();
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{message}");
    assert_eq!(message["payload"][0]["extensions"]["code"], "FEED_UNAVAILABLE", "{message}");
    let query = "mutation { announceMyRedis(id: 3, update: {}) { success } }";
    let (_, answer) = router.post(&json!({ "query": query }));
    assert_eq!(answer, json!({ "data": { "announceMyRedis": { "success": false } } }));
    let (_, answer) = router.post(&json!({ "query": "{ employee(id: 3) { startYear } }" }));
    assert_eq!(answer, json!({ "data": { "employee": { "startYear": 2018 } } }));
}

/// C-RSK-2 and C-RSK-3: the router starts without the broker, and everything works once it is there.
#[test]
fn c_rsk_2_3_lenient_start_before_the_broker() {
    if is_missing() {
        return;
    }
    let (demo, mut redis) = (Demo::start(), RedisServer::start());
    redis.kill();
    let router = Router::start(&config(&demo, &my_redis(&redis.url()), LENIENT, ""));
    let log = router.log().join("\n");
    assert!(log.contains("could not connect to Redis") && log.contains("my-redis"), "{log}");
    assert!(!provider_is_up(&router));
    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("1", WATCH_3);
    let query = json!({ "query": "mutation { announceMyRedis(id: 3, update: {}) { success } }" });
    let (_, answer) = router.post(&query);
    assert_eq!(answer, json!({ "data": { "announceMyRedis": { "success": false } } }));

    redis.restart();
    wait_until_live(&router, 1);
    wait_until("the provider is up", PATIENCE, || provider_is_up(&router));
    redis.client().publish(CHANNEL_3, &employee(3).to_string());
    assert_eq!(client.next("1")["data"]["employeeUpdatedMyRedis"]["details"]["forename"], "Kadri");
    let (_, answer) = router.post(&query);
    assert_eq!(answer, json!({ "data": { "announceMyRedis": { "success": true } } }));
}

/// C-RSK-4.
#[test]
fn c_rsk_4_a_strict_start_needs_the_broker() {
    let demo = Demo::start();
    let nowhere = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    // The demo speaks of a Kafka provider too, which a strict start would miss first.
    let strict = |redis: &str| {
        let text = config(&demo, redis, STRICT, "");
        let graphs = text.find("event_graphs: [").expect("the demo's");
        let end = graphs + text[graphs..].find(']').expect("a list");
        let only = format!("event_graphs: [\"{}\"", fixture("redis_events.graphql").display());
        refused(&format!("{}{only}{}", &text[..graphs], &text[end..]))
    };
    let (code, log) = strict(&my_redis(&format!("redis://{nowhere}")));
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("redis provider with ID my-redis is not reachable"), "{log}");
    let (code, log) = strict("");
    assert_eq!(code, Some(78), "{log}");
    assert!(log.contains("redis provider with ID my-redis is not defined"), "{log}");
}

/// The broker dies under a subscription: its subscriber is told once, and events come again when it is back.
#[test]
fn a_lost_redis_is_told_once_and_comes_back() {
    if is_missing() {
        return;
    }
    let (demo, mut redis) = (Demo::start(), RedisServer::start());
    let events = format!("{LENIENT}\n  outage: {{ grace: 200ms }}");
    let router = Router::start(&config(&demo, &my_redis(&redis.impatient_url()), &events, ""));
    let mut client = Client::connect(&router.websocket_url());
    listen(&router, &mut client, "1", WATCH_3, 1);
    redis.kill();
    let told = client.next("1");
    assert_eq!(told["errors"][0]["extensions"]["code"], "FEED_UNAVAILABLE", "{told}");
    assert!(!provider_is_up(&router));
    let query = "mutation { announceMyRedis(id: 3, update: {}) { success } }";
    let (_, answer) = router.post(&json!({ "query": query }));
    assert_eq!(answer, json!({ "data": { "announceMyRedis": { "success": false } } }));
    redis.restart();
    wait_until_live(&router, 1);
    redis.client().publish(CHANNEL_3, &employee(3).to_string());
    assert_eq!(client.next("1")["data"]["employeeUpdatedMyRedis"]["id"], 3);
}

/// No argument becomes a glob: what is one in a value is meant literally, and what breaks a name is refused.
#[test]
fn arguments_cannot_widen_a_channel() {
    if is_missing() {
        return;
    }
    let stage = Stage::start();
    let mut client = stage.client();
    for evil in ["", " ", "a b", "a\r\nb", "\u{0}"] {
        let query = "subscription ($c: String!) { oneNamed(channel: $c) { id } }";
        client.subscribe_with("1", json!({ "query": query, "variables": { "c": evil } }));
        assert_eq!(client.message()["type"], "error", "{evil:?}");
        let query = "mutation ($c: String!) { tellNamed(channel: $c) { success } }";
        let answer = stage.answer(&json!({ "query": query, "variables": { "c": evil } }));
        assert!(answer["errors"].is_array(), "{evil:?}: {answer}");
    }
    assert_eq!((stage.redis.channels(), stage.redis.patterns()), (vec![], 0));

    stage.listen(&mut client, "1", r#"subscription { oneNamed(channel: "*[a-c]?\\") { id } }"#, 1);
    assert_eq!((stage.redis.channels(), stage.redis.patterns()), (vec![r"named.*[a-c]?\".to_owned()], 0));
    stage.publish(&[("named.x", employee(1))]);
    let query = r#"mutation { tellNamed(channel: "*[a-c]?\\") { success } }"#;
    assert_eq!(
        stage.answer(&json!({ "query": query })),
        json!({ "data": { "tellNamed": { "success": true } } })
    );
    let told = client.next("1");
    assert!(told["errors"].is_array(), "what was published has no id: {told}");
    client.complete("1");
    wait_until_idle(&stage.router);

    // The event graph's own glob is one, the value before it is not.
    stage.listen(&mut client, "2", r#"subscription { allBelow(prefix: "*") { id } }"#, 1);
    assert_eq!(stage.redis.patterns(), 1);
    stage.publish(&[("below.a.1", employee(1)), ("below.*.2", employee(2))]);
    assert_eq!(client.next("2"), json!({ "data": { "allBelow": { "id": 2 } } }));
}

/// A stream is read on after an outage: nothing is missing, and nothing is said, however long it took.
#[test]
fn a_stream_outlives_its_server_without_a_word() {
    if is_missing() {
        return;
    }
    let (demo, mut redis) = (Demo::start(), RedisServer::durable());
    let events = format!("{LENIENT}\n  outage: {{ grace: 50ms }}");
    let router = Router::start(&config(&demo, &my_redis(&redis.impatient_url()), &events, ""));
    let add = |redis: &RedisServer, stream: &str, id: i64| {
        redis.client().ask(&["XADD", stream, "*", "by", "test", "event", &employee(id).to_string()]);
    };
    add(&redis, "log.3", 1);
    let mut client = Client::connect(&router.websocket_url());
    listen(&router, &mut client, "1", "subscription { logged(ids: [3, 4]) { id details { forename } } }", 1);
    for (stream, id, name) in [("log.3", 3, "Kadri"), ("log.4", 1, "Anu")] {
        add(&redis, stream, id);
        let expected = json!({ "data": { "logged": { "id": id, "details": { "forename": name } } } });
        assert_eq!(client.next("1"), expected);
    }

    redis.kill();
    wait_until("the provider is down", PATIENCE, || !provider_is_up(&router));
    redis.restart();
    add(&redis, "log.3", 5);
    assert_eq!(
        client.next("1")["data"]["logged"]["details"]["forename"],
        "Liis",
        "and no word of the outage"
    );
    wait_until("the provider is up", PATIENCE, || provider_is_up(&router));

    // An entry that cannot be read is one error, as it is with a message.
    redis.client().ask(&["XADD", "log.4", "*", "other", "field"]);
    assert_eq!(
        client.next("1"),
        json!({ "errors": [{ "message": "Invalid message received" }], "data": null })
    );
    add(&redis, "log.4", 2);
    assert_eq!(client.next("1")["data"]["logged"]["id"], 2);
    client.complete("1");
    wait_until_idle(&router);
}
