//! What readers of GraphQL get wrong most easily, each by name: characters, numbers, strings, conflicts, places and
//! words. What is expected is what graphql-js 16 answers, unless a test says otherwise.

mod support;

use serde_json::{Value, json};
use std::{fs, path::PathBuf};
use support::{
    reference::Reference,
    router::Router,
    ws::{Client, PATIENCE, Said},
};

/// One of the graphs of `tests/fixtures/reference`, whose fields of type `String` answer with their arguments.
struct Stage {
    router: Router,
    _reference: Reference,
}

/// A document, the first message and its places, by line and column.
type Refused<'a> = (&'a str, &'a str, &'a [(u64, u64)]);

impl Stage {
    fn start(graph: &str) -> Self {
        Self::with(graph, "")
    }

    /// With more YAML.
    fn with(graph: &str, more: &str) -> Self {
        let reference = Reference::start();
        Self { router: Router::start(&reference.config(graph, more)), _reference: reference }
    }

    /// With SDL of the test's own, which nobody is asked about.
    fn of(sdl: &str) -> Self {
        let reference = Reference::start();
        let file = write_sdl(sdl);
        Self { router: Router::start(&reference.config_of("inputs", &file, "")), _reference: reference }
    }

    fn ask(&self, query: &str) -> Value {
        self.ask_with(&json!({ "query": query }))
    }

    fn ask_with(&self, request: &Value) -> Value {
        self.router.post(request).1
    }

    /// Data as JSON text: the order of keys counts.
    #[track_caller]
    fn data(&self, query: &str) -> String {
        let answer = self.ask(query);
        assert_eq!(answer["errors"], Value::Null, "{query:?}: {answer}");
        answer["data"].to_string()
    }

    /// What arrives as a string in an argument.
    #[track_caller]
    fn arrives(&self, literal: &str, expected: &str) {
        let answer = self.ask(&format!("{{ string(value: {literal}) }}"));
        let told = json!({ "value": expected }).to_string();
        let arrived = answer["data"]["string"].as_str().map(serde_json::from_str::<Value>);
        let arrived = arrived.map(|it| it.expect("JSON").to_string());
        assert_eq!(arrived, Some(told), "{literal:?}: {answer}");
    }

    /// The first message of a refusal; whatever is carried out is told instead.
    fn refusal(&self, query: &str) -> String {
        let answer = self.ask(query);
        match answer.get("data") {
            None => answer["errors"][0]["message"].as_str().expect("a message").to_owned(),
            Some(_) => format!("carried out: {answer}"),
        }
    }

    /// That documents are refused with these messages at these places. All that differ are told.
    #[track_caller]
    fn refuses(&self, all: &[Refused<'_>]) {
        let mut differences = String::new();
        for (query, message, places) in all {
            let answer = self.ask(query);
            let error = &answer["errors"][0];
            let place = |it: &Value| Some((it["line"].as_u64()?, it["column"].as_u64()?));
            let told: Vec<_> =
                error["locations"].as_array().into_iter().flatten().filter_map(place).collect();
            if answer.get("data").is_some() || error["message"] != *message || told != *places {
                differences += &format!(
                    "{query:?}\n  should be {message} at {places:?}\n  and is    {} at {told:?}\n",
                    error["message"].as_str().unwrap_or("carried out")
                );
            }
        }
        assert!(differences.is_empty(), "{differences}");
    }
}

/// A file of its own for each text.
fn write_sdl(sdl: &str) -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static FILES: AtomicU32 = AtomicU32::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("reading-{}-{number}.graphql", std::process::id());
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, sdl).expect("the SDL is written");
    file
}

// Strings

/// White space is space and tab: nothing else is an indent, or trimmed.
#[test]
fn block_strings_take_other_white_space_for_text() {
    let stage = Stage::start("inputs");
    for space in ["\u{3000}", "\u{a0}", "\u{2003}", "\u{85}", "\u{2028}", "\u{b}", "\u{c}", "\u{feff}"] {
        stage.arrives(&format!("\"\"\"{space}\"\"\""), space);
        stage.arrives(&format!("\"\"\"\n{space}a\n{space} b\n\"\"\""), &format!("{space}a\n{space} b"));
        stage.arrives(&format!("\"\"\"\n {space}a\n  b\n\"\"\""), &format!("{space}a\n b"));
        stage.arrives(&format!("\"\"\"\n{space}\n a\n{space}\"\"\""), &format!("{space}\n a\n{space}"));
    }
}

#[test]
fn block_strings_end_their_lines_as_documents_do() {
    let stage = Stage::start("inputs");
    stage.arrives("\"\"\"\r  a\r  b\r\"\"\"", "a\nb");
    stage.arrives("\"\"\"a\rb\r\nc\nd\"\"\"", "a\nb\nc\nd");
    stage.arrives("\"\"\"\n\r\n  a\n\r  b\"\"\"", "a\n\nb");
}

#[test]
fn block_strings_keep_the_indent_of_their_first_line() {
    let stage = Stage::start("inputs");
    stage.arrives("\"\"\" a \"\"\"", " a ");
    stage.arrives("\"\"\"  a\n    b\n   c\"\"\"", "  a\n b\nc");
}

/// A description that a subgraph writes is no reason not to start.
#[test]
fn descriptions_in_sdl_are_block_strings_as_well() {
    for (text, value) in [
        ("\n\u{3000}a\n  b\n", "\u{3000}a\n  b"),
        ("\n\u{a0}a\n\u{a0}\u{a0}b\n", "\u{a0}a\n\u{a0}\u{a0}b"),
        ("   leading", "   leading"),
        ("\ra\r  b\r", "a\n  b"),
    ] {
        let stage = Stage::of(&format!("type Query {{\n\"\"\"{text}\"\"\"\na: Int\n}}\n"));
        let expected = json!({ "__type": { "fields": [{ "description": value }] } });
        assert_eq!(
            stage.data("{ __type(name: \"Query\") { fields { description } } }"),
            expected.to_string()
        );
    }
}

#[test]
fn escapes_reach_the_subgraph_as_what_they_stand_for() {
    let stage = Stage::start("inputs");
    stage.arrives(r#""\b\f\n\r\t\/\"\\""#, "\u{8}\u{c}\n\r\t/\"\\");
    stage.arrives(r#""\b""#, "\u{8}");
    stage.arrives(r#""\u0041\u00e9\u00E9\u2028\u0000""#, "Aéé\u{2028}\0");
}

#[test]
fn surrogate_pairs_are_one_character() {
    let stage = Stage::start("inputs");
    stage.arrives(r#""\uD83D\uDE00""#, "😀");
    stage.arrives(r#""\ud83d\ude00 \uDBFF\uDFFF""#, "😀 \u{10ffff}");
}

#[test]
fn characters_may_be_escaped_in_braces() {
    let stage = Stage::start("inputs");
    stage.arrives(r#""\u{1F600}\u{41}\u{0}\u{10FFFF}\u{000041}""#, "😀A\0\u{10ffff}A");
}

#[test]
fn escapes_that_are_none_are_refused() {
    let stage = Stage::start("inputs");
    for escape in [
        r"\u+041",
        r"\u 041",
        r"\u004",
        r"\u004g",
        r"\uD83D",
        r"\uDE00",
        r"\uD83D\u0041",
        r"\u{}",
        r"\u{110000}",
        r"\u{D83D}",
        r"\u{D83D}\u{DE00}",
        r"\u{000000041}",
    ] {
        let refusal = stage.refusal(&format!("{{ string(value: \"{escape}\") }}"));
        assert!(refusal.starts_with("Syntax Error: Invalid Unicode escape sequence:"), "{escape}: {refusal}");
    }
    let refusal = stage.refusal(r#"{ string(value: "\x41") }"#);
    assert_eq!(refusal, r#"Syntax Error: Invalid character escape sequence: "\x"."#);
}

#[test]
fn a_line_break_ends_a_plain_string() {
    let stage = Stage::start("inputs");
    for end in ["\r", "\n", "\r\n"] {
        let refusal = stage.refusal(&format!("{{ string(value: \"a{end}b\") }}"));
        assert_eq!(refusal, "Syntax Error: Unterminated string.", "{end:?}");
    }
}

// Numbers

#[test]
fn numbers_may_have_an_exponent_and_no_fraction() {
    let stage = Stage::start("inputs");
    for (number, value) in
        [("1e9", "1000000000"), ("0e0", "0"), ("2.5e9", "2500000000"), ("1E+2", "100"), ("5e-1", "0.5")]
    {
        let expected = json!({ "float": format!("{{\"value\":{value}}}") });
        assert_eq!(stage.data(&format!("{{ float(value: {number}) }}")), expected.to_string());
    }
}

#[test]
fn defaults_in_sdl_may_have_an_exponent() {
    let stage = Stage::of("type Query {\n  a(b: Float = 1e9, c: Float = 2.5e9, d: Float = 0e0): Int\n}\n");
    let answer = stage.data("{ __type(name: \"Query\") { fields { args { name defaultValue } } } }");
    for value in [r#""1e9""#, r#""2.5e9""#, r#""0e0""#] {
        let plain = value.replace("1e9", "1000000000").replace("2.5e9", "2500000000").replace("0e0", "0");
        assert!(answer.contains(value) || answer.contains(&plain), "{value} in {answer}");
    }
}

#[test]
fn a_byte_order_mark_may_stand_behind_a_number() {
    let stage = Stage::start("inputs");
    let expected = json!({ "int": "{\"value\":42}" }).to_string();
    assert_eq!(stage.data("\u{feff}{ int(value\u{feff}: 42\u{feff}) }"), expected);
    assert_eq!(
        stage.data("{ ids(value: [1\"a\"]) }"),
        json!({ "ids": "{\"value\":[\"1\",\"a\"]}" }).to_string()
    );
}

#[test]
fn a_minus_in_front_of_zero_is_kept_for_ids() {
    let stage = Stage::start("inputs");
    assert_eq!(stage.data("{ id(value: -0) }"), json!({ "id": "{\"value\":\"-0\"}" }).to_string());
}

// Grammar of September 2025

#[test]
fn variable_definitions_may_have_directives() {
    let stage = Stage::start("directives");
    let answer = stage.ask_with(&json!({
        "query": "query ($v: Want = MORE @tagged @tagged(name: \"a\") @once) { text(of: $v) }",
    }));
    assert_eq!(answer, json!({ "data": { "text": "{\"of\":\"MORE\"}" } }));
}

#[test]
fn operations_and_fragments_may_be_described() {
    let stage = Stage::start("shop");
    let plain = stage.data("query A { ...F } fragment F on Query { count }");
    let described = "\"What.\" query A { ...F } \"\"\"Of\nwhat.\"\"\" fragment F on Query { count }";
    assert_eq!(stage.data(described), plain);
    assert_eq!(
        stage.refusal("\"What.\" { count }"),
        "Syntax Error: Unexpected description, descriptions are not supported on shorthand queries."
    );
}

// Values

#[test]
fn members_of_literals_for_custom_scalars_keep_their_order() {
    let stage = Stage::start("inputs");
    let expected = json!({ "json": "{\"value\":{\"x\":1,\"label\":null,\"b\":{\"z\":1,\"a\":2}}}" });
    assert_eq!(stage.data("{ json(value: { x: 1, label: null, b: { z: 1, a: 2 } }) }"), expected.to_string());
}

/// The default stands for a variable that is not given, not for one that is null.
#[test]
fn a_condition_that_is_null_is_an_error() {
    let stage = Stage::start("readonly");
    for condition in ["skip", "include"] {
        let query = format!("query ($v: Boolean = true) {{ today @{condition}(if: $v) }}");
        let answer = stage.ask_with(&json!({ "query": query, "variables": { "v": null } }));
        assert_eq!(
            answer["errors"][0]["message"], "Argument \"if\" of non-null type \"Boolean!\" must not be null.",
            "{answer}"
        );
        assert_eq!(answer["data"], Value::Null, "{answer}");
    }
}

#[test]
fn every_error_of_a_one_of_variable_is_told() {
    let stage = Stage::start("inputs");
    let query = "query ($v: Choice) { choice(value: $v) }";
    let answer = stage.ask_with(&json!({ "query": query, "variables": { "v": { "x": 1 } } }));
    let messages: Vec<_> =
        answer["errors"].as_array().into_iter().flatten().map(|it| &it["message"]).collect();
    assert_eq!(
        messages,
        [
            "Variable \"$v\" got invalid value { x: 1 }; Field \"x\" is not defined by type \"Choice\".",
            "Variable \"$v\" got invalid value { x: 1 }; Exactly one key must be specified for OneOf type \"Choice\".",
        ]
    );
}

// What belongs together

/// Otherwise both names would get the first one's events.
#[test]
fn a_subscription_has_one_root_field() {
    let stage = Stage::start("events");
    let mut client = Client::connect(&stage.router.websocket_url());
    let mut differences = String::new();
    for (id, query) in [
        "subscription { a: updated(id: 1) { id } b: updated(id: 2) { id } }",
        "subscription { updated(id: 1) { id } count }",
        "subscription { ... { a: count } ... on Subscription { b: count } }",
        "subscription { ...F b: updated(id: 2) { id } } fragment F on Subscription { a: updated(id: 1) { id } }",
        "subscription { ...F } fragment F on Subscription { a: count ...G } fragment G on Subscription { b: count }",
    ]
    .iter()
    .enumerate()
    {
        client.subscribe(&id.to_string(), query);
        loop {
            let Some(Said::Message(said)) = client.hear(PATIENCE) else { panic!("no word about {query}") };
            match said["type"].as_str() {
                Some("error") => {
                    let message = said["payload"][0]["message"].as_str().unwrap_or_default();
                    if message != "Anonymous Subscription must select only one top level field." {
                        differences += &format!("{query}: {message}\n");
                    }
                    break;
                }
                Some("complete") => break,
                _ => differences += &format!("{query}: {said}\n"),
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn lists_of_different_length_conflict() {
    let stage = Stage::start("boxes");
    for (one, other) in [("[1]", "[1, 2]"), ("[]", "[1]"), ("[1, 2]", "[1]"), ("[]", "null")] {
        let refusal = stage.refusal(&format!("{{ x: echo(list: {one}) x: echo(list: {other}) }}"));
        assert!(
            refusal.starts_with("Fields \"x\" conflict because they have differing arguments."),
            "{refusal}"
        );
    }
    let refusal =
        stage.refusal("{ x: echo(how: { words: [\"a\"] }) x: echo(how: { words: [\"a\", \"b\"] }) }");
    assert!(refusal.starts_with("Fields \"x\" conflict because they have differing arguments."), "{refusal}");
}

#[test]
fn conflicts_behind_nested_spreads_are_found() {
    let stage = Stage::start("boxes");
    for query in [
        "{ dog { ...A x: nickname } } fragment A on Dog { ...B } fragment B on Dog { ...C } \
         fragment C on Dog { x: name }",
        "{ dog { ...A } } fragment A on Dog { ...B ...C } fragment B on Dog { x: name(surname: true) } \
         fragment C on Dog { ... on Dog { ...D } } fragment D on Dog { x: name }",
        // The same fragment once where nothing conflicts with it, and once where something does.
        "{ someBox { x: unrelatedField deepBox { ...A } } someBox { ...A } } fragment A on SomeBox { ...B } \
         fragment B on NonNullStringBox1 { x: scalar }",
        "{ someBox { x: unrelatedField deepBox { ...A } unrelatedField } someBox { ...A ...A unrelatedField } } \
         fragment A on SomeBox { ...B deepBox { unrelatedField } } \
         fragment B on NonNullStringBox1 { x: scalar scalar }",
    ] {
        let refusal = stage.refusal(query);
        assert!(refusal.contains("conflict because"), "{query}: {refusal}");
    }
}

// Introspection

#[test]
fn default_values_parse_back() {
    let stage = Stage::of("type Query {\n  a(b: String = \"é\\b😀\\u0007\\\"\\\\\\n\"): Int\n}\n");
    let answer = stage.ask("{ __type(name: \"Query\") { fields { args { defaultValue } } } }");
    let told = answer["data"]["__type"]["fields"][0]["args"][0]["defaultValue"].as_str().expect("a default");
    assert_eq!(told, "\"é\\b😀\\u0007\\\"\\\\\\n\"");
}

#[test]
fn the_schema_is_described() {
    let stage = Stage::of("\"The whole.\" schema {\n  query: Query\n}\ntype Query {\n  a: Int\n}\n");
    let expected = json!({ "__schema": { "description": "The whole." } });
    assert_eq!(stage.data("{ __schema { description } }"), expected.to_string());
}

const SAID: &str = r#"
"Says it."
directive @said("What." what: String, "How." how: Int = 1 @deprecated(reason: "Why.")) on FIELD

type Query {
  a: Int
}
"#;

/// The custom directive of the answer.
fn said(answer: &Value) -> Value {
    let all = answer["data"]["__schema"]["directives"].as_array().expect("directives");
    all.iter().find(|it| it["name"] == "said").expect("the directive").clone()
}

#[test]
fn directives_are_described() {
    let answer = Stage::of(SAID).ask("{ __schema { directives { name description } } }");
    assert_eq!(said(&answer), json!({ "name": "said", "description": "Says it." }));
}

#[test]
fn arguments_of_directives_are_described_and_deprecated() {
    let query = "{ __schema { directives { name args(includeDeprecated: true) { \
                 name description isDeprecated deprecationReason } } } }";
    let stage = Stage::of(SAID);
    assert_eq!(
        said(&stage.ask(query))["args"],
        json!([
            { "name": "what", "description": "What.", "isDeprecated": false, "deprecationReason": null },
            { "name": "how", "description": "How.", "isDeprecated": true, "deprecationReason": "Why." },
        ])
    );
    let answer = stage.ask("{ __schema { directives { name args { name } } } }");
    assert_eq!(said(&answer)["args"], json!([{ "name": "what" }]));
}

#[test]
fn scalars_that_nothing_uses_are_not_there() {
    let stage = Stage::start("readonly");
    assert_eq!(stage.data("{ __type(name: \"Float\") { name } }"), "{\"__type\":null}");
    let answer = stage.ask("{ __schema { types { name kind } } }");
    let types = answer["data"]["__schema"]["types"].as_array().expect("types");
    let mut scalars: Vec<_> =
        types.iter().filter(|it| it["kind"] == "SCALAR").filter_map(|it| it["name"].as_str()).collect();
    scalars.sort_unstable();
    assert_eq!(scalars, ["Boolean", "Int", "String"]);
}

#[test]
fn the_name_of_a_type_is_not_null() {
    let stage = Stage::start("readonly");
    stage.refuses(&[(
        "{ __type(name: null) { name } }",
        "Expected value of type \"String!\", found null.",
        &[(1, 16)],
    )]);
}

// Places

#[test]
fn places_of_operations() {
    Stage::start("shop").refuses(&[
        (
            "query A { count } query A { count }",
            "There can be only one operation named \"A\".",
            &[(1, 7), (1, 25)],
        ),
        (
            "{ count } query A { count }",
            "This anonymous operation must be the only defined operation.",
            &[(1, 1)],
        ),
        ("type A { b: Int } { count }", "The \"A\" definition is not executable.", &[(1, 1)]),
    ]);
}

#[test]
fn places_of_fragments() {
    Stage::start("shop").refuses(&[
        ("{ count } fragment F on Query { count }", "Fragment \"F\" is never used.", &[(1, 11)]),
        ("{ ...Nowhere }", "Unknown fragment \"Nowhere\".", &[(1, 6)]),
        ("{ ... on Int { x } }", "Fragment cannot condition on non composite type \"Int\".", &[(1, 10)]),
        (
            "{ ...F } fragment F on Currency { x }",
            "Fragment \"F\" cannot condition on non composite type \"Currency\".",
            &[(1, 24)],
        ),
        (
            "{ ...F ...F } fragment F on Query { count } fragment F on Query { count }",
            "There can be only one fragment named \"F\".",
            &[(1, 24), (1, 54)],
        ),
        (
            "{ me { ... on Robot { serial } } }",
            "Fragment cannot be spread here as objects of type \"Customer\" can never be of type \"Robot\".",
            &[(1, 8)],
        ),
        (
            "{ ...F } fragment F on Robot { serial }",
            "Fragment \"F\" cannot be spread here as objects of type \"Query\" can never be of type \"Robot\".",
            &[(1, 3)],
        ),
        (
            "{ ...F } fragment F on Query { count ...F }",
            "Cannot spread fragment \"F\" within itself.",
            &[(1, 38)],
        ),
        (
            "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }",
            "Cannot spread fragment \"F\" within itself via \"G\".",
            &[(1, 32), (1, 61)],
        ),
    ]);
}

#[test]
fn places_of_variables() {
    Stage::start("shop").refuses(&[
        ("query A($v: ID) { count }", "Variable \"$v\" is never used in operation \"A\".", &[(1, 9)]),
        (
            "query A { node(id: $v) { id } }",
            "Variable \"$v\" is not defined by operation \"A\".",
            &[(1, 20), (1, 1)],
        ),
        (
            "query ($v: ID!, $v: ID!) { node(id: $v) { id } }",
            "There can be only one variable named \"$v\".",
            &[(1, 9), (1, 18)],
        ),
        (
            "query ($v: Product) { count }",
            "Variable \"$v\" cannot be non-input type \"Product\".",
            &[(1, 12)],
        ),
        (
            "query ($v: Int) { node(id: $v) { id } }",
            "Variable \"$v\" of type \"Int\" used in position expecting type \"ID!\".",
            &[(1, 8), (1, 28)],
        ),
    ]);
}

#[test]
fn places_of_arguments() {
    Stage::start("shop").refuses(&[
        ("{ node(id: 1, of: 2) { id } }", "Unknown argument \"of\" on field \"Query.node\".", &[(1, 15)]),
        (
            "{ count @skip(if: true, unless: true) }",
            "Unknown argument \"unless\" on directive \"@skip\".",
            &[(1, 25)],
        ),
        ("{ node(id: 1, id: 1) { id } }", "There can be only one argument named \"id\".", &[(1, 8), (1, 15)]),
        (
            "{\n  count\n  # A comment.\n  node { id }\n}",
            "Field \"node\" argument \"id\" of type \"ID!\" is required, but it was not provided.",
            &[(4, 3)],
        ),
    ]);
}

#[test]
fn places_of_values() {
    Stage::start("inputs").refuses(&[
        ("{ int(value: \"1\") }", "Int cannot represent non-integer value: \"1\"", &[(1, 14)]),
        ("{ id(value: 1.5) }", "ID cannot represent a non-string and non-integer value: 1.5", &[(1, 13)]),
        (
            "{ choice(value: { a: 1, b: \"x\" }) }",
            "OneOf Input Object \"Choice\" must specify exactly one key.",
            &[(1, 17)],
        ),
        (
            "{ deep(value: {}) }",
            "Field \"Deep.point\" of required type \"Point!\" was not provided.",
            &[(1, 15)],
        ),
        (
            "{ point(value: { x: 1, x: 2 }) }",
            "There can be only one input field named \"x\".",
            &[(1, 18), (1, 24)],
        ),
    ]);
}

#[test]
fn places_of_directives() {
    Stage::start("shop").refuses(&[
        ("{ count @unknown }", "Unknown directive \"@unknown\".", &[(1, 9)]),
        ("query @skip(if: true) { count }", "Directive \"@skip\" may not be used on QUERY.", &[(1, 7)]),
        (
            "{ count @skip(if: true) @skip(if: true) }",
            "The directive \"@skip\" can only be used once at this location.",
            &[(1, 9), (1, 25)],
        ),
        (
            "{ count\n@skip }",
            "Directive \"@skip\" argument \"if\" of type \"Boolean!\" is required, but it was not provided.",
            &[(2, 1)],
        ),
    ]);
}

#[test]
fn places_of_fields() {
    Stage::start("shop").refuses(&[
        (
            "{ count { x } }",
            "Field \"count\" must not have a selection since type \"Int\" has no subfields.",
            &[(1, 9)],
        ),
        ("\u{feff}{ nothingLikeIt }", "Cannot query field \"nothingLikeIt\" on type \"Query\".", &[(1, 4)]),
        (
            "{\r  count\r\n  nothingLikeIt\n}",
            "Cannot query field \"nothingLikeIt\" on type \"Query\".",
            &[(3, 3)],
        ),
        (
            "{ count: me { id } count }",
            "Fields \"count\" conflict because \"me\" and \"count\" are different fields. Use different aliases on the \
             fields to fetch both if this was intentional.",
            &[(1, 3), (1, 20)],
        ),
    ]);
}

#[test]
fn places_of_syntax_errors() {
    Stage::start("inputs").refuses(&[
        ("{ int(value: 1", "Syntax Error: Expected Name, found <EOF>.", &[(1, 15)]),
        ("{ int(value: 01) }", "Syntax Error: Invalid number, unexpected digit after 0: \"1\".", &[(1, 15)]),
        ("{ string(value: \"a\n", "Syntax Error: Unterminated string.", &[(1, 19)]),
        ("{ int } }", "Syntax Error: Unexpected \"}\".", &[(1, 9)]),
    ]);
}

// Words

#[test]
fn a_kind_of_operation_that_the_graph_has_not_is_told() {
    let stage = Stage::start("readonly");
    stage.refuses(&[
        ("mutation { a }", "Schema is not configured to execute mutation operation.", &[(1, 1)]),
        ("mutation { __typename }", "Schema is not configured to execute mutation operation.", &[(1, 1)]),
    ]);
}

const MISSPELT: [(&str, &str, &str); 4] = [
    (
        "{ autor(id: 1) { id } }",
        "Cannot query field \"autor\" on type \"Query\".",
        " Did you mean \"author\" or \"authors\"?",
    ),
    (
        "{ author(ids: 1) { id } }",
        "Unknown argument \"ids\" on field \"Query.author\".",
        " Did you mean \"id\"?",
    ),
    ("{ author(id: 1) { ... on Autor { id } } }", "Unknown type \"Autor\".", " Did you mean \"Author\"?"),
    (
        "{ author(id: 1) { books(sort: TITEL) { id } } }",
        "Value \"TITEL\" does not exist in \"Sort\" enum.",
        " Did you mean the enum value \"TITLE\"?",
    ),
];

#[test]
fn names_are_suggested_in_dev_mode() {
    let stage = Stage::with("readonly", "dev_mode: true");
    for (query, message, suggestion) in MISSPELT {
        assert_eq!(stage.refusal(query), format!("{message}{suggestion}"));
    }
}

/// Introspection may be off, and then names are nobody's business.
#[test]
fn names_are_not_suggested_otherwise() {
    let stage = Stage::start("readonly");
    for (query, message, _) in MISSPELT {
        assert_eq!(stage.refusal(query), message);
    }
}
