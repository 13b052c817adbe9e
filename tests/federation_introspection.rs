//! What clients learn about the schema.

use juga::{
    federation::{EventGraphSource, Graphs, Limits, Schema, SubgraphSource},
    graphql::Variables,
};
use serde_json::Value;
use std::{collections::BTreeSet, fs};

fn demo() -> Schema {
    let read = |name: &str| fs::read_to_string(format!("tests/fixtures/demo/{name}.graphql")).expect(name);
    let subgraph = |name: &str| SubgraphSource {
        name: name.into(),
        routing_url: "http://localhost".into(),
        sdl: read(name),
        file: None,
        subscription: None,
    };
    load(vec![subgraph("employees"), subgraph("products")], Some(read("events")))
}

fn load(subgraphs: Vec<SubgraphSource>, events: Option<String>) -> Schema {
    let event_graph = |sdl| EventGraphSource { name: "events".into(), sdl, file: None };
    let event_graphs = events.into_iter().map(event_graph).collect();
    Schema::load(&Graphs { subgraphs, supergraph: None, event_graphs, ..Graphs::default() })
        .unwrap_or_else(|errors| panic!("{errors}"))
}

/// The constants of an operation; arguments are not given, so keys are the fields' names.
fn ask(schema: &Schema, text: &str, variables: &[(&str, &str)]) -> Value {
    let document = schema.parse(text, None, &Limits::default()).unwrap_or_else(|it| panic!("{it:?}"));
    let mut given = Variables::new();
    for (name, json) in variables {
        given.set((*name).into(), json.to_string().into());
    }
    let operation = schema.plan(&document, &given).unwrap_or_else(|it| panic!("{it:?}"));
    assert!(operation.plan.steps.is_none(), "nothing to fetch");
    serde_json::from_slice(&operation.constants.expect("constants")).expect("JSON")
}

/// A member whatever arguments its key carries.
fn member<'v>(value: &'v Value, name: &str) -> &'v Value {
    let object = value.as_object().unwrap_or_else(|| panic!("{name} of {value}"));
    let is_it = |key: &&String| **key == name || key.starts_with(&format!("{name}_"));
    object.iter().find(|(key, _)| is_it(key)).map_or(&Value::Null, |(_, value)| value)
}

fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
    let items = list.as_array().expect("a list");
    items.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().expect("a list").iter().filter_map(|it| it["name"].as_str()).collect()
}

/// The query that GraphiQL and code generators send.
const FULL: &str = "query IntrospectionQuery { __schema {
  description queryType { name kind } mutationType { name kind } subscriptionType { name kind }
  types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL isOneOf
  fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
  inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } }";

#[test]
fn the_full_query_describes_the_graph_and_nothing_of_its_making() {
    let answer = ask(&demo(), FULL, &[]);
    let schema = &answer["__schema"];
    assert_eq!(schema["queryType"]["name"], "Query");
    assert_eq!(schema["subscriptionType"]["kind"], "OBJECT");
    let types = names(&schema["types"]);
    for name in
        ["Employee", "Offer", "Release", "Mood", "EmployeeUpdate", "edfs__PublishResult", "__Type", "Float"]
    {
        assert!(types.contains(name), "{name} in {types:?}");
    }
    let text = answer.to_string();
    for hidden in [
        "join__",
        "link__",
        "natsSubscribe",
        "openfed__",
        "edfs__Nats",
        "payrollNumber",
        "SECRET",
        "inaccessible",
    ] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    let all = schema["types"].as_array().expect("types");
    assert_eq!(all.len(), types.len(), "each type once");
    let expected = ["skip", "include", "deprecated", "specifiedBy", "oneOf"];
    assert_eq!(names(&schema["directives"]), expected.into());
    assert_eq!(schema["directives"].as_array().map(Vec::len), Some(expected.len()));
}

#[test]
fn types_are_described_in_full() {
    let answer = ask(&demo(), FULL, &[]);
    let types = &answer["__schema"]["types"];
    let employee = named(types, "Employee");
    assert_eq!(employee["description"], "Someone on the payroll.");
    assert_eq!(names(&employee["interfaces"]), ["Person"].into());
    let fields = member(employee, "fields");
    assert_eq!(
        names(fields),
        [
            "id",
            "nickname",
            "details",
            "role",
            "startYear",
            "updatedAt",
            "currentMood",
            "isAvailable",
            "phone",
            "notes",
            "products",
            "seniority"
        ]
        .into()
    );
    assert_eq!(named(fields, "phone")["deprecationReason"], "Ask the front desk.");
    assert_eq!(named(fields, "id")["type"]["kind"], "NON_NULL");
    assert_eq!(named(fields, "id")["type"]["ofType"]["name"], "Int");
    assert_eq!(named(fields, "products")["type"]["ofType"]["ofType"]["ofType"]["name"], "Product");
    let unit = named(member(named(fields, "seniority"), "args"), "unit");
    assert_eq!((&unit["defaultValue"], &unit["type"]["kind"]), (&"YEARS".into(), &"ENUM".into()));
    assert_eq!(names(&named(types, "Offer")["possibleTypes"]), ["Product", "Service"].into());
    assert_eq!(names(&named(types, "Release")["possibleTypes"]), ["Product", "Service"].into());
    assert!(!names(member(named(types, "Query"), "fields")).contains("__schema"));
    assert_eq!(named(types, "EmployeeUpdate")["isOneOf"], false);
    assert_eq!(named(types, "Employee")["isOneOf"], Value::Null);
    let filter = member(named(types, "Query"), "fields");
    let filter = named(member(named(filter, "teammates"), "args"), "filter");
    assert_eq!(filter["defaultValue"], "{department: ENGINEERING}");
    assert_eq!(
        names(member(named(types, "Department"), "enumValues")),
        ["ENGINEERING", "MARKETING", "OPERATIONS"].into()
    );
}

#[test]
fn deprecated_things_show_when_asked_for() {
    let schema = demo();
    let text = "query($all: Boolean = false) { __type(name: \"Employee\") { fields(includeDeprecated: $all) { name } } }";
    let document = schema.parse(text, None, &Limits::default()).expect("valid");
    assert_eq!(document.specializing().iter().map(|it| &**it).collect::<Vec<_>>(), ["all"]);
    for (all, shown) in [("true", true), ("false", false)] {
        let answer = ask(&schema, text, &[("all", all)]);
        let fields = names(member(member(&answer, "__type"), "fields"));
        assert_eq!(fields.contains("phone"), shown, "{all}");
    }
}

#[test]
fn a_type_is_found_by_name() {
    let schema = demo();
    let text = "query($n: String!) { __type(name: $n) { name kind __typename } }";
    let answer = ask(&schema, text, &[("n", "\"Mood\"")]);
    assert_eq!(
        *member(&answer, "__type"),
        serde_json::json!({"name": "Mood", "kind": "ENUM", "__typename": "__Type"})
    );
    assert_eq!(*member(&ask(&schema, text, &[("n", "\"Nope\"")]), "__type"), Value::Null);
}

#[test]
fn selections_of_equal_fields_merge() {
    let text = "{ a: __schema { queryType { name } } b: __schema { queryType { kind } ... on __Schema { mutationType { name } } } }";
    let expected = serde_json::json!({"queryType": {"name": "Query", "kind": "OBJECT"}, "mutationType": {"name": "Mutation"}});
    assert_eq!(ask(&demo(), text, &[])["__schema"], expected);
}

#[test]
fn data_and_introspection_go_together() {
    let schema = demo();
    let document = schema
        .parse("{ __typename employees { id } __schema { queryType { name } } }", None, &Limits::default())
        .expect("valid");
    let operation = schema.plan(&document, &Variables::new()).expect("a plan");
    assert!(operation.plan.steps.is_some() && operation.constants.is_some());
    let keys: Vec<_> = operation.projection.root.fields.iter().map(|it| &*it.key).collect();
    assert_eq!(keys, ["__typename", "employees", "__schema"]);
}

#[test]
fn scalars_and_one_of_inputs_say_what_they_are() {
    let sdl = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.5\", import: [\"@key\"]) \
        scalar Moment @specifiedBy(url: \"https://example.org/moment\") input By @oneOf { id: ID name: String } \
        type Query { at(by: By, old: Int @deprecated(reason: \"gone\")): Moment }";
    let schema =
        load(vec![SubgraphSource { name: "a".into(), sdl: sdl.into(), ..SubgraphSource::default() }], None);
    let answer = ask(&schema, FULL, &[]);
    let types = &answer["__schema"]["types"];
    assert_eq!(named(types, "By")["isOneOf"], true);
    assert_eq!(named(types, "Moment")["specifiedByURL"], "https://example.org/moment");
    let args = member(named(member(named(types, "Query"), "fields"), "at"), "args");
    assert_eq!(named(args, "old")["isDeprecated"], true);
}

/// Names that begin with two underscores are not in the schema, and validation rules pass over them.
#[test]
fn fields_that_only_look_like_introspection_are_refused() {
    let schema = demo();
    for text in [
        "{ __nothing }",
        "{ employees { __typeName } }",
        "{ employees { __schema { types { name } } } }",
        "{ employees { ... on Employee { __type(name: \"A\") { name } } } }",
        "{ __schema { __type(name: \"A\") { name } } }",
        "{ ...F } fragment F on Query { employees { ...G } } fragment G on Employee { id __what }",
        "mutation { __schema { types { name } } }",
        "{ employees { __typename { id } } }",
        "{ employees { __typename(upper: true) } }",
        "{ __schema }",
        "{ __schema { nonsense } }",
        "{ __schema(a: 1) { types { name } } }",
        "{ __type { name } }",
    ] {
        let errors = schema.parse(text, None, &Limits::default()).expect_err(text);
        assert_eq!(errors[0].code, Some("GRAPHQL_VALIDATION_FAILED"), "{text}: {errors:?}");
    }
    let both = "{ ...F } fragment F on Query { __typename __schema { types { __typename } } }";
    schema.parse(both, None, &Limits::default()).unwrap_or_else(|it| panic!("{it:?}"));
}

/// What is no type at all, and what no object here can ever be.
#[test]
fn types_that_only_look_like_introspection_are_refused() {
    let schema = demo();
    for (text, part, column) in [
        ("{ employees { ... on __Sundry { id } } }", "Unknown type \"__Sundry\".", 22),
        ("{ ...F } fragment F on __Sundry { id }", "Unknown type \"__Sundry\".", 24),
        ("query ($a: [__Sundry!]) { employee(id: $a) { id } }", "Unknown type \"__Sundry\".", 13),
        (
            "query ($a: __Type) { employee(id: $a) { id } }",
            "Variable \"$a\" cannot be non-input type \"__Type\".",
            12,
        ),
        ("{ employees { ... on __Type { name } } }", "can never be of type \"__Type\".", 15),
        ("{ ... on __Schema { types { name } } }", "can never be of type \"__Schema\".", 3),
        ("{ employees { ...F } } fragment F on __Type { name }", "can never be of type \"__Type\".", 15),
        ("{ __schema { ... on Employee { types { name } } } }", "can never be of type \"Employee\".", 14),
        ("{ __schema { ...F } } fragment F on Employee { id }", "can never be of type \"Employee\".", 14),
    ] {
        let errors = schema.parse(text, None, &Limits::default()).expect_err(text);
        assert_eq!(errors[0].code, Some("GRAPHQL_VALIDATION_FAILED"), "{text}: {errors:?}");
        assert!(errors[0].message.contains(part), "{text}: {errors:?}");
        assert_eq!(errors[0].locations[0].column, column, "{text}: {errors:?}");
    }
    let all = "{ __schema { ... on __Schema { types { ...T } } ... { directives { ... on __Directive { name } } } } } fragment T on __Type { name kind }";
    schema.parse(all, None, &Limits::default()).unwrap_or_else(|it| panic!("{it:?}"));
}
