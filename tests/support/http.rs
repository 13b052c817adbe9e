//! One HTTP request over a socket of its own, so that a test sees the answer as it was written.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// An answer, taken apart.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    pub status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub body: String,
}

impl HttpAnswer {
    /// The first header of this name (in lower case), or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    /// All headers of this name (in lower case).
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(it, _)| it == name).map(|(_, value)| &value[..]).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends `METHOD URL` with more header lines and a body, and reads until the router closes.
pub fn http(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> HttpAnswer {
    let mut socket = send(method, url, &[&[("Connection", "close")], headers].concat(), body);
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an answer in time");
    parse(&String::from_utf8(answer).expect("an answer in UTF-8"))
}

/// Sends `METHOD URL` with these header lines, and reads the head of the answer: its body may go on.
pub fn http_head(method: &str, url: &str, headers: &[(&str, &str)]) -> HttpAnswer {
    let socket = send(method, url, headers, "");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    parse(&read_head(&mut BufReader::new(socket)))
}

/// Reads up to and with the blank line behind a head.
pub fn read_head(reader: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("a head in time") > 0, "no answer: {head:?}");
    }
    head
}

/// Sends `METHOD URL` with more header lines and a body, over a connection of its own.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
    let (address, path) = split(url);
    let mut socket = TcpStream::connect(address).expect("the router listens");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    socket.write_all(format!("{head}\r\n{body}").as_bytes()).expect("the router reads");
    socket
}

/// A text as it stands in a query string.
pub fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn split(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").expect("an http URL");
    rest.find('/').map_or((rest, "/"), |at| rest.split_at(at))
}

/// Takes an answer apart, the body as it stands.
pub fn parse(answer: &str) -> HttpAnswer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|it| it.split(' ').nth(1)).and_then(|it| it.parse().ok());
    let headers = lines.filter_map(|it| it.split_once(':'));
    HttpAnswer {
        status: status.expect("a status line"),
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect(),
        body: body.to_owned(),
    }
}
