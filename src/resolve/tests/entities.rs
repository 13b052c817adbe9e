//! Representations and what is done with the entities that come back.

use super::support::*;
use crate::plan::{EntityFetch, Field, Leaf, Step, ValueType};
use std::sync::Arc;

fn user(fields: Vec<Field>) -> ValueType {
    object("User", fields)
}

fn ids_and_names() -> Vec<Field> {
    vec![field("id", leaf(Leaf::Id)), field("name", string())]
}

/// `users` from subgraph a, then an entity fetch to b.
fn users_then(fetch: EntityFetch, user: ValueType) -> crate::plan::Operation {
    let steps = Step::Sequence(vec![super::support::fetch("a", "U"), Step::Entities(fetch)]);
    operation(Some(steps), vec![field("users", list(user))])
}

fn representations(world: &Arc<World>) -> String {
    let body = world.bodies().pop().expect("a request");
    let (_, list) = body.split_once(r#""representations":"#).expect(&body);
    list.strip_suffix("}}").expect(&body).to_owned()
}

#[test]
fn equal_entities_are_asked_for_once_and_answered_everywhere() {
    let world = World::new();
    world.reply(
        "a",
        r#"{"data":{"users":[{"__typename":"User","id":"1"},null,{"__typename":"User","id":"2"},{"id":"1","__typename":"User"}]}}"#,
    );
    world.reply("b", r#"{"data":{"_entities":[{"name":"one"},{"name":"two"}]}}"#);
    let fetch = entities("b", "users.@.|User", vec![need_on(&["User"], vec![need("id")])]);
    check(
        &world,
        users_then(fetch, user(ids_and_names())),
        r#"{"data":{"users":[{"id":"1","name":"one"},null,{"id":"2","name":"two"},{"id":"1","name":"one"}]}}"#,
    );
    assert_eq!(representations(&world), r#"[{"__typename":"User","id":"1"},{"__typename":"User","id":"2"}]"#);
}

#[test]
fn many_entities_keep_their_answers_apart() {
    let users: Vec<_> =
        (0..500).map(|id| format!(r#"{{"__typename":"User","id":"{}"}}"#, id % 300)).collect();
    let names: Vec<_> = (0..300).map(|id| format!(r#"{{"name":"n{id}"}}"#)).collect();
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let world = World::new();
    world.reply("a", leak(format!(r#"{{"data":{{"users":[{}]}}}}"#, users.join(","))));
    world.reply("b", leak(format!(r#"{{"data":{{"_entities":[{}]}}}}"#, names.join(","))));
    let fetch = entities("b", "users.@", vec![need_on(&["User"], vec![need("id")])]);
    let expected: Vec<_> = (0..500).map(|id| format!(r#"{{"id":"{0}","name":"n{0}"}}"#, id % 300)).collect();
    check(
        &world,
        users_then(fetch, user(ids_and_names())),
        &format!(r#"{{"data":{{"users":[{}]}}}}"#, expected.join(",")),
    );
}

#[test]
fn nothing_to_complete_means_no_request() {
    for users in [
        r#"{"data":{"users":[]}}"#,
        r#"{"data":{"users":[null]}}"#,
        r#"{"data":{"users":[{"__typename":"Admin","id":"1"}]}}"#,
        r#"{"data":{"users":[{"__typename":"User"}]}}"#,
    ] {
        let world = World::new();
        world.reply("a", users);
        let fetch = entities("b", "users.@.|User", vec![need_on(&["User"], vec![need("id")])]);
        block_on(world.executor().execute(bind(users_then(fetch, user(ids_and_names())), &[])));
        assert_eq!(world.asked().len(), 1, "{users}");
    }
}

#[test]
fn an_unknown_entity_is_null_without_an_error() {
    let world = World::new();
    world.reply("a", r#"{"data":{"users":[{"__typename":"User","id":"1"}]}}"#);
    world.reply("b", r#"{"data":{"_entities":[null]}}"#);
    let fetch = entities("b", "users.@", vec![need_on(&["User"], vec![need("id")])]);
    let expected = r#"{"data":{"users":[{"id":"1","name":null}]}}"#;
    check(&world, users_then(fetch, user(ids_and_names())), expected);
}

#[test]
fn required_fields_are_copied_with_their_fragments_and_nulls() {
    let world = World::new();
    world.reply(
        "a",
        r#"{"data":{"users":[{"__typename":"User","id":"1","price_x":9007199254740993,"price":1,
            "box":{"w":1,"h":null,"secret":0},"json":{"any":[1]},
            "pets":[{"__typename":"Dog","bark":"w"},null,{"__typename":"Cat","bark":"no"},{"__typename":"Fish","depth":3}]}]}}"#,
    );
    world.reply("b", r#"{"data":{"_entities":[{"name":"x"}]}}"#);
    let pets = vec![need_on(&["Dog"], vec![need("bark")]), need_on(&["Fish"], vec![need("depth")])];
    let requires = vec![
        need_on(&["User"], vec![need("__typename"), need("id"), need_as("price", "price_x", vec![])]),
        need_on(&["Node", "User"], vec![need("id"), need("json")]),
        need_on(&["Admin"], vec![need("level")]),
        need_as("box", "box", vec![need("w"), need("h")]),
        need_as("pets", "pets", pets),
    ];
    let plan = users_then(entities("b", "users.@", requires), user(ids_and_names()));
    check(&world, plan, r#"{"data":{"users":[{"id":"1","name":"x"}]}}"#);
    assert_eq!(
        representations(&world),
        r#"[{"__typename":"User","id":"1","price":9007199254740993,"json":{"any":[1]},"box":{"w":1,"h":null},"pets":[{"__typename":"Dog","bark":"w"},null,{"__typename":"Cat"},{"__typename":"Fish","depth":3}]}]"#
    );
}

#[test]
fn input_rewrites_change_what_is_sent_and_nothing_else() {
    let world = World::new();
    world.reply("a", r#"{"data":{"users":[{"__typename":"User","_id":"1"}]}}"#);
    world.reply("b", r#"{"data":{"_entities":[{"__typename":"Node","_name":"x"}]}}"#);
    let mut fetch = entities("b", "users.@", vec![need_on(&["Node"], vec![need("id")])]);
    fetch.input_rewrites = vec![set(&["__typename"], "Node"), rename(&["_id"], "id")];
    fetch.output_rewrites = vec![set(&["|Node", "__typename"], "User"), rename(&["_name"], "name")];
    let fields = vec![field("__typename", string()), field("_id", string()), field("name", string())];
    let expected = r#"{"data":{"users":[{"__typename":"User","_id":"1","name":"x"}]}}"#;
    check(&world, users_then(fetch, user(fields)), expected);
    assert_eq!(representations(&world), r#"[{"__typename":"Node","id":"1"}]"#);
}

#[test]
fn an_alias_may_have_the_name_of_a_key() {
    let world = World::new();
    world.reply("a", r#"{"data":{"users":[{"__typename":"User","id":"1","expertise":"jazz"}]}}"#);
    world.reply("b", r#"{"data":{"_entities":[{"name":"x"}]}}"#);
    let fetch = entities("b", "users.@", vec![need_on(&["User"], vec![need("id")])]);
    let fields = vec![
        alias("id", "expertise", string()),
        alias("name", "id", string()),
        alias("key", "name", string()),
    ];
    let expected = r#"{"data":{"users":[{"id":"jazz","name":"1","key":"x"}]}}"#;
    check(&world, users_then(fetch, user(fields)), expected);
}

#[test]
fn lists_in_lists_are_walked_through_whatever_the_path_says() {
    for path in ["grid.@.@", "grid.@", "grid"] {
        let world = World::new();
        world.reply(
            "a",
            r#"{"data":{"grid":[[{"__typename":"User","id":"1"}],[{"__typename":"User","id":"2"}]]}}"#,
        );
        world.reply("b", r#"{"data":{"_entities":[{"name":"x"},{"name":"y"}]}}"#);
        let fetch = Step::Entities(entities("b", path, vec![need_on(&["User"], vec![need("id")])]));
        let steps = Step::Sequence(vec![super::support::fetch("a", "U"), fetch]);
        let grid = list(list(user(vec![field("name", string())])));
        let expected = r#"{"data":{"grid":[[{"name":"x"}],[{"name":"y"}]]}}"#;
        check(&world, operation(Some(steps), vec![field("grid", grid)]), expected);
    }
}

#[test]
fn a_batch_sends_lists_once_and_serves_every_alias() {
    let world = World::new();
    world.reply(
        "a",
        r#"{"data":{"me":{"__typename":"User","id":"1"},"users":[{"__typename":"User","id":"2"},{"__typename":"User","id":"1"}],"pets":[]}}"#,
    );
    world
        .reply("b", r#"{"data":{"e0":[{"name":"one"},{"name":"two"}],"e1":[{"age":1},{"_age":2}],"e2":[]}}"#);
    let key = || vec![need_on(&["User"], vec![need("id")])];
    let mut second = batch_alias("e1", "r0", &["me", "users.@"], key());
    second.output_rewrites = vec![rename(&["_age"], "age")];
    let aliases = vec![
        batch_alias("e0", "r0", &["me", "users.@"], key()),
        second,
        batch_alias("e2", "r1", &["pets.@"], vec![need_on(&["Pet"], vec![need("id")])]),
    ];
    let shown = || user(vec![field("name", string()), field("age", leaf(Leaf::Int))]);
    let steps = Step::Sequence(vec![super::support::fetch("a", "U"), batch("b", aliases)]);
    check(
        &world,
        operation(Some(steps), vec![field("me", shown()), field("users", list(shown()))]),
        r#"{"data":{"me":{"name":"one","age":1},"users":[{"name":"two","age":2},{"name":"one","age":1}]}}"#,
    );
    assert_eq!(
        world.bodies()[1],
        r#"{"query":"B","variables":{"r0":[{"__typename":"User","id":"1"},{"__typename":"User","id":"2"}],"r1":[]}}"#
    );
}

#[test]
fn a_batch_of_empty_lists_is_not_sent() {
    let world = World::new();
    world.reply("a", r#"{"data":{"users":[]}}"#);
    let aliases = vec![batch_alias("e0", "r0", &["users.@"], vec![need_on(&["User"], vec![need("id")])])];
    let steps = Step::Sequence(vec![super::support::fetch("a", "U"), batch("b", aliases)]);
    let plan = operation(Some(steps), vec![field("users", list(user(vec![])))]);
    check(&world, plan, r#"{"data":{"users":[]}}"#);
    assert_eq!(world.asked().len(), 1);
}
