//! From messages to a subgraph's socket.

use super::{LinkId, Upstreams, endings::Loss};
use crate::{
    net::websocket::{self, CloseCode},
    plan::Feed,
    protocol::client::{Session, Subscribe},
    sources::Report,
};
use std::{io::ErrorKind, time::Instant};

/// Bytes that may wait for a subgraph; one that takes none is given up.
const OUT_BYTES_MAX: usize = 4 << 20;

impl Upstreams {
    /// Asks for a feed; it is live from then on, since the subprotocols know no confirmation.
    pub(super) fn subscribe(&mut self, now: Instant, id: LinkId, number: u64) {
        let link = &self.links[id.index as usize];
        let Some(listening) = link.feeds.get(&number) else { return };
        let (ticket, feed, interrupted) = (listening.ticket, listening.feed.clone(), link.interrupted);
        let Feed::Upstream(upstream) = &*feed else { return };
        let subscribe = Subscribe {
            document: &upstream.document,
            variables: &upstream.variables,
            extensions: &upstream.forwarded.extensions,
        };
        self.say(now, id, |session, out| session.write_subscribe(number, subscribe, out));
        if !self.is_known(id) {
            return;
        }
        if interrupted {
            self.report(ticket, Report::Restored);
            self.report(ticket, Report::Gap);
        } else {
            self.report(ticket, Report::Live);
        }
    }

    /// Sends one message.
    pub(super) fn say(&mut self, now: Instant, id: LinkId, write: impl FnOnce(&Session, &mut Vec<u8>)) {
        let mask = self.mask();
        let Some(up) = self.links[id.index as usize].up() else { return };
        let (mut message, mut frame) = (Vec::new(), Vec::new());
        write(&up.session, &mut message);
        websocket::client::write_text(&message, mask, &mut frame);
        self.push(now, id, &frame);
    }

    pub(super) fn push(&mut self, now: Instant, id: LinkId, frame: &[u8]) {
        let Some(up) = self.links[id.index as usize].up() else { return };
        up.out.extend_from_slice(frame);
        if up.out.len() - up.written > OUT_BYTES_MAX {
            return self.lose(now, id, &Loss::BROKEN);
        }
        if up.blocked.is_none() {
            self.flush(now, id);
        }
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self, now: Instant, id: LinkId) {
        let Some(up) = self.links[id.index as usize].up() else { return };
        up.blocked = None;
        while up.written < up.out.len() {
            match up.transport.write(&up.out[up.written..]) {
                Ok(count) => up.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    up.blocked = Some(now);
                    return;
                }
                // Reading will find out why.
                Err(_) => break,
            }
        }
        up.written = 0;
        up.out = Vec::new();
        if up.transport.flush().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            up.blocked = Some(now);
        }
    }

    /// Sends a close frame, as far as the socket takes it; the connection is about to be dropped.
    pub(super) fn close(&mut self, id: LinkId, code: CloseCode, reason: &str) {
        let mask = self.mask();
        let Some(up) = self.links[id.index as usize].up() else { return };
        let mut frame = Vec::new();
        let code = if code.is_valid() { code } else { CloseCode::NORMAL };
        websocket::client::write_close(code, reason, mask, &mut frame);
        if up.blocked.is_none() {
            // Who does not take it learns the same from the end of the connection.
            let _ = up.transport.write(&frame);
            let _ = up.transport.close_notify();
        }
    }
}
