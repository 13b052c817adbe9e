//! Puts the server's frames together: final, unmasked, without extensions.
//!
//! A text header depends on the length alone. Payloads of equal length therefore share it, and a frame
//! for many connections is a header once and then the bytes that differ.

use super::CloseCode;
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Longest payload of a ping, pong or close frame (RFC 6455, section 5.5).
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;

/// Longest reason in a close frame: the code takes two bytes of the payload.
pub const CLOSE_REASON_BYTES_MAX: usize = CONTROL_PAYLOAD_BYTES_MAX - 2;

/// Appends the header of a text message whose payload has `payload_bytes`.
pub fn write_text_header(payload_bytes: usize, out: &mut Vec<u8>) {
    write_header(OpCode::Data(Data::Text), payload_bytes, out);
}

/// How many bytes [`write_text_header`] appends.
pub fn text_header_len(payload_bytes: usize) -> usize {
    header(OpCode::Data(Data::Text)).len(payload_bytes as u64)
}

/// Appends a whole text message.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    write_text_header(text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a close frame; one without a code answers a client that gave none.
///
/// A reason that is too long is cut between characters.
pub fn write_close(code: Option<CloseCode>, reason: &str, out: &mut Vec<u8>) {
    let Some(code) = code else {
        return write_header(OpCode::Control(Control::Close), 0, out);
    };
    debug_assert!(code.is_valid(), "{code} must not be sent");
    let reason = &reason[..reason.floor_char_boundary(CLOSE_REASON_BYTES_MAX)];
    write_header(OpCode::Control(Control::Close), 2 + reason.len(), out);
    out.extend_from_slice(&code.get().to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// Appends a ping. At most [`CONTROL_PAYLOAD_BYTES_MAX`] bytes of payload are sent.
pub fn write_ping(payload: &[u8], out: &mut Vec<u8>) {
    write_control(Control::Ping, payload, out);
}

/// Appends a pong. At most [`CONTROL_PAYLOAD_BYTES_MAX`] bytes of payload are sent.
pub fn write_pong(payload: &[u8], out: &mut Vec<u8>) {
    write_control(Control::Pong, payload, out);
}

fn write_control(control: Control, payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(CONTROL_PAYLOAD_BYTES_MAX)];
    write_header(OpCode::Control(control), payload.len(), out);
    out.extend_from_slice(payload);
}

fn write_header(opcode: OpCode, payload_bytes: usize, out: &mut Vec<u8>) {
    header(opcode).format(payload_bytes as u64, out).expect("a vector takes every write");
}

fn header(opcode: OpCode) -> FrameHeader {
    FrameHeader { opcode, ..FrameHeader::default() }
}
