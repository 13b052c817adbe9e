//! Redis streams as feeds that replay, against real servers.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "support/io.rs"]
mod io;
#[path = "support/redis.rs"]
mod redis;
#[path = "support/sources.rs"]
mod sources;

use juga::{
    plan::{EventFeed, Position, ProviderKind, StreamOptions},
    sources::{Options, RedisOptions, Report, Ticket},
};
use redis::{RedisClient, RedisCluster, RedisServer, is_missing, until};
use sources::Rig;
use std::{
    thread,
    time::{Duration, Instant},
};

fn lenient(server: &RedisServer) -> Options {
    Options {
        redis: vec![RedisOptions::new("default", server.impatient_url())],
        skip_unavailable_providers: true,
        ..Options::default()
    }
}

fn feed(streams: &[&str]) -> EventFeed {
    let stream = Some(StreamOptions::Redis { field: "payload".into() });
    EventFeed { kind: ProviderKind::Redis, stream, ..sources::feed("default", streams) }
}

/// The next event: its position and payload.
#[track_caller]
fn next_event(rig: &Rig, ticket: u64) -> (Position, String) {
    match rig.next(ticket) {
        Report::Event { position, payload } => {
            (position, String::from_utf8(payload.to_vec()).expect("UTF-8"))
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn next_payload(rig: &Rig, ticket: u64) -> String {
    next_event(rig, ticket).1
}

/// The offset of an entry's id, as the page about positions has it: milliseconds above 20 bits of number.
fn offset(id: &str) -> u64 {
    let (milliseconds, number) = id.split_once('-').expect("an id");
    milliseconds.parse::<u64>().expect("a number") << 20 | number.parse::<u64>().expect("a number")
}

#[test]
fn a_feed_starts_exactly_behind_what_there_was() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let mut client = server.client();
    client.add("s", "before");
    let rig = Rig::start(lenient(&server));
    assert_eq!(server.connections(), 3, "nobody reads, so nothing is there to read with");
    rig.listen(1, &feed(&["s"]));
    // At once: whatever comes after `Live` is read, whether or not reading has begun.
    let ids: Vec<String> = (0..100).map(|n| client.add("s", &n.to_string())).collect();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(next_event(&rig, 1), (Position::single(offset(id)), n.to_string()));
    }
    assert_eq!((server.connections(), rig.status("default").received), (4, 100), "ours, and the test's");
    rig.sources().stop(Ticket(1));
    until("the connection is given up", || (server.connections() == 3).then_some(()));
}

#[test]
fn a_stream_that_does_not_exist_yet_is_read_from_its_beginning() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let rig = Rig::start(lenient(&server));
    rig.listen(1, &feed(&["new"]));
    server.client().add("new", "first");
    assert_eq!(next_payload(&rig, 1), "first");
}

/// A feed that comes while others wait starts at once, and others miss nothing by it.
#[test]
fn many_feeds_share_one_connection_and_each_gets_its_own() {
    if is_missing() {
        return;
    }
    const FEEDS: u64 = 300;
    let server = RedisServer::start();
    let rig = Rig::start(lenient(&server));
    rig.listen(1_000, &feed(&["all"]));
    let start = Instant::now();
    for n in 0..FEEDS {
        rig.sources().start(Ticket(n), &feed(&[&format!("many.{n}"), "all"]));
    }
    for n in 0..FEEDS {
        assert_eq!(rig.next(n), Report::Live);
    }
    let started = start.elapsed();
    let mut client = server.client();
    for n in 0..FEEDS {
        client.add(&format!("many.{n}"), &n.to_string());
    }
    client.add("all", "end");
    for n in 0..FEEDS {
        let mut seen = [next_payload(&rig, n), next_payload(&rig, n)];
        seen.sort();
        let mut expected = [n.to_string(), "end".to_owned()];
        expected.sort();
        assert_eq!(seen, expected);
    }
    assert_eq!(next_payload(&rig, 1_000), "end");
    assert_eq!(server.connections(), 4, "three of ours, and the test's");
    assert!(started < Duration::from_secs(10), "{started:?}");

    rig.sources().start(Ticket(2_000), &feed(&["late"]));
    let start = Instant::now();
    assert_eq!(rig.next(2_000), Report::Live);
    assert!(start.elapsed() < Duration::from_millis(900), "it did not wait for the read to end by itself");
}

#[test]
fn positions_tell_every_stream_and_a_feed_can_start_behind_one() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let mut client = server.client();
    let rig = Rig::start(lenient(&server));
    let both = feed(&["a", "b"]);
    rig.listen(1, &both);
    let a = client.add("a", "1");
    let (position, _) = next_event(&rig, 1);
    assert_eq!((position.offset(0), position.offset(1)), (Some(offset(&a)), Some(0)));
    let b = client.add("b", "2");
    let (position, _) = next_event(&rig, 1);
    assert_eq!((position.offset(0), position.offset(1)), (Some(offset(&a)), Some(offset(&b))));
    for n in 3..=1_500 {
        client.add(if n % 2 == 0 { "b" } else { "a" }, &n.to_string());
    }
    let seen: Vec<(Position, String)> = (3..=1_500).map(|_| next_event(&rig, 1)).collect();

    // Behind the second event, and from the middle; the first feed is none the worse.
    for (ticket, from, rest) in [(2, &position, 0), (3, &seen[699].0, 700)] {
        rig.sources().start_behind(Ticket(ticket), &both, from);
        assert_eq!(rig.next(ticket), Report::Live);
        let mut again: Vec<u64> =
            seen[rest..].iter().map(|_| next_payload(&rig, ticket).parse().expect("n")).collect();
        let mut expected: Vec<u64> = seen[rest..].iter().map(|it| it.1.parse().expect("n")).collect();
        for part in [0, 1] {
            let of_part = |all: &[u64]| all.iter().copied().filter(|it| it % 2 == part).collect::<Vec<_>>();
            assert!(of_part(&again).is_sorted(), "in order per stream");
        }
        again.sort_unstable();
        expected.sort_unstable();
        assert_eq!(again, expected);
    }
    client.add("a", "new");
    for ticket in 1..=3 {
        assert_eq!(next_payload(&rig, ticket), "new");
    }
}

#[test]
fn what_was_trimmed_meanwhile_is_a_gap() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let mut client = server.client();
    let rig = Rig::start(lenient(&server));
    rig.listen(1, &feed(&["s"]));
    client.add("s", "1");
    let (first, _) = next_event(&rig, 1);
    for n in 2..=10 {
        client.add("s", &n.to_string());
        next_event(&rig, 1);
    }
    rig.sources().start_behind(Ticket(2), &feed(&["s"]), &first);
    assert_eq!((rig.next(2), &*next_payload(&rig, 2)), (Report::Live, "2"), "all of it is there");

    client.ask(&["XTRIM", "s", "MAXLEN", "3"]);
    rig.sources().start_behind(Ticket(3), &feed(&["s"]), &first);
    assert_eq!([rig.next(3), rig.next(3)], [Report::Live, Report::Gap]);
    assert_eq!(next_payload(&rig, 3), "8");

    // Deleted and made anew, with ids from before: read from its beginning.
    client.ask(&["DEL", "s"]);
    client.ask(&["XADD", "s", "1-1", "payload", "anew"]);
    rig.sources().start_behind(Ticket(4), &feed(&["s"]), &first);
    assert_eq!(rig.next(4), Report::Live);
    assert_eq!(rig.next(4), Report::Gap);
    assert_eq!(next_payload(&rig, 4), "anew");
}

/// A hub that takes nothing: the server keeps the entries, and none is lost.
#[test]
fn a_slow_hub_loses_nothing() {
    if is_missing() {
        return;
    }
    const EVENTS: usize = 20_000;
    let server = RedisServer::start();
    let rig = Rig::start_with_room(lenient(&server), 16);
    rig.listen(1, &feed(&["s"]));
    let mut client = server.client();
    for n in 0..EVENTS {
        client.add("s", &n.to_string());
    }
    assert!(rig.sink.len() <= 16);
    assert!(rig.status("default").received < 2_000, "what is not wanted yet is not read");
    for n in 0..EVENTS {
        assert_eq!(next_payload(&rig, 1), n.to_string());
    }
    assert_eq!(rig.status("default").dropped, 0);
}

/// Crashes and pauses of a durable server: every entry of the log once, in its order, and not a word about it.
#[test]
fn outages_lose_nothing_and_double_nothing() {
    if is_missing() {
        return;
    }
    const EVENTS: usize = 2_000;
    let mut server = RedisServer::durable();
    let rig = Rig::start(lenient(&server));
    rig.listen(1, &feed(&["s"]));
    let mut published = 0;
    let mut client = Some(server.client());
    while published < EVENTS {
        match published {
            500 | 1_500 => {
                server.kill();
                until("it is down", || (!rig.status("default").up).then_some(()));
                server.restart();
                client = Some(server.client());
            }
            1_000 => {
                server.pause();
                until("it is down", || (!rig.status("default").up).then_some(()));
                server.resume();
            }
            _ => {}
        }
        client.as_mut().expect("a client").add("s", &published.to_string());
        published += 1;
        if published % 10 == 0 {
            thread::park_timeout(Duration::from_millis(1));
        }
    }
    let log = server.client().ask(&["XRANGE", "s", "-", "+"]);
    assert_eq!(log.len(), EVENTS);
    for entry in log.items() {
        let [id, fields] = entry.items() else { panic!("{entry:?}") };
        let expected = (Position::single(offset(&id.text())), fields.texts()[1].clone());
        assert_eq!(next_event(&rig, 1), expected);
    }
    until("it is up", || rig.status("default").up.then_some(()));
    assert_eq!((rig.sink.len(), rig.status("default").dropped), (0, 0), "and nothing was said");
}

#[test]
fn a_feed_that_comes_while_the_server_is_away_is_told_so() {
    if is_missing() {
        return;
    }
    let mut server = RedisServer::durable();
    let rig = Rig::start(lenient(&server));
    server.kill();
    until("it is down", || (!rig.status("default").up).then_some(()));
    rig.sources().start(Ticket(1), &feed(&["s"]));
    assert_eq!(rig.next(1), Report::Interrupted);
    server.restart();
    assert_eq!([rig.next(1), rig.next(1)], [Report::Live, Report::Restored]);
    server.client().add("s", "1");
    assert_eq!(next_payload(&rig, 1), "1");
}

/// What a stream or an entry is not: its feed is told, others read on.
#[test]
fn what_cannot_be_read_fails_alone() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let mut client = server.client();
    client.ask(&["SET", "text", "x"]);
    client.ask(&["XADD", "nanoseconds", "1764080000000000000-0", "payload", "x"]);
    let rig = Rig::start(lenient(&server));
    rig.listen(1, &feed(&["good"]));
    rig.listen(2, &feed(&["later"]));
    for (ticket, stream) in [(3, "text"), (4, "nanoseconds")] {
        rig.sources().start(Ticket(ticket), &feed(&[stream]));
        let Report::Failed(errors) = rig.next(ticket) else { panic!("should fail") };
        assert_eq!(errors[0].code, Some("FEED_UNAVAILABLE"));
    }
    client.ask(&["SET", "later", "x"]);
    assert!(matches!(rig.next(2), Report::Failed(_)), "it became something else");
    client.ask(&["XADD", "good", "*", "other", "1"]);
    assert_eq!(next_payload(&rig, 1), "", "without the field it cannot be read");
    client.ask(&["XADD", "good", "*", "other", "1", "payload", "{}"]);
    assert_eq!(next_payload(&rig, 1), "{}");
    until("the failed feeds are forgotten", || (rig.status("default").feeds == 1).then_some(()));
}

fn in_cluster(cluster: &RedisCluster) -> Options {
    let urls = vec![cluster.nodes[0].impatient_url()];
    let options = RedisOptions { urls, cluster_enabled: true, ..RedisOptions::new("default", "") };
    Options { redis: vec![options], skip_unavailable_providers: true, ..Options::default() }
}

/// A client of each node.
fn clients(cluster: &RedisCluster) -> Vec<RedisClient> {
    cluster.nodes.iter().map(RedisServer::client).collect()
}

/// A stream at each node.
fn one_each(cluster: &RedisCluster) -> [String; 3] {
    [0, 1, 2].map(|node| {
        let mut names = (0..).map(|n| format!("s{n}"));
        names.find(|it| cluster.home(it) == node).expect("a name")
    })
}

/// What was added to which stream, and not seen yet.
#[derive(Clone)]
struct Added<'a> {
    names: &'a [String],
    entries: usize,
    due: Vec<Vec<String>>,
}

impl<'a> Added<'a> {
    fn new(names: &'a [String]) -> Self {
        Self { names, entries: 0, due: vec![Vec::new(); names.len()] }
    }

    fn add(&mut self, client: &mut RedisClient, stream: usize) {
        let payload = format!("{stream}:{}", self.entries);
        self.entries += 1;
        client.add(&self.names[stream], &payload);
        self.due[stream].push(payload);
    }

    /// All of it comes to a feed, once and in the order of each stream.
    #[track_caller]
    fn assert_came(&mut self, rig: &Rig, ticket: u64) {
        let due = std::mem::replace(&mut self.due, vec![Vec::new(); self.names.len()]);
        let mut came = vec![Vec::new(); self.names.len()];
        for _ in 0..due.iter().map(Vec::len).sum() {
            let payload = next_payload(rig, ticket);
            let (stream, _) = payload.split_once(':').expect("a stream and a number");
            came[stream.parse::<usize>().expect("a stream")].push(payload);
        }
        assert_eq!(came, due);
    }
}

#[test]
fn streams_of_a_cluster_are_read_from_the_node_that_has_them() {
    if is_missing() {
        return;
    }
    const ENTRIES: usize = 3_000;
    let cluster = RedisCluster::start();
    let mut clients = clients(&cluster);
    let names = one_each(&cluster);
    for (client, name) in clients.iter_mut().zip(&names) {
        client.add(name, "before");
    }
    let rig = Rig::start(in_cluster(&cluster));
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    rig.listen(1, &feed(&all));
    let mut added = Added::new(&names);
    for n in 0..ENTRIES {
        added.add(&mut clients[n % 3], n % 3);
    }
    let (position, first) = next_event(&rig, 1);
    let stream = added.due.iter().position(|it| it[0] == first).expect("the first of a stream");
    added.due[stream].remove(0);
    added.clone().assert_came(&rig, 1);

    // Behind the first one; the other feed is none the worse, and many share the connections.
    rig.sources().start_behind(Ticket(2), &feed(&all), &position);
    assert_eq!(rig.next(2), Report::Live);
    added.assert_came(&rig, 2);
    for ticket in 10..30 {
        rig.listen(ticket, &feed(&[&format!("many.{ticket}"), &names[0]]));
    }
    clients[0].add(&names[0], "0:end");
    for ticket in (1..=2).chain(10..30) {
        assert_eq!(next_payload(&rig, ticket), "0:end");
    }
    // The test's own client; the channels' connection, the publisher's and the one that tells who has what.
    let connections = || cluster.nodes.iter().map(RedisServer::connections).sum::<usize>();
    assert_eq!(connections(), 3 + 3 + 3, "one to each node, for all feeds");
    [1, 2].into_iter().chain(10..30).for_each(|it| rig.sources().stop(Ticket(it)));
    until("the connections are given up", || (connections() == 3 + 2).then_some(()));
}

/// A node that is killed delays its own streams and no others, and nothing is lost or comes twice.
#[test]
fn a_node_of_a_cluster_that_is_away_delays_its_own_streams_alone() {
    if is_missing() {
        return;
    }
    let mut cluster = RedisCluster::durable();
    let names = one_each(&cluster);
    let rig = Rig::start(in_cluster(&cluster));
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    rig.listen(1, &feed(&all));
    rig.listen(2, &feed(&[all[1]]));
    let mut clients = clients(&cluster);
    let mut added = Added::new(&names);
    for round in 0..300 {
        added.add(&mut clients[round % 3], round % 3);
    }
    cluster.nodes[2].kill();
    until("it is down", || (!rig.status("default").up).then_some(()));
    for round in 0..100 {
        added.add(&mut clients[round % 2], round % 2);
    }
    for _ in 0..150 {
        next_payload(&rig, 2);
    }
    // Who comes meanwhile and needs the node has to wait; who does not has not.
    rig.sources().start(Ticket(3), &feed(&[all[0], all[2]]));
    assert_eq!(rig.next(3), Report::Interrupted);
    rig.listen(4, &feed(&[all[0]]));
    cluster.nodes[2].restart();
    assert_eq!([rig.next(3), rig.next(3)], [Report::Live, Report::Restored]);
    clients[2] = cluster.nodes[2].client();
    // For a moment it takes no part in the cluster yet.
    until("it is in the cluster again", || clients[2].try_add(&names[2], "2:again"));
    added.due[2].push("2:again".to_owned());
    for round in 0..300 {
        added.add(&mut clients[round % 3], round % 3);
    }
    added.assert_came(&rig, 1);
    until("it is up", || rig.status("default").up.then_some(()));
    assert_eq!(rig.status("default").dropped, 0);
    assert_eq!(rig.sink.next_within(Ticket(1), Duration::ZERO), None, "and nothing was said");
}

/// A stream whose slot goes to another node while it is read.
#[test]
fn a_stream_that_moves_to_another_node_is_followed() {
    if is_missing() {
        return;
    }
    let cluster = RedisCluster::start();
    let names = &one_each(&cluster)[..1];
    let rig = Rig::start(in_cluster(&cluster));
    rig.listen(1, &feed(&[&names[0]]));
    let mut clients = clients(&cluster);
    let mut added = Added::new(names);
    (0..100).for_each(|_| added.add(&mut clients[0], 0));
    let slot = clients[0].ask(&["CLUSTER", "KEYSLOT", &names[0]]).number().to_string();
    let ids = [0, 1].map(|it| clients[it].ask(&["CLUSTER", "MYID"]).text());
    clients[1].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]]);
    clients[0].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]]);
    (0..100).for_each(|_| added.add(&mut clients[0], 0));
    let port = cluster.nodes[1].port().to_string();
    clients[0].ask(&["MIGRATE", "127.0.0.1", &port, &names[0], "0", "5000"]);
    for _ in 0..100 {
        clients[1].ask(&["ASKING"]);
        added.add(&mut clients[1], 0);
    }
    // While the slot is on its way, and when it has come.
    added.assert_came(&rig, 1);
    for client in clients[..2].iter_mut().rev() {
        client.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[1]]);
    }
    (0..100).for_each(|_| added.add(&mut clients[1], 0));
    added.assert_came(&rig, 1);
    assert_eq!((rig.sink.len(), rig.status("default").dropped), (0, 0), "and nothing was said");
}

/// A node that hangs, then another that dies and is stood in for.
#[test]
fn a_stream_is_read_on_from_the_node_that_stands_in_for_a_dead_one() {
    if is_missing() {
        return;
    }
    let mut cluster = RedisCluster::start();
    let names = one_each(&cluster);
    let replica = cluster.add_replica(1);
    let rig = Rig::start(in_cluster(&cluster));
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    rig.listen(1, &feed(&all));
    let mut clients = clients(&cluster);
    let mut added = Added::new(&names);
    cluster.nodes[2].pause();
    until("it is down", || (!rig.status("default").up).then_some(()));
    (0..100).for_each(|n| added.add(&mut clients[n % 2], n % 2));
    added.assert_came(&rig, 1);
    cluster.nodes[2].resume();
    until("it is up", || rig.status("default").up.then_some(()));

    (0..300).for_each(|n| added.add(&mut clients[n % 3], n % 3));
    assert_eq!(clients[1].ask(&["WAIT", "1", "0"]).number(), 1);
    cluster.nodes[1].kill();
    until("it is down", || (!rig.status("default").up).then_some(()));
    until("the other stands in", || clients[replica].try_add(&names[1], "1:again"));
    added.due[1].push("1:again".to_owned());
    (0..100).for_each(|_| added.add(&mut clients[replica], 1));
    added.assert_came(&rig, 1);
    until("it is up", || rig.status("default").up.then_some(()));
    assert_eq!((rig.sink.len(), rig.status("default").dropped), (0, 0), "and nothing was said");
}

#[test]
fn a_slow_hub_loses_nothing_of_a_cluster() {
    if is_missing() {
        return;
    }
    const EVENTS: usize = 6_000;
    let cluster = RedisCluster::start();
    let names = one_each(&cluster);
    let rig = Rig::start_with_room(in_cluster(&cluster), 16);
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    rig.listen(1, &feed(&all));
    let mut clients = clients(&cluster);
    let mut added = Added::new(&names);
    for n in 0..EVENTS {
        added.add(&mut clients[n % 3], n % 3);
    }
    assert!(rig.sink.len() <= 16);
    assert!(rig.status("default").received < 2_000, "what is not wanted yet is not read");
    added.assert_came(&rig, 1);
    assert_eq!(rig.status("default").dropped, 0);
}

/// What cannot be read fails alone in a cluster, too; what was trimmed is told.
#[test]
fn gaps_and_failures_in_a_cluster_are_told_to_whom_they_concern() {
    if is_missing() {
        return;
    }
    let cluster = RedisCluster::start();
    let names = one_each(&cluster);
    let mut clients = clients(&cluster);
    let rig = Rig::start(in_cluster(&cluster));
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    rig.listen(1, &feed(&all));
    clients[1].add(&names[1], "1");
    let (first, _) = next_event(&rig, 1);
    for n in 2..=10 {
        clients[1].add(&names[1], &n.to_string());
        next_event(&rig, 1);
    }
    clients[1].ask(&["XTRIM", &names[1], "MAXLEN", "3"]);
    rig.sources().start_behind(Ticket(2), &feed(&all), &first);
    assert_eq!([rig.next(2), rig.next(2)], [Report::Live, Report::Gap]);
    assert_eq!(next_payload(&rig, 2), "8");
    clients[0].ask(&["SET", &names[0], "x"]);
    for ticket in 1..=2 {
        let mut reports = std::iter::from_fn(|| Some(rig.next(ticket)));
        assert!(reports.by_ref().take(3).any(|it| matches!(it, Report::Failed(_))));
    }
    rig.sources().start(Ticket(3), &feed(&[all[0]]));
    assert!(matches!(rig.next(3), Report::Failed(_)));
    rig.listen(4, &feed(&[all[2]]));
    clients[2].add(all[2], "fine");
    assert_eq!(next_payload(&rig, 4), "fine");
}

/// A server that is no cluster, though it should be one: whoever comes has to wait, and nothing is hammered.
#[test]
fn what_is_no_cluster_is_told_and_asked_again() {
    if is_missing() {
        return;
    }
    let server = RedisServer::start();
    let mut options = lenient(&server);
    options.redis[0].cluster_enabled = true;
    let rig = Rig::start(options);
    rig.sources().start(Ticket(1), &feed(&["s"]));
    assert_eq!(rig.next(1), Report::Interrupted);
    assert_eq!((rig.status("default").up, rig.status("default").reconnects), (false, 0));
}
