//! What every schema has because the specification says so (GraphQL specification, sections 3.5, 3.13 and 4).

use super::{
    DirectiveDefinition, EnumValueDefinition, FieldDefinition, InputValueDefinition, MetaFields,
    SchemaBuilder, Type, TypeDefinition, TypeKind, locations,
};
use crate::language::ast::{Place, StringValue, Value};
use std::sync::Arc;

const SCALARS: &[(&str, &str)] = &[
    ("String", "Text."),
    ("Boolean", "`true` or `false`."),
    ("Int", "A whole number of 32 bits, with a sign."),
    ("Float", "A number of double precision (IEEE 754)."),
    ("ID", "Identifies an object. It is written as a string or whole number and answered as a string."),
];

/// Whether the specification defines a scalar of this name.
pub(super) fn is_scalar(name: &str) -> bool {
    SCALARS.iter().any(|(it, _)| *it == name)
}

/// Whether introspection has a type of this name.
pub(super) fn is_introspection(name: &str) -> bool {
    OBJECTS.iter().any(|it| it.name == name) || ENUMS.iter().any(|it| it.name == name)
}

/// A scalar of the specification.
pub(super) fn scalar(name: &str) -> Option<TypeDefinition> {
    let (name, description) = SCALARS.iter().find(|(it, _)| *it == name)?;
    let kind = TypeKind::Scalar { specified_by: None };
    Some(TypeDefinition { name: (*name).into(), description: Some((*description).into()), kind })
}

/// The types of introspection, in the order of their first use.
pub(super) fn introspection(builder: &mut SchemaBuilder) -> Vec<TypeDefinition> {
    const ORDER: &[&str] = &[
        "__Schema",
        "__Type",
        "__TypeKind",
        "__Field",
        "__InputValue",
        "__EnumValue",
        "__Directive",
        "__DirectiveLocation",
    ];
    let mut definition = |name: &&str| {
        let object = OBJECTS.iter().find(|it| it.name == *name).map(|it| it.definition(builder));
        object.or_else(|| ENUMS.iter().find(|it| it.name == *name).map(EnumText::definition))
    };
    ORDER.iter().filter_map(&mut definition).collect()
}

/// `__schema`, `__type` and `__typename`.
pub(super) fn meta_fields(builder: &mut SchemaBuilder) -> MetaFields {
    let mut field = |text: &FieldText| text.definition(builder);
    MetaFields {
        schema: field(&("__schema", "", "__Schema!", "What the schema says about itself.")),
        ty: field(&("__type", "name: String!", "__Type", "A type of the schema by its name.")),
        typename: field(&("__typename", "", "String!", "The name of the object's type.")),
    }
}

/// The directives of the specification.
pub(super) fn directives(builder: &mut SchemaBuilder) -> Vec<DirectiveDefinition> {
    const SELECTION: &[&str] = &["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"];
    const DEPRECATED: &[&str] = &[
        "FIELD_DEFINITION",
        "ARGUMENT_DEFINITION",
        "INPUT_FIELD_DEFINITION",
        "ENUM_VALUE",
        "DIRECTIVE_DEFINITION",
    ];
    let mut directive = |name: &str, description: &str, arguments: &'static str, locations: &[&str]| {
        let arguments: Vec<_> =
            split(arguments).map(|it| argument(builder, it, reason_for(name, it))).collect();
        DirectiveDefinition {
            name: name.into(),
            description: Some(description.into()),
            arguments: arguments.into(),
            is_repeatable: false,
            locations: locations.iter().map(|it| (*it).into()).collect(),
        }
    };
    let leave_out = "Leaves the field or fragment out when `if` is true.";
    let keep = "Leaves the field or fragment out unless `if` is true.";
    vec![
        directive("include", keep, "if: Boolean!", SELECTION),
        directive("skip", leave_out, "if: Boolean!", SELECTION),
        directive("deprecated", "Marks what should no longer be used.", "reason: String", DEPRECATED),
        directive("specifiedBy", "Says where a scalar's format is specified.", "url: String!", &["SCALAR"]),
        directive("oneOf", "Asks for exactly one field of the input object.", "", &["INPUT_OBJECT"]),
    ]
}

fn reason_for(directive: &str, argument: &str) -> Option<Value> {
    let reason = "No longer supported";
    (directive == "deprecated" && argument.starts_with("reason"))
        .then(|| Value::String(StringValue { value: reason.into(), block: false, place: Place::default() }))
}

/// `name: Type`, between commas.
fn split(arguments: &'static str) -> impl Iterator<Item = &'static str> {
    arguments.split(", ").filter(|it| !it.is_empty())
}

fn argument(builder: &mut SchemaBuilder, text: &str, default_value: Option<Value>) -> InputValueDefinition {
    let (name, ty) = text.split_once(": ").unwrap_or((text, "String"));
    let (ty, default_value) = match ty.strip_suffix(" = false") {
        Some(ty) => (ty, Some(Value::Boolean(false, Place::default()))),
        None => (ty, default_value),
    };
    InputValueDefinition {
        name: name.into(),
        description: None,
        ty: type_of(builder, ty),
        default_value,
        deprecation_reason: None,
    }
}

fn type_of(builder: &mut SchemaBuilder, text: &str) -> Type {
    if let Some(inner) = text.strip_suffix('!') {
        return type_of(builder, inner).non_null();
    }
    match text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(inner) => type_of(builder, inner).list(),
        None => Type::Named(builder.id(text)),
    }
}

/// Name, arguments, type, description.
type FieldText = (&'static str, &'static str, &'static str, &'static str);

trait DefinesField {
    fn definition(&self, builder: &mut SchemaBuilder) -> FieldDefinition;
}

impl DefinesField for FieldText {
    fn definition(&self, builder: &mut SchemaBuilder) -> FieldDefinition {
        let (name, arguments, ty, description) = *self;
        let arguments: Vec<_> = split(arguments).map(|it| argument(builder, it, None)).collect();
        FieldDefinition {
            name: name.into(),
            description: described(description),
            arguments: arguments.into(),
            ty: type_of(builder, ty),
            deprecation_reason: None,
        }
    }
}

fn described(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}

struct ObjectText {
    name: &'static str,
    description: &'static str,
    fields: &'static [FieldText],
}

impl ObjectText {
    fn definition(&self, builder: &mut SchemaBuilder) -> TypeDefinition {
        let fields: Vec<_> = self.fields.iter().map(|it| it.definition(builder)).collect();
        let kind = TypeKind::Object { fields: fields.into(), interfaces: Vec::new() };
        TypeDefinition { name: self.name.into(), description: described(self.description), kind }
    }
}

struct EnumText {
    name: &'static str,
    description: &'static str,
    /// Name, description.
    values: fn() -> Vec<(&'static str, &'static str)>,
}

impl EnumText {
    fn definition(&self) -> TypeDefinition {
        let value = |(name, description): (&'static str, &'static str)| EnumValueDefinition {
            name: name.into(),
            description: described(description),
            deprecation_reason: None,
        };
        let values: Vec<_> = (self.values)().into_iter().map(value).collect();
        let kind = TypeKind::Enum { values: values.into() };
        TypeDefinition { name: self.name.into(), description: described(self.description), kind }
    }
}

const DEPRECATED_TOO: &str = "includeDeprecated: Boolean = false";

/// Those of the specification (section 4.2), and what the reference implementation says of deprecated directives.
const OBJECTS: &[ObjectText] = &[
    ObjectText {
        name: "__Schema",
        description: "A schema: its types, its directives, and where operations begin.",
        fields: &[
            ("description", "", "String", ""),
            ("types", "", "[__Type!]!", "All types."),
            ("queryType", "", "__Type!", "Where queries begin."),
            ("mutationType", "", "__Type", "Where mutations begin, if there are any."),
            ("subscriptionType", "", "__Type", "Where subscriptions begin, if there are any."),
            ("directives", "includeDeprecated: Boolean! = false", "[__Directive!]!", "All directives."),
        ],
    },
    ObjectText {
        name: "__Type",
        description: "A type. `kind` says which of its fields have a value.",
        fields: &[
            ("kind", "", "__TypeKind!", ""),
            ("name", "", "String", ""),
            ("description", "", "String", ""),
            ("specifiedByURL", "", "String", ""),
            ("fields", DEPRECATED_TOO, "[__Field!]", ""),
            ("interfaces", "", "[__Type!]", ""),
            ("possibleTypes", "", "[__Type!]", ""),
            ("enumValues", DEPRECATED_TOO, "[__EnumValue!]", ""),
            ("inputFields", DEPRECATED_TOO, "[__InputValue!]", ""),
            ("ofType", "", "__Type", ""),
            ("isOneOf", "", "Boolean", ""),
        ],
    },
    ObjectText {
        name: "__Field",
        description: "A field of an object or interface.",
        fields: &[
            ("name", "", "String!", ""),
            ("description", "", "String", ""),
            ("args", DEPRECATED_TOO, "[__InputValue!]!", ""),
            ("type", "", "__Type!", ""),
            ("isDeprecated", "", "Boolean!", ""),
            ("deprecationReason", "", "String", ""),
        ],
    },
    ObjectText {
        name: "__InputValue",
        description: "An argument, or a field of an input object.",
        fields: &[
            ("name", "", "String!", ""),
            ("description", "", "String", ""),
            ("type", "", "__Type!", ""),
            ("defaultValue", "", "String", "The default in GraphQL's own notation."),
            ("isDeprecated", "", "Boolean!", ""),
            ("deprecationReason", "", "String", ""),
        ],
    },
    ObjectText {
        name: "__EnumValue",
        description: "A value of an enum.",
        fields: &[
            ("name", "", "String!", ""),
            ("description", "", "String", ""),
            ("isDeprecated", "", "Boolean!", ""),
            ("deprecationReason", "", "String", ""),
        ],
    },
    ObjectText {
        name: "__Directive",
        description: "A directive.",
        fields: &[
            ("name", "", "String!", ""),
            ("description", "", "String", ""),
            ("isRepeatable", "", "Boolean!", ""),
            ("locations", "", "[__DirectiveLocation!]!", ""),
            ("args", DEPRECATED_TOO, "[__InputValue!]!", ""),
            ("isDeprecated", "", "Boolean!", ""),
            ("deprecationReason", "", "String", ""),
        ],
    },
];

const ENUMS: &[EnumText] = &[
    EnumText {
        name: "__TypeKind",
        description: "What sort of type it is.",
        values: || {
            vec![
                ("SCALAR", "A scalar."),
                ("OBJECT", "An object; it has `fields` and `interfaces`."),
                ("INTERFACE", "An interface; it has `fields`, `interfaces` and `possibleTypes`."),
                ("UNION", "A union; it has `possibleTypes`."),
                ("ENUM", "An enum; it has `enumValues`."),
                ("INPUT_OBJECT", "An input object; it has `inputFields`."),
                ("LIST", "A list of `ofType`."),
                ("NON_NULL", "`ofType` without null."),
            ]
        },
    },
    EnumText {
        name: "__DirectiveLocation",
        description: "Where a directive may stand.",
        values: || locations().map(|it| (it, "")).collect(),
    },
];
