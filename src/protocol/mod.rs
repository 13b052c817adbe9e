//! Sans-I/O dialects: what clients and the router, and the router and subgraphs, say to each other about
//! operations.
//!
//! A dialect turns a client's message into a [`graphql_transport_ws::Reaction`] and spells out the
//! router's answers. It knows no socket, no clock and no operation: frames and timers are the reactor's,
//! what a subscription means is decided elsewhere.

pub mod client;
mod close;
pub mod graphql_transport_ws;

pub use close::{Close, CloseCode};
