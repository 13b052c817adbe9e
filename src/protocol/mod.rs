//! Sans-I/O dialects: what clients and the router, and the router and subgraphs, say to each other about
//! operations.
//!
//! A [`Session`] turns a client's message into a [`Reaction`], and a [`Dialect`] spells out the router's
//! answers. Neither knows a socket, a clock or an operation: frames and timers are the reactor's, what a
//! subscription means is decided elsewhere.
//!
//! A [`StreamFormat`] is to HTTP answers that go on what a dialect is to WebSockets.
//!
//! Dialects differ in their words, which each keeps in a module of its own; what they have in common (the
//! shape of messages, ids, the order in which messages may come) is here. All of that is the server's side:
//! [`client`] is the other one.

pub mod client;
mod close;
mod dialect;
pub mod graphql_transport_ws;
pub mod graphql_ws;
mod incoming;
mod outgoing;
mod session;
mod stream_format;
#[cfg(test)]
mod transcript;

pub use close::{Close, CloseCode};
pub use dialect::Dialect;
pub use incoming::{ID_BYTES_MAX, Operation, OperationId};
pub use session::{Reaction, Session};
pub use stream_format::StreamFormat;
