//! The index against asking every group.

use super::*;
use crate::plan::{Position, Rule, RuleConstant};
use bytes::Bytes;
use fastrand::Rng;
use std::collections::BTreeMap;

const PATHS: [&str; 4] = ["id", "by.team", "tags", "lines.sku"];
/// Some are equal, by type or by text, though they are written differently.
const SCALARS: [&str; 12] = [
    "1",
    "1.0",
    "10e-1",
    "\"1\"",
    "2",
    "\"2\"",
    "true",
    "\"true\"",
    "null",
    "\"ä\"",
    "\"\\u00e4\"",
    "9007199254740993",
];
const TEXTS: [&str; 6] = ["1", "1.0", "2", "true", "ä", "null"];

fn rule(rng: &mut Rng, depth: u32) -> Rule {
    let some = |rng: &mut Rng| (0..rng.usize(0..3)).map(|_| rule(rng, depth + 1)).collect();
    match rng.u32(0..if depth < 3 { 6 } else { 3 }) {
        3 => Rule::And(some(rng)),
        4 => Rule::Or(some(rng)),
        5 => Rule::Not(Box::new(rule(rng, depth + 1))),
        _ => {
            let path = PATHS[rng.usize(..PATHS.len())].split('.').map(Arc::from).collect();
            Rule::In { path, values: (0..rng.usize(0..4)).map(|_| constant(rng)).collect() }
        }
    }
}

fn constant(rng: &mut Rng) -> RuleConstant {
    match rng.bool() {
        true => RuleConstant::Json(Bytes::from_static(SCALARS[rng.usize(..SCALARS.len())].as_bytes())),
        false => RuleConstant::Text(TEXTS[rng.usize(..TEXTS.len())].into()),
    }
}

/// An event with some of the fields, as scalars or as lists of them.
fn event(rng: &mut Rng) -> Event {
    let value = |rng: &mut Rng| match rng.u32(0..4) {
        0 => format!("[{},{}]", SCALARS[rng.usize(..SCALARS.len())], SCALARS[rng.usize(..SCALARS.len())]),
        1 => "[]".to_owned(),
        _ => SCALARS[rng.usize(..SCALARS.len())].to_owned(),
    };
    let mut members = Vec::new();
    for (name, open, close) in
        [("id", "", ""), ("by", "{\"team\":", "}"), ("tags", "", ""), ("lines", "[{},{\"sku\":", "}]")]
    {
        if rng.u32(0..4) > 0 {
            members.push(format!("\"{name}\":{open}{}{close}", value(rng)));
        }
    }
    let mut document = Document::new();
    let root = document.parse(format!("{{{}}}", members.join(",")).into()).expect("JSON");
    Event { position: Position::single(1), document, root, labels: None }
}

/// Groups with their conditions, and the matcher that lists them.
#[derive(Default)]
struct Listed {
    matcher: Matcher,
    groups: BTreeMap<GroupId, (Option<Condition>, Listing)>,
}

impl Listed {
    fn insert(&mut self, index: u32, condition: Option<Condition>) {
        let id = GroupId { index, generation: 1 };
        let listing = self.matcher.insert(id, condition.as_ref());
        self.groups.insert(id, (condition, listing));
    }

    fn remove(&mut self, id: GroupId) {
        let (condition, listing) = self.groups.remove(&id).expect("listed");
        if let Some(moved) = self.matcher.remove(id, condition.as_ref(), listing) {
            self.groups.get_mut(&moved).expect("listed").1 = listing;
        }
    }

    fn asked_one_by_one(&self, event: &Event) -> Vec<GroupId> {
        let wants = |it: &Option<Condition>| it.as_ref().is_none_or(|it| it.verdict(event) == Verdict::Yes);
        self.groups.iter().filter(|(_, (condition, _))| wants(condition)).map(|(id, _)| *id).collect()
    }

    fn found(&self, event: &Event) -> Vec<GroupId> {
        let mut all = self.matcher.everything().to_vec();
        let asked = self.matcher.asked().iter().copied().chain(self.matcher.find(event).candidates);
        all.extend(
            asked.filter(|it| self.groups[it].0.as_ref().is_some_and(|it| it.verdict(event) == Verdict::Yes)),
        );
        all.sort_unstable();
        all
    }
}

#[test]
fn the_index_finds_whom_asking_everybody_finds() {
    for seed in 0..200 {
        let mut rng = Rng::with_seed(seed);
        let mut listed = Listed::default();
        for step in 0..200 {
            match rng.u32(0..3) {
                0 => {
                    let condition = (rng.u32(0..8) > 0).then(|| Condition::compile(&rule(&mut rng, 0)));
                    listed.insert(step, condition);
                }
                1 if !listed.groups.is_empty() => {
                    let at = rng.usize(..listed.groups.len());
                    let id = *listed.groups.keys().nth(at).expect("one of them");
                    listed.remove(id);
                }
                _ => {
                    let event = event(&mut rng);
                    assert_eq!(
                        listed.found(&event),
                        listed.asked_one_by_one(&event),
                        "seed {seed}, step {step}"
                    );
                }
            }
        }
        listed.groups.keys().copied().collect::<Vec<_>>().into_iter().for_each(|it| listed.remove(it));
        let left = &listed.matcher;
        assert!(left.everything.is_empty() && left.asked.is_empty() && left.fields.is_empty());
        assert_eq!(left.indexed, 0);
    }
}

#[test]
fn a_rule_that_names_values_is_never_asked_in_vain() {
    let mut listed = Listed::default();
    for index in 0..1000 {
        let values = vec![RuleConstant::Text(index.to_string().into())];
        let rule = Rule::In { path: ["id".into()].into(), values };
        listed.insert(index, Some(Condition::compile(&rule)));
    }
    let mut document = Document::new();
    let root = document.parse(Bytes::from_static(b"{\"id\":7}")).expect("JSON");
    let event = Event { position: Position::single(1), document, root, labels: None };
    let found = listed.matcher.find(&event);
    assert_eq!(found.candidates, [GroupId { index: 7, generation: 1 }]);
    assert_eq!((found.others, found.others_count), (Verdict::No, 999));
}
