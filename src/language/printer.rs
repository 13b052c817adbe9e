//! From tree to text, laid out as the reference implementation (graphql-js) lays it out. What is printed reads back
//! as the same tree, places aside.

use super::{
    ast::{
        Argument, Definition, Directive, Document, Field, FragmentDefinition, InlineFragment,
        OperationDefinition, OperationKind, Selection, SelectionSet, StringValue, Value, VariableDefinition,
    },
    block_string,
};

/// Arguments of a field that would make a longer line stand on lines of their own.
const LINE_UNITS_MAX: usize = 80;

/// A document as text. Type-system definitions, of which only names are known, are left out.
pub fn print(document: &Document) -> String {
    let definition = |it: &Definition| match it {
        Definition::Operation(it) => Some(operation(it)),
        Definition::Fragment(it) => Some(fragment(it)),
        Definition::TypeSystem(_) => None,
    };
    let printed: Vec<String> = document.definitions.iter().filter_map(definition).collect();
    printed.join("\n\n")
}

/// One operation as text.
pub fn print_operation(definition: &OperationDefinition) -> String {
    operation(definition)
}

/// One fragment as text.
pub fn print_fragment(definition: &FragmentDefinition) -> String {
    fragment(definition)
}

/// A value as text: what introspection says of defaults, for instance (GraphQL specification, section 4.2.5).
pub fn print_value(it: &Value) -> String {
    let mut out = String::new();
    value(it, 0, &mut out);
    out
}

/// Appends a text as a quoted string, with escapes where they are needed.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            it if it.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(it))),
            it => out.push(it),
        }
    }
    out.push('"');
}

fn operation(it: &OperationDefinition) -> String {
    let mut out = String::new();
    let short = it.kind == OperationKind::Query
        && it.name.is_none()
        && it.description.is_none()
        && it.variables.is_empty()
        && it.directives.is_empty();
    if !short {
        description(it.description.as_ref(), &mut out);
        out.push_str(it.kind.keyword());
        if it.name.is_some() || !it.variables.is_empty() {
            out.push(' ');
        }
        out.push_str(it.name.as_ref().map_or("", |it| it.as_str()));
        variables(&it.variables, &mut out);
        directives(&it.directives, 0, &mut out);
        out.push(' ');
    }
    selection_set(&it.selection_set, 0, &mut out);
    out
}

fn variables(variables: &[VariableDefinition], out: &mut String) {
    let printed: Vec<String> = variables.iter().map(variable).collect();
    let several_lines = printed.iter().any(|it| it.contains('\n'));
    match (printed.is_empty(), several_lines) {
        (true, _) => {}
        (false, true) => out.push_str(&format!("(\n{}\n)", printed.join("\n"))),
        (false, false) => out.push_str(&format!("({})", printed.join(", "))),
    }
}

fn variable(it: &VariableDefinition) -> String {
    let mut out = String::new();
    description(it.description.as_ref(), &mut out);
    out.push_str(&format!("${}: {}", it.variable.name, it.ty));
    if let Some(default) = &it.default_value {
        out.push_str(" = ");
        value(default, 0, &mut out);
    }
    directives(&it.directives, 0, &mut out);
    out
}

fn fragment(it: &FragmentDefinition) -> String {
    let mut out = String::new();
    description(it.description.as_ref(), &mut out);
    out.push_str(&format!("fragment {} on {}", it.name, it.type_condition));
    directives(&it.directives, 0, &mut out);
    out.push(' ');
    selection_set(&it.selection_set, 0, &mut out);
    out
}

fn description(it: Option<&StringValue>, out: &mut String) {
    if let Some(it) = it {
        string(it, 0, out);
        out.push('\n');
    }
}

fn selection_set(set: &SelectionSet, depth: usize, out: &mut String) {
    out.push('{');
    for item in &set.items {
        new_line(depth + 1, out);
        match item {
            Selection::Field(it) => field(it, depth + 1, out),
            Selection::InlineFragment(it) => inline_fragment(it, depth + 1, out),
            Selection::FragmentSpread(it) => {
                out.push_str("...");
                out.push_str(&it.name.text);
                directives(&it.directives, depth + 1, out);
            }
        }
    }
    new_line(depth, out);
    out.push('}');
}

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    (0..depth).for_each(|_| out.push_str("  "));
}

fn field(it: &Field, depth: usize, out: &mut String) {
    let start = out.len();
    if let Some(alias) = &it.alias {
        out.push_str(&alias.text);
        out.push_str(": ");
    }
    out.push_str(&it.name.text);
    if !it.arguments.is_empty() {
        field_arguments(&it.arguments, out.len() - start, depth, out);
    }
    directives(&it.directives, depth, out);
    if let Some(set) = &it.selection_set {
        out.push(' ');
        selection_set(set, depth, out);
    }
}

/// On one line if they fit there, after so many letters.
fn field_arguments(items: &[Argument], before: usize, depth: usize, out: &mut String) {
    // Lines within are measured before they are indented.
    let mut line = String::new();
    arguments(items, 0, &mut line);
    if before + units(&line) <= LINE_UNITS_MAX {
        return arguments(items, depth, out);
    }
    out.push('(');
    for item in items {
        new_line(depth + 1, out);
        argument(item, depth + 1, out);
    }
    new_line(depth, out);
    out.push(')');
}

fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn inline_fragment(it: &InlineFragment, depth: usize, out: &mut String) {
    out.push_str("...");
    if let Some(condition) = &it.type_condition {
        out.push_str(" on ");
        out.push_str(&condition.text);
    }
    directives(&it.directives, depth, out);
    out.push(' ');
    selection_set(&it.selection_set, depth, out);
}

/// Each after a space.
fn directives(items: &[Directive], depth: usize, out: &mut String) {
    for item in items {
        out.push_str(" @");
        out.push_str(&item.name.text);
        if !item.arguments.is_empty() {
            arguments(&item.arguments, depth, out);
        }
    }
}

fn arguments(items: &[Argument], depth: usize, out: &mut String) {
    out.push('(');
    separated(items, out, |it, out| argument(it, depth, out));
    out.push(')');
}

fn argument(it: &Argument, depth: usize, out: &mut String) {
    out.push_str(&it.name.text);
    out.push_str(": ");
    value(&it.value, depth, out);
}

fn separated<T>(items: &[T], out: &mut String, write: impl Fn(&T, &mut String)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(item, out);
    }
}

fn value(it: &Value, depth: usize, out: &mut String) {
    match it {
        Value::Variable(it) => {
            out.push('$');
            out.push_str(&it.name.text);
        }
        Value::Int(it) | Value::Float(it) => out.push_str(&it.text),
        Value::String(it) => string(it, depth, out),
        Value::Boolean(true, _) => out.push_str("true"),
        Value::Boolean(false, _) => out.push_str("false"),
        Value::Null(_) => out.push_str("null"),
        Value::Enum(it) => out.push_str(&it.text),
        Value::List(items, _) => {
            out.push('[');
            separated(items, out, |it, out| value(it, depth, out));
            out.push(']');
        }
        Value::Object(members, _) => {
            out.push('{');
            separated(members, out, |it, out| {
                out.push_str(&it.name.text);
                out.push_str(": ");
                value(&it.value, depth, out);
            });
            out.push('}');
        }
    }
}

/// A block string is one again; its lines are indented with what is around it.
fn string(it: &StringValue, depth: usize, out: &mut String) {
    if !it.block {
        return write_string(&it.value, out);
    }
    let start = out.len();
    block_string::write(&it.value, out);
    if depth > 0 {
        let block = out.split_off(start);
        out.push_str(&block.replace('\n', &format!("\n{}", "  ".repeat(depth))));
    }
}
