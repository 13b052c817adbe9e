//! Connections that come, go and dawdle: nothing of them stays behind, and no way of cutting bytes up
//! makes a difference.
#![expect(clippy::disallowed_methods, reason = "deadlines are on the real clock")]
#![expect(clippy::print_stdout, reason = "figures for people, shown with --nocapture")]

#[path = "support/load.rs"]
mod load;
#[path = "support/nats.rs"]
mod nats;
mod support;

use fastrand::Rng;
use load::{
    PATIENCE, address, employee,
    frame::{self, put_client_frame},
    raw::Raw,
};
use nats::NatsServer;
use serde_json::{Value, json};
use std::{
    io::Write,
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};
use support::{
    Demo, http,
    http_stream::{EVENTS, HttpStream, MULTIPART},
    router::{Metrics, Router},
    wait::{wait_for, wait_until},
    ws::{Client, Said},
};

fn connect(router: &Router) -> Raw<TcpStream> {
    let stream = TcpStream::connect(address(router)).expect("the router listens");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    Raw::new(stream)
}

fn handshake(router: &Router) -> Vec<u8> {
    format!(
        "GET /graphql HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
        address(router)
    )
    .into_bytes()
}

fn text(message: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_client_frame(&mut out, frame::TEXT, message.to_string().as_bytes());
    out
}

fn init() -> Vec<u8> {
    text(&json!({ "type": "connection_init" }))
}

fn subscribe(id: &str, query: &str) -> Vec<u8> {
    text(&json!({ "id": id, "type": "subscribe", "payload": { "query": query } }))
}

const PLAIN: &str = "subscription { employeeUpdated(employeeID: 1) { id } }";

fn publish_and_expect(router: &Router, client: &mut Raw<TcpStream>) {
    wait_until("a member", PATIENCE, || load::members(router) == 1);
    assert_eq!(router.publish("employeeUpdated.1", &employee(7)), 202);
    let next = json!({ "data": { "employeeUpdated": { "id": 7 } } });
    assert_eq!(client.message(), json!({ "id": "1", "type": "next", "payload": next }));
}

#[test]
fn bytes_may_come_one_by_one() {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    let mut client = connect(&router);
    let (head, messages) = (handshake(&router), [init(), subscribe("1", PLAIN)].concat());
    head.chunks(1).for_each(|byte| client.write(byte));
    client.upgraded();
    messages.chunks(1).for_each(|byte| client.write(byte));
    assert_eq!(client.message(), json!({ "type": "connection_ack" }));
    publish_and_expect(&router, &mut client);
}

#[test]
fn frames_may_come_in_one_piece_with_the_handshake() {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    let mut client = connect(&router);
    let ping = text(&json!({ "type": "ping" }));
    client.write(&[handshake(&router), init(), subscribe("1", PLAIN), ping].concat());
    client.upgraded();
    assert_eq!(client.message(), json!({ "type": "connection_ack" }));
    assert_eq!(client.message(), json!({ "type": "pong" }));
    publish_and_expect(&router, &mut client);
}

#[test]
fn a_large_message_may_come_in_fragments_with_pings_between() {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    let mut client = connect(&router);
    client.write(&[handshake(&router), init()].concat());
    client.upgraded();
    assert_eq!(client.message(), json!({ "type": "connection_ack" }));

    let padding = "é".repeat(100_000);
    let payload = json!({ "query": PLAIN, "extensions": { "padding": padding } });
    let message = json!({ "id": "1", "type": "subscribe", "payload": payload }).to_string();
    // An odd size, so that fragments end within characters.
    let fragments: Vec<&[u8]> = message.as_bytes().chunks(9_999).collect();
    for (index, fragment) in fragments.iter().enumerate() {
        let (first, last) = (index == 0, index + 1 == fragments.len());
        let mut bytes = Vec::new();
        put_client_frame(&mut bytes, if first { frame::TEXT } else { 0 }, fragment);
        bytes[0] = if last { bytes[0] } else { bytes[0] & 0x7f };
        put_client_frame(&mut bytes, frame::PING, &[index as u8]);
        client.write(&bytes);
        assert_eq!(client.frame(), (frame::PONG, vec![index as u8]));
    }
    publish_and_expect(&router, &mut client);
}

#[test]
fn a_client_that_went_without_a_word_is_dropped_after_two_pings() {
    let demo = Demo::start();
    let router = Router::start(&demo.config("websocket: { ping_interval: 200ms }"));
    let mut gone = connect(&router);
    gone.write(&[handshake(&router), init(), subscribe("1", PLAIN)].concat());
    gone.upgraded();
    assert_eq!(gone.message(), json!({ "type": "connection_ack" }));
    // Nobody answers from now on, as if the machine behind the socket had lost its power; another client
    // does, as long as it is listened to.
    let mut alive = Client::connect(&router.websocket_url());
    let mut pings = 0;
    let dropped = wait_for(PATIENCE, || {
        pings += usize::from(matches!(alive.hear(Duration::from_millis(50)), Some(Said::Ping(_))));
        (router.metrics().get("router_connections_timed_out_total") == 1.0).then_some(())
    });
    assert!(dropped.is_some());
    assert_eq!((gone.frame(), gone.frame()), ((frame::PING, vec![]), (frame::PING, vec![])));
    wait_until("its subscription is gone", PATIENCE, || {
        alive.hear(Duration::from_millis(10));
        load::members(&router) == 0
    });
    for _ in 0..20 {
        pings += usize::from(matches!(alive.hear(Duration::from_millis(100)), Some(Said::Ping(_))));
    }
    assert!(pings >= 3, "{pings} pings");
    let metrics = router.metrics();
    assert_eq!(metrics.get("router_engine_connections"), 1.0);
    assert_eq!(metrics.get("router_connections_timed_out_total"), 1.0, "who answers stays");
}

/// A client has so long to hang up once it was told why, whatever it does with the time.
#[test]
fn a_client_that_goes_on_after_it_was_closed_is_dropped_in_time() {
    let demo = Demo::start();
    let router = Router::start(&demo.config("engine: { websocket_server_write_timeout: 1s }"));
    let mut client = connect(&router);
    client.write(&[handshake(&router), subscribe("1", PLAIN)].concat());
    client.upgraded();
    assert_eq!(client.frame().0, frame::CLOSE, "it may not subscribe before it has initialised");
    let connections = || router.metrics().get("router_engine_connections");
    wait_until("it is counted", PATIENCE, || connections() == 1.0);
    wait_until("it is dropped", PATIENCE / 6, || {
        // Nobody reads this, and nobody waits because of it.
        let _ = client.stream.write_all(&init());
        connections() == 0.0
    });
}

/// What must be gone when all clients are.
const NOTHING: [&str; 5] = [
    "router_engine_triggers",
    "router_engine_groups",
    "router_engine_subscriptions",
    "router_engine_connections",
    "router_engine_http_streams",
];

/// Connects by any transport, gets as far as chance will have it, and hangs up without a word.
fn come_and_go(router: &Router, number: u32, rng: &mut Rng) {
    match rng.u8(0..4) {
        0 => begin_stream(router, number, EVENTS, rng),
        1 => begin_stream(router, number, MULTIPART, rng),
        _ => begin_websocket(router, number, rng),
    }
}

fn begin_websocket(router: &Router, number: u32, rng: &mut Rng) {
    let mut client = connect(router);
    let feed = rng.u8(1..=3);
    // A name of its own: it has to be prepared, which takes longer than hanging up.
    let query = match rng.bool() {
        true => format!("subscription S{number} {{ employeeUpdated(employeeID: {feed}) {{ id notes }} }}"),
        false => PLAIN.to_owned(),
    };
    let messages = [init(), subscribe("1", &query), subscribe("2", PLAIN)].concat();
    let bytes = [handshake(router), messages].concat();
    match rng.u8(0..8) {
        // In the middle of anything.
        0 => client.write(&bytes[..rng.usize(..bytes.len())]),
        // While its operation is being prepared.
        1..=4 => client.write(&bytes),
        // While events are coming.
        _ => {
            client.write(&bytes);
            client.upgraded();
            client.message();
            if rng.bool() {
                client.message();
            }
        }
    }
}

fn begin_stream(router: &Router, number: u32, accept: &str, rng: &mut Rng) {
    let feed = rng.u8(1..=3);
    let name = if rng.bool() { format!("S{number}") } else { String::new() };
    let query = format!("subscription {name} {{ employeeUpdated(employeeID: {feed}) {{ id notes }} }}");
    match rng.u8(0..8) {
        // While its operation is being prepared.
        0..=4 => {
            let body = json!({ "query": query }).to_string();
            let headers = [("Accept", accept), ("Content-Type", "application/json")];
            drop(http::send("POST", router.graphql_url(), &headers, &body));
        }
        // While events are coming.
        _ => {
            HttpStream::post(router.graphql_url(), accept, &query).result();
        }
    }
}

/// A router on a NATS server that never stops sending events for three feeds.
struct Busy {
    router: Router,
    nats: NatsServer,
    _demo: Demo,
}

impl Busy {
    fn start() -> Self {
        let (demo, nats) = (Demo::start(), NatsServer::start());
        // Cached plans are as many as they may be after the first thousand.
        let router = Router::start(&demo.config_with(
            &format!("{{ nats: [{{ id: default, url: \"{}\" }}] }}", nats.url()),
            "skip_unavailable_providers: true",
            "engine: { execution_plan_cache_size: 64 }",
        ));
        Self { router, nats, _demo: demo }
    }

    /// Does something, with events coming in all the while.
    fn meanwhile(&self, work: impl FnOnce(&Router)) {
        let done = AtomicBool::new(false);
        let mut publisher = self.nats.client();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for feed in 1..=3 {
                        let event = employee(feed).to_string();
                        publisher.publish(&format!("employeeUpdated.{feed}"), event.as_bytes());
                    }
                    publisher.flush();
                    thread::park_timeout(Duration::from_millis(2));
                }
            });
            work(&self.router);
            done.store(true, Ordering::Relaxed);
        });
    }

    /// Waits until nothing is left of any client, here or at the broker.
    fn expect_nothing(&self) {
        wait_until("nothing is left", PATIENCE, || is_nothing(&self.router.metrics()));
        assert_eq!(self.router.state()["counts"], json!({ "triggers": 0, "groups": 0, "members": 0 }));
        let listened =
            || self.nats.subjects().into_iter().filter(|it| it.starts_with("employeeUpdated")).count();
        wait_until("the broker has no subscription of the router's", PATIENCE, || listened() == 0);
    }

    fn allocated(&self) -> f64 {
        self.router.metrics().get("router_memory_allocated_bytes")
    }

    /// Waits until as much memory is in use as before, give or take 5 %: connections end in their own time.
    fn expect_memory(&self, before: f64) {
        let mut now = 0.0;
        let settled = wait_for(PATIENCE, || {
            now = self.allocated();
            (now <= before * 1.05).then_some(())
        });
        println!("allocated: {before} bytes before, {now} after, {:+.1} %", (now / before - 1.0) * 100.0);
        assert!(settled.is_some(), "memory grows: {before} bytes before, {now} after");
    }
}

#[test]
fn clients_that_come_and_go_leave_nothing_behind() {
    const EACH: u32 = 1_000;
    let busy = Busy::start();
    let mut rng = Rng::with_seed(20_260_101);
    let mut round = |number: u32| {
        busy.meanwhile(|router| {
            (number * EACH..(number + 1) * EACH).for_each(|it| come_and_go(router, it, &mut rng));
        });
        busy.expect_nothing();
    };
    // The first rounds fill the caches and pools that stay.
    (0..2).for_each(&mut round);
    let before = busy.allocated();
    (2..4).for_each(&mut round);
    busy.expect_memory(before);
}

#[test]
fn subscribing_and_completing_leaves_nothing_behind() {
    let busy = Busy::start();
    let url = busy.router.websocket_url();
    let mut sockets = [Client::connect(&url), Client::connect(&url)];
    let mut round = |cycles: u32| {
        busy.meanwhile(|router| {
            for cycle in 0..cycles {
                match cycle % 4 {
                    2 => drop(HttpStream::post(router.graphql_url(), EVENTS, PLAIN).result()),
                    3 => drop(HttpStream::post(router.graphql_url(), MULTIPART, PLAIN).result()),
                    number => subscribe_and_complete(&mut sockets[number as usize], cycle),
                }
            }
        });
        wait_until("no subscription is left", PATIENCE, || load::members(&busy.router) == 0);
    };
    round(2_000);
    let before = busy.allocated();
    round(10_000);
    busy.expect_memory(before);
    drop(sockets);
    busy.expect_nothing();
}

/// Every second time after a result.
fn subscribe_and_complete(client: &mut Client, cycle: u32) {
    let id = cycle.to_string();
    client.subscribe(&id, PLAIN);
    if cycle.is_multiple_of(8) {
        client.next(&id);
    }
    client.complete(&id);
    // What was on its way before the router knew.
    client.send(&json!({ "type": "ping", "payload": { "cycle": cycle } }));
    while client.message() != json!({ "type": "pong", "payload": { "cycle": cycle } }) {}
}

fn is_nothing(metrics: &Metrics) -> bool {
    NOTHING.iter().all(|name| metrics.has(name) && metrics.get(name) == 0.0)
}
