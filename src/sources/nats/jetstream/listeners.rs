//! The feeds of a stream, and what they are told: that they are live, events, outages, gaps, failures.

use super::{
    filters::overlap,
    routes::Routes,
    stream::{Fate, Look, Mark, Trouble},
};
use crate::{
    plan::Position,
    sources::{
        Counters, Report, Ticket,
        nats::{Shared, marks::is_mark},
        sink::{deliver, unavailable},
    },
};
use async_nats::jetstream::Message;
use std::sync::Arc;

/// See the module's documentation.
pub(super) struct Listeners {
    provider: Arc<Shared>,
    stream: Arc<str>,
    pub(super) routes: Routes,
}

impl Listeners {
    pub(super) fn new(provider: Arc<Shared>, stream: Arc<str>) -> Self {
        Self { provider, stream, routes: Routes::default() }
    }

    /// Behind which message to read: where the reader is, unless somebody new wants to go back.
    pub(super) fn start(&self, reader: Option<&Mark>, look: &Look) -> u64 {
        let mut start = reader.map_or(look.last, |it| it.last);
        for ticket in self.routes.waiting() {
            let from = self.routes.get(ticket).and_then(|it| it.asked.from);
            start = start.min(place_of(from, look).0);
        }
        start
    }

    /// Fails feeds whose subjects the stream does not have: one of them would spoil the consumer for all.
    pub(super) async fn fail_foreign(&mut self, look: &Look) {
        for ticket in self.routes.waiting() {
            let Some(feed) = self.routes.get_mut(ticket) else { continue };
            let has = |subject: &str| look.subjects.iter().any(|it| overlap(subject, it));
            let foreign =
                feed.asked.subjects.iter().find(|it| !look.subjects.is_empty() && !has(it)).cloned();
            if let Some(subject) = foreign {
                self.fail(ticket, &format!("'{subject}' is no subject of the stream")).await;
            }
        }
    }

    /// New feeds are live: whatever comes after their places will be read.
    pub(super) async fn begin(&mut self, waiting: &[Ticket], look: &Look) {
        for ticket in waiting {
            let Some(feed) = self.routes.get_mut(*ticket) else { continue };
            let (place, fate) = place_of(feed.asked.from, look);
            feed.place = Some(place);
            let was_interrupted = std::mem::take(&mut feed.is_interrupted);
            self.tell(*ticket, Report::Live).await;
            if was_interrupted {
                self.tell(*ticket, Report::Restored).await;
            }
            if fate != Fate::Same {
                self.tell_gap(vec![*ticket]).await;
            }
        }
    }

    /// The broker is back for whoever was told that it is away.
    pub(super) async fn restore(&mut self) {
        for ticket in self.routes.started() {
            let Some(feed) = self.routes.get_mut(ticket) else { continue };
            if std::mem::take(&mut feed.is_interrupted) {
                self.tell(ticket, Report::Restored).await;
            }
        }
    }

    /// Gives a message to everyone it is for, waiting for the hub as long as it takes; whether it had to wait.
    pub(super) async fn hand_over(&mut self, sequence: u64, message: &Message) -> bool {
        let mut has_waited = false;
        if is_mark(message) {
            Counters::add(&self.provider.counters.skipped, 1);
            return has_waited;
        }
        for ticket in self.routes.find(&message.subject, sequence) {
            Counters::add(&self.provider.counters.received, 1);
            let (position, payload) = (Position::single(sequence), message.payload.clone());
            has_waited |= self.tell(ticket, Report::Event { position, payload }).await;
            // After it, so that a panic on the way loses nothing.
            self.routes.passed(ticket, sequence);
        }
        has_waited
    }

    pub(super) async fn interrupt(&mut self, tickets: Vec<Ticket>) {
        for ticket in tickets {
            let Some(feed) = self.routes.get_mut(ticket) else { continue };
            if !std::mem::replace(&mut feed.is_interrupted, true) {
                self.tell(ticket, Report::Interrupted).await;
            }
        }
    }

    pub(super) async fn tell_gap(&self, tickets: Vec<Ticket>) {
        tracing::warn!(
            provider = &*self.provider.id,
            stream = &*self.stream,
            feeds = tickets.len(),
            "messages of a JetStream stream were gone before they were read"
        );
        for ticket in tickets {
            self.tell(ticket, Report::Gap).await;
        }
    }

    /// Fails whoever has not started, where waiting would not help.
    pub(super) async fn fail_waiting(&mut self, trouble: &Trouble) {
        let reason = match trouble {
            Trouble::Away(_) => return,
            Trouble::Missing => "there is no such stream",
            Trouble::Refused(reason) => reason,
        };
        for ticket in self.routes.waiting() {
            self.fail(ticket, reason).await;
        }
    }

    async fn fail(&mut self, ticket: Ticket, reason: &str) {
        self.routes.remove(ticket);
        tracing::warn!(
            provider = &*self.provider.id,
            stream = &*self.stream,
            reason,
            "a feed cannot read its JetStream stream"
        );
        let error = unavailable(format!("The stream \"{}\" cannot be read.", self.stream));
        self.tell(ticket, Report::Failed([error].into())).await;
    }

    /// Whether the hub had no room at first.
    async fn tell(&self, ticket: Ticket, report: Report) -> bool {
        deliver(&self.provider.sink, ticket, report).await
    }
}

/// Where a new feed starts, and what became of the place that it asks for.
fn place_of(from: Option<u64>, look: &Look) -> (u64, Fate) {
    let Some(from) = from else { return (look.last, Fate::Same) };
    match look.fate_of(&look.behind(from)) {
        Fate::Same => (from, Fate::Same),
        // What is gone is not waited for.
        Fate::Trimmed(first) => (first - 1, Fate::Trimmed(first)),
        // A place that the stream never had is one of another stream of that name.
        Fate::Other => (0, Fate::Other),
    }
}
