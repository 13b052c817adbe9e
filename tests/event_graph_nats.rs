//! The demo's event graph against real NATS servers: what goes over the broker's wire, and what clients
//! see of it.

#![expect(clippy::disallowed_methods, reason = "deadlines of the broker's tests are on the real clock")]

#[path = "support/nats.rs"]
mod nats;
mod support;

use nats::{NatsClient, NatsServer};
use serde_json::{Value, json};
use std::{
    fs,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use support::{
    Demo,
    live::{count, listen, wait_until_idle, wait_until_live},
    router::{Router, write_config},
    subgraph::Behaviour,
    wait::wait_until,
    ws::Client,
};

const PATIENCE: Duration = Duration::from_secs(20);
const LENIENT: &str = "skip_unavailable_providers: true";

/// A router between the demo's subgraphs and one NATS server, which is both of the graph's providers.
struct Stage {
    router: Router,
    nats: NatsServer,
    demo: Demo,
}

impl Stage {
    fn start() -> Self {
        Self::start_with("")
    }

    /// With more top-level keys.
    fn start_with(more: &str) -> Self {
        let (demo, nats) = (Demo::start(), NatsServer::start());
        let router = Router::start(&demo.config_with(&providers(&nats, &nats), LENIENT, more));
        Self { router, nats, demo }
    }

    fn client(&self) -> Client {
        Client::connect(&self.router.websocket_url())
    }

    #[track_caller]
    fn listen(&self, client: &mut Client, id: &str, query: &str, members: u64) {
        listen(&self.router, client, id, query, members);
    }

    fn publish(&self, events: &[(&str, Value)]) {
        let mut broker = self.nats.client();
        for (subject, event) in events {
            broker.publish(subject, event.to_string().as_bytes());
        }
        broker.flush();
    }

    #[track_caller]
    fn answer(&self, request: &Value) -> Value {
        let (status, answer) = self.router.post(request);
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

fn providers(default: &NatsServer, mine: &NatsServer) -> String {
    let (default, mine) = (default.url(), mine.url());
    format!(
        r#"{{ nats: [{{ id: default, url: "{default}", request_timeout: 400ms }}, {{ id: my-nats, url: "{mine}" }}] }}"#
    )
}

/// Feeds that the server sees, without the router's inboxes.
fn subjects(nats: &NatsServer) -> Vec<String> {
    nats.subjects().into_iter().filter(|it| !it.starts_with("_INBOX")).collect()
}

fn employee(id: i64) -> Value {
    json!({ "__typename": "Employee", "id": id })
}

/// Takes the next message of a subject; what it was comes out of the thread.
fn catch(broker: NatsClient) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut broker = broker;
        String::from_utf8(broker.next_message().2).expect("UTF-8")
    })
}

/// C-NATS-1, WG-01, PS-05, PS-23.
#[test]
fn c_nats_1_subscribe() {
    let stage = Stage::start();
    assert_eq!(
        subjects(&stage.nats),
        Vec::<String>::new(),
        "PS-23: nobody listens, so neither does the router"
    );
    let mut client = stage.client();
    let query = "subscription { employeeUpdated(employeeID: 3) {
        id details { forename location { city } } seniority products { name owner { id details { surname } } } } }";
    stage.listen(&mut client, "1", query, 1);
    assert_eq!(subjects(&stage.nats), ["employeeUpdated.3"]);

    stage.publish(&[("employeeUpdated.4", employee(4)), ("employeeUpdated.3", employee(3))]);
    assert_eq!(
        client.next("1"),
        json!({ "data": { "employeeUpdated": {
            "id": 3,
            "details": { "forename": "Kadri", "location": { "city": "Tallinn" } },
            "seniority": 8,
            "products": [{ "name": "Anvil", "owner": { "id": 3, "details": { "surname": "Sepp" } } }],
        } } })
    );

    client.complete("1");
    wait_until_idle(&stage.router);
    wait_until("PS-23: the router stops listening", PATIENCE, || subjects(&stage.nats).is_empty());
}

/// C-NATS-2: the switch has no effect.
#[test]
fn c_nats_2_without_net_poll() {
    let stage = Stage::start_with("engine: { enable_net_poll: false }");
    let mut client = stage.client();
    let query = "subscription { employeeUpdated(employeeID: 3) { id details { forename } } }";
    stage.listen(&mut client, "1", query, 1);
    stage.publish(&[("employeeUpdated.3", employee(3))]);
    let expected = json!({ "data": { "employeeUpdated": { "id": 3, "details": { "forename": "Kadri" } } } });
    assert_eq!(client.next("1"), expected);
    client.complete("1");
    wait_until_idle(&stage.router);
    assert_eq!(subjects(&stage.nats), Vec::<String>::new());
}

/// C-NATS-9: what clients cannot see decides which events are for them, by a constant and by an argument.
#[test]
fn c_nats_9_a_filter_on_an_inaccessible_key_field() {
    let nats = NatsServer::start();
    let file = |name: &str| support::fixture(&format!("tenants/{name}.graphql")).display().to_string();
    let (people, events) = (file("people"), file("events"));
    let router = Router::start(&format!(
        r#"version: "1"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph:
  subgraphs: [{{ name: people, routing_url: "http://127.0.0.1:1", schema: {{ file: "{people}" }} }}]
  event_graphs: ["{events}"]
events: {{ providers: {{ nats: [{{ id: default, url: "{}" }}] }} }}
"#,
        nats.url()
    ));
    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("hidden", "subscription { ours { id tenant } }");
    let refused = client.message();
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("hidden")), "{refused}");
    listen(&router, &mut client, "ours", "subscription { ours { id } }", 1);
    listen(&router, &mut client, "of", r#"subscription { of(tenant: "c") { id } }"#, 2);

    let mut broker = nats.client();
    for (id, tenant) in [("1", "x"), ("2", "b"), ("3", "c"), ("4", "a"), ("5", "c")] {
        let event = json!({ "__typename": "Person", "id": id, "tenant": tenant });
        broker.publish("people", event.to_string().as_bytes());
    }
    broker.flush();
    let mut got = [Vec::new(), Vec::new()];
    for _ in 0..4 {
        let message = client.message();
        let (at, field) = if message["id"] == "ours" { (0, "ours") } else { (1, "of") };
        got[at].push(message["payload"]["data"][field].clone());
    }
    assert_eq!(got, [["2", "4"], ["3", "5"]].map(|ids| ids.map(|id| json!({ "id": id })).to_vec()));
}

/// C-NATS-23: an event whose entity never comes does not hold up the end.
#[test]
fn c_nats_23_a_slow_subgraph_does_not_hold_the_end_up() {
    let mut stage = Stage::start_with("shutdown_delay: 0s\ngrace_period: 500ms");
    let mut client = stage.client();
    let query = "subscription { employeeUpdated(employeeID: 3) { id details { forename } } }";
    stage.listen(&mut client, "1", query, 1);
    stage.demo.employees.behave(Behaviour::Hang);
    stage.publish(&[("employeeUpdated.3", employee(3))]);
    wait_until("the subgraph is asked", PATIENCE, || stage.demo.employees.request_count() > 0);
    let start = Instant::now();
    stage.router.signal("TERM");
    assert_eq!(client.closed().0, 1012);
    assert_eq!(stage.router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "took {:?}", start.elapsed());
}

/// C-NATS-16.
#[test]
fn c_nats_16_request() {
    let (demo, nats, mine) = (Demo::start(), NatsServer::start(), NatsServer::start());
    let router = Router::start(&demo.config_with(&providers(&nats, &mine), LENIENT, ""));
    for (server, field, argument, subject) in [
        (&nats, "employeeFromEvent", "id", "getEmployee.5"),
        (&mine, "employeeFromEventMyNats", "employeeID", "getEmployeeMyNats.5"),
    ] {
        let mut responder = server.client();
        responder.subscribe(subject);
        let asked = thread::spawn(move || {
            let (_, reply, payload) = responder.next_message();
            responder.publish(&reply.expect("a reply subject"), br#"{"id":5,"__typename":"Employee"}"#);
            responder.flush();
            String::from_utf8(payload).expect("UTF-8")
        });
        let query = format!(
            "query Q($n: Int!) {{ it: {field}({argument}: $n) {{ __typename id details {{ forename }} seniority }} }}"
        );
        let (status, answer) = router.post(&json!({ "query": query, "variables": { "n": 5 } }));
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            answer,
            json!({ "data": { "it":
                { "__typename": "Employee", "id": 5, "details": { "forename": "Liis" }, "seniority": 7 } } })
        );
        assert_eq!(asked.join().expect("a request"), format!("{{\"{argument}\":5}}"));
    }
}

/// Nobody answers, or too late, or nonsense: an error in time, and the next request is none the worse.
#[test]
fn a_request_that_gets_no_good_reply_is_an_error_in_time() {
    let stage = Stage::start();
    let ask =
        || stage.answer(&json!({ "query": "{ employeeFromEvent(id: 5) { id details { forename } } }" }));
    let nobody = ask();
    assert_eq!(nobody["data"], Value::Null, "{nobody}");
    assert_eq!(nobody["errors"][0]["extensions"]["code"], "DOWNSTREAM_SERVICE_ERROR", "{nobody}");
    assert_eq!(nobody["errors"][0]["path"], json!(["employeeFromEvent"]), "{nobody}");
    let words = "Failed to fetch from Subgraph 'events', Reason: nobody answers requests to 'getEmployee.5'.";
    assert_eq!(nobody["errors"][0]["message"], words);

    let mut silent = stage.nats.client();
    silent.subscribe("getEmployee.5");
    let late = ask();
    assert_eq!(late["errors"][0]["extensions"]["code"], "DOWNSTREAM_SERVICE_ERROR", "{late}");
    let words = "Failed to fetch from Subgraph 'events', Reason: no answer within 400ms.";
    assert_eq!(late["errors"][0]["message"], words);
    drop(silent);
    for reply in ["", "nonsense", "[]", "null", r#"{"__typename":"Robot","id":5}"#, r#"{"id":null}"#, "{}"] {
        let mut responder = stage.nats.client();
        responder.subscribe("getEmployee.5");
        let answered = thread::spawn(move || {
            let (_, to, _) = responder.next_message();
            responder.publish(&to.expect("a reply subject"), reply.as_bytes());
            responder.flush();
        });
        let answer = ask();
        assert_eq!(answer["data"], Value::Null, "{reply}: {answer}");
        assert!(answer["errors"][0]["message"].is_string(), "{reply}: {answer}");
        answered.join().expect("a request");
    }
}

/// A service that answers with an error is quoted to the client, and in the log.
#[test]
fn a_service_that_fails_is_quoted() {
    let stage = Stage::start();
    let mut responder = stage.nats.client();
    responder.subscribe("getEmployee.5");
    let answered = thread::spawn(move || {
        let (_, to, _) = responder.next_message();
        let headers = [("Nats-Service-Error", "no such employee"), ("Nats-Service-Error-Code", "404")];
        responder.publish_with_headers(&to.expect("a reply subject"), &headers, b"");
        responder.flush();
    });
    let answer = stage.answer(&json!({ "query": "{ employeeFromEvent(id: 5) { id } }" }));
    answered.join().expect("a request");
    let error = &answer["errors"][0];
    assert_eq!(
        error["message"], "Failed to fetch from Subgraph 'events', Reason: no such employee.",
        "{answer}"
    );
    assert_eq!(error["extensions"]["code"], "DOWNSTREAM_SERVICE_ERROR");
    assert_eq!(error["extensions"]["serviceErrorCode"], "404");
    assert_eq!(error["path"], json!(["employeeFromEvent"]));
    stage.router.logged("no such employee");
}

/// C-NATS-17, C-NATS-18, for the graph's own mutation.
#[test]
fn c_nats_17_mutate() {
    let stage = Stage::start();
    for (field, subject) in
        [("updateEmployee", "employeeUpdated.3"), ("updateEmployeeMyNats", "employeeUpdatedMyNats.3")]
    {
        let mut broker = stage.nats.client();
        broker.subscribe(subject);
        let caught = catch(broker);
        let query = format!("mutation {{ {field}(id: 3, update: {{ name: \"Kadri\" }}) {{ success }} }}");
        let answer = stage.answer(&json!({ "query": query }));
        assert_eq!(answer, json!({ "data": { field: { "success": true } } }));
        assert_eq!(caught.join().expect("a message"), r#"{"id":3,"update":{"name":"Kadri"}}"#);
    }
}

#[test]
fn c_nats_18_mutate_typename() {
    let stage = Stage::start();
    let query =
        "mutation { __typename updateEmployee(id: 3, update: {}) { __typename ok: success __typename } }";
    assert_eq!(
        stage.answer(&json!({ "query": query })),
        json!({ "data": {
            "__typename": "Mutation",
            "updateEmployee": { "__typename": "edfs__PublishResult", "ok": true },
        } })
    );
}

/// The bytes of a payload: arguments as the operation has them, values as the client wrote them.
#[test]
fn payloads_are_exact() {
    let stage = Stage::start();
    let cases = [
        // The operation's order, not the schema's; what is absent stays absent, defaults included.
        (
            r#"mutation { record(numbers: [1, 2], id: "a", name: "ü\n\"") { success } }"#,
            json!({}),
            r#"{"numbers":[1,2],"id":"a","name":"ü\n\""}"#,
        ),
        (
            r#"mutation { record(id: "a", name: null, flag: true, ratio: 1.25) { success } }"#,
            json!({}),
            r#"{"id":"a","name":null,"flag":true,"ratio":1.25}"#,
        ),
        (
            "mutation ($n: String, $id: ID!) { record(name: $n, id: $id) { success } }",
            json!({ "id": "a" }),
            r#"{"id":"a"}"#,
        ),
        (
            r#"mutation ($n: String = "none", $id: ID!) { record(name: $n, id: $id) { success } }"#,
            json!({ "id": "a" }),
            r#"{"name":"none","id":"a"}"#,
        ),
        (
            "mutation ($p: Place, $id: ID!) { record(place: $p, id: $id) { success } }",
            json!({ "id": "a", "p": { "within": { "city": "Tartu", "within": null }, "city": "Narva" } }),
            r#"{"place":{"within":{"city":"Tartu","within":null,"floor":1},"city":"Narva","floor":1},"id":"a"}"#,
        ),
        // A literal goes out as it is written; the defaults of input fields belong to variables.
        (
            r#"mutation ($c: String) { record(place: { within: { city: $c }, floor: 2 }, id: "a") { success } }"#,
            json!({ "c": "Tartu" }),
            r#"{"place":{"within":{"city":"Tartu"},"floor":2},"id":"a"}"#,
        ),
    ];
    for (query, variables, payload) in cases {
        let mut broker = stage.nats.client();
        broker.subscribe("recorded.a");
        let caught = catch(broker);
        let answer = stage.answer(&json!({ "query": query, "variables": variables }));
        assert_eq!(answer, json!({ "data": { "record": { "success": true } } }), "{query}");
        assert_eq!(caught.join().expect("a message"), payload, "{query}");
    }
}

/// Numbers beyond 64 bits keep every digit where they come as variables.
#[test]
fn large_numbers_in_payloads_keep_their_digits() {
    let stage = Stage::start();
    let mut broker = stage.nats.client();
    broker.subscribe("recorded.9007199254740993");
    let caught = catch(broker);
    let body = r#"{"query":"mutation ($id: ID!, $any: Anything) { record(id: $id, anything: $any) { success } }",
        "variables":{"id":9007199254740993,"any":{"n":123456789012345678901234567890,"f":0.10,"e":1E400}}}"#;
    let url = stage.router.graphql_url();
    let answer = support::http::http("POST", url, &[("Content-Type", "application/json")], body);
    assert_eq!(answer.body, r#"{"data":{"record":{"success":true}}}"#);
    assert_eq!(
        caught.join().expect("a message"),
        r#"{"id":"9007199254740993","anything":{"n":123456789012345678901234567890,"f":0.10,"e":1E400}}"#
    );
}

/// Aliases on everything that a broker has a part in.
#[test]
fn aliases_work_on_root_fields_results_and_keys() {
    let stage = Stage::start();
    let query = r#"mutation { one: updateEmployee(id: 3, update: {}) { ok: success }
        two: updateEmployee(id: 4, update: {}) { type: __typename success } }"#;
    let mut broker = stage.nats.client();
    broker.subscribe("employeeUpdated.*");
    let caught = thread::spawn(move || [broker.next_message().0, broker.next_message().0]);
    assert_eq!(
        stage.answer(&json!({ "query": query })).to_string(),
        r#"{"data":{"one":{"ok":true},"two":{"type":"edfs__PublishResult","success":true}}}"#
    );
    assert_eq!(
        caught.join().expect("messages"),
        ["employeeUpdated.3", "employeeUpdated.4"],
        "in their order"
    );

    let mut client = stage.client();
    let query = "subscription { changed: employeeUpdated(employeeID: 3) {
        number: id id: startYear type: __typename __typename details { id: forename } startYear: id } }";
    stage.listen(&mut client, "1", query, 1);
    stage.publish(&[("employeeUpdated.3", employee(3))]);
    let expected = r#"{"data":{"changed":{"number":3,"id":2018,"type":"Employee","__typename":"Employee","details":{"id":"Kadri"},"startYear":3}}}"#;
    assert_eq!(client.next("1").to_string(), expected);
}

/// An alias of a key is still read from the event: no subgraph is asked.
#[test]
fn an_aliased_key_comes_from_the_event() {
    let stage = Stage::start();
    let mut client = stage.client();
    stage.listen(
        &mut client,
        "1",
        "subscription { employeeUpdated(employeeID: 3) { number: id __typename } }",
        1,
    );
    stage.publish(&[("employeeUpdated.3", json!({ "id": 3 }))]);
    let expected = json!({ "data": { "employeeUpdated": { "number": 3, "__typename": "Employee" } } });
    assert_eq!(client.next("1"), expected);
    assert_eq!(stage.demo.employees.request_count() + stage.demo.products.request_count(), 0);
}

/// C-NATS-25.
#[test]
fn c_nats_25_several_subscriptions_with_variables_on_one_connection() {
    let stage = Stage::start();
    let mut client = stage.client();
    let query = "subscription ($id: Int!) { employeeUpdated(employeeID: $id) { id details { forename } } }";
    for id in 1..=3 {
        client.subscribe_with(&id.to_string(), json!({ "query": query, "variables": { "id": id } }));
    }
    wait_until_live(&stage.router, 3);
    let names = ["Anu", "Mart", "Kadri"];
    for id in [3, 1, 2] {
        stage.publish(&[(&format!("employeeUpdated.{id}"), employee(id))]);
        let expected = json!({ "id": id, "details": { "forename": names[id as usize - 1] } });
        assert_eq!(client.next(&id.to_string())["data"]["employeeUpdated"], expected);
    }
    client.complete("2");
    wait_until_live(&stage.router, 2);
    let rest = ["employeeUpdated.1", "employeeUpdated.3"];
    wait_until("one subject less", PATIENCE, || subjects(&stage.nats) == rest);
    stage.publish(&[("employeeUpdated.2", employee(2)), ("employeeUpdated.3", employee(3))]);
    assert_eq!(client.next("3")["data"]["employeeUpdated"]["id"], 3);
}

/// C-NATS-26: `employeeUpdatedMyNats` has two subjects, at the second provider.
#[test]
fn c_nats_26_two_subjects_feed_one_field() {
    let (demo, nats, mine) = (Demo::start(), NatsServer::start(), NatsServer::start());
    let router = Router::start(&demo.config_with(&providers(&nats, &mine), LENIENT, ""));
    let mut client = Client::connect(&router.websocket_url());
    listen(
        &router,
        &mut client,
        "1",
        "subscription { employeeUpdatedMyNats(id: 7) { id role { title } } }",
        1,
    );
    assert_eq!(subjects(&mine), ["employeeUpdatedMyNats.7", "employeeUpdatedMyNatsTwo.7"]);
    assert_eq!(subjects(&nats), Vec::<String>::new());
    let mut broker = mine.client();
    for subject in ["employeeUpdatedMyNatsTwo.7", "employeeUpdatedMyNats.7"] {
        broker.publish(subject, employee(7).to_string().as_bytes());
        broker.flush();
        let expected = json!({ "id": 7, "role": { "title": ["Engineer", "Lead"] } });
        assert_eq!(client.next("1")["data"]["employeeUpdatedMyNats"], expected, "{subject}");
    }
    assert_eq!(count(&router, "triggers"), 1);
}

/// C-NATS-29: fields without a filter are told, fields with one are not; both live on.
#[test]
fn c_nats_29_invalid_json() {
    let stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "plain", "subscription { anyUpdated { id } }", 1);
    stage.listen(&mut client, "filtered", "subscription { othersUpdated { id } }", 2);
    let mut broker = stage.nats.client();
    for payload in ["", "no JSON", r#"{"id":2"#, r#"{"id":2}}"#, "[{\"id\":2}]", "\"id\"", "\u{0}"] {
        broker.publish("employees.updated", payload.as_bytes());
    }
    broker.publish("employees.updated", b"{\"id\":\xff}");
    let deep = format!(r#"{{"id":2,"more":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    broker.publish("employees.updated", deep.as_bytes());
    broker.flush();
    for _ in 0..9 {
        let expected = json!({ "errors": [{ "message": "Invalid message received" }], "data": null });
        assert_eq!(client.next("plain"), expected);
    }
    stage.publish(&[("employees.updated", employee(2))]);
    let mut both = [client.message(), client.message()];
    both.sort_by_key(|it| it["id"].to_string());
    assert_eq!((&both[0]["id"], &both[1]["id"]), (&json!("filtered"), &json!("plain")));
    assert_eq!(both[0]["payload"], json!({ "data": { "othersUpdated": { "id": 2 } } }));
    wait_until("each is counted", PATIENCE, || {
        stage.router.metrics().sum("router_engine_events_unreadable_total") == 9.0
    });
}

/// C-TRG-1.
#[test]
fn c_trg_1_one_subject_and_two_selections_are_one_trigger() {
    let stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "a", "subscription { employeeUpdated(employeeID: 3) { id } }", 1);
    stage.listen(
        &mut client,
        "b",
        "subscription { employeeUpdated(employeeID: 3) { details { surname } } }",
        2,
    );
    assert_eq!(count(&stage.router, "triggers"), 1);
    assert_eq!(stage.router.metrics().sum("router_engine_subscriptions"), 2.0);
    assert_eq!(subjects(&stage.nats), ["employeeUpdated.3"]);
}

/// C-TRG-2.
#[test]
fn c_trg_2_headers_and_init_payloads_do_not_split_a_trigger() {
    let stage = Stage::start();
    let mut clients = Vec::new();
    for token in ["a", "b"] {
        let headers = [("Authorization", token), ("X-Tenant", token)];
        let mut client = Client::upgrade(&stage.router.websocket_url(), &["graphql-transport-ws"], &headers);
        client.send(&json!({ "type": "connection_init", "payload": { "Authorization": token } }));
        assert_eq!(client.message()["type"], "connection_ack");
        client.subscribe("1", "subscription { employeeUpdated(employeeID: 3) { id } }");
        clients.push(client);
    }
    wait_until_live(&stage.router, 2);
    assert_eq!(count(&stage.router, "triggers"), 1);
    assert_eq!(subjects(&stage.nats), ["employeeUpdated.3"]);
    stage.publish(&[("employeeUpdated.3", employee(3))]);
    for client in &mut clients {
        assert_eq!(client.next("1"), json!({ "data": { "employeeUpdated": { "id": 3 } } }));
    }
}

/// C-TRG-3.
#[test]
fn c_trg_3_different_subjects_are_different_triggers() {
    let stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "a", "subscription { employeeUpdated(employeeID: 3) { id } }", 1);
    stage.listen(&mut client, "b", "subscription { employeeUpdated(employeeID: 4) { id } }", 2);
    assert_eq!(count(&stage.router, "triggers"), 2);
    assert_eq!(subjects(&stage.nats), ["employeeUpdated.3", "employeeUpdated.4"]);
}

/// WG-04: whatever the operation's text, equal feeds are one trigger, and equal responses one group.
#[test]
fn wg_04_equal_subscriptions_share_one_trigger() {
    let stage = Stage::start();
    let mut client = stage.client();
    let queries = [
        json!({ "query": "subscription { employeeUpdated(employeeID: 3) { id notes } }" }),
        json!({ "query": "subscription A($x: Int!) { employeeUpdated(employeeID: $x) { id notes } }", "variables": { "x": 3 } }),
        json!({ "query": "subscription { employeeUpdated(employeeID: 3) { ...F notes } } fragment F on Employee { id }" }),
    ];
    for number in 0..300 {
        client.subscribe_with(&number.to_string(), queries[number % 3].clone());
    }
    wait_until_live(&stage.router, 300);
    assert_eq!(subjects(&stage.nats), ["employeeUpdated.3"]);
    assert_eq!(count(&stage.router, "triggers"), 1);
    stage.publish(&[("employeeUpdated.3", employee(3))]);
    let mut ids: Vec<String> = (0..300).map(|_| next_of_any(&mut client)).collect();
    ids.sort_by_key(|it| it.parse::<u32>().expect("a number"));
    assert_eq!(ids, (0..300).map(|it| it.to_string()).collect::<Vec<_>>());
    assert_eq!(
        count(&stage.router, "groups"),
        1,
        "a literal and a variable are one value, a fragment is what is in it"
    );
    assert_eq!(stage.demo.products.request_count(), 1, "one fetch for all of them");
}

fn next_of_any(client: &mut Client) -> String {
    let message = client.message();
    let expected = json!({ "data": { "employeeUpdated": { "id": 3, "notes": null } } });
    assert_eq!((&message["type"], &message["payload"]), (&json!("next"), &expected));
    message["id"].as_str().expect("a string").to_owned()
}

/// PS-02: no argument becomes a wildcard, another token or a broken line of the broker's protocol.
#[test]
fn ps_02_arguments_cannot_widen_a_subject() {
    let stage = Stage::start();
    let mut client = stage.client();
    let evil = ["*", "7.>", ">", ">.a", "a.b", "a b", "a\tb", "", "a\r\nSUB > 9", "\u{0}", ".", "..", " "];
    for (number, topic) in evil.iter().enumerate() {
        let id = number.to_string();
        let query = "subscription ($t: String!) { noted(topic: $t) { id } }";
        client.subscribe_with(&id, json!({ "query": query, "variables": { "t": topic } }));
        let message = client.message();
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{topic:?}: {message}");
    }
    let query = r#"mutation ($id: ID!) { record(id: $id) { success } }"#;
    for id in evil {
        let answer = stage.answer(&json!({ "query": query, "variables": { "id": id } }));
        assert_ne!(answer["data"]["record"]["success"], json!(true), "{id:?}: {answer}");
        assert!(answer["errors"].is_array(), "{id:?}: {answer}");
    }
    assert_eq!(subjects(&stage.nats), Vec::<String>::new());
    stage.listen(&mut client, "ok", r#"subscription { noted(topic: "a-b_c:ü") { id } }"#, 1);
    assert_eq!(subjects(&stage.nats), ["notes.a-b_c:ü"], "the connection to the broker is fine");
}

/// PS-02: an absent or null argument is an error; a list is several destinations.
#[test]
fn ps_02_absent_arguments_are_refused_and_lists_are_several_subjects() {
    let stage = Stage::start();
    let mut client = stage.client();
    for (id, arguments) in [("1", ""), ("2", "(topic: null)")] {
        client.subscribe(id, &format!("subscription {{ perhapsNoted{arguments} {{ id }} }}"));
        let message = client.message();
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(id)), "{message}");
    }
    stage.listen(&mut client, "3", r#"subscription { severalNoted(topics: ["7", 9]) { id } }"#, 1);
    assert_eq!(subjects(&stage.nats), ["notes.7", "notes.9"]);
    stage.publish(&[("notes.8", employee(8)), ("notes.9", employee(9)), ("notes.7", employee(7))]);
    let mut seen = [(); 2].map(|()| client.next("3")["data"]["severalNoted"]["id"].as_i64());
    seen.sort_unstable();
    assert_eq!(seen, [Some(7), Some(9)]);
    assert_eq!(count(&stage.router, "triggers"), 1);
}

/// The event graph loads with every form; each field of a provider that is not there answers so.
#[test]
fn fields_of_missing_providers_are_logged_and_answer_clearly() {
    let stage = Stage::start();
    let log = stage.router.log().join("\n");
    for word in ["my-kafka", "my-redis"] {
        assert!(log.contains(word), "{word} is not in the log:\n{log}");
    }
    let mut client = stage.client();
    for field in [
        "employeeUpdatedMyKafka(employeeID: 1) { id }",
        "employeeUpdatedMyRedis(id: 1) { id }",
        "employeeUpdates { id }",
        "foundersUpdated(company: \"c\") { id }",
        "eitherUpdated(first: [1], second: [2]) { id }",
        "chosenUpdated(input: { ids: [1] }) { id }",
        "listedUpdated(ids: [1]) { id }",
        "releasePublished(tag: \"t\") { __typename }",
        "offerChanged(tag: \"t\") { id }",
    ] {
        client.subscribe("1", &format!("subscription {{ {field} }}"));
        let message = client.message();
        assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{field}: {message}");
        assert_eq!(message["payload"][0]["extensions"]["code"], "FEED_UNAVAILABLE", "{field}: {message}");
        assert!(message["payload"][0]["message"].as_str().is_some_and(|it| it.len() > 20), "{message}");
    }
    for field in
        ["updateEmployeeMyKafka(employeeID: 1", "announceMyRedis(id: 1", "updateEmployeeMyRedis(id: 1"]
    {
        let answer = stage
            .answer(&json!({ "query": format!("mutation {{ it: {field}, update: {{}}) {{ success }} }}") }));
        assert_eq!(answer, json!({ "data": { "it": { "success": false } } }), "{field}");
    }
    wait_until_idle(&stage.router);
}

/// Fixed values, `NOT`: C-NATS-31 on the demo's NATS field.
#[test]
fn c_nats_31_a_filter_with_fixed_values_keeps_its_ids_back() {
    let stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "1", "subscription { othersUpdated { id details { forename } } }", 1);
    let mut broker = stage.nats.client();
    for event in [
        r#"{"id":1}"#,
        "not json",
        "[]",
        "{}",
        r#"{"id":11}"#,
        r#"{"id":2}"#,
        r#"{"id":3}"#,
        r#"{"__typename":"Employee","id":5}"#,
    ] {
        broker.publish("employees.updated", event.as_bytes());
    }
    broker.flush();
    assert_eq!(
        client.next("1")["data"]["othersUpdated"],
        json!({ "id": 2, "details": { "forename": "Mart" } })
    );
    assert_eq!(
        client.next("1")["data"]["othersUpdated"],
        json!({ "id": 5, "details": { "forename": "Liis" } })
    );
    assert_eq!(stage.demo.employees.request_count(), 2, "what is filtered is never fetched");
}

/// Filters with arguments, variables and lists, all on one subject: one SUB, each group its own choice.
#[test]
fn filters_choose_per_group() {
    let stage = Stage::start();
    let mut client = stage.client();
    let subscriptions = [
        ("any", json!({ "query": "subscription { anyUpdated { id } }" }), vec![1, 2, 3, 4, 5]),
        ("literal", json!({ "query": "subscription { oneUpdated(id: 4) { id } }" }), vec![4]),
        (
            "variable",
            json!({ "query": "subscription ($n: Int!) { oneUpdated(id: $n) { id } }", "variables": { "n": 2 } }),
            vec![2],
        ),
        (
            "lists",
            json!({ "query": "subscription ($a: [ID!]!, $b: [ID!]!) { someUpdated(first: $a, second: $b) { id } }",
            "variables": { "a": ["1", "3"], "b": ["5"] } }),
            vec![1, 3, 5],
        ),
        (
            "nested",
            json!({ "query": "subscription ($i: Chosen!) { fewUpdated(input: $i) { id } }",
            "variables": { "i": { "ids": [3, 4] } } }),
            vec![3, 4],
        ),
        (
            "none",
            json!({ "query": "subscription { someUpdated(first: [], second: [\"9\"]) { id } }" }),
            vec![],
        ),
    ];
    for (id, payload, _) in &subscriptions {
        client.subscribe_with(id, payload.clone());
    }
    wait_until_live(&stage.router, 6);
    assert_eq!(subjects(&stage.nats), ["employees.updated"]);
    stage.publish(&[1, 2, 3, 4, 5].map(|id| ("employees.updated", employee(id))));
    let expected: usize = subscriptions.iter().map(|(_, _, ids)| ids.len()).sum();
    let mut seen: Vec<(String, i64)> = Vec::new();
    for _ in 0..expected {
        let message = client.message();
        let data =
            message["payload"]["data"].as_object().expect("data").values().next().expect("a field").clone();
        seen.push((
            message["id"].as_str().expect("an id").to_owned(),
            data["id"].as_i64().expect("a number"),
        ));
    }
    for (id, _, ids) in &subscriptions {
        let got: Vec<i64> = seen.iter().filter(|it| it.0 == *id).map(|it| it.1).collect();
        assert_eq!(got, *ids, "{id}");
    }
}

/// WG-13: the event's `__typename` decides, through a union and an interface, with a filter.
#[test]
fn wg_13_union_and_interface_events() {
    let stage = Stage::start();
    let mut client = stage.client();
    let release = r#"subscription { releaseTagged(tag: "new") { __typename
        ... on Product { id name weight } ... on Service { id name hourlyRate } } }"#;
    let offer = r#"subscription { offerTagged(tag: "new") { __typename id tag name ... on Service { hourlyRate } } }"#;
    stage.listen(&mut client, "u", release, 1);
    stage.listen(&mut client, "i", offer, 2);
    let product = json!({ "__typename": "Product", "id": "p1", "tag": "new" });
    let service = json!({ "__typename": "Service", "id": "s1", "tag": "new" });
    let old = json!({ "__typename": "Service", "id": "s2", "tag": "old" });
    stage.publish(&[
        ("catalogue", old.clone()),
        ("catalogue", product.clone()),
        ("catalogue", service.clone()),
    ]);
    let kettle = json!({ "__typename": "Product", "id": "p1", "name": "Kettle", "weight": 1.5 });
    let repair = json!({ "__typename": "Service", "id": "s1", "name": "Repair", "hourlyRate": 60.0 });
    assert_eq!(client.next("u")["data"]["releaseTagged"], kettle);
    assert_eq!(client.next("u")["data"]["releaseTagged"], repair);

    stage.publish(&[("offers", old), ("offers", product), ("offers", service)]);
    let kettle = json!({ "__typename": "Product", "id": "p1", "tag": "new", "name": "Kettle" });
    let repair =
        json!({ "__typename": "Service", "id": "s1", "tag": "new", "name": "Repair", "hourlyRate": 60.0 });
    assert_eq!(client.next("i")["data"]["offerTagged"], kettle);
    assert_eq!(client.next("i")["data"]["offerTagged"], repair);
}

/// Brokers and subgraphs in one operation: queries side by side, mutations one after the other, and a
/// publish that fails stops nobody.
#[test]
fn root_fields_of_brokers_and_subgraphs_mix() {
    let stage = Stage::start();
    let mut responder = stage.nats.client();
    responder.subscribe("getEmployee.*");
    let answered = thread::spawn(move || {
        for _ in 0..2 {
            let (subject, reply, _) = responder.next_message();
            let id = subject.trim_start_matches("getEmployee.");
            responder.publish(&reply.expect("a reply subject"), format!("{{\"id\":{id}}}").as_bytes());
        }
        responder.flush();
    });
    let query = "{ a: employeeFromEvent(id: 5) { id } employee(id: 1) { id startYear }
        b: employeeFromEvent(id: 6) { __typename seniority } }";
    let answer = stage.answer(&json!({ "query": query }));
    assert_eq!(
        answer.to_string(),
        r#"{"data":{"a":{"id":5},"employee":{"id":1,"startYear":2016},"b":{"__typename":"Employee","seniority":7}}}"#
    );
    answered.join().expect("two requests");

    let mut broker = stage.nats.client();
    broker.subscribe("employeeUpdated.1");
    let caught = catch(broker);
    let query = r#"mutation {
        kafka: updateEmployeeMyKafka(employeeID: 1, update: {}) { success }
        addNote(employeeID: 1, text: "kept") { notes }
        nats: updateEmployee(id: 1, update: { name: "x" }) { success }
        renameEmployee(id: 1, forename: "Anne") { details { forename } notes }
    }"#;
    assert_eq!(
        stage.answer(&json!({ "query": query })).to_string(),
        concat!(
            r#"{"data":{"kafka":{"success":false},"addNote":{"notes":"kept"},"nats":{"success":true},"#,
            r#""renameEmployee":{"details":{"forename":"Anne"},"notes":"kept"}}}"#
        )
    );
    assert_eq!(caught.join().expect("a message"), r#"{"id":1,"update":{"name":"x"}}"#);
}

/// Whoever joins while events flow gets them from one of them on, without a gap, a double or an
/// exchange.
#[test]
fn joining_while_events_flow_leaves_no_gap() {
    const EVENTS: i64 = 600;
    let stage = Stage::start();
    let mut first = stage.client();
    stage.listen(&mut first, "1", "subscription { anyUpdated { id } }", 1);
    let mut broker = stage.nats.client();
    // Between two handfuls of events the publisher waits for the next client to come, while there is one.
    let (started, start) = std::sync::mpsc::sync_channel(0);
    let publisher = thread::spawn(move || {
        for id in 1..=EVENTS {
            broker.publish("employees.updated", employee(id).to_string().as_bytes());
            if id % 30 == 0 {
                broker.flush();
                let _ = started.send(());
            }
        }
        broker.flush();
    });
    let mut late: Vec<Client> = (0..6)
        .map(|_| {
            start.recv_timeout(PATIENCE).expect("events flow");
            let mut client = stage.client();
            client.subscribe("1", "subscription { anyUpdated { id } }");
            client
        })
        .collect();
    drop(start);
    publisher.join().expect("published");
    let seen = |client: &mut Client| client.next("1")["data"]["anyUpdated"]["id"].as_i64().expect("an id");
    assert_eq!((0..EVENTS).map(|_| seen(&mut first)).collect::<Vec<_>>(), (1..=EVENTS).collect::<Vec<_>>());
    wait_until_live(&stage.router, 7);
    stage.publish(&[("employees.updated", employee(EVENTS + 1))]);
    for client in &mut late {
        let from = seen(client);
        for id in from + 1..=EVENTS + 1 {
            assert_eq!(seen(client), id, "joined at {from}");
        }
    }
    assert_eq!(subjects(&stage.nats), ["employees.updated"]);
}

/// Clients that scroll: subscriptions that come and go cost the broker one subscription while the feed
/// lingers, and nothing is left in the end.
#[test]
fn a_lingering_feed_is_not_started_anew() {
    let (demo, nats) = (Demo::start(), NatsServer::start());
    let router = Router::start(&demo.config_with(&providers(&nats, &nats), LENIENT, ""));
    let mut client = Client::connect(&router.websocket_url());
    for _ in 0..100 {
        client.subscribe("1", "subscription { employeeUpdated(employeeID: 3) { id } }");
        client.complete("1");
    }
    listen(&router, &mut client, "2", "subscription { employeeUpdated(employeeID: 3) { id } }", 1);
    assert_eq!(router.state()["triggers"][0]["id"], 0, "one trigger from the first to the last");
    client.complete("2");
    wait_until_live(&router, 0);
    assert_eq!(subjects(&nats), ["employeeUpdated.3"], "it lingers");
    listen(&router, &mut client, "3", "subscription { employeeUpdated(employeeID: 3) { id } }", 1);
    assert_eq!(count(&router, "triggers"), 1);
    nats.client().publish("employeeUpdated.3", employee(3).to_string().as_bytes());
    assert_eq!(client.next("3")["data"]["employeeUpdated"]["id"], 3);
    client.complete("3");
    wait_until("the feed is given up", PATIENCE, || subjects(&nats).is_empty());
    wait_until_idle(&router);
}

/// A mutation may ask instead of publishing; the reply says whether it worked. EDG-2 leaves it no other type.
#[test]
fn a_mutation_that_asks_is_answered_by_the_reply() {
    let nats = NatsServer::start();
    let file = write_config("").with_file_name("orders.graphql");
    let graph =
        r#"type Mutation { order(id: ID!): edfs__PublishResult! @edfs__natsRequest(subject: "orders") }"#;
    fs::write(&file, graph).expect("the graph is written");
    let subgraph = file.with_file_name("subgraph.graphql");
    fs::write(&subgraph, "type Query { orders: Int }").expect("the subgraph is written");
    let router = Router::start(&format!(
        r#"version: "1"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph:
  subgraphs: [{{ name: shop, routing_url: "http://127.0.0.1:1", schema: {{ file: "{}" }} }}]
  event_graphs: ["{}"]
events: {{ providers: {{ nats: [{{ id: default, url: "{}" }}] }} }}
"#,
        subgraph.display(),
        file.display(),
        nats.url(),
    ));
    for (reply, expected) in [
        (r#"{"success":true}"#, r#"{"data":{"order":{"success":true,"__typename":"edfs__PublishResult"}}}"#),
        (
            r#"{"success":false,"more":1}"#,
            r#"{"data":{"order":{"success":false,"__typename":"edfs__PublishResult"}}}"#,
        ),
    ] {
        let mut responder = nats.client();
        responder.subscribe("orders");
        let asked = thread::spawn(move || {
            let (_, to, payload) = responder.next_message();
            responder.publish(&to.expect("a reply subject"), reply.as_bytes());
            responder.flush();
            String::from_utf8(payload).expect("UTF-8")
        });
        let query = r#"{"query":"mutation { order(id: \"o1\") { success __typename } }"}"#;
        assert_eq!(router.post_text(query), (200, expected.to_owned()));
        assert_eq!(asked.join().expect("a request"), r#"{"id":"o1"}"#);
    }
}
