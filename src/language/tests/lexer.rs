use super::{refusal, string, value};
use crate::language::ast::Value;

#[test]
fn escapes_stand_for_their_characters() {
    let rows = [
        (r#""\b\f\n\r\t""#, "\u{8}\u{c}\n\r\t"),
        (r#""\"\\\/""#, "\"\\/"),
        (r#""\u0041\u00e9""#, "Aé"),
        (r#""\u{1F600}""#, "😀"),
        (r#""\u{0}\u{00000041}\u{10FFFF}""#, "\0A\u{10FFFF}"),
        (r#""\uD83D\uDE00""#, "😀"),
        ("\"é😀\u{7}\u{2028}\"", "é😀\u{7}\u{2028}"),
        ("\"\"", ""),
    ];
    for (literal, expected) in rows {
        assert_eq!(string(literal), expected, "{literal}");
    }
}

#[test]
fn escapes_that_stand_for_nothing_are_refused() {
    let rows = [
        (r#"{"\u+041""#, r#"Syntax Error: Invalid Unicode escape sequence: "\u+041". 1:3"#),
        (r#"{"\u{}""#, r#"Syntax Error: Invalid Unicode escape sequence: "\u{}". 1:3"#),
        (r#"{"\u{110000}""#, r#"Syntax Error: Invalid Unicode escape sequence: "\u{110000}". 1:3"#),
        (r#"{"\u{D800}""#, r#"Syntax Error: Invalid Unicode escape sequence: "\u{D800}". 1:3"#),
        (r#"{"\u{000000041}""#, r#"Syntax Error: Invalid Unicode escape sequence: "\u{000000041". 1:3"#),
        (r#"{"\uD83D""#, r#"Syntax Error: Invalid Unicode escape sequence: "\uD83D". 1:3"#),
        (r#"{"\uDE00\uD83D""#, r#"Syntax Error: Invalid Unicode escape sequence: "\uDE00". 1:3"#),
        (r#"{"\uD83D\u{DE00}""#, r#"Syntax Error: Invalid Unicode escape sequence: "\uD83D". 1:3"#),
        (r#"{"\é""#, r#"Syntax Error: Invalid character escape sequence: "\é". 1:3"#),
        (r#"{"\u12"#, r#"Syntax Error: Invalid Unicode escape sequence: "\u12". 1:3"#),
    ];
    for (text, expected) in rows {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn lines_end_plain_strings() {
    for end in ["\n", "\r", "\r\n"] {
        assert_eq!(refusal(&format!("{{\"a{end}b\"")), "Syntax Error: Unterminated string. 1:4");
    }
    assert_eq!(refusal("{\"a"), "Syntax Error: Unterminated string. 1:4");
    assert_eq!(refusal("{\"\"\"a"), "Syntax Error: Unterminated string. 1:6");
}

#[test]
fn block_strings_lose_their_indentation_alone() {
    let rows = [
        ("\"\"\"\n    a\n      b\n\n    c\n  \"\"\"", "a\n  b\n\nc"),
        ("\"\"\"  a\n    b\"\"\"", "  a\nb"),
        ("\"\"\"a\r\n\tb\r\tc\"\"\"", "a\nb\nc"),
        ("\"\"\" \t\n \r  \"\"\"", ""),
        ("\"\"\"   \"\"\"", ""),
        ("\"\"\"a\\\"\"\"b\"\"\"", "a\"\"\"b"),
        ("\"\"\"a\\n\\u0041\"\"\"", "a\\n\\u0041"),
        ("\"\"\"\n  a  \n   \n  b\n\"\"\"", "a  \n \nb"),
    ];
    for (literal, expected) in rows {
        assert_eq!(string(literal), expected, "{literal:?}");
    }
}

/// Such an indent once unwound the thread that read it.
#[test]
fn only_space_and_tab_are_white_space() {
    assert_eq!(string("\"\"\"\n\u{3000}a\n \u{a0}b\n  c\"\"\""), "\u{3000}a\n \u{a0}b\n  c");
    assert_eq!(string("\"\"\"\u{3000}\n\u{a0}\"\"\""), "\u{3000}\n\u{a0}");
    assert_eq!(refusal("{ a\u{a0}b }"), "Syntax Error: Unexpected character: U+00A0. 1:4");
}

#[test]
fn numbers_keep_their_digits() {
    for number in ["0", "-0", "1", "-12", "9007199254740993"] {
        assert!(matches!(value(number), Ok(Value::Int(it)) if *it.text == *number), "{number}");
    }
    for number in ["1e9", "0e0", "2.5e9", "-0.0E-5", "1.0", "1E+1"] {
        assert!(matches!(value(number), Ok(Value::Float(it)) if *it.text == *number), "{number}");
    }
}

#[test]
fn numbers_end_where_they_must() {
    let rows = [
        ("{00", "Syntax Error: Invalid number, unexpected digit after 0: \"0\". 1:3"),
        ("{1.", "Syntax Error: Invalid number, expected digit but got: <EOF>. 1:4"),
        ("{1.e1", "Syntax Error: Invalid number, expected digit but got: \"e\". 1:4"),
        ("{-x", "Syntax Error: Invalid number, expected digit but got: \"x\". 1:3"),
        ("{1x", "Syntax Error: Invalid number, expected digit but got: \"x\". 1:3"),
        ("{0xF1", "Syntax Error: Invalid number, expected digit but got: \"x\". 1:3"),
        ("{1.2.3", "Syntax Error: Invalid number, expected digit but got: \".\". 1:5"),
        ("{1_000", "Syntax Error: Invalid number, expected digit but got: \"_\". 1:3"),
        ("{.1", "Syntax Error: Unexpected character: \".\". 1:2"),
    ];
    for (text, expected) in rows {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_token_is_named() {
    let rows = [
        (
            "{'",
            "Syntax Error: Unexpected single quote character ('), did you mean to use a double quote (\")? 1:2",
        ),
        ("{?", "Syntax Error: Unexpected character: \"?\". 1:2"),
        ("{\u{7}", "Syntax Error: Unexpected character: U+0007. 1:2"),
        ("{😀", "Syntax Error: Unexpected character: U+1F600. 1:2"),
        ("{..", "Syntax Error: Unexpected character: \".\". 1:2"),
    ];
    for (text, expected) in rows {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn marks_commas_and_comments_are_passed_over() {
    assert_eq!(refusal("\u{feff}{,a\u{feff}#}😀\r,b # c\n}"), "accepted");
}
