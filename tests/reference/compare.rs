//! How the two answers to one document differ.

use crate::{
    corpus::{Answer, Case, Outcome, Refusal},
    rig::Said,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    /// One carries out what the other refuses, or does not answer.
    Accepted,
    /// The first message, names that it suggests aside.
    Message,
    /// The names that the first message suggests; outside of `dev_mode` there should be none.
    Suggestions,
    /// Where the first error is.
    Places,
    /// Messages after the first.
    Others,
    /// What is said of variables.
    Variables,
    Data,
    /// The order of lists of introspection that have none.
    Order,
    /// Those of errors.
    Paths,
    /// Which of several errors is told of one null. Fields beside one that takes their parent with it may be left.
    Causes,
    /// Nulls and errors of fields that stand side by side under several names.
    Twins,
}

/// A difference, with what either side says.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) class: Class,
    pub(crate) wanted: String,
    pub(crate) got: String,
}

fn found(class: Class, wanted: impl Into<String>, got: impl Into<String>) -> Vec<Found> {
    vec![Found { class, wanted: wanted.into(), got: got.into() }]
}

const ACCEPTED: &str = "accepted";

pub(crate) fn compare(case: &Case, said: &Said, suggests: bool) -> Vec<Found> {
    match (&case.answer, said) {
        (Answer::Done { results, twins }, Said::Done(outcomes)) => compare_results(results, outcomes, *twins),
        (Answer::Done { .. }, Said::Refused { messages, code, .. }) => {
            let class = if code == "BAD_USER_INPUT" { Class::Variables } else { Class::Accepted };
            found(class, ACCEPTED, first(messages))
        }
        (Answer::Variables(wanted), Said::Refused { messages, places, .. }) => {
            // Variables come from programs: names are suggested to nobody, `dev_mode` or not.
            let cut: Vec<&str> = wanted.messages.iter().map(|it| cut(it)).collect();
            let wanted_all = format!("{} at {:?}", cut.join(" | "), wanted.places);
            let got_all = format!("{} at {places:?}", messages.join(" | "));
            if wanted_all == got_all { Vec::new() } else { found(Class::Variables, wanted_all, got_all) }
        }
        (Answer::Variables(wanted), Said::Done(_)) => {
            found(Class::Variables, first(&wanted.messages), ACCEPTED)
        }
        (Answer::Broken, Said::Refused { .. }) => Vec::new(),
        (Answer::Broken, Said::Done(_)) => found(Class::Accepted, "broken", ACCEPTED),
        (
            Answer::Syntax(wanted) | Answer::Validation(wanted) | Answer::Request(wanted),
            Said::Refused { messages, places, .. },
        ) => compare_refusals(wanted, messages, places, suggests),
        (Answer::Syntax(it) | Answer::Validation(it) | Answer::Request(it), Said::Done(_)) => {
            found(Class::Accepted, first(&it.messages), ACCEPTED)
        }
        (_, Said::Lost(how)) => found(Class::Accepted, "an answer", how),
    }
}

fn first(messages: &[String]) -> &str {
    messages.first().map_or("", String::as_str)
}

/// A message without the names that it suggests. What every field of an object wants is no such name.
fn cut(message: &str) -> &str {
    match message.find(" Did you mean ") {
        Some(at) if !message.ends_with(" { ... }\"?") => &message[..at],
        _ => message,
    }
}

fn compare_refusals(
    wanted: &Refusal,
    messages: &[String],
    places: &[(u64, u64)],
    suggests: bool,
) -> Vec<Found> {
    let (ours, theirs) = (first(messages), first(&wanted.messages));
    if cut(ours) != cut(theirs) {
        return found(Class::Message, theirs, ours);
    }
    let mut all = Vec::new();
    let suggested = if suggests { theirs } else { cut(theirs) };
    if ours != suggested {
        all.extend(found(Class::Suggestions, suggested, ours));
    }
    if places != wanted.places {
        let told = |places: &[(u64, u64)]| format!("{theirs} at {places:?}");
        all.extend(found(Class::Places, told(&wanted.places), told(places)));
    }
    let set = |it: &[String]| it.iter().map(|it| cut(it).to_owned()).collect::<BTreeSet<_>>();
    let (ours, theirs) = (set(messages), set(&wanted.messages));
    if ours != theirs {
        let only =
            |one: &BTreeSet<String>, other| one.difference(other).cloned().collect::<Vec<_>>().join(" | ");
        all.extend(found(Class::Others, only(&theirs, &ours), only(&ours, &theirs)));
    }
    all
}

fn compare_results(wanted: &[Outcome], got: &[Outcome], twins: bool) -> Vec<Found> {
    if wanted.len() != got.len() {
        return found(Class::Data, format!("{} results", wanted.len()), format!("{} results", got.len()));
    }
    let mut all = Vec::new();
    for (wanted, got) in wanted.iter().zip(got) {
        // Numbers are written in one way once they were read.
        let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let (theirs, ours) = (read(&wanted.data), read(&got.data));
        let (their_sets, our_sets) = (sorted(&theirs), sorted(&ours));
        let are_twins = twins && differ_by_nulls(&their_sets, &our_sets);
        let (their_text, our_text) = (theirs.to_string(), ours.to_string());
        if their_text != our_text {
            let (their_sets, our_sets) = (their_sets.to_string(), our_sets.to_string());
            let class = match () {
                () if their_sets == our_sets => Class::Order,
                () if are_twins => Class::Twins,
                () => Class::Data,
            };
            all.extend(found(class, their_text, our_text));
        }
        let in_order = |paths: &[Value]| {
            let mut paths: Vec<String> = paths.iter().map(Value::to_string).collect();
            paths.sort();
            paths.join(" ")
        };
        if in_order(&got.paths) != in_order(&wanted.paths) {
            let class = match () {
                () if nulls(&theirs, &wanted.paths) == nulls(&ours, &got.paths) => Class::Causes,
                () if are_twins => Class::Twins,
                () => Class::Paths,
            };
            all.extend(found(class, in_order(&wanted.paths), in_order(&got.paths)));
        }
    }
    all
}

/// Where in the data the errors at these paths show: at the outermost null on the way.
fn nulls(data: &Value, paths: &[Value]) -> BTreeSet<String> {
    let null = |path: &Value| {
        let (mut at, mut way) = (data, Vec::new());
        for step in path.as_array().into_iter().flatten() {
            let next = match step {
                Value::String(key) => at.get(key),
                index => index.as_u64().and_then(|it| at.get(usize::try_from(it).ok()?)),
            };
            let Some(next) = next else { break };
            at = next;
            way.push(step.to_string());
        }
        way.join(".")
    };
    paths.iter().map(null).collect()
}

/// Whether nothing differs but that one side has a null where the other has a value.
fn differ_by_nulls(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Null, _) | (_, Value::Null) => true,
        (Value::Object(one), Value::Object(other)) => {
            one.keys().eq(other.keys())
                && one.values().zip(other.values()).all(|(a, b)| differ_by_nulls(a, b))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| differ_by_nulls(a, b))
        }
        _ => one == other,
    }
}

/// Data with the lists sorted that stand for sets in introspection.
fn sorted(data: &Value) -> Value {
    match data {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let mut value = sorted(value);
                if let ("types" | "directives" | "possibleTypes", Value::Array(items)) =
                    (name.as_str(), &mut value)
                {
                    items.sort_by_key(Value::to_string);
                }
                (name.clone(), value)
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
