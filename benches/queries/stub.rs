//! Every subgraph, and what the floor proxies to: canned bytes by path and body.
//!
//! A request that is new is carried out once; from then on answering it is a look-up and a `send`, so that the
//! core which client and stub share lasts for a router on the other.

use super::wire::Wire;
use crate::support::subgraph::{Call, Graph, Resolved};
use serde_json::{Map, Value, json};
use std::{
    collections::HashMap,
    io::{self, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// A stub that answers until the process ends.
#[derive(Clone)]
pub struct Stub {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    items: Graph,
    stock: Graph,
    canned: RwLock<HashMap<Key, Arc<[u8]>>>,
    requests: AtomicUsize,
}

/// Path and body.
type Key = (Box<str>, Box<[u8]>);

impl Stub {
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            items: items(),
            stock: stock(),
            canned: RwLock::default(),
            requests: AtomicUsize::new(0),
        });
        let stub = Self { address, shared: shared.clone() };
        thread::Builder::new().name("stub".into()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                // A connection that breaks shows as a request without an answer.
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        })?;
        Ok(stub)
    }

    /// From now on, this request has this answer.
    pub fn can(&self, path: &str, request: &[u8], answer: &[u8]) {
        self.shared.keep((path.into(), request.into()), answer);
    }

    /// Requests so far.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut wire = Wire::new(stream)?;
    loop {
        let answer = {
            let Some(request) = wire.next()? else { return Ok(()) };
            let path = request.head.split(' ').nth(1).unwrap_or_default();
            shared.answer(path, request.body)
        };
        wire.stream.write_all(&answer)?;
    }
}

impl Shared {
    fn answer(&self, path: &str, body: &[u8]) -> Arc<[u8]> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let key: Key = (path.into(), body.into());
        let known = self.canned.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let graph = if path == "/stock" { &self.stock } else { &self.items };
            let answer = graph.answer(&serde_json::from_slice(body).unwrap_or_default());
            self.keep(key, answer.to_string().as_bytes())
        })
    }

    fn keep(&self, key: Key, body: &[u8]) -> Arc<[u8]> {
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        let answer: Arc<[u8]> = [head.as_bytes(), body].concat().into();
        let mut canned = self.canned.write().unwrap_or_else(PoisonError::into_inner);
        canned.insert(key, answer.clone());
        answer
    }
}

fn items() -> Graph {
    Graph::new(include_str!("graph/items.graphql"))
        .field("Query", "item", |call| Ok(item(call.arguments["id"].as_str().unwrap_or_default())))
        .field("Query", "items", |call: &Call<'_>| -> Resolved {
            let number = |name: &str| call.arguments[name].as_u64().unwrap_or_default();
            let ids = number("after")..number("after") + number("first");
            Ok(ids.map(|it| item(&it.to_string())).collect())
        })
        .entity("Item", |key| Ok(item(id_of(key))))
}

fn stock() -> Graph {
    Graph::new(include_str!("graph/stock.graphql")).entity("Item", |key| {
        let id = id_of(key);
        let warehouses = json!([{ "city": "Tallinn", "count": id.len() }, { "city": "Tartu", "count": 3 }]);
        Ok(json!({ "__typename": "Item", "id": id, "stock": 17, "warehouses": warehouses }))
    })
}

fn id_of(key: &Map<String, Value>) -> &str {
    key["id"].as_str().unwrap_or_default()
}

fn item(id: &str) -> Value {
    json!({
        "__typename": "Item",
        "id": id,
        "name": format!("Item number {id}"),
        "price": 12.5,
        "tags": ["red", "round", "sold by weight"],
        "maker": { "name": "Õunakoda", "country": "Estonia" },
        "description": "Keeps well in a cool and dry place, and travels without complaint. ".repeat(3),
    })
}
