//! What graphs ask to be protected and this version does not protect, with the places. Such a graph is not served,
//! unless its operator says so: nothing else would tell that everybody sees everything.

use super::{
    directives::{Applied, Location},
    errors::LoadError,
    linked_names::{Link, links, names_of},
    sdl::argument,
};
use federation_composition::graphql_core::{Document, Value};
use std::path::PathBuf;

/// The rule that such a graph breaks.
const UNPROTECTED: &str = "UNPROTECTED";
/// Directives that say who may see something.
const GUARDS: [&str; 3] = ["authenticated", "requiresScopes", "policy"];
/// Specifications linked `for: SECURITY` whose part of it is done, or judged by itself.
const KNOWN: [&str; 4] = ["inaccessible", "authenticated", "requiresScopes", "policy"];
/// So many places are named; of others the count.
const NAMED_MAX: usize = 10;

/// Places in one graph where somebody asks for protection. `applied` are all directives in its text.
pub(super) fn unenforced(document: &Document, applied: &[Applied<'_>]) -> Vec<LoadError> {
    let names: Vec<_> = GUARDS.iter().map(|it| names_of(document, it)).collect();
    let asks = |it: &&Applied<'_>| names.iter().any(|names| names.contains(&it.directive.name.value));
    let found = applied.iter().filter(asks).map(|it| {
        let message = format!("@{} is not enforced by this version", it.directive.name.value);
        located(LoadError::new(UNPROTECTED, message).at(&it.at), it)
    });
    found.chain(unknown_security(document, applied)).collect()
}

/// Who composed a supergraph can link a specification for security, so that a router which does not know it serves
/// nothing.
fn unknown_security(document: &Document, applied: &[Applied<'_>]) -> Vec<LoadError> {
    let is_known = |link: &Link<'_>| KNOWN.iter().any(|it| link.is(it));
    let for_security = links(document).filter(|link| is_for_security(link) && !is_known(link));
    let error = |link: Link<'_>| {
        let message = format!("the schema links {} for security, which this version does not know", link.url);
        let error = LoadError::new(UNPROTECTED, message).at("schema");
        match applied.iter().find(|it| std::ptr::eq(it.directive, link.directive)) {
            Some(applied) => located(error, applied),
            None => error,
        }
    };
    for_security.map(error).collect()
}

fn is_for_security(link: &Link<'_>) -> bool {
    matches!(argument(link.directive, "for"), Some(Value::Enum(it)) if it.value == "SECURITY")
}

/// Hidden fields of a supergraph would be shown where the directive that hides them goes by a name which the planner
/// does not know.
pub(super) fn hidden_by_another_name(document: &Document, applied: &[Applied<'_>]) -> Vec<LoadError> {
    let names = names_of(document, "inaccessible");
    let renamed = applied.iter().filter(|it| {
        let name = &it.directive.name.value;
        it.location != Location::Schema && name != "inaccessible" && names.contains(name)
    });
    let error = |it: &Applied<'_>| {
        let message =
            format!("@{} is @inaccessible by another name, which is not supported", it.directive.name.value);
        located(LoadError::new("SUPERGRAPH", message).at(&it.at), it)
    };
    renamed.map(error).collect()
}

/// Gives an error the place of a directive.
pub(super) fn located(mut error: LoadError, applied: &Applied<'_>) -> LoadError {
    (error.line, error.column) = applied.place.unzip();
    error
}

/// Names the graph in errors about it.
pub(super) fn of_graph(errors: Vec<LoadError>, graph: &str, file: Option<&PathBuf>) -> Vec<LoadError> {
    errors.into_iter().map(|it| it.in_graph(graph, file)).collect()
}

/// Something that the source of a graph says beside its SDL.
pub(super) fn unenforced_at(coordinate: &str) -> LoadError {
    let message = "the execution config asks for authorization here, which this version does not enforce";
    LoadError::new(UNPROTECTED, message).at(coordinate)
}

/// The reasons not to serve: the first places, how many there are, and what serves all the same.
pub(super) fn refusal(mut places: Vec<LoadError>) -> Vec<LoadError> {
    let count = places.len();
    places.truncate(NAMED_MAX);
    let all = match count {
        0 => return places,
        1 => "it".to_owned(),
        2..=NAMED_MAX => format!("all {count} of them"),
        _ => format!("all {count} places, of which the first {NAMED_MAX} are named,"),
    };
    let message =
        format!("everybody would see {all}: `authorization.serve_unprotected: true` serves the graph so");
    places.push(LoadError::new(UNPROTECTED, message));
    places
}

/// Said at every start that serves such a graph.
pub(super) fn warning(places: &[LoadError]) -> Option<String> {
    let first = places.first()?;
    let at = first.coordinate.as_deref().unwrap_or_default();
    let more = match places.len() {
        1 => String::new(),
        count => format!(" and {} more places", count - 1),
    };
    Some(format!(
        "UNPROTECTED: the graphs use @authenticated, @requiresScopes or @policy, which this version does not enforce, \
         at {at}{more}: where `authorization.serve_unprotected` is set, everybody sees everything"
    ))
}
