use super::{check, faults, faults_by};
use crate::language::ValidationOptions;

#[test]
fn operations() {
    check(&[
        (
            "query A { me { id } } query A { me { id } }",
            &["There can be only one operation named \"A\". 1:7 1:29"],
        ),
        (
            "{ me { id } } query A { me { id } }",
            &["This anonymous operation must be the only defined operation. 1:1"],
        ),
        ("type T { a: Int } { nope }", &["The \"T\" definition is not executable. 1:1"]),
        // Who carries it out says that there is no such type.
        ("mutation { anything(at: $all) }", &["Variable \"$all\" is not defined. 1:25 1:1"]),
    ]);
}

#[test]
fn subscriptions_have_one_root_field() {
    let two = "Anonymous Subscription must select only one top level field.";
    check(&[
        ("subscription { updated { id } updated { name } }", &[]),
        ("subscription { a: updated(id: 1) { id } b: updated(id: 2) { id } }", &[&format!("{two} 1:41")]),
        (
            "subscription { ...F } fragment F on Subscription { other ...G } fragment G on Subscription { x: other }",
            &[&format!("{two} 1:94")],
        ),
        (
            "subscription S { __typename }",
            &["Subscription \"S\" must not select an introspection top level field. 1:18"],
        ),
        // Not decided yet, so that it counts.
        ("subscription ($v: Boolean!) { other updated @skip(if: $v) { id } }", &[&format!("{two} 1:37")]),
    ]);
}

#[test]
fn fields_and_types() {
    check(&[
        (
            "{ nope me { id { x } } user(id: 1) }",
            &[
                "Cannot query field \"nope\" on type \"Query\". 1:3",
                "Field \"id\" must not have a selection since type \"ID!\" has no subfields. 1:16",
                "Field \"user\" of type \"User\" must have a selection of subfields. Did you mean \"user { ... }\"? 1:24",
            ],
        ),
        (
            "{ item { id } me { __schema { types { name } } __typename } }",
            &[
                "Cannot query field \"id\" on type \"Item\". 1:10",
                "Cannot query field \"__schema\" on type \"User\". 1:20",
            ],
        ),
        (
            "query ($v: Nope) { node { ... on Nah { id } } }",
            &[
                "Unknown type \"Nope\". 1:12",
                "Unknown type \"Nah\". 1:34",
                "Variable \"$v\" is never used. 1:8",
            ],
        ),
        (
            "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
            &["Maximum introspection depth exceeded 1:3"],
        ),
        (
            "{ __type { name } }",
            &[
                "Field \"__type\" argument \"name\" of type \"String!\" is required, but it was not provided. 1:3",
            ],
        ),
        ("{ __type(name: null) { name } }", &["Expected value of type \"String!\", found null. 1:16"]),
    ]);
}

#[test]
fn fragments() {
    check(&[
        (
            "{ ...F ...F } fragment F on Query { me { id } } fragment F on Query { me { id } }",
            &["There can be only one fragment named \"F\". 1:24 1:58"],
        ),
        (
            "{ ...Nope } fragment F on Color { x }",
            &[
                "Unknown fragment \"Nope\". 1:6",
                "Fragment \"F\" cannot condition on non composite type \"Color\". 1:27",
                "Fragment \"F\" is never used. 1:13",
            ],
        ),
        (
            "{ me { ... on Product { id } ...P } } fragment P on Product { id }",
            &[
                "Fragment cannot be spread here as objects of type \"User\" can never be of type \"Product\". 1:8",
                "Fragment \"P\" cannot be spread here as objects of type \"User\" can never be of type \"Product\". 1:30",
            ],
        ),
        (
            "{ me { ...A } } fragment A on User { ...B } fragment B on User { best { ...A } ...B }",
            &[
                "Cannot spread fragment \"B\" within itself. 1:80",
                "Cannot spread fragment \"A\" within itself via \"B\". 1:38 1:73",
            ],
        ),
    ]);
}

#[test]
fn arguments() {
    check(&[
        (
            "{ user(id: 1, id: 2, x: 3) { id } }",
            &[
                "There can be only one argument named \"id\". 1:8 1:15",
                "Unknown argument \"x\" on field \"Query.user\". 1:22",
            ],
        ),
        (
            "{ user { name @note(y: 1) } }",
            &[
                "Unknown argument \"y\" on directive \"@note\". 1:21",
                "Directive \"@note\" argument \"text\" of type \"String!\" is required, but it was not provided. 1:15",
                "Field \"user\" argument \"id\" of type \"ID!\" is required, but it was not provided. 1:3",
            ],
        ),
    ]);
}

#[test]
fn directives() {
    check(&[
        (
            "query ($v: Int @once @note(text: \"a\")) @once { echo(list: [$v]) @note(text: \"a\") @note(text: \"b\") }",
            &[],
        ),
        (
            "{ me @nope { id @once @once } ... @once { me { id } } }",
            &[
                "Unknown directive \"@nope\". 1:6",
                "The directive \"@once\" can only be used once at this location. 1:17 1:23",
                "Directive \"@once\" may not be used on INLINE_FRAGMENT. 1:35",
            ],
        ),
    ]);
}

#[test]
fn scalars() {
    let int = "Int cannot represent non-integer value:";
    for (literal, fault) in [
        ("1", ""),
        ("2147483648", "Int cannot represent non 32-bit signed integer value: 2147483648"),
        ("-2147483648", ""),
        ("1.0", &format!("{int} 1.0")),
        ("1e3", &format!("{int} 1e3")),
        ("\"1\"", &format!("{int} \"1\"")),
        ("{a: [B]}", &format!("{int} {{a: [B]}}")),
    ] {
        let found = faults(&format!("{{ user(id: 1, first: {literal}) {{ id }} }}"));
        assert_eq!(found.first().map_or("", |it| it.trim_end_matches(" 1:22")), fault, "{literal}");
    }
    check(&[
        (
            "{ search(ratio: \"x\", color: \"RED\") { __typename } }",
            &[
                "Float cannot represent non numeric value: \"x\" 1:17",
                "Enum \"Color\" cannot represent non-enum value: \"RED\". 1:29",
            ],
        ),
        (
            "{ search(ratio: 1e9, color: PINK) { __typename } }",
            &["Value \"PINK\" does not exist in \"Color\" enum. 1:29"],
        ),
        (
            "{ echo(text: 1) user(id: 1.5) { id @skip(if: 1) } }",
            &[
                "String cannot represent a non string value: 1 1:14",
                "ID cannot represent a non-string and non-integer value: 1.5 1:26",
                "Boolean cannot represent a non boolean value: 1 1:46",
            ],
        ),
        ("{ echo(any: {a: [1, {b: C}], d: \"e\"}, list: 1, deep: [[1], 2]) }", &[]),
        (
            "{ echo(list: [1, null, [2]], deep: [[null]]) }",
            &[
                "Int cannot represent non-integer value: [2] 1:24",
                "Expected value of type \"Int!\", found null. 1:38",
            ],
        ),
    ]);
}

#[test]
fn input_objects() {
    check(&[
        ("{ search(filter: {ratio: 1, not: {ratio: 2.5}, colors: RED}) { __typename } }", &[]),
        (
            "{ search(filter: {min: 1, min: 2, nope: 3}) { __typename } }",
            &[
                "Field \"Filter.ratio\" of required type \"Float!\" was not provided. 1:18",
                "There can be only one input field named \"min\". 1:19 1:27",
                "Field \"nope\" is not defined by type \"Filter\". 1:35",
            ],
        ),
        ("{ search(filter: 1) { __typename } }", &["Expected value of type \"Filter\", found 1. 1:18"]),
        ("{ echo(any: {a: 1, a: 2}) }", &["There can be only one input field named \"a\". 1:14 1:20"]),
    ]);
}

#[test]
fn input_objects_of_one_field() {
    let nullable = "Variable \"$v\" is of type \"Int\" but must be non-nullable to be used for OneOf Input Object \"Pick\".";
    check(&[
        ("{ pick(must: {a: 1}) }", &[]),
        (
            "{ pick(must: {a: 1, b: \"c\"}) }",
            &["OneOf Input Object \"Pick\" must specify exactly one key. 1:14"],
        ),
        ("{ pick(must: {}) }", &["OneOf Input Object \"Pick\" must specify exactly one key. 1:14"]),
        ("{ pick(must: {a: null}) }", &["Field \"Pick.a\" must be non-null. 1:14"]),
        ("query ($v: Int!) { pick(must: {a: $v}) }", &[]),
        ("query ($v: Int) { pick(one: {a: $v}, must: {a: 1}) }", &[&format!("{nullable} 1:8 1:33")]),
        // The reference implementation passes over this one.
        ("query ($v: Int) { pick(must: {a: $v}) }", &[&format!("{nullable} 1:8 1:34")]),
    ]);
}

#[test]
fn variables() {
    check(&[
        (
            "query Q($v: ID, $w: Int, $v: ID) { user(id: $v, first: $x) { id } }",
            &[
                "There can be only one variable named \"$v\". 1:10 1:27",
                "Variable \"$x\" is not defined by operation \"Q\". 1:56 1:1",
                "Variable \"$w\" is never used in operation \"Q\". 1:17",
                "Variable \"$v\" of type \"ID\" used in position expecting type \"ID!\". 1:26 1:45",
            ],
        ),
        (
            "query ($v: User, $w: [Item!]) { me { id } }",
            &[
                "Variable \"$v\" cannot be non-input type \"User\". 1:12",
                "Variable \"$w\" cannot be non-input type \"[Item!]\". 1:22",
                "Variable \"$v\" is never used. 1:8",
                "Variable \"$w\" is never used. 1:18",
            ],
        ),
        (
            "query ($v: Int = \"x\", $w: Int! = null) { echo(list: [$v, $w]) }",
            &[
                "Int cannot represent non-integer value: \"x\" 1:18",
                "Expected value of type \"Int!\", found null. 1:34",
            ],
        ),
        (
            "query ($v: ID = 1, $c: Color, $l: [Int!]) { user(id: $v) { id } search(color: $c) { __typename } echo(list: $l) }",
            &[],
        ),
        (
            "query ($v: Int) { ...F } fragment F on Query { echo(text: $v) }",
            &["Variable \"$v\" of type \"Int\" used in position expecting type \"String\". 1:8 1:59"],
        ),
    ]);
}

#[test]
fn errors_come_to_an_end() {
    let fields: String = (0..200).map(|it| format!("x{it} ")).collect();
    let found = faults(&format!("{{ {fields} }}"));
    assert_eq!(found.len(), 101);
    assert_eq!(found[100], "Too many validation errors, error limit reached. Validation aborted.");
}

#[test]
fn suggestions_are_made_where_they_are_wanted() {
    let options = ValidationOptions { suggestions: true, ..ValidationOptions::default() };
    let rows = [
        ("{ mee { id } }", "Cannot query field \"mee\" on type \"Query\". Did you mean \"me\"? 1:3"),
        (
            "{ item { price } }",
            "Cannot query field \"price\" on type \"Item\". Did you mean to use an inline fragment on \"Product\"? 1:10",
        ),
        (
            "{ item { id } }",
            "Cannot query field \"id\" on type \"Item\". Did you mean to use an inline fragment on \"Node\", \"Product\", or \"User\"? 1:10",
        ),
        (
            "{ user(id: 1, frst: 1) { id } }",
            "Unknown argument \"frst\" on field \"Query.user\". Did you mean \"first\"? 1:15",
        ),
        ("{ me { id @onse } }", "Unknown directive \"@onse\". 1:11"),
        (
            "{ search(color: REDD) { __typename } }",
            "Value \"REDD\" does not exist in \"Color\" enum. Did you mean the enum value \"RED\"? 1:17",
        ),
        (
            "{ search(color: \"BLUE\") { __typename } }",
            "Enum \"Color\" cannot represent non-enum value: \"BLUE\". Did you mean the enum value \"BLUE\"? 1:17",
        ),
        ("{ node { ... on Usr { id } } }", "Unknown type \"Usr\". Did you mean \"User\"? 1:17"),
        (
            "{ pick(must: {c: 1}) }",
            "Field \"c\" is not defined by type \"Pick\". Did you mean \"a\" or \"b\"? 1:15",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(faults_by(&options, text), [expected], "{text}");
    }
}
