//! Small words for plans, and subgraphs and brokers that answer from a script.

use crate::{
    graphql::{Variables, json::Document},
    plan::{
        BatchAlias, BatchFetch, BoundOperation, EntityFetch, Event, EventFeedField, FeedField, Field,
        FieldSource, Forwarded, GroupSpec, Leaf, Operation, OperationKind, PathSegment, Plan, Position,
        Projection, ProviderKind, RequiresItem, Rewrite, RootFetch, SelectionSet, Step, SubgraphId,
        SubgraphRequest, Template, TypeNames, ValueType,
    },
    resolve::{
        BoxFuture, BrokerError, BrokerMessage, Brokers, ErrorMode, ErrorPropagation, Executed, Executor,
        FetchAnswer, FetchError, FetchRequest, Options, Subgraphs,
    },
};
use bytes::Bytes;
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
};
use tokio::sync::oneshot;

pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("runtime").block_on(future)
}

pub(super) fn text(bytes: &impl AsRef<[u8]>) -> String {
    String::from_utf8(bytes.as_ref().to_vec()).expect("UTF-8")
}

/// Tests look at responses.
impl AsRef<[u8]> for Executed {
    fn as_ref(&self) -> &[u8] {
        &self.response
    }
}

// Types and projections.

pub(super) fn string() -> ValueType {
    ValueType::Leaf(Leaf::String)
}

pub(super) fn leaf(leaf: Leaf) -> ValueType {
    ValueType::Leaf(leaf)
}

pub(super) fn non_null(ty: ValueType) -> ValueType {
    ValueType::NonNull(Box::new(ty))
}

pub(super) fn list(ty: ValueType) -> ValueType {
    ValueType::List(Box::new(ty))
}

pub(super) fn types(names: &[&str]) -> TypeNames {
    TypeNames::new(names.iter().map(|it| Arc::from(*it)))
}

pub(super) fn object(name: &str, fields: Vec<Field>) -> ValueType {
    one_of(name, &[name], fields)
}

pub(super) fn one_of(name: &str, possible: &[&str], fields: Vec<Field>) -> ValueType {
    ValueType::Object { name: name.into(), possible: types(possible), selection: SelectionSet { fields } }
}

pub(super) fn field(key: &str, ty: ValueType) -> Field {
    alias(key, key, ty)
}

pub(super) fn alias(key: &str, source: &str, value: ValueType) -> Field {
    let source = FieldSource::Data { source: source.into(), name: source.into(), value };
    Field { key: key.into(), source, types: None }
}

pub(super) fn typename(key: &str) -> Field {
    Field { key: key.into(), source: FieldSource::Typename, types: None }
}

pub(super) fn on(names: &[&str], field: Field) -> Field {
    Field { types: Some(types(names)), ..field }
}

// Steps.

pub(super) fn path(text: &str) -> Vec<PathSegment> {
    let segment = |it: &str| match it.strip_prefix('|') {
        Some(names) => PathSegment::Types(types(&names.split('|').collect::<Vec<_>>())),
        None if it == "@" => PathSegment::List,
        None => PathSegment::Key(it.into()),
    };
    text.split('.').filter(|it| !it.is_empty()).map(segment).collect()
}

pub(super) fn request(subgraph: &str, document: &str, variables: &[&str]) -> SubgraphRequest {
    let index = NAMES.iter().position(|it| *it == subgraph).unwrap_or(99);
    SubgraphRequest {
        subgraph: SubgraphId(index as u16),
        kind: OperationKind::Query,
        document: document.into(),
        variables: variables.iter().map(|it| Arc::from(*it)).collect(),
        shape: 0,
    }
}

pub(super) fn fetch(subgraph: &str, document: &str) -> Step {
    fetch_at(subgraph, document, "")
}

pub(super) fn fetch_at(subgraph: &str, document: &str, at: &str) -> Step {
    Step::Fetch(RootFetch {
        request: request(subgraph, document, &[]),
        path: path(at),
        output_rewrites: vec![],
    })
}

pub(super) fn entities(subgraph: &str, at: &str, requires: Vec<RequiresItem>) -> EntityFetch {
    EntityFetch {
        request: request(subgraph, "E", &[]),
        path: path(at),
        requires,
        fields: vec![],
        input_rewrites: vec![],
        output_rewrites: vec![],
    }
}

pub(super) fn batch(subgraph: &str, aliases: Vec<BatchAlias>) -> Step {
    Step::Batch(BatchFetch { request: request(subgraph, "B", &[]), aliases })
}

pub(super) fn batch_alias(
    alias: &str,
    variable: &str,
    paths: &[&str],
    requires: Vec<RequiresItem>,
) -> BatchAlias {
    BatchAlias {
        alias: alias.into(),
        representations_variable: variable.into(),
        paths: paths.iter().map(|it| path(it)).collect(),
        requires,
        fields: vec![],
        input_rewrites: vec![],
        output_rewrites: vec![],
    }
}

pub(super) fn need(name: &str) -> RequiresItem {
    need_as(name, name, vec![])
}

pub(super) fn need_as(name: &str, key: &str, selection: Vec<RequiresItem>) -> RequiresItem {
    RequiresItem::Field { name: name.into(), key: key.into(), selection }
}

pub(super) fn need_on(names: &[&str], selection: Vec<RequiresItem>) -> RequiresItem {
    RequiresItem::On { types: types(names), selection }
}

pub(super) fn rename(path: &[&str], to: &str) -> Rewrite {
    let path = path.iter().map(|it| rewrite_segment(it)).collect();
    Rewrite::RenameKey { path, to: to.into() }
}

pub(super) fn set(path: &[&str], value: &str) -> Rewrite {
    let path = path.iter().map(|it| rewrite_segment(it)).collect();
    Rewrite::SetString { path, value: value.into() }
}

fn rewrite_segment(text: &str) -> crate::plan::RewriteSegment {
    match text.strip_prefix('|') {
        Some(name) => crate::plan::RewriteSegment::Types(types(&[name])),
        None => crate::plan::RewriteSegment::Key(text.into()),
    }
}

// Operations.

pub(super) fn operation(steps: Option<Step>, fields: Vec<Field>) -> Operation {
    Operation {
        kind: OperationKind::Query,
        name: None,
        canonical: "".into(),
        constants: None,
        projection: Projection { root_type: "Query".into(), root: SelectionSet { fields }, shape: "".into() },
        plan: Arc::new(Plan {
            canonical: "".into(),
            steps,
            feed: None,
            variables_used: vec![],
            subgraphs: vec![],
        }),
    }
}

pub(super) fn bind(operation: Operation, variables: &[(&str, &str)]) -> BoundOperation {
    let mut bound = Variables::new();
    for (name, json) in variables {
        bound.set((*name).into(), Bytes::copy_from_slice(json.as_bytes()));
    }
    BoundOperation {
        operation: Arc::new(operation),
        variables: bound,
        forwarded: Forwarded::default(),
        trace: None,
    }
}

/// A subscription field `changed` of the event graph `events`.
pub(super) fn group(steps: Option<Step>, ty: ValueType) -> Arc<GroupSpec> {
    let (possible, is_abstract) = match &ty {
        ValueType::Object { name, possible, .. } => (possible.clone(), possible.only() != Some(name)),
        _ => panic!("events are objects"),
    };
    group_of(steps, ty, possible, is_abstract)
}

/// The same for events that may be of other types than the operation knows.
pub(super) fn group_of(
    steps: Option<Step>,
    ty: ValueType,
    possible: TypeNames,
    is_abstract: bool,
) -> Arc<GroupSpec> {
    let mut operation = operation(steps, vec![field("changed", non_null(ty))]);
    operation.kind = OperationKind::Subscription;
    operation.projection.root_type = "Subscription".into();
    Arc::get_mut(&mut operation.plan).expect("not shared yet").feed =
        Some(FeedField::Event(EventFeedField {
            field: "changed".into(),
            key: "changed".into(),
            graph: "events".into(),
            kind: ProviderKind::Nats,
            provider: "default".into(),
            destinations: vec![Template::parse("s")],
            stream: None,
            arguments: vec![],
            rule: None,
            possible,
            is_abstract,
        }));
    Arc::new(GroupSpec::render(bind(operation, &[])).expect("no arguments"))
}

pub(super) fn event(json: &str) -> Arc<Event> {
    let mut document = Document::new();
    let root = document.parse(Bytes::copy_from_slice(json.as_bytes())).expect(json);
    Arc::new(Event { position: Position::default(), document, root, labels: None })
}

// The world.

/// Everything that a subgraph says, each error by itself.
pub(super) fn telling_all() -> ErrorPropagation {
    ErrorPropagation { mode: ErrorMode::PassThrough, allowed_extensions: None, ..ErrorPropagation::default() }
}

/// What a subgraph does with a request.
pub(super) enum Reply {
    Body(&'static str),
    Fail(FetchError),
    /// Answers when the test says so.
    When(oneshot::Receiver<&'static str>),
    Never,
    Panic,
}

impl From<&'static str> for Reply {
    fn from(body: &'static str) -> Self {
        Self::Body(body)
    }
}

/// Subgraphs that answer by script, each reply once, and remember what they were asked. One without
/// replies left is unreachable.
#[derive(Default)]
pub(super) struct World {
    replies: Mutex<HashMap<u16, std::collections::VecDeque<Reply>>>,
    pub(super) asked: Mutex<Vec<(String, String)>>,
    pub(super) broker: Mutex<Option<Result<&'static str, &'static str>>>,
    pub(super) messages: Mutex<Vec<BrokerMessage>>,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn reply(self: &Arc<Self>, subgraph: &str, reply: impl Into<Reply>) -> &Arc<Self> {
        let index = NAMES.iter().position(|it| *it == subgraph).expect("a known name") as u16;
        self.replies.lock().expect("lock").entry(index).or_default().push_back(reply.into());
        self
    }

    pub(super) fn executor(self: &Arc<Self>) -> Executor {
        self.executor_with(&Options { errors: telling_all(), ..Options::default() })
    }

    pub(super) fn executor_with(self: &Arc<Self>, options: &Options) -> Executor {
        Executor::new(options, NAMES.map(Arc::from).to_vec(), self.clone(), self.clone())
    }

    pub(super) fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().expect("lock").clone()
    }

    /// Bodies of the requests, in order.
    pub(super) fn bodies(&self) -> Vec<String> {
        self.asked().into_iter().map(|(_, body)| body).collect()
    }
}

impl Subgraphs for World {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<Result<FetchAnswer, FetchError>> {
        let index = request.subgraph.0;
        self.asked.lock().expect("lock").push((NAMES[usize::from(index)].to_owned(), text(&request.body)));
        let reply = self.replies.lock().expect("lock").get_mut(&index).and_then(|it| it.pop_front());
        let body = async move {
            match reply {
                Some(Reply::Body(body)) => Ok(Bytes::from_static(body.as_bytes())),
                Some(Reply::Fail(error)) => Err(error),
                Some(Reply::When(body)) => {
                    body.await.map(|it| Bytes::from_static(it.as_bytes())).map_err(|_| FetchError::Stopping)
                }
                Some(Reply::Never) => std::future::pending().await,
                Some(Reply::Panic) => panic!("scripted"),
                None => Err(FetchError::Unreachable("10.0.0.7:4001 refused".to_owned())),
            }
        };
        Box::pin(async move {
            Ok(FetchAnswer { body: body.await?, headers: Arc::default(), status: http::StatusCode::OK })
        })
    }
}

impl Brokers for World {
    fn publish(&self, message: BrokerMessage) -> BoxFuture<Result<(), BrokerError>> {
        let reply = self.next(message);
        Box::pin(async move { reply.map(|_| ()) })
    }

    fn request(&self, message: BrokerMessage) -> BoxFuture<Result<Bytes, BrokerError>> {
        let reply = self.next(message);
        Box::pin(async move { reply.map(|it| Bytes::from_static(it.as_bytes())) })
    }
}

impl World {
    fn next(&self, message: BrokerMessage) -> Result<&'static str, BrokerError> {
        self.messages.lock().expect("lock").push(message);
        let scripted = self.broker.lock().expect("lock").unwrap_or(Err("no broker"));
        scripted.map_err(|it| BrokerError::Failed(it.to_owned()))
    }
}

/// Carries out a query and compares the whole response.
#[track_caller]
pub(super) fn check(world: &Arc<World>, operation: Operation, expected: &str) {
    let response = block_on(world.executor().execute(bind(operation, &[])));
    assert_eq!(text(&response), expected);
}

/// Resolves one event and compares the whole response.
#[track_caller]
pub(super) fn check_event(world: &Arc<World>, spec: &Arc<GroupSpec>, json: &str, expected: &str) {
    let executor = world.executor();
    let response = block_on(executor.resolve(spec.clone(), event(json)));
    assert_eq!(text(&response), expected);
    if spec.is_local() {
        let there = world.executor();
        let response = there.workspace().resolve(spec, &event(json));
        assert_eq!(text(&response), expected, "where it is");
        assert_eq!(counted(&there), counted(&executor));
    }
}

fn counted(executor: &Executor) -> [u64; 3] {
    let counters = executor.counters();
    [&counters.executions, &counters.serialisations, &counters.events_invalid].map(|it| it.load(Relaxed))
}
