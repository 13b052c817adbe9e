//! Subgraphs and brokers that answer with what the dice say: mostly what was asked for, with mistakes.

use crate::{
    dice::Dice,
    types::{Types, named},
    world::WORLD,
};
use bytes::Bytes;
use graphql_tools::{
    parser::{parse_query, query::Definition},
    static_graphql::query::{Document, OperationDefinition, Selection, SelectionSet, TypeCondition},
};
use http::StatusCode;
use juga::{
    graphql::InputType,
    resolve::{
        BoxFuture, BrokerError, BrokerMessage, Brokers, FetchAnswer, FetchError, FetchRequest, Subgraphs,
    },
};
use serde_json::Value;
use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    pin::pin,
    sync::{Arc, LazyLock, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Answers by script, each once, in the order in which questions come; then none is left.
pub struct Scripted(Mutex<VecDeque<Vec<u8>>>);

impl Scripted {
    /// Takes the input apart: each question has bytes of its own, so that a change to one answer leaves the
    /// others as they are.
    pub fn new(input: &[u8]) -> Arc<Self> {
        let mut parts = VecDeque::new();
        let mut rest = input;
        while let [length, after @ ..] = rest {
            let (part, after) = after.split_at(usize::from(*length).min(after.len()));
            parts.push_back(part.to_vec());
            rest = after;
        }
        Arc::new(Self(Mutex::new(parts)))
    }

    fn next(&self) -> Vec<u8> {
        self.0.lock().expect("one thread").pop_front().unwrap_or_default()
    }
}

impl Subgraphs for Scripted {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<Result<FetchAnswer, FetchError>> {
        let script = self.next();
        let mut dice = Dice::new(&script);
        let turns = dice.below(4);
        let answer = answer(&request, &mut dice);
        Box::pin(async move {
            wait(turns).await;
            answer
        })
    }
}

impl Brokers for Scripted {
    fn publish(&self, _: BrokerMessage) -> BoxFuture<Result<(), BrokerError>> {
        let script = self.next();
        let outcome =
            if script.first().is_some_and(|it| it % 4 == 3) { Err(BrokerError("no".into())) } else { Ok(()) };
        Box::pin(async move { outcome })
    }

    fn request(&self, _: BrokerMessage) -> BoxFuture<Result<Bytes, BrokerError>> {
        let script = self.next();
        let mut dice = Dice::new(&script);
        let answer = match dice.below(6) {
            0 => Err(BrokerError("no".into())),
            1 => Ok(Bytes::copy_from_slice(dice.bytes(200))),
            _ => Ok(event(&mut dice)),
        };
        Box::pin(async move { answer })
    }
}

/// An event or a broker's reply as the demo has them.
pub fn event(dice: &mut Dice<'_>) -> Bytes {
    const EVENTS: &[&str] = &[
        r#"{"__typename":"Employee","id":1}"#,
        r#"{"__typename":"Product","id":"a","tag":"b"}"#,
        r#"{"__typename":"Service","id":"a","tag":1}"#,
        r#"{"id":1,"id":2}"#,
        r#"{"__typename":"Employee"}"#,
        r#"{"__typename":null,"id":"x"}"#,
        "[]",
    ];
    if dice.one_in(3) {
        return Bytes::copy_from_slice(dice.bytes(120));
    }
    Bytes::from_static(dice.pick(EVENTS).expect("some").as_bytes())
}

fn answer(request: &FetchRequest, dice: &mut Dice<'_>) -> Result<FetchAnswer, FetchError> {
    let body = match dice.below(12) {
        0 => return Err(FetchError::Unreachable("no route".into())),
        1 => return Err(FetchError::Timeout(Duration::from_secs(1))),
        2 => return Err(FetchError::Status(503)),
        3 => Bytes::copy_from_slice(dice.bytes(250)),
        _ => made_up(request, dice),
    };
    Ok(FetchAnswer { body, headers: Arc::default(), status: StatusCode::OK })
}

/// An answer that has the form of the question.
fn made_up(request: &FetchRequest, dice: &mut Dice<'_>) -> Bytes {
    serde_json::from_slice::<serde::de::IgnoredAny>(&request.body).expect("requests are JSON");
    // Numbers that another subgraph sent may be beyond what Serde reads.
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else { return Bytes::from_static(b"{}") };
    let document = read(body["query"].as_str().expect("a request has a query"));
    let mut author =
        Author { types: &WORLD.whole, variables: &body["variables"], dice, out: String::new(), values: 0 };
    author.out.push('{');
    if author.dice.one_in(4) {
        author.errors();
        author.out.push(',');
    }
    author.out.push_str("\"data\":");
    match (author.dice.below(10), &document.definitions[..]) {
        (9, _) | (_, []) => author.anything(),
        (_, [definition, ..]) => {
            let (root, set) = operation(definition);
            author.selection(root, &[set]);
        }
    }
    author.out.push('}');
    Bytes::from(author.out)
}

fn operation<'a>(definition: &'a Definition<'static, String>) -> (&'static str, &'a SelectionSet) {
    match definition {
        Definition::Operation(OperationDefinition::Mutation(it)) => ("Mutation", &it.selection_set),
        Definition::Operation(OperationDefinition::Subscription(it)) => ("Subscription", &it.selection_set),
        Definition::Operation(OperationDefinition::Query(it)) => ("Query", &it.selection_set),
        Definition::Operation(OperationDefinition::SelectionSet(it)) => ("Query", it),
        Definition::Fragment(it) => ("Query", &it.selection_set),
    }
}

/// Documents that subgraphs are asked, read once: there are as many as the plans have.
fn read(text: &str) -> Arc<Document> {
    static READ: LazyLock<Mutex<HashMap<String, Arc<Document>>>> = LazyLock::new(Mutex::default);
    let mut read = READ.lock().expect("one thread");
    let known = read.entry(text.to_owned()).or_insert_with(|| {
        Arc::new(parse_query::<String>(text).expect("subgraphs get documents that can be read").into_static())
    });
    known.clone()
}

struct Author<'a, 'b> {
    types: &'a Types,
    variables: &'a Value,
    dice: &'a mut Dice<'b>,
    out: String,
    values: usize,
}

/// Values in one answer; lists of lists would grow without an end.
const VALUES_MAX: usize = 600;

impl<'a> Author<'a, '_> {
    fn selection(&mut self, of: &str, sets: &[&'a SelectionSet]) {
        let typename = match self.types.composite(of) {
            Some(composite) => self.dice.pick(&composite.possible).map_or(of, |it| it).to_owned(),
            None => of.to_owned(),
        };
        self.object(&typename, sets);
    }

    fn object(&mut self, typename: &str, sets: &[&'a SelectionSet]) {
        let mut fields: Vec<(&str, &str, Vec<&'a SelectionSet>)> = Vec::new();
        sets.iter().for_each(|it| self.collect(typename, it, &mut fields));
        self.out.push('{');
        let mut members = 0;
        for (key, name, below) in fields {
            // Absent, or there twice.
            let times = match self.dice.below(40) {
                38 => 0,
                39 => 2,
                _ => 1,
            };
            for _ in 0..times {
                if members > 0 {
                    self.out.push(',');
                }
                members += 1;
                self.out.push_str(&format!("{key:?}:"));
                self.field(typename, name, &below);
            }
        }
        self.out.push('}');
    }

    fn collect(
        &self,
        typename: &str,
        set: &'a SelectionSet,
        into: &mut Vec<(&'a str, &'a str, Vec<&'a SelectionSet>)>,
    ) {
        for item in &set.items {
            match item {
                Selection::Field(it) => {
                    let key = it.alias.as_deref().unwrap_or(&it.name);
                    match into.iter_mut().find(|(known, ..)| *known == key) {
                        Some((.., below)) => below.push(&it.selection_set),
                        None => into.push((key, &it.name, vec![&it.selection_set])),
                    }
                }
                Selection::InlineFragment(it) => {
                    let fits = it.type_condition.as_ref().is_none_or(|on| {
                        let TypeCondition::On(on) = on;
                        on == typename
                            || self
                                .types
                                .composite(on)
                                .is_some_and(|it| it.possible.iter().any(|it| it == typename))
                    });
                    if fits {
                        self.collect(typename, &it.selection_set, into);
                    }
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn field(&mut self, owner: &str, name: &str, below: &[&'a SelectionSet]) {
        match name {
            "__typename" if self.dice.below(30) != 29 => self.out.push_str(&format!("{owner:?}")),
            "__typename" => self.anything(),
            "_entities" => self.entities(below),
            _ => match self.types.field(owner, name) {
                Some(field) => self.value(&field.ty, below),
                None => self.anything(),
            },
        }
    }

    /// An entity for each representation, whichever variable has them, or nearly so.
    fn entities(&mut self, below: &[&'a SelectionSet]) {
        let lists = self.variables.as_object().into_iter().flat_map(|it| it.values());
        let asked: Vec<&Value> =
            lists.filter_map(Value::as_array).flatten().filter(|it| it.is_object()).collect();
        let count = match self.dice.below(20) {
            18 => asked.len() + 1,
            19 => asked.len().saturating_sub(1),
            _ => asked.len(),
        };
        self.out.push('[');
        for index in 0..count {
            if index > 0 {
                self.out.push(',');
            }
            let typename = asked.get(index).and_then(|it| it["__typename"].as_str()).unwrap_or("Employee");
            match self.dice.below(12) {
                10 => self.out.push_str("null"),
                11 => self.anything(),
                _ => self.object(typename, below),
            }
        }
        self.out.push(']');
    }

    fn value(&mut self, ty: &InputType, below: &[&'a SelectionSet]) {
        self.values += 1;
        match (ty, self.dice.below(30)) {
            (_, 28) => self.out.push_str("null"),
            (_, 29) => self.anything(),
            (InputType::NonNull(inner), _) => self.value(inner, below),
            (InputType::List(item), _) => {
                let count = if self.values > VALUES_MAX { 0 } else { self.dice.below(4) };
                self.out.push('[');
                for index in 0..count {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.value(item, below);
                }
                self.out.push(']');
            }
            (InputType::Named(name), _) if self.types.composite(name).is_some() => {
                self.selection(name, below)
            }
            (InputType::Named(_), _) => self.leaf(named(ty)),
        }
    }

    fn leaf(&mut self, name: &str) {
        let text = match name {
            "Int" => self.dice.pick(&["1", "2", "7", "-0", "1.0", "2147483648", "1e3", "1.5"]),
            "Float" => self.dice.pick(&["1.5", "1", "-0.0", "1e400", "12345678901234567890"]),
            "Boolean" => self.dice.pick(&["true", "false"]),
            "ID" => self.dice.pick(&["\"a\"", "1", "\"\\u0041\"", "123456789012345678901", "1.0"]),
            "String" => self.dice.pick(&["\"b\"", "\"\"", "\"\\ud800\"", "\"\\n\\\"\"", "\"é😀\"", "1"]),
            _ => match self.types.enum_values(name).and_then(|it| self.dice.pick(it)) {
                Some(value) => return self.out.push_str(&format!("{value:?}")),
                None => return self.anything(),
            },
        };
        self.out.push_str(text.expect("some"));
    }

    fn anything(&mut self) {
        const THINGS: &[&str] = &[
            "null",
            "{}",
            "[]",
            "1",
            "\"x\"",
            "true",
            "[null]",
            "{\"a\":{\"a\":[1,{}]},\"id\":1,\"__typename\":\"Employee\"}",
            "[[{}],{\"id\":null}]",
            "{\"a\":1,\"a\":{\"b\":2},\"a\":[3]}",
            "1e999",
        ];
        self.out.push_str(self.dice.pick(THINGS).expect("some"));
    }

    fn errors(&mut self) {
        const ERRORS: &[&str] = &[
            r#"{"message":"no"}"#,
            r#"{"message":"no","path":["_entities",0,"id"],"locations":[{"line":1,"column":2}]}"#,
            r#"{"message":"no","path":["employee","details",-1],"extensions":{"code":"X","a":[1]}}"#,
            r#"{"message":1,"path":{},"extensions":[]}"#,
            r#"{"path":["_entities",99999999999999999999]}"#,
            r#"{"message":"\ud800","path":["employees",1,"details","forename"],"extensions":{"code":null}}"#,
            "null",
            "[]",
        ];
        self.out.push_str("\"errors\":[");
        for index in 0..self.dice.below(4) {
            if index > 0 {
                self.out.push(',');
            }
            self.out.push_str(self.dice.pick(ERRORS).expect("some"));
        }
        self.out.push(']');
    }
}

/// Comes back after so many turns of whoever drives it.
async fn wait(mut turns: usize) {
    poll_fn(|context| match turns {
        0 => Poll::Ready(()),
        _ => {
            turns -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// Turns after which something that is not done hangs: no answer takes more than three.
const TURNS_MAX: usize = 1_000;

/// Drives a future that needs no runtime.
///
/// # Panics
/// When it hangs.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..TURNS_MAX {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
    panic!("the executor hangs");
}
