//! Rules that tie several keys together, and the defaults that depend on other keys.

use super::{
    finding::Findings,
    settings::{
        ClientTls, Config, KafkaProvider, KafkaTls, NatsAuthentication, NatsProvider, RedisProvider,
        Security, ServerTls, SubgraphSchema,
    },
    suggest,
    tree::Node,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// Every attempt adds them up.
const BUCKETS_MAX: usize = 1000;

/// Fills in defaults that depend on other keys, and notes what has no effect.
pub(crate) fn settle(config: &mut Config, root: &Node) {
    let given = |path: &str| root.at(path).is_some_and(|it| !it.is_nothing());
    if config.dev_mode && !given("shutdown_delay") {
        config.shutdown_delay = Duration::ZERO;
    }
    if config.dev_mode && !given("json_log") {
        config.json_log = false;
    }
    if config.shutdown_delay > config.grace_period {
        if given("shutdown_delay") {
            config.notes.push(format!(
                "`shutdown_delay` ({:?}) is longer than `grace_period` ({:?}) and was shortened to it",
                config.shutdown_delay, config.grace_period
            ));
        }
        config.shutdown_delay = config.grace_period;
    }
    if config.dev_mode && !given("playground.enabled") {
        config.playground.enabled = true;
    }
    tighten(config);
    if let Some(timeout) = config.engine.websocket_server_read_timeout
        && !given("websocket.connection_init_timeout")
    {
        config.websocket.connection_init_timeout = timeout;
    }
    note_what_is_without_effect(config);
}

/// Of two bounds on one thing, the lower holds.
fn tighten(config: &mut Config) {
    let (limits, parser) = (&mut config.limits.operation, &config.security.parser_limits);
    limits.depth = limits.depth.min(parser.approximate_depth_limit.unwrap_or(usize::MAX));
    limits.selections = limits.selections.min(parser.total_fields_limit.unwrap_or(usize::MAX));
}

fn note_what_is_without_effect(config: &mut Config) {
    if config.engine.enable_net_poll.is_some() {
        config.notes.push("`engine.enable_net_poll` has no effect: the poller is always on".to_owned());
    }
    if config.engine.force_enable_single_flight.is_some() {
        config.notes.push(
            "`engine.force_enable_single_flight` has no effect: `engine.enable_single_flight` shares whatever is \
             equal to the byte, forwarded headers included"
                .to_owned(),
        );
    }
    if config.headers.rules().any(|(_, request, _)| request.iter().any(|it| it.value_from.is_some())) {
        config.notes.push(
            "`value_from` of header rules has no effect: such a rule sets nothing, because what the router knows of a \
             request is no header's value yet"
                .to_owned(),
        );
    }
}

/// Adds a finding for each rule that is broken.
pub(crate) fn check(config: &Config, root: &Node, findings: &mut Findings) {
    let mut check = Check { root, findings };
    check.supergraph(config);
    check.listeners(config);
    check.provider_ids(config);
    check.required_providers(config);
    check.front(config);
    super::headers::check(&config.headers, root, check.findings);
    check.subgraph_names(config);
    check.subgraph_urls(config);
    check.subgraph_traffic(config);
    check.server_tls(&config.tls.server);
    for (path, tls) in tls_of_subgraphs(config) {
        check.certificate(tls, &path);
    }
    for (index, it) in config.events.providers.nats.iter().enumerate() {
        check.nats(it, &format!("events.providers.nats[{index}]"));
    }
    for (index, it) in config.events.providers.kafka.iter().enumerate() {
        check.kafka_is_built(&format!("events.providers.kafka[{index}]"));
        check.kafka(it, &format!("events.providers.kafka[{index}]"));
    }
    for (index, it) in config.events.providers.redis.iter().enumerate() {
        check.redis(it, &format!("events.providers.redis[{index}]"));
    }
}

/// Every file the configuration names, with its key.
pub(crate) fn files(config: &Config) -> Vec<(String, &Path)> {
    let mut files: Vec<(String, &Path)> = Vec::new();
    let graph = &config.supergraph;
    if let Some(file) = &graph.file {
        files.push(("supergraph.file".to_owned(), file));
    }
    for (index, it) in graph.subgraphs.iter().enumerate() {
        if let Some(file) = &it.schema.file {
            files.push((format!("supergraph.subgraphs[{index}].schema.file"), file));
        }
    }
    if let Some(file) = &config.execution_config.file.path {
        files.push(("execution_config.file.path".to_owned(), file));
    }
    for (index, it) in graph.event_graphs.iter().enumerate() {
        files.push((format!("supergraph.event_graphs[{index}]"), it));
    }
    for (index, it) in config.events.providers.nats.iter().enumerate() {
        let path = format!("events.providers.nats[{index}]");
        if let Some(keys) = &it.authentication {
            files.extend(credential_files(format!("{path}.authentication"), keys));
        }
        if let Some(tls) = &it.tls {
            files.extend(tls_files(format!("{path}.tls"), tls));
        }
    }
    for (index, it) in config.events.providers.kafka.iter().enumerate().filter(|(_, it)| it.tls.enabled) {
        let KafkaTls { ca_file, cert_file, key_file, .. } = &it.tls;
        let named = [("ca_file", ca_file), ("cert_file", cert_file), ("key_file", key_file)];
        files.extend(given(format!("events.providers.kafka[{index}].tls"), named));
    }
    for (index, it) in config.events.providers.redis.iter().enumerate() {
        let Some(tls) = &it.tls else { continue };
        files.extend(tls_files(format!("events.providers.redis[{index}].tls"), tls));
    }
    files.extend(server_tls_files(&config.tls.server));
    files.extend(tls_of_subgraphs(config).flat_map(|(path, tls)| tls_files(path, tls)));
    files
}

/// Those of the listener, as long as it needs them.
fn server_tls_files(tls: &ServerTls) -> impl Iterator<Item = (String, &Path)> {
    let files = [
        ("cert_file", &tls.cert_file),
        ("key_file", &tls.key_file),
        ("client_auth.cert_file", &tls.client_auth.cert_file),
    ];
    let needed = files.into_iter().filter(|_| tls.enabled);
    needed.filter_map(|(name, file)| Some((format!("tls.server.{name}"), file.as_deref()?)))
}

fn credential_files(path: String, keys: &NatsAuthentication) -> impl Iterator<Item = (String, &Path)> {
    given(path, [("nkey_seed_file", &keys.nkey_seed_file), ("credentials_file", &keys.credentials_file)])
}

fn tls_files(path: String, tls: &ClientTls) -> impl Iterator<Item = (String, &Path)> {
    given(path, [("ca_file", &tls.ca_file), ("cert_file", &tls.cert_file), ("key_file", &tls.key_file)])
}

/// Those of a section's files that are named.
fn given<'f, const N: usize>(
    path: String,
    files: [(&'static str, &'f Option<PathBuf>); N],
) -> impl Iterator<Item = (String, &'f Path)> {
    files.into_iter().filter_map(move |(name, file)| Some((format!("{path}.{name}"), file.as_deref()?)))
}

/// Every section about TLS to subgraphs, with its path.
fn tls_of_subgraphs(config: &Config) -> impl Iterator<Item = (String, &ClientTls)> {
    let client = &config.tls.client;
    let named = client.subgraphs.iter().map(|(name, tls)| (format!("tls.client.subgraphs.{name}"), tls));
    std::iter::once(("tls.client.all".to_owned(), &client.all)).chain(named)
}

struct Check<'a> {
    root: &'a Node,
    findings: &'a mut Findings,
}

impl Check<'_> {
    fn broken(&mut self, path: &str, message: impl Into<String>, help: &str) {
        let origin = self.root.nearest_origin(path);
        self.findings.add(origin, path, message).help(help);
    }

    fn listeners(&mut self, config: &Config) {
        let admin = config.admin.listen_addr;
        if admin == config.listen_addr && admin.port() != 0 {
            self.broken(
                "admin.listen_addr",
                format!("{admin} is `listen_addr` already"),
                "operators need an address of their own, which clients cannot reach",
            );
        }
    }

    fn front(&mut self, config: &Config) {
        if config.proxy_protocol && config.trusted_proxies.is_empty() {
            self.broken(
                "proxy_protocol",
                "the PROXY protocol needs `trusted_proxies`",
                "name the proxies: nobody else is let in, since anybody could claim any address",
            );
        }
        if config.cors.allow_credentials == Some(true) && config.cors.is_open() {
            self.broken(
                "cors.allow_credentials",
                "credentials and the origin `*` exclude each other",
                "name the origins in `cors.allow_origins`: every page could use its visitors' sessions otherwise",
            );
        }
        let names = config.cache_control_policy.subgraphs.iter().enumerate();
        let names = names
            .map(|(at, it)| (format!("cache_control_policy.subgraphs[{at}].name"), it.name.as_str()))
            .collect();
        self.unique("subgraph name", names);
        self.security(&config.security);
    }

    /// What is not there yet must not look as if it protected anything.
    fn security(&mut self, security: &Security) {
        for (name, rule) in [
            ("block_mutations", &security.block_mutations),
            ("block_subscriptions", &security.block_subscriptions),
            ("block_non_persisted_operations", &security.block_non_persisted_operations),
        ] {
            if !rule.condition.is_empty() {
                self.broken(
                    &format!("security.{name}.condition"),
                    "expressions are not supported yet",
                    "remove the condition: `enabled` alone decides",
                );
            }
        }
        if security.block_non_persisted_operations.enabled {
            self.broken(
                "security.block_non_persisted_operations.enabled",
                "persisted operations are not supported yet",
                "nothing would be blocked: keep other operations out in front of the router",
            );
        }
    }

    fn supergraph(&mut self, config: &Config) {
        let graph = &config.supergraph;
        let sources = [
            ("supergraph.file", "`file`", graph.file.is_some()),
            ("supergraph.url", "`url`", graph.url.is_some()),
            ("supergraph.subgraphs", "`subgraphs`", !graph.subgraphs.is_empty()),
            ("execution_config.file.path", "`execution_config`", config.execution_config.file.path.is_some()),
        ];
        let mut given = sources.iter().filter(|(_, _, given)| *given);
        let Some((_, first, _)) = given.next() else {
            return self.broken(
                "supergraph",
                "there is no graph to serve",
                "give `supergraph.file` (a composed supergraph) or `supergraph.subgraphs`",
            );
        };
        for (path, name, _) in given {
            let message = format!("{first} and {name} exclude each other");
            self.broken(path, message, "one graph is served: keep one of them");
        }
        let names = graph.subgraphs.iter().enumerate();
        let names =
            names.map(|(index, it)| (format!("supergraph.subgraphs[{index}].name"), it.name.as_str()));
        self.unique("subgraph name", names.collect());
        for (index, it) in graph.subgraphs.iter().enumerate() {
            self.schema(&it.schema, &format!("supergraph.subgraphs[{index}].schema"));
        }
    }

    fn schema(&mut self, schema: &SubgraphSchema, path: &str) {
        let help = "give either `file` or `subgraph_url`";
        match (&schema.file, &schema.subgraph_url) {
            (Some(_), Some(_)) => {
                self.broken(path, "`file` and `subgraph_url` exclude each other", help);
            }
            (None, None) => self.broken(path, "there is no schema", help),
            _ => {}
        }
    }

    fn provider_ids(&mut self, config: &Config) {
        let providers = &config.events.providers;
        let id = |kind: &str, index: usize| format!("events.providers.{kind}[{index}].id");
        let memory = providers.memory.iter().enumerate().map(|(at, it)| (id("memory", at), it.id.as_str()));
        let nats = providers.nats.iter().enumerate().map(|(at, it)| (id("nats", at), it.id.as_str()));
        self.unique("provider id (`memory` and `nats` share one space)", memory.chain(nats).collect());
        let kafka = providers.kafka.iter().enumerate().map(|(at, it)| (id("kafka", at), it.id.as_str()));
        self.unique("provider id", kafka.collect());
        let redis = providers.redis.iter().enumerate().map(|(at, it)| (id("redis", at), it.id.as_str()));
        self.unique("provider id", redis.collect());
    }

    fn required_providers(&mut self, config: &Config) {
        let providers = &config.events.providers;
        let memory = providers.memory.iter().map(|it| it.id.as_str());
        let nats = providers.nats.iter().map(|it| it.id.as_str());
        let kafka = providers.kafka.iter().map(|it| it.id.as_str());
        let redis = providers.redis.iter().map(|it| it.id.as_str());
        let known: Vec<&str> = memory.chain(nats).chain(kafka).chain(redis).collect();
        for (at, id) in config.readiness.require_providers.iter().enumerate() {
            if known.contains(&id.as_str()) {
                continue;
            }
            let help = match known.is_empty() {
                true => "there are none under `events.providers`".to_owned(),
                false => suggest::among(id, &known, "providers"),
            };
            let path = format!("readiness.require_providers[{at}]");
            self.broken(&path, format!("there is no provider `{id}`"), &help);
        }
    }

    /// Names in sections about single subgraphs. Those of a finished supergraph are not known here; the start
    /// warns.
    fn subgraph_names(&mut self, config: &Config) {
        let known: Vec<&str> = config.supergraph.subgraphs.iter().map(|it| it.name.as_str()).collect();
        if known.is_empty() {
            return;
        }
        let traffic = config.traffic_shaping.subgraphs.keys().map(|it| ("traffic_shaping", it));
        let tls = config.tls.client.subgraphs.keys().map(|it| ("tls.client", it));
        let urls = config.override_routing_url.subgraphs.keys().map(|it| ("override_routing_url", it));
        let overrides = config.overrides.subgraphs.keys().map(|it| ("overrides", it));
        let headers = config.headers.subgraphs.keys().map(|it| ("headers", it));
        for (section, name) in traffic.chain(tls).chain(urls).chain(overrides).chain(headers) {
            if known.contains(&name.as_str()) {
                continue;
            }
            let help = suggest::among(name, &known, "subgraphs");
            let path = format!("{section}.subgraphs.{name}");
            self.broken(&path, format!("there is no subgraph `{name}`"), &help);
        }
    }

    fn subgraph_urls(&mut self, config: &Config) {
        for (name, it) in &config.overrides.subgraphs {
            if it.routing_url.is_some() && config.override_routing_url.subgraphs.contains_key(name) {
                let path = format!("overrides.subgraphs.{name}.routing_url");
                let help = format!("`override_routing_url.subgraphs.{name}` has it already: keep one");
                self.broken(&path, "the address is given twice", &help);
            }
        }
    }

    fn subgraph_traffic(&mut self, config: &Config) {
        let traffic = &config.traffic_shaping;
        let named = traffic.subgraphs.iter().map(|(name, it)| (format!("subgraphs.{name}"), it));
        for (path, it) in std::iter::once(("all".to_owned(), &traffic.all)).chain(named) {
            if it.circuit_breaker.num_buckets > BUCKETS_MAX {
                self.broken(
                    &format!("traffic_shaping.{path}.circuit_breaker.num_buckets"),
                    format!("more than {BUCKETS_MAX} parts"),
                    "10 are plenty: the share of failures is exact but for the oldest part",
                );
            }
        }
    }

    fn unique(&mut self, what: &str, names: Vec<(String, &str)>) {
        let mut seen: HashMap<&str, String> = HashMap::new();
        for (path, name) in names {
            match seen.get(name) {
                Some(first) => {
                    let help = format!("`{first}` has it already");
                    self.broken(&path, format!("`{name}` is taken: each {what} must be unique"), &help);
                }
                None => {
                    seen.insert(name, path);
                }
            }
        }
    }

    fn nats(&mut self, provider: &NatsProvider, path: &str) {
        if let Some(it) = &provider.authentication {
            let path = format!("{path}.authentication");
            let ways = [
                ("token", it.token.is_some()),
                ("user_info", it.user_info.is_some()),
                ("nkey_seed", it.nkey_seed.is_some()),
                ("nkey_seed_file", it.nkey_seed_file.is_some()),
                ("credentials_file", it.credentials_file.is_some()),
            ];
            self.exactly_one(&path, &ways);
        }
        if let Some(tls) = &provider.tls {
            self.certificate(tls, &format!("{path}.tls"));
        }
    }

    /// A listener that speaks TLS has a certificate and its key.
    fn server_tls(&mut self, tls: &ServerTls) {
        if !tls.enabled {
            return;
        }
        for (name, file) in [("cert_file", &tls.cert_file), ("key_file", &tls.key_file)] {
            if file.is_none() {
                self.broken(
                    "tls.server.enabled",
                    format!("TLS needs `{name}`"),
                    "give `tls.server.cert_file` and `tls.server.key_file`, both in PEM",
                );
            }
        }
        if tls.client_auth.required && tls.client_auth.cert_file.is_none() {
            self.broken(
                "tls.server.client_auth.required",
                "`required` needs `cert_file`",
                "give the authorities of clients' certificates: nobody could be let in otherwise",
            );
        }
    }

    /// A client certificate is complete or not there.
    fn certificate(&mut self, tls: &ClientTls, path: &str) {
        self.both_or_none(tls.cert_file.is_some(), tls.key_file.is_some(), path);
    }

    fn both_or_none(&mut self, certificate: bool, key: bool, path: &str) {
        if certificate != key {
            let (here, missing) =
                if certificate { ("cert_file", "key_file") } else { ("key_file", "cert_file") };
            self.broken(
                &format!("{path}.{here}"),
                format!("`{here}` needs `{missing}`"),
                "a client certificate consists of both files",
            );
        }
    }

    fn redis(&mut self, provider: &RedisProvider, path: &str) {
        self.at_least_one(&provider.urls, &format!("{path}.urls"));
        if let Some(tls) = &provider.tls {
            self.certificate(tls, &format!("{path}.tls"));
        }
    }

    /// What this build can never serve is no outage.
    fn kafka_is_built(&mut self, path: &str) {
        if cfg!(not(feature = "kafka")) {
            self.broken(
                path,
                "this build of the router has no client for Kafka",
                "build it with the cargo feature `kafka`, which is on by default",
            );
        }
    }

    fn kafka(&mut self, provider: &KafkaProvider, path: &str) {
        self.at_least_one(&provider.brokers, &format!("{path}.brokers"));
        let tls = &provider.tls;
        self.both_or_none(tls.cert_file.is_some(), tls.key_file.is_some(), &format!("{path}.tls"));
        if let Some(it) = &provider.authentication {
            let path = format!("{path}.authentication");
            let ways = [("sasl_plain", it.sasl_plain.is_some()), ("sasl_scram", it.sasl_scram.is_some())];
            self.exactly_one(&path, &ways);
        }
    }

    fn exactly_one(&mut self, path: &str, ways: &[(&str, bool)]) {
        let names: Vec<String> = ways.iter().map(|(name, _)| format!("`{name}`")).collect();
        let help = match &names[..] {
            [one, other] => format!("give either {one} or {other}"),
            _ => format!("give one of {}", names.join(", ")),
        };
        let given: Vec<&str> = ways.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect();
        match given[..] {
            [] => self.broken(path, "there are no credentials", &help),
            [one, other, ..] => {
                self.broken(path, format!("`{one}` and `{other}` exclude each other"), &help);
            }
            [_] => {}
        }
    }

    fn at_least_one(&mut self, items: &[String], path: &str) {
        if items.is_empty() {
            self.broken(path, "at least one is needed", "each item starts with `- ` on a line of its own");
        }
    }
}
