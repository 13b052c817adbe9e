//! The access log, one line per operation, and the ids by which its lines are found again.

use super::gateway::Operation;
use hyper::{HeaderMap, StatusCode, header::HeaderValue};
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::time::Instant;

/// Where clients, proxies and we put the id of a request.
pub(super) const REQUEST_ID: &str = "x-request-id";
/// Longer ids of clients are replaced: they would come back in every line and answer.
const REQUEST_ID_BYTES_MAX: usize = 128;
const NAME_HEADERS: [&str; 2] = ["graphql-client-name", "apollographql-client-name"];
const VERSION_HEADERS: [&str; 2] = ["graphql-client-version", "apollographql-client-version"];

/// Makes ids for requests that have none: of this process alone, and nothing to guess others by.
#[derive(Debug, Default)]
pub(super) struct RequestIds {
    key: RandomState,
    count: AtomicU64,
}

impl RequestIds {
    /// The id a request came with, or a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let given = headers.get(REQUEST_ID).filter(|it| is_usable(it.as_bytes()));
        let make = || HeaderValue::from_str(&self.nonce()).ok();
        given.cloned().or_else(make).unwrap_or_else(|| HeaderValue::from_static("none"))
    }

    /// A text of 32 letters and digits that was not there before.
    pub(super) fn nonce(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let half = |salt: u64| self.key.hash_one((count, salt));
        format!("{:016x}{:016x}", half(0), half(1))
    }
}

fn is_usable(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX && id.iter().all(u8::is_ascii_graphic)
}

/// What the lines of one HTTP request have in common.
#[derive(Debug)]
pub(super) struct AccessLog<'a> {
    enabled: bool,
    /// The io library's clock: this module has no other.
    begun: Instant,
    id: &'a HeaderValue,
    headers: &'a HeaderMap,
    /// `None`: not to be written down.
    client: Option<IpAddr>,
}

impl<'a> AccessLog<'a> {
    /// At the end of the request's head.
    pub(super) fn begin(
        enabled: bool,
        id: &'a HeaderValue,
        headers: &'a HeaderMap,
        client: Option<IpAddr>,
    ) -> Self {
        Self { enabled, begun: Instant::now(), id, headers, client }
    }

    /// One line. Without an operation the request was refused before it was known.
    pub(super) fn write(&self, operation: Option<&Operation>, status: StatusCode) {
        if !self.enabled {
            return;
        }
        let header = |names: &[&str]| {
            names.iter().find_map(|it| self.headers.get(*it)).and_then(|it| it.to_str().ok())
        };
        tracing::info!(
            target: "access",
            request_id = self.id.to_str().ok(),
            operation_name = operation.and_then(|it| it.name.as_deref()),
            operation_kind = operation.map(|it| it.kind.name()),
            status = status.as_u16(),
            duration_us = self.begun.elapsed().as_micros() as u64,
            client_address = self.client.map(tracing::field::display),
            client_name = header(&NAME_HEADERS),
            client_version = header(&VERSION_HEADERS),
            "operation"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(id: &str) -> HeaderMap {
        HeaderMap::from_iter([(REQUEST_ID.parse().expect("name"), id.parse().expect("header value"))])
    }

    #[test]
    fn usable_ids_are_kept_and_others_made() {
        let ids = RequestIds::default();
        assert_eq!(ids.of(&with("abc-1")), "abc-1");
        let long = "x".repeat(REQUEST_ID_BYTES_MAX + 1);
        let made: Vec<_> =
            [with(&long), with("a b"), with(""), HeaderMap::new()].iter().map(|it| ids.of(it)).collect();
        for (index, id) in made.iter().enumerate() {
            let text = id.to_str().expect("text");
            assert!(text.len() == 32 && text.bytes().all(|it| it.is_ascii_hexdigit()), "{text}");
            assert!(!made[..index].contains(id), "each has its own");
        }
    }
}
