//! What other threads tell the reactor and the task of HTTP streams.

use super::{
    client::Client,
    engine::{Engine, Errors, Prepared},
    http_streams::Channel,
    reactor::LinkId,
};
use crate::{
    hub::{EndReason, GroupId},
    plan::{Feed, GroupSpec, Receipt},
    protocol::{Dialect, StreamFormat},
    sources::{
        Ticket,
        subgraph::{DialError, Dialed},
    },
};
use bytes::Bytes;
use rustls::ServerConnection;
use std::{sync::Arc, time::Duration};

/// Everything other than a socket that can wake the reactor.
pub(super) enum ReactorMail {
    /// A connection after its upgrade.
    Adopt(Box<Newcomer>),
    /// An operation is ready to be carried out, or refused.
    Prepared { token: u64, result: Result<Prepared, Errors> },
    /// The response of a query or mutation.
    Answered { token: u64, response: Bytes },
    /// In their order.
    FromHub(Vec<SinkMail>),
    /// Start a feed that a subgraph serves.
    Listen { ticket: Ticket, feed: Arc<Feed> },
    /// Nobody listens to it any more.
    StopListening { ticket: Ticket },
    /// A WebSocket to a subgraph stands, or will not.
    Dialed { link: LinkId, result: Result<Dialed, DialError> },
    /// Close every connection, spread over this time, and take no more.
    Drain { spread: Duration },
    /// Stop once the last connection is gone: nobody brings new ones any more.
    Finish,
    /// Stop now.
    Stop,
}

/// What the hub tells a sink about its members.
pub(super) enum SinkMail {
    /// It let a subscription into its group.
    Joined { token: u64, group: GroupId },
    /// A response for a group's audience. The first member who is handed it settles the receipt.
    Deliver { group: GroupId, response: Bytes, receipt: Option<Receipt> },
    /// A group is over.
    End { group: GroupId, reason: EndReason },
}

/// Everything that can happen to HTTP streams.
pub(super) enum StreamMail {
    /// A new one, which asks to join its group.
    Open {
        token: u64,
        spec: Arc<GroupSpec>,
        format: Option<StreamFormat>,
        first_only: bool,
        channel: Arc<Channel>,
    },
    /// Its body is over or its client is gone.
    Left {
        token: u64,
    },
    FromHub(SinkMail),
    /// End every stream, spread over this time, and take no more.
    Drain {
        spread: Duration,
    },
}

/// A client's WebSocket, its handshake answered.
pub(super) struct Newcomer {
    pub(super) socket: std::net::TcpStream,
    /// The TLS session on it.
    pub(super) tls: Option<ServerConnection>,
    /// The bytes that came behind the handshake.
    pub(super) read: Bytes,
    /// `None`: the client offered none that we speak.
    pub(super) dialect: Option<Dialect>,
    /// Of the schema that the handshake chose.
    pub(super) engine: Arc<Engine>,
    pub(super) client: Arc<Client>,
}
