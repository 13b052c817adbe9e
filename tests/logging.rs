//! The log cannot stop the router: not when its reader has left, nor when nobody reads, nor when a thread panics.
#![cfg(unix)]

mod support;

use juga::telemetry::logging::{self, Output};
use serde_json::json;
use std::{
    env,
    io::{BufRead, BufReader, PipeReader, Read, Write, pipe},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};
use support::{
    Demo,
    http::{HttpAnswer, http},
    router::{Listening, Metrics, parse_listening, write_config},
    wait::wait_for,
    ws::Client,
};
use tracing::level_filters::LevelFilter;

const PATIENCE: Duration = Duration::from_secs(60);
/// More lines than a pipe holds, and than a pipe and the queue before it hold.
const MANY: u32 = 1_500;
const TOO_MANY: u32 = 80_000;

/// A router whose log, stdout and stderr alike, goes to one pipe, as with `juga serve 2>&1 | …`.
struct Logged {
    router: Child,
    log: Option<BufReader<PipeReader>>,
    at: Listening,
}

impl Logged {
    /// Reads the log until the router listens, and no further.
    fn start(demo: &Demo) -> Self {
        let (log, into) = pipe().expect("a pipe");
        let config = write_config(&demo.config(""));
        let mut router = Command::new(env!("CARGO_BIN_EXE_juga"));
        router.arg("serve").arg("-c").arg(config).stdin(Stdio::null());
        router.stdout(into.try_clone().expect("a descriptor")).stderr(into);
        let router = router.spawn().expect("the router starts");
        let mut log = BufReader::new(log);
        let at = log.by_ref().lines().map_while(Result::ok).find_map(|it| parse_listening(&it));
        Self { router, log: Some(log), at: at.expect("it listens") }
    }

    fn ask(&self, name: u32) -> HttpAnswer {
        let body = json!({ "query": format!("query Q{name} {{ employee(id: 1) {{ id }} }}") }).to_string();
        http("POST", &self.at.graphql, &[("Content-Type", "application/json")], &body)
    }

    fn assert_all_is_well(&self) {
        for number in 0..MANY {
            let answer = self.ask(number);
            assert_eq!(
                (answer.status, &answer.json()["data"]["employee"]["id"]),
                (200, &json!(1)),
                "{number}"
            );
        }
        let mut client = Client::connect(&self.at.graphql.replacen("http", "ws", 1));
        client.subscribe("1", "{ employee(id: 1) { id } }");
        assert_eq!(client.next("1")["data"]["employee"]["id"], 1);
        for path in ["/health/live", "/health/ready"] {
            assert_eq!(http("GET", &format!("{}{path}", self.at.admin), &[], "").status, 200);
        }
    }

    fn dropped_lines(&self) -> f64 {
        let page = http("GET", &format!("{}/metrics", self.at.admin), &[], "").body;
        let metrics = Metrics::parse(&page);
        assert!(metrics.has("router_log_lines_dropped_total"), "{page}");
        metrics.get("router_log_lines_dropped_total")
    }

    fn end(mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-TERM", &self.router.id().to_string()]).status();
        assert!(sent.is_ok_and(|it| it.success()));
        wait_for(PATIENCE, || self.router.try_wait().expect("our child")).expect("it ends in time").code()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        // Both fail only if the process is gone already.
        drop((self.router.kill(), self.router.wait()));
    }
}

/// `juga serve 2>&1 | head -n 1`
#[test]
fn a_reader_that_has_left_costs_lines_and_no_request() {
    let demo = Demo::start();
    let mut logged = Logged::start(&demo);
    drop(logged.log.take());
    logged.assert_all_is_well();
    assert!(logged.dropped_lines() >= f64::from(MANY), "{}", logged.dropped_lines());
    assert_eq!(logged.end(), Some(0));
}

/// A collector that hangs: the pipe is full, and each line waits.
#[test]
fn a_reader_that_does_not_read_costs_no_request() {
    let demo = Demo::start();
    let logged = Logged::start(&demo);
    logged.assert_all_is_well();
    assert_eq!(logged.end(), Some(0), "it ends although its last lines find no reader");
}

/// A terminal that is closed, and what operators send to servers out of habit.
#[test]
fn signals_that_ask_for_what_the_router_does_not_do_are_logged_and_survived() {
    let demo = Demo::start();
    let mut logged = Logged::start(&demo);
    let mut log = logged.log.take().expect("not taken yet");
    for signal in ["HUP", "USR1", "USR2", "HUP"] {
        let sent = Command::new("kill").args([format!("-{signal}"), logged.router.id().to_string()]).status();
        assert!(sent.is_ok_and(|it| it.success()));
        let told = log.by_ref().lines().map_while(Result::ok).find(|it| it.contains(&format!("SIG{signal}")));
        assert!(told.is_some_and(|it| it.contains("WARN")), "{signal}");
        assert_eq!(logged.ask(0).status, 200);
    }
    assert_eq!(logged.end(), Some(0));
}

/// A variable that makes this program the child of its own test.
const ROLE: &str = "JUGA_LOGGING_TEST";

/// The test of this name, as a process of its own, with a stdout and a stderr that nobody reads. Its exit code.
fn as_a_process(test: &str) -> Option<i32> {
    let (_stdout, out) = pipe().expect("a pipe");
    let (_stderr, err) = pipe().expect("a pipe");
    let mut child = Command::new(env::current_exe().expect("this program"));
    child.args(["--exact", test, "--nocapture"]).env(ROLE, "child").stdin(Stdio::null());
    let mut child = child.stdout(out).stderr(err).spawn().expect("it starts");
    let ended = wait_for(PATIENCE, || child.try_wait().expect("our child"));
    // Both fail only if the process is gone already.
    drop((child.kill(), child.wait()));
    ended.expect("it ends in time").code()
}

fn is_child() -> bool {
    env::var_os(ROLE).is_some()
}

fn start_log() {
    logging::start(logging::Options { level: LevelFilter::INFO, json: true, output: Output::Stdout });
}

#[test]
fn lines_beyond_the_queue_are_dropped_and_counted() {
    if !is_child() {
        assert_eq!(as_a_process("lines_beyond_the_queue_are_dropped_and_counted"), Some(0));
        return;
    }
    start_log();
    for number in 0..TOO_MANY {
        tracing::info!(number, "a line that is as long as others");
    }
    // The pipe holds fewer than a thousand.
    let dropped = logging::dropped_lines();
    std::process::exit(if dropped > 10_000 && dropped < 20_000 { 0 } else { 2 });
}

#[test]
fn a_panic_waits_for_nobody_who_reads_stderr() {
    if !is_child() {
        assert_eq!(as_a_process("a_panic_waits_for_nobody_who_reads_stderr"), Some(0));
        return;
    }
    start_log();
    // What a pipe holds by default.
    let mut stderr = std::io::stderr();
    stderr.write_all(&[b'.'; 65_536]).expect("room in the pipe");
    let panicking = thread::spawn(|| panic!("on purpose"));
    let ended = wait_for(PATIENCE, || panicking.is_finished().then_some(()));
    std::process::exit(if ended.is_some() { 0 } else { 2 });
}
