//! Subscriptions that subgraphs serve: who carries them, and where to.

use super::{inbox::Mail, mail::ReactorMail};
use crate::{
    federation::Subgraph,
    plan::{Feed, UpstreamFeed},
    protocol::Dialect,
    resolve::ErrorPropagation,
    sources::{
        Ticket,
        subgraph::{
            StreamTarget, Streams, SubscriptionEndpoint, SubscriptionProtocol, Traffic, WebSocketSubprotocol,
        },
    },
};
use http::Uri;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Bounds and times of WebSockets to subgraphs.
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// Until the subgraph acknowledges `connection_init`.
    pub ack_timeout: Duration,
    /// Silence after which a sign of life is asked for.
    pub ping_interval: Duration,
    /// How long that may take.
    pub ping_timeout: Duration,
    /// How long a subgraph may take no bytes.
    pub write_timeout: Duration,
    /// Longest message of a subgraph.
    pub message_bytes_max: usize,
    /// How long a connection without a subscription is kept.
    pub idle_timeout: Duration,
}

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self {
            ack_timeout: Duration::from_secs(30),
            ping_interval: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
            message_bytes_max: 1_000_000,
            idle_timeout: Duration::from_secs(10),
        }
    }
}

/// A subgraph as somebody to subscribe at.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) name: Arc<str>,
    /// `ws` or `wss` for WebSockets, `http` or `https` otherwise.
    pub(super) uri: Uri,
    pub(super) protocol: SubscriptionProtocol,
    /// Subprotocols on offer, the preferred one first.
    pub(super) protocols: &'static [&'static str],
    /// Until a connection stands and is upgraded.
    pub(super) dial_timeout: Duration,
    /// Subscriptions wait for the subgraph to come back instead of ending.
    pub(super) reconnect: bool,
}

const AUTO: &[&str] = &[Dialect::GraphqlTransportWs.subprotocol(), Dialect::GraphqlWs.subprotocol()];
const NEWER: &[&str] = &[Dialect::GraphqlTransportWs.subprotocol()];
const OLDER: &[&str] = &[Dialect::GraphqlWs.subprotocol()];

/// The graph's subgraphs, in their order.
pub(super) fn targets(
    subgraphs: &[Subgraph],
    traffic: &Traffic,
    endpoints: &BTreeMap<String, SubscriptionEndpoint>,
) -> Arc<[Target]> {
    let target = |subgraph: &Subgraph| {
        let routed = traffic.endpoint(subgraph.configured.clone(), &subgraph.url);
        let own = endpoints.get(&*subgraph.name).or_else(|| endpoints.get(&*subgraph.configured));
        let endpoint = own.cloned().unwrap_or_default();
        Target {
            name: subgraph.name.clone(),
            uri: uri(endpoint.url.as_deref().unwrap_or(&routed.url), endpoint.protocol),
            protocol: endpoint.protocol,
            protocols: match endpoint.subprotocol {
                WebSocketSubprotocol::Auto => AUTO,
                WebSocketSubprotocol::GraphqlTransportWs => NEWER,
                WebSocketSubprotocol::GraphqlWs => OLDER,
            },
            dial_timeout: routed.options.dial_timeout,
            reconnect: endpoint.reconnect,
        }
    };
    subgraphs.iter().map(target).collect()
}

/// The address for a protocol: `http` and `ws` name the same host and port.
fn uri(url: &str, protocol: SubscriptionProtocol) -> Uri {
    let swap = |from: &str, to: &str| url.strip_prefix(from).map(|rest| format!("{to}{rest}"));
    let swapped = match protocol {
        SubscriptionProtocol::WebSocket => swap("http://", "ws://").or_else(|| swap("https://", "wss://")),
        _ => swap("ws://", "http://").or_else(|| swap("wss://", "https://")),
    };
    swapped.as_deref().unwrap_or(url).parse().unwrap_or_default()
}

/// Hands subscriptions to whoever carries them: WebSockets are the reactor's, event streams the io thread's.
pub(super) struct Upstreams {
    pub(super) targets: Arc<[Target]>,
    pub(super) reactor: Mail<ReactorMail>,
    pub(super) streams: Streams,
    pub(super) options: UpstreamOptions,
    pub(super) errors: ErrorPropagation,
}

impl Upstreams {
    pub(super) fn start(&self, ticket: Ticket, feed: Arc<Feed>) {
        let Feed::Upstream(upstream) = &*feed else { return };
        let target = self.target(upstream);
        match target.protocol {
            SubscriptionProtocol::WebSocket => self.reactor.send(ReactorMail::Listen { ticket, feed }),
            protocol => {
                let target = StreamTarget {
                    uri: target.uri.clone(),
                    by_get: protocol == SubscriptionProtocol::Sse,
                    reconnect: target.reconnect,
                    event_bytes_max: self.options.message_bytes_max,
                    errors: self.errors.clone(),
                };
                self.streams.start(ticket, upstream.clone(), target);
            }
        }
    }

    pub(super) fn stop(&self, ticket: Ticket, feed: &UpstreamFeed) {
        match self.target(feed).protocol {
            SubscriptionProtocol::WebSocket => self.reactor.send(ReactorMail::StopListening { ticket }),
            _ => self.streams.stop(ticket),
        }
    }

    fn target(&self, feed: &UpstreamFeed) -> &Target {
        &self.targets[usize::from(feed.subgraph.0)]
    }
}
