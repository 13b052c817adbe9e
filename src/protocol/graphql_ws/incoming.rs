//! What a client may say in `graphql-ws`.

use crate::protocol::incoming::{Envelope, Message, Reason, unknown_type};

pub(in crate::protocol) fn read<'m>(envelope: &Envelope<'m>) -> Result<Message<'m>, Reason> {
    Ok(match &*envelope.kind()? {
        "connection_init" => connection_init(envelope),
        "start" => Message::Subscribe { id: envelope.id()?, operation: envelope.operation()? },
        "stop" => Message::Stop { id: envelope.id()? },
        // Its payload, which the npm client sends as null, means nothing.
        "connection_terminate" => Message::Terminate,
        _ => return Err(unknown_type()),
    })
}

/// Clients of this dialect cannot tell one close code from another, but `connection_error` reaches them.
fn connection_init<'m>(envelope: &Envelope<'m>) -> Message<'m> {
    match envelope.payload() {
        Ok(payload) => Message::ConnectionInit { payload },
        Err(reason) => Message::BadConnectionInit { reason },
    }
}
