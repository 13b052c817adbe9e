//! What passes between clients and subgraphs: header rules, extensions, and how errors come back; over
//! HTTP, over WebSocket and for events.

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::{
    Demo,
    http::{HttpAnswer, http},
    live::{count, listen, wait_until_idle},
    router::Router,
    subgraph::{Behaviour, Recorded},
    wait::wait_until,
    ws::{Client, TRANSPORT_WS},
};

const PATIENCE: Duration = Duration::from_secs(20);
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn start(more: &str) -> (Demo, Router) {
    let demo = Demo::start();
    let router = Router::start(&demo.config(more));
    (demo, router)
}

fn post(router: &Router, body: &Value, headers: &[(&str, &str)]) -> HttpAnswer {
    let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
    http("POST", router.graphql_url(), &headers, &body.to_string())
}

fn sent(request: &Recorded, name: &str) -> Vec<String> {
    request.headers.get_all(name).iter().map(|it| it.to_str().expect("text").to_owned()).collect()
}

/// A query that both subgraphs answer a part of.
fn across() -> Value {
    json!({ "query": "{ employee(id: 1) { startYear notes } }" })
}

const RULES: &str = r#"
headers:
  all:
    request:
      - { op: propagate, named: Authorization }
      - { op: propagate, matching: "(?i)^X-Custom-" }
      - { op: set, name: X-Router, value: juga }
  groups:
    - { id: p, matching: "^prod", request: [{ op: propagate, named: X-Old, rename: X-New, default: none }] }
  subgraphs:
    products:
      request: [{ op: propagate, named: User-Agent }]
"#;

#[test]
fn requests_carry_what_rules_let_through() {
    let (demo, router) = start(RULES);
    let client = [
        ("Authorization", "me"),
        ("X-Custom-A", "1"),
        ("X-Custom-A", "2"),
        ("X-Secret", "no"),
        ("X-Old", "o"),
        ("Cookie", "session=1"),
        ("User-Agent", "client"),
    ];
    let answer = post(&router, &across(), &client);
    assert_eq!(answer.json()["errors"], Value::Null, "{answer:?}");
    let (employees, products) = (&demo.employees.requests()[0], &demo.products.requests()[0]);
    for request in [employees, products] {
        assert_eq!(sent(request, "authorization"), ["me"]);
        assert_eq!(sent(request, "x-custom-a"), ["1", "2"]);
        assert_eq!(sent(request, "x-router"), ["juga"]);
        assert_eq!(sent(request, "content-type"), ["application/json"]);
        for absent in ["x-secret", "x-old", "cookie"] {
            assert!(sent(request, absent).is_empty(), "{absent}");
        }
    }
    assert_eq!(sent(products, "user-agent"), ["client"]);
    assert_eq!(sent(employees, "user-agent"), [concat!("juga/", env!("CARGO_PKG_VERSION"))]);
    assert_eq!((sent(employees, "x-new"), sent(products, "x-new")), (vec![], vec!["o".to_owned()]));
}

#[test]
fn without_rules_nothing_passes() {
    let (demo, router) = start("");
    post(&router, &across(), &[("Authorization", "me"), ("Cookie", "a=b")]);
    for request in [&demo.employees.requests()[0], &demo.products.requests()[0]] {
        for absent in ["authorization", "cookie"] {
            assert!(sent(request, absent).is_empty(), "{absent}");
        }
    }
}

#[test]
fn subgraphs_headers_come_back_as_rules_say() {
    let (demo, router) = start(
        r#"
headers:
  all:
    response:
      - { op: propagate, named: X-Cost, algorithm: append }
      - { op: propagate, named: X-First, algorithm: first_write }
      - { op: propagate, named: X-Last, algorithm: last_write }
  router:
    response: [{ op: set, name: X-Served-By, value: juga }]
"#,
    );
    for (subgraph, value) in [(&demo.employees, "e"), (&demo.products, "p")] {
        for name in ["x-cost", "x-first", "x-last", "x-secret"] {
            subgraph.answer_with(name, value);
        }
    }
    let answer = post(&router, &across(), &[]);
    let got = ["x-cost", "x-first", "x-last", "x-secret", "x-served-by"].map(|it| answer.header(it));
    assert_eq!(got, ["e,p", "e", "p", "", "juga"], "{answer:?}");
}

/// However widely rules pass headers back, what describes the answer itself is the router's own to say.
#[test]
fn rules_do_not_speak_for_the_routers_own_answers() {
    let own = [
        ("access-control-allow-origin", "https://evil.example"),
        ("access-control-allow-credentials", "false"),
        ("access-control-expose-headers", "*"),
        ("content-language", "et"),
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("etag", "\"s\""),
        ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("server", "subgraph"),
        ("www-authenticate", "Basic"),
        ("x-request-id", "theirs"),
    ];
    let named: String = own
        .iter()
        .map(|(it, _)| format!("      - {{ op: propagate, named: {it}, algorithm: append }}\n"))
        .collect();
    let renamed = "      - { op: propagate, named: X-Free, rename: ETag, algorithm: last_write }
      - { op: propagate, named: X-Absent, rename: Server, default: absent, algorithm: last_write }
      - { op: set, name: Server, value: set }
      - { op: propagate, matching: \".*\", algorithm: append }
";
    let cors = "cors: { allow_origins: [\"https://page.example\"] }\n";
    for (rules, varies) in [
        ("      - { op: propagate, matching: \".*\", algorithm: last_write }\n", true),
        (
            "      - { op: propagate, matching: \"(?i)^X-Nothing$\", negate_match: true, algorithm: first_write }\n",
            true,
        ),
        (named.as_str(), false),
        (renamed, true),
    ] {
        let router_rules =
            "  router:\n    response: [{ op: set, name: Access-Control-Allow-Origin, value: \"*\" }]\n";
        let (demo, router) = start(&format!("{cors}headers:\n  all:\n    response:\n{rules}{router_rules}"));
        for (name, value) in own.iter().chain(&[("vary", "X-Tenant"), ("x-free", "1"), ("set-cookie", "a=b")])
        {
            demo.employees.answer_with(name, value);
        }
        let streams = ("Accept", "text/event-stream");
        for headers in
            [&[("Origin", "https://page.example")][..], &[("Origin", "https://page.example"), streams]]
        {
            let answer = post(&router, &across(), headers);
            assert_eq!(
                answer.all("access-control-allow-origin"),
                ["https://page.example"],
                "{rules}: {answer:?}"
            );
            for (name, value) in &own {
                assert!(!answer.all(name).contains(value), "{rules}: {name}: {answer:?}");
            }
            assert!(answer.all("date").len() == 1 && answer.all("x-request-id").len() == 1, "{answer:?}");
            for name in ["etag", "server", "last-modified", "www-authenticate", "content-language"] {
                assert!(answer.all(name).is_empty(), "{rules}: {name}: {answer:?}");
            }
            let vary = answer.all("vary").join(", ");
            assert!(vary.contains("Accept") && vary.contains("Origin"), "{rules}: {vary}");
            assert_eq!(vary.contains("X-Tenant"), varies, "{rules}: {vary}");
            let passed = if varies { vec!["a=b"] } else { vec![] };
            assert_eq!(answer.all("set-cookie"), passed, "other headers pass as before: {rules}");
        }
    }
}

/// What would break an answer's framing cannot be set on it.
#[test]
fn framing_headers_cannot_be_set_on_the_routers_answers() {
    let log = Router::refuse(
        &Demo::start()
            .config("headers: { router: { response: [{ op: set, name: Content-Length, value: \"3\" }] } }\n"),
    );
    assert!(log.contains("`content-length` is never set"), "{log}");
}

#[test]
fn a_rule_that_makes_no_sense_stops_the_start() {
    let demo = Demo::start();
    let config = demo.config("headers: { all: { request: [{ op: propagate, named: Connection }] } }\n");
    let log = Router::refuse(&config);
    assert!(log.contains("headers.all.request[0]: `connection` is never passed on"), "{log}");
}

/// Queries in flight are shared between those on whose behalf they are equal, and between nobody else.
#[test]
fn what_is_forwarded_decides_what_is_shared() {
    let (demo, router) = start(RULES);
    demo.employees.behave(Behaviour::Hang);
    let ask = |token: &'static str| {
        let url = router.graphql_url().to_owned();
        std::thread::spawn(move || {
            let body = json!({ "query": "{ employee(id: 1) { startYear } }" }).to_string();
            http("POST", &url, &[JSON, ("Authorization", token)], &body).json()
        })
    };
    let waiting: Vec<_> = ["a", "a", "b", "a"].into_iter().map(ask).collect();
    wait_until("all operations are under way", PATIENCE, || {
        demo.employees.request_count() == 2 && router.metrics().sum("router_engine_resolvers_inflight") == 4.0
    });
    demo.employees.behave(Behaviour::Answer);
    for answer in waiting {
        let answer = answer.join().expect("an answer");
        assert_eq!(answer["errors"], Value::Null, "{answer}");
    }
    let mut tokens: Vec<_> =
        demo.employees.requests().iter().flat_map(|it| sent(it, "authorization")).collect();
    tokens.sort();
    assert_eq!(tokens, ["a", "b"]);
}

#[test]
fn a_clients_extensions_reach_subgraphs() {
    let (demo, router) = start("");
    let mut request = across();
    request["extensions"] = json!({ "tenant": { "id": 7 }, "persistedQuery": { "version": 1 } });
    post(&router, &request, &[]);
    for request in [&demo.employees.requests()[0], &demo.products.requests()[0]] {
        assert_eq!(request.body["extensions"], json!({ "tenant": { "id": 7 } }));
    }
}

/// A query over WebSocket: the upgrade's headers count for rules; what of the upgrade and of
/// `connection_init` is let through comes as extensions.
#[test]
fn a_websocket_brings_its_upgrade_and_its_init_payload() {
    let (demo, router) = start(RULES);
    let url = format!("{}?Authorization=q&other=1", router.websocket_url());
    let headers = [("Authorization", "me"), ("X-Custom-A", "1"), ("X-Other", "2")];
    let mut client = Client::upgrade(&url, &[TRANSPORT_WS], &headers);
    client.send(&json!({ "type": "connection_init", "payload": { "token": "t" } }));
    assert_eq!(client.message(), json!({ "type": "connection_ack" }));
    client.subscribe_with(
        "1",
        json!({ "query": "{ employee(id: 1) { startYear } }", "extensions": { "a": 1 } }),
    );
    assert_eq!(client.message()["type"], "next");
    let request = &demo.employees.requests()[0];
    assert_eq!(sent(request, "authorization"), ["me"]);
    assert_eq!(sent(request, "x-custom-a"), ["1"]);
    assert!(sent(request, "sec-websocket-key").is_empty() && sent(request, "upgrade").is_empty());
    assert_eq!(
        request.body["extensions"],
        json!({
            "a": 1,
            "initialPayload": { "token": "t" },
            "upgradeHeaders": { "Authorization": "me" },
            "upgradeQueryParams": { "Authorization": "q" },
        })
    );
}

#[test]
fn websocket_forwarding_can_be_widened_and_switched_off() {
    for (keys, expected) in [
        (
            "forward_upgrade_headers: { allow_list: [] }, forward_upgrade_query_params: { allow_list: [\"^t\"] }",
            json!({
                "initialPayload": { "token": "t" },
                "upgradeHeaders": { "X-A": "1" },
                "upgradeQueryParams": { "tenant": "7" },
            }),
        ),
        (
            "forward_upgrade_headers: { enabled: false }, forward_upgrade_query_params: { enabled: false }, \
             forward_initial_payload: false",
            Value::Null,
        ),
    ] {
        let (demo, router) = start(&format!("websocket: {{ {keys} }}\n"));
        let url = format!("{}?tenant=7&other=1", router.websocket_url());
        let mut client = Client::upgrade(&url, &[TRANSPORT_WS], &[("X-A", "1")]);
        client.send(&json!({ "type": "connection_init", "payload": { "token": "t" } }));
        assert_eq!(client.message(), json!({ "type": "connection_ack" }));
        client.subscribe("1", "{ employee(id: 1) { startYear } }");
        assert_eq!(client.message()["type"], "next");
        assert_eq!(demo.employees.requests()[0].body["extensions"], expected, "{keys}");
    }
}

/// Event subscriptions share their fetches: a client's headers go on them only where a rule says so, and
/// then they are part of the group's key; its extensions never do.
#[test]
fn events_carry_headers_by_rule_and_extensions_never() {
    const QUERY: &str = "subscription { employeeUpdated(employeeID: 3) { startYear } }";
    for (rules, groups, tokens) in [("", 1, vec![]), (RULES, 2, vec!["a", "b"])] {
        let (demo, router) = start(rules);
        let mut clients = Vec::new();
        for (index, token) in ["a", "b", "a"].into_iter().enumerate() {
            let headers = [("Authorization", token)];
            let mut client = Client::upgrade(&router.websocket_url(), &[TRANSPORT_WS], &headers);
            client.send(&json!({ "type": "connection_init", "payload": { "token": index } }));
            assert_eq!(client.message(), json!({ "type": "connection_ack" }));
            listen(&router, &mut client, "1", QUERY, index as u64 + 1);
            clients.push(client);
        }
        assert_eq!((count(&router, "triggers"), count(&router, "groups")), (1, groups), "{rules}");
        router.publish("employeeUpdated.3", &json!({ "__typename": "Employee", "id": 3 }));
        for client in &mut clients {
            assert_eq!(client.message()["payload"]["errors"], Value::Null);
        }
        let requests = demo.employees.requests();
        assert_eq!(requests.len() as u64, groups);
        let mut sent: Vec<_> = requests.iter().flat_map(|it| sent(it, "authorization")).collect();
        sent.sort();
        assert_eq!(sent, tokens);
        assert!(requests.iter().all(|it| it.body["extensions"].is_null()));
        drop(clients);
        wait_until_idle(&router);
    }
}

#[test]
fn a_query_whose_client_leaves_is_taken_back_and_a_mutation_is_not() {
    let (demo, router) = start("");
    demo.employees.behave(Behaviour::Hang);
    let tasks = || router.metrics().sum("router_engine_resolvers_inflight");
    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("q", "{ employee(id: 1) { startYear } }");
    wait_until("the query is under way", PATIENCE, || demo.employees.request_count() == 1);
    client.complete("q");
    wait_until("it is given up", PATIENCE, || tasks() == 0.0);

    client.subscribe("m", "mutation { renameEmployee(id: 1, forename: \"Ada\") { id } }");
    wait_until("the mutation is under way", PATIENCE, || demo.employees.request_count() == 2);
    drop(client);
    wait_until("its client is gone", PATIENCE, || router.metrics().sum("router_engine_connections") == 0.0);
    assert_eq!(tasks(), 1.0);
    demo.employees.behave(Behaviour::Answer);
    wait_until("it is carried out to its end", PATIENCE, || tasks() == 0.0);
    let renamed =
        post(&router, &json!({ "query": "{ employee(id: 1) { details { forename } } }" }), &[]).json();
    assert_eq!(renamed["data"]["employee"]["details"]["forename"], "Ada");
}

#[test]
fn errors_of_subgraphs_come_back_as_configured() {
    let raw = json!({
        "errors": [{ "message": "no", "path": ["lead"], "extensions": { "code": "NOPE", "trace": "t" } }],
        "data": { "lead": null },
    });
    let query = json!({ "query": "{ mine: lead { id } }" });
    for (keys, expected) in [
        (
            "",
            json!([{
                "message": "Failed to fetch from Subgraph 'employees'.",
                "extensions": {
                    "code": "DOWNSTREAM_SERVICE_ERROR",
                    "serviceName": "employees",
                    "errors": [{ "message": "no", "path": ["mine"], "extensions": { "code": "NOPE", "serviceName": "employees" } }],
                },
            }]),
        ),
        (
            "mode: pass-through, allow_all_extension_fields: true, propagate_status_codes: true",
            json!([{
                "message": "no",
                "path": ["mine"],
                "extensions": { "code": "NOPE", "trace": "t", "serviceName": "employees", "statusCode": 200 },
            }]),
        ),
        (
            "enabled: false",
            json!([{ "message": "Failed to fetch from Subgraph.", "extensions": { "code": "DOWNSTREAM_SERVICE_ERROR" } }]),
        ),
    ] {
        let (demo, router) = start(&format!("subgraph_error_propagation: {{ {keys} }}\n"));
        demo.employees.behave(Behaviour::Raw(raw.to_string()));
        let answer = post(&router, &query, &[]).json();
        assert_eq!(answer, json!({ "errors": expected, "data": { "mine": null } }), "{keys}");
    }
}

/// Every request to a subgraph names the one it is for, and carries its trace on; what names it does not
/// keep equal queries apart.
#[test]
fn subgraphs_learn_the_requests_id_and_trace() {
    let (demo, router) = start("");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let client = [("X-Request-Id", "mine"), ("traceparent", trace), ("tracestate", "a=1")];
    let answer = post(&router, &across(), &client);
    assert_eq!(answer.header("x-request-id"), "mine");
    for request in [&demo.employees.requests()[0], &demo.products.requests()[0]] {
        assert_eq!(sent(request, "x-request-id"), ["mine"]);
        assert_eq!(
            (sent(request, "traceparent"), sent(request, "tracestate")),
            (vec![trace.into()], vec!["a=1".into()])
        );
    }
    let made = post(&router, &across(), &[]);
    let last = demo.employees.requests().pop().expect("a request");
    assert_eq!(sent(&last, "x-request-id"), [made.header("x-request-id")]);
    assert!(sent(&last, "traceparent").is_empty(), "none is made up");

    demo.employees.forget_requests();
    demo.employees.behave(Behaviour::Hang);
    let ask = |id: &'static str| {
        let url = router.graphql_url().to_owned();
        let body = json!({ "query": "{ employee(id: 1) { startYear } }" }).to_string();
        std::thread::spawn(move || http("POST", &url, &[JSON, ("X-Request-Id", id)], &body).status)
    };
    let waiting = ["a", "b"].map(ask);
    wait_until("both are under way", PATIENCE, || {
        router.metrics().sum("router_engine_resolvers_inflight") == 2.0
    });
    demo.employees.behave(Behaviour::Answer);
    assert_eq!(waiting.map(|it| it.join().expect("an answer")), [200, 200]);
    assert_eq!(demo.employees.request_count(), 1);
}

#[test]
fn plans_are_shown_to_developers_who_ask() {
    let (_demo, router) = start("dev_mode: true\n");
    assert_eq!(post(&router, &across(), &[]).json()["extensions"], Value::Null);
    for header in ["X-WG-Include-Query-Plan", "Apollo-Expose-Query-Plan"] {
        let answer = post(&router, &across(), &[(header, "true")]).json();
        let plan = answer["extensions"]["queryPlan"].to_string();
        assert!(
            plan.contains("employees") && plan.contains("products") && plan.contains("_entities"),
            "{plan}"
        );
        assert!(answer["data"]["employee"].is_object(), "{answer}");
    }
    let (_demo, router) = start("");
    let answer = post(&router, &across(), &[("Apollo-Expose-Query-Plan", "true")]).json();
    assert_eq!(answer["extensions"], Value::Null, "in production nobody is told");
}
