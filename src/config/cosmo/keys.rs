//! Keys of Cosmo's configuration, and what becomes of each: a table, and nothing else.

/// A key of Cosmo's, or a whole section of them.
#[derive(Clone, Copy, Debug)]
pub struct CosmoKey {
    /// From the root; `[]` behind the name of a list, `<name>` for any name. Covers everything below that has no
    /// row of its own, unless the section is declared: then its keys are known, and others are mistakes.
    pub path: &'static str,
    pub fate: Fate,
    /// A key beside it that says whether it enforces anything.
    pub mode: Option<Mode>,
}

/// A key that tells enforcing from watching. Every word but those for the latter enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    pub key: &'static str,
    /// What holds without it.
    pub default: &'static str,
}

impl Mode {
    /// Words that enforce nothing.
    pub const WATCHING: [&'static str; 4] = ["measure", "off", "warn", "log"];
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is declared in `settings`.
    Supported,
    /// Another name of a declared key.
    Renamed(&'static str),
    /// It has no effect; the text says why, or what does the same.
    Ignored(&'static str),
    /// The start is refused when the key is given and is not `false`, empty or nothing: what it protects
    /// would be open. The text says what.
    Refused(&'static str),
    /// The same where nothing would be open, but nothing would work either. The text says what to use instead.
    Unsupported(&'static str),
}

use Fate::{Ignored, Refused, Renamed, Supported, Unsupported};

const fn key(path: &'static str, fate: Fate) -> CosmoKey {
    CosmoKey { path, fate, mode: None }
}

/// A key that protects unless a key beside it says that it only measures.
const fn enforced(path: &'static str, open: &'static str, mode: Mode) -> CosmoKey {
    CosmoKey { path, fate: Refused(open), mode: Some(mode) }
}

const COMPLEXITY: Mode = Mode { key: "security.complexity_limits.mode", default: "enforce" };
const INLINE: Mode = Mode { key: "engine.validate_inline_arguments.mode", default: "off" };
const COST: Mode = Mode { key: "security.cost_control.mode", default: "measure" };

const NOT_YET: &str = "not in this version";
const NO_CONTROL_PLANE: &str = "there is no control plane: graphs come from files and URLs";
const ALWAYS: &str = "always so";
const NEVER_ASKS: &str = "requests never wait for `100 Continue`";
const DEEPER: &str = "deeper operations would be executed (`limits.operation.depth` bounds them here)";
const BIGGER: &str = "bigger operations would be executed (`limits.operation` bounds them here)";

/// Every key and section of Cosmo's router, in the order of its documentation.
pub const COSMO_KEYS: &[CosmoKey] = &[
    key("version", Supported),
    // The server.
    key("listen_addr", Supported),
    key("graphql_path", Supported),
    key("health_check_path", Ignored("the paths are `/health`, `/health/live` and `/health/ready`")),
    key("readiness_check_path", Ignored("the paths are `/health`, `/health/live` and `/health/ready`")),
    key("liveness_check_path", Ignored("the paths are `/health`, `/health/live` and `/health/ready`")),
    key("shutdown_delay", Supported),
    key("grace_period", Supported),
    key("log_level", Supported),
    key("json_log", Supported),
    key("log_service_name", Ignored("log lines name no service")),
    key("dev_mode", Supported),
    key("demo_mode", Ignored(NOT_YET)),
    key("instance_id", Ignored("nothing names an instance")),
    key("localhost_fallback_inside_docker", Ignored("URLs are taken as they are")),
    key("cluster", Ignored(NO_CONTROL_PLANE)),
    key("access_logs.enabled", Supported),
    key("access_logs.level", Ignored("access logs have the level `info`")),
    key("access_logs.add_stacktrace", Ignored(NOT_YET)),
    key("access_logs.buffer", Ignored("lines are written as they come")),
    key("access_logs.output", Ignored("they go where the other logs go")),
    key("access_logs.router", Ignored("the fields are fixed")),
    key("access_logs.subgraphs", Ignored("requests to subgraphs are counted, not logged")),
    key("pyroscope", Ignored("profiles are fetched from the admin listener, `/debug/pprof/`")),
    // Where the graph comes from.
    key("execution_config.file.path", Supported),
    key("execution_config.file.watch", Ignored(NOT_YET)),
    key("execution_config.file.watch_interval", Ignored(NOT_YET)),
    key("execution_config.storage", Ignored("execution configs come from files")),
    key("execution_config.fallback_storage", Ignored("execution configs come from files")),
    key(
        "execution_config.manifest",
        Unsupported("feature flags come with the execution config: name it in `execution_config.file.path`"),
    ),
    key("router_config_path", Renamed("execution_config.file.path")),
    key("watch_config", Ignored(NOT_YET)),
    key("poll_interval", Ignored(NO_CONTROL_PLANE)),
    key("poll_jitter", Ignored(NO_CONTROL_PLANE)),
    key("split_config_poller", Ignored(NO_CONTROL_PLANE)),
    key("router_registration", Ignored(NO_CONTROL_PLANE)),
    key("controlplane_url", Ignored(NO_CONTROL_PLANE)),
    key("graph", Ignored(NO_CONTROL_PLANE)),
    key("cdn", Ignored(NO_CONTROL_PLANE)),
    key("storage_providers", Ignored("files and URLs are the only stores")),
    key("override_routing_url", Supported),
    key("overrides", Supported),
    key("plugins", Ignored("plugins are not run; graphs served by one are refused")),
    // Events.
    key("events.skip_unavailable_providers", Supported),
    key("events.providers.nats[].id", Supported),
    key("events.providers.nats[].url", Supported),
    key("events.providers.nats[].authentication", Supported),
    key("events.providers.nats[].tls", Supported),
    key("events.providers.nats[].experiment_delete_durable_consumers_on_shutdown", Supported),
    key("events.providers.kafka[].id", Supported),
    key("events.providers.kafka[].brokers", Supported),
    key("events.providers.kafka[].authentication", Supported),
    key("events.providers.kafka[].tls", Supported),
    key("events.providers.kafka[].fetch_max_wait", Supported),
    key("events.providers.redis[].id", Supported),
    key("events.providers.redis[].urls", Supported),
    key("events.providers.redis[].cluster_enabled", Supported),
    key("events.handlers", Ignored("modules, which they are for, are not run")),
    // WebSockets.
    key("websocket.enabled", Supported),
    key("websocket.absinthe_protocol", Ignored(NOT_YET)),
    key("websocket.forward_upgrade_headers", Supported),
    key("websocket.forward_upgrade_query_params", Supported),
    key("websocket.forward_initial_payload", Supported),
    key(
        "websocket.authentication.from_initial_payload.enabled",
        Refused("clients would not have to show who they are"),
    ),
    key("websocket.authentication", Ignored(NOT_YET)),
    key("websocket.client_info_from_initial_payload", Ignored(NOT_YET)),
    // The engine.
    key("engine.max_concurrent_resolvers", Supported),
    key("engine.enable_net_poll", Supported),
    key("engine.subscription_fetch_timeout", Supported),
    key("engine.websocket_server_read_timeout", Supported),
    key("engine.websocket_server_write_timeout", Supported),
    key("engine.websocket_server_poll_timeout", Ignored("the poller waits as long as nothing happens")),
    key("engine.websocket_server_conn_buffer_size", Ignored("the poller chooses it")),
    key("engine.websocket_client_write_timeout", Supported),
    key("engine.websocket_client_read_limit", Supported),
    key("engine.websocket_client_ping_interval", Supported),
    key("engine.websocket_client_ping_timeout", Supported),
    key("engine.websocket_client_ack_timeout", Supported),
    key("engine.enable_single_flight", Supported),
    key("engine.force_enable_single_flight", Supported),
    key("engine.enable_inbound_request_deduplication", Ignored(NOT_YET)),
    key("engine.force_enable_inbound_request_deduplication", Ignored(NOT_YET)),
    key("engine.execution_plan_cache_size", Supported),
    key("engine.disable_variables_remapping", Ignored("filters work with variables as they are")),
    key("engine.minify_subgraph_operations", Ignored(ALWAYS)),
    key("engine.parsekit_pool_size", Ignored("`engine.prepare_threads` bounds parsing")),
    key("engine.enable_multi_fetch", Ignored("the planner decides it")),
    key("engine.enable_schedule_fetches", Ignored("the planner decides it")),
    key("engine.enable_defer", Ignored("`@defer` is not supported")),
    key("engine.enable_request_tracing", Ignored(NOT_YET)),
    key("engine.enable_execution_plan_cache_response_header", Ignored(NOT_YET)),
    key("engine.enable_persisted_operations_cache", Ignored("there are no persisted operations")),
    key("engine.slow_plan_cache_size", Ignored("`engine.execution_plan_cache_size` holds for all plans")),
    key(
        "engine.slow_plan_cache_threshold",
        Ignored("`engine.execution_plan_cache_size` holds for all plans"),
    ),
    key("engine.enable_require_fetch_reasons", Ignored(NOT_YET)),
    key("engine.operation_hash_cache_size", Ignored("there is no such cache")),
    key("engine.enable_normalization_cache", Ignored("there is no such cache")),
    key("engine.normalization_cache_size", Ignored("there is no such cache")),
    key("engine.enable_validation_cache", Ignored(ALWAYS)),
    key(
        "engine.validation_cache_size",
        Ignored("`engine.execution_plan_cache_size` holds for documents too"),
    ),
    key("engine.disable_exposing_variables_content_on_validation_error", Ignored(ALWAYS)),
    key("engine.enable_subgraph_fetch_operation_name", Ignored("operations for subgraphs have no names")),
    key("engine.resolver_max_recyclable_parser_size", Ignored("buffers are bounded by themselves")),
    key("engine.validate_required_external_fields", Ignored(NOT_YET)),
    key("engine.relax_subgraph_operation_field_selection_merging_nullability", Ignored(NOT_YET)),
    key("engine.allow_string_literals_for_enums", Ignored("strings are never taken for enum values")),
    key("engine.force_unauthenticated_request_tracing", Ignored("requests are not traced in answers")),
    enforced(
        "engine.validate_inline_arguments.mode",
        "operations with values in their text would be executed",
        INLINE,
    ),
    key("engine.validate_inline_arguments", Ignored("values in the text of operations are always taken")),
    key("engine.debug", Ignored("see `/debug/state` on the admin listener")),
    // Clients and what they may do.
    key("playground.enabled", Supported),
    key("playground.path", Ignored("the page is at `/`")),
    key("playground.concurrency_limit", Ignored("the page is one document, made at the start")),
    key("playground_enabled", Renamed("playground.enabled")),
    key("playground_path", Ignored("the page is at `/`")),
    key("introspection.enabled", Supported),
    key("introspection_enabled", Renamed("introspection.enabled")),
    key("introspection.secret", Refused("introspection would be open without the secret")),
    key("query_plans_enabled", Supported),
    key("cors", Supported),
    key("client_header", Ignored(NOT_YET)),
    key("headers", Supported),
    key("batching", Supported),
    key("file_upload", Supported),
    key("cache_control_policy", Supported),
    key("cache_warmup", Ignored(NOT_YET)),
    key("compliance.anonymize_ip.enabled", Supported),
    key("compliance.anonymize_ip.method", Ignored("addresses are left out, not hashed")),
    key("tls.server", Supported),
    key("tls.client", Supported),
    key("tls.client_grpc", Unsupported("graphs served by gRPC are refused: serve them by GraphQL over HTTP")),
    key("authentication.jwt.jwks", Refused("tokens would not be checked")),
    key("authentication.ignore_introspection", Ignored(NOT_YET)),
    key("authentication", Ignored("nobody is asked who they are")),
    key("authorization.require_authentication", Refused("everybody would be let in")),
    key("authorization.reject_operation_if_unauthorized", Refused("nothing would be rejected")),
    key(
        "authorization.enable_pre_fetch_field_authorization",
        Refused("fields would be fetched for everybody"),
    ),
    key("rate_limit.enabled", Refused("clients would not be limited")),
    key("rate_limit", Ignored(NOT_YET)),
    key("persisted_operations.safelist.enabled", Refused("every operation would be executed")),
    key("persisted_operations", Ignored(NOT_YET)),
    key("automatic_persisted_queries", Ignored(NOT_YET)),
    key("security.block_mutations", Supported),
    key("security.block_subscriptions", Supported),
    key("security.block_non_persisted_operations", Supported),
    key("security.block_persisted_operations.enabled", Refused("persisted operations would be executed")),
    key("security.block_persisted_operations", Ignored("it is not enabled")),
    enforced("security.complexity_limits.depth.enabled", DEEPER, COMPLEXITY),
    enforced("security.complexity_limits.total_fields.enabled", BIGGER, COMPLEXITY),
    enforced("security.complexity_limits.root_fields.enabled", BIGGER, COMPLEXITY),
    enforced("security.complexity_limits.root_field_aliases.enabled", BIGGER, COMPLEXITY),
    key("security.complexity_limits", Ignored("`limits.operation` bounds depth, fields, aliases and more")),
    key("security.complexity_calculation_cache", Ignored("there is no such cache")),
    key("security.depth_limit.enabled", Refused(DEEPER)),
    key("security.depth_limit", Ignored("`limits.operation.depth` is the like of it")),
    enforced("security.cost_control.enabled", "operations would be executed whatever they cost", COST),
    key(
        "security.cost_control",
        Ignored("costs are not measured; `limits.operation` bounds operations by size"),
    ),
    key("security.parser_limits", Supported),
    key("security.operation_name_length_limit", Supported),
    // Traffic.
    key("traffic_shaping.all", Supported),
    key("traffic_shaping.all.expect_continue_timeout", Ignored(NEVER_ASKS)),
    key("traffic_shaping.subgraphs", Supported),
    key("traffic_shaping.subgraphs.<name>.expect_continue_timeout", Ignored(NEVER_ASKS)),
    key("traffic_shaping.router.max_request_body_size", Supported),
    key("traffic_shaping.router.max_header_bytes", Supported),
    key("traffic_shaping.router.decompression_enabled", Supported),
    key("traffic_shaping.router.response_compression_min_size", Supported),
    key("subgraph_error_propagation", Supported),
    key("subgraph_extension_propagation", Ignored(NOT_YET)),
    key(
        "apollo_compatibility_flags.subscription_multipart_print_boundary",
        Ignored("a boundary always follows its part at once"),
    ),
    key("apollo_compatibility_flags", Ignored(NOT_YET)),
    key("apollo_router_compatibility_flags", Ignored(NOT_YET)),
    // Measuring.
    key("telemetry", Ignored("metrics are on the admin listener, `/metrics`")),
    key("graphql_metrics", Ignored(NO_CONTROL_PLANE)),
    // The rest.
    key("modules", Ignored("modules are not run: check that nothing depends on yours")),
    key("mcp", Ignored(NOT_YET)),
    key("connect_rpc", Ignored(NOT_YET)),
];
