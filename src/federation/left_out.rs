//! What composing leaves out of a supergraph's text, and has to stand there: whoever is given the text knows nothing
//! else. What an interface asks of clients, which the composer refuses to read; what hides arguments of interfaces'
//! fields, which it forgets.

use super::{
    authorization::{Authorization, Directives, Requirement},
    interface_objects::interface_objects,
    join,
    linked_names::{Link, links, names_of},
    sdl::Sdl,
};
use federation_composition::{
    ServiceDefinition,
    graphql_core::{Argument, Definition, Directive, Document, FieldDefinition, Name, Value, parse},
};
use std::{collections::BTreeSet, sync::Arc};

/// Type, field and argument.
type Place = (String, String, String);

/// Writes into a supergraph all that hides arguments; whether it did not say so already.
pub(super) fn hide_arguments(supergraph: &mut Document, services: &[ServiceDefinition]) -> bool {
    let mut hidden = Hidden::default();
    services.iter().for_each(|it| hidden.read(&it.type_defs));
    !hidden.of_interfaces.is_empty() && hidden.say(supergraph)
}

/// Writes into a supergraph all that somebody asks of clients; whether it did not say so already.
pub(super) fn say_requirements(document: &mut Document, authorization: &Authorization) -> bool {
    if authorization.is_empty() {
        return false;
    }
    let known = Directives::of(document);
    let guards = GUARDS.map(|it| (it, name_in(document, it)));
    let mut used = BTreeSet::new();
    let mut say = |asked: Option<&Requirement>, directives: &mut Vec<Directive>| {
        let Some(asked) = asked else { return };
        let said = known.requirement(directives);
        let mut all = said.clone();
        all.add(asked);
        if all.says_the_same_as(&said) {
            return;
        }
        let all = all.shortened();
        directives.retain(|it| !known.is_one(&it.name.value));
        for (guard, name) in &guards {
            if let Some(directive) = guard.directive(name, &all) {
                used.insert(guard.specification);
                directives.push(directive);
            }
        }
    };
    for definition in &mut document.definitions {
        let Some(owner) = join::type_name(definition).map(str::to_owned) else { continue };
        if let Some(directives) = join::directives_mut(definition) {
            say(authorization.of_type(&owner), directives);
        }
        join::for_each_field(definition, |field, directives| {
            say(authorization.of_field(&owner, field), directives);
        });
    }
    for (guard, _) in guards.iter().filter(|(it, _)| used.contains(it.specification)) {
        define(document, guard);
    }
    !used.is_empty()
}

/// A directive that says who may see what, as a supergraph has it.
struct Specification {
    specification: &'static str,
    version: &'static str,
    definition: &'static str,
    written: fn(&Requirement) -> Option<Vec<Argument>>,
}

const GUARDS: [&Specification; 3] = [
    &Specification {
        specification: "authenticated",
        version: "v0.1",
        definition: "directive @authenticated on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM",
        written: |it| it.authenticated.then(Vec::new),
    },
    &Specification {
        specification: "requiresScopes",
        version: "v0.1",
        definition: "directive @requiresScopes(scopes: [[requiresScopes__Scope!]!]!) \
                     on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM scalar requiresScopes__Scope",
        written: |it| it.scopes.first().map(|it| vec![alternatives("scopes", it)]),
    },
    &Specification {
        specification: "policy",
        version: "v0.1",
        definition: "directive @policy(policies: [[policy__Policy!]!]!) \
                     on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM scalar policy__Policy",
        written: |it| it.policies.first().map(|it| vec![alternatives("policies", it)]),
    },
];

const INACCESSIBLE: Specification = Specification {
    specification: "inaccessible",
    version: "v0.2",
    definition: "directive @inaccessible on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR \
                 | ENUM | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION",
    written: |_| None,
};

impl Specification {
    fn directive(&self, name: &str, of: &Requirement) -> Option<Directive> {
        (self.written)(of).map(|arguments| Directive::new(name, arguments))
    }
}

fn alternatives(name: &str, any_of: &[Vec<Arc<str>>]) -> Argument {
    let all_of = |it: &Vec<Arc<str>>| Value::list(it.iter().map(|it| Value::string(&**it)).collect());
    Argument::new(name, Value::list(any_of.iter().map(all_of).collect()))
}

/// What a specification's directive is called in a supergraph; as it is called at home where nothing links it yet.
fn name_in(document: &Document, of: &Specification) -> String {
    let renamed = |it: Link<'_>| {
        let import = it.imports().find(|(name, _)| *name == of.specification).map(|(_, it)| it.to_owned());
        import.unwrap_or_else(|| it.namespace().to_owned())
    };
    links(document).find(|it| it.is(of.specification)).map_or_else(|| of.specification.to_owned(), renamed)
}

/// Links a specification and defines what it brings, unless that is done.
fn define(document: &mut Document, of: &Specification) {
    if links(document).any(|it| it.is(of.specification)) {
        return;
    }
    let url = format!("https://specs.apollo.dev/{}/{}", of.specification, of.version);
    let arguments =
        [Argument::new("url", Value::string(url)), Argument::new("for", Value::enum_value("SECURITY"))];
    let schema = document.definitions.iter_mut().find_map(|it| match it {
        Definition::SchemaDefinition(it) => Some(it),
        _ => None,
    });
    if let Some(schema) = schema {
        schema.directives.push(Directive::new("link", arguments.into()));
    }
    let known: BTreeSet<String> = document.definitions.iter().filter_map(defined).collect();
    let ours = parse(of.definition).expect("our own SDL parses").definitions;
    let missing = ours.into_iter().filter(|it| defined(it).is_none_or(|it| !known.contains(&it)));
    document.definitions.extend(missing);
}

/// The name of a directive (`@name`) or of a type that is defined here.
fn defined(definition: &Definition) -> Option<String> {
    match definition {
        Definition::DirectiveDefinition(it) => Some(format!("@{}", it.name.value)),
        it => join::type_name(it).map(str::to_owned),
    }
}

/// Arguments that graphs hide.
#[derive(Default)]
struct Hidden {
    /// On fields of interfaces, interface objects among them.
    of_interfaces: BTreeSet<Place>,
}

impl Hidden {
    fn read(&mut self, document: &Document) {
        let names = names_of(document, "inaccessible");
        let objects = interface_objects(document);
        let sdl = Sdl::of(document);
        let objects = sdl.objects.iter().filter(|it| objects.contains(it.name));
        for owner in sdl.interfaces.iter().chain(objects) {
            for field in &owner.fields {
                let is_hidden = |it: &Vec<Directive>| it.iter().any(|it| names.contains(&it.name.value));
                let arguments = field.arguments.iter().filter(|it| is_hidden(&it.directives));
                let place = |it: &String| (owner.name.to_owned(), field.name.value.clone(), it.clone());
                self.of_interfaces.extend(arguments.map(|it| place(&it.name.value)));
            }
        }
    }

    fn say(&self, document: &mut Document) -> bool {
        let name = name_in(document, &INACCESSIBLE);
        let mut is_changed = false;
        for definition in &mut document.definitions {
            let (own, interfaces, fields) = match definition {
                Definition::InterfaceTypeDefinition(it) => (Some(&it.name), &it.interfaces, &mut it.fields),
                // A type's own arguments the composer hides.
                Definition::ObjectTypeDefinition(it) => (None, &it.interfaces, &mut it.fields),
                _ => continue,
            };
            for field in fields {
                let interfaces = interfaces.iter().filter(|_| is_handed_down(field)).map(|it| &it.name);
                let owners: Vec<_> = own.into_iter().chain(interfaces).collect();
                for argument in &mut field.arguments {
                    let place = |owner: &Name| {
                        (owner.value.clone(), field.name.value.clone(), argument.name.value.clone())
                    };
                    let is_hidden = owners.iter().any(|it| self.of_interfaces.contains(&place(it)));
                    if is_hidden && argument.directives.iter().all(|it| it.name.value != name) {
                        argument.directives.push(Directive::new(&*name, Vec::new()));
                        is_changed = true;
                    }
                }
            }
        }
        if is_changed {
            define(document, &INACCESSIBLE);
        }
        is_changed
    }
}

/// Whether no graph has the field for this type: it is said to be there, but not where.
fn is_handed_down(field: &FieldDefinition) -> bool {
    field.directives.iter().any(|it| it.name.value == "join__field" && it.arguments.is_empty())
}
