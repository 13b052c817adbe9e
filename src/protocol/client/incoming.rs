//! Reads a server's message. Payloads stay slices of its text.

use crate::protocol::Dialect;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What the caller has to do about a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'m> {
    /// A sign of life.
    Nothing,
    /// Subscriptions may be started.
    Acknowledged,
    /// A response, whole, as written.
    Next { id: u64, response: &'m str },
    /// The subscription is over. `errors` is what the server says of it: one error or a list of them.
    Failed { id: u64, errors: &'m str },
    /// The subscription is over.
    Completed { id: u64 },
    /// To be answered with this payload.
    Ping { payload: Option<&'m str> },
    /// We may not connect; `reason` is what the server says of it.
    Refused { reason: &'m str },
    /// The server does not keep to the dialect.
    Violation(&'static str),
}

/// A message that was understood.
pub(super) enum Judged<'m> {
    Ack,
    Heard(Heard<'m>),
}

/// A message, its shape checked.
pub(super) struct Message<'m> {
    kind: Cow<'m, str>,
    id: Option<&'m RawValue>,
    payload: Option<&'m RawValue>,
}

#[derive(Deserialize)]
struct Envelope<'m> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'m, str>,
    #[serde(borrow)]
    id: Option<&'m RawValue>,
    #[serde(borrow)]
    payload: Option<&'m RawValue>,
}

impl<'m> Message<'m> {
    pub(super) fn parse(text: &'m str) -> Result<Self, &'static str> {
        let Envelope { kind, id, payload } =
            serde_json::from_str(text).map_err(|_| "a message is no JSON object with a type")?;
        Ok(Self { kind, id, payload })
    }

    pub(super) fn judge(&self, dialect: Dialect) -> Result<Judged<'m>, &'static str> {
        use Dialect::{GraphqlTransportWs, GraphqlWs};
        Ok(Judged::Heard(match (&*self.kind, dialect) {
            ("connection_ack", _) => return Ok(Judged::Ack),
            ("next", GraphqlTransportWs) | ("data", GraphqlWs) => {
                Heard::Next { id: self.id()?, response: self.object()? }
            }
            ("error", _) => {
                Heard::Failed { id: self.id()?, errors: self.payload.map_or("[]", RawValue::get) }
            }
            ("complete", _) => Heard::Completed { id: self.id()? },
            ("ping", GraphqlTransportWs) => Heard::Ping { payload: self.payload.map(RawValue::get) },
            ("pong", GraphqlTransportWs) | ("ka", GraphqlWs) => Heard::Nothing,
            ("connection_error", GraphqlWs) => {
                Heard::Refused { reason: self.payload.map_or("[]", RawValue::get) }
            }
            _ => return Err("a message has an unknown type"),
        }))
    }

    /// Ours are numbers in a string.
    fn id(&self) -> Result<u64, &'static str> {
        let digits = self.id.map(RawValue::get).unwrap_or_default().trim_matches('"');
        digits.parse().map_err(|_| "a message has an id that is not ours")
    }

    fn object(&self) -> Result<&'m str, &'static str> {
        let payload = self.payload.map(RawValue::get);
        payload.filter(|it| it.starts_with('{')).ok_or("a response is no object")
    }
}
