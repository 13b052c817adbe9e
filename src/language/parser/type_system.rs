//! The grammar of type systems (GraphQL specification, section 3), read for its mistakes alone: such definitions
//! have no place in a document to be executed, and a text that holds one is to be refused for that, not for a
//! keyword that the reader does not know.

use super::{Error, Kind, Parser, Variables, unexpected};
use crate::language::{
    ast::{Name, TypeSystemDefinition},
    schema::locations,
};

/// Whether a definition of a type system begins with this word.
pub(super) fn is_keyword(word: &str) -> bool {
    matches!(word, "schema" | "scalar" | "type" | "interface" | "union" | "enum" | "input" | "directive")
}

impl Parser<'_> {
    /// A definition, with or without description.
    pub(super) fn type_system_definition(&mut self) -> Result<TypeSystemDefinition, Error> {
        let place = self.token.place;
        self.description()?;
        if self.skip_keyword("directive")? {
            let name = self.directive_definition()?;
            return Ok(TypeSystemDefinition { name: Some(name), place });
        }
        if self.skip_keyword("schema")? {
            self.directives(Variables::Refused)?;
            self.many(Kind::BraceOpen, Self::root_type, Kind::BraceClose)?;
            return Ok(TypeSystemDefinition { name: None, place });
        }
        let keyword = self.advance()?;
        let name = self.name()?;
        self.parts_of_type(&keyword.value)?;
        Ok(TypeSystemDefinition { name: Some(name), place })
    }

    /// An extension, which must add something.
    pub(super) fn type_system_extension(&mut self) -> Result<TypeSystemDefinition, Error> {
        let place = self.token.place;
        let keyword = self.peek_after()?;
        if keyword.kind != Kind::Name || !is_keyword(&keyword.value) || keyword.value == "directive" {
            return Err(unexpected(&keyword));
        }
        self.advance()?;
        self.advance()?;
        let (name, added) = if keyword.value == "schema" {
            let directives = self.directives(Variables::Refused)?;
            let roots = self.optional_many(Kind::BraceOpen, Self::root_type, Kind::BraceClose)?;
            (None, !directives.is_empty() || !roots.is_empty())
        } else {
            (Some(self.name()?), self.parts_of_type(&keyword.value)?)
        };
        if !added {
            return Err(unexpected(&self.token));
        }
        Ok(TypeSystemDefinition { name, place })
    }

    /// All that may follow the name of a type of this kind; whether there was anything.
    fn parts_of_type(&mut self, keyword: &str) -> Result<bool, Error> {
        let has_fields = matches!(keyword, "type" | "interface");
        let implements = has_fields && self.skip_keyword("implements")?;
        if implements {
            self.delimited(Kind::Ampersand, |it| it.name().map(|_| ()))?;
        }
        let directives = self.directives(Variables::Refused)?;
        let (open, close) = (Kind::BraceOpen, Kind::BraceClose);
        let members = match keyword {
            "type" | "interface" => self.optional_many(open, Self::field_definition, close)?.len(),
            "enum" => self.optional_many(open, Self::enum_value, close)?.len(),
            "input" => self.optional_many(open, Self::input_value, close)?.len(),
            "union" if self.skip(Kind::Equals)? => {
                self.delimited(Kind::Pipe, |it| it.name().map(|_| ()))?;
                1
            }
            _ => 0,
        };
        Ok(implements || !directives.is_empty() || members > 0)
    }

    fn root_type(&mut self) -> Result<(), Error> {
        self.operation_kind()?;
        self.expect(Kind::Colon)?;
        self.name().map(|_| ())
    }

    fn field_definition(&mut self) -> Result<(), Error> {
        self.description()?;
        self.name()?;
        self.argument_definitions()?;
        self.expect(Kind::Colon)?;
        self.type_reference()?;
        self.directives(Variables::Refused).map(|_| ())
    }

    fn argument_definitions(&mut self) -> Result<(), Error> {
        self.optional_many(Kind::ParenOpen, Self::input_value, Kind::ParenClose).map(|_| ())
    }

    fn input_value(&mut self) -> Result<(), Error> {
        self.description()?;
        self.name()?;
        self.expect(Kind::Colon)?;
        self.type_reference()?;
        if self.skip(Kind::Equals)? {
            self.value(Variables::Refused)?;
        }
        self.directives(Variables::Refused).map(|_| ())
    }

    fn enum_value(&mut self) -> Result<(), Error> {
        self.description()?;
        if matches!(self.token.value.as_ref(), "true" | "false" | "null") {
            let what = format!("{} is reserved and cannot be used for an enum value.", self.token);
            return Err(Error::syntax(what, self.token.place));
        }
        self.name()?;
        self.directives(Variables::Refused).map(|_| ())
    }

    fn directive_definition(&mut self) -> Result<Name, Error> {
        self.expect(Kind::At)?;
        let name = self.name()?;
        self.argument_definitions()?;
        self.skip_keyword("repeatable")?;
        self.expect_keyword("on")?;
        self.delimited(Kind::Pipe, |it| {
            let location = it.token.clone();
            let name = it.name()?;
            if locations().any(|it| it == name.as_str()) { Ok(()) } else { Err(unexpected(&location)) }
        })?;
        Ok(name)
    }
}
