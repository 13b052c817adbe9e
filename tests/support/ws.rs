//! A blocking WebSocket client for tests that speaks `graphql-transport-ws`, or the legacy `graphql-ws`: what
//! tests say and expect is the same, and goes over the wire in the words that were agreed on.
#![expect(clippy::disallowed_methods, reason = "deadlines are on the real clock")]

use super::tls::TlsStream;
use rustls::ClientConfig;
use serde_json::{Value, json};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};
use tungstenite::{
    Error, Message, WebSocket, client::IntoClientRequest, handshake::client::Request,
    protocol::frame::CloseFrame,
};

pub const TRANSPORT_WS: &str = "graphql-transport-ws";
pub const LEGACY_WS: &str = "graphql-ws";
/// How long anything that must come may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One connection. Dropping it closes the socket without a closing handshake.
pub struct Client {
    socket: WebSocket<Stream>,
    words: Words,
}

/// What a connection goes over.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// What the dialects call the same things.
#[derive(Clone, Copy)]
struct Words {
    start: &'static str,
    stop: &'static str,
    result: &'static str,
}

const TRANSPORT_WORDS: Words = Words { start: "subscribe", stop: "complete", result: "next" };
const LEGACY_WORDS: Words = Words { start: "start", stop: "stop", result: "data" };

/// What a connection said next.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Message(Value),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Closed {
        code: u16,
        reason: String,
    },
    /// The connection ended without a close frame.
    Gone,
}

impl Client {
    /// Upgrades and initialises; the connection is ready for operations.
    pub fn connect(url: &str) -> Self {
        Self::upgrade(url, &[TRANSPORT_WS], &[]).initialised()
    }

    /// The same over TLS: `wss`.
    pub fn connect_tls(url: &str, config: &Arc<ClientConfig>) -> Self {
        Self::upgrade_tls(url, config).initialised()
    }

    fn initialised(mut self) -> Self {
        self.send(&json!({ "type": "connection_init" }));
        assert_eq!(self.message(), json!({ "type": "connection_ack" }));
        self
    }

    /// The same in the legacy dialect, whose keep-alives must be turned on.
    pub fn connect_legacy(url: &str) -> Self {
        let mut client = Self::upgrade(url, &[LEGACY_WS], &[]);
        client.send(&json!({ "type": "connection_init", "payload": {} }));
        assert_eq!(client.message(), json!({ "type": "connection_ack" }));
        assert_eq!(client.hear(PATIENCE), Some(Said::Message(json!({ "type": "ka" }))));
        client
    }

    /// Upgrades only, with these subprotocols and headers on offer.
    pub fn upgrade(url: &str, protocols: &[&str], headers: &[(&str, &str)]) -> Self {
        Self::try_upgrade(url, protocols, headers).unwrap_or_else(|why| panic!("no upgrade: {why}"))
    }

    /// Upgrades only; a refusal comes back as [`Error::Http`] with the answer.
    pub fn try_upgrade(url: &str, protocols: &[&str], headers: &[(&str, &str)]) -> Result<Self, Error> {
        let request = request(url, protocols, headers)?;
        let stream = connect(&request)?;
        Self::over(Stream::Plain(stream), request)
    }

    /// Upgrades only, over TLS.
    pub fn upgrade_tls(url: &str, config: &Arc<ClientConfig>) -> Self {
        let request = request(url, &[TRANSPORT_WS], &[]).expect("a request");
        let stream = TlsStream::new(connect(&request).expect("the router listens"), config);
        Self::upgrade_over(stream.unwrap_or_else(|why| panic!("no TLS: {why}")), url)
    }

    /// Upgrades only, over a connection that stands.
    pub fn upgrade_over(stream: TlsStream, url: &str) -> Self {
        let request = request(url, &[TRANSPORT_WS], &[]).expect("a request");
        Self::over(Stream::Tls(Box::new(stream)), request).unwrap_or_else(|why| panic!("no upgrade: {why}"))
    }

    fn over(stream: Stream, request: Request) -> Result<Self, Error> {
        match tungstenite::client(request, stream) {
            Ok((socket, answer)) => {
                let is_legacy =
                    answer.headers().get("Sec-WebSocket-Protocol").is_some_and(|it| it == LEGACY_WS);
                Ok(Self { socket, words: if is_legacy { LEGACY_WORDS } else { TRANSPORT_WORDS } })
            }
            Err(tungstenite::HandshakeError::Failure(why)) => Err(why),
            Err(tungstenite::HandshakeError::Interrupted(_)) => {
                Err(Error::Io(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    pub fn is_legacy(&self) -> bool {
        self.words.start == LEGACY_WORDS.start
    }

    /// The socket below, to be read slowly or cut.
    pub fn stream(&self) -> &TcpStream {
        self.socket.get_ref().tcp()
    }

    pub fn send(&mut self, message: &Value) {
        self.send_frame(Message::text(message.to_string()));
    }

    pub fn send_frame(&mut self, frame: Message) {
        self.socket.send(frame).expect("the connection takes a frame");
    }

    pub fn subscribe(&mut self, id: &str, query: &str) {
        self.subscribe_with(id, json!({ "query": query }));
    }

    /// Subscribes with a whole payload: `query`, `variables`, `operationName`, `extensions`.
    pub fn subscribe_with(&mut self, id: &str, payload: Value) {
        self.send(&json!({ "id": id, "type": self.words.start, "payload": payload }));
    }

    pub fn complete(&mut self, id: &str) {
        self.send(&json!({ "id": id, "type": self.words.stop }));
    }

    /// The payload of the next message, which must be a `next` (or `data`) for this id.
    #[track_caller]
    pub fn next(&mut self, id: &str) -> Value {
        let message = self.message();
        assert_eq!((&message["type"], &message["id"]), (&json!(self.words.result), &json!(id)), "{message}");
        message["payload"].clone()
    }

    /// The next message, control frames and keep-alives passed over.
    #[track_caller]
    pub fn message(&mut self) -> Value {
        self.message_within(PATIENCE).expect("a message in time")
    }

    /// The next message if one comes in time, control frames and keep-alives passed over.
    ///
    /// # Panics
    /// If the connection ends instead.
    #[track_caller]
    pub fn message_within(&mut self, timeout: Duration) -> Option<Value> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.hear(deadline.saturating_duration_since(Instant::now()))? {
                Said::Message(message) if message["type"] == "ka" => {}
                Said::Message(message) => return Some(message),
                Said::Ping(_) | Said::Pong(_) => {}
                ended => panic!("the connection ended: {ended:?}"),
            }
        }
    }

    /// Reads until the connection ends and returns the close code and reason.
    #[track_caller]
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            match self.hear(PATIENCE).expect("the connection ends in time") {
                Said::Closed { code, reason } => return (code, reason),
                Said::Gone => panic!("the connection ended without a close frame"),
                _ => {}
            }
        }
    }

    /// Whatever comes next; `None` if nothing does in time. Pings are answered.
    pub fn hear(&mut self, timeout: Duration) -> Option<Said> {
        let timeout = timeout.max(Duration::from_millis(1));
        self.socket.get_ref().tcp().set_read_timeout(Some(timeout)).expect("a timeout above zero");
        match self.socket.read() {
            Ok(frame) => Some(said(frame)),
            Err(Error::Io(why)) if why.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => Some(Said::Gone),
        }
    }
}

fn request(url: &str, protocols: &[&str], headers: &[(&str, &str)]) -> Result<Request, Error> {
    let mut request: Request = url.into_client_request()?;
    for (name, value) in headers {
        let name = http::HeaderName::try_from(*name).expect("a header name");
        request.headers_mut().append(name, value.parse().expect("a header value"));
    }
    if !protocols.is_empty() {
        let value = protocols.join(", ").parse().expect("protocol names");
        request.headers_mut().insert("Sec-WebSocket-Protocol", value);
    }
    Ok(request)
}

fn connect(request: &Request) -> io::Result<TcpStream> {
    let address = request.uri().authority().expect("an address").as_str().to_owned();
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn said(frame: Message) -> Said {
    match frame {
        Message::Text(text) => Said::Message(serde_json::from_str(&text).expect("JSON in a text frame")),
        Message::Ping(bytes) => Said::Ping(bytes.to_vec()),
        Message::Pong(bytes) => Said::Pong(bytes.to_vec()),
        Message::Close(Some(CloseFrame { code, reason })) => {
            Said::Closed { code: code.into(), reason: reason.to_string() }
        }
        Message::Close(None) => Said::Closed { code: 1005, reason: String::new() },
        Message::Binary(_) | Message::Frame(_) => panic!("binary frames are never sent"),
    }
}
