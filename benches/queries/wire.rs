//! Just enough HTTP/1.1 for a client and a server that trust each other: blocking, with lengths, kept alive.

use std::{
    io::{self, Read},
    net::TcpStream,
};

/// One side of a connection, with what was read beyond the last message.
pub struct Wire {
    pub stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of the buffer the last message was.
    used: usize,
}

/// A request or response. The head is in ASCII, start line included.
pub struct Message<'a> {
    pub head: &'a str,
    pub body: &'a [u8],
}

impl Wire {
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024), used: 0 })
    }

    /// The next message; `None` when the peer has hung up.
    pub fn next(&mut self) -> io::Result<Option<Message<'_>>> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let head = loop {
            if let Some(at) = self.buffer.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill()? {
                return Ok(None);
            }
        };
        let length = length(text(&self.buffer[..head])?)?;
        while self.buffer.len() < head + length {
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.used = head + length;
        Ok(Some(Message { head: text(&self.buffer[..head])?, body: &self.buffer[head..self.used] }))
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let read = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(read > 0)
    }
}

fn text(head: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(head).map_err(io::Error::other)
}

fn length(head: &str) -> io::Result<usize> {
    let lengths = head.lines().filter_map(|it| it.split_once(':'));
    let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = lengths.next().and_then(|(_, it)| it.trim().parse().ok());
    length.ok_or_else(|| io::Error::other(format!("a message without a length: {head}")))
}
