//! The reactor: one thread that owns every WebSocket.
//!
//! A turn reads as its phases: wait, fire timers, walk audiences, take mail, read, flush, sweep. Each phase
//! has a budget, and what it leaves is the next turn's, so that no burst, however wide, keeps a ping
//! waiting for longer than a turn. Nothing here waits for anybody: when the hub or the prepare lane takes
//! no more, sockets are not read until it does.
//!
//! What a message *means* is `protocol`'s, what an operation means is the engine's and the hub's; here are
//! sockets, bytes and the lists that connect them.

mod audience;
mod connections;
mod delivering;
mod draining;
mod keep_alive;
mod operations;
mod outbox;
mod reading;
mod subscriptions;
mod timers;
mod transport;
mod upstream;
mod writing;

use super::{
    abandon::Abandon,
    clock::{self, Slice},
    hub_link::HubLink,
    inbox::{Mail, Mailbox, mailbox},
    liveness::Vital,
    mail::{Newcomer, ReactorMail, SinkMail},
    outbound::OutboundTotal,
    spread::Spread,
    stats::ReactorStats,
    upstreams::{Target, UpstreamOptions},
};
use crate::{
    graphql::json::STACK_BYTES,
    hub::Input,
    net::timer::{SLOTS_DEFAULT, TICK_DEFAULT, TimerKey, TimerWheel},
    protocol::{Close, Dialect},
    resolve::{ErrorPropagation, Executor, Pool, Work},
    sources::subgraph::SubgraphClient,
};
use audience::Audiences;
use connections::{ConnectionKey, Connections};
use delivering::Walk;
use keep_alive::KeepAlives;
use mio::{Events, Poll, Token, event::Event};
use outbox::Outbox;
use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use subscriptions::{SubscriptionKey, Subscriptions};
use transport::Transport;
pub(super) use upstream::LinkId;
use upstream::{Surroundings, Upstreams};

/// Bounds and times of WebSocket connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections at once; further ones are closed with 1013.
    pub connections_max: usize,
    /// Operations in flight on one connection; further ones get an error.
    pub subscriptions_per_connection_max: usize,
    /// Bytes of one message from a client; longer ones close the connection with 1009.
    pub message_bytes_max: usize,
    /// Bytes that may wait for a client that does not read; beyond, it is closed with 1013.
    pub outbound_queue_bytes_max: usize,
    /// Bytes of frames that may wait for all clients that do not read, each frame counted once.
    pub outbound_total_bytes_max: usize,
    /// From the upgrade to `connection_init`; then 4408.
    pub connection_init_timeout: Duration,
    /// Silence after which a client is pinged; two unanswered pings end the connection. Zero: never.
    pub ping_interval: Duration,
    /// Time between the keep-alive messages of the legacy dialect. Zero: none.
    pub legacy_keep_alive_interval: Duration,
    /// How long a closing connection may take to write what is left.
    pub write_timeout: Duration,
    /// Answer a client's `complete` with `complete`.
    pub echo_complete: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections_max: 100_000,
            subscriptions_per_connection_max: 1000,
            message_bytes_max: 256_000,
            outbound_queue_bytes_max: 4_000_000,
            outbound_total_bytes_max: 512_000_000,
            connection_init_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(20),
            legacy_keep_alive_interval: Duration::from_secs(20),
            write_timeout: Duration::from_secs(10),
            echo_complete: false,
        }
    }
}

/// Whom operations are handed to.
pub(super) struct Neighbours {
    pub(super) pool: Arc<Pool>,
    pub(super) executor: Executor,
    pub(super) hub: HubLink,
    pub(super) subgraphs: SubgraphClient,
    /// Where subgraphs serve subscriptions.
    pub(super) targets: Arc<[Target]>,
    pub(super) upstream: UpstreamOptions,
    pub(super) errors: ErrorPropagation,
    /// Shared with those who write to other clients.
    pub(super) outbound_total: OutboundTotal,
}

/// The reactor's poller and mailbox, made before the threads that write to it.
pub(super) struct Seat {
    poll: Poll,
    /// For those who register sockets beside the reactor.
    registry: mio::Registry,
    mailbox: Mailbox<ReactorMail>,
}

const WAKER: Token = Token(usize::MAX);

pub(super) fn seat() -> io::Result<(Mail<ReactorMail>, Seat)> {
    let poll = Poll::new()?;
    let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
    let (mail, mailbox) = mailbox(waker);
    let registry = poll.registry().try_clone()?;
    Ok((mail, Seat { poll, registry, mailbox }))
}

pub(super) fn start(
    options: Options,
    seat: Seat,
    mail: Mail<ReactorMail>,
    neighbours: Neighbours,
    stats: Arc<ReactorStats>,
    vital: Vital,
) -> io::Result<thread::JoinHandle<()>> {
    let reactor = Reactor::new(options, seat, mail, neighbours, stats);
    thread::Builder::new().name("juga-reactor".into()).stack_size(STACK_BYTES).spawn(move || {
        let _vital = vital;
        reactor.run();
    })
}

/// Units of mail taken in a turn; adopting a socket costs [`ADOPT_COST`] of them.
const MAIL_PER_TURN: usize = 4096;
const ADOPT_COST: usize = 16;
/// What a phase may take of a turn, whatever its budget in pieces: how long those take depends on their
/// size and on the machine.
const PHASE: Duration = Duration::from_millis(3);
/// How long to wait when sockets must not be read because the hub or the prepare lane is full.
const PAUSE: Duration = Duration::from_millis(1);

struct Reactor {
    options: Options,
    poll: Poll,
    events: Events,
    mailbox: Mailbox<ReactorMail>,
    /// What is left of the hub's mail that was opened last.
    from_hub: std::vec::IntoIter<SinkMail>,
    mail: Mail<ReactorMail>,
    neighbours: Neighbours,
    stats: Arc<ReactorStats>,

    connections: Connections,
    upstreams: Upstreams,
    subscriptions: Subscriptions,
    audiences: Audiences,
    /// Queries being carried out, by their operation's token: they end with it.
    executing: HashMap<u64, Abandon>,
    outbox: Outbox,
    wheel: TimerWheel,
    keep_alives: KeepAlives,

    /// Connections with input, in the order in which they get their turn.
    readable: VecDeque<ConnectionKey>,
    /// Connections with output that their sockets may take.
    dirty: VecDeque<ConnectionKey>,
    /// Connections to remove at the end of a turn.
    dead: Vec<ConnectionKey>,
    /// The delivery that is being handed to its audience.
    walk: Option<Walk>,
    /// Members that got a frame in this turn.
    handed: usize,
    /// Asks that the hub had no room for, in order.
    asks: VecDeque<Input>,
    /// Operations that the prepare lane had no room for, in order.
    unprepared: VecDeque<Work>,
    /// Deliveries worked off since the hub was last told.
    credits: u32,
    /// Connections that are being closed, so that clients do not all come back at once; who comes later is turned
    /// away.
    drain: Option<Spread<TimerKey>>,
    finishing: bool,
    stopping: bool,

    now: Instant,
    read_buffer: Vec<u8>,
    /// Connections whose timers are to be looked at.
    expired: Vec<TimerKey>,
    ended: Vec<SubscriptionKey>,
}

impl Reactor {
    fn new(
        options: Options,
        seat: Seat,
        mail: Mail<ReactorMail>,
        neighbours: Neighbours,
        stats: Arc<ReactorStats>,
    ) -> Self {
        let now = clock::now();
        let outbox_limits = outbox::Limits {
            queue_bytes_max: options.outbound_queue_bytes_max,
            total_bytes_max: options.outbound_total_bytes_max,
        };
        let outbound_total = neighbours.outbound_total.clone();
        let surroundings = Surroundings {
            registry: seat.registry,
            hub: neighbours.hub.clone(),
            mail: mail.clone(),
            client: neighbours.subgraphs.clone(),
            targets: neighbours.targets.clone(),
            options: neighbours.upstream.clone(),
            errors: neighbours.errors.clone(),
        };
        let upstreams = Upstreams::new(surroundings, now);
        Self {
            options,
            poll: seat.poll,
            events: Events::with_capacity(1024),
            mailbox: seat.mailbox,
            from_hub: Vec::new().into_iter(),
            mail,
            neighbours,
            stats,
            connections: Connections::default(),
            upstreams,
            subscriptions: Subscriptions::default(),
            audiences: Audiences::default(),
            executing: HashMap::new(),
            outbox: Outbox::new(outbox_limits, outbound_total),
            wheel: TimerWheel::new(now, TICK_DEFAULT, SLOTS_DEFAULT),
            keep_alives: KeepAlives::default(),
            readable: VecDeque::new(),
            dirty: VecDeque::new(),
            dead: Vec::new(),
            walk: None,
            handed: 0,
            asks: VecDeque::new(),
            unprepared: VecDeque::new(),
            credits: 0,
            drain: None,
            finishing: false,
            stopping: false,
            now,
            read_buffer: vec![0; reading::READ_BYTES],
            expired: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn run(mut self) {
        while !self.finished() {
            if let Err(error) = self.wait() {
                tracing::error!(%error, "waiting for sockets failed, the reactor stops");
                break;
            }
            self.now = clock::now();
            self.note_readiness();
            // Before anything sets a deadline: the wheel's horizon counts from here.
            self.fire_timers();
            self.upstreams.fire_timers(self.now);
            self.keep_alive();
            self.hand_over_waiting();
            self.upstreams.hand_over_waiting();
            self.walk_on();
            self.take_mail();
            self.read_sockets();
            self.upstreams.read(self.now, &mut self.read_buffer, PHASE);
            self.upstreams.ask(self.now, PHASE);
            self.drain_some();
            self.flush_some();
            self.sweep();
            self.return_credits();
            self.count_turn();
        }
    }

    fn finished(&self) -> bool {
        self.stopping || (self.finishing && self.connections.len() == 0)
    }

    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// Zero while a phase left something; otherwise until the next timer, or somebody wakes us.
    fn timeout(&self) -> Option<Duration> {
        let has_work = !self.dirty.is_empty()
            || self.walk.is_some()
            || !self.expired.is_empty()
            || !self.dead.is_empty()
            || self.mail_waiting() > 0
            || self.upstreams.has_work()
            || (!self.readable.is_empty() && !self.is_paused());
        if has_work {
            return Some(Duration::ZERO);
        }
        let timers = [self.wheel.next_wake(self.now), self.upstreams.next_wake(self.now)];
        let keep_alive = self.keep_alives.next_wake(self.now);
        let is_paused = self.is_paused() || self.upstreams.is_paused();
        let is_draining = self.drain.as_ref().is_some_and(|it| !it.is_over());
        let pause = (is_paused || is_draining).then_some(PAUSE);
        timers.into_iter().chain([keep_alive, pause]).flatten().min()
    }

    /// Sockets are not read while what they ask for has nowhere to go.
    fn is_paused(&self) -> bool {
        !self.asks.is_empty() || !self.unprepared.is_empty()
    }

    /// Every socket is registered once, for both directions; edges are noted here.
    fn note_readiness(&mut self) {
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in events.iter().filter(|it| it.token() != WAKER) {
            if upstream::owns(event.token()) {
                self.upstreams.note(self.now, event);
            } else {
                self.note(ConnectionKey(event.token().0 as u32), event);
            }
        }
        self.events = events;
    }

    fn note(&mut self, key: ConnectionKey, event: &Event) {
        // An event of a connection that is gone, or of the one before in its slot, which does no harm.
        if !self.connections.contains(key) {
            return;
        }
        let connection = &mut self.connections[key];
        connection.read_closed |= event.is_read_closed() || event.is_error();
        let has_input = event.is_readable() || connection.read_closed;
        if event.is_writable() && std::mem::take(&mut connection.blocked) {
            self.mark_dirty(key);
        }
        if has_input {
            self.note_input(key);
        }
    }

    /// Gives a connection that may have input its turn at being read.
    fn note_input(&mut self, key: ConnectionKey) {
        if !std::mem::replace(&mut self.connections[key].readable, true) {
            self.readable.push_back(key);
        }
    }

    fn take_mail(&mut self) {
        self.mailbox.answer_bell();
        let (mut budget, mut slice) = (MAIL_PER_TURN, Slice::new(PHASE));
        // A walk that is under way comes first: the hub's mail is carried out in order.
        while budget > 0 && self.walk.is_none() && !slice.is_over() {
            let cost = if let Some(mail) = self.from_hub.next() {
                self.open_from_hub(mail, &mut slice);
                1
            } else if let Some(mail) = self.mailbox.take() {
                self.open(mail)
            } else {
                break;
            };
            budget = budget.saturating_sub(cost);
        }
    }

    fn mail_waiting(&self) -> usize {
        self.mailbox.len() + self.from_hub.len()
    }

    fn open_from_hub(&mut self, mail: SinkMail, slice: &mut Slice) {
        match mail {
            SinkMail::Joined { token, group } => self.joined(token, group),
            SinkMail::Deliver { group, response, receipt } => {
                self.begin_delivery(group, response, receipt, slice);
            }
            SinkMail::End { group, reason } => self.begin_end(group, reason, slice),
        }
    }

    /// What that cost.
    fn open(&mut self, mail: ReactorMail) -> usize {
        match mail {
            ReactorMail::Adopt(newcomer) => {
                self.adopt(*newcomer);
                return ADOPT_COST;
            }
            ReactorMail::Prepared { token, result } => self.prepared(token, result),
            ReactorMail::Answered { token, response } => self.answered(token, response),
            // There is nothing left of what came before: it goes first.
            ReactorMail::FromHub(mail) => self.from_hub = mail.into_iter(),
            ReactorMail::Listen { ticket, feed } => self.upstreams.listen(self.now, ticket, feed),
            ReactorMail::StopListening { ticket } => self.upstreams.leave(self.now, ticket),
            ReactorMail::Dialed { link, result } => self.upstreams.dialed(self.now, link, result),
            ReactorMail::Drain { spread } => self.begin_drain(spread),
            ReactorMail::Finish => self.finishing = true,
            ReactorMail::Stop => self.stopping = true,
        }
        1
    }

    /// Takes in a connection after its handshake.
    fn adopt(&mut self, newcomer: Newcomer) {
        let Newcomer { socket, tls, read, dialect, engine, client } = newcomer;
        let mut transport = Transport::new(socket, tls.map(Into::into));
        let token = Token(self.connections.next_key().0 as usize);
        if let Err(error) = transport.register(self.poll.registry(), token) {
            tracing::warn!(%error, "a connection could not be registered and is dropped");
            self.stats.registrations_failed.increment();
            return;
        }
        let is_full = self.connections.len() >= self.options.connections_max;
        // One that has none is closed before it can say anything.
        let spoken = dialect.unwrap_or(Dialect::GraphqlTransportWs);
        let key = self.connections.insert(transport, engine, client, spoken, self.now);
        self.stats.connections_accepted.increment();
        self.schedule(key, self.options.connection_init_timeout);
        if self.drain.is_some() {
            self.stats.refused_at_stop.increment();
            self.close(key, writing::service_restart());
        } else if is_full {
            self.stats.connections_refused.increment();
            self.close(key, writing::too_many_connections());
        } else if dialect.is_none() {
            self.stats.subprotocols_refused.increment();
            self.close(key, writing::Closing::of(Close::subprotocol_not_acceptable()));
        } else {
            self.take_bytes(key, &mut read.to_vec());
        }
        if self.connections[key].transport.is_encrypted() {
            self.note_input(key);
        }
    }

    /// Tells the hub what was worked off in this turn.
    fn return_credits(&mut self) {
        let deliveries = std::mem::take(&mut self.credits);
        if deliveries > 0 {
            self.ask(Input::Credit { sink: crate::hub::Sink::Reactor, deliveries });
        }
    }

    fn count_turn(&self) {
        self.stats.connections.set(self.connections.len() as u64);
        self.stats.subscriptions.set(self.subscriptions.len() as u64);
        self.stats.upstream_connections.set(self.upstreams.links() as u64);
        self.stats.upstream_subscriptions.set(self.upstreams.feeds() as u64);
        self.stats.outbox_entries.set(self.outbox.len() as u64);
        self.stats.outbound_bytes.set(self.outbox.refused_bytes() as u64);
        self.stats.mail_waiting.set(self.mail_waiting() as u64);
        self.stats.turns.record(clock::now().saturating_duration_since(self.now));
    }
}
