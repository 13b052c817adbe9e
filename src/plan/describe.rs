//! A plan for people and their tools: as an indented text and as JSON. Both are written from one tree, so
//! that they say the same.
//!
//! The form is for reading; nothing is decided by it.

use super::{
    BatchAlias, BrokerCall, BrokerOperation, EntityFetch, EventFeedField, Feed, FeedField, GroupSpec,
    InputValue, Operation, OperationKind, PathSegment, ProviderKind, RequiresItem, Rule, RuleConstant,
    RuleTemplate, RuleValueTemplate, Step, StreamOptions, SubgraphRequest, Template, TemplatePart, TypeNames,
    UpstreamFeedField,
};
use serde_json::{Map, Value, json};
use std::{fmt::Write, sync::Arc};

/// A plan, taken apart for showing.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    what: &'static str,
    facts: Vec<(&'static str, Value)>,
    parts: Vec<Self>,
}

impl Description {
    /// Describes an operation. `subgraphs` are the names, by [`super::SubgraphId`].
    pub fn of(operation: &Operation, subgraphs: &[Arc<str>]) -> Self {
        let mut shown = Self::new(match operation.kind {
            OperationKind::Query => "Query",
            OperationKind::Mutation => "Mutation",
            OperationKind::Subscription => "Subscription",
        });
        if let Some(name) = &operation.name {
            shown.fact("name", json!(name));
        }
        if !operation.plan.variables_used.is_empty() {
            shown.fact("variables", json!(operation.plan.variables_used));
        }
        if operation.constants.is_some() {
            shown.parts.push(Self::new("Introspection"));
        }
        let steps = Steps { subgraphs };
        shown.parts.extend(operation.plan.feed.as_ref().map(|it| match it {
            FeedField::Event(field) => event_feed(field),
            FeedField::Upstream(field) => steps.upstream(field),
        }));
        shown.parts.extend(operation.plan.steps.as_ref().map(|it| steps.step(it)));
        shown
    }

    /// Adds what one request's variables make of a subscription: its group.
    pub fn with_group(mut self, group: &GroupSpec) -> Self {
        let mut shown = Self::new("Group");
        match &*group.feed.feed {
            Feed::Events(feed) => shown.fact("destinations", json!(feed.destinations)),
            Feed::Upstream(feed) => shown.fact("document", json!(feed.document)),
        }
        if let Some(found) = &group.rule {
            shown.fact("rule", rule(found));
        }
        let names = &group.bound.operation.plan.variables_used;
        let values = names.iter().filter_map(|name| {
            let value = serde_json::from_slice(group.bound.variables.get(name)?).ok()?;
            Some((name.to_string(), value))
        });
        let values: Map<String, Value> = values.collect();
        if !values.is_empty() {
            shown.fact("variables", Value::Object(values));
        }
        shown.fact("operation", json!(group.bound.operation.canonical));
        shown.fact("projection", json!(group.bound.operation.projection.shape));
        self.parts.push(shown);
        self
    }

    /// One object per node: `kind`, its facts, and `parts` where there are any.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("kind".to_owned(), json!(self.what));
        object.extend(self.facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        if !self.parts.is_empty() {
            object.insert("parts".to_owned(), self.parts.iter().map(Self::to_json).collect());
        }
        Value::Object(object)
    }

    /// Indented lines: a node's kind, its facts as `name: value`, its parts below.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out
    }

    fn write(&self, depth: usize, out: &mut String) {
        let _ = writeln!(out, "{:depth$}{}", "", self.what, depth = depth * 2);
        let indent = (depth + 1) * 2;
        for (name, value) in &self.facts {
            let text = plain(value);
            let text = text.trim_end().replace('\n', &format!("\n{:indent$}  ", ""));
            let _ = writeln!(out, "{:indent$}{name}: {text}", "");
        }
        self.parts.iter().for_each(|it| it.write(depth + 1, out));
    }

    fn new(what: &'static str) -> Self {
        Self { what, facts: Vec::new(), parts: Vec::new() }
    }

    fn fact(&mut self, name: &'static str, value: Value) {
        self.facts.push((name, value));
    }
}

/// Texts as they are, lists of texts with commas, everything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(it) => it.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().map(plain).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn event_feed(field: &EventFeedField) -> Description {
    let mut shown = Description::new("Feed");
    shown.fact("graph", json!(field.graph));
    shown.fact("field", json!(field.field));
    shown.fact("broker", json!(broker(field.kind)));
    shown.fact("provider", json!(field.provider));
    shown.fact("destinations", field.destinations.iter().map(|it| json!(template(it))).collect());
    shown.facts.extend(field.stream.as_ref().map(|it| ("stream", stream(it))));
    if !field.arguments.is_empty() {
        shown.fact("arguments", arguments(&field.arguments));
    }
    shown.facts.extend(field.rule.as_ref().map(|it| ("rule", rule_template(it))));
    shown
}

fn broker(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Nats => "nats",
        ProviderKind::Kafka => "kafka",
        ProviderKind::Redis => "redis",
    }
}

fn stream(options: &StreamOptions) -> Value {
    match options {
        StreamOptions::JetStream(options) => json!({
            "streamName": options.stream,
            "consumerName": options.consumer,
            "consumerInactiveThreshold": options.consumer_inactive_threshold,
            "ordered": options.is_ordered,
        }),
        StreamOptions::Redis { field } => json!({ "field": field }),
        StreamOptions::LabelledKafka => json!({ "labels": ["$key", "$headers"] }),
    }
}

/// The template as the event graph has it.
fn template(template: &Template) -> String {
    let mut out = String::new();
    for part in &template.parts {
        match part {
            TemplatePart::Text(text) => out.push_str(text),
            TemplatePart::Argument(path) => {
                let _ = write!(out, "{{{{ args.{} }}}}", path.join("."));
            }
        }
    }
    out
}

fn arguments(arguments: &[(Arc<str>, InputValue)]) -> Value {
    arguments.iter().map(|(name, value)| (name.to_string(), input(value))).collect::<Map<_, _>>().into()
}

/// A value; variables as `$name`.
fn input(value: &InputValue) -> Value {
    match value {
        InputValue::Json(json) => serde_json::from_slice(json).unwrap_or_default(),
        InputValue::Variable(name) => json!(format!("${name}")),
        InputValue::List(items) => items.iter().map(input).collect(),
        InputValue::Object(members) => arguments(members),
    }
}

fn rule_template(rule: &RuleTemplate) -> Value {
    let all = |rules: &[RuleTemplate]| rules.iter().map(rule_template).collect::<Value>();
    match rule {
        RuleTemplate::And(rules) => json!({ "AND": all(rules) }),
        RuleTemplate::Or(rules) => json!({ "OR": all(rules) }),
        RuleTemplate::Not(rule) => json!({ "NOT": rule_template(rule) }),
        RuleTemplate::In { path, values } => {
            let values = values.iter().map(|it| match it {
                RuleValueTemplate::Constant(json) => serde_json::from_slice(json).unwrap_or_default(),
                RuleValueTemplate::Template(it) => json!(template(it)),
            });
            json!({ "IN": { "fieldPath": path.join("."), "values": values.collect::<Value>() } })
        }
    }
}

fn rule(found: &Rule) -> Value {
    let all = |rules: &[Rule]| rules.iter().map(rule).collect::<Value>();
    match found {
        Rule::And(rules) => json!({ "AND": all(rules) }),
        Rule::Or(rules) => json!({ "OR": all(rules) }),
        Rule::Not(inner) => json!({ "NOT": rule(inner) }),
        Rule::In { path, values } => {
            let values = values.iter().map(|it| match it {
                RuleConstant::Json(json) => serde_json::from_slice(json).unwrap_or_default(),
                RuleConstant::Text(text) => json!(text),
            });
            json!({ "IN": { "fieldPath": path.join("."), "values": values.collect::<Value>() } })
        }
    }
}

struct Steps<'a> {
    subgraphs: &'a [Arc<str>],
}

impl Steps<'_> {
    fn step(&self, step: &Step) -> Description {
        match step {
            Step::Sequence(steps) => self.all("Sequence", steps),
            Step::Parallel(steps) => self.all("Parallel", steps),
            Step::Condition { variable, then, otherwise } => {
                let mut shown = Description::new("Condition");
                shown.fact("variable", json!(variable));
                for (what, branch) in [("Then", then), ("Otherwise", otherwise)] {
                    let part = branch.as_ref().map(|it| self.all(what, std::slice::from_ref(&**it)));
                    shown.parts.extend(part);
                }
                shown
            }
            Step::Fetch(fetch) => {
                let mut shown = self.request("Fetch", &fetch.request);
                if !fetch.path.is_empty() {
                    shown.fact("path", json!(path(&fetch.path)));
                }
                shown
            }
            Step::Entities(fetch) => self.entities(fetch),
            Step::Batch(fetch) => {
                let mut shown = self.request("Batch", &fetch.request);
                shown.parts.extend(fetch.aliases.iter().map(batch_alias));
                shown
            }
            Step::Broker(call) => broker_call(call),
        }
    }

    fn all(&self, what: &'static str, steps: &[Step]) -> Description {
        Description { parts: steps.iter().map(|it| self.step(it)).collect(), ..Description::new(what) }
    }

    fn request(&self, what: &'static str, request: &SubgraphRequest) -> Description {
        let mut shown = Description::new(what);
        let name = self.subgraphs.get(usize::from(request.subgraph.0));
        shown.fact("subgraph", name.map_or_else(|| json!(request.subgraph.0), |it| json!(it)));
        shown.fact("document", json!(request.document));
        if !request.variables.is_empty() {
            shown.fact("variables", json!(request.variables));
        }
        shown
    }

    /// A subscription that the subgraph serves itself.
    fn upstream(&self, field: &UpstreamFeedField) -> Description {
        let mut shown = self.request("Subscribe", &field.request);
        shown.facts.insert(0, ("field", json!(field.field)));
        shown
    }

    fn entities(&self, fetch: &EntityFetch) -> Description {
        let mut shown = self.request("Entities", &fetch.request);
        shown.fact("path", json!(path(&fetch.path)));
        shown.fact("requires", json!(selection(&fetch.requires)));
        shown
    }
}

fn batch_alias(alias: &BatchAlias) -> Description {
    let mut shown = Description::new("Entities");
    shown.fact("alias", json!(alias.alias));
    shown.fact("paths", alias.paths.iter().map(|it| json!(path(it))).collect());
    shown.fact("requires", json!(selection(&alias.requires)));
    shown
}

fn broker_call(call: &BrokerCall) -> Description {
    let mut shown = Description::new(match call.operation {
        BrokerOperation::Publish => "Publish",
        BrokerOperation::Request => "Request",
    });
    shown.fact("graph", json!(call.graph));
    shown.fact("field", json!(call.field));
    shown.fact("broker", json!(broker(call.kind)));
    shown.fact("provider", json!(call.provider));
    shown.fact("destination", json!(template(&call.destination)));
    if let Some(key) = &call.labels.key {
        shown.fact("key", json!(template(key)));
    }
    if !call.labels.headers.is_empty() {
        let headers = call.labels.headers.iter().map(|(name, value)| json!([name, template(value)]));
        shown.fact("headers", headers.collect());
    }
    if !call.arguments.is_empty() {
        shown.fact("payload", arguments(&call.arguments));
    }
    shown
}

/// `employees.@.[Manager|Engineer].office`: keys, lists, types.
fn path(segments: &[PathSegment]) -> String {
    let shown = segments.iter().map(|it| match it {
        PathSegment::Key(key) => key.to_string(),
        PathSegment::List => "@".to_owned(),
        PathSegment::Types(names) => format!("[{}]", type_names(names)),
    });
    shown.collect::<Vec<_>>().join(".")
}

fn type_names(names: &TypeNames) -> String {
    names.iter().map(|it| &**it).collect::<Vec<_>>().join("|")
}

fn selection(items: &[RequiresItem]) -> String {
    let shown = items.iter().map(|it| match it {
        RequiresItem::Field { name, selection: inner, .. } if inner.is_empty() => name.to_string(),
        RequiresItem::Field { name, selection: inner, .. } => format!("{name} {}", selection(inner)),
        RequiresItem::On { types, selection: inner } => {
            format!("... on {} {}", type_names(types), selection(inner))
        }
    });
    format!("{{ {} }}", shown.collect::<Vec<_>>().join(" "))
}
