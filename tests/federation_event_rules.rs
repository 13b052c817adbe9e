//! The rules of event graphs by their ids in `docs/conformance.md`: what breaks each, and the exact words.
//!
//! What else a rule allows and refuses is in `federation_events.rs`; what becomes of events, in
//! `event_rules.rs`.

use juga::federation::{EventGraphSource, Graphs, LoadErrors, Schema, SubgraphSource};

const PEOPLE: &str = r#"
extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@shareable", "@inaccessible"])
type Query { employees: [Employee!]! pets: [Pet!]! }
type Employee @key(fields: "id") @key(fields: "office { code }") { id: Int! name: String office: Office! @shareable }
type Office { code: ID! @shareable }
interface Animal { id: ID! }
union Pet = Cat | Dog
type Cat implements Animal @key(fields: "id") @key(fields: "id tag") { id: ID! tag: String! }
type Dog implements Animal @key(fields: "id") { id: ID! tricks: Int }
"#;

const EMPLOYEE: &str = r#"type Employee @key(fields: "id", resolvable: false) { id: Int! @external }"#;
const PETS: &str = r#"union Pet = Cat | Dog interface Animal { id: ID! }
type Cat implements Animal @key(fields: "id tag", resolvable: false) { id: ID! @external tag: String! @external }
type Dog implements Animal @key(fields: "id", resolvable: false) { id: ID! @external }"#;
const FEED: &str = r#"type Subscription { a: Employee! @edfs__natsSubscribe(subjects: ["a"]) }"#;

fn load_beside(people: &str, events: &str) -> Result<Schema, LoadErrors> {
    Schema::load(&Graphs {
        subgraphs: vec![SubgraphSource {
            name: "people".into(),
            routing_url: "http://people".into(),
            sdl: people.into(),
            file: None,
            subscription: None,
        }],
        event_graphs: vec![EventGraphSource { name: "events".into(), sdl: events.into(), file: None }],
        ..Graphs::default()
    })
}

fn load(events: &str) -> Result<Schema, LoadErrors> {
    load_beside(PEOPLE, events)
}

#[track_caller]
fn accepted(events: &str) -> Schema {
    load(events).unwrap_or_else(|errors| panic!("{events}\n{errors}"))
}

/// The graph breaks one rule, and this is said of it: rule, place, words.
#[track_caller]
fn says(events: &str, words: [&str; 3]) {
    assert_eq!(said(&load(events).expect_err(events)), [words.map(str::to_owned)], "{events}");
}

fn said(errors: &LoadErrors) -> Vec<[String; 3]> {
    let line = |it: &juga::federation::LoadError| {
        [it.rule.clone(), it.coordinate.clone().unwrap_or_default(), it.message.clone()]
    };
    errors.0.iter().map(line).collect()
}

fn subscription(field: &str) -> String {
    format!("type Subscription {{ {field} }} {EMPLOYEE}")
}

#[test]
fn edg_1_root_fields_have_a_directive_that_fits() {
    let rule = "EDG_ROOT_FIELD_DIRECTIVE";
    let feeds =
        "@edfs__natsSubscribe, @edfs__kafkaSubscribe, @edfs__redisSubscribe or @feed__redisStreamSubscribe";
    let calls = "@edfs__natsPublish, @edfs__kafkaPublish, @edfs__redisPublish, @feed__kafkaPublish or @edfs__natsRequest";
    let missing = |fitting: &str| format!("every root field of an event graph needs a directive: {fitting}");
    says(&subscription("a: Employee!"), [rule, "Subscription.a", &missing(feeds)]);
    says(
        &format!("{FEED} {EMPLOYEE} type Query {{ b: Employee! }}"),
        [rule, "Query.b", &missing("@edfs__natsRequest")],
    );
    says(
        &format!("{FEED} {EMPLOYEE} type Mutation {{ b: edfs__PublishResult! }}"),
        [rule, "Mutation.b", &missing(calls)],
    );
    let unfit = |name: &str, root: &str, fitting: &str| {
        format!("@{name} does not fit a {root} field; it takes {fitting}")
    };
    for (name, argument) in [
        ("edfs__natsPublish", "subject: \"b\""),
        ("edfs__kafkaPublish", "topic: \"b\""),
        ("edfs__redisPublish", "channel: \"b\""),
        ("edfs__natsRequest", "subject: \"b\""),
    ] {
        let sdl = subscription(&format!("a: Employee! @{name}({argument})"));
        says(&sdl, [rule, "Subscription.a", &unfit(name, "subscription", feeds)]);
    }
    for (name, argument) in [
        ("edfs__natsSubscribe", "subjects: [\"b\"]"),
        ("edfs__kafkaSubscribe", "topics: [\"b\"]"),
        ("edfs__redisSubscribe", "channels: [\"b\"]"),
        ("feed__redisStreamSubscribe", "streams: [\"b\"]"),
    ] {
        let sdl = format!("{FEED} {EMPLOYEE} type Query {{ b: Employee! @{name}({argument}) }}");
        says(&sdl, [rule, "Query.b", &unfit(name, "query", "@edfs__natsRequest")]);
        let sdl =
            format!("{FEED} {EMPLOYEE} type Mutation {{ b: edfs__PublishResult! @{name}({argument}) }}");
        says(&sdl, [rule, "Mutation.b", &unfit(name, "mutation", calls)]);
    }
    says(
        &subscription(
            "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) @edfs__redisSubscribe(channels: [\"a\"])",
        ),
        [
            "EDG_SEVERAL_DIRECTIVES",
            "Subscription.a",
            "one event directive a field, but it has @edfs__natsSubscribe and @edfs__redisSubscribe",
        ],
    );
}

#[test]
fn edg_2_mutations_return_the_publish_result() {
    for returns in ["edfs__PublishResult", "[edfs__PublishResult!]!", "Boolean!", "Employee!"] {
        let sdl = format!("type Mutation {{ a: {returns} @edfs__natsPublish(subject: \"a\") }} {EMPLOYEE}");
        let words = format!("a mutation of an event graph returns edfs__PublishResult!, not {returns}");
        says(&sdl, ["EDG_MUTATION_RESULT", "Mutation.a", &words]);
    }
    let request = format!("type Mutation {{ a: Employee! @edfs__natsRequest(subject: \"a\") }} {EMPLOYEE}");
    let words = "a mutation of an event graph returns edfs__PublishResult!, not Employee!";
    says(&request, ["EDG_MUTATION_RESULT", "Mutation.a", words]);
}

#[test]
fn edg_3_queries_and_subscriptions_return_one_entity() {
    let words = |returns: &str| {
        format!(
            "the field must return one entity that is never null, or such an interface or union, not {returns}"
        )
    };
    for returns in ["Employee", "[Employee!]!", "Pet", "[Animal!]", "Int!", "edfs__PublishResult!"] {
        let feed = format!(
            "type Subscription {{ a: {returns} @edfs__natsSubscribe(subjects: [\"a\"]) }} {EMPLOYEE} {PETS}"
        );
        says(&feed, ["EDG_RESULT", "Subscription.a", &words(returns)]);
        let query =
            format!("type Query {{ a: {returns} @edfs__natsRequest(subject: \"a\") }} {EMPLOYEE} {PETS}");
        says(&query, ["EDG_RESULT", "Query.a", &words(returns)]);
    }
}

#[test]
fn edg_4_keys_are_not_resolvable() {
    let words = "keys of an event graph need \"resolvable: false\"";
    for keyword in ["type", "extend type"] {
        let sdl = format!("{FEED} {keyword} Employee @key(fields: \"id\") {{ id: Int! @external }}");
        says(&sdl, ["EDG_KEY_RESOLVABLE", "Employee", words]);
    }
}

#[test]
fn edg_5_key_fields_are_external() {
    let words = "key fields of an event graph need @external";
    for keyword in ["type", "extend type"] {
        let sdl = format!("{FEED} {keyword} Employee @key(fields: \"id\", resolvable: false) {{ id: Int! }}");
        says(&sdl, ["EDG_KEY_EXTERNAL", "Employee.id", words]);
    }
    let nested = format!(
        "{FEED} type Employee @key(fields: \"office {{ code }}\", resolvable: false) \
         {{ office: Office! @external }} type Office {{ code: ID! }}"
    );
    says(&nested, ["EDG_KEY_EXTERNAL", "Office.code", words]);
}

#[test]
fn edg_6_fields_are_key_fields() {
    let sdl = format!("{FEED} {} ", EMPLOYEE.replace("id: Int!", "name: String id: Int!"));
    says(&sdl, ["EDG_NON_KEY_FIELD", "Employee.name", "the field is not part of a key"]);
}

#[test]
fn edg_7_object_types_compose_a_key() {
    let words = "an event graph defines entities, and types that are part of their keys, only";
    says(&format!("{FEED} {EMPLOYEE} type Office {{ code: ID! }}"), ["EDG_OBJECT_TYPE", "Office", words]);
    // Other kinds of types are free.
    accepted(&format!("{FEED} {EMPLOYEE} enum Mood {{ GOOD }} scalar Date input In {{ a: Date }}"));
}

#[test]
fn edg_8_only_entities_and_roots_are_extended() {
    let words = "an event graph defines entities, and types that are part of their keys, only";
    let sdl = format!("{FEED} {EMPLOYEE} extend type Office {{ code: ID! }}");
    says(&sdl, ["EDG_OBJECT_TYPE", "Office", words]);
    accepted(&format!("extend {FEED} extend {EMPLOYEE}"));
}

#[test]
fn edg_9_the_publish_result_is_exact() {
    let publish = "type Mutation { a: edfs__PublishResult! @edfs__natsPublish(subject: \"a\") }";
    for wrong in
        ["success: Boolean", "success: Boolean! why: String", "done: Boolean!", "success(a: Int): Boolean!"]
    {
        says(
            &format!("{publish} type edfs__PublishResult {{ {wrong} }}"),
            ["EDG_PUBLISH_RESULT", "edfs__PublishResult", "the type must be exactly { success: Boolean! }"],
        );
    }
}

#[test]
fn edg_10_the_stream_configuration_is_exact_where_it_is_used() {
    let input = "input edfs__NatsStreamConfiguration { consumerName: String! streamName: String consumerInactiveThreshold: Int! = 30 }";
    let words = "the input must be exactly { consumerInactiveThreshold: Int! = 30, consumerName: String!, streamName: String! }";
    let used = subscription(
        "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"], streamConfiguration: { consumerName: \"c\", streamName: \"s\" })",
    );
    says(&format!("{used} {input}"), ["EDG_STREAM_CONFIGURATION", "edfs__NatsStreamConfiguration", words]);
    accepted(&format!("{FEED} {EMPLOYEE} {input}"));
}

/// Publishing and asking, on the directive's field.
fn call(directive: &str) -> String {
    let publish = directive.contains("Publish");
    match publish {
        true => format!("type Mutation {{ a(id: ID!): edfs__PublishResult! {directive} }}"),
        false => format!("type Query {{ a(id: ID!): Employee! {directive} }} {EMPLOYEE}"),
    }
}

#[test]
fn edfs_1_a_destination_is_a_string_with_something_in_it() {
    for (name, argument, root) in [
        ("edfs__natsRequest", "subject", "Query"),
        ("edfs__natsPublish", "subject", "Mutation"),
        ("edfs__kafkaPublish", "topic", "Mutation"),
        ("edfs__redisPublish", "channel", "Mutation"),
    ] {
        let (at, words) =
            (format!("{root}.a@{name}"), format!("\"{argument}\" must be a string that is not empty"));
        for wrong in ["\"\"", "1", "[\"a\"]", "null"] {
            says(&call(&format!("@{name}({argument}: {wrong})")), ["EDFS_DESTINATION", &at, &words]);
        }
        accepted(&call(&format!("@{name}({argument}: \"a.{{{{ args.id }}}}\")")));
    }
}

const LISTS: [(&str, &str); 4] = [
    ("edfs__natsSubscribe", "subjects"),
    ("edfs__kafkaSubscribe", "topics"),
    ("edfs__redisSubscribe", "channels"),
    ("feed__redisStreamSubscribe", "streams"),
];

#[test]
fn edfs_2_destinations_are_a_list_and_nothing_else() {
    for (name, argument) in LISTS {
        let (at, words) = (
            format!("Subscription.a@{name}"),
            format!("\"{argument}\" must be a list of at least one string"),
        );
        for wrong in ["\"a\"", "[]", "1", "null"] {
            let sdl = subscription(&format!("a: Employee! @{name}({argument}: {wrong})"));
            says(&sdl, ["EDFS_DESTINATION", &at, &words]);
        }
    }
}

#[test]
fn edfs_3_each_destination_is_a_string_with_something_in_it() {
    for (name, argument) in LISTS {
        let at = format!("Subscription.a@{name}");
        let words = format!("every item of \"{argument}\" must be a string that is not empty");
        for wrong in ["\"\"", "1", "[\"a\"]", "null"] {
            let sdl = subscription(&format!("a: Employee! @{name}({argument}: [\"a\", {wrong}])"));
            says(&sdl, ["EDFS_DESTINATION", &at, &words]);
        }
    }
}

#[test]
fn edfs_4_a_destination_is_needed() {
    for (name, argument) in LISTS {
        let words = format!("\"{argument}\" must be a list of at least one string");
        let sdl = subscription(&format!("a: Employee! @{name}(providerId: \"p\")"));
        says(&sdl, ["EDFS_DESTINATION", &format!("Subscription.a@{name}"), &words]);
    }
    let words = "\"topic\" must be a string that is not empty";
    says(&call("@edfs__kafkaPublish"), ["EDFS_DESTINATION", "Mutation.a@edfs__kafkaPublish", words]);
}

/// One error for each argument that is not there, on every directive.
#[test]
fn edfs_5_templates_name_arguments_of_the_field() {
    let two = "{{ args.one }}.{{ args.two }}";
    let words = |it: &str| format!("\"{it}\": the field has no argument \"one\"");
    for (name, argument) in LISTS {
        let sdl = subscription(&format!("a(id: ID!): Employee! @{name}({argument}: [\"{two}\"])"));
        says(&sdl, ["EDFS_TEMPLATE", &format!("Subscription.a@{name}"), &words(two)]);
    }
    for (name, argument, root) in [
        ("edfs__natsRequest", "subject", "Query"),
        ("edfs__natsPublish", "subject", "Mutation"),
        ("edfs__kafkaPublish", "topic", "Mutation"),
        ("edfs__redisPublish", "channel", "Mutation"),
    ] {
        let at = format!("{root}.a@{name}");
        says(&call(&format!("@{name}({argument}: \"{two}\")")), ["EDFS_TEMPLATE", &at, &words(two)]);
    }
    let sdl =
        subscription("a: Employee! @edfs__natsSubscribe(subjects: [\"{{ args.one }}\", \"{{ args.two }}\"])");
    let at = "Subscription.a@edfs__natsSubscribe";
    let each = |name: &str| {
        [
            "EDFS_TEMPLATE".to_owned(),
            at.to_owned(),
            format!("\"{{{{ args.{name} }}}}\": the field has no argument \"{name}\""),
        ]
    };
    assert_eq!(said(&load(&sdl).expect_err("two")), [each("one"), each("two")]);
}

#[test]
fn edfs_6_a_provider_is_a_string_with_something_in_it() {
    let words = "\"providerId\" must be a string that is not empty";
    for (name, argument) in LISTS {
        for wrong in ["\"\"", "1", "null", "[\"p\"]"] {
            let sdl =
                subscription(&format!("a: Employee! @{name}({argument}: [\"a\"], providerId: {wrong})"));
            says(&sdl, ["EDFS_PROVIDER_ID", &format!("Subscription.a@{name}"), words]);
        }
    }
    let sdl = subscription("a: Employee! @edfs__natsSubscribe(subjects: [\"a\"], provider: \"p\")");
    let words = "the directive has no argument \"provider\"";
    says(&sdl, ["EDFS_UNKNOWN_ARGUMENT", "Subscription.a@edfs__natsSubscribe", words]);
}

fn stream(value: &str) -> String {
    subscription(&format!(
        "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"], streamConfiguration: {value})"
    ))
}

const STREAM: [&str; 2] = ["EDFS_STREAM", "Subscription.a@edfs__natsSubscribe"];

#[test]
fn edfs_7_a_stream_configuration_is_an_input_object() {
    for wrong in ["1", "\"s\"", "[]", "null"] {
        let words = "\"streamConfiguration\" must be an input object";
        says(&stream(wrong), [STREAM[0], STREAM[1], words]);
    }
}

#[test]
fn edfs_8_a_stream_configuration_has_its_fields_once() {
    for (wrong, words) in [
        ("{ consumerName: \"c\" }", "\"streamName\" of \"streamConfiguration\" is missing"),
        ("{ streamName: \"s\" }", "\"consumerName\" of \"streamConfiguration\" is missing"),
        (
            "{ consumerName: \"c\", streamName: \"\" }",
            "\"streamName\" of \"streamConfiguration\" must be a string that is not empty",
        ),
        (
            "{ consumerName: 1, streamName: \"s\" }",
            "\"consumerName\" of \"streamConfiguration\" must be a string that is not empty",
        ),
        (
            "{ consumerName: \"c\", consumerName: \"d\", streamName: \"s\" }",
            "\"consumerName\" of \"streamConfiguration\" is given more than once",
        ),
        (
            "{ consumerName: \"c\", streamName: \"s\", durable: true }",
            "\"streamConfiguration\" has no field \"durable\"",
        ),
    ] {
        says(&stream(wrong), [STREAM[0], STREAM[1], words]);
    }
}

#[test]
fn edfs_9_a_threshold_is_a_whole_number() {
    let words = "\"consumerInactiveThreshold\" of \"streamConfiguration\" must be a whole number of seconds";
    for wrong in ["\"30\"", "1.5", "null", "true"] {
        let sdl = stream(&format!(
            "{{ consumerName: \"c\", streamName: \"s\", consumerInactiveThreshold: {wrong} }}"
        ));
        says(&sdl, [STREAM[0], STREAM[1], words]);
    }
}

/// Where a threshold is none that the broker takes, what is meant instead is said.
#[test]
fn edfs_10_thresholds_out_of_range_are_told() {
    let notes = |threshold: &str| {
        let schema = accepted(&stream(&format!(
            "{{ consumerName: \"c\", streamName: \"s\", consumerInactiveThreshold: {threshold} }}"
        )));
        schema.notes().iter().filter(|it| it.contains("Threshold")).cloned().collect::<Vec<_>>()
    };
    let place = "graph \"events\": Subscription.a@edfs__natsSubscribe: \"consumerInactiveThreshold\"";
    assert_eq!(notes("-1"), [format!("{place} of -1 is read as 30, the default")]);
    assert_eq!(notes("2147483648"), [format!("{place} of 2147483648 is read as 0, which is never")]);
    for right in ["0", "30", "2147483647"] {
        assert_eq!(notes(right), Vec::<String>::new(), "{right}");
    }
}

const FILTER: &str = "Subscription.a@openfed__subscriptionFilter";
const BY_ID: &str = "{ IN: { fieldPath: \"id\", values: [1] } }";

fn filtered(condition: &str) -> String {
    subscription(&format!(
        "a(id: ID, ids: [ID!]): Employee! @edfs__natsSubscribe(subjects: [\"a\"]) \
         @openfed__subscriptionFilter(condition: {condition})"
    ))
}

#[test]
fn filter_1_a_filter_stands_once_on_a_subscription_field() {
    let filter = format!("@openfed__subscriptionFilter(condition: {BY_ID})");
    let (rule, words) = ("EDFS_FILTER_LOCATION", "filters belong on fields of the subscription type");
    let query =
        format!("type Query {{ a: Employee! @edfs__natsRequest(subject: \"a\") {filter} }} {EMPLOYEE}");
    says(&query, [rule, "Query.a", words]);
    let mutation = format!(
        "type Mutation {{ a: edfs__PublishResult! @edfs__natsPublish(subject: \"a\") {filter} }} {EMPLOYEE}"
    );
    says(&mutation, [rule, "Mutation.a", words]);
    let key = format!("{FEED} {}", EMPLOYEE.replace("@external", &format!("@external {filter}")));
    says(&key, [rule, "Employee.id", words]);
    let twice =
        subscription(&format!("a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) {filter} {filter}"));
    says(&twice, ["EDFS_FILTER_REPEATED", FILTER, "a field can have one filter only"]);
}

/// A filter that nobody would apply must not look as if it did.
#[test]
fn filter_1_a_filter_in_a_subgraph_is_refused() {
    let filter = format!("@openfed__subscriptionFilter(condition: {BY_ID})");
    for (people, at) in [
        (format!("{PEOPLE} type Subscription {{ b: Employee! {filter} }}"), "Subscription.b"),
        (PEOPLE.replace("name: String", &format!("name: String {filter}")), "Employee.name"),
    ] {
        let errors = load_beside(&people, &format!("{FEED} {EMPLOYEE}")).expect_err("a filter");
        let words = "filters belong on fields of event graphs: what a subgraph sends is not filtered";
        assert_eq!(said(&errors), [["EDFS_FILTER_LOCATION", at, words].map(str::to_owned)]);
        assert_eq!(errors.0[0].graph.as_deref(), Some("people"));
    }
}

#[test]
fn filter_2_errors_name_directive_and_field() {
    let words = "the directive takes one argument, \"condition\"";
    for wrong in ["", "(where: 1)", &format!("(condition: {BY_ID}, where: 1)")] {
        let sdl = subscription(&format!(
            "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) @openfed__subscriptionFilter{wrong}"
        ));
        says(&sdl, ["EDFS_FILTER", FILTER, words]);
    }
}

#[test]
fn filter_3_conditions_nest_five_levels() {
    let nested =
        |levels: usize| format!("{}{BY_ID}{}", "{ NOT: ".repeat(levels - 1), " }".repeat(levels - 1));
    accepted(&filtered(&nested(5)));
    says(
        &filtered(&nested(6)),
        ["EDFS_FILTER_DEPTH", FILTER, "conditions are nested more than 5 levels deep"],
    );
}

#[test]
fn filter_4_a_condition_is_one_of_four() {
    for (wrong, words) in [
        ("{}", "{ } must have exactly one of AND, IN, NOT, OR".to_owned()),
        (
            &*format!("{{ NOT: {BY_ID}, OR: [{BY_ID}] }}"),
            format!("{{ NOT: {BY_ID} OR: [{BY_ID}] }} must have exactly one of AND, IN, NOT, OR"),
        ),
        ("1", "1 is no condition".into()),
        ("\"id\"", "\"id\" is no condition".into()),
        ("{ XOR: [] }", "\"XOR\" is none of AND, IN, NOT, OR".into()),
        ("{ NOT: 1 }", "1 is no condition".into()),
        ("{ AND: 1 }", "\"AND\" takes a list of conditions".into()),
        ("{ OR: {} }", "\"OR\" takes a list of conditions".into()),
    ] {
        says(&filtered(wrong), ["EDFS_FILTER_CONDITION", FILTER, &words]);
    }
}

#[test]
fn filter_5_lists_have_one_to_five_conditions() {
    for name in ["AND", "OR"] {
        let list = |items: usize| filtered(&format!("{{ {name}: [{}] }}", vec![BY_ID; items].join(", ")));
        accepted(&list(5));
        for wrong in [0, 6] {
            let words = format!("\"{name}\" takes 1 to 5 conditions, not {wrong}");
            says(&list(wrong), ["EDFS_FILTER_LENGTH", FILTER, &words]);
        }
        let words = "1 is no condition";
        says(&filtered(&format!("{{ {name}: [1] }}")), ["EDFS_FILTER_CONDITION", FILTER, words]);
    }
}

#[test]
fn filter_6_in_has_a_path_and_values() {
    for wrong in [
        "{ fieldPath: \"id\" }",
        "{ values: [1] }",
        "{ fieldPath: 1, values: [1] }",
        "{ fieldPath: \"id\", values: [1], more: 1 }",
        "{ fieldPath: \"id\", fieldPath: \"id\", values: [1] }",
        "[]",
        "1",
    ] {
        let words = format!("{wrong} must be {{ fieldPath: …, values: … }}");
        says(&filtered(&format!("{{ IN: {wrong} }}")), ["EDFS_FILTER_IN", FILTER, &words]);
    }
}

#[test]
fn filter_7_values_are_scalars() {
    let values = |values: &str| filtered(&format!("{{ IN: {{ fieldPath: \"id\", values: {values} }} }}"));
    let rule = "EDFS_FILTER_VALUES";
    says(&values("[]"), [rule, FILTER, "\"values\" is empty"]);
    says(&values("[[1]]"), [rule, FILTER, "[1] in \"values\" is no scalar"]);
    says(&values("[{ a: 1 }]"), [rule, FILTER, "{ a: 1 } in \"values\" is no scalar"]);
    says(&values("{ a: 1 }"), [rule, FILTER, "{ a: 1 } in \"values\" is no scalar"]);
    let two = "{{ args.id }}{{ args.ids }}";
    says(
        &values(&format!("\"{two}\"")),
        [rule, FILTER, &format!("\"{two}\" has more than one argument in it")],
    );
    let words = "\"{{ args.no }}\": the field has no argument \"no\"";
    says(&values("[1, \"{{ args.no }}\"]"), ["EDFS_TEMPLATE", FILTER, words]);
    for right in ["1", "\"x\"", "null", "[1, 1, \"1\", true, null, 1.5]"] {
        accepted(&values(right));
    }
}

#[test]
fn filter_8_a_path_leads_to_a_leaf_of_this_graph() {
    let office = |path: &str| {
        filtered(&format!("{{ IN: {{ fieldPath: \"{path}\", values: [1] }} }}")).replace(
            EMPLOYEE,
            "type Employee @key(fields: \"office { code }\", resolvable: false) { office: Office! @external } \
             type Office { code: ID! @external }",
        )
    };
    let several = office("office.code").replace("office: Office!", "office: [Office!]");
    let words = "\"office.code\": \"Employee.office\" is a list";
    says(&several, ["EDFS_FILTER_PATH", FILTER, words]);
    accepted(&office("office.code"));
    for (wrong, words) in [
        ("", "is no dotted path of field names"),
        ("office.", "is no dotted path of field names"),
        ("name", "\"Employee\" has no field \"name\" in this event graph"),
        ("office.floor", "\"Office\" has no field \"floor\" in this event graph"),
        ("office.code.x", "\"ID\" is no object type"),
        ("office", "must end on a scalar or enum, but \"office\" is of type \"Office\""),
    ] {
        says(&office(wrong), ["EDFS_FILTER_PATH", FILTER, &format!("\"{wrong}\": {words}")]);
    }
}

fn about_pets(returns: &str, path: &str, pets: &str) -> String {
    format!(
        "type Subscription {{ a: {returns} @edfs__natsSubscribe(subjects: [\"a\"]) \
         @openfed__subscriptionFilter(condition: {{ IN: {{ fieldPath: \"{path}\", values: [1] }} }}) }} {pets}"
    )
}

#[test]
fn filter_9_a_path_exists_on_every_type_that_clients_see() {
    for returns in ["Pet!", "Animal!"] {
        accepted(&about_pets(returns, "id", PETS));
        let words = "\"tag\": \"Dog\" has no field \"tag\" in this event graph";
        says(&about_pets(returns, "tag", PETS), ["EDFS_FILTER_PATH", FILTER, words]);
        let hidden = PETS.replace("type Dog implements Animal", "type Dog implements Animal @inaccessible");
        accepted(&about_pets(returns, "tag", &hidden));
        let all = hidden.replace("type Cat implements Animal", "type Cat implements Animal @inaccessible");
        let words = format!("\"id\": \"{}\" has no accessible object type", returns.trim_end_matches('!'));
        says(&about_pets(returns, "id", &all), ["EDFS_FILTER_PATH", FILTER, &words]);
    }
}

/// A type is hidden whichever graph says so.
#[test]
fn filter_9_a_type_that_another_graph_hides_is_excused() {
    let people = PEOPLE.replace("type Dog implements Animal", "type Dog implements Animal @inaccessible");
    for returns in ["Pet!", "Animal!"] {
        let schema = load_beside(&people, &about_pets(returns, "tag", PETS)).expect("Dogs are hidden");
        assert_eq!(schema.event_fields().len(), 1);
    }
}

/// Hidden fields can be filtered by, whichever graph hides them.
#[test]
fn filter_10_hidden_fields_can_be_filtered_by() {
    let hidden = |sdl: &str| sdl.replace("tag: String!", "tag: String! @inaccessible");
    let cats = "type Subscription { a: Cat! @edfs__natsSubscribe(subjects: [\"a\"]) \
        @openfed__subscriptionFilter(condition: { IN: { fieldPath: \"tag\", values: [\"x\"] } }) } \
        type Cat @key(fields: \"id tag\", resolvable: false) { id: ID! @external tag: String! @external }";
    for (people, events) in
        [(PEOPLE.to_owned(), hidden(cats)), (hidden(PEOPLE), cats.to_owned()), (hidden(PEOPLE), hidden(cats))]
    {
        let schema = load_beside(&people, &events).unwrap_or_else(|errors| panic!("{events}\n{errors}"));
        assert_eq!(schema.event_fields().len(), 1);
    }
}

/// What stands in the name spaces of event graphs is meant for the router, and may protect something.
#[test]
fn directives_that_nobody_knows_are_refused_with_their_place() {
    let unknown = |space: &str, known: &str| {
        format!("this version does not know the directive; of {space}__ it knows {known}")
    };
    let feed = unknown("feed", "@feed__kafkaPublish, @feed__redisStreamSubscribe, @feed__deliver");
    let rule = "EDFS_UNKNOWN_DIRECTIVE";
    for directive in [
        "@feed__allow(rule: { IN: { fieldPath: \"id\", values: [1] } })",
        "@feed__nonsense",
        "@feed__live",
        "@feed__wildcard(args: [\"id\"])",
    ] {
        let name = directive.split(['(', ' ']).next().expect("a name");
        let sdl = subscription(&format!("a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) {directive}"));
        says(&sdl, [rule, &format!("Subscription.a{name}"), &feed]);
    }
    let errors =
        load(&format!("{FEED}\n{EMPLOYEE}\nextend type Employee\n  @feed__allow(policies: [[\"a\"]])"));
    let errors = errors.expect_err("it protects").0;
    let at = (errors[0].graph.as_deref(), errors[0].line, errors[0].column);
    assert_eq!((at, errors[0].rule.as_str()), ((Some("events"), Some(4), Some(4)), rule), "{errors:?}");

    // Wherever it stands.
    for (sdl, at) in [
        (format!("{FEED} {EMPLOYEE} extend type Subscription @feed__allow"), "Subscription@feed__allow"),
        (format!("{FEED} {EMPLOYEE} extend schema @feed__allow"), "schema@feed__allow"),
        (format!("{FEED} {EMPLOYEE} scalar X @feed__allow"), "X@feed__allow"),
        (format!("{FEED} {EMPLOYEE} enum X {{ Y @feed__allow }}"), "X.Y@feed__allow"),
        (format!("{FEED} {EMPLOYEE} input X {{ y: Int @feed__allow }}"), "X.y@feed__allow"),
        (
            subscription("a(id: ID @feed__allow): Employee! @edfs__natsSubscribe(subjects: [\"a\"])"),
            "Subscription.a(id:)@feed__allow",
        ),
    ] {
        says(&sdl, [rule, at, &feed]);
    }
    // To define it does not help.
    let defined = format!(
        "directive @feed__nonsense on FIELD_DEFINITION {}",
        subscription("a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) @feed__nonsense")
    );
    says(&defined, [rule, "Subscription.a@feed__nonsense", &feed]);
    accepted(&format!("directive @feed__nonsense on FIELD_DEFINITION {FEED} {EMPLOYEE}"));

    let edfs = "@edfs__natsRequest, @edfs__natsPublish, @edfs__natsSubscribe, @edfs__kafkaPublish, @edfs__kafkaSubscribe, \
                @edfs__redisPublish, @edfs__redisSubscribe";
    let sdl = subscription(
        "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) @edfs__rabbitSubscribe(queue: \"a\")",
    );
    says(&sdl, [rule, "Subscription.a@edfs__rabbitSubscribe", &unknown("edfs", edfs)]);
    let sdl =
        subscription("a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) @openfed__subscriptionfilter");
    let said = said(&load(&sdl).expect_err("a misspelt filter"));
    assert_eq!(said[0][..2], [rule, "Subscription.a@openfed__subscriptionfilter"], "{said:?}");
    assert!(said[0][2].contains("@openfed__subscriptionFilter"), "{said:?}");
    accepted(&subscription(
        "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) @openfed__requireFetchReasons",
    ));
}

#[test]
fn other_directives_in_event_graphs_are_known_to_somebody() {
    let field = |directive: &str| {
        subscription(&format!("a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) {directive}"))
    };
    let words = "unknown directive: neither this graph nor a specification that it links defines it";
    says(&field("@hasRole(role: \"admin\")"), ["UNKNOWN_DIRECTIVE", "Subscription.a@hasRole", words]);
    accepted(&field("@deprecated(reason: \"old\") @tag(name: \"x\")"));
    accepted(&format!("directive @mine(n: Int) on FIELD_DEFINITION {}", field("@mine(n: 1)")));
}

/// Who spells out a directive relies on what it says there; what is read is the router's own definition.
#[test]
fn definitions_of_event_directives_agree_with_what_is_read() {
    let rule = "EDFS_DEFINITION";
    let graph = |definition: &str| format!("{definition} {FEED} {EMPLOYEE}");
    let read = "directive @edfs__natsSubscribe(subjects: [String!]!, providerId: String! = \"default\", \
                streamConfiguration: edfs__NatsStreamConfiguration) on FIELD_DEFINITION";
    for (wrong, problem) in [
        ("(subjects: [String!]!, queue: String) on FIELD_DEFINITION", "has no argument \"queue\""),
        ("(providerId: String! = \"default\") on FIELD_DEFINITION", "lacks the argument \"subjects\""),
        ("(subjects: String!) on FIELD_DEFINITION", "takes \"subjects\" as [String!]!, not String!"),
        ("(subjects: [ID!]!) on FIELD_DEFINITION", "takes \"subjects\" as [String!]!, not [ID!]!"),
        (
            "(subjects: [String!]!, providerId: String! = \"mine\") on FIELD_DEFINITION",
            "has the default \"default\" for \"providerId\", not \"mine\"",
        ),
        ("(subjects: [String!]! = [\"b\"]) on FIELD_DEFINITION", "has no default for \"subjects\""),
        ("(subjects: [String!]!) on OBJECT", "belongs on FIELD_DEFINITION, not on OBJECT"),
        ("(subjects: [String!]!) on FIELD_DEFINITION | SCHEMA", "belongs on FIELD_DEFINITION, not on SCHEMA"),
        ("(subjects: [String!]!) repeatable on FIELD_DEFINITION", "is not repeatable"),
    ] {
        let words = format!("the directive {problem}: it is read as {read}");
        let definition = format!("directive @edfs__natsSubscribe{wrong}");
        says(&graph(&definition), [rule, "@edfs__natsSubscribe", &words]);
    }
    // Each is named, in its place.
    let several =
        "scalar A\ndirective @edfs__redisPublish(channel: String!, key: Int, providerId: Int) on SCHEMA";
    let errors = load(&graph(several)).expect_err(several).0;
    let errors: Vec<_> = errors.iter().filter(|it| it.rule == rule).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    for error in errors {
        assert_eq!((error.graph.as_deref(), error.line, error.column), (Some("events"), Some(2), Some(12)));
    }
    let twice = "directive @edfs__redisPublish(channel: String!) on FIELD_DEFINITION ".repeat(2);
    let found = said(&load(&graph(&twice)).expect_err("it stands there twice"));
    assert_eq!(
        found[0],
        [rule, "@edfs__redisPublish", "the directive is defined more than once"],
        "{found:?}"
    );
    // Whoever gives an argument has to have it.
    let sdl = subscription(
        "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"], streamConfiguration: { consumerName: \"c\", streamName: \"s\" })",
    );
    let short = "directive @edfs__natsSubscribe(subjects: [String!]!) on FIELD_DEFINITION";
    let words = format!(
        "the directive lacks the argument \"streamConfiguration\", which is given: it is read as {read}"
    );
    says(&format!("{short} {sdl}"), [rule, "@edfs__natsSubscribe", &words]);

    // As Cosmo publishes them, as the manual does, and in words that ask for no less.
    for fine in [
        read,
        short,
        "directive @edfs__natsSubscribe(subjects: [String]!, providerId: String) on FIELD_DEFINITION",
        "\"Events.\" directive @edfs__natsSubscribe(\"Where.\" subjects: [String!]!, providerId: String = null) on | FIELD_DEFINITION",
        "directive @openfed__subscriptionFilter(condition: openfed__SubscriptionFilterCondition!) on FIELD_DEFINITION",
        "directive @feed__deliver(start: feed__Start! = LATEST, overflow: feed__Overflow! = AUTO) on FIELD_DEFINITION",
        "directive @feed__kafkaPublish(topic: String!, key: String, headers: [feed__Header!], providerId: String! = \"default\") on FIELD_DEFINITION",
        "directive @openfed__requireFetchReasons(any: Int) on OBJECT",
    ] {
        accepted(&graph(fine));
    }
}

/// Where nothing reads a directive, it would not do what it says.
#[test]
fn known_directives_in_other_places_are_refused() {
    let rule = "EDFS_DIRECTIVE_LOCATION";
    let deliver = "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"])";
    for (sdl, at, words) in [
        (
            format!(
                "{FEED} type Employee @key(fields: \"id\", resolvable: false) {{ id: Int! @external @edfs__natsSubscribe(subjects: [\"b\"]) }}"
            ),
            "Employee.id@edfs__natsSubscribe",
            "the directive belongs on fields of root types, not on FIELD_DEFINITION Employee.id",
        ),
        (
            format!("{FEED} {EMPLOYEE} extend type Employee @feed__deliver"),
            "Employee@feed__deliver",
            "the directive belongs on fields of the subscription type, not on OBJECT Employee",
        ),
        (
            format!(
                "{} type Query {{ b: Employee! @edfs__natsRequest(subject: \"b\") @feed__deliver }}",
                subscription(deliver)
            ),
            "Query.b@feed__deliver",
            "the directive belongs on fields of the subscription type, not on FIELD_DEFINITION Query.b",
        ),
        (
            format!(
                "{FEED} {EMPLOYEE} extend type Subscription @openfed__subscriptionFilter(condition: {{}})"
            ),
            "Subscription@openfed__subscriptionFilter",
            "the directive belongs on fields of the subscription type, not on OBJECT Subscription",
        ),
    ] {
        says(&sdl, [rule, at, words]);
    }
    let twice =
        subscription("a: Employee! @edfs__kafkaSubscribe(topics: [\"a\"]) @feed__deliver @feed__deliver");
    says(
        &twice,
        ["EDFS_DIRECTIVE_REPEATED", "Subscription.a@feed__deliver", "the directive stands there twice"],
    );
    let twice = subscription(
        "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"], providerId: \"default\", providerId: \"b\")",
    );
    says(
        &twice,
        [
            "EDFS_ARGUMENT_REPEATED",
            "Subscription.a@edfs__natsSubscribe",
            "the argument \"providerId\" is given more than once",
        ],
    );
}

/// In a graph that a server answers for, nothing reads them.
#[test]
fn subgraphs_and_supergraphs_have_none_of_them() {
    let misplaced = "the directive belongs on root fields of event graphs: nothing reads it here";
    for (field, at, rule) in [
        ("x: Int @feed__allow", "Extra.x@feed__allow", "EDFS_UNKNOWN_DIRECTIVE"),
        ("x: Int @edfs__nonsense", "Extra.x@edfs__nonsense", "EDFS_UNKNOWN_DIRECTIVE"),
        ("x: Int @openfed__nonsense", "Extra.x@openfed__nonsense", "EDFS_UNKNOWN_DIRECTIVE"),
        ("x: Int @feed__deliver", "Extra.x@feed__deliver", "EDFS_DIRECTIVE_LOCATION"),
    ] {
        let people = format!("{PEOPLE} type Extra {{ {field} }} extend type Query {{ extra: Extra }}");
        let said = said(&load_beside(&people, &format!("{FEED} {EMPLOYEE}")).expect_err(field));
        assert_eq!(
            (said.len(), said[0][..2].to_vec()),
            (1, vec![rule.to_owned(), at.to_owned()]),
            "{said:?}"
        );
        if rule == "EDFS_DIRECTIVE_LOCATION" {
            assert_eq!(said[0][2], misplaced);
        }
    }
    let sdl = accepted(&format!("{FEED} {EMPLOYEE}")).supergraph_sdl().replacen(
        "pets:",
        "z: Int @feed__allow pets:",
        1,
    );
    let supergraph = Some(juga::federation::SupergraphSource { sdl, file: None });
    let found = said(&Schema::load(&Graphs { supergraph, ..Graphs::default() }).expect_err("it protects"));
    assert_eq!(found[0][..2], ["EDFS_UNKNOWN_DIRECTIVE", "Query.z@feed__allow"], "{found:?}");
}
