//! The public HTTP front: GraphQL over HTTP, answers that go on (Server-Sent Events, multipart), health, the
//! page of the dev mode, and the door through which WebSockets leave.
//!
//! Runs on the io runtime. It knows requests and responses, never plans or subscriptions: what a request
//! means is behind [`Gateway`], and an upgraded socket is handed over whole and forgotten.

mod access;
mod batch;
mod body;
mod caching;
mod coding;
mod connection;
mod cors;
mod endpoint;
mod front;
mod gateway;
mod host;
mod listen;
mod negotiation;
mod page;
mod proxies;
mod proxy_protocol;
mod replies;
mod reply_body;
mod routes;
mod statuses;
mod tls;
mod upgrade;
mod upload;
mod write_timeout;

pub use batch::Batching;
pub use caching::{CachePolicy, Freshness, strictest};
pub use cors::Cors;
pub use front::{Counters, Front, Options};
pub use gateway::{Answer, BoxFuture, Context, Gateway, Kind, Method, Operation, Outcome, Upgraded};
pub use proxies::{Network, Proxies};
pub use reply_body::{BrokenOff, Updates};
pub use tls::{PROTOCOLS, TlsConfigs};
pub use upload::FileUpload;

#[cfg(test)]
mod tests;
