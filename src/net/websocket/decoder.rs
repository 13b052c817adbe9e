//! Takes the other side's bytes apart into messages and control frames (RFC 6455, section 5).
//!
//! The reactor reads into one buffer for all connections. A frame is decoded only once it is whole; its
//! mask is removed in place and an unfragmented text message is lent out of that buffer, so the common
//! message is neither copied nor does it need memory of its connection. What is left over (the beginning
//! of a frame) stays with the caller, who presents it again with the bytes that follow it.
//!
//! Cost: a frame that is not yet whole costs one look at its header per call, however long it is, and
//! every payload byte is unmasked, checked and (in fragments) copied once. Bytes arriving one by one are
//! therefore linear, as long as the caller appends to what it kept instead of moving it.

use super::{CloseCode, Violation};
use std::{borrow::Cow, io::Cursor, ops::Range, str};
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Bounds on what the other side may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest text message, all fragments together, in bytes.
    pub message_bytes_max: usize,
    pub peer: Peer,
}

/// Who is at the other end: a client must mask its frames, a server must not (RFC 6455, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Client,
    Server,
}

/// The state of one connection: the fragments of a message that is not finished, usually none.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
}

/// What [`Decoder::decode`] found at the front of its input.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded<'b> {
    /// Something to act on, in the first `consumed` bytes. Decode again from there.
    Incoming { consumed: usize, incoming: Incoming<'b> },
    /// Nothing more to act on. The first `consumed` bytes are done with (fragments, now kept in the
    /// decoder); the rest, if any, begins a frame that lacks at least `missing` bytes. `missing` is what
    /// the client announced, never more than a whole message: grow towards it as bytes arrive.
    More { consumed: usize, missing: usize },
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'b> {
    /// A whole text message: borrowed, unless it came in fragments.
    Text(Cow<'b, str>),
    /// To be answered with a pong that carries the same bytes (at most 125).
    Ping(&'b [u8]),
    Pong(&'b [u8]),
    /// The client's last frame: whatever follows it is to be ignored. Answer with the same code, unless a
    /// close frame of ours is already on its way.
    Close {
        code: Option<CloseCode>,
        reason: &'b str,
    },
}

/// The first fragments of a text message.
#[derive(Debug, Default)]
struct Partial {
    bytes: Vec<u8>,
    /// How many of `bytes` are known to be whole UTF-8 characters.
    valid: usize,
}

/// A frame that is whole and within all rules that its header can break.
struct Frame {
    opcode: OpCode,
    is_final: bool,
    mask: Option<[u8; 4]>,
    payload: Range<usize>,
}

impl Decoder {
    /// Decodes up to the first thing to act on.
    ///
    /// # Errors
    /// As soon as a header shows the violation, without waiting for the payload it announces.
    pub fn decode<'b>(&mut self, input: &'b mut [u8], limits: &Limits) -> Result<Decoded<'b>, Violation> {
        let mut at = 0;
        let frame = loop {
            let frame = match self.next_frame(input, at, limits)? {
                Ok(frame) => frame,
                Err(missing) => return Ok(Decoded::More { consumed: at, missing }),
            };
            if let Some(mask) = frame.mask {
                unmask(&mut input[frame.payload.clone()], mask);
            }
            at = frame.payload.end;
            if frame.is_final {
                break frame;
            }
            self.collect(&input[frame.payload])?;
        };
        let incoming = self.finish(frame.opcode, &input[frame.payload])?;
        Ok(Decoded::Incoming { consumed: at, incoming })
    }

    /// How much memory the fragments of an unfinished message take, in bytes; 0 for most connections.
    pub fn partial_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |it| it.bytes.capacity())
    }

    /// The frame that starts at `at`, or how many bytes it lacks at least.
    fn next_frame(
        &self,
        input: &[u8],
        at: usize,
        limits: &Limits,
    ) -> Result<Result<Frame, usize>, Violation> {
        let rest = &input[at..];
        let mut cursor = Cursor::new(rest);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol("reserved opcode"))?;
        let Some((header, length)) = parsed else {
            return Ok(Err(header_bytes_missing(rest, limits.peer)));
        };
        let mask = self.check(&header, length, limits)?;
        // Both fit: the header has at most 14 bytes, and `check` bounds the length.
        let start = at + cursor.position() as usize;
        let end = start + length as usize;
        if end > input.len() {
            return Ok(Err(end - input.len()));
        }
        Ok(Ok(Frame { opcode: header.opcode, is_final: header.is_final, mask, payload: start..end }))
    }

    /// Applies every rule that a header alone can break; gives back the mask.
    fn check(
        &self,
        header: &FrameHeader,
        length: u64,
        limits: &Limits,
    ) -> Result<Option<[u8; 4]>, Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::Protocol("reserved bits are set"));
        }
        match (limits.peer, header.mask) {
            (Peer::Client, None) => return Err(Violation::Protocol("client frames must be masked")),
            (Peer::Server, Some(_)) => return Err(Violation::Protocol("server frames must not be masked")),
            _ => {}
        }
        match (header.opcode, &self.partial) {
            (OpCode::Control(_), _) => check_control(header, length)?,
            (OpCode::Data(Data::Continue), None) => {
                return Err(Violation::Protocol("continuation without a message"));
            }
            (OpCode::Data(Data::Text | Data::Binary), Some(_)) => {
                return Err(Violation::Protocol("new message before the last one ended"));
            }
            (OpCode::Data(Data::Binary), None) => return Err(Violation::Binary),
            (OpCode::Data(_), partial) => {
                let collected = partial.as_ref().map_or(0, |it| it.bytes.len());
                if length > limits.message_bytes_max.saturating_sub(collected) as u64 {
                    return Err(Violation::TooBig);
                }
            }
        }
        Ok(header.mask)
    }

    fn collect(&mut self, payload: &[u8]) -> Result<(), Violation> {
        self.partial.get_or_insert_default().push(payload)
    }

    /// Makes something of a final frame, mask removed.
    fn finish<'b>(&mut self, opcode: OpCode, payload: &'b [u8]) -> Result<Incoming<'b>, Violation> {
        match opcode {
            OpCode::Control(Control::Ping) => Ok(Incoming::Ping(payload)),
            OpCode::Control(Control::Pong) => Ok(Incoming::Pong(payload)),
            OpCode::Control(_) => close(payload),
            OpCode::Data(_) => {
                let text = match self.partial.take() {
                    Some(mut partial) => {
                        partial.push(payload)?;
                        Cow::Owned(String::from_utf8(partial.bytes).map_err(|_| Violation::InvalidText)?)
                    }
                    None => Cow::Borrowed(text(payload)?),
                };
                Ok(Incoming::Text(text))
            }
        }
    }
}

impl Partial {
    /// Adds a fragment, and refuses it as soon as no continuation could make the text valid.
    fn push(&mut self, payload: &[u8]) -> Result<(), Violation> {
        self.bytes.extend_from_slice(payload);
        match str::from_utf8(&self.bytes[self.valid..]) {
            Ok(_) => self.valid = self.bytes.len(),
            Err(error) if error.error_len().is_some() => return Err(Violation::InvalidText),
            // A character cut between fragments, at most three bytes of it.
            Err(error) => self.valid += error.valid_up_to(),
        }
        Ok(())
    }
}

fn check_control(header: &FrameHeader, length: u64) -> Result<(), Violation> {
    if !header.is_final {
        return Err(Violation::Protocol("control frames must not be fragmented"));
    }
    if length > super::CONTROL_PAYLOAD_BYTES_MAX as u64 {
        return Err(Violation::Protocol("control frame too long"));
    }
    Ok(())
}

/// How many bytes a header lacks, given its beginning.
fn header_bytes_missing(start: &[u8], peer: Peer) -> usize {
    let extended = match start.get(1).map(|it| it & 0x7f) {
        Some(127) => 8,
        Some(126) => 2,
        _ => 0,
    };
    let mask = if peer == Peer::Client { 4 } else { 0 };
    (2 + extended + mask as usize).saturating_sub(start.len()).max(1)
}

/// The payload of a close frame (section 5.5.1): nothing, or a code and a reason.
fn close(payload: &[u8]) -> Result<Incoming<'_>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        let empty = payload.is_empty();
        return if empty {
            Ok(Incoming::Close { code: None, reason: "" })
        } else {
            Err(Violation::Protocol("close frame with half a code"))
        };
    };
    let code = CloseCode::from(u16::from_be_bytes(*code));
    if !code.is_valid() {
        return Err(Violation::Protocol("close code is not allowed"));
    }
    Ok(Incoming::Close { code: Some(code), reason: text(reason)? })
}

fn text(bytes: &[u8]) -> Result<&str, Violation> {
    str::from_utf8(bytes).map_err(|_| Violation::InvalidText)
}

/// Removes the mask (section 5.3), eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
