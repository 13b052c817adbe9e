//! What a response shows of the data.

use super::support::*;
use crate::plan::{Field, FieldSource, Leaf, ValueType};

/// Projects `data` as a root fetch brought it.
#[track_caller]
fn check_shape(data: &str, fields: Vec<Field>, expected: &str) {
    let mut plan = operation(None, fields);
    plan.constants = Some(data.to_owned().into());
    check(&World::new(), plan, expected);
}

fn not_null(path: &str, keys: &str, data: &str) -> String {
    format!(
        "{{\"errors\":[{{\"message\":\"Cannot return null for non-nullable field 'Query.{path}'.\",\
         \"path\":{keys}}}],\"data\":{data}}}"
    )
}

#[test]
fn fields_come_in_the_clients_order_under_its_names() {
    check_shape(
        r#"{"b":1,"a":{"y":2,"x":"t"},"unasked":[]}"#,
        vec![
            alias("z", "a", object("A", vec![field("x", string()), alias("k", "y", leaf(Leaf::Int))])),
            field("b", leaf(Leaf::Int)),
            alias("again", "b", leaf(Leaf::Int)),
        ],
        r#"{"data":{"z":{"x":"t","k":2},"b":1,"again":1}}"#,
    );
}

#[test]
fn a_null_moves_up_to_the_next_place_where_it_may_be() {
    let user = || object("User", vec![field("id", leaf(Leaf::Id)), field("name", non_null(string()))]);
    let data = r#"{"first":"f","users":[{"id":1,"name":"x"},{"id":2}]}"#;
    let with = |ty: ValueType| vec![field("first", string()), field("users", ty)];
    let path = r#"["users",1,"name"]"#;
    for (ty, shown) in [
        (list(user()), r#"{"first":"f","users":[{"id":"1","name":"x"},null]}"#),
        (list(non_null(user())), r#"{"first":"f","users":null}"#),
        (non_null(list(user())), r#"{"first":"f","users":[{"id":"1","name":"x"},null]}"#),
        (non_null(list(non_null(user()))), "null"),
    ] {
        check_shape(data, with(ty), &not_null("users.name", path, shown));
    }
}

#[test]
fn leaves_are_checked_against_their_types() {
    let color = || Leaf::Enum(types(&["RED"]));
    for (json, ty, shown) in [
        ("2147483647", Leaf::Int, Some("2147483647")),
        ("-2147483648", Leaf::Int, Some("-2147483648")),
        ("2147483648", Leaf::Int, None),
        ("1.5", Leaf::Int, None),
        ("1.0", Leaf::Int, Some("1")),
        ("1e3", Leaf::Int, Some("1000")),
        ("-0", Leaf::Int, Some("0")),
        ("\"1\"", Leaf::Int, None),
        ("1", Leaf::Float, Some("1")),
        ("1.50", Leaf::Float, Some("1.50")),
        ("1e300", Leaf::Float, Some("1e300")),
        ("1e400", Leaf::Float, None),
        ("\"1\"", Leaf::Float, None),
        ("\"\\u00e9\"", Leaf::String, Some("\"\\u00e9\"")),
        ("1", Leaf::String, None),
        ("true", Leaf::Boolean, Some("true")),
        ("1", Leaf::Boolean, None),
        ("\"a\"", Leaf::Id, Some("\"a\"")),
        ("123456789012345678901234567890", Leaf::Id, Some("\"123456789012345678901234567890\"")),
        ("1.5", Leaf::Id, None),
        ("true", Leaf::Id, None),
        ("\"RED\"", color(), Some("\"RED\"")),
        ("\"HIDDEN\"", color(), None),
        ("{}", Leaf::String, None),
        ("{\"a\": [1.0, {\"b\":null}]}", Leaf::Custom, Some("{\"a\":[1.0,{\"b\":null}]}")),
    ] {
        let mut plan = operation(None, vec![field("x", leaf(ty))]);
        plan.constants = Some(format!("{{\"x\":{json}}}").into());
        let response = text(&block_on(World::new().executor().execute(bind(plan, &[]))));
        match shown {
            Some(shown) => assert_eq!(response, format!("{{\"data\":{{\"x\":{shown}}}}}"), "{json}"),
            None => {
                assert!(response.starts_with(r#"{"errors":[{"message":"Value of field 'Query.x' is not a"#));
                assert!(response.ends_with(r#""data":{"x":null}}"#), "{json}: {response}");
            }
        }
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_one_error() {
    let invalid = |what: &str| {
        format!(
            "{{\"errors\":[{{\"message\":\"Value of field 'Query.x' is not {what}.\",\"path\":[\"x\"],\
             \"extensions\":{{\"code\":\"INVALID_GRAPHQL\"}}}}],\"data\":null}}"
        )
    };
    check_shape(r#"{"x":"s"}"#, vec![field("x", non_null(list(string())))], &invalid("a list"));
    check_shape(r#"{"x":"s"}"#, vec![field("x", non_null(object("O", vec![])))], &invalid("an object"));
    check_shape(r#"{"x":"s"}"#, vec![field("x", non_null(leaf(Leaf::Int)))], &invalid("an Int"));
}

#[test]
fn fields_follow_the_type_of_the_object_at_hand() {
    let node = || {
        let fields = vec![
            typename("t"),
            on(&["Cat"], alias("name", "mew", string())),
            on(&["Dog"], alias("name", "bark", string())),
            field("id", leaf(Leaf::Id)),
        ];
        list(one_of("Pet", &["Cat", "Dog"], fields))
    };
    check_shape(
        r#"{"x":[{"__typename":"Cat","mew":"m","bark":"b","id":1},{"__typename":"Dog","bark":"b"},{"__typename":"Pet","id":2}]}"#,
        vec![field("x", node())],
        r#"{"data":{"x":[{"t":"Cat","name":"m","id":"1"},{"t":"Dog","name":"b","id":null},{"t":"Pet","id":"2"}]}}"#,
    );
    for hidden in [r#"{"__typename":"Secret","id":1}"#, r#"{"id":1}"#] {
        check_shape(
            &format!("{{\"x\":[{hidden}]}}"),
            vec![field("x", node())],
            r#"{"errors":[{"message":"Value of field 'Query.x' is not an object of a type that it may have.","path":["x",0],"extensions":{"code":"INVALID_GRAPHQL"}}],"data":{"x":[null]}}"#,
        );
    }
}

#[test]
fn an_abstract_value_without_a_type_is_shown_where_the_type_does_not_matter() {
    let pet = one_of("Pet", &["Cat", "Dog"], vec![field("id", leaf(Leaf::Id))]);
    check_shape(r#"{"x":{"id":1}}"#, vec![field("x", pet)], r#"{"data":{"x":{"id":"1"}}}"#);
}

#[test]
fn an_interface_with_one_type_needs_no_typename() {
    let pet = one_of("Pet", &["Cat"], vec![typename("t"), on(&["Cat"], field("mew", string()))]);
    check_shape(r#"{"x":{"mew":"m"}}"#, vec![field("x", pet)], r#"{"data":{"x":{"t":"Cat","mew":"m"}}}"#);
}

#[test]
fn a_field_that_no_plan_leads_to_is_null_with_an_error_for_each_object() {
    let cut =
        |nullable| Field { key: "c".into(), source: FieldSource::Unreachable { nullable }, types: None };
    let data = r#"{"things":[{"a":1},{"a":2}]}"#;
    let with = |nullable| {
        vec![field("things", list(object("Thing", vec![field("a", leaf(Leaf::Int)), cut(nullable)])))]
    };
    let error = |index: usize| {
        format!(
            "{{\"message\":\"Field 'Query.things.c' cannot be reached: no subgraph that has it can be asked \
             for it here.\",\"path\":[\"things\",{index},\"c\"],\
             \"extensions\":{{\"code\":\"UNREACHABLE_FIELD\"}}}}"
        )
    };
    let errors = format!("{},{}", error(0), error(1));
    let shown = r#"{"things":[{"a":1,"c":null},{"a":2,"c":null}]}"#;
    check_shape(data, with(true), &format!("{{\"errors\":[{errors}],\"data\":{shown}}}"));
    check_shape(data, with(false), &format!("{{\"errors\":[{errors}],\"data\":{{\"things\":[null,null]}}}}"));
}
