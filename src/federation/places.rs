//! Where things stand in an SDL text. The SDL parser keeps no positions, so error messages look them up
//! here, by coordinate.

use graphql_tools::parser::{TokenKind, spanned_tokens};
use std::{collections::HashMap, ops::Range};

/// Lines and columns by coordinate: `Type`, `Type.field`, `Type.field@directive`, `@directive`.
///
/// Where a type is defined and extended, its first place counts; fields have their own.
pub(super) struct Places(HashMap<String, (usize, usize)>);

impl Places {
    /// Knows nothing where the text cannot be split into tokens.
    pub(super) fn of(sdl: &str) -> Self {
        let tokens = spanned_tokens(sdl).unwrap_or_default();
        let mut scan = Scan { sdl, places: HashMap::new(), owner: String::new(), field: String::new() };
        scan.run(&tokens);
        Self(scan.places)
    }

    /// The line and column of a coordinate, or of the nearest thing around it that has a place.
    pub(super) fn find(&self, coordinate: &str) -> Option<(usize, usize)> {
        let mut rest = coordinate;
        loop {
            if let Some(place) = self.0.get(rest) {
                return Some(*place);
            }
            rest = &rest[..rest.rfind(['.', '@']).filter(|at| *at > 0)?];
        }
    }
}

struct Scan<'a> {
    sdl: &'a str,
    places: HashMap<String, (usize, usize)>,
    owner: String,
    field: String,
}

type Token = (TokenKind, Range<usize>);

impl Scan<'_> {
    fn run(&mut self, tokens: &[Token]) {
        let text = |at: usize| tokens.get(at).map_or("", |(_, range)| &self.sdl[range.clone()]);
        let texts: Vec<String> = (0..tokens.len()).map(|at| text(at).to_owned()).collect();
        let word = |at: usize| texts.get(at).map_or("", String::as_str);
        let (mut braces, mut parentheses) = (0usize, 0usize);
        for (at, (kind, range)) in tokens.iter().enumerate() {
            let before = if at == 0 { "" } else { word(at - 1) };
            match (word(at), kind) {
                ("(", _) => parentheses += 1,
                (")", _) => parentheses = parentheses.saturating_sub(1),
                ("{", _) if parentheses == 0 => braces += 1,
                ("}", _) if parentheses == 0 => braces = braces.saturating_sub(1),
                (name, TokenKind::Name) if parentheses == 0 => {
                    self.name(name, before, word(at + 1), braces, range.start, word(at.saturating_sub(2)));
                }
                _ => {}
            }
        }
    }

    /// A name outside of parentheses, with its neighbours.
    fn name(&mut self, name: &str, before: &str, after: &str, braces: usize, at: usize, before_that: &str) {
        const KEYWORDS: &[&str] = &["type", "interface", "union", "enum", "input", "scalar"];
        if before == "@" {
            match (braces, before_that) {
                (0, "directive") => self.note(format!("@{name}"), at),
                (0, _) => self.note(format!("{}@{name}", self.owner), at),
                _ => self.note(format!("{}.{}@{name}", self.owner, self.field), at),
            }
        } else if braces == 0 && KEYWORDS.contains(&before) {
            self.owner = name.to_owned();
            self.field.clear();
            self.note(name.to_owned(), at);
        } else if braces == 1 && (after == "(" || after == ":") {
            self.field = name.to_owned();
            self.note(format!("{}.{name}", self.owner), at);
        }
    }

    fn note(&mut self, coordinate: String, at: usize) {
        let before = &self.sdl[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        self.places.entry(coordinate).or_insert((line, column));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_have_lines_and_columns() {
        let sdl = "directive @d(a: Int) on OBJECT\n\"type X {\"\ntype A @d(a: 1) {\n  a(b: In = {c: 1}): Int\n  \"\"\"f: x\"\"\" type: Int @d\n}\nextend type A { z: Int }\n";
        let places = Places::of(sdl);
        assert_eq!(places.find("@d"), Some((1, 12)));
        assert_eq!(places.find("A"), Some((3, 6)));
        assert_eq!(places.find("A.a"), Some((4, 3)));
        assert_eq!(places.find("A.type@d"), Some((5, 25)));
        assert_eq!(places.find("A.z"), Some((7, 17)));
        assert_eq!(places.find("A.nope"), Some((3, 6)));
        assert_eq!(places.find("X"), None);
        assert_eq!(places.find("f"), None);
    }
}
