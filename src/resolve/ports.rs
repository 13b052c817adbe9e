//! What execution needs from the outside: subgraphs and brokers, as traits that `sources` implements.

use crate::graphql::Uploads;
use crate::plan::{HeaderList, Labels, OperationKind, ProviderKind, SubgraphId};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::{future::Future, pin::Pin, sync::Arc};

/// A future that the pool can own.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Sends GraphQL requests to subgraphs. Implemented by `sources::subgraph`.
pub trait Subgraphs: Send + Sync {
    /// Must not block; bounded in time by the implementation.
    fn fetch(&self, request: FetchRequest) -> BoxFuture<Result<FetchAnswer, FetchError>>;

    /// The same for a request whose variables have tickets for files. It goes out with them, or not at all.
    fn fetch_with_files(
        &self,
        _request: FetchRequest,
        _files: Arc<Uploads>,
    ) -> BoxFuture<Result<FetchAnswer, FetchError>> {
        Box::pin(std::future::ready(Err(FetchError::Files("they cannot be sent there"))))
    }
}

/// One request to a subgraph.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    pub subgraph: SubgraphId,
    pub kind: OperationKind,
    /// The whole HTTP body: `{"query":…,"variables":…}`, without `variables` when there are none.
    pub body: Bytes,
    /// Headers beyond those that every request has.
    pub headers: Option<HeaderList>,
    /// Further ones, which name the request that this is for and are not part of what it asks.
    pub trace: Option<HeaderList>,
}

/// What a subgraph answered.
#[derive(Clone, Debug)]
pub struct FetchAnswer {
    /// A JSON object, as far as can be told without reading it.
    pub body: Bytes,
    pub headers: Arc<HeaderMap>,
    pub status: StatusCode,
}

/// The headers of one answer of a subgraph.
#[derive(Clone, Debug)]
pub struct SubgraphHeaders {
    pub subgraph: SubgraphId,
    pub headers: Arc<HeaderMap>,
}

/// Why a subgraph gave no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no answer within {0:?}")]
    Timeout(std::time::Duration),
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("the answer is not usable: {0}")]
    Malformed(String),
    /// Not sent at all, to spare a subgraph that is in trouble; says why.
    #[error("not sent: {0}")]
    Rejected(&'static str),
    /// The files that it is to bring are not to be had; says why.
    #[error("files: {0}")]
    Files(&'static str),
    #[error("the router is stopping")]
    Stopping,
}

/// Publishes to and asks brokers. Implemented by `sources`.
pub trait Brokers: Send + Sync {
    /// Done when the broker confirmed.
    fn publish(&self, message: BrokerMessage) -> BoxFuture<Result<(), BrokerError>>;
    /// The reply's payload.
    fn request(&self, message: BrokerMessage) -> BoxFuture<Result<Bytes, BrokerError>>;
}

/// A message on its way to a broker.
#[derive(Clone, Debug)]
pub struct BrokerMessage {
    pub kind: ProviderKind,
    pub provider: Arc<str>,
    pub destination: Arc<str>,
    pub payload: Bytes,
    /// Empty, but for brokers that know such.
    pub labels: Labels,
}

/// Why a broker did not take a message or did not answer; for the log, and for `natsRequest` the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// It is not there, does not let us, does not answer, or not in time.
    #[error("{0}")]
    Failed(String),
    /// Whoever answers the request says that it failed.
    #[error("the service answered with an error: {message}")]
    Service { message: String, code: Option<String> },
}

impl From<String> for BrokerError {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}
