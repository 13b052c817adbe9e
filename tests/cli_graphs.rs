//! `juga compose` and `juga plan`, run as one runs them: files, servers that tell their schema, exit codes.
#![expect(clippy::disallowed_methods, reason = "a download ends in time on the real clock")]

mod support;

use serde_json::Value;
use std::time::{Duration, Instant};
use support::{
    Demo,
    cli::Folder,
    fixture,
    subgraph::{Subgraph, demo},
    texts::Texts,
};

fn demo_sdl(name: &str) -> String {
    std::fs::read_to_string(fixture(&format!("demo/{name}.graphql"))).expect("the demo's schema")
}

/// The demo's files in one folder.
fn folder(name: &str) -> Folder {
    ["employees", "products", "events"]
        .into_iter()
        .fold(Folder::new(name), |folder, name| folder.with(&format!("{name}.graphql"), &demo_sdl(name)))
}

const OWN: &str = "\
supergraph:
  subgraphs:
    - { name: employees, routing_url: 'http://e/graphql', schema: { file: employees.graphql } }
    - { name: products, routing_url: 'http://p/graphql', schema: { file: products.graphql } }
  event_graphs: [events.graphql]
";
const BY_NAME: &str = "\
federation_version: =2.5.0
subgraphs:
  employees: { routing_url: 'http://e/graphql', schema: { file: employees.graphql } }
  products: { routing_url: 'http://p/graphql', schema: { file: products.graphql } }
  events: { schema: { file: events.graphql } }
";
const AS_LIST: &str = "\
version: 1
subgraphs:
  - name: employees
    routing_url: http://e/graphql
    schema: { file: employees.graphql }
    subscription: { protocol: ws, url: 'http://e/graphql' }
  - name: products
    routing_url: http://p/graphql
    schema: { file: products.graphql }
  - name: events
    schema: { file: events.graphql }
";

#[test]
fn every_form_composes_to_the_same_supergraph() {
    let folder = folder("compose").with("own.yaml", OWN).with("map.yaml", BY_NAME).with("list.yaml", AS_LIST);
    let own = folder.juga(&["compose", "-c", "own.yaml"]);
    assert_eq!((own.code, own.stderr.as_str()), (Some(0), LACKS_EVENTS));
    assert!(own.stdout.contains("join__Graph") && own.stdout.contains("employeeUpdated(employeeID: Int!)"));
    for file in ["map.yaml", "list.yaml"] {
        let answer = folder.juga(&["compose", "-c", file, "-o", "-"]);
        assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), LACKS_EVENTS), "{file}");
        assert!(answer.stdout == own.stdout, "{file}: {}", answer.stdout);
    }
    let written = folder.juga(&["compose", "--config", "map.yaml", "--output", "supergraph.graphql"]);
    assert_eq!((written.code, written.stdout.as_str(), written.stderr.as_str()), (Some(0), "", LACKS_EVENTS));
    assert!(folder.text("supergraph.graphql") == own.stdout);

    // What was written is a supergraph that can be served, with its event graph beside it.
    let served = folder
        .with("alone.yaml", "supergraph: { file: supergraph.graphql }\n")
        .with("served.yaml", "supergraph: { file: supergraph.graphql, event_graphs: [events.graphql] }\n");
    let answer = served.juga(&["config", "validate", "served.yaml"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""), "{answer:?}");

    // Without it, nothing would answer its fields: a check says so as a start does.
    let words =
        "subgraph events has no address: if it is an event graph, name its file in `supergraph.event_graphs`";
    let checked = served.juga(&["config", "validate", "alone.yaml"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stderr.starts_with(words), "{checked:?}");
    let started = served.juga(&["-c", "alone.yaml"]);
    assert_eq!(started.code, Some(78), "{started:?}");
    assert!(started.stdout.contains(words), "{started:?}");
}

/// What a composed supergraph cannot say, as one is told when it is written.
const LACKS_EVENTS: &str = "\
note: not in what was written: where the fields of the event graphs `events` get their events from. Serve it with their \
files in `supergraph.event_graphs`, and their brokers under `events.providers`
";

/// Cosmo's execution config, named in the file or by the variable that Cosmo's users set.
#[test]
fn an_execution_config_composes_to_what_its_files_do() {
    let folder = Folder::new("execution-config");
    let config = fixture("cosmo/config.json");
    let files = folder.juga(&["compose", "-c", fixture("cosmo/graphs.yaml").to_str().expect("UTF-8")]);
    assert_eq!(files.code, Some(0), "{files:?}");
    let config = config.to_str().expect("UTF-8");
    let folder = folder
        .with(
            "path.yaml",
            &format!(
                "execution_config: {{ file: {{ path: '{config}' }} }}\nsupergraph: {{ lenient: true }}\n"
            ),
        )
        .with("variable.yaml", "supergraph: { lenient: true }\n");
    let by_path = folder.juga(&["compose", "-c", "path.yaml"]);
    assert!(by_path.stdout == files.stdout, "{by_path:?}");
    assert!(by_path.stderr.contains("note: { slices { bottom } } is out of reach"), "{by_path:?}");
    for variable in ["ROUTER_CONFIG_PATH", "EXECUTION_CONFIG_FILE_PATH"] {
        let answer = folder.juga_with(&["compose", "-c", "variable.yaml"], &[(variable, config)]);
        assert!(answer.stdout == files.stdout, "{variable}: {answer:?}");
    }
    let night = folder.juga(&[
        "plan",
        "-c",
        "path.yaml",
        "--feature-flag",
        "night-shift",
        "{ ship(id: 1) { nightWatch } }",
    ]);
    assert_eq!(night.code, Some(0), "{night:?}");
    assert!(night.stdout.contains("nightWatch"), "{night:?}");
}

#[test]
fn what_does_not_compose_is_a_finding_with_its_place() {
    let folder = folder("compose-findings")
        .with("bad.graphql", "type Query {\n  a: Nope\n}")
        .with("bad.yaml", "subgraphs:\n  bad: { routing_url: 'http://b', schema: { file: bad.graphql } }\n")
        .with(
            "nowhere.yaml",
            "subgraphs:\n  a: { routing_url: 'http://b', schema: { file: none.graphql } }\n",
        )
        .with("no_url.yaml", "subgraphs:\n  employees: { schema: { file: employees.graphql } }\n")
        .with("typo.yaml", "subgraphs:\n  a: { routing_ur: 'http://b', schema: { file: x } }\n")
        .with(
            "two.yaml",
            "subgraphs:\n  a: { routing_url: 'http://b', schema: { file: x, subgraph_url: 'http://b' } }\n",
        )
        .with("empty.yaml", "");
    for (file, message) in [
        ("bad.yaml", "bad.graphql:2:6: INVALID_GRAPHQL: graph \"bad\": Unknown type Nope"),
        ("nowhere.yaml", "none.graphql: No such file"),
        ("no_url.yaml", "subgraph \"employees\" has no `routing_url`"),
        ("typo.yaml", "did you mean `routing_url`?"),
        ("two.yaml", "two.yaml:2:6: subgraphs[0]: the schema comes from one place"),
        ("empty.yaml", "there is nothing to compose"),
        ("missing.yaml", "missing.yaml: cannot be read"),
    ] {
        let answer = folder.juga(&["compose", "-c", file]);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(1), ""), "{file}: {answer:?}");
        assert!(answer.stderr.contains(message), "{file}: {answer:?}");
    }
    assert_eq!(folder.juga(&["compose", "--colour"]).code, Some(2));
    let folder = folder.with("good.yaml", BY_NAME);
    let answer = folder.juga(&["compose", "-c", "good.yaml", "-o", "no/such/folder/x"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.stderr.contains("no/such/folder/x: cannot be written"), "{answer:?}");
}

#[test]
fn subgraphs_are_asked_for_their_schema() {
    let demo = Demo::start();
    let (employees, products) = (demo.employees.url(), demo.products.url());
    let folder = folder("introspect")
        .with("files.yaml", &BY_NAME.replace("http://e/graphql", &employees).replace("http://p/graphql", &products))
        .with(
            "asked.yaml",
            &format!(
                "subgraphs:\n  employees: {{ schema: {{ subgraph_url: '{employees}' }} }}\n  products: {{ \
                 routing_url: '{products}', schema: {{ subgraph_url: '{products}' }} }}\nevent_graphs: [events.graphql]\n"
            ),
        );
    let asked = folder.juga(&["compose", "-c", "asked.yaml"]);
    assert_eq!((asked.code, asked.stderr.as_str()), (Some(0), LACKS_EVENTS));
    assert!(asked.stdout == folder.juga(&["compose", "-c", "files.yaml"]).stdout);
    assert_eq!(demo.employees.request_count(), 1);
    assert_eq!(demo.employees.requests()[0].query(), "{ _service { sdl } }");
}

#[test]
fn a_supergraph_is_fetched_from_a_url() {
    let folder = folder("url").with("map.yaml", BY_NAME);
    let sdl = folder.juga(&["compose", "-c", "map.yaml"]).stdout;
    let server = Texts::start(200, Some(&sdl));
    let url = server.url().replace("http://", "http://user:secret@");
    let folder =
        folder.with("own.yaml", &format!("supergraph: {{ url: '{url}', event_graphs: [events.graphql] }}\n"));
    let answer = folder.juga(&["compose", "-c", "own.yaml"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), LACKS_EVENTS));
    assert!(answer.stdout.trim() == sdl.trim());
    assert!(server.requests()[0].starts_with("GET /text HTTP/1.1"), "{:?}", server.requests());
}

/// Servers that misbehave cost a bounded time and one sentence, for `serve` as for `compose`.
#[test]
fn downloads_that_fail_say_why_and_end() {
    let silent = Texts::start(200, None);
    let huge = Texts::start(200, Some(&"#".repeat(33 << 20)));
    let gone = Texts::start(404, Some("no"));
    let other = Texts::start(200, Some("{\"errors\":[{\"message\":\"who are you?\"}]}"));
    let dead = { Subgraph::start(demo::employees(&demo_sdl("employees"))).url() };
    for (name, key, url, message) in [
        ("silent", "url", silent.url(), "no answer within 300ms"),
        ("huge", "url", huge.url(), "it is larger than 33554432 bytes"),
        ("gone", "url", gone.url(), "HTTP status 404"),
        ("dead", "url", dead.clone(), "no connection: "),
        ("other", "subgraph", other.url(), "the answer has no `_service.sdl`: who are you?"),
        ("silent", "subgraph", silent.url(), "no answer within 300ms"),
        ("dead", "subgraph", dead, "no connection: "),
    ] {
        let source = match key {
            "url" => format!("url: '{url}'"),
            _ => format!(
                "subgraphs: [{{ name: s, routing_url: '{url}', schema: {{ subgraph_url: '{url}' }} }}]"
            ),
        };
        let timeout = if name == "silent" { "300ms" } else { "20s" };
        let folder = Folder::new(&format!("download-{name}-{key}"))
            .with("juga.yaml", &format!("supergraph: {{ {source}, fetch_timeout: {timeout} }}\n"));
        let started = Instant::now();
        let answer = folder.juga(&["compose"]);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.stderr.contains(message), "{name}: {answer:?}");
        assert!(answer.stderr.contains(&url), "{name}: {answer:?}");
        assert!(started.elapsed() < Duration::from_secs(15), "{name}");
        let served = folder.juga(&["serve", "-c", "juga.yaml"]);
        assert_eq!(served.code, Some(78), "{served:?}");
    }
}

#[test]
fn a_query_plan_in_words() {
    let folder = folder("plan").with("juga.yaml", OWN);
    let answer = folder.juga(&[
        "plan",
        "query Q($id: Int!) { employee(id: $id) { details { forename } notes } }",
        "--variables",
        "{\"id\":1}",
    ]);
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines[..3], ["Query", "  name: Q", "  variables: id"], "{}", answer.stdout);
    assert_eq!(lines[3], "  Sequence");
    assert_eq!(lines[4..6], ["    Fetch", "      subgraph: employees"]);
    assert!(lines[6].starts_with("      document: query($id:Int!){employee"), "{}", answer.stdout);
    let entities = lines.iter().position(|it| it.trim() == "Entities").expect("an entity fetch");
    assert_eq!(lines[entities + 1].trim(), "subgraph: products");
    assert!(answer.stdout.contains("requires: { ... on Employee { id } }"), "{}", answer.stdout);

    let json = folder.juga(&["plan", "--json", "{ employee(id: 1) { id } }"]);
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(json["kind"], "Query");
    assert_eq!(json["parts"][0]["kind"], "Fetch");
    assert_eq!(json["parts"][0]["subgraph"], "employees");
}

#[test]
fn a_subscription_is_planned_with_its_feed_and_group() {
    let folder = folder("plan-feed").with("juga.yaml", OWN).with(
        "s.graphql",
        "subscription A { othersUpdated { id } }\n\
         subscription B($in: EmployeeChoice!) { chosenUpdated(input: $in) { id notes } }\n\
         subscription C($id: Int!) { employeeUpdatedStream(id: $id) { id } }",
    );
    let plan = |operation: &str, variables: &str| {
        let answer =
            folder.juga(&["plan", "--json", "-o", operation, "--variables", variables, "@s.graphql"]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        serde_json::from_str::<Value>(&answer.stdout).expect("JSON")
    };
    let others = plan("A", "{}");
    let (feed, group) = (&others["parts"][0], &others["parts"][1]);
    assert_eq!(feed["kind"], "Feed");
    assert_eq!((&feed["broker"], &feed["provider"]), (&"nats".into(), &"default".into()));
    assert_eq!(feed["destinations"][0], "employees.updated");
    assert_eq!(feed["rule"]["NOT"]["IN"]["values"], serde_json::json!([1, 3, 4, 7, 11]));
    assert_eq!(group["destinations"][0], "employees.updated");

    let chosen = plan("B", "{\"in\":{\"ids\":[\"5\",\"6\"]}}");
    let parts = chosen["parts"].as_array().expect("parts");
    assert_eq!(parts[0]["rule"]["OR"][0]["IN"]["values"][0], "{{ args.input.ids }}");
    let group = parts.iter().find(|it| it["kind"] == "Group").expect("a group");
    assert_eq!(group["rule"]["OR"][0]["IN"]["values"], serde_json::json!(["5", "6"]));
    assert_eq!(group["rule"]["OR"][1]["IN"]["values"], serde_json::json!(["1"]));
    let fetch = parts.iter().find(|it| it["kind"] == "Entities").expect("a fetch");
    assert_eq!(fetch["path"], "chosenUpdated");

    let stream = plan("C", "{\"id\":7}");
    assert_eq!(stream["parts"][0]["stream"]["streamName"], "employees");
    assert_eq!(stream["parts"][0]["destinations"][0], "employeeStream.{{ args.id }}");
    assert_eq!(stream["parts"][1]["destinations"][0], "employeeStream.7");
}

#[test]
fn what_cannot_be_planned_is_a_finding() {
    let folder = folder("plan-findings").with("juga.yaml", OWN);
    for (arguments, code, message) in [
        (&["plan", "{ nope }"][..], 1, "1:3: GRAPHQL_VALIDATION_FAILED: "),
        (&["plan", "{"], 1, "GRAPHQL_PARSE_FAILED: "),
        (&["plan", "query($id: Int!) { employee(id: $id) { id } }"], 1, "$id"),
        (&["plan", "{ __typename }", "--variables", "[]"], 1, "Variables must be provided as an Object"),
        (&["plan", "-c", "nowhere.yaml", "{ a }"], 1, "nowhere.yaml: cannot be read"),
        (&["plan", "@nowhere.graphql"], 2, "nowhere.graphql: cannot be read"),
        (&["plan"], 2, "--help"),
        (&["plan", "--feature-flag", "x", "{ __typename }"], 1, "there is no feature flag \"x\""),
    ] {
        let answer = folder.juga(arguments);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(code), ""), "{arguments:?}: {answer:?}");
        assert!(answer.stderr.contains(message), "{arguments:?}: {answer:?}");
    }
}

/// A root type below a field is a shape of its own, and who has it in a schema cannot know why it does not compose.
#[test]
fn a_root_type_below_a_field_is_told_as_not_supported() {
    for (name, sdl, field) in [
        ("payload", "type Query { a: Int } type Mutation { do: Done } type Done { query: Query }", "Query.b"),
        ("self", "type Query { a: Int self: Query }", "Query.b"),
        (
            "mutation",
            "type Query { a: X } type X { write: Mutation } type Mutation { do: Int }",
            "Mutation.other",
        ),
    ] {
        let folder = Folder::new(&format!("root-below-{name}"))
            .with("a.graphql", sdl)
            .with("b.graphql", "type Query { b: Int } type Mutation { other: Int }")
            .with(
                "juga.yaml",
                "supergraph:\n  subgraphs:\n  - { name: a, routing_url: 'http://a', schema: { file: a.graphql } }\n  \
                 - { name: b, routing_url: 'http://b', schema: { file: b.graphql } }\n",
            );
        let answer = folder.juga(&["config", "validate"]);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        let words = format!(
            "{field} is asked for below a field that leads back to a root type, which is not supported yet"
        );
        assert!(answer.stderr.contains(&words), "{answer:?}");
    }
}
