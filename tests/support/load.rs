//! The bench's load generator for tests: thousands of WebSocket clients in this process, every message
//! accounted for, while the router is a process of its own.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

#[path = "../../benches/load/fleet.rs"]
pub mod fleet;
#[path = "../../benches/load/frame.rs"]
pub mod frame;
#[path = "../../benches/load/ledger.rs"]
pub mod ledger;
#[path = "../../benches/load/process.rs"]
pub mod process;
#[path = "raw.rs"]
pub mod raw;

use crate::support::{router::Router, wait::wait_until};
use fleet::{Fleet, Plan, Speaks};
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, time::Duration};

/// How long the widest story may take on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A fleet of subscribers whose results have an integer under `sequence`.
pub struct Crowd {
    pub number: u16,
    pub members: usize,
    /// The root field that they ask for.
    pub field: &'static str,
    /// Payloads of their subscriptions, taken in turn.
    pub asks: Vec<Value>,
    /// The first event that everybody must see.
    pub first: u64,
    pub receive_buffer: Option<usize>,
}

impl Crowd {
    /// Members of the demo that need nothing but the event; employees' ids are its sequence numbers.
    pub fn plain(number: u16, members: usize) -> Self {
        let query = "subscription { employeeUpdated(employeeID: 1) { sequence: id } }";
        let asks = vec![json!({ "query": query })];
        Self { number, members, field: "employeeUpdated", asks, first: 1, receive_buffer: None }
    }

    /// Members of the bench's graph (see [`ticks`]): their events can be of any size.
    pub fn ticking(number: u16, members: usize) -> Self {
        let asks = vec![json!({ "query": TICKS })];
        Self { field: "tick", asks, ..Self::plain(number, members) }
    }

    /// Connects and subscribes everybody, and waits until all are members of live groups.
    pub fn join(self, router: &Router) -> Fleet {
        let before = members(router);
        let asks = self.asks.iter().map(Value::to_string).collect();
        let plan = Plan {
            fleet: self.number,
            connections: self.members,
            address: address(router),
            speaks: Speaks::Graphql { path: "/graphql".to_owned(), field: self.field, asks },
            first: self.first,
            receive_buffer: self.receive_buffer,
        };
        let fleet = Fleet::launch(plan, PATIENCE).expect("everybody connects and subscribes");
        wait_until("everybody is a member", PATIENCE, || members(router) == before + self.members as u64);
        wait_until("all triggers are live", PATIENCE, || all_live(router));
        fleet
    }
}

/// Where a router's public listener is.
pub fn address(router: &Router) -> SocketAddr {
    let authority = router.graphql_url().trim_start_matches("http://").split('/').next();
    authority.expect("a host").parse().expect("an address")
}

/// Members whose joining is over.
pub fn members(router: &Router) -> u64 {
    let state = router.state();
    let joining = state["groups"].as_array().into_iter().flatten().filter_map(|it| it["joining"].as_u64());
    state["counts"]["members"].as_u64().unwrap_or_default() - joining.sum::<u64>()
}

pub fn all_live(router: &Router) -> bool {
    router.state()["triggers"].as_array().is_some_and(|it| it.iter().all(|it| it["state"] == "live"))
}

pub const TICKS: &str = "subscription { tick { sequence body } }";

/// A configuration with the bench's graph, on free ports and with a memory provider that remembers little;
/// `more` is YAML for further top-level keys.
pub fn ticks(more: &str) -> String {
    let graphs = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/load/graph");
    let graphs = graphs.display();
    format!(
        r#"version: "1"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph:
  subgraphs:
    - {{ name: ticks, routing_url: "http://127.0.0.1:9/graphql", schema: {{ file: "{graphs}/ticks.graphql" }} }}
  event_graphs: ["{graphs}/events.graphql"]
events:
  providers:
    memory: [{{ id: default, ring_events: 16 }}]
{more}
"#
    )
}

/// An event of the bench's graph.
pub fn tick(sequence: u64, body: &str) -> Value {
    json!({ "__typename": "Tick", "sequence": sequence, "body": body })
}

/// An event that says nothing but its number.
pub fn employee(sequence: u64) -> Value {
    json!({ "__typename": "Employee", "id": sequence })
}

/// Reads for everybody until they have all events up to `last`.
#[track_caller]
pub fn collect(fleet: &mut Fleet, last: u64) {
    let complete = fleet.collect(last, PATIENCE).expect("sockets work");
    assert!(complete, "{}", fleet.ledger.describe(last));
}
