//! The supergraph as the planner crate can read it: its reader takes descriptions and defaults apart in ways of its own,
//! and needs neither.

use federation_composition::graphql_core::{
    Definition, Directive, Document, EnumValueDefinition, FieldDefinition, InputValueDefinition, print,
};

/// The text of a supergraph without descriptions, defaults and directives that are for readers alone.
pub(super) fn plain_sdl(supergraph: &Document) -> String {
    let mut document = supergraph.clone();
    document.definitions.iter_mut().for_each(definition);
    print(&document)
}

fn definition(it: &mut Definition) {
    match it {
        Definition::SchemaDefinition(it) => it.description = None,
        Definition::ScalarTypeDefinition(it) => {
            it.description = None;
            directives(&mut it.directives);
        }
        Definition::ObjectTypeDefinition(it) => {
            it.description = None;
            it.fields.iter_mut().for_each(field);
        }
        Definition::InterfaceTypeDefinition(it) => {
            it.description = None;
            it.fields.iter_mut().for_each(field);
        }
        Definition::UnionTypeDefinition(it) => it.description = None,
        Definition::EnumTypeDefinition(it) => {
            it.description = None;
            it.values.iter_mut().for_each(enum_value);
        }
        Definition::InputObjectTypeDefinition(it) => {
            it.description = None;
            it.fields.iter_mut().for_each(input_value);
        }
        Definition::DirectiveDefinition(it) => {
            it.description = None;
            it.arguments.iter_mut().for_each(input_value);
        }
        _ => {}
    }
}

fn field(it: &mut FieldDefinition) {
    it.description = None;
    it.arguments.iter_mut().for_each(input_value);
    directives(&mut it.directives);
}

fn input_value(it: &mut InputValueDefinition) {
    it.description = None;
    it.default_value = None;
    directives(&mut it.directives);
}

fn enum_value(it: &mut EnumValueDefinition) {
    it.description = None;
    directives(&mut it.directives);
}

fn directives(all: &mut Vec<Directive>) {
    all.retain(|it| !matches!(it.name.value.as_str(), "deprecated" | "specifiedBy"));
}
