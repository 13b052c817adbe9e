//! What operators set about the traffic to subgraphs, seen from outside a router.

#![expect(clippy::disallowed_methods, reason = "how long a query waits is on the real clock")]

mod support;

use serde_json::{Value, json};
use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use support::{Demo, router::Router, subgraph::Behaviour, wait::wait_until};

const PATIENCE: Duration = Duration::from_secs(20);
const QUERY: &str = "{ employee(id: 1) { id } }";

fn ask(router: &Router) -> Value {
    router.post(&json!({ "query": QUERY })).1
}

fn answer() -> Value {
    json!({ "data": { "employee": { "id": 1 } } })
}

#[test]
fn a_query_outlives_a_short_outage_of_a_subgraph() {
    let demo = Demo::start();
    let retry = "{ max_attempts: 1000, interval: 20ms, max_duration: 20ms }";
    let router = Router::start(&demo.config(&format!("traffic_shaping: {{ all: {{ retry: {retry} }} }}")));
    demo.employees.behave(Behaviour::Status(503));
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| tell.send(ask(&router)));
        wait_until("it is asked again", PATIENCE, || demo.employees.request_count() > 2);
        demo.employees.behave(Behaviour::Answer);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(answer()));
    });
    let retries = router.metrics().get("router_subgraph_retries_total{subgraph=\"employees\"}");
    assert!(retries >= 2.0, "{retries}");
    assert_eq!(router.metrics().get("router_subgraph_retries_total{subgraph=\"products\"}"), 0.0);
}

#[test]
fn an_open_breaker_is_told_to_clients_and_in_metrics() {
    let demo = Demo::start();
    let router = Router::start(&demo.config(
        "\
traffic_shaping:
  all: { retry: { enabled: false } }
  subgraphs:
    employees: { circuit_breaker: { enabled: true, request_threshold: 3, sleep_window: 2s } }",
    ));
    let open = || router.metrics().get("router_subgraph_circuit_breaker_open{subgraph=\"employees\"}");
    demo.employees.behave(Behaviour::Drop);
    for _ in 0..3 {
        assert_eq!(open(), 0.0);
        assert_eq!(ask(&router)["errors"][0]["message"], "Failed to fetch from Subgraph 'employees'.");
    }
    assert_eq!(open(), 1.0);
    let told = ask(&router);
    let message = "Failed to fetch from Subgraph 'employees', Reason: circuit breaker open.";
    assert_eq!(told["errors"][0]["message"], message);
    assert_eq!(told["errors"][0]["extensions"]["code"], "DOWNSTREAM_SERVICE_ERROR");
    assert!(router.metrics().sum("router_subgraph_circuit_breaker_rejected_total") >= 1.0);

    demo.employees.behave(Behaviour::Answer);
    wait_until("the breaker closes", PATIENCE, || ask(&router) == answer());
    assert_eq!(open(), 0.0);
    for change in ["circuit breaker opened", "circuit breaker closed"] {
        let told = || router.log().iter().filter(|it| it.contains(change)).count() == 1;
        wait_until(change, PATIENCE, told);
    }
}

/// The graph's own address leads nowhere.
#[test]
fn subgraphs_are_reached_where_the_configuration_says() {
    let demo = Demo::start();
    let url = demo.employees.url();
    let nowhere = "http://127.0.0.1:9/graphql";
    for overridden in [
        format!("override_routing_url: {{ subgraphs: {{ employees: '{url}' }} }}"),
        format!("overrides: {{ subgraphs: {{ employees: {{ routing_url: '{url}' }} }} }}"),
    ] {
        let config = demo.config("").replacen(&url, nowhere, 1);
        assert_eq!(ask(&Router::start(&config))["data"]["employee"], Value::Null);
        assert_eq!(ask(&Router::start(&format!("{config}\n{overridden}\n"))), answer());
    }
}

/// A finished supergraph lists its subgraphs itself, so a wrong name comes to light at the start.
#[test]
fn names_that_a_finished_supergraph_lacks_are_logged() {
    let graph = support::fixture("supergraph.graphql").display().to_string();
    let router = Router::start(&format!(
        r#"listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph: {{ file: "{graph}" }}
traffic_shaping: {{ subgraphs: {{ nobody: {{ request_timeout: 1s }} }} }}
override_routing_url: {{ subgraphs: {{ noone: "http://127.0.0.1:9/" }} }}
"#
    ));
    for name in ["nobody", "noone"] {
        let warning = format!("sets something about a subgraph '{name}', which is not in the graph");
        assert_eq!(router.log().iter().filter(|it| it.contains(&warning)).count(), 1, "{:?}", router.log());
    }
}

/// With the defaults: nobody is there, and nothing says "later".
#[test]
fn a_subgraph_that_is_not_there_is_told_soon_and_logged_at_once() {
    let demo = Demo::start();
    // Nobody listens on port 9; the harness would turn retries off.
    let config = demo.config("traffic_shaping: { router: {} }\n").replacen(
        &demo.employees.url(),
        "http://127.0.0.1:9/graphql",
        1,
    );
    let router = Router::start(&config);
    let began = Instant::now();
    assert_eq!(ask(&router)["errors"][0]["extensions"]["code"], "DOWNSTREAM_SERVICE_ERROR");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(router.metrics().get("router_subgraph_retries_total{subgraph=\"employees\"}"), 5.0);
    router.logged("fetch failed");
    let log = router.log();
    let first = log.iter().position(|it| it.contains("an attempt failed") && it.contains("WARN"));
    let last = log.iter().position(|it| it.contains("fetch failed"));
    assert!(first.is_some() && first < last, "{log:?}");
    assert_eq!(log.iter().filter(|it| it.contains("an attempt failed")).count(), 1, "{log:?}");
}

#[test]
fn requests_and_plans_are_counted() {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    for query in ["{ employee(id: 1) { id } }", "{ x: employee(id: 1) { id } }", "{ employee(id: 1) { id } }"]
    {
        assert_eq!(router.post(&json!({ "query": query })).1["errors"], Value::Null);
    }
    let metrics = router.metrics();
    let plans = |what| {
        metrics
            .get(&format!("router_graphql_cache_requests_stats_total{{cache_type=\"plan\",type=\"{what}\"}}"))
    };
    assert_eq!((plans("misses"), plans("hits")), (1.0, 2.0), "an alias makes no new plan");
    assert_eq!(metrics.get("router_http_requests_total{http_status_code=\"200\"}"), 3.0);
    wait_until("nothing is under way", PATIENCE, || {
        router.metrics().get("router_http_requests_in_flight") == 0.0
    });
}
