//! Several files as one: sections grow together, everything else is replaced by what a later file has.

use super::{
    finding::Findings,
    tree::{Node, Value},
};
use std::mem::discriminant;

/// Puts a later file's values over an earlier one's. A key without a value takes nothing away.
pub(crate) fn merge(base: &mut Node, over: Node, findings: &mut Findings) {
    merge_at(base, over, "", findings);
}

fn merge_at(base: &mut Node, over: Node, path: &str, findings: &mut Findings) {
    if over.is_nothing() {
        return;
    }
    if base.is_nothing() {
        *base = over;
        return;
    }
    let (ours, theirs) = (base.describe(), over.describe());
    match (&mut base.value, over.value) {
        (Value::Map(entries), Value::Map(later)) => {
            for it in later {
                let path = if path.is_empty() { it.name.clone() } else { format!("{path}.{}", it.name) };
                match entries.iter_mut().find(|entry| entry.name == it.name) {
                    Some(entry) => {
                        entry.origin = it.origin;
                        merge_at(&mut entry.node, it.node, &path, findings);
                    }
                    None => entries.push(it),
                }
            }
        }
        (earlier, later) if discriminant(earlier) == discriminant(&later) => {
            *earlier = later;
            base.origin = over.origin;
        }
        _ => {
            findings
                .add(over.origin, path, format!("an earlier file has {ours} here, this one has {theirs}"))
                .help("sections of several files are merged, everything else is replaced: both need the same type");
        }
    }
}
