//! The HTTP client to subgraphs, against a server of the test's own.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "support/io.rs"]
mod io;

use bytes::Bytes;
use io::{IoThread, PATIENCE};
use juga::{
    plan::{OperationKind, SubgraphId},
    resolve::{FetchError, FetchRequest, Subgraphs},
    sources::subgraph::{SubgraphClient, SubgraphEndpoint, SubgraphOptions},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

/// One request as the server read it, and its connection.
struct Exchange {
    /// Counts the server's connections from 1.
    connection: usize,
    head: String,
    body: String,
    socket: TcpStream,
}

impl Exchange {
    fn answer(mut self, status: &str, content_type: &str, body: &str) {
        let length = body.len();
        let _ = write!(
            self.socket,
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
    }

    fn raw(mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes);
    }

    fn hang_up(self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// Reads requests and leaves the answers to the test.
struct Subgraph {
    address: SocketAddr,
    requests: Receiver<Exchange>,
    /// A connection that its client closed.
    closed: Receiver<usize>,
}

impl Subgraph {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let ((to_test, requests), (to_closed, closed)) = (channel(), channel());
        std::thread::spawn(move || {
            for (index, socket) in listener.incoming().enumerate() {
                let Ok(socket) = socket else { return };
                let (to_test, to_closed, connection) = (to_test.clone(), to_closed.clone(), index + 1);
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(socket);
                    while let Some(exchange) = read_request(&mut reader, connection) {
                        if to_test.send(exchange).is_err() {
                            return;
                        }
                    }
                    let _ = to_closed.send(connection);
                });
            }
        });
        Self { address, requests, closed }
    }

    fn next(&self) -> Exchange {
        self.requests.recv_timeout(PATIENCE).expect("a request")
    }
}

fn read_request(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<Exchange> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|it| it.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    Some(Exchange { connection, head, body, socket: reader.get_ref().try_clone().ok()? })
}

/// A client on an io thread of its own.
struct Rig {
    io: IoThread,
    client: SubgraphClient,
    subgraph: Subgraph,
}

type Answer = Result<Bytes, FetchError>;

impl Rig {
    fn start(options: SubgraphOptions) -> Self {
        let subgraph = Subgraph::start();
        let io = IoThread::start();
        let url = format!("http://{}/graphql", subgraph.address);
        let endpoints = [SubgraphEndpoint { name: "products".into(), url }];
        let client = SubgraphClient::new(&io.handle, options, &endpoints).expect("client");
        Self { io, client, subgraph }
    }

    /// A fetch under way; the receiver gets its answer.
    fn fetch(&self, kind: OperationKind) -> (tokio::task::AbortHandle, Receiver<Answer>) {
        let body = Bytes::from_static(b"{\"query\":\"{a}\"}");
        let fetching = self.client.fetch(FetchRequest { subgraph: SubgraphId(0), kind, body, headers: None });
        let (tell, told) = channel();
        let task = self.io.handle.spawn(async move {
            let _ = tell.send(fetching.await.map(|it| it.body));
        });
        (task.abort_handle(), told)
    }

    /// A query that the server answers so.
    fn exchange(&self, answer: impl FnOnce(Exchange)) -> Answer {
        let (_, told) = self.fetch(OperationKind::Query);
        answer(self.subgraph.next());
        told.recv_timeout(PATIENCE).expect("an outcome")
    }
}

fn malformed(answer: &Answer) -> bool {
    matches!(answer, Err(FetchError::Malformed(_)))
}

#[test]
fn a_request_goes_out_as_subgraphs_expect_it_and_the_body_comes_back() {
    let rig = Rig::start(SubgraphOptions::default());
    let (_, told) = rig.fetch(OperationKind::Query);
    let exchange = rig.subgraph.next();
    assert!(exchange.head.starts_with("post /graphql http/1.1\r\n"), "{}", exchange.head);
    for header in [
        "content-type: application/json\r\n",
        "accept: application/graphql-response+json, application/json\r\n",
        "user-agent: juga/",
    ] {
        assert!(exchange.head.contains(header), "{header}\n{}", exchange.head);
    }
    assert_eq!(exchange.body, "{\"query\":\"{a}\"}");
    exchange.answer("200 OK", "application/json; charset=utf-8", "{\"data\":{\"a\":1}}");
    let answer = told.recv_timeout(PATIENCE).expect("an outcome");
    assert_eq!(answer, Ok(Bytes::from_static(b"{\"data\":{\"a\":1}}")));
}

#[test]
fn connections_are_used_again() {
    let rig = Rig::start(SubgraphOptions::default());
    for _ in 0..5 {
        let answer = rig.exchange(|it| {
            assert_eq!(it.connection, 1);
            it.answer("200 OK", "application/json", "{}");
        });
        assert!(answer.is_ok());
    }
}

#[test]
fn chunks_are_put_together() {
    let rig = Rig::start(SubgraphOptions::default());
    let answer = rig.exchange(|it| {
        it.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n{\"data\r\n3\r\n\":{\r\n2\r\n}}\r\n0\r\n\r\n");
    });
    assert_eq!(answer, Ok(Bytes::from_static(b"{\"data\":{}}")));
}

#[test]
fn an_error_status_is_an_error_unless_the_body_is_graphql() {
    let rig = Rig::start(SubgraphOptions::default());
    let answer = rig.exchange(|it| it.answer("503 Service Unavailable", "text/html", "<p>busy</p>"));
    assert_eq!(answer, Err(FetchError::Status(503)));
    let answer = rig.exchange(|it| it.answer("404 Not Found", "application/json", "{\"message\":\"no\"}"));
    assert_eq!(answer, Err(FetchError::Status(404)));
    let answer = rig.exchange(|it| it.answer("302 Found", "application/json", "{}"));
    assert_eq!(answer, Err(FetchError::Status(302)), "redirects are not followed");
    let errors = "{\"errors\":[{\"message\":\"no field a\"}]}";
    let answer = rig.exchange(|it| it.answer("400 Bad Request", "application/graphql-response+json", errors));
    assert_eq!(answer, Ok(Bytes::from_static(errors.as_bytes())));
}

#[test]
fn garbage_is_refused() {
    let rig = Rig::start(SubgraphOptions::default());
    assert!(malformed(&rig.exchange(|it| it.answer("200 OK", "text/html", "{\"data\":{}}"))));
    assert!(malformed(&rig.exchange(|it| it.answer("200 OK", "application/json", "welcome"))));
    assert!(malformed(&rig.exchange(|it| it.answer("200 OK", "application/json", ""))));
    let zipped = rig.exchange(|it| {
        it.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}");
    });
    assert!(malformed(&zipped), "{zipped:?}");
    let answer = rig.exchange(|it| it.raw(b"\x00\x01 not HTTP at all\r\n\r\n"));
    assert!(matches!(answer, Err(FetchError::Unreachable(_))), "{answer:?}");
}

#[test]
fn answers_are_bounded_in_bytes_said_or_not() {
    let rig = Rig::start(SubgraphOptions { response_bytes_max: 100, ..SubgraphOptions::default() });
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(100));
    let said = rig.exchange(|it| it.answer("200 OK", "application/json", &long));
    assert!(malformed(&said), "{said:?}");
    let unsaid = rig.exchange(|it| {
        let chunk = format!("32\r\n{}\r\n", "x".repeat(0x32));
        it.raw(
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(3)).as_bytes(),
        );
    });
    assert!(malformed(&unsaid), "{unsaid:?}");
    assert!(rig.exchange(|it| it.answer("200 OK", "application/json", "{}")).is_ok(), "life goes on");
}

#[test]
fn time_is_bounded_also_in_the_middle_of_an_answer() {
    let timeout = Duration::from_millis(200);
    let rig = Rig::start(SubgraphOptions { timeout, ..SubgraphOptions::default() });
    let start = Instant::now();
    let mut held = Vec::new();
    assert_eq!(rig.exchange(|it| held.push(it)), Err(FetchError::Timeout(timeout)));
    let half = rig.exchange(|it| {
        let _ = (&it.socket).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{");
        held.push(it);
    });
    assert_eq!(half, Err(FetchError::Timeout(timeout)));
    assert!(start.elapsed() >= timeout * 2 && start.elapsed() < PATIENCE);
}

#[test]
fn a_lost_connection_is_an_error() {
    let rig = Rig::start(SubgraphOptions::default());
    let answer = rig.exchange(Exchange::hang_up);
    assert!(matches!(answer, Err(FetchError::Unreachable(_))), "{answer:?}");
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let elsewhere = [SubgraphEndpoint { name: "gone".into(), url: format!("http://{nobody}/") }];
    let client = rig.client.with_endpoints(&elsewhere).expect("client");
    let fetch = |subgraph| {
        let body = Bytes::from_static(b"{}");
        let request =
            FetchRequest { subgraph: SubgraphId(subgraph), kind: OperationKind::Query, body, headers: None };
        rig.io.wait(client.fetch(request))
    };
    let Err(FetchError::Unreachable(reason)) = fetch(0) else { panic!("nobody listens there") };
    assert!(reason.to_lowercase().contains("refused"), "{reason}");
    assert!(matches!(fetch(9), Err(FetchError::Unreachable(_))), "an unknown subgraph");
}

#[test]
fn a_dropped_query_is_aborted_and_a_dropped_mutation_runs_on() {
    let rig = Rig::start(SubgraphOptions::default());
    let (task, _told) = rig.fetch(OperationKind::Query);
    let exchange = rig.subgraph.next();
    task.abort();
    assert_eq!(rig.subgraph.closed.recv_timeout(PATIENCE), Ok(exchange.connection));

    let (task, _told) = rig.fetch(OperationKind::Mutation);
    let mutation = rig.subgraph.next();
    task.abort();
    let connection = mutation.connection;
    // Another request and its answer: by then the io thread has long seen that nobody waits.
    assert!(rig.exchange(|it| it.answer("200 OK", "application/json", "{}")).is_ok());
    mutation.answer("200 OK", "application/json", "{\"data\":{}}");
    // The connection serves again afterwards: it was not given up. Two queries at a time use it and the other.
    let start = Instant::now();
    loop {
        let (one, two) = (rig.fetch(OperationKind::Query), rig.fetch(OperationKind::Query));
        let exchanges = [rig.subgraph.next(), rig.subgraph.next()];
        let is_reused = exchanges.iter().any(|it| it.connection == connection);
        exchanges.into_iter().for_each(|it| it.answer("200 OK", "application/json", "{}"));
        for (_, told) in [one, two] {
            assert!(told.recv_timeout(PATIENCE).expect("an outcome").is_ok());
        }
        if is_reused {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "the mutation's connection was closed");
    }
}

#[test]
fn addresses_are_checked() {
    let rig = Rig::start(SubgraphOptions::default());
    for bad in ["", "products:4001", "ftp://products/", "/graphql", "http://"] {
        let endpoints = [SubgraphEndpoint { name: "products".into(), url: bad.into() }];
        let error = rig.client.with_endpoints(&endpoints).err().expect(bad);
        assert!(error.to_string().contains("subgraph products"), "{error}");
    }
}
