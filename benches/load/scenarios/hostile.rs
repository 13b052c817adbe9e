//! Documents made to hurt: each is refused, and fast.

use super::{Bench, Settings};
use crate::load::report::Row;
use serde_json::{Value, json};
use std::{
    io,
    time::{Duration, Instant},
};

/// The best of so many counts: what hurts, hurts every time; what the machine does beside, does not.
const ATTEMPTS: usize = 3;
const BAR_MS: f64 = 50.0;

pub fn hostile(settings: &Settings) -> io::Result<Vec<Row>> {
    let bench = Bench::start(settings.pinning)?;
    let mut rows = Vec::new();
    for (what, document) in documents() {
        let mut best = Duration::MAX;
        for attempt in 0..ATTEMPTS {
            // A name of its own each time: an answer from a cache proves nothing.
            let query = document.replacen("Q", &format!("Q{attempt}"), 1);
            let asked = Instant::now();
            let (status, answer) = bench.router.post(&json!({ "query": query }));
            best = best.min(asked.elapsed());
            if !is_refusal(status, &answer) {
                return Err(io::Error::other(format!("{what}: not refused: {status} {answer}")));
            }
        }
        let value = best.as_secs_f64() * 1e3;
        rows.push(Row { scenario: "hostile", what: what.to_owned(), value, unit: "ms", bar: Some(BAR_MS) });
    }
    Ok(rows)
}

/// Errors and no data, or a body that was too large to be read.
fn is_refusal(status: u16, answer: &Value) -> bool {
    let errors = answer["errors"].as_array().is_some_and(|it| !it.is_empty());
    status == 413 || (errors && answer.get("data").is_none_or(Value::is_null))
}

fn documents() -> Vec<(&'static str, String)> {
    let tick = "tick(sequence: 1)";
    let ids = "sequence ".repeat(100);
    let doubling = (0..30)
        .map(|n| format!("fragment F{n} on Tick {{ a: next {{ ...F{0} }} b: next {{ ...F{0} }} }}\n", n + 1));
    let spreading = (0..20).map(|n| format!("fragment F{n} on Tick {{ ...F{0} ...F{0} }}\n", n + 1));
    vec![
        (
            "20 fragments that spread the next one twice",
            format!(
                "query Q {{ {tick} {{ ...F0 }} }}\n{}fragment F20 on Tick {{ sequence }}",
                spreading.collect::<String>()
            ),
        ),
        (
            "5,000 equal composite fields, 225 KB",
            format!(
                "query Q {{ {tick} {{ {} }} }}",
                "next { sequence sequence sequence sequence }  ".repeat(5_000)
            ),
        ),
        (
            "1,000 equal composite fields, 25 KB",
            format!("query Q {{ {tick} {{ {} }} }}", "next { sequence sequence }".repeat(1_000)),
        ),
        (
            "selections nested 10,000 deep",
            format!("query Q {{ {tick} {{ {}sequence{} }} }}", "next { ".repeat(10_000), " }".repeat(10_000)),
        ),
        (
            "one field 100 times in 1,000 merged selections",
            format!("query Q {{ {tick} {{ {} }} }}", format!("next {{ {ids} }} ").repeat(1_000)),
        ),
        (
            "100,000 aliases",
            format!(
                "query Q {{ {tick} {{ {} }} }}",
                (0..100_000).map(|n| format!("a{n}: sequence ")).collect::<String>()
            ),
        ),
        (
            "10,000 root fields",
            format!(
                "query Q {{ {} }}",
                (0..10_000).map(|n| format!("a{n}: {tick} {{ sequence }} ")).collect::<String>()
            ),
        ),
        (
            "fragments that double 30 times",
            format!(
                "query Q {{ {tick} {{ ...F0 }} }}\n{}fragment F30 on Tick {{ sequence }}",
                doubling.collect::<String>()
            ),
        ),
        (
            "fragments in a circle",
            format!(
                "query Q {{ {tick} {{ ...A }} }} fragment A on Tick {{ ...B }} fragment B on Tick {{ ...A }}"
            ),
        ),
        (
            "10,000 directives on a field",
            format!("query Q {{ {tick} {{ sequence {} }} }}", "@include(if: true) ".repeat(10_000)),
        ),
        (
            "an argument nested 10,000 deep",
            format!(
                "query Q {{ tick(sequence: {}1{}) {{ sequence }} }}",
                "[".repeat(10_000),
                "]".repeat(10_000)
            ),
        ),
        (
            "10,000 variables",
            format!(
                "query Q({}) {{ {tick} {{ sequence }} }}",
                (0..10_000).map(|n| format!("$v{n}: Int ")).collect::<String>()
            ),
        ),
        ("brackets that never close", format!("query Q {{ {}", "{".repeat(100_000))),
        (
            "fields in conflict, 2,000 pairs",
            format!(
                "query Q {{ {tick} {{ {} }} }}",
                (0..2_000).map(|n| format!("x: next {{ y{n}: sequence }} ")).collect::<String>()
            ),
        ),
    ]
}
