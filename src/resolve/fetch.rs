//! The one door to subgraphs: every request of every plan passes through [`Dispatcher::send`].
//!
//! A subgraph's permits bound how many requests may wait for it; one that hangs uses up only its own.
//! What is sent arrives here in parts (shape, variables, representations) and becomes bytes as late as
//! possible, so that this is also the place where calls of equal shape can be merged.

use super::{
    FetchError, FetchRequest, Options, Subgraphs,
    counters::{Counters, Gauged, count},
};
use crate::{
    graphql::{Variables, json::write_string},
    plan::SubgraphRequest,
};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::Semaphore;

pub(super) struct Dispatcher {
    subgraphs: Arc<dyn Subgraphs>,
    /// By subgraph id.
    permits: Box<[Semaphore]>,
    counters: Arc<Counters>,
}

/// A request in parts.
pub(super) struct Call<'a> {
    pub(super) request: &'a SubgraphRequest,
    pub(super) variables: &'a Variables,
    pub(super) lists: &'a [EntityList<'a>],
}

/// A variable that holds representations.
pub(super) struct EntityList<'a> {
    pub(super) variable: &'a str,
    /// A JSON list.
    pub(super) json: &'a [u8],
    pub(super) len: usize,
}

impl Dispatcher {
    pub(super) fn new(options: &Options, subgraphs: Arc<dyn Subgraphs>, counters: Arc<Counters>) -> Self {
        let permits = options.max_concurrent_resolvers.clamp(1, Semaphore::MAX_PERMITS);
        let permits = counters.subgraphs.iter().map(|_| Semaphore::new(permits)).collect();
        Self { subgraphs, permits, counters }
    }

    /// Sends one request, when it is its turn.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Bytes, FetchError> {
        let index = usize::from(call.request.subgraph.0);
        let (Some(permits), Some(gauges)) = (self.permits.get(index), self.counters.subgraphs.get(index))
        else {
            return Err(FetchError::Unreachable(format!("no subgraph has the number {index}")));
        };
        let _permit = match permits.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                let _waiting = Gauged::new(&gauges.waiting);
                permits.acquire().await.map_err(|_| FetchError::Stopping)?
            }
        };
        let _in_flight = Gauged::new(&gauges.in_flight);
        count(&self.counters.fetches, 1);
        count(&self.counters.representations, call.lists.iter().map(|it| it.len).sum());
        self.subgraphs.fetch(call.to_request()).await
    }
}

impl Call<'_> {
    fn to_request(&self) -> FetchRequest {
        let SubgraphRequest { subgraph, kind, ref document, .. } = *self.request;
        let lists: usize = self.lists.iter().map(|it| it.json.len() + it.variable.len()).sum();
        let mut body = Vec::with_capacity(document.len() + lists + 128);
        body.extend_from_slice(b"{\"query\":");
        write_string(document, &mut body);
        self.write_variables(&mut body);
        body.push(b'}');
        FetchRequest { subgraph, kind, body: body.into() }
    }

    /// The member `variables`, left out when there are none.
    fn write_variables(&self, out: &mut Vec<u8>) {
        let given =
            self.request.variables.iter().filter_map(|it| Some((&**it, &self.variables.get(it)?[..])));
        let lists = self.lists.iter().map(|it| (it.variable, it.json));
        let mut open = b",\"variables\":{".as_slice();
        let start = out.len();
        for (name, json) in given.chain(lists) {
            out.extend_from_slice(open);
            open = b",";
            write_string(name, out);
            out.push(b':');
            out.extend_from_slice(json);
        }
        if out.len() > start {
            out.push(b'}');
        }
    }
}
