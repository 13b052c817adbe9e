//! Who is ready for traffic: brokers have a say in it where the configuration names them, and never in who lives.

#![expect(clippy::disallowed_methods, reason = "deadlines of the brokers are on the real clock")]

#[path = "support/brokers.rs"]
mod brokers;
mod support;

#[cfg(feature = "kafka")]
use brokers::Kafka;
use brokers::{Broker, Nats, RedisChannels, config, redis::is_missing};
use std::time::Duration;
use support::{router::Router, wait::wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

fn start(broker: &dyn Broker, readiness: &str) -> Router {
    Router::start(&format!("{}{readiness}\n", config(broker, "")))
}

fn live_and_ready(router: &Router) -> (u16, u16) {
    (router.admin("/health/live").0, router.admin("/health/ready").0)
}

fn is_up(router: &Router) -> bool {
    router.metrics().sum("router_streams_provider_up") == 1.0
}

/// Two routers, of which one waits for its broker.
fn follow_an_outage(broker: &mut dyn Broker) {
    let waiting = start(broker, "readiness: { require_providers: [default] }");
    let indifferent = start(broker, "");
    let wait_for_both = |what: &str, up: bool, ready: u16| {
        wait_until(what, PATIENCE, || is_up(&waiting) == up && is_up(&indifferent) == up);
        wait_until(what, PATIENCE, || live_and_ready(&waiting) == (200, ready));
        assert_eq!(live_and_ready(&indifferent), (200, 200), "{what}");
    };
    wait_for_both("the broker is there", true, 200);
    broker.kill();
    wait_for_both("the broker is away", false, 503);
    broker.restart();
    wait_for_both("the broker is back", true, 200);
}

#[test]
fn nats() {
    follow_an_outage(&mut Nats::start());
}

#[test]
fn redis() {
    if !is_missing() {
        follow_an_outage(&mut RedisChannels::start());
    }
}

#[cfg(feature = "kafka")]
#[test]
fn kafka() {
    follow_an_outage(&mut Kafka::start());
}

#[test]
fn a_broker_that_was_never_there_is_waited_for() {
    let mut broker = Nats::start();
    broker.kill();
    let router = start(&broker, "readiness: { require_providers: [default] }");
    assert_eq!(live_and_ready(&router), (200, 503));
    broker.restart();
    wait_until("the broker came", PATIENCE, || live_and_ready(&router) == (200, 200));
}
