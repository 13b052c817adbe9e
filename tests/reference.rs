//! Reading, validating and carrying out operations, and the schema that clients see, held against the reference
//! implementation: npm `graphql`.
//!
//! `tests/clients/reference` writes documents from a seed, most of them damaged in one way or another, and says what
//! the reference makes of each: refused (with which message, where), or carried out (with which data, and errors at
//! which paths). The router gets the same, in front of a subgraph whose values follow from where they are asked. What
//! differs on purpose stands in `tests/reference/differences.rs` with its reason; anything else fails the test.
//!
//! `REFERENCE_SEED` and `REFERENCE_DOCUMENTS` choose others and more, `REFERENCE_FIRST` the number to begin with: one
//! document is had again by its seed and number. `REFERENCE_TOLD` is how many kinds of differences are told.
#![expect(clippy::print_stdout, reason = "who runs more documents wants to see the counts: `-- --nocapture`")]

#[path = "reference/compare.rs"]
mod compare;
#[path = "reference/corpus.rs"]
mod corpus;
#[path = "reference/differences.rs"]
mod differences;
#[path = "reference/rig.rs"]
mod rig;
mod support;
#[path = "reference/tally.rs"]
mod tally;

use compare::compare;
use corpus::{Case, Corpus};
use differences::DIFFERENCES;
use rig::Rig;
use std::{
    collections::BTreeSet,
    fs, panic,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, mpsc},
    thread,
};
use support::{fixture, npm::Printing, router::Router};
use tally::Tally;

/// What a run is made of, unless the environment says otherwise.
const SEED: u32 = 16;
const DOCUMENTS: u32 = 5_000;
/// Documents of a corpus that meets everything.
const LARGE: u32 = 200_000;
/// Who asks at a time. More would only wait for each other.
const WORKERS: usize = 4;
/// Kinds of differences of which an example is told.
const TOLD_MAX: u32 = 40;
/// Cases read ahead of the workers.
const AHEAD: usize = 256;

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |it| it.parse().unwrap_or_else(|_| panic!("{name}: no number: {it}")))
}

#[test]
fn operations_are_read_and_carried_out_as_by_the_reference() {
    let (seed, documents) = (number("REFERENCE_SEED", SEED), number("REFERENCE_DOCUMENTS", DOCUMENTS));
    let corpus = Corpus::start(seed, documents, number("REFERENCE_FIRST", 0));
    let rig = Rig::start();
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        let (sender, cases) = mpsc::sync_channel::<Case>(AHEAD);
        let cases = Arc::new(Mutex::new(cases));
        for _ in 0..WORKERS {
            let (cases, mut desk) = (Arc::clone(&cases), rig.desk());
            let (rig, tally) = (&rig, &tally);
            scope.spawn(move || {
                let next = || cases.lock().expect("no worker panicked").recv().ok();
                while let Some(case) = next() {
                    let found = compare(&case, &desk.ask(&case), rig.suggests(&case.schema));
                    tally.lock().expect("no worker panicked").add(case, found);
                }
            });
        }
        // The workers have what is left of it: were they all gone, sending would fail instead of waiting.
        drop(cases);
        corpus.for_each(|it| sender.send(it).expect("workers"));
        drop(sender);
    });
    let told_max = number("REFERENCE_TOLD", TOLD_MAX) as usize;
    let tally = tally.into_inner().expect("no worker panicked");
    println!("seed {seed}: {}", tally.counts());
    assert_eq!(tally.documents(), documents, "the corpus is whole");
    assert!(!tally.has_unexplained(), "seed {seed}:\n{}", tally.unexplained(told_max));
    // A few documents, or others, need not meet everything.
    if (seed == SEED && documents >= DOCUMENTS) || documents >= 10 * DOCUMENTS {
        let (kinds, carried_out) = tally.reach();
        assert!(kinds >= 45 && carried_out > documents / 5, "{kinds} kinds, {carried_out} carried out");
        assert_eq!(
            tally.idle(documents >= LARGE),
            Vec::<&str>::new(),
            "these differences explain nothing any more"
        );
    }
}

/// Descriptions, defaults and deprecations on everything that can have them.
#[test]
fn clients_build_the_same_schema() {
    let files = fs::read_dir(fixture("introspection")).expect("the graphs");
    let mut files: Vec<PathBuf> = files.map(|it| it.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{} graphs", files.len());
    // One that does not start says so itself, and the others are asked all the same.
    let differences: String = files
        .iter()
        .map(|file| {
            panic::catch_unwind(|| built_otherwise(file))
                .unwrap_or_else(|_| format!("{}: no start\n", file.display()))
        })
        .collect();
    assert!(differences.is_empty(), "- is in the graph, + is what a client has instead\n{differences}");
}

/// Lines of a graph that a client has otherwise.
fn built_otherwise(file: &Path) -> String {
    let file = file.to_str().expect("UTF-8");
    // Nobody answers for the graph: what is asked of it is for the router itself.
    let router = Router::start(&format!(
        r#"version: "1"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph: {{ subgraphs: [{{ name: a, routing_url: "http://127.0.0.1:1", schema: {{ file: "{file}" }} }}] }}
"#
    ));
    let built = Printing::node("reference/introspection.mjs", &[file, router.graphql_url()]).line();
    let [client, graph] = ["client", "graph"].map(|it| built[it].as_str().expect("SDL"));
    if client == graph {
        return String::new();
    }
    let only = |one: &str, other: &str, sign: char| {
        let lines = one.lines().filter(|line| !other.lines().any(|it| it == *line));
        lines.map(|it| format!("  {sign} {it}\n")).collect::<String>()
    };
    format!("{file}:\n{}{}", only(graph, client, '-'), only(client, graph, '+'))
}

/// The page has a row for each entry, with its reason.
#[test]
fn differences_are_told_with_their_reasons() {
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/conformance.md")).expect("the page");
    let (_, section) = page.split_once("\n### Operations beside their reference\n").expect("the section");
    let section = section.split("\n#").next().expect("a first part");
    let told: BTreeSet<&str> = section.lines().filter(|it| it.starts_with("| ")).skip(1).collect();
    let test = "[operations_are_read_and_carried_out_as_by_the_reference](../tests/reference.rs)";
    let rows: Vec<String> =
        DIFFERENCES.iter().map(|it| format!("| {} | {test} | {} |", it.name, it.reason)).collect();
    assert_eq!(told, rows.iter().map(String::as_str).collect(), "the page should have:\n{}", rows.join("\n"));
}
