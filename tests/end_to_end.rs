//! The data path as clients see it: queries, subscriptions over memory events, entity fields from two
//! subgraphs, publishing.

mod support;

use serde_json::json;
use support::{Demo, router::Router, ws::Client};

#[test]
fn an_event_becomes_an_update_with_fields_of_two_subgraphs() {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    let (status, answer) =
        router.post(&json!({ "query": "{ employee(id: 3) { details { forename } notes } }" }));
    assert_eq!(status, 200, "{answer}");
    let mut client = Client::connect(&router.websocket_url());
    client
        .subscribe("1", "subscription { employeeUpdated(employeeID: 3) { id details { forename } notes } }");
    support::wait::wait_until("a live trigger", std::time::Duration::from_secs(5), || {
        router.state()["triggers"][0]["state"] == "live"
    });
    assert_eq!(router.publish("employeeUpdated.3", &json!({ "id": 3, "__typename": "Employee" })), 202);
    let next = client.next("1");
    assert_eq!(next["data"]["employeeUpdated"]["details"]["forename"], "Kadri");
    client.complete("1");
    // Its feed lingers for five seconds.
    support::wait::wait_until("no trigger", std::time::Duration::from_secs(20), || {
        router.metrics().get("router_engine_triggers") == 0.0
    });
}
