//! What must hold of reading: a document that is taken prints as a text that reads back as the same document, and a
//! second reader takes what ours takes, with the same strings in it, and refuses what ours refuses.

use crate::effort::bounded;
use apollo_parser::{
    Parser,
    cst::{CstNode, Definition as WitnessDefinition, Document as WitnessDocument, StringValue},
};
use juga::language::{
    Bounds, Error, ErrorKind, Place,
    ast::{Definition, Document, Value},
    parse, parse_const_value, print, spans,
};
use std::time::Duration;

/// Reading alone, without rules: linear in a text of some kilobytes.
const READING_MAX: Duration = Duration::from_millis(500);

/// Reads a text, prints it, reads it again, and asks the witness.
///
/// # Panics
/// When the reader breaks a promise, or contradicts the witness.
pub fn check(text: &str) {
    let read = bounded("reading", READING_MAX, || parse(text, &Bounds::default()));
    match &read {
        Ok(document) => {
            reads_back(document);
            taken_by_witness(text, document);
        }
        Err(error) => refused_by_witness(text, error),
    }
}

/// # Panics
/// When the printed text is another document.
fn reads_back(document: &Document) {
    // Of definitions of types only the names are known.
    if has_types(document) {
        return;
    }
    let printed = print(document);
    let again = parse(&printed, &Bounds::default())
        .unwrap_or_else(|error| panic!("what was printed is refused: {error}\n{printed}"));
    assert_eq!(without_places(document), without_places(&again), "\n{printed}");
}

fn has_types(document: &Document) -> bool {
    document.definitions.iter().any(|it| matches!(it, Definition::TypeSystem(_)))
}

/// A document as text in which every place is the same.
fn without_places(document: &Document) -> String {
    let whole = format!("{document:?}");
    let mut pieces = whole.split("Place(");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push_str("Place(");
        out.push_str(piece.trim_start_matches(|it: char| it.is_ascii_digit()));
    }
    out
}

fn taken_by_witness(text: &str, document: &Document) {
    // What it thinks of types does not matter here: validation refuses them all.
    if has_types(document) {
        return;
    }
    let text = exceptions::readable(text, document);
    let witness = Witness::read(&text);
    assert_eq!(witness.errors, [""; 0], "the witness refuses what ours takes\n{text}");
    assert_eq!(witness.strings, strings(&text), "\n{text}");
}

fn refused_by_witness(text: &str, error: &Error) {
    assert!(!error.message.is_empty(), "an error without a text");
    assert!(error.places.iter().all(|it| it.0 as usize <= text.len()), "{error:?} is not in the text");
    if error.kind == ErrorKind::Limit || exceptions::taken_wrongly(text, error) {
        return;
    }
    let witness = Witness::read(&exceptions::without_commas(text));
    assert!(
        !witness.errors.is_empty() || witness.has_types,
        "the witness takes what ours refuses: {error}\n{text}"
    );
}

/// The strings of a document that is taken, in the order of the text.
fn strings(text: &str) -> Vec<String> {
    let value = |text: &str| match parse_const_value(text, &Bounds::default()) {
        Ok(Value::String(it)) => Some(it.value.to_string()),
        _ => None,
    };
    let spans = spans(text).expect("it has been read");
    spans.into_iter().map(|it| &text[it.range]).filter(|it| it.starts_with('"')).filter_map(value).collect()
}

/// What another reader makes of a text.
struct Witness {
    errors: Vec<String>,
    strings: Vec<String>,
    /// Whether it found anything but operations and fragments.
    has_types: bool,
}

impl Witness {
    fn read(text: &str) -> Self {
        let read = Parser::new(text).parse();
        let errors: Vec<String> = read.errors().map(|it| it.message().to_owned()).collect();
        let document = read.document();
        let has_types = document.definitions().any(|it| !is_executable(&it));
        let strings = if errors.is_empty() { Self::strings(&document) } else { Vec::new() };
        Self { errors, strings, has_types }
    }

    fn strings(document: &WitnessDocument) -> Vec<String> {
        let nodes = document.syntax().descendants();
        nodes.filter_map(StringValue::cast).map(|it| String::from(&it)).collect()
    }
}

fn is_executable(definition: &WitnessDefinition) -> bool {
    matches!(definition, WitnessDefinition::OperationDefinition(_) | WitnessDefinition::FragmentDefinition(_))
}

/// What the witness (apollo-parser 0.8) is known to get wrong. Anything else in which it differs is a finding.
mod exceptions {
    use super::{Definition, Document, Error, Place};
    use juga::language::spans;
    use std::iter::once;

    /// A document that is taken, as the witness can read it: it refuses descriptions of operations, fragments and
    /// variables, and loses what follows a comma where it looks ahead. They are written over with spaces.
    pub fn readable(text: &str, document: &Document) -> String {
        let mut bytes = without_commas(text).into_bytes();
        let described = descriptions(document);
        for span in spans(text).expect("it has been read") {
            if described.iter().any(|it| it.0 as usize == span.range.start) {
                bytes[span.range].fill(b' ');
            }
        }
        String::from_utf8(bytes).expect("whole tokens were written over")
    }

    fn descriptions(document: &Document) -> Vec<Place> {
        let mut places = Vec::new();
        for definition in &document.definitions {
            match definition {
                Definition::Operation(it) => {
                    places.extend(it.description.as_ref().map(|it| it.place));
                    places.extend(
                        it.variables.iter().filter_map(|it| it.description.as_ref()).map(|it| it.place),
                    );
                }
                Definition::Fragment(it) => places.extend(it.description.as_ref().map(|it| it.place)),
                Definition::TypeSystem(_) => {}
            }
        }
        places
    }

    /// Spaces instead of the commas between tokens, as far as there are tokens.
    pub fn without_commas(text: &str) -> String {
        let Ok(spans) = spans(text) else { return text.to_owned() };
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        for range in spans.into_iter().map(|it| it.range).chain(once(text.len()..text.len())) {
            out.push_str(&text[at..range.start].replace(',', " "));
            out.push_str(&text[range.clone()]);
            at = range.end;
        }
        out
    }

    /// Whether the witness may take what is refused with this error.
    pub fn taken_wrongly(text: &str, error: &Error) -> bool {
        let at = error.places.first().map_or(0, |it| it.0 as usize);
        let is_valueless = error.message.starts_with("Syntax Error: Expected \":\", found");
        let is_line_break_after_quote =
            error.message == "Syntax Error: Unterminated string." && text[..at].ends_with('"');
        let is_long_escape = text[at..].starts_with("\\u{0");
        // Arguments and members without a value; a plain string that goes on in the next line right behind its quote;
        // more than eight digits in an escape.
        is_valueless || is_line_break_after_quote || is_long_escape
    }
}
