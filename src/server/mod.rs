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
mod state;
mod stats;

pub use engine::Options as EngineOptions;
pub use reactor::Options as WebSocketOptions;

use crate::{
    admin,
    federation::{EventField, Graphs, LoadErrors, Schema},
    http::{self, Front},
    hub, resolve,
    sources::{self, Sources, subgraph::SubgraphClient},
};
use engine::Engine;
use gateway::Router;
use inbox::Mail;
use io::Io;
use reactor::ReactorMail;
use stats::{EngineStats, HubStats, ReactorStats};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
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
    pub subgraphs: sources::subgraph::Options,
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
    Sources(#[from] sources::StartError),
    #[error("cannot listen on {address}: {cause}")]
    Listen { address: String, cause: std::io::Error },
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A running router.
pub struct Server {
    addresses: Addresses,
    ready: Arc<AtomicBool>,
    front: Option<FrontTask>,
    reactor: Mail<ReactorMail>,
    reactor_thread: Option<JoinHandle<()>>,
    hub: hub_thread::HubLink,
    hub_thread: Option<JoinHandle<()>>,
    pool: Arc<resolve::Pool>,
    sources: Arc<Sources>,
    admin: admin::Admin,
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
        announce(schema.event_fields());
        let io = Io::start()?;
        let (hub, hub_inbox) = hub_thread::queues();
        let (reactor, seat) = reactor::seat()?;
        let sources = start_sources(&options, &schema, &io, &hub)?;
        let pool = Arc::new(resolve::Pool::start(&options.resolve)?);
        let executor = start_executor(&options, &schema, &io, &sources);
        let stats = state::Stats::default();
        let engine = Arc::new(Engine::new(schema, options.engine.clone(), stats.engine.clone()));

        let neighbours = hub_thread::Neighbours {
            sources: sources.clone(),
            pool: pool.clone(),
            executor: executor.clone(),
            reactor: reactor.clone(),
        };
        let hub_thread = hub_thread::start(options.hub.clone(), hub_inbox, neighbours, stats.hub.clone())?;
        let neighbours = reactor::Neighbours {
            engine: engine.clone(),
            pool: pool.clone(),
            executor: executor.clone(),
            hub: hub.clone(),
        };
        let reactor_thread =
            reactor::start(options.websocket.clone(), seat, reactor.clone(), neighbours, stats.reactor.clone())?;

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
        let (front, public) = start_front(&options, &io, router)?;
        let state = state::State { stats, executor, pool: pool.clone(), sources: sources.clone(), ready: ready.clone() };
        let (admin, admin_address) = admin::Admin::start(options.admin.clone(), Arc::new(state))
            .map_err(|cause| StartError::Listen { address: options.admin.listen_addr.to_string(), cause })?;
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
            admin,
            io,
            shutdown_delay: options.shutdown_delay,
            grace_period: options.grace_period,
        })
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }
}
