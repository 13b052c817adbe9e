//! Where a configuration comes from: several files, of which later ones win, and none at all.

mod support;

use juga::config::{Config, Environment, GraphSource, Overrides, Report};
use std::path::PathBuf;
use support::{
    cli::{Folder, Start},
    fixture,
};

const SUPERGRAPH: &str = include_str!("fixtures/supergraph.graphql");

/// Files by name, as one configuration in their order.
fn load(folder: &Folder, files: &[&str]) -> Result<Config, Report> {
    let environment = Environment { current_folder: folder.0.clone(), ..Environment::of_process() };
    let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    Config::load_files(&files, &environment, &Overrides::default())
}

fn folder(name: &str) -> Folder {
    let folder = Folder::new(name).with("supergraph.graphql", SUPERGRAPH);
    std::fs::create_dir_all(folder.0.join("more")).expect("a folder");
    folder
}

const BASE: &str = "\
supergraph: { file: supergraph.graphql }
cors: { allow_origins: ['https://a', 'https://b'], max_age: 1m }
limits: { connections: 5, operation: { depth: 7 } }
log_level: warn
";

#[test]
fn maps_grow_together_and_all_else_is_replaced() {
    let folder = folder("merge")
        .with("base.yaml", BASE)
        .with(
            "more/over.yaml",
            "cors: { allow_origins: ['https://c'] }\nlimits: { operation: { depth: 9 } }\n",
        )
        .with("more/last.yaml", "log_level: error\nlimits:\nwebsocket: { enabled: false }\n");
    let config = load(&folder, &["base.yaml", "more/over.yaml", "more/last.yaml"]);
    let config = config.unwrap_or_else(|it| panic!("{it}"));
    assert_eq!(config.cors.allow_origins, ["https://c"]);
    assert_eq!(config.cors.max_age.as_secs(), 60);
    assert_eq!((config.limits.connections, config.limits.operation.depth), (5, 9));
    assert_eq!(config.log_level, juga::config::LogLevel::Error);
    assert!(!config.websocket.enabled);
    assert_eq!(config.file, folder.0.join("base.yaml"));
}

#[test]
fn another_type_is_an_error_in_the_later_file() {
    let folder =
        folder("types").with("base.yaml", BASE).with("more/over.yaml", "a: 1\ncors: [x]\nlog_level: {}\n");
    let report = load(&folder, &["base.yaml", "more/over.yaml"]).expect_err("types differ");
    let found: Vec<_> = report.findings.iter().map(|it| (it.place.as_str(), it.message.as_str())).collect();
    assert_eq!(
        found,
        [
            ("more/over.yaml:1:1", "unknown key"),
            ("more/over.yaml:2:7", "an earlier file has a section here, this one has a list"),
            ("more/over.yaml:3:12", "an earlier file has `warn` here, this one has a section"),
        ],
        "{report}"
    );
    assert_eq!(report.findings[1].snippet.as_ref().map(|it| it.text.as_str()), Some("cors: [x]"));
}

#[test]
fn relative_names_count_from_the_file_they_stand_in() {
    let folder = folder("relative")
        .with("base.yaml", "supergraph: { file: supergraph.graphql }\n")
        .with("more/graph.graphql", SUPERGRAPH)
        .with("more/token", "s3cret\n")
        .with(
            "more/over.yaml",
            "supergraph: { file: graph.graphql }\n\
             headers: { all: { request: [{ op: set, name: X-A, value: '${file.token}' }, { op: set, name: X-B, from_file: \
             token }] } }\n",
        );
    let config = load(&folder, &["base.yaml", "more/over.yaml"]).unwrap_or_else(|it| panic!("{it}"));
    assert_eq!(config.graph_source(), GraphSource::File(&folder.0.join("more/graph.graphql")));
    let values: Vec<_> =
        config.headers.all.request.iter().map(|it| it.value.clone().expect("a value")).collect();
    assert_eq!(values, ["s3cret", "s3cret"]);
    let config = load(&folder, &["more/over.yaml", "base.yaml"]).unwrap_or_else(|it| panic!("{it}"));
    assert_eq!(config.graph_source(), GraphSource::File(&folder.0.join("supergraph.graphql")));
}

#[test]
fn files_that_hold_values_of_headers_are_checked() {
    let folder = folder("from-file")
        .with("binary", "a\nb")
        .with(
            "juga.yaml",
            "supergraph: { file: supergraph.graphql }\n\
             headers:\n  all:\n    response:\n      - { op: set, name: X-A, from_file: nowhere }\n      \
             - { op: set, name: X-B, from_file: binary }\n      - { op: set, name: X-C, value: a, from_file: binary }\n",
        );
    let report = load(&folder, &["juga.yaml"]).expect_err("three findings");
    let found: Vec<_> = report.findings.iter().map(|it| it.path.as_str()).collect();
    let at = |index: usize| format!("headers.all.response[{index}]");
    assert!(found.contains(&&*format!("{}.from_file", at(0))), "{report}");
    assert!(found.contains(&&*format!("{}.from_file", at(1))), "{report}");
    assert!(found.contains(&&*at(2)), "{report}");
    assert!(!report.to_string().contains("a\nb"));
}

#[test]
fn every_file_is_looked_at() {
    let folder = folder("all").with("a.yaml", "a: [\n").with("b.yaml", "b: ]\n");
    let report = load(&folder, &["a.yaml", "b.yaml"]).expect_err("no YAML");
    let files: Vec<_> = report.findings.iter().filter_map(|it| it.place.split(':').next()).collect();
    assert_eq!(files, ["a.yaml", "b.yaml"], "{report}");
}

#[test]
fn the_command_line_takes_several_files() {
    let folder = folder("several").with("a.yaml", BASE).with("b.yaml", "log_level: loud\n");
    let expected = "b.yaml:1:12: log_level: expected";
    for arguments in [
        &["-c", "a.yaml,b.yaml"] as &[_],
        &["serve", "--config=a.yaml,b.yaml"],
        &["-c", "a.yaml", "-c", "b.yaml"],
    ] {
        let answer = folder.juga(arguments);
        assert_eq!(answer.code, Some(78), "{answer:?}");
        assert!(answer.stderr.starts_with(expected), "{answer:?}");
    }
    let answer = folder.juga_with(&["config", "validate"], &[("CONFIG_PATH", "a.yaml, b.yaml")]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stderr.starts_with(expected), "{answer:?}");
    let answer = folder.juga(&["config", "validate", "a.yaml,a.yaml"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), "a.yaml, a.yaml: valid\n"), "{answer:?}");
    let planned = folder.with("c.yaml", "limits: { operation: { depth: 1 } }\n");
    let answer = planned.juga(&["plan", "-c", "a.yaml,c.yaml", "{ __schema { queryType { name } } }"]);
    assert!(answer.stderr.contains("OPERATION_LIMIT_EXCEEDED"), "{answer:?}");
}

const PORTS: [(&str, &str); 2] = [("LISTEN_ADDR", "127.0.0.1:0"), ("ADMIN_LISTEN_ADDR", "127.0.0.1:0")];

/// A flag's file counts from the working folder, as one types it.
#[test]
fn a_supergraph_is_served_without_a_file() {
    let folder = folder("supergraph");
    for flag in ["-s", "--supergraph"] {
        assert_eq!(folder.start(&[flag, "supergraph.graphql"], &PORTS), Start::Listens, "{flag}");
    }
    assert_eq!(
        folder.start(&[], &[("SUPERGRAPH_FILE", "supergraph.graphql"), PORTS[0], PORTS[1]]),
        Start::Listens
    );
    let answer = folder.juga(&["config", "validate", "-s", "supergraph.graphql"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), "the environment: valid\n"), "{answer:?}");
    let answer = folder.juga(&["-s", "nowhere.graphql"]);
    assert_eq!(answer.code, Some(78), "{answer:?}");
    assert!(answer.stderr.starts_with("flag --supergraph: supergraph.file: "), "{answer:?}");
    assert!(answer.stderr.contains(&folder.0.join("nowhere.graphql").display().to_string()), "{answer:?}");
    // A file that is there counts, and so does the flag.
    std::fs::create_dir_all(folder.0.join("conf")).expect("a folder");
    let folder = folder.with("conf/juga.yaml", "log_level: warn\n");
    let answer = folder.juga(&["config", "validate", "-s", "supergraph.graphql", "conf/juga.yaml"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), "conf/juga.yaml: valid\n"), "{answer:?}");
}

/// What a container of Cosmo's router is given, and what its graph has to be said: a field is out of reach, and some fields ask
/// for protection.
#[test]
fn the_environment_of_a_cosmo_container_is_enough() {
    let config = fixture("cosmo/config.json");
    let config = config.to_str().expect("UTF-8");
    let variables = [
        ("ROUTER_CONFIG_PATH", config),
        ("SUPERGRAPH_LENIENT", "true"),
        ("AUTHORIZATION_SERVE_UNPROTECTED", "true"),
        ("GRAPH_API_TOKEN", "token"),
        ("CORS_ALLOW_ORIGINS", "https://a.example,https://b.example"),
        ("TELEMETRY_SERVICE_NAME", "harbour"),
        ("PROMETHEUS_LISTEN_ADDR", "0.0.0.0:8088"),
        PORTS[0],
        PORTS[1],
    ];
    let folder = folder("container");
    let answer = folder.juga_with(&["config", "validate"], &variables);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    for name in ["GRAPH_API_TOKEN", "TELEMETRY_SERVICE_NAME", "PROMETHEUS_LISTEN_ADDR"] {
        assert!(
            answer.stderr.contains(&format!("note: `{name}` in the environment has no effect: ")),
            "{answer:?}"
        );
    }
    assert_eq!(folder.start(&[], &variables), Start::Listens);
    let answer = folder.juga_with(&[], &[("SECURITY_QUERY_DEPTH_ENABLED", "true"), variables[0]]);
    assert_eq!(answer.code, Some(78), "{answer:?}");
    assert!(answer.stderr.starts_with("environment variable SECURITY_QUERY_DEPTH_ENABLED: "), "{answer:?}");
}

#[test]
fn without_a_graph_a_file_is_needed() {
    let answer = folder("nothing").juga_with(&[], &[("CORS_ALLOW_ORIGINS", "https://a.example")]);
    assert_eq!(answer.code, Some(78), "{answer:?}");
    assert!(answer.stderr.starts_with("no configuration: "), "{answer:?}");
    assert!(answer.stderr.contains("`juga -s FILE`"), "{answer:?}");
}
