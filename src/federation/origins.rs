//! Which graph an error of the composer means, and where in its text. The composer names graphs and
//! coordinates in its messages and knows no positions.

use super::{errors::LoadError, places::Places, sdl::read};
use crate::language::spans;
use std::{cell::OnceCell, path::PathBuf};

/// The texts that were composed.
#[derive(Default)]
pub(super) struct Origins<'a>(Vec<Origin<'a>>);

struct Origin<'a> {
    name: &'a str,
    file: Option<&'a PathBuf>,
    sdl: &'a str,
    places: OnceCell<Places>,
}

impl<'a> Origins<'a> {
    pub(super) fn add(&mut self, name: &'a str, file: Option<&'a PathBuf>, sdl: &'a str) {
        self.0.push(Origin { name, file, sdl, places: OnceCell::new() });
    }

    /// An error about a coordinate of one graph, with its place.
    pub(super) fn error(&self, graph: &str, rule: &str, at: &str, message: impl Into<String>) -> LoadError {
        let error = LoadError::new(rule, message).at(at);
        match self.named(graph) {
            Some(origin) => origin.place(error.in_graph(graph, origin.file), at),
            None => error.in_graph(graph, None),
        }
    }

    /// An error about a coordinate of the supergraph, with the place of the first graph that has it.
    pub(super) fn error_somewhere(&self, rule: &str, at: &str, message: impl Into<String>) -> LoadError {
        let error = LoadError::new(rule, message);
        match self.0.iter().find(|it| it.places().has(at)) {
            Some(origin) => origin.place(error.at(at).in_graph(origin.name, origin.file), at),
            None => error,
        }
    }

    /// An error of the composer. It names the graph in brackets at the start of its message, or somewhere
    /// in the text as `subgraph "x"`; coordinates stand in quotes.
    pub(super) fn composer_error(&self, code: Option<&str>, message: &str) -> LoadError {
        let rule = code.unwrap_or("COMPOSITION");
        let (graph, text) = match message.strip_prefix('[').and_then(|it| it.split_once("] ")) {
            Some((graph, text)) if self.named(graph).is_some() => (Some(graph), text),
            _ => (None, message),
        };
        let error = LoadError::new(rule, text);
        let quoted: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
        let candidates = match graph {
            Some(graph) => self.named(graph).into_iter().collect(),
            None => self.mentioned(&quoted),
        };
        let Some((origin, at)) = found(&candidates, &quoted) else {
            let Some(origin) = graph.and_then(|it| self.named(it)) else { return error };
            let mut error = error.in_graph(origin.name, origin.file);
            let unknown = text.strip_prefix("Unknown type ").and_then(|it| it.split([' ', '.', ',']).next());
            (error.line, error.column) =
                unknown.and_then(|it| origin.places().first_use(it.trim_matches('"'))).unzip();
            return error;
        };
        origin.place(error.at(at).in_graph(origin.name, origin.file), at)
    }

    fn named(&self, name: &str) -> Option<&Origin<'a>> {
        self.0.iter().find(|it| it.name == name)
    }

    /// Graphs whose names are in quotes, in the order of the message; without any, all.
    fn mentioned(&self, quoted: &[&str]) -> Vec<&Origin<'a>> {
        let mentioned: Vec<&Origin<'a>> = quoted.iter().filter_map(|it| self.named(it)).collect();
        if mentioned.is_empty() { self.0.iter().collect() } else { mentioned }
    }
}

/// The first quoted coordinate of a field, or else of a type, that one of the graphs has.
fn found<'o, 'a, 'q>(candidates: &[&'o Origin<'a>], quoted: &[&'q str]) -> Option<(&'o Origin<'a>, &'q str)> {
    let coordinates: Vec<&str> = quoted.iter().map(|it| it.split('(').next().unwrap_or_default()).collect();
    let fields = coordinates.iter().filter(|it| it.contains('.'));
    let types = coordinates.iter().filter(|it| !it.contains('.'));
    for at in fields.chain(types) {
        if let Some(origin) = candidates.iter().find(|it| it.places().has(at)) {
            return Some((origin, at));
        }
    }
    None
}

impl Origin<'_> {
    fn places(&self) -> &Places {
        self.places.get_or_init(|| Places::of(self.sdl))
    }

    fn place(&self, mut error: LoadError, at: &str) -> LoadError {
        (error.line, error.column) = self.places().find(at).unzip();
        error
    }
}

/// A text that is no GraphQL: the parser's message, and the place that it does not tell.
pub(super) fn syntax_error(name: &str, file: Option<&PathBuf>, sdl: &str, message: &str) -> LoadError {
    let mut error = LoadError::new("INVALID_GRAPHQL", message).in_graph(name, file);
    (error.line, error.column) = syntax_error_at(sdl).unzip();
    error
}

/// Where a text stops being GraphQL: at the first token up to which the text cannot be continued. A text
/// that is fine so far is complete, or its error is that it ends.
fn syntax_error_at(sdl: &str) -> Option<(usize, usize)> {
    let tokens = spans(sdl).ok()?;
    let can_go_on = |count: &usize| {
        let end = tokens[..*count].last().map_or(0, |it| it.range.end);
        read(&sdl[..end]).map_or_else(|message| message.contains("<EOF>"), |_| true)
    };
    // Once a text is wrong, it stays wrong however it goes on, so halving finds the place.
    let (mut good, mut bad) = (0, tokens.len() + 1);
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        if can_go_on(&middle) { good = middle } else { bad = middle }
    }
    let at = tokens.get(bad - 1).map_or(sdl.trim_end().len(), |it| it.range.start);
    let before = &sdl[..at];
    let line_start = before.rfind('\n').map_or(0, |it| it + 1);
    Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_errors_are_found() {
        for (sdl, place) in [
            ("type A {\n  a: Int\n  b Int\n}\n", (3, 5)),
            ("type A { a: Int", (1, 16)),
            ("type A { a: Int }\n\nnonsense\n", (3, 1)),
            ("type A @key(fields: ) { a: Int }", (1, 21)),
        ] {
            assert!(read(sdl).is_err(), "{sdl}");
            assert_eq!(syntax_error_at(sdl), Some(place), "{sdl}");
        }
    }

    #[test]
    fn messages_lead_to_places() {
        let mut origins = Origins::default();
        origins.add("a", None, "type Query { x: X }\ntype X { id: ID\n  n(a: Int): Int }");
        origins.add("b", None, "type X { id: ID }");
        let located = |message: &str| {
            let error = origins.composer_error(Some("CODE"), message);
            (error.graph, error.coordinate, error.line, error.column, error.message)
        };
        let own = |it: &str| Some(it.to_owned());
        let text = "Field \"X.n\" is wrong";
        assert_eq!(located(&format!("[a] {text}")), (own("a"), own("X.n"), Some(3), Some(3), text.into()));
        let text = "Argument \"X.n(a:)\" is of type \"Int\" in subgraph \"a\" only";
        assert_eq!(located(text), (own("a"), own("X.n"), Some(3), Some(3), text.into()));
        let text = "Type of field \"X.id\" differs: in subgraph \"b\" it is \"ID\"";
        assert_eq!(located(text), (own("b"), own("X.id"), Some(1), Some(10), text.into()));
        let text = "Unknown type Int";
        assert_eq!(located(&format!("[a] {text}")), (own("a"), None, Some(3), Some(8), text.into()));
        let text = "Nobody knows \"Y.z\"";
        assert_eq!(located(text), (None, None, None, None, text.into()));
    }
}
