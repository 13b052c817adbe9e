//! The client's side of both WebSocket subprotocols: how the router subscribes at subgraphs.
//!
//! [`Session`] judges what a server says, the `write_*` functions spell out what the router says. Ids are
//! the router's own numbers; what they stand for, when to ping and when to give up is the caller's.

mod incoming;
#[cfg(test)]
mod tests;

use super::Dialect;
use crate::graphql::json::write_string;

pub use incoming::Heard;
use incoming::{Judged, Message, id_at_start};

/// What to subscribe to, in JSON texts.
#[derive(Clone, Copy, Debug)]
pub struct Subscribe<'a> {
    pub document: &'a str,
    /// An object; empty when there are none.
    pub variables: &'a [u8],
    /// An object; empty when there are none.
    pub extensions: &'a [u8],
}

/// Where one connection stands.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    dialect: Dialect,
    acknowledged: bool,
}

impl Session {
    /// To begin with [`Session::write_init`].
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, acknowledged: false }
    }

    /// Whether the server lets us subscribe.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// Judges one text message.
    pub fn receive<'m>(&mut self, text: &'m str) -> Heard<'m> {
        match Message::parse(text).and_then(|it| it.judge(self.dialect)) {
            Err(reason) => Heard::Violation(reason),
            Ok(Judged::Ack) if self.acknowledged => Heard::Violation("a second connection_ack"),
            Ok(Judged::Ack) => {
                self.acknowledged = true;
                Heard::Acknowledged
            }
            Ok(Judged::Heard(heard)) => heard,
        }
    }

    /// The subscription that a message is for, of which no more than its first bytes are known.
    pub fn id_at_start(&self, start: &[u8]) -> Option<u64> {
        id_at_start(start)
    }

    /// Appends `connection_init`; `payload` is a JSON object.
    pub fn write_init(&self, payload: Option<&[u8]>, out: &mut Vec<u8>) {
        write_bare("connection_init", payload, out);
    }

    /// Appends the message that starts a subscription.
    pub fn write_subscribe(&self, id: u64, subscribe: Subscribe<'_>, out: &mut Vec<u8>) {
        let kind = match self.dialect {
            Dialect::GraphqlTransportWs => "subscribe",
            Dialect::GraphqlWs => "start",
        };
        out.extend_from_slice(format!(r#"{{"id":"{id}","type":"{kind}","payload":{{"query":"#).as_bytes());
        write_string(subscribe.document, out);
        for (name, json) in [("variables", subscribe.variables), ("extensions", subscribe.extensions)] {
            if !json.is_empty() {
                out.extend_from_slice(format!(r#","{name}":"#).as_bytes());
                out.extend_from_slice(json);
            }
        }
        out.extend_from_slice(b"}}");
    }

    /// Appends the message that ends a subscription from our side.
    pub fn write_unsubscribe(&self, id: u64, out: &mut Vec<u8>) {
        let kind = match self.dialect {
            Dialect::GraphqlTransportWs => "complete",
            Dialect::GraphqlWs => "stop",
        };
        out.extend_from_slice(format!(r#"{{"id":"{id}","type":"{kind}"}}"#).as_bytes());
    }

    /// Appends a `ping`, or tells that this subprotocol has none: a WebSocket's own will do then.
    pub fn write_ping(&self, out: &mut Vec<u8>) -> bool {
        let has_pings = self.dialect == Dialect::GraphqlTransportWs;
        if has_pings {
            write_bare("ping", None, out);
        }
        has_pings
    }

    /// Appends the answer to a [`Heard::Ping`].
    pub fn write_pong(&self, payload: Option<&str>, out: &mut Vec<u8>) {
        write_bare("pong", payload.map(str::as_bytes), out);
    }
}

fn write_bare(kind: &str, payload: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(r#"{{"type":"{kind}""#).as_bytes());
    if let Some(payload) = payload {
        out.extend_from_slice(br#","payload":"#);
        out.extend_from_slice(payload);
    }
    out.push(b'}');
}
