//! Header rules as they are configured.

use http::{HeaderName, HeaderValue};
use regex::Regex;
use std::collections::BTreeMap;

/// All rules. Empty: nothing passes.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub all: Rules,
    pub groups: Vec<Group>,
    pub subgraphs: BTreeMap<String, Rules>,
    /// Set on every answer to a client.
    pub router: Vec<(HeaderName, HeaderValue)>,
    /// Cookies that may pass when `Cookie` does; empty: all of them.
    pub cookie_whitelist: Vec<String>,
}

/// Rules for one scope, each list in its order.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub request: Vec<RequestRule>,
    pub response: Vec<ResponseRule>,
}

/// Rules for several subgraphs: those of a list and those whose names a pattern picks.
#[derive(Clone, Debug)]
pub struct Group {
    pub subgraphs: Vec<String>,
    pub matching: Option<Pattern>,
    pub rules: Rules,
}

/// What happens to a header on its way to a subgraph.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestRule {
    /// The client's headers that match, under another name where one is given.
    Propagate {
        matcher: Matcher,
        rename: Option<HeaderName>,
        default: Option<HeaderValue>,
    },
    Set {
        name: HeaderName,
        value: HeaderValue,
    },
}

/// What happens to a header on its way back to the client.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseRule {
    Propagate {
        matcher: Matcher,
        rename: Option<HeaderName>,
        default: Option<HeaderValue>,
        algorithm: Algorithm,
    },
    /// Puts a header into the subgraph's answer, for the rules behind this one.
    Set { name: HeaderName, value: HeaderValue },
}

/// How the answers of several subgraphs come to one header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    FirstWrite,
    LastWrite,
    /// All values, separated by commas.
    Append,
}

/// Which headers a rule is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Matcher {
    Named(HeaderName),
    Matching(Pattern),
}

/// A regular expression over names.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub regex: Regex,
    /// Picks the names that do not match.
    pub negate: bool,
}

impl Options {
    /// The scopes that apply to a subgraph, in order.
    pub(super) fn for_subgraph(&self, name: &str) -> Vec<&Rules> {
        let groups = self.groups.iter().filter(|it| it.is_for(name)).map(|it| &it.rules);
        [&self.all].into_iter().chain(groups).chain(self.subgraphs.get(name)).collect()
    }
}

impl Group {
    fn is_for(&self, subgraph: &str) -> bool {
        self.subgraphs.iter().any(|it| it == subgraph)
            || self.matching.as_ref().is_some_and(|it| it.picks(subgraph))
    }
}

impl RequestRule {
    pub(super) fn looks_at(&self, name: &HeaderName) -> bool {
        match self {
            Self::Propagate { matcher, .. } => matcher.picks(name),
            Self::Set { .. } => false,
        }
    }
}

impl Matcher {
    /// The one name it is about.
    pub(super) fn name(&self) -> Option<&HeaderName> {
        match self {
            Self::Named(name) => Some(name),
            Self::Matching(_) => None,
        }
    }

    pub(super) fn picks(&self, name: &HeaderName) -> bool {
        match self {
            Self::Named(wanted) => wanted == name,
            Self::Matching(pattern) => pattern.picks(&canonical(name)),
        }
    }
}

impl Pattern {
    fn picks(&self, name: &str) -> bool {
        self.regex.is_match(name) != self.negate
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.negate == other.negate && self.regex.as_str() == other.regex.as_str()
    }
}

/// `x-my-header` as `X-My-Header`: how people write the names that their patterns are about.
pub fn canonical(name: &HeaderName) -> String {
    let mut start = true;
    let letter = |it: char| {
        let it = if start { it.to_ascii_uppercase() } else { it };
        start = it == '-';
        it
    };
    name.as_str().chars().map(letter).collect()
}
