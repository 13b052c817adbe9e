//! Executable GraphQL documents: text → tree with places → errors of the rules (GraphQL specification, September
//! 2025, sections 2 and 5).
//!
//! [`parse`] reads a text, [`validate`] holds the tree against a [`Schema`], [`print()`] writes it down again. Words,
//! order and places of errors are those of the reference implementation (graphql-js 16.15). Nothing here panics,
//! waits or does more work than its bounds say, whatever the text. Values of variables are `graphql`'s, the SDL of
//! graphs and what a valid operation is worth are `federation`'s.

pub mod ast;
mod block_string;
mod error;
mod lexer;
mod parser;
mod printer;
mod rules;
pub mod schema;
mod suggest;
#[cfg(test)]
mod tests;
mod values;

pub use ast::{Document, Place};
pub use error::{Error, ErrorKind, Lines, Location};
pub use lexer::{Span, spans};
pub use parser::{Bounds, parse, parse_const_value};
pub use printer::{print, print_fragment, print_operation, print_value, write_string};
pub use rules::{ValidationOptions, validate};
pub use schema::{Schema, SchemaBuilder, SchemaError};
