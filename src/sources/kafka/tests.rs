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
