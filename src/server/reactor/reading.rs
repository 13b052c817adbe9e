//! From sockets to messages.

use super::{
    PHASE, Reactor,
    connections::{ConnectionKey, Phase},
    writing::{self, Closing},
};
use crate::{
    graphql::{BAD_REQUEST, Error},
    net::websocket::{self, Incoming},
    protocol::{Reaction, graphql_transport_ws::write_pong, graphql_ws::write_connection_error},
    server::clock::Slice,
};
use bytes::Bytes;
use std::{io::ErrorKind, ops::ControlFlow, sync::Arc};

/// Bytes taken from a socket at a time: a few hundred of the smallest messages.
pub(super) const READ_BYTES: usize = 16 * 1024;
/// Reads in one turn.
const READS_PER_TURN: usize = 1024;
/// Messages in one turn, after which no further socket is read.
const MESSAGES_PER_TURN: u64 = 2048;

impl Reactor {
    /// Reads sockets that have input, each once a turn, until the turn's budget is used up.
    pub(super) fn read_sockets(&mut self) {
        if self.is_paused() {
            self.stats.reads_paused.increment();
            return;
        }
        let messages_before = self.stats.messages_received.get();
        let mut slice = Slice::new(PHASE);
        for _ in 0..self.readable.len().min(READS_PER_TURN) {
            let Some(key) = self.readable.pop_front() else { break };
            if !self.connections.contains(key) || !self.connections[key].readable {
                continue;
            }
            if self.read_once(key) {
                self.readable.push_back(key);
            } else {
                self.connections[key].readable = false;
            }
            // Answers to what was just asked do not wait behind deliveries to everybody else.
            self.flush(key);
            let spent = self.stats.messages_received.get() - messages_before;
            if spent >= MESSAGES_PER_TURN || self.is_paused() || slice.is_over() {
                break;
            }
        }
    }

    /// Reads a socket once; tells whether it may have more.
    fn read_once(&mut self, key: ConnectionKey) -> bool {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let read = self.connections[key].transport.read(&mut buffer);
        let more = match read {
            Ok(0) => {
                self.bury(key);
                false
            }
            Ok(count) => {
                self.take_bytes(key, &mut buffer[..count]);
                let connection = &self.connections[key];
                // A short read has emptied the socket, unless the end of the stream is behind it.
                count == buffer.len() || connection.read_closed || !connection.transport.is_drained()
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(_) => {
                self.bury(key);
                false
            }
        };
        self.read_buffer = buffer;
        more && self.connections[key].phase != Phase::Dead
    }

    /// Takes in bytes of a connection: whole frames are acted on, the beginning of one is kept.
    pub(super) fn take_bytes(&mut self, key: ConnectionKey, bytes: &mut [u8]) {
        let connection = &mut self.connections[key];
        if connection.session.is_acknowledged() {
            connection.active = self.now;
        }
        connection.pings_unanswered = 0;
        if connection.phase != Phase::Open {
            return;
        }
        let limits = websocket::Limits {
            message_bytes_max: self.options.message_bytes_max,
            peer: websocket::Peer::Client,
        };
        let mut receiver = std::mem::take(&mut connection.receiver);
        let received = receiver.receive(bytes, &limits, |incoming| {
            self.take_incoming(key, incoming);
            if self.is_open(key) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match received {
            Ok(()) if self.is_open(key) => self.connections[key].receiver = receiver,
            Ok(()) => {}
            Err(violation) => self.close(key, Closing::violation(violation)),
        }
    }

    fn is_open(&self, key: ConnectionKey) -> bool {
        self.connections[key].phase == Phase::Open
    }

    fn take_incoming(&mut self, key: ConnectionKey, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Text(text) => self.take_message(key, &text),
            Incoming::Ping(payload) => {
                let mut frame = Vec::with_capacity(payload.len() + 2);
                websocket::write_pong(payload, &mut frame);
                self.push_raw(key, frame.into());
            }
            // Servers' messages alone are skipped.
            Incoming::Pong(_) | Incoming::Skipped(_) => {}
            Incoming::Close { code, .. } => self.answer_close(key, code),
        }
    }

    fn take_message(&mut self, key: ConnectionKey, text: &str) {
        self.stats.messages_received.increment();
        let connection = &mut self.connections[key];
        let (subscriptions, first) = (&self.subscriptions, connection.first);
        let is_live = |id: &str| subscriptions.siblings(first).any(|it| *subscriptions[it].id == *id);
        match connection.session.receive(text, is_live) {
            Reaction::Nothing => {}
            // Everybody may connect until there is authentication.
            Reaction::Initialise { payload } => {
                connection.session.acknowledge();
                if let Some(payload) = payload.filter(|_| connection.engine.forward_options().initial_payload)
                {
                    connection.client = Arc::new(connection.client.with_init_payload(payload));
                }
                let dialect = connection.session.dialect();
                self.push_raw(key, message(|out| dialect.write_ack(None, out)));
                self.expect_life(key);
                self.begin_keep_alive(key);
            }
            Reaction::Subscribe { id, operation } => self.subscribe(key, id.as_str(), operation),
            Reaction::Decline { id, reason } => {
                let error = Error::new(reason).with_code(BAD_REQUEST);
                self.refuse(key, id.as_str(), &[error]);
            }
            Reaction::Unsubscribe { id } => self.unsubscribe(key, id.as_str()),
            Reaction::Pong { payload } => self.push_raw(key, message(|out| write_pong(payload, out))),
            Reaction::Refuse(close) => {
                self.push_raw(key, message(|out| write_connection_error(&close.reason, out)));
                self.close(key, Closing::of(close));
            }
            Reaction::Close(close) => self.close(key, Closing::of(close)),
        }
    }
}

/// A message of the connection itself as a frame.
pub(super) fn message(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut frame = Vec::new();
    writing::write_framed(&mut frame, write);
    frame.into()
}
