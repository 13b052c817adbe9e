//! The stories: each starts a router of its own and returns figures.

mod fan_out;
mod hostile;
mod neighbours;
mod planning;
mod reading;

pub use fan_out::{burst, fan_out};
pub use hostile::hostile;
pub use neighbours::{hanging, stalled};
pub use planning::planning;
pub use reading::reading;

use super::{
    fleet::{Fleet, Plan, Speaks},
    ledger::PROBE,
    process::Pinning,
};
use crate::support::{
    router::{Router, write_config},
    wait::wait_for,
};
use serde_json::json;
use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What all scenarios are told.
#[derive(Clone, Debug)]
pub struct Settings {
    pub pinning: Pinning,
    /// Clients of the wide scenarios.
    pub clients: usize,
    /// Rounds of each kind.
    pub rounds: usize,
    /// Length of a latency round.
    pub round: Duration,
}

/// A router on the bench's own graphs, with a memory provider.
struct Bench {
    router: Router,
    address: SocketAddr,
    /// Accepts connections, as the kernel does by itself, and never answers: a subgraph that hangs.
    _black_hole: TcpListener,
}

impl Bench {
    fn start(pinning: Pinning) -> io::Result<Self> {
        let black_hole = TcpListener::bind("127.0.0.1:0")?;
        let config = write_config(&config(black_hole.local_addr()?));
        let router = Router::start_under(pinning.server(), &config);
        let authority = router.graphql_url().trim_start_matches("http://").split('/').next();
        let address = authority.unwrap_or_default().parse().map_err(io::Error::other)?;
        Ok(Self { router, address, _black_hole: black_hole })
    }

    /// Connects and subscribes a fleet and waits until the router counts its members.
    fn subscribe(&self, fleet: Members, first: u64) -> io::Result<Fleet> {
        let before = self.subscriptions();
        let query = format!("subscription {{ {} {} }}", fleet.field, fleet.selection);
        let asks = vec![json!({ "query": query }).to_string()];
        let speaks = Speaks::Graphql { path: "/graphql".to_owned(), field: fleet.field, asks };
        let plan = Plan {
            fleet: fleet.number,
            connections: fleet.members,
            address: self.address,
            speaks,
            first,
            receive_buffer: fleet.receive_buffer,
        };
        let launched = Fleet::launch(plan, PATIENCE)?;
        self.wait_for_subscriptions(before + launched.len())?;
        Ok(launched)
    }

    fn subscriptions(&self) -> usize {
        self.router.metrics().sum("router_engine_subscriptions") as usize
    }

    fn wait_for_subscriptions(&self, count: usize) -> io::Result<()> {
        let there = wait_for(PATIENCE, || (self.subscriptions() == count).then_some(()));
        there.ok_or_else(|| io::Error::other(format!("{} subscriptions, not {count}", self.subscriptions())))
    }

    fn publish(&self, subject: &str, sequence: u64, body: &str) -> io::Result<()> {
        let event = json!({ "__typename": "Tick", "sequence": sequence, "body": body });
        match self.router.publish(subject, &event) {
            202 => Ok(()),
            status => Err(io::Error::other(format!("publishing was answered with {status}"))),
        }
    }

    /// Proves that everybody in the fleet gets events.
    fn probe(&self, fleet: &mut Fleet, subject: &str) -> io::Result<()> {
        self.publish(subject, PROBE, "probe")?;
        if fleet.collect_probes(PATIENCE)? {
            Ok(())
        } else {
            Err(io::Error::other("a probe was not delivered"))
        }
    }
}

/// A fleet of subscribers.
struct Members {
    number: u16,
    members: usize,
    field: &'static str,
    selection: &'static str,
    receive_buffer: Option<usize>,
}

impl Members {
    /// Subscribers that need the event alone.
    fn plain(number: u16, members: usize) -> Self {
        let selection = "{ sequence body }";
        Self { number, members, field: "tick", selection, receive_buffer: None }
    }
}

fn config(black_hole: SocketAddr) -> String {
    let graphs = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/load/graph");
    let graphs = graphs.display();
    format!(
        r#"version: "1"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph:
  subgraphs:
    - {{ name: ticks, routing_url: "http://{black_hole}/graphql", schema: {{ file: "{graphs}/ticks.graphql" }} }}
  event_graphs: ["{graphs}/events.graphql"]
events:
  providers:
    memory: [{{ id: default }}]
websocket:
  outbound_queue: 256KB
"#
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
