//! Permits and buffers: what one subgraph or one big answer can use up.

use super::support::*;
use crate::{
    plan::BoundOperation,
    resolve::{Counters, Options},
};
use futures_util::FutureExt;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::oneshot;

fn ask(subgraph: &str) -> BoundOperation {
    bind(operation(Some(fetch(subgraph, "1")), vec![field("x", string())]), &[])
}

fn gauges(counters: &Counters, index: usize) -> (usize, usize) {
    let subgraph = &counters.subgraphs[index];
    (subgraph.in_flight.load(Relaxed), subgraph.waiting.load(Relaxed))
}

#[test]
fn a_hanging_subgraph_uses_up_only_its_own_permits() {
    let world = World::new();
    let (answer, body) = oneshot::channel();
    world.reply("a", Reply::When(body)).reply("a", Reply::Never).reply("a", r#"{"data":{"x":"third"}}"#);
    for _ in 0..20 {
        world.reply("b", r#"{"data":{"x":"b"}}"#);
    }
    let options =
        Options { max_concurrent_resolvers: 2, share_queries_in_flight: false, ..Options::default() };
    let executor = world.executor_with(&options);
    let mut jobs: Vec<_> = (0..5).map(|_| Box::pin(executor.execute(ask("a")))).collect();
    for job in &mut jobs {
        assert!(job.as_mut().now_or_never().is_none());
    }
    let counters = executor.counters();
    assert_eq!(gauges(counters, 0), (2, 3));
    assert_eq!(counters.waiting(), 3);
    assert_eq!(world.asked().len(), 2, "no more than two were sent");
    for _ in 0..20 {
        assert_eq!(text(&block_on(executor.execute(ask("b")))), r#"{"data":{"x":"b"}}"#);
    }
    let alone = operation(None, vec![typename("t")]);
    assert_eq!(text(&block_on(executor.execute(bind(alone, &[])))), r#"{"data":{"t":"Query"}}"#);

    answer.send(r#"{"data":{"x":"first"}}"#).expect("in flight");
    let first = jobs.remove(0).now_or_never().expect("answered");
    assert_eq!(text(&first), r#"{"data":{"x":"first"}}"#);
    let third = jobs.remove(1).now_or_never().expect("its turn came");
    assert_eq!(text(&third), r#"{"data":{"x":"third"}}"#);
    drop(jobs);
    assert_eq!((gauges(counters, 0), gauges(counters, 1)), ((0, 0), (0, 0)));
    assert_eq!(counters.fetches.load(Relaxed), 23);
}

#[test]
fn small_buffers_are_kept_for_reuse_up_to_a_number_and_big_ones_freed() {
    let world = World::new();
    let options = Options {
        buffers_max: 2,
        buffer_bytes_max: 4096,
        share_queries_in_flight: false,
        ..Options::default()
    };
    let executor = world.executor_with(&options);
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let (answer, body) = oneshot::channel();
        world.reply("a", Reply::When(body));
        let mut job = Box::pin(executor.execute(ask("a")));
        assert!(job.as_mut().now_or_never().is_none());
        waiting.push((answer, job));
    }
    for (answer, job) in waiting {
        answer.send(r#"{"data":{"x":"1"}}"#).expect("in flight");
        block_on(job);
    }
    assert_eq!(executor.counters().buffers.load(Relaxed), 2);

    let mut big = operation(None, vec![typename("t")]);
    big.constants = Some(format!("{{\"x\":[{}1]}}", "1,".repeat(1000)).into());
    block_on(executor.execute(bind(big, &[])));
    assert_eq!(executor.counters().buffers.load(Relaxed), 1);
}
