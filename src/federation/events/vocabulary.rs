//! The directives of our name spaces that this version knows, and where they belong.
//!
//! Whatever stands in these name spaces is meant for the router, and may well protect something; so what is not
//! known, or stands where nothing reads it, is an error. What values the arguments take is for those who read them.

use super::{
    super::{
        dialect::is_foreign,
        directives::{Applied, Location},
        errors::LoadError,
        linked_names::links,
        protection::located,
        sdl::Sdl,
    },
    bind::{DELIVER, DIRECTIVES, ROOTS, is_event_directive},
    filter, is_ours,
};
use federation_composition::graphql_core::{Definition, Document, OperationType};
use std::collections::BTreeSet;

/// Directives of Cosmo's in our name spaces that change nothing about answers: each is told of as one without effect.
pub(in crate::federation) const WITHOUT_EFFECT: [&str; 7] = [
    "openfed__requireFetchReasons",
    "openfed__entityCache",
    "openfed__queryCache",
    "openfed__cacheInvalidate",
    "openfed__cachePopulate",
    "openfed__requestScoped",
    "openfed__is",
];

/// Directives of GraphQL itself and of the federation specification, by their plain names.
const SPECIFIED: [&str; 22] = [
    "deprecated",
    "specifiedBy",
    "oneOf",
    "link",
    "core",
    "key",
    "requires",
    "provides",
    "external",
    "extends",
    "tag",
    "shareable",
    "inaccessible",
    "override",
    "interfaceObject",
    "composeDirective",
    "authenticated",
    "requiresScopes",
    "policy",
    "cost",
    "listSize",
    "cacheTag",
];

/// What is wrong with the directives of an event graph, as far as it is about which stand where.
pub(super) fn check(document: &Document, sdl: &Sdl<'_>, applied: &[Applied<'_>]) -> Vec<LoadError> {
    let others = known_names(document);
    let mut errors = Vec::new();
    for (index, it) in applied.iter().enumerate() {
        let name = it.directive.name.value.as_str();
        if let Some(error) = unknown(it) {
            errors.push(error);
        } else if is_read(name) {
            errors.extend(misplaced(it, sdl));
            errors.extend(repeated(it, &applied[..index]));
            errors.extend(repeated_argument(it));
        } else if !is_ours(name) && !others.knows(name) {
            let message =
                "unknown directive: neither this graph nor a specification that it links defines it";
            errors.push(fault("UNKNOWN_DIRECTIVE", it, message.to_owned()));
        }
    }
    errors
}

/// The same for graphs that are none: nothing reads such directives there.
pub(in crate::federation) fn check_elsewhere(applied: &[Applied<'_>]) -> Vec<LoadError> {
    let check = |it: &Applied<'_>| {
        let name = it.directive.name.value.as_str();
        // Of fields with these, others say more.
        let is_told = it.location == Location::FieldDefinition
            && (is_event_directive(name) || name == filter::DIRECTIVE);
        let message = "the directive belongs on root fields of event graphs: nothing reads it here";
        let misplaced = is_read(name) && !is_told;
        unknown(it).or_else(|| misplaced.then(|| fault("EDFS_DIRECTIVE_LOCATION", it, message.to_owned())))
    };
    applied.iter().filter_map(check).collect()
}

/// Directives of our name spaces that nobody knows.
pub(in crate::federation) fn unknown_directives(applied: &[Applied<'_>]) -> Vec<LoadError> {
    applied.iter().filter_map(unknown).collect()
}

/// Whether event graphs are read by this directive.
pub(super) fn is_read(name: &str) -> bool {
    is_event_directive(name) || name == DELIVER || name == filter::DIRECTIVE
}

fn unknown(it: &Applied<'_>) -> Option<LoadError> {
    let name = it.directive.name.value.as_str();
    if !is_ours(name) || is_read(name) || WITHOUT_EFFECT.contains(&name) {
        return None;
    }
    let space = name.split_once("__").map_or(name, |(space, _)| space);
    let all = DIRECTIVES.iter().map(|it| it.name).chain([DELIVER, filter::DIRECTIVE]).chain(WITHOUT_EFFECT);
    let known: Vec<String> = all
        .filter(|it| it.split_once("__").is_some_and(|(it, _)| it == space))
        .map(|it| format!("@{it}"))
        .collect();
    let message =
        format!("this version does not know the directive; of {space}__ it knows {}", known.join(", "));
    Some(fault("EDFS_UNKNOWN_DIRECTIVE", it, message))
}

fn misplaced(it: &Applied<'_>, sdl: &Sdl<'_>) -> Option<LoadError> {
    let name = it.directive.name.value.as_str();
    let is_root = ROOTS.iter().any(|(root, _)| sdl.root_name(*root) == it.owner);
    let belongs = match it.location {
        Location::FieldDefinition if name == DELIVER => {
            it.owner == sdl.root_name(OperationType::Subscription)
        }
        // What else a filter stands on is told by the rules of filters.
        Location::FieldDefinition => is_root || name == filter::DIRECTIVE,
        _ => false,
    };
    let fields = match name {
        DELIVER | filter::DIRECTIVE => "fields of the subscription type",
        _ => "fields of root types",
    };
    let message = || format!("the directive belongs on {fields}, not on {} {}", it.location, it.at);
    (!belongs).then(|| fault("EDFS_DIRECTIVE_LOCATION", it, message()))
}

/// Of directives that bind a field to a broker, and of filters, the rules speak themselves.
fn repeated(it: &Applied<'_>, before: &[Applied<'_>]) -> Option<LoadError> {
    let is_same = |other: &Applied<'_>| other.at == it.at && other.directive.name.value == DELIVER;
    (it.directive.name.value == DELIVER && before.iter().any(is_same))
        .then(|| fault("EDFS_DIRECTIVE_REPEATED", it, "the directive stands there twice".to_owned()))
}

fn repeated_argument(it: &Applied<'_>) -> Option<LoadError> {
    let mut seen = BTreeSet::new();
    let again = it.directive.arguments.iter().find(|it| !seen.insert(it.name.value.as_str()))?;
    let message = format!("the argument \"{}\" is given more than once", again.name.value);
    Some(fault("EDFS_ARGUMENT_REPEATED", it, message))
}

fn fault(rule: &str, it: &Applied<'_>, message: String) -> LoadError {
    located(LoadError::new(rule, message).at(format!("{}@{}", it.at, it.directive.name.value)), it)
}

/// Directives that are not ours and that somebody has defined.
struct Others {
    names: BTreeSet<String>,
    prefixes: Vec<String>,
}

impl Others {
    fn knows(&self, name: &str) -> bool {
        is_foreign(name) || self.names.contains(name) || self.prefixes.iter().any(|it| name.starts_with(it))
    }
}

fn known_names(document: &Document) -> Others {
    let mut names: BTreeSet<String> = SPECIFIED.map(str::to_owned).into();
    names.extend(document.definitions.iter().filter_map(|it| match it {
        Definition::DirectiveDefinition(it) => Some(it.name.value.clone()),
        _ => None,
    }));
    let mut prefixes = vec!["federation__".to_owned(), "link__".to_owned()];
    for link in links(document) {
        names.insert(link.namespace().to_owned());
        names.extend(link.imports().map(|(_, it)| it.to_owned()));
        prefixes.push(format!("{}__", link.namespace()));
    }
    Others { names, prefixes }
}
