//! Operations that are small as text and endless as work are refused by a guard, before anything slow.

mod support;

use juga::{
    federation::{EventGraphSource, Graphs, Limits, Schema, SubgraphSource},
    graphql::{Error, Variables},
};
use std::fs;
use support::bombs::{self, DEPTHS, FAMILIES, TYPES};

fn schema() -> Schema {
    let read = |name: &str| fs::read_to_string(format!("tests/fixtures/demo/{name}.graphql")).expect(name);
    let subgraph = |name: &str| SubgraphSource {
        name: name.into(),
        routing_url: "http://localhost".into(),
        sdl: read(name),
        file: None,
        subscription: None,
    };
    Schema::load(&Graphs {
        subgraphs: vec![subgraph("employees"), subgraph("products")],
        supergraph: None,
        event_graphs: vec![EventGraphSource { name: "events".into(), sdl: read("events"), file: None }],
        ..Graphs::default()
    })
    .unwrap_or_else(|errors| panic!("{errors}"))
}

#[track_caller]
fn refusal(schema: &Schema, text: &str, limits: &Limits) -> Error {
    let errors = schema.parse(text, None, limits).expect_err("refused");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].code, Some("OPERATION_LIMIT_EXCEEDED"), "{errors:?}");
    errors.into_iter().next().expect("one")
}

/// Twenty fragments, each spreading the next one twice: a million selections in 888 bytes.
fn bomb() -> String {
    let mut text = String::from("{ employees { ...F0 } }");
    for index in 0..20 {
        text.push_str(&format!(" fragment F{index} on Employee {{ ...F{0} ...F{0} }}", index + 1));
    }
    text + " fragment F20 on Employee { id }"
}

/// Fragments of which each spreads the next.
fn chain(fragments: usize) -> String {
    let mut text = String::from("{ employees { ...F0 } }");
    for index in 0..fragments {
        text.push_str(&format!(" fragment F{index} on Employee {{ ...F{} }}", index + 1));
    }
    text + &format!(" fragment F{fragments} on Employee {{ id }}")
}

#[test]
fn a_chain_of_fragments_within_bounds_is_planned() {
    let schema = schema();
    let document = schema.parse(&chain(190), None, &Limits::default()).expect("within bounds");
    assert!(schema.plan(&document, &Variables::new()).expect("a plan").plan.steps.is_some());
}

#[test]
fn hostile_operations_meet_the_guard_that_is_meant_for_them() {
    let (schema, limits) = (schema(), Limits::default());
    let many = |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<String>();
    let inside = |text: String| format!("{{ employees {{ {text} }} }}");
    let cases = [
        ("selections", bomb()),
        ("answer under the name \"details\"", inside("details { forename } ".repeat(2_000))),
        ("tokens", inside("details { forename } ".repeat(5_000))),
        (
            "answer under the name \"details\"",
            inside("details { forename forename forename forename forename forename } ".repeat(1_000)),
        ),
        ("answer under the name \"id\"", inside("id ".repeat(5_000))),
        ("aliases", inside(many(1_000, &|it| format!("a{it}: seniority ")))),
        (
            "aliases",
            format!("{{ {} }}", many(1_000, &|it| format!("a{it}: employee(id: {it}) {{ notes }} "))),
        ),
        ("root fields", format!("{{ {} }}", "employees { id } ".repeat(101))),
        ("directives", inside(many(501, &|it| format!("f{it} @include(if: true) ")))),
        ("bytes", format!("{{ employees {{ id }} }} # {}", "x".repeat(256 * 1024))),
        ("nested more deeply", format!("{}id{}", "{ employees ".repeat(1_000), "}".repeat(1_000))),
        (
            "selections",
            format!(
                "{} fragment F on Employee {{ {} }}",
                inside("...F ".repeat(1_000)),
                "id notes ".repeat(50)
            ),
        ),
    ];
    for (part, text) in cases {
        let error = refusal(&schema, &text, &limits);
        assert!(error.message.contains(part), "wanted {part}: {}", error.message);
    }
}

#[test]
fn names_that_repeat_are_counted_across_merged_parents() {
    let schema = schema();
    let details = format!("details {{ location {{ {} }} }} ", "city ".repeat(30));
    let text = format!("{{ employees {{ {} }} }}", details.repeat(5));
    let error = refusal(&schema, &text, &Limits::default());
    assert!(error.message.contains("\"city\""), "{}", error.message);
    let fewer = format!("{{ employees {{ {} }} }}", details.repeat(3));
    assert!(schema.parse(&fewer, None, &Limits::default()).is_ok());
}

#[test]
fn every_limit_can_be_set_and_holds_to_the_unit() {
    let schema = schema();
    let text =
        "query @include(if: true) { a: employees { details { forename forename } } products { name } }";
    let _ = text;
    let text = "{ a: employees { details @include(if: true) { forename forename } } products { name } }";
    let exact = Limits {
        document_bytes: text.len(),
        tokens: 23,
        depth: 3,
        selections: 6,
        aliases: 1,
        root_fields: 2,
        directives: 1,
        same_response_name: 2,
    };
    schema.parse(text, None, &exact).unwrap_or_else(|it| panic!("{it:?}"));
    for (part, limits) in [
        ("bytes", Limits { document_bytes: exact.document_bytes - 1, ..exact.clone() }),
        ("tokens", Limits { tokens: exact.tokens - 1, ..exact.clone() }),
        ("levels", Limits { depth: 2, ..exact.clone() }),
        ("selections", Limits { selections: 5, ..exact.clone() }),
        ("aliases", Limits { aliases: 0, ..exact.clone() }),
        ("root fields", Limits { root_fields: 1, ..exact.clone() }),
        ("directives", Limits { directives: 0, ..exact.clone() }),
        ("\"forename\"", Limits { same_response_name: 1, ..exact.clone() }),
    ] {
        let error = refusal(&schema, text, &limits);
        assert!(error.message.contains(part), "wanted {part}: {}", error.message);
    }
}

#[test]
fn introspection_that_goes_round_in_circles_ends() {
    let schema = schema();
    let inner = "possibleTypes { interfaces { ".repeat(21) + "name" + &" } }".repeat(21);
    let text = format!("{{ __schema {{ types {{ {inner} }} }} }}");
    let errors = schema.parse(&text, None, &Limits::default()).expect_err("large as an answer");
    assert_eq!(errors[0].message, "Maximum introspection depth exceeded");
    assert_eq!(errors[0].code, Some("GRAPHQL_VALIDATION_FAILED"));
}

#[test]
fn errors_do_not_repeat_values_of_any_size() {
    let value = format!("{}\"{}\"{}", "[".repeat(40), "x".repeat(100_000), "]".repeat(40));
    let text = format!("{{ employee(id: {value}) {{ id }} }}");
    let errors = schema().parse(&text, None, &Limits::default()).expect_err("no such number");
    let size: usize = errors.iter().map(|it| it.message.len()).sum();
    assert!(size < 100_000, "{size}");
}

#[test]
fn errors_do_not_repeat_numbers_of_any_length() {
    let text = format!("{{ employee(id: {}) {{ id }} }}", "1".repeat(100_000));
    let errors = schema().parse(&text, None, &Limits::default()).expect_err("no such number");
    let message = &errors[0].message;
    assert!(message.starts_with("Int cannot represent") && message.len() <= 1_500, "{errors:?}");
}

/// What is planned of it is bounded by an estimate, so that nothing here needs a clock: with no bound, the first of these that
/// are refused took seconds, and the deepest all memory there was.
#[test]
fn operations_that_explode_when_they_are_planned_are_refused() {
    let graphs = bombs::subgraphs();
    let subgraphs = graphs.iter().zip(["a", "b"]).map(|(sdl, name)| SubgraphSource {
        name: name.into(),
        routing_url: "http://localhost".into(),
        sdl: sdl.clone(),
        ..SubgraphSource::default()
    });
    let schema = Schema::load(&Graphs { subgraphs: subgraphs.collect(), ..Graphs::default() });
    let schema = schema.unwrap_or_else(|errors| panic!("{errors}"));
    let is_planned = |text: &str| {
        let document =
            schema.parse(text, None, &Limits::default()).unwrap_or_else(|it| panic!("{text}: {it:?}"));
        match schema.plan(&document, &Variables::new()) {
            Ok(_) => true,
            Err(errors) => {
                assert_eq!(errors[0].code, Some("OPERATION_LIMIT_EXCEEDED"), "{text}: {errors:?}");
                false
            }
        }
    };
    for family in FAMILIES {
        for types in TYPES {
            // What is no bomb is planned at any depth.
            let planned: Vec<bool> =
                DEPTHS.map(|depth| is_planned(&family.operation("Q", types, depth))).collect();
            let is_harmless = ["one graph", "an interface object"].contains(&family.name);
            assert_eq!(planned.iter().all(|it| *it), is_harmless, "{} of {types}: {planned:?}", family.name);
            assert!(planned.is_sorted_by(|a, b| a >= b), "{} of {types}: {planned:?}", family.name);
        }
        assert!(is_planned(&family.operation("Q", 10, 0)), "{}: a shallow one is planned", family.name);
    }
}

/// Objects that lead to ten others each, three levels deep, each with a field of the other graph: written out, so that no type
/// is taken apart.
#[test]
fn a_thousand_fetches_of_one_operation_are_refused_and_a_hundred_planned() {
    let links: String = (0..10).map(|it| format!("f{it}: T ")).collect();
    let head = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.3\", import: [\"@key\"])";
    let subgraph = |name: &str, sdl: String| SubgraphSource {
        name: name.into(),
        routing_url: "http://localhost".into(),
        sdl,
        ..SubgraphSource::default()
    };
    let subgraphs = vec![
        subgraph(
            "a",
            format!("{head} type Query {{ root: T }} type T @key(fields: \"id\") {{ id: ID! {links} }}"),
        ),
        subgraph("b", format!("{head} type T @key(fields: \"id\") {{ id: ID! name: String }}")),
    ];
    let schema = Schema::load(&Graphs { subgraphs, ..Graphs::default() });
    let schema = schema.unwrap_or_else(|errors| panic!("{errors}"));
    let plan = |levels: usize| {
        let written = (0..levels)
            .fold("name".to_owned(), |inner, _| (0..10).map(|it| format!("f{it} {{ {inner} }} ")).collect());
        let document = schema.parse(&format!("{{ root {{ {written} }} }}"), None, &Limits::default());
        schema.plan(&document.expect("within bounds"), &Variables::new())
    };
    assert!(plan(2).is_ok());
    let errors = plan(3).expect_err("too much");
    assert_eq!(errors[0].code, Some("OPERATION_LIMIT_EXCEEDED"), "{errors:?}");
}
