//! What is wrong with a text, and where.

use super::ast::Place;
use std::fmt;

/// One mistake in a document. Messages are worded as the reference implementation (graphql-js 16) words them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which step found it.
    pub kind: ErrorKind,
    /// What is wrong, for whoever wrote the document.
    pub message: String,
    /// The nodes it is about, which may be none.
    pub places: Vec<Place>,
}

/// Which step refused a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It is not GraphQL.
    Syntax,
    /// It is more than this reader is allowed to take on: too many tokens, too deep, too much work.
    Limit,
    /// It is GraphQL, but means nothing in this schema.
    Validation,
}

impl Error {
    pub(super) fn syntax(what: impl fmt::Display, place: Place) -> Self {
        Self { kind: ErrorKind::Syntax, message: format!("Syntax Error: {what}"), places: vec![place] }
    }

    pub(super) fn limit(message: impl Into<String>, places: Vec<Place>) -> Self {
        Self { kind: ErrorKind::Limit, message: message.into(), places }
    }

    pub(super) fn validation(message: String, places: Vec<Place>) -> Self {
        Self { kind: ErrorKind::Validation, message, places }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A place as readers count it, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// Lines end with a line feed, a carriage return, or both.
    pub line: usize,
    /// In UTF-16 code units, as editors and the reference implementation count.
    pub column: usize,
}

/// The lines of a text, to find places in. Made once there is an error; each look-up is a binary search.
#[derive(Debug)]
pub struct Lines {
    /// Where each line begins.
    starts: Vec<u32>,
    /// After each character outside ASCII: the offset, and by how much bytes exceed UTF-16 units up to there.
    wide: Vec<(u32, u32)>,
}

impl Lines {
    /// Goes through the text once.
    pub fn of(text: &str) -> Self {
        let (mut starts, mut wide, mut excess) = (vec![0], Vec::new(), 0);
        let bytes = text.as_bytes();
        for (at, character) in text.char_indices() {
            let after = offset(at + character.len_utf8());
            match character {
                '\n' => starts.push(after),
                '\r' if bytes.get(at + 1) != Some(&b'\n') => starts.push(after),
                _ if character.is_ascii() => {}
                _ => {
                    excess += offset(character.len_utf8() - character.len_utf16());
                    wide.push((after, excess));
                }
            }
        }
        Self { starts, wide }
    }

    /// The line and column of a place within the text.
    pub fn locate(&self, place: Place) -> Location {
        let line = self.starts.partition_point(|it| *it <= place.0).max(1);
        let start = self.starts[line - 1];
        let units = (place.0 - start) - (self.excess(place.0) - self.excess(start));
        Location { line, column: units as usize + 1 }
    }

    fn excess(&self, at: u32) -> u32 {
        match self.wide.partition_point(|(after, _)| *after <= at) {
            0 => 0,
            index => self.wide[index - 1].1,
        }
    }
}

/// Offsets fit: the lexer takes no text of 4 GiB or more.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
