//! The prepare lane: threads that run closures to their end, because planning cannot be interrupted.
//!
//! A closure that comes to no end holds its thread. Whoever [looks](Lane::look) at the lane at a steady pace sees which thread
//! has been at the same one all the while; it is given up and another started in its place, [`REPLACEMENTS_MAX`] times in the
//! life of a pool, for what was given up goes on using memory and a core. After that a lane whose threads are all held
//! refuses everything, what waits included, until one of them is free.

use super::pool::{Message, PoolCounters, Work};
use crate::graphql::json::STACK_BYTES;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{Builder, JoinHandle},
};

/// Looks during which a thread is at one closure before it is taken to be held.
pub(super) const LOOKS_MAX: u32 = 5;
/// Threads that are started in place of others in the life of a pool.
pub(super) const REPLACEMENTS_MAX: u64 = 3;

pub(super) struct Lane {
    queue: Sender<Message<Work>>,
    waiting: Receiver<Message<Work>>,
    workers: Mutex<Vec<Worker>>,
    /// Every thread is held, and no other may be started.
    held: AtomicBool,
    counters: Arc<PoolCounters>,
}

/// A thread as it is seen from outside.
struct Worker {
    thread: JoinHandle<()>,
    progress: Arc<Progress>,
    /// The progress at the last look, and at how many in a row.
    seen: u64,
    looks: u32,
}

/// How far a thread is.
#[derive(Default)]
struct Progress {
    /// Closures begun and closures ended: odd while one runs.
    steps: AtomicU64,
    /// Another thread has its place: it ends after the closure it is at.
    is_given_up: AtomicBool,
}

impl Lane {
    /// Has no thread before [`Lane::start`].
    pub(super) fn new(queue_max: usize, counters: Arc<PoolCounters>) -> Self {
        let (queue, waiting) = bounded(queue_max);
        Self { queue, waiting, workers: Mutex::default(), held: AtomicBool::new(false), counters }
    }

    pub(super) fn start(&self, threads: usize) -> io::Result<()> {
        let mut workers = self.workers();
        for index in 0..threads {
            let name = format!("juga-prepare-{index}");
            workers.push(self.start_thread(name)?);
        }
        Ok(())
    }

    fn start_thread(&self, name: String) -> io::Result<Worker> {
        let (queue, counters, progress) =
            (self.waiting.clone(), self.counters.clone(), Arc::<Progress>::default());
        let its = progress.clone();
        let thread = Builder::new()
            .name(name)
            .stack_size(STACK_BYTES)
            .spawn(move || work_off(&queue, &its, &counters))?;
        Ok(Worker { thread, progress, seen: 0, looks: 0 })
    }

    fn workers(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the closure back when the queue is full, all threads are held, or the lane has stopped.
    pub(super) fn run(&self, work: Work) -> Result<(), Work> {
        let sent = if self.is_held() { Err(work) } else { self.send(work) };
        let counter =
            if sent.is_ok() { &self.counters.prepare_total } else { &self.counters.prepare_refused };
        counter.fetch_add(1, Relaxed);
        sent
    }

    fn send(&self, work: Work) -> Result<(), Work> {
        self.queue.try_send(Message::Do(work)).map_err(|refused| match refused {
            TrySendError::Full(Message::Do(work)) | TrySendError::Disconnected(Message::Do(work)) => work,
            _ => unreachable!("what comes back is what was sent"),
        })
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.load(Relaxed)
    }

    /// See the module's description.
    pub(super) fn look(&self) {
        let mut workers = self.workers();
        if workers.is_empty() {
            // Stopped.
            return;
        }
        for worker in &mut *workers {
            worker.look();
            if worker.is_held() {
                self.replace(worker);
            }
        }
        let is_held = workers.iter().all(Worker::is_held);
        self.held.store(is_held, Relaxed);
        if is_held {
            // Whoever waits for one of these is answered when it is dropped.
            let refused = self.waiting.try_iter().filter(|it| matches!(it, Message::Do(_))).count();
            self.counters.prepare_refused.fetch_add(refused as u64, Relaxed);
        }
    }

    fn replace(&self, worker: &mut Worker) {
        if self.counters.prepare_threads_replaced.load(Relaxed) >= REPLACEMENTS_MAX {
            return;
        }
        let name = worker.thread.thread().name().unwrap_or_default().to_owned();
        tracing::error!(
            "{name} has not come to the end of preparing an operation: another thread takes its place"
        );
        match self.start_thread(name) {
            Ok(fresh) => {
                worker.progress.is_given_up.store(true, Relaxed);
                *worker = fresh;
                self.counters.prepare_threads_replaced.fetch_add(1, Relaxed);
            }
            Err(error) => tracing::error!("no other thread can be started: {error}"),
        }
    }

    /// Does what is queued and ends all threads but those that are held; gives back whom to wait for.
    pub(super) fn stop(&self) -> Vec<JoinHandle<()>> {
        let workers = std::mem::take(&mut *self.workers());
        let (held, free): (Vec<_>, Vec<_>) = workers.into_iter().partition(Worker::is_held);
        held.iter().for_each(|it| it.progress.is_given_up.store(true, Relaxed));
        // Refused only when the lane has no thread left.
        free.iter().for_each(|_| drop(self.queue.send(Message::Stop)));
        self.held.store(true, Relaxed);
        free.into_iter().map(|it| it.thread).collect()
    }
}

impl Worker {
    fn look(&mut self) {
        let steps = self.progress.steps.load(Relaxed);
        let is_at_the_same = steps % 2 == 1 && steps == self.seen;
        self.looks = if is_at_the_same { self.looks + 1 } else { 0 };
        self.seen = steps;
    }

    /// It has been at the same closure for too long, and still was at the last look.
    fn is_held(&self) -> bool {
        self.looks >= LOOKS_MAX
    }
}

fn work_off(queue: &Receiver<Message<Work>>, progress: &Progress, counters: &PoolCounters) {
    while !progress.is_given_up.load(Relaxed)
        && let Ok(Message::Do(work)) = queue.recv()
    {
        progress.steps.fetch_add(1, Relaxed);
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            counters.panics.fetch_add(1, Relaxed);
            tracing::error!("preparing an operation panicked");
        }
        progress.steps.fetch_add(1, Relaxed);
    }
}
