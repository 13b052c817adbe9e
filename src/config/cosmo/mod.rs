//! Keys of Cosmo's configuration, and what becomes of those that this version does not have.
//!
//! Whoever comes over brings a file along. None of its keys is a mistake: a key without effect is named
//! once, and one without which protection would silently be off stops the start. The table gives way to
//! declared keys: it is asked only about keys that `settings` does not have. docs/migrating-from-cosmo.md
//! is made from it.

use super::{
    finding::Findings,
    keys,
    settings::Config,
    suggest,
    tree::{Entry, Node, Value},
};

/// A key of Cosmo's, or a whole section of them.
#[derive(Clone, Copy, Debug)]
pub struct CosmoKey {
    /// From the root; `[]` behind the name of a list. Covers everything below that has no row of its own,
    /// unless the section is declared: then its keys are known, and others are mistakes.
    pub path: &'static str,
    pub fate: Fate,
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is declared in `settings`.
    Supported,
    /// It has no effect; the text says why, or what does the same.
    Ignored(&'static str),
    /// The start is refused when the key is given and is not `false`, empty or nothing: what it protects
    /// would be open. The text says what.
    Refused(&'static str),
}

use Fate::{Ignored, Refused, Supported};

const fn key(path: &'static str, fate: Fate) -> CosmoKey {
    CosmoKey { path, fate }
}

const NOT_YET: &str = "not in this version";
const NO_CONTROL_PLANE: &str = "there is no control plane: graphs come from files and URLs";
const ALWAYS: &str = "always so";

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
    key("access_logs", Ignored(NOT_YET)),
    key("pyroscope", Ignored("profiles are fetched from the admin listener, `/debug/pprof/`")),
    // Where the graph comes from.
    key("execution_config.file.path", Supported),
    key("execution_config.file.watch", Ignored(NOT_YET)),
    key("execution_config.file.watch_interval", Ignored(NOT_YET)),
    key("execution_config.storage", Ignored("execution configs come from files")),
    key("execution_config.fallback_storage", Ignored("execution configs come from files")),
    key("execution_config", Ignored("execution configs come from files")),
    key("router_config_path", Ignored("the name is `execution_config.file.path`")),
    key("watch_config", Ignored(NOT_YET)),
    key("poll_interval", Ignored(NO_CONTROL_PLANE)),
    key("poll_jitter", Ignored(NO_CONTROL_PLANE)),
    key("split_config_poller", Ignored(NO_CONTROL_PLANE)),
    key("router_registration", Ignored(NO_CONTROL_PLANE)),
    key("controlplane_url", Ignored(NO_CONTROL_PLANE)),
    key("graph", Ignored(NO_CONTROL_PLANE)),
    key("cdn", Ignored(NO_CONTROL_PLANE)),
    key("storage_providers", Ignored("files and URLs are the only stores")),
    key("override_routing_url", Ignored(NOT_YET)),
    key("overrides", Ignored(NOT_YET)),
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
    key("websocket.forward_upgrade_headers", Ignored(NOT_YET)),
    key("websocket.forward_upgrade_query_params", Ignored(NOT_YET)),
    key("websocket.forward_initial_payload", Ignored(NOT_YET)),
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
    key("engine.websocket_client_write_timeout", Ignored(NOT_YET)),
    key("engine.websocket_client_read_limit", Ignored(NOT_YET)),
    key("engine.websocket_client_ping_interval", Ignored(NOT_YET)),
    key("engine.websocket_client_ping_timeout", Ignored(NOT_YET)),
    key("engine.websocket_client_ack_timeout", Ignored(NOT_YET)),
    key("engine.websocket_client_frame_timeout", Ignored(NOT_YET)),
    key("engine.websocket_client_poll_timeout", Ignored(NOT_YET)),
    key("engine.websocket_client_conn_buffer_size", Ignored(NOT_YET)),
    key(
        "engine.sse_server_write_timeout",
        Ignored("`traffic_shaping.router.write_timeout` is the like of it"),
    ),
    key("engine.enable_single_flight", Ignored(NOT_YET)),
    key("engine.force_enable_single_flight", Ignored(NOT_YET)),
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
    key("engine.enable_persisted_operations_cache_response_header", Ignored(NOT_YET)),
    key("engine.enable_normalization_cache_response_header", Ignored(NOT_YET)),
    key("engine.websocket_client_read_timeout", Ignored(NOT_YET)),
    key("engine.enable_persisted_operations_cache", Ignored("there are no persisted operations")),
    key("engine.enable_variables_normalization_cache", Ignored("there is no such cache")),
    key("engine.variables_normalization_cache_size", Ignored("there is no such cache")),
    key("engine.enable_remap_variables_cache", Ignored("there is no such cache")),
    key("engine.remap_variables_cache_size", Ignored("there is no such cache")),
    key("engine.slow_plan_cache_size", Ignored("`engine.execution_plan_cache_size` holds for all plans")),
    key(
        "engine.slow_plan_cache_threshold",
        Ignored("`engine.execution_plan_cache_size` holds for all plans"),
    ),
    key("engine.enable_require_fetch_reasons", Ignored(NOT_YET)),
    key("engine.persisted_operations_cache_size", Ignored("there are no persisted operations")),
    key("engine.operation_hash_cache_size", Ignored("there is no such cache")),
    key("engine.enable_normalization_cache", Ignored("there is no such cache")),
    key("engine.normalization_cache_size", Ignored("there is no such cache")),
    key("engine.enable_validation_cache", Ignored(ALWAYS)),
    key(
        "engine.validation_cache_size",
        Ignored("`engine.execution_plan_cache_size` holds for documents too"),
    ),
    key("engine.disable_exposing_variables_content_validation_error", Ignored(ALWAYS)),
    key("engine.enable_subgraph_fetch_operation_name", Ignored("operations for subgraphs have no names")),
    key("engine.resolver_max_recyclable_parser_size", Ignored("buffers are bounded by themselves")),
    key("engine.validate_required_external_fields", Ignored(NOT_YET)),
    key("engine.relax_subgraph_operation_field_selection_merging_nullability", Ignored(NOT_YET)),
    key(
        "engine.subscription_heartbeat_interval",
        Ignored("`http_streams.heartbeat_interval` is the like of it"),
    ),
    key("engine.debug", Ignored("see `/debug/state` on the admin listener")),
    // Clients and what they may do.
    key("playground", Ignored("a page at `/` comes with `dev_mode`")),
    key("introspection.enabled", Supported),
    key("introspection.secret", Refused("introspection would be open without the secret")),
    key("query_plans_enabled", Ignored("see `juga plan`")),
    key("cors", Ignored(NOT_YET)),
    key("client_header", Ignored(NOT_YET)),
    key("headers", Ignored(NOT_YET)),
    key("batching", Ignored(NOT_YET)),
    key("file_upload", Ignored(NOT_YET)),
    key("cache_control_policy", Ignored(NOT_YET)),
    key("cache_warmup", Ignored(NOT_YET)),
    key("compliance.anonymize_ip.enabled", Supported),
    key("compliance.anonymize_ip.method", Ignored("addresses are left out, not hashed")),
    key("tls.server", Supported),
    key("tls.client", Ignored("subgraphs are checked against the system's certificate authorities")),
    key("tls.client_grpc", Ignored("gRPC subgraphs are refused")),
    key("tls", Ignored(NOT_YET)),
    key("authentication.jwt.jwks", Refused("tokens would not be checked")),
    key("authentication.providers", Refused("tokens would not be checked")),
    key("authentication.ignore_introspection", Ignored(NOT_YET)),
    key("authentication", Ignored("nobody is asked who they are")),
    key("authorization.require_authentication", Refused("everybody would be let in")),
    key("authorization.reject_operation_if_unauthorized", Refused("nothing would be rejected")),
    key("authorization", Ignored("nobody is asked what they may")),
    key("rate_limit.enabled", Refused("clients would not be limited")),
    key("rate_limit", Ignored(NOT_YET)),
    key("persisted_operations.safelist.enabled", Refused("every operation would be executed")),
    key("persisted_operations", Ignored(NOT_YET)),
    key("automatic_persisted_queries", Ignored(NOT_YET)),
    key("security.block_mutations.enabled", Refused("mutations would be executed")),
    key("security.block_mutations", Ignored("it is not enabled")),
    key("security.block_subscriptions.enabled", Refused("subscriptions would be executed")),
    key("security.block_subscriptions", Ignored("it is not enabled")),
    key(
        "security.block_non_persisted_operations.enabled",
        Refused("operations that are not persisted would be executed"),
    ),
    key("security.block_non_persisted_operations", Ignored("it is not enabled")),
    key("security.block_persisted_operations.enabled", Refused("persisted operations would be executed")),
    key("security.block_persisted_operations", Ignored("it is not enabled")),
    key("security.complexity_limits", Ignored("`limits.operation` bounds depth, fields, aliases and more")),
    key("security.complexity_calculation_cache", Ignored("there is no such cache")),
    key("security.depth_limit", Ignored("`limits.operation.depth` is the like of it")),
    key("security.cost_control", Ignored("`limits.operation` bounds operations by size")),
    key("security.parser_limits", Ignored("`limits.operation.tokens` and `.selections` are the like of it")),
    key(
        "security.operation_name_length_limit",
        Ignored("`limits.operation.document_bytes` bounds names too"),
    ),
    key("security", Ignored(NOT_YET)),
    // Traffic.
    key("traffic_shaping.router.max_request_body_size", Supported),
    key("traffic_shaping.router.max_header_bytes", Ignored("the HTTP front bounds headers by itself")),
    key("traffic_shaping.router.decompression_enabled", Ignored(NOT_YET)),
    key("traffic_shaping.router.response_compression_min_size", Ignored(NOT_YET)),
    key("traffic_shaping", Ignored(NOT_YET)),
    key("subgraph_error_propagation", Ignored(NOT_YET)),
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

/// Whether a key of this version goes by a path, or lies below it.
pub fn is_declared(path: &str) -> bool {
    let below = format!("{path}.");
    keys::flatten(Config::KEYS).iter().any(|it| {
        let own = it.path.as_str();
        own == path || own == format!("{path}[]") || own.starts_with(&below)
    })
}

/// Judges a key that is not declared: `false` when Cosmo does not know it either.
pub(crate) fn judge(entry: &Entry, path: &str, findings: &mut Findings) -> bool {
    let plain = without_indices(path);
    let exact = COSMO_KEYS.iter().find(|it| it.path == plain);
    let leads_on = COSMO_KEYS.iter().any(|it| is_below(it.path, &plain));
    if let Value::Map(entries) = &entry.node.value
        && leads_on
    {
        for inner in entries {
            let path = format!("{path}.{}", inner.name);
            if !judge(inner, &path, findings) {
                unknown(inner, &path, &plain, findings);
            }
        }
        return true;
    }
    let row = exact.or_else(|| nearest(&plain));
    match row {
        None => false,
        Some(row) => {
            apply(row, entry, path, findings);
            true
        }
    }
}

/// The row of the nearest section around a path.
fn nearest(path: &str) -> Option<&'static CosmoKey> {
    let around = COSMO_KEYS.iter().filter(|it| it.fate != Supported && is_below(path, it.path));
    around.max_by_key(|it| it.path.len()).filter(|it| !is_declared(it.path))
}

fn is_below(path: &str, section: &str) -> bool {
    path.strip_prefix(section).is_some_and(|it| it.starts_with(['.', '[']))
}

fn apply(row: &CosmoKey, entry: &Entry, path: &str, findings: &mut Findings) {
    match row.fate {
        Supported => {}
        Ignored(why) => findings.note(format!("`{}` has no effect: {why}", row.path)),
        Refused(_) if is_off(&entry.node) => {
            findings.note(format!("`{}` has no effect: it is off", row.path))
        }
        Refused(what) => {
            findings
                .add(entry.origin.clone(), path, format!("this version does not have it, and {what}"))
                .help("remove the key only if something else protects the graph");
        }
    }
}

/// A key of a section that Cosmo has, but not with this key.
fn unknown(entry: &Entry, path: &str, section: &str, findings: &mut Findings) {
    let help = match suggestion(&entry.name, section) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "neither this version nor Cosmo has it".to_owned(),
    };
    findings.add(entry.origin.clone(), path, "unknown key").help(help);
}

/// Whether a value switches something off.
fn is_off(node: &Node) -> bool {
    match &node.value {
        Value::Scalar { text, .. } => {
            node.is_nothing() || text.is_empty() || matches!(text.to_lowercase().as_str(), "false" | "0")
        }
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.iter().all(|it| is_off(&it.node)),
        Value::Broken => false,
    }
}

/// Variables that Cosmo's router would take for a protection which is refused here. `environment` gives
/// the value of a variable.
pub(crate) fn judge_variables<'e>(environment: impl Fn(&str) -> Option<&'e str>, findings: &mut Findings) {
    use super::finding::Origin;
    for row in COSMO_KEYS {
        let Refused(what) = row.fate else { continue };
        if is_declared(row.path) {
            continue;
        }
        let own = row.path.replace('.', "_").to_uppercase();
        // Its section has no name of its own among Cosmo's variables.
        let short = row.path.strip_prefix("authorization.").map(str::to_uppercase);
        for name in [Some(own), short].into_iter().flatten() {
            let on = environment(&name).filter(|it| !matches!(it.to_lowercase().as_str(), "false" | "0"));
            if on.is_some() {
                let message = format!("this version does not have it, and {what}");
                findings
                    .add(Origin::Environment(name), row.path, message)
                    .help("unset the variable only if something else protects the graph");
            }
        }
    }
}

/// `a[0].b` as `a[].b`.
fn without_indices(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut within = false;
    for c in path.chars() {
        match c {
            '[' => within = true,
            ']' => within = false,
            _ if within => continue,
            _ => {}
        }
        out.push(c);
    }
    out
}

/// The nearest of Cosmo's names in a section, which is empty for the root.
pub(crate) fn suggestion(name: &str, section: &str) -> Option<&'static str> {
    let section = without_indices(section);
    let below = if section.is_empty() { section } else { format!("{section}.") };
    let names = COSMO_KEYS.iter().filter_map(|it| it.path.strip_prefix(&below));
    suggest::nearest(name, names.filter_map(|it| it.split(['.', '[']).next()))
}
