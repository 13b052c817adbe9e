//! Which subjects a shared consumer asks for: few enough for a server, and no more than the stream has.

use crate::sources::subject::{has_wildcards, matches};
use async_nats::jetstream::consumer::pull;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Subjects that one consumer names. Beyond it siblings are asked for by what they have in common.
pub(super) const FILTERS_MAX: usize = 256;

/// The filter of a consumer: subjects and patterns, none of which covers another. Empty: the whole stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filters(BTreeSet<Arc<str>>);

impl Filters {
    /// The filter for these subjects of a stream that takes `of`.
    pub(super) fn of<'a>(wanted: impl Iterator<Item = &'a Arc<str>>, of: &[Arc<str>]) -> Self {
        let wanted: BTreeSet<Arc<str>> = wanted.cloned().collect();
        let least = without_covered(wanted);
        if least.len() <= FILTERS_MAX {
            return Self(least);
        }
        let common = without_covered(in_common(&least, of));
        if common.len() <= FILTERS_MAX { Self(common) } else { Self::default() }
    }

    pub(super) fn to_vec(&self) -> Vec<String> {
        self.0.iter().map(|it| it.to_string()).collect()
    }

    /// Whether everything that the subject stands for passes.
    pub(super) fn covers(&self, subject: &str) -> bool {
        self.0.is_empty() || self.0.contains(subject) || self.0.iter().any(|it| is_within(subject, it))
    }
}

/// Has a consumer bring these subjects; none: all of the stream.
pub(super) fn bring(config: &mut pull::Config, mut subjects: Vec<String>) {
    match subjects.len() {
        // Servers before 2.10 know of one subject only.
        1 => config.filter_subject = subjects.remove(0),
        _ => config.filter_subjects = subjects,
    }
}

/// Whether a subject or pattern stands for nothing but what the other pattern stands for.
pub(super) fn is_within(inner: &str, outer: &str) -> bool {
    // `>` matches tokens, `*` among them; `*` does not match `>`, which may stand for several.
    let inner_is_longer = inner.rsplit('.').next() == Some(">");
    match inner_is_longer {
        true => outer.strip_suffix('>').is_some_and(|stem| {
            let (outer, inner) =
                (stem.trim_end_matches('.'), inner.trim_end_matches('>').trim_end_matches('.'));
            outer.is_empty() || matches(outer, inner) || matches(&format!("{outer}.>"), inner)
        }),
        false => tokens_fit(inner, outer),
    }
}

/// Whether some subject fits both patterns.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(one), Some(other)) if one == other || one == "*" || other == "*" => {}
            _ => return false,
        }
    }
}

/// [`matches`] for patterns without `>` at the end of the inner one: a `*` fits a `*` only.
fn tokens_fit(inner: &str, outer: &str) -> bool {
    let mut wanted = outer.split('.');
    for token in inner.split('.') {
        match wanted.next() {
            Some(">") => return true,
            Some("*") => {}
            Some(other) if other == token => {}
            _ => return false,
        }
    }
    wanted.next().is_none()
}

fn without_covered(subjects: BTreeSet<Arc<str>>) -> BTreeSet<Arc<str>> {
    let patterns: Vec<Arc<str>> = subjects.iter().filter(|it| has_wildcards(it)).cloned().collect();
    let is_covered = |it: &Arc<str>| patterns.iter().any(|other| other != it && is_within(it, other));
    subjects.iter().filter(|it| !is_covered(it)).cloned().collect()
}

/// Patterns for what subjects of the same length have in common, so that none leaves the stream's subject that they
/// belong to.
fn in_common(subjects: &BTreeSet<Arc<str>>, of: &[Arc<str>]) -> BTreeSet<Arc<str>> {
    let mut siblings = BTreeMap::<(Option<usize>, usize, bool), Vec<&str>>::new();
    for subject in subjects {
        let belongs = of.iter().position(|it| is_within(subject, it));
        let family = (belongs, subject.split('.').count(), subject.ends_with('>'));
        let tokens: Vec<&str> = subject.split('.').collect();
        siblings
            .entry(family)
            .and_modify(|common| {
                for (it, other) in common.iter_mut().zip(&tokens) {
                    *it = if *it == *other { *it } else { "*" };
                }
            })
            .or_insert(tokens);
    }
    siblings.into_values().map(|it| Arc::from(it.join("."))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(wanted: &[&str], of: &[&str]) -> Vec<String> {
        let wanted: Vec<Arc<str>> = wanted.iter().map(|it| Arc::from(*it)).collect();
        let of: Vec<Arc<str>> = of.iter().map(|it| Arc::from(*it)).collect();
        Filters::of(wanted.iter(), &of).to_vec()
    }

    #[test]
    fn patterns_within_patterns() {
        for (inner, outer, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.*", true),
            ("a.*", "a.b", false),
            ("a.*", "a.*", true),
            ("a.*", "a.>", true),
            ("a.>", "a.*", false),
            ("a.>", "a.>", true),
            ("a.b.>", "a.>", true),
            ("a.*.>", "a.>", true),
            ("a.>", "a.*.>", false),
            ("a.b.>", "*.b.>", true),
            ("a.b.c.>", "*.b.>", true),
            ("a.>", ">", true),
            (">", ">", true),
            (">", "a.>", false),
            ("a", "a.>", false),
            ("a.b", ">", true),
            ("ab.>", "a.>", false),
            ("x.b", "a.>", false),
        ] {
            assert_eq!(is_within(inner, outer), expected, "{inner} within {outer}");
        }
    }

    #[test]
    fn patterns_that_have_something_in_common() {
        for (one, other, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("*.b", "a.>", true),
            ("*.b", "a.*", true),
            ("*.b", "a.c", false),
            (">", "a.b", true),
            ("a.>", "a", false),
            ("a.b.>", "a.*", false),
            ("*.b.>", "a.*.c", true),
        ] {
            assert_eq!(overlap(one, other), expected, "{one} and {other}");
            assert_eq!(overlap(other, one), expected, "{other} and {one}");
        }
    }

    #[test]
    fn what_another_covers_is_left_out() {
        assert_eq!(filters(&["a.*", "a.b", "a.b.c", "c"], &[">"]), ["a.*", "a.b.c", "c"]);
        assert_eq!(filters(&["a.>", "a.*", "a.b"], &[">"]), ["a.>"]);
        assert_eq!(filters(&["a.*", "*.b"], &[">"]), ["*.b", "a.*"], "each has what the other has not");
    }

    #[test]
    fn too_many_siblings_are_asked_for_together() {
        let mut wanted: Vec<String> = (0..300).map(|n| format!("crm.{n}.deal")).collect();
        wanted.extend((0..300).map(|n| format!("erp.{n}.x.y")));
        wanted.push("crm.all.>".into());
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        assert_eq!(
            filters(&wanted, &["crm.>", "erp.>"]),
            ["crm.*.deal", "crm.all.>", "erp.*.x.y"],
            "never more than the stream has: *.… would be refused"
        );
        let kept = Filters::of(std::iter::once(&Arc::from("crm.*.deal")), &[]);
        assert!(kept.covers("crm.7.deal") && !kept.covers("crm.7.person"));
    }

    #[test]
    fn a_stream_of_too_many_shapes_is_read_whole() {
        let wanted: Vec<String> = (1..=300).map(|n| vec!["a"; n].join(".")).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        assert!(filters(&wanted, &["a.>", "a"]).is_empty());
        assert!(Filters::default().covers("anything"));
    }
}
