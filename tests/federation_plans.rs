//! From SDL and operation text to plans, over the demo's graphs.

use juga::{
    federation::{EventGraphSource, Graphs, Limits, Schema, SubgraphSource},
    graphql::Variables,
    plan::{Operation, Step},
};
use std::{fs, path::PathBuf};

fn fixture(name: &str) -> String {
    let path = PathBuf::from("tests/fixtures/demo").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn subgraph(name: &str) -> SubgraphSource {
    SubgraphSource {
        name: name.into(),
        routing_url: format!("http://127.0.0.1:4001/{name}"),
        sdl: fixture(&format!("{name}.graphql")),
        file: None,
    }
}

fn demo() -> Graphs {
    Graphs {
        subgraphs: vec![subgraph("employees"), subgraph("products")],
        supergraph: None,
        event_graphs: vec![EventGraphSource {
            name: "events".into(),
            sdl: fixture("events.graphql"),
            file: None,
        }],
    }
}

fn load(graphs: &Graphs) -> Schema {
    Schema::load(graphs).unwrap_or_else(|errors| panic!("{errors}"))
}

fn plan(schema: &Schema, text: &str) -> Operation {
    let document = schema.parse(text, None, &Limits::default()).unwrap_or_else(|it| panic!("{text}: {it:?}"));
    schema.plan(&document, &Variables::new()).unwrap_or_else(|it| panic!("{text}: {it:?}"))
}

/// A plan in short: `[a | b]` at the same time, `(a > b)` one after the other.
fn brief(schema: &Schema, step: &Step) -> String {
    let all = |steps: &[Step], between: &str| {
        steps.iter().map(|it| brief(schema, it)).collect::<Vec<_>>().join(between)
    };
    let name = |request: &juga::plan::SubgraphRequest| {
        schema.subgraphs()[usize::from(request.subgraph.0)].name.to_string()
    };
    match step {
        Step::Sequence(steps) => format!("({})", all(steps, " > ")),
        Step::Parallel(steps) => format!("[{}]", all(steps, " | ")),
        Step::Condition { variable, .. } => format!("if ${variable}"),
        Step::Fetch(fetch) => format!("{}{}", name(&fetch.request), fetch.request.document),
        Step::Entities(fetch) => format!("{}{}", name(&fetch.request), fetch.request.document),
        Step::Batch(fetch) => format!("{}{}", name(&fetch.request), fetch.request.document),
        Step::Broker(call) => format!("{:?} {}@{}", call.operation, call.field, call.key),
    }
}

#[test]
fn the_demo_loads() {
    let schema = load(&demo());
    println!("{}", schema.supergraph_sdl());
    for text in [
        "subscription { employeeUpdated(employeeID: 3) { id details { forename } notes } }",
        "{ offers { id } }",
        "{ products { name owner { id notes } } }",
        "{ employee(id: 1) { a: seniority(unit: MONTHS) b: seniority } }",
        "mutation { a: updateEmployee(id: 3, update: {name: \"x\"}) { success } renameEmployee(id: 1, forename: \"y\") { id notes } b: updateEmployee(id: 3, update: {name: \"x\"}) { success } }",
        "{ employeeFromEvent(id: 3) { id details { surname } } x: employeeFromEvent(id: 4) { id } }",
        "subscription { catalogueChanged { __typename ... on Product { id name weight } ... on Service { id hourlyRate } } }",
        "subscription { offersChanged { id name ... on Product { weight } } }",
        "{ employees { id notes } team { ... on Employee { id notes } } }",
    ] {
        let operation = plan(&schema, text);
        println!(
            "-- {text}\n{}\n{:?}\n{}\n",
            operation.steps.as_ref().map(|it| brief(&schema, it)).unwrap_or_default(),
            operation.projection.shape,
            operation.canonical
        );
        println!("{:?}", operation.feed);
    }
}
