//! Subjects as NATS and the memory provider spell them: tokens between dots, `*` for one token, `>` for
//! all that remain.
//!
//! Templates were rendered safely long before; this is the last look before a subject reaches a broker,
//! because a server hangs up on a malformed line and takes every other subscription of the connection
//! down with it.

use super::sink::unavailable;
use crate::{graphql, plan::EventFeed};
use std::sync::Arc;

/// Servers read a protocol line of at most 4,096 bytes by default, in which a subject appears beside an
/// inbox and numbers. Anything longer than this costs the connection.
const SUBJECT_BYTES_MAX: usize = 1024;

/// Why a string is no subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    #[error("it is longer than {SUBJECT_BYTES_MAX} bytes")]
    TooLong,
    #[error("it has an empty token")]
    EmptyToken,
    #[error("it contains a blank or control character")]
    Blank,
    #[error("it contains a wildcard where none may be")]
    Wildcard,
}

/// Checks a subject to publish to: no wildcards.
pub fn check_literal(subject: &str) -> Result<(), SubjectError> {
    check_tokens(subject, |_, token| !token.contains(['*', '>']))
}

/// Checks a subject to subscribe to: a wildcard is a whole token, `>` the last one.
pub(super) fn check_pattern(subject: &str) -> Result<(), SubjectError> {
    check_tokens(subject, |is_last, token| match token {
        "*" => true,
        ">" => is_last,
        _ => !token.contains(['*', '>']),
    })
}

fn check_tokens(subject: &str, wildcards_fit: impl Fn(bool, &str) -> bool) -> Result<(), SubjectError> {
    if subject.len() > SUBJECT_BYTES_MAX {
        return Err(SubjectError::TooLong);
    }
    if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(SubjectError::Blank);
    }
    let mut tokens = subject.split('.').peekable();
    while let Some(token) = tokens.next() {
        if token.is_empty() {
            return Err(SubjectError::EmptyToken);
        }
        if !wildcards_fit(tokens.peek().is_none(), token) {
            return Err(SubjectError::Wildcard);
        }
    }
    Ok(())
}

/// Whether a well-formed subject has wildcards.
pub(super) fn has_wildcards(subject: &str) -> bool {
    subject.contains(['*', '>'])
}

/// Whether a pattern stands for a literal subject.
pub(super) fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for wanted in pattern.split('.') {
        match (wanted, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// The subjects of one trigger. They may overlap; an event belongs to the first that matches it, so that
/// it counts once.
#[derive(Clone, Debug)]
pub(super) struct SubjectSet {
    subjects: Vec<Arc<str>>,
    overlaps: bool,
}

impl SubjectSet {
    /// Checks each subject. The caller's list is sorted and free of doubles.
    pub(super) fn new(subjects: &[Arc<str>]) -> Result<Self, (Arc<str>, SubjectError)> {
        for subject in subjects {
            check_pattern(subject).map_err(|error| (subject.clone(), error))?;
        }
        let overlaps = subjects.len() > 1 && subjects.iter().any(|it| has_wildcards(it));
        Ok(Self { subjects: subjects.to_vec(), overlaps })
    }

    /// The subjects of a feed, once more checked.
    pub(super) fn of(feed: &EventFeed) -> Result<Self, graphql::Error> {
        Self::new(&feed.destinations).map_err(|(subject, error)| {
            unavailable(format!("'{}' is not a valid subject: {error}.", subject.escape_debug()))
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.subjects.iter()
    }

    /// Whether what arrived by the subject at `index` is not a copy of what another one brings.
    pub(super) fn is_first(&self, index: usize, subject: &str) -> bool {
        !self.overlaps || !self.subjects[..index].iter().any(|it| matches(it, subject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_tokens_are_wildcards() {
        for good in ["a", "a.b", "*", "a.*.c", "a.>", ">", "ünï.1-2_3"] {
            assert_eq!(check_pattern(good), Ok(()), "{good}");
        }
        for (bad, error) in [
            ("", SubjectError::EmptyToken),
            ("a..b", SubjectError::EmptyToken),
            (".a", SubjectError::EmptyToken),
            ("a.", SubjectError::EmptyToken),
            ("a b", SubjectError::Blank),
            ("a\r\nPUB x 0", SubjectError::Blank),
            ("a.\u{0}", SubjectError::Blank),
            (">.a", SubjectError::Wildcard),
            ("a*.b", SubjectError::Wildcard),
            ("a.b>", SubjectError::Wildcard),
        ] {
            assert_eq!(check_pattern(bad), Err(error), "{bad:?}");
        }
        assert_eq!(check_pattern(&"x".repeat(1025)), Err(SubjectError::TooLong));
        assert_eq!(check_literal("a.b"), Ok(()));
        assert_eq!(check_literal("a.*"), Err(SubjectError::Wildcard));
        assert_eq!(check_literal("a.>"), Err(SubjectError::Wildcard));
    }

    #[test]
    fn patterns_match_token_by_token() {
        for (pattern, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.b", "a", false),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("*.b", "a.b", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("a.*.c", "a.b.d", false),
        ] {
            assert_eq!(matches(pattern, subject), expected, "{pattern} {subject}");
        }
    }

    #[test]
    fn an_event_belongs_to_the_first_subject_that_matches() {
        let set = SubjectSet::new(&["a.*.c".into(), "a.b.*".into(), "x".into()]).expect("valid");
        assert!(set.is_first(0, "a.b.c"));
        assert!(!set.is_first(1, "a.b.c"), "the first subject brings it already");
        assert!(set.is_first(1, "a.b.d"));
        assert!(SubjectSet::new(&["ok".into(), ">.x".into()]).is_err());
    }
}
