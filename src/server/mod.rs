//! Threads and wiring: the one room where sockets, subscriptions, plans and brokers meet.
//!
//! [`Server::start`] makes every thread there will be, [`Server::stop`] ends them in order. What each
//! thread does is in its own file: `reactor` (WebSockets), `hub_thread` (the hub), `io` (HTTP, subgraphs,
//! brokers), the pool's in `resolve`, the admin port's in `admin`.

mod clock;
mod engine;
mod gateway;
mod hub_thread;
mod inbox;
mod io;
mod reactor;
mod reply;
mod signals;
mod state;
mod stats;

pub use engine::Options as EngineOptions;
pub use reactor::Options as WebSocketOptions;

use crate::{
    admin::{self, Admin},
    federation::{Graphs, LoadErrors, Schema},
    http::{self, Front},
    hub,
    resolve::{self, Executor, Pool},
    sources::{
        self, Sources,
        subgraph::{SubgraphClient, SubgraphClientError, SubgraphEndpoint, SubgraphOptions},
    },
};
use engine::Engine;
use gateway::Router;
use hub_thread::HubLink;
use inbox::Mail;
use io::Io;
use reactor::ReactorMail;
use state::{State, Stats};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Everything that can be set, by module.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub graphs: Graphs,
    pub engine: EngineOptions,
    pub hub: hub::Options,
    pub resolve: resolve::Options,
    pub websocket: WebSocketOptions,
    pub sources: sources::Options,
    pub subgraphs: SubgraphOptions,
    pub http: http::Options,
    pub admin: admin::Options,
    /// On a stop, connections are closed spread over this time.
    pub shutdown_delay: Duration,
    /// On a stop, everything has ended after this time.
    pub grace_period: Duration,
}

/// Why the router cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the graph cannot be loaded:\n{0}")]
    Graph(LoadErrors),
    #[error(transparent)]
    Subgraphs(#[from] SubgraphClientError),
    #[error(transparent)]
    Sources(#[from] sources::StartError),
    #[error("cannot listen on {address}: {cause}")]
    Listen { address: String, cause: std::io::Error },
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl StartError {
    /// Whether nothing but another configuration helps; otherwise it may work when tried again.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Graph(_) | Self::Subgraphs(_) => true,
            Self::Sources(error) => error.is_configuration(),
            Self::Listen { .. } | Self::Thread(_) => false,
        }
    }
}

/// A running router.
pub struct Server {
    addresses: Addresses,
    ready: Arc<AtomicBool>,
    front: Option<FrontTask>,
    reactor: Mail<ReactorMail>,
    reactor_thread: Option<JoinHandle<()>>,
    hub: HubLink,
    hub_thread: Option<JoinHandle<()>>,
    pool: Arc<Pool>,
    sources: Arc<Sources>,
    admin: Option<Admin>,
    io: Io,
    shutdown_delay: Duration,
    grace_period: Duration,
}

/// Where the router listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub public: SocketAddr,
    pub admin: SocketAddr,
}

/// The front's task on the io thread.
struct FrontTask {
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Loads the graph, starts all threads, and listens.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let schema = Schema::load(&options.graphs).map_err(StartError::Graph)?;
        announce(&schema);
        let io = Io::start()?;
        let (hub, hub_inbox) = hub_thread::queues();
        let (reactor, seat) = reactor::seat()?;
        let stats = Stats::default();
        let sources = Arc::new(start_sources(&options, &schema, &io, &hub)?);
        let pool = Arc::new(Pool::start(&options.resolve)?);
        let executor = executor(&options, &schema, &io, &sources)?;
        let engine = Arc::new(Engine::new(schema, options.engine.clone(), stats.engine.clone()));

        let hub_thread = {
            let (sources, pool, executor) = (sources.clone(), pool.clone(), executor.clone());
            let neighbours = hub_thread::Neighbours { sources, pool, executor, reactor: reactor.clone() };
            hub_thread::start(options.hub.clone(), hub_inbox, neighbours, stats.hub.clone())?
        };
        let reactor_thread = {
            let (engine, pool, executor) = (engine.clone(), pool.clone(), executor.clone());
            let neighbours = reactor::Neighbours { engine, pool, executor, hub: hub.clone() };
            reactor::start(
                options.websocket.clone(),
                seat,
                reactor.clone(),
                neighbours,
                stats.reactor.clone(),
            )?
        };

        let ready = Arc::new(AtomicBool::new(false));
        let router = Router {
            engine,
            pool: pool.clone(),
            executor: executor.clone(),
            reactor: reactor.clone(),
            reactor_stats: stats.reactor.clone(),
            connections_max: options.websocket.connections_max,
            ready: ready.clone(),
        };
        let (front, public) = FrontTask::start(&options.http, &io, router)?;
        let state = State {
            stats,
            hub: hub.clone(),
            executor,
            pool: pool.clone(),
            sources: sources.clone(),
            resolvers_max: options.resolve.max_concurrent_resolvers,
            ready: ready.clone(),
        };
        let (admin, admin_address) = Admin::start(&options.admin, Arc::new(state))
            .map_err(|cause| StartError::Listen { address: options.admin.listen_addr.clone(), cause })?;
        ready.store(true, Ordering::Release);
        Ok(Self {
            addresses: Addresses { public, admin: admin_address },
            ready,
            front: Some(front),
            reactor,
            reactor_thread: Some(reactor_thread),
            hub,
            hub_thread: Some(hub_thread),
            pool,
            sources,
            admin: Some(admin),
            io,
            shutdown_delay: options.shutdown_delay,
            grace_period: options.grace_period,
        })
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Waits until the process is asked to stop (SIGINT, SIGTERM). A second signal ends it at once.
    pub fn wait_for_signal(&self) {
        self.io.block_on(signals::stop_asked());
        self.io.handle().spawn(async {
            signals::stop_asked().await;
            tracing::warn!("asked to stop twice, ending at once");
            std::process::exit(1);
        });
    }

    /// Stops in order: no new clients, connections closed over `shutdown_delay`, then sources, hub, pool
    /// and io; all within `grace_period`.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        let Some(front) = self.front.take() else { return };
        let deadline = clock::now() + self.grace_period;
        self.ready.store(false, Ordering::Release);
        self.reactor.send(ReactorMail::Drain { spread: self.shutdown_delay });
        front.stop(&self.io, self.grace_period);
        self.join_reactor(deadline);
        self.sources.shutdown();
        self.hub.stop();
        join(self.hub_thread.take());
        // Fetches under way end with the io thread, and wake the tasks that wait for them.
        self.io.stop();
        self.pool.stop();
        drop(self.admin.take());
    }

    /// Lets the reactor close its connections, until the deadline.
    fn join_reactor(&mut self, deadline: Instant) {
        let reactor = self.reactor.clone();
        let gave_up = self.io.handle().spawn(async move {
            tokio::time::sleep_until(deadline.into()).await;
            reactor.send(ReactorMail::Stop);
        });
        join(self.reactor_thread.take());
        gave_up.abort();
    }
}

impl Drop for Server {
    /// Like [`Server::stop`], without delay.
    fn drop(&mut self) {
        self.shutdown_delay = Duration::ZERO;
        self.grace_period = self.grace_period.min(DROP_GRACE);
        self.shut_down();
    }
}

/// How long a server that is dropped rather than stopped may take.
const DROP_GRACE: Duration = Duration::from_secs(2);

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(Err(_)) = thread.map(JoinHandle::join) {
        tracing::error!("a thread ended in a panic");
    }
}

impl FrontTask {
    fn start(options: &http::Options, io: &Io, router: Router) -> Result<(Self, SocketAddr), StartError> {
        let (front, address) = Front::bind(options.clone(), Arc::new(router))
            .map_err(|cause| StartError::Listen { address: options.listen_addr.clone(), cause })?;
        let (stop, stopped) = oneshot::channel::<()>();
        let done = io.handle().spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            if let Err(error) = front.run(stopped).await {
                tracing::error!(%error, "the HTTP front ended");
            }
        });
        Ok((Self { stop, done }, address))
    }

    /// Closes the listener and lets requests in flight finish, for at most `limit`.
    fn stop(self, io: &Io, limit: Duration) {
        drop(self.stop);
        let _ = io.block_on(async { tokio::time::timeout(limit, self.done).await });
    }
}

/// Connects the providers and looks whether the graph's are all there.
fn start_sources(options: &Options, schema: &Schema, io: &Io, hub: &HubLink) -> Result<Sources, StartError> {
    let handle = io.handle().clone();
    let connecting = Sources::connect(&handle, options.sources.clone(), Arc::new(hub.clone()));
    let sources = io.block_on(connecting)?;
    let mut used: Vec<_> = schema.event_fields().iter().map(|it| (it.kind, it.provider.clone())).collect();
    used.sort_by(|a, b| a.1.cmp(&b.1));
    used.dedup();
    for missing in sources.check(&used)? {
        tracing::warn!("{missing}; fields that need it answer FEED_UNAVAILABLE");
    }
    Ok(sources)
}

fn executor(
    options: &Options,
    schema: &Schema,
    io: &Io,
    sources: &Arc<Sources>,
) -> Result<Executor, StartError> {
    let endpoints: Vec<_> = schema
        .subgraphs()
        .iter()
        .map(|it| SubgraphEndpoint { name: it.name.clone(), url: it.url.to_string() })
        .collect();
    let names = endpoints.iter().map(|it| it.name.clone()).collect();
    let client = SubgraphClient::new(io.handle(), options.subgraphs.clone(), &endpoints)?;
    Ok(Executor::new(&options.resolve, names, Arc::new(client), sources.clone()))
}

/// Says at the start what the graph has that will not work as written.
fn announce(schema: &Schema) {
    for note in schema.notes() {
        tracing::warn!("{note}");
    }
    for field in schema.event_fields().iter().filter(|it| it.has_stream) {
        tracing::warn!(
            graph = &*field.graph,
            field = &*field.field,
            "JetStream feeds are not available in this version; the field answers FEED_UNAVAILABLE"
        );
    }
}
