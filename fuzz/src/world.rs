//! The supergraph that everything is tried against: the demo of the tests, and graphs with what it lacks.

use crate::types::Types;
use juga::federation::{EventGraphSource, Graphs, Schema, SubgraphSource};
use std::sync::LazyLock;

pub struct World {
    pub schema: Schema,
    /// What clients may ask for.
    pub public: Types,
    /// What subgraphs answer with.
    pub whole: Types,
}

/// Subgraphs with their texts.
pub const SUBGRAPHS: [(&str, &str); 4] = [
    ("employees", include_str!("../../tests/fixtures/demo/employees.graphql")),
    ("products", include_str!("../../tests/fixtures/demo/products.graphql")),
    ("oddities", include_str!("../graphs/oddities.graphql")),
    ("ratings", include_str!("../graphs/ratings.graphql")),
];
const EVENTS: &str = include_str!("../../tests/fixtures/demo/events.graphql");

pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let subgraph = |(name, sdl): (&str, &str)| SubgraphSource {
        name: name.into(),
        routing_url: "http://localhost".into(),
        sdl: sdl.into(),
        ..SubgraphSource::default()
    };
    let graphs = Graphs {
        subgraphs: SUBGRAPHS.into_iter().map(subgraph).collect(),
        event_graphs: vec![EventGraphSource { name: "events".into(), sdl: EVENTS.into(), file: None }],
        ..Graphs::default()
    };
    let schema = Schema::load(&graphs).unwrap_or_else(|errors| panic!("{errors}"));
    let sdl = schema.supergraph_sdl();
    World { public: Types::public(sdl), whole: Types::whole(sdl), schema }
});
