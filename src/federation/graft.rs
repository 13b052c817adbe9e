//! Adds event graphs to a supergraph that was composed elsewhere, the way a composer would have.
//!
//! Only what the join specification says about where fields and keys are is touched: a type gets to know
//! the new graph, fields that so far stood in every graph of their type say in which.

use super::{
    authorization::{Authorization, Directives},
    compose::Composed,
    directives::applied,
    errors::LoadError,
    events::{Binding, EventGraph, check_elsewhere, selection_of},
    graphs::SupergraphSource,
    join::{self, Join},
    left_out::say_requirements,
    origins::syntax_error,
    protection::{hidden_by_another_name, unenforced},
    sdl::{Composite, Sdl, argument, read, string},
};
use crate::plan::OperationKind;
use federation_composition::graphql_core::{
    Argument, Definition, Directive, Document, EnumTypeDefinition, EnumValueDefinition, FieldDefinition,
    Name, NamedType, ObjectTypeDefinition, OperationType, OperationTypeDefinition, Selection, SelectionSet,
    Value, print,
};
use std::collections::{BTreeSet, HashMap};

/// The supergraph with the event graphs in it. Root fields that it has already are bound where they are:
/// `services` names the graph of the supergraph that stands for an event graph's field.
pub(super) fn graft(source: &SupergraphSource, events: &[EventGraph]) -> Result<Composed, Vec<LoadError>> {
    let document = read(&source.sdl).map_err(|message| {
        let error = syntax_error("", source.file.as_ref(), &source.sdl, &message);
        vec![LoadError { graph: None, ..error }]
    })?;
    join::check_version(&document).map_err(|it| vec![*it])?;
    let directives = applied(&document, &source.sdl);
    let mut faults = check_elsewhere(&directives);
    faults.extend(hidden_by_another_name(&document, &directives));
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut unenforced = unenforced(&document, &directives);
    unenforced.iter_mut().for_each(|it| it.file = source.file.clone());
    unenforced.extend(events.iter().flat_map(|it| it.unenforced.clone()));
    drop(directives);
    let mut authorization = Authorization::default();
    let all: Vec<&Document> = [&document].into_iter().chain(events.iter().map(|it| &it.document)).collect();
    all.iter().for_each(|it| authorization.read(it));
    authorization.spread(&all);
    let (mut document, mut services, mut errors) = (document, HashMap::new(), Vec::new());
    for event in events {
        let mut graft = Graft::new(&mut document, event, &mut errors);
        graft.run(&mut services);
    }
    errors.extend(mixed_graphs(&document, events, &services));
    if !errors.is_empty() {
        return Err(errors);
    }
    // What needed no change goes on byte for byte.
    let is_whole = services.len() == events.iter().map(|it| it.bindings.len()).sum::<usize>();
    let is_changed = say_requirements(&mut document, &requirements_of(events)) || !is_whole;
    let sdl = if is_changed { print(&document) } else { source.sdl.clone() };
    Ok(Composed {
        sdl,
        notes: Vec::new(),
        services,
        authorization,
        unsatisfiable: BTreeSet::new(),
        unenforced,
    })
}

/// What event graphs ask of clients. What the supergraph asks for stands in its text.
fn requirements_of(events: &[EventGraph]) -> Authorization {
    let mut authorization = Authorization::default();
    let all: Vec<&Document> = events.iter().map(|it| &it.document).collect();
    all.iter().for_each(|it| authorization.read(it));
    authorization.spread(&all);
    authorization
}

/// Where root fields of event graphs are found, when not under the event graph's own name: by event
/// graph, root type and field.
pub(super) type Services = HashMap<(String, OperationKind, String), String>;

/// A graph of the supergraph whose root fields are bound in part would have to be a server and a broker.
fn mixed_graphs(document: &Document, events: &[EventGraph], services: &Services) -> Vec<LoadError> {
    let bound: BTreeSet<&str> = services.values().map(String::as_str).collect();
    let all: Vec<&Binding> = events.iter().flat_map(|it| &it.bindings).collect();
    let join = Join::of(document);
    let mut errors = Vec::new();
    for (root, kind) in ROOTS {
        let Some(object) = join.sdl.root(root) else { continue };
        for field in &object.fields {
            let is_bound = all.iter().any(|it| it.root == kind && *it.field == *field.name.value);
            for graph in join.graphs_of(object, field).iter().filter_map(|it| join.name_of(it)) {
                if !is_bound && bound.contains(graph) {
                    let message = format!(
                        "graph \"{graph}\" of the supergraph serves event fields and this one, which no event graph binds"
                    );
                    let at = format!("{}.{}", object.name, field.name.value);
                    errors.push(LoadError::new("GRAFT_MIXED_GRAPH", message).at(at));
                }
            }
        }
    }
    errors
}

const ROOTS: [(OperationType, OperationKind); 3] = [
    (OperationType::Query, OperationKind::Query),
    (OperationType::Mutation, OperationKind::Mutation),
    (OperationType::Subscription, OperationKind::Subscription),
];

/// One event graph on its way into the supergraph.
struct Graft<'a, 'e> {
    document: &'a mut Document,
    event: &'a EventGraph,
    /// The event graph's value of `join__Graph`.
    graph: String,
    is_new: bool,
    errors: &'e mut Vec<LoadError>,
}

impl<'a, 'e> Graft<'a, 'e> {
    fn new(document: &'a mut Document, event: &'a EventGraph, errors: &'e mut Vec<LoadError>) -> Self {
        let join = Join::of(document);
        let known = join.value_of(&event.name).map(str::to_owned);
        let is_new = known.is_none();
        let graph = known.unwrap_or_else(|| join.new_value(&event.name));
        Self { document, event, graph, is_new, errors }
    }

    fn complain(&mut self, rule: &str, at: &str, message: String) {
        self.errors
            .push(LoadError::new(rule, message).at(at).in_graph(&self.event.name, self.event.file.as_ref()));
    }

    fn run(&mut self, services: &mut Services) {
        let missing = self.bind(services);
        if missing.is_empty() {
            return;
        }
        let event = Sdl::of(&self.event.document);
        self.check_keys(&event);
        if self.is_new {
            self.add_graph();
        }
        self.add_types(&event);
        for (root, kind) in ROOTS {
            let fields: Vec<&FieldDefinition> =
                event.root(root).map(|it| it.fields.to_vec()).unwrap_or_default();
            let wanted = fields.into_iter().filter(|it| missing.contains(&(kind, it.name.value.clone())));
            self.add_root_fields(root, wanted.collect());
        }
    }

    /// Binds what is there; answers what is not.
    fn bind(&self, services: &mut Services) -> Vec<(OperationKind, String)> {
        let join = Join::of(self.document);
        let mut missing = Vec::new();
        for binding in &self.event.bindings {
            let (root, _) = ROOTS.into_iter().find(|(_, kind)| *kind == binding.root).expect("all roots");
            let found = join.sdl.root(root).and_then(|object| {
                let field = object.field(&binding.field)?;
                let graphs = join.graphs_of(object, field);
                graphs.first().and_then(|it| join.name_of(it)).map(str::to_owned)
            });
            let field = binding.field.to_string();
            match found {
                Some(service) => {
                    services.insert((self.event.name.to_string(), binding.root, field), service);
                }
                None => missing.push((binding.root, field)),
            }
        }
        missing
    }

    /// An event names an entity; some subgraph has to be able to tell the rest of it.
    fn check_keys(&mut self, event: &Sdl<'_>) {
        let mut problems = Vec::new();
        let join = Join::of(self.document);
        for entity in event.objects.iter().filter(|it| it.keys().next().is_some()) {
            let Some(there) = join.sdl.object(entity.name) else {
                problems.push((entity.name.to_owned(), "the supergraph has no such type".to_owned()));
                continue;
            };
            for key in key_fields(entity) {
                let paths = paths_of(&key);
                let complete = there.fields.iter().all(|it| entity.field(&it.name.value).is_some());
                let resolvable = join.resolvable_keys(there, &self.graph);
                let resolves = resolvable.iter().any(|it| paths_of(it).is_subset(&paths));
                if !complete && !resolves {
                    let message = format!("no subgraph resolves the type by the key \"{key}\"");
                    problems.push((entity.name.to_owned(), message));
                }
            }
            for field in &entity.fields {
                let same = there.field(&field.name.value).map(|it| print(&it.ty) == print(&field.ty));
                let message = match same {
                    Some(true) => continue,
                    Some(false) => "the field's type differs from the supergraph's",
                    None => "the supergraph has no such field",
                };
                problems.push((format!("{}.{}", entity.name, field.name.value), message.to_owned()));
            }
        }
        for (at, message) in problems {
            self.complain("GRAFT_KEYS", &at, message);
        }
    }

    fn add_graph(&mut self) {
        let directive = directive(
            "join__graph",
            vec![("name", Value::string(&*self.event.name)), ("url", Value::string(""))],
        );
        let value = EnumValueDefinition {
            name: Name::new(&self.graph),
            directives: vec![directive],
            ..EnumValueDefinition::default()
        };
        if let Some(Definition::EnumTypeDefinition(it)) = self.definition("join__Graph") {
            it.values.push(value);
        }
        // Every graph can be entered at the query type.
        let join_type = self.join_type(None);
        let query = Join::of(self.document).sdl.root_name(OperationType::Query).to_owned();
        if let Some(Definition::ObjectTypeDefinition(it)) = self.definition(&query) {
            it.directives.push(join_type);
        }
    }

    fn definition(&mut self, name: &str) -> Option<&mut Definition> {
        self.document.definitions.iter_mut().find(|it| join::type_name(it) == Some(name))
    }

    fn join_type(&self, key: Option<&str>) -> Directive {
        let mut arguments = vec![("graph", Value::enum_value(&self.graph))];
        if let Some(key) = key {
            arguments.push(("key", Value::string(key)));
            arguments.push(("resolvable", Value::boolean(false)));
        }
        directive("join__type", arguments)
    }

    fn add_types(&mut self, event: &Sdl<'_>) {
        let roots = ROOTS.map(|(root, _)| event.root_name(root).to_owned());
        for definition in &self.event.document.definitions {
            let Some(name) = join::type_name(definition).filter(|it| !roots.iter().any(|root| root == it))
            else {
                continue;
            };
            match self.definition(name) {
                None => self.add_new_type(definition, event),
                Some(_) => self.add_to_type(name, definition, event),
            }
        }
    }

    /// A type that the supergraph does not have: results, inputs, enums, scalars of the event graph.
    fn add_new_type(&mut self, definition: &Definition, event: &Sdl<'_>) {
        let mut definition = definition.clone();
        let join_type = self.join_type(None);
        match &mut definition {
            Definition::EnumTypeDefinition(it) => self.mark_values(it),
            Definition::UnionTypeDefinition(it) => {
                let members: Vec<String> = it.types.iter().map(|it| it.name.value.clone()).collect();
                it.directives.extend(members.iter().map(|member| self.union_member(member)));
            }
            Definition::ObjectTypeDefinition(it) if event.object(&it.name.value).is_some_and(has_key) => {
                return;
            }
            _ => {}
        }
        if let Some(directives) = join::directives_mut(&mut definition) {
            directives.retain(|it| it.name.value.starts_with("join__"));
            directives.insert(0, join_type);
        }
        self.document.definitions.push(definition);
    }

    fn mark_values(&self, definition: &mut EnumTypeDefinition) {
        for value in &mut definition.values {
            value.directives.push(self.on_graph("join__enumValue"));
        }
    }

    fn union_member(&self, member: &str) -> Directive {
        let graph = Value::enum_value(&self.graph);
        directive("join__unionMember", vec![("graph", graph), ("member", Value::string(member))])
    }

    fn on_graph(&self, name: &str) -> Directive {
        directive(name, vec![("graph", Value::enum_value(&self.graph))])
    }

    /// Tells a type of the supergraph that it stands in the event graph as well.
    fn add_to_type(&mut self, name: &str, source: &Definition, event: &Sdl<'_>) {
        let before = Join::of(self.document).type_graphs(name);
        if before.contains(&self.graph) {
            return;
        }
        let keys: Vec<String> = event.object(name).map(key_fields).unwrap_or_default();
        let mut directives: Vec<Directive> = match keys.is_empty() {
            true => vec![self.join_type(None)],
            false => keys.iter().map(|it| self.join_type(Some(it))).collect(),
        };
        let interfaces = event.object(name).map(|it| it.interfaces.clone()).unwrap_or_default();
        for interface in interfaces {
            let graph = Value::enum_value(&self.graph);
            let arguments = vec![("graph", graph), ("interface", Value::string(interface))];
            directives.push(directive("join__implements", arguments));
        }
        if let Definition::UnionTypeDefinition(it) = source {
            directives.extend(it.types.iter().map(|it| self.union_member(&it.name.value)));
        }
        let here = join::member_names(source);
        let graph = self.graph.clone();
        let on_value = self.on_graph("join__enumValue");
        let Some(target) = self.definition(name) else { return };
        let there = join::member_names(target);
        if let Some(existing) = join::directives_mut(target) {
            existing.extend(directives);
        }
        match target {
            Definition::EnumTypeDefinition(it) => {
                let shared = it.values.iter_mut().filter(|it| here.contains(&it.name.value));
                shared.for_each(|it| it.directives.push(on_value.clone()));
            }
            _ => join::for_each_field(target, |field, directives| {
                place_field(directives, here.contains(field), &before, &graph);
            }),
        }
        for member in here.difference(&there) {
            let message = "the supergraph's type does not have it; compose again".to_owned();
            self.complain("GRAFT_TYPE", &format!("{name}.{member}"), message);
        }
    }

    fn add_root_fields(&mut self, root: OperationType, fields: Vec<&FieldDefinition>) {
        if fields.is_empty() {
            return;
        }
        let name = Join::of(self.document).sdl.root_name(root).to_owned();
        let before = Join::of(self.document).type_graphs(&name);
        if self.definition(&name).is_none() {
            self.add_root_type(root, &name);
        }
        let guards = Directives::of(&self.event.document);
        let (join_type, join_field, graph) =
            (self.join_type(None), self.on_graph("join__field"), self.graph.clone());
        let Some(Definition::ObjectTypeDefinition(object)) = self.definition(&name) else { return };
        if !before.contains(&graph) {
            object.directives.push(join_type);
        }
        for field in &mut object.fields {
            place_field(&mut field.directives, false, &before, &graph);
        }
        for field in fields {
            let mut field = field.clone();
            // They are written as the supergraph calls them, with all others.
            field.directives.retain(|it| !guards.is_one(&it.name.value));
            field.directives.push(join_field.clone());
            object.fields.push(field);
        }
    }

    fn add_root_type(&mut self, root: OperationType, name: &str) {
        let object = ObjectTypeDefinition { name: Name::new(name), ..ObjectTypeDefinition::default() };
        self.document.definitions.push(object.into());
        for definition in &mut self.document.definitions {
            if let Definition::SchemaDefinition(it) = definition {
                let ty = NamedType { name: Name::new(name) };
                it.operation_types.push(OperationTypeDefinition { operation: root, ty });
            }
        }
    }
}

/// Says where a field is, now that its type stands in one graph more.
fn place_field(directives: &mut Vec<Directive>, here: bool, before: &[String], graph: &str) {
    let placed = directives.iter().any(|it| it.name.value == "join__field");
    let at = |graph: &str| directive("join__field", vec![("graph", Value::enum_value(graph))]);
    match (here, placed) {
        (true, true) => directives.push(at(graph)),
        (false, false) => directives.extend(before.iter().filter(|it| *it != graph).map(|it| at(it))),
        _ => {}
    }
}

fn directive(name: &str, arguments: Vec<(&str, Value)>) -> Directive {
    let arguments = arguments.into_iter().map(|(name, value)| Argument::new(name, value)).collect();
    Directive::new(name, arguments)
}

fn has_key(object: &Composite<'_>) -> bool {
    object.keys().next().is_some()
}

fn key_fields(object: &Composite<'_>) -> Vec<String> {
    object.keys().filter_map(|it| argument(it, "fields").and_then(string)).map(str::to_owned).collect()
}

/// A key's fields as dotted paths.
fn paths_of(key: &str) -> BTreeSet<String> {
    fn add(set: &SelectionSet, prefix: &str, out: &mut BTreeSet<String>) {
        for item in &set.selections {
            let Selection::Field(field) = item else { continue };
            let path = format!("{prefix}{}", field.name.value);
            match &field.selection_set {
                Some(inner) => add(inner, &format!("{path}."), out),
                None => {
                    out.insert(path);
                }
            }
        }
    }
    let mut out = BTreeSet::new();
    if let Some(set) = selection_of(key) {
        add(&set, "", &mut out);
    }
    out
}
