//! Events on their way to a group's response.

use super::support::*;
use crate::plan::Leaf;
use crate::plan::Step;

#[test]
fn an_event_is_completed_by_entity_fetches() {
    let world = World::new();
    world.reply("a", r#"{"data":{"_entities":[{"__typename":"Employee","name":"Jens"}]}}"#);
    let fetch = entities("a", "changed", vec![need_on(&["Employee"], vec![need("id")])]);
    let employee = object(
        "Employee",
        vec![typename("__typename"), field("id", leaf(Leaf::Int)), field("name", non_null(string()))],
    );
    let spec = group(Some(Step::Entities(fetch)), employee);
    check_event(
        &world,
        &spec,
        r#"{"id":3,"extra":[1,2]}"#,
        r#"{"data":{"changed":{"__typename":"Employee","id":3,"name":"Jens"}}}"#,
    );
    assert_eq!(
        world.bodies(),
        [r#"{"query":"E","variables":{"representations":[{"__typename":"Employee","id":3}]}}"#]
    );
}
