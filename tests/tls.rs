//! TLS towards clients: HTTPS and `wss`, with certificates on either side.
#![expect(clippy::disallowed_methods, reason = "deadlines are on the real clock")]
#![expect(clippy::print_stdout, reason = "figures for people, shown with --nocapture")]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/load.rs"]
mod load;
mod support;

use certificates::Certificates;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use load::{
    frame::{self, put_client_frame},
    process::settled_rss_anon,
    raw::Raw,
};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use support::{
    Demo,
    cli::Folder,
    live::{listen, wait_until_idle, wait_until_live},
    router::Router,
    tls::{self, TlsStream},
    wait::{wait_for, wait_until},
    ws::Client,
};

const PATIENCE: Duration = Duration::from_secs(20);
const HTTP1: &[&str] = &["http/1.1"];

/// A router that speaks TLS.
struct Stage {
    router: Router,
    certificates: Certificates,
    /// Its subgraphs; none behind the bench's graph.
    _demo: Option<Demo>,
}

impl Stage {
    fn start() -> Self {
        Self::with("", "")
    }

    /// With more keys of `tls.server`, and more top-level keys.
    fn with(server: &str, more: &str) -> Self {
        Self::of(Certificates::make(), server, more)
    }

    fn of(certificates: Certificates, server: &str, more: &str) -> Self {
        let demo = Demo::start();
        let section = section(&certificates, server);
        let router = Router::start(&demo.config(&format!("{section}{more}")));
        Self { router, certificates, _demo: Some(demo) }
    }

    /// With the bench's graph, whose events can be of any size, and without pings, which would push things on.
    fn ticking() -> Self {
        let certificates = Certificates::make();
        let router = Router::start(&load::ticks(&format!(
            "{}websocket: {{ ping_interval: 0s }}\n",
            section(&certificates, "")
        )));
        Self { router, certificates, _demo: None }
    }

    fn address(&self) -> SocketAddr {
        let authority = self.router.graphql_url().trim_start_matches("https://").split('/').next();
        authority.expect("a host").parse().expect("an address")
    }

    /// Trusts the router's authority.
    fn trusting(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        tls::client(&self.certificates.file("ca.pem"), protocols, None)
    }

    /// The same, and shows this certificate.
    fn showing(&self, name: &str) -> Arc<ClientConfig> {
        let [certificate, key] = ["pem", "key"].map(|it| self.certificates.file(&format!("{name}.{it}")));
        tls::client(&self.certificates.file("ca.pem"), HTTP1, Some((&certificate, &key)))
    }

    fn tcp(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address()).expect("the router listens");
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        socket
    }

    fn connect(&self, config: &Arc<ClientConfig>) -> TlsStream {
        TlsStream::new(self.tcp(), config).expect("a handshake")
    }

    fn client(&self) -> Client {
        Client::connect_tls(&self.router.websocket_url(), &self.trusting(HTTP1))
    }

    fn tell(&self, employee: u64) {
        let event = json!({ "__typename": "Employee", "id": employee });
        assert_eq!(self.router.publish(&format!("employeeUpdated.{employee}"), &event), 202);
    }
}

fn section(certificates: &Certificates, more: &str) -> String {
    let file = |name: &str| certificates.text(name);
    let (certificate, key) = (file("server.pem"), file("server.key"));
    format!(
        "tls: {{ server: {{ enabled: true, cert_file: \"{certificate}\", key_file: \"{key}\", {more} }} }}\n"
    )
}

const QUERY: &str = r#"{"query":"{ employee(id: 1) { id } }"}"#;
const ANSWER: &str = r#"{"data":{"employee":{"id":1}}}"#;
const PLAIN: &str = "subscription { employeeUpdated(employeeID: 3) { id } }";

/// A request in HTTP/1.1, and everything that comes back.
fn exchange(stream: &mut (impl Read + Write), host: SocketAddr) -> std::io::Result<String> {
    let length = QUERY.len();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    );
    stream.write_all(format!("{head}Content-Length: {length}\r\n\r\n{QUERY}").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8(answer).expect("UTF-8"))
}

#[track_caller]
fn answers(stage: &Stage, config: &Arc<ClientConfig>) {
    let answer = exchange(&mut stage.connect(config), stage.address()).expect("an orderly end");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(ANSWER), "{answer}");
}

#[test]
fn queries_over_https_in_the_version_that_was_agreed_on() {
    let stage = Stage::start();
    assert!(stage.router.graphql_url().starts_with("https://"));
    for (offered, agreed) in [(HTTP1, Some(&b"http/1.1"[..])), (&[], None)] {
        let config = stage.trusting(offered);
        assert_eq!(stage.connect(&config).connection().alpn_protocol(), agreed);
        answers(&stage, &config);
    }
    for offered in [&["h2", "http/1.1"][..], &["http/1.1", "h2"], &["h2"]] {
        let config = stage.trusting(offered);
        assert_eq!(stage.connect(&config).connection().alpn_protocol(), Some(&b"h2"[..]), "{offered:?}");
        assert_eq!(over_http2(&stage, &config), (200, ANSWER.to_owned()));
    }
}

/// Sends the query twice over one connection of HTTP/2.
fn over_http2(stage: &Stage, config: &Arc<ClientConfig>) -> (u16, String) {
    let (address, config) = (stage.address(), config.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let socket = tokio::net::TcpStream::connect(address).await.expect("the router listens");
        let connector = tokio_rustls::TlsConnector::from(config);
        let stream = connector.connect(address.ip().into(), socket).await.expect("a handshake");
        let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.expect("HTTP/2");
        tokio::spawn(connection);
        let mut told = None;
        for _ in 0..2 {
            let request = hyper::Request::post(format!("https://{address}/graphql"))
                .header("content-type", "application/json")
                .body(Full::new(bytes::Bytes::from_static(QUERY.as_bytes())))
                .expect("a request");
            let answer = sender.send_request(request).await.expect("an answer");
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            told = Some((status, String::from_utf8(body.to_vec()).expect("UTF-8")));
        }
        told.expect("two answers")
    })
}

/// C-WSS-1: the npm client subscribes over `wss`, and TLS's own versions 1.2 and 1.3 are both spoken.
#[test]
fn c_wss_1_the_npm_client_subscribes_over_wss() {
    let stage = Stage::start();
    let url = stage.router.websocket_url();
    assert!(url.starts_with("wss://"), "{url}");
    for version in ["--tls-max-v1.2", "--tls-min-v1.3"] {
        let child = node(&stage, "subscribe.mjs")
            .env("NODE_OPTIONS", version)
            .args([&url, PLAIN, "20"])
            .spawn()
            .expect("node is installed");
        wait_until_live(&stage.router, 1);
        for _ in 0..20 {
            stage.tell(3);
        }
        let output = child.wait_with_output().expect("our child");
        let line = "{\"data\":{\"employeeUpdated\":{\"id\":3}}}\n";
        assert_eq!(String::from_utf8_lossy(&output.stdout), line.repeat(20), "{version}: {output:?}");
        assert_eq!(output.status.code(), Some(0));
        wait_until_idle(&stage.router);
    }
    assert_eq!(stage.router.metrics().sum("router_tls_handshakes_failed_total"), 0.0);
}

/// A script of `tests/clients` that trusts the router's authority.
fn node(stage: &Stage, script: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    assert!(folder.join("node_modules").is_dir(), "the npm clients are not installed: run `make tools`");
    let mut command = Command::new("node");
    command.arg(folder.join(script)).env("NODE_EXTRA_CA_CERTS", stage.certificates.file("ca.pem"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A WebSocket over TLS that is spoken byte for byte.
fn raw(stage: &Stage) -> Raw<TlsStream> {
    Raw::new(stage.connect(&stage.trusting(HTTP1)))
}

fn upgrade(stage: &Stage) -> Vec<u8> {
    let host = stage.address();
    format!(
        "GET /graphql HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    .into_bytes()
}

fn text(message: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_client_frame(&mut out, frame::TEXT, message.to_string().as_bytes());
    out
}

fn init() -> Vec<u8> {
    text(&json!({ "type": "connection_init" }))
}

fn ping(number: usize) -> Vec<u8> {
    text(&json!({ "type": "ping", "payload": { "n": number } }))
}

fn pong(number: usize) -> Value {
    json!({ "type": "pong", "payload": { "n": number } })
}

fn ack() -> Value {
    json!({ "type": "connection_ack" })
}

/// The poller knows sockets, not what TLS holds: a frame behind another one must not wait for bytes that never come.
#[test]
fn two_frames_in_one_record_are_both_answered() {
    let stage = Stage::start();
    let mut client = raw(&stage);
    client.stream.write_record(&upgrade(&stage));
    client.upgraded();
    client.stream.write_record(&[init(), ping(1)].concat());
    assert_eq!((client.message(), client.message()), (ack(), pong(1)));
    // Many frames, over records of all sizes, in one piece and in single bytes.
    let frames: Vec<u8> = (0..300).flat_map(ping).collect();
    let records: Vec<u8> = frames.chunks(5000).flat_map(|it| client.stream.encrypt(it)).collect();
    client.stream.get_ref().write_all(&records).expect("the router reads");
    for number in 0..300 {
        assert_eq!(client.message(), pong(number));
    }
    let records: Vec<u8> = frames[..200].chunks(70).flat_map(|it| client.stream.encrypt(it)).collect();
    for byte in records {
        client.stream.get_ref().write_all(&[byte]).expect("the router reads");
    }
    assert_eq!((client.message(), client.message()), (pong(0), pong(1)));
}

/// Whatever a client sends behind its handshake is somewhere between HTTP, TLS and socket when the connection
/// changes hands.
#[test]
fn nothing_is_lost_behind_the_handshake() {
    let stage = Stage::start();
    let everything = |pings: usize| -> Vec<u8> {
        [upgrade(&stage), init()].into_iter().flatten().chain((0..pings).flat_map(ping)).collect()
    };
    // In one record, in one that HTTP reads the beginning of, in two of which the second is cut, and in more than HTTP
    // and TLS read at a time.
    let all = usize::MAX;
    for (pings, record, first) in [(3, 16_000, all), (250, 16_000, all), (3, 300, 400), (2000, 1000, all)] {
        let mut client = raw(&stage);
        let bytes = everything(pings);
        let records: Vec<u8> = bytes.chunks(record).flat_map(|it| client.stream.encrypt(it)).collect();
        let (now, later) = records.split_at(first.min(records.len()));
        client.stream.get_ref().write_all(now).expect("the router reads");
        client.upgraded();
        client.stream.get_ref().write_all(later).expect("the router reads");
        assert_eq!(client.message(), ack());
        for number in 0..pings {
            assert_eq!(client.message(), pong(number));
        }
    }
}

#[test]
fn both_sides_of_a_wss_connection_end_in_order() {
    let stage = Stage::start();
    let mut client = raw(&stage);
    client.stream.write_record(&[upgrade(&stage), init()].concat());
    client.upgraded();
    assert_eq!(client.message(), ack());
    // An operation before its time: the router closes.
    client.stream.write_record(&init());
    let (opcode, payload) = client.frame();
    assert_eq!((opcode, &payload[..2]), (8, &4429_u16.to_be_bytes()[..]));
    let mut rest = Vec::new();
    assert_eq!(client.stream.read_to_end(&mut rest).expect("an orderly end of TLS"), 0);
    drop(client);
    wait_until("no connection", PATIENCE, || stage.router.metrics().get("router_engine_connections") == 0.0);
}

/// The bounds of a queue hold over TLS too, and what the client reads at last is whole.
#[test]
fn a_wss_client_that_does_not_read_is_closed() {
    let stage = Stage::with("", "websocket: { outbound_queue: 1KB }\n");
    let fields: String = (0..190)
        .map(|it| format!("d{it}: details {{ forename surname location {{ city country }} }} "))
        .collect();
    let query = format!("subscription {{ employeeUpdated(employeeID: 3) {{ id {fields} }} }}");
    let (mut stalled, mut reading) = (stage.client(), stage.client());
    listen(&stage.router, &mut stalled, "1", &query, 1);
    listen(&stage.router, &mut reading, "1", &query, 2);
    for _ in 0..320 {
        stage.tell(3);
        assert_eq!(reading.next("1")["data"]["employeeUpdated"]["d189"]["forename"], "Kadri");
    }
    wait_until_live(&stage.router, 1);
    let (code, _) = stalled.closed();
    assert_eq!(code, 1013);
}

/// Subscribes to the bench's graph, and reads nothing from then on; the kernel holds little for it.
fn stalled(stage: &Stage) -> Raw<TlsStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket");
    socket.connect(&stage.address().into()).expect("the router listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let stream = TlsStream::new(socket.into(), &stage.trusting(HTTP1)).expect("a handshake");
    let mut client = Raw::new(stream);
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": { "query": load::TICKS } });
    client.stream.write_record(&[upgrade(stage), init(), text(&subscribe)].concat());
    client.upgraded();
    assert_eq!(client.message(), ack());
    wait_until_live(&stage.router, 1);
    client
}

/// Publishes an event that fits one record; `false` when the router has to keep it, because a client reads nothing.
fn is_written(stage: &Stage, sequence: u64) -> bool {
    let written = || stage.router.metrics().get("router_engine_messages_sent_total");
    let before = written();
    assert_eq!(stage.router.publish("ticks", &load::tick(sequence, &"x".repeat(15_000))), 202);
    let is_written = wait_for(PATIENCE, || {
        let is_kept = stage.router.metrics().get("router_engine_outbound_bytes") > 0.0;
        (is_kept || written() > before).then(|| written() > before)
    });
    is_written.expect("written or kept")
}

/// TLS may hold the end of the last message while the queue is empty. It goes out once the client reads, and needs
/// nothing behind it.
#[test]
fn what_was_encrypted_goes_out_when_the_client_reads_again() {
    let stage = Stage::ticking();
    let full = {
        let _client = stalled(&stage);
        (1..10_000).take_while(|it| is_written(&stage, *it)).count() as u64
    };
    wait_until_idle(&stage.router);
    // How much the kernel takes differs a little: the last message is cut in one of these.
    for events in full - 2..=full + 1 {
        let mut client = stalled(&stage);
        (1..=events).for_each(|it| _ = is_written(&stage, it));
        for sequence in 1..=events {
            assert_eq!(client.message()["payload"]["data"]["tick"]["sequence"], sequence, "of {events}");
        }
        drop(client);
        wait_until_idle(&stage.router);
    }
}

#[test]
fn plain_http_on_the_port_of_tls_is_told_so() {
    let stage = Stage::start();
    let answer = exchange(&mut stage.tcp(), stage.address()).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nThis port speaks TLS: use `https`.\n"), "{answer}");
    // What begins like TLS and is none gets an alert.
    let mut socket = stage.tcp();
    socket.write_all(&[0x16, 3, 1, 0, 4, 1, 0, 0, 0]).expect("the router reads");
    let mut alert = Vec::new();
    socket.read_to_end(&mut alert).expect("an end in time");
    assert_eq!(alert.first(), Some(&0x15), "{alert:?}");
    // Who says nothing has not failed at anything.
    drop(stage.tcp());
    answers(&stage, &stage.trusting(HTTP1));
    assert_eq!(stage.router.metrics().get("router_tls_handshakes_failed_total"), 2.0);
}

/// However far a client gets, it cannot stay for nothing.
#[test]
fn clients_that_dawdle_are_dropped() {
    let stage = Stage::with("", "traffic_shaping: { router: { read_header_timeout: 200ms } }\n");
    let silent = stage.tcp();
    let mut halfway = stage.tcp();
    halfway.write_all(&[0x16, 3, 1, 1, 0, 1]).expect("the router reads");
    let (shaken, http2) = (stage.connect(&stage.trusting(HTTP1)), stage.connect(&stage.trusting(&["h2"])));
    for mut socket in [silent, halfway] {
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).expect("an end in time");
    }
    for mut stream in [shaken, http2] {
        let mut rest = Vec::new();
        // A client that began nothing has nothing that could be cut short.
        let ended = stream.read_to_end(&mut rest);
        assert!(!ended.is_err_and(|it| it.kind() == ErrorKind::WouldBlock), "no end in time");
    }
    assert_eq!(stage.router.metrics().get("router_tls_handshakes_failed_total"), 1.0);
}

#[test]
fn a_router_that_stops_says_goodbye_over_tls() {
    let mut stage = Stage::with("", "shutdown_delay: 0s\n");
    let mut client = stage.client();
    listen(&stage.router, &mut client, "1", PLAIN, 1);
    let (mut idle, mut unshaken) = (stage.connect(&stage.trusting(HTTP1)), stage.tcp());
    stage.router.signal("TERM");
    assert_eq!(client.closed().0, 1012);
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).expect("an orderly end");
    unshaken.read_to_end(&mut rest).expect("an end");
    drop(client);
    assert!(stage.router.wait(PATIENCE).is_some_and(|it| it.success()));
}

/// Whether a client gets an answer at all; in TLS 1.3 the router's verdict comes after the client's handshake.
fn is_served(stage: &Stage, config: &Arc<ClientConfig>) -> bool {
    let exchanged = TlsStream::new(stage.tcp(), config).and_then(|mut it| exchange(&mut it, stage.address()));
    exchanged.is_ok_and(|it| it.ends_with(ANSWER))
}

#[test]
fn clients_show_certificates_where_they_are_asked_to() {
    for required in [true, false] {
        let certificates = Certificates::make();
        certificates.sign("other", "stranger");
        let authority = certificates.text("ca.pem");
        let keys = format!("client_auth: {{ cert_file: \"{authority}\", required: {required} }}");
        let stage = Stage::of(certificates, &keys, "");
        assert!(is_served(&stage, &stage.showing("client")));
        assert!(!is_served(&stage, &stage.showing("stranger")), "another authority's");
        assert_eq!(is_served(&stage, &stage.trusting(HTTP1)), !required, "none at all");
        let mut client = Client::connect_tls(&stage.router.websocket_url(), &stage.showing("client"));
        listen(&stage.router, &mut client, "1", PLAIN, 1);
        stage.tell(3);
        assert_eq!(client.next("1"), json!({ "data": { "employeeUpdated": { "id": 3 } } }));
    }
}

/// Refuses to start, with the exit code for configurations.
#[track_caller]
fn refused(certificates: &Certificates, cert: &str, key: &str, cause: &str) {
    let demo = Demo::start();
    let config = demo.config(&section(certificates, ""));
    let config = config.replace("server.pem", cert).replace("server.key", key);
    let folder = Folder::new("tls").with("juga.yaml", &config);
    for (command, code) in
        [(&["serve", "-c", "juga.yaml"][..], 78), (&["config", "validate", "juga.yaml"], 1)]
    {
        let answer = folder.juga(command);
        assert_eq!(answer.code, Some(code), "{answer:?}");
        let said = answer.stdout + &answer.stderr;
        assert!(said.contains(cause) && said.contains("tls.server"), "{cause}: {said}");
    }
}

#[test]
fn certificates_that_are_missing_or_wrong_stop_the_start() {
    let certificates = Certificates::make();
    refused(&certificates, "nowhere.pem", "server.key", "nowhere.pem cannot be read");
    refused(&certificates, "server.key", "server.key", "server.key holds no certificate");
    refused(&certificates, "server.pem", "ca.pem", "ca.pem: ");
    refused(&certificates, "server.pem", "client.key", "client.key: ");
}

#[test]
fn a_new_certificate_is_for_new_connections_and_disturbs_nobody() {
    let certificates = Certificates::make();
    certificates.sign("ca", "renewed");
    let stage = Stage::of(certificates, "reload_interval: 20ms", "");
    let file = |name: &str| stage.certificates.file(name);
    let (first, renewed) = (certificate(&file("server.pem")), certificate(&file("renewed.pem")));
    let shown = || {
        let stream = stage.connect(&stage.trusting(HTTP1));
        stream.connection().peer_certificates().expect("a certificate")[0].clone()
    };
    let reloads =
        |result: &str| stage.router.metrics().get(&format!("router_tls_reload_total{{result=\"{result}\"}}"));
    let put = |from: &str, to: &str| {
        std::fs::copy(file(from), file("staged")).expect("a copy");
        std::fs::rename(file("staged"), file(to)).expect("a file in place of another");
    };
    let mut client = stage.client();
    listen(&stage.router, &mut client, "1", PLAIN, 1);
    let threads = threads(&stage.router);
    assert_eq!((shown() == first, reloads("ok"), reloads("failed")), (true, 0.0, 0.0));

    // The certificate alone does not fit the key, and is told once.
    put("renewed.pem", "server.pem");
    wait_until("a pair that does not fit is noticed", PATIENCE, || reloads("failed") == 1.0);
    assert!(shown() == first);
    put("renewed.key", "server.key");
    wait_until("the new pair is in use", PATIENCE, || reloads("ok") == 1.0);
    assert!(shown() == renewed);

    // What is no certificate, or not there, changes nothing.
    std::fs::write(file("garbage"), "no certificate").expect("written");
    put("garbage", "server.pem");
    wait_until("it is noticed", PATIENCE, || reloads("failed") == 2.0);
    std::fs::remove_file(file("server.pem")).expect("removed");
    wait_until("it is noticed", PATIENCE, || reloads("failed") == 3.0);
    assert!(shown() == renewed);
    let told = || stage.router.log().iter().filter(|it| it.contains("the certificate in use stays")).count();
    wait_until("each change is told", PATIENCE, || told() >= 3);
    assert_eq!(told(), 3, "once");

    stage.tell(3);
    assert_eq!(client.next("1"), json!({ "data": { "employeeUpdated": { "id": 3 } } }));
    assert_eq!(self::threads(&stage.router), threads);
}

fn certificate(file: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).expect("a certificate")
}

fn threads(router: &Router) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", router.pid())).expect("the process runs").count()
}

/// What idle `wss` connections cost beside those without TLS, in the router's process.
#[test]
fn a_thousand_idle_wss_connections() {
    let (stage, demo) = (Stage::start(), Demo::start());
    let plain = Router::start(&demo.config(""));
    let (url, config) = (stage.router.websocket_url(), stage.trusting(HTTP1));
    let over_tls = bytes_for_each(&stage.router, || Client::connect_tls(&url, &config));
    let without = bytes_for_each(&plain, || Client::connect(&plain.websocket_url()));
    println!("{over_tls} bytes for an idle wss connection, {without} without TLS");
    assert!(over_tls < 16 * 1024, "{over_tls} bytes");
}

/// Memory of the router for each of a thousand clients.
fn bytes_for_each(router: &Router, connect: impl Fn() -> Client) -> u64 {
    const CLIENTS: usize = 1000;
    // Whatever is made once is made now.
    drop(connect());
    let before = settled_rss_anon(router.pid());
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| connect()).collect();
    wait_until("all are there", PATIENCE, || {
        router.metrics().get("router_engine_connections") == CLIENTS as f64
    });
    let each = settled_rss_anon(router.pid()).saturating_sub(before) / CLIENTS as u64;
    for client in clients.iter_mut().step_by(100) {
        client.send(&json!({ "type": "ping" }));
        assert_eq!(client.message(), json!({ "type": "pong" }));
    }
    each
}
