//! How values are written: each format reads one kind of text into a plain Rust value.
//!
//! Quotes do not matter: `10` and `"10"` are the same, as they are in environment variables.

use super::{
    address,
    keys::Shape,
    quantity,
    reader::Reader,
    tree::{Node, Value},
};
use crate::headers::Algorithm;
use crate::http::Network;
use crate::sources::{
    KafkaIsolation, KafkaPayload,
    subgraph::{SubscriptionProtocol, WebSocketSubprotocol},
};
use http::{HeaderName, HeaderValue};
use regex::Regex;
use std::{collections::BTreeMap, fmt, marker::PhantomData, net::SocketAddr, path::PathBuf, time::Duration};

/// A way to write values of one type.
pub(crate) trait Format {
    type Value;
    const SHAPE: Shape;

    /// Reads a node; `None` once a finding was added.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self::Value>;

    /// What holds without the key, for keys whose fallback is [`super::keys::Fallback::Absent`] or a
    /// section.
    fn absent(_reader: &mut Reader<'_>) -> Option<Self::Value> {
        None
    }
}

/// A format of single words and numbers.
trait Scalar {
    type Value;
    /// With its article: "a duration".
    const KIND: &'static str;
    /// How to write one, as the end of "write it like …".
    const LIKE: &'static str;
    /// Whether a message may repeat what was written.
    const QUOTE: bool = true;

    /// `Err` only says that it is none; the message is made of the constants, or is this text.
    fn parse(text: &str, reader: &Reader<'_>) -> Result<Self::Value, Option<String>>;
}

fn read_scalar<S: Scalar>(node: &Node, reader: &mut Reader<'_>) -> Option<S::Value> {
    let Value::Scalar { text, .. } = &node.value else {
        reader.mismatch(node, S::KIND).help(format!("write it like {}", S::LIKE));
        return None;
    };
    reader.look_at(node);
    match S::parse(text, reader) {
        Ok(value) => Some(value),
        Err(reason) => {
            let found = if S::QUOTE { format!(", found `{text}`") } else { String::new() };
            let message = reason.unwrap_or_else(|| format!("expected {}{found}", S::KIND));
            reader.problem(node, message).help(format!("write it like {}", S::LIKE));
            None
        }
    }
}

/// Declares a scalar format: its name in tables, its article and an example, and how to parse it.
macro_rules! scalar {
    (
        $(#[doc = $doc:literal])+
        $format:ident -> $value:ty, $name:literal, $kind:literal, $like:literal $(, quote $quote:literal)?,
        |$text:ident, $reader:pat_param| $parse:expr
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub(crate) struct $format;

        impl Scalar for $format {
            type Value = $value;
            const KIND: &'static str = $kind;
            const LIKE: &'static str = $like;
            $(const QUOTE: bool = $quote;)?

            fn parse($text: &str, $reader: &Reader<'_>) -> Result<$value, Option<String>> {
                $parse
            }
        }

        impl Format for $format {
            type Value = $value;
            const SHAPE: Shape = Shape::Scalar($name);

            fn read(node: &Node, reader: &mut Reader<'_>) -> Option<$value> {
                read_scalar::<Self>(node, reader)
            }
        }
    };
}

scalar! {
    /// Any text but the empty one.
    Text -> String, "string", "some text", "`name`",
    |text, _| if text.is_empty() { Err(Some("must not be empty".to_owned())) } else { Ok(text.to_owned()) }
}

scalar! {
    /// Any text.
    AnyText -> String, "string", "some text", "`name`",
    |text, _| Ok(text.to_owned())
}

scalar! {
    /// Text that can stand in a header, also the empty one.
    HeaderText -> String, "string", "text in ASCII", "`max-age=60, public`",
    |text, _| if text.bytes().all(|it| matches!(it, b' '..=b'~')) { Ok(text.to_owned()) } else { Err(None) }
}

scalar! {
    /// Text that messages never repeat.
    Password -> Secret, "secret", "a secret", "`${VARIABLE}`", quote false,
    |text, _| if text.is_empty() { Err(Some("must not be empty".to_owned())) } else { Ok(Secret(text.to_owned())) }
}

scalar! {
    /// `true` or `false`.
    Toggle -> bool, "boolean", "`true` or `false`", "`true`",
    |text, _| match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err(None),
    }
}

scalar! {
    /// A number of things, at least one.
    Count -> usize, "count", "a whole number of at least 1", "`16`",
    |text, _| quantity::count(text).filter(|it| *it > 0).ok_or(None)
}

scalar! {
    /// A number of things that clients may ask for; 0 stands for no limit, which is `usize::MAX`.
    Limit -> usize, "limit", "a whole number, or 0 for no limit", "`100`",
    |text, _| quantity::count(text).map(unlimited).ok_or(None)
}

scalar! {
    /// A number of bytes, at least one.
    Size -> usize, "size", "a size in bytes", "`256KB`, `1MiB` or `4096`",
    |text, _| quantity::size(text).filter(|it| *it > 0).ok_or(None)
}

scalar! {
    /// A number of bytes that clients may send; 0 stands for no limit, which is `usize::MAX`.
    SizeLimit -> usize, "size", "a size in bytes, or 0 for no limit", "`256KB`, `1MiB` or `4096`",
    |text, _| quantity::size(text).map(unlimited).ok_or(None)
}

scalar! {
    /// A number of bytes from which on something is done; 0 stands for never, which is `usize::MAX`.
    SizeOrNone -> usize, "size", "a size in bytes, or 0 for never", "`4KiB` or `4096`",
    |text, _| quantity::size(text).map(unlimited).ok_or(None)
}

scalar! {
    /// Bytes of a request's head: what the HTTP library needs for its buffer, or more; 0 stands for 64 KiB.
    HeadSize -> usize, "size", "a size of at least 8KiB, or 0 for 64KiB", "`64KiB` or `100000`",
    |text, _| match quantity::size(text) {
        Some(0) => Ok(64 << 10),
        other => other.filter(|it| *it >= 8 << 10).ok_or(None),
    }
}

scalar! {
    /// A time span, perhaps none.
    Time -> Duration, "duration", "a duration", "`10s`, `250ms` or `1m30s`",
    |text, _| quantity::duration(text).ok_or(None)
}

scalar! {
    /// A time span that is not 0.
    Wait -> Duration, "duration", "a duration of more than 0", "`10s`, `250ms` or `1m30s`",
    |text, _| quantity::duration(text).filter(|it| !it.is_zero()).ok_or(None)
}

scalar! {
    /// An address to listen on.
    Listen -> SocketAddr, "address", "an address with a port", "`localhost:3002`, `0.0.0.0:3002`, `[::1]:3002` or `:3002`",
    |text, _| address::listen(text).ok_or(None)
}

scalar! {
    /// Addresses of machines.
    NetworkRange -> Network, "network", "an address or a range of addresses", "`10.0.0.0/8`, `fd00::/8` or `192.168.1.7`",
    |text, _| Network::parse(text).ok_or(None)
}

scalar! {
    /// The address of another machine: host and port.
    ServerAddress -> String, "address", "host and port", "`localhost:9092`",
    |text, _| if address::is_host_and_port(text) { Ok(text.to_owned()) } else { Err(None) }
}

scalar! {
    /// Where a subgraph is reached.
    RoutingUrl -> String, "URL", "an `http` or `https` URL", "`http://localhost:4001/graphql`", quote false,
    |text, _| address::url(text, &["http", "https"]).map(|()| text.to_owned()).map_err(Some)
}

scalar! {
    /// NATS servers, separated by commas.
    NatsUrl -> String, "URL", "a `nats` or `tls` URL", "`nats://localhost:4222`", quote false,
    |text, _| {
        for one in text.split(',') {
            address::url(one.trim(), &["nats", "tls"]).map_err(Some)?;
        }
        Ok(text.to_owned())
    }
}

scalar! {
    /// A Redis server.
    RedisUrl -> String, "URL", "a `redis` or `rediss` URL", "`redis://localhost:6379`", quote false,
    |text, _| address::url(text, &["redis", "rediss"]).map(|()| text.to_owned()).map_err(Some)
}

scalar! {
    /// A path of an HTTP URL.
    UrlPath -> String, "path", "a path that starts with `/`", "`/graphql`",
    |text, _| {
        let plain = |it: char| it.is_ascii_graphic() && !matches!(it, '?' | '#' | '*' | '{' | '}' | '\\');
        if text.starts_with('/') && text.chars().all(plain) { Ok(text.to_owned()) } else { Err(None) }
    }
}

scalar! {
    /// A file; made absolute from the folder of the file that names it.
    FilePath -> PathBuf, "file", "a file name", "`./file.pem`",
    |text, reader| if text.is_empty() { Err(None) } else { Ok(reader.file(text)) }
}

scalar! {
    /// How much is logged.
    Level -> LogLevel, "log level", "`error`, `warn`, `info`, `debug` or `trace`", "`info`",
    |text, _| match text.to_lowercase().as_str() {
        "error" => Ok(LogLevel::Error),
        // Both spellings are in use.
        "warn" | "warning" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err(None),
    }
}

scalar! {
    /// What follows the grace time of an outage.
    After -> AfterGrace, "word", "`notify` or `end`", "`notify`",
    |text, _| match text {
        "notify" => Ok(AfterGrace::Notify),
        "end" => Ok(AfterGrace::End),
        _ => Err(None),
    }
}

scalar! {
    /// A SCRAM mechanism.
    Mechanism -> ScramMechanism, "word", "`SCRAM-SHA-256` or `SCRAM-SHA-512`", "`SCRAM-SHA-256`",
    |text, _| match text {
        "SCRAM-SHA-256" => Ok(ScramMechanism::Sha256),
        "SCRAM-SHA-512" => Ok(ScramMechanism::Sha512),
        _ => Err(None),
    }
}

scalar! {
    /// What Kafka's records hold.
    RecordFormat -> KafkaPayload, "word", "`json`, `debezium` or `confluent_json`", "`json`",
    |text, _| match text {
        "json" => Ok(KafkaPayload::Json),
        "debezium" => Ok(KafkaPayload::Debezium),
        "confluent_json" => Ok(KafkaPayload::ConfluentJson),
        _ => Err(None),
    }
}

scalar! {
    /// Which records of Kafka's transactions are read.
    IsolationLevel -> KafkaIsolation, "word", "`read_committed` or `read_uncommitted`", "`read_committed`",
    |text, _| match text {
        "read_committed" => Ok(KafkaIsolation::ReadCommitted),
        "read_uncommitted" => Ok(KafkaIsolation::ReadUncommitted),
        _ => Err(None),
    }
}

scalar! {
    /// The name of an HTTP header.
    FieldName -> HeaderName, "header name", "the name of a header", "`X-My-Header`",
    |text, _| text.parse().map_err(|_| None)
}

scalar! {
    /// The value of an HTTP header. May be a secret.
    FieldValue -> HeaderValue, "header value", "the value of a header", "`some text`", quote false,
    |text, _| HeaderValue::from_str(text).map_err(|_| None)
}

scalar! {
    /// A regular expression over names.
    NamePattern -> String, "pattern", "a regular expression", "`(?i)^X-Custom-.*`",
    |text, _| match Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Some(error.to_string())),
    }
}

scalar! {
    /// What a header rule does.
    Operation -> HeaderOperation, "word", "`propagate` or `set`", "`propagate`",
    |text, _| match text {
        "propagate" => Ok(HeaderOperation::Propagate),
        "set" => Ok(HeaderOperation::Set),
        _ => Err(None),
    }
}

scalar! {
    /// What several subgraphs' headers come to.
    Merge -> Algorithm, "word", "`first_write`, `last_write` or `append`", "`last_write`",
    |text, _| match text {
        "first_write" => Ok(Algorithm::FirstWrite),
        "last_write" => Ok(Algorithm::LastWrite),
        "append" => Ok(Algorithm::Append),
        _ => Err(None),
    }
}

scalar! {
    /// How errors of subgraphs reach clients.
    Propagation -> ErrorMode, "word", "`wrapped` or `pass-through`", "`wrapped`",
    |text, _| match text {
        "wrapped" => Ok(ErrorMode::Wrapped),
        // Both spellings are in use.
        "pass-through" | "passthrough" => Ok(ErrorMode::PassThrough),
        _ => Err(None),
    }
}

scalar! {
    /// The only version there is.
    VersionOne -> String, "word", "version `1`", "`1`",
    |text, _| if text == "1" { Ok(text.to_owned()) } else { Err(None) }
}

/// Anything at all, which is not looked at.
#[derive(Debug)]
pub(crate) struct Ignored;

impl Format for Ignored {
    type Value = ();
    const SHAPE: Shape = Shape::Scalar("anything");

    fn read(_node: &Node, _reader: &mut Reader<'_>) -> Option<()> {
        Some(())
    }
}

scalar! {
    /// Parts of a hundred, at least one.
    Percentage -> u32, "percentage", "a whole number from 1 to 100", "`50`",
    |text, _| quantity::count(text).filter(|it| (1..=100).contains(it)).map(|it| it as u32).ok_or(None)
}

scalar! {
    /// A number of things; -1 stands for no bound.
    Bound -> Option<usize>, "count", "a whole number of at least 1, or -1 for no bound", "`100`",
    |text, _| match text {
        "-1" => Ok(None),
        _ => quantity::count(text).filter(|it| *it > 0).map(Some).ok_or(None),
    }
}

scalar! {
    /// How waits between attempts grow; there is one way.
    Backoff -> (), "word", "`backoff_jitter`", "`backoff_jitter`",
    |text, _| if text == "backoff_jitter" { Ok(()) } else { Err(None) }
}

scalar! {
    /// An expression of Cosmo's. None but the empty one can be honoured.
    NoExpression -> (), "expression", "no expression", "`\"\"`",
    |text, _| if text.is_empty() { Ok(()) } else { Err(Some("expressions are not supported: give a `value`, in which `${NAME}` is from the environment".to_owned())) }
}

scalar! {
    /// What is repeated is fixed; the expression that says the same, which Cosmo has by default, may stand.
    RetryExpression -> (), "expression", "no expression", "`\"\"`",
    |text, _| match text.split_whitespace().collect::<String>().as_str() {
        "" | "IsRetryableStatusCode()||IsConnectionError()||IsTimeout()" => Ok(()),
        _ => Err(Some("expressions are not supported: what is repeated is fixed, see the manual".to_owned())),
    }
}

scalar! {
    /// Where a subgraph serves subscriptions.
    SubscriptionUrl -> String, "URL", "an `http`, `https`, `ws` or `wss` URL", "`ws://localhost:4001/graphql`", quote false,
    |text, _| address::url(text, &["http", "https", "ws", "wss"]).map(|()| text.to_owned()).map_err(Some)
}

scalar! {
    /// How subscriptions travel between router and subgraph.
    Travel -> SubscriptionProtocol, "word", "`ws`, `sse` or `sse_post`", "`ws`",
    |text, _| match text {
        "ws" => Ok(SubscriptionProtocol::WebSocket),
        "sse" => Ok(SubscriptionProtocol::Sse),
        "sse_post" => Ok(SubscriptionProtocol::SsePost),
        _ => Err(None),
    }
}

scalar! {
    /// The dialect on a WebSocket to a subgraph.
    Dialect -> WebSocketSubprotocol, "word", "`auto`, `graphql-ws` or `graphql-transport-ws`", "`auto`",
    |text, _| match text {
        "auto" => Ok(WebSocketSubprotocol::Auto),
        "graphql-ws" => Ok(WebSocketSubprotocol::GraphqlWs),
        "graphql-transport-ws" => Ok(WebSocketSubprotocol::GraphqlTransportWs),
        _ => Err(None),
    }
}

/// Something that may be left out.
#[derive(Debug)]
pub(crate) struct Maybe<F>(PhantomData<F>);

impl<F: Format> Format for Maybe<F> {
    type Value = Option<F::Value>;
    const SHAPE: Shape = F::SHAPE;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self::Value> {
        F::read(node, reader).map(Some)
    }

    fn absent(_reader: &mut Reader<'_>) -> Option<Self::Value> {
        Some(None)
    }
}

/// A list, empty when it is left out.
#[derive(Debug)]
pub(crate) struct List<F>(PhantomData<F>);

impl<F: Format> Format for List<F> {
    type Value = Vec<F::Value>;
    const SHAPE: Shape = Shape::List(&F::SHAPE);

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Value::List(items) = &node.value else {
            reader.mismatch(node, "a list").help("each item starts with `- ` on a line of its own");
            return None;
        };
        reader.items::<F>(items)
    }

    fn absent(_reader: &mut Reader<'_>) -> Option<Self::Value> {
        Some(Vec::new())
    }
}

/// Names of one's own choice with something behind each; empty when it is left out.
#[derive(Debug)]
pub(crate) struct Map<F>(PhantomData<F>);

impl<F: Format> Format for Map<F> {
    type Value = BTreeMap<String, F::Value>;
    const SHAPE: Shape = Shape::Map(&F::SHAPE);

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self::Value> {
        let Value::Map(entries) = &node.value else {
            reader.mismatch(node, "a section").help("its keys are names");
            return None;
        };
        reader.named::<F>(entries)
    }

    fn absent(_reader: &mut Reader<'_>) -> Option<Self::Value> {
        Some(BTreeMap::new())
    }
}

/// A section whose keys are told elsewhere: at its neighbour `all`.
#[derive(Debug)]
pub(crate) struct Alike<F>(PhantomData<F>);

impl<F: Format> Format for Alike<F> {
    type Value = F::Value;
    const SHAPE: Shape = Shape::Alike;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self::Value> {
        F::read(node, reader)
    }

    fn absent(reader: &mut Reader<'_>) -> Option<Self::Value> {
        F::absent(reader)
    }
}

/// Text that must not be shown: its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// How much is logged; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The level in lower case, as log filters have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// What subscribers are told when a broker stays away for longer than the grace time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterGrace {
    /// One result with an error; the subscription lives.
    Notify,
    /// The subscription ends with the error.
    End,
}

/// What a header rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderOperation {
    Propagate,
    Set,
}

/// How errors of subgraphs reach clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorMode {
    /// As `extensions.errors` of one error that names the subgraph.
    Wrapped,
    /// Each by itself.
    PassThrough,
}

/// Hash of a SASL/SCRAM exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramMechanism {
    Sha256,
    Sha512,
}

fn unlimited(value: usize) -> usize {
    if value == 0 { usize::MAX } else { value }
}
