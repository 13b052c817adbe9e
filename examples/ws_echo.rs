//! `cargo run --release --example ws_echo [ADDRESS]`: says every WebSocket message back, on one thread.
//!
//! The router's codec with nothing of the router around it: for conformance suites, fuzzing, and as the
//! shortest way to see how `juga::net::websocket` is driven from a poller. It is not for public networks: it
//! has no limit on connections and no timers. Like the router it takes text only; binary messages are
//! answered with 1003.
#![allow(clippy::print_stdout, reason = "the example talks to people")]

use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use juga::net::websocket::{
    self, CloseCode, Incoming, Limits, Peer, Receiver, Violation, write_close, write_pong, write_text,
};
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;
use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr},
    ops::ControlFlow,
    time::Duration,
};

/// Bytes of one message. Longer ones are answered with 1009.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A client that does not take its echoes is not read beyond this.
const OUT_BYTES_MAX: usize = 1024 * 1024;
const READ_BYTES: usize = 16 * 1024;
const LISTENER: Token = Token(usize::MAX);

#[allow(dead_code, reason = "whoever includes this file has a main function of their own")]
fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let address = address.parse().map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
    let mut echo = Echo::bind(address, MESSAGE_BYTES_MAX)?;
    println!("echoes at ws://{}", echo.address()?);
    loop {
        echo.turn(None)?;
    }
}

/// The server.
pub(crate) struct Echo {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    connections: Slab<Connection>,
    limits: Limits,
    buffer: Vec<u8>,
}

struct Connection {
    socket: TcpStream,
    phase: Phase,
    /// What is to be written, in order.
    out: Vec<u8>,
}

enum Phase {
    /// What of the request's head has arrived.
    Handshake(Vec<u8>),
    Open(Receiver),
    /// A close frame or a refusal is the last thing to be written; what still arrives is thrown away.
    Closing,
}

impl Echo {
    pub(crate) fn bind(address: SocketAddr, message_bytes_max: usize) -> io::Result<Self> {
        let (poll, mut listener) = (Poll::new()?, TcpListener::bind(address)?);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let limits = Limits { message_bytes_max, peer: Peer::Client };
        let (events, connections) = (Events::with_capacity(256), Slab::new());
        Ok(Self { poll, events, listener, connections, limits, buffer: vec![0; READ_BYTES] })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// How many connections there are.
    #[allow(dead_code, reason = "for whoever includes this file")]
    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Waits until something happens, at most for `timeout`, and does what is to be done.
    pub(crate) fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        let ready: Vec<Token> = self.events.iter().map(mio::event::Event::token).collect();
        for token in ready {
            match token {
                LISTENER => self.accept()?,
                Token(key) => self.serve(key),
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut socket, _)) => {
                    let _ = socket.set_nodelay(true);
                    let (slot, both) =
                        (self.connections.vacant_entry(), Interest::READABLE | Interest::WRITABLE);
                    self.poll.registry().register(&mut socket, Token(slot.key()), both)?;
                    slot.insert(Connection { socket, phase: Phase::Handshake(Vec::new()), out: Vec::new() });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // That one has left already.
                Err(_) => {}
            }
        }
    }

    /// Reads and writes until the socket is at its end in both directions; edges are told once.
    fn serve(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.go_on(&mut self.buffer, &self.limits).is_err() {
            let mut connection = self.connections.remove(key);
            let _ = self.poll.registry().deregister(&mut connection.socket);
        }
    }
}

impl Connection {
    /// `Err` when the connection is over, for whatever reason.
    fn go_on(&mut self, buffer: &mut [u8], limits: &Limits) -> io::Result<()> {
        loop {
            self.write()?;
            // It is read again once it has taken something: writing goes on first.
            if self.out.len() > OUT_BYTES_MAX {
                return Ok(());
            }
            match self.socket.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.take(&mut buffer[..count], limits),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.write(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if matches!(self.phase, Phase::Closing) {
            // Not a full close: that could take the last bytes away from a client that is still sending.
            self.socket.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    fn take(&mut self, bytes: &mut [u8], limits: &Limits) {
        match &mut self.phase {
            Phase::Closing => {}
            Phase::Open(_) => self.take_frames(bytes, limits),
            Phase::Handshake(head) => {
                head.extend_from_slice(bytes);
                let Some(end) = head.windows(4).position(|it| it == b"\r\n\r\n") else {
                    if head.len() > HEAD_BYTES_MAX {
                        self.refuse("431 Request Header Fields Too Large");
                    }
                    return;
                };
                let mut behind = head.split_off(end + 4);
                let head = std::mem::take(head);
                self.shake_hands(&head);
                self.take(&mut behind, limits);
            }
        }
    }

    fn shake_hands(&mut self, head: &[u8]) {
        let Some((method, version, headers)) = parse(head) else { return self.refuse("400 Bad Request") };
        match websocket::accept(&method, version, &headers, &[]) {
            Ok(accept) => {
                accept.write_response(&mut self.out);
                self.phase = Phase::Open(Receiver::default());
            }
            Err(refusal) => {
                let more = refusal.headers.iter().map(|(name, value)| format!("\r\n{name}: {}", text(value)));
                let status = format!("{}{}", refusal.status, more.collect::<String>());
                self.refuse(&status);
            }
        }
    }

    fn refuse(&mut self, status: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        self.out.extend_from_slice(answer.as_bytes());
        self.phase = Phase::Closing;
    }

    fn take_frames(&mut self, bytes: &mut [u8], limits: &Limits) {
        let Phase::Open(receiver) = &mut self.phase else { return };
        let (out, mut over) = (&mut self.out, false);
        let received = receiver.receive(bytes, limits, |incoming| match incoming {
            Incoming::Text(text) => {
                write_text(&text, out);
                ControlFlow::Continue(())
            }
            Incoming::Ping(payload) => {
                write_pong(payload, out);
                ControlFlow::Continue(())
            }
            // Servers' messages alone are skipped.
            Incoming::Pong(_) | Incoming::Skipped(_) => ControlFlow::Continue(()),
            Incoming::Close { code, .. } => {
                write_close(code, "", out);
                over = true;
                ControlFlow::Break(())
            }
        });
        if let Err(violation) = received {
            close(violation, &mut self.out);
            over = true;
        }
        if over {
            self.phase = Phase::Closing;
        }
    }
}

fn close(violation: Violation, out: &mut Vec<u8>) {
    let code: CloseCode = violation.close_code();
    write_close(Some(code), &violation.to_string(), out);
}

fn parse(head: &[u8]) -> Option<(Method, Version, HeaderMap)> {
    let mut lines = std::str::from_utf8(head).ok()?.trim_end_matches("\r\n").split("\r\n");
    let mut request = lines.next()?.split(' ');
    let (method, _, version) = (request.next()?, request.next()?, request.next()?);
    let version = if version == "HTTP/1.1" { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let name = HeaderName::try_from(name).ok()?;
        headers.append(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    Some((method.parse().ok()?, version, headers))
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}
