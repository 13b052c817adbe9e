//! The reference file and the manual's tables say what the code says: both are made from its keys.
//!
//! After a change of keys: `UPDATE_REFERENCE=1 cargo test --test config_reference`.

use juga::config::{Config, Environment, Fallback, Key, KeyEntry, Overrides, Shape, keys};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

const REFERENCE: &str = "config/juga.yaml";
const MANUAL: &str = "docs/configuration.md";
/// The name under which the reference file shows what can be set about one subgraph.
const SUBGRAPH: &str = "deals";
const TABLES_BEGIN: &str = "<!-- keys: made by tests/config_reference.rs, do not edit -->\n";
const TABLES_END: &str = "<!-- end of keys -->\n";

const HEADER: &str = "\
# Every key of Juga's configuration, with its default. A file of one's own needs only what differs; the
# smallest is the section `supergraph` with `file`.
#
# Lines that begin with `#` and no blank, or with `#` and several, are settings without a default, or
# alternatives: take the `#` away to use them. docs/configuration.md has the same in tables.
#
# Durations: 250ms, 10s, 1m30s. Sizes: 4096, 256KB (1000), 1MiB (1024). ${NAME} and ${NAME:-default} are
# taken from the environment (also ${env.NAME}), ${file.NAME} is what a file holds. Relative file names count
# from this file's folder.
";

#[test]
fn the_reference_file_has_every_key_with_its_default() {
    let mut wanted = HEADER.to_owned();
    for key in root_keys() {
        wanted.push('\n');
        write_key(&key, 0, false, &mut wanted);
    }
    assert_current(REFERENCE, &wanted);
}

#[test]
fn the_manual_has_every_key() {
    let current = fs::read_to_string(MANUAL).expect("the manual");
    let (before, rest) = current.split_once(TABLES_BEGIN).expect("begin mark");
    let (_, after) = rest.split_once(TABLES_END).expect("end mark");
    assert_current(MANUAL, &format!("{before}{TABLES_BEGIN}\n{}{TABLES_END}{after}", tables()));
}

/// The file as it is loads, and means the same as a file that has nothing but the graph.
#[test]
fn the_reference_file_means_the_defaults() {
    let text = fs::read_to_string(REFERENCE).expect("the reference file");
    let full = load(&text).expect("the reference file loads");
    let smallest = load("supergraph: { file: ./supergraph.graphql }").expect("the smallest file loads");
    assert_eq!(full, smallest);
}

/// With everything switched on, only the alternatives exclude each other: no disabled line is wrong.
#[test]
fn the_reference_files_disabled_lines_are_right_too() {
    let text = fs::read_to_string(REFERENCE).expect("the reference file");
    let report = load(&switch_everything_on(&text)).expect_err("alternatives exclude each other");
    let found: Vec<_> = report.findings.iter().map(|it| (it.path.as_str(), it.message.as_str())).collect();
    assert_eq!(
        found,
        [
            ("supergraph.url", "`file` and `url` exclude each other"),
            ("supergraph.subgraphs", "`file` and `subgraphs` exclude each other"),
            ("supergraph.subgraphs[0].schema", "`file` and `subgraph_url` exclude each other"),
            ("execution_config.file.path", "`file` and `execution_config` exclude each other"),
            (
                "events.providers.nats[0].id",
                "`default` is taken: each provider id (`memory` and `nats` share one space) must be unique"
            ),
            ("events.providers.nats[0].authentication", "`token` and `user_info` exclude each other"),
            ("events.providers.kafka[0].authentication", "`sasl_plain` and `sasl_scram` exclude each other"),
            ("headers.all.request[0]", "`name` and `value` go with `op: set`"),
            ("headers.all.response[0]", "`name` and `value` go with `op: set`"),
            ("headers.groups[0].request[0]", "`name` and `value` go with `op: set`"),
            ("headers.groups[0].response[0]", "`name` and `value` go with `op: set`"),
            ("cors.allow_credentials", "credentials and the origin `*` exclude each other"),
            ("overrides.subgraphs.deals.routing_url", "the address is given twice"),
        ],
        "{report}"
    );
}

#[test]
fn the_manuals_examples_load() {
    let manual = fs::read_to_string(MANUAL).expect("the manual");
    let examples: Vec<_> =
        manual.split("```yaml\n").skip(1).filter_map(|it| it.split("```").next()).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        if let Err(report) = load(example) {
            panic!("{example}\n{report}");
        }
    }
}

#[test]
fn environment_names_are_unique() {
    let mut seen = BTreeMap::new();
    for entry in keys() {
        for name in entry.variables {
            if let Some(other) = seen.insert(name.clone(), entry.path.clone()) {
                panic!("{name} sets both {other} and {}", entry.path);
            }
        }
    }
    assert!(seen.contains_key("ENGINE_MAX_CONCURRENT_RESOLVERS"));
}

fn load(text: &str) -> Result<Config, juga::config::Report> {
    Config::load(text, Path::new("juga.yaml"), &environment(), &Overrides::default())
}

fn environment() -> Environment {
    let secrets = ["NATS_TOKEN", "NATS_PASSWORD", "NATS_NKEY_SEED", "KAFKA_PASSWORD"];
    Environment {
        variables: secrets.map(|it| (it.to_owned(), "s3cret".to_owned())).into(),
        stdout_is_terminal: false,
        cores: 4,
        current_folder: PathBuf::from("/etc/juga"),
    }
}

fn assert_current(file: &str, wanted: &str) {
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(file, wanted).expect("write");
    }
    let current = fs::read_to_string(file).unwrap_or_default();
    assert!(
        current == wanted,
        "{file} is out of date: UPDATE_REFERENCE=1 cargo test --test config_reference"
    );
}

fn root_keys() -> Vec<Key> {
    keys().into_iter().filter(|it| !it.path.contains('.')).map(|it| it.key).collect()
}

/// A key with its comment. `off` puts a `#` before every line.
fn write_key(key: &Key, depth: usize, off: bool, out: &mut String) {
    let indent = "  ".repeat(depth);
    let about_mark = if off { "#" } else { "" };
    for line in key.about {
        writeln!(out, "{about_mark}{indent}#{line}").expect("string");
    }
    // The one alternative that is on, so that the file can be used as it is.
    let chosen = key.name == "file" && depth == 1;
    let off_here = off || matches!(key.fallback, Fallback::Absent(_) | Fallback::Computed { .. }) && !chosen;
    let mark = if off_here { "#" } else { "" };
    match key.shape {
        Shape::Scalar(_) => writeln!(out, "{mark}{indent}{}: {}", key.name, value(key)).expect("string"),
        Shape::Section(keys) => {
            writeln!(out, "{mark}{indent}{}:", key.name).expect("string");
            for key in keys {
                write_key(key, depth + 1, off_here, out);
            }
        }
        Shape::Map(item) => {
            writeln!(out, "{mark}{indent}{}:", key.name).expect("string");
            match item.keys() {
                // One line: an address, or a section whose keys stand at its neighbour.
                [] if matches!(item, Shape::Scalar(_)) => {
                    writeln!(out, "{mark}{indent}  {SUBGRAPH}: {}", value(key)).expect("string");
                }
                [] => writeln!(out, "{mark}{indent}  {}", value(key)).expect("string"),
                keys => {
                    writeln!(out, "{mark}{indent}  {SUBGRAPH}:").expect("string");
                    keys.iter().for_each(|it| write_key(it, depth + 2, off_here, out));
                }
            }
        }
        Shape::Alike => unreachable!("stands within a map"),
        Shape::List(item) => {
            writeln!(out, "{mark}{indent}{}:", key.name).expect("string");
            match item.keys() {
                [] => items(key).iter().for_each(|it| {
                    writeln!(out, "{mark}{indent}  - {it}").expect("string");
                }),
                keys => {
                    let mut block = String::new();
                    keys.iter().for_each(|it| write_key(it, depth + 2, off_here, &mut block));
                    out.push_str(&as_item(&block, depth));
                }
            }
        }
    }
}

/// Puts the dash of a list item before the first key of a block.
fn as_item(block: &str, depth: usize) -> String {
    let indent = "  ".repeat(depth + 2);
    let key_line =
        |it: &&str| it.starts_with(&format!("#{indent}")) && !it.starts_with(&format!("#{indent}#"));
    let first = block.lines().find(key_line).expect("a key");
    let dashed = first.replacen(&indent, &format!("{}- ", "  ".repeat(depth + 1)), 1);
    block.replacen(first, &dashed, 1)
}

/// The items of a list, each as it stands in YAML: a `*` without quotes is an alias there.
fn items(key: &Key) -> Vec<String> {
    match key.fallback {
        Fallback::Items(items) => items.iter().map(|it| it.replace('*', "\"*\"")).collect(),
        _ => vec![value(key)],
    }
}

fn value(key: &Key) -> String {
    match key.fallback {
        Fallback::Text("") => "\"\"".to_owned(),
        Fallback::Items(items) => items.join(", "),
        Fallback::Text(text) | Fallback::Required(text) | Fallback::Absent(text) => text.to_owned(),
        Fallback::Computed { value, .. } => value(&environment()),
        Fallback::Section => unreachable!("a scalar has a value"),
    }
}

/// Takes the `#` from lines that are settings: nothing or several blanks follow it.
fn switch_everything_on(text: &str) -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with("  ") || !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(on).collect()
}

fn tables() -> String {
    let (mut out, entries) = (String::new(), keys());
    table("General", "", entries.iter().filter(|it| !it.path.contains('.')), &mut out);
    for root in root_keys().iter().filter(|it| matches!(it.shape, Shape::Section(_))) {
        let prefix = format!("{}.", root.name);
        table(
            &format!("`{}`", root.name),
            &sentence(root),
            entries.iter().filter(|it| it.path.starts_with(&prefix)),
            &mut out,
        );
    }
    out
}

fn table<'k>(title: &str, about: &str, entries: impl Iterator<Item = &'k KeyEntry>, out: &mut String) {
    writeln!(out, "### {title}\n").expect("string");
    if !about.is_empty() {
        writeln!(out, "{about}\n").expect("string");
    }
    out.push_str("| Key | Type | Default | Environment | Meaning |\n|---|---|---|---|---|\n");
    for entry in entries {
        let variables: Vec<_> = entry.variables.iter().map(|it| format!("`{it}`")).collect();
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            entry.path,
            entry.key.shape.describe(),
            default_in_words(&entry.key),
            variables.join(", "),
            sentence(&entry.key).replace('|', "\\|"),
        )
        .expect("string");
    }
    out.push('\n');
}

fn default_in_words(key: &Key) -> String {
    match (key.fallback, key.shape) {
        (Fallback::Text(""), _) => "`\"\"`".to_owned(),
        (Fallback::Text(text), _) => format!("`{text}`"),
        (Fallback::Items(items), _) => format!("`[{}]`", items.join(", ")),
        (Fallback::Computed { means, .. }, _) => means.to_owned(),
        (Fallback::Required(_), _) => "required".to_owned(),
        (Fallback::Absent(_), Shape::List(_)) => "`[]`".to_owned(),
        (Fallback::Absent(_), Shape::Map(_)) => "`{}`".to_owned(),
        (Fallback::Absent(_), _) => "none".to_owned(),
        (Fallback::Section, _) => String::new(),
    }
}

fn sentence(key: &Key) -> String {
    key.about.iter().map(|it| it.trim()).collect::<Vec<_>>().join(" ")
}
