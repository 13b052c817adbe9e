//! A subgraph for every graph of the suite, a router in front of each, and who asks them.

use crate::{
    corpus::{Case, Outcome},
    support::{
        fixture,
        reference::Reference,
        router::Router,
        ws::{Client, PATIENCE, Said as Heard},
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, sync::Mutex};
use tungstenite::Message;

/// What the router made of a document.
#[derive(Debug)]
pub(crate) enum Said {
    Refused {
        messages: Vec<String>,
        /// Lines and columns of the first error.
        places: Vec<(u64, u64)>,
        code: String,
    },
    Done(Vec<Outcome>),
    /// No answer, or none that is one.
    Lost(String),
}

pub(crate) struct Rig {
    routers: BTreeMap<String, Served>,
    _reference: Reference,
    subscribing: Mutex<()>,
}

struct Served {
    router: Router,
    suggests: bool,
}

impl Rig {
    pub(crate) fn start() -> Self {
        let reference = Reference::start();
        let files = fs::read_dir(fixture("reference")).expect("the graphs");
        let mut names: Vec<String> = files
            .map(|it| it.expect("an entry").path())
            .map(|it| it.file_stem().and_then(|it| it.to_str()).expect("ASCII").to_owned())
            .collect();
        names.sort();
        // Names are suggested in `dev_mode` alone, so every other graph is served with it.
        let served = |(at, name): (usize, String)| {
            let suggests = at % 2 == 1;
            (
                name.clone(),
                Served {
                    router: Router::start(&reference.config(&name, &format!("dev_mode: {suggests}"))),
                    suggests,
                },
            )
        };
        Self {
            routers: names.into_iter().enumerate().map(served).collect(),
            _reference: reference,
            subscribing: Mutex::default(),
        }
    }

    /// Whether the router of this graph may suggest names.
    pub(crate) fn suggests(&self, schema: &str) -> bool {
        self.routers[schema].suggests
    }

    /// A place to ask from, with connections of its own.
    pub(crate) fn desk(&self) -> Desk<'_> {
        Desk { rig: self, sockets: BTreeMap::new() }
    }
}

pub(crate) struct Desk<'a> {
    rig: &'a Rig,
    sockets: BTreeMap<&'a str, Client>,
}

/// One document in so many goes by WebSocket, and each that has to do with subscriptions.
const BY_WEBSOCKET: u32 = 8;

impl<'a> Desk<'a> {
    pub(crate) fn ask(&mut self, case: &Case) -> Said {
        let subscribes = case.query.contains("subscription");
        let rig = self.rig;
        // One at a time: equal ones share one at the subgraph, and whoever joins late hears the rest of it.
        let _turn = subscribes.then(|| rig.subscribing.lock().expect("no worker panicked"));
        match subscribes || case.number.is_multiple_of(BY_WEBSOCKET) {
            true => self.ask_by_websocket(case),
            false => self.ask_by_http(case),
        }
    }

    fn ask_by_http(&self, case: &Case) -> Said {
        let (status, text) = self.rig.routers[&case.schema].router.post_text(&case.body);
        match serde_json::from_str::<Value>(&text) {
            Ok(answer) if answer.get("data").is_some() => Said::Done(vec![outcome(&answer)]),
            Ok(answer) if answer["errors"].is_array() => refused(&answer["errors"]),
            _ => Said::Lost(format!("{status}: {text}")),
        }
    }

    fn ask_by_websocket(&mut self, case: &Case) -> Said {
        let (name, served) = self.rig.routers.get_key_value(&case.schema).expect("a graph");
        let url = served.router.websocket_url();
        let mut client = self.sockets.remove(name.as_str()).unwrap_or_else(|| Client::connect(&url));
        let id = case.number.to_string();
        client.send_frame(Message::text(format!(
            r#"{{"id":"{id}","type":"subscribe","payload":{}}}"#,
            case.body
        )));
        let said = listen(&mut client, &id);
        // Who was lost once is not asked again.
        if !matches!(said, Said::Lost(_)) {
            self.sockets.insert(name, client);
        }
        said
    }
}

fn listen(client: &mut Client, id: &str) -> Said {
    let mut results = Vec::new();
    loop {
        let message = match client.hear(PATIENCE) {
            Some(Heard::Message(message)) => message,
            Some(Heard::Ping(_) | Heard::Pong(_)) => continue,
            other => return Said::Lost(format!("{other:?} after {results:?}")),
        };
        assert_eq!(message["id"], json!(id), "{message}");
        let payload = &message["payload"];
        match message["type"].as_str() {
            Some("next") if payload.get("data").is_some() => results.push(outcome(payload)),
            // What a query is refused with is a result without data, which ends it.
            Some("next") => {
                let said = refused(&payload["errors"]);
                client.hear(PATIENCE);
                return said;
            }
            Some("error") => return refused(payload),
            Some("complete") => return Said::Done(results),
            _ => return Said::Lost(message.to_string()),
        }
    }
}

fn refused(errors: &Value) -> Said {
    let list = errors.as_array().map_or(&[][..], Vec::as_slice);
    let place = |it: &Value| Some((it["line"].as_u64()?, it["column"].as_u64()?));
    let places = list.first().and_then(|it| it["locations"].as_array());
    Said::Refused {
        messages: list.iter().map(|it| it["message"].as_str().unwrap_or_default().to_owned()).collect(),
        places: places.into_iter().flatten().filter_map(place).collect(),
        code: errors[0]["extensions"]["code"].as_str().unwrap_or_default().to_owned(),
    }
}

fn outcome(response: &Value) -> Outcome {
    let path = |it: &Value| match &it["path"] {
        Value::Null => json!([]),
        path => path.clone(),
    };
    let paths = response["errors"].as_array().map(|it| it.iter().map(path).collect());
    Outcome { data: response["data"].to_string(), paths: paths.unwrap_or_default() }
}
