//! What becomes of graphs before they are served: refusals with their places, requirements kept beside the
//! supergraph, links lowered or implied, and graphs that are served leniently.

use juga::{
    federation::{
        EventGraphSource, Graphs, Limits, LoadError, Requirement, Schema, SubgraphSource, SupergraphSource,
    },
    graphql::Variables,
    plan::{FieldSource, Operation, ValueType},
};
use std::path::PathBuf;

fn subgraph(name: &str, sdl: &str) -> SubgraphSource {
    SubgraphSource {
        name: name.into(),
        routing_url: format!("http://127.0.0.1:4001/{name}"),
        sdl: sdl.into(),
        file: Some(PathBuf::from(format!("{name}.graphql"))),
        subscription: None,
    }
}

fn graphs(subgraphs: &[(&str, &str)]) -> Graphs {
    let subgraphs = subgraphs.iter().map(|(name, sdl)| subgraph(name, sdl)).collect();
    Graphs { subgraphs, ..Graphs::default() }
}

fn load(graphs: &Graphs) -> Schema {
    Schema::load(graphs).unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(graphs: &Graphs) -> Vec<LoadError> {
    Schema::load(graphs).expect_err("it must not load").0
}

fn shown(graphs: &Graphs) -> Vec<String> {
    errors(graphs).iter().map(ToString::to_string).collect()
}

fn plan(schema: &Schema, text: &str) -> Operation {
    let document = schema.parse(text, None, &Limits::default()).unwrap_or_else(|it| panic!("{text}: {it:?}"));
    schema.plan(&document, &Variables::new()).unwrap_or_else(|it| panic!("{text}: {it:?}"))
}

const LINK: &str = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@context", "@fromContext", "@authenticated", "@requiresScopes", "@policy", "@interfaceObject", "@external", "@inaccessible"])
"#;

fn linked(sdl: &str) -> String {
    format!("{LINK}{sdl}")
}

#[test]
fn context_is_refused_with_subgraph_and_coordinate() {
    let sdl = linked(
        "type Query { shop: Shop }\n\
         type Shop @key(fields: \"id\") @context(name: \"shop\") { id: ID! currency: String! item: Item }\n\
         type Item @key(fields: \"id\") {\n  id: ID!\n  price(currency: String! @fromContext(field: \"$shop { currency }\")): Int\n}",
    );
    assert_eq!(
        shown(&graphs(&[("shops", &sdl)])),
        [
            "shops.graphql:3:6: CONTEXT: graph \"shops\": Shop: @context is not supported",
            "shops.graphql:6:3: CONTEXT: graph \"shops\": Item.price: @fromContext is not supported",
        ]
    );
    // Under another name it is the same thing; a directive of one's own with that name is not.
    let renamed = sdl
        .replace("\"@context\"", "{ name: \"@context\", as: \"@ctx\" }")
        .replace("@context(name", "@ctx(name");
    assert!(shown(&graphs(&[("shops", &renamed)]))[0].contains("Shop: @context is not supported"));
    let own = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.5\", import: [\"@key\"])\n\
               directive @context(name: String) on OBJECT\n\
               type Query @context(name: \"x\") { a: Int }";
    load(&graphs(&[("own", own)]));
}

#[test]
fn a_supergraph_with_context_is_refused() {
    let sdl = load(&graphs(&[("a", &linked("type Query { a(b: Int): Int }"))])).supergraph_sdl().to_owned();
    let sdl = sdl.replace(
        "a(b: Int): Int",
        "a(b: Int): Int @join__field(graph: A, contextArguments: [{ name: \"b\", type: \"Int\", context: \"c\", selection: \"x\" }])",
    );
    let supergraph = Some(SupergraphSource { sdl, file: None });
    let found = shown(&Graphs { supergraph, ..Graphs::default() });
    assert_eq!(
        found,
        ["CONTEXT: Query.a: @context and @fromContext are not supported (graph \"a\" uses them)"]
    );
}

#[test]
fn supergraphs_of_join_3_to_5_are_taken() {
    let sdl = load(&graphs(&[("a", &linked("type Query { a: Int }"))])).supergraph_sdl().to_owned();
    let with = |version: &str| {
        let at = sdl.find("specs.apollo.dev/join/v").expect("a join link") + "specs.apollo.dev/join/v".len();
        let end = at + sdl[at..].find('"').expect("a quote");
        let supergraph =
            Some(SupergraphSource { sdl: format!("{}{version}{}", &sdl[..at], &sdl[end..]), file: None });
        Graphs { supergraph, ..Graphs::default() }
    };
    for version in ["0.3", "0.4", "0.5"] {
        load(&with(version));
    }
    for version in ["0.1", "0.2"] {
        assert_eq!(
            shown(&with(version)),
            [format!(
                "SUPERGRAPH_VERSION: the supergraph is of join v{version}; compose again with Federation 2.3 or later"
            )]
        );
    }
    assert_eq!(
        shown(&with("0.6")),
        ["SUPERGRAPH_VERSION: the supergraph is of join v0.6; v0.3 to v0.5 are known"]
    );
}

#[test]
fn newer_links_are_lowered_as_long_as_nothing_newer_is_used() {
    for version in ["v2.10", "v2.11", "v2.12"] {
        let url = format!("https://specs.apollo.dev/federation/{version}");
        let with = |import: &str, field: &str| {
            graphs(&[(
                "a",
                &format!(
                    "extend schema @link(url: \"{url}\", import: [{import}])\ntype Query {{ a: Int {field} }}"
                ),
            )])
        };
        let schema = load(&with("\"@shareable\"", "@shareable"));
        assert_eq!(schema.notes(), [format!("graph \"a\": federation {version} is read as v2.9")]);
        let cached = with("\"@cacheTag\"", "@cacheTag(format: \"x\")");
        if version == "v2.12" {
            let notes = ["@cacheTag has no effect", "federation v2.12 is read as v2.9"];
            assert_eq!(load(&cached).notes(), notes.map(|it| format!("graph \"a\": {it}")));
            continue;
        }
        let found = errors(&cached);
        assert!(found.iter().all(|it| it.graph.as_deref() == Some("a")), "{found:?}");
        assert!(found[0].message.contains("@cacheTag"), "{found:?}");
    }
}

/// Checks beside the composer tell where something stands, as the composer's own do.
#[test]
fn errors_of_checks_have_code_graph_coordinate_and_place() {
    let a = linked(
        "type Query { a: X }\nunion U = A\ntype A { n: Int }\ntype X @key(fields: \"u { ... on A { n } }\") {\n  u: U\n}",
    );
    let found = shown(&graphs(&[("a", &a)]));
    assert_eq!(
        found,
        [
            "a.graphql:5:6: KEY_FIELDS_SELECT_INVALID_TYPE: graph \"a\": X: for @key(fields: \"u { ... on A { n } }\"): \
          field X.u gives the union U, which is not allowed in a key"
        ]
    );
    // What only the supergraph shows stands in the first graph that has it.
    let a = linked("type Query {\n  a(e: E = B): Int\n}\nenum E { A B }");
    let b = linked("type Query { b(e: E): Int }\nenum E { A }");
    let found = &shown(&graphs(&[("a", &a), ("b", &b)]))[0];
    assert!(found.starts_with("a.graphql:3:3: INVALID_GRAPHQL: graph \"a\": Query.a: "), "{found}");
}

/// What is shared may be had from any graph, but only once.
#[test]
fn a_shared_mutation_is_carried_out_by_one_graph() {
    let both = "type Query { q: Int @shareable }\ntype Mutation { m: P @shareable }\ntype P @key(fields: \"id\") { id: ID! {} }";
    let graph = |own: &str| linked(&both.replace("{}", own));
    let schema = load(&graphs(&[("a", &graph("a: Int")), ("b", &graph("b: Int"))]));
    let plan = plan(&schema, "mutation { m { a b } }");
    let steps = format!("{:?}", plan.plan.steps);
    assert_eq!(steps.matches("kind: Mutation").count(), 1, "{steps}");
}

#[test]
fn connectors_are_refused() {
    let sdl = "extend schema\n  @link(url: \"https://specs.apollo.dev/federation/v2.11\", import: [\"@key\"])\n  \
               @link(url: \"https://specs.apollo.dev/connect/v0.2\", import: [\"@connect\"])\n\
               type Query { a: Int @connect(http: { GET: \"http://localhost\" }, selection: \"a\") }";
    let found = errors(&graphs(&[("a", sdl)]));
    assert_eq!((found[0].rule.as_str(), found[0].graph.as_deref()), ("CONNECT", Some("a")), "{found:?}");
}

/// Cosmo's composer takes a graph that uses directives of Federation 2 for one of Federation 2.
#[test]
fn a_link_is_implied_by_what_is_used() {
    let value = "type Value @shareable { a: Int }";
    let schema = load(&graphs(&[
        ("one", &format!("type Query {{ one: Value }} {value}")),
        ("two", &format!("type Query {{ two: Value }} {value}")),
    ]));
    assert_eq!(schema.notes().len(), 2);
    assert_eq!(
        schema.notes()[0],
        "graph \"one\": it uses @shareable and links no specification; read as federation v2.9"
    );
    // Without any, it stays what it is.
    assert!(load(&graphs(&[("one", "type Query { a: Int @tag(name: \"x\") }")])).notes().is_empty());
}

/// Definitions as Cosmo's composer wants them, directives without an import, and directives of its own.
#[test]
fn cosmos_spelling_of_a_graph_is_understood() {
    let definitions = "directive @key(fields: openfed__FieldSet!, resolvable: Boolean = true) repeatable on INTERFACE | OBJECT\n\
         directive @requiresScopes(scopes: [[openfed__Scope!]!]!) on ENUM | FIELD_DEFINITION | INTERFACE | OBJECT | SCALAR\n\
         directive @shareable on FIELD_DEFINITION | OBJECT\n\
         directive @openfed__requireFetchReasons on FIELD_DEFINITION | INTERFACE | OBJECT\n\
         scalar openfed__FieldSet\nscalar openfed__Scope\n";
    let types = "type Query { a: X @shareable @openfed__requireFetchReasons b: Int @requiresScopes(scopes: [[\"x\"]]) }\n\
         type X @key(fields: \"id\") @configureDescription(propagate: false) { id: ID! n: Int }";
    let plain = load(&graphs(&[(
        "a",
        &linked(
            &types
                .replace(" @openfed__requireFetchReasons", "")
                .replace(" @configureDescription(propagate: false)", ""),
        ),
    )]));
    let old_link =
        "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.0\", import: [\"@key\"])\n";
    for (sdl, note) in [
        (
            format!("{definitions}{types}"),
            "it uses @shareable and links no specification; read as federation v2.9",
        ),
        (
            format!("{old_link}{definitions}{types}"),
            "@shareable, @requiresScopes is used without an import; read as federation v2.9",
        ),
        (format!("{LINK}{definitions}{types}"), ""),
    ] {
        let schema = load(&graphs(&[("a", &sdl)]));
        assert!(schema.supergraph_sdl() == plain.supergraph_sdl(), "{sdl}:\n{}", schema.supergraph_sdl());
        assert_eq!(schema.authorization(), plain.authorization());
        let notes = schema.notes().join("\n");
        let foreign = "graph \"a\": @configureDescription, @openfed__requireFetchReasons has no effect";
        assert!(notes.contains(foreign) && notes.contains(note), "{notes}");
    }
    // An event graph may be written so as well.
    let events = "directive @key(fields: openfed__FieldSet!, resolvable: Boolean = true) repeatable on INTERFACE | OBJECT\n\
         directive @external on FIELD_DEFINITION | OBJECT\nscalar openfed__FieldSet\n\
         type Subscription { changed: X! @edfs__natsSubscribe(subjects: [\"x\"]) }\n\
         type X @key(fields: \"id\", resolvable: false) { id: ID! @external }";
    let mut graphs = graphs(&[("a", &format!("{definitions}{types}"))]);
    graphs.event_graphs = vec![EventGraphSource { name: "events".into(), sdl: events.into(), file: None }];
    assert_eq!(load(&graphs).event_fields().len(), 1);
}

#[test]
fn errors_of_the_composer_have_code_graph_coordinate_and_place() {
    let a = linked("type Query { a: X }\ntype X @key(fields: \"id\") {\n  id: ID!\n  n: Int @shareable\n}");
    let b = linked("type X @key(fields: \"id\") {\n  id: ID!\n  n: String @shareable\n}");
    let found = errors(&graphs(&[("a", &a), ("b", &b)]));
    let [error] = &found[..] else { panic!("{found:?}") };
    assert_eq!(error.rule, "FIELD_TYPE_MISMATCH");
    assert_eq!(error.coordinate.as_deref(), Some("X.n"));
    assert!(
        error.to_string().starts_with("a.graphql:5:3: FIELD_TYPE_MISMATCH: graph \"a\": X.n: "),
        "{error}"
    );

    let bad_key = linked("type Query { a: X }\ntype X @key(fields: \"nope\") { id: ID! }");
    let error = &shown(&graphs(&[("a", &bad_key)]))[0];
    assert!(error.starts_with("a.graphql:3:6: KEY_INVALID_FIELDS: graph \"a\": X: "), "{error}");

    let broken = linked("type Query {\n  a Int\n}");
    let error = &shown(&graphs(&[("a", &broken)]))[0];
    assert!(error.starts_with("a.graphql:3:5: INVALID_GRAPHQL: graph \"a\": Syntax Error"), "{error}");
}

/// The text of a graph that was fetched lies in no file, but has lines all the same.
#[test]
fn errors_without_a_file_still_have_lines() {
    let mut graphs = graphs(&[("a", "type Query {\n  a: Nope\n}")]);
    graphs.subgraphs[0].file = None;
    let error = &shown(&graphs)[0];
    assert!(error.contains("graph \"a\""), "{error}");
    assert!(!error.contains(".graphql"), "{error}");
    graphs.subgraphs[0].sdl = "type Query {\n  a Int\n}".into();
    assert!(shown(&graphs)[0].starts_with("INVALID_GRAPHQL: graph \"a\" (2:5): "), "{graphs:?}");
}

#[test]
fn requirements_of_all_graphs_are_kept_and_interfaces_hand_theirs_on() {
    let a = linked(
        "type Query { secret: Int @authenticated node: Node mood: Mood plain: Plain }\n\
         interface Node @authenticated { id: ID! pay: Int @requiresScopes(scopes: [[\"pay:read\"]]) }\n\
         type Desk implements Node @key(fields: \"id\") { id: ID! pay: Int }\n\
         enum Mood @authenticated { GOOD }\n\
         type Plain @key(fields: \"id\") { id: ID! x: Int @requiresScopes(scopes: [[\"a\", \"b\"], [\"c\"]]) }",
    );
    let b = linked(
        "interface Node { id: ID! }\n\
         type Chair implements Node @key(fields: \"id\") { id: ID! pay: Int }\n\
         type Plain @key(fields: \"id\") { id: ID! y: Int @policy(policies: [[\"p\"]]) }",
    );
    let schema = load(&graphs(&[("a", &a), ("b", &b)]));
    let authorization = schema.authorization();
    let authenticated = Requirement { authenticated: true, ..Requirement::default() };
    assert_eq!(authorization.of_field("Query", "secret"), Some(&authenticated));
    for name in ["Node", "Desk", "Chair", "Mood"] {
        assert_eq!(authorization.of_type(name), Some(&authenticated), "{name}");
    }
    let scopes = |it: &[&[&str]]| -> Vec<Vec<std::sync::Arc<str>>> {
        it.iter().map(|it| it.iter().map(|it| (*it).into()).collect()).collect()
    };
    for owner in ["Node", "Desk", "Chair"] {
        let pay = authorization.of_field(owner, "pay").unwrap_or_else(|| panic!("{owner}.pay"));
        assert_eq!(pay.scopes, [scopes(&[&["pay:read"]])]);
    }
    let x = authorization.of_field("Plain", "x").expect("Plain.x");
    assert_eq!(x.scopes, [scopes(&[&["a", "b"], &["c"]])]);
    assert_eq!(authorization.of_field("Plain", "y").expect("Plain.y").policies, [scopes(&[&["p"]])]);
    assert_eq!(authorization.of_type("Plain"), None);
    let notes = schema.notes().join("\n");
    assert!(
        notes.contains(
            "graph \"a\": what Node, Node.pay asks of clients holds for everything that implements it"
        ),
        "{notes}"
    );

    // The supergraph's text says it all: served from that text it holds as well.
    let supergraph = Some(SupergraphSource { sdl: schema.supergraph_sdl().to_owned(), file: None });
    let again = load(&Graphs { supergraph, ..Graphs::default() });
    assert_eq!(again.authorization().of_field("Query", "secret"), Some(&authenticated));
    assert_eq!(again.authorization().of_field("Plain", "x").map(|it| &it.scopes), Some(&x.scopes));
    let all = |schema: &Schema| -> Vec<(String, Requirement)> {
        schema.authorization().iter().map(|(at, it)| (at, it.clone())).collect()
    };
    assert_eq!(all(&again), all(&schema));
}

/// Each interface and each type asks for all that somebody asks for it, in as few alternatives as say it.
#[test]
fn requirements_of_interfaces_and_of_types_add_up_in_the_supergraph() {
    let a = linked(
        "type Query { node: Node }\n\
         interface Node @requiresScopes(scopes: [[\"a\"], [\"b\"]]) { id: ID! @policy(policies: [[\"p\"], [\"q\"]]) }\n\
         type Desk implements Node @key(fields: \"id\") @requiresScopes(scopes: [[\"a\"], [\"c\"]]) { id: ID! }",
    );
    let b = linked(
        "interface Node { id: ID! @policy(policies: [[\"p\"]]) }\n\
         type Desk implements Node @key(fields: \"id\") { id: ID! @authenticated }",
    );
    let schema = load(&graphs(&[("a", &a), ("b", &b)]));
    let sdl = schema.supergraph_sdl();
    let desk = sdl.split_once("type Desk ").expect("it is there").1.split_once('}').expect("an end").0;
    assert!(desk.contains("@requiresScopes(scopes: [[\"a\"], [\"c\", \"b\"]])"), "{desk}");
    assert!(desk.contains("id: ID! @authenticated @policy(policies: [[\"p\"]])"), "{desk}");
    let link = |name: &str| format!("@link(url: \"https://specs.apollo.dev/{name}/v0.1\", for: SECURITY)");
    for name in ["authenticated", "requiresScopes", "policy"] {
        assert_eq!(sdl.matches(&link(name)).count(), 1, "{sdl}");
        assert_eq!(sdl.matches(&format!("directive @{name}")).count(), 1, "{sdl}");
    }
}

/// Hidden where the graphs hide it, whatever it stands on.
#[test]
fn arguments_of_interfaces_stay_hidden_in_the_supergraph() {
    let a = linked(
        "type Query { node: Node of(in: In, mood: Mood, quiet: Int @inaccessible): Int }\n\
         interface Node @key(fields: \"id\") { id: ID! name(a: Int @inaccessible, b: Int): String }\n\
         type Desk implements Node @key(fields: \"id\") { id: ID! name(a: Int @inaccessible, b: Int): String }\n\
         input In { a: Int @inaccessible b: Int } enum Mood { GOOD BAD @inaccessible }",
    );
    // The type has the field from the interface object alone, its arguments with it.
    let b = linked(
        "type Node @key(fields: \"id\") @interfaceObject { id: ID! extra(q: Int @inaccessible, r: Int): Int }",
    );
    let schema = load(&graphs(&[("a", &a), ("b", &b)]));
    let sdl = schema.supergraph_sdl();
    for (hidden, times) in [
        ("quiet: Int @inaccessible", 1),
        ("name(a: Int @inaccessible, b: Int)", 2),
        ("extra(q: Int @inaccessible, r: Int)", 2),
        ("a: Int @inaccessible\n", 1),
        ("@inaccessible\n}", 1),
    ] {
        assert_eq!(sdl.matches(hidden).count(), times, "{hidden}: {sdl}");
    }
    let supergraph = Some(SupergraphSource { sdl: sdl.to_owned(), file: None });
    for schema in [&schema, &load(&Graphs { supergraph, ..Graphs::default() })] {
        let asked = |text: &str| schema.parse(text, None, &Limits::default()).map(|_| ());
        for (hidden, open) in [
            ("{ of(quiet: 1) }", "{ of }"),
            ("{ of(in: { a: 1 }) }", "{ of(in: { b: 1 }) }"),
            ("{ of(mood: BAD) }", "{ of(mood: GOOD) }"),
            ("{ node { name(a: 1) } }", "{ node { name(b: 1) } }"),
            ("{ node { extra(q: 1) } }", "{ node { extra(r: 1) } }"),
            ("{ node { ... on Desk { name(a: 1) } } }", "{ node { ... on Desk { name(b: 1) } } }"),
            ("{ node { ... on Desk { extra(q: 1) } } }", "{ node { ... on Desk { extra(r: 1) } } }"),
        ] {
            assert!(asked(hidden).is_err(), "{hidden}");
            assert_eq!(asked(open), Ok(()), "{open}");
        }
    }
}

#[test]
fn several_graphs_each_add_what_they_ask_for() {
    let of = |scope: &str| {
        linked(&format!("type Query {{ a: Int @shareable @requiresScopes(scopes: [[\"{scope}\"]]) }}"))
    };
    let schema = load(&graphs(&[("one", &of("x")), ("two", &of("y")), ("three", &of("x"))]));
    let found = schema.authorization().of_field("Query", "a").expect("a requirement");
    assert_eq!(found.scopes.len(), 2, "{found:?}");
}

#[test]
fn event_graphs_may_ask_for_something_too() {
    let events = "type Subscription {\n  changed: X! @authenticated @edfs__natsSubscribe(subjects: [\"x\"])\n}\n\
                  type X @key(fields: \"id\", resolvable: false) { id: ID! @external }";
    let mut graphs =
        graphs(&[("a", &linked("type Query { a: X }\ntype X @key(fields: \"id\") { id: ID! n: Int }"))]);
    graphs.event_graphs = vec![EventGraphSource { name: "events".into(), sdl: events.into(), file: None }];
    let schema = load(&graphs);
    assert!(schema.authorization().of_field("Subscription", "changed").is_some_and(|it| it.authenticated));
}

const THINGS_A: &str =
    "type Query { things: [Thing] whole: Thing! other: Int }\ntype Thing @shareable { a: Int }";
const THINGS_B: &str =
    "type Query { box: Box }\ntype Box { thing: Thing }\ntype Thing @shareable { b: Int! c: Int }";

fn things(lenient: bool) -> Graphs {
    Graphs { lenient, ..graphs(&[("a", &linked(THINGS_A)), ("b", &linked(THINGS_B))]) }
}

#[test]
fn unreachable_fields_are_errors_by_default() {
    let found = errors(&things(false));
    assert!(!found.is_empty());
    assert!(found.iter().all(|it| it.rule == "SATISFIABILITY_ERROR"), "{found:?}");
    assert!(found.iter().all(|it| it.coordinate.is_some() && it.line.is_some()), "{found:?}");
    assert!(found.iter().all(|it| it.message.contains("`supergraph.lenient: true`")), "{found:?}");
}

/// The fields of a selection that no plan leads to, by path; with `!` where null cannot stand.
fn unreachable(operation: &Operation) -> Vec<String> {
    fn walk(fields: &[juga::plan::Field], path: &str, out: &mut Vec<String>) {
        for field in fields {
            let path = format!("{path}{}", field.key);
            match &field.source {
                FieldSource::Unreachable { nullable } => {
                    out.push(format!("{path}{}", if *nullable { "" } else { "!" }));
                }
                FieldSource::Data { value, .. } => descend(value, &path, out),
                FieldSource::Typename => {}
            }
        }
    }
    fn descend(value: &ValueType, path: &str, out: &mut Vec<String>) {
        match value {
            ValueType::NonNull(inner) | ValueType::List(inner) => descend(inner, path, out),
            ValueType::Object { selection, .. } => walk(&selection.fields, &format!("{path}."), out),
            ValueType::Leaf(_) => {}
        }
    }
    let mut out = Vec::new();
    walk(&operation.projection.root.fields, "", &mut out);
    out
}

#[test]
fn leniently_the_rest_of_an_operation_is_planned() {
    let schema = load(&things(true));
    let reasons = |query: &str| schema.notes().iter().any(|it| it.starts_with(query));
    assert!(
        schema.notes().contains(
            &"{ things { b } } is out of reach (from subgraph \"a\": - cannot find field \"Thing.b\"): what \
              cannot be fetched answers null with an error"
                .to_owned()
        ),
        "{:?}",
        schema.notes()
    );
    assert!(reasons("{ box { thing { a } } } is out of reach"), "{:?}", schema.notes());
    for (text, cut) in [
        ("{ things { a b c } other }", &["things.b!", "things.c"][..]),
        ("{ things { c } }", &["things.c"]),
        ("{ whole { again: c a } }", &["whole.again"]),
        // The same field of the same type can be reached another way.
        ("{ box { thing { b c } } }", &[]),
        ("{ box { thing { a b } } things { a b } }", &["box.thing.a", "things.b!"]),
        ("{ things { ... on Thing { c } ...F } } fragment F on Thing { a c }", &["things.c"]),
        ("{ other }", &[]),
    ] {
        let operation = plan(&schema, text);
        assert_eq!(unreachable(&operation), cut, "{text}");
        assert!(operation.plan.steps.is_some(), "{text}");
    }
}

#[test]
fn operations_that_lack_different_fields_are_not_the_same() {
    let schema = load(&things(true));
    let key = |text: &str| {
        let operation = plan(&schema, text);
        (operation.canonical, operation.projection.shape)
    };
    assert_ne!(key("{ things { c } }"), key("{ things { c: a } }"));
    assert_ne!(key("{ things { c } }"), key("{ things { c: __typename } }"));
}

/// Neither does it take the process along.
#[test]
fn brackets_without_an_end_are_an_error_with_the_graphs_name() {
    // What graphs hide is looked for before anything else.
    for hidden in ["", " @inaccessible"] {
        let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
        let sdl = format!("type Query {{ a: {open}Int{close}{hidden} }}");
        let subgraph = SubgraphSource { name: "deep".into(), sdl, ..SubgraphSource::default() };
        let errors =
            Schema::load(&Graphs { subgraphs: vec![subgraph], ..Graphs::default() }).expect_err("deep");
        assert_eq!(errors.0[0].graph.as_deref(), Some("deep"), "{errors}");
        assert!(errors.0[0].message.contains("nested"), "{errors}");
    }
}

#[test]
fn a_composed_directive_comes_from_an_address_that_a_supergraph_can_name() {
    let sdl = |address: &str| {
        format!(
            "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.3\", import: [\"@composeDirective\"]) \
             @link(url: \"{address}/mine/v1.0\", import: [\"@mine\"]) @composeDirective(name: \"@mine\")\n\
             directive @mine on FIELD_DEFINITION\ntype Query {{ a: Int @mine }}"
        )
    };
    load(&graphs(&[("a", &sdl("https://a.example"))]));
    for address in ["mine://a.example", "h|tps://a.example", "https://a example"] {
        let [error] = &errors(&graphs(&[("a", &sdl(address))]))[..] else { panic!("one error") };
        assert_eq!(error.rule, "DIRECTIVE_COMPOSITION_ERROR");
        assert_eq!(error.graph.as_deref(), Some("a"));
        assert!(error.message.contains(address), "{error}");
    }
}

#[test]
fn a_field_set_that_the_planner_cannot_read_is_refused_by_name() {
    let key = format!("{}id{}", "a { ".repeat(100), " }".repeat(100));
    let deep = linked(&format!("type Query {{ a: A }} type A @key(fields: \"{key}\") {{ id: ID! a: A }}"));
    let [error] = &errors(&graphs(&[("a", &deep)]))[..] else { panic!("one error") };
    assert_eq!((error.rule.as_str(), error.graph.as_deref()), ("KEY_INVALID_FIELDS", Some("a")));
    assert_eq!(error.coordinate.as_deref(), Some("A"));
}
