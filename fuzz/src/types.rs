//! The types of a supergraph as its text has them, read without the router's help.

use graphql_tools::{
    parser::{parse_schema, schema::Definition},
    static_graphql::schema::{Directive, Document, Field as SchemaField, InputValue, Type, TypeDefinition},
};
use juga::graphql::InputType;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Types {
    composites: BTreeMap<String, Composite>,
    enums: BTreeMap<String, Vec<String>>,
}

/// An object, interface or union type.
#[derive(Debug, Default)]
pub struct Composite {
    pub fields: Vec<Field>,
    /// Object types that a value may have.
    pub possible: Vec<String>,
}

#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub ty: InputType,
    pub arguments: Vec<Argument>,
}

#[derive(Debug)]
pub struct Argument {
    pub name: String,
    pub ty: InputType,
    pub has_default: bool,
}

impl Argument {
    pub fn is_required(&self) -> bool {
        matches!(self.ty, InputType::NonNull(_)) && !self.has_default
    }
}

impl Types {
    /// What clients may ask for.
    pub fn public(sdl: &str) -> Self {
        Self::read(&parse(sdl), &|directives| !directives.iter().any(|it| it.name == "inaccessible"))
    }

    /// Everything, for subgraphs to answer with.
    pub fn whole(sdl: &str) -> Self {
        Self::read(&parse(sdl), &|_| true)
    }

    /// Everything in a subgraph's own schema.
    pub fn of(document: &Document) -> Self {
        Self::read(document, &|_| true)
    }

    fn read(document: &Document, shows: &dyn Fn(&[Directive]) -> bool) -> Self {
        let (mut types, mut members) = (Self::default(), Vec::new());
        for definition in &document.definitions {
            if let Definition::TypeDefinition(it) = definition {
                types.add(it, shows, &mut members);
            }
        }
        for (interface, name) in members {
            types.composites.entry(interface).or_default().possible.push(name);
        }
        types
    }

    fn add(
        &mut self,
        definition: &TypeDefinition,
        shows: &dyn Fn(&[Directive]) -> bool,
        members: &mut Vec<(String, String)>,
    ) {
        let fields =
            |fields: &[SchemaField]| fields.iter().filter(|it| shows(&it.directives)).map(field).collect();
        match definition {
            TypeDefinition::Object(it) if shows(&it.directives) => {
                members.extend(it.implements_interfaces.iter().map(|of| (of.clone(), it.name.clone())));
                let composite = Composite { fields: fields(&it.fields), possible: vec![it.name.clone()] };
                self.composites.insert(it.name.clone(), composite);
            }
            TypeDefinition::Interface(it) if shows(&it.directives) => {
                self.composites.entry(it.name.clone()).or_default().fields = fields(&it.fields);
            }
            TypeDefinition::Union(it) if shows(&it.directives) => {
                let composite = Composite { fields: Vec::new(), possible: it.types.clone() };
                self.composites.insert(it.name.clone(), composite);
            }
            TypeDefinition::Enum(it) => {
                let values = it.values.iter().filter(|it| shows(&it.directives)).map(|it| it.name.clone());
                self.enums.insert(it.name.clone(), values.collect());
            }
            _ => {}
        }
    }

    pub fn composite(&self, name: &str) -> Option<&Composite> {
        self.composites.get(name)
    }

    pub fn enum_values(&self, name: &str) -> Option<&[String]> {
        self.enums.get(name).map(Vec::as_slice)
    }

    pub fn field(&self, owner: &str, name: &str) -> Option<&Field> {
        self.composite(owner)?.fields.iter().find(|it| it.name == name)
    }

    /// Types that a condition on a value of type `of` may name: those that have an object type in common.
    pub fn overlapping(&self, of: &str) -> Vec<&str> {
        let Some(own) = self.composite(of) else { return Vec::new() };
        let overlaps = |it: &Composite| it.possible.iter().any(|it| own.possible.contains(it));
        self.composites.iter().filter(|(_, it)| overlaps(it)).map(|(name, _)| name.as_str()).collect()
    }
}

fn parse(sdl: &str) -> Document {
    parse_schema::<String>(sdl).expect("the composer's own text").into_static()
}

fn field(field: &SchemaField) -> Field {
    let argument = |it: &InputValue| Argument {
        name: it.name.clone(),
        ty: type_of(&it.value_type),
        has_default: it.default_value.is_some(),
    };
    Field {
        name: field.name.clone(),
        ty: type_of(&field.field_type),
        arguments: field.arguments.iter().map(argument).collect(),
    }
}

fn type_of(ty: &Type) -> InputType {
    match ty {
        Type::NamedType(name) => InputType::Named(name.as_str().into()),
        Type::ListType(inner) => InputType::List(Box::new(type_of(inner))),
        Type::NonNullType(inner) => InputType::NonNull(Box::new(type_of(inner))),
    }
}

/// The innermost name of a type.
pub fn named(ty: &InputType) -> &str {
    match ty {
        InputType::Named(name) => name,
        InputType::List(inner) | InputType::NonNull(inner) => named(inner),
    }
}

/// A type as operations spell it.
pub fn spelling(ty: &InputType) -> String {
    match ty {
        InputType::Named(name) => name.to_string(),
        InputType::List(inner) => format!("[{}]", spelling(inner)),
        InputType::NonNull(inner) => format!("{}!", spelling(inner)),
    }
}
