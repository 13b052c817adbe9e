//! What a client may say in `graphql-transport-ws`.

use crate::protocol::incoming::{Envelope, Message, Reason, unknown_type};

pub(in crate::protocol) fn read<'m>(envelope: &Envelope<'m>) -> Result<Message<'m>, Reason> {
    Ok(match &*envelope.kind()? {
        "connection_init" => Message::ConnectionInit { payload: envelope.payload()? },
        "ping" => Message::Ping { payload: envelope.payload()? },
        "pong" => envelope.payload().map(|_| Message::Pong)?,
        "subscribe" => {
            envelope.id()?;
            envelope.subscribe(envelope.operation()?)?
        }
        "complete" => Message::Stop { id: envelope.id()? },
        _ => return Err(unknown_type()),
    })
}
