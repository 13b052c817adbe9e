//! Subgraphs and event graphs in, one supergraph SDL out.

use super::{
    errors::LoadError,
    events::{EventGraph, add_link, lower_link},
    schema::{SubgraphSource, SupergraphSource},
};
use federation_composition::{
    CompositionResult, ServiceDefinition, compose_services,
    graphql_core::{
        Argument, Definition, Directive, Document, EditAction, EditResult, EditVisitor, Node, NodeRef, Value,
        VisitInfo, parse, print, visit_edit,
    },
};
use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// A root field for graphs without a query of their own, since every schema needs one.
const QUERY_STUB: &str = "type Query {\n  \"Stands in for queries, which these graphs have none of. Always null.\"\n  noQueries: Boolean @federation__shareable\n}";

/// A supergraph and what was changed on the way to it.
pub(super) struct Composed {
    pub(super) sdl: String,
    pub(super) notes: Vec<String>,
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
    if let Some(first) = services.first_mut().filter(|_| !services_query(subgraphs, events)) {
        let stub = parse(QUERY_STUB).expect("our own SDL parses");
        first.type_defs.definitions.extend(stub.definitions);
        add_link(&mut first.type_defs);
    }
    let composed = catch_unwind(AssertUnwindSafe(|| compose_services(&services))).map_err(|_| {
        vec![LoadError::new("COMPOSER_PANIC", "the composer could not cope with these graphs")]
    })?;
    match composed {
        Ok(CompositionResult::Success(it)) => Ok(Composed { sdl: it.supergraph_sdl().to_owned(), notes }),
        Ok(CompositionResult::Failure(failure)) => Err(failure
            .errors()
            .iter()
            .map(|it| composition_error(it.code(), &it.message, subgraphs))
            .collect()),
        Err(error) => Err(vec![composition_error(None, &error.to_string(), subgraphs)]),
    }
}

/// The composer names the graph in brackets at the start of its message.
fn composition_error(code: Option<&str>, message: &str, subgraphs: &[SubgraphSource]) -> LoadError {
    let graph = message.strip_prefix('[').and_then(|it| it.split_once("] "));
    let error = LoadError::new(code.unwrap_or("COMPOSITION"), graph.map_or(message, |(_, rest)| rest));
    match graph {
        Some((name, _)) => {
            let file = subgraphs.iter().find(|it| it.name == name).and_then(|it| it.file.as_ref());
            error.in_graph(name, file)
        }
        None => error,
    }
}

fn services_query(subgraphs: &[SubgraphSource], events: &[EventGraph]) -> bool {
    let has_query = |document: &Document| {
        let sdl = super::sdl::Sdl::of(document);
        sdl.root(federation_composition::graphql_core::OperationType::Query)
            .is_some_and(|it| !it.fields.is_empty())
    };
    events.iter().any(|it| has_query(&it.document))
        || subgraphs.iter().any(|it| parse(&it.sdl).is_ok_and(|it| has_query(&it)))
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

/// Adds event graphs to a supergraph that was composed elsewhere.
pub(super) fn graft(source: &SupergraphSource, _events: &[EventGraph]) -> Result<Composed, Vec<LoadError>> {
    Ok(Composed { sdl: source.sdl.clone(), notes: Vec::new() })
}
