//! Which groups of a trigger an event is for, without asking each of them.
//!
//! Most rules ask that a field has one of some values. Groups with such a rule are found by the values that
//! the event has; only those without any (no rule, or one that says what must *not* be) are asked one by one.
//! What is found is a candidate: the rule itself has the last word, so values need not be kept, only their
//! hashes.

use super::{
    GroupId,
    rule::{Anchor, Condition, Constant, Verdict, normal},
};
use crate::{
    graphql::json::{Document, Kind, NodeId},
    plan::Event,
};
use foldhash::quality::RandomState;
use smallvec::SmallVec;
use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hasher},
    sync::{Arc, LazyLock},
};

/// A field of events, by its path.
type FieldPath = Arc<[Arc<str>]>;

/// The groups of one trigger.
#[derive(Default)]
pub(super) struct Matcher {
    /// Groups without a rule: every event is for them.
    everything: Vec<GroupId>,
    /// Groups whose rules have to be looked at for each event.
    asked: Vec<GroupId>,
    /// Few, as event graphs have few filters.
    fields: Vec<Field>,
    /// Groups that are found by values.
    indexed: usize,
}

/// Where a group is listed, for when it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    Everything { place: usize },
    Asked { place: usize },
    Indexed,
}

/// Groups that want a value of a field, by the value's hash.
struct Field {
    path: FieldPath,
    groups: HashMap<u64, SmallVec<[GroupId; 1]>, BuildHasherDefault<Hashed>>,
}

/// What the index says about an event.
pub(super) struct Found {
    /// In an order of their own, each once.
    pub(super) candidates: Vec<GroupId>,
    /// What the rules of all others say.
    pub(super) others: Verdict,
    /// How many those are.
    pub(super) others_count: usize,
}

impl Matcher {
    /// Lists a group. A group that another one moves for is told by [`Matcher::remove`].
    pub(super) fn insert(&mut self, id: GroupId, condition: Option<&Condition>) -> Listing {
        let Some(condition) = condition else {
            self.everything.push(id);
            return Listing::Everything { place: self.everything.len() - 1 };
        };
        let Some(anchors) = condition.anchors() else {
            self.asked.push(id);
            return Listing::Asked { place: self.asked.len() - 1 };
        };
        for Anchor { path, constants } in anchors {
            let field = self.field(path);
            for hash in constants.iter().map(hash_of_constant) {
                let groups = field.groups.entry(hash).or_default();
                // A value may stand there twice.
                if groups.last() != Some(&id) {
                    groups.push(id);
                }
            }
        }
        self.indexed += 1;
        Listing::Indexed
    }

    /// Takes a group out; gives back the one that has moved to its place, if any.
    pub(super) fn remove(
        &mut self,
        id: GroupId,
        condition: Option<&Condition>,
        listing: Listing,
    ) -> Option<GroupId> {
        let (list, place) = match listing {
            Listing::Everything { place } => (&mut self.everything, place),
            Listing::Asked { place } => (&mut self.asked, place),
            Listing::Indexed => {
                self.remove_from_index(id, condition);
                return None;
            }
        };
        list.swap_remove(place);
        list.get(place).copied()
    }

    fn remove_from_index(&mut self, id: GroupId, condition: Option<&Condition>) {
        for Anchor { path, constants } in condition.and_then(Condition::anchors).unwrap_or_default() {
            let Some(at) = self.fields.iter().position(|it| it.path == *path) else { continue };
            let groups = &mut self.fields[at].groups;
            for hash in constants.iter().map(hash_of_constant) {
                if let Some(listed) = groups.get_mut(&hash) {
                    listed.retain(|it| *it != id);
                    if listed.is_empty() {
                        groups.remove(&hash);
                    }
                }
            }
            if groups.is_empty() {
                self.fields.swap_remove(at);
            } else if groups.len() < groups.capacity() / 8 {
                groups.shrink_to_fit();
            }
        }
        self.indexed -= 1;
    }

    /// Groups that take every event.
    pub(super) fn everything(&self) -> &[GroupId] {
        &self.everything
    }

    /// Groups that have to be asked about every event.
    pub(super) fn asked(&self) -> &[GroupId] {
        &self.asked
    }

    /// Groups whose rules an event may satisfy, among those that are found by values.
    pub(super) fn find(&self, event: &Event) -> Found {
        let mut candidates = Vec::new();
        let mut others = Verdict::No;
        for field in &self.fields {
            others = others.max(field.find(event, &mut candidates));
        }
        candidates.sort_unstable();
        candidates.dedup();
        let others_count = self.indexed - candidates.len();
        Found { candidates, others, others_count }
    }

    fn field(&mut self, path: &FieldPath) -> &mut Field {
        let at = self.fields.iter().position(|it| it.path == *path).unwrap_or_else(|| {
            self.fields.push(Field { path: path.clone(), groups: HashMap::default() });
            self.fields.len() - 1
        });
        &mut self.fields[at]
    }
}

impl Field {
    /// Adds the groups that want a value which the event has; tells what those say that want another one.
    fn find(&self, event: &Event, candidates: &mut Vec<GroupId>) -> Verdict {
        match event.start_of(&self.path) {
            Some(start) => self.walk(&event.document, start, &self.path, candidates),
            None => Verdict::Undecided,
        }
    }

    /// Goes the way of the rules themselves: of a list, on the way or at the end, any item will do.
    fn walk(
        &self,
        document: &Document,
        at: NodeId,
        path: &[Arc<str>],
        candidates: &mut Vec<GroupId>,
    ) -> Verdict {
        match (document.kind(at), path) {
            (Kind::Array, _) => document
                .children(at)
                .map(|item| self.walk(document, item, path, candidates))
                .max()
                .unwrap_or(Verdict::No),
            (Kind::Object, [name, rest @ ..]) => match document.get(at, name) {
                Some(member) => self.walk(document, member, rest, candidates),
                None => Verdict::Undecided,
            },
            (Kind::Object, []) | (_, [_, ..]) => Verdict::Undecided,
            (_, []) => {
                for hash in hashes_of_value(document, at) {
                    candidates.extend(self.groups.get(&hash).into_iter().flatten());
                }
                Verdict::No
            }
        }
    }
}

/// What tells values apart that are not equal: as constants of the schema see them, by type and value, and as
/// constants from arguments do, by text.
#[derive(Hash)]
enum Value<'a> {
    Null,
    Bool(bool),
    Number { negative: bool, digits: &'a [u8], power: i64 },
    String(&'a str),
    Text(&'a [u8]),
}

impl Value<'_> {
    fn hash(&self) -> u64 {
        // Seeded, so that clients cannot choose values that collide.
        static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);
        SEED.hash_one(self)
    }
}

fn hash_of_constant(constant: &Constant) -> u64 {
    match constant {
        Constant::Null => Value::Null.hash(),
        Constant::Bool(value) => Value::Bool(*value).hash(),
        Constant::Number(number) => hash_of_number(number),
        Constant::String(text) => Value::String(text).hash(),
        Constant::Text(text) => Value::Text(text.as_bytes()).hash(),
    }
}

/// Of a scalar: by type and value, and by text where it has one.
fn hashes_of_value(document: &Document, id: NodeId) -> SmallVec<[u64; 2]> {
    let raw = || document.raw(id).unwrap_or_default();
    let typed = match document.kind(id) {
        Kind::Null => return SmallVec::from_slice(&[Value::Null.hash()]),
        Kind::Bool => Value::Bool(document.as_bool(id).unwrap_or_default()).hash(),
        Kind::Number => hash_of_number(document.as_number(id).unwrap_or_default()),
        Kind::String => {
            let text = document.as_str(id).unwrap_or_default();
            let hashes = [Value::String(&text).hash(), Value::Text(text.as_bytes()).hash()];
            return SmallVec::from_slice(&hashes);
        }
        Kind::Array | Kind::Object => return SmallVec::new(),
    };
    SmallVec::from_slice(&[typed, Value::Text(raw()).hash()])
}

fn hash_of_number(number: &str) -> u64 {
    let (negative, digits, power) = normal(number);
    Value::Number { negative, digits: &digits, power }.hash()
}

/// The keys are hashes already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "only hashes are looked up");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests;
