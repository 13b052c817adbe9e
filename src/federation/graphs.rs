//! What there is to load: SDL as its owners wrote it. Nothing here has been read yet.

use std::{collections::BTreeMap, path::PathBuf};

/// The graphs to serve, as their owners wrote them. Exactly one of `subgraphs` and `supergraph` is there
/// (or neither, where event graphs are served alone).
#[derive(Clone, Debug, Default)]
pub struct Graphs {
    pub subgraphs: Vec<SubgraphSource>,
    pub supergraph: Option<SupergraphSource>,
    pub event_graphs: Vec<EventGraphSource>,
    /// Serve a graph some of whose fields no subgraph can be reached for: they answer null with an error.
    pub lenient: bool,
    /// Serve what asks for protection that this version does not enforce.
    pub serve_unprotected: bool,
    /// Coordinates that the source says are protected, beside what SDL says.
    pub protected: Vec<String>,
    /// Whole other graphs by the name of the feature flag under which they are served instead.
    pub feature_flags: BTreeMap<String, Self>,
}

/// A subgraph's SDL and where its server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubgraphSource {
    pub name: String,
    pub routing_url: String,
    pub sdl: String,
    pub file: Option<PathBuf>,
    /// How it serves subscriptions of its own, where its source says so.
    pub subscription: Option<SubscriptionSource>,
}

/// How a subgraph serves subscriptions, as its source says it. Nothing is decided by it here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionSource {
    /// `None`: where its queries go.
    pub url: Option<String>,
    pub travel: Travel,
    pub dialect: Dialect,
}

/// How subscriptions travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Travel {
    #[default]
    WebSocket,
    Sse,
    SsePost,
}

/// The dialect on a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// What the subgraph chooses.
    #[default]
    Auto,
    GraphqlWs,
    GraphqlTransportWs,
}

/// A supergraph SDL that was composed elsewhere (join specification v0.3 or later).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SupergraphSource {
    pub sdl: String,
    pub file: Option<PathBuf>,
}

/// An event graph's SDL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventGraphSource {
    pub name: String,
    pub sdl: String,
    pub file: Option<PathBuf>,
}
