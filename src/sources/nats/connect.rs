//! From our options to a connection of the client library.

use super::credentials;
use crate::sources::{options::NatsOptions, tls};
use async_nats::{ConnectOptions, ServerAddr};
use std::time::Duration;

/// Bounds one attempt: TCP, TLS and the handshake.
pub(super) const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(50);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);
/// Messages per subscription that the library may hold before it drops without counting. Takes no memory
/// until used. Our own queue behind it is bounded, counts and tells; this one only bridges the time until
/// a feed's task gets its turn.
const SUBSCRIPTION_CAPACITY: usize = 1 << 18;

/// What does not depend on whether the server can be reached.
pub(super) fn connect_options(options: &NatsOptions) -> Result<ConnectOptions, String> {
    let base = credentials::connect_options(options.authentication.as_ref(), &servers(&options.url)?)?
        .name("juga")
        .connection_timeout(CONNECTION_TIMEOUT)
        .request_timeout(Some(options.request_timeout))
        .ping_interval(options.ping_interval)
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay);
    match &options.tls {
        Some(tls) => Ok(base.require_tls(true).tls_client_config(tls::client_config(tls)?)),
        None => Ok(base),
    }
}

/// The servers of a comma-separated list.
pub(super) fn servers(url: &str) -> Result<Vec<ServerAddr>, String> {
    url.split(',').map(|it| server(it.trim())).collect()
}

/// Messages leave out the address itself, which may hold a password.
fn server(url: &str) -> Result<ServerAddr, String> {
    let server: ServerAddr = url.parse().map_err(|error| format!("url: {error}"))?;
    match server.scheme() {
        "nats" | "tls" if !url.is_empty() && !server.host().is_empty() => Ok(server),
        _ => Err("url: expected nats://HOST:PORT or tls://HOST:PORT".to_owned()),
    }
}

/// Never zero after the first failure: a server that takes connections and hangs up must not be hammered.
pub(super) fn reconnect_delay(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (RECONNECT_DELAY_MIN * 2u32.pow(doublings)).min(RECONNECT_DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::NatsTls;

    #[test]
    fn delays_grow_and_stop_growing() {
        let delays: Vec<u128> = [1, 2, 3, 7, 1_000_000].map(|it| reconnect_delay(it).as_millis()).into();
        assert_eq!(delays, [50, 100, 200, 2000, 2000]);
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let mut options = NatsOptions::new("default", "tls://localhost:4222");
        options.tls = Some(NatsTls { cert_file: Some("c.pem".into()), ..NatsTls::default() });
        assert!(connect_options(&options).is_err_and(|it| it.contains("key_file")));
        options.tls = Some(NatsTls { ca_file: Some("/nowhere/ca.pem".into()), ..NatsTls::default() });
        assert!(connect_options(&options).is_err_and(|it| it.contains("/nowhere/ca.pem")));
    }

    #[test]
    fn urls_may_be_a_list() {
        assert_eq!(servers("nats://a:1, nats://b:2").map(|it| it.len()), Ok(2));
        assert_eq!(servers("a:1").map(|it| it[0].scheme().to_owned()), Ok("nats".to_owned()));
        for bad in ["", "nats://a:1,", "http://a:1", "nats://", "nats://a:notaport"] {
            assert!(servers(bad).is_err(), "{bad}");
        }
    }
}
