//! The HTTP client to subgraphs, against a server of the test's own.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "support/io.rs"]
mod io;

use bytes::Bytes;
use io::{IoThread, PATIENCE};
use juga::{
    plan::{OperationKind, SubgraphId},
    resolve::{FetchError, FetchRequest, Subgraphs},
    sources::subgraph::{BreakerOptions, RetryOptions, SubgraphClient, SubgraphEndpoint, SubgraphOptions},
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
        let client = SubgraphClient::new(&io.handle, &[endpoint(&url, options)]).expect("client");
        Self { io, client, subgraph }
    }

    /// A fetch under way; the receiver gets its answer.
    fn fetch(&self, kind: OperationKind) -> (tokio::task::AbortHandle, Receiver<Answer>) {
        let body = Bytes::from_static(b"{\"query\":\"{a}\"}");
        let fetching = self.client.fetch(FetchRequest {
            subgraph: SubgraphId(0),
            kind,
            body,
            headers: None,
            trace: None,
        });
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

fn endpoint(url: &str, options: SubgraphOptions) -> SubgraphEndpoint {
    SubgraphEndpoint { name: "products".into(), url: url.to_owned(), options }
}

/// One attempt and no more.
fn once() -> SubgraphOptions {
    SubgraphOptions { retry: None, ..SubgraphOptions::default() }
}

/// Repeats at once, up to three times.
fn at_once() -> SubgraphOptions {
    let retry = RetryOptions { attempts_max: 3, interval: Duration::ZERO, ..RetryOptions::default() };
    SubgraphOptions { retry: Some(retry), ..SubgraphOptions::default() }
}

fn malformed(answer: &Answer) -> bool {
    matches!(answer, Err(FetchError::Malformed(_)))
}

#[test]
fn a_request_goes_out_as_subgraphs_expect_it_and_the_body_comes_back() {
    let rig = Rig::start(once());
    let (_, told) = rig.fetch(OperationKind::Query);
    let exchange = rig.subgraph.next();
    assert!(exchange.head.starts_with("post /graphql http/1.1\r\n"), "{}", exchange.head);
    for header in [
        "content-type: application/json\r\n",
        "accept: application/graphql-response+json, application/json\r\n",
        "accept-encoding: gzip\r\n",
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
    let rig = Rig::start(once());
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
    let rig = Rig::start(once());
    let answer = rig.exchange(|it| {
        it.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n{\"data\r\n3\r\n\":{\r\n2\r\n}}\r\n0\r\n\r\n");
    });
    assert_eq!(answer, Ok(Bytes::from_static(b"{\"data\":{}}")));
}

#[test]
fn an_error_status_is_an_error_unless_the_body_is_graphql() {
    let rig = Rig::start(once());
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
    let rig = Rig::start(once());
    assert!(malformed(&rig.exchange(|it| it.answer("200 OK", "text/html", "{\"data\":{}}"))));
    assert!(malformed(&rig.exchange(|it| it.answer("200 OK", "application/json", "welcome"))));
    assert!(malformed(&rig.exchange(|it| it.answer("200 OK", "application/json", ""))));
    let packed = rig.exchange(|it| {
        it.raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\n{}");
    });
    assert!(malformed(&packed), "{packed:?}");
    let answer = rig.exchange(|it| it.raw(b"\x00\x01 not HTTP at all\r\n\r\n"));
    assert!(matches!(answer, Err(FetchError::Unreachable(_))), "{answer:?}");
}

#[test]
fn answers_are_bounded_in_bytes_said_or_not() {
    let rig = Rig::start(SubgraphOptions { response_bytes_max: 100, ..once() });
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
    let rig = Rig::start(SubgraphOptions { timeout, ..once() });
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
    let rig = Rig::start(once());
    let answer = rig.exchange(Exchange::hang_up);
    assert!(matches!(answer, Err(FetchError::Unreachable(_))), "{answer:?}");
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let elsewhere = [endpoint(&format!("http://{nobody}/"), once())];
    let client = rig.client.with_endpoints(&elsewhere).expect("client");
    let fetch = |subgraph| {
        let body = Bytes::from_static(b"{}");
        let request = FetchRequest {
            subgraph: SubgraphId(subgraph),
            kind: OperationKind::Query,
            body,
            headers: None,
            trace: None,
        };
        rig.io.wait(client.fetch(request))
    };
    let Err(FetchError::Unreachable(reason)) = fetch(0) else { panic!("nobody listens there") };
    assert!(reason.to_lowercase().contains("refused"), "{reason}");
    assert!(matches!(fetch(9), Err(FetchError::Unreachable(_))), "an unknown subgraph");
}

#[test]
fn a_dropped_query_is_aborted_and_a_dropped_mutation_runs_on() {
    let rig = Rig::start(once());
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
    let rig = Rig::start(once());
    for bad in ["", "products:4001", "ftp://products/", "/graphql", "http://"] {
        let error = rig.client.with_endpoints(&[endpoint(bad, once())]).err().expect(bad);
        assert!(error.to_string().contains("subgraph products"), "{error}");
    }
}

/// A gzipped body as the server sends it.
fn gzipped(body: &str) -> Vec<u8> {
    let mut packing = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packing.write_all(body.as_bytes()).expect("memory");
    packing.finish().expect("memory")
}

fn answer_packed(exchange: Exchange, packed: &[u8]) {
    answer_coded(exchange, "GZIP", packed);
}

fn answer_coded(exchange: Exchange, coding: &str, body: &[u8]) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"
    );
    exchange.raw(&[head.as_bytes(), body].concat());
}

#[test]
fn packed_answers_are_unpacked() {
    let rig = Rig::start(once());
    let body = format!("{{\"data\":\"{}\"}}", "x".repeat(100_000));
    let answer = rig.exchange(|it| answer_packed(it, &gzipped(&body)));
    assert!(answer.is_ok_and(|it| it == body));
    let (one, two) = body.split_at(1000);
    let answer = rig.exchange(|it| answer_packed(it, &[gzipped(one), gzipped(two)].concat()));
    assert!(answer.is_ok_and(|it| it == body), "a packed body may have several members");
}

/// What some servers put around their answers: a byte order mark, and the name of a coding that is none.
#[test]
fn answers_are_read_through_marks_and_empty_codings() {
    let rig = Rig::start(once());
    let plain = b"{\"data\":{}}".as_slice();
    let marked = [b"\xEF\xBB\xBF".as_slice(), plain].concat();
    let packed_mark = gzipped(std::str::from_utf8(&marked).expect("UTF-8"));
    let packed = gzipped("{\"data\":{}}");
    for (coding, body) in [
        ("", plain),
        (" ", plain),
        ("identity", plain),
        (",", plain),
        ("", marked.as_slice()),
        ("gzip", &packed_mark),
        ("gzip,", &packed),
        ("identity, GZIP", &packed),
    ] {
        let answer = rig.exchange(|it| answer_coded(it, coding, body));
        assert_eq!(answer, Ok(Bytes::from_static(b"{\"data\":{}}")), "{coding:?}");
    }
    for coding in ["br", "gzip, gzip", "gzip, br"] {
        let answer = rig.exchange(|it| answer_coded(it, coding, &packed));
        assert!(malformed(&answer), "{coding}: {answer:?}");
    }
}

#[test]
fn packed_answers_are_bounded_by_what_they_unpack_to() {
    let rig = Rig::start(SubgraphOptions { response_bytes_max: 100_000, ..once() });
    let bomb = gzipped(&format!("{{{}}}", " ".repeat(100_000)));
    assert!(bomb.len() < 1000, "{}", bomb.len());
    let answer = rig.exchange(|it| answer_packed(it, &bomb));
    assert_eq!(answer, Err(FetchError::Malformed("it is larger than 100000 bytes".into())));
    let fits = gzipped(&format!("{{{}}}", " ".repeat(99_998)));
    assert!(rig.exchange(|it| answer_packed(it, &fits)).is_ok());
}

#[test]
fn broken_packing_is_refused() {
    let rig = Rig::start(once());
    let packed = gzipped("{\"data\":{}}");
    let mut flipped = packed.clone();
    // In the checksum.
    let at = flipped.len() - 6;
    flipped[at] ^= 1;
    for broken in [b"{}".as_slice(), &packed[..packed.len() / 2], &flipped, b""] {
        let answer = rig.exchange(|it| answer_packed(it, broken));
        assert!(malformed(&answer), "{answer:?}");
    }
}

#[test]
fn a_query_is_sent_again_after_what_may_pass() {
    let rig = Rig::start(at_once());
    let (_, told) = rig.fetch(OperationKind::Query);
    rig.subgraph.next().answer("503 Service Unavailable", "text/html", "<p>busy</p>");
    rig.subgraph.next().hang_up();
    let exchange = rig.subgraph.next();
    assert_eq!(exchange.body, "{\"query\":\"{a}\"}");
    exchange.answer("200 OK", "application/json", "{\"data\":{}}");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Ok(Bytes::from_static(b"{\"data\":{}}"))));
    assert_eq!(rig.client.status()[0].retries, 2);
}

#[test]
fn the_last_failure_is_told_when_no_attempt_is_left() {
    let rig = Rig::start(at_once());
    let (_, told) = rig.fetch(OperationKind::Query);
    for status in ["500 A", "502 B", "503 C", "504 D"] {
        rig.subgraph.next().answer(status, "application/json", "{}");
    }
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Err(FetchError::Status(504))));
}

#[test]
fn a_mutation_is_never_sent_again_nor_is_what_was_answered() {
    let rig = Rig::start(at_once());
    let (_, told) = rig.fetch(OperationKind::Mutation);
    rig.subgraph.next().answer("503 Service Unavailable", "text/html", "");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Err(FetchError::Status(503))));
    let errors = "{\"errors\":[{\"message\":\"busy\"}]}";
    let answer = rig.exchange(|it| it.answer("503 Service Unavailable", "application/json", errors));
    assert_eq!(answer, Ok(Bytes::from_static(errors.as_bytes())));
    assert_eq!(rig.exchange(|it| it.answer("404 X", "text/html", "")), Err(FetchError::Status(404)));
    assert_eq!(rig.client.status()[0].retries, 0);
}

#[test]
fn a_subgraph_may_ask_for_time() {
    let rig = Rig::start(at_once());
    let (_, told) = rig.fetch(OperationKind::Query);
    let busy =
        b"HTTP/1.1 429 Too Many\r\nretry-after: 1\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n";
    rig.subgraph.next().raw(busy);
    let start = Instant::now();
    rig.subgraph.next().answer("200 OK", "application/json", "{}");
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    assert!(told.recv_timeout(PATIENCE).is_ok_and(|it| it.is_ok()));
}

#[test]
fn one_deadline_holds_for_all_attempts() {
    let timeout = Duration::from_millis(300);
    let rig = Rig::start(SubgraphOptions { timeout, ..at_once() });
    let (_, told) = rig.fetch(OperationKind::Query);
    rig.subgraph.next().answer("503 Service Unavailable", "text/html", "");
    let _held = rig.subgraph.next();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Err(FetchError::Timeout(timeout))));

    // A wait that would end after it is not begun: the failure is told at once.
    let rig = Rig::start(SubgraphOptions { timeout: PATIENCE / 4, ..at_once() });
    let start = Instant::now();
    let answer = rig.exchange(|it| {
        it.raw(
            b"HTTP/1.1 503 Busy\r\nretry-after: 60\r\ncontent-type: text/plain\r\ncontent-length: 0\r\n\r\n",
        );
    });
    assert_eq!(answer, Err(FetchError::Status(503)));
    assert!(start.elapsed() < PATIENCE / 4, "{:?}", start.elapsed());
}

#[test]
fn the_head_of_an_answer_may_have_a_limit_of_its_own() {
    let limit = Duration::from_millis(100);
    let rig = Rig::start(SubgraphOptions { response_header_timeout: Some(limit), ..once() });
    let mut held = Vec::new();
    assert_eq!(rig.exchange(|it| held.push(it)), Err(FetchError::Timeout(limit)));

    let rig = Rig::start(SubgraphOptions { response_header_timeout: Some(limit), ..at_once() });
    let (_, told) = rig.fetch(OperationKind::Query);
    held.push(rig.subgraph.next());
    rig.subgraph.next().answer("200 OK", "application/json", "{}");
    assert!(
        told.recv_timeout(PATIENCE).is_ok_and(|it| it.is_ok()),
        "an attempt that was too slow is repeated"
    );
}

/// Opens at the second failure of two.
fn nervous(change: impl FnOnce(&mut BreakerOptions)) -> SubgraphOptions {
    let mut breaker = BreakerOptions { request_threshold: 2, ..BreakerOptions::default() };
    change(&mut breaker);
    SubgraphOptions { breaker: Some(breaker), ..once() }
}

const OPEN: Answer = Err(FetchError::Rejected("circuit breaker open"));

#[test]
fn a_subgraph_in_trouble_is_left_alone_and_then_tried() {
    let rig = Rig::start(nervous(|it| it.sleep_window = Duration::from_millis(200)));
    for status in [503, 500] {
        let answer = rig.exchange(|it| it.answer(&format!("{status} X"), "text/html", ""));
        assert_eq!(answer, Err(FetchError::Status(status)));
    }
    assert!(rig.client.status()[0].is_breaker_open);
    // Until the sleep window is over nothing arrives, and everybody is told at once.
    let start = Instant::now();
    let (mut trial, mut turned_away) = (rig.fetch(OperationKind::Query).1, 0);
    let exchange = loop {
        if let Ok(exchange) = rig.subgraph.requests.try_recv() {
            break exchange;
        }
        if let Ok(answer) = trial.try_recv() {
            assert_eq!(answer, OPEN);
            (trial, turned_away) = (rig.fetch(OperationKind::Query).1, turned_away + 1);
        }
        assert!(start.elapsed() < PATIENCE);
        std::thread::yield_now();
    };
    assert!(start.elapsed() > Duration::from_millis(100) && turned_away > 0, "{:?}", start.elapsed());
    exchange.answer("200 OK", "application/json", "{}");
    assert!(trial.recv_timeout(PATIENCE).is_ok_and(|it| it.is_ok()));
    let status = &rig.client.status()[0];
    assert!(!status.is_breaker_open && status.rejected > 0, "{status:?}");
}

#[test]
fn hanging_counts_as_failing() {
    for (options, limit) in [
        (nervous(|it| it.execution_timeout = Duration::from_millis(50)), 50),
        (SubgraphOptions { timeout: Duration::from_millis(60), ..nervous(|_| {}) }, 60),
    ] {
        let rig = Rig::start(options);
        let mut held = Vec::new();
        for _ in 0..2 {
            let answer = rig.exchange(|it| held.push(it));
            assert_eq!(answer, Err(FetchError::Timeout(Duration::from_millis(limit))));
        }
        let (_, told) = rig.fetch(OperationKind::Query);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(OPEN));
    }
}

#[test]
fn what_clients_or_the_subgraph_do_in_order_is_no_trouble() {
    let rig = Rig::start(nervous(|_| {}));
    for _ in 0..3 {
        rig.exchange(|it| it.answer("404 X", "text/html", "")).expect_err("no answer");
        rig.exchange(|it| it.answer("200 OK", "text/html", "")).expect_err("no answer");
        let (task, _told) = rig.fetch(OperationKind::Query);
        let exchange = rig.subgraph.next();
        task.abort();
        assert_eq!(rig.subgraph.closed.recv_timeout(PATIENCE), Ok(exchange.connection));
    }
    assert!(!rig.client.status()[0].is_breaker_open);
}

#[test]
fn an_open_breaker_ends_the_attempts() {
    let options = SubgraphOptions { retry: at_once().retry, ..nervous(|_| {}) };
    let rig = Rig::start(options);
    let (_, told) = rig.fetch(OperationKind::Query);
    rig.subgraph.next().hang_up();
    rig.subgraph.next().hang_up();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(OPEN));
}

#[test]
fn requests_at_a_time_are_bounded_and_the_others_wait() {
    let rig = Rig::start(SubgraphOptions { requests_max: 2, ..once() });
    let fetches: Vec<_> = (0..6).map(|_| rig.fetch(OperationKind::Query).1).collect();
    let mut held = vec![rig.subgraph.next(), rig.subgraph.next()];
    for _ in 0..4 {
        let third = rig.subgraph.requests.recv_timeout(Duration::from_millis(30));
        assert!(third.is_err(), "a third request at a time");
        held.remove(0).answer("200 OK", "application/json", "{}");
        held.push(rig.subgraph.next());
    }
    held.into_iter().for_each(|it| it.answer("200 OK", "application/json", "{}"));
    for told in fetches {
        assert!(told.recv_timeout(PATIENCE).is_ok_and(|it| it.is_ok()));
    }
}

#[test]
fn waiting_for_ones_turn_counts_as_time() {
    let timeout = Duration::from_millis(200);
    let rig = Rig::start(SubgraphOptions { requests_max: 1, timeout, ..once() });
    let (_, one) = rig.fetch(OperationKind::Query);
    let _held = rig.subgraph.next();
    let (_, two) = rig.fetch(OperationKind::Query);
    for told in [one, two] {
        assert_eq!(told.recv_timeout(PATIENCE), Ok(Err(FetchError::Timeout(timeout))));
    }
}

/// A listener whose queue is full: whoever connects hears nothing.
fn mute() -> (socket2::Socket, Vec<socket2::Socket>, SocketAddr) {
    use socket2::{Domain, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    listener.bind(&any.into()).expect("a port");
    listener.listen(0).expect("listening");
    let address = listener.local_addr().ok().and_then(|it| it.as_socket()).expect("an address");
    let clients = (0..4).map(|_| {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        client.set_nonblocking(true).expect("nonblocking");
        // In progress.
        let _ = client.connect(&address.into());
        client
    });
    let clients = clients.collect();
    (listener, clients, address)
}

#[test]
fn connecting_has_limits_of_its_own() {
    let (_listener, _clients, address) = mute();
    let limit = Duration::from_millis(150);
    let rig = Rig::start(once());
    let fetch = |url: &str, options| {
        let client = rig.client.with_endpoints(&[endpoint(url, options)]).expect("client");
        let body = Bytes::from_static(b"{}");
        let kind = OperationKind::Query;
        rig.io.wait(client.fetch(FetchRequest {
            subgraph: SubgraphId(0),
            kind,
            body,
            headers: None,
            trace: None,
        }))
    };
    let dialled = fetch(&format!("http://{address}/"), SubgraphOptions { dial_timeout: limit, ..once() });
    let Err(FetchError::Unreachable(reason)) = dialled else { panic!("{dialled:?}") };
    assert!(reason.contains("deadline has elapsed") || reason.contains("no connection within"), "{reason}");

    // It takes the connection, and knows nothing of TLS.
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}/", deaf.local_addr().expect("an address"));
    let shaken = fetch(&url, SubgraphOptions { tls_handshake_timeout: limit, ..once() });
    let Err(FetchError::Unreachable(reason)) = shaken else { panic!("{shaken:?}") };
    assert!(reason.contains("no TLS handshake within 150ms"), "{reason}");
}

#[test]
fn idle_connections_are_closed_when_they_are_many_or_old() {
    let old = SubgraphOptions { idle_timeout: Some(Duration::from_millis(100)), ..once() };
    let rig = Rig::start(old);
    rig.exchange(|it| it.answer("200 OK", "application/json", "{}")).expect("an answer");
    assert_eq!(rig.subgraph.closed.recv_timeout(PATIENCE), Ok(1));

    for many in [
        SubgraphOptions { idle_connections_max: 1, ..once() },
        SubgraphOptions { idle_connections_total_max: 1, ..once() },
    ] {
        let rig = Rig::start(many);
        let fetches = [rig.fetch(OperationKind::Query).1, rig.fetch(OperationKind::Query).1];
        let exchanges = [rig.subgraph.next(), rig.subgraph.next()];
        exchanges.into_iter().for_each(|it| it.answer("200 OK", "application/json", "{}"));
        for told in fetches {
            assert!(told.recv_timeout(PATIENCE).is_ok_and(|it| it.is_ok()));
        }
        assert!(rig.subgraph.closed.recv_timeout(PATIENCE).is_ok(), "one of two");
    }
}

/// The kernel's timer of our end of a connection to `port`: 2 stands for probes.
#[cfg(target_os = "linux")]
fn timer(port: u16) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let peer = format!(":{port:04X}");
    let line = table.lines().map(|it| it.split_whitespace().collect::<Vec<_>>());
    let ours = line.into_iter().find(|it| it.len() > 5 && it[2].ends_with(&peer) && it[3] == "01")?;
    ours[5].split(':').next().map(str::to_owned)
}

#[cfg(target_os = "linux")]
#[test]
fn silent_connections_are_probed_unless_that_is_switched_off() {
    for (interval, probing) in [(Some(Duration::from_secs(30)), "02"), (None, "00")] {
        let rig = Rig::start(SubgraphOptions { keep_alive_probe_interval: interval, ..once() });
        rig.exchange(|it| it.answer("200 OK", "application/json", "{}")).expect("an answer");
        let (start, port) = (Instant::now(), rig.subgraph.address.port());
        // Right after a write the timer is another one.
        while timer(port).as_deref() != Some(probing) {
            assert!(start.elapsed() < PATIENCE, "{interval:?}: {:?}", timer(port));
            std::thread::yield_now();
        }
    }
}

#[test]
fn after_a_reload_what_stayed_the_same_keeps_its_connections() {
    let rig = Rig::start(once());
    rig.exchange(|it| it.answer("200 OK", "application/json", "{}")).expect("an answer");
    let url = format!("http://{}/graphql", rig.subgraph.address);
    for (options, connection) in [(once(), 1), (at_once(), 2)] {
        let client = rig.client.with_endpoints(&[endpoint(&url, options)]).expect("client");
        let body = Bytes::from_static(b"{}");
        let kind = OperationKind::Query;
        let fetching =
            client.fetch(FetchRequest { subgraph: SubgraphId(0), kind, body, headers: None, trace: None });
        let exchange = rig.subgraph.next();
        assert_eq!(exchange.connection, connection);
        exchange.answer("200 OK", "application/json", "{}");
        assert!(rig.io.wait(fetching).is_ok());
    }
}

/// A URL's credentials are told as such, decoded, and are no part of the host's name.
#[test]
fn credentials_in_a_url_are_told_to_the_subgraph() {
    let (subgraph, io) = (Subgraph::start(), IoThread::start());
    let url = format!("http://us%40er:p%3Aw@{}/graphql", subgraph.address);
    let client =
        SubgraphClient::new(&io.handle, &[endpoint(&url, SubgraphOptions::default())]).expect("client");
    let rig = Rig { io, client, subgraph };
    let answer = rig.exchange(|it| {
        // base64 of `us@er:p:w`, in lower case as all of the head.
        assert!(it.head.contains("\r\nauthorization: basic dxnazxi6cdp3\r\n"), "{}", it.head);
        assert!(!it.head.contains('@'), "{}", it.head);
        it.answer("200 OK", "application/json", "{\"data\":{}}");
    });
    assert_eq!(&answer.expect("an answer")[..], b"{\"data\":{}}");
}
