//! Handing a group's response to its audience.
//!
//! A delivery becomes one shared frame and an entry in the queue of each member's connection. Wide
//! audiences are walked in parts, over several turns; the hub's next mail waits meanwhile, so that every
//! member sees deliveries in order.

use super::{
    PHASE, Reactor,
    outbox::{FrameKey, FrameKind},
    subscriptions::{Stage, SubscriptionKey},
};
use crate::{
    graphql,
    hub::{EndReason, GroupId},
    plan::Receipt,
    server::clock::Slice,
};
use bytes::Bytes;

/// Members handed their frame in one turn, by all its deliveries.
const MEMBERS_PER_TURN: usize = 16_384;
/// Entries that may wait for their turn to be written before another member gets one: the walk goes on when
/// sockets have taken some. (Entries of sockets that refuse bytes have bounds of their own.)
const WAITING_MAX: usize = 262_144;

/// A delivery on its way through an audience.
pub(super) struct Walk {
    group: GroupId,
    frame: FrameKey,
    kind: FrameKind,
    /// Until the first member has the frame.
    receipt: Option<Receipt>,
}

impl Reactor {
    pub(super) fn begin_delivery(
        &mut self,
        group: GroupId,
        response: Bytes,
        receipt: Option<Receipt>,
        slice: &mut Slice,
    ) {
        let walk = self.begin(group, FrameKind::Next, response);
        self.walk_audience(Walk { receipt, ..walk }, slice);
    }

    pub(super) fn begin_end(&mut self, group: GroupId, reason: EndReason, slice: &mut Slice) {
        let walk = match reason {
            EndReason::Complete => self.begin(group, FrameKind::Complete, Bytes::new()),
            EndReason::Errors(errors) => {
                let mut payload = Vec::new();
                graphql::write_errors(&errors, &mut payload);
                self.begin(group, FrameKind::Failure, payload.into())
            }
        };
        self.walk_audience(walk, slice);
    }

    fn begin(&mut self, group: GroupId, kind: FrameKind, payload: Bytes) -> Walk {
        let frame = self.outbox.share(kind, payload);
        self.audiences.begin(group);
        Walk { group, frame, kind, receipt: None }
    }

    /// Goes on with the delivery that the last turn left.
    pub(super) fn walk_on(&mut self) {
        self.handed = 0;
        if let Some(walk) = self.walk.take() {
            self.walk_audience(walk, &mut Slice::new(PHASE));
        }
    }

    fn walk_audience(&mut self, mut walk: Walk, slice: &mut Slice) {
        while self.handed < MEMBERS_PER_TURN && self.outbox.waiting() < WAITING_MAX && !slice.is_over() {
            let Some(member) = self.audiences.step(walk.group, &self.subscriptions) else {
                self.outbox.release(walk.frame);
                // Ends cost no credit: there is one for each group at most.
                self.credits += u32::from(walk.kind == FrameKind::Next);
                return;
            };
            self.hand(member, &walk);
            walk.receipt.take().iter().for_each(Receipt::settle);
            self.handed += 1;
        }
        self.walk = Some(walk);
    }

    fn hand(&mut self, member: SubscriptionKey, walk: &Walk) {
        if walk.kind != FrameKind::Next {
            self.audiences.leave(walk.group, member, &mut self.subscriptions);
            self.subscriptions[member].stage = Stage::Ending;
        }
        self.queue(member, walk.frame);
    }

    /// Queues a frame for a subscription.
    pub(super) fn queue(&mut self, subscription: SubscriptionKey, frame: FrameKey) {
        let key = self.subscriptions[subscription].connection;
        let token = self.subscriptions.token(subscription);
        self.outbox.push(&mut self.connections[key].queue, token, frame);
        self.after_push(key);
    }
}
