//! What the reader takes and refuses, in rows: a text, and what becomes of it.

mod lexer;
mod overlap;
mod parser;
mod printer;
mod rules;
mod schema;
mod sdl;

use super::{
    Bounds, Document, Error, ErrorKind, Lines, ValidationOptions,
    ast::{Definition, Selection, Value},
    parse, validate,
};

fn read(text: &str) -> Result<Document, Error> {
    parse(text, &Bounds::default())
}

/// Reads what must be right.
#[track_caller]
fn document(text: &str) -> Document {
    read(text).unwrap_or_else(|it| panic!("{text}: {it}"))
}

/// Message and place of a syntax error: `message 1:2`.
fn refusal(text: &str) -> String {
    match read(text) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => shown(text, &error),
    }
}

/// A message with its places behind it, each as line and column.
fn shown(text: &str, error: &Error) -> String {
    let lines = Lines::of(text);
    let mut out = error.message.clone();
    for place in &error.places {
        let at = lines.locate(*place);
        out.push_str(&format!(" {}:{}", at.line, at.column));
    }
    out
}

/// What the rules say, against the schema of `sdl`.
fn faults_by(options: &ValidationOptions, text: &str) -> Vec<String> {
    let errors = validate(&sdl::schema(sdl::SDL), &document(text), options);
    errors.iter().map(|it| shown(text, it)).collect()
}

fn faults(text: &str) -> Vec<String> {
    faults_by(&ValidationOptions::default(), text)
}

/// Holds texts to what the rules say of them; valid ones have nothing.
#[track_caller]
fn check(rows: &[(&str, &[&str])]) {
    for (text, expected) in rows {
        assert_eq!(faults(text), *expected, "{text}");
    }
}

/// The value of the only argument of the only field.
fn value(literal: &str) -> Result<Value, Error> {
    let document = read(&format!("{{ f(a: {literal}) }}"))?;
    let Definition::Operation(operation) = &document.definitions[0] else { unreachable!() };
    let Selection::Field(field) = &operation.selection_set.items[0] else { unreachable!() };
    Ok(field.arguments[0].value.clone())
}

/// What a string literal stands for.
fn string(literal: &str) -> String {
    match value(literal) {
        Ok(Value::String(it)) => it.value.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn places_count_lines_and_utf16_units() {
    let text = "{ a\r\n\rb\n é😀 c }";
    let places = Lines::of(text);
    let at = |needle: &str| {
        let place = u32::try_from(text.find(needle).expect("there")).expect("small");
        let location = places.locate(super::Place(place));
        (location.line, location.column)
    };
    assert_eq!(
        [at("{"), at("a"), at("b"), at("é"), at("😀"), at("c")],
        [(1, 1), (1, 3), (3, 1), (4, 2), (4, 3), (4, 6)]
    );
}

#[test]
fn documents_go_from_thread_to_thread() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Document>();
    check::<super::Schema>();
    check::<Error>();
}

#[test]
fn bounds_are_refused_as_such() {
    let bounds = Bounds { tokens_max: 5, nesting_max: 3 };
    let kind = |text: &str| parse(text, &bounds).map_err(|it| it.kind);
    assert!(kind("{ a b c }").is_ok());
    assert_eq!(kind("{ a b c d }"), Err(ErrorKind::Limit));
    let deep = Bounds { tokens_max: 1_000_000, nesting_max: 3 };
    let kind = |text: &str| parse(text, &deep).map_err(|it| it.kind);
    assert!(kind("{ a { b { c } } }").is_ok());
    assert_eq!(kind("{ a { b { c { d } } } }"), Err(ErrorKind::Limit));
    assert_eq!(kind("{ a(b: [[[]]]) }"), Err(ErrorKind::Limit));
    assert_eq!(kind("query ($a: [[[[Int]]]]) { a }"), Err(ErrorKind::Limit));
    assert_eq!(kind(&"{a".repeat(100_000)), Err(ErrorKind::Limit));
    assert_eq!(kind(&format!("{{a(b:{}", "[".repeat(100_000))), Err(ErrorKind::Limit));
}

/// Reading, judging, printing and dropping all recurse as deep as the text.
#[test]
fn as_deep_as_the_default_allows() {
    let deep = |levels: usize| format!("{{ me {}{{ id }}{} }}", "{ best ".repeat(levels), "}".repeat(levels));
    assert_eq!(faults(&deep(Bounds::default().nesting_max - 2)), [""; 0]);
    let levels = Bounds::default().nesting_max - 1;
    let lists = |levels: usize| format!("{{ echo(any: {}{}) }}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(faults(&lists(levels)), [""; 0]);
    assert_eq!(super::print(&document(&lists(levels))).matches('[').count(), levels);
    assert!(read(&deep(levels)).is_err() && read(&lists(levels + 1)).is_err());
}
