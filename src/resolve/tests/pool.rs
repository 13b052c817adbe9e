//! The pool's promises: parked tasks hold no thread, panics cost one task, a full queue says so.

#![expect(clippy::disallowed_methods, reason = "a deadline is on the real clock")]

use super::support::*;
use crate::resolve::{
    Options, Pool,
    prepare::{LOOKS_MAX, REPLACEMENTS_MAX},
};
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

/// A closure that is at no end until it is told, and has begun.
fn endless(pool: &Pool) -> crossbeam_channel::Sender<()> {
    let (started, has_started) = bounded(1);
    let (release, released) = bounded::<()>(0);
    let work = move || {
        let _ = started.send(());
        let _ = released.recv();
    };
    pool.prepare(work).ok().expect("room");
    receive(&has_started);
    release
}

fn look_until_held(pool: &Pool) {
    (0..=LOOKS_MAX).for_each(|_| pool.look_at_prepare());
}

#[test]
fn a_thread_that_comes_to_no_end_is_replaced_three_times_and_then_everything_is_refused() {
    let pool = small();
    let replaced = || pool.counters().prepare_threads_replaced.load(Relaxed);
    let mut endless: Vec<_> = (0..REPLACEMENTS_MAX)
        .map(|number| {
            let release = endless(&pool);
            look_until_held(&pool);
            assert_eq!((replaced(), pool.is_prepare_held()), (number + 1, false));
            release
        })
        .collect();
    let (done, finished) = bounded(1);
    pool.prepare(move || drop(done.send(thread::current().name().map(str::to_owned)))).ok().expect("room");
    assert_eq!(receive(&finished).as_deref(), Some("juga-prepare-0"));

    endless.push(self::endless(&pool));
    let (done, dropped) = bounded::<()>(0);
    pool.prepare(move || drop(done)).ok().expect("it waits, for now");
    look_until_held(&pool);
    assert_eq!((replaced(), pool.is_prepare_held()), (REPLACEMENTS_MAX, true));
    let disconnected = Err(crossbeam_channel::RecvTimeoutError::Disconnected);
    assert_eq!(dropped.recv_timeout(DEADLINE), disconnected, "what waited is refused");
    assert!(pool.prepare(|| ()).is_err());

    drop(endless);
    wait_until_it_takes_work(&pool);
    pool.stop();
}

fn wait_until_it_takes_work(pool: &Pool) {
    let (done, finished) = bounded(1);
    let until = std::time::Instant::now() + DEADLINE;
    loop {
        pool.look_at_prepare();
        let done = done.clone();
        let work = move || {
            let _ = done.send(());
        };
        if pool.prepare(work).is_ok() {
            return receive(&finished);
        }
        assert!(std::time::Instant::now() < until, "it is free again");
        thread::yield_now();
    }
}

#[test]
fn a_thread_that_works_off_many_closures_is_not_held() {
    let pool = small();
    for _ in 0..3 * LOOKS_MAX {
        let (done, finished) = bounded(1);
        let work = move || {
            let _ = done.send(());
        };
        pool.prepare(work).ok().expect("room");
        receive(&finished);
        pool.look_at_prepare();
    }
    (0..3 * LOOKS_MAX).for_each(|_| pool.look_at_prepare());
    assert_eq!(pool.counters().prepare_threads_replaced.load(Relaxed), 0);
    assert!(!pool.is_prepare_held(), "one that has nothing to do is not held either");
    pool.stop();
}

#[test]
fn a_pool_that_stops_waits_for_no_thread_that_comes_to_no_end() {
    let pool = small();
    let endless: Vec<_> = (0..=REPLACEMENTS_MAX)
        .map(|_| {
            let release = endless(&pool);
            look_until_held(&pool);
            release
        })
        .collect();
    pool.stop();
    pool.look_at_prepare();
    assert!(pool.prepare(|| ()).is_err());
    drop(endless);
}
