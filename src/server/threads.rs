//! The threads behind the listeners: how they are started, wired and stopped.

use super::{
    Options, StartError,
    check::used_providers,
    clock,
    engines::Engines,
    http_streams::{self, HttpStreams},
    hub_link::{self, HubInbox, HubLink},
    hub_thread,
    inbox::Mail,
    io::Io,
    jobs::Jobs,
    mail::ReactorMail,
    outbound::OutboundTotal,
    reactor,
    state::Stats,
    upstreams::{Target, Upstreams, targets},
};
use crate::{
    federation::{Schemas, Subgraph},
    resolve::{Executor, Pool},
    sources::{
        self, Sources,
        subgraph::{Streams, SubgraphClient, SubgraphEndpoint},
    },
};
use std::{
    sync::{Arc, Weak},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How often the prepare lane is looked at. With the looks that it takes this is longer than planning may take by itself.
const PREPARE_LOOK: Duration = Duration::from_millis(500);

/// io, pool, hub and reactor, with everybody's way to reach them. Dropped, they stop at once.
pub(super) struct Threads {
    pub(super) io: Io,
    pub(super) sources: Arc<Sources>,
    pub(super) subgraphs: SubgraphClient,
    pub(super) pool: Arc<Pool>,
    pub(super) executor: Executor,
    pub(super) hub: HubLink,
    pub(super) reactor: Mail<ReactorMail>,
    pub(super) streams: HttpStreams,
    targets: Arc<[Target]>,
    hub_thread: Option<JoinHandle<()>>,
    reactor_thread: Option<JoinHandle<()>>,
}

impl Threads {
    /// Starts all of them.
    pub(super) fn start(
        options: &Options,
        schemas: Schemas,
        stats: &Stats,
    ) -> Result<(Self, Arc<Engines>), StartError> {
        let io = Io::start()?;
        let (hub, hub_inbox) = hub_link::queues();
        let (reactor, seat) = reactor::seat()?;
        let (streams, stream_inbox) = http_streams::inbox();
        let sources = Arc::new(start_sources(options, &schemas, &io, &hub)?);
        let subgraphs = SubgraphClient::new(io.handle(), &endpoints(options, &schemas))?;
        let executor = executor(options, &schemas, &subgraphs, &sources);
        let targets = targets(schemas.subgraphs(), &options.subgraphs, &options.subscription_endpoints);
        let pool = Arc::new(Pool::start(&options.resolve)?);
        io.handle().spawn(look_at_prepare(Arc::downgrade(&pool)));
        let engines = Arc::new(Engines::new(schemas, &options.engine, &stats.engine));
        // From here on it is dropped, and so stopped, if the rest fails.
        let (hub_thread, reactor_thread) = (None, None);
        let mut threads = Self {
            io,
            sources,
            subgraphs,
            pool,
            executor,
            hub,
            reactor,
            streams,
            targets,
            hub_thread,
            reactor_thread,
        };
        threads.start_hub(options, hub_inbox, stats)?;
        let outbound_total = OutboundTotal::default();
        threads.start_streams(options, stream_inbox, stats, outbound_total.clone());
        threads.start_reactor(options, seat, stats, outbound_total)?;
        Ok((threads, engines))
    }

    fn start_hub(&mut self, options: &Options, inbox: HubInbox, stats: &Stats) -> Result<(), StartError> {
        let neighbours = hub_thread::Neighbours {
            sources: self.sources.clone(),
            jobs: Jobs::new(self.pool.clone(), self.executor.clone(), self.hub.clone()),
            executor: self.executor.clone(),
            reactor: self.reactor.clone(),
            streams: self.streams.clone(),
            upstreams: Upstreams {
                targets: self.targets.clone(),
                reactor: self.reactor.clone(),
                streams: Streams::new(self.subgraphs.clone(), Arc::new(self.hub.clone())),
                options: options.upstream.clone(),
                errors: options.resolve.errors.clone(),
            },
        };
        let thread = hub_thread::start(
            options.hub.clone(),
            inbox,
            neighbours,
            stats.hub.clone(),
            stats.liveness.vital(),
        )?;
        self.hub_thread = Some(thread);
        Ok(())
    }

    fn start_streams(
        &self,
        options: &Options,
        inbox: http_streams::StreamInbox,
        stats: &Stats,
        outbound_total: OutboundTotal,
    ) {
        let (options, hub) = (options.http_streams.clone(), self.hub.clone());
        http_streams::start(options, self.io.handle(), inbox, hub, outbound_total, stats.streams.clone());
    }

    fn start_reactor(
        &mut self,
        options: &Options,
        seat: reactor::Seat,
        stats: &Stats,
        outbound_total: OutboundTotal,
    ) -> Result<(), StartError> {
        let neighbours = reactor::Neighbours {
            pool: self.pool.clone(),
            executor: self.executor.clone(),
            hub: self.hub.clone(),
            subgraphs: self.subgraphs.clone(),
            targets: self.targets.clone(),
            upstream: options.upstream.clone(),
            errors: options.resolve.errors.clone(),
            outbound_total,
        };
        let (options, mail, vital) =
            (options.websocket.clone(), self.reactor.clone(), stats.liveness.vital());
        let thread = reactor::start(options, seat, mail, neighbours, stats.reactor.clone(), vital)?;
        self.reactor_thread = Some(thread);
        Ok(())
    }

    /// Waits until the reactor, which was told to drain, has closed its connections, but not beyond
    /// `deadline`; then ends the others in order. Does nothing the second time.
    pub(super) fn stop(&mut self, deadline: Instant) {
        self.join_reactor(deadline);
        let sources = self.sources.clone();
        self.io.wait_for(async move { sources.shutdown().await });
        self.hub.stop();
        join(self.hub_thread.take());
        // Fetches under way end with the io thread, and wake the tasks that wait for them.
        self.io.stop();
        self.pool.stop();
    }

    fn join_reactor(&mut self, deadline: Instant) {
        let reactor = self.reactor.clone();
        reactor.send(ReactorMail::Finish);
        let gave_up = self.io.handle().spawn(async move {
            tokio::time::sleep_until(deadline.into()).await;
            reactor.send(ReactorMail::Stop);
        });
        join(self.reactor_thread.take());
        gave_up.abort();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.reactor.send(ReactorMail::Stop);
        self.stop(clock::now());
    }
}

/// Sees to it that an operation which comes to no end of being prepared keeps the others from it for seconds at most.
async fn look_at_prepare(pool: Weak<Pool>) {
    let mut looks = tokio::time::interval(PREPARE_LOOK);
    // A thread is not held for as often as the io thread was late.
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while let Some(pool) = pool.upgrade() {
        pool.look_at_prepare();
        drop(pool);
        looks.tick().await;
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(Err(_)) = thread.map(JoinHandle::join) {
        tracing::error!("a thread ended in a panic");
    }
}

/// Connects the providers. Those that are missing were told by `check`.
fn start_sources(
    options: &Options,
    schemas: &Schemas,
    io: &Io,
    hub: &HubLink,
) -> Result<Sources, StartError> {
    let (handle, options, hub) = (io.handle().clone(), options.sources.clone(), Arc::new(hub.clone()));
    let connecting = io.wait_for(async move { Sources::connect(&handle, options, hub).await });
    let sources = connecting.unwrap_or(Err(sources::StartError::Stopping))?;
    sources.check(&used_providers(schemas))?;
    Ok(sources)
}

/// The graph's subgraphs, each at the address and with the limits that were set about it.
pub(super) fn endpoints(options: &Options, schemas: &Schemas) -> Vec<SubgraphEndpoint> {
    let endpoint = |it: &Subgraph| SubgraphEndpoint {
        name: it.name.clone(),
        ..options.subgraphs.endpoint(it.configured.clone(), &it.url)
    };
    schemas.subgraphs().iter().map(endpoint).collect()
}

fn executor(
    options: &Options,
    schemas: &Schemas,
    subgraphs: &SubgraphClient,
    sources: &Arc<Sources>,
) -> Executor {
    let names = schemas.subgraphs().iter().map(|it| it.name.clone()).collect();
    Executor::new(&options.resolve, names, Arc::new(subgraphs.clone()), sources.clone())
}
