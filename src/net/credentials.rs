//! Who one is to a server, where a URL says so before its host: `scheme://user:password@host`.
//!
//! One rule for all URLs: both parts are percent-decoded. A `%` that begins no escape stands for itself, so that a
//! password which nobody escaped still works.

use http::{HeaderValue, Uri, uri::Authority};

/// What stands before a URL's host, decoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: Option<String>,
}

impl Credentials {
    /// As a URL holds them: `user` or `user:password`.
    pub fn parse(text: &str) -> Self {
        let (user, password) = match text.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (text, None),
        };
        Self { user: decode(user), password: password.map(decode) }
    }

    /// Takes them out of a URI: what is sent to the server and named in messages is the rest.
    pub fn split(uri: &Uri) -> (Uri, Option<Self>) {
        let authority = uri.authority().map_or("", Authority::as_str);
        let Some((credentials, host)) = authority.rsplit_once('@') else { return (uri.clone(), None) };
        let mut parts = uri.clone().into_parts();
        parts.authority = host.parse().ok();
        (Uri::from_parts(parts).unwrap_or_default(), Some(Self::parse(credentials)))
    }

    /// The value of an `Authorization` header (RFC 7617).
    pub fn basic(&self) -> HeaderValue {
        let pair = format!("{}:{}", self.user, self.password.as_deref().unwrap_or_default());
        let mut value = HeaderValue::from_str(&format!("Basic {}", base64(pair.as_bytes())))
            .expect("base64 is a header value");
        value.set_sensitive(true);
        value
    }
}

/// Percent-decodes a part of a URL.
fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%').then(|| after.first_chunk().and_then(hexadecimal)).flatten();
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
}

fn hexadecimal(digits: &[u8; 2]) -> Option<u8> {
    let digit = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
    Some(digit(digits[0])? << 4 | digit(digits[1])?)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_decoded() {
        for (text, user, password) in [
            ("u", "u", None),
            ("u:", "u", Some("")),
            ("a%40b:p%3Aq%2f%25", "a@b", Some("p:q/%")),
            ("u:a:b", "u", Some("a:b")),
            ("u:100%", "u", Some("100%")),
            ("u:%zz%4", "u", Some("%zz%4")),
            ("u:%c3%A4+ä", "u", Some("ä+ä")),
            ("u:%ff", "u", Some("\u{fffd}")),
        ] {
            let read = Credentials::parse(text);
            assert_eq!((&*read.user, read.password.as_deref()), (user, password), "{text}");
        }
    }

    #[test]
    fn a_uri_is_divided() {
        let split = |text: &str| Credentials::split(&text.parse().expect("a URI"));
        let (uri, credentials) = split("http://u%40x:p@h:1/path?q");
        assert_eq!(uri, "http://h:1/path?q");
        assert_eq!(credentials.expect("credentials").basic(), "Basic dUB4OnA=");
        let (uri, credentials) = split("http://h/");
        assert!(uri == "http://h/" && credentials.is_none());
    }

    #[test]
    fn base64_of_each_length() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
