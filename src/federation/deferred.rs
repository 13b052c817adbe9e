//! Operations that the planner cannot plan as a whole, in parts.
//!
//! The planner gives up on two kinds of fields that require others:
//! - Where an object leads to another one of its own type within one subgraph, and a field of the inner one
//!   requires what an earlier subgraph has, it takes the inner object for the outer:
//!   `{ employee { manager { seniority } } }`.
//! - Where they are reached through a field that itself requires something of two subgraphs.
//!
//! Such fields are put off. The operation is planned without them and with the objects' key instead; then they
//! are planned as if they were asked of objects that a graph of our own gives by that key, and what comes out is
//! carried out where the objects lie.

use super::{
    required::Requirements,
    selection::{Field, Selection},
    types::{Types, named},
};
use crate::plan::PathSegment;
use graphql_tools::static_graphql::schema::{
    self, Definition, Directive, Document, EnumValue, Type, TypeDefinition, Value,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The graph of our own, as a value of `join__Graph`; no composer makes such a name.
const GRAPH: &str = "JUGA__ENTRIES";
/// Its name as the planner says it.
pub(super) const GRAPH_NAME: &str = "juga entries";

/// Fields that are put off, and where their objects lie.
pub(super) struct Deferred {
    pub(super) entry: Entry,
    type_name: String,
    fields: Vec<Selection>,
}

/// A root field that stands for objects elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) field: String,
    pub(super) path: Vec<PathSegment>,
}

impl Deferred {
    /// The root field under which the fields are planned.
    pub(super) fn root(&self) -> Field {
        let fields =
            Selection::On { condition: self.type_name.as_str().into(), selections: self.fields.clone() };
        Field { selections: vec![fields], is_composite: true, ..plain(&self.entry.field) }
    }
}

/// The keys by which entities can be entered: one of built-in scalars for each type.
#[derive(Debug)]
pub(super) struct Entries(BTreeMap<String, Vec<String>>);

impl Entries {
    pub(super) fn of(supergraph: &Document) -> Self {
        let objects = supergraph.definitions.iter().filter_map(|it| match it {
            Definition::TypeDefinition(TypeDefinition::Object(it)) => Some(it),
            _ => None,
        });
        Self(objects.filter_map(|it| Some((it.name.clone(), simple_key(it)?))).collect())
    }

    /// The supergraph with a root field for each of these types.
    pub(super) fn open(&self, supergraph: &Document, query: &str) -> Document {
        let mut document = supergraph.clone();
        for definition in &mut document.definitions {
            match definition {
                Definition::TypeDefinition(TypeDefinition::Enum(it)) if it.name == "join__Graph" => {
                    it.values.push(own_graph());
                }
                Definition::TypeDefinition(TypeDefinition::Object(it)) if it.name == query => {
                    say_where(it, &[]);
                    it.directives.push(directive("join__type", Vec::new()));
                    it.fields.extend(self.0.keys().map(|it| entry_field(it)));
                }
                Definition::TypeDefinition(TypeDefinition::Object(it)) => {
                    let Some(key) = self.0.get(&it.name) else { continue };
                    say_where(it, key);
                    let key = Value::String(key.join(" "));
                    let rest = vec![("key", key), ("resolvable", Value::Boolean(false))];
                    it.directives.push(directive("join__type", rest));
                }
                _ => {}
            }
        }
        document
    }

    /// Takes fields out that the planner may stumble over; `None` if there are none. `key_of` says under
    /// which keys root fields are planned.
    pub(super) fn defer(
        &self,
        types: &Types,
        requirements: &Requirements,
        root_type: &str,
        fields: &[Field],
        key_of: &dyn Fn(&Field) -> Arc<str>,
    ) -> Option<(Vec<Field>, Vec<Deferred>)> {
        let mut walk = Walk { entries: self, types, requirements, deferred: Vec::new() };
        let mut root =
            |it: &Field| walk.field(root_type, Around::default(), &[PathSegment::Key(key_of(it))], it);
        let rest: Vec<Field> = fields.iter().map(&mut root).collect();
        // Objects have to be there before what lies below them.
        walk.deferred.sort_by_key(|it| it.entry.path.len());
        (!walk.deferred.is_empty()).then_some((rest, walk.deferred))
    }
}

/// What is around a selection.
#[derive(Clone, Copy, Default)]
struct Around<'t> {
    /// The type that leads here, and what is around that.
    within: Option<(&'t str, &'t Self)>,
    /// Whether a field on the way requires others.
    is_required: bool,
}

impl Around<'_> {
    fn has(&self, type_name: &str) -> bool {
        self.within.is_some_and(|(owner, rest)| owner == type_name || rest.has(type_name))
    }
}

struct Walk<'a> {
    entries: &'a Entries,
    types: &'a Types,
    requirements: &'a Requirements,
    deferred: Vec<Deferred>,
}

impl Walk<'_> {
    /// A field of `owner`, whose value lies at `path`, without what is put off.
    fn field(&mut self, owner: &str, around: Around<'_>, path: &[PathSegment], field: &Field) -> Field {
        let Some(returns) = self.types.field(owner, &field.name).map(|it| named(&it.ty).to_owned()) else {
            return field.clone();
        };
        let is_required = around.is_required || self.requirements.has(owner, &field.name);
        let around = Around { within: Some((owner, &around)), is_required };
        Field { selections: self.selections(&returns, around, path, &field.selections), ..field.clone() }
    }

    fn selections(
        &mut self,
        owner: &str,
        around: Around<'_>,
        path: &[PathSegment],
        selections: &[Selection],
    ) -> Vec<Selection> {
        let key = self.entries.0.get(owner).filter(|_| around.is_required || around.has(owner));
        let (mut kept, mut put_off) = (Vec::with_capacity(selections.len()), Vec::new());
        for selection in selections {
            match selection {
                Selection::Field(it) => {
                    let is_put_off = key.is_some() && self.requirements.has(owner, &it.name);
                    let path = below(path, PathSegment::Key(it.key.clone()));
                    let field = Selection::Field(self.field(owner, around, &path, it));
                    if is_put_off { put_off.push(field) } else { kept.push(field) }
                }
                Selection::On { condition, selections } => {
                    let path = below(path, PathSegment::Types(self.types.possible(condition)));
                    let selections = self.selections(condition, around, &path, selections);
                    kept.push(Selection::On { condition: condition.clone(), selections });
                }
            }
        }
        if !put_off.is_empty() {
            let key = key.into_iter().flatten().map(String::as_str).chain(["__typename"]);
            kept.extend(key.map(|it| Selection::Field(plain(it))));
            self.put_off(owner, path, put_off);
        }
        kept
    }

    /// The same objects may be selected several times.
    fn put_off(&mut self, type_name: &str, path: &[PathSegment], fields: Vec<Selection>) {
        let is_same = |it: &&mut Deferred| it.type_name == type_name && it.entry.path == path;
        match self.deferred.iter_mut().find(is_same) {
            Some(known) => known.fields.extend(fields),
            None => {
                let entry = Entry { field: entry_name(type_name), path: path.to_vec() };
                self.deferred.push(Deferred { entry, type_name: type_name.to_owned(), fields });
            }
        }
    }
}

fn below(path: &[PathSegment], segment: PathSegment) -> Vec<PathSegment> {
    path.iter().cloned().chain([segment]).collect()
}

fn entry_name(type_name: &str) -> String {
    format!("_entry_{type_name}")
}

fn plain(name: &str) -> Field {
    let key: Arc<str> = name.into();
    Field {
        name: key.clone(),
        response_key: key.clone(),
        key,
        arguments: Vec::new(),
        selections: Vec::new(),
        is_composite: false,
        unreachable: false,
    }
}

/// The first key that consists of fields with built-in scalars.
fn simple_key(object: &schema::ObjectType) -> Option<Vec<String>> {
    let is_simple = |name: &&str| {
        let field = object.fields.iter().find(|it| it.name == *name);
        let ty = field.map_or("", |it| it.field_type.inner_type());
        ["ID", "String", "Int", "Boolean"].contains(&ty)
    };
    let keys = object.directives.iter().filter(|it| it.name == "join__type");
    let mut keys = keys.filter_map(|it| match argument(it, "key") {
        Some(Value::String(key)) => Some(key),
        _ => None,
    });
    let key = keys.find(|it| it.split_whitespace().all(|name| is_simple(&name)))?;
    Some(key.split_whitespace().map(str::to_owned).collect())
}

/// Fields that stand in every graph of their type say so, and those of the key stand in ours too.
fn say_where(object: &mut schema::ObjectType, key: &[String]) {
    let graphs = object.directives.iter().filter(|it| it.name == "join__type");
    let graphs: BTreeSet<String> =
        graphs.filter_map(|it| argument(it, "graph")).filter_map(enum_value).collect();
    for field in &mut object.fields {
        if !field.directives.iter().any(|it| it.name == "join__field") {
            field.directives.extend(graphs.iter().map(|it| placed(it)));
        }
        if key.contains(&field.name) {
            field.directives.push(placed(GRAPH));
        }
    }
}

fn entry_field(type_name: &str) -> schema::Field {
    schema::Field {
        position: Default::default(),
        description: None,
        name: entry_name(type_name),
        arguments: Vec::new(),
        field_type: Type::NamedType(type_name.to_owned()),
        directives: vec![placed(GRAPH)],
    }
}

fn own_graph() -> EnumValue {
    let arguments = vec![
        ("name".to_owned(), Value::String(GRAPH_NAME.to_owned())),
        ("url".to_owned(), Value::String(String::new())),
    ];
    let directive = Directive { position: Default::default(), name: "join__graph".to_owned(), arguments };
    EnumValue {
        position: Default::default(),
        description: None,
        name: GRAPH.to_owned(),
        directives: vec![directive],
    }
}

fn placed(graph: &str) -> Directive {
    Directive {
        position: Default::default(),
        name: "join__field".to_owned(),
        arguments: vec![("graph".to_owned(), Value::Enum(graph.to_owned()))],
    }
}

fn directive(name: &str, rest: Vec<(&str, Value)>) -> Directive {
    let graph = [("graph", Value::Enum(GRAPH.to_owned()))];
    let arguments = graph.into_iter().chain(rest).map(|(name, value)| (name.to_owned(), value));
    Directive { position: Default::default(), name: name.to_owned(), arguments: arguments.collect() }
}

fn argument<'a>(directive: &'a Directive, name: &str) -> Option<&'a Value> {
    directive.arguments.iter().find(|(it, _)| it == name).map(|(_, value)| value)
}

fn enum_value(value: &Value) -> Option<String> {
    match value {
        Value::Enum(it) => Some(it.clone()),
        _ => None,
    }
}
