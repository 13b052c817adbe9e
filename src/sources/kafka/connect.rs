//! From our options to clients of the library: one that reads, one that asks, one that publishes.
//!
//! A broker answers one connection's requests in their order, and holds back a fetch while there is nothing
//! to send. So questions have a client, and connections, of their own: they never wait behind a fetch.

use crate::sources::options::{ClientTls, KafkaAuthentication, KafkaIsolation, KafkaOptions, ScramMechanism};
use rdkafka::{ClientConfig, consumer::BaseConsumer, producer::BaseProducer};
use std::{path::Path, time::Duration};

/// How long one question may take; a broker that is slower counts as away.
pub(super) const QUESTION_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes of records that are read ahead, over all topics. When the hub's queue is full this fills, and then
/// nothing is fetched.
const READ_AHEAD_KIB: u64 = 16_384;
/// Bytes of one answer to a fetch.
const FETCH_BYTES_MAX: u64 = 8 << 20;
/// Bytes of messages that wait for their confirmation.
const PUBLISHING_KIB_MAX: u64 = 16_384;

/// The client that reads. It belongs to no group: `group.id` has to be there, and is never used.
pub(super) fn reader(options: &KafkaOptions) -> Result<ClientConfig, String> {
    let mut config = consumer(options)?;
    config
        .set("fetch.wait.max.ms", options.fetch_max_wait.as_millis().to_string())
        .set("fetch.max.bytes", FETCH_BYTES_MAX.to_string())
        .set("fetch.error.backoff.ms", "50")
        // How soon fetching goes on when there is room again; the default stalls for a second.
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.min.messages", "5000")
        .set("queued.max.messages.kbytes", READ_AHEAD_KIB.to_string());
    Ok(config)
}

/// The client that asks.
pub(super) fn asker(options: &KafkaOptions) -> Result<ClientConfig, String> {
    consumer(options)
}

/// The client that publishes: a message is confirmed when all replicas in sync have it, and retries never
/// double it.
pub(super) fn publisher(options: &KafkaOptions) -> Result<ClientConfig, String> {
    let mut config = common(options)?;
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "0")
        // As Kafka's own clients do: equal keys share a partition, whoever publishes them.
        .set("partitioner", "murmur2_random")
        .set("message.timeout.ms", options.request_timeout.as_millis().to_string())
        // A topic that is not there is refused, not waited for.
        .set("topic.metadata.propagation.max.ms", "1000")
        .set("queue.buffering.max.kbytes", PUBLISHING_KIB_MAX.to_string());
    Ok(config)
}

/// Makes every client once, without a broker to connect to: the library looks at values and files then.
pub(super) fn check(options: &KafkaOptions) -> Result<(), String> {
    let (mut reader, mut publisher) = (reader(options)?, publisher(options)?);
    for config in [&mut reader, &mut publisher] {
        config.remove("bootstrap.servers");
    }
    reader.create::<BaseConsumer>().map_err(|error| error.to_string())?;
    publisher.create::<BaseProducer>().map(drop).map_err(|error| error.to_string())
}

fn consumer(options: &KafkaOptions) -> Result<ClientConfig, String> {
    let mut config = common(options)?;
    config
        .set("group.id", "juga")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "false")
        .set("isolation.level", isolation(options.isolation))
        // What is gone is told before reading goes on.
        .set("auto.offset.reset", "error");
    Ok(config)
}

fn isolation(level: KafkaIsolation) -> &'static str {
    match level {
        KafkaIsolation::ReadCommitted => "read_committed",
        KafkaIsolation::ReadUncommitted => "read_uncommitted",
    }
}

fn common(options: &KafkaOptions) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::new();
    let socket_timeout = options.fetch_max_wait + Duration::from_secs(10);
    config
        .set("bootstrap.servers", options.brokers.join(","))
        .set("client.id", "juga")
        // The library's publishing client has it otherwise, and names of topics may come from arguments.
        .set("allow.auto.create.topics", "false")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "2000")
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        .set("socket.timeout.ms", socket_timeout.as_millis().to_string());
    let security = match (&options.authentication, &options.tls) {
        (None, None) => "plaintext",
        (None, Some(_)) => "ssl",
        (Some(_), None) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", security);
    if let Some(it) = &options.authentication {
        authenticate(&mut config, it);
    }
    if let Some(it) = &options.tls {
        encrypt(&mut config, it)?;
    }
    Ok(config)
}

fn authenticate(config: &mut ClientConfig, authentication: &KafkaAuthentication) {
    let (mechanism, username, password) = match authentication {
        KafkaAuthentication::Plain { username, password } => ("PLAIN", username, password),
        KafkaAuthentication::Scram { username, password, mechanism } => {
            let mechanism = match mechanism {
                ScramMechanism::Sha256 => "SCRAM-SHA-256",
                ScramMechanism::Sha512 => "SCRAM-SHA-512",
            };
            (mechanism, username, password)
        }
    };
    config.set("sasl.mechanisms", mechanism).set("sasl.username", username).set("sasl.password", password);
}

/// `Err` names the file or key to put right: the library's own messages name neither.
fn encrypt(config: &mut ClientConfig, tls: &ClientTls) -> Result<(), String> {
    if tls.insecure_skip_ca_verification {
        config.set("enable.ssl.certificate.verification", "false");
    }
    if let Some(path) = &tls.ca_file {
        config.set("ssl.ca.location", readable(path)?);
    }
    match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => {
            config.set("ssl.certificate.location", readable(cert)?);
            config.set("ssl.key.location", readable(key)?);
            Ok(())
        }
        (None, None) => Ok(()),
        (Some(_), None) => Err("tls.cert_file needs tls.key_file".into()),
        (None, Some(_)) => Err("tls.key_file needs tls.cert_file".into()),
    }
}

fn readable(path: &Path) -> Result<String, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    path.to_str().map(str::to_owned).ok_or_else(|| unreadable(&"not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> KafkaOptions {
        KafkaOptions::new("default", ["a:1", "b:2"])
    }

    fn plain() -> KafkaAuthentication {
        KafkaAuthentication::Plain { username: "u".into(), password: "p".into() }
    }

    #[test]
    fn credentials_and_tls_choose_the_protocol() {
        let protocol = |authentication, tls| {
            let config = reader(&KafkaOptions { authentication, tls, ..options() }).expect("options");
            config.get("security.protocol").map(str::to_owned)
        };
        let tls = || Some(ClientTls::default());
        assert_eq!(protocol(None, None).as_deref(), Some("plaintext"));
        assert_eq!(protocol(None, tls()).as_deref(), Some("ssl"));
        assert_eq!(protocol(Some(plain()), None).as_deref(), Some("sasl_plaintext"));
        assert_eq!(protocol(Some(plain()), tls()).as_deref(), Some("sasl_ssl"));
    }

    #[test]
    fn every_client_is_one_that_the_library_makes() {
        for config in [reader(&options()), asker(&options())] {
            let made = config.expect("options").create::<BaseConsumer>();
            assert!(made.is_ok(), "{:?}", made.err());
        }
        let config = publisher(&options()).expect("options");
        assert_eq!(config.get("bootstrap.servers"), Some("a:1,b:2"));
        assert!(config.create::<BaseProducer>().is_ok());
    }

    #[test]
    fn files_that_are_not_there_are_named() {
        let with = |tls| reader(&KafkaOptions { tls: Some(tls), ..options() }).expect_err("an error");
        let ca_file = Some("/nowhere/ca.pem".into());
        assert!(with(ClientTls { ca_file, ..ClientTls::default() }).contains("/nowhere/ca.pem"));
        let cert_file = Some("c.pem".into());
        assert!(with(ClientTls { cert_file, ..ClientTls::default() }).contains("key_file"));
    }
}
