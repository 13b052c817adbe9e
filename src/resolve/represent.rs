//! Representations: what a subgraph is told about the entities it shall complete.
//!
//! Equal representations are sent once; which object gets which answer is remembered.

use super::{paths, rewrite};
use crate::{
    graphql::json::{Document, Kind, NodeId, write_string},
    plan::{PathSegment, RequiresItem, Rewrite},
};
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
    ops::Range,
};

/// A list of representations under construction, then in use.
pub(super) struct Representations {
    json: Vec<u8>,
    items: Vec<Range<usize>>,
    /// Items by the hash of their bytes, which are compared in full.
    by_hash: HashMap<u64, SmallVec<[u32; 1]>, RandomState>,
    /// Objects to complete, each with the number of its representation.
    pub(super) targets: Vec<(NodeId, u32)>,
    /// Objects that have no representation, each with the field that is missing.
    pub(super) missing: Vec<(NodeId, String)>,
}

/// How an object becomes a representation.
#[derive(Clone, Copy)]
pub(super) struct Recipe<'a> {
    pub(super) requires: &'a [RequiresItem],
    pub(super) input_rewrites: &'a [Rewrite],
}

/// A field that the representation needs is not there: an earlier fetch did not bring it. Its name, behind those of
/// the fields around it.
struct Missing(String);

impl Representations {
    /// Gathers the objects at all `paths`.
    pub(super) fn gather<'p>(
        document: &mut Document,
        root: NodeId,
        paths: impl IntoIterator<Item = &'p [PathSegment]>,
        recipe: Recipe<'_>,
    ) -> Self {
        let mut found = Vec::new();
        for path in paths {
            paths::targets(document, root, path, &mut found);
        }
        let mut all = Self {
            json: Vec::with_capacity(2 + 64 * found.len()),
            items: Vec::with_capacity(found.len()),
            by_hash: HashMap::default(),
            targets: Vec::with_capacity(found.len()),
            missing: Vec::new(),
        };
        all.json.push(b'[');
        for object in found {
            all.add(document, object, recipe);
        }
        all.json.push(b']');
        all
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The list as JSON.
    pub(super) fn json(&self) -> &[u8] {
        &self.json
    }

    fn add(&mut self, document: &mut Document, object: NodeId, recipe: Recipe<'_>) {
        let read_from = if recipe.input_rewrites.is_empty() {
            object
        } else {
            let copy = document.copy(object);
            rewrite::apply(document, copy, recipe.input_rewrites);
            copy
        };
        let before = self.json.len();
        if !self.items.is_empty() {
            self.json.push(b',');
        }
        let start = self.json.len();
        match write_entity(document, object, read_from, recipe.requires, &mut self.json) {
            Ok(true) => {}
            Ok(false) => return self.json.truncate(before),
            Err(Missing(field)) => {
                self.missing.push((object, field));
                return self.json.truncate(before);
            }
        }
        let index = self.intern(start..self.json.len(), before);
        self.targets.push((object, index));
    }

    /// The number of the item that was just written, or of the equal one before it.
    fn intern(&mut self, item: Range<usize>, before: usize) -> u32 {
        let mut hasher = self.by_hash.hasher().build_hasher();
        hasher.write(&self.json[item.clone()]);
        let same_hash = self.by_hash.entry(hasher.finish()).or_default();
        let is_twin = |it: &&u32| self.json[self.items[**it as usize].clone()] == self.json[item.clone()];
        if let Some(twin) = same_hash.iter().find(is_twin) {
            let twin = *twin;
            self.json.truncate(before);
            return twin;
        }
        let index = u32::try_from(self.items.len()).expect("fewer than 2^32 representations");
        same_hash.push(index);
        self.items.push(item);
        index
    }
}

/// Appends the representation of one entity. With rubbish appended, it has none: `false` when no condition applies,
/// an error when a needed field is missing, its type included.
///
/// What is sent comes from `read_from`. Conditions may be about the entity's own type too: for a subgraph that
/// knows only the interface, the rewritten copy has the interface's name and would pass none that names a type.
fn write_entity(
    document: &Document,
    entity: NodeId,
    read_from: NodeId,
    requires: &[RequiresItem],
    out: &mut Vec<u8>,
) -> Result<bool, Missing> {
    let typename = |of| document.get(of, "__typename").and_then(|it| document.as_str(it));
    let (own, sent) = (typename(entity), typename(read_from));
    let Some(own) = own.as_deref().or_else(|| only_type(requires)) else {
        return Err(Missing("__typename".to_owned()));
    };
    out.extend_from_slice(b"{\"__typename\":");
    write_string(sent.as_deref().unwrap_or(own), out);
    let typenames = [Some(own), sent.as_deref()];
    let mut object = Object { document, node: read_from, typenames, names: SmallVec::new() };
    let applied = object.write(requires, out)?;
    out.push(b'}');
    Ok(applied || requires.is_empty())
}

/// The type that an object without `__typename` must have, when the conditions leave just one.
fn only_type(requires: &[RequiresItem]) -> Option<&str> {
    let mut conditions = requires.iter().filter_map(|item| match item {
        RequiresItem::On { types, .. } => Some(types.only()),
        RequiresItem::Field { .. } => None,
    });
    let first = conditions.next()??;
    conditions.all(|it| it == Some(first)).then_some(first)
}

/// An object of which some members are written, each name once.
struct Object<'a> {
    document: &'a Document,
    node: NodeId,
    /// Its type, and the name that the subgraph has for it; nothing where that is not known.
    typenames: [Option<&'a str>; 2],
    names: SmallVec<[&'a str; 8]>,
}

impl<'a> Object<'a> {
    /// Appends `,"name":value` for each required field; tells whether any item applied.
    fn write(&mut self, items: &'a [RequiresItem], out: &mut Vec<u8>) -> Result<bool, Missing> {
        let mut applied = false;
        for item in items {
            match item {
                RequiresItem::Field { name, key, selection } => {
                    self.write_field(name, key, selection, out)?;
                    applied = true;
                }
                RequiresItem::On { types, selection } => {
                    let mut known = self.typenames.iter().flatten().peekable();
                    if known.peek().is_none() || known.any(|it| types.contains(it)) {
                        self.write(selection, out)?;
                        applied = true;
                    }
                }
            }
        }
        Ok(applied)
    }

    fn write_field(
        &mut self,
        name: &'a str,
        key: &str,
        selection: &[RequiresItem],
        out: &mut Vec<u8>,
    ) -> Result<(), Missing> {
        if name == "__typename" || self.names.contains(&name) {
            return Ok(());
        }
        self.names.push(name);
        let value = self.document.get(self.node, key).or_else(|| self.document.get(self.node, name));
        out.push(b',');
        write_string(name, out);
        out.push(b':');
        let value = value.ok_or_else(|| Missing(name.to_owned()))?;
        write_value(self.document, value, selection, out)
            .map_err(|Missing(below)| Missing(format!("{name}.{below}")))
    }
}

fn write_value(
    document: &Document,
    node: NodeId,
    selection: &[RequiresItem],
    out: &mut Vec<u8>,
) -> Result<(), Missing> {
    match document.kind(node) {
        Kind::Object if !selection.is_empty() => write_object(document, node, selection, out),
        Kind::Array => {
            out.push(b'[');
            for (index, item) in document.children(node).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(document, item, selection, out)?;
            }
            out.push(b']');
            Ok(())
        }
        _ => {
            document.write(node, out);
            Ok(())
        }
    }
}

/// A nested object. Its `__typename` goes along where it is known, so that lists keep their positions
/// even when no condition applies to an item.
fn write_object(
    document: &Document,
    node: NodeId,
    selection: &[RequiresItem],
    out: &mut Vec<u8>,
) -> Result<(), Missing> {
    let typename = document.get(node, "__typename").and_then(|it| document.as_str(it));
    let start = out.len();
    if let Some(name) = &typename {
        out.extend_from_slice(b",\"__typename\":");
        write_string(name, out);
    }
    let typenames = [typename.as_deref(), None];
    Object { document, node, typenames, names: SmallVec::new() }.write(selection, out)?;
    // Every member brought a comma before it; the first one becomes the brace.
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
    Ok(())
}
