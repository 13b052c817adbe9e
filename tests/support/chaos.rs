//! A broker in trouble: killed twice and paused once while somebody publishes to it, with subscribers that write
//! down what they see.
//!
//! What came before an outage and what after is known exactly, not by the clock: before a kill everybody has had
//! what was confirmed, and after it the feed is live before what must arrive is published.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use super::brokers::{Broker, Publisher, config, tick};
use crate::support::{
    live::{wait_until_idle, wait_until_live},
    router::Router,
    wait::wait_until,
    ws::Client,
};
use serde_json::Value;
use std::{
    collections::HashSet,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub const EVENTS: u64 = 10_000;
const PER_MILLISECOND: u64 = 1;
/// At most so many in one go: who was held up catches up in steps.
const BATCH_MAX: u64 = 50;
/// Events published before each kill, and before the pause that lies between them.
const TROUBLES_AT: [u64; 3] = [500, 4_000, 5_500];
const PAUSE: Duration = Duration::from_millis(1_500);
/// However long a broker takes to come back, some events are kept for the time after it.
const KEPT_BACK: u64 = 1_000;
/// Those behind have nothing to say but that this was all of a part.
const ENDS: u64 = 1_000_000;
const SUBSCRIBERS: usize = 5;
/// A broker may be a Java program.
const PATIENCE: Duration = Duration::from_secs(60);
const GRACE: &str = "outage: { grace: 200ms }";
/// What the router may hold more at the end than before the first event.
const GROWTH_MAX: f64 = 4e6;

/// What one subscriber was sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    Event(u64),
    /// An error, by its code.
    Told(String),
}

/// What came of it.
pub struct Account {
    /// Of each subscriber.
    pub seen: Vec<Vec<Seen>>,
    /// Events that the broker said it has, in their order.
    pub confirmed: Vec<u64>,
    /// Events that may be missing where nobody keeps them, kill by kill.
    pub outages: Vec<RangeInclusive<u64>>,
    /// What the broker kept, part by part.
    pub log: Vec<Vec<u64>>,
}

/// How far everybody is.
#[derive(Default)]
struct Progress {
    attempted: AtomicU64,
    confirmed: AtomicU64,
    /// The publisher goes no further.
    gate: AtomicU64,
}

impl Progress {
    /// Waits for so many events, and lets the publisher go on meanwhile up to `gate`.
    fn let_through(&self, events: u64, gate: u64) {
        self.gate.fetch_max(events, SeqCst);
        wait_until("so many events", PATIENCE, || self.attempted.load(SeqCst) >= events);
        self.gate.store(gate, SeqCst);
    }
}

struct Watcher {
    thread: JoinHandle<Vec<Seen>>,
    newest: Arc<AtomicU64>,
    told: Arc<AtomicU64>,
}

/// Ten thousand events, and the troubles meanwhile. The router must be as it was, whatever the broker does.
pub fn storm(broker: &mut dyn Broker) -> Account {
    let mut router = Router::start(&config(broker, GRACE));
    let start = allocated_after_a_visit(&router, broker);
    let watchers = watch(&router, broker);
    let progress = Arc::new(Progress::default());
    let publishing = {
        let (publisher, progress, parts) = (broker.publisher(), progress.clone(), broker.parts());
        thread::spawn(move || publish(publisher, parts, &progress))
    };
    let [kill, pause, kill_again] = TROUBLES_AT;
    progress.let_through(kill, pause);
    let first = kill_and_restart(&router, broker, &watchers, &progress);
    progress.let_through(pause, kill_again);
    pause_and_resume(&router, broker);
    progress.let_through(kill_again, EVENTS - KEPT_BACK);
    let second = kill_and_restart(&router, broker, &watchers, &progress);
    progress.let_through(EVENTS - KEPT_BACK, EVENTS);

    let (mut publisher, confirmed) = publishing.join().expect("the publisher");
    let ends: Vec<_> = (0..broker.parts()).map(|it| (it, tick(ENDS, "end"))).collect();
    assert_eq!(publisher.publish(&ends), ends.len(), "the broker is well");
    publisher.settle();
    let seen = watchers.into_iter().map(|it| it.thread.join().expect("a subscriber")).collect();
    let log = broker.log().iter().map(|it| sequences(it)).collect();
    assert!(router.is_running());
    assert!(is_up(&router, broker));
    wait_until_idle(&router);
    let growth = allocated(&router) - start;
    println!("{}: away in {first:?} and {second:?}, memory grew by {growth} bytes", broker.field());
    assert!(growth < GROWTH_MAX, "{growth} bytes more than before");
    Account { seen, confirmed, outages: vec![first, second], log }
}

/// Everyone's events in their order, each once: what the log has, part by part, and not a word beside.
pub fn assert_complete(account: &Account) {
    let log = &account.log;
    assert!(account.confirmed.len() as u64 > EVENTS / 2, "{} confirmed", account.confirmed.len());
    let kept: HashSet<u64> = log.iter().flatten().copied().collect();
    let lost: Vec<_> = account.confirmed.iter().filter(|it| !kept.contains(it)).collect();
    assert!(lost.is_empty(), "the broker has lost what it had confirmed: {lost:?}");
    for (number, seen) in account.seen.iter().enumerate() {
        let told: Vec<_> = seen.iter().filter(|it| matches!(it, Seen::Told(_))).collect();
        assert!(told.is_empty(), "subscriber {number}: {told:?}");
        for (part, expected) in (0..).zip(log) {
            let of_part: Vec<u64> = events(seen).filter(|it| it % log.len() as u64 == part).collect();
            assert_same(&of_part, expected, &format!("subscriber {number}, part {part}"));
        }
    }
}

/// Everyone's events in their order, each once; missing is only what was published while the broker was away, and of
/// each time everyone was told.
pub fn assert_lost_in_outages_alone(account: &Account) {
    for (number, seen) in account.seen.iter().enumerate() {
        let all: Vec<u64> = events(seen).collect();
        assert!(all.is_sorted_by(|a, b| a < b), "subscriber {number}: out of order, or twice");
        let was_away = |it: &u64| account.outages.iter().any(|outage| outage.contains(it));
        let missing: Vec<_> =
            account.confirmed.iter().filter(|it| all.binary_search(it).is_err() && !was_away(it)).collect();
        assert!(missing.is_empty(), "subscriber {number}: {missing:?} of {:?}", account.outages);
        let told: Vec<_> = seen.iter().filter(|it| matches!(it, Seen::Told(_))).cloned().collect();
        let expected = Seen::Told("FEED_UNAVAILABLE".to_owned());
        assert_eq!(told, vec![expected.clone(); account.outages.len()], "subscriber {number}");
        let places = seen.iter().enumerate().filter(|(_, it)| **it == expected).map(|(place, _)| place);
        for (place, outage) in places.zip(&account.outages) {
            let before = events(&seen[..place]).last().unwrap_or(0);
            let after = events(&seen[place..]).next().unwrap_or(u64::MAX);
            assert!(
                before <= *outage.end() && after >= *outage.start(),
                "subscriber {number}: told too late"
            );
        }
    }
}

fn events(seen: &[Seen]) -> impl Iterator<Item = u64> {
    seen.iter().filter_map(|it| match it {
        Seen::Event(sequence) if *sequence < ENDS => Some(*sequence),
        _ => None,
    })
}

/// Says where two lists part, instead of printing ten thousand numbers.
#[track_caller]
fn assert_same(seen: &[u64], expected: &[u64], whose: &str) {
    let at = seen.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(seen.len().min(expected.len()));
    let around = |list: &[u64]| list[at.saturating_sub(2)..list.len().min(at + 3)].to_vec();
    assert!(
        seen == expected,
        "{whose}: {} events, not {}; at {at} {:?}, not {:?}",
        seen.len(),
        expected.len(),
        around(seen),
        around(expected),
    );
}

fn sequences(payloads: &[String]) -> Vec<u64> {
    let sequence = |it: &String| serde_json::from_str::<Value>(it).ok()?["sequence"].as_u64();
    payloads.iter().map(|it| sequence(it).expect("an event")).filter(|it| *it < ENDS).collect()
}

/// Kills the broker, and starts it again when everybody knows. What may be missing by that.
fn kill_and_restart(
    router: &Router,
    broker: &mut dyn Broker,
    watchers: &[Watcher],
    progress: &Progress,
) -> RangeInclusive<u64> {
    let is_volatile = !broker.keeps_a_log();
    let before = progress.confirmed.load(SeqCst);
    if is_volatile {
        wait_until("everybody has what was confirmed", PATIENCE, || {
            watchers.iter().all(|it| it.newest.load(SeqCst) >= before)
        });
    }
    let told: Vec<u64> = watchers.iter().map(|it| it.told.load(SeqCst)).collect();
    broker.kill();
    wait_until("the provider is down", PATIENCE, || !is_up(router, broker));
    assert_eq!((router.admin("/health/live").0, router.admin("/health/ready").0), (200, 200));
    if is_volatile {
        wait_until("everybody was told", PATIENCE, || {
            watchers.iter().zip(&told).all(|(it, told)| it.told.load(SeqCst) > *told)
        });
    }
    broker.restart();
    wait_until("the provider is up", PATIENCE, || is_up(router, broker));
    wait_until_live(router, SUBSCRIBERS as u64);
    before + 1..=progress.attempted.load(SeqCst)
}

/// Pauses it so shortly that who only hears what passes by need not miss anything.
fn pause_and_resume(router: &Router, broker: &dyn Broker) {
    broker.pause();
    wait(PAUSE);
    assert_eq!((router.admin("/health/live").0, router.admin("/health/ready").0), (200, 200));
    broker.resume();
    wait_until("the provider is up", PATIENCE, || is_up(router, broker));
}

fn wait(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}

fn is_up(router: &Router, broker: &dyn Broker) -> bool {
    let kind = broker.kind();
    let name = format!(r#"router_streams_provider_up{{wg_provider_type="{kind}",wg_provider_id="default"}}"#);
    router.metrics().get(&name) == 1.0
}

fn allocated(router: &Router) -> f64 {
    router.metrics().get("router_memory_allocated_bytes")
}

/// Caches and pools are there once somebody was served.
fn allocated_after_a_visit(router: &Router, broker: &dyn Broker) -> f64 {
    wait_until("the provider is up", PATIENCE, || is_up(router, broker));
    let mut client = Client::connect(&router.websocket_url());
    client.subscribe("1", &format!("subscription {{ {} {{ sequence }} }}", broker.field()));
    wait_until_live(router, 1);
    drop(client);
    wait_until_idle(router);
    allocated(router)
}

/// Subscribers of two groups, on a feed that is live.
fn watch(router: &Router, broker: &dyn Broker) -> Vec<Watcher> {
    let clients: Vec<Client> = (0..SUBSCRIBERS)
        .map(|number| {
            let more = if number % 2 == 0 { "" } else { "body" };
            let mut client = Client::connect(&router.websocket_url());
            client.subscribe("1", &format!("subscription {{ {} {{ sequence {more} }} }}", broker.field()));
            client
        })
        .collect();
    wait_until_live(router, SUBSCRIBERS as u64);
    clients.into_iter().map(|it| watcher(it, broker.field(), broker.parts())).collect()
}

fn watcher(client: Client, field: &'static str, parts: u32) -> Watcher {
    let (newest, told) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (to_newest, to_told) = (newest.clone(), told.clone());
    let thread = thread::spawn(move || write_down(client, field, parts, &to_newest, &to_told));
    Watcher { thread, newest, told }
}

/// Reads until all parts have ended.
fn write_down(
    mut client: Client,
    field: &str,
    parts: u32,
    newest: &AtomicU64,
    told: &AtomicU64,
) -> Vec<Seen> {
    let (mut seen, mut ended) = (Vec::new(), 0);
    while ended < parts {
        let message = client.message_within(PATIENCE).expect("a message in time");
        assert_eq!(message["type"], "next", "{message}");
        let payload = &message["payload"];
        match payload["data"][field]["sequence"].as_u64() {
            Some(ENDS) => ended += 1,
            Some(sequence) => {
                seen.push(Seen::Event(sequence));
                newest.fetch_max(sequence, SeqCst);
            }
            None => {
                let code = payload["errors"][0]["extensions"]["code"].as_str();
                seen.push(Seen::Told(code.unwrap_or("?").to_owned()));
                told.fetch_add(1, SeqCst);
            }
        }
    }
    seen
}

/// Publishes what is due, whatever becomes of it; which events the broker confirmed.
fn publish(
    mut publisher: Box<dyn Publisher>,
    parts: u32,
    progress: &Progress,
) -> (Box<dyn Publisher>, Vec<u64>) {
    let (start, mut next, mut confirmed) = (Instant::now(), 1, Vec::new());
    while next <= EVENTS {
        let due = 1 + start.elapsed().as_millis() as u64 * PER_MILLISECOND;
        let last = due.min(progress.gate.load(SeqCst)).min(next + BATCH_MAX - 1);
        if last < next {
            thread::park_timeout(Duration::from_millis(1));
            continue;
        }
        progress.attempted.store(last, SeqCst);
        let part = |sequence: u64| (sequence % u64::from(parts)) as u32;
        let batch: Vec<_> = (next..=last).map(|it| (part(it), tick(it, "storm"))).collect();
        let taken = publisher.publish(&batch) as u64;
        confirmed.extend(next..next + taken);
        if taken > 0 {
            progress.confirmed.store(next + taken - 1, SeqCst);
        }
        next = last + 1;
    }
    (publisher, confirmed)
}
