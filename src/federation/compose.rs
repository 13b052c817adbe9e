//! Subgraphs and event graphs in, one supergraph SDL out.

use super::{
    authorization::{Authorization, without_refused},
    checks,
    composer::{self, Failure, coordinates},
    dialect::adapt,
    directives::applied,
    errors::LoadError,
    events::{EventGraph, FILTER, check_elsewhere, is_event_directive, lower_link},
    graft::Services,
    graphs::SubgraphSource,
    interface_objects::add_externals,
    left_out::{hide_arguments, say_requirements},
    links::refused,
    origins::{Origins, syntax_error},
    protection::{of_graph, unenforced},
    rewrites,
    sdl::{self, Sdl},
    words::put_words_back,
};
use federation_composition::{
    ServiceDefinition,
    graphql_core::{
        Argument, Definition, Directive, Document, EditAction, EditResult, EditVisitor, Node, NodeRef,
        OperationType, Value, VisitInfo, parse, print, visit_edit,
    },
};
use std::collections::{BTreeSet, HashSet};

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
    let composed = composer::compose(&services, &authorization, lenient, &origins)?;
    notes.extend(composed.out_of_reach.iter().map(Failure::as_note));
    let unsatisfiable = coordinates(&composed.out_of_reach);
    let sdl = completed(composed.sdl, services, &authorization);
    Ok(Composed { sdl, notes, services: Services::new(), authorization, unsatisfiable, unenforced })
}

/// The supergraph with all that composing leaves out; the same text where that is nothing.
fn completed(sdl: String, services: Vec<ServiceDefinition>, authorization: &Authorization) -> String {
    // A text that does not parse is refused when it is loaded.
    let Ok(mut supergraph) = sdl::read(&sdl) else { return sdl };
    let changes = [
        add_externals(&mut supergraph, &services),
        hide_arguments(&mut supergraph, &services),
        say_requirements(&mut supergraph, authorization),
        put_words_back(&mut supergraph, services),
    ];
    if changes.contains(&true) { print(&supergraph) } else { sdl }
}

/// The subgraphs' documents, unless one of them is nothing to serve, and where they ask for protection.
fn read(
    subgraphs: &[SubgraphSource],
    origins: &Origins<'_>,
) -> Result<(Vec<Document>, Vec<LoadError>), Vec<LoadError>> {
    let (mut documents, mut errors) = (Vec::with_capacity(subgraphs.len()), Vec::new());
    let mut unprotected = Vec::new();
    for source in subgraphs {
        match sdl::read(&source.sdl) {
            Ok(document) => {
                let directives = applied(&document, &source.sdl);
                let of_this = |errors| of_graph(errors, &source.name, source.file.as_ref());
                errors.extend(of_this(check_elsewhere(&directives)));
                unprotected.extend(of_this(unenforced(&document, &directives)));
                errors.extend(misplaced_event_fields(source, &document, origins));
                errors.extend(misplaced_filters(source, &document, origins));
                errors.extend(refused(&source.name, &document, origins));
                let faults = checks::of_links(&source.name, &document);
                errors.extend(faults.iter().map(|it| it.located(origins)));
                documents.push(document);
            }
            Err(message) => {
                errors.push(syntax_error(&source.name, source.file.as_ref(), &source.sdl, &message));
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
        notes.extend(rewrites::of_graph(&source.name, &mut document));
        notes.extend(adapt(&source.name, &mut document));
        rewrites::of_first(&mut document);
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
             and stands there in the supergraph"
        )
    })
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
