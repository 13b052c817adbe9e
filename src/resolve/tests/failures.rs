//! What the client learns when a subgraph fails, and where.

use super::support::*;
use crate::{
    plan::{Field, Step, ValueType},
    resolve::FetchError,
};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

fn error(message: &str, path: &str, extensions: &str) -> String {
    let path = if path.is_empty() { String::new() } else { format!(",\"path\":{path}") };
    format!(
        "{{\"message\":\"{message}\"{path},\"extensions\":{{\"code\":\"DOWNSTREAM_SERVICE_ERROR\",{extensions}}}}}"
    )
}

fn with_errors(errors: &[String], data: &str) -> String {
    format!("{{\"errors\":[{}],\"data\":{data}}}", errors.join(","))
}

#[test]
fn a_fetch_without_a_usable_answer_is_one_error_that_names_no_host() {
    let of_a = r#""serviceName":"a""#;
    let failed = "Failed to fetch from Subgraph 'a'";
    for (reply, message, extensions) in [
        (Reply::Fail(FetchError::Unreachable("10.0.0.7".into())), format!("{failed}."), of_a.to_owned()),
        (Reply::Fail(FetchError::Status(503)), format!("{failed}."), format!("{of_a},\"statusCode\":503")),
        (
            Reply::Fail(FetchError::Timeout(Duration::from_secs(1))),
            format!("{failed}, Reason: timeout."),
            of_a.to_owned(),
        ),
        (
            Reply::Fail(FetchError::Rejected("circuit breaker open")),
            format!("{failed}, Reason: circuit breaker open."),
            of_a.to_owned(),
        ),
        (Reply::Body("<html>"), format!("{failed}, Reason: invalid JSON."), of_a.to_owned()),
        (Reply::Body("[]"), format!("{failed}, Reason: no data or errors in response."), of_a.to_owned()),
        (Reply::Body("{}"), format!("{failed}, Reason: no data or errors in response."), of_a.to_owned()),
        (
            Reply::Body(r#"{"data":null,"errors":[]}"#),
            format!("{failed}, Reason: no data or errors in response."),
            of_a.to_owned(),
        ),
    ] {
        let world = World::new();
        world.reply("a", reply);
        let plan = operation(Some(fetch("a", "1")), vec![field("x", non_null(string()))]);
        let executor = world.executor();
        let response = block_on(executor.execute(bind(plan, &[])));
        assert_eq!(text(&response), with_errors(&[error(&message, "", &extensions)], "null"));
        assert_eq!(executor.counters().fetch_errors.load(Relaxed), 1);
    }
}

#[test]
fn a_subgraphs_error_keeps_its_message_and_extensions() {
    let world = World::new();
    world.reply(
        "a",
        r#"{"errors":[{"message":"no \"x\"","path":["x_7f"],"locations":[{"line":1,"column":2}],"extensions":{"code":"NOPE","n":[1]}}],"data":{"x_7f":null}}"#,
    );
    let plan = operation(Some(fetch("a", "1")), vec![alias("mine", "x_7f", non_null(string()))]);
    check(
        &world,
        plan,
        r#"{"errors":[{"message":"no \"x\"","path":["mine"],"extensions":{"code":"NOPE","n":[1],"serviceName":"a"}}],"data":null}"#,
    );
}

/// An object `box` with the fields that subgraph b adds to entities.
fn boxes(fields: Vec<Field>) -> ValueType {
    list(object("Box", fields))
}

fn boxes_then(fields: Vec<Field>) -> crate::plan::Operation {
    let entity = entities("b", "boxes_1.@", vec![need_on(&["Box"], vec![need("id")])]);
    let steps = Step::Sequence(vec![fetch("a", "1"), Step::Entities(entity)]);
    operation(Some(steps), vec![alias("mine", "boxes_1", boxes(fields))])
}

const BOXES: &str = r#"{"data":{"boxes_1":[{"__typename":"Box","id":1},{"__typename":"Box","id":2},{"__typename":"Box","id":1}]}}"#;

#[test]
fn an_entitys_error_is_told_at_every_place_that_shows_the_entity() {
    let world = World::new();
    world.reply("a", BOXES).reply(
        "b",
        r#"{"data":{"_entities":[{"tags_2":[{"t":null}]},{"tags_2":[{"t":"ok"}]}]},"errors":[{"message":"bad tag","path":["_entities",0,"tags_2",0,"t"]}]}"#,
    );
    let tag = object("Tag", vec![alias("label", "t", string())]);
    let of_b = r#""serviceName":"b""#;
    check(
        &world,
        boxes_then(vec![alias("tags", "tags_2", list(tag))]),
        &with_errors(
            &[
                error("bad tag", r#"["mine",0,"tags",0,"label"]"#, of_b),
                error("bad tag", r#"["mine",2,"tags",0,"label"]"#, of_b),
            ],
            r#"{"mine":[{"tags":[{"label":null}]},{"tags":[{"label":"ok"}]},{"tags":[{"label":null}]}]}"#,
        ),
    );
}

#[test]
fn a_null_that_a_subgraph_explained_is_not_reported_again() {
    let world = World::new();
    world.reply("a", BOXES).reply(
        "b",
        r#"{"data":{"_entities":[null,{"w":null}]},"errors":[{"message":"gone","path":["_entities",0,"w"]}]}"#,
    );
    let of_b = r#""serviceName":"b""#;
    let own =
        r#"{"message":"Cannot return null for non-nullable field 'Query.mine.w'.","path":["mine",1,"w"]}"#;
    check(
        &world,
        boxes_then(vec![field("w", non_null(string()))]),
        &with_errors(
            &[
                error("gone", r#"["mine",0,"w"]"#, of_b),
                error("gone", r#"["mine",2,"w"]"#, of_b),
                own.to_owned(),
            ],
            r#"{"mine":[null,null,null]}"#,
        ),
    );
}

#[test]
fn a_failed_entity_fetch_is_told_once_and_explains_all_its_nulls() {
    let world = World::new();
    world.reply("a", BOXES);
    let failed =
        error("Failed to fetch from Subgraph 'b' at Path 'mine'.", r#"["mine"]"#, r#""serviceName":"b""#);
    check(
        &world,
        boxes_then(vec![field("w", non_null(string()))]),
        &with_errors(&[failed], r#"{"mine":[null,null,null]}"#),
    );
}

#[test]
fn an_answer_with_the_wrong_number_of_entities_is_not_used() {
    for body in [r#"{"data":{"_entities":[{"w":"x"}]}}"#, r#"{"data":{}}"#] {
        let world = World::new();
        world.reply("a", BOXES).reply("b", body);
        let plan = boxes_then(vec![field("w", string())]);
        let response = text(&block_on(world.executor().execute(bind(plan, &[]))));
        assert!(
            response.contains("Failed to fetch from Subgraph 'b' at Path 'mine', Reason: "),
            "{response}"
        );
        assert!(response.ends_with(r#""data":{"mine":[{"w":null},{"w":null},{"w":null}]}}"#), "{response}");
    }
}

#[test]
fn paths_through_a_batch_lead_to_the_right_alias() {
    let world = World::new();
    world.reply("a", BOXES).reply(
        "b",
        r#"{"data":{"e0":[{"w":"1"},{"w":"2"}],"e1":[{"_h":"1"},null]},"errors":[{"message":"no h","path":["e1",1,"_h"]}]}"#,
    );
    let key = || vec![need_on(&["Box"], vec![need("id")])];
    let mut second = batch_alias("e1", "r", &["boxes_1.@"], key());
    second.output_rewrites = vec![rename(&["_h"], "h")];
    let first = batch_alias("e0", "r", &["boxes_1.@"], key());
    let steps = Step::Sequence(vec![fetch("a", "1"), batch("b", vec![first, second])]);
    let shown = boxes(vec![field("w", string()), alias("high", "h", string())]);
    check(
        &world,
        operation(Some(steps), vec![alias("mine", "boxes_1", shown)]),
        &with_errors(
            &[error("no h", r#"["mine",1,"high"]"#, r#""serviceName":"b""#)],
            r#"{"mine":[{"w":"1","high":"1"},{"w":"2","high":null},{"w":"1","high":"1"}]}"#,
        ),
    );
}

#[test]
fn a_path_ends_where_the_client_sees_nothing() {
    let world = World::new();
    world.reply("a", r#"{"errors":[{"message":"m","path":["x","inner",0]}],"data":{"x":{"inner":null}}}"#);
    let plan = operation(Some(fetch("a", "1")), vec![field("x", object("X", vec![]))]);
    let expected = with_errors(&[error("m", r#"["x"]"#, r#""serviceName":"a""#)], r#"{"x":{}}"#);
    check(&world, plan, &expected);
}

/// One value under three names, of which the third shows something else of it.
fn three_names() -> Vec<Field> {
    vec![
        alias("one", "x_1", object("X", vec![field("inner", string())])),
        alias("two", "x_1", object("X", vec![alias("also", "inner", string())])),
        alias("three", "x_1", object("X", vec![field("other", string())])),
    ]
}

#[test]
fn an_error_is_told_under_every_name_that_shows_its_field() {
    let world = World::new();
    world.reply(
        "a",
        r#"{"errors":[{"message":"m","path":["x_1","inner"]}],"data":{"x_1":{"inner":null,"other":"o"}}}"#,
    );
    let of_a = r#""serviceName":"a""#;
    let expected = with_errors(
        &[error("m", r#"["one","inner"]"#, of_a), error("m", r#"["two","also"]"#, of_a)],
        r#"{"one":{"inner":null},"two":{"also":null},"three":{"other":"o"}}"#,
    );
    check(&world, operation(Some(fetch("a", "1")), three_names()), &expected);
}

#[test]
fn a_null_that_took_its_parent_along_is_told_under_every_name_of_the_parent() {
    let world = World::new();
    world.reply("a", r#"{"errors":[{"message":"m","path":["x_1","inner"]}],"data":{"x_1":null}}"#);
    let of_a = r#""serviceName":"a""#;
    let expected = with_errors(
        &[
            error("m", r#"["one","inner"]"#, of_a),
            error("m", r#"["two","also"]"#, of_a),
            error("m", r#"["three"]"#, of_a),
        ],
        r#"{"one":null,"two":null,"three":null}"#,
    );
    check(&world, operation(Some(fetch("a", "1")), three_names()), &expected);
}

#[test]
fn errors_are_bounded_and_the_rest_is_counted() {
    let items = vec!["null"; 1500].join(",");
    let mut plan = operation(None, vec![field("x", list(object("X", vec![field("y", non_null(string()))])))]);
    plan.constants = Some(format!("{{\"x\":[{}]}}", items.replace("null", "{}")).into());
    let executor = World::new().executor();
    let response = text(&block_on(executor.execute(bind(plan, &[]))));
    assert_eq!(response.matches("Cannot return null").count(), 1000);
    assert!(response.ends_with(&format!("\"data\":{{\"x\":[{items}]}}}}")));
    assert_eq!(executor.counters().errors_dropped.load(Relaxed), 500);
}

#[test]
fn a_subgraph_that_nobody_knows_is_an_error_like_any_other() {
    let plan = operation(Some(fetch("nobody", "1")), vec![field("x", string())]);
    let response = text(&block_on(World::new().executor().execute(bind(plan, &[]))));
    assert!(response.ends_with(r#""data":{"x":null}}"#), "{response}");
}

#[test]
fn a_panic_costs_one_operation() {
    let world = World::new();
    world.reply("a", Reply::Panic).reply("a", r#"{"data":{"x":"1"}}"#);
    let executor = world.executor();
    let run = || {
        let plan = operation(Some(fetch("a", "1")), vec![field("x", string())]);
        text(&block_on(executor.execute(bind(plan, &[]))))
    };
    let internal = r#"{"errors":[{"message":"Internal server error","extensions":{"code":"INTERNAL_SERVER_ERROR"}}],"data":null}"#;
    assert_eq!(run(), internal);
    assert_eq!(run(), r#"{"data":{"x":"1"}}"#);
    assert_eq!(executor.counters().panics.load(Relaxed), 1);
    assert_eq!(executor.counters().subgraphs[0].in_flight.load(Relaxed), 0);
}

/// The interface object's real type comes with the entity and is no longer what the path asks for.
#[test]
fn a_place_is_found_again_after_its_type_has_changed() {
    let world = World::new();
    world.reply("a", r#"{"data":{"box":{"__typename":"Box","id":1}}}"#).reply(
        "b",
        r#"{"data":{"_entities":[{"__typename":"Crate","w":null}]},"errors":[{"message":"gone","path":["_entities",0,"w"]}]}"#,
    );
    let entity = entities("b", "box.|Box", vec![need("id")]);
    let steps = Step::Sequence(vec![fetch("a", "1"), Step::Entities(entity)]);
    let shown = one_of("Box", &["Crate"], vec![field("w", string())]);
    check(
        &world,
        operation(Some(steps), vec![field("box", shown)]),
        &with_errors(&[error("gone", r#"["box","w"]"#, r#""serviceName":"b""#)], r#"{"box":{"w":null}}"#),
    );
}

/// The request of such files is refused: what is left of its mutation is not carried out, however far it came.
#[test]
fn nothing_more_is_sent_for_files_that_are_broken() {
    let world = World::new();
    world.reply("a", Reply::Body(r#"{"data":{"x":"1"}}"#));
    let plan = || {
        let mut plan = operation(Some(fetch("a", "mutation{x}")), vec![field("x", string())]);
        plan.kind = crate::plan::OperationKind::Mutation;
        plan
    };
    for (is_broken, expected) in [(false, 1), (true, 0)] {
        let uploads = std::sync::Arc::new(crate::graphql::Uploads::new("n", Vec::new()));
        if is_broken {
            uploads.broke();
        }
        let mut bound = bind(plan(), &[]);
        bound.forwarded.files = Some(uploads);
        let executor = world.executor();
        block_on(executor.execute(bound));
        assert_eq!(executor.counters().fetches.load(Relaxed), expected);
    }
}
