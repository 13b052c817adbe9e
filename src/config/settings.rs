//! The configuration's keys: every section, with types, defaults and meaning.
//!
//! Plain data. Each comment is also the manual's text for that key (`docs/configuration.md`).

use super::{
    format::{
        After, Alike, AnyText, Backoff, Bound, Count, Dialect, FilePath, IsolationLevel, Level, Limit, List,
        Listen, Map, Maybe, Mechanism, NamePattern, NatsUrl, NetworkRange, Password, Percentage, Propagation,
        RecordFormat, RedisUrl, RetryExpression, RoutingUrl, ServerAddress, Size, SizeLimit, SubscriptionUrl,
        Text, Time, Toggle, Travel, UrlPath, VersionOne, Wait,
    },
    keys::{
        Fallback::{Absent, Computed, Items, Required, Section, Text as Is},
        Variable::Never,
        settings,
    },
};
use crate::{
    http,
    sources::{
        KafkaIsolation, KafkaPayload,
        subgraph::{SubscriptionProtocol, WebSocketSubprotocol},
    },
};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

pub use super::{
    format::{AfterGrace, ErrorMode, HeaderOperation, LogLevel, ScramMechanism, Secret},
    front::{
        AccessLogs, Batching, BlockOperations, CacheControlPolicy, Cors, FileUpload, ParserLimits,
        RouterTraffic, Security, SubgraphCacheControl,
    },
    headers::*,
};

settings! {
    /// Everything that can be configured.
    pub struct Config {
        /// Version of this file's format.
        version: String as VersionOne = Is("1"), env Never;
        /// Where clients connect. `:3002` means every IPv4 address of the machine.
        listen_addr: SocketAddr as Listen = Is("localhost:3002");
        /// Proxies that are believed: addresses and ranges. Their `X-Forwarded-For` tells a client's address (the
        /// rightmost that is no such proxy), their `X-Forwarded-Proto` and `X-Forwarded-Host` what its browser sees.
        /// From everybody else, `X-Forwarded-*`, `Forwarded` and `X-Real-IP` are taken out before rules for headers
        /// see them. Without any such proxy all of these mean nothing here, and pass by those rules as other headers
        /// do.
        trusted_proxies: Vec<http::Network> as List<NetworkRange> = Absent("10.0.0.0/8");
        /// Every connection to `listen_addr` begins with a header of the PROXY protocol, version 1 or 2, in front of
        /// TLS. Connections without one, and those that are not from `trusted_proxies`, are closed, probes of
        /// `/health` included: those of `admin.listen_addr` need none.
        proxy_protocol: bool as Toggle = Is("false");
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
        /// Subscriptions whose results go out in an HTTP answer: Server-Sent Events and multipart.
        http_streams: HttpStreams as HttpStreams = Section;
        /// What clients may ask for. `0` switches a limit off. One more is fixed: bodies of requests, variables,
        /// events and answers of subgraphs may nest 1,000 levels of JSON.
        limits: Limits as Limits = Section;
        /// Which headers reach subgraphs, and which come back to clients.
        headers: Headers as Headers = Section;
        /// How errors of subgraphs reach clients.
        subgraph_error_propagation: SubgraphErrorPropagation as SubgraphErrorPropagation = Section;
        /// Bounds on HTTP traffic.
        traffic_shaping: TrafficShaping as TrafficShaping = Section;
        /// Several operations in one HTTP request.
        batching: Batching as Batching = Section;
        /// Which pages of other origins may use the GraphQL endpoint from a browser.
        cors: Cors as Cors = Section;
        /// `Cache-Control` of answers.
        cache_control_policy: CacheControlPolicy as CacheControlPolicy = Section;
        /// Files in variables, by the GraphQL multipart request specification. They pass through to the subgraph
        /// while they arrive, so each goes to one subgraph, in the order they are sent in;
        /// `engine.subscription_fetch_timeout` covers the whole way. The operation begins once the whole form, or
        /// `16KiB` of its files, is here: a small form that turns out to be none has no effect. A large one that
        /// breaks off later ends its mutation, of which fields in front of the file's were carried out by then.
        file_upload: FileUpload as FileUpload = Section;
        /// What becomes of graphs that say who may see what.
        authorization: Authorization as Authorization = Section;
        /// Kinds of operations that are refused.
        security: Security as Security = Section;
        /// One line in the log for each operation that comes by HTTP.
        access_logs: AccessLogs as AccessLogs = Section;
        /// What must not be kept.
        compliance: Compliance as Compliance = Section;
        /// TLS, of connections that clients make and of those that the router makes.
        tls: Tls as Tls = Section;
        /// Other addresses for subgraphs than the graph has.
        override_routing_url: OverrideRoutingUrl as OverrideRoutingUrl = Section;
        /// The same, with more to set.
        overrides: Overridden as Overridden = Section;
        /// Questions about the schema itself.
        introspection: Introspection as Introspection = Section;
        /// The page to try operations on.
        playground: Playground as Playground = Section;
        /// With `dev_mode`, show how an operation was carried out to clients that ask for it. With `false`, nobody
        /// is shown.
        query_plans_enabled: bool as Toggle = Is("true");
        /// The listener for operators: health, metrics, profiles, state. Never make it public.
        admin: Admin as Admin = Section;
        /// When `/health/ready` says that the router should get traffic.
        readiness: Readiness as Readiness = Section;
        /// On a stop, connections are closed spread over this time, so that clients do not all return at
        /// once. Lies within `grace_period`. Default `0s` with `dev_mode`.
        shutdown_delay: Duration as Time = Is("20s");
        /// On a stop, everything has ended after this time, if need be by force.
        grace_period: Duration as Time = Is("30s");
        /// For work on one's own machine: a page at `/` to try operations on, readable logs, no delay on a
        /// stop, and errors that say what may have been meant ("Did you mean …?") where introspection is on.
        dev_mode: bool as Toggle = Is("false");
    }
    also {
        /// The file this was read from, absolute; the first of several, empty where there was none.
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
        path: Option<PathBuf> as Maybe<FilePath> = Absent("./config.json");
    }
}

settings! {
    /// A subgraph to compose.
    pub struct Subgraph {
        /// Its name in the supergraph.
        name: String as Text = Required("deals");
        /// Where it is reached, `http` or `https`. Credentials in it (`user:password@`, percent-encoded) are sent as
        /// `Authorization: Basic`, unless a header rule says otherwise.
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
        /// or reconnect do not start it anew. Not where something is used up or missed by that: a durable consumer of
        /// JetStream is stopped with its last subscriber, and so is a subscription that a subgraph serves.
        trigger_linger: Duration as Time = Is("5s");
        /// How many events of one feed may wait for the router, where the broker keeps none: NATS and Redis
        /// channels. Later ones are dropped, counted, logged, and told to subscribers as `EVENTS_LOST`.
        feed_backlog_events: usize as Count = Is("65536");
        /// How many bytes of them may wait; whichever bound is reached first drops what comes.
        feed_backlog_bytes: usize as Size = Is("16MiB");
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
        /// Kafka clusters. The router starts also while they are away.
        kafka: Vec<KafkaProvider> as List<KafkaProvider> = Absent("");
        /// Redis servers or clusters.
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
        /// credentials (percent-encoded), so it is not for logs.
        url: String as NatsUrl = Required("nats://localhost:4222");
        /// How long a request waits for its reply.
        request_timeout: Duration as Wait = Is("10s");
        /// How often a silent server is asked whether it is still there. After three questions without an answer
        /// the connection counts as lost.
        ping_interval: Duration as Wait = Is("5s");
        /// Credentials.
        authentication: Option<NatsAuthentication> as Maybe<NatsAuthentication> = Absent("");
        /// TLS towards the server. An empty section trusts the system's authorities.
        tls: Option<ClientTls> as Maybe<ClientTls> = Absent("");
        /// Delete the durable JetStream consumers of this router when it stops. Otherwise the server does, once
        /// nobody has read them for as long as the event graph's `consumerInactiveThreshold` says.
        experiment_delete_durable_consumers_on_shutdown: bool as Toggle = Is("false");
    }
}

settings! {
    /// Credentials for NATS; exactly one of these. Files are read again whenever a connection is made.
    pub struct NatsAuthentication {
        /// A token.
        token: Option<Secret> as Maybe<Password> = Absent("${NATS_TOKEN}");
        /// User and password.
        user_info: Option<UserInfo> as Maybe<UserInfo> = Absent("");
        /// The seed of a user's nkey; it starts with `SU`.
        nkey_seed: Option<Secret> as Maybe<Password> = Absent("${NATS_NKEY_SEED}");
        /// A file that holds such a seed.
        nkey_seed_file: Option<PathBuf> as Maybe<FilePath> = Absent("./user.nk");
        /// A user's JWT and seed, as `nsc generate creds` writes them.
        credentials_file: Option<PathBuf> as Maybe<FilePath> = Absent("./user.creds");
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
    /// TLS towards a server of ours: a broker or a subgraph.
    pub struct ClientTls {
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
        /// How long a publish waits for the confirmation that all replicas in sync have the message.
        request_timeout: Duration as Wait = Is("10s");
        /// How long a broker may hold back a fetch while there is nothing to send. Events never wait for it,
        /// but for those of a topic that is new to the router, once.
        fetch_max_wait: Duration as Wait = Is("100ms");
        /// What records hold: `json`, the event; `debezium`, Debezium's envelope, of which the row after a change is
        /// the event; `confluent_json`, the event behind the five bytes of Confluent's serialisers.
        payload: KafkaPayload as RecordFormat = Is("json");
        /// `read_committed`: records of transactions come when those are committed. `read_uncommitted`: at once, also
        /// those of transactions that are aborted.
        isolation: KafkaIsolation as IsolationLevel = Is("read_committed");
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
        /// Use TLS, with the system's authorities unless `ca_file` names others.
        enabled: bool as Toggle = Is("false");
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
    /// A Redis server or cluster.
    pub struct RedisProvider {
        /// Its name.
        id: String as Text = Required("redis");
        /// `redis://` or `rediss://`; at least one, tried in this order: the first that is a master is used, and
        /// replicas serve who listens where there is none. May hold credentials, so they are not for
        /// logs. Of the options in the first one's query, `dial_timeout`, `read_timeout` and `skip_verify` count, and
        /// `db` in each.
        urls: Vec<String> as List<RedisUrl> = Absent("redis://localhost:6379");
        /// The URLs are seeds of one cluster.
        cluster_enabled: bool as Toggle = Is("false");
        /// TLS towards `rediss://` servers. Without it the system's authorities are trusted.
        tls: Option<ClientTls> as Maybe<ClientTls> = Absent("");
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
        /// Requests that may be under way to one subgraph at a time, those included that wait for
        /// `max_conns_per_host` or for their next attempt. Further ones wait their turn, without holding a
        /// thread.
        max_concurrent_resolvers: usize as Count = Is("1024");
        /// How long one request to a subgraph may take, to the last byte of its answer, with all its
        /// attempts and the waits between them. `request_timeout` of `traffic_shaping` holds where it is
        /// shorter.
        subscription_fetch_timeout: Duration as Wait = Is("30s");
        /// Events of one group that may be in the making at a time. Their order is kept; more wait in the
        /// group's backlog.
        group_events_in_flight: usize as Count = Is("16");
        /// The same for operations for which nothing is fetched: they cost processor time alone.
        group_local_events_in_flight: usize as Count = Is("256");
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
        /// How long a subgraph may take no bytes on a WebSocket; then its subscriptions end.
        websocket_client_write_timeout: Duration as Wait = Is("10s");
        /// Largest message of a subgraph on a WebSocket, and largest event of its event streams. A larger one ends the
        /// subscription that it is for, and no other.
        websocket_client_read_limit: usize as Size = Is("1MB");
        /// Silence of a subgraph on a WebSocket after which it is asked for a sign of life.
        websocket_client_ping_interval: Duration as Wait = Is("15s");
        /// How long that may take; then its subscriptions end.
        websocket_client_ping_timeout: Duration as Wait = Is("30s");
        /// How long a subgraph may take to acknowledge `connection_init`.
        websocket_client_ack_timeout: Duration as Wait = Is("30s");
        /// How long a WebSocket to a subgraph is kept without a subscription, since clients often come back.
        websocket_client_idle_timeout: Duration as Time = Is("10s");
        /// Planned operations that are kept.
        execution_plan_cache_size: usize as Count = Is("1024");
        /// Send queries to a subgraph that are equal to the byte once, while one of them is in flight.
        enable_single_flight: bool as Toggle = Is("true");
        /// Without effect: whatever is forwarded for a client is part of what must be equal, so nothing
        /// stands against sharing. Accepted so that existing files keep working.
        force_enable_single_flight: Option<bool> as Maybe<Toggle> = Absent("false");
        /// Without effect: the poller is always on. Accepted so that existing files keep working.
        enable_net_poll: Option<bool> as Maybe<Toggle> = Absent("true");
    }
}

settings! {
    /// WebSocket connections of clients.
    pub struct WebSocket {
        /// Accept WebSockets.
        enabled: bool as Toggle = Is("true");
        /// How long a client may take to begin with `connection_init`.
        connection_init_timeout: Duration as Wait = Is("10s");
        /// Time between pings. A client that answers two of them with nothing is gone. `0s`: no pings.
        ping_interval: Duration as Time = Is("20s");
        /// Time between the `ka` messages of the old subprotocol `graphql-ws`; the first follows
        /// `connection_ack`. Once its npm client has had one, it hangs up when none follows for 30s (its option
        /// `timeout`): stay below that. `0s`: none at all, and clients wait for none.
        legacy_keep_alive_interval: Duration as Time = Is("20s");
        /// Largest message of a client; a larger one closes the connection.
        max_message_size: usize as Size = Is("256KB");
        /// Bytes that may wait for one client who reads too slowly; then it is disconnected.
        outbound_queue: usize as Size = Is("4MB");
        /// Bytes that may wait for all clients together, those of `http_streams` included. What goes to many counts
        /// once.
        outbound_total: usize as Size = Is("512MB");
        /// Headers of the upgrade request that go to subgraphs as `extensions.upgradeHeaders`.
        forward_upgrade_headers: ForwardedNames as ForwardedNames = Section;
        /// Parameters of the upgrade request's URL that go to subgraphs as `extensions.upgradeQueryParams`.
        forward_upgrade_query_params: ForwardedNames as ForwardedNames = Section;
        /// Send the payload of `connection_init` to subgraphs as `extensions.initialPayload`, and as their
        /// own `connection_init` where they are subscribed to over WebSocket. None of these three ever
        /// reaches a fetch for an event of a broker.
        forward_initial_payload: bool as Toggle = Is("true");
        /// Answer a client's `complete` with a `complete`, as some old clients expect. (`stop`, of the old
        /// `graphql-ws`, is always answered.)
        echo_complete: bool as Toggle = Is("false");
    }
}

settings! {
    /// Subscriptions whose results go out in an HTTP answer.
    pub struct HttpStreams {
        /// Silence after which a heartbeat goes out, so that nobody in between takes the connection for dead.
        /// `0s`: none.
        heartbeat_interval: Duration as Time = Is("5s");
        /// Bytes that may wait for one client who reads too slowly; then its answer is broken off.
        outbound_queue: usize as Size = Is("4MB");
    }
}

settings! {
    /// What may pass, by name.
    pub struct ForwardedNames {
        /// Let it pass.
        enabled: bool as Toggle = Is("true");
        /// Names, in any case, or regular expressions for names. Empty: all.
        allow_list: Vec<String> as List<NamePattern> = Items(&["Authorization"]);
    }
}

settings! {
    /// How errors of subgraphs reach clients.
    pub struct SubgraphErrorPropagation {
        /// Show what subgraphs say. Without it, clients learn only that a fetch failed.
        enabled: bool as Toggle = Is("true");
        /// `wrapped`: one error that names the subgraph, with the subgraph's own as `extensions.errors`.
        /// `pass-through`: each of the subgraph's errors by itself.
        mode: ErrorMode as Propagation = Is("wrapped");
        /// Turn paths into those of the client's operation. Without it they are left out.
        rewrite_paths: bool as Toggle = Is("true");
        /// Leave out `locations`: they are about the text that the subgraph was sent.
        omit_locations: bool as Toggle = Is("true");
        /// Leave out `extensions`.
        omit_extensions: bool as Toggle = Is("false");
        /// Show the subgraph's HTTP status as `extensions.statusCode`.
        propagate_status_codes: bool as Toggle = Is("false");
        /// Name the subgraph as `extensions.serviceName`.
        attach_service_name: bool as Toggle = Is("true");
        /// `extensions.code` where the subgraph gives none. May be empty.
        default_extension_code: String as AnyText = Is("DOWNSTREAM_SERVICE_ERROR");
        /// Members of `extensions` that pass.
        allowed_extension_fields: Vec<String> as List<Text> = Items(&["code"]);
        /// All of them pass.
        allow_all_extension_fields: bool as Toggle = Is("false");
        /// Members of an error, beside those that GraphQL knows, that pass.
        allowed_fields: Vec<String> as List<Text> = Absent("userId");
    }
}

settings! {
    /// What clients may ask for.
    pub struct Limits {
        /// Client connections at a time; one more is refused.
        connections: usize as Limit = Is("100000");
        /// Subscriptions per connection at a time; one more is refused.
        subscriptions_per_connection: usize as Limit = Is("1000");
        /// Bounds on one operation, checked before it is validated. One that would take too long to plan is refused
        /// whatever they are: a field of an interface counts for each type it may be of, where subgraphs differ in it.
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
        /// Between the router and its subgraphs.
        all: SubgraphTraffic as SubgraphTraffic = Section;
        /// The keys of `all` for single subgraphs, by name. A key that is absent there has the value of `all`.
        subgraphs: BTreeMap<String, SubgraphTraffic> as Map<Alike<SubgraphTraffic>> =
            Absent("deals: { request_timeout: 10s }");
    }
}

settings! {
    /// Bounds on traffic between the router and one subgraph.
    pub struct SubgraphTraffic {
        /// How long a request may take, to the last byte of its answer, with all its attempts and the waits
        /// between them. `engine.subscription_fetch_timeout` holds where it is shorter, as by default.
        request_timeout: Duration as Wait = Is("60s");
        /// How long a connection may take to come about, the look-up of the name included.
        dial_timeout: Duration as Wait = Is("30s");
        /// How long an attempt may take until the head of its answer is there, connecting included.
        /// `0s`: as long as the request.
        response_header_timeout: Duration as Time = Is("0s");
        /// How long the TLS handshake of a new connection may take.
        tls_handshake_timeout: Duration as Wait = Is("10s");
        /// Connections that nobody used for this time are closed. `0s`: the subgraph closes them.
        keep_alive_idle_timeout: Duration as Time = Is("90s");
        /// Time between TCP's probes of a silent connection. `0s`: no probes.
        keep_alive_probe_interval: Duration as Time = Is("30s");
        /// Requests in flight at a time; more wait. With HTTP/1 each has a connection of its own; with
        /// HTTP/2 they share one, and the bound is the same. `0`: no bound but `engine.max_concurrent_resolvers`.
        max_conns_per_host: usize as Limit = Is("100");
        /// Idle connections kept to all subgraphs together; each subgraph may keep an equal share of them.
        /// `0`: no bound.
        max_idle_conns: usize as Limit = Is("1024");
        /// Idle connections kept to one subgraph; more are closed after use. `0`: no bound but its share.
        max_idle_conns_per_host: usize as Limit = Is("20");
        /// Largest answer; a larger one is refused. Of packed answers (gzip) the unpacked size counts.
        max_response_body_size: usize as Size = Is("32MiB");
        /// Sending queries again: after a connection that failed, an attempt that took too long, and the
        /// statuses 429, 500, 502, 503 and 504 without a GraphQL answer. Mutations are never sent twice.
        retry: RetryPolicy as RetryPolicy = Section;
        /// Leaving a subgraph alone that is in trouble: connections fail, attempts take too long, or are
        /// answered with statuses from 500 on that hold no GraphQL answer.
        circuit_breaker: CircuitBreaker as CircuitBreaker = Section;
    }
}

settings! {
    /// When a query is sent again.
    pub struct RetryPolicy {
        /// Send queries again.
        enabled: bool as Toggle = Is("true");
        /// How waits grow: each doubles the longest time that the one before could take, and chance picks
        /// any part of it. There is no other way.
        algorithm: () as Backoff = Is("backoff_jitter");
        /// Attempts after the first.
        max_attempts: usize as Count = Is("5");
        /// Longest wait, also for a subgraph that asks for one (`Retry-After` in seconds).
        max_duration: Duration as Wait = Is("10s");
        /// Longest first wait for a subgraph that says "later" (429, 503). Where nothing says so, the first wait is
        /// at most `100ms`, and none is longer than `1s`. A wait that would not end within `request_timeout` is not
        /// begun.
        interval: Duration as Time = Is("3s");
        /// Not supported: anything but an empty text is an error.
        expression: Option<()> as Maybe<RetryExpression> = Absent("\"\"");
    }
}

settings! {
    /// Leaving a subgraph alone that is in trouble.
    pub struct CircuitBreaker {
        /// Turn requests away while a subgraph is in trouble.
        enabled: bool as Toggle = Is("false");
        /// Share of failed attempts at which the breaker opens.
        error_threshold_percentage: u32 as Percentage = Is("50");
        /// Attempts within `rolling_duration` before the share is looked at.
        request_threshold: usize as Count = Is("20");
        /// How long an open breaker turns everything away.
        sleep_window: Duration as Wait = Is("5s");
        /// Attempts let through at a time after that, to see how things are.
        half_open_attempts: usize as Count = Is("1");
        /// So many of them must succeed, and none fail, for the breaker to close.
        required_successful: usize as Count = Is("1");
        /// The time over which attempts are counted.
        rolling_duration: Duration as Wait = Is("10s");
        /// Parts in which that time moves on; at most 1000.
        num_buckets: usize as Count = Is("10");
        /// An attempt that takes longer is given up and counts as failed.
        execution_timeout: Duration as Wait = Is("60s");
        /// Attempts in flight at a time; one more is turned away. `-1`: no bound.
        max_concurrent_requests: Option<usize> as Bound = Is("-1");
    }
}

settings! {
    /// What becomes of graphs that say who may see what. This version does not enforce it.
    pub struct Authorization {
        /// Serve a graph with `@authenticated`, `@requiresScopes` or `@policy` all the same: everybody sees everything in
        /// it. Without it such a graph is refused, wherever it comes from. Set it only where something else, such as the
        /// subgraphs, protects what has to be.
        serve_unprotected: bool as Toggle = Is("false");
    }
}

settings! {
    /// What must not be kept.
    pub struct Compliance {
        /// Addresses of clients.
        anonymize_ip: AnonymizeIp as AnonymizeIp = Section;
    }
}

settings! {
    /// Addresses of clients. The access log is the one place where they appear.
    pub struct AnonymizeIp {
        /// Leave them out. (Cosmo's router does by default.)
        enabled: bool as Toggle = Is("false");
    }
}

settings! {
    /// TLS, of connections that clients make and of those that the router makes.
    pub struct Tls {
        /// Towards clients.
        server: ServerTls as ServerTls = Section;
        /// Towards subgraphs.
        client: SubgraphTls as SubgraphTls = Section;
    }
}

settings! {
    /// TLS towards clients: `https` and `wss`. Versions 1.2 and 1.3; HTTP/2 and HTTP/1.1 by the client's choice,
    /// WebSockets over HTTP/1.1.
    pub struct ServerTls {
        /// Speak TLS on `listen_addr`, and nothing else. Plain requests get `400`.
        enabled: bool as Toggle = Is("false");
        /// The router's certificate, and behind it those that lead to its authority (PEM).
        cert_file: Option<PathBuf> as Maybe<FilePath> = Absent("./server.crt");
        /// The certificate's key (PEM).
        key_file: Option<PathBuf> as Maybe<FilePath> = Absent("./server.key");
        /// Certificates of clients.
        client_auth: ClientAuth as ClientAuth = Section;
        /// How often the files are looked at. What has changed holds for connections from then on; what is wrong is
        /// logged, and the certificate in use stays. `0s`: never.
        reload_interval: Duration as Time = Is("5s");
    }
}

settings! {
    /// Certificates of clients.
    pub struct ClientAuth {
        /// Authorities that they must come from (PEM). Without it nobody is asked for a certificate.
        cert_file: Option<PathBuf> as Maybe<FilePath> = Absent("./clients-ca.crt");
        /// Serve nobody who shows none. Otherwise only who shows a wrong one is turned away.
        required: bool as Toggle = Is("false");
    }
}

settings! {
    /// TLS towards subgraphs.
    pub struct SubgraphTls {
        /// For subgraphs that have no section of their own.
        all: ClientTls as ClientTls = Section;
        /// Sections like `all` for single subgraphs, by name. Such a section stands by itself: it takes
        /// nothing from `all`.
        subgraphs: BTreeMap<String, ClientTls> as Map<Alike<ClientTls>> = Absent("deals: { ca_file: ./ca.crt }");
    }
}

settings! {
    /// Other addresses for subgraphs than the graph has.
    pub struct OverrideRoutingUrl {
        /// Addresses by name of the subgraph.
        subgraphs: BTreeMap<String, String> as Map<RoutingUrl> = Absent("http://localhost:4001/graphql");
    }
}

settings! {
    /// What is different about single subgraphs from what the graph says.
    pub struct Overridden {
        /// By name of the subgraph.
        subgraphs: BTreeMap<String, SubgraphOverride> as Map<SubgraphOverride> = Absent("");
    }
}

settings! {
    /// What is different about a subgraph from what the graph says.
    pub struct SubgraphOverride {
        /// Where it is reached.
        routing_url: Option<String> as Maybe<RoutingUrl> = Absent("http://localhost:4001/graphql");
        /// Where it serves subscriptions: `ws` or `wss`, `http` or `https`. Left out: where its queries go. Over TLS,
        /// `tls.client` holds.
        subscription_url: Option<String> as Maybe<SubscriptionUrl> = Absent("ws://localhost:4001/graphql");
        /// How it serves them: `ws`, `sse` or `sse_post`, over HTTP/1.1. Event streams have a connection each; WebSockets
        /// are shared, but for subscriptions of more than 16 KiB.
        subscription_protocol: Option<SubscriptionProtocol> as Maybe<Travel> = Absent("ws");
        /// What is spoken on a WebSocket: `auto`, `graphql-ws` or `graphql-transport-ws`.
        subscription_websocket_subprotocol: Option<WebSocketSubprotocol> as Maybe<Dialect> = Absent("auto");
        /// When the subgraph is lost, its subscriptions wait for it to come back and are told that they may
        /// have missed something, instead of ending with an error.
        subscription_reconnect: bool as Toggle = Is("false");
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
    /// The page to try operations on.
    pub struct Playground {
        /// Serve it at `/` to browsers.
        enabled: bool as Toggle = Computed { means: "`true` with `dev_mode`", value: |_| "false".to_owned() };
    }
}

settings! {
    /// When `/health/ready` says that the router should get traffic: once the graph is loaded and clients can connect,
    /// until it is asked to stop.
    pub struct Readiness {
        /// Providers that have to be connected as well, by id: while one of them is away the answer is 503, on all
        /// routers at once, so name those without which none is of any use. Where several kinds have one of that id,
        /// all of them count. `/health/live` never depends on brokers: starting the router again brings none back.
        require_providers: Vec<String> as List<Text> = Absent("default");
    }
}

settings! {
    /// The listener for operators.
    pub struct Admin {
        /// Where it listens.
        listen_addr: SocketAddr as Listen = Is("127.0.0.1:8088");
    }
}
