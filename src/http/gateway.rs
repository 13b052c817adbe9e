//! What the front asks of the rest of the router.

use super::{caching::Freshness, reply_body::Updates};
use crate::{
    graphql::{Request, Uploads},
    protocol::StreamFormat,
};
use bytes::Bytes;
use hyper::{HeaderMap, Response, header::HeaderValue, http::request::Parts};
use std::{
    future::Future,
    net::{IpAddr, TcpStream},
    pin::Pin,
    sync::Arc,
};

/// A future that any thread may drive.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Answers requests and takes over WebSockets. Called on the io thread, so nothing here may block.
pub trait Gateway: Send + Sync + 'static {
    /// Carries out a query or mutation, or begins a subscription. Dropped when the client goes away; must end
    /// by itself otherwise.
    fn execute(&self, request: Request, context: Context) -> BoxFuture<Outcome>;

    /// Checks an opening handshake. `Ok` is the `101` to answer with, `Err` the refusal.
    #[expect(clippy::result_large_err, reason = "both sides are responses, sent once per connection")]
    fn handshake(&self, head: &Parts) -> Result<Response<()>, Response<String>>;

    /// Takes over a socket whose handshake was answered.
    fn adopt(&self, connection: Upgraded);

    /// Whether load balancers should send clients here.
    fn is_ready(&self) -> bool;

    /// Whether the process works at all; a restart is the cure otherwise.
    fn is_live(&self) -> bool;

    /// Whether the limits allow one more WebSocket.
    fn accepts_connections(&self) -> bool;
}

/// How a request came.
#[derive(Clone, Debug)]
pub struct Context {
    pub method: Method,
    pub headers: Arc<HeaderMap>,
    /// Where the client is.
    pub client: IpAddr,
    /// What the request is called: its own `x-request-id`, or one made for it.
    pub request_id: HeaderValue,
    /// Files that the variables have tickets for.
    pub uploads: Option<Arc<Uploads>>,
    /// How the results of a subscription can go out, where the client takes more than one.
    pub stream: Option<StreamFormat>,
    /// Of a subscription, the client wants the first result and no more.
    pub first_only: bool,
}

/// The HTTP method of a GraphQL request. A GET must not change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

/// What became of a request, and what it was.
pub struct Outcome {
    pub answer: Answer,
    /// `None` where it never got as far as an operation.
    pub operation: Option<Operation>,
    /// What caches must know of an answer. `None` says nothing to them.
    pub freshness: Option<Freshness>,
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self { answer, operation: None, freshness: None }
    }
}

/// What a request asked for, as logs name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub kind: Kind,
    pub name: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Query,
    Mutation,
    Subscription,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// What became of a request, for its client.
pub enum Answer {
    /// It was executed: a response with `data`, and with `errors` where parts failed; with headers for the
    /// client.
    Executed { body: Bytes, headers: HeaderMap },
    /// It did not parse, validate or coerce: a response with `errors` and without `data`.
    RequestError(Bytes),
    /// A subscription has begun: its results, framed already.
    Stream { format: StreamFormat, updates: Updates },
    /// A queue was full or the router is stopping; trying again may help.
    Unavailable,
    /// A mutation came by GET.
    NeedsPost,
    /// A subscription came where only one response can go back.
    NeedsStreaming,
}

/// A socket that speaks WebSocket from its next byte on.
#[derive(Debug)]
pub struct Upgraded {
    /// Non-blocking, with `TCP_NODELAY`.
    pub socket: TcpStream,
    /// The TLS session on it, which may hold bytes of both directions.
    pub tls: Option<rustls::ServerConnection>,
    /// What the client sent behind its handshake without waiting for the answer.
    pub read: Bytes,
    /// The subprotocol of the handshake's answer.
    pub protocol: Option<String>,
    /// The request that asked for the upgrade.
    pub head: Parts,
    /// Where the client is.
    pub client: IpAddr,
}
