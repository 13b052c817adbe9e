//! `${NAME}` and `${NAME:-default}` within values, from the environment; `$${` is a plain `${`.
//!
//! Runs on the tree before types are looked at, so that any value can come from outside; what a variable
//! holds is never read as YAML.

use super::{
    environment::Environment,
    finding::Findings,
    tree::{Node, Value},
};

/// Expands every value below `node`. Keys stay as they are.
pub(crate) fn expand(node: &mut Node, environment: &Environment, findings: &mut Findings) {
    expand_at(node, "", environment, findings);
}

fn expand_at(node: &mut Node, path: &str, environment: &Environment, findings: &mut Findings) {
    match &mut node.value {
        Value::Map(entries) => {
            for it in entries {
                let path = if path.is_empty() { it.name.clone() } else { format!("{path}.{}", it.name) };
                expand_at(&mut it.node, &path, environment, findings);
            }
        }
        Value::List(items) => {
            for (index, it) in items.iter_mut().enumerate() {
                expand_at(it, &format!("{path}[{index}]"), environment, findings);
            }
        }
        Value::Scalar { text, quoted } if text.contains("${") => {
            match expand_text(text, environment) {
                // Text from outside is never nothing, not even when it is empty.
                Ok(expanded) => (*text, *quoted) = (expanded, true),
                Err(problem) => {
                    findings.add(node.origin.clone(), path, problem.message).help(problem.help);
                    node.value = Value::Broken;
                }
            }
        }
        Value::Scalar { .. } | Value::Broken => {}
    }
}

struct Problem {
    message: String,
    help: String,
}

fn expand_text(text: &str, environment: &Environment) -> Result<String, Problem> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let Some((inside, after)) = rest[at + 2..].split_once('}') else {
            return Err(Problem {
                message: "`${` without `}`".to_owned(),
                help: "write `$${` for a plain `${`".to_owned(),
            });
        };
        out.push_str(value_of(inside, environment)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of `NAME` or `NAME:-default`. As in a shell, `:-` also stands in for an empty variable.
fn value_of<'v>(inside: &'v str, environment: &'v Environment) -> Result<&'v str, Problem> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let proper = !name.is_empty()
        && !name.starts_with(|it: char| it.is_ascii_digit())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    if !proper {
        return Err(Problem {
            message: format!("`{name}` is no name of an environment variable"),
            help: "write `${NAME}` or `${NAME:-default}`".to_owned(),
        });
    }
    match (environment.variable(name), default, environment.variables.get(name)) {
        (Some(value), ..) => Ok(value),
        (None, Some(default), _) => Ok(default),
        (None, None, Some(empty)) => Ok(empty),
        (None, None, None) => Err(Problem {
            message: format!("the environment variable `{name}` is not set"),
            help: format!("set it, or give a default: `${{{name}:-…}}`"),
        }),
    }
}
