//! The event directives of root fields: which broker, which destinations, which filter.

use super::{
    super::sdl::{Composite, Sdl, argument, is_list, named, string},
    Action, Binding, Findings, filter,
    hidden::Hidden,
    rules::PUBLISH_RESULT,
};
use crate::plan::{
    BrokerOperation, JetStreamOptions, LabelTemplates, OperationKind, ProviderKind, StreamOptions, Template,
    TemplatePart,
};
use federation_composition::graphql_core::{
    Directive, FieldDefinition, ObjectValue, OperationType, Value, print,
};
use std::sync::Arc;

/// One of the event directives.
pub(super) struct EventDirective {
    pub(super) name: &'static str,
    pub(super) kind: ProviderKind,
    pub(super) action: EventAction,
    /// The argument that holds the destination or destinations.
    destination: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventAction {
    Subscribe,
    Publish,
    Request,
}

impl EventDirective {
    /// Whether fields of this root type may carry it.
    pub(super) fn fits(&self, root: OperationType) -> bool {
        match self.action {
            EventAction::Subscribe => root == OperationType::Subscription,
            EventAction::Publish => root == OperationType::Mutation,
            EventAction::Request => root != OperationType::Subscription,
        }
    }
}

pub(super) const DIRECTIVES: &[EventDirective] = &[
    event("edfs__natsRequest", ProviderKind::Nats, EventAction::Request, "subject"),
    event("edfs__natsPublish", ProviderKind::Nats, EventAction::Publish, "subject"),
    event("edfs__natsSubscribe", ProviderKind::Nats, EventAction::Subscribe, "subjects"),
    event("edfs__kafkaPublish", ProviderKind::Kafka, EventAction::Publish, "topic"),
    event(KAFKA_PUBLISH, ProviderKind::Kafka, EventAction::Publish, "topic"),
    event("edfs__kafkaSubscribe", ProviderKind::Kafka, EventAction::Subscribe, "topics"),
    event("edfs__redisPublish", ProviderKind::Redis, EventAction::Publish, "channel"),
    event("edfs__redisSubscribe", ProviderKind::Redis, EventAction::Subscribe, "channels"),
    event(REDIS_STREAM, ProviderKind::Redis, EventAction::Subscribe, "streams"),
];

/// Publishes to Kafka with a key and headers. Cosmo has none of the kind.
const KAFKA_PUBLISH: &str = "feed__kafkaPublish";
/// Reads entries of Redis streams. Cosmo has none of the kind.
const REDIS_STREAM: &str = "feed__redisStreamSubscribe";
/// Says how a feed's events are handed over.
pub(super) const DELIVER: &str = "feed__deliver";
/// The field of an entry that holds the event, where the directive names none.
const ENTRY_FIELD: &str = "payload";

const fn event(
    name: &'static str,
    kind: ProviderKind,
    action: EventAction,
    destination: &'static str,
) -> EventDirective {
    EventDirective { name, kind, action, destination }
}

/// Whether a directive binds a root field to a broker.
pub(in crate::federation) fn is_event_directive(name: &str) -> bool {
    DIRECTIVES.iter().any(|it| it.name == name)
}

pub(super) fn event_directive(directive: &Directive) -> Option<&'static EventDirective> {
    DIRECTIVES.iter().find(|it| it.name == directive.name.value)
}

pub(super) const ROOTS: [(OperationType, OperationKind); 3] = [
    (OperationType::Query, OperationKind::Query),
    (OperationType::Mutation, OperationKind::Mutation),
    (OperationType::Subscription, OperationKind::Subscription),
];

/// Every root field's binding. Fields whose directives do not fit are `rules`' to report.
pub(super) fn bindings(
    graph: &Arc<str>,
    sdl: &Sdl<'_>,
    hidden: &Hidden,
    findings: &mut Findings<'_>,
) -> Vec<Binding> {
    let mut bindings = Vec::new();
    for (root, kind) in ROOTS {
        let Some(object) = sdl.root(root) else { continue };
        for field in &object.fields {
            let Some((directive, event)) = the_directive(root, field) else { continue };
            let at = format!("{}.{}", object.name, field.name.value);
            let mut reader = Reader { sdl, hidden, field, at, directive, findings };
            bindings.extend(reader.binding(graph, kind, event, object));
        }
    }
    bindings
}

/// The field's only event directive, if it has exactly one that fits.
fn the_directive(
    root: OperationType,
    field: &FieldDefinition,
) -> Option<(&Directive, &'static EventDirective)> {
    let mut found = field.directives.iter().filter_map(|it| Some((it, event_directive(it)?)));
    match (found.next(), found.next()) {
        (Some((directive, event)), None) if event.fits(root) => Some((directive, event)),
        _ => None,
    }
}

/// Reads the arguments of one directive on one root field.
struct Reader<'r, 'a, 'f> {
    sdl: &'r Sdl<'a>,
    hidden: &'r Hidden,
    field: &'r FieldDefinition,
    at: String,
    directive: &'r Directive,
    findings: &'r mut Findings<'f>,
}

impl Reader<'_, '_, '_> {
    fn binding(
        &mut self,
        graph: &Arc<str>,
        root: OperationKind,
        event: &'static EventDirective,
        owner: &Composite<'_>,
    ) -> Option<Binding> {
        self.only_known_arguments(event);
        let provider = self.provider();
        let action = match event.action {
            EventAction::Subscribe => {
                let destinations = self.destinations(event.destination);
                let rule = filter::read(self.sdl, self.hidden, self.field, owner, event.kind, self.findings);
                let stream = match event.name {
                    REDIS_STREAM => self.redis_stream(),
                    _ if rule.as_ref().is_some_and(filter::wants_labels) => {
                        Some(StreamOptions::LabelledKafka)
                    }
                    _ => self.stream(),
                };
                self.check_delivery(event, stream.is_some());
                destinations.map(|destinations| Action::Subscribe { destinations, stream, rule })
            }
            EventAction::Publish => self.call(event, BrokerOperation::Publish),
            EventAction::Request => self.call(event, BrokerOperation::Request),
        };
        let returns = named(&self.field.ty);
        // The publish result may be left out of the SDL.
        let is_abstract = self.sdl.object(returns).is_none() && returns != PUBLISH_RESULT;
        let possible = if is_abstract { self.sdl.possible(returns) } else { vec![returns] };
        Some(Binding {
            graph: graph.clone(),
            root,
            field: self.field.name.value.as_str().into(),
            directive: event.name,
            kind: event.kind,
            provider: provider?,
            action: action?,
            possible: possible.into_iter().map(Arc::from).collect(),
            is_abstract,
        })
    }

    fn complain(&mut self, rule: &str, message: String) {
        let at = format!("{}@{}", self.at, self.directive.name.value);
        self.findings.add(rule, at, message);
    }

    fn only_known_arguments(&mut self, event: &EventDirective) {
        for argument in &self.directive.arguments {
            let name = argument.name.value.as_str();
            let known = match event.name {
                "edfs__natsSubscribe" => name == "streamConfiguration",
                REDIS_STREAM => name == "field",
                KAFKA_PUBLISH => name == "key" || name == "headers",
                _ => false,
            };
            if name != event.destination && name != "providerId" && !known {
                self.complain("EDFS_UNKNOWN_ARGUMENT", format!("the directive has no argument \"{name}\""));
            }
        }
    }

    fn provider(&mut self) -> Option<Arc<str>> {
        match argument(self.directive, "providerId") {
            None => Some("default".into()),
            Some(Value::String(id)) if !id.value.is_empty() => Some(id.value.as_str().into()),
            Some(_) => {
                self.complain("EDFS_PROVIDER_ID", "\"providerId\" must be a string that is not empty".into());
                None
            }
        }
    }

    fn call(&mut self, event: &EventDirective, operation: BrokerOperation) -> Option<Action> {
        let name = event.destination;
        let labels = self.labels();
        match argument(self.directive, name).and_then(string).filter(|it| !it.is_empty()) {
            Some(text) => {
                self.template(text).map(|destination| Action::Call { operation, destination, labels })
            }
            None => {
                self.complain("EDFS_DESTINATION", format!("\"{name}\" must be a string that is not empty"));
                None
            }
        }
    }

    /// `key: "…", headers: [{ name: "…", value: "…" }]`.
    fn labels(&mut self) -> LabelTemplates {
        let key = argument(self.directive, "key").filter(|it| !matches!(it, Value::Null(_)));
        let key = key.and_then(|it| match string(it) {
            Some(text) => self.template(text),
            None => {
                self.complain("EDFS_KEY", "\"key\" must be a string".into());
                None
            }
        });
        let headers = match argument(self.directive, "headers") {
            None | Some(Value::Null(_)) => &[][..],
            Some(Value::List(list)) => &list.values[..],
            Some(one) => std::slice::from_ref(one),
        };
        let headers = headers.iter().filter_map(|it| self.header(it)).collect();
        LabelTemplates { key, headers }
    }

    fn header(&mut self, header: &Value) -> Option<(Arc<str>, Template)> {
        let text = |object: &ObjectValue, name: &str| {
            let mut found = object.fields.iter().filter(|it| it.name.value == name);
            let text = found.next().and_then(|it| string(&it.value)).map(str::to_owned);
            text.filter(|_| found.next().is_none())
        };
        let read = match header {
            Value::Object(it) if it.fields.len() == 2 => text(it, "name").zip(text(it, "value")),
            _ => None,
        };
        let Some((name, value)) = read.filter(|(name, _)| !name.is_empty()) else {
            let message = "every item of \"headers\" must be { name: \"…\", value: \"…\" }";
            self.complain("EDFS_HEADERS", message.into());
            return None;
        };
        Some((name.into(), self.template(&value)?))
    }

    fn destinations(&mut self, name: &str) -> Option<Vec<Template>> {
        let Some(Value::List(list)) = argument(self.directive, name).filter(|it| !is_empty_list(it)) else {
            self.complain("EDFS_DESTINATION", format!("\"{name}\" must be a list of at least one string"));
            return None;
        };
        let mut templates = Vec::with_capacity(list.values.len());
        for value in &list.values {
            match string(value).filter(|it| !it.is_empty()) {
                Some(text) => templates.extend(self.template(text)),
                None => self.complain(
                    "EDFS_DESTINATION",
                    format!("every item of \"{name}\" must be a string that is not empty"),
                ),
            }
        }
        (templates.len() == list.values.len()).then_some(templates)
    }

    fn template(&mut self, text: &str) -> Option<Template> {
        match template(self.sdl, self.field, text) {
            Ok(template) => Some(template),
            Err(problem) => {
                self.complain("EDFS_TEMPLATE", problem);
                None
            }
        }
    }

    /// `streamConfiguration: { consumerName, streamName, consumerInactiveThreshold }`.
    fn stream(&mut self) -> Option<StreamOptions> {
        let value = argument(self.directive, "streamConfiguration")?;
        let Value::Object(object) = value else {
            self.complain("EDFS_STREAM", "\"streamConfiguration\" must be an input object".into());
            return None;
        };
        const KNOWN: [&str; 3] = ["streamName", "consumerName", "consumerInactiveThreshold"];
        for field in object.fields.iter().filter(|it| !KNOWN.contains(&it.name.value.as_str())) {
            let message = format!("\"streamConfiguration\" has no field \"{}\"", field.name.value);
            self.complain("EDFS_STREAM", message);
        }
        let [stream, consumer, threshold] = KNOWN.map(|it| self.stream_option(object, it));
        let text = |it: Option<&Value>| it.and_then(string).map(Arc::<str>::from);
        Some(StreamOptions::JetStream(JetStreamOptions {
            stream: text(stream)?,
            consumer: text(consumer)?,
            consumer_inactive_threshold: threshold.map_or(THRESHOLD_DEFAULT, |it| self.threshold(it)),
            is_ordered: self.delivery().is_some(),
        }))
    }

    /// `@feed__deliver`: the field's feed is read by position.
    fn delivery(&self) -> Option<&Directive> {
        self.field.directives.iter().find(|it| it.name.value == DELIVER)
    }

    /// Complains about a way of delivery that the field's feed does not have.
    fn check_delivery(&mut self, event: &EventDirective, has_stream: bool) {
        let Some(deliver) = self.delivery() else { return };
        let mut problems = Vec::new();
        if !has_stream && event.kind != ProviderKind::Kafka {
            problems.push("needs a feed that can be read again: a stream, or Kafka".to_owned());
        }
        for argument in &deliver.arguments {
            let name = argument.name.value.as_str();
            let served = match name {
                "start" => "LATEST",
                "overflow" => "AUTO",
                _ => {
                    problems.push(format!("has no argument \"{name}\" in this version"));
                    continue;
                }
            };
            if !matches!(&argument.value, Value::Enum(it) if it.value == served) {
                problems.push(format!("takes \"{name}: {served}\" only, in this version"));
            }
        }
        let at = format!("{}@{DELIVER}", self.at);
        for problem in problems {
            self.findings.add("EDFS_DELIVER", at.clone(), format!("@{DELIVER} {problem}"));
        }
    }

    /// Seconds as existing event graphs mean them, which is told where it is not what they say.
    fn threshold(&mut self, value: &Value) -> i64 {
        let meant = seconds(value).unwrap_or(THRESHOLD_DEFAULT);
        let said = print(value);
        if said != meant.to_string() {
            let meaning = if meant == THRESHOLD_DEFAULT { "the default" } else { "which is never" };
            let at = format!("{}@{}", self.at, self.directive.name.value);
            let message = format!("\"consumerInactiveThreshold\" of {said} is read as {meant}, {meaning}");
            self.findings.note(&at, message);
        }
        meant
    }

    /// `field: "payload"`.
    fn redis_stream(&mut self) -> Option<StreamOptions> {
        let field = match argument(self.directive, "field") {
            None => ENTRY_FIELD,
            Some(Value::String(it)) if !it.value.is_empty() => &it.value,
            Some(_) => {
                self.complain("EDFS_STREAM_FIELD", "\"field\" must be a string that is not empty".into());
                return None;
            }
        };
        Some(StreamOptions::Redis { field: field.into() })
    }

    /// One field of the stream configuration; what is wrong with it is reported.
    fn stream_option<'v>(&mut self, object: &'v ObjectValue, name: &str) -> Option<&'v Value> {
        let mut found = object.fields.iter().filter(|it| it.name.value == name).map(|it| &it.value);
        let value = found.next();
        let is_threshold = name == "consumerInactiveThreshold";
        let problem = match value {
            _ if found.next().is_some() => "is given more than once",
            None if is_threshold => return None,
            None => "is missing",
            Some(it) if is_threshold && seconds(it).is_none() => "must be a whole number of seconds",
            Some(it) if !is_threshold && string(it).is_none_or(str::is_empty) => {
                "must be a string that is not empty"
            }
            Some(it) => return Some(it),
        };
        self.complain("EDFS_STREAM", format!("\"{name}\" of \"streamConfiguration\" {problem}"));
        None
    }
}

const THRESHOLD_DEFAULT: i64 = 30;

/// Seconds as existing event graphs mean them: below zero is the default, beyond 32 bits is "never".
fn seconds(value: &Value) -> Option<i64> {
    let Value::Int(int) = value else { return None };
    match int.value.parse::<i64>() {
        Ok(it) if it < 0 => Some(THRESHOLD_DEFAULT),
        Ok(it) if it <= i64::from(i32::MAX) => Some(it),
        _ => Some(0),
    }
}

fn is_empty_list(value: &Value) -> bool {
    matches!(value, Value::List(list) if list.values.is_empty())
}

/// Reads a template and checks that its arguments exist and end on a scalar.
pub(super) fn template(sdl: &Sdl<'_>, field: &FieldDefinition, text: &str) -> Result<Template, String> {
    let template = Template::parse(text);
    for part in &template.parts {
        match part {
            TemplatePart::Text(plain) if plain.contains("{{") => {
                return Err(format!("\"{text}\": arguments are written as {{{{ args.name }}}}"));
            }
            TemplatePart::Text(_) => {}
            TemplatePart::Argument(path) => {
                argument_path(sdl, field, path).map_err(|problem| format!("\"{text}\": {problem}"))?;
            }
        }
    }
    Ok(template)
}

fn argument_path(sdl: &Sdl<'_>, field: &FieldDefinition, path: &[Arc<str>]) -> Result<(), String> {
    let (first, rest) = path.split_first().expect("templates have paths of at least one name");
    let argument = field.arguments.iter().find(|it| *it.name.value == **first);
    let mut ty = &argument.ok_or_else(|| format!("the field has no argument \"{first}\""))?.ty;
    for (depth, name) in rest.iter().enumerate() {
        let parent = path[..=depth].join(".");
        let fields = (!is_list(ty)).then(|| sdl.inputs.get(named(ty))).flatten();
        let fields = fields.ok_or_else(|| format!("\"{parent}\" is no input object"))?;
        let found = fields.iter().find(|it| *it.name.value == **name);
        ty = &found.ok_or_else(|| format!("\"{parent}\" has no field \"{name}\""))?.ty;
    }
    match sdl.inputs.contains_key(named(ty)) {
        true => Err(format!("\"{}\" is an input object, not a scalar", path.join("."))),
        false => Ok(()),
    }
}
