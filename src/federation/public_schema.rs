//! The supergraph as [`language`](crate::language) holds operations against it and answers for it: what clients see of
//! it, or all. Built from the composer's tree, so that nothing is lost.

use super::{
    errors::{LoadError, LoadErrors},
    join::type_name,
};
use crate::language::{
    Place, Schema, SchemaBuilder, SchemaError,
    ast::{self, OperationKind},
    schema::{
        self, DirectiveDefinition, EnumValueDefinition, FieldDefinition, InputValueDefinition,
        TypeDefinition, TypeId, TypeKind,
    },
};
use federation_composition::{
    graphql_core::{self, Definition, Directive, Document, OperationType, Value},
    transform_supergraph_to_public_schema,
};
use std::{collections::HashSet, sync::Arc};

/// What clients see of a supergraph.
pub(super) fn public_schema(supergraph: &Document) -> Result<Schema, LoadErrors> {
    let public = transform_supergraph_to_public_schema(supergraph).map_err(|it| unusable(it.message()))?;
    let mut shown: Vec<Definition> = public.definitions.into_iter().filter(is_public).collect();
    drop_names_of_the_hidden(&mut shown);
    read(&shown, supergraph).map_err(|it| unusable(&it.to_string()))
}

/// All of a supergraph, hidden types too.
pub(super) fn whole_schema(supergraph: &Document) -> Result<Schema, LoadErrors> {
    read(&supergraph.definitions, supergraph).map_err(|it| unusable(&it.to_string()))
}

fn unusable(reason: &str) -> LoadErrors {
    LoadErrors::from(LoadError::new("SUPERGRAPH", reason))
}

/// What supergraphs hold for routers alone is not for clients, whether or not they say where it comes from; directives of
/// the specification are as the specification has them.
fn is_public(definition: &Definition) -> bool {
    const PREFIXES: [&str; 6] = ["join__", "link__", "core__", "federation__", "context__", "policy__"];
    const DIRECTIVES: [&str; 16] = [
        "link",
        "core",
        "tag",
        "inaccessible",
        "authenticated",
        "requiresScopes",
        "policy",
        "cost",
        "listSize",
        "context",
        "fromContext",
        "skip",
        "include",
        "deprecated",
        "specifiedBy",
        "oneOf",
    ];
    let is_internal = |name: &str| PREFIXES.iter().any(|it| name.starts_with(it));
    match definition {
        Definition::DirectiveDefinition(it) => {
            !is_internal(&it.name.value) && !DIRECTIVES.contains(&it.name.value.as_str())
        }
        other => type_name(other).is_none_or(|it| !is_internal(it)),
    }
}

/// Hidden types are gone by now, but unions and objects still name them.
fn drop_names_of_the_hidden(definitions: &mut [Definition]) {
    let shown: HashSet<String> = definitions.iter().filter_map(type_name).map(str::to_owned).collect();
    for definition in definitions {
        let names = match definition {
            Definition::UnionTypeDefinition(it) => &mut it.types,
            Definition::ObjectTypeDefinition(it) => &mut it.interfaces,
            Definition::InterfaceTypeDefinition(it) => &mut it.interfaces,
            _ => continue,
        };
        names.retain(|it| shown.contains(&it.name.value));
    }
}

/// The schema of definitions, which begins where the supergraph says. Extensions are not looked for: composing has
/// merged them.
fn read(definitions: &[Definition], supergraph: &Document) -> Result<Schema, SchemaError> {
    let mut reader = Reader(SchemaBuilder::new());
    definitions.iter().for_each(|it| reader.definition(it));
    reader.roots(definitions, supergraph);
    reader.0.finish()
}

struct Reader(SchemaBuilder);

impl Reader {
    /// Where operations begin: as the schema says, or at types of the customary names. Whatever is not there, or hidden,
    /// does not begin anywhere.
    fn roots(&mut self, definitions: &[Definition], supergraph: &Document) {
        let is_shown = |name: &str| definitions.iter().any(|it| type_name(it) == Some(name));
        let schema = supergraph.definitions.iter().find_map(|it| match it {
            Definition::SchemaDefinition(it) => Some(it),
            _ => None,
        });
        if let Some(schema) = schema {
            if let Some(text) = &schema.description {
                self.0.describe(text.value.as_str().into());
            }
            for root in schema.operation_types.iter().filter(|it| is_shown(&it.ty.name.value)) {
                self.0.root(kind(root.operation), &root.ty.name.value);
            }
            return;
        }
        for (kind, name) in [
            (OperationKind::Query, "Query"),
            (OperationKind::Mutation, "Mutation"),
            (OperationKind::Subscription, "Subscription"),
        ] {
            if is_shown(name) {
                self.0.root(kind, name);
            }
        }
    }

    fn definition(&mut self, definition: &Definition) {
        let (name, description, kind) = match definition {
            Definition::ScalarTypeDefinition(it) => {
                let specified_by = text_argument(&it.directives, "specifiedBy", "url");
                (&it.name, &it.description, TypeKind::Scalar { specified_by })
            }
            Definition::ObjectTypeDefinition(it) => {
                let (fields, interfaces) = (self.fields(&it.fields), self.ids(&it.interfaces));
                (&it.name, &it.description, TypeKind::Object { fields, interfaces })
            }
            Definition::InterfaceTypeDefinition(it) => {
                let (fields, interfaces) = (self.fields(&it.fields), self.ids(&it.interfaces));
                (&it.name, &it.description, TypeKind::Interface { fields, interfaces })
            }
            Definition::UnionTypeDefinition(it) => {
                (&it.name, &it.description, TypeKind::Union { members: self.ids(&it.types) })
            }
            Definition::EnumTypeDefinition(it) => {
                let values: Vec<_> = it.values.iter().map(enum_value).collect();
                (&it.name, &it.description, TypeKind::Enum { values: values.into() })
            }
            Definition::InputObjectTypeDefinition(it) => {
                let is_one_of = it.directives.iter().any(|it| it.name.value == "oneOf");
                let fields = self.input_values(&it.fields);
                (&it.name, &it.description, TypeKind::InputObject { fields, is_one_of })
            }
            Definition::DirectiveDefinition(it) => return self.directive(it),
            _ => return,
        };
        let description = text(description.as_ref());
        self.0.define(TypeDefinition { name: name.value.as_str().into(), description, kind });
    }

    fn directive(&mut self, it: &graphql_core::DirectiveDefinition) {
        let definition = DirectiveDefinition {
            name: it.name.value.as_str().into(),
            description: text(it.description.as_ref()),
            arguments: self.input_values(&it.arguments),
            is_repeatable: it.repeatable,
            locations: it.locations.iter().map(|it| it.value.as_str().into()).collect(),
        };
        self.0.define_directive(definition);
    }

    fn ids(&mut self, names: &[graphql_core::NamedType]) -> Vec<TypeId> {
        names.iter().map(|it| self.0.id(&it.name.value)).collect()
    }

    fn fields(&mut self, fields: &[graphql_core::FieldDefinition]) -> schema::Members<FieldDefinition> {
        let mut field = |it: &graphql_core::FieldDefinition| FieldDefinition {
            name: it.name.value.as_str().into(),
            description: text(it.description.as_ref()),
            arguments: self.input_values(&it.arguments),
            ty: self.ty(&it.ty),
            deprecation_reason: deprecation_reason(&it.directives),
        };
        fields.iter().map(&mut field).collect::<Vec<_>>().into()
    }

    fn input_values(
        &mut self,
        values: &[graphql_core::InputValueDefinition],
    ) -> schema::Members<InputValueDefinition> {
        let mut input_value = |it: &graphql_core::InputValueDefinition| InputValueDefinition {
            name: it.name.value.as_str().into(),
            description: text(it.description.as_ref()),
            ty: self.ty(&it.ty),
            default_value: it.default_value.as_ref().map(value),
            deprecation_reason: deprecation_reason(&it.directives),
        };
        values.iter().map(&mut input_value).collect::<Vec<_>>().into()
    }

    fn ty(&mut self, ty: &graphql_core::Type) -> schema::Type {
        match ty {
            graphql_core::Type::Named(it) => schema::Type::Named(self.0.id(&it.name.value)),
            graphql_core::Type::List(it) => self.ty(&it.ty).list(),
            graphql_core::Type::NonNull(it) => self.ty(&it.ty).non_null(),
        }
    }
}

fn kind(operation: OperationType) -> OperationKind {
    match operation {
        OperationType::Query => OperationKind::Query,
        OperationType::Mutation => OperationKind::Mutation,
        OperationType::Subscription => OperationKind::Subscription,
    }
}

fn enum_value(it: &graphql_core::EnumValueDefinition) -> EnumValueDefinition {
    EnumValueDefinition {
        name: it.name.value.as_str().into(),
        description: text(it.description.as_ref()),
        deprecation_reason: deprecation_reason(&it.directives),
    }
}

fn text(description: Option<&graphql_core::StringValue>) -> Option<Arc<str>> {
    description.map(|it| it.value.as_str().into())
}

/// Why something is deprecated; the specification has a reason for those who give none.
fn deprecation_reason(directives: &[Directive]) -> Option<Arc<str>> {
    let deprecated = directives.iter().find(|it| it.name.value == "deprecated")?;
    if deprecated.arguments.iter().any(|it| it.name.value == "reason") {
        return text_argument(directives, "deprecated", "reason");
    }
    Some("No longer supported".into())
}

fn text_argument(directives: &[Directive], directive: &str, argument: &str) -> Option<Arc<str>> {
    let directive = directives.iter().find(|it| it.name.value == directive)?;
    let argument = directive.arguments.iter().find(|it| it.name.value == argument)?;
    match &argument.value {
        Value::String(it) => Some(it.value.as_str().into()),
        _ => None,
    }
}

/// A constant of the SDL. Its place there means nothing to operations.
fn value(it: &Value) -> ast::Value {
    let place = Place::default();
    let name = |text: &str| ast::Name { text: text.into(), place };
    match it {
        Value::Variable(it) => ast::Value::Variable(ast::Variable { name: name(&it.name.value), place }),
        Value::Int(it) => ast::Value::Int(ast::Number { text: it.value.as_str().into(), place }),
        Value::Float(it) => ast::Value::Float(ast::Number { text: it.value.as_str().into(), place }),
        Value::String(it) => {
            ast::Value::String(ast::StringValue { value: it.value.as_str().into(), block: it.block, place })
        }
        Value::Boolean(it) => ast::Value::Boolean(it.value, place),
        Value::Null(_) => ast::Value::Null(place),
        Value::Enum(it) => ast::Value::Enum(name(&it.value)),
        Value::List(it) => ast::Value::List(it.values.iter().map(value).collect(), place),
        Value::Object(it) => {
            let member = |it: &graphql_core::ObjectField| ast::ObjectField {
                name: name(&it.name.value),
                value: value(&it.value),
            };
            ast::Value::Object(it.fields.iter().map(member).collect(), place)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::print_value;
    use federation_composition::graphql_core::parse;

    const SDL: &str = r#"
"The schema." schema { query: Root mutation: Change }
"A scalar." scalar Date @specifiedBy(url: "https://example.com/date")
scalar Any
interface Node { id: ID! }
"An object." type Root implements Node {
  id: ID!
  "A field." f("An argument." a: In = {b: ["é\b", E]} @deprecated, c: Float = 1e9): [Either!] @deprecated(reason: "old")
}
type Change { g: Any }
union Either = Root | Change
enum Kind { A "Late." B @deprecated(reason: null) }
input In @oneOf { b: [String] "Else." c: Kind }
"A directive." directive @note("Its argument." text: String! = "x" @deprecated(reason: "no")) repeatable on FIELD | OBJECT
"#;

    fn schema() -> Schema {
        public_schema(&parse(SDL).expect("SDL")).expect("a schema")
    }

    #[test]
    fn nothing_of_a_type_is_lost() {
        let schema = schema();
        assert_eq!(schema.description.as_deref(), Some("The schema."));
        let root = schema.type_named("Root").expect("a type");
        assert_eq!(root.description.as_deref(), Some("An object."));
        let TypeKind::Object { fields, interfaces } = &root.kind else { panic!("an object") };
        assert_eq!(*interfaces, [schema.id("Node").expect("a type")]);
        let field = fields.get("f").expect("a field");
        assert_eq!(field.description.as_deref(), Some("A field."));
        assert_eq!(field.deprecation_reason.as_deref(), Some("old"));
        assert_eq!(schema.show(&field.ty).to_string(), "[Either!]");
        let argument = field.arguments.get("a").expect("an argument");
        assert_eq!(argument.description.as_deref(), Some("An argument."));
        assert_eq!(argument.deprecation_reason.as_deref(), Some("No longer supported"));
        let defaults = field.arguments.iter().filter_map(|it| it.default_value.as_ref()).map(print_value);
        assert_eq!(defaults.collect::<Vec<_>>(), ["{b: [\"é\\b\", E]}", "1e9"]);
    }

    #[test]
    fn what_directives_say_is_kept() {
        let schema = schema();
        let kind = |name: &str| &schema.type_named(name).expect("a type").kind;
        let TypeKind::Scalar { specified_by } = kind("Date") else { panic!("a scalar") };
        assert_eq!(specified_by.as_deref(), Some("https://example.com/date"));
        let TypeKind::InputObject { is_one_of: true, .. } = kind("In") else { panic!("of one field") };
        let TypeKind::Enum { values } = kind("Kind") else { panic!("an enum") };
        let late = values.get("B").expect("a value");
        assert_eq!((late.description.as_deref(), late.deprecation_reason.as_deref()), (Some("Late."), None));
        let note = schema.directives().get("note").expect("a directive");
        assert!(note.is_repeatable && note.description.as_deref() == Some("A directive."));
        assert_eq!(note.arguments[0].deprecation_reason.as_deref(), Some("no"));
        assert_eq!(note.locations.iter().map(|it| it.as_ref()).collect::<Vec<_>>(), ["FIELD", "OBJECT"]);
    }

    #[test]
    fn roots_have_the_customary_names_where_nothing_is_said() {
        let schema = schema();
        let name = |schema: &Schema, kind| schema.root(kind).map(|it| schema.name(it).to_string());
        assert_eq!(name(&schema, OperationKind::Mutation).as_deref(), Some("Change"));
        let plain = parse("type Query { a: Int } type Subscription { b: Int }").expect("SDL");
        let plain = public_schema(&plain).expect("a schema");
        let kinds = [OperationKind::Query, OperationKind::Mutation, OperationKind::Subscription];
        let names = kinds.map(|it| name(&plain, it));
        assert_eq!(names, [Some("Query".to_owned()), None, Some("Subscription".to_owned())]);
    }
}
