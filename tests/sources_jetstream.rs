//! JetStream streams as feeds, read by position and by durable consumers, against real servers.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "support/io.rs"]
mod io;
#[path = "support/jetstream.rs"]
mod jetstream;
#[path = "support/nats.rs"]
mod nats;
#[path = "support/sources.rs"]
mod sources;

use jetstream::Api;
use juga::{
    plan::{EventFeed, JetStreamOptions, Position, StreamOptions},
    resolve::Brokers as _,
    sources::{NatsOptions, Options, Report, Ticket},
};
use nats::{NatsServer, until};
use serde_json::{Value, json};
use sources::{Rig, event, nats_message};
use std::{
    thread,
    time::{Duration, Instant},
};

fn options(server: &NatsServer) -> Options {
    let nats = NatsOptions {
        instance: "host-localhost:3002".to_owned(),
        request_timeout: Duration::from_secs(2),
        ..NatsOptions::new("default", server.url())
    };
    Options { nats: vec![nats], skip_unavailable_providers: true, ..Options::default() }
}

fn feed(subjects: &[&str], is_ordered: bool) -> EventFeed {
    let stream = JetStreamOptions {
        stream: "S".into(),
        consumer: "router".into(),
        consumer_inactive_threshold: 30,
        is_ordered,
    };
    EventFeed { stream: Some(StreamOptions::JetStream(stream)), ..sources::feed("default", subjects) }
}

fn ordered(subjects: &[&str]) -> EventFeed {
    feed(subjects, true)
}

fn durable(subjects: &[&str]) -> EventFeed {
    feed(subjects, false)
}

/// A server with a stream `S` of the subjects `s.>`.
fn stage() -> (NatsServer, Api) {
    let server = jetstream::server();
    let mut api = Api::of(&server);
    api.create("S", &["s.>"], &json!({}));
    (server, api)
}

fn names(consumers: &[Value]) -> Vec<&str> {
    consumers.iter().filter_map(|it| it["name"].as_str()).collect()
}

/// Read by position: from now on, or behind a position; the server keeps nothing for us.
#[test]
fn a_feed_by_position_starts_exactly_behind_what_there_was() {
    let (server, mut api) = stage();
    api.publish("s.1", "before");
    let rig = Rig::start(options(&server));
    rig.listen(1, &ordered(&["s.1"]));
    // At once: whatever comes after `Live` is read, whether or not reading has begun.
    for n in 2..102 {
        assert_eq!(api.publish("s.1", &n.to_string()), n);
    }
    for n in 2..102 {
        assert_eq!(rig.next(1), event(n, &n.to_string()));
    }
    let consumers = api.consumers("S");
    assert_eq!(consumers.len(), 1, "{consumers:?}");
    assert_eq!(consumers[0]["config"]["ack_policy"], "none");
    assert_eq!(rig.status("default").received, 100);

    rig.sources().start_behind(Ticket(2), &ordered(&["s.1"]), &Position::single(99));
    assert_eq!(rig.next(2), Report::Live);
    assert_eq!(rig.next(2), event(100, "100"));
    assert_eq!(rig.next(2), event(101, "101"));
    api.publish("s.1", "102");
    assert_eq!(rig.next(1), event(102, "102"), "and nothing twice");
    assert_eq!(rig.next(2), event(102, "102"));

    rig.sources().stop(Ticket(1));
    rig.sources().stop(Ticket(2));
    until("the consumer is given up", || api.consumers("S").is_empty().then_some(()));
    assert_eq!(rig.sink.len(), 0);
}

/// One consumer for all feeds of a stream, however many subjects they have.
#[test]
fn feeds_by_position_share_a_consumer_and_each_gets_its_own() {
    const FEEDS: u64 = 600;
    let (server, mut api) = stage();
    let rig = Rig::start(options(&server));
    rig.listen(10_000, &ordered(&["s.*", "s.all.>"]));
    for n in 0..FEEDS {
        rig.sources().start(Ticket(n), &ordered(&[&format!("s.{n}"), "s.all.x"]));
    }
    for n in 0..FEEDS {
        assert_eq!(rig.next(n), Report::Live);
    }
    rig.sources().stop(Ticket(10_000));
    let filters = |api: &mut Api| {
        let consumers = api.consumers("S");
        let [consumer] = &consumers[..] else { return None };
        let config = &consumer["config"];
        let several = config["filter_subjects"].as_array().map(|it| it.len());
        several.or(config["filter_subject"].as_str().map(|_| 1))
    };
    // 601 subjects, of which one consumer may name 256: siblings are asked for by what they have in common.
    until("one consumer asks for what feeds have in common", || (filters(&mut api) == Some(2)).then_some(()));
    for n in 0..FEEDS {
        api.publish(&format!("s.{n}"), &n.to_string());
    }
    let end = api.publish("s.all.x", "end");
    for n in 0..FEEDS {
        assert_eq!(rig.next(n), event(n + 1, &n.to_string()));
        assert_eq!(rig.next(n), event(end, "end"));
    }
    // Whoever comes now listens to something that is brought already, and makes nobody wait.
    rig.listen(20_000, &ordered(&["s.7"]));
    for n in 10..FEEDS {
        rig.sources().stop(Ticket(n));
    }
    until("few feeds, few subjects", || (filters(&mut api) == Some(11)).then_some(()));
    let last = api.publish("s.7", "last");
    assert_eq!(rig.next(7), event(last, "last"));
    assert_eq!(rig.next(20_000), event(last, "last"));
    assert_eq!(server.connections(), 2, "one of ours, and the test's");
}

/// A feed counts an event once, whatever number of its subjects match.
#[test]
fn overlapping_subjects_bring_an_event_once() {
    let (server, mut api) = stage();
    let rig = Rig::start(options(&server));
    rig.listen(1, &ordered(&["s.*.b", "s.a.*", "s.>"]));
    rig.listen(2, &durable(&["s.a.*", "s.a.b.c"]));
    api.publish("s.a.b", "1");
    api.publish("s.a.b.c", "2");
    for ticket in [1, 2] {
        assert_eq!(rig.next(ticket), event(1, "1"));
        assert_eq!(rig.next(ticket), event(2, "2"));
    }
}

/// Both ways of reading: nothing missing, nothing twice, nothing told.
#[test]
fn kills_and_pauses_cost_nothing() {
    const EVENTS: u64 = 2_000;
    let (mut server, mut api) = stage();
    let rig = Rig::start(options(&server));
    rig.listen(1, &ordered(&["s.>"]));
    rig.listen(2, &ordered(&["s.0", "s.1"]));
    rig.listen(3, &durable(&["s.>"]));
    for n in 1..=EVENTS {
        match n {
            500 | 1_500 => {
                server.restart();
                api = Api::of(&server);
                until("the stream is back", || {
                    api.ask("STREAM.INFO.S", &json!({}))["error"].is_null().then_some(())
                });
            }
            1_000 => {
                server.pause();
                thread::sleep(Duration::from_secs(2));
                server.resume();
            }
            _ => {}
        }
        assert_eq!(api.publish(&format!("s.{}", n % 3), &n.to_string()), n);
    }
    for n in 1..=EVENTS {
        assert_eq!(rig.next(1), event(n, &n.to_string()));
        assert_eq!(rig.next(3), event(n, &n.to_string()));
        if n % 3 != 2 {
            assert_eq!(rig.next(2), event(n, &n.to_string()));
        }
    }
    assert_eq!(rig.sink.len(), 0);
    until("the provider is up", || rig.status("default").up.then_some(()));
}

/// Slower than the stream: it is read later, and what was sent again meanwhile comes once.
#[test]
fn a_full_hub_makes_reading_wait_and_loses_nothing() {
    const EVENTS: u64 = 3_000;
    let (server, mut api) = stage();
    let rig = Rig::start_with_room(options(&server), 8);
    rig.listen(1, &ordered(&["s.1"]));
    rig.listen(2, &durable(&["s.1"]));
    for n in 1..=EVENTS {
        api.publish("s.1", &n.to_string());
    }
    until("the queue is full", || (rig.sink.len() == 8).then_some(()));
    // Longer than the server waits for an acknowledgement.
    thread::sleep(Duration::from_secs(6));
    thread::scope(|scope| {
        for ticket in [1, 2] {
            let rig = &rig;
            scope.spawn(move || {
                for n in 1..=EVENTS {
                    assert_eq!(rig.next(ticket), event(n, &n.to_string()), "feed {ticket}");
                }
            });
        }
    });
}

#[test]
fn what_is_gone_from_the_stream_is_told() {
    let (mut server, mut api) = stage();
    let rig = Rig::start(options(&server));
    rig.listen(1, &ordered(&["s.1"]));
    api.publish("s.1", "1");
    assert_eq!(rig.next(1), event(1, "1"));

    // While the router cannot see it, the stream goes on and is trimmed.
    rig.sources().stop(Ticket(1));
    for n in 2..=10 {
        api.publish("s.1", &n.to_string());
    }
    api.ask("STREAM.PURGE.S", &json!({ "seq": 5 }));
    rig.sources().start_behind(Ticket(2), &ordered(&["s.1"]), &Position::single(1));
    assert_eq!(rig.next(2), Report::Live);
    assert_eq!(rig.next(2), Report::Gap);
    assert_eq!(rig.next(2), event(5, "5"));
    (6..=10).for_each(|n| assert_eq!(rig.next(2), event(n, &n.to_string())));

    // Another stream of that name: its numbers begin anew.
    api.delete("S");
    assert_eq!(rig.next(2), Report::Interrupted, "nobody knows whether it comes again");
    api.create("S", &["s.>"], &json!({}));
    api.publish("s.1", "anew");
    assert_eq!(rig.next(2), Report::Restored);
    assert_eq!(rig.next(2), Report::Gap);
    assert_eq!(rig.next(2), event(1, "anew"));

    // A stream in memory is gone when its server is.
    api.delete("S");
    assert_eq!(rig.next(2), Report::Interrupted);
    api.create("S", &["s.>"], &json!({ "storage": "memory" }));
    assert_eq!(rig.next(2), Report::Restored);
    assert_eq!(rig.next(2), Report::Gap);
    api.publish("s.1", "kept in memory");
    assert_eq!(rig.next(2), event(1, "kept in memory"));
    server.restart();
    let mut api = Api::of(&server);
    assert_eq!(rig.next(2), Report::Interrupted);
    api.create("S", &["s.>"], &json!({ "storage": "memory" }));
    api.publish("s.1", "after the restart");
    assert_eq!(rig.next(2), Report::Restored);
    assert_eq!(rig.next(2), Report::Gap);
    assert_eq!(rig.next(2), event(1, "after the restart"));
}

/// A stream may trim what nobody listens to: that is no loss, though the last event of a feed is older.
#[test]
fn what_is_of_no_concern_may_go() {
    let (mut server, mut api) = stage();
    let rig = Rig::start(options(&server));
    rig.listen(1, &ordered(&["s.1"]));
    rig.listen(2, &durable(&["s.1"]));
    api.publish("s.1", "1");
    for ticket in [1, 2] {
        assert_eq!(rig.next(ticket), event(1, "1"));
    }
    (2..=100).for_each(|n| assert_eq!(api.publish("s.2", "of no concern"), n));
    // Longer than from one look at the stream to the next.
    thread::sleep(Duration::from_secs(6));
    api.ask("STREAM.PURGE.S", &json!({}));
    server.restart();
    let mut api = Api::of(&server);
    until("the router is back", || rig.status("default").up.then_some(()));
    let next = api.publish("s.1", "next");
    assert_eq!(next, 101);
    for ticket in [1, 2] {
        assert_eq!(rig.next(ticket), event(next, "next"));
    }
}

/// Cosmo's way: everything the first time, then from where it was.
#[test]
fn a_durable_consumer_remembers_what_was_read() {
    let (server, mut api) = stage();
    (1..=3).for_each(|n| assert_eq!(api.publish("s.1", &n.to_string()), n));
    let rig = Rig::start(options(&server));
    rig.listen(1, &durable(&["s.1"]));
    (1..=3).for_each(|n| assert_eq!(rig.next(1), event(n, &n.to_string())));
    let consumers = api.consumers("S");
    assert_eq!(names(&consumers), ["router-b901e42e695155ad"], "named as Cosmo names it");
    assert_eq!(consumers[0]["config"]["ack_policy"], "explicit");
    assert_eq!(consumers[0]["config"]["inactive_threshold"], 30_000_000_000u64);
    until("everything is acknowledged", || {
        (api.consumers("S")[0]["ack_floor"]["stream_seq"] == 3).then_some(())
    });
    rig.sources().stop(Ticket(1));
    api.publish("s.1", "4");
    api.publish("s.2", "of no concern");
    rig.listen(2, &durable(&["s.1"]));
    assert_eq!(rig.next(2), event(4, "4"));
    rig.listen(3, &durable(&["s.2"]));
    assert_eq!(rig.next(3), event(5, "of no concern"));
    assert_eq!(api.consumers("S").len(), 2, "a consumer for each set of subjects");
    assert_eq!(rig.sink.len(), 0);
}

/// Whoever stops with something in hand gives it back at once, in order.
#[test]
fn what_was_not_handed_over_is_there_for_the_next() {
    const EVENTS: u64 = 1_000;
    let (server, mut api) = stage();
    let rig = Rig::start_with_room(options(&server), 10);
    (1..=EVENTS).for_each(|n| {
        api.publish("s.1", &n.to_string());
    });
    let mut next = 1;
    for ticket in 1..=5 {
        rig.listen(ticket, &durable(&["s.1"]));
        for _ in 0..20 {
            assert_eq!(rig.next(ticket), event(next, &next.to_string()));
            next += 1;
        }
        let subscriptions = server.subjects_and_inboxes().len();
        rig.sources().stop(Ticket(ticket));
        until("it has stopped", || (server.subjects_and_inboxes().len() < subscriptions).then_some(()));
        // What it had put into the queue by then was taken.
        while rig.sink.len() > 0 {
            assert_eq!(rig.next(ticket), event(next, &next.to_string()));
            next += 1;
        }
    }
    rig.listen(6, &durable(&["s.1"]));
    (next..=EVENTS).for_each(|n| assert_eq!(rig.next(6), event(n, &n.to_string())));
}

/// Streams that delete what was acknowledged are read by durable consumers, whatever the event graph says.
#[test]
fn work_queues_and_streams_by_interest_are_acknowledged() {
    for retention in ["workqueue", "interest"] {
        let server = jetstream::server();
        let mut api = Api::of(&server);
        api.create("S", &["s.>"], &json!({ "retention": retention }));
        let rig = Rig::start(options(&server));
        // So that nobody goes on reading it for nobody.
        rig.sources().start(Ticket(1), &ordered(&["s.1"]));
        assert_eq!([rig.next(1), rig.next(1)], [Report::Remembered, Report::Live]);
        assert_eq!(api.consumers("S")[0]["config"]["ack_policy"], "explicit");
        (1..=100).for_each(|n| assert_eq!(api.publish("s.1", &n.to_string()), n));
        (1..=100).for_each(|n| assert_eq!(rig.next(1), event(n, &n.to_string())));
        until("what was acknowledged is deleted", || (api.messages("S") == 0).then_some(()));
        rig.sources().stop(Ticket(1));
        api.publish("s.1", "later");
        rig.sources().start(Ticket(2), &ordered(&["s.1"]));
        assert_eq!([rig.next(2), rig.next(2)], [Report::Remembered, Report::Live]);
        assert_eq!(rig.next(2), event(101, "later"));
    }
}

#[test]
fn a_feed_that_cannot_start_fails_once() {
    let server = jetstream::server();
    let rig = Rig::start(options(&server));
    for (ticket, feed) in [(1, durable(&["s.1"])), (2, ordered(&["s.1"]))] {
        rig.sources().start(Ticket(ticket), &feed);
        let Report::Failed(errors) = rig.next(ticket) else { panic!("it started") };
        let text = format!("{errors:?}");
        assert!(text.contains("FEED_UNAVAILABLE"), "{text}");
        let cosmos = "EDFS error: failed to create or update consumer for stream \\\"S\\\"";
        assert_eq!(text.contains(cosmos), ticket == 1, "{text}");
    }
    let mut api = Api::of(&server);
    api.create("S", &["s.>"], &json!({}));
    rig.listen(3, &ordered(&["s.1"]));
    rig.sources().start(Ticket(4), &ordered(&["elsewhere"]));
    assert!(matches!(rig.next(4), Report::Failed(_)), "not a subject of the stream");
    api.publish("s.1", "x");
    assert_eq!(rig.next(3), event(1, "x"), "the others go on");
    assert_eq!(rig.sink.len(), 0);
}

/// A feed that is asked for while the broker is away waits for it.
#[test]
fn a_feed_waits_for_its_broker() {
    let (mut server, _) = stage();
    let rig = Rig::start(options(&server));
    server.kill();
    until("the router knows", || (!rig.status("default").up).then_some(()));
    for (ticket, feed) in [(1, durable(&["s.1"])), (2, ordered(&["s.1"]))] {
        rig.sources().start(Ticket(ticket), &feed);
        assert_eq!(rig.next(ticket), Report::Interrupted);
    }
    server.restart();
    for ticket in [1, 2] {
        assert_eq!(rig.next(ticket), Report::Live);
        assert_eq!(rig.next(ticket), Report::Restored);
    }
    Api::of(&server).publish("s.1", "x");
    for ticket in [1, 2] {
        assert_eq!(rig.next(ticket), event(1, "x"));
    }
}

/// Publishing to a subject that a stream takes is confirmed by the stream.
#[test]
fn publishing_waits_for_the_stream() {
    let (server, mut api) = stage();
    let rig = Rig::start(options(&server));
    let publish = |subject: &str, payload: &str| {
        rig.wait(rig.sources().publish(nats_message("default", subject, payload)))
            .map_err(|it| it.to_string())
    };
    for n in 1..=3u64 {
        publish("s.1", "{}").expect("stored");
        assert_eq!(api.messages("S"), n, "it is there when the answer is");
    }
    publish("elsewhere", "{}").expect("no stream takes it, so the server's word is enough");
    api.create("FULL", &["full"], &json!({ "max_msgs": 1, "discard": "new" }));
    publish("full", "{}").expect("stored");
    let refused = publish("full", "{}").expect_err("it is full");
    assert!(refused.contains("maximum messages"), "{refused}");
    let status = rig.status("default");
    assert_eq!((status.published, status.failed), (5, 1));

    let plain = NatsServer::start();
    let rig = Rig::start(options(&plain));
    let done = rig.wait(rig.sources().publish(nats_message("default", "s.1", "{}")));
    done.expect("a server without JetStream takes it as it is");
}

/// Lag is what waits at the server for the shared reader.
#[test]
fn lag_is_told() {
    let (server, mut api) = stage();
    (0..1_000).for_each(|n| {
        api.publish("s.1", &n.to_string());
    });
    let rig = Rig::start_with_room(options(&server), 2);
    rig.sources().start_behind(Ticket(1), &ordered(&["s.1"]), &Position::single(0));
    let lag = || rig.status("default").lag.first().map(|it| (it.topic.to_string(), it.events));
    until("the queue is full", || (rig.sink.len() == 2).then_some(()));
    until("the lag is known", || matches!(lag(), Some((stream, 990..1_000)) if stream == "S").then_some(()));
    assert_eq!(rig.next(1), Report::Live);
    (0..1_000).for_each(|n| assert_eq!(rig.next(1), event(n + 1, &n.to_string())));
    until("nothing waits any more", || (lag() == Some(("S".to_owned(), 0))).then_some(()));
    rig.sources().stop(Ticket(1));
    until("nothing is read any more", || lag().is_none().then_some(()));
}

/// The durable consumer of `s.1`, as this router names it.
const DURABLE: &str = "router-b901e42e695155ad";

/// Reports of a feed up to its next event, which is that one; losses may be told before it.
fn next_but_gaps(rig: &Rig, ticket: u64) -> Report {
    loop {
        match rig.next(ticket) {
            Report::Gap => {}
            report => return report,
        }
    }
}

/// A stage whose durable consumer nobody reads, but for somebody who takes message 1 and says nothing.
fn stage_where_somebody_holds_the_first() -> (NatsServer, Api, Rig) {
    let (server, mut api) = stage();
    let rig = Rig::start(options(&server));
    rig.listen(1, &durable(&["s.1"]));
    rig.sources().stop(Ticket(1));
    let is_ours = |it: &String| it != "_INBOX.test" && !it.ends_with(".*");
    until("it has stopped", || (!server.subjects_and_inboxes().iter().any(is_ours)).then_some(()));
    api.publish("s.1", "1");
    assert_eq!(api.ask(&format!("CONSUMER.MSG.NEXT.S.{DURABLE}"), &json!({ "batch": 1 })), 1);
    (server, api, rig)
}

/// Messages that wait for one that is missing do not wait for what the stream has no more.
#[test]
fn a_purge_while_something_is_missing_stops_nobody() {
    let (_server, mut api, rig) = stage_where_somebody_holds_the_first();
    rig.listen(2, &durable(&["s.1"]));
    (2..=4).for_each(|n| assert_eq!(api.publish("s.1", &n.to_string()), n));
    until("the others are sent", || (api.consumers("S")[0]["num_ack_pending"] == 4).then_some(()));
    api.ask("STREAM.PURGE.S", &json!({}));
    api.publish("s.1", "5");
    loop {
        match rig.next(2) {
            Report::Gap => {}
            report if report == event(5, "5") => break,
            Report::Event { position, .. } if position.offset(0) < Some(5) => {}
            other => panic!("{other:?}"),
        }
    }
    api.publish("s.1", "6");
    assert_eq!(rig.next(2), event(6, "6"));
}

/// Who has the consumer deleted, or is away for so long that the server does, gets nothing again.
#[test]
fn a_consumer_that_is_gone_is_made_again_where_it_was() {
    let (server, mut api) = stage();
    (1..=3).for_each(|n| assert_eq!(api.publish("s.1", &n.to_string()), n));
    let rig = Rig::start(options(&server));
    rig.listen(1, &durable(&["s.1"]));
    (1..=3).for_each(|n| assert_eq!(rig.next(1), event(n, &n.to_string())));
    until("all is acknowledged", || (api.consumers("S")[0]["ack_floor"]["stream_seq"] == 3).then_some(()));
    rig.sources().stop(Ticket(1));
    rig.listen(2, &durable(&["s.1"]));
    api.ask(&format!("CONSUMER.DELETE.S.{DURABLE}"), &json!({}));
    api.publish("s.1", "4");
    assert_eq!(rig.next(2), event(4, "4"), "and nothing that was read before");
}

/// A stream that drops what is too much drops what nobody has read, and that is told.
#[test]
fn whoever_is_too_slow_for_the_stream_is_told() {
    for feed in [durable(&["s.1"]), ordered(&["s.1"])] {
        fall_behind_the_stream(&feed);
    }
}

fn fall_behind_the_stream(feed: &EventFeed) {
    let server = jetstream::server();
    let mut api = Api::of(&server);
    api.create("S", &["s.>"], &json!({ "max_msgs": 500 }));
    let rig = Rig::start_with_room(options(&server), 8);
    rig.listen(1, feed);
    const EVENTS: u64 = 3_000;
    (1..=EVENTS).for_each(|n| assert_eq!(api.publish("s.1", &n.to_string()), n));
    thread::sleep(Duration::from_secs(3));
    let (mut gaps, mut last, mut count) = (0, 0, 0);
    while last < EVENTS {
        match rig.next(1) {
            Report::Gap => gaps += 1,
            Report::Event { position, .. } => {
                let offset = position.offset(0).expect("a place");
                assert!(offset > last, "{offset} behind {last}");
                (last, count) = (offset, count + 1);
            }
            other => panic!("{other:?}"),
        }
    }
    api.publish("s.1", "end");
    let end = next_but_gaps(&rig, 1);
    assert_eq!(end, event(EVENTS + 1, "end"));
    let next = || rig.sink.next_within(Ticket(1), Duration::from_millis(100));
    if count < EVENTS {
        until("the loss is told", || {
            gaps += u64::from(next() == Some(Report::Gap));
            (gaps > 0).then_some(())
        });
    } else {
        // It may have had all of them in hand in time.
        assert!(
            !feed.stream.as_ref().is_some_and(is_ordered),
            "a reader asks for no more than it can hand over"
        );
        assert_eq!((gaps, next()), (0, None));
    }
}

fn is_ordered(stream: &StreamOptions) -> bool {
    matches!(stream, StreamOptions::JetStream(it) if it.is_ordered)
}

/// While the hub is full nobody looks, and that is not the server's silence.
#[test]
fn a_full_hub_is_no_silence_of_the_server() {
    let (server, mut api) = stage();
    let rig = Rig::start_with_room(options(&server), 2);
    rig.listen(1, &durable(&["s.1"]));
    (1..=50).for_each(|n| assert_eq!(api.publish("s.1", &n.to_string()), n));
    until("the queue is full", || (rig.sink.len() == 2).then_some(()));
    let inboxes = server.subjects_and_inboxes();
    thread::sleep(Duration::from_secs(10));
    (1..=50).for_each(|n| assert_eq!(rig.next(1), event(n, &n.to_string())));
    thread::sleep(Duration::from_secs(1));
    assert_eq!(server.subjects_and_inboxes(), inboxes, "it is read on as it was");
}

/// What a stream allows its consumers is enough.
#[test]
fn limits_of_a_stream_for_its_consumers_are_kept() {
    let server = jetstream::server();
    let mut api = Api::of(&server);
    let limits = json!({ "max_ack_pending": 100, "inactive_threshold": 40_000_000_000u64 });
    api.create("S", &["s.>"], &json!({ "consumer_limits": limits }));
    let rig = Rig::start_with_room(options(&server), 8);
    rig.listen(1, &durable(&["s.1"]));
    rig.listen(2, &ordered(&["s.1"]));
    (1..=300).for_each(|n| assert_eq!(api.publish("s.1", &n.to_string()), n));
    thread::scope(|scope| {
        for ticket in [1, 2] {
            let rig = &rig;
            scope.spawn(move || {
                (1..=300).for_each(|n| assert_eq!(rig.next(ticket), event(n, &n.to_string())))
            });
        }
    });
}

/// A stream that confirms nothing is published to as if there were none.
#[test]
fn publishing_to_a_stream_that_confirms_nothing() {
    let server = jetstream::server();
    let mut api = Api::of(&server);
    api.create("S", &["s.>"], &json!({ "no_ack": true }));
    let rig = Rig::start(options(&server));
    let done = rig.wait(rig.sources().publish(nats_message("default", "s.1", "{}")));
    done.expect("the server took it");
    until("it is stored", || (api.messages("S") == 1).then_some(()));
}

/// A stream may have messages of subjects that it does not take itself.
#[test]
fn subjects_of_other_streams_are_read_where_they_are_copied_to() {
    let (server, mut api) = stage();
    let sources = json!({ "sources": [{ "name": "S" }] });
    api.create("OF", &["of.>"], &sources);
    let mirror = json!({ "name": "M", "mirror": { "name": "S" }, "storage": "file", "retention": "limits" });
    assert!(api.ask("STREAM.CREATE.M", &mirror)["error"].is_null());
    let transform = json!({ "subject_transform": { "src": "t.*", "dest": "s.{{wildcard(1)}}" } });
    api.create("T", &["t.>"], &transform);
    let rig = Rig::start(options(&server));
    let mut ticket = 0;
    for stream in ["OF", "M", "T"] {
        for is_ordered in [true, false] {
            ticket += 1;
            let of = JetStreamOptions {
                stream: stream.into(),
                consumer: "router".into(),
                consumer_inactive_threshold: 30,
                is_ordered,
            };
            let feed = EventFeed {
                stream: Some(StreamOptions::JetStream(of)),
                ..sources::feed("default", &["s.1"])
            };
            rig.listen(ticket, &feed);
        }
    }
    api.publish("s.1", "1");
    api.publish("t.1", "1");
    (1..=ticket).for_each(|it| assert_eq!(rig.next(it), event(1, "1"), "feed {it}"));
}

/// Nobody listens meanwhile, so nobody wants what comes meanwhile.
#[test]
fn a_reader_that_nobody_needed_does_not_catch_up() {
    let (server, mut api) = stage();
    let rig = Rig::start(options(&server));
    rig.listen(1, &ordered(&["s.1"]));
    rig.sources().stop(Ticket(1));
    until("the consumer is given up", || api.consumers("S").is_empty().then_some(()));
    (1..=100).for_each(|n| assert_eq!(api.publish("s.1", &n.to_string()), n));
    rig.listen(2, &ordered(&["s.1"]));
    assert_eq!(api.consumers("S")[0]["config"]["opt_start_seq"], 101);
}

/// Subjects that a stream has some of are subjects of it.
#[test]
fn a_pattern_may_reach_beyond_its_stream() {
    let (server, mut api) = stage();
    let rig = Rig::start(options(&server));
    for (ticket, subject) in [(1, "*.1"), (3, ">"), (5, "*.*.x")] {
        rig.listen(ticket, &durable(&[subject]));
        rig.listen(ticket + 1, &ordered(&[subject]));
    }
    api.publish("s.1", "1");
    (1..=4).for_each(|it| assert_eq!(rig.next(it), event(1, "1"), "feed {it}"));
    api.publish("s.1.x", "2");
    (3..=6).for_each(|it| assert_eq!(rig.next(it), event(2, "2"), "feed {it}"));
}

/// Another stream of that name, before anyone has looked: its numbers begin anew.
#[test]
fn a_durable_consumer_of_a_stream_that_began_anew_is_told() {
    let (server, mut api) = stage();
    let rig = Rig::start(options(&server));
    rig.listen(1, &durable(&["s.1"]));
    (1..=3).for_each(|n| {
        assert_eq!(api.publish("s.1", &n.to_string()), n);
        assert_eq!(rig.next(1), event(n, &n.to_string()));
    });
    api.delete("S");
    api.create("S", &["s.>"], &json!({}));
    (1..=5).for_each(|n| assert_eq!(api.publish("s.1", &n.to_string()), n));
    let mut gaps = 0;
    let first = loop {
        match rig.next(1) {
            Report::Gap => gaps += 1,
            Report::Interrupted | Report::Restored => {}
            report => break report,
        }
    };
    assert_eq!((first, gaps), (event(1, "1"), 1));
    (2..=5).for_each(|n| assert_eq!(rig.next(1), event(n, &n.to_string())));
}

/// Another reader of the same consumer, as a router of the same name is, may keep what it has as long as it likes.
#[test]
fn what_somebody_else_holds_is_not_waited_for_for_ever() {
    let (server, mut api, rig) = stage_where_somebody_holds_the_first();
    rig.listen(2, &durable(&["s.1"]));
    api.publish("s.1", "2");
    let mut other = server.client();
    let mut reports = (0..40).filter_map(|_| {
        // It is at work on it, so the server sends it to nobody else.
        other.publish(&format!("$JS.ACK.S.{DURABLE}.1.1.1.0.0"), b"+WPI");
        other.flush();
        rig.sink.next_within(Ticket(2), Duration::from_secs(1))
    });
    assert_eq!(reports.next(), Some(Report::Gap));
    assert_eq!(reports.next(), Some(event(2, "2")));
    api.publish("s.1", "3");
    assert_eq!(rig.next(2), event(3, "3"));
}

/// Who may not ask for messages is told that there will be none.
#[test]
fn who_may_not_read_a_consumer_is_told() {
    let folder = std::env::temp_dir().join(format!("juga-jetstream-{}", std::process::id()));
    let server = NatsServer::start_with_config(&format!(
        r#"
        jetstream {{ store_dir: "{}" }}
        authorization {{ users: [
            {{ user: u, password: p, permissions: {{ publish: {{ deny: ["$JS.API.CONSUMER.MSG.NEXT.>"] }} }} }}
            {{ user: t, password: t }}
        ] }}
        no_auth_user: t
        "#,
        folder.display()
    ));
    let mut api = Api::of(&server);
    api.create("S", &["s.>"], &json!({ "storage": "memory" }));
    let mut options = options(&server);
    options.nats[0].url = server.url().replace("nats://", "nats://u:p@");
    let rig = Rig::start(options);
    for (ticket, feed) in [(1, durable(&["s.1"])), (2, ordered(&["s.1"]))] {
        rig.sources().start(Ticket(ticket), &feed);
        let report = rig.next(ticket);
        assert!(matches!(report, Report::Failed(_)), "{report:?}");
    }
    drop(server);
    let _ = std::fs::remove_dir_all(folder);
}

/// Removals and expiries in a key-value bucket are no events, however it is read.
#[test]
fn removals_in_a_bucket_are_skipped_and_counted() {
    let server = jetstream::server();
    let mut api = Api::of(&server);
    let markers = json!({ "allow_msg_ttl": true, "subject_delete_marker_ttl": 3_000_000_000u64, "max_age": 3_000_000_000u64 });
    api.create("S", &["s.>"], &markers);
    let rig = Rig::start(options(&server));
    rig.listen(1, &ordered(&["s.1"]));
    rig.listen(2, &durable(&["s.1"]));
    api.publish("s.1", "1");
    let mut client = server.client();
    // Each once the one before has been read: a purge takes what stands before it out of the stream.
    let skipped =
        |count| until("both have read it", || (rig.status("default").skipped >= count).then_some(()));
    client.publish_with_headers("s.1", &[("KV-Operation", "DEL")], b"");
    client.flush();
    skipped(2);
    client.publish_with_headers("s.1", &[("KV-Operation", "PURGE"), ("Nats-Rollup", "sub")], b"");
    client.flush();
    skipped(4);
    let value = api.publish("s.1", "value");
    for ticket in [1, 2] {
        let last = std::iter::repeat_with(|| next_but_gaps(&rig, ticket)).find(|it| *it != event(1, "1"));
        assert_eq!(last, Some(event(value, "value")));
    }
    // The value expires, and the server leaves a marker in its place.
    skipped(6);
    let last = api.publish("s.1", "last");
    for ticket in [1, 2] {
        assert_eq!(next_but_gaps(&rig, ticket), event(last, "last"));
    }
    until("all is acknowledged", || (api.consumers("S")[0]["num_ack_pending"] == 0).then_some(()));
}

/// A cluster whose other servers are away has no leader: JetStream is out of order, and nothing else.
#[test]
fn plain_subjects_are_published_to_while_jetstream_has_no_leader() {
    let mut server = jetstream::server();
    server.lose_its_cluster();
    server.restart();
    let rig = Rig::start(options(&server));
    rig.listen(1, &sources::feed("default", &["plain"]));
    let publish = |to: &str| rig.wait(rig.sources().publish(nats_message("default", to, "{}")));
    // The server needs about ten seconds to know that there is no leader. Until then it answers nothing, from then on that.
    let (start, mut n) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(13) {
        n += 1;
        publish("plain").expect("whoever listens gets it");
        assert_eq!(rig.next(1), event(n, "{}"));
    }
    let answer = Api::of(&server).ask("STREAM.NAMES", &json!({}));
    assert_eq!(answer["error"]["code"], 503, "{answer}");
    publish("nobody.listens").expect("the server has it");
    assert_eq!(rig.status("default").failed, 0);
}

/// What is known of a subject holds while JetStream cannot say: a stream that does not confirm has not got it.
#[test]
fn a_subject_that_was_a_streams_is_not_confirmed_without_it() {
    let (mut server, _) = stage();
    let rig = Rig::start(options(&server));
    let publish = |to: &str| rig.wait(rig.sources().publish(nats_message("default", to, "{}")));
    publish("s.1").expect("stored");
    publish("plain").expect("the server has it");
    server.lose_its_cluster();
    server.restart();
    until("it is connected again", || publish("plain").ok());
    publish("s.1").expect_err("the stream is not there");
    // Longer than an answer of JetStream's is believed.
    thread::sleep(Duration::from_secs(11));
    publish("s.1").expect_err("and it is still a stream's subject");
    publish("plain").expect("the server has it");
}
