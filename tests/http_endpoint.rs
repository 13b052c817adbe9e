//! GraphQL over HTTP from outside: methods, media types, status codes, health, introspection, mutations.

mod support;

use serde_json::{Value, json};
use support::{
    Demo,
    http::{HttpAnswer, http, percent_encoded},
    http_stream::{EVENTS, HttpStream},
    live::count,
    router::Router,
    subgraph::Behaviour,
};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const NEWER: &str = "application/graphql-response+json";

fn start() -> (Demo, Router) {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    (demo, router)
}

fn get(router: &Router, query: &str, headers: &[(&str, &str)]) -> HttpAnswer {
    http("GET", &format!("{}?query={}", router.graphql_url(), percent_encoded(query)), headers, "")
}

fn post(router: &Router, query: &str, headers: &[(&str, &str)]) -> HttpAnswer {
    let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
    http("POST", router.graphql_url(), &headers, &json!({ "query": query }).to_string())
}

/// The public address without the path.
fn root(router: &Router) -> String {
    router.graphql_url().trim_end_matches("/graphql").to_owned()
}

#[test]
fn queries_by_get_and_post() {
    let (_demo, router) = start();
    let expected = json!({ "data": { "employee": { "id": 3, "seniority": 8 } } });
    let query = "query Q($id: Int = 3) { employee(id: $id) { id seniority } }";
    for answer in [get(&router, query, &[]), post(&router, query, &[])] {
        assert_eq!((answer.status, answer.json()), (200, expected.clone()));
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(answer.header("vary"), "Accept");
    }
    let variables = percent_encoded(r#"{"id":3}"#);
    let query = percent_encoded(
        "query A { employees { id } } query B($id: Int!) { employee(id: $id) { id seniority } }",
    );
    let url = format!("{}?operationName=B&variables={variables}&query={query}", router.graphql_url());
    let answer = http("GET", &url, &[], "");
    assert_eq!((answer.status, answer.json()), (200, expected));
}

/// The newer media type carries its own status codes, the older one says 200.
#[test]
fn media_types_and_status_codes() {
    let (_demo, router) = start();
    for (accept, content_type, invalid) in [
        ("*/*", "application/json; charset=utf-8", 200),
        ("application/json", "application/json; charset=utf-8", 200),
        (NEWER, "application/graphql-response+json; charset=utf-8", 400),
        (
            "application/graphql-response+json, application/json;q=0.9",
            "application/graphql-response+json; charset=utf-8",
            400,
        ),
        ("application/graphql-response+json;q=0.1, application/json", "application/json; charset=utf-8", 200),
    ] {
        let answer = post(&router, "{ employee(id: 1) { id } }", &[("Accept", accept)]);
        assert_eq!((answer.status, answer.header("content-type")), (200, content_type), "{accept}");
        let answer = post(&router, "{ nobody }", &[("Accept", accept)]);
        assert_eq!((answer.status, answer.header("content-type")), (invalid, content_type), "{accept}");
        assert!(answer.json().get("data").is_none(), "nothing was executed: {answer:?}");
    }
    assert_eq!(post(&router, "{ employees { id } }", &[("Accept", "image/png")]).status, 406);
    let typed = |content_type| {
        http(
            "POST",
            router.graphql_url(),
            &[("Content-Type", content_type)],
            r#"{"query":"{ employees { id } }"}"#,
        )
        .status
    };
    assert_eq!(typed("application/json; charset=utf-8"), 200);
    assert_eq!(typed("text/plain"), 415);
    assert_eq!(typed("application/json; charset=latin1"), 415);
}

#[test]
fn what_is_no_request_is_a_400() {
    let (_demo, router) = start();
    for body in
        [" ", "nonsense", "[]", "{}", r#"{"query":7}"#, r#"{"query":"{ employees { id } }","variables":7}"#]
    {
        let answer = http("POST", router.graphql_url(), &[JSON], body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        assert!(answer.json()["errors"][0]["message"].is_string(), "{body}: {answer:?}");
    }
    assert_eq!(http("GET", router.graphql_url(), &[], "").status, 400);
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = http(method, router.graphql_url(), &[JSON], "{}");
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, POST"), "{method}");
    }
}

/// Errors say where in the document they are, and execution's where in the response.
#[test]
fn errors_have_locations_and_paths() {
    let (demo, router) = start();
    let answer = post(&router, "query {\n  employees { id }\n  nobody\n}", &[]).json();
    assert_eq!(answer["errors"][0]["locations"], json!([{ "line": 3, "column": 3 }]), "{answer}");
    assert!(answer["errors"][0]["message"].as_str().is_some_and(|it| it.contains("\"nobody\"")), "{answer}");
    let answer = post(&router, "{ employees { id }", &[]).json();
    assert!(answer["errors"][0]["message"].is_string(), "{answer}");
    assert!(answer["errors"][0]["locations"][0]["line"].is_number(), "{answer}");

    demo.employees.fail_entities(json!({}), "Broken.");
    demo.products.behave(Behaviour::Status(500));
    let answer = post(&router, "{ them: employees { id note: notes } }", &[]);
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["data"]["them"][0], json!({ "id": 1, "note": null }), "{answer}");
    assert_eq!(answer["errors"][0]["path"][0], "them", "{answer}");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "DOWNSTREAM_SERVICE_ERROR", "{answer}");
}

/// Each is refused, and is refused the second time too, when it is known.
#[test]
fn invalid_documents_are_refused_every_time() {
    let (demo, router) = start();
    for query in [
        "{ employees { id } } fragment F on Employee { id }",
        "{ employees { id @skip(if: true, unless: false) } }",
        "{ employees { id @nothing } }",
        "query A { employees { id } } query B { employees { id } }",
        "query A { employees { id } } query A { employees { id } }",
        "query ($unused: Int) { employees { id } }",
        "{ employees { ...F } } fragment F on Employee { ...F }",
        "{ employees { details } }",
        "{ employee(id: \"x\") { id } }",
        "{ employee { id } }",
    ] {
        for _ in 0..2 {
            let answer = post(&router, query, &[("Accept", NEWER)]);
            assert_eq!(answer.status, 400, "{query}: {answer:?}");
            assert!(answer.json()["errors"][0]["message"].is_string(), "{query}: {answer:?}");
        }
    }
    assert_eq!(demo.employees.request_count(), 0);
}

/// Another path, no WebSockets.
#[test]
fn the_path_and_websockets_are_configurable() {
    let demo = Demo::start();
    let router = Router::start(&demo.config("graphql_path: /api/gql\nwebsocket: { enabled: false }"));
    assert!(router.graphql_url().ends_with("/api/gql"), "{}", router.graphql_url());
    assert_eq!(post(&router, "{ employee(id: 1) { id } }", &[]).status, 200);
    let elsewhere = router.graphql_url().replace("/api/gql", "/graphql");
    assert_eq!(http("POST", &elsewhere, &[JSON], "{}").status, 404);
    let upgrade = support::ws::Client::try_upgrade(&router.websocket_url(), &["graphql-transport-ws"], &[]);
    assert!(matches!(upgrade, Err(tungstenite::Error::Http(answer)) if answer.status() == 400));
}

#[test]
fn mutations_need_post_and_run_one_after_the_other() {
    let (demo, router) = start();
    let answer = get(&router, r#"mutation { addNote(employeeID: 1, text: "x") { id } }"#, &[]);
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{answer:?}");
    assert_eq!(demo.products.request_count(), 0, "nothing was done");

    // Two graphs in turn; each mutation's own fetches come before the next mutation.
    let query = r#"mutation {
        a: addNote(employeeID: 1, text: "one") { notes details { forename } }
        b: renameEmployee(id: 1, forename: "Anna") { details { forename } notes }
        c: addNote(employeeID: 1, text: "two") { notes details { forename } }
        d: renameEmployee(id: 1, forename: "Anu") { details { forename } notes }
    }"#;
    let answer = post(&router, query, &[]);
    assert_eq!(
        answer.body,
        concat!(
            r#"{"data":{"a":{"notes":"one","details":{"forename":"Anu"}},"#,
            r#""b":{"details":{"forename":"Anna"},"notes":"one"},"#,
            r#""c":{"notes":"two","details":{"forename":"Anna"}},"#,
            r#""d":{"details":{"forename":"Anu"},"notes":"two"}}}"#
        )
    );
}

/// A subscription needs a connection that stays open; the answer says so.
#[test]
fn subscriptions_over_plain_http_are_refused() {
    let (_demo, router) = start();
    let query = "subscription { employeeUpdated(employeeID: 1) { id } }";
    let answer = post(&router, query, &[]);
    assert_eq!(answer.status, 406, "{answer:?}");
    assert!(
        answer.json()["errors"][0]["message"].as_str().is_some_and(|it| it.contains("WebSocket")),
        "{answer:?}"
    );
    assert_eq!(get(&router, query, &[]).status, 405);
    assert_eq!(count(&router, "triggers"), 0);
}

#[test]
fn health_on_both_listeners_and_nothing_elsewhere() {
    let (_demo, router) = start();
    for base in [root(&router), router.admin_url().to_owned()] {
        for path in ["/health", "/health/live", "/health/ready", "/readiness", "/health?ready"] {
            let answer = http("GET", &format!("{base}{path}"), &[], "");
            assert_eq!((answer.status, answer.json()["status"].clone()), (200, json!("UP")), "{base}{path}");
        }
        for path in ["/nothing", "/graphql/", "/graphqlx", "/health/nothing", "/%2e%2e/etc/passwd"] {
            assert_eq!(http("GET", &format!("{base}{path}"), &[], "").status, 404, "{base}{path}");
        }
    }
    for path in ["/metrics", "/debug/state", "/debug/pprof/heap"] {
        let answer = http("GET", &format!("{}{path}", root(&router)), &[], "");
        assert_eq!(answer.status, 404, "the admin port's paths are not public: {path}");
    }
}

fn schema_of(router: &Router) -> Value {
    let query = "{ __schema {
        queryType { name } mutationType { name } subscriptionType { name fields { name args { name type { kind ofType { name } } } } }
        types { name kind fields(includeDeprecated: true) { name isDeprecated deprecationReason } enumValues { name } possibleTypes { name } }
        directives { name } } }";
    post(router, query, &[]).json()["data"]["__schema"].clone()
}

/// The schema that clients see: whole, without what is inaccessible and without federation's insides.
#[test]
fn introspection_shows_the_clients_schema() {
    let (_demo, router) = start();
    let schema = schema_of(&router);
    assert_eq!(schema["queryType"]["name"], "Query");
    assert_eq!(schema["subscriptionType"]["name"], "Subscription");
    let text = schema.to_string();
    for hidden in
        ["payrollNumber", "SECRET", "join__", "edfs__nats", "openfed__", "_Entity", "_Any", "inaccessible"]
    {
        assert!(!text.contains(hidden), "{hidden} is visible");
    }
    for shown in ["employeeUpdated", "edfs__PublishResult", "seniority", "Ask the front desk."] {
        assert!(text.contains(shown), "{shown} is missing");
    }
    let answer = post(
        &router,
        "{ __typename t: __type(name: \"Release\") { possibleTypes { name } } employee(id: 1) { __typename } }",
        &[],
    );
    assert_eq!(
        answer.json()["data"],
        json!({ "__typename": "Query", "t": { "possibleTypes": [{ "name": "Product" }, { "name": "Service" }] }, "employee": { "__typename": "Employee" } })
    );
}

#[test]
fn introspection_can_be_turned_off() {
    let demo = Demo::start();
    let router = Router::start(&demo.config("introspection: { enabled: false }"));
    for query in [
        "{ __schema { queryType { name } } }",
        "{ __type(name: \"Query\") { name } }",
        "{ employee(id: 1) { id } ... on Query { ...F } } fragment F on Query { ... { it: __schema { queryType { name } } } }",
    ] {
        let answer = post(&router, query, &[("Accept", NEWER)]);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.json()["errors"][0]["extensions"]["code"], "INTROSPECTION_DISABLED", "{answer:?}");
        assert!(answer.json().get("data").is_none(), "{answer:?}");
    }
    let answer = post(&router, "{ __typename employee(id: 1) { __typename } }", &[]);
    assert_eq!(
        answer.json()["data"],
        json!({ "__typename": "Query", "employee": { "__typename": "Employee" } })
    );
}

/// A body beyond the limit, and a document beyond its limits.
#[test]
fn sizes_are_limited() {
    let demo = Demo::start();
    let router = Router::start(&demo.config("traffic_shaping: { router: { max_request_body_size: 10KB } }\nlimits: { operation: { depth: 3, aliases: 2 } }"));
    let answer = post(&router, &format!("{{ employees {{ id }} }} #{}", "x".repeat(10_000)), &[]);
    assert_eq!(answer.status, 413, "{answer:?}");
    for query in [
        "{ employees { details { location { city } } } }",
        "{ a: employees { id } b: employees { id } c: employees { id } }",
    ] {
        let answer = post(&router, query, &[("Accept", NEWER)]);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(demo.employees.request_count(), 0);
    }
}

/// A client that asks whether it may send a hash instead of the text learns that it may not, in the words by which
/// client libraries switch that off.
#[test]
fn persisted_queries_are_declined_in_the_words_that_clients_know() {
    let (_demo, router) = start();
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": "0".repeat(64) } });
    let body = json!({ "operationName": "Q", "variables": {}, "extensions": extensions });
    let expected = json!({
        "message": "PersistedQueryNotSupported",
        "extensions": { "code": "PERSISTED_QUERY_NOT_SUPPORTED" },
    });
    let by_get = format!("{}?extensions={}", router.graphql_url(), percent_encoded(&extensions.to_string()));
    for accept in ["*/*", "application/json", NEWER] {
        let headers = [JSON, ("Accept", accept)];
        for body in [body.clone(), json!({ "query": "", "extensions": extensions })] {
            let answer = http("POST", router.graphql_url(), &headers, &body.to_string());
            assert_eq!((answer.status, &answer.json()["errors"]), (200, &json!([expected])), "{answer:?}");
            assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
        }
        let answer = http("GET", &by_get, &[("Accept", accept)], "");
        assert_eq!((answer.status, &answer.json()["errors"]), (200, &json!([expected])), "{answer:?}");
    }
    let mut events = HttpStream::open("POST", router.graphql_url(), EVENTS, &body.to_string());
    assert_eq!(events.result()["errors"], json!([expected]));
    events.complete();

    let text = "{ employee(id: 1) { id } }";
    let both = json!({ "query": text, "extensions": extensions }).to_string();
    let answer = http("POST", router.graphql_url(), &[JSON], &both);
    assert_eq!(
        answer.json(),
        json!({ "data": { "employee": { "id": 1 } } }),
        "a text that comes along is taken"
    );
    let other = json!({ "extensions": { "other": 1, "persistedQuery": null } }).to_string();
    let answer = http("POST", router.graphql_url(), &[JSON], &other);
    assert_eq!(
        (answer.status, &answer.json()["errors"][0]["extensions"]["code"]),
        (400, &json!("BAD_REQUEST"))
    );
}

/// RFC 9112, section 3.2: of HTTP/1.1, a request says once whom it is for.
#[test]
fn requests_without_one_host_are_refused() {
    use std::io::{Read, Write};
    let (_demo, router) = start();
    let ask = |url: &str, request: &str| {
        let mut socket = std::net::TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
        socket.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer, and the end of the connection");
        answer
    };
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n";
    let query = "GET /graphql?query=%7Bemployees%7Bid%7D%7D HTTP/1.1\r\n";
    for hosts in [
        "",
        "Host: a\r\nHost: b\r\n",
        "Host: a\r\nHost: a\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host:\r\n",
    ] {
        for (url, request) in [
            (root(&router), format!("{query}{hosts}Connection: close\r\n\r\n")),
            (root(&router), format!("GET /health HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")),
            (root(&router), format!("GET /graphql HTTP/1.1\r\n{hosts}{upgrade}\r\n")),
            (
                router.admin_url().to_owned(),
                format!("GET /health HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"),
            ),
        ] {
            let answer = ask(&url, &request);
            assert!(answer.starts_with("HTTP/1.1 400 "), "{request}: {answer}");
        }
    }
    for url in [root(&router), router.admin_url().to_owned()] {
        let answer = ask(&url, "GET /health HTTP/1.0\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.0 200 "), "HTTP/1.0 has no such header: {answer}");
    }
    assert_eq!(router.metrics().get("router_connections_refused_total{cause=\"head\"}"), 18.0);
}

/// Headers and bodies in whatever pieces, several requests on one connection.
#[test]
fn connections_are_kept_and_requests_may_come_in_pieces() {
    use std::io::{Read, Write};
    let (_demo, router) = start();
    let address = root(&router).trim_start_matches("http://").to_owned();
    let mut socket = std::net::TcpStream::connect(&address).expect("the router listens");
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
    socket.set_nodelay(true).expect("a socket");
    let body = r#"{"query":"{ employee(id: 1) { id } }"}"#;
    let head = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer_ends = br#"{"data":{"employee":{"id":1}}}"#;
    for _ in 0..3 {
        for piece in request.as_bytes().chunks(7) {
            socket.write_all(piece).expect("the router reads");
        }
        let mut answer = Vec::new();
        while !answer.ends_with(answer_ends) {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("an answer in time");
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
}
