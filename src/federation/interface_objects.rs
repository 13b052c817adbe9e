//! What the composer leaves out of a supergraph about interface objects: that a graph does not have a field of the
//! interface, but requires it (`@external`). It drops this where every graph of the interface names the field, and the
//! planner would take the field for one that the interface object can tell.

use super::{
    events::selection_of,
    join::{Join, for_each_field},
    links::Names,
    sdl::{Composite, Sdl, argument, string},
};
use federation_composition::{
    ServiceDefinition,
    graphql_core::{Argument, Definition, Directive, Document, Selection, Value},
};
use std::collections::{BTreeMap, BTreeSet};

/// Graphs that require a field of an interface for their interface object, by type and field.
type Externals = BTreeMap<(String, String), BTreeSet<String>>;

/// Names of the types that a graph has as interface objects.
pub(super) fn interface_objects(document: &Document) -> BTreeSet<String> {
    let names = Names::of(document).of_directive("interfaceObject");
    let sdl = Sdl::of(document);
    let is_one = |it: &&Composite<'_>| it.directives.iter().any(|it| names.contains(&it.name.value));
    sdl.objects.iter().filter(is_one).map(|it| it.name.to_owned()).collect()
}

/// Writes into a supergraph what was left out; whether something was.
pub(super) fn add_externals(supergraph: &mut Document, services: &[ServiceDefinition]) -> bool {
    let mut externals = Externals::new();
    services.iter().for_each(|it| read_externals(&it.name, &it.type_defs, &mut externals));
    !externals.is_empty() && place(supergraph, &externals)
}

fn read_externals(graph: &str, document: &Document, externals: &mut Externals) {
    let names = Names::of(document);
    let [external, requires, object] =
        ["external", "requires", "interfaceObject"].map(|it| names.federation(it));
    for it in Sdl::of(document).objects.iter().filter(|it| it.has_directive(&object)) {
        let required = required_by(it, &requires);
        let is_external = |name: &String| {
            let field = it.field(name).map(|it| it.directives.as_slice()).unwrap_or_default();
            field.iter().any(|it| it.name.value == external) || it.has_directive(&external)
        };
        for name in required.into_iter().filter(is_external) {
            externals.entry((it.name.to_owned(), name)).or_default().insert(graph.to_owned());
        }
    }
}

/// Fields of a type that others of it require.
fn required_by(object: &Composite<'_>, requires: &str) -> BTreeSet<String> {
    let directives =
        object.fields.iter().flat_map(|it| &it.directives).filter(|it| it.name.value == requires);
    let sets = directives.filter_map(|it| selection_of(argument(it, "fields").and_then(string)?));
    let fields = sets.flat_map(|it| it.selections).filter_map(|it| match it {
        Selection::Field(it) => Some(it.name.value),
        _ => None,
    });
    fields.collect()
}

/// Says of each field where it is, and where not, unless something is said of it already.
fn place(document: &mut Document, externals: &Externals) -> bool {
    let places: BTreeMap<(String, String), Vec<Directive>> = {
        let join = Join::of(document);
        let placed = |(at, graphs): (&(String, String), &BTreeSet<String>)| {
            let graph = |value: String| {
                let is_external = join.name_of(&value).is_some_and(|it| graphs.contains(it));
                join_field(&value, is_external)
            };
            (at.clone(), join.type_graphs(&at.0).into_iter().map(graph).collect())
        };
        externals.iter().map(placed).collect()
    };
    let mut is_changed = false;
    for definition in &mut document.definitions {
        let Definition::InterfaceTypeDefinition(it) = definition else { continue };
        let owner = it.name.value.clone();
        for_each_field(definition, |field, directives| {
            let is_told = directives.iter().any(|it| it.name.value == "join__field");
            if let Some(places) = places.get(&(owner.clone(), field.clone())).filter(|_| !is_told) {
                directives.extend(places.iter().cloned());
                is_changed = true;
            }
        });
    }
    is_changed
}

fn join_field(graph: &str, is_external: bool) -> Directive {
    let graph = Argument::new("graph", Value::enum_value(graph));
    let external = is_external.then(|| Argument::new("external", Value::boolean(true)));
    Directive::new("join__field", [graph].into_iter().chain(external).collect())
}
