//! Subgraphs and brokers that answer with what the dice say: mostly what was asked for, with mistakes.

use crate::{
    dice::Dice,
    judge, subgraphs,
    types::{Types, named},
    world::WORLD,
};
use bytes::Bytes;
use graphql_tools::{
    parser::query::Definition,
    static_graphql::query::{
        self, Document, Field, OperationDefinition, Selection, SelectionSet, TypeCondition,
    },
};
use http::StatusCode;
use juga::{
    graphql::{InputType, json},
    plan::{BoundOperation, Event, FeedField, Position, SubgraphId},
    resolve::{
        BoxFuture, BrokerError, BrokerMessage, Brokers, FetchAnswer, FetchError, FetchRequest, Subgraphs,
    },
};
use serde_json::Value;
use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
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
        let outcome = if script.first().is_some_and(|it| it % 4 == 3) {
            Err(BrokerError::Failed("no".into()))
        } else {
            Ok(())
        };
        Box::pin(async move { outcome })
    }

    fn request(&self, _: BrokerMessage) -> BoxFuture<Result<Bytes, BrokerError>> {
        let script = self.next();
        let mut dice = Dice::new(&script);
        let answer = match dice.below(6) {
            0 => Err(BrokerError::Failed("no".into())),
            1 => Ok(Bytes::copy_from_slice(dice.bytes(200))),
            _ => Ok(event(&mut dice)),
        };
        Box::pin(async move { answer })
    }
}

/// Subgraphs and brokers that answer as they should, with something for everything that may not be null and
/// for most of what may.
pub struct Honest {
    bytes: Vec<u8>,
    asked: AtomicUsize,
}

impl Honest {
    pub fn new(bytes: &[u8]) -> Arc<Self> {
        Arc::new(Self { bytes: bytes.to_vec(), asked: AtomicUsize::new(0) })
    }

    /// What a subgraph says to a document.
    fn answer(&self, subgraph: SubgraphId, document: &str, variables: &Value) -> Bytes {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        // Other bytes for each question.
        let script = [&self.bytes[number % (self.bytes.len() + 1)..], &self.bytes[..]].concat();
        let mut dice = Dice::new(&script);
        let document = read(document);
        let mut author =
            Author::new(subgraphs::types(usize::from(subgraph.0)), &document, variables, &mut dice);
        author.out.push_str("{\"data\":");
        if let Some(definition) = document.definitions.first() {
            let (root, set) = operation(definition);
            author.selection(root, &[set]);
        }
        author.out.push('}');
        if judge::shows() {
            eprintln!("{subgraph:?} {document} {variables}: {}", author.out);
        }
        Bytes::from(author.out)
    }

    /// An event that a subscription waits for.
    pub fn event(&self, feed: &FeedField, bound: &BoundOperation) -> Event {
        let payload = match feed {
            FeedField::Upstream(it) => {
                let mut variables = Vec::new();
                it.request.write_variables(&bound.variables, &mut variables);
                let variables = serde_json::from_slice(&variables).unwrap_or_default();
                self.answer(it.request.subgraph, &it.request.document, &variables)
            }
            FeedField::Event(it) => entity(it.possible.iter().next().map_or("Employee", |it| it)),
        };
        let mut document = json::Document::new();
        let root = document.parse(payload).expect("JSON");
        Event { position: Position::default(), document, root, labels: None }
    }
}

/// Every entity of the event graph is told by these.
fn entity(typename: &str) -> Bytes {
    format!(r#"{{"__typename":{typename:?},"id":1,"tag":"b"}}"#).into()
}

impl Subgraphs for Honest {
    fn fetch(&self, request: FetchRequest) -> BoxFuture<Result<FetchAnswer, FetchError>> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let body = self.answer(request.subgraph, query(&body), &body["variables"]);
        Box::pin(async move { Ok(FetchAnswer { body, headers: Arc::default(), status: StatusCode::OK }) })
    }
}

impl Brokers for Honest {
    fn publish(&self, _: BrokerMessage) -> BoxFuture<Result<(), BrokerError>> {
        Box::pin(async { Ok(()) })
    }

    fn request(&self, _: BrokerMessage) -> BoxFuture<Result<Bytes, BrokerError>> {
        Box::pin(async { Ok(entity("Employee")) })
    }
}

fn query(body: &Value) -> &str {
    body["query"].as_str().expect("a request has a query")
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
    let mut author = Author::new(&WORLD.whole, &document, &body["variables"], dice);
    author.errs = true;
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
        Arc::new(subgraphs::read(text).expect("subgraphs get documents that can be read"))
    });
    known.clone()
}

/// A field under a response key, and all that is asked below it.
struct Asked<'a> {
    key: &'a str,
    field: &'a Field,
    below: Vec<&'a SelectionSet>,
}

struct Author<'a, 'b> {
    types: &'a Types,
    document: &'a Document,
    variables: &'a Value,
    dice: &'a mut Dice<'b>,
    out: String,
    values: usize,
    /// Whether mistakes are made.
    errs: bool,
}

/// Values in one answer; lists of lists would grow without an end.
const VALUES_MAX: usize = 600;

impl<'a, 'b> Author<'a, 'b> {
    fn new(types: &'a Types, document: &'a Document, variables: &'a Value, dice: &'a mut Dice<'b>) -> Self {
        Self { types, document, variables, dice, out: String::new(), values: 0, errs: false }
    }

    /// Which of so many things happens; the last ones are mistakes, as many as `mistakes`.
    fn fate(&mut self, count: usize, mistakes: usize) -> usize {
        self.dice.below(if self.errs { count } else { count - mistakes })
    }

    fn selection(&mut self, of: &str, sets: &[&'a SelectionSet]) {
        let typename = match self.types.composite(of) {
            Some(composite) => self.dice.pick(&composite.possible).map_or(of, |it| it).to_owned(),
            None => of.to_owned(),
        };
        self.object(&typename, sets);
    }

    fn object(&mut self, typename: &str, sets: &[&'a SelectionSet]) {
        let mut fields: Vec<Asked<'a>> = Vec::new();
        sets.iter().for_each(|it| self.collect(typename, it, &mut fields));
        self.out.push('{');
        let mut members = 0;
        for asked in fields {
            // Absent, or there twice.
            let times = match self.fate(40, 2) {
                38 => 0,
                39 => 2,
                _ => 1,
            };
            for _ in 0..times {
                if members > 0 {
                    self.out.push(',');
                }
                members += 1;
                self.out.push_str(&format!("{:?}:", asked.key));
                self.field(typename, &asked);
            }
        }
        self.out.push('}');
    }

    fn collect(&self, typename: &str, set: &'a SelectionSet, into: &mut Vec<Asked<'a>>) {
        for item in &set.items {
            match item {
                Selection::Field(it) => {
                    let key = it.alias.as_deref().unwrap_or(&it.name);
                    match into.iter_mut().find(|known| known.key == key) {
                        Some(known) => known.below.push(&it.selection_set),
                        None => into.push(Asked { key, field: it, below: vec![&it.selection_set] }),
                    }
                }
                Selection::InlineFragment(it) => {
                    let fits = it.type_condition.as_ref().is_none_or(|on| self.applies(on, typename));
                    if fits {
                        self.collect(typename, &it.selection_set, into);
                    }
                }
                Selection::FragmentSpread(it) => {
                    let named = |definition: &&'a Definition<'static, String>| matches!(definition, Definition::Fragment(known) if known.name == it.fragment_name);
                    if let Some(Definition::Fragment(fragment)) = self.document.definitions.iter().find(named)
                        && self.applies(&fragment.type_condition, typename)
                    {
                        self.collect(typename, &fragment.selection_set, into);
                    }
                }
            }
        }
    }

    fn applies(&self, TypeCondition::On(name): &TypeCondition, typename: &str) -> bool {
        let possible = self.types.composite(name).map_or(&[][..], |it| &it.possible);
        name == typename || possible.iter().any(|it| it == typename)
    }

    fn field(&mut self, owner: &str, asked: &Asked<'a>) {
        let below = &asked.below;
        match asked.field.name.as_str() {
            "__typename" if self.fate(30, 1) != 29 => self.out.push_str(&format!("{owner:?}")),
            "__typename" => self.anything(),
            "_entities" => self.entities(asked),
            name => match self.types.field(owner, name) {
                Some(field) => self.value(&field.ty, below),
                None => self.anything(),
            },
        }
    }

    /// An entity for each representation, or nearly so.
    fn entities(&mut self, Asked { field, below, .. }: &Asked<'a>) {
        let variable = field.arguments.iter().find_map(|(_, value)| match value {
            query::Value::Variable(name) => Some(name.as_str()),
            _ => None,
        });
        let asked = self.variables[variable.unwrap_or_default()].as_array().map_or(&[][..], Vec::as_slice);
        let count = match self.fate(20, 2) {
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
            match self.fate(12, 2) {
                10 => self.out.push_str("null"),
                11 => self.anything(),
                // An interface is asked which of its types it is.
                _ => self.selection(typename, below),
            }
        }
        self.out.push(']');
    }

    fn value(&mut self, ty: &InputType, below: &[&'a SelectionSet]) {
        self.values += 1;
        match (ty, self.fate(30, 2)) {
            (_, 28) => self.out.push_str("null"),
            (_, 29) => self.anything(),
            (InputType::NonNull(inner), _) => self.not_null(inner, below),
            (_, 27) => self.out.push_str("null"),
            _ => self.not_null(ty, below),
        }
    }

    fn not_null(&mut self, ty: &InputType, below: &[&'a SelectionSet]) {
        match ty {
            InputType::NonNull(inner) => self.not_null(inner, below),
            InputType::List(item) => {
                // Something rather than nothing, so that what is below is asked for.
                let count = if self.values > VALUES_MAX { 0 } else { [1, 2, 0, 3][self.dice.below(4)] };
                self.out.push('[');
                for index in 0..count {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.value(item, below);
                }
                self.out.push(']');
            }
            InputType::Named(name) if self.types.composite(name).is_some() => self.selection(name, below),
            InputType::Named(_) => self.leaf(named(ty)),
        }
    }

    fn leaf(&mut self, name: &str) {
        // Those that are right come first.
        let (texts, right): (&[&str], usize) = match name {
            "Int" => (&["1", "2", "7", "-0", "1.0", "1e3", "2147483648", "1.5"], 6),
            "Float" => (&["1.5", "1", "-0.0", "12345678901234567890", "1e400"], 4),
            "Boolean" => (&["true", "false"], 2),
            "ID" => (&["\"a\"", "1", "\"\\u0041\"", "123456789012345678901", "1.0"], 4),
            "String" => (&["\"b\"", "\"\"", "\"\\n\\\"\"", "\"é😀\"", "\"\\ud800\"", "1"], 4),
            _ => (&[], 0),
        };
        let shown = WORLD.public.enum_values(name).filter(|_| !self.errs);
        match (
            self.dice.pick(if self.errs { texts } else { &texts[..right] }),
            shown.or(self.types.enum_values(name)),
        ) {
            (Some(text), _) => self.out.push_str(text),
            (None, Some(names)) => {
                let name = self.dice.pick(names).map_or("", String::as_str);
                self.out.push_str(&format!("{name:?}"));
            }
            (None, None) if self.errs => self.anything(),
            (None, None) => self.out.push_str("{\"any\":[1]}"),
        }
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
