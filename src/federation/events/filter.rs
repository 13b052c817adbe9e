//! `@openfed__subscriptionFilter`: conditions over the fields of an event.

use super::{
    super::sdl::{Composite, Sdl, argument, is_list, named, string},
    Findings, bind,
    hidden::Hidden,
};
use crate::{
    graphql::json::json_string,
    plan::{ProviderKind, RuleTemplate, RuleValueTemplate},
};
use bytes::Bytes;
use federation_composition::graphql_core::{FieldDefinition, ObjectField, Value, print};
use std::sync::Arc;

pub(in crate::federation) const DIRECTIVE: &str = "openfed__subscriptionFilter";
const DEPTH_MAX: usize = 5;
const LIST_MAX: usize = 5;
/// The paths to what a broker says beside an event.
const KEY: &str = "$key";
const HEADERS: &str = "$headers";

/// The field's filter. `None` when it has none, or a wrong one (which is reported).
pub(super) fn read(
    sdl: &Sdl<'_>,
    hidden: &Hidden,
    field: &FieldDefinition,
    owner: &Composite<'_>,
    kind: ProviderKind,
    findings: &mut Findings<'_>,
) -> Option<RuleTemplate> {
    let mut directives = field.directives.iter().filter(|it| it.name.value == DIRECTIVE);
    let directive = directives.next()?;
    let at = format!("{}.{}@{DIRECTIVE}", owner.name, field.name.value);
    if directives.next().is_some() {
        findings.add("EDFS_FILTER_REPEATED", at, "a field can have one filter only");
        return None;
    }
    let Some(condition) = argument(directive, "condition").filter(|_| directive.arguments.len() == 1) else {
        findings.add("EDFS_FILTER", at, "the directive takes one argument, \"condition\"");
        return None;
    };
    match (Reader { sdl, hidden, field, kind }).condition(condition, 1) {
        Ok(rule) => Some(rule),
        Err(Problem(rule, message)) => {
            findings.add(rule, at, message);
            None
        }
    }
}

/// A rule that is broken, and how.
struct Problem(&'static str, String);

struct Reader<'r, 'a> {
    sdl: &'r Sdl<'a>,
    hidden: &'r Hidden,
    field: &'r FieldDefinition,
    kind: ProviderKind,
}

/// Whether a rule looks at what the broker says beside an event.
pub(super) fn wants_labels(rule: &RuleTemplate) -> bool {
    match rule {
        RuleTemplate::And(rules) | RuleTemplate::Or(rules) => rules.iter().any(wants_labels),
        RuleTemplate::Not(rule) => wants_labels(rule),
        RuleTemplate::In { path, .. } => path.first().is_some_and(|it| it.starts_with('$')),
    }
}

impl Reader<'_, '_> {
    fn condition(&self, value: &Value, depth: usize) -> Result<RuleTemplate, Problem> {
        if depth > DEPTH_MAX {
            let message = format!("conditions are nested more than {DEPTH_MAX} levels deep");
            return Err(Problem("EDFS_FILTER_DEPTH", message));
        }
        let Value::Object(object) = value else {
            return Err(Problem("EDFS_FILTER_CONDITION", format!("{} is no condition", shown(value))));
        };
        let [only] = &object.fields[..] else {
            let message = format!("{} must have exactly one of AND, IN, NOT, OR", shown(value));
            return Err(Problem("EDFS_FILTER_CONDITION", message));
        };
        match only.name.value.as_str() {
            "AND" => self.conditions("AND", &only.value, depth).map(RuleTemplate::And),
            "OR" => self.conditions("OR", &only.value, depth).map(RuleTemplate::Or),
            "NOT" => Ok(RuleTemplate::Not(Box::new(self.condition(&only.value, depth + 1)?))),
            "IN" => self.field_condition(&only.value),
            other => {
                Err(Problem("EDFS_FILTER_CONDITION", format!("\"{other}\" is none of AND, IN, NOT, OR")))
            }
        }
    }

    fn conditions(&self, name: &str, value: &Value, depth: usize) -> Result<Vec<RuleTemplate>, Problem> {
        let Value::List(list) = value else {
            return Err(Problem("EDFS_FILTER_CONDITION", format!("\"{name}\" takes a list of conditions")));
        };
        if list.values.is_empty() || list.values.len() > LIST_MAX {
            let message = format!("\"{name}\" takes 1 to {LIST_MAX} conditions, not {}", list.values.len());
            return Err(Problem("EDFS_FILTER_LENGTH", message));
        }
        list.values.iter().map(|it| self.condition(it, depth + 1)).collect()
    }

    /// `{ fieldPath: "a.b", values: [1, "x"] }`.
    fn field_condition(&self, value: &Value) -> Result<RuleTemplate, Problem> {
        let wrong =
            || Problem("EDFS_FILTER_IN", format!("{} must be {{ fieldPath: …, values: … }}", shown(value)));
        let Value::Object(object) = value else { return Err(wrong()) };
        let member = |name: &str| -> Result<&ObjectField, Problem> {
            let mut found = object.fields.iter().filter(|it| it.name.value == name);
            found.next().filter(|_| found.next().is_none()).ok_or_else(wrong)
        };
        let (path, values) = (member("fieldPath")?, member("values")?);
        if object.fields.len() != 2 {
            return Err(wrong());
        }
        let path = string(&path.value).ok_or_else(wrong)?;
        if path.starts_with('$') {
            return self.label_condition(path, &values.value);
        }
        self.check_path(path)?;
        Ok(RuleTemplate::In {
            path: path.split('.').map(Arc::from).collect(),
            values: self.values(&values.value)?,
        })
    }

    /// The same for `$key` and `$headers.NAME`, whatever `NAME` is.
    fn label_condition(&self, path: &str, values: &Value) -> Result<RuleTemplate, Problem> {
        let problem = |message: &str| Problem("EDFS_FILTER_PATH", format!("\"{path}\": {message}"));
        if self.kind != ProviderKind::Kafka {
            return Err(problem("only events of Kafka have a key and headers"));
        }
        let header =
            path.strip_prefix(HEADERS).and_then(|it| it.strip_prefix('.')).filter(|it| !it.is_empty());
        let path: Vec<Arc<str>> = match header {
            Some(name) => vec![HEADERS.into(), name.into()],
            None if path == KEY => vec![KEY.into()],
            None => return Err(problem("beside fields there are \"$key\" and \"$headers.NAME\"")),
        };
        let values = self.values(values)?;
        let is_text = |it: &RuleValueTemplate| match it {
            RuleValueTemplate::Constant(json) => json.starts_with(b"\"") || json == "null",
            RuleValueTemplate::Template(_) => true,
        };
        if !values.iter().all(is_text) {
            let message = "keys and headers are texts: \"values\" must be strings or null";
            return Err(Problem("EDFS_FILTER_VALUES", message.into()));
        }
        Ok(RuleTemplate::In { path: path.into(), values })
    }

    /// A scalar stands for a list of one; equal values count once.
    fn values(&self, value: &Value) -> Result<Vec<RuleValueTemplate>, Problem> {
        let items = match value {
            Value::List(list) => &list.values[..],
            single => std::slice::from_ref(single),
        };
        if items.is_empty() {
            return Err(Problem("EDFS_FILTER_VALUES", "\"values\" is empty".into()));
        }
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let value = self.value(item)?;
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Ok(values)
    }

    fn value(&self, value: &Value) -> Result<RuleValueTemplate, Problem> {
        let constant = |json: &str| Ok(RuleValueTemplate::Constant(Bytes::copy_from_slice(json.as_bytes())));
        match value {
            Value::Null(_) => constant("null"),
            Value::Boolean(it) => constant(if it.value { "true" } else { "false" }),
            Value::Int(it) => constant(&it.value),
            Value::Float(it) => constant(&it.value),
            Value::Enum(it) => Ok(quoted(&it.value)),
            Value::String(it) => self.text(&it.value),
            Value::List(_) | Value::Object(_) | Value::Variable(_) => {
                Err(Problem("EDFS_FILTER_VALUES", format!("{} in \"values\" is no scalar", shown(value))))
            }
        }
    }

    fn text(&self, text: &str) -> Result<RuleValueTemplate, Problem> {
        let template = bind::template(self.sdl, self.field, text)
            .map_err(|problem| Problem("EDFS_TEMPLATE", problem))?;
        match template.arguments().count() {
            0 => Ok(quoted(text)),
            1 => Ok(RuleValueTemplate::Template(template)),
            _ => Err(Problem("EDFS_FILTER_VALUES", format!("\"{text}\" has more than one argument in it"))),
        }
    }

    /// The path must lead to a leaf on every type that an event may have, and clients see.
    fn check_path(&self, path: &str) -> Result<(), Problem> {
        let problem = |message: String| Problem("EDFS_FILTER_PATH", format!("\"{path}\": {message}"));
        let names: Vec<&str> = path.split('.').collect();
        if names.iter().any(|it| it.is_empty()) {
            return Err(problem("is no dotted path of field names".into()));
        }
        let returns = named(&self.field.ty);
        if self.sdl.object(returns).is_some() {
            return self.check_path_on(returns, &names).map_err(problem);
        }
        let possible = self.sdl.possible(returns).into_iter();
        let visible: Vec<_> = possible.filter(|it| !self.hidden.contains(*it)).collect();
        if visible.is_empty() {
            return Err(problem(format!("\"{returns}\" has no accessible object type")));
        }
        visible.iter().try_for_each(|it| self.check_path_on(it, &names)).map_err(problem)
    }

    fn check_path_on(&self, type_name: &str, names: &[&str]) -> Result<(), String> {
        let mut owner = type_name;
        for (index, name) in names.iter().enumerate() {
            let object = self.sdl.object(owner).ok_or_else(|| format!("\"{owner}\" is no object type"))?;
            let field = object
                .field(name)
                .ok_or_else(|| format!("\"{owner}\" has no field \"{name}\" in this event graph"))?;
            let last = index + 1 == names.len();
            if is_list(&field.ty) && !last {
                return Err(format!("\"{owner}.{name}\" is a list"));
            }
            owner = named(&field.ty);
            if last && self.is_composite(owner) {
                return Err(format!("must end on a scalar or enum, but \"{name}\" is of type \"{owner}\""));
            }
        }
        Ok(())
    }

    fn is_composite(&self, name: &str) -> bool {
        self.sdl.object(name).is_some()
            || self.sdl.interface(name).is_some()
            || self.sdl.union(name).is_some()
    }
}

/// A value for a message, which is one line: the printer breaks long ones.
fn shown(value: &Value) -> String {
    print(value).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn quoted(text: &str) -> RuleValueTemplate {
    RuleValueTemplate::Constant(json_string(text))
}
