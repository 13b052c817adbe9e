//! The shapes of GraphQL traffic: JSON as slices, requests, errors, variables.
//!
//! A leaf: it knows no plan, no schema SDL, no socket. What an operation *does* is `plan`'s to say.

mod coercion;
mod error;
pub mod json;
mod percent;
mod request;
mod response;
mod uploads;
mod variables;

pub use coercion::{BAD_USER_INPUT, coerce_variables, coerce_variables_with_files};
pub use error::{Error, Errors, Location, PathSegment, write_errors};
pub use percent::{BadPart, decode_query_part, encode_query_part, percent_decoded};
pub use request::{BAD_REQUEST, PERSISTED_QUERY_NOT_SUPPORTED, Request};
pub use response::{null_data_response, request_error_response};
pub use uploads::{FileBroken, FilePiece, FileStream, TICKET, Uploads};
pub use variables::{InputDefinition, InputField, InputType, InputTypes, VariableDefinition, Variables};
