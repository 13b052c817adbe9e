//! One connection to a subgraph.

use super::{super::transport::Transport, LinkKey};
use crate::{
    net::websocket::Receiver,
    plan::Feed,
    protocol::client::Session,
    sources::{Ticket, subgraph::Dialing},
};
use std::{collections::BTreeMap, sync::Arc, time::Instant};

pub(super) struct Link {
    pub(super) key: LinkKey,
    pub(super) generation: u32,
    pub(super) state: State,
    /// By the id under which the subgraph knows them.
    pub(super) feeds: BTreeMap<u64, Listening>,
    next_id: u64,
    /// When it was last left without a feed.
    pub(super) idle_since: Instant,
    /// When its deadlines are looked at next.
    pub(super) due: Instant,
    /// Dials in a row that came to nothing, where the subgraph's subscriptions are to outlive its absence.
    pub(super) attempts: u32,
    /// It was lost, and its feeds wait for it to come back.
    pub(super) interrupted: bool,
}

/// How far a link has come.
pub(super) enum State {
    Dialling {
        _until_done: Dialing,
    },
    Up(Box<Up>),
    /// To be dialled again at this time.
    Waiting(Instant),
}

/// A connection that stands.
pub(super) struct Up {
    pub(super) transport: Transport,
    pub(super) session: Session,
    pub(super) receiver: Receiver,
    /// Bytes to be written, and how many of them are.
    pub(super) out: Vec<u8>,
    pub(super) written: usize,
    /// Since when the socket takes no bytes.
    pub(super) blocked: Option<Instant>,
    /// Since when the subgraph owes us `connection_ack`.
    pub(super) opened: Instant,
    /// When the subgraph last said something.
    pub(super) heard: Instant,
    /// When we asked for a sign of life that has not come.
    pub(super) pinged: Option<Instant>,
    pub(super) readable: bool,
}

/// A feed on a link.
pub(super) struct Listening {
    pub(super) ticket: Ticket,
    pub(super) feed: Arc<Feed>,
    /// Responses so far: positions of this feed.
    pub(super) events: u64,
}

impl Link {
    pub(super) fn new(key: LinkKey, generation: u32, now: Instant) -> Self {
        Self {
            key,
            generation,
            state: State::Waiting(now),
            feeds: BTreeMap::new(),
            next_id: 1,
            idle_since: now,
            due: now,
            attempts: 0,
            interrupted: false,
        }
    }

    /// Adds a feed; its id on this link.
    pub(super) fn add(&mut self, listening: Listening) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.feeds.insert(id, listening);
        id
    }

    pub(super) fn up(&mut self) -> Option<&mut Up> {
        match &mut self.state {
            State::Up(up) => Some(up),
            State::Dialling { .. } | State::Waiting(_) => None,
        }
    }

    pub(super) fn is_acknowledged(&self) -> bool {
        matches!(&self.state, State::Up(up) if up.session.is_acknowledged())
    }
}

impl Up {
    pub(super) fn new(transport: Transport, session: Session, now: Instant) -> Self {
        Self {
            transport,
            session,
            receiver: Receiver::default(),
            out: Vec::new(),
            written: 0,
            blocked: None,
            opened: now,
            heard: now,
            pinged: None,
            readable: false,
        }
    }
}
