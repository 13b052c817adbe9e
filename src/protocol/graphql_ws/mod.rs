//! The server side of the legacy subprotocol `graphql-ws`: its words, in both directions.
//!
//! Follows `PROTOCOL.md` of subscriptions-transport-ws 0.11 and what its client makes of it. Where that
//! protocol leaves a violation unanswered (or its server puts up with it), the connection is closed as in
//! [`super::graphql_transport_ws`], with the same codes; so does Cosmo Router. A `start` whose payload is no
//! request is an `error` of that operation. Ids are strings, as the protocol has them and its client sends them.
//!
//! Absent on purpose: the words of before 2017 (`init`, `subscription_start` and their like).

mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

pub(super) use incoming::read;
pub use outgoing::{
    data_len, write_connection_error, write_data, write_error, write_failure, write_keep_alive,
};

/// The name in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "graphql-ws";
