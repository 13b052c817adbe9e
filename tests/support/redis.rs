//! Real Redis servers for a test: their own ports and folders, gone with the test; and a client that speaks
//! the wire protocol by hand, so that no library under test is in the way.
//!
//! Without a `redis-server` on the path a test that asks for one ends at once, in words; with `CI` set it
//! fails.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// How long anything on this machine may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Whether there is a server to test with; says once per test what is missing.
pub(crate) fn is_missing() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|it| it.join("redis-server").is_file()) {
        return false;
    }
    let missing = "Redis is not tested: no redis-server; as root: apt-get install redis-server";
    assert!(std::env::var_os("CI").is_none_or(|it| it.is_empty()), "{missing}");
    // Not `eprintln!`: what that says in tests that pass, nobody sees.
    let _ = writeln!(std::io::stderr(), "{missing}");
    true
}

pub(crate) struct RedisServer {
    child: Option<Child>,
    dir: PathBuf,
    args: Vec<String>,
    port: u16,
    /// With TLS the plain port is there too, for the test's own client.
    tls_port: Option<u16>,
    password: Option<String>,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with more arguments: `["--appendonly", "yes", …]`.
    pub(crate) fn start_with(args: &[&str]) -> Self {
        let mut server = Self::prepare(args);
        server.start_on_a_free_port();
        server
    }

    /// A server whose data survives a crash.
    pub(crate) fn durable() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    pub(crate) fn with_password(password: &str) -> Self {
        let mut server = Self::prepare(&["--requirepass", password]);
        server.password = Some(password.to_owned());
        server.start_on_a_free_port();
        server
    }

    /// A server with TLS beside its plain port: files of its certificate, its key, and the authority.
    pub(crate) fn with_tls(certificate: &str, key: &str, authority: &str, clients: &str) -> Self {
        let files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", authority];
        let mut server = Self::prepare(&[&files[..], &["--tls-auth-clients", clients]].concat());
        server.tls_port = Some(0);
        server.start_on_a_free_port();
        server
    }

    /// A replica of another server, in step with it.
    pub(crate) fn replica_of(master: &Self) -> Self {
        let replica = Self::start_with(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        replica.follow(master);
        replica
    }

    /// Replicates another server from now on. Done when it is in step.
    pub(crate) fn follow(&self, master: &Self) {
        self.demote(master);
        let mut client = self.client();
        until("the replica has all", || {
            client.ask(&["INFO", "replication"]).text().contains("master_link_status:up").then_some(())
        });
    }

    /// Is a replica of another server from now on, in step or not.
    pub(crate) fn demote(&self, master: &Self) {
        self.client().ask(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    }

    /// Is a master from now on.
    pub(crate) fn promote(&self) {
        self.client().ask(&["REPLICAOF", "NO", "ONE"]);
    }

    fn prepare(args: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("redis-test-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary folder");
        let args = args.iter().map(|it| (*it).to_owned()).collect();
        Self { child: None, dir, args, port: 0, tls_port: None, password: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A URL under which a silent server is given up soon.
    pub(crate) fn impatient_url(&self) -> String {
        format!("{}?read_timeout=300ms&dial_timeout=500ms", self.url())
    }

    pub(crate) fn tls_url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.tls_port.expect("a server with TLS"))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().expect("child");
        }
    }

    /// Starts it again on the same port and data.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let deadline = Instant::now() + PATIENCE;
        while !self.try_run() {
            assert!(Instant::now() < deadline, "redis-server does not come back:\n{}", self.log());
        }
    }

    /// Stops it from answering, and keeps its connections open.
    pub(crate) fn pause(&self) {
        signal("STOP", self.child.as_ref().expect("running"));
    }

    pub(crate) fn resume(&self) {
        signal("CONT", self.child.as_ref().expect("running"));
    }

    /// A plain client of the test's own.
    pub(crate) fn client(&self) -> RedisClient {
        let mut client = RedisClient::connect(self.port).expect("redis-server answers");
        if let Some(password) = &self.password {
            client.ask(&["AUTH", password]);
        }
        client
    }

    /// Channels that somebody is subscribed to by name.
    pub(crate) fn channels(&self) -> Vec<String> {
        let mut all = self.client().ask(&["PUBSUB", "CHANNELS"]).texts();
        all.sort();
        all
    }

    /// How many patterns somebody is subscribed to.
    pub(crate) fn patterns(&self) -> i64 {
        self.client().ask(&["PUBSUB", "NUMPAT"]).number()
    }

    /// Connections of clients, the asking one not included.
    pub(crate) fn connections(&self) -> usize {
        self.client().ask(&["CLIENT", "LIST"]).text().lines().count() - 1
    }

    fn start_on_a_free_port(&mut self) {
        for _ in 0..20 {
            self.port = free_port();
            self.tls_port = self.tls_port.map(|_| free_port());
            if self.try_run() {
                return;
            }
        }
        panic!("redis-server does not start:\n{}", self.log());
    }

    /// Starts it; `false` when it ended instead, as it does when somebody else was given the port.
    fn try_run(&mut self) -> bool {
        let log = std::fs::File::create(self.dir.join("log")).expect("log file");
        // The server takes the shell's place; what stays behind waits for the end of its input, which comes
        // when the test is gone however it ended, and ends the server then.
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                "exec 3<&0; (read -r _ <&3; kill -9 $$) 2>/dev/null & exec redis-server \"$@\" 3<&-",
                "sh",
            ])
            .args(["--bind", "127.0.0.1", "--save", "", "--port", &self.port.to_string(), "--dir"])
            .arg(&self.dir)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("log file"))
            .stderr(log);
        if let Some(port) = self.tls_port {
            command.args(["--tls-port", &port.to_string()]);
        }
        let mut child = command.spawn().expect("sh");
        let deadline = Instant::now() + PATIENCE;
        let is_up = loop {
            // Its own answer, not that of whoever else has the port.
            if answers_as(self.port, self.password.as_deref(), child.id()) {
                break true;
            }
            if child.try_wait().expect("child").is_some() {
                break false;
            }
            assert!(Instant::now() < deadline, "redis-server does not answer:\n{}", self.log());
            std::thread::park_timeout(Duration::from_millis(2));
        };
        self.child = Some(child);
        if !is_up {
            self.kill();
        }
        is_up
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

const CLUSTER: [&str; 6] =
    ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no"];

/// Three masters that share all slots, and whatever joins them.
pub(crate) struct RedisCluster {
    pub(crate) nodes: Vec<RedisServer>,
}

impl RedisCluster {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Nodes whose data survives a crash.
    pub(crate) fn durable() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    fn start_with(more: &[&str]) -> Self {
        let args = [&CLUSTER[..], more].concat();
        let nodes: Vec<RedisServer> = (0..3).map(|_| RedisServer::cluster_node(&args)).collect();
        for (index, node) in nodes.iter().enumerate() {
            let (first, last) = (index * 5462, (index * 5462 + 5461).min(16383));
            let mut client = node.client();
            client.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            client.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
        let (first, bus) = (nodes[0].port.to_string(), nodes[0].bus_port());
        for node in &nodes[1..] {
            node.client().ask(&["CLUSTER", "MEET", "127.0.0.1", &first, &bus]);
        }
        for node in &nodes {
            until("the cluster is whole", || {
                let mut client = node.client();
                let info = client.ask(&["CLUSTER", "INFO"]).text();
                let known = info.contains("cluster_known_nodes:3") && info.contains("cluster_state:ok");
                (known && client.ask(&["CLUSTER", "LINKS"]).len() >= 4).then_some(())
            });
        }
        Self { nodes }
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// Adds a node that stands in for another one: where it is in the list.
    pub(crate) fn add_replica(&mut self, of: usize) -> usize {
        let replica = RedisServer::cluster_node(&CLUSTER);
        let (first, bus) = (self.nodes[0].port.to_string(), self.nodes[0].bus_port());
        let mut client = replica.client();
        client.ask(&["CLUSTER", "MEET", "127.0.0.1", &first, &bus]);
        let (id, master) =
            (client.ask(&["CLUSTER", "MYID"]).text(), self.nodes[of].client().ask(&["CLUSTER", "MYID"]));
        until("it may replicate", || client.try_ask(&["CLUSTER", "REPLICATE", &master.text()]));
        self.nodes.push(replica);
        for node in &self.nodes {
            until("everybody knows the replica", || {
                let nodes = node.client().ask(&["CLUSTER", "NODES"]).text();
                nodes.lines().any(|it| it.starts_with(&id) && it.contains("slave")).then_some(())
            });
        }
        until("the replica has all", || {
            client.ask(&["INFO", "replication"]).text().contains("master_link_status:up").then_some(())
        });
        self.nodes.len() - 1
    }

    /// The node that is to have a key, as long as no slot moves.
    pub(crate) fn home(&self, key: &str) -> usize {
        let slot = self.nodes[0].client().ask(&["CLUSTER", "KEYSLOT", key]).number();
        usize::try_from(slot / 5462).expect("a slot")
    }
}

impl RedisServer {
    /// A node that is a cluster by itself.
    pub(crate) fn lonely_cluster() -> Self {
        let node = Self::cluster_node(&CLUSTER);
        let mut client = node.client();
        client.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
        until("the cluster is whole", || {
            client.ask(&["CLUSTER", "INFO"]).text().contains("cluster_state:ok").then_some(())
        });
        node
    }

    /// The port of a cluster's bus is chosen too: the usual one, ten thousand above, may not exist.
    fn cluster_node(args: &[&str]) -> Self {
        for _ in 0..20 {
            let bus = free_port().to_string();
            let mut server = Self::prepare(&[args, &["--cluster-port", &bus]].concat());
            server.port = free_port();
            if server.try_run() {
                return server;
            }
        }
        panic!("no free ports for a node of a cluster");
    }

    fn bus_port(&self) -> String {
        self.args.last().expect("a node of a cluster").clone()
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn answers_as(port: u16, password: Option<&str>, process: u32) -> bool {
    let Ok(mut client) = RedisClient::connect(port) else { return false };
    if let Some(password) = password
        && client.try_ask(&["AUTH", password]).is_none()
    {
        return false;
    }
    // Refused while it loads its data.
    if client.try_ask(&["PING"]).is_none() {
        return false;
    }
    match client.try_ask(&["INFO", "server"]) {
        Some(Reply::Text(info)) => {
            String::from_utf8_lossy(&info).contains(&format!("process_id:{process}\r\n"))
        }
        _ => false,
    }
}

fn signal(name: &str, child: &Child) {
    let done = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(done.is_ok_and(|it| it.success()), "kill -s {name}");
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

/// A client over a socket.
pub(crate) struct RedisClient {
    socket: BufReader<TcpStream>,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Text(Vec<u8>),
    Number(i64),
    Nothing,
    List(Vec<Self>),
    Error(String),
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Text(it) => String::from_utf8(it.clone()).expect("UTF-8"),
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) fn number(&self) -> i64 {
        match self {
            Self::Number(it) => *it,
            other => panic!("no number: {other:?}"),
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(it) => it,
            other => panic!("no list: {other:?}"),
        }
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.items().iter().map(Self::text).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.items().len()
    }
}

impl RedisClient {
    pub(crate) fn connect(port: u16) -> std::io::Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket: BufReader::new(socket) })
    }

    /// Asks; an error of the server's fails the test.
    #[track_caller]
    pub(crate) fn ask(&mut self, words: &[&str]) -> Reply {
        self.send(words);
        match self.reply() {
            Some(Reply::Error(error)) => panic!("{words:?}: {error}"),
            Some(reply) => reply,
            None => panic!("{words:?}: redis-server hung up"),
        }
    }

    fn try_ask(&mut self, words: &[&str]) -> Option<Reply> {
        self.socket.get_mut().write_all(&encoded(words)).ok()?;
        self.reply().filter(|it| !matches!(it, Reply::Error(_)))
    }

    /// Asks all of this in one go: how many of the answers, from the first, came and were no errors.
    pub(crate) fn try_ask_all<'a>(&mut self, commands: impl IntoIterator<Item = Vec<&'a str>>) -> usize {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for words in commands {
            bytes.extend(encoded(&words));
            count += 1;
        }
        if self.socket.get_mut().write_all(&bytes).is_err() {
            return 0;
        }
        let is_good = |_: &usize| !matches!(self.reply(), None | Some(Reply::Error(_)));
        (0..count).take_while(is_good).count()
    }

    pub(crate) fn publish(&mut self, channel: &str, payload: &str) -> i64 {
        self.ask(&["PUBLISH", channel, payload]).number()
    }

    /// Publishes all of these in one go.
    pub(crate) fn publish_all<'a>(&mut self, messages: impl IntoIterator<Item = (&'a str, String)>) {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for (channel, payload) in messages {
            bytes.extend(encoded(&["PUBLISH", channel, &payload]));
            count += 1;
        }
        self.socket.get_mut().write_all(&bytes).expect("redis-server reads");
        for _ in 0..count {
            assert!(matches!(self.reply(), Some(Reply::Number(_))));
        }
    }

    /// Adds an entry to a stream: its id.
    pub(crate) fn add(&mut self, stream: &str, payload: &str) -> String {
        self.ask(&["XADD", stream, "*", "payload", payload]).text()
    }

    /// Adds an entry, if the server lives to say so.
    pub(crate) fn try_add(&mut self, stream: &str, payload: &str) -> Option<String> {
        self.try_ask(&["XADD", stream, "*", "payload", payload]).map(|it| it.text())
    }

    pub(crate) fn subscribe(&mut self, channel: &str) {
        self.ask(&["SUBSCRIBE", channel]);
    }

    /// The next message: channel and payload.
    pub(crate) fn next_message(&mut self) -> (String, Vec<u8>) {
        loop {
            let reply = self.reply().expect("redis-server hung up");
            if let [Reply::Text(kind), Reply::Text(channel), Reply::Text(payload)] = reply.items()
                && kind == b"message"
            {
                return (String::from_utf8(channel.clone()).expect("UTF-8"), payload.clone());
            }
        }
    }

    fn send(&mut self, words: &[&str]) {
        self.socket.get_mut().write_all(&encoded(words)).expect("redis-server reads");
    }

    /// `None`: the server hung up, or is silent.
    fn reply(&mut self) -> Option<Reply> {
        let mut line = String::new();
        if self.socket.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let rest = rest.to_owned();
        Some(match kind {
            "+" => Reply::Text(rest.into_bytes()),
            "-" => Reply::Error(rest),
            ":" => Reply::Number(rest.parse().ok()?),
            "$" if rest == "-1" => Reply::Nothing,
            "$" => {
                let mut text = vec![0; rest.parse::<usize>().ok()? + 2];
                self.socket.read_exact(&mut text).ok()?;
                text.truncate(text.len() - 2);
                Reply::Text(text)
            }
            "*" if rest == "-1" => Reply::Nothing,
            "*" => {
                Reply::List((0..rest.parse::<usize>().ok()?).map(|_| self.reply()).collect::<Option<_>>()?)
            }
            other => panic!("no reply: {other}{rest}"),
        })
    }
}

fn encoded(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
    bytes
}

/// Bytes of memory that this process holds.
pub(crate) fn resident_bytes() -> usize {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).expect("Linux");
    let line = status.lines().find(|it| it.starts_with("VmRSS:")).expect("VmRSS");
    let kilobytes = line.split_whitespace().nth(1).and_then(|it| it.parse::<usize>().ok());
    kilobytes.expect("a number") * 1024
}
