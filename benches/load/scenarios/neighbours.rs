//! Others must not notice: a client that stops reading, a subgraph that hangs.
//!
//! Rounds alternate between control (nobody misbehaves) and trouble, with the same healthy clients and
//! the same open-loop schedule; latency counts from when an event was due, not from when it was sent.

use super::{Bench, Members, PATIENCE, Settings, median};
use crate::load::{
    fleet::{Fleet, Schedule},
    report::Row,
};
use std::{
    io, thread,
    time::{Duration, Instant},
};

const HEALTHY: usize = 499;
const INTERVAL: Duration = Duration::from_millis(20);
/// Latencies are read from the histogram at this percentile.
const PERCENTILE: f64 = 99.0;

/// One of 500 clients never reads while 8 KB events come.
pub fn stalled(settings: &Settings) -> io::Result<Vec<Row>> {
    let trouble = Trouble {
        subjects: &["ticks"],
        body: "x".repeat(8_000),
        // The smallest receive buffer that the kernel grants: it is full after the first events.
        members: Members { receive_buffer: Some(1), ..Members::plain(2, 1) },
    };
    let rounds = alternate(settings, &trouble)?;
    let ratios = rounds.iter().map(|it| it.troubled / it.control).collect();
    rows("stalled", &rounds, ("healthy p99, ratio to control", median(ratios), "x", 1.1))
}

/// Fifty clients wait for entities of a subgraph that never answers, at the same rate of events.
pub fn hanging(settings: &Settings) -> io::Result<Vec<Row>> {
    let trouble = Trouble {
        subjects: &["ticks", "slow"],
        body: "x".repeat(200),
        members: Members {
            number: 2,
            members: 50,
            field: "slow",
            selection: "{ sequence detail }",
            receive_buffer: None,
        },
    };
    let rounds = alternate(settings, &trouble)?;
    let added = rounds.iter().map(|it| it.troubled - it.control).collect();
    rows("hanging", &rounds, ("healthy p99, added to control", median(added), "ms", 50.0))
}

struct Trouble {
    /// Where the schedule's events go; in control rounds only to the first.
    subjects: &'static [&'static str],
    body: String,
    members: Members,
}

/// The p99 of the healthy clients, in milliseconds.
struct Round {
    control: f64,
    troubled: f64,
    faults: u64,
}

fn rows(
    scenario: &'static str,
    rounds: &[Round],
    (what, value, unit, bar): (&str, f64, &'static str, f64),
) -> io::Result<Vec<Row>> {
    let row = |what: &str, value, unit, bar| Row { scenario, what: what.to_owned(), value, unit, bar };
    let of = |pick: fn(&Round) -> f64| median(rounds.iter().map(pick).collect());
    let faults: u64 = rounds.iter().map(|it| it.faults).max().unwrap_or(u64::MAX);
    Ok(vec![
        row("healthy p99, control", of(|it| it.control), "ms", None),
        row("healthy p99, in trouble", of(|it| it.troubled), "ms", None),
        row(what, value, unit, Some(bar)),
        row("healthy deliveries missing, twice or out of order", faults as f64, "", Some(0.0)),
    ])
}

fn alternate(settings: &Settings, trouble: &Trouble) -> io::Result<Vec<Round>> {
    let bench = Bench::start(settings.pinning)?;
    let mut healthy = bench.subscribe(Members::plain(0, HEALTHY), 1)?;
    bench.probe(&mut healthy, "ticks")?;
    let count = u64::try_from(settings.round.div_duration_f64(INTERVAL).ceil() as i64).unwrap_or(1).max(1);
    let (mut rounds, mut sequence) = (Vec::new(), 1);
    for _ in 0..settings.rounds {
        let control = round(&bench, &mut healthy, &trouble.subjects[..1], &trouble.body, sequence, count)?;
        sequence += count;
        let members = Members { ..trouble.members };
        let troubled = {
            // Never read from: its socket fills and stays full until it is dropped.
            let _mute = bench.subscribe(members, sequence)?;
            round(&bench, &mut healthy, trouble.subjects, &trouble.body, sequence, count)?
        };
        sequence += count;
        bench.wait_for_subscriptions(healthy.len())?;
        rounds.push(Round { control, troubled, faults: healthy.ledger.faults(sequence - 1) });
    }
    Ok(rounds)
}

/// Publishes on schedule from a thread of its own while this one reads; the p99 in milliseconds.
fn round(
    bench: &Bench,
    healthy: &mut Fleet,
    subjects: &[&str],
    body: &str,
    first: u64,
    count: u64,
) -> io::Result<f64> {
    let schedule = Schedule { start: Instant::now() + INTERVAL, first, interval: INTERVAL };
    healthy.measure(schedule);
    let patience = INTERVAL.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)) + PATIENCE;
    thread::scope(|scope| {
        let publisher = scope.spawn(|| publish(bench, schedule, subjects, body, count));
        // What does not come in time is missing in the ledger.
        let complete = healthy.collect(first + count - 1, patience);
        publisher.join().unwrap_or_else(|_| Err(io::Error::other("the publisher panicked")))?;
        complete.map(drop)
    })?;
    Ok(healthy.latency.value_at_percentile(PERCENTILE) as f64 / 1e3)
}

fn publish(bench: &Bench, schedule: Schedule, subjects: &[&str], body: &str, count: u64) -> io::Result<()> {
    for sequence in schedule.first..schedule.first + count {
        while let Some(early) = schedule.due(sequence).checked_duration_since(Instant::now()) {
            thread::park_timeout(early);
        }
        for subject in subjects {
            bench.publish(subject, sequence, body)?;
        }
    }
    Ok(())
}
