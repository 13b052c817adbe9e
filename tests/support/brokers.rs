//! All brokers behind one face: started, put in trouble, published to, and, where they keep a log, read back.
//!
//! What each can do beyond that is in `nats`, `redis` and `kafka`. The graph is the bench's
//! (`benches/load/graph`), with a root field for each kind of broker.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

#[cfg(feature = "kafka")]
#[path = "certificates.rs"]
pub mod certificates;
#[path = "jetstream.rs"]
pub mod jetstream;
#[cfg(feature = "kafka")]
#[path = "kafka.rs"]
pub mod kafka;
#[path = "nats.rs"]
pub mod nats;
#[path = "redis.rs"]
pub mod redis;

#[cfg(feature = "kafka")]
use kafka::{KafkaBroker, KafkaProducer};
use nats::{NatsClient, NatsServer};
use redis::{RedisClient, RedisServer};
use serde_json::json;
use std::path::Path;

/// Subject, channel, topic; streams have `.` and a number behind it.
const NAME: &str = "ticks";

pub trait Broker: Send {
    /// As configurations and metrics call it.
    fn kind(&self) -> &'static str;
    /// The root field that listens to it.
    fn field(&self) -> &'static str;
    /// Where it is, as YAML for the provider.
    fn provider(&self) -> String;
    /// Where it is, as its client libraries have it.
    fn address(&self) -> String;
    /// Parts of what it publishes that have an order each.
    fn parts(&self) -> u32 {
        1
    }
    /// Ends it as a crash would.
    fn kill(&mut self);
    /// Starts it again, with the same address and data; done when it answers.
    fn restart(&mut self);
    /// Stops it from answering, and keeps its connections open.
    fn pause(&self);
    fn resume(&self);
    /// A client of the test's own that publishes what the graph's fields hear.
    fn publisher(&self) -> Box<dyn Publisher> {
        self.publisher_to(NAME)
    }
    /// The same to another subject, channel, topic, or streams of that name.
    fn publisher_to(&self, name: &'static str) -> Box<dyn Publisher>;
    /// Whether what is published is there later too.
    fn keeps_a_log(&self) -> bool {
        false
    }
    /// What lies in its log, part by part.
    fn log(&self) -> Vec<Vec<String>> {
        Vec::new()
    }
}

/// Lives through the broker's troubles.
pub trait Publisher: Send {
    /// Publishes events, each with its part: how many of them, from the first, the broker has or will have.
    fn publish(&mut self, events: &[(u32, String)]) -> usize;
    /// Done when the broker has everything that was taken.
    fn settle(&mut self) {}
}

/// An event of the graph.
pub fn tick(sequence: u64, body: &str) -> String {
    json!({ "__typename": "Tick", "sequence": sequence, "body": body }).to_string()
}

/// A router's configuration with this broker as its only one; `events` are more keys of that section.
pub fn config(broker: &dyn Broker, events: &str) -> String {
    let graphs = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/load/graph");
    let (graphs, kind, provider) = (graphs.display(), broker.kind(), broker.provider());
    format!(
        r#"version: "1"
listen_addr: 127.0.0.1:0
admin: {{ listen_addr: "127.0.0.1:0" }}
json_log: true
supergraph:
  subgraphs:
    - {{ name: ticks, routing_url: "http://127.0.0.1:9/graphql", schema: {{ file: "{graphs}/ticks.graphql" }} }}
  event_graphs: ["{graphs}/brokers.graphql"]
events:
  skip_unavailable_providers: true
  {events}
  providers:
    {kind}: [{{ id: default, {provider} }}]
"#
    )
}

/// NATS core: what nobody hears is gone.
pub struct Nats(pub NatsServer);

impl Nats {
    pub fn start() -> Self {
        Self(NatsServer::start())
    }
}

impl Broker for Nats {
    fn kind(&self) -> &'static str {
        "nats"
    }
    fn field(&self) -> &'static str {
        "nats"
    }
    fn provider(&self) -> String {
        format!("url: \"{}\"", self.0.url())
    }
    fn address(&self) -> String {
        self.0.url()
    }
    fn kill(&mut self) {
        self.0.kill();
    }
    fn restart(&mut self) {
        self.0.restart();
    }
    fn pause(&self) {
        self.0.pause();
    }
    fn resume(&self) {
        self.0.resume();
    }
    fn publisher_to(&self, name: &'static str) -> Box<dyn Publisher> {
        Box::new(NatsPublisher { port: self.0.port(), name, client: None })
    }
}

struct NatsPublisher {
    port: u16,
    name: &'static str,
    client: Option<NatsClient>,
}

impl Publisher for NatsPublisher {
    fn publish(&mut self, events: &[(u32, String)]) -> usize {
        let Some(mut client) = self.client.take().or_else(|| NatsClient::try_connect(self.port).ok()) else {
            return 0;
        };
        if client.try_publish_all(self.name, events.iter().map(|(_, it)| &**it)).is_err() {
            return 0;
        }
        self.client = Some(client);
        events.len()
    }
}

/// A JetStream stream, read by position.
pub struct JetStream(pub NatsServer);

/// It keeps what is published below its name.
pub const STREAM: &str = "kept";

impl JetStream {
    pub fn start() -> Self {
        let server = jetstream::server();
        jetstream::Api::of(&server).create(STREAM, &[&format!("{STREAM}.>")], &json!({}));
        Self(server)
    }
}

impl Broker for JetStream {
    fn kind(&self) -> &'static str {
        "nats"
    }
    fn field(&self) -> &'static str {
        "jetStream"
    }
    fn provider(&self) -> String {
        format!("url: \"{}\"", self.0.url())
    }
    fn address(&self) -> String {
        self.0.url()
    }
    fn kill(&mut self) {
        self.0.kill();
    }
    fn restart(&mut self) {
        self.0.restart();
    }
    fn pause(&self) {
        self.0.pause();
    }
    fn resume(&self) {
        self.0.resume();
    }
    fn publisher_to(&self, name: &'static str) -> Box<dyn Publisher> {
        let subject = format!("{STREAM}.{name}");
        Box::new(JetStreamPublisher { port: self.0.port(), subject, client: None })
    }
    fn keeps_a_log(&self) -> bool {
        true
    }
    fn log(&self) -> Vec<Vec<String>> {
        let mut api = jetstream::Api::of(&self.0);
        let texts = (1..).map_while(|it| Some(api.message(STREAM, it)?.1));
        vec![texts.collect()]
    }
}

struct JetStreamPublisher {
    port: u16,
    subject: String,
    client: Option<NatsClient>,
}

impl Publisher for JetStreamPublisher {
    fn publish(&mut self, events: &[(u32, String)]) -> usize {
        let Some(mut client) = self.client.take().or_else(|| NatsClient::try_connect(self.port).ok()) else {
            return 0;
        };
        let kept = client.try_keep_all(&self.subject, events.iter().map(|(_, it)| &**it)).unwrap_or(0);
        self.client = Some(client).filter(|_| kept == events.len());
        kept
    }
}

/// Redis channels: what nobody hears is gone.
pub struct RedisChannels(pub RedisServer);

impl RedisChannels {
    pub fn start() -> Self {
        Self(RedisServer::start())
    }
}

impl Broker for RedisChannels {
    fn kind(&self) -> &'static str {
        "redis"
    }
    fn field(&self) -> &'static str {
        "redis"
    }
    fn provider(&self) -> String {
        format!("urls: [\"{}\"]", self.0.url())
    }
    fn address(&self) -> String {
        self.0.url()
    }
    fn kill(&mut self) {
        self.0.kill();
    }
    fn restart(&mut self) {
        self.0.restart();
    }
    fn pause(&self) {
        self.0.pause();
    }
    fn resume(&self) {
        self.0.resume();
    }
    fn publisher_to(&self, name: &'static str) -> Box<dyn Publisher> {
        let command = move |_: u32| vec!["PUBLISH".to_owned(), name.to_owned()];
        Box::new(RedisPublisher { port: self.0.port(), client: None, command: Box::new(command) })
    }
}

/// Redis streams, on a server that has written down what it confirms.
pub struct RedisStreams(pub RedisServer);

impl RedisStreams {
    pub fn start() -> Self {
        Self(RedisServer::durable())
    }
}

/// The key of a stream for one part.
pub fn stream(name: &str, part: u32) -> String {
    format!("{name}.{part}")
}

impl Broker for RedisStreams {
    fn kind(&self) -> &'static str {
        "redis"
    }
    fn field(&self) -> &'static str {
        "redisStream"
    }
    /// A silent server is given up soon, so that a pause is an outage.
    fn provider(&self) -> String {
        format!("urls: [\"{}\"]", self.0.impatient_url())
    }
    fn address(&self) -> String {
        self.0.url()
    }
    fn parts(&self) -> u32 {
        2
    }
    fn kill(&mut self) {
        self.0.kill();
    }
    fn restart(&mut self) {
        self.0.restart();
    }
    fn pause(&self) {
        self.0.pause();
    }
    fn resume(&self) {
        self.0.resume();
    }
    fn publisher_to(&self, name: &'static str) -> Box<dyn Publisher> {
        let command = move |part| ["XADD", &stream(name, part), "*", "payload"].map(str::to_owned).to_vec();
        Box::new(RedisPublisher { port: self.0.port(), client: None, command: Box::new(command) })
    }
    fn keeps_a_log(&self) -> bool {
        true
    }
    fn log(&self) -> Vec<Vec<String>> {
        let mut client = self.0.client();
        let mut entries = |part| {
            let all = client.ask(&["XRANGE", &stream(NAME, part), "-", "+"]);
            all.items().iter().map(|it| it.items()[1].texts().swap_remove(1)).collect()
        };
        (0..self.parts()).map(&mut entries).collect()
    }
}

struct RedisPublisher {
    port: u16,
    client: Option<RedisClient>,
    /// What comes before the payload, by the part.
    command: Box<dyn Fn(u32) -> Vec<String> + Send>,
}

impl Publisher for RedisPublisher {
    fn publish(&mut self, events: &[(u32, String)]) -> usize {
        let Some(mut client) = self.client.take().or_else(|| RedisClient::connect(self.port).ok()) else {
            return 0;
        };
        let heads: Vec<Vec<String>> = events.iter().map(|(part, _)| (self.command)(*part)).collect();
        let commands = heads.iter().zip(events).map(|(head, (_, payload))| {
            head.iter().map(String::as_str).chain([payload.as_str()]).collect::<Vec<&str>>()
        });
        let published = client.try_ask_all(commands);
        self.client = Some(client).filter(|_| published == events.len());
        published
    }
}

/// A Kafka topic of several partitions.
#[cfg(feature = "kafka")]
pub struct Kafka(pub KafkaBroker);

#[cfg(feature = "kafka")]
impl Kafka {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more topics.
    pub fn start_with(topics: &[&str]) -> Self {
        let broker = KafkaBroker::start();
        let all: Vec<String> = topics.iter().chain([&NAME]).map(|it| (*it).to_owned()).collect();
        broker.create_topics(&all, 3);
        Self(broker)
    }
}

#[cfg(feature = "kafka")]
impl Broker for Kafka {
    fn kind(&self) -> &'static str {
        "kafka"
    }
    fn field(&self) -> &'static str {
        "kafka"
    }
    fn provider(&self) -> String {
        format!("brokers: [\"{}\"]", self.0.address())
    }
    fn address(&self) -> String {
        self.0.address()
    }
    fn parts(&self) -> u32 {
        3
    }
    fn kill(&mut self) {
        self.0.kill();
    }
    fn restart(&mut self) {
        self.0.restart();
    }
    fn pause(&self) {
        self.0.pause();
    }
    fn resume(&self) {
        self.0.resume();
    }
    fn publisher_to(&self, name: &'static str) -> Box<dyn Publisher> {
        Box::new(KafkaPublisher { topic: name, producer: self.0.producer() })
    }
    fn keeps_a_log(&self) -> bool {
        true
    }
    fn log(&self) -> Vec<Vec<String>> {
        let texts = |records: Vec<(i64, String)>| records.into_iter().map(|(_, text)| text).collect();
        self.0.records(NAME).into_values().map(texts).collect()
    }
}

/// Its library keeps what the broker has not confirmed, and sends it again.
#[cfg(feature = "kafka")]
struct KafkaPublisher {
    topic: &'static str,
    producer: KafkaProducer,
}

#[cfg(feature = "kafka")]
impl Publisher for KafkaPublisher {
    fn publish(&mut self, events: &[(u32, String)]) -> usize {
        for (part, payload) in events {
            self.producer.send(self.topic, part.cast_signed(), payload);
        }
        events.len()
    }
    fn settle(&mut self) {
        self.producer.flush();
    }
}
