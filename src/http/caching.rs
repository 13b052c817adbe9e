//! `Cache-Control` of an answer: the strictest of what the subgraphs it came from said.
//!
//! Pure: the execution knows what subgraphs said, the configuration what holds for those that are silent.

use super::gateway::Kind;
use hyper::header::HeaderValue;
use std::{collections::HashMap, sync::Arc};

/// What holds for subgraphs that say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CachePolicy {
    /// For all of them; empty for nothing.
    pub value: String,
    /// By subgraph, before the one for all.
    pub subgraphs: HashMap<String, String>,
}

/// What an executed operation learnt about the life of its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    pub has_errors: bool,
    /// Every answer of a subgraph that is part of this one: its name, and its `Cache-Control` if it had one.
    pub said: Vec<(Arc<str>, Option<HeaderValue>)>,
}

impl CachePolicy {
    /// The header for an answer; `None` where nobody says anything.
    pub fn header(&self, kind: Kind, freshness: &Freshness) -> Option<HeaderValue> {
        // An error may be gone with the next try, and a mutation's answer is about one moment.
        if kind != Kind::Query || freshness.has_errors {
            return Some(HeaderValue::from_static("no-store"));
        }
        let said = freshness.said.iter().map(|(subgraph, said)| match said {
            // What cannot be read might forbid it.
            Some(said) => said.to_str().unwrap_or("no-store"),
            None => self.subgraphs.get(&**subgraph).unwrap_or(&self.value).as_str(),
        });
        HeaderValue::from_str(&strictest(said)?).ok()
    }
}

/// The strictest of several `Cache-Control` values. One that is empty knows nothing of its answer, so then there
/// is no age up to which the whole is fresh.
pub fn strictest<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let all = values.into_iter().map(Directives::parse).reduce(Directives::with)?;
    let text = all.to_string();
    (!text.is_empty()).then_some(text)
}

/// The directives that matter to more than one party; what only one subgraph's cache would know is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Directives {
    no_store: bool,
    no_cache: bool,
    private: bool,
    public: bool,
    must_revalidate: bool,
    /// Seconds.
    max_age: Option<u64>,
    /// The same for caches that many share.
    s_maxage: Option<u64>,
}

impl Directives {
    fn parse(value: &str) -> Self {
        let mut it = Self::default();
        for directive in value.split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            // An age that cannot be read is none: stale, says RFC 9111.
            let age = || Some(argument.trim().trim_matches('"').parse().unwrap_or(0));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" => it.no_store = true,
                "no-cache" => it.no_cache = true,
                "private" => it.private = true,
                "public" => it.public = true,
                "must-revalidate" | "proxy-revalidate" => it.must_revalidate = true,
                "max-age" => it.max_age = age(),
                "s-maxage" => it.s_maxage = age(),
                _ => {}
            }
        }
        it
    }

    fn with(self, other: Self) -> Self {
        let least = |one: Option<u64>, two: Option<u64>| Some(one?.min(two?));
        // Who names no age for shared caches means the same as for others.
        let shared = |it: Self| it.s_maxage.or(it.max_age);
        let names_shared = self.s_maxage.is_some() || other.s_maxage.is_some();
        Self {
            no_store: self.no_store || other.no_store,
            no_cache: self.no_cache || other.no_cache,
            private: self.private || other.private,
            public: self.public && other.public,
            must_revalidate: self.must_revalidate || other.must_revalidate,
            max_age: least(self.max_age, other.max_age),
            s_maxage: if names_shared { least(shared(self), shared(other)) } else { None },
        }
    }
}

impl std::fmt::Display for Directives {
    /// As few as say it all: `no-store` rules out everything else, and an age is nothing beside `no-cache`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.no_store {
            return out.write_str("no-store");
        }
        let age =
            |name: &str, age: Option<u64>| age.filter(|_| !self.no_cache).map(|it| format!("{name}={it}"));
        let word = |name: &str, is_on: bool| is_on.then(|| name.to_owned());
        let all = [
            word("no-cache", self.no_cache),
            age("max-age", self.max_age),
            age("s-maxage", self.s_maxage.filter(|_| !self.private)),
            word("must-revalidate", self.must_revalidate),
            word("private", self.private),
            word("public", self.public && !self.private),
        ];
        out.write_str(&all.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_wins() {
        for (values, wanted) in [
            (&["max-age=60, public", "no-store", "no-cache"][..], Some("no-store")),
            (&["max-age=60, public", "no-cache", "private, max-age=5"], Some("no-cache, private")),
            (&["max-age=60, public", "private, max-age=5"], Some("max-age=5, private")),
            (&["max-age=60, public", "Public, Max-Age=\"30\""], Some("max-age=30, public")),
            (&["max-age=60"], Some("max-age=60")),
            (&["max-age=60", "max-age=nonsense"], Some("max-age=0")),
            (&["max-age=60, must-revalidate", "max-age=90"], Some("max-age=60, must-revalidate")),
            // Shared caches are told the least of what holds for them.
            (&["max-age=60, s-maxage=600", "max-age=90"], Some("max-age=60, s-maxage=90")),
            (&["max-age=60, s-maxage=600", "max-age=90, private"], Some("max-age=60, private")),
            // One that says nothing leaves no age, and takes nothing strict away.
            (&["max-age=60, public", ""], None),
            (&["private, max-age=60", ""], Some("private")),
            (&["no-store", ""], Some("no-store")),
            (&["stale-while-revalidate=5", "immutable"], None),
            (&[], None),
        ] {
            let mut values = values.to_vec();
            assert_eq!(strictest(values.iter().copied()).as_deref(), wanted, "{values:?}");
            values.reverse();
            assert_eq!(strictest(values.iter().copied()).as_deref(), wanted, "{values:?}");
        }
    }

    fn header(policy: &CachePolicy, kind: Kind, has_errors: bool, said: &[(&str, Option<&str>)]) -> String {
        let value = |it: &str| HeaderValue::from_str(it).expect("header value");
        let said = said.iter().map(|(name, said)| ((*name).into(), said.map(value))).collect();
        let header = policy.header(kind, &Freshness { has_errors, said });
        header.map_or("none".to_owned(), |it| it.to_str().expect("text").to_owned())
    }

    #[test]
    fn silent_subgraphs_have_what_the_policy_says() {
        let none = CachePolicy::default();
        let policy = CachePolicy {
            value: "max-age=60, public".into(),
            subgraphs: HashMap::from([("b".into(), "max-age=10, public".into())]),
        };
        let query = |policy, said: &[_]| header(policy, Kind::Query, false, said);
        assert_eq!(query(&policy, &[("a", None)]), "max-age=60, public");
        assert_eq!(query(&policy, &[("a", None), ("b", None)]), "max-age=10, public");
        assert_eq!(query(&policy, &[("a", Some("no-cache")), ("b", None)]), "no-cache");
        assert_eq!(query(&policy, &[("b", Some("max-age=99, public"))]), "max-age=99, public");
        assert_eq!(query(&none, &[("a", None), ("b", Some("max-age=9"))]), "none");
        assert_eq!(query(&policy, &[]), "none");
    }

    #[test]
    fn mutations_and_errors_are_never_kept() {
        let policy = CachePolicy::default();
        let said = [("a", Some("max-age=60"))];
        assert_eq!(header(&policy, Kind::Query, false, &said), "max-age=60");
        assert_eq!(header(&policy, Kind::Query, true, &said), "no-store");
        assert_eq!(header(&policy, Kind::Mutation, false, &said), "no-store");
    }
}
