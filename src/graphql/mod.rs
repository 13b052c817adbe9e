//! The shapes of GraphQL traffic: JSON as slices, requests, errors, variables.
//!
//! A leaf: it knows no plan, no schema SDL, no socket. What an operation *does* is `plan`'s to say.

mod error;
pub mod json;

pub use error::{Error, Location, PathSegment, write_errors};
