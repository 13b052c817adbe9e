//! A GraphQL request as clients send it: over HTTP POST, in a GET query string, in a WebSocket message.
//!
//! Takes the envelope apart and checks the types of its members. The operation's text is not looked at
//! and variables stay JSON: their types are `coercion`'s work.

use super::{
    Error, decode_query_part,
    json::{Document, Kind, NodeId, ParseError},
};
use bytes::Bytes;
use std::borrow::Cow;

/// The code of a request whose envelope cannot be read.
pub const BAD_REQUEST: &str = "BAD_REQUEST";
/// The code of a request that names its operation instead of bringing it. Clients that see it send the text from
/// then on.
pub const PERSISTED_QUERY_NOT_SUPPORTED: &str = "PERSISTED_QUERY_NOT_SUPPORTED";

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub query: String,
    pub operation_name: Option<String>,
    /// A JSON object; `{}` when the client gave none.
    pub variables: Bytes,
    /// A JSON object; `{}` when the client gave none.
    pub extensions: Bytes,
}

impl Request {
    /// Reads a request from a JSON text, the body of a POST. `document` is scratch space: what it held
    /// is forgotten.
    pub fn parse(body: Bytes, document: &mut Document) -> Result<Self, Error> {
        let root = Self::parse_json(body, document)?;
        Self::from_node(document, root)
    }

    /// Reads a body as JSON, whatever that holds. `document` forgets what it held.
    pub fn parse_json(body: Bytes, document: &mut Document) -> Result<NodeId, Error> {
        document.clear();
        document.parse(body).map_err(|error| invalid_json("The request body", &error))
    }

    /// Reads a request from a JSON value, for instance the `payload` of a `subscribe` message.
    ///
    /// Members that no specification names are ignored.
    pub fn from_node(document: &Document, root: NodeId) -> Result<Self, Error> {
        match document.kind(root) {
            Kind::Object => {}
            Kind::Array => return Err(bad_request("Batches of requests are not supported.")),
            other => return Err(wrong_type("The request", "an object", other)),
        }
        let text = string_member(document, root, "query")?;
        let operation_name = string_member(document, root, "operationName")?;
        let variables = object_member(document, root, "variables")?;
        Self::new(text, operation_name, variables, object_member(document, root, "extensions")?)
    }

    /// Puts a request together; `variables` and `extensions` are JSON objects.
    pub fn new(
        query: Option<String>,
        operation_name: Option<String>,
        variables: Bytes,
        extensions: Bytes,
    ) -> Result<Self, Error> {
        match query {
            Some(query) if !query.trim().is_empty() => {
                Ok(Self { query, operation_name, variables, extensions })
            }
            _ if names_persisted_query(&extensions) => Err(persisted_query_not_supported()),
            Some(_) => Err(bad_request("`query` must not be empty.")),
            None => Err(bad_request("Must provide `query`, the text of an operation.")),
        }
    }

    /// Reads a request from a URL's query string (without the `?`). `document` is scratch space.
    ///
    /// Where a parameter repeats the last one counts, as with names in JSON.
    pub fn from_query(parameters: &str, document: &mut Document) -> Result<Self, Error> {
        let (mut query_text, mut operation_name) = (None, None);
        let (mut variables, mut extensions) = (EMPTY_OBJECT, EMPTY_OBJECT);
        for pair in parameters.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match &*query_part(name)? {
                "query" => query_text = Some(query_part(value)?.into_owned()),
                "operationName" => operation_name = Some(query_part(value)?.into_owned()),
                "variables" => variables = object_parameter("variables", &query_part(value)?, document)?,
                "extensions" => extensions = object_parameter("extensions", &query_part(value)?, document)?,
                _ => {}
            }
        }
        let operation_name = operation_name.filter(|it| !it.is_empty());
        Self::new(query_text, operation_name, variables, extensions)
    }
}

const EMPTY_OBJECT: Bytes = Bytes::from_static(b"{}");

/// Whether a request without a text says which one it means.
fn names_persisted_query(extensions: &Bytes) -> bool {
    let mut document = Document::new();
    let root = document.parse(extensions.clone()).ok();
    let member = root.and_then(|it| document.get(it, "persistedQuery"));
    member.is_some_and(|it| !document.is_null(it))
}

/// In the words that clients look for.
fn persisted_query_not_supported() -> Error {
    Error::new("PersistedQueryNotSupported").with_code(PERSISTED_QUERY_NOT_SUPPORTED)
}

fn string_member(document: &Document, root: NodeId, name: &str) -> Result<Option<String>, Error> {
    let Some(member) = document.get(root, name).filter(|it| !document.is_null(*it)) else {
        return Ok(None);
    };
    match document.as_str(member) {
        Some(text) => Ok(Some(text.into_owned())),
        None => Err(wrong_type(&format!("`{name}`"), "a string", document.kind(member))),
    }
}

fn object_member(document: &Document, root: NodeId, name: &str) -> Result<Bytes, Error> {
    match document.get(root, name) {
        Some(member) => object_text(document, member, name),
        None => Ok(EMPTY_OBJECT),
    }
}

fn object_parameter(name: &str, text: &str, document: &mut Document) -> Result<Bytes, Error> {
    if text.is_empty() {
        return Ok(EMPTY_OBJECT);
    }
    document.clear();
    let text = Bytes::copy_from_slice(text.as_bytes());
    let root = document.parse(text).map_err(|error| invalid_json(&format!("`{name}`"), &error))?;
    object_text(document, root, name)
}

fn object_text(document: &Document, value: NodeId, name: &str) -> Result<Bytes, Error> {
    match document.kind(value) {
        Kind::Null => Ok(EMPTY_OBJECT),
        Kind::Object => {
            let mut text = Vec::new();
            document.write(value, &mut text);
            Ok(text.into())
        }
        other => Err(wrong_type(&format!("`{name}`"), "an object", other)),
    }
}

/// One name or value of a query string.
fn query_part(text: &str) -> Result<Cow<'_, str>, Error> {
    decode_query_part(text).map_err(|bad| bad_request(format!("The query string {bad}.")))
}

fn invalid_json(what: &str, error: &ParseError) -> Error {
    bad_request(format!("{what} is not valid JSON: {error}."))
}

fn wrong_type(what: &str, wanted: &str, got: Kind) -> Error {
    let got = match got {
        Kind::Null => "null",
        Kind::Bool => "a boolean",
        Kind::Number => "a number",
        Kind::String => "a string",
        Kind::Array => "a list",
        Kind::Object => "an object",
    };
    bad_request(format!("{what} must be {wanted}, not {got}."))
}

fn bad_request(message: impl Into<String>) -> Error {
    Error::new(message).with_code(BAD_REQUEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::json::DEPTH_MAX;

    fn parse(body: &str) -> Result<Request, String> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Request::parse(body, &mut Document::new()).map_err(|error| error.message)
    }

    fn request(query: &str, name: Option<&str>, variables: &str, extensions: &str) -> Request {
        Request {
            query: query.into(),
            operation_name: name.map(Into::into),
            variables: Bytes::copy_from_slice(variables.as_bytes()),
            extensions: Bytes::copy_from_slice(extensions.as_bytes()),
        }
    }

    #[test]
    fn bodies_are_taken_apart() {
        assert_eq!(parse(r#"{"query":"{a}"}"#), Ok(request("{a}", None, "{}", "{}")));
        assert_eq!(
            parse(r#"{"query":"{a}","operationName":null,"variables":null,"extensions":null,"id":7}"#),
            Ok(request("{a}", None, "{}", "{}"))
        );
        assert_eq!(
            parse(
                r#" {"extensions":{"e":[1]},"query":"{\n\"a\"}","operationName":"Q","variables":{"n":1.50e3, "big":9007199254740993}}"#
            ),
            Ok(request("{\n\"a\"}", Some("Q"), r#"{"n":1.50e3,"big":9007199254740993}"#, r#"{"e":[1]}"#))
        );
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        for (body, message) in [
            ("", "The request body is not valid JSON: unexpected end, expected a value at byte 0."),
            ("[]", "Batches of requests are not supported."),
            ("7", "The request must be an object, not a number."),
            ("{}", "Must provide `query`, the text of an operation."),
            (r#"{"query":null}"#, "Must provide `query`, the text of an operation."),
            (r#"{"query":" "}"#, "`query` must not be empty."),
            (r#"{"query":["{a}"]}"#, "`query` must be a string, not a list."),
            (r#"{"query":"{a}","operationName":true}"#, "`operationName` must be a string, not a boolean."),
            (r#"{"query":"{a}","variables":"{}"}"#, "`variables` must be an object, not a string."),
            (r#"{"query":"{a}","variables":[]}"#, "`variables` must be an object, not a list."),
            (r#"{"query":"{a}","extensions":1}"#, "`extensions` must be an object, not a number."),
        ] {
            assert_eq!(parse(body), Err(message.into()), "{body}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let levels = DEPTH_MAX;
        let deep =
            format!("{{\"query\":\"{{a}}\",\"variables\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&deep).is_err_and(|it| it.contains("not valid JSON")));
    }

    #[test]
    fn query_strings_are_decoded() {
        let read =
            |text: &str| Request::from_query(text, &mut Document::new()).map_err(|error| error.message);
        assert_eq!(
            read("query=%7Ba%28x%3A%22%C3%B5%22%29%7D+&operationName=&variables=%7B%22a%22%3A1%7D&other=1"),
            Ok(request("{a(x:\"õ\")} ", None, "{\"a\":1}", "{}"))
        );
        assert_eq!(
            read("query={a}&operationName=Q&variables=&extensions=null"),
            Ok(request("{a}", Some("Q"), "{}", "{}"))
        );
        for (text, message) in [
            ("", "Must provide `query`, the text of an operation."),
            ("query=%7", "The query string has a broken `%` escape."),
            ("query=%+1", "The query string has a broken `%` escape."),
            ("query=%ff", "The query string is not UTF-8."),
            ("query={a}&variables=x", "`variables` is not valid JSON: expected a value at byte 0."),
            ("query={a}&variables=[]", "`variables` must be an object, not a list."),
        ] {
            assert_eq!(read(text), Err(message.into()), "{text}");
        }
    }
}
