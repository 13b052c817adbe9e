//! The shapes of GraphQL traffic: JSON as slices, requests, errors, variables.
//!
//! A leaf: it knows no plan, no schema SDL, no socket. What an operation *does* is `plan`'s to say.

mod error;
pub mod json;
mod variables;

pub use error::{Error, Location, PathSegment, write_errors};
pub use variables::{InputDefinition, InputField, InputType, InputTypes, VariableDefinition, Variables};
