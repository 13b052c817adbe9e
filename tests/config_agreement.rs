//! What `juga config validate` calls valid starts, and what it does not call valid ends with 78: said of 200
//! configurations that chance put together, of good and bad parts. Brokers are not there, and ports are free: of these a
//! check says nothing.
#![cfg(feature = "kafka")]

mod support;

#[path = "support/certificates.rs"]
mod certificates;

use certificates::Certificates;
use fastrand::Rng;
use std::{fs, sync::Mutex, thread};
use support::{
    cli::{Folder, Start},
    fixture,
};

const CONFIGURATIONS: u64 = 200;
const SEED: u64 = 13;
const PORTS: [(&str, &str); 2] = [("LISTEN_ADDR", "127.0.0.1:0"), ("ADMIN_LISTEN_ADDR", "127.0.0.1:0")];
/// In this many parts of a hundred, something is wrong.
const WRONG_PERCENT: u32 = 7;

/// A part of a configuration: what is good, and what is not.
struct Part {
    good: &'static [&'static str],
    wrong: &'static [&'static str],
}

const SUBGRAPHS: &str = "subgraphs: [{ name: employees, routing_url: 'http://127.0.0.1:1/e', schema: { file: \
                         employees.graphql } }, { name: products, routing_url: 'http://127.0.0.1:1/p', schema: { file: \
                         products.graphql } }]";

/// Each of them is a whole: one of them is in every configuration. `SUBGRAPHS` stands for those of the demo.
const GRAPH: Part = Part {
    good: &[
        "supergraph: { file: supergraph.graphql }",
        "supergraph: { SUBGRAPHS }",
        "supergraph: { SUBGRAPHS, event_graphs: [events.graphql] }",
        "supergraph: { file: composed.graphql, event_graphs: [events.graphql] }",
        "execution_config: { file: { path: execution.json } }\nsupergraph: { lenient: true }\nauthorization: { serve_unprotected: true }",
        "router_config_path: execution.json\nsupergraph: { lenient: true }\nauthorization: { serve_unprotected: true }",
    ],
    wrong: &[
        "supergraph: { file: composed.graphql }",
        "supergraph: { file: garbage }",
        "supergraph: { file: nowhere.graphql }",
        "supergraph: { SUBGRAPHS, event_graphs: [wrong_events.graphql] }",
        "supergraph: { SUBGRAPHS, event_graphs: [garbage] }",
        "supergraph: { subgraphs: [{ name: a, routing_url: 'http://a', schema: { file: wrong.graphql } }] }",
        "supergraph: { url: 'http://127.0.0.1:1/supergraph' }",
        "supergraph: { file: supergraph.graphql }\nexecution_config: { file: { path: execution.json } }",
        "execution_config: { file: { path: execution.json } }\nauthorization: { serve_unprotected: true }",
        "execution_config: { file: { path: execution.json } }\nsupergraph: { lenient: true }",
        "execution_config: { file: { path: garbage } }",
        "supergraph: {}",
    ],
};

/// Every other one may be left out.
const PARTS: [Part; 9] = [
    Part {
        good: &[
            "events: { providers: { memory: [{ id: default }] } }",
            "events: { providers: { nats: [{ id: default, url: 'nats://127.0.0.1:1' }] } }",
            "events: { providers: { nats: [{ id: default, url: 'tls://127.0.0.1:1', tls: { ca_file: ca.pem } }] } }",
            "events: { providers: { redis: [{ id: r, urls: ['redis://127.0.0.1:1'] }] } }",
            "events: { providers: { kafka: [{ id: k, brokers: ['127.0.0.1:1'] }] } }",
            "events: { providers: { kafka: [{ id: k, brokers: ['127.0.0.1:1'], tls: { enabled: true, ca_file: ca.pem, \
             cert_file: client.pem, key_file: client.key } }] } }",
            "events: { skip_unavailable_providers: false, providers: { memory: [{ id: default }, { id: my-nats }], kafka: \
             [{ id: my-kafka, brokers: ['127.0.0.1:1'] }], redis: [{ id: my-redis, urls: ['redis://127.0.0.1:1'] }] } }",
        ],
        wrong: &[
            "events: { providers: { memory: [{ id: a }, { id: a }] } }",
            "events: { providers: { nats: [{ id: default, url: 'nats://127.0.0.1:1', tls: { ca_file: garbage } }] } }",
            "events: { providers: { nats: [{ id: default, url: 'nats://127.0.0.1:1', tls: { cert_file: client.pem, \
             key_file: garbage } }] } }",
            "events: { providers: { nats: [{ id: default, url: 'nats://127.0.0.1:1', authentication: { nkey_seed: x } \
             }] } }",
            "events: { providers: { nats: [{ id: default, url: 'nats://127.0.0.1:1', authentication: { \
             credentials_file: garbage } }] } }",
            "events: { providers: { redis: [{ id: r, urls: ['redis://127.0.0.1:1'], tls: { ca_file: ca.pem } }] } }",
            "events: { providers: { redis: [{ id: r, urls: ['rediss://127.0.0.1:1'], tls: { ca_file: garbage } }] } }",
            "events: { providers: { redis: [{ id: r, urls: ['redis://127.0.0.1:1/x'] }] } }",
            "events: { providers: { redis: [{ id: r, urls: ['redis://127.0.0.1:1/?dial_timeout=soon'] }] } }",
            "events: { providers: { kafka: [{ id: k, brokers: ['127.0.0.1:1'], tls: { enabled: true, ca_file: garbage \
             } }] } }",
            "events: { providers: { kafka: [{ id: k, brokers: ['127.0.0.1:1'], tls: { enabled: true, cert_file: \
             client.pem, key_file: garbage } }] } }",
            "events: { providers: { kafka: [{ id: k, brokers: ['127.0.0.1:1'], fetch_max_wait: 20h }] } }",
            "events: { providers: { kafka: [{ id: k, brokers: ['127.0.0.1:1'], request_timeout: 900h }] } }",
        ],
    },
    Part {
        good: &[
            "tls: { server: { enabled: true, cert_file: server.pem, key_file: server.key } }",
            "tls: { server: { enabled: true, cert_file: server.pem, key_file: server.key, client_auth: { cert_file: \
             ca.pem, required: true } } }",
            "tls: { server: { enabled: false, cert_file: nowhere.pem } }",
            "tls: { client: { all: { ca_file: ca.pem, cert_file: client.pem, key_file: client.key } } }",
        ],
        wrong: &[
            "tls: { server: { enabled: true, cert_file: server.pem, key_file: client.key } }",
            "tls: { server: { enabled: true, cert_file: garbage, key_file: server.key } }",
            "tls: { server: { enabled: true, cert_file: server.pem, key_file: server.key, client_auth: { cert_file: \
             garbage } } }",
            "tls: { client: { all: { ca_file: garbage } } }",
            "tls: { client: { all: { cert_file: client.pem, key_file: ca.pem } } }",
            "tls: { client: { all: { cert_file: client.pem } } }",
        ],
    },
    Part {
        good: &[
            "traffic_shaping: { all: { request_timeout: 1s, expect_continue_timeout: 1s } }",
            "traffic_shaping: { router: { max_header_bytes: 0 }, all: { circuit_breaker: { enabled: true } } }",
        ],
        wrong: &[
            "traffic_shaping: { all: { circuit_breaker: { num_buckets: 100000 } } }",
            "traffic_shaping: { router: { max_header_bytes: 1 } }",
        ],
    },
    Part {
        good: &[
            "headers: { all: { request: [{ op: propagate, named: Authorization }] } }",
            "headers: { router: { response: [{ name: X-A, value: b }] } }",
            "headers: { all: { request: [{ op: set, name: X-A, from_file: token }] } }",
        ],
        wrong: &[
            "headers: { all: { request: [{ op: set, name: Host, value: x }] } }",
            "headers: { all: { request: [{ op: set, name: X-A, from_file: nowhere }] } }",
            "headers: { all: { request: [{ op: propagate, matching: '(' }] } }",
        ],
    },
    Part {
        good: &[
            "cors: { allow_origins: ['https://a'], allow_credentials: true }",
            "cors: { enabled: false }",
        ],
        wrong: &["cors: { allow_credentials: true }", "cors: { max_age: soon }"],
    },
    Part {
        good: &[
            "security: { complexity_limits: { mode: measure, depth: { enabled: true, limit: 5 } } }",
            "security: { block_mutations: { enabled: true }, parser_limits: { approximate_depth_limit: 9 } }",
        ],
        wrong: &[
            "security: { complexity_limits: { depth: { enabled: true, limit: 5 } } }",
            "security: { block_non_persisted_operations: { enabled: true } }",
        ],
    },
    Part {
        good: &[
            "engine: { resolver_threads: 1, execution_plan_cache_size: 1 }",
            "engine: { enable_net_poll: true, debug: { print_query_plans: true } }",
        ],
        wrong: &[
            "engine: { resolver_threads: 0 }",
            "engine: { validate_inline_arguments: { mode: enforce } }",
        ],
    },
    Part {
        good: &[
            "overrides: { subgraphs: { employees: { routing_url: 'http://127.0.0.1:2' } } }",
            "overrides: { subgraphs: { employees: { subscription_url: 'ws://127.0.0.1:2/x', subscription_protocol: ws \
             } } }",
        ],
        wrong: &[
            "overrides: { subgraphs: { employees: { routing_url: 'ftp://127.0.0.1:2' } } }",
            "overrides: { subgraphs: { employees: { routing_url: 'http://127.0.0.1:2/<x>' } } }",
            "overrides: { subgraphs: { employees: { subscription_url: 'ws://127.0.0.1:2/<x>' } } }",
        ],
    },
    Part {
        good: &[
            "limits: { connections: 0, operation: { depth: 1 } }",
            "telemetry: { tracing: { enabled: true } }",
            "rate_limit: { enabled: false }",
            "grace_period: 0s",
            "readiness: { require_providers: [] }",
        ],
        wrong: &[
            "rate_limit: { enabled: true }",
            "telemetri: {}",
            "readiness: { require_providers: [nobody] }",
            "proxy_protocol: true",
            "authentication: { jwt: { jwks: [{ url: 'https://idp' }] } }",
        ],
    },
];

impl Part {
    fn pick(&self, random: &mut Rng) -> &'static str {
        let list = if random.u32(..100) < WRONG_PERCENT { self.wrong } else { self.good };
        list[random.usize(..list.len())]
    }
}

/// One configuration, the same for the same number.
fn configuration(number: u64) -> String {
    let mut random = Rng::with_seed(SEED << 32 | number);
    let mut text = GRAPH.pick(&mut random).replace("SUBGRAPHS", SUBGRAPHS);
    for part in &PARTS {
        if random.bool() {
            text.push('\n');
            text.push_str(part.pick(&mut random));
        }
    }
    text.push('\n');
    text
}

/// Everything that the parts name.
fn stage(name: &str) -> Folder {
    let demo =
        |name: &str| fs::read_to_string(fixture(&format!("demo/{name}.graphql"))).expect("the demo's schema");
    let mut folder = Folder::new(name)
        .with("supergraph.graphql", include_str!("fixtures/supergraph.graphql"))
        .with("execution.json", include_str!("fixtures/cosmo/config.json"))
        .with("garbage", "\"this is neither PEM nor SDL")
        .with("token", "s3cret\n")
        .with("wrong.graphql", "type Query { a: Nope }")
        .with("wrong_events.graphql", &demo("events").replace("{{ args.employeeID }}", "{{ args.nobody }}"));
    for name in ["employees", "products", "events"] {
        folder = folder.with(&format!("{name}.graphql"), &demo(name));
    }
    let certificates = Certificates::make();
    for name in ["ca.pem", "server.pem", "server.key", "client.pem", "client.key"] {
        fs::copy(certificates.file(name), folder.0.join(name)).expect("a copy");
    }
    let graphs = format!("supergraph: {{ {SUBGRAPHS}, event_graphs: [events.graphql] }}\n");
    let folder = folder.with("graphs.yaml", &graphs);
    let composed = folder.juga(&["compose", "-c", "graphs.yaml", "-o", "composed.graphql"]);
    assert_eq!(composed.code, Some(0), "{composed:?}");
    folder
}

/// Whether both say the same; what each said, if not.
fn judge(folder: &Folder, number: u64) -> Result<bool, String> {
    let (name, text) = (format!("{number}.yaml"), configuration(number));
    fs::write(folder.0.join(&name), &text).expect("a file");
    let checked = folder.juga_with(&["config", "validate", &name], &PORTS);
    let started = folder.start(&["-c", &name], &PORTS);
    let would_start = match &started {
        Start::Listens => Some(true),
        // Strict, and no broker is there: of that a check says nothing.
        Start::Ended(Some(1), wrote) if wrote.contains("is not reachable") => Some(true),
        Start::Ended(Some(78), _) => Some(false),
        Start::Ended(..) => None,
    };
    match (checked.code, would_start) {
        (Some(0), Some(true)) => Ok(true),
        (Some(1), Some(false)) => Ok(false),
        _ => Err(format!("number {number}:\n{text}\n{checked:?}\n{started:?}\n")),
    }
}

#[test]
fn a_check_and_a_start_agree() {
    let folder = stage("agreement");
    let (verdicts, next) = (Mutex::new(Vec::new()), Mutex::new(0..CONFIGURATIONS));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(number) = { next.lock().expect("not poisoned").next() } {
                    let verdict = judge(&folder, number);
                    verdicts.lock().expect("not poisoned").push(verdict);
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().expect("not poisoned");
    let differing: Vec<_> = verdicts.iter().filter_map(|it| it.as_ref().err().map(String::as_str)).collect();
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
    let valid = verdicts.iter().filter(|it| **it == Ok(true)).count();
    assert!((50..=150).contains(&valid), "{valid} of {CONFIGURATIONS} are valid: chance favours one side");
}

/// Each part alone, so that none hides behind another's fault.
#[test]
fn each_part_is_what_it_is_called() {
    let folder = stage("parts");
    let base = GRAPH.good[1].replace("SUBGRAPHS", SUBGRAPHS);
    let graphs = |list: &[&str]| list.iter().map(|it| it.replace("SUBGRAPHS", SUBGRAPHS)).collect::<Vec<_>>();
    let parts = |list: &[&str]| list.iter().map(|it| format!("{base}\n{it}\n")).collect::<Vec<_>>();
    let mut cases: Vec<(String, bool)> = graphs(GRAPH.good).into_iter().map(|it| (it, true)).collect();
    cases.extend(graphs(GRAPH.wrong).into_iter().map(|it| (it, false)));
    for part in &PARTS {
        cases.extend(parts(part.good).into_iter().map(|it| (it, true)));
        cases.extend(parts(part.wrong).into_iter().map(|it| (it, false)));
    }
    let wrong = cases.iter().filter_map(|(text, is_good)| {
        fs::write(folder.0.join("part.yaml"), text).expect("a file");
        let checked = folder.juga_with(&["config", "validate", "part.yaml"], &PORTS);
        (checked.code != Some(i32::from(!is_good))).then(|| format!("{text}\n{checked:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
