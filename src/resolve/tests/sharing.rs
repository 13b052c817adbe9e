//! Equal queries in flight are one request; whatever is not equal, or must not be shared, is not.

use super::support::*;
use crate::{
    plan::{BoundOperation, Forwarded, OperationKind, Step, SubgraphId},
    resolve::{Counters, Executor, Options},
};
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue};
use std::sync::{Arc, atomic::Ordering::Relaxed};
use tokio::sync::oneshot;

fn ask(document: &str) -> BoundOperation {
    bind(operation(Some(fetch("a", document)), vec![field("x", string())]), &[])
}

fn on_behalf_of(token: &'static str) -> BoundOperation {
    let header = (HeaderName::from_static("authorization"), HeaderValue::from_static(token));
    let forwarded = Forwarded::new([(SubgraphId(0), Arc::from([header]))]);
    BoundOperation { forwarded, ..ask("1") }
}

fn with_extensions(json: &'static str) -> BoundOperation {
    let mut bound = ask("1");
    bound.forwarded.extensions = json.into();
    bound
}

fn mutation() -> BoundOperation {
    let Step::Fetch(mut fetch) = fetch("a", "1") else { unreachable!("a fetch") };
    fetch.request.kind = OperationKind::Mutation;
    bind(operation(Some(Step::Fetch(fetch)), vec![field("x", string())]), &[])
}

fn shared(counters: &Counters) -> u64 {
    counters.fetches_shared.load(Relaxed)
}

/// Starts operations one after another and tells how many requests went out while none is answered.
fn sent_by(executor: &Executor, world: &Arc<World>, operations: Vec<BoundOperation>) -> usize {
    for _ in &operations {
        world.reply("a", Reply::Never);
    }
    let mut jobs: Vec<_> = operations.into_iter().map(|it| Box::pin(executor.execute(it))).collect();
    for job in &mut jobs {
        assert!(job.as_mut().now_or_never().is_none());
    }
    world.asked().len()
}

#[test]
fn equal_queries_in_flight_are_one_request_and_everybody_gets_the_answer() {
    let world = World::new();
    let (answer, body) = oneshot::channel();
    world.reply("a", Reply::When(body)).reply("a", r#"{"data":{"x":"second"}}"#);
    let executor = world.executor();
    let mut jobs: Vec<_> = (0..3).map(|_| Box::pin(executor.execute(ask("1")))).collect();
    for job in &mut jobs {
        assert!(job.as_mut().now_or_never().is_none());
    }
    answer.send(r#"{"data":{"x":"first"}}"#).expect("in flight");
    for job in jobs {
        assert_eq!(text(&block_on(job)), r#"{"data":{"x":"first"}}"#);
    }
    assert_eq!((world.asked().len(), shared(executor.counters())), (1, 2));

    let later = block_on(executor.execute(ask("1")));
    assert_eq!(text(&later), r#"{"data":{"x":"second"}}"#, "what has landed is asked for anew");
}

#[test]
fn what_a_subgraph_sees_decides() {
    for (operations, sent) in [
        (vec![ask("1"), ask("1")], 1),
        (vec![ask("1"), ask("2")], 2),
        (vec![on_behalf_of("a"), on_behalf_of("b"), on_behalf_of("a")], 2),
        (vec![on_behalf_of("a"), ask("1")], 2),
        (vec![with_extensions("{\"e\":1}"), with_extensions("{\"e\":2}"), ask("1")], 3),
        (vec![mutation(), mutation()], 2),
    ] {
        let world = World::new();
        assert_eq!(sent_by(&world.executor(), &world, operations), sent);
    }
}

#[test]
fn it_can_be_switched_off() {
    let world = World::new();
    let executor = world.executor_with(&Options { share_queries_in_flight: false, ..Options::default() });
    assert_eq!(sent_by(&executor, &world, vec![ask("1"), ask("1")]), 2);
}

#[test]
fn a_flight_outlives_whoever_began_it_but_not_the_last_who_waits() {
    let world = World::new();
    let (answer, body) = oneshot::channel();
    world.reply("a", Reply::When(body));
    let executor = world.executor();
    let mut first = Box::pin(executor.execute(ask("1")));
    let mut second = Box::pin(executor.execute(ask("1")));
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
    drop(first);
    assert!(second.as_mut().now_or_never().is_none() && !answer.is_closed());
    drop(second);
    assert!(answer.is_closed(), "nobody waits any more");

    world.reply("a", r#"{"data":{"x":"anew"}}"#);
    assert_eq!(text(&block_on(executor.execute(ask("1")))), r#"{"data":{"x":"anew"}}"#);
}

#[test]
fn events_share_nothing_that_was_asked_for_before_they_came() {
    let world = World::new();
    world.reply("a", Reply::Never).reply("a", Reply::Never);
    let executor = world.executor();
    let ty = object("Thing", vec![field("id", string()), field("x", string())]);
    let steps = Step::Entities(entities("a", "changed", vec![need("id")]));
    let spec = group(Some(steps), ty);
    let json = r#"{"__typename":"Thing","id":"1"}"#;
    let mut jobs: Vec<_> = (0..2).map(|_| Box::pin(executor.resolve(spec.clone(), event(json)))).collect();
    for job in &mut jobs {
        assert!(job.as_mut().now_or_never().is_none());
    }
    let bodies = world.bodies();
    assert_eq!((bodies.len(), bodies[0] == bodies[1]), (2, true), "{bodies:?}");
}

#[test]
fn a_panic_of_the_one_in_front_is_everybodys_and_nothing_stays_listed() {
    let world = World::new();
    world.reply("a", Reply::Panic).reply("a", r#"{"data":{"x":"anew"}}"#);
    let executor = world.executor();
    let failed = block_on(executor.execute(ask("1")));
    assert!(text(&failed).contains("Internal server error"), "{}", text(&failed));
    assert_eq!(text(&block_on(executor.execute(ask("1")))), r#"{"data":{"x":"anew"}}"#);
}
