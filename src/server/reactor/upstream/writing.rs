//! From messages to a subgraph's socket.

use super::{LinkId, Upstreams, endings::Loss};
use crate::{
    net::websocket::{self, CloseCode},
    protocol::client::Session,
};
use std::{io::ErrorKind, time::Instant};

/// Answers and pings that may wait for a subgraph, in bytes; one that takes none of them is given up.
const OUT_BYTES_MAX: usize = 4 << 20;

impl Upstreams {
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
        if up.blocked.is_none() {
            self.flush(now, id);
        }
        let Some(up) = self.links[id.index as usize].up() else { return };
        if up.out.len() - up.written > OUT_BYTES_MAX + up.asked_bytes {
            self.lose(now, id, &Loss::BROKEN);
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
        (up.written, up.asked_bytes) = (0, 0);
        up.out = Vec::new();
        if up.transport.flush().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            up.blocked = Some(now);
        }
        self.want_to_ask(id);
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
