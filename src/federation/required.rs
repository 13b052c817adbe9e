//! Required fields that have arguments, `@requires(fields: "size(unit: INCH)")`, and where they lie.
//!
//! Where such a field meets another with other arguments in one request, the planner fetches one of them
//! under a name of its own, and below lists of lists it forgets to read it from there. What a field requires
//! stands in the supergraph, and what is fetched under which name in the requests; so we look it up.

use super::canonical::canonical_key;
use graphql_tools::{
    parser::parse_query,
    static_graphql::{
        query::{self, FragmentDefinition, OperationDefinition, Selection, SelectionSet, TypeCondition},
        schema::{Definition, Directive, Document, TypeDefinition, Value},
    },
};
use std::collections::{HashMap, HashSet};

/// What fields of the supergraph require with arguments. Mostly nothing.
#[derive(Debug, Default)]
pub(super) struct RequiredCalls {
    /// By subgraph, type and field.
    by_field: HashMap<(String, String, String), Vec<RequiredCall>>,
    names: HashSet<String>,
}

/// A required field with arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RequiredCall {
    /// The field's name below those of the fields around it, `box.size`.
    pub(super) path: String,
    /// Name and arguments.
    key: String,
}

impl RequiredCalls {
    pub(super) fn of(supergraph: &Document) -> Self {
        let (mut calls, graphs) = (Self::default(), graph_names(supergraph));
        for definition in &supergraph.definitions {
            let Definition::TypeDefinition(definition) = definition else { continue };
            let (owner, fields) = match definition {
                TypeDefinition::Object(it) => (&it.name, &it.fields),
                TypeDefinition::Interface(it) => (&it.name, &it.fields),
                _ => continue,
            };
            for (field, directive) in fields.iter().flat_map(|it| it.directives.iter().map(move |d| (it, d)))
            {
                let (Some(Value::Enum(graph)), Some(Value::String(required))) =
                    (join_argument(directive, "graph"), join_argument(directive, "requires"))
                else {
                    continue;
                };
                let graph = graphs.get(graph.as_str()).map_or(graph.as_str(), |it| it);
                calls.add((graph.to_owned(), owner.clone(), field.name.clone()), required);
            }
        }
        calls
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_field.is_empty()
    }

    fn add(&mut self, field: (String, String, String), required: &str) {
        let Some(request) = Request::parse(&format!("{{ {required} }}")) else { return };
        let mut found = Vec::new();
        request.walk(&request.selections, "", &mut |path, it| {
            if !it.arguments.is_empty() {
                let path = join(path, &it.name);
                found.push((
                    it.name.clone(),
                    RequiredCall { path, key: canonical_key(&it.name, &it.arguments) },
                ));
            }
        });
        for (name, call) in found {
            self.names.insert(name);
            self.by_field.entry(field.clone()).or_default().push(call);
        }
    }

    /// What the fields of entities in a request require. `alias` is the entities' response key.
    pub(super) fn of_entities(&self, subgraph: &str, document: &str, alias: &str) -> Vec<RequiredCall> {
        let Some(request) = (!self.is_empty()).then(|| Request::parse(document)).flatten() else {
            return Vec::new();
        };
        let mut calls = Vec::new();
        for (type_name, it) in request.entities(alias).iter().flat_map(|set| request.fields(set, "")) {
            let at = (subgraph.to_owned(), type_name.to_owned(), it.name.clone());
            calls.extend(self.by_field.get(&at).into_iter().flatten().cloned());
        }
        calls
    }
}

/// Under which keys the fields lie that somebody might require with arguments.
#[derive(Debug, Default)]
pub(super) struct FetchedCalls(HashMap<(String, String), String>);

impl FetchedCalls {
    /// Notes the fields of a request to a subgraph's roots.
    pub(super) fn note_roots(&mut self, calls: &RequiredCalls, document: &str, path: &str) {
        if let Some(request) = (!calls.is_empty()).then(|| Request::parse(document)).flatten() {
            self.note(calls, &request, &request.selections, path);
        }
    }

    /// Notes the fields of entities, which lie at `path`.
    pub(super) fn note_entities(&mut self, calls: &RequiredCalls, document: &str, alias: &str, path: &str) {
        if let Some(request) = (!calls.is_empty()).then(|| Request::parse(document)).flatten() {
            for set in request.entities(alias) {
                self.note(calls, &request, set, path);
            }
        }
    }

    fn note(&mut self, calls: &RequiredCalls, request: &Request, set: &SelectionSet, path: &str) {
        request.walk(set, path, &mut |path, it| {
            if calls.names.contains(&it.name) {
                let key = it.alias.as_ref().unwrap_or(&it.name).clone();
                self.0.insert((path.to_owned(), canonical_key(&it.name, &it.arguments)), key);
            }
        });
    }

    /// The key of a required call, in objects at `path`.
    pub(super) fn key_of(&self, path: &str, call: &RequiredCall) -> Option<&str> {
        let around = call.path.rsplit_once('.').map_or("", |(around, _)| around);
        self.0.get(&(join(path, around), call.key.clone())).map(String::as_str)
    }
}

/// Parts of a path with a dot between them.
pub(super) fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", it) | (it, "") => it.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

/// A request's document.
struct Request {
    selections: SelectionSet,
    fragments: HashMap<String, FragmentDefinition>,
}

impl Request {
    fn parse(document: &str) -> Option<Self> {
        let document = parse_query::<String>(document).ok()?.into_static();
        let (mut selections, mut fragments) = (None, HashMap::new());
        for definition in document.definitions {
            match definition {
                query::Definition::Fragment(it) => drop(fragments.insert(it.name.clone(), it)),
                query::Definition::Operation(OperationDefinition::SelectionSet(it)) => selections = Some(it),
                query::Definition::Operation(OperationDefinition::Query(it)) => {
                    selections = Some(it.selection_set);
                }
                query::Definition::Operation(OperationDefinition::Mutation(it)) => {
                    selections = Some(it.selection_set);
                }
                query::Definition::Operation(OperationDefinition::Subscription(_)) => {}
            }
        }
        Some(Self { selections: selections?, fragments })
    }

    /// Every field with the path of response keys around it.
    fn walk(&self, set: &SelectionSet, path: &str, visit: &mut dyn FnMut(&str, &query::Field)) {
        for (_, it) in self.fields(set, "") {
            visit(path, it);
            let key = it.alias.as_ref().unwrap_or(&it.name);
            self.walk(&it.selection_set, &join(path, key), visit);
        }
    }

    /// The selections on entities.
    fn entities(&self, alias: &str) -> Vec<&SelectionSet> {
        let roots = self.fields(&self.selections, "").into_iter().map(|(_, it)| it);
        let entities = roots.filter(|it| it.alias.as_ref().unwrap_or(&it.name) == alias);
        entities.map(|it| &it.selection_set).collect()
    }

    /// The fields of one level, fragments taken apart, with the type that they are selected on.
    fn fields<'r>(&'r self, set: &'r SelectionSet, on: &'r str) -> Vec<(&'r str, &'r query::Field)> {
        let mut fields = Vec::new();
        for item in &set.items {
            match item {
                Selection::Field(it) => fields.push((on, it)),
                Selection::InlineFragment(it) => {
                    let on = it.type_condition.as_ref().map_or(on, |TypeCondition::On(it)| it);
                    fields.extend(self.fields(&it.selection_set, on));
                }
                Selection::FragmentSpread(it) => {
                    if let Some(it) = self.fragments.get(&it.fragment_name) {
                        let TypeCondition::On(on) = &it.type_condition;
                        fields.extend(self.fields(&it.selection_set, on));
                    }
                }
            }
        }
        fields
    }
}

fn join_argument<'a>(directive: &'a Directive, name: &str) -> Option<&'a Value> {
    (directive.name == "join__field").then_some(())?;
    directive.arguments.iter().find(|(it, _)| it == name).map(|(_, value)| value)
}

/// Subgraphs' names by values of `join__Graph`.
fn graph_names(supergraph: &Document) -> HashMap<&str, &str> {
    let graphs = supergraph.definitions.iter().filter_map(|it| match it {
        Definition::TypeDefinition(TypeDefinition::Enum(it)) if it.name == "join__Graph" => Some(&it.values),
        _ => None,
    });
    let names = graphs.flatten().filter_map(|value| {
        let directive = value.directives.iter().find(|it| it.name == "join__graph")?;
        match directive.arguments.iter().find(|(name, _)| name == "name")? {
            (_, Value::String(name)) => Some((value.name.as_str(), name.as_str())),
            _ => None,
        }
    });
    names.collect()
}
