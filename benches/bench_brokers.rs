//! `make bench-brokers`: what an event costs from a broker to the hub and to one subscriber, beside the bare client
//! library; and ten thousand events as fast as the broker takes them, to a thousand subscribers.
//!
//! Takes the names of brokers (all without any) and prints a table of each. The exit code is 1 when a bar was missed
//! or a broker could not be had.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the tables are the output")]

#[path = "../tests/support/brokers.rs"]
mod brokers;
#[path = "../tests/support/flood.rs"]
mod flood;
mod ingest;
#[path = "../tests/support/load.rs"]
mod load;
#[path = "../tests/support/mod.rs"]
mod support;

use brokers::{Broker, JetStream, Nats, RedisChannels, RedisStreams};
use clap::{Parser, ValueEnum};
use ingest::{
    compare::{self, Round},
    listener,
};
use load::process::Pinning;
use std::{env, io, process::ExitCode, time::Duration};

/// Events per core-second up to the hub's queue, as a share of the bare library's, at least.
const TO_THE_HUB_MIN: f64 = 0.7;
/// The same through to one subscriber's frame.
const TO_A_FRAME_MIN: f64 = 0.4;
const FLOOD_PATIENCE: Duration = Duration::from_secs(300);

/// Compares the router with the bare client libraries of brokers.
#[derive(Parser)]
struct Arguments {
    /// Which brokers; all if nothing is named.
    brokers: Vec<Which>,
    /// Rounds of ingest; the median counts. None: no ingest.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Events of a round.
    #[arg(long, default_value_t = 20_000)]
    events: u64,
    /// Subscribers of the flood. None: no flood.
    #[arg(long, default_value_t = 1_000)]
    members: usize,
    /// Events of the flood.
    #[arg(long, default_value_t = 10_000)]
    flood: u64,
    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Which {
    Nats,
    Jetstream,
    Redis,
    RedisStreams,
    #[cfg(feature = "kafka")]
    Kafka,
}

impl Which {
    fn start(self) -> Box<dyn Broker> {
        match self {
            Self::Nats => Box::new(Nats::start()),
            Self::Jetstream => Box::new(JetStream::start()),
            Self::Redis => Box::new(RedisChannels::start()),
            Self::RedisStreams => Box::new(RedisStreams::start()),
            #[cfg(feature = "kafka")]
            Self::Kafka => Box::new(brokers::Kafka::start_with(&compare::NAMES)),
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<_> = env::args().collect();
    let outcome = match words.as_slice() {
        [_, role, words @ ..] if role == listener::ROLE => listener::run(words).map(|()| true),
        _ => bench(&Arguments::parse()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every bar was met.
fn bench(arguments: &Arguments) -> io::Result<bool> {
    let chosen = match arguments.brokers.as_slice() {
        [] => Which::value_variants(),
        named => named,
    };
    let mut met = true;
    // Floods first: they have both cores.
    for which in chosen.iter().filter(|_| arguments.members > 0) {
        met &= flood(&*which.start(), arguments);
    }
    let pinning = Pinning::choose();
    if !pinning.is_on() {
        println!("Readers share cores with the rest: `taskset` is missing, or the machine has one core.");
    }
    for which in chosen.iter().filter(|_| arguments.rounds > 0) {
        met &= ingest(&*which.start(), pinning, arguments)?;
    }
    Ok(met)
}

fn flood(broker: &dyn Broker, arguments: &Arguments) -> bool {
    let flood = flood::flood(broker, arguments.flood, arguments.members, FLOOD_PATIENCE);
    let expected = arguments.flood * arguments.members as u64;
    let (seconds, each) = (flood.took.as_secs_f64(), flood.cpu as f64 / expected as f64 / 1e3);
    let met = flood.faults == 0 && flood.delivered == expected;
    let verdict = if met { "" } else { "  MISSED" };
    println!(
        "{:<12} {} deliveries in {seconds:.1} s, {each:.2} us of CPU each; {} events given up{verdict}",
        broker.field(),
        flood.delivered,
        flood.lost,
    );
    if !met {
        println!("{:<12} {}", "", flood.account);
    }
    met
}

fn ingest(broker: &dyn Broker, pinning: Pinning, arguments: &Arguments) -> io::Result<bool> {
    let rounds = compare::rounds(broker, pinning, arguments.rounds, arguments.events)?;
    let of = |pick: fn(&Round) -> f64| median(rounds.iter().map(pick));
    let name = broker.field();
    println!("{name:<12} bare library: {:.0} ns of CPU per event", of(|it| it.bare));
    let mut met = true;
    for (what, cost, share, bar) in [
        ("to the hub's queue", of(|it| it.adapter), of(|it| it.bare / it.adapter), TO_THE_HUB_MIN),
        ("to a frame", of(|it| it.router), of(|it| it.bare / it.router), TO_A_FRAME_MIN),
    ] {
        met &= share >= bar;
        let verdict = if share >= bar { "" } else { "  MISSED" };
        println!("{name:<12} {what}: {cost:.0} ns, {share:.2} of its rate (bar {bar}){verdict}");
    }
    Ok(met)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
