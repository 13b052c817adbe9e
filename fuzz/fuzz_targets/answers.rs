//! Whatever subgraphs and brokers answer, the client gets a response that GraphQL allows.
#![no_main]

use juga::{
    federation::Limits,
    graphql::{Variables, json::Document},
    plan::{BoundOperation, Event, FeedField, Forwarded, GroupSpec, Operation, OperationKind, Position},
    resolve::{ErrorMode, ErrorPropagation, Executor, Options},
};
use juga_fuzz::{
    answers::{Scripted, block_on, event},
    dice::Dice,
    effort::bounded,
    response,
    world::WORLD,
};
use libfuzzer_sys::fuzz_target;
use std::{
    sync::{Arc, LazyLock, atomic::Ordering},
    time::Duration,
};

const OPERATIONS: &str = include_str!("../graphs/operations.graphql");

/// Every operation of the file, by name, with a value for each variable it may have.
static PLANS: LazyLock<Vec<BoundOperation>> = LazyLock::new(|| {
    let mut variables = Variables::new();
    for (name, json) in [("on", "true"), ("off", "false"), ("id", "1"), ("ids", r#"["1","2"]"#)] {
        variables.set(name.into(), json.into());
    }
    let names = OPERATIONS.lines().filter_map(|it| it.split(' ').nth(1).filter(|_| starts_operation(it)));
    let plan = |name: &str| {
        let name = name.split(['(', ' ', '{']).next();
        let document = WORLD.schema.parse(OPERATIONS, name, &Limits::default()).expect("valid");
        let operation: Operation = WORLD.schema.plan(&document, &variables).expect("a plan");
        BoundOperation {
            operation: operation.into(),
            variables: variables.clone(),
            forwarded: Forwarded::default(),
            trace: None,
        }
    };
    names.map(plan).collect()
});

fn starts_operation(line: &str) -> bool {
    ["query ", "mutation ", "subscription "].iter().any(|it| line.starts_with(it))
}

fuzz_target!(|input: &[u8]| {
    let [operation, mode, rest @ ..] = input else { return };
    let bound = PLANS[usize::from(*operation) % PLANS.len()].clone();
    let scripted = Scripted::new(rest);
    let names = WORLD.schema.subgraphs().iter().map(|it| it.name.clone()).collect();
    let executor = Executor::new(&options(*mode), names, scripted.clone(), scripted);
    let operation = bound.operation.clone();
    let response = bounded("carrying out", Duration::from_secs(1), || match operation.kind {
        OperationKind::Subscription => on_event(&executor, bound, rest),
        _ => Some(block_on(executor.execute(bound)).response),
    });
    assert_eq!(executor.counters().panics.load(Ordering::Relaxed), 0);
    if let Some(response) = response
        && let Err(why) = response::check(&operation.projection, &response)
    {
        panic!("{why}: {}", String::from_utf8_lossy(&response));
    }
});

/// The response to an event, if the bytes make one. The script starts with it, and goes on as answers.
fn on_event(executor: &Executor, bound: BoundOperation, script: &[u8]) -> Option<bytes::Bytes> {
    let spec = GroupSpec::render(bound).expect("its variables are right");
    let is_upstream = matches!(spec.bound.operation.plan.feed, Some(FeedField::Upstream(_)));
    let payload = match is_upstream {
        true => bytes::Bytes::copy_from_slice(script),
        false => event(&mut Dice::new(script)),
    };
    let mut document = Document::new();
    let root = document.parse(payload).ok()?;
    let event = Event { position: Position::default(), document, root, labels: None };
    Some(block_on(executor.resolve(Arc::new(spec), Arc::new(event))))
}

fn options(mode: u8) -> Options {
    let modes = [ErrorMode::Wrapped, ErrorMode::PassThrough, ErrorMode::Hidden];
    let errors = ErrorPropagation {
        mode: modes[usize::from(mode % 3)],
        rewrite_paths: mode & 4 == 0,
        omit_locations: mode & 8 == 0,
        omit_extensions: mode & 16 != 0,
        propagate_status_codes: mode & 32 != 0,
        allowed_extensions: (mode & 64 == 0).then(|| vec!["code".to_owned()]),
        ..ErrorPropagation::default()
    };
    Options { errors, share_queries_in_flight: mode & 128 == 0, ..Options::default() }
}
