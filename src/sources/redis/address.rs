//! Which servers a provider has, read from its URLs.
//!
//! The query of such a URL holds options of the client that Cosmo uses. Those that have a meaning here are
//! taken over; the others (pools, retries, buffers) are about what this client does not have, and are ignored.

use crate::sources::options::RedisOptions;
use redis::{ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};
use std::time::Duration;

/// One attempt to connect: TCP, TLS and the handshake.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Until the server has answered a command.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// One server, and who we are to it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    /// `rediss://`.
    pub(super) is_tls: bool,
    /// Database and credentials.
    pub(super) login: RedisConnectionInfo,
}

/// All servers of a provider, in the order in which they are tried.
#[derive(Clone)]
pub(super) struct Servers {
    pub(super) list: Vec<Server>,
    pub(super) dial_timeout: Duration,
    pub(super) read_timeout: Duration,
    /// Believe any certificate.
    pub(super) skip_verify: bool,
}

impl Servers {
    /// Reads the URLs. Options count from the first one alone, as in Cosmo. Messages leave the URL out: it may
    /// hold a password.
    pub(super) fn of(options: &RedisOptions) -> Result<Self, String> {
        let mut servers = Self {
            list: Vec::with_capacity(options.urls.len()),
            dial_timeout: DIAL_TIMEOUT,
            read_timeout: READ_TIMEOUT,
            skip_verify: false,
        };
        for (index, url) in options.urls.iter().enumerate() {
            let read = if index == 0 { Some(&mut servers) } else { None };
            let server = server(url, read).map_err(|problem| format!("urls[{index}]: {problem}"))?;
            servers.list.push(server);
        }
        match servers.list.is_empty() {
            true => Err("urls: at least one is needed".to_owned()),
            false => Ok(servers),
        }
    }

    /// Takes an option over; what is not ours to know is ignored.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "dial_timeout" => self.dial_timeout = duration(name, value)?.unwrap_or(DIAL_TIMEOUT),
            "read_timeout" => self.read_timeout = duration(name, value)?.unwrap_or(READ_TIMEOUT),
            "skip_verify" => self.skip_verify = matches!(value, "1" | "true"),
            _ => {}
        }
        Ok(())
    }
}

fn server(text: &str, mut options: Option<&mut Servers>) -> Result<Server, String> {
    const EXPECTED: &str = "expected redis://HOST:PORT or rediss://HOST:PORT";
    let (scheme, rest) = text.trim().split_once("://").ok_or(EXPECTED)?;
    let is_tls = match scheme {
        "redis" => false,
        "rediss" => true,
        _ => return Err(EXPECTED.to_owned()),
    };
    // TLS is made here and not by the library, so the library reads both kinds as one.
    let mut url = redis::parse_redis_url(&format!("redis://{rest}")).ok_or(EXPECTED)?;
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    url.set_query(None);
    url.set_fragment(None);
    let info = url.into_connection_info().map_err(|error| error.to_string())?;
    let ConnectionAddr::Tcp(host, port) = info.addr().clone() else { return Err(EXPECTED.to_owned()) };
    let mut login = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    for (name, value) in pairs {
        if name == "db" {
            login = login.set_db(value.parse().map_err(|_| "`db` is no number".to_owned())?);
        } else if let Some(options) = &mut options {
            options.set(&name, &value)?;
        }
    }
    Ok(Server { host, port, is_tls, login })
}

/// `300ms`, `1m30s`, or a number of seconds; nothing positive is the default.
fn duration(name: &str, value: &str) -> Result<Option<Duration>, String> {
    if let Ok(seconds) = value.parse::<i64>() {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        return Ok((seconds > 0).then(|| Duration::from_secs(seconds)));
    }
    let total = parse_units(value).ok_or_else(|| format!("`{name}` is no duration such as 3s"))?;
    Ok((!total.is_zero()).then_some(total))
}

fn parse_units(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..end] {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(amount * seconds).ok()?)?;
        rest = &rest[end..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(urls: &[&str]) -> Result<Servers, String> {
        let urls = urls.iter().map(|it| (*it).to_owned()).collect();
        Servers::of(&RedisOptions { urls, ..RedisOptions::new("default", "") })
    }

    #[test]
    fn urls_name_server_credentials_and_database() {
        let servers = read(&["redis://u:p%40ss@h:7/2", "rediss://[::1]", "redis://h?db=3"]).expect("good");
        let told: Vec<_> = servers
            .list
            .iter()
            .map(|it| {
                (&*it.host, it.port, it.is_tls, it.login.db(), it.login.username(), it.login.password())
            })
            .collect();
        assert_eq!(
            told,
            [
                ("h", 7, false, 2, Some("u"), Some("p@ss")),
                ("::1", 6379, true, 0, None, None),
                ("h", 6379, false, 3, None, None),
            ]
        );
        assert!(servers.list.iter().all(|it| it.login.protocol() == ProtocolVersion::RESP3));
    }

    #[test]
    fn options_of_other_clients_do_no_harm() {
        let url = "redis://h/1?pool_size=20&protocol=2&max_retries=3&pool_timeout=1m&unheard_of=x&addr=y";
        let servers = read(&[url]).expect("good");
        assert_eq!((servers.dial_timeout, servers.read_timeout), (DIAL_TIMEOUT, READ_TIMEOUT));
        let servers =
            read(&["redis://h?dial_timeout=1m1.5s&read_timeout=300ms", "redis://i?read_timeout=9s"]);
        let servers = servers.expect("good");
        assert_eq!(servers.dial_timeout, Duration::from_millis(61_500));
        assert_eq!(servers.read_timeout, Duration::from_millis(300));
        let servers = read(&["redis://h?dial_timeout=7&read_timeout=-1"]).expect("good");
        assert_eq!((servers.dial_timeout, servers.read_timeout), (Duration::from_secs(7), READ_TIMEOUT));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_telling_the_password() {
        for bad in ["h:1", "http://h", "redis://", "redis://u:secret@", "redis://u:secret@h/x", "redis://h:x"]
        {
            let error = read(&[bad]).err().unwrap_or_else(|| panic!("{bad}"));
            assert!(error.starts_with("urls[0]: ") && !error.contains("secret"), "{bad}: {error}");
        }
        for bad in ["read_timeout=soon", "read_timeout=3x", "dial_timeout=1s1", "db=x"] {
            assert!(read(&[&format!("redis://h?{bad}")]).is_err(), "{bad}");
        }
        assert!(read(&[]).is_err());
    }
}
