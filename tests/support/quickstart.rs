//! The quickstart as a process: the program that Cargo built, and what it prints.

use super::{
    cargo::cargo,
    http::{http, percent_encoded},
    router::Metrics,
    wait::wait_for,
};
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        mpsc::{self, Receiver},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long the example may take until it greets: composing and planning in a debug build included.
pub const START_TIMEOUT: Duration = Duration::from_secs(60);
const LAST_LINE: &str = "Ctrl-C stops everything.";

/// The example as a process of its own. Dropping it kills it.
pub struct Quickstart {
    child: Child,
    lines: Receiver<String>,
    complaint: Option<JoinHandle<String>>,
}

impl Quickstart {
    /// On free ports.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// That forgets a feed once its last subscriber has left, and sends heartbeats between any two events.
    pub fn start_brisk() -> Self {
        Self::start_brisk_at("127.0.0.1:0")
    }

    /// The same, where another one listened before.
    pub fn start_brisk_at(address: &str) -> Self {
        let (address, at_once, soon) = (address.to_owned(), "0s".to_owned(), "100ms".to_owned());
        Self::start_with(&[
            ("LISTEN_ADDR", &address),
            ("EVENTS_TRIGGER_LINGER", &at_once),
            ("HTTP_STREAMS_HEARTBEAT_INTERVAL", &soon),
            ("WEBSOCKET_LEGACY_KEEP_ALIVE_INTERVAL", &soon),
        ])
    }

    pub fn start_with(variables: &[(&str, &String)]) -> Self {
        let mut child = Command::new(example())
            .envs([("LISTEN_ADDR", "127.0.0.1:0"), ("ADMIN_LISTEN_ADDR", "127.0.0.1:0")])
            .envs([("EMPLOYEES_PORT", "0"), ("PRODUCTS_PORT", "0")])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let lines = read_lines(child.stdout.take().expect("piped"));
        let complaint = Some(read_all(child.stderr.take().expect("piped")));
        Self { child, lines, complaint }
    }

    /// What it prints when all is up.
    pub fn greeting(&mut self) -> Greeting {
        let mut text = String::new();
        while let Ok(line) = self.lines.recv_timeout(START_TIMEOUT) {
            if line == LAST_LINE {
                return Greeting::read(&text);
            }
            text.push_str(&line);
            text.push('\n');
        }
        drop(self.child.kill());
        panic!("no greeting, but {text:?} and {:?}", self.complaint());
    }

    pub fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|it| it.success()), "kill -INT");
    }

    #[track_caller]
    pub fn ended(&mut self, timeout: Duration) -> ExitStatus {
        wait_for(timeout, || self.child.try_wait().expect("our child")).expect("it ends in time")
    }

    /// All it said on stderr, once it has ended.
    pub fn complaint(&mut self) -> String {
        self.complaint.take().expect("asked once").join().expect("a text")
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        // Both fail only if the process is gone already.
        drop((self.child.kill(), self.child.wait()));
    }
}

/// What the example tells its reader to use.
pub struct Greeting {
    /// Ends with `/`.
    pub page: String,
    pub subscription: String,
    /// A command for a shell, of several lines.
    pub curl: String,
    pub metrics: String,
}

impl Greeting {
    fn read(text: &str) -> Self {
        let after = |word: &str| {
            let (_, rest) =
                text.split_once(&format!("\n  {word} ")).unwrap_or_else(|| panic!("{word}: {text}"));
            rest.trim_start()
        };
        let line = |word| after(word).lines().next().expect("a line").to_owned();
        let mut curl = String::new();
        for line in after("Publish").lines() {
            curl.push_str(line);
            curl.push('\n');
            if !line.ends_with('\\') {
                break;
            }
        }
        Self { page: line("Page"), subscription: line("Subscribe"), curl, metrics: line("Metrics") }
    }

    /// The page's address, with this operation running.
    pub fn link(&self, query: &str) -> String {
        format!("{}?query={}&run=1", self.page, percent_encoded(query))
    }

    /// Where queries go.
    pub fn graphql(&self) -> String {
        format!("{}graphql", self.page)
    }

    pub fn websocket(&self) -> String {
        format!("ws://{}/graphql", self.address())
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        self.page.trim_start_matches("http://").trim_end_matches('/')
    }

    pub fn state(&self) -> String {
        self.admin("/debug/state")
    }

    pub fn debug_state(&self) -> Value {
        http("GET", &self.state(), &[], "").json()
    }

    pub fn scrape(&self) -> Metrics {
        Metrics::parse(&http("GET", &self.metrics, &[], "").body)
    }

    /// Publishes an event that names one employee to those who watch another one, or the same.
    #[track_caller]
    pub fn publish(&self, watched: u32, named: u32) {
        let url = self.admin(&format!("/admin/publish/employeeUpdated.{watched}?provider=default"));
        let event = json!({ "__typename": "Employee", "id": named }).to_string();
        let answer = http("POST", &url, &[("Content-Type", "application/json")], &event);
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    /// A path of the admin listener.
    fn admin(&self, path: &str) -> String {
        self.metrics.replace("/metrics", path)
    }
}

fn read_lines(stream: ChildStdout) -> Receiver<String> {
    let (said, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody listens after the greeting.
            drop(said.send(line));
        }
    });
    lines
}

fn read_all(mut stream: ChildStderr) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("UTF-8");
        text
    })
}

/// The example's program. Cargo builds it before it runs all tests, but not for `--test quickstart` alone:
/// what is missing, or older than the router that the tests were given, is built here.
fn example() -> &'static Path {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let router = Path::new(env!("CARGO_BIN_EXE_juga"));
        let folder = router.parent().expect("the profile's folder");
        let example = folder.join("examples").join(format!("quickstart{}", env::consts::EXE_SUFFIX));
        let changed = |file: &Path| fs::metadata(file).and_then(|it| it.modified()).ok();
        if changed(&example) < changed(router) {
            build(folder);
        }
        assert!(example.is_file(), "{} is built", example.display());
        example
    })
}

fn build(folder: &Path) {
    let profile = match folder.file_name().and_then(|it| it.to_str()).expect("the profile's folder") {
        "debug" => "dev",
        name => name,
    };
    let mut cargo = cargo();
    cargo
        .args([
            "build",
            "--quiet",
            "--locked",
            "--example",
            "quickstart",
            "--profile",
            profile,
            "--target-dir",
        ])
        .arg(folder.parent().expect("the target folder"));
    let built = cargo.status();
    assert!(built.is_ok_and(|it| it.success()), "cargo build --example quickstart");
}
