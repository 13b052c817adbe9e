//! `Host`: whom a request is for (RFC 9112, section 3.2). One that does not say it, or says it twice, may be
//! understood in two ways by the proxies before us.

use hyper::{
    Request, Version,
    header::{HOST, HeaderValue},
    http::uri::Authority,
};

/// Whether a request says whom it is for as its version demands.
pub(super) fn is_named<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    }
}

/// `name`, `name:port`.
fn is_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else { return false };
    let rest = authority.as_str().strip_prefix(authority.host());
    let port = rest.map(|it| it.strip_prefix(':').unwrap_or(it));
    port.is_some_and(|it| {
        it.is_empty() || it.bytes().all(|it| it.is_ascii_digit()) && it.parse::<u16>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_named_by(version: Version, hosts: &[&str]) -> bool {
        let request = Request::builder().version(version);
        let request = hosts.iter().fold(request, |it, host| it.header(HOST, *host));
        is_named(&request.body(()).expect("a request"))
    }

    #[test]
    fn a_request_names_its_host_once() {
        for hosts in [&["x"][..], &["x:80"], &["[::1]:3002"], &["127.0.0.1"], &["a-b.example:"]] {
            assert!(is_named_by(Version::HTTP_11, hosts), "{hosts:?}");
        }
        for hosts in [
            &["x", "x"][..],
            &["x", "y"],
            &[""],
            &["a b"],
            &["a/b"],
            &["user@x"],
            &["x:y"],
            &["x:99999"],
            &["http://x"],
        ] {
            assert!(!is_named_by(Version::HTTP_11, hosts), "{hosts:?}");
            assert!(!is_named_by(Version::HTTP_10, hosts), "{hosts:?}");
        }
        assert!(!is_named_by(Version::HTTP_11, &[]));
        assert!(is_named_by(Version::HTTP_10, &[]), "it was not asked for then");
    }
}
