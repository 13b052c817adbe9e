//! What cannot be provoked from outside: a panic in the thread that reads.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "../../../tests/support/certificates.rs"]
mod certificates;
#[path = "../../../tests/support/kafka.rs"]
mod kafka;

use super::*;
use crate::{plan::ProviderKind, sources::Report};
use kafka::{KafkaBroker, PATIENCE};
use std::{
    future::Future,
    pin::Pin,
    sync::mpsc::{Sender as Told, channel},
};

/// Panics over the first event that says so.
struct Shaky {
    told: Told<Report>,
    has_panicked: AtomicBool,
}

impl FeedSink for Shaky {
    fn try_send(&self, _: Ticket, report: Report) -> Result<(), Report> {
        if let Report::Event { payload, .. } = &report {
            let panics = &payload[..] == b"panic" && !self.has_panicked.swap(true, Relaxed);
            assert!(!panics, "on purpose");
        }
        let _ = self.told.send(report);
        Ok(())
    }
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn a_panic_while_reading_is_survived_and_loses_nothing() {
    let broker = KafkaBroker::start();
    broker.create_topic("shaky", 1);
    let (told, reports) = channel();
    let sink = Arc::new(Shaky { told, has_panicked: AtomicBool::new(false) });
    let options = KafkaOptions::new("default", [broker.address()]);
    let provider = KafkaProvider::start(0, options, sink).expect("options");
    let (kind, id) = (ProviderKind::Kafka, "default".into());
    let feed = EventFeed { kind, provider: id, destinations: vec!["shaky".into()], stream: None };
    provider.start(Ticket(1), &feed, None).expect("it starts");
    let next = || reports.recv_timeout(PATIENCE).expect("a report in time");
    assert_eq!(next(), Report::Live);

    for payload in ["a", "panic", "b"] {
        broker.send("shaky", 0, Some(payload));
    }
    broker.flush();
    for payload in ["a", "panic", "b"] {
        assert!(matches!(next(), Report::Event { payload: it, .. } if it == payload));
    }
    assert_eq!(provider.status().restarts, 1);
    drop(provider);
    assert!(reports.recv().is_err(), "its threads have let go of the sink, and nothing came twice");
}

/// Takes everything.
struct Patient(Told<(Ticket, Report)>);

impl FeedSink for Patient {
    fn try_send(&self, ticket: Ticket, report: Report) -> Result<(), Report> {
        let _ = self.0.send((ticket, report));
        Ok(())
    }
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

fn feed(topic: &str) -> EventFeed {
    let (kind, provider) = (ProviderKind::Kafka, "default".into());
    EventFeed { kind, provider, destinations: vec![topic.into()], stream: None }
}

/// The library once ended the process when partitions were taken and given faster than it could stop them.
#[test]
fn partitions_come_and_go_as_fast_as_they_can_and_nothing_is_lost() {
    const TOPICS: u64 = 12;
    const PARTITIONS: i32 = 8;
    let broker = KafkaBroker::start();
    let topics: Vec<String> = (0..TOPICS).map(|it| format!("hasty-{it}")).collect();
    broker.create_topics(&topics, PARTITIONS);
    for topic in &topics {
        (0..PARTITIONS).for_each(|it| broker.send(topic, it, Some("old")));
    }
    broker.flush();
    let (told, reports) = channel();
    let options = KafkaOptions::new("default", [broker.address()]);
    let provider = KafkaProvider::start(0, options, Arc::new(Patient(told))).expect("options");

    let mut random = fastrand::Rng::with_seed(7);
    let mut running: Vec<Option<u64>> = vec![None; topics.len()];
    let start_of_all = Position((0..PARTITIONS as u32).map(|it| (it, 0)).collect());
    for round in 0..500 {
        let topic = random.usize(..topics.len());
        let stopped = running[topic].take();
        if let Some(ticket) = stopped {
            provider.stop(Ticket(ticket));
        }
        match random.u8(..8) {
            0 => {
                let (topic, partition) = (topics[topic].as_str().into(), random.usize(..PARTITIONS as usize));
                let _ = provider.commands.send(Command::Reset { topic, partition, earliest: 1 });
            }
            1 => (0..2).for_each(|_| drop(provider.commands.send(Command::Again))),
            at => {
                let from = (at < 4).then_some(&start_of_all);
                provider.start(Ticket(round), &feed(&topics[topic]), from).expect("it starts");
                running[topic] = Some(round);
                // The others are stopped, or started over, while they start.
                if random.bool() {
                    let is_live = |told: (Ticket, Report)| told == (Ticket(round), Report::Live);
                    while !is_live(reports.recv_timeout(PATIENCE).expect("a report in time")) {}
                }
            }
        }
    }

    for (at, topic) in topics.iter().enumerate() {
        if let Some(ticket) = running[at] {
            provider.stop(Ticket(ticket));
        }
        provider.start(Ticket(1_000 + at as u64), &feed(topic), Some(&start_of_all)).expect("it starts");
        (0..PARTITIONS).for_each(|it| broker.send(topic, it, Some("new")));
    }
    broker.flush();
    let mut due: HashSet<(u64, u32)> =
        (0..TOPICS).flat_map(|it| (0..PARTITIONS as u32).map(move |part| (1_000 + it, part))).collect();
    while !due.is_empty() {
        let (ticket, report) = reports.recv_timeout(PATIENCE).expect("a report in time");
        if let (Report::Event { position, payload }, 1_000..) = (report, ticket.0) {
            assert_eq!(payload, "new");
            let (part, _) = *position.0.iter().find(|(_, offset)| *offset == 1).expect("behind the old ones");
            assert!(due.remove(&(ticket.0, part)), "{ticket:?} got {part} twice");
        }
    }
    drop(provider);
    assert!(
        reports.iter().all(|(ticket, report)| ticket.0 < 1_000 || !matches!(report, Report::Event { .. }))
    );
}

/// Closing a client counts as taking its partitions.
#[test]
fn a_provider_may_end_right_after_it_was_told_to_read_anew() {
    let broker = KafkaBroker::start();
    broker.create_topic("short", 16);
    for round in 0..20 {
        let (told, reports) = channel();
        let options = KafkaOptions::new("default", [broker.address()]);
        let provider = KafkaProvider::start(0, options, Arc::new(Patient(told))).expect("options");
        provider.start(Ticket(round), &feed("short"), None).expect("it starts");
        assert_eq!(reports.recv_timeout(PATIENCE), Ok((Ticket(round), Report::Live)));
        let _ = provider.commands.send(Command::Again);
        drop(provider);
        assert!(reports.recv().is_err(), "its threads have let go of the sink");
    }
}
