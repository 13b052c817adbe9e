//! WebSocket frames and `graphql-transport-ws` messages, as cheap as checking them allows.

use serde_json::Value;

pub const TEXT: u8 = 0x1;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

pub const ID_LEN: usize = 36;
pub type Id = [u8; ID_LEN];

/// The id of a subscription: as long as the UUIDs that clients use, and telling whose it is.
pub fn id_of(fleet: u16, connection: usize) -> Id {
    let text = format!("{fleet:08x}-0000-4000-8000-{connection:012x}");
    text.into_bytes().try_into().expect("36 characters")
}

/// Appends a client's frame, masked with the key 0: legal, and the bytes stay readable.
pub fn put_client_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match u16::try_from(payload.len()).expect("clients here say little") {
        short @ 0..126 => out.push(0x80 | short as u8),
        long => {
            out.push(0x80 | 126);
            out.extend(long.to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.extend(payload);
}

/// A whole frame at the start of some bytes.
pub struct Frame<'a> {
    pub opcode: u8,
    pub payload: &'a [u8],
    /// Header and payload.
    pub bytes: &'a [u8],
}

/// The first frame, or `None` while it is not all there. Servers neither mask nor, here, fragment.
pub fn first_frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let (&[head, length], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match length & 0x7f {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        short => (usize::from(short), rest),
    };
    let payload = rest.get(..length)?;
    let header = bytes.len() - rest.len();
    Some(Frame { opcode: head & 0x0f, payload, bytes: &bytes[..header + length] })
}

/// What a text message of the server says.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    Ack,
    Pong,
    Next {
        id: &'a [u8],
        sequence: u64,
    },
    /// `error`, `complete`, a `next` without the data, or nothing known.
    Other,
}

/// Finds what matters by scanning: a full parse per message would make the client the bottleneck.
pub fn read_message(text: &[u8]) -> Message<'_> {
    let head = &text[..find(text, br#""payload":"#).unwrap_or(text.len())];
    match value_after(head, br#""type":""#) {
        Some(b"next") => {
            let sequence = find(text, br#""sequence":"#).map(|at| digits(&text[at + 11..]));
            match (value_after(head, br#""id":""#), sequence, has_errors(text)) {
                (Some(id), Some(sequence), false) => Message::Next { id, sequence },
                _ => Message::Other,
            }
        }
        Some(b"connection_ack") => Message::Ack,
        Some(b"pong") => Message::Pong,
        _ => Message::Other,
    }
}

/// Whether a `next` is well-formed as a whole: valid JSON with exactly the members it should have.
pub fn is_whole(text: &[u8], field: &str) -> bool {
    let Ok(Value::Object(message)) = serde_json::from_slice(text) else { return false };
    let payload = message.get("payload").and_then(Value::as_object);
    let data = payload.and_then(|it| it.get("data")?.get(field)?.as_object());
    message.len() == 3
        && payload.is_some_and(|it| !it.contains_key("errors"))
        && data.is_some_and(|it| it.get("sequence").is_some_and(Value::is_u64))
}

/// Whether there is an `errors` member near either end, where it stands before or behind the data. The
/// middle is the event's body: scanning kilobytes of it for every delivery would slow the client down.
fn has_errors(text: &[u8]) -> bool {
    const EDGE: usize = 256;
    let edges = [&text[..text.len().min(EDGE)], &text[text.len().saturating_sub(EDGE)..]];
    edges.iter().any(|edge| find(edge, br#""errors":"#).is_some())
}

fn value_after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let value = &text[find(text, key)? + key.len()..];
    value.iter().position(|it| *it == b'"').map(|end| &value[..end])
}

fn digits(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|it| it.is_ascii_digit());
    digits.fold(0, |number: u64, digit| number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let first = what[0];
    (0..text.len().saturating_sub(what.len() - 1))
        .find(|&at| text[at] == first && text[at..].starts_with(what))
}
