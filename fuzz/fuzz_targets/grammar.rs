//! Operations made up by the schema's grammar, which get past validation and try the planner;
//! its plans are carried out with subgraphs that answer as they should.
#![no_main]

use juga_fuzz::{dice::Dice, judge, operation, world::WORLD};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let operation = operation::generate(&WORLD, &mut Dice::new(input));
    if judge::shows() {
        eprintln!("{}\n{}", operation.text, operation.variables);
    }
    if let Some(bound) = judge::operation(&WORLD, &operation.text, &operation.variables) {
        judge::honest_outcome(&WORLD, bound, input);
    }
});
