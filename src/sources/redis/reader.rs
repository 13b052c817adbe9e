//! Redis streams: all feeds of a provider that read them, read in turns.
//!
//! A turn asks for all streams at once, each from the place of the feed that is farthest behind; feeds that
//! are ahead pass over what they have had. While the hub's queue is full nothing is read, so nothing is dropped; after
//! an outage reading goes on where it was, so nothing is told of it either, unless the stream was trimmed meanwhile.
//! How to ask one server is `blocking`'s to know, and how to ask a cluster `cluster`'s.

use super::{
    Line, Shared,
    blocking::Server,
    cluster::Cluster,
    connect::Connection,
    entry::{EntryId, StreamInfo},
    feeds::{Ask, Feeds, Read},
    publisher::Publisher,
};
use crate::sources::{Counters, Ticket, causes};
use futures_util::FutureExt;
use redis::{AsyncConnectionConfig, Cmd, RedisError, Value, cmd};
use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::timeout};

/// Entries in one answer, as long as few streams share them.
const ENTRIES_MAX: usize = 1024;
/// Entries of each stream in one answer, however many there are.
const ENTRIES_EACH_MIN: usize = 16;

pub(super) type Asks = mpsc::UnboundedReceiver<Ask>;

pub(super) struct Reader {
    shared: Arc<Shared>,
    /// Has the other connection: one that waits for entries cannot say that it should stop.
    publisher: Arc<Publisher>,
    is_cluster: bool,
    asks: Asks,
    feeds: Feeds,
}

/// Why a connection is not read any more.
pub(super) enum Ending {
    /// Nobody listens.
    Idle,
    Lost(String),
}

impl From<RedisError> for Ending {
    fn from(error: RedisError) -> Self {
        Self::Lost(causes(&error))
    }
}

/// What is said of a stream.
pub(super) enum Said<T> {
    This(T),
    /// It cannot be read, for this reason.
    Unreadable(String),
    /// The node that has it cannot be asked now.
    Away,
}

/// What a read brought.
#[derive(Default)]
pub(super) struct Brought {
    pub(super) read: Read,
    /// Streams that cannot be read, and why.
    pub(super) unreadable: Vec<(Arc<str>, String)>,
}

/// What has the streams.
enum Log {
    Server(Box<Server>),
    Cluster(Box<Cluster>),
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, publisher: Arc<Publisher>, is_cluster: bool, asks: Asks) -> Self {
        let feeds = Feeds::new(shared.clone());
        Self { shared, publisher, is_cluster, asks, feeds }
    }

    /// Reads for ever, and has a connection while there are feeds. To stop it, abort it.
    pub(super) async fn run(mut self) {
        loop {
            match AssertUnwindSafe(self.serve_one_connection()).catch_unwind().await {
                Ok(Ending::Idle) => self.shared.idle(Line::Reader),
                Ok(Ending::Lost(reason)) => self.shared.lost(Line::Reader, &reason).await,
                Err(_) => {
                    Counters::add(&self.shared.counters.restarts, 1);
                    self.shared.lost(Line::Reader, "the reader's task panicked").await;
                }
            }
        }
    }

    async fn serve_one_connection(&mut self) -> Ending {
        while self.feeds.is_empty() {
            match self.asks.recv().await {
                Some(ask) => self.feeds.obey(ask),
                None => std::future::pending().await,
            }
        }
        let connection = self.connect().await;
        let mut log = match self.open(connection).await {
            Ok(log) => log,
            Err(ending) => return ending,
        };
        // Nobody knows how long it was away.
        self.feeds.doubt_all();
        loop {
            if let Err(ending) = self.turn(&mut log).await {
                return ending;
            }
        }
    }

    /// Connects; feeds that come meanwhile and have not started are told that they have to wait.
    async fn connect(&mut self) -> Connection {
        let config = config();
        let shared = self.shared.clone();
        let connecting = shared.connect(Line::Reader, &config);
        tokio::pin!(connecting);
        let mut patience = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                connection = &mut connecting => return connection,
                Some(ask) = self.asks.recv() => self.feeds.obey(ask),
                () = tokio::time::sleep(patience) => {
                    if shared.is_failing(Line::Reader) {
                        self.feeds.interrupt_new().await;
                    }
                    patience = Duration::from_millis(50);
                }
            }
        }
    }

    async fn open(&self, connection: Connection) -> Result<Log, Ending> {
        let shared = self.shared.clone();
        Ok(match self.is_cluster {
            true => Log::Cluster(Box::new(Cluster::open(shared, connection).await?)),
            false => Log::Server(Box::new(Server::open(shared, self.publisher.clone(), connection).await?)),
        })
    }

    /// Starts what is new, and reads once.
    async fn turn(&mut self, log: &mut Log) -> Result<(), Ending> {
        while let Ok(ask) = self.asks.try_recv() {
            self.feeds.obey(ask);
        }
        if let Log::Cluster(cluster) = log {
            cluster.tend(&mut self.feeds).await?;
        }
        self.start_new(log).await?;
        if self.feeds.is_empty() {
            return Err(Ending::Idle);
        }
        let places = self.feeds.places();
        let each = entries_each(places.len());
        let Brought { mut read, unreadable } = match log {
            Log::Server(server) => {
                self.shared.up(Line::Reader);
                server.read(&mut self.feeds, &mut self.asks, &places, each).await?
            }
            Log::Cluster(cluster) => cluster.read(&mut self.feeds, &places, each).await,
        };
        for (stream, problem) in unreadable {
            self.feeds.fail_all(&stream, &problem).await;
        }
        self.look_for_gaps(log, &mut read).await?;
        self.feeds.hand_over(read, each).await;
        if let Log::Cluster(cluster) = log {
            cluster.rest(&mut self.feeds, &mut self.asks).await;
        }
        Ok(())
    }

    /// Takes the place of each new feed.
    async fn start_new(&mut self, log: &mut Log) -> Result<(), Ending> {
        for ticket in self.feeds.new_ones() {
            self.start_one(log, ticket).await?;
        }
        Ok(())
    }

    async fn start_one(&mut self, log: &mut Log, ticket: Ticket) -> Result<(), Ending> {
        let mut places = Vec::new();
        for (stream, resumed) in self.feeds.wishes(ticket) {
            let place = match log.info(&mut self.feeds, &stream).await? {
                Said::This(info) => resumed.unwrap_or(info.last),
                Said::Unreadable(problem) => {
                    self.feeds.fail(ticket, &stream, &problem).await;
                    return Ok(());
                }
                Said::Away => {
                    if self.shared.is_failing(Line::Reader) {
                        self.feeds.interrupt(ticket).await;
                    }
                    return Ok(());
                }
            };
            if place.offset().is_none() {
                let problem = format!("the id {place} is beyond what a position can hold");
                self.feeds.fail(ticket, &stream, &problem).await;
                return Ok(());
            }
            places.push(place);
        }
        self.feeds.start(ticket, places).await;
        Ok(())
    }

    /// Asks after streams that feeds are in doubt about. Asked after the read: what is still there now was there
    /// then. What cannot be asked after is read another time.
    async fn look_for_gaps(&mut self, log: &mut Log, read: &mut Read) -> Result<(), Ending> {
        let mut known = BTreeMap::new();
        for stream in self.feeds.doubtful() {
            match log.info(&mut self.feeds, &stream).await? {
                Said::This(info) => known.insert(stream, Some(info)),
                Said::Unreadable(_) => known.insert(stream, None),
                Said::Away => continue,
            };
        }
        self.feeds.look_for_gaps(&known).await;
        let left = self.feeds.doubtful();
        read.retain(|(stream, _)| !left.contains(&**stream));
        Ok(())
    }
}

impl Log {
    /// What the server says of a stream; one that does not exist is empty.
    async fn info(&mut self, feeds: &mut Feeds, stream: &str) -> Result<Said<StreamInfo>, Ending> {
        let ask = info_command(stream);
        let answer = match self {
            Self::Server(server) => server.ask(&ask).await,
            Self::Cluster(cluster) => match cluster.ask(feeds, stream, &ask).await {
                Some(answer) => answer,
                None => return Ok(Said::Away),
            },
        };
        match answer {
            Ok(answer) => Ok(match StreamInfo::read(&answer) {
                Some(info) => Said::This(info),
                None => Said::Unreadable("an answer without sense".to_owned()),
            }),
            Err(error) if is_missing(&error) => Ok(Said::This(StreamInfo::default())),
            Err(error) if is_about_the_key(&error) => Ok(Said::Unreadable(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

/// Of connections for reading: each command has a time limit of its own.
pub(super) fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(None)
}

/// `XINFO` for a stream.
pub(super) fn info_command(stream: &str) -> Cmd {
    cmd("XINFO").arg("STREAM").arg(stream).to_owned()
}

/// Whether it says that there is no such stream.
pub(super) fn is_missing(error: &RedisError) -> bool {
    error.to_string().contains("no such key")
}

/// `XREAD` for these streams.
pub(super) fn read_command<'a>(
    each: usize,
    block: Option<Duration>,
    places: impl Iterator<Item = (&'a Arc<str>, &'a EntryId)> + Clone,
) -> Cmd {
    let mut read = cmd("XREAD");
    read.arg("COUNT").arg(each);
    if let Some(block) = block {
        read.arg("BLOCK").arg(block.as_millis() as u64);
    }
    read.arg("STREAMS");
    for (stream, _) in places.clone() {
        read.arg(&**stream);
    }
    for (_, place) in places {
        read.arg(place.to_string());
    }
    read
}

fn entries_each(streams: usize) -> usize {
    (ENTRIES_MAX / streams.max(1)).max(ENTRIES_EACH_MIN)
}

/// Errors that say something about one stream, and nothing about the server.
pub(super) fn is_about_the_key(error: &RedisError) -> bool {
    matches!(error.code(), Some("WRONGTYPE" | "NOPERM" | "ERR"))
}

pub(super) async fn in_time(
    limit: Duration,
    work: impl Future<Output = Result<Value, RedisError>>,
) -> Result<Value, RedisError> {
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {limit:?}"));
    timeout(limit, work).await.unwrap_or_else(|_| Err(late().into()))
}
