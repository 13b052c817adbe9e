//! Guards against operations that are small as text and endless as work.
//!
//! They run before validation and planning, whose cost can grow with the square of a selection set or
//! exponentially with fragments. Each guard is linear: in the text, or in the selections after fragments
//! are expanded, which are counted (with a memory per fragment) before anything expands them.

use super::errors::LIMIT_EXCEEDED;
use crate::{
    graphql::Error,
    language::ast::{Document, FragmentDefinition, OperationDefinition, Selection, SelectionSet},
};
use std::collections::HashMap;

/// How large an operation may be (`limits.operation.*`). What is larger is refused before it is
/// validated, with the code `OPERATION_LIMIT_EXCEEDED`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document's text. Default 128 KiB.
    pub document_bytes: usize,
    /// Lexical tokens of the document. Default 15,000.
    pub tokens: usize,
    /// Levels of fields within fields, after fragments are expanded. Default 64.
    pub depth: usize,
    /// Selections (fields, spreads, inline fragments), after fragments are expanded. Default 10,000.
    pub selections: usize,
    /// Fields with an alias, after fragments are expanded. Default 200.
    pub aliases: usize,
    /// Root fields, after fragments are expanded. Default 50.
    pub root_fields: usize,
    /// Directives in the document. Default 200.
    pub directives: usize,
    /// How often one response name may occur in a selection set, after fragments are expanded and equal
    /// fields above it are merged: each pair of them has to be compared. Default 100.
    pub same_response_name: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 128 * 1024,
            tokens: 15_000,
            depth: 64,
            selections: 10_000,
            aliases: 200,
            root_fields: 50,
            directives: 200,
            same_response_name: 100,
        }
    }
}

/// Levels of selections and values of any kind, fragments expanded: whoever walks them recurses once for each.
pub(super) const NESTING_MAX: usize = 200;

fn exceeded(what: &str, limit: usize) -> Error {
    Error::new(format!("The operation has more than {limit} {what}.")).with_code(LIMIT_EXCEEDED)
}

/// Guards that need nothing but the text. How many tokens it has is for the parser to see.
pub(super) fn check_text(text: &str, limits: &Limits) -> Result<(), Error> {
    if text.len() > limits.document_bytes {
        return Err(exceeded("bytes", limits.document_bytes));
    }
    Ok(())
}

/// Guards over all operations of a document. Fragments that contain themselves are left to validation.
pub(super) fn check(document: &Document, limits: &Limits) -> Result<(), Error> {
    let fragments: Fragments<'_> = document.fragments().map(|it| (it.name.as_str(), it)).collect();
    let mut counter =
        Counter { fragments: &fragments, known: HashMap::new(), directives: 0, has_cycle: false };
    for fragment in document.fragments() {
        counter.fragment(&fragment.name.text, 0)?;
        counter.directives += fragment.directives.len();
    }
    let mut total = Size::default();
    for operation in document.operations() {
        counter.directives += operation.directives.len();
        let size = counter.set(&operation.selection_set, 0)?;
        total.depth = total.depth.max(size.depth);
        total.selections = total.selections.saturating_add(size.selections);
        total.aliases = total.aliases.saturating_add(size.aliases);
    }
    if counter.directives > limits.directives {
        return Err(exceeded("directives", limits.directives));
    }
    if total.depth > limits.depth {
        return Err(exceeded("levels of fields", limits.depth));
    }
    if total.selections > limits.selections {
        return Err(exceeded("selections, with its fragments expanded", limits.selections));
    }
    if total.aliases > limits.aliases {
        return Err(exceeded("aliases, with its fragments expanded", limits.aliases));
    }
    if counter.has_cycle {
        return Ok(());
    }
    document.operations().try_for_each(|it| Merger { fragments: &fragments, limits }.operation(it))
}

/// The fragments of a document by name. Of two of one name the last counts; validation refuses them.
type Fragments<'a> = HashMap<&'a str, &'a FragmentDefinition>;

/// What a selection set grows to.
#[derive(Clone, Copy, Default)]
struct Size {
    /// Levels of fields.
    depth: usize,
    /// Levels of selections of any kind.
    nesting: usize,
    selections: usize,
    aliases: usize,
}

/// Counts without expanding: the size of each fragment is worked out once.
struct Counter<'a> {
    fragments: &'a Fragments<'a>,
    /// `None` while a fragment is being counted: meeting it again then is a cycle.
    known: HashMap<&'a str, Option<Size>>,
    directives: usize,
    has_cycle: bool,
}

impl<'a> Counter<'a> {
    fn set(&mut self, set: &'a SelectionSet, level: usize) -> Result<Size, Error> {
        if level > NESTING_MAX {
            return Err(exceeded("levels of fields and fragments", NESTING_MAX));
        }
        let mut total = Size::default();
        for item in &set.items {
            let (inner, own_depth, is_alias) = match item {
                Selection::Field(it) => {
                    self.directives += it.directives.len();
                    let below = it.selection_set.as_ref().map(|it| self.set(it, level + 1)).transpose()?;
                    (below.unwrap_or_default(), 1, it.alias.is_some())
                }
                Selection::InlineFragment(it) => {
                    self.directives += it.directives.len();
                    (self.set(&it.selection_set, level + 1)?, 0, false)
                }
                Selection::FragmentSpread(it) => {
                    self.directives += it.directives.len();
                    (self.fragment(&it.name.text, level + 1)?, 0, false)
                }
            };
            total.depth = total.depth.max(inner.depth + own_depth);
            total.nesting = total.nesting.max(inner.nesting + 1);
            total.selections = total.selections.saturating_add(inner.selections).saturating_add(1);
            total.aliases = total.aliases.saturating_add(inner.aliases).saturating_add(usize::from(is_alias));
        }
        Ok(total)
    }

    fn fragment(&mut self, name: &str, level: usize) -> Result<Size, Error> {
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            // Validation names fragments that do not exist.
            return Ok(Size::default());
        };
        match self.known.get(name) {
            Some(Some(size)) if size.nesting + level > NESTING_MAX => {
                return Err(exceeded("levels of fields and fragments", NESTING_MAX));
            }
            Some(Some(size)) => return Ok(*size),
            Some(None) => {
                self.has_cycle = true;
                return Ok(Size::default());
            }
            None => {}
        }
        self.known.insert(name, None);
        let size = self.set(&fragment.selection_set, level)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }
}

/// Expands, merges and counts response names. By now the expanded size is known to be bounded.
struct Merger<'a> {
    fragments: &'a Fragments<'a>,
    limits: &'a Limits,
}

/// Response names of a selection set, each with how often it occurs and the selections below.
type Names<'a> = HashMap<&'a str, (usize, Vec<&'a SelectionSet>)>;

impl<'a> Merger<'a> {
    fn operation(&self, operation: &'a OperationDefinition) -> Result<(), Error> {
        let names = self.names(&[&operation.selection_set]);
        if names.values().map(|(count, _)| count).sum::<usize>() > self.limits.root_fields {
            return Err(exceeded("root fields", self.limits.root_fields));
        }
        self.check(names)
    }

    fn check(&self, names: Names<'a>) -> Result<(), Error> {
        for (name, (count, sets)) in names {
            if count > self.limits.same_response_name {
                let what = format!("fields that answer under the name \"{name}\" in one place");
                return Err(exceeded(&what, self.limits.same_response_name));
            }
            self.check(self.names(&sets))?;
        }
        Ok(())
    }

    /// The response names of merged selection sets.
    fn names(&self, sets: &[&'a SelectionSet]) -> Names<'a> {
        let mut names = HashMap::new();
        sets.iter().for_each(|it| self.add(it, &mut names));
        names
    }

    fn add(&self, set: &'a SelectionSet, names: &mut Names<'a>) {
        for item in &set.items {
            match item {
                Selection::Field(it) => {
                    let (count, sets) = names.entry(it.response_name().as_str()).or_default();
                    *count += 1;
                    sets.extend(it.selection_set.as_ref());
                }
                Selection::InlineFragment(it) => self.add(&it.selection_set, names),
                Selection::FragmentSpread(it) => {
                    if let Some(fragment) = self.fragments.get(it.name.as_str()) {
                        self.add(&fragment.selection_set, names);
                    }
                }
            }
        }
    }
}
