//! One story for each kind of step.

use super::support::*;
use crate::{
    plan::{BrokerCall, BrokerOperation, InputValue, LabelTemplates, Leaf, ProviderKind, Step, Template},
    resolve::BrokerMessage,
};
use std::sync::Arc;
use tokio::sync::oneshot;

#[test]
fn constants_come_first_and_need_no_step() {
    let version = object("V", vec![field("n", leaf(Leaf::Int))]);
    let mut plan = operation(None, vec![typename("t"), field("version", version)]);
    plan.constants = Some(r#"{"version":{"n":1}}"#.into());
    check(&World::new(), plan, r#"{"data":{"t":"Query","version":{"n":1}}}"#);
}

#[test]
fn a_request_carries_only_the_variables_that_it_uses() {
    let world = World::new();
    world.reply("a", r#"{"data":{"x":"1"}}"#);
    let Step::Fetch(mut root) = fetch("a", "query($v:Int){x(v:$v,s:\"q\")}") else { unreachable!() };
    root.request.variables = vec!["absent".into(), "v".into()];
    let plan = operation(Some(Step::Fetch(root)), vec![field("x", string())]);
    let bound = bind(plan, &[("v", "9007199254740993"), ("other", "1")]);
    assert_eq!(text(&block_on(world.executor().execute(bound))), r#"{"data":{"x":"1"}}"#);
    assert_eq!(
        world.bodies(),
        [r#"{"query":"query($v:Int){x(v:$v,s:\"q\")}","variables":{"v":9007199254740993}}"#]
    );
}

#[test]
fn a_condition_chooses_by_its_variable() {
    for (variables, expected) in
        [(&[("on", "true")][..], "T"), (&[("on", "false")], "F"), (&[], "F"), (&[("on", "null")], "F")]
    {
        let world = World::new();
        world.reply("a", r#"{"data":{"x":"1"}}"#);
        let step = Step::Condition {
            variable: "on".into(),
            then: Some(Box::new(fetch("a", "T"))),
            otherwise: Some(Box::new(fetch("a", "F"))),
        };
        let plan = operation(Some(step), vec![field("x", string())]);
        block_on(world.executor().execute(bind(plan, variables)));
        assert_eq!(world.bodies(), [format!("{{\"query\":\"{expected}\"}}")]);
    }
    let nothing = Step::Condition { variable: "on".into(), then: None, otherwise: None };
    check(&World::new(), operation(Some(nothing), vec![field("x", string())]), r#"{"data":{"x":null}}"#);
}

#[test]
fn a_sequence_waits_for_each_step() {
    let world = World::new();
    let (first, answer) = oneshot::channel();
    world.reply("a", Reply::When(answer)).reply("b", r#"{"data":{"y":"2"}}"#);
    let plan = operation(
        Some(Step::Sequence(vec![fetch("a", "1"), fetch("b", "2")])),
        vec![field("x", string()), field("y", string())],
    );
    let response = block_on(async {
        let run = world.executor().execute(bind(plan, &[]));
        let script = async {
            assert_eq!(world.bodies(), [r#"{"query":"1"}"#]);
            first.send(r#"{"data":{"x":"1"}}"#).expect("waited for");
        };
        tokio::join!(biased; run, script).0
    });
    assert_eq!(text(&response), r#"{"data":{"x":"1","y":"2"}}"#);
    assert_eq!(world.bodies().len(), 2);
}

/// Data and errors come out the same, whichever answer is first.
#[test]
fn parallel_steps_run_at_once_and_their_order_does_not_show() {
    for a_first in [true, false] {
        let world = World::new();
        let ((a, for_a), (b, for_b)) = (oneshot::channel(), oneshot::channel());
        world.reply("a", Reply::When(for_a)).reply("b", Reply::When(for_b));
        let plan = operation(
            Some(Step::Parallel(vec![fetch("a", "1"), fetch("b", "2")])),
            vec![field("x", string()), field("y", string())],
        );
        let answer_a = r#"{"data":{"x":"1"},"errors":[{"message":"of a"}]}"#;
        let answer_b = r#"{"data":{"y":"2"},"errors":[{"message":"of b"}]}"#;
        let response = block_on(async {
            let script = async {
                assert_eq!(world.bodies().len(), 2, "both are on their way before either answers");
                let mut both = vec![(a, answer_a), (b, answer_b)];
                if !a_first {
                    both.reverse();
                }
                for (sender, answer) in both {
                    sender.send(answer).expect("waited for");
                    tokio::task::yield_now().await;
                }
            };
            let run = world.executor().execute(bind(plan, &[]));
            tokio::join!(biased; run, script).0
        });
        let error = |name: &str| {
            format!(
                "{{\"message\":\"of {name}\",\"extensions\":{{\"code\":\"DOWNSTREAM_SERVICE_ERROR\",\
                 \"serviceName\":\"{name}\"}}}}"
            )
        };
        let expected =
            format!("{{\"errors\":[{},{}],\"data\":{{\"x\":\"1\",\"y\":\"2\"}}}}", error("a"), error("b"));
        assert_eq!(text(&response), expected);
    }
}

#[test]
fn a_root_reentry_lands_in_every_object_at_its_path() {
    let world = World::new();
    world.reply("a", r#"{"data":{"items":[{"again":{}},null,{"again":{"y":1}}]}}"#);
    world.reply("b", r#"{"data":{"x":"1"}}"#);
    let again = object("Query", vec![field("x", string())]);
    let items = list(object("Item", vec![field("again", again)]));
    let plan = operation(
        Some(Step::Sequence(vec![fetch("a", "1"), fetch_at("b", "2", "items.@.again")])),
        vec![field("items", items)],
    );
    let expected = r#"{"data":{"items":[{"again":{"x":"1"}},null,{"again":{"x":"1"}}]}}"#;
    check(&world, plan, expected);
}

#[test]
fn a_root_reentry_without_a_place_to_land_is_not_sent() {
    let world = World::new();
    world.reply("a", r#"{"data":{"again":null}}"#);
    let again = object("Query", vec![field("x", string())]);
    let steps = Step::Sequence(vec![fetch("a", "1"), fetch_at("b", "2", "again")]);
    check(&world, operation(Some(steps), vec![field("again", again)]), r#"{"data":{"again":null}}"#);
    assert_eq!(world.asked().len(), 1);
}

#[test]
fn answers_are_rewritten_before_they_are_merged() {
    let world = World::new();
    world.reply("a", r#"{"data":{"items":[{"_alias":1,"n":{"__typename":"X"}},{"k":2}]}}"#);
    let Step::Fetch(mut root) = fetch("a", "1") else { unreachable!() };
    root.output_rewrites = vec![
        rename(&["items", "_alias"], "k"),
        set(&["items", "n", "|X", "__typename"], "Y"),
        set(&["items", "n", "|Z", "__typename"], "W"),
    ];
    let n = object("N", vec![field("__typename", string())]);
    let item = object("Item", vec![field("k", leaf(Leaf::Int)), field("n", n)]);
    check(
        &world,
        operation(Some(Step::Fetch(root)), vec![field("items", list(item))]),
        r#"{"data":{"items":[{"k":1,"n":{"__typename":"Y"}},{"k":2,"n":null}]}}"#,
    );
}

fn broker_call(operation: BrokerOperation, possible: &[&str]) -> Step {
    Step::Broker(BrokerCall {
        operation,
        field: "tell".into(),
        key: "tell".into(),
        graph: "events".into(),
        kind: ProviderKind::Nats,
        provider: "default".into(),
        destination: Template::parse("employee.{{ args.id }}"),
        labels: LabelTemplates::default(),
        arguments: vec![
            ("id".into(), InputValue::Variable("id".into())),
            ("gone".into(), InputValue::Variable("gone".into())),
            ("name".into(), InputValue::Json("\"x\"".into())),
        ],
        possible: types(possible),
    })
}

fn told(world: &Arc<World>, step: Step, field: crate::plan::Field, id: &str) -> String {
    text(&block_on(world.executor().execute(bind(operation(Some(step), vec![field]), &[("id", id)]))))
}

#[test]
fn publishing_answers_whether_it_was_confirmed() {
    let result = || {
        let success = alias("ok", "success", non_null(leaf(Leaf::Boolean)));
        alias("mine", "tell", non_null(object("edfs__PublishResult", vec![success, typename("t")])))
    };
    for (scripted, ok) in [(Ok(""), true), (Err("down"), false)] {
        let world = World::new();
        *world.broker.lock().expect("lock") = Some(scripted);
        let step = broker_call(BrokerOperation::Publish, &["edfs__PublishResult"]);
        let expected = format!("{{\"data\":{{\"mine\":{{\"ok\":{ok},\"t\":\"edfs__PublishResult\"}}}}}}");
        assert_eq!(told(&world, step, result(), "3"), expected);
        let messages = world.messages.lock().expect("lock");
        let BrokerMessage { destination, payload, .. } = &messages[0];
        assert_eq!((&**destination, &payload[..]), ("employee.3", &br#"{"id":3,"name":"x"}"#[..]));
    }
}

#[test]
fn a_value_that_cannot_be_in_a_subject_reaches_no_broker() {
    let world = World::new();
    let step = broker_call(BrokerOperation::Publish, &["edfs__PublishResult"]);
    let field = alias("mine", "tell", object("edfs__PublishResult", vec![]));
    let response = told(&world, step, field, r#""*""#);
    assert!(response.contains("wildcard") && response.contains(r#""path":["mine"]"#), "{response}");
    assert!(world.messages.lock().expect("lock").is_empty());
}

#[test]
fn a_reply_must_be_an_object_of_a_type_that_it_may_have() {
    let failed = |message: &str, extensions: &str| {
        format!(
            "{{\"errors\":[{{\"message\":\"{message}\",\"path\":[\"tell\"],\
             \"extensions\":{{{extensions}}}}}],\"data\":{{\"tell\":null}}}}"
        )
    };
    let downstream = r#""code":"DOWNSTREAM_SERVICE_ERROR","serviceName":"events""#;
    let unusable = |reason: &str| {
        failed(&format!("Failed to fetch from Subgraph 'events', Reason: {reason}."), downstream)
    };
    let wrong_type = failed(
        "Subgraph 'events' returned invalid value 'Pet' for __typename field.",
        r#""code":"INVALID_GRAPHQL""#,
    );
    for (reply, expected) in [
        (Ok(r#"{"id":1}"#), r#"{"data":{"tell":{"__typename":"Employee","id":1}}}"#.to_owned()),
        (Ok("[]"), unusable("the reply is no JSON object")),
        (Ok("{"), unusable("invalid JSON")),
        (Err("no responders"), unusable("no responders")),
        (Ok(r#"{"__typename":"Pet"}"#), wrong_type),
    ] {
        let world = World::new();
        *world.broker.lock().expect("lock") = Some(reply);
        let employee = object("Employee", vec![typename("__typename"), field("id", leaf(Leaf::Int))]);
        let step = broker_call(BrokerOperation::Request, &["Employee"]);
        assert_eq!(told(&world, step, field("tell", employee), "3"), expected);
    }
}
