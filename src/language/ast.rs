//! The tree of an executable document (GraphQL specification, section 2), where every node has its place.
//!
//! Names and texts are shared (`Arc<str>`), one allocation per distinct text of a document, so that later stages
//! can keep them for the price of a counter. The tree borrows nothing and may go from thread to thread.

use std::{fmt, sync::Arc};

/// Where a node begins: a byte offset into the text. [`Lines`](super::Lines) makes line and column of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(pub u32);

/// A name and where it stands (section 2.1.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its letters.
    pub text: Arc<str>,
    /// Its first letter.
    pub place: Place,
}

impl Name {
    /// Its letters.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A document: its definitions in the order of the text (section 2.2). There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Operations, fragments, and what does not belong here.
    pub definitions: Vec<Definition>,
}

impl Document {
    /// The operations in the order of the text.
    pub fn operations(&self) -> impl Iterator<Item = &OperationDefinition> {
        self.definitions.iter().filter_map(|it| match it {
            Definition::Operation(it) => Some(it),
            _ => None,
        })
    }

    /// The fragments in the order of the text.
    pub fn fragments(&self) -> impl Iterator<Item = &FragmentDefinition> {
        self.definitions.iter().filter_map(|it| match it {
            Definition::Fragment(it) => Some(it),
            _ => None,
        })
    }
}

/// One definition of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// A query, mutation or subscription.
    Operation(OperationDefinition),
    /// A named fragment.
    Fragment(FragmentDefinition),
    /// A definition or extension of a type system, which validation refuses.
    TypeSystem(TypeSystemDefinition),
}

/// What is known of a type-system definition: enough to refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeSystemDefinition {
    /// What it defines or extends; `None` for the schema.
    pub name: Option<Name>,
    /// Its description, or its first keyword.
    pub place: Place,
}

/// Which kind of operation (section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// Reads.
    Query,
    /// Writes, then reads.
    Mutation,
    /// Reads for every event.
    Subscription,
}

impl OperationKind {
    /// Its keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// An operation (section 2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationDefinition {
    /// Query, where the text begins with a brace.
    pub kind: OperationKind,
    /// For readers of the text; nothing depends on it.
    pub description: Option<StringValue>,
    /// `None` for an anonymous one.
    pub name: Option<Name>,
    /// In the order of the text.
    pub variables: Vec<VariableDefinition>,
    /// Those on the operation itself.
    pub directives: Vec<Directive>,
    /// What it asks for.
    pub selection_set: SelectionSet,
    /// Its description, its keyword or its brace.
    pub place: Place,
}

/// A named fragment (section 2.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragmentDefinition {
    /// For readers of the text; nothing depends on it.
    pub description: Option<StringValue>,
    /// Never `on`.
    pub name: Name,
    /// The type it is about.
    pub type_condition: Name,
    /// Those on the definition itself.
    pub directives: Vec<Directive>,
    /// What it adds where it is spread.
    pub selection_set: SelectionSet,
    /// Its description or its keyword.
    pub place: Place,
}

/// A variable definition (section 2.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableDefinition {
    /// For readers of the text; nothing depends on it.
    pub description: Option<StringValue>,
    /// The variable.
    pub variable: Variable,
    /// Its type as written, known or not.
    pub ty: Type,
    /// Without variables in it.
    pub default_value: Option<Value>,
    /// Without variables in them.
    pub directives: Vec<Directive>,
    /// Its description or its dollar sign.
    pub place: Place,
}

/// A variable where it is defined or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Without the dollar sign.
    pub name: Name,
    /// The dollar sign.
    pub place: Place,
}

/// Selections within braces (section 2.4). There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectionSet {
    /// In the order of the text.
    pub items: Vec<Selection>,
    /// Its opening brace.
    pub place: Place,
}

/// One selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// A field.
    Field(Field),
    /// `...name`.
    FragmentSpread(FragmentSpread),
    /// `... on Type { }`, or without a type.
    InlineFragment(InlineFragment),
}

impl Selection {
    /// Its directives.
    pub fn directives(&self) -> &[Directive] {
        match self {
            Self::Field(it) => &it.directives,
            Self::FragmentSpread(it) => &it.directives,
            Self::InlineFragment(it) => &it.directives,
        }
    }
}

/// A field (section 2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name to answer under, where it is not the field's own.
    pub alias: Option<Name>,
    /// The field's own name.
    pub name: Name,
    /// In the order of the text.
    pub arguments: Vec<Argument>,
    /// In the order of the text.
    pub directives: Vec<Directive>,
    /// `None` where there are no braces.
    pub selection_set: Option<SelectionSet>,
}

impl Field {
    /// The name that the response has it under: its alias, or its name.
    pub fn response_name(&self) -> &Name {
        self.alias.as_ref().unwrap_or(&self.name)
    }

    /// Its alias, or its name.
    pub fn place(&self) -> Place {
        self.response_name().place
    }
}

/// A spread of a named fragment (section 2.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FragmentSpread {
    /// The fragment's name.
    pub name: Name,
    /// In the order of the text.
    pub directives: Vec<Directive>,
    /// Its three dots.
    pub place: Place,
}

/// A fragment at its place of use (section 2.8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineFragment {
    /// The type it is about; `None` for that of its surroundings.
    pub type_condition: Option<Name>,
    /// In the order of the text.
    pub directives: Vec<Directive>,
    /// What it adds.
    pub selection_set: SelectionSet,
    /// Its three dots.
    pub place: Place,
}

/// An argument of a field or directive (section 2.6). Its place is its name's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: Name,
    /// Its value, which may hold variables.
    pub value: Value,
}

/// A directive where it is used (section 2.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Without the at sign.
    pub name: Name,
    /// In the order of the text.
    pub arguments: Vec<Argument>,
    /// Its at sign.
    pub place: Place,
}

/// A reference to a type as written (section 2.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// A name.
    Named(Name),
    /// `[inner]`; its place is the bracket.
    List(Box<Self>, Place),
    /// `inner!`, where `inner` is no such type itself; its place is that of `inner`.
    NonNull(Box<Self>),
}

impl Type {
    /// Its name or its bracket.
    pub fn place(&self) -> Place {
        match self {
            Self::Named(name) => name.place,
            Self::List(_, place) => *place,
            Self::NonNull(inner) => inner.place(),
        }
    }

    /// The name in the middle of it.
    pub fn name(&self) -> &Name {
        match self {
            Self::Named(name) => name,
            Self::List(inner, _) | Self::NonNull(inner) => inner.name(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(&name.text),
            Self::List(inner, _) => write!(f, "[{inner}]"),
            Self::NonNull(inner) => write!(f, "{inner}!"),
        }
    }
}

/// A value as written (section 2.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `$name`.
    Variable(Variable),
    /// A whole number.
    Int(Number),
    /// A number with a fraction or an exponent.
    Float(Number),
    /// A string of either kind.
    String(StringValue),
    /// `true` or `false`.
    Boolean(bool, Place),
    /// `null`.
    Null(Place),
    /// Any other name.
    Enum(Name),
    /// `[…]`; its place is the bracket.
    List(Vec<Self>, Place),
    /// `{…}`; its place is the brace.
    Object(Vec<ObjectField>, Place),
}

impl Value {
    /// Where it begins.
    pub fn place(&self) -> Place {
        match self {
            Self::Variable(it) => it.place,
            Self::Int(it) | Self::Float(it) => it.place,
            Self::String(it) => it.place,
            Self::Enum(it) => it.place,
            Self::Boolean(_, place) | Self::Null(place) | Self::List(_, place) | Self::Object(_, place) => {
                *place
            }
        }
    }
}

/// A number, digit by digit as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// Its text, from the sign on.
    pub text: Arc<str>,
    /// Its sign or first digit.
    pub place: Place,
}

/// A string (section 2.9.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringValue {
    /// What it stands for: escapes resolved, a block's indentation taken off.
    pub value: Arc<str>,
    /// Whether it is written within three quotes.
    pub block: bool,
    /// Its first quote.
    pub place: Place,
}

/// A member of an object value. Its place is its name's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectField {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Value,
}
