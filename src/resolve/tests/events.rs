//! Events on their way to a group's response.

use super::support::*;
use crate::{
    plan::{Leaf, Step, ValueType},
    resolve::{Options, Pool},
};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

fn employee() -> ValueType {
    let id = field("id", non_null(leaf(Leaf::Int)));
    object("Employee", vec![typename("__typename"), id, field("name", non_null(string()))])
}

fn named() -> ValueType {
    one_of("Named", &["Employee", "Pet"], vec![on(&["Pet"], field("age", leaf(Leaf::Int)))])
}

fn enrich() -> Option<Step> {
    Some(Step::Entities(entities("a", "changed", vec![need_on(&["Employee"], vec![need("id")])])))
}

#[test]
fn an_event_is_completed_by_entity_fetches() {
    let world = World::new();
    world.reply("a", r#"{"data":{"_entities":[{"__typename":"Employee","name":"Jens"}]}}"#);
    check_event(
        &world,
        &group(enrich(), employee()),
        r#"{"id":3,"extra":[1,2]}"#,
        r#"{"data":{"changed":{"__typename":"Employee","id":3,"name":"Jens"}}}"#,
    );
    assert_eq!(
        world.bodies(),
        [r#"{"query":"E","variables":{"representations":[{"__typename":"Employee","id":3}]}}"#]
    );
}

#[test]
fn an_event_that_holds_everything_asks_nobody() {
    let world = World::new();
    let json = r#"{"id":3,"name":"J\u00f6rg \"x\""}"#;
    let expected = r#"{"data":{"changed":{"__typename":"Employee","id":3,"name":"J\u00f6rg \"x\""}}}"#;
    check_event(&world, &group(None, employee()), json, expected);
    assert!(world.asked().is_empty());
}

#[test]
fn one_event_serves_several_groups_and_stays_as_it_was() {
    let world = World::new();
    world.reply("a", r#"{"data":{"_entities":[{"name":"first"}]}}"#);
    world.reply("a", r#"{"data":{"_entities":[{"name":"second"}]}}"#);
    let (executor, spec) = (world.executor(), group(enrich(), employee()));
    let event = event(r#"{"id":1}"#);
    for name in ["first", "second"] {
        let response = block_on(executor.resolve(spec.clone(), event.clone()));
        assert!(text(&response).contains(name), "{}", text(&response));
    }
    let counters = executor.counters();
    assert_eq!(counters.executions.load(Relaxed), 2);
    assert_eq!(counters.serialisations.load(Relaxed), 2);
    assert_eq!(counters.fetches.load(Relaxed), 2);
    assert_eq!(counters.representations.load(Relaxed), 2);
    assert_eq!(counters.buffers.load(Relaxed), 1, "the second job used the first one's buffers");
}

#[test]
fn a_missing_key_field_sends_nothing_and_is_reported_once() {
    let world = World::new();
    check_event(
        &world,
        &group(enrich(), employee()),
        r#"{"name":"Jens"}"#,
        r#"{"errors":[{"message":"Cannot return null for non-nullable field 'Subscription.changed.id'.","path":["changed","id"]}],"data":null}"#,
    );
    assert!(world.asked().is_empty());
}

#[test]
fn a_type_that_the_field_cannot_have_is_refused() {
    let refused = |shown: &str| {
        format!(
            "{{\"errors\":[{{\"message\":\"Subgraph 'events' returned invalid value '{shown}' for __typename \
             field.\",\"extensions\":{{\"code\":\"INVALID_GRAPHQL\"}}}}],\"data\":null}}"
        )
    };
    let world = World::new();
    for (ty, json, shown) in [
        (named(), r#"{"age":1}"#, ""),
        (named(), r#"{"__typename":null}"#, ""),
        (named(), r#"{"__typename":"Rock"}"#, "Rock"),
        (named(), r#"{"__typename":7}"#, "7"),
        (one_of("Named", &["Pet"], vec![]), r#"{"age":1}"#, ""),
        (employee(), r#"{"__typename":"Pet","id":1}"#, "Pet"),
    ] {
        check_event(&world, &group(None, ty), json, &refused(shown));
    }
    let pet = r#"{"data":{"changed":{"age":1}}}"#;
    check_event(&world, &group(None, named()), r#"{"__typename":"Pet","age":1}"#, pet);
}

/// A graph may give an interface as one type of its own (`@interfaceObject`), so its events name none that the
/// operation knows.
#[test]
fn an_event_of_an_interface_object_is_of_the_interface() {
    let fields = vec![field("id", leaf(Leaf::Custom)), on(&["Disc"], field("sides", leaf(Leaf::Int)))];
    let media = one_of("Media", &["Disc", "Tape"], fields);
    let spec = group_of(None, media, types(&["Media"]), false);
    for json in [r#"{"id":3,"sides":2}"#, r#"{"id":3,"__typename":null}"#, r#"{"__typename":"Media","id":3}"#]
    {
        check_event(&World::new(), &spec, json, r#"{"data":{"changed":{"id":3}}}"#);
    }
}

#[test]
fn one_run_of_events_shares_buffers_and_nothing_else() {
    let executor = World::new().executor();
    let spec = group(None, employee());
    let mut workspace = executor.workspace();
    for id in [1, 2] {
        let response = workspace.resolve(&spec, &event(&format!("{{\"id\":{id},\"name\":\"x\"}}")));
        assert!(text(&response).contains(&format!("\"id\":{id}")), "{}", text(&response));
    }
    drop(workspace);
    assert_eq!(executor.counters().buffers.load(Relaxed), 1, "they came back");
}

#[test]
fn the_newest_refused_event_is_kept_for_the_log_and_all_are_counted() {
    let executor = World::new().executor();
    assert_eq!(executor.last_refused(), None);
    for name in ["Pet", "Rock"] {
        let json = format!("{{\"__typename\":\"{name}\",\"id\":1}}");
        block_on(executor.resolve(group(None, employee()), event(&json)));
    }
    let last = executor.last_refused().expect("refused");
    assert_eq!((&*last.field, last.message.contains("'Rock'")), ("changed", true), "{last:?}");
    assert_eq!(executor.counters().events_invalid.load(Relaxed), 2);
}

#[test]
fn an_event_that_is_no_object_is_refused() {
    let refused = r#"{"errors":[{"message":"Invalid message received"}],"data":null}"#;
    check_event(&World::new(), &group(None, employee()), "[1]", refused);
}

#[test]
fn numbers_pass_byte_for_byte_and_ids_become_strings() {
    let ty = object(
        "Deal",
        vec![
            field("id", leaf(Leaf::Id)),
            field("big", leaf(Leaf::Custom)),
            field("float", leaf(Leaf::Float)),
            field("int", leaf(Leaf::Int)),
        ],
    );
    check_event(
        &World::new(),
        &group(None, ty),
        r#"{"id":9007199254740993,"big":9007199254740993,"float":1.50e2,"int":9007199254740993}"#,
        r#"{"errors":[{"message":"Value of field 'Subscription.changed.int' is not an Int.","path":["changed","int"],"extensions":{"code":"INVALID_GRAPHQL"}}],"data":{"changed":{"id":"9007199254740993","big":9007199254740993,"float":1.50e2,"int":null}}}"#,
    );
}

#[test]
fn a_failed_enrichment_leaves_the_raw_event() {
    let deal = object("Deal", vec![field("id", leaf(Leaf::Id)), field("title", string())]);
    let fields = vec![field("raw", non_null(string())), field("deal", deal)];
    let fetch = entities("a", "changed.deal", vec![need_on(&["Deal"], vec![need("id")])]);
    let spec = group(Some(Step::Entities(fetch)), object("DealEvent", fields));
    check_event(
        &World::new(),
        &spec,
        r#"{"raw":"r","deal":{"id":"7"}}"#,
        r#"{"errors":[{"message":"Failed to fetch from Subgraph 'a' at Path 'changed.deal'.","path":["changed","deal"],"extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","serviceName":"a"}}],"data":{"changed":{"raw":"r","deal":{"id":"7","title":null}}}}"#,
    );
}

#[test]
fn events_are_resolved_on_the_pool() {
    let world = World::new();
    world.reply("a", r#"{"data":{"_entities":[{"name":"Jens"}]}}"#);
    let pool = Pool::start(&Options { resolver_threads: 1, ..Options::default() }).expect("threads");
    let run = world.executor().resolve(group(enrich(), employee()), event(r#"{"id":3}"#));
    let (answer, answered) = crossbeam_channel::bounded(1);
    pool.resolve(async move {
        let _ = answer.send(text(&run.await));
    });
    let expected = r#"{"data":{"changed":{"__typename":"Employee","id":3,"name":"Jens"}}}"#;
    assert_eq!(answered.recv_timeout(Duration::from_secs(30)).as_deref(), Ok(expected));
    pool.stop();
}
