//! Streams of one server: a connection that waits for the next entry of any of them.

use super::{
    Shared,
    connect::{Connection, Watch},
    entry::read_entries,
    feeds::{Ask, Feeds, Places},
    publisher::Publisher,
    reader::{Asks, Brought, Ending, in_time, info_command, is_about_the_key, is_missing, read_command},
};
use redis::{Cmd, RedisError, Value, aio::MultiplexedConnection, cmd};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long the server waits for an entry before it answers that there is none.
const BLOCK: Duration = Duration::from_secs(1);
/// Before a read that had not begun is interrupted again.
const UNBLOCK_INTERVAL: Duration = Duration::from_millis(5);

pub(super) struct Server {
    shared: Arc<Shared>,
    publisher: Arc<Publisher>,
    commands: MultiplexedConnection,
    watch: Watch,
    /// When the server was last asked what it is.
    looked: Instant,
    /// The server's number for the connection, if it tells.
    client: Option<i64>,
}

impl Server {
    pub(super) async fn open(
        shared: Arc<Shared>,
        publisher: Arc<Publisher>,
        connection: Connection,
    ) -> Result<Self, Ending> {
        let (mut commands, watch) = connection.split();
        let client = identify(&mut commands, shared.connector.patience()).await?;
        Ok(Self { shared, publisher, commands, watch, looked: Instant::now(), client })
    }

    pub(super) async fn ask(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        in_time(self.shared.connector.patience(), command.query_async::<Value>(&mut self.commands)).await
    }

    /// Waits for entries, and stops waiting when there is something else to do.
    pub(super) async fn read(
        &mut self,
        feeds: &mut Feeds,
        asks: &mut Asks,
        places: &Places,
        each: usize,
    ) -> Result<Brought, Ending> {
        self.look().await?;
        match self.wait(feeds, asks, places, each).await {
            Ok(answer) => {
                let read =
                    read_entries(answer).ok_or_else(|| Ending::Lost("an answer without sense".to_owned()))?;
                Ok(Brought { read, ..Brought::default() })
            }
            // One stream that cannot be read spoils the answer for all.
            Err(error) if error.code().is_some() => {
                let unreadable = self.find_unreadable(places).await?;
                if unreadable.is_empty() {
                    return Err(error.into());
                }
                Ok(Brought { unreadable, ..Brought::default() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Asks now and then whether the server is still what it should be. It cannot be asked while it waits for entries.
    async fn look(&mut self) -> Result<(), Ending> {
        if self.looked.elapsed() < self.shared.connector.patience() {
            return Ok(());
        }
        self.looked = Instant::now();
        match self.watch.look(&self.shared.connector).await {
            Some(reason) => Err(Ending::Lost(reason)),
            None => Ok(()),
        }
    }

    async fn wait(
        &mut self,
        feeds: &mut Feeds,
        asks: &mut Asks,
        places: &Places,
        each: usize,
    ) -> Result<Value, RedisError> {
        // Who may have missed something is not kept waiting for the next entry to learn of it.
        let block = feeds.doubtful().is_empty().then_some(BLOCK);
        let read = read_command(each, block, places.iter());
        let limit = BLOCK + self.shared.connector.patience();
        let reading = in_time(limit, read.query_async::<Value>(&mut self.commands));
        tokio::pin!(reading);
        loop {
            let ask = tokio::select! {
                biased;
                answer = &mut reading => return answer,
                Some(ask) = asks.recv() => ask,
            };
            let is_start = matches!(ask, Ask::Start(..));
            feeds.obey(ask);
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

    async fn find_unreadable(&mut self, places: &Places) -> Result<Vec<(Arc<str>, String)>, Ending> {
        let mut found = Vec::new();
        for stream in places.keys() {
            match self.ask(&info_command(stream)).await {
                Ok(_) => {}
                Err(error) if is_missing(&error) => {}
                Err(error) if is_about_the_key(&error) => found.push((stream.clone(), error.to_string())),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }
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
