//! The demo's event graph against a real Kafka broker: what is in its topics, and what clients see of it.
//!
//! All fields of the graph read the same few topics, so each test that publishes has a router and a broker of
//! its own, one after the other: several Java programs at a time would only get in each other's way.

#![cfg(feature = "kafka")]
#![expect(clippy::disallowed_methods, reason = "deadlines of the broker's tests are on the real clock")]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/kafka.rs"]
mod kafka;
mod support;

use kafka::KafkaBroker;
use serde_json::{Value, json};
use std::{
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use support::{
    Demo, fixture,
    http_stream::{EVENTS, End, HttpStream, MULTIPART},
    live::{count, wait_until_idle, wait_until_live},
    router::Router,
    wait::wait_until,
    ws::Client,
};

const PATIENCE: Duration = Duration::from_secs(60);
const LENIENT: &str = "skip_unavailable_providers: true";
const STRICT: &str = "skip_unavailable_providers: false";
const TOPICS: [&str; 7] =
    ["employeeUpdated", "employeeUpdatedTwo", "releases", "offers", "moved.Tartu", "moved.Narva", "labelled"];

static BROKER: LazyLock<KafkaBroker> = LazyLock::new(|| {
    let broker = KafkaBroker::start();
    TOPICS.iter().for_each(|it| broker.create_topic(it, 1));
    broker
});

/// A router between the demo's subgraphs and the broker, which nobody else publishes to meanwhile.
struct Stage {
    router: Router,
    demo: Demo,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    fn start() -> Self {
        Self::start_with("")
    }

    fn start_with(more: &str) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let demo = Demo::start();
        let router = Router::start(&demo.config_with(&providers(&BROKER.address()), LENIENT, more));
        Self { router, demo, _turn: turn }
    }

    /// The demo with one more event graph, about keys and headers.
    fn start_labelled(provider: &str) -> Self {
        let mut stage = Self::start();
        let providers =
            providers(&BROKER.address()).replace("request_timeout", &format!("{provider} request_timeout"));
        let graph = format!("event_graphs: [\"{}\", ", fixture("labelled_events.graphql").display());
        let config = stage.demo.config_with(&providers, LENIENT, "").replace("event_graphs: [", &graph);
        stage.router = Router::start(&config);
        stage
    }

    /// A client with one subscription, on a live feed.
    #[track_caller]
    fn listen(&self, query: &str) -> Client {
        self.listen_with(&json!({ "query": query }))
    }

    #[track_caller]
    fn listen_with(&self, payload: &Value) -> Client {
        let mut client = Client::connect(&self.router.websocket_url());
        client.subscribe_with("1", payload.clone());
        wait_until_live(&self.router, 1);
        client
    }

    #[track_caller]
    fn answer(&self, query: &str) -> Value {
        let (status, answer) = self.router.post(&json!({ "query": query }));
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

fn providers(address: &str) -> String {
    format!(r#"{{ kafka: [{{ id: my-kafka, brokers: ["{address}"], request_timeout: 2s }}] }}"#)
}

fn tell(topic: &str, events: &[Value]) {
    events.iter().for_each(|it| BROKER.send(topic, 0, Some(&it.to_string())));
    BROKER.flush();
}

fn employee(id: i64) -> Value {
    json!({ "__typename": "Employee", "id": id })
}

/// What was published last.
fn last(topic: &str) -> String {
    BROKER.records(topic)[&0].last().expect("a record").1.clone()
}

/// C-KAF-1, C-KAF-24.
#[test]
fn c_kaf_1_subscribe() {
    let stage = Stage::start_with("engine: { enable_net_poll: false }");
    let mut client = stage.listen(
        "subscription { employeeUpdatedMyKafka(employeeID: 9) { id details { forename } seniority } }",
    );
    tell("employeeUpdated", &[employee(3)]);
    let expected = json!({ "id": 3, "details": { "forename": "Kadri" }, "seniority": 8 });
    assert_eq!(client.next("1"), json!({ "data": { "employeeUpdatedMyKafka": expected } }));
    let lag = r#"router_streams_consumer_lag{wg_provider_type="kafka",wg_provider_id="my-kafka",topic="employeeUpdated",partition="0"}"#;
    let knows_lag = || {
        stage.router.metrics().has("router_streams_consumer_lag") && stage.router.metrics().get(lag) == 0.0
    };
    wait_until("the lag is shown", PATIENCE, knows_lag);
    client.complete("1");
    wait_until_idle(&stage.router);
    let is_gone = || !stage.router.metrics().has("router_streams_consumer_lag");
    wait_until("nothing is read any more", PATIENCE, is_gone);
}

/// The topic follows from an argument, which cannot widen it.
#[test]
fn c_kaf_2_the_topic_follows_from_an_argument() {
    let stage = Stage::start();
    let query = "subscription ($c: String!) { employeeMoved(city: $c) { id } }";
    let mut client = stage.listen_with(&json!({ "query": query, "variables": { "c": "Narva" } }));
    tell("moved.Tartu", &[employee(1)]);
    tell("moved.Narva", &[employee(2)]);
    assert_eq!(client.next("1"), json!({ "data": { "employeeMoved": { "id": 2 } } }));
    for (number, city) in ["*", "", "a b", "a/b", "a\r\n", "Narva,moved.Tartu"].iter().enumerate() {
        let id = format!("evil-{number}");
        client.subscribe_with(&id, json!({ "query": query, "variables": { "c": city } }));
        let message = client.message();
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{city:?}: {message}");
    }
}

/// C-KAF-3, C-KAF-13: what cannot be read or resolved is told, and the next event is none the worse.
#[test]
fn c_kaf_3_errors_do_not_end_the_subscription() {
    let stage = Stage::start();
    let mut client =
        stage.listen("subscription { employeeUpdatedMyKafka(employeeID: 9) { id details { forename } } }");
    for bad in ["", "no JSON", "[]", "{\"id\":1}}"] {
        BROKER.publish("employeeUpdated", 0, bad);
        let expected = json!({ "errors": [{ "message": "Invalid message received" }], "data": null });
        assert_eq!(client.next("1"), expected, "{bad:?}");
    }
    tell("employeeUpdated", &[json!({ "__typename": "Employee" })]);
    assert!(client.next("1")["errors"][0]["message"].is_string());
    tell("employeeUpdated", &[json!({ "__typename": "Employee", "id": 3 })]);
    assert_eq!(client.next("1")["data"]["employeeUpdatedMyKafka"]["details"]["forename"], "Kadri");
}

#[test]
fn c_kaf_4_several_topics_feed_one_field() {
    let stage = Stage::start();
    let mut client = stage.listen("subscription { employeeUpdatedMyKafka(employeeID: 9) { id } }");
    for (topic, id) in [("employeeUpdated", 1), ("employeeUpdatedTwo", 2), ("employeeUpdated", 3)] {
        tell(topic, &[employee(id)]);
        assert_eq!(client.next("1")["data"]["employeeUpdatedMyKafka"]["id"], id, "{topic}");
    }
    assert_eq!(count(&stage.router, "triggers"), 1);
}

/// C-KAF-5, C-KAF-7, C-KAF-8.
#[test]
fn c_kaf_5_7_8_streams_over_http() {
    let stage = Stage::start();
    let query = "subscription { employeeUpdatedMyKafka(employeeID: 9) { id } }";
    let url = stage.router.graphql_url();
    let legacy = format!("{url}?query={}&wg_sse", support::http::percent_encoded(query));
    let mut streams = [
        HttpStream::post(url, MULTIPART, query),
        HttpStream::open("GET", &legacy, "*/*", ""),
        HttpStream::get(url, EVENTS, query),
    ];
    wait_until_live(&stage.router, 3);
    for id in [4, 5] {
        tell("employeeUpdated", &[employee(id)]);
        for stream in &mut streams {
            assert_eq!(stream.result(), json!({ "data": { "employeeUpdatedMyKafka": { "id": id } } }));
        }
    }
}

/// C-KAF-6, C-KAF-9.
#[test]
fn c_kaf_6_9_blocked_subscriptions() {
    let stage = Stage::start_with("security: { block_subscriptions: { enabled: true } }");
    let query = "subscription { employeeUpdatedMyKafka(employeeID: 9) { id } }";
    for accept in [MULTIPART, EVENTS] {
        let mut stream = HttpStream::post(stage.router.graphql_url(), accept, query);
        let message = &stream.result()["errors"][0]["message"];
        assert_eq!(message, "operation type 'subscription' is blocked");
        stream.complete();
        assert_eq!(stream.rest(), (String::new(), End::Whole));
    }
}

#[test]
fn c_kaf_10_a_filter_with_two_lists_takes_the_values_of_both() {
    let stage = Stage::start();
    let query = "subscription ($a: [ID!]!, $b: [ID!]!) { eitherUpdated(first: $a, second: $b) { id } }";
    let variables = json!({ "a": ["1", "2"], "b": ["12", "11"] });
    let mut client = stage.listen_with(&json!({ "query": query, "variables": variables }));
    tell("employeeUpdated", &[1, 3, 4, 11, 5, 12, 2].map(employee));
    for id in [1, 11, 12, 2] {
        assert_eq!(client.next("1"), json!({ "data": { "eitherUpdated": { "id": id } } }));
    }
}

#[test]
fn c_kaf_11_a_filter_with_a_nested_list() {
    let stage = Stage::start();
    let query = "subscription { chosenUpdated(input: { ids: [2, 5] }) { id } }";
    let mut client = stage.listen(query);
    // `1` is let through by the other half of the condition: a text in the SDL is no number (C-KAF-12).
    let one = json!({ "__typename": "Employee", "id": "1" });
    tell("employeeUpdated", &[employee(1), employee(3), employee(5), employee(4), employee(2)]);
    for id in [5, 2] {
        assert_eq!(client.next("1"), json!({ "data": { "chosenUpdated": { "id": id } } }));
    }
    tell("employeeUpdated", &[one]);
    assert!(client.next("1")["errors"][0]["message"].is_string(), "let through, and no Int");
}

#[test]
fn c_kaf_12_a_text_is_no_number() {
    let stage = Stage::start();
    let mut client = stage.listen("subscription { chosenUpdated(input: { ids: [12] }) { id } }");
    tell("employeeUpdated", &[employee(1), employee(12)]);
    assert_eq!(client.next("1"), json!({ "data": { "chosenUpdated": { "id": 12 } } }));
}

#[test]
fn c_kaf_14_mutate() {
    let stage = Stage::start();
    let query =
        r#"mutation { updateEmployeeMyKafka(employeeID: 3, update: { name: "Kadri ü" }) { success } }"#;
    let answer = stage.answer(query);
    assert_eq!(answer, json!({ "data": { "updateEmployeeMyKafka": { "success": true } } }));
    assert_eq!(last("employeeUpdated"), r#"{"employeeID":3,"update":{"name":"Kadri ü"}}"#);
    assert_eq!(stage.demo.employees.request_count(), 0);
}

#[test]
fn c_kaf_15_mutate_with_a_topic_from_an_argument() {
    let stage = Stage::start();
    let move_to = |city: &str| {
        stage.answer(&format!("mutation {{ moveEmployee(id: 3, city: \"{city}\") {{ success }} }}"))
    };
    assert_eq!(move_to("Tartu"), json!({ "data": { "moveEmployee": { "success": true } } }));
    assert_eq!(last("moved.Tartu"), r#"{"id":3,"city":"Tartu"}"#);
    let nowhere = move_to("Nowhere");
    assert_eq!(nowhere, json!({ "data": { "moveEmployee": { "success": false } } }), "no such topic");
}

#[test]
fn c_kaf_16_mutate_typename() {
    let stage = Stage::start();
    let query = "mutation { updateEmployeeMyKafka(employeeID: 3, update: {}) { __typename ok: success } }";
    let expected = json!({ "__typename": "edfs__PublishResult", "ok": true });
    assert_eq!(stage.answer(query), json!({ "data": { "updateEmployeeMyKafka": expected } }));
}

fn succeeds(stage: &Stage, field: &str) {
    let answer = stage.answer(&format!("mutation {{ it: {field} {{ success }} }}"));
    assert_eq!(answer, json!({ "data": { "it": { "success": true } } }), "{field}");
}

#[test]
fn keys_and_headers_are_published_from_arguments() {
    let stage = Stage::start_labelled("");
    succeeds(&stage, r#"labelEmployee(id: 3, region: "e. u, \"*\"", trace: "t")"#);
    let headers = [("region", "e. u, \"*\""), ("source.of", "juga")];
    let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(BROKER.last_labels("labelled"), (Some("employee-3".to_owned()), headers));
    assert_eq!(last("labelled"), r#"{"id":3,"region":"e. u, \"*\"","trace":"t"}"#);
    succeeds(&stage, r#"traceEmployee(id: 3, trace: "t")"#);
    assert_eq!(BROKER.last_labels("labelled"), (None, vec![("trace".to_owned(), "t".to_owned())]));

    let before = BROKER.records("labelled")[&0].len();
    let refused = stage.answer("mutation { traceEmployee(id: 3) { success } }");
    let message = "Argument \"trace\" is needed for the message's key or headers, but is absent or null.";
    assert_eq!(refused["errors"][0]["message"], message);
    assert_eq!(BROKER.records("labelled")[&0].len(), before, "nothing went out");
}

fn header(name: &'static str, value: &'static str) -> (&'static str, &'static [u8]) {
    (name, value.as_bytes())
}

#[test]
fn filters_look_at_keys_and_headers() {
    let stage = Stage::start_labelled("");
    let tell = |key: Option<&str>, headers: &[(&str, &[u8])], id: i64| {
        BROKER.publish_labelled(
            "labelled",
            key.map(str::as_bytes),
            headers,
            employee(id).to_string().as_bytes(),
        );
    };
    let connect = || Client::connect(&stage.router.websocket_url());
    let (mut by_key, mut by_region, mut keyless) = (connect(), connect(), connect());
    let query = "subscription ($keys: [String!]!) { byKey(keys: $keys) { id } }";
    by_key.subscribe_with("1", json!({ "query": query, "variables": { "keys": ["a", "employee-7"] } }));
    by_region.subscribe_with("1", json!({ "query": "subscription { inRegion(region: \"eu\") { id } }" }));
    keyless.subscribe_with("1", json!({ "query": "subscription { withoutKey { id } }" }));
    wait_until_live(&stage.router, 3);
    assert_eq!(
        stage.router.state()["triggers"].as_array().map(Vec::len),
        Some(1),
        "one feed for all of them"
    );
    let (eu, us) = (header("region", "eu"), header("region", "us"));
    let (from_here, elsewhere) = (header("source.of", "juga"), header("source.of", "elsewhere"));
    tell(Some("b"), &[us, from_here], 1);
    tell(Some("b"), &[eu], 2);
    tell(Some("b"), &[eu, elsewhere], 3);
    tell(Some("b"), &[eu, from_here], 7);
    tell(Some("a"), &[us, eu, from_here], 4);
    tell(None, &[], 5);
    succeeds(&stage, r#"labelEmployee(id: 7, region: "us")"#);
    let expect = |client: &mut Client, field: &str, ids: &[i64]| {
        for id in ids {
            assert_eq!(client.next("1"), json!({ "data": { field: { "id": id } } }));
        }
    };
    expect(&mut by_key, "byKey", &[4, 7]);
    // What has no such header decides nothing: 2 is not delivered, though the condition is a negative one.
    expect(&mut by_region, "inRegion", &[4]);
    expect(&mut keyless, "withoutKey", &[5]);
}

#[test]
fn changes_of_a_table_are_events() {
    let stage = Stage::start_labelled("payload: debezium,");
    let mut client = stage.listen("subscription { withoutKey { id details { forename } } }");
    for change in [
        json!({ "schema": {}, "payload": { "before": employee(1), "after": null, "op": "d" } }),
        json!({ "before": null, "after": employee(3), "op": "u" }),
    ] {
        BROKER.publish_labelled("labelled", None, &[], change.to_string().as_bytes());
    }
    let expected = json!({ "id": 3, "details": { "forename": "Kadri" } });
    assert_eq!(client.next("1"), json!({ "data": { "withoutKey": expected } }));
}

#[test]
fn c_kaf_18_a_filter_with_fixed_values() {
    let stage = Stage::start();
    let mut client = stage.listen("subscription { foundersUpdated(company: \"c\") { id } }");
    tell("employeeUpdated", &(1..=12).map(employee).collect::<Vec<_>>());
    for id in [1, 3, 4, 7, 11] {
        assert_eq!(client.next("1"), json!({ "data": { "foundersUpdated": { "id": id } } }));
    }
}

/// C-KAF-19, C-KAF-20, and the same through an interface: C-KAF-21, C-KAF-22.
#[test]
fn c_kaf_19_to_22_filters_on_unions_and_interfaces() {
    let stage = Stage::start();
    for (field, topic) in [("releasePublished", "releases"), ("offerChanged", "offers")] {
        let query = format!(
            "subscription {{ {field}(tag: \"new\") {{ __typename ... on Product {{ id }} ... on Service {{ id }} }} }}"
        );
        let mut client = stage.listen(&query);
        let event = |kind: &str, id: &str, tag: &str| json!({ "__typename": kind, "id": id, "tag": tag });
        tell(
            topic,
            &[event("Product", "p1", "old"), event("Service", "s1", "new"), event("Product", "p2", "new")],
        );
        for (kind, id) in [("Service", "s1"), ("Product", "p2")] {
            let expected = json!({ "data": { field: { "__typename": kind, "id": id } } });
            assert_eq!(client.next("1"), expected);
        }
        // Of no type of the field: who lets it through their filter is told, and it is counted.
        let refused = || stage.router.metrics().get("router_engine_events_refused_total");
        let before = refused();
        tell(
            topic,
            &[event("Employee", "0", "old"), event("Employee", "1", "new"), event("Product", "p3", "new")],
        );
        assert_eq!(client.next("1")["errors"][0]["extensions"]["code"], "INVALID_GRAPHQL");
        assert_eq!(client.next("1")["data"][field]["id"], "p3");
        wait_until("it is counted", PATIENCE, || refused() == before + 1.0);
        client.complete("1");
        wait_until_idle(&stage.router);
    }
}

#[test]
fn c_kaf_23_every_subscriber_gets_the_message() {
    let stage = Stage::start();
    let mut clients: Vec<Client> = (0..20).map(|_| Client::connect(&stage.router.websocket_url())).collect();
    for client in &mut clients {
        client.subscribe("1", "subscription { employeeUpdatedMyKafka(employeeID: 9) { id notes } }");
    }
    wait_until_live(&stage.router, 20);
    tell("employeeUpdated", &[employee(3)]);
    let expected = json!({ "data": { "employeeUpdatedMyKafka": { "id": 3, "notes": null } } });
    for client in &mut clients {
        assert_eq!(client.next("1"), expected);
    }
    assert_eq!(stage.demo.products.request_count(), 1, "one fetch for all of them");
}

/// An address where nobody listens.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// C-KAF-17, C-KSK-2: it starts and stops in bounded time, and says what it cannot do.
#[test]
fn c_kaf_17_a_wrong_broker_holds_nothing_up() {
    let demo = Demo::start();
    let mut router = Router::start(&demo.config_with(&providers(&nowhere()), LENIENT, "grace_period: 5s"));
    let query = "mutation { updateEmployeeMyKafka(employeeID: 3, update: {}) { success } }";
    let (_, answer) = router.post(&json!({ "query": query }));
    assert_eq!(answer, json!({ "data": { "updateEmployeeMyKafka": { "success": false } } }));
    let (_, answer) = router.post(&json!({ "query": "{ __typename }" }));
    assert_eq!(answer, json!({ "data": { "__typename": "Query" } }));
    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("1", "subscription { employeeUpdatedMyKafka(employeeID: 9) { id } }");
    let told = client.message_within(PATIENCE).expect("the outage is told");
    assert_eq!(told["payload"]["errors"][0]["extensions"]["code"], "FEED_UNAVAILABLE", "{told}");
    assert_eq!(router.metrics().sum("router_streams_provider_up"), 0.0);
    router.signal("TERM");
    assert!(router.wait(PATIENCE).is_some_and(|it| it.success()));
}

#[test]
fn c_ksk_1_lenient_start_without_a_provider() {
    let demo = Demo::start();
    let router = Router::start(&demo.config_with("{ memory: [{ id: default }] }", LENIENT, ""));
    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("1", "subscription { employeeUpdatedMyKafka(employeeID: 9) { id } }");
    let message = client.message();
    assert_eq!(message["payload"][0]["extensions"]["code"], "FEED_UNAVAILABLE", "{message}");
}

/// C-KSK-2, C-KSK-3, C-KSK-4: a broker that comes late, dies and comes back.
#[test]
fn c_ksk_3_4_consumer_and_producer_recover() {
    let mut broker = KafkaBroker::start();
    TOPICS.iter().for_each(|it| broker.create_topic(it, 1));
    broker.kill();
    let demo = Demo::start();
    let router = Router::start(&demo.config_with(&providers(&broker.address()), LENIENT, ""));
    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("1", "subscription { employeeUpdatedMyKafka(employeeID: 9) { id } }");
    broker.restart();
    let mutate = || {
        let query = "mutation { updateEmployeeMyKafka(employeeID: 3, update: {}) { success } }";
        router.post(&json!({ "query": query })).1["data"]["updateEmployeeMyKafka"]["success"] == true
    };
    wait_until_live(&router, 1);
    wait_until("publishing works", PATIENCE, mutate);
    broker.kill();
    wait_until("it is seen to be gone", PATIENCE, || !mutate());
    broker.restart();
    wait_until("publishing works again", PATIENCE, mutate);
    broker.publish("employeeUpdated", 0, r#"{"__typename":"Employee","id":7}"#);
    // The mutations above are events of the same topic, and lack a key.
    let mut heard = client.next("1");
    while heard["data"]["employeeUpdatedMyKafka"]["id"] != 7 {
        let message = heard["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
        let is_outage = heard["errors"][0]["extensions"]["code"] == "FEED_UNAVAILABLE";
        assert!(message.contains("non-nullable field") || is_outage, "{heard}");
        heard = client.next("1");
    }
}

/// Kafka is no reason not to start, as in Cosmo.
#[test]
fn c_ksk_5_a_strict_start_does_not_need_the_broker() {
    let demo = Demo::start();
    let config = demo.config_with(&providers(&nowhere()), STRICT, "");
    let graphs = config.lines().find(|it| it.trim_start().starts_with("event_graphs:")).expect("a line");
    let alone = format!("  event_graphs: [\"{}\"]", fixture("kafka_events.graphql").display());
    let config = config.replace(graphs, &alone);
    let router = Router::start(&config);
    assert_eq!(router.post(&json!({ "query": "{ __typename }" })).0, 200);
}
