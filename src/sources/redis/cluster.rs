//! Streams of a cluster: one connection to each node that has some, and one that tells who has what.
//!
//! A read may not span slots, and one that waits holds up its connection; so nobody waits here: all streams are
//! asked for at once, one command for each (keys seldom share a slot), and after a pause again. What of the cluster
//! cannot be reached is left out and made up for later; the streams of its other nodes are read on.

use super::{
    Line, Shared,
    connect::{Connection, reconnect_delay},
    entry::read_entries,
    feeds::{Feeds, Places},
    reader::{Asks, Brought, Ending, config, in_time, is_about_the_key, read_command},
    slots::{Address, Owners, question},
};
use crate::sources::{Counters, causes};
use futures_util::future::join_all;
use redis::{Cmd, RedisError, Value, aio::MultiplexedConnection, pipe};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::task::{AbortHandle, JoinSet};

/// Between two reads while entries come.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// What the pause grows to while none come: the longest that an entry after a quiet time is late, and at most 20
/// reads of each stream in a second.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// Added for each stream: however many there are, no more than 20,000 reads a second, which keep neither us nor a node
/// busy.
const PAUSE_PER_STREAM: Duration = Duration::from_micros(50);
/// Between two questions who has what.
const REFRESH_INTERVAL: Duration = Duration::from_millis(500);
/// What a turn without a pause counts for in that.
const TURN: Duration = Duration::from_millis(1);
/// Nodes that may send us on, one after the other.
const REDIRECTS_MAX: usize = 4;

pub(super) struct Cluster {
    shared: Arc<Shared>,
    owners: Owners,
    /// Tells who has what, while none of the links can.
    seed: Connection,
    links: BTreeMap<Address, Link>,
    /// Nodes that keys are on their way to, and that were asked since the last turn.
    aside: BTreeSet<Address>,
    connecting: JoinSet<(Address, Result<Connection, String>)>,
    /// Who has what may be known better by now.
    is_stale: bool,
    /// What the cluster last said no to, if that was since the last turn.
    refused: Option<String>,
    /// Pauses since it was last asked.
    rested: Duration,
    /// How often it was asked, so that it is not always the same node.
    refreshes: usize,
    pause: Duration,
    streams: u32,
}

/// A node that has streams of ours.
#[derive(Default)]
struct Link {
    /// Absent: an attempt is under way.
    connection: Option<Connection>,
    attempt: Option<AbortHandle>,
    failed_attempts: u32,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.attempt.iter().for_each(AbortHandle::abort);
    }
}

impl Cluster {
    pub(super) async fn open(shared: Arc<Shared>, seed: Connection) -> Result<Self, Ending> {
        let mut cluster = Self {
            owners: Owners::default(),
            seed,
            links: BTreeMap::new(),
            aside: BTreeSet::new(),
            connecting: JoinSet::new(),
            is_stale: true,
            refused: None,
            rested: REFRESH_INTERVAL,
            refreshes: 0,
            pause: PAUSE_MIN,
            streams: 0,
            shared,
        };
        cluster.refresh().await?;
        Ok(cluster)
    }

    /// Sees to it that every node that has streams is connected, or is being connected to, and no other is.
    pub(super) async fn tend(&mut self, feeds: &mut Feeds) -> Result<(), Ending> {
        while let Some(done) = self.connecting.try_join_next() {
            self.connected(done.ok());
        }
        if self.is_stale && self.rested >= REFRESH_INTERVAL {
            let before = self.homes(feeds);
            self.refresh().await?;
            // Whoever has a stream now may have less of it.
            let moved = before.iter().filter(|(stream, home)| self.owners.of(stream) != home.as_ref());
            moved.for_each(|(stream, _)| feeds.doubt(stream));
        }
        let homes = self.homes(feeds);
        self.streams = u32::try_from(homes.len()).unwrap_or(u32::MAX);
        let mut needed = std::mem::take(&mut self.aside);
        needed.extend(homes.iter().filter_map(|(_, home)| home.clone()));
        self.links.retain(|address, _| needed.contains(address));
        needed.iter().for_each(|it| self.link(it));
        let is_homeless = homes.iter().any(|(_, home)| home.is_none());
        self.is_stale |= is_homeless;
        let homeless = || is_homeless.then(|| "no node has the slot of a stream".to_owned());
        if let Some(reason) = self.refused.take().or_else(homeless) {
            self.shared.failing(Line::Reader, reason);
        } else if self.links.values().all(|it| it.connection.is_some()) {
            self.shared.up(Line::Reader);
        }
        Ok(())
    }

    /// Each stream, and who has it.
    fn homes(&self, feeds: &Feeds) -> Vec<(Arc<str>, Option<Address>)> {
        feeds.streams().map(|it| (it.clone(), self.owners.of(it).cloned())).collect()
    }

    /// Asks who has what: any node that is connected. Where all of them say no, it is as it was, and asked again.
    async fn refresh(&mut self) -> Result<(), Ending> {
        (self.is_stale, self.rested) = (false, Duration::ZERO);
        let ask = question();
        let mut up: Vec<Address> =
            self.links.iter().filter(|(_, it)| it.connection.is_some()).map(|(it, _)| it.clone()).collect();
        self.refreshes = self.refreshes.wrapping_add(1);
        let first = self.refreshes.checked_rem(up.len()).unwrap_or(0);
        up.rotate_left(first);
        for address in up {
            match self.ask_at(&address, &ask).await {
                Some(Ok(answer)) => {
                    self.owners = Owners::read(&answer, &address.host);
                    return Ok(());
                }
                Some(Err(error)) => self.note(&error),
                None => {}
            }
        }
        let mut commands = self.seed.commands.clone();
        match in_time(self.shared.connector.patience(), ask.query_async(&mut commands)).await {
            Ok(answer) => self.owners = Owners::read(&answer, self.seed.host()),
            Err(error) if error.code().is_some() => self.note(&error),
            // Others may be asked by and by.
            Err(_) if self.refused.is_some() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Takes note of what a node says no with.
    fn note(&mut self, error: &RedisError) {
        if error.code().is_some() {
            self.is_stale = true;
            self.refused = Some(causes(error));
        }
    }

    /// Begins to connect to a node, unless it is or that has begun.
    fn link(&mut self, address: &Address) {
        let link = self.links.entry(address.clone()).or_default();
        // One that ended without a word did so by a panic.
        let is_under_way = link.attempt.as_ref().is_some_and(|it| !it.is_finished());
        if link.connection.is_none() && !is_under_way {
            self.dial(address);
        }
    }

    fn dial(&mut self, address: &Address) {
        let Some(link) = self.links.get_mut(address) else { return };
        let delay = match link.failed_attempts {
            0 => Duration::ZERO,
            some => reconnect_delay(some),
        };
        let (shared, address) = (self.shared.clone(), address.clone());
        let attempt = self.connecting.spawn(async move {
            tokio::time::sleep(delay).await;
            let connected = shared.connector.connect_at(&address.host, address.port, &config()).await;
            (address, connected)
        });
        link.attempt.replace(attempt).iter().for_each(AbortHandle::abort);
    }

    fn connected(&mut self, done: Option<(Address, Result<Connection, String>)>) {
        let Some((address, connected)) = done else { return };
        let Some(link) = self.links.get_mut(&address).filter(|it| it.connection.is_none()) else { return };
        match connected {
            Ok(connection) => (link.connection, link.failed_attempts) = (Some(connection), 0),
            Err(error) => {
                link.failed_attempts = link.failed_attempts.saturating_add(1);
                self.shared.failing(Line::Reader, format!("{address}: {error}"));
                // Another may have its slots by now.
                self.is_stale = true;
                self.dial(&address);
            }
        }
    }

    /// A node does not answer any more. Nobody knows how long its streams will be away.
    fn lost(&mut self, feeds: &mut Feeds, address: &Address, reason: &str) {
        let Some(link) = self.links.get_mut(address).filter(|it| it.connection.is_some()) else { return };
        (link.connection, link.failed_attempts) = (None, 1);
        let streams: Vec<Arc<str>> =
            feeds.streams().filter(|it| self.owners.of(it) == Some(address)).cloned().collect();
        streams.iter().for_each(|it| feeds.doubt(it));
        self.is_stale = true;
        Counters::add(&self.shared.counters.reconnects, 1);
        self.shared.set(Line::Reader, super::LineState::Connecting);
        tracing::warn!(provider = &*self.shared.id, node = %address, reason, "a node of a Redis cluster was lost");
        self.dial(address);
    }

    fn commands(&self, address: &Address) -> Option<MultiplexedConnection> {
        Some(self.links.get(address)?.connection.as_ref()?.commands.clone())
    }

    /// Reads every stream whose node can be asked.
    pub(super) async fn read(&mut self, feeds: &mut Feeds, places: &Places, each: usize) -> Brought {
        let asked = places.iter().filter_map(|(stream, place)| {
            let home = self.owners.of(stream)?.clone();
            let commands = self.commands(&home)?;
            Some((stream, home, commands, read_command(each, None, std::iter::once((stream, place)))))
        });
        let limit = self.shared.connector.patience();
        let answers = join_all(asked.map(async |(stream, home, mut commands, read)| {
            let answer = in_time(limit, read.query_async::<Value>(&mut commands)).await;
            (stream, home, read, answer)
        }));
        let mut brought = Brought::default();
        for (stream, home, read, answer) in answers.await {
            let answer = self.settle(feeds, stream, &home, &read, answer).await;
            match answer {
                Some(Ok(answer)) => match read_entries(answer) {
                    Some(read) => brought.read.extend(read),
                    None => self.lost(feeds, &home, "an answer without sense"),
                },
                Some(Err(error)) => brought.unreadable.push((stream.clone(), error.to_string())),
                None => {}
            }
        }
        let most = brought.read.iter().map(|(_, entries)| entries.len()).max();
        self.pause = match most {
            Some(most) if most >= each => Duration::ZERO,
            Some(_) => PAUSE_MIN,
            None => (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX),
        };
        brought
    }

    /// Asks who has a stream. An error is about that stream; `None`: it cannot be asked now.
    pub(super) async fn ask(
        &mut self,
        feeds: &mut Feeds,
        stream: &str,
        command: &Cmd,
    ) -> Option<Result<Value, RedisError>> {
        let home = self.owners.of(stream)?.clone();
        let answer = self.ask_at(&home, command).await?;
        self.settle(feeds, stream, &home, command, answer).await
    }

    /// Asks a node; `None` while it is not connected.
    async fn ask_at(&mut self, address: &Address, command: &Cmd) -> Option<Result<Value, RedisError>> {
        let mut commands = self.commands(address)?;
        let limit = self.shared.connector.patience();
        Some(in_time(limit, command.query_async::<Value>(&mut commands)).await)
    }

    /// What an answer comes to in the end: goes where it sends us, and takes note of who is gone.
    async fn settle(
        &mut self,
        feeds: &mut Feeds,
        stream: &str,
        home: &Address,
        command: &Cmd,
        answer: Result<Value, RedisError>,
    ) -> Option<Result<Value, RedisError>> {
        let (mut home, mut answer) = (home.clone(), answer);
        for _ in 0..REDIRECTS_MAX {
            let error = match answer {
                Ok(answer) => return Some(Ok(answer)),
                Err(error) => error,
            };
            let to = error.redirect_node().and_then(|(to, _)| Address::read(to, &home.host));
            match (error.code(), to) {
                (Some("MOVED"), Some(to)) => {
                    self.owners.moved(stream, to.clone());
                    // Whoever has it now may have less of it.
                    feeds.doubt(stream);
                    self.link(&to);
                    answer = self.ask_at(&to, command).await?;
                    home = to;
                }
                // On its way to that node, and there already; its slot is still here.
                (Some("ASK"), Some(to)) => {
                    self.link(&to);
                    self.aside.insert(to.clone());
                    answer = self.ask_aside(&to, command).await?;
                    home = to;
                }
                (Some(_), _) if is_about_the_key(&error) => return Some(Err(error)),
                // It loads its data, it has lost the others, it hands over: another time, or another node.
                (Some(_), _) => {
                    self.note(&error);
                    return None;
                }
                (None, _) => {
                    self.lost(feeds, &home, &causes(&error));
                    return None;
                }
            }
        }
        None
    }

    /// Asks a node for a key of a slot that is on its way to it.
    async fn ask_aside(&mut self, address: &Address, command: &Cmd) -> Option<Result<Value, RedisError>> {
        let mut commands = self.commands(address)?;
        let mut both = pipe();
        both.cmd("ASKING").ignore().add_command(command.clone());
        let limit = self.shared.connector.patience();
        let asking = async { both.query_async::<(Value,)>(&mut commands).await.map(|(it,)| it) };
        Some(in_time(limit, asking).await)
    }

    /// Pauses before the next read; less when there is something else to do.
    pub(super) async fn rest(&mut self, feeds: &mut Feeds, asks: &mut Asks) {
        let pause = match self.pause {
            Duration::ZERO => Duration::ZERO,
            pause => pause + PAUSE_PER_STREAM * self.streams,
        };
        self.rested = self.rested.saturating_add(pause.max(TURN));
        tokio::select! {
            biased;
            Some(ask) = asks.recv() => feeds.obey(ask),
            Some(done) = self.connecting.join_next() => self.connected(done.ok()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}
