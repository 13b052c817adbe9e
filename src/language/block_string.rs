//! What a block string stands for, and how it is written (GraphQL specification, section 2.9.4).

use std::borrow::Cow;

/// The value of what stands between the quotes: escaped quotes resolved, lines ended by line feeds, without the
/// indentation that all lines but the first have in common and without blank lines at both ends. White space is
/// space and tab, nothing else.
pub(super) fn value(raw: &str) -> Cow<'_, str> {
    if !raw.contains(['\n', '\r', '\\']) {
        return if raw.trim_matches(is_white_space).is_empty() { "".into() } else { raw.into() };
    }
    let raw = raw.replace("\\\"\"\"", "\"\"\"");
    let lines = lines(&raw);
    let filled = |line: &str| indentation(line) < line.len();
    let indentations = lines.iter().skip(1).filter(|it| filled(it)).map(|it| indentation(it));
    let common = indentations.min().unwrap_or(usize::MAX);
    let Some(first) = lines.iter().position(|it| filled(it)) else { return "".into() };
    let last = lines.iter().rposition(|it| filled(it)).unwrap_or(first);
    let mut value = String::with_capacity(raw.len());
    for (index, line) in lines.iter().enumerate().take(last + 1).skip(first) {
        if index > first {
            value.push('\n');
        }
        // Only lines of nothing but white space are shorter than the common indentation.
        value.push_str(if index == 0 { line } else { line.get(common..).unwrap_or("") });
    }
    value.into()
}

/// Lines end with a line feed, a carriage return, or both.
fn lines(text: &str) -> Vec<&str> {
    let (mut lines, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(['\n', '\r']) {
        lines.push(&rest[..at]);
        rest = rest[at..].strip_prefix("\r\n").unwrap_or(&rest[at + 1..]);
    }
    lines.push(rest);
    lines
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(is_white_space).len()
}

fn is_white_space(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// Writes a value as a block string, as the reference implementation (graphql-js) lays it out.
pub(super) fn write(value: &str, out: &mut String) {
    let escaped = value.replace("\"\"\"", "\\\"\"\"");
    let lines = lines(&escaped);
    let is_single_line = lines.len() == 1;
    let indented = |it: &str| it.is_empty() || it.starts_with(is_white_space);
    let force_leading = !is_single_line && lines[1..].iter().all(|it| indented(it));
    let ends_with_triple = escaped.ends_with("\\\"\"\"");
    let force_trailing = (value.ends_with('"') && !ends_with_triple) || value.ends_with('\\');
    let several = !is_single_line
        || value.encode_utf16().count() > 70
        || force_trailing
        || force_leading
        || ends_with_triple;
    let skip_leading = is_single_line && value.starts_with(is_white_space);
    out.push_str("\"\"\"");
    if (several && !skip_leading) || force_leading {
        out.push('\n');
    }
    out.push_str(&escaped);
    if several || force_trailing {
        out.push('\n');
    }
    out.push_str("\"\"\"");
}
