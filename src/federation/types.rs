//! Facts about the types of a schema that planning needs at hand.

use super::values::{Defaults, input_type, input_value};
use crate::{
    graphql::{InputDefinition, InputField, InputTypes},
    plan::{InputValue, Leaf, TypeNames},
};
use graphql_tools::static_graphql::schema::{self, Definition, Document, TypeDefinition};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

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
    pub(super) ty: schema::Type,
    pub(super) arguments: Vec<InputField>,
}

impl Types {
    pub(super) fn of(document: &Document, inputs: &InputTypes) -> Self {
        let mut types = Self::default();
        let mut members: BTreeMap<&str, Vec<Arc<str>>> = BTreeMap::new();
        for definition in type_definitions(document) {
            types.add(definition, inputs, &mut members);
        }
        for (name, members) in members {
            if let Some(composite) = types.composites.get_mut(name) {
                composite.possible = TypeNames::new(members);
            }
        }
        for (name, leaf) in BUILT_IN {
            types.leaves.insert((*name).to_owned(), leaf.clone());
        }
        types
    }

    fn add<'a>(
        &mut self,
        definition: &'a TypeDefinition,
        inputs: &InputTypes,
        members: &mut BTreeMap<&'a str, Vec<Arc<str>>>,
    ) {
        match definition {
            TypeDefinition::Object(it) => {
                for interface in &it.implements_interfaces {
                    members.entry(interface).or_default().push(it.name.as_str().into());
                }
                let possible = TypeNames::new([it.name.as_str().into()]);
                self.add_composite(&it.name, fields_of(&it.fields, inputs), possible, false);
            }
            TypeDefinition::Interface(it) => {
                self.add_composite(&it.name, fields_of(&it.fields, inputs), TypeNames::new([]), true);
            }
            TypeDefinition::Union(it) => {
                let possible = TypeNames::new(it.types.iter().map(|it| it.as_str().into()));
                self.add_composite(&it.name, HashMap::new(), possible, true);
            }
            TypeDefinition::Enum(it) => {
                let names = TypeNames::new(it.values.iter().map(|it| it.name.as_str().into()));
                self.leaves.insert(it.name.clone(), Leaf::Enum(names));
            }
            TypeDefinition::Scalar(it) => {
                self.leaves.insert(it.name.clone(), Leaf::Custom);
            }
            TypeDefinition::InputObject(_) => {}
        }
    }

    fn add_composite(
        &mut self,
        name: &str,
        fields: HashMap<String, FieldType>,
        possible: TypeNames,
        is_abstract: bool,
    ) {
        self.composites.insert(name.to_owned(), Composite { fields, possible, is_abstract });
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

pub(super) fn type_definitions(document: &Document) -> impl Iterator<Item = &TypeDefinition> {
    document.definitions.iter().filter_map(|it| match it {
        Definition::TypeDefinition(it) => Some(it),
        _ => None,
    })
}

fn fields_of(fields: &[schema::Field], inputs: &InputTypes) -> HashMap<String, FieldType> {
    let field = |it: &schema::Field| FieldType {
        ty: it.field_type.clone(),
        arguments: it.arguments.iter().map(|it| input_field(it, inputs)).collect(),
    };
    fields.iter().map(|it| (it.name.clone(), field(it))).collect()
}

/// An argument or input field, its default coerced as far as `inputs` knows.
fn input_field(value: &schema::InputValue, inputs: &InputTypes) -> InputField {
    let ty = input_type(&value.value_type);
    let default = value.default_value.as_ref().map(|it| input_value(it, &ty, inputs, Defaults::PutIn));
    InputField {
        name: value.name.as_str().into(),
        ty,
        default: default.and_then(|it| match it {
            InputValue::Json(json) => Some(json),
            // Defaults are constants.
            _ => None,
        }),
    }
}

/// The innermost name of a type.
pub(super) fn named(ty: &schema::Type) -> &str {
    match ty {
        schema::Type::NamedType(name) => name,
        schema::Type::ListType(inner) | schema::Type::NonNullType(inner) => named(inner),
    }
}

/// Levels of defaults within defaults that are put in. Only a schema whose defaults contain themselves
/// has more.
const DEFAULTS_NESTED_MAX: usize = 8;

/// The input types of a schema, for coercing variables. Defaults are whole: what they leave out has its
/// own default in it.
pub(super) fn input_types(document: &Document) -> InputTypes {
    let mut types = InputTypes::new();
    for _ in 0..DEFAULTS_NESTED_MAX {
        let next = input_types_knowing(document, &types);
        if next == types {
            break;
        }
        types = next;
    }
    types
}

fn input_types_knowing(document: &Document, inputs: &InputTypes) -> InputTypes {
    let mut types = InputTypes::new();
    for definition in type_definitions(document) {
        let (name, input) = match definition {
            TypeDefinition::Scalar(it) => (&it.name, InputDefinition::Custom),
            TypeDefinition::Enum(it) => {
                let values = it.values.iter().map(|it| it.name.as_str().into()).collect();
                (&it.name, InputDefinition::Enum(values))
            }
            TypeDefinition::InputObject(it) => {
                let fields = it.fields.iter().map(|it| input_field(it, inputs)).collect();
                let one_of = it.directives.iter().any(|it| it.name == "oneOf");
                (&it.name, InputDefinition::Object { fields, one_of })
            }
            _ => continue,
        };
        types.insert(name.as_str().into(), input);
    }
    types.insert("Int".into(), InputDefinition::Int);
    types.insert("Float".into(), InputDefinition::Float);
    types.insert("String".into(), InputDefinition::String);
    types.insert("Boolean".into(), InputDefinition::Boolean);
    types.insert("ID".into(), InputDefinition::Id);
    types
}
