//! What reaches subgraphs on behalf of one client.

use super::SubgraphId;
use crate::graphql::Uploads;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::sync::Arc;

/// Headers of a request, in the order they are sent.
pub type HeaderList = Arc<[(HeaderName, HeaderValue)]>;

/// Everything of a client's that its operation carries to subgraphs. Part of every key under which work is
/// shared: requests may be shared only between clients on whose behalf they are equal.
///
/// Empty for a client that header rules take nothing from; then it holds no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Forwarded {
    /// By subgraph, sorted; subgraphs without headers are left out.
    headers: Option<Arc<[(SubgraphId, HeaderList)]>>,
    /// The request's `extensions` as JSON; empty when there are none. Never part of an entity fetch for an
    /// event.
    pub extensions: Bytes,
    /// The payload of `connection_init` for subgraphs that are subscribed to over WebSocket.
    pub init_payload: Option<Bytes>,
    /// Files that variables have tickets for.
    pub files: Option<Arc<Uploads>>,
}

impl Forwarded {
    /// Headers by subgraph. Empty lists are left out.
    pub fn new(headers: impl IntoIterator<Item = (SubgraphId, HeaderList)>) -> Self {
        let mut headers: Vec<_> = headers.into_iter().filter(|(_, list)| !list.is_empty()).collect();
        headers.sort_unstable_by_key(|(id, _)| *id);
        Self { headers: (!headers.is_empty()).then(|| headers.into()), ..Self::default() }
    }

    /// What of it reaches one subgraph.
    pub fn only(&self, subgraph: SubgraphId) -> Self {
        let headers = self.headers(subgraph).map(|list| (subgraph, list.clone()));
        let (extensions, init_payload) = (self.extensions.clone(), self.init_payload.clone());
        Self { extensions, init_payload, ..Self::new(headers) }
    }

    /// The headers for one subgraph.
    pub fn headers(&self, subgraph: SubgraphId) -> Option<&HeaderList> {
        let headers = self.headers.as_deref()?;
        let at = headers.binary_search_by_key(&subgraph, |(id, _)| *id).ok()?;
        Some(&headers[at].1)
    }
}
