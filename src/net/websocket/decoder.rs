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
//!
//! A client whose message is beyond the limit loses its connection. A server's connection carries what many listen to,
//! so its message is skipped (`skip`): neither kept nor checked to be text.

use super::{CloseCode, Violation, skip::Skip};
use std::{borrow::Cow, io::Cursor, ops::Range, str};
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Bounds on what the other side may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest text message, all fragments together, in bytes. A longer one is a violation of a client's, and
    /// [`Incoming::Skipped`] of a server.
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
    /// The first bytes of a server's message that is beyond the limit, as they came: at most
    /// [`super::SKIPPED_START_BYTES`]. Nothing else comes of that message.
    Skipped(Vec<u8>),
    /// The client's last frame: whatever follows it is to be ignored. Answer with the same code, unless a
    /// close frame of ours is already on its way.
    Close {
        code: Option<CloseCode>,
        reason: &'b str,
    },
}

/// A text message that is not finished.
#[derive(Debug)]
enum Partial {
    Collected(Fragments),
    Skipped(Skip),
}

/// The first fragments of a text message.
#[derive(Debug, Default)]
struct Fragments {
    bytes: Vec<u8>,
    /// How many of `bytes` are known to be whole UTF-8 characters.
    valid: usize,
}

/// What a header begins.
enum Next {
    Frame(Frame),
    /// A frame that lacks so many bytes at least.
    Cut(usize),
    /// A frame that is to be skipped.
    Skip {
        payload_at: usize,
        length: u64,
        is_final: bool,
    },
}

/// What is to become of a frame, by its header.
enum Verdict {
    Take { mask: Option<[u8; 4]> },
    Skip,
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
            if let Some(skip) = self.skip() {
                at += skip.take_in(&input[at..]);
                let (start, is_cut) = (skip.start(), !skip.is_between_frames());
                if skip.is_over() {
                    self.partial = None;
                }
                if let Some(start) = start {
                    return Ok(Decoded::Incoming { consumed: at, incoming: Incoming::Skipped(start) });
                }
                if is_cut {
                    return Ok(Decoded::More { consumed: at, missing: 1 });
                }
            }
            let frame = match self.next_frame(input, at, limits)? {
                Next::Frame(frame) => frame,
                Next::Cut(missing) => return Ok(Decoded::More { consumed: at, missing }),
                Next::Skip { payload_at, length, is_final } => {
                    self.begin_skip(length, is_final);
                    at = payload_at;
                    continue;
                }
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

    /// How much memory the beginning of an unfinished message take, in bytes; 0 for most connections.
    pub fn partial_bytes(&self) -> usize {
        self.partial.as_deref().map_or(0, |it| match it {
            Partial::Collected(fragments) => fragments.bytes.capacity(),
            Partial::Skipped(skip) => skip.capacity(),
        })
    }

    /// The frame that starts at `at`, or how many bytes it lacks at least.
    fn next_frame(&self, input: &[u8], at: usize, limits: &Limits) -> Result<Next, Violation> {
        let rest = &input[at..];
        let mut cursor = Cursor::new(rest);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol("reserved opcode"))?;
        let Some((header, length)) = parsed else {
            return Ok(Next::Cut(header_bytes_missing(rest, limits.peer)));
        };
        let is_final = header.is_final;
        // It fits: the header has at most 14 bytes.
        let start = at + cursor.position() as usize;
        let mask = match self.check(&header, length, limits)? {
            Verdict::Take { mask } => mask,
            Verdict::Skip => return Ok(Next::Skip { payload_at: start, length, is_final }),
        };
        // It fits: `check` bounds the length.
        let end = start + length as usize;
        if end > input.len() {
            return Ok(Next::Cut(end - input.len()));
        }
        Ok(Next::Frame(Frame { opcode: header.opcode, is_final, mask, payload: start..end }))
    }

    /// Applies every rule that a header alone can break.
    fn check(&self, header: &FrameHeader, length: u64, limits: &Limits) -> Result<Verdict, Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::Protocol("reserved bits are set"));
        }
        match (limits.peer, header.mask) {
            (Peer::Client, None) => return Err(Violation::Protocol("client frames must be masked")),
            (Peer::Server, Some(_)) => return Err(Violation::Protocol("server frames must not be masked")),
            _ => {}
        }
        match (header.opcode, self.partial.as_deref()) {
            (OpCode::Control(_), _) => check_control(header, length)?,
            (OpCode::Data(Data::Continue), None) => {
                return Err(Violation::Protocol("continuation without a message"));
            }
            (OpCode::Data(Data::Text | Data::Binary), Some(_)) => {
                return Err(Violation::Protocol("new message before the last one ended"));
            }
            (OpCode::Data(Data::Binary), None) => return Err(Violation::Binary),
            (OpCode::Data(_), Some(Partial::Skipped(_))) => return Ok(Verdict::Skip),
            (OpCode::Data(_), partial) => {
                let collected = match partial {
                    Some(Partial::Collected(fragments)) => fragments.bytes.len(),
                    _ => 0,
                };
                if length > limits.message_bytes_max.saturating_sub(collected) as u64 {
                    return match limits.peer {
                        Peer::Client => Err(Violation::TooBig),
                        Peer::Server => Ok(Verdict::Skip),
                    };
                }
            }
        }
        Ok(Verdict::Take { mask: header.mask })
    }

    fn collect(&mut self, payload: &[u8]) -> Result<(), Violation> {
        let partial = self.partial.get_or_insert_with(|| Box::new(Partial::Collected(Fragments::default())));
        match &mut **partial {
            Partial::Collected(fragments) => fragments.push(payload),
            Partial::Skipped(_) => Ok(()),
        }
    }

    /// The message that is being skipped.
    fn skip(&mut self) -> Option<&mut Skip> {
        match self.partial.as_deref_mut() {
            Some(Partial::Skipped(skip)) => Some(skip),
            _ => None,
        }
    }

    /// Skips the message, from this frame on if it was collected until here.
    fn begin_skip(&mut self, frame_bytes: u64, is_final: bool) {
        let mut skip = match self.partial.take().map(|it| *it) {
            Some(Partial::Skipped(skip)) => skip,
            Some(Partial::Collected(fragments)) => Skip::new(fragments.bytes),
            None => Skip::new(Vec::new()),
        };
        skip.begin_frame(frame_bytes, is_final);
        self.partial = Some(Box::new(Partial::Skipped(skip)));
    }

    /// Makes something of a final frame, mask removed.
    fn finish<'b>(&mut self, opcode: OpCode, payload: &'b [u8]) -> Result<Incoming<'b>, Violation> {
        match opcode {
            OpCode::Control(Control::Ping) => Ok(Incoming::Ping(payload)),
            OpCode::Control(Control::Pong) => Ok(Incoming::Pong(payload)),
            OpCode::Control(_) => close(payload),
            OpCode::Data(_) => {
                let text = match self.partial.take().map(|it| *it) {
                    Some(Partial::Collected(mut fragments)) => {
                        fragments.push(payload)?;
                        Cow::Owned(String::from_utf8(fragments.bytes).map_err(|_| Violation::InvalidText)?)
                    }
                    _ => Cow::Borrowed(text(payload)?),
                };
                Ok(Incoming::Text(text))
            }
        }
    }
}

impl Fragments {
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
