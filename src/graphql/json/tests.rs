use super::*;

fn parse(document: &mut Document, text: &str) -> NodeId {
    document.parse(Bytes::copy_from_slice(text.as_bytes())).expect(text)
}

fn written(document: &Document, id: NodeId) -> String {
    let mut out = Vec::new();
    document.write(id, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn scalars_are_copied_as_they_were_written() {
    let text = r#"{"a":-0.10e+5,"b":9007199254740993,"c":"\u00e9\/é","d":[true,null,{}],"e":{}}"#;
    let mut document = Document::new();
    let root = parse(&mut document, text);
    assert_eq!(written(&document, root), text);
    let spaced = parse(&mut document, " { \"a\" : [ 1 , 2 ] }\n");
    assert_eq!(written(&document, spaced), r#"{"a":[1,2]}"#);
}

#[test]
fn bad_json_is_refused_with_its_place_and_leaves_nothing_behind() {
    let mut document = Document::new();
    for (text, offset) in [
        ("", 0),
        ("{", 1),
        ("{\"a\"}", 4),
        ("[1,]", 3),
        ("01", 1),
        ("1.", 2),
        ("-", 1),
        ("\"\\x\"", 2),
        ("\"\n\"", 1),
        ("tru", 0),
        ("{} {}", 3),
        ("\"\\u12g4\"", 2),
    ] {
        let error = document.parse(Bytes::copy_from_slice(text.as_bytes())).expect_err(text);
        assert_eq!(error.offset, offset, "{text}: {error}");
    }
    assert_eq!(document.nodes.len(), 0);
    assert!(document.parse(Bytes::from_static(b"\"\xff\"")).is_err());
}

#[test]
fn every_byte_of_a_string_is_looked_at_wherever_it_stands() {
    let mut document = Document::new();
    for length in 0..40 {
        for at in 0..length {
            let mut text = format!("\"{}\"", "x".repeat(length));
            for byte in 0..0x80 {
                let put = String::from(char::from(byte));
                text.replace_range(at + 1..at + 2, &put);
                let outcome = document.parse(Bytes::from(text.clone())).map(|it| written(&document, it));
                let offset = outcome.as_ref().map_err(|error| error.offset);
                match byte {
                    0..0x20 => assert_eq!(offset, Err(at + 1), "{text:?}"),
                    b'"' => assert_eq!(offset, Err(at + 2), "{text:?}"),
                    // What follows is a letter, or the quote at the end.
                    b'\\' => assert!(outcome.is_err(), "{text:?}"),
                    _ => assert_eq!(outcome.as_ref(), Ok(&text)),
                }
                document.clear();
            }
            text.replace_range(at + 1..at + 2, "\u{e9}");
            assert_eq!(document.parse(Bytes::from(text.clone())).map(|it| written(&document, it)), Ok(text));
        }
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| Bytes::from(format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    let mut document = Document::new();
    assert!(document.parse(deep(DEPTH_MAX)).is_ok());
    for levels in [DEPTH_MAX + 1, 100_000] {
        assert_eq!(document.parse(deep(levels)).map_err(|it| it.reason), Err(TOO_DEEP));
    }
}

#[test]
fn names_with_escapes_compare_decoded_and_the_last_of_twins_counts() {
    let mut document = Document::new();
    let root = parse(&mut document, r#"{"\u0061b":1,"x":1,"x":2}"#);
    assert_eq!(document.get(root, "ab").and_then(|it| document.as_number(it)), Some("1"));
    assert_eq!(document.get(root, "x").and_then(|it| document.as_number(it)), Some("2"));
}

#[test]
fn strings_decode_and_encode() {
    let mut document = Document::new();
    let root = parse(&mut document, r#"["\ud83d\ude00\n", "\ud800"]"#);
    let values: Vec<_> =
        document.children(root).map(|it| document.as_str(it).expect("string").into_owned()).collect();
    assert_eq!(values, ["😀\n", "\u{fffd}"]);
    let made = document.new_string("a\"\\\u{1}\té");
    assert_eq!(written(&document, made), r#""a\"\\\u0001\té""#);
}

#[test]
fn merging_keeps_what_null_would_hide_and_goes_down_lists() {
    let mut document = Document::new();
    let target = parse(&mut document, r#"{"a":1,"l":[{"x":1},{"x":2}],"n":{"k":1}}"#);
    let source = parse(&mut document, r#"{"a":null,"l":[{"y":3},null],"n":{"k":2,"m":3},"z":4}"#);
    document.merge(target, source);
    assert_eq!(written(&document, target), r#"{"a":1,"l":[{"x":1,"y":3},{"x":2}],"n":{"k":2,"m":3},"z":4}"#);
}

#[test]
fn copies_are_independent() {
    let mut document = Document::new();
    let root = parse(&mut document, r#"{"a":{"b":[1]}}"#);
    let copy = document.copy(root);
    let more = parse(&mut document, r#"{"a":{"c":2}}"#);
    document.merge(copy, more);
    assert_eq!(written(&document, root), r#"{"a":{"b":[1]}}"#);
    assert_eq!(written(&document, copy), r#"{"a":{"b":[1],"c":2}}"#);
}

#[test]
fn a_cloned_table_answers_to_the_same_ids_and_is_independent() {
    let mut event = Document::new();
    let root = parse(&mut event, r#"{"\u0061":{"b":[1]}}"#);
    let mut document = Document::new();
    parse(&mut document, r#"["what was here before"]"#);
    document.clone_from(&event);
    let more = parse(&mut document, r#"{"a":{"c":2}}"#);
    document.merge(root, more);
    assert_eq!(written(&document, root), r#"{"a":{"b":[1],"c":2}}"#);
    assert_eq!(written(&event, root), r#"{"a":{"b":[1]}}"#);
}

#[test]
fn merging_reaches_the_twin_that_counts() {
    let mut document = Document::new();
    let target = parse(&mut document, r#"{"x":{"a":1},"x":{"a":2}}"#);
    let source = parse(&mut document, r#"{"x":{"b":3}}"#);
    document.merge(target, source);
    let found = document.get(target, "x").expect("x");
    assert_eq!(written(&document, found), r#"{"a":2,"b":3}"#);
}

#[test]
fn members_come_and_go() {
    let mut document = Document::new();
    let root = parse(&mut document, r#"{"a":1,"b":2,"c":3}"#);
    let last = document.remove(root, "c").expect("c");
    document.insert(root, "d", last);
    document.remove(root, "a");
    let text = document.new_string("x");
    document.insert(root, "b", text);
    assert_eq!(written(&document, root), r#"{"d":3,"b":"x"}"#);
    assert!(document.remove(root, "nope").is_none());
}
