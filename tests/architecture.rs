//! Keeps the module table of ARCHITECTURE.md true: each row lists what a module may import.

use std::{
    fs,
    path::{Path, PathBuf},
};

const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("graphql", &[]),
    ("language", &[]),
    ("plan", &["graphql"]),
    ("federation", &["graphql", "language", "plan"]),
    ("headers", &["plan"]),
    ("protocol", &["graphql"]),
    ("hub", &["graphql", "plan"]),
    ("resolve", &["graphql", "plan"]),
    ("sources", &["graphql", "plan", "resolve", "net"]),
    ("net", &[]),
    ("http", &["graphql", "protocol"]),
    ("admin", &["graphql"]),
    ("telemetry", &[]),
    (
        "server",
        &[
            "graphql",
            "plan",
            "federation",
            "headers",
            "protocol",
            "hub",
            "resolve",
            "sources",
            "net",
            "http",
            "admin",
            "telemetry",
        ],
    ),
    ("config", &["plan", "federation", "headers", "hub", "resolve", "sources", "http", "admin", "server"]),
    ("cli", &["config", "federation", "server", "telemetry"]),
];

#[test]
fn modules_import_only_what_the_diagram_allows() {
    let mut strays = Vec::new();
    for (module, allowed) in MAY_IMPORT {
        for file in rust_files(&Path::new("src").join(module)) {
            let source = fs::read_to_string(&file).expect("source file");
            for name in imported_modules(&source) {
                let known = MAY_IMPORT.iter().any(|(it, _)| *it == name);
                if known && name != *module && !allowed.contains(&name.as_str()) {
                    strays.push(format!("{}: {module} -> {name}", file.display()));
                }
            }
        }
    }
    assert!(strays.is_empty(), "not in the diagram:\n{}", strays.join("\n"));
}

/// A crate that belongs to one module is named nowhere else.
#[test]
fn foreign_types_stay_in_their_rooms() {
    const ONLY_IN: &[(&str, &[&str])] = &[
        ("hive_router_query_planner", &["federation"]),
        ("graphql_tools", &["federation"]),
        ("federation_composition", &["federation"]),
        ("async_nats", &["sources"]),
        ("nkeys", &["sources"]),
        ("rdkafka", &["sources"]),
        ("redis", &["sources"]),
        ("hyper", &["http", "sources", "admin"]),
        ("hyper_rustls", &["sources"]),
        ("rustls", &["sources", "http", "server"]),
        ("tokio_rustls", &["sources", "http"]),
        ("tower_service", &["sources"]),
        ("mio", &["net", "server"]),
        ("tungstenite", &["net", "http"]),
        ("brotli", &["http"]),
        ("multer", &["http"]),
        ("clap", &["cli"]),
        ("serde_saphyr", &["config"]),
        ("prometheus_client", &["admin"]),
        ("pprof", &["admin"]),
        ("tikv_jemalloc_ctl", &["admin"]),
        ("tracing_appender", &["telemetry"]),
        ("tracing_subscriber", &["telemetry"]),
    ];
    let mut strays = Vec::new();
    for file in rust_files(Path::new("src")) {
        let source = fs::read_to_string(&file).expect("source file");
        let room = file.components().nth(1).map(|it| it.as_os_str().to_string_lossy().into_owned());
        for (name, rooms) in ONLY_IN {
            let named =
                source.lines().any(|line| !line.trim_start().starts_with("//") && mentions(line, name));
            if named && !room.as_ref().is_some_and(|it| rooms.contains(&it.as_str())) {
                strays.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(strays.is_empty(), "crates outside their rooms:\n{}", strays.join("\n"));
}

/// Whether a line of code has `name::` as a whole word.
fn mentions(line: &str, name: &str) -> bool {
    line.match_indices(&format!("{name}::"))
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

/// Every `x` of `crate::x` and of `crate::{x, y::Z}`.
fn imported_modules(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in source.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(list) => names.extend(first_names(list)),
            None => names.push(word(rest)),
        }
    }
    names
}

/// The first word of each item of a `use` list, up to its closing brace.
fn first_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut at_item) = (1, Vec::new(), true);
    for (index, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => at_item = true,
            c if depth == 1 && at_item && (c.is_alphanumeric() || c == '_') => {
                names.push(word(&list[index..]));
                at_item = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files
}
