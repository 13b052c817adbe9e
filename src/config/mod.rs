//! One YAML file, environment variables and flags in; one checked [`Config`] out.
//!
//! Strict: what is not understood is an error that says where, what and what instead, and all errors
//! come at once. Precedence: flag, environment, file, default. Each key is declared once, in `settings` or `front`;
//! the reference file and the manual are made from that.
//!
//! [`Config::load`] is a pure function of text and [`Environment`]; only [`Config::load_file`] touches the
//! disk. What the values do is for others to say: this is plain data.

mod address;
mod check;
mod compose_file;
mod cosmo;
mod environment;
mod expand;
mod finding;
mod format;
mod front;
mod graphs;
mod headers;
mod inherit;
mod keys;
mod options;
mod quantity;
mod reader;
mod settings;
mod suggest;
mod tree;

pub use compose_file::{ComposeFile, ComposeIntrospection, ComposeSubgraph, GraphFile};
pub use cosmo::{COSMO_KEYS, CosmoKey, Fate, is_declared};
pub use environment::{Environment, Override, Overrides};
pub use finding::{Finding, Report, Snippet};
pub use graphs::{GraphSource, UnreadableGraph, UnreadableGraphs};
pub use keys::{Fallback, Key, KeyEntry, Shape, Variable};
pub use settings::*;

use expand::Outside;
use finding::Findings;
use format::Format;
use reader::Reader;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tree::Node;

/// Every key there is, parents first, in the order of the reference file.
pub fn keys() -> Vec<KeyEntry> {
    keys::flatten(Config::KEYS)
}

impl Config {
    /// Reads a configuration from text. `file` is its name, for messages, and relative paths in it start
    /// from that file's folder. Looks at nothing outside its arguments.
    pub fn load(
        text: &str,
        file: &Path,
        environment: &Environment,
        overrides: &Overrides,
    ) -> Result<Self, Report> {
        let mut findings = Findings::default();
        let outside = Outside { environment, folder: None };
        let loaded = read(text, file, &outside, overrides, &mut findings);
        finish(loaded, findings, file, text)
    }

    /// Reads a configuration file, and checks that the files it names are there and readable.
    pub fn load_file(file: &Path, environment: &Environment, overrides: &Overrides) -> Result<Self, Report> {
        let text = fs::read_to_string(environment.current_folder.join(file))
            .map_err(|error| Report::of_file(file, format!("cannot be read: {error}")))?;
        let mut findings = Findings::default();
        let folder = folder_of(file, environment);
        let outside = Outside { environment, folder: Some(&folder) };
        let loaded = read(&text, file, &outside, overrides, &mut findings);
        if let Some((config, root)) = &loaded {
            check_files(config, root, &mut findings);
        }
        finish(loaded, findings, file, &text)
    }
}

/// The configuration as far as it can be read, with the tree it came from.
fn read(
    text: &str,
    file: &Path,
    outside: &Outside<'_>,
    overrides: &Overrides,
    findings: &mut Findings,
) -> Option<(Config, Node)> {
    let environment = outside.environment;
    let mut root = tree::parse(text.strip_prefix('\u{feff}').unwrap_or(text), findings)?;
    expand::expand(&mut root, outside, findings);
    environment::overlay(&mut root, &keys(), environment, overrides);
    inherit::inherit(&mut root, "traffic_shaping");
    let mut config = read_section::<Config>(&root, file, environment, findings)?;
    config.file = environment.current_folder.join(file);
    cosmo::judge_variables(|name| environment.variable(name), findings);
    config.notes = findings.take_notes();
    check::settle(&mut config, &root);
    check::check(&config, &root, findings);
    Some((config, root))
}

/// A tree as a section; relative paths in it start from the file's folder.
fn read_section<F: Format>(
    root: &Node,
    file: &Path,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<F::Value> {
    let folder = folder_of(file, environment);
    F::read(root, &mut Reader::new(findings, environment, &folder, root))
}

/// Where relative names in a file count from. Absolute.
fn folder_of(file: &Path, environment: &Environment) -> PathBuf {
    let file = environment.current_folder.join(file);
    file.parent().unwrap_or(&environment.current_folder).to_owned()
}

fn check_files(config: &Config, root: &Node, findings: &mut Findings) {
    for (path, file) in check::files(config) {
        let problem = match fs::File::open(file).and_then(|it| it.metadata()) {
            Ok(it) if it.is_file() => continue,
            Ok(_) => "is no file".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        let origin = root.nearest_origin(&path);
        findings
            .add(origin, path, format!("{} {problem}", file.display()))
            .help("relative names count from the configuration file's folder");
    }
}

fn finish(
    loaded: Option<(Config, Node)>,
    findings: Findings,
    file: &Path,
    text: &str,
) -> Result<Config, Report> {
    match loaded {
        Some((config, _)) if findings.is_empty() => Ok(config),
        _ => Err(findings.report(&file.display().to_string(), text)),
    }
}
