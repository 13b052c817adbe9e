//! From the configuration to the options that each module owns.
//!
//! `graphs` reads the SDL that the configuration names; everything else is renaming.

use super::{AfterGrace, Config, NatsProvider, Secret, UnreadableGraphs};
use crate::{
    admin, federation, http, hub,
    plan::{ProviderId, ProviderKind},
    resolve, server, sources,
};

impl Config {
    /// Everything the server is told.
    pub fn options(&self) -> Result<server::Options, UnreadableGraphs> {
        Ok(server::Options {
            graphs: self.graphs()?,
            engine: self.engine_options(),
            hub: self.hub_options(),
            resolve: self.resolve_options(),
            websocket: self.websocket_options(),
            sources: self.sources_options(),
            subgraphs: sources::subgraph::SubgraphOptions {
                timeout: self.engine.subscription_fetch_timeout,
                ..Default::default()
            },
            http: self.http_options(),
            admin: admin::Options { listen_addr: self.admin.listen_addr.to_string() },
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
        }
    }

    fn hub_options(&self) -> hub::Options {
        hub::Options {
            window: self.engine.group_events_in_flight,
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
            ..resolve::Options::default()
        }
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
        let kafka = providers.kafka.iter().map(|it| (ProviderKind::Kafka, ProviderId::from(it.id.as_str())));
        let redis = providers.redis.iter().map(|it| (ProviderKind::Redis, ProviderId::from(it.id.as_str())));
        sources::Options {
            nats: providers.nats.iter().map(nats_options).collect(),
            memory: memory.collect(),
            unavailable: kafka.chain(redis).collect(),
            skip_unavailable_providers: self.events.skip_unavailable_providers,
        }
    }

    fn http_options(&self) -> http::Options {
        http::Options {
            listen_addr: self.listen_addr.to_string(),
            graphql_path: self.graphql_path.clone(),
            max_request_body_size: self.traffic_shaping.router.max_request_body_size,
            dev_mode: self.dev_mode,
            websocket_enabled: self.websocket.enabled,
            stop_timeout: self.grace_period,
            ..http::Options::default()
        }
    }
}

fn nats_options(provider: &NatsProvider) -> sources::NatsOptions {
    let authentication = provider.authentication.as_ref().and_then(|it| match (&it.token, &it.user_info) {
        (Some(token), _) => Some(sources::NatsAuthentication::Token(expose(token))),
        (None, Some(user)) => Some(sources::NatsAuthentication::User {
            username: user.username.clone(),
            password: expose(&user.password),
        }),
        (None, None) => None,
    });
    let tls = provider.tls.as_ref().map(|it| sources::NatsTls {
        insecure_skip_ca_verification: it.insecure_skip_ca_verification,
        ca_file: it.ca_file.clone(),
        cert_file: it.cert_file.clone(),
        key_file: it.key_file.clone(),
    });
    sources::NatsOptions {
        id: provider.id.as_str().into(),
        url: provider.url.clone(),
        request_timeout: provider.request_timeout,
        authentication,
        tls,
    }
}

fn expose(secret: &Secret) -> String {
    secret.expose().to_owned()
}
