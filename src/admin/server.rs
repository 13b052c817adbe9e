//! The admin thread: accepts connections and says which path gets which answer.

use super::{
    metrics::{Format, Metrics},
    profile::{CpuOptions, ProfileError, Profiler},
    publish,
    reply::{JSON, Reply, json_error, text},
    state::State,
};
use crate::graphql::json::STACK_BYTES;
use hyper::{
    HeaderMap, Method, Request, StatusCode, Version,
    body::Incoming,
    header::{ACCEPT, ALLOW, CONTENT_DISPOSITION, HOST, HeaderValue, ORIGIN},
    http::uri::Authority,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};
use tokio::{net::TcpStream, runtime::Runtime, sync::oneshot, task::JoinSet};

/// What the admin listener can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `host:port`; names are looked up once, at the start. Anyone who can connect may do everything here.
    pub listen_addr: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen_addr: "127.0.0.1:8088".into() }
    }
}

/// The running admin listener. Stops when it is dropped.
#[derive(Debug)]
pub struct Admin {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Listens and starts the admin thread and its helper for profiles: two threads, whatever happens.
    pub fn start(options: &Options, state: Arc<dyn State>) -> io::Result<(Self, SocketAddr)> {
        let listener = listen(&options.listen_addr)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(1)
            .thread_keep_alive(Duration::MAX)
            .thread_name("juga-profile")
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("juga-admin".into())
            .stack_size(STACK_BYTES)
            .spawn(move || run(runtime, listener, state, stopped))?;
        Ok((Self { stop: Some(stop), thread: Some(thread) }, address))
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there was logged there; here there is nothing left to save.
            _ = thread.join();
        }
    }
}

/// Connections at a time; more wait in the kernel until one ends.
const CONNECTIONS_MAX: usize = 64;
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const STATE_TIMEOUT: Duration = Duration::from_secs(5);
const ERROR_PAUSE: Duration = Duration::from_millis(50);

fn listen(address: &str) -> io::Result<TcpListener> {
    let found: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    let address = found.iter().find(|it| it.is_ipv4()).or(found.first());
    let listener = TcpListener::bind(address.ok_or_else(|| io::Error::other("the name has no address"))?)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn run(runtime: Runtime, listener: TcpListener, state: Arc<dyn State>, stopped: oneshot::Receiver<()>) {
    // Started now, so that the number of threads never changes.
    runtime.spawn_blocking(|| ());
    let room = Arc::new(Room { metrics: Metrics::new(Arc::clone(&state)), profiler: Profiler::new(), state });
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a non-blocking listener");
        tokio::select! {
            _ = stopped => {}
            () = accept(&listener, &room) => {}
        }
    });
    // A profile that is being built is not worth waiting for.
    runtime.shutdown_timeout(Duration::from_millis(100));
}

async fn accept(listener: &tokio::net::TcpListener, room: &Arc<Room>) {
    let mut served = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if served.len() < CONNECTIONS_MAX => match accepted {
                Ok((socket, _)) => _ = served.spawn(serve(Arc::clone(room), socket)),
                // Most often for want of file descriptors.
                Err(_) => tokio::time::sleep(ERROR_PAUSE).await,
            },
            Some(_) = served.join_next() => {}
        }
    }
}

async fn serve(room: Arc<Room>, socket: TcpStream) {
    let service = service_fn(|request| {
        let room = Arc::clone(&room);
        async move { Ok::<_, Infallible>(room.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(socket), service);
    // How a connection breaks off is the client's affair.
    _ = connection.await;
}

/// Whether a request says whom it is for as its version demands (RFC 9112, section 3.2).
fn names_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => Authority::try_from(host.as_bytes()).is_ok_and(|it| !it.as_str().contains('@')),
        (Some(_), Some(_)) => false,
    }
}

/// What all connections share.
struct Room {
    state: Arc<dyn State>,
    metrics: Metrics,
    profiler: Profiler,
}

impl Room {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        if !names_host(&request) {
            return json_error(StatusCode::BAD_REQUEST, "The request needs one `Host` header.");
        }
        let path = request.uri().path().to_owned();
        let Some(wanted) = wanted(&path) else {
            return json_error(StatusCode::NOT_FOUND, "Not found.");
        };
        if !wanted.matches(request.method()) {
            return method_not_allowed(wanted);
        }
        if wanted == Wanted::Post && request.headers().contains_key(ORIGIN) {
            // A page in the operator's browser must not act through this port.
            return json_error(StatusCode::FORBIDDEN, "Not for browsers.");
        }
        match path.strip_prefix(PUBLISH) {
            Some(subject) => publish::answer(&*self.state, subject.to_owned(), request).await,
            None => {
                self.answer_path(&path, request.uri().query().unwrap_or_default(), request.headers()).await
            }
        }
    }

    async fn answer_path(&self, path: &str, query: &str, headers: &HeaderMap) -> Reply {
        match path {
            "/health" if query == "ready" => health(self.state.is_ready()),
            "/health" | "/health/live" => health(self.state.is_live()),
            "/health/ready" | "/readiness" => health(self.state.is_ready()),
            "/metrics" => self.metrics(headers),
            "/debug/state" => self.debug_state().await,
            "/debug/pprof/cmdline" => text(StatusCode::OK, PLAIN, command_line()),
            "/debug/pprof/profile" => match CpuOptions::parse(query) {
                Ok(options) => profile(CPU_FILE, self.profiler.cpu(options).await),
                Err(error) => profile_error(error),
            },
            "/debug/pprof/heap" => profile(HEAP_FILE, self.profiler.heap().await),
            "/debug/pprof/heap/activate" => done(self.profiler.sample_heap(true).await),
            "/debug/pprof/heap/deactivate" => done(self.profiler.sample_heap(false).await),
            _ => text(StatusCode::OK, "text/html; charset=utf-8", INDEX),
        }
    }

    fn metrics(&self, headers: &HeaderMap) -> Reply {
        let accept = headers.get(ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let format = Format::accepted(accept);
        match self.metrics.encode(format) {
            Ok(page) => text(StatusCode::OK, format.content_type(), page),
            Err(_) => json_error(StatusCode::INTERNAL_SERVER_ERROR, "The metrics cannot be written."),
        }
    }

    async fn debug_state(&self) -> Reply {
        match tokio::time::timeout(STATE_TIMEOUT, self.state.debug_state()).await {
            Ok(Ok(state)) => text(StatusCode::OK, JSON, state),
            Ok(Err(_)) | Err(_) => {
                json_error(StatusCode::SERVICE_UNAVAILABLE, "The router cannot say now; try again.")
            }
        }
    }
}

/// What is behind it is the subject.
const PUBLISH: &str = "/admin/publish/";
const CPU_FILE: &str = "attachment; filename=\"profile.pb.gz\"";
const HEAP_FILE: &str = "attachment; filename=\"heap.pb.gz\"";
const PLAIN: &str = "text/plain; charset=utf-8";

const INDEX: &str = "<!doctype html><title>profiles</title><ul>\
    <li><a href=\"/debug/pprof/profile?seconds=10\">profile</a>: CPU, ?seconds= (at most 60) &amp;frequency= (99)\
    <li><a href=\"/debug/pprof/heap\">heap</a>: what is allocated; POST heap/activate first, heap/deactivate after\
    <li><a href=\"/debug/pprof/cmdline\">cmdline</a></ul>\
    <p>Read them with <code>go tool pprof URL</code>.\n";

/// The methods a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Get,
    Post,
}

impl Wanted {
    fn matches(self, method: &Method) -> bool {
        match self {
            Self::Get => matches!(*method, Method::GET | Method::HEAD),
            Self::Post => method == Method::POST,
        }
    }
}

/// `None` for paths that are not there.
fn wanted(path: &str) -> Option<Wanted> {
    match path {
        "/health"
        | "/health/live"
        | "/health/ready"
        | "/readiness"
        | "/metrics"
        | "/debug/state"
        | "/debug/pprof"
        | "/debug/pprof/"
        | "/debug/pprof/cmdline"
        | "/debug/pprof/profile"
        | "/debug/pprof/heap" => Some(Wanted::Get),
        "/debug/pprof/heap/activate" | "/debug/pprof/heap/deactivate" => Some(Wanted::Post),
        it if it.starts_with(PUBLISH) => Some(Wanted::Post),
        _ => None,
    }
}

fn method_not_allowed(wanted: Wanted) -> Reply {
    let allow = if wanted == Wanted::Post { "POST" } else { "GET, HEAD" };
    let mut reply = json_error(StatusCode::METHOD_NOT_ALLOWED, &format!("Use {allow}."));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

fn health(is_up: bool) -> Reply {
    if is_up {
        text(StatusCode::OK, JSON, "{\"status\":\"UP\"}")
    } else {
        text(StatusCode::SERVICE_UNAVAILABLE, JSON, "{\"status\":\"DOWN\"}")
    }
}

fn profile(disposition: &'static str, made: Result<Vec<u8>, ProfileError>) -> Reply {
    match made {
        Ok(bytes) => {
            let mut reply = text(StatusCode::OK, "application/octet-stream", bytes);
            reply.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
            reply
        }
        Err(error) => profile_error(error),
    }
}

fn done(result: Result<(), ProfileError>) -> Reply {
    match result {
        Ok(()) => text(StatusCode::OK, JSON, "{\"done\":true}\n"),
        Err(error) => profile_error(error),
    }
}

fn profile_error(error: ProfileError) -> Reply {
    let (status, message) = match error {
        ProfileError::Busy => (StatusCode::CONFLICT, "Another profile is being made; try again.".into()),
        ProfileError::BadParameter(message) => (StatusCode::BAD_REQUEST, message.into()),
        ProfileError::Off(message) => (StatusCode::FORBIDDEN, message.into()),
        ProfileError::Failed(message) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("No profile: {message}"))
        }
    };
    json_error(status, &message)
}

/// The arguments, each ended by a NUL, as `pprof` expects them.
fn command_line() -> Vec<u8> {
    std::env::args_os().flat_map(|it| [it.as_encoded_bytes(), b"\0"].concat()).collect()
}
