//! Whoever listens to a broker, as a process of its own: the bare client library, or the router's adapter with a
//! sink that counts.

use super::goal::Goal;
use crate::brokers::{STREAM, stream};
use bytes::Bytes;
use futures_util::StreamExt;
use juga::{
    plan::{EventFeed, JetStreamOptions, ProviderKind, StreamOptions},
    sources::{FeedSink, NatsOptions, Options, RedisOptions, Report, Sources, Ticket},
};
use redis::{AsyncConnectionConfig, Value, cmd};
use std::{
    future::Future,
    hint::black_box,
    io::{self, BufRead, Write},
    pin::Pin,
    sync::Arc,
    thread,
};
use tokio::runtime::Runtime;

/// The argument under which this program becomes a listener; what else it takes is in [`Listener::of`].
pub const ROLE: &str = "listen";

pub const BARE: &str = "bare";
pub const ADAPTER: &str = "adapter";

/// Entries in one answer, as the adapter asks for them.
const ENTRIES: usize = 1024;

struct Listener {
    /// As the field of the graph is called.
    broker: String,
    address: String,
    name: String,
    goal: Arc<Goal>,
}

/// Listens until its input ends. A line with a number asks to be told when so many events have come in all.
pub fn run(words: &[String]) -> io::Result<()> {
    let [how, broker, address, name] = words else {
        return Err(io::Error::other("how, broker, address, name"));
    };
    let (goal, reached) = Goal::new();
    let (broker, address, name) = (broker.clone(), address.clone(), name.clone());
    let listener = Listener { broker, address, name, goal: goal.clone() };
    let is_bare = how == BARE;
    thread::spawn(move || if is_bare { listener.bare() } else { listener.adapter() });
    let mut answers = io::stdout();
    // Zero events: it listens.
    for asked in std::iter::once(Ok("0".to_owned())).chain(io::stdin().lock().lines()) {
        let asked = asked?;
        goal.set(asked.parse().map_err(io::Error::other)?);
        reached.recv().map_err(io::Error::other)?;
        writeln!(answers, "{asked}")?;
    }
    Ok(())
}

impl Listener {
    fn bare(self) {
        match &*self.broker {
            "nats" => runtime().block_on(self.bare_nats()),
            "jetStream" => runtime().block_on(self.bare_jetstream()),
            "redis" => runtime().block_on(self.bare_redis()),
            "redisStream" => runtime().block_on(self.bare_redis_stream()),
            "kafka" => self.bare_kafka(),
            other => panic!("no such broker: {other}"),
        }
    }

    async fn bare_nats(self) {
        let client = async_nats::connect(&self.address).await.expect("nats-server");
        let mut messages = client.subscribe(self.name).await.expect("a subscription");
        client.flush().await.expect("nats-server");
        self.goal.begin();
        while let Some(message) = messages.next().await {
            black_box(message.payload);
            self.goal.count();
        }
    }

    async fn bare_jetstream(self) {
        use async_nats::jetstream::{self, consumer::pull::OrderedConfig};
        let client = async_nats::connect(&self.address).await.expect("nats-server");
        let stream = jetstream::new(client).get_stream(STREAM).await.expect("a stream");
        let config =
            OrderedConfig { filter_subject: format!("{STREAM}.{}", self.name), ..OrderedConfig::default() };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let mut messages = consumer.messages().await.expect("messages");
        self.goal.begin();
        while let Some(message) = messages.next().await {
            black_box(message.expect("a message").message.payload);
            self.goal.count();
        }
    }

    async fn bare_redis(self) {
        let client = redis::Client::open(self.address).expect("a URL");
        let mut subscriber = client.get_async_pubsub().await.expect("redis-server");
        subscriber.subscribe(self.name).await.expect("a subscription");
        self.goal.begin();
        let mut messages = subscriber.into_on_message();
        while let Some(message) = messages.next().await {
            black_box(message.get_payload_bytes());
            self.goal.count();
        }
    }

    async fn bare_redis_stream(self) {
        let client = redis::Client::open(format!("{}?protocol=resp3", self.address)).expect("a URL");
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let (mut connection, key) = (connecting.await.expect("redis-server"), stream(&self.name, 0));
        self.goal.begin();
        let mut place = "0-0".to_owned();
        loop {
            let mut read = cmd("XREAD");
            read.arg("COUNT").arg(ENTRIES).arg("BLOCK").arg(1000).arg("STREAMS").arg(&key).arg(&place);
            let answer: Value = read.query_async(&mut connection).await.expect("redis-server");
            for (id, payload) in entries(answer) {
                place = id;
                black_box(payload);
                self.goal.count();
            }
        }
    }

    #[cfg(feature = "kafka")]
    fn bare_kafka(self) {
        use rdkafka::{
            ClientConfig, Message, Offset, TopicPartitionList,
            consumer::{BaseConsumer, Consumer},
        };
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.address)
            .set("group.id", "bare")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer");
        let mut places = TopicPartitionList::new();
        places.add_partition_offset(&self.name, 0, Offset::Beginning).expect("a partition");
        consumer.assign(&places).expect("assigned");
        self.goal.begin();
        loop {
            if let Some(Ok(record)) = consumer.poll(std::time::Duration::from_millis(100)) {
                black_box(record.payload());
                self.goal.count();
            }
        }
    }

    #[cfg(not(feature = "kafka"))]
    fn bare_kafka(self) {
        panic!("Kafka is not in this build");
    }

    fn adapter(self) {
        let runtime = runtime();
        let kind = match &*self.broker {
            "nats" | "jetStream" => ProviderKind::Nats,
            "kafka" => ProviderKind::Kafka,
            _ => ProviderKind::Redis,
        };
        let (name, options) = match &*self.broker {
            "redisStream" => (stream(&self.name, 0), Some(StreamOptions::Redis { field: "payload".into() })),
            "jetStream" => {
                let options = JetStreamOptions {
                    stream: STREAM.into(),
                    consumer: "juga".into(),
                    consumer_inactive_threshold: 30,
                    is_ordered: true,
                };
                (format!("{STREAM}.{}", self.name), Some(StreamOptions::JetStream(options)))
            }
            _ => (self.name.clone(), None),
        };
        let feed =
            EventFeed { kind, provider: "default".into(), destinations: vec![name.into()], stream: options };
        let (options, sink) = (self.options(kind), Arc::new(Counting(self.goal)));
        let handle = runtime.handle().clone();
        runtime.block_on(async move {
            let sources = Sources::connect(&handle, options, sink).await.expect("the broker");
            sources.start(Ticket(1), &feed);
            std::future::pending::<()>().await;
        });
    }

    fn options(&self, kind: ProviderKind) -> Options {
        let (id, mut options) = ("default", Options::default());
        match kind {
            ProviderKind::Nats => options.nats = vec![NatsOptions::new(id, &*self.address)],
            ProviderKind::Redis => options.redis = vec![RedisOptions::new(id, &*self.address)],
            ProviderKind::Kafka => {
                options.kafka = vec![juga::sources::KafkaOptions::new(id, [&*self.address])];
            }
        }
        options
    }
}

/// The io thread of the router has such a runtime too.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime")
}

/// Ids and payloads of what `XREAD` brought from one stream.
fn entries(answer: Value) -> impl Iterator<Item = (String, Bytes)> {
    let streams = match answer {
        Value::Map(streams) => streams,
        _ => Vec::new(),
    };
    streams.into_iter().flat_map(|(_, entries)| list(entries)).map(|entry| {
        let mut parts = list(entry).into_iter();
        let id = String::from_utf8(parts.next().and_then(bytes).expect("an id").into()).expect("an id");
        let payload = parts.next().map(list).and_then(|mut it| it.pop()).and_then(bytes);
        (id, payload.expect("a field"))
    })
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(text) => Some(text.into()),
        _ => None,
    }
}

/// The hub's queue, with nobody behind it.
struct Counting(Arc<Goal>);

impl FeedSink for Counting {
    fn try_send(&self, _: Ticket, report: Report) -> Result<(), Report> {
        match report {
            Report::Live => self.0.begin(),
            Report::Event { position, payload } => {
                black_box((position, payload));
                self.0.count();
            }
            other => panic!("{other:?}"),
        }
        Ok(())
    }

    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}
