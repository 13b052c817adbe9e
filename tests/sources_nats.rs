//! The NATS provider against a real server.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "support/io.rs"]
mod io;
#[path = "support/nats.rs"]
mod nats;
#[path = "support/sources.rs"]
mod sources;

use juga::{
    plan::Position,
    resolve::{BrokerError, BrokerMessage, Brokers},
    sources::{FeedBacklog, NatsAuthentication, NatsOptions, Options, Report, StartError, Ticket},
};
use nats::{NatsServer, until};
use sources::{Rig, event, feed, nats_message};
use std::time::{Duration, Instant};

fn options(server: &NatsServer) -> NatsOptions {
    NatsOptions { request_timeout: Duration::from_secs(5), ..NatsOptions::new("default", server.url()) }
}

fn lenient(nats: NatsOptions) -> Options {
    Options { nats: vec![nats], skip_unavailable_providers: true, ..Options::default() }
}

fn strict(nats: NatsOptions) -> Options {
    Options { nats: vec![nats], ..Options::default() }
}

#[test]
fn a_feed_is_live_when_the_server_has_the_subscription_and_gone_when_stopped() {
    let server = NatsServer::start();
    let rig = Rig::start(strict(options(&server)));
    assert_eq!(server.subjects(), Vec::<String>::new());
    rig.listen(1, &feed("default", &["a.1", "b.*.c"]));
    assert_eq!(server.subjects(), ["a.1", "b.*.c"], "seen as soon as it is live");

    let mut client = server.client();
    client.publish("a.2", b"{}");
    client.publish("a.1", b"{\"n\":1}");
    assert_eq!(rig.next(1), event(1, "{\"n\":1}"));
    client.publish("b.x.c", b"{\"n\":2}");
    assert_eq!(rig.next(1), event(2, "{\"n\":2}"));

    rig.sources().stop(Ticket(1));
    until("the subscriptions are gone", || server.subjects_and_inboxes().is_empty().then_some(()));
    assert_eq!(rig.status("default").feeds, 0);
    assert_eq!(server.connections(), 2, "ours stays, and the test's");
}

#[test]
fn subjects_that_overlap_bring_an_event_once() {
    let server = NatsServer::start();
    let rig = Rig::start(strict(options(&server)));
    rig.listen(1, &feed("default", &["a.*.c", "a.>", "a.b.c"]));
    let mut client = server.client();
    for n in 0..50 {
        client.publish("a.b.c", format!("{n}").as_bytes());
    }
    client.publish("a.end", b"end");
    client.flush();
    let mut seen: Vec<Report> = (0..51).map(|_| rig.next(1)).collect();
    seen.sort_by_key(|it| if let Report::Event { position, .. } = it { position.offset(0) } else { None });
    assert_eq!(
        seen.last()
            .map(|it| matches!(it, Report::Event { position, .. } if *position == Position::single(51))),
        Some(true)
    );
    assert_eq!(rig.status("default").received, 51);
}

#[test]
fn a_burst_arrives_whole_and_in_order() {
    let server = NatsServer::start();
    let rig = Rig::start_with_room(strict(options(&server)), 64);
    rig.listen(1, &feed("default", &["burst"]));
    let mut client = server.client();
    for n in 1..=10_000u64 {
        client.publish("burst", n.to_string().as_bytes());
    }
    client.flush();
    for n in 1..=10_000 {
        assert_eq!(rig.next(1), event(n, &n.to_string()));
    }
    assert_eq!((rig.status("default").received, rig.status("default").dropped), (10_000, 0));
}

/// By bytes here; each that is dropped is counted and told at its place.
#[test]
fn what_waits_for_the_hub_is_bounded_and_what_is_dropped_is_told() {
    let server = NatsServer::start();
    let feed_backlog = FeedBacklog { bytes: 10_000, ..FeedBacklog::default() };
    let rig = Rig::start_with_room(strict(NatsOptions { feed_backlog, ..options(&server) }), 1);
    rig.sources().start(Ticket(1), &feed("default", &["a"]));
    until("the hub's queue is full", || (rig.sink.len() == 1).then_some(()));
    let mut client = server.client();
    (0..1_000).for_each(|_| client.publish("a", &[b'x'; 100]));
    client.flush();
    until("all of them are here", || (rig.status("default").received == 1_000).then_some(()));
    assert_eq!(rig.status("default").dropped, 900, "a hundred of a hundred bytes may wait");
    assert_eq!(rig.next(1), Report::Live);
    let payload = "x".repeat(100);
    for n in 1..=100 {
        assert_eq!(rig.next(1), event(n, &payload));
    }
    assert_eq!(rig.next(1), Report::Lost(900));
    client.publish("a", b"{}");
    assert_eq!(rig.next(1), event(1_001, "{}"), "and it goes on");
}

#[test]
fn many_feeds_start_together_and_each_gets_its_own() {
    let server = NatsServer::start();
    let rig = Rig::start(strict(options(&server)));
    for n in 0..2_000 {
        rig.sources().start(Ticket(n), &feed("default", &[&format!("many.{n}")]));
    }
    for n in 0..2_000 {
        assert_eq!(rig.next(n), Report::Live);
    }
    let mut client = server.client();
    for n in 0..2_000 {
        client.publish(&format!("many.{n}"), n.to_string().as_bytes());
    }
    for n in 0..2_000 {
        assert_eq!(rig.next(n), event(1, &n.to_string()));
    }
    assert_eq!(server.connections(), 2, "one connection for all of them");
}

#[test]
fn feeds_survive_a_crash_of_the_server() {
    let mut server = NatsServer::start();
    let rig = Rig::start(strict(options(&server)));
    rig.listen(1, &feed("default", &["a"]));
    server.kill();
    assert_eq!(rig.next(1), Report::Interrupted);
    until("it is down", || (!rig.status("default").up).then_some(()));
    server.restart();
    assert_eq!(rig.next(1), Report::Restored);
    assert_eq!(server.subjects(), ["a"], "restored means that the server has it");
    server.client().publish("a", b"{}");
    assert_eq!(rig.next(1), event(1, "{}"));
    let status = rig.status("default");
    assert_eq!((status.up, status.reconnects), (true, 1));
}

#[test]
fn publishing_is_confirmed_or_refused_at_once() {
    let mut server = NatsServer::start();
    let rig = Rig::start(strict(options(&server)));
    let mut client = server.client();
    client.subscribe("orders");
    rig.wait(rig.sources().publish(nats_message("default", "orders", "{\"id\":1}"))).expect("published");
    assert_eq!(client.next_message(), ("orders".to_owned(), None, b"{\"id\":1}".to_vec()));

    for bad in ["a.*", "a b", "a\r\nPUB b 0", "", "a..b"] {
        let error = rig.wait(rig.sources().publish(nats_message("default", bad, "{}"))).expect_err(bad);
        assert!(error.to_string().contains("not a subject"), "{error}");
    }
    server.kill();
    until("it is down", || (!rig.status("default").up).then_some(()));
    let start = Instant::now();
    let error = rig.wait(rig.sources().publish(nats_message("default", "orders", "{}"))).expect_err("down");
    assert_eq!(error.to_string(), "not connected");
    assert!(start.elapsed() < Duration::from_secs(2));

    server.restart();
    let mut client = server.client();
    client.subscribe("orders");
    until("it is up", || rig.status("default").up.then_some(()));
    rig.wait(rig.sources().publish(nats_message("default", "orders", "after"))).expect("published");
    assert_eq!(client.next_message().2, b"after");
    assert_eq!(server.bytes_from("juga"), 5, "what was refused was not kept back and sent later");
    assert_eq!((rig.status("default").published, rig.status("default").failed), (2, 6));
}

#[test]
fn a_server_that_hangs_confirms_nothing_in_bounded_time() {
    let server = NatsServer::start();
    let nats = NatsOptions { request_timeout: Duration::from_millis(300), ..options(&server) };
    let rig = Rig::start(strict(nats));
    server.pause();
    rig.sources().start(Ticket(1), &feed("default", &["a"]));
    assert_eq!(rig.next(1), Report::Interrupted, "not live before the server says so");
    let error = rig.wait(rig.sources().publish(nats_message("default", "a", "{}"))).expect_err("paused");
    assert!(error.to_string().contains("no answer"), "{error}");
    server.resume();
    until("it answers again", || rig.wait(rig.sources().publish(nats_message("default", "b", "{}"))).ok());
    assert_eq!([rig.next(1), rig.next(1)], [Report::Live, Report::Restored]);
}

#[test]
fn requests_are_answered_or_fail_in_bounded_time() {
    let server = NatsServer::start();
    let nats = NatsOptions { request_timeout: Duration::from_millis(400), ..options(&server) };
    let rig = Rig::start(strict(nats));
    let ask = |to: &str| rig.wait(rig.sources().request(nats_message("default", to, "{\"id\":1}")));

    let error = ask("nobody").expect_err("no responder");
    assert_eq!(error.to_string(), "nobody answers requests to 'nobody'");

    let mut client = server.client();
    client.subscribe("svc");
    let waiting = rig.sources().request(nats_message("default", "svc", "{\"id\":1}"));
    let (_, reply, payload) = client.next_message();
    assert_eq!(payload, b"{\"id\":1}");
    client.publish(&reply.expect("reply subject"), b"{\"name\":\"x\"}");
    assert_eq!(&rig.wait(waiting).expect("reply")[..], b"{\"name\":\"x\"}");

    let error = ask("svc").expect_err("nobody replies");
    assert!(error.to_string().contains("no answer within 400ms"), "{error}");
    until("no inbox is left behind", || (server.subjects_and_inboxes() == ["svc"]).then_some(()));
}

#[test]
fn a_lenient_start_needs_no_server_and_notices_when_it_comes() {
    let mut server = NatsServer::start();
    server.kill();
    let began = Instant::now();
    let rig = Rig::start(lenient(options(&server)));
    assert!(!rig.status("default").up);
    assert!(began.elapsed() < Duration::from_millis(2500), "a refused connection is no reason to wait");
    rig.sources().start(Ticket(1), &feed("default", &["a"]));
    assert_eq!(rig.next(1), Report::Interrupted, "not there yet");
    server.restart();
    assert_eq!(rig.next(1), Report::Live);
    assert_eq!(rig.next(1), Report::Restored);
    server.client().publish("a", b"{}");
    assert_eq!(rig.next(1), event(1, "{}"));
    rig.wait(rig.sources().publish(nats_message("default", "b", "{}"))).expect("published");
}

#[test]
fn a_strict_start_fails_in_words_when_the_server_is_away() {
    let mut server = NatsServer::start();
    server.kill();
    let start = Instant::now();
    let error = Rig::try_start(strict(options(&server)), 1024).err().expect("no server");
    assert!(matches!(error, StartError::Unreachable { .. }));
    let text = error.to_string();
    assert!(text.starts_with("nats provider with ID default is not reachable: "), "{text}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn what_the_user_may_not_do_is_said() {
    let server = NatsServer::start_with_config(
        "authorization { users = [ { user: u, password: p, permissions: { \
            subscribe: [\"open.>\"], publish: [\"open.>\"] } } ] }",
    );
    let user = NatsAuthentication::User { username: "u".into(), password: "p".into() };
    let rig = Rig::start(strict(NatsOptions { authentication: Some(user), ..options(&server) }));
    rig.sources().start(Ticket(1), &feed("default", &["closed.a"]));
    let Report::Failed(errors) = rig.next(1) else { panic!("should fail") };
    let error = &errors[0];
    assert_eq!(error.code, Some("FEED_UNAVAILABLE"));
    // Inboxes are not open to this user: the confirmation works all the same.
    rig.listen(2, &feed("default", &["open.a"]));
    let error =
        rig.wait(rig.sources().publish(nats_message("default", "closed.a", "{}"))).expect_err("closed");
    assert_eq!(error.to_string(), "the server does not permit it");
    rig.wait(rig.sources().publish(nats_message("default", "open.a", "{}"))).expect("open");
    assert_eq!(rig.next(2), event(1, "{}"));
    until("the failed feed is forgotten", || (rig.status("default").feeds == 1).then_some(()));
}

/// Which feeds of so many have failed; the others are live.
fn failed(rig: &Rig, feeds: u64) -> Vec<u64> {
    (0..feeds)
        .filter(|n| match rig.next(*n) {
            Report::Live => false,
            Report::Failed(_) => true,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// The server does not say whose subscription it would not take, neither at a start nor after an outage.
#[test]
fn more_subscriptions_than_may_be_fail_and_no_others() {
    let mut server = NatsServer::start_with_config("max_subscriptions: 30");
    let rig = Rig::start(strict(options(&server)));
    for n in 0..50 {
        rig.sources().start(Ticket(n), &feed("default", &[&format!("many.{n}")]));
    }
    // One is kept for the round trips that prove the others.
    assert_eq!(failed(&rig, 50), (29..50).collect::<Vec<u64>>());
    let get_theirs = |server: &NatsServer, feeds: &[u64], position: u64| {
        let mut client = server.client();
        for n in feeds {
            client.publish(&format!("many.{n}"), b"{}");
            assert_eq!(rig.next(*n), event(position, "{}"));
        }
    };
    get_theirs(&server, &(0..29).collect::<Vec<u64>>(), 1);
    rig.wait(rig.sources().publish(nats_message("default", "a", "{}"))).expect("published");

    server.kill();
    (0..29).for_each(|n| assert_eq!(rig.next(n), Report::Interrupted));
    server.configure("max_subscriptions: 20");
    server.restart();
    let mut left = Vec::new();
    for n in 0..29 {
        match rig.next(n) {
            Report::Restored => left.push(n),
            Report::Failed(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(left.len(), 19);
    get_theirs(&server, &left, 2);
    assert_eq!(rig.status("default").feeds, 19);
}

#[test]
fn a_wrong_password_is_told_at_a_strict_start() {
    let server = NatsServer::start_with(&["--auth", "secret"]);
    let with = |token: &str| NatsOptions {
        authentication: Some(NatsAuthentication::Token(token.into())),
        ..options(&server)
    };
    let error = Rig::try_start(strict(with("wrong")), 1024).err().expect("refused");
    assert!(error.to_string().contains("authorization violation"), "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
    let rig = Rig::start(strict(with("secret")));
    rig.listen(1, &feed("default", &["a"]));
}

#[test]
fn a_malformed_subject_never_reaches_the_server() {
    let server = NatsServer::start();
    let rig = Rig::start(strict(options(&server)));
    rig.listen(1, &feed("default", &["good"]));
    let long = "x".repeat(5_000);
    for (ticket, bad) in (10..).zip([">.a", "a b", "a\r\nPUB x 0", "", "a..b", &long]) {
        rig.sources().start(Ticket(ticket), &feed("default", &[bad]));
        assert!(
            matches!(rig.next(ticket), Report::Failed(errors) if errors[0].code == Some("FEED_UNAVAILABLE"))
        );
    }
    assert_eq!(server.subjects(), ["good"]);
    assert_eq!(rig.status("default").reconnects, 0, "nobody was hung up on");
}

#[test]
fn a_feed_without_subjects_is_live_and_silent() {
    let server = NatsServer::start();
    let rig = Rig::start(strict(options(&server)));
    rig.listen(1, &feed("default", &[]));
    rig.listen(2, &feed("default", &["a"]));
    server.client().publish("a", b"{}");
    assert_eq!(rig.next(2), event(1, "{}"));
    assert_eq!((rig.sink.len(), rig.status("default").restarts), (0, 0));
}

#[test]
fn a_request_under_way_fails_when_the_server_dies() {
    let mut server = NatsServer::start();
    let rig = Rig::start(strict(NatsOptions { request_timeout: nats::PATIENCE, ..options(&server) }));
    let mut client = server.client();
    client.subscribe("svc");
    let waiting = rig.sources().request(nats_message("default", "svc", "{}"));
    client.next_message();
    let start = Instant::now();
    server.kill();
    assert_eq!(rig.wait(waiting).expect_err("dead").to_string(), "the connection was lost");
    assert!(start.elapsed() < nats::PATIENCE / 2);
}

#[test]
fn a_message_too_large_for_the_server_is_an_error() {
    let server = NatsServer::start();
    let rig = Rig::start(strict(options(&server)));
    let message = BrokerMessage { payload: vec![b'x'; 2 << 20].into(), ..nats_message("default", "a", "") };
    rig.wait(rig.sources().publish(message)).expect_err("too large");
    assert_eq!(rig.status("default").reconnects, 0);
}

/// A server's own words on a subject, and marks that a value was removed, are no events.
#[test]
fn marks_of_a_subject_are_skipped_and_counted() {
    let server = NatsServer::start();
    let rig = Rig::start(strict(options(&server)));
    rig.listen(1, &feed("default", &["a"]));
    let mut client = server.client();
    client.publish_with_headers("a", &[("KV-Operation", "DEL")], b"");
    client.publish_with_headers("a", &[("KV-Operation", "PURGE"), ("Nats-Rollup", "sub")], b"");
    client.publish_with_headers("a", &[("Nats-Marker-Reason", "MaxAge")], b"");
    client.publish_with_head("a", "NATS/1.0 100 Idle Heartbeat\r\n\r\n", b"");
    client.publish_with_head("a", "NATS/1.0 100 FlowControl Request\r\n\r\n", b"");
    client.publish_with_headers("a", &[("X-Own", "1")], b"{}");
    assert_eq!(rig.next(1), event(1, "{}"));
    let status = rig.status("default");
    assert_eq!((status.received, status.skipped), (1, 5));
}

/// What a service says of its failure is the reason.
#[test]
fn a_service_that_answers_with_an_error_is_quoted() {
    let server = NatsServer::start();
    let rig = Rig::start(strict(options(&server)));
    let mut client = server.client();
    client.subscribe("svc");
    for (head, expected) in [
        (
            "NATS/1.0\r\nNats-Service-Error: no such order\r\nNats-Service-Error-Code: 404\r\n\r\n",
            ("no such order", Some("404")),
        ),
        ("NATS/1.0\r\nNats-Service-Error: broken\r\n\r\n", ("broken", None)),
        ("NATS/1.0\r\nNats-Service-Error-Code: 500\r\n\r\n", ("without a reason", Some("500"))),
        ("NATS/1.0 408 Request Timeout\r\n\r\n", ("Request Timeout", Some("408"))),
    ] {
        let waiting = rig.sources().request(nats_message("default", "svc", "{}"));
        let (_, reply, _) = client.next_message();
        client.publish_with_head(&reply.expect("a reply subject"), head, b"");
        let (message, code) = (expected.0.to_owned(), expected.1.map(str::to_owned));
        assert_eq!(rig.wait(waiting).expect_err("an error"), BrokerError::Service { message, code });
    }
    assert_eq!(rig.status("default").failed, 4);
}
