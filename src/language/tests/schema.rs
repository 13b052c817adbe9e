use super::sdl::{SDL, schema};
use crate::language::{
    SchemaBuilder, SchemaError,
    ast::OperationKind,
    schema::{TypeDefinition, TypeKind},
};

#[test]
fn built_in_scalars_are_there_where_they_are_used() {
    let names = |sdl: &str| -> Vec<String> {
        let schema = schema(sdl);
        let own = schema.types().filter(|(_, it)| !it.name.starts_with("__"));
        own.map(|(_, it)| it.name.to_string()).collect()
    };
    assert_eq!(names("type Query { a: A } type A { b: Int }"), ["Query", "A", "Int", "Boolean", "String"]);
    assert_eq!(names(SDL)[..4], ["Query", "ID", "Int", "String"]);
}

#[test]
fn the_specification_is_part_of_every_schema() {
    let schema = schema("type Query { a: Int } directive @skip(if: Boolean!) on FIELD");
    let directives: Vec<_> = schema.directives().iter().map(|it| it.name.as_ref()).collect();
    assert_eq!(directives, ["skip", "include", "deprecated", "specifiedBy", "oneOf"]);
    assert_eq!(schema.directives()[0].locations.len(), 1);
    let types: Vec<_> = schema.types().map(|(_, it)| it.name.as_ref()).collect();
    assert_eq!(
        types[types.len() - 8..],
        [
            "__Schema",
            "__Type",
            "__TypeKind",
            "__Field",
            "__InputValue",
            "__EnumValue",
            "__Directive",
            "__DirectiveLocation"
        ]
    );
    let query = schema.root(OperationKind::Query).expect("a query type");
    for name in ["__schema", "__type", "__typename"] {
        assert!(schema.field(query, name).is_some(), "{name}");
    }
    assert!(schema.root(OperationKind::Mutation).is_none());
}

#[test]
fn abstract_types_know_what_is_below() {
    let schema = schema(SDL);
    let id = |name: &str| schema.id(name).expect("a type");
    assert_eq!(schema.possible_types(id("Item")), [id("User"), id("Product")]);
    assert!(schema.is_subtype(id("User"), id("Node")) && !schema.is_subtype(id("Query"), id("Node")));
    assert!(schema.overlap(id("Item"), id("Node")) && !schema.overlap(id("User"), id("Product")));
}

#[test]
fn what_is_not_defined_makes_no_schema() {
    let mut builder = SchemaBuilder::new();
    assert_eq!(builder.clone().finish().err(), Some(SchemaError::NoQueryType));
    builder.root(OperationKind::Query, "Query");
    assert_eq!(builder.clone().finish().err(), Some(SchemaError::UnknownType("Query".into())));
    let kind = TypeKind::Object { fields: Vec::new().into(), interfaces: Vec::new() };
    builder.define(TypeDefinition { name: "Query".into(), description: None, kind });
    assert!(builder.finish().is_ok());
}
