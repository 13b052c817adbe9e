//! Connections to a Redis server: how one is made, and how its end is noticed.
//!
//! Sockets and TLS are ours, so that certificates and cipher suites are the same as everywhere else; the
//! library speaks the protocol over them. It speaks RESP3 alone (Redis 6 and later), because only there do
//! answers and messages share a connection.

use super::{
    address::{Server, Servers},
    role::{Purpose, Role},
    slots,
};
use crate::sources::{ClientTls, causes, options::RedisOptions, tls};
use redis::{AsyncConnectionConfig, Value, aio::MultiplexedConnection, cmd};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

/// Nodes of a cluster that are remembered beside the configured ones.
const LEARNED_MAX: usize = 1024;
const HUNG_UP: &str = "the server hung up";
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(50);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);

/// Knows how to connect to one of a provider's servers.
pub(super) struct Connector {
    servers: Servers,
    /// Present where a server wants it.
    tls: Option<TlsConnector>,
    is_cluster: bool,
    /// Nodes of the cluster as one of them listed them: seeds may be gone by the time they are needed.
    learned: Mutex<Vec<(String, u16)>>,
}

/// One connection. Dropped, it is closed.
pub(super) struct Connection {
    host: String,
    pub(super) commands: MultiplexedConnection,
    watch: Watch,
}

/// Notices the end of a connection, and that its server is not what it should be any more.
pub(super) struct Watch {
    address: (String, u16),
    purpose: Purpose,
    commands: MultiplexedConnection,
    /// Moves bytes between the socket and whoever waits for an answer.
    driver: JoinHandle<()>,
    patience: Duration,
}

/// Why there is no connection.
#[derive(Debug, Default)]
pub(super) struct NoConnection {
    pub(super) reason: String,
    /// There are servers that could be listened to, and none to publish at.
    pub(super) is_for_lack_of_a_master: bool,
}

impl Connector {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, String> {
        let servers = Servers::of(options)?;
        let wants_tls = servers.list.iter().any(|it| it.is_tls);
        let tls = match &options.tls {
            Some(_) if !wants_tls => return Err("tls: none of the URLs starts with rediss://".to_owned()),
            Some(tls) => Some(tls.clone()),
            None => wants_tls.then(ClientTls::default),
        };
        let config = tls.map(|mut tls| {
            tls.insecure_skip_ca_verification |= servers.skip_verify;
            tls::client_config(&tls)
        });
        let tls = config.transpose()?.map(|it: ClientConfig| TlsConnector::from(Arc::new(it)));
        Ok(Self { servers, tls, is_cluster: options.cluster_enabled, learned: Mutex::default() })
    }

    /// How long an answer may take.
    pub(super) fn patience(&self) -> Duration {
        self.servers.read_timeout
    }

    /// Connects to the first server that is a master, or else to the first replica that serves the purpose. The error is
    /// the last server's.
    pub(super) async fn connect(
        &self,
        config: &AsyncConnectionConfig,
        purpose: Purpose,
    ) -> Result<Connection, NoConnection> {
        let (mut failure, mut second_best) = (NoConnection::default(), None);
        for server in self.candidates() {
            let (connection, role) = match self.connect_and_ask(&server, config, purpose).await {
                Ok(found) => found,
                Err(reason) => {
                    failure.reason = reason;
                    continue;
                }
            };
            if let Some(objection) = role.objection(purpose) {
                failure.is_for_lack_of_a_master |= role.objection(Purpose::Listen).is_none();
                failure.reason = format!("{}:{}: {objection}", server.host, server.port);
            } else if role.is_best() {
                self.learn(&connection).await;
                return Ok(connection);
            } else {
                second_best.get_or_insert(connection);
            }
        }
        second_best.ok_or(failure)
    }

    async fn connect_and_ask(
        &self,
        server: &Server,
        config: &AsyncConnectionConfig,
        purpose: Purpose,
    ) -> Result<(Connection, Role), String> {
        let limit = self.servers.dial_timeout;
        let connecting = timeout(limit, self.connect_to(server, config, purpose)).await;
        let connection = connecting.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))?;
        let role = self.role(&connection.commands).await?;
        Ok((connection, role))
    }

    /// What a server is. All nodes of a cluster pass on what is published, and who has a stream is asked elsewhere.
    pub(super) async fn role(&self, commands: &MultiplexedConnection) -> Result<Role, String> {
        if self.is_cluster {
            return Ok(Role::Untold);
        }
        let (question, mut commands, limit) = (Role::question(), commands.clone(), self.patience());
        match timeout(limit, question.query_async::<Value>(&mut commands)).await {
            Ok(answer) => Role::read(answer).map_err(|error| causes(&error)),
            Err(_) => Err(format!("the server did not answer within {limit:?}")),
        }
    }

    /// The same, from a server that is to give a sign of life in any case.
    async fn role_or_ping(&self, commands: &MultiplexedConnection) -> Result<Role, String> {
        if !self.is_cluster {
            return self.role(commands).await;
        }
        let (ping, mut commands, limit) = (cmd("PING"), commands.clone(), self.patience());
        match timeout(limit, ping.query_async::<Value>(&mut commands)).await {
            Ok(answer) => Role::read(answer.map(|_| Value::Nil)).map_err(|error| causes(&error)),
            Err(_) => Err(format!("the server did not answer within {limit:?}")),
        }
    }

    /// Whether another of the servers is a master.
    async fn has_master_beside(&self, address: &(String, u16)) -> bool {
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        for server in self.servers.list.iter().filter(|it| it.host != address.0 || it.port != address.1) {
            let found = self.connect_and_ask(server, &config, Purpose::Publish).await;
            if found.is_ok_and(|(_, role)| role == Role::Master) {
                return true;
            }
        }
        false
    }

    /// Connects to one node of the cluster.
    pub(super) async fn connect_at(
        &self,
        host: &str,
        port: u16,
        config: &AsyncConnectionConfig,
    ) -> Result<Connection, String> {
        let limit = self.servers.dial_timeout;
        let outcome = timeout(limit, self.connect_to(&self.node(host, port), config, Purpose::Listen)).await;
        outcome.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
    }

    /// A node that nobody configured is spoken to as the first server is.
    fn node(&self, host: &str, port: u16) -> Server {
        let configured = self.servers.list.iter().find(|it| it.host == host && it.port == port);
        configured.cloned().unwrap_or_else(|| Server {
            host: host.to_owned(),
            port,
            ..self.servers.list[0].clone()
        })
    }

    /// The configured servers, then what else the cluster has.
    fn candidates(&self) -> Vec<Server> {
        let mut all = self.servers.list.clone();
        for (host, port) in &*self.learned.lock().unwrap_or_else(PoisonError::into_inner) {
            if !all.iter().any(|it| it.host == *host && it.port == *port) {
                all.push(self.node(host, *port));
            }
        }
        all
    }

    async fn connect_to(
        &self,
        server: &Server,
        config: &AsyncConnectionConfig,
        purpose: Purpose,
    ) -> Result<Connection, String> {
        let socket = self.socket(server).await?;
        let connecting = MultiplexedConnection::new_with_config(&server.login, socket, config.clone());
        let (commands, driver) = connecting.await.map_err(|error| causes(&error))?;
        let driver = tokio::spawn(driver);
        let (address, patience) = ((server.host.clone(), server.port), self.patience());
        let watch = Watch { address, purpose, commands: commands.clone(), driver, patience };
        Ok(Connection { host: server.host.clone(), commands, watch })
    }

    async fn socket(&self, server: &Server) -> Result<Box<dyn Socket>, String> {
        let connecting = TcpStream::connect((&*server.host, server.port));
        let socket = connecting.await.map_err(|error| causes(&error))?;
        socket.set_nodelay(true).map_err(|error| causes(&error))?;
        let Some(tls) = self.tls.as_ref().filter(|_| server.is_tls) else { return Ok(Box::new(socket)) };
        let name = ServerName::try_from(server.host.clone()).map_err(|error| error.to_string())?;
        let shaken = tls.connect(name, socket).await.map_err(|error| causes(&error))?;
        Ok(Box::new(shaken))
    }

    /// Remembers the cluster's other nodes. That it fails says nothing: the connection serves all the same.
    async fn learn(&self, connection: &Connection) {
        if !self.is_cluster {
            return;
        }
        let mut commands = connection.commands.clone();
        let question = slots::question();
        if let Ok(Ok(slots)) = timeout(self.patience(), question.query_async::<Value>(&mut commands)).await {
            *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = nodes(&slots);
        }
    }
}

impl Connection {
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Commands go on; whoever has the watch keeps the connection.
    pub(super) fn split(self) -> (MultiplexedConnection, Watch) {
        (self.commands, self.watch)
    }
}

impl Watch {
    /// Done when the connection is of no use any more: hung up on, silent though it was asked, or to a server that is not
    /// what it was. The text says which.
    pub(super) async fn lost(&mut self, connector: &Connector) -> String {
        loop {
            if timeout(self.patience, &mut self.driver).await.is_ok() {
                return HUNG_UP.to_owned();
            }
            if let Some(reason) = self.look(connector).await {
                return reason;
            }
        }
    }

    /// Asks the server whether it lives, and what it is. Why it is of no use any more.
    pub(super) async fn look(&mut self, connector: &Connector) -> Option<String> {
        let role = match connector.role_or_ping(&self.commands).await {
            Ok(role) => role,
            Err(reason) => return Some(reason),
        };
        if let Some(objection) = role.objection(self.purpose) {
            return Some(objection);
        }
        if role.is_best() {
            return None;
        }
        tokio::select! {
            biased;
            _ = &mut self.driver => Some(HUNG_UP.to_owned()),
            is_there = connector.has_master_beside(&self.address) => {
                is_there.then(|| "it goes to a replica, and there is a master".to_owned())
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A socket, with or without TLS over it.
trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// How long to wait before the next attempt: longer with each, and never the same for a whole fleet.
pub(super) fn reconnect_delay(attempt: u32) -> Duration {
    let longest = (RECONNECT_DELAY_MIN * 2u32.pow(attempt.min(10))).min(RECONNECT_DELAY_MAX);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Hosts and ports of nodes, each once.
fn nodes(slots: &Value) -> Vec<(String, u16)> {
    let mut found: Vec<(String, u16)> = Vec::new();
    for (host, port) in slots::nodes(slots) {
        if found.len() < LEARNED_MAX && !found.iter().any(|(it, at)| it == host && *at == port) {
            found.push((host.to_owned(), port));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_differ_and_stop_growing() {
        for (attempt, longest) in [(0, 50), (1, 100), (5, 1600), (6, 2000), (u32::MAX, 2000)] {
            let longest = Duration::from_millis(longest);
            let delays: Vec<Duration> = (0..100).map(|_| reconnect_delay(attempt)).collect();
            assert!(delays.iter().all(|it| (longest / 2..=longest).contains(it)), "{attempt}");
            assert!(delays.iter().any(|it| *it != delays[0]), "{attempt}");
        }
    }

    #[test]
    fn nodes_are_read_from_the_slots() {
        let node = |host: &str, port| {
            Value::Array(vec![
                Value::BulkString(host.into()),
                Value::Int(port),
                Value::BulkString("id".into()),
            ])
        };
        let range = |nodes: Vec<Value>| Value::Array([vec![Value::Int(0), Value::Int(9)], nodes].concat());
        let slots = Value::Array(vec![
            range(vec![node("a", 1), node("b", 2)]),
            range(vec![node("a", 1), node("", 3), node("c", 70_000)]),
            Value::Nil,
        ]);
        assert_eq!(nodes(&slots), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    }

    #[test]
    fn options_for_tls_need_a_url_with_tls() {
        let mut options = RedisOptions::new("default", "redis://h");
        options.tls = Some(ClientTls::default());
        assert!(Connector::new(&options).is_err_and(|it| it.contains("rediss")));
        options.urls = vec!["rediss://h".to_owned()];
        options.tls = Some(ClientTls { ca_file: Some("/nowhere/ca.pem".into()), ..ClientTls::default() });
        assert!(Connector::new(&options).is_err_and(|it| it.contains("/nowhere/ca.pem")));
    }
}
