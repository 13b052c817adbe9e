//! What people wrote for readers of a schema, as they wrote it: composing forgets what is said of the schema itself and of
//! directives, and writes texts down so that their first indent is lost.

use federation_composition::{
    ServiceDefinition,
    graphql_core::{
        Definition, Directive, Document, EnumValueDefinition, FieldDefinition, InputValueDefinition,
        StringValue,
    },
};
use std::collections::HashMap;

/// Writes into a supergraph all words of its graphs; whether some were missing.
pub(super) fn put_words_back(supergraph: &mut Document, services: Vec<ServiceDefinition>) -> bool {
    let mut words = Words::default();
    services.into_iter().for_each(|it| words.read(it.type_defs));
    words.say(supergraph)
}

/// By coordinate: `schema`, `Type`, `Type.field`, `Type.field(argument:)`, `@directive`, `@directive(argument:)`.
#[derive(Default)]
struct Words {
    /// In the order of the graphs.
    descriptions: HashMap<String, Vec<StringValue>>,
    /// Of arguments of directives.
    deprecations: HashMap<String, Directive>,
}

impl Words {
    fn read(&mut self, mut document: Document) {
        visit(&mut document, &mut |at, said| {
            if let Some(text) = said.take() {
                self.descriptions.entry(at.to_owned()).or_default().push(text);
            }
        });
        each_argument_of_directives(&mut document, &mut |at, argument| {
            if let Some(it) = argument.directives.iter().find(|it| it.name.value == "deprecated") {
                self.deprecations.entry(at).or_insert_with(|| it.clone());
            }
        });
    }

    /// Whether something was missing.
    fn say(&self, document: &mut Document) -> bool {
        let mut is_changed = false;
        visit(document, &mut |at, said| {
            let Some(texts) = self.descriptions.get(at) else { return };
            let better = match said {
                Some(said) => texts.iter().find(|it| is_same(&it.value, &said.value)),
                None => texts.first().filter(|_| at == "schema" || at.starts_with('@')),
            };
            if let Some(better) = better.filter(|it| said.as_ref().is_none_or(|said| said.value != it.value))
            {
                *said = Some(better.clone());
                is_changed = true;
            }
        });
        each_argument_of_directives(document, &mut |at, argument| {
            if let Some(deprecated) = self.deprecations.get(&at)
                && argument.directives.iter().all(|it| it.name.value != "deprecated")
            {
                argument.directives.push(deprecated.clone());
                is_changed = true;
            }
        });
        is_changed
    }
}

/// Whether two texts differ in white space around their lines alone.
fn is_same(one: &str, other: &str) -> bool {
    let lines = |it: &str| it.trim().lines().map(|it| it.trim().to_owned()).collect::<Vec<_>>();
    lines(one) == lines(other)
}

type Act<'a> = &'a mut dyn FnMut(&str, &mut Option<StringValue>);

/// Every place that can have a description, by its coordinate.
fn visit(document: &mut Document, act: Act<'_>) {
    for definition in &mut document.definitions {
        match definition {
            Definition::SchemaDefinition(it) => act("schema", &mut it.description),
            Definition::ScalarTypeDefinition(it) => act(&it.name.value, &mut it.description),
            Definition::ObjectTypeDefinition(it) => {
                act(&it.name.value, &mut it.description);
                fields(&it.name.value, &mut it.fields, act);
            }
            Definition::ObjectTypeExtension(it) => fields(&it.name.value, &mut it.fields, act),
            Definition::InterfaceTypeDefinition(it) => {
                act(&it.name.value, &mut it.description);
                fields(&it.name.value, &mut it.fields, act);
            }
            Definition::InterfaceTypeExtension(it) => fields(&it.name.value, &mut it.fields, act),
            Definition::UnionTypeDefinition(it) => act(&it.name.value, &mut it.description),
            Definition::EnumTypeDefinition(it) => {
                act(&it.name.value, &mut it.description);
                values(&it.name.value, &mut it.values, act);
            }
            Definition::EnumTypeExtension(it) => values(&it.name.value, &mut it.values, act),
            Definition::InputObjectTypeDefinition(it) => {
                act(&it.name.value, &mut it.description);
                inputs(&it.name.value, &mut it.fields, act);
            }
            Definition::InputObjectTypeExtension(it) => inputs(&it.name.value, &mut it.fields, act),
            Definition::DirectiveDefinition(it) => {
                let at = format!("@{}", it.name.value);
                act(&at, &mut it.description);
                arguments(&at, &mut it.arguments, act);
            }
            _ => {}
        }
    }
}

fn fields(owner: &str, fields: &mut [FieldDefinition], act: Act<'_>) {
    for field in fields {
        let at = format!("{owner}.{}", field.name.value);
        act(&at, &mut field.description);
        arguments(&at, &mut field.arguments, act);
    }
}

fn arguments(of: &str, arguments: &mut [InputValueDefinition], act: Act<'_>) {
    for argument in arguments {
        act(&format!("{of}({}:)", argument.name.value), &mut argument.description);
    }
}

fn inputs(owner: &str, fields: &mut [InputValueDefinition], act: Act<'_>) {
    for field in fields {
        act(&format!("{owner}.{}", field.name.value), &mut field.description);
    }
}

fn values(owner: &str, values: &mut [EnumValueDefinition], act: Act<'_>) {
    for value in values {
        act(&format!("{owner}.{}", value.name.value), &mut value.description);
    }
}

fn each_argument_of_directives(
    document: &mut Document,
    act: &mut dyn FnMut(String, &mut InputValueDefinition),
) {
    for definition in &mut document.definitions {
        let Definition::DirectiveDefinition(directive) = definition else { continue };
        for argument in &mut directive.arguments {
            act(format!("@{}({}:)", directive.name.value, argument.name.value), argument);
        }
    }
}
