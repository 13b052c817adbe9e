//! The router behind the HTTP front: queries, mutations, and WebSockets on their way to the reactor.

use super::{
    abandon::tied,
    client::Client,
    clock,
    engine::{Engine, Errors, Prepared},
    engines::Engines,
    hub_thread::internal_error,
    inbox::Mail,
    liveness::Liveness,
    mail::ReactorMail,
    stats::ReactorStats,
};
use crate::{
    graphql::{self, Request},
    http::{Answer, BoxFuture, Context, Gateway, Method, Upgraded},
    net::websocket::{self, Refusal},
    plan::{BoundOperation, OperationKind},
    protocol::graphql_transport_ws::SUBPROTOCOL,
    resolve::{Executor, Pool},
};
use http::{HeaderMap, Response, request::Parts};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::oneshot;

/// What the front reaches.
#[derive(Clone)]
pub(super) struct Router {
    pub(super) engines: Arc<Engines>,
    pub(super) pool: Arc<Pool>,
    pub(super) executor: Executor,
    pub(super) reactor: Mail<ReactorMail>,
    pub(super) reactor_stats: Arc<ReactorStats>,
    pub(super) connections_max: usize,
    pub(super) ready: Arc<AtomicBool>,
    pub(super) liveness: Liveness,
}

impl Gateway for Router {
    fn execute(&self, request: Request, context: Context) -> BoxFuture<Answer> {
        let router = self.clone();
        Box::pin(async move {
            let engine = router.engines.choose(&context.headers).clone();
            let client = Client::of_request(context.headers);
            match router.prepare(engine, request, client).await {
                Some(Ok(prepared)) => router.carry_out(prepared, context.method).await,
                Some(Err(errors)) => Answer::RequestError(graphql::request_error_response(&errors)),
                None => Answer::Unavailable,
            }
        })
    }

    fn handshake(&self, head: &Parts) -> Result<Response<()>, Response<String>> {
        match websocket::accept(&head.method, head.version, &head.headers, &[SUBPROTOCOL]) {
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
        let speaks_our_protocol = connection.protocol.as_deref() == Some(SUBPROTOCOL);
        let engine = self.engines.choose(&connection.head.headers).clone();
        let (rules, options) = (engine.headers(), engine.forward_options());
        let client = Client::of_upgrade(&connection.head, rules, options).shared();
        let (socket, read) = (connection.socket, connection.read);
        self.reactor.send(ReactorMail::Adopt { socket, read, speaks_our_protocol, engine, client });
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
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
        let panicked = |_| Err(Errors::from([graphql::Error::new("Internal server error")]));
        Some(result.await.unwrap_or_else(panicked))
    }

    async fn carry_out(&self, prepared: Prepared, method: Method) -> Answer {
        match prepared {
            Prepared::Subscription(_) => Answer::NeedsStreaming,
            Prepared::Once(bound) if is_mutation(&bound) && method == Method::Get => Answer::NeedsPost,
            Prepared::Once(bound) => self.execute_once(bound).await,
        }
    }

    async fn execute_once(&self, bound: BoundOperation) -> Answer {
        let (reply, response) = oneshot::channel();
        // Dropped with this future when the client leaves. A mutation is carried out all the same.
        let abandon = if is_mutation(&bound) {
            let work = self.executor.execute(bound);
            self.pool.resolve(async move { drop(reply.send(Some(work.await))) });
            None
        } else {
            let (work, abandon) = tied(self.executor.execute(bound));
            self.pool.resolve(async move { drop(reply.send(work.await)) });
            Some(abandon)
        };
        let executed = response.await.ok().flatten();
        drop(abandon);
        match executed {
            Some(executed) => {
                let answers = executed.headers.iter().map(|it| (it.subgraph, &*it.headers));
                let headers = self.engines.base().headers().respond(answers);
                Answer::Executed { body: executed.response, headers }
            }
            None => Answer::Executed { body: internal_error(), headers: HeaderMap::new() },
        }
    }
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
