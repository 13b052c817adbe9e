//! Fields that no plan reaches, in graphs that are served leniently: found and marked, so that the rest of
//! an operation can be planned.
//!
//! Whether a field can be reached depends on the way to it, so the fields that composing complained of are
//! only suspects. Those without which there is a plan, and with which there is none, are cut.

use super::{
    selection::{Field, Selection},
    types::{Types, named},
};
use std::collections::BTreeSet;

/// Suspects that are looked at one by one; more than these are cut together, since each costs a plan.
const SUSPECTS_MAX: usize = 64;

/// Marks as few suspects as it takes for `plans` to hold; `false`, with nothing marked, when that is not
/// enough.
pub(super) fn cut(
    types: &Types,
    root_type: &str,
    unsatisfiable: &BTreeSet<String>,
    fields: &mut [Field],
    plans: impl Fn(&[Field]) -> bool,
) -> bool {
    let mut search = Search { types, unsatisfiable, next: 0, suspects: Vec::new() };
    fields.iter().for_each(|it| search.field(root_type, it));
    let suspects = search.suspects;
    if suspects.is_empty() {
        return false;
    }
    let mut marked: BTreeSet<usize> = suspects.iter().copied().collect();
    mark(fields, &marked);
    if !plans(fields) {
        mark(fields, &BTreeSet::new());
        return false;
    }
    for suspect in suspects.into_iter().take(SUSPECTS_MAX) {
        marked.remove(&suspect);
        mark(fields, &marked);
        if !plans(fields) {
            marked.insert(suspect);
        }
    }
    mark(fields, &marked);
    true
}

/// Walks all fields; a suspect is known by its number on this walk.
struct Search<'a> {
    types: &'a Types,
    unsatisfiable: &'a BTreeSet<String>,
    next: usize,
    suspects: Vec<usize>,
}

impl Search<'_> {
    fn field(&mut self, owner: &str, field: &Field) {
        if self.is_suspect(owner, &field.name) {
            self.suspects.push(self.next);
        }
        self.next += 1;
        let types = self.types;
        let returns = types.field(owner, &field.name).map_or("", |it| named(&it.ty));
        self.selections(returns, &field.selections);
    }

    fn selections(&mut self, owner: &str, selections: &[Selection]) {
        for selection in selections {
            match selection {
                Selection::Field(it) => self.field(owner, it),
                Selection::On { condition, selections } => self.selections(condition, selections),
            }
        }
    }

    /// A field of an interface is one of each type that it may be.
    fn is_suspect(&self, owner: &str, field: &str) -> bool {
        let is_one = |owner: &str| self.unsatisfiable.contains(&format!("{owner}.{field}"));
        is_one(owner) || self.types.possible(owner).iter().any(|it| is_one(it))
    }
}

fn mark(fields: &mut [Field], marked: &BTreeSet<usize>) {
    fn mark_field(field: &mut Field, marked: &BTreeSet<usize>, next: &mut usize) {
        field.unreachable = marked.contains(next);
        *next += 1;
        mark_all(&mut field.selections, marked, next);
    }
    fn mark_all(selections: &mut [Selection], marked: &BTreeSet<usize>, next: &mut usize) {
        for selection in selections {
            match selection {
                Selection::Field(it) => mark_field(it, marked, next),
                Selection::On { selections, .. } => mark_all(selections, marked, next),
            }
        }
    }
    let mut next = 0;
    fields.iter_mut().for_each(|it| mark_field(it, marked, &mut next));
}
