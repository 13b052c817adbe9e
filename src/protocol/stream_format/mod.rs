//! How responses travel one after the other in the body of one HTTP answer.
//!
//! Unlike a WebSocket's messages, these carry no id: every reader of a response gets the same bytes, so
//! a response is framed once per format, whoever reads it. Nothing here knows HTTP beyond the name of a
//! format's media type.

mod multipart;
mod server_sent_events;
#[cfg(test)]
mod tests;

/// The formats there are. The `write_*` functions append whole pieces of the body; payloads come in as
/// JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamFormat {
    /// GraphQL over Server-Sent Events, "distinct connections" mode.
    ServerSentEvents,
    /// Apollo's multipart protocol for subscriptions, `subscriptionSpec=1.0`.
    Multipart,
}

impl StreamFormat {
    pub const ALL: [Self; 2] = [Self::ServerSentEvents, Self::Multipart];

    /// The media type that a client names in `Accept`, without parameters.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::ServerSentEvents => server_sent_events::MEDIA_TYPE,
            Self::Multipart => multipart::MEDIA_TYPE,
        }
    }

    /// The answer's `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::ServerSentEvents => server_sent_events::CONTENT_TYPE,
            Self::Multipart => multipart::CONTENT_TYPE,
        }
    }

    /// The first bytes of a body.
    pub fn write_opening(self, out: &mut Vec<u8>) {
        match self {
            Self::ServerSentEvents => server_sent_events::write_opening(out),
            Self::Multipart => multipart::write_opening(out),
        }
    }

    /// A result of the operation: a GraphQL response.
    pub fn write_result(self, response: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::ServerSentEvents => server_sent_events::write_next(response, out),
            Self::Multipart => multipart::write_payload(response, out),
        }
    }

    /// The operation had begun and cannot go on. `errors` is a list of at least one GraphQL error; the
    /// body ends here.
    pub fn write_failure(self, errors: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::ServerSentEvents => {
                server_sent_events::write_next(&[b"{\"errors\":", errors, b"}"].concat(), out);
            }
            Self::Multipart => multipart::write_transport_errors(errors, out),
        }
        self.write_complete(out);
    }

    /// The operation is over; the body ends here.
    pub fn write_complete(self, out: &mut Vec<u8>) {
        match self {
            Self::ServerSentEvents => server_sent_events::write_complete(out),
            Self::Multipart => multipart::write_end(out),
        }
    }

    /// Nothing, to be sent when there was nothing else for a while: whoever is in between would close a
    /// connection without traffic.
    pub fn write_heartbeat(self, out: &mut Vec<u8>) {
        match self {
            Self::ServerSentEvents => server_sent_events::write_heartbeat(out),
            Self::Multipart => multipart::write_heartbeat(out),
        }
    }

    /// The router stops; the operation is not over, and clients should come back for it. The body ends
    /// here.
    pub fn write_interruption(self, out: &mut Vec<u8>) {
        match self {
            // A body that ends without `complete` is what makes clients come back.
            Self::ServerSentEvents => {}
            Self::Multipart => {
                multipart::write_transport_errors(INTERRUPTED, out);
                multipart::write_end(out);
            }
        }
    }
}

const INTERRUPTED: &[u8] =
    br#"[{"message":"The router restarts; subscribe again.","extensions":{"code":"SERVICE_RESTART"}}]"#;
