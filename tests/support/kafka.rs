//! A real Kafka broker for a test: Apache Kafka in KRaft mode, on ports and in a folder of its own, and gone
//! with the test. Clients of the test's own publish and read back what is in the log.

#![allow(dead_code, reason = "each test file uses its own part")]

use super::certificates::Certificates;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::{
    collections::BTreeMap,
    future::Future,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// How long anything on this machine may take before a test gives up: a broker is a Java program.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a broker may take to start: a second of a processor or ten, which others may want as well.
const STARTS_WITHIN: Duration = Duration::from_secs(180);

pub(crate) const USER: &str = "alice";
pub(crate) const PASSWORD: &str = "alice-secret";

pub(crate) struct KafkaBroker {
    child: Option<Child>,
    dir: PathBuf,
    ports: Ports,
    pub(crate) certificates: Certificates,
    producer: BaseProducer,
    admin: AdminClient<DefaultClientContext>,
}

#[derive(Clone, Copy)]
struct Ports {
    plain: u16,
    sasl: u16,
    tls: u16,
    mutual_tls: u16,
    sasl_tls: u16,
    /// In the clear, for who comes over a line of the test's own.
    line: u16,
    /// Where the broker says that this is.
    line_advertised: u16,
    controller: u16,
}

impl KafkaBroker {
    /// A broker that answers.
    pub(crate) fn start() -> Self {
        Self::start_behind(|port| port)
    }

    /// One that is reached over a line of the test's own too: from a port of the broker's to the one where
    /// clients find it.
    pub(crate) fn start_behind(line: impl FnOnce(u16) -> u16) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("kafka-test-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary folder");
        let (mut ports, certificates) = (Ports::free(), Certificates::make());
        ports.line_advertised = line(ports.line);
        let address = format!("127.0.0.1:{}", ports.plain);
        let producer = config(&address).set("linger.ms", "0").create().expect("a producer");
        let admin = config(&address).create().expect("an admin client");
        let mut broker = Self { child: None, dir, ports, certificates, producer, admin };
        broker.format();
        broker.run();
        broker
    }

    pub(crate) fn address(&self) -> String {
        address(self.ports.plain)
    }

    /// Where one has to log in, in the clear.
    pub(crate) fn sasl_address(&self) -> String {
        address(self.ports.sasl)
    }

    pub(crate) fn tls_address(&self) -> String {
        address(self.ports.tls)
    }

    /// Where one has to show a certificate.
    pub(crate) fn mutual_tls_address(&self) -> String {
        address(self.ports.mutual_tls)
    }

    pub(crate) fn sasl_tls_address(&self) -> String {
        address(self.ports.sasl_tls)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A line says that the folder is still wanted, and that there will be nothing to end.
            let _ = child.stdin.take().expect("piped").write_all(b"\n");
            let _ = child.kill();
            child.wait().expect("child");
        }
    }

    /// Starts it again, on the same ports and with the same log. Done when it answers.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.run();
    }

    /// Stops it from answering, and keeps its connections open.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    pub(crate) fn create_topic(&self, topic: &str, partitions: i32) {
        self.create_topic_with(topic, partitions, &[]);
    }

    /// A topic with settings: `[("retention.ms", "1000")]`.
    pub(crate) fn create_topic_with(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let made = wait(self.admin.create_topics([&topic], &patient()));
        made[0].as_ref().expect("a topic");
    }

    pub(crate) fn create_topics(&self, topics: &[String], partitions: i32) {
        let new: Vec<NewTopic<'_>> =
            topics.iter().map(|it| NewTopic::new(it, partitions, TopicReplication::Fixed(1))).collect();
        let made = wait(self.admin.create_topics(&new, &patient()));
        assert!(made.iter().all(Result::is_ok), "topics");
        // Made means that the controller has them; the broker takes its time to lead them all.
        let (consumer, start) = (self.consumer(), Instant::now());
        for topic in topics {
            while consumer.fetch_watermarks(topic, 0, PATIENCE).is_err() {
                assert!(start.elapsed() < PATIENCE, "{topic} has no leader");
                std::thread::park_timeout(Duration::from_millis(50));
            }
        }
    }

    pub(crate) fn delete_topic(&self, topic: &str) {
        let done = wait(self.admin.delete_topics(&[topic], &patient()));
        done[0].as_ref().expect("a topic that was there");
    }

    pub(crate) fn set_partitions(&self, topic: &str, count: usize) {
        let new = NewPartitions::new(topic, count);
        let done = wait(self.admin.create_partitions([&new], &patient()));
        done[0].as_ref().expect("more partitions");
    }

    /// Deletes what lies before an offset, as retention would.
    pub(crate) fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before)).expect("an offset");
        wait(self.admin.delete_records(&list, &patient()));
    }

    /// A producer of its own, that sends again what a broker in trouble did not confirm.
    pub(crate) fn producer(&self) -> KafkaProducer {
        KafkaProducer(config(&self.address()).set("linger.ms", "5").create().expect("a producer"))
    }

    /// Publishes to one partition; the broker has it when this returns.
    pub(crate) fn publish(&self, topic: &str, partition: i32, payload: &str) {
        self.send(topic, partition, Some(payload));
        self.flush();
    }

    /// Publishes a record without a value.
    pub(crate) fn publish_tombstone(&self, topic: &str, partition: i32) {
        self.send(topic, partition, None);
        self.flush();
    }

    /// Publishes; the broker has it after [`KafkaBroker::flush`].
    pub(crate) fn send(&self, topic: &str, partition: i32, payload: Option<&str>) {
        let mut record = BaseRecord::<str, str>::to(topic).partition(partition).key("key");
        record.payload = payload;
        self.producer.send(record).map_err(|(error, _)| error).expect("room");
        self.producer.poll(Duration::ZERO);
    }

    /// Publishes with a key and headers; the broker has it when this returns.
    pub(crate) fn publish_labelled(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        headers: &[(&str, &[u8])],
        payload: &[u8],
    ) {
        let all = headers.iter().fold(OwnedHeaders::new(), |all, (name, value)| {
            all.insert(Header { key: name, value: Some(*value) })
        });
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(0).payload(payload).headers(all);
        record.key = key;
        self.producer.send(record).map_err(|(error, _)| error).expect("room");
        self.flush();
    }

    /// A producer with a transaction that has begun.
    pub(crate) fn begin_transaction(&self, id: &str) -> Transaction {
        let producer: BaseProducer =
            config(&self.address()).set("transactional.id", id).create().expect("a producer");
        producer.init_transactions(PATIENCE).expect("transactions");
        producer.begin_transaction().expect("a transaction");
        Transaction(producer)
    }

    /// What was published last to the first partition: key and headers.
    pub(crate) fn last_labels(&self, topic: &str) -> (Option<String>, Vec<(String, String)>) {
        let consumer = self.consumer();
        let (_, end) = consumer.fetch_watermarks(topic, 0, PATIENCE).expect("watermarks");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(end - 1)).expect("a partition");
        consumer.assign(&list).expect("assigned");
        let record = consumer.poll(PATIENCE).expect("a record in time").expect("a record");
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        let headers = record.headers().map(|all| {
            all.iter().map(|it| (it.key.to_owned(), text(it.value.unwrap_or_default()))).collect()
        });
        (record.key().map(text), headers.unwrap_or_default())
    }

    pub(crate) fn flush(&self) {
        self.producer.flush(PATIENCE).expect("the broker has all of it");
    }

    /// The names of all topics.
    pub(crate) fn topics(&self) -> Vec<String> {
        let all = self.consumer().fetch_metadata(None, PATIENCE).expect("metadata");
        all.topics().iter().map(|it| it.name().to_owned()).collect()
    }

    /// Everything that is in a topic: payloads by partition, in their order.
    pub(crate) fn records(&self, topic: &str) -> BTreeMap<i32, Vec<(i64, String)>> {
        let consumer = self.consumer();
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).expect("metadata");
        let (mut list, mut left) = (TopicPartitionList::new(), 0);
        for it in metadata.topics()[0].partitions() {
            let (low, high) = consumer.fetch_watermarks(topic, it.id(), PATIENCE).expect("watermarks");
            list.add_partition_offset(topic, it.id(), Offset::Beginning).expect("a partition");
            left += high - low;
        }
        consumer.assign(&list).expect("assigned");
        let mut records: BTreeMap<i32, Vec<(i64, String)>> = BTreeMap::new();
        while left > 0 {
            let record = consumer.poll(PATIENCE).expect("a record in time").expect("a record");
            let text = String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned();
            records.entry(record.partition()).or_default().push((record.offset(), text));
            left -= 1;
        }
        records
    }

    fn consumer(&self) -> BaseConsumer {
        config(&self.address())
            .set("group.id", "test")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer")
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("running").id().to_string();
        let done = Command::new("kill").args(["-s", name, &id]).status();
        assert!(done.is_ok_and(|it| it.success()), "kill -s {name}");
    }

    /// Makes the empty log and the user.
    fn format(&self) {
        std::fs::write(self.dir.join("server.properties"), self.properties()).expect("configuration file");
        let user = |mechanism: &str| format!("{mechanism}=[name={USER},password={PASSWORD}]");
        let done = java()
            .args(["kafka.tools.StorageTool", "format", "--standalone", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"])
            .arg(self.dir.join("server.properties"))
            .args(["--add-scram", &user("SCRAM-SHA-256"), "--add-scram", &user("SCRAM-SHA-512")])
            .output()
            .expect("java: run `make tools`");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stdout));
    }

    fn run(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.join("log")).expect("log");
        let java = java();
        // Java takes the shell's place; what stays behind waits for the end of its input, which comes when
        // the test is gone however it ended, and ends the broker then.
        let script =
            "exec 3<&0; (read -r _ <&3 || { kill -9 $$; rm -rf \"$0\"; }) 2>/dev/null & exec \"$@\" 3<&-";
        let child = Command::new("sh")
            .args(["-c", script])
            .arg(&self.dir)
            .arg(java.get_program())
            .args(java.get_args())
            .arg("kafka.Kafka")
            .arg(self.dir.join("server.properties"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("log file"))
            .stderr(log)
            .spawn()
            .expect("sh");
        self.child = Some(child);
        let start = Instant::now();
        let consumer = self.consumer();
        while consumer.fetch_metadata(None, Duration::from_secs(1)).is_err() {
            let log = || std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            let ended = self.child.as_mut().is_some_and(|it| it.try_wait().is_ok_and(|it| it.is_some()));
            assert!(!ended && start.elapsed() < STARTS_WITHIN, "Kafka does not answer:\n{}", log());
        }
    }

    fn properties(&self) -> String {
        let Ports { plain, sasl, tls, mutual_tls, sasl_tls, line, line_advertised, controller } = self.ports;
        let listeners = |line: u16| {
            format!(
                "PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},\
                 MUTUAL://127.0.0.1:{mutual_tls},SASLTLS://127.0.0.1:{sasl_tls},LINE://127.0.0.1:{line}"
            )
        };
        let (listeners, advertised) = (listeners(line), listeners(line_advertised));
        let (dir, keys) = (self.dir.display(), self.key_store());
        let authority = self.certificates.text("ca.pem");
        let plain_users = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";"
        );
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let logins = ["sasl", "sasltls"].map(|it| {
            format!(
                "listener.name.{it}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
                 listener.name.{it}.plain.sasl.jaas.config={plain_users}\n\
                 listener.name.{it}.scram-sha-256.sasl.jaas.config={scram}\n\
                 listener.name.{it}.scram-sha-512.sasl.jaas.config={scram}\n"
            )
        });
        format!(
            "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,MUTUAL:SSL,SASLTLS:SASL_SSL,LINE:PLAINTEXT
{}{}ssl.keystore.type=PEM
ssl.keystore.location={keys}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
listener.name.mutual.ssl.client.auth=required
log.dirs={dir}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=1
num.io.threads=2
log.cleaner.dedupe.buffer.size=2097152
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
",
            logins[0], logins[1]
        )
    }

    /// Key and certificate in one file, as Kafka wants them.
    fn key_store(&self) -> String {
        let text = |name| std::fs::read_to_string(self.certificates.file(name)).expect("a certificate");
        let path = self.dir.join("keys.pem");
        std::fs::write(&path, text("server.key") + &text("server.pem")).expect("key store");
        path.to_str().expect("UTF-8 path").to_owned()
    }
}

pub(crate) struct Transaction(BaseProducer);

impl Transaction {
    /// Publishes within it; the broker has it when this returns.
    pub(crate) fn publish(&self, topic: &str, payload: &str) {
        let record = BaseRecord::<str, str>::to(topic).partition(0).payload(payload);
        self.0.send(record).map_err(|(error, _)| error).expect("room");
        self.0.flush(PATIENCE).expect("the broker has it");
    }

    pub(crate) fn commit(self) {
        self.0.commit_transaction(PATIENCE).expect("committed");
    }

    pub(crate) fn abort(self) {
        self.0.abort_transaction(PATIENCE).expect("aborted");
    }
}

impl Drop for KafkaBroker {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) struct KafkaProducer(BaseProducer);

impl KafkaProducer {
    /// Publishes; the broker has it after [`KafkaProducer::flush`].
    pub(crate) fn send(&self, topic: &str, partition: i32, payload: &str) {
        let mut record = BaseRecord::<str, str>::to(topic).partition(partition).payload(payload);
        let start = Instant::now();
        while let Err((error, unsent)) = self.0.send(record) {
            assert!(start.elapsed() < PATIENCE, "no room: {error}");
            record = unsent;
            self.0.poll(Duration::from_millis(1));
        }
        self.0.poll(Duration::ZERO);
    }

    pub(crate) fn flush(&self) {
        self.0.flush(PATIENCE).expect("the broker has all of it");
    }
}

impl Ports {
    /// All of them held at once, so that they are different.
    fn free() -> Self {
        let held: Vec<TcpListener> =
            (0..7).map(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a free port")).collect();
        let port = |at: usize| held[at].local_addr().expect("an address").port();
        Self {
            plain: port(0),
            sasl: port(1),
            tls: port(2),
            mutual_tls: port(3),
            sasl_tls: port(4),
            controller: port(5),
            line: port(6),
            line_advertised: port(6),
        }
    }
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn config(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("reconnect.backoff.ms", "20");
    config.set("reconnect.backoff.max.ms", "200").set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
    config
}

fn patient() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}

fn wait<T>(answer: impl Future<Output = rdkafka::error::KafkaResult<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    runtime.block_on(answer).expect("an answer")
}

fn java() -> Command {
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/kafka/libs");
    assert!(jars.is_dir(), "no {}: run `make tools`", jars.display());
    let mut java = Command::new("java");
    java.args(["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]).arg(jars.join("*"));
    java
}
