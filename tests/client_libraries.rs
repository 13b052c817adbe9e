//! Client libraries that people use, and what a browser has by itself, against the quickstart's subscription:
//! each over every transport it knows. The scripts are those of `tests/clients`.

mod support;

use serde_json::json;
use std::time::Duration;
use support::{
    Demo,
    browser::{self, Browser},
    fixture,
    live::wait_until_idle,
    quickstart::Quickstart,
    router::Router,
    subscribers::{self, APOLLO_HTTP, Door, URQL_HTTP, libraries, libraries_and_curls},
    upstream::Upstream,
};

/// A router that nobody holds up does not take longer to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

#[test]
fn every_library_gets_events_in_order_and_leaves_nothing_behind() {
    let mut quickstart = Quickstart::start_brisk();
    let greeting = quickstart.greeting();
    for library in libraries_and_curls() {
        subscribers::gets_events_in_order_and_leaves_nothing_behind(library, &greeting, &greeting.door());
    }
}

#[test]
fn every_library_may_die_without_leaving_anything_behind() {
    let mut quickstart = Quickstart::start_brisk();
    let greeting = quickstart.greeting();
    for library in libraries_and_curls() {
        subscribers::dies_and_leaves_nothing_behind(library, &greeting, &greeting.door());
    }
}

#[test]
fn every_library_sees_why_an_operation_is_refused() {
    let mut quickstart = Quickstart::start_brisk();
    let greeting = quickstart.greeting();
    for library in libraries_and_curls() {
        subscribers::sees_why_an_operation_is_refused(library, &greeting, &greeting.door());
    }
}

#[test]
fn every_library_sees_that_the_server_completed_or_failed() {
    let (demo, upstream) = (Demo::start(), Upstream::start());
    let router = router_before(&upstream, &demo);
    let door = Door::plain(router.graphql_url());
    for library in libraries() {
        let mut client = library.subscribe(&door, "subscription { tick }", 9);
        let mut stream = upstream.stream();
        stream.next(&json!({ "data": { "tick": 1 } }));
        stream.complete();
        assert_eq!(client.line(), json!({ "data": { "tick": 1 } }), "{}", library.name);
        assert_eq!(client.exit_code(), Some(0), "completed behind one of nine results, {}", library.name);

        let mut client = library.subscribe(&door, "subscription { tick }", 9);
        let mut stream = upstream.stream();
        stream.next(&json!({ "data": { "tick": 2 } }));
        assert_eq!(client.line(), json!({ "data": { "tick": 2 } }), "{}", library.name);
        drop(stream);
        let told = client.line();
        assert_eq!(told["errors"][0]["message"], "upstream service error", "{}: {told}", library.name);
        assert_eq!(client.exit_code(), Some(1), "{}", library.name);
        wait_until_idle(&router);
    }
}

/// Nothing to show, and no error either; only urql wants a result in every body, whatever the format.
#[test]
fn every_library_sees_an_end_without_any_result() {
    let (demo, upstream) = (Demo::start(), Upstream::start());
    let router = router_before(&upstream, &demo);
    let door = Door::plain(router.graphql_url());
    for library in libraries() {
        let mut client = library.subscribe(&door, "subscription { tick }", 9);
        upstream.stream().complete();
        let expected = if library.name == URQL_HTTP.name { 3 } else { 0 };
        assert_eq!(client.exit_code(), Some(expected), "{}", library.name);
        wait_until_idle(&router);
    }
}

#[test]
fn libraries_come_back_to_a_router_that_comes_back() {
    let mut quickstart = Quickstart::start_brisk();
    let greeting = quickstart.greeting();
    subscribers::come_back_to_a_router_that_comes_back(quickstart, &greeting, &greeting.door());
}

/// What the others make of a router that stops: Apollo Client tells the application, urql takes it for the end.
#[test]
fn libraries_that_do_not_come_back_end() {
    let mut quickstart = Quickstart::start_brisk();
    let greeting = quickstart.greeting();
    let query = subscribers::subscription(&greeting);
    let clients = libraries().map(|it| it.subscribe(&greeting.door(), &query, 2));
    let mut clients: Vec<_> = clients.collect();
    greeting.wait_until_live(7);
    // urql takes a body for one of events only once there was one.
    subscribers::publish(&greeting, 1);
    for client in &mut clients {
        subscribers::assert_event(client.library.name, &client.line(), 1);
    }
    quickstart.interrupt();
    for mut client in clients {
        let name = client.library.name;
        if name == URQL_HTTP.name {
            assert_eq!(client.exit_code(), Some(0), "{name}");
            continue;
        }
        let line = client.line();
        if name == APOLLO_HTTP.name {
            assert_eq!(line["errors"][0]["extensions"]["code"], "SERVICE_RESTART", "{name}: {line}");
            assert_eq!(client.exit_code(), Some(1), "{name}");
        } else {
            assert!(line["reason"].is_string(), "{name}: {line}");
            assert_eq!(client.exit_code(), Some(3), "{name}");
        }
    }
}

/// The quickstart's own page, which may connect to its own origin alone.
#[test]
fn a_browsers_event_source_gets_events_comes_back_and_is_told_the_end() {
    let Some(program) = browser::find_or_excuse() else { return };
    let mut quickstart = Quickstart::start_brisk();
    let greeting = quickstart.greeting();
    let address = greeting.address().to_owned();
    let mut browser = Browser::start(&program);
    browser.open(&greeting.page);
    subscribers::an_event_source_gets_events_in_order(&mut browser, &greeting);

    browser.evaluate(&subscribers::event_source(&subscribers::subscription(&greeting)));
    greeting.wait_until_live(1);
    quickstart.interrupt();
    assert!(quickstart.ended(STOP_TIMEOUT).success());
    quickstart = Quickstart::start_brisk_at(&address);
    let greeting = quickstart.greeting();
    browser.wait_until("opened === 2");
    greeting.wait_until_live(1);
    subscribers::publish(&greeting, 3);
    browser.wait_until("seen.length === 1");
    subscribers::assert_event("EventSource", &browser.evaluate("seen[0]"), 3);
    browser.evaluate("source.close()");
    greeting.wait_until_idle();

    let wrong = greeting.subscription.replace("details", "salary");
    browser.evaluate(&subscribers::event_source(&wrong));
    browser.wait_until("completed");
    let told = browser.evaluate("seen[0].errors[0].message");
    assert!(told.as_str().is_some_and(|it| it.contains("\"salary\"")), "{told}");
    assert_eq!(browser.evaluate("[opened, seen.length, source.readyState]"), json!([1, 1, 2]));
    browser.close();
}

/// A router in front of a subgraph `clock`, whose subscriptions are the test's.
fn router_before(upstream: &Upstream, demo: &Demo) -> Router {
    let clock = format!(
        "    - {{ name: clock, routing_url: \"http://{}/graphql\", schema: {{ file: \"{}\" }} }}\n  event_graphs",
        upstream.address(),
        fixture("upstream/clock.graphql").display(),
    );
    let url = upstream.url("http");
    let more = format!(
        "overrides: {{ subgraphs: {{ clock: {{ subscription_url: \"{url}\", subscription_protocol: sse_post }} }} }}"
    );
    Router::start(&demo.config(&more).replace("  event_graphs", &clock))
}
