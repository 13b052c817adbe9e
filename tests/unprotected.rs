//! Graphs that ask for protection which this version does not give: they are not served, wherever the wish stands,
//! unless the configuration says so.

mod support;

use serde_json::json;
use support::{
    Demo,
    cli::Folder,
    router::{Router, write_config},
    subgraph::Behaviour,
};

const FEDERATION: &str = "https://specs.apollo.dev/federation/v2.9";
const DEAL: &str = "type Deal @key(fields: \"id\") { id: ID! }";

/// A folder whose `juga.yaml` serves one subgraph.
fn of_subgraph(name: &str, sdl: &str) -> Folder {
    Folder::new(name).with("deals.graphql", sdl).with(
        "juga.yaml",
        "supergraph:\n  subgraphs: [{ name: deals, routing_url: 'http://127.0.0.1:9/', schema: { file: deals.graphql } }]\n",
    )
}

fn linked(import: &str, types: &str) -> String {
    format!("extend schema @link(url: \"{FEDERATION}\", import: [{import}])\n{types}\n")
}

/// Neither validated nor served, with these words; both once the configuration says so.
#[track_caller]
fn is_refused(folder: Folder, words: &[&str]) {
    for (arguments, code) in [(&["config", "validate"][..], 1), (&["serve"], 78)] {
        let answer = folder.juga(arguments);
        assert_eq!(answer.code, Some(code), "{arguments:?}: {answer:?}");
        // What `serve` says is a line of JSON.
        let said = format!("{}{}", answer.stdout, answer.stderr).replace("\\\"", "\"");
        for word in words.iter().chain(&["UNPROTECTED", "`authorization.serve_unprotected: true`"]) {
            assert!(said.contains(word), "{word}:\n{said}");
        }
    }
    let config = folder.text("juga.yaml");
    let folder = folder.with("juga.yaml", &format!("{config}authorization: {{ serve_unprotected: true }}\n"));
    let answer = folder.juga(&["config", "validate"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.stderr.contains("UNPROTECTED: the graphs use @authenticated, @requiresScopes or @policy, which this version does not enforce"), "{answer:?}");
}

/// By every name that a directive can have, and on everything that it can stand on.
#[test]
fn a_subgraph_that_says_who_may_see_something_is_not_served() {
    let plain = "\"@key\", \"@authenticated\", \"@requiresScopes\", \"@policy\"";
    for (case, sdl, place) in [
        (
            "field",
            linked(plain, "type Query { open: Int\n  secret: Int @authenticated }"),
            "deals.graphql:3:16: UNPROTECTED: graph \"deals\": Query.secret: @authenticated is not enforced",
        ),
        (
            "scopes",
            linked(plain, "type Query { secret: Int @requiresScopes(scopes: [[\"a\"]]) }"),
            "Query.secret: @requiresScopes",
        ),
        (
            "policy",
            linked(plain, "type Query { secret: Int @policy(policies: [[\"a\"]]) }"),
            "Query.secret: @policy",
        ),
        (
            "object",
            linked(plain, &format!("type Query {{ deal: Deal }} {} extend type Deal @authenticated", DEAL)),
            "Deal: @",
        ),
        (
            "interface",
            linked(
                plain,
                "type Query { node: Node } interface Node @authenticated { id: ID } type A implements Node { id: ID }",
            ),
            "Node: @authenticated",
        ),
        (
            "interface-field",
            linked(
                plain,
                "type Query { node: Node } interface Node { id: ID @authenticated } type A implements Node { id: ID }",
            ),
            "Node.id: @authenticated",
        ),
        (
            "scalar",
            linked(plain, "type Query { at: Secret } scalar Secret @authenticated"),
            "Secret: @authenticated",
        ),
        (
            "enum",
            linked(plain, "type Query { mood: Mood } enum Mood @authenticated { GOOD }"),
            "Mood: @authenticated",
        ),
        (
            "renamed",
            linked("{ name: \"@authenticated\", as: \"@guarded\" }", "type Query { secret: Int @guarded }"),
            "Query.secret: @guarded is not enforced",
        ),
        (
            "prefixed",
            linked("", "type Query { secret: Int @federation__authenticated }"),
            "@federation__authenticated",
        ),
        ("unlinked", "type Query { secret: Int @authenticated }".to_owned(), "Query.secret: @authenticated"),
        (
            "defined",
            "directive @authenticated on FIELD_DEFINITION\ntype Query { secret: Int @authenticated }"
                .to_owned(),
            "deals.graphql:2:27: UNPROTECTED",
        ),
    ] {
        is_refused(of_subgraph(&format!("unprotected-{case}"), &sdl), &[place]);
    }
}

#[test]
fn the_first_places_are_named_and_the_others_counted() {
    let fields: Vec<String> = (0..25).map(|it| format!("f{it}: Int @authenticated")).collect();
    let sdl = linked("\"@authenticated\"", &format!("type Query {{ {} }}", fields.join(" ")));
    let folder = of_subgraph("unprotected-many", &sdl);
    let said = folder.juga(&["config", "validate"]).stderr;
    assert!(
        said.contains("Query.f0: ") && said.contains("Query.f9: ") && !said.contains("Query.f10: "),
        "{said}"
    );
    assert!(said.contains("all 25 places, of which the first 10 are named"), "{said}");
}

/// What was composed elsewhere, or by `juga compose`, says it too.
#[test]
fn a_finished_supergraph_that_says_so_is_not_served() {
    let sdl = linked("\"@authenticated\"", "type Query { open: Int secret: Int @authenticated }");
    let folder = of_subgraph("unprotected-supergraph", &sdl);
    let answer = folder.juga(&["compose", "-o", "supergraph.graphql"]);
    assert_eq!(answer.code, Some(0), "composing is not serving: {answer:?}");
    assert!(answer.stderr.contains("note: UNPROTECTED"), "{answer:?}");
    let supergraph = folder.text("supergraph.graphql");
    let served = |name: &str, sdl: &str| {
        Folder::new(name)
            .with("supergraph.graphql", sdl)
            .with("juga.yaml", "supergraph: { file: supergraph.graphql }\n")
    };
    is_refused(
        served("unprotected-composed", &supergraph),
        &["supergraph.graphql:", "Query.secret: @authenticated"],
    );

    let link = "@link(url: \"https://specs.apollo.dev/authenticated/v0.1\", for: SECURITY)";
    assert!(supergraph.contains(link), "{supergraph}");
    let renamed = supergraph
        .replace(link, &link.replace(", for", ", as: \"guard\", for"))
        .replace("Int @authenticated", "Int @guard")
        .replace("directive @authenticated", "directive @guard");
    assert!(renamed.contains("Int @guard"), "{renamed}");
    is_refused(served("unprotected-renamed-there", &renamed), &["Query.secret: @guard is not enforced"]);

    // A router that does not know what is linked for security serves nothing.
    let foreign = link.replace("specs.apollo.dev/authenticated/v0.1", "example.com/vault/v1.0");
    let plain = supergraph.replace(link, &foreign).replace("Int @authenticated", "Int");
    is_refused(served("unprotected-foreign", &plain), &["https://example.com/vault/v1.0 for security"]);
}

/// What only an interface asks for stands in the supergraph at it and at everything that implements it, so that whoever
/// is given the text knows of it.
#[test]
fn a_finished_supergraph_says_what_interfaces_ask_for() {
    let all = "\"@key\", \"@interfaceObject\", \"@authenticated\", \"@requiresScopes\", \"@policy\"";
    let renamed = "\"@key\", { name: \"@authenticated\", as: \"@guarded\" }";
    let on_type = |directive: &str| {
        format!(
            "type Query {{ node: Node }} interface Node {directive} {{ id: ID }} type A implements Node {{ id: ID }}"
        )
    };
    let on_field = |directive: &str| {
        format!(
            "type Query {{ node: Node }} interface Node {{ id: ID {directive} }} type A implements Node {{ id: ID }}"
        )
    };
    let scopes = "@requiresScopes(scopes: [[\"a\", \"b\"], [\"c\"]])";
    let policy = "@policy(policies: [[\"p\"]])";
    for (case, import, types, written, places) in [
        ("type-authenticated", all, on_type("@authenticated"), "@authenticated", ["Node", "A"]),
        ("type-scopes", all, on_type(scopes), scopes, ["Node", "A"]),
        ("type-policy", all, on_type(policy), policy, ["Node", "A"]),
        ("field-authenticated", all, on_field("@authenticated"), "@authenticated", ["Node.id", "A.id"]),
        ("field-scopes", all, on_field(scopes), scopes, ["Node.id", "A.id"]),
        ("field-policy", all, on_field(policy), policy, ["Node.id", "A.id"]),
        ("type-renamed", renamed, on_type("@guarded"), "@authenticated", ["Node", "A"]),
        ("field-renamed", renamed, on_field("@guarded"), "@authenticated", ["Node.id", "A.id"]),
    ] {
        let folder = of_subgraph(&format!("unprotected-interface-{case}"), &linked(import, &types));
        says_so_when_composed(folder, written, &places);
    }

    // An interface object is the interface as a graph sees it that knows none of the types.
    let deals = "type Query { node: Node } interface Node @key(fields: \"id\") { id: ID! } \
                 type A implements Node @key(fields: \"id\") { id: ID! }";
    let notes =
        format!("type Node @key(fields: \"id\") @interfaceObject {policy} {{ id: ID! text: String }}");
    let folder = of_subgraph("unprotected-interface-object", &linked(all, deals));
    let config = folder.text("juga.yaml").replace(
        "graphql } }]",
        "graphql } }, { name: notes, routing_url: 'http://127.0.0.1:9/', schema: { file: notes.graphql } }]",
    );
    let folder = folder.with("juga.yaml", &config).with("notes.graphql", &linked(all, &notes));
    says_so_when_composed(folder, policy, &["Node", "A"]);
}

/// A folder's graphs, composed, have a directive at these places, and are not served.
#[track_caller]
fn says_so_when_composed(folder: Folder, directive: &str, places: &[&str]) {
    let answer = folder.juga(&["compose", "-o", "supergraph.graphql"]);
    assert_eq!(answer.code, Some(0), "composing is not serving: {answer:?}");
    let supergraph = folder.text("supergraph.graphql");
    let types = supergraph.lines().filter(|it| !it.starts_with("directive "));
    let written = types.filter(|it| it.contains(&format!(" {directive}"))).count();
    assert_eq!(written, places.len(), "{supergraph}");
    let name = directive.split('(').next().expect("a name");
    let words: Vec<String> = places.iter().map(|it| format!("{it}: {name} is not enforced")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    is_refused(folder.with("juga.yaml", "supergraph: { file: supergraph.graphql }\n"), &words);
}

#[test]
fn an_event_graph_that_says_so_is_not_served() {
    let events = "type Subscription {\n  dealChanged: Deal! @authenticated @edfs__natsSubscribe(subjects: [\"deals\"])\n}\n\
                  type Deal @key(fields: \"id\", resolvable: false) { id: ID! @external }\n";
    let sdl = linked("\"@key\"", &format!("type Query {{ deal: Deal }} {DEAL}"));
    let folder = of_subgraph("unprotected-events", &sdl);
    let config = folder.text("juga.yaml");
    let folder = folder
        .with("events.graphql", events)
        .with("juga.yaml", &format!("{config}  event_graphs: [events.graphql]\n"));
    is_refused(
        folder,
        &["events.graphql:2:23: UNPROTECTED: graph \"events\": Subscription.dealChanged: @authenticated"],
    );
}

/// What an event graph asks for stands in the supergraph that it was added to, by the name that it has there.
#[test]
fn a_supergraph_says_what_event_graphs_added_to_it_ask_for() {
    let folder = of_subgraph(
        "unprotected-grafted",
        &linked("\"@key\"", &format!("type Query {{ deal: Deal }} {DEAL}")),
    );
    assert_eq!(folder.juga(&["compose", "-o", "plain.graphql"]).code, Some(0));
    let events = linked(
        "\"@key\", \"@external\", { name: \"@authenticated\", as: \"@guarded\" }",
        "type Subscription { dealChanged: Deal! @guarded @edfs__natsSubscribe(subjects: [\"deals\"]) }\n\
         type Deal @key(fields: \"id\", resolvable: false) @federation__policy(policies: [[\"p\"]]) { id: ID! @external }",
    );
    let folder = folder
        .with("events.graphql", &events)
        .with("juga.yaml", "supergraph: { file: plain.graphql, event_graphs: [events.graphql] }\n");
    let answer = folder.juga(&["compose", "-o", "supergraph.graphql"]);
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let supergraph = folder.text("supergraph.graphql");
    assert!(!supergraph.contains("guarded") && !supergraph.contains("federation__"), "{supergraph}");
    let folder = folder.with("juga.yaml", "supergraph: { file: supergraph.graphql }\n");
    let answer = folder.juga(&["config", "validate"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    for place in ["Subscription.dealChanged: @authenticated", "Deal: @policy"] {
        assert!(answer.stderr.contains(&format!("UNPROTECTED: {place} is not enforced")), "{answer:?}");
    }
}

fn execution_config(sdl: &str, field: &serde_json::Value) -> serde_json::Value {
    json!({
        "engineConfig": {
            "graphqlSchema": "type Query { open: Int secret: Int }",
            "fieldConfigurations": [field],
            "datasourceConfigurations": [{
                "kind": "GRAPHQL",
                "id": "0",
                "customGraphql": {
                    "fetch": { "url": { "staticVariableContent": "http://127.0.0.1:9/" } },
                    "federation": { "serviceSdl": sdl },
                },
            }],
        },
        "subgraphs": [{ "id": "0", "name": "deals", "routingUrl": "http://127.0.0.1:9/" }],
    })
}

#[test]
fn an_execution_config_that_says_so_is_not_served() {
    let served = |name: &str, config: &serde_json::Value| {
        let yaml = "execution_config: { file: { path: config.json } }\n";
        Folder::new(name).with("config.json", &config.to_string()).with("juga.yaml", yaml)
    };
    let open = "type Query { open: Int secret: Int }";
    let guarded = linked("\"@authenticated\"", "type Query { open: Int secret: Int @authenticated }");
    let field = |more: serde_json::Value| json!({ "typeName": "Query", "fieldName": "secret", "authorizationConfiguration": more });
    let plain = field(json!({}));
    is_refused(
        served("unprotected-config", &execution_config(&guarded, &plain)),
        &["Query.secret: @authenticated"],
    );
    for (case, more) in [
        ("authenticated", json!({ "requiresAuthentication": true })),
        ("scopes", json!({ "requiredOrScopes": [{ "requiredAndScopes": ["a"] }] })),
    ] {
        let config = execution_config(open, &field(more));
        is_refused(
            served(&format!("unprotected-config-{case}"), &config),
            &["Query.secret: the execution config asks for authorization"],
        );
    }
    let mut flagged = execution_config(open, &plain);
    flagged["featureFlagConfigs"] =
        json!({ "configByFeatureFlagName": { "night": execution_config(&guarded, &plain) } });
    is_refused(
        served("unprotected-config-flag", &flagged),
        &["Query.secret: feature flag \"night\": @authenticated is not enforced"],
    );
}

/// Fields that a supergraph hides by another name would be shown.
#[test]
fn a_supergraph_that_hides_by_another_name_is_refused() {
    let sdl = linked("\"@inaccessible\"", "type Query { open: Int hidden: Int @inaccessible }");
    let folder = of_subgraph("hidden-by-another-name", &sdl);
    let composed = folder.juga(&["compose"]).stdout;
    let link = "@link(url: \"https://specs.apollo.dev/inaccessible/v0.2\", for: SECURITY)";
    assert!(composed.contains(link), "{composed}");
    let renamed = composed
        .replace(link, &link.replace(", for", ", as: \"hide\", for"))
        .replace("Int @inaccessible", "Int @hide")
        .replace("directive @inaccessible", "directive @hide");
    let folder = folder
        .with("supergraph.graphql", &renamed)
        .with("juga.yaml", "supergraph: { file: supergraph.graphql }\n");
    let answer = folder.juga(&["config", "validate"]);
    assert_eq!(answer.code, Some(1), "{answer:?}");
    assert!(answer.stderr.contains("Query.hidden: @hide is @inaccessible by another name"), "{answer:?}");
}

/// Who wants it all the same is reminded at every start.
#[test]
fn it_is_served_where_the_configuration_says_so_with_a_warning() {
    let sdl = linked("\"@authenticated\"", "type Query { secret: Int @authenticated }");
    let deals = Demo::start().employees;
    deals.behave(Behaviour::Raw(json!({ "data": { "secret": 7 } }).to_string()));
    let file = write_config(&format!(
        "listen_addr: 127.0.0.1:0\nadmin: {{ listen_addr: '127.0.0.1:0' }}\n\
         supergraph: {{ subgraphs: [{{ name: deals, routing_url: '{}', schema: {{ file: deals.graphql }} }}] }}\n\
         authorization: {{ serve_unprotected: true }}\n",
        deals.url()
    ));
    std::fs::write(file.with_file_name("deals.graphql"), sdl).expect("a file");
    let router = Router::start_under(&[], &file);
    assert_eq!(router.post(&json!({ "query": "{ secret }" })).1, json!({ "data": { "secret": 7 } }));
    let warned = router.log().iter().any(|it| it.contains("WARN") && it.contains("UNPROTECTED"));
    assert!(warned, "{:#?}", router.log());
}
