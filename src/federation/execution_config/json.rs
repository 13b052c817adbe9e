//! The parts of an execution config that are read; what else it holds is for another router's planner.
//!
//! Members that have their type's zero value are left out when it is written, so everything has a default.

use serde::{Deserialize, de::IgnoredAny};
use std::collections::BTreeMap;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ExecutionConfig {
    pub(super) engine_config: EngineConfig,
    pub(super) subgraphs: Vec<SubgraphInfo>,
    pub(super) feature_flag_configs: FeatureFlagConfigs,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FeatureFlagConfigs {
    pub(super) config_by_feature_flag_name: BTreeMap<String, ExecutionConfig>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SubgraphInfo {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) routing_url: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EngineConfig {
    pub(super) datasource_configurations: Vec<DataSource>,
    pub(super) field_configurations: Vec<FieldConfiguration>,
    pub(super) graphql_schema: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DataSource {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) root_nodes: Vec<TypeNode>,
    pub(super) child_nodes: Vec<TypeNode>,
    pub(super) keys: Vec<Key>,
    pub(super) custom_graphql: CustomGraphql,
    pub(super) custom_events: CustomEvents,
}

/// A type and those of its fields that a data source has.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TypeNode {
    pub(super) type_name: String,
    pub(super) field_names: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Key {
    pub(super) type_name: String,
    pub(super) selection_set: String,
    /// What SDL calls `resolvable: false`.
    pub(super) disable_entity_resolver: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CustomGraphql {
    pub(super) fetch: Fetch,
    pub(super) subscription: Option<Subscription>,
    pub(super) federation: Federation,
    pub(super) grpc: Option<Grpc>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Fetch {
    pub(super) url: Variable,
}

/// How the subgraph's own subscriptions are reached.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Subscription {
    pub(super) url: Variable,
    /// Absent for `…_WS`.
    pub(super) protocol: String,
    /// Absent for `…_AUTO`.
    pub(super) websocket_subprotocol: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Variable {
    pub(super) static_variable_content: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Federation {
    pub(super) service_sdl: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Grpc {
    pub(super) plugin: Option<Plugin>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Plugin {
    pub(super) name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CustomEvents {
    pub(super) nats: Vec<BrokerEvent>,
    pub(super) kafka: Vec<BrokerEvent>,
    pub(super) redis: Vec<BrokerEvent>,
}

/// A root field and its broker; which of the destinations there are follows from the broker.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct BrokerEvent {
    pub(super) engine_event_configuration: EventConfiguration,
    pub(super) subjects: Vec<String>,
    pub(super) topics: Vec<String>,
    pub(super) channels: Vec<String>,
    pub(super) stream_configuration: Option<StreamConfiguration>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EventConfiguration {
    pub(super) provider_id: String,
    /// Absent for `PUBLISH`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) type_name: String,
    pub(super) field_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct StreamConfiguration {
    pub(super) consumer_name: String,
    pub(super) stream_name: String,
    pub(super) consumer_inactive_threshold: i64,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FieldConfiguration {
    pub(super) type_name: String,
    pub(super) field_name: String,
    pub(super) subscription_filter_condition: Option<Condition>,
    pub(super) authorization_configuration: Option<AuthorizationConfiguration>,
}

impl FieldConfiguration {
    pub(super) fn is_protected(&self) -> bool {
        self.authorization_configuration.as_ref().is_some_and(|it| {
            it.requires_authentication
                || !it.required_or_scopes.is_empty()
                || !it.required_or_scopes_by_or.is_empty()
        })
    }
}

/// Who may see a field.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct AuthorizationConfiguration {
    pub(super) requires_authentication: bool,
    pub(super) required_or_scopes: Vec<IgnoredAny>,
    pub(super) required_or_scopes_by_or: Vec<IgnoredAny>,
}

/// Exactly one of the four.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Condition {
    pub(super) and: Vec<Self>,
    pub(super) or: Vec<Self>,
    pub(super) not: Option<Box<Self>>,
    #[serde(rename = "in")]
    pub(super) is_in: Option<FieldCondition>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct FieldCondition {
    pub(super) field_path: Vec<String>,
    /// A JSON list.
    pub(super) json: String,
}
