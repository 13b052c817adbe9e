//! The Redis provider against real servers.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]
#![expect(clippy::print_stdout, reason = "what feeds cost is measured, not only judged")]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/io.rs"]
mod io;
#[path = "support/redis.rs"]
mod redis;
#[path = "support/sources.rs"]
mod sources;

use certificates::Certificates;
use juga::{
    plan::{EventFeed, ProviderKind},
    resolve::{BrokerError, BrokerMessage, Brokers},
    sources::{ClientTls, FeedBacklog, Options, RedisOptions, Report, StartError, Ticket},
};
use redis::{RedisCluster, RedisServer, is_missing, resident_bytes, until};
use sources::{Rig, event};
use std::time::{Duration, Instant};

fn strict(redis: RedisOptions) -> Options {
    Options { redis: vec![redis], ..Options::default() }
}

fn lenient(redis: RedisOptions) -> Options {
    Options { skip_unavailable_providers: true, ..strict(redis) }
}

fn options(server: &RedisServer) -> RedisOptions {
    RedisOptions::new("default", server.url())
}

/// Gives a silent server up soon.
fn impatient(server: &RedisServer) -> RedisOptions {
    RedisOptions::new("default", server.impatient_url())
}

fn feed(channels: &[&str]) -> EventFeed {
    EventFeed { kind: ProviderKind::Redis, ..sources::feed("default", channels) }
}

fn publish(rig: &Rig, to: &str, payload: &str) -> Result<(), BrokerError> {
    let message =
        BrokerMessage { kind: ProviderKind::Redis, ..sources::nats_message("default", to, payload) };
    rig.wait(rig.sources().publish(message))
}

#[test]
fn a_feed_is_live_when_the_server_has_the_subscription_and_gone_when_stopped() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let rig = Rig::start(strict(options(&server)));
    assert_eq!(server.channels(), Vec::<String>::new());
    rig.listen(1, &feed(&["a.1", "b.*"]));
    assert_eq!(
        (server.channels(), server.patterns()),
        (vec!["a.1".to_owned()], 1),
        "seen as soon as it is live"
    );

    let mut client = server.client();
    client.publish("a.2", "{}");
    client.publish("a.1", "{\"n\":1}");
    client.publish("b.x", "{\"n\":2}");
    assert_eq!([rig.next(1), rig.next(1)], [event(1, "{\"n\":1}"), event(2, "{\"n\":2}")]);

    rig.listen(2, &feed(&["a.1"]));
    rig.sources().stop(Ticket(1));
    until("the pattern is gone", || (server.patterns() == 0).then_some(()));
    assert_eq!(server.channels(), ["a.1"], "somebody still listens");
    rig.sources().stop(Ticket(2));
    until("the channel is gone", || server.channels().is_empty().then_some(()));
    assert_eq!(rig.status("default").feeds, 0);
    assert_eq!(client.ask(&["CLIENT", "LIST"]).text().lines().count(), 3, "two of ours stay, and the test's");
}

/// A destination without wildcards is a channel, whatever is escaped in it.
#[test]
fn what_is_escaped_is_meant_literally() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let rig = Rig::start(strict(options(&server)));
    rig.listen(1, &feed(&[r"a.\*"]));
    rig.listen(2, &feed(&[r"b.\[x\].*"]));
    assert_eq!((server.channels(), server.patterns()), (vec!["a.*".to_owned()], 1));
    let mut client = server.client();
    assert_eq!(client.publish("a.1", "no"), 0);
    assert_eq!(client.publish("b.x.1", "no"), 0);
    client.publish("a.*", "1");
    client.publish("b.[x].1", "2");
    assert_eq!([rig.next(1), rig.next(2)], [event(1, "1"), event(1, "2")]);
}

#[test]
fn destinations_that_overlap_bring_an_event_once() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let rig = Rig::start(strict(options(&server)));
    rig.listen(1, &feed(&["a.*", "a.b", "a.b*"]));
    rig.listen(2, &feed(&["a.b"]));
    let mut client = server.client();
    for n in 1..=50 {
        client.publish("a.b", &n.to_string());
    }
    for n in 1..=50 {
        assert_eq!((rig.next(1), rig.next(2)), (event(n, &n.to_string()), event(n, &n.to_string())));
    }
    client.publish("a.c", "end");
    assert_eq!(rig.next(1), event(51, "end"));
    assert_eq!(rig.status("default").received, 101);
}

#[test]
fn feeds_of_one_channel_share_its_subscription() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let rig = Rig::start(strict(options(&server)));
    rig.listen(1, &feed(&["a", "b"]));
    rig.listen(2, &feed(&["a", "c"]));
    let mut client = server.client();
    assert_eq!(client.publish("a", "1"), 1, "one subscriber, as the server sees it");
    assert_eq!((rig.next(1), rig.next(2)), (event(1, "1"), event(1, "1")));
    rig.sources().stop(Ticket(1));
    until("b is gone", || (server.channels() == ["a", "c"]).then_some(()));
    client.publish("a", "2");
    assert_eq!(rig.next(2), event(2, "2"));
}

#[test]
fn a_burst_arrives_whole_and_in_order() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let rig = Rig::start_with_room(strict(options(&server)), 64);
    rig.listen(1, &feed(&["burst"]));
    server.client().publish_all((1..=10_000u64).map(|n| ("burst", n.to_string())));
    for n in 1..=10_000 {
        assert_eq!(rig.next(1), event(n, &n.to_string()));
    }
    assert_eq!((rig.status("default").received, rig.status("default").dropped), (10_000, 0));
}

/// More than the hub, the feed's own queue and the intake hold: what is dropped is counted and told, and the
/// other feed has lost nothing.
#[test]
fn a_slow_hub_loses_events_in_words() {
    if is_missing() {
        return;
    }
    const EVENTS: u64 = 100_000;
    let server = RedisServer::start();
    let rig = Rig::start_with_room(strict(options(&server)), 10);
    rig.listen(1, &feed(&["burst"]));
    rig.listen(2, &feed(&["calm"]));
    let mut client = server.client();
    for start in (0..EVENTS).step_by(10_000) {
        client.publish_all((start..start + 10_000).map(|n| ("burst", n.to_string())));
    }
    client.publish("calm", "1");
    until("all were seen", || (rig.status("default").received == EVENTS + 1).then_some(()));
    let (mut seen, mut lost) = (0, 0);
    while seen + lost < EVENTS {
        match rig.next(1) {
            Report::Event { .. } => seen += 1,
            Report::Lost(events) => lost += events,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((seen + lost, rig.status("default").dropped), (EVENTS, lost));
    assert!(lost > 0 && seen >= 65_536, "{seen} seen, {lost} lost");
    assert_eq!(rig.next(2), event(1, "1"));
}

#[test]
fn feeds_survive_a_crash_of_the_server() {
    if is_missing() {
        return;
    }
    let mut server = RedisServer::start();
    let rig = Rig::start(strict(options(&server)));
    rig.listen(1, &feed(&["a", "b.*"]));
    server.kill();
    assert_eq!(rig.next(1), Report::Interrupted);
    until("it is down", || (!rig.status("default").up).then_some(()));
    server.restart();
    assert_eq!(rig.next(1), Report::Restored);
    assert_eq!(
        (server.channels(), server.patterns()),
        (vec!["a".to_owned()], 1),
        "restored means subscribed"
    );
    server.client().publish("a", "{}");
    assert_eq!(rig.next(1), event(1, "{}"));
    until("it is up", || rig.status("default").up.then_some(()));
    assert_eq!(rig.status("default").reconnects, 2, "one for each connection");
}

/// Its connections stay open and nothing comes: noticed all the same.
#[test]
fn a_silent_server_is_noticed() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let rig = Rig::start(strict(impatient(&server)));
    rig.listen(1, &feed(&["a"]));
    server.pause();
    assert_eq!(rig.next(1), Report::Interrupted);
    until("it is down", || (!rig.status("default").up).then_some(()));
    rig.sources().start(Ticket(2), &feed(&["b"]));
    assert_eq!(rig.next(2), Report::Interrupted, "not live before the server says so");
    server.resume();
    assert_eq!(rig.next(1), Report::Restored);
    assert_eq!([rig.next(2), rig.next(2)], [Report::Live, Report::Restored]);
    server.client().publish("a", "{}");
    assert_eq!(rig.next(1), event(1, "{}"));
}

#[test]
fn publishing_is_confirmed_or_refused_at_once() {
    if is_missing() {
        return;
    }
    let mut server = RedisServer::start();
    let rig = Rig::start(strict(impatient(&server)));
    let mut client = server.client();
    client.subscribe("orders.*");
    publish(&rig, "orders.*", "{\"id\": 1,\t\"ü\":\"\\u0000\"}").expect("published");
    let (channel, payload) = client.next_message();
    assert_eq!((&*channel, &payload[..]), ("orders.*", "{\"id\": 1,\t\"ü\":\"\\u0000\"}".as_bytes()));

    server.pause();
    let start = Instant::now();
    let error = publish(&rig, "orders.*", "paused").expect_err("paused");
    assert!(error.to_string().contains("no answer within 300ms"), "{error}");
    until("it is down", || (!rig.status("default").up).then_some(()));
    assert_eq!(publish(&rig, "orders.*", "refused").expect_err("down").to_string(), "not connected");
    assert!(start.elapsed() < Duration::from_secs(5));
    server.resume();

    server.kill();
    until("it is down", || (!rig.status("default").up).then_some(()));
    assert_eq!(publish(&rig, "orders.*", "refused").expect_err("down").to_string(), "not connected");
    server.restart();
    let mut client = server.client();
    client.subscribe("orders.*");
    until("it is up", || rig.status("default").up.then_some(()));
    publish(&rig, "orders.*", "after").expect("published");
    assert_eq!(client.next_message().1, b"after", "what was refused was not kept back and sent later");
    assert_eq!((rig.status("default").published, rig.status("default").failed), (2, 3));
}

#[test]
fn a_lenient_start_needs_no_server_and_notices_when_it_comes() {
    if is_missing() {
        return;
    }
    let mut server = RedisServer::start();
    server.kill();
    let began = Instant::now();
    let rig = Rig::start(lenient(options(&server)));
    assert!(!rig.status("default").up);
    assert!(began.elapsed() < Duration::from_millis(2500), "a refused connection is no reason to wait");
    rig.sources().start(Ticket(1), &feed(&["a"]));
    assert_eq!(rig.next(1), Report::Interrupted, "not there yet");
    server.restart();
    assert_eq!([rig.next(1), rig.next(1)], [Report::Live, Report::Restored]);
    server.client().publish("a", "{}");
    assert_eq!(rig.next(1), event(1, "{}"));
    until("it is up", || rig.status("default").up.then_some(()));
    publish(&rig, "b", "{}").expect("published");
}

#[test]
fn a_strict_start_fails_in_words_and_in_time() {
    if is_missing() {
        return;
    }
    let mut server = RedisServer::start();
    server.pause();
    let start = Instant::now();
    let error = Rig::try_start(strict(options(&server)), 1024).err().expect("silent");
    assert!(error.to_string().contains("no answer within"), "{error}");
    server.kill();
    let error = Rig::try_start(strict(options(&server)), 1024).err().expect("no server");
    assert!(matches!(error, StartError::Unreachable { .. }));
    let text = error.to_string();
    assert!(text.starts_with("redis provider with ID default is not reachable: "), "{text}");
    assert!(start.elapsed() < Duration::from_secs(12));
    let error = Rig::try_start(strict(RedisOptions::new("default", "http://h")), 1024).err().expect("no URL");
    assert!(error.is_configuration(), "{error}");
}

#[test]
fn credentials_are_needed_and_never_told() {
    if is_missing() {
        return;
    }
    let server = RedisServer::with_password("s3cret");
    let with =
        |login: &str| RedisOptions::new("default", server.url().replace("://", &format!("://{login}@")));
    for login in ["", ":wrongly", "nobody:wrongly"] {
        let url = if login.is_empty() { options(&server) } else { with(login) };
        let error = Rig::try_start(strict(url), 1024).err().expect("refused").to_string();
        assert!(
            error.contains("redis provider with ID default is not reachable") && !error.contains("wrongly"),
            "{error}"
        );
    }
    let rig = Rig::start(strict(with(":s3cret")));
    rig.listen(1, &feed(&["a"]));
    publish(&rig, "a", "{}").expect("published");
    assert_eq!(rig.next(1), event(1, "{}"));

    let mut admin = server.client();
    admin.ask(&["ACL", "SETUSER", "juga", "on", ">p@ss", "&open.*", "+@all"]);
    let rig = Rig::start(strict(with("juga:p%40ss")));
    rig.sources().start(Ticket(1), &feed(&["closed.a", "open.a"]));
    rig.sources().start(Ticket(2), &feed(&["open.a"]));
    rig.sources().start(Ticket(3), &feed(&["open.b"]));
    let Report::Failed(errors) = rig.next(1) else { panic!("should fail") };
    assert_eq!(errors[0].code, Some("FEED_UNAVAILABLE"));
    assert_eq!([rig.next(2), rig.next(3)], [Report::Live, Report::Live], "the others are none the worse");
    let error = publish(&rig, "closed.a", "{}").expect_err("closed");
    assert!(error.to_string().contains("no permissions"), "{error}");
    publish(&rig, "open.a", "{}").expect("open");
    assert_eq!(rig.next(2), event(1, "{}"));
    until("the failed feed is forgotten", || (rig.status("default").feeds == 2).then_some(()));
}

#[test]
fn a_server_is_trusted_through_its_authority_alone() {
    if is_missing() {
        return;
    }
    let certificates = Certificates::make();
    let [certificate, key, authority] =
        ["server.pem", "server.key", "ca.pem"].map(|it| certificates.text(it));
    let server = RedisServer::with_tls(&certificate, &key, &authority, "no");
    let start = |url: String, tls| {
        let redis = RedisOptions { tls, ..RedisOptions::new("default", url) };
        Rig::try_start(strict(redis), 100).map_err(|error| error.to_string())
    };
    let works = |rig: Rig| {
        rig.listen(1, &feed(&["a"]));
        publish(&rig, "a", "{}").expect("published");
        assert_eq!(rig.next(1), event(1, "{}"));
    };
    works(start(server.tls_url(), Some(certificates.trusting("ca.pem"))).expect("the right authority"));
    works(start(format!("{}?skip_verify=true", server.tls_url()), None).expect("any certificate will do"));
    for tls in [Some(certificates.trusting("other.pem")), None] {
        let error = start(server.tls_url(), tls).err().expect("nobody to trust");
        assert!(error.contains("not reachable") && error.contains("certificate"), "{error}");
    }
    let error = start(server.url(), Some(certificates.trusting("ca.pem"))).err().expect("no TLS there");
    assert!(error.contains("rediss://"), "{error}");

    let server = RedisServer::with_tls(&certificate, &key, &authority, "yes");
    start(server.tls_url(), Some(certificates.trusting("ca.pem"))).err().expect("no certificate of ours");
    let shown = ClientTls {
        cert_file: Some(certificates.file("client.pem")),
        key_file: Some(certificates.file("client.key")),
        ..certificates.trusting("ca.pem")
    };
    works(start(server.tls_url(), Some(shown)).expect("a client certificate"));
}

/// The second server stands in for the first.
#[test]
fn several_urls_are_tried_in_their_order() {
    if is_missing() {
        return;
    }
    let (mut first, second) = (RedisServer::start(), RedisServer::start());
    let urls = vec![first.url(), second.url()];
    let rig = Rig::start(strict(RedisOptions { urls, ..options(&first) }));
    rig.listen(1, &feed(&["a"]));
    assert_eq!((first.channels(), second.channels()), (vec!["a".to_owned()], vec![]));
    first.kill();
    assert_eq!([rig.next(1), rig.next(1)], [Report::Interrupted, Report::Restored]);
    second.client().publish("a", "{}");
    assert_eq!(rig.next(1), event(1, "{}"));
}

#[test]
fn a_cluster_serves_through_any_node_and_outlives_the_configured_one() {
    if is_missing() {
        return;
    }
    let mut cluster = RedisCluster::start();
    let urls = cluster.urls()[..1].to_vec();
    let rig = Rig::start(strict(RedisOptions { urls, cluster_enabled: true, ..options(&cluster.nodes[0]) }));
    rig.listen(1, &feed(&["a", "b.*"]));
    cluster.nodes[2].client().publish("a", "far");
    assert_eq!(rig.next(1), event(1, "far"));
    let mut listener = cluster.nodes[1].client();
    listener.subscribe("orders");
    publish(&rig, "orders", "{}").expect("published");
    assert_eq!(listener.next_message().1, b"{}");

    cluster.nodes[0].kill();
    assert_eq!([rig.next(1), rig.next(1)], [Report::Interrupted, Report::Restored]);
    cluster.nodes[2].client().publish("b.1", "still");
    assert_eq!(rig.next(1), event(2, "still"));
    until("it is up", || rig.status("default").up.then_some(()));
    publish(&rig, "orders", "after").expect("published");
    assert_eq!(listener.next_message().1, b"after");
}

/// 10,000 feeds: how many connections, and how many bytes each.
#[test]
fn ten_thousand_feeds_are_two_connections() {
    if is_missing() {
        return;
    }
    const FEEDS: u64 = 10_000;
    let server = RedisServer::start();
    let rig = Rig::start(strict(options(&server)));
    let before = resident_bytes();
    for n in 0..FEEDS {
        rig.sources().start(Ticket(n), &feed(&[&format!("many.{n}")]));
    }
    for n in 0..FEEDS {
        assert_eq!(rig.next(n), Report::Live);
    }
    let bytes = resident_bytes().saturating_sub(before) / FEEDS as usize;
    println!("{} connections, {bytes} bytes a feed", server.connections());
    assert_eq!(server.connections(), 2);
    assert!(bytes < 4096, "{bytes} bytes a feed");
    server
        .client()
        .publish_all((0..FEEDS).map(|n| ("many", n.to_string())).chain([("many.9999", "1".to_owned())]));
    assert_eq!(rig.next(9999), event(1, "1"));
    for n in 0..FEEDS {
        rig.sources().stop(Ticket(n));
    }
    until("the channels are gone", || server.channels().is_empty().then_some(()));
}

/// By number here; each that is dropped is counted and told at its place.
#[test]
fn what_waits_for_the_hub_is_bounded_and_what_is_dropped_is_told() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let feed_backlog = FeedBacklog { events: 100, ..FeedBacklog::default() };
    let rig = Rig::start_with_room(strict(RedisOptions { feed_backlog, ..options(&server) }), 1);
    rig.sources().start(Ticket(1), &feed(&["a"]));
    until("the hub's queue is full", || (rig.sink.len() == 1).then_some(()));
    let mut client = server.client();
    client.publish_all((0..1_000).map(|n| ("a", n.to_string())));
    until("all of them are here", || (rig.status("default").received == 1_000).then_some(()));
    assert_eq!(rig.status("default").dropped, 900);
    assert_eq!(rig.next(1), Report::Live);
    for n in 0..100 {
        assert_eq!(rig.next(1), event(n + 1, &n.to_string()));
    }
    assert_eq!(rig.next(1), Report::Lost(900));
    client.publish("a", "{}");
    assert_eq!(rig.next(1), event(1_001, "{}"), "and it goes on");
}

#[test]
fn a_dropped_provider_leaves_no_connection() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let rig = Rig::start(strict(options(&server)));
    rig.listen(1, &feed(&["a"]));
    drop(rig);
    until("no connection is left", || (server.connections() == 0).then_some(()));
}

#[test]
fn requests_are_refused_in_words() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let rig = Rig::start(strict(options(&server)));
    let message = BrokerMessage { kind: ProviderKind::Redis, ..sources::nats_message("default", "a", "{}") };
    assert_eq!(
        rig.wait(rig.sources().request(message)).expect_err("none").to_string(),
        "Redis answers no requests"
    );
}

/// A master and its replica, and a provider that is given up soon by who is silent, in the order of its URLs.
fn pair() -> (RedisServer, RedisServer) {
    let master = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
    let replica = RedisServer::replica_of(&master);
    (master, replica)
}

fn provider(first: &RedisServer, second: &RedisServer) -> RedisOptions {
    RedisOptions { urls: vec![first.impatient_url(), second.url()], ..RedisOptions::new("default", "") }
}

/// A replica that has lost its master hears nothing and passes nothing on, so nobody stays there.
#[test]
fn a_replica_is_left_when_its_master_is_back() {
    if is_missing() {
        return;
    }
    for replica_first in [false, true] {
        let (mut master, replica) = pair();
        let options = if replica_first { provider(&replica, &master) } else { provider(&master, &replica) };
        let rig = Rig::start(strict(options));
        rig.listen(1, &feed(&["a"]));
        assert_eq!((master.channels().len(), replica.channels().len()), (1, 0), "the master is preferred");
        publish(&rig, "a", "1").expect("published");
        assert_eq!(rig.next(1), event(1, "1"));

        master.kill();
        assert_eq!(rig.next(1), Report::Interrupted);
        until("the loss is known", || (!rig.status("default").up).then_some(()));
        for _ in 0..20 {
            publish(&rig, "a", "lost").expect_err("no master");
        }
        master.restart();
        assert_eq!(rig.next(1), Report::Restored);
        until("there is a master", || publish(&rig, "a", "2").ok());
        assert_eq!(rig.next(1), event(2, "2"));
        assert_eq!((master.channels().len(), replica.channels().len()), (1, 0));
    }
}

/// A master that has become a replica takes messages, and they reach nobody: that is no success.
#[test]
fn publishing_follows_the_master_through_a_failover() {
    if is_missing() {
        return;
    }
    let (master, replica) = pair();
    let rig = Rig::start(strict(provider(&master, &replica)));
    publish(&rig, "a", "before").expect("published");
    replica.promote();
    let mut client = replica.client();
    client.subscribe("a");
    // From here on the one that it is connected to passes nothing on, and nobody may have looked yet.
    master.demote(&replica);
    let mut payload = 0;
    let taken = until("the new master is found", || {
        payload += 1;
        publish(&rig, "a", &payload.to_string()).ok().map(|()| payload.to_string())
    });
    assert_eq!(client.next_message().1, taken.as_bytes(), "what is confirmed reaches who listens there");
    rig.listen(1, &feed(&["b"]));
    until("it is listened to there", || (replica.channels() == ["a", "b"]).then_some(()));
    publish(&rig, "b", "heard").expect("published");
    until("it is heard", || (rig.next(1) == event(1, "heard")).then_some(()));
}

/// Whoever has replicas alone can listen, and is told that nothing can be published.
#[test]
fn replicas_alone_serve_who_listens() {
    if is_missing() {
        return;
    }
    let (master, replica) = pair();
    let rig = Rig::start(strict(impatient(&replica)));
    rig.listen(1, &feed(&["a"]));
    master.client().publish("a", "1");
    assert_eq!(rig.next(1), event(1, "1"));
    publish(&rig, "a", "2").expect_err("a replica");
    assert!(rig.status("default").up);
    // And where one is among the servers later, it is found.
    replica.promote();
    until("it may be published to", || publish(&rig, "a", "3").ok());
    assert_eq!(rig.next(1), event(2, "3"));
}
