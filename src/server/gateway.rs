//! The router behind the HTTP front: queries, mutations, and subscriptions and WebSockets on their way to those
//! who keep them.

use super::{
    abandon::{Abandon, tied},
    client::Client,
    clock,
    engine::{Engine, Errors, Prepared},
    engines::Engines,
    http_streams::HttpStreams,
    inbox::Mail,
    liveness::Liveness,
    mail::{Newcomer, ReactorMail},
    readiness::Readiness,
    reply::internal_error,
    stats::{FrontStats, ReactorStats, UnderWay},
};
use crate::{
    graphql::{self, Request, Uploads},
    http::{
        Answer, BoxFuture, Context, Freshness, Gateway, Kind, Method, Operation, Outcome, Updates, Upgraded,
    },
    net::websocket::{self, Refusal},
    plan::{BoundOperation, GroupSpec, OperationKind},
    protocol::{Dialect, StreamFormat},
    resolve::{Executed, Executor, Pool},
};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Response, header::CACHE_CONTROL, request::Parts};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What the front reaches.
#[derive(Clone)]
pub(super) struct Router {
    pub(super) engines: Arc<Engines>,
    pub(super) pool: Arc<Pool>,
    pub(super) executor: Executor,
    pub(super) reactor: Mail<ReactorMail>,
    pub(super) streams: HttpStreams,
    pub(super) reactor_stats: Arc<ReactorStats>,
    pub(super) stats: Arc<FrontStats>,
    pub(super) connections_max: usize,
    pub(super) readiness: Arc<Readiness>,
    pub(super) liveness: Liveness,
}

impl Gateway for Router {
    fn execute(&self, request: Request, context: Context) -> BoxFuture<Outcome> {
        let router = self.clone();
        let under_way = UnderWay::begin(&self.stats);
        Box::pin(async move {
            let _under_way = under_way;
            let engine = router.engines.choose(&context.headers).clone();
            let wants_plan = wants_plan(&context.headers);
            let client = Client::of_request(context.headers, context.request_id).with_files(context.uploads);
            let asked =
                Asked { method: context.method, stream: context.stream, first_only: context.first_only };
            match router.prepare(engine.clone(), request, client).await {
                Some(Ok(prepared)) => {
                    let plan = wants_plan.then(|| engine.plan_in_words(prepared.operation())).flatten();
                    let mut outcome = router.carry_out(prepared, asked).await;
                    if let (Some(plan), Answer::Executed { body, .. }) = (plan, &mut outcome.answer) {
                        *body = with_plan(body, &plan);
                    }
                    outcome
                }
                Some(Err(errors)) => Answer::RequestError(graphql::request_error_response(&errors)).into(),
                None => Answer::Unavailable.into(),
            }
        })
    }

    fn handshake(&self, head: &Parts) -> Result<Response<()>, Response<String>> {
        match websocket::accept(&head.method, head.version, &head.headers, &Dialect::SUBPROTOCOLS) {
            Ok(accept) => {
                let mut response = Response::new(());
                *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
                *response.headers_mut() = accept.headers();
                Ok(response)
            }
            Err(refusal) => Err(refused(refusal)),
        }
    }

    fn adopt(&self, connection: Upgraded) {
        let dialect = connection.protocol.as_deref().and_then(Dialect::of_subprotocol);
        let engine = self.engines.choose(&connection.head.headers).clone();
        let (rules, options) = (engine.headers(), engine.forward_options());
        let client = Client::of_upgrade(&connection.head, rules, options).shared();
        let Upgraded { socket, tls, read, .. } = connection;
        let newcomer = Newcomer { socket, tls, read, dialect, engine, client };
        self.reactor.send(ReactorMail::Adopt(Box::new(newcomer)));
    }

    fn is_ready(&self) -> bool {
        self.readiness.is_ready()
    }

    fn is_live(&self) -> bool {
        self.liveness.is_live()
    }

    fn accepts_connections(&self) -> bool {
        self.reactor_stats.connections.get() < self.connections_max as u64
    }
}

impl Router {
    /// `None` when the prepare lane takes no more.
    async fn prepare(
        &self,
        engine: Arc<Engine>,
        request: Request,
        client: Client,
    ) -> Option<Result<Prepared, Errors>> {
        if let Some(result) = engine.prepared(&request, &client, clock::now()) {
            return Some(result);
        }
        let (reply, result) = oneshot::channel();
        let work = move || {
            // Nobody listens when the client has left.
            let _ = reply.send(engine.prepare(&request, &client, clock::now()));
        };
        self.pool.prepare(work).ok()?;
        Some(outcome(result).await)
    }

    async fn carry_out(&self, prepared: Prepared, asked: Asked) -> Outcome {
        let operation = Some(describe(&prepared));
        let (answer, freshness) = match prepared {
            Prepared::Subscription(spec) => (self.subscribe(spec, asked).await, None),
            Prepared::Once(bound) if is_mutation(&bound) && asked.method == Method::Get => {
                (Answer::NeedsPost, None)
            }
            Prepared::Once(bound) => self.execute_once(bound).await,
        };
        Outcome { answer, operation, freshness }
    }

    async fn subscribe(&self, spec: Arc<GroupSpec>, asked: Asked) -> Answer {
        if asked.stream.is_none() && !asked.first_only {
            return Answer::NeedsStreaming;
        }
        let Some(updates) = self.streams.open(spec, asked.stream, asked.first_only) else {
            self.stats.streams_refused.increment();
            return Answer::Unavailable;
        };
        match asked.stream {
            Some(format) => Answer::Stream { format, updates },
            None => Answer::Executed { body: only_response(updates).await, headers: HeaderMap::new() },
        }
    }

    async fn execute_once(&self, bound: BoundOperation) -> (Answer, Option<Freshness>) {
        let (reply, response) = oneshot::channel();
        let (is_mutation, files) = (is_mutation(&bound), bound.forwarded.files.clone());
        let (work, abandon) = tied(self.executor.execute(bound));
        self.pool.resolve(async move { drop(reply.send(work.await)) });
        // Dropped with this future when the client leaves.
        let leaving = Leaving { abandon: Some(abandon), is_mutation, files };
        let executed = response.await.ok().flatten();
        drop(leaving);
        match executed {
            Some(executed) => {
                let answers = executed.headers.iter().map(|it| (it.subgraph, &*it.headers));
                let headers = self.engines.base().headers().respond(answers);
                let freshness = self.freshness(&executed);
                (Answer::Executed { body: executed.response, headers }, Some(freshness))
            }
            None => (Answer::Executed { body: internal_error(), headers: HeaderMap::new() }, None),
        }
    }

    /// What the subgraphs said about the life of their answers.
    fn freshness(&self, executed: &Executed) -> Freshness {
        let said = executed.headers.iter().flat_map(|it| {
            let name = self.engines.base().subgraph_name(it.subgraph);
            let mut values: Vec<_> = it.headers.get_all(CACHE_CONTROL).iter().cloned().map(Some).collect();
            if values.is_empty() {
                values.push(None);
            }
            values.into_iter().map(move |it| (name.clone(), it))
        });
        Freshness { has_errors: executed.has_errors, said: said.collect() }
    }
}

/// What preparing came to. Where it panicked, the client hears the error that clients hear of every panic.
async fn outcome(result: oneshot::Receiver<Result<Prepared, Errors>>) -> Result<Prepared, Errors> {
    result.await.unwrap_or_else(|_| Err(graphql::Error::internal().into()))
}

/// What becomes of an operation whose client leaves: a mutation is carried out all the same, unless it wants files
/// that the client has not sent in full. Without those it would be carried out in part.
struct Leaving {
    abandon: Option<Abandon>,
    is_mutation: bool,
    files: Option<Arc<Uploads>>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let has_all = self.files.as_ref().is_none_or(|it| it.have_arrived());
        if let Some(abandon) = self.abandon.take().filter(|_| self.is_mutation && has_all) {
            abandon.cancel();
        }
    }
}

/// How a request wants to be answered.
#[derive(Clone, Copy)]
struct Asked {
    method: Method,
    stream: Option<StreamFormat>,
    first_only: bool,
}

/// The first response of a subscription, and why there is none where it ends without any.
async fn only_response(mut updates: Updates) -> Bytes {
    match updates.next().await {
        Some(Ok(response)) if !response.is_empty() => response,
        _ => {
            let error = graphql::Error::new("The subscription ended before it had a result.");
            graphql::null_data_response(&[error.with_code("SUBSCRIPTION_ENDED")])
        }
    }
}

/// The operation for the access log.
fn describe(prepared: &Prepared) -> Operation {
    let operation = prepared.operation();
    let kind = match operation.kind {
        OperationKind::Query => Kind::Query,
        OperationKind::Mutation => Kind::Mutation,
        OperationKind::Subscription => Kind::Subscription,
    };
    Operation { kind, name: operation.name.clone() }
}

/// Whether a client asks for the plan of its operation: by Cosmo's header or Apollo's.
fn wants_plan(headers: &HeaderMap) -> bool {
    let says_true = |name| headers.get(name).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"true"));
    says_true("x-wg-include-query-plan") || says_true("apollo-expose-query-plan")
}

/// A response with a plan in its extensions.
fn with_plan(response: &[u8], plan: &str) -> Bytes {
    let members = response.strip_suffix(b"}").unwrap_or(response);
    [members, b",\"extensions\":{\"queryPlan\":", plan.as_bytes(), b"}}"].concat().into()
}

fn is_mutation(bound: &BoundOperation) -> bool {
    bound.operation.kind == OperationKind::Mutation
}

fn refused(refusal: Refusal) -> Response<String> {
    let mut response = Response::new(refusal.reason.to_owned());
    *response.status_mut() = refusal.status;
    for (name, value) in refusal.headers {
        response.headers_mut().append(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_preparing_has_the_code_of_every_panic() {
        let (reply, result) = oneshot::channel::<Result<Prepared, Errors>>();
        drop(reply);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let errors = runtime.block_on(outcome(result)).expect_err("it was not answered");
        assert_eq!(errors[..], [graphql::Error::internal()]);
    }
}
