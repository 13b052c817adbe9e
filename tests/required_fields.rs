//! A field that cannot be asked for, because what its subgraph needs to know is not there, is an error with its path: in
//! queries, mutations and events, and never a null without a word.

mod support;

use serde_json::{Value, json};
use support::{
    Demo,
    cli::Folder,
    live::listen,
    router::{Router, write_config},
    subgraph::{Behaviour, Subgraph},
    ws::Client,
};

const MEDIA: &str = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key"])
type Query { media: [Book!]! first: Book }
type Mutation { publish: Book }
type Book @key(fields: "id") { id: ID! price: Int }
"#;
const TAXES: &str = r#"extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@external", "@requires"])
type Book @key(fields: "id") { id: ID! price: Int @external tax: Int @requires(fields: "price") due: Int! @requires(fields: "price") stock: Int }
"#;

struct Stage {
    router: Router,
    media: Subgraph,
    taxes: Subgraph,
}

impl Stage {
    fn start() -> Self {
        let Demo { employees: media, products: taxes } = Demo::start();
        let file = write_config(&format!(
            "listen_addr: 127.0.0.1:0\nadmin: {{ listen_addr: '127.0.0.1:0' }}\nsupergraph:\n  subgraphs:\n  \
             - {{ name: media, routing_url: '{}', schema: {{ file: media.graphql }} }}\n  \
             - {{ name: taxes, routing_url: '{}', schema: {{ file: taxes.graphql }} }}\n",
            media.url(),
            taxes.url()
        ));
        for (name, sdl) in [("media.graphql", MEDIA), ("taxes.graphql", TAXES)] {
            std::fs::write(file.with_file_name(name), sdl).expect("a file");
        }
        Self { router: Router::start_under(&[], &file), media, taxes }
    }

    /// What a query answers when the subgraphs answer so.
    fn ask(&self, query: &str, media: &Value, taxes: &Value) -> Value {
        self.media.behave(Behaviour::Raw(media.to_string()));
        self.taxes.behave(Behaviour::Raw(taxes.to_string()));
        self.router.post(&json!({ "query": query })).1
    }
}

fn lacks(path: Value, field: &str, required: &str) -> Value {
    let message =
        format!("Cannot resolve field '{field}': subgraph 'taxes' requires '{required}', which is missing.");
    json!({ "message": message, "path": path, "extensions": { "code": "REQUIRED_FIELD_MISSING" } })
}

#[test]
fn what_lacks_a_required_field_is_told_at_each_place() {
    let stage = Stage::start();
    let nothing = json!({ "data": { "_entities": [] } });
    let one = |id: &str| json!({ "__typename": "Book", "id": id, "price": 7 });
    // One of three lacks its price: the others are asked for.
    let books = json!({ "data": { "media": [one("1"), { "__typename": "Book", "id": "2" }, one("3")] } });
    let entities = json!({ "data": { "_entities": [{ "tax": 1 }, { "tax": 3 }] } });
    assert_eq!(
        stage.ask("{ media { t: tax } }", &books, &entities),
        json!({
            "errors": [lacks(json!(["media", 1, "t"]), "Query.media.t", "price")],
            "data": { "media": [{ "t": 1 }, { "t": null }, { "t": 3 }] },
        })
    );
    assert_eq!(stage.taxes.requests().last().expect("a request").representations().len(), 2);

    // A null is a value: it is sent.
    let null = json!({ "data": { "first": { "__typename": "Book", "id": "1", "price": null } } });
    let entities = json!({ "data": { "_entities": [{ "tax": 0 }] } });
    assert_eq!(
        stage.ask("{ first { tax } }", &null, &entities),
        json!({ "data": { "first": { "tax": 0 } } })
    );

    // Nobody is asked when nothing can be sent; a non-null field takes its object with it, and one error says why.
    let lacking = json!({ "data": { "first": { "__typename": "Book", "id": "1" } } });
    stage.taxes.forget_requests();
    assert_eq!(
        stage.ask("{ first { due } }", &lacking, &nothing),
        json!({ "errors": [lacks(json!(["first", "due"]), "Query.first.due", "price")], "data": { "first": null } })
    );
    // The key is required like anything else.
    let keyless = json!({ "data": { "first": { "__typename": "Book", "price": 1 } } });
    assert_eq!(
        stage.ask("{ first { stock } }", &keyless, &nothing),
        json!({ "errors": [lacks(json!(["first", "stock"]), "Query.first.stock", "id")], "data": { "first": { "stock": null } } })
    );
    assert_eq!(stage.taxes.request_count(), 0);

    let lacking = json!({ "data": { "publish": { "__typename": "Book", "id": "1" } } });
    assert_eq!(
        stage.ask("mutation { publish { tax } }", &lacking, &nothing),
        json!({ "errors": [lacks(json!(["publish", "tax"]), "Mutation.publish.tax", "price")], "data": { "publish": { "tax": null } } })
    );
}

/// An error that a subgraph told already is not told twice.
#[test]
fn what_is_explained_is_not_told_again() {
    let stage = Stage::start();
    let failed = json!({
        "errors": [{ "message": "no price today", "path": ["first"] }],
        "data": { "first": { "__typename": "Book", "id": "1" } },
    });
    let answer = stage.ask("{ first { tax } }", &failed, &json!({ "data": { "_entities": [] } }));
    assert_eq!(answer["data"], json!({ "first": { "tax": null } }), "{answer}");
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1), "{answer}");
    assert!(answer.to_string().contains("no price today"), "{answer}");
}

#[test]
fn an_event_without_its_key_is_told() {
    let demo = Demo::start();
    let router = Router::start(&demo.config(""));
    let mut client = Client::connect(&router.websocket_url());
    listen(
        &router,
        &mut client,
        "1",
        "subscription { employeeUpdated(employeeID: 3) { notes currentMood } }",
        1,
    );
    assert_eq!(router.publish("employeeUpdated.3", &json!({ "__typename": "Employee" })), 202);
    let told = client.next("1");
    assert_eq!(told["data"], json!({ "employeeUpdated": { "notes": null, "currentMood": null } }), "{told}");
    let errors = told["errors"].as_array().expect("errors");
    let paths: Vec<_> = errors.iter().map(|it| (&it["path"], &it["extensions"]["code"])).collect();
    let code = json!("REQUIRED_FIELD_MISSING");
    assert_eq!(
        paths,
        [(&json!(["employeeUpdated", "notes"]), &code), (&json!(["employeeUpdated", "currentMood"]), &code)],
        "{told}"
    );
    // The subscription lives.
    assert_eq!(router.publish("employeeUpdated.3", &json!({ "__typename": "Employee", "id": 3 })), 202);
    assert_eq!(client.next("1")["errors"], Value::Null);
}

/// Where every graph of an interface has the field, the supergraph still says who only wants to be told it.
#[test]
fn what_an_interface_object_requires_stays_external() {
    let folder = Folder::new("interface-object-requires")
        .with(
            "a.graphql",
            "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.5\", import: [\"@key\"])\n\
             type Query { media: [Media!]! }\n\
             interface Media @key(fields: \"id\") { id: ID! price: Int }\n\
             type Book implements Media @key(fields: \"id\") { id: ID! price: Int }\n",
        )
        .with(
            "b.graphql",
            "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.5\", \
             import: [\"@key\", \"@requires\", \"@interfaceObject\", { name: \"@external\", as: \"@theirs\" }])\n\
             type Media @interfaceObject @key(fields: \"id\") { id: ID! price: Int @theirs tax: Int @requires(fields: \"price\") }\n",
        )
        .with(
            "juga.yaml",
            "supergraph:\n  subgraphs:\n  - { name: a, routing_url: 'http://a', schema: { file: a.graphql } }\n  \
             - { name: b, routing_url: 'http://b', schema: { file: b.graphql } }\n",
        );
    let composed = folder.juga(&["compose"]);
    let words = "price: Int @join__field(graph: A) @join__field(graph: B, external: true)";
    assert!(composed.stdout.contains(words), "{composed:?}");
    for query in ["{ media { tax } }", "{ media { ... on Book { tax } } }"] {
        let plan = folder.juga(&["plan", query]).stdout;
        assert!(plan.lines().any(|it| it.contains("document: {media{") && it.contains("price")), "{plan}");
        assert!(!plan.lines().any(|it| it.contains("_entities") && it.contains("price")), "{plan}");
    }
}
