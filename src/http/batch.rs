//! Batches: a JSON list of requests in one body, answered by a list in the same order.

use crate::graphql::{
    Error, Request,
    json::{Document, Kind},
};
use bytes::Bytes;

/// Bounds on batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Entries that are carried out at a time.
    pub concurrency_max: usize,
    /// Entries of one batch; beyond, none of them is carried out.
    pub entries_max: usize,
    /// Leaves the code out of errors about the batch itself.
    pub omit_extensions: bool,
}

/// What a body asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    One(Request),
    /// An entry that is no request gets its error in its place.
    Batch(Batching, Vec<Result<Request, Error>>),
}

impl Batching {
    /// What an entry that is a subscription gets.
    pub(super) fn subscription_error(&self) -> Error {
        let message = "Subscriptions aren't supported in batch operations";
        self.error(message, "BATCHING_SUBSCRIPTION_UNSUPPORTED")
    }

    fn error(&self, message: impl Into<String>, code: &'static str) -> Error {
        let error = Error::new(message);
        if self.omit_extensions { error } else { error.with_code(code) }
    }
}

/// Takes a body apart.
pub(super) fn parse(body: Bytes, batching: Option<Batching>) -> Result<Asked, Error> {
    let mut document = Document::new();
    let root = Request::parse_json(body, &mut document)?;
    if document.kind(root) != Kind::Array {
        return Request::from_node(&document, root).map(Asked::One);
    }
    let Some(batching) = batching else {
        let message = "Batches of requests are turned off here: send one request at a time.";
        return Err(Error::new(message).with_code("BATCHING_NOT_ENABLED"));
    };
    match document.len(root) {
        0 => Err(batching.error("The batch is empty.", crate::graphql::BAD_REQUEST)),
        count if count > batching.entries_max => {
            let message = format!("The batch has {count} entries; the limit is {}.", batching.entries_max);
            Err(batching.error(message, "BATCH_LIMIT_EXCEEDED"))
        }
        _ => {
            let requests = document.children(root).map(|it| Request::from_node(&document, it));
            Ok(Asked::Batch(batching, requests.collect()))
        }
    }
}

/// The list of answers.
pub(super) fn join(bodies: &[Bytes]) -> Bytes {
    let mut all = Vec::with_capacity(bodies.iter().map(|it| it.len() + 1).sum::<usize>() + 1);
    for (index, body) in bodies.iter().enumerate() {
        all.push(if index == 0 { b'[' } else { b',' });
        all.extend_from_slice(body);
    }
    all.push(b']');
    all.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Batching = Batching { concurrency_max: 2, entries_max: 2, omit_extensions: false };

    fn asked(body: &'static str, batching: Option<Batching>) -> Result<Vec<String>, (String, &'static str)> {
        let result = |it: Result<Request, Error>| it.map_or_else(|it| it.message, |it| it.query);
        match parse(Bytes::from_static(body.as_bytes()), batching) {
            Ok(Asked::One(request)) => Ok(vec![request.query]),
            Ok(Asked::Batch(_, entries)) => Ok(entries.into_iter().map(result).collect()),
            Err(error) => Err((error.message, error.code.unwrap_or_default())),
        }
    }

    #[test]
    fn lists_are_batches_where_they_are_allowed() {
        let one = r#"{"query":"{a}"}"#;
        assert_eq!(asked(one, None), Ok(vec!["{a}".into()]));
        assert_eq!(asked(one, Some(LIMITS)), Ok(vec!["{a}".into()]));
        let two = r#" [{"query":"{a}"}, 7]"#;
        let refused = asked(two, None).expect_err("turned off");
        assert_eq!(refused.1, "BATCHING_NOT_ENABLED");
        assert_eq!(
            asked(two, Some(LIMITS)),
            Ok(vec!["{a}".into(), "The request must be an object, not a number.".into()])
        );
    }

    #[test]
    fn batches_are_bounded_and_not_nested() {
        assert_eq!(asked("[]", Some(LIMITS)), Err(("The batch is empty.".into(), "BAD_REQUEST")));
        let refused = ("The batch has 3 entries; the limit is 2.".to_owned(), "BATCH_LIMIT_EXCEEDED");
        assert_eq!(asked("[1,2,3]", Some(LIMITS)), Err(refused.clone()));
        let silent = Batching { omit_extensions: true, ..LIMITS };
        assert_eq!(asked("[1,2,3]", Some(silent)), Err((refused.0, "")));
        let nested = asked(r#"[[{"query":"{a}"}]]"#, Some(LIMITS)).expect("a batch of one");
        assert_eq!(nested, ["Batches of requests are not supported."]);
    }

    #[test]
    fn answers_are_joined_in_order() {
        assert_eq!(&join(&[Bytes::from_static(b"1"), Bytes::from_static(b"2")])[..], b"[1,2]");
        assert_eq!(&join(&[Bytes::from_static(b"1")])[..], b"[1]");
    }
}
