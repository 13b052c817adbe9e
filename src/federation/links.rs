//! What a graph says about the specifications it uses (`@link`), what its directives are called by that,
//! and which of them are refused.

use super::{
    errors::LoadError,
    origins::Origins,
    sdl::{argument, read, string},
};
use crate::language::write_string;
use federation_composition::{
    LinkImplementations, extract_link_implementations,
    graphql_core::{Definition, Directive, Document, FieldDefinition, Value, parse_value},
};
use std::collections::BTreeSet;

pub(super) const FEDERATION: &str = "https://specs.apollo.dev/federation";
const CONNECT: &str = "https://specs.apollo.dev/connect/";

/// Names of specified directives in one graph.
pub(super) struct Names(Option<LinkImplementations>);

impl Names {
    /// Links that cannot be read are the composer's to report; until then names are taken as they are.
    pub(super) fn of(document: &Document) -> Self {
        Self(extract_link_implementations(document).ok())
    }

    /// Whether the graph is of Federation 1.
    pub(super) fn links_nothing(&self) -> bool {
        self.0.as_ref().is_none_or(|it| it.links().is_empty())
    }

    /// Every name that a directive may go by here: as it was imported, from the federation specification
    /// or one of its own, and plain. Rather one too many: it decides about who may see what.
    pub(super) fn of_directive(&self, name: &str) -> BTreeSet<String> {
        let own = format!("https://specs.apollo.dev/{name}");
        let linked = [FEDERATION, &own].map(|identity| self.resolve(identity, name));
        linked.into_iter().chain([name.to_owned()]).collect()
    }

    /// The name of a directive of the federation specification.
    pub(super) fn federation(&self, name: &str) -> String {
        self.resolve(FEDERATION, name)
    }

    fn resolve(&self, identity: &str, name: &str) -> String {
        match &self.0 {
            Some(links) => links.resolve_import_name(identity, &format!("@{name}")),
            None => name.to_owned(),
        }
    }
}

/// Refuses what would be passed over in silence and then answered wrongly, with graph and coordinate.
pub(super) fn refused(graph: &str, document: &Document, origins: &Origins<'_>) -> Vec<LoadError> {
    let names = Names::of(document);
    let (context, from_context) = (names.federation("context"), names.federation("fromContext"));
    let has = |directives: &[Directive], name: &str| directives.iter().any(|it| it.name.value == name);
    let mut errors = Vec::new();
    for definition in &document.definitions {
        if let Definition::SchemaDefinition(_) | Definition::SchemaExtension(_) = definition
            && schema_directives(definition).iter().any(is_connect)
        {
            let message =
                "connectors (@connect, @source) are not supported: no server answers for such fields";
            errors.push(origins.error(graph, "CONNECT", "schema", message));
        }
        let Some((name, directives)) = type_directives(definition) else { continue };
        if has(directives, &context) {
            errors.push(origins.error(graph, "CONTEXT", name, "@context is not supported"));
        }
        for field in type_fields(definition) {
            if field.arguments.iter().any(|it| has(&it.directives, &from_context)) {
                let at = format!("{name}.{}", field.name.value);
                errors.push(origins.error(graph, "CONTEXT", &at, "@fromContext is not supported"));
            }
        }
    }
    errors
}

/// The first minor version of Federation 2 that has `@cacheTag`.
pub(super) const CACHE_TAG_SINCE: u32 = 12;

/// Whether a directive links the federation specification.
pub(super) fn is_federation_link(directive: &Directive) -> bool {
    let url = argument(directive, "url").and_then(string);
    url.and_then(|it| it.strip_prefix(FEDERATION)).is_some_and(|it| it.starts_with('/'))
}

pub(super) fn federation_link(document: &Document) -> Option<&Directive> {
    document.definitions.iter().flat_map(schema_directives).find(|it| is_federation_link(it))
}

/// The minor version of Federation 2 that a graph links.
pub(super) fn federation_minor(document: &Document) -> Option<u32> {
    minor_of(federation_link(document)?)
}

pub(super) fn minor_of(link: &Directive) -> Option<u32> {
    let url = argument(link, "url").and_then(string)?;
    url.strip_prefix(FEDERATION)?.strip_prefix("/v2.")?.trim_end_matches('/').parse().ok()
}

/// What names begin with that a link brings and does not import.
pub(super) fn prefix_of(link: &Directive) -> Option<&str> {
    let url = argument(link, "url").and_then(string)?;
    let name = || url.trim_end_matches('/').rsplit('/').nth(1).filter(|_| url.contains("://"));
    argument(link, "as").and_then(string).or_else(name)
}

/// `{ name: "@NAME", as: "@ALIAS" }`.
pub(super) fn import_as(name: &str, alias: &str) -> Option<Value> {
    parse_value(&format!("{{ name: \"@{name}\", as: \"@{alias}\" }}")).ok()
}

/// The name of an import, and what it is called in the graph.
pub(super) fn imported(import: &Value) -> Option<(&str, &str)> {
    match import {
        Value::String(it) => Some((&it.value, &it.value)),
        Value::Object(it) => {
            let field = |name: &str| it.fields.iter().find(|it| it.name.value == name).map(|it| &it.value);
            let name = field("name").and_then(string)?;
            Some((name, field("as").and_then(string).unwrap_or(name)))
        }
        _ => None,
    }
}

/// Whether a link brings a directive (with its `@`), by importing it or by its prefix.
pub(super) fn brings(link: &Directive, name: &str) -> bool {
    let imports = match argument(link, "import") {
        Some(Value::List(list)) => &list.values[..],
        _ => &[],
    };
    let prefixed = |prefix| {
        name.strip_prefix('@')
            .and_then(|it| it.strip_prefix(prefix))
            .is_some_and(|it| it.is_empty() || it.starts_with("__"))
    };
    imports.iter().filter_map(imported).any(|(_, alias)| alias == name)
        || prefix_of(link).is_some_and(prefixed)
}

/// Whether a supergraph can say where something comes from: an address that can be read, and has an origin. Of others
/// the composer keeps the path alone, and takes that for no address.
pub(super) fn can_be_named(url: &str) -> bool {
    const WITH_ORIGIN: [&str; 6] = ["http", "https", "ws", "wss", "ftp", "file"];
    let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let mut sdl = String::from("schema @link(url: \"https://specs.apollo.dev/link/v1.0\") @link(url: ");
    write_string(url, &mut sdl);
    sdl.push_str(") { query: Query }");
    WITH_ORIGIN.contains(&scheme.as_str())
        && read(&sdl).is_ok_and(|it| extract_link_implementations(&it).is_ok())
}

fn is_connect(directive: &Directive) -> bool {
    directive.name.value == "link"
        && argument(directive, "url").and_then(string).is_some_and(|it| it.starts_with(CONNECT))
}

pub(super) fn schema_directives(definition: &Definition) -> &[Directive] {
    match definition {
        Definition::SchemaDefinition(it) => &it.directives,
        Definition::SchemaExtension(it) => &it.directives,
        _ => &[],
    }
}

/// The name and directives of a type's definition or extension.
pub(super) fn type_directives(definition: &Definition) -> Option<(&str, &[Directive])> {
    Some(match definition {
        Definition::ObjectTypeDefinition(it) => (&it.name.value, &it.directives),
        Definition::ObjectTypeExtension(it) => (&it.name.value, &it.directives),
        Definition::InterfaceTypeDefinition(it) => (&it.name.value, &it.directives),
        Definition::InterfaceTypeExtension(it) => (&it.name.value, &it.directives),
        Definition::UnionTypeDefinition(it) => (&it.name.value, &it.directives),
        Definition::UnionTypeExtension(it) => (&it.name.value, &it.directives),
        Definition::EnumTypeDefinition(it) => (&it.name.value, &it.directives),
        Definition::EnumTypeExtension(it) => (&it.name.value, &it.directives),
        Definition::ScalarTypeDefinition(it) => (&it.name.value, &it.directives),
        Definition::ScalarTypeExtension(it) => (&it.name.value, &it.directives),
        _ => return None,
    })
}

/// The fields of a type's definition or extension, if its kind has any that can be selected.
pub(super) fn type_fields(definition: &Definition) -> &[FieldDefinition] {
    match definition {
        Definition::ObjectTypeDefinition(it) => &it.fields,
        Definition::ObjectTypeExtension(it) => &it.fields,
        Definition::InterfaceTypeDefinition(it) => &it.fields,
        Definition::InterfaceTypeExtension(it) => &it.fields,
        _ => &[],
    }
}
