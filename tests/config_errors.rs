//! What a wrong configuration is told, word for word.

use juga::config::{Config, Environment, Override, Overrides};
use std::path::{Path, PathBuf};

/// The whole report for a file `juga.yaml` with this text.
fn report(text: &str) -> String {
    report_with(text, &[], &[])
}

fn report_with(
    text: &str,
    variables: &[(&str, &str)],
    flags: &[(&'static str, &'static str, &str)],
) -> String {
    let environment = Environment {
        variables: variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        stdout_is_terminal: false,
        cores: 4,
        current_folder: PathBuf::from("/etc/juga"),
    };
    let flags = flags.iter().map(|(flag, path, value)| Override { flag, path, value: value.to_string() });
    match Config::load(text, Path::new("juga.yaml"), &environment, &Overrides(flags.collect())) {
        Ok(config) => panic!("was accepted: {config:?}"),
        Err(report) => report.to_string(),
    }
}

/// The places and messages alone, for a text whose graph is in order.
fn findings(text: &str) -> Vec<String> {
    let text = format!("supergraph: {{ file: x }}\n{text}");
    report(&text)
        .lines()
        .filter_map(|it| it.strip_prefix("juga.yaml:").or(it.strip_prefix("  help: ")))
        .map(str::to_owned)
        .collect()
}

#[test]
fn comments_may_be_as_long_as_one_likes() {
    let report = findings(&format!(
        "{}typo: 1
",
        "# a word
"
        .repeat(5000)
    ));
    assert_eq!(report[0], "5002:1: typo: unknown key");
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let text = "supergraph:\n  file: x\nengine:\n  max_concurent_resolvers: 10\n";
    assert_eq!(
        report(text),
        "\
juga.yaml:4:3: engine.max_concurent_resolvers: unknown key
    4 |   max_concurent_resolvers: 10
      |   ^^^^^^^^^^^^^^^^^^^^^^^
  help: did you mean `max_concurrent_resolvers`?
"
    );
}

#[test]
fn an_unknown_key_may_belong_elsewhere_or_nowhere() {
    assert_eq!(
        findings("max_request_body_size: 1MB"),
        [
            "2:1: max_request_body_size: unknown key",
            "did you mean `traffic_shaping.router.max_request_body_size`? It belongs there"
        ]
    );
    assert_eq!(
        findings("introspection: { colour: blue }"),
        ["2:18: introspection.colour: unknown key", "the keys here are `enabled`"]
    );
}

#[test]
fn everything_wrong_is_reported_at_once_in_the_order_of_the_file() {
    let text = "\
listen_adr: localhost:1
supergraph: { file: x }
engine:
  prepare_threads: many
  resolver_treads: 2
websocket:
  ping_interval: 20
  enabled: yes
events:
  providers:
    nats:
      - id: a
        url: nats://localhost
        tsl: {}
      - url: http://localhost
";
    assert_eq!(
        report(text),
        "\
juga.yaml:1:1: listen_adr: unknown key
    1 | listen_adr: localhost:1
      | ^^^^^^^^^^
  help: did you mean `listen_addr`?

juga.yaml:4:20: engine.prepare_threads: expected a whole number of at least 1, found `many`
    4 |   prepare_threads: many
      |                    ^^^^
  help: write it like `16`

juga.yaml:5:3: engine.resolver_treads: unknown key
    5 |   resolver_treads: 2
      |   ^^^^^^^^^^^^^^^
  help: did you mean `resolver_threads`?

juga.yaml:7:18: websocket.ping_interval: expected a duration, found `20`
    7 |   ping_interval: 20
      |                  ^^
  help: write it like `10s`, `250ms` or `1m30s`

juga.yaml:8:12: websocket.enabled: expected `true` or `false`, found `yes`
    8 |   enabled: yes
      |            ^^^
  help: write it like `true`

juga.yaml:14:9: events.providers.nats[0].tsl: unknown key
   14 |         tsl: {}
      |         ^^^
  help: did you mean `tls`?

juga.yaml:15:9: events.providers.nats[1].id: this key is missing
   15 |       - url: http://localhost
      |         ^
  help: for example `id: default`

juga.yaml:15:14: events.providers.nats[1].url: the URL must start with `nats://` or `tls://`
   15 |       - url: http://localhost
      |              ^^^^^^^^^^^^^^^^
  help: write it like `nats://localhost:4222`
"
    );
}

#[test]
fn values_of_the_wrong_form() {
    let cases: &[(&str, &[&str])] = &[
        ("version: 2", &["2:10: version: expected version `1`, found `2`", "write it like `1`"]),
        (
            "listen_addr: example.com:80",
            &[
                "2:14: listen_addr: expected an address with a port, found `example.com:80`",
                "write it like `localhost:3002`, `0.0.0.0:3002`, `[::1]:3002` or `:3002`",
            ],
        ),
        (
            "graphql_path: graphql",
            &[
                "2:15: graphql_path: expected a path that starts with `/`, found `graphql`",
                "write it like `/graphql`",
            ],
        ),
        (
            "log_level: loud",
            &[
                "2:12: log_level: expected `error`, `warn`, `info`, `debug` or `trace`, found `loud`",
                "write it like `info`",
            ],
        ),
        (
            "events: { outage: { then: panic } }",
            &[
                "2:27: events.outage.then: expected `notify` or `end`, found `panic`",
                "write it like `notify`",
            ],
        ),
        (
            "websocket: { max_message_size: 0 }",
            &[
                "2:32: websocket.max_message_size: expected a size in bytes, found `0`",
                "write it like `256KB`, `1MiB` or `4096`",
            ],
        ),
        (
            "engine: { subscription_fetch_timeout: 0s }",
            &[
                "2:39: engine.subscription_fetch_timeout: expected a duration of more than 0, found `0s`",
                "write it like `10s`, `250ms` or `1m30s`",
            ],
        ),
        (
            "limits: { connections: -1 }",
            &[
                "2:24: limits.connections: expected a whole number, or 0 for no limit, found `-1`",
                "write it like `100`",
            ],
        ),
        (
            "grace_period: [1s]",
            &[
                "2:15: grace_period: expected a duration, found a list",
                "write it like `10s`, `250ms` or `1m30s`",
            ],
        ),
        (
            "admin: 127.0.0.1:8088",
            &["2:8: admin: expected a section, found `127.0.0.1:8088`", "its keys are `listen_addr`"],
        ),
        (
            "events: { providers: { nats: { id: a } } }",
            &[
                "2:30: events.providers.nats: expected a list, found a section",
                "each item starts with `- ` on a line of its own",
            ],
        ),
        ("grace_period:", &["2:1: grace_period: this key has no value", "remove the key to use its default"]),
    ];
    for (text, expected) in cases {
        assert_eq!(findings(text), *expected, "{text}");
    }
}

#[test]
fn yaml_itself() {
    assert_eq!(
        findings("log_level: info\nlog_level: debug"),
        ["3:1: the key `log_level` is given twice", "first given in line 2"]
    );
    assert_eq!(findings("<<: {}"), ["2:1: merge keys (`<<`) are not supported"]);
    assert_eq!(findings("[a]: b"), ["2:1: a key must be a name"]);
    assert_eq!(findings("dev_mode: !yes true"), ["2:11: tags such as `!yes` mean nothing here"]);
    assert_eq!(findings("---\ndev_mode: true"), ["3:1: a configuration is one YAML document"]);
    let broken = report("supergraph: { file: x\nlisten_addr: y\n");
    assert!(broken.starts_with("juga.yaml:2:"), "{broken}");
    assert!(broken.contains(": this is not valid YAML: "), "{broken}");
    let unquoted = report("supergraph: { file: ${FILE} }");
    assert!(unquoted.ends_with("  help: within `{ }` and `[ ]`, `${…}` needs quotes\n"), "{unquoted}");
    let not_a_section = report("just words");
    assert!(
        not_a_section.starts_with("juga.yaml:1:1: expected a section, found `just words`\n"),
        "{not_a_section}"
    );
}

/// Nine levels of nine aliases each would be 400 million values.
#[test]
fn aliases_of_aliases_do_not_fill_the_memory() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in
        ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        let items = vec![format!("*{before}"); 9].join(", ");
        text.push_str(&format!("{name}: &{name} [{items}]\n"));
    }
    let found = report(&text);
    assert!(found.contains("the file unfolds to more than 100000 values"), "{found}");
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let found = report(&format!("a: {}{}", "[".repeat(100), "]".repeat(100)));
    assert!(found.starts_with("juga.yaml:1:67: values nest deeper than 64 levels"), "{found}");
    let found = report(&format!("a: {}", "[".repeat(100_000)));
    assert!(found.contains("this is not valid YAML"), "{found}");
    assert!(found.len() < 500, "a long line is shown in part: {found}");
    let mut by_aliases = "a0: &a0 []\n".to_owned();
    for level in 1..70 {
        by_aliases.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    let found = report(&by_aliases);
    assert!(found.starts_with("juga.yaml:64:12: values nest deeper than 64 levels"), "{found}");
}

/// Whatever a file holds, the answer is a configuration or a report.
#[test]
fn no_file_makes_it_panic() {
    let reference = std::fs::read("config/juga.yaml").expect("the reference file");
    let environment = Environment {
        variables: Default::default(),
        stdout_is_terminal: false,
        cores: 4,
        current_folder: PathBuf::from("/"),
    };
    let spice = b"{}[]:,-#&*!|>'\"%@`$ \n\t0a~";
    let (mut good, mut bad) = (0, 0);
    for seed in 0..1500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut text: Vec<u8> =
            reference.iter().copied().filter(|it| *it != b'#' || random.u8(..) < 200).collect();
        for _ in 0..random.usize(0..4) {
            let at = random.usize(..text.len());
            text[at] = spice[random.usize(..spice.len())];
        }
        let text = String::from_utf8_lossy(&text);
        match Config::load(&text, Path::new("juga.yaml"), &environment, &Overrides::default()) {
            Ok(_) => good += 1,
            Err(report) => {
                assert!(!report.findings.is_empty() && !report.to_string().is_empty(), "seed {seed}");
                bad += 1;
            }
        }
    }
    assert!(bad > 100, "good {good}, bad {bad}: the mutations are too tame");
}

#[test]
fn rules_between_keys() {
    let nats =
        |rest: &str| format!("events: {{ providers: {{ nats: [{{ id: a, url: 'nats://h', {rest} }}] }} }}");
    let cases: Vec<(String, &[&str])> = vec![
        (
            "events: { providers: { memory: [{ id: a }], nats: [{ id: a, url: 'nats://h' }] } }".to_owned(),
            &[
                "2:58: events.providers.nats[0].id: `a` is taken: each provider id (`memory` and `nats` share one space) must be unique",
                "`events.providers.memory[0].id` has it already",
            ],
        ),
        (
            nats("tls: { cert_file: c }"),
            &[
                "2:75: events.providers.nats[0].tls.cert_file: `cert_file` needs `key_file`",
                "a client certificate consists of both files",
            ],
        ),
        (
            nats("tls: { key_file: c }"),
            &[
                "2:74: events.providers.nats[0].tls.key_file: `key_file` needs `cert_file`",
                "a client certificate consists of both files",
            ],
        ),
        (
            nats("authentication: { token: t, user_info: { username: u, password: p } }"),
            &[
                "2:57: events.providers.nats[0].authentication: `token` and `user_info` exclude each other",
                "give one of `token`, `user_info`, `nkey_seed`, `nkey_seed_file`, `credentials_file`",
            ],
        ),
        (
            nats("authentication: {}"),
            &[
                "2:57: events.providers.nats[0].authentication: there are no credentials",
                "give one of `token`, `user_info`, `nkey_seed`, `nkey_seed_file`, `credentials_file`",
            ],
        ),
        (
            "events: { providers: { kafka: [{ id: k, brokers: [] }] } }".to_owned(),
            &[
                "2:41: events.providers.kafka[0].brokers: at least one is needed",
                "each item starts with `- ` on a line of its own",
            ],
        ),
        (
            "events: { providers: { redis: [{ id: k, urls: ['rediss://h'], tls: { cert_file: c } }] } }"
                .to_owned(),
            &[
                "2:81: events.providers.redis[0].tls.cert_file: `cert_file` needs `key_file`",
                "a client certificate consists of both files",
            ],
        ),
        (
            "events: { providers: { redis: [{ id: k }] } }".to_owned(),
            &[
                "2:32: events.providers.redis[0].urls: at least one is needed",
                "each item starts with `- ` on a line of its own",
            ],
        ),
        (
            "admin: { listen_addr: 'localhost:3002' }".to_owned(),
            &[
                "2:23: admin.listen_addr: 127.0.0.1:3002 is `listen_addr` already",
                "operators need an address of their own, which clients cannot reach",
            ],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(findings(&text), expected, "{text}");
    }
}

#[test]
fn the_graph_comes_from_one_place() {
    let none = report("version: 1\n");
    assert_eq!(
        none,
        "\
juga.yaml:1:1: supergraph: there is no graph to serve
    1 | version: 1
      | ^
  help: give `supergraph.file` (a composed supergraph) or `supergraph.subgraphs`
"
    );
    let subgraph =
        |name: &str| format!("    - {{ name: {name}, routing_url: 'http://h', schema: {{ file: x }} }}\n");
    let both = report(&format!("supergraph:\n  file: x\n  subgraphs:\n{}", subgraph("a")));
    assert!(
        both.starts_with("juga.yaml:3:3: supergraph.subgraphs: `file` and `subgraphs` exclude each other\n"),
        "{both}"
    );
    let twice = report(&format!("supergraph:\n  subgraphs:\n{}{}", subgraph("a"), subgraph("a")));
    assert!(
        twice.starts_with(
            "juga.yaml:4:15: supergraph.subgraphs[1].name: `a` is taken: each subgraph name must be unique\n"
        ),
        "{twice}"
    );
    let no_schema = report("supergraph:\n  subgraphs:\n    - name: a\n      routing_url: http://h\n");
    assert_eq!(
        no_schema,
        "\
juga.yaml:3:7: supergraph.subgraphs[0].schema: there is no schema
    3 |     - name: a
      |       ^
  help: give either `file` or `subgraph_url`
"
    );
}

#[test]
fn an_empty_file_lacks_a_graph() {
    assert_eq!(
        report(""),
        "\
juga.yaml:1:1: supergraph: there is no graph to serve
  help: give `supergraph.file` (a composed supergraph) or `supergraph.subgraphs`
"
    );
}

#[test]
fn expansion_that_fails() {
    assert_eq!(
        findings("grace_period: ${GRACE}"),
        [
            "2:15: grace_period: the environment variable `GRACE` is not set",
            "set it, or give a default: `${GRACE:-…}`"
        ]
    );
    assert_eq!(
        findings("graphql_path: '/${'"),
        ["2:15: graphql_path: `${` without `}`", "write `$${` for a plain `${`"]
    );
    assert_eq!(
        findings("graphql_path: '${a b}'"),
        [
            "2:15: graphql_path: `a b` is no name of an environment variable",
            "write `${NAME}` or `${NAME:-default}`"
        ]
    );
}

#[test]
fn variables_and_flags_are_named() {
    let graph = "supergraph: { file: x }";
    assert_eq!(
        report_with(graph, &[("ENGINE_PREPARE_THREADS", "none")], &[]),
        "\
environment variable ENGINE_PREPARE_THREADS: engine.prepare_threads: expected a whole number of at least 1, found `none`
  help: write it like `16`
"
    );
    assert_eq!(
        report_with(graph, &[], &[("--log", "log_level", "loud")]),
        "\
flag --log: log_level: expected `error`, `warn`, `info`, `debug` or `trace`, found `loud`
  help: write it like `info`
"
    );
}

/// A password must not turn up in a message, a log or a panic.
#[test]
fn secrets_are_not_shown() {
    let text = "\
supergraph: { file: x }
events:
  providers:
    nats:
      - id: a
        url: ${URL}
";
    let found = report_with(text, &[("URL", "nats://user:hunter2@host:port")], &[]);
    assert!(found.contains("the URL's port must be 1 to 65535"), "{found}");
    assert!(!found.contains("hunter2"), "{found}");
    let config = Config::load(
        "supergraph: { file: x }\nevents: { providers: { nats: [{ id: a, url: 'nats://h', authentication: { token: hunter2 } }] } }",
        Path::new("juga.yaml"),
        &Environment {
            variables: Default::default(),
            stdout_is_terminal: false,
            cores: 1,
            current_folder: PathBuf::from("/"),
        },
        &Overrides::default(),
    )
    .expect("loads");
    assert!(!format!("{config:?}").contains("hunter2"));
    let authentication = config.events.providers.nats[0].authentication.as_ref().expect("given");
    assert_eq!(authentication.token.as_ref().expect("given").expose(), "hunter2");
}

/// What would look like protection, and give none, is refused.
#[test]
fn security_that_is_not_there_is_refused() {
    assert_eq!(
        findings(
            "security: { block_mutations: { enabled: true, condition: \"request.header.Get('x') == 'y'\" } }"
        ),
        [
            "2:58: security.block_mutations.condition: expressions are not supported yet",
            "remove the condition: `enabled` alone decides"
        ]
    );
    assert_eq!(
        findings("security: { block_non_persisted_operations: { enabled: true } }"),
        [
            "2:56: security.block_non_persisted_operations.enabled: persisted operations are not supported yet",
            "nothing would be blocked: keep other operations out in front of the router"
        ]
    );
}

#[test]
fn credentials_need_origins_with_names() {
    let expected = [
        "credentials and the origin `*` exclude each other",
        "name the origins in `cors.allow_origins`: every page could use its visitors' sessions otherwise",
    ];
    for (place, text) in [
        ("2:28", "cors: { allow_credentials: true }"),
        ("2:73", "cors: { allow_origins: [\"https://app.example\", \"*\"], allow_credentials: true }"),
    ] {
        let first = format!("{place}: cors.allow_credentials: {}", expected[0]);
        assert_eq!(findings(text), [&first, expected[1]], "{text}");
    }
}

#[test]
fn http_limits_have_their_forms() {
    assert_eq!(
        findings("traffic_shaping: { router: { max_header_bytes: 4KiB } }"),
        [
            "2:48: traffic_shaping.router.max_header_bytes: expected a size of at least 8KiB, or 0 for 64KiB, found `4KiB`",
            "write it like `64KiB` or `100000`"
        ]
    );
    assert_eq!(
        findings("batching: { max_concurrency: 0 }"),
        [
            "2:30: batching.max_concurrency: expected a whole number of at least 1, found `0`",
            "write it like `16`"
        ]
    );
}

#[test]
fn what_is_wrong_about_traffic_to_subgraphs() {
    let cases: &[(&str, &[&str])] = &[
        (
            "traffic_shaping: { all: { retry: { expression: 'statusCode == 500' } } }",
            &[
                "2:48: traffic_shaping.all.retry.expression: expressions are not supported: what is repeated is fixed, see the manual",
                "write it like `\"\"`",
            ],
        ),
        (
            "traffic_shaping: { all: { retry: { algorithm: linear } } }",
            &[
                "2:47: traffic_shaping.all.retry.algorithm: expected `backoff_jitter`, found `linear`",
                "write it like `backoff_jitter`",
            ],
        ),
        (
            "traffic_shaping: { all: { circuit_breaker: { error_threshold_percentage: 101 } } }",
            &[
                "2:74: traffic_shaping.all.circuit_breaker.error_threshold_percentage: expected a whole number from 1 to 100, found `101`",
                "write it like `50`",
            ],
        ),
        (
            "traffic_shaping: { all: { circuit_breaker: { max_concurrent_requests: 0 } } }",
            &[
                "2:71: traffic_shaping.all.circuit_breaker.max_concurrent_requests: expected a whole number of at least 1, or -1 for no bound, found `0`",
                "write it like `100`",
            ],
        ),
        (
            "traffic_shaping: { all: { circuit_breaker: { num_buckets: 1001 } } }",
            &[
                "2:59: traffic_shaping.all.circuit_breaker.num_buckets: more than 1000 parts",
                "10 are plenty: the share of failures is exact but for the oldest part",
            ],
        ),
        (
            "traffic_shaping: { subgraphs: [a] }",
            &["2:31: traffic_shaping.subgraphs: expected a section, found a list", "its keys are names"],
        ),
        (
            "traffic_shaping: { subgraphs: { a: { request_timout: 1s } } }",
            &[
                "2:38: traffic_shaping.subgraphs.a.request_timout: unknown key",
                "did you mean `request_timeout`?",
            ],
        ),
        (
            "tls: { client: { subgraphs: { a: { cert_file: c } } } }",
            &[
                "2:47: tls.client.subgraphs.a.cert_file: `cert_file` needs `key_file`",
                "a client certificate consists of both files",
            ],
        ),
        (
            "proxy_protocol: true",
            &[
                "2:17: proxy_protocol: the PROXY protocol needs `trusted_proxies`",
                "name the proxies: nobody else is let in, since anybody could claim any address",
            ],
        ),
        (
            "trusted_proxies: [10.0.0.0/33]",
            &[
                "2:19: trusted_proxies[0]: expected an address or a range of addresses, found `10.0.0.0/33`",
                "write it like `10.0.0.0/8`, `fd00::/8` or `192.168.1.7`",
            ],
        ),
        (
            "tls: { server: { enabled: true, cert_file: c } }",
            &[
                "2:27: tls.server.enabled: TLS needs `key_file`",
                "give `tls.server.cert_file` and `tls.server.key_file`, both in PEM",
            ],
        ),
        (
            "tls: { server: { enabled: true, cert_file: c, key_file: k, client_auth: { required: true } } }",
            &[
                "2:85: tls.server.client_auth.required: `required` needs `cert_file`",
                "give the authorities of clients' certificates: nobody could be let in otherwise",
            ],
        ),
        (
            "override_routing_url: { subgraphs: { a: } }",
            &["2:38: override_routing_url.subgraphs.a: this name has no value"],
        ),
        (
            "override_routing_url: { subgraphs: { a: 'ws://h' } }",
            &[
                "2:41: override_routing_url.subgraphs.a: the URL must start with `http://` or `https://`",
                "write it like `http://localhost:4001/graphql`",
            ],
        ),
        (
            "overrides: { subgraphs: { a: { subscription_protocol: mqtt } } }",
            &[
                "2:55: overrides.subgraphs.a.subscription_protocol: expected `ws`, `sse` or `sse_post`, found `mqtt`",
                "write it like `ws`",
            ],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(findings(text), *expected, "{text}");
    }
}

/// What `all` has wrong is wrong once, however many subgraphs have it from there.
#[test]
fn what_is_inherited_is_told_where_it_stands() {
    let text = "\
traffic_shaping:
  all: { dial_timeout: soon, retrai: {}, circuit_breaker: { num_buckets: 2000 }, retry: 5 }
  subgraphs: { a: { request_timeout: 1s }, b: { dial_timeout: 2s } }
";
    let found = findings(text);
    let places: Vec<_> =
        found.iter().filter_map(|it| it.split(' ').next()).filter(|it| it.starts_with("3:")).collect();
    assert_eq!(places, ["3:24:", "3:30:", "3:89:"], "{found:#?}");
}

#[test]
fn sections_about_subgraphs_name_subgraphs() {
    let text = "\
supergraph:
  subgraphs: [{ name: deals, routing_url: 'http://h', schema: { file: x } }]
traffic_shaping: { subgraphs: { deal: {} } }
tls: { client: { subgraphs: { products: {} } } }
override_routing_url: { subgraphs: { Deals: 'http://h' } }
overrides: { subgraphs: { deals: {}, delas: {} } }
";
    let found: Vec<_> = report(text).lines().filter(|it| !it.contains(" | ")).map(str::to_owned).collect();
    assert_eq!(
        found,
        [
            "juga.yaml:3:33: traffic_shaping.subgraphs.deal: there is no subgraph `deal`",
            "  help: did you mean `deals`?",
            "",
            "juga.yaml:4:31: tls.client.subgraphs.products: there is no subgraph `products`",
            "  help: the subgraphs are `deals`",
            "",
            "juga.yaml:5:45: override_routing_url.subgraphs.Deals: there is no subgraph `Deals`",
            "  help: did you mean `deals`?",
            "",
            "juga.yaml:6:38: overrides.subgraphs.delas: there is no subgraph `delas`",
            "  help: did you mean `deals`?",
        ]
    );
}

#[test]
fn a_provider_that_readiness_waits_for_is_there() {
    let wait_for = |id: &str, providers: &str| {
        findings(&format!(
            "readiness: {{ require_providers: [{id}] }}\nevents: {{ providers: {providers} }}\n"
        ))
    };
    let nats = "{ nats: [{ id: main, url: 'nats://h' }], memory: [{ id: local }] }";
    assert_eq!(
        wait_for("mian", nats),
        ["2:34: readiness.require_providers[0]: there is no provider `mian`", "did you mean `main`?"]
    );
    assert_eq!(
        wait_for("orders", nats),
        [
            "2:34: readiness.require_providers[0]: there is no provider `orders`",
            "the providers are `local`, `main`"
        ]
    );
    assert_eq!(
        wait_for("main", "{}"),
        [
            "2:34: readiness.require_providers[0]: there is no provider `main`",
            "there are none under `events.providers`"
        ]
    );
}

#[test]
fn an_address_is_replaced_in_one_place() {
    let text = "\
override_routing_url: { subgraphs: { a: 'http://h' } }
overrides: { subgraphs: { a: { routing_url: 'http://i' } } }
";
    assert_eq!(
        findings(text),
        [
            "3:45: overrides.subgraphs.a.routing_url: the address is given twice",
            "`override_routing_url.subgraphs.a` has it already: keep one"
        ]
    );
}
