//! `make bench-queries`: what a query costs the router, as a multiple of what a plain hyper proxy takes for it.
//!
//! Takes the names of scenarios (all without any) and prints a table; `target/bench-queries.json` has the same
//! for machines. No figure has a bar yet: the exit code is 1 only when a scenario could not be run or an answer
//! was wrong.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the output")]

mod queries;
#[path = "../tests/support/mod.rs"]
mod support;

use clap::Parser;
use queries::{
    compare::{self, Settings},
    process::Pinning,
    proxy,
    report::Report,
};
use std::{env, io, path::Path, process::ExitCode, time::Duration};

/// Compares the router with a reverse proxy that does nothing but HTTP.
#[derive(Parser)]
struct Arguments {
    /// What to run: one, hop, list, '10 KB', varied; everything if nothing is named.
    scenarios: Vec<String>,
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Rounds of router and floor each; the median counts.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Length of a round.
    #[arg(long, default_value = "1", value_name = "SECONDS")]
    seconds: f64,
    /// Also write ten seconds of a CPU profile each to `target/bench-queries-NAME.pprof`.
    #[arg(long)]
    profile: bool,
    /// Cargo passes this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let words: Vec<_> = env::args().collect();
    let outcome = match words.as_slice() {
        [_, role, upstream] if role == proxy::ROLE => {
            proxy::run(upstream.parse().expect("an address")).map(|()| true)
        }
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

/// Whether every scenario could be run.
fn bench(arguments: &Arguments) -> io::Result<bool> {
    let pinning = Pinning::choose();
    let settings = Settings {
        pinning,
        connections: arguments.connections.clamp(1, 256),
        rounds: arguments.rounds.max(1),
        round: Duration::try_from_secs_f64(arguments.seconds).map_err(io::Error::other)?,
        profile: arguments.profile,
    };
    let (mut report, mut all_ran) = (Report { pinned: pinning.is_on(), rows: Vec::new() }, true);
    let is_wanted =
        |name: &str| arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|it| it == name);
    for scenario in compare::scenarios().iter().filter(|it| is_wanted(it.name)) {
        match compare::compare(scenario, &settings) {
            Ok(rows) => report.rows.extend(rows),
            Err(why) => {
                eprintln!("{}: {why}", scenario.name);
                all_ran = false;
            }
        }
    }
    if !report.pinned {
        println!("Server and client share cores: `taskset` is missing, or the machine has one core.");
    }
    print!("{}", report.table());
    report.write(&Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-queries.json"))?;
    Ok(all_ran && report.met() && !report.rows.is_empty())
}
