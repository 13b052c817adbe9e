//! Scripts of `tests/clients`, and other programs that print what they get line by line.

use super::wait::wait_for;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

/// How long a program may take for one thing, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A script of `tests/clients`.
pub fn script(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    assert!(folder.join("node_modules").is_dir(), "the npm clients are not installed: run `make tools`");
    folder.join(name)
}

/// A program that is running. Dropping it kills it.
pub struct Printing {
    child: Child,
    lines: Receiver<String>,
}

impl Printing {
    pub fn node(name: &str, arguments: &[&str]) -> Self {
        Self::start(Command::new("node").arg(script(name)).args(arguments))
    }

    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = child.stdout.take().expect("piped");
        let (said, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens once the test is over.
                drop(said.send(line));
            }
        });
        Self { child, lines }
    }

    /// The next line, which must come in time.
    #[track_caller]
    pub fn text(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the program says more, and soon")
    }

    /// The next line, as JSON.
    #[track_caller]
    pub fn line(&mut self) -> Value {
        let line = self.text();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// How the program ended, which it must in time; `None`: by a signal.
    #[track_caller]
    pub fn exit_code(&mut self) -> Option<i32> {
        let ended = wait_for(PATIENCE, || self.child.try_wait().expect("our child"));
        ended.expect("the program ends, and soon").code()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }

    /// Sends a signal by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|it| it.success()), "kill -{name}");
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        // Both fail only if the process is gone already.
        drop((self.child.kill(), self.child.wait()));
    }
}
