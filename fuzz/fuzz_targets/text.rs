//! Any text as an operation: what is before the first NUL; behind it are the variables.
#![no_main]

use juga_fuzz::{judge, reading, world::WORLD};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let Ok(input) = std::str::from_utf8(input) else { return Corpus::Reject };
    let (text, variables) = input.split_once('\0').unwrap_or((input, "{}"));
    reading::check(text);
    judge::operation(&WORLD, text, variables);
    Corpus::Keep
});
