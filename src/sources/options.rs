//! What sources need to know from the configuration.

use crate::plan::{ProviderId, ProviderKind};
use std::{fmt, path::PathBuf, time::Duration};

/// `events` of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub nats: Vec<NatsOptions>,
    pub redis: Vec<RedisOptions>,
    pub memory: Vec<MemoryOptions>,
    /// Refused without the cargo feature `kafka`.
    pub kafka: Vec<KafkaOptions>,
    /// Providers that are configured but that this version cannot serve.
    pub unavailable: Vec<(ProviderKind, ProviderId)>,
    /// Start although a provider is missing or unreachable; its feeds fail or wait.
    pub skip_unavailable_providers: bool,
}

/// Events of one feed that wait for the hub, where the broker keeps none. Later ones are dropped and told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedBacklog {
    pub events: usize,
    /// Of payload.
    pub bytes: usize,
}

impl FeedBacklog {
    pub const EVENTS: usize = 65_536;
    pub const BYTES: usize = 16 << 20;
}

impl Default for FeedBacklog {
    fn default() -> Self {
        Self { events: Self::EVENTS, bytes: Self::BYTES }
    }
}

/// One NATS server or cluster.
#[derive(Clone, Debug)]
pub struct NatsOptions {
    pub id: ProviderId,
    /// `nats://` or `tls://`; several with commas between them. May carry a user and password.
    pub url: String,
    /// Bounds requests and the confirmation of publishes.
    pub request_timeout: Duration,
    /// How often a silent server is asked whether it lives; three missing answers end the connection.
    pub ping_interval: Duration,
    pub authentication: Option<NatsAuthentication>,
    /// Present: TLS is required.
    pub tls: Option<NatsTls>,
    /// What tells this router's durable consumers from those of others: `<host name>-<listen address>`.
    pub instance: String,
    /// Delete them when the router stops, and not only when nobody has read them for a while.
    pub delete_durable_consumers_on_shutdown: bool,
    pub feed_backlog: FeedBacklog,
}

impl NatsOptions {
    pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
    pub const PING_INTERVAL: Duration = Duration::from_secs(5);

    /// A server without authentication or TLS.
    pub fn new(id: impl Into<ProviderId>, url: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            url: url.into(),
            request_timeout: Self::REQUEST_TIMEOUT,
            ping_interval: Self::PING_INTERVAL,
            authentication: None,
            tls: None,
            instance: String::new(),
            delete_durable_consumers_on_shutdown: false,
            feed_backlog: FeedBacklog::default(),
        }
    }
}

/// How the router proves who it is. Never printed.
#[derive(Clone)]
pub enum NatsAuthentication {
    Token(String),
    User {
        username: String,
        password: String,
    },
    /// The seed of a user's nkey, `SU…`.
    NkeySeed(String),
    /// A file that holds such a seed.
    NkeySeedFile(PathBuf),
    /// A user's JWT and seed, as `nsc` writes them.
    CredentialsFile(PathBuf),
}

impl fmt::Debug for NatsAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::User { .. } => "User(…)",
            Self::NkeySeed(_) => "NkeySeed(…)",
            Self::NkeySeedFile(_) => "NkeySeedFile(…)",
            Self::CredentialsFile(_) => "CredentialsFile(…)",
        })
    }
}

/// One Redis server, or one cluster.
#[derive(Clone)]
pub struct RedisOptions {
    pub id: ProviderId,
    /// `redis://` or `rediss://`; tried in this order. May carry a user, a password and a database.
    pub urls: Vec<String>,
    /// The servers are nodes of one cluster.
    pub cluster_enabled: bool,
    /// For `rediss://`; without it the system's authorities are trusted.
    pub tls: Option<ClientTls>,
    /// Of channels.
    pub feed_backlog: FeedBacklog,
}

impl RedisOptions {
    /// One server.
    pub fn new(id: impl Into<ProviderId>, url: impl Into<String>) -> Self {
        let (urls, feed_backlog) = (vec![url.into()], FeedBacklog::default());
        Self { id: id.into(), urls, cluster_enabled: false, tls: None, feed_backlog }
    }
}

impl fmt::Debug for RedisOptions {
    /// Without the URLs: they may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, urls: _, cluster_enabled, tls, feed_backlog } = self;
        let mut shown = f.debug_struct("RedisOptions");
        shown.field("id", id).field("cluster_enabled", cluster_enabled).field("tls", tls);
        shown.field("feed_backlog", feed_backlog);
        shown.finish_non_exhaustive()
    }
}

/// TLS towards a NATS server.
pub type NatsTls = ClientTls;

/// TLS towards a server. The default trusts the system's certificate authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// Believe any certificate.
    pub insecure_skip_ca_verification: bool,
    pub ca_file: Option<PathBuf>,
    /// A client certificate comes with its key.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

/// One Kafka cluster.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    pub id: ProviderId,
    /// `host:port`, to start from.
    pub brokers: Vec<String>,
    /// Bounds the confirmation of publishes.
    pub request_timeout: Duration,
    pub authentication: Option<KafkaAuthentication>,
    /// Present: TLS is required.
    pub tls: Option<ClientTls>,
    /// How long a broker holds back a fetch while there is nothing to send. A topic that is added meanwhile
    /// is fetched after it.
    pub fetch_max_wait: Duration,
    pub payload: KafkaPayload,
    pub isolation: KafkaIsolation,
}

/// What the values of a cluster's records are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KafkaPayload {
    /// The event.
    #[default]
    Json,
    /// Debezium's envelope in JSON, with its schema or without: the event is the row as it is after a change.
    Debezium,
    /// The event, behind the five bytes of Confluent's serialisers.
    ConfluentJson,
}

/// Which records of transactions are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KafkaIsolation {
    /// Those of committed ones, once they are committed.
    #[default]
    ReadCommitted,
    /// All, at once.
    ReadUncommitted,
}

impl KafkaOptions {
    pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
    pub const FETCH_MAX_WAIT: Duration = Duration::from_millis(100);

    /// A cluster without authentication or TLS.
    pub fn new(id: impl Into<ProviderId>, brokers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            id: id.into(),
            brokers: brokers.into_iter().map(Into::into).collect(),
            request_timeout: Self::REQUEST_TIMEOUT,
            authentication: None,
            tls: None,
            fetch_max_wait: Self::FETCH_MAX_WAIT,
            payload: KafkaPayload::default(),
            isolation: KafkaIsolation::default(),
        }
    }
}

/// How the router proves who it is. Never printed.
#[derive(Clone)]
pub enum KafkaAuthentication {
    Plain { username: String, password: String },
    Scram { username: String, password: String, mechanism: ScramMechanism },
}

impl fmt::Debug for KafkaAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain { .. } => "Plain(…)",
            Self::Scram { .. } => "Scram(…)",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramMechanism {
    Sha256,
    Sha512,
}

/// A broker within the router, for development, tests and demos.
#[derive(Clone, Debug)]
pub struct MemoryOptions {
    pub id: ProviderId,
    /// Events that the log keeps.
    pub ring_events: usize,
    /// Bytes of payloads and subjects that the log keeps.
    pub ring_bytes: usize,
}

impl MemoryOptions {
    pub const RING_EVENTS: usize = 65_536;
    pub const RING_BYTES: usize = 64_000_000;

    pub fn new(id: impl Into<ProviderId>) -> Self {
        Self { id: id.into(), ring_events: Self::RING_EVENTS, ring_bytes: Self::RING_BYTES }
    }
}

/// Why the router cannot start with its providers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Wording as Cosmo's, which deployments grep for.
    #[error("{kind} provider with ID {id} is not defined")]
    Undefined { kind: &'static str, id: ProviderId },
    #[error("{kind} provider with ID {id} is not available in this version")]
    Unavailable { kind: &'static str, id: ProviderId },
    #[error("{kind} provider with ID {id} is not reachable: {cause}")]
    Unreachable { kind: &'static str, id: ProviderId, cause: String },
    #[error("{kind} provider with ID {id} is not configured correctly: {reason}")]
    Invalid { kind: &'static str, id: ProviderId, reason: String },
    #[error("the io runtime is stopping")]
    Stopping,
}

impl StartError {
    /// Whether the configuration is wrong, whatever the brokers do.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Undefined { .. } | Self::Unavailable { .. } | Self::Invalid { .. } => true,
            Self::Unreachable { .. } | Self::Stopping => false,
        }
    }
}

/// A kind as configuration files and messages spell it.
pub(super) fn kind_name(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::Nats => "nats",
        ProviderKind::Kafka => "kafka",
        ProviderKind::Redis => "redis",
    }
}
