//! `make bench-quick`: the router under load, told as ratios to the cheapest possible server.
//!
//! Takes the names of scenarios (all without any) and prints a table; `target/bench-quick.json` has the
//! same for machines. The exit code is 1 when a bar was missed or a scenario could not be run.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the output")]

mod load;
#[path = "../tests/support/mod.rs"]
mod support;

use clap::{Parser, ValueEnum};
use load::{
    Pinning, floor,
    report::{Report, Row},
    scenarios::{self, Settings},
};
use std::{env, io, path::Path, process::ExitCode, time::Duration};

/// Puts the router under load and compares it with a bare send loop.
#[derive(Parser)]
struct Arguments {
    /// What to run; everything if nothing is named.
    scenarios: Vec<Scenario>,
    /// Clients of the wide scenarios; twice as many sockets must fit under the file limit.
    #[arg(long, default_value_t = 9_900)]
    clients: usize,
    /// Rounds of each kind; the median counts.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Length of a latency round.
    #[arg(long, default_value = "1.5", value_name = "SECONDS")]
    seconds: f64,
    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Scenario {
    FanOut,
    Burst,
    Stalled,
    Hanging,
    Hostile,
    Planning,
    Reading,
}

impl Scenario {
    fn run(self, settings: &Settings) -> io::Result<Vec<Row>> {
        match self {
            Self::FanOut => scenarios::fan_out(settings),
            Self::Burst => scenarios::burst(settings),
            Self::Stalled => scenarios::stalled(settings),
            Self::Hanging => scenarios::hanging(settings),
            Self::Hostile => scenarios::hostile(settings),
            Self::Planning => scenarios::planning(settings),
            Self::Reading => scenarios::reading(settings),
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<_> = env::args().collect();
    let outcome = match words.as_slice() {
        [_, role, connections] if role == floor::ROLE => {
            floor::run(connections.parse().expect("a number")).map(|()| true)
        }
        _ => bench(Arguments::parse()),
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

/// Whether every scenario could be run and met its bars.
fn bench(arguments: Arguments) -> io::Result<bool> {
    let pinning = Pinning::choose();
    let round = Duration::try_from_secs_f64(arguments.seconds).map_err(io::Error::other)?;
    let settings = Settings { pinning, clients: arguments.clients, rounds: arguments.rounds.max(1), round };
    let chosen = match arguments.scenarios.as_slice() {
        [] => Scenario::value_variants(),
        named => named,
    };
    let (mut report, mut all_ran) = (Report { pinned: pinning.is_on(), rows: Vec::new() }, true);
    for scenario in chosen {
        match scenario.run(&settings) {
            Ok(rows) => report.rows.extend(rows),
            Err(why) => {
                let name = scenario.to_possible_value();
                eprintln!("{}: {why}", name.as_ref().map_or("?", |it| it.get_name()));
                all_ran = false;
            }
        }
    }
    if !report.pinned {
        println!("Server and client share cores: `taskset` is missing, or the machine has one core.");
    }
    print!("{}", report.table());
    report.write(&Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-quick.json"))?;
    Ok(all_ran && report.met())
}
