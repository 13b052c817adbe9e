//! The examples with a broker: their own files, and every step of their READMEs, against local brokers in
//! the place of containers.

#![expect(clippy::disallowed_methods, reason = "deadlines of the brokers' tests are on the real clock")]

#[cfg(feature = "kafka")]
#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/jetstream.rs"]
mod jetstream;
#[cfg(feature = "kafka")]
#[path = "support/kafka.rs"]
mod kafka;
#[path = "support/nats.rs"]
mod nats;
#[path = "support/redis.rs"]
mod redis;
mod support;

use jetstream::Api;
use redis::RedisServer;
use serde_json::{Value, json};
use std::{fs, process::Command, thread};
use support::example::{Example, folder};

/// Each example, its broker's service and port, and the variable that moves it.
const EXAMPLES: [(&str, &str, u16, &str); 3] = [
    ("nats", "nats", 4222, "NATS_URL"),
    ("kafka", "kafka", 9092, "KAFKA_BROKER"),
    ("redis", "redis", 6379, "REDIS_URL"),
];

/// What is shown to be run in a container, as words to match.
fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn the_example_of_nats_does_what_it_says() {
    let server = jetstream::server();
    let example = Example::start("nats", ("NATS_URL", &server.url()));
    example.follow(|it| {
        assert_eq!(it.service, "box");
        let mut broker = server.client();
        match words(&it.words)[..] {
            ["nats", "pub", subject, payload] => {
                broker.publish(subject, payload.as_bytes());
                broker.flush();
            }
            ["nats", "stream", "add", stream, "--subjects", subjects, "--defaults"] => {
                Api::of(&server).create(stream, &[subjects], &json!({}));
            }
            ["nats", "reply", subject, payload] => {
                broker.subscribe(subject);
                let payload = payload.to_owned();
                thread::spawn(move || {
                    let (_, reply, _) = broker.next_message();
                    broker.publish(&reply.expect("a reply subject"), payload.as_bytes());
                    broker.flush();
                });
            }
            ref other => panic!("{other:?}"),
        }
    });
}

#[test]
fn the_example_of_redis_does_what_it_says() {
    if redis::is_missing() {
        return;
    }
    let server = RedisServer::start();
    let example = Example::start("redis", ("REDIS_URL", &server.url()));
    example.follow(|it| {
        let [program, arguments @ ..] = &it.words[..] else { panic!("no words") };
        assert_eq!((&*it.service, &**program), ("redis", "redis-cli"));
        // The very program, at another port.
        let port = server.port().to_string();
        let said = Command::new(program).args(["-p", &port]).args(arguments).output().expect("redis-cli");
        assert!(said.status.success() && !said.stdout.starts_with(b"ERR"), "{arguments:?}: {said:?}");
    });
}

#[cfg(feature = "kafka")]
#[test]
fn the_example_of_kafka_does_what_it_says() {
    let broker = kafka::KafkaBroker::start();
    let example = Example::start("kafka", ("KAFKA_BROKER", &broker.address()));
    example.follow(|it| {
        assert_eq!(it.service, "kafka");
        let server = "--bootstrap-server";
        match words(&it.words)[..] {
            ["/opt/kafka/bin/kafka-topics.sh", it, "localhost:9092", "--create", "--topic", topic]
                if it == server =>
            {
                broker.create_topic(topic, 1);
            }
            ["/opt/kafka/bin/kafka-console-producer.sh", at, "localhost:9092", "--topic", topic]
                if at == server =>
            {
                it.stdin.lines().for_each(|line| broker.send(topic, 0, Some(line)));
                broker.flush();
            }
            ref other => panic!("{other:?}"),
        }
    });
}

/// What people start: images that stay the same, and the port that the router's file has by default.
#[test]
fn containers_are_pinned_and_listen_where_the_router_looks() {
    for (name, broker, port, variable) in EXAMPLES {
        let read = |file: &str| fs::read_to_string(folder(name).join(file)).expect("a file of the example");
        let compose: Value = serde_saphyr::from_str(&read("docker-compose.yml")).expect("YAML");
        let services = compose["services"].as_object().expect("services");
        for (service, it) in services {
            let image = it["image"].as_str().unwrap_or_else(|| panic!("{name}: {service} has no image"));
            let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{image}: no tag"));
            let version = tag.split('-').next().expect("a version");
            let is_exact =
                version.split('.').count() == 3 && version.split('.').all(|it| it.parse::<u32>().is_ok());
            assert!(is_exact, "{image} may become another one");
            assert_eq!(it["ports"].is_array(), service == broker, "{name}: {service}");
        }
        assert_eq!(services[broker]["ports"], serde_json::json!([format!("127.0.0.1:{port}:{port}")]));
        let config = read("juga.yaml");
        let default = [
            format!("${{{variable}:-127.0.0.1:{port}}}"),
            format!("${{{variable}:-{broker}://127.0.0.1:{port}}}"),
        ];
        assert!(default.iter().any(|it| config.contains(it)), "{config}");
        let file = folder(name).join("juga.yaml");
        let valid = Command::new(env!("CARGO_BIN_EXE_juga")).args(["config", "validate"]).arg(file).output();
        assert!(valid.as_ref().is_ok_and(|it| it.status.success()), "{name}: {valid:?}");
        let readme = read("README.md");
        for word in [variable, "docker-compose.yml", "juga.yaml", "events.graphql"] {
            assert!(readme.contains(word), "{name}: {word}");
        }
    }
}
