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
fn users_then(names: EntityFetch, user: ValueType) -> crate::plan::Operation {
    let steps = Step::Sequence(vec![fetch("a", "U"), Step::Entities(names)]);
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
    let names = entities("b", "users.@.|User", vec![need_on(&["User"], vec![need("id")])]);
    check(
        &world,
        users_then(names, user(ids_and_names())),
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
    let names = entities("b", "users.@", vec![need_on(&["User"], vec![need("id")])]);
    let expected: Vec<_> = (0..500).map(|id| format!(r#"{{"id":"{0}","name":"n{0}"}}"#, id % 300)).collect();
    check(
        &world,
        users_then(names, user(ids_and_names())),
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
        let names = entities("b", "users.@.|User", vec![need_on(&["User"], vec![need("id")])]);
        block_on(world.executor().execute(bind(users_then(names, user(ids_and_names())), &[])));
        assert_eq!(world.asked().len(), 1, "{users}");
    }
}

#[test]
fn an_unknown_entity_is_null_without_an_error() {
    let world = World::new();
    world.reply("a", r#"{"data":{"users":[{"__typename":"User","id":"1"}]}}"#);
    world.reply("b", r#"{"data":{"_entities":[null]}}"#);
    let names = entities("b", "users.@", vec![need_on(&["User"], vec![need("id")])]);
    let expected = r#"{"data":{"users":[{"id":"1","name":null}]}}"#;
    check(&world, users_then(names, user(ids_and_names())), expected);
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
    let mut names = entities("b", "users.@", vec![need_on(&["Node"], vec![need("id")])]);
    names.input_rewrites = vec![set(&["__typename"], "Node"), rename(&["_id"], "id")];
    names.output_rewrites = vec![set(&["|Node", "__typename"], "User"), rename(&["_name"], "name")];
    let fields = vec![field("__typename", string()), field("_id", string()), field("name", string())];
    let expected = r#"{"data":{"users":[{"__typename":"User","_id":"1","name":"x"}]}}"#;
    check(&world, users_then(names, user(fields)), expected);
    assert_eq!(representations(&world), r#"[{"__typename":"Node","id":"1"}]"#);
}

#[test]
fn an_alias_may_have_the_name_of_a_key() {
    let world = World::new();
    world.reply("a", r#"{"data":{"users":[{"__typename":"User","id":"1","expertise":"jazz"}]}}"#);
    world.reply("b", r#"{"data":{"_entities":[{"name":"x"}]}}"#);
    let names = entities("b", "users.@", vec![need_on(&["User"], vec![need("id")])]);
    let fields = vec![
        alias("id", "expertise", string()),
        alias("name", "id", string()),
        alias("key", "name", string()),
    ];
    let expected = r#"{"data":{"users":[{"id":"jazz","name":"1","key":"x"}]}}"#;
    check(&world, users_then(names, user(fields)), expected);
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
        let names = Step::Entities(entities("b", path, vec![need_on(&["User"], vec![need("id")])]));
        let steps = Step::Sequence(vec![fetch("a", "U"), names]);
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
    world.reply(
        "b",
        r#"{"data":{"e0":[{"name":"one"},{"name":"two"}],"e1":[{"age":1},{"_age":2}],"e2":null}}"#,
    );
    let key = || vec![need_on(&["User"], vec![need("id")])];
    let mut second = batch_alias("e1", "r0", &["me", "users.@"], key());
    second.output_rewrites = vec![rename(&["_age"], "age")];
    let aliases = vec![
        batch_alias("e0", "r0", &["me", "users.@"], key()),
        second,
        batch_alias("e2", "r1", &["pets.@"], vec![need_on(&["Pet"], vec![need("id")])]),
    ];
    let shown = || user(vec![field("name", string()), field("age", leaf(Leaf::Int))]);
    let steps = Step::Sequence(vec![fetch("a", "U"), batch("b", aliases)]);
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
    let steps = Step::Sequence(vec![fetch("a", "U"), batch("b", aliases)]);
    let plan = operation(Some(steps), vec![field("users", list(user(vec![])))]);
    check(&world, plan, r#"{"data":{"users":[]}}"#);
    assert_eq!(world.asked().len(), 1);
}

#[test]
fn an_entity_without_a_typename_has_the_type_that_all_conditions_name() {
    let id = || need_on(&["User"], vec![need("id")]);
    for (requires, sent) in [
        (
            vec![id(), need_on(&["User"], vec![need("mail")])],
            Some(r#"[{"__typename":"User","id":"1","mail":"m"}]"#),
        ),
        (vec![id(), need_on(&["Admin"], vec![need("mail")])], None),
        (vec![need_on(&["Admin", "User"], vec![need("id")])], None),
        (vec![need("id")], None),
    ] {
        let world = World::new();
        world.reply("a", r#"{"data":{"users":[{"id":"1","mail":"m"}]}}"#);
        let plan = users_then(entities("b", "users.@", requires), user(ids_and_names()));
        block_on(world.executor().execute(bind(plan, &[])));
        match sent {
            Some(sent) => assert_eq!(representations(&world), sent),
            None => assert_eq!(world.asked().len(), 1),
        }
    }
}

/// A needed field that an earlier fetch failed to bring: half a representation would get a wrong answer.
#[test]
fn half_a_representation_is_not_sent() {
    for user in [
        r#"{"__typename":"User","id":"1"}"#,
        r#"{"__typename":"User","id":"1","box":{"w":1}}"#,
        r#"{"__typename":"User","id":"1","box":[{"w":1,"h":2},{"w":1}]}"#,
    ] {
        let world = World::new();
        let leaked: &'static str = Box::leak(format!(r#"{{"data":{{"users":[{user}]}}}}"#).into_boxed_str());
        world.reply("a", leaked);
        let requires = vec![need("id"), need_as("box", "box", vec![need("w"), need("h")])];
        let plan = users_then(entities("b", "users.@", requires), object("User", vec![]));
        block_on(world.executor().execute(bind(plan, &[])));
        assert_eq!(world.asked().len(), 1, "{user}");
    }
}

#[test]
fn entities_found_by_different_fetches_in_parallel_complete_one_object() {
    let world = World::new();
    world.reply("a", r#"{"data":{"users":[{"__typename":"User","id":"1"}]}}"#);
    world.reply("b", r#"{"data":{"_entities":[{"box":{"w":"w"}}]}}"#);
    world.reply("c", r#"{"data":{"_entities":[{"box":{"h":"h"}}]}}"#);
    let key = || vec![need_on(&["User"], vec![need("id")])];
    let both = vec![
        Step::Entities(entities("b", "users.@", key())),
        Step::Entities(entities("c", "users.@", key())),
    ];
    let steps = Step::Sequence(vec![fetch("a", "U"), Step::Parallel(both)]);
    let whole = object("Box", vec![field("h", string()), field("w", string())]);
    let plan = operation(Some(steps), vec![field("users", list(user(vec![field("box", whole)])))]);
    check(&world, plan, r#"{"data":{"users":[{"box":{"h":"h","w":"w"}}]}}"#);
}

#[test]
fn a_type_in_a_path_leaves_other_objects_alone() {
    let world = World::new();
    world.reply(
        "a",
        r#"{"data":{"users":[{"__typename":"Admin","id":"1"},{"__typename":"User","id":"2"},{"__typename":"Admin","id":"3"}]}}"#,
    );
    world.reply("b", r#"{"data":{"_entities":[{"name":"two"}]}}"#);
    let names = entities("b", "users.@.|User", vec![need("id")]);
    let shown = one_of("Person", &["Admin", "User"], vec![field("name", string())]);
    check(
        &world,
        users_then(names, shown),
        r#"{"data":{"users":[{"name":null},{"name":"two"},{"name":null}]}}"#,
    );
    assert_eq!(representations(&world), r#"[{"__typename":"User","id":"2"}]"#);
}

#[test]
fn places_that_share_an_entity_stay_independent() {
    let world = World::new();
    world
        .reply("a", r#"{"data":{"me":{"__typename":"User","id":"1"},"you":{"__typename":"User","id":"1"}}}"#);
    world.reply("b", r#"{"data":{"e0":[{"box":{"__typename":"Box","k":"1"}}]}}"#);
    world.reply("c", r#"{"data":{"_entities":[{"h":"h"}]}}"#);
    let both = batch_alias("e0", "r0", &["me", "you"], vec![need("id")]);
    let mine = Step::Entities(entities("c", "me.box", vec![need("k")]));
    let steps = Step::Sequence(vec![fetch("a", "U"), batch("b", vec![both]), mine]);
    let shown = || user(vec![field("box", object("Box", vec![field("k", string()), field("h", string())]))]);
    check(
        &world,
        operation(Some(steps), vec![field("me", shown()), field("you", shown())]),
        r#"{"data":{"me":{"box":{"k":"1","h":"h"}},"you":{"box":{"k":"1","h":null}}}}"#,
    );
}
