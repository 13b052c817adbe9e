//! One connection to a subgraph.

use super::{super::transport::Transport, LinkKey, resting::Rest};
use crate::{
    net::websocket::Receiver,
    plan::Feed,
    protocol::client::Session,
    sources::{Ticket, subgraph::Dialing},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

/// A connection that stood for so long says nothing against the next one.
const STEADY: Duration = Duration::from_secs(30);

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
    /// Connections in a row that never stood, or not for long.
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
    /// Bytes of subscribes that were put into `out` since it was last empty.
    pub(super) asked_bytes: usize,
    /// Feeds with this id and beyond are yet to be asked for on this connection.
    pub(super) next_to_ask: u64,
    /// Feeds that were asked for and are to be taken back.
    pub(super) to_leave: VecDeque<u64>,
    /// It waits for its turn to ask.
    pub(super) asking: bool,
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
    pub(super) stage: Stage,
}

/// What the hub knows of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    New,
    Live,
    Interrupted,
}

impl Link {
    /// To be dialled at once, or when its subgraph has had its rest.
    pub(super) fn new(key: LinkKey, generation: u32, now: Instant, rest: Option<Rest>) -> Self {
        let Rest { until, attempts } = rest.unwrap_or(Rest { until: now, attempts: 0 });
        Self {
            key,
            generation,
            state: State::Waiting(until),
            feeds: BTreeMap::new(),
            next_id: 1,
            idle_since: now,
            due: now,
            attempts,
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

    /// Connections in a row that came to nothing, counting the present one, which is over.
    pub(super) fn count_attempt(&mut self, now: Instant) -> u32 {
        if let State::Up(up) = &self.state
            && up.session.is_acknowledged()
            && now.saturating_duration_since(up.opened) >= STEADY
        {
            self.attempts = 0;
        }
        self.attempts = self.attempts.saturating_add(1);
        self.attempts
    }

    /// Whether something is to be asked for or taken back.
    pub(super) fn has_to_ask(&self) -> bool {
        let State::Up(up) = &self.state else { return false };
        let has_new = || self.feeds.range(up.next_to_ask..).next().is_some();
        up.session.is_acknowledged() && (!up.to_leave.is_empty() || has_new())
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
            asked_bytes: 0,
            next_to_ask: 0,
            to_leave: VecDeque::new(),
            asking: false,
            blocked: None,
            opened: now,
            heard: now,
            pinged: None,
            readable: false,
        }
    }
}
