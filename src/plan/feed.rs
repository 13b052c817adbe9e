//! Event subscriptions and broker calls: feeds, destinations, rules, and the key of a group.
//!
//! A [`FeedField`] is what the event graph says; [`GroupSpec::render`] puts one request's variables in.
//! No argument value can reach a broker as a wildcard, an extra token or a malformed subject: values are
//! checked here, before anything is rendered.

use super::{BoundOperation, InputValue, Operation, TypeNames, value::write_members};
use crate::graphql::{
    Variables,
    json::{Document, Kind, NodeId},
};
use bytes::Bytes;
use std::{
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

/// The id of a provider in `events.providers`.
pub type ProviderId = Arc<str>;

/// The kind of broker that a directive speaks to. (A memory provider answers to the NATS directives.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    Nats,
    Kafka,
    Redis,
}

/// A place in a feed: offsets by part (Kafka's topic partition, a stream, the provider), sorted by part.
///
/// "In order" means per part. Positions of one feed compare by [`Position::covers`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position(pub smallvec::SmallVec<[(u32, u64); 1]>);

impl Position {
    /// A place in a feed of a single part.
    pub fn single(offset: u64) -> Self {
        Self(smallvec::smallvec![(0, offset)])
    }

    /// The offset in one part.
    pub fn offset(&self, part: u32) -> Option<u64> {
        self.0.iter().find(|(it, _)| *it == part).map(|(_, offset)| *offset)
    }

    /// Whether everything up to `other` lies before or at this position, in every part.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(part, offset)| self.offset(*part).is_some_and(|mine| mine >= *offset))
    }
}

/// One event, decoded once for all groups.
#[derive(Debug)]
pub struct Event {
    pub position: Position,
    pub document: Document,
    /// The payload: an object.
    pub root: NodeId,
}

/// A feed: a stream of events that a source can offer. Everyone who listens to an equal feed shares one
/// trigger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Feed {
    pub kind: ProviderKind,
    pub provider: ProviderId,
    /// Subjects, topics or channels; sorted, each once.
    pub destinations: Vec<Destination>,
    pub stream: Option<StreamOptions>,
}

/// A rendered subject, topic or channel.
pub type Destination = Arc<str>;

/// JetStream options of a feed (`streamConfiguration`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamOptions {
    pub stream: Arc<str>,
    pub consumer: Arc<str>,
    /// Seconds.
    pub consumer_inactive_threshold: i64,
}

/// A feed and the hash that accelerates finding its trigger. Equality is decided on the whole feed.
#[derive(Clone, Debug)]
pub struct FeedKey {
    hash: u64,
    pub feed: Arc<Feed>,
}

impl FeedKey {
    pub fn new(feed: Feed) -> Self {
        Self { hash: hash_of(&feed), feed: Arc::new(feed) }
    }

    /// A key that collides with every other one of its kind, for tests of full comparison.
    #[cfg(test)]
    pub(crate) fn with_hash(mut self, hash: u64) -> Self {
        self.hash = hash;
        self
    }
}

impl PartialEq for FeedKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.feed == other.feed
    }
}

impl Eq for FeedKey {}

impl Hash for FeedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A subscription field of an event graph, as planned: everything that does not depend on variables.
#[derive(Debug)]
pub struct FeedField {
    /// The field's name in the schema.
    pub field: Arc<str>,
    /// The canonical key under which the event is put into the data.
    pub key: Arc<str>,
    /// The event graph's name, for messages (`Subgraph 'x' returned …`).
    pub graph: Arc<str>,
    pub kind: ProviderKind,
    pub provider: ProviderId,
    pub destinations: Vec<Template>,
    pub stream: Option<StreamOptions>,
    /// The field's arguments with the schema's defaults put in, in the operation's order.
    pub arguments: Vec<(Arc<str>, InputValue)>,
    pub rule: Option<RuleTemplate>,
    /// Types an event may have.
    pub possible: TypeNames,
    /// The return type is an interface or union: events must carry `__typename`.
    pub is_abstract: bool,
}

/// Publish or request: a root field of a query or mutation that a broker answers.
#[derive(Debug)]
pub struct BrokerCall {
    pub operation: BrokerOperation,
    pub field: Arc<str>,
    /// Where the answer goes in the data.
    pub key: Arc<str>,
    pub graph: Arc<str>,
    pub kind: ProviderKind,
    pub provider: ProviderId,
    pub destination: Template,
    /// Arguments present in the operation, in its order: the payload.
    pub arguments: Vec<(Arc<str>, InputValue)>,
    /// Types the answer may have.
    pub possible: TypeNames,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerOperation {
    /// Answers `{ success }`.
    Publish,
    /// Answers with the reply's JSON object.
    Request,
}

impl BrokerCall {
    /// The payload: a JSON object of the arguments present in the operation, in its order.
    pub fn payload(&self, variables: &Variables) -> Bytes {
        let mut out = Vec::new();
        write_members(&self.arguments, variables, &mut out);
        out.into()
    }

    /// The one subject, topic or channel.
    pub fn destination(&self, variables: &Variables) -> Result<Destination, RenderError> {
        let arguments = Arguments::new(&self.arguments, variables);
        let mut rendered = self.destination.render(&arguments, Safety::of(self.kind))?;
        match (rendered.pop(), rendered.is_empty()) {
            (Some(one), true) => Ok(one.into()),
            _ => Err(RenderError::List { argument: self.destination.first_argument() }),
        }
    }
}

/// A string with arguments in it: `employeeUpdated.{{ args.id }}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub parts: Vec<TemplatePart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    Text(Arc<str>),
    /// `{{ args.a.b }}`: the path below the arguments.
    Argument(Vec<Arc<str>>),
}

/// Why a request cannot subscribe, publish or ask: shown to the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("Argument \"{argument}\" is needed to choose the event's destination, but is absent or null.")]
    Missing { argument: String },
    #[error("Argument \"{argument}\" cannot be part of an event's destination: {reason}.")]
    Unsafe { argument: String, reason: &'static str },
    #[error("Argument \"{argument}\" must be a single value here.")]
    List { argument: String },
}

impl Template {
    /// Reads `{{ args.x.y }}` out of a string. Anything else in braces stays text.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let (mut rest, mut plain) = (text, String::new());
        while let Some(open) = rest.find("{{") {
            let (before, braces) = rest.split_at(open);
            plain.push_str(before);
            match parse_braces(braces) {
                Some((path, len)) => {
                    flush(&mut plain, &mut parts);
                    parts.push(TemplatePart::Argument(path));
                    rest = &braces[len..];
                }
                None => {
                    plain.push_str("{{");
                    rest = &braces[2..];
                }
            }
        }
        plain.push_str(rest);
        flush(&mut plain, &mut parts);
        Self { parts }
    }

    /// Paths of the arguments in it, in order.
    pub fn arguments(&self) -> impl Iterator<Item = &[Arc<str>]> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Text(_) => None,
            TemplatePart::Argument(path) => Some(&path[..]),
        })
    }

    fn first_argument(&self) -> String {
        self.arguments().next().map(|it| it.join(".")).unwrap_or_default()
    }

    /// Every string that the template stands for: one, or one for each item of list arguments.
    fn render(&self, arguments: &Arguments, safety: Safety) -> Result<Vec<String>, RenderError> {
        let mut rendered = vec![String::new()];
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => rendered.iter_mut().for_each(|it| it.push_str(text)),
                TemplatePart::Argument(path) => {
                    let values = arguments.texts(path)?;
                    for value in &values {
                        safety
                            .check(value)
                            .map_err(|reason| RenderError::Unsafe { argument: path.join("."), reason })?;
                    }
                    rendered = product(&rendered, &values);
                }
            }
        }
        Ok(rendered)
    }
}

fn flush(plain: &mut String, parts: &mut Vec<TemplatePart>) {
    if !plain.is_empty() {
        parts.push(TemplatePart::Text(std::mem::take(plain).into()));
    }
}

/// `{{ args.a.b }}` at the start of `text`: the path and the length of it all.
fn parse_braces(text: &str) -> Option<(Vec<Arc<str>>, usize)> {
    let close = text.find("}}")?;
    let path = text[2..close].trim().strip_prefix("args.")?;
    let names: Vec<Arc<str>> = path.split('.').map(Arc::from).collect();
    let is_name =
        |it: &Arc<str>| !it.is_empty() && it.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    names.iter().all(is_name).then_some((names, close + 2))
}

fn product(prefixes: &[String], values: &[String]) -> Vec<String> {
    prefixes.iter().flat_map(|prefix| values.iter().map(move |value| format!("{prefix}{value}"))).collect()
}

/// What a value may not hold in a destination of one kind of broker.
#[derive(Clone, Copy)]
enum Safety {
    /// NATS subjects: tokens between dots, `*` and `>` are wildcards.
    Subject,
    /// Kafka topics: letters, digits, `.`, `_`, `-`.
    Topic,
    /// Redis channels: globs.
    Channel,
    /// A rule's constant, which reaches no broker.
    Anything,
}

impl Safety {
    fn of(kind: ProviderKind) -> Self {
        match kind {
            ProviderKind::Nats => Self::Subject,
            ProviderKind::Kafka => Self::Topic,
            ProviderKind::Redis => Self::Channel,
        }
    }

    fn check(self, value: &str) -> Result<(), &'static str> {
        if matches!(self, Self::Anything) {
            return Ok(());
        }
        if value.is_empty() {
            return Err("it is empty");
        }
        if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("it contains a blank or control character");
        }
        match self {
            Self::Subject if value.contains(['*', '>']) => Err("it contains a wildcard"),
            Self::Subject if value.contains('.') => Err("it contains the separator '.'"),
            Self::Topic if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) => {
                Err("it contains a character that topic names cannot have")
            }
            Self::Channel if value.contains(['*', '?', '[', ']', '\\']) => Err("it contains a wildcard"),
            _ => Ok(()),
        }
    }
}

/// A filter as the event graph spells it (`@openfed__subscriptionFilter`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleTemplate {
    And(Vec<RuleTemplate>),
    Or(Vec<RuleTemplate>),
    Not(Box<RuleTemplate>),
    In { path: Arc<[Arc<str>]>, values: Vec<RuleValueTemplate> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleValueTemplate {
    /// A JSON scalar.
    Constant(Bytes),
    /// A string with an argument in it; a list argument stands for each of its items.
    Template(Template),
}

/// A condition over the fields of an event, with all constants known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    And(Vec<Rule>),
    Or(Vec<Rule>),
    Not(Box<Rule>),
    /// The field at `path` equals one of the constants.
    In {
        path: Arc<[Arc<str>]>,
        values: Vec<RuleConstant>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RuleConstant {
    /// From the SDL, a JSON scalar: compares by type and value.
    Json(Bytes),
    /// From an argument: compares by text, so an `ID` matches a number in the event.
    Text(Arc<str>),
}

impl RuleTemplate {
    fn render(&self, arguments: &Arguments) -> Result<Rule, RenderError> {
        let all = |rules: &[Self]| rules.iter().map(|it| it.render(arguments)).collect::<Result<_, _>>();
        Ok(match self {
            Self::And(rules) => Rule::And(all(rules)?),
            Self::Or(rules) => Rule::Or(all(rules)?),
            Self::Not(rule) => Rule::Not(Box::new(rule.render(arguments)?)),
            Self::In { path, values } => {
                let mut constants = Vec::with_capacity(values.len());
                for value in values {
                    value.render_into(arguments, &mut constants)?;
                }
                Rule::In { path: path.clone(), values: constants }
            }
        })
    }
}

impl RuleValueTemplate {
    /// An absent or null argument stands for no value at all: it matches nothing.
    fn render_into(&self, arguments: &Arguments, out: &mut Vec<RuleConstant>) -> Result<(), RenderError> {
        match self {
            Self::Constant(json) => out.push(RuleConstant::Json(json.clone())),
            Self::Template(template) => match template.render(arguments, Safety::Anything) {
                Ok(texts) => out.extend(texts.into_iter().map(|it| RuleConstant::Text(it.into()))),
                Err(RenderError::Missing { .. }) => {}
                Err(error) => return Err(error),
            },
        }
        Ok(())
    }
}

/// The arguments of one request as one JSON object.
struct Arguments {
    document: Document,
    root: NodeId,
}

impl Arguments {
    fn new(arguments: &[(Arc<str>, InputValue)], variables: &Variables) -> Self {
        let mut json = Vec::new();
        write_members(arguments, variables, &mut json);
        let mut document = Document::new();
        let root = document.parse(json.into()).expect("made of JSON texts");
        Self { document, root }
    }

    /// The scalar at a path as text; of a list, each item's.
    fn texts(&self, path: &[Arc<str>]) -> Result<Vec<String>, RenderError> {
        let missing = || RenderError::Missing { argument: path.join(".") };
        let found = self.document.get_path(self.root, path.iter().map(|it| &**it)).ok_or_else(missing)?;
        match self.document.kind(found) {
            Kind::Null => Err(missing()),
            Kind::Array => {
                self.document.children(found).map(|it| self.text(it).ok_or_else(missing)).collect()
            }
            _ => Ok(vec![self.text(found).ok_or_else(|| RenderError::Unsafe {
                argument: path.join("."),
                reason: "it is an object",
            })?]),
        }
    }

    fn text(&self, id: NodeId) -> Option<String> {
        match self.document.kind(id) {
            Kind::String => self.document.as_str(id).map(|it| it.into_owned()),
            Kind::Number => self.document.as_number(id).map(str::to_owned),
            Kind::Bool => self.document.as_bool(id).map(|it| it.to_string()),
            Kind::Null | Kind::Array | Kind::Object => None,
        }
    }
}

/// What a group is made of: subscriptions with equal keys get the same bytes for every event.
#[derive(Debug)]
pub struct GroupSpec {
    pub key: GroupKey,
    pub feed: FeedKey,
    pub rule: Option<Rule>,
    /// Variables reduced to those that matter.
    pub bound: BoundOperation,
}

impl GroupSpec {
    /// Puts the variables of one request into the operation's feed.
    ///
    /// # Panics
    /// When the operation is no event subscription.
    pub fn render(bound: BoundOperation) -> Result<Self, RenderError> {
        let field = bound.operation.feed.as_ref().expect("an event subscription");
        let arguments = Arguments::new(&field.arguments, &bound.variables);
        let feed = FeedKey::new(field.render(&arguments)?);
        let rule = field.rule.as_ref().map(|it| it.render(&arguments)).transpose()?;
        let mut variables = Variables::new();
        for name in &bound.operation.variables_used {
            if let Some(value) = bound.variables.get(name) {
                variables.set(name.clone(), value.clone());
            }
        }
        let bound = BoundOperation { operation: bound.operation.clone(), variables };
        let key = GroupKey::new(&feed, rule.as_ref(), &bound);
        Ok(Self { key, feed, rule, bound })
    }
}

impl FeedField {
    fn render(&self, arguments: &Arguments) -> Result<Feed, RenderError> {
        let mut destinations: Vec<Destination> = Vec::with_capacity(self.destinations.len());
        for template in &self.destinations {
            let rendered = template.render(arguments, Safety::of(self.kind))?;
            destinations.extend(rendered.into_iter().map(Arc::from));
        }
        destinations.sort_unstable();
        destinations.dedup();
        if destinations.is_empty() {
            let argument = self.destinations.first().map(Template::first_argument).unwrap_or_default();
            return Err(RenderError::Missing { argument });
        }
        Ok(Feed {
            kind: self.kind,
            provider: self.provider.clone(),
            destinations,
            stream: self.stream.clone(),
        })
    }
}

/// Identity of a group: feed, canonical operation, projection, variables that matter, rule constants.
///
/// The hash only accelerates; equality is decided on everything.
#[derive(Clone, Debug)]
pub struct GroupKey {
    hash: u64,
    feed: FeedKey,
    rule: Option<Arc<Rule>>,
    operation: Arc<Operation>,
    variables: Variables,
}

impl GroupKey {
    fn new(feed: &FeedKey, rule: Option<&Rule>, bound: &BoundOperation) -> Self {
        let operation = bound.operation.clone();
        let identity = (&operation.canonical, &operation.projection.shape, &bound.variables, rule);
        let hash = hash_of(&(feed.hash, identity));
        let (rule, variables) = (rule.cloned().map(Arc::new), bound.variables.clone());
        Self { hash, feed: feed.clone(), rule, operation, variables }
    }

    fn same_operation(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.operation, &other.operation)
            || (self.operation.canonical == other.operation.canonical
                && self.operation.projection.shape == other.operation.projection.shape)
    }

    /// A key that collides with every other one of its kind, for tests of full comparison.
    #[cfg(test)]
    pub(crate) fn with_hash(mut self, hash: u64) -> Self {
        self.hash = hash;
        self
    }
}

impl PartialEq for GroupKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.feed == other.feed
            && self.variables == other.variables
            && self.rule == other.rule
            && self.same_operation(other)
    }
}

impl Eq for GroupKey {}

impl Hash for GroupKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Equal input, equal hash, within this process; the seed keeps clients from choosing collisions.
fn hash_of(value: &impl Hash) -> u64 {
    static SEED: std::sync::LazyLock<foldhash::quality::RandomState> =
        std::sync::LazyLock::new(foldhash::quality::RandomState::default);
    SEED.hash_one(value)
}
