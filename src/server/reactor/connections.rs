//! The table of WebSockets. A connection that idles owns no buffer: what it holds is in this struct.

use super::{outbox::Queue, subscriptions::SubscriptionKey, transport::Transport};
use crate::{
    net::{timer::TimerKey, websocket::Receiver},
    protocol::{Dialect, Session},
    server::{client::Client, engine::Engine},
};
use slab::Slab;
use std::{
    ops::{Index, IndexMut},
    sync::Arc,
    time::Instant,
};

/// A connection, by slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionKey(pub(super) u32);

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Messages are read and written.
    Open,
    /// Our close frame is queued: what the client still sends is thrown away, from here on until it hangs up.
    Closing,
    /// Our close frame has left, and our side of the socket is shut.
    Closed,
    /// The client's close frame is being answered: over as soon as the answer is written.
    Answering,
    /// To be removed at the end of the turn.
    Dead,
}

/// One WebSocket.
pub(super) struct Connection {
    pub(super) transport: Transport,
    /// Most have nothing to send on: those share one.
    pub(super) client: Arc<Client>,
    pub(super) generation: u32,
    pub(super) phase: Phase,
    pub(super) session: Session,
    /// Of the schema that the handshake chose.
    pub(super) engine: Arc<Engine>,
    pub(super) receiver: Receiver,
    pub(super) queue: Queue,
    /// Its newest operation.
    pub(super) first: Option<SubscriptionKey>,
    pub(super) subscriptions: u32,
    /// When its timers are looked at next.
    pub(super) due: Instant,
    /// When the client last showed that it lives. Before `connection_init`: when it connected.
    pub(super) active: Instant,
    /// Pings sent since then.
    pub(super) pings_unanswered: u8,
    /// The kernel takes no bytes until the socket is reported writable.
    pub(super) blocked: bool,
    /// The client has sent all it ever will.
    pub(super) read_closed: bool,
    /// Listed as having input.
    pub(super) readable: bool,
    /// Listed as having output.
    pub(super) dirty: bool,
}

/// All connections.
#[derive(Default)]
pub(super) struct Connections {
    slots: Slab<Connection>,
    generation: u32,
}

impl Connections {
    /// The key that the next [`Connections::insert`] will give out.
    pub(super) fn next_key(&self) -> ConnectionKey {
        ConnectionKey(u32::try_from(self.slots.vacant_key()).expect("fewer than 2^32 connections"))
    }

    pub(super) fn insert(
        &mut self,
        transport: Transport,
        engine: Arc<Engine>,
        client: Arc<Client>,
        dialect: Dialect,
        now: Instant,
    ) -> ConnectionKey {
        self.generation = self.generation.wrapping_add(1);
        let key = self.next_key();
        self.slots.insert(Connection {
            transport,
            client,
            generation: self.generation,
            phase: Phase::Open,
            session: Session::new(dialect),
            engine,
            receiver: Receiver::default(),
            queue: Queue::default(),
            first: None,
            subscriptions: 0,
            due: now,
            active: now,
            pings_unanswered: 0,
            blocked: false,
            read_closed: false,
            readable: false,
            dirty: false,
        });
        key
    }

    pub(super) fn remove(&mut self, key: ConnectionKey) -> Connection {
        self.slots.remove(key.0 as usize)
    }

    pub(super) fn contains(&self, key: ConnectionKey) -> bool {
        self.slots.contains(key.0 as usize)
    }

    /// What the timer wheel calls the connection; not valid for whoever moves into the slot.
    pub(super) fn timer_key(&self, key: ConnectionKey) -> TimerKey {
        TimerKey(u64::from(self[key].generation) << 32 | u64::from(key.0))
    }

    /// The connection of a timer, if it is still there.
    pub(super) fn resolve(&self, timer: TimerKey) -> Option<ConnectionKey> {
        let connection = self.slots.get(timer.0 as u32 as usize)?;
        (connection.generation == (timer.0 >> 32) as u32).then_some(ConnectionKey(timer.0 as u32))
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = ConnectionKey> {
        self.slots.iter().map(|(index, _)| ConnectionKey(index as u32))
    }
}

impl Index<ConnectionKey> for Connections {
    type Output = Connection;

    fn index(&self, key: ConnectionKey) -> &Connection {
        &self.slots[key.0 as usize]
    }
}

impl IndexMut<ConnectionKey> for Connections {
    fn index_mut(&mut self, key: ConnectionKey) -> &mut Connection {
        &mut self.slots[key.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There may be a hundred thousand of them, most of them idle. (In debug builds, mio's sockets are twelve
    /// bytes larger.) Who the client is, which graph it sees, and TLS where it is spoken are one pointer each.
    #[test]
    fn a_connection_stays_small() {
        assert!(size_of::<Connection>() <= 168, "{} bytes", size_of::<Connection>());
    }
}
