//! The dialects there are, by their subprotocol, and what differs between them for the router's answers.

use super::{
    graphql_transport_ws, graphql_ws,
    incoming::{Envelope, Message, Reason},
    outgoing,
};

/// How a client wants to be spoken to: chosen with the handshake, for as long as the connection lives.
///
/// The `write_*` functions append one message each. Ids come in as [`super::OperationId::as_str`] gives
/// them, payloads as JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Of the npm library `graphql-ws`.
    GraphqlTransportWs,
    /// The legacy one, of the npm library `subscriptions-transport-ws`.
    GraphqlWs,
}

impl Dialect {
    /// The names in `Sec-WebSocket-Protocol` of all dialects.
    pub const SUBPROTOCOLS: [&str; 2] = [graphql_transport_ws::SUBPROTOCOL, graphql_ws::SUBPROTOCOL];

    /// Its name there.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::GraphqlTransportWs => graphql_transport_ws::SUBPROTOCOL,
            Self::GraphqlWs => graphql_ws::SUBPROTOCOL,
        }
    }

    pub fn of_subprotocol(name: &str) -> Option<Self> {
        match name {
            graphql_transport_ws::SUBPROTOCOL => Some(Self::GraphqlTransportWs),
            graphql_ws::SUBPROTOCOL => Some(Self::GraphqlWs),
            _ => None,
        }
    }

    /// Whether a client that stops an operation is told `complete`. (Some clients of the other dialect
    /// expect it too, against their protocol.)
    pub const fn confirms_stop(self) -> bool {
        matches!(self, Self::GraphqlWs)
    }

    /// Whether [`Dialect::write_failure`] ends the operation, or `complete` has to follow.
    pub const fn failure_is_terminal(self) -> bool {
        matches!(self, Self::GraphqlTransportWs)
    }

    /// The length of a result's message, for the frame header that goes before it.
    pub const fn result_len(self, id_len: usize, payload_len: usize) -> usize {
        match self {
            Self::GraphqlTransportWs => graphql_transport_ws::next_len(id_len, payload_len),
            Self::GraphqlWs => graphql_ws::data_len(id_len, payload_len),
        }
    }

    /// A result of an operation.
    pub fn write_result(self, id: &str, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::GraphqlTransportWs => graphql_transport_ws::write_next(id, payload, out),
            Self::GraphqlWs => graphql_ws::write_data(id, payload, out),
        }
    }

    /// The operation cannot be begun; `errors` is a list of at least one GraphQL error. Nothing follows.
    pub fn write_error(self, id: &str, errors: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::GraphqlTransportWs => graphql_transport_ws::write_error(id, errors, out),
            Self::GraphqlWs => graphql_ws::write_error(id, errors, out),
        }
    }

    /// The operation had begun, and is over for these errors. See [`Dialect::failure_is_terminal`].
    pub fn write_failure(self, id: &str, errors: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::GraphqlTransportWs => graphql_transport_ws::write_error(id, errors, out),
            Self::GraphqlWs => graphql_ws::write_failure(id, errors, out),
        }
    }

    /// The operation is over.
    pub fn write_complete(self, id: &str, out: &mut Vec<u8>) {
        outgoing::write_complete(id, out);
    }

    /// The client may begin with operations; `payload` is a JSON object.
    pub fn write_ack(self, payload: Option<&str>, out: &mut Vec<u8>) {
        outgoing::write_bare("connection_ack", payload, out);
    }

    pub(super) fn read(self, text: &str) -> Result<Message<'_>, Reason> {
        let envelope = Envelope::parse(text)?;
        match self {
            Self::GraphqlTransportWs => graphql_transport_ws::read(&envelope),
            Self::GraphqlWs => graphql_ws::read(&envelope),
        }
    }
}
