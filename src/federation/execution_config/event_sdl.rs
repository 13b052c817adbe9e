//! Writes the SDL of an event graph from what an execution config says of it: root fields and their
//! brokers, keys, filters; types of arguments and results come from the composed schema.

use super::{
    super::{
        events::{PUBLISH_RESULT, selection_of},
        join::type_name,
        sdl::{Sdl, named},
    },
    json::{BrokerEvent, Condition, DataSource, FieldConfiguration},
};
use federation_composition::graphql_core::{
    Argument, Definition, Directive, Document, FieldDefinition, Name, NamedType, ObjectField, Selection,
    SelectionSet, Value, parse_value, print,
};
use std::collections::{BTreeMap, BTreeSet};

const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];
/// Directives of the composed schema that belong to the event graph wherever it has the field.
const KEPT: [&str; 3] = ["deprecated", "inaccessible", "tag"];
/// The same of root fields, which no other graph has.
const KEPT_ON_ROOTS: [&str; 3] = ["authenticated", "requiresScopes", "policy"];

/// The event graph as one would write it. The text is why it cannot be.
pub(super) fn write(
    source: &DataSource,
    configurations: &[FieldConfiguration],
    schema: &Document,
) -> Result<String, String> {
    let mut writer = Writer {
        source,
        configurations,
        schema,
        sdl: Sdl::of(schema),
        key_fields: key_fields(source, schema)?,
        composites: BTreeSet::new(),
        inputs: Vec::new(),
    };
    let mut definitions = Vec::new();
    for root in ROOTS {
        definitions.extend(writer.root(root)?);
    }
    definitions.extend(writer.composites()?);
    definitions.extend(writer.inputs()?);
    // In the order of the composed schema: nothing else says in which they once stood.
    let place =
        |it: &Definition| schema.definitions.iter().position(|other| type_name(other) == type_name(it));
    definitions.sort_by_key(place);
    Ok(print(&Document { definitions }))
}

/// Fields of each entity's keys, those of types within keys too.
fn key_fields(source: &DataSource, schema: &Document) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let sdl = Sdl::of(schema);
    let mut fields = BTreeMap::new();
    for key in &source.keys {
        let selection = selection_of(&key.selection_set)
            .ok_or_else(|| format!("\"{}\" is no key of {}", key.selection_set, key.type_name))?;
        add_key(&sdl, &key.type_name, &selection, &mut fields);
    }
    Ok(fields)
}

fn add_key(
    sdl: &Sdl<'_>,
    owner: &str,
    selection: &SelectionSet,
    fields: &mut BTreeMap<String, BTreeSet<String>>,
) {
    for item in &selection.selections {
        let Selection::Field(field) = item else { continue };
        fields.entry(owner.to_owned()).or_default().insert(field.name.value.clone());
        let definition = sdl.object(owner).and_then(|it| it.field(&field.name.value));
        if let (Some(inner), Some(definition)) = (&field.selection_set, definition) {
            add_key(sdl, named(&definition.ty), inner, fields);
        }
    }
}

struct Writer<'a> {
    source: &'a DataSource,
    configurations: &'a [FieldConfiguration],
    schema: &'a Document,
    sdl: Sdl<'a>,
    key_fields: BTreeMap<String, BTreeSet<String>>,
    /// Types of results that are to be written.
    composites: BTreeSet<String>,
    /// Types of arguments and of leaves that are to be written, in the order they come up.
    inputs: Vec<String>,
}

impl Writer<'_> {
    fn definition(&self, name: &str) -> Result<&Definition, String> {
        let found = self.schema.definitions.iter().find(|it| type_name(it) == Some(name));
        found.ok_or_else(|| format!("the schema of the execution config has no type {name}"))
    }

    fn root(&mut self, root: &str) -> Result<Option<Definition>, String> {
        let nodes = self.source.root_nodes.iter().filter(|it| it.type_name == root);
        let names: Vec<&String> = nodes.flat_map(|it| &it.field_names).collect();
        if names.is_empty() {
            return Ok(None);
        }
        let Definition::ObjectTypeDefinition(object) = self.definition(root)? else {
            return Err(format!("{root} is no object type"));
        };
        let mut object = object.clone();
        object.directives.clear();
        object.interfaces.clear();
        object.fields.retain(|it| names.contains(&&it.name.value));
        if let Some(missing) =
            names.iter().find(|name| !object.fields.iter().any(|it| it.name.value == ***name))
        {
            return Err(format!("the schema of the execution config has no field {root}.{missing}"));
        }
        for field in &mut object.fields {
            field.directives.retain(|it| is_kept(it) || KEPT_ON_ROOTS.contains(&it.name.value.as_str()));
            field.directives.extend(self.event(root, &field.name.value)?);
            field.directives.extend(self.filter(root, &field.name.value)?);
            self.composites.insert(named(&field.ty).to_owned());
            self.uses(field);
        }
        Ok(Some(object.into()))
    }

    /// Notes the types of a field's arguments.
    fn uses(&mut self, field: &FieldDefinition) {
        for argument in &field.arguments {
            self.uses_input(named(&argument.ty));
        }
    }

    fn uses_input(&mut self, name: &str) {
        if !is_built_in(name) && !self.inputs.iter().any(|it| it == name) {
            self.inputs.push(name.to_owned());
        }
    }

    /// The directive that binds a root field to its broker.
    fn event(&self, root: &str, field: &str) -> Result<Option<Directive>, String> {
        let events = &self.source.custom_events;
        let all = [("nats", &events.nats), ("kafka", &events.kafka), ("redis", &events.redis)];
        let mut found =
            all.into_iter().flat_map(|(broker, events)| events.iter().map(move |it| (broker, it)));
        let event = found.find(|(_, it)| {
            let it = &it.engine_event_configuration;
            it.type_name == root && it.field_name == field
        });
        event.map(|(broker, event)| directive(broker, event)).transpose()
    }

    fn filter(&self, root: &str, field: &str) -> Result<Option<Directive>, String> {
        let mut found =
            self.configurations.iter().filter(|it| it.type_name == root && it.field_name == field);
        let Some(condition) = found.find_map(|it| it.subscription_filter_condition.as_ref()) else {
            return Ok(None);
        };
        let condition = condition_value(condition).map_err(|it| format!("{root}.{field}: {it}"))?;
        Ok(Some(new_directive("openfed__subscriptionFilter", vec![("condition", condition)])))
    }

    /// Entities, the types within their keys, and the abstract types that root fields return.
    fn composites(&mut self) -> Result<Vec<Definition>, String> {
        let mut names = self.composites.clone();
        names.extend(self.key_fields.keys().cloned());
        let nodes = self.source.child_nodes.iter().map(|it| it.type_name.clone());
        names.extend(nodes.filter(|it| self.sdl.interface(it).is_some()));
        names.iter().map(|it| self.composite(it, &names)).collect()
    }

    fn composite(&mut self, name: &str, names: &BTreeSet<String>) -> Result<Definition, String> {
        let mut definition = self.definition(name)?.clone();
        match &mut definition {
            Definition::ObjectTypeDefinition(it) if name == PUBLISH_RESULT => it.directives.clear(),
            Definition::ObjectTypeDefinition(it) => {
                it.interfaces.retain(|it| names.contains(&it.name.value));
                it.directives.retain(is_kept);
                it.directives.extend(self.keys(name));
                let key_fields = self.key_fields.get(name).cloned().unwrap_or_default();
                it.fields.retain(|it| key_fields.contains(&it.name.value));
                it.fields.iter_mut().for_each(|it| {
                    it.directives.retain(is_kept);
                    it.directives.push(new_directive("external", Vec::new()));
                });
                self.uses_leaves(&it.fields);
            }
            Definition::InterfaceTypeDefinition(it) => {
                it.interfaces.retain(|it| names.contains(&it.name.value));
                it.directives.retain(is_kept);
                let wanted = self.interface_fields(name);
                it.fields.retain(|it| wanted.contains(&it.name.value));
                it.fields.iter_mut().for_each(|it| it.directives.retain(is_kept));
                self.uses_leaves(&it.fields);
            }
            Definition::UnionTypeDefinition(it) => {
                it.directives.retain(is_kept);
                it.types.retain(|it: &NamedType| self.key_fields.contains_key(&it.name.value));
            }
            _ => return Err(format!("{name} is no type that an event field can return")),
        }
        Ok(definition)
    }

    fn uses_leaves(&mut self, fields: &[FieldDefinition]) {
        for name in fields.iter().map(|it| named(&it.ty)) {
            if !self.key_fields.contains_key(name) {
                self.uses_input(name);
            }
        }
    }

    fn keys(&self, name: &str) -> Vec<Directive> {
        let keys = self.source.keys.iter().filter(|it| it.type_name == name);
        keys.map(|it| {
            let fields = ("fields", Value::string(&*it.selection_set));
            let resolvable = it.disable_entity_resolver.then(|| ("resolvable", Value::boolean(false)));
            new_directive("key", [fields].into_iter().chain(resolvable).collect())
        })
        .collect()
    }

    /// The fields of an interface that the event graph has: those it lists, or those that all entities
    /// which implement it have.
    fn interface_fields(&self, name: &str) -> BTreeSet<String> {
        let listed = self.source.child_nodes.iter().find(|it| it.type_name == name);
        if let Some(listed) = listed {
            return listed.field_names.iter().cloned().collect();
        }
        let implements = |it: &&String| self.sdl.object(it).is_some_and(|it| it.interfaces.contains(&name));
        let mut all = self.key_fields.keys().filter(implements).map(|it| self.key_fields[it].clone());
        let first = all.next().unwrap_or_default();
        all.fold(first, |common, it| common.intersection(&it).cloned().collect())
    }

    /// Inputs, enums and scalars, with those that they lead to.
    fn inputs(&mut self) -> Result<Vec<Definition>, String> {
        let (mut definitions, mut next) = (Vec::new(), 0);
        while let Some(name) = self.inputs.get(next).cloned() {
            next += 1;
            let mut definition = self.definition(&name)?.clone();
            match &mut definition {
                Definition::InputObjectTypeDefinition(it) => {
                    it.directives.retain(is_kept);
                    it.fields.iter_mut().for_each(|it| it.directives.retain(is_kept));
                    let inner: Vec<String> = it.fields.iter().map(|it| named(&it.ty).to_owned()).collect();
                    inner.iter().for_each(|it| self.uses_input(it));
                }
                Definition::EnumTypeDefinition(it) => {
                    it.directives.retain(is_kept);
                    it.values.iter_mut().for_each(|it| it.directives.retain(is_kept));
                }
                Definition::ScalarTypeDefinition(it) => {
                    it.directives.retain(|it| is_kept(it) || it.name.value == "specifiedBy");
                }
                _ => return Err(format!("{name} is no type that an argument can have")),
            }
            definitions.push(definition);
        }
        Ok(definitions)
    }
}

fn is_kept(directive: &Directive) -> bool {
    KEPT.contains(&directive.name.value.as_str())
}

fn is_built_in(name: &str) -> bool {
    matches!(name, "Int" | "Float" | "String" | "Boolean" | "ID")
}

fn new_directive(name: &str, arguments: Vec<(&str, Value)>) -> Directive {
    let arguments = arguments.into_iter().map(|(name, value)| Argument::new(name, value)).collect();
    Directive { name: Name::new(name), arguments }
}

fn directive(broker: &str, event: &BrokerEvent) -> Result<Directive, String> {
    let configuration = &event.engine_event_configuration;
    let action = match configuration.kind.as_str() {
        "" | "PUBLISH" => "Publish",
        "REQUEST" => "Request",
        "SUBSCRIBE" => "Subscribe",
        kind => return Err(format!("events of type {kind} are not known")),
    };
    let (names, destinations) = match broker {
        "nats" => ("subjects", &event.subjects),
        "kafka" => ("topics", &event.topics),
        _ => ("channels", &event.channels),
    };
    let mut arguments = Vec::new();
    if action == "Subscribe" {
        arguments.push((names, Value::list(destinations.iter().map(Value::string).collect())));
    } else if let [one] = &destinations[..] {
        arguments.push((names.trim_end_matches('s'), Value::string(one)));
    } else {
        let at = format!("{}.{}", configuration.type_name, configuration.field_name);
        return Err(format!("{at} must have one destination, but has {}", destinations.len()));
    }
    if !configuration.provider_id.is_empty() {
        arguments.push(("providerId", Value::string(&*configuration.provider_id)));
    }
    if let Some(stream) = &event.stream_configuration {
        let fields = vec![
            ObjectField::new(
                "consumerInactiveThreshold",
                Value::int(stream.consumer_inactive_threshold.to_string()),
            ),
            ObjectField::new("consumerName", Value::string(&*stream.consumer_name)),
            ObjectField::new("streamName", Value::string(&*stream.stream_name)),
        ];
        arguments.push(("streamConfiguration", Value::object(fields)));
    }
    Ok(new_directive(&format!("edfs__{broker}{action}"), arguments))
}

fn condition_value(condition: &Condition) -> Result<Value, String> {
    let list = |all: &[Condition]| all.iter().map(condition_value).collect::<Result<_, _>>().map(Value::list);
    let member = |name: &str, value: Value| Ok(Value::object(vec![ObjectField::new(name, value)]));
    match (&condition.is_in, &condition.not, &condition.and[..], &condition.or[..]) {
        (Some(it), None, [], []) => {
            let values =
                parse_value(&it.json).map_err(|error| format!("a filter's values: {}", error.message))?;
            let fields = vec![
                ObjectField::new("fieldPath", Value::string(it.field_path.join("."))),
                ObjectField::new("values", values),
            ];
            member("IN", Value::object(fields))
        }
        (None, Some(it), [], []) => member("NOT", condition_value(it)?),
        (None, None, all @ [_, ..], []) => member("AND", list(all)?),
        (None, None, [], any @ [_, ..]) => member("OR", list(any)?),
        _ => Err("a filter must have exactly one of `in`, `not`, `and` and `or`".to_owned()),
    }
}
