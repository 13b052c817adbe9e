//! Where values come from: flag, environment, file, default; expansion; folders.

use juga::config::{AfterGrace, Config, Environment, GraphSource, LogLevel, Override, Overrides};
use juga::{
    resolve,
    sources::{
        KafkaIsolation, KafkaPayload,
        subgraph::{SubgraphOptions, SubscriptionProtocol, Traffic, WebSocketSubprotocol},
    },
};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

const GRAPH: &str = "supergraph: { file: supergraph.graphql }\n";

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment {
        variables: variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        stdout_is_terminal: false,
        cores: 4,
        current_folder: PathBuf::from("/srv"),
    }
}

fn load(text: &str, variables: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)]) -> Config {
    let flags = flags.iter().map(|(flag, path, value)| Override { flag, path, value: value.to_string() });
    let text = format!("{GRAPH}{text}");
    let loaded = Config::load(
        &text,
        Path::new("conf/juga.yaml"),
        &environment(variables),
        &Overrides(flags.collect()),
    );
    loaded.unwrap_or_else(|report| panic!("{report}"))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn defaults() {
    let config = load("", &[], &[]);
    assert_eq!(config.version, "1");
    assert_eq!(config.listen_addr.to_string(), "127.0.0.1:3002");
    assert_eq!(config.graphql_path, "/graphql");
    assert_eq!(config.log_level, LogLevel::Info);
    assert!(config.json_log);
    assert!(!config.dev_mode);
    assert_eq!((config.shutdown_delay, config.grace_period), (seconds(20), seconds(30)));
    assert_eq!(config.admin.listen_addr.to_string(), "127.0.0.1:8088");
    assert!(config.introspection.enabled);
    assert_eq!(config.traffic_shaping.router.max_request_body_size, 5_000_000);
    assert!(config.notes.is_empty(), "{:?}", config.notes);
}

#[test]
fn defaults_of_events() {
    let text = "events: { providers: { memory: [{ id: m }], nats: [{ id: n, url: 'nats://h' }] } }";
    let events = load(text, &[], &[]).events;
    assert!(events.skip_unavailable_providers);
    assert_eq!(events.trigger_linger, seconds(5));
    assert_eq!((events.outage.grace, events.outage.then), (seconds(5), AfterGrace::Notify));
    let memory = &events.providers.memory[0];
    assert_eq!((memory.ring_events, memory.ring_bytes), (65_536, 64_000_000));
    assert_eq!((events.feed_backlog_events, events.feed_backlog_bytes), (65_536, 16 << 20));
    let nats = &events.providers.nats[0];
    assert_eq!((nats.request_timeout, nats.ping_interval), (seconds(10), seconds(5)));
    assert!(nats.authentication.is_none() && nats.tls.is_none());
    assert!(events.providers.kafka.is_empty() && events.providers.redis.is_empty());
}

#[test]
fn defaults_of_engine_and_websocket() {
    let Config { engine, websocket, .. } = load("", &[], &[]);
    assert_eq!((engine.resolver_threads, engine.prepare_threads), (4, 1));
    assert_eq!(engine.max_concurrent_resolvers, 1024);
    assert_eq!(engine.subscription_fetch_timeout, seconds(30));
    assert_eq!(engine.group_events_in_flight, 16);
    assert_eq!(engine.group_local_events_in_flight, 256);
    assert_eq!((engine.group_backlog_events, engine.group_backlog_bytes), (65_536, 16_000_000));
    assert_eq!(engine.websocket_server_read_timeout, None);
    assert_eq!(engine.websocket_server_write_timeout, seconds(10));
    assert_eq!(engine.execution_plan_cache_size, 1024);
    assert_eq!(engine.enable_net_poll, None);
    assert!(websocket.enabled && !websocket.echo_complete);
    assert_eq!(websocket.connection_init_timeout, seconds(10));
    assert_eq!(websocket.ping_interval, seconds(20));
    assert_eq!(websocket.legacy_keep_alive_interval, seconds(20), "well below the 30s of its clients");
    assert_eq!(websocket.max_message_size, 256_000);
    assert_eq!((websocket.outbound_queue, websocket.outbound_total), (4_000_000, 512_000_000));
}

#[test]
fn defaults_of_limits() {
    let limits = load("", &[], &[]).limits;
    assert_eq!((limits.connections, limits.subscriptions_per_connection), (100_000, 1000));
    let operation = limits.operation;
    assert_eq!((operation.document_bytes, operation.tokens), (131_072, 15_000));
    assert_eq!((operation.depth, operation.selections), (64, 10_000));
    assert_eq!((operation.aliases, operation.root_fields), (200, 50));
    assert_eq!((operation.directives, operation.same_response_name), (200, 100));
}

#[test]
fn a_limit_of_0_is_no_limit() {
    let limits = load("limits: { connections: 0, operation: { document_bytes: 0 } }", &[], &[]).limits;
    assert_eq!((limits.connections, limits.operation.document_bytes), (usize::MAX, usize::MAX));
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let (file, flag) = ("listen_addr: ':1'", ("--listen", "listen_addr", ":3"));
    let port = |text, variables: &[_], flags: &[_]| load(text, variables, flags).listen_addr.port();
    assert_eq!(port("", &[], &[]), 3002);
    assert_eq!(port(file, &[], &[]), 1);
    assert_eq!(port(file, &[("LISTEN_ADDR", ":2")], &[]), 2);
    assert_eq!(port(file, &[("LISTEN_ADDR", ":2")], &[flag]), 3);
    assert_eq!(port("", &[], &[flag]), 3);
    // Set but empty counts as not set.
    assert_eq!(port(file, &[("LISTEN_ADDR", "")], &[]), 1);
}

#[test]
fn a_variable_makes_the_sections_on_its_way() {
    let variables = [
        ("ENGINE_MAX_CONCURRENT_RESOLVERS", "7"),
        ("LIMITS_OPERATION_DEPTH", "8"),
        ("ADMIN_LISTEN_ADDR", "127.0.0.1:9"),
        ("EVENTS_SKIP_UNAVAILABLE_PROVIDERS", "false"),
        ("LOG_LEVEL", "WARNING"),
        ("SUPERGRAPH_FILE", "other.graphql"),
    ];
    for text in ["", "limits:\nevents: {}\nengine: { prepare_threads: 2 }"] {
        let config = load(text, &variables, &[]);
        assert_eq!(config.engine.max_concurrent_resolvers, 7);
        assert_eq!(config.limits.operation.depth, 8);
        assert_eq!(config.admin.listen_addr.port(), 9);
        assert!(!config.events.skip_unavailable_providers);
        assert_eq!(config.log_level, LogLevel::Warn);
        assert_eq!(config.graph_source(), GraphSource::File(Path::new("/srv/conf/other.graphql")));
    }
}

#[test]
fn both_names_of_a_variable_work() {
    assert!(!load("", &[("WEBSOCKETS_ENABLED", "false")], &[]).websocket.enabled);
    assert!(!load("", &[("WEBSOCKET_ENABLED", "false")], &[]).websocket.enabled);
}

/// Build systems set VERSION to a version of theirs.
#[test]
fn version_is_not_taken_from_the_environment() {
    assert_eq!(load("", &[("VERSION", "3.1.4")], &[]).version, "1");
}

#[test]
fn expansion() {
    let variables = [("A", "a"), ("EMPTY", ""), ("YAML", "x: [y")];
    let cases = [
        ("/${A}", "/a"),
        ("/${A}${A}/b", "/aa/b"),
        ("/${B:-b}", "/b"),
        ("/${A:-b}", "/a"),
        ("/${EMPTY:-e}", "/e"),
        ("/${EMPTY}", "/"),
        ("/${B:-}", "/"),
        ("/$A$", "/$A$"),
        ("/${B:-:-}", "/:-"),
    ];
    for (written, meant) in cases {
        let config = load(&format!("graphql_path: '{written}'"), &variables, &[]);
        assert_eq!(config.graphql_path, meant, "{written}");
    }
    // Before types: numbers, too, with and without quotes.
    for written in ["${N}", "'${N}'", "\"${M:-12}\""] {
        let config = load(&format!("engine:\n  prepare_threads: {written}"), &[("N", "12")], &[]);
        assert_eq!(config.engine.prepare_threads, 12, "{written}");
    }
}

#[test]
fn expansion_in_lists_brings_text_never_yaml() {
    let text = "events: { providers: { nats: [{ id: '${ID}', url: 'nats://h', authentication: { token: '$${${ID}' } }] } }";
    let config = load(text, &[("ID", "x: [y")], &[]);
    let nats = &config.events.providers.nats[0];
    assert_eq!(nats.id, "x: [y");
    let token = nats.authentication.as_ref().and_then(|it| it.token.as_ref()).expect("given");
    assert_eq!(token.expose(), "${x: [y");
}

#[test]
fn relative_files_count_from_the_files_folder() {
    let text = "\
supergraph:
  subgraphs:
    - { name: a, routing_url: 'http://a', schema: { file: ./a.graphqls } }
    - { name: b, routing_url: 'https://b:1/x', schema: { file: /abs/b.graphqls } }
  event_graphs: [../events.graphqls]
events: { providers: { nats: [{ id: n, url: 'tls://h,tls://i:1', tls: { ca_file: ca.pem } }] } }
";
    let file = Path::new("/etc/juga/juga.yaml");
    let config = Config::load(text, file, &environment(&[]), &Overrides::default()).expect("loads");
    let GraphSource::Subgraphs(subgraphs) = config.graph_source() else { panic!("subgraphs") };
    assert_eq!(subgraphs[0].schema.file.as_deref(), Some(Path::new("/etc/juga/a.graphqls")));
    assert_eq!(subgraphs[1].schema.file.as_deref(), Some(Path::new("/abs/b.graphqls")));
    assert_eq!(config.supergraph.event_graphs, [Path::new("/etc/juga/../events.graphqls")]);
    let tls = config.events.providers.nats[0].tls.as_ref().expect("given");
    assert_eq!(tls.ca_file.as_deref(), Some(Path::new("/etc/juga/ca.pem")));
    assert_eq!(config.file, file);
}

#[test]
fn logs_are_json_away_from_a_terminal() {
    let on_terminal = Environment { stdout_is_terminal: true, ..environment(&[]) };
    let load_there = |text: &str| {
        let text = format!("{GRAPH}{text}");
        Config::load(&text, Path::new("juga.yaml"), &on_terminal, &Overrides::default())
            .expect("loads")
            .json_log
    };
    assert!(!load_there(""));
    assert!(load_there("json_log: true"));
    assert!(load("", &[], &[]).json_log);
    assert!(!load("dev_mode: true", &[], &[]).json_log);
    assert!(load("dev_mode: true\njson_log: true", &[], &[]).json_log);
}

#[test]
fn the_delay_of_a_stop_lies_within_its_grace_period() {
    let delay = |text: &str| load(text, &[], &[]).shutdown_delay;
    assert_eq!(delay("shutdown_delay: 10s"), seconds(10));
    assert_eq!(delay("grace_period: 5s"), seconds(5));
    assert_eq!(delay("dev_mode: true"), Duration::ZERO);
    assert_eq!(delay("dev_mode: true\nshutdown_delay: 1s"), seconds(1));
    // As files written for Cosmo's router have it.
    let config = load("shutdown_delay: 60s\ngrace_period: 30s", &[], &[]);
    assert_eq!(config.shutdown_delay, seconds(30));
    assert_eq!(
        config.notes,
        ["`shutdown_delay` (60s) is longer than `grace_period` (30s) and was shortened to it"]
    );
}

#[test]
fn the_init_timeout_of_our_own_name_wins() {
    let timeout = |text: &str| load(text, &[], &[]).websocket.connection_init_timeout;
    let theirs = "engine: { websocket_server_read_timeout: 3s }\n";
    assert_eq!(timeout(theirs), seconds(3));
    assert_eq!(timeout(&format!("{theirs}websocket: {{ connection_init_timeout: 4s }}")), seconds(4));
}

#[test]
fn what_has_no_effect_is_noted() {
    let text = "\
engine: { enable_net_poll: true, force_enable_single_flight: true }
headers: { all: { request: [{ op: set, name: X-A, value_from: { context_field: operation_name } }] } }
";
    let subjects = load(text, &[], &[]).notes;
    let subjects: Vec<_> = subjects.iter().filter_map(|it| it.split('`').nth(1)).collect();
    assert_eq!(subjects, ["engine.enable_net_poll", "engine.force_enable_single_flight", "value_from"]);
}

const KAFKA: &str = "\
events:
  providers:
    kafka:
      - id: k
        brokers: ['localhost:9092']
        tls: { enabled: true }
        authentication: { sasl_scram: { username: u, password: p, mechanism: SCRAM-SHA-512 } }
        fetch_max_wait: 1s
";

#[test]
#[cfg(feature = "kafka")]
fn a_build_with_kafka_takes_its_providers() {
    assert_eq!(load(KAFKA, &[], &[]).notes, [""; 0]);
}

/// What a build can never serve is no outage: the configuration is wrong for it.
#[test]
#[cfg(not(feature = "kafka"))]
fn a_build_without_kafka_refuses_its_providers() {
    let text = format!("{GRAPH}{KAFKA}");
    let loaded = Config::load(&text, Path::new("juga.yaml"), &environment(&[]), &Overrides::default());
    let report = loaded.expect_err("there is no client");
    let [finding] = &report.findings[..] else { panic!("{report}") };
    assert_eq!(finding.path, "events.providers.kafka[0]");
    assert!(finding.help.as_deref().is_some_and(|it| it.contains("cargo feature `kafka`")), "{report}");
}

#[test]
fn kafkas_records_are_read_as_the_provider_says() {
    let provider = |keys: &str| {
        let text = format!("events: {{ providers: {{ kafka: [{{ id: k, brokers: [\"k:1\"]{keys} }}] }} }}");
        let config = load(&text, &[], &[]);
        (config.events.providers.kafka[0].payload, config.events.providers.kafka[0].isolation)
    };
    assert_eq!(provider(""), (KafkaPayload::Json, KafkaIsolation::ReadCommitted));
    let keys = ", payload: debezium, isolation: read_uncommitted";
    assert_eq!(provider(keys), (KafkaPayload::Debezium, KafkaIsolation::ReadUncommitted));
    assert_eq!(provider(", payload: confluent_json").0, KafkaPayload::ConfluentJson);
}

/// Everything commented out below a section leaves a key without a value.
#[test]
fn empty_sections_and_lists_are_fine() {
    let config = load("engine:\nevents:\n  providers:\n    nats:\n    memory: ~\n", &[], &[]);
    assert_eq!(config.engine.prepare_threads, 1);
    assert!(config.events.providers.nats.is_empty());
}

#[test]
fn anchors_are_put_in_place() {
    let text = "engine: { prepare_threads: &n 3, resolver_threads: *n }";
    assert_eq!(load(text, &[], &[]).engine.resolver_threads, 3);
}

/// The spellings of other routers.
#[test]
fn values_come_from_variables_and_files_under_other_names_too() {
    let folder = std::env::temp_dir().join(format!("juga-config-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
    write("supergraph.graphql", "");
    write("path", "/from/file\n");
    write("empty", "\n");
    let environment = Environment {
        variables: [("LEVEL".to_owned(), "debug".to_owned())].into(),
        stdout_is_terminal: false,
        cores: 1,
        current_folder: folder.clone(),
    };
    let load = |keys: &str| {
        write("juga.yaml", &format!("supergraph: {{ file: supergraph.graphql }}\n{keys}\n"));
        Config::load_file(Path::new("juga.yaml"), &environment, &Overrides::default())
    };
    let level = |text: &str| load(&format!("log_level: {text}")).map(|it| it.log_level);
    assert_eq!(level("${env.LEVEL}"), Ok(LogLevel::Debug));
    assert_eq!(level("${env.NOWHERE:-warn}"), Ok(LogLevel::Warn));
    let path = |text: &str| load(&format!("graphql_path: {text}")).map(|it| it.graphql_path);
    assert_eq!(path("${file.path}").as_deref(), Ok("/from/file"));
    assert_eq!(path("${file.nowhere:-/default}").as_deref(), Ok("/default"));
    assert_eq!(path("${file.empty:-/default}").as_deref(), Ok("/default"));
    assert_eq!(
        path(&format!("${{file.{}}}/more", folder.join("path").display())).as_deref(),
        Ok("/from/file/more")
    );
    let report = path("${file.nowhere}").expect_err("no such file");
    assert!(
        report.findings[0].message.starts_with("the file `nowhere` cannot be read: No such file"),
        "{report}"
    );
    let report = path("${env.NOWHERE}").expect_err("no such variable");
    assert_eq!(report.findings[0].message, "the environment variable `NOWHERE` is not set");
    // Text alone has no disk behind it.
    let text =
        format!("supergraph: {{ file: x }}\ngraphql_path: ${{file.{}}}\n", folder.join("path").display());
    let report = Config::load(&text, Path::new("juga.yaml"), &environment, &Overrides::default());
    assert!(report.expect_err("no disk").findings[0].message.contains("files are not read here"));
    std::fs::remove_dir_all(&folder).expect("our folder");
}

/// Subgraphs `a` and `b`, whose schemas lie in a folder of the test's own.
fn subgraphs() -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let schema = folder.join("config_sources.graphqls");
    std::fs::write(&schema, "type Query { a: Int }").expect("a schema");
    let subgraph = |name| {
        format!(
            "    - {{ name: {name}, routing_url: 'http://{name}/', schema: {{ file: '{}' }} }}\n",
            schema.display()
        )
    };
    format!("supergraph:\n  subgraphs:\n{}{}", subgraph("a"), subgraph("b"))
}

fn load_with_subgraphs(text: &str, variables: &[(&str, &str)]) -> Config {
    let text = format!("{}{text}", subgraphs());
    Config::load(&text, Path::new("juga.yaml"), &environment(variables), &Overrides::default())
        .unwrap_or_else(|report| panic!("{report}"))
}

fn traffic(text: &str, variables: &[(&str, &str)]) -> Traffic {
    load_with_subgraphs(text, variables).options().expect("options").subgraphs
}

/// The client's own defaults are the configuration's.
#[test]
fn defaults_of_traffic_to_subgraphs() {
    let made = traffic("", &[]);
    assert_eq!(made.all, SubgraphOptions::default());
    assert!(made.subgraphs.is_empty() && made.urls.is_empty());
    let off = "traffic_shaping: { all: { retry: { enabled: false }, circuit_breaker: { enabled: true } } }";
    let breaker = Some(Default::default());
    assert_eq!(traffic(off, &[]).all, SubgraphOptions { retry: None, breaker, ..SubgraphOptions::default() });
}

#[test]
fn every_key_of_traffic_to_subgraphs_arrives() {
    let text = "\
traffic_shaping:
  all:
    request_timeout: 1s
    dial_timeout: 2s
    response_header_timeout: 3s
    tls_handshake_timeout: 4s
    keep_alive_idle_timeout: 0s
    keep_alive_probe_interval: 6s
    max_conns_per_host: 7
    max_idle_conns: 8
    max_idle_conns_per_host: 0
    max_response_body_size: 10
    retry: { max_attempts: 11, interval: 0s, max_duration: 13s, algorithm: backoff_jitter, expression: '' }
    circuit_breaker:
      enabled: true
      error_threshold_percentage: 14
      request_threshold: 15
      sleep_window: 16s
      half_open_attempts: 17
      required_successful: 18
      rolling_duration: 19s
      num_buckets: 20
      execution_timeout: 21s
      max_concurrent_requests: 22
";
    let all = traffic(text, &[]).all;
    assert_eq!((all.timeout, all.dial_timeout), (seconds(1), seconds(2)));
    assert_eq!((all.response_header_timeout, all.tls_handshake_timeout), (Some(seconds(3)), seconds(4)));
    assert_eq!((all.idle_timeout, all.keep_alive_probe_interval), (None, Some(seconds(6))));
    assert_eq!((all.requests_max, all.idle_connections_total_max), (7, 8));
    assert_eq!((all.idle_connections_max, all.response_bytes_max), (usize::MAX, 10));
    let retry = all.retry.expect("on");
    assert_eq!((retry.attempts_max, retry.interval, retry.wait_max), (11, seconds(0), seconds(13)));
    let breaker = all.breaker.expect("on");
    assert_eq!((breaker.error_threshold_percentage, breaker.request_threshold), (14, 15));
    assert_eq!((breaker.sleep_window, breaker.half_open_attempts), (seconds(16), 17));
    assert_eq!((breaker.required_successful, breaker.rolling_duration), (18, seconds(19)));
    assert_eq!((breaker.buckets, breaker.execution_timeout), (20, seconds(21)));
    assert_eq!(breaker.concurrent_max, Some(22));
}

#[test]
fn a_subgraph_has_from_all_what_its_section_lacks() {
    let text = "\
traffic_shaping:
  all: { dial_timeout: 2s, retry: { max_attempts: 3, interval: 1s } }
  subgraphs:
    a: { max_conns_per_host: 7, retry: { max_attempts: 9 } }
    b:
";
    let made = traffic(text, &[("TRAFFIC_SHAPING_ALL_RETRY_MAX_DURATION", "4s")]);
    let a = &made.subgraphs["a"];
    assert_eq!((a.requests_max, a.dial_timeout), (7, seconds(2)));
    let retry = a.retry.as_ref().expect("on");
    assert_eq!((retry.attempts_max, retry.interval, retry.wait_max), (9, seconds(1), seconds(4)));
    assert_eq!(made.subgraphs["b"], made.all);
    assert_eq!((made.all.requests_max, made.all.dial_timeout), (100, seconds(2)));
}

/// Both bound a whole fetch.
#[test]
fn the_shorter_timeout_of_two_holds() {
    let timeout = |text: &str| traffic(text, &[]).all.timeout;
    assert_eq!(timeout(""), seconds(30));
    assert_eq!(timeout("traffic_shaping: { all: { request_timeout: 5s } }"), seconds(5));
    assert_eq!(timeout("engine: { subscription_fetch_timeout: 99s }"), seconds(60));
}

#[test]
fn tls_towards_subgraphs() {
    let text = "\
tls:
  client:
    all: { ca_file: ca.pem, cert_file: c.pem, key_file: c.key }
    subgraphs: { a: { insecure_skip_ca_verification: true } }
";
    let made = traffic(text, &[]);
    assert_eq!(made.all.tls.ca_file.as_deref(), Some(Path::new("/srv/ca.pem")));
    assert_eq!(made.all.tls.cert_file.as_deref(), Some(Path::new("/srv/c.pem")));
    assert_eq!(made.all.tls.key_file.as_deref(), Some(Path::new("/srv/c.key")));
    let a = &made.subgraphs["a"];
    assert!(a.tls.insecure_skip_ca_verification && a.tls.ca_file.is_none(), "a section stands by itself");
    assert_eq!(made.endpoint("a".into(), "http://a/").options, *a);
    assert_eq!(made.endpoint("b".into(), "http://b/").options, made.all);
}

#[test]
fn addresses_of_subgraphs_are_replaced() {
    let text = "\
override_routing_url: { subgraphs: { a: 'http://other-a/' } }
overrides:
  subgraphs:
    b:
      routing_url: https://other-b/
      subscription_url: wss://b/ws
      subscription_protocol: sse_post
      subscription_websocket_subprotocol: graphql-ws
";
    let config = load_with_subgraphs(text, &[]);
    let options = config.options().expect("options");
    let url = |name: &str| options.subgraphs.endpoint(name.into(), "http://own/").url;
    assert_eq!((url("a"), url("b")), ("http://other-a/".into(), "https://other-b/".into()));
    assert_eq!(url("c"), "http://own/");
    let b = &options.subscription_endpoints["b"];
    assert_eq!(b.url.as_deref(), Some("wss://b/ws"));
    assert_eq!(b.protocol, SubscriptionProtocol::SsePost);
    assert_eq!(b.subprotocol, WebSocketSubprotocol::GraphqlWs);
    assert!(!b.reconnect);
}

#[test]
fn sharing_of_queries_in_flight_can_be_switched_off() {
    let resolve = |text: &str| load_with_subgraphs(text, &[]).options().expect("options").resolve;
    assert!(resolve("").share_queries_in_flight);
    let off: resolve::Options = resolve("engine: { enable_single_flight: false }");
    assert!(!off.share_queries_in_flight);
    let forced = load("engine: { force_enable_single_flight: true }", &[], &[]).notes;
    assert!(forced[0].starts_with("`engine.force_enable_single_flight` has no effect"), "{forced:?}");
}
