//! What subgraphs understand: their schemas, to judge requests by.

use crate::{types::Types, world::SUBGRAPHS};
use apollo_parser::{Lexer, TokenKind};
use graphql_tools::{
    parser::{parse_query, parse_schema, schema::Definition},
    static_graphql::{
        query,
        schema::{Document, TypeDefinition},
    },
    validation::{
        rules::default_rules_validation_plan,
        validate::{ValidationPlan, validate},
    },
};
use std::sync::LazyLock;

static SCHEMAS: LazyLock<Vec<Document>> =
    LazyLock::new(|| SUBGRAPHS.iter().map(|(_, sdl)| schema(sdl)).collect());
static TYPES: LazyLock<Vec<Types>> = LazyLock::new(|| SCHEMAS.iter().map(Types::of).collect());
static RULES: LazyLock<ValidationPlan> = LazyLock::new(default_rules_validation_plan);

/// The types of a subgraph, as it knows them.
pub fn types(subgraph: usize) -> &'static Types {
    &TYPES[subgraph]
}

/// Whether a subgraph could answer this request; the text is what it would say.
pub fn understands(subgraph: usize, document: &str) -> Result<(), String> {
    let parsed = read(document)?;
    let errors = validate(&SCHEMAS[subgraph], &parsed, &RULES);
    if errors.is_empty() {
        return Ok(());
    }
    Err(errors.into_iter().map(|it| it.message).collect::<Vec<_>>().join("; "))
}

/// Reads a request. The parser knows neither all numbers nor all escapes, and what they come to is not judged here:
/// others of their kind stand in for them.
pub fn read(document: &str) -> Result<query::Document, String> {
    let mut text = String::with_capacity(document.len());
    for token in Lexer::new(document) {
        let token = token.map_err(|it| it.message().to_owned())?;
        text.push_str(match token.kind() {
            TokenKind::Int if token.data().parse::<i64>().is_err() => "1",
            TokenKind::Float => "1.5",
            TokenKind::StringValue if token.data().contains(['\\', '\n', '\r']) => "\"\"",
            TokenKind::Eof => "",
            _ => token.data(),
        });
    }
    Ok(parse_query::<String>(&text).map_err(|it| it.to_string())?.into_static())
}

/// A subgraph's own schema with what the federation specification adds to it.
fn schema(sdl: &str) -> Document {
    // The parser knows no `extend schema @link(…)`.
    let (before, link) = sdl.split_once("extend schema").expect("a subgraph of federation 2");
    let (_, after) = link.split_once(')').expect("a link has arguments");
    let sdl = [before, after].concat();
    let mut document = parse_schema::<String>(&sdl).expect("a subgraph's text").into_static();
    let entities = entities(&document).join(" | ");
    let added = format!(
        "scalar _Any union _Entity = {entities} \
         type Query {{ _entities(representations: [_Any!]!): [_Entity]! }} \
         directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT \
         directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT \
         scalar Int scalar Float scalar String scalar Boolean scalar ID"
    );
    let mut added = parse_schema::<String>(&added).expect("federation's own").into_static();
    document.definitions.retain(|it| matches!(it, Definition::TypeDefinition(_)));
    let root =
        added.definitions.iter().position(|it| object_name(it) == Some("Query")).expect("just written");
    let root = added.definitions.remove(root);
    for definition in &mut document.definitions {
        if let (
            Definition::TypeDefinition(TypeDefinition::Object(own)),
            Definition::TypeDefinition(TypeDefinition::Object(more)),
        ) = (definition, &root)
            && own.name == "Query"
        {
            own.fields.extend(more.fields.clone());
        }
    }
    document.definitions.extend(added.definitions);
    document
}

fn entities(document: &Document) -> Vec<&str> {
    let of = |definition| match definition {
        &Definition::TypeDefinition(TypeDefinition::Object(ref it)) => {
            it.directives.iter().any(|it| it.name == "key").then_some(it.name.as_str())
        }
        _ => None,
    };
    document.definitions.iter().filter_map(of).collect()
}

fn object_name<'a>(definition: &'a Definition<'static, String>) -> Option<&'a str> {
    match definition {
        Definition::TypeDefinition(TypeDefinition::Object(it)) => Some(&it.name),
        _ => None,
    }
}
