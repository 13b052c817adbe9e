//! Subgraphs and event graphs in, one supergraph SDL out.

use super::{
    errors::LoadError,
    events::{EventGraph, lower_link},
    graft::Services,
    graphs::SubgraphSource,
    sdl::Sdl,
};
use federation_composition::{
    CompositionResult, ServiceDefinition, compose_services,
    graphql_core::{
        Argument, Definition, Directive, Document, EditAction, EditResult, EditVisitor, Node, NodeRef,
        OperationType, Value, VisitInfo, parse, print, visit_edit,
    },
};
use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
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
}

/// Composes all graphs into one.
pub(super) fn compose(
    subgraphs: &[SubgraphSource],
    events: &[EventGraph],
) -> Result<Composed, Vec<LoadError>> {
    let (mut services, mut notes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for source in subgraphs {
        match parse(&source.sdl) {
            Ok(mut document) => {
                errors.extend(misplaced_event_fields(source, &document));
                notes.extend(lower_link(&source.name, &mut document));
                let document = without_null_arguments(document);
                services.push(ServiceDefinition::new(&source.name, document).with_url(&source.routing_url));
            }
            Err(error) => errors.push(
                LoadError::new("INVALID_GRAPHQL", error.message).in_graph(&source.name, source.file.as_ref()),
            ),
        }
    }
    for event in events {
        services.push(ServiceDefinition::new(&*event.name, event.document.clone()).with_url(""));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if !events.is_empty() && !has_query(&services) {
        let stub = parse(QUERY_STUB).expect("our own SDL parses");
        let event_graph = services.last_mut().expect("there is an event graph");
        event_graph.type_defs.definitions.extend(stub.definitions);
    }
    let mut files: Files<'_> = subgraphs.iter().map(|it| (it.name.as_str(), it.file.as_ref())).collect();
    files.extend(events.iter().map(|it| (&*it.name, it.file.as_ref())));
    let composed = catch_unwind(AssertUnwindSafe(|| compose_services(&services))).map_err(|_| {
        vec![LoadError::new("COMPOSER_PANIC", "the composer could not cope with these graphs")]
    })?;
    match composed {
        Ok(CompositionResult::Success(it)) => {
            Ok(Composed { sdl: it.supergraph_sdl().to_owned(), notes, services: Services::new() })
        }
        Ok(CompositionResult::Failure(failure)) => {
            let errors = failure.errors().iter();
            Err(errors.map(|it| composition_error(it.code(), &it.message, &files)).collect())
        }
        Err(error) => Err(vec![composition_error(None, &error.to_string(), &files)]),
    }
}

/// Which file a graph came from.
type Files<'a> = HashMap<&'a str, Option<&'a PathBuf>>;

/// The composer names the graph in brackets at the start of its message.
fn composition_error(code: Option<&str>, message: &str, files: &Files<'_>) -> LoadError {
    let code = code.unwrap_or("COMPOSITION");
    match message.strip_prefix('[').and_then(|it| it.split_once("] ")) {
        Some((graph, rest)) => {
            LoadError::new(code, rest).in_graph(graph, files.get(graph).copied().flatten())
        }
        None => LoadError::new(code, message),
    }
}

/// Without this an event graph among the subgraphs could compose, and its fields would be asked of a
/// server that is not there.
fn misplaced_event_fields(source: &SubgraphSource, document: &Document) -> Option<LoadError> {
    let sdl = Sdl::of(document);
    sdl.objects.iter().find_map(|object| {
        let field = object
            .fields
            .iter()
            .find(|it| it.directives.iter().any(|it| it.name.value.starts_with("edfs__")))?;
        let message = "the field belongs to a broker: list this graph among the event graphs";
        let error = LoadError::new("EVENT_GRAPH_AS_SUBGRAPH", message);
        let at = format!("{}.{}", object.name, field.name.value);
        Some(error.at(at).in_graph(&source.name, source.file.as_ref()))
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
