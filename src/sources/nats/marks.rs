//! Messages that are no events: what a server says of a subject beside what is published to it.
//!
//! A key-value bucket is a stream of its keys' values; that a key was deleted, purged or has expired is a message too,
//! with an empty payload and a header that says so. A server's statuses (heartbeats and flow control of consumers that
//! push to a subject) are messages without either.

use async_nats::{HeaderMap, Message, StatusCode};

/// What a bucket's client writes; other operations have a value.
const OPERATION: &str = "KV-Operation";
/// Why the server itself removed the last message of a subject: `MaxAge`, `Remove`, `Purge`.
const REASON: &str = "Nats-Marker-Reason";

/// Whether a message says something of its subject instead of being published to it.
pub(super) fn is_mark(message: &Message) -> bool {
    is_status(message.status) || message.headers.as_ref().is_some_and(is_removal)
}

pub(super) fn is_status(status: Option<StatusCode>) -> bool {
    status.is_some_and(|it| it != StatusCode::OK)
}

fn is_removal(headers: &HeaderMap) -> bool {
    let operation = headers.get(OPERATION).map(|it| it.as_str());
    matches!(operation, Some("DEL" | "PURGE")) || headers.get(REASON).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_and_statuses_are_marks_and_values_are_not() {
        for (name, value, expected) in [
            ("KV-Operation", "DEL", true),
            ("KV-Operation", "PURGE", true),
            ("KV-Operation", "PUT", false),
            ("Nats-Marker-Reason", "MaxAge", true),
            ("Nats-Msg-Id", "1", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value);
            assert_eq!(is_removal(&headers), expected, "{name}: {value}");
        }
        assert!(is_status(Some(StatusCode::IDLE_HEARTBEAT)) && is_status(Some(StatusCode::NO_RESPONDERS)));
        assert!(!is_status(None) && !is_status(Some(StatusCode::OK)));
    }
}
