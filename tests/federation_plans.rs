//! From SDL and operation text to plans, over the demo's graphs.

use juga::{
    federation::{EventGraphSource, Graphs, Limits, Schema, SubgraphSource, SupergraphSource},
    graphql::Variables,
    plan::{
        BoundOperation, Feed, FeedField, FieldSource, GroupSpec, InputValue, Operation, OperationKind,
        PathSegment, RequiresItem, Step, SubgraphRequest, ValueType,
    },
};
use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

fn fixture(name: &str) -> String {
    let path = PathBuf::from("tests/fixtures/demo").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn subgraph(name: &str) -> SubgraphSource {
    SubgraphSource {
        name: name.into(),
        routing_url: format!("http://127.0.0.1:4001/{name}"),
        sdl: fixture(&format!("{name}.graphql")),
        file: None,
        subscription: None,
    }
}

fn demo() -> Graphs {
    Graphs {
        subgraphs: vec![subgraph("employees"), subgraph("products")],
        supergraph: None,
        event_graphs: vec![EventGraphSource {
            name: "events".into(),
            sdl: fixture("events.graphql"),
            file: None,
        }],
        ..Graphs::default()
    }
}

fn load(graphs: &Graphs) -> Schema {
    Schema::load(graphs).unwrap_or_else(|errors| panic!("{errors}"))
}

fn plan(schema: &Schema, text: &str) -> Operation {
    let document = schema.parse(text, None, &Limits::default()).unwrap_or_else(|it| panic!("{text}: {it:?}"));
    schema.plan(&document, &Variables::new()).unwrap_or_else(|it| panic!("{text}: {it:?}"))
}

/// A plan in short: `[a | b]` at the same time, `(a > b)` one after the other.
fn brief(schema: &Schema, step: &Step) -> String {
    let all = |steps: &[Step], between: &str| {
        steps.iter().map(|it| brief(schema, it)).collect::<Vec<_>>().join(between)
    };
    let fetch = |request: &SubgraphRequest| {
        let name = &schema.subgraphs()[usize::from(request.subgraph.0)].name;
        let document = request.document.trim_start_matches("query").trim_start_matches("mutation");
        let entities = "($representations:[_Any!]!){_entities(representations: $representations)";
        match document.strip_prefix(entities) {
            Some(selection) => format!("{name}{}", &selection[..selection.len() - 1]),
            None => format!("{name}{document}"),
        }
    };
    match step {
        Step::Sequence(steps) => format!("({})", all(steps, " > ")),
        Step::Parallel(steps) => format!("[{}]", all(steps, " | ")),
        Step::Condition { variable, .. } => format!("if ${variable}"),
        Step::Fetch(it) => fetch(&it.request),
        Step::Entities(it) => fetch(&it.request),
        Step::Batch(it) => fetch(&it.request),
        Step::Broker(call) => format!("{:?} {} at {}", call.operation, call.field, call.key),
    }
}

/// What an operation does, in a line for each step.
fn steps(schema: &Schema, text: &str) -> String {
    plan(schema, text).plan.steps.as_ref().map(|it| brief(schema, it)).unwrap_or_default()
}

#[test]
fn the_demo_loads_with_every_form_of_event_field() {
    let schema = load(&demo());
    let names: Vec<_> = schema.subgraphs().iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["employees", "products"]);
    assert_eq!(schema.event_fields().len(), 22);
    let providers: BTreeSet<_> =
        schema.event_fields().iter().map(|it| (it.kind as u8, &*it.provider)).collect();
    assert_eq!(providers.len(), 4);
    assert!(schema.supergraph_sdl().contains("employeeUpdated(employeeID: Int!): Employee!"));
    assert!(!schema.supergraph_sdl().contains("natsSubscribe"));
    let shared: fn(&Schema) -> &(dyn Send + Sync) = |it| it;
    shared(&schema);
}

#[test]
fn an_event_is_enriched_from_both_subgraphs_at_once() {
    let schema = load(&demo());
    let text = "subscription S($e: Int!) { up: employeeUpdated(employeeID: $e) { eid: id details { forename } n: notes } }";
    let operation = plan(&schema, text);
    let step = operation.plan.steps.as_ref().expect("fetches");
    assert_eq!(
        brief(&schema, step),
        "[products{...on Employee{notes}} | employees{...on Employee{details{forename}}}]"
    );
    let Step::Parallel(fetches) = step else { panic!("{step:?}") };
    for fetch in fetches {
        let Step::Entities(fetch) = fetch else { panic!("{fetch:?}") };
        let Some(FeedField::Event(feed)) = &operation.plan.feed else { panic!("an event subscription") };
        assert_eq!(fetch.path, [PathSegment::Key(feed.key.clone())]);
        let [RequiresItem::On { types, selection }] = &fetch.requires[..] else { panic!("{fetch:?}") };
        assert!(types.contains("Employee"));
        assert!(matches!(&selection[..], [RequiresItem::Field { name, .. }] if &**name == "id"));
    }
    let Some(FeedField::Event(feed)) = &operation.plan.feed else { panic!("an event subscription") };
    assert_eq!(&*feed.field, "employeeUpdated");
    assert_eq!(&*feed.key, "employeeUpdated", "its arguments show in the feed, not in its key");
    assert_eq!(feed.arguments, [("employeeID".into(), InputValue::Variable("e".into()))]);
    assert_eq!(feed.possible.only().map(|it| &**it), Some("Employee"));
    assert!(!feed.is_abstract);
    assert_eq!(names(&operation.plan.variables_used), [""; 0], "what it comes to is in the feed");
    assert_eq!(operation.projection.root.fields.len(), 1);
    assert_eq!(&*operation.projection.root.fields[0].key, "up");
}

#[test]
fn operations_that_differ_in_names_only_share_their_canonical_text() {
    let schema = load(&demo());
    let plain = plan(&schema, "subscription { employeeUpdated(employeeID: 3) { id notes } }");
    let aliased = plan(
        &schema,
        "subscription Other { x: employeeUpdated(employeeID: 3) { ...F a: id } } fragment F on Employee { y: notes id }",
    );
    let other = plan(&schema, "subscription { employeeUpdated(employeeID: 4) { id notes } }");
    assert_eq!(plain.canonical, aliased.canonical);
    assert_ne!(plain.projection.shape, aliased.projection.shape);
    assert_eq!(plain.canonical, other.canonical, "the feed tells them apart");
    let key = |it: Operation| {
        let bound = BoundOperation {
            operation: Arc::new(it),
            variables: Variables::new(),
            forwarded: Default::default(),
            trace: None,
        };
        GroupSpec::render(bound).expect("a destination").key
    };
    assert_ne!(
        key(plan(&schema, "subscription { employeeUpdated(employeeID: 3) { id notes } }")),
        key(other)
    );
    let again = plan(&load(&demo()), "subscription { employeeUpdated(employeeID: 3) { id notes } }");
    assert_eq!(plain.canonical, again.canonical, "an equal schema plans equally");
}

#[test]
fn plans_of_all_kinds() {
    let schema = load(&demo());
    let cases = [
        ("subscription { employeeUpdated(employeeID: 3) { id } }", ""),
        ("subscription { employeeUpdated(employeeID: 3) { __typename } }", ""),
        (
            "subscription { catalogueChanged { __typename ... on Product { id weight } ... on Service { id hourlyRate } } }",
            "products{...on Product{weight} ...on Service{hourlyRate}}",
        ),
        (
            "subscription { offersChanged { id name ... on Product { weight } } }",
            "products{...on Product{name weight} ...on Service{name}}",
        ),
        (
            "subscription { employeeUpdated(employeeID: 3) { seniority } }",
            "(employees{...on Employee{startYear}} > products{...on Employee{seniority}})",
        ),
        (
            "{ employee(id: 1) { id: startYear notes } }",
            "(employees{employee_#: employee(id: 1){__typename id startYear}} > products{...on Employee{notes}})",
        ),
        (
            "{ employee(id: 1) { a: seniority(unit: MONTHS) b: seniority } }",
            "(employees{employee_#: employee(id: 1){__typename id startYear}} > products{...on Employee{seniority_#: seniority(unit: MONTHS) seniority}})",
        ),
        (
            "{ team { ... on Employee { id notes } ... on Robot { serial firmware } } }",
            "(employees{team{__typename ...on Employee{__typename id} ...on Robot{__typename serial}}} > products{...on Employee{notes} ...on Robot{firmware}})",
        ),
        ("{ offers { id } }", "products{offers{__typename id}}"),
        ("{ lead { nickname } }", "employees{lead{__typename ...on Employee{nickname}}}"),
        ("{ employee(id: 1) @skip(if: true) { id } }", ""),
        ("{ employee(id: 1) { id @skip(if: true) } }", "employees{employee_#: employee(id: 1){__typename}}"),
        ("{ __typename }", ""),
        (
            "{ employeeFromEvent(id: 3) { id details { surname } } }",
            "(Request employeeFromEvent at employeeFromEvent_# > employees{...on Employee{details{surname}}})",
        ),
        (
            "mutation { updateEmployee(id: 3, update: {name: \"x\"}) { success } }",
            "Publish updateEmployee at updateEmployee",
        ),
        (
            "mutation { a: updateEmployee(id: 3, update: {}) { success } renameEmployee(id: 1, forename: \"y\") { id notes } b: updateEmployee(id: 3, update: {}) { success } addNote(employeeID: 1, text: \"t\") { id } }",
            "(Publish updateEmployee at a > (employees{renameEmployee(forename: \"y\", id: 1){__typename id}} > products{...on Employee{notes}}) > Publish updateEmployee at b > products{addNote(employeeID: 1, text: \"t\"){id}})",
        ),
        (
            "mutation { a: addNote(employeeID: 1, text: \"t\") { id } b: addNote(employeeID: 1, text: \"t\") { id } }",
            "(products{a: addNote(employeeID: 1, text: \"t\"){id}} > products{b: addNote(employeeID: 1, text: \"t\"){id}})",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(without_hashes(&steps(&schema, text)), expected, "{text}");
    }
}

#[test]
fn entities_of_two_places_are_fetched_in_one_request() {
    let schema = load(&demo());
    let operation = plan(&schema, "{ employees { id notes } team { ... on Employee { id notes } } }");
    let Some(Step::Sequence(steps)) = &operation.plan.steps else { panic!("{:?}", operation.plan.steps) };
    let Step::Batch(batch) = &steps[1] else { panic!("{steps:?}") };
    let [alias] = &batch.aliases[..] else { panic!("{batch:?}") };
    assert!(batch.request.document.contains(&format!("{}: _entities", alias.alias)));
    let (employees, team) = (PathSegment::Key("employees".into()), PathSegment::Key("team".into()));
    let [a, b] = &alias.paths[..] else { panic!("{alias:?}") };
    let (plain, typed) = if a[0] == employees { (a, b) } else { (b, a) };
    assert_eq!(plain[..], [employees, PathSegment::List]);
    assert_eq!(typed[..2], [team, PathSegment::List]);
    assert!(matches!(&typed[2..], [PathSegment::Types(it)] if it.contains("Employee")), "{typed:?}");
}

#[test]
fn equal_schemas_plan_equally() {
    let texts = [
        "{ employees { id notes seniority } team { ... on Employee { id notes } ... on Robot { firmware } } lead { nickname } }",
        "subscription { offersChanged { id name ... on Product { weight owner { id role { title } } } } }",
        "subscription { catalogueChanged { ... on Product { id weight } ... on Service { id hourlyRate } } }",
        "{ employeeFromEvent(id: 1) { notes } products { owner { details { forename } seniority } } }",
    ];
    let canonical = |schema: &Schema| texts.map(|it| plan(schema, it).canonical);
    let first = canonical(&load(&demo()));
    for _ in 0..20 {
        assert_eq!(canonical(&load(&demo())), first);
    }
}

#[test]
fn interface_objects_are_not_asked_for_their_type() {
    let link = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.5\", import: [\"@key\", \"@interfaceObject\"])";
    let source = |name: &str, text: &str| SubgraphSource {
        name: name.into(),
        sdl: format!("{link} {text}"),
        ..SubgraphSource::default()
    };
    let schema = load(&Graphs {
        subgraphs: vec![
            source(
                "a",
                "type Query { m: M } interface M @key(fields: \"id\") { id: ID! } type A implements M @key(fields: \"id\") { id: ID! }",
            ),
            source(
                "b",
                "type Query { rated: [M!]! } type M @key(fields: \"id\") @interfaceObject { id: ID! rating: Int }",
            ),
        ],
        ..Graphs::default()
    });
    assert_eq!(steps(&schema, "{ rated { rating } }"), "b{rated{rating}}");
}

#[test]
fn event_graphs_with_links_of_their_own_go_together() {
    let one = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.3\", import: [\"@key\", \"@external\"]) \
        type edfs__PublishResult { success: Boolean! } \
        type Mutation { one: edfs__PublishResult! @edfs__natsPublish(subject: \"one\") } \
        type Subscription { ones: Employee! @edfs__natsSubscribe(subjects: [\"one\"]) } \
        type Employee @key(fields: \"id\", resolvable: false) { id: Int! @external }";
    let two = "type Mutation { two: edfs__PublishResult! @edfs__kafkaPublish(topic: \"two\") }";
    let graph = |name: &str, sdl: &str| EventGraphSource { name: name.into(), sdl: sdl.into(), file: None };
    let graphs = Graphs { event_graphs: vec![graph("one", one), graph("two", two)], ..demo() };
    let text = "mutation { two { success } one { success } }";
    assert_eq!(steps(&load(&graphs), text), "(Publish two at two > Publish one at one)");
    let subgraphs = load(&Graphs { event_graphs: Vec::new(), ..demo() });
    let beside = Graphs { event_graphs: graphs.event_graphs, ..beside(subgraphs.supergraph_sdl()) };
    assert_eq!(steps(&load(&beside), text), "(Publish two at two > Publish one at one)");
}

#[test]
fn what_does_not_fit_onto_a_supergraph_is_named() {
    let composed = load(&demo());
    let subgraphs = load(&Graphs { event_graphs: Vec::new(), ..demo() });
    let events = |field: &str, types: &str| {
        format!("type Subscription {{ {field} @edfs__natsSubscribe(subjects: [\"a\"]) }} {types}")
    };
    let employee = "type Employee @key(fields: \"id\", resolvable: false) { id: Int! @external }";
    for (supergraph, sdl, rule, at) in [
        (
            subgraphs.supergraph_sdl(),
            events("a: Nobody!", &employee.replace("Employee", "Nobody")),
            "GRAFT_KEYS",
            "Nobody",
        ),
        (
            subgraphs.supergraph_sdl(),
            events("a: Employee!", &employee.replace("Int!", "ID!")),
            "GRAFT_KEYS",
            "Employee.id",
        ),
        (
            subgraphs.supergraph_sdl(),
            events(
                "a(filter: TeammateFilter): Employee!",
                &format!("{employee} input TeammateFilter {{ planet: String }}"),
            ),
            "GRAFT_TYPE",
            "TeammateFilter.planet",
        ),
        (
            composed.supergraph_sdl(),
            events("employeeUpdates: Employee!", employee),
            "GRAFT_MIXED_GRAPH",
            "Query.employeeFromEvent",
        ),
    ] {
        let event_graphs =
            vec![EventGraphSource { name: "more".into(), sdl, file: Some("more.graphql".into()) }];
        let error = Schema::load(&Graphs { event_graphs, ..beside(supergraph) }).expect_err(at);
        assert_eq!((error.0[0].rule.as_str(), error.0[0].coordinate.as_deref()), (rule, Some(at)), "{error}");
    }
}

#[test]
fn fields_with_different_arguments_under_different_types_plan() {
    let sdl = |text: &str| {
        format!(
            "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.5\", import: [\"@key\"]) {text}"
        )
    };
    let source = |name: &str, text: &str| SubgraphSource {
        name: name.into(),
        routing_url: String::new(),
        sdl: sdl(text),
        file: None,
        subscription: None,
    };
    let schema = load(&Graphs {
        subgraphs: vec![
            source(
                "a",
                "type Query { shops: [Shop!]! } union Shop = Wet | Dry type Wet { photo: Photo } type Dry { photo: Photo } type Photo @key(fields: \"id\") { id: ID! }",
            ),
            source("b", "type Photo @key(fields: \"id\") { id: ID! thumbnail(width: Int): String }"),
        ],
        ..Graphs::default()
    });
    let text = "{ shops { ... on Wet { photo { thumbnail(width: 1) } } ... on Dry { photo { thumbnail(width: 2) } } } }";
    assert!(steps(&schema, text).contains("thumbnail(width: 2)"));
}

#[test]
fn arguments_keep_the_clients_order_and_get_defaults_for_feeds_only() {
    let schema = load(&demo());
    let text = "mutation($n: String) { updateEmployee(update: {name: $n, email: \"e\"}, id: 9007199254740993) { success } }";
    assert!(schema.parse(text, None, &Limits::default()).is_err(), "Int is of 32 bits");
    let text = "mutation($n: String) { updateEmployee(update: {name: $n, email: \"e\"}, id: 3) { success } }";
    let operation = plan(&schema, text);
    let Some(Step::Broker(call)) = &operation.plan.steps else { panic!("a broker call") };
    let mut variables = Variables::new();
    assert_eq!(&call.payload(&variables)[..], br#"{"update":{"email":"e"},"id":3}"#);
    variables.set("n".into(), "\"x\"".into());
    assert_eq!(&call.payload(&variables)[..], br#"{"update":{"name":"x","email":"e"},"id":3}"#);
    assert_eq!(&*call.destination(&variables).expect("destination"), "employeeUpdated.3");
}

#[test]
fn an_absent_variable_leaves_the_default_of_a_feeds_argument() {
    let events = "type Subscription { a(kind: Kind = {name: NEW}, unused: Int): Employee! \
        @edfs__natsSubscribe(subjects: [\"a.{{ args.kind.name }}.{{ args.kind.part }}\"]) } \
        enum Name { NEW OLD } input Kind { name: Name = OLD part: Int = 7 } \
        type Employee @key(fields: \"id\", resolvable: false) { id: Int! @external }";
    let event_graphs = vec![EventGraphSource { name: "events".into(), sdl: events.into(), file: None }];
    let schema = load(&Graphs { event_graphs, ..demo() });
    let subjects = |text: &str, given: &[(&str, &str)]| {
        let operation = Arc::new(plan(&schema, text));
        let mut variables = Variables::new();
        for (name, json) in given {
            variables.set((*name).into(), json.to_string().into());
        }
        let spec = GroupSpec::render(BoundOperation {
            operation,
            variables,
            forwarded: Default::default(),
            trace: None,
        });
        let subjects = |it: GroupSpec| match &*it.feed.feed {
            Feed::Events(feed) => feed.destinations.join(" "),
            Feed::Upstream(_) => panic!("an event subscription"),
        };
        spec.map(subjects).map_err(|it| it.to_string())
    };
    let text = "subscription($k: Kind, $u: Int) { a(kind: $k, unused: $u) { id } }";
    assert_eq!(names(&plan(&schema, text).plan.variables_used), [""; 0], "what they come to is in the feed");
    let given = "{\"name\":\"OLD\",\"part\":1}";
    assert_eq!(subjects(text, &[("k", given)]).as_deref(), Ok("a.OLD.1"));
    assert_eq!(subjects("subscription { a(kind: {part: 3}) { id } }", &[]).as_deref(), Ok("a.OLD.3"));
    assert_eq!(subjects("subscription { a(kind: {name: NEW}) { id } }", &[]).as_deref(), Ok("a.NEW.7"));
    assert_eq!(subjects(text, &[]).as_deref(), Ok("a.NEW.7"), "defaults have defaults");
}

#[test]
fn canonical_text_tells_operations_of_different_schemas_apart() {
    let canonical = |graphs: &Graphs| plan(&load(graphs), "{ employeeFromEvent(id: 1) { id } }").canonical;
    let mut other = demo();
    other.event_graphs[0].sdl = other.event_graphs[0].sdl.replace("getEmployee.{{", "fetchEmployee.{{");
    assert_ne!(canonical(&demo()), canonical(&other), "another subject");
    let mut elsewhere = demo();
    elsewhere.subgraphs[0].routing_url = "http://elsewhere".into();
    assert_eq!(canonical(&demo()), canonical(&elsewhere), "no subgraph is asked");
    let enriched = |graphs: &Graphs| plan(&load(graphs), "{ employees { id } }").canonical;
    assert_ne!(enriched(&demo()), enriched(&elsewhere));
}

#[test]
fn a_subgraphs_subscription_is_asked_of_it_and_completed_by_others() {
    let mut graphs = demo();
    graphs.subgraphs[0].sdl.push_str(" type Subscription { hired(from: Int): Employee! }");
    let schema = load(&graphs);
    let operation = plan(&schema, "subscription($f: Int) { mine: hired(from: $f) { id notes } }");
    let Some(FeedField::Upstream(feed)) = &operation.plan.feed else { panic!("{:?}", operation.plan.feed) };
    assert_eq!((&*feed.field, feed.request.kind), ("hired", OperationKind::Subscription));
    assert!(feed.request.document.starts_with("subscription($f:Int){hired"), "{}", feed.request.document);
    assert!(feed.request.document.contains("{__typename id}"), "{}", feed.request.document);
    assert_eq!(names(&operation.plan.variables_used), ["f"]);
    let step = operation.plan.steps.as_ref().expect("a fetch");
    assert_eq!(brief(&schema, step), "products{...on Employee{notes}}");

    let mut variables = Variables::new();
    variables.set("f".into(), "7".into());
    let operation = Arc::new(operation);
    let bound = BoundOperation { operation, variables, forwarded: Default::default(), trace: None };
    let spec = GroupSpec::render(bound).expect("renders");
    let Feed::Upstream(feed) = &*spec.feed.feed else { panic!("{:?}", spec.feed) };
    assert_eq!(feed.variables, r#"{"f":7}"#);
}

#[test]
fn a_supergraph_that_the_planner_chokes_on_is_an_error() {
    let composed = load(&Graphs { event_graphs: Vec::new(), ..demo() });
    let sdl = composed.supergraph_sdl();
    for broken in [
        sdl.replace("key: \"id tag\"", "key: \"id {\""),
        sdl.replace("@join__field(graph: EMPLOYEES)", "@join__field(graph: NOWHERE)"),
        sdl.replace("type Query ", "type Quarry "),
        "type Query { a: Int }".to_owned(),
        "nonsense".to_owned(),
    ] {
        let supergraph = Some(SupergraphSource { sdl: broken, file: Some("supergraph.graphql".into()) });
        let error = Schema::load(&Graphs { supergraph, ..Graphs::default() }).expect_err("broken");
        assert!(error.to_string().starts_with("supergraph.graphql:"), "{error}");
    }
}

#[test]
fn event_graphs_are_not_taken_for_subgraphs() {
    let subgraphs = vec![subgraph("employees"), subgraph("events")];
    let error = Schema::load(&Graphs { subgraphs, ..Graphs::default() }).expect_err("misplaced");
    assert_eq!(error.0[0].rule, "EVENT_GRAPH_AS_SUBGRAPH", "{error}");
}

#[test]
fn conditions_are_decided_by_the_variables_they_name() {
    let schema = load(&demo());
    let text = "query($a: Boolean!, $b: Boolean!, $id: Int!) { employee(id: $id) { id ... on Employee @include(if: $a) { ... on Employee @skip(if: $b) { notes } } } }";
    let document = schema.parse(text, None, &Limits::default()).expect("valid");
    assert_eq!(names(document.specializing()), ["a", "b"]);
    let asked = |a: &'static str, b: &'static str| {
        let mut variables = Variables::new();
        variables.set("a".into(), a.into());
        variables.set("b".into(), b.into());
        let operation = schema.plan(&document, &variables).expect("a plan");
        operation.plan.subgraphs.len()
    };
    assert_eq!((asked("true", "false"), asked("false", "false"), asked("true", "true")), (2, 1, 1));
}

#[test]
fn projections_follow_the_clients_order_for_every_type() {
    let schema = load(&demo());
    let text = "{ catalogue { ... on Product { name id } t: __typename ... on Offer { id } ... on Service { name hourlyRate } } }";
    let operation = plan(&schema, text);
    let catalogue = &operation.projection.root.fields[0];
    let FieldSource::Data { value, .. } = &catalogue.source else { panic!("{catalogue:?}") };
    let order = |ty: &str| keys_for(value, ty).join(" ");
    assert_eq!(order("Product"), "name id t");
    assert_eq!(order("Service"), "t id name hourlyRate");
}

#[test]
fn hidden_fields_types_and_values_stay_hidden() {
    let schema = load(&demo());
    let errors =
        schema.parse("{ employee(id: 1) { payrollNumber } }", None, &Limits::default()).expect_err("hidden");
    assert_eq!(errors[0].code, Some("GRAPHQL_VALIDATION_FAILED"));
    let operation = plan(&schema, "{ employee(id: 1) { role { departments } } }");
    assert!(!operation.projection.shape.contains("SECRET"), "{}", operation.projection.shape);
    assert!(operation.projection.shape.contains("ENGINEERING"));
}

#[test]
fn the_operation_is_chosen_by_name() {
    let schema = load(&demo());
    let text = "query A { employees { id } } mutation B { addNote(employeeID: 1, text: \"\") { id } }";
    let parse = |name: Option<&str>| schema.parse(text, name, &Limits::default());
    assert_eq!(parse(Some("B")).expect("B").kind(), OperationKind::Mutation);
    assert_eq!(parse(Some("A")).expect("A").name().map(|it| &**it), Some("A"));
    assert_eq!(parse(None).expect_err("two")[0].code, Some("OPERATION_RESOLUTION_FAILURE"));
    assert_eq!(parse(Some("C")).expect_err("none")[0].code, Some("OPERATION_RESOLUTION_FAILURE"));
}

#[test]
fn what_cannot_be_run_is_refused_with_a_code_and_a_place() {
    let schema = load(&demo());
    for (text, code, part) in [
        ("{ employees { id }", "GRAPHQL_PARSE_FAILED", "Syntax Error"),
        (
            "{ employee(id: 9223372036854775808) { id } }",
            "GRAPHQL_VALIDATION_FAILED",
            "non 32-bit signed integer",
        ),
        ("{ employee(id: 1.00000000000000000001) { id } }", "GRAPHQL_VALIDATION_FAILED", "non-integer"),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED", "nope"),
        (
            "query($representations: Int!) { employee(id: $representations) { id } }",
            "GRAPHQL_VALIDATION_FAILED",
            "reserved",
        ),
        (
            "subscription { employeeUpdates @skip(if: true) { id } }",
            "GRAPHQL_VALIDATION_FAILED",
            "root field of a subscription",
        ),
        (
            "subscription { ... @include(if: true) { employeeUpdates { id } } }",
            "GRAPHQL_VALIDATION_FAILED",
            "root field of a subscription",
        ),
        ("subscription { employeeUpdates { id } othersUpdated { id } }", "GRAPHQL_VALIDATION_FAILED", ""),
        (
            "{ employees { ...A } } fragment A on Employee { ...B } fragment B on Employee { ...A }",
            "GRAPHQL_VALIDATION_FAILED",
            "within itself",
        ),
    ] {
        let errors = schema.parse(text, None, &Limits::default()).expect_err(text);
        assert_eq!(errors[0].code, Some(code), "{text}: {errors:?}");
        assert!(errors[0].message.contains(part), "{text}: {errors:?}");
        assert!(!errors[0].locations.is_empty(), "{text}: {errors:?}");
    }
}

#[test]
fn a_finished_supergraph_with_event_graphs_beside_it_plans_the_same() {
    let composed = load(&demo());
    let subgraphs_only = load(&Graphs { event_graphs: Vec::new(), ..demo() });
    let grafted = load(&beside(subgraphs_only.supergraph_sdl()));
    let bound = load(&beside(composed.supergraph_sdl()));
    assert_eq!(bound.supergraph_sdl(), composed.supergraph_sdl(), "nothing to add");
    assert_eq!(grafted.event_fields(), composed.event_fields());
    for text in [
        "subscription { employeeUpdated(employeeID: 3) { id details { forename } notes } }",
        "subscription { catalogueChanged { __typename ... on Product { id weight } ... on Service { id hourlyRate } } }",
        "subscription { offersChanged { id name ... on Product { weight owner { id notes } } } }",
        "subscription { employeeUpdated(employeeID: 3) { seniority } }",
        "{ employeeFromEvent(id: 3) { id details { surname } } employees { id notes } }",
        "{ offers { id name } products { owner { role { title } } } team { ... on Robot { firmware label } } }",
        "mutation { updateEmployee(id: 3, update: {name: \"x\"}) { success } addNote(employeeID: 1, text: \"t\") { id startYear } }",
        "{ __schema { types { name fields { name } inputFields { name } } } }",
    ] {
        for (name, schema) in [("grafted", &grafted), ("bound", &bound)] {
            let (mine, theirs) = (plan(schema, text), plan(&composed, text));
            assert_eq!(sorted_brief(schema, &mine), sorted_brief(&composed, &theirs), "{name}: {text}");
            assert_eq!(format!("{:?}", mine.plan.feed), format!("{:?}", theirs.plan.feed), "{name}: {text}");
            assert_eq!(mine.projection.shape, theirs.projection.shape, "{name}: {text}");
        }
    }
}

#[test]
fn supergraphs_that_would_be_answered_wrongly_are_refused() {
    let schema = load(&demo());
    let old = schema.supergraph_sdl().replace("specs.apollo.dev/join/v0.3", "specs.apollo.dev/join/v0.2");
    let error = Schema::load(&beside(&old)).expect_err("too old").to_string();
    assert!(error.contains("compose again with Federation 2.3 or later"), "{error}");
    let subgraphs = load(&Graphs { event_graphs: Vec::new(), ..demo() });
    let keyless = subgraphs
        .supergraph_sdl()
        .replace("@join__type(graph: EMPLOYEES, key: \"id\")", "@join__type(graph: EMPLOYEES)")
        .replace("@join__type(graph: PRODUCTS, key: \"id\")", "@join__type(graph: PRODUCTS)");
    let error = Schema::load(&beside(&keyless)).expect_err("no key").to_string();
    assert!(error.contains("GRAFT_KEYS") && error.contains("Employee"), "{error}");
    let context = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.8\", import: [\"@key\", \"@context\", \"@fromContext\"]) type Query { u: U! } type U @key(fields: \"id\") @context(name: \"c\") { id: ID! prop: String! f: F! } type F @key(fields: \"id\") { id: ID! s(a: String @fromContext(field: \"$c { prop }\")): Int! }";
    let error = Schema::load(&Graphs {
        subgraphs: vec![SubgraphSource {
            name: "a".into(),
            sdl: context.into(),
            ..SubgraphSource::default()
        }],
        ..Graphs::default()
    })
    .expect_err("context");
    assert_eq!(error.0[0].rule, "CONTEXT");
}

#[test]
fn event_graphs_can_stand_alone() {
    let schema = load(&Graphs {
        event_graphs: vec![EventGraphSource {
            name: "events".into(),
            sdl: "type Subscription { a(id: ID!): A! @edfs__natsSubscribe(subjects: [\"a.{{ args.id }}\"]) } type A @key(fields: \"id\", resolvable: false) { id: ID! @external }".into(),
            file: None,
        }],
        ..Graphs::default()
    });
    assert!(plan(&schema, "subscription { a(id: 1) { id } }").plan.feed.is_some());
    assert_eq!(steps(&schema, "{ noQueries }"), "");
}

#[test]
fn newer_federation_links_and_null_arguments_of_own_directives_compose() {
    let sdl = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.11\", import: [\"@key\"]) directive @slow(by: Int = 2) on FIELD_DEFINITION type Query { a: Int @slow(by: null) b: Int @slow(by: 3) }";
    let schema = load(&Graphs {
        subgraphs: vec![SubgraphSource { name: "a".into(), sdl: sdl.into(), ..SubgraphSource::default() }],
        ..Graphs::default()
    });
    assert!(schema.notes()[0].contains("v2.11"), "{:?}", schema.notes());
    assert_eq!(steps(&schema, "{ a b }"), "a{a b}");
}

#[test]
fn protection_that_nobody_enforces_is_said_out_loud() {
    let sdl = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.5\", import: [\"@authenticated\"]) type Query { a: Int @authenticated }";
    let schema = load(&Graphs {
        subgraphs: vec![SubgraphSource { name: "a".into(), sdl: sdl.into(), ..SubgraphSource::default() }],
        ..Graphs::default()
    });
    assert!(schema.notes().iter().any(|it| it.contains("@authenticated")), "{:?}", schema.notes());
    assert!(load(&demo()).notes().is_empty());
}

#[test]
fn several_wrong_graphs_are_all_reported() {
    let error = Schema::load(&Graphs {
        subgraphs: vec![
            SubgraphSource {
                name: "a".into(),
                sdl: "type Query {".into(),
                file: Some("a.graphql".into()),
                ..SubgraphSource::default()
            },
            SubgraphSource { name: "b".into(), sdl: "type".into(), ..SubgraphSource::default() },
        ],
        ..Graphs::default()
    })
    .expect_err("two");
    assert_eq!(error.0.len(), 2);
    assert!(
        error.to_string().starts_with("a.graphql:1:13: INVALID_GRAPHQL: graph \"a\": Syntax Error"),
        "{error}"
    );
    assert_eq!(error.to_string().lines().count(), 2);
    for graphs in [Graphs::default(), Graphs { supergraph: Some(SupergraphSource::default()), ..demo() }] {
        assert_eq!(Schema::load(&graphs).expect_err("ambiguous").0[0].rule, "GRAPHS");
    }
}

/// The demo's event graph beside a supergraph.
fn beside(supergraph: &str) -> Graphs {
    Graphs {
        subgraphs: Vec::new(),
        supergraph: Some(SupergraphSource { sdl: supergraph.into(), file: None }),
        ..demo()
    }
}

/// The order of steps at the same time depends on the order of the graphs, which means nothing.
fn sorted_brief(schema: &Schema, operation: &Operation) -> String {
    let mut chars: Vec<char> =
        operation.plan.steps.iter().flat_map(|it| brief(schema, it).chars().collect::<Vec<_>>()).collect();
    chars.sort_unstable();
    chars.into_iter().collect()
}

fn names(names: &[Arc<str>]) -> Vec<&str> {
    names.iter().map(|it| &**it).collect()
}

/// Response keys of an object of one type, in order.
fn keys_for(value: &ValueType, ty: &str) -> Vec<String> {
    match value {
        ValueType::NonNull(inner) | ValueType::List(inner) => keys_for(inner, ty),
        ValueType::Leaf(_) => Vec::new(),
        ValueType::Object { selection, .. } => {
            let here =
                selection.fields.iter().filter(|it| it.types.as_ref().is_none_or(|it| it.contains(ty)));
            here.map(|it| it.key.to_string()).collect()
        }
    }
}

/// Hashes in canonical keys as `#`.
fn without_hashes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('_') {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        let hash = after.len() >= 16 && after.as_bytes()[..16].iter().all(u8::is_ascii_hexdigit);
        rest = if hash {
            out.push('#');
            &after[16..]
        } else {
            after
        };
    }
    out + rest
}

#[test]
fn an_object_stands_only_where_one_is_declared() {
    let subgraph = SubgraphSource {
        name: "a".into(),
        routing_url: "http://localhost".into(),
        sdl: "scalar Any enum E { X } input In { n: [Int], e: E } \
              type Query { a(n: Int, s: [[String!]], e: E, any: Any, in: In): Int }"
            .into(),
        ..SubgraphSource::default()
    };
    let schema = load(&Graphs { subgraphs: vec![subgraph], ..Graphs::default() });
    for (text, found) in [
        ("{ a(n: {}) }", "Int cannot represent non-integer value: {}"),
        ("{ a(s: {b: 1}) }", "String cannot represent a non string value: {b: 1}"),
        ("{ a(s: [[{b: 1}]]) }", "String cannot represent a non string value: {b: 1}"),
        ("{ a(e: {b: 1}) }", "Enum \"E\" cannot represent non-enum value: {b: 1}."),
        ("{ a(in: {n: {b: 1}}) }", "Int cannot represent non-integer value: {b: 1}"),
        ("query($v: Int) { a(in: {e: {b: $v}}) }", "Enum \"E\" cannot represent non-enum value: {b: $v}."),
        ("{ a @skip(if: {b: 1}) }", "Boolean cannot represent a non boolean value: {b: 1}"),
    ] {
        let errors = schema.parse(text, None, &Limits::default()).expect_err(text);
        assert!(errors[0].message.ends_with(found), "{text}: {errors:?}");
    }
    plan(&schema, "{ a(any: {b: {c: [{}]}} in: {n: 1 e: X}) }");
}
