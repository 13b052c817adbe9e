//! What Cosmo's composer takes in a graph and others do not: directives of Federation 2 without a link or
//! an import, its own spelling of their definitions, and directives that are its alone.
//!
//! A graph that uses none of it is not touched.

use super::{
    events::WITHOUT_EFFECT,
    links::{FEDERATION, Names, schema_directives},
    sdl::{argument, named, string},
};
use federation_composition::graphql_core::{
    Argument, Definition, Directive, Document, EditAction, EditResult, EditVisitor, Name, Node, NodeRef,
    SchemaExtension, Value, VisitInfo, visit_edit,
};
use std::collections::BTreeSet;

/// Directives that came with Federation 2; a graph that uses one is of Federation 2, whatever it links.
const FEDERATION_2: [&str; 9] = [
    "shareable",
    "inaccessible",
    "override",
    "interfaceObject",
    "authenticated",
    "requiresScopes",
    "policy",
    "cost",
    "listSize",
];
const FEDERATION_1: [&str; 6] = ["key", "requires", "provides", "external", "extends", "tag"];
/// The newest version that the composer knows.
const NEWEST: &str = "https://specs.apollo.dev/federation/v2.9";
const PREFIX: &str = "openfed__";

/// Turns a subgraph into what every composer understands. Sentences say what was changed.
pub(super) fn adapt(graph: &str, document: &mut Document) -> Vec<String> {
    drop_definitions(document);
    let mut notes = Vec::from_iter(drop_foreign(graph, document));
    notes.extend(if has_link(document) {
        complete_link(graph, document)
    } else {
        imply_link(graph, document)
    });
    notes
}

/// Takes out definitions of federation directives in Cosmo's spelling, and the types they are made of: they
/// are known without.
pub(super) fn drop_definitions(document: &mut Document) {
    let is_cosmos = document.definitions.iter().any(|it| match it {
        Definition::ScalarTypeDefinition(it) => it.name.value.starts_with(PREFIX),
        Definition::DirectiveDefinition(it) => {
            it.arguments.iter().any(|it| named(&it.ty).starts_with(PREFIX)) && is_known(&it.name.value)
        }
        _ => false,
    });
    if !is_cosmos {
        return;
    }
    document.definitions.retain(|it| match it {
        Definition::DirectiveDefinition(it) => !is_known(&it.name.value),
        Definition::ScalarTypeDefinition(it) => {
            !matches!(it.name.value.as_str(), "openfed__FieldSet" | "openfed__Scope")
        }
        _ => true,
    });
}

fn is_known(name: &str) -> bool {
    FEDERATION_1.contains(&name) || FEDERATION_2.contains(&name) || name == "composeDirective"
}

/// Directives that mean something to Cosmo alone.
pub(super) fn is_foreign(name: &str) -> bool {
    const FOREIGN: [&str; 4] =
        ["configureDescription", "configureChildDescriptions", "connect__fieldResolver", "semanticNonNull"];
    WITHOUT_EFFECT.contains(&name) || FOREIGN.contains(&name)
}

/// Its definitions may stand in a graph that makes no use of them.
fn is_foreign_definition(name: &str) -> bool {
    name.starts_with(PREFIX) || is_foreign(name)
}

fn drop_foreign(graph: &str, document: &mut Document) -> Option<String> {
    struct Edit(BTreeSet<String>);
    impl EditVisitor for Edit {
        fn enter(&mut self, node: NodeRef<'_>, _: &VisitInfo<'_, '_>) -> EditAction {
            match node {
                NodeRef::Directive(it) if is_foreign(&it.name.value) => {
                    self.0.insert(format!("@{}", it.name.value));
                    EditAction::Delete
                }
                _ => EditAction::Continue,
            }
        }
    }
    let mut edit = Edit(BTreeSet::new());
    if let EditResult::Node(Node::Document(edited)) = visit_edit(&*document, &mut edit) {
        *document = edited;
    }
    document.definitions.retain(|it| match it {
        Definition::DirectiveDefinition(it) => !is_foreign_definition(&it.name.value),
        Definition::ScalarTypeDefinition(it) => !it.name.value.starts_with(PREFIX),
        Definition::InputObjectTypeDefinition(it) => !it.name.value.starts_with(PREFIX),
        _ => true,
    });
    let names: Vec<String> = edit.0.into_iter().collect();
    (!names.is_empty()).then(|| format!("graph \"{graph}\": {} has no effect", names.join(", ")))
}

fn has_link(document: &Document) -> bool {
    let is_link = |it: &Directive| matches!(it.name.value.as_str(), "link" | "core");
    document.definitions.iter().any(|it| schema_directives(it).iter().any(is_link))
}

/// Adds the link that a graph's directives imply.
fn imply_link(graph: &str, document: &mut Document) -> Option<String> {
    let used = directives_used(document);
    let first = FEDERATION_2.into_iter().find(|it| used.contains(*it))?;
    let known = FEDERATION_1.into_iter().chain(FEDERATION_2);
    let import = known.filter(|it| used.contains(*it)).map(|it| Value::string(format!("@{it}")));
    let arguments = vec![
        Argument::new("url", Value::string(NEWEST)),
        Argument::new("import", Value::list(import.collect())),
    ];
    let link = Directive { name: Name::new("link"), arguments };
    let extension = SchemaExtension { directives: vec![link], ..SchemaExtension::default() };
    document.definitions.insert(0, extension.into());
    Some(format!("graph \"{graph}\": it uses @{first} and links no specification; read as federation v2.9"))
}

/// Adds to the federation link what is used as if it were imported.
fn complete_link(graph: &str, document: &mut Document) -> Option<String> {
    let (used, names) = (directives_used(document), Names::of(document));
    let known = FEDERATION_1.into_iter().chain(FEDERATION_2);
    let missing: Vec<&str> =
        known.filter(|it| used.contains(*it) && names.federation(it) != format!("@{it}")[1..]).collect();
    let link = document.definitions.iter_mut().find_map(|it| {
        let directives = match it {
            Definition::SchemaDefinition(it) => &mut it.directives,
            Definition::SchemaExtension(it) => &mut it.directives,
            _ => return None,
        };
        let is_federation = |it: &&mut Directive| {
            argument(it, "url").and_then(string).is_some_and(|it| it.starts_with(FEDERATION))
        };
        directives.iter_mut().filter(|it| it.name.value == "link").find(is_federation)
    })?;
    if missing.is_empty() {
        return None;
    }
    let import = missing.iter().map(|it| Value::string(format!("@{it}")));
    match link.arguments.iter_mut().find(|it| it.name.value == "import").map(|it| &mut it.value) {
        Some(Value::List(list)) => list.values.extend(import),
        _ => link.arguments.push(Argument::new("import", Value::list(import.collect()))),
    }
    // What is used may be younger than what is linked.
    if let Some(url) = link.arguments.iter_mut().find(|it| it.name.value == "url") {
        url.value = Value::string(NEWEST);
    }
    let names = missing.iter().map(|it| format!("@{it}")).collect::<Vec<_>>().join(", ");
    Some(format!("graph \"{graph}\": {names} is used without an import; read as federation v2.9"))
}

/// Names of the directives that are applied, but not defined, in a graph.
pub(super) fn directives_used(document: &Document) -> BTreeSet<String> {
    struct Uses(BTreeSet<String>);
    impl EditVisitor for Uses {
        fn enter(&mut self, node: NodeRef<'_>, _: &VisitInfo<'_, '_>) -> EditAction {
            if let NodeRef::Directive(it) = node {
                self.0.insert(it.name.value.clone());
            }
            EditAction::Continue
        }
    }
    let mut uses = Uses(BTreeSet::new());
    drop(visit_edit(document, &mut uses));
    for definition in &document.definitions {
        if let Definition::DirectiveDefinition(it) = definition {
            uses.0.remove(&it.name.value);
        }
    }
    uses.0
}
