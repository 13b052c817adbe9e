//! Walks the tree along the keys and gathers what is wrong on the way.

use super::{
    cosmo::{self, Scope},
    environment::Environment,
    expand::Outside,
    finding::{Findings, Origin},
    format::Format,
    keys::{Fallback, Key, Shape},
    suggest,
    tree::{Entry, Node, Value},
};
use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

/// Where the walk stands, and what it found.
pub(crate) struct Reader<'a> {
    pub(crate) findings: &'a mut Findings,
    /// For defaults that the machine decides.
    environment: &'a Environment,
    outside: &'a Outside<'a>,
    root: &'a Node,
    /// Relative names in the value that is being read start here. Absolute.
    folder: &'a Path,
    path: String,
    /// The section that is being read: findings about keys that are missing point to it.
    parent: Origin,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(findings: &'a mut Findings, outside: &'a Outside<'a>, root: &'a Node) -> Self {
        let (environment, folder) = (outside.environment, outside.folder_of(&root.origin));
        let (path, parent) = (String::new(), root.origin.clone());
        Self { findings, environment, outside, root, folder, path, parent }
    }

    /// Goes on to a value.
    pub(crate) fn look_at(&mut self, node: &Node) {
        self.folder = self.outside.folder_of(&node.origin);
    }

    /// A file that the value at hand names. Joined and tidied: no `.` in the middle, so that messages show paths as
    /// people write them.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name).components().filter(|it| !matches!(it, Component::CurDir)).collect()
    }

    /// The node as a section, with a finding for each key it does not have.
    pub(crate) fn section<'n>(&mut self, node: &'n Node, keys: &'static [Key]) -> Option<&'n Node> {
        let Value::Map(entries) = &node.value else {
            let names = suggest::names(keys);
            self.mismatch(node, "a section").help(format!("its keys are {names}"));
            return None;
        };
        for entry in entries {
            if !keys.iter().any(|it| it.name == entry.name) {
                let path = self.below(&entry.name);
                let scope = Scope { root: self.root, environment: self.environment };
                if cosmo::judge(entry, &path, scope, self.findings) {
                    continue;
                }
                let help = suggest::for_unknown(&entry.name, keys, &self.path);
                self.findings.add(entry.origin.clone(), path, "unknown key").help(help);
            }
        }
        Some(node)
    }

    /// The value of one key of `section`, or what holds without it. `None` once a finding was added.
    pub(crate) fn key<F: Format>(
        &mut self,
        section: &Node,
        name: &'static str,
        keys: &'static [Key],
    ) -> Option<F::Value> {
        let key = keys.iter().find(|it| it.name == name).expect("the macro declares both");
        let path = self.below(name);
        let outer_path = std::mem::replace(&mut self.path, path);
        let entry = section.entry(name);
        let outer_parent = self.parent.clone();
        if let Some(entry) = entry {
            self.parent = entry.origin.clone();
        }
        let value = match entry.map(|it| &it.node) {
            Some(Node { value: Value::Broken, .. }) => None,
            Some(node) if !node.is_nothing() => F::read(node, self),
            Some(_)
                if matches!(key.shape, Shape::Scalar(_)) && !matches!(key.fallback, Fallback::Absent(_)) =>
            {
                self.nothing(key);
                None
            }
            _ => self.fallback::<F>(key),
        };
        self.parent = outer_parent;
        self.path = outer_path;
        value
    }

    /// Reads the items of a list; every item is read, also after one that failed.
    pub(crate) fn items<F: Format>(&mut self, items: &[Node]) -> Option<Vec<F::Value>> {
        let mut values = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let path = format!("{}[{index}]", self.path);
            let outer_path = std::mem::replace(&mut self.path, path);
            let outer_parent = std::mem::replace(&mut self.parent, node.origin.clone());
            let broken = matches!(node.value, Value::Broken);
            values.push(if broken { None } else { F::read(node, self) });
            self.path = outer_path;
            self.parent = outer_parent;
        }
        values.into_iter().collect()
    }

    /// Reads what stands behind the names of a map; everything is read, also after something that failed.
    pub(crate) fn named<F: Format>(&mut self, entries: &[Entry]) -> Option<BTreeMap<String, F::Value>> {
        let mut values = Vec::with_capacity(entries.len());
        for Entry { name, origin, node } in entries {
            let path = self.below(name);
            let outer_path = std::mem::replace(&mut self.path, path);
            let outer_parent = std::mem::replace(&mut self.parent, origin.clone());
            let value = match &node.value {
                Value::Broken => None,
                _ if node.is_nothing() && matches!(F::SHAPE, Shape::Scalar(_)) => {
                    self.findings.add(origin.clone(), self.path.clone(), "this name has no value");
                    None
                }
                _ if node.is_nothing() => F::absent(self),
                _ => F::read(node, self),
            };
            values.push(value.map(|it| (name.clone(), it)));
            self.path = outer_path;
            self.parent = outer_parent;
        }
        values.into_iter().collect()
    }

    /// A finding: this is not what was expected here.
    pub(crate) fn mismatch(&mut self, node: &Node, expected: &str) -> &mut super::finding::Raw {
        self.problem(node, format!("expected {expected}, found {}", node.describe()))
    }

    /// A finding about this node.
    pub(crate) fn problem(&mut self, node: &Node, message: impl Into<String>) -> &mut super::finding::Raw {
        self.findings.add(node.origin.clone(), self.path.clone(), message)
    }

    fn nothing(&mut self, key: &Key) {
        self.findings.add(self.parent.clone(), self.path.clone(), "this key has no value").help(
            match key.fallback {
                Fallback::Required(example) => format!("for example `{}: {example}`", key.name),
                _ => "remove the key to use its default".to_owned(),
            },
        );
    }

    fn fallback<F: Format>(&mut self, key: &Key) -> Option<F::Value> {
        match key.fallback {
            Fallback::Text(text) => F::read(&Node::scalar(text, Origin::Fallback), self),
            Fallback::Items(items) => F::read(&Node::list_of_scalars(items, &Origin::Fallback), self),
            Fallback::Computed { value, .. } => {
                let text = value(self.environment);
                F::read(&Node::scalar(text, Origin::Fallback), self)
            }
            Fallback::Absent(_) | Fallback::Section => F::absent(self),
            Fallback::Required(example) => {
                let (origin, path) = (self.parent.clone(), self.path.clone());
                let help = format!("for example `{}: {example}`", key.name);
                self.findings.add(origin, path, "this key is missing").help(help);
                None
            }
        }
    }

    fn below(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
