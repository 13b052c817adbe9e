//! What a subgraph says, and what it means for its feeds.

use super::{LinkId, Upstreams, endings::Loss};
use crate::{
    net::websocket::{CloseCode, Violation},
    plan::Position,
    protocol::client::Heard,
    resolve::{UpstreamLoss, terminal_errors},
    sources::Report,
};
use bytes::Bytes;
use std::time::Instant;

/// The code for a message that the subprotocol does not have.
const BAD_MESSAGE: u16 = 4400;

impl Upstreams {
    pub(super) fn hear(&mut self, now: Instant, id: LinkId, text: &str) {
        let Some(up) = self.links[id.index as usize].up() else { return };
        match up.session.receive(text) {
            Heard::Nothing => {}
            Heard::Acknowledged => self.acknowledged(now, id),
            Heard::Next { id: number, response } => self.next(id, number, response),
            Heard::Failed { id: number, errors } => {
                let errors = self.told(id, errors);
                self.ended(now, id, number, Report::Failed(errors));
            }
            Heard::Completed { id: number } => self.ended(now, id, number, Report::Ended),
            Heard::Ping { payload } => self.say(now, id, |session, out| session.write_pong(payload, out)),
            Heard::Refused { reason } => {
                let errors = self.told(id, reason);
                self.lose(now, id, &Loss::Unwanted(errors));
            }
            Heard::Violation(reason) => {
                tracing::warn!(
                    subgraph = &*self.target(id).name,
                    reason,
                    "a subgraph breaks its subprotocol"
                );
                self.close(id, CloseCode::from(BAD_MESSAGE), reason);
                self.lose(now, id, &Loss::BROKEN);
            }
        }
    }

    /// A message was beyond the limit. The subscription that it is for ends; without one, the connection does.
    pub(super) fn hear_of_skipped(&mut self, now: Instant, id: LinkId, start: &[u8]) {
        let bytes_max = self.around.options.message_bytes_max;
        let name = self.target(id).name.clone();
        tracing::warn!(subgraph = &*name, bytes_max, "a message of a subgraph is too large");
        let Some(up) = self.links[id.index as usize].up() else { return };
        let Some(number) = up.session.id_at_start(start) else {
            let violation = Violation::TooBig;
            self.close(id, violation.close_code(), &violation.to_string());
            return self.lose(now, id, &Loss::BROKEN);
        };
        let loss = UpstreamLoss::TooLong { bytes_max };
        let errors = loss.errors(&self.around.errors, &name);
        let link = &mut self.links[id.index as usize];
        if let Some(listening) = link.feeds.get(&number) {
            let ticket = listening.ticket;
            self.leave(now, ticket);
            self.report(ticket, Report::Failed(errors));
        }
    }

    fn acknowledged(&mut self, now: Instant, id: LinkId) {
        self.links[id.index as usize].interrupted = false;
        self.want_to_ask(id);
        self.look_at(now, id);
    }

    /// A response of a feed; one that was just left is nobody's.
    fn next(&mut self, id: LinkId, number: u64, response: &str) {
        let Some(listening) = self.links[id.index as usize].feeds.get_mut(&number) else { return };
        listening.events += 1;
        let (ticket, position) = (listening.ticket, Position::single(listening.events));
        let payload = Bytes::copy_from_slice(response.as_bytes());
        self.report(ticket, Report::Event { position, payload });
    }

    /// A feed is over; the link stays.
    fn ended(&mut self, now: Instant, id: LinkId, number: u64, report: Report) {
        let link = &mut self.links[id.index as usize];
        let Some(listening) = link.feeds.remove(&number) else { return };
        if link.feeds.is_empty() {
            link.idle_since = now;
        }
        self.by_ticket.remove(&listening.ticket);
        self.report(listening.ticket, report);
        self.look_at(now, id);
    }

    /// What the subgraph gives as the reason, for its subscribers.
    fn told(&self, id: LinkId, errors: &str) -> crate::graphql::Errors {
        let json = Bytes::copy_from_slice(errors.as_bytes());
        terminal_errors(&self.around.errors, &self.target(id).name, json)
    }
}
