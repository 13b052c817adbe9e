//! Reads a client's message: its shape is checked, its values stay slices of its text. Which types of
//! messages there are is for each dialect to say.
//!
//! The envelope is read in one pass that steps over `payload`; only the payload of an operation is looked
//! into, once more. A member that comes twice makes a message invalid: it could be read in two ways.

use crate::graphql::json::write_string;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Longest id of an operation, in bytes as the client means it. Ids are stored per subscription and repeated in
/// every message; clients use UUIDs (36 bytes) or small numbers.
pub const ID_BYTES_MAX: usize = 1024;

/// The id that a client gave an operation, in JSON: escaped, without the quotes around it.
///
/// The form is canonical (equal ids have equal forms, whatever escapes the client wrote), so it is what
/// to store, to compare and to write back: no id is escaped again for the messages that carry it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OperationId<'m>(Cow<'m, str>);

/// What to execute: the payload of `subscribe` or `start`, its members' types checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<'m> {
    /// The whole payload as written: a JSON object.
    pub raw: &'m str,
    /// Unescaped. Absent only where `extensions` may stand for it (persisted operations).
    pub query: Option<Cow<'m, str>>,
    /// Unescaped.
    pub operation_name: Option<Cow<'m, str>>,
    /// A JSON object, as written.
    pub variables: Option<&'m str>,
    /// A JSON object, as written.
    pub extensions: Option<&'m str>,
}

/// What a client says, in the words of any dialect, and in the right shape.
#[derive(Debug)]
pub(super) enum Message<'m> {
    ConnectionInit {
        payload: Option<&'m str>,
    },
    /// A `connection_init` of the wrong shape, where the dialect has an answer to it.
    BadConnectionInit {
        reason: Reason,
    },
    Ping {
        payload: Option<&'m str>,
    },
    Pong,
    Subscribe {
        id: OperationId<'m>,
        operation: Operation<'m>,
    },
    /// A message as it should be, for an operation that cannot be taken in.
    BadOperation {
        id: OperationId<'m>,
        reason: Reason,
    },
    /// The client wants no more of an operation.
    Stop {
        id: OperationId<'m>,
    },
    /// The client wants no more of anything.
    Terminate,
}

/// Why a message is invalid: the reason for the close frame.
pub(super) type Reason = Cow<'static, str>;

/// What the reference server says of every message it cannot read; ours may say more after it.
const INVALID: &str = "Invalid message received";

/// What all messages have in common.
#[derive(Deserialize)]
pub(super) struct Envelope<'m> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'m RawValue>,
    #[serde(borrow)]
    id: Option<&'m RawValue>,
    #[serde(borrow)]
    payload: Option<&'m RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'m> {
    #[serde(borrow)]
    query: Option<&'m RawValue>,
    #[serde(borrow)]
    operation_name: Option<&'m RawValue>,
    #[serde(borrow)]
    variables: Option<&'m RawValue>,
    #[serde(borrow)]
    extensions: Option<&'m RawValue>,
}

impl<'m> Envelope<'m> {
    pub(super) fn parse(text: &'m str) -> Result<Self, Reason> {
        object(text).ok_or_else(|| INVALID.into())
    }

    /// The type of the message.
    pub(super) fn kind(&self) -> Result<Cow<'m, str>, Reason> {
        self.kind.and_then(string).ok_or_else(|| expected("'type' as a string"))
    }

    pub(super) fn id(&self) -> Result<OperationId<'m>, Reason> {
        let raw = self.id.map(RawValue::get).filter(|it| it.starts_with('"'));
        let id = raw.and_then(OperationId::from_json);
        id.filter(|it| !it.as_str().is_empty()).ok_or_else(|| expected("'id' as a non-empty string"))
    }

    /// The message that starts an operation. What is wrong with the operation alone costs the operation alone.
    pub(super) fn subscribe(&self, operation: Operation<'m>) -> Result<Message<'m>, Reason> {
        let id = self.id()?;
        Ok(match id.is_too_long() {
            true => Message::BadOperation {
                id,
                reason: format!("The operation's id is longer than the limit of {ID_BYTES_MAX} bytes.")
                    .into(),
            },
            false => Message::Subscribe { id, operation },
        })
    }

    pub(super) fn payload(&self) -> Result<Option<&'m str>, Reason> {
        optional_object(self.payload).ok_or_else(|| expected("'payload' as an object"))
    }

    pub(super) fn operation(&self) -> Result<Operation<'m>, Reason> {
        let raw = self.payload()?.ok_or_else(|| expected("'payload' as an object"))?;
        let payload: Payload<'_> = object(raw).ok_or(INVALID)?;
        let operation = Operation {
            raw,
            query: optional_string(payload.query).ok_or_else(|| expected("'query' as a string"))?,
            operation_name: optional_string(payload.operation_name)
                .ok_or_else(|| expected("'operationName' as a string"))?,
            variables: optional_object(payload.variables)
                .ok_or_else(|| expected("'variables' as an object"))?,
            extensions: optional_object(payload.extensions)
                .ok_or_else(|| expected("'extensions' as an object"))?,
        };
        if operation.query.is_none() && operation.extensions.is_none() {
            return Err(expected("'query' as a string"));
        }
        Ok(operation)
    }
}

impl<'m> OperationId<'m> {
    /// The id in its canonical, escaped form. To be stored as it is.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as the client means it.
    pub fn decoded(&self) -> Cow<'_, str> {
        decode(&self.0).expect("canonical ids are valid JSON")
    }

    /// Escaped, an id is never shorter.
    fn is_too_long(&self) -> bool {
        self.0.len() > ID_BYTES_MAX && self.decoded().len() > ID_BYTES_MAX
    }

    /// From a JSON string with its quotes; `None` if it escapes half a character.
    fn from_json(quoted: &'m str) -> Option<Self> {
        let inner = &quoted[1..quoted.len() - 1];
        match decode(inner)? {
            // Nothing escaped, and JSON lets nothing stand bare that has to be.
            Cow::Borrowed(id) => Some(Self(Cow::Borrowed(id))),
            Cow::Owned(id) => {
                let mut json = Vec::with_capacity(quoted.len());
                write_string(&id, &mut json);
                json.pop();
                json.remove(0);
                Some(Self(Cow::Owned(String::from_utf8(json).expect("written from a string"))))
            }
        }
    }
}

/// Reads an object, and nothing but an object: a list of the members in order is none.
fn object<'m, T: Deserialize<'m>>(text: &'m str) -> Option<T> {
    let is_object = text.trim_ascii_start().starts_with('{');
    is_object.then(|| serde_json::from_str(text).ok()).flatten()
}

/// `Some(None)` when there is none, `None` when there is something else.
fn optional_object(raw: Option<&RawValue>) -> Option<Option<&str>> {
    raw.map(RawValue::get).map_or(Some(None), |it| it.starts_with('{').then_some(Some(it)))
}

/// `Some(None)` when there is none, `None` when there is something else.
fn optional_string(raw: Option<&RawValue>) -> Option<Option<Cow<'_, str>>> {
    raw.map_or(Some(None), |it| string(it).map(Some))
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    decode(raw.get().strip_prefix('"')?.strip_suffix('"')?)
}

/// What stands between the quotes of a JSON string, unescaped.
fn decode(inner: &str) -> Option<Cow<'_, str>> {
    if inner.contains('\\') {
        serde_json::from_str(&format!("\"{inner}\"")).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// What to say of a type that the dialect does not have, or that only a server sends.
pub(super) const fn unknown_type() -> Reason {
    Cow::Borrowed("Invalid message type")
}

fn expected(what: &str) -> Reason {
    format!("{INVALID}: expected {what}").into()
}
