//! How a link ends, and what its feeds are told.

use super::{
    LinkId, Upstreams,
    link::{Stage, State},
};
use crate::{
    graphql::Errors,
    net::websocket::CloseCode,
    resolve::{UpstreamLoss, refusal_errors},
    sources::{
        Report,
        subgraph::{DialError, reconnect_wait},
    },
};
use std::time::Instant;

/// Why a link is gone.
#[derive(Clone, Debug)]
pub(super) enum Loss {
    Upstream(UpstreamLoss),
    /// The subgraph does not want us, and says why.
    Unwanted(Errors),
}

impl Loss {
    pub(super) const BROKEN: Self = Self::Upstream(UpstreamLoss::Broken);

    /// Whether the subgraph says that a message of ours was too large.
    fn is_for_size(&self) -> bool {
        let code = CloseCode::MESSAGE_TOO_BIG.get();
        matches!(self, Self::Upstream(UpstreamLoss::Closed { code: Some(it), .. }) if *it == code)
    }
}

impl Upstreams {
    pub(super) fn not_dialed(&mut self, now: Instant, id: LinkId, error: &DialError) {
        let loss = match error {
            DialError::Refused { status, body } => {
                let told = refusal_errors(&self.around.errors, &self.target(id).name, body.clone(), *status);
                told.map_or(Loss::Upstream(UpstreamLoss::Refused(*status)), Loss::Unwanted)
            }
            DialError::Unreachable(_) | DialError::Timeout(_) => Loss::BROKEN,
        };
        tracing::warn!(subgraph = &*self.target(id).name, %error, "no WebSocket to a subgraph");
        self.lose(now, id, &loss);
    }

    /// A link is gone. Its feeds end, or wait where the subgraph's subscriptions are to outlive its absence.
    pub(super) fn lose(&mut self, now: Instant, id: LinkId, loss: &Loss) {
        let target = self.target(id);
        let (name, reconnect) = (target.name.clone(), target.reconnect);
        let link = &mut self.links[id.index as usize];
        let had_stood = link.is_acknowledged() || link.interrupted;
        if !link.feeds.is_empty() {
            tracing::warn!(subgraph = &*name, ?loss, "a WebSocket to a subgraph was lost");
        }
        // A subscription that has the connection to itself would be too large the next time, too.
        let is_final = link.key.is_for_one && loss.is_for_size();
        if reconnect && had_stood && !is_final && !link.feeds.is_empty() {
            return self.interrupt(now, id);
        }
        let errors = match loss {
            Loss::Upstream(loss) => loss.errors(&self.around.errors, &name),
            Loss::Unwanted(errors) => errors.clone(),
        };
        let chance = self.chance();
        let mut link = self.links.remove(id.index as usize);
        self.by_key.remove(&link.key);
        let attempts = link.count_attempt(now);
        self.resting.add(now, link.key, attempts, chance);
        for listening in link.feeds.into_values() {
            self.by_ticket.remove(&listening.ticket);
            self.report(listening.ticket, Report::Failed(errors.clone()));
        }
    }

    /// Closes a link that nobody needs any more.
    pub(super) fn retire(&mut self, id: LinkId) {
        self.close(id, CloseCode::NORMAL, "");
        let link = self.links.remove(id.index as usize);
        self.by_key.remove(&link.key);
    }

    /// Keeps the feeds, and comes back later.
    fn interrupt(&mut self, now: Instant, id: LinkId) {
        let chance = self.chance();
        let link = &mut self.links[id.index as usize];
        link.interrupted = true;
        let attempts = link.count_attempt(now);
        link.state = State::Waiting(now + reconnect_wait(attempts - 1, chance));
        let live = link.feeds.values_mut().filter(|it| it.stage == Stage::Live);
        let interrupted: Vec<_> = live
            .map(|it| {
                it.stage = Stage::Interrupted;
                it.ticket
            })
            .collect();
        interrupted.into_iter().for_each(|it| self.report(it, Report::Interrupted));
        self.look_at(now, id);
    }
}
