//! Somebody misbehaves, and nobody else notices: a client that stops reading, a subgraph that hangs, a
//! broker that dies, operations made to hurt.
#![expect(clippy::disallowed_methods, reason = "deadlines are on the real clock")]
#![expect(clippy::print_stdout, reason = "figures for people, shown with --nocapture")]

#[path = "support/load.rs"]
mod load;
#[path = "support/nats.rs"]
mod nats;
mod support;

use load::{Crowd, PATIENCE, collect, employee, fleet::Fleet, process::rss_anon, tick};
use nats::NatsServer;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};
use support::{
    Demo,
    router::Router,
    subgraph::Behaviour,
    wait::wait_until,
    ws::{Client, Said},
};

/// Longest turn that the reactor or the hub may take: beyond, clients notice.
const TURN_MAX: f64 = 0.020;

const OVERFLOWS: &str = "router_engine_overflow_total{policy=\"disconnect\"}";
const OUTBOX: &str = "router_engine_queue_depth{queue=\"outbox\"}";
const EIGHT_KB: usize = 8_000;

/// A subscriber whose kernel takes little for it: not much more than a segment, below which TCP crawls.
fn stalled(router: &Router) -> Client {
    let mut client = Client::connect(&router.websocket_url());
    socket2::SockRef::from(client.stream()).set_recv_buffer_size(64 * 1024).expect("a socket");
    let before = load::members(router);
    client.subscribe("stalled", load::TICKS);
    wait_until("the stalled client is a member", PATIENCE, || load::members(router) == before + 1);
    client
}

/// Publishes events of 8 KB to others, who read them, until so many clients were closed for their backlog.
/// The last event's number.
fn publish_until_overflow(router: &Router, others: &mut Fleet, closed: f64) -> u64 {
    let body = "x".repeat(EIGHT_KB);
    for sequence in 1..=5_000 {
        assert_eq!(router.publish("ticks", &tick(sequence, &body)), 202);
        collect(others, sequence);
        if router.metrics().get(OVERFLOWS) >= closed {
            return sequence;
        }
    }
    panic!("40 MB went somewhere: {:?}", router.metrics());
}

#[test]
fn a_client_that_stops_reading_is_closed_with_1013_and_costs_little() {
    let router = Router::start(&load::ticks(
        "websocket: { outbound_queue: 1KB }\nengine: { websocket_server_write_timeout: 60s }",
    ));
    let mut others = Crowd::ticking(1, 50).join(&router);
    let mut bystander = Client::connect(&router.websocket_url());
    let mut stalled = stalled(&router);
    let before = rss_anon(router.pid());

    let reached = publish_until_overflow(&router, &mut others, 1.0);
    // It goes on for everybody else, pings too, and nothing is kept for the one.
    let body = "x".repeat(EIGHT_KB);
    for sequence in reached + 1..=reached + 2_000 {
        assert_eq!(router.publish("ticks", &tick(sequence, &body)), 202);
        collect(&mut others, sequence);
        if sequence % 100 == 0 {
            bystander.send(&json!({ "type": "ping" }));
            assert_eq!(bystander.message(), json!({ "type": "pong" }));
        }
    }
    let grown = rss_anon(router.pid()).saturating_sub(before);
    println!("overflow after {reached} events, memory grown by {:.1} MB", grown as f64 / 1e6);
    assert!(grown < 8_000_000, "16 MB passed by the stalled client and {grown} bytes stayed");
    assert_eq!(others.ledger.closed, 0);
    assert_eq!(router.metrics().get(OVERFLOWS), 1.0);
    assert!(router.metrics().get(OUTBOX) <= 2.0, "what waited for it was given up");

    assert_eq!(stalled.closed(), (1013, "slow consumer".to_owned()));
}

#[test]
fn a_client_that_never_reads_again_is_cut_off() {
    let router = Router::start(&load::ticks(
        "websocket: { outbound_queue: 1KB }\nengine: { websocket_server_write_timeout: 300ms }",
    ));
    let mut others = Crowd::ticking(1, 10).join(&router);
    let _stalled = stalled(&router);
    publish_until_overflow(&router, &mut others, 1.0);
    let connections = || router.metrics().get("router_engine_connections");
    wait_until("only those who read are left", PATIENCE, || connections() == others.len() as f64);
}

#[test]
fn the_bound_of_all_queues_together_hits_those_who_do_not_read() {
    let router = Router::start(&load::ticks("websocket: { outbound_total: 256KB }"));
    // The others are served between the two, when one of them has passed the bound and the other still
    // holds the same frames.
    let first = stalled(&router);
    let mut others = Crowd::ticking(1, 50).join(&router);
    let mut stalled = [first, stalled(&router)];
    publish_until_overflow(&router, &mut others, stalled.len() as f64);
    assert!(router.metrics().get("router_engine_outbound_bytes") <= 256e3);
    assert_eq!(others.ledger.closed, 0);
    assert_eq!(router.metrics().get("router_engine_connections"), (others.len() + stalled.len()) as f64);
    for client in &mut stalled {
        assert_eq!(client.closed().0, 1013);
    }
}

#[test]
fn a_subgraph_that_hangs_holds_up_only_those_who_need_it() {
    with_short_turns(hold_up_those_who_need_the_subgraph);
}

fn hold_up_those_who_need_the_subgraph() -> Router {
    const HELD: i64 = 100;
    const EVENTS: i64 = 3;
    let demo = Demo::start();
    let router = Router::start(&demo.config("engine: { max_concurrent_resolvers: 2 }"));
    let mut waiting = Client::connect(&router.websocket_url());
    for id in 1..=HELD {
        let query = format!("subscription {{ employeeUpdated(employeeID: {id}) {{ id notes }} }}");
        waiting.subscribe(&id.to_string(), &query);
    }
    let mut other = Client::connect(&router.websocket_url());
    other.subscribe("event", "subscription { employeeUpdated(employeeID: 200) { id } }");
    other
        .subscribe("entity", "subscription { employeeUpdated(employeeID: 201) { id details { forename } } }");
    wait_until("everybody is a member", PATIENCE, || load::members(&router) == HELD as u64 + 2);

    demo.products.behave(Behaviour::Hang);
    for event in 1..=EVENTS {
        for id in 1..=HELD {
            assert_eq!(router.publish(&format!("employeeUpdated.{id}"), &employee(event as u64)), 202);
        }
    }
    wait_until("the hanging subgraph has all it may", PATIENCE, || demo.products.request_count() == 2);
    for round in 0..20 {
        assert_eq!(router.publish("employeeUpdated.200", &employee(round)), 202);
        assert_eq!(other.next("event")["data"]["employeeUpdated"]["id"], round);
        assert_eq!(router.publish("employeeUpdated.201", &employee(3)), 202);
        assert_eq!(other.next("entity")["data"]["employeeUpdated"]["details"]["forename"], "Kadri");
        other.send(&json!({ "type": "ping" }));
        assert_eq!(other.message(), json!({ "type": "pong" }));
        come_and_go(&router, &mut other);
    }
    waiting.send(&json!({ "type": "ping" }));
    assert_eq!(waiting.message(), json!({ "type": "pong" }), "nothing else came to those who wait");
    assert_eq!(demo.products.request_count(), 2);

    demo.products.behave(Behaviour::Answer);
    let mut last = vec![0; HELD as usize + 1];
    for _ in 0..HELD * EVENTS {
        let message = waiting.message();
        let id: usize = message["id"].as_str().expect("an id").parse().expect("ours");
        last[id] += 1;
        assert_eq!(
            message["payload"],
            json!({ "data": { "employeeUpdated": { "id": last[id], "notes": null } } })
        );
    }
    assert!(last[1..].iter().all(|it| *it == EVENTS));
    router
}

/// Subscribes to what needs the subgraph that hangs, and leaves again.
fn come_and_go(router: &Router, client: &mut Client) {
    let before = load::members(router);
    client.subscribe("guest", "subscription { employeeUpdated(employeeID: 300) { id notes } }");
    wait_until("the guest is a member", PATIENCE, || load::members(router) == before + 1);
    client.complete("guest");
    wait_until("the guest has left", PATIENCE, || load::members(router) == before);
}

/// Runs a story, more than once if need be, and expects that no turn of its router's loops was too long.
/// A busy machine may take a thread off its core in the middle of a turn; a turn that is too long by itself
/// is so every time.
fn with_short_turns(story: impl Fn() -> Router) {
    const ATTEMPTS: usize = 3;
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let metrics = story().metrics();
        let longest = ["reactor", "hub"]
            .map(|it| metrics.get(&format!("router_engine_loop_turn_max_seconds{{loop=\"{it}\"}}")));
        println!("longest turns of reactor and hub in seconds: {longest:?}");
        assert!(longest.iter().all(|it| *it > 0.0));
        if longest.iter().all(|it| *it <= TURN_MAX) {
            return;
        }
        seen.push(longest);
    }
    panic!("turns of reactor and hub beyond {TURN_MAX} s each time: {seen:?}");
}

#[test]
fn a_broker_that_dies_takes_no_event_of_another_with_it() {
    const MEMBERS: usize = 1_000;
    const EVENTS: u64 = 60;
    let (demo, mut nats) = (Demo::start(), NatsServer::start());
    let providers =
        format!("{{ memory: [{{ id: default }}], nats: [{{ id: my-nats, url: \"{}\" }}] }}", nats.url());
    let router = Router::start(&demo.config_with(&providers, "skip_unavailable_providers: true", ""));
    let mut of_nats = Client::connect(&router.websocket_url());
    of_nats.subscribe("1", "subscription { employeeUpdatedMyNats(id: 5) { id } }");
    wait_until("the broker's subscriber is a member", PATIENCE, || load::members(&router) == 1);
    let mut fleet = Crowd::plain(1, MEMBERS).join(&router);

    for sequence in 1..=EVENTS {
        if sequence == EVENTS / 3 {
            nats.kill();
        }
        assert_eq!(router.publish("employeeUpdated.1", &employee(sequence)), 202);
    }
    collect(&mut fleet, EVENTS);
    nats.restart();
    let mut publisher = nats.client();
    // What is published before the router is back is lost, as with every feed that cannot replay.
    let heard = support::wait::wait_for(PATIENCE, || {
        publisher.publish("employeeUpdatedMyNats.5", employee(5).to_string().as_bytes());
        publisher.flush();
        of_nats.message_within(Duration::from_millis(50))
    });
    let payload = heard.expect("events of the broker again")["payload"].clone();
    let told = payload["errors"][0]["extensions"]["code"] == "FEED_UNAVAILABLE";
    assert!(told || payload["data"]["employeeUpdatedMyNats"]["id"] == 5, "{payload}");
    assert_eq!(fleet.ledger.faults(EVENTS), 0);
}

/// Fragments that double: under a kilobyte of text, hundreds of thousands of fields.
fn fragment_bomb() -> String {
    const LEVELS: usize = 18;
    let doubling = (0..LEVELS)
        .map(|n| format!("fragment F{n} on Tick{{a:next{{...F{0}}}b:next{{...F{0}}}}}", n + 1))
        .collect::<String>();
    format!("{{tick(sequence:1){{...F0}}}}{doubling}fragment F{LEVELS} on Tick{{sequence}}")
}

fn hostile_operations() -> Vec<(&'static str, String)> {
    let field_bomb = "next { sequence body detail next { sequence } } ".repeat(5_000);
    let ids = "next { sequence sequence sequence sequence sequence sequence } ".repeat(1_000);
    vec![
        ("nested fragments", fragment_bomb()),
        ("5,000 equal composite fields", format!("{{ tick(sequence: 1) {{ {field_bomb} }} }}")),
        ("one field 6 times in each of 1,000", format!("{{ tick(sequence: 1) {{ {ids} }} }}")),
    ]
}

#[test]
fn hostile_operations_are_refused_and_delay_nobody() {
    // Guards that look at the text alone catch most of them; those behind must do so too.
    let text_guards_off = "limits: { operation: { document_bytes: 0, tokens: 0, aliases: 0 } }";
    for limits in ["", text_guards_off] {
        with_short_turns(|| {
            let config = load::ticks(&format!("websocket: {{ max_message_size: 1MB }}\n{limits}"));
            let router = Router::start(&config);
            let latest = refuse_all_while_events_flow(&router);
            println!("the latest event came {latest:?} after it was published");
            assert!(latest < Duration::from_secs(2), "an event was {latest:?} late");
            router
        });
    }
}

/// Sends every hostile operation over HTTP and WebSocket at the same time, while a subscriber gets an
/// event every few milliseconds. How late the latest was.
fn refuse_all_while_events_flow(router: &Router) -> Duration {
    let mut subscriber = Client::connect(&router.websocket_url());
    subscriber.subscribe("1", load::TICKS);
    wait_until("somebody listens", PATIENCE, || load::members(router) == 1);
    let (done, latest) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut sequence = 0;
            while !done.load(Ordering::Relaxed) {
                let published = Instant::now();
                assert_eq!(router.publish("ticks", &tick(sequence, "steady")), 202);
                assert_eq!(subscriber.next("1")["data"]["tick"]["sequence"], sequence);
                latest.fetch_max(published.elapsed().as_micros() as u64, Ordering::Relaxed);
                sequence += 1;
                thread::park_timeout(Duration::from_millis(5));
            }
            assert!(sequence > 0);
        });
        let http = scope.spawn(|| hostile_operations().iter().for_each(|it| refused_over_http(router, it)));
        let websocket = scope.spawn(|| {
            let mut client = Client::connect(&router.websocket_url());
            hostile_operations().iter().for_each(|it| refused_over_websocket(&mut client, it));
        });
        let ended = [http.join(), websocket.join()];
        done.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|it| it.expect("every operation is refused"));
    });
    Duration::from_micros(latest.into_inner())
}

fn refused_over_http(router: &Router, (what, query): &(&str, String)) {
    let (status, answer) = router.post(&json!({ "query": query }));
    assert!(status == 200 || status == 400, "{what}: {status} {answer}");
    assert!(has_errors(&answer["errors"]) && answer["data"].is_null(), "{what}: {answer}");
}

fn refused_over_websocket(client: &mut Client, (what, query): &(&str, String)) {
    client.subscribe(what, query);
    match client.hear(PATIENCE) {
        Some(Said::Message(message)) => {
            assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!(what)), "{message}");
            assert!(has_errors(&message["payload"]), "{message}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

fn has_errors(errors: &Value) -> bool {
    errors.as_array().is_some_and(|it| it.iter().all(|it| it["message"].is_string()) && !it.is_empty())
}
