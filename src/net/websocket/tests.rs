//! The codec against the rules of RFC 6455, against tungstenite's client, and against random lives.

use super::*;
use std::io::{self, Cursor, Read, Write};
use tungstenite::{
    Message, WebSocket,
    protocol::{
        Role,
        frame::{FrameHeader, coding::OpCode},
    },
};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CONTINUE: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const LIMITS: Limits = Limits { message_bytes_max: 70_000, peer: Peer::Client };

/// A frame as a client sends it.
fn client_frame(opcode: u8, is_final: bool, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let header =
        FrameHeader { opcode: OpCode::from(opcode), is_final, mask: Some(mask), ..FrameHeader::default() };
    let mut out = Vec::new();
    header.format(payload.len() as u64, &mut out).expect("vector");
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

fn whole(opcode: u8, payload: &[u8]) -> Vec<u8> {
    client_frame(opcode, true, [0x37, 0xfa, 0x21, 0x3d], payload)
}

fn fragment(opcode: u8, payload: &[u8]) -> Vec<u8> {
    client_frame(opcode, false, [1, 2, 3, 4], payload)
}

/// [`Incoming`] without its buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Skipped(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Incoming<'_>> for Event {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(text.into_owned()),
            Incoming::Ping(payload) => Self::Ping(payload.to_vec()),
            Incoming::Pong(payload) => Self::Pong(payload.to_vec()),
            Incoming::Skipped(start) => Self::Skipped(start),
            Incoming::Close { code, reason } => Self::Close(code.map(CloseCode::get), reason.to_owned()),
        }
    }
}

fn text(text: &str) -> Event {
    Event::Text(text.to_owned())
}

/// A connection as the reactor keeps it: a decoder, and the beginning of a frame that was cut.
#[derive(Default)]
struct Connection {
    decoder: Decoder,
    kept: Vec<u8>,
    events: Vec<Event>,
}

impl Connection {
    fn read(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), Violation> {
        self.kept.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let rest = &mut self.kept[at..];
            let available = rest.len();
            match self.decoder.decode(rest, limits)? {
                Decoded::Incoming { consumed, incoming } => {
                    assert!((1..=available).contains(&consumed));
                    self.events.push(incoming.into());
                    at += consumed;
                }
                Decoded::More { consumed, missing } => {
                    assert!(consumed <= available);
                    assert!((1..=limits.message_bytes_max.max(125) + 14).contains(&missing));
                    self.kept.drain(..at + consumed);
                    return Ok(());
                }
            }
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Vec<Event>, Violation> {
    let mut connection = Connection::default();
    connection.read(bytes, &LIMITS)?;
    assert!(connection.kept.is_empty(), "everything is consumed");
    Ok(connection.events)
}

fn violation(bytes: &[u8]) -> u16 {
    decode(bytes).expect_err("against the rules").close_code().get()
}

#[test]
fn an_idle_connection_holds_one_pointer() {
    assert_eq!(size_of::<Decoder>(), size_of::<usize>());
    let mut connection = Connection::default();
    connection.read(&[fragment(TEXT, b"ab"), whole(CONTINUE, b"c")].concat(), &LIMITS).expect("valid");
    assert_eq!(connection.events, [text("abc")]);
    assert_eq!(connection.decoder.partial_bytes(), 0, "nothing stays of a finished message");
}

#[test]
fn a_whole_message_is_lent_out_of_the_buffer() {
    let mut buffer = whole(TEXT, "grüezi".as_bytes());
    let length = buffer.len();
    let place = buffer.as_ptr_range();
    let Ok(Decoded::Incoming { consumed, incoming: Incoming::Text(text) }) =
        Decoder::default().decode(&mut buffer, &LIMITS)
    else {
        panic!("expected a text message");
    };
    assert_eq!((consumed, &*text), (length, "grüezi"));
    assert!(place.contains(&text.as_ptr()), "not copied");
}

#[test]
fn lengths_of_all_three_forms_decode() {
    for length in [0, 1, 7, 8, 9, 125, 126, 127, 65_535, 65_536, 70_000] {
        let message: String = "abcdefghij".chars().cycle().take(length).collect();
        assert_eq!(decode(&whole(TEXT, message.as_bytes())), Ok(vec![text(&message)]), "{length}");
    }
}

#[test]
fn a_burst_decodes_in_order() {
    let burst: Vec<u8> = (0..500).flat_map(|it| whole(TEXT, it.to_string().as_bytes())).collect();
    let events = decode(&burst).expect("valid");
    assert!(events.iter().eq((0..500).map(|it| text(&it.to_string())).collect::<Vec<_>>().iter()));
}

#[test]
fn control_frames_come_between_fragments() {
    let bytes = [
        fragment(TEXT, b"one "),
        whole(PING, b"are you there"),
        fragment(CONTINUE, b""),
        whole(PONG, b""),
        whole(CONTINUE, b"two"),
        whole(TEXT, b"three"),
    ];
    let expected =
        [Event::Ping(b"are you there".to_vec()), Event::Pong(Vec::new()), text("one two"), text("three")];
    assert_eq!(decode(&bytes.concat()).expect("valid"), expected);
}

#[test]
fn a_character_may_be_cut_between_fragments() {
    let smile = "😀".as_bytes();
    let bytes = [fragment(TEXT, &smile[..1]), fragment(CONTINUE, &smile[1..3]), whole(CONTINUE, &smile[3..])];
    assert_eq!(decode(&bytes.concat()), Ok(vec![text("😀")]));
}

#[test]
fn framing_errors_are_1002() {
    let mut reserved_bit = whole(TEXT, b"x");
    reserved_bit[0] |= 0x40;
    let mut unmasked = Vec::new();
    write_text("x", &mut unmasked);
    let cases: [(&str, Vec<u8>); 9] = [
        ("reserved bit", reserved_bit),
        ("unmasked", unmasked),
        ("reserved data opcode", vec![0x83, 0x80, 0, 0, 0, 0]),
        ("reserved control opcode", vec![0x8b, 0x80, 0, 0, 0, 0]),
        ("fragmented ping", fragment(PING, b"")),
        ("ping of 126 bytes", whole(PING, &[0; 126])),
        ("close of 126 bytes", whole(CLOSE, &[[3u8, 232].as_slice(), &[b'x'; 124]].concat())),
        ("continuation of nothing", whole(CONTINUE, b"x")),
        ("message within a message", [fragment(TEXT, b"x"), whole(TEXT, b"y")].concat()),
    ];
    for (case, bytes) in cases {
        assert_eq!(violation(&bytes), 1002, "{case}");
    }
}

#[test]
fn binary_messages_are_1003_before_their_payload_arrives() {
    assert_eq!(violation(&whole(BINARY, b"x")), 1003);
    assert_eq!(violation(&fragment(BINARY, b"")), 1003);
    assert_eq!(violation(&whole(BINARY, &[0; 50_000])[..8]), 1003);
}

#[test]
fn text_that_is_not_utf8_is_1007_as_soon_as_a_fragment_shows_it() {
    assert_eq!(violation(&whole(TEXT, b"ab\xff")), 1007);
    assert_eq!(violation(&whole(TEXT, &"é".as_bytes()[..1])), 1007);
    assert_eq!(violation(&fragment(TEXT, b"\xed\xa0\x80")), 1007, "a surrogate, before the last fragment");
    assert_eq!(violation(&[fragment(TEXT, b"\xc3"), whole(CONTINUE, b"")].concat()), 1007);
}

#[test]
fn messages_beyond_the_limit_are_1009_at_their_header() {
    let limits = Limits { message_bytes_max: 10, peer: Peer::Client };
    let read = |bytes: &[u8]| Connection::default().read(bytes, &limits);
    assert_eq!(read(&whole(TEXT, &[b'x'; 10])), Ok(()));
    assert_eq!(read(&whole(TEXT, &[b'x'; 11])[..6]), Err(Violation::TooBig));
    assert_eq!(
        read(&[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        Err(Violation::TooBig)
    );
    let fragments = [fragment(TEXT, b"123456"), fragment(CONTINUE, b"7890"), whole(CONTINUE, b"1")].concat();
    assert_eq!(read(&fragments[..fragments.len() - 1]), Err(Violation::TooBig), "fragments add up");
    assert_eq!(read(&whole(PING, &[0; 125])), Ok(()), "control frames have a limit of their own");
    assert_eq!(Violation::TooBig.close_code().get(), 1009);
}

#[test]
fn close_frames_carry_a_code_and_a_reason_or_nothing() {
    let close = |payload: &[u8]| decode(&whole(CLOSE, payload));
    assert_eq!(close(b""), Ok(vec![Event::Close(None, String::new())]));
    assert_eq!(close(b"\x03\xe8"), Ok(vec![Event::Close(Some(1000), String::new())]));
    assert_eq!(close("\u{11}Stschüss".as_bytes()), Ok(vec![Event::Close(Some(4435), "tschüss".to_owned())]));
    assert_eq!(violation(&whole(CLOSE, b"\x03")), 1002);
    assert_eq!(violation(&whole(CLOSE, b"\x03\xe8\xff")), 1007);
}

#[test]
fn close_codes_follow_section_7_4() {
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999] {
        assert!(CloseCode::from(code).is_valid(), "{code}");
    }
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        assert_eq!(violation(&whole(CLOSE, &code.to_be_bytes())), 1002, "{code}");
    }
}

#[test]
fn bytes_one_by_one_decode_and_nothing_is_announced_that_does_not_come() {
    let message = "y".repeat(66_000);
    let bytes = [whole(TEXT, message.as_bytes()), whole(PING, b"p")].concat();
    let mut connection = Connection::default();
    for byte in &bytes {
        connection.read(&[*byte], &LIMITS).expect("valid");
    }
    assert_eq!(connection.events, [text(&message), Event::Ping(b"p".to_vec())]);
}

#[test]
fn missing_bytes_are_told_exactly_once_the_header_is_there() {
    let mut bytes = whole(TEXT, &[b'x'; 300]);
    let length = bytes.len();
    for (known, missing) in [(0, 6), (1, 5), (2, 6), (7, 1), (8, 300), (length - 1, 1)] {
        let found = Decoder::default().decode(&mut bytes[..known], &LIMITS);
        assert_eq!(found, Ok(Decoded::More { consumed: 0, missing }), "{known} bytes known");
    }
}

/// A frame as a server sends it.
fn server_frame(opcode: u8, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { opcode: OpCode::from(opcode), is_final, mask: None, ..FrameHeader::default() };
    let mut out = Vec::new();
    header.format(payload.len() as u64, &mut out).expect("vector");
    out.extend_from_slice(payload);
    out
}

const OF_SERVER: Limits = Limits { message_bytes_max: 10_000, peer: Peer::Server };

/// However they are cut, these frames of a server come out as these events.
#[track_caller]
fn of_server(frames: &[Vec<u8>], expected: &[Event]) {
    let bytes = frames.concat();
    for piece in [bytes.len(), 5_000, 1] {
        let mut connection = Connection::default();
        for bytes in bytes.chunks(piece) {
            connection.read(bytes, &OF_SERVER).expect("valid");
            let kept = connection.kept.len().max(connection.decoder.partial_bytes());
            assert!(kept <= 2 * OF_SERVER.message_bytes_max, "{kept} bytes are kept");
        }
        assert_eq!(connection.events, expected, "in pieces of {piece}");
        assert_eq!((connection.kept.len(), connection.decoder.partial_bytes()), (0, 0), "nothing stays");
    }
}

fn start(bytes: &[u8]) -> Event {
    Event::Skipped(bytes[..bytes.len().min(SKIPPED_START_BYTES)].to_vec())
}

#[test]
fn a_servers_message_beyond_the_limit_is_skipped_and_the_next_is_read() {
    let long: Vec<u8> = b"abcdefghij".repeat(30_000);
    let next = server_frame(TEXT, true, b"next");
    of_server(&[server_frame(TEXT, true, &long), next.clone()], &[start(&long), text("next")]);
    let barely = &long[..10_001];
    of_server(&[server_frame(TEXT, true, barely), next.clone()], &[start(barely), text("next")]);
    let fits = String::from_utf8(long[..10_000].to_vec()).expect("UTF-8");
    of_server(&[server_frame(TEXT, true, fits.as_bytes()), next], &[text(&fits), text("next")]);
}

#[test]
fn a_servers_message_is_skipped_from_the_fragment_that_is_too_much() {
    let long: Vec<u8> = b"abcdefghij".repeat(3_000);
    let ping = || server_frame(PING, true, b"p");
    let pinged = || Event::Ping(b"p".to_vec());
    // Much of it was collected, or little, or nothing.
    for first in [9_000, 4_096, 4_095, 100, 0] {
        let frames = [
            server_frame(TEXT, false, &long[..first]),
            ping(),
            server_frame(CONTINUE, false, &long[first..first + 10_001]),
            ping(),
            server_frame(CONTINUE, false, b""),
            server_frame(CONTINUE, true, &long[first + 10_001..]),
            server_frame(TEXT, true, b"next"),
        ];
        of_server(&frames, &[pinged(), start(&long), pinged(), text("next")]);
    }
    let tiny = Limits { message_bytes_max: 3, ..OF_SERVER };
    let mut connection = Connection::default();
    let frames = [
        server_frame(TEXT, false, b"ab"),
        server_frame(CONTINUE, false, b"cd"),
        ping(),
        server_frame(CONTINUE, true, b""),
    ];
    connection.read(&frames.concat(), &tiny).expect("valid");
    assert_eq!(connection.events, [pinged(), Event::Skipped(b"abcd".to_vec())], "short as it is");
}

#[test]
fn the_start_of_a_skipped_message_does_not_wait_for_the_rest() {
    let mut connection = Connection::default();
    let frame = server_frame(TEXT, true, &vec![b'x'; 1 << 20]);
    connection.read(&frame[..4_105], &OF_SERVER).expect("valid");
    assert_eq!(connection.events, [], "one byte is missing");
    connection.read(&frame[4_105..4_106], &OF_SERVER).expect("valid");
    assert_eq!(connection.events, [start(&[b'x'; 4096])]);
    connection.read(&frame[4_106..], &OF_SERVER).expect("valid");
    assert_eq!(connection.events.len(), 1);
    // What is skipped is held to the rules of framing.
    let mut connection = Connection::default();
    let frames = [server_frame(TEXT, false, &[b'x'; 20_000]), server_frame(TEXT, true, b"y")].concat();
    assert_eq!(connection.read(&frames, &OF_SERVER).expect_err("no continuation").close_code().get(), 1002);
}

/// What a client may send, and what is to come of it.
fn random_life(random: &mut fastrand::Rng) -> (Vec<u8>, Vec<Event>) {
    let (mut bytes, mut events) = (Vec::new(), Vec::new());
    for _ in 0..random.usize(1..8) {
        let message: String = (0..random.usize(0..400)).map(|_| random.char(..)).collect();
        let mut rest = message.as_bytes();
        let mut opcode = TEXT;
        while random.u8(..) < 100 {
            let (now, later) = rest.split_at(random.usize(0..=rest.len()));
            bytes.extend(client_frame(opcode, false, random_mask(random), now));
            (rest, opcode) = (later, CONTINUE);
            random_control(random, &mut bytes, &mut events);
        }
        bytes.extend(client_frame(opcode, true, random_mask(random), rest));
        events.push(Event::Text(message));
        random_control(random, &mut bytes, &mut events);
    }
    (bytes, events)
}

fn random_control(random: &mut fastrand::Rng, bytes: &mut Vec<u8>, events: &mut Vec<Event>) {
    let payload: Vec<u8> = (0..random.usize(0..=125)).map(|_| random.u8(..)).collect();
    let (opcode, event) = match random.u8(0..6) {
        0 => (PING, Event::Ping(payload.clone())),
        1 => (PONG, Event::Pong(payload.clone())),
        _ => return,
    };
    bytes.extend(client_frame(opcode, true, random_mask(random), &payload));
    events.push(event);
}

fn random_mask(random: &mut fastrand::Rng) -> [u8; 4] {
    random.u32(..).to_ne_bytes()
}

/// Reads `bytes` in random pieces, most of them small.
fn read_in_pieces(
    random: &mut fastrand::Rng,
    mut bytes: &[u8],
    limits: &Limits,
) -> (Vec<Event>, Result<(), Violation>) {
    let mut connection = Connection::default();
    while !bytes.is_empty() {
        let most = if random.bool() { 9 } else { 2_000 };
        let (now, later) = bytes.split_at(random.usize(1..=most).min(bytes.len()));
        if let Err(violation) = connection.read(now, limits) {
            return (connection.events, Err(violation));
        }
        bytes = later;
    }
    (connection.events, Ok(()))
}

#[test]
fn every_way_of_cutting_a_life_into_reads_decodes_the_same() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (bytes, events) = random_life(&mut random);
        for _ in 0..3 {
            let found = read_in_pieces(&mut random, &bytes, &LIMITS);
            assert_eq!(found, (events.clone(), Ok(())), "seed {seed}");
        }
    }
}

#[test]
fn a_damaged_life_ends_the_same_way_however_it_is_cut() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut bytes, _) = random_life(&mut random);
        let at = random.usize(0..bytes.len());
        bytes[at] ^= 1 << random.u8(0..8);
        let limits = Limits { message_bytes_max: random.usize(0..2_000), peer: Peer::Client };
        let mut at_once = Connection::default();
        let end = at_once.read(&bytes, &limits);
        assert_eq!(read_in_pieces(&mut random, &bytes, &limits), (at_once.events, end), "seed {seed}");
    }
}

#[test]
fn noise_never_panics() {
    for seed in 0..3_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes: Vec<u8> = (0..random.usize(1..200)).map(|_| random.u8(..)).collect();
        // Mostly headers that get past the first checks.
        if random.u8(0..4) > 0 {
            bytes[0] &= 0x8f;
            if let Some(second) = bytes.get_mut(1) {
                *second |= 0x80;
            }
        }
        let limits = Limits { message_bytes_max: random.usize(0..300), peer: Peer::Client };
        let _ = read_in_pieces(&mut random, &bytes, &limits);
    }
}

/// A stream that plays back what was put in and keeps what is written.
#[derive(Default)]
struct Tape {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Tape {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer)
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_tungstenites_client_sends_decodes() {
    let mut client = WebSocket::from_raw_socket(Tape::default(), Role::Client, None);
    for message in ["", "one", &"two".repeat(30_000)[..70_000]] {
        client.send(Message::text(message)).expect("sent");
    }
    client.send(Message::Ping(vec![7; 125].into())).expect("sent");
    client.close(None).expect("sent");
    let events = decode(&client.get_ref().output).expect("valid");
    let [Event::Text(first), Event::Text(second), Event::Text(third), ping, close] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((first.as_str(), second.as_str(), third.len()), ("", "one", 70_000));
    assert_eq!((ping, close), (&Event::Ping(vec![7; 125]), &Event::Close(None, String::new())));
}

#[test]
fn what_we_write_tungstenites_client_reads() {
    let mut out = Vec::new();
    let long = "é".repeat(40_000);
    for message in ["", "short", &long[..126], &long] {
        let before = out.len();
        write_text(message, &mut out);
        assert_eq!(out.len() - before, text_header_len(message.len()) + message.len());
    }
    write_ping(b"p", &mut out);
    write_pong(&[1; 200], &mut out);
    write_close(Some(CloseCode::from(4409)), &"ü".repeat(100), &mut out);
    let tape = Tape { input: Cursor::new(out), output: Vec::new() };
    let mut client = WebSocket::from_raw_socket(tape, Role::Client, None);
    let mut next = || client.read().expect("valid");
    for message in ["", "short", &long[..126], &long] {
        assert_eq!(next(), Message::text(message));
    }
    assert_eq!(next(), Message::Ping(b"p".as_slice().into()));
    assert_eq!(next(), Message::Pong(vec![1; 125].into()), "cut to what a control frame holds");
    let Message::Close(Some(close)) = next() else { panic!("expected a close frame") };
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (4409, &*"ü".repeat(61)),
        "cut between characters"
    );
}

#[test]
fn a_close_frame_without_a_code_is_empty() {
    let mut out = Vec::new();
    write_close(None, "not sent", &mut out);
    assert_eq!(out, [0x88, 0]);
}
