//! The hub's thread: carries inputs to the core and its outputs to whoever acts on them.
//!
//! What leads in is in `hub_link`. The thread never waits for anybody: jobs go to the pool (`jobs`), feeds are started
//! by message, sinks are written to by mail that their credits bound.

use super::{
    clock,
    describe::describe,
    http_streams::HttpStreams,
    hub_link::{Done, HubInbox},
    inbox::{Mail, take_all},
    jobs::{Job, Jobs},
    liveness::Vital,
    mail::{ReactorMail, SinkMail, StreamMail},
    refused::Refused,
    stats::HubStats,
    upstreams::Upstreams,
};
use crate::{
    graphql::json::STACK_BYTES,
    hub::{Hub, Input, Options, Output, Sink, TriggerId},
    plan::Feed,
    resolve::Executor,
    sources::{Report, Sources, Ticket},
};
use std::{sync::Arc, thread, time::Instant};

/// Inputs of each queue that one turn takes, so that no queue starves another and a turn stays short.
const TAKEN_PER_TURN: usize = 512;
/// Outputs after which a turn takes no more of a queue: one event may concern thousands of groups.
const OUTPUTS_PER_TURN: usize = 4096;
/// Mail that goes to the reactor together: waking it is a system call, and a message of its own for each piece would cost
/// more than what it says.
const MAIL_TOGETHER: usize = 256;
/// When to offer the numbers again that somebody's reading kept from being published.
const PUBLISH_AGAIN: std::time::Duration = std::time::Duration::from_millis(1);

/// Whom the hub's outputs concern.
pub(super) struct Neighbours {
    pub(super) sources: Arc<Sources>,
    pub(super) jobs: Jobs,
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
    let (refused, for_reactor, published) = (Refused::default(), Vec::new(), true);
    let thread = HubThread { hub, inbox, neighbours, stats, refused, for_reactor, published };
    thread::Builder::new().name("juga-hub".into()).stack_size(STACK_BYTES).spawn(move || {
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
    /// What the reactor has not been told yet.
    for_reactor: Vec<SinkMail>,
    /// The numbers of the last turn are where they can be read.
    published: bool,
}

impl HubThread {
    fn run(mut self) {
        let mut more = false;
        while !self.inbox.is_stopping() {
            if !more {
                self.wait();
            }
            let began = clock::now();
            more = self.take_inputs(began);
            self.refused.look_at_results(began, &self.neighbours.executor);
            self.hub.fire_timers(began);
            self.carry_out();
            self.neighbours.jobs.hand_over();
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
        self.published = self.stats.publish(&self.hub, self.inbox.waiting());
    }

    fn wait(&self) {
        let timer = self.hub.next_deadline().map(|at| at.saturating_duration_since(clock::now()));
        let publish_again = (!self.published).then_some(PUBLISH_AGAIN);
        self.inbox.wait([timer, publish_again].into_iter().flatten().min());
    }

    /// Results first: they free what events need. Tells whether a queue was left with inputs.
    fn take_inputs(&mut self, now: Instant) -> bool {
        let (asks, reports) = (self.inbox.asks.clone(), self.inbox.reports.clone());
        self.take_results(now);
        self.take_from(now, asks.try_iter());
        let inputs = reports.try_iter().map(|(ticket, report)| input_of(trigger(ticket), report));
        if self.take_from(now, inputs) > 0 {
            self.inbox.tell_of_room();
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
                Input::Received { trigger, .. }
                | Input::Labelled { trigger, .. }
                | Input::Kept { trigger, .. } => Some(*trigger),
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
                Output::Resolve { job, spec, event } => {
                    self.neighbours.jobs.add(Job { id: job, spec, event })
                }
                Output::Joined { member, group } => {
                    self.mail(member.sink, SinkMail::Joined { token: member.token, group });
                }
                Output::Deliver { sink, group, response, receipt } => {
                    self.mail(sink, SinkMail::Deliver { group, response, receipt });
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
        if let Some(mail) = take_all(&mut self.for_reactor) {
            self.neighbours.reactor.send(ReactorMail::FromHub(mail));
        }
    }
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
        Report::Remembered => Input::TriggerRemembered { trigger },
        Report::Event { position, payload } => Input::Received { trigger, position, payload },
        Report::Labelled { position, payload, labels } => {
            Input::Labelled { trigger, position, payload, labels }
        }
        Report::Kept { position, payload, receipt } => Input::Kept { trigger, position, payload, receipt },
        Report::Failed(errors) => Input::TriggerFailed { trigger, errors },
        Report::Ended => Input::TriggerEnded { trigger },
        Report::Interrupted => Input::TriggerInterrupted { trigger },
        Report::Restored => Input::TriggerRestored { trigger },
        Report::Lost(events) => Input::Lost { trigger, events },
        Report::Gap => Input::Gap { trigger },
    }
}
