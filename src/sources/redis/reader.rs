//! Redis streams: all feeds of a provider that read them, on one connection that blocks.
//!
//! One `XREAD` asks for all streams at once, each from the place of the feed that is farthest behind; feeds that
//! are ahead pass over what they have had. While the hub's queue is full nothing is read, so nothing is dropped; after
//! an outage reading goes on where it was, so nothing is told of it either, unless the stream was trimmed meanwhile.

use super::{
    Line, Shared,
    connect::Connection,
    entry::{Entry, EntryId, StreamInfo, read_entries},
    publisher::Publisher,
};
use crate::{
    plan::Position,
    sources::{
        Counters, Report, Ticket, causes,
        sink::{deliver, unavailable},
    },
};
use futures_util::FutureExt;
use redis::{AsyncConnectionConfig, RedisError, Value, aio::MultiplexedConnection, cmd};
use smallvec::SmallVec;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};

/// How long the server waits for an entry before it answers that there is none.
const BLOCK: Duration = Duration::from_secs(1);
/// Entries in one answer, as long as few streams share them.
const ENTRIES_MAX: usize = 1024;
/// Entries of each stream in one answer, however many there are.
const ENTRIES_EACH_MIN: usize = 16;
/// Before a read that had not begun is interrupted again.
const UNBLOCK_INTERVAL: Duration = Duration::from_millis(5);

/// What the provider asks of its reader.
pub(super) enum Ask {
    Start(Ticket, StreamFeed),
    Stop(Ticket),
}

/// Streams to read, and what of their entries.
pub(super) struct StreamFeed {
    /// Sorted: a stream's index is its part in positions.
    pub(super) streams: Vec<Arc<str>>,
    /// The field of an entry that holds the event.
    pub(super) field: Arc<str>,
    /// Behind which place to start; from now on without.
    pub(super) from: Option<Position>,
}

pub(super) struct Reader {
    shared: Arc<Shared>,
    /// Has the other connection: this one cannot say that it should stop waiting.
    publisher: Arc<Publisher>,
    asks: mpsc::UnboundedReceiver<Ask>,
    feeds: BTreeMap<Ticket, Feed>,
    /// Who reads which stream, and as which part.
    streams: BTreeMap<Arc<str>, SmallVec<[(Ticket, usize); 1]>>,
    /// The server's number for the connection, if it tells.
    client: Option<i64>,
}

struct Feed {
    asked: StreamFeed,
    /// In each stream, the newest entry that was handed over; empty before it has started.
    places: Vec<EntryId>,
    /// Entries may have been trimmed before they were read.
    is_doubtful: bool,
    is_interrupted: bool,
}

/// Why a connection is not read any more.
enum Ending {
    /// Nobody listens.
    Idle,
    Lost(String),
}

impl From<RedisError> for Ending {
    fn from(error: RedisError) -> Self {
        Self::Lost(causes(&error))
    }
}

impl Reader {
    pub(super) fn new(
        shared: Arc<Shared>,
        publisher: Arc<Publisher>,
        asks: mpsc::UnboundedReceiver<Ask>,
    ) -> Self {
        Self { shared, publisher, asks, feeds: BTreeMap::new(), streams: BTreeMap::new(), client: None }
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
                Some(ask) => self.obey(ask),
                None => std::future::pending().await,
            }
        }
        let (mut commands, _watch) = self.connect().await.split();
        match identify(&mut commands, self.shared.connector.patience()).await {
            Ok(client) => self.client = client,
            Err(error) => return error.into(),
        }
        // Nobody knows how long it was away.
        self.feeds.values_mut().for_each(|it| it.is_doubtful = true);
        loop {
            if let Err(ending) = self.turn(&mut commands).await {
                return ending;
            }
        }
    }

    /// Connects; feeds that come meanwhile and have not started are told that they have to wait.
    async fn connect(&mut self) -> Connection {
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let shared = self.shared.clone();
        let connecting = shared.connect(Line::Reader, &config);
        tokio::pin!(connecting);
        let mut patience = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                connection = &mut connecting => return connection,
                Some(ask) = self.asks.recv() => self.obey(ask),
                () = tokio::time::sleep(patience) => {
                    if shared.is_failing(Line::Reader) {
                        self.interrupt_new().await;
                    }
                    patience = Duration::from_millis(50);
                }
            }
        }
    }

    fn obey(&mut self, ask: Ask) {
        match ask {
            Ask::Start(ticket, asked) => {
                for (part, stream) in asked.streams.iter().enumerate() {
                    self.streams.entry(stream.clone()).or_default().push((ticket, part));
                }
                let feed = Feed { asked, places: Vec::new(), is_doubtful: false, is_interrupted: false };
                self.feeds.insert(ticket, feed);
            }
            Ask::Stop(ticket) => {
                self.forget(ticket);
            }
        }
    }

    /// Whether there was such a feed.
    fn forget(&mut self, ticket: Ticket) -> bool {
        let Some(feed) = self.feeds.remove(&ticket) else { return false };
        for stream in &feed.asked.streams {
            let Some(listeners) = self.streams.get_mut(stream) else { continue };
            listeners.retain(|(it, _)| *it != ticket);
            if listeners.is_empty() {
                self.streams.remove(stream);
            }
        }
        true
    }

    /// Starts what is new, and reads once.
    async fn turn(&mut self, commands: &mut MultiplexedConnection) -> Result<(), Ending> {
        while let Ok(ask) = self.asks.try_recv() {
            self.obey(ask);
        }
        self.start_new(commands).await?;
        if self.feeds.is_empty() {
            return Err(Ending::Idle);
        }
        self.shared.up(Line::Reader);
        let places = self.places();
        match self.read(commands, &places).await {
            Ok(answer) => {
                let read =
                    read_entries(answer).ok_or_else(|| Ending::Lost("an answer without sense".to_owned()))?;
                self.look_for_gaps(commands).await?;
                self.hand_over(read, entries_each(places.len())).await;
                Ok(())
            }
            // One stream that cannot be read spoils the answer for all.
            Err(error) if error.code().is_some() => match self.fail_unreadable(commands).await? {
                0 => Err(error.into()),
                _ => Ok(()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Where to read each stream from: behind the place of whoever is farthest behind.
    fn places(&self) -> BTreeMap<Arc<str>, EntryId> {
        let place = |(ticket, part): &(Ticket, usize)| self.feeds.get(ticket)?.places.get(*part).copied();
        let farthest = self.streams.iter().filter_map(|(stream, listeners)| {
            Some((stream.clone(), listeners.iter().filter_map(place).min()?))
        });
        farthest.collect()
    }

    /// Waits for entries, and stops waiting when there is something else to do.
    async fn read(
        &mut self,
        commands: &mut MultiplexedConnection,
        places: &BTreeMap<Arc<str>, EntryId>,
    ) -> Result<Value, RedisError> {
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(entries_each(places.len()));
        // Who may have missed something is not kept waiting for the next entry to learn of it.
        if !self.feeds.values().any(|it| it.is_doubtful) {
            read.arg("BLOCK").arg(BLOCK.as_millis() as u64);
        }
        read.arg("STREAMS");
        places.keys().for_each(|it| {
            read.arg(&**it);
        });
        places.values().for_each(|it| {
            read.arg(it.to_string());
        });
        let reading = in_time(BLOCK + self.shared.connector.patience(), read.query_async::<Value>(commands));
        tokio::pin!(reading);
        loop {
            let ask = tokio::select! {
                biased;
                answer = &mut reading => return answer,
                Some(ask) = self.asks.recv() => ask,
            };
            let is_start = matches!(ask, Ask::Start(..));
            self.obey(ask);
            if is_start {
                break;
            }
        }
        tokio::select! {
            biased;
            answer = &mut reading => answer,
            () = unblock(&self.publisher, self.client) => reading.await,
        }
    }

    /// Takes the place of each new feed: from here on it misses nothing.
    async fn start_new(&mut self, commands: &mut MultiplexedConnection) -> Result<(), Ending> {
        let new: Vec<Ticket> =
            self.feeds.iter().filter(|(_, it)| it.places.is_empty()).map(|(it, _)| *it).collect();
        for ticket in new {
            let Some(feed) = self.feeds.get(&ticket) else { continue };
            let streams = feed.asked.streams.clone();
            let mut places = Vec::with_capacity(streams.len());
            for (part, stream) in (0..).zip(&streams) {
                let resumed = feed_from(self.feeds.get(&ticket), part);
                match self.place(commands, stream, resumed).await? {
                    Ok(place) => places.push(place),
                    Err(problem) => {
                        self.fail(ticket, stream, &problem).await;
                        break;
                    }
                }
            }
            let Some(feed) = self.feeds.get_mut(&ticket) else { continue };
            feed.places = places;
            feed.is_doubtful = feed.asked.from.is_some();
            let was_interrupted = std::mem::take(&mut feed.is_interrupted);
            self.tell(ticket, Report::Live).await;
            if was_interrupted {
                self.tell(ticket, Report::Restored).await;
            }
        }
        Ok(())
    }

    /// Where a feed starts in a stream; the inner error is why it cannot.
    async fn place(
        &self,
        commands: &mut MultiplexedConnection,
        stream: &str,
        resumed: Option<EntryId>,
    ) -> Result<Result<EntryId, String>, Ending> {
        let info = match self.info(commands, stream).await? {
            Ok(info) => info,
            Err(problem) => return Ok(Err(problem)),
        };
        let place = resumed.unwrap_or(info.last);
        Ok(match place.offset() {
            Some(_) => Ok(place),
            None => Err(beyond(place)),
        })
    }

    /// What the server says of a stream; one that does not exist is empty. The inner error is why it cannot be read.
    async fn info(
        &self,
        commands: &mut MultiplexedConnection,
        stream: &str,
    ) -> Result<Result<StreamInfo, String>, Ending> {
        let ask = cmd("XINFO").arg("STREAM").arg(stream).to_owned();
        match in_time(self.shared.connector.patience(), ask.query_async::<Value>(commands)).await {
            Ok(answer) => Ok(StreamInfo::read(&answer).ok_or_else(|| "an answer without sense".to_owned())),
            Err(error) if error.to_string().contains("no such key") => Ok(Ok(StreamInfo::default())),
            Err(error) if is_about_the_key(&error) => Ok(Err(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Tells feeds that are in doubt whether entries were trimmed before they were read. Asked after the read: what
    /// is still there now was there then.
    async fn look_for_gaps(&mut self, commands: &mut MultiplexedConnection) -> Result<(), Ending> {
        let doubtful: Vec<Ticket> = self
            .feeds
            .iter()
            .filter(|(_, it)| it.is_doubtful && !it.places.is_empty())
            .map(|(it, _)| *it)
            .collect();
        let mut known = HashMap::<Arc<str>, StreamInfo>::new();
        for ticket in doubtful {
            let Some(feed) = self.feeds.get_mut(&ticket) else { continue };
            feed.is_doubtful = false;
            let streams = feed.asked.streams.clone();
            let mut is_gap = false;
            for (part, stream) in streams.iter().enumerate() {
                if !known.contains_key(stream)
                    && let Ok(info) = self.info(commands, stream).await?
                {
                    known.insert(stream.clone(), info);
                }
                let (Some(info), Some(feed)) = (known.get(stream), self.feeds.get_mut(&ticket)) else {
                    continue;
                };
                is_gap |= info.may_have_lost(feed.places[part]);
                if info.is_other(feed.places[part]) {
                    feed.places[part] = EntryId::ZERO;
                }
            }
            if is_gap {
                tracing::warn!(
                    provider = &*self.shared.id,
                    ?streams,
                    "entries of Redis streams were gone before they were read"
                );
                self.tell(ticket, Report::Gap).await;
            }
        }
        Ok(())
    }

    /// Gives each entry to the feeds that have not had it, waiting for the hub as long as it takes.
    async fn hand_over(&mut self, read: Vec<(String, Vec<Entry>)>, full: usize) {
        let mut failed = BTreeSet::new();
        for (stream, entries) in read {
            // There may be more where these came from, and it may be trimmed before it is read.
            let is_behind = entries.len() >= full;
            for (ticket, part) in self.listeners(&stream) {
                for entry in &entries {
                    if !self.hand_one(ticket, part, entry).await {
                        failed.insert((ticket, stream.clone()));
                        break;
                    }
                }
                if let Some(feed) = self.feeds.get_mut(&ticket) {
                    feed.is_doubtful |= is_behind;
                }
            }
        }
        for (ticket, stream) in failed {
            self.fail(ticket, &stream, "an entry's id is beyond what a position can hold").await;
        }
    }

    fn listeners(&self, stream: &str) -> SmallVec<[(Ticket, usize); 1]> {
        self.streams.get(stream).cloned().unwrap_or_default()
    }

    /// `false`: no position can hold its place.
    async fn hand_one(&mut self, ticket: Ticket, part: usize, entry: &Entry) -> bool {
        let is_new = |it: &&mut Feed| it.places.get(part).is_some_and(|place| *place < entry.id);
        let Some(feed) = self.feeds.get_mut(&ticket).filter(is_new) else {
            return true;
        };
        if entry.id.offset().is_none() {
            return false;
        }
        feed.places[part] = entry.id;
        // An entry without the field cannot be read, and the hub says so to whom it concerns.
        let payload = entry.field(&feed.asked.field).cloned().unwrap_or_default();
        let position = position(&feed.places);
        self.shared.received(1);
        self.tell(ticket, Report::Event { position, payload }).await;
        true
    }

    /// Fails the feeds whose streams the server will not let us read, and counts them.
    async fn fail_unreadable(&mut self, commands: &mut MultiplexedConnection) -> Result<usize, Ending> {
        let mut failed = 0;
        for stream in self.places().into_keys() {
            let Err(problem) = self.info(commands, &stream).await? else { continue };
            for (ticket, _) in self.listeners(&stream) {
                self.fail(ticket, &stream, &problem).await;
                failed += 1;
            }
        }
        Ok(failed)
    }

    async fn fail(&mut self, ticket: Ticket, stream: &str, problem: &str) {
        if self.forget(ticket) {
            tracing::warn!(provider = &*self.shared.id, stream, problem, "a Redis stream cannot be read");
            let error = unavailable("The broker's stream cannot be read.");
            self.tell(ticket, Report::Failed([error].into())).await;
        }
    }

    /// Tells feeds that have no place yet that the broker is away; the others read on as if nothing had been.
    async fn interrupt_new(&mut self) {
        let waiting = self.feeds.iter_mut().filter(|(_, it)| it.places.is_empty() && !it.is_interrupted);
        let waiting: Vec<Ticket> = waiting
            .map(|(ticket, feed)| {
                feed.is_interrupted = true;
                *ticket
            })
            .collect();
        for ticket in waiting {
            self.tell(ticket, Report::Interrupted).await;
        }
    }

    async fn tell(&self, ticket: Ticket, report: Report) {
        deliver(&self.shared.sink, ticket, report).await;
    }
}

fn feed_from(feed: Option<&Feed>, part: u32) -> Option<EntryId> {
    feed?.asked.from.as_ref()?.offset(part).map(EntryId::at)
}

/// The places of a feed in all of its streams. They fit: others are not kept.
fn position(places: &[EntryId]) -> Position {
    Position((0..).zip(places).map(|(part, it)| (part, it.offset().unwrap_or(u64::MAX))).collect())
}

fn beyond(id: EntryId) -> String {
    format!("the id {id} is beyond what a position can hold")
}

fn entries_each(streams: usize) -> usize {
    (ENTRIES_MAX / streams.max(1)).max(ENTRIES_EACH_MIN)
}

/// Errors that say something about one stream, and nothing about the server.
fn is_about_the_key(error: &RedisError) -> bool {
    matches!(error.code(), Some("WRONGTYPE" | "NOPERM" | "ERR"))
}

async fn in_time(
    limit: Duration,
    work: impl Future<Output = Result<Value, RedisError>>,
) -> Result<Value, RedisError> {
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {limit:?}"));
    timeout(limit, work).await.unwrap_or_else(|_| Err(late().into()))
}

/// The server's number for this connection.
async fn identify(commands: &mut MultiplexedConnection, limit: Duration) -> Result<Option<i64>, RedisError> {
    let ask = cmd("CLIENT").arg("ID").to_owned();
    match in_time(limit, ask.query_async::<Value>(commands)).await {
        Ok(Value::Int(id)) => Ok(Some(id)),
        Ok(_) => Ok(None),
        // It may not ask: then it waits as long as the server does.
        Err(error) if error.code().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Has the server answer a read that waits. Done when it did; never when it cannot be asked, because then
/// it answers by itself soon enough.
async fn unblock(publisher: &Publisher, client: Option<i64>) {
    if let (Some(client), Some(mut commands)) = (client, publisher.connected()) {
        let ask = cmd("CLIENT").arg("UNBLOCK").arg(client).to_owned();
        loop {
            match ask.query_async::<Value>(&mut commands).await {
                Ok(Value::Int(0)) => tokio::time::sleep(UNBLOCK_INTERVAL).await,
                Ok(_) => return,
                Err(_) => break,
            }
        }
    }
    std::future::pending().await
}
