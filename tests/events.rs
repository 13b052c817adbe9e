//! What comes of events, good and bad, and of subgraphs that are slow, wrong or gone. The broker is the
//! router's own memory.

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::{
    Demo,
    live::{count, listen, wait_until_live},
    router::Router,
    subgraph::Behaviour,
    ws::Client,
};

struct Stage {
    router: Router,
    demo: Demo,
}

impl Stage {
    fn start() -> Self {
        Self::start_with("")
    }

    fn start_with(more: &str) -> Self {
        let demo = Demo::start();
        Self { router: Router::start(&demo.config(more)), demo }
    }

    fn client(&self) -> Client {
        Client::connect(&self.router.websocket_url())
    }

    #[track_caller]
    fn listen(&self, client: &mut Client, id: &str, query: &str, members: u64) {
        listen(&self.router, client, id, query, members);
    }

    #[track_caller]
    fn publish(&self, subject: &str, event: &Value) {
        assert_eq!(self.router.publish(subject, event), 202);
    }

    #[track_caller]
    fn tell(&self, id: i64) {
        self.publish(&format!("employeeUpdated.{id}"), &employee(id));
    }
}

fn employee(id: i64) -> Value {
    json!({ "__typename": "Employee", "id": id })
}

/// The one error of a response without data.
#[track_caller]
fn only_error(response: &Value) -> &Value {
    assert_eq!(response["data"], Value::Null, "{response}");
    assert_eq!(response["errors"].as_array().map(Vec::len), Some(1), "{response}");
    &response["errors"][0]
}

/// C-NATS-28: a bad event is told, and the next good one arrives. Each kind of bad, and what is said.
#[test]
fn c_nats_28_bad_events_are_told_and_do_not_end_the_subscription() {
    let stage = Stage::start();
    let mut client = stage.client();
    stage.listen(
        &mut client,
        "1",
        "subscription { employeeUpdated(employeeID: 3) { id details { forename } } }",
        1,
    );
    let null_key = "Cannot return null for non-nullable field 'Subscription.employeeUpdated.id'.";
    let path = json!(["employeeUpdated", "id"]);
    let cases = [
        (json!([]), "Invalid message received", None),
        (json!("text"), "Invalid message received", None),
        (json!(7), "Invalid message received", None),
        (Value::Null, "Invalid message received", None),
        (json!({}), null_key, Some(&path)),
        (json!({ "id": null }), null_key, Some(&path)),
        (json!({ "id": null, "__typename": "Employee" }), null_key, Some(&path)),
        (json!({ "id": 1.5 }), "Int", Some(&path)),
        (json!({ "id": 99_999_999_999_i64 }), "Int", Some(&path)),
        (json!({ "id": "3" }), "Int", Some(&path)),
        (json!({ "id": { "a": 1 } }), "Int", Some(&path)),
        (json!({ "id": 3, "__typename": "Robot" }), "invalid value 'Robot' for __typename field", None),
        (json!({ "id": 3, "__typename": 7 }), "invalid value '7' for __typename field", None),
    ];
    for (event, message, path) in cases {
        stage.publish("employeeUpdated.3", &event);
        let told = client.next("1");
        let error = only_error(&told);
        assert!(error["message"].as_str().is_some_and(|it| it.contains(message)), "{event}: {told}");
        if let Some(path) = path {
            assert_eq!(error["path"], *path, "{event}: {told}");
        }
        stage.tell(3);
        let good = json!({ "data": { "employeeUpdated": { "id": 3, "details": { "forename": "Kadri" } } } });
        assert_eq!(client.next("1"), good, "after {event}");
    }
}

/// A concrete type needs no `__typename`, also not for its enrichment; what else the event has is ignored.
#[test]
fn a_missing_typename_is_filled_in_where_only_one_fits() {
    let stage = Stage::start();
    let mut client = stage.client();
    let query = "subscription { employeeUpdated(employeeID: 3) { __typename id startYear seniority } }";
    stage.listen(&mut client, "1", query, 1);
    stage.publish(
        "employeeUpdated.3",
        &json!({ "more": { "deep": [1] }, "id": 3, "startYear": 1, "details": 7 }),
    );
    let expected = json!({ "__typename": "Employee", "id": 3, "startYear": 2018, "seniority": 8 });
    assert_eq!(client.next("1"), json!({ "data": { "employeeUpdated": expected } }));
}

/// Unions and interfaces cannot do without `__typename`.
#[test]
fn an_abstract_type_needs_a_typename_that_is_a_member() {
    let stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "u", "subscription { catalogueChanged { ... on Product { id name } } }", 1);
    stage.listen(&mut client, "i", "subscription { offersChanged { id name } }", 2);
    for (id, subject, field) in [("u", "catalogue", "catalogueChanged"), ("i", "offers", "offersChanged")] {
        for event in [
            json!({ "id": "p1", "tag": "new" }),
            json!({ "__typename": "Employee", "id": "p1", "tag": "new" }),
        ] {
            stage.publish(subject, &event);
            let told = client.next(id);
            let error = only_error(&told);
            assert_eq!(error["extensions"]["code"], "INVALID_GRAPHQL", "{told}");
            assert!(
                error["message"].as_str().is_some_and(|it| it.contains("for __typename field")),
                "{told}"
            );
        }
        stage.publish(subject, &json!({ "__typename": "Product", "id": "p1", "tag": "new" }));
        assert_eq!(client.next(id)["data"][field], json!({ "id": "p1", "name": "Kettle" }));
    }
}

/// Integers of 64 bits and beyond keep every digit where the key is an `ID`.
#[test]
fn large_integers_keep_their_digits() {
    let stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "1", "subscription { offersChanged { id tag } }", 1);
    for digits in ["9007199254740993", "18446744073709551616", "123456789012345678901234567890"] {
        let body = format!(r#"{{"__typename":"Product","id":{digits},"tag":"new"}}"#);
        let url = format!("{}/admin/publish/offers?provider=default", stage.router.admin_url());
        let answer = support::http::http("POST", &url, &[("Content-Type", "application/json")], &body);
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(client.next("1")["data"]["offersChanged"], json!({ "id": digits, "tag": "new" }));
    }
}

/// Values are compared, not their spelling: escapes in the event, mixed types in the filter.
#[test]
fn filters_compare_values_and_not_their_spelling() {
    let stage = Stage::start();
    let mut client = stage.client();
    let release = r#"subscription { releaseTagged(tag: "n\u00e9w \"x\"") { ... on Product { tag } } }"#;
    stage.listen(&mut client, "tag", release, 1);
    let few = r#"subscription { someUpdated(first: ["x", "3"], second: [4]) { id } }"#;
    stage.listen(&mut client, "ids", few, 2);
    let url = format!("{}/admin/publish/catalogue?provider=default", stage.router.admin_url());
    for tag in [r#""new \"x\"""#, "7", "null", r#""n\u00E9\u0077 \u0022x\"""#] {
        let event = format!(r#"{{"__typename":"Product","id":"p1","tag":{tag}}}"#);
        let answer = support::http::http("POST", &url, &[("Content-Type", "application/json")], &event);
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    assert_eq!(client.next("tag"), json!({ "data": { "releaseTagged": { "tag": "néw \"x\"" } } }));
    for id in 1..=4 {
        stage.publish("employees.updated", &employee(id));
    }
    assert_eq!(client.next("ids")["data"]["someUpdated"]["id"], 3);
    assert_eq!(client.next("ids")["data"]["someUpdated"]["id"], 4);
}

/// An entity that its subgraph does not know: null where that may be, an error where it may not.
#[test]
fn an_entity_that_the_subgraph_does_not_know() {
    let stage = Stage::start();
    let mut client = stage.client();
    let query =
        |fields: &str| format!("subscription {{ employeeUpdated(employeeID: 99) {{ id {fields} }} }}");
    stage.listen(&mut client, "nullable", &query("currentMood isAvailable"), 1);
    stage.tell(99);
    let expected = json!({ "id": 99, "currentMood": null, "isAvailable": null });
    assert_eq!(client.next("nullable"), json!({ "data": { "employeeUpdated": expected } }));
    client.complete("nullable");
    wait_until_live(&stage.router, 0);

    stage.listen(&mut client, "not", &query("startYear"), 1);
    stage.tell(99);
    let told = client.next("not");
    let error = only_error(&told);
    assert_eq!(error["path"], json!(["employeeUpdated", "startYear"]), "{told}");
}

/// PS-04: the event's own fields arrive, whatever becomes of the enrichment, and need no subgraph at all.
#[test]
fn ps_04_fields_of_the_event_arrive_when_the_subgraph_fails() {
    let stage = Stage::start_with("engine: { subscription_fetch_timeout: 300ms }");
    let mut client = stage.client();
    stage.listen(&mut client, "rich", "subscription { employeeUpdated(employeeID: 3) { id notes } }", 1);
    let failures =
        [Behaviour::Status(500), Behaviour::Drop, Behaviour::Hang, Behaviour::Raw("nonsense".into())];
    for failure in failures {
        stage.demo.products.behave(failure.clone());
        stage.tell(3);
        let told = client.next("rich");
        assert_eq!(
            told["data"],
            json!({ "employeeUpdated": { "id": 3, "notes": null } }),
            "{failure:?}: {told}"
        );
        let error = &told["errors"][0];
        let path = error["path"].as_array().expect("a path");
        assert_eq!(path[0], "employeeUpdated", "{failure:?}: {told}");
        assert_eq!(error["extensions"]["code"], "DOWNSTREAM_SERVICE_ERROR", "{failure:?}: {told}");
        assert_eq!(error["extensions"]["serviceName"], "products", "{failure:?}: {told}");
    }
    stage.demo.products.behave(Behaviour::Answer);
    stage.tell(3);
    assert_eq!(client.next("rich"), json!({ "data": { "employeeUpdated": { "id": 3, "notes": null } } }));

    client.complete("rich");
    wait_until_live(&stage.router, 0);
    stage.listen(&mut client, "raw", "subscription { employeeUpdated(employeeID: 3) { id } }", 1);
    stage.demo.products.forget_requests();
    stage.tell(3);
    assert_eq!(client.next("raw"), json!({ "data": { "employeeUpdated": { "id": 3 } } }));
    assert_eq!(stage.demo.products.request_count() + stage.demo.employees.request_count(), 0);
}

/// An error that the subgraph has for one entity concerns nobody else.
#[test]
fn an_error_of_one_entity_stays_with_its_subscribers() {
    let stage = Stage::start_with("subgraph_error_propagation: { mode: pass-through }\n");
    let mut client = stage.client();
    let query = "subscription ($id: Int!) { employeeUpdated(employeeID: $id) { id notes } }";
    for id in [3, 4] {
        client.subscribe_with(&id.to_string(), json!({ "query": query, "variables": { "id": id } }));
    }
    wait_until_live(&stage.router, 2);
    stage.demo.products.fail_entities(json!({ "id": 3 }), "Not today.");
    stage.tell(4);
    assert_eq!(client.next("4"), json!({ "data": { "employeeUpdated": { "id": 4, "notes": null } } }));
    stage.tell(3);
    let told = client.next("3");
    assert_eq!(told["data"]["employeeUpdated"], json!({ "id": 3, "notes": null }), "{told}");
    assert_eq!(told["errors"][0]["message"], "Not today.", "{told}");
    stage.demo.products.heal_entities();
    stage.tell(3);
    assert_eq!(client.next("3")["errors"], Value::Null);
}

/// PS-07: results leave in the order of the events, however long each enrichment takes; two fields that
/// share a subject share the trigger.
#[test]
fn ps_07_order_holds_while_the_subgraph_answers_out_of_order() {
    const EVENTS: i64 = 120;
    let stage = Stage::start();
    let mut clients: Vec<Client> = (0..3).map(|_| stage.client()).collect();
    clients[0].subscribe("1", "subscription { anyUpdated { id products { name } } }");
    clients[1].subscribe("1", "subscription { anyUpdated { id products { name } } }");
    clients[2].subscribe("1", "subscription { othersUpdated { id notes } }");
    wait_until_live(&stage.router, 3);
    assert_eq!(count(&stage.router, "triggers"), 1);
    stage.demo.products.behave(Behaviour::Scatter { seed: 7, most: Duration::from_millis(40) });
    for id in 1..=EVENTS {
        stage.publish("employees.updated", &employee(id));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let (field, left_out): (_, &[i64]) = match number {
            2 => ("othersUpdated", &[1, 3, 4, 7, 11]),
            _ => ("anyUpdated", &[]),
        };
        for id in (1..=EVENTS).filter(|it| !left_out.contains(it)) {
            let told = client.next("1");
            assert_eq!(told["data"][field]["id"], id, "{told}");
            assert_eq!(told["errors"], Value::Null, "{told}");
        }
    }
    let requests = stage.demo.products.request_count();
    assert!(requests > 10, "{requests} requests are too few to overtake each other");
}

/// WG-06: with every permit of a subgraph taken, the rest of the router goes on.
#[test]
fn wg_06_a_hanging_subgraph_holds_nobody_else_up() {
    let stage = Stage::start_with("engine: { max_concurrent_resolvers: 2 }");
    let mut client = stage.client();
    let query = "subscription ($id: Int!) { employeeUpdated(employeeID: $id) { id notes } }";
    for id in 1..=50 {
        client.subscribe_with(&id.to_string(), json!({ "query": query, "variables": { "id": id } }));
    }
    wait_until_live(&stage.router, 50);
    stage.demo.products.behave(Behaviour::Hang);
    (1..=50).for_each(|id| stage.tell(id));

    let mut other = stage.client();
    other.send(&json!({ "type": "ping", "payload": { "n": 1 } }));
    assert_eq!(other.message(), json!({ "type": "pong", "payload": { "n": 1 } }));
    stage.listen(&mut other, "plain", "subscription { employeeUpdated(employeeID: 60) { id } }", 51);
    stage.tell(60);
    assert_eq!(other.next("plain")["data"]["employeeUpdated"]["id"], 60);
    other.subscribe("query", "{ employee(id: 1) { startYear } }");
    assert_eq!(other.next("query")["data"]["employee"]["startYear"], 2016);
    assert_eq!(other.message()["type"], "complete");
    assert_eq!(client.message_within(Duration::from_millis(1)), None, "the others still wait");

    stage.demo.products.behave(Behaviour::Answer);
    let mut seen: Vec<i64> = (0..50)
        .map(|_| client.message()["payload"]["data"]["employeeUpdated"]["id"].as_i64().expect("an id"))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=50).collect::<Vec<_>>());
}

/// What a subscription selects may hang on variables, fragments and directives, as in any operation.
#[test]
fn subscriptions_take_variables_fragments_and_directives() {
    let stage = Stage::start();
    let mut client = stage.client();
    let query = "subscription S($id: Int!, $deep: Boolean!, $unit: SeniorityUnit = MONTHS) {
          employeeUpdated(employeeID: $id) { ...Core ... @include(if: $deep) { details { forename } } role @skip(if: $deep) { title } }
        }
        fragment Core on Person { id ... on Employee { seniority(unit: $unit) years: seniority(unit: YEARS) } }";
    let cases = [
        (
            "deep",
            json!({ "id": 3, "deep": true }),
            json!({ "id": 3, "seniority": 96, "years": 8, "details": { "forename": "Kadri" } }),
        ),
        (
            "flat",
            json!({ "id": 3, "deep": false, "unit": "YEARS" }),
            json!({ "id": 3, "seniority": 8, "years": 8, "role": { "title": ["Engineer", "Lead"] } }),
        ),
    ];
    for (id, variables, _) in &cases {
        client.subscribe_with(id, json!({ "query": query, "operationName": "S", "variables": variables }));
    }
    wait_until_live(&stage.router, 2);
    assert_eq!(count(&stage.router, "triggers"), 1);
    stage.tell(3);
    for _ in &cases {
        let message = client.message();
        let (_, _, expected) = cases.iter().find(|it| message["id"] == it.0).expect("a known id");
        assert_eq!(message["payload"], json!({ "data": { "employeeUpdated": expected } }), "{message}");
    }
}

/// Variables beyond what the reactor takes on itself.
#[test]
fn large_variables_and_responses_pass() {
    let stage = Stage::start();
    let mut client = stage.client();
    let ids: Vec<String> = (0..4000).map(|it| it.to_string()).collect();
    let query = "subscription ($ids: [ID!]!) { someUpdated(first: $ids, second: []) { id } }";
    client.subscribe_with("ids", json!({ "query": query, "variables": { "ids": ids } }));
    wait_until_live(&stage.router, 1);
    for id in [4000, 3999, 0] {
        stage.publish("employees.updated", &employee(id));
    }
    assert_eq!(client.next("ids")["data"]["someUpdated"]["id"], 3999);
    assert_eq!(client.next("ids")["data"]["someUpdated"]["id"], 0);

    let text = "ü\"\n".repeat(30_000);
    let query = "mutation ($text: String!) { addNote(employeeID: 3, text: $text) { notes } }";
    client.subscribe_with("note", json!({ "query": query, "variables": { "text": text } }));
    assert_eq!(client.next("note"), json!({ "data": { "addNote": { "notes": text } } }));
    assert_eq!(client.message()["type"], "complete");
    listen(
        &stage.router,
        &mut client,
        "note",
        "subscription { employeeUpdated(employeeID: 3) { notes } }",
        2,
    );
    stage.tell(3);
    assert_eq!(client.next("note")["data"]["employeeUpdated"]["notes"], json!(text));
}

/// Subscriptions that come and go at once, connections that vanish: nothing stays behind.
#[test]
fn nothing_stays_behind() {
    let stage = Stage::start();
    stage.demo.products.behave(Behaviour::Delay(Duration::from_millis(5)));
    for round in 0..20 {
        let mut client = stage.client();
        for number in 0..10 {
            client.subscribe(
                &number.to_string(),
                &format!("subscription {{ employeeUpdated(employeeID: {number}) {{ notes }} }}"),
            );
            if number % 3 == 0 {
                client.complete(&number.to_string());
            }
        }
        client.subscribe("q", "{ products { name } }");
        stage.tell(round % 10);
    }
    support::live::wait_until_idle(&stage.router);
    let metrics = stage.router.metrics();
    for gauge in ["router_engine_connections", "router_engine_groups", "router_engine_resolvers_inflight"] {
        support::wait::wait_until(gauge, Duration::from_secs(20), || {
            stage.router.metrics().get(gauge) == 0.0
        });
    }
    assert_eq!(metrics.sum("router_engine_overflow_total"), 0.0);
    let mut client = stage.client();
    stage.listen(&mut client, "1", "subscription { employeeUpdated(employeeID: 3) { id notes } }", 1);
    stage.tell(3);
    assert_eq!(client.next("1")["data"]["employeeUpdated"]["id"], 3);
}

/// The admin port's publish takes what could be an event, and nothing else.
#[test]
fn admin_publish_says_what_is_wrong() {
    let stage = Stage::start();
    let publish = |path: &str, content_type: &str, body: &str| {
        let url = format!("{}/admin/publish/{path}", stage.router.admin_url());
        support::http::http("POST", &url, &[("Content-Type", content_type)], body).status
    };
    assert_eq!(publish("a.b", "application/json", "{}"), 202);
    assert_eq!(publish("a.b?provider=default", "application/json", "{}"), 202);
    for subject in ["a.*", "a.%3E", ">", "a..b", ".a", "a%20b"] {
        assert_eq!(publish(subject, "application/json", "{}"), 400, "{subject}");
    }
    assert_eq!(publish("a.b", "application/json", "nonsense"), 400);
    assert_eq!(publish("a.b", "text/plain", "{}"), 415);
    assert_eq!(publish("a.b?provider=nothing", "application/json", "{}"), 404);
}

/// Nesting without end, wherever JSON comes in, is refused or passed over; the router lives.
#[test]
fn deep_nesting_breaks_nothing() {
    const DEEP: usize = 100_000;
    let mut stage = Stage::start();
    let (open, close) = ("[".repeat(DEEP), "]".repeat(DEEP));
    let post = |url: &str, body: &str| {
        support::http::http("POST", url, &[("Content-Type", "application/json")], body)
    };
    let mut client = stage.client();
    stage.listen(&mut client, "1", "subscription { employeeUpdated(employeeID: 3) { id notes } }", 1);
    let url = format!("{}/admin/publish/employeeUpdated.3?provider=default", stage.router.admin_url());
    for event in [
        format!("{open}{close}"),
        open.clone(),
        format!(r#"{{"id":3,"more":{open}{close}}}"#),
        "{\"id\":".repeat(DEEP),
    ] {
        let status = post(&url, &event).status;
        assert!(matches!(status, 202 | 400), "{status}");
        if status == 202 {
            client.next("1");
        }
    }
    let url = stage.router.graphql_url().to_owned();
    for body in [
        open.clone(),
        format!(r#"{{"query":"{{ employees {{ id }} }}","variables":{{"a":{open}{close}}}}}"#),
        format!(r#"{{"query":"{{ employees {{ id }} }}","extensions":{{"a":{open}{close}}}}}"#),
        format!(r#"{{"query":"{{ employee(id: {open}{close}) {{ id }} }}"}}"#),
        format!(r#"{{"query":"{} id {}"}}"#, "{ a ".repeat(20_000), "}".repeat(20_000)),
    ] {
        let answer = post(&url, &body);
        assert!(answer.status < 500, "{}: {}", answer.status, &answer.body[..answer.body.len().min(200)]);
    }
    for text in [open.clone(), format!(r#"{{"type":"ping","payload":{{"a":{}}}}}"#, "[".repeat(DEEP))] {
        let mut victim = stage.client();
        victim.send_frame(tungstenite::Message::text(text));
        assert_eq!(victim.closed().0, 4400);
    }
    stage.demo.products.behave(Behaviour::Raw(format!(r#"{{"data":{{"_entities":[{open}{close}]}}}}"#)));
    stage.tell(3);
    assert_eq!(client.next("1")["data"]["employeeUpdated"], json!({ "id": 3, "notes": null }));
    assert!(stage.router.is_running());
}

/// The same value twice in a list of destinations is one of them.
#[test]
fn equal_destinations_are_one() {
    let stage = Stage::start();
    let mut client = stage.client();
    let query = r#"subscription { severalNoted(topics: ["7", 7, "8", "7"]) { id } }"#;
    stage.listen(&mut client, "1", query, 1);
    stage.publish("notes.7", &employee(1));
    stage.publish("notes.8", &employee(2));
    assert_eq!(client.next("1")["data"]["severalNoted"]["id"], 1);
    assert_eq!(client.next("1")["data"]["severalNoted"]["id"], 2);
    let swapped = r#"subscription { severalNoted(topics: [8, 7]) { id } }"#;
    stage.listen(&mut client, "2", swapped, 2);
    assert_eq!(count(&stage.router, "triggers"), 1, "their order does not matter");
}

/// A subgraph that was restarted is reached again, without an error for the connections that died.
#[test]
fn a_restarted_subgraph_costs_no_event() {
    let mut stage = Stage::start();
    let mut client = stage.client();
    stage.listen(&mut client, "1", "subscription { employeeUpdated(employeeID: 3) { id notes } }", 1);
    let expected = json!({ "data": { "employeeUpdated": { "id": 3, "notes": null } } });
    for _ in 0..3 {
        stage.tell(3);
        assert_eq!(client.next("1"), expected);
        stage.demo.restart_products();
        stage.tell(3);
        assert_eq!(client.next("1"), expected);
    }
}
