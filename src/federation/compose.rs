//! Subgraphs and event graphs in, one supergraph SDL out.

use super::{
    authorization::{Authorization, without_refused},
    dialect::adapt,
    directives::applied,
    errors::LoadError,
    events::{EventGraph, FILTER, check_elsewhere, is_event_directive, lower_link},
    graft::Services,
    graphs::SubgraphSource,
    interface_objects::with_externals,
    links::refused,
    origins::{Origins, syntax_error},
    protection::{of_graph, unenforced},
    sdl::Sdl,
};
use federation_composition::{
    __internal::{compose::compose_services, subgraph::validation::validate_subgraph::InternalOptions},
    CompositionResult, ServiceDefinition,
    graphql_core::{
        Argument, Definition, Directive, Document, EditAction, EditResult, EditVisitor, Node, NodeRef,
        OperationType, Value, VisitInfo, parse, print, visit_edit,
    },
};
use std::{
    collections::{BTreeSet, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// A root field for graphs without a query of their own, since every schema needs one.
const QUERY_STUB: &str =
    r#"type Query { "Stands in for queries, of which there are none. Always null." noQueries: Boolean }"#;

/// A supergraph and what was changed on the way to it.
pub(super) struct Composed {
    pub(super) sdl: String,
    pub(super) notes: Vec<String>,
    /// Event fields that are not found under their own graph's name.
    pub(super) services: Services,
    pub(super) authorization: Authorization,
    /// Coordinates of fields that some operation asks for in vain; empty unless composed leniently.
    pub(super) unsatisfiable: BTreeSet<String>,
    /// Where the graphs ask for protection that is not given.
    pub(super) unenforced: Vec<LoadError>,
}

/// Composes all graphs into one.
pub(super) fn compose(
    subgraphs: &[SubgraphSource],
    events: &[EventGraph],
    lenient: bool,
) -> Result<Composed, Vec<LoadError>> {
    let mut origins = Origins::default();
    subgraphs.iter().for_each(|it| origins.add(&it.name, it.file.as_ref(), &it.sdl));
    events.iter().for_each(|it| origins.add(&it.name, it.file.as_ref(), &it.sdl));
    let (documents, mut unenforced) = read(subgraphs, &origins)?;
    unenforced.extend(events.iter().flat_map(|it| it.unenforced.clone()));
    let authorization = authorization(&documents, events);
    let (services, mut notes) = services(subgraphs, documents, events);
    let mut unsatisfiable = BTreeSet::new();
    let composed = match compose_with(&services, &[]) {
        Err(errors) if lenient && errors.iter().all(Failure::is_satisfiability) => {
            for error in &errors {
                notes.push(error.as_note());
                unsatisfiable.extend(error.coordinates());
            }
            compose_with(&services, &[SATISFIABILITY_RULE])
        }
        other => other,
    };
    let sdl = composed.map_err(|errors| errors.iter().map(|it| it.located(&origins)).collect::<Vec<_>>())?;
    let sdl = with_externals(sdl, &services);
    Ok(Composed { sdl, notes, services: Services::new(), authorization, unsatisfiable, unenforced })
}

/// The subgraphs' documents, unless one of them is nothing to serve, and where they ask for protection.
fn read(
    subgraphs: &[SubgraphSource],
    origins: &Origins<'_>,
) -> Result<(Vec<Document>, Vec<LoadError>), Vec<LoadError>> {
    let (mut documents, mut errors) = (Vec::with_capacity(subgraphs.len()), Vec::new());
    let mut unprotected = Vec::new();
    for source in subgraphs {
        match parse(&source.sdl) {
            Ok(document) => {
                let directives = applied(&document, &source.sdl);
                let of_this = |errors| of_graph(errors, &source.name, source.file.as_ref());
                errors.extend(of_this(check_elsewhere(&directives)));
                unprotected.extend(of_this(unenforced(&document, &directives)));
                errors.extend(misplaced_event_fields(source, &document, origins));
                errors.extend(misplaced_filters(source, &document, origins));
                errors.extend(refused(&source.name, &document, origins));
                documents.push(document);
            }
            Err(error) => {
                errors.push(syntax_error(&source.name, source.file.as_ref(), &source.sdl, &error.message));
            }
        }
    }
    if errors.is_empty() { Ok((documents, unprotected)) } else { Err(errors) }
}

/// What all graphs ask of those who want to see things.
fn authorization(documents: &[Document], events: &[EventGraph]) -> Authorization {
    let mut authorization = Authorization::default();
    let all: Vec<&Document> = documents.iter().chain(events.iter().map(|it| &it.document)).collect();
    all.iter().for_each(|it| authorization.read(it));
    authorization.spread(&all);
    authorization
}

/// The graphs as the composer takes them, and what was changed for it.
fn services(
    subgraphs: &[SubgraphSource],
    documents: Vec<Document>,
    events: &[EventGraph],
) -> (Vec<ServiceDefinition>, Vec<String>) {
    let (mut services, mut notes) = (Vec::new(), Vec::new());
    for (source, mut document) in subgraphs.iter().zip(documents) {
        notes.extend(adapt(&source.name, &mut document));
        notes.extend(lower_link(&source.name, &mut document));
        notes.extend(drop_refused_requirements(&source.name, &mut document));
        let document = without_null_arguments(document);
        services.push(ServiceDefinition::new(&source.name, document).with_url(&source.routing_url));
    }
    for event in events {
        let mut document = event.document.clone();
        notes.extend(drop_refused_requirements(&event.name, &mut document));
        services.push(ServiceDefinition::new(&*event.name, document).with_url(""));
    }
    if !events.is_empty() && !has_query(&services) {
        let stub = parse(QUERY_STUB).expect("our own SDL parses");
        let event_graph = services.last_mut().expect("there is an event graph");
        event_graph.type_defs.definitions.extend(stub.definitions);
    }
    (services, notes)
}

fn drop_refused_requirements(graph: &str, document: &mut Document) -> Option<String> {
    let taken = without_refused(document);
    (!taken.is_empty()).then(|| {
        let places = taken.join(", ");
        format!(
            "graph \"{graph}\": what {places} asks of clients holds for everything that implements it, \
             but is not part of the supergraph's text"
        )
    })
}

/// The composer's name for its check that every field can be reached.
const SATISFIABILITY_RULE: &str = "SatisfiabilityRule";

/// An error of the composer.
struct Failure {
    code: Option<String>,
    message: String,
}

impl Failure {
    fn is_satisfiability(&self) -> bool {
        self.code.as_deref() == Some("SATISFIABILITY_ERROR")
    }

    fn located(&self, origins: &Origins<'_>) -> LoadError {
        let mut error = origins.composer_error(self.code.as_deref(), &self.message);
        if self.is_satisfiability() {
            if let Some(at) = self.coordinates().find(|it| is_of_root(it)) {
                error.message.push_str(&format!(
                    " ({at} is asked for below a field that leads back to a root type, which is not supported yet \
                     where several graphs have fields of it)"
                ));
            }
            error.message.push_str(" (`supergraph.lenient: true` serves the graph all the same)");
        }
        error
    }

    /// What can be reached by no plan: the fields that the reasons name.
    fn coordinates(&self) -> impl Iterator<Item = String> {
        let reasons = self.message.split_once("because:").map_or("", |(_, reasons)| reasons);
        let quoted = reasons.split('"').skip(1).step_by(2).filter(|it| it.contains('.'));
        quoted.filter(|it| it.split('.').all(is_name)).map(str::to_owned)
    }

    /// The query and the first reason; the others say the same of other graphs.
    fn as_note(&self) -> String {
        let between = |from: &str, to: &str| {
            let (_, rest) = self.message.split_once(from)?;
            let part = rest.split(to).next()?;
            Some(part.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let query = between("query:", "cannot be satisfied").unwrap_or_default();
        let reason = between("because:", ".\n").unwrap_or_default();
        let reason = reason.trim_matches(['-', ' ', '.']);
        format!("{query} is out of reach ({reason}): what cannot be fetched answers null with an error")
    }
}

/// Whether a field is one of a root type, as the composer calls those. At the root itself each is in reach.
fn is_of_root(coordinate: &str) -> bool {
    ["Query.", "Mutation.", "Subscription."].iter().any(|it| coordinate.starts_with(it))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
}

/// Runs the composer without some of its rules. (Which rules there are is no part of its public API.)
fn compose_with(services: &[ServiceDefinition], without: &[&str]) -> Result<String, Vec<Failure>> {
    let off = without.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let options = InternalOptions { disable_validation_rules: (!off.is_empty()).then_some(off) };
    let composed = catch_unwind(AssertUnwindSafe(|| compose_services(services, Some(&options))));
    let failure = |code: Option<&str>, message: String| Failure { code: code.map(str::to_owned), message };
    match composed {
        Err(_) => {
            let message = "the composer could not cope with these graphs".to_owned();
            Err(vec![failure(Some("COMPOSER_PANIC"), message)])
        }
        Ok(Ok(CompositionResult::Success(it))) => Ok(it.supergraph_sdl().to_owned()),
        Ok(Ok(CompositionResult::Failure(it))) => {
            Err(it.errors().iter().map(|it| failure(it.code(), it.message.clone())).collect())
        }
        Ok(Err(error)) => Err(vec![failure(None, error.message().to_owned())]),
    }
}

/// Without this an event graph among the subgraphs could compose, and its fields would be asked of a
/// server that is not there.
fn misplaced_event_fields(
    source: &SubgraphSource,
    document: &Document,
    origins: &Origins<'_>,
) -> Option<LoadError> {
    let sdl = Sdl::of(document);
    sdl.objects.iter().chain(&sdl.interfaces).find_map(|object| {
        let field = object
            .fields
            .iter()
            .find(|it| it.directives.iter().any(|it| is_event_directive(&it.name.value)))?;
        let message = "the field belongs to a broker: list this graph among the event graphs";
        let at = format!("{}.{}", object.name, field.name.value);
        Some(origins.error(&source.name, "EVENT_GRAPH_AS_SUBGRAPH", &at, message))
    })
}

/// Nothing filters what a subgraph sends, and whoever wrote the filter relies on it. In an event graph among
/// the subgraphs that is not what is wrong.
fn misplaced_filters(
    source: &SubgraphSource,
    document: &Document,
    origins: &Origins<'_>,
) -> Option<LoadError> {
    let sdl = Sdl::of(document);
    sdl.objects.iter().chain(&sdl.interfaces).find_map(|owner| {
        let field = owner.fields.iter().find(|it| {
            let mut names = it.directives.iter().map(|it| it.name.value.as_str());
            names.clone().any(|it| it == FILTER) && !names.any(is_event_directive)
        })?;
        let message = "filters belong on fields of event graphs: what a subgraph sends is not filtered";
        let at = format!("{}.{}", owner.name, field.name.value);
        Some(origins.error(&source.name, "EDFS_FILTER_LOCATION", &at, message))
    })
}

fn has_query(services: &[ServiceDefinition]) -> bool {
    services.iter().any(|it| {
        let sdl = Sdl::of(&it.type_defs);
        sdl.root(OperationType::Query).is_some_and(|it| !it.fields.is_empty())
    })
}

/// Takes off uses of a graph's own directives that have a null argument: the composer takes null for an
/// error, and the directives would not reach the supergraph anyway.
fn without_null_arguments(document: Document) -> Document {
    struct Edit(HashSet<String>);
    impl EditVisitor for Edit {
        fn enter(&mut self, node: NodeRef<'_>, _: &VisitInfo<'_, '_>) -> EditAction {
            let is_null = |it: &Argument| matches!(it.value, Value::Null(_));
            match node {
                NodeRef::Directive(Directive { name, arguments })
                    if self.0.contains(&name.value) && arguments.iter().any(is_null) =>
                {
                    EditAction::Delete
                }
                _ => EditAction::Continue,
            }
        }
    }
    let own: HashSet<String> = document
        .definitions
        .iter()
        .filter_map(|it| match it {
            Definition::DirectiveDefinition(it) => Some(it.name.value.clone()),
            _ => None,
        })
        .filter(|it| !is_composed(&document, it))
        .collect();
    if own.is_empty() {
        return document;
    }
    match visit_edit(&document, &mut Edit(own)) {
        EditResult::Node(Node::Document(edited)) => edited,
        _ => document,
    }
}

/// Whether `@composeDirective` carries a directive over into the supergraph.
fn is_composed(document: &Document, name: &str) -> bool {
    let quoted = format!("\"@{name}\"");
    document.definitions.iter().any(|it| {
        let directives = match it {
            Definition::SchemaDefinition(it) => &it.directives,
            Definition::SchemaExtension(it) => &it.directives,
            _ => return false,
        };
        directives.iter().any(|it| it.name.value.ends_with("composeDirective") && print(it).contains(&quoted))
    })
}
