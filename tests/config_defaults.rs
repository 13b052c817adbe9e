//! A default is said once, in the configuration's keys; what the modules take for granted, for those who use them as a
//! library and in tests, is the same.

use juga::{
    admin,
    config::{Config, Environment, Overrides},
    federation, http, hub, resolve, server,
    sources::{self, subgraph},
};
use std::{collections::BTreeMap, fmt::Debug, path::Path};

/// A configuration that says no more than it has to.
fn config(more: &str) -> Config {
    let graph = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/supergraph.graphql");
    let text = format!("supergraph: {{ file: '{}' }}\n{more}", graph.display());
    let environment = Environment {
        variables: BTreeMap::new(),
        current_folder: "/etc/juga".into(),
        cores: 8,
        stdout_is_terminal: false,
    };
    Config::load(&text, Path::new("juga.yaml"), &environment, &Overrides::default())
        .unwrap_or_else(|report| panic!("{report}"))
}

fn options(more: &str) -> server::Options {
    config(more).options().expect("options")
}

/// Everything that is not the same, to be told at once.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn look<T: Debug>(&mut self, what: &str, configured: &T, own: &T) {
        let (configured, own) = (format!("{configured:#?}"), format!("{own:#?}"));
        let lines = configured.lines().zip(own.lines()).filter(|(one, other)| one != other);
        self.0.extend(
            lines.map(|(one, other)| {
                format!("{what}: {} by the keys, {} by itself", one.trim(), other.trim())
            }),
        );
        if configured.lines().count() != own.lines().count() {
            self.0.push(format!("{what}: {configured} by the keys, {own} by itself"));
        }
    }

    #[track_caller]
    fn none(&self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[test]
fn modules_take_for_granted_what_the_keys_say() {
    let (mut all, options, own) = (Differences::default(), options(""), server::Options::default());
    all.look("limits", &options.engine.limits, &federation::Limits::default());
    all.look("engine", &options.engine, &own.engine);
    all.look("hub", &options.hub, &hub::Options::default());
    // The machine decides it.
    let resolve = resolve::Options { resolver_threads: options.resolve.resolver_threads, ..own.resolve };
    all.look("resolve", &options.resolve, &resolve);
    all.look("websocket", &options.websocket, &own.websocket);
    all.look("http_streams", &options.http_streams, &own.http_streams);
    all.look("subgraphs", &options.subgraphs, &own.subgraphs);
    all.look("subgraph", &options.subgraphs.all, &subgraph::SubgraphOptions::default());
    all.look("upstream", &options.upstream, &own.upstream);
    // A name is an address by then.
    let http = http::Options { listen_addr: options.http.listen_addr.clone(), ..own.http };
    all.look("http", &options.http, &http);
    all.look("admin", &options.admin, &admin::Options::default());
    // By itself nothing may be missing, and nothing waits for a stop: that is no default of its own.
    let sources = sources::Options { skip_unavailable_providers: true, ..own.sources };
    all.look("sources", &options.sources, &sources);
    let fetch_timeout = config("").supergraph.fetch_timeout;
    all.look("fetch_timeout", &fetch_timeout, &subgraph::DownloadOptions::default().timeout);
    all.none();
}

#[test]
fn what_is_off_has_the_same_defaults_once_it_is_on() {
    let mut all = Differences::default();
    let options = options(
        "batching: { enabled: true }\nfile_upload: { enabled: true }\n\
         traffic_shaping: { all: { circuit_breaker: { enabled: true } } }\n\
         events: { providers: { nats: [{ id: n, url: 'nats://n:4222' }], redis: [{ id: r, urls: ['redis://r:6379'] }], \
         kafka: [{ id: k, brokers: ['k:9092'] }], memory: [{ id: m }] } }\n",
    );
    all.look("breaker", &options.subgraphs.all.breaker, &Some(subgraph::BreakerOptions::default()));
    let nats = sources::NatsOptions {
        instance: options.sources.nats[0].instance.clone(),
        ..sources::NatsOptions::new("n", "nats://n:4222")
    };
    all.look("nats", &options.sources.nats[0], &nats);
    all.look("kafka", &options.sources.kafka[0], &sources::KafkaOptions::new("k", ["k:9092"]));
    all.look("memory", &options.sources.memory[0], &sources::MemoryOptions::new("m"));
    all.look("redis", &options.sources.redis[0], &sources::RedisOptions::new("r", "redis://r:6379"));
    all.none();
}
