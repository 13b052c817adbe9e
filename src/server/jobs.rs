//! Jobs on their way from the hub to the pool and back.

use super::{
    hub_link::{Done, HubLink, Results},
    inbox::take_all,
    reply::{Reply, internal_error},
};
use crate::{
    hub::JobId,
    plan::{Event, GroupSpec},
    resolve::{Executor, Pool},
};
use bytes::Bytes;
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// Jobs that go to the pool together: handing one over alone costs more than carrying it out.
const TOGETHER: usize = 32;

/// A result that a group is due.
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) spec: Arc<GroupSpec>,
    pub(super) event: Arc<Event>,
}

/// Where jobs are carried out, and those that have not been handed over yet.
pub(super) struct Jobs {
    pool: Arc<Pool>,
    executor: Executor,
    link: HubLink,
    /// Of this turn; nothing has to be fetched for them.
    gathered: Vec<Job>,
}

impl Jobs {
    pub(super) fn new(pool: Arc<Pool>, executor: Executor, link: HubLink) -> Self {
        Self { pool, executor, link, gathered: Vec::new() }
    }

    /// Has a job carried out. [`Jobs::hand_over`] must follow, once for any number.
    pub(super) fn add(&mut self, job: Job) {
        if !job.spec.is_local() {
            return self.carry_out_alone(job);
        }
        self.gathered.push(job);
        if self.gathered.len() == TOGETHER {
            self.hand_over();
        }
    }

    pub(super) fn hand_over(&mut self) {
        if let Some(jobs) = take_all(&mut self.gathered) {
            let (batch, executor) = (Batch::new(self.link.clone(), jobs), self.executor.clone());
            self.pool.resolve(async move { batch.carry_out(&executor) });
        }
    }

    fn carry_out_alone(&self, Job { id, spec, event }: Job) {
        let (link, shared) = (self.link.clone(), event.clone());
        let reply = Reply::new(move |response: Option<Bytes>| {
            let response = response.unwrap_or_else(internal_error);
            link.resolved(smallvec![Done { job: id, response, event: shared }]);
        });
        let work = self.executor.resolve(spec, event);
        self.pool.resolve(async move { reply.give(work.await) });
    }
}

/// Jobs that are carried out one after the other. All of them answer, whatever becomes of the batch.
struct Batch {
    link: HubLink,
    left: std::vec::IntoIter<Job>,
    /// The one that is being carried out.
    in_hand: Option<Job>,
    done: Results,
}

impl Batch {
    fn new(link: HubLink, jobs: Vec<Job>) -> Self {
        Self { link, done: SmallVec::with_capacity(jobs.len()), in_hand: None, left: jobs.into_iter() }
    }

    fn carry_out(mut self, executor: &Executor) {
        let mut workspace = executor.workspace();
        for job in self.left.by_ref() {
            let Job { spec, event, .. } = self.in_hand.insert(job);
            let response = workspace.resolve(spec, event);
            let done = self.in_hand.take().map(|Job { id, event, .. }| Done { job: id, response, event });
            self.done.extend(done);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let failed = self.in_hand.take().into_iter().chain(self.left.by_ref());
        let answers = failed.map(|Job { id, event, .. }| Done { job: id, response: internal_error(), event });
        self.done.extend(answers);
        self.link.resolved(std::mem::take(&mut self.done));
    }
}
