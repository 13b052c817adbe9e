//! Every adapter behind a line that is cut, that stalls and that garbles: no zombie is left, whatever happens.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]
#![expect(clippy::print_stdout, reason = "what passed is for people, shown with --nocapture")]

#[path = "support/faults.rs"]
mod faults;
#[path = "support/io.rs"]
mod io;
#[path = "support/jetstream.rs"]
mod jetstream;
#[path = "support/nats.rs"]
mod nats;
#[path = "support/ordeal.rs"]
mod ordeal;
#[path = "support/redis.rs"]
mod redis;
#[path = "support/sources.rs"]
mod sources;

use faults::FaultyLine;
use jetstream::Api;
use juga::{
    plan::{EventFeed, JetStreamOptions, ProviderKind, StreamOptions},
    sources::{NatsOptions, Options, RedisOptions},
};
use nats::NatsServer;
use ordeal::Ordeal;
use redis::{RedisServer, is_missing};
use sources::{Rig, feed};
use std::time::Duration;

/// Each is another order of the same faults, and other bytes that are damaged.
const SEEDS: [u64; 3] = [1, 2, 3];

fn nats_behind(line: &FaultyLine) -> Options {
    let nats = NatsOptions {
        request_timeout: Duration::from_millis(500),
        ping_interval: Duration::from_millis(200),
        ..NatsOptions::new("default", format!("nats://127.0.0.1:{}", line.port()))
    };
    Options { nats: vec![nats], ..Options::default() }
}

fn redis_behind(line: &FaultyLine) -> Options {
    let url = format!("redis://127.0.0.1:{}?read_timeout=300ms&dial_timeout=500ms", line.port());
    Options { redis: vec![RedisOptions::new("default", url)], ..Options::default() }
}

#[test]
fn nats_survives_a_line_that_breaks() {
    for seed in SEEDS {
        let server = NatsServer::start();
        let line = FaultyLine::to(server.port(), seed);
        let rig = Rig::start(nats_behind(&line));
        let mut client = server.client();
        let outcome = Ordeal {
            rig: &rig,
            line: &line,
            provider: "default",
            feed: feed("default", &["a.*", "b"]),
            publish: &mut |payload| {
                client.publish("a.1", payload.as_bytes());
                client.flush();
            },
            listening: &|| server.subjects_and_inboxes().len(),
            replays: false,
            garbles: true,
        };
        println!("{}", outcome.survive(seed, 1));
    }
}

/// What is on its way when the line breaks comes again after five seconds to a durable consumer.
fn survive_as_stream(is_ordered: bool) {
    for seed in SEEDS {
        let server = jetstream::server();
        Api::of(&server).create("S", &["s.>"], &serde_json::json!({}));
        let line = FaultyLine::to(server.port(), seed);
        let rig = Rig::start(nats_behind(&line));
        let mut client = server.client();
        let stream = JetStreamOptions {
            stream: "S".into(),
            consumer: "router".into(),
            consumer_inactive_threshold: 30,
            is_ordered,
        };
        let stream = Some(StreamOptions::JetStream(stream));
        // Each consumer has an inbox; that of all questions stays.
        let is_consumers = |it: &String| !it.ends_with(".*");
        let outcome = Ordeal {
            rig: &rig,
            line: &line,
            provider: "default",
            feed: EventFeed { stream, ..feed("default", &["s.1", "s.*.*"]) },
            publish: &mut |payload| {
                client.publish("s.1", payload.as_bytes());
                client.flush();
            },
            listening: &|| server.subjects_and_inboxes().iter().filter(|it| is_consumers(it)).count(),
            replays: true,
            garbles: true,
        };
        println!("{}", outcome.survive(seed, 1));
    }
}

#[test]
fn a_jetstream_reader_survives_a_line_that_breaks() {
    survive_as_stream(true);
}

#[test]
fn a_durable_jetstream_consumer_survives_a_line_that_breaks() {
    survive_as_stream(false);
}

#[test]
fn redis_channels_survive_a_line_that_breaks() {
    if is_missing() {
        return;
    }
    for seed in SEEDS {
        let server = RedisServer::start();
        let line = FaultyLine::to(server.port(), seed);
        let rig = Rig::start(redis_behind(&line));
        let mut client = server.client();
        let outcome = Ordeal {
            rig: &rig,
            line: &line,
            provider: "default",
            feed: EventFeed { kind: ProviderKind::Redis, ..feed("default", &["a", "b.*"]) },
            publish: &mut |payload| assert!(client.publish("a", payload) >= 0),
            listening: &|| server.channels().len() + server.patterns() as usize,
            replays: false,
            garbles: true,
        };
        println!("{}", outcome.survive(seed, 1));
    }
}

#[test]
fn redis_streams_survive_a_line_that_breaks() {
    if is_missing() {
        return;
    }
    for seed in SEEDS {
        let server = RedisServer::start();
        let line = FaultyLine::to(server.port(), seed);
        let rig = Rig::start(redis_behind(&line));
        let mut client = server.client();
        let stream = Some(StreamOptions::Redis { field: "payload".into() });
        // Two of ours stay, for channels and to publish; the test has another.
        let stay = 3;
        let outcome = Ordeal {
            rig: &rig,
            line: &line,
            provider: "default",
            feed: EventFeed { kind: ProviderKind::Redis, stream, ..feed("default", &["s"]) },
            publish: &mut |payload| drop(client.add("s", payload)),
            listening: &|| server.connections().saturating_sub(stay),
            replays: true,
            garbles: true,
        };
        println!("{}", outcome.survive(seed, 1));
    }
}
