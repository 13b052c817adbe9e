//! What is wrong with a configuration, said so that one can put it right: where, what, what instead.
//!
//! Findings are gathered, not thrown: one run shows them all.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// How much of a line a snippet shows.
const SNIPPET_CHARS: usize = 160;

/// Everything wrong with a configuration. `Display` is made for a terminal; one finding per paragraph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub findings: Vec<Finding>,
}

impl std::error::Error for Report {}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `FILE:LINE:COLUMN`, or the environment variable or flag that brought the value in.
    pub place: String,
    /// The key concerned, from the root; empty where none can be named.
    pub path: String,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The line of the file, with the column and width to underline.
    pub snippet: Option<Snippet>,
}

/// A line of the file, or a stretch of a long one, and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    pub line: usize,
    pub text: String,
    /// Within `text`, in characters, from 1.
    pub column: usize,
    pub width: usize,
}

/// One of the files of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// As it was given.
    pub(crate) name: PathBuf,
    pub(crate) text: String,
}

/// The files' names, for messages about all of them.
fn names(files: &[SourceFile]) -> String {
    match files {
        [] => "the environment".to_owned(),
        _ => files.iter().map(|it| it.name.display().to_string()).collect::<Vec<_>>().join(", "),
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    File(Place),
    /// The variable's name.
    Environment(String),
    /// The flag as it is typed.
    Flag(&'static str),
    /// A default.
    Fallback,
    /// A copy of what stands elsewhere. Whatever is wrong with it is wrong there, too, and told there.
    Inherited,
}

impl Origin {
    pub(crate) fn line(&self) -> usize {
        match self {
            Self::File(place) => place.line,
            _ => 0,
        }
    }
}

/// A stretch of one line; line and column count from 1, in characters, files from 0 in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) width: usize,
}

impl Place {
    pub(crate) const fn start_of(file: usize) -> Self {
        Self { file, line: 1, column: 1, width: 1 }
    }
}

/// Findings on their way to a [`Report`], and remarks that are none.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Raw>,
    notes: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Raw {
    origin: Origin,
    path: String,
    message: String,
    help: Option<String>,
}

impl Raw {
    pub(crate) fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }
}

impl Findings {
    pub(crate) fn add(
        &mut self,
        origin: Origin,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> &mut Raw {
        self.list.push(Raw { origin, path: path.into(), message: message.into(), help: None });
        self.list.last_mut().expect("just pushed")
    }

    /// Adds a remark, once.
    pub(crate) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// In the order of the files; what does not come from one stands last.
    pub(crate) fn report(mut self, files: &[SourceFile]) -> Report {
        self.list.retain(|it| it.origin != Origin::Inherited);
        self.list.sort_by_key(|it| match &it.origin {
            Origin::File(place) => (place.file, place.line, place.column),
            _ => (usize::MAX, 0, 0),
        });
        Report { findings: self.list.into_iter().map(|it| it.finish(files)).collect() }
    }
}

impl Raw {
    fn finish(self, files: &[SourceFile]) -> Finding {
        let (place, snippet) = match self.origin {
            Origin::File(place) => {
                let SourceFile { name, text } = &files[place.file];
                let stands = format!("{}:{}:{}", name.display(), place.line, place.column);
                (stands, Snippet::cut(text, place))
            }
            Origin::Environment(name) => (format!("environment variable {name}"), None),
            Origin::Flag(flag) => (format!("flag {flag}"), None),
            Origin::Fallback | Origin::Inherited => (names(files), None),
        };
        Finding { place, path: self.path, message: self.message, help: self.help, snippet }
    }
}

impl Snippet {
    fn cut(text: &str, place: Place) -> Option<Self> {
        let line = text.lines().nth(place.line.checked_sub(1)?)?.trim_end();
        let before = place.column.saturating_sub(1);
        // What is meant stays in sight, with something of what stands before it.
        let hidden = if before < SNIPPET_CHARS / 2 { 0 } else { before - SNIPPET_CHARS / 4 };
        let text: String = line.chars().skip(hidden).take(SNIPPET_CHARS).collect();
        let column = place.column - hidden;
        let rest = text.chars().count().saturating_sub(column.saturating_sub(1));
        Some(Self { line: place.line, text, column, width: place.width.min(rest).max(1) })
    }
}

impl Report {
    /// A report about a file as a whole.
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        let finding = Finding {
            place: file.display().to_string(),
            path: String::new(),
            message: message.into(),
            help: None,
            snippet: None,
        };
        Self { findings: vec![finding] }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(out, "{gap}{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { String::new() } else { format!("{}: ", self.path) };
        writeln!(out, "{}: {path}{}", self.place, self.message)?;
        if let Some(snippet) = &self.snippet {
            write!(out, "{snippet}")?;
        }
        match &self.help {
            Some(help) => writeln!(out, "  help: {help}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Snippet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Tabs stay tabs, so that the marks stand below what they mean.
        let before: String = self.text.chars().take(self.column.saturating_sub(1)).collect();
        let gap: String = before.chars().map(|it| if it == '\t' { '\t' } else { ' ' }).collect();
        writeln!(out, "{:>5} | {}", self.line, self.text)?;
        writeln!(out, "      | {gap}{}", "^".repeat(self.width))
    }
}
