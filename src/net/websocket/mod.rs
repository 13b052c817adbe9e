//! RFC 6455 over buffers that belong to someone else; the server side, and `client` for the other.
//!
//! [`accept`] answers the opening handshake, [`Decoder`] takes a client's bytes apart, [`Receiver`] does so for
//! bytes that come in pieces, the `write_*` functions put frames together. Header coding and the accept key are tungstenite's; its connection
//! object is not used, because it keeps large buffers of its own for every socket.
//!
//! Absent on purpose: extensions (permessage-deflate is declined), binary messages, sockets, and the
//! choice of when to close or ping.

pub mod client;
mod close;
mod decoder;
mod encoder;
mod handshake;
mod receiver;
mod skip;
#[cfg(test)]
mod tests;

pub use close::{CloseCode, Violation};
pub use decoder::{Decoded, Decoder, Incoming, Limits, Peer};
pub use encoder::{
    CLOSE_REASON_BYTES_MAX, CONTROL_PAYLOAD_BYTES_MAX, text_header_len, write_close, write_ping, write_pong,
    write_text, write_text_header,
};
pub use handshake::{Accept, Refusal, accept};
pub use receiver::Receiver;
pub use skip::SKIPPED_START_BYTES;
