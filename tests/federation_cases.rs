//! Federation, case by case: operations over subgraphs of all kinds, against what the same operation gives
//! on all data in one schema. A suite is a folder of `tests/federation`; `tests/support/federation` runs it.

mod support;

use std::{collections::BTreeSet, fs};
use support::federation::{Tally, assert_refused, folder, run_case, run_suite, wander};

/// A test per suite.
macro_rules! suites {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run_suite(stringify!($name));
        })*

        const SUITES: &[&str] = &[$(stringify!($name)),*];
    };
}

suites! {
    provides
    provides_apart
    abstract_types
    aliases
    circles
    conditions
    deep
    directives
    first_federation
    hops
    inputs
    interface_objects
    keys
    limits
    mixed
    mutations
    nulls
    requires
    roots
    sharing
    trouble
    variables
    wide
}

/// Graphs that are not served (folders of `tests/federation/refused`), and what is said of them.
const REFUSED: &[(&str, &[&str])] = &[
    ("different_types", &["FIELD_TYPE_MISMATCH", "Ship.length"]),
    ("enum_taken_and_returned", &["ENUM_VALUE_MISMATCH", "WILD", "ODD"]),
    // The planner would pass over it in silence and ask without the argument.
    ("from_context", &["CONTEXT", "Line.sum", "@fromContext"]),
    ("not_shareable", &["INVALID_FIELD_SHARING", "Ship.name"]),
    ("out_of_reach", &["SATISFIABILITY_ERROR", "Ship.length"]),
    ("required_but_not_external", &["REQUIRES_FIELDS_MISSING_EXTERNAL", "Ship.toll"]),
    ("required_input_field_of_one", &["REQUIRED_INPUT_FIELD_MISSING_IN_SOME_SUBGRAPH", "By.must"]),
    ("undefined_type", &["INVALID_GRAPHQL", "Boat"]),
];

#[test]
fn graphs_that_are_not_served() {
    for (name, reasons) in REFUSED {
        assert_refused(&format!("refused/{name}"), reasons);
    }
}

/// Suites whose graphs have operations that the planner cannot plan; cases of theirs show which.
const BEYOND_THE_PLANNER: &[&str] = &["interface_objects", "requires"];

/// Operations on each suite's graph; `FEDERATION_SEED=7` begins with another one, `FEDERATION_SEEDS` is how
/// many there are.
#[test]
fn operations_at_random() {
    let number = |name: &str| std::env::var(name).ok().map(|it| it.parse().expect("a number"));
    let first: u64 = number("FEDERATION_SEED").unwrap_or(0);
    let count = number("FEDERATION_SEEDS").unwrap_or(50);
    for suite in SUITES {
        let Tally { right, invalid, unplanned } = wander(suite, first..first + count);
        assert!(right > 0, "{suite}: no operation of {count} was answered, {invalid} were invalid");
        let is_known = unplanned.is_empty() || BEYOND_THE_PLANNER.contains(suite);
        assert!(is_known, "{suite}: {}", unplanned.join("\n"));
    }
}

/// A folder without a test would look like one.
#[test]
fn every_folder_has_its_test() {
    let folders = |of: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(folder().join(of)).expect("the cases").map(|it| it.expect("an entry"));
        entries.map(|it| it.file_name().into_string().expect("UTF-8")).collect()
    };
    let suites = SUITES.iter().chain(&["refused"]).map(|it| (*it).to_owned()).collect();
    assert_eq!(folders(""), suites);
    assert_eq!(folders("refused"), REFUSED.iter().map(|(it, _)| (*it).to_owned()).collect());
}

// What follows are rows of docs/conformance.md, where Juga differs from Cosmo Router on purpose. The suites
// run these cases too; here they have names.

/// Cosmo answers 500 where a client's alias has the name of a key that an entity fetch needs.
#[test]
fn an_alias_may_collide_with_a_key() {
    run_case("aliases", "collides_with_a_key");
}

#[test]
fn an_alias_may_collide_with_what_is_required() {
    run_case("aliases", "collides_with_what_is_required");
}

/// Cosmo runs the entity fetches of a mutation after all later mutations, in no fixed order.
#[test]
fn each_mutation_is_done_before_the_next_begins() {
    run_case("mutations", "with_their_entity_fetches");
}

/// Cosmo executes it.
#[test]
fn an_unused_fragment_is_refused() {
    run_case("roots", "unused_fragment");
}

/// Cosmo executes it.
#[test]
fn an_unknown_argument_of_a_directive_is_refused() {
    run_case("roots", "unknown_argument_of_a_directive");
}

/// Cosmo executes one of them.
#[test]
fn several_operations_need_a_name() {
    run_case("roots", "no_operation_name");
}

/// Cosmo notices it the first time only.
#[test]
fn doubled_operation_names_are_refused() {
    run_case("roots", "doubled_operation_name");
}

/// As in Cosmo: null where the schema allows it, and no error.
#[test]
fn an_unknown_entity_is_null() {
    run_case("nulls", "nulls_in_a_list");
}
