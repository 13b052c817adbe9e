//! What fields require (`@requires`), to hold the planner's plans against it.
//!
//! - A required field with arguments, `size(unit: INCH)`, may meet another with other arguments in one request.
//!   The planner then fetches one of them under a name of its own, and below lists of lists it forgets to read
//!   it from there. What is fetched under which name stands in the requests; so we look it up.
//! - Now and then it asks for two fields at once that require one field with different arguments, and sends one
//!   value for both; or it leaves out what a field of an interface object requires. Such plans are refused: an
//!   error is better than a wrong answer.

use super::{document::Fragments, keys::canonical_key};
use crate::{
    language::{
        self, Bounds,
        ast::{self, OperationKind, Selection, SelectionSet},
    },
    plan::RequiresItem,
};
use graphql_tools::static_graphql::schema::{Definition, Directive, Document, TypeDefinition, Value};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// What fields of the supergraph require.
#[derive(Debug, Default)]
pub(super) struct Requirements {
    /// By subgraph, type and field.
    by_field: HashMap<(String, String, String), Requirement>,
    /// Fields that are required with arguments somewhere.
    called: HashSet<String>,
}

/// What one field requires, or several together.
#[derive(Clone, Debug, Default)]
pub(super) struct Requirement {
    /// Fields of the object itself, whatever its type.
    names: BTreeSet<String>,
    calls: Vec<RequiredCall>,
}

/// A required field with arguments.
#[derive(Clone, Debug, PartialEq)]
struct RequiredCall {
    /// The field's name below those of the fields around it, `box.size`.
    path: String,
    /// Name and arguments.
    key: Arc<str>,
}

impl Requirements {
    pub(super) fn of(supergraph: &Document) -> Self {
        let (mut all, graphs) = (Self::default(), graph_names(supergraph));
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
                all.add((graph.to_owned(), owner.clone(), field.name.clone()), required);
            }
        }
        all
    }

    /// Whether a field requires something, in whichever subgraph.
    pub(super) fn has(&self, type_name: &str, field: &str) -> bool {
        self.by_field.keys().any(|(_, owner, name)| owner == type_name && name == field)
    }

    fn is_empty(&self) -> bool {
        self.by_field.is_empty()
    }

    fn add(&mut self, field: (String, String, String), required: &str) {
        let Some(request) = Request::parse(&format!("{{ {required} }}")) else { return };
        let requirement = self.by_field.entry(field).or_default();
        let own = request.selections.items.iter().filter_map(|it| match it {
            Selection::Field(it) if it.name.as_str() != "__typename" => Some(it.name.to_string()),
            _ => None,
        });
        requirement.names.extend(own);
        request.walk(&request.selections, "", &mut |path, it| {
            if !it.arguments.is_empty() {
                self.called.insert(it.name.to_string());
                let key = canonical_key(&it.name.text, &it.arguments);
                let path = join(path, it.name.as_str());
                requirement.calls.push(RequiredCall { path, key });
            }
        });
    }

    /// What the fields of entities in a request require. `alias` is the entities' response key.
    pub(super) fn of_entities(
        &self,
        subgraph: &str,
        document: &str,
        alias: &str,
    ) -> Result<Requirement, String> {
        let mut together = Requirement::default();
        let Some(request) = (!self.is_empty()).then(|| Request::parse(document)).flatten() else {
            return Ok(together);
        };
        for (type_name, it) in request.entities(alias).iter().flat_map(|set| request.fields(set, "")) {
            let at = (subgraph.to_owned(), type_name.to_owned(), it.name.to_string());
            let Some(requirement) = self.by_field.get(&at) else { continue };
            together.names.extend(requirement.names.iter().cloned());
            for call in &requirement.calls {
                if together.calls.iter().any(|it| it.path == call.path && it.key != call.key) {
                    return Err(format!("two fields require \"{}\" with different arguments", call.path));
                }
                together.calls.push(call.clone());
            }
        }
        Ok(together)
    }
}

impl Requirement {
    /// Refuses representations that lack what is required.
    pub(super) fn check(&self, representation: &[RequiresItem]) -> Result<(), String> {
        let mut names = HashSet::new();
        names_in(representation, &mut names);
        match self.names.iter().find(|it| !names.contains(it.as_str())) {
            Some(missing) => Err(format!("the required field \"{missing}\" is left out")),
            None => Ok(()),
        }
    }

    /// The key of the field at `path` where it is required with arguments: the same at all `places`.
    pub(super) fn key_of<'f>(
        &self,
        path: &str,
        fetched: &'f FetchedCalls,
        places: &[String],
    ) -> Result<Option<&'f str>, String> {
        let Some(call) = self.calls.iter().find(|it| it.path == path) else { return Ok(None) };
        let mut keys = places.iter().filter_map(|it| fetched.key_of(it, call));
        let first = keys.next();
        if keys.any(|it| Some(it) != first) {
            return Err(format!("the required field \"{path}\" lies under several names"));
        }
        Ok(first)
    }
}

fn names_in<'r>(items: &'r [RequiresItem], names: &mut HashSet<&'r str>) {
    for item in items {
        match item {
            RequiresItem::Field { name, .. } => drop(names.insert(name)),
            RequiresItem::On { selection, .. } => names_in(selection, names),
        }
    }
}

/// Under which keys the fields lie that somebody might require with arguments.
#[derive(Debug, Default)]
pub(super) struct FetchedCalls(HashMap<(String, Arc<str>), Arc<str>>);

impl FetchedCalls {
    /// Notes the fields of a request to a subgraph's roots.
    pub(super) fn note_roots(&mut self, all: &Requirements, document: &str, path: &str) {
        if let Some(request) = (!all.called.is_empty()).then(|| Request::parse(document)).flatten() {
            self.note(all, &request, &request.selections, path);
        }
    }

    /// Notes the fields of entities, which lie at `path`.
    pub(super) fn note_entities(&mut self, all: &Requirements, document: &str, alias: &str, path: &str) {
        if let Some(request) = (!all.called.is_empty()).then(|| Request::parse(document)).flatten() {
            for set in request.entities(alias) {
                self.note(all, &request, set, path);
            }
        }
    }

    fn note(&mut self, all: &Requirements, request: &Request, set: &SelectionSet, path: &str) {
        request.walk(set, path, &mut |path, it| {
            if all.called.contains(it.name.as_str()) {
                let key = it.response_name().text.clone();
                self.0.insert((path.to_owned(), canonical_key(&it.name.text, &it.arguments)), key);
            }
        });
    }

    /// The key of a required call, in objects at `path`.
    fn key_of(&self, path: &str, call: &RequiredCall) -> Option<&str> {
        let around = call.path.rsplit_once('.').map_or("", |(around, _)| around);
        self.0.get(&(join(path, around), call.key.clone())).map(|it| &**it)
    }
}

/// The fields that a request asks entities for, each with the type that it is asked on. `alias` is the entities'
/// response key.
pub(super) fn asked_of_entities(document: &str, alias: &str) -> Vec<(String, String)> {
    let Some(request) = Request::parse(document) else { return Vec::new() };
    let fields = request.entities(alias).into_iter().flat_map(|set| request.fields(set, ""));
    let own = |(on, it): (&str, &ast::Field)| (on.to_owned(), it.response_name().to_string());
    fields.map(own).filter(|(_, key)| key != "__typename").collect()
}

/// Parts of a path, with a dot between them.
pub(super) fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", it) | (it, "") => it.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

/// A request's document.
struct Request {
    selections: SelectionSet,
    fragments: Fragments,
}

impl Request {
    /// A document of the planner's, or the fields of a schema between braces.
    fn parse(document: &str) -> Option<Self> {
        let document =
            language::parse(document, &Bounds { tokens_max: usize::MAX, ..Bounds::default() }).ok()?;
        let (mut selections, mut fragments) = (None, Fragments::new());
        for definition in document.definitions {
            match definition {
                ast::Definition::Fragment(it) => drop(fragments.insert(it.name.text.clone(), it)),
                ast::Definition::Operation(it) if it.kind != OperationKind::Subscription => {
                    selections = Some(it.selection_set);
                }
                ast::Definition::Operation(_) | ast::Definition::TypeSystem(_) => {}
            }
        }
        Some(Self { selections: selections?, fragments })
    }

    /// Every field with the path of response keys around it.
    fn walk(&self, set: &SelectionSet, path: &str, visit: &mut dyn FnMut(&str, &ast::Field)) {
        for (_, it) in self.fields(set, "") {
            visit(path, it);
            if let Some(set) = &it.selection_set {
                self.walk(set, &join(path, it.response_name().as_str()), visit);
            }
        }
    }

    /// The selections on entities.
    fn entities(&self, alias: &str) -> Vec<&SelectionSet> {
        let roots = self.fields(&self.selections, "").into_iter().map(|(_, it)| it);
        let entities = roots.filter(|it| it.response_name().as_str() == alias);
        entities.filter_map(|it| it.selection_set.as_ref()).collect()
    }

    /// The fields of one level, fragments taken apart, with the type that they are selected on.
    fn fields<'r>(&'r self, set: &'r SelectionSet, on: &'r str) -> Vec<(&'r str, &'r ast::Field)> {
        let mut fields = Vec::new();
        for item in &set.items {
            match item {
                Selection::Field(it) => fields.push((on, it)),
                Selection::InlineFragment(it) => {
                    let on = it.type_condition.as_ref().map_or(on, |it| it.as_str());
                    fields.extend(self.fields(&it.selection_set, on));
                }
                Selection::FragmentSpread(it) => {
                    if let Some(it) = self.fragments.get(&it.name.text) {
                        fields.extend(self.fields(&it.selection_set, it.type_condition.as_str()));
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
