//! The documents, and what the reference makes of them: lines of `tests/clients/reference/corpus.mjs`.

use crate::support::npm::script;
use serde::Deserialize;
use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
};

/// One document.
#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    pub(crate) number: u32,
    /// What was done to it.
    pub(crate) kind: String,
    /// The graph that is asked.
    pub(crate) schema: String,
    pub(crate) query: String,
    /// The request as it is sent, JSON.
    pub(crate) body: String,
    /// What the reference answers.
    pub(crate) answer: Answer,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "stage", rename_all = "lowercase")]
pub(crate) enum Answer {
    Syntax(Refusal),
    Validation(Refusal),
    /// No such operation, or none of that kind.
    Request(Refusal),
    Variables(Refusal),
    /// The reference fell over it.
    Broken,
    Done {
        results: Vec<Outcome>,
        /// Equal fields stand side by side under several names.
        twins: bool,
    },
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) messages: Vec<String>,
    /// Lines and columns of the first error.
    pub(crate) places: Vec<(u64, u64)>,
}

/// One response.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Outcome {
    /// JSON, since the order of keys counts.
    pub(crate) data: String,
    pub(crate) paths: Vec<serde_json::Value>,
}

/// The script that writes them.
pub(crate) struct Corpus {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Corpus {
    pub(crate) fn start(seed: u32, count: u32, first: u32) -> Self {
        let numbers = [seed, count, first].map(|it| it.to_string());
        let mut child = Command::new("node")
            .arg(script("reference/corpus.mjs"))
            .args(numbers)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, lines }
    }

    /// Reads to the end. The script waits where its reader does.
    pub(crate) fn for_each(mut self, mut take: impl FnMut(Case)) {
        for line in self.lines.by_ref().lines() {
            let line = line.expect("UTF-8");
            take(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
        }
        assert!(self.child.wait().expect("our child").success(), "the script ends well");
    }
}

impl Drop for Corpus {
    fn drop(&mut self) {
        // Both fail only if the process is gone already.
        drop((self.child.kill(), self.child.wait()));
    }
}
