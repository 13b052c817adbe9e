//! From a plan to a response: one operation, or one event for one group.

use super::{
    Brokers, Counters, Options, SubgraphHeaders, Subgraphs,
    buffers::{Buffers, Scratch},
    counters::count,
    errors::Errors,
    event::{check, put_under_key},
    fetch::{Dispatcher, Errand},
    job::Job,
    lacking::Lacking,
    project::{Data, Root, write_data},
    upstream,
};
use crate::{
    graphql::{
        self,
        json::{Document, NodeId},
        write_errors,
    },
    plan::{BoundOperation, Event, EventFeedField, FeedField, GroupSpec, Operation},
};
use bytes::Bytes;
use futures_util::FutureExt;
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

/// Carries out plans against one set of subgraphs. Cheap to clone.
///
/// Its futures need no runtime: [`super::Pool::resolve`] is where they are meant to run. Each answers,
/// whatever happens: a panic becomes an internal error.
#[derive(Clone)]
pub struct Executor {
    inner: Arc<Inner>,
}

/// What became of an operation.
#[derive(Debug)]
pub struct Executed {
    /// The whole response as JSON.
    pub response: Bytes,
    pub has_errors: bool,
    /// Headers of the subgraphs' answers, in the order in which those came.
    pub headers: Vec<SubgraphHeaders>,
}

/// An event that a group was told of as an error, because it cannot stand in the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEvent {
    /// The subscription's field.
    pub field: Arc<str>,
    pub message: String,
}

impl Executed {
    fn failed(error: graphql::Error) -> Self {
        Self { response: response(&[error], b"null"), has_errors: true, headers: Vec::new() }
    }
}

struct Inner {
    dispatcher: Arc<Dispatcher>,
    brokers: Arc<dyn Brokers>,
    buffers: Buffers,
    counters: Arc<Counters>,
    last_refused: Mutex<Option<RefusedEvent>>,
}

impl Executor {
    /// `names` are the subgraphs' names by [`crate::plan::SubgraphId`].
    pub fn new(
        options: &Options,
        names: Vec<Arc<str>>,
        subgraphs: Arc<dyn Subgraphs>,
        brokers: Arc<dyn Brokers>,
    ) -> Self {
        let counters = Arc::new(Counters::new(names));
        let dispatcher = Arc::new(Dispatcher::new(options, subgraphs, counters.clone()));
        let buffers = Buffers::new(options, counters.clone());
        Self {
            inner: Arc::new(Inner { dispatcher, brokers, buffers, counters, last_refused: Mutex::default() }),
        }
    }

    /// Carries out a query or mutation.
    pub fn execute(&self, bound: BoundOperation) -> impl Future<Output = Executed> + Send + use<> {
        let inner = self.inner.clone();
        guarded(self.inner.counters.clone(), async move {
            let mut scratch = inner.buffers.take();
            let start = Start { root: scratch.document.new_object(), errors: Errors::default() };
            let errand =
                Errand { forwarded: &bound.forwarded, trace: bound.trace.as_ref(), for_event: false };
            inner.carry_out(scratch, start, &bound, errand).await
        })
    }

    /// Carries out what a group wants of one event; answers with the whole response as JSON.
    ///
    /// The spec must be that of an event subscription.
    pub fn resolve(
        &self,
        spec: Arc<GroupSpec>,
        event: Arc<Event>,
    ) -> impl Future<Output = Bytes> + Send + use<> {
        let inner = self.inner.clone();
        guarded(self.inner.counters.clone(), async move {
            let feed = spec.bound.operation.plan.feed.as_ref().expect("a group's operation has a feed");
            let mut scratch = inner.buffers.take();
            match inner.take_in(&mut scratch, &event, feed, &spec.bound.operation) {
                Ok(start) => {
                    let errand = Errand { forwarded: &spec.bound.forwarded, trace: None, for_event: true };
                    inner.carry_out(scratch, start, &spec.bound, errand).await
                }
                Err(error) => {
                    inner.buffers.give_back(scratch);
                    inner.refuse(feed, error)
                }
            }
        })
        .map(|it| it.response)
    }

    /// Buffers for a run of events, of which none needs a fetch.
    pub fn workspace(&self) -> Workspace<'_> {
        Workspace { inner: &self.inner, scratch: self.inner.buffers.take() }
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.inner.counters
    }

    /// The newest event that was refused. How many there were is in the counters.
    pub fn last_refused(&self) -> Option<RefusedEvent> {
        self.inner.last_refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Resolves events one after the other where they are, with [`Executor::workspace`]'s buffers.
pub struct Workspace<'a> {
    inner: &'a Inner,
    scratch: Scratch,
}

impl Workspace<'_> {
    /// As [`Executor::resolve`], for a spec that is [local](GroupSpec::is_local).
    pub fn resolve(&mut self, spec: &GroupSpec, event: &Event) -> Bytes {
        debug_assert!(spec.is_local(), "what has to be fetched would be missing");
        let scratch = &mut self.scratch;
        let done = catch_unwind(AssertUnwindSafe(|| self.inner.resolve_locally(scratch, spec, event)));
        done.map(|executed| {
            self.scratch.clear();
            executed.response
        })
        .unwrap_or_else(|_| {
            // Who knows what was left in them.
            self.scratch = Scratch::default();
            panicked(&self.inner.counters).response
        })
    }
}

impl Drop for Workspace<'_> {
    fn drop(&mut self) {
        self.inner.buffers.give_back(std::mem::take(&mut self.scratch));
    }
}

fn guarded(
    counters: Arc<Counters>,
    work: impl Future<Output = Executed> + Send,
) -> impl Future<Output = Executed> + Send {
    // What outlives the panic is atomics and buffers that are handed back whole or not at all.
    AssertUnwindSafe(work).catch_unwind().map(move |done| done.unwrap_or_else(|_| panicked(&counters)))
}

fn panicked(counters: &Counters) -> Executed {
    count(&counters.panics, 1);
    tracing::error!("carrying out an operation panicked");
    Executed::failed(graphql::Error::internal())
}

/// What there is before the first step.
struct Start {
    root: NodeId,
    errors: Errors,
}

impl Inner {
    fn resolve_locally(&self, scratch: &mut Scratch, spec: &GroupSpec, event: &Event) -> Executed {
        let operation = &*spec.bound.operation;
        let feed = operation.plan.feed.as_ref().expect("a group's operation has a feed");
        match (feed, &operation.constants) {
            (FeedField::Event(feed), None) => self.read_in_place(&mut scratch.out, event, feed, operation),
            _ => self.take_in(scratch, event, feed, operation).map(|Start { root, errors }| {
                self.begin(scratch, operation, root);
                self.respond(scratch, operation, root, errors, &Lacking::default())
            }),
        }
        .unwrap_or_else(|error| self.refuse(feed, error))
    }

    /// What is to be shown is the event and nothing else: no copy of it is needed.
    fn read_in_place(
        &self,
        out: &mut Vec<u8>,
        event: &Event,
        feed: &EventFeedField,
        operation: &Operation,
    ) -> Result<Executed, graphql::Error> {
        let typename = check(&event.document, event.root, feed)?;
        count(&self.counters.executions, 1);
        let root = Root::Member { key: &feed.key, value: event.root, typename };
        Ok(self.write(&event.document, root, operation, Errors::default(), &Lacking::default(), out))
    }

    fn refuse(&self, feed: &FeedField, error: graphql::Error) -> Executed {
        self.remember_refused(feed, &error);
        count(&self.counters.serialisations, 1);
        Executed::failed(error)
    }

    /// Keeps one to tell of: who publishes such events does so often, and the log is for whoever has a clock.
    fn remember_refused(&self, feed: &FeedField, error: &graphql::Error) {
        let refused = RefusedEvent { field: feed.field().clone(), message: error.message.clone() };
        *self.last_refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
        // Behind it, so that whoever sees the number finds the event.
        count(&self.counters.events_invalid, 1);
    }

    /// Starts a document with a copy of the event, which all its groups share.
    fn take_in(
        &self,
        scratch: &mut Scratch,
        event: &Event,
        feed: &FeedField,
        operation: &Operation,
    ) -> Result<Start, graphql::Error> {
        let document = &mut scratch.document;
        document.clone_from(&event.document);
        match feed {
            FeedField::Event(feed) => {
                let root = put_under_key(document, event.root, feed)?;
                Ok(Start { root, errors: Errors::default() })
            }
            FeedField::Upstream(feed) => {
                let policy = self.dispatcher.errors();
                let service = self.counters.name(feed.request.subgraph);
                let (root, errors) =
                    upstream::take_in(document, event.root, feed, operation, service, policy)?;
                Ok(Start { root, errors })
            }
        }
    }

    async fn carry_out(
        &self,
        mut scratch: Scratch,
        Start { root, mut errors }: Start,
        bound: &BoundOperation,
        errand: Errand<'_>,
    ) -> Executed {
        let operation = &*bound.operation;
        self.begin(&mut scratch, operation, root);
        let (mut headers, mut lacking) = (Vec::new(), Lacking::default());
        if let Some(steps) = &operation.plan.steps {
            let job = Job {
                dispatcher: &self.dispatcher,
                brokers: &*self.brokers,
                counters: &self.counters,
                operation,
                variables: &bound.variables,
                errand,
                document: scratch.document.into(),
                root,
                headers: Mutex::default(),
                lacking: Mutex::default(),
            };
            errors.append(job.run(steps).await);
            (scratch.document, headers, lacking) = job.into_parts();
        }
        let executed = self.respond(&mut scratch, operation, root, errors, &lacking);
        self.buffers.give_back(scratch);
        Executed { headers, ..executed }
    }

    /// Adds what is known before anything is fetched.
    fn begin(&self, scratch: &mut Scratch, operation: &Operation, root: NodeId) {
        count(&self.counters.executions, 1);
        if let Some(constants) = &operation.constants {
            let constants = scratch.document.parse(constants.clone()).expect("written when planning");
            scratch.document.merge(root, constants);
        }
    }

    /// Writes the response, once everything is there.
    fn respond(
        &self,
        Scratch { document, out }: &mut Scratch,
        operation: &Operation,
        root: NodeId,
        errors: Errors,
        lacking: &Lacking,
    ) -> Executed {
        self.write(document, Root::Object(root), operation, errors, lacking, out)
    }

    fn write(
        &self,
        document: &Document,
        root: Root<'_>,
        operation: &Operation,
        mut errors: Errors,
        lacking: &Lacking,
        out: &mut Vec<u8>,
    ) -> Executed {
        write_data(&operation.projection, Data { document, root, lacking }, &mut errors, out);
        count(&self.counters.errors_dropped, errors.dropped);
        count(&self.counters.serialisations, 1);
        let response = response(&errors.list, out);
        Executed { response, has_errors: !errors.list.is_empty(), headers: Vec::new() }
    }
}

/// Errors come before data, as clients of other routers are used to.
fn response(errors: &[graphql::Error], data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(data.len() + br#"{"data":}"#.len());
    out.push(b'{');
    if !errors.is_empty() {
        out.extend_from_slice(b"\"errors\":");
        write_errors(errors, &mut out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"data\":");
    out.extend_from_slice(data);
    out.push(b'}');
    out.into()
}
