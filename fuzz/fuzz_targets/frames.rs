//! Whatever a client sends over a WebSocket, cut up as it may be, the echo server of `examples/ws_echo.rs` says
//! what RFC 6455 demands, hangs up, and keeps nothing.
#![no_main]

#[path = "../../examples/ws_echo.rs"]
mod ws_echo;

use juga_fuzz::{
    dice::Dice,
    frames::{heard, life, reference},
};
use libfuzzer_sys::fuzz_target;
use std::{
    cell::RefCell,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};
use ws_echo::Echo;

/// Small, so that it is reached; larger than the lengths at which headers change their form.
const MESSAGE_BYTES_MAX: usize = 70_000;
/// Turns of the server after a client has hung up, of a millisecond at most.
const TURNS_MAX: u32 = 5_000;

const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

thread_local! {
    /// One server for all lives: what one leaves behind, the next would meet.
    static ECHO: RefCell<Echo> = RefCell::new(
        Echo::bind("127.0.0.1:0".parse().expect("an address"), MESSAGE_BYTES_MAX).expect("a free port"),
    );
}

fuzz_target!(|input: &[u8]| {
    let [cuts, rest @ ..] = input else { return };
    let sent = life(&mut Dice::new(rest), MESSAGE_BYTES_MAX);
    let answer = ECHO.with_borrow_mut(|echo| converse(echo, &sent, *cuts));
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("an answer to the handshake");
    let said = heard(&answer[end + 4..]).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(said, reference(&sent, MESSAGE_BYTES_MAX));
});

/// Sends a life, in pieces, and hangs up; all that came back.
fn converse(echo: &mut Echo, sent: &[u8], cuts: u8) -> Vec<u8> {
    let mut client = TcpStream::connect(echo.address().expect("it listens")).expect("a connection");
    client.set_nonblocking(true).expect("a socket");
    let (mut answer, bytes) = (Vec::new(), [HANDSHAKE, sent].concat());
    let mut left = &bytes[..];
    while !left.is_empty() {
        let piece = length(cuts, left.len(), sent.len());
        match client.write(&left[..piece]) {
            Ok(count) => left = &left[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // It has hung up on us.
            Err(_) => break,
        }
        echo.turn(Some(Duration::ZERO)).expect("it polls");
        read(&mut client, &mut answer);
    }
    let _ = client.shutdown(Shutdown::Write);
    let mut turns = 0;
    while !read(&mut client, &mut answer) {
        assert!(turns < TURNS_MAX, "it does not hang up");
        turns += 1;
        echo.turn(Some(Duration::from_millis(1))).expect("it polls");
    }
    drop(client);
    while echo.connections() > 0 {
        assert!(turns < TURNS_MAX, "it keeps the connection");
        turns += 1;
        echo.turn(Some(Duration::from_millis(1))).expect("it polls");
    }
    answer
}

/// How long the next piece is: all at once, byte by byte (of lives that are not too long), or anything between.
fn length(cuts: u8, left: usize, whole: usize) -> usize {
    let piece = match cuts {
        0..=99 => left,
        100..=149 if whole < 2_000 => 1,
        other => (usize::from(other) - 90) * (1 + whole / 4_000),
    };
    piece.clamp(1, left)
}

/// Takes what there is; `true` at the end.
fn read(client: &mut TcpStream, answer: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 16 * 1024];
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return true,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("the connection broke: {error}"),
        }
    }
}
