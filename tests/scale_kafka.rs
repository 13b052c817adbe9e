//! What Kafka costs: threads, connections and memory, with many feeds and with a hub that takes nothing.
//! One after the other, because they count what the process has.

#![cfg(feature = "kafka")]
#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]
#![expect(clippy::print_stdout, reason = "figures for people, shown with --nocapture")]

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

use juga::sources::{Report, Ticket};
use kafka::KafkaBroker;
use kafka_rig::{feed, lag, next, options, until};
use sources::Rig;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_full_hub_holds_the_reader_up_and_loses_nothing() {
    let _alone = alone();
    let broker = KafkaBroker::start();
    broker.create_topic("full", 1);
    let rig = Rig::start_with_room(options(broker.address()), 16);
    rig.listen(1, &feed(&["full"]));
    let payload = "x".repeat(10_000);
    let before = resident_bytes();
    for n in 0..10_000 {
        broker.send("full", 0, Some(&format!("{n} {payload}")));
        if n % 500 == 0 {
            broker.flush();
        }
    }
    broker.flush();
    until("the queue is full", || rig.sink.len() == 16);
    until("the lag is known", || lag(&rig, "full") == Some(10_000 - 16));
    let taken = resident_bytes().saturating_sub(before);
    println!("100 MB wait in the broker, {taken} bytes here");
    assert!(taken < 64 << 20, "{taken} bytes are read ahead");
    for n in 0..10_000u64 {
        let (_, offset, payload) = next(&rig, 1);
        assert_eq!((offset, payload.split(' ').next()), (n, Some(&*n.to_string())));
    }
    until("nothing is left", || lag(&rig, "full") == Some(0));
}

#[test]
fn feeds_cost_no_threads_and_no_connections() {
    let _alone = alone();
    let broker = KafkaBroker::start();
    let topics: Vec<String> = (0..1_000).map(|it| format!("many-{it}")).collect();
    for some in topics.chunks(250) {
        broker.create_topics(some, 1);
    }
    let rig = Rig::start(options(broker.address()));
    rig.listen(1, &feed(&[&topics[0]]));
    // The test's own publisher connects now, and every client of the provider has found its brokers.
    broker.publish(&topics[0], 0, "first");
    assert_eq!(next(&rig, 1).2, "first");
    until("the lag is known", || lag(&rig, &topics[0]) == Some(0));
    let (threads, sockets, before) = (entries("task"), sockets(), resident_bytes());
    let start = Instant::now();
    for (n, topic) in topics.iter().enumerate().skip(1) {
        rig.sources().start(Ticket(10 + n as u64), &feed(&[topic]));
    }
    for n in 1..1_000 {
        assert_eq!(rig.next(10 + n), Report::Live);
    }
    println!("999 topics live after {:?}, {} KiB", start.elapsed(), (resident_bytes() - before) >> 10);
    let (before, start) = (resident_bytes(), Instant::now());
    let three = [&*topics[0], &topics[1], &topics[2]];
    for n in 0..10_000 {
        rig.sources().start(Ticket(10_000 + n), &feed(&three));
    }
    for n in 0..10_000 {
        assert_eq!(rig.next(10_000 + n), Report::Live);
    }
    let bytes = resident_bytes().saturating_sub(before) / 10_000;
    println!("10,000 feeds on 3 topics live after {:?}, {bytes} bytes each", start.elapsed());
    broker.publish(three[2], 0, "{}");
    for n in 0..10_000 {
        assert_eq!(next(&rig, 10_000 + n).2, "{}");
    }
    broker.publish(&topics[999], 0, "last");
    assert_eq!(next(&rig, 10 + 999).2, "last");
    println!("{} threads, {} sockets", entries("task"), self::sockets());
    assert!(entries("task") <= threads, "{threads} threads before, {} after", entries("task"));
    assert!(self::sockets() <= sockets, "{sockets} sockets before, {} after", self::sockets());
    assert!(bytes <= 2_048, "{bytes} bytes per feed");
}

fn entries(of: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{of}")).expect("/proc").count()
}

fn sockets() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("/proc").flatten();
    links
        .filter(|it| {
            std::fs::read_link(it.path()).is_ok_and(|it| it.to_string_lossy().starts_with("socket:"))
        })
        .count()
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("statm");
    status.split(' ').nth(1).and_then(|it| it.parse::<usize>().ok()).expect("pages") * 4096
}
