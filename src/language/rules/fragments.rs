//! Rules of fragments (GraphQL specification, section 5.5).

use super::{Aborted, Rules, Step, traversal::Site};
use crate::language::ast::{Definition, FragmentDefinition, FragmentSpread, InlineFragment, Name, Selection};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// Spreads in one definition.
type Spreads<'a> = Rc<[&'a FragmentSpread]>;

/// Names and spreads seen so far.
pub(super) struct State<'a> {
    names: HashMap<&'a str, &'a Name>,
    /// By definition of the document, once somebody asks.
    spreads: Vec<Option<Spreads<'a>>>,
    /// Fragments whose spreads have been followed to the end.
    followed: HashSet<&'a str>,
}

impl State<'_> {
    pub(super) fn of(definitions: usize) -> Self {
        Self { names: HashMap::new(), spreads: vec![None; definitions], followed: HashSet::new() }
    }
}

impl<'a> Rules<'a> {
    /// Fragments on Object, Interface or Union Types.
    pub(super) fn composite_inline_fragment(&mut self, it: &'a InlineFragment) -> Step {
        match &it.type_condition {
            Some(condition) => self.composite_condition("Fragment", condition),
            None => Ok(()),
        }
    }

    /// The same for named fragments.
    pub(super) fn composite_fragment(&mut self, it: &'a FragmentDefinition) -> Step {
        if self.is_composite_or_unknown(&it.type_condition) {
            return Ok(());
        }
        self.composite_condition(&format!("Fragment \"{}\"", it.name), &it.type_condition)
    }

    fn is_composite_or_unknown(&self, condition: &Name) -> bool {
        self.schema.id(condition.as_str()).is_none_or(|it| self.schema.is_composite(it))
    }

    fn composite_condition(&mut self, who: &str, condition: &'a Name) -> Step {
        if self.is_composite_or_unknown(condition) {
            return Ok(());
        }
        let message = format!("{who} cannot condition on non composite type \"{condition}\".");
        self.report(message, vec![condition.place])
    }

    /// Fragment Name Uniqueness.
    pub(super) fn unique_fragment_names(&mut self, it: &'a FragmentDefinition) -> Step {
        let first = *self.fragments.names.entry(it.name.as_str()).or_insert(&it.name);
        if std::ptr::eq(first, &it.name) {
            return Ok(());
        }
        let message = format!("There can be only one fragment named \"{}\".", it.name);
        self.report(message, vec![first.place, it.name.place])
    }

    /// Fragment Spread Target Defined.
    pub(super) fn known_fragment_names(&mut self, it: &'a FragmentSpread) -> Step {
        if self.context.fragments.contains_key(it.name.as_str()) {
            return Ok(());
        }
        self.report(format!("Unknown fragment \"{}\".", it.name), vec![it.name.place])
    }

    /// Fragment Spread Is Possible, for inline fragments.
    pub(super) fn possible_inline_fragment(&mut self, it: &'a InlineFragment, site: Site<'a>) -> Step {
        let Some((ty, parent)) = site.ty.map(|it| it.named()).zip(site.parent) else { return Ok(()) };
        if !self.schema.is_composite(ty) || self.schema.overlap(ty, parent) {
            return Ok(());
        }
        let (ty, parent) = (self.schema.name(ty), self.schema.name(parent));
        let message = format!(
            "Fragment cannot be spread here as objects of type \"{parent}\" can never be of type \"{ty}\"."
        );
        self.report(message, vec![it.place])
    }

    /// Fragment Spread Is Possible, for named fragments.
    pub(super) fn possible_fragment_spread(&mut self, it: &'a FragmentSpread, site: Site<'a>) -> Step {
        let condition = self.context.fragment(it.name.as_str()).map(|it| it.type_condition.as_str());
        let ty = condition.and_then(|it| self.schema.id(it)).filter(|it| self.schema.is_composite(*it));
        let Some((ty, parent)) = ty.zip(site.parent) else { return Ok(()) };
        if self.schema.overlap(ty, parent) {
            return Ok(());
        }
        let (ty, parent) = (self.schema.name(ty), self.schema.name(parent));
        let message = format!(
            "Fragment \"{}\" cannot be spread here as objects of type \"{parent}\" can never be of type \"{ty}\".",
            it.name
        );
        self.report(message, vec![it.place])
    }

    /// Fragment Spreads Must Not Form Cycles. Goes depth first, and on after each cycle.
    pub(super) fn no_fragment_cycles(&mut self, it: &'a FragmentDefinition) -> Step {
        let mut path: Vec<&'a FragmentSpread> = Vec::new();
        // Names of the fragments that the path leads through, with the length of the path to each.
        let mut lengths: HashMap<&'a str, usize> = HashMap::new();
        let mut stack: Vec<(&'a str, Spreads<'a>, usize)> = Vec::new();
        let mut next = Some(it);
        loop {
            if let Some(fragment) = next.take().filter(|it| self.fragments.followed.insert(it.name.as_str()))
            {
                let spreads = self.spreads_of(fragment);
                lengths.insert(fragment.name.as_str(), path.len());
                stack.push((fragment.name.as_str(), spreads, 0));
            } else {
                path.pop();
            }
            let spread = loop {
                let Some((name, spreads, at)) = stack.last_mut() else { return Ok(()) };
                if let Some(spread) = spreads.get(*at) {
                    *at += 1;
                    break *spread;
                }
                lengths.remove(name);
                stack.pop();
                path.pop();
            };
            path.push(spread);
            match lengths.get(spread.name.as_str()) {
                Some(start) => self.report_cycle(&path[*start..])?,
                None => next = self.context.fragment(spread.name.as_str()),
            }
        }
    }

    fn report_cycle(&mut self, cycle: &[&'a FragmentSpread]) -> Step {
        self.spend(cycle.len())?;
        let Some((last, before)) = cycle.split_last() else { return Ok(()) };
        let via: Vec<String> = before.iter().map(|it| format!("\"{}\"", it.name)).collect();
        let via = if via.is_empty() { String::new() } else { format!(" via {}", via.join(", ")) };
        let message = format!("Cannot spread fragment \"{}\" within itself{via}.", last.name);
        self.report(message, cycle.iter().map(|it| it.place).collect())
    }

    /// Fragments Must Be Used.
    pub(super) fn no_unused_fragments(&mut self) -> Step {
        let definitions = &self.context.document.definitions;
        if self.context.fragments.is_empty() {
            return Ok(());
        }
        let is_operation = |it: &usize| matches!(definitions[*it], Definition::Operation(_));
        let operations: Vec<usize> = (0..definitions.len()).filter(is_operation).collect();
        let used = self.referenced(&operations)?;
        let used: HashSet<&str> =
            used.iter().filter_map(|it| self.context.fragment_at(*it)).map(|it| it.name.as_str()).collect();
        for fragment in self.context.document.fragments() {
            if !used.contains(fragment.name.as_str()) {
                let message = format!("Fragment \"{}\" is never used.", fragment.name);
                self.report(message, vec![fragment.place])?;
            }
        }
        Ok(())
    }

    /// The fragments that operations lead to, as numbers among the document's definitions, breadth first.
    pub(super) fn referenced(&mut self, operations: &[usize]) -> Result<Vec<usize>, Aborted> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        if self.context.fragments.is_empty() {
            return Ok(found);
        }
        for operation in operations {
            self.add_referenced(*operation, &mut found, &mut seen)?;
        }
        let mut at = 0;
        while let Some(fragment) = found.get(at) {
            self.add_referenced(*fragment, &mut found, &mut seen)?;
            at += 1;
        }
        Ok(found)
    }

    fn add_referenced(
        &mut self,
        definition: usize,
        found: &mut Vec<usize>,
        seen: &mut HashSet<&'a str>,
    ) -> Step {
        let spreads = self.spreads_in(definition);
        self.spend(spreads.len())?;
        for spread in spreads.iter() {
            if seen.insert(spread.name.as_str()) {
                found.extend(self.context.fragments.get(spread.name.as_str()));
            }
        }
        Ok(())
    }

    /// The spreads within a fragment. Its own, where others have the same name.
    fn spreads_of(&mut self, fragment: &'a FragmentDefinition) -> Spreads<'a> {
        let known = self.context.fragments.get(fragment.name.as_str());
        match known.filter(|it| self.context.fragment_at(**it).is_some_and(|it| std::ptr::eq(it, fragment))) {
            Some(index) => self.spreads_in(*index),
            None => spreads(&fragment.selection_set),
        }
    }

    /// The spreads within a definition of the document.
    fn spreads_in(&mut self, index: usize) -> Spreads<'a> {
        let set = self.context.selection_set(index);
        let found = &mut self.fragments.spreads[index];
        found.get_or_insert_with(|| set.map_or_else(|| Rc::new([]) as Rc<[_]>, spreads)).clone()
    }
}

/// All spreads in a selection set: set by set, those that lie last first, as the reference implementation goes.
fn spreads(set: &crate::language::ast::SelectionSet) -> Spreads<'_> {
    let (mut found, mut rest) = (Vec::new(), vec![set]);
    while let Some(set) = rest.pop() {
        for item in &set.items {
            match item {
                Selection::FragmentSpread(it) => found.push(it),
                Selection::Field(it) => rest.extend(&it.selection_set),
                Selection::InlineFragment(it) => rest.push(&it.selection_set),
            }
        }
    }
    found.into()
}
