//! An operation and its plan, ready to be carried out any number of times.

use super::{FeedField, Forwarded, HeaderList, Projection, Step, SubgraphId};
use crate::graphql::Variables;
use bytes::Bytes;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    Query,
    Mutation,
    Subscription,
}

/// A planned operation. Immutable and shared by everyone who sends it.
#[derive(Debug)]
pub struct Operation {
    pub kind: OperationKind,
    /// The client's name for it, for logs and metrics.
    pub name: Option<Arc<str>>,
    /// [`Plan::canonical`], and the constants. Part of the group key.
    pub canonical: Arc<str>,
    /// Data known at planning time (introspection): a JSON object under canonical keys, merged before
    /// the first step.
    pub constants: Option<Bytes>,
    pub projection: Projection,
    pub plan: Arc<Plan>,
}

/// The fetching side of an operation, shared by all that differ only in how they are written: in aliases,
/// fragments, the order of fields, white space.
#[derive(Debug)]
pub struct Plan {
    /// The operation without aliases, fragments and conditions, under its schema: two operations with
    /// equal text fetch the same data in the same way.
    pub canonical: Arc<str>,
    /// What to fetch; `None` when the constants, or the event alone, hold everything. Of a subscription:
    /// what to fetch for each event.
    pub steps: Option<Step>,
    /// What a subscription listens to. `None` for queries and mutations.
    pub feed: Option<FeedField>,
    /// Variables that reach a subgraph or a publishing broker, sorted. Others do not split groups; those in
    /// a feed's arguments do so by what the feed and its rule come to.
    pub variables_used: Vec<Arc<str>>,
    /// Every subgraph that `steps` may ask, sorted.
    pub subgraphs: Vec<SubgraphId>,
}

/// An operation and what one request brings to it.
#[derive(Clone, Debug)]
pub struct BoundOperation {
    pub operation: Arc<Operation>,
    pub variables: Variables,
    pub forwarded: Forwarded,
    /// Headers that name this one request (its id, its trace). They go to subgraphs with it, and decide
    /// nothing: requests that differ in them alone are equal.
    pub trace: Option<HeaderList>,
}
