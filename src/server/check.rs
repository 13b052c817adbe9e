//! Everything that a look at the options can tell about a start: graphs, files of TLS and of credentials, addresses,
//! providers that the graph names. What is left are ports, and whether others are there.

use super::{Options, StartError, tls::Files};
use crate::{
    federation::Schemas,
    plan::{ProviderId, ProviderKind},
    sources::{self, subgraph},
};
use std::collections::BTreeSet;

/// Options with which the router starts, and what was made of them on the way.
pub struct Checked {
    pub(super) options: Options,
    pub(super) schemas: Schemas,
    pub(super) tls: Option<Files>,
    notes: Vec<String>,
    /// Fields that will not work until their provider is there, which a start may do without.
    pub(super) missing: Vec<String>,
}

impl Checked {
    /// What will not work as written, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Looks whether the router can start with these options, and connects nothing. The errors are all there are.
pub fn check(options: &Options) -> Result<Checked, Vec<StartError>> {
    let mut errors = Vec::new();
    let tls = options.tls.as_ref().map(Files::open).transpose();
    let tls = tls.map_err(|error| errors.push(error));
    errors.extend(sources::check(&options.sources).into_iter().map(StartError::Sources));
    let schemas = Schemas::load(&options.graphs).map_err(|error| errors.push(StartError::Graph(error)));
    let found = schemas.as_ref().map(|it| check_graph(options, it, &mut errors));
    let (notes, missing) = found.unwrap_or_default();
    match (tls, schemas) {
        (Ok(tls), Ok(schemas)) if errors.is_empty() => {
            Ok(Checked { options: options.clone(), schemas, tls, notes, missing })
        }
        _ => Err(errors),
    }
}

/// What the graph has that the rest of the options must fit to: notes, and what is missing.
fn check_graph(
    options: &Options,
    schemas: &Schemas,
    errors: &mut Vec<StartError>,
) -> (Vec<String>, Vec<String>) {
    let mut notes: Vec<String> = schemas.notes().collect();
    notes.extend(strangers(options, schemas));
    let endpoints = super::threads::endpoints(options, schemas);
    let subscriptions = &options.subscription_endpoints;
    errors.extend(subgraph::check(&endpoints, subscriptions).into_iter().map(StartError::Subgraphs));
    let missing = sources::missing(&options.sources, &used_providers(schemas));
    if !options.sources.skip_unavailable_providers {
        errors.extend(missing.into_iter().map(StartError::Sources));
        return (notes, Vec::new());
    }
    let words = |it| format!("{it}; fields that need it answer FEED_UNAVAILABLE");
    (notes, missing.into_iter().map(words).collect())
}

/// Subgraphs that something is set about and that the graph does not have.
fn strangers(options: &Options, schemas: &Schemas) -> impl Iterator<Item = String> {
    let named = options.subgraphs.names().chain(options.subscription_endpoints.keys().map(String::as_str));
    let is_there =
        |name: &str| schemas.subgraphs().iter().any(|it| *it.configured == *name || *it.name == *name);
    let unknown: BTreeSet<&str> = named.filter(|it| !is_there(it)).collect();
    unknown.into_iter().map(|name| {
        format!("the configuration sets something about a subgraph '{name}', which is not in the graph")
    })
}

/// Providers that the event fields of all schemas name, each once.
pub(super) fn used_providers(schemas: &Schemas) -> Vec<(ProviderKind, ProviderId)> {
    let mut used: Vec<_> = schemas.event_fields().map(|it| (it.kind, it.provider.clone())).collect();
    used.sort_by(|a, b| a.1.cmp(&b.1));
    used.dedup();
    used
}
