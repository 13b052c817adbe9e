use super::{check, faults, faults_by};
use crate::language::ValidationOptions;

const END: &str = "Use different aliases on the fields to fetch both if this was intentional.";

fn conflict(name: &str, reason: &str, places: &str) -> String {
    format!("Fields \"{name}\" conflict because {reason}. {END} {places}")
}

#[test]
fn arguments_are_compared_to_the_end() {
    let differing = "they have differing arguments";
    for (one, other) in [
        ("list: [1]", "list: [1, 2]"),
        ("list: [1, 2]", "list: [2, 1]"),
        ("any: {a: 1}", "any: {a: 2}"),
        ("any: {a: 1}", "any: {a: 1, b: 1}"),
        ("any: [{a: [1]}]", "any: [{a: [1, null]}]"),
        ("any: 1", "any: 1.0"),
        ("any: \"E\"", "any: E"),
        ("text: \"a\"", "list: 1"),
        ("text: \"a\"", "text: \"a\", list: 1"),
    ] {
        let text = format!("{{ x: echo({one}) x: echo({other}) }}");
        let column = text.rfind("x:").expect("there") + 1;
        assert_eq!(faults(&text), [conflict("x", differing, &format!("1:3 1:{column}"))], "{text}");
    }
}

#[test]
fn arguments_may_come_in_any_order() {
    check(&[
        ("{ echo(list: [1], text: \"a\") echo(text: \"a\", list: [1]) }", &[]),
        ("{ echo(any: {a: 1, b: [2]}) echo(any: {b: [2], a: 1}) }", &[]),
        ("query ($v: Int) { echo(list: [$v]) echo(list: [$v]) }", &[]),
    ]);
}

#[test]
fn conflicts_are_found_behind_nested_spreads() {
    let text = "{ me { ...A } me { ...C } } fragment A on User { x: name ...B } fragment B on User { y: id } fragment C on User { ...D } fragment D on User { y: name }";
    let reason = "subfields \"y\" conflict because \"id\" and \"name\" are different fields";
    assert_eq!(faults(text), [conflict("me", reason, "1:3 1:86 1:15 1:143")]);
    let text = "{ me { ...A ...C } } fragment A on User { ...B } fragment B on User { y: id } fragment C on User { y: name }";
    assert_eq!(faults(text), [conflict("y", "\"id\" and \"name\" are different fields", "1:71 1:100")]);
}

#[test]
fn objects_that_never_meet_may_differ_but_in_shape() {
    check(&[
        (
            "{ node { ... on User { x: best { id } } ... on Product { x: id } } }",
            &[&conflict("x", "they return conflicting types \"User\" and \"ID!\"", "1:24 1:58")],
        ),
        (
            "{ item { ... on User { x: name } ... on Product { x: name } } }",
            &[&conflict("x", "they return conflicting types \"String\" and \"String!\"", "1:24 1:51")],
        ),
        ("{ node { ... on User { x: id } ... on Product { x: id } } }", &[]),
        ("{ item { ... on User { x: id } ... on Node { x: id } } }", &[]),
    ]);
}

#[test]
fn circles_of_fragments_come_to_an_end() {
    let text = "{ me { ...A ...B } } fragment A on User { best { ...A best { ...B } } } fragment B on User { best { ...B best { ...A } } }";
    let found = faults(text);
    assert!(found.iter().all(|it| it.starts_with("Cannot spread fragment")), "{found:?}");
}

/// Compared pair by pair at each level these would be four million comparisons at the last of eleven.
#[test]
fn repeated_levels_are_compared_once() {
    let mut set = "id".to_owned();
    for _ in 0..5 {
        set = format!("best {{ {set} }} best {{ {set} }}");
    }
    assert_eq!(faults(&format!("{{ me {{ {set} }} }}")), [""; 0]);
}

#[test]
fn too_many_comparisons_are_refused() {
    let set = "best { id name } ".repeat(100);
    let options = ValidationOptions { work_max: 1_000, ..ValidationOptions::default() };
    let text = format!("{{ me {{ {set} }} }}");
    assert_eq!(faults_by(&options, &text), ["Validation aborted."]);
    assert_eq!(faults(&text), [""; 0]);
}

#[test]
fn deep_comparisons_through_fragments_are_refused() {
    let mut text = "{ me { ...A0 ...B0 } }".to_owned();
    for i in 0..2_000 {
        let next = i + 1;
        text.push_str(&format!("fragment A{i} on User {{ best {{ ...A{next} }} }} "));
        text.push_str(&format!("fragment B{i} on User {{ best {{ ...B{next} }} }} "));
    }
    text.push_str("fragment A2000 on User { id } fragment B2000 on User { id }");
    assert_eq!(faults(&text), ["Validation aborted."]);
}

#[test]
fn long_chains_of_spreads_do_not_take_the_stack() {
    let mut text = "{ me { ...A0 ...B0 } }".to_owned();
    for i in 0..5_000 {
        text.push_str(&format!(
            "fragment A{i} on User {{ ...A{} }} fragment B{i} on User {{ ...B{} }}",
            i + 1,
            i + 1
        ));
    }
    text.push_str("fragment A5000 on User { id } fragment B5000 on User { id }");
    let options = ValidationOptions { work_max: 10_000, ..ValidationOptions::default() };
    assert_eq!(faults_by(&options, &text), ["Validation aborted."]);
}

#[test]
fn explanations_and_places_are_bounded() {
    let fields = |field: &str| (0..60).map(|it| format!("a{it}: {field} ")).collect::<String>();
    let found = faults(&format!("{{ me {{ {} }} me {{ {} }} }}", fields("id"), fields("name")));
    assert_eq!(found.len(), 1);
    assert!(found[0].len() < 1_600, "{}", found[0]);
    assert_eq!(found[0].matches(" 1:").count(), 40);
}
