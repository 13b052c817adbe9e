//! Every place in an SDL where a directive is applied. The SDL parser keeps no positions, so they come from the
//! text's tokens: parser and text have the directives in the same order.

use crate::language::spans;
use federation_composition::graphql_core::{
    Definition, Directive, Document, EnumValueDefinition, FieldDefinition, InputValueDefinition,
};
use std::fmt;

/// A directive where it is applied.
pub(super) struct Applied<'a> {
    pub(super) directive: &'a Directive,
    /// `schema`, `Type`, `Type.field`, `Type.field(argument:)` or `Enum.VALUE`.
    pub(super) at: String,
    /// The type around it; empty for the schema and for definitions of directives.
    pub(super) owner: &'a str,
    pub(super) location: Location,
    /// Line and column of its name.
    pub(super) place: Option<(usize, usize)>,
}

/// What a directive is applied to, as GraphQL calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    Schema,
    Scalar,
    Object,
    FieldDefinition,
    ArgumentDefinition,
    Interface,
    Union,
    Enum,
    EnumValue,
    InputObject,
    InputFieldDefinition,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schema => "SCHEMA",
            Self::Scalar => "SCALAR",
            Self::Object => "OBJECT",
            Self::FieldDefinition => "FIELD_DEFINITION",
            Self::ArgumentDefinition => "ARGUMENT_DEFINITION",
            Self::Interface => "INTERFACE",
            Self::Union => "UNION",
            Self::Enum => "ENUM",
            Self::EnumValue => "ENUM_VALUE",
            Self::InputObject => "INPUT_OBJECT",
            Self::InputFieldDefinition => "INPUT_FIELD_DEFINITION",
        })
    }
}

/// All directives of a document, in the order of its text.
pub(super) fn applied<'a>(document: &'a Document, sdl: &str) -> Vec<Applied<'a>> {
    let mut walk = Walk::default();
    document.definitions.iter().for_each(|it| walk.definition(it));
    let places = places(sdl);
    // Were there a difference, a wrong place would be worse than none.
    if places.len() == walk.found.len() {
        walk.found.iter_mut().zip(places).for_each(|(it, place)| it.place = Some(place));
    }
    walk.found
}

#[derive(Default)]
struct Walk<'a> {
    found: Vec<Applied<'a>>,
    owner: &'a str,
}

impl<'a> Walk<'a> {
    fn definition(&mut self, definition: &'a Definition) {
        use Definition as D;
        use Location::{Enum, InputObject, Interface, Object, Scalar, Schema, Union};
        self.owner = "";
        match definition {
            D::SchemaDefinition(it) => self.add("schema", Schema, &it.directives),
            D::SchemaExtension(it) => self.add("schema", Schema, &it.directives),
            D::ScalarTypeDefinition(it) => self.owned(&it.name.value, Scalar, &it.directives),
            D::ScalarTypeExtension(it) => self.owned(&it.name.value, Scalar, &it.directives),
            D::ObjectTypeDefinition(it) => self.composite(&it.name.value, Object, &it.directives, &it.fields),
            D::ObjectTypeExtension(it) => self.composite(&it.name.value, Object, &it.directives, &it.fields),
            D::InterfaceTypeDefinition(it) => {
                self.composite(&it.name.value, Interface, &it.directives, &it.fields);
            }
            D::InterfaceTypeExtension(it) => {
                self.composite(&it.name.value, Interface, &it.directives, &it.fields);
            }
            D::UnionTypeDefinition(it) => self.owned(&it.name.value, Union, &it.directives),
            D::UnionTypeExtension(it) => self.owned(&it.name.value, Union, &it.directives),
            D::EnumTypeDefinition(it) => {
                self.owned(&it.name.value, Enum, &it.directives);
                self.values(&it.values);
            }
            D::EnumTypeExtension(it) => {
                self.owned(&it.name.value, Enum, &it.directives);
                self.values(&it.values);
            }
            D::InputObjectTypeDefinition(it) => {
                self.owned(&it.name.value, InputObject, &it.directives);
                self.input_fields(&it.fields);
            }
            D::InputObjectTypeExtension(it) => {
                self.owned(&it.name.value, InputObject, &it.directives);
                self.input_fields(&it.fields);
            }
            D::DirectiveDefinition(it) => self.arguments(&format!("@{}", it.name.value), &it.arguments),
            _ => {}
        }
    }

    fn add(&mut self, at: &str, location: Location, directives: &'a [Directive]) {
        let owner = self.owner;
        self.found.extend(directives.iter().map(|directive| Applied {
            directive,
            at: at.to_owned(),
            owner,
            location,
            place: None,
        }));
    }

    fn owned(&mut self, name: &'a str, location: Location, directives: &'a [Directive]) {
        self.owner = name;
        self.add(name, location, directives);
    }

    fn composite(
        &mut self,
        name: &'a str,
        location: Location,
        directives: &'a [Directive],
        fields: &'a [FieldDefinition],
    ) {
        self.owned(name, location, directives);
        for field in fields {
            let at = format!("{name}.{}", field.name.value);
            self.arguments(&at, &field.arguments);
            self.add(&at, Location::FieldDefinition, &field.directives);
        }
    }

    fn arguments(&mut self, of: &str, arguments: &'a [InputValueDefinition]) {
        for it in arguments {
            let at = format!("{of}({}:)", it.name.value);
            self.add(&at, Location::ArgumentDefinition, &it.directives);
        }
    }

    fn values(&mut self, values: &'a [EnumValueDefinition]) {
        for it in values {
            let at = format!("{}.{}", self.owner, it.name.value);
            self.add(&at, Location::EnumValue, &it.directives);
        }
    }

    fn input_fields(&mut self, fields: &'a [InputValueDefinition]) {
        for it in fields {
            let at = format!("{}.{}", self.owner, it.name.value);
            self.add(&at, Location::InputFieldDefinition, &it.directives);
        }
    }
}

/// Lines and columns of the names of directives, those that are defined left out.
fn places(sdl: &str) -> Vec<(usize, usize)> {
    let tokens = spans(sdl).unwrap_or_default();
    let lines: Vec<usize> = std::iter::once(0).chain(sdl.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let text = |index: usize| tokens.get(index).map_or("", |it| &sdl[it.range.clone()]);
    let (mut places, mut depth) = (Vec::new(), 0usize);
    for (index, token) in tokens.iter().enumerate() {
        match text(index) {
            "{" | "(" => depth += 1,
            "}" | ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let follows = |by: usize| index.checked_sub(by).map_or("", &text);
        if token.is_name && follows(1) == "@" && !(depth == 0 && is_definition(follows(2), follows(3))) {
            let line = lines.partition_point(|it| *it <= token.range.start);
            places.push((line, sdl[lines[line - 1]..token.range.start].chars().count() + 1));
        }
    }
    places
}

/// Whether the two tokens before an `@` outside of all braces begin the definition of a directive. A type may have
/// the name `directive`.
fn is_definition(last: &str, before: &str) -> bool {
    const NAMES_FOLLOW: [&str; 11] =
        ["type", "interface", "union", "enum", "input", "scalar", "implements", "&", "|", "=", "on"];
    last == "directive" && !NAMES_FOLLOW.contains(&before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use federation_composition::graphql_core::parse;

    #[test]
    fn every_kind_of_place_is_found_with_its_line_and_column() {
        let sdl = "extend schema @a\n\
                   \"@no\" directive @d(x: Int = 1 @b) repeatable on OBJECT\n\
                   scalar S @c # @no\n\
                   type directive implements I & J @d {\n  \
                     x(a: [Int] = [1] @e, b: Int): Int @f(v: \"@no\") @g\n\
                   }\n\
                   interface I @h { id: ID @i }\n\
                   union U @j = directive\n\
                   enum E @k { A @l B }\n\
                   input N @m { y: Int = 2 @n }\n\
                   extend type directive @o\n";
        let document = parse(sdl).expect("SDL");
        let found: Vec<_> = applied(&document, sdl)
            .iter()
            .map(|it| {
                let (line, column) = it.place.expect("a place");
                format!("{} {} {} {line}:{column}", it.directive.name.value, it.at, it.location)
            })
            .collect();
        assert_eq!(
            found,
            [
                "a schema SCHEMA 1:16",
                "b @d(x:) ARGUMENT_DEFINITION 2:32",
                "c S SCALAR 3:11",
                "d directive OBJECT 4:34",
                "e directive.x(a:) ARGUMENT_DEFINITION 5:21",
                "f directive.x FIELD_DEFINITION 5:38",
                "g directive.x FIELD_DEFINITION 5:51",
                "h I INTERFACE 7:14",
                "i I.id FIELD_DEFINITION 7:26",
                "j U UNION 8:10",
                "k E ENUM 9:9",
                "l E.A ENUM_VALUE 9:16",
                "m N INPUT_OBJECT 10:10",
                "n N.y INPUT_FIELD_DEFINITION 10:26",
                "o directive OBJECT 11:24",
            ]
        );
    }
}
