//! Documents made to hurt: each is refused, or answered where it is right after all, and fast.

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
    let refused = documents().into_iter().map(|(what, document)| (what, document, false));
    let answered = right_after_all().into_iter().map(|(what, document)| (what, document, true));
    for (what, document, is_right) in refused.chain(answered) {
        let mut best = Duration::MAX;
        for attempt in 0..ATTEMPTS {
            // A name of its own each time: an answer from a cache proves nothing.
            let query = document.replacen("Q", &format!("Q{attempt}"), 1);
            let asked = Instant::now();
            let (status, answer) = bench.router.post(&json!({ "query": query }));
            best = best.min(asked.elapsed());
            let as_it_should_be = is_refusal(status, &answer) || (is_right && is_answer(&answer));
            if !as_it_should_be {
                return Err(io::Error::other(format!("{what}: not as it should be: {status} {answer}")));
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

fn is_answer(answer: &Value) -> bool {
    answer["data"].is_object() && answer.get("errors").is_none()
}

/// Much work for the rules within all limits. Asks about the schema, which takes no subgraph.
fn right_after_all() -> Vec<(&'static str, String)> {
    let fields = "name kind description specifiedByURL isOneOf ".repeat(9);
    let wide = |n: usize| format!("fragment F{n} on __Type {{ {fields} }}\n");
    let spreads = |count: usize| (0..count).map(|n| format!("...F{n} ")).collect::<String>();
    let pairs = |depth: usize| {
        let nest = |inner: String, _| format!("ofType {{ {inner} }} ofType {{ {inner} }}");
        format!("query Q {{ __type(name: \"Tick\") {{ {} }} }}", (0..depth).fold("kind".to_owned(), nest))
    };
    let chain = |n: usize| format!("fragment F{n} on Query {{ ...F{} }}\n", n + 1);
    vec![
        (
            "200 wide fragments in one set",
            format!(
                "query Q {{ __type(name: \"Tick\") {{ {} }} }}\n{}",
                spreads(200),
                (0..200).map(wide).collect::<String>()
            ),
        ),
        (
            "11 wide fragments in one set, as many as may be",
            format!(
                "query Q {{ __type(name: \"Tick\") {{ {} }} }}\n{}",
                spreads(11),
                (0..11).map(wide).collect::<String>()
            ),
        ),
        ("equal pairs nested 12 deep", pairs(12)),
        ("equal pairs nested 6 deep, as deep as may be", pairs(6)),
        (
            "a chain of 190 fragments",
            format!(
                "query Q {{ ...F0 }}\n{}fragment F190 on Query {{ __typename }}",
                (0..190).map(chain).collect::<String>()
            ),
        ),
    ]
}

fn documents() -> Vec<(&'static str, String)> {
    let tick = "tick(sequence: 1)";
    let ids = "sequence ".repeat(100);
    let conflicts = format!("{}{}", "sequence ".repeat(50), "sequence: body ".repeat(50));
    let conflicts = (0..4).fold(String::new(), |inner, _| format!("next {{ {conflicts} {inner} }}"));
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
        (
            "fields in conflict, 10,000 pairs within all limits",
            format!("query Q {{ {tick} {{ {conflicts} }} }}"),
        ),
        (
            "a chain of 2,000 fragments",
            format!(
                "query Q {{ {tick} {{ ...F0 }} }}\n{}fragment F2000 on Tick {{ sequence }}",
                (0..2_000)
                    .map(|n| format!("fragment F{n} on Tick {{ ...F{} }}\n", n + 1))
                    .collect::<String>()
            ),
        ),
        ("lists that never close", format!("query Q {{ tick(sequence: {}", "[".repeat(100_000))),
        (
            "unknown names, 1 MB",
            format!("query Q {{ {} }}", (0..125_000).map(|n| format!("n{n:06} ")).collect::<String>()),
        ),
        (
            "14,000 unknown names",
            format!(
                "query Q {{ {tick} {{ {} }} }}",
                (0..14_000).map(|n| format!("n{n:05} ")).collect::<String>()
            ),
        ),
        (
            "9,000 unknown names within all limits",
            format!(
                "query Q {{ {tick} {{ {} }} }}",
                (0..9_000).map(|n| format!("sequenc{n:04} ")).collect::<String>()
            ),
        ),
    ]
}
