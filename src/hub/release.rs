//! From results to sinks: jobs within the window, results in order, deliveries within the credit.
//!
//! A group's response goes to all of its sinks at once or waits for the slowest; other groups go on.

use super::{EndReason, GroupId, Hub, JobId, Output, Sink, queue::Entry};
use crate::plan::Receipt;
use bytes::Bytes;
use std::time::Instant;

impl Hub {
    /// Does all that a group is ready for: releases what is due, then asks for more results.
    pub(super) fn advance(&mut self, now: Instant, id: GroupId) {
        while self.release_one(now, id) {}
        self.start_jobs(id);
    }

    pub(super) fn resolved(&mut self, now: Instant, job: JobId, response: Bytes) {
        let group = self.groups.get_mut(job.group);
        if group.is_some_and(|it| it.queue.finish(job.sequence, response)) {
            self.advance(now, job.group);
        } else {
            self.counters.results_stale += 1;
        }
    }

    pub(super) fn credit(&mut self, now: Instant, sink: Sink, deliveries: u32) {
        let at = sink.index();
        self.credits[at] = self.credits[at].saturating_add(deliveries).min(self.options.credits);
        while self.credits[at] > 0
            && let Some((_, id)) = self.creditless[at].groups.pop_first()
        {
            let group = self.groups.get_mut(id).expect("groups that wait are there");
            group.tickets[at] = None;
            self.advance(now, id);
        }
    }

    /// Hands on what is at the front of a group's queue. `false` when it has to wait.
    fn release_one(&mut self, now: Instant, id: GroupId) -> bool {
        let Some(group) = self.groups.get(id) else { return false };
        let needs_credit = match group.queue.front() {
            None | Some(Entry::Waiting { .. } | Entry::InFlight) => return false,
            Some(Entry::Done(_) | Entry::Notice(_)) => true,
            Some(Entry::Join(_) | Entry::End(_)) => false,
        };
        if needs_credit && !self.has_credit(id) {
            return false;
        }
        let group = self.groups.get_mut(id).expect("just seen");
        match group.queue.pop(&mut self.counters) {
            Some((Entry::Done(response), receipt)) => self.deliver(id, response, receipt),
            Some((Entry::Notice(notice), _)) => self.deliver(id, notice.response(), None),
            Some((Entry::Join(member), _)) => self.joined(id, member),
            Some((Entry::End(reason), _)) => self.end(now, id, &reason),
            Some((Entry::Waiting { .. } | Entry::InFlight, _)) | None => {
                unreachable!("just seen to be ready")
            }
        }
        true
    }

    /// Whether all sinks of a group have credit; where one has not, the group waits for it.
    fn has_credit(&mut self, id: GroupId) -> bool {
        let group = self.groups.get_mut(id).expect("only groups at hand are asked for");
        let mut all = true;
        for sink in group.sinks().map(Sink::index) {
            if self.credits[sink] > 0 {
                continue;
            }
            all = false;
            if group.tickets[sink].is_none() {
                let waiting = &mut self.creditless[sink];
                waiting.groups.insert(waiting.next_ticket, id);
                group.tickets[sink] = Some(waiting.next_ticket);
                waiting.next_ticket += 1;
                self.counters.credit_waits += 1;
            }
        }
        all
    }

    fn deliver(&mut self, id: GroupId, response: Bytes, receipt: Option<Receipt>) {
        let Some(group) = self.groups.get(id) else { return };
        let mut sinks = group.sinks();
        let Some(mut sink) = sinks.next() else { return };
        for next in sinks {
            self.hand_on(sink, id, response.clone(), receipt.clone());
            sink = next;
        }
        // Not a clone for the last one, who is mostly the only one: the first clone of bytes allocates.
        self.hand_on(sink, id, response, receipt);
    }

    fn hand_on(&mut self, sink: Sink, group: GroupId, response: Bytes, receipt: Option<Receipt>) {
        self.credits[sink.index()] -= 1;
        self.counters.delivers += 1;
        self.output.push_back(Output::Deliver { sink, group, response, receipt });
    }

    fn end(&mut self, now: Instant, id: GroupId, reason: &EndReason) {
        let Some(group) = self.groups.get(id) else { return };
        for sink in group.sinks() {
            self.output.push_back(Output::End { sink, group: id, reason: reason.clone() });
        }
        self.drop_group(now, id);
    }

    fn start_jobs(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let window = self.options.window_of(&group.spec);
        while group.queue.open() < window {
            let Some((sequence, event)) = group.queue.start(&mut self.counters) else { return };
            self.counters.resolves += 1;
            let job = JobId { group: id, sequence };
            self.output.push_back(Output::Resolve { job, spec: group.spec.clone(), event });
        }
    }
}
