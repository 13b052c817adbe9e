//! What the configuration says about HTTP, from outside: batches, other origins, blocked kinds of operations,
//! compression, sizes, the access log.

mod support;

use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};
use support::{
    Demo,
    http::{HttpAnswer, http, percent_encoded},
    router::Router,
    subgraph::Behaviour,
    wait::wait_for,
    ws::{Client, PATIENCE},
};

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

fn employee(id: u32) -> Value {
    json!({ "query": "query One($id: Int!) { employee(id: $id) { id } }", "variables": { "id": id } })
}

#[test]
fn batches_are_answered_in_order_and_bounded() {
    let (demo, router) = start("batching: { enabled: true, max_entries_per_batch: 4 }");
    let subscription = json!({ "query": "subscription { employeeUpdated(employeeID: 1) { id } }" });
    let answer =
        post(&router, &json!([employee(3), subscription, { "query": "{ nobody }" }, employee(1)]), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    let answers = answer.json();
    assert_eq!(answers[0], json!({ "data": { "employee": { "id": 3 } } }));
    assert_eq!(
        answers[1]["errors"],
        json!([{
            "message": "Subscriptions aren't supported in batch operations",
            "extensions": { "code": "BATCHING_SUBSCRIPTION_UNSUPPORTED" }
        }])
    );
    assert_eq!(answers[2]["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{answers}");
    assert_eq!(answers[3], json!({ "data": { "employee": { "id": 1 } } }));

    let asked = demo.employees.request_count();
    let answer =
        post(&router, &json!([employee(1), employee(2), employee(3), employee(1), employee(2)]), &[]);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.json()["errors"][0]["extensions"]["code"], "BATCH_LIMIT_EXCEEDED");
    assert_eq!(demo.employees.request_count(), asked, "nothing was carried out");
}

#[test]
fn batches_are_off_without_the_key() {
    let (_demo, router) = start("");
    let answer = post(&router, &json!([employee(1)]), &[]);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.json()["errors"][0]["extensions"]["code"], "BATCHING_NOT_ENABLED");
}

#[test]
fn origins_are_judged_as_configured() {
    let (_demo, router) =
        start("cors: { allow_origins: [\"https://*.example\"], allow_headers: [X-Mine], max_age: 1m }");
    let app = ("Origin", "https://app.example");
    let asks = [app, ("Access-Control-Request-Method", "POST")];
    let preflight = http("OPTIONS", router.graphql_url(), &asks, "");
    assert_eq!(preflight.status, 204, "{preflight:?}");
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-methods", "HEAD, GET, POST"),
        ("access-control-allow-headers", "X-Mine"),
        ("access-control-allow-credentials", "true"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(preflight.header(name), value, "{name}");
    }
    assert_eq!(post(&router, &employee(1), &[app]).header("access-control-allow-origin"), app.1);
    let evil = ("Origin", "https://evil");
    assert_eq!(post(&router, &employee(1), &[evil]).status, 403);
    let query = format!("{}?query={}", router.graphql_url(), percent_encoded("{ employees { id } }"));
    assert_eq!(http("GET", &query, &[evil], "").status, 403, "queries by GET pass the same rule");
    assert!(Client::try_upgrade(&router.websocket_url(), &["graphql-transport-ws"], &[evil]).is_err());
}

#[test]
fn every_origin_may_come_by_default_but_without_credentials() {
    let (_demo, router) = start("");
    let answer = post(&router, &employee(1), &[("Origin", "https://any")]);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let (_demo, router) = start("cors: { enabled: false }");
    let answer = post(&router, &employee(1), &[("Origin", "https://any")]);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, ""));
}

/// As long as Cosmo lets them be, unless the configuration says otherwise. Names go to logs and subgraphs.
#[test]
fn names_of_operations_have_a_bound() {
    let named = |length: usize| json!({ "query": format!("query {} {{ __typename }}", "n".repeat(length)) });
    for (more, bound) in [("", 512), ("security: { operation_name_length_limit: 8 }", 8)] {
        let (_demo, router) = start(more);
        assert_eq!(post(&router, &named(bound), &[]).json(), json!({ "data": { "__typename": "Query" } }));
        for _ in 0..2 {
            let answer = post(&router, &named(bound + 1), &[]).json();
            let expected = json!([{
                "message": format!("the name of the operation has {} bytes; {bound} are allowed", bound + 1),
                "extensions": { "code": "OPERATION_LIMIT_EXCEEDED" }
            }]);
            assert_eq!(answer, json!({ "errors": expected }));
        }
    }
    let (_demo, router) = start("security: { operation_name_length_limit: 0 }");
    assert_eq!(post(&router, &named(5000), &[]).json(), json!({ "data": { "__typename": "Query" } }));
}

/// Over HTTP and WebSocket, and the second time too, when the operation is known.
#[test]
fn kinds_of_operations_can_be_blocked() {
    let mutation = r#"mutation { addNote(employeeID: 1, text: "x") { id } }"#;
    let subscription = "subscription { employeeUpdated(employeeID: 1) { id } }";
    for (rule, blocked, allowed, kind) in [
        ("block_mutations", mutation, subscription, "mutation"),
        ("block_subscriptions", subscription, mutation, "subscription"),
    ] {
        let (demo, router) = start(&format!("security: {{ {rule}: {{ enabled: true }} }}"));
        let expected = json!([{
            "message": format!("operation type '{kind}' is blocked"),
            "extensions": { "code": "OPERATION_BLOCKED" }
        }]);
        let mut client = Client::connect(&router.websocket_url());
        for id in ["one", "two"] {
            let answer = post(&router, &json!({ "query": blocked }), &[]);
            assert_eq!(answer.json(), json!({ "errors": expected }), "{rule}");
            client.subscribe(id, blocked);
            let told = client.message();
            assert_eq!(
                (&told["type"], &told["id"], &told["payload"]),
                (&json!("error"), &json!(id), &expected)
            );
        }
        assert_eq!(demo.products.request_count(), 0, "nothing was done");
        assert_eq!(support::live::count(&router, "triggers"), 0);
        let answer = post(&router, &json!({ "query": allowed }), &[]);
        assert!(!answer.body.contains("OPERATION_BLOCKED"), "{rule}: {answer:?}");
        assert_eq!(post(&router, &employee(1), &[]).json()["data"]["employee"]["id"], 1);
    }
}

/// `curl --compressed` asks for it and takes it apart; `--write-out` tells what went over the wire.
#[test]
fn curl_takes_compressed_answers() {
    let (_demo, router) = start("traffic_shaping: { router: { response_compression_min_size: 1KiB } }");
    let fields = "name kind description fields { name description }";
    let query = format!("{{ __schema {{ types {{ {fields} }} }} }}");
    let whole = post(&router, &json!({ "query": query }), &[]);
    assert!(whole.body.len() > 1024, "{}", whole.body.len());
    for coding in ["gzip", "br"] {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--compressed", "--write-out", "\n%{size_download}"])
            .args(["--header", &format!("Accept-Encoding: {coding}")])
            .args(["--json", &json!({ "query": query }).to_string(), router.graphql_url()])
            .output()
            .expect("curl is installed");
        let said = String::from_utf8(output.stdout).expect("a text");
        let (body, bytes) = said.rsplit_once('\n').expect("two parts");
        assert_eq!(body, whole.body, "{coding}");
        let bytes: usize = bytes.parse().expect("a count");
        assert!(bytes < whole.body.len() / 2, "{coding}: {bytes} of {}", whole.body.len());
    }
}

/// The strictest of what all subgraphs of an answer said.
#[test]
fn caches_are_told_the_strictest_of_all_subgraphs() {
    let (demo, router) = start(
        "cache_control_policy: { enabled: true, value: \"max-age=300, public\", \
         subgraphs: [{ name: products, value: \"max-age=100, public\" }] }",
    );
    let both = "{ employee(id: 1) { id notes } }";
    let told =
        |query: &str| post(&router, &json!({ "query": query }), &[]).header("cache-control").to_owned();
    assert_eq!(told("{ employee(id: 1) { id } }"), "max-age=300, public");
    assert_eq!(told(both), "max-age=100, public");
    demo.employees.answer_with("Cache-Control", "max-age=20, private");
    assert_eq!(told(both), "max-age=20, private");
    demo.products.answer_with("Cache-Control", "no-store");
    assert_eq!(told(both), "no-store");
    assert_eq!(told("{ employee(id: 1) { id } }"), "max-age=20, private");
    assert_eq!(told(r#"mutation { renameEmployee(id: 1, forename: "Anu") { id } }"#), "no-store");
    demo.employees.behave(Behaviour::Status(500));
    assert_eq!(told("{ employee(id: 1) { id } }"), "no-store", "an answer with errors");
}

/// Each limit of `traffic_shaping.router` that takes a client's patience or another client to reach.
#[test]
fn clients_are_bounded_in_number_time_and_bytes() {
    let limits = |more: &str| start(&format!("traffic_shaping: {{ router: {{ {more} }} }}"));
    let connect = |router: &Router, sent: &str| {
        let address = router.graphql_url().trim_start_matches("http://").trim_end_matches("/graphql");
        let mut socket = TcpStream::connect(address).expect("the router listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        socket.write_all(sent.as_bytes()).expect("the router reads");
        socket
    };
    let answer = |mut socket: TcpStream| {
        let mut answer = String::new();
        _ = socket.read_to_string(&mut answer);
        answer
    };
    let head =
        "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n";

    let (_demo, router) = limits("read_body_timeout: 50ms");
    let said = answer(connect(&router, &format!("{head}\r\n{{")));
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");

    let (_demo, router) = limits("read_header_timeout: 50ms");
    assert_eq!(answer(connect(&router, "")), "", "closed without a word");

    let (_demo, router) = limits("max_request_bodies_total: 50");
    let said = answer(connect(&router, &format!("{head}\r\n{}", " ".repeat(100))));
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");

    let (_demo, router) = limits("max_connections: 1");
    let mut first = connect(&router, &format!("{head}Expect: 100-continue\r\n\r\n"));
    first.read_exact(&mut [0; 25]).expect("it is served");
    let said = answer(connect(&router, &format!("{head}\r\n")));
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
}

/// Whoever looks after the router sees there what clients see, refusals included. Probes of health do not count.
#[test]
fn requests_are_counted_by_the_status_of_their_answer() {
    let (_demo, router) =
        start("traffic_shaping: { router: { max_request_body_size: 2KB, read_body_timeout: 50ms } }");
    let counted = |router: &Router, status: u16| {
        router.metrics().get(&format!("router_http_requests_total{{http_status_code=\"{status}\"}}"))
    };
    let url = router.graphql_url();
    let ask = |method: &str, url: &str, headers: &[(&str, &str)], body: &str| {
        http(method, url, headers, body).status
    };
    assert_eq!(ask("GET", &url.replace("/graphql", "/health"), &[], ""), 200);
    for round in 1..=2 {
        assert_eq!(ask("POST", url, &[JSON], &employee(1).to_string()), 200);
        assert_eq!(ask("POST", url, &[JSON], "no JSON"), 400);
        assert_eq!(ask("GET", &url.replace("/graphql", "/graphiql"), &[], ""), 404);
        assert_eq!(ask("PUT", url, &[JSON], "{}"), 405);
        assert_eq!(ask("POST", url, &[JSON, ("Accept", "image/png")], "{}"), 406);
        assert_eq!(ask("POST", url, &[JSON, ("Content-Length", "9")], ""), 408);
        assert_eq!(ask("POST", url, &[JSON], &" ".repeat(3000)), 413);
        assert_eq!(ask("POST", url, &[("Content-Type", "text/plain")], "{}"), 415);
        assert_eq!(ask("POST", url, &[JSON, ("X-Long", &"x".repeat(70_000))], "{}"), 431);
        for status in [200, 400, 404, 405, 406, 408, 413, 415, 431] {
            assert_eq!(counted(&router, status), f64::from(round), "{status}");
        }
    }
    assert_eq!(router.metrics().sum("router_http_requests_total"), 18.0);

    let (_demo, router) = start("traffic_shaping: { router: { max_request_bodies_total: 50 } }");
    assert_eq!(post(&router, &employee(1), &[]).status, 503);
    assert_eq!(counted(&router, 503), 1.0);
    // Who is turned away at the door is answered as well.
    let (_demo, router) = start("traffic_shaping: { router: { max_connections: 1 } }");
    let address = router.graphql_url().trim_start_matches("http://").trim_end_matches("/graphql");
    let mut first = TcpStream::connect(address).expect("the router listens");
    first.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").expect("the router reads");
    first.read_exact(&mut [0; 15]).expect("it is served");
    assert_eq!(post(&router, &employee(1), &[]).status, 503);
    assert_eq!(counted(&router, 503), 1.0);
}

#[test]
fn requests_may_be_compressed_unless_that_is_turned_off() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(employee(1).to_string().as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    for (enabled, expected) in [(true, "HTTP/1.1 200 "), (false, "HTTP/1.1 415 ")] {
        let (_demo, router) =
            start(&format!("traffic_shaping: {{ router: {{ decompression_enabled: {enabled} }} }}"));
        let address = router.graphql_url().trim_start_matches("http://").trim_end_matches("/graphql");
        let mut socket = TcpStream::connect(address).expect("the router listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            packed.len()
        );
        socket.write_all(&[head.as_bytes(), &packed].concat()).expect("the router reads");
        let mut answer = String::new();
        _ = socket.read_to_string(&mut answer);
        assert!(answer.starts_with(expected), "{answer}");
    }
}

#[test]
fn heads_are_limited() {
    let (_demo, router) = start("traffic_shaping: { router: { max_header_bytes: 10KiB } }");
    let header = "x".repeat(9000);
    assert_eq!(post(&router, &employee(1), &[("X-Large", &header)]).status, 200);
    let header = "x".repeat(11_000);
    assert_eq!(post(&router, &employee(1), &[("X-Large", &header)]).status, 431);
}

/// Without TLS, for clients that know beforehand; WebSockets stay with HTTP/1.1.
#[test]
fn curl_speaks_http2_on_the_same_port() {
    let (_demo, router) = start("cors: { allow_origins: [\"https://app.example\"] }");
    let body = employee(2).to_string();
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--write-out", "\n%{http_version} %{http_code}\n"])
            .args(arguments)
            .output()
            .expect("curl is installed");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("a text")
    };
    let url = router.graphql_url();
    let answer = r#"{"data":{"employee":{"id":2}}}"#;
    assert_eq!(curl(&["--http1.1", "--json", &body, url]), format!("{answer}\n1.1 200\n"));
    let prior = "--http2-prior-knowledge";
    assert_eq!(curl(&[prior, "--json", &body, url]), format!("{answer}\n2 200\n"));
    // By GET: this curl loses answers to bodies that nobody read.
    let query = format!("{url}?query={}", percent_encoded("{ employee(id: 2) { id } }"));
    let of = |origin: &str| curl(&[prior, "--header", &format!("Origin: {origin}"), &query]);
    assert!(of("https://evil").ends_with("2 403\n"));
    assert!(of(url.trim_end_matches("/graphql")).ends_with("2 200\n"), "a page of the router's own");
    let large = format!("X-Large: {}", "x".repeat(70_000));
    let refused = Command::new("curl")
        .args(["--silent", "--write-out", "%{http_code}", prior, "--json", &body, "--header", &large, url])
        .output()
        .expect("curl is installed");
    let said = String::from_utf8_lossy(&refused.stdout);
    assert!(said.ends_with("431") || said.ends_with("000"), "a head beyond the limit: {said}");
    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("one", "{ employee(id: 2) { id } }");
    assert_eq!(client.next("one"), json!({ "data": { "employee": { "id": 2 } } }));
}

/// One line per operation.
#[test]
fn operations_are_logged() {
    let (_demo, router) = start("batching: { enabled: true }\nlog_level: info");
    let names =
        [("X-Request-Id", "log-1"), ("GraphQL-Client-Name", "shop"), ("GraphQL-Client-Version", "1.2")];
    post(
        &router,
        &json!([employee(1), { "query": "mutation Add { addNote(employeeID: 1, text: \"x\") { id } }" }]),
        &names,
    );
    let apollo = [("X-Request-Id", "log-2"), ("ApolloGraphQL-Client-Name", "web")];
    post(&router, &json!({ "query": "{ nobody }" }), &apollo);
    http("PUT", router.graphql_url(), &[("X-Request-Id", "log-3")], "");

    let lines = |id: &str| -> Vec<Value> {
        let log = router.log().into_iter().filter_map(|it| serde_json::from_str::<Value>(&it).ok());
        log.filter(|it| it["target"] == "access" && it["request_id"] == id).collect()
    };
    wait_for(PATIENCE, || (lines("log-3").len() == 1).then_some(())).expect("the last line");
    let both = lines("log-1");
    assert_eq!(both.len(), 2, "{both:?}");
    for (name, kind) in [("One", "query"), ("Add", "mutation")] {
        let line = both.iter().find(|it| it["operation_name"] == name).expect("a line each");
        assert_eq!((&line["operation_kind"], &line["status"]), (&json!(kind), &json!(200)), "{line}");
        assert_eq!((&line["client_name"], &line["client_version"]), (&json!("shop"), &json!("1.2")));
        assert!(line["duration_us"].is_u64(), "{line}");
    }
    let [line] = &lines("log-2")[..] else { panic!("one line") };
    assert_eq!((&line["client_name"], &line["status"]), (&json!("web"), &json!(200)));
    assert_eq!(lines("log-3")[0]["status"], 405);
}

#[test]
fn the_access_log_can_be_turned_off() {
    let (_demo, router) = start("access_logs: { enabled: false }\nlog_level: info");
    assert_eq!(post(&router, &employee(1), &[]).status, 200);
    // What would have been logged is before what is said at the end.
    let mut router = router;
    router.signal("TERM");
    assert!(router.wait(PATIENCE).is_some_and(|it| it.success()));
    router.logged("stopping");
    let log = router.log();
    assert!(!log.iter().any(|it| it.contains("\"access\"")), "{log:?}");
}
