//! What clients ask. Every request of a scenario has an id of its own, so no two that are in flight at once are
//! equal, neither to the router nor to subgraphs: nothing can be answered for another's sake.

use serde_json::json;
use std::iter;

/// Requests of one kind.
pub struct Scenario {
    pub name: &'static str,
    /// JSON bodies.
    pub bodies: Vec<String>,
}

/// Requests of each scenario.
const REQUESTS: usize = 1_024;
/// Texts of the scenario that varies them: as many as a client with many pages has.
const OPERATIONS: usize = 200;

pub fn all() -> Vec<Scenario> {
    vec![
        repeated("one", "query One($id: ID!) { item(id: $id) { id name price maker { name } } }"),
        repeated("hop", "query Hop($id: ID!) { item(id: $id) { id name stock warehouses { city count } } }"),
        repeated(
            "list",
            "query List($after: Int!) { items(after: $after, first: 25) { id name stock warehouses { city count } } }",
        ),
        repeated(
            "10 KB",
            "query Large($after: Int!) { items(after: $after, first: 25) { id name price tags maker { name country } description } }",
        ),
        varied(),
    ]
}

fn repeated(name: &'static str, query: &str) -> Scenario {
    Scenario { name, bodies: (0..REQUESTS).map(|it| body(query, it)).collect() }
}

fn varied() -> Scenario {
    let texts: Vec<String> = (1..=OPERATIONS).map(text).collect();
    let bodies = iter::zip(0..REQUESTS, texts.iter().cycle()).map(|(it, text)| body(text, it)).collect();
    Scenario { name: "varied", bodies }
}

/// An operation of its own for each number below 512: the number's bits choose the fields.
fn text(number: usize) -> String {
    const FIELDS: [&str; 7] = [
        "name",
        "cost: price",
        "tags",
        "maker { name }",
        "maker { country }",
        "stock",
        "warehouses { city }",
    ];
    let chosen: Vec<&str> =
        FIELDS.into_iter().enumerate().filter(|(bit, _)| number >> bit & 1 == 1).map(|(_, it)| it).collect();
    let fields = chosen.join(" ");
    if number >> FIELDS.len() & 1 == 1 {
        format!(
            "query Some{number}($after: Int!) {{ items(after: $after, first: 5) {{ ...F }} }} \
             fragment F on Item {{ id {fields} }}"
        )
    } else {
        format!("query One{number}($id: ID!) {{ item(id: $id) {{ id {fields} }} }}")
    }
}

fn body(query: &str, number: usize) -> String {
    let variables = if query.contains("$after") {
        json!({ "after": number * 100 })
    } else {
        json!({ "id": number.to_string() })
    };
    json!({ "query": query, "variables": variables }).to_string()
}
