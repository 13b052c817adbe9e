//! Who listens to what: subjects and patterns, found by the tokens of a message's subject.
//!
//! The cost of a look-up follows from the number of tokens and of wildcards on the way, not from the number of
//! listeners.

use crate::sources::Ticket;
use smallvec::SmallVec;
use std::collections::HashMap;

/// A node stands for the tokens on the way to it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// By the next token, `*` among them.
    next: HashMap<Box<str>, Self>,
    /// Whose pattern ends here.
    here: SmallVec<[Ticket; 1]>,
    /// Whose pattern goes on with `>`.
    rest: SmallVec<[Ticket; 1]>,
}

impl Tree {
    /// Adds a well-formed pattern.
    pub(super) fn insert(&mut self, pattern: &str, ticket: Ticket) {
        let mut node = self;
        for token in pattern.split('.') {
            if token == ">" {
                return node.rest.push(ticket);
            }
            if !node.next.contains_key(token) {
                node.next.insert(token.into(), Self::default());
            }
            node = node.next.get_mut(token).expect("just put there");
        }
        node.here.push(ticket);
    }

    /// Takes a pattern out again, and with it what only it needed.
    pub(super) fn remove(&mut self, pattern: &str, ticket: Ticket) {
        let (token, rest) = match pattern.split_once('.') {
            Some((token, rest)) => (token, Some(rest)),
            None => (pattern, None),
        };
        if token == ">" {
            return self.rest.retain(|it| *it != ticket);
        }
        let Some(node) = self.next.get_mut(token) else { return };
        match rest {
            Some(rest) => node.remove(rest, ticket),
            None => node.here.retain(|it| *it != ticket),
        }
        if node.next.is_empty() && node.here.is_empty() && node.rest.is_empty() {
            self.next.remove(token);
        }
    }

    /// Everyone a literal subject is for; whoever has several patterns that match may come several times.
    pub(super) fn find(&self, subject: &str, found: &mut SmallVec<[Ticket; 8]>) {
        found.extend_from_slice(&self.rest);
        let (token, rest) = match subject.split_once('.') {
            Some((token, rest)) => (token, Some(rest)),
            None => (subject, None),
        };
        for node in [self.next.get(token), self.next.get("*")].into_iter().flatten() {
            match rest {
                Some(rest) => node.find(rest, found),
                None => found.extend_from_slice(&node.here),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::subject::matches;

    fn find(tree: &Tree, subject: &str) -> Vec<u64> {
        let mut found = SmallVec::new();
        tree.find(subject, &mut found);
        let mut found: Vec<u64> = found.iter().map(|it| it.0).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Against asking each pattern, over all combinations of few tokens.
    #[test]
    fn it_finds_whom_each_pattern_alone_would_find() {
        let tokens = ["a", "b", "*"];
        let mut patterns = vec![">".to_owned()];
        for first in tokens {
            patterns.extend([first.to_owned(), format!("{first}.>")]);
            for second in tokens {
                patterns.push(format!("{first}.{second}"));
                patterns.push(format!("{first}.{second}.>"));
                patterns.extend(tokens.map(|third| format!("{first}.{second}.{third}")));
            }
        }
        let mut tree = Tree::default();
        let mut there: Vec<(u64, &String)> = (0..).zip(&patterns).collect();
        there.iter().for_each(|(n, it)| tree.insert(it, Ticket(*n)));
        while !there.is_empty() {
            for subject in ["a", "b", "c", "a.b", "a.c", "b.a.a", "b.c.a", "a.b.c.d", "c.c.c"] {
                let expected: Vec<u64> =
                    there.iter().filter(|(_, it)| matches(it, subject)).map(|(n, _)| *n).collect();
                assert_eq!(find(&tree, subject), expected, "{subject}");
            }
            let (n, gone) = there.remove(there.len() / 2);
            tree.remove(gone, Ticket(n));
        }
        assert!(tree.next.is_empty() && tree.rest.is_empty(), "nothing is left behind");
    }

    #[test]
    fn many_may_share_a_pattern() {
        let mut tree = Tree::default();
        tree.insert("a.*", Ticket(1));
        tree.insert("a.*", Ticket(2));
        tree.remove("a.*", Ticket(1));
        tree.remove("a.never.there", Ticket(1));
        assert_eq!(find(&tree, "a.x"), [2]);
    }
}
