use super::{document, refusal};
use crate::language::{
    Bounds,
    ast::{Definition, OperationKind, Value},
    parse_const_value,
};

#[test]
fn the_whole_grammar_is_taken() {
    let texts = [
        "{ a }",
        "query Q($a: Int = 1 @d(x: [2]), $b: [[In!]!]! = {x: {y: []}}) @e { a: b(c: $a) @f { ...F ... @g { h } ... on T { i } } }",
        "\"d\" query Q(\"\"\"d\"\"\" $a: Int) { a }",
        "\"\"\"\nd\n\"\"\" fragment F on T @a { b }",
        "mutation { a } subscription { b } fragment C on D { e }",
        "query true($null: true = null @on(on: on)) { true: null(on: on) ... on on { on } ...false fragment }",
        "query query { query } fragment fragment on fragment { fragment }",
        "{ a(b: {}, c: [], d: [{e: $f}], g: true, h: null, i: J, k: -1.5e3) }",
    ];
    for text in texts {
        document(text);
    }
}

#[test]
fn what_is_not_of_the_grammar_is_refused() {
    let rows = [
        ("", "Syntax Error: Unexpected <EOF>. 1:1"),
        ("{", "Syntax Error: Expected Name, found <EOF>. 1:2"),
        ("{}", "Syntax Error: Expected Name, found \"}\". 1:2"),
        ("{a(){b}}", "Syntax Error: Expected Name, found \")\". 1:4"),
        ("query(){a}", "Syntax Error: Expected \"$\", found \")\". 1:7"),
        ("{a}}", "Syntax Error: Unexpected \"}\". 1:4"),
        ("{...on}", "Syntax Error: Expected Name, found \"}\". 1:7"),
        ("{a(b:$)}", "Syntax Error: Expected Name, found \")\". 1:7"),
        ("{a(b:[1)}", "Syntax Error: Unexpected \")\". 1:8"),
        ("{a(b:{c:1]}", "Syntax Error: Expected Name, found \"]\". 1:10"),
        ("fragment on on T{a}", "Syntax Error: Unexpected Name \"on\". 1:10"),
        ("fragment F T{a}", "Syntax Error: Expected \"on\", found Name \"T\". 1:12"),
        ("fragment F($a: Int) on T{a}", "Syntax Error: Expected \"on\", found \"(\". 1:11"),
        ("{...F(x: 1)}", "Syntax Error: Expected Name, found \"(\". 1:6"),
        ("query($a: Int = $b){a}", "Syntax Error: Unexpected variable \"$b\" in constant value. 1:17"),
        ("query($a: Int @d(b: [$])){a}", "Syntax Error: Unexpected \"$\". 1:22"),
        ("query($a: Int!!){a}", "Syntax Error: Expected \"$\", found \"!\". 1:15"),
        (
            "\"d\" {a}",
            "Syntax Error: Unexpected description, descriptions are not supported on shorthand queries. 1:1",
        ),
        (
            "\"d\" x",
            "Syntax Error: Unexpected description, only GraphQL definitions support descriptions. 1:1",
        ),
        ("\"d\"", "Syntax Error: Unexpected <EOF>. 1:4"),
        ("nonsense {a}", "Syntax Error: Unexpected Name \"nonsense\". 1:1"),
        ("{a \"é\"}", "Syntax Error: Expected Name, found String \"é\". 1:4"),
        ("{a \"\"\"\n é\"\"\"}", "Syntax Error: Expected Name, found BlockString \"é\". 1:4"),
        ("{a 1}", "Syntax Error: Expected Name, found Int \"1\". 1:4"),
    ];
    for (text, expected) in rows {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn type_systems_are_read_to_be_refused_for_what_they_are() {
    let text = "\"d\" type T implements A & B @d { f(a: Int = 1 @e): [T!] @f } union U = | A | B scalar S extend enum E { X } \
                directive @d(a: In) repeatable on FIELD | QUERY schema @a { query: Q } input I { a: Int } {a}";
    let names: Vec<_> = document(text)
        .definitions
        .iter()
        .map(|it| match it {
            Definition::TypeSystem(it) => it.name.as_ref().map_or("schema", |it| it.as_str()).to_owned(),
            _ => "operation".to_owned(),
        })
        .collect();
    assert_eq!(names, ["T", "U", "S", "E", "d", "schema", "I", "operation"]);
    let rows = [
        ("extend type T", "Syntax Error: Unexpected <EOF>. 1:14"),
        ("extend directive @d on FIELD", "Syntax Error: Unexpected Name \"directive\". 1:8"),
        (
            "enum E { true }",
            "Syntax Error: Name \"true\" is reserved and cannot be used for an enum value. 1:10",
        ),
        ("directive @d on NOWHERE", "Syntax Error: Unexpected Name \"NOWHERE\". 1:17"),
    ];
    for (text, expected) in rows {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn nodes_know_their_places() {
    let document = document("query Q($a: [Int] = 1) { x: y(z: $a) ...F }");
    let operation = document.operations().next().expect("an operation");
    assert_eq!(operation.kind, OperationKind::Query);
    let variable = &operation.variables[0];
    let places = [operation.place, variable.place, variable.variable.name.place, variable.ty.place()];
    assert_eq!(places.map(|it| it.0), [0, 8, 9, 12]);
    assert_eq!(operation.selection_set.place.0, 23);
}

#[test]
fn equal_names_share_their_text() {
    let document = document("{ a { a } }");
    let set = &document.operations().next().expect("an operation").selection_set;
    let crate::language::ast::Selection::Field(field) = &set.items[0] else { unreachable!() };
    let crate::language::ast::Selection::Field(inner) =
        &field.selection_set.as_ref().expect("selections").items[0]
    else {
        unreachable!()
    };
    assert!(std::sync::Arc::ptr_eq(&field.name.text, &inner.name.text));
}

#[test]
fn values_are_read_by_themselves() {
    let read = |text: &str| parse_const_value(text, &Bounds::default());
    assert!(matches!(read(" [1, {a: \"b\"}] # c"), Ok(Value::List(..))));
    assert!(read("1 2").is_err() && read("$a").is_err() && read("").is_err());
}
