//! Many connections on one thread: connecting, upgrading, subscribing, reading.

use super::{
    frame::{self, Id, Message},
    ledger::Ledger,
};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

/// Connections that are being set up at the same time: the listener's backlog is finite.
const CONNECTING_MAX: usize = 128;
/// With one source address the kernel's search for a free port gets slow as its range fills.
const PER_SOURCE_ADDRESS: usize = 4_000;
const READ_BUFFER: usize = 256 * 1024;
/// Longer latencies count as this: ten minutes.
const LATENCY_MAX_US: u64 = 600_000_000;
const POLL_TIMEOUT: Duration = Duration::from_millis(20);

/// What a fleet's connections are.
pub struct Plan {
    /// Goes into the ids, so that a message of another fleet is noticed.
    pub fleet: u16,
    pub connections: usize,
    pub address: SocketAddr,
    pub speaks: Speaks,
    /// Sequence number of the first event that every connection must see.
    pub first: u64,
    /// Size of the socket's receive buffer; for those who will not read.
    pub receive_buffer: Option<usize>,
}

pub enum Speaks {
    /// Upgrades on this path and subscribes to a root field. `asks` are the payloads of the subscriptions,
    /// which connections take in turn; their results have an integer under `sequence`.
    Graphql { path: String, field: &'static str, asks: Vec<String> },
    /// Only reads; all messages carry one id.
    Nothing { id: Id },
}

/// When events were due, for latencies that a late sender cannot hide.
#[derive(Clone, Copy)]
pub struct Schedule {
    pub start: Instant,
    pub first: u64,
    pub interval: Duration,
}

impl Schedule {
    pub fn due(&self, sequence: u64) -> Instant {
        self.start + self.interval * u32::try_from(sequence - self.first).expect("rounds are short")
    }
}

pub struct Fleet {
    plan: Plan,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    ready: usize,
    buffer: Vec<u8>,
    pub ledger: Ledger,
    /// Microseconds from when an event was due until a client had read it.
    pub latency: Histogram<u64>,
    schedule: Option<Schedule>,
    /// The latest frame of the first connection, header included.
    pub sample: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    phase: Phase,
    id: Id,
    /// The beginning of a frame whose end has not come yet.
    rest: Vec<u8>,
    /// Whether one of its messages was parsed as a whole; the others are scanned.
    checked: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Connecting,
    Upgrading,
    Initialising,
    Subscribing,
    Ready,
    Closed,
}

impl Fleet {
    /// Connects and subscribes everyone; each has had an answer to a ping sent after its `subscribe`.
    pub fn launch(plan: Plan, timeout: Duration) -> io::Result<Self> {
        let mut fleet = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            connections: Vec::with_capacity(plan.connections),
            ready: 0,
            buffer: vec![0; READ_BUFFER],
            ledger: Ledger::new(plan.connections, plan.first),
            latency: Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("three digits"),
            schedule: None,
            sample: Vec::new(),
            plan,
        };
        let deadline = Instant::now() + timeout;
        while fleet.ready < fleet.plan.connections {
            while fleet.connections.len() < fleet.plan.connections
                && fleet.connections.len() - fleet.ready < CONNECTING_MAX
            {
                fleet.open()?;
            }
            fleet.turn()?;
            if fleet.ledger.closed > 0 || Instant::now() > deadline {
                return Err(io::Error::other(format!(
                    "{} of {} connections ready, {}",
                    fleet.ready,
                    fleet.plan.connections,
                    fleet.ledger.describe(0),
                )));
            }
        }
        Ok(fleet)
    }

    pub fn number(&self) -> u16 {
        self.plan.fleet
    }

    pub fn len(&self) -> usize {
        self.connections.len()
    }

    pub fn id(&self, connection: usize) -> Id {
        self.connections[connection].id
    }

    /// Latencies are recorded from now on, against this schedule.
    pub fn measure(&mut self, schedule: Schedule) {
        self.schedule = Some(schedule);
        self.latency.reset();
    }

    /// Reads until everyone has everything up to `last`, or the time is up. Whether they have.
    pub fn collect(&mut self, last: u64, timeout: Duration) -> io::Result<bool> {
        let expected = (last + 1 - self.plan.first) * self.plan.connections as u64;
        let delivered = self.read_until(timeout, |ledger| ledger.delivered >= expected)?;
        Ok(delivered && self.ledger.faults(last) == 0)
    }

    /// Reads until everyone has had a probe, or the time is up. Whether they have.
    pub fn collect_probes(&mut self, timeout: Duration) -> io::Result<bool> {
        let all = self.plan.connections;
        self.read_until(timeout, |ledger| ledger.probes == all)
    }

    fn read_until(&mut self, timeout: Duration, done: impl Fn(&Ledger) -> bool) -> io::Result<bool> {
        let deadline = Instant::now() + timeout;
        while !done(&self.ledger) {
            if Instant::now() > deadline {
                return Ok(false);
            }
            self.turn()?;
        }
        Ok(true)
    }

    fn open(&mut self) -> io::Result<()> {
        let index = self.connections.len();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        if let Some(size) = self.plan.receive_buffer {
            socket.set_recv_buffer_size(size)?;
        }
        let last = u8::try_from(1 + index / PER_SOURCE_ADDRESS).expect("fewer than a million connections");
        let own = Ipv4Addr::new(127, 0, u8::try_from(1 + self.plan.fleet).expect("few fleets"), last);
        socket.bind(&SocketAddr::from((own, 0)).into())?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&self.plan.address.into()) {
            // EINPROGRESS has no kind of its own in the standard library.
            Err(why)
                if why.kind() != io::ErrorKind::WouldBlock && why.raw_os_error() != Some(EINPROGRESS) =>
            {
                return Err(why);
            }
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        self.poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        let id = match &self.plan.speaks {
            Speaks::Graphql { .. } => frame::id_of(self.plan.fleet, index),
            Speaks::Nothing { id } => *id,
        };
        let phase = Phase::Connecting;
        self.connections.push(Connection { stream, phase, id, rest: Vec::new(), checked: false });
        Ok(())
    }

    /// One turn: wait for what happens, deal with it.
    fn turn(&mut self) -> io::Result<()> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, Some(POLL_TIMEOUT));
        for event in &events {
            let index = event.token().0;
            if event.is_writable() && self.connections[index].phase == Phase::Connecting {
                self.connected(index)?;
            }
            if event.is_readable() {
                self.read(index, event.is_read_closed())?;
            }
        }
        self.events = events;
        match polled {
            Err(why) if why.kind() != io::ErrorKind::Interrupted => Err(why),
            _ => Ok(()),
        }
    }

    fn connected(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        if let Some(why) = connection.stream.take_error()? {
            return Err(why);
        }
        match &self.plan.speaks {
            Speaks::Nothing { .. } => {
                connection.phase = Phase::Ready;
                self.ready += 1;
                Ok(())
            }
            Speaks::Graphql { path, .. } => {
                connection.phase = Phase::Upgrading;
                let head = upgrade(path, self.plan.address);
                connection.stream.write_all(head.as_bytes())
            }
        }
    }

    /// Reads what is there. A short read means that more will be announced, except after the end.
    fn read(&mut self, index: usize, ended: bool) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = loop {
            let connection = &mut self.connections[index];
            let kept = connection.rest.len();
            if buffer.len() < kept + READ_BUFFER {
                buffer.resize(kept + READ_BUFFER, 0);
            }
            buffer[..kept].copy_from_slice(&connection.rest);
            match connection.stream.read(&mut buffer[kept..]) {
                Ok(0) => break self.close(index),
                Ok(read) => {
                    let used = match self.digest(index, &buffer[..kept + read]) {
                        Ok(used) => used,
                        Err(why) => break Err(why),
                    };
                    let rest = &mut self.connections[index].rest;
                    rest.clear();
                    rest.extend_from_slice(&buffer[used..kept + read]);
                    if read < READ_BUFFER && !ended {
                        break Ok(());
                    }
                }
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(_) => break self.close(index),
            }
        };
        self.buffer = buffer;
        outcome
    }

    fn close(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        if connection.phase != Phase::Closed {
            connection.phase = Phase::Closed;
            self.ledger.closed += 1;
            self.poll.registry().deregister(&mut connection.stream)?;
        }
        Ok(())
    }

    /// Works off whole messages and returns how many bytes that were.
    fn digest(&mut self, index: usize, bytes: &[u8]) -> io::Result<usize> {
        let mut used = 0;
        if self.connections[index].phase == Phase::Upgrading {
            let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(0) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                return Err(io::Error::other(String::from_utf8_lossy(&bytes[..end]).into_owned()));
            }
            used = end + 4;
            self.say(index, Phase::Initialising, &[r#"{"type":"connection_init"}"#])?;
        }
        let now = Instant::now();
        while let Some(frame) = frame::first_frame(&bytes[used..]) {
            used += frame.bytes.len();
            self.handle(index, &frame, now)?;
        }
        Ok(used)
    }

    fn handle(&mut self, index: usize, frame: &frame::Frame<'_>, now: Instant) -> io::Result<()> {
        match frame.opcode {
            frame::TEXT => {}
            frame::PING => {
                let mut pong = Vec::new();
                frame::put_client_frame(&mut pong, frame::PONG, frame.payload);
                return self.connections[index].stream.write_all(&pong);
            }
            frame::CLOSE => return self.close(index),
            _ => return Ok(()),
        }
        match (frame::read_message(frame.payload), self.connections[index].phase) {
            (Message::Next { id, sequence }, _) => {
                if index == 0 {
                    self.sample.clear();
                    self.sample.extend_from_slice(frame.bytes);
                }
                self.account(index, id, sequence, frame.payload, now);
            }
            (Message::Ack, Phase::Initialising) => self.subscribe(index)?,
            (Message::Pong, Phase::Subscribing) => {
                self.connections[index].phase = Phase::Ready;
                self.ready += 1;
            }
            _ => self.ledger.unexpected += 1,
        }
        Ok(())
    }

    fn account(&mut self, index: usize, id: &[u8], sequence: u64, text: &[u8], now: Instant) {
        let connection = &mut self.connections[index];
        if id != connection.id {
            self.ledger.misrouted += 1;
            return;
        }
        if let (Speaks::Graphql { field, .. }, false) = (&self.plan.speaks, connection.checked) {
            connection.checked = true;
            self.ledger.unexpected += u64::from(!frame::is_whole(text, field));
        }
        self.ledger.receive(index, sequence);
        if let Some(schedule) = self.schedule.filter(|it| sequence >= it.first) {
            let late = now.saturating_duration_since(schedule.due(sequence));
            let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            self.latency.saturating_record(late.max(1));
        }
    }

    fn subscribe(&mut self, index: usize) -> io::Result<()> {
        let Speaks::Graphql { asks, .. } = &self.plan.speaks else {
            return Err(io::Error::other("an ack without an init"));
        };
        let id = String::from_utf8_lossy(&self.connections[index].id).into_owned();
        let ask = &asks[index % asks.len()];
        let subscribe = format!(r#"{{"id":"{id}","type":"subscribe","payload":{ask}}}"#);
        // Messages are worked off in order: the pong says that the subscribe was read.
        self.say(index, Phase::Subscribing, &[&subscribe, r#"{"type":"ping"}"#])
    }

    fn say(&mut self, index: usize, then: Phase, messages: &[&str]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for message in messages {
            frame::put_client_frame(&mut bytes, frame::TEXT, message.as_bytes());
        }
        let connection = &mut self.connections[index];
        connection.phase = then;
        connection.stream.write_all(&bytes)
    }
}

const EINPROGRESS: i32 = 115;

fn upgrade(path: &str, address: SocketAddr) -> String {
    // The key is the example of RFC 6455: servers may not care, and clients here do not check it.
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
}
