//! Files in variables, from a client through the router to a subgraph.

mod support;

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
};
use support::{router::Router, ws::PATIENCE};

const SDL: &str = "scalar Upload
type Query { nothing: Int }
type Mutation { store(file: Upload!, more: [Upload!]): String }
";
const OPERATIONS: &str = r#"{"query":"mutation ($file: Upload!, $more: [Upload!]) { store(file: $file, more: $more) }","variables":{"file":null,"more":[null]}}"#;
const MAP: &str = r#"{"a":["variables.file"],"b":["variables.more.0"]}"#;

/// A subgraph that answers one request with `data.store: "stored"`, and keeps what came.
struct Storage {
    url: String,
    /// Told at the first byte of a file.
    begun: Receiver<()>,
    received: JoinHandle<Received>,
}

struct Received {
    head: String,
    body: Vec<u8>,
}

impl Storage {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/graphql", listener.local_addr().expect("an address"));
        let (first, begun) = mpsc::channel();
        let received = thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("the router connects");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
            let received = receive(&mut BufReader::new(&mut socket), &first);
            let answer = r#"{"data":{"store":"stored"}}"#;
            let length = answer.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            );
            // The router may have left.
            _ = socket.write_all(format!("{head}{answer}").as_bytes());
            received
        });
        Self { url, begun, received }
    }

    fn received(self) -> Received {
        self.received.join().expect("the subgraph read it")
    }
}

/// One request with a chunked body; what came of it, if it breaks off.
fn receive(stream: &mut impl BufRead, begun: &mpsc::Sender<()>) -> Received {
    let (mut head, mut body) = (String::new(), Vec::new());
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).expect("a head") > 0, "{head}");
    }
    loop {
        let mut size = String::new();
        if stream.read_line(&mut size).unwrap_or(0) == 0 {
            break;
        }
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        let mut chunk = vec![0; size + 2];
        if stream.read_exact(&mut chunk).is_err() || size == 0 {
            break;
        }
        body.extend_from_slice(&chunk[..size]);
        if text(&body).contains("filename=\"a.txt\"") {
            // The test may not listen.
            _ = begun.send(());
        }
    }
    Received { head: head.to_lowercase(), body }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn start(more: &str) -> (Storage, Router) {
    let storage = Storage::start();
    let sdl = file("uploads.graphql", SDL.as_bytes());
    let router = Router::start(&format!(
        "version: \"1\"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: \"127.0.0.1:0\" }}
json_log: true
supergraph: {{ subgraphs: [{{ name: storage, routing_url: \"{}\", schema: {{ file: \"{}\" }} }}] }}
file_upload: {{ enabled: true{more} }}
",
        storage.url,
        sdl.display()
    ));
    (storage, router)
}

/// A file of this test's own.
fn file(name: &str, content: &[u8]) -> PathBuf {
    let test = thread::current().name().expect("a test").replace(':', "-");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("uploads-{test}"));
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(name);
    fs::write(&file, content).expect("a file");
    file
}

/// As one does it by hand.
fn curl(router: &Router, headers: &[&str], files: &[(&str, &Path)]) -> (u16, Value) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--write-out", "\n%{http_code}", router.graphql_url()]);
    curl.args(["--form-string", &format!("operations={OPERATIONS}"), "--form-string", &format!("map={MAP}")]);
    for header in headers {
        curl.args(["--header", header]);
    }
    for (name, file) in files {
        curl.args(["--form", &format!("{name}=@{};type=text/plain", file.display())]);
    }
    let output = curl.output().expect("curl is installed");
    let said = text(&output.stdout);
    let (body, status) = said.rsplit_once('\n').unwrap_or_else(|| panic!("{output:?}"));
    (status.parse().expect("a status"), serde_json::from_str(body).unwrap_or_default())
}

const VOUCHED: &str = "Apollo-Require-Preflight: true";

#[test]
fn curl_stores_files_in_a_subgraph() {
    let (storage, router) = start("");
    let large = "0123456789abcdef".repeat(500_000);
    let (one, two) = (file("a.txt", b"first"), file("b.txt", large.as_bytes()));
    let (status, answer) = curl(&router, &[VOUCHED], &[("a", &one), ("b", &two)]);
    assert_eq!((status, answer), (200, json!({ "data": { "store": "stored" } })));

    let received = storage.received();
    let boundary =
        received.head.lines().find_map(|it| it.strip_prefix("content-type: multipart/form-data; boundary="));
    let boundary = boundary.expect("a form");
    assert!(received.head.contains("apollo-require-preflight: true"), "{}", received.head);
    let body = text(&received.body);
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    let [_, operations, map, first, second, end] = parts[..] else { panic!("{} parts", parts.len()) };
    let content = |part: &str| part.split_once("\r\n\r\n").expect("a head").1.trim_end().to_owned();
    let operations: Value = serde_json::from_str(&content(operations)).expect("JSON");
    assert_eq!(operations["variables"], json!({ "file": null, "more": [null] }));
    let map: Value = serde_json::from_str(&content(map)).expect("JSON");
    assert_eq!(map, json!({ "0": ["variables.file"], "1": ["variables.more.0"] }));
    assert!(first.contains("name=\"0\"; filename=\"a.txt\"") && first.contains("Content-Type: text/plain"));
    assert_eq!(content(first), "first");
    assert!(content(second) == large, "{} bytes", second.len());
    assert_eq!(end, "--\r\n");
}

/// The subgraph has the beginning of a file before the client has sent its end.
#[test]
fn files_pass_through_while_they_are_sent() {
    let (storage, router) = start("");
    let part = |name: &str, file: &str, content: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n")
    };
    let whole = part("operations", "", OPERATIONS)
        + &part("map", "", MAP)
        + &part("a", "; filename=\"a.txt\"", &"a".repeat(500_000))
        + &part("b", "; filename=\"b.txt\"", "b")
        + "--x--\r\n";
    let address = router.graphql_url().trim_start_matches("http://").trim_end_matches("/graphql");
    let mut socket = TcpStream::connect(address).expect("the router listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{VOUCHED}\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=x\r\n\r\n",
        whole.len()
    );
    let (first, rest) = whole.split_at(whole.len() / 2);
    socket.write_all(format!("{head}{first}").as_bytes()).expect("sent");
    storage.begun.recv_timeout(PATIENCE).expect("the subgraph has the beginning");
    socket.write_all(rest.as_bytes()).expect("sent");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer in time");
    assert!(answer.ends_with(r#"{"data":{"store":"stored"}}"#), "{answer}");
    assert!(text(&storage.received().body).contains(&"a".repeat(500_000)));
}

/// The subgraph never has what looks like a whole request.
#[test]
fn a_file_beyond_the_limit_ends_both_requests() {
    let (storage, router) = start(", max_file_size: 100KB");
    let (one, two) = (file("a.txt", &[b'a'; 100_001]), file("c.txt", b"second"));
    let (status, answer) = curl(&router, &[VOUCHED], &[("a", &one), ("b", &two)]);
    assert_eq!(status, 413, "{answer}");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "PAYLOAD_TOO_LARGE", "{answer}");
    let body = text(&storage.received().body);
    assert!(!body.contains("second") && !body.trim_end().ends_with("--"), "it breaks off");
}

#[test]
fn a_form_alone_is_not_enough() {
    let (_storage, router) = start(", max_files: 1");
    let one = file("a.txt", b"first");
    let (status, answer) = curl(&router, &[], &[("a", &one), ("b", &one)]);
    assert_eq!((status, &answer["errors"][0]["extensions"]["code"]), (400, &json!("CSRF_PREVENTION")));
    let (status, answer) = curl(&router, &[VOUCHED], &[("a", &one), ("b", &one)]);
    assert_eq!(status, 413, "two files where one is allowed: {answer}");
}
