//! Who may see what: `@authenticated`, `@requiresScopes` and `@policy`, read from the graphs as their
//! owners wrote them and kept beside the supergraph.
//!
//! The composer refuses these directives on interfaces and interface objects, while other systems allow
//! them there. So they are read before composing, an interface's requirement is given to whatever
//! implements it, and the composer gets the graphs without the ones it refuses. `left_out` writes them
//! into the supergraph. Enforcing is not done here.

use super::{
    interface_objects::interface_objects,
    linked_names::names_of,
    links,
    sdl::{Sdl, argument, string},
};
use federation_composition::graphql_core::{
    Definition, Directive, Document, FieldDefinition, InterfaceTypeDefinition, InterfaceTypeExtension, Value,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Alternatives, each a set of names that must all be there: `[["a", "b"], ["c"]]` is `(a and b) or c`.
pub type AnyOf = Vec<Vec<Arc<str>>>;

/// What a client has to show for a type or field. All of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirement {
    pub authenticated: bool,
    /// Scopes: one alternative of each entry. Graphs that ask for different scopes each add an entry.
    pub scopes: Vec<AnyOf>,
    /// Policies, in the same way.
    pub policies: Vec<AnyOf>,
}

impl Requirement {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The same in one entry of scopes and one of policies, without alternatives that ask for more than others do.
    pub(super) fn shortened(&self) -> Self {
        let (scopes, policies) = (in_one(&self.scopes), in_one(&self.policies));
        Self { authenticated: self.authenticated, scopes, policies }
    }

    /// Whether the same clients pass.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        let sets = |all: &[AnyOf]| -> Option<BTreeSet<BTreeSet<Arc<str>>>> {
            let alternatives = in_one(all).pop()?;
            Some(alternatives.into_iter().map(|it| it.into_iter().collect()).collect())
        };
        self.authenticated == other.authenticated
            && sets(&self.scopes) == sets(&other.scopes)
            && sets(&self.policies) == sets(&other.policies)
    }

    /// Adds what another graph or an interface asks for.
    pub(super) fn add(&mut self, other: &Self) {
        self.authenticated |= other.authenticated;
        add_missing(&mut self.scopes, &other.scopes);
        add_missing(&mut self.policies, &other.policies);
    }
}

/// Entries that must all hold, multiplied out.
fn in_one(entries: &[AnyOf]) -> Vec<AnyOf> {
    let both = |one: &Vec<Arc<str>>, other: &Vec<Arc<str>>| {
        let more = other.iter().filter(|it| !one.contains(it));
        one.iter().chain(more).cloned().collect()
    };
    let multiply = |all: AnyOf, entry: &AnyOf| {
        shortest(all.iter().flat_map(|one| entry.iter().map(|other| both(one, other))).collect())
    };
    let product =
        entries.split_first().map(|(first, more)| more.iter().fold(shortest(first.clone()), multiply));
    product.into_iter().collect()
}

/// The alternatives of which none asks for all that another asks for.
fn shortest(alternatives: AnyOf) -> AnyOf {
    let has_all = |it: &[Arc<str>], of: &[Arc<str>]| of.iter().all(|name| it.contains(name));
    let mut kept: AnyOf = Vec::new();
    for it in alternatives {
        if !kept.iter().any(|other| has_all(&it, other)) {
            kept.retain(|other| !has_all(other, &it));
            kept.push(it);
        }
    }
    kept
}

fn add_missing(all: &mut Vec<AnyOf>, more: &[AnyOf]) {
    for it in more {
        if !all.contains(it) {
            all.push(it.clone());
        }
    }
}

/// The requirements of all graphs together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorization {
    types: BTreeMap<Arc<str>, Requirement>,
    fields: BTreeMap<(Arc<str>, Arc<str>), Requirement>,
}

impl Authorization {
    /// What it takes to see values of a type (object, interface, enum, scalar).
    pub fn of_type(&self, name: &str) -> Option<&Requirement> {
        self.types.get(name)
    }

    /// What it takes to see a field, beside what its own type and the type it is of ask for.
    pub fn of_field(&self, owner: &str, field: &str) -> Option<&Requirement> {
        self.fields.get(&(owner.into(), field.into()))
    }

    pub fn is_empty(&self) -> bool {
        self.types.is_empty() && self.fields.is_empty()
    }

    /// Coordinates with their requirements, types first.
    pub fn iter(&self) -> impl Iterator<Item = (String, &Requirement)> {
        let types = self.types.iter().map(|(name, it)| (name.to_string(), it));
        types.chain(self.fields.iter().map(|((owner, field), it)| (format!("{owner}.{field}"), it)))
    }

    /// Adds what one graph asks for.
    pub(super) fn read(&mut self, document: &Document) {
        let names = Directives::of(document);
        let add_fields = |all: &mut Self, owner: &str, fields: &[FieldDefinition]| {
            for field in fields {
                all.add_field(owner, &field.name.value, &names.requirement(&field.directives));
            }
        };
        for definition in &document.definitions {
            let Some((name, directives)) = links::type_directives(definition) else { continue };
            self.add_type(name, &names.requirement(directives));
            add_fields(self, name, links::type_fields(definition));
        }
    }

    /// Gives what interfaces ask for to everything that implements them, in any graph.
    pub(super) fn spread(&mut self, documents: &[&Document]) {
        let mut implementations: BTreeSet<(String, String)> = BTreeSet::new();
        for document in documents {
            let sdl = Sdl::of(document);
            for composite in sdl.objects.iter().chain(&sdl.interfaces) {
                let pair = |it: &&str| ((*it).to_owned(), composite.name.to_owned());
                implementations.extend(composite.interfaces.iter().map(pair));
            }
        }
        // A type lists all interfaces it implements, those of its interfaces too: one pass will do.
        let before = self.clone();
        for (interface, name) in &implementations {
            if let Some(requirement) = before.of_type(interface) {
                self.add_type(name, requirement);
            }
            let of_interface = before.fields.iter().filter(|((owner, _), _)| **owner == **interface);
            for ((_, field), requirement) in of_interface {
                self.add_field(name, field, requirement);
            }
        }
    }

    fn add_type(&mut self, name: &str, requirement: &Requirement) {
        if !requirement.is_nothing() {
            self.types.entry(name.into()).or_default().add(requirement);
        }
    }

    fn add_field(&mut self, owner: &str, field: &str, requirement: &Requirement) {
        if !requirement.is_nothing() {
            self.fields.entry((owner.into(), field.into())).or_default().add(requirement);
        }
    }
}

/// What the three directives are called in one graph.
pub(super) struct Directives {
    authenticated: BTreeSet<String>,
    requires_scopes: BTreeSet<String>,
    policy: BTreeSet<String>,
}

impl Directives {
    pub(super) fn of(document: &Document) -> Self {
        Self {
            authenticated: names_of(document, "authenticated"),
            requires_scopes: names_of(document, "requiresScopes"),
            policy: names_of(document, "policy"),
        }
    }

    pub(super) fn is_one(&self, name: &str) -> bool {
        [&self.authenticated, &self.requires_scopes, &self.policy].iter().any(|it| it.contains(name))
    }

    pub(super) fn requirement(&self, directives: &[Directive]) -> Requirement {
        let mut found = Requirement::default();
        for directive in directives {
            let name = &directive.name.value;
            if self.authenticated.contains(name) {
                found.authenticated = true;
            } else if self.requires_scopes.contains(name) {
                add_missing(&mut found.scopes, &[any_of(directive, "scopes")]);
            } else if self.policy.contains(name) {
                add_missing(&mut found.policies, &[any_of(directive, "policies")]);
            }
        }
        found
    }
}

/// `[["a", "b"], ["c"]]`; a value in place of a list is a list of one. What cannot be read, or is empty,
/// lets nobody through: an entry without alternatives never holds.
fn any_of(directive: &Directive, name: &str) -> AnyOf {
    let all_of = |it: &Value| -> Option<Vec<Arc<str>>> {
        list(it).iter().map(|it| string(it).map(Arc::from)).collect()
    };
    let alternatives = argument(directive, name).map(list).unwrap_or_default();
    alternatives.iter().filter_map(|it| all_of(it)).filter(|it| !it.is_empty()).collect()
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::List(list) => list.values.iter().collect(),
        one => vec![one],
    }
}

/// Takes the directives off where the composer refuses them. The coordinates they stood at.
pub(super) fn without_refused(document: &mut Document) -> Vec<String> {
    let names = Directives::of(document);
    let mut taken = Vec::new();
    let interface_objects = interface_objects(document);
    let mut strip = |at: String, directives: &mut Vec<Directive>| {
        let before = directives.len();
        directives.retain(|it| !names.is_one(&it.name.value));
        if directives.len() < before {
            taken.push(at);
        }
    };
    for definition in &mut document.definitions {
        match definition {
            Definition::InterfaceTypeDefinition(InterfaceTypeDefinition {
                name, directives, fields, ..
            })
            | Definition::InterfaceTypeExtension(InterfaceTypeExtension {
                name, directives, fields, ..
            }) => {
                strip(name.value.clone(), directives);
                for field in fields {
                    strip(format!("{}.{}", name.value, field.name.value), &mut field.directives);
                }
            }
            Definition::ObjectTypeDefinition(it) if interface_objects.contains(&it.name.value) => {
                strip(it.name.value.clone(), &mut it.directives);
            }
            Definition::ObjectTypeExtension(it) if interface_objects.contains(&it.name.value) => {
                strip(it.name.value.clone(), &mut it.directives);
            }
            _ => {}
        }
    }
    taken
}
