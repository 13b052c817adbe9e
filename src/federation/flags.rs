//! Schemas that feature flags put in place of the usual one.
//!
//! All of them share one list of subgraphs, so that a [`SubgraphId`] means the same server whichever
//! schema planned the fetch: plans of several schemas can be carried out, and events fanned out, side by
//! side.

use super::{
    errors::{LoadError, LoadErrors},
    graphs::{Graphs, SubgraphSource},
    protection::refusal,
    schema::{EventField, Schema, Subgraph},
};
use crate::plan::SubgraphId;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The schema that is served, and those behind feature flags by the flags' names.
#[derive(Debug)]
pub struct Schemas {
    pub base: Schema,
    pub flags: BTreeMap<String, Schema>,
}

impl Schemas {
    /// Loads all of them; one that is wrong is an error, for clients would silently get another. So is one that asks
    /// for protection which it would not have, unless the graphs say so.
    pub fn load(graphs: &Graphs) -> Result<Self, LoadErrors> {
        let base = Schema::load(graphs)?;
        let mut flags = BTreeMap::new();
        for (flag, graphs) in &graphs.feature_flags {
            let schema = Schema::load(graphs)
                .map_err(|errors| LoadErrors(errors.0.into_iter().map(|it| behind(flag, it)).collect()))?;
            flags.insert(flag.clone(), schema);
        }
        let mut schemas = Self { base, flags };
        let unenforced = schemas.unenforced();
        if !graphs.serve_unprotected && !unenforced.is_empty() {
            return Err(LoadErrors(refusal(unenforced)));
        }
        schemas.share_subgraphs();
        Ok(schemas)
    }

    /// The subgraphs of all schemas, by [`SubgraphId`].
    pub fn subgraphs(&self) -> &[Subgraph] {
        self.base.subgraphs()
    }

    /// The event fields of all schemas.
    pub fn event_fields(&self) -> impl Iterator<Item = &EventField> {
        let flagged = self.flags.values().flat_map(Schema::event_fields);
        self.base.event_fields().iter().chain(flagged)
    }

    /// What was changed or passed over while loading, a sentence each.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let flagged = self.flags.iter().flat_map(|(flag, schema)| {
            schema.notes().iter().map(move |it| format!("feature flag \"{flag}\": {it}"))
        });
        self.base.notes().iter().cloned().chain(flagged)
    }

    /// Where protection is asked for. What a flag's graph has in common with the usual one is named once.
    fn unenforced(&self) -> Vec<LoadError> {
        let mut all = self.base.unenforced().to_vec();
        for (flag, schema) in &self.flags {
            let own: Vec<&LoadError> = schema.unenforced().iter().filter(|it| !all.contains(it)).collect();
            let own: Vec<LoadError> = own.into_iter().map(|it| behind(flag, it.clone())).collect();
            all.extend(own);
        }
        all
    }

    fn share_subgraphs(&mut self) {
        if self.flags.is_empty() {
            return;
        }
        let mut all = self.base.subgraphs().to_vec();
        let mut ids: Vec<HashMap<Arc<str>, SubgraphId>> = Vec::new();
        for (flag, schema) in &self.flags {
            let places = schema.subgraphs().iter().map(|it| (it.name.clone(), place(&mut all, it, flag)));
            ids.push(places.collect());
        }
        let all: Arc<[Subgraph]> = all.into();
        self.base.use_subgraphs(all.clone(), None);
        for (schema, ids) in self.flags.values_mut().zip(ids) {
            schema.use_subgraphs(all.clone(), Some(ids));
        }
    }
}

/// An error about the graph of a flag.
fn behind(flag: &str, error: LoadError) -> LoadError {
    LoadError { message: format!("feature flag \"{flag}\": {}", error.message), ..error }
}

/// The name by which a subgraph goes behind a flag, beside those of the usual graph.
pub fn flagged_name(subgraph: &SubgraphSource, flag: &str, base: &[SubgraphSource]) -> String {
    let is_other = |it: &SubgraphSource| it.name == subgraph.name && it.routing_url != subgraph.routing_url;
    if base.iter().any(is_other) { beside(&subgraph.name, flag) } else { subgraph.name.clone() }
}

fn beside(name: &str, flag: &str) -> String {
    format!("{name}@{flag}")
}

/// The id of a subgraph in the list of all. One of the same name at another address is a server of its
/// own; it goes by the flag's name too, so that errors and metrics tell the two apart.
fn place(all: &mut Vec<Subgraph>, subgraph: &Subgraph, flag: &str) -> SubgraphId {
    let at = all.iter().position(|it| it == subgraph).unwrap_or_else(|| {
        let is_taken = all.iter().any(|it| it.name == subgraph.name);
        let name = if is_taken { beside(&subgraph.name, flag).into() } else { subgraph.name.clone() };
        all.push(Subgraph { name, ..subgraph.clone() });
        all.len() - 1
    });
    SubgraphId(u16::try_from(at).expect("fewer than 65,536 subgraphs"))
}
