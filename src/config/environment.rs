//! What comes from outside the file: environment variables, flags, and facts about the machine.

use super::{
    finding::{Findings, Origin},
    keys::{KeyEntry, Shape},
    tree::{Entry, Node, Value},
};
use std::{collections::BTreeMap, io::IsTerminal, path::PathBuf};

/// The process's surroundings, as far as the configuration depends on them.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Environment variables. One that is empty counts as not set.
    pub variables: BTreeMap<String, String>,
    pub stdout_is_terminal: bool,
    /// At least 1.
    pub cores: usize,
    /// Where relative file names start. Absolute.
    pub current_folder: PathBuf,
}

impl Environment {
    /// The surroundings of this process. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            variables,
            stdout_is_terminal: std::io::stdout().is_terminal(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            current_folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
        }
    }

    /// The variable's value, unless it is unset or empty.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|it| !it.is_empty())
    }
}

/// Values from the command line; they win over everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(pub Vec<Override>);

/// One value from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// As it is typed, for messages: `--listen`.
    pub flag: &'static str,
    /// The key it sets: `listen_addr`.
    pub path: &'static str,
    pub value: String,
}

/// Puts variables, then flags, over the files' values.
pub(crate) fn overlay(
    root: &mut Node,
    keys: &[KeyEntry],
    environment: &Environment,
    overrides: &Overrides,
    findings: &mut Findings,
) {
    for entry in keys {
        set_by_variable(root, entry, environment, findings);
    }
    for it in &overrides.0 {
        put(root, it.path, Node::scalar(it.value.clone(), Origin::Flag(it.flag)));
    }
}

/// Sets one key by the variable that has its value, if there is one. Several may only say the same.
fn set_by_variable(root: &mut Node, key: &KeyEntry, environment: &Environment, findings: &mut Findings) {
    let mut set = key.variables.iter().filter_map(|it| Some((it, environment.variable(it)?)));
    let Some((name, value)) = set.next() else { return };
    let node = value_of(key, value, &Origin::Environment(name.clone()));
    if let Some((other, _)) = set.find(|(_, it)| *it != value) {
        let message = format!("`{other}` says otherwise, and sets the same key");
        findings.add(node.origin.clone(), &key.path, message).help("unset one of them");
    }
    if root.at(&key.path).is_some_and(|it| !it.is_nothing() && !it.is_same(&node)) {
        findings.note(format!(
            "`{name}` in the environment wins over `{}` in the file (with Cosmo's router, the file wins)",
            key.path
        ));
    }
    put(root, &key.path, node);
}

/// A variable's value as a file would have it; items of lists are separated by commas.
fn value_of(key: &KeyEntry, value: &str, origin: &Origin) -> Node {
    match key.key.shape {
        Shape::List(_) => {
            let items: Vec<&str> = value.split(',').map(str::trim).collect();
            Node::list_of_scalars(&items, origin)
        }
        _ => Node::scalar(value, origin.clone()),
    }
}

/// Sets the value at a path of plain keys, with the sections on the way. A section that is no section
/// in the file stays as it is: reading it gives the finding.
pub(crate) fn put(root: &mut Node, path: &str, value: Node) {
    let Value::Map(entries) = &mut root.value else { return };
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let index = entries.iter().position(|it| it.name == name).unwrap_or_else(|| {
        let (origin, node) = (value.origin.clone(), Node::empty_map());
        entries.push(Entry { name: name.to_owned(), origin, node });
        entries.len() - 1
    });
    let node = &mut entries[index].node;
    match rest {
        None => *node = value,
        Some(rest) => {
            if node.is_nothing() {
                node.value = Value::Map(Vec::new());
            }
            put(node, rest, value);
        }
    }
}
