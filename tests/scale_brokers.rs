//! A thousand subscribers on one trigger of each broker, and events as fast as it takes them: everybody gets all, in
//! their order. A tenth of what `make bench-brokers` does in release.

#![expect(clippy::disallowed_methods, reason = "deadlines of the brokers are on the real clock")]
#![expect(clippy::print_stdout, reason = "figures for people, shown with --nocapture")]

#[path = "support/brokers.rs"]
mod brokers;
#[path = "support/flood.rs"]
mod flood;
#[path = "support/load.rs"]
mod load;
mod support;

#[cfg(feature = "kafka")]
use brokers::Kafka;
use brokers::{Broker, JetStream, Nats, RedisChannels, RedisStreams, redis::is_missing};
use std::sync::Mutex;

const EVENTS: u64 = 1_000;
const MEMBERS: usize = 1_000;

/// The floods take turns: each is as wide as the machine.
static WIDE: Mutex<()> = Mutex::new(());

#[track_caller]
fn reaches_everybody(broker: &dyn Broker) {
    let _turn = WIDE.lock();
    let flood = flood::flood(broker, EVENTS, MEMBERS, load::PATIENCE);
    println!("{}: {} deliveries in {:?}", broker.field(), flood.delivered, flood.took);
    assert_eq!(flood.faults, 0, "{}", flood.account);
    assert_eq!((flood.delivered, flood.lost), (EVENTS * MEMBERS as u64, 0));
}

#[test]
fn a_flood_of_nats_reaches_everybody() {
    reaches_everybody(&Nats::start());
}

#[test]
fn a_flood_of_jetstream_reaches_everybody() {
    reaches_everybody(&JetStream::start());
}

#[test]
fn a_flood_of_redis_channels_reaches_everybody() {
    if is_missing() {
        return;
    }
    reaches_everybody(&RedisChannels::start());
}

#[test]
fn a_flood_of_redis_streams_reaches_everybody() {
    if is_missing() {
        return;
    }
    reaches_everybody(&RedisStreams::start());
}

#[cfg(feature = "kafka")]
#[test]
fn a_flood_of_kafka_reaches_everybody() {
    reaches_everybody(&Kafka::start());
}
