//! A case as its file tells it: what it is about, then sections.
//!
//! ```text
//! Why there is this case.
//!
//! --- operation
//! query Q($id: ID!) { user(id: $id) { name } }
//! --- variables
//! { "id": "1" }
//! --- requests
//! users 1
//! reviews 1
//! reviews entities 2
//! reviews lacks name
//! ```
//!
//! | section | says |
//! |---|---|
//! | `operation` | the document |
//! | `name` | `operationName` |
//! | `variables` | JSON, sent as it stands |
//! | `requests` | a line each: `users 2` (how many requests; none to subgraphs that are not listed), `users entities 3` (representations in all of them), `users has TEXT`, `users lacks TEXT` (in the documents), `users sends TEXT` (in a body, byte for byte) |
//! | `misbehaviour` | a line each: `users status 500`, `users drop`, `users raw BYTES`, `users fails {"id": "1"} MESSAGE` (entities with these members) |
//! | `response` | the response by hand. Of each error the members that are given count |
//! | `response has` | lines that the response's text contains, byte for byte |
//! | `no oracle` | why the oracle cannot tell; misbehaving subgraphs are reason enough |

use crate::support::subgraph::Behaviour;
use serde_json::{Value, json};

#[derive(Debug, Default)]
pub struct Case {
    operation: String,
    name: Option<String>,
    variables: String,
    pub requests: Vec<(String, Request)>,
    pub misbehaviours: Vec<(String, Misbehaviour)>,
    pub response: Option<Value>,
    pub response_has: Vec<String>,
    no_oracle: bool,
}

/// What is said of the requests to a subgraph.
#[derive(Debug, PartialEq)]
pub enum Request {
    Count(usize),
    Entities(usize),
    Has(String),
    Lacks(String),
    Sends(String),
}

#[derive(Debug)]
pub enum Misbehaviour {
    Subgraph(Behaviour),
    Entity { like: Value, message: String },
}

impl Case {
    /// The text is what is wrong with the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut sections = text.split("\n--- ");
        if sections.next().is_none_or(|it| it.trim().is_empty()) {
            return Err("a case begins with what it is about".to_owned());
        }
        let mut case = Self { variables: "{}".to_owned(), ..Self::default() };
        let (mut has_requests, mut has_operation) = (false, false);
        for section in sections {
            let (title, body) = section.split_once('\n').unwrap_or((section, ""));
            let body = body.trim();
            match title.trim() {
                "operation" => (case.operation, has_operation) = (body.to_owned(), true),
                "name" => case.name = Some(body.to_owned()),
                "variables" => case.variables = body.to_owned(),
                "requests" => {
                    has_requests = true;
                    case.requests = lines(body, request)?;
                }
                "misbehaviour" => case.misbehaviours = lines(body, misbehaviour)?,
                "response" => case.response = Some(json_of(body)?),
                "response has" => case.response_has = body.lines().map(str::to_owned).collect(),
                "no oracle" if !body.is_empty() => case.no_oracle = true,
                other => return Err(format!("what is a section \"{other}\"?")),
            }
        }
        case.no_oracle |= !case.misbehaviours.is_empty();
        if !has_requests || !has_operation {
            return Err("a case has an operation and says which requests may be made".to_owned());
        }
        if case.no_oracle && case.response.is_none() && case.response_has.is_empty() {
            return Err("without an oracle, the response has to be given".to_owned());
        }
        Ok(case)
    }

    /// A case of which nothing is known but what the oracle says.
    pub fn at_random(operation: String, variables: &Value) -> Self {
        Self { operation, variables: variables.to_string(), ..Self::default() }
    }

    pub fn has_oracle(&self) -> bool {
        !self.no_oracle
    }

    /// The request's body, variables byte for byte.
    pub fn body(&self) -> String {
        let (query, name) = (json!(self.operation), json!(self.name));
        format!("{{\"query\":{query},\"operationName\":{name},\"variables\":{}}}", self.variables)
    }

    /// The same, read.
    pub fn request(&self) -> Value {
        serde_json::from_str(&self.body()).unwrap_or_else(|error| panic!("{}: {error}", self.variables))
    }
}

fn json_of(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
}

/// Lines that begin with a subgraph's name.
fn lines<T>(body: &str, of: fn(&str) -> Result<T, String>) -> Result<Vec<(String, T)>, String> {
    let each = |line: &str| {
        let (subgraph, rest) = line.split_once(' ').ok_or(format!("\"{line}\" says too little"))?;
        Ok((subgraph.to_owned(), of(rest.trim())?))
    };
    body.lines().filter(|it| !it.trim().is_empty() && *it != "none").map(each).collect()
}

fn request(text: &str) -> Result<Request, String> {
    let number = |it: &str| it.parse::<usize>().map_err(|_| format!("\"{text}\" says nothing of requests"));
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "entities" => number(rest).map(Request::Entities),
        "has" => Ok(Request::Has(rest.to_owned())),
        "lacks" => Ok(Request::Lacks(rest.to_owned())),
        "sends" => Ok(Request::Sends(rest.to_owned())),
        _ => number(text).map(Request::Count),
    }
}

fn misbehaviour(text: &str) -> Result<Misbehaviour, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let of_subgraph = match word {
        "drop" => Behaviour::Drop,
        "raw" => Behaviour::Raw(rest.to_owned()),
        "status" => Behaviour::Status(rest.parse().map_err(|_| format!("{rest} is no status"))?),
        "fails" => {
            let (like, message) = rest.split_once("} ").ok_or(format!("{rest} has no message"))?;
            let like = json_of(&format!("{like}}}"))?;
            return Ok(Misbehaviour::Entity { like, message: message.to_owned() });
        }
        _ => return Err(format!("\"{text}\" is no misbehaviour")),
    };
    Ok(Misbehaviour::Subgraph(of_subgraph))
}
