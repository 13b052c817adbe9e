//! Addresses and URLs: checked for their form, never looked up.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address to listen on. `localhost` is the IPv4 loopback; without a host it is every IPv4 address.
pub(super) fn listen(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (host, port) = text.rsplit_once(':')?;
    let host = match host {
        "localhost" => Ipv4Addr::LOCALHOST,
        "" => Ipv4Addr::UNSPECIFIED,
        _ => return None,
    };
    Some(SocketAddr::from((host, decimal_port(port)?)))
}

/// `host:port`, where the host is a name or an address.
pub(super) fn is_host_and_port(text: &str) -> bool {
    matches!(split_port(text), Some((host, Some(port))) if is_host(host) && is_port(port))
}

/// Checks `scheme://[user[:password]@]host[:port][/…]`. The message never repeats the URL: it may hold a
/// password.
pub(super) fn url(text: &str, schemes: &[&str]) -> Result<(), String> {
    let allowed = schemes.iter().map(|it| format!("`{it}://`")).collect::<Vec<_>>().join(" or ");
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!("expected a URL that starts with {allowed}"));
    };
    if !schemes.contains(&scheme) {
        return Err(format!("the URL must start with {allowed}"));
    }
    if text.chars().any(|it| it.is_whitespace() || it.is_control()) {
        return Err("a URL has no blanks".to_owned());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
    match split_port(server) {
        Some((host, _)) if !is_host(host) => Err("the URL has no proper host".to_owned()),
        Some((_, Some(port))) if !is_port(port) => Err("the URL's port must be 1 to 65535".to_owned()),
        Some(_) => Ok(()),
        None => Err("the URL has no proper host".to_owned()),
    }
}

/// Host, without brackets, and what follows the colon, if there is one.
fn split_port(server: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = server.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        return if rest.is_empty() {
            Some((host, None))
        } else {
            Some((host, Some(rest.strip_prefix(':')?)))
        };
    }
    match server.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((server, None)),
    }
}

fn is_host(host: &str) -> bool {
    let name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.' | ':');
    !host.is_empty() && host.chars().all(name)
}

fn is_port(text: &str) -> bool {
    decimal_port(text).is_some_and(|it| it > 0)
}

fn decimal_port(text: &str) -> Option<u16> {
    text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        let cases = [
            ("localhost:3002", Some("127.0.0.1:3002")),
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            (":4000", Some("0.0.0.0:4000")),
            ("[::1]:80", Some("[::1]:80")),
            ("[::]:80", Some("[::]:80")),
            ("localhost", None),
            ("localhost:", None),
            ("localhost:+1", None),
            ("localhost:65536", None),
            ("example.com:80", None),
            ("3002", None),
            ("", None),
        ];
        for (text, address) in cases {
            assert_eq!(listen(text).map(|it| it.to_string()).as_deref(), address, "{text:?}");
        }
    }

    #[test]
    fn urls() {
        let good = [
            "nats://localhost",
            "nats://localhost:4222",
            "tls://user:pa@ss@nats-1.example.com:4222",
            "nats://[::1]:4222",
            "nats://127.0.0.1:4222/x?y",
        ];
        for text in good {
            assert_eq!(url(text, &["nats", "tls"]), Ok(()), "{text:?}");
        }
        let bad = [
            ("localhost:4222", "expected a URL that starts with `nats://` or `tls://`"),
            ("http://localhost", "the URL must start with `nats://` or `tls://`"),
            ("nats://", "the URL has no proper host"),
            ("nats://user@:4222", "the URL has no proper host"),
            ("nats://[zz]:1", "the URL has no proper host"),
            ("nats://host:0", "the URL's port must be 1 to 65535"),
            ("nats://host:x", "the URL's port must be 1 to 65535"),
            ("nats://ho st", "a URL has no blanks"),
        ];
        for (text, message) in bad {
            assert_eq!(url(text, &["nats", "tls"]), Err(message.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        let cases = [
            ("kafka-1:9092", true),
            ("[::1]:9092", true),
            ("kafka", false),
            (":9092", false),
            ("a:b", false),
        ];
        for (text, good) in cases {
            assert_eq!(is_host_and_port(text), good, "{text:?}");
        }
    }
}
