//! Graphs behind feature flags, as Cosmo's execution config has them: chosen by header or cookie, for each
//! HTTP request and for a WebSocket with its handshake; and a lenient graph's fields out of reach.

mod support;

use serde_json::{Value, json};
use support::{
    http::http,
    live::{count, wait_until_live},
    router::{Router, write_config},
    subgraph::{Graph, Subgraph},
    ws::Client,
};

const LINK: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.5\", import: [\"@key\", \"@shareable\"])\n\n";

fn ships_sdl(more: &str) -> String {
    format!(
        "{LINK}type Query {{ ship(id: Int!): Ship slices: [Slice] }}\n\
         type Ship @key(fields: \"id\") {{ id: Int! name: String {more} }}\n\
         type Slice @shareable {{ top: Int }}"
    )
}

fn news_sdl() -> String {
    format!(
        "{LINK}type Query {{ box: Box }}\ntype Box {{ slice: Slice }}\ntype Slice @shareable {{ bottom: Int }}"
    )
}

/// A server for ships that names itself.
fn ships(sdl: &str, who: &'static str) -> Subgraph {
    let ship = move |id: &Value| json!({ "__typename": "Ship", "id": id, "name": who, "nightWatch": "Rein" });
    let graph = Graph::new(sdl)
        .field("Query", "ship", move |call| Ok(ship(&call.arguments["id"])))
        .field("Query", "slices", |_| Ok(json!([{ "top": 1 }, { "top": 2 }])))
        .entity("Ship", move |key| Ok(ship(&key["id"])));
    Subgraph::start(graph)
}

/// An execution config of ships, news, and an event graph; the composed schema is just what the event
/// graph needs of it.
fn execution_config(ships_sdl: &str, ships_url: &str) -> Value {
    let source = |id: &str, url: &str, sdl: &str| {
        json!({
            "kind": "GRAPHQL", "id": id,
            "customGraphql": {
                "fetch": { "url": { "staticVariableContent": url } },
                "federation": { "enabled": true, "serviceSdl": sdl },
            },
        })
    };
    let event = json!({
        "engineEventConfiguration": {
            "providerId": "default", "type": "SUBSCRIBE", "typeName": "Subscription", "fieldName": "shipMoved"
        },
        "subjects": ["shipMoved.{{ args.id }}"],
    });
    json!({
        "engineConfig": {
            "datasourceConfigurations": [
                source("0", ships_url, ships_sdl),
                source("1", "http://127.0.0.1:9/graphql", &news_sdl()),
                {
                    "kind": "PUBSUB", "id": "2",
                    "rootNodes": [{ "typeName": "Subscription", "fieldNames": ["shipMoved"] }],
                    "childNodes": [{ "typeName": "Ship", "fieldNames": ["id"], "externalFieldNames": ["id"] }],
                    "keys": [{ "typeName": "Ship", "selectionSet": "id", "disableEntityResolver": true }],
                    "customEvents": { "nats": [event] },
                },
            ],
            "graphqlSchema": "type Query { a: Int }\ntype Subscription { shipMoved(id: Int!): Ship! }\ntype Ship { id: Int! name: String }",
        },
        "subgraphs": [{ "id": "0", "name": "ships" }, { "id": "1", "name": "news" }, { "id": "2", "name": "signals" }],
    })
}

struct Stage {
    router: Router,
    day: Subgraph,
    night: Subgraph,
}

impl Stage {
    fn start() -> Self {
        let (day_sdl, night_sdl) = (ships_sdl(""), ships_sdl("nightWatch: String"));
        let (day, night) = (ships(&day_sdl, "by day"), ships(&night_sdl, "by night"));
        let mut config = execution_config(&day_sdl, &day.url());
        let flagged = execution_config(&night_sdl, &night.url());
        config["featureFlagConfigs"] = json!({ "configByFeatureFlagName": { "night": flagged } });
        let file = write_config(
            "listen_addr: 127.0.0.1:0\n\
             admin: { listen_addr: '127.0.0.1:0' }\n\
             json_log: true\n\
             execution_config: { file: { path: config.json } }\n\
             supergraph: { lenient: true }\n\
             events: { providers: { memory: [{ id: default }] } }\n",
        );
        std::fs::write(file.with_file_name("config.json"), config.to_string()).expect("a file");
        Self { router: Router::start_under(&[], &file), day, night }
    }

    fn ask(&self, headers: &[(&str, &str)], query: &str) -> Value {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        let body = json!({ "query": query }).to_string();
        http("POST", self.router.graphql_url(), &headers, &body).json()
    }

    fn connect(&self, headers: &[(&str, &str)]) -> Client {
        let url = self.router.websocket_url();
        let mut client = Client::upgrade(&url, &["graphql-transport-ws"], headers);
        client.send(&json!({ "type": "connection_init" }));
        assert_eq!(client.message()["type"], "connection_ack");
        client
    }
}

const FLAGS: [&[(&str, &str)]; 3] = [
    &[("X-Feature-Flag", "night")],
    &[("Cookie", "session=1; feature_flag=night")],
    &[("X-Feature-Flag", "night"), ("Cookie", "feature_flag=day")],
];

#[test]
fn a_request_chooses_its_graph_by_header_or_cookie() {
    let stage = Stage::start();
    let query = "{ ship(id: 1) { name nightWatch } }";
    for headers in FLAGS {
        let answer = stage.ask(headers, query);
        assert_eq!(answer, json!({ "data": { "ship": { "name": "by night", "nightWatch": "Rein" } } }));
    }
    assert_eq!(stage.day.request_count(), 0);
    for headers in [&[][..], &[("X-Feature-Flag", "nobody-knows")]] {
        let answer = stage.ask(headers, query);
        assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{answer}");
    }
    // One operation that both graphs have is planned and answered in each by its own.
    let query = "{ ship(id: 2) { name } }";
    assert_eq!(stage.ask(&[], query)["data"]["ship"]["name"], "by day");
    assert_eq!(stage.ask(FLAGS[0], query)["data"]["ship"]["name"], "by night");
    assert_eq!(stage.ask(&[], query)["data"]["ship"]["name"], "by day");
    assert_eq!((stage.day.request_count(), stage.night.request_count()), (2, 4));
}

/// C-WS-32 and C-WS-33: a WebSocket with the flag serves the flagged field, one without it refuses it; both
/// hear the same event, each with its own graph's data.
#[test]
fn c_ws_32_33_a_websocket_keeps_the_graph_of_its_handshake() {
    let stage = Stage::start();
    let mut flagged: Vec<Client> = FLAGS.iter().map(|it| stage.connect(it)).collect();
    let mut plain = stage.connect(&[]);
    for client in &mut flagged {
        client.subscribe("f", "subscription { shipMoved(id: 7) { id name nightWatch } }");
    }
    plain.subscribe("no", "subscription { shipMoved(id: 7) { id name nightWatch } }");
    let refused = plain.message();
    assert_eq!((&refused["type"], &refused["id"]), (&"error".into(), &"no".into()), "{refused}");
    plain.subscribe("p", "subscription { shipMoved(id: 7) { id name } }");
    flagged[0].subscribe("both", "subscription { shipMoved(id: 7) { id name } }");
    wait_until_live(&stage.router, 5);
    assert_eq!(count(&stage.router, "triggers"), 1, "one feed for both graphs");
    assert_eq!(count(&stage.router, "groups"), 3, "no response is shared between graphs");

    assert_eq!(stage.router.publish("shipMoved.7", &json!({ "__typename": "Ship", "id": 7 })), 202);
    let night = json!({ "data": { "shipMoved": { "id": 7, "name": "by night", "nightWatch": "Rein" } } });
    for client in &mut flagged[1..] {
        assert_eq!(client.next("f"), night);
    }
    let (one, two) = (flagged[0].message(), flagged[0].message());
    let by_id = |id: &str| [&one, &two].into_iter().find(|it| it["id"] == id).expect(id)["payload"].clone();
    assert_eq!(by_id("f"), night);
    assert_eq!(by_id("both"), json!({ "data": { "shipMoved": { "id": 7, "name": "by night" } } }));
    assert_eq!(plain.next("p"), json!({ "data": { "shipMoved": { "id": 7, "name": "by day" } } }));
}

#[test]
fn fields_out_of_reach_answer_null_with_an_error_beside_the_rest() {
    let stage = Stage::start();
    let answer = stage.ask(&[], "{ slices { top bottom } ship(id: 1) { name } }");
    assert_eq!(
        answer["data"],
        json!({ "slices": [{ "top": 1, "bottom": null }, { "top": 2, "bottom": null }], "ship": { "name": "by day" } })
    );
    let errors = answer["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 2, "{answer}");
    assert_eq!(errors[1]["path"], json!(["slices", 1, "bottom"]));
    assert_eq!(errors[1]["extensions"]["code"], "UNREACHABLE_FIELD");
    let log = stage.router.log().join("\n");
    assert!(log.contains("{ slices { bottom } } is out of reach"), "{log}");
    assert!(log.contains("feature flag \\\"night\\\": { slices { bottom } } is out of reach"), "{log}");
}
