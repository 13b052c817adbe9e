//! Starts the router's binary on free ports, talks to its HTTP sides, and ends it.

use serde_json::Value;
use std::{
    collections::{HashMap, VecDeque},
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// How long a router may take until it listens: composing and planning in a debug build included.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a line of the log may take from the event that it tells of.
const LOG_TIMEOUT: Duration = Duration::from_secs(20);
/// Lines kept per router; the oldest go first.
const LOG_LINES_KEPT: usize = 10_000;

/// A running router. Dropping it kills the process.
pub struct Router {
    child: Child,
    listening: Listening,
    log: Log,
    config: PathBuf,
    http: ureq::Agent,
}

type Log = Arc<Mutex<VecDeque<String>>>;

/// Where a router says it listens.
#[derive(Clone, Debug, PartialEq)]
pub struct Listening {
    /// `http://127.0.0.1:PORT/graphql`
    pub graphql: String,
    /// `http://127.0.0.1:PORT`
    pub admin: String,
}

impl Router {
    /// Starts a router with this configuration, which should ask for port 0 on both listeners.
    ///
    /// # Panics
    /// If it does not listen in time; the message has its log.
    pub fn start(config: &str) -> Self {
        Self::start_under(&[], &write_config(config))
    }

    /// Starts a router that must not listen; what it wrote instead.
    pub fn refuse(config: &str) -> String {
        let config = write_config(config);
        let words = [env!("CARGO_BIN_EXE_juga"), "serve", "-c"].into_iter().map(OsStr::new);
        match Self::spawn(words.chain([config.as_os_str()]), &config) {
            Ok(router) => panic!("the router listens at {}", router.graphql_url()),
            Err(log) => log,
        }
    }

    /// Starts a router (the binary that Cargo built, or `JUGA_BIN`) with a configuration file of the caller's, under a wrapper such as `taskset -c 0`
    /// that becomes the router's process.
    pub fn start_under(wrapper: &[&str], config: &Path) -> Self {
        let chosen = std::env::var_os("JUGA_BIN");
        let binary = chosen.as_deref().unwrap_or(OsStr::new(env!("CARGO_BIN_EXE_juga")));
        let arguments = ["serve".as_ref(), "-c".as_ref(), config.as_os_str()];
        let words = wrapper.iter().map(OsStr::new).chain([binary]).chain(arguments);
        match Self::spawn(words, config) {
            Ok(router) => router,
            Err(log) => panic!("the router did not listen:\n{log}"),
        }
    }

    fn spawn<'a>(mut words: impl Iterator<Item = &'a OsStr>, config: &Path) -> Result<Self, String> {
        let mut child = Command::new(words.next().expect("a program"))
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the router's binary starts");
        let (log, (found, listening)) = (Log::default(), mpsc::channel());
        read_log(child.stdout.take().expect("piped"), &log, found.clone());
        read_log(child.stderr.take().expect("piped"), &log, found);
        let Ok(listening) = listening.recv_timeout(START_TIMEOUT) else {
            drop((child.kill(), child.wait()));
            return Err(lines(&log).join("\n"));
        };
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build();
        Ok(Self { child, listening, log, config: config.to_owned(), http: agent.into() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The configuration file, for tests that change it.
    pub fn config(&self) -> &Path {
        &self.config
    }

    pub fn graphql_url(&self) -> &str {
        &self.listening.graphql
    }

    pub fn admin_url(&self) -> &str {
        &self.listening.admin
    }

    pub fn websocket_url(&self) -> String {
        self.listening.graphql.replacen("http", "ws", 1)
    }

    /// Everything the router wrote, oldest line first.
    pub fn log(&self) -> Vec<String> {
        lines(&self.log)
    }

    /// Waits for the first line of the log that has these words: the router does not wait until its log is written.
    #[track_caller]
    pub fn logged(&self, words: &str) -> String {
        let line =
            super::wait::wait_for(LOG_TIMEOUT, || self.log().into_iter().find(|it| it.contains(words)));
        line.unwrap_or_else(|| panic!("no {words:?} in the log: {:#?}", self.log()))
    }

    /// Posts a GraphQL request; the HTTP status and the answer (`null` where it is no JSON).
    pub fn post(&self, body: &Value) -> (u16, Value) {
        let mut response = self.http.post(self.graphql_url()).send_json(body).expect("an HTTP answer");
        (response.status().as_u16(), response.body_mut().read_json().unwrap_or_default())
    }

    /// Posts a body as it stands; the HTTP status and the answer's text.
    pub fn post_text(&self, body: &str) -> (u16, String) {
        let request = self.http.post(self.graphql_url()).header("Content-Type", "application/json");
        let mut response = request.send(body).expect("an HTTP answer");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("a text"))
    }

    /// Publishes an event to the memory provider `default`; the HTTP status.
    pub fn publish(&self, subject: &str, payload: &Value) -> u16 {
        let url = format!("{}/admin/publish/{subject}?provider=default", self.admin_url());
        self.http.post(url).send_json(payload).expect("an HTTP answer").status().as_u16()
    }

    /// Gets a path of the admin listener; the HTTP status and the body.
    pub fn admin(&self, path: &str) -> (u16, String) {
        let mut response =
            self.http.get(format!("{}{path}", self.admin_url())).call().expect("an HTTP answer");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("a text"))
    }

    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.admin("/metrics").1)
    }

    /// `/debug/state`
    pub fn state(&self) -> Value {
        serde_json::from_str(&self.admin("/debug/state").1).expect("JSON")
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }

    /// Sends a signal by its name without `SIG`: `TERM`, `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.is_ok_and(|it| it.success()), "kill -{name}");
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        super::wait::wait_for(timeout, || self.child.try_wait().expect("our child"))
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // Both fail only if the process is gone already.
        drop((self.child.kill(), self.child.wait()));
    }
}

/// Writes a configuration into a folder of its own and returns the file's path.
pub fn write_config(config: &str) -> PathBuf {
    static FOLDERS: AtomicU32 = AtomicU32::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("router-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the configuration");
    let file = folder.join("juga.yaml");
    fs::write(&file, config).expect("the configuration is written");
    file
}

fn read_log(stream: impl Read + Send + 'static, log: &Log, found: mpsc::Sender<Listening>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Some(listening) = parse_listening(&line) {
                // The receiver is gone once the router is up.
                drop(found.send(listening));
            }
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.len() == LOG_LINES_KEPT {
                log.pop_front();
            }
            log.push_back(line);
        }
    });
}

fn lines(log: &Log) -> Vec<String> {
    log.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Reads the one log line that says where the router listens.
pub fn parse_listening(line: &str) -> Option<Listening> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").unwrap_or(&line);
    if fields["message"] != "listening" {
        return None;
    }
    Some(Listening { graphql: fields["graphql"].as_str()?.into(), admin: fields["admin"].as_str()?.into() })
}

/// A scrape: samples by their whole name, labels included, as the exposition writes them.
#[derive(Clone, Debug, Default)]
pub struct Metrics(HashMap<String, f64>);

impl Metrics {
    /// Reads the Prometheus text format.
    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Self(samples.filter_map(sample).collect())
    }

    /// A sample by its exact name, labels included; 0 if there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// The sum over all label sets of a metric.
    pub fn sum(&self, metric: &str) -> f64 {
        let named = self.0.iter().filter(|(name, _)| name.split('{').next() == Some(metric));
        named.map(|(_, value)| value).sum()
    }

    pub fn has(&self, metric: &str) -> bool {
        self.0.keys().any(|name| name.split('{').next() == Some(metric))
    }
}

/// `name{labels} value [timestamp]`; label values may hold blanks.
fn sample(line: &str) -> Option<(String, f64)> {
    let end = line.rfind('}').map_or_else(|| line.find(' '), |brace| Some(brace + 1))?;
    let (name, rest) = line.split_at(end);
    Some((name.to_owned(), rest.split_whitespace().next()?.parse().ok()?))
}
