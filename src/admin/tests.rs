//! Drives the admin listener over real sockets with a state of the tests' own.

use super::*;
use bytes::Bytes;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Fake {
    down: AtomicBool,
    published: Mutex<Vec<(String, String, Bytes)>>,
    turns: Arc<Histogram>,
}

impl State for Fake {
    fn is_live(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        !self.down.load(Ordering::Relaxed)
    }

    fn metrics(&self) -> Snapshot {
        let provider = |id: &str, is_up| Provider {
            kind: "nats",
            id: id.into(),
            is_up,
            received: 7,
            published: 1,
            filtered: 2,
            failed: 3,
            skipped: 4,
            errors: 5,
            lag: vec![Lag { topic: "orders".into(), partition: 2, events: 9 }],
        };
        Snapshot {
            connections: 3,
            subscriptions: 5,
            messages_sent: 11,
            supergraph_age_seconds: 1.5,
            overflow: vec![Labelled { label: "conflate", value: 4 }],
            providers: vec![provider("a", true), provider("b\"", false)],
            subgraphs: vec![
                Subgraph { name: "a".into(), is_breaker_open: true, retries: 3, rejected: 8 },
                Subgraph { name: "b".into(), is_breaker_open: false, retries: 0, rejected: 0 },
            ],
            queues: vec![Queue { name: "hub_input", depth: 1, capacity: 64, full: 0 }],
            loops: vec![Loop { name: "hub", turns: Arc::clone(&self.turns) }],
            ..Snapshot::default()
        }
    }

    fn debug_state(&self) -> BoxFuture<Result<Bytes, Unavailable>> {
        let down = self.down.load(Ordering::Relaxed);
        Box::pin(
            async move { if down { Err(Unavailable) } else { Ok(Bytes::from_static(b"{\"triggers\":[]}")) } },
        )
    }

    fn publish(
        &self,
        provider: &str,
        subject: &str,
        payload: Bytes,
    ) -> BoxFuture<Result<Published, PublishError>> {
        let result = match provider {
            "default" | "other" if subject == "refused" => Err(PublishError::BadSubject("not here".into())),
            "default" | "other" if subject == "later" => Err(PublishError::Unavailable),
            "default" | "other" => {
                let mut published = self.published.lock().expect("lock");
                published.push((provider.into(), subject.into(), payload));
                Ok(Published { position: published.len() as u64 })
            }
            _ => Err(PublishError::UnknownProvider),
        };
        Box::pin(async move { result })
    }
}

struct Running {
    address: SocketAddr,
    fake: Arc<Fake>,
    _admin: Admin,
}

impl Running {
    fn start() -> Self {
        let fake = Arc::new(Fake::default());
        let options = Options { listen_addr: "localhost:0".into() };
        let (admin, address) = Admin::start(&options, Arc::clone(&fake) as Arc<dyn State>).expect("started");
        Self { address, fake, _admin: admin }
    }

    /// Status, head and body of one exchange.
    fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> (u16, String, String) {
        let mut socket = TcpStream::connect(self.address).expect("connected");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).expect("sent");
        // Refused before it was read to the end: the answer is what counts.
        _ = socket.write_all(body.as_bytes());
        let mut all = Vec::new();
        _ = socket.read_to_end(&mut all);
        let all = String::from_utf8_lossy(&all).into_owned();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
        (status, head.to_ascii_lowercase(), body.to_owned())
    }

    fn get(&self, target: &str) -> (u16, String) {
        let (status, _, body) = self.ask("GET", target, "", "");
        (status, body)
    }
}

#[test]
fn health_and_state_follow_the_router() {
    let admin = Running::start();
    assert_eq!(admin.get("/health"), (200, "{\"status\":\"UP\"}".into()));
    assert_eq!(admin.get("/health/ready").0, 200);
    assert_eq!(admin.get("/debug/state"), (200, "{\"triggers\":[]}".into()));
    admin.fake.down.store(true, Ordering::Relaxed);
    assert_eq!(admin.get("/health/live").0, 200);
    for path in ["/health/ready", "/health?ready", "/readiness", "/debug/state"] {
        assert_eq!(admin.get(path).0, 503, "{path}");
    }
}

#[test]
fn metrics_keep_their_names() {
    let admin = Running::start();
    admin.fake.turns.record(Duration::from_micros(20));
    admin.fake.turns.record(Duration::from_secs(5));
    let (status, head, page) = admin.ask("GET", "/metrics", "", "");
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    for line in [
        "# TYPE router_engine_connections gauge",
        "router_engine_connections 3.0",
        "router_engine_subscriptions 5.0",
        "# TYPE router_engine_messages_sent_total counter",
        "router_engine_messages_sent_total 11",
        "router_engine_overflow_total{policy=\"conflate\"} 4",
        "router_streams_consumer_lag{wg_provider_type=\"nats\",wg_provider_id=\"a\",topic=\"orders\",partition=\"2\"} 9.0",
        "router_streams_received_messages_total{wg_provider_type=\"nats\",wg_provider_id=\"a\"} 7",
        "router_streams_provider_up{wg_provider_type=\"nats\",wg_provider_id=\"b\\\"\"} 0.0",
        "router_subgraph_circuit_breaker_open{subgraph=\"a\"} 1.0",
        "router_subgraph_circuit_breaker_open{subgraph=\"b\"} 0.0",
        "router_subgraph_circuit_breaker_rejected_total{subgraph=\"a\"} 8",
        "router_subgraph_retries_total{subgraph=\"a\"} 3",
        "router_engine_queue_capacity{queue=\"hub_input\"} 64.0",
        "router_engine_loop_turn_seconds_bucket{le=\"0.000025\",loop=\"hub\"} 1",
        "router_engine_loop_turn_seconds_bucket{le=\"+Inf\",loop=\"hub\"} 2",
        "router_engine_loop_turn_seconds_count{loop=\"hub\"} 2",
        "router_engine_loop_turn_max_seconds{loop=\"hub\"} 5.0",
        "router_supergraph_age_seconds 1.5",
    ] {
        assert!(page.lines().any(|it| it == line), "{line} is missing from:\n{page}");
    }
    assert!(!page.contains("# EOF"));
    assert!(!page.contains("router_subscriptions_ended"), "a metric without samples");
    let (_, head, page) =
        admin.ask("GET", "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n", "");
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert!(page.ends_with("# EOF\n"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_measured() {
    let admin = Running::start();
    let (_, page) = admin.get("/metrics");
    let value = |name: &str| {
        let line = page.lines().find_map(|it| it.strip_prefix(&format!("{name} ")));
        line.and_then(|it| it.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("{name} is missing from:\n{page}"))
    };
    assert!(value("process_threads") >= 2.0);
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_max_fds") >= value("process_open_fds"));
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
    assert!(value("process_start_time_seconds") > 1.7e9);
    assert!(value("process_cpu_seconds_total") >= 0.0);
}

#[test]
fn events_are_published_with_their_rules() {
    let admin = Running::start();
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    for (target, headers, body, status) in [
        ("/admin/publish/deal.7", json, "{\"id\":1.0}", 202),
        ("/admin/publish/deal%2E8?provider=other", json, "[]", 202),
        ("/admin/publish/deal.7?provider=nope", json, "{}", 404),
        ("/admin/publish/deal.7", "", "{}", 415),
        ("/admin/publish/deal.7", "Content-Type: text/plain\r\n", "{}", 415),
        ("/admin/publish/deal.7", json, "{", 400),
        ("/admin/publish/deal.7", json, "", 400),
        ("/admin/publish/deal.*", json, "{}", 400),
        ("/admin/publish/deal.%3E", json, "{}", 400),
        ("/admin/publish/a..b", json, "{}", 400),
        ("/admin/publish/", json, "{}", 400),
        ("/admin/publish/a%20b", json, "{}", 400),
        ("/admin/publish/a%2", json, "{}", 400),
        ("/admin/publish/a%ff", json, "{}", 400),
        ("/admin/publish/refused", json, "{}", 400),
        ("/admin/publish/later", json, "{}", 503),
        ("/admin/publish/deal.7", json, &large, 413),
        ("/admin/publish/deal.7", &format!("{json}Origin: http://evil\r\n"), "{}", 403),
    ] {
        let (got, _, answer) = admin.ask("POST", target, headers, body);
        assert_eq!(got, status, "{target} {headers}: {answer}");
    }
    let (_, _, answer) = admin.ask("POST", "/admin/publish/deal.9", json, "1");
    assert_eq!(answer, "{\"position\":3}\n");
    let published = admin.fake.published.lock().expect("lock");
    assert_eq!(published[0], ("default".into(), "deal.7".into(), Bytes::from_static(b"{\"id\":1.0}")));
    assert_eq!((published[1].0.as_str(), published[1].1.as_str()), ("other", "deal.8"));
}

#[test]
fn paths_and_methods_are_closed_lists() {
    let admin = Running::start();
    for (method, target, status) in [
        ("GET", "/", 404),
        ("GET", "/graphql", 404),
        ("GET", "/debug/pprof/", 200),
        ("GET", "/debug/pprof/cmdline", 200),
        ("GET", "/debug/pprof/profile?seconds=0", 400),
        ("GET", "/debug/pprof/heap/activate", 405),
        ("POST", "/metrics", 405),
        ("GET", "/admin/publish/a", 405),
        ("DELETE", "/health", 405),
    ] {
        assert_eq!(admin.ask(method, target, "", "").0, status, "{method} {target}");
    }
}

/// Sampling costs something, so it is off until someone asks for it.
#[test]
fn heap_profiles_explain_how_to_get_them() {
    let admin = Running::start();
    let (status, body) = admin.get("/debug/pprof/heap");
    assert_eq!(status, 403, "{body}");
    // Built without the repository's settings, the process cannot sample at all.
    assert!(body.contains("/debug/pprof/heap/activate") || body.contains("_RJEM_MALLOC_CONF"), "{body}");
}

/// As on the public port: a request of HTTP/1.1 says once whom it is for.
#[test]
fn requests_name_one_host() {
    let admin = Running::start();
    let status = |request: &str| {
        let mut socket = TcpStream::connect(admin.address).expect("connected");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        socket.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer.split(' ').nth(1).and_then(|it| it.parse::<u16>().ok())
    };
    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: me@a\r\n", "Host:\r\n"] {
        let request = format!("GET /health HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        assert_eq!(status(&request), Some(400), "{hosts}");
    }
    assert_eq!(status("GET /health HTTP/1.0\r\n\r\n"), Some(200));
}
