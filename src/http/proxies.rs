//! Whom clients come through: which proxies are believed, and what they say of a client.
//!
//! `X-Forwarded-*` is text that anybody can send. It counts when a trusted proxy sent it; from everybody else it is
//! taken out before anything sees it. Without any trusted proxy nothing is known of these headers: they mean nothing
//! here and pass as any other header does.

use hyper::{
    HeaderMap,
    header::{FORWARDED, HeaderName, HeaderValue},
};
use std::net::{IpAddr, SocketAddr};

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_HOST: &str = "x-forwarded-host";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// What stands between clients and the router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    pub trusted: Vec<Network>,
    /// Each connection begins with a header of the PROXY protocol, which only a trusted proxy can send.
    pub protocol: bool,
}

/// A range of addresses, or a single one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// Leading bits that addresses have in common.
    prefix: u8,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// TLS is spoken on it.
    pub(super) is_secure: bool,
}

/// Who asks, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) address: IpAddr,
    /// `http` or `https`, where that is known for sure.
    pub(super) scheme: Option<&'static str>,
    /// What the client called the host, if that is not what the request calls it.
    pub(super) host: Option<HeaderValue>,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or an address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(it) if it.bytes().all(|it| it.is_ascii_digit()) => {
                it.parse().ok().filter(|it| *it <= bits)?
            }
            Some(_) => return None,
            None => bits,
        };
        Some(Self { address, prefix })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let same = |own: u128, other: u128, bits: u32| {
            // A shift by all bits is none that there is.
            let apart = (own ^ other).checked_shr(bits - u32::from(self.prefix));
            apart.unwrap_or(0) == 0
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

impl Proxies {
    /// Whether somebody at this address is believed.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        // A socket for both families sees IPv4 within IPv6.
        let address = address.to_canonical();
        self.trusted.iter().any(|it| it.contains(address))
    }

    /// Who sends a request with these headers; those that must not be believed are taken out.
    pub(super) fn identify(&self, peer: Peer, headers: &mut HeaderMap) -> Caller {
        let address = peer.address.to_canonical();
        let own = peer.is_secure.then_some("https");
        if !self.trusts(address) {
            if !self.trusted.is_empty() {
                take_out(headers);
            }
            return Caller { address, scheme: own, host: None };
        }
        let scheme = last(headers, FORWARDED_PROTO).and_then(|it| match it.to_ascii_lowercase().as_str() {
            "http" => Some("http"),
            "https" => Some("https"),
            _ => None,
        });
        let host = last(headers, FORWARDED_HOST).and_then(|it| HeaderValue::from_str(it).ok());
        Caller { address: self.client(address, headers), scheme, host }
    }

    /// The nearest address that is not a trusted proxy's: everything left of it is what somebody else says.
    fn client(&self, proxy: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = proxy;
        let values: Vec<&HeaderValue> = headers.get_all(FORWARDED_FOR).iter().collect();
        for entry in values.into_iter().rev().flat_map(|it| it.as_bytes().rsplit(|it| *it == b',')) {
            let Some(address) = std::str::from_utf8(entry).ok().and_then(|it| address(it.trim())) else {
                break;
            };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

/// An address as proxies write it, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|it| it.ip()))
}

/// The last item of a list: the one that was written by whoever sent the request.
fn last<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next().map(str::trim).filter(|it| !it.is_empty())
}

fn take_out(headers: &mut HeaderMap) {
    let is_told = |name: &HeaderName| {
        name.as_str().starts_with("x-forwarded-") || name == FORWARDED || name == "x-real-ip"
    };
    let names: Vec<HeaderName> = headers.keys().filter(|it| is_told(it)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn proxies(trusted: &[&str]) -> Proxies {
        let trusted = trusted.iter().map(|it| Network::parse(it).expect("a network")).collect();
        Proxies { trusted, protocol: false }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn networks_are_ranges_of_addresses() {
        for (network, address, wanted) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("192.168.1.7", "192.168.1.7", true),
            ("192.168.1.7", "192.168.1.6", false),
            ("192.168.1.6/31", "192.168.1.7", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::1", "::1", true),
        ] {
            let network = Network::parse(network).expect("a network");
            assert_eq!(network.contains(ip(address)), wanted, "{network:?} {address}");
        }
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0/8",
            "host",
            "1.2.3.4:80",
            "1/1/1",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_client_is_the_nearest_that_is_no_proxy() {
        let proxies = proxies(&["10.0.0.0/8", "::1"]);
        for (told, wanted) in [
            (&["1.2.3.4"][..], "1.2.3.4"),
            (&["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            (&["6.6.6.6, 1.2.3.4, 10.1.1.1"], "1.2.3.4"),
            (&["6.6.6.6", "1.2.3.4", "10.1.1.1,10.2.2.2"], "1.2.3.4"),
            (&["10.3.3.3, 10.1.1.1"], "10.3.3.3"),
            (&["1.2.3.4:555"], "1.2.3.4"),
            (&["[2001:db8::1]:555"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["2001:db8::1, ::1"], "2001:db8::1"),
            (&["::ffff:1.2.3.4"], "1.2.3.4"),
            (&["1.2.3.4, unknown, 10.1.1.1"], "10.1.1.1"),
            (&["1.2.3.4, "], "10.0.0.1"),
            (&["\u{e9}"], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for value in told {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
            }
            let peer = Peer { address: ip("::ffff:10.0.0.1"), is_secure: false };
            assert_eq!(proxies.identify(peer, &mut headers).address, ip(wanted), "{told:?}");
            assert_eq!(headers.get_all(FORWARDED_FOR).iter().count(), told.len(), "they pass");
        }
    }

    #[test]
    fn scheme_and_host_are_what_the_proxy_says() {
        let proxies = proxies(&["10.0.0.1"]);
        let peer = |address: &str, is_secure| Peer { address: ip(address), is_secure };
        let told = [("x-forwarded-proto", "HTTPS"), ("x-forwarded-host", "evil, api.example")];
        let caller = proxies.identify(peer("10.0.0.1", false), &mut headers(&told));
        assert_eq!(
            (caller.scheme, caller.host),
            (Some("https"), Some(HeaderValue::from_static("api.example")))
        );
        // Over TLS to the proxy, nothing is known of what lies in front of it.
        let caller =
            proxies.identify(peer("10.0.0.1", true), &mut headers(&[("x-forwarded-proto", "gopher")]));
        assert_eq!((caller.scheme, caller.host), (None, None));
        for (is_secure, scheme) in [(true, Some("https")), (false, None)] {
            let caller = proxies.identify(peer("10.0.0.2", is_secure), &mut headers(&told));
            assert_eq!((caller.scheme, caller.host), (scheme, None));
        }
    }

    #[test]
    fn what_strangers_say_is_taken_out_where_anybody_is_trusted() {
        let told = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-port", "1"),
            ("forwarded", "for=1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("x-test", "me"),
        ];
        let peer = Peer { address: ip("9.9.9.9"), is_secure: false };
        let mut left = headers(&told);
        assert_eq!(proxies(&["10.0.0.1"]).identify(peer, &mut left).address, ip("9.9.9.9"));
        assert_eq!(left, headers(&[("x-test", "me")]));
        let mut left = headers(&told);
        assert_eq!(Proxies::default().identify(peer, &mut left).address, ip("9.9.9.9"));
        assert_eq!(left, headers(&told), "nothing is known of them");
    }
}
