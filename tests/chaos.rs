//! Every broker killed twice and paused once under ten thousand events: what a log has reaches every subscriber, each
//! event once and in order; where nobody keeps events, only those of the outage are missing, and everybody is told.

#![expect(clippy::disallowed_methods, reason = "deadlines of the brokers are on the real clock")]
#![expect(clippy::print_stdout, reason = "figures for people, shown with --nocapture")]

#[path = "support/brokers.rs"]
mod brokers;
#[path = "support/chaos.rs"]
mod chaos;
mod support;

#[cfg(feature = "kafka")]
use brokers::Kafka;
use brokers::{JetStream, Nats, RedisChannels, RedisStreams, redis::is_missing};
use chaos::{assert_complete, assert_lost_in_outages_alone, storm};

#[test]
fn nats_loses_what_an_outage_takes_and_says_so() {
    assert_lost_in_outages_alone(&storm(&mut Nats::start()));
}

#[test]
fn jetstream_loses_nothing() {
    assert_complete(&storm(&mut JetStream::start()));
}

#[test]
fn redis_channels_lose_what_an_outage_takes_and_say_so() {
    if is_missing() {
        return;
    }
    assert_lost_in_outages_alone(&storm(&mut RedisChannels::start()));
}

#[test]
fn redis_streams_lose_nothing() {
    if is_missing() {
        return;
    }
    assert_complete(&storm(&mut RedisStreams::start()));
}

#[cfg(feature = "kafka")]
#[test]
fn kafka_loses_nothing() {
    assert_complete(&storm(&mut Kafka::start()));
}
