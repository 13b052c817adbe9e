//! The planner crate behind a small door: a supergraph in, query plans out, no panic through it.

use super::{
    errors::{LoadError, LoadErrors},
    provides::without_ambiguous,
};
use graphql_tools::static_graphql::{query, schema};
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
pub(super) const TIMED_OUT: &str = "timed out";

/// A plan, and the operation as it was planned.
pub(super) type PlannedDocument = (NormalizedDocument, QueryPlan);

pub(super) struct Planner {
    inner: Inner,
    /// The supergraph, whole.
    pub(super) supergraph: schema::Document,
}

impl Planner {
    pub(super) fn new(sdl: &str) -> Result<Self, LoadErrors> {
        let supergraph = safe_parse_schema(sdl).map_err(|it| unusable(it.to_string()))?;
        Self::of(supergraph)
    }

    pub(super) fn of(supergraph: schema::Document) -> Result<Self, LoadErrors> {
        let inner = make(without_ambiguous(&supergraph).as_ref().unwrap_or(&supergraph))?;
        Ok(Self { inner, supergraph })
    }

    /// The schema that clients see, with introspection types.
    pub(super) fn consumer_schema(&self) -> &schema::Document {
        &self.inner.consumer_schema.document
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

    /// Makes a document that holds one operation plain: no fragments but for types, equal fields merged.
    pub(super) fn normalize(&self, document: &query::Document) -> Result<NormalizedDocument, String> {
        guarded(|| {
            let mut normalized =
                normalize_operation(&self.inner.supergraph, document, None).map_err(|it| it.to_string())?;
            normalized.operation.name = None;
            Ok(normalized)
        })
    }

    /// Plans an operation. The text is why it cannot be planned.
    pub(super) fn plan(&self, operation: &NormalizedDocument) -> Result<QueryPlan, String> {
        guarded(|| {
            let timeout = CancellationToken::with_timeout(PLANNING_TIMEOUT);
            let (operation, overrides) = (&operation.operation, PlannerOverrideContext::default());
            self.inner
                .plan_from_normalized_operation(operation, overrides, &timeout)
                .map_err(|it| it.to_string())
        })
    }

    /// Both at once.
    pub(super) fn plan_document(&self, document: &query::Document) -> Result<PlannedDocument, String> {
        let normalized = self.normalize(document)?;
        let plan = self.plan(&normalized)?;
        Ok((normalized, plan))
    }
}

fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the planner gave up on it".into()))
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
