use super::{document, value};
use crate::language::{print, print_value};

#[test]
fn documents_are_laid_out() {
    let text = "\"d\" query Q($a:Int=1@x,$b:[B!]!)@y{a:b(c:$a,d:[1,{e:\"f\"}])@z{...F@w ...on T{i}...{j}}}fragment F on T@v{k}";
    let expected = "\"d\"\nquery Q($a: Int = 1 @x, $b: [B!]!) @y {\n  a: b(c: $a, d: [1, {e: \"f\"}]) @z {\n    ...F @w\n    ... on T {\n      i\n    }\n    ... {\n      j\n    }\n  }\n}\n\nfragment F on T @v {\n  k\n}";
    assert_eq!(print(&document(text)), expected);
}

#[test]
fn printed_documents_read_back_the_same() {
    let texts = [
        "{ a }",
        "query { a }",
        "query ($a: Int) { a }",
        "query (\"d\" $a: Int, \"\"\"e\nf\"\"\" $b: Int) { a }",
        "mutation M @a { b }",
        "{ a(b: \"\"\"\n  c\n    d\n\"\"\", e: \"\"\"  f\"\"\", g: \"\"\"h\\
\"\"\", i: \"\"\"j\\\"\"\"\"\"\") { k(l: \"\"\"m\n\n n\"\"\") } }",
        "{ long(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: 1, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: 2, ccccccccccccc: \"\"\"d\ne\"\"\") }",
        "{ a(b: \"\\u0007\\u{7f}é😀\\\\\\\"\\n\") }",
    ];
    for text in texts {
        let printed = print(&document(text));
        assert_eq!(print(&document(&printed)), printed, "{text}");
        let strings = |text: &str| format!("{:?}", document(text)).matches("value: \"").count();
        assert_eq!(strings(&printed), strings(text), "{text}");
    }
}

#[test]
fn values_read_back_the_same() {
    let rows = [
        (r#""é\b😀""#, r#""é\b😀""#),
        (r#""\u0007\u007f\u{9f}\/""#, r#""\u0007\u007F\u009F/""#),
        ("\"\"\"a\n  b\"\"\"", "\"\"\"\na\nb\n\"\"\""),
        ("{a:[1,2.50,-0],b:E,c:null,d:{},e:[]}", "{a: [1, 2.50, -0], b: E, c: null, d: {}, e: []}"),
        ("true", "true"),
        ("$v", "$v"),
    ];
    for (literal, expected) in rows {
        assert_eq!(print_value(&value(literal).expect("a value")), expected, "{literal}");
        assert_eq!(print_value(&value(expected).expect("a value")), expected, "{literal}");
    }
}
