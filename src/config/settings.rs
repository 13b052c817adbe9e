//! The configuration's keys: every section, with types, defaults and meaning.
//!
//! Plain data. Each comment is also the manual's text for that key (`docs/configuration.md`).

use super::{
    format::{
        After, Count, FilePath, Level, Limit, List, Listen, Maybe, Mechanism, NatsUrl, Password, RedisUrl,
        RoutingUrl, ServerAddress, Size, SizeLimit, Text, Time, Toggle, UrlPath, VersionOne, Wait,
    },
    keys::{
        Fallback::{Absent, Computed, Required, Section, Text as Is},
        Variable::{Also, Never},
        settings,
    },
};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

pub use super::format::{AfterGrace, LogLevel, ScramMechanism, Secret};

settings! {
    /// Everything that can be configured.
    pub struct Config {
        /// Version of this file's format.
        version: String as VersionOne = Is("1"), env Never;
        /// Where clients connect. `:3002` means every IPv4 address of the machine.
        listen_addr: SocketAddr as Listen = Is("localhost:3002");
        /// Path of the GraphQL endpoint, for HTTP and WebSocket.
        graphql_path: String as UrlPath = Is("/graphql");
        /// How much is logged: `error`, `warn`, `info`, `debug` or `trace`.
        log_level: LogLevel as Level = Is("info");
        /// JSON lines instead of readable text.
        json_log: bool as Toggle = Computed {
            means: "`true` unless stdout is a terminal or `dev_mode` is on",
            value: |environment| (!environment.stdout_is_terminal).to_string(),
        };
        /// The graph that is served: one of `file`, `url` and `subgraphs`, and event graphs on top.
        supergraph: Supergraph as Supergraph = Section;
        /// A graph that Cosmo's tools composed, in place of one under `supergraph`.
        execution_config: ExecutionConfig as ExecutionConfig = Section;
        /// Where subscriptions get their events from.
        events: Events as Events = Section;
        /// Threads, queues and clocks of execution.
        engine: Engine as Engine = Section;
        /// WebSocket connections of clients.
        websocket: WebSocket as WebSocket = Section;
        /// What clients may ask for. `0` switches a limit off.
        limits: Limits as Limits = Section;
        /// Bounds on HTTP traffic.
        traffic_shaping: TrafficShaping as TrafficShaping = Section;
        /// Questions about the schema itself.
        introspection: Introspection as Introspection = Section;
        /// The listener for operators: health, metrics, profiles, state. Never make it public.
        admin: Admin as Admin = Section;
        /// On a stop, connections are closed spread over this time, so that clients do not all return at
        /// once. Lies within `grace_period`. Default `0s` with `dev_mode`.
        shutdown_delay: Duration as Time = Is("20s");
        /// On a stop, everything has ended after this time, if need be by force.
        grace_period: Duration as Time = Is("30s");
        /// For work on one's own machine: a page at `/` to try operations on, readable logs, no delay on a
        /// stop.
        dev_mode: bool as Toggle = Is("false");
    }
    also {
        /// The file this was read from, absolute.
        file: PathBuf;
        /// Remarks for the operator that are no errors; to be logged once as warnings.
        notes: Vec<String>;
    }
}

settings! {
    /// The graph that is served.
    pub struct Supergraph {
        /// A composed supergraph (SDL).
        file: Option<PathBuf> as Maybe<FilePath> = Absent("./supergraph.graphql");
        /// Where a composed supergraph (SDL) is fetched from at the start, `http` or `https`.
        url: Option<String> as Maybe<RoutingUrl> = Absent("http://localhost:8081/supergraph.graphql");
        /// Subgraphs to compose at the start.
        subgraphs: Vec<Subgraph> as List<Subgraph> = Absent("");
        /// Event graphs (SDL with `@edfs__*` directives) to add.
        event_graphs: Vec<PathBuf> as List<FilePath> = Absent("./events.graphqls");
        /// Serve subgraphs some of whose fields cannot be reached from others. Such fields are named at
        /// the start and answer null with an error where no plan leads to them; otherwise they are errors.
        lenient: bool as Toggle = Is("false");
        /// How long fetching `url`, or the SDL of all subgraphs with `subgraph_url`, may take.
        fetch_timeout: Duration as Wait = Is("10s");
    }
}

settings! {
    /// A graph that Cosmo's tools composed.
    pub struct ExecutionConfig {
        /// The file that it was written to.
        file: ExecutionConfigFile as ExecutionConfigFile = Section;
    }
}

settings! {
    /// A file with an execution config (JSON), as `wgc router compose` writes it.
    pub struct ExecutionConfigFile {
        /// Its name.
        path: Option<PathBuf> as Maybe<FilePath> = Absent("./config.json"), env Also(&["ROUTER_CONFIG_PATH"]);
    }
}

settings! {
    /// A subgraph to compose.
    pub struct Subgraph {
        /// Its name in the supergraph.
        name: String as Text = Required("deals");
        /// Where it is reached, `http` or `https`.
        routing_url: String as RoutingUrl = Required("http://localhost:4001/graphql");
        /// Its schema.
        schema: SubgraphSchema as SubgraphSchema = Section;
    }
}

settings! {
    /// Where a subgraph's schema comes from: exactly one of the two.
    pub struct SubgraphSchema {
        /// File with the subgraph's SDL.
        file: Option<PathBuf> as Maybe<FilePath> = Absent("./deals.graphqls");
        /// A server that is asked for its SDL (`_service { sdl }`) at the start.
        subgraph_url: Option<String> as Maybe<RoutingUrl> = Absent("http://localhost:4001/graphql");
    }
}

settings! {
    /// Event streams.
    pub struct Events {
        /// Serve the rest of the graph when a provider is missing or cannot be reached; it is retried in
        /// the background. With `false` such a provider stops the start.
        skip_unavailable_providers: bool as Toggle = Is("true");
        /// Keep listening to a feed this long after its last subscriber left, so that clients who scroll
        /// or reconnect do not start it anew.
        trigger_linger: Duration as Time = Is("5s");
        /// What subscribers of a feed that cannot replay are told when its broker is lost.
        outage: Outage as Outage = Section;
        /// The brokers.
        providers: Providers as Providers = Section;
    }
}

settings! {
    /// How the loss of a broker is told.
    pub struct Outage {
        /// Say nothing when the broker is back within this time. Events lost meanwhile are counted.
        grace: Duration as Time = Is("5s");
        /// After the grace time: `notify` sends one result with the error `FEED_UNAVAILABLE` and goes on
        /// with the next events; `end` ends the subscription with that error.
        then: AfterGrace as After = Is("notify");
    }
}

settings! {
    /// The brokers, by kind. Ids are what `providerId` in an event graph names; those of `nats` and
    /// `memory` share one space.
    pub struct Providers {
        /// Brokers within the process, reached by the NATS directives and by `POST /admin/publish`.
        memory: Vec<MemoryProvider> as List<MemoryProvider> = Absent("");
        /// NATS servers or clusters.
        nats: Vec<NatsProvider> as List<NatsProvider> = Absent("");
        /// Kafka clusters. Read and checked; for now they count as unavailable.
        kafka: Vec<KafkaProvider> as List<KafkaProvider> = Absent("");
        /// Redis servers or clusters. Read and checked; for now they count as unavailable.
        redis: Vec<RedisProvider> as List<RedisProvider> = Absent("");
    }
}

settings! {
    /// A broker within the process.
    pub struct MemoryProvider {
        /// Its name.
        id: String as Text = Required("default");
        /// How many of the newest events are kept for those who read on.
        ring_events: usize as Count = Is("65536");
        /// How many bytes of them are kept; whichever bound is reached first drops the oldest.
        ring_bytes: usize as Size = Is("64MB");
    }
}

settings! {
    /// A NATS server or cluster.
    pub struct NatsProvider {
        /// Its name.
        id: String as Text = Required("default");
        /// `nats://` or `tls://`; several servers of one cluster are separated by commas. May hold
        /// credentials, so it is not for logs.
        url: String as NatsUrl = Required("nats://localhost:4222");
        /// How long a request waits for its reply.
        request_timeout: Duration as Wait = Is("10s");
        /// Credentials: either `token` or `user_info`.
        authentication: Option<NatsAuthentication> as Maybe<NatsAuthentication> = Absent("");
        /// TLS towards the server. An empty section trusts the system's authorities.
        tls: Option<NatsTls> as Maybe<NatsTls> = Absent("");
    }
}

settings! {
    /// Credentials for NATS; exactly one of the two.
    pub struct NatsAuthentication {
        /// A token.
        token: Option<Secret> as Maybe<Password> = Absent("${NATS_TOKEN}");
        /// User and password.
        user_info: Option<UserInfo> as Maybe<UserInfo> = Absent("");
    }
}

settings! {
    /// User and password.
    pub struct UserInfo {
        /// User name.
        username: String as Text = Required("juga");
        /// Password.
        password: Secret as Password = Required("${NATS_PASSWORD}");
    }
}

settings! {
    /// TLS towards a NATS server.
    pub struct NatsTls {
        /// Accept any certificate. For tests only.
        insecure_skip_ca_verification: bool as Toggle = Is("false");
        /// Authorities to trust (PEM), instead of the system's.
        ca_file: Option<PathBuf> as Maybe<FilePath> = Absent("./ca.crt");
        /// Our certificate (PEM), together with `key_file`.
        cert_file: Option<PathBuf> as Maybe<FilePath> = Absent("./client.crt");
        /// The certificate's key (PEM), together with `cert_file`.
        key_file: Option<PathBuf> as Maybe<FilePath> = Absent("./client.key");
    }
}

settings! {
    /// A Kafka cluster.
    pub struct KafkaProvider {
        /// Its name.
        id: String as Text = Required("kafka");
        /// Addresses of brokers to start from; at least one.
        brokers: Vec<String> as List<ServerAddress> = Absent("localhost:9092");
        /// Credentials: either `sasl_plain` or `sasl_scram`.
        authentication: Option<KafkaAuthentication> as Maybe<KafkaAuthentication> = Absent("");
        /// TLS towards the brokers.
        tls: KafkaTls as KafkaTls = Section;
        /// How long a broker may hold back a fetch while there is nothing to send.
        fetch_max_wait: Duration as Wait = Is("5s");
    }
}

settings! {
    /// Credentials for Kafka; exactly one of the two.
    pub struct KafkaAuthentication {
        /// SASL/PLAIN.
        sasl_plain: Option<SaslPlain> as Maybe<SaslPlain> = Absent("");
        /// SASL/SCRAM.
        sasl_scram: Option<SaslScram> as Maybe<SaslScram> = Absent("");
    }
}

settings! {
    /// SASL/PLAIN credentials.
    pub struct SaslPlain {
        /// User name.
        username: String as Text = Required("juga");
        /// Password.
        password: Secret as Password = Required("${KAFKA_PASSWORD}");
    }
}

settings! {
    /// SASL/SCRAM credentials.
    pub struct SaslScram {
        /// User name.
        username: String as Text = Required("juga");
        /// Password.
        password: Secret as Password = Required("${KAFKA_PASSWORD}");
        /// `SCRAM-SHA-256` or `SCRAM-SHA-512`.
        mechanism: ScramMechanism as Mechanism = Required("SCRAM-SHA-256");
    }
}

settings! {
    /// TLS towards Kafka.
    pub struct KafkaTls {
        /// Use TLS, with the system's authorities.
        enabled: bool as Toggle = Is("false");
    }
}

settings! {
    /// A Redis server or cluster.
    pub struct RedisProvider {
        /// Its name.
        id: String as Text = Required("redis");
        /// `redis://` or `rediss://`; at least one. May hold credentials, so they are not for logs.
        urls: Vec<String> as List<RedisUrl> = Absent("redis://localhost:6379");
        /// The URLs are seeds of one cluster.
        cluster_enabled: bool as Toggle = Is("false");
    }
}

settings! {
    /// Threads, queues and clocks of execution.
    pub struct Engine {
        /// Threads that carry out plans.
        resolver_threads: usize as Count = Computed {
            means: "number of cores",
            value: |environment| environment.cores.to_string(),
        };
        /// Threads that parse, validate and plan operations. Apart from the others, because planning
        /// cannot be interrupted and must not delay events.
        prepare_threads: usize as Count = Is("1");
        /// Requests that may be under way to one subgraph at a time. Further ones wait their turn, without
        /// holding a thread.
        max_concurrent_resolvers: usize as Count = Is("1024");
        /// How long one request to a subgraph may take, to the last byte of its answer.
        subscription_fetch_timeout: Duration as Wait = Is("30s");
        /// Events of one group that may be in the making at a time. Their order is kept; more wait in the
        /// group's backlog.
        group_events_in_flight: usize as Count = Is("16");
        /// Events that may wait in one group's backlog. Past it, a feed that cannot replay goes on with
        /// the newest, and its subscribers get the error `EVENTS_LOST` with the count.
        group_backlog_events: usize as Count = Is("65536");
        /// The same bound, in bytes.
        group_backlog_bytes: usize as Size = Is("16MB");
        /// How long a client may take to begin with `connection_init`, for files that have this key:
        /// `websocket.connection_init_timeout` wins.
        websocket_server_read_timeout: Option<Duration> as Maybe<Wait> = Absent("5s");
        /// How long a connection that is being closed may take to write what is left; then it is cut off.
        websocket_server_write_timeout: Duration as Wait = Is("10s");
        /// Planned operations that are kept.
        execution_plan_cache_size: usize as Count = Is("1024");
        /// Without effect: the poller is always on. Accepted so that existing files keep working.
        enable_net_poll: Option<bool> as Maybe<Toggle> = Absent("true");
    }
}

settings! {
    /// WebSocket connections of clients.
    pub struct WebSocket {
        /// Accept WebSockets.
        enabled: bool as Toggle = Is("true"), env Also(&["WEBSOCKETS_ENABLED"]);
        /// How long a client may take to begin with `connection_init`.
        connection_init_timeout: Duration as Wait = Is("10s");
        /// Time between pings. A client that answers two of them with nothing is gone. `0s`: no pings.
        ping_interval: Duration as Time = Is("20s");
        /// Largest message of a client; a larger one closes the connection.
        max_message_size: usize as Size = Is("256KB");
        /// Bytes that may wait for one client who reads too slowly; then it is disconnected.
        outbound_queue: usize as Size = Is("4MB");
        /// Bytes that may wait for all clients together. A frame that goes to many counts once.
        outbound_total: usize as Size = Is("512MB");
        /// Answer a client's `complete` with a `complete`, as some old clients expect.
        echo_complete: bool as Toggle = Is("false");
    }
}

settings! {
    /// What clients may ask for.
    pub struct Limits {
        /// Client connections at a time; one more is refused.
        connections: usize as Limit = Is("100000");
        /// Subscriptions per connection at a time; one more is refused.
        subscriptions_per_connection: usize as Limit = Is("1000");
        /// Bounds on one operation, checked before it is validated.
        operation: OperationLimits as OperationLimits = Section;
    }
}

settings! {
    /// Bounds on one operation.
    pub struct OperationLimits {
        /// Bytes of the document.
        document_bytes: usize as SizeLimit = Is("128KiB");
        /// Tokens of the document.
        tokens: usize as Limit = Is("15000");
        /// How deep selections may nest, fragments included.
        depth: usize as Limit = Is("64");
        /// Fields after fragments have been put in place.
        selections: usize as Limit = Is("10000");
        /// Aliases in all.
        aliases: usize as Limit = Is("200");
        /// Fields at the top of the operation.
        root_fields: usize as Limit = Is("50");
        /// Directives in all.
        directives: usize as Limit = Is("200");
        /// How often one response name may come up in one selection set, fragments put in place.
        same_response_name: usize as Limit = Is("100");
    }
}

settings! {
    /// Bounds on HTTP traffic.
    pub struct TrafficShaping {
        /// Between clients and the router.
        router: RouterTraffic as RouterTraffic = Section;
    }
}

settings! {
    /// Bounds on traffic between clients and the router.
    pub struct RouterTraffic {
        /// Largest body of an HTTP request.
        max_request_body_size: usize as Size = Is("5MB");
    }
}

settings! {
    /// Questions about the schema itself.
    pub struct Introspection {
        /// Answer them.
        enabled: bool as Toggle = Is("true");
    }
}

settings! {
    /// The listener for operators.
    pub struct Admin {
        /// Where it listens.
        listen_addr: SocketAddr as Listen = Is("127.0.0.1:8088");
    }
}
