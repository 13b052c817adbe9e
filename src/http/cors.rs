//! Cross-origin requests: which pages of other origins may talk to the GraphQL path.
//!
//! A page whose origin is not allowed is refused outright, WebSockets included: browsers let any page
//! open those, and send cookies along.

use super::{
    proxies::Caller,
    routes::{Reply, text},
};
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST,
        HeaderValue, ORIGIN, VARY,
    },
};
use std::time::Duration;

/// Who may ask from other origins, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// `https://app.example`; a `*` within stands for any characters, `*` alone for every origin.
    pub allow_origins: Vec<String>,
    pub allow_methods: Vec<String>,
    /// Request headers beyond those that browsers send anyway.
    pub allow_headers: Vec<String>,
    /// Lets cookies through. Has no effect together with the origin `*`: that would open every session
    /// to every page.
    pub allow_credentials: bool,
    /// How long browsers may remember the answer to a preflight.
    pub max_age: Duration,
}

impl Default for Cors {
    fn default() -> Self {
        let list = |items: &[&str]| items.iter().map(|it| (*it).to_owned()).collect();
        Self {
            allow_origins: list(&["*"]),
            allow_methods: list(&["HEAD", "GET", "POST"]),
            allow_headers: list(&["Origin", "Content-Length", "Content-Type"]),
            allow_credentials: false,
            max_age: Duration::from_secs(300),
        }
    }
}

/// What to do with a request.
pub(super) enum Verdict {
    /// Answer it, and add these headers.
    Go(HeaderMap),
    /// It is settled already: a preflight, or a page that is not allowed.
    Answered(Box<Reply>),
}

impl Cors {
    pub(super) fn judge(&self, method: &Method, headers: &HeaderMap, caller: &Caller) -> Verdict {
        let Some(origin) = headers.get(ORIGIN) else { return Verdict::Go(HeaderMap::new()) };
        if is_same_origin(origin, headers, caller) {
            return Verdict::Go(HeaderMap::new());
        }
        let Some(mut granted) = self.grant(origin) else {
            let message = "Pages of this origin may not use this router.\n";
            let reply = text(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", message);
            return Verdict::Answered(Box::new(reply));
        };
        if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return Verdict::Go(granted);
        }
        self.describe(&mut granted);
        let mut reply = Reply::default();
        *reply.status_mut() = StatusCode::NO_CONTENT;
        *reply.headers_mut() = granted;
        Verdict::Answered(Box::new(reply))
    }

    /// The headers that let a page of this origin read the answer; `None` when it may not.
    fn grant(&self, origin: &HeaderValue) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        if self.allow_origins.iter().any(|it| it == "*") {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return Some(headers);
        }
        let text = origin.to_str().ok()?;
        self.allow_origins.iter().find(|it| matches_pattern(it, text))?;
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if self.allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        Some(headers)
    }

    /// Adds what a preflight asks for.
    fn describe(&self, headers: &mut HeaderMap) {
        let lists = [
            (ACCESS_CONTROL_ALLOW_METHODS, &self.allow_methods),
            (ACCESS_CONTROL_ALLOW_HEADERS, &self.allow_headers),
        ];
        for (name, list) in lists {
            // A list that is no header value grants nothing.
            if let Ok(value) = HeaderValue::from_str(&list.join(", ")) {
                headers.insert(name, value);
            }
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age.as_secs()));
    }
}

/// Whether a page came from where it asks. Browsers send `Origin` with their own POSTs too. Behind a proxy of which
/// nothing is known, the page may have come by either scheme.
fn is_same_origin(origin: &HeaderValue, headers: &HeaderMap, caller: &Caller) -> bool {
    let Some(host) = caller.host.as_ref().or_else(|| headers.get(HOST)) else { return false };
    let is_of = |scheme: &str| {
        let rest = origin.as_bytes().strip_prefix(scheme.as_bytes());
        rest.and_then(|it| it.strip_prefix(b"://")) == Some(host.as_bytes())
    };
    match caller.scheme {
        Some(scheme) => is_of(scheme),
        None => is_of("http") || is_of("https"),
    }
}

/// `*` in the pattern stands for any characters.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_whole_origins() {
        for (pattern, text, wanted) in [
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://a.example.evil", false),
            ("https://*.example", "https://a.b.example", true),
            ("https://*.example", "https://example", false),
            ("https://*.example", "http://a.example", false),
            ("https://*-app.*.dev", "https://x-app.y.dev", true),
            ("https://*-app.*.dev", "https://x-app.dev", false),
            ("ab*ba", "aba", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), wanted, "{pattern} {text}");
        }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("name"), HeaderValue::from_static(value)))
            .collect()
    }

    fn caller(scheme: Option<&'static str>, host: Option<&'static str>) -> Caller {
        let host = host.map(HeaderValue::from_static);
        Caller { address: std::net::Ipv4Addr::LOCALHOST.into(), scheme, host }
    }

    fn granted(cors: &Cors, origin: &'static str) -> Option<String> {
        let headers = headers(&[("origin", origin), ("host", "router:3002")]);
        match cors.judge(&Method::POST, &headers, &caller(None, None)) {
            Verdict::Go(it) => Some(format!(
                "{:?} {:?}",
                it.get("access-control-allow-origin"),
                it.get("access-control-allow-credentials")
            )),
            Verdict::Answered(reply) => {
                assert_eq!(reply.status(), 403);
                None
            }
        }
    }

    #[test]
    fn credentials_go_to_named_origins_only() {
        let mut cors = Cors { allow_credentials: true, ..Cors::default() };
        assert_eq!(granted(&cors, "https://any"), Some("Some(\"*\") None".into()));
        cors.allow_origins = vec!["https://app".into()];
        assert_eq!(granted(&cors, "https://app"), Some("Some(\"https://app\") Some(\"true\")".into()));
        assert_eq!(granted(&cors, "https://other"), None);
        assert_eq!(granted(&cors, "null"), None);
        assert_eq!(granted(&cors, "http://router:3002"), Some("None None".into()));
    }

    #[test]
    fn a_page_of_our_own_is_one_of_the_host_that_its_browser_sees() {
        for (origin, scheme, host, wanted) in [
            ("http://router:3002", None, None, true),
            ("https://router:3002", None, None, true),
            ("https://router:3002", Some("https"), None, true),
            ("http://router:3002", Some("https"), None, false),
            ("https://api.example", Some("https"), Some("api.example"), true),
            ("https://api.example", None, Some("api.example"), true),
            ("https://router:3002", Some("https"), Some("api.example"), false),
            ("https://api.example.evil", None, Some("api.example"), false),
            ("ftp://router:3002", None, None, false),
            ("null", None, None, false),
        ] {
            let headers = headers(&[("host", "router:3002")]);
            let is_same = is_same_origin(&HeaderValue::from_static(origin), &headers, &caller(scheme, host));
            assert_eq!(is_same, wanted, "{origin} {scheme:?} {host:?}");
        }
    }
}
