//! Router and floor in turn on the same requests: CPU time, throughput, memory.

use super::{
    client::{Exchange, ask, load},
    process::{Pinning, cpu_ns, rss_anon},
    proxy::Proxy,
    report::Row,
    requests::Scenario,
    stub::Stub,
};
use crate::support::router::{Router, write_config};
use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

pub use super::requests::all as scenarios;

/// What all scenarios are told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub pinning: Pinning,
    pub connections: usize,
    pub rounds: usize,
    /// Length of a round.
    pub round: Duration,
    /// Whether to write a CPU profile of the router, too.
    pub profile: bool,
}

/// A router, a floor, and what both of them ask. A scenario has its own, so that memory is its own too.
struct Pair {
    router: Router,
    address: SocketAddr,
    proxy: Proxy,
    stub: Stub,
}

/// What a round came to.
#[derive(Clone, Copy)]
struct Cost {
    micros: f64,
    per_second: f64,
}

pub fn compare(scenario: &Scenario, settings: &Settings) -> io::Result<Vec<Row>> {
    let pair = Pair::start(settings.pinning)?;
    let exchanges = pair.rehearse(scenario)?;
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let router = measure(pair.address, pair.router.pid(), &exchanges, settings)?;
        let floor = measure(pair.proxy.address, pair.proxy.pid(), &exchanges, settings)?;
        rounds.push((router, floor));
    }
    let mut rows = costs(scenario, &exchanges, &rounds);
    for (what, pid) in [("memory, router", pair.router.pid()), ("memory, floor", pair.proxy.pid())] {
        rows.push(row(scenario, what, rss_anon(pid) as f64 / f64::from(1 << 20), "MiB"));
    }
    // Last, because naming functions takes the router memory.
    if settings.profile {
        pair.profile(scenario.name, &exchanges, settings.connections)?;
    }
    Ok(rows)
}

fn costs(scenario: &Scenario, exchanges: &[Exchange], rounds: &[(Cost, Cost)]) -> Vec<Row> {
    let bytes = exchanges.iter().map(|it| it.answer.len()).sum::<usize>() / exchanges.len();
    let hops = exchanges.iter().map(|it| it.hops).sum::<usize>() as f64 / exchanges.len() as f64;
    let ratio = format!("CPU per request ÷ floor ({bytes} B, {hops:.1} fetches)");
    let typical = |of: fn(&(Cost, Cost)) -> f64| median(rounds.iter().map(of));
    vec![
        row(scenario, &ratio, typical(|(router, floor)| router.micros / floor.micros), "×"),
        row(scenario, "CPU per request, router", typical(|(router, _)| router.micros), "µs"),
        row(scenario, "CPU per request, floor", typical(|(_, floor)| floor.micros), "µs"),
        row(scenario, "requests, router", typical(|(router, _)| router.per_second), "/s"),
        row(scenario, "requests, floor", typical(|(_, floor)| floor.per_second), "/s"),
    ]
}

fn row(scenario: &Scenario, what: &str, value: f64, unit: &'static str) -> Row {
    Row { scenario: scenario.name, what: what.into(), value, unit, bar: None }
}

impl Pair {
    fn start(pinning: Pinning) -> io::Result<Self> {
        let stub = Stub::start()?;
        let config = write_config(&config(stub.address));
        let router = Router::start_under(pinning.server(), &config);
        let authority = router.graphql_url().trim_start_matches("http://").split('/').next();
        let address = authority.unwrap_or_default().parse().map_err(io::Error::other)?;
        Ok(Self { router, address, proxy: Proxy::start(stub.address, pinning)?, stub })
    }

    /// Every request once: the router learns to plan them, the stub learns to answer them, and what the router
    /// answers becomes what the floor has to answer.
    fn rehearse(&self, scenario: &Scenario) -> io::Result<Vec<Exchange>> {
        let rehearse = |request: &String| {
            let before = self.stub.requests();
            let answer = ask(self.address, request, 0)?;
            let hops = self.stub.requests() - before;
            if answer.starts_with(b"{\"errors\"") {
                return Err(io::Error::other(format!("{request}: {}", String::from_utf8_lossy(&answer))));
            }
            self.stub.can("/floor", request.as_bytes(), &answer);
            Ok(Exchange { request: request.clone(), answer, hops })
        };
        scenario.bodies.iter().map(rehearse).collect()
    }
}

impl Pair {
    /// Has the router sample itself under load, for `go tool pprof`.
    fn profile(&self, name: &str, exchanges: &[Exchange], connections: usize) -> io::Result<()> {
        const SECONDS: u64 = 10;
        let url = format!("{}/debug/pprof/profile?seconds={SECONDS}", self.router.admin_url());
        let length = Duration::from_secs(SECONDS + 1);
        let profile = thread::scope(|scope| {
            scope.spawn(|| load(self.address, exchanges, connections, length));
            ureq::get(url)
                .call()
                .map_err(io::Error::other)?
                .body_mut()
                .read_to_vec()
                .map_err(io::Error::other)
        })?;
        let file = format!("bench-queries-{}.pprof", name.replace(' ', "-"));
        fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(file), profile)
    }
}

fn measure(server: SocketAddr, pid: u32, exchanges: &[Exchange], settings: &Settings) -> io::Result<Cost> {
    let (cpu, start) = (cpu_ns(pid), Instant::now());
    let answered = load(server, exchanges, settings.connections, settings.round)? as f64;
    let seconds = start.elapsed().as_secs_f64();
    let micros = cpu_ns(pid).saturating_sub(cpu) as f64 / 1_000.0;
    Ok(Cost { micros: micros / answered, per_second: answered / seconds })
}

fn config(stub: SocketAddr) -> String {
    let graphs = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/queries/graph");
    let graphs = graphs.display();
    format!(
        r#"version: "1"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph:
  subgraphs:
    - {{ name: items, routing_url: "http://{stub}/items", schema: {{ file: "{graphs}/items.graphql" }} }}
    - {{ name: stock, routing_url: "http://{stub}/stock", schema: {{ file: "{graphs}/stock.graphql" }} }}
"#
    )
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
