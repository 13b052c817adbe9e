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

use crate::support::{router::Router, wait::wait_until};
use fleet::{Fleet, Plan, Speaks};
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};

/// How long the widest story may take on a machine that does other things too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A fleet of subscribers to `employeeUpdated` whose results say `sequence: id`.
pub struct Crowd {
    pub number: u16,
    pub members: usize,
    /// Payloads of their subscriptions, taken in turn.
    pub asks: Vec<Value>,
    /// The first event that everybody must see.
    pub first: u64,
    pub receive_buffer: Option<usize>,
}

impl Crowd {
    /// Members that need nothing but the event.
    pub fn plain(number: u16, members: usize) -> Self {
        let query = "subscription { employeeUpdated(employeeID: 1) { sequence: id } }";
        Self { number, members, asks: vec![json!({ "query": query })], first: 1, receive_buffer: None }
    }

    /// Connects and subscribes everybody, and waits until all are members of live groups.
    pub fn join(self, router: &Router) -> Fleet {
        let before = members(router);
        let asks = self.asks.iter().map(Value::to_string).collect();
        let plan = Plan {
            fleet: self.number,
            connections: self.members,
            address: address(router),
            speaks: Speaks::Graphql { path: "/graphql".to_owned(), field: "employeeUpdated", asks },
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
