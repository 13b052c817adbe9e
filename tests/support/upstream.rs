//! A subgraph that serves subscriptions, played by the test: each connection of the router's comes to the
//! test, which says every word of the other side itself.
#![expect(clippy::disallowed_methods, reason = "deadlines are on the real clock")]

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};
use tungstenite::{
    Message, WebSocket,
    handshake::server::{Request, Response},
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// How long anything that must come may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Listens for the router.
pub struct Upstream {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    credentials: &'static str,
}

impl Upstream {
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// With TLS for WebSockets.
    pub fn start_with(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener that can be asked");
        Self { listener, tls, credentials: "" }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("bound")
    }

    /// For `overrides.subgraphs.<name>.subscription_url`.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}{}/subscriptions", self.credentials, self.address())
    }

    /// The same with credentials in its URL: `user:password@`.
    pub fn with_credentials(self, credentials: &'static str) -> Self {
        Self { credentials, ..self }
    }

    /// The next connection, bare.
    #[track_caller]
    pub fn accept(&self) -> TcpStream {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(false).expect("a blocking socket");
                    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
                    return socket;
                }
                Err(_) if Instant::now() < deadline => std::thread::yield_now(),
                Err(error) => panic!("the router did not connect: {error}"),
            }
        }
    }

    /// The next connection, with TLS where it is spoken; `Err` when the router hangs up in the handshake.
    #[track_caller]
    pub fn accept_stream(&self) -> io::Result<Stream> {
        let mut socket = self.accept();
        let Some(config) = &self.tls else { return Ok(Stream::Plain(socket)) };
        let mut connection = ServerConnection::new(config.clone()).expect("a configuration");
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(Stream::Tls(Box::new(StreamOwned::new(connection, socket))))
    }

    /// Whether the router has not connected again.
    pub fn is_quiet(&self) -> bool {
        self.listener.accept().is_err()
    }

    /// The next connection as a WebSocket that speaks this subprotocol.
    #[track_caller]
    pub fn upgrade(&self, protocol: &'static str) -> Peer {
        let mut seen = None;
        #[expect(clippy::result_large_err, reason = "what tungstenite asks for")]
        let answer = |request: &Request, mut response: Response| {
            seen = Some(request.clone());
            let value = http::HeaderValue::from_static(protocol);
            response.headers_mut().insert("sec-websocket-protocol", value);
            Ok(response)
        };
        let socket =
            tungstenite::accept_hdr(self.accept_stream().expect("TLS"), answer).expect("a handshake");
        Peer { socket, request: seen.expect("a request"), legacy: protocol == "graphql-ws" }
    }

    /// The next connection, initialised; `payload` is what `connection_init` has to carry.
    #[track_caller]
    pub fn welcome(&self, protocol: &'static str, payload: &Value) -> Peer {
        let mut peer = self.upgrade(protocol);
        let mut init = json!({ "type": "connection_init" });
        if !payload.is_null() {
            init["payload"] = payload.clone();
        }
        assert_eq!(peer.hear(), init);
        peer.say(&json!({ "type": "connection_ack" }));
        peer
    }

    /// Answers the next connection's request with this status and nothing else; the request's head.
    #[track_caller]
    pub fn refuse(&self, status: u16) -> Vec<String> {
        let mut socket = self.accept();
        let head = read_head(&mut socket);
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        socket.write_all(answer.as_bytes()).expect("the router reads");
        head
    }

    /// Answers the next connection's request with this and nothing else.
    #[track_caller]
    pub fn answer(&self, status: u16, content_type: &str, body: &str) {
        let mut socket = self.accept();
        read_head(&mut socket);
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} No\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        socket.write_all(answer.as_bytes()).expect("the router reads");
    }

    /// The next connection's request for Server-Sent Events, answered with their head.
    #[track_caller]
    pub fn stream(&self) -> EventStream {
        let mut socket = self.accept();
        let head = read_head(&mut socket);
        let length =
            head.iter().find_map(|it| it.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        socket.read_exact(&mut body).expect("the whole body");
        socket
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .expect("the router reads");
        EventStream { socket, head, body: String::from_utf8(body).expect("UTF-8") }
    }
}

fn read_head(socket: &mut TcpStream) -> Vec<String> {
    let mut lines = BufReader::with_capacity(1, socket).lines();
    let head = lines.by_ref().map(|it| it.expect("a request")).take_while(|it| !it.is_empty());
    head.collect()
}

/// What a connection goes over.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
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

/// The router's end of a WebSocket, as the subgraph sees it.
pub struct Peer {
    socket: WebSocket<Stream>,
    request: Request,
    legacy: bool,
}

impl Peer {
    /// A header of the upgrade request; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.request.headers().get(name).map_or("", |it| it.to_str().expect("text"))
    }

    pub fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// The next message; pings of WebSocket's own are passed over.
    #[track_caller]
    pub fn hear(&mut self) -> Value {
        loop {
            match self.socket.read().expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next frame, whatever it is; `None` when the connection has ended.
    pub fn frame(&mut self) -> Option<Message> {
        self.socket.read().ok()
    }

    /// The next message, which starts a subscription: its id and its payload.
    #[track_caller]
    pub fn subscription(&mut self) -> (String, Value) {
        let message = self.hear();
        assert_eq!(message["type"], if self.legacy { "start" } else { "subscribe" }, "{message}");
        (message["id"].as_str().expect("an id").to_owned(), message["payload"].clone())
    }

    /// The next message, which must end this subscription.
    #[track_caller]
    pub fn goodbye(&mut self, id: &str) {
        let kind = if self.legacy { "stop" } else { "complete" };
        assert_eq!(self.hear(), json!({ "id": id, "type": kind }));
    }

    /// How many bytes of the router's have arrived and were not read; waits for the first.
    #[track_caller]
    pub fn unread(&self) -> usize {
        let Stream::Plain(socket) = self.socket.get_ref() else { panic!("TLS hides what is said") };
        socket.peek(&mut vec![0; 16 << 20]).expect("the router says something")
    }

    /// What was agreed on in the handshake of TLS.
    pub fn protocol(&self) -> Option<&[u8]> {
        match self.socket.get_ref() {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.conn.alpn_protocol(),
        }
    }

    /// Sends messages in one piece, which over TLS is one record.
    pub fn say_at_once(&mut self, messages: &[Value]) {
        for message in messages {
            self.socket.write(Message::text(message.to_string())).expect("room");
        }
        self.socket.flush().expect("the router reads");
    }

    pub fn say(&mut self, message: &Value) {
        self.socket.send(Message::text(message.to_string())).expect("the router reads");
    }

    pub fn next(&mut self, id: &str, payload: &Value) {
        let kind = if self.legacy { "data" } else { "next" };
        self.say(&json!({ "id": id, "type": kind, "payload": payload }));
    }

    pub fn complete(&mut self, id: &str) {
        self.say(&json!({ "id": id, "type": "complete" }));
    }

    pub fn error(&mut self, id: &str, errors: &Value) {
        self.say(&json!({ "id": id, "type": "error", "payload": errors }));
    }

    pub fn close(mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        self.socket.close(Some(frame)).expect("the router reads");
        while self.socket.read().is_ok() {}
    }
}

/// An answer of Server-Sent Events that goes on.
pub struct EventStream {
    socket: TcpStream,
    /// The request's lines.
    pub head: Vec<String>,
    pub body: String,
}

impl EventStream {
    pub fn next(&mut self, payload: &Value) {
        self.write(&format!("event: next\ndata: {payload}\n\n"));
    }

    pub fn complete(mut self) {
        self.write("event: complete\ndata:\n\n");
        drop(self.socket.write_all(b"0\r\n\r\n"));
    }

    pub fn write(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.socket.write_all(chunk.as_bytes()).expect("the router reads");
    }

    /// Waits until the router has hung up.
    pub fn wait_for_end(mut self) {
        let mut rest = Vec::new();
        self.socket.read_to_end(&mut rest).expect("the router hangs up in time");
    }
}
