//! Publishing: a connection of its own, so that a flood of messages does not hold up the answers.
//!
//! A server that has become a replica takes messages as before and passes them on to nobody, so each message comes with
//! the question what the server is.

use super::{Line, Shared, role::Purpose};
use crate::sources::{Counters, causes};
use futures_util::{FutureExt, future::join};
use redis::{AsyncConnectionConfig, Value, aio::MultiplexedConnection, cmd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::{sync::Notify, time::timeout};

pub(super) struct Publisher {
    shared: Arc<Shared>,
    /// `None` while there is no connection: nothing is kept back to be sent later.
    commands: Mutex<Option<MultiplexedConnection>>,
    /// The server was seen not to be a master any more.
    demoted: Notify,
}

impl Publisher {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, commands: Mutex::default(), demoted: Notify::new() }
    }

    /// Keeps the connection. To stop it, abort it.
    pub(super) async fn run(self: Arc<Self>) {
        // Each command has a time limit of its own.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        loop {
            let (commands, mut watch) = self.shared.connect(Line::Publisher, &config).await.split();
            // That was about the last one.
            let _ = self.demoted.notified().now_or_never();
            *self.commands() = Some(commands);
            self.shared.up(Line::Publisher);
            let reason = tokio::select! {
                reason = watch.lost(&self.shared.connector) => reason,
                () = self.demoted.notified() => "the server is no master any more".to_owned(),
            };
            *self.commands() = None;
            self.shared.lost(Line::Publisher, &reason).await;
        }
    }

    /// Done when the server has answered.
    pub(super) async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), String> {
        let outcome = self.ask(channel, payload).await;
        let counters = &self.shared.counters;
        Counters::add(if outcome.is_ok() { &counters.published } else { &counters.failed }, 1);
        outcome
    }

    async fn ask(&self, channel: &str, payload: &[u8]) -> Result<(), String> {
        let mut commands = self.connected().ok_or("not connected")?;
        let limit = self.shared.connector.patience();
        let publish = cmd("PUBLISH").arg(channel).arg(payload).to_owned();
        let asked = commands.clone();
        let publishing = async {
            // In this order on the one connection.
            let (answer, role) =
                join(publish.query_async::<Value>(&mut commands), self.shared.connector.role(&asked)).await;
            answer.map_err(|error| causes(&error))?;
            role
        };
        let role = timeout(limit, publishing)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))?;
        match role.objection(Purpose::Publish) {
            None => Ok(()),
            Some(objection) => {
                self.demoted.notify_one();
                Err(objection)
            }
        }
    }

    /// The connection, if there is one.
    pub(super) fn connected(&self) -> Option<MultiplexedConnection> {
        self.commands().clone()
    }

    fn commands(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
