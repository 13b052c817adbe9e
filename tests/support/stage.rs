//! The router with the demo's subgraphs behind it and a memory broker, as most tests of a wire need it.

use super::{Demo, router::Router, ws::Client};
use serde_json::json;

pub struct Stage {
    pub router: Router,
    pub demo: Demo,
}

impl Stage {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With further top-level keys of the configuration, as YAML.
    pub fn start_with(more: &str) -> Self {
        let demo = Demo::start();
        Self { router: Router::start(&demo.config(more)), demo }
    }

    /// A WebSocket that is ready for operations.
    pub fn client(&self) -> Client {
        Client::connect(&self.router.websocket_url())
    }

    /// Publishes an event for those who watch this employee.
    #[track_caller]
    pub fn tell(&self, id: i64) {
        let event = json!({ "__typename": "Employee", "id": id });
        assert_eq!(self.router.publish(&format!("employeeUpdated.{id}"), &event), 202);
    }
}

/// The operation that watches an employee.
pub fn watch(id: i64) -> String {
    format!("subscription {{ employeeUpdated(employeeID: {id}) {{ id }} }}")
}

/// The same, with responses of some 20 KB that fill a socket's buffers soon.
pub fn watch_widely(id: i64) -> String {
    let fields: String = (0..190)
        .map(|it| format!("d{it}: details {{ forename surname location {{ city country }} }} "))
        .collect();
    format!("subscription {{ employeeUpdated(employeeID: {id}) {{ id {fields} }} }}")
}
