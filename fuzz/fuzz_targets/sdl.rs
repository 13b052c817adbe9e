//! Any text as the SDL of a graph. Its first letter says as what it is loaded: `e` as an event graph, `s` as a
//! supergraph, anything else as a subgraph beside a good one.
#![no_main]

use juga_fuzz::loading::{Role, check};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|input: &[u8]| -> Corpus {
    let [role, sdl @ ..] = input else { return Corpus::Reject };
    let Ok(sdl) = std::str::from_utf8(sdl) else { return Corpus::Reject };
    let role = match role {
        b'e' => Role::EventGraph,
        b's' => Role::Supergraph,
        _ => Role::Subgraph,
    };
    check(role, sdl);
    Corpus::Keep
});
