//! Bytes: the WebSocket codec, event streams, credentials in URLs, and the timer wheel.
//!
//! Nothing here knows GraphQL, owns a socket or reads the clock. The reactor in `server` hands in buffers
//! and `now`, and carries out what comes back.

pub mod credentials;
pub mod event_stream;
pub mod timer;
pub mod websocket;
