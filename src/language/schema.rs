//! A schema as validation and introspection need it (GraphQL specification, sections 3 and 4): plain data, linked by
//! ids, nothing lost.
//!
//! [`SchemaBuilder`] makes one and adds what the specification brings along: its scalars where they are used, its
//! directives, the types and fields of introspection. Whether the schema itself is right is its composer's to say.

mod builder;
mod specified;

pub use builder::{SchemaBuilder, SchemaError};

use super::ast::{self, OperationKind, Value};
use std::{
    collections::{HashMap, HashSet},
    fmt,
    ops::Deref,
    sync::Arc,
};

/// A type of a schema, by its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(u32);

impl TypeId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A reference to a type (section 3.4.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// The type itself.
    Named(TypeId),
    /// A list of it.
    List(Box<Self>),
    /// Never null. What is inside is no such type itself.
    NonNull(Box<Self>),
}

impl Type {
    /// The type in the middle of it.
    pub fn named(&self) -> TypeId {
        match self {
            Self::Named(id) => *id,
            Self::List(inner) | Self::NonNull(inner) => inner.named(),
        }
    }

    /// The type without its exclamation mark.
    pub fn nullable(&self) -> &Self {
        match self {
            Self::NonNull(inner) => inner,
            other => other,
        }
    }

    /// Whether it has an exclamation mark.
    pub fn is_non_null(&self) -> bool {
        matches!(self, Self::NonNull(_))
    }

    /// `ty!`.
    #[must_use]
    pub fn non_null(self) -> Self {
        match self {
            Self::NonNull(_) => self,
            other => Self::NonNull(Box::new(other)),
        }
    }

    /// `[ty]`.
    #[must_use]
    pub fn list(self) -> Self {
        Self::List(Box::new(self))
    }
}

/// What has a name of its own among its kind.
pub trait Named {
    /// The name.
    fn name(&self) -> &Arc<str>;
}

/// A list in the order of the schema that finds its items by name. Of two items of one name it finds the first.
#[derive(Clone, Debug)]
pub struct Members<T> {
    items: Vec<T>,
    index: HashMap<Arc<str>, u32>,
}

impl<T: Named> Members<T> {
    /// The item of this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        /// Below this, looking through the names costs less than hashing one.
        const FEW: usize = 4;
        if self.items.len() <= FEW {
            return self.items.iter().find(|it| **it.name() == *name);
        }
        self.index.get(name).map(|it| &self.items[*it as usize])
    }
}

impl<T: Named> From<Vec<T>> for Members<T> {
    fn from(items: Vec<T>) -> Self {
        let mut index = HashMap::with_capacity(items.len());
        for (item, at) in items.iter().zip(0..) {
            index.entry(item.name().clone()).or_insert(at);
        }
        Self { items, index }
    }
}

impl<T> Deref for Members<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<'a, T> IntoIterator for &'a Members<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

/// A type (section 3.4).
#[derive(Clone, Debug)]
pub struct TypeDefinition {
    /// Its name.
    pub name: Arc<str>,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// Its kind and what belongs to it.
    pub kind: TypeKind,
}

/// Kinds of types, with what belongs to each.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// A leaf (section 3.5).
    Scalar {
        /// Where its format is specified.
        specified_by: Option<Arc<str>>,
    },
    /// Fields (section 3.6).
    Object {
        /// Its fields.
        fields: Members<FieldDefinition>,
        /// Those it implements.
        interfaces: Vec<TypeId>,
    },
    /// Fields that objects have in common (section 3.7).
    Interface {
        /// Its fields.
        fields: Members<FieldDefinition>,
        /// Those it implements.
        interfaces: Vec<TypeId>,
    },
    /// One of several objects (section 3.8).
    Union {
        /// The objects.
        members: Vec<TypeId>,
    },
    /// A leaf of a closed set (section 3.9).
    Enum {
        /// Its values.
        values: Members<EnumValueDefinition>,
    },
    /// An object for arguments (section 3.10).
    InputObject {
        /// Its fields.
        fields: Members<InputValueDefinition>,
        /// Whether exactly one of them must be given (section 3.10.1).
        is_one_of: bool,
    },
}

/// A field of an object or interface.
#[derive(Clone, Debug)]
pub struct FieldDefinition {
    /// Its name.
    pub name: Arc<str>,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// Its arguments.
    pub arguments: Members<InputValueDefinition>,
    /// What it returns.
    pub ty: Type,
    /// Why it is deprecated, where it is.
    pub deprecation_reason: Option<Arc<str>>,
}

/// An argument, or a field of an input object.
#[derive(Clone, Debug)]
pub struct InputValueDefinition {
    /// Its name.
    pub name: Arc<str>,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// What it takes.
    pub ty: Type,
    /// Its value where none is given.
    pub default_value: Option<Value>,
    /// Why it is deprecated, where it is.
    pub deprecation_reason: Option<Arc<str>>,
}

impl InputValueDefinition {
    /// Whether it has to be given.
    pub fn is_required(&self) -> bool {
        self.ty.is_non_null() && self.default_value.is_none()
    }
}

/// A value of an enum.
#[derive(Clone, Debug)]
pub struct EnumValueDefinition {
    /// Its name.
    pub name: Arc<str>,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// Why it is deprecated, where it is.
    pub deprecation_reason: Option<Arc<str>>,
}

/// Where directives may stand in documents to be executed (section 3.13).
pub const EXECUTABLE_LOCATIONS: [&str; 8] = [
    "QUERY",
    "MUTATION",
    "SUBSCRIPTION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
];

/// Where they may stand in definitions of types, and what the reference implementation adds.
const TYPE_SYSTEM_LOCATIONS: [&str; 12] = [
    "SCHEMA",
    "SCALAR",
    "OBJECT",
    "FIELD_DEFINITION",
    "ARGUMENT_DEFINITION",
    "INTERFACE",
    "UNION",
    "ENUM",
    "ENUM_VALUE",
    "INPUT_OBJECT",
    "INPUT_FIELD_DEFINITION",
    "DIRECTIVE_DEFINITION",
];

/// All places where directives may stand.
pub(super) fn locations() -> impl Iterator<Item = &'static str> {
    EXECUTABLE_LOCATIONS.into_iter().chain(TYPE_SYSTEM_LOCATIONS)
}

/// A directive (section 3.13).
#[derive(Clone, Debug)]
pub struct DirectiveDefinition {
    /// Without the at sign.
    pub name: Arc<str>,
    /// Its description.
    pub description: Option<Arc<str>>,
    /// Its arguments.
    pub arguments: Members<InputValueDefinition>,
    /// Whether it may stand at one place more than once.
    pub is_repeatable: bool,
    /// Where it may stand, such as `FIELD` or `ENUM_VALUE`.
    pub locations: Vec<Arc<str>>,
}

macro_rules! named {
    ($($ty:ty),*) => { $(impl Named for $ty {
        fn name(&self) -> &Arc<str> {
            &self.name
        }
    })* };
}

named!(FieldDefinition, InputValueDefinition, EnumValueDefinition, DirectiveDefinition);

/// A schema. See the module.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The schema's own description.
    pub description: Option<Arc<str>>,
    /// By id.
    types: Vec<TypeDefinition>,
    /// Each type as a reference to itself, by id.
    references: Vec<Type>,
    ids: HashMap<Arc<str>, TypeId>,
    /// In the order in which introspection lists them.
    order: Vec<TypeId>,
    directives: Members<DirectiveDefinition>,
    query: TypeId,
    mutation: Option<TypeId>,
    subscription: Option<TypeId>,
    /// By id: for abstract types, the objects and interfaces below them.
    below: Vec<Below>,
    meta: MetaFields,
}

/// What an abstract type stands for.
#[derive(Clone, Debug, Default)]
struct Below {
    /// Objects, in the schema's order.
    objects: Vec<TypeId>,
    /// Objects by id, a bit each, for comparing two such types.
    bits: Vec<u64>,
    /// Objects and interfaces.
    subtypes: HashSet<TypeId>,
}

/// The fields that every schema has (section 4.1).
#[derive(Clone, Debug)]
struct MetaFields {
    schema: FieldDefinition,
    ty: FieldDefinition,
    typename: FieldDefinition,
}

impl Schema {
    /// The id of a type.
    pub fn id(&self, name: &str) -> Option<TypeId> {
        self.ids.get(name).copied()
    }

    /// A type by its id.
    pub fn definition(&self, id: TypeId) -> &TypeDefinition {
        &self.types[id.index()]
    }

    /// A type by its name.
    pub fn type_named(&self, name: &str) -> Option<&TypeDefinition> {
        self.id(name).map(|it| self.definition(it))
    }

    /// The name of a type.
    pub fn name(&self, id: TypeId) -> &Arc<str> {
        &self.definition(id).name
    }

    /// A type as a reference to itself.
    pub fn reference(&self, id: TypeId) -> &Type {
        &self.references[id.index()]
    }

    /// All types: the schema's own in their order, the built-in scalars where they are first used, and those of
    /// introspection at the end.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &TypeDefinition)> {
        self.order.iter().map(|it| (*it, self.definition(*it)))
    }

    /// All directives: the schema's own, then those of the specification.
    pub fn directives(&self) -> &Members<DirectiveDefinition> {
        &self.directives
    }

    /// Where operations of a kind begin.
    pub fn root(&self, kind: OperationKind) -> Option<TypeId> {
        match kind {
            OperationKind::Query => Some(self.query),
            OperationKind::Mutation => self.mutation,
            OperationKind::Subscription => self.subscription,
        }
    }

    /// The objects that an interface or union stands for, or an object itself; none for other types.
    pub fn possible_types(&self, id: TypeId) -> &[TypeId] {
        &self.below[id.index()].objects
    }

    /// Whether values of the one type are values of the abstract other.
    pub fn is_subtype(&self, id: TypeId, of: TypeId) -> bool {
        self.is_abstract(of) && self.below[of.index()].subtypes.contains(&id)
    }

    /// Whether there can be an object that is of both types. A type overlaps with itself.
    pub fn overlap(&self, a: TypeId, b: TypeId) -> bool {
        let (ones, others) = (&self.below[a.index()].bits, &self.below[b.index()].bits);
        a == b || ones.iter().zip(others).any(|(one, other)| one & other != 0)
    }

    /// Whether a type is an object, interface or union.
    pub fn is_composite(&self, id: TypeId) -> bool {
        self.is_object(id) || self.is_abstract(id)
    }

    /// Whether a type is an object.
    pub fn is_object(&self, id: TypeId) -> bool {
        matches!(self.definition(id).kind, TypeKind::Object { .. })
    }

    /// Whether a type is an interface or union.
    pub fn is_abstract(&self, id: TypeId) -> bool {
        matches!(self.definition(id).kind, TypeKind::Interface { .. } | TypeKind::Union { .. })
    }

    /// Whether a type is a scalar or enum.
    pub fn is_leaf(&self, id: TypeId) -> bool {
        matches!(self.definition(id).kind, TypeKind::Scalar { .. } | TypeKind::Enum { .. })
    }

    /// Whether arguments can be of a type.
    pub fn is_input(&self, id: TypeId) -> bool {
        self.is_leaf(id) || matches!(self.definition(id).kind, TypeKind::InputObject { .. })
    }

    /// The fields of an object or interface, as declared.
    pub fn fields(&self, id: TypeId) -> Option<&Members<FieldDefinition>> {
        match &self.definition(id).kind {
            TypeKind::Object { fields, .. } | TypeKind::Interface { fields, .. } => Some(fields),
            _ => None,
        }
    }

    /// The field that a selection on a type means: a declared one, `__typename`, or one of introspection's entries
    /// on the query type (section 4.1).
    pub fn field(&self, id: TypeId, name: &str) -> Option<&FieldDefinition> {
        if name.starts_with("__") {
            match name {
                "__schema" if id == self.query => return Some(&self.meta.schema),
                "__type" if id == self.query => return Some(&self.meta.ty),
                "__typename" if self.is_composite(id) => return Some(&self.meta.typename),
                _ => {}
            }
        }
        self.fields(id)?.get(name)
    }

    /// A type as written in a document; `None` where its name is unknown.
    pub fn resolve(&self, ty: &ast::Type) -> Option<Type> {
        Some(match ty {
            ast::Type::Named(name) => Type::Named(self.id(&name.text)?),
            ast::Type::List(inner, _) => self.resolve(inner)?.list(),
            ast::Type::NonNull(inner) => self.resolve(inner)?.non_null(),
        })
    }

    /// A type as documents write it.
    pub fn show<'a>(&'a self, ty: &'a Type) -> ShownType<'a> {
        ShownType { schema: self, ty }
    }
}

/// Writes a type as documents do.
#[derive(Clone, Copy, Debug)]
pub struct ShownType<'a> {
    schema: &'a Schema,
    ty: &'a Type,
}

impl fmt::Display for ShownType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ty {
            Type::Named(id) => f.write_str(self.schema.name(*id)),
            Type::List(inner) => write!(f, "[{}]", self.schema.show(inner)),
            Type::NonNull(inner) => write!(f, "{}!", self.schema.show(inner)),
        }
    }
}
