//! From a subgraph's socket to messages.

use super::{super::transport::Transport, LinkId, Upstreams, endings::Loss, link::Up};
use crate::{
    net::websocket::{self, Incoming, Peer},
    protocol::{Dialect, client::Session},
    resolve::UpstreamLoss,
    server::clock::Slice,
    sources::subgraph::Dialed,
};
use mio::event::Event;
use std::{
    io::ErrorKind,
    ops::ControlFlow,
    time::{Duration, Instant},
};

/// Reads in one turn.
const READS_PER_TURN: usize = 256;

impl Upstreams {
    /// Takes in a connection after its handshake, and says the first word.
    pub(super) fn open(&mut self, now: Instant, id: LinkId, dialed: Dialed) {
        let mut transport = Transport::new(dialed.socket, dialed.tls.map(|it| (*it).into()));
        if let Err(error) = transport.register(&self.around.registry, id.token()) {
            tracing::warn!(%error, "a connection to a subgraph could not be registered");
            return self.lose(now, id, &Loss::BROKEN);
        }
        let dialect = Dialect::of_subprotocol(dialed.protocol).expect("one of those on offer");
        let link = &mut self.links[id.index as usize];
        let mut up = Up::new(transport, Session::new(dialect), now);
        up.readable = up.transport.is_encrypted();
        if up.readable {
            self.readable.push_back(id);
        }
        link.state = super::State::Up(Box::new(up));
        let payload = link.key.init_payload.clone();
        self.say(now, id, |session, out| session.write_init(payload.as_deref(), out));
        self.take_bytes(now, id, &mut dialed.read.to_vec());
        if self.is_known(id) {
            self.look_at(now, id);
        }
    }

    /// Notes what the poller says of a link's socket.
    pub(in crate::server::reactor) fn note(&mut self, now: Instant, event: &Event) {
        let index = event.token().0 & !super::TOKEN_BIT;
        // A link that is gone, or the one before in its slot, which does no harm.
        let Some(link) = self.links.get_mut(index) else { return };
        let id = LinkId { index: index as u32, generation: link.generation };
        let Some(up) = link.up() else { return };
        let has_input = event.is_readable() || event.is_read_closed() || event.is_error();
        if has_input && !std::mem::replace(&mut up.readable, true) {
            self.readable.push_back(id);
        }
        if event.is_writable() {
            self.flush(now, id);
        }
    }

    /// Reads sockets that have input, each once a turn, until the turn's budget is used up.
    pub(in crate::server::reactor) fn read(&mut self, now: Instant, buffer: &mut [u8], phase: Duration) {
        let mut slice = Slice::new(phase);
        for _ in 0..self.readable.len().min(READS_PER_TURN) {
            if self.is_paused() || slice.is_over() {
                break;
            }
            let Some(id) = self.readable.pop_front() else { break };
            if !self.is_known(id) {
                continue;
            }
            if self.read_once(now, id, buffer) {
                self.readable.push_back(id);
            } else if self.is_known(id)
                && let Some(up) = self.links[id.index as usize].up()
            {
                up.readable = false;
            }
        }
    }

    /// Reads a socket once; tells whether it may have more.
    fn read_once(&mut self, now: Instant, id: LinkId, buffer: &mut [u8]) -> bool {
        let Some(up) = self.links[id.index as usize].up() else { return false };
        match up.transport.read(buffer) {
            Ok(0) => {
                self.lose(now, id, &Loss::BROKEN);
                false
            }
            Ok(count) => {
                self.take_bytes(now, id, &mut buffer[..count]);
                // To the end: a close may lie behind the last bytes, and no further edge tells of it.
                self.is_known(id)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(_) => {
                self.lose(now, id, &Loss::BROKEN);
                false
            }
        }
    }

    /// Takes in bytes: whole frames are acted on, the beginning of one is kept.
    fn take_bytes(&mut self, now: Instant, id: LinkId, bytes: &mut [u8]) {
        let Some(up) = self.links[id.index as usize].up() else { return };
        (up.heard, up.pinged) = (now, None);
        let limits = websocket::Limits {
            message_bytes_max: self.around.options.message_bytes_max,
            peer: Peer::Server,
        };
        let mut receiver = std::mem::take(&mut up.receiver);
        let received = receiver.receive(bytes, &limits, |incoming| {
            self.take_incoming(now, id, incoming);
            if self.is_up(id) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if let Err(violation) = received {
            tracing::warn!(subgraph = &*self.target(id).name, %violation, "a subgraph breaks the protocol");
            self.close(id, violation.close_code(), &violation.to_string());
            self.lose(now, id, &Loss::BROKEN);
        } else if self.is_known(id)
            && let Some(up) = self.links[id.index as usize].up()
        {
            up.receiver = receiver;
        }
    }

    /// Whether the connection that is being read still stands: a link may be lost and wait for another one.
    fn is_up(&mut self, id: LinkId) -> bool {
        self.is_known(id) && self.links[id.index as usize].up().is_some()
    }

    fn take_incoming(&mut self, now: Instant, id: LinkId, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Text(text) => self.hear(now, id, &text),
            Incoming::Ping(payload) => {
                let (mask, mut frame) = (self.mask(), Vec::new());
                websocket::client::write_pong(payload, mask, &mut frame);
                self.push(now, id, &frame);
            }
            Incoming::Pong(_) => {}
            Incoming::Skipped(start) => self.hear_of_skipped(now, id, &start),
            Incoming::Close { code, reason } => {
                let (number, reason) = (code.map(|it| it.get()), reason.to_owned());
                let loss = Loss::Upstream(UpstreamLoss::Closed { code: number, reason });
                self.close(id, code.unwrap_or(websocket::CloseCode::NORMAL), "");
                self.lose(now, id, &loss);
            }
        }
    }
}
