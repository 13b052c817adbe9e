//! The threads that work, in two lanes, so that a storm of new operations cannot delay events.
//!
//! *resolve* polls plain async tasks: a task that waits for a subgraph is parked and occupies no thread;
//! its answer puts it back on the queue. *prepare* runs closures to their end ([`super::prepare`]). The number of threads
//! is fixed at the start, but for closures that come to no end. A panic costs the task or closure it happens in, never
//! the thread.

use super::{Options, prepare::Lane};
use crate::graphql::json::STACK_BYTES;
use async_task::Runnable;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::{
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::{Builder, JoinHandle},
};

/// Work for the prepare lane.
pub type Work = Box<dyn FnOnce() + Send>;

/// Threads in two lanes. Dropped without [`Pool::stop`], its threads end once no task is left, and nobody
/// waits for them.
pub struct Pool {
    resolve: Sender<Message<Runnable>>,
    /// Those that resolve.
    threads: Mutex<Vec<JoinHandle<()>>>,
    prepare: Lane,
    counters: Arc<PoolCounters>,
}

/// What a [`Pool`] counts.
#[derive(Debug, Default)]
pub struct PoolCounters {
    /// Gauge: resolve tasks that are not done, running, queued or parked.
    pub resolve_tasks: AtomicUsize,
    /// Tasks ever handed to the resolve lane.
    pub resolve_total: AtomicU64,
    /// Closures ever taken by the prepare lane.
    pub prepare_total: AtomicU64,
    /// Closures that found the prepare queue full, or all of its threads held by others.
    pub prepare_refused: AtomicU64,
    /// Threads of the prepare lane that were started in place of others.
    pub prepare_threads_replaced: AtomicU64,
    /// Tasks and closures that ended in a panic.
    pub panics: AtomicU64,
}

pub(super) enum Message<T> {
    Do(T),
    /// Ends one thread. What was queued before is done first.
    Stop,
}

impl Pool {
    /// Starts all threads. Fails when the system refuses one.
    pub fn start(options: &Options) -> io::Result<Self> {
        // The resolve queue needs no bound of its own: a task is in it at most once, and callers bound
        // their tasks (the hub by its groups' windows, a front by its requests in flight). A bounded one
        // would make an answer's waker block, or lose the task.
        let (resolve, resolve_work) = unbounded();
        let counters = Arc::<PoolCounters>::default();
        let prepare = Lane::new(options.prepare_queue.max(1), counters.clone());
        let pool = Self { resolve, threads: Mutex::default(), prepare, counters };
        let started = pool.start_threads(options, &resolve_work);
        if started.is_err() {
            pool.stop();
        }
        started.map(|()| pool)
    }

    fn start_threads(&self, options: &Options, work: &Receiver<Message<Runnable>>) -> io::Result<()> {
        let mut threads = self.threads();
        for index in 0..options.resolver_threads.max(1) {
            let (work, counters) = (work.clone(), self.counters.clone());
            let thread = Builder::new().name(format!("juga-resolve-{index}")).stack_size(STACK_BYTES);
            threads.push(thread.spawn(move || work_off(&work, &counters))?);
        }
        self.prepare.start(options.prepare_threads.max(1))
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task on the resolve lane. Never blocks; how many tasks there are is for the caller to
    /// bound. After [`Pool::stop`] the task is dropped.
    pub fn resolve(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.counters.resolve_total.fetch_add(1, Relaxed);
        let alive = Alive::new(&self.counters);
        let counted = async move {
            let _alive = alive;
            task.await;
        };
        let queue = self.resolve.clone();
        let schedule = move |task| {
            // Refused only after the pool has stopped: the task is dropped then.
            let _ = queue.send(Message::Do(task));
        };
        let (runnable, task) = async_task::spawn(counted, schedule);
        task.detach();
        runnable.schedule();
    }

    /// Runs a closure on the prepare lane; gives it back when the queue is full, when all threads of the lane are held
    /// ([`Pool::is_prepare_held`]), or when the pool has stopped. Never blocks.
    pub fn prepare(&self, work: impl FnOnce() + Send + 'static) -> Result<(), Work> {
        self.prepare.run(Box::new(work))
    }

    /// Looks whether a thread of the prepare lane comes to no end; to be called at a steady pace.
    pub fn look_at_prepare(&self) {
        self.prepare.look();
    }

    /// No closure will be taken until one of those that hold the prepare lane's threads has ended.
    pub fn is_prepare_held(&self) -> bool {
        self.prepare.is_held()
    }

    /// Closures that wait for a thread of the prepare lane.
    pub fn prepare_queued(&self) -> usize {
        self.prepare.queued()
    }

    pub fn counters(&self) -> &Arc<PoolCounters> {
        &self.counters
    }

    /// Does what is queued, ends all threads and waits for them, but for those that are held. Parked tasks are dropped when
    /// whatever they wait for wakes them or goes away. Must not be called from a thread of the pool.
    pub fn stop(&self) {
        let resolve = std::mem::take(&mut *self.threads());
        // Refused only when the lane has no thread left.
        resolve.iter().for_each(|_| drop(self.resolve.send(Message::Stop)));
        for thread in resolve.into_iter().chain(self.prepare.stop()) {
            // A panic of the thread itself was already told by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Counts a task until it is done or dropped.
struct Alive(Arc<PoolCounters>);

impl Alive {
    fn new(counters: &Arc<PoolCounters>) -> Self {
        counters.resolve_tasks.fetch_add(1, Relaxed);
        Self(counters.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.resolve_tasks.fetch_sub(1, Relaxed);
    }
}

fn work_off(queue: &Receiver<Message<Runnable>>, counters: &PoolCounters) {
    while let Ok(Message::Do(task)) = queue.recv() {
        if catch_unwind(AssertUnwindSafe(|| task.run())).is_err() {
            counters.panics.fetch_add(1, Relaxed);
            tracing::error!("a task of the pool panicked");
        }
    }
}
