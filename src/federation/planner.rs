//! The planner crate behind a small door: a supergraph in, query plans out, no panic through it.

use super::{
    effort::{self, TooMuch},
    errors::{LoadError, LoadErrors},
    plain::plain_sdl,
    provides::without_ambiguous,
};
use federation_composition::graphql_core;
use graphql_tools::{
    parser::parse_query,
    static_graphql::{query, schema},
};
use hive_router_query_planner::{
    ast::{document::NormalizedDocument, normalization::normalize_operation},
    graph::PlannerOverrideContext,
    planner::{Planner as Inner, QueryPlannerOptions, plan_nodes::QueryPlan},
    utils::{cancellation::CancellationToken, parsing::safe_parse_schema},
};
use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// How long one plan may take. The crate looks at it now and then only, so it can be overrun; the limits
/// on operations are what keeps planning short.
const PLANNING_TIMEOUT: Duration = Duration::from_secs(2);

/// What the planner says when a plan took too long.
const TIMED_OUT: &str = "timed out";

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unplanned {
    /// Planning it would be too much work.
    TooMuch,
    /// The planner has given up on it after a while.
    TimedOut,
    /// In the planner's words.
    NoWay(String),
}

/// A plan, and the operation as it was planned.
pub(super) type PlannedDocument = (NormalizedDocument, QueryPlan);

pub(super) struct Planner {
    inner: Inner,
    /// The supergraph, whole.
    pub(super) supergraph: schema::Document,
}

impl Planner {
    pub(super) fn new(supergraph: &graphql_core::Document) -> Result<Self, LoadErrors> {
        let sdl = plain_sdl(supergraph);
        let read = catch_unwind(AssertUnwindSafe(|| safe_parse_schema(&sdl)));
        match read {
            Ok(Ok(supergraph)) => Self::of(supergraph),
            Ok(Err(error)) => Err(unusable(error.to_string())),
            Err(_) => Err(unusable("the planner could not read this supergraph".into())),
        }
    }

    pub(super) fn of(supergraph: schema::Document) -> Result<Self, LoadErrors> {
        let inner = make(without_ambiguous(&supergraph).as_ref().unwrap_or(&supergraph))?;
        Ok(Self { inner, supergraph })
    }

    /// The name of a graph's root type.
    pub(super) fn root_type(&self, kind: crate::plan::OperationKind) -> &str {
        use crate::plan::OperationKind;
        let state = &self.inner.supergraph;
        match kind {
            OperationKind::Query => &state.query_type,
            OperationKind::Mutation => state.mutation_type.as_deref().unwrap_or("Mutation"),
            OperationKind::Subscription => state.subscription_type.as_deref().unwrap_or("Subscription"),
        }
    }

    /// Interfaces that a subgraph serves as an object (`@interfaceObject`).
    pub(super) fn interface_objects(&self) -> HashSet<String> {
        let by_interface = &self.inner.supergraph.interface_object_types_in_subgraphs;
        by_interface.iter().filter(|(_, graphs)| !graphs.is_empty()).map(|(name, _)| name.clone()).collect()
    }

    /// Names of all graphs with their URLs.
    pub(super) fn graphs(&self) -> impl Iterator<Item = (&str, &str)> {
        let urls = &self.inner.supergraph.subgraph_endpoint_map;
        urls.iter().map(|(name, url)| (name.as_str(), url.as_str()))
    }

    /// The work that planning a document would be: see [`effort`].
    pub(super) fn work(&self, document: &query::Document) -> Result<u64, TooMuch> {
        effort::estimate(&self.inner.supergraph, document)
    }

    /// Makes a document that holds one operation plain: no fragments but for types, equal fields merged. The caller has
    /// seen to it that this is not too much [work](Planner::work).
    pub(super) fn normalize(&self, document: &query::Document) -> Result<NormalizedDocument, Unplanned> {
        guarded(|| {
            let mut normalized =
                normalize_operation(&self.inner.supergraph, document, None).map_err(|it| it.to_string())?;
            normalized.operation.name = None;
            Ok(normalized)
        })
    }

    pub(super) fn plan(&self, operation: &NormalizedDocument) -> Result<QueryPlan, Unplanned> {
        guarded(|| {
            let timeout = CancellationToken::with_timeout(PLANNING_TIMEOUT);
            let (operation, overrides) = (&operation.operation, PlannerOverrideContext::default());
            self.inner
                .plan_from_normalized_operation(operation, overrides, &timeout)
                .map_err(|it| it.to_string())
        })
    }
}

/// Whether the planner can read a field set. It takes fewer levels than the composer, and not every number.
pub(super) fn can_read(field_set: &str) -> bool {
    let text = format!("{{{field_set}}}");
    catch_unwind(|| parse_query::<String>(&text).is_ok()).unwrap_or(false)
}

fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, Unplanned> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(reason)) if reason.contains(TIMED_OUT) => Err(Unplanned::TimedOut),
        Ok(Err(reason)) => Err(Unplanned::NoWay(reason)),
        Err(_) => Err(Unplanned::NoWay("the planner gave up on it".into())),
    }
}

fn unusable(message: String) -> LoadErrors {
    LoadErrors::from(LoadError::new("SUPERGRAPH", message))
}

fn make(supergraph: &schema::Document) -> Result<Inner, LoadErrors> {
    let made = catch_unwind(AssertUnwindSafe(|| {
        Inner::new_from_supergraph(supergraph, QueryPlannerOptions::default())
    }));
    match made {
        Ok(Ok(planner)) => Ok(planner),
        Ok(Err(error)) => Err(unusable(error.to_string())),
        Err(_) => Err(unusable("the planner could not cope with this supergraph".into())),
    }
}
