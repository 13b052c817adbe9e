//! Tests of what the other tests stand on: the demo's subgraphs answer as real ones do.

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::{
    Demo,
    router::{Listening, Metrics, parse_listening},
    subgraph::{Behaviour, Subgraph},
    wait::wait_until,
};

fn ask(subgraph: &Subgraph, body: Value) -> Value {
    ureq::post(subgraph.url()).send_json(body).expect("an answer").body_mut().read_json().expect("JSON")
}

fn query(subgraph: &Subgraph, query: &str) -> Value {
    ask(subgraph, json!({ "query": query }))
}

#[test]
fn aliases_fragments_variables_and_directives_are_executed() {
    let demo = Demo::start();
    let answer = ask(
        &demo.employees,
        json!({
            "query": "query Q($id: Int!, $more: Boolean = false) {
                boss: employee(id: $id) { ...Name id @skip(if: true) phone @include(if: $more) }
                team { __typename ... on Robot { serial } ... on Employee { id } }
            }
            fragment Name on Employee { details { name: forename } details { surname } }",
            "variables": { "id": 3 },
        }),
    );
    let boss = json!({ "details": { "name": "Kadri", "surname": "Sepp" } });
    assert_eq!(answer["data"]["boss"], boss);
    assert_eq!(answer["data"]["team"][0], json!({ "__typename": "Employee", "id": 1 }));
    assert_eq!(answer["data"]["team"][12], json!({ "__typename": "Robot", "serial": "R-1" }));
    assert_eq!(answer.get("errors"), None);
}

#[test]
fn input_defaults_hold_in_arguments_and_input_objects() {
    let demo = Demo::start();
    let ids = |text: &str| {
        let answer = query(&demo.employees, text);
        let mates = answer["data"]["teammates"].as_array().expect("a list").clone();
        mates.iter().map(|it| it["id"].as_i64().expect("an id")).collect::<Vec<_>>()
    };
    assert_eq!(ids("{ teammates { id } }"), [1, 3, 5, 7, 9, 11]);
    assert_eq!(ids("{ teammates(filter: { city: \"Tallinn\" }) { id } }"), [1, 3, 9, 11]);
    assert_eq!(ids("{ teammates(filter: { department: OPERATIONS }) { id } }"), [4, 8]);
}

#[test]
fn entities_keep_their_order_and_errors_concern_one_of_them() {
    let demo = Demo::start();
    demo.employees.fail_entities(json!({ "id": 2 }), "out of order");
    let mut answer = ask(
        &demo.employees,
        json!({
            "query": "query($r: [_Any!]!) { _entities(representations: $r) {
                ... on Employee { id details { surname } } ... on Robot { label } } }",
            "variables": { "r": [
                { "__typename": "Robot", "serial": "R-2" },
                { "__typename": "Employee", "id": 2 },
                { "__typename": "Employee", "id": 1 },
            ] },
        }),
    );
    let nulled = answer["data"].take();
    assert_eq!(
        nulled,
        json!({ "_entities": [{ "label": "Parcels" }, null, { "id": 1, "details": { "surname": "Tamm" } }] })
    );
    assert_eq!(answer["errors"], json!([{ "message": "out of order", "path": ["_entities", 1] }]));
    assert_eq!(demo.employees.requests()[0].representations().len(), 3);
}

#[test]
fn required_fields_travel_in_the_representation() {
    let demo = Demo::start();
    let text = "query($r: [_Any!]!) { _entities(representations: $r) { ... on Employee {
        seniority months: seniority(unit: MONTHS) products { name } nickname } } }";
    let with = |representation: Value| {
        ask(&demo.products, json!({ "query": text, "variables": { "r": [representation] } }))
    };
    let answer = with(json!({ "__typename": "Employee", "id": 1, "startYear": 2016 }));
    let expected =
        json!({ "seniority": 10, "months": 120, "products": [{ "name": "Kettle" }], "nickname": "anu-1" });
    assert_eq!(answer["data"]["_entities"][0], expected);
    let answer = with(json!({ "__typename": "Employee", "id": 1 }));
    assert_eq!(answer["data"]["_entities"], json!([null]), "null climbs to what may be null");
    assert_eq!(answer["errors"][0]["path"], json!(["_entities", 0, "seniority"]));
}

#[test]
fn mutations_are_seen_by_later_queries() {
    let demo = Demo::start();
    query(&demo.employees, "mutation { renameEmployee(id: 1, forename: \"Ann\") { id } }");
    let answer = query(&demo.employees, "{ employee(id: 1) { details { forename } } }");
    assert_eq!(answer["data"]["employee"]["details"]["forename"], "Ann");
    let answer = query(&demo.products, "mutation { addNote(employeeID: 4, text: \"hi\") { id notes } }");
    assert_eq!(answer["data"]["addNote"], json!({ "id": 4, "notes": "hi" }));
}

#[test]
fn what_the_schema_does_not_have_fails_the_request() {
    let demo = Demo::start();
    for text in [
        "{ nope }",
        "{ employee { id } }",
        "{ employee(id: \"1\") { id } }",
        "{ employee(id: 1, x: 2) { id } }",
        "{ employee(id: 1) { notes } }",
        "{ employee(id: 1) }",
        "{",
    ] {
        let answer = query(&demo.employees, text);
        assert_eq!(answer.get("data"), None, "{text}: {answer}");
        assert!(answer["errors"][0]["message"].is_string(), "{text}");
    }
}

#[test]
fn a_subgraph_misbehaves_on_demand_and_recovers() {
    let demo = Demo::start();
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_millis(100))).build().into();
    let status = || agent.post(demo.products.url()).send_json(json!({ "query": "{ __typename }" }));
    demo.products.behave(Behaviour::Status(503));
    assert!(matches!(status(), Err(ureq::Error::StatusCode(503))));
    demo.products.behave(Behaviour::Drop);
    assert!(status().is_err());
    demo.products.behave(Behaviour::Hang);
    assert!(matches!(status(), Err(ureq::Error::Timeout(_))));
    demo.products.behave(Behaviour::Answer);
    assert!(status().is_ok());
    wait_until("all requests are written down", Duration::from_secs(5), || {
        demo.products.request_count() == 4
    });
}

#[test]
fn listening_is_read_from_both_json_log_shapes() {
    let expected = Listening { graphql: "http://a/graphql".into(), admin: "http://b".into() };
    let fields = r#""message":"listening","graphql":"http://a/graphql","admin":"http://b""#;
    assert_eq!(parse_listening(&format!("{{{fields}}}")), Some(expected.clone()));
    assert_eq!(parse_listening(&format!(r#"{{"level":"INFO","fields":{{{fields}}}}}"#)), Some(expected));
    assert_eq!(parse_listening(r#"{"message":"ready"}"#), None);
    assert_eq!(parse_listening("plain text"), None);
}

#[test]
fn metrics_are_found_by_name_and_summed_over_labels() {
    let metrics = Metrics::parse("# TYPE a counter\na_total{x=\"1 }\"} 2\na_total{x=\"2\"} 3 17\nb 4\n");
    assert!((metrics.sum("a_total") - 5.0).abs() < f64::EPSILON);
    assert!((metrics.get("a_total{x=\"2\"}") - 3.0).abs() < f64::EPSILON);
    assert!((metrics.get("b") - 4.0).abs() < f64::EPSILON);
    assert!(!metrics.has("c"));
}
