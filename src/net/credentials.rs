//! Who one is to a server, where a URL says so before its host: `scheme://user:password@host`.
//!
//! One rule for all URLs: both parts are percent-decoded. A `%` that begins no escape stands for itself, so that a
//! password which nobody escaped still works.

use base64::prelude::{BASE64_STANDARD, Engine};
use http::{HeaderValue, Uri, uri::Authority};
use percent_encoding::percent_decode_str;

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
        let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
            .expect("base64 is a header value");
        value.set_sensitive(true);
        value
    }
}

/// Percent-decodes a part of a URL.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
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
}
