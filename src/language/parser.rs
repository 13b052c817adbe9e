//! From text to tree (GraphQL specification, sections 2.2 to 2.12), by recursive descent with one token of
//! look-ahead.
//!
//! Work and memory are bounded by the text; depth of recursion and number of tokens by [`Bounds`].

mod type_system;

use super::{
    ast::{
        Argument, Definition, Directive, Document, Field, FragmentDefinition, FragmentSpread, InlineFragment,
        Name, Number, ObjectField, OperationDefinition, OperationKind, Selection, SelectionSet, StringValue,
        Type, Value, Variable, VariableDefinition,
    },
    error::Error,
    lexer::{Kind, Lexer, Token},
};
use std::{collections::HashMap, fmt, mem, sync::Arc};

/// How much of a text the parser takes on. What is beyond is refused with
/// [`ErrorKind::Limit`](super::ErrorKind::Limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Tokens, comments aside.
    pub tokens_max: usize,
    /// Selection sets within selection sets, and lists and objects within values and types. Parser, rules and
    /// printer recurse as deep, so it also bounds their stack: the 200 levels of the default fit 256 KiB in release
    /// builds, and 1 MiB in others.
    pub nesting_max: usize,
}

impl Default for Bounds {
    /// Enough for any operation that people or their tools write.
    fn default() -> Self {
        Self { tokens_max: 100_000, nesting_max: 200 }
    }
}

/// Reads a document.
///
/// # Errors
/// The first mistake in the text, with its place, or the bound that it passes.
pub fn parse(text: &str, bounds: &Bounds) -> Result<Document, Error> {
    Parser::new(text, bounds)?.document()
}

/// Reads a value without variables, and nothing after it: a default value, for instance.
///
/// # Errors
/// As [`parse`].
pub fn parse_const_value(text: &str, bounds: &Bounds) -> Result<Value, Error> {
    let mut parser = Parser::new(text, bounds)?;
    let value = parser.value(Variables::Refused)?;
    parser.expect(Kind::End)?;
    Ok(value)
}

/// Whether values may hold variables here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variables {
    Allowed,
    Refused,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token that is looked at.
    token: Token<'a>,
    /// The one after, where that was looked at too.
    after: Option<Token<'a>>,
    tokens: usize,
    nesting: usize,
    bounds: Bounds,
    /// Every distinct text so far.
    texts: HashMap<&'a str, Arc<str>>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, bounds: &Bounds) -> Result<Self, Error> {
        if u32::try_from(text.len()).is_err() {
            return Err(Error::limit("The document is longer than places can tell.", Vec::new()));
        }
        let mut lexer = Lexer::new(text);
        let token = lexer.next()?;
        let tokens = usize::from(token.kind != Kind::End);
        let parser =
            Self { lexer, token, after: None, tokens, nesting: 0, bounds: *bounds, texts: HashMap::new() };
        parser.check_tokens()?;
        Ok(parser)
    }

    fn document(mut self) -> Result<Document, Error> {
        let mut definitions = Vec::with_capacity(1);
        loop {
            definitions.push(self.definition()?);
            if self.token.kind == Kind::End {
                return Ok(Document { definitions });
            }
        }
    }

    fn definition(&mut self) -> Result<Definition, Error> {
        if self.peek(Kind::BraceOpen) {
            return self.operation().map(Definition::Operation);
        }
        let described = self.peek_string();
        let keyword = if described { self.peek_after()? } else { self.token.clone() };
        if described && keyword.kind == Kind::BraceOpen {
            let what = "Unexpected description, descriptions are not supported on shorthand queries.";
            return Err(Error::syntax(what, self.token.place));
        }
        if keyword.kind != Kind::Name {
            return Err(unexpected(&keyword));
        }
        match keyword.value.as_ref() {
            "query" | "mutation" | "subscription" => self.operation().map(Definition::Operation),
            "fragment" => self.fragment_definition().map(Definition::Fragment),
            it if type_system::is_keyword(it) => self.type_system_definition().map(Definition::TypeSystem),
            _ if described => {
                let what = "Unexpected description, only GraphQL definitions support descriptions.";
                Err(Error::syntax(what, self.token.place))
            }
            "extend" => self.type_system_extension().map(Definition::TypeSystem),
            _ => Err(unexpected(&keyword)),
        }
    }

    fn operation(&mut self) -> Result<OperationDefinition, Error> {
        let place = self.token.place;
        if self.peek(Kind::BraceOpen) {
            return Ok(OperationDefinition {
                kind: OperationKind::Query,
                description: None,
                name: None,
                variables: Vec::new(),
                directives: Vec::new(),
                selection_set: self.selection_set()?,
                place,
            });
        }
        Ok(OperationDefinition {
            description: self.description()?,
            kind: self.operation_kind()?,
            name: if self.peek(Kind::Name) { Some(self.name()?) } else { None },
            variables: self.optional_many(Kind::ParenOpen, Self::variable_definition, Kind::ParenClose)?,
            directives: self.directives(Variables::Allowed)?,
            selection_set: self.selection_set()?,
            place,
        })
    }

    fn operation_kind(&mut self) -> Result<OperationKind, Error> {
        let keyword = self.expect(Kind::Name)?;
        match keyword.value.as_ref() {
            "query" => Ok(OperationKind::Query),
            "mutation" => Ok(OperationKind::Mutation),
            "subscription" => Ok(OperationKind::Subscription),
            _ => Err(unexpected(&keyword)),
        }
    }

    fn variable_definition(&mut self) -> Result<VariableDefinition, Error> {
        let place = self.token.place;
        let description = self.description()?;
        let variable = self.variable()?;
        self.expect(Kind::Colon)?;
        let ty = self.type_reference()?;
        let default_value =
            if self.skip(Kind::Equals)? { Some(self.value(Variables::Refused)?) } else { None };
        let directives = self.directives(Variables::Refused)?;
        Ok(VariableDefinition { description, variable, ty, default_value, directives, place })
    }

    fn variable(&mut self) -> Result<Variable, Error> {
        let place = self.expect(Kind::Dollar)?.place;
        Ok(Variable { name: self.name()?, place })
    }

    fn selection_set(&mut self) -> Result<SelectionSet, Error> {
        let place = self.token.place;
        self.enter()?;
        let items = self.many(Kind::BraceOpen, Self::selection, Kind::BraceClose)?;
        self.nesting -= 1;
        Ok(SelectionSet { items, place })
    }

    fn selection(&mut self) -> Result<Selection, Error> {
        if self.peek(Kind::Spread) { self.fragment() } else { self.field().map(Selection::Field) }
    }

    fn field(&mut self) -> Result<Field, Error> {
        let mut name = self.name()?;
        let mut alias = None;
        if self.skip(Kind::Colon)? {
            alias = Some(mem::replace(&mut name, self.name()?));
        }
        Ok(Field {
            alias,
            name,
            arguments: self.arguments(Variables::Allowed)?,
            directives: self.directives(Variables::Allowed)?,
            selection_set: if self.peek(Kind::BraceOpen) { Some(self.selection_set()?) } else { None },
        })
    }

    fn fragment(&mut self) -> Result<Selection, Error> {
        let place = self.expect(Kind::Spread)?.place;
        let conditioned = self.skip_keyword("on")?;
        if !conditioned && self.peek(Kind::Name) {
            let name = self.name()?;
            let directives = self.directives(Variables::Allowed)?;
            return Ok(Selection::FragmentSpread(FragmentSpread { name, directives, place }));
        }
        Ok(Selection::InlineFragment(InlineFragment {
            type_condition: if conditioned { Some(self.name()?) } else { None },
            directives: self.directives(Variables::Allowed)?,
            selection_set: self.selection_set()?,
            place,
        }))
    }

    fn fragment_definition(&mut self) -> Result<FragmentDefinition, Error> {
        let place = self.token.place;
        let description = self.description()?;
        self.expect_keyword("fragment")?;
        // A string `"on"` is refused in these words too.
        if self.token.value == "on" {
            return Err(unexpected(&self.token));
        }
        let name = self.name()?;
        self.expect_keyword("on")?;
        Ok(FragmentDefinition {
            description,
            name,
            type_condition: self.name()?,
            directives: self.directives(Variables::Allowed)?,
            selection_set: self.selection_set()?,
            place,
        })
    }

    fn arguments(&mut self, variables: Variables) -> Result<Vec<Argument>, Error> {
        let argument = |it: &mut Self| it.argument(variables);
        self.optional_many(Kind::ParenOpen, argument, Kind::ParenClose)
    }

    fn argument(&mut self, variables: Variables) -> Result<Argument, Error> {
        let name = self.name()?;
        self.expect(Kind::Colon)?;
        Ok(Argument { name, value: self.value(variables)? })
    }

    fn directives(&mut self, variables: Variables) -> Result<Vec<Directive>, Error> {
        let mut directives = Vec::new();
        while self.peek(Kind::At) {
            let place = self.expect(Kind::At)?.place;
            let name = self.name()?;
            directives.push(Directive { name, arguments: self.arguments(variables)?, place });
        }
        Ok(directives)
    }

    fn value(&mut self, variables: Variables) -> Result<Value, Error> {
        let place = self.token.place;
        match self.token.kind {
            Kind::BracketOpen => self.list(variables),
            Kind::BraceOpen => self.object(variables),
            Kind::Int => Ok(Value::Int(self.number()?)),
            Kind::Float => Ok(Value::Float(self.number()?)),
            Kind::String | Kind::BlockString => Ok(Value::String(self.string()?)),
            Kind::Name => {
                let name = self.name()?;
                Ok(match name.as_str() {
                    "true" => Value::Boolean(true, place),
                    "false" => Value::Boolean(false, place),
                    "null" => Value::Null(place),
                    _ => Value::Enum(name),
                })
            }
            Kind::Dollar if variables == Variables::Allowed => self.variable().map(Value::Variable),
            Kind::Dollar => self.variable_in_constant(),
            _ => Err(unexpected(&self.token)),
        }
    }

    fn variable_in_constant(&mut self) -> Result<Value, Error> {
        let dollar = self.expect(Kind::Dollar)?;
        if self.peek(Kind::Name) {
            let what = format!("Unexpected variable \"${}\" in constant value.", self.token.value);
            return Err(Error::syntax(what, dollar.place));
        }
        Err(unexpected(&dollar))
    }

    fn list(&mut self, variables: Variables) -> Result<Value, Error> {
        let place = self.token.place;
        self.enter()?;
        let item = |it: &mut Self| it.value(variables);
        let items = self.any(Kind::BracketOpen, item, Kind::BracketClose)?;
        self.nesting -= 1;
        Ok(Value::List(items, place))
    }

    fn object(&mut self, variables: Variables) -> Result<Value, Error> {
        let place = self.token.place;
        self.enter()?;
        let member = |it: &mut Self| {
            let name = it.name()?;
            it.expect(Kind::Colon)?;
            Ok(ObjectField { name, value: it.value(variables)? })
        };
        let members = self.any(Kind::BraceOpen, member, Kind::BraceClose)?;
        self.nesting -= 1;
        Ok(Value::Object(members, place))
    }

    fn number(&mut self) -> Result<Number, Error> {
        let token = self.advance()?;
        Ok(Number { text: self.share(&token), place: token.place })
    }

    fn string(&mut self) -> Result<StringValue, Error> {
        let token = self.advance()?;
        let block = token.kind == Kind::BlockString;
        Ok(StringValue { value: self.share(&token), block, place: token.place })
    }

    fn description(&mut self) -> Result<Option<StringValue>, Error> {
        if self.peek_string() { self.string().map(Some) } else { Ok(None) }
    }

    fn type_reference(&mut self) -> Result<Type, Error> {
        let place = self.token.place;
        let ty = if self.skip(Kind::BracketOpen)? {
            self.enter()?;
            let inner = self.type_reference()?;
            self.expect(Kind::BracketClose)?;
            self.nesting -= 1;
            Type::List(Box::new(inner), place)
        } else {
            Type::Named(self.name()?)
        };
        Ok(if self.skip(Kind::Bang)? { Type::NonNull(Box::new(ty)) } else { ty })
    }

    fn name(&mut self) -> Result<Name, Error> {
        let token = self.expect(Kind::Name)?;
        Ok(Name { text: self.share(&token), place: token.place })
    }

    /// The value of a token, the same one for all tokens of the same text.
    fn share(&mut self, token: &Token<'a>) -> Arc<str> {
        match token.value {
            std::borrow::Cow::Borrowed(text) => self.texts.entry(text).or_insert_with(|| text.into()).clone(),
            std::borrow::Cow::Owned(ref text) => text.as_str().into(),
        }
    }
}

/// What every rule of the grammar is made of.
impl<'a> Parser<'a> {
    fn peek(&self, kind: Kind) -> bool {
        self.token.kind == kind
    }

    fn peek_string(&self) -> bool {
        matches!(self.token.kind, Kind::String | Kind::BlockString)
    }

    fn peek_after(&mut self) -> Result<Token<'a>, Error> {
        let after = self.lexer.next()?;
        self.after = Some(after.clone());
        Ok(after)
    }

    /// Goes to the next token and gives the one before.
    fn advance(&mut self) -> Result<Token<'a>, Error> {
        let next = match self.after.take() {
            Some(it) => it,
            None => self.lexer.next()?,
        };
        self.tokens += usize::from(next.kind != Kind::End);
        let before = mem::replace(&mut self.token, next);
        self.check_tokens()?;
        Ok(before)
    }

    fn check_tokens(&self) -> Result<(), Error> {
        if self.tokens <= self.bounds.tokens_max {
            return Ok(());
        }
        let max = self.bounds.tokens_max;
        let message = format!("The operation has more than {max} tokens.");
        Err(Error::limit(message, vec![self.token.place]))
    }

    /// Goes one level deeper; whoever calls it comes back with `nesting -= 1`.
    fn enter(&mut self) -> Result<(), Error> {
        self.nesting += 1;
        if self.nesting <= self.bounds.nesting_max {
            return Ok(());
        }
        let message = "The operation is nested more deeply than the parser can follow.";
        Err(Error::limit(message, vec![self.token.place]))
    }

    fn expect(&mut self, kind: Kind) -> Result<Token<'a>, Error> {
        if self.peek(kind) { self.advance() } else { Err(self.expected(&kind)) }
    }

    fn expected(&self, what: &dyn fmt::Display) -> Error {
        Error::syntax(format!("Expected {what}, found {}.", self.token), self.token.place)
    }

    fn skip(&mut self, kind: Kind) -> Result<bool, Error> {
        let found = self.peek(kind);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn peek_keyword(&self, keyword: &str) -> bool {
        self.peek(Kind::Name) && self.token.value == keyword
    }

    fn expect_keyword(&mut self, keyword: &str) -> Result<(), Error> {
        if self.skip_keyword(keyword)? { Ok(()) } else { Err(self.expected(&format!("\"{keyword}\""))) }
    }

    fn skip_keyword(&mut self, keyword: &str) -> Result<bool, Error> {
        let found = self.peek_keyword(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Items between an opening and a closing token, perhaps none.
    fn any<T>(
        &mut self,
        open: Kind,
        item: impl Fn(&mut Self) -> Result<T, Error>,
        close: Kind,
    ) -> Result<Vec<T>, Error> {
        self.expect(open)?;
        let mut items = Vec::new();
        while !self.skip(close)? {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Items between an opening and a closing token, at least one.
    fn many<T>(
        &mut self,
        open: Kind,
        item: impl Fn(&mut Self) -> Result<T, Error>,
        close: Kind,
    ) -> Result<Vec<T>, Error> {
        self.expect(open)?;
        let mut items = Vec::new();
        loop {
            items.push(item(self)?);
            if self.skip(close)? {
                return Ok(items);
            }
        }
    }

    /// As [`many`](Self::many), or nothing at all.
    fn optional_many<T>(
        &mut self,
        open: Kind,
        item: impl Fn(&mut Self) -> Result<T, Error>,
        close: Kind,
    ) -> Result<Vec<T>, Error> {
        if self.peek(open) { self.many(open, item, close) } else { Ok(Vec::new()) }
    }

    /// Items with a token between each two, and perhaps one before the first.
    fn delimited(
        &mut self,
        delimiter: Kind,
        item: impl Fn(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.skip(delimiter)?;
        loop {
            item(self)?;
            if !self.skip(delimiter)? {
                return Ok(());
            }
        }
    }
}

fn unexpected(token: &Token<'_>) -> Error {
    Error::syntax(format!("Unexpected {token}."), token.place)
}
