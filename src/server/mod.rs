//! Threads and wiring: the one room where sockets, subscriptions, plans and brokers meet.
//!
//! [`check`] says whether the router can start with its options, [`Server::start`] makes every thread there will be,
//! [`Server::stop`] ends them in order (`threads`). What each thread does is in its own file: `reactor` (WebSockets),
//! `hub_thread` (the hub), `io` (HTTP, `http_streams`, subgraphs, brokers), the pool's in `resolve`, the admin port's in `admin`.

mod abandon;
mod check;
mod client;
mod clock;
mod describe;
mod engine;
mod engines;
mod gateway;
mod http_streams;
mod hub_link;
mod hub_thread;
mod inbox;
mod io;
mod jobs;
mod liveness;
mod mail;
mod outbound;
mod reactor;
mod readiness;
mod refused;
mod reply;
mod signals;
mod spread;
mod state;
mod stats;
mod threads;
mod tls;
mod upstreams;

pub use check::{Checked, check};
pub use client::{AllowEntry, AllowList, ForwardOptions};
pub use engine::Options as EngineOptions;
pub use http_streams::Options as HttpStreamOptions;
pub use reactor::Options as WebSocketOptions;
pub use signals::{StopSignals, survive_hangups};
pub use tls::TlsOptions;
pub use upstreams::UpstreamOptions;

use crate::{
    admin::{self, Admin},
    federation::{Graphs, LoadErrors},
    http::{self, Front, TlsConfigs},
    hub, resolve,
    sources::{
        self,
        subgraph::{SubgraphClientError, SubscriptionEndpoint, Traffic},
    },
    telemetry::logging,
};
use gateway::Router;
use io::Io;
use mail::{ReactorMail, StreamMail};
use readiness::Readiness;
use state::{State, Stats};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use threads::Threads;
use tokio::sync::oneshot;

/// Everything that can be set, by module.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub graphs: Graphs,
    pub engine: EngineOptions,
    pub hub: hub::Options,
    pub resolve: resolve::Options,
    pub websocket: WebSocketOptions,
    pub http_streams: HttpStreamOptions,
    pub sources: sources::Options,
    pub subgraphs: Traffic,
    /// How subgraphs serve subscriptions of their own, by name of the subgraph, where that was set.
    pub subscription_endpoints: BTreeMap<String, SubscriptionEndpoint>,
    /// Bounds and times of WebSockets to subgraphs.
    pub upstream: UpstreamOptions,
    pub http: http::Options,
    /// `None`: clients are served without TLS.
    pub tls: Option<TlsOptions>,
    pub admin: admin::Options,
    /// Ids of providers that the router is not ready without.
    pub required_providers: Vec<String>,
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
    #[error("tls.server: {0}")]
    Tls(String),
    #[error("cannot listen on {address}: {cause}")]
    Listen { address: String, cause: std::io::Error },
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

impl StartError {
    /// Whether nothing but another configuration helps; otherwise it may work when tried again.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Graph(_) | Self::Subgraphs(_) | Self::Tls(_) => true,
            Self::Sources(error) => error.is_configuration(),
            Self::Listen { .. } | Self::Thread(_) => false,
        }
    }
}

/// A running router.
pub struct Server {
    addresses: Addresses,
    readiness: Arc<Readiness>,
    front: Option<FrontTask>,
    admin: Option<Admin>,
    threads: Threads,
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
    counters: Arc<http::Counters>,
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Starts all threads, and listens. Nothing is left running when that fails.
    pub fn start(checked: Checked) -> Result<Self, StartError> {
        for it in checked.notes().iter().chain(&checked.missing) {
            tracing::warn!("{it}");
        }
        let Checked { options, schemas, tls, .. } = checked;
        let stats = Stats::default();
        let (threads, engines) = Threads::start(&options, schemas, &stats)?;
        let required = options.required_providers.clone();
        let readiness = Arc::new(Readiness::new(required, threads.sources.clone()));
        let router = Router {
            engines,
            pool: threads.pool.clone(),
            executor: threads.executor.clone(),
            reactor: threads.reactor.clone(),
            streams: threads.streams.clone(),
            reactor_stats: stats.reactor.clone(),
            stats: stats.front.clone(),
            connections_max: options.websocket.connections_max,
            readiness: readiness.clone(),
            liveness: stats.liveness.clone(),
        };
        let (front, public) =
            FrontTask::start(&options.http, &threads.io, router, tls.as_ref().map(tls::Files::configs))?;
        if let Some(tls) = tls {
            threads.io.handle().spawn(tls.watch(stats.tls.clone()));
        }
        let state = State {
            stats,
            hub: threads.hub.clone(),
            executor: threads.executor.clone(),
            pool: threads.pool.clone(),
            sources: threads.sources.clone(),
            subgraphs: threads.subgraphs.clone(),
            resolvers_max: options.resolve.max_concurrent_resolvers,
            readiness: readiness.clone(),
            http: front.counters.clone(),
        };
        let (admin, admin_address) = Admin::start(&options.admin, Arc::new(state))
            .map_err(|cause| StartError::Listen { address: options.admin.listen_addr.clone(), cause })?;
        readiness.begin();
        Ok(Self {
            addresses: Addresses { public, admin: admin_address },
            readiness,
            front: Some(front),
            admin: Some(admin),
            threads,
            shutdown_delay: options.shutdown_delay,
            grace_period: options.grace_period,
        })
    }

    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Has the signals that ask the process to stop caught from now on. To be called before anybody is told
    /// that the router runs: without it they end the process at once.
    pub fn watch_signals(&self) -> std::io::Result<StopSignals> {
        let _inside = self.threads.io.handle().enter();
        StopSignals::watch()
    }

    /// Waits until the process is asked to stop. A second signal ends it at once.
    pub fn wait_for_signal(&self, mut signals: StopSignals) {
        let signals = self.threads.io.wait_for(async move {
            signals.next().await;
            signals
        });
        let Some(mut signals) = signals else { return };
        self.threads.io.handle().spawn(async move {
            signals.next().await;
            tracing::warn!("asked to stop twice, ending at once");
            logging::finish();
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
        let deadline = clock::now() + self.grace_period.min(GRACE_MAX);
        self.readiness.end();
        self.threads.reactor.send(ReactorMail::Drain { spread: self.shutdown_delay });
        self.threads.streams.send(StreamMail::Drain { spread: self.shutdown_delay });
        front.stop(&self.threads.io, self.grace_period);
        self.threads.stop(deadline);
        drop(self.admin.take());
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

/// Keeps the deadline of a stop within what clocks can tell.
const GRACE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a server that is dropped rather than stopped may take.
const DROP_GRACE: Duration = Duration::from_secs(2);

impl FrontTask {
    fn start(
        options: &http::Options,
        io: &Io,
        router: Router,
        tls: Option<TlsConfigs>,
    ) -> Result<(Self, SocketAddr), StartError> {
        let (front, address) = Front::bind(options.clone(), Arc::new(router), tls)
            .map_err(|cause| StartError::Listen { address: options.listen_addr.clone(), cause })?;
        let counters = front.counters();
        let (stop, stopped) = oneshot::channel::<()>();
        let done = io.handle().spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            if let Err(error) = front.run(stopped).await {
                tracing::error!(%error, "the HTTP front ended");
            }
        });
        Ok((Self { counters, stop, done }, address))
    }

    /// Closes the listener and lets requests in flight finish, for at most `limit`.
    fn stop(self, io: &Io, limit: Duration) {
        drop(self.stop);
        io.wait_for(async move { tokio::time::timeout(limit, self.done).await });
    }
}

#[cfg(test)]
mod tests;
