//! Field Selection Merging (GraphQL specification, section 5.3.2): fields that answer under one name ask for the same.
//!
//! Selection sets are gathered once each, inline fragments dissolved; sets and fragments are compared in pairs, each
//! pair once. What two fragments have to do with each other can still grow with the square of their number, and the
//! comparison of fields with that of equal names: every comparison is counted, and
//! [`work_max`](super::ValidationOptions::work_max) ends it.

mod gathered;

use super::{Aborted, Rules, Step};
use crate::language::{
    ast::{Argument, Field, Place, Selection, SelectionSet, Value},
    schema::{Type, TypeId},
    values,
};
use gathered::{Gathered, Occurrence};
use std::{collections::HashMap, rc::Rc};

/// Bytes of an explanation, which are ASCII all.
const DETAIL_MAX: usize = 1000;
/// Places of one side of a conflict.
const PLACES_MAX: usize = 20;

/// Each conflict below adds a place and some 50 bytes of explanation, so that no more than these are heard of.
const CONFLICTS_TOLD_MAX: usize = 40;

/// What has been gathered and compared.
#[derive(Default)]
pub(super) struct State<'a> {
    /// By the type that a selection set is on, and its address.
    gathered: HashMap<(Option<TypeId>, usize), Rc<Gathered<'a>>>,
    /// Pairs of a gathered set and a fragment; whether they were known to exclude each other.
    sets_and_fragments: HashMap<(usize, usize), bool>,
    /// The same for pairs of fragments.
    fragments: HashMap<(usize, usize), bool>,
    /// The same for pairs of sets below two fields of one name, where nothing was found: without it, fields that
    /// are repeated level by level would be compared four times as often on each.
    harmless: HashMap<(usize, usize), bool>,
    nesting: usize,
}

/// Fields that cannot be merged.
struct Conflict<'a> {
    name: &'a str,
    reason: String,
    first: Vec<Place>,
    second: Vec<Place>,
}

impl<'a> Rules<'a> {
    /// Looks for conflicts within a selection set and between it and what it spreads. Sets of inline fragments are
    /// part of the one around.
    pub(super) fn overlapping_fields(&mut self, set: &'a SelectionSet, parent: Option<TypeId>) -> Step {
        if let [Selection::Field(_) | Selection::FragmentSpread(_)] = set.items.as_slice() {
            return Ok(());
        }
        for conflict in self.conflicts_within(set, parent)? {
            let message = format!(
                "Fields \"{}\" conflict because {}. Use different aliases on the fields to fetch both if this was intentional.",
                abbreviated(conflict.name),
                conflict.reason
            );
            self.report(message, [conflict.first, conflict.second].concat())?;
        }
        Ok(())
    }

    fn conflicts_within(
        &mut self,
        set: &'a SelectionSet,
        parent: Option<TypeId>,
    ) -> Result<Vec<Conflict<'a>>, Aborted> {
        let mut conflicts = Vec::new();
        let gathered = self.gather(set, parent);
        for group in gathered.groups.iter().filter(|it| !it.others.is_empty() && !it.is_plain) {
            let mut firsts = group.occurrences();
            while let Some(first) = firsts.next() {
                for second in firsts.clone() {
                    let conflict = self.conflict(false, group.name, first, second)?;
                    self.keep(conflict, &mut conflicts);
                }
                // More than are reported.
                if conflicts.len() > self.options.errors_max {
                    return Ok(conflicts);
                }
            }
        }
        if gathered.groups.is_empty() && gathered.fragments.len() < 2 {
            return Ok(conflicts);
        }
        for (at, fragment) in gathered.fragments.iter().enumerate() {
            self.set_with_fragment(&mut conflicts, false, &gathered, *fragment)?;
            for other in &gathered.fragments[at + 1..] {
                self.fragment_with_fragment(&mut conflicts, false, *fragment, *other)?;
            }
        }
        Ok(conflicts)
    }

    /// Compares fields with those of a fragment and of all that it spreads.
    fn set_with_fragment(
        &mut self,
        conflicts: &mut Vec<Conflict<'a>>,
        exclusive: bool,
        set: &Rc<Gathered<'a>>,
        fragment: usize,
    ) -> Step {
        let mut rest = vec![fragment];
        while let Some(fragment) = rest.pop() {
            self.spend(1)?;
            if set.groups.is_empty() {
                return Ok(());
            }
            let known = self.overlap.sets_and_fragments.get(&(set.id, fragment)).copied();
            if known == Some(false) || (exclusive && known == Some(true)) {
                continue;
            }
            self.overlap.sets_and_fragments.insert((set.id, fragment), exclusive);
            let Some(other) = self.gather_fragment(fragment) else { continue };
            if other.id == set.id {
                continue;
            }
            self.set_with_set(conflicts, exclusive, set, &other)?;
            rest.extend(other.fragments.iter().rev());
        }
        Ok(())
    }

    /// Compares the fields of two fragments and of all that they spread.
    fn fragment_with_fragment(
        &mut self,
        conflicts: &mut Vec<Conflict<'a>>,
        exclusive: bool,
        first: usize,
        second: usize,
    ) -> Step {
        let mut rest = vec![(first, second)];
        while let Some((first, second)) = rest.pop() {
            self.spend(2)?;
            if first == second || self.are_compared(first, second, exclusive) {
                continue;
            }
            self.overlap.fragments.insert((first, second), exclusive);
            let sets = self.gather_fragment(first).zip(self.gather_fragment(second));
            let Some((one, other)) = sets else { continue };
            self.set_with_set(conflicts, exclusive, &one, &other)?;
            rest.extend(one.fragments.iter().rev().map(|it| (*it, second)));
            rest.extend(other.fragments.iter().rev().map(|it| (first, *it)));
        }
        Ok(())
    }

    /// Whether two fragments were compared as strictly as is asked for now.
    fn are_compared(&self, first: usize, second: usize, exclusive: bool) -> bool {
        let compared = |a, b| self.overlap.fragments.get(&(a, b)).is_some_and(|it| exclusive || !it);
        compared(first, second) || compared(second, first)
    }

    /// Compares what two fields of one name select.
    fn subfields(
        &mut self,
        exclusive: bool,
        first: (&'a SelectionSet, Option<TypeId>),
        second: (&'a SelectionSet, Option<TypeId>),
    ) -> Result<Vec<Conflict<'a>>, Aborted> {
        self.overlap.nesting += 1;
        if self.overlap.nesting > self.options.nesting_max {
            return Err(self.abort());
        }
        let mut conflicts = Vec::new();
        let (one, other) = (self.gather(first.0, first.1), self.gather(second.0, second.1));
        let pair = (one.id, other.id);
        if self.overlap.harmless.get(&pair).is_some_and(|it| exclusive || !it) {
            self.overlap.nesting -= 1;
            return Ok(conflicts);
        }
        self.set_with_set(&mut conflicts, exclusive, &one, &other)?;
        for fragment in &other.fragments {
            self.set_with_fragment(&mut conflicts, exclusive, &one, *fragment)?;
        }
        for fragment in &one.fragments {
            self.set_with_fragment(&mut conflicts, exclusive, &other, *fragment)?;
        }
        for a in &one.fragments {
            for b in &other.fragments {
                self.fragment_with_fragment(&mut conflicts, exclusive, *a, *b)?;
            }
        }
        if conflicts.is_empty() {
            self.overlap.harmless.insert(pair, exclusive);
        }
        self.overlap.nesting -= 1;
        Ok(conflicts)
    }

    fn set_with_set(
        &mut self,
        conflicts: &mut Vec<Conflict<'a>>,
        exclusive: bool,
        one: &Gathered<'a>,
        other: &Gathered<'a>,
    ) -> Step {
        if one.groups.is_empty() || other.groups.is_empty() {
            return Ok(());
        }
        self.spend(one.groups.len())?;
        for group in &one.groups {
            let twin = other.position(group.name).map(|it| &other.groups[it]);
            let Some(twin) = twin.filter(|it| !group.agrees_plainly(it)) else { continue };
            for first in group.occurrences() {
                for second in twin.occurrences() {
                    let conflict = self.conflict(exclusive, group.name, first, second)?;
                    self.keep(conflict, conflicts);
                }
            }
        }
        Ok(())
    }

    /// Keeps a conflict while it can still be reported: by itself, or in what is said of the fields around.
    fn keep(&self, conflict: Option<Conflict<'a>>, conflicts: &mut Vec<Conflict<'a>>) {
        if conflicts.len() <= self.options.errors_max.max(CONFLICTS_TOLD_MAX) {
            conflicts.extend(conflict);
        }
    }

    /// Compares two fields of one response name. Fields of different objects never meet, so that they may differ in
    /// name and arguments; the shape of their answers may not.
    fn conflict(
        &mut self,
        exclusive: bool,
        name: &'a str,
        first: &Occurrence<'a>,
        second: &Occurrence<'a>,
    ) -> Result<Option<Conflict<'a>>, Aborted> {
        self.spend(2)?;
        let is_object = |it: Option<TypeId>| it.is_some_and(|it| self.schema.is_object(it));
        let exclusive = exclusive
            || (first.parent != second.parent && is_object(first.parent) && is_object(second.parent));
        if let Some(reason) = self.difference(exclusive, first, second)? {
            let (first, second) = (vec![first.field.place()], vec![second.field.place()]);
            return Ok(Some(Conflict { name, reason, first, second }));
        }
        let sets = first.field.selection_set.as_ref().zip(second.field.selection_set.as_ref());
        let Some((one, other)) = sets else { return Ok(None) };
        let named = |it: &Occurrence<'a>| it.definition.map(|it| it.ty.named());
        let conflicts = self.subfields(exclusive, (one, named(first)), (other, named(second)))?;
        Ok((!conflicts.is_empty()).then(|| merged(name, first.field, second.field, &conflicts)))
    }

    /// Why two fields cannot be one, what they select aside.
    fn difference(
        &mut self,
        exclusive: bool,
        first: &Occurrence<'a>,
        second: &Occurrence<'a>,
    ) -> Result<Option<String>, Aborted> {
        let (one, other) = (first.field, second.field);
        if !exclusive {
            if one.name.text != other.name.text {
                let (one, other) = (abbreviated(one.name.as_str()), abbreviated(other.name.as_str()));
                return Ok(Some(format!("\"{one}\" and \"{other}\" are different fields")));
            }
            if !self.same_arguments(&one.arguments, &other.arguments)? {
                return Ok(Some("they have differing arguments".to_owned()));
            }
        }
        let types = first.definition.zip(second.definition).map(|(one, other)| (&one.ty, &other.ty));
        let Some((one, other)) = types.filter(|(one, other)| self.types_conflict(one, other)) else {
            return Ok(None);
        };
        let (one, other) = (self.schema.show(one), self.schema.show(other));
        Ok(Some(format!("they return conflicting types \"{one}\" and \"{other}\"")))
    }

    fn same_arguments(&mut self, one: &'a [Argument], other: &'a [Argument]) -> Result<bool, Aborted> {
        if one.len() != other.len() {
            return Ok(false);
        }
        for argument in one {
            self.spend(1)?;
            // Of two arguments of one name the last counts.
            let twin = other.iter().rev().find(|it| it.name.text == argument.name.text);
            let Some(twin) = twin else { return Ok(false) };
            if !self.same_values(&argument.value, &twin.value)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn same_values(&mut self, one: &'a Value, other: &'a Value) -> Result<bool, Aborted> {
        let mut work = 0;
        let same = values::same(one, other, &mut work);
        self.spend(work)?;
        Ok(same)
    }

    /// Whether no answer can be of both types: leaves must be the same, lists and non-null types agree.
    fn types_conflict(&self, one: &Type, other: &Type) -> bool {
        match (one, other) {
            (Type::List(one), Type::List(other)) | (Type::NonNull(one), Type::NonNull(other)) => {
                self.types_conflict(one, other)
            }
            (Type::Named(one), Type::Named(other)) => {
                one != other && (self.schema.is_leaf(*one) || self.schema.is_leaf(*other))
            }
            _ => true,
        }
    }
}

/// The conflicts below two fields as one conflict of theirs.
fn merged<'a>(name: &'a str, one: &Field, other: &Field, conflicts: &[Conflict<'a>]) -> Conflict<'a> {
    let mut reason = String::new();
    for conflict in conflicts {
        let and = if reason.is_empty() { "" } else { " and " };
        let subfields = abbreviated(conflict.name);
        reason.push_str(&format!("{and}subfields \"{subfields}\" conflict because {}", conflict.reason));
        if reason.len() > DETAIL_MAX {
            break;
        }
    }
    Conflict {
        name,
        reason: abbreviated(&reason),
        first: places(one, conflicts.iter().map(|it| &it.first)),
        second: places(other, conflicts.iter().map(|it| &it.second)),
    }
}

/// The field's own place, then those below it; of too many, the deeper.
fn places<'n>(field: &Field, below: impl Iterator<Item = &'n Vec<Place>>) -> Vec<Place> {
    let mut places = vec![field.place()];
    for more in below {
        let room = PLACES_MAX - places.len();
        places.extend_from_slice(&more[more.len().saturating_sub(room)..]);
        if places.len() == PLACES_MAX {
            break;
        }
    }
    places
}

fn abbreviated(text: &str) -> String {
    match text.get(..DETAIL_MAX) {
        Some(beginning) if text.len() > DETAIL_MAX => format!("{beginning}..."),
        _ => text.to_owned(),
    }
}
