//! Coming over from Cosmo: none of its keys and variables is a mistake, what has no effect is said once, and what
//! would leave something open stops the start. The page of keys is made from the same table.
//!
//! `fixtures/cosmo/keys.tsv` and `variables.tsv` are what Cosmo's router has: names, types and defaults, from its
//! configuration's schema and from its environment's tags.
//!
//! After a change of keys: `UPDATE_REFERENCE=1 cargo test --test config_cosmo`.

use juga::config::{
    COSMO_KEYS, COSMO_VARIABLES, Config, Environment, Fallback, Fate, KeyEntry, Overrides, Report,
    is_declared, keys,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

const GUIDE: &str = "docs/migrating-from-cosmo.md";
const TABLE_BEGIN: &str = "<!-- keys: made by tests/config_cosmo.rs, do not edit -->\n";
const TABLE_END: &str = "<!-- end of keys -->\n";

fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Report> {
    let environment = Environment {
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        stdout_is_terminal: false,
        cores: 4,
        current_folder: PathBuf::from("/etc/juga"),
    };
    Config::load(text, Path::new("config.yaml"), &environment, &Overrides::default())
}

/// A file that has a graph and these keys.
fn load(more: &str) -> Result<Config, Report> {
    load_with(&format!("execution_config: {{ file: {{ path: ./config.json }} }}\n{more}"), &[])
}

#[test]
fn a_whole_file_of_cosmos_loads() {
    let text = fs::read_to_string("tests/fixtures/cosmo/router.yaml").expect("the fixture");
    let config = load_with(&text, &[]).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.execution_config.file.path.as_deref(), Some(Path::new("/etc/juga/config.json")));
    assert_eq!(config.events.providers.nats.len(), 2);
    let notes: BTreeSet<&str> = config.notes.iter().map(String::as_str).collect();
    assert_eq!(notes.len(), config.notes.len(), "each once: {:#?}", config.notes);
    // Whatever stands in the file without effect is named.
    for (path, row) in COSMO_KEYS.iter().map(|it| (it.path, it)) {
        if let Fate::Ignored(why) = row.fate
            && !is_declared(path)
            && text.lines().any(|it| it == format!("{path}:"))
        {
            let note = format!("`{path}` has no effect: {why}");
            let deeper = format!("`{path}.");
            assert!(notes.contains(&*note) || notes.iter().any(|it| it.starts_with(&deeper)), "{note}");
        }
    }
    for section in ["modules", "telemetry", "graph"] {
        assert!(text.lines().any(|it| it == format!("{section}:")), "{section} is in the file");
    }
}

#[test]
fn what_would_leave_something_open_is_refused() {
    let mut checked = 0;
    for row in COSMO_KEYS {
        let Fate::Refused(what) = row.fate else { continue };
        // Those that may only watch have a test of their own.
        if is_declared(row.path) || row.mode.is_some() {
            continue;
        }
        checked += 1;
        // A value, as a nest of sections: `a: { b: { c: VALUE } }`.
        let nest = |value: &str| {
            let names: Vec<&str> = row.path.split('.').collect();
            format!("{}{value}{}\n", names.join(": { ") + ": ", " }".repeat(names.len() - 1))
        };
        for value in ["true", "[{ url: 'https://idp' }]", "{ all: { x: 1 } }"] {
            let report = load(&nest(value)).expect_err(row.path);
            let [finding] = &report.findings[..] else { panic!("{}: {report}", row.path) };
            assert_eq!(finding.path, row.path, "{report}");
            assert!(finding.message.contains(what), "{report}");
            assert!(finding.place.starts_with("config.yaml:2:"), "{report}");
        }
        for value in ["false", "", "[]", "{ enabled: false }"] {
            let config =
                load(&nest(value)).unwrap_or_else(|report| panic!("{}: {value}: {report}", row.path));
            assert!(config.notes.iter().any(|it| it.contains(row.path)), "{:?}", config.notes);
        }
    }
    assert!(checked >= 5, "{checked}");
}

#[test]
fn variables_that_would_protect_are_refused_too() {
    let text = "execution_config: { file: { path: ./config.json } }\n";
    for (name, path) in [
        ("RATE_LIMIT_ENABLED", "rate_limit.enabled"),
        ("REQUIRE_AUTHENTICATION", "authorization.require_authentication"),
        ("AUTHORIZATION_REQUIRE_AUTHENTICATION", "authorization.require_authentication"),
        ("PERSISTED_OPERATIONS_SAFELIST_ENABLED", "persisted_operations.safelist.enabled"),
    ] {
        if is_declared(path) {
            continue;
        }
        let report = load_with(text, &[(name, "true")]).expect_err(name);
        assert_eq!(report.findings[0].path, path);
        assert_eq!(report.findings[0].place, format!("environment variable {name}"));
        for off in ["false", ""] {
            assert!(load_with(text, &[(name, off)]).is_ok(), "{name}={off}");
        }
    }
}

#[test]
fn what_nobody_knows_stays_an_error() {
    for (more, path, help) in [
        ("telemetri: {}\n", "telemetri", "did you mean `telemetry`?"),
        ("graphs: {}\n", "graphs", "did you mean `graph`?"),
        (
            "authentication: { jwt: { jwks: [] }, x: 1 }\nlisten_adr: x\n",
            "listen_adr",
            "did you mean `listen_addr`?",
        ),
        ("events: { handlerz: {} }\n", "events.handlerz", "did you mean"),
        (
            "events: { providers: { nats: [{ id: a, url: 'nats://h', tokn: x }] } }\n",
            "events.providers.nats[0].tokn",
            "",
        ),
        (
            "traffic_shaping: { router: { max_request_bdy_size: 1 } }\n",
            "traffic_shaping.router.max_request_bdy_size",
            "did you mean `max_request_body_size`?",
        ),
        ("execution_confg: {}\n", "execution_confg", "did you mean `execution_config`?"),
        ("engine: { enable_net_pol: true }\n", "engine.enable_net_pol", "did you mean `enable_net_poll`?"),
    ] {
        let report = load(more).expect_err(more);
        let finding = report.findings.iter().find(|it| it.path == path).unwrap_or_else(|| panic!("{report}"));
        assert_eq!(finding.message, "unknown key");
        assert!(finding.help.as_deref().unwrap_or_default().contains(help), "{report}");
    }
}

#[test]
fn sections_are_named_once_however_many_keys_they_have() {
    let config = load("telemetry: { service_name: a, tracing: { enabled: true, sampling_rate: 1 } }\n");
    let config = config.unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.notes, ["`telemetry` has no effect: metrics are on the admin listener, `/metrics`"]);
}

#[test]
fn the_table_says_what_is_declared() {
    let mut seen = BTreeSet::new();
    for row in COSMO_KEYS {
        assert!(seen.insert(row.path), "{} twice", row.path);
        if row.fate == Fate::Supported {
            assert!(is_declared(row.path), "{} is not declared", row.path);
        }
    }
    assert!(keys().iter().any(|it| it.path == "execution_config.file.path"));
}

#[test]
fn the_guide_has_every_key() {
    let current = fs::read_to_string(GUIDE).expect("the guide");
    let (before, rest) = current.split_once(TABLE_BEGIN).expect("begin mark");
    let (_, after) = rest.split_once(TABLE_END).expect("end mark");
    let wanted = format!("{before}{TABLE_BEGIN}\n{}\n{TABLE_END}{after}", table());
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(GUIDE, &wanted).expect("write");
    }
    let current = fs::read_to_string(GUIDE).expect("the guide");
    assert!(current == wanted, "{GUIDE} is out of date: UPDATE_REFERENCE=1 cargo test --test config_cosmo");
}

fn table() -> String {
    let mut out = "| key | here |\n| --- | --- |\n".to_owned();
    for row in COSMO_KEYS {
        let verdict = match row.fate {
            Fate::Supported => "supported".to_owned(),
            _ if is_declared(row.path) => "supported".to_owned(),
            Fate::Renamed(to) => format!("supported: another name of `{to}`"),
            Fate::Ignored(why) => format!("ignored: {why}"),
            Fate::Unsupported(instead) => format!("**an error** when it is given: {instead}"),
            Fate::Refused(what) => match row.mode {
                Some(mode) => {
                    format!("**refused** when it is on, unless `{}` only watches: {what}", mode.key)
                }
                None => format!("**refused** when it is on: {what}"),
            },
        };
        let _ = writeln!(out, "| `{}` | {verdict} |", row.path);
    }
    out
}

/// A row of a list of Cosmo's: a name, and what else is said of it.
fn rows(file: &str) -> Vec<[String; 3]> {
    let text = fs::read_to_string(Path::new("tests/fixtures/cosmo").join(file)).expect("the list");
    let row = |line: &str| {
        let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        cells.try_into().expect("three cells")
    };
    text.lines().skip(1).map(row).collect()
}

/// A file with nothing but this key.
fn file_with(path: &str, value: &str) -> String {
    let mut text = value.to_owned();
    for step in path.rsplit('.') {
        let (name, is_list) = match step.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (step, false),
        };
        let name = name.replace("<name>", "ships");
        text = if is_list { format!("{{ {name}: [ {text} ] }}") } else { format!("{{ {name}: {text} }}") };
    }
    text
}

/// The entry of a key of Cosmo's, where this version has it. Sections about single subgraphs tell their keys at
/// their neighbour `all`.
fn declared(path: &str) -> Option<KeyEntry> {
    let path = match COSMO_KEYS.iter().find(|it| it.path == path).map(|it| it.fate) {
        Some(Fate::Renamed(to)) => to,
        _ => path,
    };
    let same_for_all = path.replace(".subgraphs.<name>", ".all");
    let of_map = path.strip_suffix(".<name>").unwrap_or(path);
    keys().into_iter().find(|it| {
        let own = it.path.trim_end_matches("[]");
        own == path || own == same_for_all || own == of_map
    })
}

/// The graph comes from the environment, so that a file may say anything about it.
fn load_alone(text: &str) -> Result<Config, Report> {
    load_with(text, &[("SUPERGRAPH_FILE", "supergraph.graphql")])
}

fn root_of(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or_default()
}

fn on_value(kind: &str) -> &'static str {
    match kind {
        "boolean" => "true",
        "integer" | "number" => "7",
        "array" => "[a]",
        _ => "some",
    }
}

#[test]
fn every_key_of_cosmos_is_supported_noted_or_refused() {
    let (mut counts, rows) = (BTreeMap::<&str, usize>::new(), rows("keys.tsv"));
    for [path, kind, _] in &rows {
        let plain = path.replace("<name>", "ships");
        let verdict = match load_alone(&file_with(path, on_value(kind))) {
            Err(report) => {
                let here = |it: &&juga::config::Finding| {
                    let found = it.path.replace("[0]", "[]");
                    let around = [format!("{found}."), format!("{found}[")];
                    found == plain
                        || around.iter().any(|it| plain.starts_with(it))
                        || declared(path).is_some_and(|it| root_of(&it.path) == root_of(&found))
                };
                let finding = report.findings.iter().find(here).unwrap_or_else(|| panic!("{path}: {report}"));
                assert_ne!(finding.message, "unknown key", "{path}: {report}");
                if declared(path).is_some() { "supported" } else { "refused" }
            }
            Ok(config) => {
                let names = |note: &&String| {
                    let subject = note.split('`').nth(1).unwrap_or_default();
                    path == subject || path.starts_with(&format!("{subject}."))
                };
                match config.notes.iter().find(names) {
                    Some(_) => "noted",
                    None if declared(path).is_some() => "supported",
                    None => panic!("{path}: without effect and without a word: {:?}", config.notes),
                }
            }
        };
        *counts.entry(verdict).or_default() += 1;
    }
    assert_eq!(counts.values().sum::<usize>(), 582, "{counts:?}");
    assert!(counts["supported"] > 150 && counts["refused"] > 15, "{counts:?}");
}

/// One that is supported changes the configuration, or is what a finding is about.
fn is_read(name: &str) -> bool {
    let text = "supergraph: { file: supergraph.graphql }\n";
    let plain = |mut config: Config| {
        config.notes.clear();
        config
    };
    let base = plain(load_with(text, &[]).expect("loads"));
    ["true", "false", "7", "7s", "some", "none, of, these"].iter().any(|value| {
        match load_with(text, &[(name, value)]) {
            Ok(config) => plain(config) != base,
            Err(report) => {
                report.findings.iter().any(|it| it.place == format!("environment variable {name}"))
            }
        }
    })
}

#[test]
fn every_variable_of_cosmos_is_supported_noted_or_refused() {
    let (mut counts, rows) = (BTreeMap::<&str, usize>::new(), rows("variables.tsv"));
    let supported: BTreeSet<String> = keys().into_iter().flat_map(|it| it.variables).collect();
    for [name, _, _] in &rows {
        let verdict = if supported.contains(name) {
            assert!(is_read(name), "{name} is passed over");
            "supported"
        } else {
            match load_with("supergraph: { file: supergraph.graphql }\n", &[(name, "true")]) {
                Ok(config) => {
                    let begin = format!("`{name}` in the environment has no effect: ");
                    assert!(
                        config.notes.iter().any(|it| it.starts_with(&begin)),
                        "{name}: {:?}",
                        config.notes
                    );
                    "noted"
                }
                Err(report) => {
                    let [finding] = &report.findings[..] else { panic!("{name}: {report}") };
                    assert_eq!(finding.place, format!("environment variable {name}"), "{report}");
                    assert!(finding.message.starts_with("this version does not have it"), "{report}");
                    "refused"
                }
            }
        };
        *counts.entry(verdict).or_default() += 1;
    }
    assert_eq!(counts.values().sum::<usize>(), 382, "{counts:?}");
    assert!(counts["supported"] > 80 && counts["refused"] > 8, "{counts:?}");
}

#[test]
fn the_tables_have_what_cosmo_has_and_nothing_else() {
    let names: BTreeSet<String> = rows("keys.tsv").into_iter().map(|[path, ..]| path).collect();
    for row in COSMO_KEYS {
        let below = [format!("{}.", row.path), format!("{}[", row.path)];
        let is_there = |it: &&String| **it == *row.path || below.iter().any(|below| it.starts_with(below));
        assert!(names.iter().any(|it| is_there(&it)), "{} is no key of Cosmo's", row.path);
    }
    let theirs: Vec<_> = rows("variables.tsv").into_iter().map(|[name, key, _]| (name, key)).collect();
    let ours: Vec<_> = COSMO_VARIABLES.iter().map(|it| (it.name.to_owned(), it.key.to_owned())).collect();
    assert_eq!(ours.into_iter().collect::<BTreeSet<_>>(), theirs.into_iter().collect::<BTreeSet<_>>());
}

/// A variable that protects does so under Cosmo's name as under ours.
#[test]
fn variables_work_under_both_names() {
    let text = "\
supergraph: { file: supergraph.graphql }
tls: { server: { enabled: true, cert_file: a.pem, key_file: b.pem } }
";
    for prefix in ["TLS_CLIENT_AUTH", "TLS_SERVER_CLIENT_AUTH"] {
        let variables = [(format!("{prefix}_REQUIRED"), "true"), (format!("{prefix}_CERT_FILE"), "ca.pem")];
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let auth = load_with(text, &variables).unwrap_or_else(|it| panic!("{it}")).tls.server.client_auth;
        assert!(auth.required, "{prefix}");
        assert_eq!(auth.cert_file.as_deref(), Some(Path::new("/etc/juga/ca.pem")));
    }
}

#[test]
fn variables_hold_lists_with_commas() {
    let text = "supergraph: { file: supergraph.graphql }\n";
    let variables = [
        ("CORS_ALLOW_ORIGINS", "https://a.example, https://*.b.example"),
        ("CORS_ALLOW_METHODS", "POST"),
        ("FORWARD_UPGRADE_HEADERS_ALLOW_LIST", "Authorization,X-Tenant"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,192.168.1.7"),
    ];
    let config = load_with(text, &variables).unwrap_or_else(|it| panic!("{it}"));
    assert_eq!(config.cors.allow_origins, ["https://a.example", "https://*.b.example"]);
    assert_eq!(config.cors.allow_methods, ["POST"]);
    assert_eq!(config.websocket.forward_upgrade_headers.allow_list, ["Authorization", "X-Tenant"]);
    assert_eq!(config.trusted_proxies.len(), 2);
    let report = load_with(text, &[("CORS_ALLOW_ORIGINS", "a,,b")]).expect_err("an empty item");
    assert_eq!(report.findings[0].path, "cors.allow_origins[1]");
    assert_eq!(report.findings[0].place, "environment variable CORS_ALLOW_ORIGINS");
}

#[test]
fn a_variable_that_wins_over_the_file_is_named() {
    let text =
        "supergraph: { file: supergraph.graphql }\ncors: { allow_origins: ['https://a'] }\nlog_level: warn\n";
    let notes =
        |variables: &[(&str, &str)]| load_with(text, variables).unwrap_or_else(|it| panic!("{it}")).notes;
    assert_eq!(
        notes(&[("CORS_ALLOW_ORIGINS", "https://b"), ("LOG_LEVEL", "error")]),
        [
            "`LOG_LEVEL` in the environment wins over `log_level` in the file (with Cosmo's router, the file wins)",
            "`CORS_ALLOW_ORIGINS` in the environment wins over `cors.allow_origins` in the file (with Cosmo's router, \
             the file wins)"
        ]
    );
    assert_eq!(
        notes(&[("CORS_ALLOW_ORIGINS", "https://a"), ("LOG_LEVEL", "warn"), ("JSON_LOG", "true")]),
        [""; 0]
    );
}

#[test]
fn two_variables_of_one_key_may_not_disagree() {
    let text = "supergraph: { file: supergraph.graphql }\n";
    let both = |one, other| {
        load_with(text, &[("TLS_CLIENT_AUTH_REQUIRED", one), ("TLS_SERVER_CLIENT_AUTH_REQUIRED", other)])
    };
    assert!(both("true", "true").is_ok());
    let report = both("false", "true").expect_err("they disagree");
    assert_eq!(report.findings[0].place, "environment variable TLS_CLIENT_AUTH_REQUIRED");
    assert_eq!(
        report.findings[0].message,
        "`TLS_SERVER_CLIENT_AUTH_REQUIRED` says otherwise, and sets the same key"
    );
}

/// Each of them as a file and as variables would say it: whether it stops the start.
#[test]
fn limits_of_operations_are_refused_where_they_would_enforce() {
    let refused = |text: &str, variables: &[(&str, &str)]| {
        let mut all = vec![("SUPERGRAPH_FILE", "supergraph.graphql")];
        all.extend(variables);
        match load_with(text, &all) {
            Ok(config) => {
                assert!(config.notes.iter().any(|it| it.contains("has no effect")), "{text} {variables:?}");
                false
            }
            Err(report) => {
                assert!(report.findings.iter().all(|it| it.message.starts_with("this version")), "{report}");
                true
            }
        }
    };
    for name in ["depth", "total_fields", "root_fields", "root_field_aliases"] {
        let with = |limit: &str, mode: &str| {
            format!("security: {{ complexity_limits: {{ {mode} {name}: {{ {limit} limit: 15 }} }} }}")
        };
        assert!(refused(&with("enabled: true,", ""), &[]), "{name}");
        assert!(refused(&with("enabled: true,", "mode: enforce,"), &[]), "{name}");
        assert!(!refused(&with("enabled: true,", "mode: measure,"), &[]), "{name}");
        assert!(!refused(&with("enabled: false,", ""), &[]), "{name}");
        assert!(!refused(&with("", ""), &[]), "{name}");
    }
    assert!(refused("security: { depth_limit: { enabled: true, limit: 15 } }", &[]));
    assert!(!refused("security: { depth_limit: { enabled: false, limit: 15 } }", &[]));
    assert!(refused("", &[("SECURITY_QUERY_DEPTH_ENABLED", "true"), ("SECURITY_QUERY_DEPTH_LIMIT", "15")]));
    assert!(!refused("", &[("SECURITY_QUERY_DEPTH_LIMIT", "15")]));
    let cost = |more: &str| format!("security: {{ cost_control: {{ {more} max_estimated_limit: 100 }} }}");
    assert!(refused(&cost("enabled: true, mode: enforce,"), &[]));
    assert!(!refused(&cost("enabled: true, mode: measure,"), &[]));
    assert!(!refused(&cost("enabled: true,"), &[]), "it measures by default");
    assert!(!refused(&cost("enabled: false, mode: enforce,"), &[]));
    assert!(refused(&cost("mode: enforce,"), &[("SECURITY_COST_CONTROL_ENABLED", "true")]));
    assert!(refused(&cost("enabled: true,"), &[("SECURITY_COST_CONTROL_MODE", "enforce")]));
    assert!(!refused(&cost("enabled: true,"), &[("SECURITY_COST_CONTROL_MODE", "measure")]));
    assert!(refused(&cost("enabled: true, mode: enforce,"), &[("SECURITY_COST_CONTROL_MODE", "measure")]));
    let inline = |mode: &str| format!("engine: {{ validate_inline_arguments: {{ mode: {mode} }} }}");
    assert!(refused(&inline("enforce"), &[]));
    assert!(!refused(&inline("'off'"), &[]));
}

/// A file and a variable that disagree about what this version does not have: whoever asks for it is heard.
#[test]
fn a_variable_does_not_switch_off_what_a_file_protects() {
    let text = "supergraph: { file: supergraph.graphql }\nrate_limit: { enabled: true }\n";
    let report = load_with(text, &[("RATE_LIMIT_ENABLED", "false")]).expect_err("the file asks for it");
    assert_eq!(report.findings[0].place, "config.yaml:2:24");
}

#[test]
fn a_section_that_protects_is_a_section() {
    for text in [
        "rate_limit: true",
        "security: { depth_limit: 15 }",
        "security: { complexity_limits: { depth: 15 } }",
    ] {
        let report = load(text).expect_err(text);
        assert!(report.findings[0].message.starts_with("expected a section, found"), "{report}");
    }
}

/// Bounds that are as strict here as there.
#[test]
fn limits_of_cosmos_parser_tighten_ours() {
    let limits = |text: &str| load(text).unwrap_or_else(|it| panic!("{it}")).limits.operation;
    let stricter =
        limits("security: { parser_limits: { approximate_depth_limit: 10, total_fields_limit: 300 } }");
    assert_eq!((stricter.depth, stricter.selections), (10, 300));
    let laxer =
        limits("security: { parser_limits: { approximate_depth_limit: 200, total_fields_limit: 0 } }");
    assert_eq!((laxer.depth, laxer.selections), (64, 10_000));
}

#[test]
fn keys_with_two_names_are_one() {
    let page = |text: &str| load_alone(text).unwrap_or_else(|it| panic!("{it}")).playground.enabled;
    assert!(!page("") && page("playground_enabled: true") && page("playground: { enabled: true }"));
    assert!(page("dev_mode: true") && !page("dev_mode: true\nplayground_enabled: false"));
    assert!(!load("introspection_enabled: false").expect("loads").introspection.enabled);
    let config = load_with("router_config_path: ./config.json", &[]).expect("loads");
    assert_eq!(config.execution_config.file.path.as_deref(), Some(Path::new("/etc/juga/config.json")));
    let report =
        load("introspection_enabled: false\nintrospection: { enabled: true }").expect_err("they disagree");
    assert_eq!(report.findings[0].path, "introspection_enabled");
    assert!(load("introspection_enabled: false\nintrospection: { enabled: false }").is_ok());
}

/// Rules as Cosmo's files have them.
#[test]
fn headers_of_the_routers_own_answers_need_no_operation() {
    let config = load("headers: { router: { response: [{ name: X-Harbour, value: north }] } }");
    assert_eq!(config.expect("loads").headers.router.response[0].value, "north");
    let text = "headers: { router: { response: [{ name: X-Harbour, value: a, expression: request.id }] } }";
    let report = load(text).expect_err("an expression");
    assert_eq!(report.findings[0].path, "headers.router.response[0].expression");
    assert!(report.findings[0].message.contains("give a `value`"), "{report}");
}

/// A value for messages and for comparing: quotes and the order of items do not matter, and what is not given is
/// nothing, or not on.
fn plain(value: &str) -> String {
    let inner = value.trim().trim_matches(['[', ']']);
    let mut items: Vec<&str> = inner.split(',').map(|it| it.trim().trim_matches('"')).collect();
    items.sort_unstable();
    match items.join(",").as_str() {
        "false" => String::new(),
        other => other.to_owned(),
    }
}

/// What holds without the key.
fn default_of(key: &KeyEntry) -> String {
    let environment = Environment {
        variables: BTreeMap::new(),
        stdout_is_terminal: false,
        cores: 4,
        current_folder: PathBuf::from("/"),
    };
    match key.key.fallback {
        Fallback::Text(text) => text.to_owned(),
        Fallback::Items(items) => items.join(","),
        Fallback::Computed { value, .. } => value(&environment),
        Fallback::Required(_) | Fallback::Absent(_) | Fallback::Section => String::new(),
    }
}

/// The guide's table of defaults, without the reasons.
fn listed_defaults() -> BTreeMap<String, (String, String)> {
    let guide = fs::read_to_string(GUIDE).expect("the guide");
    let (_, table) = guide.split_once("| key | Cosmo's default | default here | why |\n").expect("the table");
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|it| it.trim().trim_matches('`').to_owned()).collect()
    };
    let rows = table.lines().skip(1).take_while(|it| it.starts_with('|')).map(cells);
    rows.map(|it| {
        assert!(!it[3].is_empty(), "{it:?} has a reason");
        (it[0].clone(), (it[1].clone(), it[2].clone()))
    })
    .collect()
}

/// Where a variable sets a key, its default is what holds there; the schema's is a second opinion.
#[test]
fn defaults_are_cosmos_or_listed_with_the_reason() {
    let variables: BTreeMap<String, String> =
        rows("variables.tsv").into_iter().map(|[_, key, default]| (key, default)).collect();
    let mut differing = BTreeMap::new();
    for [path, _, default] in rows("keys.tsv") {
        let is_own = |it: &KeyEntry| it.path.trim_end_matches("[]") == path;
        let Some(key) = declared(&path).filter(is_own) else { continue };
        let theirs = variables.get(&path).filter(|it| !it.is_empty()).unwrap_or(&default);
        let ours = default_of(&key);
        if !theirs.is_empty() && plain(theirs) != plain(&ours) {
            let shown = |it: &str| if it.is_empty() { "none".to_owned() } else { it.replace('|', "\\|") };
            differing.insert(path, (shown(theirs.trim_matches('"')), shown(&ours)));
        }
    }
    assert_eq!(differing, listed_defaults());
    assert!(!differing.contains_key("file_upload.enabled"));
}
