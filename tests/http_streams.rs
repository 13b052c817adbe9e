//! Subscriptions in HTTP answers on the real wire: Server-Sent Events and multipart, byte by byte, from the
//! choice of the format to every way an answer ends.

mod support;

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Lines},
    net::Shutdown,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};
use support::{
    http::{http, http_head, percent_encoded},
    http_stream::{EVENTS, End, HttpStream, MULTIPART},
    live::{count, wait_until_idle, wait_until_live},
    stage::{Stage, watch, watch_widely},
    wait::wait_until,
};

const PATIENCE: Duration = Duration::from_secs(20);
const BOTH: [&str; 2] = [EVENTS, MULTIPART];
/// No heartbeat comes in between.
const QUIET: &str = "http_streams: { heartbeat_interval: 0s }";

fn url(stage: &Stage) -> &str {
    stage.router.graphql_url()
}

fn event(id: i64) -> Value {
    json!({ "data": { "employeeUpdated": { "id": id } } })
}

/// C-KAF-8's and C-NATS-13's wire, and what proxies and caches need to be told (C-NATS-15).
#[test]
fn server_sent_events_byte_by_byte() {
    let stage = Stage::start_with(QUIET);
    let mut posted = HttpStream::post(url(&stage), EVENTS, &watch(3));
    let mut got = HttpStream::get(url(&stage), EVENTS, &watch(3));
    wait_until_live(&stage.router, 2);
    for stream in [&mut posted, &mut got] {
        assert_eq!(stream.head.status, 200);
        for (name, value) in [
            ("content-type", "text/event-stream; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("x-accel-buffering", "no"),
            ("vary", "Accept"),
            ("content-encoding", ""),
        ] {
            assert_eq!(stream.head.header(name), value, "{name}");
        }
        assert_eq!(stream.until("\n\n"), "retry: 3000\n\n");
        stage.tell(3);
        let next = "event: next\ndata: {\"data\":{\"employeeUpdated\":{\"id\":3}}}\n\n";
        assert_eq!(stream.until("\n\n"), next);
    }
}

/// C-NATS-3: framing, and each part whole on the wire before there is another one.
#[test]
fn multipart_byte_by_byte() {
    let stage = Stage::start_with(QUIET);
    let mut stream = HttpStream::post(url(&stage), MULTIPART, &watch(3));
    wait_until_live(&stage.router, 1);
    assert_eq!(stream.head.status, 200);
    assert_eq!(stream.head.header("content-type"), "multipart/mixed; subscriptionSpec=1.0; boundary=graphql");
    assert_eq!(stream.until("graphql"), "\r\n--graphql");
    for _ in 0..2 {
        stage.tell(3);
        assert_eq!(
            stream.until("--graphql"),
            "\r\nContent-Type: application/json\r\n\r\n\
             {\"payload\":{\"data\":{\"employeeUpdated\":{\"id\":3}}}}\r\n--graphql"
        );
    }
}

/// C-NATS-4, C-HTTP-1, C-HTTP-2.
#[test]
fn silence_is_broken_by_heartbeats() {
    let stage = Stage::start_with("http_streams: { heartbeat_interval: 200ms }");
    let mut events = HttpStream::post(url(&stage), EVENTS, &watch(3));
    let mut parts = HttpStream::post(url(&stage), MULTIPART, &watch(3));
    assert_eq!(events.until("\n\n"), "retry: 3000\n\n");
    assert_eq!(parts.until("--graphql"), "\r\n--graphql");
    for _ in 0..3 {
        assert_eq!(events.until("\n\n"), ":heartbeat\n\n");
        assert_eq!(parts.until("--graphql"), "\r\nContent-Type: application/json\r\n\r\n{}\r\n--graphql");
    }
}

/// A client that leaves is noticed, whatever it does to the socket.
#[test]
fn a_client_that_leaves_leaves_nothing_behind() {
    let stage = Stage::start();
    for accept in BOTH {
        let streams = [(); 3].map(|()| HttpStream::post(url(&stage), accept, &watch(3)));
        wait_until_live(&stage.router, 3);
        assert_eq!(stage.router.metrics().sum("router_engine_http_streams"), 3.0);
        let [closed, half, cut] = streams;
        drop(closed);
        half.socket().shutdown(Shutdown::Write).expect("an open socket");
        cut.socket().shutdown(Shutdown::Both).expect("an open socket");
        wait_until_idle(&stage.router);
    }
    wait_until("no request is in flight", PATIENCE, || {
        stage.router.metrics().sum("router_http_requests_in_flight") == 0.0
    });
}

/// Whatever becomes of an operation is a result, and the end follows: a browser's `EventSource` shows its page
/// nothing of an answer with another status.
#[test]
fn a_single_response_is_a_stream_of_one() {
    let stage = Stage::start();
    for accept in BOTH {
        for (operation, part, value) in [
            ("{ employee(id: 1) { id } }", "/data/employee/id", json!(1)),
            (
                "mutation { updateEmployee(id: 9, update: {}) { success } }",
                "/data/updateEmployee/success",
                json!(true),
            ),
            (
                "subscription { employeeUpdated(employeeID: ",
                "/errors/0/extensions/code",
                json!("GRAPHQL_PARSE_FAILED"),
            ),
            (
                "subscription { nothing }",
                "/errors/0/message",
                json!("Cannot query field \"nothing\" on type \"Subscription\"."),
            ),
            (
                "subscription { noted(topic: \"a.b\") { id } }",
                "/errors/0/extensions/code",
                json!("BAD_USER_INPUT"),
            ),
        ] {
            let mut stream = HttpStream::post(url(&stage), accept, operation);
            assert_eq!(stream.head.status, 200, "{operation}");
            let result = stream.result();
            assert_eq!(result.pointer(part), Some(&value), "{accept} {operation}: {result}");
            stream.complete();
        }
    }
    assert_eq!(count(&stage.router, "triggers"), 0);
}

/// C-SEC-7, C-SEC-8: Apollo Client takes JSON beside multipart, and urql names all there is.
#[test]
fn preferences_decide_between_one_response_and_a_stream() {
    let stage = Stage::start();
    let (json, both) = ("application/json; charset=utf-8", format!("{MULTIPART}, application/json"));
    let urql = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed";
    let (query, wrong) = ("{ employee(id: 1) { id } }", "subscription { nothing }");
    for (accept, operation, content_type) in [
        (&*both, query, json),
        (&both, wrong, json),
        (&both, &watch(1), "multipart/mixed; subscriptionSpec=1.0; boundary=graphql"),
        ("text/event-stream, application/json;q=0.9", wrong, "text/event-stream; charset=utf-8"),
        (urql, query, "application/graphql-response+json; charset=utf-8"),
        (urql, &watch(1), "text/event-stream; charset=utf-8"),
    ] {
        let stream = HttpStream::post(url(&stage), accept, operation);
        assert_eq!(stream.head.header("content-type"), content_type, "{accept} {operation}");
    }
}

/// Status codes are for what has nothing to do with an operation.
#[test]
fn what_is_no_operation_has_a_status() {
    let stage = Stage::start_with("traffic_shaping: { router: { max_request_body_size: 1KB } }");
    let json = ("Content-Type", "application/json");
    let text = percent_encoded("mutation { updateEmployee(id: 1, update: {}) { success } }");
    let mutation = format!("{}?query={text}", url(&stage));
    let long = json!({ "query": format!("{{ employee(id: 1) {{ {} }} }}", "id ".repeat(1000)) }).to_string();
    for accept in BOTH {
        let status = |method: &str, url: &str, content: (&str, &str), body: &str| {
            http(method, url, &[("Accept", accept), content], body).status
        };
        assert_eq!(status("GET", &mutation, json, ""), 405, "a GET changes nothing");
        assert_eq!(status("PUT", url(&stage), json, "{}"), 405);
        assert_eq!(status("POST", url(&stage), ("Content-Type", "text/plain"), "{}"), 415);
        assert_eq!(status("POST", url(&stage), json, &long), 413);
        assert_eq!(status("POST", url(&stage), json, "no JSON"), 400);
    }
    let answer = http("POST", url(&stage), &[("Accept", "text/html"), json], "{}");
    assert_eq!(answer.status, 406);
    assert!(answer.body.contains("text/event-stream or multipart/mixed"), "{answer:?}");
}

/// A subscription over plain HTTP is told what would do; GET and POST.
#[test]
fn without_a_stream_a_subscription_is_refused() {
    let stage = Stage::start();
    let body = json!({ "query": watch(1) }).to_string();
    let posted = http("POST", url(&stage), &[("Content-Type", "application/json")], &body);
    let got = http("GET", &format!("{}?query={}", url(&stage), percent_encoded(&watch(1))), &[], "");
    for (answer, status) in [(posted, 406), (got, 405)] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains("accept text/event-stream or multipart/mixed"), "{answer:?}");
    }
}

/// C-NATS-6, C-NATS-14, C-KAF-9, C-SEC-1.
#[test]
fn blocked_subscriptions_say_so_in_the_stream() {
    let stage = Stage::start_with("security: { block_subscriptions: { enabled: true } }");
    let message = "operation type 'subscription' is blocked";
    for accept in BOTH {
        let mut stream = HttpStream::post(url(&stage), accept, &watch(1));
        assert_eq!((stream.head.status, &stream.result()["errors"][0]["message"]), (200, &json!(message)));
        stream.complete();
    }
}

/// C-KAF-7, C-PRO-2: clients that came from Cosmo ask by the URL.
#[test]
fn the_url_can_ask_for_events_and_for_one_result() {
    let stage = Stage::start_with(QUIET);
    let query = percent_encoded(&watch(3));
    let asked = |parameters: &str| format!("{}?{parameters}", url(&stage));

    let mut events = HttpStream::open("GET", &asked(&format!("query={query}&wg_sse")), "*/*", "");
    let body = json!({ "query": watch(3) }).to_string();
    let mut posted = HttpStream::open("POST", &asked("wg_sse=true"), "*/*", &body);
    let mut first = HttpStream::open("POST", &asked("wg_subscribe_once"), EVENTS, &body);
    let first_alone = {
        let url = asked("wg_subscribe_once");
        std::thread::spawn(move || http("POST", &url, &[("Content-Type", "application/json")], &body))
    };
    wait_until_live(&stage.router, 4);
    stage.tell(3);
    assert_eq!(events.result(), event(3));
    assert_eq!(posted.result(), event(3));
    assert_eq!(first.result(), event(3));
    first.complete();
    let alone = first_alone.join().expect("an answer");
    assert_eq!((alone.status, alone.json()), (200, event(3)));
    assert_eq!(alone.header("content-type"), "application/json; charset=utf-8");
    wait_until_live(&stage.router, 2);
    stage.tell(3);
    assert_eq!(events.result(), event(3), "others go on");
}

/// One group for all: one execution and one response for every transport.
#[test]
fn every_transport_shares_one_group() {
    let stage = Stage::start_with(QUIET);
    let mut socket = stage.client();
    socket.subscribe("1", &watch(3));
    let mut streams = BOTH.map(|accept| HttpStream::post(url(&stage), accept, &watch(3)));
    wait_until_live(&stage.router, 3);
    assert_eq!((count(&stage.router, "triggers"), count(&stage.router, "groups")), (1, 1));
    let before = stage.router.metrics();
    stage.tell(3);
    assert_eq!(socket.next("1"), event(3));
    for stream in &mut streams {
        assert_eq!(stream.result(), event(3));
    }
    for metric in ["router_engine_resolves_total", "router_engine_serialisations_total"] {
        // Numbers may be a turn older than what was delivered.
        wait_until(metric, PATIENCE, || stage.router.metrics().sum(metric) > before.sum(metric));
        assert_eq!(stage.router.metrics().sum(metric) - before.sum(metric), 1.0, "{metric}");
    }
}

/// A broker that is not there ends the operation: in the words of each format.
#[test]
fn a_feed_that_cannot_start_ends_the_stream() {
    let stage = Stage::start();
    let query = "subscription { employeeUpdatedMyKafka(employeeID: 1) { id } }";
    let mut events = HttpStream::post(url(&stage), EVENTS, query);
    let failure = events.result();
    assert_eq!(failure["errors"][0]["extensions"]["code"], "FEED_UNAVAILABLE", "{failure}");
    events.complete();
    let mut parts = HttpStream::post(url(&stage), MULTIPART, query);
    let failure = parts.part();
    assert_eq!(failure["payload"], Value::Null, "{failure}");
    assert_eq!(failure["errors"][0]["extensions"]["code"], "FEED_UNAVAILABLE", "{failure}");
    parts.complete();
    wait_until_idle(&stage.router);
}

/// A client that does not read costs only itself: its answer is broken off, so that it cannot take it for whole.
#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let stage = Stage::start_with("http_streams: { heartbeat_interval: 0s, outbound_queue: 1KB }");
    let query = watch_widely(1);
    let mut slow = HttpStream::post(url(&stage), EVENTS, &query);
    let mut quick = HttpStream::post(url(&stage), MULTIPART, &query);
    wait_until_live(&stage.router, 2);
    let mut told = 0;
    wait_until("the slow client is given up", PATIENCE, || {
        stage.tell(1);
        told += 1;
        assert_eq!(quick.result()["data"]["employeeUpdated"]["id"], 1);
        stage.router.metrics().get("router_engine_overflow_total{policy=\"cut_off\"}") == 1.0
    });
    let (text, end) = slow.rest();
    assert_eq!(end, End::BrokenOff);
    assert!(text.matches("event: next").count() < told, "it missed some");
    wait_until_live(&stage.router, 1);
}

/// A client whose machine is gone says nothing, and neither does one that has stopped reading.
#[test]
fn a_client_that_takes_nothing_for_too_long_is_given_up() {
    let stage = Stage::start_with("traffic_shaping: { router: { write_timeout: 1s } }");
    let mut silent = HttpStream::post(url(&stage), EVENTS, &watch_widely(1));
    let mut reading = HttpStream::post(url(&stage), EVENTS, &watch(1));
    wait_until_live(&stage.router, 2);
    wait_until("the silent client is given up", PATIENCE, || {
        stage.tell(1);
        assert_eq!(reading.result(), event(1));
        count(&stage.router, "members") == 1
    });
    let cut_off = "router_engine_overflow_total{policy=\"cut_off\"}";
    assert_eq!(stage.router.metrics().get(cut_off), 0.0, "not for its queue");
    assert_eq!(silent.rest().1, End::BrokenOff);
}

/// A router that stops sends its clients elsewhere: who is told `complete` would not come back.
#[test]
fn a_router_that_stops_ends_streams_without_completing_them() {
    let mut stage = Stage::start_with("shutdown_delay: 100ms\nhttp_streams: { heartbeat_interval: 0s }");
    let mut events = HttpStream::post(url(&stage), EVENTS, &watch(1));
    let mut parts = HttpStream::post(url(&stage), MULTIPART, &watch(1));
    wait_until_live(&stage.router, 2);
    stage.router.signal("TERM");
    assert_eq!(events.rest(), ("retry: 3000\n\n".to_owned(), End::Whole));
    let last = parts.part();
    assert_eq!(last["payload"], Value::Null, "{last}");
    assert_eq!(last["errors"][0]["extensions"]["code"], "SERVICE_RESTART", "{last}");
    parts.complete();
    assert!(stage.router.wait(PATIENCE).is_some_and(|it| it.success()));
}

/// C-NATS-30: what a filter holds back never comes.
#[test]
fn filters_apply_to_streams() {
    let stage = Stage::start_with(QUIET);
    let query = "subscription { othersUpdated { id } }";
    let mut streams = BOTH.map(|accept| HttpStream::post(url(&stage), accept, query));
    wait_until_live(&stage.router, 2);
    for id in [1, 2, 3, 4, 5] {
        stage.router.publish("employees.updated", &json!({ "__typename": "Employee", "id": id }));
    }
    for stream in &mut streams {
        for id in [2, 5] {
            assert_eq!(stream.result(), json!({ "data": { "othersUpdated": { "id": id } } }));
        }
    }
}

/// Pages of other origins: the same rules as for everything else, and no preflight for a plain GET.
#[test]
fn pages_of_origins_that_are_not_allowed_get_no_stream() {
    let stage = Stage::start_with("cors: { allow_origins: [\"https://app.example\"] }");
    let address = format!("{}?query={}", url(&stage), percent_encoded(&watch(1)));
    let from = |origin| http("GET", &address, &[("Accept", EVENTS), ("Origin", origin)], "").status;
    assert_eq!(from("https://evil.example"), 403);
    assert_eq!(count(&stage.router, "members"), 0);
}

/// C-PRO-3, C-WS-30, C-WS-31.
#[test]
fn subscriptions_are_served_at_any_path() {
    for path in ["/", "/api/graphql"] {
        let stage = Stage::start_with(&format!("graphql_path: {path}\ndev_mode: true\n{QUIET}"));
        assert!(url(&stage).ends_with(path), "{}", url(&stage));
        let mut socket = stage.client();
        socket.subscribe("1", &watch(3));
        let mut streams = BOTH.map(|accept| HttpStream::get(url(&stage), accept, &watch(3)));
        wait_until_live(&stage.router, 3);
        stage.tell(3);
        assert_eq!(socket.next("1"), event(3));
        for stream in &mut streams {
            assert_eq!(stream.result(), event(3));
        }
    }
}

/// C-WS-1: who must not use WebSockets has the other transports.
#[test]
fn without_websockets_there_are_streams() {
    let stage = Stage::start_with(&format!("websocket: {{ enabled: false }}\n{QUIET}"));
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let refused = http_head("GET", url(&stage), &headers);
    assert_eq!(refused.status, 400);
    let mut stream = HttpStream::get(url(&stage), EVENTS, &watch(3));
    wait_until_live(&stage.router, 1);
    stage.tell(3);
    assert_eq!(stream.result(), event(3));
}

/// What browsers speak over TLS: a client that leaves ends its stream.
#[test]
fn http2_carries_streams() {
    let stage = Stage::start_with(QUIET);
    let mut clients: Vec<_> = BOTH
        .iter()
        .map(|accept| {
            let accept = format!("Accept: {accept}");
            let address = format!("{}?query={}", url(&stage), percent_encoded(&watch(3)));
            let arguments = ["--no-buffer", "--silent", "--http2-prior-knowledge", "-H", &accept];
            let mut curl = Command::new("curl");
            curl.args(arguments).arg(&address).stdin(Stdio::null()).stdout(Stdio::piped());
            Curl::start(curl)
        })
        .collect();
    wait_until_live(&stage.router, 2);
    for _ in 0..2 {
        stage.tell(3);
        for client in &mut clients {
            client.expect(r#"{"data":{"employeeUpdated":{"id":3}}}"#);
        }
    }
    drop(clients);
    wait_until_idle(&stage.router);
}

/// A curl that goes on. Dropping it ends it.
struct Curl {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Curl {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("curl is installed");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    /// Reads until a line has this in it.
    fn expect(&mut self, part: &str) {
        let found = self.lines.by_ref().map(|it| it.expect("UTF-8")).any(|it| it.contains(part));
        assert!(found, "{part}");
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        // Both fail only if the process is gone already.
        drop((self.child.kill(), self.child.wait()));
    }
}
