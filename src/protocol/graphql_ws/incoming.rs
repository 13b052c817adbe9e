//! What a client may say in `graphql-ws`.

use crate::protocol::incoming::{Envelope, Message, Reason, unknown_type};

pub(in crate::protocol) fn read<'m>(envelope: &Envelope<'m>) -> Result<Message<'m>, Reason> {
    Ok(match &*envelope.kind()? {
        "connection_init" => connection_init(envelope),
        "start" => start(envelope)?,
        "stop" => Message::Stop { id: envelope.id()? },
        // Its payload, which the npm client sends as null, means nothing.
        "connection_terminate" => Message::Terminate,
        _ => return Err(unknown_type()),
    })
}

/// The protocol has an `error` for an operation that cannot be begun, where the other dialect demands that the
/// connection is closed.
fn start<'m>(envelope: &Envelope<'m>) -> Result<Message<'m>, Reason> {
    let (id, payload) = (envelope.id()?, envelope.payload()?);
    match envelope.operation() {
        Err(reason) if payload.is_some() => Ok(Message::BadOperation { id, reason }),
        operation => envelope.subscribe(operation?),
    }
}

/// Clients of this dialect cannot tell one close code from another, but `connection_error` reaches them.
fn connection_init<'m>(envelope: &Envelope<'m>) -> Message<'m> {
    match envelope.payload() {
        Ok(payload) => Message::ConnectionInit { payload },
        Err(reason) => Message::BadConnectionInit { reason },
    }
}
