//! From where a configuration says the graphs are to their texts: files and downloads.
//!
//! The one part of configuration that waits for a network; it does so once, for all downloads together,
//! and for a bounded time.

use super::{Config, ExecutionConfigFile, Subgraph, SubgraphSchema, Supergraph};
use crate::{
    federation::{self, EventGraphSource, Graphs, LoadErrors, SubgraphSource},
    sources::subgraph::{Download, DownloadError, DownloadOptions, download_all},
};
use std::{fmt, fs, io, path::Path, time::Duration};

/// Texts of graphs that cannot be had. Never empty.
#[derive(Debug)]
pub struct UnreadableGraphs(pub Vec<UnreadableGraph>);

/// A text that the configuration names and that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableGraph {
    #[error("{file}: {cause}")]
    File { file: String, cause: io::Error },
    #[error("{what}: {url}: {cause}")]
    Download { what: String, url: String, cause: DownloadError },
    #[error("{0}")]
    ExecutionConfig(LoadErrors),
    #[error("subgraph \"{0}\" has no `routing_url`: where is it reached?")]
    NoRoutingUrl(String),
}

impl fmt::Display for UnreadableGraphs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, it) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(out, "{gap}{it}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnreadableGraphs {}

/// Where the graph comes from; exactly one of these is configured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GraphSource<'a> {
    File(&'a Path),
    Url(&'a str),
    /// At least one.
    Subgraphs(&'a [Subgraph]),
    ExecutionConfig(&'a ExecutionConfigFile),
}

impl Config {
    /// The one source that is configured.
    pub fn graph_source(&self) -> GraphSource<'_> {
        let graph = &self.supergraph;
        match (&graph.file, &graph.url, &self.execution_config.file.path) {
            (Some(file), ..) => GraphSource::File(file),
            (_, Some(url), _) => GraphSource::Url(url),
            (_, _, Some(_)) => GraphSource::ExecutionConfig(&self.execution_config.file),
            _ => GraphSource::Subgraphs(&graph.subgraphs),
        }
    }

    /// Reads and fetches every text that makes the graph.
    pub fn graphs(&self) -> Result<Graphs, UnreadableGraphs> {
        let supergraph: &Supergraph = &self.supergraph;
        let mut reading = Reading::new(supergraph.fetch_timeout);
        let mut graphs = match self.graph_source() {
            GraphSource::File(file) => reading.supergraph_file(file),
            GraphSource::Url(url) => reading.supergraph_url(url),
            GraphSource::ExecutionConfig(file) => reading.execution_config(file),
            GraphSource::Subgraphs(subgraphs) => {
                let inputs = subgraphs.iter().map(|it| SubgraphInput {
                    name: &it.name,
                    routing_url: Some(&it.routing_url),
                    schema: &it.schema,
                });
                Graphs { subgraphs: reading.subgraphs(inputs), ..Graphs::default() }
            }
        };
        graphs.event_graphs.extend(reading.event_graphs(&supergraph.event_graphs));
        graphs.lenient = supergraph.lenient;
        graphs.serve_unprotected = self.authorization.serve_unprotected;
        for flag in graphs.feature_flags.values_mut() {
            flag.event_graphs.extend(reading.event_graphs(&supergraph.event_graphs));
            flag.lenient = supergraph.lenient;
        }
        reading.done(graphs)
    }
}

/// A subgraph as any of the forms names it.
pub(super) struct SubgraphInput<'a> {
    pub(super) name: &'a str,
    /// Left out, it is where the SDL came from, or the graph is an event graph.
    pub(super) routing_url: Option<&'a str>,
    pub(super) schema: &'a SubgraphSchema,
}

/// Reads texts and gathers what could not be read.
pub(super) struct Reading {
    timeout: Duration,
    errors: Vec<UnreadableGraph>,
}

impl Reading {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, errors: Vec::new() }
    }

    pub(super) fn done(self, graphs: Graphs) -> Result<Graphs, UnreadableGraphs> {
        if self.errors.is_empty() { Ok(graphs) } else { Err(UnreadableGraphs(self.errors)) }
    }

    pub(super) fn complain(&mut self, error: UnreadableGraph) {
        self.errors.push(error);
    }

    fn supergraph_file(&mut self, file: &Path) -> Graphs {
        let sdl = self.read(file);
        let supergraph = federation::SupergraphSource { sdl, file: Some(file.to_owned()) };
        Graphs { supergraph: Some(supergraph), ..Graphs::default() }
    }

    fn supergraph_url(&mut self, url: &str) -> Graphs {
        let wanted = [("supergraph".to_owned(), Download::Text(url.to_owned()))];
        let sdl = self.download(&wanted).pop().unwrap_or_default();
        let supergraph = federation::SupergraphSource { sdl, file: None };
        Graphs { supergraph: Some(supergraph), ..Graphs::default() }
    }

    fn execution_config(&mut self, file: &ExecutionConfigFile) -> Graphs {
        let Some(path) = &file.path else { return Graphs::default() };
        let text = self.read(path);
        if !self.errors.is_empty() {
            return Graphs::default();
        }
        Graphs::from_execution_config(&text, Some(path)).unwrap_or_else(|errors| {
            self.complain(UnreadableGraph::ExecutionConfig(errors));
            Graphs::default()
        })
    }

    /// Subgraphs in their order; those without a file are asked for their SDL.
    pub(super) fn subgraphs<'a>(
        &mut self,
        inputs: impl Iterator<Item = SubgraphInput<'a>>,
    ) -> Vec<SubgraphSource> {
        let (mut subgraphs, mut wanted, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for input in inputs {
            let url = input.schema.subgraph_url.as_deref();
            let routing_url = input.routing_url.or(url).unwrap_or_default().to_owned();
            let (name, file) = (input.name.to_owned(), input.schema.file.clone());
            let sdl = file.as_deref().map(|it| self.read(it)).unwrap_or_default();
            if let (None, Some(url)) = (&file, url) {
                missing.push(subgraphs.len());
                wanted.push((format!("subgraph \"{name}\""), Download::Service(url.to_owned())));
            }
            subgraphs.push(SubgraphSource { name, routing_url, sdl, file, subscription: None });
        }
        for (index, sdl) in missing.into_iter().zip(self.download(&wanted)) {
            subgraphs[index].sdl = sdl;
        }
        subgraphs
    }

    pub(super) fn event_graphs(&mut self, files: &[std::path::PathBuf]) -> Vec<EventGraphSource> {
        let name = |it: &Path| it.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let source = |file: &std::path::PathBuf| EventGraphSource {
            name: name(file),
            sdl: self.read(file),
            file: Some(file.clone()),
        };
        files.iter().map(source).collect()
    }

    /// A file's text; empty when there is none, and an error says so.
    fn read(&mut self, file: &Path) -> String {
        fs::read_to_string(file).unwrap_or_else(|cause| {
            self.complain(UnreadableGraph::File { file: file.display().to_string(), cause });
            String::new()
        })
    }

    fn download(&mut self, wanted: &[(String, Download)]) -> Vec<String> {
        let downloads: Vec<Download> = wanted.iter().map(|(_, it)| it.clone()).collect();
        let options = DownloadOptions { timeout: self.timeout, ..DownloadOptions::default() };
        let results = download_all(&downloads, &options).into_iter().zip(wanted);
        let text = |(result, (what, download)): (Result<String, DownloadError>, &(String, Download))| {
            result.unwrap_or_else(|cause| {
                let (what, url) = (what.clone(), without_credentials(download.url()));
                self.complain(UnreadableGraph::Download { what, url, cause });
                String::new()
            })
        };
        results.map(text).collect()
    }
}

/// A URL for messages.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.split('?').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}
