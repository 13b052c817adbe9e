//! Behind proxies: whom the router believes about a client, and what becomes of what others say.

#[path = "support/certificates.rs"]
mod certificates;
mod support;

use certificates::Certificates;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};
use support::{
    Demo,
    http::{HttpAnswer, http},
    router::Router,
    tls::{self, TlsStream},
    wait::{wait_for, wait_until},
    ws::Client,
};

const PATIENCE: Duration = Duration::from_secs(20);
const JSON: (&str, &str) = ("Content-Type", "application/json");
const QUERY: &str = r#"{"query":"{ employee(id: 1) { startYear } }"}"#;

/// A rule that would pass on whatever a client says of itself.
const PROPAGATE: &str =
    "headers: { all: { request: [{ op: propagate, matching: '(?i)^(X-Forwarded-|X-Real-IP|X-Mine)' }] } }\n";

struct Stage {
    demo: Demo,
    router: Router,
}

impl Stage {
    fn start(more: &str) -> Self {
        let demo = Demo::start();
        let router = Router::start(&demo.config(&format!("{PROPAGATE}{more}")));
        Self { demo, router }
    }

    /// Sends the query with this id and more headers.
    fn post(&self, id: &str, headers: &[(&str, &str)]) -> HttpAnswer {
        let all: Vec<_> = headers.iter().copied().chain([JSON, ("X-Request-Id", id)]).collect();
        http("POST", self.router.graphql_url(), &all, QUERY)
    }

    /// What the access log calls the client of this request.
    #[track_caller]
    fn client(&self, id: &str) -> Value {
        let line = wait_for(PATIENCE, || {
            let log = self.router.log().into_iter().filter_map(|it| serde_json::from_str::<Value>(&it).ok());
            log.filter(|it| it["target"] == "access").find(|it| it["request_id"] == id)
        });
        line.expect("a line of the access log")["client_address"].clone()
    }

    /// What the subgraph got to see of these headers with the last request.
    fn seen(&self, name: &str) -> String {
        let requests = self.demo.employees.requests();
        let values = requests.last().expect("a request").headers.get_all(name);
        values.iter().map(|it| it.to_str().expect("text")).collect::<Vec<_>>().join(", ")
    }
}

const TOLD: [(&str, &str); 4] = [
    ("X-Forwarded-For", "6.6.6.6, 1.2.3.4"),
    ("X-Forwarded-Port", "1"),
    ("X-Real-IP", "6.6.6.6"),
    ("X-Mine", "1"),
];

#[test]
fn a_trusted_proxy_tells_who_the_client_is() {
    let stage = Stage::start("trusted_proxies: [10.0.0.0/8, 127.0.0.1]\n");
    assert_eq!(stage.post("told", &TOLD).status, 200);
    assert_eq!(stage.client("told"), "1.2.3.4");
    assert_eq!((stage.seen("x-forwarded-for").as_str(), stage.seen("x-mine").as_str()), (TOLD[0].1, "1"));
    stage.post("untold", &[]);
    assert_eq!(stage.client("untold"), "127.0.0.1");
}

#[test]
fn what_others_say_is_taken_out() {
    let stage = Stage::start("trusted_proxies: [10.0.0.0/8]\n");
    assert_eq!(stage.post("told", &TOLD).status, 200);
    assert_eq!(stage.client("told"), "127.0.0.1");
    for name in ["x-forwarded-for", "x-forwarded-port", "x-real-ip"] {
        assert_eq!(stage.seen(name), "", "{name}");
    }
    assert_eq!(stage.seen("x-mine"), "1");
}

/// Files that propagate these headers by rule, and know of no trusted proxies, work as they did.
#[test]
fn without_trusted_proxies_they_are_headers_like_others() {
    let stage = Stage::start("");
    assert_eq!(stage.post("told", &TOLD).status, 200);
    assert_eq!(stage.client("told"), "127.0.0.1");
    assert_eq!(
        (stage.seen("x-forwarded-for").as_str(), stage.seen("x-real-ip").as_str()),
        (TOLD[0].1, "6.6.6.6")
    );
}

#[test]
fn clients_addresses_can_be_left_out_of_the_log() {
    let stage = Stage::start("compliance: { anonymize_ip: { enabled: true } }\n");
    stage.post("told", &[]);
    assert_eq!(stage.client("told"), Value::Null);
}

#[test]
fn a_page_of_the_proxys_own_host_is_one_of_ours() {
    let cors = "cors: { allow_origins: ['https://else.example'] }\n";
    let told = [
        ("Origin", "https://api.example"),
        ("X-Forwarded-Host", "api.example"),
        ("X-Forwarded-Proto", "https"),
    ];
    let trusting = Stage::start(&format!("{cors}trusted_proxies: [127.0.0.1]\n"));
    assert_eq!(trusting.post("same", &told).status, 200);
    let other_scheme = [("Origin", "http://api.example"), told[1], told[2]];
    assert_eq!(trusting.post("scheme", &other_scheme).status, 403);
    for more in ["", "trusted_proxies: [10.0.0.1]\n"] {
        assert_eq!(Stage::start(&format!("{cors}{more}")).post("told", &told).status, 403, "{more}");
    }
}

fn connect(router: &Router) -> TcpStream {
    let (_, rest) = router.graphql_url().split_once("://").expect("a URL");
    let socket = TcpStream::connect(rest.split('/').next().expect("a host")).expect("the router listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket
}

fn exchange(stream: &mut (impl Read + Write), id: &str) -> String {
    let length = QUERY.len();
    let head = "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let request = format!("{head}X-Request-Id: {id}\r\nContent-Length: {length}\r\n\r\n{QUERY}");
    // Who is not believed may be hung up on before it has said all of this.
    drop(stream.write_all(request.as_bytes()));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8(answer).expect("UTF-8")
}

const LINE: &[u8] = b"PROXY TCP4 1.2.3.4 127.0.0.1 1000 443\r\n";
const BLOCK: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x05\x06\x07\x08\x7f\0\0\x01\x03\xe8\x01\xbb";
/// Of the proxy itself.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

#[test]
fn the_proxy_protocol_tells_who_the_client_is() {
    let stage = Stage::start("trusted_proxies: [127.0.0.1]\nproxy_protocol: true\n");
    for (id, header, wanted) in [("1", LINE, "1.2.3.4"), ("2", BLOCK, "5.6.7.8"), ("3", LOCAL, "127.0.0.1")] {
        let mut socket = connect(&stage.router);
        socket.write_all(header).expect("the router reads");
        let answer = exchange(&mut socket, id);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(stage.client(id), wanted);
    }
    for header in [&b""[..], b"PROXY TCP4 nobody 127.0.0.1 1000 443\r\n"] {
        let mut socket = connect(&stage.router);
        socket.write_all(header).expect("the router reads");
        assert_eq!(exchange(&mut socket, "refused"), "");
    }
    wait_until("both are counted", PATIENCE, || {
        let refused = "router_connections_refused_total{cause=\"proxy_protocol\"}";
        stage.router.metrics().get(refused) == 2.0
    });
}

#[test]
fn only_trusted_proxies_speak_the_proxy_protocol() {
    let stage = Stage::start("trusted_proxies: [10.0.0.1]\nproxy_protocol: true\n");
    let mut socket = connect(&stage.router);
    drop(socket.write_all(LINE));
    assert_eq!(exchange(&mut socket, "refused"), "");
}

#[test]
fn the_proxy_protocol_stands_in_front_of_tls() {
    let certificates = Certificates::make();
    let file = |name: &str| certificates.text(name);
    let stage = Stage::start(&format!(
        "trusted_proxies: [127.0.0.1]\nproxy_protocol: true\n\
         tls: {{ server: {{ enabled: true, cert_file: \"{}\", key_file: \"{}\" }} }}\n",
        file("server.pem"),
        file("server.key")
    ));
    let config = tls::client(&certificates.file("ca.pem"), &["http/1.1"], None);
    for (id, header, wanted) in [("1", LINE, "1.2.3.4"), ("2", BLOCK, "5.6.7.8")] {
        let mut socket = connect(&stage.router);
        socket.write_all(header).expect("the router reads");
        let answer = exchange(&mut TlsStream::new(socket, &config).expect("a handshake"), id);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(stage.client(id), wanted);
    }
    let mut socket = connect(&stage.router);
    socket.write_all(LINE).expect("the router reads");
    let stream = TlsStream::new(socket, &config).expect("a handshake");
    let mut client = Client::upgrade_over(stream, &stage.router.websocket_url());
    client.send(&json!({ "type": "connection_init" }));
    assert_eq!(client.message(), json!({ "type": "connection_ack" }));
}
