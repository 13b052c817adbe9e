//! Reads what a supergraph SDL says about its graphs (the join specification, v0.3 and later).

use super::{
    errors::LoadError,
    sdl::{Composite, Sdl, argument, string},
};
use federation_composition::graphql_core::{
    Definition, Directive, Document, FieldDefinition, OperationType, Value,
};
use std::collections::BTreeSet;

const JOIN: &str = "https://specs.apollo.dev/join/v";

/// A supergraph as the join directives describe it.
pub(super) struct Join<'a> {
    pub(super) sdl: Sdl<'a>,
    /// Values of `join__Graph` with their graphs' names.
    graphs: Vec<(&'a str, &'a str)>,
    document: &'a Document,
}

impl<'a> Join<'a> {
    pub(super) fn of(document: &'a Document) -> Self {
        let mut graphs = Vec::new();
        for definition in &document.definitions {
            let Definition::EnumTypeDefinition(it) = definition else { continue };
            for value in it.values.iter().filter(|_| it.name.value == "join__Graph") {
                let graph = value.directives.iter().find(|it| it.name.value == "join__graph");
                let name = graph.and_then(|it| argument(it, "name")).and_then(string);
                graphs.push((value.name.value.as_str(), name.unwrap_or(&value.name.value)));
            }
        }
        Self { sdl: Sdl::of(document), graphs, document }
    }

    /// The name of a `join__Graph` value.
    pub(super) fn name_of(&self, value: &str) -> Option<&'a str> {
        self.graphs.iter().find(|(it, _)| *it == value).map(|(_, name)| *name)
    }

    /// The `join__Graph` value of a graph.
    pub(super) fn value_of(&self, name: &str) -> Option<&'a str> {
        self.graphs.iter().find(|(_, it)| *it == name).map(|(value, _)| *value)
    }

    /// A `join__Graph` value for another graph.
    pub(super) fn new_value(&self, name: &str) -> String {
        let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let mut value: String = name.chars().map(upper).collect();
        if !value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            value.insert(0, '_');
        }
        while self.graphs.iter().any(|(it, _)| *it == value) {
            value.push('_');
        }
        value
    }

    /// The graphs that a type stands in, each once.
    pub(super) fn type_graphs(&self, name: &str) -> Vec<String> {
        let definition = self.document.definitions.iter().find(|it| type_name(it) == Some(name));
        let mut graphs: Vec<String> = Vec::new();
        for directive in definition.map(directives).unwrap_or_default() {
            if let (true, Some(graph)) = (directive.name.value == "join__type", graph_of(directive))
                && !graphs.iter().any(|it| it == graph)
            {
                graphs.push(graph.to_owned());
            }
        }
        graphs
    }

    /// The graphs that serve a field: those it names, or all of its type.
    pub(super) fn graphs_of(&self, owner: &Composite<'_>, field: &FieldDefinition) -> Vec<String> {
        let placed: Vec<&Directive> =
            field.directives.iter().filter(|it| it.name.value == "join__field").collect();
        if placed.is_empty() {
            return self.type_graphs(owner.name);
        }
        let serves =
            |it: &&&Directive| !matches!(argument(it, "external"), Some(Value::Boolean(it)) if it.value);
        placed.iter().filter(serves).filter_map(|it| graph_of(it)).map(str::to_owned).collect()
    }

    /// Keys by which graphs other than `graph` resolve a type.
    pub(super) fn resolvable_keys(&self, object: &Composite<'a>, graph: &str) -> Vec<&'a str> {
        let resolvable = |it: &&&Directive| {
            it.name.value == "join__type"
                && graph_of(it).is_some_and(|it| it != graph)
                && !matches!(argument(it, "resolvable"), Some(Value::Boolean(it)) if !it.value)
        };
        let keyed = object.directives.iter().filter(resolvable);
        keyed.filter_map(|it| argument(it, "key").and_then(string)).collect()
    }
}

fn graph_of(directive: &Directive) -> Option<&str> {
    match argument(directive, "graph")? {
        Value::Enum(it) => Some(&it.value),
        _ => None,
    }
}

/// Refuses supergraphs of the first versions of the join specification, which say too little.
pub(super) fn check_version(document: &Document) -> Result<(), Box<LoadError>> {
    let directives = document.definitions.iter().flat_map(|it| match it {
        Definition::SchemaDefinition(it) => &it.directives[..],
        Definition::SchemaExtension(it) => &it.directives[..],
        _ => &[],
    });
    let urls = directives.filter_map(|it| argument(it, "url").or_else(|| argument(it, "feature")));
    let version = urls.filter_map(string).find_map(|it| it.strip_prefix(JOIN));
    let advice = "compose again with Federation 2.3 or later";
    match version {
        None => {
            let message = format!("this is no supergraph SDL (it links no join specification); {advice}");
            Err(Box::new(LoadError::new("SUPERGRAPH", message)))
        }
        Some(version @ ("0.1" | "0.2")) => {
            let message = format!("the supergraph is of join v{version}; {advice}");
            Err(Box::new(LoadError::new("SUPERGRAPH_VERSION", message)))
        }
        Some("0.3" | "0.4" | "0.5") => Ok(()),
        Some(version) => {
            let message = format!("the supergraph is of join v{version}; v0.3 to v0.5 are known");
            Err(Box::new(LoadError::new("SUPERGRAPH_VERSION", message)))
        }
    }
}

/// Refuses what the planner would pass over in silence and then answer wrongly.
pub(super) fn check_supported(supergraph: &Document) -> Vec<LoadError> {
    let join = Join::of(supergraph);
    let mut errors = Vec::new();
    for object in join.sdl.objects.iter().chain(&join.sdl.interfaces) {
        join.check_graphs(object.name.to_owned(), &object.directives, &mut errors);
        for field in &object.fields {
            let at = format!("{}.{}", object.name, field.name.value);
            let asking = field.directives.iter().find(|it| argument(it, "contextArguments").is_some());
            if let Some(directive) = asking {
                let graph = graph_of(directive).and_then(|it| join.name_of(it));
                let place = graph.map(|it| format!(" (graph \"{it}\" uses them)")).unwrap_or_default();
                let message = format!("@context and @fromContext are not supported{place}");
                errors.push(LoadError::new("CONTEXT", message).at(&at));
            }
            join.check_graphs(at, &field.directives.iter().collect::<Vec<_>>(), &mut errors);
        }
    }
    if join.sdl.root(OperationType::Query).is_none_or(|it| it.fields.is_empty()) {
        errors.push(LoadError::new("NO_QUERIES", "the supergraph has no query type"));
    }
    errors
}

impl Join<'_> {
    fn check_graphs(&self, at: String, directives: &[&Directive], errors: &mut Vec<LoadError>) {
        let unknown = |it: &&&Directive| {
            it.name.value.starts_with("join__") && graph_of(it).is_some_and(|it| self.name_of(it).is_none())
        };
        if let Some(graph) = directives.iter().find(unknown).and_then(|it| graph_of(it)) {
            let message = format!("the supergraph has no graph {graph}");
            errors.push(LoadError::new("SUPERGRAPH", message).at(at));
        }
    }
}

/// The name of a type definition.
pub(super) fn type_name(definition: &Definition) -> Option<&str> {
    Some(match definition {
        Definition::ScalarTypeDefinition(it) => &it.name.value,
        Definition::ObjectTypeDefinition(it) => &it.name.value,
        Definition::InterfaceTypeDefinition(it) => &it.name.value,
        Definition::UnionTypeDefinition(it) => &it.name.value,
        Definition::EnumTypeDefinition(it) => &it.name.value,
        Definition::InputObjectTypeDefinition(it) => &it.name.value,
        _ => return None,
    })
}

fn directives(definition: &Definition) -> &[Directive] {
    match definition {
        Definition::ScalarTypeDefinition(it) => &it.directives,
        Definition::ObjectTypeDefinition(it) => &it.directives,
        Definition::InterfaceTypeDefinition(it) => &it.directives,
        Definition::UnionTypeDefinition(it) => &it.directives,
        Definition::EnumTypeDefinition(it) => &it.directives,
        Definition::InputObjectTypeDefinition(it) => &it.directives,
        _ => &[],
    }
}

pub(super) fn directives_mut(definition: &mut Definition) -> Option<&mut Vec<Directive>> {
    Some(match definition {
        Definition::ScalarTypeDefinition(it) => &mut it.directives,
        Definition::ObjectTypeDefinition(it) => &mut it.directives,
        Definition::InterfaceTypeDefinition(it) => &mut it.directives,
        Definition::UnionTypeDefinition(it) => &mut it.directives,
        Definition::EnumTypeDefinition(it) => &mut it.directives,
        Definition::InputObjectTypeDefinition(it) => &mut it.directives,
        _ => return None,
    })
}

/// Names of fields or enum values.
pub(super) fn member_names(definition: &Definition) -> BTreeSet<String> {
    match definition {
        Definition::ObjectTypeDefinition(it) => it.fields.iter().map(|it| it.name.value.clone()).collect(),
        Definition::InterfaceTypeDefinition(it) => it.fields.iter().map(|it| it.name.value.clone()).collect(),
        Definition::InputObjectTypeDefinition(it) => {
            it.fields.iter().map(|it| it.name.value.clone()).collect()
        }
        Definition::EnumTypeDefinition(it) => it.values.iter().map(|it| it.name.value.clone()).collect(),
        _ => BTreeSet::new(),
    }
}

/// Visits the fields of a type with their directives.
pub(super) fn for_each_field(
    definition: &mut Definition,
    mut visit: impl FnMut(&String, &mut Vec<Directive>),
) {
    match definition {
        Definition::ObjectTypeDefinition(it) => {
            it.fields.iter_mut().for_each(|it| visit(&it.name.value, &mut it.directives));
        }
        Definition::InterfaceTypeDefinition(it) => {
            it.fields.iter_mut().for_each(|it| visit(&it.name.value, &mut it.directives));
        }
        Definition::InputObjectTypeDefinition(it) => {
            it.fields.iter_mut().for_each(|it| visit(&it.name.value, &mut it.directives));
        }
        _ => {}
    }
}
