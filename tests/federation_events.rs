//! The rules of event graphs: each broken once and kept once.

use juga::{
    federation::{EventGraphSource, Graphs, LoadErrors, Schema, SubgraphSource},
    plan::ProviderKind,
};

const SUBGRAPH: &str = r#"
extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@shareable"])
type Query { employees: [Employee!]! pets: [Pet!]! teams: [Team!]! }
type Employee @key(fields: "id") @key(fields: "office { code }") { id: Int! name: String office: Office! @shareable }
type Office { code: ID! @shareable }
interface Animal { id: ID! }
union Pet = Cat | Dog
type Cat implements Animal @key(fields: "id") { id: ID! lives: Int }
type Dog implements Animal @key(fields: "id") { id: ID! tricks: Int }
type Team { name: String }
"#;

const EMPLOYEE: &str = "type Employee @key(fields: \"id\", resolvable: false) { id: Int! @external }";
const PETS: &str = "union Pet = Cat | Dog interface Animal { id: ID! } \
    type Cat implements Animal @key(fields: \"id\", resolvable: false) { id: ID! @external } \
    type Dog implements Animal @key(fields: \"id\", resolvable: false) { id: ID! @external }";

fn load(events: &str) -> Result<Schema, LoadErrors> {
    Schema::load(&Graphs {
        subgraphs: vec![SubgraphSource {
            name: "people".into(),
            routing_url: "http://people".into(),
            sdl: SUBGRAPH.into(),
            file: None,
            subscription: None,
        }],
        supergraph: None,
        event_graphs: vec![EventGraphSource {
            name: "events".into(),
            sdl: events.into(),
            file: Some("events.graphql".into()),
        }],
        ..Graphs::default()
    })
}

#[track_caller]
fn accepted(events: &str) -> Schema {
    load(events).unwrap_or_else(|errors| panic!("{events}\n{errors}"))
}

/// The graph breaks this rule, there, and nothing else.
#[track_caller]
fn refused(events: &str, rule: &str, coordinate: &str) {
    let errors = load(events).expect_err(events);
    let [error] = &errors.0[..] else { panic!("{events}\n{errors}") };
    assert_eq!(error.rule, rule, "{events}\n{errors}");
    let at = error.coordinate.as_deref().unwrap_or_default();
    assert_eq!(at, coordinate, "{events}\n{errors}");
    assert_eq!(error.graph.as_deref(), Some("events"));
    assert!(error.to_string().starts_with("events.graphql:"), "{errors}");
    assert!(coordinate.is_empty() || error.line.is_some(), "{errors}");
}

fn subscription(field: &str) -> String {
    format!("type Subscription {{ {field} }} {EMPLOYEE}")
}

#[test]
fn errors_name_the_line_and_column_of_the_sdl() {
    let sdl = format!("type Subscription {{\n  a: Employee!\n}}\n{EMPLOYEE}");
    let errors = load(&sdl).expect_err("no directive");
    assert_eq!((errors.0[0].line, errors.0[0].column), (Some(2), Some(3)));
    let text = errors.to_string();
    assert!(
        text.starts_with("events.graphql:2:3: EDG_ROOT_FIELD_DIRECTIVE: graph \"events\": Subscription.a: "),
        "{text}"
    );
}

#[test]
fn rule_1_every_root_field_has_a_directive_that_fits() {
    accepted(&subscription("a: Employee! @edfs__kafkaSubscribe(topics: [\"a\"])"));
    refused(&subscription("a: Employee!"), "EDG_ROOT_FIELD_DIRECTIVE", "Subscription.a");
    refused(
        &subscription("a: Employee! @edfs__natsRequest(subject: \"a\")"),
        "EDG_ROOT_FIELD_DIRECTIVE",
        "Subscription.a",
    );
    refused(
        &format!("type Query {{ a: Employee! @edfs__natsPublish(subject: \"a\") }} {EMPLOYEE}"),
        "EDG_ROOT_FIELD_DIRECTIVE",
        "Query.a",
    );
    refused(
        &subscription(
            "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) @edfs__kafkaSubscribe(topics: [\"a\"])",
        ),
        "EDG_SEVERAL_DIRECTIVES",
        "Subscription.a",
    );
    refused(EMPLOYEE, "EDG_EMPTY", "");
}

#[test]
fn rule_1_counts_for_renamed_roots_and_extensions() {
    let renamed = format!(
        "schema {{ query: Query subscription: Feeds }} \
         extend type Feeds {{ a: Employee! @edfs__redisSubscribe(channels: [\"a\"]) }} \
         type Query {{ e(id: Int!): Employee! @edfs__natsRequest(subject: \"e.{{{{ args.id }}}}\") }} {EMPLOYEE}"
    );
    let schema = accepted(&renamed);
    assert_eq!(schema.event_fields().len(), 2);
    refused(
        &renamed.replace("@edfs__redisSubscribe(channels: [\"a\"])", ""),
        "EDG_ROOT_FIELD_DIRECTIVE",
        "Feeds.a",
    );
}

#[test]
fn rule_2_mutations_return_the_publish_result() {
    let mutation = |returns: &str| {
        format!(
            "type Mutation {{ a(id: Int!): {returns} @edfs__redisPublish(channel: \"a.{{{{ args.id }}}}\") }} {EMPLOYEE}"
        )
    };
    let schema = accepted(&mutation("edfs__PublishResult!"));
    assert_eq!(schema.event_fields()[0].kind, ProviderKind::Redis);
    refused(&mutation("edfs__PublishResult"), "EDG_MUTATION_RESULT", "Mutation.a");
    refused(&mutation("Employee!"), "EDG_MUTATION_RESULT", "Mutation.a");
    accepted("type Mutation { a: edfs__PublishResult! @edfs__natsRequest(subject: \"a\") }");
}

#[test]
fn rule_3_queries_and_subscriptions_return_one_entity() {
    let returning = |returns: &str| {
        format!(
            "type Subscription {{ a: {returns} @edfs__natsSubscribe(subjects: [\"a\"]) }} {EMPLOYEE} {PETS}"
        )
    };
    for returns in ["Employee!", "Pet!", "Animal!"] {
        accepted(&returning(returns));
    }
    for returns in ["Employee", "[Employee!]!", "[Employee]", "String!", "Missing!"] {
        refused(&returning(returns), "EDG_RESULT", "Subscription.a");
    }
}

#[test]
fn rule_4_keys_are_not_resolvable() {
    let feed = "type Subscription { a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) }";
    for key in ["@key(fields: \"id\")", "@key(fields: \"id\", resolvable: true)"] {
        refused(
            &format!("{feed} type Employee {key} {{ id: Int! @external }}"),
            "EDG_KEY_RESOLVABLE",
            "Employee",
        );
    }
    refused(
        &format!(
            "{feed} type Employee @key(fields: \"nope\", resolvable: false) @key(fields: \"id\", resolvable: false) {{ id: Int! @external }}"
        ),
        "EDG_KEY_FIELDS",
        "Employee",
    );
}

#[test]
fn rule_5_key_fields_are_external() {
    let feed = "type Subscription { a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) }";
    let entity = |keyword: &str, external: &str| {
        format!("{feed} {keyword} Employee @key(fields: \"id\", resolvable: false) {{ id: Int! {external} }}")
    };
    accepted(&entity("type", "@external"));
    accepted(&entity("extend type", "@external"));
    refused(&entity("type", ""), "EDG_KEY_EXTERNAL", "Employee.id");
    refused(&entity("extend type", ""), "EDG_KEY_EXTERNAL", "Employee.id");
}

#[test]
fn rules_6_to_8_types_are_made_of_keys() {
    let feed = "type Subscription { a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) }";
    accepted(&format!(
        "{feed} type Employee @key(fields: \"office {{ code }}\", resolvable: false) {{ office: Office! @external }} \
         type Office {{ code: ID! @external }}"
    ));
    refused(
        &format!(
            "{feed} type Employee @key(fields: \"id\", resolvable: false) {{ id: Int! @external name: String }}"
        ),
        "EDG_NON_KEY_FIELD",
        "Employee.name",
    );
    refused(&format!("{feed} {EMPLOYEE} type Team {{ name: String }}"), "EDG_OBJECT_TYPE", "Team");
    refused(&format!("{feed} {EMPLOYEE} extend type Team {{ name: String }}"), "EDG_OBJECT_TYPE", "Team");
}

#[test]
fn rules_9_and_10_written_out_definitions_are_exact() {
    let publish = "type Mutation { a: edfs__PublishResult! @edfs__natsPublish(subject: \"a\") }";
    accepted(&format!("{publish} type edfs__PublishResult {{ success: Boolean! }}"));
    refused(
        &format!("{publish} type edfs__PublishResult {{ success: Boolean }}"),
        "EDG_PUBLISH_RESULT",
        "edfs__PublishResult",
    );
    let stream = |input: &str| {
        subscription(
            "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"], streamConfiguration: {consumerName: \"c\", streamName: \"s\"})",
        ) + &format!(" input edfs__NatsStreamConfiguration {{ {input} }}")
    };
    accepted(&stream("streamName: String! consumerName: String! consumerInactiveThreshold: Int! = 30"));
    for wrong in [
        "streamName: String! consumerName: String! consumerInactiveThreshold: Int!",
        "streamName: String! consumerName: String!",
    ] {
        refused(&stream(wrong), "EDG_STREAM_CONFIGURATION", "edfs__NatsStreamConfiguration");
        accepted(
            &stream(wrong).replace(", streamConfiguration: {consumerName: \"c\", streamName: \"s\"}", ""),
        );
    }
}

#[test]
fn destinations_and_providers_are_strings() {
    let directive = "Subscription.a@edfs__natsSubscribe";
    let feed = |arguments: &str| subscription(&format!("a: Employee! @edfs__natsSubscribe({arguments})"));
    accepted(&feed("subjects: [\"a\", \"b\"], providerId: \"x\""));
    for wrong in ["subjects: \"a\"", "subjects: []", "subjects: [\"\"]", "subjects: [1]", "providerId: \"x\""]
    {
        refused(&feed(wrong), "EDFS_DESTINATION", directive);
    }
    refused(&feed("subjects: [\"a\"], providerId: \"\""), "EDFS_PROVIDER_ID", directive);
    refused(&feed("subjects: [\"a\"], providerId: 1"), "EDFS_PROVIDER_ID", directive);
    refused(&feed("subjects: [\"a\"], topics: [\"a\"]"), "EDFS_UNKNOWN_ARGUMENT", directive);
    let publish = "type Mutation { a: edfs__PublishResult! @edfs__kafkaPublish(topic: \"\") }";
    refused(publish, "EDFS_DESTINATION", "Mutation.a@edfs__kafkaPublish");
}

#[test]
fn templates_name_arguments_that_exist_down_to_a_scalar() {
    let feed = |template: &str| {
        subscription(&format!(
            "a(id: ID!, in: In!): Employee! @edfs__natsSubscribe(subjects: [\"a.{template}\"])"
        )) + " input In { ids: [ID!]! inner: In2 list: [In2!] } input In2 { id: ID }"
    };
    for right in ["{{ args.id }}", "{{args.in.ids}}", "{{  args.in.inner.id  }}.{{ args.id }}"] {
        accepted(&feed(right));
    }
    for wrong in [
        "{{ args.nope }}",
        "{{ args.in }}",
        "{{ args.in.nope }}",
        "{{ args.in.inner }}",
        "{{ args.in.list.id }}",
        "{{ args.id.x }}",
        "{{ id }}",
        "{{ args.id",
    ] {
        refused(&feed(wrong), "EDFS_TEMPLATE", "Subscription.a@edfs__natsSubscribe");
    }
}

#[test]
fn stream_configurations_are_complete() {
    let feed = |value: &str| {
        subscription(&format!(
            "a: Employee! @edfs__natsSubscribe(subjects: [\"a\"], streamConfiguration: {value})"
        ))
    };
    accepted(&feed("{consumerName: \"c\", streamName: \"s\", consumerInactiveThreshold: 300}"));
    let at = "Subscription.a@edfs__natsSubscribe";
    for wrong in [
        "1",
        "{consumerName: \"c\"}",
        "{consumerName: \"c\", streamName: \"s\", more: 1}",
        "{consumerName: \"c\", streamName: \"s\", streamName: \"s\"}",
        "{consumerName: \"c\", streamName: \"s\", consumerInactiveThreshold: \"x\"}",
    ] {
        refused(&feed(wrong), "EDFS_STREAM", at);
    }
}

#[test]
fn redis_streams_name_their_streams_and_the_field_of_the_event() {
    let feed = |arguments: &str| {
        subscription(&format!("a(id: ID!): Employee! @feed__redisStreamSubscribe({arguments})"))
    };
    let spelled = "directive @feed__redisStreamSubscribe(streams: [String!]!, providerId: String! = \"default\", \
        field: String! = \"payload\") on FIELD_DEFINITION ";
    let schema = accepted(&format!("{spelled}{}", feed("streams: [\"a.{{ args.id }}\"], field: \"event\"")));
    let field = &schema.event_fields()[0];
    assert_eq!(
        (field.kind, &*field.provider, field.directive),
        (ProviderKind::Redis, "default", "feed__redisStreamSubscribe")
    );
    assert!(!schema.supergraph_sdl().contains("feed__"));
    accepted(&feed("streams: [\"a\", \"b\"], providerId: \"p\""));
    let at = "Subscription.a@feed__redisStreamSubscribe";
    for (wrong, rule) in [
        ("streams: []", "EDFS_DESTINATION"),
        ("streams: \"a\"", "EDFS_DESTINATION"),
        ("streams: [\"a\"], providerId: \"\"", "EDFS_PROVIDER_ID"),
        ("streams: [\"a\"], field: \"\"", "EDFS_STREAM_FIELD"),
        ("streams: [\"a\"], field: 1", "EDFS_STREAM_FIELD"),
        ("streams: [\"a\"], channels: [\"a\"]", "EDFS_UNKNOWN_ARGUMENT"),
        ("streams: [\"{{ args.nope }}\"]", "EDFS_TEMPLATE"),
    ] {
        refused(&feed(wrong), rule, at);
    }
    let elsewhere = "type Mutation { a: edfs__PublishResult! @feed__redisStreamSubscribe(streams: [\"a\"]) }";
    refused(elsewhere, "EDG_ROOT_FIELD_DIRECTIVE", "Mutation.a");
}

#[test]
fn delivery_is_said_of_feeds_that_can_be_read_again() {
    let feed = |kind: &str, deliver: &str| subscription(&format!("a: Employee! {kind} {deliver}"));
    let stream = "@edfs__natsSubscribe(subjects: [\"a\"], streamConfiguration: {consumerName: \"c\", streamName: \"s\"})";
    let spelled = "directive @feed__deliver(start: feed__Start! = LATEST, overflow: feed__Overflow! = AUTO) on \
        FIELD_DEFINITION enum feed__Start { LATEST EARLIEST LAST_PER_KEY } \
        enum feed__Overflow { AUTO REPLAY CONFLATE DROP_OLDEST DISCONNECT } ";
    let schema = accepted(&format!("{spelled}{}", feed(stream, "@feed__deliver(start: LATEST)")));
    assert!(!schema.supergraph_sdl().contains("feed__"));
    accepted(&feed(stream, "@feed__deliver(overflow: AUTO)"));
    accepted(&feed("@edfs__kafkaSubscribe(topics: [\"a\"])", "@feed__deliver"));
    accepted(&feed("@feed__redisStreamSubscribe(streams: [\"a\"])", "@feed__deliver"));
    let at = "Subscription.a@feed__deliver";
    for wrong in ["(start: EARLIEST)", "(start: \"LATEST\")", "(overflow: CONFLATE)", "(batchMax: 1)"] {
        refused(&feed(stream, &format!("@feed__deliver{wrong}")), "EDFS_DELIVER", at);
    }
    for volatile in ["@edfs__natsSubscribe(subjects: [\"a\"])", "@edfs__redisSubscribe(channels: [\"a\"])"] {
        refused(&feed(volatile, "@feed__deliver"), "EDFS_DELIVER", at);
    }
}

#[test]
fn kafka_publishes_have_keys_and_headers() {
    let mutation = |arguments: &str| {
        format!(
            "type Mutation {{ a(id: ID!): edfs__PublishResult! @feed__kafkaPublish({arguments}) }} {EMPLOYEE} \
             type Subscription {{ b: Employee! @edfs__natsSubscribe(subjects: [\"b\"]) }}"
        )
    };
    let spelled = "directive @feed__kafkaPublish(topic: String!, key: String, headers: [feed__Header!], \
        providerId: String! = \"default\") on FIELD_DEFINITION \
        input feed__Header { name: String! value: String! } ";
    let all = "topic: \"t\", key: \"{{ args.id }}\", headers: [{name: \"a.b\", value: \"x{{ args.id }}\"}], \
               providerId: \"p\"";
    let schema = accepted(&format!("{spelled}{}", mutation(all)));
    assert!(!schema.supergraph_sdl().contains("feed__"));
    for fine in
        ["", ", key: null", ", headers: []", ", headers: null", ", headers: {name: \"a\", value: \"\"}"]
    {
        accepted(&mutation(&format!("topic: \"t\"{fine}")));
    }
    let at = "Mutation.a@feed__kafkaPublish";
    for (wrong, rule) in [
        ("key: \"k\"", "EDFS_DESTINATION"),
        ("topic: \"t\", key: 1", "EDFS_KEY"),
        ("topic: \"t\", key: \"{{ args.nope }}\"", "EDFS_TEMPLATE"),
        ("topic: \"t\", headers: \"a\"", "EDFS_HEADERS"),
        ("topic: \"t\", headers: [{name: \"a\"}]", "EDFS_HEADERS"),
        ("topic: \"t\", headers: [{name: \"\", value: \"x\"}]", "EDFS_HEADERS"),
        ("topic: \"t\", headers: [{name: \"a\", name: \"x\"}]", "EDFS_HEADERS"),
        ("topic: \"t\", headers: [{name: \"a\", value: \"{{ args.nope }}\"}]", "EDFS_TEMPLATE"),
        ("topic: \"t\", partition: 1", "EDFS_UNKNOWN_ARGUMENT"),
    ] {
        refused(&mutation(wrong), rule, at);
    }
    let keyless = mutation("topic: \"t\", key: \"k\"").replace("@feed__kafkaPublish", "@edfs__kafkaPublish");
    refused(&keyless, "EDFS_UNKNOWN_ARGUMENT", "Mutation.a@edfs__kafkaPublish");
}

#[test]
fn filters_see_keys_and_headers_of_kafka_alone() {
    let condition =
        |path: &str, values: &str| filtered(&format!("{{IN: {{fieldPath: \"{path}\", values: {values}}}}}"));
    let kafka = |sdl: &str| sdl.replace("@edfs__natsSubscribe(subjects:", "@edfs__kafkaSubscribe(topics:");
    for path in ["$key", "$headers.a", "$headers.a.b-c"] {
        for values in ["\"x\"", "[\"x\", null]", "[\"{{ args.ids }}\"]"] {
            accepted(&kafka(&condition(path, values)));
        }
        refused(&kafka(&condition(path, "[1]")), "EDFS_FILTER_VALUES", FILTER);
        refused(&condition(path, "\"x\""), "EDFS_FILTER_PATH", FILTER);
        let redis = condition(path, "\"x\"")
            .replace("@edfs__natsSubscribe(subjects:", "@edfs__redisSubscribe(channels:");
        refused(&redis, "EDFS_FILTER_PATH", FILTER);
    }
    for wrong in ["$", "$headers", "$headers.", "$key.a", "$keys", "$offset"] {
        refused(&kafka(&condition(wrong, "\"x\"")), "EDFS_FILTER_PATH", FILTER);
    }
}

fn filtered(condition: &str) -> String {
    format!(
        "type Subscription {{ a(id: ID, ids: [ID!]): Employee! @edfs__natsSubscribe(subjects: [\"a\"]) \
         @openfed__subscriptionFilter(condition: {condition}) }} {EMPLOYEE}"
    )
}

const FILTER: &str = "Subscription.a@openfed__subscriptionFilter";

#[test]
fn filters_have_one_condition_an_object_and_few_levels() {
    let id = "{IN: {fieldPath: \"id\", values: [1]}}";
    let nested = |levels: usize| {
        let (open, close) = ("{NOT: ".repeat(levels - 1), "}".repeat(levels - 1));
        filtered(&format!("{open}{id}{close}"))
    };
    accepted(&nested(5));
    refused(&nested(6), "EDFS_FILTER_DEPTH", FILTER);
    let list = |name: &str, items: usize| filtered(&format!("{{{name}: [{}]}}", vec![id; items].join(",")));
    for name in ["AND", "OR"] {
        accepted(&list(name, 1));
        accepted(&list(name, 5));
        refused(&list(name, 0), "EDFS_FILTER_LENGTH", FILTER);
        refused(&list(name, 6), "EDFS_FILTER_LENGTH", FILTER);
    }
    for wrong in ["{}", "1", "{AND: 1}", "{NOT: 1}", "{XOR: []}", "{OR: [1]}"] {
        refused(&filtered(wrong), "EDFS_FILTER_CONDITION", FILTER);
    }
    refused(&filtered(&format!("{{NOT: {id}, OR: [{id}]}}")), "EDFS_FILTER_CONDITION", FILTER);
}

#[test]
fn filters_compare_scalars() {
    let values = |values: &str| filtered(&format!("{{IN: {{fieldPath: \"id\", values: {values}}}}}"));
    for right in ["[1, 1.5, \"x\", true, null]", "1", "\"{{ args.ids }}\"", "[\"a-{{ args.id }}\"]"] {
        accepted(&values(right));
    }
    for wrong in ["[]", "[[1]]", "[{a: 1}]", "{a: 1}", "\"{{ args.id }}{{ args.ids }}\""] {
        refused(&values(wrong), "EDFS_FILTER_VALUES", FILTER);
    }
    refused(&values("\"{{ args.nope }}\""), "EDFS_TEMPLATE", FILTER);
    for wrong in [
        "{fieldPath: \"id\"}",
        "{values: [1]}",
        "{fieldPath: 1, values: [1]}",
        "{fieldPath: \"id\", values: [1], more: 1}",
        "{fieldPath: \"id\", fieldPath: \"id\", values: [1]}",
        "1",
    ] {
        refused(&filtered(&format!("{{IN: {wrong}}}")), "EDFS_FILTER_IN", FILTER);
    }
}

#[test]
fn filter_paths_lead_to_a_leaf_of_this_graph() {
    let office = |path: &str| {
        filtered(&format!("{{IN: {{fieldPath: \"{path}\", values: [1]}}}}")).replace(
            EMPLOYEE,
            "type Employee @key(fields: \"office { code }\", resolvable: false) { office: Office! @external } \
             type Office { code: ID! @external }",
        )
    };
    accepted(&office("office.code"));
    for wrong in ["office", "office.nope", "name", "office.code.x", "", "office.", ".office"] {
        refused(&office(wrong), "EDFS_FILTER_PATH", FILTER);
    }
}

#[test]
fn filter_paths_lead_to_a_leaf_on_every_type() {
    let feed = |returns: &str, path: &str, dog: &str| {
        format!(
            "type Subscription {{ a: {returns} @edfs__natsSubscribe(subjects: [\"a\"]) \
             @openfed__subscriptionFilter(condition: {{IN: {{fieldPath: \"{path}\", values: [1]}}}}) }} {}",
            PETS.replace("type Dog implements Animal", &format!("type Dog implements Animal {dog}"))
        )
    };
    for returns in ["Pet!", "Animal!"] {
        accepted(&feed(returns, "id", ""));
        refused(&feed(returns, "lives", ""), "EDFS_FILTER_PATH", FILTER);
    }
}

#[test]
fn filters_stand_once_on_subscription_fields() {
    let filter = "@openfed__subscriptionFilter(condition: {IN: {fieldPath: \"id\", values: [1]}})";
    refused(
        &subscription(&format!("a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) {filter} {filter}")),
        "EDFS_FILTER_REPEATED",
        FILTER,
    );
    refused(
        &format!("type Query {{ a: Employee! @edfs__natsRequest(subject: \"a\") {filter} }} {EMPLOYEE}"),
        "EDFS_FILTER_LOCATION",
        "Query.a",
    );
    refused(
        &subscription("a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) @openfed__subscriptionFilter"),
        "EDFS_FILTER",
        FILTER,
    );
}

#[test]
fn keys_that_no_subgraph_resolves_are_an_error_at_load() {
    let feed = "type Subscription { a: Employee! @edfs__natsSubscribe(subjects: [\"a\"]) }";
    let errors = load(&format!(
        "{feed} type Employee @key(fields: \"badge\", resolvable: false) {{ badge: ID! @external }}"
    ))
    .expect_err("no such key");
    assert!(errors.0.iter().any(|it| it.rule == "SATISFIABILITY_ERROR"), "{errors}");
    assert!(errors.to_string().contains("events"), "{errors}");
}

#[test]
fn every_fault_of_a_graph_is_reported_at_once() {
    let errors = load(
        "type Subscription { a: Int @edfs__natsSubscribe(subjects: \"x\") b: String! } type T { c: Int }",
    )
    .expect_err("many faults");
    let rules: Vec<_> = errors.0.iter().map(|it| it.rule.as_str()).collect();
    assert_eq!(
        rules,
        ["EDG_RESULT", "EDG_ROOT_FIELD_DIRECTIVE", "EDG_RESULT", "EDG_OBJECT_TYPE", "EDFS_DESTINATION"]
    );
}
