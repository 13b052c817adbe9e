//! Counts of what was compared and how it came out, and what to tell of what nothing explains.

use crate::{
    compare::{Class, Found},
    corpus::{Answer, Case},
    differences::{DIFFERENCES, Difference},
};
use regex::Regex;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::Arc,
};

pub(crate) struct Tally {
    documents: u32,
    carried_out: u32,
    /// Of differences, explained ones included.
    by_class: BTreeMap<Class, [u32; 2]>,
    explained: BTreeMap<&'static str, u32>,
    /// Documents by kind, and those among them that nothing explains.
    by_kind: BTreeMap<String, [u32; 2]>,
    /// By class and what the answers look like without their names; data looks like nothing, and goes by kind.
    unexplained: HashMap<(Class, String, String), Group>,
    rules: Vec<Explanation>,
    names: Regex,
}

struct Group {
    documents: u32,
    kinds: BTreeSet<String>,
    /// With what either side says.
    example: (Arc<Case>, String, String),
}

struct Explanation {
    difference: &'static Difference,
    document: Regex,
    wanted: Regex,
    got: Regex,
}

impl Default for Tally {
    fn default() -> Self {
        let regex = |it: &str| Regex::new(&format!("(?s){it}")).unwrap_or_else(|error| panic!("{error}"));
        let explanation = |it: &'static Difference| Explanation {
            difference: it,
            document: regex(it.document),
            wanted: regex(it.wanted),
            got: regex(it.got),
        };
        Self {
            documents: 0,
            carried_out: 0,
            by_class: BTreeMap::new(),
            explained: BTreeMap::new(),
            by_kind: BTreeMap::new(),
            unexplained: HashMap::new(),
            rules: DIFFERENCES.iter().map(explanation).collect(),
            names: regex(r#""(?:[^"\\]|\\.)*"|\$\w+|[-\d.]+|\[[^\]]*\]|\{.*\}"#),
        }
    }
}

impl Tally {
    pub(crate) fn add(&mut self, case: Case, all: Vec<Found>) {
        self.documents += 1;
        self.carried_out += u32::from(matches!(case.answer, Answer::Done { .. }));
        let (case, mut is_unexplained) = (Arc::new(case), false);
        for found in all {
            let explanation = self.rules.iter().find(|rule| rule.explains(&case, &found));
            let counts = self.by_class.entry(found.class).or_default();
            counts[usize::from(explanation.is_some())] += 1;
            if let Some(rule) = explanation {
                *self.explained.entry(rule.difference.name).or_default() += 1;
                continue;
            }
            is_unexplained = true;
            let shape = |text: &str| match found.class {
                Class::Data | Class::Order | Class::Paths => case.kind.clone(),
                _ => self.names.replace_all(text, "_").into_owned(),
            };
            let key = (found.class, shape(&found.wanted), shape(&found.got));
            let group = self.unexplained.entry(key).or_insert_with(|| Group {
                documents: 0,
                kinds: BTreeSet::new(),
                example: (Arc::clone(&case), String::new(), String::new()),
            });
            group.documents += 1;
            group.kinds.insert(case.kind.clone());
            // The shortest document says the most.
            if group.documents == 1 || case.query.len() < group.example.0.query.len() {
                group.example = (Arc::clone(&case), found.wanted, found.got);
            }
        }
        let kind = self.by_kind.entry(case.kind.clone()).or_default();
        kind[0] += 1;
        kind[1] += u32::from(is_unexplained);
    }

    pub(crate) fn documents(&self) -> u32 {
        self.documents
    }

    /// Kinds of documents, and how many of all the reference carries out: what a run is worth.
    pub(crate) fn reach(&self) -> (usize, u32) {
        (self.by_kind.len(), self.carried_out)
    }

    pub(crate) fn has_unexplained(&self) -> bool {
        !self.unexplained.is_empty()
    }

    /// Differences by design that were not met; the rare ones count in a large corpus alone.
    pub(crate) fn idle(&self, is_large: bool) -> Vec<&'static str> {
        let expected = DIFFERENCES.iter().filter(|it| is_large || !it.is_rare).map(|it| it.name);
        expected.filter(|it| !self.explained.contains_key(it)).collect()
    }

    pub(crate) fn counts(&self) -> String {
        let (all, done) = (self.documents, self.carried_out);
        let mut text = format!("{all} documents, of which the reference carries out {done}\n");
        for (class, [unexplained, explained]) in &self.by_class {
            writeln!(text, "  {class:?}: {unexplained} unexplained, {explained} by design")
                .expect("a String");
        }
        for (kind, [documents, unexplained]) in &self.by_kind {
            writeln!(text, "  {kind}: {documents}, {unexplained} unexplained").expect("a String");
        }
        for (name, count) in &self.explained {
            writeln!(text, "  by design: {name}: {count}").expect("a String");
        }
        text
    }

    /// One example of each kind, the most frequent ones first.
    pub(crate) fn unexplained(&self, told_max: usize) -> String {
        let mut groups: Vec<_> = self.unexplained.iter().collect();
        groups.sort_by(|one, other| (other.1.documents, one.0).cmp(&(one.1.documents, other.0)));
        let mut text = format!("{} kinds of differences that nothing explains\n", groups.len());
        for ((class, ..), group) in groups.iter().take(told_max) {
            let (case, wanted, got) = &group.example;
            let kinds = group.kinds.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            writeln!(
                text,
                "\n{class:?}, {} documents ({kinds}), for instance number {} on {}:\n{}\n  sent: {}\n  \
                 reference: {}\n  router:    {}",
                group.documents, case.number, case.schema, case.query, case.body, wanted, got
            )
            .expect("a String");
        }
        text
    }
}

impl Explanation {
    fn explains(&self, case: &Case, found: &Found) -> bool {
        self.difference.classes.contains(&found.class)
            && self.document.is_match(&case.query)
            && self.wanted.is_match(&found.wanted)
            && self.got.is_match(&found.got)
    }
}
