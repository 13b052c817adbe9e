//! The pool's promises: parked tasks hold no thread, panics cost one task, a full queue says so.

use super::support::*;
use crate::resolve::{Options, Pool};
use crossbeam_channel::{Receiver, bounded, unbounded};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};
use tokio::sync::oneshot;

/// Generous: it only ends tests that would otherwise hang.
const DEADLINE: Duration = Duration::from_secs(30);

fn small() -> Pool {
    let options = Options { resolver_threads: 1, prepare_threads: 1, prepare_queue: 2, ..Options::default() };
    Pool::start(&options).expect("threads")
}

fn receive<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(DEADLINE).expect("within the deadline")
}

#[test]
fn a_parked_task_occupies_no_thread() {
    let pool = small();
    let (done, all_done) = unbounded();
    let (wake, waiting): (Vec<_>, Vec<_>) = (0..1000).map(|_| oneshot::channel::<()>()).unzip();
    for (index, waiting) in waiting.into_iter().enumerate() {
        let done = done.clone();
        pool.resolve(async move {
            let _ = waiting.await;
            let _ = done.send(index);
        });
    }
    let (other, other_done) = bounded(1);
    pool.resolve(async move {
        let _ = other.send(thread::current().name().map(str::to_owned));
    });
    assert_eq!(receive(&other_done).as_deref(), Some("juga-resolve-0"));
    assert!(pool.counters().resolve_tasks.load(Relaxed) >= 1000);
    for wake in wake {
        wake.send(()).expect("still waited for");
    }
    let mut finished: Vec<_> = (0..1000).map(|_| receive(&all_done)).collect();
    finished.sort_unstable();
    assert!(finished.into_iter().eq(0..1000));
    pool.stop();
    assert_eq!(pool.counters().resolve_tasks.load(Relaxed), 0);
}

#[test]
fn operations_run_on_the_pool_and_always_answer() {
    let world = World::new();
    world.reply("a", Reply::Panic).reply("a", r#"{"data":{"x":"1"}}"#);
    let (pool, executor) = (small(), world.executor());
    let (answers, answered) = unbounded();
    for _ in 0..2 {
        let plan = operation(Some(fetch("a", "1")), vec![field("x", string())]);
        let (run, answers) = (executor.execute(bind(plan, &[])), answers.clone());
        pool.resolve(async move {
            let _ = answers.send(text(&run.await));
        });
    }
    assert!(receive(&answered).contains("INTERNAL_SERVER_ERROR"));
    assert_eq!(receive(&answered), r#"{"data":{"x":"1"}}"#);
    pool.stop();
}

#[test]
fn a_panic_costs_one_task_and_no_thread() {
    let pool = small();
    pool.resolve(async { panic!("scripted") });
    pool.prepare(|| panic!("scripted")).ok().expect("room");
    let (done, both) = bounded(2);
    let and_done = done.clone();
    pool.resolve(async move {
        let _ = done.send("resolve");
    });
    pool.prepare(move || {
        let _ = and_done.send("prepare");
    })
    .ok()
    .expect("room");
    let mut seen = [receive(&both), receive(&both)];
    seen.sort_unstable();
    assert_eq!(seen, ["prepare", "resolve"]);
    pool.stop();
    assert_eq!(pool.counters().panics.load(Relaxed), 2);
    assert_eq!(pool.counters().resolve_tasks.load(Relaxed), 0);
}

#[test]
fn a_full_prepare_queue_gives_the_work_back() {
    let pool = small();
    let (started, has_started) = bounded(1);
    let (release, released) = bounded::<()>(0);
    let blocker = move || {
        let _ = started.send(());
        let _ = released.recv();
    };
    pool.prepare(blocker).ok().expect("room");
    receive(&has_started);
    let (done, finished) = unbounded();
    let job = |number| {
        let done = done.clone();
        move || {
            let _ = done.send(number);
        }
    };
    pool.prepare(job(1)).ok().expect("room for two");
    pool.prepare(job(2)).ok().expect("room for two");
    assert_eq!(pool.prepare_queued(), 2);
    let refused = pool.prepare(job(3)).expect_err("no room for a third");
    assert_eq!(pool.counters().prepare_refused.load(Relaxed), 1);
    // The resolve lane does not notice.
    let (other, other_done) = bounded(1);
    pool.resolve(async move {
        let _ = other.send(());
    });
    receive(&other_done);

    drop(release);
    assert_eq!((receive(&finished), receive(&finished)), (1, 2));
    pool.prepare(refused).ok().expect("room again");
    assert_eq!(receive(&finished), 3);
    pool.stop();
}

#[test]
fn stopping_does_what_is_queued_and_drops_what_is_parked() {
    let pool = small();
    let parked = Arc::new(());
    let (never, waiting) = oneshot::channel::<()>();
    let held = parked.clone();
    pool.resolve(async move {
        let _ = waiting.await;
        drop(held);
    });
    let (done, finished) = unbounded();
    for number in 0..100 {
        let done = done.clone();
        pool.resolve(async move {
            let _ = done.send(number);
        });
    }
    pool.stop();
    pool.stop();
    assert_eq!(finished.len(), 100);
    assert!(pool.prepare(|| ()).is_err(), "nobody is left to do it");
    drop(never);
    assert_eq!(Arc::strong_count(&parked), 1, "woken after the end, the task is dropped");
}
