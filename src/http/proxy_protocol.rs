//! The PROXY protocol, versions 1 and 2: what a proxy that passes bytes on says of a client, in front of them.
//!
//! Only the client's address is of use. A header that says nothing of it (the proxy's own health checks, families
//! that are no TCP) leaves the peer what it is; one that is not to the letter ends the connection, since nobody
//! knows where the client's bytes begin then. Whether the peer may say so at all is for the caller to look at.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How version 2 begins. Longer than what every header of version 1 begins with, and shorter than the shortest.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a line of version 1, its end included.
const LINE_BYTES_MAX: usize = 107;
/// Bytes of addresses and whatever else a header of version 2 brings; far more than any proxy sends.
const BODY_BYTES_MAX: usize = 4096;

/// Reads a header to its last byte and no further; the client's address if it says one.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        let mut rest = [0; 4];
        stream.read_exact(&mut rest).await?;
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if length > BODY_BYTES_MAX {
            return Err(malformed());
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        return client_of_block(rest[0], rest[1], &body).ok_or_else(malformed);
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_BYTES_MAX || !line.starts_with(b"PROXY ") {
            return Err(malformed());
        }
        // Byte by byte: what follows is not ours to take.
        line.push(stream.read_u8().await?);
    }
    client_of_line(&line).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "no header of the PROXY protocol")
}

/// What a line of version 1 says; `None` when it is none.
#[expect(clippy::option_option, reason = "no header, nothing said, an address")]
fn client_of_line(line: &[u8]) -> Option<Option<IpAddr>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Some(None),
        ["PROXY", family, source, destination, source_port, destination_port] => {
            let is_port = |it: &str| it.bytes().all(|it| it.is_ascii_digit()) && it.parse::<u16>().is_ok();
            let address = |it: &str| match family {
                "TCP4" => it.parse::<Ipv4Addr>().ok().map(IpAddr::from),
                "TCP6" => it.parse::<Ipv6Addr>().ok().map(IpAddr::from),
                _ => None,
            };
            let is_sound = is_port(source_port) && is_port(destination_port);
            address(destination)?;
            Some(Some(address(source).filter(|_| is_sound)?))
        }
        _ => None,
    }
}

/// What a header of version 2 says; `None` when it is none. Behind the addresses it may bring more, which is passed
/// over.
#[expect(clippy::option_option, reason = "no header, nothing said, an address")]
fn client_of_block(version_and_command: u8, family: u8, body: &[u8]) -> Option<Option<IpAddr>> {
    match (version_and_command, family) {
        // Made by the proxy itself.
        (0x20, _) => Some(None),
        // TCP over IPv4 and IPv6: source, destination, and both ports.
        (0x21, 0x11) if body.len() >= 12 => Some(Some(Ipv4Addr::from(*body.first_chunk::<4>()?).into())),
        (0x21, 0x21) if body.len() >= 36 => Some(Some(Ipv6Addr::from(*body.first_chunk::<16>()?).into())),
        (0x21, 0x11 | 0x21) => None,
        (0x21, _) => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a header says, and what is left behind it.
    fn take(bytes: &[u8]) -> Option<(Option<IpAddr>, Vec<u8>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut rest = bytes;
        let client = runtime.block_on(read(&mut rest)).ok()?;
        Some((client, rest.to_vec()))
    }

    fn said(address: &str) -> Option<(Option<IpAddr>, Vec<u8>)> {
        Some((Some(address.parse().expect("an address")), b"GET".to_vec()))
    }

    const NOTHING: Option<(Option<IpAddr>, Vec<u8>)> = None;

    #[test]
    fn lines() {
        let nobody = Some((None, b"GET".to_vec()));
        let longest = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                       ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\nGET";
        let longest_unknown = format!("PROXY UNKNOWN {}\r\nGET", "x".repeat(LINE_BYTES_MAX - 16));
        let too_long = format!("PROXY UNKNOWN {}\r\nGET", "x".repeat(LINE_BYTES_MAX - 15));
        for (line, wanted) in [
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\r\nGET", said("1.2.3.4")),
            ("PROXY TCP6 2001:db8::1 ::1 1000 443\r\nGET", said("2001:db8::1")),
            (longest, said("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")),
            ("PROXY UNKNOWN\r\nGET", nobody.clone()),
            ("PROXY UNKNOWN whatever 1 2\r\nGET", nobody.clone()),
            (&longest_unknown, nobody),
            (&too_long, NOTHING),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1000 443\nGET", NOTHING),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1000\r\nGET", NOTHING),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1000 443 1\r\nGET", NOTHING),
            ("PROXY TCP4 1.2.3.4  5.6.7.8 1000 443\r\nGET", NOTHING),
            ("PROXY TCP4 ::1 5.6.7.8 1000 443\r\nGET", NOTHING),
            ("PROXY TCP6 1.2.3.4 ::1 1000 443\r\nGET", NOTHING),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 +100 443\r\nGET", NOTHING),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 65536 443\r\nGET", NOTHING),
            ("PROXY TCP5 1.2.3.4 5.6.7.8 1000 443\r\nGET", NOTHING),
            ("proxy TCP4 1.2.3.4 5.6.7.8 1000 443\r\nGET", NOTHING),
            ("PROXY \r\nGET /", NOTHING),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", NOTHING),
            ("PROXY TCP4 1.2.3.4", NOTHING),
            ("", NOTHING),
        ] {
            assert_eq!(take(line.as_bytes()), wanted, "{line}");
        }
    }

    fn block(version_and_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("short");
        let parts = [&SIGNATURE[..], &[version_and_command, family], &length.to_be_bytes(), body, b"GET"];
        parts.concat()
    }

    #[test]
    fn blocks() {
        let nobody = Some((None, b"GET".to_vec()));
        let four = [1, 2, 3, 4, 5, 6, 7, 8, 3, 232, 1, 187];
        let mut six = [0; 36];
        (six[0], six[1], six[15]) = (0x20, 0x01, 1);
        for (bytes, wanted) in [
            (block(0x21, 0x11, &four), said("1.2.3.4")),
            (block(0x21, 0x11, &[&four[..], &[4, 0, 1, 0]].concat()), said("1.2.3.4")),
            (block(0x21, 0x21, &six), said("2001::1")),
            (block(0x20, 0x00, &[]), nobody.clone()),
            (block(0x20, 0x11, &four), nobody.clone()),
            (block(0x21, 0x00, &[]), nobody.clone()),
            (block(0x21, 0x12, &four), nobody.clone()),
            (block(0x21, 0x31, &[0; 216]), nobody.clone()),
            (block(0x20, 0x00, &[0; BODY_BYTES_MAX]), nobody),
            (block(0x20, 0x00, &[0; BODY_BYTES_MAX + 1]), NOTHING),
            (block(0x21, 0x11, &four[..11]), NOTHING),
            (block(0x21, 0x21, &six[..35]), NOTHING),
            (block(0x22, 0x11, &four), NOTHING),
            (block(0x11, 0x11, &four), NOTHING),
            (SIGNATURE.to_vec(), NOTHING),
        ] {
            assert_eq!(take(&bytes), wanted, "{bytes:?}");
        }
        let whole = block(0x21, 0x11, &four);
        for length in 0..whole.len() - 3 {
            assert_eq!(take(&whole[..length]), NOTHING, "{length} bytes");
        }
    }
}
