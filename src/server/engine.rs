//! From a request to something that can be carried out: parse, validate, coerce, plan, render; all of it
//! cached, none of it I/O.
//!
//! [`Engine::prepared`] answers from the caches alone and is cheap enough for the reactor;
//! [`Engine::prepare`] does the whole work, which may take milliseconds, on the pool's prepare lane.

mod files;

use super::{client::Client, stats::EngineStats};
use crate::{
    federation::{Document, Limits, PlanSource, Plans, Schema},
    graphql::{Error, Request, Variables, coerce_variables_with_files},
    headers::{self, HeaderRules},
    plan::{BoundOperation, FeedField, GroupSpec, Operation, OperationKind, SubgraphId},
};
use bytes::Bytes;
use quick_cache::{Equivalent, sync::Cache};
use std::{
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

#[derive(Clone, Debug)]
pub struct Options {
    /// Limits of one operation, checked before it is validated.
    pub limits: Limits,
    /// Documents kept parsed, operations kept as clients write them, and plans kept, each.
    pub plan_cache_size: usize,
    /// Whether `__schema` and `__type` are answered.
    pub introspection: bool,
    pub mutations_blocked: bool,
    pub subscriptions_blocked: bool,
    /// Bytes of an operation's name.
    pub operation_name_bytes_max: usize,
    /// What of a client's headers reaches subgraphs, and back.
    pub headers: headers::Options,
    /// What WebSocket clients may send on to subgraphs.
    pub forward: super::ForwardOptions,
    /// Whether clients may ask for the plan of their operation.
    pub shows_plans: bool,
    /// Whether errors of an operation say what may have been meant, which tells of the schema.
    pub suggestions: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            plan_cache_size: 1024,
            introspection: true,
            mutations_blocked: false,
            subscriptions_blocked: false,
            operation_name_bytes_max: 512,
            headers: headers::Options::default(),
            forward: super::ForwardOptions::default(),
            shows_plans: false,
            suggestions: false,
        }
    }
}

/// The code of an operation of a kind that the router was told to refuse.
const OPERATION_BLOCKED: &str = "OPERATION_BLOCKED";
/// The code of an operation that passes a bound.
const OPERATION_LIMIT_EXCEEDED: &str = "OPERATION_LIMIT_EXCEEDED";
/// Variables beyond this are coerced on the prepare lane, not on the reactor.
const VARIABLES_INLINE_MAX: usize = 4096;
/// How long a failure is answered from the cache: long enough to blunt a flood of one bad operation.
const FAILURE_KEPT: Duration = Duration::from_secs(5);
const FAILURES_MAX: usize = 256;
/// Documents beyond this are not remembered as failures: most are refused for their length alone, which
/// costs less than keeping them.
const FAILED_DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// What a request turned out to be.
#[derive(Debug)]
pub(super) enum Prepared {
    /// A query or mutation.
    Once(BoundOperation),
    /// A subscription.
    Subscription(Arc<GroupSpec>),
}

pub(super) type Errors = Arc<[Error]>;

impl Prepared {
    pub(super) fn operation(&self) -> &Operation {
        match self {
            Self::Once(bound) => &bound.operation,
            Self::Subscription(spec) => &spec.bound.operation,
        }
    }
}

/// A schema and what has been learnt about the operations sent to it.
pub(super) struct Engine {
    schema: Schema,
    headers: HeaderRules,
    options: Options,
    documents: Cache<DocumentKey, Arc<Document>>,
    operations: Cache<OperationKey, Arc<Operation>>,
    /// What `operations` have in common.
    plans: Plans,
    failures: Cache<DocumentKey, (Instant, Errors)>,
    stats: Arc<EngineStats>,
}

/// A document's text and the operation chosen from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct DocumentKey {
    query: Arc<str>,
    operation_name: Option<Arc<str>>,
}

/// [`DocumentKey`], borrowed from a request.
#[derive(Hash)]
struct DocumentRef<'a> {
    query: &'a str,
    operation_name: Option<&'a str>,
}

impl Equivalent<DocumentKey> for DocumentRef<'_> {
    fn equivalent(&self, key: &DocumentKey) -> bool {
        *self.query == *key.query && self.operation_name == key.operation_name.as_deref()
    }
}

/// A document and the values of the variables that its meaning depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct OperationKey {
    document: DocumentKey,
    specialised: Box<[Option<Bytes>]>,
}

#[derive(Hash)]
struct OperationRef<'a> {
    document: DocumentRef<'a>,
    specialised: &'a [Option<Bytes>],
}

impl Equivalent<OperationKey> for OperationRef<'_> {
    fn equivalent(&self, key: &OperationKey) -> bool {
        self.document.equivalent(&key.document) && *self.specialised == *key.specialised
    }
}

impl<'a> DocumentRef<'a> {
    fn of(request: &'a Request) -> Self {
        Self { query: &request.query, operation_name: request.operation_name.as_deref() }
    }

    fn to_key(&self) -> DocumentKey {
        DocumentKey { query: self.query.into(), operation_name: self.operation_name.map(Arc::from) }
    }
}

impl Engine {
    pub(super) fn new(schema: Schema, options: Options, stats: Arc<EngineStats>) -> Self {
        let size = options.plan_cache_size.max(1);
        let headers = HeaderRules::new(&options.headers, schema.subgraphs().iter().map(|it| &*it.configured));
        Self {
            schema,
            headers,
            documents: Cache::new(size),
            operations: Cache::new(size),
            plans: Plans::new(size),
            failures: Cache::new(FAILURES_MAX),
            options,
            stats,
        }
    }

    /// What the caches know of a request; `None` means that it takes [`Engine::prepare`].
    pub(super) fn prepared(
        &self,
        request: &Request,
        client: &Client,
        now: Instant,
    ) -> Option<Result<Prepared, Errors>> {
        if request.variables.len() > VARIABLES_INLINE_MAX {
            return None;
        }
        let key = DocumentRef::of(request);
        let Some(document) = self.documents.get(&key) else {
            return self.known_failure(&key, now).map(Err);
        };
        let variables = match self.coerce(&document, request, client) {
            Ok(variables) => variables,
            Err(errors) => return Some(Err(errors)),
        };
        let specialised = specialised(&document, &variables);
        let key = OperationRef { document: key, specialised: &specialised };
        let Some(operation) = self.operations.get(&key) else {
            return self.known_failure(&key.document, now).map(Err);
        };
        self.stats.plan_cache_hits.increment();
        Some(self.bind(operation, variables, request, client))
    }

    /// Everything from the text on. Does not return quickly for operations that are new.
    pub(super) fn prepare(
        &self,
        request: &Request,
        client: &Client,
        now: Instant,
    ) -> Result<Prepared, Errors> {
        if let Some(prepared) = self.prepared(request, client, now) {
            return prepared;
        }
        let key = DocumentRef::of(request);
        let document = match self.documents.get(&key) {
            Some(document) => document,
            None => self.parse(request, now)?,
        };
        let variables = self.coerce(&document, request, client)?;
        let operation = self.plan(request, &document, &variables, now)?;
        self.bind(operation, variables, request, client)
    }

    /// What of a client's headers reaches subgraphs, and back.
    pub(super) fn headers(&self) -> &HeaderRules {
        &self.headers
    }

    /// Empty for a subgraph that is not known.
    pub(super) fn subgraph_name(&self, SubgraphId(number): SubgraphId) -> Arc<str> {
        let subgraph = self.schema.subgraphs().get(usize::from(number));
        subgraph.map_or_else(|| Arc::from(""), |it| it.name.clone())
    }

    /// An operation's plan as JSON, where clients may ask for it.
    pub(super) fn plan_in_words(&self, operation: &Operation) -> Option<String> {
        self.options.shows_plans.then(|| self.schema.describe(operation).to_json().to_string())
    }

    pub(super) fn forward_options(&self) -> &super::ForwardOptions {
        &self.options.forward
    }

    /// Brings together what was planned and what this request brings.
    fn bind(
        &self,
        operation: Arc<Operation>,
        variables: Variables,
        request: &Request,
        client: &Client,
    ) -> Result<Prepared, Errors> {
        let mut forwarded = self.headers.forward(&operation.plan.subgraphs, &client.headers);
        if let Some(files) = &client.files {
            files::check(&operation, &variables, files)?;
            forwarded.files = Some(files.clone());
        }
        match &operation.plan.feed {
            None => {
                forwarded.extensions = client.extensions(request);
                let trace = client.trace.clone();
                return Ok(Prepared::Once(BoundOperation { operation, variables, forwarded, trace }));
            }
            Some(FeedField::Upstream(_)) => {
                forwarded.extensions = client.extensions(request);
                forwarded.init_payload = client.init_payload.clone();
            }
            // What is one client's own must not reach what an event brings to many.
            Some(FeedField::Event(_)) => {}
        }
        GroupSpec::render(BoundOperation { operation, variables, forwarded, trace: None })
            .map(|spec| Prepared::Subscription(Arc::new(spec)))
            .map_err(|error| Errors::from([Error::new(error.to_string()).with_code("BAD_USER_INPUT")]))
    }

    fn known_failure(&self, key: &DocumentRef<'_>, now: Instant) -> Option<Errors> {
        let (at, errors) = self.failures.get(key)?;
        (now.saturating_duration_since(at) < FAILURE_KEPT).then_some(errors)
    }

    fn parse(&self, request: &Request, now: Instant) -> Result<Arc<Document>, Errors> {
        let name = request.operation_name.as_deref();
        let (query, limits) = (&request.query, &self.options.limits);
        let parsed = match self.options.suggestions {
            true => self.schema.parse_suggesting(query, name, limits),
            false => self.schema.parse(query, name, limits),
        };
        match parsed.and_then(|document| self.allowed(document)) {
            Ok(document) => {
                let document = Arc::new(document);
                self.documents.insert(DocumentRef::of(request).to_key(), document.clone());
                Ok(document)
            }
            Err(errors) => Err(self.remember_failure(request, errors, now)),
        }
    }

    /// Refuses names that are too long, and what is switched off: kinds of operations, and questions about the schema.
    fn allowed(&self, document: Document) -> Result<Document, Vec<Error>> {
        let (length, bound) =
            (document.name().map_or(0, |it| it.len()), self.options.operation_name_bytes_max);
        if length > bound {
            let message = format!("the name of the operation has {length} bytes; {bound} are allowed");
            return Err(vec![Error::new(message).with_code(OPERATION_LIMIT_EXCEEDED)]);
        }
        let blocked = match document.kind() {
            OperationKind::Query => None,
            OperationKind::Mutation => self.options.mutations_blocked.then_some("mutation"),
            OperationKind::Subscription => self.options.subscriptions_blocked.then_some("subscription"),
        };
        if let Some(kind) = blocked {
            let message = format!("operation type '{kind}' is blocked");
            return Err(vec![Error::new(message).with_code(OPERATION_BLOCKED)]);
        }
        match document.introspection_refusal() {
            Some(refusal) if !self.options.introspection => Err(vec![refusal]),
            _ => Ok(document),
        }
    }

    fn coerce(&self, document: &Document, request: &Request, client: &Client) -> Result<Variables, Errors> {
        let (definitions, types) = (document.variable_definitions(), self.schema.input_types());
        let files = client.files.as_deref();
        coerce_variables_with_files(definitions, types, &request.variables, files).map_err(Errors::from)
    }

    fn plan(
        &self,
        request: &Request,
        document: &Document,
        variables: &Variables,
        now: Instant,
    ) -> Result<Arc<Operation>, Errors> {
        let specialised = specialised(document, variables);
        let planned = self.schema.plan_sharing(document, variables, &self.plans);
        match &planned {
            Ok((_, PlanSource::Shared)) => self.stats.plan_cache_hits.increment(),
            Ok((_, PlanSource::Planner)) | Err(_) => self.stats.plan_cache_misses.increment(),
        }
        match planned {
            Ok((operation, _)) => {
                let operation = Arc::new(operation);
                let key = OperationKey { document: DocumentRef::of(request).to_key(), specialised };
                self.operations.insert(key, operation.clone());
                Ok(operation)
            }
            // A plan that fails may fail for the values put in, so only a document without them is remembered.
            Err(errors) if specialised.is_empty() => Err(self.remember_failure(request, errors, now)),
            Err(errors) => Err(errors.into()),
        }
    }

    fn remember_failure(&self, request: &Request, errors: Vec<Error>, now: Instant) -> Errors {
        let errors = Errors::from(errors);
        if request.query.len() <= FAILED_DOCUMENT_BYTES_MAX {
            self.failures.insert(DocumentRef::of(request).to_key(), (now, errors.clone()));
        }
        errors
    }
}

fn specialised(document: &Document, variables: &Variables) -> Box<[Option<Bytes>]> {
    document.specializing().iter().map(|name| variables.get(name).cloned()).collect()
}

#[cfg(test)]
mod tests;
