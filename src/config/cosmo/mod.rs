//! Keys and variables of Cosmo's router, and what becomes of those that this version does not have.
//!
//! Whoever comes over brings a file or an environment along. Nothing in it is a mistake: what is without effect is
//! named once, and what would silently leave something open stops the start. The tables give way to declared keys:
//! they are asked only about keys that `settings` does not have. docs/migrating-from-cosmo.md is made from them.

mod keys;
mod variables;

pub use keys::{COSMO_KEYS, CosmoKey, Fate, Mode};
pub use variables::{COSMO_VARIABLES, CosmoVariable};

use super::{
    environment::{Environment, put},
    finding::{Findings, Origin},
    keys::variable_of,
    suggest,
    tree::{Entry, Node, Value},
};
use Fate::{Ignored, Refused, Renamed, Supported, Unsupported};

/// Stands in a path for any name.
const ANY_NAME: &str = "<name>";

/// Whether a key of this version goes by a path, or lies below it.
pub fn is_declared(path: &str) -> bool {
    let (list, below) = (format!("{path}[]"), format!("{path}."));
    super::all_keys().iter().any(|it| {
        let own = it.path.as_str();
        own == path || own == list || own.starts_with(&below)
    })
}

/// Cosmo's names for the variable of a key.
pub(crate) fn variables_of(path: &str) -> impl Iterator<Item = &'static str> {
    let other = COSMO_KEYS.iter().find(|it| matches!(it.fate, Renamed(to) if to == path)).map(|it| it.path);
    COSMO_VARIABLES.iter().filter(move |it| it.key == path || Some(it.key) == other).map(|it| it.name)
}

/// The declared name of a key that has two.
fn renamed(path: &'static str) -> &'static str {
    match COSMO_KEYS.iter().find(|it| it.path == path).map(|it| it.fate) {
        Some(Renamed(to)) => to,
        _ => path,
    }
}

/// Moves values to the declared names of their keys. Two names of one key may not disagree.
pub(crate) fn rename(root: &mut Node, findings: &mut Findings) {
    for row in COSMO_KEYS {
        let Renamed(to) = row.fate else { continue };
        let Some(entry) = root.take(row.path) else { continue };
        match root.at(to).filter(|it| !it.is_nothing()) {
            Some(given) if given.is_same(&entry.node) => {}
            Some(_) => {
                let message = format!("`{to}` says otherwise, and is another name of the same key");
                findings.add(entry.node.origin, row.path, message).help("keep one of them");
            }
            None => put(root, to, entry.node),
        }
    }
}

/// What a key is judged by, beside its own value.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) root: &'a Node,
    pub(crate) environment: &'a Environment,
}

impl Scope<'_> {
    /// Whether a mode says that nothing is enforced, wherever it is given.
    fn only_watches(&self, mode: Mode) -> bool {
        let in_environment = names(mode.key).find_map(|it| self.environment.variable(&it));
        let in_file = self.root.at(mode.key).filter(|it| !it.is_nothing());
        let in_file = in_file.map(|it| match &it.value {
            Value::Scalar { text, .. } => text.as_str(),
            _ => "no word",
        });
        let is_watching = |it: &str| Mode::WATCHING.contains(&it);
        let given = [in_environment, in_file];
        match given {
            [None, None] => is_watching(mode.default),
            _ => given.into_iter().flatten().all(is_watching),
        }
    }
}

/// The variables that set a key which is not declared.
fn names(path: &str) -> impl Iterator<Item = String> {
    variables_of(path).map(str::to_owned).chain([variable_of(path)])
}

/// Judges a key that is not declared: `false` when Cosmo does not know it either.
pub(crate) fn judge(entry: &Entry, path: &str, scope: Scope<'_>, findings: &mut Findings) -> bool {
    let plain = without_indices(path);
    let leads_on = COSMO_KEYS.iter().any(|it| is_below(it.path, &plain));
    match &entry.node.value {
        Value::Map(entries) if leads_on => judge_section(entries, path, scope, findings),
        _ if leads_on && !is_off(&entry.node) => {
            let message = format!("expected a section, found {}", entry.node.describe());
            findings.add(entry.node.origin.clone(), path, message);
        }
        _ => match COSMO_KEYS.iter().find(|it| is_path_of(it, &plain)).or_else(|| nearest(&plain)) {
            Some(row) => apply(row, entry, path, scope, findings),
            None => return false,
        },
    }
    true
}

fn judge_section(entries: &[Entry], path: &str, scope: Scope<'_>, findings: &mut Findings) {
    for inner in entries {
        let inner_path = format!("{path}.{}", inner.name);
        if !judge(inner, &inner_path, scope, findings) {
            unknown(inner, &inner_path, &without_indices(path), findings);
        }
    }
}

/// Whether a row is about a path. Names may have dots in them, so what stands around one decides.
fn is_path_of(row: &CosmoKey, path: &str) -> bool {
    match row.path.split_once(ANY_NAME) {
        None => row.path == path,
        Some((before, after)) => {
            path.len() > before.len() + after.len() && path.starts_with(before) && path.ends_with(after)
        }
    }
}

/// The row of the nearest section around a path.
fn nearest(path: &str) -> Option<&'static CosmoKey> {
    let around = COSMO_KEYS.iter().filter(|it| it.fate != Supported && is_below(path, it.path));
    around.max_by_key(|it| it.path.len()).filter(|it| !is_declared(it.path))
}

fn is_below(path: &str, section: &str) -> bool {
    path.strip_prefix(section).is_some_and(|it| it.starts_with(['.', '[']))
}

fn apply(row: &CosmoKey, entry: &Entry, path: &str, scope: Scope<'_>, findings: &mut Findings) {
    let origin = &entry.node.origin;
    let subject = match origin {
        // Told where the original stands.
        Origin::Inherited => return,
        Origin::Environment(name) => format!("`{name}` in the environment"),
        _ => format!("`{}`", row.path),
    };
    match row.fate {
        Supported | Renamed(_) => {}
        Ignored(why) => findings.note(format!("{subject} has no effect: {why}")),
        Refused(_) | Unsupported(_) if is_off(&entry.node) => {
            findings.note(format!("{subject} has no effect: it is off"));
        }
        Refused(_) if row.mode.is_some_and(|it| scope.only_watches(it)) => {
            findings.note(format!("{subject} has no effect: it would only watch"));
        }
        Refused(open) => {
            let message = format!("this version does not have it, and {open}");
            let remove = if matches!(origin, Origin::Environment(_)) {
                "unset the variable"
            } else {
                "remove the key"
            };
            let help = format!("{remove} only if something else protects the graph");
            findings.add(origin.clone(), path, message).help(help);
        }
        Unsupported(instead) => {
            findings.add(origin.clone(), path, "this version does not have it").help(instead);
        }
    }
}

/// A key of a section that Cosmo has, but not with this key.
fn unknown(entry: &Entry, path: &str, section: &str, findings: &mut Findings) {
    let help = match suggestion(&entry.name, section) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "neither this version nor Cosmo has it".to_owned(),
    };
    findings.add(entry.origin.clone(), path, "unknown key").help(help);
}

/// Whether a value switches something off.
fn is_off(node: &Node) -> bool {
    match &node.value {
        Value::Scalar { text, .. } => {
            let text = text.trim().to_lowercase();
            node.is_nothing() || matches!(text.as_str(), "" | "false" | "0" | "off")
        }
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.iter().all(|it| is_off(&it.node)),
        Value::Broken => false,
    }
}

/// Judges the variables of keys that are not declared, as their keys are judged. The others have become values of
/// the tree.
pub(crate) fn judge_variables(scope: Scope<'_>, findings: &mut Findings) {
    let theirs = COSMO_VARIABLES.iter().map(|it| (it.name.to_owned(), renamed(it.key)));
    // A key that protects is refused by its own name too.
    let refused = COSMO_KEYS.iter().filter(|it| matches!(it.fate, Refused(_)));
    let own = refused.map(|it| (variable_of(it.path), it.path));
    let own = own.filter(|(name, _)| !COSMO_VARIABLES.iter().any(|it| it.name == name));
    for (name, path) in theirs.chain(own).filter(|(_, path)| !is_declared(path)) {
        let Some(value) = scope.environment.variable(&name) else { continue };
        let origin = Origin::Environment(name);
        let node = Node::scalar(value, origin.clone());
        let entry = Entry { name: path.to_owned(), origin, node };
        let is_known = judge(&entry, path, scope, findings);
        debug_assert!(is_known, "the tables know {path}");
    }
}

/// `a[0].b` as `a[].b`.
fn without_indices(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut within = false;
    for c in path.chars() {
        match c {
            '[' => within = true,
            ']' => within = false,
            _ if within => continue,
            _ => {}
        }
        out.push(c);
    }
    out
}

/// The nearest of Cosmo's names in a section, which is empty for the root.
pub(crate) fn suggestion(name: &str, section: &str) -> Option<&'static str> {
    let section = without_indices(section);
    let below = if section.is_empty() { section } else { format!("{section}.") };
    let names = COSMO_KEYS.iter().filter_map(|it| it.path.strip_prefix(&below));
    suggest::nearest(name, names.filter_map(|it| it.split(['.', '[']).next()).filter(|it| *it != ANY_NAME))
}
