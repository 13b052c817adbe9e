//! Ten thousand equal subscribers cost what one costs, up to the sockets; every figure is a counter.
//!
//! The clients live in this process, the router in its own: each may have 20,000 descriptors.
#![expect(clippy::disallowed_methods, reason = "deadlines are on the real clock")]
#![expect(clippy::print_stdout, reason = "figures for people, shown with --nocapture")]

#[path = "support/load.rs"]
mod load;
#[path = "support/nats.rs"]
mod nats;
mod support;

use load::{Crowd, PATIENCE, collect, employee, process::settled_rss_anon};
use nats::NatsServer;
use serde_json::{Value, json};
use std::{fs, sync::Mutex};
use support::{
    Demo,
    http_stream::{EVENTS, HttpStream, MULTIPART},
    router::Router,
    wait::wait_until,
};

/// The wide stories take turns: together they would need more descriptors than a process may have.
static WIDE: Mutex<()> = Mutex::new(());

const CLIENTS: usize = 10_000;

/// The same question in other words: none of this may make a difference.
fn same_question() -> Vec<Value> {
    let selection = "{ sequence: id details { forename } notes }";
    let literal = format!("subscription {{ employeeUpdated(employeeID: 3) {selection} }}");
    let spaced = literal.replace(' ', "\n   ").replace("{\n", "{ # a comment\n");
    let variable = |name: &str| {
        format!("subscription S(${name}: Int!) {{ employeeUpdated(employeeID: ${name}) {selection} }}")
    };
    vec![
        json!({ "query": literal }),
        json!({ "query": spaced }),
        json!({ "query": literal, "extensions": {}, "variables": {} }),
        json!({ "query": variable("id"), "variables": { "id": 3 } }),
        json!({ "query": variable("employee"), "variables": { "employee": 3 }, "operationName": "S" }),
        json!({ "query": format!("{literal} query Other {{ employees {{ id }} }}").replacen("subscription", "subscription Mine", 1), "operationName": "Mine" }),
    ]
}

#[test]
fn one_event_costs_one_of_everything() {
    let _turn = WIDE.lock();
    let (demo, nats) = (Demo::start(), NatsServer::start());
    let providers = format!("{{ nats: [{{ id: default, url: \"{}\" }}] }}", nats.url());
    let router = Router::start(&demo.config_with(&providers, "skip_unavailable_providers: true", ""));
    let crowd = Crowd { asks: same_question(), first: 3, ..Crowd::plain(1, CLIENTS) };
    let mut fleet = crowd.join(&router);

    assert_eq!(router.state()["counts"], json!({ "triggers": 1, "groups": 1, "members": CLIENTS }));
    let listened = nats.subjects().into_iter().filter(|it| it.starts_with("employeeUpdated"));
    assert_eq!(listened.collect::<Vec<_>>(), ["employeeUpdated.3"]);

    let before = router.metrics();
    let mut publisher = nats.client();
    publisher.publish("employeeUpdated.3", employee(3).to_string().as_bytes());
    publisher.flush();
    collect(&mut fleet, 3);
    let after = router.metrics();
    let grown = |name: &str| after.sum(name) - before.sum(name);
    for (name, by) in [
        ("router_streams_received_messages_total", 1.0),
        ("router_engine_events_decoded_total", 1.0),
        ("router_engine_resolves_total", 1.0),
        ("router_engine_serialisations_total", 1.0),
        ("router_engine_deliveries_total", 1.0),
        ("router_engine_fetches_total", 2.0),
        ("router_engine_representations_total", 2.0),
        ("router_engine_messages_sent_total", CLIENTS as f64),
    ] {
        assert_eq!(grown(name), by, "{name}");
    }
    assert_eq!(after.sum("router_engine_triggers_started_total"), 1.0);
    assert_eq!((demo.employees.request_count(), demo.products.request_count()), (1, 1));
}

/// One group for all transports: what differs is how the one response is framed.
#[test]
fn one_event_costs_one_of_everything_over_all_transports() {
    const EACH: usize = 1_000;
    let _turn = WIDE.lock();
    let demo = Demo::start();
    let router = Router::start(&demo.config("http_streams: { heartbeat_interval: 0s }"));
    let question = same_question().remove(0);
    let query = question["query"].as_str().expect("a text");
    let crowd = Crowd { asks: vec![question.clone()], first: 3, ..Crowd::plain(1, EACH) };
    let mut fleet = crowd.join(&router);
    let alone = threads(router.pid());
    let accepts = [EVENTS, MULTIPART].into_iter().cycle().take(2 * EACH);
    let mut streams: Vec<_> =
        accepts.map(|accept| HttpStream::post(router.graphql_url(), accept, query)).collect();
    wait_until("everybody is a member", PATIENCE, || load::members(&router) == 3 * EACH as u64);
    assert_eq!(router.state()["counts"], json!({ "triggers": 1, "groups": 1, "members": 3 * EACH }));
    assert_eq!(threads(router.pid()), alone, "streams cost no thread");

    let before = router.metrics();
    assert_eq!(router.publish("employeeUpdated.3", &employee(3)), 202);
    collect(&mut fleet, 3);
    for stream in &mut streams {
        assert_eq!(stream.result()["data"]["employeeUpdated"]["sequence"], 3);
    }
    let after = router.metrics();
    for (name, by) in [
        ("router_engine_events_decoded_total", 1.0),
        ("router_engine_resolves_total", 1.0),
        ("router_engine_serialisations_total", 1.0),
        ("router_engine_fetches_total", 2.0),
        // One for each of the two that hand responses on.
        ("router_engine_deliveries_total", 2.0),
        ("router_engine_messages_sent_total", 3.0 * EACH as f64),
    ] {
        assert_eq!(after.sum(name) - before.sum(name), by, "{name}");
    }
    assert_eq!((demo.employees.request_count(), demo.products.request_count()), (1, 1));
}

#[test]
fn idle_streams_cost_no_thread_and_little_memory() {
    const STREAMS: usize = 2_000;
    let _turn = WIDE.lock();
    let demo = Demo::start();
    let router = Router::start(&demo.config("http_streams: { heartbeat_interval: 0s }"));
    let query = "subscription { employeeUpdated(employeeID: 1) { sequence: id } }";
    let join = |count| -> Vec<HttpStream> {
        (0..count).map(|_| HttpStream::post(router.graphql_url(), EVENTS, query)).collect()
    };
    drop(join(100));
    wait_until("the first have left", PATIENCE, || load::members(&router) == 0);
    let (alone, memory) = (threads(router.pid()), settled_rss_anon(router.pid()));
    let streams = join(STREAMS);
    wait_until("everybody is a member", PATIENCE, || load::members(&router) == STREAMS as u64);
    assert_eq!(threads(router.pid()), alone);
    let each = settled_rss_anon(router.pid()).saturating_sub(memory) / STREAMS as u64;
    println!("an idle stream adds {each} bytes");
    assert!(each <= 20_000, "an idle stream adds {each} bytes");
    drop(streams);
}

#[test]
fn idle_clients_cost_no_thread_and_little_memory() {
    let _turn = WIDE.lock();
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    // Caches, pools and the allocator's arenas are there once somebody has been served.
    drop(Crowd::plain(9, 100).join(&router));
    wait_until("the first have left", PATIENCE, || load::members(&router) == 0);

    let (alone, memory) = (threads(router.pid()), settled_rss_anon(router.pid()));
    let first = Crowd::plain(1, 1_000).join(&router);
    assert_eq!(threads(router.pid()), alone);
    let rest = Crowd::plain(2, CLIENTS - 1_000).join(&router);
    assert_eq!(threads(router.pid()), alone);

    let added = settled_rss_anon(router.pid()).saturating_sub(memory);
    let per_10_000 = added as f64 * 10_000.0 / CLIENTS as f64 / 1e6;
    println!("10,000 idle clients add {per_10_000:.1} MB to {:.1} MB", memory as f64 / 1e6);
    assert!(per_10_000 <= 25.0, "10,000 idle clients add {per_10_000:.1} MB");
    drop((first, rest));
}

#[test]
fn a_burst_reaches_everybody_in_order() {
    const MEMBERS: usize = 5_000;
    const EVENTS: u64 = 100;
    let _turn = WIDE.lock();
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    let mut fleet = Crowd::plain(1, MEMBERS).join(&router);
    for sequence in 1..=EVENTS {
        assert_eq!(router.publish("employeeUpdated.1", &employee(sequence)), 202);
    }
    collect(&mut fleet, EVENTS);
    assert_eq!(fleet.ledger.delivered, MEMBERS as u64 * EVENTS);
    let metrics = router.metrics();
    assert_eq!(metrics.sum("router_engine_resolves_total"), EVENTS as f64);
    // Half a million frames leave in small portions, so that nobody else waits behind them.
    let longest = metrics.get("router_engine_loop_turn_max_seconds{loop=\"reactor\"}");
    println!("longest turn of the reactor: {:.1} ms", longest * 1e3);
    assert!(longest < 0.1, "a turn of the reactor took {longest} s");
}

/// Names of a process's threads, sorted.
fn threads(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
    let mut names: Vec<String> = tasks.filter_map(|task| name(task.ok()?)).collect();
    names.sort();
    names
}
