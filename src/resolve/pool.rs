//! The threads that work, in two lanes, so that a storm of new operations cannot delay events.
//!
//! *resolve* polls plain async tasks: a task that waits for a subgraph is parked and occupies no thread;
//! its answer puts it back on the queue. *prepare* runs closures to their end, because planning cannot
//! be interrupted. The number of threads is fixed at the start. A panic costs the task or closure it
//! happens in, never the thread.

use super::Options;
use async_task::Runnable;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
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
    prepare: Sender<Message<Work>>,
    threads: Mutex<Threads>,
    counters: Arc<PoolCounters>,
}

#[derive(Default)]
struct Threads {
    resolve: Vec<JoinHandle<()>>,
    prepare: Vec<JoinHandle<()>>,
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
    /// Closures that found the prepare queue full.
    pub prepare_refused: AtomicU64,
    /// Tasks and closures that ended in a panic.
    pub panics: AtomicU64,
}

enum Message<T> {
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
        let (prepare, prepare_work) = bounded(options.prepare_queue.max(1));
        let pool = Self { resolve, prepare, threads: Mutex::default(), counters: Arc::default() };
        let started = pool.start_threads(options, &resolve_work, &prepare_work);
        if started.is_err() {
            pool.stop();
        }
        started.map(|()| pool)
    }

    fn start_threads(
        &self,
        options: &Options,
        resolve: &Receiver<Message<Runnable>>,
        prepare: &Receiver<Message<Work>>,
    ) -> io::Result<()> {
        let mut threads = self.threads();
        for index in 0..options.resolver_threads.max(1) {
            let name = format!("juga-resolve-{index}");
            threads.resolve.push(self.start_thread(name, resolve, |task| {
                task.run();
            })?);
        }
        for index in 0..options.prepare_threads.max(1) {
            let name = format!("juga-prepare-{index}");
            threads.prepare.push(self.start_thread(name, prepare, |work| work())?);
        }
        Ok(())
    }

    fn start_thread<T: Send + 'static>(
        &self,
        name: String,
        queue: &Receiver<Message<T>>,
        run: fn(T),
    ) -> io::Result<JoinHandle<()>> {
        let (queue, counters) = (queue.clone(), self.counters.clone());
        Builder::new().name(name).spawn(move || work_off(&queue, run, &counters))
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
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

    /// Runs a closure on the prepare lane; gives it back when the queue is full or the pool has stopped.
    /// Never blocks.
    pub fn prepare(&self, work: impl FnOnce() + Send + 'static) -> Result<(), Work> {
        match self.prepare.try_send(Message::Do(Box::new(work))) {
            Ok(()) => {
                self.counters.prepare_total.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(TrySendError::Full(Message::Do(work)) | TrySendError::Disconnected(Message::Do(work))) => {
                self.counters.prepare_refused.fetch_add(1, Relaxed);
                Err(work)
            }
            Err(_) => unreachable!("what comes back is what was sent"),
        }
    }

    /// Closures that wait for a thread of the prepare lane.
    pub fn prepare_queued(&self) -> usize {
        self.prepare.len()
    }

    pub fn counters(&self) -> &Arc<PoolCounters> {
        &self.counters
    }

    /// Does what is queued, ends all threads and waits for them. Parked tasks are dropped when whatever
    /// they wait for wakes them or goes away. Must not be called from a thread of the pool.
    pub fn stop(&self) {
        let Threads { resolve, prepare } = std::mem::take(&mut *self.threads());
        // Refused only when a lane has no thread left.
        resolve.iter().for_each(|_| drop(self.resolve.send(Message::Stop)));
        prepare.iter().for_each(|_| drop(self.prepare.send(Message::Stop)));
        for thread in resolve.into_iter().chain(prepare) {
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

fn work_off<T>(queue: &Receiver<Message<T>>, run: fn(T), counters: &PoolCounters) {
    while let Ok(Message::Do(work)) = queue.recv() {
        if catch_unwind(AssertUnwindSafe(|| run(work))).is_err() {
            counters.panics.fetch_add(1, Relaxed);
            tracing::error!("a task of the pool panicked");
        }
    }
}
