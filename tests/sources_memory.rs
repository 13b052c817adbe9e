//! The memory provider, and what all providers have in common.

#[path = "support/io.rs"]
mod io;
#[path = "support/sources.rs"]
mod sources;

use juga::{
    plan::{EventFeed, Position, ProviderKind},
    resolve::Brokers,
    sources::{MemoryOptions, NatsOptions, Options, PublishError, Report, StartError, Ticket},
};
use sources::{Rig, event, feed, nats_message};

fn memory() -> Options {
    Options { memory: vec![MemoryOptions::new("default")], ..Options::default() }
}

fn publish(rig: &Rig, subject: &str, payload: &str) -> Result<Position, PublishError> {
    rig.wait(rig.sources().publish_memory("default", subject, payload.to_owned().into()))
}

#[test]
fn events_reach_who_listens_with_the_sequence_of_the_log() {
    let rig = Rig::start(memory());
    rig.listen(1, &feed("default", &["deal.1"]));
    rig.listen(2, &feed("default", &["deal.*"]));
    rig.listen(3, &feed("default", &["deal.>", "deal.1", "deal.*"]));
    assert_eq!(publish(&rig, "deal.1", "a"), Ok(Position::single(1)));
    assert_eq!(publish(&rig, "deal.2.x", "b"), Ok(Position::single(2)));
    assert_eq!(publish(&rig, "deal.1", "c"), Ok(Position::single(3)));
    assert_eq!([rig.next(1), rig.next(1)], [event(1, "a"), event(3, "c")]);
    assert_eq!([rig.next(2), rig.next(2)], [event(1, "a"), event(3, "c")]);
    assert_eq!(
        [rig.next(3), rig.next(3), rig.next(3)],
        [event(1, "a"), event(2, "b"), event(3, "c")],
        "once each, though two of its subjects match"
    );
    assert_eq!(rig.sink.len(), 0);

    let status = rig.status("default");
    assert_eq!((status.kind, status.up, status.feeds), ("memory", true, 3));
    assert_eq!((status.published, status.received), (3, 7));
    let log = status.log.expect("a log");
    assert_eq!((log.events, log.first, log.last), (3, Some(Position::single(1)), Some(Position::single(3))));
}

#[test]
fn an_event_keeps_no_more_than_its_own_bytes() {
    let rig = Rig::start(memory());
    rig.listen(1, &feed("default", &["a"]));
    let buffer = bytes::Bytes::from(vec![b'x'; 8192]);
    let published = rig.wait(rig.sources().publish_memory("default", "a", buffer.slice(..2)));
    assert_eq!(published, Ok(Position::single(1)));
    assert_eq!(rig.next(1), event(1, "xx"));
    assert_eq!(rig.status("default").log.map(|it| it.bytes), Some(3));
    assert!(buffer.is_unique(), "the log holds the buffer that the event was read into");
}

#[test]
fn a_stopped_feed_hears_nothing_more() {
    let rig = Rig::start(memory());
    rig.listen(1, &feed("default", &["a", "b.*"]));
    rig.listen(2, &feed("default", &["a"]));
    rig.sources().stop(Ticket(1));
    publish(&rig, "a", "1").expect("published");
    publish(&rig, "b.c", "2").expect("published");
    assert_eq!(rig.next(2), event(1, "1"));
    assert_eq!(rig.sink.len(), 0);
    assert_eq!(rig.status("default").feeds, 1);
    rig.sources().stop(Ticket(1));
    rig.sources().stop(Ticket(77));
}

#[test]
fn a_publisher_waits_while_the_hub_is_full_and_nothing_is_lost() {
    let rig = Rig::start_with_room(memory(), 4);
    rig.listen(1, &feed("default", &["a"]));
    let (done, published) = std::sync::mpsc::channel();
    for n in 0..20u64 {
        let (work, done) = (rig.sources().publish_memory("default", "a", n.to_string().into()), done.clone());
        rig.io.handle.spawn(async move {
            let position = work.await.expect("published");
            let _ = done.send((n, position.offset(0).expect("one part")));
        });
    }
    let mut confirmed = 0;
    for offset in 1..=20 {
        let Report::Event { position, payload } = rig.next(1) else { panic!("an event") };
        assert_eq!(position, Position::single(offset));
        confirmed += published.try_iter().count() as u64;
        assert!(confirmed <= offset + 4, "publishers run ahead of the hub");
        assert!(payload.len() <= 2);
    }
    let rest: Vec<(u64, u64)> = (confirmed..20).map(|_| published.recv().expect("published")).collect();
    assert!(rest.iter().all(|(_, offset)| (1..=20).contains(offset)));
    assert_eq!((rig.status("default").received, rig.sink.len()), (20, 0));
}

#[test]
fn two_listeners_see_one_order_whoever_publishes() {
    let rig = Rig::start(memory());
    rig.listen(1, &feed("default", &["a"]));
    rig.listen(2, &feed("default", &[">"]));
    let publishers: Vec<_> = (0..4)
        .map(|p| {
            let (sources, handle) = (rig.sources().clone(), rig.io.handle.clone());
            std::thread::spawn(move || {
                for n in 0..250 {
                    handle
                        .block_on(sources.publish_memory("default", "a", format!("{p}:{n}").into()))
                        .expect("published");
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.join().expect("publisher");
    }
    let mut last = [None; 4];
    for offset in 1..=1000 {
        let (one, two) = (rig.next(1), rig.next(2));
        assert_eq!(one, two);
        let Report::Event { position, payload } = one else { panic!("an event") };
        assert_eq!(position, Position::single(offset));
        let text = String::from_utf8(payload.to_vec()).expect("UTF-8");
        let (p, n) = text.split_once(':').expect("p:n");
        let (p, n): (usize, u32) = (p.parse().expect("number"), n.parse().expect("number"));
        assert!(last[p] < Some(n), "each publisher's own order holds");
        last[p] = Some(n);
    }
}

#[test]
fn only_literal_subjects_of_known_providers_take_messages() {
    let rig = Rig::start(memory());
    for bad in ["a.*", ">", "", "a b", "a..b"] {
        assert!(matches!(publish(&rig, bad, "{}"), Err(PublishError::Subject { .. })), "{bad:?}");
    }
    let nowhere = rig.wait(rig.sources().publish_memory("other", "a", "{}".into()));
    assert_eq!(nowhere, Err(PublishError::Undefined("other".into())));
    assert_eq!(rig.status("default").published, 0);
}

#[test]
fn mutations_publish_to_it_and_nobody_answers_requests() {
    let rig = Rig::start(memory());
    rig.listen(1, &feed("default", &["a"]));
    rig.wait(rig.sources().publish(nats_message("default", "a", "{\"id\":1}"))).expect("published");
    assert_eq!(rig.next(1), event(1, "{\"id\":1}"));
    let error = rig.wait(rig.sources().request(nats_message("default", "a", "{}"))).expect_err("nobody");
    assert_eq!(error.to_string(), "nobody answers requests to 'a'");
    let error = rig.wait(rig.sources().publish(nats_message("mine", "a", "{}"))).expect_err("undefined");
    assert_eq!(error.to_string(), "nats provider with ID mine is not defined");
}

#[test]
fn a_feed_that_cannot_be_had_fails_with_its_reason() {
    let unavailable = vec![(ProviderKind::Kafka, "my-kafka".into())];
    let rig = Rig::start(Options { unavailable, skip_unavailable_providers: true, ..memory() });
    let kafka = EventFeed { kind: ProviderKind::Kafka, ..feed("my-kafka", &["topic"]) };
    for (ticket, feed, words) in [
        (1, &feed("nope", &["a"]), "nats provider with ID nope is not defined"),
        (3, &kafka, "kafka provider with ID my-kafka is not available in this version"),
        (4, &feed("default", &[">.a"]), "'>.a' is not a valid subject"),
    ] {
        rig.sources().start(Ticket(ticket), feed);
        let Report::Failed(errors) = rig.next(ticket) else { panic!("should fail") };
        let error = &errors[0];
        assert!(error.message.contains(words), "{}", error.message);
        assert_eq!(error.code, Some("FEED_UNAVAILABLE"));
    }
    let kafka = rig.status("my-kafka");
    assert_eq!((kafka.kind, kafka.up), ("kafka", false));
}

#[test]
fn the_providers_of_a_schema_are_checked_at_start() {
    let used = [
        (ProviderKind::Nats, "default".into()),
        (ProviderKind::Kafka, "my-kafka".into()),
        (ProviderKind::Redis, "default".into()),
    ];
    let strict = Rig::start(memory());
    let error = strict.sources().check(&used).expect_err("strict");
    assert_eq!(error.to_string(), "kafka provider with ID my-kafka is not defined");
    assert_eq!(strict.sources().check(&used[..1]), Ok(Vec::new()));

    let lenient = Rig::start(Options { skip_unavailable_providers: true, ..memory() });
    let words: Vec<String> =
        lenient.sources().check(&used).expect("lenient").iter().map(ToString::to_string).collect();
    let expected =
        ["kafka provider with ID my-kafka is not defined", "redis provider with ID default is not defined"];
    assert_eq!(words, expected);
}

#[test]
fn a_strict_start_refuses_what_cannot_be_served() {
    let unavailable = vec![(ProviderKind::Redis, "my-redis".into())];
    let error = Rig::try_start(Options { unavailable, ..memory() }, 10).err().expect("strict");
    assert_eq!(error.to_string(), "redis provider with ID my-redis is not available in this version");
    let nats = vec![NatsOptions::new("default", "nats://127.0.0.1:1")];
    let error = Rig::try_start(Options { nats, ..memory() }, 10).err().expect("one ID twice");
    assert!(matches!(error, StartError::Invalid { kind: "nats", .. }), "{error}");
}

#[test]
fn after_shutdown_nothing_starts() {
    let rig = Rig::start(memory());
    rig.listen(1, &feed("default", &["a"]));
    let sources = rig.sources().clone();
    rig.wait(async move { sources.shutdown().await });
    rig.sources().start(Ticket(2), &feed("default", &["a"]));
    publish(&rig, "a", "{}").expect("the provider itself still runs");
    assert_eq!((rig.sink.len(), rig.status("default").feeds), (0, 0));
}
