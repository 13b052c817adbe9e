//! JSON that nests deeply: 1,000 levels are read wherever JSON comes in, and one more is refused with a reason.

mod support;

use serde_json::{Value, json};
use support::{
    Demo,
    http::http,
    live::listen,
    router::{Router, write_config},
    subgraph::{Behaviour, Subgraph},
    ws::Client,
};

const LEVELS_MAX: usize = 1000;
const SDL: &str = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key"])
scalar Any
input Chain { next: Chain any: Any }
type Query { tree: Any echo(any: Any, chain: Chain): Int }
type Thing @key(fields: "id") { id: ID! tree: Any }
"#;
const EVENTS: &str = r#"scalar Any
type Subscription {
  thingChanged: Thing! @edfs__natsSubscribe(subjects: ["things"])
  someChanged: Thing! @edfs__natsSubscribe(subjects: ["things"])
    @openfed__subscriptionFilter(condition: { IN: { fieldPath: "id", values: ["1"] } })
}
type Mutation { tell(any: Any): edfs__PublishResult! @edfs__natsPublish(subject: "told") }
type Thing @key(fields: "id", resolvable: false) { id: ID! @external }
"#;

/// So many lists, one in the other.
fn lists(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

struct Stage {
    router: Router,
    things: Subgraph,
}

impl Stage {
    fn start() -> Self {
        let things = Demo::start().employees;
        let file = write_config(&format!(
            "listen_addr: 127.0.0.1:0\nadmin: {{ listen_addr: '127.0.0.1:0' }}\nsupergraph:\n  \
             subgraphs: [{{ name: things, routing_url: '{}', schema: {{ file: things.graphql }} }}]\n  \
             event_graphs: [events.graphql]\nevents: {{ providers: {{ memory: [{{ id: default }}] }} }}\n\
             batching: {{ enabled: true }}\n",
            things.url()
        ));
        for (name, sdl) in [("things.graphql", SDL), ("events.graphql", EVENTS)] {
            std::fs::write(file.with_file_name(name), sdl).expect("a file");
        }
        Self { router: Router::start_under(&[], &file), things }
    }

    fn post(&self, body: &str) -> Value {
        let answer = http("POST", self.router.graphql_url(), &[("Content-Type", "application/json")], body);
        text(&answer.body)
    }
}

/// serde_json's values end at 128 levels.
fn text(body: &str) -> Value {
    Value::String(body.to_owned())
}

#[test]
fn answers_of_subgraphs_may_nest_a_thousand_levels() {
    let stage = Stage::start();
    // The answer and its data are two of them.
    let fits = lists(LEVELS_MAX - 2);
    stage.things.behave(Behaviour::Raw(format!(r#"{{"data":{{"tree":{fits}}}}}"#)));
    assert_eq!(stage.post(r#"{"query":"{ tree }"}"#), text(&format!(r#"{{"data":{{"tree":{fits}}}}}"#)));
    stage.things.behave(Behaviour::Raw(format!(r#"{{"data":{{"tree":{}}}}}"#, lists(LEVELS_MAX - 1))));
    let Value::String(refused) = stage.post(r#"{"query":"{ tree }"}"#) else { unreachable!() };
    assert!(refused.contains("Reason: JSON nested deeper than 1000 levels."), "{refused}");
    for levels in [100_000, 1_000_000] {
        stage.things.behave(Behaviour::Raw(format!(r#"{{"data":{{"tree":{}}}}}"#, "[".repeat(levels))));
        assert!(stage.post(r#"{"query":"{ tree }"}"#).as_str().is_some_and(|it| it.contains("errors")));
    }
}

#[test]
fn requests_may_nest_a_thousand_levels() {
    let stage = Stage::start();
    stage.things.behave(Behaviour::Raw(r#"{"data":{}}"#.to_owned()));
    let with = |ty: &str, name: &str, value: &str| {
        format!(r#"{{"query":"query($v: {ty}) {{ echo({name}: $v) }}","variables":{{"v":{value}}}}}"#)
    };
    let echoed = text(r#"{"data":{"echo":null}}"#);
    let chain = |levels: usize| format!("{}{{}}{}", r#"{"next":"#.repeat(levels - 1), "}".repeat(levels - 1));
    for (ty, name, value) in [
        ("Any", "any", lists(LEVELS_MAX - 2)),
        ("Chain", "chain", chain(LEVELS_MAX - 2)),
        ("Any", "any", chain(LEVELS_MAX - 2)),
    ] {
        assert_eq!(stage.post(&with(ty, name, &value)), echoed, "{name}");
        let sent = stage.things.requests().last().expect("a request").bytes.clone();
        assert!(String::from_utf8_lossy(&sent).contains(&value), "{name} arrived");
    }
    // A batch is one level more, and each of its requests has all of them.
    let body = with("Any", "any", &lists(LEVELS_MAX - 3));
    assert_eq!(stage.post(&format!("[{body}]")), text(r#"[{"data":{"echo":null}}]"#));
    for (ty, name, value) in
        [("Any", "any", lists(LEVELS_MAX - 1)), ("Chain", "chain", chain(LEVELS_MAX - 1))]
    {
        let answer = stage.post(&with(ty, name, &value));
        assert!(answer.as_str().is_some_and(|it| it.contains("nested deeper than 1000 levels")), "{answer}");
    }

    // Over a WebSocket variables count by themselves; one such operation is refused and the connection lives.
    let mut client = Client::connect(&stage.router.websocket_url());
    let subscribe = |id: &str, levels: usize| {
        format!(
            r#"{{"id":"{id}","type":"subscribe","payload":{{"query":"query($v: Any) {{ echo(any: $v) }}","variables":{{"v":{}}}}}}}"#,
            lists(levels)
        )
    };
    client.send_frame(tungstenite::Message::text(subscribe("deep", LEVELS_MAX)));
    let refused = client.message();
    assert_eq!((&refused["id"], &refused["type"]), (&json!("deep"), &json!("error")), "{refused}");
    client.send_frame(tungstenite::Message::text(subscribe("fits", LEVELS_MAX - 1)));
    assert_eq!(client.next("fits"), json!({ "data": { "echo": null } }));

    // What a broker is told.
    let tell = format!(
        r#"{{"query":"mutation($v: Any) {{ tell(any: $v) {{ success }} }}","variables":{{"v":{}}}}}"#,
        lists(LEVELS_MAX - 2)
    );
    assert_eq!(stage.post(&tell), text(r#"{"data":{"tell":{"success":true}}}"#));
}

#[test]
fn events_may_nest_a_thousand_levels() {
    let stage = Stage::start();
    let mut client = Client::connect(&stage.router.websocket_url());
    listen(&stage.router, &mut client, "all", "subscription { thingChanged { id } }", 1);
    // Each on a connection of its own: nothing says which of two groups is told first.
    let mut filtering = Client::connect(&stage.router.websocket_url());
    listen(&stage.router, &mut filtering, "some", "subscription { someChanged { id tree } }", 2);
    stage.things.behave(Behaviour::Raw(format!(r#"{{"data":{{"_entities":[{{"tree":{}}}]}}}}"#, lists(100))));
    let publish = |levels: usize| {
        let url = format!("{}/admin/publish/things?provider=default", stage.router.admin_url());
        let event = format!(r#"{{"id":"1","more":{}}}"#, lists(levels));
        let answer = http("POST", &url, &[("Content-Type", "application/json")], &event);
        (answer.status, answer.body)
    };
    assert_eq!(publish(LEVELS_MAX - 1).0, 202);
    assert_eq!(client.next("all"), json!({ "data": { "thingChanged": { "id": "1" } } }));
    assert_eq!(filtering.next("some")["data"]["someChanged"]["id"], "1");
    for levels in [LEVELS_MAX, 100_000] {
        let (status, body) = publish(levels);
        assert_eq!(status, 400, "{body}");
        let words = "The request body is not valid JSON: nested deeper than 1000 levels at byte";
        assert!(body.contains(words), "{body}");
    }
}
