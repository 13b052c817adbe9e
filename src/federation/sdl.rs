//! SDL as graphs are written in it: read, and a subgraph's as one sees it, definitions and extensions of a type taken
//! together.

use crate::language::spans;
use federation_composition::graphql_core::{
    Definition, Directive, Document, FieldDefinition, InputValueDefinition, OperationType, Type, Value, parse,
};
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Brackets of any kind within brackets: far more than a schema has. Whoever walks a document recurses as deep.
const NESTING_MAX: usize = 200;

/// Reads the text of a graph. Whatever is wrong with it comes back as a text, also where the reader itself gives up.
pub(super) fn read(text: &str) -> Result<Document, String> {
    if nesting(text) > NESTING_MAX {
        return Err(format!("Brackets are nested more than {NESTING_MAX} levels deep."));
    }
    match catch_unwind(AssertUnwindSafe(|| parse(text))) {
        Ok(read) => read.map_err(|error| error.message),
        Err(_) => Err("The text could not be read.".to_owned()),
    }
}

/// How deep brackets are nested in a text, as far as it can be split into tokens.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    for span in spans(text).unwrap_or_default() {
        match &text[span.range] {
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// An object or interface type.
#[derive(Default)]
pub(super) struct Composite<'a> {
    pub(super) name: &'a str,
    pub(super) interfaces: Vec<&'a str>,
    pub(super) directives: Vec<&'a Directive>,
    pub(super) fields: Vec<&'a FieldDefinition>,
}

impl<'a> Composite<'a> {
    pub(super) fn field(&self, name: &str) -> Option<&'a FieldDefinition> {
        self.fields.iter().copied().find(|it| it.name.value == name)
    }

    pub(super) fn has_directive(&self, name: &str) -> bool {
        self.directives.iter().any(|it| it.name.value == name)
    }

    /// The type's `@key` directives.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a Directive> {
        self.directives.iter().copied().filter(|it| is_federation(&it.name.value, "key"))
    }
}

/// Whether a directive's name is that of the federation specification, plain or prefixed.
pub(super) fn is_federation(name: &str, directive: &str) -> bool {
    name.strip_prefix("federation__").unwrap_or(name) == directive
}

/// A subgraph's types by name, in the order of the text.
#[derive(Default)]
pub(super) struct Sdl<'a> {
    pub(super) objects: Vec<Composite<'a>>,
    pub(super) interfaces: Vec<Composite<'a>>,
    pub(super) unions: Vec<(&'a str, Vec<&'a str>)>,
    pub(super) inputs: HashMap<&'a str, Vec<&'a InputValueDefinition>>,
    pub(super) enums: Vec<&'a str>,
    roots: [Option<&'a str>; 3],
}

impl<'a> Sdl<'a> {
    pub(super) fn of(document: &'a Document) -> Self {
        let mut sdl = Self::default();
        for definition in &document.definitions {
            sdl.add(definition);
        }
        sdl
    }

    pub(super) fn object(&self, name: &str) -> Option<&Composite<'a>> {
        self.objects.iter().find(|it| it.name == name)
    }

    pub(super) fn interface(&self, name: &str) -> Option<&Composite<'a>> {
        self.interfaces.iter().find(|it| it.name == name)
    }

    pub(super) fn union(&self, name: &str) -> Option<&[&'a str]> {
        self.unions.iter().find(|(it, _)| *it == name).map(|(_, members)| &members[..])
    }

    /// The root type of an operation, whether or not it is defined.
    pub(super) fn root_name(&self, operation: OperationType) -> &'a str {
        self.roots[root_index(operation)].unwrap_or(match operation {
            OperationType::Query => "Query",
            OperationType::Mutation => "Mutation",
            OperationType::Subscription => "Subscription",
        })
    }

    pub(super) fn root(&self, operation: OperationType) -> Option<&Composite<'a>> {
        self.object(self.root_name(operation))
    }

    /// Object types that a value of a type may have; empty for what is no composite type.
    pub(super) fn possible(&self, name: &str) -> Vec<&'a str> {
        if let Some(object) = self.object(name) {
            return vec![object.name];
        }
        if let Some(members) = self.union(name) {
            return members.to_vec();
        }
        let implements = |it: &&Composite<'_>| it.interfaces.contains(&name);
        self.objects.iter().filter(implements).map(|it| it.name).collect()
    }

    fn add(&mut self, definition: &'a Definition) {
        match definition {
            Definition::ObjectTypeDefinition(it) => {
                add_composite(
                    &mut self.objects,
                    &it.name.value,
                    &it.directives,
                    &it.fields,
                    names(&it.interfaces),
                );
            }
            Definition::ObjectTypeExtension(it) => {
                add_composite(
                    &mut self.objects,
                    &it.name.value,
                    &it.directives,
                    &it.fields,
                    names(&it.interfaces),
                );
            }
            Definition::InterfaceTypeDefinition(it) => {
                let interfaces = names(&it.interfaces);
                add_composite(&mut self.interfaces, &it.name.value, &it.directives, &it.fields, interfaces);
            }
            Definition::InterfaceTypeExtension(it) => {
                let interfaces = names(&it.interfaces);
                add_composite(&mut self.interfaces, &it.name.value, &it.directives, &it.fields, interfaces);
            }
            Definition::UnionTypeDefinition(it) => self.add_union(&it.name.value, names(&it.types)),
            Definition::UnionTypeExtension(it) => self.add_union(&it.name.value, names(&it.types)),
            Definition::InputObjectTypeDefinition(it) => {
                self.inputs.entry(&it.name.value).or_default().extend(&it.fields);
            }
            Definition::InputObjectTypeExtension(it) => {
                self.inputs.entry(&it.name.value).or_default().extend(&it.fields);
            }
            Definition::EnumTypeDefinition(it) => self.enums.push(&it.name.value),
            Definition::SchemaDefinition(it) => self.add_roots(&it.operation_types),
            Definition::SchemaExtension(it) => self.add_roots(&it.operation_types),
            _ => {}
        }
    }

    fn add_union(&mut self, name: &'a str, types: Vec<&'a str>) {
        match self.unions.iter_mut().find(|(it, _)| *it == name) {
            Some((_, members)) => members.extend(types),
            None => self.unions.push((name, types)),
        }
    }

    fn add_roots(&mut self, roots: &'a [federation_composition::graphql_core::OperationTypeDefinition]) {
        for root in roots {
            self.roots[root_index(root.operation)] = Some(&root.ty.name.value);
        }
    }
}

fn root_index(operation: OperationType) -> usize {
    match operation {
        OperationType::Query => 0,
        OperationType::Mutation => 1,
        OperationType::Subscription => 2,
    }
}

fn names(types: &[federation_composition::graphql_core::NamedType]) -> Vec<&str> {
    types.iter().map(|it| it.name.value.as_str()).collect()
}

fn add_composite<'a>(
    types: &mut Vec<Composite<'a>>,
    name: &'a str,
    directives: &'a [Directive],
    fields: &'a [FieldDefinition],
    interfaces: Vec<&'a str>,
) {
    let at = types.iter().position(|it| it.name == name).unwrap_or_else(|| {
        types.push(Composite { name, ..Composite::default() });
        types.len() - 1
    });
    types[at].directives.extend(directives);
    types[at].fields.extend(fields);
    types[at].interfaces.extend(interfaces);
}

/// The name at the heart of a type.
pub(super) fn named(ty: &Type) -> &str {
    match ty {
        Type::Named(it) => &it.name.value,
        Type::List(it) => named(&it.ty),
        Type::NonNull(it) => named(&it.ty),
    }
}

/// Whether a type is a list, nullable or not.
pub(super) fn is_list(ty: &Type) -> bool {
    match ty {
        Type::Named(_) => false,
        Type::List(_) => true,
        Type::NonNull(it) => is_list(&it.ty),
    }
}

/// An argument of a directive.
pub(super) fn argument<'a>(directive: &'a Directive, name: &str) -> Option<&'a Value> {
    directive.arguments.iter().find(|it| it.name.value == name).map(|it| &it.value)
}

/// The text of a string value.
pub(super) fn string(value: &Value) -> Option<&str> {
    match value {
        Value::String(it) => Some(&it.value),
        _ => None,
    }
}
