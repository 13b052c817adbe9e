//! What templates, filters and events come to at run time, by their ids in `docs/conformance.md`: rules that
//! need no broker of a kind, so it is the router's own memory. The rules of the SDL are in
//! `federation_event_rules.rs`.

mod support;

use serde_json::{Value, json};
use std::{fs, time::Duration};
use support::{
    Demo,
    live::{count, listen, wait_until_live},
    router::{Router, write_config},
    subgraph::Behaviour,
    wait::wait_until,
    ws::Client,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// An event graph whose one entity has a field of each kind, and is of no interest to any subgraph.
const SHIPS: &str = r#"
type Ship @key(fields: "id rank name hidden port { code berth { number } }", resolvable: false) {
  id: ID! @external rank: Int @external name: String @external hidden: String @external @inaccessible
  port: Port @external
}
type Port { code: ID @external berth: Berth @external }
type Berth { number: Int @external }
input Where { port: ID! berth: Berths }
input Berths { numbers: [Int!]! }
"#;

/// A router that serves these subscription fields alone.
fn serve(fields: &str) -> Router {
    let file = write_config("").with_file_name("ships.graphql");
    fs::write(&file, format!("type Subscription {{ {fields} }} {SHIPS}")).expect("the graph is written");
    let subgraph = file.with_file_name("subgraph.graphql");
    fs::write(&subgraph, "type Query { harbours: Int }").expect("the subgraph is written");
    Router::start(&format!(
        r#"version: "1"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph:
  subgraphs: [{{ name: harbours, routing_url: "http://127.0.0.1:1", schema: {{ file: "{}" }} }}]
  event_graphs: ["{}"]
events: {{ providers: {{ memory: [{{ id: default }}] }} }}
"#,
        subgraph.display(),
        file.display(),
    ))
}

/// A filter, the field's arguments with their values, and the events that come through.
struct Case<'a> {
    condition: &'a str,
    declared: &'a str,
    variables: Value,
    expected: &'a [&'a str],
}

fn case<'a>(condition: &'a str, expected: &'a [&'a str]) -> Case<'a> {
    Case { condition, declared: "", variables: json!({}), expected }
}

fn asked<'a>(condition: &'a str, declared: &'a str, variables: Value, expected: &'a [&'a str]) -> Case<'a> {
    Case { condition, declared, variables, expected }
}

/// Publishes all events to subscriptions with these filters, and checks what each gets. Every filter lets an
/// event of the id `end` through, which is the last.
fn check(cases: &[Case<'_>], events: &[Value]) {
    let mut fields = String::new();
    for (number, it) in cases.iter().enumerate() {
        let declared = if it.declared.is_empty() { String::new() } else { format!("({})", it.declared) };
        fields += &format!(
            r#"f{number}{declared}: Ship! @edfs__natsSubscribe(subjects: ["ships"]) @openfed__subscriptionFilter(
               condition: {{ OR: [{{ IN: {{ fieldPath: "id", values: ["end"] }} }}, {}] }}) "#,
            it.condition
        );
    }
    let router = serve(&fields);
    let mut clients: Vec<Client> = cases
        .iter()
        .enumerate()
        .map(|(number, it)| {
            let mut client = Client::connect(&router.websocket_url());
            let names: Vec<&str> =
                it.declared.split_whitespace().filter_map(|it| it.strip_suffix(':')).collect();
            let list =
                |item: fn(&str) -> String| names.iter().map(|it| item(it)).collect::<Vec<_>>().join(", ");
            let arguments = list(|it| format!("{it}: ${it}"));
            let declared = it.declared.split(", ").map(|it| format!("${it}")).collect::<Vec<_>>().join(", ");
            let query = match names.is_empty() {
                true => format!("subscription {{ f{number} {{ id }} }}"),
                false => format!("subscription ({declared}) {{ f{number}({arguments}) {{ id }} }}"),
            };
            client.subscribe_with("1", json!({ "query": query, "variables": it.variables }));
            client
        })
        .collect();
    wait_until_live(&router, cases.len() as u64);
    assert_eq!(count(&router, "triggers"), 1, "one subject, one feed");
    for event in events.iter().chain([&json!({ "id": "end" })]) {
        assert_eq!(router.publish("ships", event), 202);
    }
    for (number, (it, client)) in cases.iter().zip(&mut clients).enumerate() {
        let mut got = Vec::new();
        loop {
            let told = client.next("1");
            let id = told["data"][format!("f{number}")]["id"]
                .as_str()
                .unwrap_or_else(|| panic!("{told}"))
                .to_owned();
            if id == "end" {
                break;
            }
            got.push(id);
        }
        assert_eq!(got, it.expected, "{} {}", it.condition, it.variables);
    }
}

fn ranks() -> Vec<Value> {
    let rank = |id: &str, rank: Value| json!({ "id": id, "rank": rank });
    vec![
        rank("one", json!(1)),
        rank("text", json!("1")),
        rank("true", json!(true)),
        rank("word", json!("true")),
        rank("null", Value::Null),
        rank("two", json!(2)),
        json!({ "id": "without" }),
        rank("object", json!({ "a": 1 })),
    ]
}

/// FILTER-11: constants compare by JSON type and value.
#[test]
fn filter_11_constants_compare_by_type_and_value() {
    let of = |values: &str| format!(r#"{{ IN: {{ fieldPath: "rank", values: {values} }} }}"#);
    check(
        &[
            case(&of("[1]"), &["one"]),
            case(&of("1.0"), &["one"]),
            case(&of("[\"1\"]"), &["text"]),
            case(&of("true"), &["true"]),
            case(&of("[null]"), &["null"]),
        ],
        &ranks(),
    );
}

/// FILTER-12: an event whose condition cannot be decided is not delivered, also under `NOT`.
#[test]
fn filter_12_what_cannot_be_decided_is_not_delivered() {
    let one = r#"{ IN: { fieldPath: "rank", values: [1] } }"#;
    let missing = r#"{ IN: { fieldPath: "name", values: ["x"] } }"#;
    let rest = ["text", "true", "word", "null", "two"];
    check(
        &[
            case(&format!("{{ NOT: {one} }}"), &rest),
            case(&format!("{{ NOT: {{ NOT: {one} }} }}"), &["one"]),
            case(missing, &[]),
            case(&format!("{{ NOT: {missing} }}"), &[]),
            case(&format!("{{ AND: [{one}, {missing}] }}"), &[]),
            case(&format!("{{ OR: [{missing}, {one}] }}"), &["one"]),
            // What decides an `AND` by itself, decides it.
            case(&format!("{{ NOT: {{ AND: [{one}, {missing}] }} }}"), &rest),
            case(&format!("{{ NOT: {{ OR: [{one}, {missing}] }} }}"), &[]),
        ],
        &ranks(),
    );
}

/// FILTER-13: each value is tried, whatever its type.
#[test]
fn filter_13_each_value_is_tried() {
    let of = |values: &str| format!(r#"{{ IN: {{ fieldPath: "rank", values: {values} }} }}"#);
    let not = format!("{{ NOT: {} }}", of("[\"x\", null, 1, \"1\"]"));
    check(
        &[
            case(&of("[\"x\", null, true, 2]"), &["true", "null", "two"]),
            case(&of("[2, 2, \"true\", \"true\"]"), &["word", "two"]),
            case(&not, &["true", "word", "two"]),
        ],
        &ranks(),
    );
}

/// FILTER-14: arguments by variables, scalar, in lists, nested, absent; they compare by text.
#[test]
fn filter_14_arguments_come_from_variables() {
    let of = |value: &str| format!(r#"{{ IN: {{ fieldPath: "rank", values: [{value}] }} }}"#);
    let (one, many) = (of("\"{{ args.v }}\""), of("\"{{ args.v }}\", 2"));
    let nested = of("\"{{ args.w.berth.numbers }}\"");
    check(
        &[
            asked(&one, "v: Int", json!({ "v": 1 }), &["one", "text"]),
            asked(&one, "v: ID!", json!({ "v": 1 }), &["one", "text"]),
            asked(&one, "v: Boolean!", json!({ "v": true }), &["true", "word"]),
            asked(&one, "v: [ID!]!", json!({ "v": ["2", 1] }), &["one", "text", "two"]),
            asked(&one, "v: [ID!]!", json!({ "v": [] }), &[]),
            asked(&one, "v: Int", json!({}), &[]),
            asked(&one, "v: Int", json!({ "v": null }), &[]),
            asked(&many, "v: Int", json!({ "v": 1 }), &["one", "text", "two"]),
            asked(
                &nested,
                "w: Where!",
                json!({ "w": { "port": "TLL", "berth": { "numbers": [2, 3] } } }),
                &["two"],
            ),
        ],
        &ranks(),
    );
}

/// FILTER-8 at run time: a path through objects. FILTER-10: a hidden field.
#[test]
fn filter_10_nested_and_hidden_fields_are_looked_at() {
    let berth = |id: &str, number: Value| json!({ "id": id, "port": { "code": "TLL", "berth": { "number": number } } });
    let events = [
        berth("three", json!(3)),
        berth("four", json!(4)),
        json!({ "id": "afloat", "port": null }),
        json!({ "id": "moored", "port": { "code": "RIX", "berth": null } }),
        json!({ "id": "secret", "hidden": "yes" }),
        json!({ "id": "open", "hidden": "no" }),
    ];
    check(
        &[
            case(r#"{ IN: { fieldPath: "port.berth.number", values: [3] } }"#, &["three"]),
            case(r#"{ NOT: { IN: { fieldPath: "port.berth.number", values: [3] } } }"#, &["four"]),
            case(
                r#"{ IN: { fieldPath: "port.code", values: ["TLL", "RIX"] } }"#,
                &["three", "four", "moored"],
            ),
            case(r#"{ IN: { fieldPath: "hidden", values: ["yes"] } }"#, &["secret"]),
            asked(
                r#"{ IN: { fieldPath: "hidden", values: ["{{ args.v }}"] } }"#,
                "v: String!",
                json!({ "v": "no" }),
                &["open"],
            ),
        ],
        &events,
    );
}

/// TEMPLATE-5: what stands around a list argument belongs to each of its items.
#[test]
fn template_5_a_list_is_each_of_its_items_with_what_is_around_it() {
    let name = |id: &str, name: &str| json!({ "id": id, "name": name });
    let events = [
        name("a", "ship-1-x"),
        name("b", "ship-2-x"),
        name("c", "1"),
        name("d", "ship-[1,2]-x"),
        name("e", "ship-3-x"),
    ];
    let of = r#"{ IN: { fieldPath: "name", values: ["ship-{{ args.v }}-x"] } }"#;
    let brackets = r#"{ IN: { fieldPath: "name", values: ["ship-[{{ args.v }},2]-x"] } }"#;
    check(
        &[
            asked(of, "v: [Int!]!", json!({ "v": [1, 2] }), &["a", "b"]),
            asked(of, "v: [ID!]!", json!({ "v": ["3"] }), &["e"]),
            asked(of, "v: [ID!]!", json!({ "v": [] }), &[]),
            asked(of, "v: ID", json!({ "v": "2" }), &["b"]),
            asked(brackets, "v: ID", json!({ "v": "1" }), &["d"]),
        ],
        &events,
    );
}

/// TEMPLATE-3, TEMPLATE-4: several arguments in one destination, also from an input object; values go in as
/// they are, without quotes.
#[test]
fn template_4_destinations_take_several_arguments_and_nested_ones() {
    let router = serve(
        r#"moved(id: ID!, where: Where!, fast: Boolean! = true): Ship! @edfs__natsSubscribe(subjects: [
             "{{args.where.port}}.{{ args.id }}.{{   args.fast   }}", "berths.{{ args.where.berth.numbers }}.x-{{ args.id }}"])"#,
    );
    let mut client = Client::connect(&router.websocket_url());
    let query = "subscription ($id: ID!, $w: Where!) { moved(id: $id, where: $w) { id } }";
    let variables = json!({ "id": "s1", "w": { "port": "TLL", "berth": { "numbers": [1, 2] } } });
    client.subscribe_with("1", json!({ "query": query, "variables": variables }));
    wait_until_live(&router, 1);
    for (number, subject) in ["TLL.s1.true", "berths.1.x-s1", "berths.2.x-s1"].iter().enumerate() {
        assert_eq!(router.publish("berths.3.x-s1", &json!({ "id": "other" })), 202);
        assert_eq!(router.publish(subject, &json!({ "id": number })), 202);
        assert_eq!(client.next("1"), json!({ "data": { "moved": { "id": number.to_string() } } }));
    }
    // What an argument of a destination lacks is said.
    client
        .subscribe_with("2", json!({ "query": query, "variables": { "id": "s1", "w": { "port": "TLL" } } }));
    let message = client.message();
    let words = "Argument \"where.berth.numbers\" is needed to choose the event's destination, but is absent or null.";
    assert_eq!(message["payload"][0]["message"], words, "{message}");
    for (port, reason) in [
        ("*", "it contains a wildcard"),
        ("a.>", "it contains a wildcard"),
        ("a.b", "it contains the separator '.'"),
        ("", "it is empty"),
        ("a b", "it contains a blank or control character"),
    ] {
        let variables = json!({ "id": "s1", "w": { "port": port, "berth": { "numbers": [1] } } });
        client.subscribe_with("2", json!({ "query": query, "variables": variables }));
        let message = client.message();
        assert_eq!(message["type"], "error");
        let words = format!("Argument \"where.port\" cannot be part of an event's destination: {reason}.");
        let error = json!([{ "message": words, "extensions": { "code": "BAD_USER_INPUT" } }]);
        assert_eq!(message["payload"], error, "{port:?}");
    }
}

/// The rows of events that are wrong, with what the client gets, byte for byte.
#[test]
fn event_1_to_5_what_clients_get_of_bad_events() {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    let mut client = Client::connect(&router.websocket_url());
    let query = "subscription { employeeUpdated(employeeID: 3) { id details { forename } notes } }";
    listen(&router, &mut client, "1", query, 1);
    listen(&router, &mut client, "2", "subscription { offersChanged { id name } }", 2);
    let good = r#"{"data":{"employeeUpdated":{"id":3,"details":{"forename":"Kadri"},"notes":null}}}"#;
    let unreadable = r#"{"errors":[{"message":"Invalid message received"}],"data":null}"#;
    let null_key = r#"{"errors":[{"message":"Cannot return null for non-nullable field 'Subscription.employeeUpdated.id'.","path":["employeeUpdated","id"]}],"data":null}"#;
    let no_int = r#"{"errors":[{"message":"Value of field 'Subscription.employeeUpdated.id' is not an Int.","path":["employeeUpdated","id"],"extensions":{"code":"INVALID_GRAPHQL"}}],"data":null}"#;
    let stranger = |name: &str| {
        format!(
            r#"{{"errors":[{{"message":"Subgraph 'events' returned invalid value '{name}' for __typename field.","extensions":{{"code":"INVALID_GRAPHQL"}}}}],"data":null}}"#
        )
    };
    let of = |id: Value| json!({ "__typename": "Employee", "id": id });
    let cases = [
        ("1", json!("no object"), unreadable.to_owned()),
        ("1", json!([of(json!(3))]), unreadable.to_owned()),
        ("1", json!({ "__typename": "Employee" }), null_key.to_owned()),
        ("1", of(Value::Null), null_key.to_owned()),
        ("1", of(json!(1.5)), no_int.to_owned()),
        ("1", of(json!(99_999_999_999_i64)), no_int.to_owned()),
        ("1", json!({ "__typename": "Robot", "id": 3 }), stranger("Robot")),
        // What is missing is filled in where there is one type only.
        ("1", json!({ "id": 3 }), good.to_owned()),
        ("2", json!({ "id": "p1", "tag": "new" }), stranger("")),
        ("2", json!({ "__typename": "Employee", "id": "p1", "tag": "new" }), stranger("Employee")),
    ];
    for (id, event, expected) in cases {
        let subject = if id == "1" { "employeeUpdated.3" } else { "offers" };
        assert_eq!(router.publish(subject, &event), 202);
        assert_eq!(client.next(id).to_string(), expected, "{event}");
        // The subscription lives.
        assert_eq!(router.publish("employeeUpdated.3", &of(json!(3))), 202);
        assert_eq!(client.next("1").to_string(), good);
    }
    demo.products.behave(Behaviour::Status(500));
    assert_eq!(router.publish("employeeUpdated.3", &of(json!(3))), 202);
    let partial = r#"{"errors":[{"message":"Failed to fetch from Subgraph 'products' at Path 'employeeUpdated'.","path":["employeeUpdated"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","serviceName":"products","statusCode":500}}],"data":{"employeeUpdated":{"id":3,"details":{"forename":"Kadri"},"notes":null}}}"#;
    assert_eq!(client.next("1").to_string(), partial);
    demo.products.behave(Behaviour::Answer);
    assert_eq!(router.publish("employeeUpdated.3", &of(json!(3))), 202);
    assert_eq!(client.next("1").to_string(), good);
}

/// Who filters is told nothing of an event that cannot be read: nobody knows whether it was for them. An event that
/// passes the filter is for them, also when it is of no type of the field: that is told. All of it is counted and in the log.
#[test]
fn event_1_and_3_who_filters_is_told_of_events_of_no_type_and_all_is_counted() {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    let mut client = Client::connect(&router.websocket_url());
    listen(&router, &mut client, "one", "subscription { oneUpdated(id: 3) { id } }", 1);
    listen(&router, &mut client, "offer", r#"subscription { offerTagged(tag: "new") { id } }"#, 2);
    for event in [
        json!([]),
        json!({ "__typename": "Robot", "id": 3 }),
        json!({ "__typename": 7, "id": 3 }),
        json!({ "__typename": "Robot", "id": 4 }),
        json!({ "__typename": "Employee", "name": "nobody" }),
        json!({ "__typename": "Employee", "id": 4 }),
        json!({ "id": 3 }),
    ] {
        assert_eq!(router.publish("employees.updated", &event), 202);
    }
    let stranger = |name: &str| {
        let message = format!("Subgraph 'more_events' returned invalid value '{name}' for __typename field.");
        json!({ "errors": [{ "message": message, "extensions": { "code": "INVALID_GRAPHQL" } }], "data": null })
    };
    assert_eq!(client.next("one"), stranger("Robot"));
    assert_eq!(client.next("one"), stranger("7"));
    assert_eq!(client.next("one"), json!({ "data": { "oneUpdated": { "id": 3 } } }));
    for event in [
        json!({ "tag": "new", "id": "p1" }),
        json!({ "__typename": "Employee", "tag": "new", "id": "p1" }),
        json!({ "__typename": "Employee", "tag": "old", "id": "p1" }),
        json!({ "__typename": "Product", "tag": "new", "id": "p2" }),
    ] {
        assert_eq!(router.publish("offers", &event), 202);
    }
    assert_eq!(client.next("offer"), stranger(""));
    assert_eq!(client.next("offer"), stranger("Employee"));
    assert_eq!(client.next("offer"), json!({ "data": { "offerTagged": { "id": "p2" } } }));
    wait_until("all is counted", PATIENCE, || {
        let metrics = router.metrics();
        let counts = ["unreadable", "refused", "undecided", "filtered"]
            .map(|it| metrics.get(&format!("router_engine_events_{it}_total")));
        let unwanted = metrics.sum("router_streams_filtered_messages_total");
        assert_eq!(unwanted, counts[3], "one group listens to each feed");
        counts == [1.0, 4.0, 1.0, 3.0]
    });
    for (words, feed) in
        [("events that are no JSON object", "employees.updated"), ("event refused", "oneUpdated")]
    {
        wait_until(words, PATIENCE, || router.log().iter().any(|it| it.contains(words) && it.contains(feed)));
    }
}

/// A type that clients must not see stays hidden, whatever an event says.
#[test]
fn events_of_hidden_types_tell_nothing_of_them() {
    let router = serve(
        r#"pets: Pet! @edfs__natsSubscribe(subjects: ["pets"])
           animals: Animal! @edfs__natsSubscribe(subjects: ["pets"])
           named: Pet! @edfs__natsSubscribe(subjects: ["pets"])
             @openfed__subscriptionFilter(condition: { IN: { fieldPath: "name", values: ["Miisu"] } })
        }
        union Pet = Cat | Dog interface Animal { id: ID! }
        type Cat implements Animal @key(fields: "id name", resolvable: false) {
          id: ID! @external name: String! @external
        }
        type Dog implements Animal @key(fields: "id", resolvable: false) @inaccessible { id: ID! @external"#,
    );
    let mut client = Client::connect(&router.websocket_url());
    listen(&router, &mut client, "pets", "subscription { pets { __typename ... on Cat { id } } }", 1);
    listen(&router, &mut client, "animals", "subscription { animals { __typename id } }", 2);
    listen(&router, &mut client, "named", "subscription { named { ... on Cat { id name } } }", 3);
    assert_eq!(router.publish("pets", &json!({ "__typename": "Dog", "id": "d", "name": "Miisu" })), 202);
    assert_eq!(router.publish("pets", &json!({ "__typename": "Cat", "id": "c", "name": "Miisu" })), 202);
    let hidden = |field: &str| {
        let words =
            format!("Value of field 'Subscription.{field}' is not an object of a type that it may have.");
        let error = json!({ "message": words, "path": [field], "extensions": { "code": "INVALID_GRAPHQL" } });
        json!({ "errors": [error], "data": null })
    };
    let mut got: Vec<Value> = (0..6).map(|_| client.message()).collect();
    got.sort_by_key(|it| it["id"].to_string());
    let got: Vec<&Value> = got.iter().map(|it| &it["payload"]).collect();
    let cat = json!({ "__typename": "Cat", "id": "c" });
    let expected = [
        hidden("animals"),
        json!({ "data": { "animals": cat } }),
        hidden("named"),
        json!({ "data": { "named": { "id": "c", "name": "Miisu" } } }),
        hidden("pets"),
        json!({ "data": { "pets": cat } }),
    ];
    assert_eq!(got, expected.iter().collect::<Vec<_>>());

    let query =
        r#"{ pet: __type(name: "Pet") { possibleTypes { name } } dog: __type(name: "Dog") { name } }"#;
    let (_, answer) = router.post(&json!({ "query": query }));
    let expected = json!({ "pet": { "possibleTypes": [{ "name": "Cat" }] }, "dog": null });
    assert_eq!(answer, json!({ "data": expected }));
}
