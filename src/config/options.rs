//! From the configuration to the options that each module owns.
//!
//! `graphs` reads the SDL that the configuration names; everything else is renaming.

use super::{
    AfterGrace, CircuitBreaker, ClientTls, Config, ErrorMode, ForwardedNames, KafkaProvider,
    NatsAuthentication, NatsProvider, RetryPolicy, ScramMechanism, Secret, SubgraphErrorPropagation,
    SubgraphTraffic, UnreadableGraphs,
};
use crate::{
    admin, federation, http, hub, resolve, server,
    sources::{self, subgraph},
};
use regex::Regex;
use std::{collections::BTreeMap, time::Duration};

impl Config {
    /// Everything the server is told.
    pub fn options(&self) -> Result<server::Options, UnreadableGraphs> {
        let graphs = self.graphs()?;
        Ok(server::Options {
            subscription_endpoints: self.subscription_endpoints(&graphs),
            graphs,
            engine: self.engine_options(),
            hub: self.hub_options(),
            resolve: self.resolve_options(),
            websocket: self.websocket_options(),
            http_streams: self.http_stream_options(),
            sources: self.sources_options(),
            subgraphs: self.traffic(),
            upstream: self.upstream_options(),
            http: self.http_options(),
            tls: self.tls_options(),
            admin: admin::Options { listen_addr: self.admin.listen_addr.to_string() },
            required_providers: self.readiness.require_providers.clone(),
            shutdown_delay: self.shutdown_delay,
            grace_period: self.grace_period,
        })
    }

    /// Bounds on one operation.
    pub(super) fn operation_limits(&self) -> federation::Limits {
        let limits = &self.limits.operation;
        federation::Limits {
            document_bytes: limits.document_bytes,
            tokens: limits.tokens,
            depth: limits.depth,
            selections: limits.selections,
            aliases: limits.aliases,
            root_fields: limits.root_fields,
            directives: limits.directives,
            same_response_name: limits.same_response_name,
        }
    }

    fn engine_options(&self) -> server::EngineOptions {
        server::EngineOptions {
            limits: self.operation_limits(),
            plan_cache_size: self.engine.execution_plan_cache_size,
            introspection: self.introspection.enabled,
            mutations_blocked: self.security.block_mutations.enabled,
            subscriptions_blocked: self.security.block_subscriptions.enabled,
            operation_name_bytes_max: self.security.operation_name_length_limit,
            headers: super::headers::options(&self.headers),
            forward: self.forward_options(),
            shows_plans: self.dev_mode && self.query_plans_enabled,
            suggestions: self.dev_mode && self.introspection.enabled,
        }
    }

    fn forward_options(&self) -> server::ForwardOptions {
        let websocket = &self.websocket;
        server::ForwardOptions {
            upgrade_headers: allow_list(&websocket.forward_upgrade_headers),
            upgrade_query_params: allow_list(&websocket.forward_upgrade_query_params),
            initial_payload: websocket.forward_initial_payload,
        }
    }

    fn http_stream_options(&self) -> server::HttpStreamOptions {
        server::HttpStreamOptions {
            heartbeat_interval: self.http_streams.heartbeat_interval,
            outbound_queue_bytes_max: self.http_streams.outbound_queue,
            outbound_total_bytes_max: self.websocket.outbound_total,
        }
    }

    fn hub_options(&self) -> hub::Options {
        hub::Options {
            window: self.engine.group_events_in_flight,
            local_window: self.engine.group_local_events_in_flight,
            group_backlog_events: self.engine.group_backlog_events,
            group_backlog_bytes: self.engine.group_backlog_bytes,
            trigger_linger: self.events.trigger_linger,
            outage_grace: self.events.outage.grace,
            outage_then: match self.events.outage.then {
                AfterGrace::Notify => hub::OutagePolicy::Notify,
                AfterGrace::End => hub::OutagePolicy::End,
            },
            ..hub::Options::default()
        }
    }

    fn resolve_options(&self) -> resolve::Options {
        resolve::Options {
            resolver_threads: self.engine.resolver_threads,
            prepare_threads: self.engine.prepare_threads,
            max_concurrent_resolvers: self.engine.max_concurrent_resolvers,
            errors: error_propagation(&self.subgraph_error_propagation),
            share_queries_in_flight: self.engine.enable_single_flight,
            ..resolve::Options::default()
        }
    }

    fn traffic(&self) -> subgraph::Traffic {
        let (traffic, tls) = (&self.traffic_shaping, &self.tls.client);
        let of = |name: &String| {
            let traffic = traffic.subgraphs.get(name).unwrap_or(&traffic.all);
            let tls = tls.subgraphs.get(name).unwrap_or(&tls.all);
            (name.clone(), self.subgraph_options(traffic, tls))
        };
        let overridden = self.overrides.subgraphs.iter();
        let overridden = overridden.filter_map(|(name, it)| Some((name.clone(), it.routing_url.clone()?)));
        subgraph::Traffic {
            all: self.subgraph_options(&traffic.all, &tls.all),
            subgraphs: traffic.subgraphs.keys().chain(tls.subgraphs.keys()).map(of).collect(),
            urls: self.override_routing_url.subgraphs.clone().into_iter().chain(overridden).collect(),
        }
    }

    fn subgraph_options(&self, it: &SubgraphTraffic, tls: &ClientTls) -> subgraph::SubgraphOptions {
        subgraph::SubgraphOptions {
            timeout: it.request_timeout.min(self.engine.subscription_fetch_timeout),
            dial_timeout: it.dial_timeout,
            tls_handshake_timeout: it.tls_handshake_timeout,
            response_header_timeout: unless_zero(it.response_header_timeout),
            response_bytes_max: it.max_response_body_size,
            requests_max: it.max_conns_per_host,
            idle_connections_max: it.max_idle_conns_per_host,
            idle_connections_total_max: it.max_idle_conns,
            idle_timeout: unless_zero(it.keep_alive_idle_timeout),
            keep_alive_probe_interval: unless_zero(it.keep_alive_probe_interval),
            retry: it.retry.enabled.then(|| retry_options(&it.retry)),
            breaker: it.circuit_breaker.enabled.then(|| breaker_options(&it.circuit_breaker)),
            tls: client_tls(tls),
        }
    }

    fn upstream_options(&self) -> server::UpstreamOptions {
        let engine = &self.engine;
        server::UpstreamOptions {
            ack_timeout: engine.websocket_client_ack_timeout,
            ping_interval: engine.websocket_client_ping_interval,
            ping_timeout: engine.websocket_client_ping_timeout,
            write_timeout: engine.websocket_client_write_timeout,
            message_bytes_max: engine.websocket_client_read_limit,
            idle_timeout: engine.websocket_client_idle_timeout,
        }
    }

    /// What the configuration says of a subgraph's subscriptions, and else what the graph's source says.
    fn subscription_endpoints(
        &self,
        graphs: &federation::Graphs,
    ) -> BTreeMap<String, subgraph::SubscriptionEndpoint> {
        let base = graphs.subgraphs.iter().map(|it| (it.name.clone(), it));
        let flagged = graphs.feature_flags.iter().flat_map(|(flag, flagged)| {
            flagged.subgraphs.iter().map(|it| (federation::flagged_name(it, flag, &graphs.subgraphs), it))
        });
        let told = flagged.chain(base).filter_map(|(name, it)| Some((name, it.subscription.as_ref()?)));
        let mut endpoints: BTreeMap<_, _> =
            told.map(|(name, source)| (name, subscription_endpoint(source))).collect();
        for (name, it) in &self.overrides.subgraphs {
            let endpoint = endpoints.entry(name.clone()).or_default();
            endpoint.url = it.subscription_url.clone().or(endpoint.url.take());
            endpoint.protocol = it.subscription_protocol.unwrap_or(endpoint.protocol);
            endpoint.subprotocol = it.subscription_websocket_subprotocol.unwrap_or(endpoint.subprotocol);
            endpoint.reconnect = it.subscription_reconnect;
        }
        endpoints
    }

    fn websocket_options(&self) -> server::WebSocketOptions {
        server::WebSocketOptions {
            connections_max: self.limits.connections,
            subscriptions_per_connection_max: self.limits.subscriptions_per_connection,
            message_bytes_max: self.websocket.max_message_size,
            outbound_queue_bytes_max: self.websocket.outbound_queue,
            outbound_total_bytes_max: self.websocket.outbound_total,
            connection_init_timeout: self.websocket.connection_init_timeout,
            ping_interval: self.websocket.ping_interval,
            legacy_keep_alive_interval: self.websocket.legacy_keep_alive_interval,
            write_timeout: self.engine.websocket_server_write_timeout,
            echo_complete: self.websocket.echo_complete,
        }
    }

    fn sources_options(&self) -> sources::Options {
        let providers = &self.events.providers;
        let memory = providers.memory.iter().map(|it| sources::MemoryOptions {
            id: it.id.as_str().into(),
            ring_events: it.ring_events,
            ring_bytes: it.ring_bytes,
        });
        let redis = providers.redis.iter().map(|it| sources::RedisOptions {
            id: it.id.as_str().into(),
            urls: it.urls.clone(),
            cluster_enabled: it.cluster_enabled,
            tls: it.tls.as_ref().map(client_tls),
            feed_backlog: self.feed_backlog(),
        });
        sources::Options {
            nats: providers.nats.iter().map(|it| self.nats_options(it)).collect(),
            memory: memory.collect(),
            kafka: providers.kafka.iter().map(kafka_options).collect(),
            redis: redis.collect(),
            unavailable: Vec::new(),
            skip_unavailable_providers: self.events.skip_unavailable_providers,
        }
    }

    fn feed_backlog(&self) -> sources::FeedBacklog {
        sources::FeedBacklog {
            events: self.events.feed_backlog_events,
            bytes: self.events.feed_backlog_bytes,
        }
    }

    fn nats_options(&self, provider: &NatsProvider) -> sources::NatsOptions {
        sources::NatsOptions {
            id: provider.id.as_str().into(),
            url: provider.url.clone(),
            request_timeout: provider.request_timeout,
            ping_interval: provider.ping_interval,
            authentication: provider.authentication.as_ref().and_then(nats_authentication),
            tls: provider.tls.as_ref().map(client_tls),
            feed_backlog: self.feed_backlog(),
            instance: format!("{}-{}", host_name(), self.listen_addr),
            delete_durable_consumers_on_shutdown: provider.experiment_delete_durable_consumers_on_shutdown,
        }
    }

    fn http_options(&self) -> http::Options {
        let traffic = &self.traffic_shaping.router;
        http::Options {
            listen_addr: self.listen_addr.to_string(),
            graphql_path: self.graphql_path.clone(),
            max_request_body_size: traffic.max_request_body_size,
            head_bytes_max: traffic.max_header_bytes,
            http_connections_max: traffic.max_connections,
            request_bodies_bytes_max: traffic.max_request_bodies_total,
            head_read_timeout: traffic.read_header_timeout,
            body_read_timeout: traffic.read_body_timeout,
            write_timeout: traffic.write_timeout,
            decompression_enabled: traffic.decompression_enabled,
            compression_bytes_min: traffic.response_compression_min_size,
            page_enabled: self.playground.enabled,
            websocket_enabled: self.websocket.enabled,
            proxies: http::Proxies { trusted: self.trusted_proxies.clone(), protocol: self.proxy_protocol },
            cors: self.cors.enabled.then(|| self.cors_options()),
            batching: self.batching.enabled.then_some(self.batching_options()),
            file_upload: self.file_upload.enabled.then_some(http::FileUpload {
                file_bytes_max: self.file_upload.max_file_size,
                files_max: self.file_upload.max_files,
            }),
            cache_policy: self.cache_control_policy.enabled.then(|| self.cache_policy()),
            access_log: self.access_logs.enabled,
            access_log_anonymous: self.compliance.anonymize_ip.enabled,
            stop_timeout: self.grace_period,
        }
    }

    fn tls_options(&self) -> Option<server::TlsOptions> {
        let tls = &self.tls.server;
        let (Some(cert_file), Some(key_file)) = (tls.cert_file.clone(), tls.key_file.clone()) else {
            return None;
        };
        tls.enabled.then(|| server::TlsOptions {
            cert_file,
            key_file,
            client_authorities_file: tls.client_auth.cert_file.clone(),
            client_certificate_required: tls.client_auth.required,
            reload_interval: tls.reload_interval,
        })
    }

    fn batching_options(&self) -> http::Batching {
        http::Batching {
            concurrency_max: self.batching.max_concurrency,
            entries_max: self.batching.max_entries_per_batch,
            omit_extensions: self.batching.omit_extensions,
        }
    }

    fn cache_policy(&self) -> http::CachePolicy {
        let policy = &self.cache_control_policy;
        let subgraphs = policy.subgraphs.iter().map(|it| (it.name.clone(), it.value.clone()));
        http::CachePolicy { value: policy.value.clone(), subgraphs: subgraphs.collect() }
    }

    fn cors_options(&self) -> http::Cors {
        let cors = &self.cors;
        http::Cors {
            allow_origins: cors.allow_origins.clone(),
            allow_methods: cors.allow_methods.clone(),
            allow_headers: cors.allow_headers.clone(),
            allow_credentials: cors.allow_credentials.unwrap_or(!cors.is_open()),
            max_age: cors.max_age,
        }
    }
}

fn error_propagation(settings: &SubgraphErrorPropagation) -> resolve::ErrorPropagation {
    resolve::ErrorPropagation {
        mode: match settings.mode {
            _ if !settings.enabled => resolve::ErrorMode::Hidden,
            ErrorMode::Wrapped => resolve::ErrorMode::Wrapped,
            ErrorMode::PassThrough => resolve::ErrorMode::PassThrough,
        },
        rewrite_paths: settings.rewrite_paths,
        omit_locations: settings.omit_locations,
        omit_extensions: settings.omit_extensions,
        propagate_status_codes: settings.propagate_status_codes,
        attach_service_name: settings.attach_service_name,
        default_code: settings.default_extension_code.clone(),
        allowed_extensions: (!settings.allow_all_extension_fields)
            .then(|| settings.allowed_extension_fields.clone()),
        allowed_fields: settings.allowed_fields.clone(),
    }
}

fn allow_list(names: &ForwardedNames) -> Option<server::AllowList> {
    let is_name = |it: &str| it.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_'));
    let entry = |text: &str| match is_name(text) {
        true => server::AllowEntry::Name(text.to_owned()),
        false => server::AllowEntry::Pattern(Regex::new(text).expect("read as a pattern")),
    };
    let entries = || names.allow_list.iter().map(|it| entry(it)).collect();
    names.enabled.then(|| server::AllowList { entries: entries() })
}

fn subscription_endpoint(source: &federation::SubscriptionSource) -> subgraph::SubscriptionEndpoint {
    use federation::{Dialect, Travel};
    subgraph::SubscriptionEndpoint {
        url: source.url.clone(),
        protocol: match source.travel {
            Travel::WebSocket => subgraph::SubscriptionProtocol::WebSocket,
            Travel::Sse => subgraph::SubscriptionProtocol::Sse,
            Travel::SsePost => subgraph::SubscriptionProtocol::SsePost,
        },
        subprotocol: match source.dialect {
            Dialect::Auto => subgraph::WebSocketSubprotocol::Auto,
            Dialect::GraphqlWs => subgraph::WebSocketSubprotocol::GraphqlWs,
            Dialect::GraphqlTransportWs => subgraph::WebSocketSubprotocol::GraphqlTransportWs,
        },
        ..subgraph::SubscriptionEndpoint::default()
    }
}

/// What the system calls this machine.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn nats_authentication(keys: &NatsAuthentication) -> Option<sources::NatsAuthentication> {
    use sources::NatsAuthentication::{CredentialsFile, NkeySeed, NkeySeedFile, Token, User};
    let user = keys.user_info.as_ref();
    // One of them is given: `check` sees to it.
    [
        keys.token.as_ref().map(|it| Token(expose(it))),
        user.map(|it| User { username: it.username.clone(), password: expose(&it.password) }),
        keys.nkey_seed.as_ref().map(|it| NkeySeed(expose(it))),
        keys.nkey_seed_file.clone().map(NkeySeedFile),
        keys.credentials_file.clone().map(CredentialsFile),
    ]
    .into_iter()
    .find_map(|it| it)
}

fn kafka_options(provider: &KafkaProvider) -> sources::KafkaOptions {
    let authentication =
        provider.authentication.as_ref().and_then(|it| match (&it.sasl_plain, &it.sasl_scram) {
            (Some(it), _) => Some(sources::KafkaAuthentication::Plain {
                username: it.username.clone(),
                password: expose(&it.password),
            }),
            (None, Some(it)) => Some(sources::KafkaAuthentication::Scram {
                username: it.username.clone(),
                password: expose(&it.password),
                mechanism: match it.mechanism {
                    ScramMechanism::Sha256 => sources::ScramMechanism::Sha256,
                    ScramMechanism::Sha512 => sources::ScramMechanism::Sha512,
                },
            }),
            (None, None) => None,
        });
    let tls = &provider.tls;
    sources::KafkaOptions {
        id: provider.id.as_str().into(),
        brokers: provider.brokers.clone(),
        request_timeout: provider.request_timeout,
        authentication,
        tls: tls.enabled.then(|| sources::ClientTls {
            insecure_skip_ca_verification: tls.insecure_skip_ca_verification,
            ca_file: tls.ca_file.clone(),
            cert_file: tls.cert_file.clone(),
            key_file: tls.key_file.clone(),
        }),
        fetch_max_wait: provider.fetch_max_wait,
        payload: provider.payload,
        isolation: provider.isolation,
    }
}

fn client_tls(tls: &ClientTls) -> sources::ClientTls {
    sources::ClientTls {
        insecure_skip_ca_verification: tls.insecure_skip_ca_verification,
        ca_file: tls.ca_file.clone(),
        cert_file: tls.cert_file.clone(),
        key_file: tls.key_file.clone(),
    }
}

fn retry_options(retry: &RetryPolicy) -> subgraph::RetryOptions {
    subgraph::RetryOptions {
        attempts_max: saturated(retry.max_attempts),
        interval: retry.interval,
        wait_max: retry.max_duration,
    }
}

fn breaker_options(breaker: &CircuitBreaker) -> subgraph::BreakerOptions {
    subgraph::BreakerOptions {
        error_threshold_percentage: breaker.error_threshold_percentage,
        request_threshold: breaker.request_threshold as u64,
        rolling_duration: breaker.rolling_duration,
        buckets: breaker.num_buckets,
        sleep_window: breaker.sleep_window,
        half_open_attempts: saturated(breaker.half_open_attempts),
        required_successful: saturated(breaker.required_successful),
        execution_timeout: breaker.execution_timeout,
        concurrent_max: breaker.max_concurrent_requests,
    }
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn unless_zero(time: Duration) -> Option<Duration> {
    (!time.is_zero()).then_some(time)
}

fn expose(secret: &Secret) -> String {
    secret.expose().to_owned()
}
