//! `@provides` that the planner would mix up.
//!
//! The planner numbers the fields that provide something anew for each type they belong to, and knows what
//! is provided of a type in a subgraph by that number. Fields of two types (`Loan.book`, `Query.newest`) that
//! provide different parts of one type thus share a number, or not, by the chance of a hash map's order; and
//! where they share it, the planner asks one of them for what only the other provides. The same happens
//! within one field that provides different parts of a type at two depths.
//!
//! Providing is a shortcut: without it the same values come from the subgraphs that own them. So of fields
//! that could be mixed up all but one lose it, in the supergraph that the planner gets to see first.

use graphql_tools::{
    parser::parse_query,
    static_graphql::{
        query::{self, Definition as QueryDefinition, OperationDefinition, Selection, TypeCondition},
        schema::{Definition, Directive, Document, Field, Type, TypeDefinition, Value},
    },
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The supergraph without what could be mixed up; `None` if nothing could.
pub(super) fn without_ambiguous(supergraph: &Document) -> Option<Document> {
    let types = Types::of(supergraph);
    let (mut kept, mut dropped): (Vec<View>, BTreeSet<Coordinate>) = Default::default();
    for view in types.views(supergraph) {
        if view.is_ambiguous() || kept.iter().any(|it| it.clashes_with(&view)) {
            dropped.insert(view.coordinate);
        } else {
            kept.push(view);
        }
    }
    (!dropped.is_empty()).then(|| without(supergraph, &dropped))
}

/// Owning type, field and value of `join__Graph`.
type Coordinate = (String, String, String);

/// What a field provides: by type, and by the path at which the type stands, the fields (and the types that
/// fragments lead to).
struct View {
    coordinate: Coordinate,
    types: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl View {
    fn is_ambiguous(&self) -> bool {
        self.types.values().any(|paths| {
            let mut sets = paths.values();
            let first = sets.next();
            sets.any(|it| Some(it) != first)
        })
    }

    /// Whether both may have one number and then differ. Fields of one type have different ones.
    fn clashes_with(&self, other: &Self) -> bool {
        let ((owner, _, graph), (others_owner, _, others_graph)) = (&self.coordinate, &other.coordinate);
        let all = |paths: &BTreeMap<String, BTreeSet<String>>| -> BTreeSet<String> {
            paths.values().flatten().cloned().collect()
        };
        graph == others_graph
            && owner != others_owner
            && self
                .types
                .iter()
                .any(|(name, paths)| other.types.get(name).is_some_and(|others| all(paths) != all(others)))
    }
}

/// The supergraph's types, as far as field sets lead through them.
struct Types<'a> {
    /// The named type of each field.
    fields: HashMap<&'a str, HashMap<&'a str, &'a str>>,
    /// Objects by the interfaces that they implement.
    implementations: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Types<'a> {
    fn of(supergraph: &'a Document) -> Self {
        let mut types = Self { fields: HashMap::new(), implementations: HashMap::new() };
        for definition in &supergraph.definitions {
            let Definition::TypeDefinition(definition) = definition else { continue };
            if let TypeDefinition::Object(it) = definition {
                for interface in &it.implements_interfaces {
                    types.implementations.entry(interface).or_default().push(&it.name);
                }
            }
            let Some((name, fields)) = fields_of(definition) else { continue };
            types.fields.insert(name, fields.iter().map(|it| (&*it.name, named(&it.field_type))).collect());
        }
        types
    }

    fn views(&self, supergraph: &Document) -> Vec<View> {
        let mut views = Vec::new();
        for definition in &supergraph.definitions {
            let Definition::TypeDefinition(definition) = definition else { continue };
            let Some((owner, fields)) = fields_of(definition) else { continue };
            for (field, directive) in fields.iter().flat_map(|it| it.directives.iter().map(move |d| (it, d)))
            {
                let (Some(graph), Some(text)) = (graph_of(directive), provided(directive)) else { continue };
                let Some(set) = parse(text) else { continue };
                let coordinate = (owner.to_owned(), field.name.clone(), graph.to_owned());
                let mut view = View { coordinate, types: BTreeMap::new() };
                self.walk(named(&field.field_type), &set, "", &mut view);
                views.push(view);
            }
        }
        views
    }

    fn walk(&self, type_name: &str, set: &query::SelectionSet, path: &str, view: &mut View) {
        let mut add = |type_name: &str, what: String| {
            let paths = view.types.entry(type_name.to_owned()).or_default();
            paths.entry(path.to_owned()).or_default().insert(what);
        };
        for item in &set.items {
            match item {
                Selection::Field(it) => {
                    // The planner takes a field of an interface apart into those of its objects.
                    let objects = self.implementations.get(type_name).into_iter().flatten().copied();
                    objects.chain([type_name]).for_each(|it_type| add(it_type, it.name.clone()));
                }
                Selection::InlineFragment(it) => {
                    if let Some(TypeCondition::On(on)) = &it.type_condition {
                        add(type_name, format!("... on {on}"));
                    }
                }
                Selection::FragmentSpread(_) => {}
            }
        }
        for item in &set.items {
            match item {
                Selection::Field(it) if !it.selection_set.items.is_empty() => {
                    if let Some(below) = self.fields.get(type_name).and_then(|fields| fields.get(&*it.name)) {
                        self.walk(below, &it.selection_set, &format!("{path}.{}", it.name), view);
                    }
                }
                Selection::InlineFragment(it) => {
                    let on = it.type_condition.as_ref().map_or(type_name, |TypeCondition::On(on)| on);
                    self.walk(on, &it.selection_set, path, view);
                }
                _ => {}
            }
        }
    }
}

fn fields_of(definition: &TypeDefinition) -> Option<(&str, &[Field])> {
    match definition {
        TypeDefinition::Object(it) => Some((&it.name, &it.fields)),
        TypeDefinition::Interface(it) => Some((&it.name, &it.fields)),
        _ => None,
    }
}

fn named(ty: &Type) -> &str {
    match ty {
        Type::NamedType(name) => name,
        Type::ListType(inner) | Type::NonNullType(inner) => named(inner),
    }
}

fn argument<'a>(directive: &'a Directive, name: &str) -> Option<&'a Value> {
    (directive.name == "join__field").then_some(())?;
    directive.arguments.iter().find(|(it, _)| it == name).map(|(_, value)| value)
}

fn graph_of(directive: &Directive) -> Option<&str> {
    match argument(directive, "graph")? {
        Value::Enum(graph) => Some(graph),
        _ => None,
    }
}

fn provided(directive: &Directive) -> Option<&str> {
    match argument(directive, "provides")? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn parse(field_set: &str) -> Option<query::SelectionSet> {
    let document = parse_query::<String>(&format!("{{ {field_set} }}")).ok()?.into_static();
    match document.definitions.into_iter().next()? {
        QueryDefinition::Operation(OperationDefinition::SelectionSet(set)) => Some(set),
        _ => None,
    }
}

fn without(supergraph: &Document, dropped: &BTreeSet<Coordinate>) -> Document {
    let mut document = supergraph.clone();
    for definition in &mut document.definitions {
        let Definition::TypeDefinition(definition) = definition else { continue };
        let (owner, fields) = match definition {
            TypeDefinition::Object(it) => (&it.name, &mut it.fields),
            TypeDefinition::Interface(it) => (&it.name, &mut it.fields),
            _ => continue,
        };
        for field in fields {
            for directive in &mut field.directives {
                let graph = graph_of(directive).map(str::to_owned);
                if graph.is_some_and(|it| dropped.contains(&(owner.clone(), field.name.clone(), it))) {
                    directive.arguments.retain(|(name, _)| name != "provides");
                }
            }
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of graph `G` that still provide something. All of them give a `B`.
    fn kept(fields: &[(&str, &str, &str)]) -> Vec<String> {
        let field = |(owner, name, provides): &(&str, &str, &str)| {
            format!("type {owner} {{ {name}: B @join__field(graph: G, provides: \"{provides}\") }} ")
        };
        let rest = "interface I { x: Int } type A implements I { x: Int b: B } type B { x: Int y: Int a: A b: B i: I }";
        let sdl = fields.iter().map(field).collect::<String>() + rest;
        let document = graphql_tools::parser::parse_schema::<String>(&sdl).expect("a schema").into_static();
        let document = without_ambiguous(&document).unwrap_or(document);
        let views = Types::of(&document).views(&document);
        views.into_iter().map(|it| format!("{}.{}", it.coordinate.0, it.coordinate.1)).collect()
    }

    #[test]
    fn different_parts_of_one_type_are_provided_once() {
        assert_eq!(kept(&[("P", "f", "x"), ("Q", "g", "y")]), ["P.f"]);
        assert_eq!(kept(&[("P", "f", "x"), ("Q", "g", "x")]), ["P.f", "Q.g"], "equal parts are no matter");
        assert_eq!(kept(&[("P", "f", "a { x }"), ("Q", "g", "a { b { x } }")]), ["P.f"]);
        assert_eq!(kept(&[("P", "f", "i { x }"), ("Q", "g", "i { ... on A { b { i { x } } } }")]), ["P.f"]);
    }

    #[test]
    fn a_field_may_clash_with_itself() {
        assert_eq!(kept(&[("P", "f", "x b { y }")]), [""; 0]);
        assert_eq!(kept(&[("P", "f", "a { x b { x } }")]), [""; 0]);
        assert_eq!(kept(&[("P", "f", "i { x ... on A { b { i { x } } } }")]), [""; 0]);
        assert_eq!(kept(&[("P", "f", "y a { x }")]), ["P.f"]);
    }
}
