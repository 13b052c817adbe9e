//! The one door to subgraphs: every request of every plan passes through [`Dispatcher::send`].
//!
//! A subgraph's permits bound how many requests may wait for it; one that hangs uses up only its own.
//! What is sent arrives here in parts (shape, variables, representations) and becomes bytes here, so that
//! this is also the place where calls of equal shape can be merged. Queries that are equal to the byte are
//! sent once while one is in flight (`flights`).

use super::{
    ErrorPropagation, FetchError, FetchRequest, Options, Subgraphs,
    counters::{Counters, Gauged, count},
    flights::{Flights, Outcome},
};
use crate::{
    graphql::{Uploads, Variables, json::write_string},
    plan::{Forwarded, HeaderList, OperationKind, SubgraphRequest},
};
use std::sync::Arc;
use tokio::sync::Semaphore;

pub(super) struct Dispatcher {
    subgraphs: Arc<dyn Subgraphs>,
    /// By subgraph id.
    permits: Box<[Semaphore]>,
    /// `None` when every request goes out by itself.
    flights: Option<Arc<Flights>>,
    errors: ErrorPropagation,
    counters: Arc<Counters>,
}

/// A request in parts.
pub(super) struct Call<'a> {
    pub(super) request: &'a SubgraphRequest,
    pub(super) variables: &'a Variables,
    pub(super) lists: &'a [EntityList<'a>],
    pub(super) errand: Errand<'a>,
}

/// On whose behalf a request is made.
#[derive(Clone, Copy)]
pub(super) struct Errand<'a> {
    pub(super) forwarded: &'a Forwarded,
    pub(super) trace: Option<&'a HeaderList>,
    /// It is for an event. An answer that was asked for before the event came may be older than it, so
    /// nothing is shared with requests under way.
    pub(super) for_event: bool,
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
        let flights = options.share_queries_in_flight.then(Arc::default);
        Self { subgraphs, permits, flights, errors: options.errors.clone(), counters }
    }

    /// How errors of subgraphs reach clients.
    pub(super) fn errors(&self) -> &ErrorPropagation {
        &self.errors
    }

    /// Sends one request, or waits for the answer to an equal one.
    pub(super) async fn send(self: &Arc<Self>, call: Call<'_>) -> Outcome {
        let (request, representations) = (call.to_request(), call.lists.iter().map(|it| it.len).sum());
        let files = call.files(&request);
        let may_be_shared = files.is_none() && call.may_be_shared();
        let Some(flights) = self.flights.as_ref().filter(|_| may_be_shared) else {
            return self.clone().exchange(request, files, representations).await;
        };
        let (flight, was_there) =
            flights.join(request, |it| Box::pin(self.clone().exchange(it, None, representations)));
        if was_there {
            count(&self.counters.fetches_shared, 1);
        }
        flight.await
    }

    /// Sends one request, when it is its turn.
    async fn exchange(
        self: Arc<Self>,
        request: FetchRequest,
        files: Option<Arc<Uploads>>,
        representations: usize,
    ) -> Outcome {
        let index = usize::from(request.subgraph.0);
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
        count(&self.counters.representations, representations);
        match files {
            None => self.subgraphs.fetch(request).await,
            Some(files) => self.subgraphs.fetch_with_files(request, files).await,
        }
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
        self.write_extensions(&mut body);
        body.push(b'}');
        let headers = self.errand.forwarded.headers(subgraph).cloned();
        FetchRequest { subgraph, kind, body: body.into(), headers, trace: self.errand.trace.cloned() }
    }

    /// The client's files, if some of them belong into this request.
    fn files(&self, request: &FetchRequest) -> Option<Arc<Uploads>> {
        let files = self.errand.forwarded.files.as_ref()?;
        (!files.named_in(&request.body).is_empty()).then(|| files.clone())
    }

    /// A mutation is everybody's own.
    fn may_be_shared(&self) -> bool {
        self.request.kind == OperationKind::Query && !self.errand.for_event
    }

    fn write_extensions(&self, out: &mut Vec<u8>) {
        let extensions = &self.errand.forwarded.extensions;
        if !extensions.is_empty() {
            out.extend_from_slice(b",\"extensions\":");
            out.extend_from_slice(extensions);
        }
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
