//! What clients say over a WebSocket, right and wrong, and what an echo server has to make of it by RFC 6455.
//!
//! The reference reads one frame after the other out of the whole of what a client sent, without regard for
//! how it arrived. It has nothing in common with the codec that it judges.

use crate::dice::Dice;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What an echo server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Text(String),
    Pong(Vec<u8>),
    /// With its code. Nothing follows.
    Close(Option<u16>),
}

/// What a client sends behind its handshake.
pub fn life(dice: &mut Dice<'_>, message_bytes_max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !dice.is_used_up() {
        match dice.below(12) {
            0..=3 => message(dice, message_bytes_max, &mut bytes),
            4 => control(dice, PING, &mut bytes),
            5 => control(dice, PONG, &mut bytes),
            6 => close(dice, &mut bytes),
            7 => any_frame(dice, &mut bytes),
            8 => bytes.extend_from_slice(dice.bytes(40)),
            9 => long_message(dice, message_bytes_max, &mut bytes),
            10 => frame(dice, BINARY, true, &[1, 2], &mut bytes),
            _ => truncate(dice, &mut bytes),
        }
    }
    bytes
}

/// A text in fragments, with control frames between them.
fn message(dice: &mut Dice<'_>, message_bytes_max: usize, out: &mut Vec<u8>) {
    let mut text = dice.text();
    while dice.one_in(3) && text.len() < message_bytes_max {
        text.push_str(["a", "ä", "€", "𐍈", "\0"][dice.below(5)]);
    }
    let mut bytes = text.into_bytes();
    if dice.one_in(10) {
        bytes.extend_from_slice(dice.bytes(4));
    }
    let mut opcode = TEXT;
    while dice.one_in(3) {
        let rest = bytes.split_off(dice.below(bytes.len() + 1));
        frame(dice, opcode, false, &bytes, out);
        (opcode, bytes) = (CONTINUATION, rest);
        if dice.one_in(3) {
            let opcode = [PING, PONG][dice.below(2)];
            control(dice, opcode, out);
        }
    }
    frame(dice, opcode, true, &bytes, out);
}

/// Around the limit, and around the lengths at which headers change their form.
fn long_message(dice: &mut Dice<'_>, message_bytes_max: usize, out: &mut Vec<u8>) {
    let around = [125, 65_535, message_bytes_max][dice.below(3)];
    let length = around + dice.below(3) - 1;
    frame(dice, TEXT, true, &vec![b'x'; length], out);
}

fn control(dice: &mut Dice<'_>, opcode: u8, out: &mut Vec<u8>) {
    let payload = if dice.one_in(8) { vec![7; 124 + dice.below(3)] } else { dice.bytes(6).to_vec() };
    frame(dice, opcode, true, &payload, out);
}

fn close(dice: &mut Dice<'_>, out: &mut Vec<u8>) {
    let code = [1000_u16, 1001, 1004, 1005, 1006, 1010, 1015, 2999, 3000, 4400, 4999, 5000][dice.below(12)];
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(dice.text().as_bytes());
    if dice.one_in(4) {
        payload.push(0xff);
    }
    if dice.one_in(4) {
        payload.truncate(dice.below(2));
    }
    frame(dice, CLOSE, true, &payload, out);
}

/// Any bits in the first byte.
fn any_frame(dice: &mut Dice<'_>, out: &mut Vec<u8>) {
    let (first, payload) = (dice.below(256) as u8, dice.bytes(8).to_vec());
    let at = out.len();
    frame(dice, TEXT, true, &payload, out);
    out[at] = first;
}

/// A frame, masked but once in a while.
fn frame(dice: &mut Dice<'_>, opcode: u8, is_final: bool, payload: &[u8], out: &mut Vec<u8>) {
    out.push(opcode | if is_final { 0x80 } else { 0 });
    let masked = !dice.one_in(40);
    let bit = if masked { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..=125 => out.push(length as u8 | bit),
        length @ 126..=0xffff => {
            out.push(126 | bit);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127 | bit);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = if masked { [dice.below(256) as u8, 0, 0xa5, 0x5a] } else { [0; 4] };
    if masked {
        out.extend_from_slice(&mask);
    }
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

fn truncate(dice: &mut Dice<'_>, out: &mut Vec<u8>) {
    let length = dice.below(out.len() + 1);
    out.truncate(length.max(out.len().saturating_sub(20)));
}

/// What an echo server has to say to a client that sends this and then hangs up, by RFC 6455. Binary
/// messages are not taken (1003), nor are texts beyond the limit (1009).
pub fn reference(bytes: &[u8], message_bytes_max: usize) -> Vec<Said> {
    let (mut said, mut at, mut partial) = (Vec::new(), 0, None::<Vec<u8>>);
    let ended = loop {
        let Some(header) = header(&bytes[at..]) else { break None };
        if let Some(code) = violation(&header, partial.as_deref(), message_bytes_max) {
            break Some(Some(code));
        }
        let (start, length) = (at + header.bytes, header.length as usize);
        let Some(payload) = bytes.get(start..start + length) else { break None };
        let payload: Vec<u8> =
            payload.iter().zip(header.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        at = start + length;
        match header.opcode {
            PING => said.push(Said::Pong(payload)),
            PONG => {}
            CLOSE => break Some(closed(&payload)),
            _ => {
                let mut text = partial.take().unwrap_or_default();
                text.extend_from_slice(&payload);
                match (header.is_final, String::from_utf8(text)) {
                    (true, Ok(text)) => said.push(Said::Text(text)),
                    (false, Ok(text)) => partial = Some(text.into_bytes()),
                    // Only a character that the end cuts may yet become one.
                    (false, Err(error)) if error.utf8_error().error_len().is_none() => {
                        partial = Some(error.into_bytes());
                    }
                    (_, Err(_)) => break Some(Some(1007)),
                }
            }
        }
    };
    said.extend(ended.map(Said::Close));
    said
}

struct Header {
    opcode: u8,
    is_final: bool,
    reserved: bool,
    masked: bool,
    mask: [u8; 4],
    length: u64,
    /// Its own length.
    bytes: usize,
}

/// `None` while it is not whole.
fn header(bytes: &[u8]) -> Option<Header> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, mut at) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        length => (u64::from(length), 2),
    };
    let masked = second & 0x80 != 0;
    let mut mask = [0; 4];
    if masked {
        mask = bytes.get(at..at + 4)?.try_into().ok()?;
        at += 4;
    }
    let opcode = first & 0x0f;
    let (is_final, reserved) = (first & 0x80 != 0, first & 0x70 != 0);
    Some(Header { opcode, is_final, reserved, masked, mask, length, bytes: at })
}

/// The code for what a header alone breaks.
fn violation(header: &Header, partial: Option<&[u8]>, message_bytes_max: usize) -> Option<u16> {
    let is_control = header.opcode >= 8;
    let is_known = matches!(header.opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
    let is_control_wrong = is_control && (!header.is_final || header.length > 125);
    let is_order_wrong = !is_control && (header.opcode == CONTINUATION) != partial.is_some();
    if header.reserved || !is_known || !header.masked || is_control_wrong || is_order_wrong {
        return Some(1002);
    }
    if header.opcode == BINARY {
        return Some(1003);
    }
    let before = partial.map_or(0, <[u8]>::len) as u64;
    (!is_control && before.saturating_add(header.length) > message_bytes_max as u64).then_some(1009)
}

/// The code that answers a close frame.
fn closed(payload: &[u8]) -> Option<u16> {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() { None } else { Some(1002) };
    };
    let code = u16::from_be_bytes([*high, *low]);
    // Registered with IANA, or free for others (RFC 6455, section 7.4).
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Some(1002);
    }
    Some(if std::str::from_utf8(reason).is_ok() { code } else { 1007 })
}

/// What a server said: frames that are whole, unmasked, final, without extensions, and in the shortest form.
pub fn heard(bytes: &[u8]) -> Result<Vec<Said>, String> {
    let (mut said, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let header = header(&bytes[at..]).ok_or("half a header")?;
        let shortest = match header.length {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        if header.reserved || header.masked || !header.is_final || header.bytes != shortest {
            return Err(format!("no frame of a server: {:?}", &bytes[at..at + header.bytes]));
        }
        let start = at + header.bytes;
        let payload = bytes.get(start..start + header.length as usize).ok_or("half a frame")?;
        at = start + payload.len();
        said.push(match (header.opcode, payload) {
            (TEXT, text) => Said::Text(String::from_utf8(text.to_vec()).map_err(|it| it.to_string())?),
            (PONG, payload) if payload.len() <= 125 => Said::Pong(payload.to_vec()),
            (CLOSE, []) => Said::Close(None),
            (CLOSE, [high, low, reason @ ..]) if payload.len() <= 125 => {
                std::str::from_utf8(reason).map_err(|it| it.to_string())?;
                Said::Close(Some(u16::from_be_bytes([*high, *low])))
            }
            other => return Err(format!("no frame of an echo server: {other:?}")),
        });
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 6455, section 5.7, as far as a client sends such.
    #[test]
    fn the_reference_knows_the_examples_of_the_rfc() {
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(reference(&hello, 100), [Said::Text("Hello".to_owned())]);
        let ping = [0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(reference(&ping, 100), [Said::Pong(b"Hello".to_vec())]);
        assert_eq!(reference(&[0x81, 0x05], 100), [Said::Close(Some(1002))], "not masked");
        assert_eq!(
            heard(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]),
            Ok(vec![Said::Text("Hello".to_owned())])
        );
        assert!(heard(&[0x01, 0x03, 0x48, 0x65, 0x6c]).is_err(), "a fragment");
    }
}
