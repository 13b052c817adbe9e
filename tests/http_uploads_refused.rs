//! Requests with files that come to nothing: no subgraph and no broker hears of them, and what stands for a file
//! inside of the router stays there.

mod support;

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};
use support::{
    router::Router,
    wait::wait_until,
    ws::{Client, PATIENCE},
};

const TICKET: &str = "juga-upload";

const STORAGE: &str = "scalar Upload
type Query { stored: Int }
type Mutation { store(file: Upload!, more: [Upload!]): String  name(it: String, id: ID, kind: Kind): String }
type Subscription { changed(file: Upload): Int }
enum Kind { A }
";
const JOURNAL: &str = "scalar Upload
type Query { entries: Int }
type Mutation { note(text: String): String  copy(file: Upload): String }
";
const EVENTS: &str = r#"
directive @edfs__natsPublish(subject: String!, providerId: String! = "default") on FIELD_DEFINITION
type edfs__PublishResult { success: Boolean! }
scalar Upload
type Mutation { publish(file: Upload): edfs__PublishResult! @edfs__natsPublish(subject: "files") }
"#;

/// A subgraph that says `"done"` to everything, and keeps all that came.
struct Ledger {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Ledger {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/graphql", listener.local_addr().expect("an address"));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let kept = requests.clone();
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                thread::spawn(move || serve(&socket, &kept));
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}

fn serve(socket: &TcpStream, kept: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(socket);
    let answer = r#"{"data":{"store":"done","note":"done","copy":"done","name":"done"}}"#;
    while let Some((request, is_whole)) = request(&mut reader) {
        kept.lock().expect("no panic").push(request);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}", answer.len());
        let mut socket = socket;
        if !is_whole || socket.write_all(format!("{head}\r\n\r\n{answer}").as_bytes()).is_err() {
            break;
        }
    }
}

/// The next request as it came, and whether it came in full; `None` when there is none.
fn request(reader: &mut impl BufRead) -> Option<(String, bool)> {
    let mut all = String::new();
    while !all.ends_with("\r\n\r\n") {
        if reader.read_line(&mut all).unwrap_or(0) == 0 {
            return None;
        }
    }
    let length = all.lines().find_map(|it| it.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let (body, is_whole) = match length {
        Some(length) => {
            let mut body = vec![0; length];
            let is_whole = reader.read_exact(&mut body).is_ok();
            (body, is_whole)
        }
        None => chunks(reader),
    };
    Some((all + &String::from_utf8_lossy(&body), is_whole))
}

fn chunks(reader: &mut impl BufRead) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        if reader.read_line(&mut size).unwrap_or(0) == 0 {
            return (body, false);
        }
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        let mut chunk = vec![0; size + 2];
        if reader.read_exact(&mut chunk).is_err() {
            return (body, false);
        }
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return (body, true);
        }
    }
}

struct Stage {
    storage: Ledger,
    journal: Ledger,
    router: Router,
}

impl Stage {
    /// Uploads are off by default; nothing else differs from the defaults, but for `more`.
    fn start(more: &str) -> Self {
        let (storage, journal) = (Ledger::start(), Ledger::start());
        let router = Router::start(&format!(
            "version: \"1\"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: \"127.0.0.1:0\" }}
json_log: true
supergraph:
  subgraphs:
    - {{ name: storage, routing_url: \"{}\", schema: {{ file: \"{}\" }} }}
    - {{ name: journal, routing_url: \"{}\", schema: {{ file: \"{}\" }} }}
  event_graphs: [\"{}\"]
events: {{ providers: {{ memory: [{{ id: default }}] }} }}
file_upload: {{ enabled: true{more} }}
",
            storage.url,
            file("storage.graphql", STORAGE).display(),
            journal.url,
            file("journal.graphql", JOURNAL).display(),
            file("events.graphql", EVENTS).display(),
        ));
        Self { storage, journal, router }
    }

    /// Everything that subgraphs heard.
    fn heard(&self) -> Vec<String> {
        [self.storage.requests(), self.journal.requests()].concat()
    }

    /// The answer to a form.
    fn send(&self, form: &str) -> (u16, String) {
        let mut socket = self.open(form.len());
        // A refused form is not read to its end.
        _ = socket.write_all(form.as_bytes());
        answer(socket)
    }

    /// A connection on which the head of a form of this length was sent.
    fn open(&self, length: usize) -> TcpStream {
        let address = self.router.graphql_url().trim_start_matches("http://").trim_end_matches("/graphql");
        let mut socket = TcpStream::connect(address).expect("the router listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: close\r\nApollo-Require-Preflight: true\r\n\
             Content-Length: {length}\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).expect("sent");
        socket
    }

    /// Subgraphs hear of this and nothing else: what was refused before has left nothing on its way to them.
    #[track_caller]
    fn heard_nothing(&self) {
        let (status, answer) = self.router.post(&json!({ "query": "{ stored entries }" }));
        assert_eq!(status, 200, "{answer}");
        let heard = self.heard();
        assert!(heard.iter().all(|it| it.contains("{stored}") || it.contains("{entries}")), "{heard:?}");
    }
}

fn answer(mut socket: TcpStream) -> (u16, String) {
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer in time");
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    (status.unwrap_or_else(|| panic!("{answer}")), answer)
}

/// A file of this test's own.
fn file(name: &str, content: &str) -> PathBuf {
    let test = thread::current().name().expect("a test").replace(':', "-");
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("uploads-refused-{test}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(name);
    fs::write(&file, content).expect("a file");
    file
}

fn part(name: &str, head: &str, content: &str) -> String {
    format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{head}\r\n\r\n{content}\r\n")
}

/// A form with these files, by name and content.
fn form(query: &str, variables: &Value, map: &Value, files: &[(&str, &str)]) -> String {
    let operations = json!({ "query": query, "variables": variables });
    let mut form = part("operations", "", &operations.to_string()) + &part("map", "", &map.to_string());
    for (name, content) in files {
        form += &part(name, &format!("; filename=\"{name}.txt\""), content);
    }
    form + "--x--\r\n"
}

const STORE: &str = "mutation ($file: Upload!, $more: [Upload!]) { store(file: $file, more: $more) }";

fn store(files: &[(&str, &str)]) -> String {
    let variables = json!({ "file": null, "more": [null] });
    form(STORE, &variables, &json!({ "a": ["variables.file"], "b": ["variables.more.0"] }), files)
}

#[test]
fn a_file_that_never_comes_keeps_the_operation_from_beginning() {
    let stage = Stage::start("");
    for _ in 0..20 {
        for files in [&[][..], &[("a", "one")], &[("b", "two")]] {
            let (status, answer) = stage.send(&store(files));
            assert_eq!(status, 400, "{answer}");
            assert!(answer.contains("is missing") && !answer.contains(TICKET), "{answer}");
        }
    }
    for files in [&[("a", "one"), ("a", "two")][..], &[("a", "one"), ("c", "two")]] {
        assert_eq!(stage.send(&store(files)).0, 400);
    }
    stage.heard_nothing();
}

#[test]
fn a_file_beyond_the_limit_keeps_the_operation_from_beginning() {
    let stage = Stage::start(", max_file_size: 10KB");
    let large = "a".repeat(10_001);
    for files in [&[("a", large.as_str()), ("b", "two")], &[("a", "one"), ("b", large.as_str())]] {
        assert_eq!(stage.send(&store(files)).0, 413);
    }
    stage.heard_nothing();
}

#[test]
fn a_client_that_hangs_up_amid_small_files_has_asked_for_nothing() {
    let stage = Stage::start("");
    let form = store(&[("a", "one"), ("b", "two")]);
    for end in [
        form.find("--x--").expect("an end"),
        form.find("two").expect("a file"),
        form.find("one").expect("one"),
    ] {
        let mut socket = stage.open(form.len());
        socket.write_all(&form.as_bytes()[..end]).expect("sent");
        socket.shutdown(std::net::Shutdown::Write).expect("open until now");
        // The router may answer or hang up.
        _ = socket.read_to_end(&mut Vec::new());
    }
    stage.heard_nothing();
}

/// What is too large to be read first goes to its subgraph while it arrives. When it breaks off there, the subgraph
/// has no whole request, and the mutation's other fields are not carried out.
#[test]
fn a_large_file_that_breaks_off_ends_the_mutation() {
    let stage = Stage::start(", max_file_size: 1MB");
    let (large, enough) = ("a".repeat(1_000_001), "a".repeat(300_000));
    let query =
        "mutation ($file: Upload!, $more: [Upload!]) { store(file: $file, more: $more) note(text: \"x\") }";
    let map = json!({ "a": ["variables.file"], "b": ["variables.more.0"] });
    let form = |files: &[(&str, &str)]| form(query, &json!({ "file": null, "more": [null] }), &map, files);
    for (round, (status, files)) in [
        (413, &[("a", large.as_str()), ("b", "two")][..]),
        (400, &[("a", enough.as_str())]),
        (400, &[("a", enough.as_str()), ("c", "two")]),
    ]
    .into_iter()
    .enumerate()
    {
        let (found, answer) = stage.send(&form(files));
        assert_eq!(found, status, "{answer}");
        wait_until("the subgraph saw it break off", PATIENCE, || stage.storage.requests().len() == round + 1);
    }
    let mut socket = stage.open(1_000_000);
    socket.write_all(&form(&[("a", enough.as_str())]).as_bytes()[..250_000]).expect("sent");
    drop(socket);
    wait_until("the subgraph saw it break off", PATIENCE, || stage.storage.requests().len() == 4);
    for request in stage.storage.requests() {
        assert!(request.contains("multipart/form-data") && !request.contains(TICKET), "{request:.900}");
        assert!(!request.trim_end().ends_with("--"), "it has no end");
    }
    stage.router.post(&json!({ "query": "{ entries }" }));
    let journal = stage.journal.requests();
    assert!(journal.iter().all(|it| it.contains("{entries}")), "{journal:?}\n{:#?}", stage.router.log());
}

/// A breaker is for subgraphs in trouble: clients that break off are none.
#[test]
fn clients_that_break_off_do_not_open_the_breaker() {
    let breaker = "}\ntraffic_shaping: { all: { circuit_breaker: { enabled: true, error_threshold_percentage: 1, \
                   request_threshold: 1 } }";
    let stage = Stage::start(breaker);
    let form = store(&[("a", &"a".repeat(300_000))]);
    for round in 0..5 {
        let (status, answer) = stage.send(&form);
        assert_eq!(status, 400, "{answer}");
        wait_until("it was tried", PATIENCE, || stage.storage.requests().len() == round + 1);
    }
    let (status, answer) = stage.send(&store(&[("a", "one"), ("b", "two")]));
    assert_eq!((status, answer.contains("\"done\"")), (200, true), "{answer}");
}

#[test]
fn files_that_cannot_reach_where_they_are_wanted_are_refused_before_anything_begins() {
    let stage = Stage::start("");
    let map = json!({ "a": ["variables.f"] });
    for (query, message) in [
        ("mutation ($f: String) { name(it: $f) }", "String cannot represent a file"),
        ("mutation ($f: ID) { name(id: $f) }", "ID cannot represent a file"),
        ("mutation ($f: Kind) { name(kind: $f) }", "Kind cannot represent a file"),
        ("mutation ($f: Upload!) { note(text: \"x\") store(file: $f) copy(file: $f) }", "once"),
        ("mutation ($f: Upload) { note(text: \"x\") publish(file: $f) { success } }", "broker"),
        ("subscription ($f: Upload) { changed(file: $f) }", "subscription"),
    ] {
        let (_, answer) = stage.send(&form(query, &json!({ "f": null }), &map, &[("a", "one")]));
        assert!(answer.contains(message) && !answer.contains(TICKET), "{query}: {answer}");
        assert!(answer.contains("\"errors\"") && !answer.contains("\"data\""), "{query}: {answer}");
    }
    let batch = part("operations", "", "[]") + &part("map", "", "{}") + "--x--\r\n";
    assert_eq!(stage.send(&batch).0, 400);
    stage.heard_nothing();
}

/// A text that looks like what stands for a file is a text, also beside files.
#[test]
fn clients_texts_are_texts() {
    let stage = Stage::start("");
    let lookalike = "juga-upload:00000000000000000000000000000000:0";
    let query =
        "mutation ($t: String, $f: Upload!, $more: [Upload!]) { name(it: $t) store(file: $f, more: $more) }";
    let variables = json!({ "t": lookalike, "f": lookalike });
    let (status, answer) = stage.router.post(&json!({ "query": query, "variables": variables }));
    assert_eq!((status, &answer["errors"]), (200, &Value::Null), "{answer}");
    let map = json!({ "a": ["variables.f"] });
    let variables = json!({ "t": lookalike, "f": null, "more": [lookalike] });
    let (status, answer) = stage.send(&form(query, &variables, &map, &[("a", "one")]));
    assert_eq!((status, answer.contains("\"done\"")), (200, true), "{answer}");
    // Each of the mutation's fields is a request.
    let heard = stage.storage.requests();
    let [plain @ .., with_file] = &heard[..] else { panic!("{heard:?}") };
    assert!(plain.len() == 3 && plain.iter().all(|it| it.contains(lookalike)), "{heard:?}");
    let whole = with_file.contains(&format!("{{\"f\":null,\"more\":[\"{lookalike}\"]}}"))
        && with_file.contains("one");
    assert!(whole && with_file.matches(TICKET).count() == 1, "{with_file}");
    let mut client = Client::connect(&stage.router.websocket_url());
    client.subscribe_with("1", json!({ "query": query, "variables": { "t": lookalike, "f": lookalike } }));
    assert_eq!(client.next("1")["data"]["store"], "done");
}
