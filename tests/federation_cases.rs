//! Federation, case by case: operations over subgraphs of all kinds, against what the same operation gives
//! on all data in one schema. A suite is a folder of `tests/federation`; `tests/support/federation` runs it.

mod support;

use support::federation::{assert_refused, folder, run_case, run_suite};

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
    deep
    wide
    directives
    mixed
    circles
    roots
    mutations
    variables
    conditions
    aliases
    hops
    trouble
    nulls
    inputs
    first_federation
    abstract_types
    interface_objects
    sharing
    provides
    requires
    keys
}
