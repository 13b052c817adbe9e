//! Suites of federation cases: a graph's subgraphs and their data in a folder of `tests/federation`, and
//! many operations on it, each run against the router's binary and compared with what the same operation
//! gives on all data in one schema.
//!
//! A suite's folder holds
//! - `NAME.graphql`: the subgraph NAME, served strictly by its SDL ([`serving`]);
//! - `data.json`: the world that all subgraphs tell of ([`world`]);
//! - `NAME.case`: one operation and what is expected of it ([`case`]);
//! - `notes`, if there are any: what the router's log must say at start, a fragment per line.

mod case;
mod field_set;
mod oracle;
mod report;
mod serving;
mod wander;
mod world;

use super::{
    router::{Router, write_config},
    subgraph::{Behaviour, Graph, Subgraph, schema::Schema},
    wait::wait_until,
};
use case::{Case, Misbehaviour};
use oracle::Oracle;
use report::{Outcome, data_problems, problems};
use serde_json::Value;
use serving::Served;
use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};
use wander::Wanderer;
use world::World;

/// Where the suites are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/federation")
}

/// Runs all cases of a suite.
///
/// # Panics
/// With everything that is wrong, case by case.
pub fn run_suite(name: &str) {
    run(name, &files(name, "case"));
}

/// Runs one case of a suite.
pub fn run_case(suite: &str, case: &str) {
    run(suite, &[folder().join(suite).join(format!("{case}.case"))]);
}

fn run(name: &str, cases: &[PathBuf]) {
    assert!(!cases.is_empty(), "{name} has no cases");
    let suite = Suite::start(name);
    let failures: Vec<String> = cases.iter().filter_map(|it| suite.failure(it)).collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases failed\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n\n")
    );
}

/// What became of operations at random.
#[derive(Debug, Default)]
pub struct Tally {
    /// Answered as they should be.
    pub right: usize,
    /// Refused, since two of their selections do not go together.
    pub invalid: usize,
    /// The planner found no plan: why, and for what.
    pub unplanned: Vec<String>,
}

/// Runs operations at random on a suite's graph, one per seed.
///
/// # Panics
/// If one is answered in another way than the oracle does.
pub fn wander(suite: &str, seeds: Range<u64>) -> Tally {
    let (suite, mut tally) = (Suite::start(suite), Tally::default());
    let texts = suite.world.texts();
    for seed in seeds {
        let (operation, variables) = Wanderer::new(&suite.types, &texts, seed).query();
        suite.try_at_random(&Case::at_random(operation, &variables), seed, &mut tally);
    }
    tally
}

/// A suite whose graph the router must not serve: `config validate` says why.
pub fn assert_refused(name: &str, reasons: &[&str]) {
    let config = write_config(&config(name, &sdls(name), |_| "http://127.0.0.1:9/graphql".to_owned()));
    let binary = Command::new(env!("CARGO_BIN_EXE_juga")).args(["config", "validate"]).arg(config).output();
    let Output { status, stdout, stderr } = binary.expect("the router's binary starts");
    let said = [stdout, stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    assert_eq!(status.code(), Some(1), "{name} must be refused:\n{said}");
    for reason in reasons {
        assert!(said.contains(reason), "{name} must be refused for {reason:?}:\n{said}");
    }
}

/// Files of a suite with this extension, sorted.
fn files(suite: &str, extension: &str) -> Vec<PathBuf> {
    let folder = folder().join(suite);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|it| it.expect("a folder's entry").path());
    let mut found: Vec<PathBuf> =
        paths.filter(|it| it.extension().is_some_and(|it| it == extension)).collect();
    found.sort();
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

struct Sdl {
    name: String,
    file: PathBuf,
    text: String,
}

fn sdls(suite: &str) -> Vec<Sdl> {
    let name = |file: &Path| file.file_stem().and_then(|it| it.to_str()).expect("UTF-8").to_owned();
    let files = files(suite, "graphql").into_iter();
    files.map(|file| Sdl { name: name(&file), text: read(&file), file }).collect()
}

/// Asks for protection that is not enforced, and shows that it is served where the configuration says so.
const UNPROTECTED: &str = "directives";

fn config(suite: &str, sdls: &[Sdl], url: impl Fn(&str) -> String) -> String {
    let subgraph = |it: &Sdl| {
        let (name, url, file) = (&it.name, url(&it.name), it.file.display());
        format!("    - {{ name: {name}, routing_url: \"{url}\", schema: {{ file: \"{file}\" }} }}\n")
    };
    let subgraphs: String = sdls.iter().map(subgraph).collect();
    let unprotected = suite == UNPROTECTED;
    format!(
        "version: \"1\"\nlisten_addr: 127.0.0.1:0\nadmin: {{ listen_addr: \"127.0.0.1:0\" }}\njson_log: true\nauthorization: {{ serve_unprotected: {unprotected} }}\n{OPTIONS}supergraph:\n  subgraphs:\n{subgraphs}"
    )
}

/// A failing subgraph is told at once, in its own words.
const OPTIONS: &str = "traffic_shaping: { all: { retry: { enabled: false } } }\n\
    subgraph_error_propagation: { mode: pass-through, allow_all_extension_fields: true }\n";

/// A graph being served: its subgraphs, the router before them, and the oracle.
struct Suite {
    name: String,
    subgraphs: Vec<(String, Subgraph)>,
    router: Router,
    types: Arc<Schema>,
    world: World,
    oracle: Graph,
    oracles_world: World,
}

impl Suite {
    fn start(name: &str) -> Self {
        let sdls = sdls(name);
        let merged = || Schema::merged(sdls.iter().map(|it| &*it.text));
        let types = Arc::new(merged());
        let data = read(&folder().join(name).join("data.json"));
        let data: Value = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (world, oracles_world) =
            (World::new(data.clone(), types.clone()), World::new(data, types.clone()));
        let serve = |it: &Sdl| {
            let graph = Graph::over(Schema::parse(&it.text), Served::new(&it.name, &it.text, &world));
            (it.name.clone(), Subgraph::start(graph))
        };
        let subgraphs: Vec<(String, Subgraph)> = sdls.iter().map(serve).collect();
        let url = |name: &str| {
            subgraphs.iter().find(|(it, _)| it == name).map(|(_, it)| it.url()).expect("a subgraph per SDL")
        };
        let router = Router::start(&config(name, &sdls, url));
        let oracle = Graph::over(merged(), Oracle::new(&oracles_world));
        let suite = Self { name: name.to_owned(), subgraphs, router, types, world, oracle, oracles_world };
        suite.check_notes();
        suite
    }

    fn check_notes(&self) {
        let notes = fs::read_to_string(folder().join(&self.name).join("notes")).unwrap_or_default();
        for note in notes.lines().filter(|it| !it.is_empty()) {
            wait_until(&format!("{note:?} in the log of {}", self.name), Duration::from_secs(10), || {
                self.router.log().iter().any(|it| it.contains(note))
            });
        }
    }

    /// What is wrong with a case, told at length.
    fn failure(&self, file: &Path) -> Option<String> {
        let case = Case::parse(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.prepare(&case);
        let (_, text) = self.router.post_text(&case.body());
        let outcome = self.outcome(&case, &text);
        let problems = problems(&case, &outcome);
        let at = file.strip_prefix(folder()).unwrap_or(file).display();
        (!problems.is_empty())
            .then(|| format!("-- {at}\n{}\n{}", problems.join("\n"), outcome.describe(&case)))
    }

    fn try_at_random(&self, case: &Case, seed: u64, tally: &mut Tally) {
        self.prepare(case);
        let (_, text) = self.router.post_text(&case.body());
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let error = &answer["errors"][0];
        match error["extensions"]["code"].as_str() {
            Some("GRAPHQL_VALIDATION_FAILED") => tally.invalid += 1,
            Some("OPERATION_PLANNING_FAILED") => {
                tally.unplanned.push(format!("{seed}: {} {}", error["message"], case.body()));
            }
            _ => {
                let outcome = self.outcome(case, &text);
                let problems = data_problems(&outcome);
                let told = || format!("{}\n{}", problems.join("\n"), outcome.describe(case));
                assert!(problems.is_empty(), "{}, seed {seed}: {}", self.name, told());
                tally.right += 1;
            }
        }
    }

    fn outcome<'a>(&'a self, case: &Case, answer: &'a str) -> Outcome<'a> {
        let oracle = case.has_oracle().then(|| self.oracle.answer(&case.request()));
        let requests = self.subgraphs.iter().map(|(name, it)| (name.as_str(), it.requests())).collect();
        Outcome { answer, oracle, requests }
    }

    fn prepare(&self, case: &Case) {
        self.world.reset();
        self.oracles_world.reset();
        for (name, subgraph) in &self.subgraphs {
            subgraph.forget_requests();
            subgraph.behave(Behaviour::Answer);
            subgraph.heal_entities();
            for it in case.misbehaviours.iter().filter(|(it, _)| it == name) {
                match &it.1 {
                    Misbehaviour::Subgraph(it) => subgraph.behave(it.clone()),
                    Misbehaviour::Entity { like, message } => subgraph.fail_entities(like.clone(), message),
                }
            }
        }
        let known = |name: &String| self.subgraphs.iter().any(|(it, _)| it == name);
        let named = case.misbehaviours.iter().map(|(it, _)| it).chain(case.requests.iter().map(|(it, _)| it));
        named.for_each(|it| assert!(known(it), "{} has no subgraph {it}", self.name));
    }
}
