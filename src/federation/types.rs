//! Facts about the types of a schema that planning needs at hand.

use super::values::{Defaults, input_value};
use crate::{
    graphql::{InputDefinition, InputField, InputType, InputTypes},
    language::{
        ast::OperationKind,
        schema::{self, FieldDefinition, InputValueDefinition, Schema, TypeKind},
    },
    plan::{InputValue, Leaf, TypeNames},
};
use std::{collections::HashMap, fmt, sync::Arc};

/// A schema's types by name.
#[derive(Debug, Default)]
pub(super) struct Types {
    composites: HashMap<String, Composite>,
    leaves: HashMap<String, Leaf>,
}

/// An object, interface or union type.
#[derive(Debug)]
pub(super) struct Composite {
    pub(super) fields: HashMap<String, FieldType>,
    /// Object types that a value may have.
    pub(super) possible: TypeNames,
    pub(super) is_abstract: bool,
}

#[derive(Debug)]
pub(super) struct FieldType {
    pub(super) ty: Type,
    pub(super) arguments: Vec<InputField>,
}

/// The type of a field, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Type {
    Named(Arc<str>),
    List(Box<Self>),
    NonNull(Box<Self>),
}

impl Type {
    fn of(schema: &Schema, ty: &schema::Type) -> Self {
        match ty {
            schema::Type::Named(id) => Self::Named(schema.name(*id).clone()),
            schema::Type::List(inner) => Self::List(Box::new(Self::of(schema, inner))),
            schema::Type::NonNull(inner) => Self::NonNull(Box::new(Self::of(schema, inner))),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::List(inner) => write!(f, "[{inner}]"),
            Self::NonNull(inner) => write!(f, "{inner}!"),
        }
    }
}

impl Types {
    pub(super) fn of(schema: &Schema, inputs: &InputTypes) -> Self {
        let mut types = Self::default();
        for (id, definition) in schema.types() {
            let names =
                |ids: &[schema::TypeId]| TypeNames::new(ids.iter().map(|it| schema.name(*it).clone()));
            let name = definition.name.to_string();
            match &definition.kind {
                TypeKind::Object { fields, .. } | TypeKind::Interface { fields, .. } => {
                    let composite = Composite {
                        fields: fields_of(schema, fields, inputs),
                        possible: names(schema.possible_types(id)),
                        is_abstract: schema.is_abstract(id),
                    };
                    types.composites.insert(name, composite);
                }
                TypeKind::Union { members } => {
                    let (fields, possible) = (HashMap::new(), names(members));
                    types.composites.insert(name, Composite { fields, possible, is_abstract: true });
                }
                TypeKind::Enum { values } => {
                    let names = TypeNames::new(values.iter().map(|it| it.name.clone()));
                    types.leaves.insert(name, Leaf::Enum(names));
                }
                TypeKind::Scalar { .. } => {
                    types.leaves.insert(name, Leaf::Custom);
                }
                TypeKind::InputObject { .. } => {}
            }
        }
        types.add_entries_of_introspection(schema, inputs);
        for (name, leaf) in BUILT_IN {
            types.leaves.insert((*name).to_owned(), leaf.clone());
        }
        types
    }

    /// The query type has two fields that nobody declares.
    fn add_entries_of_introspection(&mut self, schema: &Schema, inputs: &InputTypes) {
        let Some(query) = schema.root(OperationKind::Query) else { return };
        let Some(composite) = self.composites.get_mut(&**schema.name(query)) else { return };
        let entries = ["__schema", "__type"].into_iter().filter_map(|it| schema.field(query, it));
        composite.fields.extend(entries.map(|it| (it.name.to_string(), field_type(schema, it, inputs))));
    }

    pub(super) fn composite(&self, name: &str) -> Option<&Composite> {
        self.composites.get(name)
    }

    pub(super) fn leaf(&self, name: &str) -> Leaf {
        self.leaves.get(name).cloned().unwrap_or(Leaf::Custom)
    }

    pub(super) fn field(&self, owner: &str, field: &str) -> Option<&FieldType> {
        self.composites.get(owner)?.fields.get(field)
    }

    /// What a type condition matches. An unknown name matches itself, as an interface object does.
    pub(super) fn possible(&self, name: &str) -> TypeNames {
        match self.composites.get(name) {
            Some(it) => it.possible.clone(),
            None => TypeNames::new([name.into()]),
        }
    }
}

const BUILT_IN: &[(&str, Leaf)] = &[
    ("Int", Leaf::Int),
    ("Float", Leaf::Float),
    ("String", Leaf::String),
    ("Boolean", Leaf::Boolean),
    ("ID", Leaf::Id),
];

fn fields_of(schema: &Schema, fields: &[FieldDefinition], inputs: &InputTypes) -> HashMap<String, FieldType> {
    fields.iter().map(|it| (it.name.to_string(), field_type(schema, it, inputs))).collect()
}

fn field_type(schema: &Schema, field: &FieldDefinition, inputs: &InputTypes) -> FieldType {
    FieldType {
        ty: Type::of(schema, &field.ty),
        arguments: field.arguments.iter().map(|it| input_field(schema, it, inputs)).collect(),
    }
}

/// An argument or input field, its default coerced as far as `inputs` knows.
fn input_field(schema: &Schema, value: &InputValueDefinition, inputs: &InputTypes) -> InputField {
    let ty = input_type(schema, &value.ty);
    let default = value.default_value.as_ref().map(|it| input_value(it, &ty, inputs, Defaults::PutIn));
    InputField {
        name: value.name.clone(),
        ty,
        default: default.and_then(|it| match it {
            InputValue::Json(json) => Some(json),
            // Defaults are constants.
            _ => None,
        }),
    }
}

fn input_type(schema: &Schema, ty: &schema::Type) -> InputType {
    match ty {
        schema::Type::Named(id) => InputType::Named(schema.name(*id).clone()),
        schema::Type::List(inner) => InputType::List(Box::new(input_type(schema, inner))),
        schema::Type::NonNull(inner) => InputType::NonNull(Box::new(input_type(schema, inner))),
    }
}

/// The innermost name of a type.
pub(super) fn named(ty: &Type) -> &str {
    match ty {
        Type::Named(name) => name,
        Type::List(inner) | Type::NonNull(inner) => named(inner),
    }
}

/// Levels of defaults within defaults that are put in. Only a schema whose defaults contain themselves
/// has more.
const DEFAULTS_NESTED_MAX: usize = 8;

/// The input types of a schema, for coercing variables. Defaults are whole: what they leave out has its
/// own default in it.
pub(super) fn input_types(schema: &Schema) -> InputTypes {
    let mut types = InputTypes::new();
    for _ in 0..DEFAULTS_NESTED_MAX {
        let next = input_types_knowing(schema, &types);
        if next == types {
            break;
        }
        types = next;
    }
    types
}

fn input_types_knowing(schema: &Schema, inputs: &InputTypes) -> InputTypes {
    let mut types = InputTypes::new();
    for (_, definition) in schema.types() {
        let input = match &definition.kind {
            TypeKind::Scalar { .. } => InputDefinition::Custom,
            TypeKind::Enum { values } => {
                InputDefinition::Enum(values.iter().map(|it| it.name.clone()).collect())
            }
            TypeKind::InputObject { fields, is_one_of } => {
                let fields = fields.iter().map(|it| input_field(schema, it, inputs)).collect();
                InputDefinition::Object { fields, one_of: *is_one_of }
            }
            _ => continue,
        };
        types.insert(definition.name.clone(), input);
    }
    types.insert("Int".into(), InputDefinition::Int);
    types.insert("Float".into(), InputDefinition::Float);
    types.insert("String".into(), InputDefinition::String);
    types.insert("Boolean".into(), InputDefinition::Boolean);
    types.insert("ID".into(), InputDefinition::Id);
    types
}
