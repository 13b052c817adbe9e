//! A blocking client for answers that go on: Server-Sent Events and multipart, chunk by chunk as they arrive,
//! so that a test sees what is whole at which moment.

use super::http::{self, HttpAnswer};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    time::Duration,
};

pub const EVENTS: &str = "text/event-stream";
pub const MULTIPART: &str = "multipart/mixed;subscriptionSpec=1.0";
/// How long anything that must come may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer whose head has been read. Dropping it closes the socket.
pub struct HttpStream {
    reader: BufReader<TcpStream>,
    /// Status and headers.
    pub head: HttpAnswer,
    /// What of the body arrived and was not asked for yet.
    text: String,
    ended: Option<End>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Whole,
    /// Without the chunk that says so.
    BrokenOff,
}

impl HttpStream {
    /// Subscribes by POST.
    pub fn post(url: &str, accept: &str, query: &str) -> Self {
        Self::open("POST", url, accept, &json!({ "query": query }).to_string())
    }

    /// Subscribes by GET.
    pub fn get(url: &str, accept: &str, query: &str) -> Self {
        Self::open("GET", &format!("{url}?query={}", http::percent_encoded(query)), accept, "")
    }

    pub fn open(method: &str, url: &str, accept: &str, body: &str) -> Self {
        let headers =
            [("Accept", accept), ("Content-Type", "application/json"), ("Connection", "keep-alive")];
        let socket = http::send(method, url, &headers, body);
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        let mut reader = BufReader::new(socket);
        let head = http::parse(&http::read_head(&mut reader));
        let (text, ended) = match head.header("content-length").parse() {
            // Known in full, and so not cut into chunks.
            Ok(length) => {
                let mut text = vec![0; length];
                reader.read_exact(&mut text).expect("a body in time");
                (String::from_utf8(text).expect("UTF-8"), Some(End::Whole))
            }
            Err(_) => (String::new(), None),
        };
        Self { reader, head, text, ended }
    }

    /// The socket below, to be read slowly or cut.
    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// The next event's type and data.
    #[track_caller]
    pub fn event(&mut self) -> (String, Value) {
        loop {
            let block = self.until("\n\n");
            let mut lines = block
                .trim_end_matches("\n")
                .split('\n')
                .filter(|it| !it.starts_with(':') && !it.starts_with("retry:"));
            let Some(kind) = lines.next() else { continue };
            let kind = kind.strip_prefix("event: ").unwrap_or_else(|| panic!("an event: {block:?}"));
            let data: Vec<_> =
                lines.map(|it| it.strip_prefix("data: ").unwrap_or_else(|| panic!("{block:?}"))).collect();
            let data = data.join("\n");
            let data = if data.is_empty() { Value::Null } else { serde_json::from_str(&data).expect("JSON") };
            return (kind.to_owned(), data);
        }
    }

    /// The result that the next event, or the next part that is no heartbeat, carries.
    #[track_caller]
    pub fn result(&mut self) -> Value {
        if self.is_multipart() {
            let mut part = self.part();
            assert!(part.get("errors").is_none(), "about the stream: {part}");
            return part["payload"].take();
        }
        let (kind, data) = self.event();
        assert_eq!(kind, "next", "{data}");
        data
    }

    /// The end of the operation, and of the answer.
    #[track_caller]
    pub fn complete(&mut self) {
        if self.is_multipart() {
            assert_eq!(self.until("\r\n"), "--\r\n");
        } else {
            assert_eq!(self.event(), ("complete".to_owned(), Value::Null));
        }
        self.expect_end(End::Whole);
    }

    /// The next part's body, heartbeats passed over.
    #[track_caller]
    pub fn part(&mut self) -> Value {
        loop {
            let part = self.until("\r\n--graphql");
            let Some((head, body)) = part.split_once("\r\n\r\n") else {
                assert_eq!(part, "\r\n--graphql", "the first boundary");
                continue;
            };
            assert_eq!(head, "\r\nContent-Type: application/json");
            let body = body.strip_suffix("\r\n--graphql").expect("asked for");
            let body: Value = serde_json::from_str(body).expect("JSON");
            if body != json!({}) {
                return body;
            }
        }
    }

    /// The body up to and with this text, which must arrive in time.
    #[track_caller]
    pub fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return std::mem::replace(&mut self.text, rest);
            }
            assert!(self.read_chunk(), "the answer ended ({:?}) with {:?}", self.ended, self.text);
        }
    }

    /// What is left of the body, which must end in time, and how it ended.
    pub fn rest(&mut self) -> (String, End) {
        while self.read_chunk() {}
        (std::mem::take(&mut self.text), self.ended.expect("it ended"))
    }

    #[track_caller]
    pub fn expect_end(&mut self, end: End) {
        assert_eq!(self.rest(), (String::new(), end));
    }

    fn is_multipart(&self) -> bool {
        self.head.header("content-type").starts_with("multipart/mixed")
    }

    /// Takes one chunk; `false` at the end.
    fn read_chunk(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        match self.next_chunk() {
            Some(chunk) if chunk.is_empty() => self.ended = Some(End::Whole),
            Some(chunk) => self.text.push_str(&chunk),
            None => self.ended = Some(End::BrokenOff),
        }
        self.ended.is_none()
    }

    fn next_chunk(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("nothing in time: {error}"),
        }
        let length = usize::from_str_radix(line.trim_end(), 16).expect("the length of a chunk");
        let mut chunk = vec![0; length + 2];
        self.reader.read_exact(&mut chunk).ok()?;
        chunk.truncate(length);
        Some(String::from_utf8(chunk).expect("UTF-8"))
    }
}
