//! Events as fast as a broker takes them, to very many equal subscribers.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use super::{
    brokers::{Broker, config, tick},
    load::{Crowd, PATIENCE, process::cpu_ns},
};
use crate::support::{router::Router, wait::wait_until};
use serde_json::json;
use std::{
    thread,
    time::{Duration, Instant},
};

/// What came of a flood.
pub struct Flood {
    pub delivered: u64,
    /// Deliveries that did not happen, or not as they should.
    pub faults: u64,
    /// The same in words.
    pub account: String,
    /// Events that the router gave up and counted.
    pub lost: u64,
    /// From the first publish to the last delivery.
    pub took: Duration,
    /// Nanoseconds of the router's.
    pub cpu: u64,
}

/// Publishes so many events at once, and reads for everybody until they have all of them or the time is up.
pub fn flood(broker: &dyn Broker, events: u64, members: usize, patience: Duration) -> Flood {
    let router = Router::start(&config(broker, ""));
    wait_until("the provider is up", PATIENCE, || router.metrics().sum("router_streams_provider_up") == 1.0);
    let field = broker.field();
    let asks = vec![json!({ "query": format!("subscription {{ {field} {{ sequence body }} }}") })];
    let mut fleet = Crowd { field, asks, ..Crowd::plain(1, members) }.join(&router);
    let (before, start) = (cpu_ns(router.pid()), Instant::now());
    let mut publisher = broker.publisher();
    let publishing = thread::spawn(move || {
        let all: Vec<_> = (1..=events).map(|it| (0, tick(it, "flood"))).collect();
        assert_eq!(publisher.publish(&all) as u64, events, "the broker takes all");
        publisher.settle();
    });
    fleet.collect(events, patience).expect("sockets work");
    let (took, cpu) = (start.elapsed(), cpu_ns(router.pid()) - before);
    publishing.join().expect("the publisher");
    Flood {
        delivered: fleet.ledger.delivered,
        faults: fleet.ledger.faults(events),
        account: fleet.ledger.describe(events),
        lost: router.metrics().sum("router_engine_events_lost_total") as u64,
        took,
        cpu,
    }
}
