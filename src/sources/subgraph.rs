//! The HTTP client to subgraphs.
//!
//! One pool of connections for all of them, on the io runtime. Threads that resolve get a future that only
//! waits for a message. How many requests are in flight at once is the caller's to bound; here each one is
//! bounded in time and in bytes.

use super::causes;
use crate::{
    graphql::json::{Document, Kind},
    plan::{OperationKind, SubgraphId},
    resolve::{BoxFuture, FetchError, FetchRequest, Subgraphs},
};
use bytes::{Bytes, BytesMut};
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{runtime::Handle, sync::oneshot, task::AbortHandle};

/// Limits of the client.
#[derive(Clone, Debug)]
pub struct SubgraphOptions {
    /// From the request to the last byte of the answer (`engine.subscription_fetch_timeout`).
    pub timeout: Duration,
    /// Until a connection stands, within `timeout`.
    pub connect_timeout: Duration,
    /// Larger answers are refused.
    pub response_bytes_max: usize,
    /// Idle connections kept per subgraph; more are closed after use.
    pub idle_connections_max: usize,
    /// Idle connections are closed after this time.
    pub idle_timeout: Duration,
}

impl Default for SubgraphOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            response_bytes_max: 32 << 20,
            idle_connections_max: 64,
            idle_timeout: Duration::from_secs(90),
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SubgraphClientError {
    #[error("subgraph {name}: '{url}' is not an http or https address")]
    Url { name: String, url: String },
}

/// Where a subgraph listens.
#[derive(Clone, Debug)]
pub struct SubgraphEndpoint {
    pub name: Arc<str>,
    pub url: String,
}

/// Sends requests to subgraphs. Clones share the pool of connections.
#[derive(Clone)]
pub struct SubgraphClient {
    handle: Handle,
    http: Http,
    options: Arc<SubgraphOptions>,
    /// By [`SubgraphId`].
    endpoints: Arc<[Uri]>,
}

pub(super) type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

const USER_AGENT_VALUE: HeaderValue = HeaderValue::from_static(concat!("juga/", env!("CARGO_PKG_VERSION")));
const ACCEPT_VALUE: HeaderValue =
    HeaderValue::from_static("application/graphql-response+json, application/json");
const CONTENT_TYPE_VALUE: HeaderValue = HeaderValue::from_static("application/json");

impl SubgraphClient {
    /// A client with a pool of its own. `endpoints` in the order of [`SubgraphId`]s.
    pub fn new(
        handle: &Handle,
        options: SubgraphOptions,
        endpoints: &[SubgraphEndpoint],
    ) -> Result<Self, SubgraphClientError> {
        let http = http(&options);
        let endpoints = parse(endpoints)?;
        Ok(Self { handle: handle.clone(), http, options: Arc::new(options), endpoints })
    }

    /// The same pool for another list of subgraphs (after a reload).
    pub fn with_endpoints(&self, endpoints: &[SubgraphEndpoint]) -> Result<Self, SubgraphClientError> {
        Ok(Self { endpoints: parse(endpoints)?, ..self.clone() })
    }

    fn request(&self, subgraph: SubgraphId, body: Bytes) -> Result<Request<Full<Bytes>>, FetchError> {
        let unknown = || FetchError::Unreachable(format!("subgraph {} is not known", subgraph.0));
        let uri = self.endpoints.get(usize::from(subgraph.0)).ok_or_else(unknown)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, CONTENT_TYPE_VALUE);
        headers.insert(ACCEPT, ACCEPT_VALUE);
        headers.insert(USER_AGENT, USER_AGENT_VALUE);
        Ok(request)
    }
}

impl Subgraphs for SubgraphClient {
    /// Dropping the future aborts the request, unless it is a mutation's: that runs to its end.
    fn fetch(&self, request: FetchRequest) -> BoxFuture<Result<Bytes, FetchError>> {
        let is_mutation = request.kind == OperationKind::Mutation;
        let request = match self.request(request.subgraph, request.body) {
            Ok(request) => request,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let (done, answer) = oneshot::channel();
        let (http, options) = (self.http.clone(), self.options.clone());
        let task = self.handle.spawn(async move {
            let exchange = exchange(&http, request, options.response_bytes_max);
            let outcome = tokio::time::timeout(options.timeout, exchange).await;
            // Nobody waits any more: the answer of a mutation that ran on.
            let _ = done.send(outcome.unwrap_or(Err(FetchError::Timeout(options.timeout))));
        });
        Box::pin(Fetch { answer, task: (!is_mutation).then(|| task.abort_handle()) })
    }
}

/// Waits for an answer; dropped early, it aborts the request.
struct Fetch {
    answer: oneshot::Receiver<Result<Bytes, FetchError>>,
    task: Option<AbortHandle>,
}

impl Future for Fetch {
    type Output = Result<Bytes, FetchError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map(|it| it.unwrap_or(Err(FetchError::Stopping)))
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn parse(endpoints: &[SubgraphEndpoint]) -> Result<Arc<[Uri]>, SubgraphClientError> {
    let uri = |endpoint: &SubgraphEndpoint| {
        let parsed = endpoint.url.parse::<Uri>().ok();
        parsed
            .filter(|it| matches!(it.scheme_str(), Some("http" | "https")) && it.host().is_some())
            .ok_or_else(|| SubgraphClientError::Url {
                name: endpoint.name.to_string(),
                url: endpoint.url.clone(),
            })
    };
    endpoints.iter().map(uri).collect()
}

/// An HTTP client with a pool of its own.
pub(super) fn http(options: &SubgraphOptions) -> Http {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(options.idle_timeout)
        .pool_max_idle_per_host(options.idle_connections_max)
        .build(connector(options))
}

fn connector(options: &SubgraphOptions) -> HttpsConnector<HttpConnector> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(options.connect_timeout));
    let tls = HttpsConnectorBuilder::new().with_tls_config(tls_config());
    tls.https_or_http().enable_all_versions().wrap_connector(tcp)
}

/// Trusts the system's certificate authorities. Without any, `http` works and `https` fails with a reason.
fn tls_config() -> async_nats::rustls::ClientConfig {
    use async_nats::rustls::{ClientConfig, RootCertStore, crypto::ring};
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default protocol versions")
    };
    match builder().with_native_roots() {
        Ok(trusting) => trusting.with_no_client_auth(),
        Err(error) => {
            tracing::warn!(%error, "no certificate authorities found: subgraphs cannot be reached by https");
            builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        }
    }
}

async fn exchange(http: &Http, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<Bytes, FetchError> {
    let response = http.request(request).await.map_err(|error| FetchError::Unreachable(causes(&error)))?;
    if let Some(encoding) = response.headers().get(CONTENT_ENCODING).filter(|it| *it != "identity") {
        let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
        return Err(FetchError::Malformed(format!("content-encoding {encoding} was not asked for")));
    }
    let (status, is_json) = (response.status(), is_json(&response));
    if !is_json && status.is_success() {
        return Err(FetchError::Malformed("content-type is not JSON".to_owned()));
    }
    if !is_json {
        return Err(FetchError::Status(status.as_u16()));
    }
    let body = collect(response.into_body(), bytes_max).await?;
    judge(status, body)
}

/// A body counts as an answer if it may be one: an object; of an error status, with `data` or `errors`.
fn judge(status: StatusCode, body: Bytes) -> Result<Bytes, FetchError> {
    if status.is_success() {
        let first = body.iter().find(|it| !it.is_ascii_whitespace());
        return if first == Some(&b'{') {
            Ok(body)
        } else {
            Err(FetchError::Malformed("the body is not a JSON object".to_owned()))
        };
    }
    if is_graphql(&body) { Ok(body) } else { Err(FetchError::Status(status.as_u16())) }
}

fn is_graphql(body: &Bytes) -> bool {
    let mut document = Document::new();
    let Ok(root) = document.parse(body.clone()) else { return false };
    let has = |key, kind| document.get(root, key).is_some_and(|it| document.kind(it) == kind);
    has("errors", Kind::Array) || has("data", Kind::Object)
}

/// `application/json`, anything `+json`, or nothing said.
fn is_json<B>(response: &Response<B>) -> bool {
    let Some(value) = response.headers().get(CONTENT_TYPE) else { return true };
    let Ok(value) = value.to_str() else { return false };
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || media.ends_with("+json")
}

pub(super) async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, FetchError> {
    let too_large = || FetchError::Malformed(format!("it is larger than {bytes_max} bytes"));
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let (mut first, mut more) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Unreachable(causes(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + more.len() + data.len() > bytes_max {
            return Err(too_large());
        }
        // Most answers are one frame, which is passed on as it is.
        if first.is_empty() && more.is_empty() {
            first = data;
            continue;
        }
        more.extend_from_slice(&std::mem::take(&mut first));
        more.extend_from_slice(&data);
    }
    Ok(if more.is_empty() { first } else { more.freeze() })
}
