//! Reads a server's message. Payloads stay slices of its text.

use crate::protocol::Dialect;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, cell::Cell, fmt};

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

    fn id(&self) -> Result<u64, &'static str> {
        self.id.and_then(number).ok_or("a message has an id that is not ours")
    }

    fn object(&self) -> Result<&'m str, &'static str> {
        let payload = self.payload.map(RawValue::get);
        payload.filter(|it| it.starts_with('{')).ok_or("a response is no object")
    }
}

/// Ours are numbers in a string.
fn number(id: &RawValue) -> Option<u64> {
    id.get().trim_matches('"').parse().ok()
}

/// The id of a message of which only the beginning is known.
pub(super) fn id_at_start(start: &[u8]) -> Option<u64> {
    let found = Cell::new(None);
    // That it breaks off is known.
    let _ = serde_json::Deserializer::from_slice(start).deserialize_map(IdSeeker(&found));
    found.get()
}

/// Looks through the members of a message until one is its id.
struct IdSeeker<'a>(&'a Cell<Option<u64>>);

impl<'de> Visitor<'de> for IdSeeker<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'_, str>>()? {
            if name != "id" {
                members.next_value::<IgnoredAny>()?;
                continue;
            }
            let id = members.next_value::<&RawValue>()?;
            // A number that nothing follows may have been cut.
            if id.get().ends_with('"') || members.next_key::<IgnoredAny>().is_ok() {
                self.0.set(number(id));
            }
            break;
        }
        Ok(())
    }
}
