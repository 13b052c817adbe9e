//! Equal subscribers, many of them: memory, the cost of joining, the cost of a delivery.

use super::{Bench, Members, PATIENCE, Settings, median};
use crate::load::{
    fleet::{Fleet, Plan, Speaks},
    floor::Floor,
    process::{cpu_ns, settled_rss_anon},
    report::Row,
};
use std::io;

/// Clients that join before memory is measured, so that caches and pools exist.
const WARM_UP: usize = 100;
const EVENTS_PER_ROUND: u64 = 3;
/// Makes a frame of about 300 bytes.
const BODY: &str = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore \
    et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation.";
const SCENARIO: &str = "fan-out";

/// Memory and CPU of subscribers that wait, then deliveries against `floor-send`, rounds alternating.
pub fn fan_out(settings: &Settings) -> io::Result<Vec<Row>> {
    let bench = Bench::start(settings.pinning)?;
    let pid = bench.router.pid();
    let mut warm = bench.subscribe(Members::plain(9, WARM_UP), 1)?;
    bench.probe(&mut warm, "ticks")?;
    drop(warm);
    bench.wait_for_subscriptions(0)?;

    let (memory, cpu) = (settled_rss_anon(pid), cpu_ns(pid));
    let mut clients = bench.subscribe(Members::plain(0, settings.clients), 1)?;
    let count = clients.len() as f64;
    let joining = (cpu_ns(pid) - cpu) as f64 / count / 1e3;
    let idle = settled_rss_anon(pid);
    bench.probe(&mut clients, "ticks")?;

    let (mut router, mut floor) = against_floor(settings, &bench, &mut clients)?;
    let ratios = router.iter().zip(&floor).map(|(router, floor)| router / floor).collect();
    let after = settled_rss_anon(pid);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let per_10_000 = megabytes(idle.saturating_sub(memory)) * 10_000.0 / count;
    let row =
        |what: &str, value, unit, bar| Row { scenario: SCENARIO, what: what.to_owned(), value, unit, bar };
    Ok(vec![
        row("memory added by 10,000 idle subscribed clients", per_10_000, "MB", Some(25.0)),
        row("memory of the process, clients idle", megabytes(idle), "MB", None),
        row("memory after the rounds", megabytes(after), "MB", None),
        row("CPU per connect + init + subscribe", joining, "us", None),
        row("CPU per delivery, floor-send", median(std::mem::take(&mut floor)), "us", None),
        row("CPU per delivery, router", median(std::mem::take(&mut router)), "us", None),
        row("CPU per delivery, router / floor-send", median(ratios), "x", Some(1.5)),
    ])
}

/// Microseconds of CPU per delivery, round by round: the router's and the floor's.
fn against_floor(
    settings: &Settings,
    bench: &Bench,
    clients: &mut Fleet,
) -> io::Result<(Vec<f64>, Vec<f64>)> {
    let mut floor = Floor::start(clients.len(), settings.pinning)?;
    let speaks = Speaks::Nothing { id: clients.id(0) };
    let plan = Plan {
        fleet: 1,
        connections: clients.len(),
        address: floor.address,
        speaks,
        first: 1,
        receive_buffer: None,
    };
    let mut bare = Fleet::launch(plan, PATIENCE)?;
    floor.accepted()?;
    let deliveries = (clients.len() as u64 * EVENTS_PER_ROUND) as f64;
    let per_delivery = |before: u64, after: u64| (after - before) as f64 / deliveries / 1e3;
    let (mut router_costs, mut floor_costs) = (Vec::new(), Vec::new());
    for round in 0..settings.rounds as u64 {
        let (mut frames, sequences) =
            (Vec::new(), 1 + round * EVENTS_PER_ROUND..=(round + 1) * EVENTS_PER_ROUND);
        let before = cpu_ns(bench.router.pid());
        for sequence in sequences.clone() {
            bench.publish("ticks", sequence, BODY)?;
            complete(clients, sequence)?;
            frames.push(clients.sample.clone());
        }
        router_costs.push(per_delivery(before, cpu_ns(bench.router.pid())));
        let before = cpu_ns(floor.pid());
        for (sequence, frame) in sequences.zip(&frames) {
            floor.send(frame)?;
            complete(&mut bare, sequence)?;
            floor.sent()?;
        }
        floor_costs.push(per_delivery(before, cpu_ns(floor.pid())));
    }
    Ok((router_costs, floor_costs))
}

fn complete(fleet: &mut Fleet, last: u64) -> io::Result<()> {
    if fleet.collect(last, PATIENCE)? {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "deliveries of fleet {} up to {last} are not as they should be: {}",
        fleet.number(),
        fleet.ledger.describe(last)
    )))
}

const BURST_EVENTS: u64 = 100;
const BURST_CLIENTS_MAX: usize = 5_000;

/// Events published back to back: everybody gets each of them, once and in order.
pub fn burst(settings: &Settings) -> io::Result<Vec<Row>> {
    let bench = Bench::start(settings.pinning)?;
    let mut clients = bench.subscribe(Members::plain(0, settings.clients.min(BURST_CLIENTS_MAX)), 1)?;
    bench.probe(&mut clients, "ticks")?;
    let before = cpu_ns(bench.router.pid());
    for sequence in 1..=BURST_EVENTS {
        bench.publish("ticks", sequence, BODY)?;
    }
    clients.collect(BURST_EVENTS, PATIENCE)?;
    let cpu = (cpu_ns(bench.router.pid()) - before) as f64 / 1e3;
    let row =
        |what: &str, value, unit, bar| Row { scenario: "burst", what: what.to_owned(), value, unit, bar };
    Ok(vec![
        row("deliveries", clients.ledger.delivered as f64, "", None),
        row(
            "deliveries missing, twice or out of order",
            clients.ledger.faults(BURST_EVENTS) as f64,
            "",
            Some(0.0),
        ),
        row("CPU per delivery", cpu / (BURST_EVENTS * clients.len() as u64) as f64, "us", None),
    ])
}
