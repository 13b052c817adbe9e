//! `${NAME}` and `${NAME:-default}` within values, from the environment; `$${` is a plain `${`. Other
//! routers' spellings mean the same: `${env.NAME}`, and `${file.NAME}` for what a file holds.
//!
//! Runs on the tree before types are looked at, so that any value can come from outside; what comes from
//! there is never read as YAML.

use super::{
    environment::Environment,
    finding::{Findings, Origin, SourceFile},
    tree::{Node, Value},
};
use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// More than a certificate chain or a list of keys takes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where values come from.
pub(crate) struct Outside<'a> {
    pub(crate) environment: &'a Environment,
    /// Those of the configuration's files, in their order. Absolute.
    folders: Vec<PathBuf>,
    /// Whether anything is read from the disk.
    reads: bool,
}

impl<'a> Outside<'a> {
    pub(crate) fn new(environment: &'a Environment, files: &[SourceFile], reads: bool) -> Self {
        let folder = |it: &SourceFile| {
            let file = environment.current_folder.join(&it.name);
            file.parent().unwrap_or(&environment.current_folder).to_owned()
        };
        Self { environment, folders: files.iter().map(folder).collect(), reads }
    }

    /// Where relative names count from: for what stands in a file from its folder, for what is typed from the
    /// working folder, for everything else from the first file's folder, if there is a file.
    pub(crate) fn folder_of(&self, origin: &Origin) -> &Path {
        let current = self.environment.current_folder.as_path();
        match origin {
            Origin::File(place) => &self.folders[place.file],
            Origin::Flag(_) => current,
            _ => self.folders.first().map_or(current, PathBuf::as_path),
        }
    }
}

/// Expands every value below `node`. Keys stay as they are.
pub(crate) fn expand(node: &mut Node, outside: &Outside<'_>, findings: &mut Findings) {
    expand_at(node, "", outside, findings);
}

fn expand_at(node: &mut Node, path: &str, outside: &Outside<'_>, findings: &mut Findings) {
    match &mut node.value {
        Value::Map(entries) => {
            for it in entries {
                let path = if path.is_empty() { it.name.clone() } else { format!("{path}.{}", it.name) };
                expand_at(&mut it.node, &path, outside, findings);
            }
        }
        Value::List(items) => {
            for (index, it) in items.iter_mut().enumerate() {
                expand_at(it, &format!("{path}[{index}]"), outside, findings);
            }
        }
        Value::Scalar { text, quoted } if text.contains("${") => {
            match expand_text(text, outside.folder_of(&node.origin), outside) {
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

fn expand_text(text: &str, folder: &Path, outside: &Outside<'_>) -> Result<String, Problem> {
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
        out.push_str(&value_of(inside, folder, outside)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of `NAME` or `NAME:-default`. As in a shell, `:-` also stands in for what is empty.
fn value_of<'v>(inside: &'v str, folder: &Path, outside: &Outside<'v>) -> Result<Cow<'v, str>, Problem> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    match name.strip_prefix("file.") {
        Some(file) => file_text(file, default, folder, outside).map(Cow::Owned),
        None => variable(name.strip_prefix("env.").unwrap_or(name), default, outside).map(Cow::Borrowed),
    }
}

fn variable<'v>(name: &str, default: Option<&'v str>, outside: &Outside<'v>) -> Result<&'v str, Problem> {
    let proper = !name.is_empty()
        && !name.starts_with(|it: char| it.is_ascii_digit())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_');
    if !proper {
        return Err(Problem {
            message: format!("`{name}` is no name of an environment variable"),
            help: "write `${NAME}` or `${NAME:-default}`".to_owned(),
        });
    }
    let environment = outside.environment;
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

/// What a file holds, or what stands in for it.
fn file_text(
    name: &str,
    default: Option<&str>,
    folder: &Path,
    outside: &Outside<'_>,
) -> Result<String, Problem> {
    match (outside.text_of(&folder.join(name)), default) {
        (Ok(text), None) => Ok(text),
        (Ok(text), Some(_)) if !text.is_empty() => Ok(text),
        (_, Some(default)) => Ok(default.to_owned()),
        (Err(error), None) => Err(Problem {
            message: format!("the file `{name}` cannot be read: {error}"),
            help: format!(
                "names count from the configuration file's folder; a default is given so: `${{file.{name}:-…}}`"
            ),
        }),
    }
}

impl Outside<'_> {
    /// What a file holds, without the line break at its end.
    pub(crate) fn text_of(&self, file: &Path) -> io::Result<String> {
        if !self.reads {
            return Err(io::Error::other("files are not read here"));
        }
        read(file).map(|it| it.trim_end_matches(['\n', '\r']).to_owned())
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}
