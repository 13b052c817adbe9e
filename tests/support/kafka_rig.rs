//! The sources with one Kafka provider, and what tests say about it.

#![allow(dead_code, reason = "each test file uses its own part")]

use super::{
    kafka::PATIENCE,
    sources::{self, Rig},
};
use juga::{
    plan::{EventFeed, ProviderKind},
    resolve::BrokerMessage,
    sources::{KafkaOptions, Options, Report},
};
use std::time::{Duration, Instant};

pub(crate) fn options(address: String) -> Options {
    Options { kafka: vec![KafkaOptions::new("default", [address])], ..Options::default() }
}

pub(crate) fn feed(topics: &[&str]) -> EventFeed {
    EventFeed { kind: ProviderKind::Kafka, ..sources::feed("default", topics) }
}

pub(crate) fn message(to: &str, payload: &str) -> BrokerMessage {
    BrokerMessage { kind: ProviderKind::Kafka, ..sources::nats_message("default", to, payload) }
}

/// Part, offset and payload of the next event.
pub(crate) fn next(rig: &Rig, ticket: u64) -> (u32, u64, String) {
    match rig.next(ticket) {
        Report::Event { position, payload } => {
            let (part, offset) = *position.0.last().expect("a place");
            (part, offset, String::from_utf8_lossy(&payload).into_owned())
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

pub(crate) fn lag(rig: &Rig, topic: &str) -> Option<u64> {
    rig.status("default").lag.iter().find(|it| &*it.topic == topic).map(|it| it.events)
}
