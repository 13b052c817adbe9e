//! Subscriptions: feeds, events and the subscription fields that lead to them.

use super::{
    Forwarded, InputValue, RenderError, Rewrite, RuleTemplate, SubgraphId, SubgraphRequest, Template,
    TypeNames,
    template::{Arguments, Safety},
};
use crate::graphql::{
    Variables,
    json::{Document, NodeId},
};
use bytes::Bytes;
use std::{
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

/// The id of a provider in `events.providers`.
pub type ProviderId = Arc<str>;

/// The kind of broker that a directive speaks to. (A memory provider answers to the NATS directives.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    /// Puts one part at an offset.
    pub fn set(&mut self, part: u32, offset: u64) {
        match self.0.binary_search_by_key(&part, |(it, _)| *it) {
            Ok(at) => self.0[at].1 = offset,
            Err(at) => self.0.insert(at, (part, offset)),
        }
    }

    /// Moves on to where `newer` is, in the parts that it has.
    pub fn advance(&mut self, newer: &Self) {
        newer.0.iter().for_each(|(part, offset)| self.set(*part, *offset));
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
    /// What the broker says beside the payload: an object whose members' names begin with `$`, as no field's does.
    pub labels: Option<NodeId>,
}

impl Event {
    /// Where the path of a rule begins.
    pub fn start_of(&self, path: &[Arc<str>]) -> Option<NodeId> {
        match path.first().is_some_and(|it| it.starts_with('$')) {
            true => self.labels,
            false => Some(self.root),
        }
    }
}

/// A feed: a stream of events that a source can offer. Everyone who listens to an equal feed shares one
/// trigger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Feed {
    Events(EventFeed),
    Upstream(UpstreamFeed),
}

impl Feed {
    /// Whether nothing is missed or used up when the feed goes on while nobody listens.
    ///
    /// A durable consumer's messages are acknowledged when they are read, so they must not be read for nobody; a
    /// subgraph says at the start of a subscription what is the case, so whoever comes back needs a start of their own.
    pub fn may_linger(&self) -> bool {
        match self {
            Self::Events(feed) => match &feed.stream {
                Some(StreamOptions::JetStream(options)) => options.is_ordered,
                Some(StreamOptions::Redis { .. } | StreamOptions::LabelledKafka) | None => true,
            },
            Self::Upstream(_) => false,
        }
    }
}

/// Messages of a broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventFeed {
    pub kind: ProviderKind,
    pub provider: ProviderId,
    /// Subjects, topics or channels; sorted, each once.
    pub destinations: Vec<Destination>,
    /// Present: it reads a log that the broker keeps. Absent: it hears what passes by.
    pub stream: Option<StreamOptions>,
}

/// A subscription that a subgraph serves: its events are the subgraph's responses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamFeed {
    pub subgraph: SubgraphId,
    /// The subscription as it is sent, anonymous.
    pub document: Arc<str>,
    /// A JSON object; empty when there are none.
    pub variables: Bytes,
    /// What it carries on behalf of its subscribers: only those on whose behalf all of it is equal share it.
    pub forwarded: Forwarded,
}

/// A rendered subject, topic, channel or key. What a Redis feed listens to is a glob, with `\` before what is meant
/// literally.
pub type Destination = Arc<str>;

/// The log that a feed reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StreamOptions {
    JetStream(JetStreamOptions),
    /// Its destinations are the keys of Redis streams.
    Redis {
        /// The field of an entry that holds the event.
        field: Arc<str>,
    },
    /// Kafka's topics, the keys and headers of records included: rules look at them.
    LabelledKafka,
}

/// JetStream options of a feed (`streamConfiguration`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JetStreamOptions {
    pub stream: Arc<str>,
    pub consumer: Arc<str>,
    /// Seconds.
    pub consumer_inactive_threshold: i64,
    /// Read by position (`@feed__deliver`), and not by a durable consumer that remembers what was read.
    pub is_ordered: bool,
}

/// A feed and the hash that accelerates finding its trigger. Equality is decided on the whole feed.
#[derive(Clone, Debug)]
pub struct FeedKey {
    pub(super) hash: u64,
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

/// A subscription field, as planned: everything that does not depend on variables.
#[derive(Debug)]
pub enum FeedField {
    Event(EventFeedField),
    Upstream(UpstreamFeedField),
}

/// A subscription field that a subgraph serves.
#[derive(Debug)]
pub struct UpstreamFeedField {
    /// The field's name in the schema.
    pub field: Arc<str>,
    pub request: SubgraphRequest,
    /// Applied to each response's data before anything else.
    pub output_rewrites: Vec<Rewrite>,
}

/// A subscription field of an event graph.
#[derive(Debug)]
pub struct EventFeedField {
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

impl FeedField {
    /// The field's name in the schema.
    pub fn field(&self) -> &Arc<str> {
        match self {
            Self::Event(it) => &it.field,
            Self::Upstream(it) => &it.field,
        }
    }
}

impl UpstreamFeedField {
    pub(super) fn render(&self, variables: &Variables, forwarded: &Forwarded) -> UpstreamFeed {
        let subgraph = self.request.subgraph;
        let mut json = Vec::new();
        self.request.write_variables(variables, &mut json);
        UpstreamFeed {
            subgraph,
            document: self.request.document.clone(),
            variables: json.into(),
            forwarded: forwarded.only(subgraph),
        }
    }
}

impl EventFeedField {
    pub(super) fn render(&self, arguments: &Arguments) -> Result<EventFeed, RenderError> {
        let safety = match self.stream {
            // Keys are no globs.
            Some(StreamOptions::Redis { .. }) => Safety::of_call(self.kind),
            _ => Safety::of_feed(self.kind),
        };
        let mut destinations: Vec<Destination> = Vec::with_capacity(self.destinations.len());
        for template in &self.destinations {
            let rendered = template.render(arguments, safety)?;
            destinations.extend(rendered.into_iter().map(Arc::from));
        }
        destinations.sort_unstable();
        destinations.dedup();
        if destinations.is_empty() {
            let argument = self.destinations.first().map(Template::first_argument).unwrap_or_default();
            return Err(RenderError::Missing { argument });
        }
        Ok(EventFeed {
            kind: self.kind,
            provider: self.provider.clone(),
            destinations,
            stream: self.stream.clone(),
        })
    }
}

/// Equal input, equal hash, within this process; the seed keeps clients from choosing collisions.
pub(super) fn hash_of(value: &impl Hash) -> u64 {
    static SEED: std::sync::LazyLock<foldhash::quality::RandomState> =
        std::sync::LazyLock::new(foldhash::quality::RandomState::default);
    SEED.hash_one(value)
}
