//! A GraphQL error as clients see it (GraphQL specification, section 7.1.2).

use super::json::write_string;
use bytes::Bytes;
use std::sync::Arc;

/// One entry of a response's `errors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Error {
    pub message: String,
    pub locations: Vec<Location>,
    pub path: Vec<PathSegment>,
    /// `extensions.code`, for instance `GRAPHQL_VALIDATION_FAILED` or `FEED_UNAVAILABLE`.
    pub code: Option<&'static str>,
    /// Further members of `extensions`, each a JSON text as it goes out.
    pub extensions: Vec<(Arc<str>, Bytes)>,
    /// Further members of the error itself, each a JSON text as it goes out. Rare, and boxed so that errors
    /// stay small.
    pub others: Option<Box<Members>>,
}

/// Errors that several hear of; at least one.
pub type Errors = Arc<[Error]>;

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self::from([error])
    }
}

/// Members of a JSON object: names, and JSON texts.
type Members = Vec<(Arc<str>, Bytes)>;

/// A place in the operation's text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    pub line: usize,
    pub column: usize,
}

/// One step of a response path: response keys and list positions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathSegment {
    Key(Arc<str>),
    Index(usize),
}

impl Error {
    /// What clients are told when the router itself has failed.
    pub fn internal() -> Self {
        Self::new("Internal server error").with_code("INTERNAL_SERVER_ERROR")
    }

    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    #[must_use]
    pub fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    #[must_use]
    pub fn at(mut self, line: usize, column: usize) -> Self {
        self.locations.push(Location { line, column });
        self
    }

    #[must_use]
    pub fn with_path(mut self, path: Vec<PathSegment>) -> Self {
        self.path = path;
        self
    }

    /// Adds a member to `extensions`; `json` must be a JSON text.
    #[must_use]
    pub fn with_extension(mut self, name: &str, json: Bytes) -> Self {
        self.extensions.push((name.into(), json));
        self
    }

    /// Appends the error as a JSON object.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"message\":");
        write_string(&self.message, out);
        self.write_locations(out);
        self.write_path(out);
        self.write_extensions(out);
        for (name, json) in self.others.iter().flat_map(|it| it.iter()) {
            out.push(b',');
            write_string(name, out);
            out.push(b':');
            out.extend_from_slice(json);
        }
        out.push(b'}');
    }

    fn write_locations(&self, out: &mut Vec<u8>) {
        if self.locations.is_empty() {
            return;
        }
        out.extend_from_slice(b",\"locations\":");
        write_list(&self.locations, out, |it, out| {
            out.extend_from_slice(format!("{{\"line\":{},\"column\":{}}}", it.line, it.column).as_bytes());
        });
    }

    fn write_path(&self, out: &mut Vec<u8>) {
        if self.path.is_empty() {
            return;
        }
        out.extend_from_slice(b",\"path\":");
        write_list(&self.path, out, |it, out| match it {
            PathSegment::Key(key) => write_string(key, out),
            PathSegment::Index(index) => out.extend_from_slice(index.to_string().as_bytes()),
        });
    }

    fn write_extensions(&self, out: &mut Vec<u8>) {
        if self.code.is_none() && self.extensions.is_empty() {
            return;
        }
        out.extend_from_slice(b",\"extensions\":{");
        if let Some(code) = self.code {
            out.extend_from_slice(b"\"code\":");
            write_string(code, out);
        }
        for (index, (name, json)) in self.extensions.iter().enumerate() {
            if index > 0 || self.code.is_some() {
                out.push(b',');
            }
            write_string(name, out);
            out.push(b':');
            out.extend_from_slice(json);
        }
        out.push(b'}');
    }
}

/// Appends errors as a JSON list.
pub fn write_errors(errors: &[Error], out: &mut Vec<u8>) {
    write_list(errors, out, Error::write);
}

fn write_list<T>(items: &[T], out: &mut Vec<u8>, mut write: impl FnMut(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_spells_out_only_what_it_has() {
        let mut out = Vec::new();
        let path = vec![PathSegment::Key("a".into()), PathSegment::Index(2)];
        let full = Error::new("no \"b\"")
            .at(1, 7)
            .with_path(path)
            .with_code("X")
            .with_extension("serviceName", Bytes::from_static(b"\"s\""));
        write_errors(&[Error::new("plain"), full], &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "[{\"message\":\"plain\"},{\"message\":\"no \\\"b\\\"\",\"locations\":[{\"line\":1,\"column\":7}],\
             \"path\":[\"a\",2],\"extensions\":{\"code\":\"X\",\"serviceName\":\"s\"}}]"
        );
    }
}
