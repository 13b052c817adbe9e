//! Clients that people use, against the router: what their libraries make of its wire.

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::{
    Demo,
    live::{wait_until_idle, wait_until_live},
    npm::Printing,
    router::Router,
    wait::wait_until,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// The npm library `graphql-ws`.
const MODERN: &str = "subscribe.mjs";
/// The npm library `subscriptions-transport-ws`.
const LEGACY: &str = "subscribe_legacy.mjs";

fn subscribe(script: &str, url: &str, query: &str, results: u32, variables: &Value) -> Printing {
    Printing::node(script, &[url, query, &results.to_string(), &variables.to_string()])
}

const QUERY: &str =
    "subscription ($id: Int!) { employeeUpdated(employeeID: $id) { id details { forename } } }";

#[test]
fn the_npm_client_subscribes_and_leaves_nothing_behind() {
    subscribes_and_leaves_nothing_behind(MODERN);
}

#[test]
fn the_legacy_npm_client_subscribes_and_leaves_nothing_behind() {
    subscribes_and_leaves_nothing_behind(LEGACY);
}

/// Subscribes, sees events in order, unsubscribes, and leaves nothing behind.
fn subscribes_and_leaves_nothing_behind(script: &str) {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    let mut client = subscribe(script, &router.websocket_url(), QUERY, 20, &json!({ "id": 3 }));
    wait_until_live(&router, 1);
    let staff = [(3, "Kadri"), (1, "Anu"), (2, "Mart")];
    for number in 0..20 {
        let (id, _) = staff[number % 3];
        assert_eq!(router.publish("employeeUpdated.3", &json!({ "__typename": "Employee", "id": id })), 202);
    }
    for number in 0..20 {
        let (id, name) = staff[number % 3];
        let expected = json!({ "id": id, "details": { "forename": name } });
        assert_eq!(client.line(), json!({ "data": { "employeeUpdated": expected } }), "event {number}");
    }
    assert_eq!(client.exit_code(), Some(0));
    wait_until_idle(&router);
    wait_until("no connection", PATIENCE, || router.metrics().get("router_engine_connections") == 0.0);
}

#[test]
fn the_npm_client_understands_errors_and_queries() {
    understands_errors_and_queries(MODERN);
}

#[test]
fn the_legacy_npm_client_understands_errors_and_queries() {
    understands_errors_and_queries(LEGACY);
}

/// The library reads our errors, and takes a query's end for what it is.
fn understands_errors_and_queries(script: &str) {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    let url = router.websocket_url();
    let mut failing = subscribe(script, &url, "subscription { nothing { id } }", 1, &json!({}));
    let mut query = subscribe(script, &url, "{ employee(id: 1) { id } }", 9, &json!({}));
    let told = failing.line();
    assert!(told["errors"][0]["message"].as_str().is_some_and(|it| it.contains("\"nothing\"")), "{told}");
    assert_eq!(failing.exit_code(), Some(1));
    assert_eq!(query.line(), json!({ "data": { "employee": { "id": 1 } } }));
    assert_eq!(query.exit_code(), Some(0), "one result, then the end");
}

#[cfg(unix)]
#[test]
fn the_npm_client_sees_the_router_go() {
    sees_the_router_go(MODERN);
}

#[cfg(unix)]
#[test]
fn the_legacy_npm_client_sees_the_router_go() {
    sees_the_router_go(LEGACY);
}

/// A router that stops says so with a code after which the library would come again.
#[cfg(unix)]
fn sees_the_router_go(script: &str) {
    let demo = Demo::start();
    let mut router = Router::start(&demo.config("shutdown_delay: 0s"));
    let mut client = subscribe(script, &router.websocket_url(), QUERY, 1, &json!({ "id": 3 }));
    wait_until_live(&router, 1);
    router.signal("TERM");
    assert_eq!(client.line()["close"], 1012);
    assert_eq!(client.exit_code(), Some(3));
    assert_eq!(router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
}

/// It hangs up when keep-alives stay away for its `timeout`; those of the router keep it.
#[test]
fn the_legacy_npm_client_is_kept_by_keep_alives() {
    let demo = Demo::start();
    let keys = "websocket: { legacy_keep_alive_interval: 100ms, ping_interval: 0s }";
    let router = Router::start(&demo.config(keys));
    let url = router.websocket_url();
    let mut client = Printing::node(LEGACY, &[&url, QUERY, "1", r#"{"id":3}"#, "1500"]);
    wait_until_live(&router, 1);
    assert_eq!(client.line(), json!({ "kept": 3 }), "three of its timeouts passed");
    assert_eq!(router.publish("employeeUpdated.3", &json!({ "__typename": "Employee", "id": 3 })), 202);
    assert_eq!(client.line()["data"]["employeeUpdated"]["id"], 3);
    assert_eq!(client.exit_code(), Some(0));
}
