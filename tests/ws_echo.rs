//! The echo server of `examples/ws_echo.rs`, spoken to by a WebSocket library of others. What it makes of
//! clients that break the protocol is the fuzzer's: `fuzz/fuzz_targets/frames.rs`.

#[path = "../examples/ws_echo.rs"]
mod ws_echo;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tungstenite::{
    Message, WebSocket,
    protocol::frame::coding::{Data, OpCode},
    protocol::{
        CloseFrame, WebSocketConfig,
        frame::{Frame, coding::CloseCode},
    },
};
use ws_echo::Echo;

const PATIENCE: Duration = Duration::from_secs(20);

/// The server on a thread, until it is dropped.
struct Running {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Running {
    fn start() -> Self {
        let mut echo = Echo::bind("127.0.0.1:0".parse().expect("an address"), ws_echo::MESSAGE_BYTES_MAX)
            .expect("a port");
        let (address, stop) = (echo.address().expect("bound"), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                echo.turn(Some(Duration::from_millis(10))).expect("it polls");
            }
            echo.connections()
        });
        Self { address, stop, thread: Some(thread) }
    }

    fn connect(&self) -> WebSocket<TcpStream> {
        let socket = TcpStream::connect(self.address).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        let config = WebSocketConfig::default();
        let url = format!("ws://{}/", self.address);
        let (client, _) =
            tungstenite::client::client_with_config(url, socket, Some(config)).expect("a handshake");
        client
    }

    /// Ends it; how many connections it still had.
    fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("stopped once").join().expect("no panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[test]
fn messages_of_every_length_come_back() {
    let echo = Running::start();
    let mut client = echo.connect();
    for length in [0, 1, 125, 126, 65_535, 65_536, 3_000_000] {
        let text = "é".repeat(length / 2) + if length % 2 == 1 { "x" } else { "" };
        client.send(Message::text(text.clone())).expect("sent");
        assert_eq!(client.read().expect("an echo"), Message::text(text), "{length}");
    }
    client.send(Message::Ping(vec![1, 2, 3].into())).expect("sent");
    assert_eq!(client.read().expect("a pong"), Message::Pong(vec![1, 2, 3].into()));
}

#[test]
fn fragments_come_back_in_one_piece() {
    let echo = Running::start();
    let mut client = echo.connect();
    let parts = ["on", "e ", "piece"];
    for (index, part) in parts.iter().enumerate() {
        let opcode = OpCode::Data(if index == 0 { Data::Text } else { Data::Continue });
        let frame = Frame::message(part.as_bytes().to_vec(), opcode, index + 1 == parts.len());
        client.send(Message::Frame(frame)).expect("sent");
        client.send(Message::Ping(vec![index as u8].into())).expect("sent");
    }
    let mut heard: Vec<_> = (0..4).map(|_| client.read().expect("an answer")).collect();
    heard.retain(|it| !it.is_pong());
    assert_eq!(heard, [Message::text("one piece")]);
}

#[test]
fn a_close_is_answered_and_the_connection_given_up() {
    let echo = Running::start();
    let mut client = echo.connect();
    client.close(Some(CloseFrame { code: CloseCode::Away, reason: "bye".into() })).expect("sent");
    let answer = client.read().expect("an answer");
    assert_eq!(answer, Message::Close(Some(CloseFrame { code: CloseCode::Away, reason: "".into() })));
    assert!(matches!(client.read(), Err(tungstenite::Error::ConnectionClosed)));
    let mut binary = echo.connect();
    binary.send(Message::binary(vec![1])).expect("sent");
    let Ok(Message::Close(Some(frame))) = binary.read() else { panic!("a close frame") };
    assert_eq!(frame.code, CloseCode::Unsupported);
    drop((client, binary));
    // A third one shows that the server has seen the ends of the others.
    let mut last = echo.connect();
    last.send(Message::text("last")).expect("sent");
    assert_eq!(last.read().expect("an echo"), Message::text("last"));
    assert_eq!(echo.stop(), 1);
}

#[test]
fn what_is_no_handshake_is_told_what_one_is() {
    let echo = Running::start();
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "426 Upgrade Required"),
        ("POST / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "405 Method Not Allowed"),
        ("nonsense\r\n\r\n", "400 Bad Request"),
    ] {
        let mut socket = TcpStream::connect(echo.address).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        socket.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer and its end");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
    }
}
