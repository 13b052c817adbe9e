#![expect(clippy::disallowed_methods, reason = "an instant to count from; no test waits")]

use super::*;
use crate::federation::{Graphs, SubgraphSource};

const SDL: &str = "type Query { a: Int, b(id: Int): Int }";

fn engine() -> Engine {
    let subgraph = SubgraphSource {
        name: "a".into(),
        routing_url: "http://127.0.0.1:9".into(),
        sdl: SDL.into(),
        file: None,
        subscription: None,
    };
    let graphs = Graphs { subgraphs: vec![subgraph], ..Graphs::default() };
    Engine::new(Schema::load(&graphs).expect("loads"), Options::default(), Arc::default())
}

fn request(query: &str, variables: &'static str) -> Request {
    Request {
        query: query.into(),
        operation_name: None,
        variables: Bytes::from_static(variables.as_bytes()),
        extensions: Bytes::from_static(b"{}"),
    }
}

fn plan(prepared: Result<Prepared, Errors>) -> Arc<Operation> {
    match prepared.expect("prepared") {
        Prepared::Once(bound) => bound.operation,
        Prepared::Subscription(_) => panic!("no subscription"),
    }
}

#[test]
fn an_operation_is_planned_once_for_all_values_of_its_variables() {
    let (engine, now) = (engine(), Instant::now());
    let query = "query ($id: Int) { b(id: $id) }";
    assert!(engine.prepared(&request(query, "{}"), &Client::default(), now).is_none());
    let first = plan(engine.prepare(&request(query, r#"{"id":1}"#), &Client::default(), now));
    let second =
        plan(engine.prepared(&request(query, r#"{"id":2}"#), &Client::default(), now).expect("known"));
    assert!(Arc::ptr_eq(&first, &second));
    let stats = &engine.stats;
    assert_eq!((stats.plan_cache_misses.get(), stats.plan_cache_hits.get()), (1, 1));
}

#[test]
fn a_plan_is_made_for_each_value_that_shapes_it() {
    let (engine, now) = (engine(), Instant::now());
    let query = "query ($with: Boolean!) { a b @include(if: $with) }";
    let with = plan(engine.prepare(&request(query, r#"{"with":true}"#), &Client::default(), now));
    assert!(engine.prepared(&request(query, r#"{"with":false}"#), &Client::default(), now).is_none());
    let without = plan(engine.prepare(&request(query, r#"{"with":false}"#), &Client::default(), now));
    assert!(!Arc::ptr_eq(&with, &without));
    for (variables, expected) in [(r#"{"with":true}"#, with), (r#"{"with":false}"#, without)] {
        let known =
            plan(engine.prepared(&request(query, variables), &Client::default(), now).expect("known"));
        assert!(Arc::ptr_eq(&known, &expected), "{variables}");
    }
}

/// What clients write differs; what is fetched does not.
#[test]
fn operations_that_say_the_same_in_other_words_share_a_plan() {
    let (engine, now) = (engine(), Instant::now());
    let prepare = |query| plan(engine.prepare(&request(query, "{}"), &Client::default(), now));
    let first = prepare("{ a b(id: 1) }");
    for query in [
        "query Named { a # alone\n b(id: 1) }",
        "{ x: b(id: 1) y: a z: a }",
        "{ ...F b(id: 1) } fragment F on Query { a ... { a } }",
    ] {
        let other = prepare(query);
        assert!(Arc::ptr_eq(&first.plan, &other.plan), "{query}");
        assert!(!Arc::ptr_eq(&first, &other), "{query}");
    }
    assert!(!Arc::ptr_eq(&first.plan, &prepare("{ a b(id: 2) }").plan));
    let stats = &engine.stats;
    assert_eq!((stats.plan_cache_misses.get(), stats.plan_cache_hits.get()), (2, 3));
}

#[test]
fn a_failure_is_remembered_for_a_while() {
    let (engine, now) = (engine(), Instant::now());
    let wrong = request("{ nothing }", "{}");
    let errors = engine.prepare(&wrong, &Client::default(), now).expect_err("no such field");
    let again = engine
        .prepared(&wrong, &Client::default(), now + FAILURE_KEPT / 2)
        .expect("known")
        .expect_err("still wrong");
    assert!(Arc::ptr_eq(&errors, &again));
    assert!(engine.prepared(&wrong, &Client::default(), now + FAILURE_KEPT).is_none(), "looked at again");
}

#[test]
fn a_very_long_failure_is_not_remembered() {
    let (engine, now) = (engine(), Instant::now());
    let wrong = request(&format!("{{ nothing }} #{}", "x".repeat(FAILED_DOCUMENT_BYTES_MAX)), "{}");
    engine.prepare(&wrong, &Client::default(), now).expect_err("no such field");
    assert!(engine.prepared(&wrong, &Client::default(), now).is_none());
}

#[test]
fn wrong_variables_do_not_spoil_the_operation() {
    let (engine, now) = (engine(), Instant::now());
    let query = "query ($id: Int) { b(id: $id) }";
    engine.prepare(&request(query, r#"{"id":"x"}"#), &Client::default(), now).expect_err("not an Int");
    engine.prepare(&request(query, r#"{"id":1}"#), &Client::default(), now).expect("prepared");
    engine
        .prepared(&request(query, r#"{"id":"x"}"#), &Client::default(), now)
        .expect("answered at once")
        .expect_err("not an Int");
}
