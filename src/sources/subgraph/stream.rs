//! Subscriptions at subgraphs by Server-Sent Events ("GraphQL over SSE", distinct connections): one HTTP
//! request for each, on a connection of its own, whose answer goes on until the subscription ends.

use super::{
    SubgraphClient,
    attempts::Subgraph,
    body::{Encoding, collect},
    exchange::introduce,
    retry::reconnect_wait,
};
use crate::{
    graphql::{self, json::write_string},
    net::{
        credentials::Credentials,
        event_stream::{Event, Parser},
    },
    plan::{Position, UpstreamFeed},
    resolve::{ErrorPropagation, UpstreamLoss, refusal_errors, terminal_errors},
    sources::{FeedSink, Report, Ticket, sink::deliver},
};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{task::AbortHandle, time::sleep};

/// Where and how a subscription is asked for.
#[derive(Clone, Debug)]
pub struct StreamTarget {
    pub uri: Uri,
    /// By GET, with the operation in the query string.
    pub by_get: bool,
    /// The subscription waits for a subgraph that is lost, instead of ending.
    pub reconnect: bool,
    /// Longest event.
    pub event_bytes_max: usize,
    pub errors: ErrorPropagation,
}

/// The streams that run. Clones share them.
#[derive(Clone)]
pub struct Streams {
    client: SubgraphClient,
    sink: Arc<dyn FeedSink>,
    running: Arc<Mutex<HashMap<Ticket, AbortHandle>>>,
}

impl Streams {
    pub fn new(client: SubgraphClient, sink: Arc<dyn FeedSink>) -> Self {
        Self { client, sink, running: Arc::default() }
    }

    /// Starts a feed. Whatever comes of it is reported to the sink.
    pub fn start(&self, ticket: Ticket, feed: UpstreamFeed, target: StreamTarget) {
        let Some(subgraph) = self.client.subgraphs.get(usize::from(feed.subgraph.0)).cloned() else { return };
        let (sink, running) = (self.sink.clone(), self.running.clone());
        let mut tickets = self.running();
        let stream = Stream { subgraph, feed, target, sink, ticket, events: 0 };
        let task = self.client.handle.spawn(async move {
            stream.run().await;
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
        });
        tickets.insert(ticket, task.abort_handle());
    }

    /// Stops a feed, if it runs.
    pub fn stop(&self, ticket: Ticket) {
        if let Some(task) = self.running().remove(&ticket) {
            task.abort();
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Ticket, AbortHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Stream {
    subgraph: Arc<Subgraph>,
    feed: UpstreamFeed,
    target: StreamTarget,
    sink: Arc<dyn FeedSink>,
    ticket: Ticket,
    events: u64,
}

/// How a stream ended.
enum Ending {
    Complete,
    /// The subgraph says that it failed.
    Failed(graphql::Errors),
    Lost {
        refusal: Refusal,
        had_stood: bool,
    },
}

/// Why there is no stream: how it was lost, and what the subgraph says of that, if anything.
struct Refusal {
    loss: UpstreamLoss,
    told: Option<graphql::Errors>,
}

impl From<UpstreamLoss> for Refusal {
    fn from(loss: UpstreamLoss) -> Self {
        Self { loss, told: None }
    }
}

impl Stream {
    async fn run(mut self) {
        let (mut attempts, mut interrupted) = (0, false);
        loop {
            match self.listen(interrupted).await {
                Ending::Complete => return self.report(Report::Ended).await,
                Ending::Failed(errors) => return self.report(Report::Failed(errors)).await,
                Ending::Lost { had_stood, .. } if self.target.reconnect && (had_stood || interrupted) => {
                    attempts = if had_stood { 0 } else { attempts + 1 };
                    if had_stood || !interrupted {
                        self.report(Report::Interrupted).await;
                    }
                    interrupted = true;
                    sleep(reconnect_wait(attempts, fastrand::f64())).await;
                }
                Ending::Lost { refusal: Refusal { loss, told }, .. } => {
                    let own = || loss.errors(&self.target.errors, &self.subgraph.endpoint.name);
                    let errors = told.unwrap_or_else(own);
                    return self.report(Report::Failed(errors)).await;
                }
            }
        }
    }

    /// Asks once, and reports events until the stream ends.
    async fn listen(&mut self, interrupted: bool) -> Ending {
        let mut body = match self.ask().await {
            Ok(body) => body,
            Err(refusal) => return Ending::Lost { refusal, had_stood: false },
        };
        if interrupted {
            self.report(Report::Restored).await;
            self.report(Report::Gap).await;
        } else {
            self.report(Report::Live).await;
        }
        let mut parser = Parser::new(self.target.event_bytes_max);
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(bytes) = frame.into_data() else { continue };
            let Ok(events) = parser.push(&bytes) else {
                let loss = UpstreamLoss::TooLong { bytes_max: self.target.event_bytes_max };
                let (policy, name) = (&self.target.errors, &self.subgraph.endpoint.name);
                tracing::warn!(subgraph = &**name, ?loss, "an event stream of a subgraph was left");
                return Ending::Failed(loss.errors(policy, name));
            };
            for event in events {
                if let Some(ending) = self.take_in(event).await {
                    return ending;
                }
            }
        }
        Ending::Lost { refusal: UpstreamLoss::Broken.into(), had_stood: true }
    }

    /// Sends the request; the body of its answer.
    async fn ask(&self) -> Result<Incoming, Refusal> {
        let options = &self.subgraph.endpoint.options;
        let limit = options.response_header_timeout.unwrap_or(options.timeout);
        let answering = self.subgraph.subscribing.streams.request(self.request().map(Either::Left));
        let answer = match tokio::time::timeout(limit, answering).await {
            Ok(Ok(answer)) => answer,
            failed => {
                let reason = failed.map(|it| it.err().map(|error| crate::sources::causes(&error)));
                tracing::warn!(
                    subgraph = &*self.subgraph.endpoint.name,
                    ?reason,
                    "a subgraph does not answer"
                );
                return Err(UpstreamLoss::Broken.into());
            }
        };
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let is_stream = kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
        match answer.status() == StatusCode::OK && is_stream {
            true => Ok(answer.into_body()),
            false => Err(self.refusal(answer).await),
        }
    }

    /// An answer that is no stream: a subgraph says in its body what is wrong.
    async fn refusal(&self, answer: Response<Incoming>) -> Refusal {
        let (name, status) = (&*self.subgraph.endpoint.name, answer.status());
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        tracing::warn!(subgraph = name, status = status.as_u16(), kind, "a subgraph answers no event stream");
        let loss = match status {
            StatusCode::OK => UpstreamLoss::Broken,
            status => UpstreamLoss::Refused(status),
        };
        let Ok(encoding) = Encoding::of(answer.headers()) else { return loss.into() };
        let limit = self.subgraph.endpoint.options.timeout;
        let collecting = collect(answer.into_body(), encoding, self.target.event_bytes_max);
        let Ok(Ok(body)) = tokio::time::timeout(limit, collecting).await else { return loss.into() };
        Refusal { loss, told: refusal_errors(&self.target.errors, name, body, status) }
    }

    /// Tells the sink about an event; how the stream ended, when it was the last.
    async fn take_in(&mut self, event: Event) -> Option<Ending> {
        match &*event.name {
            "complete" => Some(Ending::Complete),
            // The protocol has no such event; there are servers that send it all the same.
            "error" => {
                let (policy, name) = (&self.target.errors, &*self.subgraph.endpoint.name);
                Some(Ending::Failed(terminal_errors(policy, name, event.data.into())))
            }
            "next" | "" | "message" if !event.data.is_empty() => {
                self.events += 1;
                let (position, payload) = (Position::single(self.events), event.data.into());
                self.report(Report::Event { position, payload }).await;
                None
            }
            // Nothing that the protocol knows.
            _ => None,
        }
    }

    async fn report(&self, report: Report) {
        deliver(&self.sink, self.ticket, report).await;
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let by_get = self.target.by_get;
        let body = if by_get { Bytes::new() } else { self.json() };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = if by_get { Method::GET } else { Method::POST };
        let (uri, credentials) = Credentials::split(&self.target.uri);
        *request.uri_mut() = if by_get { self.with_query(uri) } else { uri };
        let headers = request.headers_mut();
        if !by_get {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("juga/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in
            self.feed.forwarded.headers(self.feed.subgraph).into_iter().flat_map(|it| it.iter())
        {
            headers.append(name, value.clone());
        }
        introduce(headers, credentials.map(|it| it.basic()).as_ref());
        request
    }

    /// The members of the request that are there, with their JSON texts.
    fn members(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let members = [("variables", &self.feed.variables), ("extensions", &self.feed.forwarded.extensions)];
        members.into_iter().filter(|(_, json)| !json.is_empty()).map(|(name, json)| (name, &json[..]))
    }

    fn json(&self) -> Bytes {
        let mut body = b"{\"query\":".to_vec();
        write_string(&self.feed.document, &mut body);
        for (name, json) in self.members() {
            body.extend_from_slice(format!(",\"{name}\":").as_bytes());
            body.extend_from_slice(json);
        }
        body.push(b'}');
        body.into()
    }

    fn with_query(&self, uri: Uri) -> Uri {
        let mut text = uri.to_string();
        text.push(if uri.query().is_some() { '&' } else { '?' });
        text.push_str(&format!("query={}", graphql::encode_query_part(self.feed.document.as_bytes())));
        for (name, json) in self.members() {
            text.push_str(&format!("&{name}={}", graphql::encode_query_part(json)));
        }
        text.parse().unwrap_or(uri)
    }
}
