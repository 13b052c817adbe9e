//! Files that name graphs to compose, in the forms that people have them: a configuration of Juga's, and
//! the inputs of other composers with their list or map of subgraphs.

use super::{
    Config, Environment, Overrides, Report, UnreadableGraphs,
    expand::Outside,
    finding::{Findings, SourceFile},
    format::{FilePath, Format, Ignored, List, Maybe, RoutingUrl, Text, Toggle, Wait},
    graphs::{Reading, SubgraphInput, UnreadableGraph},
    keys::{
        Fallback::{Absent, Required, Section, Text as Is},
        settings,
    },
    reader::Reader,
    settings::SubgraphSchema,
    tree::{Entry, Node, Value},
};
use crate::federation::{EventGraphSource, Graphs, Limits};
use std::{path::PathBuf, slice, time::Duration};

/// A file that names graphs.
#[derive(Debug)]
pub enum GraphFile {
    Config(Box<Config>),
    List(Box<ComposeFile>),
}

settings! {
    /// A list of graphs to compose, as other composers take it.
    pub struct ComposeFile {
        /// Version of the file's format.
        version: Option<String> as Maybe<Text> = Absent("1");
        /// Version of the specification to compose for; the newest is.
        federation_version: Option<String> as Maybe<Text> = Absent("=2.9.0");
        /// The graphs, as a list or by name. Those without a URL that speak to brokers are event graphs.
        subgraphs: Vec<ComposeSubgraph> as List<ComposeSubgraph> = Absent("");
        /// Event graphs to add.
        event_graphs: Vec<PathBuf> as List<FilePath> = Absent("./events.graphqls");
        /// Other graphs to compose behind flags; they are left out.
        feature_flags: Option<()> as Maybe<Ignored> = Absent("");
        /// See `supergraph.lenient`.
        lenient: bool as Toggle = Is("false");
        /// See `supergraph.fetch_timeout`.
        fetch_timeout: Duration as Wait = Is("10s");
    }
    also {
        /// Remarks that are no errors.
        notes: Vec<String>;
    }
}

settings! {
    /// A graph to compose.
    pub struct ComposeSubgraph {
        /// Its name.
        name: String as Text = Required("deals");
        /// Where it is reached.
        routing_url: Option<String> as Maybe<RoutingUrl> = Absent("http://localhost:4001/graphql");
        /// Its schema.
        schema: SubgraphSchema as SubgraphSchema = Section;
        /// A server that is asked for its schema, as an alternative to `schema`.
        introspection: Option<ComposeIntrospection> as Maybe<ComposeIntrospection> = Absent("");
        /// How the graph's own subscriptions are reached; no part of the composed graph.
        subscription: Option<()> as Maybe<Ignored> = Absent("");
    }
}

settings! {
    /// A server that is asked for its schema.
    pub struct ComposeIntrospection {
        /// Its address.
        url: String as RoutingUrl = Required("http://localhost:4001/graphql");
        /// Headers for it; none are sent.
        headers: Option<()> as Maybe<Ignored> = Absent("");
    }
}

impl GraphFile {
    /// Reads a file in whichever form it has. Several files, and none, are a configuration's.
    pub fn load(files: &[PathBuf], environment: &Environment) -> Result<Self, Report> {
        match files {
            [name] => match load_list(&super::read_file(name, environment)?, environment)? {
                Some(list) => Ok(Self::List(Box::new(list))),
                None => Self::load_config(files, environment),
            },
            _ => Self::load_config(files, environment),
        }
    }

    fn load_config(files: &[PathBuf], environment: &Environment) -> Result<Self, Report> {
        let config = Config::load_files(files, environment, &Overrides::default())?;
        Ok(Self::Config(Box::new(config)))
    }

    /// Reads and fetches every text that makes the graph.
    pub fn graphs(&self) -> Result<Graphs, UnreadableGraphs> {
        match self {
            Self::Config(config) => config.graphs(),
            Self::List(list) => list.graphs(),
        }
    }

    /// Limits of operations, those of the configuration if it is one.
    pub fn limits(&self) -> Limits {
        match self {
            Self::Config(config) => config.operation_limits(),
            Self::List(_) => Limits::default(),
        }
    }

    /// Remarks that are no errors.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::Config(config) => config.notes.clone(),
            Self::List(list) => list.notes.clone(),
        }
    }
}

/// A file as a list of graphs; `None` when it is a configuration.
fn load_list(file: &SourceFile, environment: &Environment) -> Result<Option<ComposeFile>, Report> {
    let mut findings = Findings::default();
    let root = super::parse_one(file, 0, &mut findings);
    if root.as_ref().is_some_and(|it| is_configuration(it, environment)) {
        return Ok(None);
    }
    let files = slice::from_ref(file);
    let outside = Outside::new(environment, files, true);
    match root.and_then(|it| read_list(it, &outside, &mut findings)) {
        Some(list) if findings.is_empty() => Ok(Some(list)),
        _ => Err(findings.report(files)),
    }
}

fn is_configuration(root: &Node, environment: &Environment) -> bool {
    let has = |name: &str| root.entry(name).is_some();
    let names_graph = ["supergraph", "execution_config", "router_config_path"].into_iter().any(has);
    let is_list = ["subgraphs", "event_graphs"].into_iter().any(has);
    names_graph || !is_list && Config::is_graph_named(environment, &Overrides::default())
}

fn read_list(mut root: Node, outside: &Outside<'_>, findings: &mut Findings) -> Option<ComposeFile> {
    super::expand::expand(&mut root, outside, findings);
    name_items(&mut root);
    let mut list = ComposeFile::read(&root, &mut Reader::new(findings, outside, &root))?;
    list.notes = findings.take_notes();
    if list.feature_flags.is_some() {
        list.notes.push("`feature_flags`: graphs behind flags are not composed".to_owned());
    }
    for it in &list.subgraphs {
        if it.introspection.as_ref().is_some_and(|it| it.headers.is_some()) {
            list.notes.push(format!("`introspection.headers` of `{}`: none are sent", it.name));
        }
    }
    check(&list, &root, findings);
    Some(list)
}

/// Subgraphs by name become a list of subgraphs with names.
fn name_items(root: &mut Node) {
    let Value::Map(entries) = &mut root.value else { return };
    let Some(subgraphs) = entries.iter_mut().find(|it| it.name == "subgraphs") else { return };
    let Value::Map(by_name) = &mut subgraphs.node.value else { return };
    let items = std::mem::take(by_name).into_iter().map(|entry| {
        let name = Node::scalar(entry.name, entry.origin.clone());
        let mut node = entry.node;
        if let Value::Map(entries) = &mut node.value {
            entries.push(Entry { name: "name".to_owned(), origin: entry.origin, node: name });
        }
        node
    });
    subgraphs.node.value = Value::List(items.collect());
}

fn check(loaded: &ComposeFile, root: &Node, findings: &mut Findings) {
    let mut broken = |path: String, message: &str, help: &str| {
        findings.add(root.nearest_origin(&path), path, message).help(help);
    };
    if loaded.subgraphs.is_empty() && loaded.event_graphs.is_empty() {
        broken(
            "subgraphs".to_owned(),
            "there is nothing to compose",
            "give `subgraphs`, or a configuration with `supergraph`",
        );
    }
    for (index, it) in loaded.subgraphs.iter().enumerate() {
        let given = [it.schema.file.is_some(), it.schema.subgraph_url.is_some(), it.introspection.is_some()];
        let count = given.into_iter().filter(|it| *it).count();
        let message = if count == 0 { "there is no schema" } else { "the schema comes from one place" };
        if count != 1 {
            broken(
                format!("subgraphs[{index}]"),
                message,
                "give one of `schema.file` and `schema.subgraph_url`",
            );
        }
    }
}

impl ComposeFile {
    fn graphs(&self) -> Result<Graphs, UnreadableGraphs> {
        let mut reading = Reading::new(self.fetch_timeout);
        let schemas: Vec<SubgraphSchema> = self.subgraphs.iter().map(ComposeSubgraph::schema).collect();
        let inputs = self.subgraphs.iter().zip(&schemas).map(|(it, schema)| SubgraphInput {
            name: &it.name,
            routing_url: it.routing_url.as_deref(),
            schema,
        });
        let mut graphs = Graphs { lenient: self.lenient, ..Graphs::default() };
        for subgraph in reading.subgraphs(inputs) {
            if !subgraph.routing_url.is_empty() {
                graphs.subgraphs.push(subgraph);
            } else if ["@edfs__", "@feed__"].iter().any(|it| subgraph.sdl.contains(it)) {
                let (name, sdl, file) = (subgraph.name, subgraph.sdl, subgraph.file);
                graphs.event_graphs.push(EventGraphSource { name, sdl, file });
            } else {
                reading.complain(UnreadableGraph::NoRoutingUrl(subgraph.name));
            }
        }
        graphs.event_graphs.extend(reading.event_graphs(&self.event_graphs));
        reading.done(graphs)
    }
}

impl ComposeSubgraph {
    fn schema(&self) -> SubgraphSchema {
        let asked = self.introspection.as_ref().map(|it| it.url.clone());
        let subgraph_url = self.schema.subgraph_url.clone().or(asked);
        SubgraphSchema { file: self.schema.file.clone(), subgraph_url }
    }
}
