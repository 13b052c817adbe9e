//! How a dialect ends a connection: code and reason of the close frame.

use std::borrow::Cow;

/// Close codes of GraphQL over WebSocket.
///
/// Clients decide by them whether to come back: all of these but 4403 and 4408 are final. (Those of the
/// legacy dialect `graphql-ws` never see a code, and come back if they were told to.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The client asked for it.
    Normal = 1000,
    BadRequest = 4400,
    /// Asked for an operation before the connection was acknowledged.
    Unauthorized = 4401,
    Forbidden = 4403,
    SubprotocolNotAcceptable = 4406,
    ConnectionInitialisationTimeout = 4408,
    SubscriberAlreadyExists = 4409,
    TooManyInitialisationRequests = 4429,
}

impl CloseCode {
    pub const fn get(self) -> u16 {
        self as u16
    }
}

/// What goes into the close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    pub code: CloseCode,
    /// Fits a close frame: at most 123 bytes.
    pub reason: Cow<'static, str>,
}

impl Close {
    pub const fn new(code: CloseCode, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// For a client that offered no subprotocol we speak. Sent right after the handshake.
    pub const fn subprotocol_not_acceptable() -> Self {
        Self::new(CloseCode::SubprotocolNotAcceptable, "Subprotocol not acceptable")
    }
}
