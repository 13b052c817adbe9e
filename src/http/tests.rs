//! Drives the front over real sockets with a gateway of the tests' own.

mod traffic;
mod uploads;

use super::*;
use bytes::Bytes;
use hyper::{HeaderMap, Response, http::request::Parts};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};
use tokio::sync::oneshot;

/// Longer than any step of a test takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers by the first word of the query, hands upgraded sockets to the test.
struct Fake {
    ready: AtomicBool,
    live: AtomicBool,
    accepts: AtomicBool,
    adopted: Mutex<mpsc::Sender<Upgraded>>,
    release: Arc<tokio::sync::Notify>,
    entered: Arc<tokio::sync::Notify>,
    /// Queries `busy_work` of the moment, and the most there were.
    working: Arc<AtomicU64>,
    working_max: Arc<AtomicU64>,
}

impl Gateway for Fake {
    fn execute(&self, request: crate::graphql::Request, context: Context) -> BoxFuture<Outcome> {
        let (release, entered) = (Arc::clone(&self.release), Arc::clone(&self.entered));
        let (working, working_max) = (Arc::clone(&self.working), Arc::clone(&self.working_max));
        Box::pin(async move {
            let is_get = context.method == Method::Get;
            let answer = match request.query.split([' ', '{']).next() {
                Some("mutation") if is_get => Answer::NeedsPost,
                Some("subscription") => Answer::NeedsStreaming,
                Some("invalid") => Answer::RequestError(Bytes::from_static(b"{\"errors\":[]}")),
                Some("panic") => panic!("as asked for"),
                Some("busy") => Answer::Unavailable,
                Some("large") => executed(traffic::large()),
                Some("upload") => uploads::receive(&request, &context, &entered).await,
                Some("cached") => return traffic::cached(&request.query),
                Some("notify") => {
                    release.notify_one();
                    executed(b"{\"data\":\"notified\"}")
                }
                Some("work") => {
                    let now = working.fetch_add(1, Ordering::Relaxed) + 1;
                    working_max.fetch_max(now, Ordering::Relaxed);
                    for _ in 0..10 {
                        tokio::task::yield_now().await;
                    }
                    working.fetch_sub(1, Ordering::Relaxed);
                    executed(b"{\"data\":\"worked\"}")
                }
                Some("wait") => {
                    entered.notify_one();
                    release.notified().await;
                    executed(b"{\"data\":\"waited\"}")
                }
                _ => {
                    let agent = header(&context.headers, "x-test");
                    executed(format!("{}|{}|{agent}", request.query, text(&request.variables)))
                }
            };
            Outcome::from(answer)
        })
    }

    fn handshake(&self, head: &Parts) -> Result<Response<()>, Response<String>> {
        match header(&head.headers, "sec-websocket-key").as_str() {
            "" => Err(Response::builder()
                .status(400)
                .header("x-why", "key")
                .body("no key".into())
                .expect("reply")),
            key => Ok(Response::builder()
                .status(101)
                .header("connection", "Upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-accept", key)
                .header("sec-websocket-protocol", "graphql-transport-ws")
                .body(())
                .expect("reply")),
        }
    }

    fn adopt(&self, connection: Upgraded) {
        self.adopted.lock().expect("lock").send(connection).expect("the test listens");
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    fn accepts_connections(&self) -> bool {
        self.accepts.load(Ordering::Relaxed)
    }
}

fn executed(body: impl Into<Vec<u8>>) -> Answer {
    Answer::Executed { body: body.into().into(), headers: HeaderMap::new() }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// A running front.
struct Running {
    address: SocketAddr,
    fake: Arc<Fake>,
    counters: Arc<Counters>,
    adopted: mpsc::Receiver<Upgraded>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Running {
    fn start(options: Options) -> Self {
        let (sender, adopted) = mpsc::channel();
        let fake = Arc::new(Fake {
            ready: true.into(),
            live: true.into(),
            accepts: true.into(),
            adopted: Mutex::new(sender),
            release: Arc::default(),
            entered: Arc::default(),
            working: Arc::default(),
            working_max: Arc::default(),
        });
        let options = Options { listen_addr: "localhost:0".into(), ..options };
        let (front, address) =
            Front::bind(options, Arc::clone(&fake) as Arc<dyn Gateway>, None).expect("bound");
        let counters = front.counters();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(front.run(async { _ = stopped.await })).expect("served");
        });
        Self { address, fake, counters, adopted, stop: Some(stop), thread: Some(thread) }
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("connected");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        socket
    }

    /// Sends one request and reads to the end of the connection.
    fn exchange(&self, request: &str) -> Reply {
        let mut socket = self.connect();
        // The front may answer and close before it has read all of a body that it refuses.
        _ = socket.write_all(request.as_bytes());
        Reply::read(&mut socket)
    }

    fn get(&self, target: &str, headers: &str) -> Reply {
        self.exchange(&format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"))
    }

    fn post(&self, headers: &str, body: &str) -> Reply {
        let length = body.len();
        self.exchange(&format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            _ = stop.send(());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        self.fake.release.notify_waiters();
        if let (Some(thread), false) = (self.thread.take(), thread::panicking()) {
            thread.join().expect("the front ends in order");
        }
    }
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn read(socket: &mut TcpStream) -> Self {
        let mut all = Vec::new();
        // A reset after the answer is as good an end as any.
        _ = socket.read_to_end(&mut all);
        let all = text(&all);
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.head.lines().find_map(|it| it.strip_prefix(&prefix)).unwrap_or("")
    }
}

const JSON: &str = "Content-Type: application/json\r\n";
const NEWER: &str = "Accept: application/graphql-response+json\r\n";

#[test]
fn posts_are_answered_in_the_media_type_asked_for() {
    let front = Running::start(Options::default());
    let body = r#"{"query":"{ a }","variables":{"v":1.0}}"#;
    let reply = front.post(&format!("{JSON}X-Test: me\r\n"), body);
    assert_eq!((reply.status, reply.body.as_str()), (200, "{ a }|{\"v\":1.0}|me"));
    assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(reply.header("vary"), "accept");
    let reply = front.post(&format!("{JSON}{NEWER}"), body);
    assert_eq!(reply.header("content-type"), "application/graphql-response+json; charset=utf-8");
}

#[test]
fn statuses_follow_method_media_type_and_outcome() {
    let front = Running::start(Options { max_request_body_size: 200, ..Options::default() });
    let query = |text: &str| format!("{{\"query\":\"{text}\"}}");
    let long = query(&"a".repeat(300));
    let deep = format!("{{\"query\":\"a\",\"variables\":{}", "[".repeat(150));
    for (headers, body, status, code) in [
        (JSON, query("invalid"), 200, ""),
        (&format!("{JSON}{NEWER}"), query("invalid"), 400, ""),
        (&format!("{JSON}{NEWER}"), query("{a}"), 200, ""),
        (JSON, "{".into(), 400, "BAD_REQUEST"),
        (&format!("{JSON}{NEWER}"), "[]".into(), 400, "BATCHING_NOT_ENABLED"),
        (JSON, deep, 400, "BAD_REQUEST"),
        (JSON, String::new(), 400, "BAD_REQUEST"),
        (JSON, query("busy"), 503, "SERVICE_UNAVAILABLE"),
        (JSON, query("subscription"), 406, "SUBSCRIPTION_NEEDS_STREAMING"),
        (JSON, query("mutation {a}"), 200, ""),
        ("", query("{a}"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("Content-Type: text/plain\r\n", query("{a}"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (&format!("{JSON}Accept: text/html\r\n"), query("{a}"), 406, "NOT_ACCEPTABLE"),
        (&format!("{JSON}Accept: text/event-stream\r\n"), query("invalid"), 200, ""),
        (JSON, long, 413, "PAYLOAD_TOO_LARGE"),
    ] {
        let reply = front.post(headers, &body);
        assert_eq!(reply.status, status, "{headers}{body}: {reply:?}");
        assert!(code.is_empty() || reply.body.contains(&format!("\"code\":\"{code}\"")), "{reply:?}");
    }
    assert_eq!(front.post(JSON, &query("busy")).header("retry-after"), "1");
    let subscription = front.post(JSON, &query("subscription"));
    assert!(subscription.body.contains("graphql-transport-ws"), "{subscription:?}");
}

#[test]
fn bodies_without_a_length_are_bounded_too() {
    let front = Running::start(Options { max_request_body_size: 100, ..Options::default() });
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let whole = format!("{head}{}{}0\r\n\r\n", chunk("{\"query\":"), chunk("\"{a}\"}"));
    assert_eq!(front.exchange(&whole).body, "{a}|{}|");
    let large = format!("{head}{}{}", chunk(&" ".repeat(60)), chunk(&" ".repeat(60)));
    assert_eq!(front.exchange(&large).status, 413);
}

#[test]
fn all_bodies_together_are_bounded() {
    let front = Running::start(Options { request_bodies_bytes_max: 40, ..Options::default() });
    let small = r#"{"query":"{a}"}"#;
    let refused = front.post(JSON, &format!("{small}{}", " ".repeat(40)));
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(front.counters.bodies_refused.load(Ordering::Relaxed), 1);
    // Its room is free again.
    for _ in 0..10 {
        assert_eq!(front.post(JSON, small).status, 200);
    }
}

#[test]
fn a_get_may_only_ask() {
    let front = Running::start(Options::default());
    let reply = front.get("/graphql?query=%7Ba%7D&variables=%7B%22x%22%3A2%7D", "");
    assert_eq!((reply.status, reply.body.as_str()), (200, "{a}|{\"x\":2}|"));
    for (target, headers, status, allow) in [
        ("/graphql?query=mutation{a}", "", 405, "post"),
        ("/graphql?query=subscription{a}", "", 405, "post"),
        ("/graphql?query=invalid", NEWER, 400, ""),
        ("/graphql", "", 400, ""),
        ("/graphql?query={a}", "Accept: text/html\r\n", 406, ""),
        ("/graphql/?query={a}", "", 404, ""),
        ("/", "Accept: text/html\r\n", 404, ""),
    ] {
        let reply = front.get(target, headers);
        assert_eq!((reply.status, reply.header("allow")), (status, allow), "{target}");
    }
    let put = front.exchange("PUT /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!((put.status, put.header("allow")), (405, "get, post"));
}

#[test]
fn health_tells_live_from_ready() {
    let front = Running::start(Options::default());
    let statuses = || {
        ["/health", "/health/live", "/health/ready", "/health?ready", "/readiness"]
            .map(|it| front.get(it, "").status)
    };
    assert_eq!(statuses(), [200; 5]);
    assert_eq!(front.get("/health", "").body, "{\"status\":\"UP\"}");
    front.fake.ready.store(false, Ordering::Relaxed);
    assert_eq!(statuses(), [200, 200, 503, 503, 503]);
    front.fake.live.store(false, Ordering::Relaxed);
    assert_eq!(statuses(), [503; 5]);
    assert_eq!(front.get("/health", "").body, "{\"status\":\"DOWN\"}");
}

#[test]
fn the_page_is_there_where_it_is_enabled() {
    let html = "Accept: text/html,*/*;q=0.8\r\n";
    let front = Running::start(Options { page_enabled: true, ..Options::default() });
    let reply = front.get("/?query=%7Ba%7D&run=1", html);
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(reply.body.contains("content=\"/graphql\""));
    assert!(reply.header("content-security-policy").contains("default-src 'none'"));
    let root = Options { page_enabled: true, graphql_path: "/".into(), ..Options::default() };
    let front = Running::start(root);
    assert!(front.get("/", html).body.contains("<!doctype html>"));
    assert_eq!(front.get("/?query=%7Ba%7D", "").body, "{a}|{}|");
}

fn upgrade(headers: &str) -> String {
    format!(
        "GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nX-Test: me\r\n{headers}\r\n"
    )
}

#[test]
fn a_websocket_leaves_with_its_socket_and_the_bytes_that_came_early() {
    let front = Running::start(Options::default());
    let mut client = front.connect();
    client.write_all(format!("{}early", upgrade("Sec-WebSocket-Key: k\r\n")).as_bytes()).expect("sent");
    let adopted = front.adopted.recv_timeout(PATIENCE).expect("handed over");
    let mut head = [0; 4096];
    let length = client.read(&mut head).expect("answer");
    assert!(text(&head[..length]).starts_with("HTTP/1.1 101 "));
    assert_eq!(&adopted.read[..], b"early");
    assert_eq!(adopted.protocol.as_deref(), Some("graphql-transport-ws"));
    assert_eq!(header(&adopted.head.headers, "x-test"), "me");
    assert_eq!(adopted.client, client.local_addr().expect("address").ip());
    assert!(adopted.socket.nodelay().expect("option"));

    let mut socket = adopted.socket;
    let nothing = socket.read(&mut head).expect_err("nothing to read, and no waiting for it");
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    socket.write_all(b"from the reactor").expect("written");
    let length = client.read(&mut head).expect("bytes");
    assert_eq!(&head[..length], b"from the reactor");
    assert_eq!(front.counters.upgrades.load(Ordering::Relaxed), 1);
}

#[test]
fn pages_of_other_origins_need_leave() {
    let cors = Cors { allow_origins: vec!["https://app".into()], ..Cors::default() };
    let front = Running::start(Options { cors: Some(cors), ..Options::default() });
    let preflight = |origin: &str| {
        let ask = "Access-Control-Request-Method: POST\r\nConnection: close\r\n";
        front.exchange(&format!("OPTIONS /graphql HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\n{ask}\r\n"))
    };
    let granted = preflight("https://app");
    assert_eq!((granted.status, granted.header("access-control-allow-origin")), (204, "https://app"));
    assert_eq!(granted.header("access-control-allow-methods"), "head, get, post");
    assert_eq!(preflight("https://evil").status, 403);
    let post = |origin: &str| front.post(&format!("{JSON}Origin: {origin}\r\n"), r#"{"query":"{a}"}"#);
    let answer = post("https://app");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "https://app"));
    assert!(answer.head.contains("vary: accept") && answer.head.contains("vary: origin"), "{answer:?}");
    assert_eq!(post("https://evil").status, 403);
    assert_eq!(post("http://x").status, 200, "a page of our own");
    let socket = "Sec-WebSocket-Key: k\r\nOrigin: https://evil\r\nConnection: close\r\n";
    assert_eq!(front.exchange(&upgrade(socket)).status, 403);
    assert_eq!(front.get("/health", "Origin: https://evil\r\n").status, 200);
}

#[test]
fn handshakes_can_be_refused() {
    let front = Running::start(Options::default());
    let close = "Sec-WebSocket-Key: k\r\nConnection: close\r\n";
    let reply = front.exchange(&upgrade("Connection: close\r\n"));
    assert_eq!((reply.status, reply.header("x-why"), reply.body.as_str()), (400, "key", "no key"));
    front.fake.accepts.store(false, Ordering::Relaxed);
    let reply = front.exchange(&upgrade(close));
    assert_eq!((reply.status, reply.header("retry-after")), (503, "1"));
    // What was wrong with the one is the handshake, with the other that there are too many.
    assert_eq!(front.counters.upgrades_refused.load(Ordering::Relaxed), 1);
    assert_eq!(front.counters.connections_refused.load(Ordering::Relaxed), 1);
    let front = Running::start(Options { websocket_enabled: false, ..Options::default() });
    assert_eq!(front.exchange(&upgrade(close)).status, 400);
}

#[test]
fn heads_are_bounded_in_size() {
    let front = Running::start(Options { head_bytes_max: 8192, ..Options::default() });
    assert_eq!(front.get("/health", &format!("X: {}\r\n", "x".repeat(20_000))).status, 431);
}

#[test]
fn nobody_may_dawdle() {
    // Long enough that a busy machine sends a short head within it.
    let front =
        Running::start(Options { head_read_timeout: Duration::from_millis(400), ..Options::default() });
    // Not a word, and not another word: closed.
    assert_eq!(front.exchange("").status, 0);
    assert_eq!(front.exchange("GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    // Half a head: closed, with a 408 or without a word.
    assert!(matches!(front.exchange("GET /health HTTP/1.1\r\nHost:").status, 0 | 408));
    let front =
        Running::start(Options { body_read_timeout: Duration::from_millis(30), ..Options::default() });
    let half_a_body = format!("POST /graphql HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: 9\r\n\r\n{{");
    assert_eq!(front.exchange(&half_a_body).status, 408);
}

#[test]
fn connections_beyond_the_limit_are_told_so() {
    let front = Running::start(Options { http_connections_max: 1, ..Options::default() });
    let mut first = front.connect();
    let request = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    first.write_all(request.as_bytes()).expect("sent");
    let mut head = [0; 4096];
    assert!(first.read(&mut head).expect("answer") > 0);
    let refused = front.exchange(request);
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(front.counters.connections_refused.load(Ordering::Relaxed), 1);
    assert_eq!(front.counters.connections.load(Ordering::Relaxed), 1);
}

/// A client is told, in the words that WebSocket clients hear, and the next request finds a router that works.
#[test]
fn a_panic_is_an_error_with_a_code() {
    let front = Running::start(Options::default());
    for accept in ["", "Accept: application/graphql-response+json\r\n"] {
        let reply = front.post(&format!("{JSON}{accept}"), r#"{"query":"panic"}"#);
        let expected = concat!(
            r#"{"errors":[{"message":"Internal server error","#,
            r#""extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":null}"#
        );
        assert_eq!((reply.status, reply.body.as_str()), (500, expected));
    }
    assert_eq!(front.get("/health", "").status, 200);
}

/// Every one of them counts, whatever it was refused for.
#[test]
fn refused_upgrades_and_heads_are_counted() {
    let cors = Cors { allow_origins: vec!["https://page.example".into()], ..Cors::default() };
    let front = Running::start(Options { cors: Some(cors), ..Options::default() });
    let counted = |count: fn(&Counters) -> &AtomicU64| count(&front.counters).load(Ordering::Relaxed);
    front.fake.accepts.store(false, Ordering::Relaxed);
    assert_eq!(front.exchange(&upgrade("Sec-WebSocket-Key: k\r\n")).status, 503);
    assert_eq!(counted(|it| &it.connections_refused), 1);
    front.fake.accepts.store(true, Ordering::Relaxed);
    assert_eq!(front.exchange(&upgrade("")).status, 400);
    assert_eq!(front.exchange(&upgrade("Origin: https://evil.example\r\n")).status, 403);
    assert_eq!(counted(|it| &it.upgrades_refused), 2);
    assert_eq!(front.exchange(&upgrade("Host: y\r\n")).status, 400);
    assert_eq!(counted(|it| &it.heads_refused), 1);
    let front = Running::start(Options { websocket_enabled: false, ..Options::default() });
    assert_eq!(front.exchange(&upgrade("Sec-WebSocket-Key: k\r\n")).status, 400);
    assert_eq!(front.counters.upgrades_refused.load(Ordering::Relaxed), 1);
}

#[test]
fn stopping_closes_the_door_and_lets_requests_finish() {
    let mut front = Running::start(Options::default());
    let mut client = front.connect();
    let body = "{\"query\":\"wait\"}";
    let request =
        format!("POST /graphql HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: {}\r\n\r\n{body}", body.len());
    client.write_all(request.as_bytes()).expect("sent");
    let entered = Arc::clone(&front.fake.entered);
    let waiting = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    waiting.block_on(entered.notified());
    front.stop();
    // An idle connection ends at once: by then the listener is closed.
    let release = Arc::clone(&front.fake.release);
    wait_until_closed(front.address);
    release.notify_one();
    let reply = Reply::read(&mut client);
    assert_eq!((reply.status, reply.body.as_str()), (200, "{\"data\":\"waited\"}"));
}

/// Connects until nobody listens any more; connections made on the way there are closed by the front.
fn wait_until_closed(address: SocketAddr) {
    for _ in 0..10_000 {
        match TcpStream::connect(address) {
            Err(_) => return,
            Ok(mut socket) => {
                socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
                _ = socket.read(&mut [0; 1]);
            }
        }
    }
    panic!("the listener stays open");
}

#[test]
fn stopping_does_not_wait_for_ever() {
    let mut front = Running::start(Options { stop_timeout: Duration::from_millis(20), ..Options::default() });
    let mut client = front.connect();
    let body = "{\"query\":\"wait\"}";
    let request =
        format!("POST /graphql HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: {}\r\n\r\n{body}", body.len());
    client.write_all(request.as_bytes()).expect("sent");
    let entered = Arc::clone(&front.fake.entered);
    tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(entered.notified());
    front.stop();
    assert_eq!(Reply::read(&mut client).status, 0);
}

#[test]
fn stopping_does_not_wait_for_connections_that_never_asked() {
    let patient =
        Options { head_read_timeout: PATIENCE * 10, stop_timeout: PATIENCE * 10, ..Options::default() };
    let mut front = Running::start(patient);
    let mut spare = front.connect();
    // The second connection is served after the first, so both are known when the front is told to stop.
    assert_eq!(front.get("/health", "").status, 200);
    front.stop();
    assert_eq!(spare.read(&mut [0; 1]).expect("closed in time"), 0);
}

#[test]
fn a_client_that_never_gets_as_far_as_http_2_is_dropped() {
    let front =
        Running::start(Options { head_read_timeout: Duration::from_millis(50), ..Options::default() });
    let mut socket = front.connect();
    socket.write_all(b"PRI ").expect("sent");
    let ended = socket.read_to_end(&mut Vec::new());
    assert!(!ended.is_err_and(|it| it.kind() == std::io::ErrorKind::WouldBlock), "no end in time");
}
