//! `@provides` that the planner would mix up.
//!
//! The planner numbers the fields that provide something anew for each type they belong to, and knows what
//! is provided of a type in a subgraph by that number. Fields of two types (`Loan.book`, `Query.newest`) that
//! provide different parts of one type thus share a number, or not, by the chance of a hash map's order; and
//! where they share it, the planner asks one of them for what only the other provides. The same happens
//! within one field that provides different parts of a type at two depths.
//!
//! Providing is a shortcut: without it the same values come from the subgraphs that own them. So of fields
//! that could be mixed up all but one provide no more than what cannot be had elsewhere, in the supergraph
//! that the planner gets to see. Where even that could be mixed up, what is left cannot be planned.

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
    let promises = types.promises(supergraph);
    let (mut chosen, mut changed): (Vec<View>, BTreeMap<Coordinate, String>) = Default::default();
    for (index, promise) in promises.iter().enumerate() {
        let later = || promises[index + 1..].iter().map(|it| &it.needed);
        let is_clear = |view: &View| !view.is_ambiguous() && !chosen.iter().any(|it| it.clashes_with(view));
        if is_clear(&promise.whole) && !later().any(|it| it.clashes_with(&promise.whole)) {
            chosen.push(promise.whole.clone());
            continue;
        }
        let keeps = is_clear(&promise.needed);
        changed.insert(
            promise.whole.coordinate.clone(),
            if keeps { promise.needed.text.clone() } else { String::new() },
        );
        chosen.extend(keeps.then(|| promise.needed.clone()));
    }
    (!changed.is_empty()).then(|| with(supergraph, &changed))
}

/// Owning type, field and value of `join__Graph`.
type Coordinate = (String, String, String);

/// What a field provides, and the part of it that can be had nowhere else.
struct Promise {
    whole: View,
    needed: View,
}

/// What a field provides: by type, and by the path at which the type stands, the fields (and the types that
/// fragments lead to).
#[derive(Clone)]
struct View {
    coordinate: Coordinate,
    /// The field set.
    text: String,
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
    /// Values of `join__Graph` where a type's field can be had for any entity, by its key.
    sources: HashMap<(&'a str, &'a str), Vec<&'a str>>,
}

impl<'a> Types<'a> {
    fn of(supergraph: &'a Document) -> Self {
        let (fields, implementations, sources) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut types = Self { fields, implementations, sources };
        for definition in &supergraph.definitions {
            let Definition::TypeDefinition(definition) = definition else { continue };
            if let TypeDefinition::Object(it) = definition {
                for interface in &it.implements_interfaces {
                    types.implementations.entry(interface).or_default().push(&it.name);
                }
            }
            let Some((name, directives, fields)) = fields_of(definition) else { continue };
            types.fields.insert(name, fields.iter().map(|it| (&*it.name, named(&it.field_type))).collect());
            let keyed: Vec<&str> = directives.iter().filter_map(graph_with_key).collect();
            for field in fields {
                let serves = |graph: &&str| serves(field, graph);
                types.sources.insert((name, &field.name), keyed.iter().copied().filter(serves).collect());
            }
        }
        types
    }

    fn promises(&self, supergraph: &Document) -> Vec<Promise> {
        let mut promises = Vec::new();
        for definition in &supergraph.definitions {
            let Definition::TypeDefinition(definition) = definition else { continue };
            let Some((owner, _, fields)) = fields_of(definition) else { continue };
            for (field, directive) in fields.iter().flat_map(|it| it.directives.iter().map(move |d| (it, d)))
            {
                let (Some(graph), Some(text)) = (graph_of(directive), provided(directive)) else { continue };
                let Some(whole) = parse(text) else { continue };
                let coordinate = (owner.to_owned(), field.name.clone(), graph.to_owned());
                let returns = named(&field.field_type);
                let needed = self.needed(returns, &whole, graph);
                promises.push(Promise {
                    needed: self.view(coordinate.clone(), returns, &needed),
                    whole: self.view(coordinate, returns, &whole),
                });
            }
        }
        promises
    }

    fn view(&self, coordinate: Coordinate, returns: &str, set: &query::SelectionSet) -> View {
        let mut view = View { coordinate, text: text_of(set), types: BTreeMap::new() };
        self.walk(returns, set, "", &mut view);
        view
    }

    /// The part of a field set that no other graph has.
    fn needed(&self, type_name: &str, set: &query::SelectionSet, graph: &str) -> query::SelectionSet {
        let part = |item: &Selection| match item {
            Selection::Field(it) if it.selection_set.items.is_empty() => {
                (!self.is_elsewhere(type_name, &it.name, graph)).then(|| item.clone())
            }
            Selection::Field(it) => {
                let below = self.fields.get(type_name)?.get(&*it.name)?;
                let selection_set = self.needed(below, &it.selection_set, graph);
                (!selection_set.items.is_empty())
                    .then(|| Selection::Field(query::Field { selection_set, ..it.clone() }))
            }
            Selection::InlineFragment(it) => {
                let on = it.type_condition.as_ref().map_or(type_name, |TypeCondition::On(on)| on);
                let selection_set = self.needed(on, &it.selection_set, graph);
                (!selection_set.items.is_empty())
                    .then(|| Selection::InlineFragment(query::InlineFragment { selection_set, ..it.clone() }))
            }
            Selection::FragmentSpread(_) => None,
        };
        query::SelectionSet { span: set.span, items: set.items.iter().filter_map(part).collect() }
    }

    fn is_elsewhere(&self, type_name: &str, field: &str, graph: &str) -> bool {
        let has =
            |of: &str| self.sources.get(&(of, field)).is_some_and(|it| it.iter().any(|it| *it != graph));
        match self.implementations.get(type_name) {
            Some(objects) => objects.iter().all(|it| has(it)),
            None => has(type_name),
        }
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

type Fields<'a> = (&'a str, &'a [Directive], &'a [Field]);

fn fields_of(definition: &TypeDefinition) -> Option<Fields<'_>> {
    match definition {
        TypeDefinition::Object(it) => Some((&it.name, &it.directives, &it.fields)),
        TypeDefinition::Interface(it) => Some((&it.name, &it.directives, &it.fields)),
        _ => None,
    }
}

/// The graph of a `join__type` by whose key entities are resolved.
fn graph_with_key(directive: &Directive) -> Option<&str> {
    let argument = |name: &str| directive.arguments.iter().find(|(it, _)| it == name).map(|(_, value)| value);
    let is_resolvable = !matches!(argument("resolvable"), Some(Value::Boolean(false)));
    match argument("graph")? {
        Value::Enum(graph) if directive.name == "join__type" && is_resolvable => {
            argument("key").map(|_| &**graph)
        }
        _ => None,
    }
}

/// Whether a graph of the field's type has the field.
fn serves(field: &Field, graph: &str) -> bool {
    let mut placed = field.directives.iter().filter(|it| it.name == "join__field").peekable();
    let is_external = |it| matches!(argument(it, "external"), Some(Value::Boolean(true)));
    placed.peek().is_none() || placed.any(|it| graph_of(it) == Some(graph) && !is_external(it))
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

/// A field set as `@provides` has it; empty where nothing is selected.
fn text_of(set: &query::SelectionSet) -> String {
    let operation = QueryDefinition::Operation(OperationDefinition::SelectionSet(set.clone()));
    let text = query::Document { definitions: vec![operation] }.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["{", fields @ .., "}"] => fields.join(" "),
        _ => String::new(),
    }
}

/// The supergraph with other field sets, of which empty ones provide nothing.
fn with(supergraph: &Document, changed: &BTreeMap<Coordinate, String>) -> Document {
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
                let Some(graph) = graph_of(directive).map(str::to_owned) else { continue };
                let Some(text) = changed.get(&(owner.clone(), field.name.clone(), graph)) else { continue };
                directive.arguments.retain(|(name, _)| name != "provides" || !text.is_empty());
                for (_, value) in directive.arguments.iter_mut().filter(|(name, _)| name == "provides") {
                    *value = Value::String(text.clone());
                }
            }
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What fields of graph `G` still provide. All of them give a `B`, an entity whose fields `H` has too,
    /// but for what is within a `V`.
    fn kept(fields: &[(&str, &str, &str)]) -> Vec<String> {
        let field = |(owner, name, provides): &(&str, &str, &str)| {
            format!("type {owner} {{ {name}: B @join__field(graph: G, provides: \"{provides}\") }} ")
        };
        let entity = "@join__type(graph: G, key: \"x\") @join__type(graph: H, key: \"x\")";
        let rest = format!(
            "interface I {{ x: Int }} type A implements I {entity} {{ x: Int b: B }} \
             type B {entity} {{ x: Int y: Int a: A b: B i: I v: V @join__field(graph: G) }} \
             type V @join__type(graph: G) @join__type(graph: H) {{ z: Int }}"
        );
        let sdl = fields.iter().map(field).collect::<String>() + &rest;
        let document = graphql_tools::parser::parse_schema::<String>(&sdl).expect("a schema").into_static();
        let document = without_ambiguous(&document).unwrap_or(document);
        let promises = Types::of(&document).promises(&document).into_iter();
        promises.map(|it| format!("{}: {}", it.whole.coordinate.1, it.whole.text)).collect()
    }

    #[test]
    fn different_parts_of_one_type_are_provided_once() {
        assert_eq!(kept(&[("P", "f", "x"), ("Q", "g", "y")]), ["f: x"]);
        assert_eq!(kept(&[("P", "f", "x"), ("Q", "g", "x")]), ["f: x", "g: x"], "equal parts are no matter");
        assert_eq!(kept(&[("P", "f", "a { x }"), ("Q", "g", "a { b { x } }")]), ["f: a { x }"]);
        assert_eq!(
            kept(&[("P", "f", "i { x }"), ("Q", "g", "i { ... on A { b { i { x } } } }")]),
            ["f: i { x }"]
        );
    }

    #[test]
    fn a_field_may_clash_with_itself() {
        assert_eq!(kept(&[("P", "f", "x b { y }")]), [""; 0]);
        assert_eq!(kept(&[("P", "f", "a { x b { x } }")]), [""; 0]);
        assert_eq!(kept(&[("P", "f", "i { x ... on A { b { i { x } } } }")]), [""; 0]);
        assert_eq!(kept(&[("P", "f", "y a { x }")]), ["f: y a { x }"]);
    }

    #[test]
    fn what_cannot_be_had_elsewhere_stays() {
        assert_eq!(kept(&[("P", "f", "x v { z }"), ("Q", "g", "v { z }")]), ["f: v { z }", "g: v { z }"]);
        assert_eq!(kept(&[("P", "f", "x"), ("Q", "g", "y v { z }")]), ["g: y v { z }"]);
    }
}
