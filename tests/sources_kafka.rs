//! The Kafka provider against a real broker.

#![cfg(feature = "kafka")]
#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/io.rs"]
mod io;
#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/kafka_rig.rs"]
mod kafka_rig;
#[path = "support/sources.rs"]
mod sources;

use juga::{
    plan::{EventFeed, Labels, Position, StreamOptions},
    resolve::{BrokerMessage, Brokers},
    sources::{
        ClientTls, KafkaAuthentication, KafkaIsolation, KafkaOptions, KafkaPayload, Options, Report,
        ScramMechanism, Ticket,
    },
};
use kafka::KafkaBroker;
use kafka_rig::{feed, lag, message, next, options, until};
use sources::Rig;
use std::{collections::BTreeMap, sync::LazyLock, time::Instant};

/// For all tests that leave it running; each has topics of its own.
static BROKER: LazyLock<KafkaBroker> = LazyLock::new(KafkaBroker::start);

fn rig() -> Rig {
    Rig::start(options(BROKER.address()))
}

#[test]
fn a_feed_begins_where_the_topic_ends() {
    let broker = &*BROKER;
    broker.create_topic("begin", 1);
    broker.publish("begin", 0, "old");
    let rig = rig();
    rig.listen(1, &feed(&["begin"]));
    broker.publish("begin", 0, "new");
    assert_eq!(next(&rig, 1), (0, 1, "new".to_owned()));
    assert_eq!(rig.status("default").received, 1);
    assert!(rig.status("default").up);
}

#[test]
fn a_second_feed_gets_only_what_lies_behind_it() {
    let broker = &*BROKER;
    broker.create_topic("second", 1);
    let rig = rig();
    rig.listen(1, &feed(&["second"]));
    for n in 0..100 {
        broker.send("second", 0, Some(&n.to_string()));
    }
    broker.flush();
    rig.listen(2, &feed(&["second"]));
    broker.publish("second", 0, "last");
    assert_eq!(next(&rig, 2), (0, 100, "last".to_owned()));
    for n in 0..100 {
        assert_eq!(next(&rig, 1), (0, n, n.to_string()));
    }
    assert_eq!(next(&rig, 1), (0, 100, "last".to_owned()));
}

#[test]
fn several_topics_and_partitions_arrive_in_order_each() {
    let broker = &*BROKER;
    broker.create_topic("order-b", 2);
    broker.create_topic("order-a", 1);
    let rig = rig();
    rig.listen(1, &feed(&["order-b", "order-a", "order-b"]));
    for n in 0..300u64 {
        let (topic, partition) = [("order-a", 0), ("order-b", 0), ("order-b", 1)][n as usize % 3];
        broker.send(topic, partition, Some(&(n / 3).to_string()));
    }
    broker.flush();
    let mut seen: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for _ in 0..300 {
        let (part, offset, payload) = next(&rig, 1);
        assert_eq!(offset.to_string(), payload);
        seen.entry(part).or_default().push(offset);
    }
    let whole: Vec<u64> = (0..100).collect();
    let parts = [0, 1 << 20, 1 << 20 | 1];
    assert_eq!(seen, parts.into_iter().map(|it| (it, whole.clone())).collect());
}

#[test]
fn new_partitions_and_new_topics_are_read_from_their_beginning() {
    let broker = &*BROKER;
    broker.create_topic("grows", 1);
    let rig = rig();
    rig.listen(1, &feed(&["grows", "comes"]));
    broker.set_partitions("grows", 3);
    broker.publish("grows", 2, "grown");
    assert_eq!(next(&rig, 1), (1 << 20 | 2, 0, "grown".to_owned()));
    broker.create_topic("comes", 1);
    broker.publish("comes", 0, "come");
    assert_eq!(next(&rig, 1), (0, 0, "come".to_owned()));
}

#[test]
fn a_feed_starts_behind_a_position() {
    let broker = &*BROKER;
    broker.create_topic("resume", 2);
    let rig = rig();
    rig.listen(1, &feed(&["resume"]));
    broker.publish("resume", 0, "a");
    let Report::Event { mut position, .. } = rig.next(1) else { panic!("an event") };
    for payload in ["b", "c"] {
        broker.publish("resume", 0, payload);
        next(&rig, 1);
    }
    broker.publish("resume", 1, "d");
    next(&rig, 1);
    // While another reads on: the reader goes back, and only the late one sees it again.
    rig.sources().start_behind(Ticket(2), &feed(&["resume"]), &position);
    assert_eq!(rig.next(2), Report::Live);
    let mut seen: Vec<_> = (0..3).map(|_| next(&rig, 2)).collect();
    seen.sort();
    let text = |it: &str| it.to_owned();
    assert_eq!(seen, [(0, 1, text("b")), (0, 2, text("c")), (1, 0, text("d"))]);
    rig.sources().stop(Ticket(2));

    // Alone, and behind the end of one of the parts.
    rig.sources().stop(Ticket(1));
    position.0 = [(0, 1), (1, 0)].into_iter().collect();
    rig.sources().start_behind(Ticket(3), &feed(&["resume"]), &position);
    assert_eq!(rig.next(3), Report::Live);
    let Report::Event { position, payload } = rig.next(3) else { panic!("an event") };
    assert_eq!(
        (&position.0[..], &payload[..]),
        (&[(0, 2), (1, 0)][..], &b"c"[..]),
        "the first names all parts"
    );
    broker.publish("resume", 1, "e");
    assert_eq!(next(&rig, 3), (1, 1, text("e")));
}

#[test]
fn a_position_may_lie_in_topics_that_are_read_and_in_others() {
    let broker = &*BROKER;
    broker.create_topic("mixed-a", 1);
    broker.create_topic("mixed-b", 1);
    let rig = rig();
    rig.listen(1, &feed(&["mixed-a"]));
    for payload in ["a0", "a1"] {
        broker.publish("mixed-a", 0, payload);
        next(&rig, 1);
    }
    broker.publish("mixed-b", 0, "b0");
    rig.sources().start_behind(Ticket(2), &feed(&["mixed-a", "mixed-b"]), &Position::single(0));
    assert_eq!(rig.next(2), Report::Live);
    let mut seen = [rig.next(2), rig.next(2)].map(|it| match it {
        Report::Event { payload, .. } => payload,
        other => panic!("{other:?}"),
    });
    seen.sort();
    assert_eq!(seen, ["a1", "b0"], "a part that is not named was not seen at all");
    broker.publish("mixed-a", 0, "a2");
    assert_eq!((next(&rig, 1).2, next(&rig, 2).2), ("a2".to_owned(), "a2".to_owned()));
    assert_eq!(rig.status("default").errors, 0);
}

#[test]
fn what_retention_took_is_told_as_a_gap() {
    let broker = &*BROKER;
    broker.create_topic("retention", 1);
    for n in 0..10 {
        broker.publish("retention", 0, &n.to_string());
    }
    broker.delete_records("retention", 0, 6);
    let rig = rig();
    rig.sources().start_behind(Ticket(1), &feed(&["retention"]), &Position::single(2));
    assert_eq!(rig.next(1), Report::Live);
    assert_eq!(rig.next(1), Report::Gap);
    for n in 6..10 {
        assert_eq!(next(&rig, 1), (0, n, n.to_string()));
    }
}

#[test]
fn a_topic_made_anew_is_told_as_a_gap() {
    let broker = &*BROKER;
    broker.create_topic("anew", 1);
    for _ in 0..5 {
        broker.publish("anew", 0, "old");
    }
    let rig = rig();
    rig.listen(1, &feed(&["anew"]));
    broker.delete_topic("anew");
    broker.create_topic("anew", 1);
    broker.publish("anew", 0, "new");
    assert_eq!(rig.next(1), Report::Gap);
    assert_eq!(next(&rig, 1), (0, 0, "new".to_owned()));
}

/// One that is filled past the old position at once looks like one that has gone on, but for the times of its records.
#[test]
fn a_topic_made_anew_and_filled_is_told_as_a_gap() {
    let broker = &*BROKER;
    for (topic, read) in [("refilled-read", true), ("refilled-idle", false)] {
        broker.create_topic(topic, 1);
        (0..3).for_each(|_| broker.publish(topic, 0, "old"));
        let rig = rig();
        rig.listen(1, &feed(&[topic]));
        if read {
            broker.publish(topic, 0, "last");
            assert_eq!(next(&rig, 1), (0, 3, "last".to_owned()));
        }
        broker.delete_topic(topic);
        broker.create_topic(topic, 1);
        (0..50).for_each(|n| broker.send(topic, 0, Some(&n.to_string())));
        broker.flush();
        // What lies behind the old position may come first.
        until("the gap is told", || matches!(rig.next(1), Report::Gap));
        let next_offset = || next(&rig, 1).1;
        let first = next_offset();
        assert_eq!(first, 0, "{topic}: it is read from its start");
        (1..50).for_each(|offset| assert_eq!(next_offset(), offset));
        broker.publish(topic, 0, "goes on");
        assert_eq!(next(&rig, 1), (0, 50, "goes on".to_owned()));
    }
}

#[test]
fn records_without_a_value_are_skipped_and_counted() {
    let broker = &*BROKER;
    broker.create_topic("tombstones", 1);
    let rig = rig();
    rig.listen(1, &feed(&["tombstones"]));
    broker.publish_tombstone("tombstones", 0);
    broker.publish("tombstones", 0, "");
    assert_eq!(next(&rig, 1), (0, 1, String::new()), "empty is not nothing");
    assert_eq!((rig.status("default").skipped, rig.status("default").received), (1, 1));
}

/// The key decides the partition as Kafka's own clients have it decided.
#[test]
fn keys_and_headers_are_published() {
    let broker = &*BROKER;
    broker.create_topic("labels-out", 1);
    broker.create_topic("labels-spread", 3);
    let rig = rig();
    let labels = |key: Option<&str>, headers: &[(&str, &str)]| Labels {
        key: key.map(str::to_owned),
        headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).to_owned())).collect(),
    };
    let publish = |topic: &str, labels| {
        rig.wait(rig.sources().publish(BrokerMessage { labels, ..message(topic, "{}") })).expect("published");
    };
    publish("labels-out", labels(Some("k ü"), &[("a", "1"), ("a", "2"), ("b", "")]));
    let pairs = [("a", "1"), ("a", "2"), ("b", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(broker.last_labels("labels-out"), (Some("k ü".to_owned()), pairs.to_vec()));
    publish("labels-out", labels(None, &[]));
    assert_eq!(broker.last_labels("labels-out"), (None, vec![]));
    publish("labels-out", labels(Some(""), &[]));
    assert_eq!(broker.last_labels("labels-out"), (Some(String::new()), vec![]), "empty is not nothing");

    // Murmur2 of "21" is -973932308, without its sign 0 modulo 3; other hashes have it elsewhere.
    publish("labels-spread", labels(Some("21"), &[]));
    assert_eq!(broker.records("labels-spread").keys().collect::<Vec<_>>(), [&0]);
}

#[test]
fn keys_and_headers_come_with_events_where_they_are_wanted() {
    let broker = &*BROKER;
    broker.create_topic("labels-in", 1);
    let rig = rig();
    let labelled = EventFeed { stream: Some(StreamOptions::LabelledKafka), ..feed(&["labels-in"]) };
    rig.listen(1, &labelled);
    rig.listen(2, &feed(&["labels-in"]));
    let check = |key: Option<&[u8]>, headers: &[(&str, &[u8])], expected: &str| {
        broker.publish_labelled("labels-in", key, headers, b"{}");
        match rig.next(1) {
            Report::Labelled { payload, labels, .. } => {
                assert_eq!((&payload[..], std::str::from_utf8(&labels)), (&b"{}"[..], Ok(expected)));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(next(&rig, 2).2, "{}");
    };
    check(None, &[], r#"{"$key":null,"$headers":{}}"#);
    let headers: [(&str, &[u8]); 4] = [("b", b"2"), ("a", b"\"1\""), ("b", b"\xff"), ("b", b"3")];
    check(Some(b"k"), &headers, r#"{"$key":"k","$headers":{"a":["\"1\""],"b":["2","3"]}}"#);
    check(Some(b"\xff"), &[], r#"{"$headers":{}}"#);
}

#[test]
fn records_of_a_transaction_come_when_it_is_committed() {
    let broker = &*BROKER;
    broker.create_topic("transactions", 1);
    let careful = rig();
    let hasty = secured(|kafka| kafka.isolation = KafkaIsolation::ReadUncommitted, broker.address());
    careful.listen(1, &feed(&["transactions"]));
    hasty.listen(1, &feed(&["transactions"]));
    let aborted = broker.begin_transaction("aborted");
    aborted.publish("transactions", "aborted");
    assert_eq!(next(&hasty, 1), (0, 0, "aborted".to_owned()));
    aborted.abort();
    let committed = broker.begin_transaction("committed");
    committed.publish("transactions", "committed");
    broker.publish("transactions", 0, "plain");
    for expected in ["committed", "plain"] {
        assert_eq!(next(&hasty, 1).2, expected);
    }
    // A feed that begins meanwhile gets what is committed later: to those who wait it has not happened yet.
    careful.listen(2, &feed(&["transactions"]));
    assert_eq!(careful.sink.len(), 0);
    committed.commit();
    for ticket in [1, 2] {
        for expected in ["committed", "plain"] {
            assert_eq!(next(&careful, ticket).2, expected);
        }
    }
    let lags = || [lag(&careful, "transactions"), lag(&hasty, "transactions")];
    until("ends of transactions are not waited for", || lags() == [Some(0), Some(0)]);
    assert_eq!((careful.status("default").received, hasty.status("default").received), (4, 3));
}

#[test]
fn debeziums_rows_are_the_events() {
    let broker = &*BROKER;
    broker.create_topic("debezium", 1);
    let rig = secured(|kafka| kafka.payload = KafkaPayload::Debezium, broker.address());
    rig.listen(1, &feed(&["debezium"]));
    for value in [
        r#"{"before": null, "after": {"id": 1}, "source": {}, "op": "c", "ts_ms": 1}"#,
        r#"{"before": {"id": 1}, "after": null, "source": {}, "op": "d", "ts_ms": 2}"#,
        r#"{"schema": {"type": "struct"}, "payload": {"before": null, "after": {"id": 2}, "op": "r"}}"#,
    ] {
        broker.publish("debezium", 0, value);
    }
    broker.publish_tombstone("debezium", 0);
    assert_eq!(next(&rig, 1), (0, 0, r#"{"id": 1}"#.to_owned()));
    assert_eq!(next(&rig, 1), (0, 2, r#"{"id": 2}"#.to_owned()));
    broker.publish("debezium", 0, "no envelope");
    assert_eq!(next(&rig, 1), (0, 4, "no envelope".to_owned()), "for others to refuse");
    let status = rig.status("default");
    assert_eq!((status.received, status.skipped, status.errors), (3, 2, 1));
}

#[test]
fn confluents_prefix_is_taken_off() {
    let broker = &*BROKER;
    broker.create_topic("confluent", 1);
    let rig = secured(|kafka| kafka.payload = KafkaPayload::ConfluentJson, broker.address());
    rig.listen(1, &feed(&["confluent"]));
    broker.publish_labelled("confluent", None, &[], b"\0\0\0\0\x2a{\"id\":1}");
    assert_eq!(next(&rig, 1).2, r#"{"id":1}"#);
    // What Avro looks like.
    for _ in 0..2 {
        broker.publish_labelled("confluent", None, &[], b"\0\0\0\0\x2b\x02\x06abc");
        assert_eq!(next(&rig, 1).2.as_bytes(), b"\0\0\0\0\x2b\x02\x06abc", "for others to refuse");
    }
    assert_eq!(rig.status("default").errors, 2);
}

#[test]
fn a_broker_that_dies_and_one_that_pauses_cost_nothing() {
    let mut broker = KafkaBroker::start();
    broker.create_topic("chaos", 3);
    let rig = Rig::start(options(broker.address()));
    rig.listen(1, &feed(&["chaos"]));
    let publish = |broker: &KafkaBroker, numbers: std::ops::Range<i32>| {
        numbers.for_each(|n| broker.send("chaos", n % 3, Some(&n.to_string())));
    };
    publish(&broker, 0..500);
    broker.flush();
    publish(&broker, 500..1_000);
    broker.kill();
    until("it is seen to be gone", || !rig.status("default").up);
    let late = rig.wait(rig.sources().publish(message("chaos", "late")));
    assert_eq!(late.expect_err("down").to_string(), "not connected");
    broker.restart();
    publish(&broker, 1_000..1_500);
    broker.flush();
    until("it is seen to be back", || rig.status("default").up);
    broker.pause();
    until("the pause is seen", || !rig.status("default").up);
    publish(&broker, 1_500..2_000);
    broker.resume();
    broker.flush();

    // The log is the judge: a publisher that is cut off may have said things twice.
    let log = broker.records("chaos");
    let total: usize = log.values().map(Vec::len).sum();
    assert!(total >= 2_000);
    let mut seen: BTreeMap<i32, Vec<(i64, String)>> = BTreeMap::new();
    for _ in 0..total {
        let (part, offset, payload) = next(&rig, 1);
        seen.entry(part.cast_signed()).or_default().push((offset.cast_signed(), payload));
    }
    assert_eq!(seen, log);
    assert_eq!(rig.sink.len(), 0, "and nothing else is said");
    until("it is up", || rig.status("default").up);
    let status = rig.status("default");
    assert_eq!((status.received, status.reconnects, status.dropped), (total as u64, 2, 0));
}

#[test]
fn a_feed_waits_for_a_broker_that_is_away() {
    let mut broker = KafkaBroker::start();
    broker.create_topic("away", 1);
    broker.kill();
    let rig = Rig::start(options(broker.address()));
    rig.sources().start(Ticket(1), &feed(&["away"]));
    assert_eq!(rig.next(1), Report::Interrupted);
    assert!(!rig.status("default").up);
    broker.restart();
    assert_eq!(rig.next(1), Report::Live);
    assert_eq!(rig.next(1), Report::Restored);
    broker.publish("away", 0, "{}");
    assert_eq!(next(&rig, 1), (0, 0, "{}".to_owned()));
    let error = rig.wait(rig.sources().request(message("away", "{}"))).expect_err("no such thing");
    assert_eq!(error.to_string(), "nobody answers requests to 'away'");
}

#[test]
fn publishing_is_confirmed_or_refused() {
    let broker = &*BROKER;
    broker.create_topic("publish", 1);
    let rig = rig();
    let payload = "{\"id\":1,\"update\":{\"name\":\"ä\"}}";
    rig.wait(rig.sources().publish(message("publish", payload))).expect("published");
    assert_eq!(broker.records("publish")[&0], [(0, payload.to_owned())]);
    for bad in ["", "a b", "a/b", ".."] {
        let error = rig.wait(rig.sources().publish(message(bad, "{}"))).expect_err(bad);
        assert_eq!(error.to_string(), format!("'{bad}' is not a topic"));
    }
    let start = Instant::now();
    let error = rig.wait(rig.sources().publish(message("nowhere", "{}"))).expect_err("no such topic");
    assert!(error.to_string().contains("topic"), "{error}");
    assert!(start.elapsed() < KafkaOptions::REQUEST_TIMEOUT);
    assert!(!broker.topics().contains(&"nowhere".to_owned()), "the broker was asked to make it");
    let status = rig.status("default");
    assert_eq!((status.published, status.failed), (1, 5));
}

fn secured(change: impl FnOnce(&mut KafkaOptions), address: String) -> Rig {
    let mut kafka = KafkaOptions::new("default", [address]);
    change(&mut kafka);
    Rig::start(Options { kafka: vec![kafka], ..Options::default() })
}

fn works(topic: &str, rig: &Rig) {
    rig.listen(1, &feed(&[topic]));
    rig.wait(rig.sources().publish(message(topic, "{}"))).expect("published");
    assert_eq!(next(rig, 1).2, "{}");
}

fn fails(rig: &Rig) {
    rig.sources().start(Ticket(1), &feed(&["secured"]));
    assert_eq!(rig.next(1), Report::Interrupted);
    assert!(!rig.status("default").up);
}

fn plain(password: &str) -> KafkaAuthentication {
    KafkaAuthentication::Plain { username: kafka::USER.to_owned(), password: password.to_owned() }
}

fn scram(mechanism: ScramMechanism, password: &str) -> KafkaAuthentication {
    let (username, password) = (kafka::USER.to_owned(), password.to_owned());
    KafkaAuthentication::Scram { username, password, mechanism }
}

#[test]
fn passwords_are_proved_by_each_mechanism() {
    let broker = &*BROKER;
    broker.create_topic("sasl", 1);
    let right = [
        plain(kafka::PASSWORD),
        scram(ScramMechanism::Sha256, kafka::PASSWORD),
        scram(ScramMechanism::Sha512, kafka::PASSWORD),
    ];
    for it in right {
        works("sasl", &secured(|kafka| kafka.authentication = Some(it), broker.sasl_address()));
    }
    for it in [plain("guess"), scram(ScramMechanism::Sha256, "guess")] {
        fails(&secured(|kafka| kafka.authentication = Some(it), broker.sasl_address()));
    }
}

#[test]
fn a_broker_is_trusted_through_its_authority_alone() {
    let broker = &*BROKER;
    broker.create_topic("tls", 1);
    let certificates = &broker.certificates;
    works("tls", &secured(|kafka| kafka.tls = Some(certificates.trusting("ca.pem")), broker.tls_address()));
    let careless = ClientTls { insecure_skip_ca_verification: true, ..ClientTls::default() };
    works("tls", &secured(|kafka| kafka.tls = Some(careless), broker.tls_address()));
    fails(&secured(|kafka| kafka.tls = Some(certificates.trusting("other.pem")), broker.tls_address()));
    fails(&secured(|kafka| kafka.tls = Some(ClientTls::default()), broker.tls_address()));

    let own = ClientTls {
        cert_file: Some(certificates.file("client.pem")),
        key_file: Some(certificates.file("client.key")),
        ..certificates.trusting("ca.pem")
    };
    works("tls", &secured(|kafka| kafka.tls = Some(own), broker.mutual_tls_address()));
    fails(&secured(|kafka| kafka.tls = Some(certificates.trusting("ca.pem")), broker.mutual_tls_address()));

    let both = |kafka: &mut KafkaOptions| {
        kafka.tls = Some(certificates.trusting("ca.pem"));
        kafka.authentication = Some(scram(ScramMechanism::Sha512, kafka::PASSWORD));
    };
    works("tls", &secured(both, broker.sasl_tls_address()));
    let lost = KafkaOptions {
        tls: Some(certificates.trusting("missing.pem")),
        ..KafkaOptions::new("default", ["localhost:1"])
    };
    let error = Rig::try_start(Options { kafka: vec![lost], ..Options::default() }, 1).err();
    assert!(error.expect("an error").to_string().contains("missing.pem"));
}

/// With compression of every kind; what librdkafka was built without would fail here.
#[test]
fn batches_are_unpacked_however_they_were_packed() {
    let broker = &*BROKER;
    let rig = rig();
    for (ticket, codec) in [(1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd")] {
        let topic = format!("packed-{codec}");
        broker.create_topic_with(&topic, 1, &[("compression.type", codec)]);
        rig.listen(ticket, &feed(&[&topic]));
        let payload = "again and ".repeat(100);
        broker.publish(&topic, 0, &payload);
        assert_eq!(next(&rig, ticket), (0, 0, payload));
    }
}
