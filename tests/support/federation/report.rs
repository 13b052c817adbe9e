//! Compares what came out of a case with what was expected, and tells the difference.

use super::case::{Case, Request};
use crate::support::subgraph::Recorded;
use serde_json::{Value, json};
use std::fmt::Write;

/// What came out of a case.
pub struct Outcome<'a> {
    /// The router's answer as it came.
    pub answer: &'a str,
    /// The oracle's answer.
    pub oracle: Option<Value>,
    /// By subgraph.
    pub requests: Vec<(&'a str, Vec<Recorded>)>,
}

/// All that is not as it should be, in lines.
pub fn problems(case: &Case, outcome: &Outcome<'_>) -> Vec<String> {
    let mut problems = of_response(case, outcome);
    for (subgraph, requests) in &outcome.requests {
        let said: Vec<_> = case.requests.iter().filter(|(it, _)| it == subgraph).map(|(_, it)| it).collect();
        if !said.iter().any(|it| matches!(it, Request::Count(_))) && !requests.is_empty() {
            problems.push(format!("{subgraph}: {} requests were not expected", requests.len()));
        }
        let wrong = said.into_iter().filter(|it| !holds(it, requests));
        problems.extend(wrong.map(|it| format!("{subgraph}: {it:?} does not hold")));
    }
    problems
}

fn of_response(case: &Case, outcome: &Outcome<'_>) -> Vec<String> {
    let Ok(actual) = serde_json::from_str::<Value>(outcome.answer) else {
        return vec!["the answer is no JSON".to_owned()];
    };
    let mut problems = Vec::new();
    if let Some(expected) = &case.response {
        problems.extend(data_problem("the response", expected.get("data"), actual.get("data")));
        problems.extend(error_problems(&errors(expected), &errors(&actual)));
    }
    problems.extend(oracle_problems(outcome));
    let has_errors = |it: &Value| !errors(it).is_empty();
    if outcome.oracle.as_ref().is_some_and(has_errors) && case.response.is_none() {
        problems.push("a case with errors has its response written by hand".to_owned());
    }
    let missing = case.response_has.iter().filter(|it| !outcome.answer.contains(it.as_str()));
    problems.extend(missing.map(|it| format!("the answer does not contain {it}")));
    problems
}

/// What differs from the oracle's answer, of which the data count and whether there are errors.
fn oracle_problems(outcome: &Outcome<'_>) -> Vec<String> {
    let Some(expected) = &outcome.oracle else { return Vec::new() };
    let actual: Value = serde_json::from_str(outcome.answer).unwrap_or_default();
    let mut problems = Vec::new();
    problems.extend(data_problem("the oracle's", expected.get("data"), actual.get("data")));
    if errors(expected).is_empty() != errors(&actual).is_empty() {
        problems.push(format!("the oracle has errors {}", json!(errors(expected))));
    }
    problems
}

/// The same for operations at random. With errors, how much is null depends on what was fetched together:
/// of one object under two aliases, say.
pub fn data_problems(outcome: &Outcome<'_>) -> Vec<String> {
    let actual: Value = serde_json::from_str(outcome.answer).unwrap_or_default();
    let has_errors = |it: &Value| !errors(it).is_empty();
    match &outcome.oracle {
        Some(expected) if has_errors(expected) && has_errors(&actual) => Vec::new(),
        _ => oracle_problems(outcome),
    }
}

/// Members count in their order, so texts are compared.
fn data_problem(whose: &str, expected: Option<&Value>, actual: Option<&Value>) -> Option<String> {
    let text = |it: Option<&Value>| it.map_or_else(|| "no data".to_owned(), Value::to_string);
    let (expected, actual) = (text(expected), text(actual));
    (expected != actual).then(|| format!("{whose} data: {expected}\n  but was: {actual}"))
}

fn errors(response: &Value) -> Vec<Value> {
    response["errors"].as_array().cloned().unwrap_or_default()
}

/// Each expected error fits one that came, in whichever order.
fn error_problems(expected: &[Value], actual: &[Value]) -> Vec<String> {
    let mut left = actual.to_vec();
    let mut problems = Vec::new();
    for it in expected {
        match left.iter().position(|actual| fits(it, actual)) {
            Some(at) => drop(left.remove(at)),
            None => problems.push(format!("there is no error {it}")),
        }
    }
    problems.extend(left.iter().map(|it| format!("there is an error too many: {it}")));
    problems
}

/// Whether an object has the members that are expected of it; other values are equal.
fn fits(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            expected.iter().all(|(name, it)| actual.get(name).is_some_and(|actual| fits(it, actual)))
        }
        _ => expected == actual,
    }
}

fn holds(said: &Request, requests: &[Recorded]) -> bool {
    match said {
        Request::Count(count) => requests.len() == *count,
        Request::Entities(count) => requests.iter().map(entities).sum::<usize>() == *count,
        Request::Has(text) => requests.iter().any(|it| it.query().contains(text)),
        Request::Lacks(text) => !requests.iter().any(|it| it.query().contains(text)),
        Request::Sends(text) => requests.iter().any(|it| String::from_utf8_lossy(&it.bytes).contains(text)),
    }
}

/// How many representations a request has, under whatever names.
fn entities(request: &Recorded) -> usize {
    let variables = request.body["variables"].as_object();
    let lists = variables.into_iter().flat_map(|it| it.values()).filter_map(Value::as_array);
    lists.flatten().filter(|it| it.get("__typename").is_some()).count()
}

impl Outcome<'_> {
    /// Everything that whoever looks for the mistake wants to see.
    pub fn describe(&self, case: &Case) -> String {
        let mut text = format!("  asked: {}\n  answer: {}", case.body(), self.answer);
        for (subgraph, requests) in &self.requests {
            for it in requests {
                let _ = write!(text, "\n  {subgraph}: {} {}", it.query(), it.body["variables"]);
            }
        }
        text
    }
}
