//! A real NATS server for a test: its own port, its own folder, gone with the test.

#![allow(dead_code, reason = "each test file uses its own part")]

use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// How long anything on this machine may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct NatsServer {
    child: Option<Child>,
    dir: PathBuf,
    args: Vec<String>,
    ports: Ports,
}

#[derive(Clone, Copy, Default)]
struct Ports {
    client: u16,
    monitoring: u16,
}

impl NatsServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with more arguments: `["--user", "u", …]`.
    pub(crate) fn start_with(args: &[&str]) -> Self {
        let mut server = Self::prepare();
        server.args = args.iter().map(|it| (*it).to_owned()).collect();
        server.run();
        server
    }

    /// A server with more arguments that keeps what it stores in its own folder, over restarts too.
    pub(crate) fn start_keeping(args: &[&str]) -> Self {
        let mut server = Self::prepare();
        let folder = server.dir.join("store");
        server.args = args.iter().map(|it| (*it).to_owned()).collect();
        server.args.extend(["-sd".to_owned(), folder.to_str().expect("UTF-8 path").to_owned()]);
        server.run();
        server
    }

    /// A server with a configuration file.
    pub(crate) fn start_with_config(config: &str) -> Self {
        let mut server = Self::prepare();
        server.configure(config);
        server.run();
        server
    }

    /// Another configuration, from the next start on.
    pub(crate) fn configure(&mut self, config: &str) {
        let path = self.dir.join("nats.conf");
        std::fs::write(&path, config).expect("configuration file");
        self.args = vec!["-c".to_owned(), path.to_str().expect("UTF-8 path").to_owned()];
    }

    /// From the next start on it is one of a cluster whose other servers are away: JetStream has no leader.
    pub(crate) fn lose_its_cluster(&mut self) {
        let store = self.dir.join("cluster");
        self.configure(&format!(
            "server_name: one\njetstream {{ store_dir: \"{}\" }}\ncluster {{ name: c, listen: \"127.0.0.1:-1\", \
             routes: [\"nats://127.0.0.1:1\", \"nats://127.0.0.1:2\"] }}\n",
            store.display()
        ));
    }

    fn prepare() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("nats-test-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary folder");
        Self { child: None, dir, args: Vec::new(), ports: Ports::default() }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.client)
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports.client
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().expect("child");
        }
    }

    /// Ends it in its own time.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal("TERM", &child);
            child.wait().expect("child");
        }
    }

    /// Starts it again on the same ports.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.run();
    }

    /// Stops it from answering, and keeps its connections open.
    pub(crate) fn pause(&self) {
        let child = self.child.as_ref().expect("running");
        signal("STOP", child);
        // A thread on another core goes on for a moment.
        until("it has stopped", || is_stopped(child.id()).then_some(()));
    }

    pub(crate) fn resume(&self) {
        signal("CONT", self.child.as_ref().expect("running"));
    }

    /// Subjects that clients listen to, as the server sees them; without the inboxes of round trips.
    pub(crate) fn subjects(&self) -> Vec<String> {
        self.subjects_and_inboxes().into_iter().filter(|it| !it.starts_with("_INBOX.")).collect()
    }

    pub(crate) fn subjects_and_inboxes(&self) -> Vec<String> {
        let connections = self.monitor("/connz?subs=1");
        let lists = connections["connections"].as_array().into_iter().flatten();
        let subjects = lists.flat_map(|it| it["subscriptions_list"].as_array().into_iter().flatten());
        let mut all: Vec<String> = subjects.filter_map(|it| it.as_str().map(str::to_owned)).collect();
        all.sort();
        all
    }

    /// Connections of clients.
    pub(crate) fn connections(&self) -> usize {
        self.monitor("/connz")["connections"].as_array().map_or(0, Vec::len)
    }

    /// Bytes of payload that the server took from the clients of that name.
    pub(crate) fn bytes_from(&self, name: &str) -> u64 {
        let connections = self.monitor("/connz");
        let clients = connections["connections"].as_array().into_iter().flatten();
        clients.filter(|it| it["name"] == name).filter_map(|it| it["in_bytes"].as_u64()).sum()
    }

    /// A plain client of the test's own, over a socket: no library under test in the way.
    pub(crate) fn client(&self) -> NatsClient {
        NatsClient::connect(self.ports.client)
    }

    fn monitor(&self, path: &str) -> Value {
        let mut socket = TcpStream::connect(("127.0.0.1", self.ports.monitoring)).expect("monitoring port");
        socket.set_read_timeout(Some(PATIENCE)).expect("socket");
        write!(socket, "GET {path} HTTP/1.0\r\n\r\n").expect("request");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("HTTP");
        serde_json::from_str(body).expect("JSON")
    }

    fn run(&mut self) {
        let program = program();
        let fixed = |port: u16| if port == 0 { "-1".to_owned() } else { port.to_string() };
        let log = std::fs::File::create(self.dir.join("log")).expect("log file");
        // The server takes the shell's place; what stays behind waits for the end of its input, which comes
        // when the test is gone however it ended, and ends the server then.
        let child = Command::new("sh")
            .args(["-c", "exec 3<&0; (read -r _ <&3; kill -9 $$) 2>/dev/null & exec \"$0\" \"$@\" 3<&-"])
            .arg(&program)
            .args(["-a", "127.0.0.1", "-p", &fixed(self.ports.client), "-m", &fixed(self.ports.monitoring)])
            .arg("--ports_file_dir")
            .arg(&self.dir)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("log file"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run `make tools`", program.display()));
        let name = program.file_name().expect("file name").to_string_lossy().into_owned();
        let file = self.dir.join(format!("{name}_{}.ports", child.id()));
        self.child = Some(child);
        self.ports = until("nats-server is up", || read_ports(&file));
        let _ = std::fs::remove_file(file);
        // The ports file is written before the sockets answer.
        until("nats-server answers", || TcpStream::connect(("127.0.0.1", self.ports.client)).ok());
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// `$NATS_SERVER_BIN`, else the one that `make tools` installs, else one on the path.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("NATS_SERVER_BIN") {
        return path.into();
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/venv/bin/nats-server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|it| it.join("nats-server"));
    std::iter::once(installed)
        .chain(on_path)
        .find(|it| it.is_file())
        .expect("no nats-server: run `make tools`, or set NATS_SERVER_BIN")
}

fn signal(name: &str, child: &Child) {
    let done = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(done.is_ok_and(|it| it.success()), "kill -s {name}");
}

/// Whether no thread of a process runs; where nobody tells, it is believed.
fn is_stopped(process: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return true };
    let stat = |it: std::fs::DirEntry| std::fs::read_to_string(it.path().join("stat")).unwrap_or_default();
    // The name is in parentheses, and the state behind it.
    threads.flatten().all(|it| stat(it).rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T')))
}

/// The file may be half-written: no answer then.
fn read_ports(file: &Path) -> Option<Ports> {
    let text = std::fs::read_to_string(file).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    let port = |name: &str| value[name][0].as_str()?.rsplit(':').next()?.parse().ok();
    Some(Ports { client: port("nats")?, monitoring: port("monitoring")? })
}

/// Asks again and again until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A client that speaks the wire protocol by hand.
pub(crate) struct NatsClient {
    socket: std::io::BufReader<TcpStream>,
}

impl NatsClient {
    fn connect(port: u16) -> Self {
        Self::try_connect(port).expect("nats-server")
    }

    /// Connects, if the server lives to say so.
    pub(crate) fn try_connect(port: u16) -> std::io::Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        let mut client = Self { socket: std::io::BufReader::new(socket) };
        client.try_send(b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n")?;
        Ok(client)
    }

    /// Sends a message; the server has it after [`NatsClient::flush`].
    pub(crate) fn publish(&mut self, subject: &str, payload: &[u8]) {
        self.send(&message(subject, payload));
    }

    /// Sends a message with headers.
    pub(crate) fn publish_with_headers(&mut self, subject: &str, headers: &[(&str, &str)], payload: &[u8]) {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.publish_with_head(subject, &format!("NATS/1.0\r\n{lines}\r\n"), payload);
    }

    /// Sends a message with a head as it is.
    pub(crate) fn publish_with_head(&mut self, subject: &str, head: &str, payload: &[u8]) {
        let mut line =
            format!("HPUB {subject} {} {}\r\n{head}", head.len(), head.len() + payload.len()).into_bytes();
        line.extend_from_slice(payload);
        line.extend_from_slice(b"\r\n");
        self.send(&line);
    }

    /// Publishes all of these in one go; the server has them when this succeeds.
    pub(crate) fn try_publish_all<'a>(
        &mut self,
        subject: &str,
        payloads: impl IntoIterator<Item = &'a str>,
    ) -> std::io::Result<()> {
        let messages = payloads.into_iter().flat_map(|it| message(subject, it.as_bytes()));
        self.try_send(&messages.chain(*b"PING\r\n").collect::<Vec<u8>>())?;
        while self.try_line()? != "PONG" {}
        Ok(())
    }

    /// Sends a message that asks for an answer.
    pub(crate) fn publish_with_reply(&mut self, subject: &str, reply: &str, payload: &[u8]) {
        self.send(&message(&format!("{subject} {reply}"), payload));
    }

    /// Publishes all of these to a stream in one go: how many of them, from the first, it says it has.
    pub(crate) fn try_keep_all<'a>(
        &mut self,
        subject: &str,
        payloads: impl IntoIterator<Item = &'a str>,
    ) -> std::io::Result<usize> {
        let (inbox, mut bytes, mut count) = ("_INBOX.kept", b"SUB _INBOX.kept 2\r\n".to_vec(), 0);
        for payload in payloads {
            bytes.extend(message(&format!("{subject} {inbox}"), payload.as_bytes()));
            count += 1;
        }
        self.try_send(&bytes)?;
        for kept in 0..count {
            let line = loop {
                let line = self.try_line()?;
                match line.split_whitespace().next() {
                    Some("PING") => self.try_send(b"PONG\r\n")?,
                    Some("MSG") => break line,
                    // Nobody listens there: the stream is not ready.
                    Some("HMSG") => return Ok(kept),
                    _ => {}
                }
            };
            let size = line.rsplit(' ').next().unwrap_or_default();
            let mut answer = vec![0; size.parse::<usize>().expect("a size") + 2];
            self.socket.read_exact(&mut answer)?;
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
            if answer["seq"].is_null() {
                return Ok(kept);
            }
        }
        self.try_send(b"UNSUB 2\r\n")?;
        Ok(count)
    }

    pub(crate) fn subscribe(&mut self, subject: &str) {
        self.send(format!("SUB {subject} 1\r\n").as_bytes());
        self.flush();
    }

    /// The next message: subject, reply subject, payload.
    pub(crate) fn next_message(&mut self) -> (String, Option<String>, Vec<u8>) {
        loop {
            let line = self.line();
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["MSG", subject, _, size] => return (subject.to_owned(), None, self.payload(size)),
                ["MSG", subject, _, reply, size] => {
                    return (subject.to_owned(), Some(reply.to_owned()), self.payload(size));
                }
                ["PING"] => self.send(b"PONG\r\n"),
                _ => {}
            }
        }
    }

    /// Done when the server has worked off everything sent before.
    pub(crate) fn flush(&mut self) {
        self.send(b"PING\r\n");
        while self.line() != "PONG" {}
    }

    fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("nats-server reads");
    }

    fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.get_mut().write_all(bytes)
    }

    fn line(&mut self) -> String {
        self.try_line().expect("nats-server answers")
    }

    fn try_line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if std::io::BufRead::read_line(&mut self.socket, &mut line)? == 0 {
            return Err(std::io::Error::other("nats-server hung up"));
        }
        assert!(!line.starts_with("-ERR"), "{line}");
        Ok(line.trim_end().to_owned())
    }

    fn payload(&mut self, size: &str) -> Vec<u8> {
        let mut payload = vec![0; size.parse::<usize>().expect("a size") + 2];
        self.socket.read_exact(&mut payload).expect("payload");
        payload.truncate(payload.len() - 2);
        payload
    }
}

fn message(subject: &str, payload: &[u8]) -> Vec<u8> {
    let mut line = format!("PUB {subject} {}\r\n", payload.len()).into_bytes();
    line.extend_from_slice(payload);
    line.extend_from_slice(b"\r\n");
    line
}
