//! A set of graphs, ready to answer what operations mean.

use super::{
    authorization::Authorization,
    compose::{Composed, compose},
    deferred::Entries,
    document::{self, Document},
    errors::{LoadError, LoadErrors},
    events::{self, Binding, EventGraph},
    graft::{Services, graft},
    graphs::Graphs,
    join::check_supported,
    limits::Limits,
    planner::Planner,
    protection::{unenforced_at, warning},
    public_schema::{public_schema, whole_schema},
    required::Requirements,
    sdl,
    types::{Types, input_types},
};
use crate::{
    graphql::{Error, InputTypes},
    language,
    plan::{OperationKind, ProviderId, ProviderKind, SubgraphId},
};
use federation_composition::graphql_core;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    sync::{Arc, OnceLock},
};

/// A subgraph that plans refer to by its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subgraph {
    pub name: Arc<str>,
    pub url: Arc<str>,
    /// What configuration calls it: its name, unless it stands behind a feature flag beside another.
    pub configured: Arc<str>,
}

/// A root field that a broker serves, for checks at start and for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventField {
    /// The event graph's name.
    pub graph: Arc<str>,
    pub root: OperationKind,
    pub field: Arc<str>,
    /// The directive's name without `@`.
    pub directive: &'static str,
    pub kind: ProviderKind,
    pub provider: ProviderId,
}

/// A composed, checked schema. Immutable; shared by every thread that prepares operations.
pub struct Schema {
    sdl: String,
    pub(super) planner: Planner,
    pub(super) entries: Entries,
    /// Plans what is put off. Made when it is first needed; `None` if it cannot be.
    pub(super) entry_planner: OnceLock<Option<Planner>>,
    subgraphs: Arc<[Subgraph]>,
    subgraph_ids: HashMap<Arc<str>, SubgraphId>,
    /// Graphs whose root fields are bound to brokers, by the name the planner knows them under.
    event_graphs: HashSet<String>,
    bindings: Bindings,
    event_fields: Vec<EventField>,
    pub(super) interface_objects: HashSet<String>,
    /// What clients see.
    pub(super) consumer: language::Schema,
    pub(super) consumer_types: Types,
    /// Hidden types too, for data on its way.
    supergraph_types: Types,
    input_types: InputTypes,
    authorization: Authorization,
    unenforced: Vec<LoadError>,
    /// Coordinates of fields that not every operation can have.
    pub(super) unsatisfiable: BTreeSet<String>,
    requirements: Requirements,
    notes: Vec<String>,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("subgraphs", &self.subgraphs)
            .field("event_fields", &self.event_fields.len())
            .finish_non_exhaustive()
    }
}

impl Schema {
    /// Reads, checks and composes the graphs. Reports everything that is wrong, as far as one fault does
    /// not hide another.
    pub fn load(graphs: &Graphs) -> Result<Self, LoadErrors> {
        check_sources(graphs)?;
        let events = read_event_graphs(graphs)?;
        let composed = match &graphs.supergraph {
            None => compose(&graphs.subgraphs, &events, graphs.lenient),
            Some(supergraph) => graft(supergraph, &events),
        };
        let loaded = composed.map_err(LoadErrors).and_then(|it| Self::from_supergraph(it, graphs, events));
        loaded.map_err(|mut errors| {
            let file = graphs.supergraph.as_ref().and_then(|it| it.file.as_ref());
            let nowhere = errors.0.iter_mut().filter(|it| it.graph.is_none() && it.file.is_none());
            nowhere.for_each(|it| it.file = file.cloned());
            errors
        })
    }

    fn from_supergraph(
        composed: Composed,
        graphs: &Graphs,
        events: Vec<EventGraph>,
    ) -> Result<Self, LoadErrors> {
        let supergraph = read_supergraph(&composed.sdl)?;
        let unsupported = check_supported(&supergraph);
        if !unsupported.is_empty() {
            return Err(LoadErrors(unsupported));
        }
        let planner = Planner::new(&supergraph)?;
        let consumer = public_schema(&supergraph)?;
        let input_types = input_types(&consumer);
        let consumer_types = Types::of(&consumer, &input_types);
        let supergraph_types = Types::of(&whole_schema(&supergraph)?, &input_types);
        let interface_objects = planner.interface_objects();
        let (bindings, event_fields) = bindings(&events, &composed.services);
        let event_graphs: HashSet<String> = bindings.keys().map(|(service, ..)| service.clone()).collect();
        let subgraphs = subgraphs(graphs, &planner, &event_graphs);
        let ids = subgraphs.iter().zip(0..).map(|(it, index)| (it.name.clone(), SubgraphId(index))).collect();
        let mut notes = composed.notes;
        let mut unenforced = composed.unenforced;
        for it in &graphs.protected {
            if !is_named(&unenforced, it) {
                unenforced.push(unenforced_at(it));
            }
        }
        notes.extend(warning(&unenforced));
        notes.extend(events.into_iter().flat_map(|it| it.notes));
        Ok(Self {
            sdl: composed.sdl,
            requirements: Requirements::of(&planner.supergraph),
            entries: Entries::of(&planner.supergraph),
            entry_planner: OnceLock::new(),
            planner,
            subgraphs: subgraphs.into(),
            subgraph_ids: ids,
            event_graphs,
            bindings,
            event_fields,
            interface_objects,
            consumer,
            consumer_types,
            supergraph_types,
            input_types,
            authorization: composed.authorization,
            unenforced,
            unsatisfiable: composed.unsatisfiable,
            notes,
        })
    }

    /// Refers to another list of subgraphs, that of several schemas; `ids` are its own within it.
    pub(super) fn use_subgraphs(&mut self, all: Arc<[Subgraph]>, ids: Option<HashMap<Arc<str>, SubgraphId>>) {
        self.subgraphs = all;
        if let Some(ids) = ids {
            self.subgraph_ids = ids;
        }
    }

    /// The subgraphs, by [`SubgraphId`]. Event graphs are not among them.
    pub fn subgraphs(&self) -> &[Subgraph] {
        &self.subgraphs
    }

    pub fn event_fields(&self) -> &[EventField] {
        &self.event_fields
    }

    pub fn supergraph_sdl(&self) -> &str {
        &self.sdl
    }

    pub fn input_types(&self) -> &InputTypes {
        &self.input_types
    }

    /// What the graphs ask of those who want to see things.
    pub fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// Where the graphs ask for protection that this version does not give. [`Schemas`](super::Schemas) refuses them.
    pub(super) fn unenforced(&self) -> &[LoadError] {
        &self.unenforced
    }

    /// What was changed or passed over while loading, a sentence each, for the log.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Reads a document and chooses its operation: limits, syntax, validation, in this order.
    pub fn parse(
        &self,
        text: &str,
        operation_name: Option<&str>,
        limits: &Limits,
    ) -> Result<Document, Vec<Error>> {
        document::read(&self.consumer, text, operation_name, limits, false)
    }

    /// As [`Schema::parse`], with errors that say what may have been meant. They tell of the schema.
    pub fn parse_suggesting(
        &self,
        text: &str,
        operation_name: Option<&str>,
        limits: &Limits,
    ) -> Result<Document, Vec<Error>> {
        document::read(&self.consumer, text, operation_name, limits, true)
    }

    pub(super) fn root_type(&self, kind: OperationKind) -> &str {
        self.planner.root_type(kind)
    }

    pub(super) fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    pub(super) fn supergraph_types(&self) -> &Types {
        &self.supergraph_types
    }

    /// Whether a broker serves this subscription field.
    pub(super) fn is_event_field(&self, name: &str) -> bool {
        self.event_fields.iter().any(|it| it.root == OperationKind::Subscription && *it.field == *name)
    }

    pub(super) fn is_event_graph(&self, name: &str) -> bool {
        self.event_graphs.contains(name)
    }

    pub(super) fn subgraph_id(&self, name: &str) -> Option<SubgraphId> {
        self.subgraph_ids.get(name).copied()
    }

    pub(super) fn binding(&self, graph: &str, root: OperationKind, field: &str) -> Option<&Binding> {
        self.bindings.get(&(graph.to_owned(), root, field.to_owned()))
    }
}

fn read_supergraph(sdl: &str) -> Result<graphql_core::Document, LoadErrors> {
    sdl::read(sdl).map_err(|message| LoadErrors::from(LoadError::new("SUPERGRAPH", message)))
}

fn is_named(places: &[LoadError], coordinate: &str) -> bool {
    places.iter().any(|it| it.coordinate.as_deref() == Some(coordinate))
}

fn check_sources(graphs: &Graphs) -> Result<(), LoadErrors> {
    let error = |message: &str| Err(LoadErrors::from(LoadError::new("GRAPHS", message)));
    if graphs.supergraph.is_some() && !graphs.subgraphs.is_empty() {
        return error("give either subgraphs or a supergraph, not both");
    }
    if graphs.supergraph.is_none() && graphs.subgraphs.is_empty() && graphs.event_graphs.is_empty() {
        return error("there is no graph to serve: give subgraphs, a supergraph or an event graph");
    }
    if graphs.subgraphs.len() > usize::from(u16::MAX) {
        return error("there are too many subgraphs");
    }
    let mut seen = HashSet::new();
    let names = graphs.subgraphs.iter().map(|it| (&it.name, &it.file));
    let names = names.chain(graphs.event_graphs.iter().map(|it| (&it.name, &it.file)));
    let mut errors = Vec::new();
    for (name, file) in names {
        if !seen.insert(name) {
            let error = LoadError::new("GRAPH_NAME", "another graph has the same name");
            errors.push(error.in_graph(name, file.as_ref()));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(LoadErrors(errors)) }
}

fn read_event_graphs(graphs: &Graphs) -> Result<Vec<EventGraph>, LoadErrors> {
    let hidden = events::hidden_types(graphs);
    let (mut read, mut errors) = (Vec::new(), Vec::new());
    for source in &graphs.event_graphs {
        match events::read(source, &hidden) {
            Ok(graph) => read.push(graph),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(read) } else { Err(LoadErrors(errors)) }
}

/// The subgraphs in the order they were given; of a finished supergraph by name.
fn subgraphs(graphs: &Graphs, planner: &Planner, events: &HashSet<String>) -> Vec<Subgraph> {
    let subgraph =
        |name: &str, url: &str| Subgraph { name: name.into(), url: url.into(), configured: name.into() };
    if graphs.supergraph.is_none() {
        return graphs.subgraphs.iter().map(|it| subgraph(&it.name, &it.routing_url)).collect();
    }
    let others = planner.graphs().filter(|(name, _)| !events.contains(*name));
    let mut found: Vec<Subgraph> = others.map(|(name, url)| subgraph(name, url)).collect();
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Event fields by the graph that the planner knows them under, root type and name.
type Bindings = HashMap<(String, OperationKind, String), Binding>;

fn bindings(events: &[EventGraph], services: &Services) -> (Bindings, Vec<EventField>) {
    let (mut bindings, mut fields) = (Bindings::new(), Vec::new());
    for event in events {
        for binding in &event.bindings {
            fields.push(event_field(binding));
            let own = (event.name.to_string(), binding.root, binding.field.to_string());
            let service = services.get(&own).cloned().unwrap_or_else(|| own.0.clone());
            bindings.insert((service, own.1, own.2), binding.clone());
        }
    }
    (bindings, fields)
}

fn event_field(binding: &Binding) -> EventField {
    EventField {
        graph: binding.graph.clone(),
        root: binding.root,
        field: binding.field.clone(),
        directive: binding.directive,
        kind: binding.kind,
        provider: binding.provider.clone(),
    }
}
