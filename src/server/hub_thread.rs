//! The hub's thread: carries inputs to the core and its outputs to whoever acts on them.
//!
//! Three queues lead in, so that none can hold up another: results of jobs, asks of sinks, reports of
//! sources. The thread never waits for anybody: jobs are spawned, feeds are started by message, sinks are
//! written to by mail that their credits bound.

use super::{
    clock,
    describe::describe,
    http_streams::HttpStreams,
    inbox::{Bell, BellPull, Mail, bell},
    liveness::Vital,
    mail::{ReactorMail, SinkMail, StreamMail},
    refused::Refused,
    reply::Reply,
    stats::{HubQueues, HubStats},
    upstreams::Upstreams,
};
use crate::{
    graphql::{self, Error},
    hub::{Hub, Input, JobId, Options, Output, Sink, TriggerId},
    plan::{Event, Feed, GroupSpec},
    resolve::{Executor, Pool},
    sources::{FeedSink, Report, Sources, Ticket},
};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use smallvec::{SmallVec, smallvec};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};
use tokio::sync::{Notify, oneshot};

/// Asks that sinks may have waiting; a sink whose ask does not fit keeps it and reads no more sockets.
const ASKS_MAX: usize = 65_536;
/// Events and news of feeds that may be waiting; a source whose report does not fit waits.
const REPORTS_MAX: usize = 16_384;
/// People who may be waiting to see the hub's state.
const QUESTIONS_MAX: usize = 4;
/// Inputs of each queue that one turn takes, so that no queue starves another and a turn stays short.
const TAKEN_PER_TURN: usize = 512;
/// Outputs after which a turn takes no more of a queue: one event may concern thousands of groups.
const OUTPUTS_PER_TURN: usize = 4096;
/// Jobs that go to the pool together, as long as nothing has to be fetched for them: handing one over alone costs more
/// than carrying it out.
const JOBS_TOGETHER: usize = 32;
/// Mail that goes to the reactor together: waking it is a system call, and a message of its own for each piece would cost
/// more than what it says.
const MAIL_TOGETHER: usize = 256;
/// When to offer the numbers again that somebody's reading kept from being published.
const PUBLISH_AGAIN: std::time::Duration = std::time::Duration::from_millis(1);

/// Where the hub's state goes, as JSON.
type Question = oneshot::Sender<Bytes>;

/// Everybody's end of the hub.
#[derive(Clone)]
pub(super) struct HubLink {
    /// As many results as jobs in flight can wait: each owns a place in its group's window.
    results: Sender<Results>,
    asks: Sender<Input>,
    reports: Sender<(Ticket, Report)>,
    /// Told whenever the hub has taken reports.
    room: Arc<Notify>,
    questions: Sender<Question>,
    bell: Bell,
    stopping: Arc<AtomicBool>,
}

impl HubLink {
    /// A sink's join, leave or credit. Comes back when the hub has too many waiting.
    pub(super) fn ask(&self, input: Input) -> Result<(), Input> {
        match self.asks.try_send(input) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(TrySendError::Full(input)) => Err(input),
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    /// The hub's state for people, as JSON; nothing when too many ask at once or the hub has stopped.
    pub(super) fn describe(&self) -> Option<oneshot::Receiver<Bytes>> {
        let (answer, answered) = oneshot::channel();
        self.questions.try_send(answer).ok()?;
        self.bell.ring();
        Some(answered)
    }

    fn resolved(&self, results: Results) {
        let _ = self.results.send(results);
        self.bell.ring();
    }

    /// Ends the thread after its turn.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.bell.ring();
    }
}

impl FeedSink for HubLink {
    fn try_send(&self, ticket: Ticket, report: Report) -> Result<(), Report> {
        match self.reports.try_send((ticket, report)) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(TrySendError::Full((_, report))) => Err(report),
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (reports, room) = (self.reports.clone(), self.room.clone());
        Box::pin(async move {
            let mut told = pin!(room.notified());
            // Listening before looking, so that room made in between is not missed.
            told.as_mut().enable();
            if reports.is_full() {
                told.await;
            }
        })
    }
}

/// The thread's end of [`HubLink`].
pub(super) struct HubInbox {
    link: HubLink,
    results: Receiver<Results>,
    asks: Receiver<Input>,
    reports: Receiver<(Ticket, Report)>,
    questions: Receiver<Question>,
    pull: BellPull,
}

/// The queues of the hub: made first, because everybody needs the link and the hub needs everybody.
pub(super) fn queues() -> (HubLink, HubInbox) {
    let (results, results_taken) = unbounded();
    let (asks, asks_taken) = bounded(ASKS_MAX);
    let (reports, reports_taken) = bounded(REPORTS_MAX);
    let (questions, questions_taken) = bounded(QUESTIONS_MAX);
    let (bell, pull) = bell();
    let (room, stopping) = (Arc::default(), Arc::default());
    let link = HubLink { results, asks, reports, room, questions, bell, stopping };
    let inbox = HubInbox {
        link: link.clone(),
        results: results_taken,
        asks: asks_taken,
        reports: reports_taken,
        questions: questions_taken,
        pull,
    };
    (link, inbox)
}

/// Whom the hub's outputs concern.
pub(super) struct Neighbours {
    pub(super) sources: Arc<Sources>,
    pub(super) pool: Arc<Pool>,
    pub(super) executor: Executor,
    pub(super) reactor: Mail<ReactorMail>,
    pub(super) streams: HttpStreams,
    pub(super) upstreams: Upstreams,
}

pub(super) fn start(
    options: Options,
    inbox: HubInbox,
    neighbours: Neighbours,
    stats: Arc<HubStats>,
    vital: Vital,
) -> std::io::Result<thread::JoinHandle<()>> {
    let hub = Hub::new(options);
    let (refused, jobs, for_reactor, published) = (Refused::default(), Vec::new(), Vec::new(), true);
    let thread = HubThread { hub, inbox, neighbours, stats, refused, jobs, for_reactor, published };
    thread::Builder::new().name("juga-hub".into()).spawn(move || {
        let _vital = vital;
        thread.run();
    })
}

struct HubThread {
    hub: Hub,
    inbox: HubInbox,
    neighbours: Neighbours,
    stats: Arc<HubStats>,
    refused: Refused,
    /// Jobs of this turn that need no fetch and have not been handed over yet.
    jobs: Vec<Job>,
    /// What the reactor has not been told yet.
    for_reactor: Vec<SinkMail>,
    /// The numbers of the last turn are where they can be read.
    published: bool,
}

impl HubThread {
    fn run(mut self) {
        let mut more = false;
        while !self.inbox.link.stopping.load(Ordering::Acquire) {
            if !more {
                self.wait();
            }
            let began = clock::now();
            more = self.take_inputs(began);
            self.refused.look_at_results(began, &self.neighbours.executor);
            self.hub.fire_timers(began);
            self.carry_out();
            self.hand_over_jobs();
            self.tell_reactor();
            self.answer_questions();
            self.stats.turns.record(clock::now().saturating_duration_since(began));
            self.publish_stats();
        }
    }

    fn answer_questions(&self) {
        for question in self.inbox.questions.try_iter() {
            // Whoever asked may have left.
            let _ = question.send(describe(&self.hub));
        }
    }

    fn publish_stats(&mut self) {
        let waiting = HubQueues {
            results: self.inbox.results.len(),
            asks: self.inbox.asks.len(),
            reports: self.inbox.reports.len(),
        };
        self.published = self.stats.publish(&self.hub, waiting);
    }

    fn wait(&self) {
        let timer = self.hub.next_deadline().map(|at| at.saturating_duration_since(clock::now()));
        let publish_again = (!self.published).then_some(PUBLISH_AGAIN);
        self.inbox.pull.wait([timer, publish_again].into_iter().flatten().min());
    }

    /// Results first: they free what events need. Tells whether a queue was left with inputs.
    fn take_inputs(&mut self, now: Instant) -> bool {
        let (asks, reports) = (self.inbox.asks.clone(), self.inbox.reports.clone());
        self.take_results(now);
        self.take_from(now, asks.try_iter());
        let inputs = reports.try_iter().map(|(ticket, report)| input_of(trigger(ticket), report));
        if self.take_from(now, inputs) > 0 {
            self.inbox.link.room.notify_waiters();
        }
        !(self.inbox.results.is_empty() && self.inbox.asks.is_empty() && self.inbox.reports.is_empty())
    }

    /// As [`HubThread::take_from`]; results that came together are handed in together.
    fn take_results(&mut self, now: Instant) {
        let (results, mut taken, mut outputs) = (self.inbox.results.clone(), 0, 0);
        while taken < TAKEN_PER_TURN
            && outputs < OUTPUTS_PER_TURN
            && let Ok(together) = results.try_recv()
        {
            taken += together.len();
            for Done { job, response, event } in together {
                self.hub.give_back(event);
                self.hub.handle(now, Input::Resolved { job, response });
                outputs += self.carry_out();
            }
        }
    }

    /// Hands in one queue's share of a turn; tells how many inputs that was. What each input causes is
    /// carried out before the next, so outputs never gather.
    fn take_from(&mut self, now: Instant, inputs: impl Iterator<Item = Input>) -> usize {
        let (mut taken, mut outputs) = (0, 0);
        for input in inputs.take(TAKEN_PER_TURN) {
            let event_of = match &input {
                Input::Received { trigger, .. } | Input::Labelled { trigger, .. } => Some(*trigger),
                _ => None,
            };
            self.hub.handle(now, input);
            if let Some(trigger) = event_of {
                self.refused.look(now, &self.hub, trigger);
            }
            taken += 1;
            outputs += self.carry_out();
            if outputs >= OUTPUTS_PER_TURN {
                break;
            }
        }
        taken
    }

    /// Does what the hub asks for; tells how much that was.
    fn carry_out(&mut self) -> usize {
        let mut outputs = 0;
        while let Some(output) = self.hub.poll_output() {
            outputs += 1;
            match output {
                Output::StartTrigger { trigger, feed } => match &*feed {
                    Feed::Events(feed) => self.neighbours.sources.start(ticket(trigger), feed),
                    Feed::Upstream(_) => self.neighbours.upstreams.start(ticket(trigger), feed),
                },
                Output::StopTrigger { trigger, feed } => match &*feed {
                    Feed::Events(_) => self.neighbours.sources.stop(ticket(trigger)),
                    Feed::Upstream(it) => self.neighbours.upstreams.stop(ticket(trigger), it),
                },
                Output::Resolve { job, spec, event } => self.resolve(job, spec, event),
                Output::Joined { member, group } => {
                    self.mail(member.sink, SinkMail::Joined { token: member.token, group });
                }
                Output::Deliver { sink, group, response } => {
                    self.mail(sink, SinkMail::Deliver { group, response });
                }
                Output::End { sink, group, reason } => {
                    self.mail(sink, SinkMail::End { group, reason });
                }
            }
        }
        outputs
    }

    /// Puts mail for a sink. The reactor gets it at the end of the turn, or when there is much of it.
    fn mail(&mut self, sink: Sink, mail: SinkMail) {
        match sink {
            Sink::Reactor => {
                self.for_reactor.push(mail);
                if self.for_reactor.len() == MAIL_TOGETHER {
                    self.tell_reactor();
                }
            }
            Sink::Io => self.neighbours.streams.send(StreamMail::FromHub(mail)),
        }
    }

    fn tell_reactor(&mut self) {
        if let Some(mail) = take_all(&mut self.for_reactor, MAIL_TOGETHER) {
            self.neighbours.reactor.send(ReactorMail::FromHub(mail));
        }
    }

    fn resolve(&mut self, job: JobId, spec: Arc<GroupSpec>, event: Arc<Event>) {
        if spec.is_local() {
            self.jobs.push(Job { job, spec, event });
            if self.jobs.len() == JOBS_TOGETHER {
                self.hand_over_jobs();
            }
            return;
        }
        let (link, shared) = (self.inbox.link.clone(), event.clone());
        let reply = Reply::new(move |response: Option<Bytes>| {
            let response = response.unwrap_or_else(internal_error);
            link.resolved(smallvec![Done { job, response, event: shared }]);
        });
        let work = self.neighbours.executor.resolve(spec, event);
        self.neighbours.pool.resolve(async move { reply.give(work.await) });
    }

    fn hand_over_jobs(&mut self) {
        let Some(jobs) = take_all(&mut self.jobs, JOBS_TOGETHER) else { return };
        let batch = Batch::new(self.inbox.link.clone(), jobs);
        let executor = self.neighbours.executor.clone();
        self.neighbours.pool.resolve(async move { batch.carry_out(&executor) });
    }
}

/// What has gathered, with room left for as much again; `None` when that is nothing.
fn take_all<T>(gathered: &mut Vec<T>, room: usize) -> Option<Vec<T>> {
    (!gathered.is_empty()).then(|| std::mem::replace(gathered, Vec::with_capacity(room)))
}

/// A result that a group is due.
struct Job {
    job: JobId,
    spec: Arc<GroupSpec>,
    event: Arc<Event>,
}

/// What became of a job.
struct Done {
    job: JobId,
    response: Bytes,
    event: Arc<Event>,
}

/// What came together.
type Results = SmallVec<[Done; 1]>;

/// Jobs that are carried out one after the other. All of them answer, whatever becomes of the batch.
struct Batch {
    link: HubLink,
    left: std::vec::IntoIter<Job>,
    done: Results,
}

impl Batch {
    fn new(link: HubLink, jobs: Vec<Job>) -> Self {
        Self { link, done: SmallVec::with_capacity(jobs.len()), left: jobs.into_iter() }
    }

    fn carry_out(mut self, executor: &Executor) {
        let mut workspace = executor.workspace();
        for Job { job, spec, event } in self.left.by_ref() {
            let response = workspace.resolve(&spec, &event);
            self.done.push(Done { job, response, event });
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let failed = |Job { job, event, .. }| Done { job, response: internal_error(), event };
        self.done.extend(self.left.by_ref().map(failed));
        self.link.resolved(std::mem::take(&mut self.done));
    }
}

/// The response for an operation that the router itself failed.
pub(super) fn internal_error() -> Bytes {
    let error = Error::new("Internal server error").with_code("INTERNAL_SERVER_ERROR");
    graphql::null_data_response(&[error])
}

/// How sources name a trigger.
pub(super) fn ticket(trigger: TriggerId) -> Ticket {
    Ticket(u64::from(trigger.generation) << 32 | u64::from(trigger.index))
}

/// The trigger of a ticket.
pub(super) fn trigger(ticket: Ticket) -> TriggerId {
    TriggerId { index: ticket.0 as u32, generation: (ticket.0 >> 32) as u32 }
}

fn input_of(trigger: TriggerId, report: Report) -> Input {
    match report {
        Report::Live => Input::TriggerLive { trigger },
        Report::Event { position, payload } => Input::Received { trigger, position, payload },
        Report::Labelled { position, payload, labels } => {
            Input::Labelled { trigger, position, payload, labels }
        }
        Report::Failed(errors) => Input::TriggerFailed { trigger, errors },
        Report::Ended => Input::TriggerEnded { trigger },
        Report::Interrupted => Input::TriggerInterrupted { trigger },
        Report::Restored => Input::TriggerRestored { trigger },
        Report::Lost(events) => Input::Lost { trigger, events },
        Report::Gap => Input::Gap { trigger },
    }
}
