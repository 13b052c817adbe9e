//! A set of graphs, ready to answer what operations mean.

use super::{
    authorization::Authorization,
    canonical::{Context, planner_document},
    compile::{Compiler, several},
    compose::{Composed, compose},
    cut::cut,
    deferred::{Entries, Entry},
    document::{self, Document},
    errors::{LIMIT_EXCEEDED, LoadError, LoadErrors, PLANNING_FAILED},
    events::{self, Action, Binding, EventGraph},
    graft::{Services, graft},
    graphs::{EventGraphSource, Graphs},
    introspection::{answer, public_schema},
    join::check_supported,
    limits::Limits,
    literals::ObjectsOfObjectTypes,
    planner::{Plan, Planner, TIMED_OUT},
    projection::{TooLarge, project},
    required::Requirements,
    selection::{Field, inline, root_fields},
    types::{Types, input_types},
};
use crate::{
    graphql::{Error, InputTypes, Variables},
    plan::{FeedField, Operation, OperationKind, Projection, ProviderId, ProviderKind, Step, SubgraphId},
};
use graphql_tools::{
    static_graphql::{query::VariableDefinition, schema},
    validation::{rules::default_rules_validation_plan, validate::ValidationPlan},
};
use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::DefaultHasher},
    fmt,
    hash::{Hash, Hasher},
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
    /// Whether it reads a JetStream stream (`streamConfiguration`).
    pub has_stream: bool,
}

/// A composed, checked schema. Immutable; shared by every thread that prepares operations.
pub struct Schema {
    sdl: String,
    planner: Planner,
    entries: Entries,
    /// Plans what is put off. Made when it is first needed; `None` if it cannot be.
    entry_planner: OnceLock<Option<Planner>>,
    rules: ValidationPlan,
    subgraphs: Arc<[Subgraph]>,
    subgraph_ids: HashMap<Arc<str>, SubgraphId>,
    /// Graphs whose root fields are bound to brokers, by the name the planner knows them under.
    event_graphs: HashSet<String>,
    bindings: Bindings,
    event_fields: Vec<EventField>,
    interface_objects: HashSet<String>,
    /// What clients see.
    consumer: schema::Document,
    consumer_types: Types,
    /// Hidden types too, for data on its way.
    supergraph_types: Types,
    input_types: InputTypes,
    authorization: Authorization,
    /// Coordinates of fields that not every operation can have.
    unsatisfiable: BTreeSet<String>,
    requirements: Requirements,
    notes: Vec<String>,
}

/// Said once at the start, as long as nothing enforces what is asked.
const UNENFORCED: &str =
    "the graphs use @authenticated, @requiresScopes or @policy, which this version does not enforce";

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
        let events = read_event_graphs(&graphs.event_graphs)?;
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
        let unsupported = check_supported(&composed.sdl);
        if !unsupported.is_empty() {
            return Err(LoadErrors(unsupported));
        }
        let planner = Planner::new(&composed.sdl)?;
        let consumer = public_schema(planner.consumer_schema());
        let input_types = input_types(&consumer);
        let consumer_types = Types::of(&consumer, &input_types);
        let supergraph_types = Types::of(&planner.supergraph, &input_types);
        let interface_objects = planner.interface_objects();
        let (bindings, event_fields) = bindings(&events, &composed.services);
        let event_graphs: HashSet<String> = bindings.keys().map(|(service, ..)| service.clone()).collect();
        let subgraphs = subgraphs(graphs, &planner, &event_graphs);
        let ids = subgraphs.iter().zip(0..).map(|(it, index)| (it.name.clone(), SubgraphId(index))).collect();
        let mut notes = composed.notes;
        if !composed.authorization.is_empty() {
            notes.push(UNENFORCED.to_owned());
        }
        notes.extend(events.into_iter().flat_map(|it| it.notes));
        Ok(Self {
            sdl: composed.sdl,
            requirements: Requirements::of(&planner.supergraph),
            entries: Entries::of(&planner.supergraph),
            entry_planner: OnceLock::new(),
            planner,
            rules: rules(),
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
        document::read(&self.consumer, &self.rules, text, operation_name, limits)
    }

    /// Plans an operation for the values of its [specializing](Document::specializing) variables; other
    /// variables are not looked at.
    pub fn plan(&self, document: &Document, variables: &Variables) -> Result<Operation, Vec<Error>> {
        self.plan_operation(document, variables).map_err(|it| vec![it])
    }

    fn plan_operation(&self, document: &Document, variables: &Variables) -> Result<Operation, Error> {
        let kind = document.operation.kind;
        let selections = inline(&document.operation.selection_set, &document.fragments, variables);
        let mut fields = root_fields(selections);
        if kind == OperationKind::Subscription {
            // There is one at most, so its name will do, however its arguments are spelt.
            fields.iter_mut().for_each(|it| it.key = it.name.as_str().into());
        }
        let mut projection = self.projection(document, &fields)?;
        let about_schema: Vec<&Field> =
            fields.iter().filter(|it| it.name == "__schema" || it.name == "__type").collect();
        let constants = answer(&self.consumer, &self.consumer_types, &about_schema, variables)?;
        let planned = match self.steps(document, kind, &fields) {
            Err(_) if self.cut(document, &mut fields) => {
                projection = self.projection(document, &fields)?;
                self.steps(document, kind, &fields)
            }
            planned => planned,
        }?;
        Ok(Operation {
            kind,
            name: document.operation.name.clone(),
            canonical: canonical(planned.canonical, constants.as_deref()),
            constants,
            steps: planned.steps,
            projection,
            feed: planned.feed,
            variables_used: planned.variables_used,
            subgraphs: planned.subgraphs,
        })
    }

    fn projection(&self, document: &Document, fields: &[Field]) -> Result<Projection, Error> {
        let kind = document.operation.kind;
        let budget = document.selections_max.saturating_mul(4);
        project(&self.consumer_types, kind, self.root_type(kind), fields, budget).map_err(|TooLarge| {
            Error::new("The operation is too large once its fragments are applied to every type.")
                .with_code(LIMIT_EXCEEDED)
        })
    }

    /// Marks the fields that no plan leads to, where the graph is known to have such.
    fn cut(&self, document: &Document, fields: &mut [Field]) -> bool {
        let kind = document.operation.kind;
        !self.unsatisfiable.is_empty()
            && cut(&self.consumer_types, self.root_type(kind), &self.unsatisfiable, fields, |fields| {
                self.steps(document, kind, fields).is_ok()
            })
    }

    /// Plans the fields that are data: those about the schema are answered already.
    fn steps(&self, document: &Document, kind: OperationKind, fields: &[Field]) -> Result<Planned, Error> {
        let fields: Vec<&Field> =
            fields.iter().filter(|it| !it.name.starts_with("__") && !it.unreachable).collect();
        let fields = &fields[..];
        let mut compiler = Compiler::new(self, kind, fields);
        let (mut steps, mut canonical, mut fetches) = (Vec::new(), String::new(), DefaultHasher::new());
        let context = Context {
            types: &self.consumer_types,
            interface_objects: &self.interface_objects,
            root_type: self.root_type(kind),
            is_event: kind == OperationKind::Subscription
                && fields.iter().any(|it| self.is_event_field(&it.name)),
        };
        // One plan for each root field of a mutation: it is done, entity fetches and all, before the next.
        let plans: Vec<&[&Field]> = match kind {
            OperationKind::Mutation => fields.chunks(1).collect(),
            _ if fields.is_empty() => Vec::new(),
            _ => vec![fields],
        };
        for fields in plans {
            let variables = &document.operation.variables;
            let parts = match self.planner.plan(&planner_document(&context, kind, fields, variables)) {
                Ok(planned) => vec![(planned, None)],
                Err(reason) if reason.contains(TIMED_OUT) => return Err(planning_error(&reason)),
                Err(reason) => self
                    .plan_in_parts(&context, kind, fields, variables)
                    .ok_or_else(|| planning_error(&reason))?,
            };
            for ((mut normalized, plan), entry) in parts {
                normalized.operation.name = None;
                canonical.push_str(&normalized.operation.to_string());
                compiler.entry = entry;
                if let Some(node) = &plan.node {
                    steps.extend(compiler.compile(node).map_err(|it| planning_error(&it))?);
                }
            }
        }
        format!("{steps:?}").hash(&mut fetches);
        match &mut compiler.feed {
            Some(FeedField::Event(feed)) => {
                // Its arguments show in what they render to.
                let arguments = std::mem::take(&mut feed.arguments);
                format!("{feed:?}").hash(&mut fetches);
                feed.arguments = arguments;
            }
            Some(FeedField::Upstream(feed)) => format!("{feed:?}").hash(&mut fetches),
            None => {}
        }
        for id in &compiler.subgraphs {
            self.subgraphs[usize::from(id.0)].url.hash(&mut fetches);
        }
        // Under another schema the same operation may be fetched in another way.
        canonical.push_str(&format!("\n# {:016x}", fetches.finish()));
        Ok(Planned {
            canonical,
            steps: several(steps, Step::Sequence),
            feed: compiler.feed,
            variables_used: compiler.variables.into_iter().collect(),
            subgraphs: compiler.subgraphs.into_iter().collect(),
        })
    }

    /// Plans what the planner cannot plan as a whole: see [`super::deferred`].
    fn plan_in_parts(
        &self,
        context: &Context<'_>,
        kind: OperationKind,
        fields: &[&Field],
        variables: &[VariableDefinition],
    ) -> Option<Vec<(Plan, Option<Entry>)>> {
        let (types, root_type) = (&self.supergraph_types, context.root_type);
        let key_of = |it: &Field| match kind {
            OperationKind::Mutation => it.response_key.clone(),
            _ => it.key.clone(),
        };
        let fields: Vec<Field> = fields.iter().map(|it| (*it).clone()).collect();
        let (rest, deferred) = self.entries.defer(types, &self.requirements, root_type, &fields, &key_of)?;
        let rest: Vec<&Field> = rest.iter().collect();
        let mut parts =
            vec![(self.planner.plan(&planner_document(context, kind, &rest, variables)).ok()?, None)];
        let open = || {
            let query = self.root_type(OperationKind::Query);
            Planner::of(self.entries.open(&self.planner.supergraph, query)).ok()
        };
        let planner = self.entry_planner.get_or_init(open).as_ref()?;
        for it in deferred {
            let root = it.root();
            let operation = planner_document(context, OperationKind::Query, &[&root], variables);
            parts.push((planner.plan(&operation).ok()?, Some(it.entry)));
        }
        Some(parts)
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
    fn is_event_field(&self, name: &str) -> bool {
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

fn rules() -> ValidationPlan {
    let mut rules = default_rules_validation_plan();
    rules.add_rule(Box::new(ObjectsOfObjectTypes));
    rules
}

/// The fetching side of a planned operation.
struct Planned {
    canonical: String,
    steps: Option<Step>,
    feed: Option<FeedField>,
    variables_used: Vec<Arc<str>>,
    subgraphs: Vec<SubgraphId>,
}

/// Operations whose constants differ are not the same.
fn canonical(mut text: String, constants: Option<&[u8]>) -> Arc<str> {
    if let Some(constants) = constants {
        let mut hasher = DefaultHasher::new();
        constants.hash(&mut hasher);
        text.push_str(&format!("\n# constants {:016x}", hasher.finish()));
    }
    text.into()
}

fn planning_error(reason: &str) -> Error {
    Error::new(format!("No plan was found for this operation: {reason}.")).with_code(PLANNING_FAILED)
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

fn read_event_graphs(sources: &[EventGraphSource]) -> Result<Vec<EventGraph>, LoadErrors> {
    let (mut graphs, mut errors) = (Vec::new(), Vec::new());
    for source in sources {
        match events::read(source) {
            Ok(graph) => graphs.push(graph),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(graphs) } else { Err(LoadErrors(errors)) }
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
        has_stream: matches!(&binding.action, Action::Subscribe { stream: Some(_), .. }),
    }
}
