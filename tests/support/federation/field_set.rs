//! Field sets as federation writes them, `id owner { name } ... on Book { title }`: of keys, of what is
//! provided, and in the templates of canned data.

use crate::support::subgraph::schema::json_value;
use graphql_parser::query::{
    Definition, OperationDefinition, Selection, SelectionSet, TypeCondition, parse_query,
};
use serde_json::{Map, Value, json};

/// One field of a set.
#[derive(Clone, Debug)]
pub struct Member {
    /// The type it is limited to.
    pub on: Option<String>,
    pub name: String,
    pub arguments: Map<String, Value>,
    pub of: Vec<Self>,
}

/// # Panics
/// If the text is no field set: it is a fixture of ours.
pub fn parse(text: &str) -> Vec<Member> {
    let query = format!("{{ {text} }}");
    let document = parse_query::<String>(&query).unwrap_or_else(|it| panic!("{text}: {it}"));
    match document.into_static().definitions.as_slice() {
        [Definition::Operation(OperationDefinition::SelectionSet(set))] => members(set, None),
        _ => panic!("{text} is no field set"),
    }
}

fn members(set: &SelectionSet<'static, String>, on: Option<&str>) -> Vec<Member> {
    let each = |it: &Selection<'static, String>| match it {
        Selection::Field(it) => {
            let arguments = it.arguments.iter();
            let arguments =
                arguments.filter_map(|(name, it)| Some((name.clone(), json_value(it, &Map::new())?)));
            vec![Member {
                on: on.map(str::to_owned),
                name: it.name.clone(),
                arguments: arguments.collect(),
                of: members(&it.selection_set, None),
            }]
        }
        Selection::InlineFragment(it) => {
            let own = it.type_condition.as_ref().map(|TypeCondition::On(name)| name.as_str());
            members(&it.selection_set, own.or(on))
        }
        Selection::FragmentSpread(_) => panic!("field sets have no named fragments"),
    };
    set.items.iter().flat_map(each).collect()
}

/// A set as JSON, `{"id": {}, "Book.title": {}}`, to go along with a value.
pub fn to_json(members: &[Member]) -> Value {
    let each = |it: &Member| {
        let name = it.on.as_ref().map_or_else(|| it.name.clone(), |on| format!("{on}.{}", it.name));
        (name, to_json(&it.of))
    };
    json!(members.iter().map(each).collect::<Map<_, _>>())
}
