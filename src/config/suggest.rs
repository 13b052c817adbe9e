//! Guesses what was meant by a key that does not exist.

use super::{all_keys, cosmo, keys::Key};

/// Help for a key that is none of `keys`: the nearest of them or of those that Cosmo has there, else the section it belongs to, else all.
pub(crate) fn for_unknown(name: &str, keys: &'static [Key], section: &str) -> String {
    if let Some(near) = nearest(name, keys.iter().map(|it| it.name)) {
        return format!("did you mean `{near}`?");
    }
    if let Some(near) = cosmo::suggestion(name, section) {
        return format!("did you mean `{near}`?");
    }
    match elsewhere(name) {
        Some(path) => format!("did you mean `{path}`? It belongs there"),
        None => format!("the keys here are {}", names(keys)),
    }
}

/// Help for a name that is none of `known`: the nearest of them, else all.
pub(crate) fn among(name: &str, known: &[&str], what: &str) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the {what} are `{}`", known.join("`, `")),
    }
}

/// The keys of a section as a list in words.
pub(crate) fn names(keys: &[Key]) -> String {
    keys.iter().map(|it| format!("`{}`", it.name)).collect::<Vec<_>>().join(", ")
}

/// The candidate that differs least, if it differs little: one slip in three characters.
pub(crate) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let lower = name.to_lowercase();
    candidates
        .map(|it| (strsim::damerau_levenshtein(&lower, it), it))
        .filter(|(distance, it)| distance * 3 <= it.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, it)| it)
}

/// The same name in another section, if it is there once.
fn elsewhere(name: &str) -> Option<String> {
    let mut found = all_keys().iter().filter(|it| it.key.name == name);
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only.path.clone()),
        _ => None,
    }
}
