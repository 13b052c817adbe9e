//! The client side: the opening handshake as the one who asks, and masked frames.
//!
//! What comes back is taken apart by the [`super::Decoder`] with [`super::Peer::Server`] in its limits.
//! Masks and keys are the caller's to choose: they must be hard to guess (RFC 6455, section 10.3).

use super::{CONTROL_PAYLOAD_BYTES_MAX, CloseCode, encoder::CLOSE_REASON_BYTES_MAX};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
};
use tungstenite::{
    handshake::{client::generate_key, derive_accept_key},
    protocol::frame::{
        FrameHeader,
        coding::{Control, Data, OpCode},
    },
};

/// An opening handshake under way.
#[derive(Clone, Debug)]
pub struct Opening {
    key: String,
    protocols: &'static [&'static str],
}

impl Opening {
    /// Offers these subprotocols, the preferred one first.
    pub fn new(protocols: &'static [&'static str]) -> Self {
        Self { key: generate_key(), protocols }
    }

    /// The headers of the request, which is a GET of HTTP/1.1.
    pub fn headers(&self) -> HeaderMap {
        let text = |it: &str| HeaderValue::from_str(it).expect("base64 and names are header values");
        HeaderMap::from_iter([
            (UPGRADE, HeaderValue::from_static("websocket")),
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (SEC_WEBSOCKET_KEY, text(&self.key)),
            (SEC_WEBSOCKET_PROTOCOL, text(&self.protocols.join(", "))),
        ])
    }

    /// Whether the answer opens the connection, and the subprotocol it chose of those on offer.
    ///
    /// # Errors
    /// What the answer lacks. A status other than 101 is for the caller to look at first.
    pub fn check(&self, status: StatusCode, headers: &HeaderMap) -> Result<&'static str, &'static str> {
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err("the answer does not switch protocols");
        }
        let said = |name| headers.get(name).map(HeaderValue::as_bytes);
        if said(SEC_WEBSOCKET_ACCEPT) != Some(derive_accept_key(self.key.as_bytes()).as_bytes()) {
            return Err("the answer is not to this request");
        }
        let chosen = said(SEC_WEBSOCKET_PROTOCOL).unwrap_or_default();
        let known = self.protocols.iter().find(|it| it.as_bytes() == chosen);
        known.copied().ok_or("no subprotocol on offer was chosen")
    }
}

/// Appends a whole text message.
pub fn write_text(text: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    write(OpCode::Data(Data::Text), text, mask, out);
}

/// Appends a ping. At most [`CONTROL_PAYLOAD_BYTES_MAX`] bytes of payload are sent.
pub fn write_ping(payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(CONTROL_PAYLOAD_BYTES_MAX)];
    write(OpCode::Control(Control::Ping), payload, mask, out);
}

/// Appends a pong. At most [`CONTROL_PAYLOAD_BYTES_MAX`] bytes of payload are sent.
pub fn write_pong(payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(CONTROL_PAYLOAD_BYTES_MAX)];
    write(OpCode::Control(Control::Pong), payload, mask, out);
}

/// Appends a close frame. A reason that is too long is cut between characters.
pub fn write_close(code: CloseCode, reason: &str, mask: [u8; 4], out: &mut Vec<u8>) {
    let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
    let payload = [&code.get().to_be_bytes()[..], reason.as_bytes()].concat();
    write(OpCode::Control(Control::Close), &payload, mask, out);
}

fn write(opcode: OpCode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    let header = FrameHeader { opcode, mask: Some(mask), ..FrameHeader::default() };
    header.format(payload.len() as u64, out).expect("a vector takes every write");
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Decoded, Decoder, Incoming, Limits, Peer, accept, write_close as server_close,
            write_text as server_text,
        },
        *,
    };
    use http::{Method, Version};

    const OFFER: &[&str] = &["graphql-transport-ws", "graphql-ws"];
    const MASK: [u8; 4] = [1, 200, 3, 77];

    #[test]
    fn our_server_and_our_client_shake_hands() {
        let opening = Opening::new(OFFER);
        let accepted =
            accept(&Method::GET, Version::HTTP_11, &opening.headers(), &["graphql-ws"]).expect("accepted");
        assert_eq!(opening.check(StatusCode::SWITCHING_PROTOCOLS, &accepted.headers()), Ok("graphql-ws"));
        let another = Opening::new(OFFER);
        assert!(another.check(StatusCode::SWITCHING_PROTOCOLS, &accepted.headers()).is_err());
        assert!(opening.check(StatusCode::OK, &accepted.headers()).is_err());
        let mut without = accepted.headers();
        without.remove(SEC_WEBSOCKET_PROTOCOL);
        assert!(opening.check(StatusCode::SWITCHING_PROTOCOLS, &without).is_err());
    }

    fn decode(bytes: &mut [u8], peer: Peer) -> Vec<String> {
        let (mut decoder, mut at, mut found) = (Decoder::default(), 0, Vec::new());
        let limits = Limits { message_bytes_max: 1 << 20, peer };
        while let Decoded::Incoming { consumed, incoming } =
            decoder.decode(&mut bytes[at..], &limits).expect("no violation")
        {
            found.push(match incoming {
                Incoming::Text(text) => text.into_owned(),
                Incoming::Ping(it) => format!("ping {}", String::from_utf8_lossy(it)),
                Incoming::Pong(it) => format!("pong {}", String::from_utf8_lossy(it)),
                Incoming::Skipped(start) => format!("skipped {}", String::from_utf8_lossy(&start)),
                Incoming::Close { code, reason } => format!("close {code:?} {reason}"),
            });
            at += consumed;
        }
        found
    }

    #[test]
    fn a_server_reads_what_we_write() {
        let mut bytes = Vec::new();
        let long = "õ".repeat(40_000);
        write_text(b"{\"type\":\"ping\"}", MASK, &mut bytes);
        write_text(long.as_bytes(), MASK, &mut bytes);
        write_ping(b"a", MASK, &mut bytes);
        write_pong(&[b'b'; 300], MASK, &mut bytes);
        write_close(CloseCode::NORMAL, "bye", MASK, &mut bytes);
        let pong = format!("pong {}", "b".repeat(CONTROL_PAYLOAD_BYTES_MAX));
        let expected = ["{\"type\":\"ping\"}", &long, "ping a", &pong, "close Some(CloseCode(1000)) bye"];
        assert_eq!(decode(&mut bytes, Peer::Client), expected);
    }

    #[test]
    fn a_servers_frames_are_read_unmasked_and_not_otherwise() {
        let mut bytes = Vec::new();
        server_text("a", &mut bytes);
        server_close(Some(CloseCode::GOING_AWAY), "", &mut bytes);
        assert_eq!(decode(&mut bytes, Peer::Server), ["a", "close Some(CloseCode(1001)) "]);

        let mut masked = Vec::new();
        write_text(b"a", MASK, &mut masked);
        let limits = Limits { message_bytes_max: 10, peer: Peer::Server };
        assert!(Decoder::default().decode(&mut masked, &limits).is_err());
    }
}
