//! Reads subgraph answers, and turns what is wrong with them into errors that a client understands.
//!
//! A subgraph speaks of its own response (`_entities.3.name`); the client learns every place where that
//! value would have been. Messages and extensions are kept, `code` and `serviceName` added.

use super::{
    FetchError,
    errors::Errors,
    paths::{Path, client_path, common_prefix},
};
use crate::{
    graphql::{
        self,
        json::{Document, Kind, NodeId, write_string},
    },
    plan::{Projection, Rewrite, RewriteSegment},
};
use bytes::Bytes;
use std::sync::Arc;

/// Code of errors that a subgraph is the reason for.
const DOWNSTREAM: &str = "DOWNSTREAM_SERVICE_ERROR";

/// A GraphQL response, parsed.
pub(super) struct Answer {
    /// An object, unless the subgraph gave no data.
    pub(super) data: Option<NodeId>,
    /// A list.
    errors: Option<NodeId>,
}

impl Answer {
    pub(super) fn read(document: &mut Document, body: Bytes) -> Result<Self, FetchError> {
        let malformed = |reason: &str| Err(FetchError::Malformed(reason.to_owned()));
        let Ok(root) = document.parse(body) else { return malformed("invalid JSON") };
        let not_empty = |it: &NodeId| document.kind(*it) == Kind::Array && !document.is_empty(*it);
        let errors = document.get(root, "errors").filter(not_empty);
        let data = document.get(root, "data").filter(|it| document.kind(*it) == Kind::Object);
        if data.is_none() && errors.is_none() {
            return malformed("no data or errors in response");
        }
        Ok(Self { data, errors })
    }

    pub(super) fn has_errors(&self) -> bool {
        self.errors.is_some()
    }
}

/// Where the client sees what a fetch was to bring.
pub(super) struct Whereabouts {
    pub(super) places: Vec<Place>,
    /// Keys that the subgraph's answer has under another name than the data.
    pub(super) renamed: Vec<(Arc<str>, Arc<str>)>,
}

pub(super) struct Place {
    /// Which item of which list the place belongs to; `None` for root fields.
    pub(super) entity: Option<(Arc<str>, u32)>,
    /// Canonical.
    pub(super) path: Path,
}

impl Whereabouts {
    /// Where root fields go.
    pub(super) fn of_roots(paths: impl IntoIterator<Item = Path>) -> Self {
        let places = paths.into_iter().map(|path| Place { entity: None, path }).collect();
        Self { places, renamed: Vec::new() }
    }

    pub(super) fn renamed_by(&mut self, rewrites: &[Rewrite]) {
        for rewrite in rewrites {
            if let Rewrite::RenameKey { path, to } = rewrite
                && let Some(RewriteSegment::Key(from)) = path.last()
            {
                self.renamed.push((from.clone(), to.clone()));
            }
        }
    }

    /// The place that all of the fetch lies below.
    fn all(&self) -> Path {
        common_prefix(self.places.iter().map(|it| &it.path))
    }

    /// Every place of what the subgraph calls `path`.
    fn resolve(&self, path: &[graphql::PathSegment]) -> Vec<Path> {
        let below = |place: &Place, rest: &[graphql::PathSegment]| {
            place.path.iter().cloned().chain(rest.iter().map(|it| self.rename(it))).collect()
        };
        let found: Vec<Path> = match path {
            [] => Vec::new(),
            [graphql::PathSegment::Key(alias), graphql::PathSegment::Index(index), rest @ ..] => {
                let is_meant = |place: &&Place| match &place.entity {
                    Some((name, number)) => name == alias && *number as usize == *index,
                    None => false,
                };
                self.places.iter().filter(is_meant).map(|it| below(it, rest)).collect()
            }
            _ => Vec::new(),
        };
        if !found.is_empty() {
            return found;
        }
        let roots: Vec<Path> = match path {
            [] => Vec::new(),
            _ => self.places.iter().filter(|it| it.entity.is_none()).map(|it| below(it, path)).collect(),
        };
        if roots.is_empty() { vec![self.all()] } else { roots }
    }

    fn rename(&self, segment: &graphql::PathSegment) -> graphql::PathSegment {
        let renamed = self.renamed.iter().find_map(|(from, to)| match segment {
            graphql::PathSegment::Key(key) if key == from => Some(to.clone()),
            _ => None,
        });
        renamed.map_or_else(|| segment.clone(), graphql::PathSegment::Key)
    }
}

/// What the errors of one fetch are seen against.
pub(super) struct Scene<'a> {
    pub(super) service: &'a str,
    pub(super) projection: &'a Projection,
    pub(super) document: &'a Document,
    pub(super) root: NodeId,
}

impl Scene<'_> {
    /// The error for a fetch without a usable answer. What exactly went wrong with the connection stays in
    /// the log: it may name hosts.
    pub(super) fn failure(&self, error: &FetchError, whereabouts: &Whereabouts) -> graphql::Error {
        let service = self.service;
        tracing::warn!(subgraph = service, %error, "fetch failed");
        let message = match error {
            FetchError::Malformed(reason) => {
                format!("Failed to fetch from Subgraph '{service}', Reason: {reason}.")
            }
            FetchError::Rejected(reason) => {
                format!("Failed to fetch from Subgraph '{service}', Reason: {reason}.")
            }
            FetchError::Timeout(_) => format!("Failed to fetch from Subgraph '{service}', Reason: timeout."),
            _ => format!("Failed to fetch from Subgraph '{service}'."),
        };
        let mut failure = graphql::Error::new(message)
            .with_path(self.client_path(&whereabouts.all()))
            .with_code(DOWNSTREAM)
            .with_extension("serviceName", json_string(service));
        if let FetchError::Status(status) = error {
            failure = failure.with_extension("statusCode", status.to_string().into());
        }
        failure
    }

    /// The answer's own errors.
    pub(super) fn convert(&self, answer: &Answer, whereabouts: &Whereabouts, out: &mut Errors) {
        let Some(errors) = answer.errors else { return };
        for error in self.document.children(errors) {
            if out.is_full() {
                out.dropped += 1;
                continue;
            }
            let template = self.template(error);
            for place in whereabouts.resolve(&self.path(error)) {
                out.push(template.clone().with_path(self.client_path(&place)));
            }
        }
    }

    fn client_path(&self, place: &[graphql::PathSegment]) -> Path {
        client_path(self.projection, self.document, self.root, place)
    }

    /// An error without its path.
    fn template(&self, error: NodeId) -> graphql::Error {
        let document = self.document;
        let message = document.get(error, "message").and_then(|it| document.as_str(it));
        let message = match message {
            Some(message) => message.into_owned(),
            None => format!("Failed to fetch from Subgraph '{}'.", self.service),
        };
        let mut made = graphql::Error::new(message);
        let extensions = document.get(error, "extensions").filter(|it| document.kind(*it) == Kind::Object);
        let has = |name| extensions.is_some_and(|it| document.get(it, name).is_some());
        if !has("code") {
            made = made.with_code(DOWNSTREAM);
        }
        for (name, value) in extensions.into_iter().flat_map(|it| document.entries(it)) {
            let mut json = Vec::new();
            document.write(value, &mut json);
            made = made.with_extension(name, json.into());
        }
        if has("serviceName") { made } else { made.with_extension("serviceName", json_string(self.service)) }
    }

    /// The path as the subgraph sees it; empty when it gave none that makes sense.
    fn path(&self, error: NodeId) -> Path {
        let document = self.document;
        let segments = document.get(error, "path").into_iter().flat_map(|it| document.children(it));
        let read = |it: NodeId| match document.as_str(it) {
            Some(key) => Some(graphql::PathSegment::Key(key.into())),
            None => document.as_number(it)?.parse().ok().map(graphql::PathSegment::Index),
        };
        segments.map(read).collect::<Option<_>>().unwrap_or_default()
    }
}

pub(super) fn json_string(text: &str) -> Bytes {
    let mut json = Vec::with_capacity(text.len() + 2);
    write_string(text, &mut json);
    json.into()
}
