//! Tables of values, what becomes of them, and in which words they are refused.

use super::*;
use crate::graphql::Location;
use std::sync::Arc;

/// `[Int!]!` from its spelling.
fn ty(text: &str) -> InputType {
    if let Some(inner) = text.strip_suffix('!') {
        return InputType::NonNull(Box::new(ty(inner)));
    }
    match text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(inner) => InputType::List(Box::new(ty(inner))),
        None => InputType::Named(text.into()),
    }
}

fn object(fields: &[(&str, &str, Option<&'static str>)], one_of: bool) -> InputDefinition {
    let field = |(name, of, default): &(&str, &str, Option<&'static str>)| InputField {
        name: (*name).into(),
        ty: ty(of),
        default: default.map(|it| Bytes::from_static(it.as_bytes())),
    };
    InputDefinition::Object { fields: fields.iter().map(field).collect(), one_of }
}

fn types() -> InputTypes {
    let point = object(&[("x", "Int!", None), ("y", "Int", Some("7")), ("tags", "[String!]", None)], false);
    let nested = object(&[("p", "Point", Some("{\"x\":1}")), ("q", "Nested", None)], false);
    let endless = object(&[("again", "Endless", Some("{}")), ("more", "Endless", Some("{}"))], false);
    [
        ("Int", InputDefinition::Int),
        ("Float", InputDefinition::Float),
        ("String", InputDefinition::String),
        ("Boolean", InputDefinition::Boolean),
        ("ID", InputDefinition::Id),
        ("JSON", InputDefinition::Custom),
        ("Color", InputDefinition::Enum(vec!["RED".into(), "GREEN".into()])),
        ("Point", point),
        ("Nested", nested),
        ("Endless", endless),
        ("By", object(&[("id", "ID", None), ("name", "String", None)], true)),
    ]
    .into_iter()
    .map(|(name, definition)| (Arc::from(name), definition))
    .collect()
}

fn definition(name: &str, of: &str, default: Option<&'static str>) -> VariableDefinition {
    VariableDefinition {
        name: name.into(),
        ty: ty(of),
        default: default.map(|it| Bytes::from_static(it.as_bytes())),
        location: Location { line: 1, column: 9 },
    }
}

/// The value of `$v: TYPE = default` after coercion; `None` when it is absent.
fn coerce(of: &str, default: Option<&'static str>, given: &str) -> Result<Option<String>, Vec<Error>> {
    let given = Bytes::copy_from_slice(given.as_bytes());
    let variables = coerce_variables(&[definition("v", of, default)], &types(), &given)?;
    Ok(variables.get("v").map(|it| String::from_utf8(it.to_vec()).expect("UTF-8")))
}

fn refusal(of: &str, value: &str) -> Vec<String> {
    let errors = coerce(of, None, &format!("{{\"v\":{value}}}")).expect_err(value);
    errors.into_iter().map(|it| it.message).collect()
}

#[test]
fn values_that_fit_are_taken_as_they_are_written() {
    for (of, value, wanted) in [
        ("Int", "-2147483648", "-2147483648"),
        ("Int", "1e3", "1000"),
        ("Int", "-4.0", "-4"),
        ("Int", "-0", "0"),
        ("Int", "-0.0", "0"),
        ("Int", "null", "null"),
        ("Float", "1.50e-7", "1.50e-7"),
        ("Float", "123456789012345678901234567890", "123456789012345678901234567890"),
        ("String", r#""\u00e9\/""#, r#""\u00e9\/""#),
        ("Boolean", "true", "true"),
        ("ID", r#""a""#, r#""a""#),
        ("ID", "9007199254740993", r#""9007199254740993""#),
        ("ID", "7.0", r#""7""#),
        ("ID", "-0.0", r#""0""#),
        ("Color", r#""RED""#, r#""RED""#),
        (
            "JSON",
            r#"{"a":[1.0,{"b":null}],"c":9007199254740993}"#,
            r#"{"a":[1.0,{"b":null}],"c":9007199254740993}"#,
        ),
        ("[Int]", "5", "[5]"),
        ("[Int]", "null", "null"),
        ("[[Int]]", "[1,[2,null],null]", "[[1],[2,null],null]"),
        ("[Int!]!", "[]", "[]"),
        ("[ID]", "[1,\"b\"]", "[\"1\",\"b\"]"),
        ("Point", r#"{"tags":"a","x":1}"#, r#"{"tags":["a"],"x":1,"y":7}"#),
        ("Point", r#"{"y":null,"x":1}"#, r#"{"y":null,"x":1}"#),
        ("Point", r#"{"x":"no","x":2,"y":3}"#, r#"{"x":2,"y":3}"#),
        ("Nested", "{}", r#"{"p":{"x":1,"y":7}}"#),
        ("Nested", r#"{"q":{"p":null}}"#, r#"{"q":{"p":null},"p":{"x":1,"y":7}}"#),
        ("By", r#"{"id":3}"#, r#"{"id":"3"}"#),
    ] {
        let given = format!("{{\"other\":0,\"v\":{value}}}");
        assert_eq!(coerce(of, None, &given), Ok(Some(wanted.into())), "{of}: {value}");
    }
}

#[test]
fn absent_is_not_null() {
    assert_eq!(coerce("Int", None, "{}"), Ok(None));
    assert_eq!(coerce("Int", Some("4"), "{}"), Ok(Some("4".into())));
    assert_eq!(coerce("Int!", Some("4"), "{}"), Ok(Some("4".into())));
    assert_eq!(coerce("Int", Some("4"), r#"{"v":null}"#), Ok(Some("null".into())));
    assert_eq!(coerce("[Point]", Some(r#"{"x":1}"#), "{}"), Ok(Some(r#"[{"x":1,"y":7}]"#.into())));
}

#[test]
fn values_that_do_not_fit_are_refused_in_known_words() {
    for (of, value, message) in [
        (
            "Int",
            r#""a""#,
            r#"Variable "$v" got invalid value "a"; Int cannot represent non-integer value: "a""#,
        ),
        ("Int", "1.5", r#"Variable "$v" got invalid value 1.5; Int cannot represent non-integer value: 1.5"#),
        (
            "Int",
            "2147483648",
            r#"Variable "$v" got invalid value 2147483648; Int cannot represent non 32-bit signed integer value: 2147483648"#,
        ),
        (
            "Int",
            "1e400",
            r#"Variable "$v" got invalid value 1e400; Int cannot represent non-integer value: 1e400"#,
        ),
        (
            "Float",
            "1e400",
            r#"Variable "$v" got invalid value 1e400; Float cannot represent non numeric value: 1e400"#,
        ),
        (
            "String",
            "1",
            r#"Variable "$v" got invalid value 1; String cannot represent a non string value: 1"#,
        ),
        (
            "Boolean",
            "0",
            r#"Variable "$v" got invalid value 0; Boolean cannot represent a non boolean value: 0"#,
        ),
        ("ID", "1.5", r#"Variable "$v" got invalid value 1.5; ID cannot represent value: 1.5"#),
        ("ID", "[]", r#"Variable "$v" got invalid value []; ID cannot represent value: []"#),
        (
            "Color",
            r#""BLUE""#,
            r#"Variable "$v" got invalid value "BLUE"; Value "BLUE" does not exist in "Color" enum."#,
        ),
        (
            "Color",
            "3",
            r#"Variable "$v" got invalid value 3; Enum "Color" cannot represent non-string value: 3."#,
        ),
        ("Int!", "null", r#"Variable "$v" of non-null type "Int!" must not be null."#),
        (
            "[[Int!]]",
            "[[1,null]]",
            r#"Variable "$v" got invalid value null at "v[0][1]"; Expected non-nullable type "Int!" not to be null."#,
        ),
        ("Point", "[1]", r#"Variable "$v" got invalid value [1]; Expected type "Point" to be an object."#),
        (
            "Point",
            "{}",
            r#"Variable "$v" got invalid value {}; Field "x" of required type "Int!" was not provided."#,
        ),
        (
            "Nested",
            r#"{"q":{"p":{"x":"a","tags":{"t":[[[]]]}}}}"#,
            r#"Variable "$v" got invalid value "a" at "v.q.p.x"; Int cannot represent non-integer value: "a""#,
        ),
        (
            "Point",
            r#"{"x":1,"z":{"a":{"b":{"c":1}}}}"#,
            r#"Variable "$v" got invalid value { x: 1, z: { a: [Object] } }; Field "z" is not defined by type "Point"."#,
        ),
        (
            "By",
            r#"{"id":1,"name":"x"}"#,
            r#"Variable "$v" got invalid value { id: 1, name: "x" }; Exactly one key must be specified for OneOf type "By"."#,
        ),
        (
            "By",
            "{}",
            r#"Variable "$v" got invalid value {}; Exactly one key must be specified for OneOf type "By"."#,
        ),
        (
            "By",
            r#"{"id":null}"#,
            r#"Variable "$v" got invalid value null at "v.id"; Field "id" must be non-null."#,
        ),
        ("Nope", "1", r#"Variable "$v" got invalid value 1; Unknown type "Nope"."#),
    ] {
        assert_eq!(refusal(of, value)[0], message, "{of}: {value}");
    }
}

#[test]
fn errors_carry_code_and_place_and_all_are_told() {
    let definitions = [definition("a", "Int!", None), definition("b", "Color", None)];
    let given = Bytes::from_static(br#"{"b":"X"}"#);
    let errors = coerce_variables(&definitions, &types(), &given).expect_err("two errors");
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0].message, r#"Variable "$a" of required type "Int!" was not provided."#);
    for error in errors {
        assert_eq!(error.code, Some(BAD_USER_INPUT));
        assert_eq!(error.locations, [Location { line: 1, column: 9 }]);
    }
    for given in ["[]", "{", "7"] {
        assert!(coerce("Int", None, given).is_err_and(|it| it.len() == 1), "{given}");
    }
}

#[test]
fn errors_defaults_and_echoes_are_bounded() {
    let many = refusal("[Int]", &format!("[{}\"a\"]", "\"a\",".repeat(10_000)));
    assert_eq!(many.len(), ERRORS_MAX + 1);
    assert!(many[ERRORS_MAX].starts_with("Too many errors"));
    let unknown: String = (0..1000).map(|it| format!("\"f{it}\":1,")).collect();
    assert_eq!(refusal("Point", &format!("{{{unknown}\"x\":1}}")).len(), ERRORS_MAX + 1);
    assert!(refusal("Endless", "{}").len() <= ERRORS_MAX + 1);
    let long = refusal("Int", &format!("\"{}\"", "õ".repeat(100_000)));
    assert!(long[0].len() < 600, "{}", long[0].len());
    assert!(long[0].contains("Int cannot represent"));
}

/// Two thousand variables among two hundred thousand members: looking for each by itself took seconds.
#[test]
fn many_variables_are_found_among_many_members_in_one_pass() {
    let definitions: Vec<_> = (0..2_000).map(|it| definition(&format!("v{it}"), "Int", None)).collect();
    let members: Vec<_> = (0..200_000).map(|it| format!("\"v{}\":{it}", it % 100_000)).collect();
    let given = format!("{{{}}}", members.join(",")).into();
    let variables = coerce_variables(&definitions, &types(), &given).expect("whole numbers");
    assert_eq!(variables.iter().count(), 2_000);
    // The last of twins.
    assert_eq!(variables.get("v7").map(|it| &it[..]), Some(&b"100007"[..]));
}
