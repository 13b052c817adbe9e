//! Who asks: what of a client may reach subgraphs.
//!
//! An HTTP client brings its headers with each request. A WebSocket's are those of its upgrade, and what of
//! that request and of `connection_init` is let through travels in `extensions`, as `upgradeHeaders`,
//! `upgradeQueryParams` and `initialPayload`.

use crate::{
    graphql::{
        Request, Uploads, decode_query_part,
        json::{Document, json_string, write_string},
    },
    headers::{self, HeaderRules},
    plan::HeaderList,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};
use regex::Regex;
use std::sync::{Arc, LazyLock};

/// What WebSocket clients may send on to subgraphs.
#[derive(Clone, Debug)]
pub struct ForwardOptions {
    /// Headers of the upgrade request; `None`: none.
    pub upgrade_headers: Option<AllowList>,
    /// Parameters of the upgrade request's URL; `None`: none.
    pub upgrade_query_params: Option<AllowList>,
    /// The payload of `connection_init`.
    pub initial_payload: bool,
}

impl Default for ForwardOptions {
    fn default() -> Self {
        let authorization = AllowList { entries: vec![AllowEntry::Name("Authorization".into())] };
        Self {
            upgrade_headers: Some(authorization.clone()),
            upgrade_query_params: Some(authorization),
            initial_payload: true,
        }
    }
}

/// Names that may pass. Empty: all.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    pub entries: Vec<AllowEntry>,
}

/// A name, compared without regard to case, or a pattern for names.
#[derive(Clone, Debug)]
pub enum AllowEntry {
    Name(String),
    Pattern(Regex),
}

impl AllowList {
    fn allows(&self, name: &str) -> bool {
        let fits = |entry: &AllowEntry| match entry {
            AllowEntry::Name(it) => it.eq_ignore_ascii_case(name),
            AllowEntry::Pattern(it) => it.is_match(name),
        };
        self.entries.is_empty() || self.entries.iter().any(fits)
    }
}

/// A client, as far as subgraphs may get to know it.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    pub(super) headers: Arc<HeaderMap>,
    /// Members that its `extensions` get, a JSON object; empty when there are none.
    extensions: Bytes,
    /// The payload of its `connection_init`, a JSON object.
    pub(super) init_payload: Option<Bytes>,
    /// What names its request, or its upgrade.
    pub(super) trace: Option<HeaderList>,
    /// Files of its request.
    pub(super) files: Option<Arc<Uploads>>,
}

/// Headers of distributed tracing (W3C Trace Context), passed on as they are.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];
const REQUEST_ID: &str = "x-request-id";

impl Client {
    /// Of a request over HTTP.
    pub(super) fn of_request(headers: Arc<HeaderMap>, request_id: HeaderValue) -> Self {
        let id = (HeaderName::from_static(REQUEST_ID), request_id);
        let trace = Some(named(&headers, &TRACE).chain([id]).collect());
        Self { headers, trace, ..Self::default() }
    }

    /// Of a WebSocket, from the request that asked for it. Holds only what can be needed.
    pub(super) fn of_upgrade(head: &Parts, rules: &HeaderRules, options: &ForwardOptions) -> Self {
        let mut extensions = Members::default();
        if let Some(allowed) = &options.upgrade_headers {
            extensions.add("upgradeHeaders", &upgrade_headers(&head.headers, allowed));
        }
        if let (Some(allowed), Some(query)) = (&options.upgrade_query_params, head.uri.query()) {
            extensions.add("upgradeQueryParams", &query_params(query, allowed));
        }
        Self {
            headers: Arc::new(rules.relevant(&head.headers)),
            extensions: extensions.into_json(),
            init_payload: None,
            files: None,
            trace: trace_of(&head.headers),
        }
    }

    /// To be kept for as long as it stays. Clients that bring nothing, which are most, share one.
    pub(super) fn shared(self) -> Arc<Self> {
        static NOBODY: LazyLock<Arc<Client>> = LazyLock::new(Arc::default);
        let brings_nothing = self.headers.is_empty() && self.extensions.is_empty() && self.trace.is_none();
        if brings_nothing { NOBODY.clone() } else { Arc::new(self) }
    }

    /// The same client after `connection_init`.
    pub(super) fn with_init_payload(&self, payload: &str) -> Self {
        let mut extensions = Members::default();
        extensions.add("initialPayload", payload.as_bytes());
        extensions.add_all(&self.extensions, &[]);
        Self {
            headers: self.headers.clone(),
            extensions: extensions.into_json(),
            init_payload: Some(Bytes::copy_from_slice(payload.as_bytes())),
            trace: self.trace.clone(),
            files: None,
        }
    }

    /// The same client with the files of one request.
    pub(super) fn with_files(self, files: Option<Arc<Uploads>>) -> Self {
        Self { files, ..self }
    }

    /// The `extensions` that go to subgraphs with a request of this client; empty when there are none.
    pub(super) fn extensions(&self, request: &Request) -> Bytes {
        // How a client names its operation to the router is between the two of them.
        const OWN: &str = "persistedQuery";
        if self.extensions.is_empty() && request.extensions.len() <= b"{}".len() {
            return Bytes::new();
        }
        let mut members = Members::default();
        members
            .add_all(&request.extensions, &[OWN, "initialPayload", "upgradeHeaders", "upgradeQueryParams"]);
        members.add_all(&self.extensions, &[]);
        members.into_json()
    }
}

/// What an upgrade says of its id and trace; most say nothing.
fn trace_of(headers: &HeaderMap) -> Option<HeaderList> {
    let list: HeaderList = named(headers, &[TRACE[0], TRACE[1], REQUEST_ID]).collect();
    (!list.is_empty()).then_some(list)
}

fn named<'h>(
    headers: &'h HeaderMap,
    names: &'h [&'static str],
) -> impl Iterator<Item = (HeaderName, HeaderValue)> + 'h {
    names.iter().filter_map(|it| Some((HeaderName::from_static(it), headers.get(*it)?.clone())))
}

/// A JSON object that is being written.
#[derive(Default)]
struct Members(Vec<u8>);

impl Members {
    /// Adds a member, unless it is an empty object.
    fn add(&mut self, name: &str, json: &[u8]) {
        if json == b"{}" {
            return;
        }
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        write_string(name, &mut self.0);
        self.0.push(b':');
        self.0.extend_from_slice(json);
    }

    /// Adds the members of an object, all but those.
    fn add_all(&mut self, object: &Bytes, except: &[&str]) {
        let mut document = Document::new();
        let Ok(root) = document.parse(object.clone()) else { return };
        for (name, value) in document.entries(root) {
            if !except.contains(&name) {
                let mut json = Vec::new();
                document.write(value, &mut json);
                self.add(name, &json);
            }
        }
    }

    /// Empty when nothing was added.
    fn into_json(mut self) -> Bytes {
        if !self.0.is_empty() {
            self.0.push(b'}');
        }
        self.0.into()
    }
}

/// Each header's first value, by the name as people spell it.
fn upgrade_headers(headers: &HeaderMap, allowed: &AllowList) -> Vec<u8> {
    let names = headers.keys().filter(|it| !headers::is_private(it) && allowed.allows(it.as_str()));
    let mut json = Members::default();
    for name in names {
        let value = headers.get(name).and_then(|it| it.to_str().ok());
        json.add(&headers::canonical(name), &json_string(value.unwrap_or_default()));
    }
    or_empty(json)
}

fn query_params(query: &str, allowed: &AllowList) -> Vec<u8> {
    let mut json = Members::default();
    let mut seen = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Ok(name), Ok(value)) = (decode_query_part(name), decode_query_part(value)) else { continue };
        if !name.is_empty() && allowed.allows(&name) && !seen.contains(&name) {
            json.add(&name, &json_string(&value));
            seen.push(name);
        }
    }
    or_empty(json)
}

fn or_empty(members: Members) -> Vec<u8> {
    let json = members.into_json();
    if json.is_empty() { b"{}".to_vec() } else { json.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::{Matcher, Options, RequestRule, Rules};

    fn upgrade(query: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(format!("/graphql{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn extensions(client: &Client, of_request: &'static str) -> String {
        let request = Request {
            query: "{a}".into(),
            operation_name: None,
            variables: Bytes::from_static(b"{}"),
            extensions: Bytes::from_static(of_request.as_bytes()),
        };
        String::from_utf8(client.extensions(&request).to_vec()).expect("UTF-8")
    }

    fn list(entries: Vec<AllowEntry>) -> Option<AllowList> {
        Some(AllowList { entries })
    }

    #[test]
    fn extensions_of_a_request_pass_without_what_is_the_routers() {
        let client = Client::default();
        assert_eq!(extensions(&client, "{}"), "");
        assert_eq!(extensions(&client, r#"{"persistedQuery":{"version":1}}"#), "");
        assert_eq!(
            extensions(&client, r#"{"a":{"b":1.50},"persistedQuery":{},"c":null}"#),
            r#"{"a":{"b":1.50},"c":null}"#
        );
    }

    #[test]
    fn an_upgrade_shows_what_is_allowed() {
        let head = upgrade(
            "?token=t%20t&Authorization=q&x=1",
            &[("authorization", "me"), ("x-a", "1"), ("upgrade", "websocket")],
        );
        let of = |options: &ForwardOptions| {
            extensions(&Client::of_upgrade(&head, &HeaderRules::default(), options), "{}")
        };
        assert_eq!(
            of(&ForwardOptions::default()),
            r#"{"upgradeHeaders":{"Authorization":"me"},"upgradeQueryParams":{"Authorization":"q"}}"#
        );
        let everything = ForwardOptions {
            upgrade_headers: list(vec![]),
            upgrade_query_params: list(vec![]),
            initial_payload: true,
        };
        assert_eq!(
            of(&everything),
            r#"{"upgradeHeaders":{"Authorization":"me","X-A":"1"},"upgradeQueryParams":{"token":"t t","Authorization":"q","x":"1"}}"#
        );
        let pattern = AllowEntry::Pattern(Regex::new("(?i)^x-").expect("a regex"));
        let some = ForwardOptions {
            upgrade_headers: list(vec![pattern]),
            upgrade_query_params: None,
            initial_payload: true,
        };
        assert_eq!(of(&some), r#"{"upgradeHeaders":{"X-A":"1"}}"#);
        let none =
            ForwardOptions { upgrade_headers: None, upgrade_query_params: None, initial_payload: true };
        assert_eq!(of(&none), "");
    }

    #[test]
    fn the_init_payload_joins_the_extensions_and_cannot_be_faked() {
        let client = Client::default().with_init_payload(r#"{"token":"t"}"#);
        assert_eq!(client.init_payload.as_deref(), Some(&br#"{"token":"t"}"#[..]));
        assert_eq!(
            extensions(&client, r#"{"own":1,"initialPayload":{"token":"faked"},"upgradeHeaders":{}}"#),
            r#"{"own":1,"initialPayload":{"token":"t"}}"#
        );
    }

    #[test]
    fn only_headers_that_rules_look_at_are_kept() {
        let matcher = Matcher::Named("x-a".parse().expect("a name"));
        let rule = RequestRule::Propagate { matcher, rename: None, default: None };
        let all = Rules { request: vec![rule], response: vec![] };
        let rules = HeaderRules::new(&Options { all, ..Options::default() }, ["a"]);
        let head = upgrade("", &[("x-a", "1"), ("x-b", "2")]);
        let client = Client::of_upgrade(&head, &rules, &ForwardOptions::default());
        assert_eq!(client.headers.keys().map(|it| it.as_str()).collect::<Vec<_>>(), ["x-a"]);
    }
}
