//! Takes the event directives out of an event graph, so that a composer that knows nothing of brokers
//! makes of it what is meant.

use super::{
    super::{
        dialect::{directives_used, drop_definitions},
        sdl::{argument, is_federation, named, string},
    },
    is_ours,
    rules::PUBLISH_RESULT,
};
use federation_composition::graphql_core::{
    Argument, Definition, Directive, Document, FieldDefinition, Name, ObjectTypeDefinition, SchemaExtension,
    Type, Value,
};

/// The newest version of the federation specification that the composer knows.
const FEDERATION_MINOR_MAX: u32 = 9;
const FEDERATION: &str = "https://specs.apollo.dev/federation/v2.";

/// The graph without event directives, ready to be composed, and what is worth telling about it.
pub(super) fn strip(graph: &str, document: &Document) -> (Document, Vec<String>) {
    let mut document = document.clone();
    drop_definitions(&mut document);
    document.definitions.retain(|it| !is_vocabulary(it));
    for definition in &mut document.definitions {
        strip_definition(definition);
    }
    if uses_publish_result(&document) && !defines_publish_result(&document) {
        document.definitions.push(publish_result().into());
    }
    let notes = lower_link(graph, &mut document);
    add_link(&mut document);
    (document, notes)
}

/// Definitions of the event directives and of what their arguments take. Output types stay.
fn is_vocabulary(definition: &Definition) -> bool {
    match definition {
        Definition::DirectiveDefinition(it) => is_ours(&it.name.value),
        Definition::InputObjectTypeDefinition(it) => is_ours(&it.name.value),
        Definition::ScalarTypeDefinition(it) => is_ours(&it.name.value),
        Definition::EnumTypeDefinition(it) => is_ours(&it.name.value),
        _ => false,
    }
}

fn strip_definition(definition: &mut Definition) {
    let (name, directives, fields) = match definition {
        Definition::ObjectTypeDefinition(it) => (&it.name.value, &mut it.directives, &mut it.fields),
        Definition::ObjectTypeExtension(it) => (&it.name.value, &mut it.directives, &mut it.fields),
        Definition::InterfaceTypeDefinition(it) => (&it.name.value, &mut it.directives, &mut it.fields),
        _ => return,
    };
    // Several event graphs define the same result type: to a composer that is sharing.
    if name == PUBLISH_RESULT && directives.is_empty() {
        directives.push(Directive { name: Name::new("federation__shareable"), ..Directive::default() });
    }
    for field in fields {
        strip_field(field);
    }
}

/// `@external` goes too: by custom every key field of an event graph has it, but to a composer it says
/// that the field cannot be read here, while an event brings exactly its keys.
fn strip_field(field: &mut FieldDefinition) {
    field.directives.retain(|it| !is_ours(&it.name.value) && !is_federation(&it.name.value, "external"));
}

fn uses_publish_result(document: &Document) -> bool {
    document.definitions.iter().any(|it| match it {
        Definition::ObjectTypeDefinition(it) => it.fields.iter().any(|it| named(&it.ty) == PUBLISH_RESULT),
        Definition::ObjectTypeExtension(it) => it.fields.iter().any(|it| named(&it.ty) == PUBLISH_RESULT),
        _ => false,
    })
}

fn defines_publish_result(document: &Document) -> bool {
    document
        .definitions
        .iter()
        .any(|it| matches!(it, Definition::ObjectTypeDefinition(it) if it.name.value == PUBLISH_RESULT))
}

fn publish_result() -> ObjectTypeDefinition {
    ObjectTypeDefinition {
        name: Name::new(PUBLISH_RESULT),
        directives: vec![Directive { name: Name::new("federation__shareable"), ..Directive::default() }],
        fields: vec![FieldDefinition {
            name: Name::new("success"),
            ty: Type::non_null(Type::named("Boolean")),
            ..FieldDefinition::default()
        }],
        ..ObjectTypeDefinition::default()
    }
}

/// The federation links of a graph.
fn links(document: &mut Document) -> impl Iterator<Item = &mut Directive> {
    let directives = document.definitions.iter_mut().flat_map(|it| match it {
        Definition::SchemaDefinition(it) => it.directives.iter_mut(),
        Definition::SchemaExtension(it) => it.directives.iter_mut(),
        _ => [].iter_mut(),
    });
    directives.filter(|it| {
        it.name.value == "link"
            && argument(it, "url").and_then(string).is_some_and(|url| url.starts_with(FEDERATION))
    })
}

/// Says that the graph is of Federation 2, unless it says so itself: in Federation 1 a key cannot be
/// `resolvable: false`.
fn add_link(document: &mut Document) {
    if links(document).next().is_some() {
        return;
    }
    let used = directives_used(document);
    let guards = ["authenticated", "requiresScopes", "policy"].into_iter().filter(|it| used.contains(*it));
    let guards: Vec<Value> = guards.map(|it| Value::string(format!("@{it}"))).collect();
    let minor = if guards.is_empty() { 5 } else { FEDERATION_MINOR_MAX };
    let mut import = ["@key", "@shareable", "@external", "@inaccessible", "@tag"].map(Value::string).to_vec();
    import.extend(guards);
    let arguments = vec![
        Argument::new("url", Value::string(format!("{FEDERATION}{minor}"))),
        Argument::new("import", Value::list(import)),
    ];
    let link = Directive { name: Name::new("link"), arguments };
    let extension = SchemaExtension { directives: vec![link], ..SchemaExtension::default() };
    document.definitions.insert(0, extension.into());
}

/// Rewrites links to federation versions that the composer does not know yet to the newest it knows.
/// What those versions added is then reported as unknown where it is used.
pub(in crate::federation) fn lower_link(graph: &str, document: &mut Document) -> Vec<String> {
    let mut notes = Vec::new();
    for link in links(document) {
        let url = link.arguments.iter_mut().find(|it| it.name.value == "url");
        let Some(Value::String(url)) = url.map(|it| &mut it.value) else { continue };
        let minor: Option<u32> = url.value[FEDERATION.len()..].trim_end_matches('/').parse().ok();
        if minor.is_some_and(|it| it > FEDERATION_MINOR_MAX) {
            notes.push(format!(
                "graph \"{graph}\": federation v2.{} is read as v2.{FEDERATION_MINOR_MAX}",
                minor.unwrap_or_default()
            ));
            url.value = format!("{FEDERATION}{FEDERATION_MINOR_MAX}");
        }
    }
    notes
}
