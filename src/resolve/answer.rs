//! Reads subgraph answers, and turns what is wrong with them into errors that a client understands.
//!
//! A subgraph speaks of its own response (`_entities.3.name`); the client learns every place where that
//! value would have been. How much of what the subgraph says passes is the policy's to say.

use super::{
    ErrorMode, ErrorPropagation, FetchAnswer, FetchError,
    errors::Errors,
    paths::{Path, client_path, client_paths, common_prefix},
};
use crate::{
    graphql::{
        self,
        json::{Document, Kind, NodeId, TOO_DEEP, json_string},
    },
    plan::{Projection, Rewrite, RewriteSegment},
};
use bytes::Bytes;
use http::StatusCode;
use std::sync::Arc;

/// A GraphQL response, parsed.
pub(super) struct Answer {
    /// An object, unless the subgraph gave no data.
    pub(super) data: Option<NodeId>,
    /// A list.
    errors: Option<NodeId>,
    status: StatusCode,
}

impl Answer {
    pub(super) fn read(document: &mut Document, answer: FetchAnswer) -> Result<Self, FetchError> {
        let root = document.parse(answer.body).map_err(|error| {
            FetchError::Malformed(match error.reason {
                TOO_DEEP => format!("JSON {TOO_DEEP}"),
                _ => "invalid JSON".to_owned(),
            })
        })?;
        Self::of(document, root, answer.status)
    }

    /// A response that has been parsed already.
    pub(super) fn of(document: &Document, root: NodeId, status: StatusCode) -> Result<Self, FetchError> {
        let not_empty = |it: &NodeId| document.kind(*it) == Kind::Array && !document.is_empty(*it);
        let errors = document.get(root, "errors").filter(not_empty);
        let data = document.get(root, "data").filter(|it| document.kind(*it) == Kind::Object);
        if data.is_none() && errors.is_none() {
            return Err(FetchError::Malformed("no data or errors in response".to_owned()));
        }
        Ok(Self { data, errors, status })
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

    /// A place whose keys stand for those of all: any one where they differ in list positions alone.
    fn typical(&self) -> Path {
        let keys = |path: &Path| {
            let key =
                |it: &graphql::PathSegment| matches!(it, graphql::PathSegment::Key(_)).then(|| it.clone());
            path.iter().filter_map(key).collect::<Path>()
        };
        match self.places.split_first() {
            Some((first, others)) if others.iter().all(|it| keys(&it.path) == keys(&first.path)) => {
                first.path.clone()
            }
            _ => self.all(),
        }
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
    pub(super) teller: Teller<'a>,
    pub(super) projection: &'a Projection,
    pub(super) root: NodeId,
}

/// Retells what a subgraph says, as far as the policy lets it pass.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) service: &'a str,
    pub(super) policy: &'a ErrorPropagation,
    pub(super) document: &'a Document,
}

impl Scene<'_> {
    /// The error for a fetch without a usable answer. What exactly went wrong with the connection stays in
    /// the log: it may name hosts.
    pub(super) fn fail(&self, error: &FetchError, whereabouts: &Whereabouts, out: &mut Errors) {
        tracing::warn!(subgraph = self.teller.service, %error, "fetch failed");
        let reason = match error {
            FetchError::Malformed(reason) => Some(&**reason),
            FetchError::Rejected(reason) => Some(*reason),
            FetchError::Timeout(_) => Some("timeout"),
            _ => None,
        };
        let status = match error {
            FetchError::Status(status) => StatusCode::from_u16(*status).ok(),
            _ => None,
        };
        self.push_everywhere(self.outer(whereabouts, reason, status), whereabouts, out);
    }

    /// The answer's own errors.
    pub(super) fn convert(&self, answer: &Answer, whereabouts: &Whereabouts, out: &mut Errors) {
        let Some(errors) = answer.errors else { return };
        let status = Some(answer.status).filter(|_| self.teller.policy.propagate_status_codes);
        match self.teller.policy.mode {
            ErrorMode::Hidden => self.push_everywhere(self.outer(whereabouts, None, None), whereabouts, out),
            ErrorMode::Wrapped => {
                let mut inner = Errors::default();
                self.convert_each(errors, whereabouts, None, &mut inner);
                let mut list = Vec::new();
                graphql::write_errors(&inner.list, &mut list);
                let wrapped = self.outer(whereabouts, None, status);
                out.push_for(wrapped.with_extension("errors", list.into()), inner);
            }
            ErrorMode::PassThrough => self.convert_each(errors, whereabouts, status, out),
        }
    }

    fn convert_each(
        &self,
        errors: NodeId,
        whereabouts: &Whereabouts,
        status: Option<StatusCode>,
        out: &mut Errors,
    ) {
        for error in self.teller.document.children(errors) {
            if out.is_full() {
                out.dropped += 1;
                continue;
            }
            let template = self.teller.template(error, status);
            for place in whereabouts.resolve(&self.path(error)) {
                for path in self.client_paths(&place, out.room()) {
                    out.push(template.clone().with_path(path));
                }
            }
        }
    }

    /// Tells an error of a whole fetch under every name that the client has for its place.
    fn push_everywhere(&self, error: graphql::Error, whereabouts: &Whereabouts, out: &mut Errors) {
        for path in self.client_paths(&whereabouts.all(), out.room()) {
            out.push(error.clone().with_path(path));
        }
    }

    /// The router's own error for a fetch.
    fn outer(
        &self,
        whereabouts: &Whereabouts,
        reason: Option<&str>,
        status: Option<StatusCode>,
    ) -> graphql::Error {
        let path = self.client_path(&whereabouts.all());
        let hidden = self.teller.policy.mode == ErrorMode::Hidden;
        let mut message = "Failed to fetch from Subgraph".to_owned();
        if !hidden {
            let place = self.client_path(&whereabouts.typical());
            message.push_str(&format!(" '{}'{}", self.teller.service, at_path(&place)));
        }
        if let Some(reason) = reason.filter(|_| !hidden) {
            message.push_str(&format!(", Reason: {reason}"));
        }
        message.push('.');
        let error = self.teller.with_code(graphql::Error::new(message).with_path(path));
        if hidden { error } else { self.teller.with_status(self.teller.with_service(error), status) }
    }

    fn client_path(&self, place: &[graphql::PathSegment]) -> Path {
        if self.teller.policy.rewrite_paths {
            client_path(self.projection, self.teller.document, self.root, place)
        } else {
            Path::new()
        }
    }

    /// Everywhere that the client sees a place, as far as there is room for errors about it.
    fn client_paths(&self, place: &[graphql::PathSegment], room: usize) -> Vec<Path> {
        if self.teller.policy.rewrite_paths {
            client_paths(self.projection, self.teller.document, self.root, place, room.max(1))
        } else {
            vec![Path::new()]
        }
    }

    /// The path as the subgraph sees it; empty when it gave none that makes sense.
    fn path(&self, error: NodeId) -> Path {
        let document = self.teller.document;
        let segments = document.get(error, "path").into_iter().flat_map(|it| document.children(it));
        let read = |it: NodeId| match document.as_str(it) {
            Some(key) => Some(graphql::PathSegment::Key(key.into())),
            None => document.as_number(it)?.parse().ok().map(graphql::PathSegment::Index),
        };
        segments.map(read).collect::<Option<_>>().unwrap_or_default()
    }
}

impl Teller<'_> {
    /// A subgraph's error without its path.
    pub(super) fn template(&self, error: NodeId, status: Option<StatusCode>) -> graphql::Error {
        let document = self.document;
        let message = document.get(error, "message").and_then(|it| document.as_str(it));
        let message = match message {
            Some(message) => message.into_owned(),
            None => format!("Failed to fetch from Subgraph '{}'.", self.service),
        };
        let mut made = graphql::Error::new(message);
        for (name, value) in self.members(Some(error)) {
            if self.policy.allowed_fields.iter().any(|it| **it == *name) {
                made.others.get_or_insert_default().push((name, self.json(value)));
            }
        }
        if !self.policy.omit_locations {
            made.locations = self.locations(error);
        }
        if self.policy.omit_extensions {
            return made;
        }
        let extensions: Vec<_> = self.members(document.get(error, "extensions")).collect();
        let has = |wanted: &str| extensions.iter().any(|(name, _)| **name == *wanted);
        if !has("code") {
            made = self.with_code(made);
        }
        for (name, value) in extensions.iter().filter(|(name, _)| self.may_pass(name)) {
            made = made.with_extension(name, self.json(*value));
        }
        let named =
            if has("serviceName") && self.may_pass("serviceName") { made } else { self.with_service(made) };
        self.with_status(named, status)
    }

    fn may_pass(&self, extension: &str) -> bool {
        self.policy.allowed_extensions.as_ref().is_none_or(|it| it.iter().any(|it| it == extension))
    }

    pub(super) fn with_code(&self, error: graphql::Error) -> graphql::Error {
        match &*self.policy.default_code {
            "" => error,
            code => error.with_extension("code", json_string(code)),
        }
    }

    pub(super) fn with_service(&self, error: graphql::Error) -> graphql::Error {
        match self.policy.attach_service_name {
            true => error.with_extension("serviceName", json_string(self.service)),
            false => error,
        }
    }

    fn with_status(&self, error: graphql::Error, status: Option<StatusCode>) -> graphql::Error {
        match status {
            Some(status) => error.with_extension("statusCode", status.as_u16().to_string().into()),
            None => error,
        }
    }

    /// The members of an object; none of anything else.
    fn members(&self, object: Option<NodeId>) -> impl Iterator<Item = (Arc<str>, NodeId)> {
        let document = self.document;
        let object = object.filter(|it| document.kind(*it) == Kind::Object);
        object.into_iter().flat_map(|it| document.entries(it)).map(|(name, value)| (Arc::from(name), value))
    }

    fn json(&self, value: NodeId) -> Bytes {
        let mut json = Vec::new();
        self.document.write(value, &mut json);
        json.into()
    }

    fn locations(&self, error: NodeId) -> Vec<graphql::Location> {
        let document = self.document;
        let number = |it: NodeId, name| document.as_number(document.get(it, name)?)?.parse().ok();
        let read = |it| Some(graphql::Location { line: number(it, "line")?, column: number(it, "column")? });
        let list = document.get(error, "locations").into_iter().flat_map(|it| document.children(it));
        list.filter_map(read).collect()
    }
}

/// ` at Path 'a.b'` for messages; nothing for the root.
fn at_path(path: &[graphql::PathSegment]) -> String {
    let keys: Vec<&str> = path
        .iter()
        .filter_map(|it| match it {
            graphql::PathSegment::Key(key) => Some(&**key),
            graphql::PathSegment::Index(_) => None,
        })
        .collect();
    if keys.is_empty() { String::new() } else { format!(" at Path '{}'", keys.join(".")) }
}
