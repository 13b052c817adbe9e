//! Where things stand in an SDL text. The SDL parser keeps no positions, so error messages look them up
//! here, by coordinate.

use crate::language::{Span, spans};
use std::collections::HashMap;

/// Lines and columns by coordinate: `Type`, `Type.field`, `Type.field@directive`, `@directive`.
///
/// Where a type is defined and extended, its first place counts; fields have their own.
pub(super) struct Places {
    definitions: HashMap<String, (usize, usize)>,
    /// Where names of types come up first after a colon, as the type of a field or argument.
    uses: HashMap<String, (usize, usize)>,
}

impl Places {
    /// Knows nothing where the text cannot be split into tokens.
    pub(super) fn of(sdl: &str) -> Self {
        let tokens = spans(sdl).unwrap_or_default();
        let lines = std::iter::once(0).chain(sdl.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let (owner, field) = (String::new(), String::new());
        let mut scan =
            Scan { sdl, tokens, lines, places: HashMap::new(), uses: HashMap::new(), owner, field };
        scan.run();
        Self { definitions: scan.places, uses: scan.uses }
    }

    /// Whether exactly this coordinate is there.
    pub(super) fn has(&self, coordinate: &str) -> bool {
        self.definitions.contains_key(coordinate)
    }

    /// Where a type is named that is not defined, perhaps.
    pub(super) fn first_use(&self, name: &str) -> Option<(usize, usize)> {
        self.uses.get(name).copied()
    }

    /// The line and column of a coordinate, or of the nearest thing around it that has a place.
    pub(super) fn find(&self, coordinate: &str) -> Option<(usize, usize)> {
        let mut rest = coordinate;
        loop {
            if let Some(place) = self.definitions.get(rest) {
                return Some(*place);
            }
            rest = &rest[..rest.rfind(['.', '@']).filter(|at| *at > 0)?];
        }
    }
}

struct Scan<'a> {
    sdl: &'a str,
    tokens: Vec<Span>,
    /// Where each line starts.
    lines: Vec<usize>,
    places: HashMap<String, (usize, usize)>,
    uses: HashMap<String, (usize, usize)>,
    /// The type and field whose definition this is.
    owner: String,
    field: String,
}

impl<'a> Scan<'a> {
    fn run(&mut self) {
        let (mut braces, mut parentheses) = (0usize, 0usize);
        for index in 0..self.tokens.len() {
            self.note_use(index);
            match self.text(index) {
                "(" => parentheses += 1,
                ")" => parentheses = parentheses.saturating_sub(1),
                "{" if parentheses == 0 => braces += 1,
                "}" if parentheses == 0 => braces = braces.saturating_sub(1),
                _ if parentheses == 0 && self.tokens[index].is_name => self.name(index, braces),
                _ => {}
            }
        }
    }

    /// A token's text; empty beyond the ends.
    fn text(&self, index: usize) -> &'a str {
        self.tokens.get(index).map_or("", |it| &self.sdl[it.range.clone()])
    }

    /// Types stand behind a colon, in brackets or not; so do values, which do no harm here.
    fn note_use(&mut self, index: usize) {
        let mut before = (0..index).rev().map(|it| self.text(it)).skip_while(|it| *it == "[");
        if self.tokens[index].is_name && before.next() == Some(":") {
            let (name, place) = (self.text(index).to_owned(), self.place(self.tokens[index].range.start));
            self.uses.entry(name).or_insert(place);
        }
    }

    /// A name outside of parentheses, within so many braces.
    fn name(&mut self, index: usize, braces: usize) {
        const KEYWORDS: &[&str] = &["type", "interface", "union", "enum", "input", "scalar"];
        let back = |by: usize| index.checked_sub(by).map_or("", |it| self.text(it));
        let (name, before, before_that, after) = (self.text(index), back(1), back(2), self.text(index + 1));
        let coordinate = match (before, braces) {
            ("@", 0) if before_that == "directive" => format!("@{name}"),
            ("@", 0) => format!("{}@{name}", self.owner),
            ("@", _) => format!("{}.{}@{name}", self.owner, self.field),
            (keyword, 0) if KEYWORDS.contains(&keyword) => {
                name.clone_into(&mut self.owner);
                self.field.clear();
                name.to_owned()
            }
            (_, 1) if after == "(" || after == ":" => {
                name.clone_into(&mut self.field);
                format!("{}.{name}", self.owner)
            }
            _ => return,
        };
        let place = self.place(self.tokens[index].range.start);
        self.places.entry(coordinate).or_insert(place);
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|it| *it <= at);
        (line, self.sdl[self.lines[line - 1]..at].chars().count() + 1)
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
