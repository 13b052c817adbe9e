//! Rules of fields and of the names of types (GraphQL specification, sections 5.3.1, 5.3.3 and 5.5.1.2).

use super::{Rules, Step, traversal::Site};
use crate::language::{
    ast::{Field, Name, Selection},
    schema::{TypeId, TypeKind},
    suggest,
};
use std::{
    cmp::Ordering,
    collections::{HashMap, hash_map::Entry},
};

/// How far introspection has been followed.
#[derive(Default)]
pub(super) struct State<'a> {
    /// Fragments that lead to no more lists than are allowed, entered at this depth of lists.
    harmless: HashMap<&'a str, usize>,
    /// The field that was refused; what is within is refused with it.
    refused: Option<&'a Field>,
}

impl<'a> Rules<'a> {
    /// Fragment Spread Type Existence, and the same for variables.
    pub(super) fn known_type_names(&mut self, name: &'a Name) -> Step {
        if self.schema.id(name.as_str()).is_some() {
            return Ok(());
        }
        let names = self.schema.types().map(|(_, it)| it.name.as_ref());
        let suggestion = self.suggest("", name.as_str(), names);
        self.report(format!("Unknown type \"{name}\".{suggestion}"), vec![name.place])
    }

    /// Leaf Field Selections.
    pub(super) fn scalar_leafs(&mut self, it: &'a Field, site: Site<'a>) -> Step {
        let Some(ty) = site.ty else { return Ok(()) };
        let (name, shown) = (&it.name, self.schema.show(ty));
        match (&it.selection_set, self.schema.is_leaf(ty.named())) {
            (Some(set), true) => {
                let message = format!(
                    "Field \"{name}\" must not have a selection since type \"{shown}\" has no subfields."
                );
                self.report(message, vec![set.place])
            }
            (None, false) => {
                let message = format!(
                    "Field \"{name}\" of type \"{shown}\" must have a selection of subfields. Did you mean \"{name} {{ ... }}\"?"
                );
                self.report(message, vec![it.place()])
            }
            _ => Ok(()),
        }
    }

    /// Field Selections.
    pub(super) fn fields_on_correct_type(&mut self, it: &'a Field, site: Site<'a>) -> Step {
        let Some(parent) = site.parent.filter(|_| site.field.is_none()) else { return Ok(()) };
        let (name, owner) = (&it.name, self.schema.name(parent));
        let suggestion = self.suggest_field(parent, name.as_str());
        self.report(
            format!("Cannot query field \"{name}\" on type \"{owner}\".{suggestion}"),
            vec![it.place()],
        )
    }

    /// Types that have the field, or else fields of a like name.
    fn suggest_field(&self, parent: TypeId, name: &str) -> String {
        if !self.options.suggestions {
            return String::new();
        }
        let types = self.types_with_field(parent, name);
        if !types.is_empty() {
            return suggest::did_you_mean("to use an inline fragment on ", &types);
        }
        let fields = self.schema.fields(parent);
        self.suggest("", name, fields.into_iter().flatten().map(|it| it.name.as_ref()))
    }

    /// Those below an abstract type, and their interfaces, that have the field: the most common first.
    fn types_with_field(&self, parent: TypeId, name: &str) -> Vec<&'a str> {
        let schema = self.schema;
        if !schema.is_abstract(parent) {
            return Vec::new();
        }
        let has_field = |it: TypeId| schema.fields(it).is_some_and(|it| it.get(name).is_some());
        let (mut found, mut counts) = (Vec::new(), HashMap::<TypeId, usize>::new());
        let mut count = |id: TypeId| match counts.entry(id) {
            Entry::Occupied(mut it) => *it.get_mut() += 1,
            Entry::Vacant(it) => {
                it.insert(1);
                found.push(id);
            }
        };
        for object in schema.possible_types(parent).iter().filter(|it| has_field(**it)) {
            count(*object);
            if let TypeKind::Object { interfaces, .. } = &schema.definition(*object).kind {
                interfaces.iter().filter(|it| has_field(**it)).for_each(|it| count(*it));
            }
        }
        sort(&mut found, |a, b| {
            let by_count = counts[&b].cmp(&counts[&a]);
            by_count.then_with(|| self.supertype_first(a, b))
        });
        found.into_iter().map(|it| schema.name(it).as_ref()).collect()
    }

    fn supertype_first(&self, a: TypeId, b: TypeId) -> Ordering {
        if self.schema.is_subtype(b, a) {
            return Ordering::Less;
        }
        if self.schema.is_subtype(a, b) {
            return Ordering::Greater;
        }
        suggest::natural_order(self.schema.name(a), self.schema.name(b))
    }

    /// Introspection that follows lists of types within lists of types grows beyond all measure. Not of the
    /// specification; the reference implementation has it.
    pub(super) fn introspection_depth(&mut self, it: &'a Field) -> Step {
        let is_root = matches!(it.name.as_str(), "__schema" | "__type");
        if !is_root || self.fields.refused.is_some() || !self.is_too_deep(it)? {
            return Ok(());
        }
        self.fields.refused = Some(it);
        self.report("Maximum introspection depth exceeded".to_owned(), vec![it.place()])
    }

    pub(super) fn leave_introspection(&mut self, it: &'a Field) {
        if self.fields.refused.is_some_and(|refused| std::ptr::eq(refused, it)) {
            self.fields.refused = None;
        }
    }

    fn is_too_deep(&mut self, root: &'a Field) -> Result<bool, super::Aborted> {
        const LISTS_MAX: usize = 3;
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut rest: Vec<_> = root.selection_set.iter().map(|it| (it, 0)).collect();
        while let Some((set, depth)) = rest.pop() {
            for item in &set.items {
                self.spend(1)?;
                match item {
                    Selection::InlineFragment(it) => rest.push((&it.selection_set, depth)),
                    Selection::Field(it) => {
                        let depth = depth + usize::from(is_list_of_types(it));
                        if depth >= LISTS_MAX {
                            return Ok(true);
                        }
                        rest.extend(it.selection_set.iter().map(|it| (it, depth)));
                    }
                    Selection::FragmentSpread(it) => {
                        let name = it.name.as_str();
                        let known = seen.get(name).max(self.fields.harmless.get(name)).copied();
                        if known.is_none_or(|it| it < depth) {
                            seen.insert(name, depth);
                            rest.extend(self.context.fragment(name).map(|it| (&it.selection_set, depth)));
                        }
                    }
                }
            }
        }
        self.fields.harmless.extend(seen);
        Ok(false)
    }
}

/// Sorts by insertion, a first run aside, as JavaScript's engines sort so few. The order of types is none: supertypes
/// first, letters second, which can run in a circle. The library's sort may panic then, and would sort otherwise than
/// the reference implementation.
fn sort(types: &mut [TypeId], compare: impl Fn(TypeId, TypeId) -> Ordering) {
    if types.len() < 2 {
        return;
    }
    let falls = |pair: &[TypeId]| compare(pair[1], pair[0]) == Ordering::Less;
    let is_falling = falls(types);
    let run = 1 + types.windows(2).take_while(|it| falls(it) == is_falling).count();
    if is_falling {
        types[..run].reverse();
    }
    for at in run..types.len() {
        let item = types[at];
        let target = types[..at].partition_point(|it| compare(item, *it) != Ordering::Less);
        types[target..=at].rotate_right(1);
    }
}

fn is_list_of_types(field: &Field) -> bool {
    matches!(field.name.as_str(), "fields" | "interfaces" | "possibleTypes" | "inputFields")
}
