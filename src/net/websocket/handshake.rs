//! The server's half of the opening handshake (RFC 6455, section 4.2): a function of the request head.
//!
//! Who may connect (origin, authentication, limits) is decided before this is asked.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{
        ALLOW, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use tungstenite::handshake::derive_accept_key;

/// What a 101 response says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The value of `Sec-WebSocket-Accept`.
    pub key: String,
    /// The chosen subprotocol, if the client offered one we speak. Without one the connection opens all
    /// the same: only a close frame can tell a WebSocket client what it should have offered.
    pub protocol: Option<&'static str>,
}

/// Why there is no upgrade, as an HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 405 or 426.
    pub status: StatusCode,
    /// What the status obliges to say, and nothing else.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For the response's body.
    pub reason: &'static str,
}

/// Decides about an upgrade. `protocols` are the subprotocols we speak; the client lists its own in the
/// order of its preference (section 4.1), which decides.
pub fn accept(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
    protocols: &[&'static str],
) -> Result<Accept, Refusal> {
    if method != Method::GET {
        return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "WebSocket requests use GET")
            .with(ALLOW, HeaderValue::from_static("GET")));
    }
    if version != Version::HTTP_11 {
        return Err(refuse(StatusCode::BAD_REQUEST, "WebSocket upgrades need HTTP/1.1"));
    }
    if !lists(headers, UPGRADE, "websocket") {
        return Err(upgrade_required("expected the header Upgrade: websocket"));
    }
    if !lists(headers, CONNECTION, "upgrade") {
        return Err(refuse(StatusCode::BAD_REQUEST, "expected the header Connection: Upgrade"));
    }
    if only(headers, SEC_WEBSOCKET_VERSION).is_none_or(|it| it.as_bytes() != b"13") {
        return Err(upgrade_required("expected WebSocket version 13")
            .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
    }
    let key = only(headers, SEC_WEBSOCKET_KEY)
        .filter(|it| is_key(it.as_bytes()))
        .ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "expected 16 bytes in base64 as Sec-WebSocket-Key"))?;
    Ok(Accept { key: derive_accept_key(key.as_bytes()), protocol: choose(headers, protocols) })
}

impl Accept {
    /// The headers of the 101 response.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        let key = HeaderValue::from_str(&self.key).expect("base64 is a header value");
        headers.insert(SEC_WEBSOCKET_ACCEPT, key);
        if let Some(protocol) = self.protocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        headers
    }

    /// Appends the whole 101 response, for whoever writes HTTP/1.1 by hand.
    pub fn write_response(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        out.extend_from_slice(self.key.as_bytes());
        if let Some(protocol) = self.protocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(protocol.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

impl Refusal {
    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

fn refuse(status: StatusCode, reason: &'static str) -> Refusal {
    Refusal { status, headers: Vec::new(), reason }
}

fn upgrade_required(reason: &'static str) -> Refusal {
    refuse(StatusCode::UPGRADE_REQUIRED, reason)
        .with(UPGRADE, HeaderValue::from_static("websocket"))
        .with(CONNECTION, HeaderValue::from_static("Upgrade"))
}

/// The first of the client's that we speak. Names of subprotocols are case-sensitive.
fn choose(headers: &HeaderMap, protocols: &[&'static str]) -> Option<&'static str> {
    let mut offered = items(headers, SEC_WEBSOCKET_PROTOCOL);
    offered.find_map(|it| protocols.iter().copied().find(|ours| it == *ours))
}

fn lists(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    items(headers, name).any(|it| it.eq_ignore_ascii_case(token))
}

/// The items of a header that is a comma-separated list, over all its lines.
fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .map(str::trim)
}

/// A header that must come exactly once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether this is the base64 form of 16 bytes.
fn is_key(key: &[u8]) -> bool {
    let [digits @ .., b'=', b'='] = key else { return false };
    digits.len() == 22 && digits.iter().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &[&str] = &["graphql-transport-ws", "graphql-ws"];

    /// The example of RFC 6455, section 1.3, as a browser writes it.
    const EXAMPLE: &str = "Upgrade: websocket
        Connection: Upgrade
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
        Sec-WebSocket-Version: 13";

    fn headers(text: &str) -> HeaderMap {
        let lines = text.lines().map(|line| line.trim().split_once(": ").expect("name: value"));
        lines
            .map(|(name, value)| {
                (name.parse::<HeaderName>().expect("name"), HeaderValue::from_str(value).expect("value"))
            })
            .collect()
    }

    fn check(text: &str) -> Result<Accept, Refusal> {
        accept(&Method::GET, Version::HTTP_11, &headers(text), OURS)
    }

    fn status(text: &str) -> u16 {
        check(text).expect_err("refused").status.as_u16()
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let accepted = check(EXAMPLE).expect("accepted");
        assert_eq!(
            accepted,
            Accept { key: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned(), protocol: None },
            "no subprotocol is no refusal"
        );
        assert!(!accepted.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn lists_and_case_do_not_matter_where_http_says_so() {
        let accepted = check(
            "upgrade: h2c, WebSocket
            connection: keep-alive
            connection: x,  UPGRADE
            sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==
            sec-websocket-version: 13",
        );
        assert!(accepted.is_ok(), "{accepted:?}");
    }

    #[test]
    fn the_clients_preference_decides_among_its_subprotocols() {
        for (offer, chosen) in [
            ("Sec-WebSocket-Protocol: graphql-ws, graphql-transport-ws", Some("graphql-ws")),
            ("Sec-WebSocket-Protocol: graphql-transport-ws, graphql-ws", Some("graphql-transport-ws")),
            (
                "Sec-WebSocket-Protocol: graphql-transport-ws\nSec-WebSocket-Protocol: graphql-ws",
                Some("graphql-transport-ws"),
            ),
            ("Sec-WebSocket-Protocol: soap\nSec-WebSocket-Protocol: graphql-ws", Some("graphql-ws")),
            ("Sec-WebSocket-Protocol: GraphQL-WS", None),
            ("Sec-WebSocket-Protocol: graphql-ws2", None),
        ] {
            let accepted = check(&format!("{EXAMPLE}\n{offer}")).expect("accepted");
            assert_eq!(accepted.protocol, chosen, "{offer}");
            let sent = accepted.headers().get(SEC_WEBSOCKET_PROTOCOL).cloned();
            assert_eq!(sent, chosen.map(HeaderValue::from_static), "{offer}");
        }
    }

    #[test]
    fn only_get_over_http_1_1_can_upgrade() {
        let refusal = accept(&Method::POST, Version::HTTP_11, &headers(EXAMPLE), OURS).expect_err("POST");
        assert_eq!(refusal.status, 405);
        assert_eq!(refusal.headers, [(ALLOW, HeaderValue::from_static("GET"))]);
        for version in [Version::HTTP_10, Version::HTTP_2] {
            let refusal = accept(&Method::GET, version, &headers(EXAMPLE), OURS).expect_err("version");
            assert_eq!(refusal.status, 400);
        }
    }

    #[test]
    fn requests_without_an_upgrade_are_told_what_is_required() {
        let refusal = check("Host: localhost").expect_err("no upgrade");
        assert_eq!(refusal.status, 426);
        assert!(refusal.headers.contains(&(UPGRADE, HeaderValue::from_static("websocket"))));
        assert_eq!(status(&EXAMPLE.replace("Connection: Upgrade", "Connection: close")), 400);
    }

    #[test]
    fn other_versions_are_told_ours() {
        for version in ["Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 13\nSec-WebSocket-Version: 13"] {
            let refusal = check(&EXAMPLE.replace("Sec-WebSocket-Version: 13", version)).expect_err("version");
            assert_eq!(refusal.status, 426);
            assert!(refusal.headers.contains(&(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))));
        }
    }

    #[test]
    fn keys_are_sixteen_bytes_in_base64_and_come_once() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        for bad in [
            "short==",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25j*Q==",
            "dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ] {
            assert_eq!(status(&EXAMPLE.replace(key, bad)), 400, "{bad}");
        }
        assert_eq!(status(&EXAMPLE.replace("Sec-WebSocket-Key", "X-Key")), 400);
    }

    #[test]
    fn the_response_by_hand_says_what_the_headers_say() {
        let accepted = check(&format!("{EXAMPLE}\nSec-WebSocket-Protocol: graphql-ws")).expect("accepted");
        let mut out = Vec::new();
        accepted.write_response(&mut out);
        let response = String::from_utf8(out).expect("ASCII");
        let (status, rest) = response.split_once("\r\n").expect("status line");
        assert_eq!(status, "HTTP/1.1 101 Switching Protocols");
        let fields = rest.strip_suffix("\r\n\r\n").expect("end of the head").replace("\r\n", "\n");
        assert_eq!(headers(&fields), accepted.headers());
    }
}
