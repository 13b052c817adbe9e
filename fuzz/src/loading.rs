//! What must hold of loading graphs, whatever their texts.

use crate::{
    answers::{Honest, block_on},
    effort::{bounded, lean},
    judge::told,
    response,
};
use juga::{
    federation::{EventGraphSource, Graphs, Limits, LoadErrors, Schema, SubgraphSource, SupergraphSource},
    graphql::Variables,
    language::{Bounds, parse_const_value},
    plan::{BoundOperation, Forwarded},
    resolve::{Executor, Options},
};
use serde_json::Value;
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    path::Path,
    sync::{Once, atomic::Ordering},
    time::Duration,
};

/// A release build takes milliseconds; this one counts edges.
const LOADING_MAX: Duration = Duration::from_secs(5);
/// A text of some kilobytes is some megabytes as a schema.
const MEMORY_MAX_BYTES: usize = 256 << 20;

/// The graph beside the one that is made up.
const GOOD: &str = r#"
extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@shareable"])
type Query { good: Good }
type Good @key(fields: "id") { id: ID! name(long: Boolean = false): String @shareable }
"#;

/// As what a text is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Subgraph,
    EventGraph,
    Supergraph,
}

/// Loads a text in its role, and asks the schema that comes of it about itself.
///
/// # Panics
/// When the router breaks a promise.
pub fn check(role: Role, sdl: &str) {
    let graphs = graphs(role, sdl);
    let loaded = lean("loading", MEMORY_MAX_BYTES, || {
        bounded("loading", LOADING_MAX, || caught(|| Schema::load(&graphs)))
    });
    match loaded {
        Ok(schema) => introspected(&schema),
        Err(errors) => refused(role, &errors),
    }
}

fn graphs(role: Role, sdl: &str) -> Graphs {
    let file = |name: &str| Some(Path::new(name).to_owned());
    let subgraph = |name: &str, sdl: &str| SubgraphSource {
        name: name.into(),
        routing_url: "http://localhost".into(),
        sdl: sdl.into(),
        ..SubgraphSource::default()
    };
    let good = subgraph("good", GOOD);
    match role {
        Role::Subgraph => Graphs { subgraphs: vec![good, subgraph("made", sdl)], ..Graphs::default() },
        Role::EventGraph => Graphs {
            subgraphs: vec![good],
            event_graphs: vec![EventGraphSource { name: "made".into(), sdl: sdl.into(), file: None }],
            ..Graphs::default()
        },
        Role::Supergraph => Graphs {
            supergraph: Some(SupergraphSource { sdl: sdl.into(), file: file("made.graphql") }),
            ..Graphs::default()
        },
    }
}

/// Calls what may panic within, as long as it does not panic itself: the composer and the planner do, and the router
/// makes errors of that. A fuzzer ends at once with any other panic.
///
/// # Panics
/// When the call does.
fn caught<T>(work: impl FnOnce() -> T) -> T {
    thread_local!(static CATCHING: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let ends = take_hook();
        set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                ends(info);
            } else if crate::judge::shows() {
                eprintln!("caught: {info}");
            }
        }));
    });
    CATCHING.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(false);
    outcome.unwrap_or_else(|why| {
        let text = why.downcast_ref::<String>().map(String::as_str).or(why.downcast_ref::<&str>().copied());
        panic!("loading panics: {}", text.unwrap_or_default())
    })
}

/// Each error says what is wrong and whose text it is in.
fn refused(role: Role, errors: &LoadErrors) {
    assert!(!errors.0.is_empty(), "a failure without errors");
    if crate::judge::shows() {
        eprintln!("refused: {errors}");
    }
    for error in &errors.0 {
        assert!(!error.message.is_empty() && !error.rule.is_empty(), "an error without a text: {error:?}");
        // What is wrong with graphs beside each other has a coordinate, or names a graph in its message.
        let is_placed = match role {
            Role::Supergraph => error.file.is_some(),
            _ => error.graph.is_some() || error.coordinate.is_some() || error.message.contains("\"made\""),
        };
        assert!(is_placed, "nobody knows whose error this is: {error:?}");
        if let Some(graph) = &error.graph
            && role != Role::Supergraph
        {
            assert!(["good", "made"].contains(&graph.as_str()), "there is no such graph: {error:?}");
        }
    }
}

const INTROSPECTION: &str = include_str!("../graphs/introspection.graphql");

/// The schema answers the query that every tool asks, and its defaults can be read.
fn introspected(schema: &Schema) {
    let document = told(schema.parse(INTROSPECTION, None, &Limits::default())).expect("a valid operation");
    let variables = Variables::new();
    let operation = told(schema.plan(&document, &variables)).expect("a plan");
    let bound = BoundOperation {
        operation: operation.into(),
        variables,
        forwarded: Forwarded::default(),
        trace: None,
    };
    let projection = bound.operation.clone();
    let names = schema.subgraphs().iter().map(|it| it.name.clone()).collect();
    let honest = Honest::new(&[]);
    let executor = Executor::new(&Options::default(), names, honest.clone(), honest);
    let response = block_on(executor.execute(bound)).response;
    assert_eq!(executor.counters().panics.load(Ordering::Relaxed), 0);
    let text = String::from_utf8_lossy(&response);
    if let Err(why) = response::check(&projection.projection, &response) {
        panic!("{why}: {text}");
    }
    let answer: Value = serde_json::from_slice(&response).expect("JSON");
    assert!(answer.get("errors").is_none(), "{text}");
    defaults_can_be_read(&answer);
}

fn defaults_can_be_read(value: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(default)) = members.get("defaultValue")
                && let Err(why) = parse_const_value(default, &Bounds::default())
            {
                panic!("the default {default:?} cannot be read: {why}");
            }
            members.values().for_each(defaults_can_be_read);
        }
        Value::Array(items) => items.iter().for_each(defaults_can_be_read),
        _ => {}
    }
}
