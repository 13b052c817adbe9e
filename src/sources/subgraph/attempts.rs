//! One fetch: its attempts, the waits between them and the breaker's word, under one deadline.

use super::{
    breaker::{Breaker, Pass, Refusal, Verdict},
    exchange::{Http, exchange, introduce, request},
    options::SubgraphEndpoint,
    retry::{Failure, Retry},
};
use crate::{
    graphql::Uploads,
    net::credentials::Credentials,
    plan::OperationKind,
    resolve::{FetchAnswer, FetchError, FetchRequest},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Uri};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::rustls::ClientConfig;

/// One subgraph, as the client sees it.
pub(super) struct Subgraph {
    pub(super) endpoint: SubgraphEndpoint,
    uri: Uri,
    /// Who we are to it, if its URL says so.
    authorization: Option<HeaderValue>,
    http: Http,
    pub(super) subscribing: Subscribing,
    /// One for each request that may be in flight.
    permits: Semaphore,
    breaker: Option<Mutex<Breaker>>,
    /// Attempts after the first of their fetch.
    pub(super) retries: AtomicU64,
    /// Attempts that the breaker turned away.
    pub(super) rejected: AtomicU64,
}

/// For connections on which subscriptions go on. Fetches have others: a subgraph takes so many requests at a time on
/// one of HTTP/2, and subscriptions would leave none.
pub(super) struct Subscribing {
    /// One connection of HTTP/1.1 for each event stream.
    pub(super) streams: Http,
    /// For WebSockets.
    pub(super) tls: Arc<ClientConfig>,
}

impl Subgraph {
    pub(super) fn new(endpoint: SubgraphEndpoint, uri: Uri, http: Http, subscribing: Subscribing) -> Self {
        let (uri, credentials) = Credentials::split(&uri);
        let authorization = credentials.map(|it| it.basic());
        let permits = Semaphore::new(endpoint.options.requests_max.clamp(1, Semaphore::MAX_PERMITS));
        let breaker = endpoint.options.breaker.clone().map(|it| Mutex::new(Breaker::new(it)));
        Self {
            endpoint,
            uri,
            authorization,
            http,
            subscribing,
            permits,
            breaker,
            retries: 0.into(),
            rejected: 0.into(),
        }
    }

    pub(super) fn is_breaker_open(&self) -> bool {
        self.breaker.as_ref().is_some_and(|it| lock(it).is_open())
    }

    /// Sends a request until it is answered, or until that makes no sense any more. Only queries are sent
    /// more than once: a mutation that failed may have been carried out. And only without files: those pass
    /// by once.
    pub(super) async fn fetch(
        &self,
        fetch: FetchRequest,
        files: Option<Arc<Uploads>>,
    ) -> Result<FetchAnswer, FetchError> {
        let deadline = Instant::now() + self.endpoint.options.timeout;
        let may_repeat = fetch.kind == OperationKind::Query && files.is_none();
        let mut retry = Retry::new(self.endpoint.options.retry.as_ref().filter(|_| may_repeat));
        let mut request = request(&self.uri, fetch, files);
        introduce(request.headers_mut(), self.authorization.as_ref());
        loop {
            let failure = match self.attempt(request.clone(), deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(wait) = retry.after(&failure, left, fastrand::f64()) else {
                return Err(failure.error);
            };
            self.retries.fetch_add(1, Relaxed);
            let (subgraph, error) = (&*self.endpoint.name, &failure.error);
            if retry.is_first() {
                tracing::warn!(subgraph, %error, ?wait, "an attempt failed, trying again");
            } else {
                tracing::debug!(subgraph, %error, ?wait, "trying again");
            }
            sleep(wait).await;
        }
    }

    async fn attempt(&self, request: Request<Bytes>, deadline: Instant) -> Result<FetchAnswer, Failure> {
        // Who would be turned away need not wait for a permit first.
        if let Some(breaker) = &self.breaker
            && let Some(refusal) = lock(breaker).refusal(now())
        {
            return Err(self.reject(refusal));
        }
        let _permit = self.permit(deadline).await?;
        let Some(breaker) = &self.breaker else {
            return self.exchange(request, deadline, self.endpoint.options.timeout).await;
        };
        let trial = Trial::start(&self.endpoint.name, breaker).map_err(|it| self.reject(it))?;
        let (deadline, limit) = self.deadline_of_attempt(deadline);
        let outcome = self.exchange(request, deadline, limit).await;
        trial.end(&outcome);
        outcome
    }

    async fn permit(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, FetchError> {
        match timeout_at(deadline, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(FetchError::Stopping),
            Err(_) => Err(FetchError::Timeout(self.endpoint.options.timeout)),
        }
    }

    /// The breaker's bound on an attempt, unless the fetch ends before; and the time that says it.
    fn deadline_of_attempt(&self, deadline: Instant) -> (Instant, Duration) {
        let options = &self.endpoint.options;
        let own =
            options.breaker.as_ref().map(|it| (Instant::now() + it.execution_timeout, it.execution_timeout));
        own.filter(|(it, _)| *it < deadline).unwrap_or((deadline, options.timeout))
    }

    async fn exchange(
        &self,
        request: Request<Bytes>,
        deadline: Instant,
        limit: Duration,
    ) -> Result<FetchAnswer, Failure> {
        let exchange = exchange(&self.http, &self.endpoint.options, request);
        timeout_at(deadline, exchange).await.unwrap_or_else(|_| Err(FetchError::Timeout(limit).into()))
    }

    fn reject(&self, refusal: Refusal) -> Failure {
        self.rejected.fetch_add(1, Relaxed);
        FetchError::Rejected(match refusal {
            Refusal::Open => "circuit breaker open",
            Refusal::Full => "too many requests at a time",
        })
        .into()
    }
}

/// An attempt that a breaker let through. Dropped before its end, it was abandoned.
struct Trial<'a> {
    subgraph: &'a str,
    breaker: &'a Mutex<Breaker>,
    pass: Option<Pass>,
}

impl<'a> Trial<'a> {
    fn start(subgraph: &'a str, breaker: &'a Mutex<Breaker>) -> Result<Self, Refusal> {
        let pass = lock(breaker).admit(now())?;
        Ok(Self { subgraph, breaker, pass: Some(pass) })
    }

    fn end(mut self, outcome: &Result<FetchAnswer, Failure>) {
        let is_failure = outcome.as_ref().is_err_and(|it| is_trouble(&it.error));
        self.report(if is_failure { Verdict::Failed } else { Verdict::Succeeded });
    }

    fn report(&mut self, verdict: Verdict) {
        let Some(pass) = self.pass.take() else { return };
        let mut breaker = lock(self.breaker);
        let was_open = breaker.is_open();
        breaker.report(pass, verdict, now());
        match (was_open, breaker.is_open()) {
            (false, true) => tracing::warn!(subgraph = self.subgraph, "circuit breaker opened"),
            (true, false) => tracing::info!(subgraph = self.subgraph, "circuit breaker closed"),
            _ => {}
        }
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        self.report(Verdict::Abandoned);
    }
}

/// Whether an error speaks of a subgraph in trouble, which a pause may help; a subgraph that answers in
/// its own way is not.
fn is_trouble(error: &FetchError) -> bool {
    match error {
        FetchError::Unreachable(_) | FetchError::Timeout(_) => true,
        FetchError::Status(status) => *status >= 500,
        FetchError::Malformed(_) | FetchError::Rejected(_) | FetchError::Files(_) | FetchError::Stopping => {
            false
        }
    }
}

fn lock(breaker: &Mutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runtime's time, which tests may stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
