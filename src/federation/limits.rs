//! Guards against operations that are small as text and endless as work.
//!
//! They run before validation and planning, whose cost can grow with the square of a selection set or
//! exponentially with fragments. Each guard is linear: in the text, or in the selections after fragments
//! are expanded, which are counted (with a memory per fragment) before anything expands them.

use super::{
    document::{Operation, position},
    errors::{LIMIT_EXCEEDED, PARSE_FAILED, VALIDATION_FAILED},
    selection::Fragments,
};
use crate::graphql::Error;
use graphql_tools::{
    parser::{Pos, TokenKind, spanned_tokens},
    static_graphql::query::{Selection, SelectionSet},
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
    /// Levels of fields within fields, after fragments are expanded. Default 64; the parser itself stops
    /// at about 50 levels of any nesting.
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

/// Levels of selections of any kind. Fields and inline fragments are bounded by the parser, chains of
/// fragments are not, and whoever walks them recurses once for each.
const NESTING_MAX: usize = 200;

/// Digits of a number that an error repeats.
const NUMBER_SHOWN_MAX: usize = 60;

fn exceeded(what: &str, limit: usize) -> Error {
    Error::new(format!("The operation has more than {limit} {what}.")).with_code(LIMIT_EXCEEDED)
}

/// Guards that need nothing but the text. Also refuses numbers that could not be passed on as written.
pub(super) fn check_text(text: &str, limits: &Limits) -> Result<(), Error> {
    if text.len() > limits.document_bytes {
        return Err(exceeded("bytes", limits.document_bytes));
    }
    let Ok(tokens) = spanned_tokens(text) else {
        // The parser says what is wrong with the text, and where.
        return Ok(());
    };
    if tokens.len() > limits.tokens {
        return Err(exceeded("tokens", limits.tokens));
    }
    for (kind, range) in tokens {
        let literal = &text[range.clone()];
        let kept = match kind {
            TokenKind::IntValue => literal.parse::<i64>().is_ok(),
            TokenKind::FloatValue => is_exact(literal),
            _ => true,
        };
        if !kept {
            let (line, column) = position(text, range.start);
            let shown =
                literal.get(..NUMBER_SHOWN_MAX).map_or_else(|| literal.to_owned(), |it| format!("{it}…"));
            let message = format!(
                "The number {shown} cannot be written in an operation without losing digits. Send it as a variable."
            );
            return Err(Error::new(message).with_code(PARSE_FAILED).at(line, column));
        }
    }
    Ok(())
}

/// Whether a decimal number survives being read as a 64-bit float and written again.
fn is_exact(literal: &str) -> bool {
    let Ok(value) = literal.parse::<f64>() else { return false };
    let digits = significant_digits(literal);
    // Every decimal of up to 15 digits does, within the range of normal numbers.
    let in_range = value == 0.0 || value.is_normal();
    in_range
        && (digits.is_empty() || value != 0.0)
        && (digits.len() <= 15 || digits == significant_digits(&format!("{value:e}")))
}

/// The digits of a decimal number without its exponent and without zeros on either side.
fn significant_digits(literal: &str) -> String {
    let mantissa = literal.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}

/// Guards over all operations of a document.
pub(super) fn check(operations: &[Operation], fragments: &Fragments, limits: &Limits) -> Result<(), Error> {
    let mut counter = Counter { fragments, known: HashMap::new(), directives: 0 };
    for fragment in fragments.values() {
        counter.fragment(&fragment.name, fragment.position, 0)?;
    }
    counter.directives += fragments.values().map(|it| it.directives.len()).sum::<usize>();
    let mut total = Size::default();
    for operation in operations {
        counter.directives += operation.directives;
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
    operations.iter().try_for_each(|it| Merger { fragments, limits }.operation(it))
}

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
    fragments: &'a Fragments,
    /// `None` while a fragment is being counted: meeting it again then is a cycle.
    known: HashMap<&'a str, Option<Size>>,
    directives: usize,
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
                    (self.set(&it.selection_set, level + 1)?, 1, it.alias.is_some())
                }
                Selection::InlineFragment(it) => {
                    self.directives += it.directives.len();
                    (self.set(&it.selection_set, level + 1)?, 0, false)
                }
                Selection::FragmentSpread(it) => {
                    self.directives += it.directives.len();
                    (self.fragment(&it.fragment_name, it.position, level + 1)?, 0, false)
                }
            };
            total.depth = total.depth.max(inner.depth + own_depth);
            total.nesting = total.nesting.max(inner.nesting + 1);
            total.selections = total.selections.saturating_add(inner.selections).saturating_add(1);
            total.aliases = total.aliases.saturating_add(inner.aliases).saturating_add(usize::from(is_alias));
        }
        Ok(total)
    }

    fn fragment(&mut self, name: &str, spread_at: Pos, level: usize) -> Result<Size, Error> {
        let Some((name, fragment)) = self.fragments.get_key_value(name) else {
            // Validation names fragments that do not exist.
            return Ok(Size::default());
        };
        match self.known.get(name.as_str()) {
            Some(Some(size)) if size.nesting + level > NESTING_MAX => {
                return Err(exceeded("levels of fields and fragments", NESTING_MAX));
            }
            Some(Some(size)) => return Ok(*size),
            Some(None) => {
                let message = format!("Cannot spread fragment \"{name}\" within itself.");
                return Err(Error::new(message)
                    .with_code(VALIDATION_FAILED)
                    .at(spread_at.line, spread_at.column));
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
    fragments: &'a Fragments,
    limits: &'a Limits,
}

impl<'a> Merger<'a> {
    fn operation(&self, operation: &'a Operation) -> Result<(), Error> {
        let names = self.names(&[&operation.selection_set]);
        if names.values().map(Vec::len).sum::<usize>() > self.limits.root_fields {
            return Err(exceeded("root fields", self.limits.root_fields));
        }
        self.check(names)
    }

    fn check(&self, names: HashMap<&'a str, Vec<&'a SelectionSet>>) -> Result<(), Error> {
        for (name, sets) in names {
            if sets.len() > self.limits.same_response_name {
                let what = format!("fields that answer under the name \"{name}\" in one place");
                return Err(exceeded(&what, self.limits.same_response_name));
            }
            self.check(self.names(&sets))?;
        }
        Ok(())
    }

    /// The response names of merged selection sets, with the selections below each.
    fn names(&self, sets: &[&'a SelectionSet]) -> HashMap<&'a str, Vec<&'a SelectionSet>> {
        let mut names = HashMap::new();
        sets.iter().for_each(|it| self.add(it, &mut names));
        names
    }

    fn add(&self, set: &'a SelectionSet, names: &mut HashMap<&'a str, Vec<&'a SelectionSet>>) {
        for item in &set.items {
            match item {
                Selection::Field(it) => {
                    names.entry(it.alias.as_deref().unwrap_or(&it.name)).or_default().push(&it.selection_set);
                }
                Selection::InlineFragment(it) => self.add(&it.selection_set, names),
                Selection::FragmentSpread(it) => {
                    if let Some(fragment) = self.fragments.get(&it.fragment_name) {
                        self.add(&fragment.selection_set, names);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_when_no_digit_is_lost() {
        for exact in
            ["0.0", "-0.0", "0.1", "1.50", "1e3", "123456789012345.0", "0.30000000000000004", "1e300"]
        {
            assert!(is_exact(exact), "{exact}");
        }
        for inexact in ["1e400", "1e-400", "0.1234567890123456789", "9007199254740993.0", "1e-310"] {
            assert!(!is_exact(inexact), "{inexact}");
        }
    }
}
