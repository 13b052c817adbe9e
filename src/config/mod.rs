//! YAML files, environment variables and flags in; one checked [`Config`] out.
//!
//! Strict: what is not understood is an error that says where, what and what instead, and all errors
//! come at once. Precedence: flag, environment, later file, earlier file, default. Each key is declared once, in
//! `settings` or `front`; the reference file and the manual are made from that.
//!
//! [`Config::load`] is a pure function of text and [`Environment`]; only [`Config::load_files`] touches the
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
mod merge;
mod options;
mod quantity;
mod reader;
mod settings;
mod suggest;
mod tree;

pub use compose_file::{ComposeFile, ComposeIntrospection, ComposeSubgraph, GraphFile};
pub use cosmo::{COSMO_KEYS, COSMO_VARIABLES, CosmoKey, CosmoVariable, Fate, Mode, is_declared};
pub use environment::{Environment, Override, Overrides};
pub use finding::{Finding, Report, Snippet};
pub use graphs::{GraphSource, UnreadableGraph, UnreadableGraphs};
pub use keys::{Fallback, Key, KeyEntry, Shape, Variable};
pub use settings::*;

use cosmo::Scope;
use expand::Outside;
use finding::{Findings, SourceFile};
use format::Format;
use reader::Reader;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};
use tree::Node;

/// Keys that name the graph to serve, as far as a variable or flag can set them.
const GRAPHS: [&str; 3] = ["supergraph.file", "supergraph.url", "execution_config.file.path"];

/// Every key there is, parents first, in the order of the reference file.
pub fn keys() -> Vec<KeyEntry> {
    all_keys().to_vec()
}

fn all_keys() -> &'static [KeyEntry] {
    static KEYS: LazyLock<Vec<KeyEntry>> = LazyLock::new(|| keys::flatten(Config::KEYS));
    &KEYS
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
        let files = [SourceFile { name: file.to_owned(), text: text.to_owned() }];
        let mut findings = Findings::default();
        let loaded = read(&files, &Outside::new(environment, &files, false), overrides, &mut findings);
        finish(loaded, findings, &files)
    }

    /// Reads a configuration file, and checks that the files it names are there and readable.
    pub fn load_file(file: &Path, environment: &Environment, overrides: &Overrides) -> Result<Self, Report> {
        Self::load_files(&[file.to_owned()], environment, overrides)
    }

    /// The same for several files, of which later ones win, or none: variables and flags can say everything.
    pub fn load_files(
        files: &[PathBuf],
        environment: &Environment,
        overrides: &Overrides,
    ) -> Result<Self, Report> {
        let files = files.iter().map(|it| read_file(it, environment)).collect::<Result<Vec<_>, _>>()?;
        let mut findings = Findings::default();
        let mut loaded = read(&files, &Outside::new(environment, &files, true), overrides, &mut findings);
        if let Some((config, root)) = &mut loaded {
            check_files(config, root, &mut findings);
            read_header_values(&mut config.headers, root, &mut findings);
        }
        finish(loaded, findings, &files)
    }

    /// Whether a variable or flag names a graph, so that no file is needed.
    pub fn is_graph_named(environment: &Environment, overrides: &Overrides) -> bool {
        let by_variable = |it: &KeyEntry| it.variables.iter().any(|it| environment.variable(it).is_some());
        all_keys().iter().any(|it| GRAPHS.contains(&it.path.as_str()) && by_variable(it))
            || overrides.0.iter().any(|it| GRAPHS.contains(&it.path))
    }
}

/// A file's text, or why it cannot be read.
fn read_file(name: &Path, environment: &Environment) -> Result<SourceFile, Report> {
    match fs::read_to_string(environment.current_folder.join(name)) {
        Ok(text) => Ok(SourceFile { name: name.to_owned(), text }),
        Err(error) => Err(Report::of_file(name, format!("cannot be read: {error}"))),
    }
}

/// The configuration as far as it can be read, with the tree it came from.
fn read(
    files: &[SourceFile],
    outside: &Outside<'_>,
    overrides: &Overrides,
    findings: &mut Findings,
) -> Option<(Config, Node)> {
    let environment = outside.environment;
    let mut root = parse(files, findings)?;
    expand::expand(&mut root, outside, findings);
    cosmo::rename(&mut root, findings);
    environment::overlay(&mut root, all_keys(), environment, overrides, findings);
    inherit::inherit(&mut root, "traffic_shaping");
    let read = Config::read(&root, &mut Reader::new(findings, outside, &root));
    cosmo::judge_variables(Scope { root: &root, environment }, findings);
    let mut config = read?;
    config.file = files.first().map_or_else(PathBuf::new, |it| environment.current_folder.join(&it.name));
    config.notes = findings.take_notes();
    check::settle(&mut config, &root);
    check::check(&config, &root, findings);
    Some((config, root))
}

/// The files as one tree. All of them are looked at, also after one that is no YAML.
fn parse(files: &[SourceFile], findings: &mut Findings) -> Option<Node> {
    let trees: Vec<_> =
        files.iter().enumerate().map(|(number, it)| parse_one(it, number, findings)).collect();
    let mut trees = trees.into_iter();
    let mut root = trees.next().unwrap_or_else(|| Some(Node::empty_map()))?;
    for it in trees {
        merge::merge(&mut root, it?, findings);
    }
    Some(root)
}

fn parse_one(file: &SourceFile, number: usize, findings: &mut Findings) -> Option<Node> {
    tree::parse(file.text.strip_prefix('\u{feff}').unwrap_or(&file.text), number, findings)
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
    files: &[SourceFile],
) -> Result<Config, Report> {
    match loaded {
        Some((config, _)) if findings.is_empty() => Ok(config),
        _ => Err(findings.report(files)),
    }
}
