//! The server side of the subprotocol `graphql-transport-ws`.
//!
//! [`Session`] judges one message at a time and keeps a single byte between them. Which operations are
//! live is known to the caller alone, who stores their ids; the session asks. The `write_*` functions
//! append the messages of the other direction.
//!
//! Follows the GraphQL over WebSocket Protocol of the graphql-ws project, with the close codes and
//! reasons of its reference server.

mod incoming;
mod outgoing;
mod session;
#[cfg(test)]
mod tests;

pub use incoming::{ID_BYTES_MAX, Operation, OperationId};
pub use outgoing::{
    NEXT_SUFFIX, next_id_offset, next_len, write_ack, write_complete, write_error, write_next,
    write_next_prefix, write_ping, write_pong,
};
pub use session::{Reaction, Session};

/// The name in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";
