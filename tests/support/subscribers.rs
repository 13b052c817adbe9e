//! Clients that people use, each as a process that subscribes, and what every one of them must see, wherever
//! it finds the quickstart's router: straight, or through a proxy.

use super::{
    browser::Browser,
    http::percent_encoded,
    npm::{Printing, script},
    quickstart::{Greeting, Quickstart},
    wait::wait_until,
};
use serde_json::{Value, json};
use std::{path::PathBuf, process::Command, time::Duration};

/// The employee whose feed the tests have for themselves: the example's own events go round the first three.
pub const WATCHED: u32 = 7;
/// Enough events to go round all employees twice.
const EVENTS: u32 = 24;
const EMPLOYEES: u32 = 12;
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A client library, and how it travels.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    pub name: &'static str,
    program: Program,
    travels: By,
}

#[derive(Clone, Copy, Debug)]
enum Program {
    Node(&'static str),
    /// With `Accept`.
    Curl(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    WebSocket,
    Http,
}

const fn node(name: &'static str, script: &'static str, travels: By) -> Library {
    Library { name, program: Program::Node(script), travels }
}

const fn curl(name: &'static str, accept: &'static str) -> Library {
    Library { name, program: Program::Curl(accept), travels: By::Http }
}

pub const GRAPHQL_WS: Library = node("graphql-ws", "subscribe.mjs", By::WebSocket);
pub const LEGACY: Library = node("subscriptions-transport-ws", "subscribe_legacy.mjs", By::WebSocket);
pub const APOLLO_WEBSOCKET: Library = node("Apollo Client, WebSocket", "subscribe_apollo.mjs", By::WebSocket);
pub const URQL_WEBSOCKET: Library = node("urql, WebSocket", "subscribe_urql.mjs", By::WebSocket);
pub const GRAPHQL_SSE: Library = node("graphql-sse", "subscribe_sse.mjs", By::Http);
pub const APOLLO_HTTP: Library = node("Apollo Client, multipart", "subscribe_apollo.mjs", By::Http);
pub const URQL_HTTP: Library = node("urql, fetch", "subscribe_urql.mjs", By::Http);
pub const CURL_EVENTS: Library = curl("curl, Server-Sent Events", "text/event-stream");
pub const CURL_PARTS: Library = curl("curl, multipart", "multipart/mixed;subscriptionSpec=1.0");

pub const WEBSOCKET_LIBRARIES: [Library; 4] = [GRAPHQL_WS, LEGACY, APOLLO_WEBSOCKET, URQL_WEBSOCKET];
pub const HTTP_LIBRARIES: [Library; 3] = [GRAPHQL_SSE, APOLLO_HTTP, URQL_HTTP];
pub const CURLS: [Library; 2] = [CURL_EVENTS, CURL_PARTS];

pub fn libraries() -> impl Iterator<Item = Library> {
    WEBSOCKET_LIBRARIES.into_iter().chain(HTTP_LIBRARIES)
}

pub fn libraries_and_curls() -> impl Iterator<Item = Library> {
    libraries().chain(CURLS)
}

/// Where clients find the router.
#[derive(Clone, Debug)]
pub struct Door {
    /// `http://…/graphql`, or with `https`
    pub http: String,
    /// Who signed the certificate there.
    pub authority: Option<PathBuf>,
}

impl Door {
    pub fn plain(http: &str) -> Self {
        Self { http: http.to_owned(), authority: None }
    }

    fn url(&self, travels: By) -> String {
        match travels {
            By::WebSocket => self.http.replacen("http", "ws", 1),
            By::Http => self.http.clone(),
        }
    }
}

/// A library that is subscribing.
pub struct Subscriber {
    pub library: Library,
    printing: Printing,
}

impl Library {
    /// Subscribes until so many results have come.
    pub fn subscribe(self, door: &Door, query: &str, results: u32) -> Subscriber {
        self.subscribe_with(door, query, results, 0)
    }

    /// With a number of times that the library may connect again by itself.
    pub fn subscribe_with(self, door: &Door, query: &str, results: u32, retries: u32) -> Subscriber {
        let url = door.url(self.travels);
        let mut command = match self.program {
            Program::Node(name) => {
                let mut node = Command::new("node");
                node.arg(script(name)).args([&url, query, &results.to_string()]);
                node.env("RETRIES", retries.to_string());
                node.envs(door.authority.iter().map(|it| ("NODE_EXTRA_CA_CERTS", it)));
                node
            }
            Program::Curl(accept) => {
                let mut curl = Command::new("curl");
                curl.args(["-N", "--silent", "--show-error", &url, "-H", &format!("Accept: {accept}")]);
                curl.args(["--json", &json!({ "query": query }).to_string()]);
                curl.args(door.authority.iter().flat_map(|it| ["--cacert".as_ref(), it.as_os_str()]));
                curl
            }
        };
        Subscriber { library: self, printing: Printing::start(&mut command) }
    }
}

impl Subscriber {
    /// The next line of a script, or the next result that curl wrote as it came.
    #[track_caller]
    pub fn line(&mut self) -> Value {
        let Program::Curl(_) = self.library.program else { return self.printing.line() };
        loop {
            let text = self.printing.text();
            let json = text.strip_prefix("data: ").unwrap_or(&text);
            match serde_json::from_str::<Value>(json) {
                Ok(mut part) if part.get("payload").is_some() => return part["payload"].take(),
                Ok(result) if result != json!({}) => return result,
                // The frame around results, and heartbeats.
                _ => {}
            }
        }
    }

    #[track_caller]
    pub fn exit_code(&mut self) -> Option<i32> {
        self.printing.exit_code()
    }

    /// Ends the subscription as this client does: the libraries unsubscribe by themselves behind their last
    /// result; curl is ended by a signal, as by Ctrl-C.
    #[track_caller]
    pub fn leave(mut self) {
        match self.library.program {
            Program::Node(_) => assert_eq!(self.exit_code(), Some(0), "{}", self.library.name),
            Program::Curl(_) => {
                assert!(self.printing.is_running(), "{}", self.library.name);
                // What is started in the background takes no SIGINT, nor do those it starts.
                self.printing.signal("TERM");
                assert_eq!(self.exit_code(), None, "ended by the signal");
            }
        }
    }
}

/// The subscription that the quickstart prints, for the employee whom the tests watch.
pub fn subscription(greeting: &Greeting) -> String {
    greeting.subscription.replace("id: 1", &format!("id: {WATCHED}"))
}

/// The employee that the n-th event names. Only the twelve have details, so they go round: an event that is
/// missing, doubled or out of place shows all the same.
fn employee(number: u32) -> u32 {
    number % EMPLOYEES + 1
}

#[track_caller]
pub fn publish(greeting: &Greeting, number: u32) {
    greeting.publish(WATCHED, employee(number));
}

/// A result is that of the n-th event: the name comes from one subgraph, the products from the other.
#[track_caller]
pub fn assert_event(name: &str, result: &Value, number: u32) {
    let id = employee(number);
    let forenames = [
        "Anu", "Mart", "Kadri", "Jaan", "Liis", "Toomas", "Piret", "Andres", "Maarja", "Rein", "Tiina",
        "Urmas",
    ];
    let seen = &result["data"]["employeeUpdated"];
    let forename = forenames[usize::try_from(id).expect("a small number") - 1];
    assert_eq!(
        (&seen["id"], &seen["details"]["forename"]),
        (&json!(id), &json!(forename)),
        "event {number}, {name}: {result}"
    );
    let product = [(1, "Kettle"), (3, "Anvil")].iter().find(|it| it.0 == id);
    let names: Vec<_> =
        seen["products"].as_array().expect("a list").iter().map(|it| it["name"].as_str()).collect();
    assert_eq!(names, product.iter().map(|it| Some(it.1)).collect::<Vec<_>>(), "event {number}, {name}");
}

/// Gets events in order, however quickly they come; unsubscribes, and leaves nothing behind.
pub fn gets_events_in_order_and_leaves_nothing_behind(library: Library, greeting: &Greeting, door: &Door) {
    let mut client = library.subscribe(door, &subscription(greeting), EVENTS);
    greeting.wait_until_live(1);
    for number in 0..EVENTS {
        publish(greeting, number);
    }
    for number in 0..EVENTS {
        assert_event(library.name, &client.line(), number);
    }
    client.leave();
    greeting.wait_until_idle();
}

/// Gets each event before there is another one.
pub fn gets_each_event_at_once(library: Library, greeting: &Greeting, door: &Door) {
    let mut client = library.subscribe(door, &subscription(greeting), EMPLOYEES);
    greeting.wait_until_live(1);
    for number in 0..EMPLOYEES {
        publish(greeting, number);
        assert_event(library.name, &client.line(), number);
    }
    client.leave();
    greeting.wait_until_idle();
}

/// Dies without a word, and leaves nothing behind all the same.
pub fn dies_and_leaves_nothing_behind(library: Library, greeting: &Greeting, door: &Door) {
    let client = library.subscribe(door, &subscription(greeting), EVENTS);
    greeting.wait_until_live(1);
    drop(client);
    greeting.wait_until_idle();
}

/// Shows the message that says what is wrong with an operation.
pub fn sees_why_an_operation_is_refused(library: Library, greeting: &Greeting, door: &Door) {
    let wrong = subscription(greeting).replace("details", "salary");
    let mut client = library.subscribe(door, &wrong, 1);
    let line = client.line();
    let message = line["errors"][0]["message"].as_str();
    assert!(message.is_some_and(|it| it.contains("\"salary\"")), "{}: {line}", library.name);
    let expected = if matches!(library.program, Program::Node(_)) { 1 } else { 0 };
    assert_eq!(client.exit_code(), Some(expected), "{}", library.name);
}

/// Those that come back by themselves, as their makers meant it.
pub fn come_back_to_a_router_that_comes_back(mut quickstart: Quickstart, greeting: &Greeting, door: &Door) {
    let returning = WEBSOCKET_LIBRARIES.into_iter().chain([GRAPHQL_SSE]);
    let query = subscription(greeting);
    let mut clients: Vec<_> = returning.map(|it| it.subscribe_with(door, &query, 2, 9)).collect();
    greeting.wait_until_live(5);
    publish(greeting, 1);
    for client in &mut clients {
        assert_event(client.library.name, &client.line(), 1);
    }

    quickstart.interrupt();
    assert!(quickstart.ended(PATIENCE).success());
    let mut quickstart = Quickstart::start_brisk_at(greeting.address());
    let greeting = quickstart.greeting();
    greeting.wait_until_live(5);
    publish(&greeting, 2);
    for mut client in clients {
        assert_event(client.library.name, &client.line(), 2);
        client.leave();
    }
    greeting.wait_until_idle();
}

/// JavaScript that subscribes as a page does with what its browser has; it keeps what comes in `seen`.
pub fn event_source(query: &str) -> String {
    let url = json!(format!("/graphql?query={}", percent_encoded(query)));
    format!(
        "globalThis.seen = []; globalThis.opened = 0; globalThis.completed = false; \
         globalThis.source = new EventSource({url}); \
         source.onopen = () => {{ opened += 1; }}; \
         source.addEventListener('next', (event) => {{ seen.push(JSON.parse(event.data)); }}); \
         source.addEventListener('complete', () => {{ completed = true; source.close(); }}); null"
    )
}

/// The same for a browser that has a page of the router open.
pub fn an_event_source_gets_events_in_order(browser: &mut Browser, greeting: &Greeting) {
    browser.evaluate(&event_source(&subscription(greeting)));
    greeting.wait_until_live(1);
    for number in 0..EVENTS {
        publish(greeting, number);
    }
    browser.wait_until(&format!("seen.length === {EVENTS}"));
    let seen = browser.evaluate("seen");
    for (number, result) in (0..).zip(seen.as_array().expect("a list")) {
        assert_event("EventSource", result, number);
    }
    browser.evaluate("source.close()");
    greeting.wait_until_idle();
}

impl Greeting {
    pub fn door(&self) -> Door {
        Door::plain(&self.graphql())
    }

    /// Waits until so many subscriptions are where events reach them.
    #[track_caller]
    pub fn wait_until_live(&self, members: u64) {
        wait_until(&format!("{members} subscriptions"), PATIENCE, || {
            super::live::is_live(&self.debug_state(), members)
        });
    }

    /// Waits until nobody listens to anything and nothing is left of those who did.
    #[track_caller]
    pub fn wait_until_idle(&self) {
        wait_until("no trigger, no group, no subscription, no connection", PATIENCE, || {
            let metrics = self.scrape();
            super::live::is_idle(&self.debug_state())
                && ["subscriptions", "connections", "http_streams"]
                    .iter()
                    .all(|it| metrics.sum(&format!("router_engine_{it}")) == 0.0)
        });
    }
}
