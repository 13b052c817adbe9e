//! The fields of selection sets by response name, gathered once for each set and type.

use super::Rules;
use crate::language::{
    ast::{Field, Selection, SelectionSet},
    schema::{FieldDefinition, TypeId},
};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// The fields of a selection set and of the inline fragments in it.
pub(super) struct Gathered<'a> {
    /// Its number.
    pub(super) id: usize,
    /// By response name, in the order of the text.
    pub(super) groups: Vec<Group<'a>>,
    /// Where a name's group is, if there are many.
    index: Option<HashMap<&'a str, usize>>,
    /// Fragments spread in it, by definition of the document, each once.
    pub(super) fragments: Vec<usize>,
}

/// Fields of one response name.
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    pub(super) first: Occurrence<'a>,
    pub(super) others: Vec<Occurrence<'a>>,
    /// Whether all are one and the same field without arguments and selections: nothing to compare among them.
    pub(super) is_plain: bool,
}

/// A field where it stands.
#[derive(Clone, Copy)]
pub(super) struct Occurrence<'a> {
    pub(super) field: &'a Field,
    pub(super) parent: Option<TypeId>,
    pub(super) definition: Option<&'a FieldDefinition>,
}

impl<'a> Occurrence<'a> {
    /// Whether both are the same field, without arguments and selections.
    fn is_plain_twin(&self, other: &Self) -> bool {
        let is_bare = |it: &Self| it.field.arguments.is_empty() && it.field.selection_set.is_none();
        let definitions = (self.definition.map(std::ptr::from_ref), other.definition.map(std::ptr::from_ref));
        is_bare(self)
            && is_bare(other)
            && definitions.0 == definitions.1
            && self.field.name.text == other.field.name.text
    }
}

impl<'a> Group<'a> {
    /// Whether no field of the one can conflict with one of the other.
    pub(super) fn agrees_plainly(&self, other: &Self) -> bool {
        self.is_plain && other.is_plain && self.first.is_plain_twin(&other.first)
    }

    pub(super) fn occurrences(&self) -> impl Iterator<Item = &Occurrence<'a>> + Clone {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl<'a> Gathered<'a> {
    /// Names among which looking costs less than a table.
    const FEW: usize = 8;

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(name).copied(),
            None => self.groups.iter().position(|it| it.name == name),
        }
    }

    fn add(&mut self, occurrence: Occurrence<'a>) {
        let name = occurrence.field.response_name().as_str();
        if let Some(at) = self.position(name) {
            let group = &mut self.groups[at];
            group.is_plain &= group.first.is_plain_twin(&occurrence);
            return group.others.push(occurrence);
        }
        let is_plain = occurrence.is_plain_twin(&occurrence);
        self.groups.push(Group { name, first: occurrence, others: Vec::new(), is_plain });
        match &mut self.index {
            Some(index) => {
                index.insert(name, self.groups.len() - 1);
            }
            None if self.groups.len() > Self::FEW => {
                self.index = Some(self.groups.iter().zip(0..).map(|(it, at)| (it.name, at)).collect());
            }
            None => {}
        }
    }
}

impl<'a> Rules<'a> {
    pub(super) fn gather_fragment(&mut self, index: usize) -> Option<Rc<Gathered<'a>>> {
        let fragment = self.context.fragment_at(index)?;
        let parent = self.schema.id(fragment.type_condition.as_str());
        Some(self.gather(&fragment.selection_set, parent))
    }

    pub(super) fn gather(&mut self, set: &'a SelectionSet, parent: Option<TypeId>) -> Rc<Gathered<'a>> {
        let key = (parent, std::ptr::from_ref(set).addr());
        if let Some(known) = self.overlap.gathered.get(&key) {
            return known.clone();
        }
        let id = self.overlap.gathered.len();
        let groups = Vec::with_capacity(set.items.len());
        let mut gathered = Gathered { id, groups, index: None, fragments: Vec::new() };
        let mut seen = HashSet::new();
        self.gather_into(&mut gathered, &mut seen, set, parent);
        let gathered = Rc::new(gathered);
        self.overlap.gathered.insert(key, gathered.clone());
        gathered
    }

    fn gather_into(
        &self,
        gathered: &mut Gathered<'a>,
        seen: &mut HashSet<usize>,
        set: &'a SelectionSet,
        parent: Option<TypeId>,
    ) {
        let fields = parent.and_then(|it| self.schema.fields(it));
        for item in &set.items {
            match item {
                Selection::Field(field) => {
                    let definition = fields.and_then(|it| it.get(field.name.as_str()));
                    gathered.add(Occurrence { field, parent, definition });
                }
                Selection::FragmentSpread(it) => {
                    let fragment = self.context.fragments.get(it.name.as_str());
                    gathered.fragments.extend(fragment.filter(|it| seen.insert(**it)));
                }
                Selection::InlineFragment(it) => {
                    let parent = match &it.type_condition {
                        Some(condition) => self.schema.id(condition.as_str()),
                        None => parent,
                    };
                    self.gather_into(gathered, seen, &it.selection_set, parent);
                }
            }
        }
    }
}
