//! WebSockets to subgraphs: subscriptions that a subgraph serves.
//!
//! Subscriptions on behalf of equal clients share one connection ([`Link`]), unless one is large; each is a feed to
//! the hub. A link is dialled on the io thread and owned here, like every WebSocket. In reading order: this file has
//! the table and the verbs of the outside, `link` one connection's state, `reading` and `writing` its
//! bytes, `asking` what it asks for, `hearing` what the subgraph says, `timers` its deadlines, `endings` how it
//! ends, and `resting` when it is dialled again.

mod asking;
mod endings;
mod hearing;
mod link;
mod reading;
mod resting;
mod timers;
mod writing;

use super::super::{
    hub_link::HubLink,
    inbox::Mail,
    mail::ReactorMail,
    upstreams::{Target, UpstreamOptions},
};
use crate::{
    net::timer::{SLOTS_DEFAULT, TICK_DEFAULT, TimerKey, TimerWheel},
    plan::{Feed, HeaderList, SubgraphId, UpstreamFeed},
    resolve::ErrorPropagation,
    sources::{
        FeedSink, Report, Ticket,
        subgraph::{Dial, DialError, Dialed, SubgraphClient},
    },
};
use bytes::Bytes;
use link::{Link, Listening, Stage, State};
use mio::{Registry, Token};
use resting::Resting;
use slab::Slab;
use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

/// Tokens of links have this bit, so that they are told from clients' connections.
const TOKEN_BIT: usize = 1 << 40;

/// What the links need of the rest.
pub(super) struct Surroundings {
    pub(super) registry: Registry,
    pub(super) hub: HubLink,
    pub(super) mail: Mail<ReactorMail>,
    pub(super) client: SubgraphClient,
    /// By [`SubgraphId`].
    pub(super) targets: Arc<[Target]>,
    pub(super) options: UpstreamOptions,
    pub(super) errors: ErrorPropagation,
}

/// All links and the feeds on them.
pub(super) struct Upstreams {
    around: Surroundings,
    links: Slab<Link>,
    generation: u32,
    /// Those that are shared.
    by_key: HashMap<LinkKey, LinkId>,
    /// Which link a feed is on, and its id there.
    by_ticket: HashMap<Ticket, (LinkId, u64)>,
    wheel: TimerWheel,
    expired: Vec<TimerKey>,
    /// Links with input, in the order in which they get their turn.
    readable: VecDeque<LinkId>,
    /// Links that have something to ask for, in the same way.
    asking: VecDeque<LinkId>,
    resting: Resting,
    /// Reports that the hub had no room for, in order. While there are any, no link is read.
    waiting: VecDeque<(Ticket, Report)>,
    /// Masks must be hard to guess: a keyed hash of a counter is.
    masks: (RandomState, u64),
}

/// A link, by slot; whoever moves into the slot later has another generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::server) struct LinkId {
    index: u32,
    generation: u32,
}

/// Whose subscriptions may share a connection: those whose handshakes would be equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LinkKey {
    subgraph: SubgraphId,
    headers: Option<HeaderList>,
    init_payload: Option<Bytes>,
    /// For one subscription: such a connection is shared with no other, and what becomes of it is not held against
    /// those that are shared.
    is_for_one: bool,
}

impl LinkKey {
    fn of(feed: &UpstreamFeed) -> Self {
        Self {
            is_for_one: asking::is_large(feed),
            subgraph: feed.subgraph,
            headers: feed.forwarded.headers(feed.subgraph).cloned(),
            init_payload: feed.forwarded.init_payload.clone(),
        }
    }
}

impl Upstreams {
    pub(super) fn new(around: Surroundings, now: Instant) -> Self {
        Self {
            around,
            links: Slab::new(),
            generation: 0,
            by_key: HashMap::new(),
            by_ticket: HashMap::new(),
            wheel: TimerWheel::new(now, TICK_DEFAULT, SLOTS_DEFAULT),
            expired: Vec::new(),
            readable: VecDeque::new(),
            asking: VecDeque::new(),
            resting: Resting::default(),
            waiting: VecDeque::new(),
            masks: (RandomState::new(), 0),
        }
    }

    /// Starts a feed: on a link that is there already, or on one that is dialled for it.
    pub(super) fn listen(&mut self, now: Instant, ticket: Ticket, feed: Arc<Feed>) {
        let Feed::Upstream(upstream) = &*feed else { return };
        if let Some(error) = asking::refusal(upstream) {
            return self.report(ticket, Report::Failed(error.into()));
        }
        let key = LinkKey::of(upstream);
        let id = match self.by_key.get(&key) {
            Some(id) => *id,
            None => self.add_link(now, key),
        };
        let link = &mut self.links[id.index as usize];
        let number = link.add(Listening { ticket, feed, events: 0, stage: Stage::New });
        self.by_ticket.insert(ticket, (id, number));
        if matches!(link.state, State::Waiting(_)) {
            self.look_at(now, id);
        }
        self.want_to_ask(id);
    }

    /// Stops a feed. The link stays for a while: clients often come back.
    pub(super) fn leave(&mut self, now: Instant, ticket: Ticket) {
        let Some((id, number)) = self.by_ticket.remove(&ticket) else { return };
        let link = &mut self.links[id.index as usize];
        link.feeds.remove(&number);
        if link.feeds.is_empty() {
            link.idle_since = now;
        }
        if let Some(up) = link.up().filter(|it| number < it.next_to_ask) {
            up.to_leave.push_back(number);
        }
        self.want_to_ask(id);
        self.look_at(now, id);
    }

    /// A link's connection stands, or will not.
    pub(super) fn dialed(&mut self, now: Instant, id: LinkId, result: Result<Dialed, DialError>) {
        if !self.is_known(id) {
            return;
        }
        match result {
            Ok(dialed) => self.open(now, id, dialed),
            Err(error) => self.not_dialed(now, id, &error),
        }
    }

    /// Offers the hub again what it had no room for.
    pub(super) fn hand_over_waiting(&mut self) {
        while let Some((ticket, report)) = self.waiting.pop_front() {
            if let Err(report) = self.around.hub.try_send(ticket, report) {
                self.waiting.push_front((ticket, report));
                break;
            }
        }
    }

    /// Whether the hub has no room for what subgraphs send.
    pub(super) fn is_paused(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the next turn has something to do at once.
    pub(super) fn has_work(&self) -> bool {
        let has_turns = !self.readable.is_empty() || !self.asking.is_empty();
        !self.expired.is_empty() || (has_turns && !self.is_paused())
    }

    pub(super) fn next_wake(&self, now: Instant) -> Option<Duration> {
        self.wheel.next_wake(now)
    }

    pub(super) fn links(&self) -> usize {
        self.links.len()
    }

    pub(super) fn feeds(&self) -> usize {
        self.by_ticket.len()
    }

    fn add_link(&mut self, now: Instant, key: LinkKey) -> LinkId {
        self.generation = self.generation.wrapping_add(1);
        let index = u32::try_from(self.links.vacant_key()).expect("fewer than 2^32 links");
        let id = LinkId { index, generation: self.generation };
        let rest = self.resting.take(now, &key);
        self.links.insert(Link::new(key.clone(), self.generation, now, rest));
        if !key.is_for_one {
            self.by_key.insert(key, id);
        }
        id
    }

    /// Has the io thread make the link's connection; the outcome comes as mail.
    fn dial(&mut self, id: LinkId) {
        let link = &mut self.links[id.index as usize];
        let target = &self.around.targets[usize::from(link.key.subgraph.0)];
        let dial = Dial {
            subgraph: link.key.subgraph,
            uri: target.uri.clone(),
            headers: link.key.headers.clone(),
            protocols: target.protocols,
            timeout: target.dial_timeout,
        };
        let mail = self.around.mail.clone();
        let done = move |result| mail.send(ReactorMail::Dialed { link: id, result });
        link.state = State::Dialling { _until_done: self.around.client.dial(dial, done) };
    }

    fn is_known(&self, id: LinkId) -> bool {
        self.links.get(id.index as usize).is_some_and(|it| it.generation == id.generation)
    }

    fn target(&self, id: LinkId) -> &Target {
        &self.around.targets[usize::from(self.links[id.index as usize].key.subgraph.0)]
    }

    /// Tells the hub about a feed, now or as soon as it has room.
    fn report(&mut self, ticket: Ticket, report: Report) {
        if !self.waiting.is_empty() {
            return self.waiting.push_back((ticket, report));
        }
        if let Err(report) = self.around.hub.try_send(ticket, report) {
            self.waiting.push_back((ticket, report));
        }
    }

    /// A number in `0.0..=1.0`, hard to guess.
    fn chance(&mut self) -> f64 {
        let [a, b, ..] = self.mask();
        f64::from(u16::from_ne_bytes([a, b])) / f64::from(u16::MAX)
    }

    fn mask(&mut self) -> [u8; 4] {
        self.masks.1 += 1;
        let [a, b, c, d, ..] = self.masks.0.hash_one(self.masks.1).to_ne_bytes();
        [a, b, c, d]
    }
}

impl LinkId {
    fn token(self) -> Token {
        Token(TOKEN_BIT | self.index as usize)
    }

    fn timer(self) -> TimerKey {
        TimerKey(u64::from(self.generation) << 32 | u64::from(self.index))
    }
}

/// Whether a token is a link's.
pub(super) fn owns(token: Token) -> bool {
    token.0 & TOKEN_BIT != 0 && token.0 != usize::MAX
}
