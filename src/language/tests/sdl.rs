//! A schema for tests, from SDL in its plainest form: no descriptions, no extensions, no directives but `@oneOf`.

use crate::language::{
    Bounds, Schema, SchemaBuilder,
    ast::OperationKind,
    lexer::{Kind, Lexer, Token},
    parse_const_value,
    schema::{
        DirectiveDefinition, EnumValueDefinition, FieldDefinition, InputValueDefinition, Members, Type,
        TypeDefinition, TypeId, TypeKind,
    },
};
use std::sync::Arc;

/// What the rules are held against.
pub(super) const SDL: &str = r#"
type Query { me: User, user(id: ID!, first: Int = 1): User, node: Node, item: Item, echo(list: [Int], text: String, any: Any, deep: [[Int!]]): Int, search(filter: Filter, color: Color! = RED, ratio: Float): [Item], pick(one: Pick, must: Pick!): Int }
type Subscription { updated(id: ID): User, other: Int }
type User implements Node { id: ID!, name: String, best: User, friends: [User!]!, color: Color }
type Product implements Node { id: ID!, name: String!, price: Float }
interface Node { id: ID! }
union Item = User | Product
enum Color { RED GREEN BLUE }
scalar Any
input Filter { min: Int = 1, ratio: Float!, not: Filter, colors: [Color!], pick: Pick }
input Pick @oneOf { a: Int, b: String }
directive @note(text: String!) repeatable on FIELD | VARIABLE_DEFINITION
directive @once on FIELD | QUERY | VARIABLE_DEFINITION
"#;

pub(super) fn schema(sdl: &str) -> Schema {
    let mut lexer = Lexer::new(sdl);
    let token = lexer.next().expect("a token");
    let mut reader = Reader { sdl, lexer, token, builder: SchemaBuilder::new() };
    while reader.token.kind != Kind::End {
        reader.definition();
    }
    reader.builder.finish().expect("a schema")
}

struct Reader<'a> {
    sdl: &'a str,
    lexer: Lexer<'a>,
    token: Token<'a>,
    builder: SchemaBuilder,
}

impl Reader<'_> {
    fn word(&mut self) -> Arc<str> {
        let next = self.lexer.next().expect("a token");
        std::mem::replace(&mut self.token, next).value.into()
    }

    fn skip(&mut self, kind: Kind) -> bool {
        let found = self.token.kind == kind;
        if found {
            self.word();
        }
        found
    }

    fn definition(&mut self) {
        let keyword = self.word();
        if &*keyword == "directive" {
            return self.directive();
        }
        let name = self.word();
        match &*name {
            "Query" => self.builder.root(OperationKind::Query, "Query"),
            "Mutation" => self.builder.root(OperationKind::Mutation, "Mutation"),
            "Subscription" => self.builder.root(OperationKind::Subscription, "Subscription"),
            _ => {}
        }
        let kind = match &*keyword {
            "scalar" => TypeKind::Scalar { specified_by: None },
            "union" => TypeKind::Union { members: self.ids(Kind::Equals, Kind::Pipe) },
            "enum" => TypeKind::Enum { values: self.enum_values() },
            "input" => {
                let is_one_of = self.skip(Kind::At) && &*self.word() == "oneOf";
                TypeKind::InputObject { fields: self.inputs(Kind::BraceOpen, Kind::BraceClose), is_one_of }
            }
            _ => {
                let interfaces = match &*self.token.value {
                    "implements" => self.ids(Kind::Name, Kind::Ampersand),
                    _ => Vec::new(),
                };
                let fields = self.fields();
                match &*keyword {
                    "type" => TypeKind::Object { fields, interfaces },
                    _ => TypeKind::Interface { fields, interfaces },
                }
            }
        };
        self.builder.define(TypeDefinition { name, description: None, kind });
    }

    fn ids(&mut self, before: Kind, between: Kind) -> Vec<TypeId> {
        assert!(self.skip(before));
        let mut ids = Vec::new();
        loop {
            let name = self.word();
            ids.push(self.builder.id(&name));
            if !self.skip(between) {
                return ids;
            }
        }
    }

    fn enum_values(&mut self) -> Members<EnumValueDefinition> {
        let mut values = Vec::new();
        self.skip(Kind::BraceOpen);
        while !self.skip(Kind::BraceClose) {
            let name = self.word();
            values.push(EnumValueDefinition { name, description: None, deprecation_reason: None });
        }
        values.into()
    }

    fn fields(&mut self) -> Members<FieldDefinition> {
        let mut fields = Vec::new();
        self.skip(Kind::BraceOpen);
        while !self.skip(Kind::BraceClose) {
            let name = self.word();
            let arguments = match self.token.kind {
                Kind::ParenOpen => self.inputs(Kind::ParenOpen, Kind::ParenClose),
                _ => Vec::new().into(),
            };
            self.skip(Kind::Colon);
            let ty = self.ty();
            fields.push(FieldDefinition { name, description: None, arguments, ty, deprecation_reason: None });
        }
        fields.into()
    }

    fn inputs(&mut self, open: Kind, close: Kind) -> Members<InputValueDefinition> {
        let mut inputs = Vec::new();
        self.skip(open);
        while !self.skip(close) {
            let name = self.word();
            self.skip(Kind::Colon);
            let ty = self.ty();
            let default_value = (self.token.kind == Kind::Equals).then(|| self.default_value());
            inputs.push(InputValueDefinition {
                name,
                description: None,
                ty,
                default_value,
                deprecation_reason: None,
            });
        }
        inputs.into()
    }

    /// One token.
    fn default_value(&mut self) -> crate::language::ast::Value {
        self.skip(Kind::Equals);
        let start = self.token.place.0 as usize;
        self.word();
        let text = &self.sdl[start..self.token.place.0 as usize];
        parse_const_value(text, &Bounds::default()).expect("a value")
    }

    fn ty(&mut self) -> Type {
        let ty = if self.skip(Kind::BracketOpen) {
            let inner = self.ty();
            self.skip(Kind::BracketClose);
            inner.list()
        } else {
            let name = self.word();
            Type::Named(self.builder.id(&name))
        };
        if self.skip(Kind::Bang) { ty.non_null() } else { ty }
    }

    fn directive(&mut self) {
        self.skip(Kind::At);
        let name = self.word();
        let arguments = match self.token.kind {
            Kind::ParenOpen => self.inputs(Kind::ParenOpen, Kind::ParenClose),
            _ => Vec::new().into(),
        };
        let is_repeatable = &*self.token.value == "repeatable";
        if is_repeatable {
            self.word();
        }
        self.word();
        let mut locations = vec![self.word()];
        while self.skip(Kind::Pipe) {
            locations.push(self.word());
        }
        self.builder.define_directive(DirectiveDefinition {
            name,
            description: None,
            arguments,
            is_repeatable,
            locations,
        });
    }
}
