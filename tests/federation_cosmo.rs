//! Cosmo's execution config as a source of the graph: a harbour of nine subgraphs and an event graph, once
//! as files and once as the JSON that Cosmo's tools write. Both must come to the same.

use juga::{
    config::{Config, Environment, Overrides},
    federation::{EventGraphSource, Graphs, Limits, LoadErrors, Schema, SubgraphSource},
    graphql::Variables,
    plan::{FieldSource, OperationKind, ProviderKind, ValueType},
    sources::subgraph::{SubscriptionEndpoint, SubscriptionProtocol, WebSocketSubprotocol},
};
use std::{fs, path::Path};

const SUBGRAPHS: [&str; 9] =
    ["ships", "berths", "crews", "cargo", "containers", "weather", "pilots", "tariffs", "news"];

fn fixture(name: &str) -> String {
    let path = Path::new("tests/fixtures/cosmo").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The plain files, with another file in place of `ships` if need be.
fn from_files(ships: &str) -> Graphs {
    let subgraph = |(name, port): (&str, u16)| SubgraphSource {
        name: name.into(),
        routing_url: format!("http://localhost:{port}/graphql"),
        sdl: fixture(&format!("{}.graphql", if name == "ships" { ships } else { name })),
        file: None,
        subscription: None,
    };
    Graphs {
        subgraphs: SUBGRAPHS.into_iter().zip(4001..).map(subgraph).collect(),
        event_graphs: vec![EventGraphSource {
            name: "signals".into(),
            sdl: fixture("signals.graphql"),
            file: None,
        }],
        lenient: true,
        ..Graphs::default()
    }
}

fn from_config() -> Graphs {
    let mut graphs = read(&fixture("config.json")).unwrap_or_else(|errors| panic!("{errors}"));
    graphs.lenient = true;
    graphs.feature_flags.values_mut().for_each(|it| it.lenient = true);
    graphs
}

fn read(text: &str) -> Result<Graphs, LoadErrors> {
    Graphs::from_execution_config(text, Some(Path::new("config.json")))
}

fn load(graphs: &Graphs) -> Schema {
    Schema::load(graphs).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Every event field as it is planned: broker, destinations, stream, filter, possible types, payload.
fn event_plans(schema: &Schema) -> Vec<String> {
    let plan = |text: &str| {
        let document =
            schema.parse(text, None, &Limits::default()).unwrap_or_else(|it| panic!("{text}: {it:?}"));
        let operation =
            schema.plan(&document, &Variables::new()).unwrap_or_else(|it| panic!("{text}: {it:?}"));
        format!(
            "{:?}\n{:?}\n{}",
            operation.plan.feed,
            operation.plan.steps,
            schema.describe(&operation).to_text()
        )
    };
    let ships = [
        "shipMoved(shipID: 1)",
        "shipMovedMyNats(id: 1)",
        "shipMovedStream(id: 1)",
        "shipMovedMyKafka(shipID: 1)",
        "shipMovedMyRedis(id: 1)",
        "shipsMoved",
        "guestsMoved",
        "residentsMoved(port: 1)",
        "eitherMoved(ours: [1], theirs: [2])",
        "chosenMoved(input: { ids: [1] })",
        "listedMoved(ids: [1])",
    ];
    let ships =
        ships.iter().map(|it| plan(&format!("subscription {{ {it} {{ id name berth {{ number }} }} }}")));
    let others = ["loaded(tag: \"x\")", "tagged(tag: \"x\")"];
    let others = others.iter().map(|it| {
        plan(&format!(
            "subscription {{ {it} {{ ... on Parcel {{ id weight }} ... on Container {{ tag sealed }} }} }}"
        ))
    });
    let calls = [
        "{ shipFromSignal(id: 1) { name } shipFromSignalMyNats(shipID: 2) { id } }",
        "mutation { reportMyKafka(shipID: 1, report: { name: \"x\" }) { success } \
         reportMyNats(id: 1, report: { position: { latitude: 1.5, longitude: 2 } }) { success } \
         reportMyRedis(id: 1, report: {}) { success } reportOneMyRedis(id: 1, report: {}) { success } }",
    ];
    ships.chain(others).chain(calls.iter().map(|it| plan(it))).collect()
}

#[test]
fn an_execution_config_is_the_same_graph_as_its_files() {
    let (files, config) = (load(&from_files("ships")), load(&from_config()));
    assert!(
        files.supergraph_sdl() == config.supergraph_sdl(),
        "files:\n{}\n\nconfig:\n{}",
        files.supergraph_sdl(),
        config.supergraph_sdl()
    );
    assert_eq!(files.subgraphs(), config.subgraphs());
    assert_eq!(files.event_fields(), config.event_fields());
    assert_eq!(event_plans(&files), event_plans(&config));
    assert_eq!(files.authorization(), config.authorization());
    assert_eq!(files.notes(), config.notes());
}

#[test]
fn every_form_of_event_field_is_in_it() {
    let schema = load(&from_config());
    let fields = schema.event_fields();
    assert_eq!(fields.len(), 19);
    for (kind, provider) in [
        (ProviderKind::Nats, "default"),
        (ProviderKind::Nats, "my-nats"),
        (ProviderKind::Kafka, "my-kafka"),
        (ProviderKind::Redis, "my-redis"),
    ] {
        assert!(fields.iter().any(|it| it.kind == kind && &*it.provider == provider), "{provider}");
    }
    for (kind, root) in [
        (ProviderKind::Nats, OperationKind::Query),
        (ProviderKind::Nats, OperationKind::Mutation),
        (ProviderKind::Kafka, OperationKind::Mutation),
        (ProviderKind::Redis, OperationKind::Mutation),
    ] {
        assert!(fields.iter().any(|it| it.kind == kind && it.root == root), "{kind:?} {root:?}");
    }
    let plans = event_plans(&schema).join("\n");
    for part in [
        "destinations: shipMovedMyNats.{{ args.id }}, shipMovedMyNatsTwo.{{ args.id }}",
        "\"streamName\":\"ships\"",
        "rule: {\"NOT\":{\"IN\":{\"fieldPath\":\"id\",\"values\":[2,3,5,7,11]}}}",
        "\"values\":[\"{{ args.ours }}\",\"{{ args.theirs }}\"]",
        "\"values\":[\"none\",null,1.5,true]",
        "{\"IN\":{\"fieldPath\":\"id\",\"values\":[\"1\"]}}",
    ] {
        assert!(plans.contains(part), "{part}:\n{plans}");
    }
}

/// What other composers let through: each is in these graphs, and each is dealt with.
#[test]
fn the_three_differences_of_cosmo_are_dealt_with() {
    let schema = load(&from_config());
    // A null argument of a directive of one's own: the field is there.
    assert!(schema.supergraph_sdl().contains("ships: [Ship!]!"));
    assert!(fixture("ships.graphql").contains("@expensive(cost: null)"));
    // @authenticated on an interface and on an enum.
    for name in ["Vessel", "Ship", "ShipState"] {
        assert!(schema.authorization().of_type(name).is_some_and(|it| it.authenticated), "{name}");
    }
    // Fields of a shared type without a key.
    let document = schema.parse("{ slices { top bottom } }", None, &Limits::default()).expect("valid");
    let operation = schema.plan(&document, &Variables::new()).expect("a plan of the rest");
    let FieldSource::Data { value: ValueType::List(slice), .. } = &operation.projection.root.fields[0].source
    else {
        panic!("{operation:?}")
    };
    let ValueType::Object { selection, .. } = &**slice else { panic!("{slice:?}") };
    let sources: Vec<_> = selection.fields.iter().map(|it| &it.source).collect();
    assert!(
        matches!(sources[..], [FieldSource::Data { .. }, FieldSource::Unreachable { nullable: true }]),
        "{sources:?}"
    );
    let strict = Graphs { lenient: false, ..from_config() };
    let errors = Schema::load(&strict).expect_err("it is an error unless asked for").0;
    assert!(errors.iter().all(|it| it.rule == "SATISFIABILITY_ERROR"), "{errors:?}");
}

#[test]
fn a_feature_flag_is_a_whole_graph_of_its_own() {
    let graphs = from_config();
    assert_eq!(graphs.feature_flags.keys().collect::<Vec<_>>(), ["night-shift"]);
    let night = load(&graphs.feature_flags["night-shift"]);
    assert!(night.supergraph_sdl() == load(&from_files("ships_night")).supergraph_sdl());
    assert!(night.supergraph_sdl().contains("nightWatch"));
    assert!(!load(&graphs).supergraph_sdl().contains("nightWatch"));
    assert_eq!(night.event_fields().len(), 19);
}

/// One data source of the config, changed.
fn with_source(change: impl FnOnce(&mut serde_json::Value)) -> Vec<String> {
    let mut config: serde_json::Value = serde_json::from_str(&fixture("config.json")).expect("JSON");
    config.as_object_mut().expect("an object").remove("featureFlagConfigs");
    change(&mut config);
    let errors = read(&config.to_string()).expect_err("it must be refused").0;
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn what_cannot_be_served_is_refused_by_name() {
    let at = "/engineConfig/datasourceConfigurations";
    let set = |path: &str, value: serde_json::Value| {
        let path = format!("{at}/{path}");
        with_source(move |config| *config.pointer_mut(&path).unwrap_or_else(|| panic!("{path}")) = value)
    };
    let add = |index: usize, key: &str, value: serde_json::Value| {
        with_source(|config| {
            let graphql = &mut config["engineConfig"]["datasourceConfigurations"][index]["customGraphql"];
            graphql[key] = value;
        })
    };
    assert_eq!(
        add(1, "grpc", serde_json::json!({ "mapping": {} })),
        ["config.json: EXECUTION_CONFIG: graph \"berths\": it is served by gRPC, which is not supported"]
    );
    assert_eq!(
        add(3, "grpc", serde_json::json!({ "plugin": { "name": "cargo-go" } })),
        [
            "config.json: EXECUTION_CONFIG: graph \"cargo\": it is served by the router plugin \"cargo-go\", which is not supported"
        ]
    );
    assert_eq!(
        set("0/kind", "STATIC".into()),
        ["config.json: EXECUTION_CONFIG: graph \"ships\": data sources of kind STATIC are not supported"]
    );
    assert_eq!(
        set("2/customGraphql/federation/serviceSdl", "".into()),
        ["config.json: EXECUTION_CONFIG: graph \"crews\": `customGraphql.federation.serviceSdl` is missing"]
    );
    assert_eq!(
        set("9/rootNodes/0/fieldNames", serde_json::json!(["nope"])),
        [
            "config.json: EXECUTION_CONFIG: graph \"signals\": the schema of the execution config has no field Query.nope"
        ]
    );
    assert_eq!(
        set("9/customEvents/nats/0/engineEventConfiguration/type", "DANCE".into()),
        ["config.json: EXECUTION_CONFIG: graph \"signals\": events of type DANCE are not known"]
    );
    let error = read("{\n  \"engineConfig\": [\n").expect_err("no JSON").to_string();
    assert!(error.starts_with("config.json:3:0: EXECUTION_CONFIG: this is no execution config"), "{error}");
}

/// How a subgraph serves its own subscriptions stands in the file; `overrides` win.
#[test]
fn subscriptions_of_subgraphs_are_reached_as_the_file_says() {
    let mut config: serde_json::Value = serde_json::from_str(&fixture("config.json")).expect("JSON");
    let sources = &mut config["engineConfig"]["datasourceConfigurations"];
    sources[1]["customGraphql"]["subscription"] = serde_json::json!({
        "enabled": true,
        "url": { "staticVariableContent": "http://localhost:4002/subscriptions" },
        "protocol": "GRAPHQL_SUBSCRIPTION_PROTOCOL_SSE_POST",
    });
    sources[2]["customGraphql"]["subscription"]["websocketSubprotocol"] =
        "GRAPHQL_WEBSOCKET_SUBPROTOCOL_TRANSPORT_WS".into();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("federation_cosmo_subscriptions");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("config.json"), config.to_string()).expect("a file");
    fs::write(
        folder.join("juga.yaml"),
        "execution_config: { file: { path: config.json } }\n\
         overrides: { subgraphs: { berths: { subscription_protocol: sse } } }\n",
    )
    .expect("a file");
    let environment = Environment { current_folder: folder, ..Environment::of_process() };
    let config = Config::load_file(Path::new("juga.yaml"), &environment, &Overrides::default());
    let options = config.unwrap_or_else(|it| panic!("{it}")).options().unwrap_or_else(|it| panic!("{it}"));
    let endpoint = |name: &str| options.subscription_endpoints[name].clone();
    assert_eq!(endpoint("ships"), SubscriptionEndpoint::default());
    assert_eq!(
        endpoint("berths"),
        SubscriptionEndpoint {
            url: Some("http://localhost:4002/subscriptions".into()),
            protocol: SubscriptionProtocol::Sse,
            subprotocol: WebSocketSubprotocol::Auto,
            ..SubscriptionEndpoint::default()
        }
    );
    assert_eq!(endpoint("crews").subprotocol, WebSocketSubprotocol::GraphqlTransportWs);
}

/// A type that is absent means a publish, a provider that is absent the default one: zero values are left
/// out when the file is written.
#[test]
fn absent_members_have_their_meaning() {
    let mut config: serde_json::Value = serde_json::from_str(&fixture("config.json")).expect("JSON");
    let nats = &mut config["engineConfig"]["datasourceConfigurations"][9]["customEvents"]["nats"];
    let published = nats[2]["engineEventConfiguration"].as_object().expect("an object");
    assert_eq!(published["fieldName"], "reportMyNats");
    assert!(!published.contains_key("type"));
    nats[3]["engineEventConfiguration"].as_object_mut().expect("an object").remove("providerId");
    let graphs = read(&config.to_string()).expect("it loads");
    let schema = load(&Graphs { lenient: true, ..graphs });
    let moved = schema.event_fields().iter().find(|it| &*it.field == "shipMoved").expect("the field");
    assert_eq!(&*moved.provider, "default");
    assert_eq!(schema.event_fields(), load(&from_files("ships")).event_fields());
}
