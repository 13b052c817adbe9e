//! From queues to sockets, and the end of connections.

pub(super) use super::outbox::write_framed;
use super::{
    PHASE, Reactor,
    connections::{ConnectionKey, Phase},
    outbox::{Flushed, Reader, Written},
};
use crate::{
    net::websocket::{self, CloseCode, Receiver, Violation},
    protocol::Close,
    server::clock::Slice,
};
use bytes::Bytes;
use std::{borrow::Cow, io::ErrorKind, time::Duration};

/// Connections flushed in one turn: a few milliseconds of `send`.
const FLUSHES_PER_TURN: usize = 1024;
/// Bytes written in one turn, after which no further connection is flushed.
const FLUSH_BYTES_PER_TURN: u64 = 8 << 20;

/// How long a client may take to hang up once our close frame has left.
const HANG_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// Code and reason of a close frame of ours.
pub(super) struct Closing {
    code: CloseCode,
    reason: Cow<'static, str>,
}

impl Closing {
    const fn new(code: CloseCode, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// What the subprotocol asks for.
    pub(super) fn of(close: Close) -> Self {
        Self { code: close.code.get().into(), reason: close.reason }
    }

    pub(super) fn violation(violation: Violation) -> Self {
        Self { code: violation.close_code(), reason: violation.to_string().into() }
    }
}

pub(super) const fn service_restart() -> Closing {
    Closing::new(CloseCode::SERVICE_RESTART, "Service restart")
}

pub(super) const fn too_many_connections() -> Closing {
    Closing::new(CloseCode::TRY_AGAIN_LATER, "too many connections")
}

const fn slow_consumer() -> Closing {
    Closing::new(CloseCode::TRY_AGAIN_LATER, "slow consumer")
}

impl Reactor {
    /// Queues frames of the connection itself.
    pub(super) fn push_raw(&mut self, key: ConnectionKey, frames: Bytes) {
        self.outbox.push_raw(&mut self.connections[key].queue, frames);
        self.after_push(key);
    }

    /// To be called after anything was queued.
    pub(super) fn after_push(&mut self, key: ConnectionKey) {
        self.mark_dirty(key);
        self.end_slow_consumer(key);
    }

    /// Ends a connection for which more waits than may.
    fn end_slow_consumer(&mut self, key: ConnectionKey) {
        let connection = &self.connections[key];
        if connection.phase != Phase::Open || self.outbox.is_within_bounds(&connection.queue) {
            return;
        }
        self.stats.slow_consumers.increment();
        // Everything but the frame that was cut is given up, so that the client learns why.
        self.outbox.discard(&mut self.connections[key].queue);
        self.close(key, slow_consumer());
    }

    pub(super) fn mark_dirty(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if !connection.blocked && !std::mem::replace(&mut connection.dirty, true) {
            self.dirty.push_back(key);
        }
    }

    /// Writes to connections that have output, in order, until the turn's budget is used up.
    pub(super) fn flush_some(&mut self) {
        let mut slice = Slice::new(PHASE);
        let bytes_before = self.stats.bytes_sent.get();
        let mut flushes = 0;
        for _ in 0..self.dirty.len() {
            let spent = self.stats.bytes_sent.get() - bytes_before;
            if flushes == FLUSHES_PER_TURN || spent >= FLUSH_BYTES_PER_TURN {
                break;
            }
            let Some(key) = self.dirty.pop_front() else { break };
            // Those that were flushed after they had been read are still listed, and cost no budget: the
            // list would grow for as long as more sockets are read in a turn than are flushed.
            if self.connections.contains(key) && self.connections[key].dirty {
                self.flush(key);
                flushes += 1;
            }
            if slice.is_over() {
                break;
            }
        }
    }

    /// Writes what a connection's socket takes.
    pub(super) fn flush(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        connection.dirty = false;
        if connection.blocked || connection.phase == Phase::Dead {
            return;
        }
        if connection.queue.is_empty() {
            return self.flush_transport(key);
        }
        let had_refused = connection.queue.refused;
        let mut written = Written { messages: 0, ended: &mut self.ended, bytes: 0, sends: 0 };
        let reader = Reader { subscriptions: &self.subscriptions, dialect: connection.session.dialect() };
        let transport = &mut connection.transport;
        let flushed =
            self.outbox.flush(&mut connection.queue, reader, &mut written, |bytes| transport.write(bytes));
        self.stats.messages_sent.add(written.messages);
        self.stats.bytes_sent.add(written.bytes);
        self.stats.sends.add(written.sends);
        if had_refused && written.bytes > 0 {
            // The kernel has room again because the client took something.
            connection.active = self.now;
            connection.pings_unanswered = 0;
        }
        connection.blocked = flushed == Flushed::Refused;
        self.remove_ended();
        match flushed {
            Flushed::Empty => self.flush_transport(key),
            Flushed::Unfinished => self.mark_dirty(key),
            Flushed::Refused => self.end_slow_consumer(key),
            Flushed::Broken => self.bury(key),
        }
    }

    /// The queue is empty; what TLS has taken from it, or says by itself, may still have to leave.
    fn flush_transport(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        match connection.transport.flush() {
            Ok(()) => {
                if std::mem::take(&mut connection.queue.refused) {
                    connection.active = self.now;
                    connection.pings_unanswered = 0;
                }
                self.after_flush(key);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                connection.blocked = true;
                // What is queued from now on waits for a client that does not read.
                self.outbox.refuse(&mut connection.queue);
            }
            Err(_) => self.bury(key),
        }
    }

    fn after_flush(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        match connection.phase {
            Phase::Open | Phase::Closed | Phase::Dead => {}
            // Closing at once could reset the connection before the client has read the close frame.
            Phase::Closing => match connection.transport.shutdown() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => connection.blocked = true,
                _ => {
                    connection.phase = Phase::Closed;
                    self.schedule(key, HANG_UP_TIMEOUT.min(self.options.write_timeout));
                }
            },
            Phase::Answering => {
                // Who does not take it sees the connection end.
                let _ = connection.transport.close_notify();
                self.bury(key);
            }
        }
    }

    /// Takes out operations whose last message was written.
    fn remove_ended(&mut self) {
        while let Some(subscription) = self.ended.pop() {
            self.forget(subscription);
        }
    }

    /// Ends a connection from our side: its operations end, a close frame goes out behind what is queued.
    pub(super) fn close(&mut self, key: ConnectionKey, closing: Closing) {
        if self.connections[key].phase != Phase::Open {
            return;
        }
        self.stats.closed.count(closing.code.get());
        self.begin_close(key, Phase::Closing, Some(closing.code), &closing.reason);
    }

    /// Answers the client's close frame.
    pub(super) fn answer_close(&mut self, key: ConnectionKey, code: Option<CloseCode>) {
        self.begin_close(key, Phase::Answering, code, "");
    }

    fn begin_close(&mut self, key: ConnectionKey, phase: Phase, code: Option<CloseCode>, reason: &str) {
        self.end_operations(key);
        let connection = &mut self.connections[key];
        connection.phase = phase;
        connection.receiver = Receiver::default();
        let mut frame = Vec::new();
        websocket::write_close(code, reason, &mut frame);
        self.push_raw(key, frame.into());
        self.schedule(key, self.options.write_timeout);
    }

    /// The connection is of no use any more; [`Reactor::sweep`] removes it.
    pub(super) fn bury(&mut self, key: ConnectionKey) {
        let connection = &mut self.connections[key];
        if connection.phase != Phase::Dead {
            connection.phase = Phase::Dead;
            self.dead.push(key);
        }
    }

    /// Removes connections that ended, out of everyone's way; when many end at once, over several turns.
    pub(super) fn sweep(&mut self) {
        let mut slice = Slice::new(PHASE);
        while let Some(key) = self.dead.pop() {
            self.end_operations(key);
            let mut connection = self.connections.remove(key);
            self.outbox.clear(&mut connection.queue);
            connection.transport.deregister(self.poll.registry());
            if slice.is_over() {
                break;
            }
        }
    }
}
