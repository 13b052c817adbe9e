//! How much of what a subgraph says went wrong reaches the client.

use super::support::*;
use crate::{
    plan::{Operation, Step},
    resolve::{ErrorMode, ErrorPropagation, FetchError, Options},
};

const ANSWER: &str = r#"{"errors":[{"message":"no","path":["x"],"locations":[{"line":1,"column":2}],"userId":7,"extensions":{"code":"NOPE","trace":[1]}},{"message":"also no"}],"data":{"x":null}}"#;

fn ask() -> Operation {
    operation(Some(fetch("a", "1")), vec![alias("mine", "x", string())])
}

/// The `errors` of the response to a query that a subgraph answers so.
fn errors_of(policy: ErrorPropagation, reply: impl Into<Reply>) -> String {
    let world = World::new();
    world.reply("a", reply);
    let executor = world.executor_with(&Options { errors: policy, ..Options::default() });
    let response = text(&block_on(executor.execute(bind(ask(), &[]))));
    let errors =
        response.strip_prefix("{\"errors\":").and_then(|it| it.strip_suffix(",\"data\":{\"mine\":null}}"));
    errors.unwrap_or_else(|| panic!("{response}")).to_owned()
}

#[test]
fn by_default_a_subgraphs_errors_lie_in_one_that_names_it() {
    assert_eq!(
        errors_of(ErrorPropagation::default(), ANSWER),
        concat!(
            r#"[{"message":"Failed to fetch from Subgraph 'a'.","extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","serviceName":"a","errors":["#,
            r#"{"message":"no","path":["mine"],"extensions":{"code":"NOPE","serviceName":"a"}},"#,
            r#"{"message":"also no","extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","serviceName":"a"}}]}}]"#
        )
    );
}

#[test]
fn each_can_come_by_itself() {
    let policy = ErrorPropagation { mode: ErrorMode::PassThrough, ..ErrorPropagation::default() };
    assert_eq!(
        errors_of(policy, ANSWER),
        concat!(
            r#"[{"message":"no","path":["mine"],"extensions":{"code":"NOPE","serviceName":"a"}},"#,
            r#"{"message":"also no","extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","serviceName":"a"}}]"#
        )
    );
}

#[test]
fn hidden_they_say_nothing_about_the_graph() {
    for reply in [Reply::Body(ANSWER), Reply::Fail(FetchError::Status(418)), Reply::Body("no JSON")] {
        let policy = ErrorPropagation { mode: ErrorMode::Hidden, ..ErrorPropagation::default() };
        assert_eq!(
            errors_of(policy, reply),
            r#"[{"message":"Failed to fetch from Subgraph.","extensions":{"code":"DOWNSTREAM_SERVICE_ERROR"}}]"#
        );
    }
}

#[test]
fn what_passes_is_chosen_by_name() {
    let policy = ErrorPropagation {
        mode: ErrorMode::PassThrough,
        omit_locations: false,
        propagate_status_codes: true,
        attach_service_name: false,
        default_code: String::new(),
        allowed_extensions: Some(vec!["trace".into()]),
        allowed_fields: vec!["userId".into()],
        ..ErrorPropagation::default()
    };
    assert_eq!(
        errors_of(policy, ANSWER),
        concat!(
            r#"[{"message":"no","locations":[{"line":1,"column":2}],"path":["mine"],"#,
            r#""extensions":{"trace":[1],"statusCode":200},"userId":7},"#,
            r#"{"message":"also no","extensions":{"statusCode":200}}]"#
        )
    );
}

#[test]
fn extensions_and_paths_can_be_left_out() {
    let policy = ErrorPropagation {
        mode: ErrorMode::PassThrough,
        omit_extensions: true,
        rewrite_paths: false,
        ..ErrorPropagation::default()
    };
    assert_eq!(errors_of(policy, ANSWER), r#"[{"message":"no"},{"message":"also no"}]"#);
}

#[test]
fn wrapped_errors_explain_their_own_nulls_and_no_others() {
    let world = World::new();
    world.reply("a", r#"{"data":{"boxes":[{"__typename":"Box","id":"1"},{"__typename":"Box","id":"2"}]}}"#);
    world.reply(
        "b",
        r#"{"errors":[{"message":"gone","path":["_entities",0,"w"]}],"data":{"_entities":[null,{"w":null}]}}"#,
    );
    let complete = entities("b", "boxes.@", vec![need("__typename"), need("id")]);
    let steps = Step::Sequence(vec![fetch("a", "1"), Step::Entities(complete)]);
    let boxes = list(object("Box", vec![field("w", non_null(string()))]));
    let plan = operation(Some(steps), vec![field("boxes", boxes)]);
    let executor = world.executor_with(&Options::default());
    assert_eq!(
        text(&block_on(executor.execute(bind(plan, &[])))),
        concat!(
            r#"{"errors":[{"message":"Failed to fetch from Subgraph 'b' at Path 'boxes'.","path":["boxes"],"#,
            r#""extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","serviceName":"b","errors":[{"message":"gone","path":["boxes",0,"w"],"#,
            r#""extensions":{"code":"DOWNSTREAM_SERVICE_ERROR","serviceName":"b"}}]}},"#,
            r#"{"message":"Cannot return null for non-nullable field 'Query.boxes.w'.","path":["boxes",1,"w"]}],"#,
            r#""data":{"boxes":[null,null]}}"#
        )
    );
}
