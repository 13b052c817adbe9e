//! What the tests share: the router as a process, subgraphs, the quickstart, clients of several kinds, a
//! browser, and waiting.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

pub mod bombs;
pub mod browser;
pub mod cargo;
pub mod cli;
pub mod example;
pub mod federation;
pub mod http;
pub mod http_stream;
pub mod live;
pub mod nginx;
pub mod npm;
pub mod quickstart;
pub mod reference;
pub mod router;
pub mod stage;
pub mod subgraph;
pub mod subscribers;
pub mod texts;
pub mod tls;
pub mod upstream;
pub mod wait;
pub mod ws;

use self::subgraph::{Subgraph, demo};
use std::path::{Path, PathBuf};

/// A file of `tests/fixtures`.
pub fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)
}

/// The demo's subgraphs, running.
pub struct Demo {
    pub employees: Subgraph,
    pub products: Subgraph,
}

impl Demo {
    pub fn start() -> Self {
        let sdl = |name: &str| std::fs::read_to_string(fixture(name)).expect("the demo's schema");
        Self {
            employees: Subgraph::start(demo::employees(&sdl("demo/employees.graphql"))),
            products: Subgraph::start(demo::products(&sdl("demo/products.graphql"))),
        }
    }

    /// Ends the subgraph with all its connections, and starts it on the same port.
    pub fn restart_products(&mut self) {
        let address = self.products.address();
        let sdl = std::fs::read_to_string(fixture("demo/products.graphql")).expect("the demo's schema");
        // In between the port belongs to nobody: the old one is gone before the new one begins.
        drop(std::mem::replace(&mut self.products, Subgraph::start(demo::products(&sdl))));
        self.products = Subgraph::bind(demo::products(&sdl), address).expect("its port is free again");
    }

    /// A configuration on free ports with the demo's graphs and a memory provider `default`; `more` is
    /// YAML for further top-level keys.
    pub fn config(&self, more: &str) -> String {
        self.config_with("{ memory: [{ id: default }] }", "skip_unavailable_providers: true", more)
    }

    /// The same with other providers, and more keys of the section `events`. Queries are sent once, so that
    /// a subgraph that fails is told at once; a test about retries has a section `traffic_shaping` of its own.
    pub fn config_with(&self, providers: &str, events: &str, more: &str) -> String {
        let sdl = |name: &str| fixture(&format!("demo/{name}.graphql")).display().to_string();
        let once = match more.contains("traffic_shaping:") {
            true => "",
            false => "traffic_shaping: { all: { retry: { enabled: false } } }",
        };
        format!(
            r#"version: "1"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph:
  subgraphs:
    - {{ name: employees, routing_url: "{}", schema: {{ file: "{}" }} }}
    - {{ name: products, routing_url: "{}", schema: {{ file: "{}" }} }}
  event_graphs: ["{}", "{}"]
events:
  {events}
  providers: {providers}
{once}
{more}
"#,
            self.employees.url(),
            sdl("employees"),
            self.products.url(),
            sdl("products"),
            sdl("events"),
            fixture("more_events.graphql").display(),
        )
    }
}
