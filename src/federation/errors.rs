//! Why a set of graphs cannot be served, for the people who wrote them; and the codes clients see.

use std::{fmt, path::PathBuf};

/// The operation's text is not GraphQL.
pub(super) const PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
/// The operation does not fit the schema.
pub(super) const VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";
/// The operation is larger than the configured limits allow.
pub(super) const LIMIT_EXCEEDED: &str = "OPERATION_LIMIT_EXCEEDED";
/// The operation asks about the schema, which is kept from clients.
pub(super) const INTROSPECTION_DISABLED: &str = "INTROSPECTION_DISABLED";
/// The document does not say which of its operations to run.
pub(super) const RESOLUTION_FAILED: &str = "OPERATION_RESOLUTION_FAILURE";
/// The operation is valid, but no plan was found for it.
pub(super) const PLANNING_FAILED: &str = "OPERATION_PLANNING_FAILED";

/// One thing that is wrong with the graphs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadError {
    /// The rule that is broken: a federation composition code, or one of ours (`EDG_…`, `EDFS_…`).
    pub rule: String,
    /// The graph's name, where the fault lies within one.
    pub graph: Option<String>,
    pub file: Option<PathBuf>,
    /// `Type`, `Type.field` or `@directive`.
    pub coordinate: Option<String>,
    /// Counted from 1, in the SDL as it was given.
    pub line: Option<usize>,
    pub column: Option<usize>,
    pub message: String,
}

impl LoadError {
    pub(super) fn new(rule: &str, message: impl Into<String>) -> Self {
        Self { rule: rule.into(), message: message.into(), ..Self::default() }
    }

    pub(super) fn at(mut self, coordinate: impl Into<String>) -> Self {
        self.coordinate = Some(coordinate.into());
        self
    }

    pub(super) fn in_graph(mut self, name: &str, file: Option<&PathBuf>) -> Self {
        self.graph = Some(name.into());
        self.file = file.cloned();
        self
    }
}

impl fmt::Display for LoadError {
    /// `events.graphql:12:3: EDG_KEYS: graph "events": Employee: …`, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let (Some(line), Some(column)) = (self.line, self.column) {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}: ", self.rule)?;
        // Without a file, the place is one in the text that a server gave.
        let place = match (&self.file, self.line, self.column) {
            (None, Some(line), Some(column)) => format!("({line}:{column})"),
            _ => String::new(),
        };
        match (&self.graph, place.as_str()) {
            (Some(graph), "") => write!(f, "graph \"{graph}\": ")?,
            (Some(graph), place) => write!(f, "graph \"{graph}\" {place}: ")?,
            (None, "") => {}
            (None, place) => write!(f, "supergraph {place}: ")?,
        }
        if let Some(coordinate) = &self.coordinate {
            write!(f, "{coordinate}: ")?;
        }
        f.write_str(&self.message.replace('\n', " "))
    }
}

/// Everything that is wrong with the graphs, in the order it was found. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadErrors(pub Vec<LoadError>);

impl From<LoadError> for LoadErrors {
    fn from(error: LoadError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}
