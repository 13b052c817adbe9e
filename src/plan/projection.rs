//! The shape of a response: which of the data, under which names, in which order.

use std::sync::Arc;

/// Names of object types, sorted: an abstract type or a type condition, resolved to what it may be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeNames(Arc<[Arc<str>]>);

impl TypeNames {
    pub fn new(names: impl IntoIterator<Item = Arc<str>>) -> Self {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into())
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|it| (**it).cmp(name)).is_ok()
    }

    /// The only name, when there is just one.
    pub fn only(&self) -> Option<&Arc<str>> {
        match &self.0[..] {
            [name] => Some(name),
            _ => None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names that are in both.
    pub fn and(&self, other: &Self) -> Self {
        // A part of what is sorted is sorted.
        Self(self.0.iter().filter(|it| other.contains(it)).cloned().collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter()
    }
}

/// How the data of an operation becomes `data` of its response.
#[derive(Debug)]
pub struct Projection {
    /// The root type's name (what a root `__typename` answers).
    pub root_type: Arc<str>,
    pub root: SelectionSet,
    /// The response's shape as text: keys, order, nesting. Two projections with equal text of equal
    /// canonical operations write equal bytes. Part of the group key.
    pub shape: Arc<str>,
}

/// Fields in the order of the response, already merged: a response key occurs once per object type.
#[derive(Debug)]
pub struct SelectionSet {
    pub fields: Vec<Field>,
}

/// A field of a response.
#[derive(Debug)]
pub struct Field {
    /// The client's response key (alias or name).
    pub key: Arc<str>,
    /// Where the value lies in the data.
    pub source: FieldSource,
    /// Only on objects of these types; `None` for every type.
    pub types: Option<TypeNames>,
}

#[derive(Debug)]
pub enum FieldSource {
    /// `__typename` of the object at hand.
    Typename,
    /// The value under a canonical key; `name` is the schema's name, for messages.
    Data { source: Arc<str>, name: Arc<str>, value: ValueType },
    /// No plan leads to the field: null, with an error. (Graphs that are served leniently have such.)
    Unreachable { nullable: bool },
}

/// A field's type, as far as completing a value needs it (GraphQL specification, section 6.4.3).
#[derive(Debug)]
pub enum ValueType {
    NonNull(Box<Self>),
    List(Box<Self>),
    Leaf(Leaf),
    Object {
        /// The static type: the object type itself, or an interface or union.
        name: Arc<str>,
        /// Object types the value may have.
        possible: TypeNames,
        selection: SelectionSet,
    },
}

/// How a leaf's value is checked on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// Whole numbers of 32 bits.
    Int,
    Float,
    String,
    Boolean,
    /// Strings; whole numbers are written as strings.
    Id,
    /// One of these names (values that the schema hides are errors).
    Enum(TypeNames),
    /// Any JSON, passed through as it came.
    Custom,
}
