//! The built binary, run to its end in a folder of its own.

use super::router::parse_listening;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

/// A folder of its own for one test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("juga-cli-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn with(self, file: &str, text: &str) -> Self {
        fs::write(self.0.join(file), text).expect("a file");
        self
    }

    pub fn text(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    pub fn juga(&self, arguments: &[&str]) -> Answer {
        self.juga_with(arguments, &[])
    }

    pub fn juga_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_juga"));
        command.args(arguments).current_dir(&self.0).env_clear().envs(variables.iter().copied());
        Answer::from(command.output().expect("juga runs"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a run ended and what it wrote.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// What came of a start.
#[derive(Debug, PartialEq, Eq)]
pub enum Start {
    Listens,
    /// It ended: its exit code, and what it wrote.
    Ended(Option<i32>, String),
}

/// How long a start may take until it listens or ends: composing in a debug build included.
const START_TIMEOUT: Duration = Duration::from_secs(60);

impl Folder {
    /// Starts a router and ends it once it listens.
    ///
    /// # Panics
    /// If it neither listens nor ends in time.
    pub fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Start {
        let mut command = Command::new(env!("CARGO_BIN_EXE_juga"));
        command.args(arguments).current_dir(&self.0).env_clear().envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("juga runs");
        let (found, listening) = mpsc::channel();
        let readers = [
            read(child.stdout.take().expect("piped"), found.clone()),
            read(child.stderr.take().expect("piped"), found),
        ];
        match listening.recv_timeout(START_TIMEOUT) {
            Ok(()) => {
                drop((child.kill(), child.wait()));
                Start::Listens
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let status = child.wait().expect("our child");
                let wrote = readers.map(|it| it.join().expect("read")).concat();
                Start::Ended(status.code(), wrote)
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                drop((child.kill(), child.wait()));
                panic!("neither listens nor ends: {}", readers.map(|it| it.join().expect("read")).concat());
            }
        }
    }
}

/// Reads a stream to its end, and says when it has the line that tells where the router listens.
fn read(stream: impl Read + Send + 'static, found: mpsc::Sender<()>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut wrote = String::new();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if parse_listening(&line).is_some() {
                // Nobody waits any more once the other stream had it.
                let _ = found.send(());
            }
            wrote.push_str(&line);
            wrote.push('\n');
        }
        wrote
    })
}
