//! Operations made to be endless to plan, with a harmless one beside each: planned or refused, both are answered soon.

use super::Settings;
use crate::{
    load::{process::rss_peak, report::Row},
    support::{
        bombs::{self, DEPTHS, FAMILIES, Family, TYPES},
        router::{Router, write_config},
        subgraph::{Graph, Subgraph},
    },
};
use serde_json::{Value, json};
use std::{
    fs, io,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The best of so many counts, as for other documents made to hurt.
const ATTEMPTS: usize = 3;
const BAR_MS: f64 = 100.0;
const BAR_MB: f64 = 100.0;

pub fn planning(settings: &Settings) -> io::Result<Vec<Row>> {
    let stage = Stage::start(settings)?;
    let before = rss_peak(stage.router.pid());
    let mut rows = Vec::new();
    let mut quick = Duration::ZERO;
    for family in FAMILIES {
        let mut worst = Duration::ZERO;
        for types in TYPES {
            for depth in DEPTHS {
                let (bomb, beside) = stage.best(family, types, depth)?;
                (worst, quick) = (worst.max(bomb), quick.max(beside));
            }
        }
        let what = format!("{}, 10 to 40 types, 2 to 10 deep", family.name);
        rows.push(row(what, worst.as_secs_f64() * 1e3, "ms", BAR_MS));
    }
    rows.push(row(
        "an operation beside them, planned too".to_owned(),
        quick.as_secs_f64() * 1e3,
        "ms",
        BAR_MS,
    ));
    let grown = rss_peak(stage.router.pid()).saturating_sub(before);
    rows.push(row(
        "memory at its peak, above that at the start".to_owned(),
        grown as f64 / 1e6,
        "MB",
        BAR_MB,
    ));
    Ok(rows)
}

fn row(what: String, value: f64, unit: &'static str, bar: f64) -> Row {
    Row { scenario: "planning", what, value, unit, bar: Some(bar) }
}

/// A router on the graph of all families.
struct Stage {
    router: Router,
    _subgraphs: Vec<Subgraph>,
    operations: AtomicU32,
}

impl Stage {
    fn start(settings: &Settings) -> io::Result<Self> {
        let mut subgraphs = Vec::new();
        let mut listed = String::new();
        for (name, sdl) in ["a", "b"].into_iter().zip(bombs::subgraphs()) {
            let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bombs-{name}.graphql"));
            fs::write(&file, &sdl)?;
            let graph = Graph::new(&sdl);
            // The first has the field.
            let graph =
                if listed.is_empty() { graph.field("Query", "quick", |_| Ok(json!(1))) } else { graph };
            let subgraph = Subgraph::start(graph);
            listed += &format!(
                "    - {{ name: {name}, routing_url: \"{}\", schema: {{ file: \"{}\" }} }}\n",
                subgraph.url(),
                file.display()
            );
            subgraphs.push(subgraph);
        }
        let config = format!(
            "version: \"1\"\nlisten_addr: 127.0.0.1:0\nadmin: {{ listen_addr: \"127.0.0.1:0\" }}\njson_log: true\nsupergraph:\n  subgraphs:\n{listed}"
        );
        let router = Router::start_under(settings.pinning.server(), &write_config(&config));
        Ok(Self { router, _subgraphs: subgraphs, operations: AtomicU32::new(0) })
    }

    /// How long an operation and the harmless one beside it take at best.
    fn best(&self, family: &Family, types: usize, depth: usize) -> io::Result<(Duration, Duration)> {
        let mut best = (Duration::MAX, Duration::MAX);
        for _ in 0..ATTEMPTS {
            // A name of its own each time: an answer from a cache proves nothing.
            let number = self.operations.fetch_add(1, Ordering::Relaxed);
            let bomb = family.operation(&format!("Q{number}"), types, depth);
            let harmless = format!("query R{number} {{ quick }}");
            let (bomb, beside) = thread::scope(|scope| {
                let bomb = scope.spawn(|| self.ask(&bomb, is_answer_or_refusal));
                let beside = self.ask(&harmless, |it| it["data"]["quick"] == 1);
                (bomb.join().unwrap_or_else(|_| Err(io::Error::other("the client panicked"))), beside)
            });
            best = (best.0.min(bomb?), best.1.min(beside?));
        }
        Ok(best)
    }

    fn ask(&self, query: &str, is_right: fn(&Value) -> bool) -> io::Result<Duration> {
        let asked = Instant::now();
        let (status, answer) = self.router.post(&json!({ "query": query }));
        let took = asked.elapsed();
        if is_right(&answer) {
            Ok(took)
        } else {
            Err(io::Error::other(format!("{query}: {status} {answer}")))
        }
    }
}

fn is_answer_or_refusal(answer: &Value) -> bool {
    answer.get("data").is_some() || is_refusal(answer)
}

fn is_refusal(answer: &Value) -> bool {
    answer["errors"][0]["extensions"]["code"] == "OPERATION_LIMIT_EXCEEDED"
}
