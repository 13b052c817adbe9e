//! What must hold of every operation, whatever its text.

use crate::{
    answers::{Honest, block_on},
    effort::bounded,
    response, subgraphs,
    values::conforms,
    world::World,
};
use bytes::Bytes;
use juga::{
    federation::Limits,
    graphql::{Error, VariableDefinition, Variables, coerce_variables, write_errors},
    plan::{BoundOperation, Forwarded, GroupSpec, Step, SubgraphRequest},
    resolve::{Executor, Options},
};
use serde_json::Value;
use std::{
    env,
    sync::{Arc, LazyLock, atomic::Ordering},
    time::Duration,
};

/// Limits, syntax and validation. A release build takes milliseconds; this one counts edges.
const READING_MAX: Duration = Duration::from_secs(2);
/// The planner gives up after two seconds by itself, and is checked now and then only.
const PLANNING_MAX: Duration = Duration::from_secs(6);

/// Reads, coerces and plans.
///
/// # Panics
/// When the router breaks a promise.
pub fn operation(world: &World, text: &str, variables: &str) -> Option<BoundOperation> {
    let schema = &world.schema;
    let read = bounded("reading", READING_MAX, || schema.parse(text, None, &Limits::default()));
    let document = told(read)?;
    let given = Bytes::copy_from_slice(variables.as_bytes());
    let definitions = document.variable_definitions();
    let coerced =
        bounded("coercing", READING_MAX, || coerce_variables(definitions, schema.input_types(), &given));
    let values = told(coerced)?;
    coerced_well(world, definitions, &values);
    let planned = bounded("planning", PLANNING_MAX, || schema.plan(&document, &values));
    let operation: Arc<_> = told(planned)?.into();
    requests(&operation.plan.steps, &mut |request| {
        if let Err(why) = subgraphs::understands(usize::from(request.subgraph.0), &request.document) {
            panic!("a subgraph would refuse {}: {why}", request.document);
        }
        let unknown = |it: &&Arc<str>| !definitions.iter().any(|known| known.name == **it);
        assert_eq!(request.variables.iter().find(unknown), None, "{}", request.document);
    });
    let bound = BoundOperation { operation, variables: values, forwarded: Forwarded::default(), trace: None };
    if bound.operation.plan.feed.is_some() {
        // May fail for what the variables hold; that is an error with a text.
        if let Err(why) = GroupSpec::render(bound.clone()) {
            assert!(!why.to_string().is_empty());
            return None;
        }
    }
    Some(bound)
}

/// Errors are there, have a text each, and can be sent.
pub fn told<T>(outcome: Result<T, Vec<Error>>) -> Option<T> {
    let errors = match outcome {
        Ok(it) => return Some(it),
        Err(errors) => errors,
    };
    assert!(!errors.is_empty(), "a failure without errors");
    if shows() {
        eprintln!("refused: {}", errors[0].message);
    }
    assert!(errors.iter().all(|it| !it.message.is_empty()), "an error without a text: {errors:?}");
    assert!(errors.len() <= 101, "{} errors", errors.len());
    let mut json = Vec::new();
    write_errors(&errors, &mut json);
    let list: Vec<Value> = serde_json::from_slice(&json).expect("errors are JSON");
    assert_eq!(list.len(), errors.len());
    // What cannot be planned, though it is valid, is a finding of its own.
    let unplanned = errors.iter().find(|it| it.message.starts_with("No plan was found"));
    assert!(unplanned.is_none_or(|it| may_remain_unplanned(&it.message)), "{errors:?}");
    None
}

/// Whether to write to standard error what is made up and what becomes of it (`JUGA_FUZZ_SHOW=1`).
pub fn shows() -> bool {
    static SHOWS: LazyLock<bool> = LazyLock::new(|| env::var_os("JUGA_FUZZ_SHOW").is_some());
    *SHOWS
}

/// The planner may give up for want of time.
fn may_remain_unplanned(message: &str) -> bool {
    ["timed out", "timeout", "cancelled"].iter().any(|it| message.contains(it))
}

/// Values are JSON, of their type, and stay as they are when they are coerced again.
pub fn coerced_well(world: &World, definitions: &[VariableDefinition], values: &Variables) {
    let types = world.schema.input_types();
    let mut again = Vec::from(*b"{");
    for definition in definitions {
        let Some(json) = values.get(&definition.name) else { continue };
        if again.len() > 1 {
            again.push(b',');
        }
        again.extend_from_slice(format!("{:?}:", definition.name).as_bytes());
        again.extend_from_slice(json);
        serde_json::from_slice::<serde::de::IgnoredAny>(json).expect("coerced values are JSON");
        // A witness with bounds of its own: what it cannot read is not judged.
        if let Ok(value) = serde_json::from_slice::<Value>(json)
            && let Err(why) = conforms(types, &definition.ty, &value)
        {
            panic!("${}: {why}", definition.name);
        }
    }
    again.push(b'}');
    let twice = coerce_variables(definitions, types, &again.into()).expect("coerced values can be coerced");
    assert_eq!(&twice, values);
}

/// With subgraphs and brokers that answer as they should, the response is whole.
///
/// # Panics
/// When it has errors, or is not what was asked for.
pub fn honest_outcome(world: &World, bound: BoundOperation, bytes: &[u8]) {
    // Scalars of one's own may hold numbers that Serde, and so the subgraphs here, cannot read.
    if bound.variables.iter().any(|(_, json)| serde_json::from_slice::<Value>(json).is_err()) {
        return;
    }
    let honest = Honest::new(bytes);
    let names = world.schema.subgraphs().iter().map(|it| it.name.clone()).collect();
    let executor = Executor::new(&Options::default(), names, honest.clone(), honest.clone());
    let operation = bound.operation.clone();
    let response = match &operation.plan.feed {
        None => block_on(executor.execute(bound)).response,
        Some(feed) => {
            let event = honest.event(feed, &bound);
            let spec = GroupSpec::render(bound).expect("has been rendered before");
            block_on(executor.resolve(spec.into(), event.into()))
        }
    };
    let text = String::from_utf8_lossy(&response);
    assert_eq!(executor.counters().panics.load(Ordering::Relaxed), 0);
    assert!(!text.starts_with("{\"errors\""), "{text}");
    if let Err(why) = response::check(&operation.projection, &response) {
        panic!("{why}: {text}");
    }
}

/// Every request that a plan may send.
fn requests(step: &Option<Step>, visit: &mut dyn FnMut(&SubgraphRequest)) {
    if let Some(step) = step {
        each_request(step, visit);
    }
}

fn each_request(step: &Step, visit: &mut dyn FnMut(&SubgraphRequest)) {
    match step {
        Step::Sequence(steps) | Step::Parallel(steps) => steps.iter().for_each(|it| each_request(it, visit)),
        Step::Condition { then, otherwise, .. } => {
            then.iter().chain(otherwise).for_each(|it| each_request(it, visit));
        }
        Step::Fetch(it) => visit(&it.request),
        Step::Entities(it) => visit(&it.request),
        Step::Batch(it) => visit(&it.request),
        Step::Broker(_) => {}
    }
}
