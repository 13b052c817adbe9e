//! The server side of the subprotocol `graphql-transport-ws`: its words, in both directions.
//!
//! Follows the GraphQL over WebSocket Protocol of the graphql-ws project, with the close codes and
//! reasons of its reference server.

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

pub(super) use incoming::read;
pub use outgoing::{
    NEXT_SUFFIX, next_id_offset, next_len, write_ack, write_complete, write_error, write_next,
    write_next_prefix, write_ping, write_pong,
};

/// The name in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";
