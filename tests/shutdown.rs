//! How the router ends: by a signal, with clients, in time.
#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "the spread of closes is on the real clock")]

mod support;

use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};
use support::{
    Demo,
    http::http,
    live::{listen, wait_until_live},
    router::Router,
    subgraph::Behaviour,
    wait::wait_until,
    ws::Client,
};

const PATIENCE: Duration = Duration::from_secs(20);
const WATCH: &str = "subscription { employeeUpdated(employeeID: 3) { id } }";

/// Closes with 1012, spread over `shutdown_delay`, exit code 0 within the grace time.
#[test]
fn clients_are_closed_over_the_shutdown_delay() {
    let demo = Demo::start();
    let mut router = Router::start(&demo.config("shutdown_delay: 600ms\ngrace_period: 10s"));
    let mut clients: Vec<Client> = (0..20).map(|_| Client::connect(&router.websocket_url())).collect();
    clients.iter_mut().for_each(|it| it.subscribe("1", WATCH));
    wait_until_live(&router, 20);
    let start = Instant::now();
    router.signal("TERM");
    let handles: Vec<_> = clients
        .into_iter()
        .map(|mut client| std::thread::spawn(move || (client.closed(), Instant::now())))
        .collect();
    let closed: Vec<_> = handles.into_iter().map(|it| it.join().expect("closed")).collect();
    assert!(closed.iter().all(|((code, _), _)| *code == 1012), "{closed:?}");
    let last = closed.iter().map(|it| it.1).max().expect("clients");
    let first = closed.iter().map(|it| it.1).min().expect("clients");
    assert!(last - first >= Duration::from_millis(200), "spread over {:?}", last - first);
    assert!(last - start < Duration::from_secs(5), "took {:?}", last - start);
    assert_eq!(router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
}

/// While it drains: not ready, no new clients, those still there are served.
#[test]
fn while_draining_the_router_is_not_ready_and_serves_who_is_there() {
    let demo = Demo::start();
    let mut router = Router::start(&demo.config("shutdown_delay: 3s\ngrace_period: 10s"));
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(&router.websocket_url())).collect();
    listen(&router, &mut clients[7], "1", WATCH, 1);
    router.signal("TERM");
    wait_until("not ready", PATIENCE, || router.admin("/health/ready").0 == 503);
    assert_eq!(router.admin("/health/live").0, 200);
    let address = router.graphql_url().trim_start_matches("http://").trim_end_matches("/graphql").to_owned();
    wait_until("nobody new comes in", PATIENCE, || std::net::TcpStream::connect(&address).is_err());
    // Of eight, spread over three seconds, one is still there.
    assert_eq!(router.publish("employeeUpdated.3", &json!({ "id": 3 })), 202);
    let told = clients[7].message_within(Duration::from_secs(1));
    drop(clients);
    assert!(told.is_some_and(|it| it["payload"]["data"]["employeeUpdated"]["id"] == 3));
    assert_eq!(router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
}

/// A request under way gets its answer.
#[test]
fn requests_under_way_are_answered() {
    let demo = Demo::start();
    let mut router = Router::start(&demo.config("shutdown_delay: 100ms\ngrace_period: 10s"));
    demo.employees.behave(Behaviour::Hang);
    let url = router.graphql_url().to_owned();
    let asked = std::thread::spawn(move || {
        http(
            "POST",
            &url,
            &[("Content-Type", "application/json")],
            r#"{"query":"{ employee(id: 3) { id } }"}"#,
        )
    });
    wait_until("the subgraph is asked", PATIENCE, || demo.employees.request_count() == 1);
    router.signal("TERM");
    wait_until("not ready", PATIENCE, || router.admin("/health/ready").0 == 503);
    demo.employees.behave(Behaviour::Answer);
    let answer = asked.join().expect("an answer");
    assert_eq!((answer.status, answer.json()), (200, json!({ "data": { "employee": { "id": 3 } } })));
    assert_eq!(router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
}

/// A subgraph that never answers does not hold the end up beyond the grace time.
#[test]
fn a_hanging_subgraph_does_not_hold_the_end_up() {
    let demo = Demo::start();
    let mut router = Router::start(&demo.config("shutdown_delay: 0s\ngrace_period: 500ms"));
    let mut client = Client::connect(&router.websocket_url());
    listen(&router, &mut client, "1", "subscription { employeeUpdated(employeeID: 3) { notes } }", 1);
    demo.products.behave(Behaviour::Hang);
    router.publish("employeeUpdated.3", &json!({ "id": 3 }));
    client.subscribe("2", "{ products { name } }");
    wait_until("the subgraph is asked", PATIENCE, || demo.products.request_count() == 2);
    let start = Instant::now();
    router.signal("TERM");
    assert_eq!(client.closed().0, 1012);
    assert_eq!(router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

/// A client that reads nothing does not hold the end up either.
#[test]
fn a_second_signal_ends_at_once() {
    let demo = Demo::start();
    let mut router = Router::start(&demo.config("shutdown_delay: 60s\ngrace_period: 60s"));
    let _clients: Vec<Client> = (0..50).map(|_| Client::connect(&router.websocket_url())).collect();
    router.signal("TERM");
    wait_until("not ready", PATIENCE, || router.admin("/health/ready").0 == 503);
    assert!(router.is_running());
    let start = Instant::now();
    router.signal("INT");
    let status = router.wait(PATIENCE).expect("ended");
    assert_eq!(status.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

/// Nobody there: the end does not wait for anything.
#[test]
fn an_idle_router_ends_at_once() {
    let demo = Demo::start();
    let mut router = Router::start(&demo.config("shutdown_delay: 30s\ngrace_period: 60s"));
    let start = Instant::now();
    router.signal("INT");
    assert_eq!(router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

/// Connections that do nothing do not hold the end up.
#[test]
fn idle_connections_do_not_hold_the_end_up() {
    let demo = Demo::start();
    let mut router = Router::start(&demo.config("shutdown_delay: 0s\ngrace_period: 60s"));
    let silent = connect(&router, "");
    let mut kept = connect(&router, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answer = [0; 512];
    assert!(kept.read(&mut answer).is_ok_and(|it| it > 0));
    let start = Instant::now();
    router.signal("TERM");
    assert_eq!(router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    drop((silent, kept));
}

/// Requests that never get finished, and a client that does not answer the close, cost the grace time
/// at most.
#[test]
fn unfinished_requests_hold_the_end_up_for_the_grace_time_at_most() {
    let demo = Demo::start();
    let mut router = Router::start(&demo.config("shutdown_delay: 0s\ngrace_period: 700ms"));
    let half_head = connect(&router, "POST /graphql HTTP/1.1\r\nHost");
    let head = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100";
    let half_body = connect(&router, &format!("{head}\r\n\r\n{{"));
    let mut deaf = Client::connect(&router.websocket_url());
    listen(&router, &mut deaf, "1", WATCH, 1);
    let start = Instant::now();
    router.signal("TERM");
    assert_eq!(router.wait(PATIENCE).and_then(|it| it.code()), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
    drop((half_head, half_body, deaf));
}

/// A connection to the public port with something said on it.
fn connect(router: &Router, said: &str) -> TcpStream {
    let address = router.graphql_url().trim_start_matches("http://").trim_end_matches("/graphql");
    let mut socket = TcpStream::connect(address).expect("the router listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    socket.write_all(said.as_bytes()).expect("the router reads");
    socket
}
