//! Channels and patterns as Redis spells them: globs with `*`, `?`, `[...]`, and `\` before what is meant
//! literally.
//!
//! A destination of an event graph is such a pattern, with arguments' values escaped in it. One without a
//! wildcard is a channel like any other, and is subscribed to as one: thousands of channels cost a server
//! nothing, while every pattern is tried on every message.

use crate::plan::EventFeed;
use std::sync::Arc;

/// How the server is asked for what a destination stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) kind: Kind,
    /// The channel's name, or the pattern.
    pub(super) text: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `SUBSCRIBE`.
    Channel,
    /// `PSUBSCRIBE`.
    Pattern,
}

impl Name {
    pub(super) fn of(destination: &Arc<str>) -> Self {
        match literal(destination) {
            Some(text) if text == **destination => Self { kind: Kind::Channel, text: destination.clone() },
            Some(text) => Self { kind: Kind::Channel, text: text.into() },
            None => Self { kind: Kind::Pattern, text: destination.clone() },
        }
    }

    fn matches(&self, channel: &[u8]) -> bool {
        match self.kind {
            Kind::Channel => self.text.as_bytes() == channel,
            Kind::Pattern => matches(self.text.as_bytes(), channel),
        }
    }
}

/// The channels and patterns of one feed. They may overlap; a message belongs to the first that matches it,
/// so that it counts once.
#[derive(Clone, Debug)]
pub(super) struct NameSet {
    names: Box<[Name]>,
    overlaps: bool,
}

impl NameSet {
    pub(super) fn of(feed: &EventFeed) -> Self {
        let mut names: Vec<Name> = Vec::with_capacity(feed.destinations.len());
        for name in feed.destinations.iter().map(Name::of) {
            // `a\*` and `a[*]` are two destinations and may be one channel.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let overlaps = names.len() > 1 && names.iter().any(|it| it.kind == Kind::Pattern);
        Self { names: names.into(), overlaps }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether what arrived by this name is not a copy of what another one brings.
    pub(super) fn is_first(&self, kind: Kind, text: &[u8], channel: &[u8]) -> bool {
        let first = || self.names.iter().find(|it| it.matches(channel));
        !self.overlaps || first().is_some_and(|it| it.kind == kind && it.text.as_bytes() == text)
    }
}

/// What a pattern without wildcards stands for; `None` for one with them.
fn literal(pattern: &str) -> Option<String> {
    let mut plain = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' | '?' | '[' => return None,
            // At the end it stands for itself.
            '\\' => plain.push(rest.next().unwrap_or('\\')),
            _ => plain.push(c),
        }
    }
    Some(plain)
}

/// Whether a pattern stands for a channel, as the server sees it. Takes time in proportion to the product of
/// both lengths at worst: only the last `*` is ever gone back to.
fn matches(pattern: &[u8], channel: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, position));
            at += 1;
            continue;
        }
        match channel.get(position) {
            None if at == pattern.len() => return true,
            Some(byte) => {
                if let Some(next) = step(pattern, at, *byte) {
                    (at, position) = (next, position + 1);
                    continue;
                }
            }
            None => {}
        }
        match star {
            Some((after, from)) if from < channel.len() => {
                star = Some((after, from + 1));
                (at, position) = (after, from + 1);
            }
            _ => return false,
        }
    }
}

/// The place behind what stands for this byte at a place of the pattern.
fn step(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match pattern.get(at)? {
        b'?' => Some(at + 1),
        b'[' => class(pattern, at + 1, byte),
        b'\\' => {
            let escaped = if at + 1 < pattern.len() { at + 1 } else { at };
            (pattern[escaped] == byte).then_some(escaped + 1)
        }
        other => (*other == byte).then_some(at + 1),
    }
}

/// The place behind a class that holds this byte. One that is never closed ends with the pattern.
fn class(pattern: &[u8], start: usize, byte: u8) -> Option<usize> {
    let mut at = start;
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut found = false;
    while let Some(first) = pattern.get(at) {
        match (first, pattern.get(at + 1), pattern.get(at + 2)) {
            (b'\\', Some(escaped), _) => {
                found |= *escaped == byte;
                at += 2;
            }
            (b']', ..) => break,
            (from, Some(b'-'), Some(to)) => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                at += 3;
            }
            (only, ..) => {
                found |= *only == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some((at + 1).min(pattern.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ProviderKind;

    fn set(destinations: &[&str]) -> NameSet {
        let destinations = destinations.iter().map(|it| Arc::from(*it)).collect();
        NameSet::of(&EventFeed {
            kind: ProviderKind::Redis,
            provider: "p".into(),
            destinations,
            stream: None,
        })
    }

    #[test]
    fn only_what_has_a_wildcard_is_a_pattern() {
        for (destination, kind, text) in [
            ("a.b", Kind::Channel, "a.b"),
            ("a.]", Kind::Channel, "a.]"),
            (r"a.\*\?\[x\]\\", Kind::Channel, r"a.*?[x]\"),
            (r"a\", Kind::Channel, r"a\"),
            ("ü.ž", Kind::Channel, "ü.ž"),
            ("a.*", Kind::Pattern, "a.*"),
            (r"a.\**", Kind::Pattern, r"a.\**"),
            ("a.?", Kind::Pattern, "a.?"),
            ("a.[bc]", Kind::Pattern, "a.[bc]"),
        ] {
            assert_eq!(Name::of(&destination.into()), Name { kind, text: text.into() }, "{destination}");
        }
    }

    #[test]
    fn patterns_match_as_the_server_does_it() {
        for (pattern, channel, expected) in [
            ("a.*", "a.b.c", true),
            ("a.*", "a.", true),
            ("a.*", "a", false),
            ("*.c", "a.b.c", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("**", "", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            (r"[a\-c]x", "bx", false),
            (r"[a\-c]x", "-x", true),
            (r"[\]]", "]", true),
            (r"a.\*", "a.*", true),
            (r"a.\*", "a.b", false),
            (r"a\", r"a\", true),
            ("[ab", "a", true),
            ("[ab", "c", false),
            ("abc", "abcd", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), channel.as_bytes()), expected, "{pattern} {channel}");
        }
        let evil = format!("{}b", "*a".repeat(50));
        assert!(!matches(evil.as_bytes(), "a".repeat(10_000).as_bytes()), "and at once");
    }

    #[test]
    fn a_message_belongs_to_the_first_name_that_matches() {
        let set = set(&["a.*", "a.b", r"a.\b", "x"]);
        assert_eq!(set.len(), 3, "two ways to write one channel are one");
        assert!(set.is_first(Kind::Pattern, b"a.*", b"a.b"));
        assert!(!set.is_first(Kind::Channel, b"a.b", b"a.b"));
        assert!(set.is_first(Kind::Channel, b"x", b"x"));
    }
}
