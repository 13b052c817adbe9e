//! Every name that a directive may go by in one graph. Rather one too many: these names decide about who may see what,
//! so links are read here even where a composer would find fault with them.

use super::{
    links::{FEDERATION, schema_directives},
    sdl::{argument, string},
};
use federation_composition::graphql_core::{Directive, Document, Value};
use std::collections::BTreeSet;

const SPECIFICATIONS: &str = "https://specs.apollo.dev/";

/// A specification that a schema links, by whatever the link directive is called there.
pub(super) struct Link<'a> {
    pub(super) url: &'a str,
    pub(super) directive: &'a Directive,
}

/// The specifications that a schema links.
pub(super) fn links(document: &Document) -> impl Iterator<Item = Link<'_>> {
    document.definitions.iter().flat_map(schema_directives).filter_map(|directive| {
        let url = argument(directive, "url").or_else(|| argument(directive, "feature")).and_then(string)?;
        Some(Link { url, directive })
    })
}

impl<'a> Link<'a> {
    /// The specification's name: `federation` of `https://specs.apollo.dev/federation/v2.5`.
    pub(super) fn specification(&self) -> &'a str {
        let mut parts = self.url.trim_end_matches('/').rsplit('/');
        let last = parts.next().unwrap_or_default();
        let is_version =
            last.strip_prefix('v').is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()));
        if is_version { parts.next().unwrap_or_default() } else { last }
    }

    /// Whether the specification is Apollo's of that name.
    pub(super) fn is(&self, specification: &str) -> bool {
        self.url.starts_with(SPECIFICATIONS) && self.specification() == specification
    }

    /// The prefix of its names, and the name of the directive that is called as the specification is.
    pub(super) fn namespace(&self) -> &'a str {
        argument(self.directive, "as").and_then(string).unwrap_or_else(|| self.specification())
    }

    /// Names of directives that it brings in, as they were and as they are called here.
    pub(super) fn imports(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let list = match argument(self.directive, "import") {
            Some(Value::List(list)) => &list.values[..],
            _ => &[],
        };
        list.iter().filter_map(|it| {
            let (name, known_as) = match it {
                Value::Object(it) => {
                    let member = |name: &str| {
                        it.fields.iter().find(|it| it.name.value == name).and_then(|it| string(&it.value))
                    };
                    (member("name")?, member("as"))
                }
                it => (string(it)?, None),
            };
            let name = name.strip_prefix('@')?;
            Some((name, known_as.map_or(name, |it| it.trim_start_matches('@'))))
        })
    }
}

/// What a directive of the federation specification, or of one of its own, may be called here.
pub(super) fn names_of(document: &Document, directive: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::from([directive.to_owned(), format!("federation__{directive}")]);
    for link in links(document) {
        let is_own = link.is(directive);
        if is_own {
            names.insert(link.namespace().to_owned());
        }
        if is_own || link.url.starts_with(FEDERATION) {
            names.insert(format!("{}__{directive}", link.namespace()));
            names.extend(link.imports().filter(|(name, _)| *name == directive).map(|(_, it)| it.to_owned()));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use federation_composition::graphql_core::parse;

    #[test]
    fn a_directive_goes_by_every_name_that_a_link_gives_it() {
        for (link, name) in [
            ("", "policy"),
            ("@link(url: \"https://specs.apollo.dev/federation/v2.6\")", "federation__policy"),
            ("@link(url: \"https://specs.apollo.dev/federation/v2.6\", as: \"f\")", "f__policy"),
            (
                "@link(url: \"https://specs.apollo.dev/federation/v2.6\", import: [{ name: \"@policy\", as: \"@p\" }])",
                "p",
            ),
            ("@link(url: \"https://specs.apollo.dev/policy/v0.1\", as: \"q\", for: SECURITY)", "q"),
            (
                "@link(url: \"https://specs.apollo.dev/policy/v0.1\", import: [{ name: \"@policy\", as: \"@r\" }])",
                "r",
            ),
            ("@core(feature: \"https://specs.apollo.dev/policy/v0.1\", as: \"s\")", "s"),
            ("@l(url: \"https://specs.apollo.dev/federation/v2.6/\", as: \"t\")", "t__policy"),
        ] {
            let document = parse(&format!("schema {link} {{ query: Query }}")).expect("SDL");
            let names = names_of(&document, "policy");
            assert!(names.contains(name), "{link}: {names:?}");
            assert!(!names_of(&document, "key").contains(name), "{link}");
        }
    }
}
