//! The graphs of `tests/fixtures/reference`, served by graphql-js, and configurations for routers in front of them.

use super::{fixture, npm::Printing};
use std::{path::Path, sync::Mutex};

/// The script that serves all of them. Dropping it ends it.
pub struct Reference {
    port: u64,
    /// Its lines have one reader, which needs no lock; whoever shares the graphs reads none.
    _script: Mutex<Printing>,
}

impl Reference {
    pub fn start() -> Self {
        let mut script = Printing::node("reference/subgraph.mjs", &[]);
        let port = script.line()["port"].as_u64().expect("a port");
        Self { port, _script: Mutex::new(script) }
    }

    /// A router in front of one of the graphs. What the subgraph says of errors passes, so that paths can be
    /// compared one by one; `more` is YAML for further top-level keys.
    pub fn config(&self, name: &str, more: &str) -> String {
        self.config_of(name, &fixture(&format!("reference/{name}.graphql")), more)
    }

    /// The same with the graph's SDL from another file.
    pub fn config_of(&self, name: &str, sdl: &Path, more: &str) -> String {
        let (at, sdl) = (format!("127.0.0.1:{}/{name}", self.port), sdl.display());
        format!(
            r#"version: "1"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph: {{ subgraphs: [{{ name: {name}, routing_url: "http://{at}", schema: {{ file: "{sdl}" }} }}] }}
overrides: {{ subgraphs: {{ {name}: {{ subscription_url: "ws://{at}", subscription_protocol: ws }} }} }}
subgraph_error_propagation: {{ mode: pass-through }}
traffic_shaping: {{ all: {{ retry: {{ enabled: false }} }} }}
{more}
"#
        )
    }
}
