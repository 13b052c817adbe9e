//! Subgraphs for tests and the quickstart: real HTTP servers that execute GraphQL on data in memory,
//! write down what they were asked, and misbehave on demand. The demo's data are in [`demo`].
//!
//! One thread per server, whatever the number of connections and of requests that hang.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test binary and the quickstart use their own part"
)]
#![expect(clippy::disallowed_methods, reason = "requests are written down with the time they came")]

pub mod demo;
mod execute;
pub mod schema;

pub use execute::{Call, Data, Graph, Resolved};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    future, io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, sync::watch};

/// How a subgraph treats requests from now on, those that wait inside it included.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    Answer,
    /// Answers after this time.
    Delay(Duration),
    /// Answers each request after a time of its own, at random, so that answers overtake each other.
    Scatter {
        seed: u64,
        most: Duration,
    },
    /// Answers nothing until the behaviour changes.
    Hang,
    /// Answers with this HTTP status and no GraphQL.
    Status(u16),
    /// Closes the connection without an answer.
    Drop,
    /// Answers every request with these bytes as `application/json`.
    Raw(String),
}

impl Behaviour {
    /// How long the request of this number is held back.
    fn delay(&self, number: u64) -> Duration {
        match *self {
            Self::Delay(time) => time,
            Self::Scatter { seed, most } => {
                most.mul_f64(fastrand::Rng::with_seed(seed ^ (number << 32)).f64())
            }
            _ => Duration::ZERO,
        }
    }
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub at: Instant,
    pub headers: http::HeaderMap,
    /// The body as JSON, `null` where it was none.
    pub body: Value,
    /// The body as it came.
    pub bytes: Bytes,
}

impl Recorded {
    pub fn query(&self) -> &str {
        self.body["query"].as_str().unwrap_or_default()
    }

    /// The representations of an `_entities` request, under whatever name the variable has.
    pub fn representations(&self) -> &[Value] {
        let variables = self.body["variables"].as_object();
        let lists = variables.into_iter().flat_map(|it| it.values()).filter_map(Value::as_array);
        lists
            .map(Vec::as_slice)
            .find(|it| it.first().is_some_and(|it| it.get("__typename").is_some()))
            .unwrap_or_default()
    }
}

/// Requests kept for [`Subgraph::requests`]; the oldest go first. [`Subgraph::request_count`] counts all.
const REQUESTS_KEPT: usize = 65_536;
const BODY_BYTES_MAX: usize = 16 << 20;

/// A running subgraph. Dropping it closes the listener and every connection.
pub struct Subgraph {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    graph: Graph,
    journal: Mutex<Journal>,
    behaviour: watch::Sender<Behaviour>,
    /// What every answer has beside its content type.
    headers: Mutex<http::HeaderMap>,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Journal {
    kept: VecDeque<Recorded>,
    total: u64,
}

impl Subgraph {
    /// Serves a graph on a free port of 127.0.0.1, under any path.
    pub fn start(graph: Graph) -> Self {
        Self::bind(graph, SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port")
    }

    /// Serves a graph on this address.
    pub fn bind(graph: Graph, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            graph,
            journal: Mutex::default(),
            behaviour: watch::Sender::new(Behaviour::Answer),
            headers: Mutex::default(),
            stop: watch::Sender::new(false),
        });
        let thread = thread::Builder::new().name(format!("subgraph-{}", address.port())).spawn({
            let shared = Arc::clone(&shared);
            move || run(listener, &shared)
        })?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a router's `routing_url` says.
    pub fn url(&self) -> String {
        format!("http://{}/graphql", self.address)
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.behaviour.send_replace(behaviour);
    }

    /// From now on, every answer has this header.
    pub fn answer_with(&self, name: &str, value: &str) {
        let name = http::HeaderName::try_from(name).expect("a header name");
        let mut headers = self.shared.headers.lock().unwrap_or_else(PoisonError::into_inner);
        headers.insert(name, value.parse().expect("a header value"));
    }

    /// From now on, entities whose representation has all members of `like` answer with an error.
    pub fn fail_entities(&self, like: Value, message: &str) {
        self.shared.graph.fail_entities(like, message);
    }

    pub fn heal_entities(&self) {
        self.shared.graph.heal_entities();
    }

    /// The latest requests, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.journal().kept.iter().cloned().collect()
    }

    /// Requests since the start or the last [`Subgraph::forget_requests`].
    pub fn request_count(&self) -> u64 {
        self.shared.journal().total
    }

    pub fn forget_requests(&self) {
        *self.shared.journal() = Journal::default();
    }
}

impl Drop for Subgraph {
    fn drop(&mut self) {
        self.shared.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request's number.
    fn record(&self, headers: http::HeaderMap, body: Value, bytes: Bytes) -> u64 {
        let mut journal = self.journal();
        journal.total += 1;
        if journal.kept.len() == REQUESTS_KEPT {
            journal.kept.pop_front();
        }
        journal.kept.push_back(Recorded { at: Instant::now(), headers, body, bytes });
        journal.total
    }
}

fn run(listener: TcpListener, shared: &Arc<Shared>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        let mut stop = shared.stop.subscribe();
        loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                    tokio::spawn(serve(socket, Arc::clone(shared)));
                },
                _ = stop.wait_for(|it| *it) => return,
            }
        }
    });
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    // Both fail when the peer is gone, and then there is nobody to tell.
    drop(socket.set_nodelay(true));
    let service = service_fn(|request| respond(request, Arc::clone(&shared)));
    drop(http1::Builder::new().serve_connection(TokioIo::new(socket), service).await);
}

async fn respond(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<Full<Bytes>>> {
    let mut response = behave(request, &shared).await?;
    response.headers_mut().extend(shared.headers.lock().unwrap_or_else(PoisonError::into_inner).clone());
    Ok(response)
}

async fn behave(request: Request<Incoming>, shared: &Shared) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let bytes = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(io::Error::other)?.to_bytes();
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let number = shared.record(head.headers, body.clone(), bytes);
    let mut behaviour = shared.behaviour.subscribe();
    loop {
        let now = behaviour.borrow_and_update().clone();
        match now {
            Behaviour::Answer => return Ok(json_response(shared.graph.answer(&body).to_string())),
            Behaviour::Raw(body) => return Ok(json_response(body)),
            Behaviour::Drop => return Err(io::ErrorKind::ConnectionAborted.into()),
            Behaviour::Status(code) => return Ok(status_response(code)),
            Behaviour::Hang => {
                if behaviour.changed().await.is_err() {
                    future::pending().await
                }
            }
            Behaviour::Delay(_) | Behaviour::Scatter { .. } => tokio::select! {
                () = tokio::time::sleep(now.delay(number)) => return Ok(json_response(shared.graph.answer(&body).to_string())),
                _ = behaviour.changed() => {}
            },
        }
    }
}

fn json_response(body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    let value = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, value);
    response
}

fn status_response(code: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(json!({ "status": code }).to_string()));
    *response.status_mut() = StatusCode::from_u16(code).expect("a status code");
    response
}
