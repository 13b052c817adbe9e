//! Coming over from Cosmo: none of its keys is a mistake, what has no effect is said once, and what would
//! leave something open stops the start. The page of keys is made from the same table.
//!
//! After a change of keys: `UPDATE_REFERENCE=1 cargo test --test config_cosmo`.

use juga::config::{COSMO_KEYS, Config, Environment, Fate, Overrides, Report, is_declared, keys};
use std::{
    collections::BTreeSet,
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
        if is_declared(row.path) {
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
    let config = load("headers: { all: { request: [{ op: propagate, named: A }] }, router: {} }\n");
    let config = config.unwrap_or_else(|report| panic!("{report}"));
    if !is_declared("headers") {
        assert_eq!(config.notes, ["`headers` has no effect: not in this version"]);
    }
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
            Fate::Ignored(why) => format!("ignored: {why}"),
            Fate::Refused(what) => format!("**refused** when it is on: {what}"),
        };
        let _ = writeln!(out, "| `{}` | {verdict} |", row.path);
    }
    out
}
