//! Close codes of RFC 6455, section 7.4, and the ways a client can break the protocol.

use std::fmt;

/// A close code as it stands in a close frame.
///
/// Any number fits, so that codes of a subprotocol (4000-4999) can be sent; [`CloseCode::is_valid`]
/// tells which may come over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    pub const NORMAL: Self = Self(1000);
    pub const GOING_AWAY: Self = Self(1001);
    pub const PROTOCOL_ERROR: Self = Self(1002);
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    pub const INVALID_TEXT: Self = Self(1007);
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    pub const INTERNAL_ERROR: Self = Self(1011);
    pub const SERVICE_RESTART: Self = Self(1012);
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// Whether the code may stand in a close frame: 1000-1003 and 1007-1014 as registered with IANA, and
    /// 3000-4999. Others are reserved, or describe a closure that no frame announced (1005, 1006, 1015).
    pub const fn is_valid(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    pub const fn get(self) -> u16 {
        self.0
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a client broke the protocol. The connection is to be closed with [`Violation::close_code`] and
/// this error's text as the reason; the decoder must not be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// Framing against the rules of RFC 6455.
    #[error("{0}")]
    Protocol(&'static str),
    /// A binary message; GraphQL travels as text.
    #[error("binary messages are not supported")]
    Binary,
    /// A text message or close reason that is not UTF-8.
    #[error("text is not valid UTF-8")]
    InvalidText,
    /// A message longer than [`super::Limits::message_bytes_max`].
    #[error("message too big")]
    TooBig,
}

impl Violation {
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Protocol(_) => CloseCode::PROTOCOL_ERROR,
            Self::Binary => CloseCode::UNSUPPORTED_DATA,
            Self::InvalidText => CloseCode::INVALID_TEXT,
            Self::TooBig => CloseCode::MESSAGE_TOO_BIG,
        }
    }
}
