//! The load: connections that are kept alive, each with one request in flight and a share of the requests of
//! its own. Every answer is compared with the one that is expected.

use super::{proxy::HOPS, wire::Wire};
use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request and its answer, as bodies.
pub struct Exchange {
    pub request: String,
    pub answer: Vec<u8>,
    /// How often the router asks subgraphs for it.
    pub hops: usize,
}

/// Sends one request on a connection of its own; the answer's body.
pub fn ask(server: SocketAddr, request: &str, hops: usize) -> io::Result<Vec<u8>> {
    let mut wire = connect(server)?;
    wire.stream.write_all(&message(request, hops))?;
    Ok(answer(&mut wire)?.to_vec())
}

/// Keeps so many connections busy for this long; how many requests were answered.
pub fn load(
    server: SocketAddr,
    exchanges: &[Exchange],
    connections: usize,
    length: Duration,
) -> io::Result<usize> {
    let share = |number: usize| exchanges.iter().skip(number).step_by(connections);
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..connections).map(|it| scope.spawn(move || converse(server, share(it), length))).collect();
        threads.into_iter().map(|it| it.join().expect("it does not panic")).sum()
    })
}

fn converse<'a>(
    server: SocketAddr,
    exchanges: impl Iterator<Item = &'a Exchange>,
    length: Duration,
) -> io::Result<usize> {
    let mut wire = connect(server)?;
    let exchanges: Vec<_> = exchanges.map(|it| (message(&it.request, it.hops), it)).collect();
    let (end, mut answered) = (Instant::now() + length, 0);
    for (message, exchange) in exchanges.iter().cycle() {
        wire.stream.write_all(message)?;
        let answer = answer(&mut wire)?;
        if answer != exchange.answer {
            let answer = String::from_utf8_lossy(answer);
            return Err(io::Error::other(format!("{} was answered with {answer}", exchange.request)));
        }
        answered += 1;
        if Instant::now() >= end {
            break;
        }
    }
    Ok(answered)
}

fn connect(server: SocketAddr) -> io::Result<Wire> {
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Wire::new(stream)
}

fn message(body: &str, hops: usize) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /graphql HTTP/1.1\r\nhost: router\r\naccept: application/json\r\ncontent-type: application/json\r\n\
         {HOPS}: {hops}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn answer(wire: &mut Wire) -> io::Result<&[u8]> {
    let message = wire.next()?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if !message.head.starts_with("HTTP/1.1 200 ") {
        return Err(io::Error::other(message.head.lines().next().unwrap_or_default().to_owned()));
    }
    Ok(message.body)
}
