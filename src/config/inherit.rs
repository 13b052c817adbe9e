//! Sections that begin as copies of another one: what a subgraph's section lacks, it has from `all`.
//!
//! Works on the tree, before types are looked at, so that every key inherits, however deep.

use super::{
    finding::Origin,
    tree::{Entry, Node, Value},
};

/// Gives each section in `subgraphs` below `path` what it lacks of `all` beside it.
pub(crate) fn inherit(root: &mut Node, path: &str) {
    let Some(all) = root.at(&format!("{path}.all")).cloned() else { return };
    let Some(subgraphs) = root.at_mut(path).and_then(|it| it.entry_mut("subgraphs")) else { return };
    let Value::Map(entries) = &mut subgraphs.node.value else { return };
    entries.iter_mut().for_each(|it| fill(&mut it.node, &all));
}

fn fill(node: &mut Node, from: &Node) {
    let Value::Map(theirs) = &from.value else { return };
    if node.is_nothing() {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(ours) = &mut node.value else { return };
    for entry in theirs {
        match ours.iter_mut().find(|it| it.name == entry.name) {
            Some(own) => fill(&mut own.node, &entry.node),
            None => ours.push(inherited(entry)),
        }
    }
}

/// A copy that findings pass over: they are told once, where the original stands.
fn inherited(entry: &Entry) -> Entry {
    Entry { name: entry.name.clone(), origin: Origin::Inherited, node: inherited_node(&entry.node) }
}

fn inherited_node(node: &Node) -> Node {
    let value = match &node.value {
        Value::Map(entries) => Value::Map(entries.iter().map(inherited).collect()),
        Value::List(items) => Value::List(items.iter().map(inherited_node).collect()),
        other => other.clone(),
    };
    Node { origin: Origin::Inherited, value }
}
