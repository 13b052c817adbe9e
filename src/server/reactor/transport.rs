//! The way to one peer: a socket, plain or with TLS over it.
//!
//! Reading gives plaintext and writing takes it, by the rules of a bare socket under an edge-triggered poller:
//! `WouldBlock` means that the socket itself gives or takes nothing, so an edge will follow. What TLS holds in
//! between belongs here and is invisible outside, with two exceptions. Records may still be on their way out
//! when all plaintext was taken ([`Transport::flush`]), and plaintext may be held that no edge tells of when a
//! connection comes from elsewhere ([`Transport::is_encrypted`]: read it once unasked).
//!
//! Who shakes hands is not here: connections come with that done.

use mio::{Interest, Registry, Token, net::TcpStream};
use rustls::Connection;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
};

/// Plaintext that TLS takes before its records have to leave: one record of the largest size. What a peer who
/// does not read costs beyond the bounds of its queue.
const PENDING_BYTES_MAX: usize = 16 * 1024;

/// A registered or yet to be registered socket.
pub(super) struct Transport {
    socket: TcpStream,
    /// Behind a pointer, because most of it is state that a plain connection has no use for.
    tls: Option<Box<Tls>>,
}

struct Tls {
    connection: Connection,
    /// The last read took all that the socket had.
    is_drained: bool,
}

impl Transport {
    /// Takes over a non-blocking socket, and the TLS session on it once its handshake is done.
    pub(super) fn new(socket: std::net::TcpStream, tls: Option<Connection>) -> Self {
        let tls = tls.map(|mut connection| {
            connection.set_buffer_limit(Some(PENDING_BYTES_MAX));
            Box::new(Tls { connection, is_drained: false })
        });
        Self { socket: TcpStream::from_std(socket), tls }
    }

    /// Has a poller report the socket, once and for both directions.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE | Interest::WRITABLE)
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        // Fails only for a socket that was not registered.
        let _ = registry.deregister(&mut self.socket);
    }

    /// Whether plaintext may be there, or records to be sent, that the poller knows nothing of.
    pub(super) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads plaintext; `Ok(0)` is the peer's orderly end. With TLS, an end without `close_notify` is an error,
    /// as is anything that is not TLS.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.read(&mut self.socket, buffer),
            None => self.socket.read(buffer),
        }
    }

    /// Whether a read that did not fill its buffer has emptied the socket too, so that only a new edge tells of
    /// more. A plain socket is emptied by every such read; TLS reads in pieces of its own.
    pub(super) fn is_drained(&self) -> bool {
        self.tls.as_ref().is_none_or(|it| it.is_drained)
    }

    /// Writes plaintext. Less than all is taken only when the socket takes no more, and `WouldBlock` says that
    /// nothing was: with TLS, while earlier records are still on their way.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(&mut self.socket, bytes),
            None => self.socket.write(bytes),
        }
    }

    /// Sends records that are left of plaintext which was taken, or that TLS has to send of its own.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.tls.as_mut().map_or(Ok(()), |it| it.push(&mut self.socket))
    }

    /// Tells the peer that no more follows, in the words of TLS; a plain socket has none.
    pub(super) fn close_notify(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        tls.connection.send_close_notify();
        tls.push(&mut self.socket)
    }

    /// Ends our side. `WouldBlock`: not yet, to be called again once the socket takes bytes.
    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        self.close_notify()?;
        self.socket.shutdown(Shutdown::Write)
    }
}

impl Tls {
    /// What is there already comes first: it may be a whole frame behind the one that was read last, in the same
    /// record, and the socket may never say anything again. TLS bounds how many records without any plaintext
    /// may follow each other, so this ends.
    fn read(&mut self, socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            let mut pulling = Pulling { socket, is_drained: true };
            let pulled = self.connection.read_tls(&mut pulling);
            self.is_drained = pulling.is_drained;
            pulled?;
            let processed = self.connection.process_new_packets();
            // The peer may wait for an answer of TLS's own, or deserve an alert. What the socket does not take
            // now goes with the next flush.
            let _ = self.push(socket);
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        }
    }

    fn write(&mut self, socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.push(socket) {
                // What was taken is told now, and the refusal with the next attempt.
                Err(_) if taken > 0 => return Ok(taken),
                result => result?,
            }
            match self.connection.writer().write(&bytes[taken..])? {
                0 => return Err(ErrorKind::WriteZero.into()),
                count => taken += count,
            }
        }
        // Whether the last records went is for `flush` to find out.
        let _ = self.push(socket);
        Ok(taken)
    }

    /// Sends records until none is left or the socket refuses.
    fn push(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A socket that TLS reads from, watched: a read that got less than it had room for has emptied it.
struct Pulling<'a> {
    socket: &'a mut TcpStream,
    is_drained: bool,
}

impl Read for Pulling<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(room)?;
        self.is_drained = count < room.len();
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
