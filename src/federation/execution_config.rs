//! Reads Cosmo's execution config: the JSON that its tools compose subgraphs to, with their SDLs in it.
//!
//! It holds the subgraphs' SDLs as they were written, and of event graphs the facts alone. From those
//! `event_sdl` writes an event graph that goes the same way as one written by hand: there is one reader
//! for both.

mod event_sdl;
mod json;

use super::{
    directives::applied,
    errors::{LoadError, LoadErrors},
    events::unknown_directives,
    graphs::{Dialect, EventGraphSource, Graphs, SubgraphSource, SubscriptionSource, Travel},
    protection::unenforced,
    sdl,
};
use federation_composition::graphql_core::Document;
use json::{DataSource, ExecutionConfig, Subscription};
use std::path::Path;

impl Graphs {
    /// The graphs of an execution config, and those of its feature flags. `file` is for messages.
    pub fn from_execution_config(text: &str, file: Option<&Path>) -> Result<Self, LoadErrors> {
        let config: ExecutionConfig = serde_json::from_str(text).map_err(|error| {
            let mut found = in_file(problem(format!("this is no execution config: {error}")), file);
            (found.line, found.column) = (Some(error.line()), Some(error.column()));
            LoadErrors::from(found)
        })?;
        let mut errors = Vec::new();
        let mut graphs = read(&config, file, None, &mut errors);
        for (flag, config) in &config.feature_flag_configs.config_by_feature_flag_name {
            let flagged = read(config, file, Some(flag), &mut errors);
            graphs.feature_flags.insert(flag.clone(), flagged);
        }
        if errors.is_empty() { Ok(graphs) } else { Err(LoadErrors(errors)) }
    }
}

/// The graphs of one configuration, without flags.
fn read(
    config: &ExecutionConfig,
    file: Option<&Path>,
    flag: Option<&str>,
    errors: &mut Vec<LoadError>,
) -> Graphs {
    let mut reader = Reader { config, file, flag, errors };
    let Some(schema) = reader.schema() else { return Graphs::default() };
    let mut graphs = Graphs { protected: reader.protected(&schema), ..Graphs::default() };
    for source in &config.engine_config.datasource_configurations {
        match source.kind.as_str() {
            "GRAPHQL" => graphs.subgraphs.extend(reader.subgraph(source)),
            "PUBSUB" => graphs.event_graphs.extend(reader.event_graph(source, &schema)),
            kind => {
                let kind = if kind.is_empty() { "STATIC" } else { kind };
                reader.complain(source, format!("data sources of kind {kind} are not supported"));
            }
        }
    }
    graphs
}

struct Reader<'a> {
    config: &'a ExecutionConfig,
    file: Option<&'a Path>,
    flag: Option<&'a str>,
    errors: &'a mut Vec<LoadError>,
}

impl Reader<'_> {
    /// The composed schema, in which types of arguments and results are looked up.
    fn schema(&mut self) -> Option<Document> {
        match sdl::read(&self.config.engine_config.graphql_schema) {
            Ok(schema) => Some(schema),
            Err(message) => {
                let error = problem(format!("`engineConfig.graphqlSchema`: {message}"));
                self.errors.push(in_file(self.flagged(error), self.file));
                None
            }
        }
    }

    /// What of the composed schema is protected. Event graphs have no SDL of their own here, so what the schema says
    /// in directives that are not known would be lost.
    fn protected(&mut self, schema: &Document) -> Vec<String> {
        let directives = applied(schema, &self.config.engine_config.graphql_schema);
        for error in unknown_directives(&directives) {
            let at = error.coordinate.unwrap_or_default();
            let error = problem(format!("`engineConfig.graphqlSchema`: {at}: {}", error.message));
            self.errors.push(in_file(self.flagged(error), self.file));
        }
        let of_schema = unenforced(schema, &directives).into_iter().filter_map(|it| it.coordinate);
        let of_fields = self.config.engine_config.field_configurations.iter().filter(|it| it.is_protected());
        let mut all: Vec<String> = of_schema.collect();
        all.extend(of_fields.map(|it| format!("{}.{}", it.type_name, it.field_name)));
        all
    }

    fn subgraph(&mut self, source: &DataSource) -> Option<SubgraphSource> {
        let graphql = &source.custom_graphql;
        if let Some(grpc) = &graphql.grpc {
            let message = match grpc.plugin.as_ref().map(|it| &it.name) {
                Some(plugin) => {
                    format!("it is served by the router plugin \"{plugin}\", which is not supported")
                }
                None => "it is served by gRPC, which is not supported".to_owned(),
            };
            self.complain(source, message);
            return None;
        }
        let sdl = &graphql.federation.service_sdl;
        if sdl.is_empty() {
            self.complain(source, "`customGraphql.federation.serviceSdl` is missing".to_owned());
            return None;
        }
        let info = self.config.subgraphs.iter().find(|it| it.id == source.id);
        let fetch_url = &graphql.fetch.url.static_variable_content;
        let routing_url = if fetch_url.is_empty() { info.map(|it| &it.routing_url) } else { Some(fetch_url) };
        let Some(routing_url) = routing_url.filter(|it| !it.is_empty()) else {
            self.complain(source, "it has no routing URL".to_owned());
            return None;
        };
        Some(SubgraphSource {
            name: self.name(source),
            routing_url: routing_url.clone(),
            sdl: sdl.clone(),
            file: None,
            subscription: graphql.subscription.as_ref().map(|it| subscription(it, routing_url)),
        })
    }

    fn event_graph(&mut self, source: &DataSource, schema: &Document) -> Option<EventGraphSource> {
        match event_sdl::write(source, &self.config.engine_config.field_configurations, schema) {
            Ok(sdl) => Some(EventGraphSource { name: self.name(source), sdl, file: None }),
            Err(message) => {
                self.complain(source, message);
                None
            }
        }
    }

    fn name(&self, source: &DataSource) -> String {
        let info = self.config.subgraphs.iter().find(|it| it.id == source.id);
        info.map_or(&source.id, |it| &it.name).clone()
    }

    fn complain(&mut self, source: &DataSource, message: String) {
        let error = self.flagged(problem(message)).in_graph(&self.name(source), None);
        self.errors.push(in_file(error, self.file));
    }

    fn flagged(&self, mut error: LoadError) -> LoadError {
        if let Some(flag) = self.flag {
            error.message = format!("feature flag \"{flag}\": {}", error.message);
        }
        error
    }
}

/// Words that are not known stand for the usual way.
fn subscription(source: &Subscription, routing_url: &str) -> SubscriptionSource {
    let url = &source.url.static_variable_content;
    SubscriptionSource {
        url: (!url.is_empty() && url != routing_url).then(|| url.clone()),
        travel: match source.protocol.as_str() {
            "GRAPHQL_SUBSCRIPTION_PROTOCOL_SSE" => Travel::Sse,
            "GRAPHQL_SUBSCRIPTION_PROTOCOL_SSE_POST" => Travel::SsePost,
            _ => Travel::WebSocket,
        },
        dialect: match source.websocket_subprotocol.as_str() {
            "GRAPHQL_WEBSOCKET_SUBPROTOCOL_WS" => Dialect::GraphqlWs,
            "GRAPHQL_WEBSOCKET_SUBPROTOCOL_TRANSPORT_WS" => Dialect::GraphqlTransportWs,
            _ => Dialect::Auto,
        },
    }
}

fn problem(message: String) -> LoadError {
    LoadError::new("EXECUTION_CONFIG", message)
}

fn in_file(mut error: LoadError, file: Option<&Path>) -> LoadError {
    error.file = file.map(Path::to_owned);
    error
}
