//! Makes a [`Schema`] of definitions in any order.

use super::{
    Below, DirectiveDefinition, FieldDefinition, Schema, Type, TypeDefinition, TypeId, TypeKind, specified,
};
use crate::language::{ast::OperationKind, error::offset};
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt,
    sync::Arc,
};

/// Why definitions make no schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaError {
    /// A type is referred to and not defined.
    UnknownType(Arc<str>),
    /// There is no query type.
    NoQueryType,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType(name) => write!(f, "the type `{name}` is used and not defined"),
            Self::NoQueryType => f.write_str("there is no query type"),
        }
    }
}

impl std::error::Error for SchemaError {}

/// Makes a [`Schema`] of definitions in any order.
#[derive(Clone, Debug, Default)]
pub struct SchemaBuilder {
    description: Option<Arc<str>>,
    names: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, TypeId>,
    types: HashMap<TypeId, TypeDefinition>,
    order: Vec<TypeId>,
    directives: Vec<DirectiveDefinition>,
    roots: HashMap<OperationKind, TypeId>,
}

impl SchemaBuilder {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of a type, which may be defined later.
    pub fn id(&mut self, name: &str) -> TypeId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = TypeId(offset(self.names.len()));
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.ids.insert(name, id);
        id
    }

    /// Gives the schema its description.
    pub fn describe(&mut self, description: Arc<str>) {
        self.description = Some(description);
    }

    /// Defines a type. Of two definitions of one name the first counts; what the specification defines itself, its
    /// scalars and the types of introspection, stays as it is there.
    pub fn define(&mut self, definition: TypeDefinition) {
        if specified::is_scalar(&definition.name) || specified::is_introspection(&definition.name) {
            return;
        }
        let id = self.id(&definition.name);
        if let Entry::Vacant(place) = self.types.entry(id) {
            place.insert(definition);
            self.order.push(id);
        }
    }

    /// Defines a directive. Of two of one name the first counts, also of those that the specification has.
    pub fn define_directive(&mut self, definition: DirectiveDefinition) {
        if !self.directives.iter().any(|it| it.name == definition.name) {
            self.directives.push(definition);
        }
    }

    /// Says where operations of a kind begin.
    pub fn root(&mut self, kind: OperationKind, name: &str) {
        let id = self.id(name);
        self.roots.insert(kind, id);
    }

    /// Adds what the specification defines, and links everything.
    ///
    /// # Errors
    /// Where a type is not defined, or there is no query type.
    pub fn finish(mut self) -> Result<Schema, SchemaError> {
        let query = *self.roots.get(&OperationKind::Query).ok_or(SchemaError::NoQueryType)?;
        specified::directives(&mut self).into_iter().for_each(|it| self.define_directive(it));
        let introspection = specified::introspection(&mut self);
        let meta = specified::meta_fields(&mut self);
        let order = self.order_with_scalars(&introspection);
        for definition in introspection {
            let id = self.id(&definition.name);
            self.types.insert(id, definition);
        }
        let mut types = Vec::with_capacity(self.names.len());
        for (name, id) in self.names.iter().zip(0..) {
            let definition = self.types.remove(&TypeId(id)).or_else(|| specified::scalar(name));
            types.push(definition.ok_or_else(|| SchemaError::UnknownType(name.clone()))?);
        }
        Ok(Schema {
            description: self.description,
            below: below(&types, &order),
            references: (0..offset(types.len())).map(|it| Type::Named(TypeId(it))).collect(),
            types,
            ids: self.ids,
            order,
            directives: self.directives.into(),
            query,
            mutation: self.roots.get(&OperationKind::Mutation).copied(),
            subscription: self.roots.get(&OperationKind::Subscription).copied(),
            meta,
        })
    }

    /// All types as introspection lists them: built-in scalars behind the first type that uses them.
    fn order_with_scalars(&mut self, introspection: &[TypeDefinition]) -> Vec<TypeId> {
        let (mut order, mut seen) = (Vec::with_capacity(self.names.len()), HashSet::new());
        let mut is_new_scalar =
            |it: &TypeId| specified::is_scalar(&self.names[it.index()]) && seen.insert(*it);
        for id in &self.order {
            order.push(*id);
            let used = self.types.get(id).map(uses).unwrap_or_default();
            order.extend(used.into_iter().filter(&mut is_new_scalar));
        }
        let of_directives = self.directives.iter().flat_map(|it| &it.arguments).map(|it| it.ty.named());
        order.extend(of_directives.filter(&mut is_new_scalar));
        order.extend(introspection.iter().map(|it| self.id(&it.name)));
        order
    }
}

/// The types that a type names, in order.
fn uses(definition: &TypeDefinition) -> Vec<TypeId> {
    match &definition.kind {
        TypeKind::Object { fields, .. } | TypeKind::Interface { fields, .. } => {
            let of_field = |it: &FieldDefinition| {
                let arguments: Vec<TypeId> = it.arguments.iter().map(|it| it.ty.named()).collect();
                std::iter::once(it.ty.named()).chain(arguments)
            };
            fields.iter().flat_map(of_field).collect()
        }
        TypeKind::InputObject { fields, .. } => fields.iter().map(|it| it.ty.named()).collect(),
        TypeKind::Scalar { .. } | TypeKind::Union { .. } | TypeKind::Enum { .. } => Vec::new(),
    }
}

/// What stands below each type.
fn below(types: &[TypeDefinition], order: &[TypeId]) -> Vec<Below> {
    let mut below = vec![Below::default(); types.len()];
    for id in order {
        match &types[id.index()].kind {
            TypeKind::Object { interfaces, .. } => {
                below[id.index()].add_object(*id);
                for interface in interfaces {
                    below[interface.index()].add_object(*id);
                }
            }
            TypeKind::Interface { interfaces, .. } => {
                for interface in interfaces {
                    below[interface.index()].subtypes.insert(*id);
                }
            }
            TypeKind::Union { members } => members.iter().for_each(|it| below[id.index()].add_object(*it)),
            _ => {}
        }
    }
    below
}

impl Below {
    fn add_object(&mut self, id: TypeId) {
        let (word, bit) = (id.index() / 64, id.index() % 64);
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << bit;
        self.objects.push(id);
        self.subtypes.insert(id);
    }
}
